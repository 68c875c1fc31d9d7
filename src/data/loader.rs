//! Batches of an epoch, made ahead of use on another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use super::batch::Maker;
use super::decoders;
use super::{Augment, Batch, DataError, Dataset, Split, check_batch};
use crate::random::{shuffle, stream_at};

/// What a [`Loader`] goes through. Every batch is a function of this and its number alone, so an epoch can be resumed
/// at any batch.
#[derive(Clone, Debug)]
pub struct Plan {
    pub split: Split,
    /// Pictures of the split to go through.
    pub indices: Vec<u32>,
    /// Pictures in a batch.
    pub batch: usize,
    pub augment: Augment,
    pub seed: u64,
    /// Name of the random streams: `<stream>/shuffle` and `<stream>/augment`.
    pub stream: String,
    pub epoch: u64,
    /// Number of the first batch that is wanted (0 for a whole epoch).
    pub start_batch: usize,
    /// Go through the pictures in random order, another one each epoch; else as listed.
    pub shuffle: bool,
    /// Leave out a last batch that is not full.
    pub drop_last: bool,
    /// `Some(n)`: exactly `n` full batches, going through the pictures again (in another order) as often as needed;
    /// `drop_last` then does not matter. `None`: each picture once.
    pub batches: Option<usize>,
    /// Batches made ahead of use; one more is always in the making.
    pub prefetch: usize,
}

impl Plan {
    /// A shuffled, augmented pass in full batches, as training makes it.
    pub fn training(indices: Vec<u32>, batch: usize, augment: Augment, seed: u64, stream: &str, epoch: u64) -> Self {
        Plan {
            split: Split::Train,
            indices,
            batch,
            augment,
            seed,
            stream: stream.into(),
            epoch,
            start_batch: 0,
            shuffle: true,
            drop_last: true,
            batches: None,
            prefetch: 2,
        }
    }

    /// Each picture once, in order and unchanged, as an evaluation makes it.
    pub fn evaluation(split: Split, indices: Vec<u32>, batch: usize) -> Self {
        let training = Plan::training(indices, batch, Augment::NONE, 0, "evaluation", 0);
        Plan { split, shuffle: false, drop_last: false, ..training }
    }

    /// Number of batches in the whole epoch, from batch 0.
    pub fn total_batches(&self) -> usize {
        match self.batches {
            Some(n) => n,
            None if self.batch == 0 => 0,
            None if self.drop_last => self.indices.len() / self.batch,
            None => self.indices.len().div_ceil(self.batch),
        }
    }

    fn check(&self, dataset: &dyn Dataset) -> Result<(), DataError> {
        let need = if self.drop_last || self.batches.is_some() { self.batch } else { self.batch.min(1) };
        check_batch(&self.stream, "the setting `batch`", self.indices.len(), need)?;
        self.augment.check(dataset.summary())?;
        let len = dataset.len(self.split);
        match self.indices.iter().find(|&&index| index as usize >= len) {
            Some(&index) => Err(DataError::OutOfRange { split: self.split, index: index as usize, len }),
            None => Ok(()),
        }
    }

    fn order(&self, pass: u64) -> Vec<u32> {
        let mut order = self.indices.clone();
        if self.shuffle {
            let name = format!("{}/shuffle", self.stream);
            shuffle(&mut stream_at(self.seed, &name, [self.epoch, pass]), &mut order);
        }
        order
    }
}

/// An iterator over the batches of a [`Plan`], in order. Dropping it stops its thread at the next picture.
pub struct Loader {
    receiver: Option<Receiver<Result<Batch, DataError>>>,
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    left: usize,
}

impl Loader {
    /// # Errors
    /// An empty plan, fewer pictures than a batch where full batches are wanted, an index out of range, a thread that
    /// cannot be started.
    pub fn new(dataset: Arc<dyn Dataset>, plan: Plan) -> Result<Self, DataError> {
        plan.check(&*dataset)?;
        let left = plan.total_batches().saturating_sub(plan.start_batch);
        if dataset.is_slow() {
            // Here, where it is known how many threads compute.
            decoders::pool();
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, receiver) = sync_channel(plan.prefetch);
        let stopped = stop.clone();
        let work = move || {
            let stop = || stopped.load(Ordering::Relaxed);
            let stream = format!("{}/augment", plan.stream);
            let mut maker = Maker::new(&*dataset, plan.split, plan.augment, plan.seed, stream);
            let len = plan.indices.len();
            let mut order = (0, plan.order(0));
            for number in plan.start_batch..plan.total_batches() {
                let first = number * plan.batch;
                let end = if plan.batches.is_some() { first + plan.batch } else { len.min(first + plan.batch) };
                let mut picks = Vec::with_capacity(plan.batch);
                for position in first..end {
                    let pass = (position / len) as u64;
                    if order.0 != pass {
                        order = (pass, plan.order(pass));
                    }
                    picks.push((order.1[position % len], pass));
                }
                let made = match maker.make(plan.epoch, &picks, stop) {
                    Ok(None) => return,
                    Ok(Some(batch)) => Ok(batch),
                    Err(error) => Err(error),
                };
                let failed = made.is_err();
                if sender.send(made).is_err() || failed {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("batches".into())
            .spawn(work)
            .map_err(|error| DataError::Worker { reason: format!("cannot be started: {error}") })?;
        Ok(Loader { receiver: Some(receiver), thread: Some(thread), stop, left })
    }
}

impl Iterator for Loader {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        match self.receiver.as_ref()?.recv() {
            Ok(made) => {
                self.left = if made.is_ok() { self.left - 1 } else { 0 };
                Some(made)
            }
            Err(_) => {
                self.left = 0;
                Some(Err(DataError::Worker { reason: "died before it was done".into() }))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

impl std::iter::FusedIterator for Loader {}

impl Drop for Loader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A thread that waits for room in the channel wakes up when the receiver goes.
        self.receiver = None;
        if let Some(thread) = self.thread.take() {
            // A panic over there was already reported as an error by `next`, or concerns a batch nobody wants.
            let _ = thread.join();
        }
    }
}
