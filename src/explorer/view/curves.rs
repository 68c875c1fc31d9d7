//! What the search's charts show over epochs: losses and accuracies.

use super::Scene;
use crate::explorer::draw::Pad;
use crate::explorer::state::{Bucket, Epoch, Series};
use crate::explorer::widgets::{Chart, Curve};
use crate::text;

/// First and last epoch in view: all of the search, or the latest part of what there is.
pub(super) fn window(scene: &Scene) -> (f64, f64) {
    let epochs = scene.state.epochs.plan.map_or(1, |p| p.epochs).max(1) as f64;
    if scene.ui.zoom == 0 {
        return (0.0, epochs);
    }
    let to = scene.state.epochs.train_loss.span().map_or(epochs, |s| s.1).max(1e-3);
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
        bands: &[],
        marks: &[],
        gutter: GUTTER,
        include,
        log,
        binary: false,
        markers: if pad.theme.ascii { crate::explorer::theme::Markers::Ascii } else { scene.ui.markers },
        y_text,
        x_text: &|v| if v == 0.0 { "0".into() } else { format!("epoch {}", text::tick((v * 100.0).round() / 100.0)) },
    }
    .draw(pad);
}

/// Room for `7.48 GiB`.
pub(super) const GUTTER: u16 = 8;

/// `train 0.523  valid 0.611`, each in the colour of its line; `lack`: blanks around it that there is no room for.
fn legend(pad: &mut Pad, parts: &[String], lack: u16) {
    let mut x = pad.width().saturating_sub(1);
    for (i, text) in parts.iter().enumerate().rev() {
        let style = pad.theme.series(i);
        let text = if i == 0 && lack > 0 { text.trim_start() } else { text };
        let text = if i + 1 == parts.len() && lack > 1 { text.trim_end() } else { text };
        x = pad.right(x, 0, text, style);
    }
}

/// A panel with the first title that leaves room for the most of its legend; where there is no room for all of that, the
/// first parts are worth the most. How many parts are shown.
pub(super) fn titled(pad: &mut Pad, titles: &[String], parts: &[(&str, char, String)]) -> usize {
    // Where whole numbers do, all of them may fit.
    let whole =
        |v: &String| v.split_once('.').filter(|_| v.ends_with(" %")).map_or(v.clone(), |(v, _)| format!("{v} %"));
    let entry = |(name, glyph, value): &(&str, char, String)| {
        let mark = if pad.theme.ascii { *glyph } else { '●' };
        format!(" {mark} {name} {value} ")
    };
    let long: Vec<String> = parts.iter().map(entry).collect();
    let short: Vec<String> = parts.iter().map(|(n, g, v)| entry(&(*n, *g, whole(v)))).collect();
    let last = titles.last().map_or(0, |t| text::width(t));
    let room = pad.width().saturating_sub(last + 4);
    let sum = |parts: &[String]| parts.iter().map(|p| text::width(p)).sum::<u16>();
    // The blank behind the title may be the first part's, that before the corner the last one's.
    let parts = if sum(&long) > room + 2 && sum(&short) <= room + 2 { short } else { long };
    let fitting = |title: &String| {
        let mut room = pad.width().saturating_sub(text::width(title) + 2);
        let fits = |part: &&String| {
            let left = room.checked_sub(text::width(part));
            room = left.unwrap_or(room);
            left.is_some()
        };
        parts.iter().take_while(fits).count()
    };
    let best = titles.iter().map(fitting).max().unwrap_or(0);
    let title = titles.iter().find(|t| fitting(t) == best).cloned().unwrap_or_default();
    let _ = pad.panel(&title, "", false);
    let lack = (sum(&parts[..best]) + text::width(&title) + 4).saturating_sub(pad.width());
    legend(pad, &parts[..best], lack);
    best
}

/// The pictures that are not trained on.
fn other(scene: &Scene) -> &'static str {
    if scene.state.trains() { "test" } else { "valid" }
}

/// The latest epoch that has ended, or the latest before the time cursor: its means are what the log tells too.
fn epoch<'a>(scene: &Scene<'a>) -> Option<&'a Epoch> {
    let ended = &scene.state.epochs.ended;
    ended.iter().rev().find(|e| scene.ui.inspect.is_none_or(|at| e.epoch as f64 + 1.0 <= at + 1e-9))
}

/// Mean of what a series tells up to the time cursor: while no epoch has ended.
fn so_far(scene: &Scene, series: &Series) -> Option<f64> {
    let shown = series.buckets().iter().filter(|b| scene.ui.inspect.is_none_or(|at| b.from <= at + 1e-9));
    let (sum, count) = shown.fold((0.0, 0), |(s, n), b| (s + b.sum, n + b.count));
    (count > 0).then(|| sum / f64::from(count))
}

/// What a chart is of, at length and in short: `loss (log, smoothed), means of epoch 3`.
fn titles(scene: &Scene, what: &str, log: bool, smoothed: bool) -> Vec<String> {
    let of = match epoch(scene) {
        Some(e) => format!("means of epoch {}", e.epoch + 1),
        None => "means so far".into(),
    };
    let how = match (log, smoothed) {
        (true, true) => " (log, smoothed)",
        (true, false) => " (log)",
        (false, true) => " (smoothed)",
        (false, false) => "",
    };
    let short = if log { " (log)" } else { "" };
    vec![format!("{what}{how}, {of}"), format!("{what}{how}"), format!("{what}{short}"), what.into()]
}

