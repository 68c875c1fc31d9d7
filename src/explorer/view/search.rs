//! The search, live: losses, accuracy, memory, mixing weights, progress, and the genotype as it changes.

use ratatui::style::{Modifier, Style};

use super::axis::Scale;
use super::curves::{Over, accuracy, chart, loss};
use super::{Scene, maps, memory, pairs};
use crate::explorer::action::Action;
use crate::explorer::draw::Pad;
use crate::explorer::health;
use crate::explorer::state::{Bucket, Gpu, Weights, chosen};
use crate::explorer::widgets::{Curve, Entry, Grid, bar};
use crate::run::describe;
use crate::run::event::SearchStarted;
use crate::space::{CellKind, Operation, Place, Stem};
use crate::text;

/// ```text
/// loss      | weights, both cells or the one under the cursor
/// accuracy  | progress | genotype
/// memory    | what changed
/// ```
pub fn draw(pad: &mut Pad, scene: &Scene) {
    let (w, h) = (pad.width(), pad.height());
    if scene.state.epochs.plan.is_none() && scene.state.trains() {
        let mut inner = pad.panel("train", "", false);
        inner.prose(
            "Losses, accuracies and memory of the training will be shown here as soon as its first step is done.",
        );
        return;
    }
    if scene.state.epochs.plan.is_none() {
        let mut inner = pad.panel("search", "", false);
        inner.prose(
            &format!(
                "The one-shot search will be shown here once a cut is confirmed ({} on the Cut screen): losses and accuracy, \
                 the mixing weights of both cells, memory against its prediction, and the genotype of every epoch.",
                scene.keymap.of(Action::Confirm)
            ),
        );
        return;
    }
    if w < 72 {
        let chart = (h / 2).max(4);
        loss(&mut pad.sub(0, 0, w, chart), scene);
        progress(&mut pad.sub(0, chart, w, h - chart), scene);
        return;
    }
    let columns = scene.state.columns().len();
    let both = 2 * Grid::good_width(columns) + 4;
    // A training has no weights to show: its curves get the room.
    let left = match scene.state.trains() {
        true if w >= 110 => w - 54,
        false if w >= both + 34 => (w - both).min(w * 2 / 5),
        _ => (w - 2) / 2,
    };
    let memory_rows = (h / 4).clamp(4, 12);
    let accuracy_rows = (h - memory_rows) / 2;
    loss(&mut pad.sub(0, 0, left, h - memory_rows - accuracy_rows), scene);
    accuracy(&mut pad.sub(0, h - memory_rows - accuracy_rows, left, accuracy_rows), scene);
    memory::draw(&mut pad.sub(0, h - memory_rows, left, memory_rows), scene);
    let (x, right) = (left + 2, w - left - 2);
    if scene.state.trains() {
        let rows = 12.min(h);
        progress(&mut pad.sub(x, 0, right, rows), scene);
        genotype(&mut pad.sub(x, rows, right, h - rows), scene);
        return;
    }
    let upper = 16.min(h.saturating_sub(5));
    weights(&mut pad.sub(x, 0, right, upper), scene);
    let (y, lower) = (upper, h - upper);
    if lower < 12 {
        progress(&mut pad.sub(x, y, right, lower), scene);
        return;
    }
    let half = (right - 2) / 2;
    progress(&mut pad.sub(x, y, half, 9), scene);
    changes(&mut pad.sub(x, y + 9, half, lower - 9), scene);
    genotype(&mut pad.sub(x + half + 2, y, right - half - 2, lower), scene);
}

fn weights(pad: &mut Pad, scene: &Scene) {
    let search = &scene.state.search;
    let snapshot = scene.ui.inspect.and_then(|at| search.snapshot(at));
    let Some(weights) = snapshot.map(|s| s.weights.clone()).or_else(|| search.weights()) else {
        let mut inner = pad.panel("mixing weights", "", false);
        inner.prose("The softmax of the alphas will appear with the first step.");
        return;
    };
    if scene.ui.edge_lines {
        lines(pad, scene, &weights);
        return;
    }
    let columns = scene.state.columns();
    let at =
        snapshot.or(search.alphas.last()).map_or_else(String::new, |s| format!("epoch {}", text::significant(s.at, 3)));
    let at = if snapshot.is_some() { format!("┆ {at}") } else { at };
    let entry = |place: Place| weight_entry(&weights, place);
    if pad.width() >= 2 * Grid::least_width(columns.len()) + 2 {
        maps::draw(pad, scene, "weights", &at, &entry);
    } else {
        maps::one(pad, scene, scene.ui.cell, &columns, "weights", &at, &entry);
    }
}

