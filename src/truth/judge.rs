//! The numbers of a cut: its own, beside random cuts and controls that keep as many operations on every edge.

use rayon::prelude::*;
use serde::Serialize;

use super::cells::{Cell, Cells, Left};
use super::error::TruthError;
use super::exact::{BEST, Known};
use super::linear::{FEW, Linear};
use super::shape::controls;
use super::statistics::{kendall_within, mean, percentile, quantiles, spearman};
use super::table::{Row, Table};
use crate::random;
use crate::space::{Genotype, Mask, Place};

/// Random cuts, and random cells, that percentiles are among.
pub const DRAWS: usize = 2000;

/// What is known of a space.
pub enum Truth {
    Exact(Known),
    Linear(Linear),
}

impl Truth {
    /// By all cells of the space where the table has them, else by a linear model.
    ///
    /// # Errors
    /// The table is too small, or can't be predicted: it can't judge.
    pub fn of(cells: &Cells, table: &Table, seed: u64) -> Result<Truth, TruthError> {
        Ok(match Known::of(cells, table) {
            Some(known) => Truth::Exact(known),
            None => Truth::Linear(Linear::of(cells, table, seed)?),
        })
    }

    /// The accuracy of a cell in the table's unit, and whether it is predicted.
    ///
    /// # Errors
    /// The cell is not of the space, or the table does not have it.
    pub fn cell(&self, cells: &Cells, genotype: &Genotype) -> Result<(f64, bool), String> {
        let cell = cells.cell(genotype)?;
        match self {
            Truth::Exact(known) => match known.cell(&cell) {
                Some((accuracy, _)) => Ok((accuracy, false)),
                None => Err(format!("it does not have {genotype}")),
            },
            Truth::Linear(linear) => Ok((linear.cell(&cell), true)),
        }
    }

    fn value(&self, slot: usize) -> f64 {
        match self {
            Truth::Exact(known) => known.value(slot),
            Truth::Linear(linear) => linear.value(slot),
        }
    }

    fn numbers(&self, cells: &Cells, left: &Left) -> Numbers {
        match self {
            Truth::Exact(known) => {
                let n = known.numbers(left);
                let of = |i: usize| (known.count() >= BEST[i]).then(|| n.of_best[i] as f64 / BEST[i] as f64);
                Numbers { mean: n.mean, best: n.best, of_best_100: of(0), of_best_1000: of(1) }
            }
            Truth::Linear(linear) => Numbers {
                mean: linear.mean(cells, left),
                best: linear.best(cells, left),
                of_best_100: None,
                of_best_1000: None,
            },
        }
    }
}

struct Numbers {
    mean: f64,
    best: f64,
    of_best_100: Option<f64>,
    of_best_1000: Option<f64>,
}

/// Scores of a run's first round, in which every operation took part.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    /// Names of what scored.
    pub names: Vec<String>,
    /// Their numbers, more is more important; NaN where there is none.
    pub places: Vec<(Place, Vec<f64>)>,
}

impl Scores {
    /// Of functions by name, and of their sum.
    pub fn with_sum(mut names: Vec<String>, places: impl IntoIterator<Item = (Place, Vec<f64>, f64)>) -> Scores {
        names.push("together".into());
        let numbers = |(place, mut numbers, sum): (Place, Vec<f64>, f64)| {
            numbers.push(sum);
            (place, numbers)
        };
        Scores { names, places: places.into_iter().map(numbers).collect() }
    }
}

/// What an audit tells. Accuracies are in the table's unit, shares are of 1, percentiles of 100.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    /// `exact` where the table lists every cell of the space, else `regression`.
    pub by: &'static str,
    pub space: &'static str,
    pub table: TableNote,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    /// Of the streams `audit/folds`, `audit/cuts` and `audit/cells`.
    pub seed: u64,
    /// Random cuts and random cells that percentiles are among.
    pub draws: usize,
    pub cut: CutNumbers,
    /// All random cuts with as many operations on every edge.
    pub random: CutNumbers,
    pub controls: Vec<CutNumbers>,
    /// Share of the random cuts that are worse, in per cent; equal ones count half.
    pub percentile: Percentiles,
    /// Operations that cells may be made of: kept, of those that could be, and kept on each edge.
    pub kept: usize,
    pub candidates: usize,
    /// The space has `none`, which is not counted among them.
    pub without_none: bool,
    pub kept_per_edge: Vec<usize>,
    /// Edges on which `none` is kept: no cell takes it, so that it counts for nothing here.
    pub none_kept: usize,
    /// Cells that are left, of all.
    pub cells: f64,
    pub of_cells: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
    pub functions: Vec<Agreement>,
    /// Ranking functions on single cells, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampled: Option<Sampled>,
}

