//! What the ranking functions of one network share: a draw, and passes that are run when first asked for.

use std::cell::OnceCell;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use candle_core::{Device, Tensor};
use candle_nn::loss::cross_entropy;
use nalgebra::DMatrix;
use rand::Rng;

use super::agreement::{Agreement, Patterns};
use super::blocks;
use super::pictures::{self, Losses};
use crate::kernels::gpu::Gpu;
use crate::nn::{Init, Mixing, NnError, Pass, Probe, Recalled, Remembered, Supernet};
use crate::random;
use crate::space::Place;

/// What one draw gives to all networks that are compared with it: a batch, and what single functions need beside it.
#[derive(Clone, Debug)]
pub struct Draw {
    /// `[N, H, W, C]` and `[N]`.
    pub images: Tensor,
    pub labels: Tensor,
    /// Small pictures for `relu_regions`, `[M, h, w, C]`.
    pub crops: Tensor,
    /// Two draws of N(0, 1) for `zen`, `[N, H, W, C]`.
    pub noise: [Tensor; 2],
    /// Seed of the N(0, 1) weights that `zen` is defined with; without, it takes the network's own.
    pub normal_weights: Option<u64>,
    /// Key of the random signs that are sent back through cells.
    pub signs: u64,
}

/// Pictures that `relu_regions` looks at, and their size.
pub const CROPS: usize = 96;
pub const CROP: usize = 8;

impl Draw {
    /// From a batch: crops of it, noise of its size and a seed for `zen`'s weights, from the streams `proxy/crops`,
    /// `proxy/noise`, `proxy/normal` and `proxy/signs` at `draw`.
    ///
    /// # Errors
    /// Images that are not float32 of four dimensions.
    pub fn new(images: Tensor, labels: Tensor, seed: u64, draw: u64) -> Result<Draw, NnError> {
        let (n, h, w, c) = images.dims4()?;
        let values = images.flatten_all()?.to_vec1::<f32>()?;
        let mut rng = random::stream_at(seed, "proxy/crops", [draw, 0]);
        let (ch, cw) = (CROP.min(h), CROP.min(w));
        let mut crops = Vec::with_capacity(CROPS * ch * cw * c);
        for _ in 0..CROPS {
            let mut at = |bound: usize| random::below(&mut rng, bound as u64) as usize;
            let (i, y, x) = (at(n), at(h - ch + 1), at(w - cw + 1));
            for row in y..y + ch {
                let start = ((i * h + row) * w + x) * c;
                crops.extend_from_slice(&values[start..start + cw * c]);
            }
        }
        let mut rng = random::stream_at(seed, "proxy/noise", [draw, 0]);
        let mut noise = || {
            let numbers: Vec<f32> = (0..n * h * w * c).map(|_| random::normal(&mut rng) as f32).collect();
            Tensor::from_vec(numbers, (n, h, w, c), &Device::Cpu)
        };
        let noise = [noise()?, noise()?];
        let crops = Tensor::from_vec(crops, (CROPS, ch, cw, c), &Device::Cpu)?;
        let normal_weights = Some(random::stream_at(seed, "proxy/normal", [draw, 0]).next_u64());
        let signs = random::stream_at(seed, "proxy/signs", [draw, 0]).next_u64();
        Ok(Draw { images, labels, crops, noise, normal_weights, signs })
    }
}

/// The pass of a network that others are compared with, once some ranking function has asked for it.
#[derive(Default)]
pub struct Common(OnceLock<Option<Remembered<Patterns>>>);

/// Where a network's forward pass can take from, or what can take from it.
enum Share<'a> {
    Nothing,
    /// This network's pass is remembered.
    Whole(&'a Common),
    /// The network is the common one without this operation.
    Without(&'a Common, Place),
}

/// A network and a draw, and what several ranking functions share: each pass is run once, when first asked for.
pub struct Context<'a> {
    /// The network, or the one that it is cut from.
    source: &'a Supernet,
    /// The network that is cut, made once somebody wants more of it than the shared pass.
    cut: OnceCell<Supernet>,
    pub draw: &'a Draw,
    /// Equal weights for all kept operations.
    pub mixing: Mixing,
    share: Share<'a>,
    /// Where a network is made to run that is cut from another; with the other, without.
    gpu: Option<Gpu>,
    observed: OnceCell<Observed>,
    gradients: OnceCell<Vec<Weight>>,
    entropies: OnceCell<Vec<f64>>,
    stretches: OnceCell<Vec<f64>>,
    tangents: OnceCell<DMatrix<f64>>,
    losses: OnceCell<Losses>,
    jacobians: OnceCell<Vec<Vec<f64>>>,
}

/// A network by reference, or one made for the purpose.
pub(super) enum Given<'a> {
    Own(&'a Supernet),
    Drawn(Box<Supernet>),
}

