//! A journal's events as TensorBoard's: scalars over steps, mixing weights as histograms, the cell as a picture, settings.

use super::hparams;
use super::proto::{Event, Histogram, Image, SessionLog, Shown, Summary, Value, What};
use crate::explorer::figure::{self, PngError};
use crate::explorer::state::State;
use crate::run::config::Config;
use crate::run::event::{self, Body, EpochEnded, Step, TrainingEpoch, TrainingStep};
use crate::space::{CellKind, Genotype, Space};

/// Buckets of a histogram, from 0 to 1.
const BUCKETS: usize = 50;
/// Each mixing weight is a scalar of its own where a space has at most so many; there are tags enough otherwise.
const WEIGHTS: usize = 64;

/// A fold over a run's journal that says what to record.
#[derive(Default)]
pub struct Board {
    /// What the picture of the cell needs.
    state: State,
    space: Space,
    trains: bool,
    steps_per_epoch: usize,
    batch: usize,
    /// The last step that was told, counted over all epochs.
    step: Option<i64>,
    /// Time of the event before.
    before: f64,
    memory: Option<[u64; 2]>,
    drawn: Option<Genotype>,
    /// Why pictures of cells can't be had, once that is known.
    pub no_picture: Option<PngError>,
}

fn scalar(tag: &str, v: f64) -> Option<Value> {
    // NaN: there is none, as of a step without alphas.
    (!v.is_nan()).then(|| Value { tag: tag.into(), metadata: None, shown: Some(Shown::Scalar(v as f32)) })
}

impl Board {
    /// What to record of an event; `draw`: pictures too, which take a moment each.
    pub fn take(&mut self, event: &event::Event, draw: bool) -> Vec<Event> {
        let mut out = Vec::new();
        let step = self.step.unwrap_or(0);
        let found = match &event.body {
            Body::RunStarted(run) => {
                self.state.apply(event);
                (self.space, self.trains) = (run.space.space(), run.trains);
                None
            }
            Body::Origin(origin) => {
                let config = Config::parse(&origin.config, "the journal").ok();
                config.map(|config| (0, hparams::start(&config, self.trains, event.time)))
            }
            Body::SearchStarted(setup) => {
                self.state.apply(event);
                (self.steps_per_epoch, self.batch) = (setup.steps_per_epoch, setup.batch);
                None
            }
            Body::TrainingStarted(setup) => {
                (self.steps_per_epoch, self.batch) = (setup.steps_per_epoch, setup.batch);
                None
            }
            Body::Memory { used_bytes, peak_bytes, .. } => {
                self.memory = Some([*used_bytes, *peak_bytes]);
                None
            }
            Body::Step(told) => Some((self.at(told.epoch, told.step + 1), self.step(told))),
            Body::TrainingStep(told) => Some((self.at(told.epoch, told.step + 1), self.training_step(told))),
            Body::Alphas { epoch, step, normal, reduction } => {
                self.state.apply(event);
                Some((self.at(*epoch, step + 1), self.weights(normal, reduction)))
            }
            Body::EpochEnded(epoch) => {
                self.state.apply(event);
                let mut values = epoch_scalars(epoch);
                values.extend(self.picture(&epoch.genotype, draw));
                Some((self.at(epoch.epoch + 1, 0), values))
            }
            Body::TrainingEpochEnded(epoch) => Some((self.at(epoch.epoch + 1, 0), training_scalars(epoch))),
            Body::Found { genotype, .. } => {
                self.state.apply(event);
                self.picture(genotype, draw).map(|picture| (step, vec![picture]))
            }
            Body::RunEnded { outcome, .. } => hparams::end(*outcome, event.time).map(|end| (step, vec![end])),
            _ => None,
        };
        if let Some((at, value)) = found.filter(|(_, values)| !values.is_empty()) {
            let is_step = matches!(event.body, Body::Step(_) | Body::TrainingStep(_));
            // After an interruption steps come again, and the later ones count. The time is that of the event before, so that
            // the last record of an event is its values.
            if is_step && self.step.is_some_and(|last| at <= last) {
                let what = Some(What::SessionLog(SessionLog { status: 1 }));
                out.push(Event { wall_time: self.before, step: at, what });
            }
            if !matches!(event.body, Body::Origin(_)) {
                self.step = Some(at);
            }
            out.push(Event { wall_time: event.time, step: at, what: Some(What::Summary(Summary { value })) });
        }
        self.before = event.time;
        out
    }

    /// Steps that are over, of all epochs.
    fn at(&self, epoch: usize, step: usize) -> i64 {
        (epoch * self.steps_per_epoch + step) as i64
    }

    fn step(&mut self, s: &Step) -> Vec<Value> {
        let of_step = [
            ("loss/train_step", s.train_loss.0),
            ("loss/valid_step", s.valid_loss.0),
            ("accuracy/train_step", s.train_accuracy),
            ("gradient_norm", s.gradient_norm.0),
            ("learning_rate", s.learning_rate),
        ];
        self.with_costs(&of_step, s.images_per_second)
    }

