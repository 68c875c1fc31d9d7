//! The zero-shot stage: from ranking functions to the order in which operations go. Each estimator, which says what an operation is
//! worth, is a file; what follows from the numbers of a round is here.

pub mod cells;
mod discretise;
mod evaluator;
mod leave_one_out;
pub mod race;
pub mod short_training;
pub mod significance;
mod zero;

pub(crate) use evaluator::SHARING;
pub use evaluator::{NetworkEvaluator, Proxy};

use std::collections::{HashMap, HashSet};

use self::race::{Fate, Judged};
use crate::proxies::aggregate::{Aggregate, Combined, Silent, Standing};
use crate::random;
use crate::run::config::{self, Draws, Estimator};
use crate::run::event::{Body, Drawn, DrawsEnd, Level, PlaceSummary, Removal, Vote};
use crate::run::number::Number;
use crate::space::cut::{Scope, Source, kept_per_edge};
use crate::space::{CellKind, Counts, Mask, Operation, Place};

/// [`Settings::remove_per_round`] where one round decides the whole order.
const WHOLE: usize = usize::MAX;

/// Settings of the stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Draws of weights and batch per round (V).
    pub draws: Draws,
    /// Where they go on until all is decided: evaluations in all (0: see [`race::budget`]), and seconds (0: no limit).
    pub max_evaluations: usize,
    pub max_seconds: f64,
    /// Operations that the cut which is asked for keeps on each edge; none where it is one within a budget, or over all edges.
    pub asked: Option<Counts>,
    /// Where rounds follow one another: also those below what is asked for.
    pub whole_order: bool,
    /// Operations that each edge loses per round.
    pub remove_per_round: usize,
    pub aggregate: Aggregate,
    pub estimator: Estimator,
    /// Cells of a draw, where cells are sampled.
    pub sample: usize,
    /// Who goes first of those that the scores can't tell apart.
    pub undecided: Source,
    pub seed: u64,
}

impl Settings {
    /// Those of a run that scores `space`.
    pub fn of(config: &config::Config, space: &Mask) -> Settings {
        let (score, cut) = (&config.score, &config.cut);
        let level = || Counts::uniform(space.space(), kept_per_edge(cut.xi, config.full().widest()));
        let counts = cut.counts(space.space());
        Settings {
            draws: score.draws,
            max_evaluations: score.max_evaluations,
            max_seconds: score.max_seconds,
            asked: if cut.budget().is_some() || cut.scope == Scope::Global {
                None
            } else {
                Some(counts.unwrap_or_else(level))
            },
            whole_order: score.whole_order,
            remove_per_round: score.remove_per_round,
            aggregate: score.aggregate,
            estimator: score.estimator,
            sample: score.sample,
            undecided: score.undecided,
            seed: config.seed,
        }
    }

    /// Operations that rounds leave on each edge at least: one, or what is asked for.
    fn last(&self) -> Option<Counts> {
        self.asked.filter(|_| !self.whole_order)
    }
}

/// What evaluates networks. `draw` counts over all rounds and gives both sides of a difference the same weights and batch.
pub trait Evaluator {
    type Error;
    fn functions(&self) -> usize;
    fn name(&self, function: usize) -> &str;
    /// Whether a function is the same in every draw.
    fn exact(&self, _function: usize) -> bool {
        false
    }
    /// Why a function may be the same whichever operation is left out.
    fn constant_since(&self, _function: usize) -> Option<&str> {
        None
    }
    /// Whether the networks have cells of this kind: operations of others have no score.
    fn has(&self, _kind: CellKind) -> bool {
        true
    }
    /// The relative difference of two values of a function; the higher, the more important what was left out.
    fn difference(&self, function: usize, base: f64, without: f64) -> f64;
    /// A value of a function, turned so that higher is better.
    fn turned(&self, function: usize, value: f64) -> f64;
    /// How many places are worth evaluating at once.
    fn parallel(&self) -> usize;
    /// The values of the network under `mask`; the following calls of [`Evaluator::without`] refer to it.
    fn baseline(&mut self, mask: &Mask, draw: u64) -> Result<Vec<f64>, Self::Error>;
    /// For each place the values of the last baseline's network without it, in their order.
    fn without(&self, places: &[Place]) -> Result<Vec<Vec<f64>>, Self::Error>;
    /// Makes the pictures of a draw, for the following calls of [`Evaluator::cells`].
    fn open(&mut self, draw: u64) -> Result<(), Self::Error>;
    /// The values of networks of their own, with the weights and the pictures of the draw, in their order.
    fn cells(&self, masks: &[Mask]) -> Result<Vec<Vec<f64>>, Self::Error>;
}

