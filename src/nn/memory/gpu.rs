//! How many bytes of a GPU's memory a search or training step takes at its peak: the passes of [`crate::nn::gpu`] themselves, on a
//! device that only counts.

use std::sync::Arc;

use super::Workload;
use crate::kernels::gpu::{Buffer, Counter, Gpu, GpuError, Precision};
use crate::nn::drop_path::{DropPath, Factors};
use crate::nn::gpu::NetworkPass;
use crate::nn::network::{self, End};
use crate::nn::noise::Noise;
use crate::nn::norm::Norm;
use crate::nn::plan::NetworkPlan;
use crate::nn::walk::Wanted;
use crate::nn::{EvaluationConfig, Policy, SupernetConfig};

/// A step's passes that are to be counted.
struct Rehearsal {
    plan: NetworkPlan,
    /// Images, height, width.
    size: [usize; 3],
    precision: Precision,
    end: End,
    factors: Option<Factors>,
}

impl SupernetConfig {
    /// Bytes of a GPU's memory at the peak of a search step, by policy.
    pub fn gpu_footprints(&self, work: &Workload) -> impl Fn(Policy) -> u64 + use<> {
        let rehearsal = Rehearsal {
            plan: NetworkPlan::of_supernet(self),
            size: [work.images, work.height, work.width],
            precision: self.precision,
            end: End::Logits,
            factors: None,
        };
        // A pass for the mixing weights takes what one for the parameters does, and less.
        move |policy| rehearsal.peak(policy)
    }
}

impl EvaluationConfig {
    /// Bytes of a GPU's memory at the peak of a training step on `images` pictures of this size, by policy; `drops`: edges may
    /// be left out.
    pub fn gpu_footprints(&self, size: [usize; 3], drops: bool) -> impl Fn(Policy) -> u64 + use<> {
        let plan = NetworkPlan::of_genotype(self);
        // Which are left out changes nothing.
        let drop = drops.then_some(DropPath { probability: 0.5, seed: 0, at: [0; 2] });
        let factors = drop.map(|drop| Factors::drawn(&plan, Some(drop), size[0]));
        let rehearsal = Rehearsal { plan, size, precision: Precision::Float32, end: End::AllLogits, factors };
        move |policy| rehearsal.peak(policy)
    }
}

impl Rehearsal {
    /// The most bytes that are in use during a pass for the parameters' gradients and its way back.
    fn peak(&self, policy: Policy) -> u64 {
        let counter = Counter::new();
        let ran = self.run(counter.clone(), policy);
        debug_assert!(ran.is_ok(), "a device that only counts refuses nothing: {ran:?}");
        counter.peak()
    }

    fn run(&self, gpu: Gpu, policy: Policy) -> Result<(), GpuError> {
        let [images, height, width] = self.size;
        let parameters: usize = self.plan.layouts().map(|l| l.len).sum();
        // Nobody reads these numbers.
        let (pictures, mixing) = (
            vec![0.0; images * height * width * self.plan.stem.inputs()],
            vec![0.0; self.plan.tables.iter().sum::<usize>().max(1)],
        );
        let none = Arc::new(Vec::new());
        let running: Vec<_> = self.plan.layouts().map(|_| none.clone()).collect();
        let weights = Arc::new(Buffer::new(&gpu, parameters)?);
        let _momentum = Buffer::new(&gpu, parameters)?;
        let of = network::NetworkPass {
            plan: &self.plan,
            size: self.size,
            norm: Norm::Batch,
            policy,
            running: &running,
            probe: None,
            end: self.end,
            factors: self.factors.as_ref(),
            wanted: Wanted::WEIGHTS,
            retain: false,
            only: None,
            noise: Noise::default(),
        };
        let pass = NetworkPass { gpu: &gpu, of, precision: self.precision };
        let found = pass.forward(&pictures, weights, &mixing, None)?;
        drop(found.seen);
        let Some(mut state) = found.state else { return Ok(()) };
        pass.backward(&mut state, &found.output)?;
        Ok(())
    }
}
