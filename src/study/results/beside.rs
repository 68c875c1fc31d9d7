//! Settings beside the baseline, seed by seed.

use serde::Serialize;

use super::super::design::Design;
use super::{Measure, One};
use crate::statistics::{
    Equivalence, Paired, Tested, Verdict, equivalence, g_av, hodges_lehmann, holm, interval_of_mean, least_p, pairs,
    permutation, signed_rank,
};
use crate::text;

/// Level of the intervals that are shown.
pub const LEVEL: f64 = 0.95;

/// What a comparison comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Within the margin, shown.
    Same,
    /// A difference is shown; it may be small.
    Better,
    Worse,
    /// Neither is shown.
    Undecided,
    /// So few seeds can show no difference, and sameness is not shown.
    TooFew,
}

/// A setting beside the baseline. Differences are its accuracy less the baseline's, in percentage points.
#[derive(Clone, Debug, Serialize)]
pub struct Beside {
    pub setting: String,
    /// Seeds that both have.
    pub pairs: usize,
    /// Seeds that only one of them has, or whose value is not finite.
    pub unpaired: usize,
    pub mean: Option<f64>,
    /// Of the mean, at 95 %, by Student's t.
    pub interval: Option<(f64, f64)>,
    /// The median of means of two (Hodges and Lehmann 1963).
    pub shift: Option<f64>,
    /// Signs flipped: exact up to 30 seeds.
    pub permutation: Option<Tested>,
    pub signed_rank: Option<Tested>,
    /// The permutation test's, after Holm (1979) over all settings.
    pub p_holm: Option<f64>,
    pub equivalence: Option<Equivalence>,
    /// That of the equivalence test, after Holm.
    pub p_same_holm: Option<f64>,
    /// Hedges' g_av.
    pub effect: Option<f64>,
    /// Peak bytes of its search over those of the baseline's, in the mean over the seeds that both have.
    pub memory: Option<f64>,
    pub conclusion: Conclusion,
}

/// All settings but the baseline, in the order of the design.
pub fn all(design: &Design, each: &[One], measure: Measure) -> Vec<Beside> {
    let rows = |of: &dyn Fn(&One) -> Option<f64>| -> Vec<(usize, u64, f64)> {
        each.iter().filter_map(|one| Some((one.setting, one.seed, of(one)?))).collect()
    };
    let accuracies = rows(&|one| measure.of(one));
    let bytes = rows(&|one| one.bytes.map(|b| b as f64));
    let alpha = design.compare.alpha;
    let mut all: Vec<Beside> = (0..design.settings.len())
        .filter(|s| *s != design.baseline)
        .map(|s| {
            let found = pairs(&accuracies, &s, &design.baseline);
            let memory = pairs(&bytes, &s, &design.baseline);
            one(&design.settings[s].name, &found, &memory, design)
        })
        .collect();
    let comparisons = all.len();
    let adjusted = holm(&all.iter().map(|b| b.permutation.map(|t| t.p)).collect::<Vec<_>>());
    let same = holm(&all.iter().map(|b| b.equivalence.map(|e| e.sides.p)).collect::<Vec<_>>());
    for (b, (p, p_same)) in all.iter_mut().zip(adjusted.into_iter().zip(same)) {
        (b.p_holm, b.p_same_holm) = (p, p_same);
        b.conclusion = concluded(b, alpha, comparisons);
    }
    all
}

