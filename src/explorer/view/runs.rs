//! All runs in the runs folder, as a table of settings and results: as many columns as there is room for, each as wide as what
//! stands in it; above it, the runs at work.

use std::borrow::Borrow;

use ratatui::style::Style;

use super::{Scene, start};
use crate::explorer::action::Action;
use crate::explorer::draw::Pad;
use crate::explorer::runs::Row;
use crate::explorer::ui::{Target, Ui};
use crate::run::listing::{Column, Line, Listed, Table};
use crate::text;

/// A column with room.
#[derive(Clone, Copy)]
struct Wanted {
    column: Column,
    /// Lowest first is left out where there is no room.
    worth: u8,
    /// Columns that it may take at least and at most.
    least: u16,
    most: u16,
}

/// Without a choice of the person's, in the order in which they stand; settings that differ come before the data.
const USUAL: [(&str, u8, u16, u16); 17] = [
    ("run", 255, 10, 48),
    ("state", 250, 11, 40),
    ("tags", 70, 4, 24),
    ("age", 60, 9, 11),
    ("kept", 80, 4, 12),
    // Of the supernet on validation pictures, and of a training on test pictures: they do not compare.
    ("supernet", 100, 8, 22),
    ("test", 99, 6, 22),
    ("epoch", 30, 5, 9),
    ("level", 40, 5, 12),
    ("cut", 38, 6, 16),
    ("seed", 37, 4, 12),
    ("predicted", 32, 9, 20),
    ("peak", 31, 8, 20),
    ("scoring", 20, 7, 20),
    ("search", 21, 6, 20),
    ("data", 50, 12, 60),
    ("note", 25, 10, 60),
];

/// Of settings that differ.
const SETTING: (u16, u16) = (4, 24);

/// Between two columns.
const GAP: u16 = 2;
/// Columns in all from which a name and a state have so many each.
const ROOMY: u16 = 68;
const GOOD: u16 = 20;

fn usual(key: &str) -> Column {
    if key == "seed" { Column::setting("seed").unwrap_or(Column::result("run")) } else { Column::result(key) }
}

/// The columns that are wanted: those that the person chose, or the usual ones in which anything stands.
fn wanted(table: &Table<'_, Row>, ui: &Ui) -> Vec<Wanted> {
    if !ui.list.columns.is_empty() {
        let mut worth = 255u8;
        let chosen = ui.list.columns.iter().map(|column| {
            worth = worth.saturating_sub(1);
            let (least, most) = width_of(*column);
            Wanted { column: *column, worth, least, most }
        });
        return chosen.collect();
    }
    // The level and the source of a cut are there as they were made.
    let beside = ["seed", "cut.xi", "cut.source"].map(Column::setting);
    let varying = table.varying().into_iter().filter(|c| !beside.contains(&Some(*c)));
    let varying: Vec<Wanted> = (0..24u8)
        .zip(varying)
        .map(|(i, column)| Wanted { column, worth: 78 - i, least: SETTING.0, most: SETTING.1 })
        .collect();
    let mut all: Vec<Wanted> = USUAL
        .iter()
        .map(|(key, worth, least, most)| Wanted { column: usual(key), worth: *worth, least: *least, most: *most })
        .collect();
    let data = all.iter().position(|w| w.column == Column::result("data")).unwrap_or(all.len());
    all.splice(data..data, varying);
    // Where no run has a value, there is nothing to show.
    all.retain(|w| w.worth > 200 || table.lines.iter().any(|l| !matches!(&*table.text(l, w.column), "—" | "")));
    all
}

fn width_of(column: Column) -> (u16, u16) {
    match column {
        Column::Result(_) => {
            let usual = USUAL.iter().find(|u| usual(u.0) == column);
            usual.map_or((6, 40), |u| (u.2, u.3))
        }
        Column::Setting(_) => SETTING,
    }
}

/// The columns of the list, also those that there is no room for: what it can be sorted by.
pub fn list_columns(table: &Table<'_, Row>, ui: &Ui) -> Vec<Column> {
    wanted(table, ui).into_iter().map(|w| w.column).collect()
}

/// What stands over a column: a setting's name alone, where no other column has the same.
fn titles(columns: &[Wanted]) -> Vec<String> {
    let short = |c: &Wanted| {
        let title = c.column.title();
        title.rsplit('.').next().unwrap_or(&title).to_string()
    };
    let all: Vec<String> = columns.iter().map(short).collect();
    let alone = |t: &String| all.iter().filter(|o| *o == t).count() == 1;
    columns.iter().zip(&all).map(|(c, t)| if alone(t) { t.clone() } else { c.column.title() }).collect()
}

/// One column of the picture.
struct Shown {
    column: Column,
    title: String,
    width: u16,
}

/// A column, what stands over it, and the columns that its longest value takes.
struct Sized {
    wanted: Wanted,
    title: String,
    widest: u16,
}

