//! `zonas open`, `attach` and `replay`: the explorer, on a run or on none; pictures of its screens.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use color_eyre::eyre;

use super::engines::Processes;
use super::exit::{Exit, Usage};
use super::output::Output;
use super::place::Place;
use super::run::{self, RunArguments};
use crate::explorer::theme::ColorDepth;
use crate::explorer::{self, Accuracies, Engines, Options, Tab, text};
use crate::run::RunFolder;
use crate::run::summary::Summary;

/// How the explorer looks and listens.
#[derive(Args, Debug)]
pub struct Look {
    /// Only ASCII characters, whatever the locale says.
    #[arg(long)]
    ascii: bool,
    /// Colours, whatever the environment says.
    #[arg(long, value_enum)]
    color: Option<Depth>,
    /// Leave the mouse to the terminal, so that text can be selected.
    #[arg(long)]
    no_mouse: bool,
    /// No bell and no notification when a run at work has ended or waits for you.
    #[arg(long)]
    no_bell: bool,
    /// Judge cuts and cells by this table of accuracies, as `zonas audit` reads it, in place of the run's own
    /// (`truth.table`).
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    /// The column of accuracies [default: the only one that is called like one].
    #[arg(long, value_name = "NAME", requires = "table")]
    column: Option<String>,
}

impl Look {
    /// # Errors
    /// Settings of the person's own that are wrong.
    pub(super) fn options(&self, runs: PathBuf) -> eyre::Result<Options> {
        let mut settings = settings()?;
        if self.no_mouse {
            settings.mouse = Some(false);
        }
        if self.no_bell {
            settings.bell = Some(false);
        }
        let accuracies = self.table.clone().map(|table| Accuracies { table, column: self.column.clone() });
        Ok(Options {
            accuracies,
            ascii: self.ascii,
            depth: self.color.map(Depth::depth),
            ..Options::new(runs, settings)
        })
    }

    /// The flag that was given, if any was.
    pub fn flag(&self) -> Option<&'static str> {
        let given = [
            (self.ascii, "--ascii"),
            (self.color.is_some(), "--color"),
            (self.no_mouse, "--no-mouse"),
            (self.no_bell, "--no-bell"),
            (self.table.is_some(), "--table"),
        ];
        given.into_iter().find(|(given, _)| *given).map(|(_, flag)| flag)
    }
}

