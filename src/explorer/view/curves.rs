//! What the search's charts show over time: losses, accuracy, memory.

use super::Scene;
use crate::explorer::draw::Pad;
use crate::explorer::state::{Bucket, Series};
use crate::explorer::text;
use crate::explorer::widgets::{Chart, Curve};

/// First and last epoch in view: all of the search, or the latest part of what there is.
pub(super) fn window(scene: &Scene) -> (f64, f64) {
    let epochs = scene.state.search.setup.as_ref().map_or(1, |s| s.epochs).max(1) as f64;
    if scene.ui.zoom == 0 {
        return (0.0, epochs);
    }
    let to = scene.state.search.train_loss.span().map_or(epochs, |s| s.1).max(1e-3);
    let width = to / f64::from(1u32 << scene.ui.zoom.min(16));
    (to - width, to)
}

pub(super) fn chart(
    pad: &mut Pad,
    scene: &Scene,
    curves: &[Curve],
    log: bool,
    y_text: &dyn Fn(f64) -> String,
    include: Option<(f64, f64)>,
) {
    Chart {
        curves,
        x: window(scene),
        levels: &[],
        cursor: scene.ui.inspect,
        band: &[],
        marks: &[],
        gutter: GUTTER,
        include,
        log,
        markers: if pad.theme.ascii { crate::explorer::theme::Markers::Ascii } else { scene.ui.markers },
        y_text,
        x_text: &|v| if v == 0.0 { "0".into() } else { format!("epoch {}", text::significant(v, 3)) },
    }
    .draw(pad);
}

/// Room for `7.48 GiB`.
const GUTTER: u16 = 8;

/// `train 0.523  valid 0.611`, each in the colour of its line; how many there is room for.
fn legend(pad: &mut Pad, title: &str, parts: &[(&str, char, Option<String>)]) -> usize {
    let entry = |(name, glyph, value): &(&str, char, Option<String>)| {
        let mark = if pad.theme.ascii { *glyph } else { '●' };
        format!(" {mark} {name} {} ", value.clone().unwrap_or_else(|| "—".into()))
    };
    // The first are worth the most where there is no room for all.
    let mut room = pad.width().saturating_sub(text::width(title) + 4);
    let mut shown = Vec::new();
    for text in parts.iter().map(entry) {
        let Some(left) = room.checked_sub(text::width(&text)) else { break };
        room = left;
        shown.push(text);
    }
    let mut x = pad.width().saturating_sub(1);
    for (i, text) in shown.iter().enumerate().rev() {
        let style = pad.theme.series(i);
        x = pad.right(x, 0, text, style);
    }
    shown.len()
}

/// The latest value, or that at the time cursor.
fn at_cursor(scene: &Scene, series: &Series) -> Option<f64> {
    match scene.ui.inspect {
        None => series.last().map(|(_, v)| v),
        Some(at) => value_at(series, at),
    }
}

/// The value at a moment, or the first.
fn value_at(series: &Series, at: f64) -> Option<f64> {
    series.buckets().iter().rev().find(|b| b.from <= at + 1e-9).or(series.buckets().first()).map(Bucket::mean)
}

/// The pictures that are not trained on.
fn other(scene: &Scene) -> &'static str {
    if scene.state.trains() { "test" } else { "valid" }
}

pub(super) fn loss(pad: &mut Pad, scene: &Scene) {
    let search = &scene.state.search;
    let title = if scene.ui.log_scale { "loss (log)" } else { "loss" };
    let _ = pad.panel(title, "", false);
    let value = |s: &Series| at_cursor(scene, s).map(|v| text::significant(v, 3));
    legend(pad, title, &[("train", '*', value(&search.train_loss)), (other(scene), 'o', value(&search.valid_loss))]);
    let (w, h) = (pad.width(), pad.height());
    let mut inner = pad.sub(0, 1, w, h.saturating_sub(1));
    let curves = [
        Curve { points: search.train_loss.buckets(), style: inner.theme.series(0), glyph: '*' },
        Curve { points: search.valid_loss.buckets(), style: inner.theme.series(1), glyph: 'o' },
    ];
    chart(&mut inner, scene, &curves, scene.ui.log_scale, &|v| text::significant(v, 3), None);
}

