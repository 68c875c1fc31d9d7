//! What the search's charts are over: epochs, steps, or the time that was worked.

use crate::explorer::state::{Bucket, Epochs};
use crate::explorer::ui::Axis;
use crate::explorer::widgets::Steps;
use crate::text;

/// From epochs, which series are kept over, to an axis.
#[derive(Clone, Copy)]
pub struct Scale<'a> {
    axis: Axis,
    epochs: &'a Epochs,
}

impl<'a> Scale<'a> {
    pub fn of(axis: Axis, epochs: &'a Epochs) -> Scale<'a> {
        // Without a clock there is no time to go by.
        let known = axis != Axis::Time || epochs.worked.buckets().len() > 1;
        Scale { axis: if known { axis } else { Axis::Epochs }, epochs }
    }

    /// Where a moment lies.
    pub fn at(&self, epoch: f64) -> f64 {
        match self.axis {
            Axis::Epochs => epoch,
            Axis::Steps => epoch * self.epochs.plan.map_or(1.0, |p| p.steps_per_epoch.max(1) as f64),
            Axis::Time => self.seconds(epoch),
        }
    }

    /// Seconds worked until then: between what was told along a straight line, after it at the rate so far.
    fn seconds(&self, epoch: f64) -> f64 {
        let told = self.epochs.worked.buckets();
        let (Some(first), Some(last)) = (told.first(), told.last()) else { return 0.0 };
        let point = |b: &Bucket| (b.middle(), b.mean());
        let i = told.partition_point(|b| b.middle() < epoch);
        let ((x0, y0), (x1, y1)) = match (i, told.get(i)) {
            (0, _) => ((0.0, 0.0), point(first)),
            (_, Some(b)) => (point(&told[i - 1]), point(b)),
            (_, None) => (point(first), point(last)),
        };
        let from = if i < told.len() { (x0, y0) } else { (x1, y1) };
        let rate = if x1 > x0 { (y1 - y0) / (x1 - x0) } else { 0.0 };
        (from.1 + rate * (epoch - from.0)).max(0.0)
    }

    pub fn bucket(&self, b: &Bucket) -> Bucket {
        Bucket { from: self.at(b.from), to: self.at(b.to), ..*b }
    }

    pub fn points(&self, points: &[Bucket]) -> Vec<Bucket> {
        if self.axis == Axis::Epochs { points.to_vec() } else { points.iter().map(|b| self.bucket(b)).collect() }
    }

    /// The rounding of its ticks.
    pub const fn steps(&self) -> Steps {
        match self.axis {
            Axis::Epochs | Axis::Steps => Steps::Whole,
            Axis::Time => Steps::Seconds,
        }
    }

    /// A tick, and the last one with its unit.
    pub fn tick(&self, at: f64, last: bool) -> String {
        let number = || text::tick((at * 100.0).round() / 100.0);
        match (self.axis, last) {
            (Axis::Epochs, true) => format!("epoch {}", number()),
            (Axis::Steps, true) => format!("step {}", number()),
            (Axis::Time, true) => format!("{} worked", text::duration(at)),
            (Axis::Time, false) if at == 0.0 => "0".into(),
            (Axis::Time, false) => text::duration(at),
            _ => number(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explorer::fixture::{self, Until};
    use crate::explorer::state::State;
    use crate::run::event::Body;

    #[test]
    fn moments_lie_where_their_steps_and_their_work_are() {
        let state = State::from_events(&fixture::journal(Until::Searching, 1));
        let epochs = &state.epochs;
        let plan = epochs.plan.unwrap();
        assert_eq!(Scale::of(Axis::Epochs, epochs).at(1.5), 1.5);
        assert_eq!(Scale::of(Axis::Steps, epochs).at(1.5), 1.5 * plan.steps_per_epoch as f64);
        let time = Scale::of(Axis::Time, epochs);
        let all: Vec<f64> = (0..=20).map(|i| time.at(f64::from(i) / 4.0)).collect();
        assert!(all.windows(2).all(|w| w[1] > w[0]), "{all:?}");
        let (to, worked) = epochs.worked.last().unwrap();
        assert!((time.at(to) - worked).abs() < 1e-6 && all[0] < worked, "{all:?} {worked}");
        // What an epoch's end takes beside its steps is work, too.
        let events = fixture::journal(Until::Done, 1);
        let of = |which: fn(&Body) -> bool| events.iter().rfind(|e| which(&e.body)).unwrap().time;
        let whole = of(|b| matches!(b, Body::EpochEnded(_))) - of(|b| matches!(b, Body::SearchStarted(_)));
        let all = State::from_events(&events).epochs.worked.last().unwrap().1;
        assert!((all - whole).abs() < 1e-6, "{all} {whole}");
        // Without a clock, over epochs.
        assert_eq!(Scale::of(Axis::Time, &Epochs::default()).at(2.0), 2.0);
        assert_eq!(time.tick(90.0, true), "1:30 worked");
        assert_eq!(Scale::of(Axis::Steps, epochs).tick(25.0, true), "step 25");
    }
}
