//! Runs side by side: what follows from them, what was set differently, what it cost and gave, losses on one chart, cuts and
//! cells. Runs that differ in nothing but their seed are one column.

use ratatui::style::{Modifier, Style};

use super::Scene;
use crate::explorer::action::Action;
use crate::explorer::compare::{Arm, Side, Tone};
use crate::explorer::draw::Pad;
use crate::explorer::state::chosen;
use crate::run::event::Stage;
use crate::run::listing::{Value, mean_of};
use crate::space::{CellKind, Mask, Place};
use crate::text;

/// ```text
/// held-out loss of all | difference of the first two cuts, where there is room
/// what follows; what differs, what it cost and gave, genotypes edge by edge: one column an arm
/// ```
pub fn draw(pad: &mut Pad, scene: &Scene) {
    if scene.compared.is_empty() {
        let mut inner = pad.panel("compare", "", true);
        inner.prose("The chosen runs are being read.");
        return;
    }
    let (w, h) = (pad.width(), pad.height());
    let upper = if h >= 30 { 18 } else { (h / 3).max(5) };
    let map = w >= 110 && upper >= 17 && scene.compared.arms.len() >= 2;
    let width = if map { w / 2 - 1 } else { w };
    super::bands::losses(&mut pad.sub(0, 0, width, upper), scene);
    if map {
        cuts(&mut pad.sub(width + 2, 0, w - width - 2, upper), scene);
    }
    table(&mut pad.sub(0, upper, w, h - upper), scene);
}

/// What most runs of an arm keep; none before all have a cut of one space.
fn kept(scene: &Scene, arm: &Arm) -> Option<Mask> {
    let masks: Option<Vec<Mask>> = scene.compared.of_arm(arm).map(|s| Some(s.state.cut.cut.as_ref()?.mask)).collect();
    let masks = masks.filter(|m| m.windows(2).all(|w| w[0].space() == w[1].space()))?;
    let mut most = Mask::empty(masks.first()?.space());
    for place in most.space().places() {
        most.set(place, 2 * masks.iter().filter(|m| m.contains(place)).count() > masks.len());
    }
    Some(most)
}

/// The first two cuts over each other.
fn cuts(pad: &mut Pad, scene: &Scene) {
    let masks: Vec<_> = scene.compared.arms.iter().take(2).map(|arm| kept(scene, arm)).collect();
    let [Some(a), Some(b)] = masks[..] else {
        let mut inner = pad.panel("cuts", "", false);
        inner.prose("Where two cuts differ will be shown here when both runs have one.");
        return;
    };
    if a.space() != b.space() {
        let mut inner = pad.panel("cuts", "", false);
        inner.prose(&format!("They are of two search spaces, {} and {}.", a.space().name(), b.space().name()));
        return;
    }
    let space = a.space();
    let differ = space.places().filter(|p| a.contains(*p) != b.contains(*p)).count();
    let several = scene.compared.arms.iter().take(2).any(|a| a.runs.len() > 1);
    // The first that has room beside the title.
    let most: &[&str] = if several { &[", by what most runs keep", " (of most runs)"] } else { &[] };
    let notes = most.iter().chain(&[""]).map(|most| format!("■ both  ◀ first  ▶ second · {differ} differ{most}"));
    let room = pad.width().saturating_sub(12);
    let note = notes.into_iter().find(|n| text::width(n) <= room).unwrap_or_else(|| format!("{differ} differ"));
    let mut inner = pad.panel("cuts", &note, false);
    let dim = inner.theme.dim();
    let half = inner.width() / 2;
    for (i, graph) in space.graphs().iter().enumerate() {
        let x = half * i as u16;
        for (row, edge) in graph.edges.iter().enumerate() {
            let y = row as u16;
            inner.text(x + 1, y, &edge.to_string(), dim);
            for (column, o) in space.operations().iter().enumerate() {
                let place = Place::new(graph.kind, *edge, *o);
                let (glyph, style) = match (a.contains(place), b.contains(place)) {
                    (true, true) => ('■', Style::new()),
                    (true, false) => ('◀', inner.theme.series(0).add_modifier(Modifier::BOLD)),
                    (false, true) => ('▶', inner.theme.series(1).add_modifier(Modifier::BOLD)),
                    (false, false) => ('·', dim),
                };
                inner.put(x + 6 + 2 * column as u16, y, glyph, style);
            }
        }
        // Written downwards: `s3` and `s5`, `m3` and `a3`.
        for (column, o) in space.operations().iter().enumerate() {
            let (first, last) = (o.short().chars().next(), o.short().chars().last());
            let second = last.filter(char::is_ascii_digit).or(o.short().chars().nth(1));
            for (row, letter) in [first, second].into_iter().enumerate() {
                let y = (graph.edges.len() + row) as u16;
                inner.put(x + 6 + 2 * column as u16, y, letter.unwrap_or(' '), dim);
            }
        }
    }
}

