//! A device that runs nothing: it checks every launch against the limits of devices and of the memory that was asked for,
//! and keeps count.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Call, Columns, Gpu, GpuError, Kernel, Launcher, MOST_SHARED};

/// One launch.
#[derive(Clone, Debug)]
pub struct Record {
    pub kernel: Kernel,
    pub columns: Columns,
    pub grid: [u32; 3],
    /// Bytes of shared memory of a block.
    pub shared: u32,
    /// Bytes read and written in the device's memory, each once.
    pub bytes: u64,
    pub operations: u64,
}

#[derive(Default)]
struct State {
    /// By address, what is in use: bytes, and the stream that asked for them.
    live: BTreeMap<u64, (u64, usize)>,
    streams: usize,
    allocations: usize,
    next: u64,
    now: u64,
    peak: u64,
    /// Bytes that went to the device, and that came from it.
    crossed: [u64; 2],
    records: Vec<Record>,
}

/// See the module. Those beside each other share a device and have a stream each: memory of another's is refused.
#[derive(Default)]
pub struct Recorder {
    state: Arc<Mutex<State>>,
    stream: usize,
    joins: bool,
}

/// Addresses start here, so that 0 is none.
const START: u64 = 1 << 20;
/// What a device can give as an address is a multiple of this.
const ALIGNMENT: u64 = 256;

impl Recorder {
    pub fn new() -> Arc<Recorder> {
        Arc::new(Recorder::default())
    }

    /// One that is asked for memory as a real device is.
    pub fn joining() -> Arc<Recorder> {
        Arc::new(Recorder { joins: true, ..Recorder::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes in use, and the most since the last [`Recorder::reset_peak`].
    pub fn bytes(&self) -> (u64, u64) {
        let state = self.state();
        (state.now, state.peak)
    }

    pub fn reset_peak(&self) {
        let mut state = self.state();
        state.peak = state.now;
    }

    /// How often memory has been asked for, and how many streams there are beside the first.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.state();
        (state.allocations, state.streams)
    }

    /// Bytes that went to the device and that came from it, since the last time.
    pub fn crossed(&self) -> [u64; 2] {
        std::mem::take(&mut self.state().crossed)
    }

    /// The launches since the last time.
    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.state().records)
    }
}

impl State {
    /// Whether `span` bytes from `address` on lie in one piece of memory that is in use by this stream.
    fn holds(&self, stream: usize, address: u64, span: u64) -> bool {
        let found = self.live.range(..=address).next_back();
        found.is_some_and(|(start, (bytes, owner))| address + span <= start + bytes && *owner == stream)
    }
}

impl Launcher for Recorder {
    fn allocate(&self, bytes: usize) -> Result<u64, GpuError> {
        let mut state = self.state();
        let (address, bytes) = (START + state.next, bytes as u64);
        // A gap between neighbours, so that a step outside never falls into the next piece.
        state.next += bytes.next_multiple_of(ALIGNMENT) + ALIGNMENT;
        state.live.insert(address, (bytes, self.stream));
        state.allocations += 1;
        state.now += bytes;
        state.peak = state.peak.max(state.now);
        Ok(address)
    }

    fn release(&self, address: u64, bytes: usize) {
        let mut state = self.state();
        if state.live.remove(&address) == Some((bytes as u64, self.stream)) {
            state.now -= bytes as u64;
        }
    }

    fn clear(&self, address: u64, bytes: usize) -> Result<(), GpuError> {
        self.copy(address, address, bytes)
    }

    fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<(), GpuError> {
        let state = self.state();
        match [from, to].into_iter().all(|at| state.holds(self.stream, at, bytes as u64)) {
            true => Ok(()),
            false => Err(GpuError::Copy(format!("{bytes} bytes from {from:#x} to {to:#x} are not all in use"))),
        }
    }

    fn upload(&self, to: u64, bytes: &[u8]) -> Result<(), GpuError> {
        self.state().crossed[0] += bytes.len() as u64;
        self.copy(to, to, bytes.len())
    }

    fn download(&self, from: u64, bytes: &mut [u8]) -> Result<(), GpuError> {
        bytes.fill(0);
        self.state().crossed[1] += bytes.len() as u64;
        self.copy(from, from, bytes.len())
    }

    fn launch(&self, call: &Call) -> Result<(), GpuError> {
        let refuse = |detail: String| Err(GpuError::Launch { kernel: call.kernel.name(), detail });
        let [x, y, z] = call.grid;
        if x == 0 || y == 0 || z == 0 || x > i32::MAX as u32 || y > 65535 || z > 65535 {
            return refuse(format!("a grid of {x} x {y} x {z}"));
        }
        if call.shared > MOST_SHARED {
            return refuse(format!("{} bytes of shared memory", call.shared));
        }
        if call.arguments.bytes().len() > 4096 {
            return refuse("more than 4096 bytes of arguments".into());
        }
        let work = (call.work)();
        let mut state = self.state();
        for e in &work.extents {
            if !state.holds(self.stream, e.address, e.span) {
                let verb = if e.writes { "writes" } else { "reads" };
                return refuse(format!("it {verb} {} bytes from {:#x} on, not all in use", e.span, e.address));
            }
        }
        state.records.push(Record {
            kernel: call.kernel,
            columns: call.columns,
            grid: call.grid,
            shared: call.shared,
            bytes: work.extents.iter().map(|e| e.bytes).sum(),
            operations: work.operations,
        });
        Ok(())
    }

    fn joins(&self) -> bool {
        self.joins
    }

    fn beside(&self) -> Result<Option<Gpu>, GpuError> {
        let mut state = self.state();
        state.streams += 1;
        Ok(Some(Arc::new(Recorder { state: self.state.clone(), stream: state.streams, joins: self.joins })))
    }
}
