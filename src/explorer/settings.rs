//! The person's own settings of the explorer: theme, mouse and keys, from `explorer.toml`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::keymap::{Keymap, Own};
use super::theme::Name;
use crate::complaint::Complaint;
use crate::run::files;

/// What `explorer.toml` says; all of it may be left out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub theme: Option<Name>,
    pub mouse: Option<bool>,
    /// Whether the terminal's bell rings when a run ends or waits for the person.
    pub bell: Option<bool>,
    /// Keys by the id of an action: `undo = ["u", "ctrl-y"]`.
    pub keys: Own,
}

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}", path = .path.display())]
pub struct SettingsError {
    path: PathBuf,
    reason: String,
}

impl Settings {
    /// Where the file is looked for: `zonas/explorer.toml` in the folder for settings.
    pub fn path() -> Option<PathBuf> {
        use etcetera::BaseStrategy;
        Some(etcetera::choose_base_strategy().ok()?.config_dir().join("zonas/explorer.toml"))
    }

    /// The person's settings, or none where there is no file.
    ///
    /// # Errors
    /// A file that can't be read or understood, with the line; an action or key that there is not; a key given twice.
    pub fn load() -> Result<Settings, SettingsError> {
        Settings::path().map_or_else(|| Ok(Settings::default()), |path| Settings::read(&path))
    }

    /// # Errors
    /// As [`Settings::load`].
    pub fn read(path: &Path) -> Result<Settings, SettingsError> {
        let error = |reason: String| SettingsError { path: path.to_path_buf(), reason: super::text::sanitize(&reason) };
        let text = match files::text(path, files::SETTINGS) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Settings::default()),
            Err(e) => return Err(error(format!("can't be read: {e}"))),
        };
        let settings: Settings = toml::from_str(&text).map_err(|e| {
            let Complaint { line, reason } = Complaint::of(&e, &text, "setting", None);
            error(line.map_or(reason.clone(), |line| format!("line {line}: {reason}")))
        })?;
        Keymap::new(&settings.keys).map_err(error)?;
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("explorer.toml");
        std::fs::write(&path, text).unwrap();
        Settings::read(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn settings_are_read_and_mistakes_named() {
        let s = read("theme = \"light\"\nmouse = false\n[keys]\nundo = [\"U\"]\n").unwrap();
        assert_eq!((s.theme, s.mouse), (Some(Name::Light), Some(false)));
        assert!(read("").unwrap().keys.is_empty());
        assert!(Settings::read(Path::new("/nowhere/explorer.toml")).unwrap().keys.is_empty());
        let refused = |text| read(text).unwrap_err();
        assert!(refused("mouse = true\ntheme = \"pink\"\n").contains("line 2"));
        assert!(refused("[keys]\nundo = [\"q\"]\n").contains("hide quit"));
        assert!(refused("[keys]\nundoo = [\"y\"]\n").contains("did you mean `undo`"));
        assert!(refused("colour = 1\n").contains("colour"));
    }
}