/// A line of the table: what it is, and a value for each arm.
struct Row {
    label: String,
    values: Vec<String>,
    heading: bool,
    /// Whether the arms differ in it; of means nothing is claimed here.
    differ: bool,
}

fn heading(label: &str) -> Row {
    Row { label: label.into(), values: Vec::new(), heading: true, differ: false }
}

fn row(label: &str, values: Vec<String>) -> Row {
    let differ = values.windows(2).any(|v| v[0] != v[1]);
    Row { label: label.into(), values, heading: false, differ }
}

/// Mean ± deviation of an arm's runs that are done, or a run's own value.
fn number(scene: &Scene, arm: &Arm, of: &dyn Fn(&Side) -> Option<Value>) -> String {
    let mut sides = scene.compared.of_arm(arm);
    if arm.runs.len() == 1 {
        return sides.next().and_then(of).unwrap_or(Value::Missing).text();
    }
    // Of those that are done; how many these are is said where they are not all.
    mean_of(sides.filter(|s| s.is_done()).filter_map(of), arm.runs.len()).text(arm.runs.len())
}

/// What most runs of an arm have, and how many.
fn commonest(values: Vec<Option<String>>) -> String {
    let of = values.len();
    let mut counts: Vec<(String, usize)> = Vec::new();
    for value in values.into_iter().flatten() {
        match counts.iter_mut().find(|c| c.0 == value) {
            Some(count) => count.1 += 1,
            None => counts.push((value, 1)),
        }
    }
    match counts.into_iter().max_by_key(|c| c.1) {
        None => "—".into(),
        Some((value, n)) if n == of => value,
        Some((_, 1)) => format!("none of {of} alike"),
        Some((value, n)) => format!("{value} {n} of {of}"),
    }
}

fn rows(scene: &Scene) -> Vec<Row> {
    let arms = &scene.compared.arms;
    let mut rows = vec![heading("settings that differ")];
    if scene.compared.differ.is_empty() {
        rows.push(row("none", Vec::new()));
    }
    rows.extend(scene.compared.differ.iter().map(|(label, values)| row(label, values.clone())));
    rows.push(heading("what it cost and gave"));
    // As the list has it, which knows of engines too.
    let listed = |s: &Side| scene.runs.iter().find(|r| r.name == s.name).map(|r| r.status.clone());
    let state = |s: &Side| Some(listed(s).unwrap_or_else(|| s.state.status()));
    let words = |of: &dyn Fn(&Side) -> Option<String>| -> Vec<String> {
        arms.iter().map(|arm| commonest(scene.compared.of_arm(arm).map(of).collect())).collect()
    };
    rows.push(row("state", words(&state)));
    let mut numbers = |label: &str, of: &dyn Fn(&Side) -> Option<Value>| {
        let values: Vec<String> = arms.iter().map(|arm| number(scene, arm, of)).collect();
        let several = arms.iter().any(|a| a.runs.len() > 1);
        rows.push(Row { differ: !several && values.windows(2).any(|v| v[0] != v[1]), ..row(label, values) });
    };
    let bytes = |n: u64| Value::Bytes(n as f64);
    numbers("operations kept", &|s| {
        let cut = s.state.cut.cut.as_ref()?;
        Some(Value::Of(cut.mask.count(), cut.of()))
    });
    numbers("memory predicted", &|s| {
        let of_training = || s.state.epochs.plan.map(|p| p.predicted_bytes);
        Some(bytes(s.state.cut.cut.as_ref().map(|c| c.memory_bytes).or_else(of_training)?))
    });
    numbers("memory, peak of the process", &|s| Some(bytes(s.state.memory_peak?)));
    numbers("time of scoring", &|s| Some(Value::Seconds(s.state.stages[Stage::Score as usize].seconds?)));
    numbers("time of the epochs", &|s| Some(Value::Seconds(s.state.stages[s.state.epochs_stage() as usize].seconds?)));
    numbers("best accuracy, validation", &|s| {
        Some(Value::Share(s.state.epochs.best_accuracy().filter(|_| !s.state.trains())?))
    });
    numbers("best accuracy, test", &|s| {
        Some(Value::Share(s.state.epochs.best_accuracy().filter(|_| s.state.trains())?))
    });
    numbers("last loss, held out", &|s| {
        // As many digits as tell runs apart.
        let loss = s.state.epochs.ended.last()?.held_out_loss;
        Some(Value::Number(text::significant(loss, 4).parse().unwrap_or(loss)))
    });
    rows.retain(|r| r.heading || r.values.is_empty() || r.values.iter().any(|v| v != "—"));
    rows.push(row("parameters found", words(&|s| Some(text::count_or_more(s.state.found.as_ref()?.parameters)))));
    rows.push(row("MACs found", words(&|s| Some(text::count_or_more(s.state.found.as_ref()?.macs)))));
    rows.extend(cells(scene));
    rows
}

