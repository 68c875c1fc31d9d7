//! First and last line of every screen.

use ratatui::style::{Modifier, Style};

use super::{Scene, typed};
use crate::explorer::action::{self, ACTIONS, Action, Context};
use crate::explorer::draw::Pad;
use crate::explorer::ui::{Asked, Overlay, Tab, Target};
use crate::run::event::Outcome;
use crate::run::listing::Line;
use crate::text;

/// The run, what it does, and the strip of screens: `name ● scoring 1/6    1✓Score ▸ 2●Cut ▸ 3 Search ▸ 4 Cell  5 Runs  6 Log`.
pub fn header(pad: &mut Pad, scene: &Scene) {
    let w = pad.width();
    let state = scene.state;
    let strip = strip(scene, w);
    let strip_width: u16 = strip.iter().map(|s| text::width(&s.0)).sum();
    let left = w.saturating_sub(strip_width + 2);
    let opened = || scene.ui.opened.clone().unwrap_or_else(|| "zonas".into());
    let name = state.run.as_ref().map_or_else(opened, |r| text::sanitize(&r.run));
    let stands = || scene.ui.stands.as_ref().map_or_else(String::new, |s| s.word().into());
    let own = || if state.run.is_some() || state.ended.is_some() { state.status() } else { stands() };
    let status = if scene.ui.missing { "gone".into() } else { scene.ui.standing.map_or_else(own, str::to_string) };
    let status_width = text::width(&status);
    let strong = pad.theme.strong();
    let room = left.saturating_sub(1 + if status.is_empty() { 0 } else { status_width + 3 });
    let mut x = if room >= 6 { pad.fitted(1, 0, room, &name, strong) + 1 } else { 1 };
    if !status.is_empty() {
        let (glyph, style) = light(pad, scene);
        if x + 2 <= left {
            pad.put(x, 0, glyph, style);
            x = pad.fitted(x + 2, 0, left.saturating_sub(x + 2), &status, style);
        }
    }
    let memory = state.memory.last().map(|(_, used)| match state.memory_total {
        Some(total) => format!("{} of {}", text::bytes(used as u64), text::bytes(total)),
        None => text::bytes(used as u64),
    });
    let wide = w >= 130;
    let mut at = if wide { (w - strip_width) / 2 } else { w - strip_width.min(w) - 1 };
    if wide {
        at = at.max(x + 3);
        if let Some(memory) = memory {
            let style = pad.theme.dim();
            let device = state.run.as_ref().filter(|_| w >= 150).map_or_else(String::new, |r| {
                format!("{} · {} · ", text::sanitize(&r.device), text::threads(r.threads))
            });
            let words = format!("{device}mem {memory}");
            if at + strip_width + text::width(&words) + 3 < w {
                pad.right(w - 1, 0, &words, style);
            }
        }
    }
    for (i, (text, style)) in strip.into_iter().enumerate() {
        if let Some(tab) = tabs(scene).nth(i / 2).filter(|_| i % 2 == 0) {
            scene.hits.add(pad.area_of(at, 0, text::width(&text), 1), Target::Tab(tab));
        }
        at = pad.text(at, 0, &text, style);
    }
}

/// A glyph and a style for how the run is.
fn light(pad: &Pad, scene: &Scene) -> (char, Style) {
    let state = scene.state;
    if scene.ui.missing {
        return ('✗', pad.theme.bad());
    }
    match &state.ended {
        Some(e) => match e.outcome {
            Outcome::Done => ('✓', pad.theme.good()),
            Outcome::Stopped => ('■', pad.theme.warning()),
            Outcome::Aborted => ('■', pad.theme.warning()),
            Outcome::Failed => ('✗', pad.theme.bad()),
        },
        None if scene.ui.standing == Some("queued") => ('■', pad.theme.warning()),
        None if scene.ui.standing.is_some() => ('■', pad.theme.bad()),
        None if state.run.is_none() && !scene.ui.engine_alive => ('■', pad.theme.warning()),
        None if state.paused => ('■', pad.theme.warning()),
        None if state.cut.is_open() => ('◆', pad.theme.warning()),
        None => ('●', pad.theme.good()),
    }
}

/// The screens that there are.
fn tabs(scene: &Scene) -> impl Iterator<Item = Tab> + use<> {
    let study = (scene.study.is_there() || scene.ui.tab == Tab::Study).then_some(Tab::Study);
    Tab::ALL.into_iter().chain(study)
}

fn strip(scene: &Scene, width: u16) -> Vec<(String, Style)> {
    let state = scene.state;
    let (dim, plain) = (Style::new().add_modifier(Modifier::DIM), Style::new());
    let mut parts = Vec::new();
    for (i, tab) in tabs(scene).enumerate() {
        let here = tab == scene.ui.tab;
        let training = state.trains() && tab == Tab::Search;
        let title = if training { "Train" } else { tab.title() };
        let (mark, mut style) = match tab.stage().map(|s| if training { state.epochs_stage() } else { s }) {
            Some(stage) if state.passed(stage) => ('✓', plain),
            Some(stage) if state.reached(stage) => ('●', plain),
            Some(_) => (' ', dim),
            None => (' ', plain),
        };
        if here {
            style = Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD);
        }
        let label = if width >= 72 || here { format!("{}{mark}{title}", i + 1) } else { format!("{}{mark}", i + 1) };
        parts.push((label, style));
        let gap = match tab {
            Tab::Score | Tab::Cut | Tab::Search if width >= 72 => " ▸ ",
            Tab::Log if !scene.study.is_there() => "",
            Tab::Study => "",
            Tab::Cell if width >= 72 => "  ",
            _ => " ",
        };
        parts.push((gap.into(), dim));
    }
    parts
}