impl std::ops::Deref for Given<'_> {
    type Target = Supernet;

    fn deref(&self) -> &Supernet {
        match self {
            Given::Own(net) => net,
            Given::Drawn(net) => net,
        }
    }
}

/// A forward pass in training mode.
pub(super) struct Observed {
    /// `[N][classes]`.
    pub logits: Vec<Vec<f64>>,
    pub agreement: Agreement,
}

/// A weight of a convolution or of the classifier, and the gradient of the loss.
pub(super) struct Weight {
    pub values: Vec<f32>,
    pub gradient: Vec<f32>,
}

impl<'a> Context<'a> {
    /// # Errors
    /// A failing allocation of the mixing weights.
    pub fn new(net: &'a Supernet, draw: &'a Draw) -> Result<Context<'a>, NnError> {
        let mixing = Mixing::uniform(&net.config().mask)?;
        Ok(Context::of(net, draw, mixing, Share::Nothing))
    }

    fn of(source: &'a Supernet, draw: &'a Draw, mixing: Mixing, share: Share<'a>) -> Context<'a> {
        Context {
            source,
            cut: OnceCell::new(),
            draw,
            mixing,
            share,
            gpu: None,
            observed: OnceCell::new(),
            gradients: OnceCell::new(),
            entropies: OnceCell::new(),
            stretches: OnceCell::new(),
            tangents: OnceCell::new(),
            losses: OnceCell::new(),
            jacobians: OnceCell::new(),
        }
    }

    /// Runs there, beside the network that it is cut from.
    #[must_use]
    pub fn on(self, gpu: Option<Gpu>) -> Context<'a> {
        Context { gpu, ..self }
    }

    /// Leaves the forward pass to `common`, for the networks of [`Context::without`].
    #[must_use]
    pub fn remembered_in(self, common: &'a Common) -> Context<'a> {
        Context { share: Share::Whole(common), ..self }
    }

    /// `net`, whose pass `common` has, without the operation at `place`.
    ///
    /// # Errors
    /// An operation that `net` has not, or that is the last of its edge.
    pub fn without(
        net: &'a Supernet,
        place: Place,
        draw: &'a Draw,
        common: &'a Common,
    ) -> Result<Context<'a>, NnError> {
        let mask = net.config().mask;
        let cut = mask.without(place);
        if cut == mask || cut.check().is_err() {
            return Err(NnError::Config(format!("{place} can't be left out of this network")));
        }
        let mixing = Mixing::uniform(&cut)?;
        Ok(Context::of(net, draw, mixing, Share::Without(common, place)))
    }

    /// The network that is looked at.
    ///
    /// # Errors
    /// What [`Supernet::masked`] can fail with.
    pub fn net(&self) -> Result<&Supernet, NnError> {
        let Share::Without(_, place) = &self.share else { return Ok(self.source) };
        if let Some(net) = self.cut.get() {
            return Ok(net);
        }
        let cut = self.source.masked(&self.source.config().mask.without(*place))?;
        let cut = match &self.gpu {
            Some(gpu) => cut.on(Some(gpu.clone())),
            None => cut,
        };
        Ok(self.cut.get_or_init(|| cut))
    }

    /// The network with the N(0, 1) weights of the draw; those of both sides of a difference are the same.
    ///
    /// # Errors
    /// What [`Supernet::masked`] and [`Supernet::initialise`] can fail with.
    pub(super) fn with_normal_weights(&self) -> Result<Given<'_>, NnError> {
        let net = self.net()?;
        let Some(seed) = self.draw.normal_weights else { return Ok(Given::Own(net)) };
        let mut drawn = net.masked(&net.config().mask)?;
        drawn.initialise(Init::StandardNormal, seed)?;
        Ok(Given::Drawn(Box::new(drawn)))
    }

    /// The network, where passes run on the CPU.
    ///
    /// # Errors
    /// What [`Supernet::masked`] can fail with.
    pub(super) fn on_cpu(&self) -> Result<Given<'_>, NnError> {
        let net = self.net()?;
        if !net.is_on_gpu() {
            return Ok(Given::Own(net));
        }
        Ok(Given::Drawn(Box::new(net.masked(&net.config().mask)?.on(None))))
    }

    /// What a pass that shares with others sees; `None` where there is nothing to share.
    fn recalled(&self) -> Result<Option<Recalled<Patterns>>, NnError> {
        match &self.share {
            Share::Nothing => Ok(None),
            Share::Whole(common) => {
                let images = self.draw.images.dim(0)?;
                let found = self.source.remember(&self.draw.images, &self.mixing, move || Patterns::new(images))?;
                Ok(common.0.get_or_init(|| found).as_ref().map(Remembered::whole))
            }
            Share::Without(common, place) => {
                let common = common.0.get().and_then(Option::as_ref);
                common.map(|c| c.without(*place, &self.mixing)).transpose()
            }
        }
    }

    pub(super) fn observed(&self) -> Result<&Observed, NnError> {
        if let Some(o) = self.observed.get() {
            return Ok(o);
        }
        let images = self.draw.images.dim(0)?;
        if let Some(found) = self.recalled()? {
            let mut agreement = Agreement::none(images);
            found.shown.iter().for_each(|(patterns, times)| patterns.add_to(&mut agreement, *times));
            let classes = found.logits.len() / images;
            let row = |r: &[f32]| r.iter().copied().map(f64::from).collect();
            let logits = found.logits.chunks_exact(classes).map(row).collect();
            return Ok(self.observed.get_or_init(|| Observed { logits, agreement }));
        }
        let patterns = Arc::new(Patterns::new(images));
        let pass = Pass { probe: Some(patterns.clone()), ..Pass::observe() };
        let logits = self.net()?.forward(&self.draw.images, &self.mixing, &pass)?;
        let logits = logits.to_vec2::<f32>()?.into_iter().map(|r| r.into_iter().map(f64::from).collect()).collect();
        Ok(self.observed.get_or_init(|| Observed { logits, agreement: patterns.take() }))
    }

    /// See [`blocks::entropies`].
    pub(super) fn entropies(&self) -> Result<&[f64], NnError> {
        Ok(kept(&self.entropies, || blocks::entropies(self))?)
    }

    /// See [`blocks::stretches`].
    pub(super) fn stretches(&self) -> Result<&[f64], NnError> {
        Ok(kept(&self.stretches, || blocks::stretches(self))?)
    }

    /// See [`pictures::tangent_kernel`].
    pub(super) fn tangent_kernel(&self) -> Result<&DMatrix<f64>, NnError> {
        kept(&self.tangents, || pictures::tangent_kernel(self))
    }

    /// See [`pictures::losses`].
    pub(super) fn losses(&self) -> Result<&Losses, NnError> {
        kept(&self.losses, || pictures::losses(self))
    }

    /// See [`pictures::jacobians`].
    pub(super) fn jacobians(&self) -> Result<&[Vec<f64>], NnError> {
        Ok(kept(&self.jacobians, || pictures::jacobians(self))?)
    }

    /// Gradients of the mean cross entropy of these pictures of the batch.
    pub(super) fn gradients_of(&self, pictures: std::ops::Range<usize>) -> Result<Vec<Weight>, NnError> {
        let part = |t: &Tensor| t.narrow(0, pictures.start, pictures.len());
        let pass = Pass { update_running: false, ..Pass::weight_step() };
        let logits = self.net()?.forward(&part(&self.draw.images)?, &self.mixing, &pass)?;
        let loss = cross_entropy(&logits, &part(&self.draw.labels)?)?;
        weights_with_gradients(self.net()?, &loss)
    }

    /// Weights with the gradients of the mean cross entropy.
    pub(super) fn gradients(&self) -> Result<&[Weight], NnError> {
        Ok(kept(&self.gradients, || self.gradients_of(0..self.draw.images.dim(0)?))?)
    }
}

