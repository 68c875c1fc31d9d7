//! What lies over a screen: help and choices.

use crate::run::describe;
use ratatui::style::{Modifier, Style};

use super::{Scene, glossary, typed};
use crate::explorer::action::{self, ACTIONS, Action, Context};
use crate::explorer::draw::Pad;
use crate::explorer::ui::{Menu, TYPING, Target, Typed};
use crate::explorer::verdict::{Tone, Verdict};
use crate::explorer::{health, text};

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

/// One line of a text that is scrolled.
enum Line {
    Heading(String),
    /// A term or keys, and what they mean.
    Pair(String, String),
    Words(String, bool),
    Blank,
}

/// The words of this screen, then all keys from the action table.
pub fn help(pad: &mut Pad, scene: &Scene, scroll: usize) {
    let here = scene.ui.screen(scene.state);
    let words = glossary::of(here);
    let mut lines = Vec::new();
    if !words.is_empty() {
        lines.push(Line::Heading(format!("{}: what it shows", here.title())));
        lines.extend(words.iter().map(|(term, meaning)| Line::Pair((*term).into(), (*meaning).into())));
    }
    for (title, rows) in action::help(here) {
        if !lines.is_empty() {
            lines.push(Line::Blank);
        }
        lines.push(Line::Heading(format!("{title}: keys")));
        lines.extend(rows.into_iter().map(|r| Line::Pair(scene.keymap.all(r), ACTIONS[r].description.into())));
        if title == Context::Text.title() {
            lines.extend(TYPING.map(|(keys, meaning)| Line::Pair(keys.into(), meaning.into())));
        }
    }
    let wanted = &scene.ui.wanted;
    let find = scene.keymap.of(Action::Filter);
    if wanted.trim().is_empty() {
        return scrolled(pad, &format!("help  ({find} finds, esc closes)"), &lines, scroll);
    }
    let has = |line: &Line| matches!(line, Line::Pair(a, b) if text::contains(&format!("{a} {b}"), wanted));
    // A heading stands before what was found below it.
    let mut found: Vec<Line> = Vec::new();
    let mut heading = None;
    for line in lines {
        if matches!(line, Line::Heading(_)) {
            heading = Some(line);
        } else if has(&line) {
            found.extend(heading.take());
            found.push(line);
        }
    }
    if found.is_empty() {
        found.push(Line::Words("Nothing in the help has these words.".into(), false));
    }
    let title = format!("help with `{}`  ({find} finds, esc closes)", text::sanitize(wanted));
    scrolled(pad, &title, &found, scroll);
}

/// The rules of health: value, threshold, meaning, source.
pub fn warnings(pad: &mut Pad, scene: &Scene, scroll: usize) {
    let mut lines = Vec::new();
    for rule in health::rules(scene.state) {
        if !lines.is_empty() {
            lines.push(Line::Blank);
        }
        let reading = rule.read(scene.state);
        let warns = reading.as_ref().is_some_and(health::Reading::warns);
        lines.push(Line::Heading(format!("{}{}", if warns { "! " } else { "" }, rule.title())));
        let words = reading.map_or_else(|| "nothing can be said yet".into(), |r| r.words);
        lines.push(Line::Words(words, warns));
        lines.push(Line::Pair("rule".into(), rule.help().into()));
        lines.push(Line::Pair("from".into(), rule.source().into()));
    }
    scrolled(pad, "health of the search  (esc closes)", &lines, scroll);
}

fn scrolled(pad: &mut Pad, title: &str, lines: &[Line], scroll: usize) {
    const LABEL: u16 = 14;
    let width = 90.min(pad.width());
    let (x, y, w, h) = frame(pad, width, pad.height(), title);
    let mut inner = pad.sub(x, y, w, h);
    let (accent, plain, dim) = (inner.theme.accent(), inner.theme.plain(), inner.theme.dim());
    let (strong, warning) = (inner.theme.strong().add_modifier(Modifier::UNDERLINED), inner.theme.warning());
    // Each line of the screen: a label and text, with their styles.
    let mut rows: Vec<(String, String, Style, Style)> = Vec::new();
    for line in lines {
        match line {
            Line::Heading(text) => rows.push((text.clone(), String::new(), strong, plain)),
            Line::Blank => rows.push((String::new(), String::new(), plain, plain)),
            Line::Words(text, warns) => {
                let style = if *warns { warning } else { plain };
                rows.extend(
                    text::wrap(text, w.saturating_sub(2))
                        .into_iter()
                        .map(|t| (format!(" {t}"), String::new(), style, plain)),
                );
            }
            Line::Pair(label, text) => {
                let mut label = format!(" {label}");
                if text::width(&label) >= LABEL {
                    rows.push((std::mem::take(&mut label), String::new(), accent, plain));
                }
                for part in text::wrap(text, w.saturating_sub(LABEL)) {
                    rows.push((std::mem::take(&mut label), part, accent, plain));
                }
            }
        }
    }
    let room = usize::from(h);
    let first = scroll.min(rows.len().saturating_sub(room));
    for (y, (label, text, a, b)) in rows.iter().skip(first).take(room).enumerate() {
        let y = y as u16;
        inner.fitted(0, y, w, label, *a);
        if !text.is_empty() {
            inner.fitted(LABEL, y, w.saturating_sub(LABEL), text, *b);
        }
    }
    if rows.len() > room {
        let left = rows.len() - room - first;
        let text = if left > 0 { format!(" {left} more below ") } else { " the end ".into() };
        pad.right(x + w, y + h, &text, dim);
    }
}

