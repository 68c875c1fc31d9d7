//! What the engine writes to `events.jsonl`, one JSON object a line. A watcher's whole state is a fold over these, so
//! everything that a screen shows must be derivable from them.

use serde::{Deserialize, Serialize};

use super::assessed::Assessed;
use super::number::Number;
use crate::device::DeviceMeters;
use crate::oneshot::Order;
use crate::space::cut::{Scope, Source};
use crate::space::{By, CellKind, Edge, Genotype, Mask, Place, Space, SpaceFileError, Stem};

/// Version of the event format; a reader skips (and counts) lines of a version that it does not know.
pub const VERSION: u32 = 1;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// [`VERSION`].
    pub v: u32,
    /// 0, 1, 2, … without gaps.
    pub seq: u64,
    /// Wall clock, seconds since 1970.
    pub time: f64,
    #[serde(flatten)]
    pub body: Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Score,
    Cut,
    Search,
    Cell,
    /// Training a genotype from scratch: a run of its own, with [`Stage::Cell`] before it.
    Train,
}

impl Stage {
    /// Stages that there are.
    pub const COUNT: usize = 5;

    pub const fn name(self) -> &'static str {
        match self {
            Stage::Score => "score",
            Stage::Cut => "cut",
            Stage::Search => "search",
            Stage::Cell => "cell",
            Stage::Train => "train",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Body {
    RunStarted(RunStarted),
    /// What the results from here on come from; a run that is resumed compares it.
    Origin(Origin),
    StageStarted {
        stage: Stage,
    },
    /// `peak_bytes`: the process's own peak over its state before the stage; absent where it cannot be measured.
    StageEnded {
        stage: Stage,
        seconds: f64,
        peak_bytes: Option<u64>,
    },

    ScoringStarted(ScoringStarted),
    RoundStarted {
        round: usize,
        mask: Mask,
        evaluations: usize,
    },
    /// `r(N_t)` of every ranking function (in the order of `ScoringStarted::functions`) for one draw, in its own direction.
    Baseline {
        round: usize,
        draw: usize,
        values: Vec<Number>,
    },
    /// The engine is about to evaluate this place.
    Scoring {
        round: usize,
        draw: usize,
        place: Place,
    },
    /// `r(N_t \ e)` and the relative differences `(r(N_t) - r(N_t \ e)) / |r(N_t)|`, both by function; the difference of a
    /// function of which lower is better is turned round, so that a higher one always means a more important operation.
    /// `score` is the plain sum of those that are defined (`relative`); what decides is known at the round's end only.
    Score {
        round: usize,
        draw: usize,
        place: Place,
        values: Vec<Number>,
        relative: Vec<Number>,
        score: Number,
    },
    /// The values of a sampled cell, by function: the place that it has is drawn from its numbers and the saved seed.
    SampledCell {
        draw: usize,
        number: usize,
        values: Vec<Number>,
    },
    /// Where draws go on until all is decided: how it stands after one.
    Drawn(Drawn),
    RoundEnded {
        round: usize,
        seconds: f64,
        removed: Vec<Removal>,
        summaries: Vec<PlaceSummary>,
        /// How each ranking function counted in this round; empty in journals of earlier versions.
        #[serde(default)]
        votes: Vec<Vote>,
    },
    ScoringEnded(ScoringEnded),

    /// A cut that now stands, not yet confirmed: the automatic one first, then one for each accepted change.
    CutProposed(Cut),
    CutConfirmed(Cut),

    SearchStarted(SearchStarted),
    /// Thinned: at most one per `SearchStarted::journal_every` steps.
    Step(Step),
    /// Softmaxed mixing weights by kind, edge and operation (0 where cut), at most one per `journal_every` steps.
    Alphas {
        epoch: usize,
        step: usize,
        normal: Vec<Vec<f32>>,
        reduction: Vec<Vec<f32>>,
    },
    EpochEnded(EpochEnded),
    /// The search ends with this epoch, which is not its last: why, by a rule of its method.
    SearchStopped {
        epoch: usize,
        reason: String,
    },
    /// Of a second-order search, once an epoch: how far two evaluations of one alpha gradient are apart, relative to it, when
    /// the weights are moved by ±1e-7 of themselves (`Searcher::sensitivity`).
    SecondOrder {
        epoch: usize,
        step: usize,
        spread: Number,
    },

    /// Of a run that trains a genotype from scratch.
    TrainingStarted(TrainingStarted),
    /// Thinned: at most one per `TrainingStarted::journal_every` steps.
    TrainingStep(TrainingStep),
    TrainingEpochEnded(TrainingEpoch),

    /// Memory of this process and of the machine, or its part of the memory of a GPU and all of that, sampled.
    Memory {
        used_bytes: u64,
        peak_bytes: u64,
        total_bytes: u64,
    },
    /// The GPU that the run computes on, with each [`Body::Memory`], which then tells of this process's part of it.
    Device(DeviceMeters),
    CheckpointSaved {
        epoch: usize,
        step: usize,
        bytes: u64,
    },

    CommandAccepted {
        id: String,
        command: String,
    },
    CommandRefused {
        id: String,
        command: String,
        reason: String,
    },
    Paused,
    Resumed,
    Log {
        level: Level,
        text: String,
    },

    /// The genotype that the search ends with, its parameters and multiply-accumulates at the published evaluation size; none
    /// where they are too many to count.
    Found {
        genotype: Genotype,
        parameters: Option<u64>,
        macs: Option<u64>,
        /// Which network is published for such pictures.
        #[serde(default)]
        stem: Stem,
    },
    /// `bad_input`: it failed by what was asked for (settings, data), which has an exit code of its own.
    RunEnded {
        outcome: Outcome,
        detail: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        bad_input: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A genotype was found, or trained to the end.
    Done,
    /// Stopped on request, or waiting for a cut that nobody confirmed; a checkpoint is there if the search had begun.
    Stopped,
    /// Aborted on request.
    Aborted,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    pub run: String,
    pub program: String,
    pub seed: u64,
    pub device: String,
    pub threads: usize,
    pub total_bytes: Option<u64>,
    pub data: DataSummary,
    pub classes: usize,
    /// Width and layout of the network that will be searched or trained.
    pub channels: usize,
    pub cells: Vec<CellKind>,
    pub batch: usize,
    /// The file that the search space comes from, as text; absent for a built-in one. It is read before the masks, which
    /// name their space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<SpaceText>,
    /// Places that take part in scoring.
    pub space: Mask,
    /// Bytes that the search may take.
    #[serde(default)]
    pub budget_bytes: Option<u64>,
    /// The run trains a genotype from scratch, and neither scores nor searches.
    #[serde(default)]
    pub trains: bool,
    /// What stands before the cells; in journals of before always the plain one.
    #[serde(default)]
    pub stem: Stem,
}

/// The text of a search space's file; reading it makes the space known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpaceText(String);

impl SpaceText {
    /// Of a space, where that is not built in.
    pub fn of(space: Space) -> Option<SpaceText> {
        space.text().map(|text| SpaceText(text.into()))
    }
}

impl TryFrom<String> for SpaceText {
    type Error = SpaceFileError;

    fn try_from(text: String) -> Result<SpaceText, SpaceFileError> {
        Space::read(&text)?;
        Ok(SpaceText(text))
    }
}

impl From<SpaceText> for String {
    fn from(text: SpaceText) -> String {
        text.0
    }
}

impl RunStarted {
    /// All candidates of the search space.
    pub fn full(&self) -> Mask {
        self.space.space().full()
    }
}

/// What must not change between the parts of a run, if its result is to be that of one part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Name and version.
    pub program: String,
    /// Vector instructions that the kernels use.
    pub vectors: String,
    /// Fingerprint of the pictures and labels.
    pub data: String,
    /// Every setting, as TOML.
    pub config: String,
    /// Tells this run from every other, whatever it is called; its checkpoints carry it. Empty in journals of before.
    #[serde(default)]
    pub run: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataSummary {
    /// "Fashion-MNIST subset (embedded)", "CIFAR-10 binary", …
    pub name: String,
    pub train: usize,
    pub test: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub class_names: Vec<String>,
    /// What pictures are normalised with, by channel, of pixels from 0 to 1; none in older journals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mean: Vec<f32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deviation: Vec<f32>,
    /// Where both come from, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub normalisation: String,
}

impl DataSummary {
    /// Mean and deviation, and where they come from; `None` if the journal does not tell.
    pub fn pixels(&self) -> Option<String> {
        let numbers = |values: &[f32]| values.iter().map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(" ");
        let (mean, deviation) = (numbers(&self.mean), numbers(&self.deviation));
        let from = if self.normalisation.is_empty() { String::new() } else { format!(", {}", self.normalisation) };
        (!self.mean.is_empty()).then(|| format!("mean {mean}, deviation {deviation}{from}"))
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoringStarted {
    /// Names of the ranking functions, in the order of all value lists.
    pub functions: Vec<String>,
    pub draws: usize,
    pub rounds: usize,
    /// Evaluations of all rounds together: places x draws, or cells x draws.
    pub evaluations: usize,
    /// Draws go on until all is decided: those and the evaluations are the most that there may be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub until_decided: bool,
    /// The proxy network.
    pub channels: usize,
    pub cells: Vec<CellKind>,
    pub batch: usize,
    pub aggregate: String,
    /// "leave_one_out", as in journals of before, or another of [`crate::run::config::Estimator`].
    #[serde(default = "leave_one_out")]
    pub estimator: String,
    /// Cells of a draw, where cells are sampled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sample: usize,
}

impl ScoringStarted {
    /// Whether scores come from sampled cells.
    pub fn samples_cells(&self) -> bool {
        self.sample > 0
    }
}

/// How a round stands whose draws go on until all is decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    pub round: usize,
    /// The draw that is over, from 0.
    pub draw: usize,
    /// Draws of the round at most.
    pub most: usize,
    /// Edges with a decision to make, and those of them where it is open; both 0 before the test first looks.
    pub boundaries: usize,
    pub open: usize,
    /// Evaluations so far, in all rounds.
    pub evaluations: usize,
    pub seconds: f64,
    /// Why no draw follows, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<DrawsEnd>,
}

impl Drawn {
    /// "draw 12 of at most 48, 5 of 28 boundaries undecided".
    pub fn words(&self) -> String {
        let draws = self.draw + 1;
        let so_far = match self.end {
            Some(_) => crate::text::counted(draws, "draw"),
            None => format!("draw {draws} of at most {}", self.most),
        };
        let open = match (self.boundaries, self.open) {
            (0, _) => return so_far,
            (all, 0) => format!("all {all} boundaries decided"),
            (all, open) => format!("{open} of {all} boundaries undecided"),
        };
        format!("{so_far}, {open}")
    }
}

/// Why draws end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrawsEnd {
    Decided,
    /// As many as there ever are.
    Draws,
    /// Another would take more evaluations than are allowed.
    Evaluations,
    /// So many seconds are over: another engine may get further in them.
    Seconds,
}

impl DrawsEnd {
    pub const fn words(self) -> &'static str {
        match self {
            DrawsEnd::Decided => "all is decided",
            DrawsEnd::Draws => "there are no more draws",
            DrawsEnd::Evaluations => "score.max_evaluations are spent",
            DrawsEnd::Seconds => "score.max_seconds are over, so another run may end elsewhere",
        }
    }
}

fn leave_one_out() -> String {
    "leave_one_out".into()
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// Level below which a difference counts as more than noise.
pub const ALPHA: f64 = 0.05;

/// One operation leaving, in removal order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Removal {
    pub place: Place,
    /// [`PlaceSummary::mean`] of the round: what it was removed for.
    pub score: Number,
    /// The lowest operation of its edge that stayed was not significantly better (one-sided Mann-Whitney U, p > 0.05).
    pub tie: bool,
    /// Chosen among exactly equal (or undefined) scores at random, by the saved seed.
    pub by_lot: bool,
    /// No ranking function that votes was defined on this edge: nothing but chance decided.
    #[serde(default)]
    pub undefined: bool,
    /// It went before a lower score, from which noise can't tell its own: by this control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Source>,
    /// Where one round decided the whole order: the p of "this one is lower" (one-sided Mann-Whitney U) against each operation
    /// that ranks above it on its edge, the next first. Which of them is the lowest that stays is up to the level.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub p_above: Vec<Number>,
    /// Of the last that goes on an edge, in such a round: the score of what stays to the end there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Number>,
}

impl Removal {
    /// Whether it is within noise that this one goes where its edge keeps so many operations.
    pub fn within_noise(&self, kept: usize) -> bool {
        let lowest = self.p_above.len().checked_sub(kept).and_then(|i| self.p_above.get(i));
        // NaN: nothing can be said.
        lowest.map_or(self.tie, |p| p.0.is_nan() || p.0 > ALPHA)
    }
}

/// How one ranking function counted in a round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// Standard deviation of its relative differences from draw to draw, pooled over the places; NaN with one draw.
    pub noise: Number,
    /// Standard deviation of its mean relative differences within an edge, pooled over the edges.
    pub spread: Number,
    /// What its relative differences were divided by before they were added: 1 for `relative`, its noise for `noise`; NaN
    /// where it has no vote, or where ranks were added.
    pub divisor: Number,
    /// Why it has no vote, where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<String>,
    /// Edges on which it has no vote since it is undefined there.
    pub undefined_edges: usize,
}

/// What a round found out about one operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlaceSummary {
    pub place: Place,
    /// What decided: the sum over the functions that vote of their relative differences, each divided by
    /// [`Vote::divisor`] (or of their ranks), averaged over draws. NaN where none is defined.
    pub mean: Number,
    /// Standard deviation of that sum over draws.
    pub deviation: Number,
    /// Mean relative difference by function.
    pub by_function: Vec<Number>,
    /// What each function added to `mean`; NaN where it had no vote. Empty in journals of earlier versions.
    #[serde(default)]
    pub votes: Vec<Number>,
    /// The operation of the same edge that comes next above, and the p-value of "this one is lower" (one-sided
    /// Mann-Whitney U); absent for the best of an edge.
    pub next: Option<Place>,
    pub p: Option<Number>,
    /// Values of single functions in single draws that were NaN or infinite; they are left out.
    pub undefined: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoringEnded {
    pub seconds: f64,
    pub peak_bytes: Option<u64>,
    /// Every removal, round by round: any pruning level is a prefix of this.
    pub order: Vec<Removal>,
    /// Decisions that were a tie.
    pub ties: usize,
    pub undefined: usize,
}

/// Who decided that a place is kept or dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decider {
    Automatic,
    Hand,
}

