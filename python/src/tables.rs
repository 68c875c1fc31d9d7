//! Series of a run as rows, one column a key: `{"epoch": 1, "train_loss": 2.3, …}`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};
use zonas::explorer::state::State;
use zonas::run::RunFolder;
use zonas::run::event::Body;
use zonas::run::journal::Tail;
use zonas::space::{CellKind, Edge, Place};

/// Rows of a table: values by the names of their columns.
pub type Rows = Vec<Map<String, Value>>;

fn row(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}

/// Where an operation sits, as the first columns of a row.
fn place(p: Place) -> Map<String, Value> {
    let (from, to) = (p.edge.source(), p.edge.target());
    row(json!({
        "cell": p.cell.to_string(), "edge": format!("{from}>{to}"), "operation": p.operation.name(),
    }))
}

/// Each operation with the number that decided about it and the mean relative difference of each function.
pub fn scores(state: &State) -> Rows {
    let cut = state.cut.cut.as_ref().map(|c| c.mask);
    let Some(setup) = &state.score.setup else { return Vec::new() };
    let mut rows = Vec::new();
    for p in state.space().places() {
        let Some(found) = state.score.summary(p, None) else { continue };
        let mut r = place(p);
        r.insert("score".into(), json!(found.mean));
        r.insert("deviation".into(), json!(found.deviation));
        r.insert("p".into(), json!(found.p));
        r.insert("removed_in_round".into(), json!(state.score.place(p).removed.map(|round| round + 1)));
        r.insert("kept".into(), json!(cut.map(|mask| mask.contains(p))));
        for (name, value) in setup.functions.iter().zip(&found.by_function) {
            r.insert(name.clone(), json!(value));
        }
        rows.push(r);
    }
    rows
}

/// What the cut keeps, by kind of cell and edge.
pub fn kept(state: &State) -> Value {
    let Some(cut) = &state.cut.cut else { return Value::Null };
    let space = cut.mask.space();
    let of = |cell: CellKind| -> Map<String, Value> {
        let edge = |e: &Edge| {
            let names: Vec<&str> = cut.mask.kept(cell, *e).map(|o| o.name()).collect();
            (format!("{}>{}", e.source(), e.target()), json!(names))
        };
        space.edges(cell).iter().map(edge).collect()
    };
    space.kinds().map(|cell| (cell.to_string(), Value::Object(of(cell)))).collect()
}

/// Alphas after each epoch, and their softmax over what is kept.
pub fn alphas(state: &State) -> Rows {
    let space = state.space();
    let mut rows = Vec::new();
    for epoch in &state.search.epochs {
        for cell in space.kinds() {
            let all = match cell {
                CellKind::Normal => &epoch.alphas_normal,
                CellKind::Reduction => &epoch.alphas_reduction,
            };
            for (edge, values) in space.edges(cell).iter().zip(all) {
                let kept = || values.iter().map(|v| v.0).filter(|v| !v.is_nan());
                let most = kept().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = kept().map(|v| (v - most).exp()).sum();
                for (operation, v) in space.operations().iter().zip(values).filter(|(_, v)| !v.0.is_nan()) {
                    let mut r = place(Place::new(cell, *edge, *operation));
                    r.insert("epoch".into(), json!(epoch.epoch + 1));
                    r.insert("alpha".into(), json!(v));
                    r.insert("weight".into(), json!((v.0 - most).exp() / sum));
                    rows.push(r);
                }
            }
        }
    }
    rows
}

/// Means of each epoch, and each step that the journal tells of; of what was done again after a stop, the last.
pub fn curves(folder: &RunFolder) -> (Rows, Rows) {
    let (mut epochs, mut steps) = (BTreeMap::new(), BTreeMap::new());
    let mut tail = Tail::events(folder);
    loop {
        let events = tail.read();
        if events.is_empty() {
            return (epochs.into_values().collect(), steps.into_values().collect());
        }
        for event in &events {
            match &event.body {
                Body::EpochEnded(e) => {
                    let mut r = of_epoch(e.epoch, e);
                    r.insert("genotype".into(), json!(e.genotype.to_string()));
                    put(&mut epochs, e.epoch, r);
                }
                Body::TrainingEpochEnded(e) => put(&mut epochs, e.epoch, of_epoch(e.epoch, e)),
                Body::Step(s) => put(&mut steps, (s.epoch, s.step), of_step(s.epoch, s, event.time)),
                Body::TrainingStep(s) => put(&mut steps, (s.epoch, s.step), of_step(s.epoch, s, event.time)),
                _ => {}
            }
        }
    }
}

/// A row in its place; those behind it are of what was lost.
fn put<K: Ord>(rows: &mut BTreeMap<K, Map<String, Value>>, at: K, r: Map<String, Value>) {
    rows.split_off(&at);
    rows.insert(at, r);
}

/// What an event tells, with its epoch counted from 1.
fn of_epoch(epoch: usize, told: &impl Serialize) -> Map<String, Value> {
    let mut r = serde_json::to_value(told).map(row).unwrap_or_default();
    r.retain(|key, _| !key.starts_with("alphas_"));
    r.insert("epoch".into(), json!(epoch + 1));
    r
}

fn of_step(epoch: usize, told: &impl Serialize, time: f64) -> Map<String, Value> {
    let mut r = of_epoch(epoch, told);
    r.insert("time".into(), json!(time));
    r
}
