//! The program itself: what it prints, and how it ends.

use std::path::Path;
use std::process::{Command as Process, Stdio};

use assert_cmd::Command;

fn zonas() -> Command {
    Command::cargo_bin("zonas").unwrap()
}

/// Standard output, standard error, exit code.
fn run(args: &[&str]) -> (String, String, i32) {
    let out = zonas().args(args).output().unwrap();
    (
        String::from_utf8(out.stdout).unwrap(),
        String::from_utf8(out.stderr).unwrap(),
        out.status.code().expect("an exit code, not a signal"),
    )
}

/// A mistake: one sentence on standard error, exit code 2, nothing on standard output.
fn refused(args: &[&str], because: &str) {
    let (out, err, code) = run(args);
    assert_eq!(code, 2, "{args:?}: {err}");
    assert!(out.is_empty(), "{args:?} printed {out}");
    assert!(err.contains(because), "{args:?}: {err}");
    assert!(!err.contains("panicked") && err.trim_end().lines().count() == 1, "{args:?}: {err}");
}

const V2: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), \
    ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], \
    reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), \
    ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])";

#[test]
fn counts_by_name_text_and_file() {
    let json = |args: &[&str]| -> serde_json::Value {
        let (out, err, code) = run(args);
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).unwrap()
    };
    let by_name = json(&["count", "DARTS_V2", "--json"]);
    assert_eq!((by_name["parameters"].as_u64(), by_name["macs"].as_u64()), (Some(3_349_342), Some(528_359_040)));
    assert_eq!(json(&["count", V2, "--json"])["macs"], by_name["macs"]);
    let small = json(&["count", V2, "--channels", "16", "--cells", "8", "--json"]);
    assert_eq!(small["parameters"].as_u64(), Some(246_106));
    let head = json(&["count", V2, "--auxiliary", "--json"]);
    assert_eq!(head["parameters"].as_u64(), Some(3_349_342 + 476_426));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("g.py");
    std::fs::write(&file, format!("# a cell\nMINE = {V2}\n")).unwrap();
    assert_eq!(json(&["count", file.to_str().unwrap(), "--json"])["macs"], by_name["macs"]);
}

#[test]
fn genotypes_that_are_none_are_refused() {
    refused(&["count", &V2.replace("dil_conv_3x3", "dil_conv_9x9")], "not an operation that is built");
    refused(&["count", &V2.replace("('dil_conv_3x3', 2)]", "('dil_conv_3x3', 5)]")], "may read only states");
    refused(&["count", "DARTS_V9"], "nearest name");
    refused(&["count", V2, "--cells", "0"], "at least 1 cell");
    refused(&["count", V2, "--channels", "0"], "at least 1 channel");
}

#[test]
fn settings_that_make_no_sense_are_refused_and_leave_no_run() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().join("runs");
    let runs = runs.to_str().unwrap();
    let file = dir.path().join("c.toml");
    std::fs::write(&file, "[search]\nchanels = 4\n").unwrap();
    let old = dir.path().join("old.toml");
    std::fs::write(&old, "version = 0\n").unwrap();
    let empty = dir.path().join("pictures");
    std::fs::create_dir_all(empty.join("cat")).unwrap();
    std::fs::create_dir_all(empty.join("dog")).unwrap();
    image::GrayImage::new(8, 8).save(empty.join("dog/1.png")).unwrap();
    for (args, because) in [
        (vec!["--xi", "-0.5"], "pruning level"),
        (vec!["--xi", "1"], "pruning level"),
        (vec!["--xi", "-1"], "pruning level"),
        (vec!["--xi", "nan"], "pruning level"),
        (vec!["--set", "search.cells=0"], "at least 1"),
        (vec!["--set", "search.channels=0"], "at least 1"),
        (vec!["--seed", "18446744073709551615"], "more than this program takes"),
        (vec!["--set", "score.functions=[\"naswott\"]"], "did you mean `naswot`"),
        (vec!["--set", "search.batch=4000"], "fewer than a batch"),
        (vec!["--data", "/no/such/pictures"], "no such data"),
        (vec!["--data", empty.to_str().unwrap()], "class folder without pictures"),
        (vec!["--config", file.to_str().unwrap()], "did you mean `channels`"),
        (vec!["--config", old.to_str().unwrap()], "version 0"),
        (vec!["--config", "/no/such/file"], "can't read the configuration"),
        (vec!["--preset", "dart"], "did you mean `darts`"),
        (vec!["--name", "../up"], "not a valid run name"),
        (vec!["--resume", "nothing"], "there is no run"),
    ] {
        let mut all = vec!["--runs", runs, "run"];
        all.extend(args);
        refused(&all, because);
    }
    let left = std::fs::read_dir(runs).map_or(0, |d| d.count());
    assert_eq!(left, 0, "a refused run left something behind");
}

