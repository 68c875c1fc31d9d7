//! The columns that there are: results, and every setting by its key.

use super::run::Listed;
use super::value::{Kind, Value};
use crate::run::config::KEYS;

/// One result that runs have.
pub struct Spec {
    /// What it is called in filters and lists of columns.
    pub key: &'static str,
    /// Over its column.
    pub title: &'static str,
    /// One line: what it is, with its unit.
    pub meaning: &'static str,
    pub kind: Kind,
    /// The highest first, when it is sorted by.
    pub falling: bool,
    /// Means of several runs make sense: over those that are done.
    pub averaged: bool,
    value: fn(&Listed, f64) -> Value,
}

const fn spec(
    key: &'static str,
    title: &'static str,
    kind: Kind,
    (falling, averaged): (bool, bool),
    meaning: &'static str,
    value: fn(&Listed, f64) -> Value,
) -> Spec {
    Spec { key, title, meaning, kind, falling, averaged, value }
}

fn accuracy(run: &Listed, trains: bool) -> Value {
    Value::of(run.accuracy.filter(|_| run.trains == trains), Value::Share)
}

fn bytes(n: Option<u64>) -> Value {
    Value::of(n, |n| Value::Bytes(n as f64))
}

fn count(n: Option<usize>) -> Value {
    Value::of(n, |n| Value::Number(n as f64))
}

fn of_live<T>(run: &Listed, get: impl FnOnce(&super::Live) -> Option<T>, make: impl FnOnce(T) -> Value) -> Value {
    Value::of(run.live.as_ref().and_then(get), make)
}

/// Results, in the order in which they stand.
pub const RESULTS: &[Spec] = &[
    spec("run", "run", Kind::Words, (false, false), "name of the run", |r, _| Value::words(&r.name)),
    spec("state", "state", Kind::Words, (false, false), "how it stands, or what it is at", |r, _| {
        Value::words(&r.status)
    }),
    spec("tags", "tags", Kind::Names, (false, false), "what a person has tagged it with", |r, _| match r.tags() {
        [] => Value::Missing,
        tags => Value::List(tags.to_vec()),
    }),
    spec("age", "age", Kind::Seconds, (false, false), "since the latest event", |r, now| {
        if r.last > 0.0 { Value::Age(now - r.last) } else { Value::Missing }
    }),
    spec("kept", "kept", Kind::Number, (false, true), "operations that the cut keeps", |r, _| count(r.kept)),
    // Of the supernet on validation pictures, and of a training on test pictures: they do not compare.
    spec("supernet", "supernet", Kind::Share, (true, true), "best validation accuracy of the supernet", |r, _| {
        accuracy(r, false)
    }),
    spec("test", "test", Kind::Share, (true, true), "best test accuracy of a training from scratch", |r, _| {
        accuracy(r, true)
    }),
    spec(
        "loss",
        "loss",
        Kind::Number,
        (false, true),
        "validation or test loss of the latest epoch, in nats",
        |r, _| Value::of(r.loss, Value::Number),
    ),
    spec("epoch", "epoch", Kind::Number, (true, false), "epochs that have ended", |r, _| {
        Value::of(r.epochs, |(e, of)| Value::Of(e, of))
    }),
    spec("level", "ξ", Kind::Number, (false, true), "pruning level of the cut, as it was made", |r, _| {
        Value::of(r.cut.as_ref(), |c| Value::Number(c.0))
    }),
    spec("cut", "cut by", Kind::Words, (false, false), "what the cut goes by, as it was made", |r, _| {
        Value::of(r.cut.as_ref(), |c| Value::Words(c.1.replace('_', " ")))
    }),
    spec(
        "predicted",
        "predicted",
        Kind::Bytes,
        (false, true),
        "memory predicted for the search or training",
        |r, _| bytes(r.predicted),
    ),
    spec("peak", "peak", Kind::Bytes, (false, true), "measured peak of the search's or training's memory", |r, _| {
        bytes(r.peak)
    }),
    spec("scoring", "scoring", Kind::Seconds, (false, true), "seconds of scoring", |r, _| {
        Value::of(r.scoring_seconds, Value::Seconds)
    }),
    spec(
        "scoring_peak",
        "scoring peak",
        Kind::Bytes,
        (false, true),
        "measured peak of the scoring's memory",
        |r, _| bytes(r.scoring_peak),
    ),
    spec("search", "time", Kind::Seconds, (false, true), "seconds of the search or training", |r, _| {
        Value::of(r.search_seconds, Value::Seconds)
    }),
    spec(
        "parameters",
        "params",
        Kind::Number,
        (false, true),
        "parameters of the cell at the published size",
        |r, _| Value::of(r.parameters, |n| Value::Number(n as f64)),
    ),
    spec(
        "left",
        "left",
        Kind::Seconds,
        (false, false),
        "time left of the present stage, at its present rate",
        |r, _| of_live(r, |l| l.left, Value::Seconds),
    ),
    spec("memory", "memory", Kind::Bytes, (false, false), "memory that a run at work has now", |r, _| {
        of_live(r, |l| l.memory, |n| Value::Bytes(n as f64))
    }),
    spec("curve", "loss so far", Kind::Words, (false, false), "training loss of a run at work", |r, _| {
        of_live(r, |l| Some(l.spark(12)), Value::words)
    }),
    spec("by_hand", "by hand", Kind::Number, (false, false), "operations of the cut that a person decided", |r, _| {
        Value::Number(r.by_hand as f64)
    }),
    spec("device", "device", Kind::Words, (false, false), "where it was computed", |r, _| {
        Value::of(r.device.clone(), Value::words)
    }),
    spec("threads", "threads", Kind::Number, (false, false), "threads of the engine", |r, _| count(r.threads)),
    spec("data", "data", Kind::Words, (false, false), "the pictures", |r, _| Value::words(&r.data)),
    spec("note", "note", Kind::Words, (false, false), "what a person has noted", |r, _| Value::words(r.note())),
];

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Column {
    /// By its number in [`RESULTS`].
    Result(usize),
    /// By its number in [`KEYS`].
    Setting(usize),
}

