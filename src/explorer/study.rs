//! A study that is watched: how its runs stand and what follows, read again and again on a thread.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::run::RunFolder;
use crate::study::results::{Measure, Results};
use crate::study::{Plan, Reading, Stage, Standing, State, Study};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// One setting with one seed, on the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Spot {
    /// Of the run that is at work, or that failed; else of the last that has begun.
    pub state: State,
    /// What that run does.
    pub what: &'static str,
    pub run: Option<RunFolder>,
    /// In per cent.
    pub accuracy: Option<f64>,
}

/// A study as it is now.
#[derive(Clone, Debug)]
pub struct Seen {
    pub name: String,
    pub note: String,
    pub seeds: Vec<u64>,
    /// Setting by setting, seed by seed.
    pub spots: Vec<Vec<Spot>>,
    pub results: Results,
    /// Runs that are done, at work, failed; and all.
    pub counts: [usize; 4],
}

/// What a screen knows of a study.
#[derive(Clone, Copy, Debug, Default)]
pub enum Watched<'a> {
    /// None is watched.
    #[default]
    Nothing,
    /// It is being read for the first time.
    Reading,
    /// Why it can't be read.
    Unreadable(&'a str),
    Seen(&'a Seen),
}

impl Watched<'_> {
    pub const fn is_there(self) -> bool {
        !matches!(self, Watched::Nothing)
    }
}

/// What the person chose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    pub measure: Option<Measure>,
    pub baseline: Option<String>,
}

/// A study that is being watched.
#[derive(Debug)]
pub struct Watch {
    seen: Receiver<Result<Box<Seen>, String>>,
    asked: Sender<Asked>,
}

impl Watch {
    /// Begins to watch.
    pub fn new(study: Study) -> Watch {
        let (sender, seen) = channel();
        let (asked, orders) = channel::<Asked>();
        let _ = std::thread::Builder::new().name("study".into()).spawn(move || {
            let mut now = Asked::default();
            loop {
                let read = read(&study, &now).map(Box::new);
                if sender.send(read).is_err() {
                    return;
                }
                // Until the next look, or until something else is asked for.
                match orders.recv_timeout(LOOK) {
                    Ok(next) => now = orders.try_iter().last().unwrap_or(next),
                    Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                    Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Watch { seen, asked }
    }

    /// The latest that has come; why it can't be read.
    pub fn news(&self) -> Option<Result<Box<Seen>, String>> {
        self.seen.try_iter().last()
    }

    pub fn ask(&self, asked: Asked) {
        // A thread that is gone has said why.
        let _ = self.asked.send(asked);
    }
}

/// Reads a study.
///
/// # Errors
/// Its design makes no sense, or its folder can't be read.
pub fn read(study: &Study, asked: &Asked) -> Result<Seen, String> {
    let mut read = Reading::with_slurm(study).map_err(|e| e.to_string())?;
    if let Some(name) = &asked.baseline {
        // One that is gone is not asked for any more.
        let _ = read.design.set_baseline(name);
    }
    let results = read.results(asked.measure);
    let Reading { design, plan, standing, .. } = read;
    let spots = (0..design.settings.len())
        .map(|setting| design.seeds.iter().map(|seed| spot(&plan, &standing, &results, setting, *seed)).collect())
        .collect();
    let count = |word: &str| standing.count(word);
    Ok(Seen {
        name: study.name(),
        note: design.note.clone(),
        seeds: design.seeds.clone(),
        spots,
        counts: [count("done"), count("running"), count("failed"), standing.tasks.len()],
        results,
    })
}

fn spot(plan: &Plan, standing: &Standing, r: &Results, setting: usize, seed: u64) -> Spot {
    let runs: Vec<usize> = Stage::ALL.into_iter().filter_map(|stage| plan.find(stage, setting, seed)).collect();
    let of = |wanted: &dyn Fn(&State) -> bool| runs.iter().copied().find(|i| wanted(&standing.tasks[*i].state));
    let told = of(&|s| matches!(s, State::Failed(_) | State::Unreachable(_)))
        .or_else(|| of(&|s| matches!(s, State::Running(_))))
        .or_else(|| of(&|s| !matches!(s, State::Done)))
        .or_else(|| runs.last().copied());
    let one = r.each.iter().find(|one| (one.setting, one.seed) == (setting, seed));
    let accuracy = one.and_then(|one| r.measure.of(one));
    let Some(i) = told else {
        return Spot { state: State::Ready, what: "", run: None, accuracy };
    };
    let known = &standing.tasks[i];
    // What can be opened: this one, or else the one before it.
    let run = known.folder.clone().or_else(|| runs.iter().rev().find_map(|i| standing.tasks[*i].folder.clone()));
    Spot { state: known.state.clone(), what: plan.tasks[i].what(), run, accuracy }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::study::Design;

    /// A study in a few numbers, for tests of the screen.
    pub fn made_up() -> Seen {
        let text = "version = 1\nnote = \"Does half the space do?\"\nseeds = \"1..3\"\npreset = \"demo\"\nstages = [\"search\"]\n\
                    [factors]\ncut.xi = [0.5, 0.75]\ncut.source = [\"scores\", \"random\"]\n\
                    [[settings]]\nname = \"whole space\"\ncut.xi = 0.0\n\
                    [compare]\nbaseline = \"whole space\"\nmargin = 1.5\n";
        let design = Design::read(text, "study.toml", std::path::Path::new("/")).unwrap();
        let mut each = Vec::new();
        for (setting, of) in design.settings.iter().enumerate() {
            for (i, seed) in design.seeds.iter().enumerate() {
                let done = setting < 4 || i == 0;
                let accuracy = 70.0 + setting as f64 + 0.25 * (i as f64 - 1.0) * (setting as f64 - 2.0);
                each.push(crate::study::results::One {
                    setting,
                    name: of.name.clone(),
                    seed: *seed,
                    done,
                    supernet: done.then_some(accuracy),
                    bytes: done.then_some((100 + 40 * setting as u64) << 20),
                    search_seconds: done.then_some(61.0),
                    kept: Some(112),
                    ..Default::default()
                });
            }
        }
        let results = Results::of(&design, each, None, vec!["a note".into()]);
        let spots = (0..design.settings.len())
            .map(|setting| {
                let spot = |i: usize| {
                    let accuracy = results.each[3 * setting + i].supernet;
                    let state = match (accuracy, i) {
                        (Some(_), _) => State::Done,
                        (None, 1) => State::Running("epoch 2 of 6".into()),
                        (None, _) => State::Failed("no room".into()),
                    };
                    Spot { state, what: "search", run: None, accuracy }
                };
                (0..3).map(spot).collect()
            })
            .collect();
        Seen {
            name: "claim".into(),
            note: design.note.clone(),
            seeds: design.seeds.clone(),
            spots,
            counts: [13, 1, 1, 15],
            results,
        }
    }
}
