//! `zonas run`: begins or resumes a run, and watches it as lines, as JSON, or not at all.

use std::path::PathBuf;

use clap::Args;
use color_eyre::eyre;

use super::begin::Made;
use super::exit::{Exit, Usage};
use super::first_word::FirstWord;
use super::launch::{Confirming, How, launch_telling};
use super::output::{Form, Output};
use super::place::Place;
use super::settings::SettingArguments;
use super::watch::{Watched, Watching};
use super::{engine, on_end};
use crate::engine::searchable::searchable;
use crate::run::RunFolder;
use crate::run::config::Config;
use crate::run::event::Cut;
use crate::run::summary::Summary;
use crate::study::{self, Seeds, Stage, Study};
use crate::text;

#[derive(Args, Debug, Default)]
pub struct RunArguments {
    #[command(flatten)]
    settings: SettingArguments,
    /// Run with each of these seeds, as in 1..5 (one to five): a study (`zonas study`) in the folder of runs.
    #[arg(long, value_name = "SEEDS", conflicts_with_all = ["seed", "resume", "wait", "foreground", "detach", "queue", "on_end", "output"])]
    seeds: Option<Seeds>,
    /// Name of the run; else one is made up.
    #[arg(long)]
    name: Option<String>,
    /// Take the automatic cut without asking, unless a tenth or more of its decisions had no defined score.
    #[arg(long)]
    yes: bool,
    /// At the cut, wait until a watcher or `zonas confirm` confirms it, instead of stopping there.
    #[arg(long, conflicts_with = "yes")]
    wait: bool,
    /// With --resume: go on though settings, data or program have changed; with --yes also with a cut that is not by scores.
    #[arg(long, requires = "resume")]
    force: bool,
    /// Go on with a run that was stopped, or that waits for its cut; on another device, with other threads or memory, if
    /// those are given.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["preset", "config", "set", "space", "data", "xi", "seed", "precision", "name"])]
    resume: Option<String>,
    #[command(flatten)]
    beginning: Beginning,
}

/// How a run begins and is watched.
#[derive(Args, Debug, Default)]
pub(super) struct Beginning {
    /// Run in this process, not in one of its own that outlives it; for job schedulers.
    #[arg(long)]
    foreground: bool,
    /// Start the run and leave; `zonas attach RUN` and `zonas tail RUN` watch it.
    #[arg(long, conflicts_with = "foreground")]
    detach: bool,
    /// Wait until no other run in the folder of runs is at work that came before: runs follow one another.
    #[arg(long)]
    pub queue: bool,
    /// Run this in a shell when the run has ended, or stopped at its cut; ZONAS_RUN, ZONAS_FOLDER, ZONAS_STATE, ZONAS_DETAIL,
    /// ZONAS_GENOTYPE and ZONAS_ACCURACY tell of it.
    #[arg(long, value_name = "COMMAND")]
    on_end: Option<String>,
    /// What goes to standard output: lines for people, or the journal's JSON lines.
    #[arg(long, value_enum, default_value = "text")]
    output: Form,
}

impl RunArguments {
    /// The demo, with the automatic cut.
    pub fn demo() -> RunArguments {
        RunArguments { settings: SettingArguments::preset("demo"), yes: true, ..RunArguments::default() }
    }
}

/// Word for the names of runs on this data: the last part of a path without its endings, or the embedded set's name.
pub(super) fn stem(config: &Config) -> String {
    if config.data.source == "embedded" {
        return "fashion".into();
    }
    let path = PathBuf::from(&config.data.source);
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    name.split('.').next().unwrap_or_default().to_string()
}

/// Whether the run stands before a cut that is not by scores.
fn doubted(folder: &RunFolder) -> bool {
    let report = Summary::read(folder).summary;
    report.not_by_scores.is_some() && report.epoch.is_none()
}

/// The cut that the run stands before, and why it can't be searched, if it can't.
fn unsearchable(folder: &RunFolder) -> Option<(Cut, String)> {
    let report = Summary::read(folder).summary;
    let cut = report.cut.filter(|_| report.epoch.is_none() && !report.confirmed)?;
    let why = searchable(&cut.mask).err()?;
    Some((cut, why))
}

/// `zonas score`: a run that stops at its cut has done what it was to do.
pub fn score(place: &Place, a: &RunArguments) -> eyre::Result<Exit> {
    if a.yes || a.wait {
        return Err(Usage("`zonas score` stops at the cut: --yes and --wait are for `zonas run`".into()).into());
    }
    if let Some(seeds) = &a.seeds {
        return several(place, a, seeds, &[Stage::Score]);
    }
    let (folder, how, made) = begun(place, a)?;
    let exit = a.beginning.run(place, folder.clone(), how, made)?;
    let at_cut = exit == Exit::Stopped && Summary::read(&folder).summary.stopped_at_cut();
    Ok(if at_cut { Exit::Done } else { exit })
}

