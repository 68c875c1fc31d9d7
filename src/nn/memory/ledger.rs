//! A ledger of what is taken and given back.

use crate::device::LARGE_BYTES;

const PAGE: u64 = 4096;

/// Bytes in use, and the most there ever were.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    live: u64,
    peak: u64,
}

/// Bytes that a block of float32 numbers takes: whole pages where it is large.
pub fn bytes(numbers: u64) -> u64 {
    let bytes = 4 * numbers;
    if bytes >= LARGE_BYTES as u64 { bytes.next_multiple_of(PAGE) } else { bytes }
}

impl Ledger {
    /// A block of numbers; returns its bytes.
    pub fn take(&mut self, numbers: u64) -> u64 {
        let bytes = bytes(numbers);
        self.live += bytes;
        self.peak = self.peak.max(self.live);
        bytes
    }

    /// A block that goes at once.
    pub fn in_passing(&mut self, numbers: u64) {
        let bytes = self.take(numbers);
        self.give_bytes(bytes);
    }

    pub fn give_bytes(&mut self, bytes: u64) {
        debug_assert!(bytes <= self.live, "more is given back than was taken");
        self.live = self.live.saturating_sub(bytes);
    }

    /// Gives back `count` blocks of numbers; returns their bytes.
    pub fn give(&mut self, count: u64, numbers: u64) -> u64 {
        let bytes = count * bytes(numbers);
        self.give_bytes(bytes);
        bytes
    }

    /// Candle adds a first gradient to zeros, into a new block.
    pub fn accumulate(&mut self, numbers: u64) {
        self.take(numbers);
        self.take(numbers);
        self.give(1, numbers);
    }

    pub fn peak(&self) -> u64 {
        self.peak
    }
}