/// Where events go, and where a request to stop comes from.
pub trait Watcher<E> {
    fn emit(&mut self, body: Body) -> Result<(), E>;
    /// Between evaluations: pauses inside if asked to; true asks to stop at once.
    fn interrupted(&mut self) -> Result<bool, E>;
    /// Between rounds: true asks to stop here.
    fn enough(&mut self) -> Result<bool, E>;
}

/// What the stage found.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    pub order: Vec<Removal>,
    pub ties: usize,
    pub undefined: usize,
    /// Stopped on request before the end.
    pub stopped: bool,
}

/// What was scored before; a stage that goes on from it ends as if it had never been interrupted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Whole rounds.
    pub rounds: usize,
    pub order: Vec<Removal>,
    pub undefined: usize,
    /// Of the round after those: relative differences by function, for a draw and a place.
    pub partial: HashMap<(usize, Place), Vec<f64>>,
    /// Values of functions, for a draw and the number of a sampled cell.
    pub cells: HashMap<(usize, usize), Vec<f64>>,
    /// Draws of the round after which it was told how it stands, and whether they ended there.
    pub told: HashMap<usize, Option<DrawsEnd>>,
    /// Evaluations of whole rounds, and seconds until the last that was told of.
    pub spent: usize,
    pub seconds: f64,
    /// Functions whose silence was told.
    silent: HashSet<usize>,
}

impl Progress {
    /// One more round.
    pub fn take(&mut self, removed: Vec<Removal>, summaries: &[PlaceSummary]) {
        self.rounds += 1;
        self.spent += self.partial.len();
        self.partial.clear();
        self.cells.clear();
        self.told.clear();
        self.undefined += summaries.iter().map(|s| s.undefined).sum::<usize>();
        self.order.extend(removed);
    }

    fn ended(self, stopped: bool) -> Scored {
        let ties = self.order.iter().filter(|r| r.tie).count();
        Scored { ties, order: self.order, undefined: self.undefined, stopped }
    }
}

/// Rounds that are needed until every edge of `space` keeps one operation, or as many as are asked for.
pub fn rounds(space: &Mask, settings: &Settings) -> usize {
    if settings.estimator.in_rounds() {
        leave_one_out::rounds(space, settings).len()
    } else {
        usize::from(space.widest() > 1)
    }
}

/// Evaluations of all rounds and draws; where draws go on until all is decided, at most.
pub fn evaluations(space: &Mask, settings: &Settings) -> usize {
    let of_one_draw = match settings.estimator {
        Estimator::LeaveOneOut | Estimator::Zero => leave_one_out::rounds(space, settings).iter().sum(),
        Estimator::Discretise => competing(space).count(),
        Estimator::Cells | Estimator::ShortTraining => rounds(space, settings) * settings.sample,
    };
    match settings.draws {
        Draws::Fixed(draws) => of_one_draw * draws,
        Draws::Auto | Draws::Whole => race::budget(settings, of_one_draw),
    }
}

/// Runs the stage on `space`, going on from `progress`.
///
/// # Errors
/// Those of the evaluator and of the watcher.
pub fn run<E, V: Evaluator<Error = E>, W: Watcher<E>>(
    space: &Mask,
    settings: &Settings,
    progress: Progress,
    evaluator: &mut V,
    watcher: &mut W,
) -> Result<Scored, E> {
    match settings.estimator {
        Estimator::LeaveOneOut | Estimator::Zero => leave_one_out::run(space, settings, progress, evaluator, watcher),
        Estimator::Discretise => discretise::run(space, settings, progress, evaluator, watcher),
        Estimator::Cells | Estimator::ShortTraining => cells::run(space, settings, progress, evaluator, watcher),
    }
}

/// Operations that others of their edge compete with.
fn competing(space: &Mask) -> impl Iterator<Item = Place> {
    space.places().filter(|p| space.count_on(p.cell, p.edge) > 1)
}

/// The draws of a round: how many there are, and which operations each is about.
struct Draw<'a> {
    number: usize,
    settings: &'a Settings,
    mask: &'a Mask,
    places: &'a [Place],
    exact: Vec<bool>,
    /// Evaluations that the round may take, and those of it that are done.
    budget: usize,
    done: usize,
    /// Those of the rounds before.
    before: usize,
    judged: Judged,
    told: HashMap<usize, Option<DrawsEnd>>,
    seconds: f64,
    start: std::time::Instant,
}

