//! What bytes buy: estimated quality of the best cuts over the memory of the search, beside controls of the same bytes.

use super::Scene;
use crate::explorer::draw::Pad;
use crate::explorer::forecast::Forecast;
use crate::explorer::state::Bucket;
use crate::explorer::theme::Markers;
use crate::explorer::widgets::{Band, Chart, Curve, Steps};
use crate::run::event::Cut;
use crate::text;

/// Whether there is one to draw.
pub fn is_known(scene: &Scene) -> bool {
    scene.forecast.is_some_and(|f| f.front.len() > 1)
}

pub fn draw(pad: &mut Pad, scene: &Scene, cut: &Cut, forecast: &Forecast, budget: Option<u64>) {
    let title = "cells better than % of random ones, by memory";
    let mut inner = pad.panel(title, "estimated by the scores; ░ random cuts", false);
    let point =
        |x: u64, (low, y, high): (f64, f64, f64)| Bucket { from: x as f64, to: x as f64, low, high, sum: y, count: 1 };
    let of = |p: &crate::engine::front::Point| {
        let (low, high) = p.estimate.interval.unwrap_or((p.estimate.percent, p.estimate.percent));
        point(p.bytes, (low.min(p.estimate.percent), p.estimate.percent, high.max(p.estimate.percent)))
    };
    let points: Vec<Bucket> = forecast.front.iter().map(of).collect();
    let band: Vec<(f64, f64, f64)> =
        forecast.front.iter().map(|p| (p.budget_bytes as f64, p.random.0, p.random.1)).collect();
    let (series, mark, other) = (inner.theme.series(0), inner.theme.series(1), inner.theme.series(2));
    let (strong, warning) = (inner.theme.strong(), inner.theme.warning());
    let mut marks: Vec<(f64, f64, char, ratatui::style::Style)> =
        forecast.front.iter().map(|p| (p.budget_bytes as f64, p.most_parameters, '□', other)).collect();
    marks.extend(forecast.front.iter().map(|p| (p.budget_bytes as f64, p.cheapest, '○', mark)));
    let here = forecast.percent(&cut.mask);
    marks.extend(here.map(|percent| (cut.memory_bytes as f64, percent, '●', strong)));
    marks.retain(|m| m.1.is_finite());
    let last = cut.full_memory_bytes.max(cut.memory_bytes);
    let first = forecast.front.first().map_or(0, |p| p.budget_bytes).min(cut.memory_bytes);
    let budget = budget.filter(|b| (first..=last).contains(b));
    let (w, h) = (inner.width(), inner.height());
    let top = u16::from(h >= 5);
    Chart {
        curves: &[Curve { points: &points, style: series, glyph: '*', behind: false }],
        x: (first as f64, last as f64),
        levels: &[],
        cursor: budget.map(|b| b as f64),
        bands: &[Band { points: &band, style: inner.theme.dim() }],
        marks: &marks,
        names: &[],
        steps: Steps::Ends,
        gutter: 5,
        include: Some((0.0, 100.0)),
        log: false,
        binary: false,
        markers: if inner.theme.ascii { Markers::Ascii } else { scene.ui.markers },
        y_text: &|v| format!("{v:.0} %"),
        x_text: &|v, _| text::bytes(v.max(0.0) as u64),
    }
    .draw(&mut inner.sub(0, top, w, h - top));
    if top == 0 {
        return;
    }
    let this = here.map_or_else(|| "● this cut".to_string(), |v| format!("● this cut {v:.0} %"));
    let mut legend = vec![(this, strong), ("─ the best for its bytes".to_string(), series)];
    legend.push(("□ most parameters".into(), other));
    legend.push(("○ cheapest".into(), mark));
    legend.extend(budget.map(|b| (format!("┆ budget {}", text::bytes(b)), warning)));
    let mut x = 6;
    for (words, style) in legend {
        if x + text::width(&words) < w {
            x = inner.text(x, 0, &words, style) + 3;
        }
    }
}
