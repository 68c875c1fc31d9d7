//! What the parts of a method have in common: a name, a meaning, and a number that may follow the name in the settings.

use std::fmt;

/// A part of a method that settings name.
pub trait Part: Sync {
    /// Its name in settings and journals.
    fn name(&self) -> &'static str;

    /// What it does, in half a line.
    fn meaning(&self) -> &'static str;

    /// Its number where settings give none.
    fn published(&self) -> f64;

    /// # Errors
    /// What its number must be.
    fn check(&self, number: f64) -> Result<(), &'static str>;
}

/// A part and its number, as a setting asks for them: `beta_decay`, or `beta_decay:10`.
pub struct Chosen<P: Part + ?Sized + 'static> {
    pub part: &'static P,
    pub number: f64,
}

impl<P: Part + ?Sized> Chosen<P> {
    /// # Errors
    /// No such part, or a number that it can't have.
    pub fn parse(text: &str, known: &[&'static P]) -> Result<Chosen<P>, String> {
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => (name.trim(), Some(number.trim())),
            None => (text.trim(), None),
        };
        let shown = |text: &str| text.chars().filter(|c| !c.is_control()).take(40).collect::<String>();
        let Some(part) = known.iter().find(|p| p.name() == name) else {
            let names: Vec<&str> = known.iter().map(|p| p.name()).collect();
            return Err(format!("there is no `{}`; known: {}", shown(name), names.join(", ")));
        };
        let number = match number {
            Some(text) => text.parse().map_err(|_| format!("`{}` is no number for `{name}`", shown(text)))?,
            None => part.published(),
        };
        part.check(number).map_err(|must| format!("`{name}`: {must}, not {number}"))?;
        Ok(Chosen { part, number })
    }

    /// Each of a list, and none twice.
    ///
    /// # Errors
    /// As [`Chosen::parse`]; a part that stands there twice.
    pub fn list<T: AsRef<str>>(texts: &[T], known: &[&'static P]) -> Result<Vec<Chosen<P>>, String> {
        let mut found: Vec<Chosen<P>> = Vec::new();
        for text in texts {
            let chosen = Chosen::parse(text.as_ref(), known)?;
            if found.iter().any(|c| c.part.name() == chosen.part.name()) {
                return Err(format!("`{}` stands there twice", chosen.part.name()));
            }
            found.push(chosen);
        }
        Ok(found)
    }
}

impl<P: Part + ?Sized> Clone for Chosen<P> {
    fn clone(&self) -> Self {
        Chosen { part: self.part, number: self.number }
    }
}

/// As a setting says it: the number only where it is not the published one.
impl<P: Part + ?Sized> fmt::Display for Chosen<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.part.name();
        if self.number == self.part.published() { f.write_str(name) } else { write!(f, "{name}:{}", self.number) }
    }
}

impl<P: Part + ?Sized> fmt::Debug for Chosen<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.part.name(), self.number)
    }
}

/// Where a search is, as far as a part may depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The epoch that runs, from 0.
    pub epoch: usize,
    /// All that the search has.
    pub epochs: usize,
}
