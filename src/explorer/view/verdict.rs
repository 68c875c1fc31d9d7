//! The first line of the Cut screen: is this cut any good?

use super::{Scene, truth};
use crate::explorer::action::{Action, Context};
use crate::explorer::draw::Pad;
use crate::explorer::keymap::Keymap;
use crate::explorer::verdict::{Line, Tone, Verdict};
use crate::run::event::Cut;
use crate::text;

/// Draws the line; says how many lines it took.
pub fn draw(pad: &mut Pad, scene: &Scene, cut: &Cut, verdict: &Verdict) -> u16 {
    let (tone, mut pieces) = verdict.headline(scene.state, cut);
    let Some(first) = pieces.first().cloned() else { return 0 };
    // What accuracies say comes right after the first.
    let known = truth::line(scene.judged).map(|line| line.short);
    pieces.splice(1..1, known);
    let w = pad.width().saturating_sub(2);
    let mut line = first;
    for piece in &pieces[1..] {
        let longer = format!("{line}; {piece}");
        if text::width(&longer) <= w {
            line = longer;
        }
    }
    let style = match tone {
        Tone::Bad => pad.theme.bad(),
        Tone::Warning => pad.theme.warning(),
        Tone::Plain | Tone::Quiet => pad.theme.strong(),
    };
    pad.fitted(1, 0, w, &line, style);
    1
}

/// What to do next, and the keys that do it.
pub fn keyed(line: Line, keymap: &Keymap) -> Line {
    if !line.short.starts_with("next: ") {
        return line;
    }
    let ways = [
        ("cut deeper", Action::LevelUp),
        ("cut less", Action::LevelDown),
        ("take the parameter count", Action::By),
        ("confirm it", Action::Confirm),
    ];
    ways.into_iter().fold(line, |line, (words, action)| {
        let with = format!("{words} ({})", keymap.in_context(action, Context::Cut));
        Line { short: line.short.replace(words, &with), long: line.long.replace(words, &with), ..line }
    })
}