/// The smallest settings that go the whole way.
const TINY: [&str; 20] = [
    "--set",
    "score.channels=1",
    "--set",
    "score.batch=4",
    "--set",
    "score.draws=1",
    "--set",
    "search.channels=2",
    "--set",
    "search.cells=2",
    "--set",
    "search.batch=16",
    "--set",
    "search.epochs=2",
    "--set",
    "data.limit=200",
    "--threads",
    "2",
    "--seed",
    "7",
];

fn tiny(runs: &Path, more: &[&str]) -> (String, String, i32) {
    let mut args = vec!["--runs", runs.to_str().unwrap(), "run"];
    args.extend(TINY);
    args.extend(more);
    run(&args)
}

#[test]
fn a_run_goes_the_whole_way_and_is_shown_and_exported() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().to_str().unwrap();
    let (out, err, code) = tiny(dir.path(), &["--name", "whole", "--yes"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("Genotype(normal=["), "{out}");
    refused(&["--runs", runs, "run", "--name", "whole", "--yes"], "exists");
    let (python, _, _) = run(&["--runs", runs, "export", "whole", "--as", "python"]);
    let genotype = zonas::space::parse_genotype(&python).unwrap();
    let (json, _, _) = run(&["--runs", runs, "export", "whole", "--as", "json"]);
    assert_eq!(zonas::space::parse_genotype(&json).unwrap(), genotype);
    let (dot, _, _) = run(&["--runs", runs, "export", "whole", "--as", "dot"]);
    assert!(dot.starts_with("digraph") && dot.contains("cluster_reduction"));
    let (shown, _, _) = run(&["--runs", runs, "show", "whole", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (shown["state"].as_str(), shown["kept"].as_u64(), shown["epoch"].as_u64()),
        (Some("done"), Some(112), Some(2))
    );
    let (list, _, _) = run(&["--runs", runs, "runs"]);
    assert!(list.contains("whole") && list.contains("done"), "{list}");
    let saved = std::fs::read_to_string(dir.path().join("whole/genotype.json")).unwrap();
    assert_eq!(zonas::space::parse_genotype(&saved).unwrap(), genotype);
    // The same settings on another number of threads: the same bytes.
    let (_, err, code) = tiny(dir.path(), &["--name", "again", "--yes", "--threads", "1"]);
    assert_eq!(code, 2, "{err}"); // given twice
    let mut args: Vec<&str> = vec!["--runs", runs, "run"];
    args.extend(TINY.iter().map(|a| if *a == "2" { "1" } else { *a }));
    args.extend(["--name", "again", "--yes"]);
    assert_eq!(run(&args).2, 0);
    assert_eq!(std::fs::read_to_string(dir.path().join("again/genotype.json")).unwrap(), saved);
}

#[test]
fn without_yes_a_run_waits_and_can_be_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().to_str().unwrap();
    let (out, err, code) = tiny(dir.path(), &["--name", "waits"]);
    assert_eq!(code, 75, "{err}");
    assert!(out.contains("zonas run --resume ") && out.contains("waits --yes"), "{out}");
    let (out, err, code) = run(&["--runs", runs, "run", "--resume", "waits", "--yes", "--output", "json"]);
    assert_eq!(code, 0, "{err}");
    for line in out.lines() {
        serde_json::from_str::<zonas::run::event::Event>(line).unwrap();
    }
    assert!(out.contains("\"run_ended\"") && !out.contains("\"event\":\"score\""), "scoring was run again");
    refused(&["--runs", runs, "run", "--resume", "waits", "--yes"], "done");
}

