//! What lies over a screen: choices, help, lists of commands and warnings, and text that is typed.

use super::{Effect, Typed, Ui};
use crate::explorer::action::{ACTIONS, Action, Context};
use crate::explorer::form::Wish;
use crate::explorer::state::State;
use crate::proxies::aggregate::Aggregate;
use crate::run::command::{Body, Edit};
use crate::space::cut::Source;
use crate::space::{By, Stacking};
use crate::text;

/// A choice that lies over the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Menu {
    Confirm,
    Controls,
    /// What the cut goes by.
    By,
    Train,
    Quit,
    Abort,
    /// The run that [`Ui::about`] names.
    Delete,
}

/// What a line of a menu does.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    Nothing,
    Send(Body),
    /// Leave; the run goes on elsewhere, or there is none.
    Leave,
    /// Send the command, and leave when the engine has accepted it.
    LeaveAfter(Body),
    /// Controls from these sources, as runs of their own.
    Queue(Vec<Source>),
    /// Train the genotype with this preset's settings.
    Train(&'static str),
    /// Delete the run of this name.
    Remove(String),
}

/// What text is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Filter,
    Budget,
    /// Columns of the list of runs.
    Columns,
    /// Of the run that [`Ui::about`] names.
    Note,
    Tags,
    /// Words to look for in the help.
    Help,
}

/// A dialogue.
#[derive(Clone, Debug, PartialEq)]
pub enum Overlay {
    Help {
        scroll: usize,
    },
    Warnings {
        scroll: usize,
    },
    Menu {
        menu: Menu,
        cursor: usize,
    },
    Palette {
        typed: Typed,
        cursor: usize,
    },
    Prompt {
        asked: Asked,
        typed: Typed,
    },
    /// A new run: its fields are in [`Ui::form`].
    Form,
}

impl Overlay {
    pub const fn context(&self) -> Context {
        match self {
            Overlay::Help { .. } | Overlay::Warnings { .. } => Context::Help,
            Overlay::Menu { .. } => Context::Menu,
            Overlay::Palette { .. } | Overlay::Prompt { .. } => Context::Text,
            Overlay::Form => Context::Form,
        }
    }
}

/// Most lines that a text is scrolled.
const FARTHEST: usize = 1000;