/// A mask and how it came about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// Share of the space's operations that the automatic part lets go: the pruning level that was asked for, where one was.
    pub xi: f64,
    pub mask: Mask,
    /// Places whose state differs from the automatic cut.
    pub by_hand: Vec<Place>,
    /// Every decision by hand, kept or not, also those that the automatic cut agrees with at this level. Journals of before
    /// have none: then [`Cut::by_hand`] is all that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decided: Vec<(Place, bool)>,
    /// Set where the automatic part is no level but the single operations that fit into so many bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_bytes: Option<u64>,
    /// Set where the automatic part is no level but so many operations on each edge: as [`crate::space::Counts`]
    /// lists them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_per_edge: Vec<usize>,
    /// Over what the level is a share: each edge, or "global", all of them together. Absent for each edge.
    #[serde(default, skip_serializing_if = "Scope::is_edge")]
    pub scope: Scope,
    /// Where the automatic part comes from: "scores", "random", "cheapest" or "most_parameters".
    pub source: String,
    /// Of a cut by scores, which of their functions, and how they are put together: `by`, `aggregate`. Absent where that is as
    /// the run's settings say.
    #[serde(flatten)]
    pub by: By,
    /// Operations of the space that the automatic part drops; of those, by [`Removal::undefined`], how many had no score
    /// that is defined, and how many others went at random among equal scores. All 0 where the source is a control.
    #[serde(default)]
    pub decisions: usize,
    #[serde(default)]
    pub undefined: usize,
    #[serde(default)]
    pub by_lot: usize,
    /// Nothing was scored in this run: its settings ask for a control.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unscored: bool,
    /// The command that this comes from: it is answered, whatever becomes of the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Set where it comes from an undo or a redo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<CutMove>,
    /// Estimated peak bytes of the search with this mask and with the full space.
    pub memory_bytes: u64,
    pub full_memory_bytes: u64,
    /// Predicted seconds of a search step with this mask and with the full space; absent where its parts were not timed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_seconds: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_step_seconds: Option<f64>,
    pub warnings: Vec<String>,
    /// Whether it is any good, as far as that can be told without training; absent in journals of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Assessed>,
}

