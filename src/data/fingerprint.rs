//! Whether data are still those that a run was begun with.
//!
//! A fingerprint has parts, joined by `-`: first 16 hexadecimal digits of shape, classes, labels and some of the pixels (of
//! sets that are read from files while they are used: of the files' names), which is all that older journals hold; then, of a set in memory, `m` and a hash of every pixel and label; of a set on disk, `s`, `t` and `c` with
//! hashes of the files' sizes, their times, and some of their contents.

use xxhash_rust::xxh3::Xxh3Default;

/// XXH3, 64 bits: as fast as memory; not against an adversary.
#[derive(Clone)]
pub(super) struct Hash(Xxh3Default);

impl Hash {
    pub fn new() -> Self {
        Hash(Xxh3Default::new())
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn digits(&self) -> String {
        format!("{:016x}", self.0.digest())
    }
}

pub(super) fn in_memory(some: u64, all: &Hash) -> String {
    format!("{some:016x}-m{}", all.digits())
}

pub(super) fn of_files(names: u64, sizes: &Hash, times: &Hash, contents: &Hash) -> String {
    format!("{names:016x}-s{}-t{}-c{}", sizes.digits(), times.digits(), contents.digits())
}

/// Whether the set of a [fingerprint](super::Dataset::fingerprint) was read into memory; `None` if that can't be told.
pub fn was_in_memory(fingerprint: &str) -> Option<bool> {
    match fingerprint.split('-').nth(1)?.chars().next()? {
        'm' => Some(true),
        's' => Some(false),
        _ => None,
    }
}

/// What has changed between two [fingerprints](super::Dataset::fingerprint), as a clause; `None` if nothing has. One of
/// an older version is compared as far as it goes.
pub fn difference(before: &str, now: &str) -> Option<&'static str> {
    let parts = |text: &str| text.split('-').map(String::from).collect::<Vec<_>>();
    let (before, now) = (parts(before), parts(now));
    if before.first() != now.first() {
        return Some("the pictures or labels of data.source are not the ones it was begun with");
    }
    if before.len() == 1 {
        // Before there were more parts.
        return None;
    }
    if before.len() != now.len() {
        return Some("the pictures of data.source are read in another way than when it was begun");
    }
    let changed = |letter: char| before.iter().zip(&now).skip(1).any(|(a, b)| a.starts_with(letter) && a != b);
    if before[1..] == now[1..] {
        None
    } else if changed('s') || changed('c') {
        Some("the files of data.source have other contents than those it was begun with")
    } else if changed('t') {
        Some(
            "the files of data.source have names, sizes and, as far as was looked, contents as when it was begun, but were \
             written at another time",
        )
    } else {
        Some("the pixels or labels of data.source are not the ones it was begun with")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(bytes: &[u8]) -> Hash {
        let mut hash = Hash::new();
        hash.update(bytes);
        hash
    }

    #[test]
    fn hashes_are_those_of_xxh3() {
        // The published values of nothing, and of nothing in pieces.
        assert_eq!(hash(b"").digits(), "2d06800538d394c2");
        let whole: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
        let mut pieces = Hash::new();
        whole.chunks(777).for_each(|piece| pieces.update(piece));
        assert_eq!(pieces.digits(), hash(&whole).digits());
    }

    #[test]
    fn changes_are_told_apart() {
        let memory = in_memory(7, &hash(b"a"));
        assert_eq!(difference(&memory, &memory), None);
        assert!(difference(&memory, &in_memory(7, &hash(b"b"))).unwrap().contains("pixels or labels"));
        assert!(difference(&memory, &in_memory(8, &hash(b"a"))).unwrap().contains("pictures or labels"));
        // From the journal of an older version.
        assert_eq!(difference("0000000000000007", &memory), None);
        assert!(difference("0000000000000008", &memory).is_some());
        let disk = |sizes, times, contents| of_files(7, &hash(sizes), &hash(times), &hash(contents));
        let was = disk(b"a", b"b", b"c");
        assert_eq!(difference(&was, &was), None);
        assert!(difference(&was, &disk(b"a", b"x", b"c")).unwrap().contains("another time"));
        assert!(difference(&was, &disk(b"a", b"x", b"x")).unwrap().contains("other contents"));
        assert!(difference(&was, &disk(b"x", b"b", b"c")).unwrap().contains("other contents"));
        assert!(difference(&was, &memory).unwrap().contains("another way"));
        assert!(difference("", &memory).is_some());
        let kinds = [&memory, &was, "0000000000000007", ""].map(was_in_memory);
        assert_eq!(kinds, [Some(true), Some(false), None, None]);
    }
}
