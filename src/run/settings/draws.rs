//! The value of `score.draws`: a number, or a word for "until it is decided".

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many draws of weights and pictures scoring takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draws {
    Fixed(usize),
    /// Until every decision of the cut that is asked for is made, or the budget ends.
    Auto,
    /// The same for the whole order: each operation against the next above it on its edge.
    Whole,
}

impl From<usize> for Draws {
    fn from(number: usize) -> Draws {
        Draws::Fixed(number)
    }
}

/// The words.
const WORDS: [(&str, Draws); 2] = [("auto", Draws::Auto), ("whole", Draws::Whole)];

impl Draws {
    /// The default.
    pub const USUAL: usize = 6;

    /// The number, where it is one.
    pub const fn fixed(self) -> Option<usize> {
        if let Draws::Fixed(n) = self { Some(n) } else { None }
    }

    /// # Errors
    /// No draw at all, or too many.
    pub fn check(self) -> Result<(), String> {
        self.fixed().map_or(Ok(()), |n| super::checks::counted(n, 1000))
    }
}

impl Serialize for Draws {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self, WORDS.iter().find(|(_, d)| d == self)) {
            (Draws::Fixed(n), _) => n.serialize(serializer),
            (_, word) => serializer.serialize_str(word.map_or("", |(w, _)| w)),
        }
    }
}

impl<'de> Deserialize<'de> for Draws {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Draws, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = Draws;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number, `auto` or `whole`")
            }

            fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Draws, E> {
                usize::try_from(n).map(Draws::Fixed).map_err(E::custom)
            }

            fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Draws, E> {
                let n = u64::try_from(n).map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(n), &self))?;
                self.visit_u64(n)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Draws, E> {
                let known = WORDS.iter().find(|(word, _)| *word == text);
                known.map(|(_, d)| *d).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}
