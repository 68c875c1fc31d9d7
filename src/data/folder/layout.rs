//! Where in a folder the parts of a set are: below folders that are named like splits, deeper than one would think, or
//! directly.

use std::path::{Path, PathBuf};

use super::names::{Role, role};
use super::walk::{Part, is_picture, list, name};
use crate::data::{DataError, Place};

/// Folders that are gone into as long as each holds only the next.
const MAX_CHAIN: usize = 4;

/// The folders of the parts.
#[derive(Debug)]
pub(super) struct Layout {
    /// Holds the class folders of the training part.
    pub train: PathBuf,
    /// May be the test part; the best first.
    pub tests: Vec<PathBuf>,
    /// Folders beside them that are no part.
    pub unused: Vec<PathBuf>,
    /// Whether `train` was found by its name (else it is simply where the class folders are).
    pub split: bool,
}

/// `a` and `b`, in words.
pub(super) fn named(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| format!("`{}`", name(path))).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

/// Goes into a folder that holds nothing but one folder, which holds folders itself: `train/train/cat`.
fn inner(folder: &Path) -> Result<PathBuf, DataError> {
    let mut place = folder.to_owned();
    for _ in 0..MAX_CHAIN {
        let listing = list(&place)?;
        let [only] = listing.folders.as_slice() else { break };
        if listing.files.iter().any(|file| is_picture(file)) || list(only)?.folders.is_empty() {
            break;
        }
        place = only.clone();
    }
    Ok(place)
}

/// Whether a folder holds class folders, not pictures.
fn holds_folders(folder: &Path) -> Result<bool, DataError> {
    let listing = list(folder)?;
    Ok(!listing.folders.is_empty() && !listing.files.iter().any(|file| is_picture(file)))
}

fn holds_pictures(folder: &Path) -> Result<bool, DataError> {
    Ok(list(folder)?.files.iter().any(|file| is_picture(file)))
}

/// Finds the parts of a set.
///
/// # Errors
/// Names from which more than one layout could be read.
pub(super) fn find(folder: &Path) -> Result<Layout, DataError> {
    let mut place = folder.to_owned();
    for _ in 0..MAX_CHAIN {
        let folders = list(&place)?.folders;
        if let Some(layout) = splits(&place, &folders)? {
            return Ok(layout);
        }
        let [only] = folders.as_slice() else { break };
        if holds_pictures(&place)? || list(only)?.folders.is_empty() {
            break;
        }
        place = only.clone();
    }
    Ok(Layout { train: place, tests: Vec::new(), unused: Vec::new(), split: false })
}

