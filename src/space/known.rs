//! Search spaces by name: those that are built in, and those that files have brought along.

use std::sync::RwLock;

use super::definition::{Definition, Space};
use super::{darts, nas_bench_201};
use crate::nearest::nearest;

/// There is no such space.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no search space `{name}`; the built-in ones are {}{}; a file of one's own ends with .toml", names().join(", "), near.map_or(String::new(), |n| format!("; did you mean `{n}`?")))]
pub struct SpaceError {
    pub name: String,
    near: Option<&'static str>,
}

/// The spaces that are built in.
pub fn built_in() -> impl Iterator<Item = Space> {
    darts::FAMILY.into_iter().chain([nas_bench_201::SPACE])
}

fn names() -> Vec<&'static str> {
    built_in().map(Space::name).collect()
}

/// Spaces that were read from files, for as long as the program runs: a few, as many as different files were named.
static READ: RwLock<Vec<Space>> = RwLock::new(Vec::new());

fn read() -> Vec<Space> {
    READ.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
}

impl Space {
    /// The built-in space of this name.
    ///
    /// # Errors
    /// No such name, with the nearest one.
    pub fn find(name: &str) -> Result<Space, SpaceError> {
        built_in().find(|s| s.name() == name).ok_or_else(|| SpaceError {
            name: name.chars().filter(|c| !c.is_control()).take(40).collect(),
            near: nearest(name, names()),
        })
    }

    /// The space of this [`Space::key`], if it is built in or its file was read before.
    pub fn by_key(key: &str) -> Option<Space> {
        built_in().chain(read()).find(|s| s.key() == key)
    }

    /// The space of this text, if it was read before.
    pub(super) fn kept(text: &str) -> Option<Space> {
        read().into_iter().find(|s| s.text() == Some(text))
    }

    /// The handle of a definition that came from a file, kept for as long as the program runs; the same text has the same
    /// handle.
    pub(super) fn keep(text: &str, make: impl FnOnce(&'static str) -> Definition) -> Space {
        if let Some(space) = Space::kept(text) {
            return space;
        }
        let mut kept = READ.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
        let space = Space::of(Box::leak(Box::new(make(text))));
        kept.push(space);
        space
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_space_is_found_and_reads_back_as_it_is_printed() {
        for space in built_in() {
            assert_eq!(Space::find(space.name()), Ok(space));
            assert_eq!(Space::by_key(&space.key()), Some(space));
            space.full().check().unwrap();
            let again = Space::read(&space.to_toml().replacen("name = \"", "name = \"my_", 1)).unwrap();
            assert_ne!(again, space);
            assert_eq!(Space::by_key(&again.key()), Some(again));
            assert_eq!((again.operations(), again.rows()), (space.operations(), space.rows()));
            assert!(again.full().places().eq(space.full().places()));
        }
        let counts = |name| Space::find(name).unwrap().full().count();
        assert_eq!(["darts", "darts_s1", "darts_s2", "darts_s3"].map(counts), [224, 56, 56, 84]);
        assert!(Space::find("darts_s9").unwrap_err().to_string().contains("did you mean `darts_s"));
        assert!(Space::find("imagenet").unwrap_err().near.is_none());
    }
}
