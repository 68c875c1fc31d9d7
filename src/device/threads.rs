//! How many threads to use, and why.

use std::fmt;

/// A number of threads and where it comes from; as text, both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads {
    pub count: usize,
    pub why: Why,
}

/// Where a number of threads comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was asked for.
    Asked,
    /// More were asked for, which would only stand in each other's way.
    Bounded { asked: usize },
    /// One for each core of the machine.
    EveryCore,
    /// The machine has more cores, but this process may use only so many (affinity, or a control group's quota).
    Restricted { cores: usize },
    /// The system tells how many, not of how many.
    Told,
    /// The system does not tell.
    Unknown,
}

impl Threads {
    /// For a setting of `asked` threads (0: choose).
    pub fn plan(asked: usize) -> Threads {
        let usable = std::thread::available_parallelism().ok().map(usize::from);
        if asked > 0 {
            return bounded(asked, usable);
        }
        choose(usable, cores())
    }
}

/// Threads for each core that are taken at most, and threads that are always taken.
const EACH: usize = 4;
const ALWAYS: usize = 16;

fn bounded(asked: usize, usable: Option<usize>) -> Threads {
    let most = (EACH * usable.unwrap_or(1)).max(ALWAYS);
    if asked > most {
        return Threads { count: most, why: Why::Bounded { asked } };
    }
    Threads { count: asked, why: Why::Asked }
}

fn choose(usable: Option<usize>, cores: Option<usize>) -> Threads {
    match (usable, cores) {
        (None, _) => Threads { count: 1, why: Why::Unknown },
        (Some(count), None) => Threads { count, why: Why::Told },
        (Some(count), Some(cores)) if count < cores => Threads { count, why: Why::Restricted { cores } },
        (Some(count), Some(_)) => Threads { count, why: Why::EveryCore },
    }
}

impl fmt::Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.count)?;
        match self.why {
            Why::Asked => f.write_str("as asked"),
            Why::Bounded { asked } => write!(f, "{asked} were asked for, which is more than {EACH} for each core"),
            Why::EveryCore => f.write_str("one for each core of the machine"),
            Why::Restricted { cores } => {
                write!(f, "of {cores} cores, this process may use so many (affinity or control group)")
            }
            Why::Told => f.write_str("one for each core that this process may use"),
            Why::Unknown => f.write_str("this system does not tell how many cores there are"),
        }
    }
}

/// Cores of the machine that are switched on.
fn cores() -> Option<usize> {
    ranges(&std::fs::read_to_string("/sys/devices/system/cpu/online").ok()?)
}

/// How many numbers `0-3,8` stands for.
fn ranges(text: &str) -> Option<usize> {
    text.trim().split(',').try_fold(0usize, |sum, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        sum.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_fits_the_number() {
        assert_eq!(Threads::plan(3), Threads { count: 3, why: Why::Asked });
        assert_eq!(bounded(1000, Some(2)), Threads { count: 16, why: Why::Bounded { asked: 1000 } });
        assert_eq!(bounded(1000, Some(300)), Threads { count: 1000, why: Why::Asked });
        assert!(Threads::plan(0).count >= 1);
        assert_eq!(choose(Some(4), Some(4)).why, Why::EveryCore);
        assert_eq!(choose(Some(2), Some(8)).why, Why::Restricted { cores: 8 });
        assert_eq!(choose(Some(2), None).why, Why::Told);
        assert_eq!(choose(None, Some(8)), Threads { count: 1, why: Why::Unknown });
        assert!(choose(Some(2), Some(8)).to_string().starts_with("2: of 8 cores"));
    }

    #[test]
    fn lists_of_cores_are_counted() {
        assert_eq!(ranges("0-3,8\n"), Some(5));
        assert_eq!(ranges("0\n"), Some(1));
        assert_eq!(ranges(""), None);
        assert_eq!(ranges("3-0"), None);
        assert_eq!(ranges("0-18446744073709551615,1"), None);
    }
}
