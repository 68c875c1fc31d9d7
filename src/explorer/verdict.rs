//! Is a cut any good? What its scores, their noise, the budget and the parameter count say of it, in words.

use std::collections::{BTreeMap, HashSet};

use super::forecast::Forecast;
use super::state::{State, most_parameters, unscored};
use super::text;
use crate::proxies::aggregate::Aggregate;
use crate::run::event::Cut;
use crate::space::cut::Source;
use crate::space::{CellKind, Counts, Edge, Mask, Place, darts};

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// The cut is not what it seems.
    Bad,
    Warning,
    Plain,
    /// What is known from elsewhere.
    Quiet,
}

/// One thing to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub tone: Tone,
    /// In as few words as there can be, and in a sentence.
    pub short: String,
    pub long: String,
}

/// What can be counted about a cut.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub source: Option<Source>,
    /// Operations of the scored space that go.
    pub decisions: usize,
    /// Those of them that no defined score decided.
    pub unscored: usize,
    /// Edges on which the last operation that goes is not told from the lowest that stays, and edges of which that is known.
    pub undecided: (usize, usize),
    /// The most-parameters control with as many operations on every edge, and how many of them the cut keeps too.
    pub control: Mask,
    pub same: usize,
    pub kept: usize,
    /// What the search may take at most.
    pub budget: Option<u64>,
    over: bool,
}

/// How the engine's warning of such a cut begins.
const NOT_BY_SCORES: &str = "not by scores";
/// From this share of decisions without a defined score on, a cut is not by scores.
const TENTH: usize = 10;
/// Operations on each edge of the cuts that were judged by ground truth.
const HALF: usize = 4;
/// Kept operations that stay in resampled draws, as a share: from here on a cut is called sure.
const SURE: f64 = 0.9;
/// A function's means spread by noise alone as much as this times its spread, or less: it is noise.
const NOISE: f64 = 1.5;

impl Verdict {
    pub fn of(state: &State, cut: &Cut) -> Verdict {
        let run = state.run.as_ref();
        let space = run.map_or(cut.mask, |r| r.space);
        let source = cut.source.parse().ok();
        let hand: HashSet<Place> = cut.by_hand.iter().copied().collect();
        let goes = |p: Place| space.contains(p) && !cut.mask.contains(p);
        let gone = state.score.removals.iter().map(|(_, r)| r).filter(|r| goes(r.place) && !hand.contains(&r.place));
        // By edge, the last to go: it stood against the lowest that stays.
        let mut last: BTreeMap<(CellKind, Edge), bool> = BTreeMap::new();
        let mut lost = 0;
        for removal in gone {
            last.insert((removal.place.cell, removal.place.edge), removal.tie);
            lost += usize::from(unscored(removal));
        }
        last.retain(|(cell, edge), _| hand.iter().all(|p| (p.cell, p.edge) != (*cell, *edge)));
        let control = most_parameters(&cut.mask, &space);
        let budget = [cut.budget_bytes, run.and_then(|r| r.budget_bytes)].into_iter().flatten().min();
        let by_scores = source == Some(Source::Scores);
        Verdict {
            source,
            decisions: state.space().places().filter(|p| goes(*p)).count(),
            unscored: if by_scores { lost } else { 0 },
            undecided: if by_scores { (last.values().filter(|tie| **tie).count(), last.len()) } else { (0, 0) },
            control,
            same: control.and(&cut.mask).count(),
            kept: cut.mask.count(),
            budget,
            over: budget.is_some_and(|b| cut.memory_bytes > b),
        }
    }

    /// Whether so many decisions had no defined score that chance cut the space.
    pub fn is_not_by_scores(&self) -> bool {
        self.decisions > 0 && self.unscored * TENTH >= self.decisions
    }

    /// Whether the search is predicted to take more than it may.
    pub fn is_over_budget(&self) -> bool {
        self.over
    }

    /// The first line of a cut that chance made, for scores that are not there: the engine's words, or, in journals of before,
    /// what the removals say.
    pub fn headline(&self, cut: &Cut) -> Option<String> {
        let told = cut.warnings.iter().find(|w| w.starts_with(NOT_BY_SCORES));
        let own = || {
            let (lost, all) = (self.unscored, self.decisions);
            format!("{NOT_BY_SCORES}: {lost} of {all} decisions had no defined score; those fell at random")
        };
        let words = told.map(|w| text::sanitize(w)).or_else(|| self.is_not_by_scores().then(own))?;
        Some(words.replacen('n', "N", 1))
    }

