//! Series of a run as tables: CSV with a line of names, units in the names, an empty field where there is nothing to say, one
//! row for each thing that the journal tells. Where steps came again after an interruption, the later ones count.

use std::fmt::Display;

use crate::explorer::state::{State, Weights};
use crate::run::event::{Body, Cut, Event, Removal};
use crate::run::number::Number;
use crate::space::{Place, Space};
use crate::words::words;

/// What a table is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// Losses and accuracies, of steps and of epochs.
    Losses,
    /// Mixing weights by operation, and raw alphas where an epoch ends.
    Alphas,
    /// What each round found of each operation.
    Scores,
    /// Memory over time.
    Memory,
    /// What is kept, by operation.
    Cut,
}

words!(Series);

impl Series {
    pub const ALL: [Series; 5] = [Series::Losses, Series::Alphas, Series::Scores, Series::Memory, Series::Cut];

    pub const fn name(self) -> &'static str {
        match self {
            Series::Losses => "losses",
            Series::Alphas => "alphas",
            Series::Scores => "scores",
            Series::Memory => "memory",
            Series::Cut => "cut",
        }
    }

    /// Those that a run of this kind can have.
    pub fn of(trains: bool) -> impl Iterator<Item = Series> {
        Series::ALL.into_iter().filter(move |s| !trains || matches!(s, Series::Losses | Series::Memory))
    }
}

/// The table; none where the journal has told nothing of it yet.
pub fn table(events: &[Event], series: Series) -> Option<String> {
    let table = match series {
        Series::Losses => losses(events),
        Series::Alphas => alphas(events),
        Series::Scores => scores(events),
        Series::Memory => memory(events),
        Series::Cut => cut(events),
    };
    (table.rows > 0).then_some(table.text)
}

/// A text that grows by rows.
struct Table {
    text: String,
    rows: usize,
}

impl Table {
    fn new(names: &[&str]) -> Table {
        Table { text: format!("{}\n", names.join(",")), rows: 0 }
    }

    fn row(&mut self, fields: &[String]) {
        let fields: Vec<String> = fields.iter().map(|f| quoted(f)).collect();
        self.text.push_str(&fields.join(","));
        self.text.push('\n');
        self.rows += 1;
    }
}

/// As RFC 4180 has it.
fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.into(),
    }
}

/// A number with all its digits; nothing where it is NaN. Infinities are `inf` and `-inf`, which readers know.
fn number(v: f64) -> String {
    if v.is_nan() { String::new() } else { v.to_string() }
}

fn text(of: impl Display) -> String {
    of.to_string()
}

fn began(events: &[Event]) -> f64 {
    events.first().map_or(0.0, |e| e.time)
}

fn space_of(events: &[Event]) -> Space {
    let started = events.iter().rev().find_map(|e| match &e.body {
        Body::RunStarted(run) => Some(run.space.space()),
        _ => None,
    });
    started.unwrap_or_default()
}

/// Rows at steps, of which later ones replace those that come again.
struct Stepwise(Vec<((usize, usize), Vec<String>)>);

impl Stepwise {
    fn put(&mut self, at: (usize, usize), row: Vec<String>) {
        self.0.push((at, row));
    }

    /// An epoch has come to a step where others were before.
    fn begin(&mut self, at: (usize, usize)) {
        self.0.retain(|(there, _)| *there < at);
    }

    /// The one row of a step.
    fn only(&mut self, at: (usize, usize), row: Vec<String>) {
        self.begin(at);
        self.put(at, row);
    }

    fn into(self, mut table: Table) -> Table {
        self.0.iter().for_each(|(_, row)| table.row(row));
        table
    }
}

