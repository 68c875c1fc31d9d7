//! Entering and leaving the explorer in a real terminal, in every way that may happen; after each the terminal must be as
//! it was. Most in a terminal of the tests' own; those of tmux by the script beside this file.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::pty::Terminal;
use rustix::process::{Pid, Signal};
use zonas::explorer::{Engines, Options, Settings};
use zonas::run::RunFolder;
use zonas::run::config::Config;
use zonas::run::event::*;
use zonas::run::lock::Liveness;
use zonas::space::{Stem, darts, published};
use zonas::study::{Seeds, Study};

const SIZE: (u16, u16) = (100, 30);

/// A journal that has ended, made by hand, so that it is quick: what is tested is the terminal.
fn finished(runs: &Path, name: &str) {
    let folder = runs.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), Config::default().to_toml()).unwrap();
    let genotype = published::find("DARTS_V2").unwrap().genotype;
    let started = RunStarted {
        run: name.into(),
        program: "zonas".into(),
        seed: 1,
        device: "cpu".into(),
        threads: 1,
        total_bytes: None,
        data: DataSummary {
            name: "pictures".into(),
            train: 10,
            test: 10,
            height: 8,
            width: 8,
            channels: 1,
            class_names: Vec::new(),
            mean: Vec::new(),
            deviation: Vec::new(),
            normalisation: String::new(),
        },
        classes: 10,
        channels: 4,
        cells: darts::SPACE.layout(4),
        batch: 4,
        space: darts::NO_NONE,
        definition: None,
        budget_bytes: None,
        trains: false,
        stem: Stem::Cifar,
    };
    let bodies = [
        Body::RunStarted(started),
        Body::StageStarted { stage: Stage::Score },
        Body::Log { level: Level::Info, text: "nearly done".into() },
        Body::Found { genotype, parameters: Some(3_349_342), macs: Some(528_000_000), stem: Stem::Cifar },
        Body::RunEnded { outcome: Outcome::Done, detail: String::new(), bad_input: false },
    ];
    let line =
        |(seq, body)| serde_json::to_string(&Event { v: VERSION, seq, time: 1.0 + seq as f64, body }).unwrap() + "\n";
    let text: String = (0..).zip(bodies).map(line).collect();
    std::fs::write(folder.join("events.jsonl"), text).unwrap();
}

fn zonas(runs: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zonas"));
    command.arg("--runs").arg(runs).args(arguments);
    plain(&mut command, runs);
    command
}

/// An environment that is the same everywhere.
fn plain(command: &mut Command, runs: &Path) {
    for key in ["RUST_BACKTRACE", "TMUX", "COLORTERM", "NO_COLOR", "COLORFGBG", "TERM_PROGRAM", "LC_ALL", "LC_CTYPE"] {
        command.env_remove(key);
    }
    command.env("XDG_CONFIG_HOME", runs).env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
}

/// The explorer on a run that has ended, in an environment.
fn opened(runs: &Path, environment: &[(&str, &str)]) -> Terminal {
    finished(runs, "finished");
    let mut command = zonas(runs, &["open", "finished"]);
    command.envs(environment.iter().copied());
    let terminal = Terminal::start(command, SIZE);
    terminal.shows("help");
    assert!(terminal.taken());
    terminal
}

/// A run whose engine waits for its cut to be confirmed, and the explorer on it.
fn live(runs: &Path) -> (RunFolder, Terminal) {
    let mut config = Config { seed: 7, ..Config::default() };
    config.data.limit = 160;
    config.device.threads = 1;
    (config.score.draws, config.score.batch, config.score.channels) = (1.into(), 4, 1);
    config.score.remove_per_round = 3;
    (config.search.channels, config.search.cells, config.search.batch) = (2, 3, 16);
    config.search.epochs = 100_000;
    let path = runs.join("settings.toml");
    std::fs::write(&path, config.to_toml()).unwrap();
    let arguments = ["run", "--name", "live", "--wait", "--detach", "--config", path.to_str().unwrap()];
    assert!(zonas(runs, &arguments).output().unwrap().status.success());
    let folder = RunFolder::open(runs, "live").unwrap();
    let terminal = Terminal::start(zonas(runs, &["open", "live"]), SIZE);
    terminal.shows("your turn");
    (folder, terminal)
}