#[test]
fn folders_that_cannot_be_written_are_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (_, err, code) = tiny(&file.join("runs"), &["--yes"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("can't make") && err.contains("--runs DIR"), "{err}");
}

#[test]
#[cfg(unix)]
fn runs_are_private_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let program = assert_cmd::cargo::cargo_bin("zonas");
    for umask in ["000", "777"] {
        let runs = dir.path().join(umask).join("runs");
        let script = format!(
            "umask {umask}; {} --runs {} run {} --name open > /dev/null",
            program.display(),
            runs.display(),
            TINY.map(|a| format!("'{a}'")).join(" ")
        );
        let status = Process::new("sh").args(["-c", &script]).status().unwrap();
        assert_eq!(status.code(), Some(75));
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        let run = runs.join("open");
        assert_eq!([mode(runs.parent().unwrap()), mode(&runs), mode(&run)], [0o700; 3], "umask {umask}");
        for entry in std::fs::read_dir(&run).unwrap() {
            let path = entry.unwrap().path();
            let expected = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode(&path), expected, "umask {umask}: {}", path.display());
        }
    }
}

#[test]
#[cfg(unix)]
fn a_reader_that_leaves_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().to_str().unwrap();
    for args in [vec!["config"], vec!["--runs", runs, "runs"], vec!["--runs", runs, "doctor"]] {
        let program = assert_cmd::cargo::cargo_bin("zonas");
        let mut child =
            Process::new(program).args(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let out = child.wait_with_output().unwrap();
        assert!(out.stderr.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(out.status.code(), Some(0), "{args:?}");
    }
}

/// Starts a run that would take long, waits until its search has begun, and sends a signal; `again`: and another one.
#[cfg(unix)]
fn interrupted(runs: &Path, more: &[&str], signal: rustix::process::Signal, again: bool) -> i32 {
    use zonas::run::event::Body;
    let program = assert_cmd::cargo::cargo_bin("zonas");
    let mut args = vec!["--runs", runs.to_str().unwrap(), "run", "--yes", "--name", "long"];
    args.extend(TINY);
    args.extend(["--set", "search.epochs=100000", "--set", "score.remove_per_round=3"]);
    args.extend(more.iter().flat_map(|assignment| ["--set", *assignment]));
    let mut child = Process::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut tail = zonas::run::journal::Tail::new(runs.join("long").join(zonas::run::EVENTS));
    let begun = (0..6000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        tail.read().iter().any(|e: &zonas::run::event::Event| matches!(e.body, Body::Step(_)))
    });
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, signal).unwrap();
    if again {
        std::thread::sleep(std::time::Duration::from_millis(80));
        rustix::process::kill_process(pid, signal).unwrap();
    }
    let code = child.wait().unwrap().code().expect("an exit code, not a signal");
    assert!(begun, "the search did not begin");
    code
}

#[test]
#[cfg(unix)]
fn a_signal_stops_a_run_with_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().to_str().unwrap();
    assert_eq!(interrupted(dir.path(), &[], rustix::process::Signal::TERM, false), 75);
    let (shown, _, _) = run(&["--runs", runs, "show", "long", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["state"], "stopped");
    assert!(std::fs::read_dir(dir.path().join("long/checkpoint")).unwrap().count() > 0);
}

/// What a command printed, and its exit code.
#[cfg(unix)]
fn told(runs: &str, args: &[&str]) -> (String, i32) {
    let mut all = vec!["--runs", runs];
    all.extend(args);
    let (out, err, code) = run(&all);
    (out + &err, code)
}