fn losses(events: &[Event]) -> Table {
    let table = Table::new(&[
        "of",
        "epoch",
        "step",
        "steps_in_all",
        "time_s",
        "train_loss_nats",
        "train_accuracy_share",
        "held_out_loss_nats",
        "held_out_accuracy_share",
        "gradient_norm",
        "learning_rate",
        "pictures_per_s",
        "epoch_s",
    ]);
    let (mut rows, mut per_epoch) = (Stepwise(Vec::new()), 0);
    for event in events {
        let time = number(event.time - began(events));
        let nothing = String::new;
        match &event.body {
            Body::SearchStarted(s) => per_epoch = s.steps_per_epoch,
            Body::TrainingStarted(s) => per_epoch = s.steps_per_epoch,
            Body::Step(s) => {
                let all = s.epoch * per_epoch + s.step + 1;
                let mut row = vec![text("step"), text(s.epoch + 1), text(s.step + 1), text(all), time];
                row.extend([s.train_loss.0, s.train_accuracy, s.valid_loss.0].map(number));
                row.push(nothing());
                row.extend([s.gradient_norm.0, s.learning_rate, s.images_per_second].map(number));
                row.push(nothing());
                rows.only((s.epoch, s.step), row);
            }
            Body::TrainingStep(s) => {
                let all = s.epoch * per_epoch + s.step + 1;
                let mut row = vec![text("step"), text(s.epoch + 1), text(s.step + 1), text(all), time];
                row.extend([s.loss.0, s.accuracy].map(number));
                row.extend([nothing(), nothing()]);
                row.extend([s.gradient_norm.0, s.learning_rate, s.images_per_second].map(number));
                row.push(nothing());
                rows.only((s.epoch, s.step), row);
            }
            Body::EpochEnded(e) => {
                let means = [e.train_loss.0, e.train_accuracy, e.valid_loss.0, e.valid_accuracy];
                rows.only((e.epoch, per_epoch), epoch_row(e.epoch, per_epoch, time, means, e.seconds));
            }
            Body::TrainingEpochEnded(e) => {
                let means = [e.train_loss.0, e.train_accuracy, e.test_loss.0, e.test_accuracy];
                rows.only((e.epoch, per_epoch), epoch_row(e.epoch, per_epoch, time, means, e.seconds));
            }
            _ => {}
        }
    }
    rows.into(table)
}

fn epoch_row(epoch: usize, per_epoch: usize, time: String, means: [f64; 4], seconds: f64) -> Vec<String> {
    let mut row = vec![text("epoch"), text(epoch + 1), text(per_epoch), text((epoch + 1) * per_epoch), time];
    row.extend(means.map(number));
    row.extend([String::new(), String::new(), String::new(), number(seconds)]);
    row
}

fn alphas(events: &[Event]) -> Table {
    let table = Table::new(&[
        "of",
        "epoch",
        "step",
        "steps_in_all",
        "cell",
        "source",
        "target",
        "operation",
        "mixing_weight_share",
        "alpha",
    ]);
    let space = space_of(events);
    let (mut rows, mut per_epoch) = (Stepwise(Vec::new()), 0);
    let raw = |tables: [&Vec<Vec<Number>>; 2], place: Place| {
        let row = space.graph(place.cell).and_then(|g| tables[place.cell.index()].get(g.row(place.edge)?));
        let alpha = row.and_then(|row| row.get(space.column(place.operation)?));
        alpha.map_or(f64::NAN, |v| v.0)
    };
    for event in events {
        let (of, at, weights, own) = match &event.body {
            Body::SearchStarted(s) => {
                per_epoch = s.steps_per_epoch;
                continue;
            }
            Body::Alphas { epoch, step, normal, reduction } => {
                ("step", (*epoch, *step), Weights::new(space, normal, reduction), None)
            }
            Body::EpochEnded(e) => {
                let raw = [&e.alphas_normal, &e.alphas_reduction];
                ("epoch", (e.epoch, per_epoch), Weights::from_alphas(space, raw[0], raw[1]), Some(raw))
            }
            _ => continue,
        };
        rows.begin(at);
        let (epoch, step) = at;
        let steps = if of == "step" { step + 1 } else { step };
        for place in space.places() {
            let weight = weights.get(place.cell, place.edge, place.operation);
            // What was cut has no weight.
            if weight <= 0.0 {
                continue;
            }
            let mut row = vec![text(of), text(epoch + 1), text(steps), text(epoch * per_epoch + steps)];
            row.extend(named(place));
            row.extend([text(weight), own.map_or_else(String::new, |own| number(raw(own, place)))]);
            rows.put(at, row);
        }
    }
    rows.into(table)
}

fn named(Place { cell, edge, operation }: Place) -> [String; 4] {
    [text(cell), text(edge.source()), text(edge.target()), text(operation)]
}

