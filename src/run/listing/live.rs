//! What a run at work is doing now: its loss so far, its memory, the time that is left of its stage.

use std::collections::VecDeque;

use crate::run::RunFolder;
use crate::run::brief::Beat;
use crate::run::event::Stage;
use crate::run::journal::Tail;

/// Of a run at work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live {
    /// Means of the training loss over equal parts of the time so far, first to last.
    pub losses: Vec<f64>,
    /// Loss of the latest step.
    pub loss: Option<f64>,
    /// Seconds to go in the present stage at the rate of its latest steps.
    pub left: Option<f64>,
    /// Bytes that it has.
    pub memory: Option<u64>,
}

impl Live {
    /// The loss so far in so many columns, scaled to its own range.
    pub fn spark(&self, columns: usize) -> String {
        let parts = self.losses.len().min(columns.max(1));
        let mean = |i: usize| {
            let (from, to) = (i * self.losses.len() / parts, (i + 1) * self.losses.len() / parts);
            self.losses[from..to].iter().sum::<f64>() / (to - from) as f64
        };
        let means: Vec<f64> = (0..parts).map(mean).collect();
        crate::text::spark(&means, columns)
    }
}

/// Parts of a curve at most; beyond, two neighbours become one.
const PARTS: usize = 128;
/// Steps or evaluations that the rate is measured over.
const WINDOW: usize = 64;
/// Seconds that no step takes: a clock was set.
const DAY: f64 = 86_400.0;

/// Follows the beats of one run.
#[derive(Debug)]
pub struct Heart {
    tail: Tail<Beat>,
    restarts: u64,
    /// Sums and counts of losses, so many to a part.
    curve: Vec<(f64, u32)>,
    each: u32,
    loss: Option<f64>,
    scored: usize,
    /// Times of the latest steps, with their number.
    steps: VecDeque<(f64, f64)>,
    evaluations: VecDeque<(f64, f64)>,
    memory: Option<u64>,
}

/// What is planned, as the journal has told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    pub stage: Option<Stage>,
    pub steps_per_epoch: usize,
    pub epochs: usize,
    /// Evaluations of the scoring.
    pub evaluations: usize,
    /// They are the most that there may be.
    pub at_most: bool,
}

impl Heart {
    pub fn of(folder: &RunFolder) -> Heart {
        Heart::on(Tail::beats(folder))
    }

    fn on(tail: Tail<Beat>) -> Heart {
        Heart {
            restarts: tail.restarts,
            tail,
            curve: Vec::new(),
            each: 1,
            loss: None,
            scored: 0,
            steps: VecDeque::new(),
            evaluations: VecDeque::new(),
            memory: None,
        }
    }

    /// Takes in what has come, and tells how it stands.
    pub fn look(&mut self, plan: Plan) -> Live {
        loop {
            let beats = self.tail.read();
            if self.tail.restarts != self.restarts {
                let tail = std::mem::replace(&mut self.tail, Tail::new(std::path::PathBuf::new()));
                *self = Heart::on(tail);
            }
            if beats.is_empty() {
                break;
            }
            beats.into_iter().for_each(|beat| self.take(beat, plan));
        }
        let left = match plan.stage {
            Some(Stage::Score) if !plan.at_most => left(&self.evaluations, plan.evaluations as f64),
            Some(Stage::Search | Stage::Train) => left(&self.steps, (plan.epochs * plan.steps_per_epoch) as f64),
            _ => None,
        };
        let losses = self.curve.iter().map(|(sum, n)| sum / f64::from((*n).max(1))).collect();
        Live { losses, loss: self.loss, left, memory: self.memory }
    }

    fn take(&mut self, beat: Beat, plan: Plan) {
        match beat {
            Beat::Begun => {
                self.steps.clear();
                self.evaluations.clear();
            }
            Beat::Memory { used } => self.memory = Some(used),
            Beat::Scored { time } => {
                self.scored += 1;
                mark(&mut self.evaluations, time, self.scored as f64);
            }
            Beat::Step { time, epoch, step, loss } => {
                self.loss = Some(loss);
                // Steps since a checkpoint come again after an interruption; the curve has both, which changes little.
                mark(&mut self.steps, time, (epoch * plan.steps_per_epoch.max(1) + step) as f64);
                if loss.is_finite() {
                    self.push(loss);
                }
            }
        }
    }

    fn push(&mut self, loss: f64) {
        match self.curve.last_mut() {
            Some((sum, n)) if *n < self.each => (*sum, *n) = (*sum + loss, *n + 1),
            _ => self.curve.push((loss, 1)),
        }
        if self.curve.len() > PARTS {
            let pair = |p: &[(f64, u32)]| p.iter().fold((0.0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
            self.curve = self.curve.chunks(2).map(pair).collect();
            self.each *= 2;
        }
    }
}

fn mark(marks: &mut VecDeque<(f64, f64)>, time: f64, done: f64) {
    let odd = |(t, d): &(f64, f64)| !(0.0..DAY).contains(&(time - t)) || done <= *d;
    if marks.back().is_some_and(odd) {
        marks.clear();
    }
    marks.push_back((time, done));
    if marks.len() > WINDOW {
        marks.pop_front();
    }
}

/// Seconds to go at the rate of the latest marks.
fn left(marks: &VecDeque<(f64, f64)>, total: f64) -> Option<f64> {
    let (first, last) = (marks.front()?, marks.back()?);
    let (seconds, done) = (last.0 - first.0, last.1 - first.1);
    (seconds > 0.0 && done > 0.0 && total > 0.0).then(|| (total - last.1).max(0.0) * seconds / done)
}
