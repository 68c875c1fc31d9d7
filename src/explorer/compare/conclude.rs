//! What follows from runs side by side, in sentences with their uncertainty. A difference that chance may have made is not told
//! as one.

use super::agreement::{self, Cuts};
use super::statistics::{apart, welch};
use super::{Arm, Side};
use crate::run::event::ALPHA;
use crate::statistics::{Spread, interval_of_mean};
use crate::text;

/// How sure a sentence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It holds beyond noise.
    Clear,
    /// Nothing is shown, or what is shown is within noise.
    Noise,
    /// More runs are needed before anything can be said.
    Lacking,
}

/// A sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub tone: Tone,
    pub words: String,
}

fn say(tone: Tone, words: String) -> Said {
    Said { tone, words }
}

/// Arms that are compared with the first one at most: beyond, the table has them all.
const ARMS: usize = 5;
/// Of one interval, and of several taken together.
const CONFIDENCE: f64 = 0.95;

/// What follows from each arm beside the first.
pub fn said(sides: &[Side], arms: &[Arm]) -> Vec<Said> {
    let [first, others @ ..] = arms else { return Vec::new() };
    let mut said = Vec::new();
    if others.is_empty() && first.runs.len() > 1 {
        said.extend(alone(sides, first));
    }
    let compared = others.len().min(ARMS);
    for other in &others[..compared] {
        said.push(accuracy(sides, first, other, compared));
    }
    for other in &others[..compared] {
        said.extend(cuts(sides, first, other));
    }
    for other in &others[..compared] {
        said.extend(orders(sides, first, other));
    }
    if others.len() > compared {
        let rest = others.len() - compared;
        said.push(say(
            Tone::Lacking,
            format!("{} is compared with the next {compared}; {rest} more are in the table only.", first.label),
        ));
    }
    said
}

/// Best accuracies of an arm's runs that are done, with their seeds.
fn accuracies(sides: &[Side], arm: &Arm) -> Vec<(u64, f64)> {
    let done = arm.runs.iter().filter_map(|i| sides.get(*i)).filter(|s| s.is_done());
    done.filter_map(|s| Some((s.config.as_ref().map_or(0, |c| c.seed), s.state.epochs.best_accuracy()?))).collect()
}

fn trains(sides: &[Side], arm: &Arm) -> bool {
    arm.runs.first().and_then(|i| sides.get(*i)).is_some_and(|s| s.state.trains())
}

/// `+1.2`, `−0.4`: in points of per cent.
fn points(v: f64) -> String {
    format!("{}{:.1}", if v < 0.0 { '−' } else { '+' }, (100.0 * v).abs())
}

fn accuracy(sides: &[Side], a: &Arm, b: &Arm, compared: usize) -> Said {
    let pictures = if trains(sides, a) { "test" } else { "validation" };
    if trains(sides, a) != trains(sides, b) {
        let words = format!(
            "{} and {}: a supernet's accuracy on validation pictures and a training's on test pictures do not compare.",
            a.label, b.label
        );
        return say(Tone::Lacking, words);
    }
    let (x, y) = (accuracies(sides, a), accuracies(sides, b));
    if x.len() < 2 || y.len() < 2 {
        let of = |arm: &Arm, values: &[(u64, f64)]| match values {
            [] => format!("{} has no run that is done", arm.label),
            [(_, v)] => format!("{} {:.1} %", arm.label, 100.0 * v),
            all => {
                let mean = all.iter().map(|v| v.1).sum::<f64>() / all.len() as f64;
                format!("{} {:.1} % of {} runs", arm.label, 100.0 * mean, all.len())
            }
        };
        let words = format!(
            "Accuracy ({pictures}): {}, {}. One run tells nothing of its settings, since nobody knows what another seed gives: two \
             runs or more of each that are done would.",
            of(a, &x),
            of(b, &y)
        );
        return say(Tone::Lacking, words);
    }
    let found = difference(&x, &y, 1.0 - (1.0 - CONFIDENCE) / compared.max(1) as f64);
    let mean = points(found.mean);
    let Some((low, high)) = found.interval else {
        let words = format!(
            "Accuracy ({pictures}): {} less {} is {mean} points; without any spread there is no interval ({}).",
            b.label, a.label, found.how
        );
        return say(Tone::Lacking, words);
    };
    let together = if compared > 1 { format!(", for all {compared} comparisons together") } else { String::new() };
    let interval = format!("95 % interval {} to {} points{together}; {}", points(low), points(high), found.how);
    if low <= 0.0 && high >= 0.0 {
        let words = format!(
            "Accuracy ({pictures}): no difference is shown between {} and {}: {mean} points, {interval}.",
            a.label, b.label
        );
        return say(Tone::Noise, words);
    }
    let word = if found.mean > 0.0 { "above" } else { "below" };
    let words = format!(
        "Accuracy ({pictures}): {} is {:.1} points {word} {}; {interval}.",
        b.label,
        100.0 * found.mean.abs(),
        a.label
    );
    say(Tone::Clear, words)
}

