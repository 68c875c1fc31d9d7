//! The first screen: what will happen, and what to press.

use super::Scene;
use crate::explorer::action::Action;
use crate::explorer::draw::Pad;
use crate::text;

pub fn draw(pad: &mut Pad, scene: &Scene) {
    let (w, h) = (pad.width(), pad.height());
    let width = 70.min(w.saturating_sub(4));
    let x = (w - width) / 2;
    let lines = [
        "Zonas scores every operation of a supernet without training it,",
        "cuts away those that matter least (you see and decide what goes),",
        "then searches what is left and draws the cells that it finds.",
    ];
    let body: Vec<String> = lines.iter().flat_map(|l| text::wrap(l, width)).collect();
    let (dim, plain, strong) = (pad.theme.dim(), pad.theme.plain(), pad.theme.strong());
    let accent = pad.theme.accent();
    let needed = body.len() as u16 + 8;
    let mut y = h.saturating_sub(needed) / 3;
    pad.spans(x, y, &[("zonas", strong), ("  zero-one-shot architecture search", dim)]);
    y += 2;
    for line in &body {
        pad.text(x, y, line, plain);
        y += 1;
    }
    y += 1;
    let key = |action| scene.keymap.of(action);
    let (demo, new) = (key(Action::Demo), key(Action::New));
    let (runs, help) = (key(Action::ShowRuns), key(Action::Help));
    pad.spans(
        x,
        y,
        &[(&format!("{demo:<5}"), accent), ("  the demo: embedded Fashion-MNIST, about two minutes", plain)],
    );
    let count = match scene.runs.len() {
        n if scene.ui.reading.is_some() => reading(n, scene),
        0 => "no runs yet".to_string(),
        1 => "1 run".to_string(),
        n => format!("{n} runs"),
    };
    pad.spans(
        x,
        y + 1,
        &[(&format!("{new:<5}"), accent), ("  a new run: your data, search space, seeds, cut, …", plain)],
    );
    pad.spans(x, y + 2, &[(&format!("{runs:<5}"), accent), ("  open a run: ", plain), (&count, dim)]);
    pad.spans(x, y + 3, &[(&format!("{help:<5}"), accent), ("  what a screen shows, and all keys", plain)]);
}

/// The list of runs is still being read.
pub(super) fn reading(read: usize, scene: &Scene) -> String {
    match scene.ui.reading {
        Some((_, of)) if of > 0 => format!("reading runs, {read} of {of}"),
        _ => "reading the folder of runs".into(),
    }
}
