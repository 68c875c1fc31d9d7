//! Paths of very many files, in a few bytes each beside their names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A list of paths. Files of one folder that follow each other share it, so a path takes its name and eight bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Paths {
    /// Number of the first file of each run of files in one folder, and that folder.
    folders: Vec<(usize, PathBuf)>,
    /// All names, one behind the other, and where each ends.
    names: Vec<u8>,
    ends: Vec<usize>,
}

impl Paths {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn push(&mut self, path: &Path) {
        let folder = path.parent().unwrap_or(Path::new(""));
        if self.folders.last().is_none_or(|(_, last)| last.as_os_str() != folder.as_os_str()) {
            self.folders.push((self.ends.len(), folder.to_owned()));
        }
        self.names.extend_from_slice(path.file_name().unwrap_or_default().as_bytes());
        self.ends.push(self.names.len());
    }

    /// The path of a number below [`Paths::len`].
    pub fn get(&self, index: usize) -> Option<PathBuf> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        let run = self.folders.partition_point(|(first, _)| *first <= index).checked_sub(1)?;
        Some(self.folders[run].1.join(OsStr::from_bytes(&self.names[start..end])))
    }

    pub fn iter(&self) -> impl Iterator<Item = PathBuf> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    pub fn append(&mut self, other: Paths) {
        let (files, bytes) = (self.ends.len(), self.names.len());
        self.folders.extend(other.folders.into_iter().map(|(first, folder)| (files + first, folder)));
        self.names.extend(other.names);
        self.ends.extend(other.ends.into_iter().map(|end| bytes + end));
    }

    /// Those at `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Paths {
        let mut chosen = Paths::default();
        indices.iter().filter_map(|&index| self.get(index)).for_each(|path| chosen.push(&path));
        chosen
    }

    /// Lets go of room that was kept for more.
    pub fn shrink(&mut self) {
        self.folders.shrink_to_fit();
        self.names.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_back_as_they_were() {
        let strange = PathBuf::from("/set/b").join(OsStr::from_bytes(b"\xff \n.png"));
        let all: Vec<PathBuf> = ["/set/a/1.png", "/set/a/2.png", "/set/a/in/3.png", "/set/a/4.png", "5.png"]
            .into_iter()
            .map(PathBuf::from)
            .chain([strange])
            .collect();
        let mut paths = Paths::default();
        assert!(paths.is_empty() && paths.get(0).is_none());
        all.iter().for_each(|path| paths.push(path));
        assert_eq!(paths.iter().collect::<Vec<_>>(), all);
        assert_eq!((paths.len(), paths.get(6)), (6, None));
        let chosen = paths.select(&[5, 0, 3, 1]);
        assert_eq!(chosen.iter().collect::<Vec<_>>(), [5, 0, 3, 1].map(|i| all[i].clone()));
        let mut twice = paths.clone();
        twice.append(chosen);
        twice.shrink();
        assert_eq!(twice.iter().skip(6).collect::<Vec<_>>(), [5, 0, 3, 1].map(|i| all[i].clone()));
        assert_eq!(twice.iter().take(6).collect::<Vec<_>>(), all);
    }
}
