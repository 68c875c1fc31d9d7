//! What the search's charts show over epochs: losses and accuracies.

use ratatui::style::{Modifier, Style};

use super::Scene;
use super::axis::Scale;
use super::smooth::exponential;
use crate::explorer::compare::Side;
use crate::explorer::draw::Pad;
use crate::explorer::state::{Bucket, Epoch, Epochs, Series};
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

/// What is drawn over the search: curves over epochs from the start.
pub(super) struct Over<'a> {
    pub curves: &'a [Curve<'a>],
    pub marks: &'a [(f64, f64, char, Style)],
    pub names: &'a [(f64, f64, &'a str, Style)],
    pub log: bool,
    pub y_text: &'a dyn Fn(f64) -> String,
}

/// A chart over the axis that the person chose. What is over epochs is moved there; curves of other runs are over it already.
pub(super) fn chart(pad: &mut Pad, scene: &Scene, over: &Over) {
    let scale = Scale::of(scene.ui.axis, &scene.state.epochs);
    let (from, to) = window(scene);
    let x = (scale.at(from), scale.at(to));
    Chart {
        curves: over.curves,
        x,
        levels: &[],
        cursor: scene.ui.inspect.map(|at| scale.at(at)),
        bands: &[],
        marks: over.marks,
        names: over.names,
        steps: scale.steps(),
        gutter: GUTTER,
        include: None,
        log: over.log,
        binary: false,
        markers: if pad.theme.ascii { crate::explorer::theme::Markers::Ascii } else { scene.ui.markers },
        y_text: over.y_text,
        x_text: &|v, last| scale.tick(v, last),
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

/// What a chart is of, at length and in short: `loss (log, smoothed 0.6), means of epoch 3`.
fn titles(scene: &Scene, what: &str, log: bool) -> Vec<String> {
    let of = match epoch(scene) {
        Some(e) => format!("means of epoch {}", e.epoch + 1),
        None => "means so far".into(),
    };
    let smooth = scene.ui.smooth.weight();
    let how = match (log, smooth > 0.0) {
        (true, true) => format!(" (log, smoothed {smooth})"),
        (true, false) => " (log)".into(),
        (false, true) => format!(" (smoothed {smooth})"),
        (false, false) => String::new(),
    };
    let short = if log { " (log)" } else { "" };
    vec![format!("{what}{how}, {of}"), format!("{what}{how}"), format!("{what}{short}"), what.into()]
}

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

/// Epochs in so many columns are points; more are a line.
const APART: u16 = 3;

/// The means of epochs as a curve.
fn means(scale: Scale, epochs: &Epochs, of: &dyn Fn(&Epoch) -> f64) -> Vec<Bucket> {
    let point = |e: &Epoch| Bucket::point(scale.at(e.epoch as f64 + 1.0), of(e));
    epochs.ended.iter().map(point).filter(|b| b.sum.is_finite()).collect()
}

/// What is drawn of a run's training and held-out values: curves, and the means of its epochs.
struct Lines {
    /// Of single steps: training, and held out where that is told.
    steps: [Vec<Bucket>; 2],
    smooth: [Vec<Bucket>; 2],
    means: [Vec<Bucket>; 2],
}

impl Lines {
    fn of(scene: &Scene, steps: [&Series; 2], of: [&dyn Fn(&Epoch) -> f64; 2]) -> Lines {
        let epochs = &scene.state.epochs;
        let scale = Scale::of(scene.ui.axis, epochs);
        let weight = scene.ui.smooth.weight();
        let steps = steps.map(|s| s.buckets());
        let smooth = |points: &[Bucket]| if weight > 0.0 { exponential(points, weight) } else { Vec::new() };
        Lines {
            smooth: steps.map(|p| scale.points(&smooth(p))),
            steps: steps.map(|p| scale.points(p)),
            means: of.map(|of| means(scale, epochs, of)),
        }
    }

    /// Draws them, with the runs that are pinned behind: of those the held-out means.
    fn draw(
        &self,
        pad: &mut Pad,
        scene: &Scene,
        log: bool,
        y_text: &dyn Fn(f64) -> String,
        held_out: &dyn Fn(&Epoch) -> f64,
    ) {
        let others: Vec<&Side> = scene.pinned.iter().filter(|s| Some(&s.name) != scene.ui.opened.as_ref()).collect();
        let pinned: Vec<Vec<Bucket>> = others
            .iter()
            .map(|s| means(Scale::of(scene.ui.axis, &s.state.epochs), &s.state.epochs, held_out))
            .collect();
        let faint = |style: Style| style.add_modifier(Modifier::DIM);
        let style = |i: usize| pad.theme.series(i);
        let line = |points, style, glyph| Curve { points, style, glyph, behind: false };
        let behind = |points, style, glyph| Curve { points, style: faint(style), glyph, behind: true };
        let mut curves: Vec<Curve> =
            pinned.iter().enumerate().map(|(i, points)| behind(&points[..], style(2 + i), '.')).collect();
        let [train, valid] = &self.steps;
        // What is held out is noisier; its steps lie lowest, so that they hide nothing.
        if !self.smooth[0].is_empty() || !self.smooth[1].is_empty() {
            curves.push(behind(valid, style(1), '.'));
            curves.push(behind(train, style(0), '.'));
            curves.push(line(&self.smooth[0], style(0), '*'));
            curves.push(line(&self.smooth[1], style(1), 'o'));
        } else {
            curves.push(line(train, style(0), '*'));
        }
        let known = self.smooth[1].len() > 1;
        let few = self.means[0].len() <= usize::from(pad.width() / APART);
        if !known {
            curves.push(line(&self.means[1], style(1), 'o'));
        } else if !few {
            curves.push(behind(&self.means[1], style(1), 'o'));
        }
        let mut marks: Vec<(f64, f64, char, Style)> = Vec::new();
        if few {
            for (i, glyph) in [(0, '◆'), (1, '●')] {
                marks.extend(self.means[i].iter().map(|b| (b.to, b.mean(), glyph, style(i))));
            }
        }
        let names: Vec<(f64, f64, &str, Style)> = others
            .iter()
            .zip(&pinned)
            .enumerate()
            .filter_map(|(i, (side, points))| {
                let last = points.last()?;
                Some((last.to, last.mean(), side.name.as_str(), faint(style(2 + i))))
            })
            .collect();
        chart(pad, scene, &Over { curves: &curves, marks: &marks, names: &names, log, y_text });
    }
}

pub(super) fn loss(pad: &mut Pad, scene: &Scene) {
    let epochs = &scene.state.epochs;
    let value = |of: &dyn Fn(&Epoch) -> f64, s: &Series| {
        let v = epoch(scene).map(of).or_else(|| so_far(scene, s));
        v.map_or_else(|| "—".into(), |v| text::significant(v, 3))
    };
    let parts = [
        ("train", '*', value(&|e| e.train_loss, &epochs.train_loss)),
        (other(scene), 'o', value(&|e| e.held_out_loss, &epochs.held_out_loss)),
    ];
    titled(pad, &titles(scene, "loss", scene.ui.log_scale), &parts);
    let (w, h) = (pad.width(), pad.height());
    let lines =
        Lines::of(scene, [&epochs.train_loss, &epochs.held_out_loss], [&|e| e.train_loss, &|e| e.held_out_loss]);
    let mut inner = pad.sub(0, 1, w, h.saturating_sub(1));
    lines.draw(&mut inner, scene, scene.ui.log_scale, &|v| text::tick(v), &|e| e.held_out_loss);
}

pub(super) fn accuracy(pad: &mut Pad, scene: &Scene) {
    let epochs = &scene.state.epochs;
    let percent = |v: Option<f64>| v.map_or_else(|| "—".into(), |v| format!("{:.1} %", v * 100.0));
    let train_now = epoch(scene).map(|e| e.train_accuracy).or_else(|| so_far(scene, &epochs.train_accuracy));
    let parts = [
        ("train", '*', percent(train_now)),
        (other(scene), 'o', percent(epoch(scene).map(|e| e.held_out_accuracy).filter(|v| v.is_finite()))),
    ];
    titled(pad, &titles(scene, "accuracy", false), &parts);
    let (w, h) = (pad.width(), pad.height());
    // What is held out is told once an epoch.
    let none = Series::default();
    let lines = Lines::of(scene, [&epochs.train_accuracy, &none], [&|e| e.train_accuracy, &|e| e.held_out_accuracy]);
    let mut inner = pad.sub(0, 1, w, h.saturating_sub(1));
    lines.draw(&mut inner, scene, false, &|v| format!("{} %", text::tick(v * 100.0)), &|e| e.held_out_accuracy);
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
