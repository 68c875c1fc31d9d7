//! Genotypes in text, as people have them: published code
//! (`DARTS_V1 = Genotype(normal=[('sep_conv_3x3', 1), …], normal_concat=range(2, 6), reduce=[…], reduce_concat=[2, 3, 4, 5])`)
//! with any white space, comments, either quote, lists or tuples; whole logs; files of definitions; JSON, be it Zonas's,
//! that of `_asdict()` or an export of NNI; NAS-Bench-201's `|nor_conv_3x3~0|+…`; and all of these as terminals, chats and pages hand them on.

mod arch;
mod clean;
mod meaning;
mod nni;
mod scan;
#[cfg(test)]
mod tests;
mod value;

use std::convert::Infallible;
use std::str::FromStr;

use self::clean::Clean;
use self::meaning::Fault;
use self::value::Stop;
use super::genotype::GenotypeError;
use super::{Genotype, Space};

/// Where and why a text is no genotype.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("line {line}, column {column}: {reason}")]
    At { line: usize, column: usize, reason: String },
    /// Well written, but no architecture of the space; the place is that of the choice or list at fault.
    #[error("line {line}, column {column}: {error}")]
    Wrong { line: usize, column: usize, error: GenotypeError },
    #[error("a text with a genotype is at most {LONGEST} bytes long; this one has {0}")]
    TooLong(usize),
    /// Definitions of several, of which none was chosen; in the order of the text, aliases last.
    #[error("several genotypes are defined here: {}; choose one by its name", .names.join(", "))]
    Several { names: Vec<String> },
    /// The one that was chosen is not there.
    #[error("{0}")]
    Absent(String),
}

/// Longest text that is looked at, in bytes: a long log.
pub const LONGEST: usize = 16 << 20;

/// Names that an error lists.
const LISTED: usize = 40;

/// One of the genotypes of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// From 1, in the order of the text; from -1 backwards from the last.
    Number(i64),
    Name(String),
}

impl FromStr for Which {
    type Err = Infallible;

    fn from_str(s: &str) -> Result<Which, Infallible> {
        Ok(match (s, s.parse()) {
            ("first", _) => Which::Number(1),
            ("last", _) => Which::Number(-1),
            (_, Ok(number)) => Which::Number(number),
            _ => Which::Name(s.into()),
        })
    }
}

/// A genotype that was taken from a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    pub genotype: Genotype,
    /// The name that the text gives it.
    pub name: Option<String>,
    /// Its line, from 1.
    pub line: usize,
    /// How many the text has, and whether all of them are this one.
    pub of: usize,
    pub alike: bool,
}

/// All genotypes of a text.
pub struct Genotypes<'a> {
    clean: Clean<'a>,
    found: Vec<Found>,
    /// Other names, and what each is another name for.
    aliases: Vec<(String, String)>,
}

struct Found {
    /// The byte in the clean text.
    at: usize,
    name: Option<String>,
    /// It is known by its name; else the name only says what it is to the program that printed it.
    defined: bool,
    commented: bool,
    genotype: Result<Genotype, Fault>,
}

