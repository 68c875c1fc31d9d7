//! Events without their heavy parts, for those who read many journals: scores, alphas and orders of removal are passed over
//! as text. What is left is enough for a line of a list, and is folded as any event is.

use serde::Deserialize;

use super::event::{Body, EpochEnded, Event, ScoringEnded, VERSION};
use super::folder::RunFolder;
use super::journal::{Line, Tail, named};
use super::number::Number;
use super::old_training::Trains;
use crate::space::Genotype;

/// An event whose genotype, alphas, summaries and order of removal are empty.
#[derive(Clone, Debug)]
pub struct Brief(pub Event);

/// Events that a list tells nothing of.
const PASSED: &[&[u8]] = &[
    b"score",
    b"scoring",
    b"sampled_cell",
    b"baseline",
    b"step",
    b"training_step",
    b"alphas",
    b"memory",
    b"device",
    b"second_order",
    b"origin",
    b"log",
    b"checkpoint_saved",
    b"command_accepted",
    b"command_refused",
];

impl Tail<Brief> {
    /// Of a run's journal, without the events that a list tells nothing of.
    pub fn briefs(folder: &RunFolder) -> Tail<Brief> {
        Tail::of_events(folder).without(PASSED)
    }
}

#[derive(Deserialize)]
struct Round {
    v: u32,
    seq: u64,
    time: f64,
    round: usize,
    seconds: f64,
}

#[derive(Deserialize)]
struct Scored {
    v: u32,
    seq: u64,
    time: f64,
    seconds: f64,
    peak_bytes: Option<u64>,
    ties: usize,
    undefined: usize,
}

#[derive(Deserialize)]
struct Epoch {
    v: u32,
    seq: u64,
    time: f64,
    epoch: usize,
    train_loss: Number,
    train_accuracy: f64,
    valid_loss: Number,
    valid_accuracy: f64,
    #[serde(default)]
    valid_balanced_accuracy: Option<f64>,
    seconds: f64,
}

fn read<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Option<T> {
    serde_json::from_slice(line).ok()
}

impl Line for Brief {
    type SoFar = Trains;

    fn read(line: &[u8]) -> Option<Brief> {
        let event = |v, seq, time, body| Some(Brief(Event { v, seq, time, body }));
        match named(line) {
            Some(b"round_ended") => {
                let Round { v, seq, time, round, seconds } = read(line)?;
                let (removed, summaries, votes) = (Vec::new(), Vec::new(), Vec::new());
                event(v, seq, time, Body::RoundEnded { round, seconds, removed, summaries, votes })
            }
            Some(b"scoring_ended") => {
                let Scored { v, seq, time, seconds, peak_bytes, ties, undefined } = read(line)?;
                let order = Vec::new();
                event(v, seq, time, Body::ScoringEnded(ScoringEnded { seconds, peak_bytes, order, ties, undefined }))
            }
            Some(b"epoch_ended") => {
                let e: Epoch = read(line)?;
                let body = EpochEnded {
                    epoch: e.epoch,
                    train_loss: e.train_loss,
                    train_accuracy: e.train_accuracy,
                    valid_loss: e.valid_loss,
                    valid_accuracy: e.valid_accuracy,
                    valid_balanced_accuracy: e.valid_balanced_accuracy,
                    seconds: e.seconds,
                    waiting_seconds: None,
                    genotype: nothing(),
                    alphas_normal: Vec::new(),
                    alphas_reduction: Vec::new(),
                };
                event(e.v, e.seq, e.time, Body::EpochEnded(body))
            }
            _ => read(line).map(Brief),
        }
    }

    fn known(&self) -> bool {
        self.0.v <= VERSION
    }

    fn after(self, trains: &mut Trains) -> Brief {
        Brief(self.0.after(trains))
    }
}

impl<'a> Deserialize<'a> for Brief {
    fn deserialize<D: serde::Deserializer<'a>>(d: D) -> Result<Brief, D::Error> {
        Event::deserialize(d).map(Brief)
    }
}

fn nothing() -> Genotype {
    Genotype {
        stacking: Default::default(),
        normal: Vec::new(),
        normal_concat: Vec::new(),
        reduction: Vec::new(),
        reduction_concat: Vec::new(),
    }
}

/// What a run at work tells many times a second: where it is, its loss, its memory.
#[derive(Clone, Copy, Debug)]
pub enum Beat {
    /// A step, from 0, of an epoch, from 0.
    Step { time: f64, epoch: usize, step: usize, loss: f64 },
    /// An evaluation of the scoring.
    Scored { time: f64 },
    /// Bytes of the process, or of its part of the GPU.
    Memory { used: u64 },
    /// An engine has come, or another stage begins: what was measured before says nothing of the rate now.
    Begun,
}

#[derive(Deserialize)]
struct Step {
    time: f64,
    epoch: usize,
    step: usize,
    #[serde(alias = "train_loss")]
    loss: Number,
}

#[derive(Deserialize)]
struct Timed {
    time: f64,
}

#[derive(Deserialize)]
struct Memory {
    used_bytes: u64,
}

impl Line for Beat {
    type SoFar = ();

    fn read(line: &[u8]) -> Option<Beat> {
        match named(line)? {
            b"step" | b"training_step" => {
                let Step { time, epoch, step, loss } = read(line)?;
                Some(Beat::Step { time, epoch, step, loss: loss.0 })
            }
            b"score" | b"sampled_cell" => read(line).map(|Timed { time }| Beat::Scored { time }),
            b"memory" => read(line).map(|Memory { used_bytes }| Beat::Memory { used: used_bytes }),
            b"run_started" | b"stage_started" | b"resumed" => Some(Beat::Begun),
            _ => None,
        }
    }
}

impl Tail<Beat> {
    /// Of a run's journal; whatever is no beat counts as skipped.
    pub fn beats(folder: &RunFolder) -> Tail<Beat> {
        Tail::of_events(folder)
    }
}

/// The time that a line says, as far as its beginning tells.
pub(super) fn time_of(line: &[u8]) -> Option<f64> {
    const KEY: &[u8] = b"\"time\":";
    let head = &line[..line.len().min(112)];
    let rest = &head[memchr::memmem::find(head, KEY)? + KEY.len()..];
    let end = rest.iter().position(|b| !b.is_ascii_digit() && *b != b'.')?;
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}