#[test]
#[cfg(unix)]
fn a_run_is_steered_from_the_shell() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().to_str().unwrap();
    let (out, err, code) = tiny(dir.path(), &["--name", "steered", "--wait", "--detach"]);
    assert!(code == 0 && out.contains("zonas attach"), "{out}{err}");
    let says = |args: &[&str], words: &str, code: i32| {
        let (out, ended) = told(runs, args);
        assert!(out.contains(words) && ended == code, "{args:?}: {ended}: {out}");
    };
    says(&["pause", "steered"], "pause: accepted", 0);
    says(&["show", "steered"], "paused", 0);
    says(&["pause", "steered"], "refused: the run is paused already", 1);
    says(&["checkpoint", "steered"], "checkpoint: accepted", 0);
    says(&["confirm", "steered"], "refused: there is no cut yet", 1);
    says(&["resume", "steered"], "resume: accepted", 0);
    let mut tail = zonas::run::journal::Tail::new(dir.path().join("steered").join(zonas::run::EVENTS));
    let proposed = (0..6000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        let proposed = |e: &zonas::run::event::Event| matches!(e.body, zonas::run::event::Body::CutProposed(_));
        tail.read().iter().any(proposed)
    });
    assert!(proposed, "no cut was proposed");
    says(&["show", "steered"], "waiting for a cut", 0);
    says(&["cut", "steered"], "required", 2);
    for level in ["1", "0", "nan", "inf"] {
        says(&["cut", "steered", "--xi", level], "a pruning level lies above 0 and below 1", 2);
    }
    says(&["cut", "steered", "--xi", "0.75"], "56 of 224 kept", 0);
    says(&["cut", "steered", "--budget", "1KiB"], "refused: no cut fits", 1);
    says(&["cut", "steered", "--budget", "1TiB"], "within 1.00 TiB by scores: 196 of 224 kept", 0);
    // All is kept already: what is decided by hand holds later, and that is said.
    let note = "note: cut changes nothing now; decided by hand, it stays so at another level or budget";
    says(&["cut", "steered", "--keep", "normal:5:sep_conv_3x3"], note, 0);
    says(&["cut", "steered", "--undo"], "note: undo changes nothing now", 0);
    says(&["cut", "steered", "--undo"], "56 of 224 kept", 0);
    let keep = ["cut", "steered", "--keep", "normal:3:sep_conv_3x3", "--keep", "normal:3:skip_connect"];
    says(&keep, "by hand", 0);
    // One edit that changes nothing keeps no other back, and each is answered by its name.
    let mixed = ["cut", "steered", "--keep", "normal:3:skip_connect", "--drop", "normal:3:skip_connect"];
    let (out, ended) = told(runs, &mixed);
    let refused = out.lines().any(|l| l.starts_with("keep normal:") && l.contains("refused: that changes nothing"));
    let accepted = out.lines().any(|l| l.starts_with("drop normal:") && l.ends_with("accepted"));
    assert!(refused && accepted && ended == 1, "{ended}: {out}");
    says(&["cut", "steered", "--keep", "normal:99:sep_conv_3x3"], "error", 2);
    // Two confirm: who comes second is told.
    says(&["confirm", "steered", "--revision", "0"], "refused: the cut has changed", 1);
    says(&["confirm", "steered"], "confirm: accepted", 0);
    // Until its end, whose code is the run's.
    says(&["tail", "steered"], "Genotype(normal=[", 0);
    says(&["confirm", "steered"], "no engine is at work", 2);
    says(&["stop", "steered"], "it is done", 2);
    says(&["tail", "steered", "--no-follow", "--output", "json"], "\"run_ended\"", 0);
}

#[test]
#[cfg(unix)]
fn the_engine_has_a_session_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().to_str().unwrap();
    let (_, err, code) = tiny(dir.path(), &["--name", "apart", "--wait", "--detach"]);
    assert_eq!(code, 0, "{err}");
    let folder = zonas::run::RunFolder::open(dir.path(), "apart").unwrap();
    let zonas::run::lock::Liveness::Alive(holder) = zonas::run::lock::Liveness::of(&folder) else {
        panic!("no engine");
    };
    let pid = rustix::process::Pid::from_raw(holder.pid as i32).unwrap();
    assert_eq!(rustix::process::getsid(Some(pid)).unwrap(), pid);
    assert_ne!(rustix::process::getsid(None).unwrap(), pid);
    // Nobody watches; it is asked to leave, and does.
    assert_eq!(told(runs, &["pause", "apart"]).1, 0);
    assert_eq!(told(runs, &["abort", "apart"]).1, 0);
    // Also where it was gone before it was looked at.
    assert_eq!(told(runs, &["tail", "apart", "--new"]).1, 130);
    let (out, code) = told(runs, &["tail", "apart"]);
    assert!(code == 130 && out.contains("paused\n") && out.contains("aborted"), "{code}: {out}");
    assert!(!out.contains("resumed"), "it did not go on before it was aborted: {out}");
}

