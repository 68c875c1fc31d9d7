//! A whole network as one operation of candle's autograd: what candle sees are the pictures, the parameters and the logits.
//! On a GPU everything between stays on the device.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::drop_path::Factors;
use super::gpu::{self, Moments};
use super::network::{self, End};
use super::noise::Noise;
use super::norm::{Norm, Seen};
use super::parameters::Parameters;
use super::plan::NetworkPlan;
use super::resident::Resident;
use super::walk::Wanted;
use super::{Mixing, NnError, Pass, Policy, slice, with_slices};
use crate::kernels::gpu::{Gpu, GpuError, Precision};

/// Inputs: pictures `[N, H, W, C]`, the parameters of all blocks (or one number, where they are in `blocks` or on a GPU), the
/// mixing weights of both kinds. Output: logits `[N, classes]`, or the features. A GPU keeps the parameters' gradients.
pub(crate) struct NetworkOp {
    /// The parameters by block, in a pass on the CPU that their gradients are not asked of: they need not be joined then.
    pub blocks: Vec<Tensor>,
    /// Where it runs, with the parameters; on the CPU without.
    pub gpu: Option<Resident>,
    pub plan: NetworkPlan,
    pub pass: Pass,
    pub policy: Policy,
    /// How a GPU keeps maps.
    pub precision: Precision,
    /// By block.
    pub running: Vec<Arc<Vec<f32>>>,
    pub end: End,
    /// Edges that are left out, image by image.
    pub factors: Option<Factors>,
    /// Wants to see the output of every block.
    pub trace: bool,
    pub noise: Noise,
    pub side: Arc<Mutex<Side>>,
}

/// What a pass leaves beside its output.
#[derive(Default)]
pub(crate) struct Side {
    pub seen: Watched,
    pub outputs: Vec<Output>,
    state: Option<State>,
}

/// Moments of every batch norm, by block.
pub(crate) enum Watched {
    Here(Vec<Vec<Seen>>),
    /// Some of them may still be on the device.
    ByGpu(Vec<Moments>),
}

impl Default for Watched {
    fn default() -> Self {
        Watched::Here(Vec::new())
    }
}

impl Watched {
    /// # Errors
    /// A fault of the device.
    pub fn fetch(self) -> std::result::Result<Vec<Vec<Seen>>, NnError> {
        match self {
            Watched::Here(seen) => Ok(seen),
            Watched::ByGpu(moments) => {
                Ok(moments.into_iter().map(Moments::fetch).collect::<std::result::Result<_, _>>()?)
            }
        }
    }
}

enum State {
    Cpu(network::NetworkState),
    Gpu(gpu::NetworkState),
}

/// What a block gave, `[N, H, W, C]`.
pub(crate) type Output = (Vec<f32>, [usize; 4]);

fn fault(e: GpuError) -> candle_core::Error {
    candle_core::Error::wrap(e)
}

impl NetworkOp {
    fn pass(&self, size: [usize; 3]) -> network::NetworkPass<'_> {
        network::NetworkPass {
            plan: &self.plan,
            size,
            norm: self.pass.norm,
            policy: self.policy,
            running: &self.running,
            probe: self.pass.probe.as_ref(),
            end: self.end,
            factors: self.factors.as_ref(),
            wanted: Wanted { weights: self.pass.weights, mixing: self.pass.mixing, images: self.pass.images },
            retain: self.pass.retain,
            only: None,
            noise: self.noise,
        }
    }

    fn on_gpu<'a>(&'a self, gpu: &'a Gpu, size: [usize; 3]) -> gpu::NetworkPass<'a> {
        gpu::NetworkPass { gpu, of: self.pass(size), precision: self.precision }
    }

    /// Runs `work` on the parameters by block.
    fn with_blocks<T>(&self, joined: &[f32], work: impl FnOnce(&[&[f32]]) -> T) -> Result<T> {
        if self.blocks.is_empty() {
            return Ok(work(&self.plan.parted(joined)));
        }
        let held: Vec<_> = self.blocks.iter().map(|t| t.storage_and_layout()).collect();
        let mut slices = Vec::with_capacity(held.len());
        for (storage, layout) in &held {
            match &**storage {
                candle_core::Storage::Cpu(s) => slices.push(slice(s, layout)?),
                _ => candle_core::bail!("parameters lie on the CPU"),
            }
        }
        Ok(work(&slices))
    }

    /// Whether the running statistics take in this pass.
    pub fn updates(pass: &Pass) -> bool {
        pass.update_running && pass.norm == Norm::Batch
    }
}

/// A network whose passes are run.
pub(crate) struct Run<'a> {
    pub plan: &'a NetworkPlan,
    pub parameters: &'a Parameters,
    pub policy: Policy,
}

