//! Genotypes as people name them: on the command line, and in Python.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use clap::Args;
use color_eyre::eyre::{self, WrapErr};

use super::exit::Usage;
use crate::space::{Genotype, Genotypes, LONGEST, ParseError, Space, Which, published};
use crate::text::sanitize;

/// Which genotype of a text with several.
#[derive(Args, Debug, Default, Clone)]
pub struct WhichArguments {
    /// Which genotype of a log or file that has several: its name or number, from 1, or from -1 backwards [default: the
    /// last of a log; of named ones none].
    #[arg(long, value_name = "NAME|N", allow_negative_numbers = true)]
    which: Option<String>,
}

/// What an argument stands for.
pub struct Given {
    /// Of a published cell, or as the text has it.
    pub name: Option<String>,
    pub genotype: Genotype,
    /// Which of several it is, where that was not said.
    pub note: Option<String>,
}

impl WhichArguments {
    /// As [`find`], and says on standard error which of several it took.
    ///
    /// # Errors
    /// Those of [`find`].
    pub fn find(&self, argument: &str) -> eyre::Result<Given> {
        let given = find(argument, self.which.as_deref())?;
        if let Some(note) = &given.note {
            let _ = writeln!(io::stderr(), "note: {}", sanitize(note));
        }
        Ok(given)
    }
}

/// Whether an argument is a genotype's text, or a file that should hold one, rather than a name.
pub fn is_text(argument: &str) -> bool {
    let file = Path::new(argument).is_file();
    let named = argument.rsplit_once(':').is_some_and(|(file, _)| Path::new(file).is_file());
    argument == "-" || file || named || is_written(argument)
}

/// Whether an argument is written as genotypes are, well or badly.
fn is_written(argument: &str) -> bool {
    let published = argument.contains("Genotype") || argument.contains('|') && argument.contains('~');
    argument.contains(['[', '{']) || published || is_number(argument)
}

/// Whether it may be the six digits that NAS-Bench-201's tables have for a cell, or the number of its row.
pub(super) fn is_number(argument: &str) -> bool {
    (1..=6).contains(&argument.len()) && argument.bytes().all(|b| b.is_ascii_digit())
}

/// The genotype that the argument is or leads to: a file (or `FILE:NAME`, or `-` for standard input), a published name, or
/// text. Names and files may have parentheses too, so text is what is left.
///
/// # Errors
/// It is none of these, can't be read, or holds several of which none is named.
pub fn find(argument: &str, which: Option<&str>) -> eyre::Result<Given> {
    if argument == "-" {
        let bytes = limited(io::stdin().lock()).map_err(|e| Usage(format!("can't read standard input: {e}")))?;
        return take("standard input", &text(&bytes), which).wrap_err("standard input");
    }
    let path = Path::new(argument);
    if path.is_dir() {
        return Err(Usage(format!("{argument} is a folder; name a file that holds a genotype")).into());
    }
    if path.exists() {
        return in_file(argument, which);
    }
    if let Some((file, name)) = argument.rsplit_once(':')
        && !name.is_empty()
        && Path::new(file).is_file()
    {
        if let Some(which) = which {
            return Err(
                Usage(format!("{argument} names `{name}` and --which names `{which}`; give one of them")).into()
            );
        }
        return in_file(file, Some(name));
    }
    let nearest = match published::find(argument) {
        Ok(p) => return Ok(Given { name: Some(p.name), genotype: p.genotype, note: None }),
        Err(nearest) => nearest,
    };
    if is_written(argument) {
        return take("the text", argument, which);
    }
    let shown: String = argument.chars().take(80).collect();
    let hint = match nearest.as_str() {
        "" => "`zonas count DARTS_V2` names one".to_string(),
        near => format!("the nearest name is `{near}`"),
    };
    Err(Usage(format!("`{shown}` is neither a genotype, nor a file, nor a published cell; {hint}")).into())
}

/// `KEY=VALUE` as it is set: where a genotype is, its text stands for the file that was named, which may change while the run
/// is stopped, or for the one that was taken of several.
pub fn assignment(given: &str) -> eyre::Result<Cow<'_, str>> {
    let Some(("train.genotype", value)) = given.split_once('=').map(|(key, value)| (key.trim(), value.trim())) else {
        return Ok(given.into());
    };
    let file = !is_written(value) && value != "-" && is_text(value);
    let several = || Genotypes::of(value).is_ok_and(|g| g.take(None).is_ok_and(|taken| taken.of > 1));
    if value.is_empty() || published::find(value).is_ok() || !(file || is_number(value) || several()) {
        return Ok(given.into());
    }
    let found = WhichArguments::default().find(value).wrap_err("train.genotype")?;
    Ok(format!("train.genotype={}", found.genotype).into())
}

fn in_file(file: &str, which: Option<&str>) -> eyre::Result<Given> {
    let bytes = File::open(file).and_then(limited).map_err(|e| Usage(format!("can't read {file}: {e}")))?;
    take(file, &text(&bytes), which).map_err(|e| match e.downcast_ref::<ParseError>() {
        Some(ParseError::Several { names }) => {
            let last = names.last().filter(|n| *n != "…").or(names.first()).map_or("NAME", String::as_str);
            let all = names.join(", ");
            Usage(format!("{file} defines several genotypes: {all}; choose one, as in `{file}:{last}`")).into()
        }
        _ if std::str::from_utf8(&bytes).is_err() => e.wrap_err(format!("{file} (which is not all UTF-8)")),
        _ => e.wrap_err(file.to_string()),
    })
}

fn take(source: &str, text: &str, which: Option<&str>) -> eyre::Result<Given> {
    let which: Option<Which> = which.map(str::parse).transpose()?;
    let found = match is_number(text.trim()) {
        true => Genotypes::of_space(text, Space::find("nas_bench_201")?),
        false => Genotypes::of(text),
    };
    let taken = found?.take(which.as_ref())?;
    let note = (which.is_none() && !taken.alike).then(|| {
        let (of, line) = (taken.of, taken.line);
        format!("{source} has {of} genotypes; the last, on line {line}, is taken (--which takes another)")
    });
    Ok(Given { name: taken.name, genotype: taken.genotype, note })
}

/// What a reader gives, no further than a text with a genotype may be long: a pipe or a device has no size to ask for.
fn limited(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LONGEST {
        return Err(io::Error::other(format!(
            "a text with a genotype has at most {LONGEST} bytes; leave out the rest"
        )));
    }
    Ok(bytes)
}

/// The text of a file; UTF-16, as PowerShell writes it, by its byte order mark. A log may have odd bytes elsewhere.
fn text(bytes: &[u8]) -> String {
    let wide = |of: fn([u8; 2]) -> u16| -> Vec<u16> {
        bytes[2..].chunks_exact(2).map(|pair| of([pair[0], pair[1]])).collect()
    };
    match bytes {
        [0xff, 0xfe, ..] => String::from_utf16_lossy(&wide(u16::from_le_bytes)),
        [0xfe, 0xff, ..] => String::from_utf16_lossy(&wide(u16::from_be_bytes)),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}
