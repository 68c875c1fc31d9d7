//! What was found out about a large folder of pictures by reading all of it, kept so that it is read once: a file below the
//! user's cache folder, good as long as no name, size or time of the pictures changes.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::headers::Headers;
use crate::random::fnv1a;

/// Another version of the program may decode otherwise.
pub(super) const VERSION: &str = concat!("zonas data 1, ", env!("CARGO_PKG_VERSION"));

/// What such files are called.
const ENDING: &str = "json";

/// What reading all of a set has found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Known {
    version: String,
    /// What it is true of.
    key: String,
    pub headers: Headers,
    /// Of all training pictures.
    pub mean: Vec<f32>,
    pub deviation: Vec<f32>,
}

pub(super) fn file(folder: &Path, key: &str, ending: &str) -> PathBuf {
    folder.join(format!("{:016x}.{ending}", fnv1a(key.as_bytes())))
}

/// Makes a folder that others can't look into: names and pixels of pictures may be nobody else's business.
pub(super) fn private_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

impl Known {
    pub fn new(key: String, headers: Headers, mean: Vec<f32>, deviation: Vec<f32>) -> Known {
        Known { version: VERSION.into(), key, headers, mean, deviation }
    }

    /// What is known of a key; nothing where the file is not there, torn, or of something else.
    pub fn read(folder: &Path, key: &str) -> Option<Known> {
        let known: Known = serde_json::from_slice(&std::fs::read(file(folder, key, ENDING)).ok()?).ok()?;
        (known.version == VERSION && known.key == key && known.is_sound()).then_some(known)
    }

    fn is_sound(&self) -> bool {
        let (mean, deviation) = (&self.mean, &self.deviation);
        [1, 3].contains(&mean.len())
            && mean.len() == deviation.len()
            && mean.iter().all(|v| v.is_finite())
            && deviation.iter().all(|v| v.is_finite() && *v > 0.0)
    }

    /// Keeps it for the next time. Where that can't be done, the set is read again then, and that is all.
    pub fn keep(&self, folder: &Path) {
        let Ok(text) = serde_json::to_vec(self) else { return };
        let place = file(folder, &self.key, ENDING);
        let half = place.with_extension(format!("{ENDING}.{}.part", std::process::id()));
        let written = private_folder(folder)
            .and_then(|()| std::fs::write(&half, text))
            .and_then(|()| std::fs::rename(&half, &place));
        if written.is_err() {
            let _ = std::fs::remove_file(&half);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_whole_and_of_the_same_set_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("deeper");
        let known = Known::new("a".into(), Headers::default(), vec![0.1, 0.25, 1.0 / 3.0], vec![0.2, 0.3, 0.4]);
        known.keep(&place);
        assert_eq!(Known::read(&place, "a"), Some(known.clone()));
        assert_eq!(Known::read(&place, "b"), None);
        Known { version: "zonas data 0".into(), ..known.clone() }.keep(&place);
        assert_eq!(Known::read(&place, "a"), None);
        Known { deviation: vec![0.0; 3], ..known.clone() }.keep(&place);
        assert_eq!(Known::read(&place, "a"), None);
        let text = serde_json::to_vec(&known).unwrap();
        std::fs::write(file(&place, "a", ENDING), &text[..text.len() / 2]).unwrap();
        assert_eq!(Known::read(&place, "a"), None);
        // Nowhere to write is no error.
        known.keep(Path::new("/proc/nothing/here"));
    }
}
