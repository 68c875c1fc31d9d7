//! Memory of the search over pruning level, with the budget, the full space, random cuts and the person's marks.

use super::Scene;
use crate::explorer::draw::Pad;
use crate::explorer::state::Bucket;
use crate::explorer::widgets::{Band, Chart, Curve, Steps};
use crate::run::event::Cut;
use crate::text;

/// `budget`: what the search may take.
pub fn draw(pad: &mut Pad, scene: &Scene, cut: &Cut, budget: Option<u64>) {
    // Where edges have unequal numbers of candidates ξ, which goes by the widest, is no share of all.
    let even = scene.state.full().is_even();
    let across = if even { "pruning level ξ" } else { "share removed" };
    let mut inner = pad.panel(&format!("predicted memory against {across}"), "░ random cuts of equal size", false);
    let Some(forecast) = scene.forecast else {
        inner.prose("Memory at every level will be drawn here when it is counted, in a moment.");
        return;
    };
    let point = |x: f64, y: u64| Bucket { from: x, to: x, low: y as f64, high: y as f64, sum: y as f64, count: 1 };
    let points: Vec<Bucket> = forecast.levels.iter().map(|l| point(l.gone, l.bytes)).collect();
    let band: Vec<(f64, f64, f64)> =
        forecast.levels.iter().map(|l| (l.gone, l.random.0 as f64, l.random.1 as f64)).collect();
    let (series, mark) = (inner.theme.series(0), inner.theme.series(1));
    let mut levels = vec![(cut.full_memory_bytes as f64, inner.theme.dim())];
    // One far above would leave the curve no room.
    let budget = budget.filter(|b| *b as f64 <= 1.25 * cut.full_memory_bytes as f64);
    levels.extend(budget.map(|b| (b as f64, inner.theme.warning())));
    // Below what the person set.
    let other = inner.theme.series(2);
    let mut marks: Vec<(f64, f64, char, ratatui::style::Style)> =
        forecast.levels.iter().map(|l| (l.gone, l.parameters as f64, '□', other)).collect();
    marks.extend(scene.ui.marks.iter().map(|(x, bytes)| (*x, *bytes as f64, '◆', mark)));
    let here = cut.gone();
    marks.push((here, cut.memory_bytes as f64, '●', inner.theme.strong()));
    let (w, h) = (inner.width(), inner.height());
    // The legend has a line of its own: among the axes its signs would be points.
    let top = u16::from(h >= 5);
    let curves = [Curve { points: &points, style: series, glyph: '*', behind: false }];
    Chart {
        curves: &curves,
        x: (0.0, 1.0),
        levels: &levels,
        cursor: None,
        bands: &[Band { points: &band, style: inner.theme.dim() }],
        marks: &marks,
        names: &[],
        steps: Steps::Ends,
        gutter: 8,
        include: Some((0.0, 0.0)),
        log: false,
        binary: true,
        markers: if inner.theme.ascii { crate::explorer::theme::Markers::Ascii } else { scene.ui.markers },
        y_text: &|v| text::bytes(v.max(0.0) as u64),
        x_text: &|v, _| if even { format!("ξ {}", text::significant(v, 2)) } else { format!("{:.0} %", 100.0 * v) },
    }
    .draw(&mut inner.sub(0, top, w, h - top));
    if top == 0 {
        return;
    }
    let (dim, warning) = (inner.theme.dim(), inner.theme.warning());
    let strong = inner.theme.strong();
    // Where nothing was scored it is the control's own.
    let along = if cut.unscored { text::sanitize(&cut.source).replace('_', " ") } else { "scores".into() };
    let mut legend = vec![("● this cut".to_string(), strong), (format!("─ by {along}"), series)];
    legend.push(("□ by parameter count".into(), other));
    if !scene.ui.marks.is_empty() {
        legend.push(("◆ marked".into(), mark));
    }
    legend.extend(budget.map(|b| (format!("╌ budget {}", text::bytes(b)), warning)));
    legend.push(("╌ full space".into(), dim));
    let mut x = 9;
    for (words, style) in legend {
        if x + text::width(&words) < w {
            x = inner.text(x, 0, &words, style) + 3;
        }
    }
}