/// How ranking functions order cells of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Sampled {
    /// Cells that were drawn from the table.
    pub cells: usize,
    /// Draws of weights and pictures that each value is the mean of.
    pub draws: usize,
    pub functions: Vec<Correlation>,
}

/// A ranking function's values against accuracies; absent where it is the same for all cells.
#[derive(Clone, Debug, Serialize)]
pub struct Correlation {
    pub name: String,
    /// Kendall's tau-b.
    pub tau: Option<f64>,
    pub spearman: Option<f64>,
    /// Cells for which it is not finite; they are left out.
    pub undefined: usize,
}

impl Correlation {
    /// Of values, more is better, and the accuracies of the same cells.
    pub fn of(name: &str, values: &[f64], accuracies: &[f64]) -> Correlation {
        let pairs: Vec<(f64, f64)> =
            values.iter().copied().zip(accuracies.iter().copied()).filter(|(v, _)| v.is_finite()).collect();
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        Correlation {
            name: name.into(),
            tau: kendall_within([&pairs[..]]),
            spearman: Some(spearman(&x, &y)).filter(|r| r.is_finite()),
            undefined: values.len() - pairs.len(),
        }
    }
}

/// So many rows of the table, drawn by `seed` (stream `audit/sample`), all of them where it has no more.
pub fn sample(table: &Table, count: usize, seed: u64) -> Vec<&Row> {
    let mut rows: Vec<&Row> = table.rows.iter().collect();
    random::shuffle(&mut random::stream(seed, "audit/sample"), &mut rows);
    rows.truncate(count);
    rows
}

#[derive(Clone, Debug, Serialize)]
pub struct TableNote {
    pub file: String,
    pub column: String,
    pub rows: usize,
    /// Rows that are not of the space, and the first of them.
    pub other_rows: usize,
    pub first_other: Option<String>,
    pub comment: Option<String>,
    pub surrogate: bool,
    /// The highest accuracy of a row.
    pub highest: f64,
}

/// The linear model, and how far to trust it.
#[derive(Clone, Debug, Serialize)]
pub struct Model {
    pub penalty: f64,
    pub folds: usize,
    /// Of rows that were held back.
    pub spearman: f64,
    pub r_squared: f64,
    /// Operations on edges that no row has: they count as average.
    pub unseen: usize,
    /// Edges on which the cut keeps fewer than three operations: there the model extrapolates.
    pub few_edges: usize,
}

/// One cut: mean and highest accuracy of its cells; of `random` means over cuts.
#[derive(Clone, Debug, Serialize)]
pub struct CutNumbers {
    pub name: &'static str,
    pub mean: f64,
    pub best: f64,
    /// 0: the mean of random cuts; 1: the best cut by the model. Of a model only, and where anything was cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<f64>,
    /// What the best cell of the space has over the best one that is left. Where every cell is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regret: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_best_100: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_best_1000: Option<f64>,
    /// At 5, 25, 50, 75 and 95 %: of all cells that are left where they are known, else of 2,000 drawn ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantiles: Option<[f64; 5]>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Percentiles {
    pub mean: f64,
    pub best: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_best_100: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_best_1000: Option<f64>,
}

/// The cell that the run found.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    pub genotype: String,
    /// Known, or predicted.
    pub accuracy: f64,
    pub predicted: bool,
    /// Where it is predicted but the table has it all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_table: Option<f64>,
    /// 1 where none is better; where every cell is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// Share of the random cells of the full space that are worse, in per cent.
    pub percentile: f64,
}

