//! A set that is normalised with a mean and a deviation of somebody else's.

use std::sync::Arc;

use super::{DataError, Dataset, OpenOptions, Split, Summary};

/// Another set, but for what its pictures are normalised with.
pub(super) struct Given {
    set: Arc<dyn Dataset>,
    summary: Summary,
}

impl Given {
    /// With what of mean and deviation the options have, as many numbers as the set has channels.
    pub fn new(set: Arc<dyn Dataset>, options: &OpenOptions) -> Given {
        let mut summary = set.summary().clone();
        let of_the_set = &set.summary().found.normalisation;
        summary.found.normalisation = match (options.mean.is_empty(), options.deviation.is_empty()) {
            (false, false) => "given by hand (data.mean, data.deviation)".into(),
            (false, true) => format!("the mean given by hand (data.mean), the deviation {of_the_set}"),
            (true, false) => format!("the deviation given by hand (data.deviation), the mean {of_the_set}"),
            (true, true) => of_the_set.clone(),
        };
        for (given, own) in [(&options.mean, &mut summary.mean), (&options.deviation, &mut summary.std)] {
            if !given.is_empty() {
                own.clone_from(given);
            }
        }
        Given { set, summary }
    }
}

impl Dataset for Given {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn pixels(&self, split: Split, index: usize, out: &mut Vec<u8>) -> Result<(), DataError> {
        self.set.pixels(split, index, out)
    }

    fn label(&self, split: Split, index: usize) -> usize {
        self.set.label(split, index)
    }

    fn is_slow(&self) -> bool {
        self.set.is_slow()
    }

    /// That of the pictures: mean and deviation are settings, which are compared as such.
    fn fingerprint(&self) -> String {
        self.set.fingerprint()
    }
}
