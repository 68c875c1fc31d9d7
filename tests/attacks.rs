//! What somebody may put in the way of a run: folders that are moved, files that are links, pipes, devices or endless, disks
//! that turn read-only, signals in any order. Nothing hangs, nothing outside the run's folder is written to, and what is told
//! of the run is so.
#![cfg(target_os = "linux")]

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use crate::faults::{Engine, Essence, config, create, disk, essence, finish, is_step, report, until, wait_for};
use rustix::process::Signal;
use zonas::run::config::Config;
use zonas::run::event::Body;
use zonas::run::{CHECKPOINTS, COMMANDS, CONFIG, EVENTS, LOCK, LOG, RunFolder, WEIGHTS};

/// Longer than any of this takes, and shorter than for ever.
const PATIENCE: Duration = Duration::from_secs(60);

fn zonas(runs: &Path, words: &[&str]) -> Output {
    let mut command = assert_cmd::Command::cargo_bin("zonas").unwrap();
    command.arg("--runs").arg(runs).args(words).timeout(PATIENCE);
    let out = command.output().unwrap();
    assert!(out.status.code().is_some(), "{words:?} did not end: {}", text(&out.stderr));
    out
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One sentence on standard error, and the exit code.
#[track_caller]
fn refused(out: &Output, code: i32, words: &str) {
    let said = text(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{said}");
    assert!(said.contains(words) && said.trim_end().lines().count() == 1, "`{words}`: {said}");
}

fn pipe(at: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, at, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// A file of holes, which takes no room.
fn sparse(at: &Path, bytes: u64) {
    std::fs::File::create(at).unwrap().set_len(bytes).unwrap();
}

/// Settings of which nothing is like [`config`]'s.
fn other() -> Config {
    let mut other = config();
    other.seed = 8;
    other.search.epochs = 2;
    other.search.learning_rate = 0.01;
    other
}

/// A run that was stopped in its search.
fn stopped(runs: &Path, name: &str) -> RunFolder {
    let folder = create(runs, name, &crate::faults::endless());
    let mut engine = Engine::start(&folder);
    let saved = |b: &Body| matches!(b, Body::CheckpointSaved { .. });
    assert!(wait_for(&folder, &mut engine, saved));
    engine.signal(Signal::TERM);
    assert_eq!(engine.wait().code(), Some(75));
    folder
}

#[test]
fn an_engine_stays_with_its_folder_wherever_that_is_moved() {
    let dir = tempfile::tempdir().unwrap();
    let alone = create(dir.path(), "alone", &other());
    assert_eq!(finish(&alone), 0);
    let expected: Essence = essence(&alone);
    let folder = create(dir.path(), "exp", &crate::faults::endless());
    let mut engine = Engine::start(&folder);
    assert!(wait_for(&folder, &mut engine, is_step));
    let moved = dir.path().join("exp-old");
    std::fs::rename(folder.path(), &moved).unwrap();
    let moved = RunFolder::at(&moved).unwrap();
    // In its place another run, while the first one's engine saves every other step.
    let new = create(dir.path(), "exp", &other());
    assert_eq!(finish(&new), 0, "{:?}", report(&new).status);
    crate::faults::compare("the new run", &expected, &essence(&new)).unwrap();
    assert!(!engine.is_over(), "the first run goes on: {:?}", report(&moved).status);
    // It hears what is asked of it where it is now.
    let out = zonas(dir.path(), &["stop", "exp-old"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(engine.wait().code(), Some(75));
    assert_eq!(report(&moved).status.word(), "stopped");
    // The other way: what somebody has put there is not the run's.
    let stray = create(dir.path(), "stray", &other());
    std::fs::remove_dir(stray.file(CHECKPOINTS)).unwrap();
    crate::faults::copy(&moved.file(CHECKPOINTS), &stray.file(CHECKPOINTS));
    assert_eq!(finish(&stray), 1);
    let standing = report(&stray).status;
    assert!(standing.detail().is_some_and(|d| d.contains("it was saved by another run")), "{standing:?}");
}

#[test]
fn checkpoints_go_with_the_settings_that_they_were_saved_with() {
    let dir = tempfile::tempdir().unwrap();
    let folder = stopped(dir.path(), "r");
    // Of a journal that has lost who the run is; the checkpoint still knows.
    let mut changed = folder.config().unwrap();
    changed.search.learning_rate = 0.5;
    folder.change(&changed).unwrap();
    let journal = std::fs::read_to_string(folder.file(EVENTS)).unwrap();
    let kept: String =
        journal.lines().filter(|l| !l.contains("\"event\":\"origin\"")).map(|l| format!("{l}\n")).collect();
    assert!(kept.len() < journal.len());
    std::fs::write(folder.file(EVENTS), kept).unwrap();
    assert_eq!(finish(&folder), 1);
    let standing = report(&folder).status;
    assert!(standing.detail().is_some_and(|d| d.contains("search.learning_rate = 0.025")), "{standing:?}");
}

#[test]
fn pipes_are_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let whole = stopped(dir.path(), "whole");
    let newest = {
        let entries = std::fs::read_dir(whole.file(CHECKPOINTS)).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).max().unwrap()
    };
    let newest = format!("{CHECKPOINTS}/{newest}");
    for name in [LOCK, LOG, EVENTS, COMMANDS, CONFIG, WEIGHTS, &newest] {
        let runs = tempfile::tempdir().unwrap();
        crate::faults::copy(whole.path(), &runs.path().join("r"));
        create(runs.path(), "beside", &config());
        let at = runs.path().join("r").join(name);
        let _ = std::fs::remove_file(&at);
        pipe(&at);
        for words in [
            &["runs"][..],
            &["show", "r"],
            &["tail", "--no-follow", "r"],
            &["export", "r"],
            &["export", "r", "--as", "safetensors"],
            &["pause", "r", "--timeout", "1"],
            &["open", "r", "--svg", runs.path().join("r.svg").to_str().unwrap()],
            &["predict", "--run", "r"],
        ] {
            zonas(runs.path(), words);
        }
        // Those that only the engine writes say what is wrong; a checkpoint has one before it.
        let out = zonas(runs.path(), &["run", "--resume", "r", "--yes", "--detach"]);
        let folder = RunFolder::at(&runs.path().join("r")).unwrap();
        if [LOCK, LOG, EVENTS, CONFIG].contains(&name) {
            refused(&out, 1, "a pipe");
        } else {
            let out = zonas(runs.path(), &["abort", "r"]);
            assert!(name == COMMANDS || out.status.success(), "{name}: {}", text(&out.stderr));
            if name == COMMANDS {
                kill(&folder);
            }
        }
        until("the end", || !report(&folder).status.has_engine());
        // The other one's turn comes all the same.
        if name == LOCK {
            let out = zonas(runs.path(), &["run", "--resume", "beside", "--queue", "--detach"]);
            assert!(out.status.success(), "{}", text(&out.stderr));
            let beside = RunFolder::at(&runs.path().join("beside")).unwrap();
            until("the other's turn", || report(&beside).status.word() == "stopped");
        }
    }
}

fn kill(folder: &RunFolder) {
    if let zonas::run::lock::Liveness::Alive(h) = zonas::run::lock::Liveness::of(folder) {
        let pid = rustix::process::Pid::from_raw(h.pid.try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
    }
}

#[test]
fn nothing_is_written_through_links() {
    let dir = tempfile::tempdir().unwrap();
    let whole = stopped(dir.path(), "whole");
    let names: Vec<String> = [EVENTS, LOG, LOCK, COMMANDS]
        .iter()
        .map(ToString::to_string)
        .chain([CONFIG, "genotype.json", "genotype.py", WEIGHTS].iter().map(|n| format!("{n}.new")))
        .chain((0..40).map(|n| format!("{CHECKPOINTS}/{n:08}.ckpt.new")))
        .collect();
    for hard in [false, true] {
        for name in names.iter().take(if hard { 4 } else { names.len() }) {
            // One run holds all the links of a name that is written anew; those of a file that is there are tried singly.
            if name.contains(".new") && *name != names[4] {
                continue;
            }
            let runs = tempfile::tempdir().unwrap();
            let folder = runs.path().join("r");
            crate::faults::copy(whole.path(), &folder);
            let mut c = Config::parse(&std::fs::read_to_string(folder.join(CONFIG)).unwrap(), "c").unwrap();
            c.run.grace_seconds = 5;
            std::fs::write(folder.join(CONFIG), c.to_toml()).unwrap();
            let own = runs.path().join("own");
            std::fs::create_dir(&own).unwrap();
            let put = |name: &str| -> PathBuf {
                let victim = own.join(name.replace('/', "_"));
                let at = folder.join(name);
                let _ = std::fs::copy(&at, &victim);
                if !victim.exists() {
                    std::fs::write(&victim, "mine").unwrap();
                }
                std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o444)).unwrap();
                let _ = std::fs::remove_file(&at);
                if hard {
                    std::fs::hard_link(&victim, &at).unwrap()
                } else {
                    symlink(&victim, &at).unwrap()
                }
                victim
            };
            let put: Vec<PathBuf> = match name.contains(".new") {
                true => names[4..].iter().map(|n| put(n)).collect(),
                false => vec![put(name)],
            };
            let before: Vec<Vec<u8>> = put.iter().map(|v| std::fs::read(v).unwrap()).collect();
            let out = zonas(runs.path(), &["run", "--resume", "r", "--yes", "--detach"]);
            if *name != COMMANDS && !name.contains(".new") {
                refused(&out, 1, if hard { "a second name" } else { "a link" });
            }
            let run = RunFolder::at(&folder).unwrap();
            zonas(runs.path(), &["checkpoint", "r", "--timeout", "20"]);
            kill(&run);
            for (victim, before) in put.iter().zip(before) {
                assert!(std::fs::read(victim).unwrap() == before, "{name}: {} was written to", victim.display());
                let mode = std::fs::metadata(victim).unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, 0o444, "{name}");
            }
        }
    }
    // A whole folder that is a link.
    let runs = tempfile::tempdir().unwrap();
    let folder = create(runs.path(), "r", &config());
    let own = runs.path().join("own");
    std::fs::create_dir(&own).unwrap();
    std::fs::remove_dir(folder.file(CHECKPOINTS)).unwrap();
    symlink(&own, folder.file(CHECKPOINTS)).unwrap();
    assert_eq!(finish(&folder), 1);
    assert!(report(&folder).status.detail().is_some_and(|d| d.contains("a link")));
    assert_eq!(std::fs::read_dir(&own).unwrap().count(), 0);
}

#[test]
fn endless_files_are_refused_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path();
    let at = |name: &str| runs.join(name).to_str().unwrap().to_string();
    pipe(&runs.join("pipe"));
    sparse(&runs.join("holes"), 30 << 30);
    for (path, words) in [("/dev/zero".into(), "a device"), (at("pipe"), "a pipe"), (at("holes"), "at most 1048576")] {
        refused(&zonas(runs, &["run", "--config", &path]), 2, words);
    }
    let folder = stopped(runs, "r");
    // Weights that are no weights, and a head that claims more than there is.
    for (head, words) in [(0u64, "can't read"), (u64::MAX, "no safetensors file"), (1 << 20, "can't read")] {
        sparse(&folder.file(WEIGHTS), 30 << 30);
        let file = std::fs::OpenOptions::new().write(true).open(folder.file(WEIGHTS)).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &head.to_le_bytes(), 0).unwrap();
        refused(&zonas(runs, &["export", "r", "--as", "safetensors", "--out", &at("w")]), 1, words);
    }
    std::fs::remove_file(folder.file(WEIGHTS)).unwrap();
    // A checkpoint of 30 GiB is passed over for the one before it.
    sparse(&folder.file(CHECKPOINTS).join("99999998.ckpt"), 30 << 30);
    let mut engine = Engine::start(&folder);
    let passed =
        |b: &Body| matches!(b, Body::Log { text, .. } if text.contains("99999998.ckpt: it can't be read: it has"));
    let said = wait_for(&folder, &mut engine, passed);
    engine.kill();
    assert!(said, "{:?}", report(&folder).status);
    // Settings of the run, and of the explorer.
    sparse(&folder.file(CONFIG), 30 << 30);
    refused(&zonas(runs, &["run", "--resume", "r"]), 1, "at most 1048576");
    for endless in ["/dev/zero", &at("holes"), &at("pipe")] {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("zonas")).unwrap();
        symlink(endless, home.path().join("zonas/explorer.toml")).unwrap();
        let mut command = assert_cmd::Command::cargo_bin("zonas").unwrap();
        command.env("XDG_CONFIG_HOME", home.path()).arg("--runs").arg(runs).timeout(PATIENCE);
        refused(&command.args(["open", "r", "--svg", &at("picture")]).output().unwrap(), 2, "explorer.toml");
    }
}

