//! The passes over a network on a [`Gpu`]: the same steps as on the CPU, written against its memory and kernels.
//!
//! The nodes that a cell's output is made of lie inside it from the start, so that nothing has to be joined or parted.

mod auxiliary;
mod cell;
mod closing;
mod convolved;
mod edge;
mod edge_backward;
mod entry;
mod head;
mod mixed;
mod network;
mod project;
mod residual;
mod stem;
mod stem_halving;
mod units;

pub(crate) use mixed::MixedPass;
pub(crate) use network::{Moments, NetworkPass, NetworkState};

use super::layout::BlockLayout;
use super::noise::Noise;
use super::norm::{Norm, NormSlot, Seen};
use crate::kernels::gpu::{Buffer, Gpu, GpuError};
use crate::kernels::norm::{self, EPSILON};

/// A map `[pixels, C]` with `stride` numbers from one pixel to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub address: u64,
    pub stride: usize,
}

/// The batch norms of one block in one pass: mean and scale by channel, at the places of the running statistics.
pub(crate) struct Norms {
    norm: Norm,
    statistics: Buffer,
    /// Means and sums of squared deviations in float64, where the batch's own statistics are used.
    moments: Option<Buffer>,
    /// Slots that were settled, with the numbers that each channel had.
    seen: Vec<(NormSlot, f64)>,
    /// For operations that draw it.
    noise: Noise,
}

impl Norms {
    pub fn new(gpu: &Gpu, norm: Norm, layout: &BlockLayout, running: &[f32]) -> Result<Norms, GpuError> {
        let len = layout.running;
        let (statistics, moments) = match norm {
            Norm::Batch => (Buffer::new(gpu, len)?, Some(Buffer::new(gpu, 2 * len)?)),
            Norm::Running | Norm::Off => {
                let mut numbers = vec![0.0; len];
                for n in &layout.norms {
                    let c = n.slot.channels;
                    let (means, scales) = numbers[n.slot.offset..][..2 * c].split_at_mut(c);
                    if norm == Norm::Off {
                        scales.fill(1.0);
                    } else {
                        let (stored, variances) = running[n.slot.offset..][..2 * c].split_at(c);
                        means.copy_from_slice(stored);
                        for (s, v) in scales.iter_mut().zip(variances) {
                            *s = (1.0 / (f64::from(*v) + EPSILON).sqrt()) as f32;
                        }
                    }
                }
                (Buffer::from_slice(gpu, &numbers)?, None)
            }
        };
        Ok(Norms { norm, statistics, moments, seen: Vec::new(), noise: Noise::default() })
    }

    /// Whose operations draw this.
    fn drawing(self, noise: Noise) -> Norms {
        Norms { noise, ..self }
    }

    fn mean(&self, slot: NormSlot) -> u64 {
        self.statistics.at(slot.offset)
    }

    fn scale(&self, slot: NormSlot) -> u64 {
        self.statistics.at(slot.offset + slot.channels)
    }

    /// Numbers per channel that the statistics of `pixels` pixels depend on; 0 where they are constants.
    fn count(&self, pixels: usize) -> f64 {
        if self.norm == Norm::Batch { pixels as f64 } else { 0.0 }
    }
}

/// The moments of a block's batch norms, still on the device.
pub(crate) struct DeviceSeen {
    moments: Option<Buffer>,
    slots: Vec<(NormSlot, f64)>,
}

impl DeviceSeen {
    /// # Errors
    /// A fault of the pass.
    pub fn fetch(self) -> Result<Vec<Seen>, GpuError> {
        let Some(moments) = self.moments else { return Ok(Vec::new()) };
        let all = moments.to_doubles()?;
        let seen = self.slots.into_iter().map(|(slot, count)| {
            let (mean, squares) = all[slot.offset..][..2 * slot.channels].split_at(slot.channels);
            Seen { slot, moments: norm::Moments { count, mean: mean.to_vec(), squares: squares.to_vec() } }
        });
        Ok(seen.collect())
    }
}
