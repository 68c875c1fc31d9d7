//! A study: settings by seeds with what each run is at, what follows beside it, and accuracy against memory below.

use ratatui::style::Style;

use super::Scene;
use crate::explorer::draw::Pad;
use crate::explorer::figure::study::{Family, Point, families};
use crate::explorer::state::Bucket;
use crate::explorer::study::{Seen, Spot, Watched};
use crate::explorer::theme::{ColorDepth, Markers};
use crate::explorer::ui::Target;
use crate::explorer::widgets::{Chart, Curve, Steps};
use crate::study::State;
use crate::study::results::{Conclusion, Row, words};
use crate::text;

/// Columns of a setting's name, at least and at most.
const NAME: (u16, u16) = (12, 34);
/// Columns from which what follows has room beside the picture.
const WIDE: u16 = 110;
/// Columns of one run.
const SPOT: u16 = 7;
/// Columns left of the picture, for its scale.
const GUTTER: u16 = 6;

pub fn draw(pad: &mut Pad, scene: &Scene) {
    let words = match scene.study {
        Watched::Seen(seen) => return whole(pad, scene, seen),
        Watched::Nothing => {
            "No study is open. `zonas study new DIR` makes one, `zonas study open DIR` shows it here.".to_string()
        }
        Watched::Reading => "The study is being read: its design, and the journal of each of its runs.".into(),
        Watched::Unreadable(why) => format!("The study can't be read: {why}"),
    };
    pad.panel("study", "", false).prose(&text::sanitize(&words));
}

fn whole(pad: &mut Pad, scene: &Scene, seen: &Seen) {
    let (w, h) = (pad.width(), pad.height());
    let rows = seen.spots.len() as u16;
    // The matrix with its frame and head; the picture has what is left, if that is enough.
    let upper = if h >= rows + 4 + 9 { rows + 4 } else { h.saturating_sub(9).max(h / 2) };
    let upper = if h < 18 { h } else { upper };
    matrix(&mut pad.sub(0, 0, w, upper), scene, seen);
    if upper < h {
        let wide = w >= WIDE;
        let width = if wide { w * 3 / 5 } else { w };
        picture(&mut pad.sub(0, upper, width, h - upper), scene, seen, !wide);
        if wide {
            follows(&mut pad.sub(width + 1, upper, w - width - 1, h - upper), seen);
        }
    }
}

/// A glyph for how a run stands.
fn light(pad: &Pad, state: &State) -> (char, Style) {
    match state {
        State::Done => ('✓', pad.theme.good()),
        State::Running(_) => ('●', pad.theme.good()),
        State::Queued(_) => ('◆', pad.theme.dim()),
        State::Stopped(_) => ('■', pad.theme.warning()),
        State::Failed(_) | State::Unreachable(_) => ('✗', pad.theme.bad()),
        State::Ready | State::Waits(_) => ('·', pad.theme.dim()),
    }
}

fn spot(pad: &mut Pad, x: u16, y: u16, spot: &Spot) {
    let (glyph, style) = light(pad, &spot.state);
    match (&spot.state, spot.accuracy) {
        (State::Done, Some(a)) => {
            let plain = pad.theme.plain();
            pad.right(x + SPOT - 1, y, &format!("{a:.2}"), plain);
        }
        _ => {
            let told = match &spot.state {
                State::Running(detail) => {
                    detail.strip_prefix("epoch ").map(|d| d.split(' ').next().unwrap_or("").to_string())
                }
                _ => None,
            };
            pad.put(x + SPOT - 2, y, glyph, style);
            if let Some(told) = told {
                pad.right(x + SPOT - 3, y, &told, style);
            }
        }
    }
}

