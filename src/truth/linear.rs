//! A sample of cells: what a linear model of which operation sits on which edge says of cuts.

use super::cells::{Cells, Left};
use super::error::TruthError;
use super::ridge::{self, Fit, Sample};
use super::statistics::mean;
use super::table::Table;
use crate::text;

/// Cells at least, to fit anything.
pub const FEWEST: usize = 50;
/// Spearman's correlation of held-back rows at least, to judge anything.
pub const LEAST_SPEARMAN: f64 = 0.5;
/// Operations on an edge below which the model extrapolates: sums of coefficients were fitted to cells at random, and where
/// little is left to choose, what operations do to each other decides.
pub const FEW: usize = 3;

/// A model that predicts well enough to judge.
#[derive(Clone, Debug)]
pub struct Linear {
    pub fit: Fit,
    /// Operations on edges that no row has: they count as average.
    pub unseen: usize,
}

impl Linear {
    /// # Errors
    /// Too few rows, or they can't be predicted.
    pub fn of(cells: &Cells, table: &Table, seed: u64) -> Result<Linear, TruthError> {
        let refuse =
            |reason: String| TruthError::Judge { file: table.file.clone(), space: cells.space().name(), reason };
        let rows = table.rows.len();
        if rows < FEWEST {
            return Err(refuse(format!(
                "it has {} of the {} there are, and a linear model needs at least {FEWEST}; give a table of more",
                text::counted(rows, "cell"),
                text::many(cells.count(cells.full()))
            )));
        }
        let samples: Vec<Sample> = table.rows.iter().map(|r| (&r.cell[..], r.accuracy)).collect();
        let fit = ridge::fit(&samples, cells.space().slots(), seed);
        if fit.spearman.is_nan() || fit.spearman < LEAST_SPEARMAN {
            let found = if fit.spearman.is_finite() { text::significant(fit.spearman, 2) } else { "undefined".into() };
            return Err(refuse(format!(
                "of its {rows} cells a linear model predicts held-back accuracies with a rank correlation (Spearman) of {found}, \
                 and {LEAST_SPEARMAN} is the least; give a table of more cells, or another column"
            )));
        }
        let mut seen = vec![false; cells.space().slots()];
        table.rows.iter().flat_map(|r| r.cell.iter()).for_each(|slot| seen[usize::from(*slot)] = true);
        let unseen = cells.full().0.iter().flatten().filter(|slot| !seen[usize::from(**slot)]).count();
        Ok(Linear { fit, unseen })
    }

    fn coefficient(&self, slot: u16) -> f64 {
        self.fit.coefficients.get(usize::from(slot)).copied().unwrap_or(0.0)
    }

    /// What an operation on an edge adds to the accuracy.
    pub fn value(&self, slot: usize) -> f64 {
        self.fit.coefficients.get(slot).copied().unwrap_or(f64::NAN)
    }

    pub fn cell(&self, cell: &[u16]) -> f64 {
        self.fit.base + cell.iter().map(|slot| self.coefficient(*slot)).sum::<f64>()
    }

    /// Of a cell drawn as [`Cells::draw`] draws; exact.
    pub fn mean(&self, cells: &Cells, left: &Left) -> f64 {
        let row = |row: usize| mean(&left.0[row].iter().map(|slot| self.coefficient(*slot)).collect::<Vec<_>>());
        self.fit.base + cells.expected(left, row)
    }

    /// Of the best cell.
    pub fn best(&self, cells: &Cells, left: &Left) -> f64 {
        let row = |row: usize| left.0[row].iter().map(|slot| self.coefficient(*slot)).fold(f64::NEG_INFINITY, f64::max);
        self.fit.base + cells.best(left, row)
    }

    /// Mean of [`Linear::mean`] over all cuts with so many of these operations on each edge; exact.
    pub fn mean_of_cuts(&self, cells: &Cells, from: &Left, counts: &[usize]) -> f64 {
        let all = from.0.iter().zip(counts);
        self.mean(cells, &Left(all.map(|(row, count)| if *count == 0 { Vec::new() } else { row.clone() }).collect()))
    }

