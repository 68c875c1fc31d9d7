//! A progress bar on standard error, if that is a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::run::event::{Body, Event, Step, TrainingStep};

/// Shows how far the stage is; nothing where there is no terminal.
pub struct Progress {
    bar: ProgressBar,
    steps_per_epoch: usize,
    /// Scores come from sampled cells.
    samples: bool,
}

impl Progress {
    pub fn new() -> Progress {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr_with_hz(8)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{msg:10} {wide_bar} {pos}/{len}  {per_sec}  {eta} left") {
            bar.set_style(style);
        }
        Progress { bar, steps_per_epoch: 0, samples: false }
    }

    fn begin(&self, what: &'static str, length: usize) {
        self.bar.set_message(what);
        self.bar.set_length(length as u64);
        self.bar.set_position(0);
        self.bar.reset();
    }

    pub fn take(&mut self, event: &Event) {
        match &event.body {
            Body::ScoringStarted(s) => {
                self.samples = s.samples_cells();
                self.begin("scoring", s.evaluations);
            }
            // How many there are at most is known better after each.
            Body::Drawn(d) => self.bar.set_message(format!("scoring, {}", d.words())),
            Body::Score { .. } if !self.samples => self.bar.inc(1),
            Body::SampledCell { .. } => self.bar.inc(1),
            Body::SearchStarted(s) => {
                self.steps_per_epoch = s.steps_per_epoch;
                self.begin("search", s.epochs * s.steps_per_epoch);
            }
            Body::TrainingStarted(t) => {
                self.steps_per_epoch = t.steps_per_epoch;
                self.begin("training", t.epochs * t.steps_per_epoch);
            }
            Body::Step(Step { epoch, step, .. }) | Body::TrainingStep(TrainingStep { epoch, step, .. }) => {
                self.bar.set_position((epoch * self.steps_per_epoch + step + 1) as u64);
            }
            _ => {}
        }
    }

    /// Prints with the bar out of the way.
    pub fn hidden<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
