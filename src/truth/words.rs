//! Numbers of an audit as they are printed.

use super::judge::{Audit, CutNumbers, Found};
use crate::text;

/// What a row of an audit is called.
pub fn called(name: &'static str) -> &'static str {
    match name {
        "cut" => "this cut",
        "random" => "random cuts, mean",
        "cheapest" => "cheapest",
        "most_parameters" => "most parameters",
        "best_by_model" => "best by the model",
        other => other,
    }
}

/// Names of the numbers of a [`row`].
pub const fn columns(audit: &Audit) -> &'static [&'static str] {
    match audit.model {
        None => &["mean", "best", "regret", "best 100", "best 1,000"],
        Some(_) => &["mean", "best", "gain"],
    }
}

/// A cut's numbers.
pub fn row(audit: &Audit, cut: &CutNumbers) -> Vec<String> {
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "n/a".into());
    let share = |share: Option<f64>| or_none(share.map(|s| format!("{} %", per_cent(100.0 * s))));
    let mut row = vec![number(cut.mean), number(cut.best)];
    match audit.model {
        None => {
            row.extend([
                or_none(cut.regret.map(|r| signed(r, decimals(cut.best)))),
                share(cut.of_best_100),
                share(cut.of_best_1000),
            ]);
        }
        Some(_) => row.push(or_none(cut.gain.map(|g| signed(g, 2)))),
    }
    row
}

/// As many as an accuracy like this is printed with, so that the two can be added up.
fn decimals(accuracy: f64) -> usize {
    number(accuracy).split_once('.').map_or(0, |(_, decimals)| decimals.bytes().take_while(u8::is_ascii_digit).count())
}

/// An accuracy.
pub fn number(value: f64) -> String {
    text::significant(value, 5)
}

/// With a true minus, and none before zeros.
pub fn signed(value: f64, decimals: usize) -> String {
    let digits = format!("{:.decimals$}", value.abs());
    let zero = digits.bytes().all(|b| matches!(b, b'0' | b'.'));
    if value < 0.0 && !zero { format!("−{digits}") } else { digits }
}

pub fn per_cent(value: f64) -> String {
    format!("{value:.1}")
}

/// A found cell: its accuracy, and how it stands among all.
pub fn found(audit: &Audit, found: &Found) -> String {
    let (accuracy, worse) = (number(found.accuracy), per_cent(found.percentile));
    if found.predicted {
        let known = found.in_table.map_or(String::new(), |k| format!("; the table has {}", number(k)));
        let draws = text::thousands(audit.draws);
        return format!("{accuracy} predicted; of {draws} random cells of the space {worse} % are worse{known}");
    }
    let rank = found.rank.map_or(String::new(), |r| format!("rank {r} of {}, ", text::many(audit.of_cells)));
    format!("{accuracy}: {rank}{worse} % are worse")
}

/// Among random cuts of the same shape.
pub fn percentiles(audit: &Audit) -> String {
    let p = &audit.percentile;
    let mut words = format!(
        "of {} random cuts of this shape, {} % are worse in the mean, {} % in the best cell",
        text::thousands(audit.draws),
        per_cent(p.mean),
        per_cent(p.best)
    );
    for (count, share) in [("100", p.of_best_100), ("1,000", p.of_best_1000)] {
        if let Some(share) = share {
            words.push_str(&format!(", {} % in the share of the best {count}", per_cent(share)));
        }
    }
    words + " (equal ones count half)"
}

/// Of which cells the quantiles are, and they.
pub fn quantiles(audit: &Audit) -> Option<String> {
    let [low, lower, middle, higher, high] = audit.cut.quantiles?.map(number);
    let of = match audit.model {
        Some(_) => format!("{} drawn cells", text::thousands(audit.draws)),
        None => "its cells".into(),
    };
    Some(format!("of {of}: 5 % {low}, 25 % {lower}, median {middle}, 75 % {higher}, 95 % {high}"))
}
