//! What cuts are worth by scores of sampled cells: the mean, over the cells that a cut leaves, of how each ranks among random cells.
//!
//! A cell's quality is the sum over the functions of the logarithm of the share of random cells that it is no worse than (the
//! aggregate of AZ-NAS, arXiv 2403.19232, eq. 9). Unlike a sum, it does not let much of one thing make up for the lack of another: where
//! bytes allow few convolutions, one more skip connection trains no better.

use rand::Rng;

use crate::random;
use crate::run::config::Config;
use crate::run::event::{PlaceSummary, Vote};
use crate::run::summary::Summary;
use crate::space::{Mask, Operation, Place, Space};
use crate::truth::{Cells, Left};

/// Cells that a mean is over.
const CELLS: usize = 256;

/// Random cells that others are ranked among.
const REFERENCE: usize = 2000;

/// No operation.
const NOTHING: u16 = u16::MAX;

/// By the scores of one round of sampled cells.
#[derive(Clone, Debug)]
pub struct Quality {
    cells: Cells,
    /// What a slot adds to each function, `[slot][function]`, of functions that vote.
    effects: Vec<Vec<f64>>,
    weights: Vec<f64>,
    /// Of all functions, 0 for those that don't vote.
    all_weights: Vec<f64>,
    /// Values of random cells, ascending, by function.
    reference: Vec<Vec<f64>>,
    /// Qualities of the same, ascending.
    qualities: Vec<f64>,
    priorities: Vec<Priorities>,
}

/// How one of the cells of a mean is drawn: its rows and operations are those that come first. Cells of two masks so differ only
/// where the masks do.
#[derive(Clone, Debug)]
struct Priorities {
    rows: Vec<u32>,
    slots: Vec<u32>,
}

impl Quality {
    /// Of the functions that voted in the one round over `space`, each weighted by the share of its spread that is not noise.
    /// `None` where none did, or where cells can't be made of the space as genotypes are.
    pub fn of(space: &Mask, draws: usize, summaries: &[PlaceSummary], votes: &[Vote], seed: u64) -> Option<Quality> {
        let mut weights: Vec<f64> = votes.iter().map(|v| weight(v, draws)).collect();
        if weights.iter().all(|w| *w <= 0.0) {
            // Where all are noise, all have the same say.
            weights = votes.iter().map(|v| f64::from(u8::from(v.silent.is_none()))).collect();
        }
        let effect = |s: &PlaceSummary, f: usize| s.by_function.get(f).map_or(0.0, |v| v.0);
        let effects: Vec<(Place, Vec<f64>)> =
            summaries.iter().map(|s| (s.place, (0..votes.len()).map(|f| effect(s, f)).collect())).collect();
        Quality::by(space, &effects, &weights, seed)
    }

    /// Of a run that has scored sampled cells, in so many draws.
    pub fn of_run(known: &Summary, config: &Config, draws: usize) -> Option<Quality> {
        let sampled = config.score.estimator.samples() && !known.first_round.is_empty();
        let of = || Quality::of(&config.space(), draws, &known.first_round, &known.first_votes, config.seed);
        sampled.then(of).flatten()
    }

    /// The same with the draws drawn again with replacement, so many times: how far a quality is chance. `relative` is what places add
    /// to each function, `[place][draw][function]`. Empty with fewer than two draws.
    pub fn resampled(
        &self,
        space: &Mask,
        relative: &[(Place, Vec<Vec<f64>>)],
        times: usize,
        seed: u64,
    ) -> Vec<Quality> {
        let draws = relative.iter().map(|(_, d)| d.len()).min().unwrap_or(0);
        let mut rng = random::stream(seed, "cut/resampled");
        let one = |drawn: &[usize]| {
            let mean = |all: &[Vec<f64>], f: usize| {
                let own = drawn.iter().filter_map(|d| all[*d].get(f)).filter(|v| v.is_finite());
                let (sum, n) = own.fold((0.0, 0usize), |(sum, n), v| (sum + v, n + 1));
                if n == 0 { f64::NAN } else { sum / n as f64 }
            };
            let functions = |all: &[Vec<f64>]| (0..self.all_weights.len()).map(|f| mean(all, f)).collect();
            let effects: Vec<(Place, Vec<f64>)> = relative.iter().map(|(p, all)| (*p, functions(all))).collect();
            Quality::by(space, &effects, &self.all_weights, seed)
        };
        let times = if draws < 2 { 0 } else { times };
        (0..times)
            .filter_map(|_| {
                one(&(0..draws).map(|_| random::below(&mut rng, draws as u64) as usize).collect::<Vec<_>>())
            })
            .collect()
    }

