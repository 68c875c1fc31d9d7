//! The command line: one file per sub-command; here they are listed and called, and their errors told.

mod audit;
mod begin;
mod bench;
mod complete;
mod config;
mod count;
mod doctor;
mod engine;
mod engines;
mod exit;
mod export;
mod first_word;
pub mod genotype;
mod gpus;
mod help;
mod launch;
mod man;
mod mask;
mod on_end;
mod open;
mod order;
mod output;
mod patience;
mod place;
mod predict;
mod run;
mod runs;
mod settings;
pub mod show;
mod spaces;
mod study;
mod tail;
mod train;
mod verdict;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use color_eyre::eyre;

use exit::{Exit, Usage};
use output::Closed;
use place::Place;

use crate::data::DataError;
use crate::engine::EngineError;
use crate::run::FolderError;
use crate::run::command::Body as Order;
use crate::run::config::ConfigError;

/// Zero-one-shot architecture search: score every operation of a supernet without training, cut the space, search
/// what is left.
///
/// Without a command: opens the explorer; where there is no terminal, runs the demo as text.
#[derive(Parser, Debug)]
#[command(name = "zonas", version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    look: open::Look,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run without the explorer: score, cut, search, as lines of text or JSON.
    ///
    /// The engine is a process of its own: closing the terminal does not end it. The first interrupt stops it after this
    /// step with a checkpoint, the second at once.
    Run(run::RunArguments),
    /// Score and propose a cut, and stop there.
    ///
    /// It is `zonas run` that ends well before the search.
    Score(run::RunArguments),
    /// Open a run in the explorer.
    Open(open::OpenArguments),
    /// Come back to a running run in the explorer; offers to resume one that stopped.
    Attach(open::OpenArguments),
    /// Show a run in the explorer as it was, with pause and seek.
    Replay(open::ReplayArguments),
    /// Print a run's events as they come; the exit code is then the run's.
    ///
    /// It is that of `zonas run`: 0 done, 1 failed or crashed, 2 failed by settings or data, 75 stopped with a way to go on,
    /// 130 aborted.
    Tail(tail::TailArguments),
    /// Pause a run.
    Pause(order::OrderArguments),
    /// Let a paused run go on.
    ///
    /// `zonas run --resume RUN` resumes one that stopped.
    Resume(order::OrderArguments),
    /// Save a checkpoint now.
    Checkpoint(order::OrderArguments),
    /// Stop a run after this epoch or round, with a checkpoint.
    Stop(order::OrderArguments),
    /// Stop a run at once; what came since the last checkpoint is lost.
    Abort(order::OrderArguments),
    /// Change the cut that a run waits with.
    Cut(order::CutArguments),
    /// Confirm the cut, so that the search begins.
    Confirm(order::ConfirmArguments),
    /// The engine of a run; started by the other commands.
    #[command(hide = true)]
    Engine(engine::EngineArguments),
    /// List all runs.
    Runs(runs::RunsArguments),
    /// Show the state and the results of a run.
    Show(show::ShowArguments),
    /// Write what a run found: genotype, weights, figures, tables.
    Export(export::ExportArguments),
    /// Train a genotype from scratch: a found one, a published one, or your own.
    ///
    /// It is trained as the evaluation network. It is a run like any other, with settings `train.*` (`zonas config`): the published ones by default, those of a few
    /// minutes with --preset demo.
    Train(train::TrainArguments),
    /// Count parameters and multiply-accumulates of a genotype.
    Count(count::CountArguments),
    /// Print a cut of what a run has scored, by any of its functions.
    ///
    /// It is a file that `cut`, `predict` and `audit` take as --mask.
    Mask(mask::MaskArguments),
    /// Judge a cut by a table of accuracies, beside random cuts and controls of its size.
    Audit(audit::AuditArguments),
    /// Predict the memory of the search: uncut, at each level, for each way of cutting.
    Predict(predict::PredictArguments),
    /// Measure this machine: a search step, scoring, memory, share of its arithmetic limit.
    Bench(bench::BenchArguments),
    /// Print every setting with its default and meaning; `--help KEY` tells all about one.
    #[command(disable_help_flag = true)]
    Config(config::ConfigArguments),
    /// List the search spaces, or print one as TOML.
    Spaces(spaces::SpacesArguments),
    /// Run a design, settings by seeds, and say what follows.
    #[command(subcommand)]
    Study(study::StudyCommand),
    /// Check device, threads, memory, terminal and data: what will be used, and why.
    Doctor(doctor::DoctorArguments),
    /// Print completions for a shell: words, names of runs, settings, published cells.
    Completions {
        /// The shell that reads them.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write manual pages.
    Man(man::ManArguments),
}

