//! What is done to files for the person: commands, exports, engines begun, runs removed. On a thread of its own, so that a
//! file system that hangs never holds up a key or a picture.

use crate::space::cut::Source;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::form::Wanted;
use super::state::State;
use super::{Engines, clipboard, export};
use crate::run::command::Body;
use crate::run::lock::Liveness;
use crate::run::notes::Notes;
use crate::run::{self, RunFolder, config, journal};
use crate::space::{Genotype, Mask};
use crate::study::Study;

/// Something to be done.
pub enum Errand {
    Send {
        folder: RunFolder,
        body: Body,
        /// The person leaves after the answer.
        leave: bool,
    },
    Export(RunFolder, Box<State>),
    /// Through tmux, which holds the clipboard.
    Copy(String),
    Demo,
    /// A new run, or several as a study.
    Begin(Wanted),
    Resume(RunFolder),
    Remove(RunFolder),
    Note(RunFolder, String),
    Tags(RunFolder, String),
    /// Controls of a run's cut, as runs that follow it: their sources, and what it keeps.
    Queue {
        folder: RunFolder,
        sources: Vec<Source>,
        beside: Mask,
    },
    /// A genotype of this run trained from scratch, with a preset's settings, as a run that follows it.
    Train {
        folder: RunFolder,
        genotype: Box<Genotype>,
        preset: &'static str,
    },
}

/// A command is sent within this, or its file system hangs.
const MOMENT: Duration = Duration::from_millis(500);

impl Errand {
    /// What it is, for a sentence.
    fn what(&self) -> String {
        let run = |folder: &RunFolder| super::text::sanitize(&folder.name());
        match self {
            Errand::Send { folder, body, .. } => format!("the command `{}` to {}", body.name(), run(folder)),
            Errand::Export(folder, _) => format!("writing the genotype and figures of {}", run(folder)),
            Errand::Copy(_) => "copying".into(),
            Errand::Demo => "starting the demo".into(),
            Errand::Begin(_) => "starting a run".into(),
            Errand::Resume(folder) => format!("resuming {}", run(folder)),
            Errand::Remove(folder) => format!("deleting {}", run(folder)),
            Errand::Note(folder, _) => format!("writing a note beside {}", run(folder)),
            Errand::Tags(folder, _) => format!("tagging {}", run(folder)),
            Errand::Queue { folder, .. } => format!("queueing controls of {}", run(folder)),
            Errand::Train { folder, .. } => format!("queueing a training of {}", run(folder)),
        }
    }
}

/// What came of it.
pub enum Done {
    Sent {
        id: String,
        leave: bool,
    },
    /// What the form of a new run asked for.
    Started(Begun),
    /// Why it could not be.
    Refused(String),
    /// A run that has begun, or was resumed.
    Begun(RunFolder),
    Removed(RunFolder),
    /// Words for the person.
    Said(String),
    /// The same, and there are other runs than before.
    Listed(String),
}

/// What was started.
pub enum Begun {
    Run(RunFolder),
    Study(Study),
}

/// The thread, and what it has not done yet.
pub struct Errands {
    asks: Sender<Errand>,
    done: Receiver<Done>,
    /// What is not done yet, in order: what it is, and whether leaving has to wait for it.
    open: VecDeque<(String, bool)>,
    since: Instant,
}

impl Errands {
    pub fn new(mut engines: Box<dyn Engines>) -> Errands {
        let (asks, asked) = channel();
        let (tell, done) = channel();
        // Without a thread nothing is done, which is said of each errand.
        let _ = std::thread::Builder::new().name("errands".into()).spawn(move || {
            for errand in asked {
                let done = catch_unwind(AssertUnwindSafe(|| carry_out(errand, &mut *engines))).unwrap_or_else(|_| {
                    Done::Said("that broke down; what is known of it is said when you leave".into())
                });
                if tell.send(done).is_err() {
                    return;
                }
            }
        });
        Errands { asks, done, open: VecDeque::new(), since: Instant::now() }
    }

