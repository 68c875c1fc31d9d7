//! Is a cut any good? What its draws, its functions, the parameter count and chance say of it, in numbers. [`words`] says it.

mod resample;
mod say;
pub mod truth;
pub mod words;

use crate::engine::plan::Planner;
use crate::engine::quality::Estimated;
use crate::engine::stored::Stored;
pub use crate::run::assessed::{Assessed, Beside, Estimate, Say, Settled, Tie, Unsure};
use crate::run::config::{Config, CutBy};
use crate::run::event::{Cut, Removal, RunStarted};
use crate::space::cut::{Cutter, Scope, Source, level_of};
use crate::space::{By, Counts, Mask, Operation, Place};

/// What is looked at.
pub struct Asked<'a> {
    pub cut: &'a Cut,
    /// What took part in scoring, or would have.
    pub space: Mask,
    /// By what the cut goes by.
    pub order: &'a [Removal],
    /// By the run's own scores.
    pub own: &'a [Removal],
    /// The draws of the first round, where something was scored.
    pub stored: Option<&'a Stored>,
    pub config: &'a Config,
    /// Predicted bytes of a search.
    pub bytes: &'a dyn Fn(Mask) -> Option<u64>,
}

/// From this share on an operation is called sure to stay.
pub const SURE: f64 = 0.9;
/// Random cuts that bytes are the mean of.
const RANDOM: u64 = 8;

/// Of a cut whose journal has no verdict, from what else it has; `own` is the run's own order.
pub fn afterwards(
    cut: &Cut,
    run: &RunStarted,
    config: &Config,
    stored: Option<&Stored>,
    own: &[Removal],
) -> Option<Assessed> {
    let other = match stored.filter(|_| !cut.by.is_own()) {
        Some(stored) => Some(stored.order(&cut.by, config.score.undecided, config).ok()?),
        None => None,
    };
    let planner = Planner::of_run(config, run);
    let bytes = |mask| Some(planner.by_bytes(mask).bytes);
    assess(&Asked { cut, space: run.space, order: other.as_deref().unwrap_or(own), own, stored, config, bytes: &bytes })
}