#[test]
fn an_error_is_told_once_and_tail_has_the_code_of_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().to_str().unwrap();
    let large = ["--set", "search.learning_rate=1e20", "--set", "search.clip=0", "--set", "data.limit=400"];
    let once = |out: &str, err: &str| {
        let both = format!("{out}{err}");
        assert_eq!(both.matches("is not finite in epoch").count(), 1, "{both}");
        assert!(err.starts_with("error: ") && err.lines().count() == 1, "{err}");
    };
    for (name, more) in [("apart", &["--yes"][..]), ("here", &["--yes", "--foreground"])] {
        let mut all = vec!["--name", name];
        all.extend(large);
        all.extend(more);
        let (out, err, code) = tiny(dir.path(), &all);
        assert_eq!(code, 1, "{out}{err}");
        once(&out, &err);
        for how in [&[][..], &["--no-follow"], &["--new"]] {
            let mut all = vec!["--runs", runs, "tail", name];
            all.extend(how);
            let (out, err, code) = run(&all);
            assert_eq!(code, 1, "{how:?}: {out}{err}");
            once(&out, &err);
            assert_eq!(out.contains("cut confirmed"), !how.contains(&"--new"), "{how:?}: {out}");
        }
    }
    // Each outcome as its last word has it.
    use zonas::run::event::{Body, Outcome};
    for (outcome, bad_input, code) in [
        (Outcome::Failed, false, 1),
        (Outcome::Failed, true, 2),
        (Outcome::Stopped, false, 75),
        (Outcome::Aborted, false, 130),
        (Outcome::Done, false, 0),
    ] {
        let name = format!("{outcome:?}{bad_input}").to_lowercase();
        let config = zonas::run::config::Config::default();
        let folder = zonas::run::RunFolder::create(dir.path(), Some(&name), "x", &config).unwrap();
        let mut journal = zonas::run::journal::Writer::open(&folder).unwrap();
        journal.emit(Body::RunEnded { outcome, detail: "for a reason".into(), bad_input }).unwrap();
        for how in [&[][..], &["--no-follow"], &["--new"], &["--output", "json"]] {
            let mut all = vec!["--runs", runs, "tail", &name];
            all.extend(how);
            let (out, err, ended) = run(&all);
            assert_eq!(ended, code, "{name} {how:?}: {out}{err}");
            assert_eq!(err == "error: for a reason\n", outcome == Outcome::Failed, "{name} {how:?}: {out}{err}");
        }
    }
}

#[test]
#[cfg(unix)]
fn a_second_interrupt_ends_a_run_at_once() {
    let dir = tempfile::tempdir().unwrap();
    // Long steps, so that the second interrupt comes before the end of one; where it did not, once more.
    let slow = ["data.limit=0", "search.batch=1024", "search.channels=8", "search.cells=4"];
    let at_once = (0..8).any(|i| {
        let runs = dir.path().join(i.to_string());
        if interrupted(&runs, &slow, rustix::process::Signal::INT, true) != 130 {
            return false;
        }
        let (list, _, code) = run(&["--runs", runs.to_str().unwrap(), "runs"]);
        assert!(code == 0 && list.contains("crashed"), "{list}");
        true
    });
    assert!(at_once, "the second interrupt never ended a run at once");
}

