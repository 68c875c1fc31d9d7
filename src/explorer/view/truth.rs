//! What a table of accuracies says of the cut and of the found cell.

use std::path::Path;

use super::Scene;
use crate::engine::verdict::truth::line as judged_line;
use crate::explorer::draw::Pad;
use crate::explorer::judge::Judged;
use crate::explorer::verdict::{Line, Tone};
use crate::text;
use crate::truth::Audit;
use crate::truth::words::{called, columns, found, number, percentiles, quantiles, row, signed};

/// Lines that the panel takes at most, with its frame.
pub const HEIGHT: u16 = 14;

/// What it is judged by, in a few words.
fn by(audit: &Audit) -> String {
    match &audit.model {
        None => "exact: every cell is known".into(),
        Some(m) => format!("ridge regression, Spearman {} on rows held back", signed(m.spearman, 2)),
    }
}

/// The table's file.
fn name(audit: &Audit) -> String {
    let file = Path::new(&audit.table.file)
        .file_name()
        .map_or_else(|| audit.table.file.clone(), |n| n.to_string_lossy().into());
    text::sanitize(&file)
}

/// ```text
///                    mean   best   regret   best 100   best 1,000
/// this cut
/// random cuts, mean
/// controls
/// percentiles, quantiles
/// ```
pub fn draw(pad: &mut Pad, judged: &Judged) {
    let audit = match judged {
        Judged::Known(audit) => audit,
        Judged::Reading => {
            pad.panel("by the table", "", false).prose("The table is read and the cut judged.");
            return;
        }
        Judged::Failed(why) => {
            let mut inner = pad.panel("by the table", "", false);
            let (w, style) = (inner.width(), inner.theme.bad());
            for (y, line) in text::wrap(why, w.saturating_sub(2)).iter().enumerate() {
                inner.text(1, y as u16, line, style);
            }
            return;
        }
    };
    let title = format!("by the table {}, {}", name(audit), text::sanitize(&audit.table.column));
    let mut inner = pad.panel(&title, &by(audit), false);
    let (w, h) = (inner.width(), inner.height());
    let (plain, dim, accent, warning) =
        (inner.theme.plain(), inner.theme.dim(), inner.theme.accent(), inner.theme.warning());
    let columns = columns(audit).iter().enumerate().map(|(i, name)| (29 + 11 * i as u16, *name));
    let columns: Vec<(u16, &str)> = columns.filter(|(x, _)| *x < w).collect();
    for (x, name) in &columns {
        inner.right(*x, 0, name, dim);
    }
    let mut y = 1;
    for c in [&audit.cut, &audit.random].into_iter().chain(&audit.controls) {
        if y >= h {
            return;
        }
        let style = if y == 1 { accent } else { plain };
        inner.text(1, y, called(c.name), if y == 1 { accent } else { dim });
        for ((x, _), value) in columns.iter().zip(row(audit, c)) {
            inner.right(*x, y, &value, style);
        }
        y += 1;
    }
    let few = audit.model.as_ref().map_or(0, |m| m.few_edges);
    let mut said = Vec::new();
    if few > 0 {
        let words =
            "fewer than three operations on some edges: there the regression extrapolates, and is not to be trusted";
        said.push((words.to_string(), warning));
    }
    if audit.model.is_some() && audit.cut.best > audit.table.highest {
        let words =
            format!("no row has more than {}: best cells are likely predicted too high", number(audit.table.highest));
        said.push((words, warning));
    }
    if audit.table.surrogate {
        said.push(("predictions of a surrogate, not accuracies of trained networks".into(), warning));
    }
    if audit.table.other_rows > 0 {
        let rows = text::counted(audit.table.other_rows, "row");
        said.push((format!("{rows} not of this space left out"), warning));
    }
    let verb = if audit.cells == 1.0 { "cell is" } else { "cells are" };
    let left = format!("{} of {} {verb} left; ", text::many(audit.cells), text::many(audit.of_cells));
    said.push((left + &percentiles(audit), plain));
    let taus: Vec<String> = audit
        .functions
        .iter()
        .map(|f| format!("{} {}", f.name, f.tau.map_or_else(|| "none".into(), |t| signed(t, 2))))
        .collect();
    if !taus.is_empty() {
        said.push((
            format!("Kendall's tau of first-round scores with the table, within edges: {}", taus.join(", ")),
            dim,
        ));
    }
    said.extend(quantiles(audit).map(|q| (format!("quantiles {q}"), dim)));
    for (words, style) in said {
        for line in text::wrap(&words, w.saturating_sub(2)) {
            if y >= h {
                return;
            }
            inner.text(1, y, &line, style);
            y += 1;
        }
    }
}

/// The same for a list of lines, in a few words.
pub fn line(judged: Option<&Judged>) -> Option<Line> {
    let audit = match judged? {
        Judged::Known(audit) => audit,
        Judged::Reading => {
            return Some(Line {
                tone: Tone::Quiet,
                short: "the table is read".into(),
                long: "the table is read".into(),
            });
        }
        Judged::Failed(why) => {
            return Some(Line {
                tone: Tone::Warning,
                short: why.clone(),
                long: format!("no judgement by the table: {why}"),
            });
        }
    };
    Some(judged_line(audit))
}

/// Of the found cell: its accuracy and rank, or why there is none.
pub fn cell(scene: &Scene) -> Option<String> {
    match scene.judged? {
        Judged::Known(audit) => {
            let f = audit.found.as_ref()?;
            Some(format!("{} ({})", found(audit, f), text::sanitize(&audit.table.column)))
        }
        Judged::Reading => Some("the table is read".into()),
        Judged::Failed(why) => Some(why.clone()),
    }
}

/// The same in a few words, for a title.
pub fn cell_short(scene: &Scene) -> Option<String> {
    let Judged::Known(audit) = scene.judged? else { return None };
    let f = audit.found.as_ref()?;
    let rank = f.rank.map_or(String::new(), |r| format!(", rank {r} of {}", text::many(audit.of_cells)));
    let predicted = if f.predicted { " predicted" } else { "" };
    Some(format!("{}{predicted} by the table{rank}", number(f.accuracy)))
}