#[derive(Args, Debug)]
pub struct OpenArguments {
    /// Name of a run, or the path of its folder.
    run: String,
    #[command(flatten)]
    look: Look,
    /// Screen to begin with.
    #[arg(long, value_enum)]
    screen: Option<Screen>,
    /// Write the screen as an SVG picture, readable as your umask says, instead of opening it.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write every screen into this folder, as text, and dark and light as SVG and PNG, instead of opening it; readable as
    /// your umask says.
    #[arg(long, value_name = "DIR", conflicts_with = "svg")]
    pictures: Option<PathBuf>,
    /// Columns and rows of the picture.
    #[arg(long, value_name = "WxH", default_value = "120x40", value_parser = size)]
    size: (u16, u16),
    /// A light picture.
    #[arg(long)]
    light: bool,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Depth {
    Mono,
    Ansi16,
    Ansi256,
    True,
}

impl Depth {
    fn depth(self) -> ColorDepth {
        match self {
            Depth::Mono => ColorDepth::Mono,
            Depth::Ansi16 => ColorDepth::Ansi16,
            Depth::Ansi256 => ColorDepth::Ansi256,
            Depth::True => ColorDepth::True,
        }
    }
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Screen {
    Score,
    Cut,
    Search,
    Cell,
    Runs,
    Log,
}

impl Screen {
    fn tab(self) -> Tab {
        match self {
            Screen::Score => Tab::Score,
            Screen::Cut => Tab::Cut,
            Screen::Search => Tab::Search,
            Screen::Cell => Tab::Cell,
            Screen::Runs => Tab::Runs,
            Screen::Log => Tab::Log,
        }
    }
}

pub(super) fn size(text: &str) -> Result<(u16, u16), String> {
    let parsed = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    parsed
        .filter(|(w, h)| (1..=500).contains(w) && (1..=500).contains(h))
        .ok_or_else(|| "give it as WxH, as in 120x40".into())
}

/// The person's own, or what is wrong with them.
fn settings() -> eyre::Result<explorer::Settings> {
    explorer::Settings::load().map_err(|e| Usage(e.to_string()).into())
}

/// Both ends of the program are a terminal.
pub(super) fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

pub(super) fn ended(exit: explorer::Exit) -> Exit {
    match exit {
        explorer::Exit::Left => Exit::Done,
        explorer::Exit::Signal(_) => Exit::Interrupted,
    }
}

impl OpenArguments {
    fn folder(&self, place: &Place) -> eyre::Result<(RunFolder, Options)> {
        let runs = place.folder()?;
        let folder = place.run(&self.run)?;
        Summary::readable(&folder)?;
        // Of a run that was given by its path, those beside it.
        let beside = std::path::absolute(folder.path()).ok().and_then(|p| p.parent().map(Into::into));
        let tab = self.screen.map(Screen::tab);
        Ok((folder, Options { tab, ..self.look.options(beside.unwrap_or(runs))? }))
    }
}

pub fn open(place: &Place, a: &OpenArguments) -> eyre::Result<Exit> {
    let (folder, options) = a.folder(place)?;
    if let Some(path) = &a.svg {
        explorer::picture(&folder, &options, a.size, a.light, path)?;
        return Ok(Exit::Done);
    }
    if let Some(into) = &a.pictures {
        let (files, missing) = explorer::pictures(&folder, &options, a.size, into)?;
        let mut out = Output::stdout();
        for file in files {
            out.line(&text::sanitize(&file.display().to_string()))?;
        }
        // The rest is there: no failure, but said.
        if let Some(why) = missing {
            out.line(&format!("no PNG: {why}"))?;
        }
        return Ok(Exit::Done);
    }
    if !has_terminal() {
        return Err(Usage(format!(
            "the explorer needs a terminal; `zonas show {}` tells about the run without one",
            a.run
        ))
        .into());
    }
    let engines = Box::new(Processes { runs: options.runs.clone() });
    Ok(ended(explorer::open(folder, &options, engines)?))
}

#[derive(Args, Debug)]
pub struct ReplayArguments {
    #[command(flatten)]
    open: OpenArguments,
    /// How many times as fast as it was.
    #[arg(long, default_value_t = 20.0, value_parser = speed)]
    speed: f64,
}

fn speed(text: &str) -> Result<f64, String> {
    let (least, most) = explorer::SPEEDS;
    let parsed = text.parse().ok().filter(|s| (least..=most).contains(s));
    parsed.ok_or_else(|| format!("give a number from {least} to {most}"))
}

pub fn replay(place: &Place, a: &ReplayArguments) -> eyre::Result<Exit> {
    let (folder, options) = a.open.folder(place)?;
    if !has_terminal() {
        return Err(Usage("a replay needs a terminal; `zonas tail --no-follow` tells a run without one".into()).into());
    }
    let engines = Box::new(Processes { runs: options.runs.clone() });
    Ok(ended(explorer::replay(folder, a.speed, &options, engines)?))
}

/// Like [`open`]; a run that was left off may be resumed first.
pub fn attach(place: &Place, a: &OpenArguments) -> eyre::Result<Exit> {
    let (folder, options) = a.folder(place)?;
    let read = Summary::read(&folder);
    if read.status.can_go_on() && has_terminal() && a.svg.is_none() {
        let detail = read.status.detail().map_or(String::new(), |d| format!(" ({d})"));
        let mut out = Output::stdout();
        let question = format!("{} is {}{detail}. Resume it? [y/N] ", folder.name(), read.status.word());
        out.write(text::sanitize(&question).as_bytes())?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            Processes { runs: options.runs }.resume(&folder).map_err(Usage)?;
        }
    }
    open(place, a)
}

/// `zonas` by itself.
pub fn without_command(place: &Place, look: &Look) -> eyre::Result<Exit> {
    if !has_terminal() {
        Output::stdout().line("no terminal: running the demo as text (the explorer opens where there is one)")?;
        return run::run(place, &RunArguments::demo());
    }
    let runs = place.folder()?;
    let options = look.options(runs.clone())?;
    Ok(ended(explorer::start(&options, Box::new(Processes { runs }))?))
}