/// Weights of the edge under the cursor over time, one line for each operation that it keeps.
fn lines(pad: &mut Pad, scene: &Scene, now: &Weights) {
    let (ui, search) = (scene.ui, &scene.state.search);
    let mut inner = pad.panel(&format!("weights of edge {} · {}", ui.edge, ui.cell), "softmax of the alphas", true);
    let mut kept: Vec<Operation> =
        now.space().operations().iter().copied().filter(|o| now.get(ui.cell, ui.edge, *o) > 0.0).collect();
    kept.sort_by(|a, b| now.get(ui.cell, ui.edge, *b).total_cmp(&now.get(ui.cell, ui.edge, *a)));
    let scale = Scale::of(ui.axis, &scene.state.epochs);
    let points: Vec<Vec<Bucket>> = kept
        .iter()
        .map(|o| {
            let value = |s: &crate::explorer::state::Snapshot| f64::from(s.weights.get(ui.cell, ui.edge, *o));
            search.alphas.iter().map(|s| Bucket::point(scale.at(s.at), value(s))).collect()
        })
        .collect();
    const GLYPHS: [char; 8] = ['*', 'o', '+', 'x', '#', '%', '@', '&'];
    let curves: Vec<Curve> = points
        .iter()
        .enumerate()
        .map(|(i, points)| Curve { points, style: inner.theme.series(i), glyph: GLYPHS[i % 8], behind: false })
        .collect();
    let (w, h) = (inner.width(), inner.height());
    let legend = (kept.len() as u16).min(h / 3);
    let over = Over { curves: &curves, marks: &[], names: &[], log: false, y_text: &|v| format!("{v:.2}") };
    chart(&mut inner.sub(0, 0, w, h - legend), scene, &over);
    let plain = inner.theme.plain();
    for (i, o) in kept.iter().take(usize::from(legend)).enumerate() {
        let y = h - legend + i as u16;
        let style =
            inner.theme.series(i).add_modifier(if *o == ui.operation { Modifier::REVERSED } else { Modifier::empty() });
        let mark = if inner.theme.ascii { GLYPHS[i % 8] } else { '●' };
        inner.put(1, y, mark, style);
        inner.text(3, y, &format!("{:<14} {:.3}", o.name(), now.get(ui.cell, ui.edge, *o)), plain);
    }
}

fn weight_entry(weights: &Weights, place: Place) -> Entry {
    let w = weights.get(place.cell, place.edge, place.operation);
    if w <= 0.0 {
        return Entry { text: "·".into(), style: Style::new().add_modifier(Modifier::DIM), ..Entry::default() };
    }
    // One scale for both cells, so that equal weights look equal.
    let top = weights.highest(CellKind::Normal).max(weights.highest(CellKind::Reduction)).max(f32::MIN_POSITIVE);
    let text = if w > 0.995 { "1.0".into() } else { format!("{w:.2}").trim_start_matches('0').to_string() };
    Entry { text, heat: Some(f64::from(w / top)), ..Entry::default() }
}

