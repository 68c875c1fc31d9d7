//! Folders of pictures: one folder per class, below `train` and `test` (or other names of splits), or directly.

mod decoded;
mod disk;
mod headers;
mod known;
mod layout;
mod names;
mod paths;
mod walk;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::found::{self, Found, shown};
use super::memory::{Description, InMemory, Pictures};
use super::picture::{self, Shape};
use super::split::hold_out;
use super::{DataError, Dataset, Kind, OpenOptions, Place, Summary};
use decoded::Store;
use disk::OnDisk;
use headers::{Headers, path};
use known::Known;
use paths::Paths;
use walk::{Part, Walker, name};
pub(super) use walk::{is_picture, list};

/// Sets that take at most so many bytes as pixels are decoded when they are opened, larger ones picture by picture when
/// they are used; where nothing else is said.
const MAX_DECODED: u64 = 512 << 20;
/// A set that was in memory another time is so again, if it takes at most so many times what it may.
const STRETCH: u64 = 4;
/// Sets of so many pictures are worth remembering.
const WORTH_KNOWING: usize = 4096;

/// Files of one split, class by class in order.
#[derive(Default)]
struct Files {
    paths: Paths,
    labels: Vec<u32>,
}

impl Files {
    fn select(&self, indices: &[usize]) -> Files {
        Files { paths: self.paths.select(indices), labels: indices.iter().map(|&index| self.labels[index]).collect() }
    }
}

fn number(classes: BTreeMap<OsString, Paths>) -> Files {
    let mut files = Files::default();
    for (label, pictures) in (0u32..).zip(classes.into_values()) {
        files.labels.extend(std::iter::repeat_n(label, pictures.len()));
        files.paths.append(pictures);
    }
    files.paths.shrink();
    files
}

/// The set in a folder.
pub(super) fn open(folder: &Path, options: &OpenOptions) -> Result<Box<dyn Dataset>, DataError> {
    open_within(folder, options, options.memory.unwrap_or(MAX_DECODED))
}

/// Pictures beside class folders have no class.
fn pass_over_loose(part: &mut Part, walker: &mut Walker, root: &Path) {
    part.loose.drain(..).for_each(|path| walker.passed.add_path(found::NO_CLASS, root, &path));
}

/// A path as it is told: below the folder of the set.
fn below(root: &Path, path: &Path) -> String {
    shown(path.strip_prefix(root).unwrap_or(path).as_os_str())
}

/// The class folders of the training part.
fn training(folder: &Path, walker: &mut Walker, root: &Path) -> Result<Part, DataError> {
    let mut part = walker.part(folder)?;
    if part.classes.is_empty() {
        if !part.loose.is_empty() {
            let reason =
                "pictures that lie directly in a folder have no class; give each class a folder of its own in it";
            return Err(Place::file(folder).invalid(reason));
        }
        return Err(super::options::nothing_found(folder));
    }
    if !part.empty.is_empty() {
        return Err(DataError::EmptyClass { folder: part.empty.swap_remove(0) });
    }
    if part.classes.len() < 2 {
        let reason = "fewer than two class folders: there is nothing to classify; is the data one folder deeper?";
        return Err(Place::file(folder).invalid(reason));
    }
    pass_over_loose(&mut part, walker, root);
    Ok(part)
}

