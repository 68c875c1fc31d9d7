//! Sets that come as a handful of batch files, in a folder or in an archive: CIFAR-10 and -100 (binary and python
//! version) and ImageNet16-120.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::found::{self, Found, Passed};
use super::memory::{Description, InMemory, Pictures};
use super::role::{Content, Part, Role, role};
use super::source::{MAX_FILE, check_claim, open_regular, read_at_most};
use super::statistics::Normalisation;
use super::{DataError, Kind, Place, archive, cifar, imagenet16};

fn train_batches(kind: Kind) -> usize {
    match kind {
        Kind::Cifar10Binary | Kind::Cifar10Python => 5,
        Kind::ImageNet16 => 10,
        _ => 1,
    }
}

/// The file that has a role: for messages.
fn file_name(kind: Kind, part: Part) -> String {
    match (kind, part) {
        (Kind::Cifar10Binary, Part::Train(n)) => format!("data_batch_{}.bin", n + 1),
        (Kind::Cifar10Binary, _) => "test_batch.bin".into(),
        (Kind::Cifar10Python, Part::Train(n)) => format!("data_batch_{}", n + 1),
        (Kind::Cifar10Python, _) => "test_batch".into(),
        (Kind::Cifar100Binary, Part::Train(_)) => "train.bin".into(),
        (Kind::Cifar100Binary, _) => "test.bin".into(),
        (Kind::ImageNet16, Part::Train(n)) => format!("train_data_batch_{}", n + 1),
        (Kind::ImageNet16, _) => "val_data".into(),
        (_, Part::Train(_)) => "train".into(),
        _ => "test".into(),
    }
}

/// Last part of a path inside an archive, or of a file.
fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The set in an archive.
pub(super) fn open_archive(path: &Path) -> Result<InMemory, DataError> {
    let mut parts = Parts::new(path);
    let passed = archive::visit(
        path,
        |name| role(base_name(name)).is_some(),
        |place, content, size| {
            let role = place.entry.as_deref().and_then(|name| role(base_name(name)));
            role.map_or(Ok(()), |role| parts.add(role, place, content, size))
        },
    )?;
    parts.passed = passed;
    if parts.kind.is_none() {
        let found =
            "an archive without CIFAR or ImageNet16 batches; of other archives, unpack them and give the folder";
        return Err(DataError::Unrecognised { path: path.to_owned(), found: found.into() });
    }
    parts.finish()
}

/// Batch files that lie directly in a folder.
pub(super) fn files_in(folder: &Path) -> Result<Vec<(Role, PathBuf)>, DataError> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| DataError::read(folder, error))? {
        let path = entry.map_err(|error| DataError::read(folder, error))?.path();
        if let Some(role) = path.file_name().and_then(|name| name.to_str()).and_then(role)
            && path.is_file()
        {
            files.push((role, path));
        }
    }
    files.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(files)
}

/// Whether batch files hold pictures, not only names.
pub(super) fn hold_pictures(files: &[(Role, PathBuf)]) -> bool {
    files.iter().any(|(role, _)| role.part != Part::Names)
}

/// The set whose files are in a folder.
pub(super) fn open_folder(folder: &Path, files: Vec<(Role, PathBuf)>) -> Result<InMemory, DataError> {
    let mut parts = Parts::new(folder);
    let mut claimed = 0u64;
    for (role, path) in &files {
        let mut file = open_regular(path)?;
        let place = Place::file(path);
        let size = file.metadata().map_err(|error| DataError::read(path, error))?.len();
        claimed = claimed.saturating_add(size);
        // A file with holes takes less on the disk than it says, but that is how it is read.
        check_claim(&place, claimed, claimed)?;
        parts.add(*role, place, &mut file, size)?;
    }
    let mut beside = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| DataError::read(folder, error))? {
        beside.push(entry.map_err(|error| DataError::read(folder, error))?.path());
    }
    beside.sort();
    for path in beside.into_iter().filter(|path| !files.iter().any(|(_, taken)| taken == path)) {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        parts.passed.add_path(found::never_data(name).unwrap_or(found::NO_BATCH), folder, &path);
    }
    parts.finish()
}

/// What has been read so far.
struct Parts {
    location: PathBuf,
    kind: Option<Kind>,
    train: Vec<Option<Pictures>>,
    test: Option<Pictures>,
    names: Option<Vec<String>>,
    passed: Passed,
}