pub fn run(place: &Place, a: &RunArguments) -> eyre::Result<Exit> {
    if let Some(seeds) = &a.seeds {
        if !a.yes {
            let words = "--seeds takes the automatic cut of each seed: add --yes; or look at the cuts alone, with `zonas score`";
            return Err(Usage(words.into()).into());
        }
        return several(place, a, seeds, &[Stage::Score, Stage::Search]);
    }
    let (folder, how, made) = begun(place, a)?;
    a.beginning.run(place, folder, how, made)
}

/// The same settings with several seeds: a study of one setting.
fn several(place: &Place, a: &RunArguments, seeds: &Seeds, stages: &[Stage]) -> eyre::Result<Exit> {
    let config = a.settings.config()?;
    let name = a.name.clone().unwrap_or_else(|| format!("{}-seeds", stem(&config)));
    crate::run::check_name(&name)?;
    let path = place.folder()?.join(&name);
    let study = Study::create(&path, &study::of_one(&config, seeds, stages))?;
    let ended = super::study::here(&study, &text::shell_word(&path.display().to_string()));
    let nothing = || std::fs::read_dir(study.runs()).map_or(true, |mut runs| runs.next().is_none());
    if ended.is_err() && nothing() {
        // What was refused leaves nothing behind.
        let _ = std::fs::remove_dir_all(&path);
    }
    ended
}

/// The run that is asked for, and how it goes on.
fn begun(place: &Place, a: &RunArguments) -> eyre::Result<(RunFolder, How, Made)> {
    let runs = place.folder()?;
    let (folder, made) = match &a.resume {
        Some(name) => {
            let folder = place.run(name)?;
            let own = folder.config()?;
            let config = a.settings.over_run(&own)?;
            if config == own {
                (folder, Made::Nothing)
            } else {
                folder.change(&config)?;
                (folder, Made::Change(Box::new(own)))
            }
        }
        None => {
            let config = a.settings.config()?;
            (RunFolder::create(&runs, a.name.as_deref(), &stem(&config), &config)?, Made::Run)
        }
    };
    let confirming = match (a.yes, a.wait) {
        (true, _) => Confirming::Automatic,
        (_, true) => Confirming::Wait,
        _ => Confirming::Stop,
    };
    Ok((folder, How { confirming, force: a.force, queue: a.beginning.queue }, made))
}

impl Beginning {
    /// Begins a run and watches it as it was asked for; where the engine refuses to begin, what was made for it is undone.
    pub fn run(&self, place: &Place, folder: RunFolder, how: How, made: Made) -> eyre::Result<Exit> {
        let mut word = FirstWord::of(&folder);
        let ended = self.watch(place, &folder, how, &mut word);
        if ended.is_err() && !word.has_come() {
            // The reason is worth more than what may go wrong with this.
            let _ = made.undo(&folder);
        }
        ended
    }

    fn watch(&self, place: &Place, folder: &RunFolder, how: How, word: &mut FirstWord) -> eyre::Result<Exit> {
        let Beginning { foreground, detach, output, .. } = *self;
        let name = place.word(folder);
        let mut out = Output::stdout();
        let watching = Watching::from_now(folder, output).starting();
        let exit = if foreground {
            let own = folder.clone();
            let engine = std::thread::Builder::new().name("engine".into()).spawn(move || engine::work(&own, how))?;
            let ended = watching.thread(&mut out, engine);
            // A run that was refused did not end.
            if let Some(command) = self.on_end.as_ref().filter(|_| ended.is_ok() || word.has_come()) {
                on_end::run(command, folder, &ended);
            }
            ended?
        } else {
            let engine = launch_telling(folder, how, self.on_end.as_deref())?;
            let watched = if detach {
                watching.beginning(&mut out, engine, &name)?
            } else {
                watching.process(&mut out, engine)?
            };
            match watched {
                Watched::Ended(exit) => exit,
                // Nobody reads any more; the run goes on by itself.
                Watched::Closed => return Ok(Exit::Done),
            }
        };
        if detach || output != Form::Text {
            return Ok(exit);
        }
        match exit {
            Exit::Done => {
                let form = if folder.file(crate::run::WEIGHTS).exists() { "safetensors" } else { "python" };
                out.line(&format!("look at it: `zonas open {name}`; take it home: `zonas export {name} --as {form}`"))?;
            }
            Exit::Stopped if let Some((cut, why)) = unsearchable(folder) => {
                super::verdict::tell_truth(&mut out, folder, &cut)?;
                out.line(&text::sanitize(&format!(
                    "this cut can't be searched: {why}; change it first with `zonas attach {name}`"
                )))?;
            }
            Exit::Stopped if doubted(folder) => out.line(&format!(
                "look at the cut with `zonas attach {name}`, or take it as it is with `zonas run --resume {name} --yes --force`"
            ))?,
            Exit::Stopped => out.line(&format!(
                "go on with `zonas run --resume {name} --yes`, or change it first with `zonas attach {name}`"
            ))?,
            _ => {}
        }
        Ok(exit)
    }
}