    /// By what places add to each function; one that is not finite adds nothing.
    pub fn by(space: &Mask, effects: &[(Place, Vec<f64>)], weights: &[f64], seed: u64) -> Option<Quality> {
        let cells = Cells::of(space.space());
        let full = cells.left(space).ok()?;
        let total: f64 = weights.iter().filter(|w| w.is_finite()).sum();
        let voting: Vec<usize> = (0..weights.len()).filter(|f| weights[*f] > 0.0).collect();
        if total <= 0.0
            || space.places().any(|p| p.operation == Operation::None && !space.space().stacking().every_edge())
        {
            return None;
        }
        let mut by_slot = vec![vec![0.0; voting.len()]; space.space().slots()];
        for (place, all) in effects {
            let Some(slot) = space.space().slot(*place) else { continue };
            by_slot[slot] =
                voting.iter().map(|f| all.get(*f).copied().filter(|v| v.is_finite()).unwrap_or(0.0)).collect();
        }
        let mut quality = Quality {
            effects: by_slot,
            weights: voting.iter().map(|f| weights[*f] / total).collect(),
            all_weights: weights.to_vec(),
            reference: Vec::new(),
            qualities: Vec::new(),
            priorities: priorities(space.space(), seed),
            cells,
        };
        let mut rng = random::stream(seed, "cut/reference");
        let drawn: Vec<Vec<f64>> =
            (0..REFERENCE).map(|_| quality.values(quality.cells.draw(&full, &mut rng))).collect();
        quality.reference = (0..voting.len()).map(|f| ascending(drawn.iter().map(|v| v[f]))).collect();
        quality.qualities = ascending(drawn.iter().map(|v| quality.quality(v)));
        Some(quality)
    }

    /// Values of the functions for a cell.
    fn values(&self, cell: impl IntoIterator<Item = u16>) -> Vec<f64> {
        let mut sums = vec![0.0; self.weights.len()];
        for slot in cell {
            sums.iter_mut().zip(&self.effects[usize::from(slot)]).for_each(|(sum, effect)| *sum += effect);
        }
        sums
    }

    /// Of a cell with these values; 0 where none is better in anything.
    fn quality(&self, values: &[f64]) -> f64 {
        let share = |f: usize| {
            let below = self.reference[f].partition_point(|r| *r <= values[f] + ROUNDING);
            ((below + 1) as f64 / (REFERENCE + 1) as f64).ln()
        };
        (0..values.len()).map(|f| self.weights[f] * share(f)).sum()
    }

    /// Mean over the cells that a mask leaves; NaN where it leaves none.
    pub fn mean(&self, mask: &Mask) -> f64 {
        self.look(mask).map_or(f64::NAN, |looked| looked.mean())
    }

    /// Of random cells, how many in a hundred are worse than this.
    pub fn percent(&self, quality: f64) -> f64 {
        100.0 * self.qualities.partition_point(|q| *q < quality) as f64 / REFERENCE as f64
    }

    /// How an operation does on its edge by a plain sum: what a search for the best begins with.
    pub fn plain(&self, place: Place) -> f64 {
        let slot = self.cells.space().slot(place);
        slot.map_or(0.0, |slot| self.effects[slot].iter().zip(&self.weights).map(|(e, w)| e * w).sum())
    }

    /// A mask whose cells are looked at, so that what differs little from it is cheap to judge. `None` where it leaves no cell.
    pub fn look(&self, mask: &Mask) -> Option<Looked<'_>> {
        Some(Looked::of(self, &self.cells.left(mask).ok()?))
    }
}

/// Values closer than this are the same, summed in another order.
const ROUNDING: f64 = 1e-9;

fn weight(vote: &Vote, draws: usize) -> f64 {
    if vote.silent.is_some() {
        return 0.0;
    }
    let noise = vote.noise.0 * vote.noise.0 / (draws.max(1) as f64 * vote.spread.0 * vote.spread.0);
    if noise.is_nan() { 1.0 } else { (1.0 - noise).max(0.0) }
}

fn ascending(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    all
}

fn priorities(space: Space, seed: u64) -> Vec<Priorities> {
    let one = |number: usize| {
        let mut rng = random::stream_at(seed, "cut/cells", [number as u64, 0]);
        Priorities {
            rows: (0..space.rows()).map(|_| rng.next_u32()).collect(),
            slots: (0..space.slots()).map(|_| rng.next_u32()).collect(),
        }
    };
    (0..CELLS).map(one).collect()
}

/// The cells of a mask.
#[derive(Clone, Debug)]
pub struct Looked<'a> {
    quality: &'a Quality,
    left: Left,
    /// By cell, by row: the slot, or [`NOTHING`].
    chosen: Vec<Vec<u16>>,
    sums: Vec<Vec<f64>>,
    values: Vec<f64>,
}

