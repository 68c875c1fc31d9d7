//! Memory of the process over the wall clock, against what was predicted for the search.

use super::Scene;
use super::curves::{GUTTER, titled, window};
use crate::explorer::draw::Pad;
use crate::explorer::state::{Bucket, Series};
use crate::explorer::widgets::{Chart, Curve, Steps};
use crate::text;

/// Part of the time at work that a time without news takes on the chart at most.
const GAP: f64 = 0.08;

/// Pieces of a curve beside each other: a time in which nothing was told is blank, and no longer than [`GAP`], so that a night
/// without an engine does not press the rest into a few columns.
struct Layout {
    /// First and last second of each piece, and what is taken off its times.
    pieces: Vec<(f64, f64, f64)>,
}

impl Layout {
    fn of(series: &Series) -> Layout {
        let parts = series.parts();
        let spans: Vec<(f64, f64)> = parts.iter().filter_map(|p| Some((p.first()?.from, p.last()?.to))).collect();
        let work: f64 = spans.iter().map(|(from, to)| to - from).sum();
        let longest = (work * GAP).max(1.0);
        let mut pieces: Vec<(f64, f64, f64)> = Vec::with_capacity(spans.len());
        for (from, to) in spans {
            let off = pieces.last().map_or(from, |(_, before, off)| off + (from - before - longest).max(0.0));
            pieces.push((from, to, off));
        }
        Layout { pieces }
    }

    /// Where a time lies; one in a gap at its beginning.
    fn at(&self, time: f64) -> f64 {
        let piece = self.pieces.iter().rev().find(|p| p.0 <= time).or(self.pieces.first());
        piece.map_or(0.0, |(from, to, off)| time.clamp(*from, *to) - off)
    }

    /// Where the last piece ends.
    fn end(&self) -> f64 {
        self.pieces.last().map_or(1.0, |p| p.1 - p.2).max(1.0)
    }

    /// Seconds from the first to the last, gaps and all.
    fn seconds(&self) -> f64 {
        self.pieces.first().zip(self.pieces.last()).map_or(0.0, |(a, b)| b.1 - a.0)
    }
}

pub(super) fn draw(pad: &mut Pad, scene: &Scene) {
    let state = scene.state;
    // This chart goes by the clock: it tells of scoring and pauses too.
    let clock = |at: f64| state.search.snapshot(at).map(|s| s.time);
    let series = &state.memory;
    let layout = Layout::of(series);
    let cursor = scene.ui.inspect.and_then(clock);
    let used = match cursor {
        None => series.last().map(|(_, v)| v),
        Some(at) => series.buckets().iter().rev().find(|b| b.from <= at + 1e-9).map(Bucket::mean),
    };
    let used = used.map_or_else(|| "—".into(), |v| text::bytes(v as u64));
    // What is predicted is what a search adds to the process; of a GPU it is all that the process takes there.
    let idle = if state.gpu.is_some() { 0 } else { state.memory_idle.unwrap_or(0) };
    let predicted = state.epochs.plan.map(|p| p.predicted_bytes);
    let level = predicted.map(|p| (p + idle) as f64);
    let sum = predicted.map_or_else(
        || "—".into(),
        |p| match idle {
            0 => text::bytes(p),
            idle => format!("{} = {} + {} idle", text::bytes(p + idle), text::bytes(p), text::bytes(idle)),
        },
    );
    // Of a run on a GPU it is this process's part of the memory there.
    let title = if state.gpu.is_some() { "memory of the GPU" } else { "memory" };
    let titles = [title.to_string()];
    titled(pad, &titles, &[("process", '*', used), ("predicted", '-', sum)]);
    let (w, h) = (pad.width(), pad.height());
    let mut inner = pad.sub(0, 1, w, h.saturating_sub(1));
    let moved = |b: &Bucket| Bucket { from: layout.at(b.from), to: layout.at(b.to), ..*b };
    let parts: Vec<Vec<Bucket>> = series.parts().iter().map(|p| p.iter().map(moved).collect()).collect();
    let style = inner.theme.series(0);
    let curves: Vec<Curve> = parts.iter().map(|points| Curve { points, style, glyph: '*', behind: false }).collect();
    let from = if scene.ui.zoom == 0 { 0.0 } else { clock(window(scene).0).map_or(0.0, |t| layout.at(t)) };
    let to = layout.end().max(from + 1.0);
    let levels: Vec<_> = level.map(|l| (l, inner.theme.series(1))).into_iter().collect();
    // Of the wall clock, gaps and all.
    let gaps = match layout.pieces.len() {
        0 | 1 => String::new(),
        2 => " with a gap".into(),
        n => format!(" with {} gaps", n - 1),
    };
    let total = text::duration(layout.seconds()) + &gaps;
    Chart {
        curves: &curves,
        x: (from, to),
        levels: &levels,
        cursor: cursor.map(|t| layout.at(t)),
        bands: &[],
        marks: &[],
        names: &[],
        steps: Steps::Seconds,
        gutter: GUTTER,
        include: Some((0.0, 0.0)),
        log: false,
        binary: true,
        markers: if inner.theme.ascii { crate::explorer::theme::Markers::Ascii } else { scene.ui.markers },
        y_text: &|v| text::bytes(v.max(0.0) as u64),
        x_text: &|v, last| match (last, v) {
            (true, v) if v == to => total.clone(),
            (_, 0.0) => "0".into(),
            (_, v) => text::duration(v),
        },
    }
    .draw(&mut inner);
    // The line says what it is.
    let highest = series.range().map_or(0.0, |r| r.1).max(level.unwrap_or(0.0));
    if let Some(level) = level.filter(|_| !curves.is_empty() && h > 3) {
        let rows = if h >= 5 { h - 2 } else { h - 1 };
        let row = (f64::from(rows - 1) * (1.0 - level / highest.max(1.0))).round() as u16;
        let all = text::bytes(level as u64);
        let mut words = vec![format!(" predicted: {all} "), format!(" {all} ")];
        if let Some(p) = predicted.filter(|_| idle > 0) {
            words.insert(0, format!(" predicted: {} + {} idle ", text::bytes(p), text::bytes(idle)));
            words[1] = format!(" predicted: {}+idle ", text::bytes(p));
        }
        let room = w.saturating_sub(GUTTER + 3);
        let style = inner.theme.series(1);
        if let Some(words) = words.iter().find(|t| text::width(t) <= room) {
            inner.text(GUTTER + 2, row.min(rows - 1), words, style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_short_blank_and_in_order() {
        let mut s = Series::default();
        for i in 0..100 {
            if i == 50 {
                s.interrupt();
            }
            // A night in between.
            s.push(f64::from(i) + if i < 50 { 0.0 } else { 40_000.0 }, 1.0);
        }
        let layout = Layout::of(&s);
        assert_eq!(layout.pieces.len(), 2);
        assert_eq!((layout.at(0.0), layout.at(49.0)), (0.0, 49.0));
        let gap = layout.at(40_050.0) - layout.at(49.0);
        assert!((5.0..10.0).contains(&gap), "{gap}");
        assert_eq!(layout.at(20_000.0), 49.0);
        assert!((layout.seconds() - 40_099.0).abs() < 1e-9 && layout.end() < 110.0);
        let none = Layout::of(&Series::default());
        assert_eq!((none.at(5.0), none.end(), none.seconds()), (0.0, 1.0, 0.0));
    }
}
