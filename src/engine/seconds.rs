//! How long a scoring or a training would take on this machine's CPU: work of the same kind is timed for a moment, and multiplied.
//! Searches have their own, exact to the operation ([`crate::oneshot::StepTimes`]).

use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};

use super::error::EngineError;
use super::plan::DataShape;
use super::score::cells::Sampler;
use super::score::race;
use super::score::short_training::TrainedEvaluator;
use super::score::{self, Evaluator, NetworkEvaluator, Proxy, Settings};
use super::scoring_memory::{Scoring, stem};
use super::training_memory::{network_on, pictures};
use crate::data;
use crate::nn::{DropPath, Evaluation, Init, NnError};
use crate::oneshot::{Batch, SgdSettings, Trainer, TrainerSettings};
use crate::proxies::{self, Draw};
use crate::random;
use crate::run::config::{Config, Draws, Estimator};
use crate::space::{Genotype, Mask, Place};

/// The same is timed again until so much has passed.
const TIME: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 300 });
/// What takes so long the first time, when its memory is fresh, is not done again.
const LONG: Duration = Duration::from_secs(2);
/// Bytes of the largest map of a training that is timed: enough to leave the second cache, as a whole batch does.
const MAP_BYTES: usize = 1 << 20;

/// Mean seconds of what is done again and again, without the first time; `work` is told how often it was done before.
fn mean_seconds<E>(mut work: impl FnMut(usize) -> Result<(), E>) -> Result<f64, E> {
    let start = Instant::now();
    work(0)?;
    let first = start.elapsed();
    if first >= LONG {
        return Ok(first.as_secs_f64());
    }
    let (start, mut times) = (Instant::now(), 0);
    while times == 0 || start.elapsed() < TIME {
        times += 1;
        work(times)?;
    }
    Ok(start.elapsed().as_secs_f64() / times as f64)
}

/// Pictures of noise with labels in turn: they take as long as others.
fn noise(images: usize, shape: DataShape, number: u64) -> Result<(Tensor, Tensor), NnError> {
    let DataShape { classes, channels, height, width } = shape;
    let mut rng = random::stream_at(0, "timing", [number, 1]);
    let pixels = (0..images * height * width * channels).map(|_| random::normal(&mut rng) as f32).collect();
    let labels = (0..images as u32).map(|i| i % classes.max(1) as u32).collect();
    Ok((
        Tensor::from_vec::<_, f32>(pixels, (images, height, width, channels), &Device::Cpu)?,
        Tensor::from_vec::<_, u32>(labels, images, &Device::Cpu)?,
    ))
}

/// How often what is timed of a scoring is done; where draws go on until all is decided, at most.
#[derive(Debug, PartialEq)]
struct Work {
    evaluations: f64,
    draws: f64,
    rounds: f64,
}

impl Work {
    fn of(space: &Mask, settings: &Settings) -> Work {
        let one_draw = Settings { draws: Draws::Fixed(1), ..*settings };
        let cells = if settings.estimator.samples() { race::cells(settings) } else { 0 };
        let of_one = if cells > 0 { cells } else { score::evaluations(space, &one_draw) };
        let evaluations = score::evaluations(space, settings) as f64;
        Work { evaluations, draws: evaluations / of_one.max(1) as f64, rounds: score::rounds(space, settings) as f64 }
    }
}

