//! From what every ranking function lost without each operation to one number for each operation.

use std::collections::BTreeMap;

/// How the ranking functions are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// Sum of relative differences, each function's divided by its own standard deviation from draw to draw: what is noise
    /// falls silent.
    Noise,
    /// Sum of relative differences, each function's divided by its spread and weighted by how surely it tells something and by
    /// how little the others tell the same: two that agree share a vote.
    Decorrelated,
    /// Plain sum of relative differences (arXiv 2505.13586, Algorithm 1).
    Relative,
    /// Sum over functions of the rank of the relative difference among all operations of the round (TE-NAS). Ties share a
    /// rank.
    Ranks,
}

impl Aggregate {
    pub const ALL: [Aggregate; 4] = [Aggregate::Decorrelated, Aggregate::Noise, Aggregate::Relative, Aggregate::Ranks];

    pub const fn name(self) -> &'static str {
        match self {
            Aggregate::Decorrelated => "decorrelated",
            Aggregate::Noise => "noise",
            Aggregate::Relative => "relative",
            Aggregate::Ranks => "ranks",
        }
    }
}

crate::words::words!(Aggregate);

/// Differences up to this are rounding: the function is the same with and without the operation.
const ROUNDING: f64 = 1e-12;

/// No function counts as telling more than so many times its own noise, so that one without any does not silence the rest.
const MOST_TELLING: f64 = 10.0;

/// What is added to the diagonal of the functions' correlations, so that near copies share a vote instead of fighting for it.
const RIDGE: f64 = 0.1;

/// Why a ranking function has no vote in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silent {
    /// The same whichever operation of an edge is left out.
    Constant,
    /// NaN or infinite on every edge.
    Undefined,
    /// No surer than chance, or what it tells the others tell as well.
    NothingNew,
}

/// How one ranking function counts in a round.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Standard deviation of its relative differences from draw to draw, pooled over the places; NaN with one draw.
    pub noise: f64,
    /// Standard deviation of its means within an edge, pooled over the edges.
    pub spread: f64,
    /// What its relative differences are divided by; NaN where it has no vote, or where ranks are added.
    pub divisor: f64,
    pub silent: Option<Silent>,
    /// Edges on which it has no vote since it is undefined for one of their operations in every draw.
    pub undefined_edges: usize,
}

/// A round, aggregated.
#[derive(Clone, Debug, PartialEq)]
pub struct Combined {
    /// By place: the sum over the functions that vote, by draw. Empty where none is defined on the place's edge.
    pub samples: Vec<Vec<f64>>,
    /// By place, by function: what the function adds to the mean of the samples; NaN where it has no vote.
    pub votes: Vec<Vec<f64>>,
    /// By function.
    pub standings: Vec<Standing>,
}

