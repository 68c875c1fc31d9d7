//! Where libraries may be opened from: nowhere that depends on the folder which the program is started in, and nowhere that
//! everybody may write to. A library that is opened runs its own code at once.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const VARIABLE: &str = "LD_LIBRARY_PATH";

/// `LD_LIBRARY_PATH` without the entries that stand for the current folder, or one below it; `None` where there are none. An
/// empty entry, as a leading or a closing `:` makes it, is the current folder too.
fn cleaned(path: &OsStr) -> Option<OsString> {
    if path.is_empty() {
        return None;
    }
    let entries = || path.as_bytes().split(|b| matches!(b, b':' | b';'));
    if entries().all(|e| e.starts_with(b"/")) {
        return None;
    }
    let kept: Vec<&[u8]> = entries().filter(|e| e.starts_with(b"/")).collect();
    Some(OsString::from_vec(kept.join(&b':')))
}

/// Whether the system's own search for a library passes by the current folder.
pub(super) fn is_safe() -> bool {
    std::env::var_os(VARIABLE).is_none_or(|path| cleaned(&path).is_none())
}

/// Starts the program anew where `LD_LIBRARY_PATH` has entries that are not absolute, without them: the system looks at it
/// only then, also for the libraries that NVIDIA's own ones open. Returns where there is nothing to do.
pub fn leave_current_folder() {
    use std::os::unix::process::CommandExt;
    let Some(path) = std::env::var_os(VARIABLE).and_then(|path| cleaned(&path)) else { return };
    let mut arguments = std::env::args_os();
    let (Ok(program), Some(own)) = (std::env::current_exe(), arguments.next()) else { return };
    let mut again = std::process::Command::new(program);
    again.arg0(own).args(arguments);
    if path.is_empty() {
        again.env_remove(VARIABLE)
    } else {
        again.env(VARIABLE, path)
    };
    // Where that fails no library is opened by its bare name.
    let _ = again.exec();
}

/// Why a library is not opened by its bare name.
pub(super) const UNSAFE: &str =
    "LD_LIBRARY_PATH has an entry that is empty or not absolute, so a library of the current folder could be taken";

/// Whether a library at this path may be opened: the path is absolute, and not everybody may change the file or its folder.
pub(super) fn check(path: &Path) -> Result<(), String> {
    if !path.is_absolute() {
        return Err(format!("{} is not an absolute path", path.display()));
    }
    let open_to_all = |at: &Path| std::fs::metadata(at).is_ok_and(|about| about.mode() & 0o002 != 0);
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    match real.ancestors().take(2).find(|at| open_to_all(at)) {
        Some(at) => Err(format!("everybody may write to {}, so it is not opened", at.display())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn entries_of_the_current_folder_are_left_out() {
        let cleaned = |text: &str| cleaned(OsStr::new(text)).map(|c| c.into_string().unwrap());
        assert_eq!(cleaned(""), None);
        assert_eq!(cleaned("/a:/b"), None);
        for text in [":/a:/b", "/a:/b:", "/a::/b", "/a:.:/b", "lib:/a;/b", "$ORIGIN:/a:/b"] {
            assert_eq!(cleaned(text).as_deref(), Some("/a:/b"), "{text}");
        }
        assert_eq!(cleaned(":").as_deref(), Some(""));
    }

    #[test]
    fn a_library_that_everybody_may_change_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("lib");
        let file = folder.join("libx.so");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(&file, "").unwrap();
        let mode = |at: &Path, mode| std::fs::set_permissions(at, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(&file, 0o644);
        mode(&folder, 0o755);
        assert_eq!(check(&file), Ok(()));
        mode(&folder, 0o777);
        assert!(check(&file).unwrap_err().contains("everybody may write to"));
        mode(&folder, 0o755);
        mode(&file, 0o666);
        assert!(check(&file).is_err());
        assert!(check(Path::new("lib/libx.so")).unwrap_err().contains("absolute"));
    }
}
