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
    refused(&["count", &V2.replace("dil_conv_3x3", "dil_conv_9x9")], "not a DARTS operation");
    refused(&["count", &V2.replace("('dil_conv_3x3', 2)]", "('dil_conv_3x3', 5)]")], "may read only states");
    refused(
        &[
            "count",
            &V2.replace("('skip_connect', 0), ('dil_conv_3x3', 2)]", "('skip_connect', 2), ('dil_conv_3x3', 2)]"),
        ],
        "twice",
    );
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
        (vec!["--xi", "0"], "pruning level"),
        (vec!["--xi", "1"], "pruning level"),
        (vec!["--xi", "-1"], "pruning level"),
        (vec!["--xi", "nan"], "pruning level"),
        (vec!["--set", "search.cells=0"], "at least 1"),
        (vec!["--set", "search.channels=0"], "at least 1"),
        (vec!["--set", "score.functions=[\"naswott\"]"], "did you mean `naswot`"),
        (vec!["--set", "search.batch=4000"], "fewer than a batch"),
        (vec!["--data", "/no/such/pictures"], "no such data"),
        (vec!["--data", empty.to_str().unwrap()], "class folder without pictures"),
        (vec!["--config", file.to_str().unwrap()], "did you mean `channels`"),
        (vec!["--config", old.to_str().unwrap()], "version 0"),
        (vec!["--config", "/no/such/file"], "can't read the configuration"),
        (vec!["--preset", "dart"], "did you mean `darts`"),
        (vec!["--name", "../up"], "no name for a run"),
        (vec!["--resume", "nothing"], "there is no run"),
    ] {
        let mut all = vec!["--runs", runs, "run"];
        all.extend(args);
        refused(&all, because);
    }
    let left = std::fs::read_dir(runs).map_or(0, |d| d.count());
    assert_eq!(left, 0, "a refused run left something behind");
}

#[test]
fn the_printed_configuration_is_valid() {
    for preset in ["darts", "demo"] {
        let (out, _, code) = run(&["config", "--preset", preset]);
        assert_eq!(code, 0);
        let config = zonas::run::config::Config::parse(&out, "printed").unwrap();
        assert_eq!(Some(config), zonas::run::preset(preset));
    }
}

#[test]
fn doctor_says_what_will_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let (out, _, code) = run(&["--runs", dir.path().to_str().unwrap(), "doctor"]);
    assert_eq!(code, 0);
    for word in ["threads", "memory", "terminal", "Fashion-MNIST", "writable"] {
        assert!(out.contains(word), "{out}");
    }
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
    assert!(out.contains("zonas run --resume waits --yes"), "{out}");
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
    let script = format!(
        "umask 000; {} --runs {} run {} --name open > /dev/null",
        program.display(),
        dir.path().display(),
        TINY.map(|a| format!("'{a}'")).join(" ")
    );
    let status = Process::new("sh").args(["-c", &script]).status().unwrap();
    assert_eq!(status.code(), Some(75));
    let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    let run = dir.path().join("open");
    assert_eq!(mode(&run), 0o700);
    for entry in std::fs::read_dir(&run).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
}

#[test]
#[cfg(unix)]
fn a_reader_that_leaves_is_no_error() {
    let program = assert_cmd::cargo::cargo_bin("zonas");
    let mut child = Process::new(program).arg("config").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(0));
}

#[test]
fn without_a_terminal_the_explorer_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().to_str().unwrap();
    assert_eq!(tiny(dir.path(), &["--name", "r"]).2, 75);
    refused(&["--runs", runs, "open", "r"], "needs a terminal");
    refused(&["--runs", runs, "open", "missing"], "there is no run");
}