/// Aggregates a round. `edges` names each place's edge (any number, the same for places that compete with each other);
/// `relative` holds relative differences `[place][draw][function]`, NaN or infinite where undefined.
///
/// A function votes on an edge by the draws in which it is defined for all of the edge's places, so that they are compared by
/// the same functions; where there is no such draw it has no vote on that edge, and the others decide.
pub fn combine(aggregate: Aggregate, edges: &[usize], relative: &[Vec<Vec<f64>>]) -> Combined {
    let draws = relative.iter().map(Vec::len).max().unwrap_or(0);
    let functions = relative.iter().flatten().map(Vec::len).max().unwrap_or(0);
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, edge) in edges.iter().enumerate().take(relative.len()) {
        groups.entry(*edge).or_default().push(i);
    }
    let value = |i: usize, d: usize, f: usize| {
        relative[i].get(d).and_then(|v| v.get(f)).copied().filter(|v| v.is_finite()).unwrap_or(f64::NAN)
    };
    let sound: BTreeMap<usize, Vec<Vec<usize>>> = groups
        .iter()
        .map(|(edge, own)| {
            let whole = |f: usize| (0..draws).filter(|d| own.iter().all(|i| value(*i, *d, f).is_finite())).collect();
            (*edge, (0..functions).map(whole).collect())
        })
        .collect();
    let standings: Vec<Standing> =
        (0..functions).map(|f| standing(aggregate, &groups, |edge| &sound[edge][f], |i, d| value(i, d, f))).collect();
    let mut standings = standings;
    if aggregate == Aggregate::Decorrelated {
        decorrelate(&mut standings, &groups, |edge| &sound[edge], value, draws);
    }
    let mut samples = vec![Vec::new(); relative.len()];
    let mut votes = vec![vec![f64::NAN; functions]; relative.len()];
    let ranks: Vec<Option<Vec<Vec<f64>>>> = (0..functions)
        .map(|f| {
            (aggregate == Aggregate::Ranks && standings[f].silent.is_none())
                .then(|| (0..draws).map(|d| ranks(relative.len(), |i| value(i, d, f))).collect())
        })
        .collect();
    for (edge, own) in &groups {
        let voting: Vec<usize> =
            (0..functions).filter(|f| standings[*f].silent.is_none() && !sound[edge][*f].is_empty()).collect();
        let any: Vec<usize> = (0..draws).filter(|d| voting.iter().any(|f| sound[edge][*f].contains(d))).collect();
        for i in own {
            samples[*i] = vec![0.0; any.len()];
            for f in &voting {
                let scaled = |d: usize| match &ranks[*f] {
                    Some(ranks) => ranks[d][*i],
                    None => value(*i, d, *f) / standings[*f].divisor,
                };
                let draws = &sound[edge][*f];
                let mean = draws.iter().map(|d| scaled(*d)).sum::<f64>() / draws.len() as f64;
                votes[*i][*f] = mean;
                // A draw in which it is undefined here counts as its mean: the mean of the sums is the sum of the means.
                for (sample, d) in samples[*i].iter_mut().zip(&any) {
                    *sample += if draws.contains(d) { scaled(*d) } else { mean };
                }
            }
        }
    }
    Combined { samples, votes, standings }
}

