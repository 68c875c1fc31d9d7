//! How much cuts agree, against what chance gives.

/// How far two cuts of the same candidates agree.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Overlap {
    /// Candidates over all edges: each is kept or cut.
    pub decisions: usize,
    /// The share of decisions that are the same in both, 0 to 1.
    pub equal: f64,
    /// The share that is expected if each cut kept as many candidates of each edge as it does, drawn evenly.
    pub chance: f64,
    /// (equal - chance)/(1 - chance): 0 for chance, 1 for the same cut, below 0 for less than chance. `None` where chance is 1, as
    /// with edges that are kept whole.
    pub kappa: Option<f64>,
    /// The probability that such draws agree at least as much, exact.
    pub p: f64,
}

/// The overlap of two cuts, each given as what it keeps of the candidates of each edge. On an edge of m candidates of which the
/// cuts keep a and b, the candidates that both keep are hypergeometric with the mean a·b/m, and the decisions that agree are
/// expected to be (a·b + (m - a)·(m - b))/m; edges are independent. κ is Cohen's (1960) with this chance, which knows the edges.
/// `None` without a candidate, or where edges or candidates aren't the same in number.
pub fn overlap(a: &[Vec<bool>], b: &[Vec<bool>]) -> Option<Overlap> {
    let same_shape = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.len() == b.len());
    let decisions: usize = a.iter().map(Vec::len).sum();
    if !same_shape || decisions == 0 {
        return None;
    }
    let (mut equal, mut expected, mut certain) = (0, 0.0, true);
    let (mut both, mut fewest, mut ways) = (0, 0, vec![1.0]);
    for (a, b) in a.iter().zip(b).filter(|(a, _)| !a.is_empty()) {
        let m = a.len();
        let (kept_a, kept_b) = (a.iter().filter(|k| **k).count(), b.iter().filter(|k| **k).count());
        equal += a.iter().zip(b).filter(|(a, b)| a == b).count();
        expected += (kept_a * kept_b + (m - kept_a) * (m - kept_b)) as f64 / m as f64;
        certain &= (kept_a == 0 && kept_b == 0) || (kept_a == m && kept_b == m);
        both += a.iter().zip(b).filter(|(a, b)| **a && **b).count();
        let (least, chances) = hypergeometric(m, kept_a, kept_b);
        fewest += least;
        ways = convolved(&ways, &chances);
    }
    let (equal, chance) = (equal as f64 / decisions as f64, expected / decisions as f64);
    // As the numbers kept are given, more agreement is more that both keep.
    let p = if both == fewest { 1.0 } else { ways[both - fewest..].iter().sum::<f64>().min(1.0) };
    let kappa = (!certain).then(|| (equal - chance) / (1.0 - chance));
    Some(Overlap { decisions, equal, chance, kappa, p })
}

/// Means over pairs of cuts. Pairs share cuts and are not independent: no test follows from them.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct MeanOverlap {
    /// Pairs of cuts.
    pub pairs: usize,
    pub equal: f64,
    pub chance: f64,
    /// The mean over the pairs that have one.
    pub kappa: Option<f64>,
    /// How many pairs have a κ.
    pub with_kappa: usize,
}

/// The mean overlap of all pairs of several cuts, as of those from several seeds. `None` for fewer than two, or where one pair
/// has none.
pub fn mean_overlap(cuts: &[&[Vec<bool>]]) -> Option<MeanOverlap> {
    let mut all = Vec::new();
    for (i, a) in cuts.iter().enumerate() {
        for b in &cuts[i + 1..] {
            all.push(overlap(a, b)?);
        }
    }
    let kappas: Vec<f64> = all.iter().filter_map(|o| o.kappa).collect();
    let mean = |values: &mut dyn Iterator<Item = f64>, n: usize| (n > 0).then(|| values.sum::<f64>() / n as f64);
    Some(MeanOverlap {
        pairs: all.len(),
        equal: mean(&mut all.iter().map(|o| o.equal), all.len())?,
        chance: mean(&mut all.iter().map(|o| o.chance), all.len())?,
        kappa: mean(&mut kappas.iter().copied(), kappas.len()),
        with_kappa: kappas.len(),
    })
}