/// What is there, or what `make` makes.
fn kept<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T, NnError>) -> Result<&T, NnError> {
    if let Some(found) = cell.get() {
        return Ok(found);
    }
    let found = make()?;
    Ok(cell.get_or_init(|| found))
}

/// Every convolution's and the classifier's weight with the gradient of `value`, which must come from a pass that tracks
/// the weights.
pub(super) fn weights_with_gradients(net: &Supernet, value: &Tensor) -> Result<Vec<Weight>, NnError> {
    let parameters = net.parameters();
    let (gradients, values) = (parameters.gradients(&value.backward()?)?, parameters.values()?);
    let mut found = Vec::new();
    for ((layout, values), gradient) in parameters.layouts().iter().zip(values).zip(gradients) {
        for slot in layout.slots.iter().filter(|s| s.kind.is_weight()) {
            let range = slot.offset..slot.offset + slot.len();
            found.push(Weight { values: values[range.clone()].to_vec(), gradient: gradient[range].to_vec() });
        }
    }
    Ok(found)
}

/// Biased variances of batch norms' inputs, each the mean over channels.
#[derive(Default)]
pub(super) struct Variances(Mutex<Vec<f64>>);

impl Variances {
    pub fn take(&self) -> Vec<f64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Probe for Variances {
    fn relu(&self, _: &[f32], _: Option<&[f32]>, _: [usize; 2], _: usize) {}

    fn norm(&self, variance: &[f64]) {
        let mean = variance.iter().sum::<f64>() / variance.len() as f64;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(mean);
    }
}
