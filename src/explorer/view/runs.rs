//! All runs in the runs folder: as many columns as there is room for, each as wide as what stands in it.

use super::{Scene, start};
use crate::explorer::draw::Pad;
use crate::explorer::runs::Row;
use crate::explorer::ui::Target;
use crate::text;

/// One column of the list.
struct Column {
    title: &'static str,
    /// Lowest first is left out where there is no room.
    worth: u8,
    right: bool,
    /// Columns that it may take at least and at most.
    least: u16,
    most: u16,
    value: fn(&Row, f64) -> String,
}

const fn column(
    title: &'static str,
    worth: u8,
    right: bool,
    (least, most): (u16, u16),
    value: fn(&Row, f64) -> String,
) -> Column {
    Column { title, worth, right, least, most, value }
}

fn none() -> String {
    "—".into()
}

fn accuracy(run: &Row, trains: bool) -> String {
    run.accuracy.filter(|_| run.trains == trains).map_or_else(none, |a| format!("{:.1} %", a * 100.0))
}

/// In the order in which they stand.
const COLUMNS: [Column; 12] = [
    column("name", 255, false, (10, 48), |r, _| text::sanitize(&r.name)),
    column("state", 250, false, (11, 40), |r, _| text::sanitize(&r.status)),
    column("age", 60, false, (9, 11), |r, now| text::age((now - r.last).max(0.0))),
    column("kept", 80, true, (4, 4), |r, _| r.kept.map_or_else(none, |k| k.to_string())),
    // Of the supernet on validation pictures, and of a training on test pictures: they do not compare.
    column("supernet", 100, true, (8, 8), |r, _| accuracy(r, false)),
    column("test", 99, true, (6, 6), |r, _| accuracy(r, true)),
    column("epoch", 30, true, (5, 9), |r, _| r.epochs.map_or_else(none, |(e, of)| format!("{e}/{of}"))),
    column("ξ", 40, true, (5, 5), |r, _| r.cut.as_ref().map_or_else(none, |c| text::significant(c.0, 3))),
    column("cut by", 38, false, (6, 16), |r, _| {
        r.cut.as_ref().map_or_else(none, |c| text::sanitize(&c.1).replace('_', " "))
    }),
    column("seed", 35, true, (4, 12), |r, _| r.seed.map_or_else(none, |s| s.to_string())),
    column("predicted", 32, true, (9, 9), |r, _| r.memory.map_or_else(none, text::bytes)),
    column("data", 50, false, (12, 60), |r, _| text::sanitize(&r.data)),
];

/// Between two columns.
const GAP: u16 = 2;
/// Columns in all from which a name and a state have so many each.
const ROOMY: u16 = 68;
const GOOD: u16 = 20;

/// The columns that fit, with their widths: the least of each first, then what their longest value asks for, the first
/// columns before the others.
fn layout(rows: &[&Row], now: f64, room: u16) -> Vec<(&'static Column, u16)> {
    let wanted = |c: &Column| {
        let longest = rows.iter().map(|r| text::width(&(c.value)(r, now))).max().unwrap_or(0);
        longest.max(text::width(c.title)).clamp(c.least, c.most)
    };
    // Where no run has a value, there is nothing to show.
    let told = |c: &Column| c.worth > 200 || rows.iter().any(|r| !matches!((c.value)(r, now).as_str(), "—" | ""));
    let mut columns: Vec<&Column> = COLUMNS.iter().filter(|c| told(c)).collect();
    // Where there is some room, names and states are whole before more columns are shown.
    let narrowest = |c: &Column| if c.worth > 200 && room >= ROOMY { wanted(c).min(GOOD) } else { c.least };
    let least = |columns: &[&Column]| columns.iter().map(|c| narrowest(c) + GAP).sum::<u16>();
    while least(&columns) > room + GAP && columns.len() > 2 {
        let worst = columns.iter().enumerate().min_by_key(|(_, c)| c.worth).map_or(0, |(i, _)| i);
        columns.remove(worst);
    }
    let mut left = (room + GAP).saturating_sub(least(&columns));
    // What names a run first, what it is at second; what tells the least is cut off first.
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(columns[*i].worth));
    let mut widths: Vec<u16> = columns.iter().map(|c| narrowest(c)).collect();
    for i in order {
        let more = wanted(columns[i]).saturating_sub(widths[i]).min(left);
        (widths[i], left) = (widths[i] + more, left - more);
    }
    columns.into_iter().zip(widths).collect()
}

pub fn draw(pad: &mut Pad, scene: &Scene) {
    let folder = text::sanitize(scene.folder);
    let note = match scene.ui.filter() {
        _ if scene.ui.reading.is_some() => start::reading(scene.runs.len(), scene),
        "" => folder,
        filter => format!("with `{}` in {folder}", text::sanitize(filter)),
    };
    let mut inner = pad.panel("runs", &note, false);
    if scene.runs.is_empty() {
        inner.prose(if scene.ui.reading.is_some() {
            "The folder of runs is being read; each run will be listed here as soon as it is."
        } else {
            "No runs yet. `zonas run` makes one, or start the demo from the first screen (1)."
        });
        return;
    }
    let rows: Vec<&Row> = scene.runs.iter().filter(|r| scene.ui.lists(r)).collect();
    if rows.is_empty() {
        inner.prose("No run has these letters in its name, state or data.");
        return;
    }
    let (dim, plain, strong) = (inner.theme.dim(), inner.theme.plain(), inner.theme.strong());
    let w = inner.width();
    let columns = layout(&rows, scene.now, w.saturating_sub(3));
    let put =
        |pad: &mut Pad, y: u16, style: &dyn Fn(&Column) -> ratatui::style::Style, text: &dyn Fn(&Column) -> String| {
            let mut x = 2;
            for (c, width) in &columns {
                let words = text::fit(&text(c), *width);
                let at = if c.right { x + width - text::width(&words) } else { x };
                pad.text(at, y, &words, style(c));
                x += width + GAP;
            }
        };
    put(&mut inner, 0, &|_| dim, &|c| c.title.into());
    let room = usize::from(inner.height().saturating_sub(1));
    let first = scene.ui.runs.saturating_sub(room.saturating_sub(1));
    for (i, run) in rows.into_iter().enumerate().skip(first).take(room) {
        let y = 1 + (i - first) as u16;
        scene.hits.add(inner.area_of(0, y, w, 1), Target::Run(i));
        let open = scene.ui.opened.as_deref() == Some(&*text::sanitize(&run.name));
        if open {
            inner.put(0, y, '▸', strong);
        }
        if let Some(at) = scene.ui.chosen.iter().position(|n| *n == run.name) {
            let style = inner.theme.series(at);
            inner.put(u16::from(open), y, '●', style);
        }
        let style = |c: &Column| match c.title {
            "name" if open => strong,
            "age" | "data" => dim,
            _ => plain,
        };
        put(&mut inner, y, &style, &|c| (c.value)(run, scene.now));
        if i == scene.ui.runs {
            let style = inner.theme.cursor();
            inner.style(0, y, w, 1, style);
        }
    }
}