/// The least number that two draws of a and b out of m have in common, and the probabilities of it and each one above.
fn hypergeometric(m: usize, a: usize, b: usize) -> (usize, Vec<f64>) {
    let (least, most) = ((a + b).saturating_sub(m), a.min(b));
    let mut chances = vec![1.0f64];
    for x in least..most {
        let next = chances[x - least] * ((a - x) * (b - x)) as f64 / ((x + 1) * (m + x + 1 - a - b)) as f64;
        chances.push(next);
        if next > 1e250 {
            chances.iter_mut().for_each(|c| *c *= 1e-250);
        }
    }
    let sum: f64 = chances.iter().sum();
    chances.iter_mut().for_each(|c| *c /= sum);
    (least, chances)
}

/// The probabilities of sums.
fn convolved(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; a.len() + b.len() - 1];
    for (i, p) in a.iter().enumerate() {
        b.iter().enumerate().for_each(|(k, q)| sums[i + k] += p * q);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    fn cut(edges: &[&str]) -> Vec<Vec<bool>> {
        edges.iter().map(|edge| edge.chars().map(|c| c == '1').collect()).collect()
    }

    #[test]
    fn matches_scipy() {
        for (a, b, equal, chance, p) in reference::OVERLAP {
            let got = overlap(&cut(a), &cut(b)).unwrap();
            assert!((got.equal - equal).abs() < 1e-14 && (got.chance - chance).abs() < 1e-14, "{a:?} {b:?} {got:?}");
            assert!((got.p / p - 1.0).abs() < 1e-11, "{a:?} {b:?} {got:?}");
        }
    }

    #[test]
    fn by_hand() {
        // Two of four, the same: chance keeps one of them, and is the same once in six draws.
        let same = overlap(&cut(&["1100"]), &cut(&["1100"])).unwrap();
        assert_eq!((same.equal, same.chance, same.kappa), (1.0, 0.5, Some(1.0)));
        assert!((same.p - 1.0 / 6.0).abs() < 1e-15);
        let opposite = overlap(&cut(&["1100", "10"]), &cut(&["0011", "01"])).unwrap();
        assert_eq!((opposite.equal, opposite.kappa, opposite.p), (0.0, Some(-1.0), 1.0));
        // Kept whole by both, or by neither: nothing to agree about. By one only: nothing but to disagree.
        let whole = overlap(&cut(&["11", "000"]), &cut(&["11", "000"])).unwrap();
        assert_eq!((whole.equal, whole.chance, whole.kappa, whole.p), (1.0, 1.0, None, 1.0));
        let one = overlap(&cut(&["11"]), &cut(&["00"])).unwrap();
        assert_eq!((one.equal, one.chance, one.kappa, one.p), (0.0, 0.0, Some(0.0), 1.0));
        assert_eq!((overlap(&[], &[]), overlap(&cut(&["10"]), &cut(&["100"]))), (None, None));
        assert_eq!((overlap(&cut(&["10"]), &cut(&["10", "1"])), overlap(&cut(&[""]), &cut(&[""]))), (None, None));
    }

    #[test]
    fn means_over_pairs() {
        let (a, b, whole) = (cut(&["1100"]), cut(&["0011"]), cut(&["1111"]));
        let mean = mean_overlap(&[&a, &a, &b]).unwrap();
        assert_eq!((mean.pairs, mean.chance, mean.with_kappa), (3, 0.5, 3));
        assert!((mean.equal - 1.0 / 3.0).abs() < 1e-15 && (mean.kappa.unwrap() + 1.0 / 3.0).abs() < 1e-15);
        let mean = mean_overlap(&[&whole, &whole]).unwrap();
        assert_eq!((mean.kappa, mean.with_kappa, mean.equal), (None, 0, 1.0));
        assert_eq!((mean_overlap(&[]), mean_overlap(&[&a]), mean_overlap(&[&a, &cut(&["1"])])), (None, None, None));
    }

    #[test]
    fn many_candidates_do_not_overflow() {
        let (least, chances) = hypergeometric(4000, 2000, 2000);
        let mean: f64 = chances.iter().enumerate().map(|(x, p)| (least + x) as f64 * p).sum();
        assert!((mean - 1000.0).abs() < 1e-8);
    }
}