fn standing<'a>(
    aggregate: Aggregate,
    groups: &BTreeMap<usize, Vec<usize>>,
    sound: impl Fn(&usize) -> &'a Vec<usize>,
    value: impl Fn(usize, usize) -> f64,
) -> Standing {
    let (mut within, mut within_degrees) = (0.0, 0usize);
    let (mut between, mut between_degrees) = (0.0, 0usize);
    let (mut undefined_edges, mut tells) = (0, false);
    for (edge, own) in groups {
        let draws = sound(edge);
        if draws.is_empty() {
            undefined_edges += 1;
            continue;
        }
        for d in draws {
            let (low, high) = own
                .iter()
                .map(|i| value(*i, *d))
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
            tells |= high - low > ROUNDING;
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let squares = |values: &[f64]| {
            let m = mean(values);
            values.iter().map(|v| (v - m) * (v - m)).sum::<f64>()
        };
        let mut means = Vec::with_capacity(own.len());
        for i in own {
            let values: Vec<f64> = draws.iter().map(|d| value(*i, *d)).collect();
            within += squares(&values);
            within_degrees += values.len() - 1;
            means.push(mean(&values));
        }
        between += squares(&means);
        between_degrees += means.len() - 1;
    }
    let deviation = |sum: f64, degrees: usize| if degrees == 0 { f64::NAN } else { (sum / degrees as f64).sqrt() };
    let (noise, spread) = (deviation(within, within_degrees), deviation(between, between_degrees));
    let silent = if undefined_edges == groups.len() {
        Some(Silent::Undefined)
    } else if tells {
        None
    } else {
        Some(Silent::Constant)
    };
    let divisor = match aggregate {
        _ if silent.is_some() => f64::NAN,
        Aggregate::Relative => 1.0,
        Aggregate::Ranks => f64::NAN,
        Aggregate::Decorrelated => spread,
        // With one draw there is no noise to divide by; its spread makes functions comparable.
        Aggregate::Noise if noise.is_nan() => spread,
        Aggregate::Noise => noise.max(spread / MOST_TELLING),
    };
    Standing { noise, spread, divisor, silent, undefined_edges }
}

/// Weighs the functions of a round; their divisors are their spreads so far.
///
/// With C the correlations of their means within edges, the weights w solve (C + 0.1·I)·w = 1, times the share of each
/// function's spread that is not noise, with a sum of 1. Who would have to vote against itself has no vote.
fn decorrelate<'a>(
    standings: &mut [Standing],
    groups: &BTreeMap<usize, Vec<usize>>,
    sound: impl Fn(&usize) -> &'a Vec<Vec<usize>>,
    value: impl Fn(usize, usize, usize) -> f64,
    draws: usize,
) {
    let mut voting: Vec<usize> = (0..standings.len()).filter(|f| standings[*f].silent.is_none()).collect();
    if voting.is_empty() {
        return;
    }
    // By function, by place: means over draws, less their mean on the edge, where all that vote are defined.
    let mut means: Vec<Vec<f64>> = vec![Vec::new(); standings.len()];
    for (edge, own) in groups {
        let sound = sound(edge);
        if voting.iter().any(|f| sound[*f].is_empty()) {
            continue;
        }
        for f in &voting {
            let mean = |i: &usize| sound[*f].iter().map(|d| value(*i, *d, *f)).sum::<f64>() / sound[*f].len() as f64;
            let own: Vec<f64> = own.iter().map(mean).collect();
            let centre = own.iter().sum::<f64>() / own.len().max(1) as f64;
            means[*f].extend(own.iter().map(|v| v - centre));
        }
    }
    let correlation = |a: usize, b: usize| {
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        let (x, y) = (&means[a], &means[b]);
        let r = dot(x, y) / (dot(x, x) * dot(y, y)).sqrt();
        if r.is_finite() { r } else { f64::from(u8::from(a == b)) }
    };
    // Of the spread of means over draws, what noise alone would make of it.
    let sure = |s: &Standing| match s.noise * s.noise / (draws.max(1) as f64 * s.spread * s.spread) {
        share if share.is_nan() => 1.0,
        share => (1.0 - share).max(0.0),
    };
    let weights = loop {
        let n = voting.len();
        let matrix = nalgebra::DMatrix::from_fn(n, n, |i, j| {
            correlation(voting[i], voting[j]) + if i == j { RIDGE } else { 0.0 }
        });
        let solved = matrix.lu().solve(&nalgebra::DVector::from_element(n, 1.0));
        let solved: Vec<f64> = solved.map_or_else(|| vec![1.0; n], |w| w.iter().copied().collect());
        let least = (0..n).min_by(|a, b| solved[*a].total_cmp(&solved[*b]));
        match least.filter(|i| solved[*i] <= 0.0 && n > 1) {
            Some(i) => {
                standings[voting.remove(i)].silent = Some(Silent::NothingNew);
            }
            None => break solved,
        }
    };
    let weights: Vec<f64> = voting.iter().zip(weights).map(|(f, w)| w * sure(&standings[*f])).collect();
    let total: f64 = weights.iter().sum();
    for (f, weight) in voting.iter().zip(weights) {
        let standing = &mut standings[*f];
        match weight / total {
            share if share > 0.0 => standing.divisor /= share,
            // Where all are noise, all have the same say: nobody is surer than another.
            _ if total <= 0.0 => standing.divisor *= voting.len() as f64,
            _ => standing.silent = Some(Silent::NothingNew),
        }
    }
    standings.iter_mut().filter(|s| s.silent.is_some()).for_each(|s| s.divisor = f64::NAN);
}