/// What stands beside the runs of a setting: a title, its columns, and what it shows.
type Beside = (&'static str, u16, fn(&Seen, usize) -> String);

fn of(seen: &Seen, setting: usize) -> Option<&crate::study::results::Beside> {
    seen.results.beside.iter().find(|b| b.setting == seen.results.rows[setting].setting)
}

fn memory(row: &Row) -> String {
    let bytes = row.bytes.mean.or(row.predicted_bytes.mean);
    bytes.map_or_else(|| "—".into(), |b| text::bytes(b as u64))
}

const BESIDE: [Beside; 5] = [
    ("mean ± sd", 13, |s, i| words::spread(s.results.rows[i].accuracy(s.results.measure), 2)),
    ("memory", 8, |s, i| memory(&s.results.rows[i])),
    ("against", 8, |s, i| match of(s, i) {
        None => "baseline".into(),
        Some(b) => b.mean.map_or_else(|| "—".into(), |m| format!("{m:+.2}")),
    }),
    ("p (Holm)", 8, |s, i| of(s, i).map_or_else(String::new, |b| words::p(b.p_holm))),
    ("concluded", 18, |s, i| of(s, i).map_or_else(String::new, |b| words::conclusion(b, s.results.margin))),
];

fn matrix(pad: &mut Pad, scene: &Scene, seen: &Seen) {
    let [done, running, failed, all] = seen.counts;
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    let note = format!("{done} of {all} runs done, {running} at work{failed} · {}", seen.results.measure.meaning());
    let mut inner = pad.panel(&format!("study {}", text::sanitize(&seen.name)), &note, true);
    let (w, h) = (inner.width(), inner.height());
    let (dim, plain, strong) = (inner.theme.dim(), inner.theme.plain(), inner.theme.strong());
    let names: Vec<String> = seen.results.rows.iter().map(|r| text::sanitize(&r.setting)).collect();
    let longest = names.iter().map(|n| text::width(n)).max().unwrap_or(0);
    let name = longest.clamp(NAME.0, NAME.1).min(w / 3);
    let first = name + 3;
    // As many of the numbers beside as leave room for three seeds, then as many seeds as fit.
    let seeds = seen.seeds.len() as u16;
    let least = seeds.min(3) * SPOT;
    let mut beside = BESIDE.len();
    let width = |n: usize| BESIDE[..n].iter().map(|b| b.1 + 2).sum::<u16>();
    while beside > 1 && first + least + width(beside) > w {
        beside -= 1;
    }
    let fit = (w.saturating_sub(first + width(beside)) / SPOT).max(1);
    let (_, column) = scene.ui.study;
    let from = (column as u16 + 1).saturating_sub(fit).min(seeds.saturating_sub(fit)) as usize;
    let shown: Vec<usize> = (from..seen.seeds.len()).take(usize::from(fit)).collect();
    let more = from + shown.len() < seen.seeds.len();
    if more {
        inner.put(first + SPOT * shown.len() as u16, 0, '▶', dim);
    }
    for (i, seed) in shown.iter().enumerate() {
        let label =
            if i == 0 && from > 0 { format!("◀ {}", seen.seeds[*seed]) } else { format!("s{}", seen.seeds[*seed]) };
        inner.right(first + SPOT * i as u16 + SPOT - 1, 0, &label, dim);
    }
    let right = first + SPOT * shown.len() as u16 + 2;
    let mut x = right;
    for (title, columns, _) in &BESIDE[..beside] {
        inner.right(x + columns, 0, title, dim);
        x += columns + 2;
    }
    let room = usize::from(h.saturating_sub(1));
    let cursor = scene.ui.study.0.min(names.len().saturating_sub(1));
    let top = (cursor + 1).saturating_sub(room);
    for (setting, label) in names.iter().enumerate().skip(top).take(room) {
        let y = 1 + (setting - top) as u16;
        let base = seen.results.rows[setting].baseline;
        if base {
            inner.put(0, y, '▸', strong);
        }
        inner.fitted(1, y, name, label, if base { strong } else { plain });
        for (i, seed) in shown.iter().enumerate() {
            let at = first + SPOT * i as u16;
            spot(&mut inner, at, y, &seen.spots[setting][*seed]);
            scene.hits.add(inner.area_of(at, y, SPOT, 1), Target::Spot(setting, *seed));
            if (setting, *seed) == (cursor, column.min(seen.seeds.len().saturating_sub(1))) {
                let style = inner.theme.cursor();
                inner.style(at, y, SPOT, 1, style);
            }
        }
        let mut x = right;
        for (title, columns, value) in &BESIDE[..beside] {
            let style = match of(seen, setting).map(|b| b.conclusion) {
                Some(Conclusion::Better | Conclusion::Same) if *title == "concluded" => inner.theme.good(),
                Some(Conclusion::Worse) if *title == "concluded" => inner.theme.bad(),
                _ => plain,
            };
            let told = text::fit(&value(seen, setting), *columns);
            inner.right(x + columns, y, &told, style);
            x += columns + 2;
        }
    }
}

/// What the cursor is on, and what follows.
fn follows(pad: &mut Pad, seen: &Seen) {
    let r = &seen.results;
    let note = format!("at {}, margin ±{}", r.alpha, text::significant(r.margin, 3));
    let mut inner = pad.panel("what follows", &note, false);
    let (w, h, dim, plain) = (inner.width(), inner.height(), inner.theme.dim(), inner.theme.plain());
    let told = words::concluded(r).into_iter().map(|l| (l, plain));
    let notes = r.notes.iter().map(|n| (n.clone(), dim));
    let mut y = 0;
    for (words, style) in told.chain(notes) {
        for line in text::wrap(&text::sanitize(&words), w.saturating_sub(2)) {
            if y < h {
                inner.text(1, y, &line, style);
            }
            y += 1;
        }
    }
}

fn picture(pad: &mut Pad, scene: &Scene, seen: &Seen, alone: bool) {
    // Where there is no room beside, what is concluded of the setting under the cursor stands here.
    let told = seen.results.rows.get(scene.ui.study.0).and_then(|row| {
        let b = seen.results.beside.iter().find(|b| b.setting == row.setting)?;
        let mean = b.mean.map_or_else(String::new, |m| format!("{m:+.2}: "));
        Some(text::sanitize(&format!("{} {mean}{}", b.setting, words::conclusion(b, seen.results.margin))))
    });
    let note = told.filter(|_| alone).unwrap_or_else(|| "bars: ± deviation over seeds".into());
    let title = if alone { "accuracy (%) by memory" } else { "accuracy (%) against peak memory of the search" };
    let mut inner = pad.panel(title, &note, false);
    let all = families(&seen.results);
    let most = all.iter().flat_map(|f| &f.points).map(|p| p.bytes).fold(0.0, f64::max);
    if most == 0.0 {
        inner.prose("Accuracy against memory will be drawn here when the first runs are done.");
        return;
    }
    const GLYPHS: [char; 6] = ['*', 'o', '+', 'x', '#', '%'];
    let points: Vec<Vec<Bucket>> = all.iter().map(buckets).collect();
    let curves: Vec<Curve> = points
        .iter()
        .enumerate()
        .map(|(i, points)| Curve {
            points,
            style: inner.theme.series(i),
            glyph: GLYPHS[i % GLYPHS.len()],
            behind: false,
        })
        .collect();
    let base = all.iter().flat_map(|f| &f.points).find(|p| p.baseline).and_then(|p| p.accuracy.mean);
    let levels: Vec<(f64, Style)> = base.map(|b| (b, inner.theme.dim())).into_iter().collect();
    // Without colours they are told apart by letters.
    let letters = inner.theme.ascii || inner.theme.depth == ColorDepth::Mono;
    let mut marks = Vec::new();
    for (i, f) in all.iter().enumerate() {
        for p in &f.points {
            let glyph = match p.baseline {
                _ if letters => GLYPHS[i % GLYPHS.len()],
                true => '◆',
                false => '●',
            };
            marks.push((p.bytes, p.accuracy.mean.unwrap_or(0.0), glyph, inner.theme.series(i)));
        }
    }
    let (w, h) = (inner.width(), inner.height());
    // Legends as wide as they are, in as many lines as it takes, three at most.
    let mut x = 1;
    let mut y = 0;
    for (i, f) in all.iter().enumerate() {
        let glyph = if letters { GLYPHS[i % GLYPHS.len()] } else { '●' };
        let words = format!("{glyph} {}", text::sanitize(&f.name));
        if x > 1 && x + text::width(&words) >= w {
            (x, y) = (1, y + 1);
        }
        if y < 3.min(h / 4) {
            let style = inner.theme.series(i);
            x = inner.text(x, y, &text::fit(&words, w.saturating_sub(x)), style) + 2;
        }
    }
    let top = (y + 1).min(3.min(h / 4).max(1));
    let named = labels(&all, (w.saturating_sub(GUTTER), h.saturating_sub(top + 1)), most);
    let names: Vec<(f64, f64, &str, Style)> =
        named.iter().map(|(x, y, label, i)| (*x, *y, *label, inner.theme.series(*i))).collect();
    Chart {
        curves: &curves,
        x: (0.0, 1.05 * most),
        levels: &levels,
        cursor: None,
        bands: &[],
        marks: &marks,
        names: &names,
        steps: Steps::Ends,
        gutter: GUTTER,
        include: None,
        log: false,
        binary: false,
        markers: if inner.theme.ascii { Markers::Ascii } else { scene.ui.markers },
        y_text: &text::tick,
        x_text: &|v, _| text::bytes(v as u64),
    }
    .draw(&mut inner.sub(0, top, w, h.saturating_sub(top)));
}

/// What varies along the curves, beside their points: bytes, accuracy, words, and the number of the family. Those for which there is
/// no room in so many columns and lines are left out.
fn labels(all: &[Family], (columns, lines): (u16, u16), most: f64) -> Vec<(f64, f64, &str, usize)> {
    let points = || all.iter().enumerate().flat_map(|(i, f)| f.points.iter().map(move |p| (i, p)));
    let ends = |p: &Point| {
        let (mean, deviation) = (p.accuracy.mean.unwrap_or(0.0), p.accuracy.deviation.unwrap_or(0.0));
        [mean - deviation, mean + deviation]
    };
    let low = points().flat_map(|(_, p)| ends(p)).fold(f64::INFINITY, f64::min);
    let high = points().flat_map(|(_, p)| ends(p)).fold(f64::NEG_INFINITY, f64::max);
    let line = (high - low).max(f64::MIN_POSITIVE) / f64::from(lines.max(1));
    let column = 1.05 * most / f64::from(columns.max(1));
    let mut told: Vec<(f64, f64, &str, usize)> = Vec::new();
    for (i, p) in points().filter(|(_, p)| !p.label.is_empty()) {
        let (x, y) = (p.bytes, p.accuracy.mean.unwrap_or(0.0));
        let width = |words: &str| f64::from(text::width(words) + 1) * column;
        let apart = |(a, b, words, _): &(f64, f64, &str, usize)| {
            (b - y).abs() > 1.5 * line || (a - x).abs() > width(if *a > x { words } else { &p.label })
        };
        if told.iter().all(apart) {
            told.push((x, y, &p.label, i));
        }
    }
    told
}

/// A family by its bytes, each point with its deviation.
fn buckets(f: &Family) -> Vec<Bucket> {
    let mut all: Vec<Bucket> = f
        .points
        .iter()
        .map(|p| {
            let (mean, deviation) = (p.accuracy.mean.unwrap_or(0.0), p.accuracy.deviation.unwrap_or(0.0));
            Bucket { low: mean - deviation, high: mean + deviation, ..Bucket::point(p.bytes, mean) }
        })
        .collect();
    all.sort_by(|a, b| a.from.total_cmp(&b.from));
    all
}