/// The genotypes, input by input.
fn cells(scene: &Scene) -> Vec<Row> {
    let (sides, arms) = (&scene.compared.sides, &scene.compared.arms);
    let mut rows = Vec::new();
    for cell in [CellKind::Normal, CellKind::Reduction] {
        let inputs = |s: &Side| s.state.genotype().map_or(0, |g| g.choices(cell).len());
        let most = sides.iter().map(inputs).max().unwrap_or(0);
        if most > 0 {
            rows.push(heading(&format!("{cell} cell: inputs of its nodes")));
        }
        let stacking = sides.iter().find_map(|s| Some(s.state.genotype()?.stacking)).unwrap_or_default();
        let label = |i: usize| {
            let targets: Vec<usize> = stacking.targets().take(i + 1).collect();
            let input = targets.iter().filter(|t| Some(*t) == targets.last()).count();
            let node = targets.last().copied().unwrap_or(stacking.inputs());
            format!("node {node}, input {input}")
        };
        for i in 0..most {
            let value = |s: &Side| {
                let genotype = s.state.genotype()?;
                let list = chosen(genotype, cell, None);
                let c = list.get(i)?;
                Some(format!("{} {}", c.edge(), c.choice.operation.short()))
            };
            let of_arm = |arm: &Arm| commonest(scene.compared.of_arm(arm).map(value).collect());
            rows.push(row(&label(i), arms.iter().map(of_arm).collect()));
        }
    }
    rows
}

/// Columns that an arm needs at least.
const LEAST: u16 = 16;

fn table(pad: &mut Pad, scene: &Scene) {
    let (key, left, right) =
        (scene.keymap.of(Action::No), scene.keymap.of(Action::Left), scene.keymap.of(Action::Right));
    let rows = rows(scene);
    let arms = &scene.compared.arms;
    let longest = rows.iter().filter(|r| !r.heading).map(|r| text::width(&r.label)).max().unwrap_or(0);
    let label = (longest + 5).min(pad.width() / 3);
    let room = pad.width().saturating_sub(label + 1);
    let fits = usize::from(room / LEAST).clamp(1, arms.len().max(1));
    let from = scene.ui.compared_from.min(arms.len().saturating_sub(fits));
    let to = (from + fits).min(arms.len());
    let more = if fits < arms.len() {
        format!("{} to {} of {} ({left} {right}) · ", from + 1, to, arms.len())
    } else {
        String::new()
    };
    let mut inner = pad.panel("side by side", &format!("{more}≠ where they differ · {key} back"), true);
    let (w, h) = (inner.width(), inner.height());
    let (dim, plain, strong) = (inner.theme.dim(), inner.theme.plain(), inner.theme.strong());
    // What follows stands first, and is scrolled with the rest.
    let mut lines: Vec<(&'static str, String, Style)> = Vec::new();
    for said in &scene.compared.said {
        let (mark, style) = match said.tone {
            Tone::Clear => ("●", strong),
            Tone::Noise => ("~", plain),
            Tone::Lacking => ("?", dim),
        };
        for (i, words) in text::wrap(&text::sanitize(&said.words), w.saturating_sub(4)).into_iter().enumerate() {
            lines.push((if i == 0 { mark } else { "" }, words, style));
        }
    }
    let column = room / fits as u16;
    for (i, arm) in arms.iter().enumerate().skip(from).take(fits) {
        let style = inner.theme.series(i).add_modifier(Modifier::BOLD);
        let x = label + column * (i - from) as u16;
        inner.fitted(x, 0, column.saturating_sub(1), &format!("● {}", text::sanitize(&arm.label)), style);
    }
    let room = usize::from(h.saturating_sub(1));
    let total = lines.len() + rows.len();
    let first = scene.ui.comparing.unwrap_or(0).min(total.saturating_sub(room));
    for (y, i) in (first..total).take(room).enumerate() {
        let y = 1 + y as u16;
        let Some(row) = i.checked_sub(lines.len()).map(|i| &rows[i]) else {
            let (mark, words, style) = &lines[i];
            inner.text(1, y, mark, *style);
            inner.text(3, y, words, *style);
            continue;
        };
        if row.heading {
            inner.fitted(1, y, w.saturating_sub(2), &row.label, strong.add_modifier(Modifier::UNDERLINED));
            continue;
        }
        inner.fitted(3, y, label.saturating_sub(4), &row.label, dim);
        if row.differ {
            inner.put(1, y, '≠', plain);
        }
        for (i, value) in row.values.iter().enumerate().skip(from).take(fits) {
            let x = label + column * (i - from) as u16;
            let style = if row.differ { strong } else { plain };
            inner.fitted(x, y, column.saturating_sub(1), &text::sanitize(value), style);
        }
    }
}