/// Runs the program.
pub fn main() -> ExitCode {
    #[cfg(feature = "cuda")]
    crate::device::cuda::leave_current_folder();
    // A second panic hook is the explorer's; without a terminal this one prints.
    // Errors need no hook: they are told in a sentence, and to look for their place would take half a second each.
    let (panics, _) = color_eyre::config::HookBuilder::default().display_env_section(false).into_hooks();
    panics.install();
    complete::answer();
    let parsed = command().try_get_matches().and_then(|m| Arguments::from_arg_matches(&m));
    let arguments = match parsed {
        Ok(a) => a,
        Err(e) => return ExitCode::from(told(&e).code()),
    };
    let flag = arguments.look.flag().filter(|_| arguments.command.is_some());
    let result = match arguments.command {
        Some(_) if flag.is_some() => {
            let flag = flag.unwrap_or_default();
            Err(Usage(format!("{flag} is for the explorer: give it to `open`, `attach` or `replay`, after the word"))
                .into())
        }
        None => open::without_command(&arguments.place, &arguments.look),
        Some(Command::Run(a)) => run::run(&arguments.place, &a),
        Some(Command::Score(a)) => run::score(&arguments.place, &a),
        Some(Command::Open(a)) => open::open(&arguments.place, &a),
        Some(Command::Attach(a)) => open::attach(&arguments.place, &a),
        Some(Command::Replay(a)) => open::replay(&arguments.place, &a),
        Some(Command::Tail(a)) => tail::run(&arguments.place, &a),
        Some(Command::Pause(a)) => order::run(&arguments.place, &a, Order::Pause),
        Some(Command::Resume(a)) => order::run(&arguments.place, &a, Order::Resume),
        Some(Command::Checkpoint(a)) => order::run(&arguments.place, &a, Order::Checkpoint),
        Some(Command::Stop(a)) => order::run(&arguments.place, &a, Order::Stop),
        Some(Command::Abort(a)) => order::run(&arguments.place, &a, Order::Abort),
        Some(Command::Cut(a)) => order::cut(&arguments.place, &a),
        Some(Command::Confirm(a)) => order::confirm(&arguments.place, &a),
        Some(Command::Engine(a)) => engine::run(&a),
        Some(Command::Runs(a)) => runs::run(&arguments.place, &a),
        Some(Command::Show(a)) => show::run(&arguments.place, &a),
        Some(Command::Export(a)) => export::run(&arguments.place, &a),
        Some(Command::Train(a)) => train::run(&arguments.place, &a),
        Some(Command::Count(a)) => count::run(&a),
        Some(Command::Mask(a)) => mask::run(&arguments.place, &a),
        Some(Command::Audit(a)) => audit::run(&arguments.place, &a),
        Some(Command::Predict(a)) => predict::run(&arguments.place, &a),
        Some(Command::Bench(a)) => bench::run(&a),
        Some(Command::Config(a)) => config::run(&a),
        Some(Command::Spaces(a)) => spaces::run(&a),
        Some(Command::Study(a)) => study::run(&a),
        Some(Command::Doctor(a)) => doctor::run(&arguments.place, &a),
        Some(Command::Completions { shell }) => complete::script(shell),
        Some(Command::Man(a)) => man::run(&a),
    };
    ExitCode::from(match result {
        Ok(exit) => exit.code(),
        Err(e) if e.downcast_ref::<Closed>().is_some() => Exit::Done.code(),
        Err(e) => {
            let exit = classify(&e);
            use std::io::Write;
            let text = crate::text::sanitize(&sentence(&e));
            let _ = writeln!(std::io::stderr(), "error: {text}");
            exit.code()
        }
    })
}