/// The first of some folders that can be the test part; a note about each of the others.
fn test_part(
    candidates: &[PathBuf],
    train: (&Path, &Part),
    walker: &mut Walker,
    root: &Path,
    notes: &mut Vec<String>,
) -> Result<Option<Part>, DataError> {
    let below = |path: &Path| below(root, path);
    let mut taken: Option<(PathBuf, Part)> = None;
    for folder in candidates {
        if let Some((test, _)) = &taken {
            notes.push(format!("`{}` is not used, `{}` is the test part", below(folder), below(test)));
            continue;
        }
        let mut part = walker.part(folder)?;
        if !part.classes.keys().any(|class| train.1.classes.contains_key(class)) {
            // The same classes by other letters are a mistake; pictures without classes are just not of use.
            let plain = |class: &OsString| shown(class).trim().to_lowercase();
            let pairs = part.classes.keys().flat_map(|odd| train.1.classes.keys().map(move |own| (odd, own)));
            if let Some((odd, own)) = pairs.into_iter().find(|(odd, own)| plain(odd) == plain(own)) {
                let (odd, own) = (shown(odd), shown(own));
                let reason = format!("calls a class `{odd}` that the training part calls `{own}`; give both one name");
                return Err(Place::file(folder).invalid(reason));
            }
            let pictures = part.loose.len() + part.classes.values().map(Paths::len).sum::<usize>();
            notes.push(format!(
                "`{}` is not used: its {pictures} pictures lie in no folder of a training class",
                below(folder)
            ));
            continue;
        }
        if !part.empty.is_empty() {
            return Err(DataError::EmptyClass { folder: part.empty.swap_remove(0) });
        }
        if let Some(odd) = train.1.classes.keys().find(|class| !part.classes.contains_key(*class)) {
            let reason = format!("has no class folder `{}`, which the training part has", shown(odd));
            return Err(Place::file(folder).invalid(reason));
        }
        if let Some(odd) = part.classes.keys().find(|class| !train.1.classes.contains_key(*class)) {
            let reason = format!("has no class folder `{}`, which the test part has", shown(odd));
            return Err(Place::file(train.0).invalid(reason));
        }
        pass_over_loose(&mut part, walker, root);
        if std::fs::canonicalize(folder).ok() == std::fs::canonicalize(train.0).ok() {
            notes
                .push(format!("`{}` is the training part again, by a link: the test tells nothing new", below(folder)));
        }
        taken = Some((folder.clone(), part));
    }
    Ok(taken.map(|(_, part)| part))
}

/// Classes whose names differ by less than one sees.
fn alike(classes: &BTreeMap<OsString, Paths>) -> Option<String> {
    let mut seen: BTreeMap<String, &OsString> = BTreeMap::new();
    for class in classes.keys() {
        let key = shown(class).to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(before) = seen.insert(key, class) {
            let (a, b) = (shown(before), shown(class));
            return Some(format!("the classes `{a}` and `{b}` differ by capitals or blanks only"));
        }
    }
    None
}