#[test]
fn a_disk_that_turned_read_only_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = disk::Small::mount(&dir.path().join("disk"), 8 << 20) else {
        println!("skipped: nothing can be mounted here");
        return;
    };
    let folder = create(&dir.path().join("disk"), "r", &crate::faults::endless());
    let mut engine = Engine::start(&folder);
    assert!(wait_for(&folder, &mut engine, is_step));
    // Files that are open for writing keep a disk from turning read-only, but not where it fails by itself: a second view.
    let view = dir.path().join("view");
    std::fs::create_dir(&view).unwrap();
    let mount = |words: &[&str]| {
        let status = std::process::Command::new("mount").args(words).arg(&view).status().unwrap();
        assert!(status.success());
    };
    mount(&["--bind", dir.path().join("disk").to_str().unwrap()]);
    mount(&["-o", "remount,bind,ro"]);
    let seen = RunFolder::at(&view.join("r")).unwrap();
    // While the heart beats, a view that can't be written to tells nothing.
    assert_eq!(report(&seen).status.word(), "running");
    engine.signal(Signal::STOP);
    let told = |words: &str| {
        let read = report(&seen);
        read.status.word() == "paused" && read.status.detail().is_some_and(|d| d.contains(words))
    };
    until("the word of the disk", || told("read-only"));
    engine.signal(Signal::CONT);
    until("its heart", || report(&seen).status.word() == "running");
    // Where it is gone without a word it could have said none.
    engine.kill();
    let read = report(&seen);
    assert_eq!(read.status.word(), "stopped", "{:?}", read.status);
    assert!(read.status.detail().is_some_and(|d| d.contains("read-only")), "{:?}", read.status);
    assert_eq!(report(&folder).status.word(), "crashed");
    let _ = std::process::Command::new("umount").arg("-l").arg(&view).status();
    drop(disk);
}

