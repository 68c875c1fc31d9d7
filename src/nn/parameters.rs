//! The parameters of a network, block by block, and the running statistics of its batch norms.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};

use super::layout::{BlockLayout, Kind, Slot};
use super::noise::Noise;
use super::norm::Seen;
use super::resident::{Found, There, parted};
use super::{Init, NnError};

/// Share of a batch's statistics that goes into the running ones.
const MOMENTUM: f64 = 0.1;

/// Flat parameters with names and places, and running statistics. Where passes run on a GPU, it has a copy of the parameters,
/// which may be ahead of the host's; what is asked for here is always the newest.
pub struct Parameters {
    layouts: Vec<BlockLayout>,
    vars: Vec<Var>,
    running: Mutex<Running>,
    there: Mutex<There>,
    pub(super) found: Found,
}

#[derive(Clone, Default)]
struct Running {
    /// By block; shared with the passes that read them.
    blocks: Vec<Arc<Vec<f32>>>,
    /// Batches that went into them.
    batches: u64,
    /// What the weights were drawn from.
    seed: u64,
}

impl Running {
    /// Means 0, variances 1.
    fn fresh(layouts: &[BlockLayout], seed: u64) -> Running {
        let fresh = |l: &BlockLayout| {
            let mut values = vec![0.0; l.running];
            for n in &l.norms {
                values[n.slot.offset + n.slot.channels..][..n.slot.channels].fill(1.0);
            }
            Arc::new(values)
        };
        Running { blocks: layouts.iter().map(fresh).collect(), batches: 0, seed }
    }
}

impl Parameters {
    /// All weights 0.
    pub(crate) fn zeros(layouts: Vec<BlockLayout>) -> Result<Parameters, NnError> {
        let vars = layouts.iter().map(|l| Var::zeros(l.len, DType::F32, &Device::Cpu)).collect::<Result<_, _>>()?;
        let running = Mutex::new(Running::fresh(&layouts, 0));
        Ok(Parameters { layouts, vars, running, there: Mutex::default(), found: Found::default() })
    }

    /// Names and places, by block.
    pub fn layouts(&self) -> &[BlockLayout] {
        &self.layouts
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.layouts.iter().map(|l| l.len).sum()
    }

    pub(super) fn there(&self) -> MutexGuard<'_, There> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The blocks for a pass on the CPU; `tracked` if their gradients are wanted.
    ///
    /// # Errors
    /// A fault of a device that is ahead.
    pub(crate) fn blocks(&self, tracked: bool) -> Result<Vec<Tensor>, NnError> {
        self.fetch()?;
        let block = |var: &Var| if tracked { var.as_tensor().clone() } else { var.as_detached_tensor() };
        Ok(self.vars.iter().map(block).collect())
    }

    /// Draws all weights anew (see [`Init`]), and forgets the running statistics.
    ///
    /// # Errors
    /// A tensor operation that fails.
    pub fn initialise(&self, init: Init, seed: u64) -> Result<(), NnError> {
        self.forget();
        for (layout, var) in self.layouts.iter().zip(&self.vars) {
            let mut values = vec![0.0; layout.len];
            // A bias has the fan of the weight before it.
            let mut before = 1;
            for slot in &layout.slots {
                if slot.kind.is_weight() {
                    before = slot.fan_in();
                }
                let fan = Slot { inputs: if slot.kind == Kind::Bias { before } else { slot.inputs }, ..slot.clone() };
                let mut drawn = init.draw(&fan, seed);
                drawn.truncate(slot.len());
                slot.to_memory(&drawn, &mut values[slot.offset..][..slot.len()]);
            }
            var.set(&Tensor::from_vec(values, layout.len, &Device::Cpu)?)?;
        }
        *self.lock() = Running::fresh(&self.layouts, seed);
        Ok(())
    }

    /// Takes over what `other` has under the same names, in the same order.
    ///
    /// # Errors
    /// A tensor operation that fails.
    pub(crate) fn take_from(&self, other: &Parameters) -> Result<(), NnError> {
        other.fetch()?;
        self.forget();
        let own = other.lock().clone();
        let mut running = self.lock();
        (running.batches, running.seed) = (own.batches, own.seed);
        for (i, (to, from)) in self.layouts.iter().zip(&other.layouts).enumerate() {
            let values = other.vars[i].to_vec1::<f32>()?;
            let mut kept = vec![0.0; to.len];
            let mut sources = from.slots.iter();
            for slot in &to.slots {
                if let Some(s) = sources.by_ref().find(|s| s.name == slot.name) {
                    kept[slot.offset..][..slot.len()].copy_from_slice(&values[s.offset..][..s.len()]);
                }
            }
            self.vars[i].set(&Tensor::from_vec(kept, to.len, &Device::Cpu)?)?;
            let statistics = Arc::make_mut(&mut running.blocks[i]);
            let mut sources = from.norms.iter();
            for n in &to.norms {
                if let Some(s) = sources.by_ref().find(|s| s.name == n.name) {
                    let len = 2 * n.slot.channels;
                    statistics[n.slot.offset..][..len].copy_from_slice(&own.blocks[i][s.slot.offset..][..len]);
                }
            }
        }
        Ok(())
    }