    /// What there is to know, most needed first; without the headline.
    pub fn lines(&self, state: &State, cut: &Cut, forecast: Option<&Forecast>) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut say = |tone, short: String, long: String| lines.push(Line { tone, short, long });
        if let Some(budget) = self.budget.filter(|_| self.over) {
            let (now, most) = (text::bytes(cut.memory_bytes), text::bytes(budget));
            let words = format!("{now} is over the budget of {most}");
            say(Tone::Bad, format!("over the budget of {most}"), words);
        }
        // What the engine has said is not said twice.
        let told = |part: &str| cut.warnings.iter().any(|w| w.contains(part));
        for warning in cut.warnings.iter().filter(|w| !w.starts_with(NOT_BY_SCORES)) {
            let words = text::sanitize(warning);
            let short = match (self.control_words(), state.score.least_p()) {
                (Some((short, _)), _) if words.contains("a control") => short.into(),
                (_, Some(least)) if words.contains(&format!("1/{least}")) => {
                    format!("p is 1/{least} at best (score.draws)")
                }
                _ => words.clone(),
            };
            say(Tone::Warning, short, words);
        }
        if let Some(words) = self.control_words().filter(|_| !told("a control")) {
            say(Tone::Warning, words.0.into(), words.1.into());
        }
        if let (Some(Source::Scores), Some(least)) =
            (self.source, state.score.least_p().filter(|p| !told(&format!("1/{p}"))))
        {
            let draws = state.score.setup.as_ref().map_or(0, |s| s.draws);
            let plural = if draws == 1 { "" } else { "s" };
            say(
                Tone::Warning,
                format!("{draws} draw{plural}: p is 1/{least} at best"),
                format!(
                    "with {draws} draw{plural} p can't fall below 1/{least}: no test can tell two operations apart; 3 draws \
                     can (score.draws)"
                ),
            );
        }
        if self.source != Some(Source::MostParameters) {
            let (same, kept) = (self.same, self.kept);
            let saves =
                forecast.and_then(|f| f.parameters_at(1.0 - kept as f64 / cut.of().max(1) as f64)).map(|bytes| {
                    let change = text::change(cut.full_memory_bytes as f64, bytes as f64);
                    format!("; those take {} ({change})", text::bytes(bytes))
                });
            say(
                Tone::Plain,
                format!("{same} of {kept} as by parameter count"),
                format!(
                    "{same} of {kept} kept operations are those of the parameter count, which needs no scoring{}",
                    saves.unwrap_or_default()
                ),
            );
        }
        if let Some((short, long)) = self.truth(state, cut) {
            say(Tone::Quiet, short, long);
        }
        if self.source == Some(Source::Scores) {
            if self.unscored > 0 && !self.is_not_by_scores() {
                let words = format!("{} of {} decisions had no defined score", self.unscored, self.decisions);
                say(Tone::Warning, words.clone(), format!("{words}: they are by chance"));
            }
            let (ties, edges) = self.undecided;
            // Where one round decided, the engine says which ones.
            let named = state.score.samples_cells() && told("within noise");
            if edges > 0 && state.score.least_p().is_none() && !named {
                let tone = if 2 * ties > edges { Tone::Warning } else { Tone::Plain };
                say(
                    tone,
                    format!("boundary a tie on {ties} of {edges} edges"),
                    format!(
                        "on {ties} of {edges} edges the last operation to be removed and the lowest that stays are a tie"
                    ),
                );
            }
            // What one round decided; after several, nobody knows what others would have left to the next.
            // Nor where later draws were about what was open only: they are not among those that are drawn again.
            let all = state.score.samples_cells() && !state.score.until_decided();
            let round = state.score.of_round(0).filter(|r| r.ended && all);
            if let Some((again, chance)) = round.and_then(|r| r.stability(&cut.mask)) {
                let (share, chance) = ((100.0 * again).round(), (100.0 * chance).round());
                let tone = if again < SURE { Tone::Warning } else { Tone::Plain };
                say(
                    tone,
                    format!("{share} % stay in resampled draws"),
                    format!(
                        "{share} % of what is kept stays when draws are drawn again ({chance} % by chance): {}",
                        if again < SURE {
                            "more draws or cells would tell (score.draws, score.sample)"
                        } else {
                            "sure"
                        }
                    ),
                );
            }
            drivers(state).into_iter().for_each(|l| say(l.tone, l.short, l.long));
        }
        lines
    }

    /// What a control is.
    fn control_words(&self) -> Option<(&'static str, &'static str)> {
        Some(match self.source? {
            Source::Scores => return None,
            Source::Random => {
                ("a control: chance decides all", "a control: chance decides all, and no score is looked at")
            }
            Source::Cheapest => {
                ("a control: the cheapest stay", "a control: the cheapest by memory stay, and no score is looked at")
            }
            Source::MostParameters => {
                ("a control: most parameters stay", "a control: the most parameters stay, and no score is looked at")
            }
        })
    }

    /// What is known of such cuts by ground truth: of the functions and the space that it was measured for, four operations on
    /// every edge, none of them by hand.
    fn truth(&self, state: &State, cut: &Cut) -> Option<(String, String)> {
        if cut.mask.space() != darts::SPACE || cut.mask.counts() != Counts::uniform(darts::SPACE, HALF) {
            return None;
        }
        if !cut.by_hand.is_empty() || cut.budget_bytes.is_some() {
            return None;
        }
        let mut functions: Vec<&str> = state.score.setup.as_ref()?.functions.iter().map(String::as_str).collect();
        functions.sort_unstable();
        let lone = !state.score.samples_cells();
        let estimator = state.score.setup.as_ref()?.estimator.as_str();
        let measured = estimator == "leave_one_out" && functions == ["naswot", "nngp_frobenius"];
        let setup = state.score.setup.as_ref()?;
        // Of the sizes that were measured, or larger.
        let size = setup.draws >= 6 && setup.sample >= 240 && setup.batch >= 16 && setup.channels >= 4;
        let default = !lone && estimator == "cells" && size && functions == ["logsynflow", "mean_jacobian", "naswot"];
        let source = if self.same == self.kept { Source::MostParameters } else { self.source? };
        // As docs/scores.md has them.
        let scale = "By ground truth (preset darts, CIFAR-10, half of the operations; 0 is chance, 1 the best cut)";
        let (short, long) = match (source, state.score.aggregate()) {
            (Source::Random, _) => {
                ("CIFAR-10 gain 0".into(), format!("{scale}: chance is 0; what it does is save memory."))
            }
            (Source::MostParameters, _) => (
                "CIFAR-10 gain 0.68, saves 2 %".into(),
                format!("{scale}: the parameter count reaches 0.68, without any scoring, and saves 2 % of the memory."),
            ),
            (Source::Scores, Aggregate::Decorrelated) if default => (
                "CIFAR-10 gain 0.84; parameters 0.68".into(),
                format!(
                    "{scale}: such cuts reach 0.81 to 0.85, the parameter count 0.68 without any scoring; these save 15 % of \
                     the memory, those 2 %."
                ),
            ),
            (Source::Scores, Aggregate::Noise) if measured => (
                "CIFAR-10 gain 0.66; parameters 0.68".into(),
                format!(
                    "{scale}: this sum reaches 0.66, the parameter count 0.68 without any scoring; both keep the dearest \
                     operations and save about 2 % of the memory."
                ),
            ),
            (Source::Scores, Aggregate::Relative) if measured => (
                "CIFAR-10 gain −0.01; parameters 0.68".into(),
                format!("{scale}: this sum is a coin toss, −0.01; the parameter count reaches 0.68."),
            ),
            (Source::Scores | Source::Cheapest, _) => return None,
        };
        Some((short, long))
    }
}

