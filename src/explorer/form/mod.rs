//! The fields of a new run: what is typed in them, what is wrong with it, and how keys change it. Whatever needs a file is
//! asked of a [`Desk`], so that typing never waits.

mod check;
mod complete;
mod desk;
#[cfg(test)]
mod tests;

pub use check::{Answer, Question, Wanted};
pub use complete::Completion;
pub use desk::{Desk, Reply};

use super::action::Action;
use super::keymap::Key;
use super::ui::Typed;
use crate::engine::plan::DataShape;
use crate::run::config::{Config, KEYS, Key as Setting};
use crate::run::{PRESETS, preset};
use crate::space::cut::level_text;

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Preset,
    Data,
    Space,
    Functions,
    Seeds,
    Cut,
    Method,
    Device,
    /// Any other settings.
    Settings,
    Name,
}

impl Field {
    /// In the order of the screen.
    pub const ALL: [Field; 10] = [
        Field::Preset,
        Field::Data,
        Field::Space,
        Field::Functions,
        Field::Seeds,
        Field::Cut,
        Field::Method,
        Field::Device,
        Field::Settings,
        Field::Name,
    ];

    pub const fn title(self) -> &'static str {
        match self {
            Field::Preset => "preset",
            Field::Data => "data",
            Field::Space => "space",
            Field::Functions => "functions",
            Field::Seeds => "seeds",
            Field::Cut => "cut",
            Field::Method => "method",
            Field::Device => "device",
            Field::Settings => "settings",
            Field::Name => "name",
        }
    }

    /// The setting that it sets.
    const fn key(self) -> Option<&'static str> {
        match self {
            Field::Data => Some("data.source"),
            Field::Space => Some("space.name"),
            Field::Functions => Some("score.functions"),
            Field::Method => Some("search.method"),
            Field::Device => Some("device.kind"),
            Field::Preset | Field::Seeds | Field::Cut | Field::Settings | Field::Name => None,
        }
    }

    /// What it is, in a sentence or two.
    pub fn meaning(self) -> String {
        if let Some(key) = self.key() {
            let known: Option<&Setting<Config>> = KEYS.iter().find(|k| k.path() == key);
            return known.map_or_else(String::new, |k| format!("{}. {}", k.meaning.trim_end_matches('.'), k.help));
        }
        match self {
            Field::Preset => {
                let all: Vec<String> = PRESETS.iter().map(|(name, about)| format!("{name}: {about}")).collect();
                format!("What all other settings start from. {}.", all.join("; "))
            }
            Field::Seeds => "One seed, or several as 1..5 (one to five) or 1,2,7: a study of that many runs, each with its \
                             automatic cut, on the Study screen."
                .into(),
            Field::Cut => "The pruning level ξ, below 1: the share of each edge's operations that goes (0.5 keeps 4 of 8; 0 cuts \
                           nothing); or the bytes that the search may take, as 150MiB or 1.5GiB, spent as cut.by says. You see \
                           the cut and change it before the search begins."
                .into(),
            Field::Settings => "Any other settings, with blanks between them, as in search.batch=32 data.size=32; tab completes \
                                their names, `zonas config` lists them."
                .into(),
            Field::Name => "Name of the run, or of the study; empty: made up from the data and the time.".into(),
            _ => String::new(),
        }
    }
}

/// A field and what is typed in it.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub typed: Typed,
    /// It was changed by the person: another preset does not change it.
    pub own: bool,
}

/// What is known of the pictures that are named.
#[derive(Clone, Debug, PartialEq)]
pub enum Pictures {
    /// They are being looked at.
    Looking,
    /// In words, and what the size of a network depends on.
    Found(String, DataShape),
    Wrong(String),
}