/// A move in the history of a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutMove {
    Undo,
    Redo,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchStarted {
    pub epochs: usize,
    pub steps_per_epoch: usize,
    pub batch: usize,
    /// The name of the method, and its parts; in journals of before only the order.
    #[serde(default)]
    pub method: String,
    pub order: Order,
    #[serde(default)]
    pub regularisers: Vec<String>,
    #[serde(default)]
    pub warm_up_epochs: usize,
    #[serde(default)]
    pub stop: Vec<String>,
    pub train: usize,
    pub valid: usize,
    pub parameters: u64,
    pub predicted_bytes: u64,
    /// "keep", "recompute", or "recompute the first N cells".
    #[serde(default)]
    pub policy: String,
    pub journal_every: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingStarted {
    pub genotype: Genotype,
    /// Width of the first cells, and number of cells.
    pub channels: usize,
    pub cells: usize,
    pub epochs: usize,
    pub steps_per_epoch: usize,
    pub batch: usize,
    pub train: usize,
    pub test: usize,
    /// The auxiliary head's among them.
    pub parameters: u64,
    /// Multiply-accumulates of one picture, without the auxiliary head.
    pub macs: u64,
    /// Whether an auxiliary head helps.
    pub auxiliary: bool,
    /// Predicted peak bytes.
    pub predicted_bytes: u64,
    pub journal_every: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub epoch: usize,
    /// Step within the epoch.
    pub step: usize,
    pub train_loss: Number,
    pub train_accuracy: f64,
    /// Loss of the architecture step's validation batch; NaN where there is no such step.
    pub valid_loss: Number,
    pub gradient_norm: Number,
    pub learning_rate: f64,
    pub images_per_second: f64,
}

/// A step of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingStep {
    pub epoch: usize,
    /// Step within the epoch.
    pub step: usize,
    /// Of the main head.
    pub loss: Number,
    pub accuracy: f64,
    pub gradient_norm: Number,
    pub learning_rate: f64,
    pub images_per_second: f64,
}

