//! Runs side by side: what was set differently, what it cost and gave, losses on one chart, cuts and cells.

use ratatui::style::{Modifier, Style};

use super::Scene;
use super::curves::smoothed;
use crate::explorer::action::Action;
use crate::explorer::compare::{Side, differences};
use crate::explorer::draw::Pad;
use crate::explorer::state::{Bucket, chosen};
use crate::explorer::widgets::{Chart, Curve, state_name};
use crate::run::event::Stage;
use crate::space::{CellKind, Place};
use crate::text;

/// ```text
/// validation loss of all | difference of the first two cuts, where there is room
/// what differs, what it cost and gave, genotypes edge by edge: one column a run
/// ```
pub fn draw(pad: &mut Pad, scene: &Scene) {
    if scene.sides.is_empty() {
        let mut inner = pad.panel("compare", "", true);
        inner.prose("The chosen runs are being read.");
        return;
    }
    let (w, h) = (pad.width(), pad.height());
    let upper = if h >= 30 { 18 } else { (h / 3).max(5) };
    let map = w >= 110 && upper >= 17 && scene.sides.len() >= 2;
    let width = if map { w / 2 - 1 } else { w };
    losses(&mut pad.sub(0, 0, width, upper), scene);
    if map {
        cuts(&mut pad.sub(width + 2, 0, w - width - 2, upper), scene);
    }
    table(&mut pad.sub(0, upper, w, h - upper), scene);
}

fn losses(pad: &mut Pad, scene: &Scene) {
    let trains = scene.sides.iter().filter(|s| s.state.trains()).count();
    let title = match trains {
        0 => "validation loss",
        n if n == scene.sides.len() => "test loss",
        _ => "loss: validation of a search, test of a training",
    };
    let mut inner = pad.panel(title, "smoothed, over epochs", false);
    let epochs = |s: &Side| s.state.epochs.plan.map_or(1, |p| p.epochs);
    let last = scene.sides.iter().map(epochs).max().unwrap_or(1).max(1);
    const GLYPHS: [char; 4] = ['*', 'o', '+', 'x'];
    let points: Vec<Vec<Bucket>> =
        scene.sides.iter().map(|s| smoothed(s.state.epochs.held_out_loss.buckets(), last as f64 / 24.0)).collect();
    let curves: Vec<Curve> = points
        .iter()
        .enumerate()
        .map(|(i, points)| Curve { points, style: inner.theme.series(i), glyph: GLYPHS[i % 4] })
        .collect();
    Chart {
        curves: &curves,
        x: (0.0, last as f64),
        levels: &[],
        cursor: None,
        band: &[],
        marks: &[],
        gutter: 6,
        include: None,
        log: scene.ui.log_scale,
        binary: false,
        markers: if inner.theme.ascii { crate::explorer::theme::Markers::Ascii } else { scene.ui.markers },
        y_text: &text::tick,
        x_text: &|v| if v == 0.0 { "0".into() } else { format!("epoch {v:.0}") },
    }
    .draw(&mut inner);
}