/// The form of a new run.
#[derive(Clone, Debug)]
pub struct Form {
    entries: [Entry; Field::ALL.len()],
    pub at: usize,
    /// Counts changes, so that answers are known to be of what is typed now.
    revision: u64,
    asked: u64,
    /// The latest answer, and what it is of.
    answer: Option<(u64, Answer)>,
    pub pictures: Pictures,
    /// Counts changes of the pictures' name.
    named: u64,
    /// What tab has found for the field under the cursor.
    pub choices: Vec<String>,
    /// The run is to be started as soon as what is typed has been looked at.
    begin: bool,
    /// A run is being started.
    pub starting: bool,
    /// Why the last start failed.
    pub refused: Option<String>,
}

impl Default for Form {
    fn default() -> Form {
        let mut form = Form {
            entries: Default::default(),
            at: 1,
            revision: 1,
            asked: 0,
            answer: None,
            pictures: Pictures::Looking,
            named: 0,
            choices: Vec::new(),
            begin: false,
            starting: false,
            refused: None,
        };
        form.entries[0].typed = "darts".into();
        form.refill();
        form
    }
}

/// What an action in the form asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    Close,
    /// What the text of a field may become.
    Complete {
        field: Field,
        text: String,
        back: bool,
    },
}

impl Form {
    pub fn field(&self) -> Field {
        Field::ALL[self.at.min(Field::ALL.len() - 1)]
    }

    pub fn entry(&self, field: Field) -> &Entry {
        &self.entries[field as usize]
    }

    pub fn text(&self, field: Field) -> &str {
        self.entry(field).typed.trim()
    }

    /// The preset's value of a field.
    pub fn usual(&self, field: Field) -> String {
        let config = preset(self.text(Field::Preset)).unwrap_or_default();
        usual(&config, field)
    }

    /// Values of the preset, where the person has none of their own.
    fn refill(&mut self) {
        let Some(config) = preset(self.text(Field::Preset)) else { return };
        for field in Field::ALL.into_iter().skip(1) {
            let entry = &mut self.entries[field as usize];
            if !entry.own {
                entry.typed.set(&usual(&config, field));
            }
        }
    }

    fn changed(&mut self) {
        let field = self.field();
        let usual = self.usual(field);
        let entry = &mut self.entries[field as usize];
        entry.own = field == Field::Preset || *entry.typed != *usual && !entry.typed.trim().is_empty();
        (self.begin, self.refused) = (false, None);
        self.choices.clear();
        self.revision += 1;
        if field == Field::Data {
            (self.pictures, self.named) = (Pictures::Looking, self.named + 1);
        }
        if field == Field::Preset {
            self.refill();
        }
    }

    /// A key that is typed into the field under the cursor.
    pub fn key(&mut self, key: Key) -> bool {
        let before = self.entries[self.at].typed.to_string();
        let heard = self.entries[self.at].typed.key(key);
        if *self.entries[self.at].typed != *before {
            self.changed();
        }
        heard
    }

    /// A character that is pasted.
    pub fn insert(&mut self, c: char) {
        self.entries[self.at].typed.insert(c);
        self.changed();
    }

    /// Another text in a field.
    #[cfg(test)]
    pub fn set(&mut self, field: Field, text: &str) {
        self.at = field as usize;
        self.entries[self.at].typed.set(text);
        self.changed();
    }

    /// To a field, by a click.
    pub fn go_to(&mut self, at: usize) {
        if at != self.at {
            self.choices.clear();
        }
        self.at = at.min(Field::ALL.len() - 1);
        self.revision += 1;
    }

    pub fn act(&mut self, action: Action) -> Option<Wish> {
        match action {
            Action::Up => self.go_to(self.at.saturating_sub(1)),
            Action::Down => self.go_to(self.at + 1),
            Action::No => {
                self.begin = false;
                return Some(Wish::Close);
            }
            Action::Yes if self.starting => {}
            Action::Yes => self.begin = true,
            Action::Complete | Action::CompleteBack => {
                let (field, back) = (self.field(), action == Action::CompleteBack);
                return Some(Wish::Complete { field, text: self.entries[self.at].typed.to_string(), back });
            }
            _ => {}
        }
        None
    }