impl<'a> Draw<'a> {
    fn new(
        round: usize,
        settings: &'a Settings,
        (mask, places): (&'a Mask, &'a [Place]),
        exact: Vec<bool>,
        budget: usize,
        progress: &mut Progress,
    ) -> Draw<'a> {
        Draw {
            number: round,
            settings,
            mask,
            places,
            exact,
            budget,
            done: 0,
            before: progress.spent,
            judged: Judged::of_all(places.len()),
            told: std::mem::take(&mut progress.told),
            seconds: progress.seconds,
            start: std::time::Instant::now(),
        }
    }

    /// Seconds so far, also those of engines before.
    fn seconds(&self) -> f64 {
        self.seconds + self.start.elapsed().as_secs_f64()
    }

    /// After a draw of so many evaluations: whether another one follows. `cost` is what that would take, by its entrants.
    fn ended<E, W: Watcher<E>>(
        &mut self,
        relative: &[Vec<Vec<f64>>],
        evaluations: usize,
        cost: impl Fn(usize) -> usize,
        watcher: &mut W,
    ) -> Result<bool, E> {
        self.done += evaluations;
        let drawn = relative.iter().map(Vec::len).max().unwrap_or(0);
        if let Draws::Fixed(draws) = self.settings.draws {
            return Ok(drawn >= draws);
        }
        let judge = |ended| race::judge(self.mask, self.settings, self.places, relative, &self.exact, ended);
        if race::LOOKS.contains(&drawn) {
            self.judged = judge(false);
        }
        let next = cost(self.judged.entrants.len());
        let (seconds, most) = (self.seconds(), self.settings.max_seconds);
        let known = self.told.get(&(drawn - 1)).copied();
        let end = known.unwrap_or_else(|| match () {
            () if self.judged.entrants.is_empty() => Some(DrawsEnd::Decided),
            () if drawn >= race::MOST => Some(DrawsEnd::Draws),
            () if self.done + next > self.budget => Some(DrawsEnd::Evaluations),
            () => (most > 0.0 && seconds >= most).then_some(DrawsEnd::Seconds),
        });
        if end.is_some() {
            self.judged = judge(true);
        }
        if known.is_none() {
            let more = self.budget.saturating_sub(self.done) / next.max(1);
            watcher.emit(Body::Drawn(Drawn {
                round: self.number,
                draw: drawn - 1,
                most: if end.is_some() { drawn } else { (drawn + more).min(race::MOST) },
                boundaries: self.judged.boundaries,
                open: self.judged.open,
                evaluations: self.before + self.done,
                seconds,
                end,
            }))?;
        }
        Ok(end.is_some())
    }
}

/// A round that has its values.
struct Round<'a> {
    number: usize,
    mask: &'a Mask,
    places: &'a [Place],
    /// `[place][draw][function]`.
    relative: &'a [Vec<Vec<f64>>],
    /// What the test decided, where draws went on until it did.
    judged: Option<&'a Judged>,
    start: std::time::Instant,
}

/// The end of a round: the functions are put together, and what goes is decided and told.
fn conclude<E, V: Evaluator<Error = E>, W: Watcher<E>>(
    round: &Round,
    settings: &Settings,
    evaluator: &V,
    watcher: &mut W,
    progress: &mut Progress,
) -> Result<Vec<Removal>, E> {
    let Round { number, mask, places, relative, judged, start } = *round;
    let combined = race::combined(mask, settings, places, relative);
    let exact = exact(settings, evaluator);
    let votes: Vec<Vote> = combined.standings.iter().enumerate().map(|(f, s)| vote(s, evaluator, f)).collect();
    for (f, vote) in votes.iter().enumerate() {
        // Once: most have a vote in every round or in none.
        if let (Some(why), true) = (&vote.silent, progress.silent.insert(f)) {
            let text = format!("{} has no vote: {why}", evaluator.name(f));
            watcher.emit(Body::Log { level: Level::Warning, text })?;
        }
    }
    let (removed, summaries) = settle(mask, settings, number, places, relative, &combined, &exact, judged);
    progress.take(removed.clone(), &summaries);
    let seconds = start.elapsed().as_secs_f64();
    watcher.emit(Body::RoundEnded { round: number, seconds, removed: removed.clone(), summaries, votes })?;
    Ok(removed)
}

/// Functions that are the same in every draw.
fn exact<V: Evaluator>(settings: &Settings, evaluator: &V) -> Vec<bool> {
    // What a regression says of a count depends on the cells that were drawn.
    let sampled = settings.estimator.samples();
    (0..evaluator.functions()).map(|f| evaluator.exact(f) && !sampled).collect()
}

