//! What the program says of memory beforehand: predictions, budgets, and the measurement of this machine.

use assert_cmd::Command;
use serde_json::Value;

fn json(args: &[&str]) -> Value {
    let out = Command::cargo_bin("zonas").unwrap().args(args).output().unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn predictions_fall_with_the_level_and_respect_the_budget() {
    let said = json(&["predict", "--json", "--set", "search.batch=16", "--memory-budget", "150MiB"]);
    let budget = 150 << 20;
    assert_eq!(said["budget_bytes"], budget);
    let rows = said["rows"].as_array().unwrap();
    let number = |r: &Value, key: &str| r[key].as_u64().unwrap();
    for r in rows {
        assert!(number(r, "recompute_bytes") <= number(r, "keep_bytes"), "{r}");
        assert_eq!(r["fits"], number(r, "bytes") <= budget, "{r}");
    }
    let random: Vec<u64> = rows.iter().filter(|r| r["what"] == "random").map(|r| number(r, "keep_bytes")).collect();
    assert_eq!(random.len(), 7);
    assert!(random.windows(2).all(|w| w[0] >= w[1]), "{random:?}");
    assert!(rows.iter().any(|r| r["policy"].as_str().unwrap().starts_with("recompute the first")));
}

#[test]
fn too_little_memory_is_said_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().to_str().unwrap();
    let args = ["run", "--preset", "demo", "--yes", "--memory-budget", "10MiB", "--runs", runs];
    let out = Command::cargo_bin("zonas").unwrap().args(args).output().unwrap();
    let err = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1), "{err}");
    assert!(err.contains("may take 10 MiB") && err.contains("search.batch = "), "{err}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "a run was left behind");
}

#[test]
fn rounded_maps_are_refused_on_the_cpu_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().to_str().unwrap();
    let cpu = ["--precision", "bf16", "--device", "cpu"];
    let set = ["--set", "device.precision=bf16", "--device", "cpu"];
    let run = ["run", "--preset", "demo", "--yes", "--runs", runs];
    for args in [[&run[..], &cpu].concat(), [&run[..], &set].concat(), [&["predict"][..], &cpu].concat()] {
        let out = Command::cargo_bin("zonas").unwrap().args(&args).output().unwrap();
        let err = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(2), "{args:?}: {err}");
        assert_eq!(
            err,
            "error: device.precision = \"bf16\" is for a GPU, and this search would run on the CPU; set it to `float32`, \
             or device.kind to a GPU\n"
        );
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "a run was left behind");
    let out = Command::cargo_bin("zonas").unwrap().args([&["bench"][..], &cpu].concat()).output().unwrap();
    let err = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.code() == Some(2) && err.contains("give it with --device cuda"), "{err}");
}

#[test]
fn this_machine_is_measured() {
    let said = json(&["bench", "--json", "--channels", "4", "--cells", "3", "--batch", "4", "--steps", "1"]);
    assert!(said["limit_flop_per_second"].as_f64().unwrap() > 1e6);
    assert!(said["scores_per_second"].as_f64().unwrap() > 0.0);
    let steps = said["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2);
    for s in steps {
        assert!(s["step_seconds"].as_f64().unwrap() > 0.0 && s["share_of_limit"].as_f64().unwrap() < 1.0, "{s}");
        assert!(s["peak_bytes"].is_null() || s["peak_bytes"].as_u64().unwrap() > 0, "{s}");
    }
}
