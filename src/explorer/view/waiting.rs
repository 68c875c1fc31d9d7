//! A run that is open and has not said anything yet: it waits for its turn, begins, or was never begun.

use super::Scene;
use crate::explorer::action::Action;
use crate::explorer::draw::Pad;
use crate::run::status::Status;
use crate::text;

pub fn draw(pad: &mut Pad, scene: &Scene) {
    let name = scene.ui.opened.as_deref().unwrap_or("this run");
    let key = |action| scene.keymap.of(action);
    let (stop, resume, runs) = (key(Action::Stop), key(Action::Resume), key(Action::ShowRuns));
    let (log, quit) = (key(Action::ShowLog), key(Action::Quit));
    let resumes = format!("{resume} starts it now; {runs} shows the other runs.");
    let ended = scene.state.ended.as_ref();
    let lines: Vec<String> = if scene.ui.missing {
        vec![format!("{name} is gone: its folder was deleted or moved."), format!("{runs} shows the other runs.")]
    } else if let Some(ended) = ended {
        let detail =
            if ended.detail.is_empty() { String::new() } else { format!(" {}", text::sanitize(&ended.detail)) };
        vec![format!("{name} {}{detail}: it has not begun.", scene.state.status()), resumes]
    } else {
        match &scene.ui.stands {
            Some(Status::Queued(behind)) => vec![
                format!("{name} is queued, {}: it begins by itself when its turn comes.", text::sanitize(behind)),
                format!("{stop} takes it out of the queue. {quit} closes this window; the run stays in the queue."),
                format!("{runs} shows the other runs, {log} what was said so far."),
            ],
            Some(Status::New) => vec![format!("{name} was made and never started."), resumes],
            Some(Status::Crashed(words)) => vec![
                format!("{name} crashed before it began: {}.", text::sanitize(words).trim_end_matches('.')),
                resumes,
            ],
            Some(other) if other.has_engine() => {
                let detail = other.detail().map_or_else(String::new, |d| format!(" ({})", text::sanitize(d)));
                vec![
                    format!("{name} is starting{detail}: it reads its data and will show its first numbers here."),
                    format!("{log} shows what was said so far."),
                ]
            }
            Some(other) => {
                let detail = other.detail().map_or_else(String::new, |d| format!(": {}", text::sanitize(d)));
                vec![format!("{name} is {}{detail}.", other.word()), resumes]
            }
            None => vec![format!("Reading {name}.")],
        }
    };
    let word = scene.ui.stands.as_ref().map_or("", |s| s.word());
    let mut inner = pad.panel(name, if ended.is_some() { "" } else { word }, true);
    let (w, h) = (inner.width(), inner.height());
    let (plain, dim) = (inner.theme.plain(), inner.theme.dim());
    let mut y = 1;
    for (i, words) in lines.iter().enumerate() {
        for line in text::wrap(words, w.saturating_sub(4).min(86)) {
            if y < h {
                inner.text(2, y, &line, if i == 0 { plain } else { dim });
            }
            y += 1;
        }
        y += 1;
    }
}