/// How a ranking function orders the operations of an edge.
#[derive(Clone, Debug, Serialize)]
pub struct Agreement {
    pub name: String,
    /// Kendall's tau-b with the worth of operations by the table, over pairs on the same edge; absent where it tells nothing.
    pub tau: Option<f64>,
}

/// Judges a cut of the table's space, a cell, and scores.
///
/// # Errors
/// A cut that leaves no cell.
pub fn audit(
    cells: &Cells,
    table: &Table,
    truth: &Truth,
    mask: &Mask,
    found: Option<&Genotype>,
    scores: &Scores,
    seed: u64,
) -> Result<Audit, TruthError> {
    let left = cells.left(mask)?;
    let counts = left.counts();
    let candidates = cells.candidates(mask);
    let from = cells.left(&candidates)?;
    let drawn: Vec<Numbers> = (0..DRAWS as u64)
        .into_par_iter()
        .map(|i| {
            truth.numbers(cells, &cells.draw_cut(&from, &counts, &mut random::stream_at(seed, "audit/cuts", [i, 0])))
        })
        .collect();
    let all = |number: &dyn Fn(&Numbers) -> f64| drawn.iter().map(number).collect::<Vec<_>>();
    let (means, bests) = (all(&|n| n.mean), all(&|n| n.best));
    let hundred = all(&|n| n.of_best_100.unwrap_or(f64::NAN));
    let thousand = all(&|n| n.of_best_1000.unwrap_or(f64::NAN));
    let ends = match truth {
        Truth::Linear(linear) => {
            let ends =
                (linear.mean_of_cuts(cells, &from, &counts), linear.mean(cells, &linear.best_cut(&from, &counts)));
            // Where nothing is left to choose both are the same but for rounding.
            (ends.1 - ends.0 > 1e-9 * ends.1.abs().max(1e-300)).then_some(ends)
        }
        Truth::Exact(_) => None,
    };
    let gain = |mean: f64| ends.map(|(zero, one)| (mean - zero) / (one - zero));
    let regret = |best: f64| match truth {
        Truth::Exact(known) => Some(known.highest() - best),
        Truth::Linear(_) => None,
    };
    let row = |name, n: &Numbers| CutNumbers {
        name,
        mean: n.mean,
        best: n.best,
        gain: gain(n.mean),
        regret: regret(n.best),
        of_best_100: n.of_best_100,
        of_best_1000: n.of_best_1000,
        quantiles: None,
    };
    let own = truth.numbers(cells, &left);
    let quantiles = match truth {
        Truth::Exact(known) => quantiles(&known.ascending(&left)),
        Truth::Linear(linear) => quantiles(&sampled(cells, linear, &left, seed, 0)),
    };
    let mean_of_random = match truth {
        Truth::Linear(linear) => linear.mean_of_cuts(cells, &from, &counts),
        Truth::Exact(_) => mean(&means),
    };
    let present = |own: Option<f64>, all: &[f64]| own.map(|_| mean(all));
    let random = Numbers {
        mean: mean_of_random,
        best: mean(&bests),
        of_best_100: present(own.of_best_100, &hundred),
        of_best_1000: present(own.of_best_1000, &thousand),
    };
    let mut beside: Vec<CutNumbers> = controls(cells, &candidates, &counts)
        .into_iter()
        .map(|(name, control)| row(name, &truth.numbers(cells, &control)))
        .collect();
    if let Truth::Linear(linear) = truth {
        beside.push(row("best_by_model", &truth.numbers(cells, &linear.best_cut(&from, &counts))));
    }
    let model = match truth {
        Truth::Linear(linear) => Some(Model {
            penalty: linear.fit.penalty,
            folds: super::ridge::FOLDS,
            spearman: linear.fit.spearman,
            r_squared: linear.fit.r_squared,
            unseen: linear.unseen,
            few_edges: counts.iter().filter(|n| **n < FEW).count(),
        }),
        Truth::Exact(_) => None,
    };
    let counted = cells.space().stacking().every_edge();
    let kept_none = mask.space().all_edges().filter(|(k, e)| mask.keeps(*k, *e, crate::space::Operation::None)).count();
    let cell = found.and_then(|g| Some((g, cells.cell(g).ok()?)));
    Ok(Audit {
        by: if model.is_some() { "regression" } else { "exact" },
        space: cells.space().name(),
        table: note(table),
        model,
        seed,
        draws: DRAWS,
        percentile: Percentiles {
            mean: percentile(own.mean, &means),
            best: percentile(own.best, &bests),
            of_best_100: own.of_best_100.map(|n| percentile(n, &hundred)),
            of_best_1000: own.of_best_1000.map(|n| percentile(n, &thousand)),
        },
        cut: CutNumbers { quantiles: Some(quantiles), ..row("cut", &own) },
        random: row("random", &random),
        controls: beside,
        kept: left.count(),
        candidates: from.count(),
        without_none: from.count() < mask.space().full().count(),
        none_kept: if counted { 0 } else { kept_none },
        cells: cells.count(&left),
        of_cells: cells.count(cells.full()),
        kept_per_edge: counts,
        found: cell.map(|(genotype, cell)| judged(cells, table, truth, genotype, &cell, seed)),
        functions: agreements(cells, truth, scores),
        sampled: None,
    })
}