fn engine(folder: &RunFolder) -> Option<Pid> {
    match Liveness::of(folder) {
        Liveness::Alive(holder) => Pid::from_raw(holder.pid.try_into().unwrap()),
        _ => None,
    }
}

fn kill(folder: &RunFolder) {
    if let Some(pid) = engine(folder) {
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
    }
    until("the engine's end", || engine(folder).is_none());
}

fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..6000 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not come");
}

#[test]
fn quit_from_every_screen() {
    let runs = tempfile::tempdir().unwrap();
    for leave in ["q", "\x03", "1q", "2q", "3q", "4q", "5q", "6q"] {
        let mut terminal = opened(runs.path(), &[]);
        terminal.keys(leave);
        assert_eq!(terminal.left().code(), Some(0));
        terminal.shows("come back with: zonas attach");
    }
}

#[test]
fn through_help_palette_filter_and_dialogues() {
    let runs = tempfile::tempdir().unwrap();
    let mut terminal = opened(runs.path(), &[]);
    terminal.keys("?");
    terminal.shows("esc closes");
    terminal.keys("q");
    terminal.keys(":log\r");
    terminal.shows("newest at the bottom");
    terminal.keys("/done\r");
    terminal.shows("with `done`");
    terminal.keys("q");
    assert_eq!(terminal.left().code(), Some(0));
}

#[test]
fn kinds_of_terminals() {
    let runs = tempfile::tempdir().unwrap();
    for term in ["xterm-256color", "linux", "screen", "dumb"] {
        let mut terminal = opened(runs.path(), &[("TERM", term)]);
        assert_eq!(terminal.text().is_ascii(), term == "dumb", "{}", terminal.text());
        terminal.keys("q");
        assert_eq!(terminal.left().code(), Some(0));
    }
}

#[test]
fn no_color_is_no_colour() {
    let runs = tempfile::tempdir().unwrap();
    let coloured = |environment: &[(&str, &str)]| {
        let mut terminal = opened(runs.path(), environment);
        terminal.keys("5q");
        terminal.left();
        let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
        raw.contains("\x1b[38;5;") || raw.contains("\x1b[48;5;")
    };
    assert!(coloured(&[]));
    assert!(!coloured(&[("NO_COLOR", "1")]));
}

#[test]
fn a_locale_without_letters() {
    let runs = tempfile::tempdir().unwrap();
    let mut terminal = opened(runs.path(), &[("LANG", "C"), ("LC_ALL", "C")]);
    assert!(terminal.text().is_ascii(), "{}", terminal.text());
    terminal.keys("q");
    terminal.left();
}

#[test]
fn a_light_background() {
    let runs = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for background in ["15;0", "0;15"] {
        let mut terminal = opened(runs.path(), &[("COLORFGBG", background)]);
        terminal.keys("q");
        terminal.left();
        seen.push(terminal.raw());
    }
    assert_ne!(seen[0], seen[1], "the same colours on black and on white");
}

/// The other side of the tests of panics: this test program, as the explorer that breaks down.
struct Broken;

impl Engines for Broken {
    fn demo(&mut self) -> Result<RunFolder, String> {
        panic!("a worker that breaks down")
    }

    fn begin(&mut self, _: Option<&str>, _: &Config) -> Result<RunFolder, String> {
        Err("no engine here".into())
    }

    fn several(&mut self, _: Option<&str>, _: &Config, _: &Seeds) -> Result<Study, String> {
        Err("no engine here".into())
    }

    fn resume(&mut self, _: &RunFolder) -> Result<(), String> {
        Err("none".into())
    }

