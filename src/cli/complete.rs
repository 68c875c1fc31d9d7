//! What a shell completes beside words of the command line: names of runs, settings, presets, spaces, ranking functions,
//! published cells. The shell asks the program each time, so that runs of this moment are there.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::{Arg, Command};
use clap_complete::env::Shells;
use clap_complete::{ArgValueCandidates, ArgValueCompleter, CompleteEnv, CompletionCandidate};
use color_eyre::eyre;

use super::exit::Exit;
use super::output::Output;
use crate::run::config::{Config, keys};
use crate::run::{PRESETS, RunFolder, runs_folder};
use crate::space::{built_in, published};

/// The variable by which a shell's script asks.
const VARIABLE: &str = "COMPLETE";

/// Answers a shell, where one asks; does not return then.
pub fn answer() {
    CompleteEnv::with_factory(super::command).var(VARIABLE).complete();
}

/// The script that makes a shell ask.
pub fn script(shell: clap_complete::Shell) -> eyre::Result<Exit> {
    let mut text = Vec::new();
    let shell = shell.to_string();
    let builtins = Shells::builtins();
    let completer = builtins.completer(&shell).ok_or_else(|| eyre::eyre!("there are no completions for {shell}"))?;
    completer.write_registration(VARIABLE, "zonas", "zonas", "zonas", &mut text)?;
    Output::stdout().write(&text)?;
    Ok(Exit::Done)
}

/// The command line with what its arguments may be.
pub fn with_candidates(command: Command) -> Command {
    let command = command.mut_args(with_candidates_of);
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_string()).collect();
    names.iter().fold(command, |all, name| all.mut_subcommand(name, with_candidates))
}

fn with_candidates_of(arg: Arg) -> Arg {
    let of = arg.get_id().as_str().to_string();
    let list = |arg: Arg, names: fn() -> Vec<String>| {
        arg.add(ArgValueCandidates::new(move || names().into_iter().map(CompletionCandidate::new).collect()))
    };
    match of.as_str() {
        "run" | "resume" => list(arg, runs),
        "preset" => list(arg, || PRESETS.iter().map(|(name, _)| (*name).to_string()).collect()),
        "by" | "functions" => list(arg, || crate::proxies::names().into_iter().map(str::to_string).collect()),
        "genotype" => list(arg, || runs().into_iter().chain(published_names()).collect()),
        "space" => list(arg, || built_in().map(|s| s.name().to_string()).collect()),
        "set" => arg.add(ArgValueCompleter::new(assignments)),
        _ => arg,
    }
}

/// Names of published cells as one word.
fn published_names() -> impl Iterator<Item = String> {
    published::all().into_iter().filter_map(|p| p.name.split(' ').next().map(str::to_string))
}

/// Names of the runs in the folder that the line names, or in the usual one.
fn runs() -> Vec<String> {
    let mut words = std::env::args_os();
    let mut folder = None;
    while let Some(word) = words.next() {
        if word == "--runs" {
            folder = words.next().map(PathBuf::from);
        } else if let Some(named) = word.to_str().and_then(|w| w.strip_prefix("--runs=")) {
            folder = Some(named.into());
        }
    }
    let listed = runs_folder(folder.as_deref()).and_then(|folder| RunFolder::list(&folder));
    listed.map(|all| all.iter().map(RunFolder::name).collect()).unwrap_or_default()
}

/// Keys of settings, each with what it is by default.
fn assignments(given: &OsStr) -> Vec<CompletionCandidate> {
    let given = given.to_string_lossy();
    let defaults = Config::default();
    let candidate = |key: String| {
        let value = defaults.value(&key).unwrap_or_default();
        CompletionCandidate::new(format!("{key}=")).help(Some(value.into()))
    };
    keys().filter(|key| key.starts_with(&*given)).map(candidate).collect()
}
