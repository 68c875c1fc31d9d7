//! Draws until decided: a test looks at what is open after some draws, and what it has decided takes no part in the next ones.

use std::collections::BTreeMap;

use super::significance::{ALPHA, paired_lower_p};
use super::{Settings, WHOLE, mean};
use crate::proxies::aggregate::{self, Aggregate, Combined};
use crate::run::config::{Draws, Estimator};
use crate::space::{CellKind, Edge, Mask, Place};

/// Draws after which the test looks. Each look is at a third of 0.05 (Bonferroni), so that all together call an operation lower than
/// its equal in at most one of twenty cases; with fewer than 6 draws nothing is as sure (1/64).
pub const LOOKS: [usize; 3] = [8, 20, 48];

/// Draws of a round at most.
pub const MOST: usize = LOOKS[LOOKS.len() - 1];

/// Fixed draws whose evaluations are the budget where none is set.
const USUAL_BUDGET: usize = 12;

/// A draw has so many times fewer cells than one of a fixed number: most of the noise is that of weights and pictures, so a test
/// learns more from many draws than from many cells.
const SMALLER: usize = 4;

/// Cells that a regression needs.
pub const FEWEST_CELLS: usize = 8;

/// What is known of an operation's place in the cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// As many are significantly better as may stay.
    Goes,
    #[default]
    Open,
    /// As many are significantly worse as must go.
    Stays,
}

/// What the looks so far say.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// By place.
    pub fates: Vec<Fate>,
    /// Edges with a decision to make that scores can make, and those of them where it is open.
    pub boundaries: usize,
    pub open: usize,
    /// The places that the next draw is about.
    pub entrants: Vec<usize>,
    /// The least p of "the first is lower" of all looks at a pair, times their number.
    p: BTreeMap<(usize, usize), f64>,
}

impl Judged {
    /// Before the first look: all take part.
    pub fn of_all(places: usize) -> Judged {
        Judged { fates: vec![Fate::Open; places], entrants: (0..places).collect(), ..Judged::default() }
    }

    /// The p of "this one is lower", for all looks together: at most 0.05 where that is decided.
    pub fn lower(&self, low: usize, high: usize) -> f64 {
        let p = self.p.get(&(low, high)).copied().unwrap_or(1.0);
        if self.fates[low] == Fate::Goes && self.fates[high] == Fate::Stays { p.min(ALPHA) } else { p }
    }
}

/// Evaluations that the settings allow in all, where draws go on until all is decided; `whole` are those of one draw of a fixed
/// number.
pub fn budget(settings: &Settings, whole: usize) -> usize {
    if settings.max_evaluations > 0 { settings.max_evaluations } else { USUAL_BUDGET * whole }
}

/// Cells of a draw.
pub fn cells(settings: &Settings) -> usize {
    match settings.draws {
        Draws::Fixed(_) => settings.sample,
        Draws::Auto | Draws::Whole => (settings.sample / SMALLER).max(FEWEST_CELLS),
    }
}

/// Numbers of places by edge.
fn edges(places: &[Place]) -> BTreeMap<(CellKind, Edge), Vec<usize>> {
    let mut edges: BTreeMap<(CellKind, Edge), Vec<usize>> = BTreeMap::new();
    for (i, p) in places.iter().enumerate() {
        edges.entry((p.cell, p.edge)).or_default().push(i);
    }
    edges
}

/// What the draws so far decide. `relative` is `[place][draw][function]`, where a place that takes no part any more has fewer
/// draws; `exact` says which functions have no noise, and `ended` that there is no further draw: then the last is looked at, too,
/// instead of the next look.
pub fn judge(
    mask: &Mask,
    settings: &Settings,
    places: &[Place],
    relative: &[Vec<Vec<f64>>],
    exact: &[bool],
    ended: bool,
) -> Judged {
    let drawn = relative.iter().map(Vec::len).max().unwrap_or(0);
    let mut looks: Vec<usize> = LOOKS.into_iter().filter(|n| *n <= drawn).collect();
    if ended && drawn > 0 && drawn < MOST && !looks.contains(&drawn) {
        looks.push(drawn);
    }
    let edges = edges(places);
    let mut judged = Judged::of_all(places.len());
    for n in looks {
        let until: Vec<Vec<Vec<f64>>> = relative.iter().map(|d| d[..d.len().min(n)].to_vec()).collect();
        let combined = combined(mask, settings, places, &until);
        (judged.boundaries, judged.open) = (0, 0);
        judged.entrants.clear();
        for ((cell, edge), own) in &edges {
            let samples = &combined.samples;
            // What no function tells anything of, other draws do not tell either; counts tell all in one.
            let counted = |i: usize| combined.votes[i].iter().zip(exact).all(|(v, exact)| *exact || v.is_nan());
            if own.iter().any(|i| samples[*i].is_empty() || counted(*i)) {
                continue;
            }
            for (a, b) in own.iter().flat_map(|a| own.iter().map(move |b| (*a, *b))) {
                let here = |i: usize| relative[i].len() >= n && judged.fates[i] == Fate::Open;
                if a != b && here(a) && here(b) {
                    let p = paired_lower_p(&samples[a], &samples[b]).unwrap_or(1.0) * LOOKS.len() as f64;
                    let least = judged.p.entry((a, b)).or_insert(1.0);
                    *least = least.min(p);
                }
            }
            match boundary(settings, mask.count_on(*cell, *edge), || settings.asked.map(|c| c.on(*cell, *edge))) {
                Some(stay) if stay >= own.len() => own.iter().for_each(|i| judged.fates[*i] = Fate::Stays),
                Some(stay) => {
                    judged.boundaries += 1;
                    decide(&mut judged, own, stay);
                    judged.open += usize::from(own.iter().any(|i| judged.fates[*i] == Fate::Open));
                }
                None => {
                    judged.boundaries += 1;
                    let mut order = own.clone();
                    order.sort_by(|a, b| mean(&samples[*a]).total_cmp(&mean(&samples[*b])));
                    judged.open += usize::from(order.windows(2).any(|w| judged.lower(w[0], w[1]) > ALPHA));
                }
            }
            let narrow = settings.narrows();
            judged.entrants.extend(own.iter().filter(|i| narrow && judged.fates[**i] == Fate::Open));
        }
        if !settings.narrows() {
            judged.entrants = (0..places.len()).collect();
        }
        if judged.open == 0 {
            judged.entrants.clear();
        }
        judged.entrants.sort_unstable();
    }
    judged
}