/// Rank of each value, 0 for the lowest; equal ones share a rank, and the next distinct one is one more. NaN has none.
fn ranks(count: usize, value: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..count).filter(|i| !value(*i).is_nan()).collect();
    order.sort_by(|a, b| value(*a).total_cmp(&value(*b)));
    let (mut found, mut rank) = (vec![f64::NAN; count], 0.0);
    for (k, i) in order.iter().enumerate() {
        if k > 0 && value(*i) != value(order[k - 1]) {
            rank += 1.0;
        }
        found[*i] = rank;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(v: &[f64]) -> f64 {
        v.iter().sum::<f64>() / v.len() as f64
    }

    /// Two edges of three places, three draws; the first function tells little but surely, the second is large and random.
    fn noisy() -> Vec<Vec<Vec<f64>>> {
        let sure = |i: usize, d: usize| 1e-4 * (i % 3) as f64 + 1e-6 * d as f64;
        let random = |i: usize, d: usize| [0.3, -0.2, 0.1, -0.4, 0.25, 0.05, -0.15][(5 * i + 3 * d) % 7];
        (0..6).map(|i| (0..3).map(|d| vec![sure(i, d), random(i, d)]).collect()).collect()
    }

    #[test]
    fn what_is_noise_falls_silent_where_each_is_divided_by_its_own() {
        let edges = [0, 0, 0, 1, 1, 1];
        let order = |aggregate| {
            let c = combine(aggregate, &edges, &noisy());
            let mut own: Vec<usize> = (0..3).collect();
            own.sort_by(|a, b| mean(&c.samples[*a]).total_cmp(&mean(&c.samples[*b])));
            (own, c)
        };
        let (own, c) = order(Aggregate::Noise);
        assert_eq!(own, [0, 1, 2]);
        // By hand: pooled over six places, the first function's deviation from draw to draw is 1e-6; its means spread by 1e-4
        // around their edges', and ten times its noise is the most that it counts for.
        assert!((c.standings[0].noise - 1e-6).abs() < 1e-12, "{:?}", c.standings[0]);
        assert!((c.standings[0].spread - 1e-4).abs() < 1e-12);
        assert!((c.standings[0].divisor - 1e-5).abs() < 1e-12);
        assert_eq!(c.standings[1].divisor, c.standings[1].noise);
        assert!(c.standings[1].noise > c.standings[1].spread);
        for (samples, votes) in c.samples.iter().zip(&c.votes) {
            assert!((mean(samples) - votes.iter().sum::<f64>()).abs() < 1e-9);
        }
        let (own, c) = order(Aggregate::Relative);
        assert_ne!(own, [0, 1, 2], "the random one decides a plain sum");
        assert!(c.standings.iter().all(|s| s.divisor == 1.0));
    }

    #[test]
    fn a_function_that_is_undefined_takes_no_other_with_it() {
        for aggregate in Aggregate::ALL {
            let mut relative = noisy();
            // Everywhere on the first edge; on the second in one draw of one place.
            relative[1].iter_mut().for_each(|d| d[1] = f64::NAN);
            relative[4][2][1] = f64::INFINITY;
            let c = combine(aggregate, &[0, 0, 0, 1, 1, 1], &relative);
            assert_eq!((c.standings[1].undefined_edges, c.standings[1].silent), (1, None));
            assert!(c.samples.iter().all(|s| s.len() == 3 && s.iter().all(|v| v.is_finite())));
            assert!(c.votes[0][1].is_nan() && c.votes[1][1].is_nan() && c.votes[4][1].is_finite());
            assert!(mean(&c.samples[0]) < mean(&c.samples[1]) && mean(&c.samples[1]) < mean(&c.samples[2]));
            // Nothing defined at all: no sample, for nobody to mistake for a score.
            relative[1].iter_mut().for_each(|d| d[0] = f64::NAN);
            let c = combine(aggregate, &[0, 0, 0, 1, 1, 1], &relative);
            assert!(c.samples[..3].iter().all(Vec::is_empty) && c.samples[3..].iter().all(|s| s.len() == 3));
        }
    }

    #[test]
    fn a_function_that_tells_nothing_has_no_vote() {
        for aggregate in Aggregate::ALL {
            let mut relative = noisy();
            // The same for all operations of an edge, but for rounding.
            for (i, place) in relative.iter_mut().enumerate() {
                place.iter_mut().for_each(|d| d[1] = (i / 3) as f64 + 1e-15 * i as f64);
            }
            let c = combine(aggregate, &[0, 0, 0, 1, 1, 1], &relative);
            assert_eq!(c.standings[1].silent, Some(Silent::Constant));
            assert!(c.standings[1].divisor.is_nan() && c.votes.iter().all(|v| v[1].is_nan()));
            let alone: Vec<_> =
                noisy().into_iter().map(|p| p.into_iter().map(|d| vec![d[0]]).collect::<Vec<_>>()).collect();
            assert_eq!(c.samples, combine(aggregate, &[0, 0, 0, 1, 1, 1], &alone).samples);
        }
    }

    #[test]
    fn functions_that_tell_the_same_share_a_vote() {
        // Twice the same in other units, once something else, all nearly without noise.
        let one = |i: usize, d: usize| [1.0, 2.0, 4.0][i % 3] + 1e-3 * ((i * 7 + d * 3) % 5) as f64;
        let other = |i: usize, d: usize| [3.0, -1.0, 1.0][i % 3] + 1e-3 * ((i * 5 + d) % 3) as f64;
        let edges = [0, 0, 0, 1, 1, 1];
        let all = |functions: &dyn Fn(usize, usize) -> Vec<f64>| -> Vec<Vec<Vec<f64>>> {
            (0..6).map(|i| (0..4).map(|d| functions(i, d)).collect()).collect()
        };
        let three =
            combine(Aggregate::Decorrelated, &edges, &all(&|i, d| vec![one(i, d), 10.0 * one(i, d), other(i, d)]));
        let two = combine(Aggregate::Decorrelated, &edges, &all(&|i, d| vec![one(i, d), other(i, d)]));
        let weights = |c: &Combined| -> Vec<f64> { c.standings.iter().map(|s| s.spread / s.divisor).collect() };
        let (w, v) = (weights(&three), weights(&two));
        assert!((w.iter().sum::<f64>() - 1.0).abs() < 1e-12 && (w[0] - w[1]).abs() < 1e-9, "{w:?}");
        // Two that differ have half each, whatever their correlation; of a pair that is one, each has half of a half.
        assert!((v[0] - 0.5).abs() < 1e-3 && (w[0] + w[1] - 0.5).abs() < 0.1, "{v:?} {w:?}");
        // What is mere noise has no vote, nor has what would have to vote against itself; nothing at all is no panic.
        let random = |i: usize, d: usize| f64::from([3, -2, 1, -4, 2, 0, -1][(5 * i + 3 * d) % 7]);
        let noisy = combine(Aggregate::Decorrelated, &edges, &all(&|i, d| vec![one(i, d), random(i, d)]));
        assert!(weights(&noisy)[0] > 0.8 || noisy.standings[1].silent == Some(Silent::NothingNew));
        for aggregate in Aggregate::ALL {
            assert_eq!(combine(aggregate, &[], &[]).samples, Vec::<Vec<f64>>::new());
            let undefined = combine(aggregate, &edges, &all(&|_, _| vec![f64::NAN, 1.0]));
            assert!(undefined.standings.iter().all(|s| s.silent.is_some()));
            assert!(undefined.samples.iter().all(Vec::is_empty));
            assert!(combine(aggregate, &edges, &all(&|_, _| Vec::new())).standings.is_empty());
        }
    }

    #[test]
    fn one_draw_and_no_noise_are_no_division_by_zero() {
        let one: Vec<Vec<Vec<f64>>> = noisy().into_iter().map(|p| vec![p[0].clone()]).collect();
        let c = combine(Aggregate::Noise, &[0, 0, 0, 1, 1, 1], &one);
        assert!(c.standings.iter().all(|s| s.noise.is_nan() && s.divisor == s.spread && s.spread > 0.0));
        let exact: Vec<Vec<Vec<f64>>> = (0..3).map(|i| vec![vec![f64::from(i)]; 3]).collect();
        let c = combine(Aggregate::Noise, &[0; 3], &exact);
        assert_eq!((c.standings[0].noise, c.standings[0].divisor), (0.0, 0.1));
        assert_eq!(combine(Aggregate::Noise, &[], &[]).samples, Vec::<Vec<f64>>::new());
    }
}