    /// The numbers, by block.
    ///
    /// # Errors
    /// A fault of a device that is ahead, or candle's own.
    pub fn values(&self) -> Result<Vec<Vec<f32>>, NnError> {
        self.fetch()?;
        Ok(self.vars.iter().map(|b| b.to_vec1::<f32>()).collect::<Result<_, _>>()?)
    }

    /// Whether there are as many numbers in each block.
    pub fn fit(&self, blocks: &[Vec<f32>]) -> bool {
        blocks.iter().map(Vec::len).eq(self.layouts.iter().map(|l| l.len))
    }

    /// Parameters, or momenta, that were saved in other blocks (version 0.1.0 had one for each layer of an evaluation
    /// network), in those of this network; as they are where there are not as many.
    pub fn reblocked(&self, saved: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
        reblocked(saved, &self.lengths())
    }

    /// The same for running statistics.
    pub fn reblocked_running(&self, saved: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
        reblocked(saved, &self.layouts.iter().map(|l| l.running).collect::<Vec<_>>())
    }

    /// # Errors
    /// Blocks of other lengths.
    pub fn set_values(&self, values: Vec<Vec<f32>>) -> Result<(), NnError> {
        self.forget();
        self.set_vars(values)
    }

    pub(super) fn set_vars(&self, values: Vec<Vec<f32>>) -> Result<(), NnError> {
        for (var, values) in self.vars.iter().zip(values) {
            let len = values.len();
            var.set(&Tensor::from_vec(values, len, &Device::Cpu)?)?;
        }
        Ok(())
    }

    /// Gradients by block of the backward pass that gave `store`, the last one; 0 where a block took no part.
    ///
    /// # Errors
    /// A fault of the device, or candle's own.
    pub fn gradients(&self, store: &GradStore) -> Result<Vec<Vec<f32>>, NnError> {
        if let Some(left) = self.left()? {
            return Ok(left);
        }
        let gradient = |b: &Var| match store.get(b) {
            Some(g) => Ok(g.to_vec1::<f32>()?),
            None => Ok(vec![0.0; b.elem_count()]),
        };
        self.vars.iter().map(gradient).collect()
    }

    /// `running = 0.9·running + 0.1·batch`, the variance unbiased.
    pub(crate) fn update_running(&self, seen: &[Vec<Seen>]) {
        let mut running = self.lock();
        running.batches += 1;
        for (block, seen) in running.blocks.iter_mut().zip(seen).filter(|(_, seen)| !seen.is_empty()) {
            let values = Arc::make_mut(block);
            for s in seen {
                let c = s.slot.channels;
                let (means, variances) = values[s.slot.offset..][..2 * c].split_at_mut(c);
                let n = s.moments.count;
                for k in 0..c {
                    let unbiased = s.moments.squares[k] / (n - 1.0).max(1.0);
                    means[k] = ((1.0 - MOMENTUM) * f64::from(means[k]) + MOMENTUM * s.moments.mean[k]) as f32;
                    variances[k] = ((1.0 - MOMENTUM) * f64::from(variances[k]) + MOMENTUM * unbiased) as f32;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the operation `noise` draws in the next pass.
    pub(crate) fn noise(&self) -> Noise {
        let running = self.lock();
        Noise { seed: running.seed, batches: running.batches }
    }

    /// Running statistics by block, for a pass.
    pub(crate) fn statistics(&self) -> Vec<Arc<Vec<f32>>> {
        self.lock().blocks.clone()
    }

    /// Running statistics by block, and how many batches went into them.
    pub fn running(&self) -> (Vec<Vec<f32>>, u64) {
        let running = self.lock();
        (running.blocks.iter().map(|b| b.to_vec()).collect(), running.batches)
    }

    /// Puts back what [`Parameters::running`] gave.
    ///
    /// # Errors
    /// Blocks of other lengths.
    pub fn restore_running(&self, blocks: Vec<Vec<f32>>, batches: u64) -> Result<(), NnError> {
        if blocks.iter().map(Vec::len).ne(self.layouts.iter().map(|l| l.running)) {
            return Err(NnError::Weights("running statistics of another network".into()));
        }
        let mut running = self.lock();
        (running.blocks, running.batches) = (blocks.into_iter().map(Arc::new).collect(), batches);
        Ok(())
    }
}

fn reblocked(saved: Vec<Vec<f32>>, lengths: &[usize]) -> Vec<Vec<f32>> {
    let of_saved: Vec<usize> = saved.iter().map(Vec::len).collect();
    if of_saved == lengths || of_saved.iter().sum::<usize>() != lengths.iter().sum::<usize>() {
        return saved;
    }
    parted(&saved.concat(), lengths)
}

#[cfg(test)]
mod tests {
    use super::reblocked;

    #[test]
    fn what_was_saved_in_other_blocks_is_parted_anew() {
        let saved = vec![vec![1.0, 2.0], vec![], vec![3.0], vec![4.0, 5.0]];
        assert_eq!(reblocked(saved.clone(), &[1, 4]), [vec![1.0], vec![2.0, 3.0, 4.0, 5.0]]);
        for lengths in [vec![2, 0, 1, 2], vec![4], vec![6]] {
            assert_eq!(reblocked(saved.clone(), &lengths), saved);
        }
    }
}
