//! What each pruning level would cost: the predicted memory of the search along the recorded removal order (of a run that
//! has scored nothing: along its control), and that of
//! random cuts of the same size. Counted once for a run, on a thread of its own.

use std::sync::mpsc::{Receiver, channel};

use super::state::State;
use crate::engine::plan::Planner;
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

/// Memory over pruning level.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forecast {
    /// From nothing gone to one operation an edge.
    pub levels: Vec<Level>,
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
}

impl Basis {
    /// None before scoring is done.
    pub fn of(state: &State) -> Option<Basis> {
        let (run, config) = (state.run.clone()?, state.config.clone().unwrap_or_default());
        if let Some(ended) = &state.score.ended {
            let order = ended.order.iter().map(|r| r.place).collect();
            return Some(Basis { run, config, source: Source::Scores, order });
        }
        let control = state.cut.cut.as_ref().filter(|c| c.unscored)?;
        Some(Basis { run, config, source: control.source.parse().ok()?, order: Vec::new() })
    }

    /// Predicted peak bytes of the search under a mask; the same count as the engine's.
    fn bytes(&self, mask: Mask) -> u64 {
        Planner::of_run(&self.config, &self.run).by_bytes(mask).bytes
    }

    pub fn forecast(&self) -> Forecast {
        let cutter = |seed| Cutter { space: self.run.space, order: self.order.clone(), seed };
        let levels = cutter(0)
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
            .collect();
        Forecast { levels }
    }

    /// On a thread; what arrives is the forecast.
    pub fn on_a_thread(self) -> Receiver<Forecast> {
        let (sender, receiver) = channel();
        let _ = std::thread::Builder::new().name("forecast".into()).spawn(move || sender.send(self.forecast()));
        receiver
    }
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