/// Operations that an edge with `count` keeps, where that is what is to be decided; none where all neighbours are.
fn boundary(settings: &Settings, count: usize, asked: impl FnOnce() -> Option<usize>) -> Option<usize> {
    if !settings.estimator.in_rounds() || settings.remove_per_round == WHOLE {
        return if settings.draws == Draws::Whole { None } else { asked() };
    }
    Some(count.saturating_sub(settings.remove_per_round.max(1)).max(1))
}

/// The fates of an edge that keeps `stay`, by the pairs that are told apart.
fn decide(judged: &mut Judged, own: &[usize], stay: usize) {
    let go = own.len() - stay;
    let below = |a: usize, b: usize| judged.p.get(&(a, b)).is_some_and(|p| *p <= ALPHA);
    let told: Vec<(usize, Fate)> = own
        .iter()
        .filter(|i| judged.fates[**i] == Fate::Open)
        .filter_map(|i| {
            let better = own.iter().filter(|o| below(*i, **o)).count();
            let worse = own.iter().filter(|o| below(**o, *i)).count();
            if better >= stay { Some((*i, Fate::Goes)) } else { (worse >= go).then_some((*i, Fate::Stays)) }
        })
        .collect();
    told.into_iter().for_each(|(i, fate)| judged.fates[i] = fate);
    // Where the one side is full, the rest is the other.
    for (full, of, rest) in [(Fate::Goes, go, Fate::Stays), (Fate::Stays, stay, Fate::Goes)] {
        if own.iter().filter(|i| judged.fates[**i] == full).count() >= of {
            for i in own {
                if judged.fates[*i] == Fate::Open {
                    judged.fates[*i] = rest;
                }
            }
        }
    }
}

/// The functions of a round, put together. Their weights come from the draws that all places have; of later ones, which are only
/// about some of an edge, the differences between those count, and the level stays that of the first.
pub fn combined(mask: &Mask, settings: &Settings, places: &[Place], relative: &[Vec<Vec<f64>>]) -> Combined {
    let row = |p: &Place| mask.space().row(p.cell, p.edge).unwrap_or(0);
    let rows: Vec<usize> = places.iter().map(row).collect();
    let drawn = || relative.iter().map(Vec::len);
    let (common, most) = (drawn().min().unwrap_or(0), drawn().max().unwrap_or(0));
    if common == most {
        return aggregate::combine(settings.aggregate, &rows, relative);
    }
    let first: Vec<Vec<Vec<f64>>> = relative.iter().map(|d| d[..common].to_vec()).collect();
    let mut combined = aggregate::combine(settings.aggregate, &rows, &first);
    if settings.aggregate == Aggregate::Ranks {
        // Ranks need all operations: later draws have none.
        return combined;
    }
    let levels: Vec<f64> = combined.samples.iter().map(|s| mean(s)).collect();
    for own in edges(places).values().filter(|own| own.iter().all(|i| levels[*i].is_finite())) {
        for draw in common..most {
            let here: Vec<usize> = own.iter().copied().filter(|i| relative[*i].len() > draw).collect();
            let value = |i: usize, f: usize| relative[i][draw].get(f).copied().unwrap_or(f64::NAN);
            let votes = |f: usize| combined.votes[own[0]][f].is_finite();
            let (told, missing): (Vec<usize>, Vec<usize>) = (0..combined.standings.len())
                .filter(|f| votes(*f))
                .partition(|f| here.iter().all(|i| value(*i, *f).is_finite()));
            if here.is_empty() || told.is_empty() {
                continue;
            }
            let sum = |i: usize| {
                let scaled = told.iter().map(|f| value(i, *f) / combined.standings[*f].divisor).sum::<f64>();
                // A function that is undefined here counts as its mean, as in any other draw.
                scaled + missing.iter().map(|f| combined.votes[i][*f]).sum::<f64>()
            };
            let sums: Vec<f64> = here.iter().map(|i| sum(*i)).collect();
            let level = here.iter().map(|i| levels[*i]).sum::<f64>() / here.len() as f64 - mean(&sums);
            for (i, sum) in here.into_iter().zip(sums) {
                combined.samples[i].push(sum + level);
            }
        }
    }
    combined
}

