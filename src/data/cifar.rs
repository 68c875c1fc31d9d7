//! CIFAR-10 and CIFAR-100 (Krizhevsky 2009): the files of the binary and of the python version.

use std::io::Read;

use super::memory::Pictures;
use super::pickle::{Pickle, Problem};
use super::role::{Content, Part, Role};
use super::source::fill;
use super::{DataError, Kind, Place};

pub(super) const SIDE: usize = 32;
const PIXELS: usize = 3 * SIDE * SIDE;

/// For CIFAR-10 without its file of names.
pub(super) fn ten_names() -> Vec<String> {
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
        .map(String::from)
        .to_vec()
}

fn classes(kind: Kind) -> usize {
    if matches!(kind, Kind::Cifar10Binary | Kind::Cifar10Python) { 10 } else { 100 }
}

/// Any file but the pictures of a binary version.
pub(super) fn decode(role: Role, place: &Place, bytes: &[u8]) -> Result<Content, DataError> {
    let classes = classes(role.kind);
    let python = matches!(role.kind, Kind::Cifar10Python | Kind::Cifar100Python);
    match role.part {
        Part::Names if !python => text_names(place, bytes, classes).map(Content::Names),
        Part::Names => {
            let key = if classes == 10 { "label_names" } else { "fine_label_names" };
            let names = |file| Pickle::read(file)?.root().require(key)?.names(classes);
            names(bytes).map(Content::Names).map_err(|problem| problem_at(place, problem))
        }
        _ => pickled(place, bytes, classes).map(Content::Pictures),
    }
}

fn problem_at(place: &Place, problem: Problem) -> DataError {
    place.at(problem.offset as u64).invalid(problem.reason)
}

/// Red plane, green plane, blue plane to `[H, W, 3]`, appended.
pub(super) fn append_planes(planes: &[u8], out: &mut Vec<u8>) {
    let size = planes.len() / 3;
    out.extend((0..size).flat_map(|at| [planes[at], planes[size + at], planes[2 * size + at]]));
}

/// Records of label bytes (CIFAR-10: the class; CIFAR-100: superclass and class) and three planes; `size` bytes in all.
pub(super) fn binary(role: Role, place: &Place, content: &mut dyn Read, size: u64) -> Result<Pictures, DataError> {
    let labels: &[usize] = if classes(role.kind) == 10 { &[10] } else { &[20, 100] };
    let mut record = vec![0; labels.len() + PIXELS];
    if size == 0 {
        return Err(place.invalid("the file is empty"));
    }
    let mut pictures = Pictures::default();
    // What a file claims has been checked; memory is taken when something is written there.
    pictures.pixels.reserve_exact(size as usize);
    let mut start = 0;
    for number in 0u64.. {
        let have = fill(content, &mut record).map_err(|error| place.reading(error))?;
        if have < record.len() && start + (have as u64) < size {
            let reason = format!("the file is torn: {size} bytes were to be there");
            return Err(place.at(start + have as u64).invalid(reason));
        }
        if have == 0 {
            break;
        }
        // First, because a file of something else shows here.
        for (which, (&label, &limit)) in record[..have].iter().zip(labels).enumerate() {
            if usize::from(label) >= limit {
                let reason = format!(
                    "label {label} of picture {number}, the highest is {}; this is another kind of file, or damaged",
                    limit - 1
                );
                return Err(place.at(start + which as u64).invalid(reason));
            }
        }
        if have < record.len() {
            let reason =
                format!("the file is short or of another kind: {size} bytes are no multiple of {}", record.len());
            return Err(place.at(start).invalid(reason));
        }
        pictures.labels.push(u32::from(record[labels.len() - 1]));
        append_planes(&record[labels.len()..], &mut pictures.pixels);
        start += record.len() as u64;
    }
    Ok(pictures)
}

/// A dictionary with `data` (uint8, `[N, 3072]`) and `labels` or `fine_labels`.
fn pickled(place: &Place, bytes: &[u8], classes: usize) -> Result<Pictures, DataError> {
    let key = if classes == 10 { "labels" } else { "fine_labels" };
    pickled_rows(place, bytes, key, PIXELS, classes as i64 - 1, 0, |label| Some(label as u32))
}

/// The rows of a pickled dictionary: those that `class` gives a class for, given labels from `lowest` to `highest`.
pub(super) fn pickled_rows(
    place: &Place,
    bytes: &[u8],
    label_key: &str,
    row: usize,
    highest: i64,
    lowest: i64,
    class: impl Fn(i64) -> Option<u32>,
) -> Result<Pictures, DataError> {
    let at = |problem| problem_at(place, problem);
    let pickle = Pickle::read(bytes).map_err(at)?;
    let data = pickle.root().require("data").map_err(at)?;
    let rows = data.byte_rows(row).map_err(at)?;
    let label_item = pickle.root().require(label_key).map_err(at)?;
    let labels = label_item.integers().map_err(at)?;
    let count = rows.len() / row;
    if labels.len() != count {
        let reason = format!("{} labels for {count} pictures", labels.len());
        return Err(place.at(label_item.offset() as u64).invalid(reason));
    }
    let mut pictures = Pictures::default();
    for (number, (&(label, offset), planes)) in labels.iter().zip(rows.chunks_exact(row)).enumerate() {
        if !(lowest..=highest).contains(&label) {
            let reason = format!("label {label} of picture {number}, they go from {lowest} to {highest}");
            return Err(place.at(offset as u64).invalid(reason));
        }
        if let Some(class) = class(label) {
            pictures.labels.push(class);
            append_planes(planes, &mut pictures.pixels);
        }
    }
    Ok(pictures)
}

/// One name a line; empty lines do not count.
fn text_names(place: &Place, bytes: &[u8], classes: usize) -> Result<Vec<String>, DataError> {
    let text = String::from_utf8_lossy(bytes);
    let names: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect();
    if names.len() != classes {
        return Err(place.invalid(format!("{} class names, {classes} were expected", names.len())));
    }
    Ok(names)
}
