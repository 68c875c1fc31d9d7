//! What this machine has for a study: cores, memory, GPUs; who gets how much of it.

use super::super::StudyError;
use super::super::begin::Share;
use super::super::design::Design;
use crate::device::{self, Choice};
use crate::engine::plan::spare;
use crate::text;

/// Bytes that an engine takes besides what is predicted: the program itself, its data.
const IDLE: u64 = 96 << 20;

/// A GPU that may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Card {
    ordinal: usize,
    free: u64,
    runs: usize,
}

/// What is left of the machine.
#[derive(Clone, Debug)]
pub struct Room {
    cores: usize,
    /// Runs at once at most.
    at_once: usize,
    /// Threads of a run, where they are set.
    fixed: usize,
    running: usize,
    /// Memory that is left; `None` where the system does not tell.
    memory: Option<u64>,
    cards: Vec<Card>,
}

impl Room {
    /// Looks at the machine.
    ///
    /// # Errors
    /// A GPU is asked for and there is none that can be used.
    pub fn of(design: &Design, runs: usize) -> Result<Room, StudyError> {
        let cores = device::threads(0);
        let limits = &design.limits;
        let free = device::Device::Cpu.memory().map(|m| spare(m.available_bytes));
        let memory = text::parse_amount(&limits.memory).or(free);
        let kinds = || design.settings.iter().map(|s| s.config.device.kind);
        let mut cards = if kinds().all(|k| k == Choice::Cpu) { Vec::new() } else { cards() };
        if let Some(Choice::Cuda { ordinal: Some(asked) }) = kinds().next() {
            cards.retain(|c| c.ordinal == asked);
        }
        if cards.is_empty() && kinds().any(|k| matches!(k, Choice::Cuda { .. })) {
            return Err(StudyError::Refused(
                "device.kind asks for a GPU, and none can be used here; `zonas doctor` says why".into(),
            ));
        }
        let mut room = Room { cores, at_once: 1, fixed: 0, running: 0, memory, cards };
        room.limit(design, runs);
        Ok(room)
    }

    /// Takes the limits of a design on.
    pub fn limit(&mut self, design: &Design, runs: usize) {
        self.fixed = design.limits.threads.min(self.cores);
        let at_once = match (design.limits.at_once, self.cards.len()) {
            (0, 0) => self.cores / self.fixed.max(1),
            (0, cards) => cards,
            (n, _) => n,
        };
        self.at_once = at_once.clamp(1, runs.max(1));
    }

    pub fn at_once(&self) -> usize {
        self.at_once
    }

    pub fn has_gpus(&self) -> bool {
        !self.cards.is_empty()
    }

    /// `2 runs at once, 20.1 GiB for them`.
    pub fn words(&self) -> String {
        let runs = text::counted(self.at_once, "run");
        let memory = self.memory.map_or_else(String::new, |b| format!(", {} for them", text::bytes(b)));
        let cards = if self.cards.is_empty() {
            String::new()
        } else {
            format!(" on {}", text::counted(self.cards.len(), "GPU"))
        };
        format!("{runs} at once{cards}{memory}")
    }

    /// Threads of the next run, where so many are still to be done: the last ones share the cores that are left.
    pub fn threads(&self, open: usize) -> usize {
        match self.fixed {
            0 => (self.cores / self.at_once.min(open).max(1)).max(1),
            fixed => fixed,
        }
    }

    /// Whether another run may begin, beside these that others have begun.
    pub fn is_free(&self, others: usize) -> bool {
        self.running + others < self.at_once
    }

    /// A share for a run that would like so many bytes, `None` if there is no room now. Where nothing runs there is room for
    /// any: the engine itself says whether it fits. `least` is what it can do with.
    pub fn take(&mut self, wants: Option<u64>, least: Option<u64>, threads: usize) -> Option<Share> {
        if !self.is_free(0) {
            return None;
        }
        let share = |free: u64, alone: bool| {
            let fair = free / (self.at_once - self.running).max(1) as u64;
            let open = wants.is_none();
            let wants = wants.unwrap_or(fair.saturating_sub(IDLE)).max(1);
            match wants + IDLE <= free {
                // What could do with anything is told what it may take.
                true => Some((wants, open)),
                // With less it is slower, not different.
                false => {
                    let rest = free.saturating_sub(IDLE);
                    (alone || least.is_some_and(|least| least <= rest)).then_some((rest.max(1), true))
                }
            }
        };
        if self.cards.is_empty() {
            let given = match self.memory {
                None => None,
                Some(free) => Some(share(free, self.running == 0)?),
            };
            let bytes = given.map(|g| g.0);
            self.running += 1;
            let taken = bytes.map(|b| b + IDLE);
            self.memory = self.memory.zip(taken).map(|(free, taken)| free.saturating_sub(taken)).or(self.memory);
            return Some(Share { threads, memory_bytes: bytes, tight: given.is_some_and(|g| g.1), gpu: None });
        }
        // The one with most free memory, of those with the fewest runs.
        let best = (0..self.cards.len()).min_by_key(|i| (self.cards[*i].runs, u64::MAX - self.cards[*i].free))?;
        let (bytes, tight) = share(self.cards[best].free, self.cards[best].runs == 0)?;
        let card = &mut self.cards[best];
        card.free = card.free.saturating_sub(bytes + IDLE);
        card.runs += 1;
        let gpu = Some(card.ordinal);
        self.running += 1;
        Some(Share { threads, memory_bytes: Some(bytes), tight, gpu })
    }

