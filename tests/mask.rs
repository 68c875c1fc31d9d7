//! `zonas score` and `zonas mask`: scoring alone, and other cuts of what was scored without scoring again.

use std::path::Path;

use assert_cmd::Command;
use zonas::space::Mask;

/// Settings of a scoring that takes a second.
const SMALL: [&str; 8] = [
    "score.draws=3",
    "score.sample=30",
    "score.channels=1",
    "score.batch=8",
    "search.channels=2",
    "search.cells=3",
    "search.batch=8",
    "data.limit=96",
];

fn zonas(runs: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("zonas").unwrap();
    let out = command.arg(arguments[0]).arg("--runs").arg(runs).args(&arguments[1..]).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
}

fn score(runs: &Path, name: &str, more: &[&str]) -> (i32, String, String) {
    let settings = SMALL.iter().chain(more).flat_map(|s| ["--set", s]);
    zonas(runs, &[&["score", "--preset", "demo", "--name", name], &settings.collect::<Vec<_>>()[..]].concat())
}

fn mask(runs: &Path, arguments: &[&str]) -> Mask {
    let (code, out, err) = zonas(runs, &[&["mask"], arguments].concat());
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap()
}

/// The mask of a run's latest cut.
fn cut(runs: &Path, name: &str) -> Mask {
    let journal = std::fs::read_to_string(runs.join(name).join("events.jsonl")).unwrap();
    let line = journal.lines().rfind(|l| l.contains(r#""event":"cut_proposed""#)).unwrap();
    let json: serde_json::Value = serde_json::from_str(line).unwrap();
    serde_json::from_value(json["mask"].clone()).unwrap()
}

#[test]
fn what_was_scored_once_is_cut_by_anything_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let (runs, file) = (dir.path(), dir.path().join("mask.json"));
    let (code, out, err) = score(runs, "r", &[]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("cut proposed"), "{out}");
    // As the engine cut, to the operation; at another level fewer of the same.
    let own = mask(runs, &["r"]);
    assert_eq!(own, cut(runs, "r"));
    let two = mask(runs, &["r", "--xi", "0.75"]);
    assert!(two.count() == 56 && two.and(&own) == two);
    let naswot = mask(runs, &["r", "--by", "naswot"]);
    assert!(naswot.count() == 112 && naswot != own);
    let both = mask(runs, &["r", "--by", "naswot,mean_jacobian", "--aggregate", "ranks", "--undecided", "scores"]);
    assert!(both.count() == 112 && both != naswot);
    // What a run would have cut that scores by one function alone.
    assert_eq!(score(runs, "alone", &[r#"score.functions=["naswot"]"#]).0, 0);
    assert_eq!(naswot, cut(runs, "alone"));
    let largest = mask(runs, &["r", "--source", "most_parameters"]);
    assert!(largest.count() == 112 && largest != own);
    // As many in all, at least one an edge, and not as many on each; the fewer are among the more.
    let [some, few] = ["0.5", "0.75"].map(|xi| mask(runs, &["r", "--xi", xi, "--unequal"]));
    let counts = |mask: &Mask| mask.counts().list();
    assert!((some.count(), few.count()) == (112, 56) && few.and(&some) == few);
    assert!(
        [&some, &few].iter().all(|m| counts(m).iter().all(|n| *n > 0) && counts(m).iter().any(|n| *n != counts(m)[0]))
    );
    // A run of that setting cuts so itself, and its other masks are so unless they are asked for otherwise.
    assert_eq!(score(runs, "global", &["cut.scope=global"]).0, 0);
    assert_eq!((some, few), (cut(runs, "global"), mask(runs, &["global", "--xi", "0.75"])));
    assert_eq!([mask(runs, &["global", "--scope", "edge"]), mask(runs, &["r", "--scope", "global"])], [own, some]);
    let refused = |arguments: &[&str], words: &str| {
        let (code, _, err) = zonas(runs, arguments);
        assert!(code == 2 && err.contains(words), "{code}: {err}");
    };
    refused(&["mask", "r", "--unequal", "--source", "random"], "cannot be used with");
    refused(&["mask", "r", "--by", "naswott"], "did you mean `naswot`?");
    refused(&["mask", "r", "--by", "params"], "`params` was not scored");
    refused(&["mask", "r", "--xi", "1"], "above 0 and below 1");
    refused(&["score", "--preset", "demo", "--yes"], "--yes and --wait are for `zonas run`");
    // Files for the others.
    std::fs::write(&file, serde_json::to_string(&naswot).unwrap()).unwrap();
    let file = file.to_str().unwrap();
    let (code, out, err) = zonas(runs, &["predict", "--run", "r", "--mask", file]);
    assert!(code == 0 && out.contains("the mask"), "{err}");
    refused(&["predict", "--preset", "nas_bench_201_demo", "--mask", file], "the mask is of darts");
    // One that does not say whose it is, is the space's that it is for: so are its faults.
    let empty = dir.path().join("empty.json");
    std::fs::write(&empty, r#"{"normal":[[0,0,0,0,0],[1,1,0,0,0],[0,1,0,0,0],[0,1,0,0,0],[0,1,0,0,0],[0,1,0,0,0]]}"#)
        .unwrap();
    let empty = empty.to_str().unwrap();
    refused(
        &["predict", "--preset", "nas_bench_201_demo", "--mask", empty],
        "edge 0▸1 of the normal cell keeps no operation",
    );
}

#[test]
fn a_waiting_run_takes_a_mask_as_its_cut() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path();
    assert_eq!(score(runs, "r", &[]).0, 0);
    let largest = mask(runs, &["r", "--source", "most_parameters"]);
    let file = runs.join("largest.json");
    std::fs::write(&file, serde_json::to_string(&largest).unwrap()).unwrap();
    let file = file.to_str().unwrap();
    let (code, _, err) = zonas(runs, &["cut", "r", "--mask", file]);
    assert!(code == 2 && err.contains("no engine is at work"), "{err}");
    assert_eq!(zonas(runs, &["run", "--resume", "r", "--wait", "--detach"]).0, 0);
    let (code, out, err) = zonas(runs, &["cut", "r", "--mask", file]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(cut(runs, "r"), largest);
    let (code, out, _) = zonas(runs, &["cut", "r", "--mask", file]);
    assert!(code == 0 && out.contains("the cut is that of the file"), "{out}");
    zonas(runs, &["abort", "r"]);
}

#[test]
fn scoring_ends_with_what_is_to_be_known_of_its_cut() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path();
    let (code, out, err) = score(runs, "r", &["cut.source=naswot,mean_jacobian"]);
    assert!(code == 0 && out.contains("by naswot + mean_jacobian, 112 of 224"), "{out}{err}");
    let verdict: Vec<&str> = out.lines().filter(|l| l.trim_start().starts_with("verdict: ")).collect();
    assert!(verdict.len() > 4 && verdict[0].contains("when the 3 draws are drawn again"), "{out}");
    assert!(out.contains("are those of the parameter count") && out.contains("are those of the run's scores"), "{out}");
    assert_eq!(cut(runs, "r"), mask(runs, &["r", "--by", "naswot,mean_jacobian"]));
    let (code, shown, err) = zonas(runs, &["show", "r"]);
    assert_eq!(code, 0, "{err}");
    // The same words, to the letter, and the numbers as JSON.
    for line in &verdict {
        assert!(shown.contains(line.trim_start().strip_prefix("verdict: ").unwrap()), "{line}\n{shown}");
    }
    let json: serde_json::Value = serde_json::from_str(&zonas(runs, &["show", "r", "--json"]).1).unwrap();
    assert_eq!(json["by"], serde_json::json!(["naswot", "mean_jacobian"]));
    let told = &json["verdict"];
    assert_eq!((told["draws"].as_u64(), told["kept"].as_u64()), (Some(3), Some(112)));
    assert!((0.0..=1.0).contains(&told["stays"].as_f64().unwrap()));
    assert_eq!(told["words"].as_array().unwrap().len(), verdict.len());
    // A journal of before has no verdict: it is made of its draws, and is the same.
    let path = runs.join("r").join("events.jsonl");
    let journal = std::fs::read_to_string(&path).unwrap();
    // The last of a cut's fields.
    let without =
        |line: &str| line.split_once(r#","verdict":"#).map_or(line.to_string(), |(rest, _)| format!("{rest}}}"));
    assert_ne!(journal.lines().map(without).collect::<Vec<_>>().join("\n") + "\n", journal);
    std::fs::write(&path, journal.lines().map(without).collect::<Vec<_>>().join("\n") + "\n").unwrap();
    let again: serde_json::Value = serde_json::from_str(&zonas(runs, &["show", "r", "--json"]).1).unwrap();
    assert_eq!(again["verdict"], *told);
    // A name that is not scored, before anything is done.
    let (code, _, err) = score(runs, "bad", &["cut.source=zico"]);
    assert!(code == 2 && err.contains("`zico` is not scored: score.functions has naswot"), "{err}");
    // A cut that can't be searched is told at the end, not first by `--yes`.
    let (code, out, _) = score(runs, "none", &["score.none=compete", "cut.source=cheapest", "cut.xi=0.875"]);
    assert!(code == 0 && out.contains("this cut can't be searched: node 2 of the normal cell"), "{out}");
}

/// What bytes buy: each point is what the run itself cuts within its budget, and says what it needs.
#[test]
fn the_front_is_what_budgets_buy() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path();
    let small = ["space.name=\"nas_bench_201\""];
    assert_eq!(score(runs, "r", &small).0, 0);
    let (code, out, err) = zonas(runs, &["predict", "--run", "r", "--front", "--json"]);
    assert_eq!(code, 0, "{err}");
    let points: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
    assert!(points.len() > 4);
    let of = |p: &serde_json::Value, key: &str| p[key].as_f64().unwrap();
    for (i, p) in points.iter().enumerate() {
        assert!(of(p, "bytes") <= of(p, "budget_bytes"));
        let (percent, random) = (of(&p["estimate"], "percent"), p["random"][1].as_f64().unwrap());
        assert!(percent >= random, "point {i}: {percent} and {random}");
        let interval = p["estimate"]["interval"].as_array().unwrap();
        assert!(interval[0].as_f64() <= interval[1].as_f64());
    }
    let one: Mask = serde_json::from_value(points[4]["mask"].clone()).unwrap();
    let budget = format!("cut.budget=\"{}\"", points[4]["budget_bytes"]);
    let (code, out, err) = score(runs, "within", &[small[0], &budget]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(cut(runs, "within"), one);
    // Every edge alike, where the settings say so.
    let (code, out, err) = score(runs, "level", &[small[0], &budget, "cut.by=\"level\""]);
    assert_eq!(code, 0, "{out}{err}");
    let counts = cut(runs, "level").counts().list();
    assert!(counts.iter().all(|n| *n == counts[0]), "{counts:?}");
    let (code, out, _) = zonas(runs, &["predict", "--run", "r", "--front"]);
    assert!(code == 0 && out.lines().count() == 3 + points.len(), "{out}");
    assert_eq!(score(runs, "lone", &["space.name=\"nas_bench_201\"", "score.estimator=\"leave_one_out\""]).0, 0);
    let (code, _, err) = zonas(runs, &["predict", "--run", "lone", "--front"]);
    assert!(code == 2 && err.contains("score.estimator"), "{err}");
    // Scores are of their space.
    for more in [&["--front"][..], &[]] {
        let (code, _, err) = zonas(runs, &[&["predict", "--run", "r", "--space", "darts"], more].concat());
        assert!(code == 2 && err.contains("r is of the space nas_bench_201, and says nothing of darts"), "{err}");
    }
}