/// The second less the first.
struct Difference {
    mean: f64,
    /// None where nothing has any spread.
    interval: Option<(f64, f64)>,
    /// What it was made of.
    how: String,
}

/// Of accuracies with their seeds: paired where each seed is there once and two or more are there in both.
fn difference(x: &[(u64, f64)], y: &[(u64, f64)], level: f64) -> Difference {
    let once = |v: &[(u64, f64)]| v.iter().all(|(s, _)| v.iter().filter(|(o, _)| o == s).count() == 1);
    let values = |v: &[(u64, f64)]| v.iter().map(|p| p.1).collect::<Vec<f64>>();
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    if once(x) && once(y) {
        let same = |(seed, a): &(u64, f64)| y.iter().find(|(s, _)| s == seed).map(|(_, b)| b - a);
        let pairs: Vec<f64> = x.iter().filter_map(same).collect();
        // Where pairing would throw most runs away, it is not worth it.
        if pairs.len() >= 2 && 2 * pairs.len() >= x.len().max(y.len()) {
            let how = format!("{} pairs of the same seed", pairs.len());
            return Difference { mean: mean(&pairs), interval: interval_of_mean(&pairs, level), how };
        }
    }
    let (a, b) = (values(x), values(y));
    let how = format!("{} and {} runs", a.len(), b.len());
    Difference { mean: mean(&b) - mean(&a), interval: welch(&a, &b, level).map(|w| w.1), how }
}

/// Distances between all runs of two arms, those of the first before the others; none where one of them has no value. Runs of
/// the same seed are alike for that alone, so theirs is NaN.
fn distances(sides: &[Side], a: &Arm, b: &Arm, of: impl Fn(&Side, &Side) -> Option<f64>) -> Option<Vec<Vec<f64>>> {
    let all: Vec<&Side> = a.runs.iter().chain(&b.runs).filter_map(|i| sides.get(*i)).collect();
    let mut table = vec![vec![0.0; all.len()]; all.len()];
    for i in 0..all.len() {
        for j in i + 1..all.len() {
            let seed = |side: &Side| side.config.as_ref().map(|c| c.seed);
            let same = seed(all[i]).is_some() && seed(all[i]) == seed(all[j]);
            table[i][j] = if same { f64::NAN } else { of(all[i], all[j])? };
            table[j][i] = table[i][j];
        }
    }
    Some(table)
}

/// Means of the distances within the first arm, within the second, and between them.
fn means(table: &[Vec<f64>], first: usize) -> [Option<f64>; 3] {
    let mut sums = [(0.0, 0usize); 3];
    for i in 0..table.len() {
        for j in (i + 1..table.len()).filter(|j| !table[i][*j].is_nan()) {
            let of = match (i < first, j < first) {
                (true, true) => 0,
                (false, false) => 1,
                _ => 2,
            };
            sums[of] = (sums[of].0 + table[i][j], sums[of].1 + 1);
        }
    }
    sums.map(|(sum, n)| (n > 0).then(|| sum / n as f64))
}

/// The least p that so many runs can have: one way of all, or two where both arms have as many and are dealt the other way round.
fn least_p(a: usize, b: usize) -> f64 {
    let ways = (0..a).fold(1.0, |c, i| c * (a + b - i) as f64 / (i + 1) as f64);
    if a == b { 2.0 / ways } else { 1.0 / ways }
}

fn p_words(p: f64) -> String {
    if p < 0.001 { "p < 0.001".into() } else { format!("p = {}", text::significant(p, 2)) }
}

/// Whether runs of two arms are further apart than those of one.
fn further(table: &[Vec<f64>], a: &Arm, b: &Arm, what: &str, unit: &dyn Fn(f64) -> String) -> Option<Said> {
    let (_, p) = apart(table, a.runs.len())?;
    let [Some(own), Some(other), Some(between)] = means(table, a.runs.len()) else { return None };
    let numbers = format!(
        "{} between {} and {}, {} and {} among the runs of each",
        unit(between),
        a.label,
        b.label,
        unit(own),
        unit(other)
    );
    let least = least_p(a.runs.len(), b.runs.len());
    let (tone, words) = if p <= ALPHA {
        (Tone::Clear, format!("the settings change {what} beyond what seeds do ({}, by permutation)", p_words(p)))
    } else if least > ALPHA {
        let least = text::significant(least, 2);
        (Tone::Lacking, format!("too few runs to tell whether the settings change {what} (p can't be below {least})"))
    } else {
        (Tone::Noise, format!("the settings change {what} no more than seeds do ({}, by permutation)", p_words(p)))
    };
    Some(say(tone, format!("{numbers}: {words}.")))
}

