//! Scores by discretising: one edge of the supernet is one operation alone, and all others stay mixed. How far a function is above
//! its mean over the edge's operations is what that operation is worth. One round decides the whole order.

use super::{
    Draw, Evaluator, Progress, Round, Scored, Settings, WHOLE, Watcher, competing, conclude, exact, plain_sum,
};
use crate::run::event::Body;
use crate::run::number::Number;
use crate::space::{Mask, Place};

/// The supernet with the edge of `place` reduced to it.
fn reduced(space: &Mask, place: Place) -> Mask {
    let mut mask = *space;
    for operation in space.kept(place.cell, place.edge) {
        mask.set(Place { operation, ..place }, operation == place.operation);
    }
    mask
}

/// Runs the stage, going on from `progress`.
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
    let places: Vec<Place> = competing(space).collect();
    if progress.rounds > 0 || places.is_empty() {
        return Ok(progress.ended(false));
    }
    if watcher.enough()? {
        return Ok(progress.ended(true));
    }
    let mut known = std::mem::take(&mut progress.partial);
    let evaluations = super::evaluations(space, settings);
    if known.is_empty() {
        watcher.emit(Body::RoundStarted { round: 0, mask: *space, evaluations })?;
    }
    let start = std::time::Instant::now();
    let all = Settings { remove_per_round: WHOLE, ..*settings };
    let mut relative: Vec<Vec<Vec<f64>>> = vec![Vec::new(); places.len()];
    let mut draws = Draw::new(0, &all, (space, &places), exact(settings, evaluator), evaluations, &mut progress);
    for draw in 0.. {
        let entrants = draws.judged.entrants.clone();
        let sound = |v: &Vec<f64>| v.len() == evaluator.functions();
        let told: Vec<Option<Vec<f64>>> =
            entrants.iter().map(|i| known.remove(&(draw, places[*i])).filter(sound)).collect();
        // Edge by edge, since a score is told by the mean of its edge.
        let edges: Vec<&[usize]> = entrants.chunk_by(|a, b| same_edge(places[*a], places[*b])).collect();
        let mut opened = false;
        let mut at = 0;
        for own in edges {
            let known = &told[at..at + own.len()];
            at += own.len();
            if known.iter().all(Option::is_some) {
                own.iter().zip(known).for_each(|(i, v)| relative[*i].extend(v.clone()));
                continue;
            }
            if !opened {
                evaluator.open(draw as u64)?;
                opened = true;
            }
            let mut values: Vec<Vec<f64>> = Vec::with_capacity(own.len());
            for chunk in own.chunks(evaluator.parallel().max(1)) {
                if watcher.interrupted()? {
                    return Ok(progress.ended(true));
                }
                for i in chunk {
                    watcher.emit(Body::Scoring { round: 0, draw, place: places[*i] })?;
                }
                let masks: Vec<Mask> = chunk.iter().map(|i| reduced(space, places[*i])).collect();
                values.extend(evaluator.cells(&masks)?);
            }
            let told = above_mean(evaluator, &values);
            for (((i, known), values), differences) in own.iter().zip(known).zip(&values).zip(told) {
                if known.is_none() {
                    watcher.emit(Body::Score {
                        round: 0,
                        draw,
                        place: places[*i],
                        values: values.iter().map(|v| Number(*v)).collect(),
                        relative: differences.iter().map(|v| Number(*v)).collect(),
                        score: Number(plain_sum(&differences)),
                    })?;
                }
                relative[*i].push(differences);
            }
        }
        if draws.ended(&relative, entrants.len(), |entrants| entrants, watcher)? {
            break;
        }
    }
    let judged = settings.draws.fixed().is_none().then_some(&draws.judged);
    let round = Round { number: 0, mask: space, places: &places, relative: &relative, judged, start };
    conclude(&round, &all, evaluator, watcher, &mut progress)?;
    Ok(progress.ended(false))
}

fn same_edge(a: Place, b: Place) -> bool {
    (a.cell, a.edge) == (b.cell, b.edge)
}

/// By operation of an edge and by function: how far it is above the mean of those that are defined, as leaving out tells
/// differences.
fn above_mean<V: Evaluator>(evaluator: &V, values: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mean = |f: usize| {
        let own: Vec<f64> = values.iter().map(|v| v[f]).filter(|v| v.is_finite()).collect();
        own.iter().sum::<f64>() / own.len() as f64
    };
    let means: Vec<f64> = (0..evaluator.functions()).map(mean).collect();
    values.iter().map(|v| (0..v.len()).map(|f| -evaluator.difference(f, means[f], v[f])).collect()).collect()
}
