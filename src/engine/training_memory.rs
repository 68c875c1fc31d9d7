//! What training a genotype will need, known before anything runs: its network, and the bytes of a step.

use super::error::EngineError;
use super::plan::{budget, chosen, open, open_device};
use crate::data;
use crate::device::{self, Device};
use crate::nn::{EvaluationConfig, Policy, Workload};
use crate::run::config::{Config, Train};
use crate::space::count::CountError;
use crate::space::{Genotype, Stacking, Stem};

/// The network of these settings; the auxiliary head only where it fits the maps.
pub(super) fn network(
    config: &Train,
    about: &data::Summary,
    genotype: &Genotype,
    stem: Stem,
) -> Result<EvaluationConfig, EngineError> {
    let mut network = EvaluationConfig {
        genotype: genotype.clone(),
        channels: config.channels,
        cells: config.cells,
        input_channels: about.channels,
        classes: about.classes(),
        // NAS-Bench-201 is evaluated without such a head.
        auxiliary: config.auxiliary > 0.0 && genotype.stacking == Stacking::Darts,
        stem,
    };
    match network.count(about.height, about.width) {
        Err(CountError::Auxiliary { .. }) => network.auxiliary = false,
        counted => drop(counted.map_err(|e| EngineError::Training(e.to_string()))?),
    }
    Ok(network)
}

/// The network of these settings for pictures that a run of its own would open.
///
/// # Errors
/// A genotype, a size or pictures of which there is no network.
pub fn network_on(
    config: &Config,
    about: &data::Summary,
    genotype: &Genotype,
) -> Result<EvaluationConfig, EngineError> {
    network(&config.train, about, genotype, config.train.stem.stem(genotype.stacking, about.height, about.width))
}

/// Bytes that a step needs of a run that trains a genotype from scratch, and those that it may take; 0 of another run.
///
/// # Errors
/// Settings or data that make no sense.
pub fn training_bytes(config: &Config) -> Result<(u64, Option<u64>), EngineError> {
    let dataset = open(config, None)?;
    let device = open_device(config)?.device;
    let (budget, gpu) = (budget(config, &device), matches!(device, Device::Cuda(_)));
    let bytes = config.trained()?.map(|g| step_bytes(config, dataset.summary(), &g, gpu, budget)).transpose()?;
    Ok((bytes.unwrap_or(0), budget))
}

/// Bytes that a step of training `genotype` needs, on pictures that are known: nothing is opened.
///
/// # Errors
/// A genotype, a size or pictures of which there is no network.
pub fn step_bytes(
    config: &Config,
    about: &data::Summary,
    genotype: &Genotype,
    gpu: bool,
    budget: Option<u64>,
) -> Result<u64, EngineError> {
    let network = network_on(config, about, genotype)?;
    let images = config.train.batch.min(pictures(config, about));
    Ok(training_step(config, &network, images, about, gpu, budget).1)
}

/// Training pictures that take part.
pub(super) fn pictures(config: &Config, about: &data::Summary) -> usize {
    match config.data.limit {
        0 => about.train,
        limit => limit.min(about.train),
    }
}

/// What a training keeps for the way back (as `device.memory` asks, and as the budget allows), and the bytes that a step then
/// needs of the device.
pub(super) fn training_step(
    config: &Config,
    network: &EvaluationConfig,
    images: usize,
    about: &data::Summary,
    gpu: bool,
    budget: Option<u64>,
) -> (Policy, u64) {
    let (height, width) = (about.height, about.width);
    let bytes: Box<dyn Fn(Policy) -> u64> = match gpu {
        false => {
            let threads = device::threads(config.device.threads);
            let work = Workload { images, height, width, second_order: false, threads };
            let of = network.training_footprints(&work);
            Box::new(move |policy| of(policy).bytes())
        }
        true => Box::new(network.gpu_footprints([images, height, width], config.train.drop_path > 0.0)),
    };
    let fits = |(_, bytes): &(Policy, u64)| budget.is_none_or(|b| *bytes <= b);
    chosen(config.device.memory, network.cells, |policy| (policy, bytes(policy)), fits)
}