impl Parts {
    fn new(location: &Path) -> Self {
        Parts {
            location: location.to_owned(),
            kind: None,
            train: Vec::new(),
            test: None,
            names: None,
            passed: Passed::default(),
        }
    }

    fn add(&mut self, role: Role, place: Place, content: &mut dyn Read, size: u64) -> Result<(), DataError> {
        let kind = *self.kind.get_or_insert(role.kind);
        if kind != role.kind {
            let reason = format!(
                "belongs to {}, but there are files of {} beside it; keep one set in one place",
                role.kind.name(),
                kind.name()
            );
            return Err(place.invalid(reason));
        }
        self.train.resize_with(train_batches(kind), || None);
        let binary = matches!(kind, Kind::Cifar10Binary | Kind::Cifar100Binary) && role.part != Part::Names;
        let content = if binary {
            Content::Pictures(cifar::binary(role, &place, content, size)?)
        } else {
            if size > MAX_FILE {
                let (have, limit) = (size >> 20, MAX_FILE >> 20);
                return Err(place.invalid(format!("{have} MiB, more than the {limit} MiB that are read of one file")));
            }
            let bytes = read_at_most(&place, content, MAX_FILE)?;
            if (bytes.len() as u64) < size {
                let reason = format!("the archive is torn: the entry has {size} bytes");
                return Err(place.at(bytes.len() as u64).invalid(reason));
            }
            match kind {
                Kind::ImageNet16 => Content::Pictures(imagenet16::decode(&place, &bytes)?),
                _ => cifar::decode(role, &place, &bytes)?,
            }
        };
        let twice = match (role.part, content) {
            (Part::Train(number), Content::Pictures(pictures)) => self.train[number].replace(pictures).is_some(),
            (_, Content::Pictures(pictures)) => self.test.replace(pictures).is_some(),
            (_, Content::Names(names)) => self.names.replace(names).is_some(),
        };
        if twice { Err(place.invalid("there is another file of this name; keep one set in one place")) } else { Ok(()) }
    }

    fn finish(self) -> Result<InMemory, DataError> {
        let place = Place::file(&self.location);
        let kind = self.kind.ok_or_else(|| place.invalid("no batch files here"))?;
        let missing = |part| place.invalid(format!("{}: {} is missing", kind.name(), file_name(kind, part)));
        let mut train = Pictures::default();
        // Room for all at once: growing would take up to twice as much.
        train.pixels.reserve_exact(self.train.iter().flatten().map(|pictures| pictures.pixels.len()).sum());
        for (number, pictures) in self.train.into_iter().enumerate() {
            train.append(pictures.ok_or_else(|| missing(Part::Train(number)))?);
        }
        let test = self.test.ok_or_else(|| missing(Part::Test))?;
        for (part, what) in [(&train, "training"), (&test, "test")] {
            if part.labels.is_empty() {
                return Err(place.invalid(format!("{} holds no {what} pictures that are taken", kind.name())));
            }
        }
        let darts = || Normalisation {
            mean: vec![0.491_399_68, 0.482_158_27, 0.446_531_24],
            std: vec![0.247_032_33, 0.243_485_05, 0.261_587_68],
        };
        let numbers = |count: usize| (0..count).map(|class| class.to_string()).collect();
        let (name, side, class_names, normalisation, note) = match kind {
            Kind::ImageNet16 => {
                let names = (1..=imagenet16::CLASSES).map(|class| class.to_string()).collect();
                ("ImageNet16-120", imagenet16::SIDE, names, None, "of the 1000 classes, 1 to 120 are taken")
            }
            Kind::Cifar100Binary | Kind::Cifar100Python => {
                ("CIFAR-100", cifar::SIDE, self.names.unwrap_or_else(|| numbers(100)), None, "")
            }
            _ => ("CIFAR-10", cifar::SIDE, self.names.unwrap_or_else(cifar::ten_names), Some(darts()), ""),
        };
        let skipped = self.passed.into_list();
        let mut notes: Vec<String> = Some(note.to_string()).filter(|note| !note.is_empty()).into_iter().collect();
        notes.extend(Some(found::told(&skipped)).filter(|told| !told.is_empty()));
        let about = Description {
            name: name.into(),
            kind,
            location: self.location.display().to_string(),
            height: side,
            width: side,
            channels: 3,
            class_names,
            normalisation,
            note: notes.join("; "),
            found: Found { skipped, ..Found::default() },
        };
        Ok(InMemory::new(about, train, test))
    }
}
