//! What a person has written beside a run: a note and tags, in `notes.toml` of its folder. The engine neither reads nor
//! writes it, and no result depends on it.

use serde::{Deserialize, Serialize};

use super::files;
use super::folder::{FolderError, NOTES, RunFolder};
use crate::complaint::Complaint;

/// What such a file may have, in bytes.
const MOST: u64 = 1 << 16;
/// Letters of a note, letters of a tag, and tags, at most.
const NOTE: usize = 400;
const TAG: usize = 32;
const TAGS: usize = 16;

/// A note and tags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notes {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// Why notes can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum NotesError {
    #[error("{NOTES} can't be read: {0}")]
    Read(String),
    #[error("{NOTES} is not overwritten, since it can't be read: {0}; correct or remove it first")]
    Kept(String),
    #[error("`{0}` is no tag: use letters, digits, `-`, `_` and `.`, {TAG} at most")]
    Tag(String),
    #[error("{TAGS} tags at most")]
    Tags,
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl Notes {
    /// Those of a run; empty where there are none.
    ///
    /// # Errors
    /// A file that is there and can't be read or understood.
    pub fn read(folder: &RunFolder) -> Result<Notes, NotesError> {
        let text = match folder.open_file(NOTES) {
            Ok(file) => files::rest(&file, MOST).and_then(files::utf8),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Notes::default()),
            Err(e) => Err(e),
        };
        let text = text.map_err(|e| NotesError::Read(e.to_string()))?;
        let read: Result<Notes, _> = toml::from_str(&text);
        read.map_err(|e| {
            let Complaint { line, reason } = Complaint::of(&e, &text, "key", Some("it has `note` and `tags`"));
            NotesError::Read(line.map_or_else(|| reason.clone(), |line| format!("line {line}: {reason}")))
        })
    }

    pub fn is_empty(&self) -> bool {
        *self == Notes::default()
    }

    /// Replaces the note; what is longer than a note may be is cut off.
    ///
    /// # Errors
    /// A file that can't be read is not overwritten; a folder that can't be written.
    pub fn set_note(folder: &RunFolder, note: &str) -> Result<Notes, NotesError> {
        let note: String = note.trim().chars().filter(|c| !c.is_control()).take(NOTE).collect();
        change(folder, |notes| notes.note = note)
    }

    /// Replaces the tags by those of a text: words with blanks or commas between them.
    ///
    /// # Errors
    /// As [`Notes::set_note`]; a word that is no tag.
    pub fn set_tags(folder: &RunFolder, typed: &str) -> Result<Notes, NotesError> {
        let mut tags: Vec<String> = Vec::new();
        for word in typed.split([' ', ',', '#']).filter(|w| !w.is_empty()) {
            let ok = |c: char| c.is_alphanumeric() || "-_.".contains(c);
            if !word.chars().all(ok) || word.chars().count() > TAG {
                return Err(NotesError::Tag(crate::text::sanitize(word).chars().take(TAG + 8).collect()));
            }
            if !tags.iter().any(|t| t == word) {
                tags.push(word.into());
            }
        }
        if tags.len() > TAGS {
            return Err(NotesError::Tags);
        }
        change(folder, |notes| notes.tags = tags)
    }
}

fn change(folder: &RunFolder, change: impl FnOnce(&mut Notes)) -> Result<Notes, NotesError> {
    let mut notes = Notes::read(folder).map_err(|e| match e {
        // What a person wrote by hand is not lost for a slip of the pen.
        NotesError::Read(why) => NotesError::Kept(why),
        other => other,
    })?;
    change(&mut notes);
    let text = toml::to_string(&notes).map_err(|e| NotesError::Read(e.to_string()))?;
    folder.write_atomic(NOTES, text.as_bytes())?;
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::config::Config;

    #[test]
    fn notes_are_kept_and_what_a_person_wrote_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(dir.path(), Some("r"), "x", &Config::default()).unwrap();
        assert!(Notes::read(&folder).unwrap().is_empty());
        Notes::set_note(&folder, "  a \"quoted\"\u{1b}[31m note ").unwrap();
        let notes = Notes::set_tags(&folder, "paper, lr-0.1 #paper good").unwrap();
        assert_eq!(notes.tags, ["paper", "lr-0.1", "good"]);
        assert_eq!(Notes::read(&folder).unwrap(), notes);
        assert_eq!(notes.note, "a \"quoted\"[31m note");
        assert!(Notes::set_tags(&folder, "a/b").unwrap_err().to_string().contains("`a/b` is no tag"));
        assert!(Notes::set_tags(&folder, "").unwrap().tags.is_empty());
        std::fs::write(folder.file(NOTES), "note = \"mine\"\ntgas = 1\n").unwrap();
        let refused = Notes::set_note(&folder, "x").unwrap_err().to_string();
        assert!(refused.contains("not overwritten") && refused.contains("line 2"), "{refused}");
        assert!(std::fs::read_to_string(folder.file(NOTES)).unwrap().contains("mine"));
    }
}
