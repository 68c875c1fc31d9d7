//! What cuts are worth by scores of sampled cells: the mean, over the cells that a cut leaves, of how each ranks among random cells.
//!
//! A cell's quality is the sum over the functions of the logarithm of the share of random cells that it is no worse than (the
//! aggregate of AZ-NAS, arXiv 2403.19232). Unlike a sum, it does not let much of one thing make up for the lack of another: where
//! bytes allow few convolutions, one more skip connection trains no better.

use rand::Rng;

use super::stored::Stored;
use crate::proxies::aggregate::Standing;
use crate::random;
use crate::run::assessed::Estimate;
use crate::run::config::Config;
use crate::space::{By, Mask, Operation, Place, Space};
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
    /// By the draws of a run that scored sampled cells, of the functions that a choice takes: each that votes, weighted by the share of
    /// its spread that is not noise. `None` where none votes, or where cells can't be made of the space as genotypes are.
    pub fn of(stored: &Stored, by: &By, config: &Config) -> Option<Quality> {
        if !stored.sampled {
            return None;
        }
        let (combined, chosen) = stored.combined(by, config).ok()?;
        let mut weights = vec![0.0; stored.functions.len()];
        for (standing, f) in combined.standings.iter().zip(&chosen) {
            weights[*f] = weight(standing, stored.draws());
        }
        if weights.iter().all(|w| *w <= 0.0) {
            // Where all are noise, all have the same say.
            let says = |(standing, f): (&Standing, &usize)| standing.silent.is_none().then_some(*f);
            combined.standings.iter().zip(&chosen).filter_map(says).for_each(|f| weights[f] = 1.0);
        }
        let all: Vec<usize> = (0..stored.draws()).collect();
        Quality::by(&stored.mask, &effects(stored, &all), &weights, config.seed)
    }

    /// The same with the draws drawn again with replacement, so many times: how far a quality is chance. Empty with fewer than two draws.
    pub fn resampled(&self, stored: &Stored, times: usize, seed: u64) -> Vec<Quality> {
        let draws = stored.draws();
        let mut rng = random::stream(seed, "cut/resampled");
        let one = |drawn: Vec<usize>| Quality::by(&stored.mask, &effects(stored, &drawn), &self.all_weights, seed);
        let times = if draws < 2 { 0 } else { times };
        let mut drawn = || (0..draws).map(|_| random::below(&mut rng, draws as u64) as usize).collect();
        (0..times).filter_map(|_| one(drawn())).collect()
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

    /// Of random cells, how many in a hundred are worse than this; NaN of NaN.
    pub fn percent(&self, quality: f64) -> f64 {
        if quality.is_nan() {
            return f64::NAN;
        }
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

/// Times that the draws are drawn again.
const RESAMPLED: usize = 40;

/// A quality, and how far it is chance.
#[derive(Clone, Debug)]
pub struct Estimated {
    pub quality: Quality,
    resampled: Vec<Quality>,
}

impl Estimated {
    /// See [`Quality::of`].
    pub fn of(stored: &Stored, by: &By, config: &Config) -> Option<Estimated> {
        let quality = Quality::of(stored, by, config)?;
        Some(Estimated { resampled: quality.resampled(stored, RESAMPLED, config.seed), quality })
    }

    /// Of random cells, how many in a hundred are worse than a mask's are in the mean.
    pub fn percent(&self, mask: &Mask) -> f64 {
        self.quality.percent(self.quality.mean(mask))
    }

    /// The same with its interval.
    pub fn of_mask(&self, mask: &Mask) -> Estimate {
        let mut again: Vec<f64> = self.resampled.iter().map(|q| q.percent(q.mean(mask))).collect();
        again.sort_by(f64::total_cmp);
        let at = |share: f64| again.get((share * (again.len().max(1) - 1) as f64).round() as usize).copied();
        Estimate { percent: self.percent(mask), interval: at(0.05).zip(at(0.95)) }
    }
}

/// Values closer than this are the same, summed in another order.
const ROUNDING: f64 = 1e-9;

fn weight(standing: &Standing, draws: usize) -> f64 {
    if standing.silent.is_some() {
        return 0.0;
    }
    let noise = (standing.noise / standing.spread).powi(2) / draws.max(1) as f64;
    if noise.is_nan() { 1.0 } else { (1.0 - noise).max(0.0) }
}

/// What each place adds to each function, in the mean over these draws.
fn effects(stored: &Stored, draws: &[usize]) -> Vec<(Place, Vec<f64>)> {
    let functions = stored.functions.len();
    stored.places.iter().zip(&stored.relative).map(|(place, all)| (*place, means(all, draws, functions))).collect()
}

/// Of each function over these draws, where it is finite; NaN where it never is.
fn means(all: &[Vec<f64>], draws: &[usize], functions: usize) -> Vec<f64> {
    let mean = |f: usize| {
        let own = draws.iter().filter_map(|d| all.get(*d)?.get(f)).filter(|v| v.is_finite());
        let (sum, n) = own.fold((0.0, 0usize), |(sum, n), v| (sum + v, n + 1));
        if n == 0 { f64::NAN } else { sum / n as f64 }
    };
    (0..functions).map(mean).collect()
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
        // The best is no worse than any; no worse than the worst are those that are its equals.
        assert_eq!(quality.mean(&by(true)), 0.0);
        assert!(quality.mean(&by(false)) < (0.05f64).ln());
        assert!(quality.percent(quality.mean(&by(true))) > 90.0 && quality.percent(quality.mean(&by(false))) < 5.0);
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
        let stored = |noise: f64, draws: usize| {
            let mut rng = random::stream(4, "test");
            let mut one = |v: &Vec<f64>| v.iter().map(|x| x + noise * random::normal(&mut rng)).collect::<Vec<f64>>();
            let found = effects.iter().flat_map(|(p, v)| (0..draws).map(|d| ((*p, d), one(v))).collect::<Vec<_>>());
            Stored::new(["a", "b", "c"].map(String::from).to_vec(), space, found.collect(), 1)
        };
        let mask =
            space.without(Place::new(CellKind::Normal, darts::SPACE.edges(CellKind::Normal)[0], Operation::MaxPool3x3));
        let spread = |noise: f64| {
            let all = quality.resampled(&stored(noise, 6), 20, 3);
            assert_eq!(all.len(), 20);
            let means: Vec<f64> = all.iter().map(|q| q.mean(&mask)).collect();
            means.iter().copied().fold(f64::MIN, f64::max) - means.iter().copied().fold(f64::MAX, f64::min)
        };
        assert_eq!(spread(0.0), 0.0);
        assert!(spread(2.0) > 0.01, "{}", spread(2.0));
        assert!(quality.resampled(&stored(0.0, 1), 20, 3).is_empty(), "one draw can't be drawn again");
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