    /// The cut with so many of these operations on each edge that has the highest [`Linear::mean`].
    pub fn best_cut(&self, from: &Left, counts: &[usize]) -> Left {
        let row = |(all, count): (&Vec<u16>, &usize)| {
            let mut kept = all.clone();
            kept.sort_by(|a, b| self.coefficient(*b).total_cmp(&self.coefficient(*a)));
            kept.truncate(*count);
            kept.sort_unstable();
            kept
        };
        Left(from.0.iter().zip(counts).map(row).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;
    use crate::space::{Mask, Operation, darts};
    use crate::truth::table::Row;

    /// A table of cells with an accuracy that is linear but for a little noise.
    pub fn made_up(cells: &Cells, count: usize) -> Table {
        let mut rng = random::stream(5, "test");
        let by_slot: Vec<f64> = (0..cells.space().slots()).map(|_| random::normal(&mut rng)).collect();
        let row = |_| {
            let mut cell = cells.draw(cells.full(), &mut rng);
            cell.sort_unstable();
            let accuracy =
                90.0 + cell.iter().map(|s| by_slot[usize::from(*s)]).sum::<f64>() + 0.1 * random::normal(&mut rng);
            Row { cell: cell.into(), accuracy }
        };
        let mut rows: Vec<Row> = (0..count).map(row).collect();
        rows.sort_by(|a, b| a.cell.cmp(&b.cell));
        Table { file: "t".into(), column: "acc".into(), comments: Vec::new(), rows, others: 0, first_other: None }
    }

    #[test]
    fn random_cuts_are_zero_in_the_mean_and_the_best_is_best() {
        let cells = Cells::of(darts::SPACE);
        let linear = Linear::of(&cells, &made_up(&cells, 600), 0).unwrap();
        assert!(linear.fit.spearman > 0.95 && linear.unseen == 0, "{:?}", linear.fit.spearman);
        let mut rng = random::stream(6, "test");
        let counts: Vec<usize> = (0..28).map(|i| 1 + i % 7).collect();
        let (zero, best) = (linear.mean_of_cuts(&cells, cells.full(), &counts), linear.best_cut(cells.full(), &counts));
        assert_eq!(best.counts(), counts);
        let one = linear.mean(&cells, &best);
        let gains: Vec<f64> = (0..4000)
            .map(|_| (linear.mean(&cells, &cells.draw_cut(cells.full(), &counts, &mut rng)) - zero) / (one - zero))
            .collect();
        assert!(mean(&gains).abs() < 0.01, "{}", mean(&gains));
        assert!(gains.iter().all(|g| *g <= 1.0));
    }

    #[test]
    fn the_mean_is_that_of_drawn_cells_and_the_best_is_reached() {
        let cells = Cells::of(darts::SPACE);
        let linear = Linear::of(&cells, &made_up(&cells, 300), 0).unwrap();
        let mut rng = random::stream(7, "test");
        let cut = cells.draw_cut(cells.full(), &[2; 28], &mut rng);
        let drawn: Vec<f64> = (0..20_000).map(|_| linear.cell(&cells.draw(&cut, &mut rng))).collect();
        let spread = (drawn.iter().map(|v| v * v).sum::<f64>() / 2e4 - mean(&drawn) * mean(&drawn)).sqrt();
        assert!((mean(&drawn) - linear.mean(&cells, &cut)).abs() < 4.0 * spread / 2e4f64.sqrt());
        assert!(drawn.iter().all(|v| *v <= linear.best(&cells, &cut) + 1e-9));
        // Where only one cell is left but for its inputs, mean and best are sums by hand.
        let skips = cells.left(&Mask::uniform(darts::SPACE, &[Operation::SkipConnect])).unwrap();
        let own = |kind, source, target| {
            let place = crate::space::Place::new(
                kind,
                crate::space::Edge::between(source, target).unwrap(),
                Operation::SkipConnect,
            );
            linear.value(darts::SPACE.slot(place).unwrap())
        };
        let (mut expected, mut highest) = (linear.fit.base, linear.fit.base);
        for kind in darts::SPACE.kinds() {
            for target in 2..6 {
                let mut all: Vec<f64> = (0..target).map(|source| own(kind, source, target)).collect();
                expected += 2.0 * mean(&all);
                all.sort_by(|a, b| b.total_cmp(a));
                highest += all[0] + all[1];
            }
        }
        assert!((linear.mean(&cells, &skips) - expected).abs() < 1e-9);
        assert!((linear.best(&cells, &skips) - highest).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_judge_says_so() {
        let cells = Cells::of(darts::SPACE);
        let refused = |table: &Table| Linear::of(&cells, table, 0).unwrap_err().to_string();
        assert!(refused(&made_up(&cells, 49)).contains("at least 50"));
        let mut noise = made_up(&cells, 200);
        let mut rng = random::stream(8, "test");
        noise.rows.iter_mut().for_each(|r| r.accuracy = random::normal(&mut rng));
        assert!(refused(&noise).contains("(Spearman) of"), "{}", refused(&noise));
        noise.rows.iter_mut().for_each(|r| r.accuracy = 5.0);
        assert!(refused(&noise).contains("undefined"));
    }
}