/// The sum of those that are defined; NaN where none is.
fn plain_sum(differences: &[f64]) -> f64 {
    let finite = differences.iter().filter(|v| v.is_finite());
    finite.copied().reduce(|a, b| a + b).unwrap_or(f64::NAN)
}

fn vote<V: Evaluator>(standing: &Standing, evaluator: &V, function: usize) -> Vote {
    let silent = standing.silent.map(|s| match (s, evaluator.constant_since(function)) {
        (Silent::Undefined, _) => "it is not finite on any edge".to_string(),
        (Silent::NothingNew, _) => "what it tells is noise, or told by the others".to_string(),
        (Silent::Constant, None) => "it is the same whichever operation of an edge is left out".to_string(),
        (Silent::Constant, Some(why)) => {
            format!("it is the same whichever operation of an edge is left out ({why})")
        }
    });
    Vote {
        noise: Number(standing.noise),
        spread: Number(standing.spread),
        divisor: Number(standing.divisor),
        silent,
        undefined_edges: standing.undefined_edges,
    }
}

/// The whole order of removal that follows from one round: `relative` is `[place][draw][function]`, `exact` says which functions have
/// no noise. Any pruning level is a prefix.
pub fn order(
    mask: &Mask,
    settings: &Settings,
    places: &[Place],
    relative: &[Vec<Vec<f64>>],
    exact: &[bool],
) -> Vec<Removal> {
    let settings = Settings { remove_per_round: WHOLE, ..*settings };
    let combined = race::combined(mask, &settings, places, relative);
    let until = settings.draws.fixed().is_none();
    let judged = until.then(|| race::judge(mask, &settings, places, relative, exact, true));
    settle(mask, &settings, 0, places, relative, &combined, exact, judged.as_ref()).0
}

/// What a round decides: the lowest of each edge go.
#[expect(clippy::too_many_arguments, reason = "a round, and what was found out about it")]
fn settle(
    mask: &Mask,
    settings: &Settings,
    round: usize,
    places: &[Place],
    relative: &[Vec<Vec<f64>>],
    combined: &Combined,
    exact: &[bool],
    judged: Option<&Judged>,
) -> (Vec<Removal>, Vec<PlaceSummary>) {
    let fate = |i: usize| judged.map_or(Fate::Open, |j| j.fates[i]);
    let whole = settings.remove_per_round == WHOLE;
    let samples = &combined.samples;
    let means: Vec<f64> = samples.iter().map(|s| mean(s)).collect();
    let (mut removed, mut summaries) = (Vec::new(), Vec::new());
    for (slot, (cell, edge)) in mask.space().all_edges().enumerate() {
        let mut own: Vec<usize> =
            (0..places.len()).filter(|i| places[*i].cell == cell && places[*i].edge == edge).collect();
        let Some(first) = own.first().copied() else { continue };
        // A number for each, so that equal scores go by the saved seed; undefined ones are not ranked at all.
        let mut lots: Vec<usize> = (0..own.len()).collect();
        random::shuffle(&mut random::stream_at(settings.seed, "score/lot", [round as u64, slot as u64]), &mut lots);
        let lot_of: std::collections::BTreeMap<usize, usize> = own.iter().copied().zip(lots).collect();
        own.sort_by(|a, b| {
            let (x, y) = (means[*a], means[*b]);
            let by_score = x.partial_cmp(&y).unwrap_or(std::cmp::Ordering::Equal).then(lot_of[a].cmp(&lot_of[b]));
            // What is decided holds, though others have had more draws since.
            fate(*a).cmp(&fate(*b)).then(by_score)
        });
        // Counts have no noise: one draw tells them apart, and equal ones are equal.
        let counted = combined.votes[first].iter().zip(exact).all(|(v, exact)| *exact || v.is_nan());
        let lower = |a: usize, b: usize| match (samples[a].is_empty() || samples[b].is_empty(), counted) {
            (true, _) => None,
            (false, true) => Some(if means[a] < means[b] { 0.0 } else { 1.0 }),
            (false, false) => match judged {
                Some(judged) => Some(judged.lower(a, b)),
                None => significance::lower_p(&samples[a], &samples[b]),
            },
        };
        // With so few draws that no test could tell any two apart, the scores are all there is.
        let draws = own.iter().map(|i| samples[*i].len()).max().unwrap_or(0);
        let tells = counted || can_tell(draws, judged.is_some());
        let undecided = if tells { settings.undecided } else { Source::Scores };
        let settled = settle_ties(&mut own, undecided, &lower, |i| places[i].operation, |i| lot_of[&i]);
        let lots_decide = !matches!(undecided, Source::MostParameters | Source::Cheapest);
        let goes = settings.remove_per_round.max(1).min(mask.count_on(cell, edge).saturating_sub(1));
        for (rank, i) in own.iter().enumerate() {
            let next = own.get(rank + 1);
            if rank < goes {
                // Against the first that stays, if there is one; where one round decides the whole order, that depends on the
                // level, and the next above stands for it.
                let first = if whole { rank + 1 } else { goes };
                let against = own.get(first).and_then(|n| lower(*i, *n));
                let undefined = samples[*i].is_empty();
                let above = own[rank + 1..].iter().map(|n| lower(*i, *n).map_or(Number(f64::NAN), Number)).collect();
                let removal = Removal {
                    place: places[*i],
                    score: Number(means[*i]),
                    tie: against.is_none_or(|p| p > significance::ALPHA),
                    by_lot: undefined || (lots_decide && own.get(first).is_some_and(|n| means[*n] == means[*i])),
                    undefined,
                    settled: settled.contains(i).then_some(settings.undecided),
                    p_above: if whole { above } else { Vec::new() },
                    best: own.get(rank + 1).filter(|_| whole && rank + 2 == own.len()).map(|n| Number(means[*n])),
                };
                removed.push((rank, removal));
            }
            summaries.push(PlaceSummary {
                place: places[*i],
                mean: Number(means[*i]),
                deviation: Number(deviation(&samples[*i])),
                by_function: by_function(&relative[*i]).map(Number).collect(),
                votes: combined.votes[*i].iter().copied().map(Number).collect(),
                next: next.map(|n| places[*n]),
                p: next.and_then(|n| lower(*i, *n)).map(Number),
                undefined: relative[*i].iter().flatten().filter(|v| !v.is_finite()).count(),
            });
        }
    }
    if whole {
        // Every level is a prefix of the order.
        removed.sort_by_key(|(rank, _)| *rank);
    }
    (removed.into_iter().map(|(_, r)| r).collect(), summaries)
}