impl Ui {
    /// The lines of a menu.
    pub fn choices(&self, menu: Menu, state: &State) -> Vec<(String, Choice)> {
        let control = |source: Source| Choice::Send(Body::Cut(Edit::Source { source: source.to_string() }));
        match menu {
            Menu::Confirm => vec![
                ("start the search".into(), Choice::Send(Body::Confirm { revision: Some(state.cut.revision()) })),
                ("go on editing".into(), Choice::Nothing),
            ],
            Menu::Controls => {
                let cut = [
                    ("cut by the scores", Source::Scores),
                    ("cut at random, to equal size", Source::Random),
                    ("cut to the cheapest by memory", Source::Cheapest),
                    ("cut to the most parameters", Source::MostParameters),
                ];
                let queue = [
                    ("queue a run: random, of equal size", vec![Source::Random]),
                    ("queue a run: the cheapest by memory", vec![Source::Cheapest]),
                    ("queue a run: the most parameters", vec![Source::MostParameters]),
                    (
                        "queue all three, one after the other",
                        vec![Source::Random, Source::Cheapest, Source::MostParameters],
                    ),
                ];
                let cut = cut.into_iter().filter(|_| !state.cut.confirmed);
                let cut = cut.map(|(title, source)| (title.to_string(), control(source)));
                cut.chain(queue.map(|(title, sources)| (title.to_string(), Choice::Queue(sources)))).collect()
            }
            Menu::By => by(state),
            Menu::Train => {
                let size = |name: &'static str| {
                    let t = crate::run::preset(name).unwrap_or_default().train;
                    let words = format!(
                        "{name}: {} channels, {} cells, batch {}, {} epochs",
                        t.channels, t.cells, t.batch, t.epochs
                    );
                    (words, Choice::Train(name))
                };
                // Of the genotype's own kind of network.
                let sizes = match state.genotype().map(|g| g.stacking) {
                    Some(Stacking::NasBench201) => ["nas_bench_201_demo", "nas_bench_201"],
                    _ => ["demo", "darts"],
                };
                let cancel = ("cancel".into(), Choice::Nothing);
                sizes.map(size).into_iter().chain([cancel]).collect()
            }
            Menu::Quit => vec![
                ("detach: leave it running".into(), Choice::Leave),
                ("stop after this epoch or round, with a checkpoint".into(), Choice::LeaveAfter(Body::Stop)),
                ("abort at once".into(), Choice::LeaveAfter(Body::Abort)),
                ("cancel".into(), Choice::Nothing),
            ],
            Menu::Abort => {
                vec![("cancel".into(), Choice::Nothing), ("abort at once".into(), Choice::Send(Body::Abort))]
            }
            Menu::Delete => vec![
                ("cancel".into(), Choice::Nothing),
                ("delete it with all its files".into(), Choice::Remove(self.about.clone())),
            ],
        }
    }

    /// A character or a deletion while text is typed; false where none is.
    pub fn typed(&mut self, c: Option<char>) -> bool {
        if let (Some(Overlay::Form), Some(c)) = (&self.overlay, c) {
            self.form.insert(c);
            return true;
        }
        let (Some(Overlay::Palette { typed, .. }) | Some(Overlay::Prompt { typed, .. })) = &mut self.overlay else {
            return false;
        };
        match c {
            Some(c) => typed.insert(c),
            None => typed.backspace(),
        }
        self.after_typing()
    }

    /// Changes what was typed; false where nothing is.
    pub fn retyped(&mut self, change: impl FnOnce(&mut Typed)) -> bool {
        let (Some(Overlay::Palette { typed, .. }) | Some(Overlay::Prompt { typed, .. })) = &mut self.overlay else {
            return false;
        };
        change(typed);
        self.after_typing()
    }

    fn after_typing(&mut self) -> bool {
        let (Some(Overlay::Palette { typed, .. }) | Some(Overlay::Prompt { typed, .. })) = &self.overlay else {
            return false;
        };
        let now = typed.to_string();
        match &mut self.overlay {
            Some(Overlay::Palette { cursor, .. }) => *cursor = 0,
            // A filter works while it is typed.
            Some(Overlay::Prompt { asked: Asked::Filter, .. }) => self.set_filter(now),
            Some(Overlay::Prompt { asked: Asked::Help, .. }) => self.wanted = now,
            _ => {}
        }
        true
    }

    fn set_filter(&mut self, filter: String) {
        let slot = self.filter_slot();
        self.filters[slot] = filter;
        (self.runs, self.log_scroll) = (0, 0);
    }

    pub(super) fn in_dialogue(&mut self, action: Action, state: &State) -> Option<Effect> {
        let overlay = self.overlay.take()?;
        let page = self.page;
        let scrolled = |scroll: usize| match action {
            Action::Up => scroll.saturating_sub(1),
            Action::Down => (scroll + 1).min(FARTHEST),
            Action::PageUp => scroll.saturating_sub(page),
            Action::PageDown => (scroll + page).min(FARTHEST),
            Action::First => 0,
            Action::Last => FARTHEST,
            _ => scroll,
        };
        let stepped = |cursor: usize, count: usize| match action {
            Action::Up => cursor.saturating_sub(1),
            Action::Down => (cursor + 1).min(count.saturating_sub(1)),
            Action::First | Action::PageUp => 0,
            Action::Last | Action::PageDown => count.saturating_sub(1),
            _ => cursor,
        };
        match (overlay, action) {
            (Overlay::Prompt { asked: Asked::Filter, .. }, Action::No) => {
                self.set_filter(String::new());
                None
            }
            (Overlay::Prompt { asked: Asked::Help, .. }, Action::No) => {
                self.wanted.clear();
                self.open(Overlay::Help { scroll: 0 })
            }
            (Overlay::Prompt { asked: Asked::Help, .. }, Action::Yes) => self.open(Overlay::Help { scroll: 0 }),
            (Overlay::Help { .. }, Action::No) => {
                self.wanted.clear();
                None
            }
            (Overlay::Form, _) => match self.form.act(action) {
                Some(Wish::Close) => None,
                Some(Wish::Complete { field, text, back }) => {
                    self.overlay = Some(Overlay::Form);
                    Some(Effect::Complete { field, text, back })
                }
                None => self.open(Overlay::Form),
            },
            (_, Action::No) => None,
            (Overlay::Help { .. }, Action::Filter) => {
                let typed = Typed::from(&*self.wanted);
                self.open(Overlay::Prompt { asked: Asked::Help, typed })
            }
            (Overlay::Help { scroll }, _) => self.open(Overlay::Help { scroll: scrolled(scroll) }),
            (Overlay::Warnings { scroll }, _) => self.open(Overlay::Warnings { scroll: scrolled(scroll) }),
            (Overlay::Menu { menu, cursor }, Action::Yes) => {
                match self.choices(menu, state).into_iter().nth(cursor).map(|c| c.1) {
                    Some(Choice::Send(body)) => self.send(state, body),
                    Some(Choice::Leave) => Some(Effect::Leave),
                    Some(Choice::LeaveAfter(body)) => {
                        self.leaving = true;
                        Some(Effect::LeaveAfter(body))
                    }
                    Some(Choice::Queue(sources)) => {
                        state.cut.cut.as_ref().map(|cut| Effect::Queue { sources, beside: cut.mask })
                    }
                    Some(Choice::Train(preset)) => Some(Effect::Train(preset)),
                    Some(Choice::Remove(name)) => Some(Effect::Remove(name)),
                    Some(Choice::Nothing) | None => None,
                }
            }
            (Overlay::Menu { menu, cursor }, _) => {
                let count = self.choices(menu, state).len();
                self.open(Overlay::Menu { menu, cursor: stepped(cursor, count) })
            }
            (Overlay::Palette { typed, cursor }, Action::Yes) => {
                let row = self.offered(state, &typed).into_iter().nth(cursor)?;
                Some(Effect::Run(ACTIONS[row].action))
            }
            (Overlay::Palette { typed, cursor }, _) => {
                let count = self.offered(state, &typed).len();
                self.open(Overlay::Palette { typed, cursor: stepped(cursor, count) })
            }
            (Overlay::Prompt { asked: Asked::Budget, typed }, Action::Yes) => self.take_budget(&typed, state),
            (Overlay::Prompt { asked: Asked::Filter, .. }, Action::Yes) => None,
            (Overlay::Prompt { asked: Asked::Columns, typed }, Action::Yes) => self.take_columns(typed),
            (Overlay::Prompt { asked: Asked::Note, typed }, Action::Yes) => {
                Some(Effect::Note { name: self.about.clone(), note: typed.to_string() })
            }
            (Overlay::Prompt { asked: Asked::Tags, typed }, Action::Yes) => {
                Some(Effect::Tags { name: self.about.clone(), tags: typed.to_string() })
            }
            (prompt @ Overlay::Prompt { .. }, _) => self.open(prompt),
        }
    }

    fn take_budget(&mut self, typed: &str, state: &State) -> Option<Effect> {
        if typed.trim().is_empty() {
            return None;
        }
        let Some(bytes) = text::parse_bytes(typed) else {
            self.say("give the budget as a number with its unit, as in 1.5 GiB or 800 MiB");
            return None;
        };
        self.send(state, Body::Cut(Edit::Budget { bytes }))
    }
}

