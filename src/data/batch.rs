use super::augment::Normaliser;
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
        stop: impl Fn() -> bool,
    ) -> Result<Option<Batch>, DataError> {
        let about = self.dataset.summary();
        let mut images = Vec::with_capacity(picks.len() * about.picture_bytes());
        let mut labels = Vec::with_capacity(picks.len());
        for &(index, pass) in picks {
            if stop() {
                return Ok(None);
            }
            self.dataset.pixels(self.split, index as usize, &mut self.pixels)?;
            let mut rng = stream_at(self.seed, &self.stream, [epoch, (pass << 32) | u64::from(index)]);
            self.normaliser.append(&self.pixels, &self.augment, &mut rng, &mut images);
            labels.push(self.dataset.label(self.split, index as usize) as u32);
        }
        let (height, width, channels) = (about.height, about.width, about.channels);
        Ok(Some(Batch { images, labels, count: picks.len(), height, width, channels }))
    }
}

/// The batch of training pictures for draw number `draw` of scoring: a random choice among `indices` without
/// repetition, augmented; a function of seed and draw alone. Streams `proxy/pictures` and `proxy/augment`.
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
) -> Result<Batch, DataError> {
    check_batch("scoring", indices.len(), size)?;
    augment.check(dataset.summary())?;
    let mut order = indices.to_vec();
    shuffle(&mut stream_at(seed, "proxy/pictures", [draw, 0]), &mut order);
    let picks: Vec<(u32, u64)> = order[..size].iter().map(|&index| (index, 0)).collect();
    let mut maker = Maker::new(dataset, Split::Train, augment, seed, "proxy/augment".into());
    let made = maker.make(draw, &picks, || false)?;
    made.ok_or_else(|| DataError::Worker { reason: "stopped unasked".into() })
}