/// Part of what is in view over which a curve of single steps is smoothed.
const SMOOTHED: f64 = 1.0 / 24.0;
/// Points below which there is nothing to smooth.
const FEW: usize = 24;

/// A curve of steps as it is drawn: means over a window around each point, or as it is.
pub fn smoothed(points: &[Bucket], window: f64) -> Vec<Bucket> {
    if points.len() < FEW || window <= 0.0 {
        return points.to_vec();
    }
    let (mut from, mut to) = (0, 0);
    let (mut sum, mut count) = (0.0, 0.0);
    let mut out = Vec::with_capacity(points.len());
    for p in points {
        let x = p.middle();
        while to < points.len() && points[to].middle() <= x + window / 2.0 {
            (sum, count) = (sum + points[to].sum, count + f64::from(points[to].count));
            to += 1;
        }
        while from < to && points[from].middle() < x - window / 2.0 {
            (sum, count) = (sum - points[from].sum, count - f64::from(points[from].count));
            from += 1;
        }
        out.push(Bucket::point(x, if count > 0.0 { sum / count } else { p.mean() }));
    }
    out
}

/// The points of a series of steps for the window in view, and whether they are smoothed.
fn steps(scene: &Scene, series: &Series) -> (Vec<Bucket>, bool) {
    let (from, to) = window(scene);
    let smooth = !scene.ui.raw && series.buckets().len() >= FEW;
    let width = if smooth { (to - from) * SMOOTHED } else { 0.0 };
    (smoothed(series.buckets(), width), smooth)
}

pub(super) fn loss(pad: &mut Pad, scene: &Scene) {
    let epochs = &scene.state.epochs;
    let value = |of: &dyn Fn(&Epoch) -> f64, s: &Series| {
        let v = epoch(scene).map(of).or_else(|| so_far(scene, s));
        v.map_or_else(|| "—".into(), |v| text::significant(v, 3))
    };
    let ((train, smooth), (valid, _)) = (steps(scene, &epochs.train_loss), steps(scene, &epochs.held_out_loss));
    let parts = [
        ("train", '*', value(&|e| e.train_loss, &epochs.train_loss)),
        (other(scene), 'o', value(&|e| e.held_out_loss, &epochs.held_out_loss)),
    ];
    titled(pad, &titles(scene, "loss", scene.ui.log_scale, smooth), &parts);
    let (w, h) = (pad.width(), pad.height());
    let mut inner = pad.sub(0, 1, w, h.saturating_sub(1));
    let curves = [
        Curve { points: &train, style: inner.theme.series(0), glyph: '*' },
        Curve { points: &valid, style: inner.theme.series(1), glyph: 'o' },
    ];
    chart(&mut inner, scene, &curves, scene.ui.log_scale, &|v| text::tick(v), None);
}

pub(super) fn accuracy(pad: &mut Pad, scene: &Scene) {
    let epochs = &scene.state.epochs;
    let percent = |v: Option<f64>| v.map_or_else(|| "—".into(), |v| format!("{:.1} %", v * 100.0));
    let valid: Vec<Bucket> = epochs
        .ended
        .iter()
        .map(|e| (e.epoch as f64 + 1.0, e.held_out_accuracy))
        .filter(|(_, v)| v.is_finite())
        .map(|(x, v)| Bucket::point(x, v))
        .collect();
    let (train, smooth) = steps(scene, &epochs.train_accuracy);
    let train_now = epoch(scene).map(|e| e.train_accuracy).or_else(|| so_far(scene, &epochs.train_accuracy));
    let parts = [
        ("train", '*', percent(train_now)),
        (other(scene), 'o', percent(epoch(scene).map(|e| e.held_out_accuracy).filter(|v| v.is_finite()))),
    ];
    titled(pad, &titles(scene, "accuracy", false, smooth), &parts);
    let (w, h) = (pad.width(), pad.height());
    let mut inner = pad.sub(0, 1, w, h.saturating_sub(1));
    let curves = [
        Curve { points: &train, style: inner.theme.series(0), glyph: '*' },
        Curve { points: &valid, style: inner.theme.series(1), glyph: 'o' },
    ];
    chart(&mut inner, scene, &curves, false, &|v| format!("{} %", text::tick(v * 100.0)), None);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_keeps_level_and_ends_and_takes_noise() {
        let noisy: Vec<Bucket> = (0..200).map(|i| Bucket::point(f64::from(i), 2.0 + f64::from(i % 2))).collect();
        let flat = smoothed(&noisy, 20.0);
        assert_eq!(flat.len(), noisy.len());
        assert!(flat.iter().all(|b| (b.mean() - 2.5).abs() < 0.06), "{flat:?}");
        assert_eq!((flat[0].from, flat[199].to), (0.0, 199.0));
        // Nothing is smoothed away where there is little.
        assert_eq!(smoothed(&noisy[..10], 20.0), noisy[..10]);
        assert_eq!(smoothed(&noisy, 0.0), noisy);
        assert!(smoothed(&[], 1.0).is_empty());
    }
}
