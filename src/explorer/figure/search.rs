//! The figure of a search: losses and accuracies.

use super::paper::{Anchor, Axes, INK, Paper, series, tick};
use crate::explorer::state::{Bucket, Series, State};
use crate::explorer::view::smoothed;

/// Points up to which each is drawn, and nothing is smoothed.
const FEW: usize = 60;

/// Means over a window of a twenty-fourth of the search.
fn smooth(points: &[(f64, f64)], epochs: f64) -> Vec<(f64, f64)> {
    if points.len() <= FEW {
        return points.to_vec();
    }
    let buckets: Vec<Bucket> = points.iter().map(|(x, y)| Bucket::point(*x, *y)).collect();
    smoothed(&buckets, epochs / 24.0).iter().map(|b| (b.middle(), b.mean())).collect()
}

/// The curves of a search or a training, by panel.
pub(super) struct Curves {
    pub epochs: f64,
    /// Highest loss.
    pub top: f64,
    pub losses: [Vec<(f64, f64)>; 2],
    /// In percent.
    pub accuracies: [Vec<(f64, f64)>; 2],
    pub names: [&'static str; 2],
}

impl Curves {
    pub fn of(state: &State) -> Option<Curves> {
        let of = &state.epochs;
        let epochs = of.plan?.epochs.max(1) as f64;
        let means =
            |s: &Series| -> Vec<(f64, f64)> { s.buckets().iter().map(|b: &Bucket| (b.middle(), b.mean())).collect() };
        let valid: Vec<(f64, f64)> = of
            .ended
            .iter()
            .filter(|e| e.held_out_accuracy.is_finite())
            .map(|e| (e.epoch as f64 + 1.0, e.held_out_accuracy * 100.0))
            .collect();
        let train: Vec<(f64, f64)> = means(&of.train_accuracy).into_iter().map(|(x, y)| (x, y * 100.0)).collect();
        let names = ["train", if state.trains() { "test" } else { "validation" }];
        let losses = [means(&of.train_loss), means(&of.held_out_loss)];
        if losses.iter().all(Vec::is_empty) {
            return None;
        }
        let top = losses.iter().flatten().map(|v| v.1).fold(0.0, f64::max);
        Some(Curves { epochs, top, losses, accuracies: [train, valid], names })
    }

    /// The curves of a panel on its axes.
    pub fn draw(&self, p: &mut Paper, axes: &Axes, curves: &[Vec<(f64, f64)>; 2], width: f64) {
        for (points, color) in curves.iter().zip(["#c3d7e8", "#ecd2b8"]) {
            // Every step as it was, faintly, below the smoothed curve.
            if points.len() > FEW {
                p.path(&axes.curve(points), "none", color, 0.4 * width);
            }
        }
        for (i, points) in curves.iter().enumerate() {
            p.path(&axes.curve(&smooth(points, self.epochs)), "none", &series(i), width);
            if points.len() <= FEW {
                for (x, y) in points {
                    let (x, y) = axes.at(*x, *y);
                    p.circle(x, y, 1.3 * width, &series(i));
                }
            }
        }
    }
}

/// Losses and accuracies over epochs, side by side.
pub fn draw(state: &State) -> Option<String> {
    let all = Curves::of(state)?;
    let mut p = Paper::new(880.0, 330.0);
    let mut panel = |left: f64, y: (f64, f64), label: &str, curves: &[Vec<(f64, f64)>; 2]| {
        let axes = Axes { left, top: 40.0, width: 345.0, height: 230.0, x: (0.0, all.epochs), y };
        axes.draw(&mut p, ("epoch", label), (&tick, &tick));
        all.draw(&mut p, &axes, curves, 1.4);
        for (i, name) in all.names.into_iter().enumerate() {
            let x = left + 90.0 * i as f64;
            p.line((x, 26.0), (x + 18.0, 26.0), &series(i), "none");
            p.text(x + 23.0, 29.5, 10.0, INK, Anchor::Start, name);
        }
    };
    panel(70.0, (0.0, all.top * 1.05), "loss (nats)", &all.losses);
    panel(505.0, (0.0, 100.0), "accuracy (%)", &all.accuracies);
    Some(p.done())
}