/// The columns that fit, with their widths: the least of each first, then what their longest value asks for, the first
/// columns before the others; and how many had no room.
fn layout(table: &Table<'_, Row>, ui: &Ui, room: u16) -> (Vec<Shown>, usize) {
    let columns = wanted(table, ui);
    let all = columns.len();
    let sized = |(wanted, title): (&Wanted, String)| {
        let title = match ui.list.sort.filter(|s| s.column == wanted.column) {
            Some(sort) => format!("{title} {}", if sort.falling { '▼' } else { '▲' }),
            None => title,
        };
        let longest = table.lines.iter().map(|l| text::width(&table.text(l, wanted.column))).max().unwrap_or(0);
        let widest = longest.max(text::width(&title)).clamp(wanted.least, wanted.most);
        Sized { wanted: *wanted, title, widest }
    };
    let mut sized: Vec<Sized> = columns.iter().zip(titles(&columns)).map(sized).collect();
    // Where there is some room, names, states and means are whole before more columns are shown.
    let narrowest = |c: &Sized| {
        let whole = c.wanted.worth > 200 || ui.list.grouped && c.wanted.column.averaged();
        let roomy = whole && room >= ROOMY && ui.list.columns.is_empty();
        let least = if roomy { c.widest.min(GOOD) } else { c.wanted.least };
        least.max(text::width(&c.title).min(c.wanted.most))
    };
    let least = |all: &[Sized]| all.iter().map(|c| narrowest(c) + GAP).sum::<u16>();
    while least(&sized) > room + GAP && sized.len() > 2 {
        let worst = sized.iter().enumerate().min_by_key(|(_, c)| c.wanted.worth).map_or(0, |(i, _)| i);
        sized.remove(worst);
    }
    let mut left = (room + GAP).saturating_sub(least(&sized));
    // What names a run first, what it is at second; what tells the least is cut off first.
    let mut order: Vec<usize> = (0..sized.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(sized[*i].wanted.worth));
    let mut widths: Vec<u16> = sized.iter().map(narrowest).collect();
    for i in order {
        let more = sized[i].widest.saturating_sub(widths[i]).min(left);
        (widths[i], left) = (widths[i] + more, left - more);
    }
    let shown = sized.into_iter().zip(widths);
    let shown: Vec<Shown> = shown.map(|(c, width)| Shown { column: c.wanted.column, title: c.title, width }).collect();
    let missing = all - shown.len();
    (shown, missing)
}

/// What is said beside the title: how much of the list is shown, and what there is no room for.
fn note(scene: &Scene, table: &Table<'_, Row>, missing: usize) -> String {
    let folder = text::sanitize(scene.folder);
    if scene.ui.reading.is_some() {
        return start::reading(scene.runs.len(), scene);
    }
    let mut parts = Vec::new();
    match scene.ui.filter() {
        "" => {}
        filter => parts.push(format!("{} of {} with `{}`", table.shown, scene.runs.len(), text::sanitize(filter))),
    }
    if scene.ui.list.grouped {
        parts.push("means ± deviations of runs that are done".into());
    }
    // Of those that nobody asked for nothing is said.
    if missing > 0 && !scene.ui.list.columns.is_empty() {
        parts.push(format!("no room for {}", text::counted(missing, "column")));
    }
    if parts.is_empty() { folder } else { parts.join(" · ") }
}

pub fn draw(pad: &mut Pad, scene: &Scene) {
    let at_work = at_work(scene);
    let (w, h) = (pad.width(), pad.height());
    // The list keeps the most of the screen.
    let shown = at_work.len().min(usize::from((h / 3).saturating_sub(2)));
    let upper = if shown > 0 && h >= 12 { shown as u16 + 2 } else { 0 };
    if upper > 0 {
        live(&mut pad.sub(0, 0, w, upper - 1), &at_work);
    }
    list(&mut pad.sub(0, upper, w, h - upper), scene);
}

/// Runs that an engine computes now.
fn at_work<'a>(scene: &'a Scene) -> Vec<&'a Listed> {
    let computes = |r: &&Listed| r.live.as_ref().is_some_and(|l| l.memory.is_some()) && r.word == "running";
    scene.runs.iter().map(Borrow::borrow).filter(computes).collect()
}

/// `name   epoch 3 of 50   ▇▆▅▄▄▃▃ 0.612   12:31 left   1.20 GiB`
fn live(pad: &mut Pad, runs: &[&Listed]) {
    let mut inner = pad.panel("at work", &text::counted(runs.len(), "run"), false);
    let (w, room) = (inner.width(), usize::from(inner.height()));
    let fits = if runs.len() > room { room.saturating_sub(1) } else { runs.len() };
    let name = runs.iter().map(|r| text::width(&text::sanitize(&r.name))).max().unwrap_or(0).min(w / 3);
    let state = runs.iter().map(|r| text::width(&text::sanitize(&r.status))).max().unwrap_or(0).min(w / 4);
    // A loss, a time and an amount of memory behind the curve.
    let curve = w.saturating_sub(name + state + 40).min(48);
    let (plain, dim, accent) = (inner.theme.plain(), inner.theme.dim(), inner.theme.accent());
    for (y, run) in runs.iter().take(fits).enumerate() {
        let (y, live) = (y as u16, run.live.clone().unwrap_or_default());
        inner.fitted(1, y, name, &text::sanitize(&run.name), plain);
        inner.fitted(name + 3, y, state, &text::sanitize(&run.status), dim);
        let mut x = name + state + 5;
        if curve >= 6 {
            inner.text(x, y, &live.spark(usize::from(curve)), accent);
            x += curve + 1;
        }
        let loss = live.loss.map_or_else(String::new, |l| format!("loss {}", text::significant(l, 3)));
        inner.fitted(x, y, 10, &loss, plain);
        let left = live.left.map_or_else(String::new, |s| format!("{} left", text::duration(s)));
        inner.right(x + 24, y, &left, dim);
        inner.right(x + 34, y, &live.memory.map_or_else(String::new, text::bytes), plain);
    }
    if fits < runs.len() {
        inner.text(1, fits as u16, &format!("and {} more", runs.len() - fits), dim);
    }
}

