//! The scoring stage of a run: the proxy network on the run's own pictures.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::control::Control;
use super::error::EngineError;
use super::past::Past;
use super::score::short_training::{LOSS, TrainedEvaluator};
use super::score::{self, NetworkEvaluator, Progress, Proxy, Scored, Settings, Watcher};
use super::scoring_memory;
use super::setup::{Setup, tensors};
use crate::data;
use crate::proxies::Draw;
use crate::run::config::Estimator;
use crate::run::event::{Body, Level, Removal, ScoringEnded, ScoringStarted, Stage};
use crate::text;

impl Watcher<EngineError> for Control {
    fn emit(&mut self, body: Body) -> Result<(), EngineError> {
        Control::emit(self, body)
    }

    fn interrupted(&mut self) -> Result<bool, EngineError> {
        self.saved_poll()?;
        Ok(self.aborts() || self.leaves())
    }

    fn enough(&mut self) -> Result<bool, EngineError> {
        self.saved_poll()?;
        Ok(self.stops() || self.aborts() || self.leaves())
    }
}

/// Scores the space, or takes from the journal what an earlier engine scored. `None` if the run is to stop.
pub(super) fn run(control: &mut Control, setup: &Setup, past: &mut Past) -> Result<Option<Vec<Removal>>, EngineError> {
    if let Some(ended) = past.scored.take() {
        return Ok(Some(ended.order));
    }
    let config = setup.config;
    let settings = Settings::of(config, &setup.space);
    let progress = std::mem::take(&mut past.scoring);
    if !config.scores() && progress == Progress::default() {
        if past.cuts.is_empty() {
            let why = match config.cut.is_none() {
                true => "cut.xi = 0 cuts nothing".to_string(),
                false => format!("cut.source = \"{}\" is a control, which needs no scores", config.cut.source),
            };
            control.log(Level::Info, format!("nothing is scored: {why}"))?;
        }
        return Ok(Some(Vec::new()));
    }
    let room = scoring_memory::room(setup)?;
    let clock = control.begin(Stage::Score)?;
    if progress.rounds == 0 && progress.partial.is_empty() && progress.cells.is_empty() {
        control.emit(Body::ScoringStarted(ScoringStarted {
            functions: match config.score.estimator {
                Estimator::ShortTraining => vec![LOSS.into()],
                _ => setup.functions.iter().map(|f| f.name().to_string()).collect(),
            },
            draws: settings.draws.fixed().unwrap_or(score::race::MOST),
            until_decided: settings.draws.fixed().is_none(),
            rounds: score::rounds(&setup.space, &settings),
            evaluations: score::evaluations(&setup.space, &settings),
            channels: config.score.channels,
            cells: config.proxy_cells(),
            batch: config.score.batch,
            aggregate: config.score.aggregate.to_string(),
            estimator: config.score.estimator.to_string(),
            sample: if config.score.estimator.samples() { score::race::cells(&settings) } else { 0 },
        }))?;
    } else {
        let (rounds, scores, cells) = (progress.rounds, progress.partial.len(), progress.cells.len());
        let done = match config.score.estimator {
            e if e.samples() => text::counted(cells, "cell"),
            e if e.in_rounds() => format!("round {rounds} and {scores} scores of the next"),
            _ => text::counted(scores, "score"),
        };
        control.log(Level::Info, format!("scoring goes on after {done}"))?;
    }
    for kind in setup.space.space().kinds().filter(|k| !config.proxy_cells().contains(k)) {
        let text =
            format!("the proxy network has no {kind} cell: no score tells its operations apart, they go at random");
        control.log(Level::Warning, text)?;
    }
    let proxy = Proxy::of(setup);
    let equal = EqualPictures::default();
    let batch = |draw: u64| drawn(setup, draw, |made| equal.note(made));
    let (space, seed, threads) = (setup.space, config.seed, room.side_by_side);
    let scored = if config.score.estimator == Estimator::ShortTraining {
        let steps = config.score.training_steps;
        let evaluator = TrainedEvaluator::new(proxy, space, steps, seed, threads, batch);
        score::run(&space, &settings, progress, &mut evaluator.on(setup.gpu.clone()), control)?
    } else {
        let evaluator = NetworkEvaluator::new(proxy, setup.functions.clone(), seed, threads, batch);
        let evaluator = evaluator.zeroing(config.score.estimator == Estimator::Zero).sharing(room.sharing);
        score::run(&space, &settings, progress, &mut evaluator.on(setup.gpu.clone()), control)?
    };
    let Scored { order, ties, undefined, stopped } = scored;
    if stopped {
        return Ok(None);
    }
    if let Some(text) = equal.told(config.score.batch) {
        control.log(Level::Warning, text)?;
    }
    if undefined > 0 {
        let text = format!("{undefined} values of ranking functions were not finite; the others decided without them");
        control.log(Level::Warning, text)?;
    }
    let seconds = past.scoring_seconds + clock.seconds();
    let ended = ScoringEnded { seconds, peak_bytes: clock.peak_bytes(), order: order.clone(), ties, undefined };
    control.emit(Body::ScoringEnded(ended))?;
    control.end(&clock)?;
    control.sync()?;
    Ok(Some(order))
}

impl Proxy {
    /// The run's own.
    pub(super) fn of(setup: &Setup) -> Proxy {
        let about = setup.dataset.summary();
        Proxy {
            channels: setup.config.score.channels,
            layout: setup.config.proxy_cells(),
            classes: about.classes(),
            input_channels: about.channels,
            stem: setup.stem,
        }
    }
}

/// A draw of the run's own pictures; `note` is shown the batch.
pub(super) fn drawn(setup: &Setup, draw: u64, note: impl FnOnce(&data::ScoringBatch)) -> Result<Draw, EngineError> {
    let (config, augment) = (setup.config, setup.augment());
    let made = data::scoring_batch(&*setup.dataset, &setup.pictures, config.score.batch, augment, config.seed, draw)?;
    note(&made);
    let made = tensors(made.batch)?;
    Ok(Draw::new(made.images, made.labels, config.seed, draw)?)
}

/// Equal pictures in the batches of all draws.
struct EqualPictures {
    passed_over: AtomicUsize,
    /// The smallest batch that has fewer pictures than were asked for.
    fewest: AtomicUsize,
}

impl Default for EqualPictures {
    fn default() -> EqualPictures {
        EqualPictures { passed_over: AtomicUsize::new(0), fewest: AtomicUsize::new(usize::MAX) }
    }
}

impl EqualPictures {
    fn note(&self, made: &data::ScoringBatch) {
        self.passed_over.fetch_max(made.equal, Ordering::Relaxed);
        if made.short {
            self.fewest.fetch_min(made.batch.count, Ordering::Relaxed);
        }
    }

    fn told(&self, batch: usize) -> Option<String> {
        let (passed_over, fewest) = (self.passed_over.load(Ordering::Relaxed), self.fewest.load(Ordering::Relaxed));
        if fewest < batch {
            return Some(format!(
                "the training pictures hold too few different ones: scoring batches had {fewest} instead of {batch}"
            ));
        }
        (passed_over > 0).then(|| {
            format!(
                "up to {passed_over} pictures of a scoring batch were equal to others; different ones took their place"
            )
        })
    }
}
