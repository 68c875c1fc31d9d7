//! What a run of a study came to, in a few words.

use super::standing::Known;
use crate::run::summary::Summary;
use crate::text;

/// Its result.
pub fn of(known: &Known) -> String {
    let Some(s) = &known.summary else { return String::new() };
    let mut parts = Vec::new();
    match (s.trains == Some(true), s.valid_accuracy) {
        (true, Some(accuracy)) => parts.push(format!("test accuracy {:.2} %", 100.0 * accuracy)),
        (false, Some(accuracy)) => parts.push(format!("supernet's accuracy {:.2} %", 100.0 * accuracy)),
        (_, None) => {}
    }
    if let Some(bytes) = s.search_peak_bytes.filter(|_| s.valid_accuracy.is_some()) {
        parts.push(format!("peak {}", text::bytes(bytes)));
    }
    if parts.is_empty()
        && let (Some(cut), Some(n)) = (&s.cut, s.kept)
    {
        parts.push(format!("{n} of {} operations kept", cut.of()));
    }
    parts.join(", ")
}

/// Seconds that its stage took.
pub fn seconds(s: &Summary) -> Option<f64> {
    s.search_seconds.or(s.scoring_seconds)
}