/// Commands by name.
pub fn palette(pad: &mut Pad, scene: &Scene, typed: &Typed, cursor: usize) {
    let rows = scene.ui.offered(scene.state, typed);
    let (x, y, w, h) = frame(pad, 78.min(pad.width()), 18.min(pad.height()), "commands");
    let mut inner = pad.sub(x, y, w, h);
    let (accent, plain, dim) = (inner.theme.accent(), inner.theme.plain(), inner.theme.dim());
    let end = inner.text(0, 0, ": ", accent);
    typed::draw(&mut inner, end, 0, w.saturating_sub(end), typed, plain);
    let style = inner.theme.cursor();
    if rows.is_empty() {
        inner.text(0, 2, "no command has these letters in its name", dim);
    }
    let room = usize::from(h.saturating_sub(2)).max(1);
    let first = cursor.saturating_sub(room - 1);
    for (i, row) in rows.iter().enumerate().skip(first).take(room) {
        let y = 2 + (i - first) as u16;
        let spec = &ACTIONS[*row];
        inner.fitted(0, y, 17, &spec.id.replace('_', " "), accent);
        inner.fitted(18, y, w.saturating_sub(28), spec.description, plain);
        inner.right(w, y, &scene.keymap.first(*row), dim);
        scene.hits.add(inner.area_of(0, y, w, 1), Target::Choice(i));
        if i == cursor {
            inner.style(0, y, w, 1, style);
        }
    }
}

/// A question and its answers.
pub fn menu(pad: &mut Pad, scene: &Scene, menu: Menu, cursor: usize) {
    let (title, text) = question(scene, menu, pad.theme.ascii);
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
        scene.hits.add(inner.area_of(0, row, w, 1), Target::Choice(i));
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

fn question(scene: &Scene, menu: Menu, ascii: bool) -> (String, Vec<String>) {
    let state = scene.state;
    match menu {
        Menu::Confirm => {
            let mut lines = Vec::new();
            if let Some(cut) = &state.cut.cut {
                lines.push(format!(
                    "{} of {} operations stay ({}, {}), {} changed by hand.",
                    cut.mask.count(),
                    cut.of(),
                    describe::cut_size(cut),
                    describe::cut_source(cut),
                    cut.by_hand.len()
                ));
                lines.push(format!(
                    "The search is predicted to take {} instead of {} ({}).",
                    text::bytes(cut.memory_bytes),
                    text::bytes(cut.full_memory_bytes),
                    text::change(cut.full_memory_bytes as f64, cut.memory_bytes as f64)
                ));
                if let (Some(full), Some(now)) = (cut.full_step_seconds, cut.step_seconds) {
                    lines.push(format!(
                        "A search step is predicted to take {} instead of {} ({}).",
                        text::seconds(now),
                        text::seconds(full),
                        text::change(full, now)
                    ));
                }
                if let Some((full, now)) = &scene.sizes {
                    lines.push(format!(
                        "It leaves {} of {} genotypes.",
                        text::power_of_ten(now.genotypes_log10, ascii),
                        text::power_of_ten(full.genotypes_log10, ascii)
                    ));
                }
                if !cut.by_hand.is_empty() {
                    let named = |p: &crate::space::Place| {
                        let word = if cut.mask.contains(*p) { "kept" } else { "dropped" };
                        format!("{} {} {} {word}", p.cell, p.edge, p.operation.short())
                    };
                    let some: Vec<String> = cut.by_hand.iter().take(4).map(named).collect();
                    let more = cut.by_hand.len().saturating_sub(4);
                    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
                    lines.push(format!("By hand: {}{rest}.", some.join(", ")));
                }
                let verdict = Verdict::of(state, cut);
                let (_, pieces) = verdict.headline(state, cut);
                if !pieces.is_empty() {
                    lines.insert(0, format!("{}.", pieces.join("; ").trim_end_matches('.')));
                }
                let said = super::truth::line(scene.judged).into_iter().chain(verdict.lines(state, cut));
                let warnings = said.filter(|l| matches!(l.tone, Tone::Bad | Tone::Warning));
                lines.extend(warnings.map(|l| format!("Warning: {}.", l.long.trim_end_matches('.'))));
            }
            ("confirm this cut?".into(), lines)
        }
        Menu::Controls => {
            let xi = state.cut.cut.as_ref().map_or_else(String::new, |c| format!(" ({})", describe::cut_size(c)));
            let words = format!(
                "A control of equal size{xi} tells whether the scores beat chance. It cuts this run, or a run of its own, \
                 with the same scores and settings, that begins when the runs before it have ended."
            );
            ("controls".into(), vec![words])
        }
        Menu::By => {
            let now = state.cut.cut.as_ref().map_or_else(String::new, describe::cut_source);
            let words = format!(
                "What the cut goes by is made of the draws that were scored: nothing is scored again. It keeps as much as now, and \
                 nothing by hand; undo takes it back. Now it is cut {now}."
            );
            ("cut by".into(), vec![words])
        }
        Menu::Train => {
            let words = "The genotype as a network of its own, with fresh weights, on the run's training pictures and tested \
                         after each epoch: a run that begins when the runs before it have ended, on the \
                         device of this one. `zonas train` takes any other size.";
            let passing = state.passing().map(|of| format!("This genotype is {of}: the search may still change it."));
            ("train this cell from scratch?".into(), passing.into_iter().chain([words.into()]).collect())
        }
        Menu::Quit => {
            ("a run is alive".into(), vec!["It runs in a process of its own, with or without this window.".into()])
        }
        Menu::Delete => {
            let name = text::sanitize(&scene.ui.about);
            let folder = text::sanitize(scene.folder);
            (format!("delete {name}?"), vec![format!("All files in {folder}/{name} are deleted permanently.")])
        }
        Menu::Abort => ("abort the run?".into(), vec!["What came since the last checkpoint is lost.".into()]),
    }
}