impl<'a> Looked<'a> {
    fn of(quality: &'a Quality, left: &Left) -> Looked<'a> {
        let chosen: Vec<Vec<u16>> = quality.priorities.iter().map(|p| cell(&quality.cells, left, p)).collect();
        let sums: Vec<Vec<f64>> =
            chosen.iter().map(|cell| quality.values(cell.iter().copied().filter(|s| *s != NOTHING))).collect();
        let values = sums.iter().map(|s| quality.quality(s)).collect();
        Looked { quality, left: left.clone(), chosen, sums, values }
    }

    pub fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    /// The mean of the mask that differs on these edges: so many of each one's operations are kept, as a mask of the space says. Each
    /// must keep some, here and there.
    pub fn mean_with(&self, other: &Mask, rows: &[usize]) -> f64 {
        let space = self.quality.cells.space();
        let kept: Vec<(usize, Vec<u16>)> = rows.iter().map(|row| (*row, slots_of(space, other, *row))).collect();
        if kept.iter().any(|(row, kept)| kept.is_empty() || self.left.row(*row).is_empty()) {
            return self.quality.mean(other);
        }
        let mut sum = 0.0;
        let mut sums = vec![0.0; self.quality.weights.len()];
        for (i, p) in self.quality.priorities.iter().enumerate() {
            let mut changed = false;
            for (row, kept) in &kept {
                let old = self.chosen[i][*row];
                if old == NOTHING {
                    continue;
                }
                let new = first(kept, p);
                if new != old {
                    if !changed {
                        sums.copy_from_slice(&self.sums[i]);
                        changed = true;
                    }
                    let (old, new) = (&self.quality.effects[usize::from(old)], &self.quality.effects[usize::from(new)]);
                    sums.iter_mut().zip(old.iter().zip(new)).for_each(|(s, (old, new))| *s += new - old);
                }
            }
            sum += if changed { self.quality.quality(&sums) } else { self.values[i] };
        }
        sum / self.values.len() as f64
    }
}

/// The slots that a mask keeps on a row.
fn slots_of(space: Space, mask: &Mask, row: usize) -> Vec<u16> {
    let Some((cell, edge)) = space.all_edges().nth(row) else { return Vec::new() };
    let kept = mask.kept(cell, edge).filter(|o| *o != Operation::None || space.stacking().every_edge());
    kept.filter_map(|o| space.slot(Place::new(cell, edge, o))).map(|slot| slot as u16).collect()
}

/// Of these slots the one that comes first.
fn first(slots: &[u16], p: &Priorities) -> u16 {
    slots.iter().copied().min_by_key(|s| p.slots[usize::from(*s)]).unwrap_or(NOTHING)
}

/// The cell that priorities make of what is left.
fn cell(cells: &Cells, left: &Left, p: &Priorities) -> Vec<u16> {
    let mut chosen = vec![NOTHING; p.rows.len()];
    for (rows, choose) in cells.parts() {
        let mut open: Vec<usize> = rows.iter().copied().filter(|row| !left.row(*row).is_empty()).collect();
        open.sort_by_key(|row| p.rows[*row]);
        open.into_iter().take(choose).for_each(|row| chosen[row] = first(left.row(row), p));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{CellKind, darts};

    fn made_up(space: &Mask) -> Vec<(Place, Vec<f64>)> {
        let of =
            |p: &Place, f: usize| ((p.operation as usize * (3 + f) + f) % 7) as f64 + 0.1 * (p.cell as usize) as f64;
        space.places().map(|p| (p, vec![of(&p, 0), of(&p, 1), f64::NAN])).collect()
    }

    #[test]
    fn what_differs_little_is_judged_as_if_anew() {
        for space in [darts::NO_NONE, Space::find("nas_bench_201").unwrap().full().without_operation(Operation::None)] {
            let quality = Quality::by(&space, &made_up(&space), &[1.0, 2.0, 1.0], 3).unwrap();
            let mut rng = random::stream(1, "test");
            let mut mask = space;
            for _ in 0..60 {
                let looked = quality.look(&mask).unwrap();
                assert_eq!(looked.mean(), quality.mean(&mask));
                let places: Vec<Place> = space.places().collect();
                let any = |rng: &mut _| places[random::below(rng, places.len() as u64) as usize];
                let (a, b) = (any(&mut rng), any(&mut rng));
                let mut other = mask;
                for place in [a, b] {
                    let on = other.contains(place) && other.count_on(place.cell, place.edge) > 1;
                    other.set(place, !on);
                }
                let rows: Vec<usize> = [a, b].iter().filter_map(|p| space.space().row(p.cell, p.edge)).collect();
                let rows = if rows[0] == rows[1] { &rows[..1] } else { &rows[..] };
                assert!((looked.mean_with(&other, rows) - quality.mean(&other)).abs() < 1e-9);
                mask = other;
            }
        }
    }

    #[test]
    fn of_a_single_cell_it_is_its_rank() {
        let space = Space::find("nas_bench_201").unwrap().full().without_operation(Operation::None);
        let effects = made_up(&space);
        let quality = Quality::by(&space, &effects, &[1.0, 0.0, 0.0], 3).unwrap();
        let worth = |p: &Place| effects.iter().find(|e| e.0 == *p).unwrap().1[0];
        let by = |best: bool| {
            let mut mask = space;
            for (cell, edge) in space.space().all_edges() {
                let mut own: Vec<Place> = space.kept(cell, edge).map(|o| Place::new(cell, edge, o)).collect();
                own.sort_by(|a, b| worth(a).total_cmp(&worth(b)));
                let kept = if best { own.len() - 1 } else { 0 };
                own.iter().enumerate().for_each(|(i, p)| mask.set(*p, i == kept));
            }
            mask
        };
        // The best is no worse than any; of 4,096 cells the worst is no better than one in a thousand or so.
        assert_eq!(quality.mean(&by(true)), 0.0);
        assert!(quality.mean(&by(false)) < (0.005f64).ln());
        assert!(quality.percent(quality.mean(&by(true))) > 99.0 && quality.percent(quality.mean(&by(false))) < 1.0);
        let whole = quality.percent(quality.mean(&space));
        assert!((10.0..60.0).contains(&whole), "{whole}");
    }

    #[test]
    fn much_of_one_thing_does_not_make_up_for_another() {
        // Two functions that want opposite things: by a sum all cells are equal, by ranks the balanced are best.
        let space = Space::find("nas_bench_201").unwrap().full().without_operation(Operation::None);
        let is = |p: &Place| f64::from(u8::from(p.operation == Operation::SkipConnect));
        let effects: Vec<(Place, Vec<f64>)> = space.places().map(|p| (p, vec![is(&p), -is(&p)])).collect();
        let quality = Quality::by(&space, &effects, &[1.0, 1.0], 3).unwrap();
        let with_skips = |count: usize| {
            let mut mask = space;
            for (i, (cell, edge)) in space.space().all_edges().enumerate() {
                let kept = if i < count { Operation::SkipConnect } else { Operation::AvgPool3x3 };
                space.kept(cell, edge).for_each(|o| mask.set(Place::new(cell, edge, o), o == kept));
            }
            quality.mean(&mask)
        };
        assert!(with_skips(2) > with_skips(6) + 0.5 && with_skips(2) > with_skips(0) + 0.2);
    }

    #[test]
    fn draws_drawn_again_differ_by_their_noise() {
        let space = darts::NO_NONE;
        let effects = made_up(&space);
        let quality = Quality::by(&space, &effects, &[1.0, 1.0, 0.0], 3).unwrap();
        let draws = |noise: f64| -> Vec<(Place, Vec<Vec<f64>>)> {
            let mut rng = random::stream(4, "test");
            let mut one = |v: &Vec<f64>| v.iter().map(|x| x + noise * random::normal(&mut rng)).collect::<Vec<f64>>();
            effects.iter().map(|(p, v)| (*p, (0..6).map(|_| one(v)).collect())).collect()
        };
        let mask =
            space.without(Place::new(CellKind::Normal, darts::SPACE.edges(CellKind::Normal)[0], Operation::MaxPool3x3));
        let spread = |noise: f64| {
            let all = quality.resampled(&space, &draws(noise), 20, 3);
            assert_eq!(all.len(), 20);
            let means: Vec<f64> = all.iter().map(|q| q.mean(&mask)).collect();
            means.iter().copied().fold(f64::MIN, f64::max) - means.iter().copied().fold(f64::MAX, f64::min)
        };
        assert_eq!(spread(0.0), 0.0);
        assert!(spread(2.0) > 0.01, "{}", spread(2.0));
        let single: Vec<(Place, Vec<Vec<f64>>)> = effects.iter().map(|(p, v)| (*p, vec![v.clone()])).collect();
        assert!(quality.resampled(&space, &single, 20, 3).is_empty(), "one draw can't be drawn again");
    }

    #[test]
    fn where_nothing_votes_there_is_none() {
        let space = darts::NO_NONE;
        assert!(Quality::by(&space, &made_up(&space), &[0.0, 0.0, 0.0], 3).is_none());
        assert!(
            Quality::by(&darts::FULL, &made_up(&darts::FULL), &[1.0, 0.0, 0.0], 3).is_none(),
            "`none` is in no cell"
        );
    }
}