#[test]
fn a_run_that_was_stopped_on_a_full_disk_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let folder = create(dir.path(), "r", &crate::faults::endless());
    let mut engine = Engine::start(&folder);
    assert!(wait_for(&folder, &mut engine, is_step));
    let limit = rustix::process::Rlimit { current: Some(4096), maximum: None };
    let pid = rustix::process::Pid::from_child(&engine.0);
    rustix::process::prlimit(Some(pid), rustix::process::Resource::Fsize, limit).unwrap();
    until("the pause", || report(&folder).status.word() == "paused");
    engine.signal(Signal::TERM);
    assert_eq!(engine.wait().code(), Some(75));
    let standing = report(&folder).status;
    assert_eq!(standing.word(), "stopped", "{standing:?}");
    assert!(standing.detail().is_some_and(|d| d.contains("can't write")), "{standing:?}");
}

#[test]
fn a_run_without_its_folder_of_checkpoints_begins_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let folder = create(dir.path(), "r", &config());
    std::fs::remove_dir(folder.file(CHECKPOINTS)).unwrap();
    assert_eq!(finish(&folder), 0, "{:?}", report(&folder).status);
    let mode = std::fs::metadata(folder.file(CHECKPOINTS)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let folder = stopped(dir.path(), "gone");
    std::fs::remove_dir_all(folder.file(CHECKPOINTS)).unwrap();
    let mut engine = Engine::start(&folder);
    assert!(wait_for(&folder, &mut engine, |b| matches!(b, Body::CheckpointSaved { .. })));
}

