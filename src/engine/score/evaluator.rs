//! Values of ranking functions for proxy networks that lack one operation each.

use rand::Rng;
use rayon::prelude::*;

use super::{Evaluator, zero};
use crate::kernels::gpu::Gpu;
use crate::nn::{Init, NnError, Policy, Precision, Supernet, SupernetConfig};
use crate::proxies::{Common, Context, Direction, Draw, RankingFunction};
use crate::random;
use crate::space::{CellKind, Mask, Place, Stem};

/// The proxy network: small, at initialisation.
#[derive(Clone, Debug)]
pub struct Proxy {
    pub channels: usize,
    pub layout: Vec<CellKind>,
    pub classes: usize,
    pub input_channels: usize,
    /// What stands before the cells.
    pub stem: Stem,
}

impl Proxy {
    /// The network under `mask`, with the weights of a draw: they depend on the draw and on their own names only, so that
    /// networks that have an operation in common have its weights in common.
    ///
    /// # Errors
    /// A mask or a size of which there is no network.
    pub fn network(&self, mask: &Mask, seed: u64, draw: u64) -> Result<Supernet, NnError> {
        let mut net = Supernet::new(&SupernetConfig {
            channels: self.channels,
            classes: self.classes,
            input_channels: self.input_channels,
            layout: self.layout.clone(),
            stem_multiplier: mask.space().stacking().stem(),
            stem: self.stem,
            mask: *mask,
            policy: Policy::Keep,
            precision: Precision::Float32,
        })?;
        net.initialise(Init::KaimingNormalFanOut, random::stream_at(seed, "proxy/weights", [draw, 0]).next_u64())?;
        Ok(net)
    }
}

/// Queues that a GPU takes work from at once.
const MOST_STREAMS: usize = 32;

/// Most bytes that are worth it: a wider proxy network has each pass on its own.
pub(crate) const SHARING: u64 = 512 << 20;

/// The network that those of a round are cut from.
struct Baseline {
    net: Supernet,
    draw: Draw,
    common: Common,
}

/// Evaluates ranking functions on networks that are cut from one set of weights per draw.
pub struct NetworkEvaluator<B> {
    proxy: Proxy,
    functions: Vec<&'static dyn RankingFunction>,
    seed: u64,
    /// Makes the batch of a draw.
    batch: B,
    threads: usize,
    /// Bytes that may go into what the networks of a round have in common.
    sharing: u64,
    gpu: Option<Gpu>,
    /// The same GPU's streams, for networks that are evaluated side by side.
    streams: Vec<Gpu>,
    current: Option<Baseline>,
    /// A draw and its pictures, for sampled cells.
    opened: Option<(u64, Draw)>,
    /// What is left out leaves its share to nobody.
    zeroes: bool,
}

impl<B> NetworkEvaluator<B> {
    pub fn new(
        proxy: Proxy,
        functions: Vec<&'static dyn RankingFunction>,
        seed: u64,
        threads: usize,
        batch: B,
    ) -> NetworkEvaluator<B> {
        let sharing = SHARING;
        NetworkEvaluator {
            proxy,
            functions,
            seed,
            batch,
            threads,
            sharing,
            gpu: None,
            streams: Vec::new(),
            current: None,
            opened: None,
            zeroes: false,
        }
    }

    /// Leaves the others of an edge the shares that they have with what is left out ([`super::zero`]).
    #[must_use]
    pub fn zeroing(self, zeroes: bool) -> NetworkEvaluator<B> {
        NetworkEvaluator { zeroes, ..self }
    }

    /// Spends at most so many bytes on what the networks of a round have in common.
    #[must_use]
    pub fn sharing(self, bytes: u64) -> NetworkEvaluator<B> {
        NetworkEvaluator { sharing: bytes, ..self }
    }

    /// Evaluates there; without, on the CPU.
    #[must_use]
    pub fn on(self, gpu: Option<Gpu>) -> NetworkEvaluator<B> {
        NetworkEvaluator { gpu, ..self }
    }