/// What keys do here, or a word from the program; `?` and `q` are never cut off.
pub fn footer(pad: &mut Pad, scene: &Scene) {
    let w = pad.width();
    let context = scene.ui.context(scene.state);
    let (accent, plain, dim) = (pad.theme.accent().add_modifier(Modifier::BOLD), pad.theme.plain(), pad.theme.dim());
    let fixed: &[(Action, &str)] =
        if context.is_dialogue() { &[] } else { &[(Action::Help, " help  "), (Action::Quit, " quit")] };
    let fixed: Vec<(Action, String, &str)> = fixed.iter().map(|(a, t)| (*a, scene.keymap.of(*a), *t)).collect();
    let fixed_width: u16 = fixed.iter().map(|(_, k, t)| text::width(k) + text::width(t)).sum();
    let mut at = w.saturating_sub(fixed_width + 1);
    let room = at.saturating_sub(1);
    for (action, key, title) in &fixed {
        scene
            .hits
            .add(pad.area_of(at, 0, text::width(key) + text::width(title.trim_end()), 1), Target::Action(*action));
        at = pad.text(at, 0, key, accent);
        at = pad.text(at, 0, title, dim);
    }
    if let Some(Overlay::Prompt { asked, typed }) = &scene.ui.overlay {
        let label = match asked {
            Asked::Filter => "filter: ".to_string(),
            Asked::Budget => "memory budget (1.5 GiB, 800 MiB): ".into(),
            Asked::Help => "find in the help: ".into(),
            Asked::Columns => "columns: ".into(),
            Asked::Note => format!("note of {}: ", text::fit(&text::sanitize(&scene.ui.about), w / 4)),
            Asked::Tags => format!("tags of {}: ", text::fit(&text::sanitize(&scene.ui.about), w / 4)),
        };
        let x = pad.text(1, 0, &label, accent);
        let hint = scene.ui.hint();
        let beside = if hint.is_some() { w / 3 } else { 2 };
        let x = typed::draw(pad, x, 0, w.saturating_sub(x + beside), typed, plain);
        let (take, leave) =
            (scene.keymap.in_context(Action::Yes, context), scene.keymap.in_context(Action::No, context));
        match hint {
            Some((true, wrong)) => pad.text(x + 2, 0, &text::sanitize(&wrong), pad.theme.warning()),
            Some((false, names)) => pad.text(x + 2, 0, &names, dim),
            None => pad.text(x + 2, 0, &format!("{take}: apply, {leave}: cancel"), dim),
        };
        return;
    }
    if let Some(what) = &scene.ui.finishing {
        let quit = scene.keymap.of(Action::Quit);
        pad.fitted(1, 0, room, &format!("leaving when done: {what} ({quit}: now)"), pad.theme.warning());
        return;
    }
    if scene.ui.leaving {
        pad.fitted(1, 0, room, "asked; this window closes when the engine has answered (q: now)", pad.theme.warning());
        return;
    }
    if let Some(words) = scene.ui.replay.as_ref().filter(|_| scene.ui.flash.is_none() && !context.is_dialogue()) {
        let end = pad.fitted(1, 0, room, words, pad.theme.plain());
        // Where the run could be changed, the key that would do that.
        let pause = if context == Context::Cut { Action::Toggle } else { Action::Pause };
        let keys = [
            (scene.keymap.in_context(pause, context), "pause"),
            (format!("{} {}", scene.keymap.of(Action::Back), scene.keymap.of(Action::Forward)), "seek"),
            (format!("{} {}", scene.keymap.of(Action::Slower), scene.keymap.of(Action::Faster)), "speed"),
        ];
        let words: Vec<String> =
            keys.iter().filter(|(key, _)| !key.is_empty()).map(|(key, what)| format!("{key} {what}")).collect();
        pad.fitted(end + 2, 0, room.saturating_sub(end + 2), &words.join("  "), dim);
        return;
    }
    if let Some((flash, _)) = &scene.ui.flash {
        let style = pad.theme.warning();
        pad.fitted(1, 0, room, &text::sanitize(flash), style);
        return;
    }
    let mut x = 1;
    if let Some(seconds) = scene.ui.slow {
        let words = format!("the disk keeps a command waiting: {seconds} s");
        x = pad.text(x, 0, &words, pad.theme.warning()) + 2;
    }
    if scene.ui.frozen {
        x = pad.text(x, 0, "picture held still", pad.theme.warning()) + 2;
    }
    for row in action::footer(context) {
        let (key, spec) = (scene.keymap.first(row), &ACTIONS[row]);
        let idle = scene.ui.idle(scene.state, context, spec.action);
        if key.is_empty() || idle || spec.action == Action::Resume && context == Context::Runs && !resumable(scene) {
            continue;
        }
        let title = match (spec.title, scene.state.paused) {
            ("pause", true) => "go on",
            ("stop", _) if context == Context::Waiting => "leave the queue",
            (title, _) => title,
        };
        let needed = text::width(&key) + 1 + text::width(title);
        if x + needed > room {
            continue;
        }
        if !context.is_dialogue() {
            scene.hits.add(pad.area_of(x, 0, needed, 1), Target::Action(spec.action));
        }
        x = pad.text(x, 0, &key, accent);
        x = pad.text(x + 1, 0, title, plain) + 2;
    }
}

/// Whether the run under the cursor of the list can be resumed.
fn resumable(scene: &Scene) -> bool {
    let table = scene.ui.table(scene.runs, scene.now);
    let run = table.lines.get(scene.ui.runs).and_then(Line::run).map(|i| table.run(i));
    run.is_some_and(|r| r.can_go_on)
}