impl<'a> Genotypes<'a> {
    /// Looks for any that a network can be built of.
    ///
    /// # Errors
    /// A text that is too long, or has more genotypes than a log.
    pub fn of(text: &'a str) -> Result<Genotypes<'a>, ParseError> {
        Genotypes::within(text, None)
    }

    /// Looks for the architectures of a space.
    ///
    /// # Errors
    /// As [`Genotypes::of`].
    pub fn of_space(text: &'a str, space: Space) -> Result<Genotypes<'a>, ParseError> {
        Genotypes::within(text, Some(space))
    }

    fn within(text: &'a str, space: Option<Space>) -> Result<Genotypes<'a>, ParseError> {
        if text.len() > LONGEST {
            return Err(ParseError::TooLong(text.len()));
        }
        let clean = Clean::new(text);
        match scan::scan(&clean.text, space) {
            Ok((found, aliases)) => Ok(Genotypes { clean, found, aliases }),
            Err(stop) => Err(place(&clean, &Fault::Stop(stop))),
        }
    }

    /// The one that is asked for; else the only one, or the last of a log. Of several definitions one must be named.
    ///
    /// # Errors
    /// There is none, or not this one; or it is not well written, or no architecture of the space.
    pub fn take(&self, which: Option<&Which>) -> Result<Taken, ParseError> {
        let count = self.found.len();
        if count == 0 {
            let start = self.clean.text.len() - self.clean.text.trim_start().len();
            let reason = "expected `Genotype(normal=[…], normal_concat=…, reduce=[…], reduce_concat=…)`, the same as JSON, or \
                 `|operation~0|+|operation~0|operation~1|+…`";
            return Err(place(&self.clean, &Fault::Stop(Stop { at: start, reason: reason.into() })));
        }
        let found = match which {
            None => {
                let mut names: Vec<&str> = Vec::new();
                for name in self.found.iter().filter(|f| f.defined).filter_map(|f| f.name.as_deref()) {
                    if !names.contains(&name) && names.len() < LISTED {
                        names.push(name);
                    }
                }
                if names.len() > 1 && !self.alike() {
                    return Err(ParseError::Several { names: self.names() });
                }
                &self.found[count - 1]
            }
            Some(Which::Number(number)) => {
                let from_end = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
                let index = if *number > 0 { from_end.checked_sub(1) } else { count.checked_sub(from_end) };
                let Some(found) = index.filter(|_| *number != 0).and_then(|i| self.found.get(i)) else {
                    let has = if count == 1 { "is 1 genotype".into() } else { format!("are {count} genotypes") };
                    return Err(ParseError::Absent(format!(
                        "there {has} here, numbered from 1, or from -1 backwards; there is no number {number}"
                    )));
                };
                found
            }
            Some(Which::Name(name)) => self.named(name)?,
        };
        match &found.genotype {
            Ok(genotype) => Ok(Taken {
                genotype: genotype.clone(),
                name: found.name.clone(),
                line: self.clean.place(found.at).0,
                of: count,
                alike: self.alike(),
            }),
            Err(fault) => {
                let mut error = place(&self.clean, fault);
                if let ParseError::At { reason, .. } = &mut error
                    && which.is_none()
                    && count > 1
                {
                    reason.push_str(&format!(" (in the last of {count} genotypes; --which takes another)"));
                }
                Err(error)
            }
        }
    }

    /// Names of the definitions and their aliases, as many as an error has room for.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let defined = self.found.iter().filter(|f| f.defined).filter_map(|f| f.name.clone());
        let aliases = self.aliases.iter().map(|(alias, _)| alias.clone()).filter(|a| self.find(a).is_some());
        for name in defined.chain(aliases) {
            if names.len() == LISTED {
                names.push("…".into());
                break;
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// By its name or an alias.
    fn find(&self, name: &str) -> Option<&Found> {
        let mut name = name;
        for _ in 0..16 {
            // As Python has it, the last definition counts.
            let is = |f: &&Found| f.name.as_deref() == Some(name);
            if let Some(found) = self.found.iter().rev().find(is) {
                return Some(found);
            }
            name = &self.aliases.iter().rev().find(|(alias, _)| alias == name)?.1;
        }
        None
    }

    fn named(&self, name: &str) -> Result<&Found, ParseError> {
        let names = self.names();
        let mut alike = names.iter().filter(|n| n.eq_ignore_ascii_case(name));
        let other_case = alike.next().filter(|_| alike.next().is_none());
        if let Some(found) = self.find(name).or_else(|| self.find(other_case?)) {
            return Ok(found);
        }
        let shown: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
        Err(ParseError::Absent(match &names[..] {
            [] => format!("there is no genotype with the name `{shown}` here, nor any with a name; choose by number"),
            _ => format!("there is no genotype with the name `{shown}` here; there are {}", names.join(", ")),
        }))
    }

    /// Whether all of them are one.
    fn alike(&self) -> bool {
        self.found.windows(2).all(|pair| pair[0].genotype.is_ok() && pair[0].genotype == pair[1].genotype)
    }
}

/// The fault with its place in the text as it was given.
fn place(clean: &Clean, fault: &Fault) -> ParseError {
    match fault {
        Fault::Stop(Stop { at, reason }) => {
            let (line, column) = clean.place(*at);
            ParseError::At { line, column, reason: reason.clone() }
        }
        Fault::Wrong(at, error) => {
            let (line, column) = clean.place(*at);
            ParseError::Wrong { line, column, error: error.clone() }
        }
    }
}

/// The genotype in a text: the only one, or the last of a log.
///
/// # Errors
/// Where the text stops being a genotype, what makes it no architecture, or that it has several by name.
pub fn parse_genotype(text: &str) -> Result<Genotype, ParseError> {
    Ok(Genotypes::of(text)?.take(None)?.genotype)
}
