//! What the run's cut and cell are worth by a table of accuracies (`truth.table`). Judged on a thread of its own: keys are heard
//! meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::state::State;
use crate::space::{Genotype, Mask, Space, built_in};
use crate::text;
use crate::truth::{Audit, Cells, Scores, Table, Truth, audit};

/// A table, and its column of accuracies where it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accuracies {
    pub table: PathBuf,
    pub column: Option<String>,
}

impl Accuracies {
    /// Of the run's settings.
    fn of(state: &State) -> Option<Accuracies> {
        let set = &state.config.as_ref()?.truth;
        let column = Some(set.column.clone()).filter(|c| !c.is_empty());
        (!set.table.is_empty()).then(|| Accuracies { table: PathBuf::from(&set.table), column })
    }
}

/// What is known of it.
#[derive(Clone, Debug)]
pub enum Judged {
    Reading,
    Known(Box<Audit>),
    /// Why it can't be.
    Failed(String),
}

/// A cut and a cell to be judged, and the scores that are known.
#[derive(Clone)]
pub struct Question {
    accuracies: Accuracies,
    mask: Mask,
    found: Option<Genotype>,
    scores: Scores,
}

impl Question {
    /// None where no table is named, or there is neither a cut nor a cell yet. What the person names comes before what the run does.
    pub fn of(state: &State, named: Option<&Accuracies>) -> Option<Question> {
        let accuracies = named.cloned().or_else(|| Accuracies::of(state))?;
        let found = state.found.as_ref().map(|f| f.genotype.clone());
        let cut = state.cut.cut.as_ref().map(|c| c.mask);
        // A training has no cut: its cell is judged among all of its space, which need not be that of the settings.
        let mask = cut.or_else(|| found.as_ref().map(|genotype| space_of(genotype, state.space()).full()))?;
        Some(Question { accuracies, mask, found, scores: scores(state) })
    }

    fn same(&self, other: &Question) -> bool {
        let names = |q: &Question| q.scores.names.len();
        (&self.accuracies, &self.mask, &self.found, names(self))
            == (&other.accuracies, &other.mask, &other.found, names(other))
    }

    /// The answer, read anew.
    pub fn answer(&self) -> Judged {
        Reader::default().answer(self)
    }
}

/// The space that a genotype is of: this one, else the built-in one of its kind.
fn space_of(genotype: &Genotype, space: Space) -> Space {
    let mut all = std::iter::once(space).chain(built_in());
    all.find(|space| genotype.check_in(*space).is_ok()).unwrap_or(space)
}

/// Means of the first round, in which every operation took part.
fn scores(state: &State) -> Scores {
    let Some(round) = state.score.of_round(0).filter(|r| r.ended) else { return Scores::default() };
    let names = state.score.setup.as_ref().map_or_else(Vec::new, |s| s.functions.clone());
    let numbers = |place| {
        let known = round.summary(place)?;
        Some((place, known.by_function.iter().chain([&known.mean]).map(|n| n.0).collect()))
    };
    let places = state.space().places().filter_map(numbers).collect();
    Scores { names: names.into_iter().chain(["together".to_string()]).collect(), places }
}

/// A table that was read for a space, or why it can't be.
struct Known {
    accuracies: Accuracies,
    space: Space,
    read: Result<(Cells, Table, Truth), String>,
}

/// Keeps the table that it has read.
#[derive(Default)]
struct Reader(Option<Known>);

impl Reader {
    fn answer(&mut self, asked: &Question) -> Judged {
        let space = asked.mask.space();
        // A file that could not be read may be there now.
        let same = |known: &Known| known.accuracies == asked.accuracies && known.space == space && known.read.is_ok();
        if !self.0.as_ref().is_some_and(same) {
            let cells = Cells::of(space);
            let read = Table::read(&asked.accuracies.table, &cells, asked.accuracies.column.as_deref());
            let read = read.and_then(|table| Truth::of(&cells, &table, SEED).map(|truth| (cells, table, truth)));
            let read = read.map_err(|e| text::sanitize(&e.to_string()));
            self.0 = Some(Known { accuracies: asked.accuracies.clone(), space, read });
        }
        match self.0.as_ref().map(|known| &known.read) {
            Some(Ok((cells, table, truth))) => {
                match audit(cells, table, truth, &asked.mask, asked.found.as_ref(), &asked.scores, SEED) {
                    Ok(audit) => Judged::Known(Box::new(audit)),
                    Err(e) => Judged::Failed(text::sanitize(&e.to_string())),
                }
            }
            Some(Err(e)) => Judged::Failed(e.clone()),
            None => Judged::Reading,
        }
    }
}

/// That of `zonas audit`.
const SEED: u64 = 0;

/// The thread, and its latest word.
pub struct Judge {
    asks: Sender<Question>,
    told: Receiver<Judged>,
    asked: Option<Question>,
    open: usize,
    judged: Option<Judged>,
}

impl Judge {
    pub fn new() -> Judge {
        let (asks, asked) = channel::<Question>();
        let (tell, told) = channel();
        let _ = std::thread::Builder::new().name("judge".into()).spawn(move || {
            let mut reader = Reader::default();
            for question in asked {
                let answer = catch_unwind(AssertUnwindSafe(|| reader.answer(&question)))
                    .unwrap_or_else(|_| Judged::Failed("judging by the table broke down".into()));
                if tell.send(answer).is_err() {
                    return;
                }
            }
        });
        Judge { asks, told, asked: None, open: 0, judged: None }
    }

    /// Asks, if the question is another one than before; whether there is something new to show.
    pub fn ask(&mut self, question: Option<Question>) -> bool {
        let mut news = false;
        while let Ok(answer) = self.told.try_recv() {
            self.open -= 1;
            if self.open == 0 {
                (self.judged, news) = (Some(answer), true);
            }
        }
        let same = match (&self.asked, &question) {
            (Some(a), Some(b)) => a.same(b),
            (None, None) => true,
            _ => false,
        };
        // One at a time: of many changes only the last is judged.
        if same || self.open > 0 {
            return news;
        }
        self.judged = match &question {
            Some(q) if self.asks.send(q.clone()).is_ok() => {
                self.open += 1;
                // Numbers of the cut before are no numbers of this one.
                Some(Judged::Reading)
            }
            Some(_) => Some(Judged::Failed("this can't be judged: the system gives no more threads".into())),
            None => None,
        };
        self.asked = question;
        true
    }

    pub fn judged(&self) -> Option<&Judged> {
        self.judged.as_ref()
    }
}
