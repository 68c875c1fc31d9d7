//! Is a cut any good? What its scores, their noise, the budget and the parameter count say of it, in words.

use std::collections::{BTreeMap, HashSet};

use super::state::{State, most_parameters, unscored};
use super::text;
use crate::engine::verdict::words;
pub use crate::engine::verdict::words::{Line, Tone};
use crate::proxies::aggregate::Aggregate;
use crate::run::event::Cut;
use crate::space::cut::{Scope, Source};
use crate::space::{Counts, Mask, Place, darts};

/// What can be counted about a cut.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub source: Option<Source>,
    /// Operations of the scored space that go.
    pub decisions: usize,
    /// Those of them that no defined score decided.
    pub unscored: usize,
    /// The most-parameters control with as many operations on every edge, and how many of them the cut keeps too.
    pub control: Mask,
    pub same: usize,
    pub kept: usize,
    /// What the search may take at most.
    pub budget: Option<u64>,
    over: bool,
}

/// What the engine's words on ties have in them.
const WITHIN_NOISE: &str = "within noise";
/// How the engine's warning of such a cut begins.
const NOT_BY_SCORES: &str = "not by scores";
/// From this share of decisions without a defined score on, a cut is not by scores.
const TENTH: usize = 10;
/// Operations on each edge of the cuts that were judged by ground truth.
const HALF: usize = 4;

impl Verdict {
    pub fn of(state: &State, cut: &Cut) -> Verdict {
        let run = state.run.as_ref();
        let space = run.map_or(cut.mask, |r| r.space);
        let source = cut.source.parse().ok();
        let hand: HashSet<Place> = cut.by_hand.iter().copied().collect();
        let goes = |p: Place| space.contains(p) && !cut.mask.contains(p);
        let gone = state.score.removals.iter().map(|(_, r)| r).filter(|r| goes(r.place) && !hand.contains(&r.place));
        // Of an order that is not the run's own the removals tell nothing.
        let by_scores = source == Some(Source::Scores) && cut.by.is_own();
        let lost = gone.filter(|removal| unscored(removal)).count();
        let control = most_parameters(&cut.mask, &space);
        let budget = [cut.budget_bytes, run.and_then(|r| r.budget_bytes)].into_iter().flatten().min();
        Verdict {
            source,
            decisions: state.space().places().filter(|p| goes(*p)).count(),
            unscored: if by_scores { lost } else { 0 },
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

    /// The answer in one line, in pieces of which the first stands alone. Of a cut that chance made, for scores that are not
    /// there, the engine's words, or, in journals of before, what the removals say.
    pub fn headline(&self, state: &State, cut: &Cut) -> (Tone, Vec<String>) {
        let told = cut.warnings.iter().find(|w| w.starts_with(NOT_BY_SCORES));
        let own = || {
            let (lost, all) = (self.unscored, self.decisions);
            format!("{NOT_BY_SCORES}: {lost} of {all} decisions had no defined score; those fell at random")
        };
        if let Some(words) = told.map(|w| text::sanitize(w)).or_else(|| self.is_not_by_scores().then(own)) {
            return (Tone::Bad, vec![words.replacen('n', "N", 1)]);
        }
        let Some(verdict) = state.verdict() else { return (Tone::Plain, Vec::new()) };
        let tone = words::lines(cut, verdict).first().map_or(Tone::Plain, |line| line.tone);
        (tone, words::headline(cut, verdict).iter().map(|piece| text::sanitize(piece)).collect())
    }

    /// What there is to know, most needed first; without the headline.
    pub fn lines(&self, state: &State, cut: &Cut) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut say = |tone, short: String, long: String| lines.push(Line { tone, short, long });
        if let Some(budget) = self.budget.filter(|_| self.over) {
            let (now, most) = (text::bytes(cut.memory_bytes), text::bytes(budget));
            let words = format!("{now} is over the budget of {most}");
            say(Tone::Bad, format!("over the budget of {most}"), words);
        }
        let verdict = state.verdict();
        let mut said = verdict.map_or_else(Vec::new, |v| words::lines(cut, v));
        // What the engine has said is not said twice.
        let told = |part: &str| cut.warnings.iter().any(|w| w.contains(part));
        for warning in cut.warnings.iter().filter(|w| !w.starts_with(NOT_BY_SCORES)) {
            let words = text::sanitize(warning);
            let short = match (self.control_words(), state.score.least_p()) {
                (Some((short, _)), _) if words.contains("a control") => short.into(),
                (_, Some(least)) if words.contains(&format!("1/{least}")) => {
                    format!("p is 1/{least} at best (score.draws)")
                }
                // Between which operations stands in a line of its own.
                _ if words.contains(WITHIN_NOISE) => {
                    words.split(", ").next().unwrap_or_default().replace("are within", "within")
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
        if self.source == Some(Source::Scores) && self.unscored > 0 && !self.is_not_by_scores() {
            let words = format!("{} of {} decisions had no defined score", self.unscored, self.decisions);
            say(Tone::Warning, words.clone(), format!("{words}: they are by chance"));
        }
        for (words, why) in self.silent(state) {
            say(Tone::Warning, words.replacen(" has no", ": no", 1), format!("{words}: {why}"));
        }
        // What to do next is worth more than the details.
        let next = said.iter().position(|l| l.long.starts_with("next: ")).map(|i| said.remove(i));
        // The journal says in how many rounds.
        let mut rest: Vec<Line> =
            said.into_iter().skip(1).filter(|l| !cut.by.is_own() || !l.long.contains(words::NO_VOTE)).collect();
        // What is known of such cuts stands behind what they are compared with.
        let beside = rest
            .iter()
            .rposition(|l| ["by parameters: ", "by the scores: "].iter().any(|w| l.short.starts_with(w)))
            .map_or(0, |i| i + 1);
        let known = self.truth(state, cut).map(|(short, long)| Line { tone: Tone::Quiet, short, long });
        rest.splice(beside..beside, known);
        for line in next.into_iter().chain(rest) {
            say(line.tone, text::sanitize(&line.short), text::sanitize(&line.long));
        }
        lines
    }

    /// Functions without a vote, and why.
    fn silent(&self, state: &State) -> Vec<(String, String)> {
        let other = state.cut.cut.as_ref().is_some_and(|cut| !cut.by.is_own());
        if self.source != Some(Source::Scores) || other {
            return Vec::new();
        }
        let score = &state.score;
        let ended: Vec<usize> = (0..score.rounds()).filter(|r| score.of_round(*r).is_some_and(|r| r.ended)).collect();
        let mut silent: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
        for (name, why) in ended.iter().flat_map(|r| score.silent(Some(*r))) {
            silent.entry(name).or_insert((0, why)).0 += 1;
        }
        let all = ended.len();
        let when = |rounds| if rounds == all { String::new() } else { format!(" in {rounds} of {all} rounds") };
        let words = |(name, (rounds, why)): (&str, (usize, &str))| {
            (text::sanitize(&format!("{name} has no vote{}", when(rounds))), text::sanitize(why))
        };
        silent.into_iter().map(words).collect()
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
        if !cut.by_hand.is_empty() || cut.budget_bytes.is_some() || cut.scope != Scope::Edge {
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
        if source == Source::Scores && !cut.by.is_own() {
            return None;
        }
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