impl Settings {
    /// Whether later draws are about what is open only. Ranks need all, and so does a regression: cells that differ only in what is
    /// open tell those apart less surely (docs/scores.md).
    fn narrows(&self) -> bool {
        let apart = self.estimator.in_rounds() || self.estimator == Estimator::Discretise && self.boundaries_only();
        self.aggregate != Aggregate::Ranks && apart
    }

    /// Whether the cut's own boundary is all that is to be decided.
    fn boundaries_only(&self) -> bool {
        self.draws == Draws::Auto && self.asked.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;
    use crate::space::{Counts, darts};

    fn settings() -> Settings {
        let config =
            crate::run::config::Config::default().assign(&["score.draws=auto", "score.estimator=discretise"]).unwrap();
        Settings { asked: Some(Counts::uniform(darts::SPACE, 1)), ..Settings::of(&config, &darts::NO_NONE) }
    }

    fn alike(p: &Place) -> bool {
        [3, 4].contains(&(p.operation as u8))
    }

    /// Two operations on every edge, of which the first is lower by `apart`; `together` is what they have in common in each draw, from
    /// -1 (the one is what the other lacks) to 1.
    fn decided(apart: f64, together: f64) -> (usize, usize) {
        let mut mask = darts::NO_NONE;
        for p in darts::NO_NONE.places() {
            mask.set(p, matches!(p.operation.name(), "dil_conv_3x3" | "dil_conv_5x5"));
        }
        let places: Vec<Place> = mask.places().collect();
        let (mut told, mut all) = (0, 0);
        for trial in 0..40 {
            let mut rng = random::stream(trial, "race");
            let mut relative: Vec<Vec<Vec<f64>>> = vec![Vec::new(); places.len()];
            for _ in 0..MOST {
                for i in (0..places.len()).step_by(2) {
                    let (x, y) = (random::normal(&mut rng), random::normal(&mut rng));
                    relative[i].push(vec![x - apart]);
                    relative[i + 1].push(vec![together * x + (1.0 - together * together).sqrt() * y]);
                }
            }
            let judged = judge(&mask, &settings(), &places, &relative, &[false], true);
            told += judged.boundaries - judged.open;
            all += judged.boundaries;
        }
        (told, all)
    }

    #[test]
    fn all_looks_together_err_as_rarely_as_one() {
        for together in [-1.0, 0.0, 0.7] {
            let (told, all) = decided(0.0, together);
            assert_eq!(all, 40 * 28);
            // Either may be called the lower one: twice one of twenty, and three standard deviations of that.
            let most = 0.1 * all as f64 + 3.0 * (all as f64 * 0.1 * 0.9).sqrt();
            assert!((told as f64) < most, "{together}: {told} of {all}");
            assert!(told > 0, "a test that never errs tells nothing");
        }
        let (told, all) = decided(1.0, 0.0);
        assert!(told * 20 > all * 19, "{told} of {all}");
    }

    #[test]
    fn what_is_decided_takes_no_part() {
        let places: Vec<Place> = darts::NO_NONE.places().collect();
        let settings = Settings { asked: Some(Counts::uniform(darts::SPACE, 4)), ..settings() };
        let mut rng = random::stream(1, "race");
        // Worth their number; two of each edge around the boundary are alike.
        let worth = |p: &Place| if alike(p) { 3.5 } else { f64::from(p.operation as u8) };
        let draw = |rng: &mut random::ChaCha8Rng, p: &Place| vec![worth(p) + 0.2 * random::normal(rng)];
        let relative: Vec<Vec<Vec<f64>>> =
            places.iter().map(|p| (0..LOOKS[0]).map(|_| draw(&mut rng, p)).collect()).collect();
        let judged = judge(&darts::NO_NONE, &settings, &places, &relative, &[false], false);
        assert!(judged.open > 20 && judged.open < 29, "{}", judged.open);
        assert!(judged.entrants.iter().all(|i| alike(&places[*i])));
        assert_eq!(judged.entrants.len(), 2 * judged.open);
        for (i, p) in places.iter().enumerate().filter(|(_, p)| !alike(p)) {
            let fate = if (p.operation as u8) < 3 { Fate::Goes } else { Fate::Stays };
            assert_eq!(judged.fates[i], fate, "{p}");
        }
    }
}
