//! What this machine has for a study: cores, memory, GPUs; who gets how much of it.

use super::super::StudyError;
use super::super::begin::Share;
use super::super::design::Design;
use crate::device::{self, Choice};
use crate::engine::plan::spare;
use crate::text;

/// Bytes that an engine takes besides what is predicted and its pictures: the program itself.
const IDLE: u64 = 96 << 20;

/// What a run asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Bytes that it would like; `None` of one that does with what it gets.
    pub wants: Option<u64>,
    /// Bytes that it can do with, where it would like more.
    pub least: Option<u64>,
    /// Bytes of its pictures, in the machine's memory.
    pub beside: u64,
}

/// What a run has been given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub share: Share,
    /// Bytes of the machine's memory, or of the GPU's.
    bytes: u64,
}

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
    /// any: the engine itself says whether it fits.
    pub fn take(&mut self, need: &Need, threads: usize) -> Option<Taken> {
        if !self.is_free(0) {
            return None;
        }
        let Need { wants, least, .. } = *need;
        // Pictures lie in the machine's memory, whatever computes; those that leave no room there stay in their files.
        let pictures = if self.cards.is_empty() { need.beside } else { 0 };
        let needed = IDLE.saturating_add(pictures).saturating_add(least.or(wants).unwrap_or(1));
        let files = pictures > 0 && self.running == 0 && self.memory.is_some_and(|free| needed > free);
        let beside = IDLE + if files { 0 } else { pictures };
        let share = |free: u64, alone: bool| {
            let fair = free / (self.at_once - self.running).max(1) as u64;
            let open = wants.is_none();
            let wants = wants.unwrap_or(fair.saturating_sub(beside)).max(1);
            match wants.saturating_add(beside) <= free {
                // What could do with anything is told what it may take.
                true => Some((wants, open)),
                // With less it is slower, not different.
                false => {
                    let rest = free.saturating_sub(beside);
                    (alone || least.is_some_and(|least| least <= rest)).then_some((rest.max(1), true))
                }
            }
        };
        if self.cards.is_empty() {
            let given = match self.memory {
                None => None,
                Some(free) => Some(share(free, self.running == 0)?),
            };
            self.running += 1;
            // What is taken comes back, and no more.
            let bytes = given.zip(self.memory).map_or(0, |(g, free)| g.0.saturating_add(beside).min(free));
            self.memory = self.memory.map(|free| free - bytes);
            let tight = given.is_some_and(|g| g.1);
            let share = Share { threads, memory_bytes: given.map(|g| g.0), tight, files, gpu: None };
            return Some(Taken { share, bytes });
        }
        // The one with most free memory, of those with the fewest runs.
        let best = (0..self.cards.len()).min_by_key(|i| (self.cards[*i].runs, u64::MAX - self.cards[*i].free))?;
        let (bytes, tight) = share(self.cards[best].free, self.cards[best].runs == 0)?;
        let card = &mut self.cards[best];
        let taken = bytes.saturating_add(beside).min(card.free);
        card.free -= taken;
        card.runs += 1;
        let gpu = Some(card.ordinal);
        self.running += 1;
        Some(Taken { share: Share { threads, memory_bytes: Some(bytes), tight, files, gpu }, bytes: taken })
    }

    /// Gives a share back.
    pub fn give(&mut self, taken: &Taken) {
        self.running = self.running.saturating_sub(1);
        match taken.share.gpu.and_then(|g| self.cards.iter_mut().find(|c| c.ordinal == g)) {
            Some(card) => {
                card.free += taken.bytes;
                card.runs = card.runs.saturating_sub(1);
            }
            None => self.memory = self.memory.map(|free| free + taken.bytes),
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

    fn need(wants: u64, least: u64) -> Need {
        Need { wants: Some(wants), least: Some(least), beside: 0 }
    }

    #[test]
    fn memory_is_given_once_and_comes_back() {
        let mut r = room(4, Some(4 * GIB), &[]);
        let first = r.take(&need(2 * GIB, GIB), 2).unwrap();
        assert_eq!((first.share.memory_bytes, first.share.tight), (Some(2 * GIB), false));
        // Less than it would like, but enough.
        let second = r.take(&need(3 * GIB, GIB), 2).unwrap();
        assert!(second.share.tight && second.share.memory_bytes.unwrap() < 2 * GIB);
        // There is nothing left, even for a small one.
        assert_eq!(r.take(&need(GIB, GIB / 2), 2), None);
        r.give(&second);
        let third = r.take(&need(GIB, GIB / 2), 2).unwrap();
        r.give(&third);
        r.give(&first);
        assert_eq!((r.memory, r.running), (Some(4 * GIB), 0));
    }

    #[test]
    fn pictures_without_room_stay_in_their_files() {
        let mut r = room(2, Some(4 * GIB), &[]);
        let large = Need { beside: 10 * GIB, ..need(2 * GIB, GIB) };
        let taken = r.take(&large, 2).unwrap();
        assert!(taken.share.files && taken.share.memory_bytes == Some(2 * GIB) && !taken.share.tight);
        // Beside another it waits until that has ended.
        assert_eq!(r.take(&large, 2), None);
        r.give(&taken);
        assert_eq!(r.memory, Some(4 * GIB));
        // What takes all that there is, and would like more, gives back what it took.
        let all = r.take(&need(9 * GIB, 9 * GIB), 2).unwrap();
        r.give(&all);
        assert_eq!(r.memory, Some(4 * GIB));
    }

    #[test]
    fn pictures_count_beside_what_is_computed() {
        let pictures = Need { beside: GIB, ..need(GIB, GIB) };
        let mut r = room(4, Some(5 * GIB), &[]);
        let all: Vec<Taken> = (0..4).map_while(|_| r.take(&pictures, 2)).collect();
        assert_eq!(all.len(), 2);
        // What an engine may compute in is told without them.
        assert!(all.iter().all(|t| t.share.memory_bytes == Some(GIB) && !t.share.tight));
        all.iter().for_each(|t| r.give(t));
        assert_eq!(r.memory, Some(5 * GIB));
        // A GPU holds none of them.
        let mut r = room(3, Some(GIB), &[4 * GIB]);
        assert_eq!((0..3).map_while(|_| r.take(&pictures, 2)).count(), 3);
    }

    #[test]
    fn what_is_too_large_runs_alone_and_says_so_itself() {
        let mut r = room(2, Some(GIB), &[]);
        let share = r.take(&need(9 * GIB, 8 * GIB), 8).unwrap().share;
        assert!(share.tight && share.memory_bytes.unwrap() < GIB);
        assert_eq!(r.take(&need(9 * GIB, 8 * GIB), 8), None);
        // What does with anything has its part.
        let any = Need::default();
        let mut r = room(2, Some(2 * GIB), &[]);
        let (a, b) = (r.take(&any, 4).unwrap().share, r.take(&any, 4).unwrap().share);
        assert!(a.memory_bytes.unwrap() <= GIB && b.memory_bytes.unwrap() <= 2 * GIB - a.memory_bytes.unwrap());
        assert!(!r.is_free(0) && r.take(&any, 4).is_none());
        // Where nobody knows what is free, runs are counted alone.
        let mut r = room(2, None, &[]);
        assert_eq!(r.take(&need(99 * GIB, GIB), 4).unwrap().share.memory_bytes, None);
    }

    #[test]
    fn each_run_has_the_gpu_with_most_room() {
        let mut r = room(3, Some(GIB), &[10 * GIB, 40 * GIB]);
        let taken: Vec<Taken> = (0..3).map(|_| r.take(&need(8 * GIB, GIB), 2).unwrap()).collect();
        assert_eq!(taken.iter().map(|t| t.share.gpu).collect::<Vec<_>>(), [Some(1), Some(0), Some(1)]);
        r.give(&taken[1]);
        assert_eq!(r.take(&need(GIB, GIB), 2).unwrap().share.gpu, Some(0));
    }

    #[test]
    fn the_last_runs_share_the_cores() {
        let r = room(8, None, &[]);
        assert_eq!([20, 8, 3, 1].map(|open| r.threads(open)), [1, 1, 2, 8]);
        assert_eq!(Room { fixed: 4, ..r }.threads(1), 4);
    }
}
