//! Memory of the search over pruning level, with the budget, the full space, random cuts and the person's marks.

use super::Scene;
use crate::explorer::draw::Pad;
use crate::explorer::state::Bucket;
use crate::explorer::text;
use crate::explorer::widgets::{Chart, Curve};
use crate::run::event::Cut;

pub fn draw(pad: &mut Pad, scene: &Scene, cut: &Cut) {
    let mut inner = pad.panel("predicted memory against pruning level ξ", "░ random cuts of equal size", false);
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
    levels.extend(scene.ui.budget.map(|b| (b as f64, inner.theme.warning())));
    let mut marks: Vec<(f64, f64, char, ratatui::style::Style)> =
        scene.ui.marks.iter().map(|(x, bytes)| (*x, *bytes as f64, '◆', mark)).collect();
    let here = 1.0 - cut.mask.count() as f64 / 224.0;
    marks.push((here, cut.memory_bytes as f64, '●', inner.theme.strong()));
    let (w, h) = (inner.width(), inner.height());
    let curves = [Curve { points: &points, style: series, glyph: '*' }];
    Chart {
        curves: &curves,
        x: (0.0, 1.0),
        levels: &levels,
        cursor: None,
        band: &band,
        marks: &marks,
        gutter: 8,
        include: Some((0.0, 0.0)),
        log: false,
        binary: true,
        markers: if inner.theme.ascii { crate::explorer::theme::Markers::Ascii } else { scene.ui.markers },
        y_text: &|v| text::bytes(v.max(0.0) as u64),
        x_text: &|v| format!("ξ {}", text::significant(v, 2)),
    }
    .draw(&mut inner.sub(0, 0, w, h));
    let (dim, warning) = (inner.theme.dim(), inner.theme.warning());
    let mut x = w / 2;
    x = inner.text(x, 0, "● this cut  ", inner.theme.strong());
    if !scene.ui.marks.is_empty() {
        x = inner.text(x, 0, "◆ marked  ", mark);
    }
    x = inner.text(x, 0, "╌ full space  ", dim);
    if let Some(budget) = scene.ui.budget {
        inner.text(x, 0, &format!("╌ budget {}", text::bytes(budget)), warning);
    }
}
