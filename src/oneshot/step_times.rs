//! How long a search step will take: its parts timed once on this machine, in less than a second, and put together for any
//! mask, policy and batch.
//!
//! Timed are a network of the same cells whose edges hold nothing but identities (the frame: stem, projections, joins, the
//! graph, the optimisers), and every operation at each size of map ([`EdgeTimes`]). A step is the frame and its edges.

use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::order::Order;
use super::relaxed::Batch;
use super::searcher::{Searcher, Settings};
use crate::nn::{EdgeTimes, Init, NnError, Policy, Supernet, SupernetConfig, Workload, cheapest, timed_images};
use crate::random;

/// What the parts of a search step take on this machine, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepTimes {
    edges: EdgeTimes,
    /// An architecture pass and a weight pass of the frame, both with their updates, on as many pictures as the edges.
    architecture: f64,
    weights: f64,
}

/// Time for the operations, and for the frame.
const EDGES: Duration = Duration::from_millis(350);
const FRAME: Duration = Duration::from_millis(150);

impl StepTimes {
    /// Times the parts of a network's step on the threads that call it.
    ///
    /// # Errors
    /// Those of building and running a network.
    pub fn measure(config: &SupernetConfig, work: &Workload) -> Result<StepTimes, NnError> {
        let edges = EdgeTimes::measure(config, work, EDGES);
        let images = timed_images(config, work);
        let frame = SupernetConfig { mask: cheapest(config.mask.space()), policy: Policy::Keep, ..config.clone() };
        let mut net = Supernet::new(&frame)?;
        net.initialise(Init::Default, 0)?;
        let mut searcher = Searcher::new(net, Settings::published(Order::First), 0)?;
        let shape = (images, work.height, work.width, config.input_channels);
        let mut rng = random::stream(0, "timing");
        let numbers =
            (0..images * work.height * work.width * config.input_channels).map(|_| random::normal(&mut rng) as f32);
        let x = Tensor::from_vec(numbers.collect(), shape, &Device::Cpu)?;
        let batch = Batch { images: x, labels: Tensor::zeros(images, DType::U32, &Device::Cpu)? };
        let mut pass = |valid| -> Result<f64, NnError> {
            let start = Instant::now();
            searcher.step(&batch, valid, 1e-6)?;
            Ok(start.elapsed().as_secs_f64())
        };
        // The first step takes its memory fresh.
        pass(Some(&batch))?;
        let (mut weights, mut both, mut rounds) = (0.0, 0.0, 0.0);
        let start = Instant::now();
        while rounds < 1.0 || start.elapsed() < FRAME {
            weights += pass(None)?;
            both += pass(Some(&batch))?;
            rounds += 1.0;
        }
        let (weights, both) = (weights / rounds, both / rounds);
        Ok(StepTimes { edges, architecture: (both - weights).max(0.0), weights })
    }

    /// How many times as long the same work took on average as at its fastest: well above 1 on a machine that is busy.
    pub fn unrest(&self) -> f64 {
        self.edges.unrest
    }

    /// Seconds of one search step.
    ///
    /// # Errors
    /// A network of other sizes than the one that was timed.
    pub fn step(&self, config: &SupernetConfig, work: &Workload, policy: Policy) -> Result<f64, NnError> {
        // Passes that go back to the weights, and passes that go back to the mixing weights alone (DARTS, equations 6 to 8).
        let (weights, architecture) = if work.second_order { (3.0, 2.0) } else { (1.0, 1.0) };
        let edges = self.edges.beyond_cheapest(config, work, policy)?;
        let frame =
            (weights * self.weights + architecture * self.architecture) * work.images as f64 / self.edges.images as f64;
        Ok(frame
            + (weights + architecture) * edges.forward
            + weights * edges.backward_with_weights
            + architecture * edges.backward)
    }
}