fn one(name: &str, found: &Paired, memory: &Paired, design: &Design) -> Beside {
    let d = &found.differences;
    let ratios: Vec<f64> = memory.values.iter().zip(&memory.baseline).map(|(a, b)| a / b).collect();
    let unpaired = found.missing.len() + found.missing_baseline.len() + found.not_finite.len() + found.ambiguous.len();
    Beside {
        setting: name.into(),
        pairs: d.len(),
        unpaired,
        mean: (!d.is_empty()).then(|| d.iter().sum::<f64>() / d.len() as f64),
        interval: interval_of_mean(d, LEVEL),
        shift: hodges_lehmann(d, LEVEL).map(|s| s.estimate),
        permutation: permutation(d),
        signed_rank: signed_rank(d),
        p_holm: None,
        equivalence: equivalence(d, design.compare.margin, design.compare.alpha),
        p_same_holm: None,
        effect: g_av(&found.values, &found.baseline),
        memory: (!ratios.is_empty()).then(|| ratios.iter().sum::<f64>() / ratios.len() as f64),
        conclusion: Conclusion::TooFew,
    }
}

fn concluded(b: &Beside, alpha: f64, comparisons: usize) -> Conclusion {
    let shown = |p: Option<f64>| p.is_some_and(|p| p <= alpha);
    match (&b.equivalence, b.mean) {
        (Some(e), _) if e.verdict == Verdict::Equivalent && shown(b.p_same_holm) => Conclusion::Same,
        (_, Some(mean)) if shown(b.p_holm) => {
            if mean > 0.0 {
                Conclusion::Better
            } else {
                Conclusion::Worse
            }
        }
        (Some(e), _) if e.verdict == Verdict::NotEnough => Conclusion::TooFew,
        (None, _) => Conclusion::TooFew,
        // So few pairs that even the clearest difference could not be shown.
        _ if least_p(b.pairs) * comparisons as f64 > alpha => Conclusion::TooFew,
        _ => Conclusion::Undecided,
    }
}

/// What is to be known of the comparisons.
pub fn notes(design: &Design, each: &[One], measure: Measure, all: &[Beside]) -> Vec<String> {
    let mut notes = Vec::new();
    let most = all.iter().map(|b| b.pairs).max().unwrap_or(0);
    let (count, alpha) = (all.len(), design.compare.alpha);
    if most > 0 && least_p(most) * count as f64 > alpha {
        let enough = (most..64).find(|n| least_p(*n) * count as f64 <= alpha);
        let enough = enough.map_or_else(String::new, |n| format!("; {n} seeds could"));
        notes.push(format!(
            "{} can show no difference at {alpha} among {}: the least p of one is {}, before Holm's correction{enough}",
            text::counted(most, "seed"),
            text::counted(count, "comparison"),
            text::significant(least_p(most), 3),
        ));
    }
    let unpaired: usize = all.iter().map(|b| b.unpaired).sum();
    if unpaired > 0 {
        notes.push(format!(
            "{} of a setting have no partner in the baseline yet, or no finite accuracy, and are left out",
            text::counted(unpaired, "seed")
        ));
    }
    for setting in &design.settings {
        let failed = each.iter().filter(|one| one.name == setting.name && one.failed.is_some()).count();
        if failed > 0 {
            let of = design.seeds.len();
            notes.push(format!(
                "{}: {failed} of {of} seeds failed, and its means are of those that did not",
                setting.name
            ));
        }
    }
    let by_hand = each.iter().filter(|one| one.by_hand > 0).count();
    if by_hand > 0 {
        notes.push(format!(
            "{} cut by hand: no longer what the setting says",
            if by_hand == 1 { "1 run was".to_string() } else { format!("{by_hand} runs were") }
        ));
    }
    let predicted = each.iter().filter(|one| one.predicted).count();
    if measure == Measure::Table && predicted > 0 {
        notes.push(format!(
            "the table has not all cells: accuracies of {predicted} are predicted by a linear model of it (docs/audit.md), which errs most on unusual cells"
        ));
    }
    let mut devices: Vec<&str> = each.iter().filter_map(|one| one.device.as_deref()).collect();
    devices.sort_unstable();
    devices.dedup();
    if devices.len() > 1 {
        notes.push(format!(
            "runs were made on different devices ({}): bytes and seconds do not compare",
            devices.join(", ")
        ));
    }
    notes
}