/// What the cut can go by: the run's own sum, each function, other sums, and controls.
fn by(state: &State) -> Vec<(String, Choice)> {
    let own = state.score.aggregate();
    let names = state.score.setup.as_ref().map_or_else(Vec::new, |s| s.functions.clone());
    let with = |functions: Vec<String>, aggregate: Option<String>| Edit::By(By { functions, aggregate });
    let mut all: Vec<(String, Edit)> = Vec::new();
    if state.cut.cut.as_ref().is_some_and(|c| !c.unscored) {
        all.push((format!("the scores, as the run does: {own}"), Edit::By(By::default())));
        if names.len() > 1 {
            all.extend(
                names.into_iter().map(|name| (format!("{} alone", text::sanitize(&name)), with(vec![name], None))),
            );
            let others = Aggregate::ALL.into_iter().filter(|a| *a != own);
            all.extend(others.map(|a| (format!("the scores, as {a}"), with(Vec::new(), Some(a.to_string())))));
        }
    }
    let control = |source: Source| Edit::Source { source: source.to_string() };
    all.push(("a control: at random".into(), control(Source::Random)));
    all.push(("a control: the cheapest by memory".into(), control(Source::Cheapest)));
    all.push(("a control: the most parameters".into(), control(Source::MostParameters)));
    all.into_iter().map(|(title, edit)| (title, Choice::Send(Body::Cut(edit)))).collect()
}