    /// Small networks leave most of a GPU idle: each thread has a stream. They share nothing there, since every pass brings
    /// its weights and pictures along.
    fn open_streams(&mut self) -> Result<(), NnError> {
        let Some(gpu) = &self.gpu else { return Ok(()) };
        while self.streams.len() < self.threads.min(MOST_STREAMS) {
            match gpu.beside()? {
                Some(stream) => self.streams.push(stream),
                None => break,
            }
        }
        Ok(())
    }

    /// The stream of the thread that asks.
    fn stream(&self) -> Option<Gpu> {
        let thread = rayon::current_thread_index().unwrap_or(0);
        self.streams.get(thread % self.streams.len().max(1)).cloned()
    }

    /// Values of all functions.
    fn values(&self, context: &Context) -> Result<Vec<f64>, NnError> {
        self.functions.iter().map(|f| f.evaluate(context)).collect()
    }
}

impl<B, E> Evaluator for NetworkEvaluator<B>
where
    B: FnMut(u64) -> Result<Draw, E> + Sync,
    E: From<NnError> + Send,
{
    type Error = E;

    fn functions(&self) -> usize {
        self.functions.len()
    }

    fn name(&self, function: usize) -> &str {
        self.functions.get(function).map_or("", |f| f.name())
    }

    fn exact(&self, function: usize) -> bool {
        self.functions.get(function).is_some_and(|f| f.exact())
    }

    fn constant_since(&self, function: usize) -> Option<&str> {
        self.functions.get(function).and_then(|f| f.constant_since(self.proxy.classes))
    }

    fn difference(&self, function: usize, base: f64, without: f64) -> f64 {
        self.functions.get(function).map_or(f64::NAN, |f| f.difference(base, without))
    }

    fn has(&self, kind: CellKind) -> bool {
        self.proxy.layout.contains(&kind)
    }

    fn turned(&self, function: usize, value: f64) -> f64 {
        match self.functions.get(function).map(|f| f.direction()) {
            Some(Direction::LowerIsBetter) => -value,
            _ => value,
        }
    }

    fn parallel(&self) -> usize {
        self.threads
    }

    fn baseline(&mut self, mask: &Mask, draw: u64) -> Result<Vec<f64>, E> {
        self.open_streams()?;
        let sharing = usize::try_from(self.sharing).unwrap_or(usize::MAX);
        let net = self.proxy.network(mask, self.seed, draw)?.on(self.gpu.clone()).remembering(sharing);
        let batch = (self.batch)(draw)?;
        let common = Common::default();
        let values = self.values(&Context::new(&net, &batch)?.remembered_in(&common))?;
        self.current = Some(Baseline { net, draw: batch, common });
        Ok(values)
    }

    fn open(&mut self, draw: u64) -> Result<(), E> {
        self.open_streams()?;
        self.opened = Some((draw, (self.batch)(draw)?));
        Ok(())
    }

    fn cells(&self, masks: &[Mask]) -> Result<Vec<Vec<f64>>, E> {
        let Some((draw, batch)) = &self.opened else {
            return Err(NnError::Config("cells need the pictures of a draw first".into()).into());
        };
        let one = |mask: &Mask| {
            let net = self.proxy.network(mask, self.seed, *draw)?.on(self.stream());
            Ok(self.values(&Context::new(&net, batch)?)?)
        };
        masks.par_iter().map(one).collect()
    }

    fn without(&self, places: &[Place]) -> Result<Vec<Vec<f64>>, E> {
        let Some(Baseline { net, draw, common }) = &self.current else {
            return Err(NnError::Config("an evaluation needs its baseline first".into()).into());
        };
        let one = |place: &Place| {
            let mut context = Context::without(net, *place, draw, common)?.on(self.stream());
            if self.zeroes {
                context.mixing = zero::mixing(&net.config().mask)?;
            }
            Ok(self.values(&context)?)
        };
        places.par_iter().map(one).collect()
    }
}
