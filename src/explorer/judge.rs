//! What the run's cut and cell are worth by a table of accuracies (`truth.table`). Judged on a thread of its own: keys are heard
//! meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::state::{Round, State};
use crate::space::{Genotype, Mask, Space};
use crate::text;
use crate::truth::{Audit, Cells, SEED, Scores, Table, Truth, audit, read};

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

/// A cut and a cell to be judged.
#[derive(Clone, PartialEq)]
pub struct Question {
    accuracies: Accuracies,
    mask: Mask,
    found: Option<Genotype>,
    /// Whether the first round is there to be judged too.
    scored: bool,
}

impl Question {
    /// None where no table is named, or there is neither a cut nor a cell yet. What the person names comes before what the run does.
    pub fn of(state: &State, named: Option<&Accuracies>) -> Option<Question> {
        let accuracies = named.cloned().or_else(|| Accuracies::of(state))?;
        let found = state.found.as_ref().map(|f| f.genotype.clone());
        let cut = state.cut.cut.as_ref().map(|c| c.mask);
        // A training has no cut: its cell is judged among all of its space, which need not be that of the settings.
        let mask = cut.or_else(|| found.as_ref().map(|genotype| genotype.space_among(state.space()).full()))?;
        Some(Question { accuracies, mask, found, scored: first_round(state).is_some() })
    }

    /// The answer, read anew.
    pub fn answer(&self, state: &State) -> Judged {
        Reader::default().answer(self, &scores(state))
    }
}

/// In which every operation took part, once it is whole.
fn first_round(state: &State) -> Option<&Round> {
    state.score.of_round(0).filter(|r| r.ended)
}

/// Means of the first round.
fn scores(state: &State) -> Scores {
    let Some(round) = first_round(state) else { return Scores::default() };
    let names = state.score.setup.as_ref().map_or_else(Vec::new, |s| s.functions.clone());
    let numbers = |place| {
        let known = round.summary(place)?;
        Some((place, known.by_function.iter().map(|n| n.0).collect(), known.mean.0))
    };
    Scores::with_sum(names, state.space().places().filter_map(numbers))
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
    fn answer(&mut self, asked: &Question, scores: &Scores) -> Judged {
        let space = asked.mask.space();
        // A file that could not be read may be there now.
        let same = |known: &Known| known.accuracies == asked.accuracies && known.space == space && known.read.is_ok();
        if !self.0.as_ref().is_some_and(same) {
            let read = read(&asked.accuracies.table, asked.accuracies.column.as_deref(), space, SEED);
            let read = read.map_err(|e| text::sanitize(&e.to_string()));
            self.0 = Some(Known { accuracies: asked.accuracies.clone(), space, read });
        }
        match self.0.as_ref().map(|known| &known.read) {
            Some(Ok((cells, table, truth))) => {
                match audit(cells, table, truth, &asked.mask, asked.found.as_ref(), scores, SEED) {
                    Ok(audit) => Judged::Known(Box::new(audit)),
                    Err(e) => Judged::Failed(text::sanitize(&e.to_string())),
                }
            }
            Some(Err(e)) => Judged::Failed(e.clone()),
            None => Judged::Reading,
        }
    }
}

/// The thread, and its latest word.
pub struct Judge {
    asks: Sender<(Question, Scores)>,
    told: Receiver<Judged>,
    asked: Option<Question>,
    /// A question is not answered yet.
    open: bool,
    judged: Option<Judged>,
}

impl Judge {
    pub fn new() -> Judge {
        let (asks, asked) = channel::<(Question, Scores)>();
        let (tell, told) = channel();
        // Without a thread nothing is judged, which is said when it is asked for.
        let _ = std::thread::Builder::new().name("judge".into()).spawn(move || {
            let mut reader = Reader::default();
            for (question, scores) in asked {
                let answer = catch_unwind(AssertUnwindSafe(|| reader.answer(&question, &scores)))
                    .unwrap_or_else(|_| Judged::Failed("judging by the table broke down".into()));
                if tell.send(answer).is_err() {
                    return;
                }
            }
        });
        Judge { asks, told, asked: None, open: false, judged: None }
    }

    /// Asks of this state, if the question is another one than before; whether there is something new to show.
    pub fn ask(&mut self, state: &State, named: Option<&Accuracies>) -> bool {
        let mut news = false;
        if let Ok(answer) = self.told.try_recv() {
            (self.judged, self.open, news) = (Some(answer), false, true);
        }
        let question = Question::of(state, named);
        // One at a time: of many changes only the last is judged.
        if self.open || self.asked == question {
            return news;
        }
        self.judged = question.as_ref().map(|question| {
            self.open = self.asks.send((question.clone(), scores(state))).is_ok();
            match self.open {
                // Numbers of the cut before are no numbers of this one.
                true => Judged::Reading,
                false => Judged::Failed("this can't be judged: the system gives no more threads".into()),
            }
        });
        self.asked = question;
        true
    }

    pub fn judged(&self) -> Option<&Judged> {
        self.judged.as_ref()
    }
}