    fn training_step(&mut self, s: &TrainingStep) -> Vec<Value> {
        let of_step = [
            ("loss/train_step", s.loss.0),
            ("accuracy/train_step", s.accuracy),
            ("gradient_norm", s.gradient_norm.0),
            ("learning_rate", s.learning_rate),
        ];
        self.with_costs(&of_step, s.images_per_second)
    }

    /// With the seconds of the step, and the memory that was told of since the last.
    fn with_costs(&mut self, of_step: &[(&str, f64)], images_per_second: f64) -> Vec<Value> {
        let mut values: Vec<Value> = of_step.iter().filter_map(|(tag, v)| scalar(tag, *v)).collect();
        if images_per_second > 0.0 {
            values.extend(scalar("seconds/step", self.batch as f64 / images_per_second));
        }
        if let Some([used, peak]) = self.memory.take() {
            values.extend(scalar("memory/used_bytes", used as f64));
            values.extend(scalar("memory/peak_bytes", peak as f64));
        }
        values
    }

    /// Mixing weights of what is kept, by kind of cell.
    fn weights(&self, normal: &[Vec<f32>], reduction: &[Vec<f32>]) -> Vec<Value> {
        let mut values = Vec::new();
        for (kind, rows) in [(CellKind::Normal, normal), (CellKind::Reduction, reduction)] {
            // What was cut has no weight at all.
            let kept: Vec<f64> = rows.iter().flatten().map(|w| f64::from(*w)).filter(|w| *w > 0.0).collect();
            if kept.is_empty() {
                continue;
            }
            let tag = format!("mixing_weights/{kind}");
            values.push(Value { tag: tag.clone(), metadata: None, shown: Some(Shown::Histogram(histogram(&kept))) });
            if kept.len() > WEIGHTS {
                continue;
            }
            for (edge, row) in self.space.edges(kind).iter().zip(rows) {
                let there = self.space.operations().iter().zip(row).filter(|(_, w)| **w > 0.0);
                values.extend(there.filter_map(|(o, w)| {
                    scalar(&format!("{tag}/{}-{}/{o}", edge.source(), edge.target()), f64::from(*w))
                }));
            }
        }
        values
    }

    /// The cells, where they are others than before.
    fn picture(&mut self, genotype: &Genotype, draw: bool) -> Option<Value> {
        if self.drawn.as_ref() == Some(genotype) || self.no_picture.is_some() {
            return None;
        }
        self.drawn = Some(genotype.clone());
        if !draw {
            return None;
        }
        let svg = figure::svg(&self.state, figure::What::Cell)?;
        let encoded = figure::png_scaled(&svg, 1.0).map_err(|e| self.no_picture = Some(e)).ok()?;
        let side = |at: usize| encoded.get(at..at + 4)?.try_into().ok().map(i32::from_be_bytes);
        let (width, height) = (side(16)?, side(20)?);
        let image = Image { height, width, colorspace: 4, encoded };
        Some(Value { tag: "cell".into(), metadata: None, shown: Some(Shown::Image(image)) })
    }
}

fn epoch_scalars(e: &EpochEnded) -> Vec<Value> {
    let of_epoch = [
        ("loss/train", e.train_loss.0),
        ("accuracy/train", e.train_accuracy),
        ("loss/valid", e.valid_loss.0),
        ("accuracy/valid", e.valid_accuracy),
        ("seconds/epoch", e.seconds),
    ];
    of_epoch.iter().filter_map(|(tag, v)| scalar(tag, *v)).collect()
}

fn training_scalars(e: &TrainingEpoch) -> Vec<Value> {
    let of_epoch = [
        ("loss/train", e.train_loss.0),
        ("accuracy/train", e.train_accuracy),
        ("loss/test", e.test_loss.0),
        ("accuracy/test", e.test_accuracy),
        ("seconds/epoch", e.seconds),
    ];
    of_epoch.iter().filter_map(|(tag, v)| scalar(tag, *v)).collect()
}

/// Of weights from 0 to 1, which are some.
fn histogram(weights: &[f64]) -> Histogram {
    let mut bucket = vec![0.0; BUCKETS];
    for w in weights {
        bucket[((w * BUCKETS as f64) as usize).min(BUCKETS - 1)] += 1.0;
    }
    Histogram {
        min: weights.iter().copied().fold(f64::INFINITY, f64::min),
        max: weights.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        num: weights.len() as f64,
        sum: weights.iter().sum(),
        sum_squares: weights.iter().map(|w| w * w).sum(),
        bucket_limit: (1..=BUCKETS).map(|i| i as f64 / BUCKETS as f64).collect(),
        bucket,
    }
}