fn scores(events: &[Event]) -> Table {
    let functions = events.iter().rev().find_map(|e| match &e.body {
        Body::ScoringStarted(s) => Some(s.functions.clone()),
        _ => None,
    });
    let functions = functions.unwrap_or_default();
    let mut names =
        ["round", "cell", "source", "target", "operation", "score", "score_deviation"].map(String::from).to_vec();
    names.extend(["next_operation", "p_of_next", "removed", "within_noise", "undefined_values"].map(String::from));
    names.extend(functions.iter().map(|f| format!("{f}_relative")));
    names.extend(functions.iter().map(|f| format!("{f}_vote")));
    let mut table = Table::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut rounds: Vec<(usize, Vec<Vec<String>>)> = Vec::new();
    for event in events {
        let Body::RoundEnded { round, removed, summaries, .. } = &event.body else { continue };
        let gone = |place: Place| removed.iter().find(|r: &&Removal| r.place == place);
        let rows = summaries.iter().map(|s| {
            let mut row = vec![text(round + 1)];
            row.extend(named(s.place));
            row.extend([number(s.mean.0), number(s.deviation.0)]);
            row.push(s.next.map_or_else(String::new, |p| text(p.operation)));
            row.push(s.p.map_or_else(String::new, |p| number(p.0)));
            row.push(text(u8::from(gone(s.place).is_some())));
            row.push(gone(s.place).map_or_else(String::new, |r| text(u8::from(r.tie))));
            row.push(text(s.undefined));
            // Journals of before have no votes.
            for list in [&s.by_function, &s.votes] {
                row.extend((0..functions.len()).map(|i| list.get(i).map_or_else(String::new, |v| number(v.0))));
            }
            row
        });
        let rows = rows.collect();
        rounds.retain(|(number, _)| number < round);
        rounds.push((*round, rows));
    }
    rounds.iter().flat_map(|(_, rows)| rows).for_each(|row| table.row(row));
    table
}

fn memory(events: &[Event]) -> Table {
    let mut table = Table::new(&["time_s", "stage", "used_bytes", "peak_bytes", "total_bytes"]);
    let mut stage = String::new();
    for event in events {
        match &event.body {
            Body::StageStarted { stage: now } => stage = now.name().into(),
            Body::Memory { used_bytes, peak_bytes, total_bytes } => {
                let time = number(event.time - began(events));
                table.row(&[time, stage.clone(), text(used_bytes), text(peak_bytes), text(total_bytes)]);
            }
            _ => {}
        }
    }
    table
}

fn cut(events: &[Event]) -> Table {
    let mut table = Table::new(&["cell", "source", "target", "operation", "kept", "by_hand", "confirmed"]);
    let state = State::from_events(events);
    let Some(Cut { mask, by_hand, .. }) = &state.cut.cut else { return table };
    for place in mask.space().places() {
        let flags = [mask.contains(place), by_hand.contains(&place), state.cut.confirmed];
        table.row(&[&named(place)[..], &flags.map(|is| text(u8::from(is)))].concat());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explorer::fixture::{Until, journal};

    fn rows(text: &str) -> Vec<Vec<&str>> {
        text.lines().map(|line| line.split(',').collect()).collect()
    }

    #[test]
    fn every_table_is_square_and_says_its_units() {
        let events = journal(Until::Done, 1);
        for series in Series::ALL {
            let text = table(&events, series).unwrap_or_else(|| panic!("no {series}"));
            let rows = rows(&text);
            assert!(rows.len() > 1 && rows.iter().all(|row| row.len() == rows[0].len()), "{series}:\n{text}");
        }
        assert!(table(&journal(Until::Started, 1), Series::Losses).is_none());
        let losses = table(&events, Series::Losses).unwrap();
        assert!(losses.starts_with("of,epoch,step,steps_in_all,time_s,train_loss_nats"), "{losses}");
        let ended = events.iter().filter(|e| matches!(e.body, Body::EpochEnded(_))).count();
        assert_eq!(losses.lines().filter(|l| l.starts_with("epoch,")).count(), ended);
    }

    #[test]
    fn steps_that_come_again_are_there_once() {
        let once = journal(Until::Done, 1);
        let from = once.iter().position(|e| matches!(e.body, Body::SearchStarted(_))).unwrap();
        let again = [&once[..], &once[from..]].concat();
        for series in [Series::Losses, Series::Alphas] {
            assert_eq!(table(&again, series), table(&once, series), "{series}");
        }
    }

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        assert_eq!([quoted("a"), quoted("a,\"b\"")], ["a", "\"a,\"\"b\"\"\""]);
        assert_eq!([number(f64::NAN), number(0.1), number(f64::INFINITY)], ["", "0.1", "inf"]);
    }
}
