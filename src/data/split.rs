//! Which pictures are used for what: a seeded limit, the two halves of DARTS, a test part where a set has none.

use super::{DataError, Dataset, Split};
use crate::random::{shuffle, stream};

/// Training pictures (indices, ascending) for the two levels of the search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halves {
    /// Their loss moves the weights.
    pub weights: Vec<u32>,
    /// Their loss moves the alphas.
    pub alphas: Vec<u32>,
}

/// Refuse a batch of 0, or one that is larger than the number of pictures it is taken from; `setting` is where its size is set.
pub fn check_batch(what: &str, setting: &'static str, have: usize, batch: usize) -> Result<(), DataError> {
    if batch == 0 {
        let reason = format!("a batch of {what} needs at least one picture");
        return Err(DataError::Setting { name: "batch", value: "0".into(), reason });
    }
    if have < batch {
        return Err(DataError::TooFew { what: what.into(), setting, have, need: batch });
    }
    Ok(())
}

/// Indices of the training pictures that take part, ascending: all of them if `limit` is 0 or not below their number,
/// else the first `limit` of a seeded shuffle (stream `limit`) that takes classes in turn, so that they are as even as
/// the set allows.
pub fn limited(dataset: &dyn Dataset, seed: u64, limit: usize) -> Vec<u32> {
    let total = dataset.len(Split::Train);
    let mut indices: Vec<u32> = (0..total as u32).collect();
    if limit == 0 || limit >= total {
        return indices;
    }
    shuffle(&mut stream(seed, "limit"), &mut indices);
    let label = |index: u32| dataset.label(Split::Train, index as usize);
    let mut seen = vec![0u32; dataset.summary().classes()];
    let mut turns: Vec<(u32, u32)> = Vec::with_capacity(total);
    for index in indices {
        let seen = &mut seen[label(index)];
        turns.push((*seen, index));
        *seen += 1;
    }
    // Stable: within a turn the shuffled order stays.
    turns.sort_by_key(|&(turn, _)| turn);
    let mut chosen: Vec<u32> = turns[..limit].iter().map(|&(_, index)| index).collect();
    chosen.sort_unstable();
    chosen
}

/// The split of DARTS (arXiv 1806.09055, section 3.1): of the training pictures that [`limited`] gives, `train_share`
/// go to the weights and the rest to the alphas, at random (stream `halves`) but with every class shared alike.
///
/// # Errors
/// `train_share` not between 0 and 1, or a part that would be empty.
pub fn halves(dataset: &dyn Dataset, seed: u64, limit: usize, train_share: f64) -> Result<Halves, DataError> {
    let refuse = |reason: &str| DataError::Setting {
        name: "train_share",
        value: train_share.to_string(),
        reason: reason.into(),
    };
    if !(train_share > 0.0 && train_share < 1.0) {
        return Err(refuse("it must be between 0 and 1, because weights and alphas both need pictures"));
    }
    let mut indices = limited(dataset, seed, limit);
    shuffle(&mut stream(seed, "halves"), &mut indices);
    // Stable: each class in shuffled order. Every 1/share-th picture of that sequence goes to the weights.
    indices.sort_by_key(|&index| dataset.label(Split::Train, index as usize));
    let mut parts = Halves { weights: Vec::new(), alphas: Vec::new() };
    let quota = |taken: usize| (taken as f64 * train_share).floor();
    for (position, index) in indices.into_iter().enumerate() {
        let to_weights = quota(position + 1) > quota(position);
        if to_weights { &mut parts.weights } else { &mut parts.alphas }.push(index);
    }
    if parts.weights.is_empty() || parts.alphas.is_empty() {
        return Err(refuse("there are too few training pictures for that share: one part would be empty"));
    }
    parts.weights.sort_unstable();
    parts.alphas.sort_unstable();
    Ok(parts)
}

/// For a set without a test split: indices to train with and to test with, both ascending. A sixth of each class
/// (rounded up, but never all of it) is held out at random (stream `hold_out`).
pub(super) fn hold_out(labels: &[u32], seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    shuffle(&mut stream(seed, "hold_out"), &mut order);
    order.sort_by_key(|&index| labels[index]);
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for class in order.chunk_by(|&a, &b| labels[a] == labels[b]) {
        let (held, kept) = class.split_at(class.len().div_ceil(6).min(class.len() - 1));
        test.extend_from_slice(held);
        train.extend_from_slice(kept);
    }
    train.sort_unstable();
    test.sort_unstable();
    (train, test)
}