fn cuts(sides: &[Side], a: &Arm, b: &Arm) -> Option<Said> {
    if a.runs.len() > 1 && b.runs.len() > 1 {
        let table = distances(sides, a, b, |x, y| Some(agreement::cuts(&x.state, &y.state)?.differ as f64))?;
        let said = further(&table, a, b, "the cut", &|v| format!("{v:.0}"))?;
        return Some(Said { words: format!("Cuts, decisions that differ: {}", said.words), ..said });
    }
    let (x, y) = (sides.get(*a.runs.first()?)?, sides.get(*b.runs.first()?)?);
    let found = agreement::cuts(&x.state, &y.state)?;
    let several = a.runs.len() + b.runs.len() > 2;
    let of = if several { " (of the first run of each)" } else { "" };
    Some(of_cuts(&found, &format!("{} and {}{of}", a.label, b.label)))
}

fn of_cuts(found: &Cuts, names: &str) -> Said {
    let (differ, of, p) = (found.differ, found.overlap.decisions, found.overlap.p);
    let Some(kappa) = found.overlap.kappa else {
        return say(Tone::Lacking, format!("Cuts of {names}: sizes leave nothing that could differ."));
    };
    let numbers = format!(
        "Cuts of {names}: {differ} of {of} decisions differ; chance gives {:.0} for cuts of these sizes (κ {}, {})",
        found.chance(),
        text::significant(kappa, 2),
        p_words(p)
    );
    if p <= ALPHA {
        say(Tone::Clear, format!("{numbers}: they agree beyond chance."))
    } else {
        say(Tone::Noise, format!("{numbers}: they agree no more than chance does."))
    }
}

fn orders(sides: &[Side], a: &Arm, b: &Arm) -> Option<Said> {
    if a.runs.len() > 1 && b.runs.len() > 1 {
        let table = distances(sides, a, b, |x, y| Some(1.0 - agreement::orders(&x.state, &y.state)?.tau))?;
        let said = further(&table, a, b, "the order", &|v| text::significant(1.0 - v, 2))?;
        return Some(Said { words: format!("Scores, Kendall's τ within edges: {}", said.words), ..said });
    }
    let (x, y) = (sides.get(*a.runs.first()?)?, sides.get(*b.runs.first()?)?);
    let found = agreement::orders(&x.state, &y.state)?;
    let tau = text::significant(found.tau, 2);
    let start = format!("Scores of {} and {}: Kendall's τ within edges {tau}", a.label, b.label);
    Some(match found.half {
        None => {
            say(Tone::Lacking, format!("{start}; {} are too few for an interval.", text::counted(found.edges, "edge")))
        }
        Some(half) => {
            let ends = (found.tau - half, (found.tau + half).min(1.0));
            let (low, high) = (text::significant(ends.0, 2), text::significant(ends.1, 2));
            let interval = format!("95 % interval {low} to {high} over {} edges", found.edges);
            if ends.0 > 0.0 {
                say(Tone::Clear, format!("{start}, {interval}: they order operations alike beyond chance."))
            } else if ends.1 < 0.0 {
                say(Tone::Clear, format!("{start}, {interval}: they order operations the other way round."))
            } else {
                say(Tone::Noise, format!("{start}, {interval}: no more alike than chance."))
            }
        }
    })
}

/// Of one arm alone: how far its seeds are apart.
fn alone(sides: &[Side], arm: &Arm) -> Vec<Said> {
    let values: Vec<f64> = accuracies(sides, arm).into_iter().map(|v| v.1).collect();
    let mut said = Vec::new();
    if let (Spread { n, mean: Some(mean), deviation: Some(deviation), .. }, Some((low, high))) =
        (Spread::of(&values), interval_of_mean(&values, CONFIDENCE))
    {
        let words = format!(
            "Accuracy of {n} seeds: {:.1} ± {:.1} % (deviation); the mean's 95 % interval is {:.1} to {:.1} %.",
            100.0 * mean,
            100.0 * deviation,
            100.0 * low,
            100.0 * high
        );
        said.push(say(Tone::Clear, words));
    }
    let none = Arm { label: String::new(), runs: Vec::new() };
    let mean = |of: &dyn Fn(&Side, &Side) -> Option<f64>| means(&distances(sides, arm, &none, of)?, arm.runs.len())[0];
    if let Some(differ) = mean(&|x, y| Some(agreement::cuts(&x.state, &y.state)?.differ as f64)) {
        let chance = mean(&|x, y| Some(agreement::cuts(&x.state, &y.state)?.chance())).unwrap_or_default();
        let words = format!("Cuts: {differ:.0} decisions differ between two seeds on average, {chance:.0} by chance.");
        said.push(say(Tone::Clear, words));
    }
    if let Some(tau) = mean(&|x, y| Some(agreement::orders(&x.state, &y.state)?.tau)) {
        let words =
            format!("Scores: Kendall's τ within edges is {} between two seeds on average.", text::significant(tau, 2));
        said.push(say(Tone::Clear, words));
    }
    said
}

#[cfg(test)]
mod tests;
