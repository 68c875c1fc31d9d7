//! Running a study on this machine: as many engines at once as its cores, GPUs and memory allow; the others wait.

mod room;

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use super::begin::begin;
use super::design::{Design, Stage};
use super::need::{Asked, Needs};
use super::plan::Plan;
use super::standing::{Found, Known, Standing, State};
use super::{DESIGN, Study, StudyError};
use crate::run::lock::RunLock;
use crate::run::{FolderError, RunFolder, process};
use room::{Need, Room, Taken};

/// Between two looks at what others may have done: runs removed, a design edited.
const LOOK: Duration = Duration::from_secs(5);
/// An engine that died without a word is begun again so often.
const AGAIN: usize = 1;

/// What there is to tell of a study that runs.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// An engine has begun: the run, what it does, how many are still to be done.
    Began {
        name: String,
        what: &'static str,
        threads: usize,
        resumed: bool,
    },
    /// A run has ended: how, in a few words, and the seconds that it took.
    Ended {
        name: String,
        what: &'static str,
        state: State,
        words: String,
        seconds: f64,
    },
    Note(String),
}

/// What tells the runs of a study apart, whatever they are called.
type Id = (Stage, String);

struct Running {
    id: Id,
    name: String,
    engine: process::Engine,
    taken: Taken,
    since: Instant,
}

/// A study at work.
pub struct Runner {
    study: Study,
    design: Design,
    plan: Plan,
    found: Found,
    standing: Standing,
    needs: Needs,
    room: Room,
    running: Vec<Running>,
    /// Runs that are not begun again by this runner: their names, and why.
    given_up: HashMap<Id, (String, String)>,
    died: HashMap<Id, usize>,
    /// Runs that a scheduler has, by name.
    elsewhere: HashMap<String, String>,
    looked: Instant,
    read: Instant,
    edited: Option<SystemTime>,
    said: Option<String>,
    stopping: bool,
    lock: RunLock,
}

impl Runner {
    /// Takes the study; `elsewhere` are runs that a scheduler has, which are left to it.
    ///
    /// # Errors
    /// A design that makes no sense, another runner that has the study.
    pub fn new(study: &Study, elsewhere: HashMap<String, String>) -> Result<Runner, StudyError> {
        let lock = study.take()?;
        let edited = edited(study);
        let design = study.design()?;
        let mut needs = Needs::default();
        needs.check(&design, true)?;
        let plan = Plan::of(&design);
        let room = Room::of(&design, plan.tasks.len())?;
        let mut found = Found::default();
        found.look(study, &design)?;
        let standing = Standing::with(&found, &design, &plan, |_| None);
        Ok(Runner {
            study: study.clone(),
            design,
            plan,
            found,
            standing,
            needs,
            room,
            running: Vec::new(),
            given_up: HashMap::new(),
            died: HashMap::new(),
            elsewhere,
            looked: Instant::now(),
            read: Instant::now(),
            edited,
            said: None,
            stopping: false,
            lock,
        })
    }