/// A step that takes long, so that only the grace period ends it.
#[test]
fn a_termination_after_an_interrupt_has_its_grace_period_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut c = config();
    (c.search.channels, c.search.cells, c.search.batch, c.data.limit) = (64, 8, 64, 0);
    c.run.grace_seconds = 2;
    let folder = create(dir.path(), "r", &c);
    for second in [Signal::TERM, Signal::USR1] {
        let mut engine = Engine::start(&folder);
        assert!(wait_for(&folder, &mut engine, |b| matches!(b, Body::SearchStarted(_))));
        std::thread::sleep(Duration::from_millis(300));
        engine.signal(Signal::INT);
        std::thread::sleep(Duration::from_millis(100));
        engine.signal(second);
        let begun = Instant::now();
        assert_eq!(engine.wait().code(), Some(75));
        assert!(begun.elapsed() < Duration::from_secs(8), "{second:?} took {:?}", begun.elapsed());
    }
}

#[test]
fn a_name_means_the_run_and_what_can_not_be_read_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().join("runs");
    let named = create(&runs, "mine", &config());
    let here = create(dir.path(), "mine", &other());
    create(dir.path(), "only-here", &other());
    let shown = |word: &str| {
        let mut command = assert_cmd::Command::cargo_bin("zonas").unwrap();
        let out =
            command.current_dir(dir.path()).arg("--runs").arg(&runs).args(["show", word, "--json"]).output().unwrap();
        assert!(out.status.success(), "{}", text(&out.stderr));
        let value: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        PathBuf::from(value["folder"].as_str().unwrap())
    };
    assert_eq!(shown("mine"), named.path());
    assert_eq!(dir.path().join(shown("./mine")).canonicalize().unwrap(), here.path().canonicalize().unwrap());
    assert_eq!(shown("only-here"), Path::new("only-here"));
    // A folder where the journal should be, and a run that leads nowhere but to itself.
    std::fs::create_dir(named.file(EVENTS)).unwrap();
    for words in [&["export", "mine"][..], &["show", "mine"], &["tail", "mine"], &["pause", "mine"]] {
        refused(&zonas(&runs, words), 1, "events.jsonl: it is a folder");
    }
    let list = text(&zonas(&runs, &["runs"]).stdout);
    assert!(list.contains("unreadable"), "{list}");
    symlink("loop", runs.join("loop")).unwrap();
    refused(&zonas(&runs, &["show", "loop"]), 1, "can't open");
    let odd = std::ffi::OsStr::from_bytes(b"caf\xe9");
    let out = assert_cmd::Command::cargo_bin("zonas").unwrap().arg("show").arg(odd).output().unwrap();
    refused(&out, 2, "is not UTF-8");
}