impl Run<'_> {
    /// A pass on a GPU, or on the CPU without: its result and, for a `trace`, the output of every block. Takes the batch's
    /// statistics into the running ones where the pass asks for it.
    ///
    /// # Errors
    /// Too little memory, a fault of the device, or candle's own.
    pub fn on(
        &self,
        gpu: Option<Resident>,
        precision: Precision,
        images: &Tensor,
        mixing: Option<&Mixing>,
        pass: &Pass,
        end: End,
        factors: Option<Factors>,
        trace: bool,
    ) -> std::result::Result<(Tensor, Vec<Output>), NnError> {
        if gpu.is_some() && pass.images {
            return Err(NnError::Config("gradients of the pictures are computed on the CPU only".into()));
        }
        let side = Arc::new(Mutex::new(Side::default()));
        let mut blocks = Vec::new();
        let parameters = match (&gpu, pass.weights) {
            (Some(_), tracked) => Resident::anchor(tracked)?,
            (None, true) => Tensor::cat(&self.parameters.blocks(true)?, 0)?,
            (None, false) => {
                blocks = self.parameters.blocks(false)?;
                Resident::anchor(false)?
            }
        };
        let op = NetworkOp {
            blocks,
            gpu,
            plan: self.plan.clone(),
            pass: pass.clone(),
            policy: self.policy,
            precision,
            running: self.parameters.statistics(),
            end,
            factors,
            trace,
            noise: self.parameters.noise(),
            side: side.clone(),
        };
        let mixing = match mixing {
            Some(mixing) => Tensor::cat(&[&mixing.normal.flatten_all()?, &mixing.reduction.flatten_all()?], 0)?,
            None => Resident::anchor(false)?,
        };
        let output = images.contiguous()?.apply_op3(&parameters, &mixing, op)?;
        let (seen, outputs) = {
            let mut side = side.lock().unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut side.seen), std::mem::take(&mut side.outputs))
        };
        if NetworkOp::updates(pass) {
            self.parameters.update_running(&seen.fetch()?);
        }
        Ok((output, outputs))
    }
}

impl CustomOp3 for NetworkOp {
    fn name(&self) -> &'static str {
        "supernet"
    }

    fn cpu_fwd(
        &self,
        sx: &CpuStorage,
        lx: &Layout,
        sw: &CpuStorage,
        lw: &Layout,
        sm: &CpuStorage,
        lm: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, h, w, _) = lx.shape().dims4()?;
        let mut outputs = Vec::new();
        let (x, parameters, mixing) = (slice(sx, lx)?, slice(sw, lw)?, slice(sm, lm)?);
        let (side, output, shape) = if let Some(gpu) = &self.gpu {
            let mut take = |values, shape| outputs.push((values, shape));
            let each: Option<&mut dyn FnMut(Vec<f32>, [usize; 4])> = if self.trace { Some(&mut take) } else { None };
            let pass = self.on_gpu(&gpu.gpu, [n, h, w]);
            let found = pass.forward(x, gpu.weights.clone(), mixing, each).map_err(fault)?;
            let side = Side { seen: Watched::ByGpu(found.seen), outputs, state: found.state.map(State::Gpu) };
            (side, found.output, found.shape)
        } else {
            let mut take = |values: &[f32], shape| outputs.push((values.to_vec(), shape));
            let each: Option<&mut network::Watcher> = if self.trace { Some(&mut take) } else { None };
            let found = self.with_blocks(parameters, |blocks| self.pass([n, h, w]).forward(x, blocks, mixing, each))?;
            let side = Side { seen: Watched::Here(found.seen), outputs, state: found.state.map(State::Cpu) };
            (side, found.output, found.shape)
        };
        *self.side.lock().unwrap_or_else(PoisonError::into_inner) = side;
        Ok((CpuStorage::F32(output), Shape::from(shape)))
    }

    fn bwd(
        &self,
        images: &Tensor,
        parameters: &Tensor,
        mixing: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut state) = side.state.take() else {
            candle_core::bail!("a backward pass needs a forward pass that keeps its state, once for each");
        };
        let (n, h, w, _) = images.dims4()?;
        let all = [images, parameters, mixing, gradient];
        let (of_weights, of_mixing, of_images) =
            with_slices(all, |[x, w_all, m, dy]| match (&mut state, &self.gpu) {
                (State::Gpu(state), Some(gpu)) => {
                    let found = self.on_gpu(&gpu.gpu, [n, h, w]).backward(state, dy);
                    Ok(found.map(|(of_weights, of_mixing)| {
                        gpu.leave(of_weights);
                        (None, of_mixing, None)
                    }))
                }
                (State::Cpu(state), _) => {
                    let found =
                        self.with_blocks(w_all, |blocks| self.pass([n, h, w]).backward(state, x, blocks, m, dy));
                    found.map(Ok)
                }
                (State::Gpu(_), None) => Ok(Ok((None, Vec::new(), None))),
            })??
            .map_err(fault)?;
        if self.pass.retain {
            side.state = Some(state);
        }
        let tensor = |values: Vec<f32>, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device());
        let of_weights = of_weights.map(|v| tensor(v, parameters)).transpose()?;
        let of_images = of_images.map(|v| tensor(v, images)).transpose()?;
        Ok((of_images, of_weights, Some(tensor(of_mixing, mixing)?)))
    }
}
