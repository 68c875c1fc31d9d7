//! Batches of pictures, normalised and augmented; and the batches that scoring draws, in which no two pictures are equal.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rayon::prelude::*;

use super::augment::Normaliser;
use super::decoders;
use super::{Augment, DataError, Dataset, Split, check_batch};
use crate::random::{shuffle, stream_at};

/// Pictures and classes, ready to be put into tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Normalised pixels, `[N, H, W, C]`.
    pub images: Vec<f32>,
    /// Classes, `[N]`.
    pub labels: Vec<u32>,
    /// N.
    pub count: usize,
    /// H.
    pub height: usize,
    /// W.
    pub width: usize,
    /// C.
    pub channels: usize,
}

impl Batch {
    /// `[N, H, W, C]`.
    pub fn shape(&self) -> [usize; 4] {
        [self.count, self.height, self.width, self.channels]
    }
}

/// Makes batches of one split.
pub(super) struct Maker<'a> {
    dataset: &'a dyn Dataset,
    split: Split,
    normaliser: Normaliser,
    augment: Augment,
    seed: u64,
    /// Name of the random stream of augmentation.
    stream: String,
    pixels: Vec<u8>,
}

impl<'a> Maker<'a> {
    pub fn new(dataset: &'a dyn Dataset, split: Split, augment: Augment, seed: u64, stream: String) -> Self {
        let normaliser = Normaliser::new(dataset.summary());
        Maker { dataset, split, normaliser, augment, seed, stream, pixels: Vec::new() }
    }

    /// A batch of the pictures that `picks` names: index in the split, and the pass over the data that it belongs to
    /// (0 unless an epoch goes round). `epoch`, pass and picture decide how it is augmented. `Ok(None)` if `stop` says
    /// so meanwhile.
    pub fn make(
        &mut self,
        epoch: u64,
        picks: &[(u32, u64)],
        stop: impl Fn() -> bool + Send + Sync,
    ) -> Result<Option<Batch>, DataError> {
        if let Some(pool) = self.dataset.is_slow().then(decoders::pool).flatten() {
            return pool.install(|| self.make_together(epoch, picks, stop));
        }
        let mut batch = self.empty(picks.len());
        for &pick in picks {
            if stop() {
                return Ok(None);
            }
            self.append(epoch, pick, &mut batch)?;
        }
        Ok(Some(batch))
    }

    /// The same, its pictures on several threads.
    fn make_together(
        &self,
        epoch: u64,
        picks: &[(u32, u64)],
        stop: impl Fn() -> bool + Send + Sync,
    ) -> Result<Option<Batch>, DataError> {
        let size = self.dataset.summary().picture_bytes();
        let mut batch = self.empty(0);
        batch.images = vec![0.0; picks.len() * size];
        let one = |(&(index, pass), out): (&(u32, u64), &mut [f32])| {
            if stop() {
                return Ok(None);
            }
            let (mut pixels, mut values) = (Vec::new(), Vec::with_capacity(size));
            self.picture(epoch, (index, pass), &mut pixels, &mut values)?;
            out.copy_from_slice(&values);
            Ok(Some(self.dataset.label(self.split, index as usize) as u32))
        };
        // Whichever thread was first, the first error of the batch is told.
        let labels: Vec<Result<Option<u32>, DataError>> =
            picks.par_iter().zip(batch.images.par_chunks_mut(size)).map(one).collect();
        for label in labels {
            let Some(label) = label? else { return Ok(None) };
            batch.labels.push(label);
        }
        batch.count = batch.labels.len();
        Ok(Some(batch))
    }

    /// A picture as it is in a batch, behind what is in `values`.
    fn picture(
        &self,
        epoch: u64,
        (index, pass): (u32, u64),
        pixels: &mut Vec<u8>,
        values: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        self.dataset.pixels(self.split, index as usize, pixels)?;
        let mut rng = stream_at(self.seed, &self.stream, [epoch, (pass << 32) | u64::from(index)]);
        self.normaliser.append(pixels, &self.augment, &mut rng, values);
        Ok(())
    }

    /// A batch of no pictures, with room for `count`.
    fn empty(&self, count: usize) -> Batch {
        let about = self.dataset.summary();
        let (height, width, channels) = (about.height, about.width, about.channels);
        let images = Vec::with_capacity(count * about.picture_bytes());
        Batch { images, labels: Vec::with_capacity(count), count: 0, height, width, channels }
    }

    fn append(&mut self, epoch: u64, (index, pass): (u32, u64), batch: &mut Batch) -> Result<(), DataError> {
        let mut pixels = std::mem::take(&mut self.pixels);
        self.picture(epoch, (index, pass), &mut pixels, &mut batch.images)?;
        self.pixels = pixels;
        batch.labels.push(self.dataset.label(self.split, index as usize) as u32);
        batch.count += 1;
        Ok(())
    }
}

/// A batch for scoring, and what equal pictures did to it.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoringBatch {
    /// Pictures of which no two are equal; fewer than were asked for (but at least one) if there are no more.
    pub batch: Batch,
    /// Pictures that were passed over because, augmented, they equal one in the batch.
    pub equal: usize,
    /// Whether the batch is smaller than asked for, because all pictures together have no more different ones.
    pub short: bool,
}

/// The batch of training pictures for draw number `draw` of scoring: a random choice among `indices` without
/// repetition, augmented; a function of seed and draw alone. Streams `proxy/pictures` and `proxy/augment`.
///
/// A picture that equals one in the batch, pixel for pixel after augmentation, would tell nothing new and makes the
/// kernel of some functions singular: it is passed over, and the next in the random order takes its place.
///
/// # Errors
/// Fewer `indices` than `size`; a picture that cannot be read.
pub fn scoring_batch(
    dataset: &dyn Dataset,
    indices: &[u32],
    size: usize,
    augment: Augment,
    seed: u64,
    draw: u64,
) -> Result<ScoringBatch, DataError> {
    check_batch("scoring", "score.batch", indices.len(), size)?;
    augment.check(dataset.summary())?;
    let mut order = indices.to_vec();
    shuffle(&mut stream_at(seed, "proxy/pictures", [draw, 0]), &mut order);
    let mut maker = Maker::new(dataset, Split::Train, augment, seed, "proxy/augment".into());
    let mut batch = maker.empty(size);
    let bytes = dataset.summary().picture_bytes();
    // Positions in the batch by a hash of the picture; a hit is compared in full.
    let mut seen: HashMap<u64, Vec<usize>> = HashMap::with_capacity(size);
    let mut equal = 0;
    for index in order {
        if batch.count == size {
            break;
        }
        maker.append(draw, (index, 0), &mut batch)?;
        let (before, last) = batch.images.split_at((batch.count - 1) * bytes);
        let twins = seen.entry(hash(last)).or_default();
        if twins.iter().any(|&at| before[at * bytes..(at + 1) * bytes] == *last) {
            batch.images.truncate(before.len());
            batch.labels.pop();
            batch.count -= 1;
            equal += 1;
        } else {
            twins.push(batch.count - 1);
        }
    }
    Ok(ScoringBatch { short: batch.count < size, batch, equal })
}

fn hash(values: &[f32]) -> u64 {
    let mut hasher = DefaultHasher::new();
    values.iter().for_each(|value| value.to_bits().hash(&mut hasher));
    hasher.finish()
}