/// The first two cuts over each other.
fn cuts(pad: &mut Pad, scene: &Scene) {
    let masks: Vec<_> = scene.sides.iter().take(2).map(|s| s.state.cut.cut.as_ref().map(|c| c.mask)).collect();
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
    let note = format!("■ both  ◀ first  ▶ second · {differ} of {} differ", space.slots());
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

/// A line of the table: what it is, and a value for each run.
struct Row {
    label: String,
    values: Vec<String>,
    heading: bool,
}

fn rows(scene: &Scene) -> Vec<Row> {
    let sides = scene.sides;
    let mut rows = Vec::new();
    let heading = |label: &str| Row { label: label.into(), values: Vec::new(), heading: true };
    rows.push(heading("settings that differ"));
    let differ = differences(sides);
    if differ.is_empty() {
        rows.push(Row { label: "none".into(), values: Vec::new(), heading: false });
    }
    rows.extend(differ.into_iter().map(|(label, values)| Row { label, values, heading: false }));
    rows.push(heading("what it cost and gave"));
    let mut row = |label: &str, value: &dyn Fn(&Side) -> Option<String>| {
        let values = sides.iter().map(|s| value(s).unwrap_or_else(|| "—".into())).collect();
        rows.push(Row { label: label.into(), values, heading: false });
    };
    // As the list has it, which knows of engines too.
    let listed = |s: &Side| scene.runs.iter().find(|r| r.name == s.name).map(|r| r.status.clone());
    row("state", &|s| Some(listed(s).unwrap_or_else(|| s.state.status())));
    row("operations kept", &|s| {
        let cut = s.state.cut.cut.as_ref()?;
        Some(format!("{} of {}", cut.mask.count(), cut.of()))
    });
    row("memory predicted", &|s| {
        let of_training = || s.state.epochs.plan.map(|p| p.predicted_bytes);
        Some(text::bytes(s.state.cut.cut.as_ref().map(|c| c.memory_bytes).or_else(of_training)?))
    });
    row("memory, peak of the process", &|s| Some(text::bytes(s.state.memory_peak?)));
    row("time of scoring", &|s| Some(text::duration(s.state.stages[Stage::Score as usize].seconds?)));
    row("time of the epochs", &|s| Some(text::duration(s.state.stages[s.state.epochs_stage() as usize].seconds?)));
    row("best accuracy", &|s| {
        let pictures = if s.state.trains() { "test" } else { "validation" };
        Some(format!("{:.1} % of {pictures}", s.state.epochs.best_accuracy()? * 100.0))
    });
    row("parameters found", &|s| Some(text::count_or_more(s.state.found.as_ref()?.parameters)));
    row("MACs found", &|s| Some(text::count_or_more(s.state.found.as_ref()?.macs)));
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
            let node = state_name(stacking, targets.last().copied().unwrap_or(stacking.inputs()));
            format!("node {node}, input {input}")
        };
        for i in 0..most {
            let value = |s: &Side| {
                let genotype = s.state.genotype()?;
                let list = chosen(genotype, cell, None);
                let c = list.get(i)?.choice;
                Some(format!("{}({})", c.operation.short(), state_name(genotype.stacking, c.source)))
            };
            let values = sides.iter().map(|s| value(s).unwrap_or_else(|| "—".into())).collect();
            rows.push(Row { label: label(i), values, heading: false });
        }
    }
    rows
}

fn table(pad: &mut Pad, scene: &Scene) {
    let key = scene.keymap.of(Action::No);
    let mut inner = pad.panel("side by side", &format!("≠ where they differ · {key} back"), true);
    let (w, h) = (inner.width(), inner.height());
    let longest = rows(scene).iter().filter(|r| !r.heading).map(|r| text::width(&r.label)).max().unwrap_or(0);
    let label = (longest + 5).min(w / 3);
    let column = (w - label).saturating_sub(1) / scene.sides.len().max(1) as u16;
    for (i, side) in scene.sides.iter().enumerate() {
        let style = inner.theme.series(i).add_modifier(Modifier::BOLD);
        let x = label + column * i as u16;
        inner.fitted(x, 0, column.saturating_sub(1), &format!("● {}", text::sanitize(&side.name)), style);
    }
    let rows = rows(scene);
    let room = usize::from(h.saturating_sub(1));
    let first = scene.ui.comparing.unwrap_or(0).min(rows.len().saturating_sub(room));
    let (dim, plain, strong) = (inner.theme.dim(), inner.theme.plain(), inner.theme.strong());
    for (y, row) in rows.iter().skip(first).take(room).enumerate() {
        let y = 1 + y as u16;
        if row.heading {
            inner.fitted(1, y, w.saturating_sub(2), &row.label, strong.add_modifier(Modifier::UNDERLINED));
            continue;
        }
        let differ = row.values.windows(2).any(|v| v[0] != v[1]);
        inner.fitted(3, y, label.saturating_sub(4), &row.label, dim);
        if differ {
            inner.put(1, y, '≠', plain);
        }
        for (i, value) in row.values.iter().enumerate() {
            let x = label + column * i as u16;
            let style = if differ { strong } else { plain };
            inner.fitted(x, y, column.saturating_sub(1), &text::sanitize(value), style);
        }
    }
}