fn list(pad: &mut Pad, scene: &Scene) {
    let table = scene.ui.table(scene.runs, scene.now);
    let (columns, missing) = layout(&table, scene.ui, pad.width().saturating_sub(3));
    let mut inner = pad.panel("runs", &note(scene, &table, missing), false);
    if scene.runs.is_empty() {
        let (new, start) = (scene.keymap.of(Action::New), scene.keymap.of(Action::ShowScore));
        inner.prose(&if scene.ui.reading.is_some() {
            "The folder of runs is being read; each run will be listed here as soon as it is.".to_string()
        } else {
            format!(
                "No runs yet. {new} makes one, as `zonas run` does; or start the demo from the first screen ({start})."
            )
        });
        return;
    }
    let faults = scene.ui.filter_faults();
    if table.lines.is_empty() {
        inner.prose(&match &faults[..] {
            [] => "No run is as the filter says. Words are looked for in names, states, data, tags and notes; `key:value`                    (`seed:7`, `xi>0.5`, `state:done`) asks for a column."
                .to_string(),
            wrong => format!("The filter is wrong: {}.", text::sanitize(&wrong.join("; "))),
        });
        return;
    }
    let dim = inner.theme.dim();
    let w = inner.width();
    let mut x = 2;
    for c in &columns {
        let title = text::fit(&c.title, c.width);
        let at = if c.column.right() { x + c.width - text::width(&title) } else { x };
        inner.text(at, 0, &title, dim);
        scene.hits.add(inner.area_of(x, 0, c.width, 1), Target::Column(c.column));
        x += c.width + GAP;
    }
    let room = usize::from(inner.height().saturating_sub(1));
    let first = scene.ui.runs.saturating_sub(room.saturating_sub(1));
    for (i, one) in table.lines.iter().enumerate().skip(first).take(room) {
        let y = 1 + (i - first) as u16;
        scene.hits.add(inner.area_of(0, y, w, 1), Target::Run(i));
        line(&mut inner, scene, &table, &columns, one, y);
        if i == scene.ui.runs {
            let style = inner.theme.cursor();
            inner.style(0, y, w, 1, style);
        }
    }
}

/// One line: a run, or a group of them.
fn line(pad: &mut Pad, scene: &Scene, table: &Table<'_, Row>, columns: &[Shown], line: &Line, y: u16) {
    let (dim, plain, strong) = (pad.theme.dim(), pad.theme.plain(), pad.theme.strong());
    let run = line.run().map(|i| table.run(i));
    let open = run.is_some_and(|r| scene.ui.opened.as_deref() == Some(&*text::sanitize(&r.name)));
    let mut mark = |glyph: char, x: u16, style: Style| pad.put(x, y, glyph, style);
    match line {
        Line::Group(group) => mark(if group.open { '▾' } else { '▸' }, 0, dim),
        Line::Member(_) => mark('│', 0, dim),
        Line::Run(_) => {}
    }
    let pinned = run.is_some_and(|r| scene.ui.pinned.contains(&r.name));
    if open {
        mark('▸', 0, strong);
    } else if pinned {
        mark('◆', 0, dim);
    }
    let chosen = |name: &str| scene.ui.chosen.iter().position(|n| n == name);
    let at = match line {
        Line::Group(group) => group.runs.iter().find_map(|i| chosen(&table.run(*i).name)),
        _ => run.and_then(|r| chosen(&r.name)),
    };
    if let Some(at) = at {
        let style = pad.theme.series(at);
        pad.put(1, y, '●', style);
    }
    let mut x = 2;
    for c in columns {
        let words = text::fit(&text::sanitize(&table.text(line, c.column)), c.width);
        let indent = u16::from(matches!(line, Line::Member(_)) && c.column == Column::result("run"));
        let at = if c.column.right() { x + c.width - text::width(&words) } else { x + indent };
        let style = match c.column {
            column if column == Column::result("run") && open => strong,
            column if column == Column::result("age") || column == Column::result("data") => dim,
            _ if matches!(line, Line::Group(_)) => strong,
            _ => plain,
        };
        pad.fitted(at, y, c.width - indent, &words, style);
        x += c.width + GAP;
    }
}