    /// False if nobody does it.
    pub fn ask(&mut self, errand: Errand) -> bool {
        if self.open.is_empty() {
            self.since = Instant::now();
        }
        let (what, waited) = (errand.what(), !matches!(errand, Errand::Send { .. } | Errand::Copy(_)));
        let asked = self.asks.send(errand).is_ok();
        if asked {
            self.open.push_back((what, waited));
        }
        asked
    }

    /// The next that is done.
    pub fn next(&mut self) -> Option<Done> {
        let done = self.done.try_recv().ok()?;
        self.open.pop_front();
        self.since = Instant::now();
        Some(done)
    }

    /// Whole seconds that something is under way.
    pub fn waits(&self) -> Option<u64> {
        (!self.open.is_empty()).then(|| self.since.elapsed().as_secs())
    }

    /// Whether something is under way that leaving would break off; a command is given up on after a moment.
    pub fn holds(&self) -> bool {
        self.open.iter().any(|(_, waited)| *waited) || !self.open.is_empty() && self.since.elapsed() < MOMENT
    }

    /// What is not done yet, in words.
    pub fn left(&self) -> Vec<&str> {
        self.open.iter().map(|(what, _)| what.as_str()).collect()
    }
}

fn carry_out(errand: Errand, engines: &mut dyn Engines) -> Done {
    match errand {
        Errand::Send { folder, body, leave } => match journal::send(&folder, body) {
            Ok(id) => Done::Sent { id, leave },
            Err(e) => Done::Said(e.to_string()),
        },
        Errand::Export(folder, state) => Done::Said(match state.genotype() {
            None => "there is no genotype yet".into(),
            Some(genotype) => match export::write(&folder, genotype, &state) {
                Ok(files) => {
                    let of = state.passing().map_or_else(String::new, |of| format!(" ({of})"));
                    format!("written{of} to {}: {}", folder.path().display(), files.join(", "))
                }
                Err(e) => e.to_string(),
            },
        }),
        Errand::Copy(text) => Done::Said(clipboard::by_tmux(&text)),
        Errand::Demo => engines.demo().map_or_else(Done::Said, Done::Begun),
        Errand::Begin(Wanted { config, seeds, name }) => {
            let name = name.as_deref();
            let begun = match seeds {
                None => engines.begin(name, &config).map(Begun::Run),
                Some(seeds) => engines.several(name, &config, &seeds).map(Begun::Study),
            };
            begun.map_or_else(Done::Refused, Done::Started)
        }
        Errand::Resume(folder) => match engines.resume(&folder) {
            Ok(()) => Done::Begun(folder),
            Err(e) => Done::Said(e),
        },
        Errand::Remove(folder) => match folder.remove() {
            Ok(()) => Done::Removed(folder),
            Err(e) => Done::Listed(e.to_string()),
        },
        Errand::Note(folder, note) => match Notes::set_note(&folder, &note) {
            Ok(notes) if notes.note.is_empty() => Done::Listed(format!("{} has no note now", folder.name())),
            Ok(_) => Done::Listed(format!("noted beside {}", folder.name())),
            Err(e) => Done::Said(e.to_string()),
        },
        Errand::Tags(folder, tags) => match Notes::set_tags(&folder, &tags) {
            Ok(notes) if notes.tags.is_empty() => Done::Listed(format!("{} has no tags now", folder.name())),
            Ok(notes) => Done::Listed(format!("{} is tagged {}", folder.name(), notes.tags.join(", "))),
            Err(e) => Done::Said(e.to_string()),
        },
        Errand::Train { folder, genotype, preset } => {
            let waits = matches!(Liveness::of(&folder), Liveness::Alive(_));
            match train(&folder, &genotype, preset, engines) {
                // It is looked at when its turn has come.
                Ok(run) if waits => Done::Listed(format!("queued: {} begins when this run has ended", run.name())),
                Ok(run) => Done::Begun(run),
                Err(e) => Done::Said(e),
            }
        }
        Errand::Queue { folder, sources, beside } => {
            Done::Listed(queue(&folder, &sources, &beside, engines).unwrap_or_else(|e| e))
        }
    }
}

fn train(
    folder: &RunFolder,
    genotype: &Genotype,
    preset: &str,
    engines: &mut dyn Engines,
) -> Result<RunFolder, String> {
    let mut config = folder.config().map_err(|e| e.to_string())?;
    config.train = run::named_preset(preset)?.train;
    config.train.genotype = genotype.to_string();
    config.device.precision = crate::nn::Precision::Float32;
    engines.queue(folder, &format!("{}-train", stem(folder)), &config)
}

