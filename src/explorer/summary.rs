//! What stays on the terminal when the explorer is left.

use super::state::State;
use super::text;
use crate::run::RunFolder;
use crate::run::describe::published_size;

/// A few lines: what the run is and did, what it found, and the command to come back.
pub fn text(state: &State, folder: &RunFolder, status: &str, alive: bool) -> String {
    let name = text::sanitize(&folder.name());
    let mut lines = Vec::new();
    let goes_on = if alive { " (goes on without this window)" } else { "" };
    lines.push(format!("{name}: {status}{goes_on}"));
    if state.score.done > 0 {
        let lost = match state.score.undecided() {
            0 => String::new(),
            n => format!(", {n} without any defined score"),
        };
        lines.push(format!(
            "  score   {} evaluations in {}, {} of {} decisions within noise{lost}",
            state.score.done,
            text::duration(state.score.seconds()),
            state.score.ties(),
            state.score.removals.len()
        ));
    }
    if let Some(cut) = &state.cut.cut {
        lines.push(format!(
            "  cut     {} of {} operations {}, memory {} instead of {} (predicted)",
            cut.mask.count(),
            cut.of(),
            if state.cut.confirmed { "kept" } else { "proposed" },
            text::bytes(cut.memory_bytes),
            text::bytes(cut.full_memory_bytes)
        ));
    }
    if let Some(epoch) = state.epochs.ended.last() {
        let words = match state.trains() {
            false => "  search  {} epochs, validation accuracy of the supernet",
            true => "  train   {} epochs, accuracy on the test pictures",
        };
        lines.push(format!(
            "{} {:.1} % (best {:.1} %){}",
            words.replace("{}", &(epoch.epoch + 1).to_string()),
            epoch.held_out_accuracy * 100.0,
            state.epochs.best_accuracy().unwrap_or(f64::NAN) * 100.0,
            crate::run::describe::balanced(epoch.held_out_accuracy, epoch.balanced_accuracy)
        ));
    }
    if let Some(found) = &state.found {
        lines.push(format!(
            "  cell    {} parameters, {} MACs as a network of {}",
            text::count_or_more(found.parameters),
            text::count_or_more(found.macs),
            published_size(&found.genotype, found.stem)
        ));
        lines.push(format!("  {}", found.genotype));
    }
    let back = if crate::run::runs_folder(None).is_ok_and(|d| folder.path().parent() == Some(&d)) {
        name
    } else {
        text::shell_word(&folder.path().display().to_string())
    };
    lines.push(format!("come back with: zonas attach {back}"));
    lines.join("\n")
}

/// Of a run whose folder is gone.
pub fn missing(folder: &RunFolder) -> String {
    let (name, path) = (text::sanitize(&folder.name()), text::sanitize(&folder.path().display().to_string()));
    format!("{name}: its folder is gone (deleted or moved): {path}")
}

#[cfg(test)]
mod tests {
    use crate::text::shell_word;

    #[test]
    fn a_path_survives_the_shell() {
        assert_eq!(shell_word("/a/b-c.d"), "/a/b-c.d");
        assert_eq!(shell_word("/my runs/it's"), "'/my runs/it'\\''s'");
    }
}
