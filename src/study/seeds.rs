//! Seeds of a study: `"1..5"`, from one to five, both of them; `"1..3,7"`; or a list.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// So many at most.
const MOST: u64 = 1000;

/// Seeds, in the order in which they were given, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(Vec<u64>);

impl Seeds {
    pub fn list(self) -> Vec<u64> {
        self.0
    }

    fn of(given: impl IntoIterator<Item = u64>) -> Result<Seeds, String> {
        let mut all: Vec<u64> = Vec::new();
        for seed in given {
            // A run's settings are TOML, whose numbers have a sign.
            if i64::try_from(seed).is_err() {
                return Err(format!("{seed} is too large for a seed"));
            }
            if !all.contains(&seed) {
                all.push(seed);
            }
            if all.len() as u64 > MOST {
                return Err(format!("more than {MOST} seeds"));
            }
        }
        if all.is_empty() { Err("no seed is given".into()) } else { Ok(Seeds(all)) }
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Seeds, String> {
        let hint = || format!("`{text}` is not a list of seeds: give it as 1..5 (one to five), 1,2,7 or 3");
        let number = |word: &str| word.trim().parse::<u64>().map_err(|_| hint());
        let mut all = Vec::new();
        for part in text.split(',') {
            match part.split_once("..") {
                Some((from, to)) => {
                    let (from, to) = (number(from)?, number(to.strip_prefix('=').unwrap_or(to))?);
                    if to < from || to - from >= MOST {
                        return Err(format!("`{part}`: goes from the lower to the higher, over {MOST} seeds at most"));
                    }
                    all.extend(from..=to);
                }
                None => all.push(number(part)?),
            }
        }
        Seeds::of(all)
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(u64::to_string).collect();
        f.write_str(&all.join(","))
    }
}

impl<'de> Deserialize<'de> for Seeds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seeds, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "seeds: \"1..5\", or a list of numbers")]
        enum Given {
            Text(String),
            One(u64),
            Several(Vec<u64>),
        }
        let read = match Given::deserialize(deserializer)? {
            Given::Text(text) => text.parse(),
            Given::One(seed) => Seeds::of([seed]),
            Given::Several(seeds) => Seeds::of(seeds),
        };
        read.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Seeds;

    #[test]
    fn seeds_are_ranges_and_lists() {
        let list = |text: &str| text.parse::<Seeds>().map(Seeds::list);
        assert_eq!(list("1..5"), Ok(vec![1, 2, 3, 4, 5]));
        assert_eq!(list("1..=2, 7,1"), Ok(vec![1, 2, 7]));
        assert_eq!(list("3"), Ok(vec![3]));
        for bad in ["", "5..1", "1..", "x", "0..5000", "1..18446744073709551615", "18446744073709551615"] {
            assert!(list(bad).is_err(), "{bad}");
        }
    }
}
