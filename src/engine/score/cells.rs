//! Scores from sampled cells: ranking functions of random whole cells, and by regression what each operation of each edge adds
//! to them.

use nalgebra::{DMatrix, DVector};

use super::{Draw, Evaluator, Progress, Round, Scored, Settings, WHOLE, Watcher, conclude, exact, plain_sum, race};
use crate::random;
use crate::run::event::Body;
use crate::run::number::Number;
use crate::space::{Mask, Operation, Place};
use crate::truth::{Cells, Left};

/// Penalty of the regression, in variances of a function over the cells of a draw: an operation that one cell in seven has is
/// believed by 120 cells to a good half.
const PENALTY: f64 = 10.0;

/// What an edge has for itself, beside what all edges of its kind of cell have in common: its variance is taken to be a quarter.
const OWN: f64 = 0.5;

/// Cells that a function must be defined for, of a draw's, before it is believed there.
const DEFINED: f64 = 0.5;

/// Networks of which each has a row of the system that is solved; of more than these, each column.
const FEW: usize = 1_000;

/// Draws networks of one cell of each kind.
#[derive(Clone, Debug)]
pub struct Sampler {
    space: Mask,
    /// Cells as genotypes are: two operations into each node. Without, one on every edge.
    cells: Option<(Cells, Left)>,
    seed: u64,
}

impl Sampler {
    /// Of these candidates. Cells are made like genotypes where the space can leave an edge out (it has `none`, and `none` takes
    /// no part); elsewhere every edge has one operation.
    pub fn of(space: &Mask, seed: u64) -> Sampler {
        let competes = space.places().any(|p| p.operation == Operation::None);
        let cells = Cells::of(space.space());
        let left = cells.left(space).ok().filter(|_| !competes);
        let left = left.filter(|left| {
            let mut rng = random::stream(seed, "score/cells");
            cells.mask(&cells.draw(left, &mut rng)).is_some()
        });
        Sampler { space: *space, cells: left.map(|left| (cells, left)), seed }
    }

    /// Cell `number` of a draw, from the stream `score/cells`.
    pub fn mask(&self, draw: usize, number: usize) -> Mask {
        let mut rng = random::stream_at(self.seed, "score/cells", [draw as u64, number as u64]);
        if let Some(mask) = self.cells.as_ref().and_then(|(cells, left)| cells.mask(&cells.draw(left, &mut rng))) {
            return mask;
        }
        let mut mask = self.space;
        for (cell, edge) in self.space.space().all_edges() {
            let own: Vec<Operation> = self.space.kept(cell, edge).collect();
            let chosen = random::below(&mut rng, own.len().max(1) as u64) as usize;
            own.iter().enumerate().for_each(|(i, o)| mask.set(Place::new(cell, edge, *o), i == chosen));
        }
        mask
    }
}

impl Sampler {
    /// A cell with the operation on each of its edges that keeps the most memory.
    pub fn heaviest(&self) -> Mask {
        let mut mask = self.mask(0, 0);
        for (cell, edge) in self.space.space().all_edges() {
            let heaviest = self.space.kept(cell, edge).max_by_key(|o| o.cost());
            let taken: Vec<Operation> = mask.kept(cell, edge).filter(|o| *o != Operation::None).collect();
            if let (Some(heaviest), [taken]) = (heaviest, &taken[..]) {
                mask.set(Place::new(cell, edge, *taken), false);
                mask.set(Place::new(cell, edge, heaviest), true);
            }
        }
        mask
    }
}