/// None where the cut decides nothing, or keeps what never took part.
pub fn assess(asked: &Asked) -> Option<Assessed> {
    let Asked { cut, space, config, .. } = *asked;
    let graph = space.space();
    if cut.mask.space() != graph {
        return None;
    }
    let open = |m: &Mask, (cell, edge)| (1..space.count_on(cell, edge)).contains(&m.count_on(cell, edge));
    let edges: Vec<_> = graph.all_edges().filter(|e| open(&cut.mask, *e)).collect();
    let kept: usize = edges.iter().map(|(cell, edge)| cut.mask.count_on(*cell, *edge)).sum();
    if kept == 0 {
        return None;
    }
    let decisions = edges.iter().map(|(cell, edge)| space.count_on(*cell, *edge)).sum::<usize>() - kept;
    let counts = cut.mask.counts();
    let of_order =
        |order: &[Removal]| Cutter { space, order: order.iter().map(|r| r.place).collect(), seed: config.seed };
    let same = |other: &Mask| {
        let both = other.and(&cut.mask);
        edges.iter().map(|(cell, edge)| both.count_on(*cell, *edge)).sum::<usize>()
    };
    let beside = |other: Mask| Beside { same: same(&other), bytes: (asked.bytes)(other) };
    let by_scores = cut.source == Source::Scores.name();
    let mut found = Assessed {
        draws: asked.stored.map_or(0, Stored::draws),
        kept,
        decisions,
        by_chance: by_chance(&space, &cut.mask),
        rounds: asked.stored.map_or(0, |s| if cut.by.is_own() { s.rounds } else { 1 }),
        scores: (!(asked.own.is_empty() || by_scores && cut.by.is_own()))
            .then(|| beside(of_order(asked.own).with_counts(Source::Scores, &counts))),
        parameters: (cut.source != Source::MostParameters.name())
            .then(|| beside(of_order(&[]).with_counts(Source::MostParameters, &counts))),
        random_bytes: random_bytes(&space, &counts, asked.bytes),
        ..Assessed::default()
    };
    if let Some(estimated) = asked.stored.and_then(|s| Estimated::of(s, &By::default(), config)) {
        let control = |source, seed| {
            let cutter = Cutter { space, order: Vec::new(), seed };
            estimated.percent(&cutter.with_counts(source, &counts))
        };
        let random = (0..RANDOM).map(|seed| control(Source::Random, seed));
        found.estimate = Some(estimated.of_mask(&cut.mask)).filter(|e| e.percent.is_finite());
        let parameters = found.parameters.is_some().then(|| control(Source::MostParameters, 0));
        found.parameters_percent = parameters.filter(|v| v.is_finite());
        let range = random.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        found.random_percent = Some(range).filter(|(l, h)| l.is_finite() && h.is_finite());
        found.buys =
            by_scores && (cut.scope == Scope::Global || cut.budget_bytes.is_some() && config.cut.by != CutBy::Level);
    }
    if by_scores && !found.buys {
        found.within_noise = ties(cut, asked.order);
    }
    let combined = asked.stored.filter(|_| by_scores).and_then(|s| Some((s, s.combined(&cut.by, config).ok()?)));
    if let Some((stored, (combined, chosen))) = combined {
        found.functions = say::all(stored, &combined, &chosen);
        // After several rounds nobody knows what other draws would have left to the next.
        // Nor where later draws were about what was open only: the others have fewer.
        let all = stored.draws();
        let even = stored.relative.iter().all(|draws| draws.len() == all);
        if even && !found.buys && (stored.rounds <= 1 || !cut.by.is_own()) {
            let cutter = of_order(asked.order);
            let width = cutter.full().widest();
            let level = |kept: usize| {
                let xi = level_of(kept, width);
                (xi, cutter.automatic(Source::Scores, xi))
            };
            let levels: Vec<(f64, Mask)> = (1..space.widest()).rev().map(level).collect();
            let masks: Vec<Mask> = std::iter::once(cut.mask).chain(levels.iter().map(|l| l.1)).collect();
            let told = resample::stays(stored, &combined, &masks);
            if let Some((first, rest)) = told.split_first() {
                found.stays = first.share();
                found.unsure = first.unsure(SURE);
                let settled = |((xi, mask), stays): (&(f64, Mask), &resample::Stays)| {
                    let open = |(cell, edge)| mask.count_on(cell, edge) < space.count_on(cell, edge);
                    let decided = graph.all_edges().filter(|e| open(*e));
                    let kept: usize = decided.map(|(cell, edge)| mask.count_on(cell, edge)).sum();
                    Some(Settled { xi: *xi, stays: stays.share()?, by_chance: by_chance(&space, mask) / kept as f64 })
                };
                found.levels = levels.iter().zip(rest).filter_map(settled).collect();
            }
        }
    }
    found.words = words::lines(cut, &found).into_iter().map(|line| line.long).collect();
    Some(found)
}

/// Of what a mask keeps on edges that decide something, how many another mask at random with as many on every edge has too.
fn by_chance(space: &Mask, mask: &Mask) -> f64 {
    let of = |(cell, edge)| {
        let (kept, all) = (mask.count_on(cell, edge), space.count_on(cell, edge));
        if kept < all { (kept * kept) as f64 / all as f64 } else { 0.0 }
    };
    space.space().all_edges().map(of).sum()
}

fn random_bytes(space: &Mask, counts: &Counts, bytes: &dyn Fn(Mask) -> Option<u64>) -> Option<u64> {
    let random = |seed| Cutter { space: *space, order: Vec::new(), seed }.with_counts(Source::Random, counts);
    let all: Option<Vec<u64>> = (0..RANDOM).map(|seed| bytes(random(seed))).collect();
    all.map(|all| all.iter().sum::<u64>() / RANDOM)
}

/// What the automatic part of a cut by scores decided within noise.
fn ties(cut: &Cut, order: &[Removal]) -> Vec<Tie> {
    let hand = |p: &Place| cut.by_hand.contains(p);
    let found = order.iter().filter(|r| !cut.mask.contains(r.place) && !hand(&r.place) && !r.undefined);
    let tie = |r: &Removal| {
        let Place { cell, edge, .. } = r.place;
        let kept = cut.mask.count_on(cell, edge);
        if !r.within_noise(kept) {
            return None;
        }
        // The lowest that stays is the first to go of what is kept.
        let at = |o: &Operation| order.iter().position(|r| r.place == Place::new(cell, edge, *o)).unwrap_or(usize::MAX);
        let stays = cut.mask.kept(cell, edge).min_by_key(at)?;
        Some(Tie { goes: r.place, stays })
    };
    found.filter_map(tie).collect()
}

#[cfg(test)]
mod tests;