/// Of the names of runs that follow one: room for a word and a number in the longest name.
fn stem(folder: &RunFolder) -> String {
    folder.name().chars().take(44).collect()
}

/// Queues a run for each source, which keeps as many operations on every edge; what is to be said of it.
fn queue(folder: &RunFolder, sources: &[Source], beside: &Mask, engines: &mut dyn Engines) -> Result<String, String> {
    let own = folder.config().map_err(|e| e.to_string())?;
    let mut names = Vec::new();
    for source in sources {
        let mut config = own.clone();
        config.cut = config::Cut::control(*source, beside);
        names.push(
            engines.queue(folder, &format!("{}-{}", stem(folder), source.name().replace('_', "-")), &config)?.name(),
        );
    }
    Ok(format!("queued, one after the other: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;
    use std::time::Duration;

    use super::*;
    use crate::run::config::Config;
    use crate::space::darts;

    /// Engines on a file system that hangs until a word comes; broken ones where it does not.
    struct Hanging(Receiver<()>);

    impl Engines for Hanging {
        fn demo(&mut self) -> Result<RunFolder, String> {
            self.0.recv().map_err(|_| "gone".to_string())?;
            Err("no disk".into())
        }

        fn begin(&mut self, _: Option<&str>, config: &Config) -> Result<RunFolder, String> {
            Err(format!("no room for {}", config.data.source))
        }

        fn several(&mut self, _: Option<&str>, _: &Config, seeds: &crate::study::Seeds) -> Result<Study, String> {
            Err(format!("no room for seeds {seeds}"))
        }

        fn resume(&mut self, _: &RunFolder) -> Result<(), String> {
            panic!("a bug")
        }

        fn queue(&mut self, _: &RunFolder, name: &str, config: &Config) -> Result<RunFolder, String> {
            Err(format!("{name} by {} at {} {:?}", config.cut.source, config.cut.xi, config.cut.kept_per_edge))
        }
    }

    fn wait(errands: &mut Errands) -> Done {
        loop {
            if let Some(done) = errands.next() {
                return done;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_hangs_holds_nobody_up_and_what_breaks_ends_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(dir.path(), Some("r"), "x", &Config::default()).unwrap();
        let (word, hangs) = channel();
        let mut errands = Errands::new(Box::new(Hanging(hangs)));
        assert_eq!(errands.waits(), None);
        assert!(errands.ask(Errand::Demo) && errands.ask(Errand::Resume(folder.clone())));
        assert!(errands.next().is_none() && errands.waits().is_some());
        assert!(errands.holds(), "an engine that is being started is waited for");
        assert_eq!(errands.left(), ["starting the demo", "resuming r"]);
        word.send(()).unwrap();
        assert!(matches!(wait(&mut errands), Done::Said(words) if words == "no disk"));
        assert!(matches!(wait(&mut errands), Done::Said(words) if words.contains("broke down")));
        assert_eq!((errands.waits(), errands.holds(), errands.left().len()), (None, false, 0));
        for (seeds, words) in [(None, "no room for embedded"), (Some("1..3"), "no room for seeds 1,2,3")] {
            let seeds = seeds.map(|s| s.parse().unwrap());
            errands.ask(Errand::Begin(Wanted { config: Box::default(), seeds, name: None }));
            assert!(matches!(wait(&mut errands), Done::Refused(said) if said == words));
        }
        let six = darts::NO_NONE.without("normal:0▸2:sep3".parse().unwrap());
        let level = Mask::uniform(darts::SPACE, &darts::SPACE.operations()[2..]);
        for (beside, words) in [(level, "at 0.25 []"), (six, "[6, 7, 7,")] {
            errands.ask(Errand::Queue { folder: folder.clone(), sources: vec![Source::MostParameters], beside });
            let Done::Listed(said) = wait(&mut errands) else { panic!("not listed") };
            assert!(said.starts_with("r-most-parameters by most_parameters at ") && said.contains(words), "{said}");
        }
    }
}