/// Whether so many draws can tell any two apart.
fn can_tell(draws: usize, paired: bool) -> bool {
    if paired {
        return draws >= race::LOOKS[0];
    }
    significance::least_ways(draws).is_none_or(|ways| 1.0 / ways as f64 <= significance::ALPHA)
}

/// Orders an edge, lowest score first so far: of the lowest and those that are not significantly better, the control's lowest goes
/// first, again and again. Returns those that went before a lower score.
fn settle_ties(
    own: &mut Vec<usize>,
    undecided: Source,
    lower: &impl Fn(usize, usize) -> Option<f64>,
    operation: impl Fn(usize) -> Operation,
    lot: impl Fn(usize) -> usize,
) -> Vec<usize> {
    let mut settled = Vec::new();
    if undecided == Source::Scores {
        return settled;
    }
    let mut left = std::mem::take(own);
    while let Some(lowest) = left.first().copied() {
        // Undefined scores are told apart by nothing at all, and that is told elsewhere.
        let tied = |i: &usize| *i == lowest || lower(lowest, *i).is_some_and(|p| p > significance::ALPHA);
        let key = |i: usize| match undecided {
            Source::MostParameters => operation(i).weight(),
            Source::Cheapest => usize::MAX - operation(i).cost(),
            _ => lot(i),
        };
        // Of equal ones the lower score goes.
        let goes = (0..left.len()).filter(|n| tied(&left[*n])).min_by_key(|n| key(left[*n])).unwrap_or(0);
        if goes > 0 {
            settled.push(left[goes]);
        }
        own.push(left.remove(goes));
    }
    settled
}

/// NaN without any value.
fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { f64::NAN } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Standard deviation of a sample; NaN with fewer than two values.
fn deviation(values: &[f64]) -> f64 {
    let m = mean(values);
    match values.len() {
        0 | 1 => f64::NAN,
        n => (values.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (n - 1) as f64).sqrt(),
    }
}

/// Means over the draws in which each function is defined, from `[draw][function]`.
fn by_function(relative: &[Vec<f64>]) -> impl Iterator<Item = f64> {
    let functions = relative.first().map_or(0, Vec::len);
    (0..functions).map(move |f| {
        let own: Vec<f64> = relative.iter().map(|d| d[f]).filter(|v| v.is_finite()).collect();
        mean(&own)
    })
}

#[cfg(test)]
mod tests;