/// What each place adds to a function, in standard deviations of the function over these networks: a ridge regression on which
/// operation sits where, and on how many of each kind a cell has, so that edges of a kind of cell share what they have in common.
/// NaN for all where it is finite for fewer than half of the networks, 0 where it is the same for all. `part` of the penalty counts: a
/// draw of fewer cells than usual takes as much less, so that an operation is believed as much.
pub fn effects(places: &[Place], masks: &[Mask], values: &[f64], part: f64) -> Vec<f64> {
    let sound: Vec<usize> = (0..masks.len()).filter(|i| values[*i].is_finite()).collect();
    let n = sound.len();
    if n < 4 || (n as f64) < masks.len() as f64 * DEFINED {
        return vec![f64::NAN; places.len()];
    }
    let mean = sound.iter().map(|i| values[*i]).sum::<f64>() / n as f64;
    let deviation = (sound.iter().map(|i| (values[*i] - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
    if deviation <= 1e-12 * mean.abs().max(f64::MIN_POSITIVE) {
        return vec![0.0; places.len()];
    }
    let mut kinds: Vec<_> = places.iter().map(|p| (p.cell, p.operation)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let kind = |p: &Place| kinds.binary_search(&(p.cell, p.operation)).unwrap_or(0);
    let mut a = DMatrix::<f64>::zeros(n, places.len() + kinds.len());
    for (row, i) in sound.iter().enumerate() {
        for (column, place) in places.iter().enumerate().filter(|(_, p)| masks[*i].contains(**p)) {
            a[(row, column)] = OWN;
            a[(row, places.len() + kind(place))] += 1.0;
        }
    }
    for mut column in a.column_iter_mut() {
        let mean = column.mean();
        column.add_scalar_mut(-mean);
    }
    let y = DVector::from_iterator(n, sound.iter().map(|i| (values[*i] - mean) / deviation));
    let ridge =
        |gram: DMatrix<f64>| (&gram + DMatrix::identity(gram.nrows(), gram.nrows()) * (PENALTY * part)).cholesky();
    // The same in two ways: by networks where they are few, by columns where they are many.
    let b = if n <= FEW {
        ridge(&a * a.transpose()).map(|c| a.transpose() * c.solve(&y))
    } else {
        ridge(a.transpose() * &a).map(|c| c.solve(&(a.transpose() * &y)))
    };
    let Some(b) = b else { return vec![f64::NAN; places.len()] };
    places.iter().enumerate().map(|(i, p)| OWN * b[i] + b[places.len() + kind(p)]).collect()
}

/// Runs the stage: draws of weights and pictures with random cells each, going on from `progress`.
///
/// # Errors
/// Those of the evaluator and of the watcher.
pub fn run<E, V: Evaluator<Error = E>, W: Watcher<E>>(
    space: &Mask,
    settings: &Settings,
    mut progress: Progress,
    evaluator: &mut V,
    watcher: &mut W,
) -> Result<Scored, E> {
    let places: Vec<Place> = super::competing(space).collect();
    if progress.rounds > 0 || places.is_empty() {
        return Ok(progress.ended(false));
    }
    if watcher.enough()? {
        return Ok(progress.ended(true));
    }
    let mut known = std::mem::take(&mut progress.cells);
    let told = std::mem::take(&mut progress.partial);
    let evaluations = super::evaluations(space, settings);
    if known.is_empty() {
        watcher.emit(Body::RoundStarted { round: 0, mask: *space, evaluations })?;
    }
    let start = std::time::Instant::now();
    let all = Settings { remove_per_round: WHOLE, ..*settings };
    let size = race::cells(settings);
    let sampler = Sampler::of(space, settings.seed);
    // What the networks don't have explains nothing of them.
    let mut seen: Vec<Place> = places.iter().copied().filter(|p| evaluator.has(p.cell)).collect();
    seen.sort_unstable();
    let mut relative: Vec<Vec<Vec<f64>>> = vec![Vec::new(); places.len()];
    let mut draws = Draw::new(0, &all, (space, &places), exact(settings, evaluator), evaluations, &mut progress);
    for draw in 0.. {
        let masks: Vec<Mask> = (0..size).map(|number| sampler.mask(draw, number)).collect();
        let sound = |v: &Vec<f64>| v.len() == evaluator.functions();
        let mut found: Vec<Option<Vec<f64>>> =
            (0..masks.len()).map(|number| known.remove(&(draw, number)).filter(sound)).collect();
        let missing: Vec<usize> = (0..masks.len()).filter(|i| found[*i].is_none()).collect();
        if !missing.is_empty() {
            evaluator.open(draw as u64)?;
        }
        for chunk in missing.chunks(evaluator.parallel().max(1)) {
            if watcher.interrupted()? {
                return Ok(progress.ended(true));
            }
            let at: Vec<Mask> = chunk.iter().map(|i| masks[*i]).collect();
            for (number, values) in chunk.iter().zip(evaluator.cells(&at)?) {
                let written = values.iter().map(|v| Number(*v)).collect();
                watcher.emit(Body::SampledCell { draw, number: *number, values: written })?;
                found[*number] = Some(values);
            }
        }
        let found: Vec<Vec<f64>> = found.into_iter().map(Option::unwrap_or_default).collect();
        let by_function: Vec<Vec<f64>> = (0..evaluator.functions())
            .map(|f| {
                let values: Vec<f64> = found.iter().map(|v| evaluator.turned(f, v[f])).collect();
                let told = effects(&seen, &masks, &values, size as f64 / settings.sample as f64);
                let of = |p: &Place| seen.binary_search(p).map_or(f64::NAN, |i| told[i]);
                places.iter().map(of).collect::<Vec<f64>>()
            })
            .collect();
        for (i, place) in places.iter().enumerate() {
            let own: Vec<f64> = by_function.iter().map(|f| f[i]).collect();
            if !told.contains_key(&(draw, *place)) {
                watcher.emit(Body::Score {
                    round: 0,
                    draw,
                    place: *place,
                    values: Vec::new(),
                    relative: own.iter().map(|v| Number(*v)).collect(),
                    score: Number(plain_sum(&own)),
                })?;
            }
            relative[i].push(own);
        }
        if draws.ended(&relative, size, |_| size, watcher)? {
            break;
        }
    }
    let judged = settings.draws.fixed().is_none().then_some(&draws.judged);
    let round = Round { number: 0, mask: space, places: &places, relative: &relative, judged, start };
    conclude(&round, &all, evaluator, watcher, &mut progress)?;
    Ok(progress.ended(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::darts;

    #[test]
    fn cells_are_those_of_the_space() {
        let sampler = Sampler::of(&darts::NO_NONE, 3);
        for number in 0..20 {
            let mask = sampler.mask(1, number);
            let chosen = mask.places().filter(|p| p.operation != Operation::None).count();
            assert_eq!((chosen, mask.count()), (16, 28), "two operations into each of four nodes, twice");
            assert_eq!(mask, sampler.mask(1, number));
        }
        assert_ne!(sampler.mask(0, 0), sampler.mask(1, 0));
        // `none` competes: one on every edge, `none` as often as others.
        let sampler = Sampler::of(&darts::FULL, 3);
        let masks: Vec<Mask> = (0..40).map(|i| sampler.mask(0, i)).collect();
        assert!(masks.iter().all(|m| m.count() == 28 && m.check().is_ok()));
        assert!(masks.iter().flat_map(|m| m.places()).any(|p| p.operation == Operation::None));
        let nb = crate::space::Space::find("nas_bench_201").unwrap().full().without_operation(Operation::None);
        assert_eq!(Sampler::of(&nb, 1).mask(0, 0).count(), 6);
    }

    #[test]
    fn a_sum_of_effects_is_found_again() {
        let space = darts::NO_NONE;
        let places: Vec<Place> = space.places().collect();
        let sampler = Sampler::of(&space, 5);
        let masks: Vec<Mask> = (0..400).map(|i| sampler.mask(0, i)).collect();
        // What an operation adds depends on its kind, and a little on its edge.
        let truth =
            |p: &Place| f64::from(p.operation as u8 % 5) + 0.02 * f64::from(u8::from(p.edge.number() == Some(3)));
        let values: Vec<f64> =
            masks.iter().map(|m| places.iter().filter(|p| m.contains(**p)).map(truth).sum()).collect();
        let found = effects(&places, &masks, &values, 1.0);
        for (cell, edge) in space.space().all_edges() {
            let own: Vec<usize> =
                (0..places.len()).filter(|i| places[*i].cell == cell && places[*i].edge == edge).collect();
            for (a, b) in own.iter().flat_map(|a| own.iter().map(move |b| (*a, *b))) {
                let apart = truth(&places[a]) - truth(&places[b]);
                assert!(apart < 0.9 || found[a] > found[b], "{} and {}", places[a], places[b]);
            }
        }
        // The larger system and the smaller one have one solution.
        let many: Vec<Mask> = (0..FEW + 200).map(|i| sampler.mask(1, i % (FEW / 2))).collect();
        let value = |m: &Mask| places.iter().filter(|p| m.contains(**p)).map(truth).sum::<f64>();
        let by_columns = effects(&places, &many, &many.iter().map(value).collect::<Vec<f64>>(), 1.0);
        let by_rows = effects(&places, &many[..FEW], &many[..FEW].iter().map(value).collect::<Vec<f64>>(), 1.0);
        assert!(by_columns.iter().zip(&by_rows).all(|(a, b)| (a - b).abs() < 0.05), "{by_columns:?} {by_rows:?}");
        let few: Vec<f64> = values.iter().enumerate().map(|(i, v)| if i % 3 == 0 { *v } else { f64::NAN }).collect();
        assert!(effects(&places, &masks, &few, 1.0).iter().all(|v| v.is_nan()));
        assert!(effects(&places, &masks, &[7.0; 400], 1.0).iter().all(|v| *v == 0.0));
    }
}
