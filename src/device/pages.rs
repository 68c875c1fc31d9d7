//! The program's allocator: small blocks go to the system's allocator, large ones to a region whose pages this module keeps.
//!
//! A search step takes and frees the same few hundred large maps over and over. An allocator that gives their pages back has
//! the system clear them each time, which costs as much as the arithmetic; one that keeps whatever it likes makes the peak
//! of memory a matter of luck. Here freed pages are kept for the next map, but **never so many that more pages are
//! resident than were in use at once**: the peak of the process is the peak of what it asked for, so it can be predicted.
//!
//! Free space is one sorted list of segments, each either resident (kept pages) or empty (address space only). A block is cut
//! from the smallest resident segment that holds it, or else from the run of neighbouring segments with most resident pages.

use std::alloc::{GlobalAlloc, Layout, System};

/// Blocks of at least so many bytes are large.
pub const LARGE_BYTES: usize = 8 << 10;

/// What the large blocks of this process take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// Bytes in use now, in whole pages.
    pub live_bytes: usize,
    /// Most bytes in use at once since the start, or since [`reset_peak`].
    pub peak_bytes: usize,
    /// Bytes that were taken fresh from the system so far, and had to be cleared.
    pub fresh_bytes: usize,
}

/// `#[global_allocator]` of the program and of whatever measures it.
pub struct KeptPages;

