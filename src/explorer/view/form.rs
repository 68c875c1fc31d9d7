//! The form of a new run: a line for each field, what is wrong or known below it, and what the field means.

use ratatui::style::Modifier;

use super::{Scene, typed};
use crate::explorer::draw::Pad;
use crate::explorer::form::{Field, Form, Pictures};
use crate::explorer::ui::Target;
use crate::text;

/// Columns of the labels, with the mark before them.
const LABEL: u16 = 14;
/// Lines for what the field under the cursor means, where there is little room.
const ABOUT: u16 = 3;

/// The same, where there is more.
const ROOMY: u16 = 7;

/// Lines that are said of a field at most.
const LINES: usize = 3;

/// A line of the form.
enum Row {
    Field(Field),
    /// What is wrong, or known.
    Words(String, bool),
}

pub fn draw(pad: &mut Pad, scene: &Scene) {
    let form = &scene.ui.form;
    pad.clear();
    let note = if form.starting { "starting …".into() } else { format!("in {}", text::sanitize(scene.folder)) };
    let mut inner = pad.panel("new run", &note, true);
    let (w, h) = (inner.width(), inner.height());
    let room = w.saturating_sub(LABEL + 1);
    // What is said of the other fields is whole where there is room.
    let whole = rows(form, room, true);
    let rows = if whole.len() + usize::from(ROOMY) <= usize::from(h) { whole } else { rows(form, room, false) };
    let least = ABOUT.min(h / 3);
    let room = usize::from(h - least).min(rows.len());
    let at = rows.iter().position(|r| matches!(r, Row::Field(f) if *f == form.field())).unwrap_or(0);
    // What is said of the field stays in sight with it.
    let end = rows.iter().skip(at + 1).take_while(|r| matches!(r, Row::Words(..))).count() + at + 1;
    let first = end.saturating_sub(room).min(at);
    for (y, row) in rows.iter().skip(first).take(room).enumerate() {
        line(&mut inner, scene, row, y as u16);
    }
    let top = room as u16;
    about(&mut inner.sub(0, top, w, h - top), scene);
}

fn rows(form: &Form, room: u16, whole: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for field in Field::ALL {
        rows.push(Row::Field(field));
        let said: Vec<(String, bool)> = match (form.wrong(field), field) {
            (Some(why), _) => vec![(why.to_string(), true)],
            (None, Field::Data) => match &form.pictures {
                Pictures::Looking if form.types_folder() => {
                    vec![("tab completes; the folder is looked at when you leave the field".into(), false)]
                }
                Pictures::Looking => vec![("looking …".into(), false)],
                Pictures::Found(words, _) => vec![(words.clone(), false)],
                Pictures::Wrong(words) => vec![(words.clone(), true)],
            },
            (None, _) => form.note(field).map(|n| (n.to_string(), false)).into_iter().collect(),
        };
        for (words, wrong) in said {
            let here = field == form.field();
            // Two columns less beside the mark of a mistake.
            let lines = text::wrap(&text::sanitize(&words), room.saturating_sub(2));
            // Elsewhere a line says enough, and where it is cut off that is seen.
            if here || whole || lines.len() == 1 {
                let marked = |(i, l): (usize, String)| match (wrong, i) {
                    (true, 0) => format!("! {l}"),
                    (true, _) => format!("  {l}"),
                    (false, _) => l,
                };
                let cut = lines.len() > LINES;
                let mut shown: Vec<String> = lines.into_iter().take(LINES).enumerate().map(marked).collect();
                if let (true, Some(last)) = (cut, shown.last_mut()) {
                    *last = text::fit(last, room.saturating_sub(2)).trim_end_matches('…').trim_end().to_string() + " …";
                }
                rows.extend(shown.into_iter().map(|l| Row::Words(l, wrong)));
            } else {
                let mark = if wrong { "! " } else { "" };
                rows.push(Row::Words(text::fit(&format!("{mark}{}", text::sanitize(&words)), room), wrong));
            }
        }
    }
    rows
}

fn line(pad: &mut Pad, scene: &Scene, row: &Row, y: u16) {
    let (form, w) = (&scene.ui.form, pad.width());
    let (dim, plain, warning) = (pad.theme.dim(), pad.theme.plain(), pad.theme.warning());
    let (accent, strong) = (pad.theme.accent().add_modifier(Modifier::BOLD), pad.theme.strong());
    match row {
        Row::Words(words, wrong) => {
            pad.fitted(LABEL, y, w.saturating_sub(LABEL), words, if *wrong { warning } else { dim });
        }
        Row::Field(field) => {
            let at = *field as usize;
            let here = at == form.at;
            scene.hits.add(pad.area_of(0, y, w, 1), Target::Field(at));
            if here {
                pad.put(1, y, '▸', accent);
            }
            pad.text(3, y, field.title(), if here { accent } else { dim });
            let entry = form.entry(*field);
            let room = w.saturating_sub(LABEL + 1);
            if here && !form.starting {
                typed::draw(pad, LABEL, y, room, &entry.typed, plain);
                return;
            }
            let usual = form.usual(*field);
            let (words, style) = match (entry.typed.trim(), field) {
                ("", Field::Name) => ("made up", dim),
                ("", _) if usual.is_empty() => ("—", dim),
                ("", _) => (usual.as_str(), dim),
                (text, _) if entry.own => (text, strong),
                (text, _) => (text, plain),
            };
            pad.fitted(LABEL, y, room, &text::sanitize(words), style);
        }
    }
}

/// Why nothing was started; else what there is to choose from, and what the field means.
fn about(pad: &mut Pad, scene: &Scene) {
    let form = &scene.ui.form;
    let field = form.field();
    if pad.height() == 0 {
        return;
    }
    let mut inner = pad.panel(field.title(), "", false);
    let (w, h) = (inner.width(), inner.height());
    let (dim, plain, warning) = (inner.theme.dim(), inner.theme.plain(), inner.theme.warning());
    let mut lines: Vec<(String, ratatui::style::Style)> = Vec::new();
    let room = w.saturating_sub(2).min(96);
    if let Some(why) = &form.refused {
        let words = format!("Not started: {}", text::sanitize(why));
        lines.extend(text::wrap(&words, room).into_iter().map(|l| (l, warning)));
    }
    if !form.choices.is_empty() {
        let shown = form.choices.iter().map(|c| text::sanitize(c)).collect::<Vec<_>>().join("  ");
        let most = usize::from((h / 2).max(1));
        let all = text::wrap(&shown, room);
        let cut = all.len() > most;
        lines.extend(all.into_iter().take(most).map(|l| (l, plain)));
        if let (true, Some((last, _))) = (cut, lines.last_mut()) {
            *last = text::fit(&format!("{last}  …"), room);
        }
    }
    lines.extend(text::wrap(&field.meaning(), room).into_iter().map(|l| (l, dim)));
    for (y, (words, style)) in lines.iter().take(usize::from(h)).enumerate() {
        let cut = y + 1 == usize::from(h) && y + 1 < lines.len();
        let words = if cut { text::fit(&format!("{words} …………"), room) } else { words.clone() };
        let words = if cut { words.trim_end_matches('…').trim_end().to_string() + " …" } else { words };
        inner.fitted(1, y as u16, w.saturating_sub(2), &words, *style);
    }
}