/// Which functions drive the sum, which are noise, and which have no vote.
fn drivers(state: &State) -> Vec<Line> {
    let score = &state.score;
    let Some(setup) = &score.setup else { return Vec::new() };
    let mut lines = Vec::new();
    // The first round decides among all; where nothing is known of it, there is none.
    if let Some(round) = score.of_round(0).filter(|r| r.ended && setup.functions.len() > 1) {
        let mut told: Vec<(f64, usize)> =
            (0..setup.functions.len()).filter_map(|f| Some((round.drive(f)?, f))).collect();
        told.sort_by(|a, b| b.0.total_cmp(&a.0));
        if let [(r, first), rest @ ..] = &told[..]
            && !rest.is_empty()
        {
            let named =
                |(r, f): &(f64, usize)| format!("{} {}", score.function_name(Some(*f)), text::significant(*r, 2));
            let rest: Vec<String> = rest.iter().map(named).collect();
            let head = format!("{} drives the sum (ρ {}", score.function_name(Some(*first)), text::significant(*r, 2));
            lines.push(Line {
                tone: Tone::Plain,
                short: format!("{head})"),
                long: format!("{head}; {})", rest.join(", ")),
            });
        }
    }
    // Functions are weighed by the draws that all operations have.
    let common = || {
        let round = score.of_round(0)?;
        state.space().places().map(|p| round.draws(p)).filter(|n| *n > 0).min()
    };
    let draws = if setup.until_decided { common().unwrap_or(1) } else { setup.draws };
    let noise = |f: usize| {
        let vote = score.of_round(0)?.votes.get(f).filter(|v| v.silent.is_none())?;
        let alone = vote.noise.0 / (draws.max(1) as f64).sqrt();
        (vote.spread.0 <= NOISE * alone).then(|| score.function_name(Some(f)))
    };
    let noisy: Vec<&str> = (0..setup.functions.len()).filter_map(noise).collect();
    if !noisy.is_empty() {
        let names = noisy.join(", ");
        lines.push(Line {
            tone: Tone::Warning,
            short: format!("mere noise: {names}"),
            long: format!("{names}: operations differ by no more than draws do, which is mere noise"),
        });
    }
    let ended: Vec<usize> = (0..score.rounds()).filter(|r| score.of_round(*r).is_some_and(|r| r.ended)).collect();
    let mut silent: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for (name, why) in ended.iter().flat_map(|r| score.silent(Some(*r))) {
        silent.entry(name).or_insert((0, why)).0 += 1;
    }
    for (name, (rounds, why)) in silent {
        let all = ended.len();
        let when = if rounds == all { String::new() } else { format!(" in {rounds} of {all} rounds") };
        lines.push(Line {
            tone: Tone::Warning,
            short: format!("{name}: no vote{when}"),
            long: format!("{name} has no vote{when}: {}", text::sanitize(why)),
        });
    }
    lines
}