#[test]
fn a_run_can_be_taken_up_from_another_folder() {
    let dir = tempfile::tempdir().unwrap();
    let pictures = dir.path().join("pictures");
    // Of different sizes, which `data.size` brings to one.
    for (class, side) in [("cat", 8), ("dog", 10)] {
        std::fs::create_dir_all(pictures.join(class)).unwrap();
        for i in 0..60u8 {
            let picture = image::GrayImage::from_fn(side, side, |x, y| {
                image::Luma([i.wrapping_mul(17).wrapping_add((x * 31 + y * 7 * side) as u8)])
            });
            picture.save(pictures.join(class).join(format!("{i}.png"))).unwrap();
        }
    }
    let start = |more: &[&str]| {
        let mut args = vec!["--runs", "runs", "run", "--name", "here", "--data", "pictures"];
        args.extend(TINY);
        args.extend(["--set", "data.crop_padding=1"]);
        args.extend(more);
        zonas().current_dir(dir.path()).args(args).output().unwrap()
    };
    let out = start(&[]);
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("data.size"));
    let out = start(&["--set", "data.size=8"]);
    assert_eq!(out.status.code(), Some(75), "{}", String::from_utf8_lossy(&out.stderr));
    let runs = dir.path().join("runs");
    let (_, err, code) = run(&["--runs", runs.to_str().unwrap(), "run", "--resume", "here", "--yes"]);
    assert_eq!(code, 0, "{err}");
}

#[test]
fn words_from_files_cannot_drive_the_terminal() {
    use zonas::run::config::Config;
    use zonas::run::event::{Body, DataSummary, Level, Outcome, RunStarted};
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().to_str().unwrap();
    let hostile = "\u{1b}]0;title\u{7}\u{9b}31m\u{202e}red\r\n";
    let folder = zonas::run::RunFolder::create(dir.path(), Some("hostile"), "x", &Config::default()).unwrap();
    let mut journal = zonas::run::journal::Writer::open(&folder).unwrap();
    let data = DataSummary {
        name: hostile.into(),
        train: 1,
        test: 1,
        height: 1,
        width: 1,
        channels: 1,
        class_names: vec![hostile.into()],
        mean: Vec::new(),
        deviation: Vec::new(),
        normalisation: String::new(),
    };
    let started = RunStarted {
        run: hostile.into(),
        program: hostile.into(),
        seed: 1,
        device: hostile.into(),
        threads: 1,
        total_bytes: None,
        data,
        classes: 1,
        channels: 1,
        cells: Vec::new(),
        batch: 1,
        space: zonas::space::darts::FULL,
        definition: None,
        budget_bytes: None,
        trains: false,
        stem: zonas::space::Stem::Cifar,
    };
    journal.emit(Body::RunStarted(started)).unwrap();
    journal.emit(Body::Log { level: Level::Warning, text: hostile.into() }).unwrap();
    journal.emit(Body::RunEnded { outcome: Outcome::Failed, detail: hostile.into(), bad_input: false }).unwrap();
    #[cfg(unix)]
    {
        let odd = dir.path().join("\u{1b}[31modd");
        std::fs::create_dir(&odd).unwrap();
        std::fs::write(odd.join("config.toml"), "").unwrap();
        std::fs::write(odd.join("events.jsonl"), b"\xff\xfe\0nonsense\n\n{}\n[1]\nmore").unwrap();
    }
    for args in [vec!["runs"], vec!["runs", "--json"], vec!["show", "hostile"], vec!["show", "hostile", "--json"]] {
        let mut all = vec!["--runs", runs];
        all.extend(&args);
        let (out, err, code) = run(&all);
        assert_eq!(code, 0, "{args:?}: {err}");
        assert!(out.contains("red") || out.contains("failed"), "{args:?}: {out}");
        let acts = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
        assert!(!out.chars().any(acts), "{args:?}: {out:?}");
    }
    let (_, err, code) = run(&["--runs", runs, "show", "\u{1b}[2Jgone"]);
    assert!(code == 2 && !err.contains('\u{1b}'), "{err:?}");
}

#[test]
fn settings_printed_are_settings_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.toml");
    for preset in ["darts", "demo"] {
        let (out, _, code) = run(&["config", "--preset", preset]);
        assert_eq!(code, 0);
        let parsed = zonas::run::config::Config::parse(&out, preset).unwrap();
        assert_eq!(Some(parsed), zonas::run::preset(preset));
        std::fs::write(&file, &out).unwrap();
        // Read again by the program, it is as good as it was; what comes after is what is refused.
        refused(&["run", "--config", file.to_str().unwrap(), "--xi", "2"], "pruning level");
    }
    refused(&["config", "--preset", "drats"], "did you mean `darts`");
}

