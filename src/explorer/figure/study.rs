//! The picture of a study: accuracy against memory, each family of settings as a curve, with its spread over seeds.

use super::paper::{Anchor, Axes, INK, LINE, Paper, QUIET, series, tick};
use crate::statistics::Spread;
use crate::study::results::{Results, Row};
use crate::text;

const MIB: f64 = 1_048_576.0;
/// Letters of a label beside the picture.
const LABEL: u16 = 34;

/// One setting in the picture. Bytes, and per cent.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub setting: usize,
    /// What varies along its curve: `ξ 0.5`.
    pub label: String,
    pub bytes: f64,
    pub accuracy: Spread,
    pub baseline: bool,
}

/// Settings that differ in one number, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    pub name: String,
    pub points: Vec<Point>,
}

/// The key along which a curve runs: the pruning level, if that varies, else the number that has the most values.
fn along(r: &Results) -> Option<String> {
    let mut numbers: Vec<(String, Vec<&str>)> = Vec::new();
    for (key, value) in r.rows.iter().flat_map(|row| &row.values).filter(|(_, v)| v.parse::<f64>().is_ok()) {
        match numbers.iter_mut().find(|(k, _)| k == key) {
            Some((_, values)) if !values.contains(&value.as_str()) => values.push(value),
            Some(_) => {}
            None => numbers.push((key.clone(), vec![value])),
        }
    }
    numbers.retain(|(_, values)| values.len() > 1);
    let level = numbers.iter().position(|(k, _)| k == "cut.xi");
    let most = (0..numbers.len()).max_by_key(|i| numbers[*i].1.len());
    level.or(most).map(|i| numbers[i].0.clone())
}

/// The settings that have an accuracy and bytes, as curves.
pub fn families(r: &Results) -> Vec<Family> {
    let along = along(r);
    let mut all: Vec<Family> = Vec::new();
    for (number, row) in r.rows.iter().enumerate() {
        let accuracy = *row.accuracy(r.measure);
        let (Some(_), Some(bytes)) = (accuracy.mean, row.bytes.mean.or(row.predicted_bytes.mean)) else { continue };
        let own = row.values.iter().find(|(k, _)| Some(k) == along.as_ref());
        let (name, label) = match own.filter(|_| row.values.len() > 1) {
            Some((key, value)) => (others(row, key), short(key, value)),
            None => (row.setting.clone(), String::new()),
        };
        let point = Point { setting: number, label, bytes, accuracy, baseline: row.baseline };
        match all.iter_mut().find(|f| f.name == name && !point.label.is_empty()) {
            Some(family) => family.points.push(point),
            None => all.push(Family { name, points: vec![point] }),
        }
    }
    all
}

/// A setting without the key that its curve runs along.
fn others(row: &Row, key: &str) -> String {
    let rest = row.values.iter().filter(|(k, _)| k != key);
    rest.map(|(k, v)| short(k, v)).collect::<Vec<_>>().join(", ")
}

/// A value with as much of its key as it needs.
fn short(key: &str, value: &str) -> String {
    match (key, value.parse::<f64>()) {
        ("cut.xi", _) => format!("ξ {value}"),
        (_, Ok(_)) => format!("{} {value}", key.rsplit('.').next().unwrap_or_default()),
        _ => value.replace('_', " "),
    }
}