/// Predicted accuracies of drawn cells, ascending. `number` tells draws for different ends apart.
fn sampled(cells: &Cells, linear: &Linear, left: &Left, seed: u64, number: u64) -> Vec<f64> {
    let mut rng = random::stream_at(seed, "audit/cells", [number, 0]);
    let mut all: Vec<f64> = (0..DRAWS).map(|_| linear.cell(&cells.draw(left, &mut rng))).collect();
    all.sort_by(f64::total_cmp);
    all
}

fn judged(cells: &Cells, table: &Table, truth: &Truth, genotype: &Genotype, cell: &Cell, seed: u64) -> Found {
    let genotype = genotype.to_string();
    let in_table = table.rows.binary_search_by(|r| r.cell.cmp(cell)).ok().map(|i| table.rows[i].accuracy);
    match truth {
        Truth::Exact(known) => {
            let (accuracy, rank) = known.cell(cell).unwrap_or((f64::NAN, known.count()));
            let percentile = percentile(accuracy, &known.ascending(cells.full()));
            Found { genotype, accuracy, predicted: false, in_table: None, rank: Some(rank), percentile }
        }
        Truth::Linear(linear) => {
            let accuracy = linear.cell(cell);
            let percentile = percentile(accuracy, &sampled(cells, linear, cells.full(), seed, 1));
            Found { genotype, accuracy, predicted: true, in_table, rank: None, percentile }
        }
    }
}

fn agreements(cells: &Cells, truth: &Truth, scores: &Scores) -> Vec<Agreement> {
    let (space, with_none) = (cells.space(), cells.space().stacking().every_edge());
    let of = |function: usize| {
        let mut groups: Vec<Vec<(f64, f64)>> = vec![Vec::new(); space.rows()];
        for (place, numbers) in &scores.places {
            let row = space.row(place.cell, place.edge);
            let Some((row, slot)) = row.zip(space.slot(*place)) else { continue };
            let pair = (numbers.get(function).copied().unwrap_or(f64::NAN), truth.value(slot));
            let counts = with_none || place.operation != crate::space::Operation::None;
            if counts && pair.0.is_finite() && pair.1.is_finite() {
                groups[row].push(pair);
            }
        }
        kendall_within(groups.iter().map(Vec::as_slice))
    };
    scores.names.iter().enumerate().map(|(i, name)| Agreement { name: name.clone(), tau: of(i) }).collect()
}

fn note(table: &Table) -> TableNote {
    TableNote {
        file: table.file.clone(),
        column: table.column.clone(),
        rows: table.rows.len(),
        other_rows: table.others,
        first_other: table.first_other.as_ref().map(|(line, why)| format!("line {line}: {why}")),
        comment: table.comments.iter().find(|c| !c.is_empty()).cloned(),
        surrogate: table.is_surrogate(),
        highest: table.rows.iter().map(|r| r.accuracy).fold(f64::NEG_INFINITY, f64::max),
    }
}