impl Column {
    /// A result by its key.
    ///
    /// # Panics
    /// There is none: only names from this program are asked for.
    pub fn result(key: &str) -> Column {
        match RESULTS.iter().position(|s| s.key == key) {
            Some(i) => Column::Result(i),
            None => panic!("no result is called {key}"),
        }
    }

    /// A setting by its path.
    pub fn setting(path: &str) -> Option<Column> {
        KEYS.iter().position(|k| k.path() == path).map(Column::Setting)
    }

    pub fn key(self) -> String {
        match self {
            Column::Result(i) => RESULTS[i].key.into(),
            Column::Setting(i) => KEYS[i].path(),
        }
    }

    /// What stands over it.
    pub fn title(self) -> String {
        match self {
            Column::Result(i) => RESULTS[i].title.into(),
            Column::Setting(i) => KEYS[i].path(),
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Column::Result(i) => RESULTS[i].meaning,
            Column::Setting(i) => KEYS[i].meaning,
        }
    }

    pub fn value(self, run: &Listed, now: f64) -> Value {
        match self {
            Column::Result(i) => (RESULTS[i].value)(run, now),
            Column::Setting(i) => run.setting(i),
        }
    }

    /// What it holds; a setting's values say that themselves.
    pub fn kind(self) -> Option<Kind> {
        match self {
            Column::Result(i) => Some(RESULTS[i].kind),
            Column::Setting(_) => None,
        }
    }

    /// Whether the highest comes first when it is sorted by.
    pub fn falls(self) -> bool {
        matches!(self, Column::Result(i) if RESULTS[i].falling)
    }

    /// Whether a mean over runs makes sense of it; a setting that differs within a group is named, not averaged.
    pub fn averaged(self) -> bool {
        matches!(self, Column::Result(i) if RESULTS[i].averaged)
    }

    /// Whether it stands at the right, as numbers do.
    pub fn right(self) -> bool {
        match self {
            Column::Result(i) => !matches!(RESULTS[i].kind, Kind::Words | Kind::Names) && RESULTS[i].key != "age",
            Column::Setting(i) => {
                // By its default.
                let path = KEYS[i].path();
                let table = crate::run::config::Config::default().value(&path);
                table.is_some_and(|v| v.parse::<f64>().is_ok())
            }
        }
    }
}