    pub fn design(&self) -> &Design {
        &self.design
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Runs that were given up, by name, and why.
    pub fn given_up(&self) -> Vec<&(String, String)> {
        let mut all: Vec<_> = self.given_up.values().collect();
        all.sort();
        all
    }

    /// How the machine is shared, in words.
    pub fn room(&self) -> String {
        self.room.words()
    }

    /// Does what can be done now; false when there is nothing more to do.
    ///
    /// # Errors
    /// The folder of the study can't be read.
    pub fn turn(&mut self, tell: &mut dyn FnMut(News)) -> Result<bool, StudyError> {
        let ended = self.bury(tell)?;
        // Also before the end, so that no edit is missed.
        if self.read.elapsed() >= LOOK || ended && self.running.is_empty() {
            self.read_again(tell)?;
        }
        if !ended && self.looked.elapsed() >= LOOK {
            self.look()?;
        }
        if self.lock.is_lost() && !self.stopping {
            // As after a sleep of the machine: whoever looked saw no heart beat.
            tell(News::Note("another has taken the study over: the runs that were begun here are stopped".into()));
            self.stop(false);
        }
        if self.stopping {
            return Ok(!self.running.is_empty());
        }
        while self.begin_one(tell)? {}
        Ok(!self.running.is_empty() || self.others_run() > 0)
    }

    /// Asks all engines to leave with a checkpoint; with `now`, at once.
    pub fn stop(&mut self, now: bool) {
        self.stopping = true;
        #[cfg(unix)]
        for running in &self.running {
            let signal = if now { rustix::process::Signal::KILL } else { rustix::process::Signal::TERM };
            process::signal(running.engine.id(), signal);
        }
        #[cfg(not(unix))]
        let _ = now;
    }

    fn id(&self, task: usize) -> Id {
        (self.plan.tasks[task].stage, self.plan.tasks[task].key.clone())
    }

    /// Engines of runs of this study that another has begun.
    fn others_run(&self) -> usize {
        let own = |i: usize| self.running.iter().any(|r| r.id == self.id(i));
        let states = self.standing.tasks.iter().enumerate();
        states.filter(|(i, t)| matches!(t.state, State::Running(_)) && !own(*i)).count()
    }

    /// Reads the runs again; of those that are done, only whether they are there.
    fn look(&mut self) -> Result<(), StudyError> {
        self.found.look(&self.study, &self.design)?;
        let still = |known: &Known| known.folder.as_ref().is_some_and(|f| RunFolder::at(f.path()).is_ok());
        let before = &self.standing.tasks;
        let done = |i: usize| before.get(i).filter(|k| k.state == State::Done && still(k)).cloned();
        self.standing = Standing::with(&self.found, &self.design, &self.plan, done);
        self.looked = Instant::now();
        Ok(())
    }

    /// The design, if it has been edited; one that makes no sense changes nothing.
    fn read_again(&mut self, tell: &mut dyn FnMut(News)) -> Result<(), StudyError> {
        self.read = Instant::now();
        if !self.study.path().is_dir() && !self.stopping {
            tell(News::Note(format!("{} is gone: its runs are stopped", self.study.path().display())));
            self.stop(false);
            return Ok(());
        }
        let now = edited(&self.study);
        if now == self.edited {
            return Ok(());
        }
        self.edited = now;
        let read = self.study.design();
        match read.and_then(|design| self.needs.check(&design, true).map(|()| design)) {
            Ok(design) if design == self.design => {}
            Ok(design) => {
                let plan = Plan::of(&design);
                let before = self.plan.tasks.len();
                tell(News::Note(format!("{DESIGN} was edited: {} runs now, {before} before", plan.tasks.len())));
                (self.design, self.plan) = (design, plan);
                self.room.limit(&self.design, self.plan.tasks.len());
                self.standing.tasks.clear();
                self.look()?;
            }
            Err(e) => tell(News::Note(format!(
                "{DESIGN} was edited and makes no sense now ({e}); the study goes on as before"
            ))),
        }
        Ok(())
    }

    /// Takes the engines in that have ended.
    fn bury(&mut self, tell: &mut dyn FnMut(News)) -> Result<bool, StudyError> {
        let mut ended = Vec::new();
        let mut i = 0;
        while i < self.running.len() {
            match self.running[i].engine.ended() {
                None => i += 1,
                Some(status) => ended.push((self.running.swap_remove(i), status)),
            }
        }
        if ended.is_empty() {
            return Ok(false);
        }
        self.look()?;
        for (running, status) in ended {
            self.room.give(&running.taken);
            let Some(task) = (0..self.plan.tasks.len()).find(|i| self.id(*i) == running.id) else {
                tell(News::Note(format!("{} has ended; it belongs to no setting any more", running.name)));
                continue;
            };
            let state = self.standing.tasks[task].state.clone();
            let words = super::words::of(&self.standing.tasks[task]);
            let left = match &state {
                State::Failed(why) | State::Unreachable(why) => Some(why.clone()),
                State::Stopped(why) => Some(format!("stopped: {why}")),
                // Refused before its first word, or removed while it ran.
                State::Ready | State::Waits(_) => Some(match running.engine.said().trim() {
                    "" => format!("its engine ended ({status}), and its folder is gone"),
                    said => said.trim_start_matches("error: ").to_string(),
                }),
                _ => None,
            };
            // Killed without a word, or its folder was removed meanwhile.
            let crashed =
                status.code().is_none() || matches!(state, State::Ready | State::Waits(_)) && status.code() != Some(2);
            if let Some(why) = &left {
                let died = self.died.entry(running.id.clone()).or_insert(0);
                *died += 1;
                if !crashed || *died > AGAIN {
                    self.given_up.insert(running.id.clone(), (running.name.clone(), why.clone()));
                }
            }
            let words = left.unwrap_or(words);
            let seconds = running.since.elapsed().as_secs_f64();
            tell(News::Ended { what: self.plan.tasks[task].what(), name: running.name, state, words, seconds });
        }
        Ok(true)
    }

    /// Begins the next run that there is room for; false if there is none.
    fn begin_one(&mut self, tell: &mut dyn FnMut(News)) -> Result<bool, StudyError> {
        if !self.room.is_free(self.others_run()) {
            return Ok(false);
        }
        let ready: Vec<usize> = (0..self.plan.tasks.len()).filter(|i| self.may_begin(*i)).collect();
        let waiting = self.standing.tasks.iter().filter(|t| t.state != State::Done).count();
        let threads = self.room.threads(waiting);
        for task in ready {
            let gpu = self.room.has_gpus();
            let genotype = self.standing.genotype(&self.plan, task);
            let scores = self.plan.tasks[task].needs.map(|n| &self.standing.tasks[n]);
            let asked = Asked { task: &self.plan.tasks[task], before: scores, found: genotype.as_ref(), gpu, threads };
            let needs = &mut self.needs;
            let mut need = || -> Result<Need, String> {
                let (wants, least) = (needs.bytes(asked, false)?, needs.bytes(asked, true)?);
                Ok(Need { wants, least, beside: needs.picture_bytes(asked.task)? })
            };
            let need = match need() {
                Ok(need) => need,
                Err(why) => {
                    self.give_up(task, why, tell);
                    return Ok(true);
                }
            };
            let Some(taken) = self.room.take(&need, threads) else {
                // What needs less may still find room.
                continue;
            };
            // One of a lost machine is waited for, to be sure that it is lost: one at a time, so that an interrupt is heard.
            let lost = matches!(self.standing.tasks[task].state, State::Unreachable(_));
            return Ok(self.start(task, taken, tell)? && !lost);
        }
        Ok(false)
    }

    fn may_begin(&self, task: usize) -> bool {
        // An engine that takes up an unreachable run first makes sure that the heart of the one before stands still.
        let open = |s: &State| matches!(s, State::Ready | State::Stopped(_) | State::Failed(_) | State::Unreachable(_));
        if !open(&self.standing.tasks[task].state) {
            return false;
        }
        let id = self.id(task);
        // Two settings may have one search, where what varies is how cells are trained.
        !self.given_up.contains_key(&id)
            && !self.elsewhere.contains_key(&self.plan.tasks[task].name)
            && self.running.iter().all(|r| r.id != id)
    }

    fn give_up(&mut self, task: usize, why: String, tell: &mut dyn FnMut(News)) {
        let t = &self.plan.tasks[task];
        let (name, what) = (t.name.clone(), t.what());
        self.given_up.insert(self.id(task), (name.clone(), why.clone()));
        tell(News::Ended { name, what, state: State::Failed(why.clone()), words: why, seconds: 0.0 });
    }

    fn start(&mut self, task: usize, taken: Taken, tell: &mut dyn FnMut(News)) -> Result<bool, StudyError> {
        let share = &taken.share;
        let began = begin(&self.study, &self.design, &self.plan, &self.standing, &mut self.found, task, share);
        let began = match began {
            Ok(began) => began,
            Err(e) => {
                self.room.give(&taken);
                if is_full(&e) {
                    self.note(format!("{e}; the study waits until there is room"), tell);
                    return Ok(false);
                }
                self.give_up(task, e.to_string(), tell);
                return Ok(true);
            }
        };
        let t = &self.plan.tasks[task];
        let confirm = if t.until_cut { "stop" } else { "automatic" };
        match process::start(&began.folder, &["--confirm", confirm]) {
            Ok(engine) => {
                tell(News::Began { name: t.name.clone(), what: t.what(), threads: share.threads, resumed: !began.new });
                self.running.push(Running {
                    id: (t.stage, t.key.clone()),
                    name: t.name.clone(),
                    engine,
                    taken,
                    since: Instant::now(),
                });
                self.standing.tasks[task].state = State::Running("starting".into());
                self.standing.tasks[task].folder = Some(began.folder);
            }
            Err(e) => {
                self.room.give(&taken);
                if began.new {
                    let _ = began.folder.remove();
                }
                let e = StudyError::from(e);
                if is_full(&e) {
                    self.note(format!("{e}; the study waits until there is room"), tell);
                    return Ok(false);
                }
                self.give_up(task, e.to_string(), tell);
            }
        }
        Ok(true)
    }

    /// Says something once.
    fn note(&mut self, words: String, tell: &mut dyn FnMut(News)) {
        if self.said.as_ref() != Some(&words) {
            tell(News::Note(words.clone()));
            self.said = Some(words);
        }
    }

    /// Seconds that are left, by what runs of each kind took so far; `None` before any has ended.
    pub fn seconds_left(&self) -> Option<f64> {
        let mut left = 0.0;
        for stage in Stage::ALL {
            let of = |done: bool| {
                let all = self.plan.tasks.iter().zip(&self.standing.tasks);
                all.filter(move |(t, k)| {
                    t.stage == stage && t.until_cut == (stage == Stage::Score) && (k.state == State::Done) == done
                })
            };
            let taken: Vec<f64> = of(true).filter_map(|(_, k)| super::words::seconds(k.summary.as_ref()?)).collect();
            let open = of(false).filter(|(t, _)| !self.given_up.contains_key(&(t.stage, t.key.clone()))).count();
            if open > 0 && taken.is_empty() {
                return None;
            }
            left += open as f64 * taken.iter().sum::<f64>() / taken.len().max(1) as f64;
        }
        Some(left / self.room.at_once() as f64)
    }
}

fn edited(study: &Study) -> Option<SystemTime> {
    std::fs::metadata(study.path().join(DESIGN)).and_then(|m| m.modified()).ok()
}

/// Whether a disk is full.
fn is_full(e: &StudyError) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    match e {
        StudyError::Folder(FolderError::Io { source, .. }) | StudyError::Io { source, .. } => {
            matches!(source.kind(), StorageFull | QuotaExceeded)
        }
        _ => false,
    }
}