    /// Gives a share back.
    pub fn give(&mut self, bytes: u64, gpu: Option<usize>) {
        self.running = self.running.saturating_sub(1);
        match gpu.and_then(|g| self.cards.iter_mut().find(|c| c.ordinal == g)) {
            Some(card) => {
                card.free += bytes + IDLE;
                card.runs = card.runs.saturating_sub(1);
            }
            None if bytes > 0 => self.memory = self.memory.map(|free| free + bytes + IDLE),
            None => {}
        }
    }
}

#[cfg(feature = "cuda")]
fn cards() -> Vec<Card> {
    let all = crate::device::cuda::all().unwrap_or_default();
    let seen = all.into_iter().enumerate().filter_map(|(ordinal, one)| Some((ordinal, one.ok()?)));
    let free = |s: &crate::device::cuda::Seen| s.in_use.as_ref().map_or(s.total_bytes, |u| u.free_bytes);
    seen.map(|(ordinal, s)| Card { ordinal, free: spare(free(&s)), runs: 0 }).collect()
}

#[cfg(not(feature = "cuda"))]
fn cards() -> Vec<Card> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn room(at_once: usize, memory: Option<u64>, cards: &[u64]) -> Room {
        let card = |(ordinal, free): (usize, &u64)| Card { ordinal, free: *free, runs: 0 };
        let cards = cards.iter().enumerate().map(card).collect();
        Room { cores: 8, at_once, fixed: 0, running: 0, memory, cards }
    }

    #[test]
    fn memory_is_given_once_and_comes_back() {
        let mut r = room(4, Some(4 * GIB), &[]);
        let first = r.take(Some(2 * GIB), Some(GIB), 2).unwrap();
        assert_eq!((first.memory_bytes, first.tight), (Some(2 * GIB), false));
        // Less than it would like, but enough.
        let second = r.take(Some(3 * GIB), Some(GIB), 2).unwrap();
        assert!(second.tight && second.memory_bytes.unwrap() < 2 * GIB);
        // There is nothing left, even for a small one.
        assert_eq!(r.take(Some(GIB), Some(GIB / 2), 2), None);
        r.give(second.memory_bytes.unwrap(), None);
        assert!(r.take(Some(GIB), Some(GIB / 2), 2).is_some());
        let before = room(4, Some(4 * GIB), &[]);
        r.give(GIB, None);
        r.give(first.memory_bytes.unwrap(), None);
        assert_eq!((r.memory, r.running), (before.memory, 0));
    }

    #[test]
    fn what_is_too_large_runs_alone_and_says_so_itself() {
        let mut r = room(2, Some(GIB), &[]);
        let share = r.take(Some(9 * GIB), Some(8 * GIB), 8).unwrap();
        assert!(share.tight && share.memory_bytes.unwrap() < GIB);
        assert_eq!(r.take(Some(9 * GIB), Some(8 * GIB), 8), None);
        // A scoring does with its part.
        let mut r = room(2, Some(2 * GIB), &[]);
        let (a, b) = (r.take(None, None, 4).unwrap(), r.take(None, None, 4).unwrap());
        assert!(a.memory_bytes.unwrap() <= GIB && b.memory_bytes.unwrap() <= 2 * GIB - a.memory_bytes.unwrap());
        assert!(!r.is_free(0) && r.take(None, None, 4).is_none());
        // Where nobody knows what is free, runs are counted alone.
        let mut r = room(2, None, &[]);
        assert_eq!(r.take(Some(99 * GIB), None, 4).unwrap().memory_bytes, None);
    }

    #[test]
    fn each_run_has_the_gpu_with_most_room() {
        let mut r = room(3, Some(GIB), &[10 * GIB, 40 * GIB]);
        let gpus: Vec<usize> = (0..3).map(|_| r.take(Some(8 * GIB), None, 2).unwrap().gpu.unwrap()).collect();
        assert_eq!(gpus, [1, 0, 1]);
        r.give(8 * GIB, Some(0));
        assert_eq!(r.take(Some(GIB), None, 2).unwrap().gpu, Some(0));
    }

    #[test]
    fn the_last_runs_share_the_cores() {
        let r = room(8, None, &[]);
        assert_eq!([20, 8, 3, 1].map(|open| r.threads(open)), [1, 1, 2, 8]);
        assert_eq!(Room { fixed: 4, ..r }.threads(1), 4);
    }
}
