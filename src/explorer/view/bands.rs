//! Losses of runs that are compared: a curve each, or of several seeds their mean with its deviation.

use ratatui::style::Modifier;

use super::Scene;
use super::curves::smoothed;
use crate::explorer::compare::Side;
use crate::explorer::draw::Pad;
use crate::explorer::state::Bucket;
use crate::explorer::widgets::{Band, Chart, Curve, Steps};
use crate::statistics::Spread;
use crate::text;

/// Points of a mean curve.
const GRID: usize = 96;
const GLYPHS: [char; 4] = ['*', 'o', '+', 'x'];

/// A curve, and what lies around it: x, lowest and highest.
type Drawn = (Vec<Bucket>, Vec<(f64, f64, f64)>);

/// A mean curve over the runs of an arm, and mean ± deviation, as far as all of them are.
fn curve(runs: &[Vec<Bucket>]) -> Drawn {
    let [first, _, ..] = runs else { return (runs.first().cloned().unwrap_or_default(), Vec::new()) };
    let ends = |of: &dyn Fn(&Vec<Bucket>) -> Option<f64>| runs.iter().map(of).collect::<Option<Vec<f64>>>();
    let from = ends(&|r| Some(r.first()?.middle())).map(|v| v.into_iter().fold(f64::MIN, f64::max));
    let to = ends(&|r| Some(r.last()?.middle())).map(|v| v.into_iter().fold(f64::MAX, f64::min));
    let (Some(from), Some(to)) = (from, to) else { return (Vec::new(), Vec::new()) };
    let at = |run: &[Bucket], x: f64| -> Option<f64> {
        let i = run.partition_point(|b| b.middle() < x);
        let (a, b) = (run.get(i.saturating_sub(1))?, run.get(i).or(run.last())?);
        let (p, q) = (a.middle(), b.middle());
        let t = if q > p { ((x - p) / (q - p)).clamp(0.0, 1.0) } else { 0.0 };
        Some(a.mean() + t * (b.mean() - a.mean()))
    };
    let points = GRID.min(first.len().max(2));
    let grid = (0..points).map(|i| from + (to - from).max(0.0) * i as f64 / (points - 1) as f64);
    let spread = |x: f64| {
        let values: Option<Vec<f64>> = runs.iter().map(|r| at(r, x)).collect();
        let spread = Spread::of(&values?);
        Some((x, spread.mean?, spread.deviation.unwrap_or(0.0)))
    };
    let all: Vec<(f64, f64, f64)> = grid.filter_map(spread).collect();
    let mean = all.iter().map(|(x, mean, _)| Bucket::point(*x, *mean)).collect();
    (mean, all.iter().map(|(x, mean, d)| (*x, mean - d, mean + d)).collect())
}

pub(super) fn losses(pad: &mut Pad, scene: &Scene) {
    let (sides, arms) = (&scene.compared.sides, &scene.compared.arms);
    let trains = sides.iter().filter(|s| s.state.trains()).count();
    let title = match trains {
        0 => "validation loss",
        n if n == sides.len() => "test loss",
        _ => "loss: validation of a search, test of a training",
    };
    let banded = arms.iter().any(|a| a.runs.len() > 1);
    let note = if banded { "smoothed means of runs, ± deviation" } else { "smoothed, over epochs" };
    let mut inner = pad.panel(title, note, false);
    let epochs = |s: &Side| s.state.epochs.plan.map_or(1, |p| p.epochs);
    let last = sides.iter().map(epochs).max().unwrap_or(1).max(1);
    let of = |s: &Side| smoothed(s.state.epochs.held_out_loss.buckets(), last as f64 / 24.0);
    let drawn: Vec<Drawn> = arms
        .iter()
        .map(|arm| curve(&scene.compared.of_arm(arm).map(of).filter(|p| !p.is_empty()).collect::<Vec<_>>()))
        .collect();
    let curves: Vec<Curve> = drawn
        .iter()
        .enumerate()
        .map(|(i, (points, _))| Curve { points, style: inner.theme.series(i), glyph: GLYPHS[i % 4], behind: false })
        .collect();
    let bands: Vec<Band> = drawn
        .iter()
        .enumerate()
        .map(|(i, (_, points))| Band { points, style: inner.theme.series(i).add_modifier(Modifier::DIM) })
        .collect();
    Chart {
        curves: &curves,
        x: (0.0, last as f64),
        levels: &[],
        cursor: None,
        bands: &bands,
        marks: &[],
        names: &[],
        steps: Steps::Whole,
        gutter: 6,
        include: None,
        log: scene.ui.log_scale,
        binary: false,
        markers: if inner.theme.ascii { crate::explorer::theme::Markers::Ascii } else { scene.ui.markers },
        y_text: &text::tick,
        x_text: &|v, last| if last { format!("epoch {}", text::tick(v)) } else { text::tick(v) },
    }
    .draw(&mut inner);
}