fn progress(pad: &mut Pad, scene: &Scene) {
    let state = scene.state;
    let (search, epochs) = (&state.search, &state.epochs);
    let Some(plan) = epochs.plan else { return };
    let order = match &search.setup {
        None => "from scratch".to_string(),
        Some(setup) => format!("{} order", setup.order.word()),
    };
    let mut inner = pad.panel("progress", &order, false);
    let ill = health::warnings(state);
    let share = epochs.progress();
    let percent = format!("{:.0} %", share * 100.0);
    let w = inner.width();
    // Beside the longest label.
    let room = w.saturating_sub(text::width("pictures") + 3);
    let plain = inner.theme.plain();
    bar(&mut inner, 1, 0, w.saturating_sub(3 + text::width(&percent)), share);
    inner.right(w.saturating_sub(1), 0, &percent, plain);
    let mut rows = vec![(
        "epoch",
        if search.stopped.is_some() {
            format!("{}/{} · stopped early", epochs.epoch, plan.epochs)
        } else if epochs.epoch >= plan.epochs {
            format!("{0}/{0} · done", plan.epochs)
        } else {
            // Steps are counted from 1, as epochs are.
            let step = (epochs.step + 1).min(plan.steps_per_epoch);
            format!("{}/{} · step {step}/{}", epochs.epoch + 1, plan.epochs, plan.steps_per_epoch)
        },
    )];
    if let Some((_, reason)) = &search.stopped {
        rows.push(("why", text::sanitize(reason)));
    }
    let rate = epochs
        .latest
        .as_ref()
        .map_or_else(|| "—".into(), |s| format!("{} images/s", text::significant(s.images_per_second, 3)));
    if state.ended.is_none() && !state.passed(state.epochs_stage()) {
        let left = epochs.left().map_or_else(|| "—".into(), text::duration);
        rows.push(("left", format!("{left} · {rate}")));
    } else {
        let took = state.stages[state.epochs_stage() as usize].seconds;
        rows.push(("took", format!("{} · {rate}", took.map_or_else(|| "—".into(), text::duration))));
    }
    if let Some(gpu) = &state.gpu {
        let (works, memory) = device(gpu);
        rows.extend(works.map(|works| ("GPU", works)));
        rows.push(("memory", memory));
    }
    let other = if scene.state.trains() { ("test", "the test pictures") } else { ("validation", "validation") };
    let best = epochs
        .best_accuracy()
        .map_or_else(|| "after the first epoch".into(), |a| format!("{:.1} % of {}", a * 100.0, other.1));
    rows.push(("best", best));
    let last = epochs.ended.last();
    if let Some(balanced) = last.and_then(|e| describe::apart(e.held_out_accuracy, e.balanced_accuracy)) {
        rows.push(("balanced", format!("{:.1} %, the mean over classes", balanced * 100.0)));
    }
    rows.push((
        "saved",
        epochs.checkpoint.map_or_else(
            || "no checkpoint yet".into(),
            |(e, step, bytes)| {
                let (when, size) = (text::moment(e, step), text::bytes(bytes));
                fitting(room, &[&format!("checkpoint {when}, {size}"), &format!("{when}, {size}"), &when])
            },
        ),
    ));
    let parts = search.setup.as_ref().map_or_else(Vec::new, SearchStarted::other_parts);
    if !parts.is_empty() {
        rows.push(("method", text::sanitize(&parts.join(", "))));
    }
    if let Some(run) = state.run.as_ref().filter(|r| r.stem != Stem::Cifar) {
        rows.push(("stem", format!("{}, an eighth of the pictures' sides", run.stem)));
    }
    if let Some(step) = &epochs.latest {
        rows.push((
            "step",
            format!(
                "lr {} · gradient {}",
                text::significant(step.learning_rate, 2),
                text::significant(step.gradient_norm, 3)
            ),
        ));
    }
    let (train, valid, batch) = (plan.train, plan.held_out, plan.batch);
    rows.push((
        "pictures",
        fitting(
            room,
            &[
                &format!("{train} train, {valid} {}, batch {batch}", other.0),
                &format!("{train} + {valid} {}, batch {batch}", other.0),
                &format!("{train} + {valid}, batch {batch}"),
            ],
        ),
    ));
    rows.push(match &state.training {
        None => ("supernet", format!("{} parameters", text::count(plan.parameters))),
        Some(t) => {
            let head = if t.auxiliary { ", auxiliary head" } else { "" };
            let (parameters, macs) = (text::count(t.parameters), text::count(t.macs));
            let size = format!("{} channels, {} cells", t.channels, t.cells);
            (
                "network",
                fitting(
                    room,
                    &[
                        &format!("{size}{head}: {parameters} parameters, {macs} MACs"),
                        &format!("{size}: {parameters} parameters"),
                        &size,
                    ],
                ),
            )
        }
    });
    let mut y = 1;
    if let Some((title, words)) = ill.first() {
        let more = if ill.len() > 1 { format!(" and {} more", ill.len() - 1) } else { String::new() };
        let key = scene.keymap.of(Action::Warnings);
        let style = inner.theme.warning();
        inner.fitted(1, y, w.saturating_sub(2), &format!("! {title}{more} ({key}): {words}"), style);
        y += 1;
    }
    let h = inner.height();
    pairs(&mut inner.sub(0, y, w, h.saturating_sub(y)), &rows);
}

