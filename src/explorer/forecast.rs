//! What each pruning level would cost: the predicted memory of the search along the recorded removal order (of a run that
//! has scored nothing: along its control), and that of
//! random cuts of the same size. Counted once for a run, on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use super::state::State;
use crate::engine::front::{self, Point};
use crate::engine::plan::Planner;
use crate::engine::stored::Stored;
use crate::run::config::Config;
use crate::run::event::RunStarted;
use crate::space::cut::{Cutter, Source};
use crate::space::{Mask, Place};

/// One level of the removal order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Share of the operations that is gone, 0 to 1.
    pub gone: f64,
    /// Predicted peak bytes of the search.
    pub bytes: u64,
    /// Of the control of the same size that keeps the most parameters.
    pub parameters: u64,
    /// Lowest and highest of random cuts of the same size.
    pub random: (u64, u64),
}

/// Memory over pruning level, and quality over memory.
#[derive(Clone, Default)]
pub struct Forecast {
    /// From nothing gone to one operation an edge.
    pub levels: Vec<Level>,
    /// What bytes buy, as far as it is counted; empty where quality can't be estimated.
    pub front: Vec<Point>,
    basis: Option<Arc<front::Basis>>,
}

impl Forecast {
    /// Of random cells, how many in a hundred are worse than those of this cut are in the mean.
    pub fn percent(&self, mask: &Mask) -> Option<f64> {
        Some(self.basis.as_ref()?.percent(mask))
    }

    /// Memory alone.
    #[cfg(test)]
    pub fn of_levels(levels: Vec<Level>) -> Forecast {
        Forecast { levels, ..Forecast::default() }
    }
}

/// Random cuts at each level.
const RANDOM: u64 = 16;

/// What a forecast is made from.
#[derive(Clone)]
pub struct Basis {
    run: RunStarted,
    config: Config,
    source: Source,
    order: Vec<Place>,
    /// What quality is estimated by, where cells were sampled.
    stored: Option<Stored>,
}

impl Basis {
    /// None before scoring is done.
    pub fn of(state: &State) -> Option<Basis> {
        let (run, config) = (state.run.clone()?, state.config.clone().unwrap_or_default());
        if let Some(ended) = &state.score.ended {
            let order = ended.order.iter().map(|r| r.place).collect();
            return Some(Basis { run, config, source: Source::Scores, order, stored: stored(state) });
        }
        let control = state.cut.cut.as_ref().filter(|c| c.unscored)?;
        let source = control.source.parse().ok()?;
        Some(Basis { run, config, source, order: Vec::new(), stored: None })
    }

    /// Predicted peak bytes of the search under a mask; the same count as the engine's.
    fn bytes(&self, mask: Mask) -> u64 {
        self.planner().by_bytes(mask).bytes
    }

    fn planner(&self) -> Planner {
        Planner::of_run(&self.config, &self.run)
    }

    /// Memory over level.
    fn levels(&self) -> Vec<Level> {
        let cutter = |seed| Cutter { space: self.run.space, order: self.order.clone(), seed };
        cutter(0)
            .levels()
            .map(|xi| {
                let mask = cutter(self.config.seed).automatic(self.source, xi);
                let random = (0..RANDOM).map(|seed| self.bytes(cutter(seed).automatic(Source::Random, xi)));
                Level {
                    gone: 1.0 - mask.count() as f64 / self.run.full().count().max(1) as f64,
                    bytes: self.bytes(mask),
                    parameters: self.bytes(cutter(0).automatic(Source::MostParameters, xi)),
                    random: random.fold((u64::MAX, 0), |(low, high), b| (low.min(b), high.max(b))),
                }
            })
            .collect()
    }

    /// All of it, which takes seconds where there is a front.
    pub fn forecast(self) -> Forecast {
        let mut forecast = Forecast::default();
        self.count(|known| {
            forecast = known;
            true
        });
        forecast
    }

    /// Tells what is known whenever more is, as long as that says so.
    fn count(self, mut tell: impl FnMut(Forecast) -> bool) {
        let mut known = Forecast { levels: self.levels(), ..Forecast::default() };
        if !tell(known.clone()) {
            return;
        }
        let planner = self.planner();
        let basis = self.stored.and_then(|s| front::Basis::of(&s, self.order, &self.config, planner));
        let Some(basis) = basis.map(Arc::new) else { return };
        known.basis = Some(basis.clone());
        for point in basis.points() {
            known.front.push(point);
            if !tell(known.clone()) {
                return;
            }
        }
    }

    /// On a thread; what arrives is the forecast, first without the front, then with more and more of it.
    pub fn on_a_thread(self) -> Receiver<Forecast> {
        let (sender, receiver) = channel();
        let tell = move |known| sender.send(known).is_ok();
        let _ = std::thread::Builder::new().name("forecast".into()).spawn(move || self.count(tell));
        receiver
    }
}

/// What the one round of sampled cells stored.
fn stored(state: &State) -> Option<Stored> {
    let round = state.score.of_round(0).filter(|r| r.ended && state.score.samples_cells())?;
    let setup = state.score.setup.as_ref()?;
    Some(round.stored(setup))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explorer::fixture::{self, Until};

    #[test]
    fn memory_falls_with_the_level_and_random_cuts_lie_around_it() {
        let state = State::from_events(&fixture::journal(Until::Proposed, 1));
        let forecast = Basis::of(&state).unwrap().forecast();
        assert_eq!(forecast.levels.len(), 7);
        assert!(forecast.levels.windows(2).all(|w| w[0].bytes > w[1].bytes && w[0].gone < w[1].gone));
        assert!(forecast.levels.iter().all(|l| l.random.0 <= l.random.1));
        // The control keeps the dearest operations, at every level.
        assert!(forecast.levels.iter().all(|l| l.parameters >= l.bytes));
        // Nothing gone but what never took part: every random cut is the same.
        assert_eq!(forecast.levels[0].random, (forecast.levels[0].bytes, forecast.levels[0].bytes));
        assert!(forecast.levels[3].random.0 < forecast.levels[3].random.1);
        assert!(Basis::of(&State::from_events(&fixture::journal(Until::Scoring, 1))).is_none());
    }
}