/// Seconds of scoring on the threads that call it, and at most so many: where draws go on until all is decided, or where a round is
/// cut from what the rounds before have left, it may take less.
///
/// # Errors
/// A ranking function that there is not; a network or pictures that make no sense.
pub fn scoring(config: &Config, shape: DataShape, threads: usize) -> Result<f64, EngineError> {
    let (space, score) = (config.space(), &config.score);
    let settings = Settings::of(config, &space);
    let Work { evaluations, draws, rounds } = Work::of(&space, &settings);
    let places: Vec<Place> = space.places().filter(|p| space.count_on(p.cell, p.edge) > 1).collect();
    if evaluations == 0.0 || places.is_empty() {
        return Ok(0.0);
    }
    let proxy = Proxy {
        channels: score.channels,
        layout: config.proxy_cells(),
        classes: shape.classes,
        input_channels: shape.channels,
        stem: stem(config, shape),
    };
    let functions = score.functions.iter().map(|n| proxies::by_name(n)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&'static str> = functions.iter().map(|f| f.name()).collect();
    let room = Scoring::of(config, &names, &proxy.layout, shape, proxy.stem, threads).within(None);
    let (together, sharing) = room.map_or((1, 0), |room| (room.side_by_side.max(1), room.sharing));
    let batch = |number| -> Result<Draw, NnError> {
        let (images, labels) = noise(score.batch, shape, number)?;
        Draw::new(images, labels, 0, number)
    };
    let sampler = Sampler::of(&space, 0);
    let some = |time: usize| -> Vec<Mask> { (0..together).map(|n| sampler.mask(time, n)).collect() };
    let seconds = match score.estimator {
        Estimator::Cells | Estimator::Discretise => {
            let mut evaluator = NetworkEvaluator::new(proxy, functions, 0, together, batch);
            let open = mean_seconds(|time| evaluator.open(time as u64))?;
            let sampled = score.estimator.samples();
            // One edge of the whole network is cut to one operation: it takes about as long as all of it.
            let masks = |time| if sampled { some(time) } else { vec![space; together] };
            let cells = mean_seconds(|time| evaluator.cells(&masks(time)).map(|_| ()))?;
            evaluations / together as f64 * cells + draws * open
        }
        Estimator::LeaveOneOut | Estimator::Zero => {
            let evaluator = NetworkEvaluator::new(proxy, functions, 0, together, batch).sharing(sharing);
            let mut evaluator = evaluator.zeroing(score.estimator == Estimator::Zero);
            let baseline = mean_seconds(|time| evaluator.baseline(&space, time as u64).map(|_| ()))?;
            let at = |time: usize| -> Vec<Place> {
                // All over the space: operations differ.
                (0..together).map(|n| places[(time * together + n) * 7 % places.len()]).collect()
            };
            let without = mean_seconds(|time| evaluator.without(&at(time)).map(|_| ()))?;
            evaluations / together as f64 * without + draws * rounds * baseline
        }
        Estimator::ShortTraining => {
            let new = |steps| TrainedEvaluator::new(proxy.clone(), space, steps, 0, together, batch);
            let opened = |steps| mean_seconds(|time| new(steps).open(time as u64));
            let (none, one) = (opened(0)?, opened(1)?);
            let mut evaluator = new(0);
            evaluator.open(0)?;
            let cells = mean_seconds(|time| evaluator.cells(&some(time)).map(|_| ()))?;
            let draw = none + (one - none).max(0.0) * score.training_steps as f64;
            evaluations / together as f64 * cells + draws * draw
        }
    };
    let limited = score.draws.fixed().is_none() && score.max_seconds > 0.0;
    Ok(if limited { seconds.min(score.max_seconds) } else { seconds })
}

/// Seconds of training `genotype` from scratch on the threads that call it, with a look at all test pictures after each epoch.
///
/// # Errors
/// Settings or pictures of which there is no network.
pub fn training(
    config: &Config,
    about: &data::Summary,
    genotype: &Genotype,
    threads: usize,
) -> Result<f64, EngineError> {
    let (train, shape) = (&config.train, DataShape::of(about));
    let network = network_on(config, about, genotype)?;
    let [_, (height, width)] = network.stem.sizes((about.height, about.width));
    let map = height * width * train.channels * size_of::<f32>();
    let count = pictures(config, about);
    // Pictures are what threads share; a batch norm needs two.
    let images = (MAP_BYTES / map.max(1)).max(threads).clamp(2, train.batch.min(count).max(2));
    let (pixels, labels) = noise(images, shape, 0)?;
    let batch = Batch { images: pixels, labels };
    let mut net = Evaluation::new(&network)?;
    net.initialise(Init::Default, 0)?;
    let sgd = SgdSettings {
        momentum: train.momentum,
        weight_decay: train.weight_decay,
        clip: train.clip,
        nesterov: train.nesterov,
    };
    let mut trainer = Trainer::new(net, TrainerSettings { sgd, auxiliary: train.auxiliary });
    let drop = DropPath { probability: 0.0, seed: 0, at: [0, 0] };
    let step = mean_seconds(|_| trainer.step(&batch, 1e-6, Some(drop)).map(|_| ()))?;
    let look = mean_seconds(|_| trainer.answers(&batch).map(|_| ()))?;
    Ok(train.epochs as f64 * (count as f64 * step + about.test as f64 * look) / images as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::preset;

    fn small() -> (Config, data::Summary) {
        let mut config = preset("nas_bench_201_demo").unwrap();
        (config.score.channels, config.score.batch) = (4, 4);
        (config.train.channels, config.train.cells, config.train.batch) = (4, 3, 8);
        let about = data::open("embedded", &data::OpenOptions::default()).unwrap().summary().clone();
        (config, about)
    }

    const ESTIMATORS: [Estimator; 5] =
        [Estimator::Cells, Estimator::LeaveOneOut, Estimator::Zero, Estimator::Discretise, Estimator::ShortTraining];

    #[test]
    fn every_estimator_and_a_training_can_be_timed() {
        let (mut config, about) = small();
        for estimator in ESTIMATORS {
            config.score.estimator = estimator;
            let seconds = scoring(&config, DataShape::of(&about), 2).unwrap();
            assert!(seconds > 0.0 && seconds.is_finite(), "{estimator}: {seconds}");
        }
        config.score.draws = Draws::Auto;
        config.score.max_seconds = 1e-6;
        assert_eq!(scoring(&config, DataShape::of(&about), 2).unwrap(), 1e-6);
        let heaviest = crate::engine::heaviest::heaviest(&config.full(), |_| 1);
        let seconds = training(&config, &about, &heaviest, 2).unwrap();
        assert!(seconds > 0.0 && seconds.is_finite(), "{seconds}");
        config.train.channels = 0;
        assert!(training(&config, &about, &heaviest, 2).is_err());
    }

    #[test]
    fn the_work_is_what_the_settings_ask_for() {
        let (mut config, _) = small();
        config.score.sample = 30;
        for estimator in ESTIMATORS {
            config.score.estimator = estimator;
            config.score.draws = 3.into();
            let (space, three) = (config.space(), Settings::of(&config, &config.space()));
            let work = Work::of(&space, &three);
            assert_eq!(work.draws, 3.0, "{estimator}");
            assert_eq!(work.evaluations, score::evaluations(&space, &three) as f64);
            if estimator.samples() {
                assert_eq!((work.evaluations, work.rounds), (90.0, 1.0));
            }
            config.score.draws = Draws::Auto;
            config.score.max_evaluations = 700;
            let auto = Work::of(&space, &Settings::of(&config, &space));
            assert!(auto.evaluations == 700.0 && auto.draws > 3.0, "{estimator}: {auto:?}");
        }
    }
}