#[test]
fn numbers_and_outputs_are_taken_as_they_are_meant() {
    let dir = tempfile::tempdir().unwrap();
    let words = ["predict", "--preset", "demo", "--json", "--memory-budget", "1000000000"];
    let out = zonas(dir.path(), &words);
    let said: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(said["budget_bytes"], 1_000_000_000);
    assert_eq!(zonas(dir.path(), &["bench", "--threads", "5000"]).status.code(), Some(2));
    for words in [&["--help"][..], &["--version"], &["run", "--help"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_zonas"));
        let out = command.args(words).stdout(full).output().unwrap();
        refused(&out, 1, "can't write to standard output");
    }
    // What would need more than there is, is refused before anything runs.
    let out =
        zonas(dir.path(), &["run", "--preset", "demo", "--set", "score.channels=1024", "--memory-budget", "2GiB"]);
    refused(&out, 1, "scoring needs about");
    assert!(text(&out.stderr).contains("score.channels = "), "{}", text(&out.stderr));
    refused(
        &zonas(dir.path(), &["bench", "--channels", "512", "--cells", "32", "--batch", "1024"]),
        2,
        "lower --batch",
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "a run was left behind");
    // A training never has scores.
    let mut training = crate::faults::training();
    training.train.epochs = 1;
    let folder = create(dir.path(), "t", &training);
    assert_eq!(finish(&folder), 0);
    refused(&zonas(dir.path(), &["export", "t", "--as", "svg", "--what", "scores"]), 2, "will have none");
}

#[test]
fn more_threads_than_are_of_use_are_not_started() {
    let dir = tempfile::tempdir().unwrap();
    let mut c = config();
    c.device.threads = 1000;
    let folder = create(dir.path(), "r", &c);
    assert_eq!(finish(&folder), 0);
    let threads = report(&folder).summary.threads.unwrap();
    let usable = std::thread::available_parallelism().unwrap().get();
    assert_eq!(threads, 1000.min((4 * usable).max(16)));
    let said = |b: &Body| matches!(b, Body::Log { text, .. } if text.contains("device.threads = 1000"));
    assert!(threads == 1000 || crate::faults::events(&folder).iter().any(|e| said(&e.body)));
}

#[test]
fn every_signal_that_ends_the_explorer_gives_the_terminal_back() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), "r", &config());
    for signal in [Signal::QUIT, Signal::USR1, Signal::USR2, Signal::ALARM, Signal::VTALARM, Signal::PROF, Signal::XCPU]
    {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_zonas"));
        command.arg("--runs").arg(dir.path()).args(["open", "r"]).env("TERM", "xterm-256color");
        let mut terminal = crate::pty::Terminal::start(command, (100, 30));
        terminal.until("the explorer", crate::pty::Terminal::taken);
        terminal.signal(signal);
        terminal.left();
    }
}