/// The first of these words that fits, or the last.
fn fitting(room: u16, words: &[&str]) -> String {
    words.iter().find(|t| text::width(t) <= room).or(words.last()).map_or_else(String::new, |t| (*t).to_string())
}

/// What the GPU tells: work, heat, power; and memory.
fn device(gpu: &Gpu) -> (Option<String>, String) {
    let told = &gpu.latest;
    let mut parts = Vec::new();
    if let Some(busy) = told.busy {
        let recent: Vec<f64> = gpu.busy.buckets().iter().map(Bucket::mean).collect();
        let recent = text::spark(&recent[recent.len().saturating_sub(8)..], 8);
        parts.push(format!("{:.0} % busy {recent}", busy * 100.0));
    }
    parts.extend(told.temperature.map(|t| format!("{t:.0} °C")));
    parts.extend(told.watts.map(|w| format!("{w:.0} W")));
    let memory = format!("{} of {}", text::bytes(told.used_bytes), text::bytes(told.total_bytes));
    let others =
        told.others_bytes.filter(|b| *b > 0).map_or_else(String::new, |b| format!(" · others {}", text::bytes(b)));
    ((!parts.is_empty()).then(|| parts.join(" · ")), memory + &others)
}

/// What the latest epochs changed, newest first.
fn changes(pad: &mut Pad, scene: &Scene) {
    let search = &scene.state.search;
    let mut inner = pad.panel("changed", "newest first", false);
    if search.changes.is_empty() {
        inner.prose("What each epoch changes in the genotype will be listed here.");
        return;
    }
    let (dim, plain) = (inner.theme.dim(), inner.theme.plain());
    let mut y = 0;
    for (epoch, list) in search.changes.iter().rev() {
        for change in list {
            if y >= inner.height() {
                return;
            }
            let cell = if change.cell == CellKind::Normal { "n" } else { "r" };
            let x = inner.text(1, y, &format!("{:>3} {cell} ", epoch + 1), dim);
            inner.text(x, y, &change.words(), plain);
            y += 1;
        }
    }
}

/// The genotype of the latest epoch.
fn genotype(pad: &mut Pad, scene: &Scene) {
    let search = &scene.state.search;
    let epoch = search.epochs.last().map_or_else(String::new, |e| format!("epoch {}", e.epoch + 1));
    let note = match (scene.state.trains(), scene.state.ended.is_some()) {
        (true, true) => "trained",
        (true, false) => "in training",
        (false, _) => epoch.as_str(),
    };
    let mut inner = pad.panel("genotype", note, false);
    let Some(genotype) = scene.state.genotype().filter(|_| scene.state.trains()).or(search.genotype()) else {
        let what = match scene.state.space().stacking().every_edge() {
            true => "Derived after every epoch: the strongest operation of every edge.",
            false => "Derived after every epoch: the two strongest inputs of every node.",
        };
        inner.prose(what);
        return;
    };
    let weights = search.weights();
    let (dim, plain, strong) = (inner.theme.dim(), inner.theme.plain(), inner.theme.strong());
    let each = if weights.is_some() { 48 } else { 28 };
    let beside = inner.height() < 18 && inner.width() >= each;
    let (mut x, mut y) = (1, 0);
    for (i, cell) in genotype.kinds().enumerate() {
        if beside && i > 0 {
            (x, y) = (inner.width() / 2 + 1, 0);
        }
        inner.text(x, y, cell.name(), strong);
        y += 1;
        for c in chosen(genotype, cell, weights.as_ref()) {
            inner.text(x, y, &format!("{:<5}{}", c.edge(), c.choice.operation.short()), plain);
            if let Some(w) = c.weight {
                inner.text(x + 18, y, &format!("{w:.3}"), dim);
            }
            y += 1;
        }
    }
}