#[test]
fn the_doctor_tells_what_will_be_used_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().join("not/there");
    let (out, err, code) = run(&["--runs", runs.to_str().unwrap(), "doctor"]);
    assert_eq!(code, 0, "{err}");
    for key in ["device", "vectors", "threads", "memory", "terminal", "colours", "data", "runs"] {
        assert!(out.lines().any(|l| l.starts_with(key)), "no {key} in {out}");
    }
    assert!(out.contains("Fashion-MNIST") && out.contains("which the first run makes"), "{out}");
    let (out, _, _) = run(&["--runs", dir.path().to_str().unwrap(), "doctor"]);
    assert!(out.contains("writable"), "{out}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (out, _, _) = run(&["--runs", file.join("runs").to_str().unwrap(), "doctor"]);
    assert!(out.lines().any(|l| l.starts_with("runs") && l.contains("unusable")), "{out}");
    let (_, err, code) = run(&["--runs", runs.to_str().unwrap(), "doctor", "--data", "/no/such/pictures"]);
    assert!(code == 2 && err.contains("no such data"), "{err}");
}

#[test]
fn without_a_terminal_the_explorer_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().to_str().unwrap();
    assert_eq!(tiny(dir.path(), &["--name", "r"]).2, 75);
    refused(&["--runs", runs, "open", "r"], "needs a terminal");
    refused(&["--runs", runs, "open", "missing"], "there is no run");
}

#[test]
fn runs_are_listed_as_a_table_of_settings() {
    use zonas::run::config::Config;
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().to_str().unwrap();
    for (name, seed, xi) in [("a1", 1, 0.5), ("a2", 2, 0.5), ("b1", 1, 0.75)] {
        let mut config = Config { seed, ..Config::default() };
        config.cut.xi = xi;
        zonas::run::RunFolder::create(dir.path(), Some(name), "x", &config).unwrap();
    }
    std::fs::write(dir.path().join("b1/notes.toml"), "note = \"odd, \\\"very\\\"\"\ntags = [\"paper\"]\n").unwrap();
    let listed = |args: &[&str]| {
        let (out, err, code) = run(&[&["--runs", runs, "runs"], args].concat());
        assert_eq!(code, 0, "{args:?}: {err}");
        out
    };
    let csv = |args: &[&str]| listed(&[args, &["--csv", "--columns", "run,xi,seed"]].concat());
    assert_eq!(csv(&[]), "run,cut.xi,seed\na1,0.5,1\na2,0.5,2\nb1,0.75,1\n");
    assert_eq!(csv(&["seed:1", "xi>0.6"]), "run,cut.xi,seed\nb1,0.75,1\n");
    assert_eq!(csv(&["#paper"]), "run,cut.xi,seed\nb1,0.75,1\n");
    assert_eq!(csv(&["--sort", "xi", "--reverse"]), "run,cut.xi,seed\nb1,0.75,1\na1,0.5,1\na2,0.5,2\n");
    assert_eq!(listed(&["b1", "--csv", "--columns", "note"]), "note\n\"odd, \"\"very\"\"\"\n");
    let table = listed(&["--group", "--columns", "run,seed,xi,state"]);
    assert!(table.contains("×2 (0 done) a1, …") && table.contains("1–2") && table.contains("2 new"), "{table}");
    let json: serde_json::Value =
        serde_json::from_str(&listed(&["--group", "--json", "--columns", "xi,supernet"])).unwrap();
    assert_eq!(
        json[0],
        serde_json::json!({
            "cut.xi": 0.5, "supernet": null, "supernet_deviation": null, "supernet_n": 0, "runs": 2
        })
    );
    // As ever without any of it; what a person wrote stands behind, and in what `show` tells.
    let plain = listed(&[]);
    assert!(
        plain.lines().count() == 4
            && plain.lines().any(|l| l.starts_with("b1 ") && l.ends_with("#paper  odd, \"very\""))
    );
    let all: serde_json::Value = serde_json::from_str(&listed(&["--json", "seed:1"])).unwrap();
    assert_eq!((all.as_array().unwrap().len(), &all[1]["tags"][0]), (2, &serde_json::json!("paper")));
    let (shown, _, _) = run(&["--runs", runs, "show", "b1"]);
    assert!(shown.contains("tags         paper") && shown.contains("note         odd, "), "{shown}");
    assert!(listed(&["--keys"]).lines().any(|l| l.starts_with("search.method ")));
    let keys: serde_json::Value = serde_json::from_str(&listed(&["--keys", "--json"])).unwrap();
    assert!(keys.as_array().unwrap().iter().any(|c| c["key"] == "search.method" && c["meaning"].is_string()));
    assert!(listed(&["nothing"]).contains("none of 3 runs is as the filter says"));
    for (args, because) in [
        (&["sed:1"][..], "did you mean `seed`"),
        (&["--sort", "source"], "write which"),
        (&["--columns", "run,qqqq"], "no column `qqqq`"),
        (&["xi>much"], "takes one number"),
    ] {
        refused(&[&["--runs", runs, "runs"], args].concat(), because);
    }
}