/// The picture; `None` where no setting has an accuracy and bytes yet.
pub fn draw(r: &Results, title: &str) -> Option<String> {
    let families = families(r);
    let points = || families.iter().flat_map(|f| &f.points);
    let most = points().map(|p| p.bytes).reduce(f64::max)? / MIB;
    let ends = |p: &Point| {
        let (mean, deviation) = (p.accuracy.mean.unwrap_or(0.0), p.accuracy.deviation.unwrap_or(0.0));
        (mean - deviation, mean + deviation)
    };
    let low = points().map(|p| ends(p).0).fold(f64::INFINITY, f64::min);
    let high = points().map(|p| ends(p).1).fold(f64::NEG_INFINITY, f64::max);
    let spare = 0.06 * (high - low).max(0.5);
    let below = 20.0 * (families.len() + 1) as f64;
    let mut p = Paper::new(760.0, 400.0_f64.max(below + 90.0));
    let (unit, name) = if most >= 2048.0 { (1024.0, "GiB") } else { (1.0, "MiB") };
    let axes = Axes {
        left: 76.0,
        top: 40.0,
        width: 430.0,
        height: 300.0,
        x: (0.0, 1.06 * most / unit),
        y: (low - spare, (high + spare).min(low.max(100.0) + spare)),
    };
    p.text(axes.left, 24.0, 12.0, INK, Anchor::Start, &text::fit(title, 90));
    let y_label = format!("{} (%)", r.measure.meaning());
    axes.draw(&mut p, (&format!("peak memory of the search ({name})"), &y_label), (&tick, &tick));
    let at = |x: &Point, y: f64| axes.at(x.bytes / MIB / unit, y);
    if let Some(base) = points().find(|x| x.baseline) {
        let mean = base.accuracy.mean?;
        let (top, bottom) = (mean + r.margin, mean - r.margin);
        let inside = |v: f64| v.clamp(axes.y.0, axes.y.1);
        let (left, up) = axes.at(0.0, inside(top));
        let down = axes.at(0.0, inside(bottom)).1;
        p.rect(left, up, axes.width, down - up, "#eef2f6", "none");
        let y = axes.at(0.0, mean).1;
        p.line((left, y), (left + axes.width, y), QUIET, "4 3");
    }
    for (i, family) in families.iter().enumerate() {
        let color = series(i);
        let mut path = family.points.clone();
        path.sort_by(|a, b| a.bytes.total_cmp(&b.bytes));
        let curve: Vec<(f64, f64)> =
            path.iter().map(|x| (x.bytes / MIB / unit, x.accuracy.mean.unwrap_or(0.0))).collect();
        if path.len() > 1 {
            let edge =
                |of: &dyn Fn(&Point) -> f64| path.iter().map(|x| (x.bytes / MIB / unit, of(x))).collect::<Vec<_>>();
            let mut around = edge(&|x| ends(x).1);
            around.extend(edge(&|x| ends(x).0).into_iter().rev());
            p.band(&format!("{}Z", axes.curve(&around)), &color);
            p.path(&axes.curve(&curve), "none", &color, 1.6);
        }
        for x in &path {
            let mean = x.accuracy.mean.unwrap_or(0.0);
            let ((px, py), (lo, hi)) = (at(x, mean), ends(x));
            p.line((px, at(x, lo).1), (px, at(x, hi).1), &color, "none");
            p.circle(px, py, if x.baseline { 5.0 } else { 3.6 }, &color);
            if !x.label.is_empty() {
                // Near the frame to the left, so that it stays inside.
                let left = px + 40.0 > axes.left + axes.width;
                let (at, anchor) = if left { (px - 6.0, Anchor::End) } else { (px + 6.0, Anchor::Start) };
                p.text(at, py - 6.0, 8.0, &color, anchor, &x.label);
            }
        }
        let y = 52.0 + 20.0 * i as f64;
        p.rect(524.0, y - 8.0, 14.0, 10.0, &color, "none");
        let name =
            if path.iter().any(|x| x.baseline) { format!("{} (baseline)", family.name) } else { family.name.clone() };
        p.text(544.0, y + 1.0, 10.0, INK, Anchor::Start, &text::fit(&name, LABEL));
    }
    let y = 60.0 + 20.0 * families.len() as f64;
    p.line((524.0, y - 12.0), (744.0, y - 12.0), LINE, "none");
    let n = points().map(|x| x.accuracy.n).fold((usize::MAX, 0), |(l, h), n| (l.min(n), h.max(n)));
    let seeds = if n.0 == n.1 { n.0.to_string() } else { format!("{} to {}", n.0, n.1) };
    let about = format!(
        "Mean ± standard deviation over {seeds} seeds. Grey: within ±{} of the baseline.",
        text::significant(r.margin, 3)
    );
    p.lines((524.0, y + 4.0), 220.0, 9.0, QUIET, &about);
    Some(p.done())
}