fn open_within(folder: &Path, options: &OpenOptions, max_decoded: u64) -> Result<Box<dyn Dataset>, DataError> {
    if options.size.is_some_and(|size| size == 0 || size > 4096) {
        let value = options.size.unwrap_or_default().to_string();
        return Err(DataError::Setting { name: "data.size", value, reason: "it must be from 1 to 4096".into() });
    }
    let layout = layout::find(folder)?;
    let mut walker = Walker::new(folder);
    let mut notes = Vec::new();
    if layout.split && layout.train.parent() == Some(folder) {
        // What lies beside the parts; the walk itself tells what is in them.
        let listing = walker.listing(folder)?;
        listing.files.iter().for_each(|path| walker.passed.add_path(found::NO_CLASS, folder, path));
    }
    let train_part = training(&layout.train, &mut walker, folder)?;
    if !layout.split {
        if layout.train != folder {
            notes.push(format!("the classes are in `{}`", below(folder, &layout.train)));
        }
        notes.extend(layout::look_alike(&layout.train, &train_part)?);
    }
    let test = test_part(&layout.tests, (&layout.train, &train_part), &mut walker, folder, &mut notes)?;
    if !layout.unused.is_empty() {
        let are = if layout.unused.len() == 1 { "is" } else { "are" };
        notes.push(format!("{} beside the parts {are} not used", layout::named(&layout.unused)));
    }
    notes.extend(alike(&train_part.classes));
    let class_names: Vec<String> = train_part.classes.keys().map(|class| shown(class)).collect();
    let all = number(train_part.classes);
    let (train, test) = match test {
        Some(test) => (all, number(test.classes)),
        None => {
            let (train, test) = hold_out(&all.labels, options.seed);
            if test.len() < class_names.len() {
                let reason = "a class has only one picture, so none can be held out as a test picture";
                return Err(Place::file(folder).invalid(reason));
            }
            notes.push("there is one split only, a sixth of each class is held out as test pictures".to_string());
            (all.select(&train), all.select(&test))
        }
    };
    let files = disk::Listed::new(folder, train, test);
    let (train, test) = (&files.train, &files.test);
    let count = train.paths.len() + test.paths.len();
    // What all pictures say together is known, or read from all of them.
    let memory = options.cache.as_deref().filter(|_| count >= WORTH_KNOWING).map(|cache| {
        let size = options.size.map_or_else(|| "own".into(), |size| size.to_string());
        (cache, format!("{}, size {size}", files.key()))
    });
    let known = memory.as_ref().and_then(|(cache, key)| Known::read(cache, key));
    let headers = match &known {
        Some(known) => known.headers.clone(),
        None => Headers::read(train, test)?,
    };
    let shape = headers.shape(options, |index| path(train, test, index))?;
    options.check_normalisation(shape.channels)?;
    if shape.resize {
        notes.push(format!("pictures are scaled to {0}x{0} ({1})", shape.width, picture::FILTERS));
    }
    notes.extend(headers.notes(shape.channels, |index| below(folder, &path(train, test, index))));
    if let Some(first) = walker.by_content.first() {
        let count = walker.by_content.len();
        let first = below(folder, first);
        notes.push(format!("{count} pictures are known by their content only (the first is {first})"));
    }
    let skipped = walker.passed.into_list();
    notes.extend(Some(found::told(&skipped)).filter(|told| !told.is_empty()));
    let about = Description {
        name: Some(name(folder)).filter(|name| !name.is_empty()).unwrap_or_else(|| "pictures".into()),
        kind: Kind::ImageFolder,
        location: folder.display().to_string(),
        height: shape.height as usize,
        width: shape.width as usize,
        channels: shape.channels,
        class_names,
        normalisation: options.normalisation(),
        note: notes.join("; "),
        found: Found { sizes: headers.sizes(), modes: headers.modes(), skipped, ..Found::default() },
    };
    let bytes = about.height * about.width * about.channels;
    let all = (bytes as u64).saturating_mul(count as u64);
    let fits = match options.kept {
        Some(kept) => kept && all <= max_decoded.saturating_mul(STRETCH),
        None => all <= max_decoded,
    };
    let keep = |about: &Summary| {
        if let (Some((cache, key)), None) = (&memory, &known) {
            Known::new(key.clone(), headers, about.mean.clone(), about.std.clone()).keep(cache);
        }
    };
    if fits {
        let counts = about.normalisation.is_none();
        let store = memory.as_ref().map(|(cache, key)| (Store { folder: cache, most: options.decoded }, key));
        let [train, test] = pixels(files, shape, bytes, store)?;
        let set = InMemory::new(about, train, test);
        if counts {
            keep(set.summary());
        }
        return Ok(Box::new(set));
    }
    let set = OnDisk::new(files, about, shape, known.as_ref(), (all, max_decoded))?;
    if set.counted {
        keep(set.summary());
    }
    Ok(Box::new(set))
}

/// The pictures of both splits: those that were decoded another time, or else all of them now.
fn pixels(
    files: disk::Listed,
    shape: Shape,
    picture_bytes: usize,
    store: Option<(Store, &String)>,
) -> Result<[Pictures; 2], DataError> {
    let disk::Listed { train, test, .. } = files;
    let sizes = [&train, &test].map(|files| files.labels.len() * picture_bytes);
    if let Some([a, b]) = store.as_ref().and_then(|(store, key)| store.read(key, sizes)) {
        return Ok([(a, train), (b, test)].map(|(pixels, files)| Pictures { pixels, labels: files.labels }));
    }
    let parts = [decode_all(train, shape, picture_bytes)?, decode_all(test, shape, picture_bytes)?];
    if let Some((store, key)) = store {
        store.keep(key, [&parts[0].pixels, &parts[1].pixels]);
    }
    Ok(parts)
}

/// The first error in the order of the pictures, whichever thread was first.
fn in_order<T>(results: Vec<Result<T, DataError>>) -> Result<Vec<T>, DataError> {
    results.into_iter().collect()
}

