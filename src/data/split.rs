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

/// Shares of the training pictures for the two levels of the search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// To the weights.
    pub weights: f64,
    /// To the alphas; 0: all that the weights leave.
    pub alphas: f64,
}

impl Shares {
    /// What the alphas get of the pictures that the weights leave.
    fn of_the_rest(self) -> f64 {
        if self.alphas == 0.0 { 1.0 } else { (self.alphas / (1.0 - self.weights)).min(1.0) }
    }

    /// How many of so many pictures go to the weights and to the alphas.
    pub fn counts(self, pictures: usize) -> [usize; 2] {
        let part = |of: usize, share: f64| (of as f64 * share).floor() as usize;
        let weights = part(pictures, self.weights);
        [weights, part(pictures.saturating_sub(weights), self.of_the_rest())]
    }
}

/// The split of DARTS (arXiv 1806.09055, section 3.1), or of PC-DARTS (arXiv 1907.05737, section 4.3), which leaves pictures
/// out: of the training pictures that [`limited`] gives, a share goes to the weights and one of the others to the alphas, at
/// random (stream `halves`) but with every class shared alike. Which go to the weights does not depend on the other share.
///
/// # Errors
/// Shares that are none, or more than all together; a part that would be empty.
pub fn halves(dataset: &dyn Dataset, seed: u64, limit: usize, shares: Shares) -> Result<Halves, DataError> {
    let refuse = |name: &'static str, value: f64, reason: &str| DataError::Setting {
        name,
        value: value.to_string(),
        reason: reason.into(),
    };
    let Shares { weights, alphas } = shares;
    if !(weights > 0.0 && weights < 1.0) {
        let reason = "it must be between 0 and 1, because weights and alphas both need pictures";
        return Err(refuse("search.train_share", weights, reason));
    }
    if !(alphas >= 0.0 && weights + alphas <= 1.0 + 1e-9) {
        let reason = "it and search.train_share are more than all pictures together";
        return Err(refuse("search.alphas_share", alphas, reason));
    }
    let mut indices = limited(dataset, seed, limit);
    shuffle(&mut stream(seed, "halves"), &mut indices);
    // Stable: each class in shuffled order. Every 1/share-th picture of that sequence goes to the weights, and every so-manieth
    // of the others to the alphas.
    indices.sort_by_key(|&index| dataset.label(Split::Train, index as usize));
    let mut parts = Halves { weights: Vec::new(), alphas: Vec::new() };
    let chosen = |share: f64, position: usize| {
        let quota = |taken: usize| (taken as f64 * share).floor();
        quota(position + 1) > quota(position)
    };
    let of_the_rest = shares.of_the_rest();
    let mut others = 0;
    for (position, index) in indices.into_iter().enumerate() {
        if chosen(weights, position) {
            parts.weights.push(index);
        } else {
            if chosen(of_the_rest, others) {
                parts.alphas.push(index);
            }
            others += 1;
        }
    }
    let other = if alphas == 0.0 { ("search.train_share", weights) } else { ("search.alphas_share", alphas) };
    for ((name, share), part) in [(("search.train_share", weights), &parts.weights), (other, &parts.alphas)] {
        if part.is_empty() {
            let reason = "there are too few training pictures for that share: its part would be empty";
            return Err(refuse(name, share, reason));
        }
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
