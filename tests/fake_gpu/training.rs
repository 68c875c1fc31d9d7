//! Trainings by the program, on imitations whose kernels do nothing: what is told of the device, memory that runs out, a device
//! that is lost.

use std::path::Path;
use std::process::Command;

use super::{events, search, told, with};

/// `zonas train` at a small size.
fn train(words: &str, home: &Path, name: &str, more: &[&str]) -> Option<(String, String, i32)> {
    train_as(["DARTS_V2", "demo"], words, home, name, more)
}

/// The same of a genotype, by a preset.
fn train_as(
    [genotype, preset]: [&str; 2],
    words: &str,
    home: &Path,
    name: &str,
    more: &[&str],
) -> Option<(String, String, i32)> {
    let mut program = with(Command::new(env!("CARGO_BIN_EXE_zonas")), "new", words, home)?;
    program.args(["train", genotype, "--preset", preset, "--device", "cuda:0", "--foreground", "--name", name]);
    for setting in ["train.epochs=2", "train.channels=4", "train.cells=3", "data.limit=256"] {
        program.args(["--set", setting]);
    }
    Some(told(&program.args(more).env_remove("RUST_BACKTRACE").output().unwrap()))
}

#[test]
fn a_training_on_a_gpu_tells_of_it_and_takes_what_was_predicted() {
    const ARCH: &str =
        "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|avg_pool_3x3~2|";
    let darts = zonas::space::published::find("DARTS_V2").unwrap().genotype.to_string();
    for [genotype, preset] in [[darts.as_str(), "demo"], [ARCH, "nas_bench_201_demo"]] {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("cell.txt");
        std::fs::write(&file, genotype).unwrap();
        let of = [file.to_str().unwrap(), preset];
        let Some((out, err, code)) = train_as(of, "", home.path(), "a", &[]) else { return };
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.contains(" on cuda:0, Imitation A, "), "{out}");
        assert_eq!(events(home.path(), "a", "device").last().unwrap()["watts"].as_f64(), Some(62.5));
        let predicted = events(home.path(), "a", "training_started")[0]["predicted_bytes"].as_f64().unwrap();
        let ended = events(home.path(), "a", "stage_ended");
        let peak = ended.iter().find(|e| e["stage"] == "train").unwrap()["peak_bytes"].as_f64().unwrap();
        assert!((peak / predicted - 1.0).abs() < 0.01, "{peak} {predicted}");
    }
}

#[test]
fn a_training_whose_gpu_is_full_or_lost_ends_with_a_sentence_and_is_taken_up_on_the_cpu() {
    let home = tempfile::tempdir().unwrap();
    let full = format!("oom={}", 4 << 20);
    let Some((out, err, code)) = train(&full, home.path(), "a", &["--memory-budget", "2GiB"]) else { return };
    assert!(code == 1 && err.contains("MiB left") && err.contains("train.batch"), "{out}{err}");
    let (out, err, code) = train("", home.path(), "b", &["--memory-budget", "1MiB"]).unwrap();
    assert!(code != 0 && err.contains("may take 1 MiB"), "{out}{err}");
    let (out, err, code) = train("lost=1500", home.path(), "c", &[]).unwrap();
    assert_eq!(code, 1, "{out}");
    assert!(err.contains("cuda:0, Imitation A is lost") && err.lines().count() == 1, "{err}");
    let (out, err, code) = search("", home.path(), &["--resume", "c", "--device", "cpu"]).unwrap();
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("resumed on cpu, after cuda:0, Imitation A: from here on the numbers agree"), "{out}");
}

/// The engine has a process of its own; the one that begins it leaves the GPU alone.
#[test]
fn a_gpu_is_opened_once_for_a_run() {
    let home = tempfile::tempdir().unwrap();
    let note = home.path().join("opened");
    let Some(mut program) = with(Command::new(env!("CARGO_BIN_EXE_zonas")), "new", "", home.path()) else { return };
    program.args(["train", "DARTS_V2", "--preset", "demo", "--device", "cuda:0", "--name", "a"]);
    program.args(["--set", "train.epochs=1", "--set", "train.channels=4", "--set", "train.cells=3"]);
    let output = program.args(["--set", "data.limit=256"]).env("FAKE_OPENED", &note).output().unwrap();
    let (out, err, code) = told(&output);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(std::fs::read_to_string(note).unwrap(), "0\n");
}
