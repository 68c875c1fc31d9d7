//! What scoring says of pictures and functions that can tell nothing: named where the result is, never a score by chance.

use std::path::Path;

use assert_cmd::Command;
use image::{Rgb, RgbImage};
use serde_json::Value;

/// Two classes of tiles of 8x8 pixels, `blank` in each all white and `busy` all different.
fn tiles(root: &Path, blank: u8, busy: u8) {
    for class in ["a", "b"] {
        let folder = root.join(class);
        std::fs::create_dir_all(&folder).unwrap();
        for i in 0..blank {
            RgbImage::from_pixel(8, 8, Rgb([255; 3])).save(folder.join(format!("blank-{i}.png"))).unwrap();
        }
        for i in 0..busy {
            let shift = i + 50 * u8::from(class == "b");
            let pixel = |x: u32, y: u32| {
                let v = (x * 31 + y * 17 + u32::from(shift) * 7) % 251;
                Rgb([v as u8, (v * v % 251) as u8, ((x + 1) * (y + 3) * u32::from(shift + 1) % 251) as u8])
            };
            RgbImage::from_fn(8, 8, pixel).save(folder.join(format!("busy-{i}.png"))).unwrap();
        }
    }
}

/// Scores without searching; the journal.
fn scored(data: &Path, functions: &str, batch: usize, estimator: &str) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().join("runs");
    let mut command = Command::cargo_bin("zonas").unwrap();
    command.args(["run", "--preset", "demo", "--foreground", "--name", "r", "--data"]).arg(data);
    command.arg("--runs").arg(&runs);
    let batch = format!("score.batch={batch}");
    let functions = format!("score.functions={functions}");
    let estimator = format!("score.estimator={estimator}");
    let rest = [
        "score.draws=2",
        "score.sample=40",
        "score.remove_per_round=3",
        "score.channels=2",
        "search.batch=4",
        "data.crop_padding=0",
    ];
    for setting in rest.into_iter().chain([&*batch, &*functions, &*estimator]) {
        command.args(["--set", setting]);
    }
    let out = command.output().unwrap();
    assert_eq!(out.status.code(), Some(75), "{}", String::from_utf8_lossy(&out.stderr));
    let journal = std::fs::read_to_string(runs.join("r").join("events.jsonl")).unwrap();
    journal.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn of<'a>(journal: &'a [Value], event: &str) -> Vec<&'a Value> {
    journal.iter().filter(|e| e["event"] == event).collect()
}

fn told(journal: &[Value], words: &str) -> bool {
    of(journal, "log").iter().any(|e| e["text"].as_str().unwrap().contains(words))
}

/// A value of a journal's list: a number, or a word where it is not finite.
fn finite(value: &Value) -> bool {
    value.as_f64().is_some_and(f64::is_finite)
}

#[test]
fn equal_pictures_and_a_function_that_is_constant_leave_a_cut_by_scores() {
    let dir = tempfile::tempdir().unwrap();
    tiles(dir.path(), 14, 12);
    for (estimator, values, rounds) in [("cells", "sampled_cell", 1), ("leave_one_out", "baseline", 2)] {
        let journal = scored(dir.path(), r#"["naswot", "nngp_frobenius"]"#, 12, estimator);
        assert!(told(&journal, "pictures of a scoring batch were equal to others"));
        assert!(told(&journal, "nngp_frobenius has no vote") && told(&journal, "with two classes"));
        let values = of(&journal, values);
        assert!(values.len() > 1 && values.iter().all(|e| e["values"].as_array().unwrap().iter().all(finite)));
        let ended = of(&journal, "round_ended");
        assert_eq!(ended.len(), rounds);
        for round in ended {
            assert!(round["votes"][0]["silent"].is_null() && finite(&round["votes"][0]["divisor"]));
            assert!(round["votes"][1]["silent"].is_string());
            for removal in round["removed"].as_array().unwrap() {
                assert!(removal["undefined"] == false && finite(&removal["score"]), "{removal}");
            }
        }
    }
}

#[test]
fn fewer_different_pictures_than_a_batch_are_scored_and_told() {
    let dir = tempfile::tempdir().unwrap();
    tiles(dir.path(), 10, 4);
    let journal = scored(dir.path(), r#"["naswot"]"#, 14, "cells");
    assert!(told(&journal, "the training pictures hold too few different ones"));
    let ended = of(&journal, "scoring_ended");
    assert_eq!(ended[0]["undefined"], 0);
}

#[test]
fn where_no_function_can_tell_anything_nothing_passes_for_a_score() {
    let dir = tempfile::tempdir().unwrap();
    tiles(dir.path(), 0, 16);
    for estimator in ["cells", "leave_one_out"] {
        let journal = scored(dir.path(), r#"["nngp_frobenius"]"#, 8, estimator);
        let ended = of(&journal, "scoring_ended");
        let order = ended[0]["order"].as_array().unwrap();
        assert_eq!(order.len(), 168);
        let nothing = |r: &Value| r["undefined"] == true && r["by_lot"] == true && !finite(&r["score"]);
        assert!(order.iter().all(nothing), "{estimator}: {}", order[0]);
    }
}

/// `r(N)` in the journal is the function's own number: the condition number of a kernel is positive, though less is better.
#[test]
fn the_journal_holds_functions_in_their_own_direction() {
    let dir = tempfile::tempdir().unwrap();
    tiles(dir.path(), 0, 12);
    let journal = scored(dir.path(), r#"["ntk_condition"]"#, 4, "leave_one_out");
    for base in of(&journal, "baseline") {
        assert!(base["values"][0].as_f64().is_some_and(|v| v >= 1.0), "{base}");
    }
    let round = |e: &&Value| e["round"] == 0 && e["draw"] == 0;
    let base = of(&journal, "baseline").into_iter().find(round).unwrap()["values"][0].as_f64().unwrap();
    for score in of(&journal, "score").into_iter().filter(round) {
        let (Some(without), Some(told)) = (score["values"][0].as_f64(), score["relative"][0].as_f64()) else {
            continue;
        };
        assert!((told - (without - base) / base).abs() < 1e-9, "{score}");
    }
}