/// The parts, if the folders in `place` are splits and not classes.
fn splits(place: &Path, folders: &[PathBuf]) -> Result<Option<Layout>, DataError> {
    let roles: Vec<(Role, String, &PathBuf)> = folders
        .iter()
        .filter_map(|path| path.file_name().and_then(role).map(|(role, rest)| (role, rest, path)))
        .collect();
    let of = |wanted: Role, about: &str| -> Vec<PathBuf> {
        let those = roles.iter().filter(|(role, rest, _)| *role == wanted && rest == about);
        those.map(|(_, _, path)| (*path).clone()).collect()
    };
    let mut kinds: Vec<&String> = roles.iter().map(|(_, rest, _)| rest).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut layouts = Vec::new();
    for about in kinds {
        let (trains, tests, validations) = (of(Role::Train, about), of(Role::Test, about), of(Role::Validation, about));
        let alone = folders.len() == trains.len() + tests.len() + validations.len();
        let pair = !tests.is_empty() || !validations.is_empty();
        let Some(train) = trains.first() else {
            let mut those = tests;
            those.extend(validations);
            // Classes may be called like this too; then they hold pictures.
            if pair && alone && about.is_empty() && holds_folders(&those[0])? {
                let reason = format!("holds {}, but no training part: is `train` missing?", named(&those));
                return Err(Place::file(place).invalid(reason));
            }
            continue;
        };
        if !pair && !(about.is_empty() && (alone || holds_folders(train)?)) {
            continue;
        }
        if trains.len() > 1 {
            let reason = format!("{} could each be the training part; move all but one away", named(&trains));
            return Err(Place::file(place).invalid(reason));
        }
        let others: Vec<PathBuf> = folders
            .iter()
            .filter(|path| *path != train && !tests.contains(path) && !validations.contains(path))
            .cloned()
            .collect();
        if !holds_folders(train)? {
            // Pictures directly in `train`: a class of that name among others, or pictures without classes.
            let mut classes = false;
            for other in &others {
                classes |= holds_pictures(other)?;
            }
            if !classes && holds_pictures(train)? {
                let reason =
                    "pictures that lie directly in it have no class; give each class a folder of its own in it";
                return Err(Place::file(train).invalid(reason));
            }
            continue;
        }
        if !pair {
            for other in &others {
                if holds_pictures(other)? {
                    let reason = format!(
                        "`{}` holds folders, `{}` beside it pictures: are they classes, or is the first the training \
                         part? move one of them away",
                        name(train),
                        name(other)
                    );
                    return Err(Place::file(place).invalid(reason));
                }
            }
        }
        for those in [&tests, &validations] {
            if those.len() > 1 && (those == &tests || tests.is_empty()) {
                let reason = format!("{} could each be the test part; move all but one away", named(those));
                return Err(Place::file(place).invalid(reason));
            }
        }
        let mut candidates = Vec::new();
        for path in tests.iter().chain(&validations) {
            candidates.push(inner(path)?);
        }
        layouts.push(Layout { train: inner(train)?, tests: candidates, unused: others, split: true });
    }
    if let [first, second, ..] = layouts.as_slice() {
        let reason = format!(
            "holds several sets, give one of them a folder of its own: {} and {}",
            name(&first.train),
            name(&second.train)
        );
        return Err(Place::file(place).invalid(reason));
    }
    Ok(layouts.pop())
}

/// Folders that were taken for classes but look like the parts of a set: each holds the same folders and no picture of
/// its own. Refused where that is most likely; else a sentence about it.
pub(super) fn look_alike(place: &Path, part: &Part) -> Result<Option<String>, DataError> {
    let mut same: Option<Vec<PathBuf>> = None;
    for (class, pictures) in &part.classes {
        let class = place.join(class);
        let mut inside: Vec<PathBuf> = Vec::new();
        for picture in pictures.iter() {
            let mut below = picture.strip_prefix(&class).unwrap_or(&picture).components();
            let (Some(folder), Some(_)) = (below.next(), below.next()) else { return Ok(None) };
            let folder = PathBuf::from(folder.as_os_str());
            if inside.last() != Some(&folder) {
                inside.push(folder);
            }
        }
        if inside.len() < 2 || same.as_ref().is_some_and(|same| *same != inside) {
            return Ok(None);
        }
        same = Some(inside);
    }
    let Some(inside) = same else { return Ok(None) };
    let classes: Vec<PathBuf> = part.classes.keys().map(PathBuf::from).collect();
    let found = |wanted: &[Role]| {
        inside.iter().any(|path| role(path.as_os_str()).is_some_and(|(role, _)| wanted.contains(&role)))
    };
    if found(&[Role::Train]) && found(&[Role::Test, Role::Validation]) {
        let reason = format!(
            "each class folder holds {}; put the classes into the parts (train/cat, not cat/train)",
            named(&inside)
        );
        return Err(Place::file(place).invalid(reason));
    }
    let few = if inside.len() > 4 { format!("the same {} folders", inside.len()) } else { named(&inside) };
    if classes.len() <= 3 {
        let reason = format!(
            "{} each hold {few}: if they are the parts of a set, call them `train` and `test`; if they are classes, put \
             their pictures directly into them",
            named(&classes)
        );
        return Err(Place::file(place).invalid(reason));
    }
    Ok(Some(format!("each of the {} class folders holds {few}; is the set one folder deeper?", classes.len())))
}
