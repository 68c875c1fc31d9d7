"""Writes the reference numbers of the statistics of studies: what scipy, statsmodels and pingouin make of fixed values with ties
and zeros. With scipy 1.17, statsmodels 0.15, pingouin 0.7:
`python tests/statistics_reference.py > src/study/statistics/reference.rs && cargo fmt`"""
import math

import numpy as np
import pingouin
from scipy import stats
from scipy.special import gammaln
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

LEVEL, ALPHA = 0.95, 0.05
random = np.random.default_rng(7)


def differences(n, digits, shift):
    return np.round(random.normal(shift, 1.0, n), digits) + 0.0


def signed_rank(d, alternative="two-sided"):
    """Exact up to 50 differences that are not zero, by all signs where there are ties; zeros dropped."""
    d = d[d != 0]
    if len(d) > 50:
        return stats.wilcoxon(d, method="asymptotic", correction=True, alternative=alternative).pvalue
    if len(set(abs(d))) == len(d):
        return stats.wilcoxon(d, method="exact", alternative=alternative).pvalue
    every = stats.PermutationMethod(n_resamples=np.inf)
    return stats.wilcoxon(d, method=every, alternative=alternative).pvalue


def flips(d):
    return stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True, axis=0).pvalue


def hodges_lehmann(d, level):
    """The shifts that the exact signed-rank test does not reject, tried between every two neighbouring Walsh averages."""
    walsh = np.sort([(a + b) / 2 for i, a in enumerate(d) for b in d[i:]])
    gaps = np.concatenate([[walsh[0] - 1], (walsh[1:] + walsh[:-1]) / 2, [walsh[-1] + 1]])
    p = [stats.wilcoxon(d - shift, method="exact").pvalue for shift in gaps]
    inside = [i for i, p in enumerate(p) if p > 1 - level + 1e-12]
    return np.median(walsh), walsh[inside[0] - 1], walsh[inside[-1]], 1 - p[inside[0] - 1]


def correction(freedom):
    return math.exp(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) / math.sqrt(freedom / 2)


def effect(values, baseline):
    d = values - baseline
    of_n = correction(len(d) - 1)
    av = pingouin.compute_effsize(values, baseline, paired=True, eftype="cohen")
    biserial = pingouin.wilcoxon(values, baseline)["RBC"].iloc[0]
    return values, baseline, av * of_n, d.mean() / d.std(ddof=1) * of_n, biserial


def equivalence(d, margin):
    whole = DescrStatsW(d)
    _, (_, lower, _), (_, upper, _) = whole.ttost_mean(-margin, margin)
    ranks = signed_rank(d + margin, "greater"), signed_rank(d - margin, "less")
    return d, margin, lower, upper, *ranks, tuple(whole.tconfint_mean(2 * ALPHA))


def overlap(a, b):
    equal = expected = both = 0
    chances = np.ones(1)
    for x, y in zip(a, b):
        m, kept = len(x), (x.count("1"), y.count("1"))
        equal += sum(i == j for i, j in zip(x, y))
        both += sum(i == j == "1" for i, j in zip(x, y))
        in_common = stats.hypergeom(m, *kept)
        expected += m - sum(kept) + 2 * in_common.mean()
        chances = np.convolve(chances, in_common.pmf(range(m + 1)))
    decisions = sum(map(len, a))
    return a, b, equal / decisions, expected / decisions, chances[both:].sum()


def stability(rankings):
    m, n = rankings.shape
    taus = [stats.kendalltau(rankings[i], rankings[k]).statistic for i in range(m) for k in range(i + 1, m)]
    return list(rankings), np.mean(taus), stats.friedmanchisquare(*rankings.T).statistic / (m * (n - 1))


def cut(edges, candidates):
    kept = random.random((edges, candidates)) < 0.5
    return ["".join("01"[int(k)] for k in edge) for edge in kept]


def rust(value):
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "(" + ", ".join(map(rust, value)) + ")"
    if isinstance(value, (list, np.ndarray)):
        return "&[" + ", ".join(map(rust, value)) + "]"
    return repr(int(value)) if isinstance(value, (int, np.integer)) else repr(float(value))


def table(name, kind, rows):
    print(f"\npub const {name}: &[{kind}] = {rust(list(rows))};")


print("//! Written by `tests/statistics_reference.py` from scipy, statsmodels and pingouin.")
print("\n// Numbers as they are printed there.")
print("#![allow(clippy::excessive_precision, clippy::approx_constant, clippy::type_complexity)]")
LIST, TEXTS = "&[f64]", "&[&str]"
table("NORMAL", "(f64, f64)", [(z, stats.norm.sf(z)) for z in [-3.0, -0.5, 0.01, 0.7, 1.96, 2.49, 2.51, 4.0, 9.0, 30.0]])
table("STUDENT", "(f64, usize, f64)",
      [(t, v, 2 * stats.t.sf(t, v)) for v in [1, 2, 4, 9, 199] for t in [0.1, 1.0, 8.0, 60.0]])
table("STUDENT_QUANTILE", "(f64, usize, f64)",
      [(p, v, stats.t.isf(p / 2, v)) for v in [1, 2, 4, 9, 199] for p in [0.9, 0.1, 0.05, 1e-6]])
samples = [differences(n, digits, shift)
           for n, digits, shift in [(2, 2, 0.5), (3, 1, 0.5), (5, 2, 1.0), (6, 0, 0.8), (8, 1, -0.7), (9, 0, 0.3), (12, 1, 0.4),
                                    (15, 0, 0.5)]]
table("INTERVAL", f"({LIST}, f64, f64)", [(d, *DescrStatsW(d).tconfint_mean(1 - LEVEL)) for d in samples])
large = [differences(30, 12, 0.3), differences(60, 1, 0.2)]
table("SIGNED_RANK", f"({LIST}, f64)", [(d, signed_rank(d)) for d in samples + large])
table("PERMUTATION", f"({LIST}, f64)", [(d, flips(d)) for d in samples])
untied = [differences(n, 6, 0.5) for n in [6, 7, 10, 14]]
table("HODGES_LEHMANN", f"({LIST}, f64, f64, f64, f64, f64)",
      [(d, level, *hodges_lehmann(d, level)) for d in untied for level in [0.9, 0.95]])
table("EQUIVALENCE", f"({LIST}, f64, f64, f64, f64, f64, (f64, f64))",
      [equivalence(d, margin) for d in samples[1::2] for margin in [0.35, 1.45]])
table("EFFECT", f"({LIST}, {LIST}, f64, f64, f64)",
      [effect(differences(n, 1, 0.4), differences(n, 1, 0.0)) for n in [3, 5, 10]])
table("HOLM", f"({LIST}, {LIST})",
      [(p, multipletests(p, method="holm")[1])
       for p in [np.array([0.03]), np.array([0.01, 0.04, 0.03, 0.005]), np.array([0.6, 0.02, 0.02, 1.0, 0.0])]])
table("OVERLAP", f"({TEXTS}, {TEXTS}, f64, f64, f64)", [overlap(cut(e, c), cut(e, c)) for e, c in [(1, 8), (6, 5), (14, 7)]])
table("STABILITY", f"(&[{LIST}], f64, f64)",
      [stability(np.round(random.normal(np.arange(n) / 4, 1.0, (m, n)), digits))
       for m, n, digits in [(2, 6, 0), (3, 7, 1), (4, 10, 0)]])