/// An epoch of a training; the losses are means over pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingEpoch {
    pub epoch: usize,
    pub train_loss: Number,
    pub train_accuracy: f64,
    pub test_loss: Number,
    pub test_accuracy: f64,
    /// Mean over the classes: the share of each one's pictures that was classified rightly. Absent in older journals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_balanced_accuracy: Option<f64>,
    pub seconds: f64,
    /// Those of them in which steps waited for pictures, as far as the engine that ended it made them; absent in older journals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_seconds: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochEnded {
    pub epoch: usize,
    pub train_loss: Number,
    pub train_accuracy: f64,
    pub valid_loss: Number,
    pub valid_accuracy: f64,
    /// Mean over the classes: the share of each one's pictures that was classified rightly. Absent in older journals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_balanced_accuracy: Option<f64>,
    pub seconds: f64,
    /// Those of them in which steps waited for pictures, as far as the engine that ended it made them; absent in older journals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_seconds: Option<f64>,
    pub genotype: Genotype,
    /// Raw alphas by kind (`[edges, operations]`; NaN written as "nan" where cut).
    pub alphas_normal: Vec<Vec<Number>>,
    pub alphas_reduction: Vec<Vec<Number>>,
}

impl SearchStarted {
    /// The parts of the method besides its order, as a person reads them.
    pub fn other_parts(&self) -> Vec<String> {
        let warm_up = (self.warm_up_epochs > 0).then(|| match self.warm_up_epochs {
            1 => "1 epoch of warm-up".to_string(),
            n => format!("{n} epochs of warm-up"),
        });
        let stop = self.stop.iter().map(|rule| format!("may stop by {rule}"));
        self.regularisers.iter().cloned().chain(warm_up).chain(stop).collect()
    }
}

