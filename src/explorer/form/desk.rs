//! What a form needs files for, on threads: its checks, its completions, and a look at the pictures that it names.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::check::expanded;
use super::complete::complete;
use super::{Answer, Completion, Field, Pictures, Question};
use crate::data;
use crate::engine::plan::{DataShape, reading};
use crate::run::config::Config;

/// Pictures are looked at when nothing has been typed for so long.
const QUIET: Duration = Duration::from_millis(300);
/// Looks at pictures at a time: a folder on a slow disk may take minutes.
const LOOKS: usize = 3;

/// What has come of a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Checked(u64, Box<Answer>),
    /// Of the pictures that were named so.
    Pictures(String, Pictures),
    /// What a field's text may become, which was so.
    Completed(Field, String, Completion),
}

enum Ask {
    Check(Box<Question>),
    Complete(Field, String, bool),
}

/// Pictures as they are named.
#[derive(Clone)]
struct Named {
    source: String,
    /// How often the name was changed.
    changed: u64,
    /// The settings that they are read by.
    config: Box<Config>,
}

impl Named {
    /// Whether another look would find the same.
    fn is(&self, other: &Named) -> bool {
        let read = |n: &Named| (n.config.seed, n.config.data.clone());
        (&self.source, self.changed) == (&other.source, other.changed) && read(self) == read(other)
    }
}

/// The threads.
pub struct Desk {
    asks: Sender<Ask>,
    replies: Receiver<Reply>,
}

impl Desk {
    /// `runs`: where new runs are made.
    pub fn new(runs: &Path) -> Desk {
        let (asks, asked) = channel();
        let (tell, replies) = channel();
        let (name, named) = channel();
        let (own, runs) = (tell.clone(), runs.to_path_buf());
        // Without threads nothing is checked, and nothing is started.
        let _ = std::thread::Builder::new().name("form".into()).spawn(move || answer(&asked, &tell, &name, runs));
        let _ = std::thread::Builder::new().name("pictures".into()).spawn(move || look(&named, &own));
        Desk { asks, replies }
    }

    pub fn ask(&self, question: Question) {
        let _ = self.asks.send(Ask::Check(Box::new(question)));
    }

    pub fn complete(&self, field: Field, text: String, back: bool) {
        let _ = self.asks.send(Ask::Complete(field, text, back));
    }

    pub fn next(&self) -> Option<Reply> {
        self.replies.try_recv().ok()
    }
}

fn answer(asked: &Receiver<Ask>, tell: &Sender<Reply>, pictures: &Sender<Named>, runs: PathBuf) {
    let mut before: Option<Named> = None;
    while let Ok(ask) = asked.recv() {
        let mut all = vec![ask];
        all.extend(asked.try_iter());
        // Of several checks only the last is of what is typed now.
        let last = all.iter().rposition(|a| matches!(a, Ask::Check(_)));
        for (i, ask) in all.into_iter().enumerate() {
            let reply = match ask {
                Ask::Check(question) if Some(i) == last => {
                    let answer = question.answer(&runs);
                    let now = named(&question, &answer, &before);
                    if let Some(now) = now.filter(|now| !before.as_ref().is_some_and(|before| before.is(now))) {
                        before = Some(now.clone());
                        let _ = pictures.send(now);
                    }
                    Reply::Checked(question.revision, Box::new(answer))
                }
                Ask::Check(_) => continue,
                Ask::Complete(field, text, back) => {
                    let found = complete(field, &text, back);
                    Reply::Completed(field, text, found)
                }
            };
            if tell.send(reply).is_err() {
                return;
            }
        }
    }
}

/// The pictures to be looked at: not a folder that is still being typed.
fn named(question: &Question, answer: &Answer, before: &Option<Named>) -> Option<Named> {
    let source = question.texts[Field::Data as usize].clone();
    let source = if source.is_empty() { "embedded".to_string() } else { source };
    let typing = question.typing == Field::Data && source.ends_with('/');
    let config = answer.wanted.as_ref().map(|w| w.config.clone());
    // While something is wrong, as they were last.
    let config = config.or_else(|| before.as_ref().map(|b| b.config.clone())).unwrap_or_default();
    (!typing).then_some(Named { source, changed: question.named, config })
}

/// Looks at pictures once they have been named for a while.
fn look(named: &Receiver<Named>, tell: &Sender<Reply>) {
    let busy = Arc::new(AtomicUsize::new(0));
    let mut next: Option<Named> = None;
    loop {
        let wait = if next.is_some() { QUIET } else { Duration::from_secs(3600) };
        match named.recv_timeout(wait) {
            Ok(now) => {
                let _ = tell.send(Reply::Pictures(now.source.clone(), Pictures::Looking));
                next = Some(now);
            }
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                if busy.load(Ordering::SeqCst) >= LOOKS {
                    continue;
                }
                let Some(Named { source, config, .. }) = next.take() else { continue };
                let (tell, busy) = (tell.clone(), busy.clone());
                busy.fetch_add(1, Ordering::SeqCst);
                let looking = std::thread::Builder::new().name("look".into()).spawn({
                    let busy = busy.clone();
                    move || {
                        let found = looked(&source, &config);
                        busy.fetch_sub(1, Ordering::SeqCst);
                        let _ = tell.send(Reply::Pictures(source, found));
                    }
                });
                if looking.is_err() {
                    busy.fetch_sub(1, Ordering::SeqCst);
                }
            }
        }
    }
}

/// What `zonas doctor` says of them.
pub(super) fn looked(source: &str, config: &Config) -> Pictures {
    let place = if source == "embedded" { source.to_string() } else { expanded(source) };
    match data::open(&place, &reading(config, None)) {
        Ok(set) => Pictures::Found(set.summary().to_string(), DataShape::of(set.summary())),
        Err(e) => Pictures::Wrong(e.to_string()),
    }
}