    fn queue(&mut self, _: &RunFolder, _: &str, _: &Config) -> Result<RunFolder, String> {
        Err("none".into())
    }
}

#[test]
#[ignore = "is started by the tests of panics, in a terminal"]
fn breaks_down() {
    let runs = std::env::var_os("ZONAS_TEST_RUNS").expect("the folder of runs");
    let panic_at = std::env::var("ZONAS_TEST_PICTURE").ok().map(|n| n.parse().unwrap());
    let options = Options { panic_at, ..Options::new(runs.into(), Settings::default()) };
    zonas::explorer::start(&options, Box::new(Broken)).unwrap();
}

fn broken(runs: &Path, picture: Option<&str>) -> Terminal {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "terminal::breaks_down", "--ignored", "--nocapture"]);
    plain(&mut command, runs);
    command.env("ZONAS_TEST_RUNS", runs);
    command.envs(picture.map(|p| ("ZONAS_TEST_PICTURE", p)));
    let terminal = Terminal::start(command, SIZE);
    terminal.shows("the demo");
    terminal
}

#[test]
fn a_panic_in_the_view() {
    let runs = tempfile::tempdir().unwrap();
    let mut terminal = broken(runs.path(), Some("6"));
    for key in ["5", "1"].into_iter().cycle() {
        if terminal.is_over() {
            break;
        }
        terminal.keys(key);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(terminal.left().code(), Some(101));
    // Its report can be read, on the screen that was there before.
    terminal.shows("asked to break down at this picture");
}

#[test]
fn a_panic_in_a_worker() {
    let runs = tempfile::tempdir().unwrap();
    let mut terminal = broken(runs.path(), None);
    terminal.keys("\r");
    terminal.shows("that broke down");
    assert!(terminal.taken(), "the explorer goes on");
    terminal.keys("5");
    terminal.shows("No runs yet");
    terminal.keys("q");
    assert_eq!(terminal.left().code(), Some(0));
    terminal.shows("thread errands");
    terminal.shows("a worker that breaks down");
}

#[test]
fn signals_that_end_it() {
    let runs = tempfile::tempdir().unwrap();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut terminal = opened(runs.path(), &[]);
        terminal.signal(signal);
        assert_eq!(terminal.left().code(), Some(130));
        terminal.shows("come back with");
    }
}

#[test]
fn stopped_and_back_in_the_foreground() {
    let runs = tempfile::tempdir().unwrap();
    finished(runs.path(), "finished");
    let mut shell = Command::new("sh");
    shell.arg("-i");
    plain(&mut shell, runs.path());
    shell.env("PS1", "ready> ").env_remove("ENV").current_dir(runs.path());
    let mut terminal = Terminal::start(shell, SIZE);
    terminal.shows("ready>");
    let program = env!("CARGO_BIN_EXE_zonas");
    terminal.keys(&format!("{program} --runs . open finished; echo left:$?\r"));
    terminal.shows("help");
    for _ in 0..2 {
        terminal.keys("\x1a");
        terminal.until("the shell", |t| !t.taken());
        assert!(!terminal.mouse());
        terminal.keys("fg\r");
        terminal.until("the explorer", |t| t.taken() && t.text().contains("help"));
    }
    // A stop from elsewhere.
    terminal.keys("\x1a");
    terminal.until("the shell", |t| !t.taken());
    terminal.keys("bg; sleep 0.2; fg\r");
    terminal.until("the explorer", |t| t.taken() && t.text().contains("help"));
    terminal.keys("q");
    terminal.until("the shell", |t| !t.taken());
    terminal.keys("exit\r");
    terminal.left();
}

