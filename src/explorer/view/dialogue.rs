//! What lies over a screen: help and choices.

use ratatui::style::Modifier;

use super::Scene;
use crate::explorer::action;
use crate::explorer::draw::Pad;
use crate::explorer::text;
use crate::explorer::ui::Menu;

/// A box in the middle; returns what is inside the border.
fn frame(pad: &mut Pad, width: u16, height: u16, title: &str) -> (u16, u16, u16, u16) {
    let (w, h) = (width.min(pad.width()), height.min(pad.height()));
    let (x, y) = ((pad.width() - w) / 2, (pad.height() - h) / 2);
    let mut pad = pad.sub(x, y, w, h);
    pad.clear();
    let (style, strong) = (pad.theme.accent(), pad.theme.strong());
    for i in 0..w {
        pad.put(i, 0, '─', style);
        pad.put(i, h - 1, '─', style);
    }
    for i in 0..h {
        pad.put(0, i, '│', style);
        pad.put(w - 1, i, '│', style);
    }
    for (i, j, c) in [(0, 0, '╭'), (w - 1, 0, '╮'), (0, h - 1, '╰'), (w - 1, h - 1, '╯')] {
        pad.put(i, j, c, style);
    }
    pad.fitted(2, 0, w.saturating_sub(4), &format!(" {title} "), strong);
    (x + 2, y + 1, w.saturating_sub(4), h.saturating_sub(2))
}

/// All keys, from the action table.
pub fn help(pad: &mut Pad, scroll: usize) {
    let mut lines: Vec<(String, &str)> = Vec::new();
    for (title, rows) in action::help() {
        if !lines.is_empty() {
            lines.push((String::new(), ""));
        }
        lines.push((title.to_string(), ""));
        lines.extend(rows);
    }
    let width = 78.min(pad.width());
    let (x, y, w, h) = frame(pad, width, pad.height(), "keys  (esc closes)");
    let mut inner = pad.sub(x, y, w, h);
    let accent = inner.theme.accent();
    let (plain, strong, dim) = (inner.theme.plain(), inner.theme.strong(), inner.theme.dim());
    let rows = usize::from(h);
    let first = scroll.min(lines.len().saturating_sub(rows));
    for (row, (key, description)) in lines.iter().skip(first).take(rows).enumerate() {
        let row = row as u16;
        if description.is_empty() {
            inner.text(0, row, key, strong.add_modifier(Modifier::UNDERLINED));
        } else {
            inner.text(1, row, key, accent);
            let room = w.saturating_sub(14);
            inner.fitted(14, row, room, description, plain);
        }
    }
    if lines.len() > rows {
        let left = lines.len() - rows - first;
        let text = if left > 0 { format!(" {left} more below ") } else { " the end ".into() };
        pad.right(x + w, y + h, &text, dim);
    }
}

/// A question and its answers.
pub fn menu(pad: &mut Pad, scene: &Scene, menu: Menu, cursor: usize) {
    let (title, text) = question(scene, menu);
    let width = 66.min(pad.width());
    let text: Vec<String> = text.iter().flat_map(|t| text::wrap(t, width.saturating_sub(4))).collect();
    let choices = scene.ui.choices(menu, scene.state);
    let gap = u16::from(!text.is_empty());
    let height = text.len() as u16 + choices.len() as u16 + 2 + gap;
    let (x, y, w, h) = frame(pad, width, height, &title);
    let mut inner = pad.sub(x, y, w, h);
    let plain = inner.theme.plain();
    // Where it is too low for all, the answers stay.
    let shown = usize::from(h.saturating_sub(choices.len() as u16 + gap));
    for (row, line) in text.iter().take(shown).enumerate() {
        inner.text(0, row as u16, line, plain);
    }
    let top = h.saturating_sub(choices.len() as u16);
    for (i, (title, _)) in choices.iter().enumerate() {
        let row = top + i as u16;
        if i == cursor {
            let style = inner.theme.cursor();
            inner.style(0, row, w, 1, style);
            inner.put(0, row, '▸', style);
            inner.text(2, row, title, style);
        } else {
            inner.text(2, row, title, plain);
        }
    }
}

fn question(scene: &Scene, menu: Menu) -> (String, Vec<String>) {
    let state = scene.state;
    match menu {
        Menu::Confirm => {
            let mut lines = Vec::new();
            if let Some(cut) = &state.cut.cut {
                lines.push(format!(
                    "{} of 224 operations stay (ξ {}, by {}), {} changed by hand.",
                    cut.mask.count(),
                    text::significant(cut.xi, 3),
                    text::sanitize(&cut.source).replace('_', " "),
                    cut.by_hand.len()
                ));
                lines.push(format!(
                    "The search is predicted to take {} instead of {} ({}).",
                    text::bytes(cut.memory_bytes),
                    text::bytes(cut.full_memory_bytes),
                    text::change(cut.full_memory_bytes as f64, cut.memory_bytes as f64)
                ));
                let ties = state.score.removals.iter().filter(|(_, r)| r.tie && !cut.mask.contains(r.place)).count();
                if ties > 0 {
                    lines.push(format!("{ties} of these decisions were within noise."));
                }
                lines.extend(
                    cut.warnings.iter().map(|w| format!("Warning: {}.", text::sanitize(w).trim_end_matches('.'))),
                );
            }
            ("confirm this cut?".into(), lines)
        }
        Menu::Controls => ("cut of equal size by".into(), vec![]),
        Menu::Quit => {
            ("a run is alive".into(), vec!["It runs in a process of its own, with or without this window.".into()])
        }
        Menu::Abort => ("abort the run?".into(), vec!["What came since the last checkpoint is lost.".into()]),
    }
}