/// A folder of runs that have not begun.
fn new_runs(names: &[&str]) -> tempfile::TempDir {
    let runs = tempfile::tempdir().unwrap();
    for name in names {
        std::fs::create_dir(runs.path().join(name)).unwrap();
        std::fs::write(runs.path().join(name).join("config.toml"), "").unwrap();
    }
    runs
}

#[test]
fn the_beginning_of_a_name_will_do() {
    let folder = new_runs(&["first", "second-1", "second-2"]);
    let runs = folder.path().to_str().unwrap();
    let (out, err, code) = run(&["--runs", runs, "show", "fi", "--json"]);
    assert_eq!((code, err.as_str()), (0, "note: `fi` is the run first\n"));
    assert!(out.contains("\"run\":\"first\"") || out.contains("\"run\": \"first\""), "{out}");
    let (_, err, code) = run(&["--runs", runs, "show", "first"]);
    assert_eq!((code, err.as_str()), (0, ""));
    refused(&["--runs", runs, "show", "second"], "stands for several runs");
    refused(&["--runs", runs, "abort", "second"], "second-1, second-2; type more of the name");
    refused(&["--runs", runs, "show", "third"], "there is no run `third`");
    // What names a genotype is one, whatever runs begin with it.
    let folder = new_runs(&["DARTS_V2-train"]);
    let (out, err, code) = run(&["--runs", folder.path().to_str().unwrap(), "export", "DARTS_V2"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("Genotype("), "{out}");
}

/// What a shell is offered for the last of these words.
fn offered(words: &[&str]) -> Vec<String> {
    let mut asks = zonas();
    asks.envs([("COMPLETE", "bash"), ("_CLAP_IFS", "\n"), ("_CLAP_COMPLETE_COMP_TYPE", "9")]);
    asks.env("_CLAP_COMPLETE_SPACE", "true").env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
    let out = asks.arg("--").args(words).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_string).collect()
}

#[test]
fn shells_complete_runs_settings_and_names() {
    let folder = new_runs(&["first", "second-1", "second-2"]);
    let runs = folder.path().to_str().unwrap();
    assert_eq!(offered(&["zonas", "--runs", runs, "show", "s"]), ["second-1", "second-2"]);
    assert_eq!(offered(&["zonas", "run", "--runs", runs, "--resume", "f"]), ["first"]);
    assert!(offered(&["zonas", "show", "--runs", "/nowhere", ""]).iter().all(|o| o.starts_with('-')));
    assert_eq!(offered(&["zonas", "run", "--set", "cut.x"]), ["cut.xi="]);
    assert_eq!(offered(&["zonas", "run", "--preset", "pa"]), ["paper"]);
    assert!(offered(&["zonas", "count", "DARTS_"]).contains(&"DARTS_V2".to_string()));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (out, err, code) = run(&["completions", shell]);
        assert_eq!(code, 0, "{err}");
        assert!(out.contains("COMPLETE") && out.contains("zonas"), "{shell}: {out}");
    }
}

#[test]
fn manual_pages_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("man1");
    let (_, err, code) = run(&["man", to.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    let page = |name: &str| std::fs::read_to_string(to.join(name)).unwrap();
    assert!(page("zonas.1").contains("zonas\\-run"));
    assert!(page("zonas-export.1").contains("Examples:"));
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    refused(&["man", file.to_str().unwrap()], "is no folder");
}
