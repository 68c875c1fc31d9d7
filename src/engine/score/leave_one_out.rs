//! Scores by leaving out: what the supernet loses without each operation. The least important of each edge goes, again and again
//! (arXiv 2505.13586, Algorithm 1).

use super::{Draw, Evaluator, Progress, Round, Scored, Settings, Watcher, conclude, exact, plain_sum};
use crate::run::config::Draws;
use crate::run::event::Body;
use crate::run::number::Number;
use crate::space::{Mask, Place};

/// Of each round the places that it looks at, until every edge keeps one operation, or as many as are asked for.
pub(super) fn rounds(space: &Mask, settings: &Settings) -> Vec<usize> {
    let k = settings.remove_per_round.max(1);
    let mut counts = space.counts().list();
    let last = settings.last().map(|counts| counts.list());
    let least = |edge: usize| last.as_ref().map_or(1, |l| l[edge].max(1));
    let mut rounds = Vec::new();
    let open = |counts: &[usize], first: bool| {
        counts.iter().enumerate().any(|(edge, n)| *n > if first { 1 } else { least(edge) })
    };
    // One round at least, however little is asked for.
    while open(&counts, rounds.is_empty()) {
        rounds.push(counts.iter().filter(|n| **n > 1).sum::<usize>());
        counts.iter_mut().for_each(|n| *n = n.saturating_sub(k).max(1).min(*n));
    }
    rounds
}

/// Runs the stage from `space` on, going on from `progress`.
///
/// # Errors
/// Those of the evaluator and of the watcher.
pub(super) fn run<E, V: Evaluator<Error = E>, W: Watcher<E>>(
    space: &Mask,
    settings: &Settings,
    mut progress: Progress,
    evaluator: &mut V,
    watcher: &mut W,
) -> Result<Scored, E> {
    let mut mask = *space;
    for r in &progress.order {
        mask.set(r.place, false);
    }
    let rounds = rounds(space, settings);
    for round in progress.rounds..rounds.len() {
        if watcher.enough()? {
            return Ok(progress.ended(true));
        }
        let places: Vec<Place> = super::competing(&mask).collect();
        let budget = share(space, settings, &rounds[round..], progress.spent);
        let mut known = std::mem::take(&mut progress.partial);
        if known.is_empty() {
            watcher.emit(Body::RoundStarted { round, mask, evaluations: budget })?;
        }
        let start = std::time::Instant::now();
        let most = settings.draws.fixed().unwrap_or(super::race::MOST);
        let mut relative: Vec<Vec<Vec<f64>>> = vec![Vec::new(); places.len()];
        let at = (&mask, &places[..]);
        let mut draws = Draw::new(round, settings, at, exact(settings, evaluator), budget, &mut progress);
        for draw in 0..most {
            let entrants = draws.judged.entrants.clone();
            let sound = |v: &Vec<f64>| v.len() == evaluator.functions();
            let mut found: Vec<Option<Vec<f64>>> =
                entrants.iter().map(|i| known.remove(&(draw, places[*i])).filter(sound)).collect();
            let missing: Vec<usize> = (0..entrants.len()).filter(|n| found[*n].is_none()).collect();
            if !missing.is_empty() {
                let base = evaluator.baseline(&mask, (round * most + draw) as u64)?;
                watcher.emit(Body::Baseline { round, draw, values: base.iter().map(|v| Number(*v)).collect() })?;
                for chunk in missing.chunks(evaluator.parallel().max(1)) {
                    if watcher.interrupted()? {
                        return Ok(progress.ended(true));
                    }
                    let at: Vec<Place> = chunk.iter().map(|n| places[entrants[*n]]).collect();
                    for place in &at {
                        watcher.emit(Body::Scoring { round, draw, place: *place })?;
                    }
                    for ((n, place), values) in chunk.iter().zip(&at).zip(evaluator.without(&at)?) {
                        let pairs = base.iter().zip(&values).enumerate();
                        let differences: Vec<f64> = pairs.map(|(f, (b, v))| evaluator.difference(f, *b, *v)).collect();
                        watcher.emit(Body::Score {
                            round,
                            draw,
                            place: *place,
                            values: values.into_iter().map(Number).collect(),
                            relative: differences.iter().map(|v| Number(*v)).collect(),
                            score: Number(plain_sum(&differences)),
                        })?;
                        found[*n] = Some(differences);
                    }
                }
            }
            for (i, differences) in entrants.iter().zip(found) {
                relative[*i].extend(differences);
            }
            if draws.ended(&relative, entrants.len(), |entrants| entrants, watcher)? {
                break;
            }
        }
        let (done, seconds) = (draws.done, draws.seconds());
        let judged = settings.draws.fixed().is_none().then_some(&draws.judged);
        let told = Round { number: round, mask: &mask, places: &places, relative: &relative, judged, start };
        let removed = conclude(&told, settings, evaluator, watcher, &mut progress)?;
        (progress.spent, progress.seconds) = (progress.spent + done, seconds);
        for r in removed {
            mask.set(r.place, false);
        }
    }
    Ok(progress.ended(false))
}

/// Evaluations of the first of these rounds: of what is left of the budget as much as its places are of all places to come.
fn share(space: &Mask, settings: &Settings, rounds: &[usize], spent: usize) -> usize {
    let places = rounds.first().copied().unwrap_or(0);
    match settings.draws {
        Draws::Fixed(draws) => places * draws,
        Draws::Auto | Draws::Whole => {
            let left = super::evaluations(space, settings).saturating_sub(spent);
            (left as u128 * places as u128 / rounds.iter().sum::<usize>().max(1) as u128) as usize
        }
    }
}