#[test]
fn a_storm_of_sizes() {
    let runs = tempfile::tempdir().unwrap();
    let mut terminal = opened(runs.path(), &[]);
    for i in 0..300u16 {
        terminal.resize((1 + (i * 37) % 230, 1 + (i * 23) % 70));
        if i % 10 == 0 {
            terminal.keys(["1", "2", "3", "4", "5", "6"][usize::from(i / 10) % 6]);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    terminal.resize((30, 8));
    terminal.shows("zonas needs 40x12, this is\n30x8.");
    terminal.resize(SIZE);
    terminal.shows("help");
    terminal.keys("6");
    terminal.shows("nearly done");
    terminal.keys("q");
    assert_eq!(terminal.left().code(), Some(0));
}

/// Nobody reads what the explorer writes; for a minute where `ZONAS_LONG` is set.
#[test]
fn output_that_is_blocked() {
    let runs = tempfile::tempdir().unwrap();
    let (folder, mut terminal) = live(runs.path());
    terminal.block(true);
    // More pictures than a terminal holds.
    for i in 0..200 {
        terminal.keys(["1", "2", "5", "6", "T"][i % 5]);
        std::thread::sleep(Duration::from_millis(10));
    }
    let long = std::env::var_os("ZONAS_LONG").is_some();
    std::thread::sleep(Duration::from_secs(if long { 60 } else { 1 }));
    assert!(engine(&folder).is_some(), "the engine does not notice");
    terminal.block(false);
    terminal.keys("6");
    terminal.shows("newest at the bottom");
    terminal.keys("q\r");
    assert_eq!(terminal.left().code(), Some(0));
    kill(&folder);
}

#[test]
fn a_terminal_that_vanishes() {
    let runs = tempfile::tempdir().unwrap();
    let (folder, mut terminal) = live(runs.path());
    terminal.vanish();
    assert!(!terminal.wait().success());
    assert!(engine(&folder).is_some(), "the engine goes on");
    kill(&folder);
}

/// As when a machine goes down: a signal to all, and the terminal's own end.
#[test]
fn a_terminal_that_vanishes_with_a_signal() {
    let runs = tempfile::tempdir().unwrap();
    for signal in [Signal::TERM, Signal::WINCH, Signal::HUP, Signal::TERM, Signal::WINCH] {
        let mut terminal = opened(runs.path(), &[]);
        terminal.signal(signal);
        terminal.vanish();
        assert!(!terminal.wait().success());
    }
}

#[test]
fn an_engine_that_is_killed() {
    let runs = tempfile::tempdir().unwrap();
    let (folder, mut terminal) = live(runs.path());
    kill(&folder);
    terminal.shows("crashed");
    // Nobody listens any more, so nothing is asked.
    terminal.keys("q");
    assert_eq!(terminal.left().code(), Some(0));
    terminal.shows("live: crashed");
}

#[test]
fn leaving_a_live_run() {
    let runs = tempfile::tempdir().unwrap();
    let (folder, mut terminal) = live(runs.path());
    terminal.keys("q");
    terminal.shows("detach");
    terminal.keys("\x1b[B\x1b[B\x1b[B\r");
    terminal.until("the question's end", |t| !t.text().contains("detach"));
    assert!(terminal.taken(), "cancelled");
    terminal.keys("q");
    terminal.shows("detach");
    terminal.keys("\r");
    assert_eq!(terminal.left().code(), Some(0));
    terminal.shows("goes on without this window");
    assert!(engine(&folder).is_some());

    let mut terminal = Terminal::start(zonas(runs.path(), &["attach", "live"]), SIZE);
    terminal.shows("your turn");
    terminal.keys("q");
    terminal.shows("detach");
    terminal.keys("\x1b[B\r");
    assert_eq!(terminal.left().code(), Some(0));
    until("the engine's end", || engine(&folder).is_none());
}

/// A pipe without room in place of the file of commands would keep whoever writes there waiting: it is refused, and said.
#[test]
fn a_pipe_in_place_of_the_commands() {
    let runs = tempfile::tempdir().unwrap();
    let (folder, mut terminal) = live(runs.path());
    let path = folder.file("commands.jsonl");
    let _ = std::fs::remove_file(&path);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let mut pipe = File::options().read(true).write(true).open(&path).unwrap();
    let flags = rustix::fs::fcntl_getfl(&pipe).unwrap();
    rustix::fs::fcntl_setfl(&pipe, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    while pipe.write(&[b'x'; 4096]).is_ok() {}
    while pipe.write(b"x").is_ok() {}
    terminal.keys("]");
    terminal.shows("it is a pipe");
    terminal.keys("6");
    terminal.shows("newest at the bottom");
    terminal.keys("5");
    terminal.shows("kept");
    terminal.keys("q\r");
    assert_eq!(terminal.left().code(), Some(0));
    kill(&folder);
}

#[test]
fn runs_are_deleted_after_a_question_and_taken_up_again() {
    let runs = tempfile::tempdir().unwrap();
    finished(runs.path(), "finished");
    let (folder, mut terminal) = live(runs.path());
    terminal.keys("5");
    terminal.shows("finished");
    // The newest is under the cursor: it has an engine.
    terminal.keys("D");
    terminal.shows("an engine is at work on live");
    terminal.keys("\x1b[BD");
    terminal.shows("delete finished?");
    terminal.keys("\r");
    terminal.until("the question's end", |t| !t.text().contains("delete finished?"));
    assert!(runs.path().join("finished").is_dir(), "the first answer does no harm");
    terminal.keys("D");
    terminal.shows("delete finished?");
    terminal.keys("\x1b[B\r");
    terminal.shows("finished is deleted");
    assert!(!runs.path().join("finished").exists());
    kill(&folder);
    terminal.keys("5");
    // In its line of the list, not only in the first line or the last, where it is told too.
    terminal.until("the list to tell", |t| {
        let lines: Vec<String> = t.text().lines().map(String::from).collect();
        let within = lines.get(1..lines.len().saturating_sub(1)).unwrap_or_default();
        within.iter().any(|l| l.contains("live") && l.contains("crashed"))
    });
    terminal.keys("R");
    until("an engine", || engine(&folder).is_some());
    terminal.shows("your turn");
    terminal.keys("2");
    // Until the new engine has proposed the cut again, it refuses what is asked of the old one's.
    let begun = |t: &Terminal| t.text().contains("epoch 1/");
    while !begun(&terminal) {
        terminal.shows("enter confirm");
        terminal.keys("\r");
        terminal.shows("start the search");
        terminal.keys("\r");
        terminal.until("an answer", |t| {
            begun(t) || t.text().contains("confirm again") || t.text().contains("send it again")
        });
        terminal.keys("2");
    }
    terminal.keys("q\r");
    assert_eq!(terminal.left().code(), Some(0));
    kill(&folder);
}

#[test]
fn the_mouse_clicks_and_is_given_back() {
    let runs = tempfile::tempdir().unwrap();
    let mut terminal = opened(runs.path(), &[]);
    assert!(terminal.mouse());
    let at = terminal.text().lines().next().unwrap().chars().collect::<String>().find("6 Log").unwrap();
    let column = terminal.text().lines().next().unwrap()[..at].chars().count() + 2;
    terminal.keys(&format!("\x1b[<0;{column};1M\x1b[<0;{column};1m"));
    terminal.shows("newest at the bottom");
    terminal.keys("M");
    terminal.until("the mouse to be free", |t| !t.mouse());
    terminal.keys("M");
    terminal.until("the mouse to be taken", |t| t.mouse());
    terminal.keys("q");
    terminal.left();
    let mut terminal = Terminal::start(zonas(runs.path(), &["open", "finished", "--no-mouse"]), SIZE);
    terminal.shows("help");
    assert!(!terminal.mouse());
    terminal.keys("q");
    terminal.left();
}

#[test]
fn copying_or_the_reason_why_not() {
    let runs = tempfile::tempdir().unwrap();
    let asks = |t: &Terminal| t.raw().windows(7).any(|w| w == b"\x1b]52;c;");
    for (term, words, copies) in
        [("xterm-256color", "copied, if this terminal takes OSC 52", true), ("linux", "has no clipboard", false)]
    {
        let mut terminal = opened(runs.path(), &[("TERM", term)]);
        // The first pictures come before the journal has been read, and then there is nothing to copy.
        terminal.keys("4");
        terminal.shows("nearest published");
        terminal.keys("y");
        terminal.shows(words);
        assert_eq!(asks(&terminal), copies, "{term}");
        terminal.keys("q");
        terminal.left();
    }
}

#[test]
fn tmux() {
    let runs = tempfile::tempdir().unwrap();
    finished(runs.path(), "finished");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/terminal.sh");
    let out = Command::new("sh")
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_zonas"))
        .arg(runs.path())
        .arg("finished")
        .env("XDG_CONFIG_HOME", runs.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    println!("{text}");
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
}

/// Serial lines and fresh containers say that the terminal has no columns and no lines.
#[test]
fn a_terminal_without_a_size() {
    let runs = tempfile::tempdir().unwrap();
    finished(runs.path(), "finished");
    let mut terminal = Terminal::start(zonas(runs.path(), &["open", "finished"]), (0, 0));
    terminal.shows("q quit");
    assert_eq!(terminal.text().lines().count(), 24, "{}", terminal.text());
    terminal.keys("q");
    assert_eq!(terminal.left().code(), Some(0));

    let mut command = zonas(runs.path(), &["open", "finished"]);
    command.env("COLUMNS", "60").env("LINES", "20");
    let mut terminal = Terminal::start(command, (0, 0));
    terminal.shows("q quit");
    let text = terminal.text();
    assert_eq!(text.trim_end().lines().count(), 20, "{text}");
    assert!(text.lines().all(|l| l.chars().count() <= 60), "{text}");
    terminal.keys("q");
    assert_eq!(terminal.left().code(), Some(0));
}

#[test]
fn leaving_waits_for_what_is_being_written() {
    let runs = tempfile::tempdir().unwrap();
    finished(runs.path(), "finished");
    let mut terminal = opened(runs.path(), &[]);
    terminal.keys("4");
    terminal.shows("nearest published");
    terminal.keys("Eq");
    assert_eq!(terminal.left().code(), Some(0));
    let folder = runs.path().join("finished");
    let there = |name: &str| folder.join(name).is_file();
    assert!(["genotype.json", "genotype.py", "genotype.dot", "cell.svg"].into_iter().all(there));
    // Whatever the last of them is.
    let font = Command::new("fc-list").output().is_ok_and(|o| !o.stdout.is_empty());
    assert!(there("cell.png") || !font, "the picture is missing");
    let halves =
        std::fs::read_dir(&folder).unwrap().flatten().filter(|e| e.file_name().to_string_lossy().ends_with(".new"));
    assert_eq!(halves.count(), 0);
    assert!(!terminal.text().contains("not finished"), "{}", terminal.text());
}

#[test]
fn a_run_that_is_deleted_elsewhere() {
    let runs = tempfile::tempdir().unwrap();
    finished(runs.path(), "finished");
    let mut terminal = opened(runs.path(), &[]);
    std::fs::remove_dir_all(runs.path().join("finished")).unwrap();
    terminal.shows("deleted or moved");
    terminal.shows("gone");
    terminal.keys("q");
    assert_eq!(terminal.left().code(), Some(0));
    terminal.shows("its folder is gone");
    assert!(!terminal.text().contains("come back with"), "{}", terminal.text());
}

#[test]
fn a_new_run_is_begun_from_the_form() {
    let runs = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(zonas(runs.path(), &[]), SIZE);
    terminal.shows("a new run");
    terminal.keys("n");
    // What is found at the data is told.
    terminal.shows("Fashion-MNIST");
    // Four fields down is the cut.
    terminal.keys("\x1b[B\x1b[B\x1b[B\x1b[B\x152");
    terminal.shows("a pruning level lies below 1");
    terminal.keys("\x150.75\x1b[B\x1b[B\x1b[B");
    terminal.keys(
        "data.limit=160 score.draws=1 score.batch=4 score.channels=1 score.sample=8 search.channels=2 search.cells=3",
    );
    terminal.keys(" search.batch=16 device.threads=1\x1b[Bmine");
    terminal.shows("mine");
    // Back and again: what was typed is kept.
    terminal.keys("\x1b");
    terminal.until("the form's end", |t| !t.text().contains("functions"));
    terminal.keys("n");
    terminal.shows("mine");
    terminal.keys("\r");
    terminal.shows("your turn");
    let folder = RunFolder::open(runs.path(), "mine").unwrap();
    let config = folder.config().unwrap();
    assert_eq!((config.cut.xi, config.data.limit, config.search.batch), (0.75, 160, 16));
    kill(&folder);
    // Nothing is at work then, so that leaving asks nothing.
    terminal.shows("crashed");
    // The same with several seeds is a study, with a runner of its own.
    terminal.keys("n");
    terminal.shows("made up");
    terminal.keys("\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x151..2");
    terminal.shows("a study of 2 runs");
    terminal.keys("\r");
    terminal.shows("study fashion-seeds");
    terminal.keys("q");
    assert_eq!(terminal.left().code(), Some(0));
    // Its runner goes on, or is done already.
    let study = |word: &str| {
        let of = runs.path().join("fashion-seeds");
        Command::new(env!("CARGO_BIN_EXE_zonas")).args(["study", word]).arg(of).output().unwrap()
    };
    let status = String::from_utf8(study("status").stdout).unwrap();
    assert!(status.contains("s1") && status.contains("s2"), "{status}");
    study("stop");
}

#[test]
fn a_queued_run_is_watched_and_leaves_the_queue() {
    let runs = tempfile::tempdir().unwrap();
    let works = RunFolder::create(runs.path(), Some("works"), "x", &Config::default()).unwrap();
    let at_work = zonas::run::lock::RunLock::take(&works).unwrap();
    let late = ["run", "--preset", "demo", "--queue", "--detach", "--name", "late"];
    assert!(zonas(runs.path(), &late).output().unwrap().status.success());
    let folder = RunFolder::open(runs.path(), "late").unwrap();
    let mut terminal = Terminal::start(zonas(runs.path(), &["attach", "late"]), SIZE);
    terminal.shows("late is queued, behind works");
    // The key of the first screen's demo begins nothing here.
    terminal.keys("\r");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(RunFolder::list(runs.path()).unwrap().len(), 2);
    terminal.keys("s");
    until("the engine's end", || engine(&folder).is_none());
    terminal.shows("R starts it now");
    terminal.keys("q");
    assert_eq!(terminal.left().code(), Some(0));
    drop(at_work);
}

#[test]
fn wide_names_keep_the_columns_of_the_list() {
    let runs = tempfile::tempdir().unwrap();
    for name in ["plain", "数据集", "e\u{301}te\u{301}"] {
        finished(runs.path(), name);
    }
    let told = zonas(runs.path(), &["runs"]).output().unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    let at = |line: &str| zonas::text::width(&line[..line.find("done").unwrap()]);
    let columns: Vec<u16> = text.lines().skip(1).map(at).collect();
    assert_eq!(columns, [25, 25, 25], "{text}");
    // And as pictures: a wide letter takes two columns, and no blank behind it.
    let pictures = runs.path().join("pictures");
    let arguments = ["open", "数据集", "--pictures", pictures.to_str().unwrap(), "--size", "80x24"];
    assert!(zonas(runs.path(), &arguments).output().unwrap().status.success());
    let text = std::fs::read_to_string(pictures.join("runs.txt")).unwrap();
    assert!(text.contains("数据集") && text.contains("e\u{301}te\u{301}"), "{text}");
    let of = |name: &str| at(text.lines().skip(2).find(|l| l.contains(name)).unwrap());
    assert_eq!((of("数据集"), of("e\u{301}te\u{301}")), (of("plain"), of("plain")));
}

#[test]
fn a_command_of_the_person_is_run_at_the_end() {
    let runs = tempfile::tempdir().unwrap();
    let mut config = Config { seed: 7, ..Config::default() };
    config.data.limit = 160;
    config.device.threads = 1;
    (config.score.draws, config.score.batch, config.score.channels) = (1.into(), 4, 1);
    config.score.remove_per_round = 3;
    (config.search.channels, config.search.cells, config.search.batch) = (2, 3, 16);
    config.search.epochs = 1;
    let (path, told) = (runs.path().join("settings.toml"), runs.path().join("told"));
    std::fs::write(&path, config.to_toml()).unwrap();
    let command = format!(
        "printf '%s %s%s%s' \"$ZONAS_RUN\" \"$ZONAS_STATE\" \"$ZONAS_GENOTYPE\" \"$ZONAS_ACCURACY\" > '{}'",
        told.display()
    );
    for (name, more) in [("apart", None), ("here", Some("--foreground"))] {
        let arguments = ["run", "--name", name, "--config", path.to_str().unwrap(), "--on-end", &command];
        let mut run = zonas(runs.path(), &arguments);
        let ended = run.args(more).output().unwrap();
        assert_eq!(ended.status.code(), Some(75), "{}", String::from_utf8_lossy(&ended.stderr));
        assert_eq!(std::fs::read_to_string(&told).unwrap(), format!("{name} stopped"));
        std::fs::remove_file(&told).unwrap();
    }
    // What waits for a person is not merely stopped.
    let list = zonas(runs.path(), &["runs"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&list.stdout).matches("stopped at its cut").count(), 2);
    // Of a run that is done, what it found and how good that is; what another one's command was told is not this one's.
    let mut run = zonas(runs.path(), &["run", "--resume", "here", "--yes", "--on-end", &command]);
    assert_eq!(run.env("ZONAS_GENOTYPE", "old").output().unwrap().status.code(), Some(0));
    let told = std::fs::read_to_string(&told).unwrap();
    let rest = told.strip_prefix("here doneGenotype(").unwrap_or_else(|| panic!("{told}"));
    let accuracy: f64 = rest.rsplit(')').next().unwrap().parse().unwrap();
    assert!((0.0..=1.0).contains(&accuracy), "{told}");
}

#[test]
fn the_bell_rings_for_runs_that_were_seen_at_work() {
    let runs = tempfile::tempdir().unwrap();
    finished(runs.path(), "over");
    let works = RunFolder::create(runs.path(), Some("works"), "x", &Config::default()).unwrap();
    let lock = zonas::run::lock::RunLock::take(&works).unwrap();
    let open = |more: &[&str]| {
        let arguments = [&["open", "over", "--screen", "runs"], more].concat();
        let terminal = Terminal::start(zonas(runs.path(), &arguments), SIZE);
        terminal.shows("starting");
        terminal
    };
    let (mut loud, mut quiet) = (open(&[]), open(&["--no-bell"]));
    let end = Body::RunEnded { outcome: Outcome::Done, detail: String::new(), bad_input: false };
    zonas::run::journal::Writer::open(&works).unwrap().emit(end).unwrap();
    drop(lock);
    let rung = |t: &Terminal, words: &[u8]| t.raw().windows(words.len()).any(|w| w == words);
    loud.until("a notification", |t| rung(t, b"\x1b]9;zonas: works done\x1b\\\x07"));
    // The other one has seen it, too, and keeps quiet; of what was over before nobody tells.
    quiet.until("the end", |t| !t.text().contains("starting"));
    assert!(!rung(&quiet, b"\x07") && !rung(&loud, b"over done"));
    for terminal in [&mut loud, &mut quiet] {
        terminal.keys("q");
        assert_eq!(terminal.left().code(), Some(0));
    }
}