/// Help and version go to standard output, mistakes of the command line to standard error.
fn told(e: &clap::Error) -> Exit {
    use std::io::Write;
    if e.kind() == clap::error::ErrorKind::InvalidUtf8 {
        let odd = std::env::args_os().skip(1).find(|a| a.to_str().is_none()).unwrap_or_default();
        let odd = crate::text::sanitize(&odd.to_string_lossy());
        let _ = writeln!(
            std::io::stderr(),
            "error: `{odd}` is not UTF-8: names of runs, and values other than those of files, are text; reach a run whose \
             folder has such a name through a link, or rename it"
        );
        return Exit::BadInput;
    }
    if e.use_stderr() {
        let _ = e.print();
        return Exit::BadInput;
    }
    match e.print().and_then(|()| std::io::stdout().flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            let _ = writeln!(std::io::stderr(), "error: can't write to standard output: {e}");
            Exit::Failure
        }
        _ => Exit::Done,
    }
}

/// The command line. What a command refuses, with the reason, or has no use for is not listed by its help.
fn command() -> clap::Command {
    let without_search = |train: clap::Command| {
        settings::OF_A_SEARCH.iter().fold(train, |train, name| train.mut_arg(name, |a| a.hide(true)))
    };
    let runs =
        clap::Arg::new("runs").long("runs").value_name("DIR").value_parser(clap::value_parser!(PathBuf)).hide(true);
    let without_runs = ["count", "bench", "config", "spaces", "completions", "man"];
    let all = Arguments::command().mut_subcommand("train", without_search);
    let all = without_runs.into_iter().fold(all, |all, name| all.mut_subcommand(name, |c| c.arg(runs.clone())));
    complete::with_candidates(help::with_examples(all))
}

/// An error and its causes; a cause that the words before it tell already is not told again.
fn sentence(e: &eyre::Report) -> String {
    e.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told {
        told if told.is_empty() => cause,
        told if told.contains(&cause) => told,
        told => format!("{told}: {cause}"),
    })
}

/// Whose fault an error is.
fn classify(e: &eyre::Report) -> Exit {
    let bad_input = e.chain().any(|cause| {
        cause.is::<Usage>()
            || cause.is::<ConfigError>()
            || cause.is::<crate::space::SpaceError>()
            || cause.is::<crate::space::ParseError>()
            || cause.is::<crate::space::count::CountError>()
            || cause.is::<crate::truth::TruthError>()
            || cause.downcast_ref::<crate::study::StudyError>().is_some_and(crate::study::StudyError::is_bad_input)
            || cause.downcast_ref::<EngineError>().is_some_and(EngineError::is_bad_input)
            || cause.downcast_ref::<FolderError>().is_some_and(|f| !matches!(f, FolderError::Io { .. }))
            || cause.downcast_ref::<DataError>().is_some_and(|d| !matches!(d, DataError::Worker { .. }))
    });
    if bad_input { Exit::BadInput } else { Exit::Failure }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_argument_says_what_it_is_for() {
        let mut all = super::command();
        all.build();
        let mut bare = Vec::new();
        let mut left = vec![&all];
        while let Some(command) = left.pop() {
            left.extend(command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help"));
            let shown = command.get_arguments().filter(|a| !a.is_hide_set() && a.get_help().is_none());
            bare.extend(shown.map(|a| format!("{} {}", command.get_name(), a.get_id())));
            bare.extend(command.get_about().is_none().then(|| command.get_name().to_string()));
        }
        assert!(bare.is_empty(), "{bare:?}");
    }
}