// SAFETY: both parts keep the contract of `GlobalAlloc`; which of them a block belongs to follows from its address.
unsafe impl GlobalAlloc for KeptPages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if let Some(block) = large(layout) {
            return block.as_ptr();
        }
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if let Some(block) = large(layout) {
            // Kept pages are cleared here in the cache's order; fresh ones by the system at first touch, so twice. They are
            // rare after the first step.
            unsafe { block.as_ptr().write_bytes(0, layout.size()) };
            return block.as_ptr();
        }
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if !system::free(block, layout.size()) {
            unsafe { System.dealloc(block, layout) }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.size() < LARGE_BYTES && size < LARGE_BYTES {
            return unsafe { System.realloc(block, layout, size) };
        }
        // SAFETY: the caller promises that `size` is not 0 and fits.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                std::ptr::copy_nonoverlapping(block, new, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

fn large(layout: Layout) -> Option<std::ptr::NonNull<u8>> {
    (layout.size() >= LARGE_BYTES && layout.align() <= PAGE).then(|| system::take(layout.size())).flatten()
}

/// Numbers of now; zeros where [`KeptPages`] is not the allocator.
pub fn pages() -> Pages {
    system::pages()
}

/// Lets the peak begin again at what is in use now; pages that are kept beyond it are given back.
pub fn reset_peak() {
    system::reset_peak();
}

const PAGE: usize = 4096;

/// The bookkeeping, apart from the system calls, so that it can be tested.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod region {
    use super::{PAGE, Pages};

    /// Free space `[start, start + len)`, in bytes from the region's start.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Segment {
        pub start: usize,
        pub len: usize,
        pub resident: bool,
    }

    impl Segment {
        fn end(&self) -> usize {
            self.start + self.len
        }
    }

    /// Segments that the list can hold; beyond, freed pages are not kept.
    const CAPACITY: usize = 4096;

    pub struct Region {
        segments: [Segment; CAPACITY],
        count: usize,
        kept: usize,
        pages: Pages,
    }

    /// What [`Region::take`] found.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Taken {
        pub start: usize,
        pub fresh: usize,
    }

    impl Region {
        pub const fn new(bytes: usize) -> Region {
            let mut segments = [Segment { start: 0, len: 0, resident: false }; CAPACITY];
            segments[0].len = bytes;
            let pages = Pages { live_bytes: 0, peak_bytes: 0, fresh_bytes: 0 };
            Region { segments, count: 1, kept: 0, pages }
        }

        pub fn pages(&self) -> Pages {
            self.pages
        }

        fn free(&self) -> &[Segment] {
            &self.segments[..self.count]
        }

        /// Takes `size` bytes, in whole pages; `release` gives the pages of a segment back to the system.
        pub fn take(&mut self, size: usize, release: impl FnMut(Segment)) -> Option<Taken> {
            let len = size.checked_next_multiple_of(PAGE)?;
            // Room for the two halves of a split.
            if self.count + 2 > CAPACITY {
                return None;
            }
            let taken = match self.best_resident(len) {
                Some(i) => {
                    let start = self.segments[i].start;
                    self.cut(i, len);
                    Taken { start, fresh: 0 }
                }
                None => self.take_run(len)?,
            };
            self.kept -= len - taken.fresh;
            self.pages.fresh_bytes += taken.fresh;
            self.pages.live_bytes += len;
            self.pages.peak_bytes = self.pages.peak_bytes.max(self.pages.live_bytes);
            self.trim(release);
            Some(taken)
        }

        /// Smallest resident segment of at least `len` bytes.
        fn best_resident(&self, len: usize) -> Option<usize> {
            let fits = self.free().iter().enumerate().filter(|(_, s)| s.resident && s.len >= len);
            fits.min_by_key(|(_, s)| s.len).map(|(i, _)| i)
        }

        /// From neighbouring segments: the place with most resident bytes, the first of those.
        fn take_run(&mut self, len: usize) -> Option<Taken> {
            let free = self.free();
            let mut best: Option<(usize, usize)> = None;
            for first in 0..free.len() {
                let (mut resident, mut end) = (0, free[first].start);
                for s in &free[first..] {
                    if s.start != end {
                        break;
                    }
                    let room = len - (end - free[first].start);
                    let used = s.len.min(room);
                    resident += if s.resident { used } else { 0 };
                    end += used;
                    if used == room {
                        if best.is_none_or(|(_, r)| resident > r) {
                            best = Some((first, resident));
                        }
                        break;
                    }
                }
            }
            let (first, resident) = best?;
            let start = free[first].start;
            let mut left = len;
            while left > 0 {
                let used = self.segments[first].len.min(left);
                self.cut(first, used);
                left -= used;
            }
            Some(Taken { start, fresh: len - resident })
        }

        /// Takes the first `len` bytes of segment `i`.
        fn cut(&mut self, i: usize, len: usize) {
            let s = &mut self.segments[i];
            s.start += len;
            s.len -= len;
            if s.len == 0 {
                self.remove(i);
            }
        }

        fn remove(&mut self, i: usize) {
            self.segments.copy_within(i + 1..self.count, i);
            self.count -= 1;
        }

        fn insert(&mut self, i: usize, s: Segment) {
            self.segments.copy_within(i..self.count, i + 1);
            self.segments[i] = s;
            self.count += 1;
        }

        /// Frees a block; its pages are kept as long as that does not exceed the peak.
        pub fn give(&mut self, start: usize, size: usize, mut release: impl FnMut(Segment)) {
            let len = size.next_multiple_of(PAGE);
            self.pages.live_bytes -= len;
            // `take` leaves room, but many blocks may be freed after one another: then the smallest kept ones go.
            while self.count + 2 > CAPACITY {
                self.release_smallest(&mut release, usize::MAX);
            }
            self.kept += len;
            self.add(Segment { start, len, resident: true });
            self.trim(release);
        }

        /// Puts a segment into the list and joins it with equal neighbours.
        fn add(&mut self, s: Segment) {
            let i = self.free().partition_point(|f| f.start < s.start);
            self.insert(i, s);
            for at in [i, i.wrapping_sub(1)] {
                if at < self.count && at + 1 < self.count {
                    let (a, b) = (self.segments[at], self.segments[at + 1]);
                    if a.end() == b.start && a.resident == b.resident {
                        self.segments[at].len += b.len;
                        self.remove(at + 1);
                    }
                }
            }
        }

        /// Gives back what is kept beyond the peak, smallest segments first.
        fn trim(&mut self, mut release: impl FnMut(Segment)) {
            while self.pages.live_bytes + self.kept > self.pages.peak_bytes {
                let excess = self.pages.live_bytes + self.kept - self.pages.peak_bytes;
                self.release_smallest(&mut release, excess);
            }
        }

        /// Gives back up to `most` bytes of the smallest kept segment, from its end.
        fn release_smallest(&mut self, release: &mut impl FnMut(Segment), most: usize) {
            let resident = self.free().iter().enumerate().filter(|(_, s)| s.resident);
            let Some((i, s)) = resident.min_by_key(|(_, s)| s.len).map(|(i, s)| (i, *s)) else { return };
            let len = s.len.min(most);
            let tail = Segment { start: s.end() - len, len, resident: false };
            release(tail);
            self.kept -= len;
            self.segments[i].len -= len;
            if self.segments[i].len == 0 {
                self.remove(i);
            }
            self.add(tail);
        }

        pub fn reset_peak(&mut self, release: impl FnMut(Segment)) {
            self.pages.peak_bytes = self.pages.live_bytes;
            self.trim(release);
        }

        #[cfg(test)]
        pub fn kept(&self) -> usize {
            self.kept
        }

        #[cfg(test)]
        pub fn segments(&self) -> &[Segment] {
            self.free()
        }
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::ptr::{NonNull, null_mut};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

    use super::Pages;
    use super::region::{Region, Segment};

    /// Address space, not memory.
    const SPACE: usize = 1 << 40;
    const UNSET: usize = 0;
    const NONE: usize = 1;

    static START: AtomicUsize = AtomicUsize::new(UNSET);
    static REGION: Mutex<Region> = Mutex::new(Region::new(SPACE));

    fn region() -> MutexGuard<'static, Region> {
        REGION.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the region starts; reserved at the first call. Where address space is limited there is none, and everything goes
    /// to the allocator for small blocks.
    fn start(_locked: &Region) -> Option<usize> {
        match START.load(Ordering::Relaxed) {
            NONE => None,
            UNSET => {
                let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
                // SAFETY: a new mapping, anywhere.
                let map = unsafe { mmap_anonymous(null_mut(), SPACE, ProtFlags::READ | ProtFlags::WRITE, flags) };
                let start = map.map_or(NONE, |p| p as usize);
                START.store(start, Ordering::Release);
                (start != NONE).then_some(start)
            }
            start => Some(start),
        }
    }

    fn release(start: usize) -> impl FnMut(Segment) {
        move |s| {
            // SAFETY: the pages are free and inside the region. A failure leaves them resident, nothing worse.
            let _ = unsafe { madvise((start + s.start) as *mut _, s.len, Advice::LinuxDontNeed) };
        }
    }

    pub fn take(size: usize) -> Option<NonNull<u8>> {
        let mut region = region();
        let start = start(&region)?;
        let taken = region.take(size, release(start))?;
        NonNull::new((start + taken.start) as *mut u8)
    }

    /// Whether the block was one of the region's.
    pub fn free(block: *mut u8, size: usize) -> bool {
        let start = START.load(Ordering::Acquire);
        let Some(at) = (block as usize).checked_sub(start).filter(|at| start > NONE && *at < SPACE) else {
            return false;
        };
        region().give(at, size, release(start));
        true
    }

    pub fn pages() -> Pages {
        region().pages()
    }

    pub fn reset_peak() {
        let mut region = region();
        if let Some(start) = start(&region) {
            region.reset_peak(release(start));
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::Pages;

    pub fn take(_size: usize) -> Option<std::ptr::NonNull<u8>> {
        None
    }

    pub fn free(_block: *mut u8, _size: usize) -> bool {
        false
    }

    pub fn pages() -> Pages {
        Pages::default()
    }

    pub fn reset_peak() {}
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::PAGE;
    use super::region::{Region, Segment};

    const MIB: usize = 1 << 20;

    /// A system that knows which pages are resident.
    #[derive(Default)]
    struct Model {
        resident: BTreeSet<usize>,
    }

    impl Model {
        fn touch(&mut self, start: usize, size: usize) {
            (start / PAGE..(start + size).div_ceil(PAGE)).for_each(|p| {
                self.resident.insert(p);
            });
        }

        fn release(&mut self, s: Segment) {
            (s.start / PAGE..(s.start + s.len) / PAGE).for_each(|p| {
                self.resident.remove(&p);
            });
        }
    }

    #[test]
    fn a_repeated_pattern_takes_nothing_fresh() {
        let mut region = Region::new(1 << 40);
        let mut step = || {
            let sizes = [4 * MIB, MIB, 2 * MIB, MIB, 8 * MIB];
            let blocks: Vec<_> = sizes.iter().map(|s| (region.take(*s, |_| {}).unwrap().start, *s)).collect();
            for (start, size) in blocks {
                region.give(start, size, |_| {});
            }
            region.pages()
        };
        let first = step();
        assert_eq!((first.peak_bytes, first.live_bytes, first.fresh_bytes), (16 * MIB, 0, 16 * MIB));
        for _ in 0..10 {
            assert_eq!(step().fresh_bytes, 16 * MIB);
        }
    }

    proptest! {
        #[test]
        fn blocks_never_overlap_and_residents_never_exceed_the_peak(
            steps in proptest::collection::vec((any::<bool>(), 1usize..40, 0usize..64), 1..300)
        ) {
            let mut region = Region::new(1 << 30);
            let mut model = Model::default();
            let mut blocks: Vec<(usize, usize)> = Vec::new();
            for (take, pages, which) in steps {
                if take || blocks.is_empty() {
                    let size = pages * PAGE - which;
                    let taken = region.take(size, |s| model.release(s)).unwrap();
                    for (start, other) in &blocks {
                        prop_assert!(taken.start + size <= *start || start + other <= taken.start);
                    }
                    model.touch(taken.start, size);
                    blocks.push((taken.start, size));
                } else {
                    let (start, size) = blocks.swap_remove(which % blocks.len());
                    region.give(start, size, |s| model.release(s));
                }
                let p = region.pages();
                let live: usize = blocks.iter().map(|(_, s)| s.next_multiple_of(PAGE)).sum();
                prop_assert_eq!(p.live_bytes, live);
                prop_assert_eq!(model.resident.len() * PAGE, live + region.kept());
                prop_assert!(live + region.kept() <= p.peak_bytes);
                let free: usize = region.segments().iter().map(|s| s.len).sum();
                prop_assert_eq!(free + live, 1 << 30);
                for pair in region.segments().windows(2) {
                    prop_assert!(pair[0].start + pair[0].len <= pair[1].start);
                }
            }
        }
    }
}
