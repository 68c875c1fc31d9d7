//! Genotypes as people name them on the command line.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use color_eyre::eyre::{self, WrapErr};

use super::Usage;
use crate::space::{Genotype, parse_genotype, published};

/// Longest file that is read for a genotype.
const LONGEST: u64 = 1 << 20;

/// What the argument stands for: a file, a published name (which is given back), or text. Names and files may have
/// parentheses too, so text is what is left.
pub fn find(argument: &str) -> eyre::Result<(Option<String>, Genotype)> {
    let path = Path::new(argument);
    if path.is_dir() {
        return Err(Usage(format!("{argument} is a folder; name a file that holds a genotype")).into());
    }
    if path.exists() {
        let text = read(path).map_err(|e| Usage(format!("can't read {argument}: {e}")))?;
        return Ok((None, parse_genotype(&text).wrap_err_with(|| argument.to_string())?));
    }
    let nearest = match published::find(argument) {
        Ok(p) => return Ok((Some(p.name), p.genotype)),
        Err(nearest) => nearest,
    };
    if argument.contains(['[', '{']) || argument.contains("Genotype") {
        return Ok((None, parse_genotype(argument)?));
    }
    let shown: String = argument.chars().take(80).collect();
    Err(Usage(format!(
        "`{shown}` is neither a genotype, nor a file, nor a published cell; the nearest name is `{nearest}`"
    ))
    .into())
}

/// A file's text. A pipe or a device, whose size is not known before, is read no further than a file may be long.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::other(format!("a genotype has at most {LONGEST} bytes")));
    }
    Ok(text)
}
