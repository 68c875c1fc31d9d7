//! What a table of accuracies says of a cut, in a line.

use std::path::Path;

use super::words::{Line, Tone};
use crate::run::config::Config;
use crate::space::{Genotype, Mask};
use crate::text;
use crate::truth::words::{called, number, per_cent};
use crate::truth::{Audit, SEED, Scores, TruthError, audit, read};

/// By the table of the settings; none where they name none.
pub fn judged(config: &Config, mask: &Mask, found: Option<&Genotype>) -> Option<Result<Audit, TruthError>> {
    let set = &config.truth;
    if set.table.is_empty() {
        return None;
    }
    let judge = || {
        let (cells, table, truth) = read(Path::new(&set.table), set.named_column(), mask.space(), SEED)?;
        audit(&cells, &table, &truth, mask, found, &Scores::default(), SEED)
    };
    Some(judge())
}

/// The same in words.
pub fn line(audit: &Audit) -> Line {
    let file = Path::new(&audit.table.file).file_name();
    let name = file.map_or_else(|| audit.table.file.clone(), |n| n.to_string_lossy().into());
    let (mean, worse) = (number(audit.cut.mean), per_cent(audit.percentile.mean));
    let extrapolates = audit.model.as_ref().is_some_and(|m| m.few_edges > 0);
    let tone = if audit.percentile.mean < 50.0 || extrapolates { Tone::Warning } else { Tone::Plain };
    let control = audit.controls.iter().find(|c| c.name == "most_parameters");
    let control = control.map_or(String::new(), |c| format!("; {} has {}", called(c.name), number(c.mean)));
    let doubt = if extrapolates { "extrapolated, not to be trusted: " } else { "" };
    Line {
        tone,
        short: format!("by the table {doubt}{mean}, above {worse} % of random"),
        long: format!(
            "by {}: {doubt}mean of the cells that are left {mean}, above {worse} % of random cuts of this shape{control}",
            text::sanitize(&name)
        ),
    }
}