/// From this share of its decisions on, undefined scores make a cut one that is not by scores: a tenth.
const UNDEFINED: usize = 10;

impl Cut {
    /// Candidates of the search space in all: what [`Cut::mask`] is a part of.
    pub fn of(&self) -> usize {
        self.mask.space().full().count()
    }

    /// Share of the candidates that is not kept.
    pub fn gone(&self) -> f64 {
        1.0 - self.mask.count() as f64 / self.of().max(1) as f64
    }

    /// Kept operations of an edge under this cut.
    pub fn kept_on(&self, cell: CellKind, edge: Edge) -> usize {
        self.mask.count_on(cell, edge)
    }

    /// Why a cut whose source is the scores is not by scores: a tenth or more of its decisions had no score that is
    /// defined, or half of them fell at random among equal ones.
    pub fn not_by_scores(&self) -> Option<String> {
        if self.source != "scores" || self.decisions == 0 {
            return None;
        }
        let (all, none, lots) = (self.decisions, self.undefined, self.by_lot);
        if none * UNDEFINED >= all {
            let equal = if lots > 0 { format!(", and {lots} had equal scores") } else { String::new() };
            return Some(format!(
                "not by scores: {none} of {all} decisions had no defined score{equal}; those fell at random"
            ));
        }
        (2 * (none + lots) >= all).then(|| {
            format!("not by scores: {} of {all} decisions had equal scores, or none, and fell at random", none + lots)
        })
    }
}