pub(super) fn accuracy(pad: &mut Pad, scene: &Scene) {
    let search = &scene.state.search;
    let _ = pad.panel("accuracy", "", false);
    let percent = |v: f64| format!("{:.1} %", v * 100.0);
    let valid: Vec<Bucket> = search
        .epochs
        .iter()
        .map(|e| (e.epoch as f64 + 1.0, e.valid_accuracy))
        .filter(|(_, v)| v.is_finite())
        .map(|(x, v)| Bucket { from: x, to: x, low: v, high: v, sum: v, count: 1 })
        .collect();
    let train_now = at_cursor(scene, &search.train_accuracy).map(percent);
    let valid_now = valid.iter().rev().find(|b| scene.ui.inspect.is_none_or(|at| b.from <= at)).map(|b| percent(b.sum));
    legend(pad, "accuracy", &[("train", '*', train_now), (other(scene), 'o', valid_now)]);
    let (w, h) = (pad.width(), pad.height());
    let mut inner = pad.sub(0, 1, w, h.saturating_sub(1));
    let curves = [
        Curve { points: search.train_accuracy.buckets(), style: inner.theme.series(0), glyph: '*' },
        Curve { points: &valid, style: inner.theme.series(1), glyph: 'o' },
    ];
    chart(&mut inner, scene, &curves, false, &|v| format!("{:.0} %", v * 100.0), None);
}

pub(super) fn memory(pad: &mut Pad, scene: &Scene) {
    let state = scene.state;
    // This chart goes by the clock: it tells of scoring and pauses too.
    let clock = |at: f64| state.search.snapshot(at).map(|s| s.time - state.began);
    let cursor = scene.ui.inspect.and_then(clock);
    // Of a run on a GPU it is this process's part of the memory there.
    let title = if state.gpu.is_some() { "memory of the GPU" } else { "memory" };
    let series = &state.memory;
    let used = match cursor {
        None => series.last().map(|(_, v)| v),
        Some(at) => value_at(series, at),
    };
    let used = used.map(|v| text::bytes(v as u64));
    let predicted = state.search.setup.as_ref().map(|s| s.predicted_bytes);
    let _ = pad.panel(title, "", false);
    let told = legend(pad, title, &[("process", '*', used), ("search, predicted", '-', predicted.map(text::bytes))]);
    let (w, h) = (pad.width(), pad.height());
    let mut inner = pad.sub(0, 1, w, h.saturating_sub(1));
    let curves = [Curve { points: series.buckets(), style: inner.theme.series(0), glyph: '*' }];
    let span = series.span().unwrap_or((0.0, 1.0));
    let from = if scene.ui.zoom == 0 { 0.0 } else { clock(window(scene).0).unwrap_or(0.0) };
    let level: Vec<_> = predicted.map(|p| (p as f64, inner.theme.series(1))).into_iter().collect();
    Chart {
        curves: &curves,
        x: (from, span.1.max(from + 1.0)),
        levels: &level,
        cursor,
        band: &[],
        marks: &[],
        gutter: GUTTER,
        include: Some((0.0, 0.0)),
        log: false,
        markers: if inner.theme.ascii { crate::explorer::theme::Markers::Ascii } else { scene.ui.markers },
        y_text: &|v| text::bytes(v.max(0.0) as u64),
        x_text: &text::duration,
    }
    .draw(&mut inner);
    // Then its line says what it is, where it is the highest, so that its value is the axis's.
    let highest = series.range().map_or(0.0, |r| r.1);
    if told < 2 && predicted.is_some_and(|p| p as f64 >= highest) {
        let style = inner.theme.series(1);
        inner.text(GUTTER + 2, 0, " predicted ", style);
    }
}