fn decode_all(files: Files, shape: Shape, picture_bytes: usize) -> Result<Pictures, DataError> {
    let mut pixels = vec![0; picture_bytes * files.paths.len()];
    let decode = |(index, out): (usize, &mut [u8])| {
        let path = files.paths.get(index).unwrap_or_default();
        picture::decode(&path, shape).map(|picture| out.copy_from_slice(&picture))
    };
    in_order(pixels.par_chunks_exact_mut(picture_bytes).enumerate().map(decode).collect())?;
    Ok(Pictures { pixels, labels: files.labels })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use image::{Rgb, RgbImage};

    #[test]
    fn a_set_read_when_used_is_the_set_read_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for class in ["a", "b"] {
            std::fs::create_dir(folder.path().join(class)).unwrap();
            for index in 0..12u8 {
                let picture = RgbImage::from_pixel(3, 2, Rgb([index, 20 * index, class.as_bytes()[0]]));
                picture.save(folder.path().join(class).join(format!("{index}.png"))).unwrap();
            }
        }
        let options = OpenOptions::default();
        let memory = open(folder.path(), &options).unwrap();
        let disk = open_within(folder.path(), &options, 0).unwrap();
        let told = |set: &dyn Dataset| Summary { found: Found::default(), ..set.summary().clone() };
        assert_eq!(told(&*memory), told(&*disk));
        assert_ne!(memory.summary().found.fingerprint, disk.summary().found.fingerprint);
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for split in [Split::Train, Split::Test] {
            for index in 0..memory.len(split) {
                memory.pixels(split, index, &mut a).unwrap();
                disk.pixels(split, index, &mut b).unwrap();
                assert_eq!(a, b);
                assert_eq!(memory.label(split, index), disk.label(split, index));
            }
        }
        let fingerprint = disk.fingerprint();
        assert_eq!(open_within(folder.path(), &options, 0).unwrap().fingerprint(), fingerprint);
        // A file that goes bad after opening is an error when it is used, with its name.
        std::fs::write(folder.path().join("b/7.png"), b"\x89PNG\r\n\x1a\n").unwrap();
        let errors: Vec<String> = [Split::Train, Split::Test]
            .into_iter()
            .flat_map(|split| (0..disk.len(split)).map(move |index| (split, index)))
            .filter_map(|(split, index)| disk.pixels(split, index, &mut a).err())
            .map(|error| error.to_string())
            .collect();
        assert!(errors.len() == 1 && errors[0].contains("b/7.png"), "{errors:?}");
        std::fs::remove_file(folder.path().join("b/7.png")).unwrap();
        assert_ne!(open_within(folder.path(), &options, 0).unwrap().fingerprint(), fingerprint);
    }

    /// A set of one picture by very many names, each a link to it.
    fn many(count: usize) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let one = folder.path().join("one.png");
        RgbImage::from_fn(3, 2, |x, y| Rgb([60 * x as u8, 200 * y as u8, 9])).save(&one).unwrap();
        for class in ["a", "b"] {
            std::fs::create_dir(folder.path().join(class)).unwrap();
            for index in 0..count / 2 {
                std::fs::hard_link(&one, folder.path().join(class).join(format!("{index}.png"))).unwrap();
            }
        }
        std::fs::remove_file(one).unwrap();
        folder
    }

    #[test]
    fn what_is_known_of_a_large_set_is_not_read_again() {
        let (folder, cache) = (many(WORTH_KNOWING), tempfile::tempdir().unwrap());
        let options = OpenOptions { cache: Some(cache.path().into()), ..OpenOptions::default() };
        let first = open_within(folder.path(), &options, 0).unwrap();
        assert!(first.summary().found.memory.contains("data.memory allows 0"), "{}", first.summary());
        let files: Vec<PathBuf> = std::fs::read_dir(cache.path()).unwrap().map(|e| e.unwrap().path()).collect();
        let [file] = files.as_slice() else { panic!("{files:?}") };
        assert_eq!(open_within(folder.path(), &options, 0).unwrap().summary(), first.summary());
        // It is that file which is believed, as long as nothing changes.
        let mean = |set: &dyn Dataset| set.summary().mean.clone();
        let mut told: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        told["mean"] = serde_json::json!([0.125, 0.25, 0.5]);
        std::fs::write(file, told.to_string()).unwrap();
        assert_eq!(mean(&*open_within(folder.path(), &options, 0).unwrap()), [0.125, 0.25, 0.5]);
        // In memory all is read anyway.
        assert_eq!(mean(&*open(folder.path(), &options).unwrap()), mean(&*first));
        // Given by hand, nothing is computed, and nothing is kept.
        let given = OpenOptions { mean: vec![0.5; 3], deviation: vec![0.5; 3], ..options.clone() };
        assert_eq!(mean(&*open_within(folder.path(), &given, 0).unwrap()), [0.5; 3]);
        RgbImage::from_pixel(3, 2, Rgb([255, 255, 255])).save(folder.path().join("a/x.png")).unwrap();
        let changed = open_within(folder.path(), &options, 0).unwrap();
        assert!(mean(&*changed) != mean(&*first) && mean(&*changed) != [0.125, 0.25, 0.5]);
        assert_eq!(mean(&*changed), mean(&*open_within(folder.path(), &OpenOptions::default(), 0).unwrap()));
    }

    #[test]
    fn pictures_that_were_decoded_once_are_not_decoded_again() {
        let (folder, cache) = (many(WORTH_KNOWING), tempfile::tempdir().unwrap());
        let options = OpenOptions { cache: Some(cache.path().into()), decoded: 1 << 20, ..OpenOptions::default() };
        let told = |set: &dyn Dataset| (set.summary().clone(), set.fingerprint());
        let first = told(&*open(folder.path(), &options).unwrap());
        let plain = told(&*open(folder.path(), &OpenOptions::default()).unwrap());
        assert!(first == plain && told(&*open(folder.path(), &options).unwrap()) == first);
        // One picture by all names: with another content of the same size and time, nobody looks, but for those of a sample.
        let changed = |colour| {
            let place = folder.path().join("a/1.png");
            let before = place.metadata().unwrap();
            std::fs::remove_file(&place).unwrap();
            RgbImage::from_fn(3, 2, |x, y| Rgb([60 * x as u8, 200 * y as u8, colour])).save(&place).unwrap();
            let same = place.metadata().unwrap().len() == before.len();
            std::fs::File::options()
                .append(true)
                .open(&place)
                .unwrap()
                .set_modified(before.modified().unwrap())
                .unwrap();
            same
        };
        assert!(changed(8));
        assert_eq!(told(&*open(folder.path(), &options).unwrap()), first);
        assert_ne!(told(&*open(folder.path(), &OpenOptions::default()).unwrap()).1, first.1);
        // Another time is another set.
        let place = folder.path().join("a/1.png");
        std::fs::File::options().append(true).open(&place).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
        let again = told(&*open(folder.path(), &options).unwrap());
        assert!(again != first && again == told(&*open(folder.path(), &OpenOptions::default()).unwrap()));
    }

    #[test]
    fn a_set_stays_where_it_was() {
        let folder = many(24);
        let kept = |kept, limit| {
            let set = open_within(folder.path(), &OpenOptions { kept, ..OpenOptions::default() }, limit).unwrap();
            crate::data::was_in_memory(&set.fingerprint()).unwrap()
        };
        let bytes = 24 * 18;
        assert_eq!([kept(None, bytes), kept(None, bytes - 1)], [true, false]);
        assert_eq!([kept(Some(false), bytes), kept(Some(true), bytes / 2), kept(Some(true), 1)], [false, true, false]);
    }

    #[test]
    fn unbalanced_classes_are_told_and_no_others() {
        let folder = many(24);
        let note = |folder: &Path| {
            let sets = [u64::MAX, 0].map(|limit| open_within(folder, &OpenOptions::default(), limit).unwrap());
            let [a, b] = sets.map(|set| set.summary().note.clone());
            assert_eq!(a, b);
            a
        };
        assert!(!note(folder.path()).contains("unbalanced"));
        (0..5).for_each(|index| std::fs::remove_file(folder.path().join(format!("a/{index}.png"))).unwrap());
        let told = note(folder.path());
        assert!(told.contains("unbalanced, from 5 training pictures (`a`) to 10 (`b`)"), "{told}");
    }
}