    /// What is to be looked at, if anything was changed since it was asked last.
    pub fn question(&mut self) -> Option<Question> {
        if self.asked == self.revision {
            return None;
        }
        self.asked = self.revision;
        let texts = Field::ALL.map(|f| self.text(f).to_string());
        let own = Field::ALL.map(|f| self.entry(f).own);
        let shape = match self.pictures {
            Pictures::Found(_, shape) => Some(shape),
            _ => None,
        };
        Some(Question { revision: self.revision, named: self.named, own, texts, typing: self.field(), shape })
    }

    /// Takes in what has come.
    pub fn take(&mut self, reply: Reply) {
        match reply {
            Reply::Checked(revision, answer) => {
                if revision == self.revision {
                    self.answer = Some((revision, *answer));
                }
            }
            Reply::Pictures(source, pictures) => {
                if source == self.source() {
                    // What the search needs depends on them.
                    self.revision += u64::from(self.pictures != pictures && matches!(pictures, Pictures::Found(..)));
                    self.pictures = pictures;
                }
            }
            Reply::Completed(field, before, completion) => {
                let entry = &mut self.entries[field as usize];
                if field as usize != self.at || *entry.typed != *before {
                    return;
                }
                if let Some(text) = completion.text.filter(|t| *t != before) {
                    entry.typed.set(&text);
                    self.changed();
                }
                self.choices = completion.choices;
            }
        }
    }

    /// A folder is being typed, which is not looked at before its name is whole.
    pub fn types_folder(&self) -> bool {
        self.field() == Field::Data && self.text(Field::Data).ends_with('/')
    }

    /// The pictures as they are named.
    fn source(&self) -> String {
        match self.text(Field::Data) {
            "" => self.usual(Field::Data),
            text => text.into(),
        }
    }

    /// What is wrong with a field.
    pub fn wrong(&self, field: Field) -> Option<&str> {
        let (_, answer) = self.answer.as_ref()?;
        answer.wrong.iter().find(|(f, _)| *f == field).map(|(_, why)| why.as_str())
    }

    /// What else is known of a field.
    pub fn note(&self, field: Field) -> Option<&str> {
        let (_, answer) = self.answer.as_ref()?;
        let words = match field {
            Field::Seeds => &answer.note,
            Field::Cut => &answer.memory,
            _ => return None,
        };
        Some(words.as_str()).filter(|words| !words.is_empty())
    }

    /// What is to be started now: once what is typed was looked at. Where that is wrong, the cursor goes to the first fault.
    pub fn ready(&mut self) -> Option<Wanted> {
        if !self.begin {
            return None;
        }
        let (_, answer) = self.answer.as_ref().filter(|(of, _)| *of == self.revision)?;
        self.begin = false;
        let wanted = answer.wanted.clone();
        match (&wanted, answer.wrong.first()) {
            (Some(_), _) => self.starting = true,
            (None, Some((field, _))) => self.at = *field as usize,
            (None, None) => {}
        }
        wanted
    }

    /// The run was started, or why not.
    pub fn started(&mut self, came: Result<(), String>) {
        self.starting = false;
        self.refused = came.err();
        if self.refused.is_none() {
            // The next one is another run.
            self.entries[Field::Name as usize] = Entry::default();
            self.revision += 1;
        }
    }
}

/// A preset's value of a field.
fn usual(config: &Config, field: Field) -> String {
    match field {
        Field::Data => config.data.source.clone(),
        Field::Space => config.space.name.clone(),
        Field::Functions => config.score.functions.join(", "),
        Field::Seeds => config.seed.to_string(),
        Field::Cut => config.cut.budget().map_or_else(|| level_text(config.cut.xi), |_| config.cut.budget.clone()),
        Field::Method => config.search.method.clone(),
        Field::Device => config.device.kind.to_string(),
        Field::Preset | Field::Settings | Field::Name => String::new(),
    }
}
