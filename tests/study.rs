//! `zonas study`: whole studies, small ones, by the program itself.

use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const STUDY: &str = r#"
version = 1
seeds = "1..2"
stages = ["score", "search", "train"]
preset = "nas_bench_201_demo"
[base]
data.limit = 300
score.sample = 20
score.draws = 2
search.epochs = 2
search.channels = 4
train.epochs = 1
train.channels = 4
[factors]
cut.source = ["scores", "random"]
[[settings]]
name = "whole space"
cut.xi = 0.0
[compare]
baseline = "whole space"
"#;

fn zonas(args: &[&str]) -> (String, String, Option<i32>) {
    let out = Process::new(env!("CARGO_BIN_EXE_zonas")).args(args).stdin(Stdio::null()).output().unwrap();
    (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap(), out.status.code())
}

fn json(args: &[&str]) -> Value {
    let (out, err, code) = zonas(args);
    assert_eq!(code, Some(0), "{args:?}: {err}");
    serde_json::from_str(&out).unwrap()
}

struct Made {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Made {
    fn new(text: &str) -> Made {
        let dir = tempfile::tempdir().unwrap();
        let (file, path) = (dir.path().join("my.toml"), dir.path().join("study"));
        std::fs::write(&file, text).unwrap();
        let (_, err, code) = zonas(&["study", "new", path.to_str().unwrap(), "--from", file.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{err}");
        Made { _dir: dir, path }
    }

    fn word(&self) -> &str {
        self.path.to_str().unwrap()
    }

    fn study(&self, word: &str) -> (String, String, Option<i32>) {
        zonas(&["study", word, self.word()])
    }

    fn run(&self) -> String {
        let (out, err, code) = self.study("run");
        assert_eq!(code, Some(0), "{out}{err}");
        out
    }

    fn states(&self) -> Vec<(String, String)> {
        let status = json(&["study", "status", self.word(), "--json"]);
        let text = |v: &Value| v.as_str().unwrap().to_string();
        status["runs"].as_array().unwrap().iter().map(|r| (text(&r["run"]), text(&r["state"]))).collect()
    }

    fn edit(&self, from: &str, to: &str) {
        let file = self.path.join("study.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from));
        std::fs::write(&file, text.replace(from, to)).unwrap();
    }

    /// What every run has found, and its whole journal's length.
    fn found(&self) -> Vec<(String, String, u64)> {
        let mut all: Vec<_> = std::fs::read_dir(self.path.join("runs"))
            .unwrap()
            .map(|e| {
                let path = e.unwrap().path();
                let genotype = std::fs::read_to_string(path.join("genotype.json")).unwrap_or_default();
                let length = std::fs::metadata(path.join("events.jsonl")).map_or(0, |m| m.len());
                (path.file_name().unwrap().to_string_lossy().into_owned(), genotype, length)
            })
            .collect();
        all.sort();
        all
    }

    fn starts(&self) -> std::process::Child {
        let mut command = Process::new(env!("CARGO_BIN_EXE_zonas"));
        command.args(["study", "run", self.word()]).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Until an epoch of a search of this run has ended.
    fn until_searching(&self, run: &str) -> PathBuf {
        let folder = self.path.join("runs").join(run);
        wait(|| std::fs::read_to_string(folder.join("events.jsonl")).is_ok_and(|t| t.contains("\"epoch_ended\"")));
        folder
    }
}

fn wait(until: impl Fn() -> bool) {
    let begun = Instant::now();
    while !until() {
        assert!(begun.elapsed() < Duration::from_secs(120), "it does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(unix)]
fn signal(pid: u32, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}

fn pid(folder: &Path) -> u32 {
    let lock: Value = serde_json::from_str(std::fs::read_to_string(folder.join("lock")).unwrap().trim()).unwrap();
    lock["pid"].as_u64().unwrap() as u32
}

#[test]
fn a_study_runs_once_is_extended_and_says_what_follows() {
    let made = Made::new(STUDY);
    assert_eq!(made.states().len(), 14);
    let out = made.run();
    assert!(out.contains("all 14 runs are done"), "{out}");
    assert!(made.states().iter().all(|(_, state)| state == "done"), "{:?}", made.states());
    let before = made.found();
    assert_eq!(before.len(), 14);
    // Nothing is run again.
    made.run();
    assert_eq!(made.found(), before);
    // The scores are those of the one scoring.
    let journal = std::fs::read_to_string(made.path.join("runs/scores-s1/events.jsonl")).unwrap();
    assert!(journal.contains("the scores are those of scoring-s1"), "{journal:.400}");
    // A run that was deleted by hand is made again, and comes out the same.
    std::fs::remove_dir_all(made.path.join("runs/random-s2")).unwrap();
    assert_eq!(made.states().iter().filter(|(_, s)| s != "done").count(), 2);
    made.run();
    let genotypes =
        |all: &[(String, String, u64)]| all.iter().map(|(n, g, _)| (n.clone(), g.clone())).collect::<Vec<_>>();
    assert_eq!(genotypes(&made.found()), genotypes(&before));
    // One more seed: only its runs. What another run of these settings finds is the same, too.
    made.edit("1..2", "1..3");
    let out = made.run();
    assert_eq!(out.matches(" begins on ").count(), 7, "{out}");
    let shown = json(&["study", "show", made.word(), "--json"]);
    let rows = shown["rows"].as_array().unwrap();
    assert_eq!((rows.len(), shown["measure"].as_str(), shown["done"].as_u64()), (3, Some("trained"), Some(9)));
    for row in rows {
        assert_eq!((row["trained"]["n"].as_u64(), row["supernet"]["n"].as_u64()), (Some(3), Some(3)), "{row}");
        assert!(row["bytes"]["mean"].as_f64().unwrap() > 1e6 && row["search_seconds"]["mean"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(shown["beside"].as_array().unwrap().len(), 2);
    assert!(shown["notes"][0].as_str().unwrap().starts_with("3 seeds can show no difference"), "{}", shown["notes"]);
    let (csv, ..) = zonas(&["study", "show", made.word(), "--csv"]);
    assert_eq!(csv.lines().count(), 10);
    let (markdown, ..) = zonas(&["study", "show", made.word(), "--markdown", "--baseline", "source=random"]);
    assert!(markdown.contains("| source=random (baseline) |") && markdown.contains("| --: |"), "{markdown}");
    // A table begins after an empty line.
    assert_eq!(markdown.matches("\n\n| setting |").count(), 2, "{markdown}");
    for form in ["svg", "pdf", "png"] {
        let file = made.path.join(format!("picture.{form}"));
        let (_, err, code) = zonas(&["study", "show", made.word(), "--picture", file.to_str().unwrap()]);
        let no_font = form != "svg" && err.contains("font");
        assert!(no_font || code == Some(0) && std::fs::metadata(&file).unwrap().len() > 1000, "{form}: {err}");
    }
    let (_, err, code) = zonas(&["study", "show", made.word(), "--picture", "x.gif"]);
    assert_eq!(code, Some(2), "{err}");
    // Moved, it is the same study.
    let moved = made.path.with_file_name("moved");
    std::fs::rename(&made.path, &moved).unwrap();
    let (out, err, code) = zonas(&["study", "run", moved.to_str().unwrap()]);
    assert_eq!((code, out.matches(" begins on ").count()), (Some(0), 0), "{out}{err}");
}

#[cfg(unix)]
#[test]
fn a_study_is_one_runners_and_goes_on_where_it_was() {
    use rustix::process::Signal;
    let text =
        STUDY.replace("1..2", "1..1").replace("search.epochs = 2", "search.epochs = 40").replace(", \"train\"", "");
    let whole = Made::new(&text);
    whole.run();
    let made = Made::new(&text);
    let mut first = made.starts();
    let folder = made.until_searching("random-s1");
    let (_, err, code) = made.study("run");
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("is being run already (pid "), "{err}");
    // An engine that is killed without a word is begun again, once.
    signal(pid(&folder), Signal::KILL);
    let came = pid(&folder);
    wait(|| pid(&folder) != came);
    // Everything stops with checkpoints, and goes on.
    let (out, err, code) = made.study("stop");
    assert!(code == Some(0) && out.contains("stops its runs with checkpoints"), "{out}{err}");
    assert_eq!(first.wait().unwrap().code(), Some(75));
    assert!(made.states().iter().all(|(_, s)| s != "running"), "{:?}", made.states());
    made.run();
    let genotypes = |m: &Made| m.found().into_iter().map(|(n, g, _)| (n, g)).collect::<Vec<_>>();
    assert_eq!(genotypes(&made), genotypes(&whole));
    let (out, ..) = made.study("stop");
    assert!(out.contains("nothing of this study is at work"), "{out}");
}

#[test]
fn what_can_t_be_is_said_in_a_sentence() {
    let made = Made::new(STUDY);
    let refused = |args: &[&str], part: &str| {
        let (out, err, code) = zonas(args);
        assert_eq!(code, Some(2), "{args:?}: {out}{err}");
        assert!(err.contains(part) && err.trim_end().lines().count() == 1, "{args:?}: {err}");
    };
    let word = made.word();
    refused(&["study", "run", "nowhere"], "nowhere is no study: it has no study.toml");
    refused(&["study", "new", word], "is there already");
    refused(&["study", "task", word, "random-s9"], "there is no run `random-s9` in this study; did you mean");
    refused(&["study", "task", word, "scores-s1"], "scores-s1 needs scoring-s1, which is ready");
    refused(&["study", "run", word, "--gpus", "1"], "--gpus is for --on slurm");
    refused(&["study", "show", word, "--baseline", "source=rand"], "did you mean `source=random`?");
    refused(&["study", "show", word, "--picture", "p.svg"], "there is nothing to draw yet");
    made.edit("cut.source", "cut.sauce");
    refused(&["study", "status", word], "did you mean `cut.source`?");
    // Without Slurm.
    made.edit("cut.sauce", "cut.source");
    let bare = Process::new(env!("CARGO_BIN_EXE_zonas"))
        .args(["study", "run", word, "--on", "slurm"])
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    let err = String::from_utf8(bare.stderr).unwrap();
    assert_eq!(bare.status.code(), Some(2), "{err}");
    assert!(err.contains("Slurm's commands are missing"), "{err}");
    // What does not go together is named before anything runs, whoever would run it.
    made.edit("[factors]", "[factors]\nsearch.batch = [8, 5000]");
    refused(&["study", "run", word], "batch=5000: the weights' half: 150 pictures are fewer than a batch of 5000");
    assert!(!made.path.join("runs").exists());
    made.edit("[factors]\nsearch.batch = [8, 5000]", "[factors]");
    made.edit("[[settings]]", "[[settings]]\nname = \"none\"\ndata.source = \"/nowhere\"\ncut.xi = 0.0\n[[settings]]");
    refused(&["study", "run", word], "with none: no such data: /nowhere does not exist");
    made.edit("data.source = \"/nowhere\"", "truth.table = \"/nowhere\"");
    refused(&["study", "run", word], "with none: setting `truth.table`: can't read /nowhere");
    assert!(!made.path.join("runs").exists());
    made.edit("truth.table = \"/nowhere\"", "data.limit = 200");
    // Mended, all of it runs.
    made.edit("seeds = \"1..2\"", "seeds = 1");
    let (out, err, code) = made.study("run");
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(made.states().iter().all(|(_, s)| s == "done"), "{:?}", made.states());
}

#[test]
fn seeds_of_one_setting_are_a_study() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().to_str().unwrap();
    let set = ["data.limit=300", "score.sample=20", "score.draws=2", "search.epochs=1", "search.channels=4"];
    let mut args =
        vec!["run", "--preset", "nas_bench_201_demo", "--seeds", "1..2", "--yes", "--name", "mine", "--runs", runs];
    set.iter().for_each(|s| args.extend(["--set", s]));
    let (out, err, code) = zonas(&args);
    assert_eq!(code, Some(0), "{out}{err}");
    let study = dir.path().join("mine");
    let shown = json(&["study", "show", study.to_str().unwrap(), "--json"]);
    assert_eq!(shown["rows"][0]["supernet"]["n"].as_u64(), Some(2));
    let (_, err, code) = zonas(&["run", "--seeds", "1..2", "--runs", runs]);
    assert!(code == Some(2) && err.contains("--yes"), "{err}");
}

/// Stand-ins for Slurm's commands in a folder: `sbatch` numbers what it is given, `squeue` and `sacct` print a file, and `scancel`
/// writes down what it was told.
#[cfg(unix)]
struct StandIns {
    path: PathBuf,
    made: Made,
}

#[cfg(unix)]
impl StandIns {
    fn of(text: &str) -> StandIns {
        use std::os::unix::fs::PermissionsExt;
        let made = Made::new(text);
        let path = made.path.with_file_name("bin");
        std::fs::create_dir(&path).unwrap();
        for (name, script) in [
            ("sbatch", "n=$(($(cat \"$0.n\" 2>/dev/null || echo 11) + 1)); echo $n >\"$0.n\"; echo $n"),
            ("squeue", "cat \"$0.out\" 2>/dev/null; true"),
            ("sacct", "cat \"$0.out\" || exit 1"),
            ("scontrol", "echo 'MaxArraySize            = 1001'"),
            ("scancel", "echo \"$@\" >>\"$0.out\""),
        ] {
            let file = path.join(name);
            std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        StandIns { path, made }
    }

    fn zonas(&self, args: &[&str]) -> (String, String, Option<i32>) {
        let own = std::env::var("PATH").unwrap_or_default();
        let mut command = Process::new(env!("CARGO_BIN_EXE_zonas"));
        command.env("PATH", format!("{}:{own}", self.path.display()));
        let out = command.args(args).stdin(Stdio::null()).output().unwrap();
        (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap(), out.status.code())
    }

    fn submit(&self, options: &[&str]) -> String {
        let all = [&["study", "run", self.made.word(), "--on", "slurm"], options].concat();
        let (out, err, code) = self.zonas(&all);
        assert_eq!(code, Some(0), "{out}{err}");
        out
    }

    /// By run: its state, and what is told of it.
    fn states(&self, study: &str) -> std::collections::HashMap<String, (String, String)> {
        let (out, err, code) = self.zonas(&["study", "status", study, "--json"]);
        assert_eq!(code, Some(0), "{err}");
        let status: Value = serde_json::from_str(&out).unwrap();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_string();
        let of = |r: &Value| (text(&r["run"]), (text(&r["state"]), text(&r["detail"])));
        status["runs"].as_array().unwrap().iter().map(of).collect()
    }

    fn prints(&self, command: &str, text: &str) {
        std::fs::write(self.path.join(format!("{command}.out")), text).unwrap();
    }

    /// The names of its jobs begin so.
    fn prefix(&self) -> String {
        let text = std::fs::read_to_string(self.made.path.join("slurm/identity")).unwrap();
        format!("zonas-{}-", serde_json::from_str::<Value>(&text).unwrap()["word"].as_str().unwrap())
    }

    /// What the scripts of a stage say, all together, and how many there are.
    fn scripts(&self, stage: &str) -> (String, usize) {
        let of = |p: &PathBuf| p.file_name().unwrap().to_string_lossy().starts_with(stage);
        let all = std::fs::read_dir(self.made.path.join("slurm")).unwrap().map(|e| e.unwrap().path());
        let all: Vec<PathBuf> = all.filter(|p| of(p) && p.extension().is_some_and(|e| e == "sbatch")).collect();
        (all.iter().map(|p| std::fs::read_to_string(p).unwrap().replace("\n# ", " ")).collect(), all.len())
    }
}

#[test]
#[cfg(unix)]
fn every_stage_asks_slurm_for_what_it_needs() {
    let cluster = StandIns::of(&STUDY.replace("[base]", "[base]\ndevice.kind = \"cpu\""));
    let out = cluster.submit(&[]);
    assert!(!out.contains("note:"), "{out}");
    for (stage, bound) in [("score", None), ("search", Some("the whole space needs")), ("train", Some("heaviest cell"))]
    {
        let (text, count) = cluster.scripts(stage);
        assert!(count > 0);
        for option in ["#SBATCH --mem=", "#SBATCH --time="] {
            assert_eq!(text.matches(option).count(), count, "{stage}: {text}");
        }
        assert!(text.contains("Time is predicted") && text.contains("Memory is what is predicted"), "{text}");
        assert_eq!(text.contains("an estimate from above"), bound.is_some(), "{text}");
        assert!(bound.is_none_or(|words| text.contains(words)), "{text}");
    }
    // A time that is given is taken; on GPUs, what is not known is said.
    let cluster = StandIns::of(STUDY);
    let out = cluster.submit(&["--gpus", "1", "--partition", "gpu"]);
    let (text, _) = cluster.scripts("");
    assert!(!text.contains("--mem=") && !text.contains("--time=") && text.contains("No time is predicted"), "{text}");
    assert_eq!(out.matches("note: no time is predicted of a run on a GPU").count(), 1, "{out}");
    let cluster = StandIns::of(STUDY);
    let out = cluster.submit(&["--time", "2:00:00", "--sbatch", "--gres=gpu:1"]);
    let (text, count) = cluster.scripts("");
    assert_eq!(text.matches("#SBATCH --time=2:00:00").count(), count);
    assert!(!text.contains("--mem=") && !out.contains("no time is predicted"), "{out}{text}");
    // Pictures that are on the nodes only.
    let cluster = StandIns::of(&STUDY.replace("[base]", "[base]\ndata.source = \"/nowhere/cifar\""));
    let out = cluster.submit(&[]);
    assert_eq!(out.matches("note: memory and time can't be predicted here").count(), 1, "{out}");
}

#[test]
#[cfg(unix)]
fn accounting_tells_how_tasks_ended_that_left_no_word() {
    let cluster =
        StandIns::of(&STUDY.replace("\"score\", \"search\", \"train\"", "\"search\"").replace("1..2", "1..3"));
    let text = std::fs::read_to_string(cluster.made.path.join("study.toml")).unwrap();
    let controls = text.replace("[\"scores\", \"random\"]", "[\"random\", \"cheapest\", \"most_parameters\"]");
    std::fs::write(cluster.made.path.join("study.toml"), controls).unwrap();
    cluster.submit(&["--time", "10"]);
    let word = cluster.made.word();
    // Without accounting nothing is known of them.
    assert!(cluster.states(word).values().all(|(state, _)| state == "ready"));
    let prefix = cluster.prefix();
    let mut runs: Vec<(u64, usize, String, String)> = Vec::new();
    let list = |n: u64| std::fs::read_to_string(cluster.made.path.join(format!("slurm/search-{n}.txt")));
    for (array, n) in (12..).zip(1..).take_while(|(_, n)| list(*n).is_ok()) {
        let names = list(n).unwrap();
        runs.extend(names.lines().enumerate().map(|(i, run)| (array, i, format!("search-{n}"), run.to_string())));
    }
    assert_eq!(runs.len(), 12);
    // As `sacct` writes them: state, exit code, and what is to be told; none where it may go on as it is.
    let ends = [
        ("OUT_OF_MEMORY", "0:125", Some("it needs more than it asked for")),
        ("TIMEOUT", "0:0", Some("a longer --time")),
        ("NODE_FAIL", "1:0", Some("its node failed")),
        ("PREEMPTED", "0:0", Some("others were preferred")),
        ("FAILED", "127:0", Some("FAILED, exit code 127:0")),
        ("BOOT_FAIL", "0:0", Some("its node failed")),
        ("DEADLINE", "0:0", Some("a longer --time")),
        ("CANCELLED by 1000", "0:0", None),
        ("COMPLETED", "0:0", None),
        ("REQUEUED", "0:0", None),
        ("RUNNING", "0:0", None),
        ("PENDING", "0:0", None),
    ];
    let line = |(array, task, list, _): &(u64, usize, String, String), state: &str, code: &str| {
        format!("{array}_{task}|{prefix}{list}|{state}|{code}\n")
    };
    let mut told: String = "99_[0-3%2]|other|PENDING|0:0\n98_0|zonas-ffffffff-search-1|FAILED|1:0\n".into();
    told.extend(runs.iter().zip(ends).map(|(run, (state, code, _))| line(run, state, code)));
    // An earlier attempt of the first: the later one counts.
    told += &format!("7_0|{prefix}search-1|FAILED|1:0\n");
    cluster.prints("sacct", &told);
    let states = cluster.states(word);
    for (run, (state, code, words)) in runs.iter().zip(ends) {
        let (stands, detail) = &states[&run.3];
        match words {
            None => assert_eq!((stands.as_str(), detail.as_str()), ("ready", ""), "{state}"),
            Some(words) => {
                assert_eq!(stands, "failed", "{state}: {detail}");
                let begins = format!("Slurm {}_{}: {state}, exit code {code}", run.0, run.1);
                assert!(detail.starts_with(&begins) && detail.contains(words), "{detail}");
            }
        }
    }
    // What waits and runs is Slurm's to say; what failed may be submitted again.
    let (first, second) = (&runs[0], &runs[1]);
    let job = |r: &(u64, usize, String, String), state: &str, node: &str, why: &str| {
        format!("{}|{}|{state}|{node}|{prefix}{}|{why}\n", r.0, r.1, r.2)
    };
    cluster.prints("squeue", &(job(first, "PENDING", "", "Priority") + &job(second, "PREEMPTED", "n1", "None")));
    let states = cluster.states(word);
    assert_eq!(states[&first.3], ("queued".into(), format!("Slurm {}_{}: PENDING (Priority)", first.0, first.1)));
    assert_eq!(states[&second.3].0, "failed");
    // A copy of the study has none of these jobs, and cancels none of them.
    let copy = cluster.made.path.with_file_name("copy");
    assert!(Process::new("cp").args(["-a", word, copy.to_str().unwrap()]).status().unwrap().success());
    let copy = copy.to_str().unwrap();
    assert!(cluster.states(copy).values().all(|(state, _)| state == "ready"));
    let (out, err, code) = cluster.zonas(&["study", "stop", copy]);
    assert!(
        code == Some(0) && out.contains("is a copy of") && out.contains("nothing of this study is at work"),
        "{out}{err}"
    );
    assert!(!cluster.path.join("scancel.out").exists());
    let (out, ..) = cluster.zonas(&["study", "stop", word]);
    assert!(out.contains("Slurm: 1 run cancelled") && !out.contains("copy"), "{out}");
    assert_eq!(std::fs::read_to_string(cluster.path.join("scancel.out")).unwrap(), format!("{}\n", first.0));
    // Submitted, the copy has jobs of its own.
    let (out, _, code) = cluster.zonas(&["study", "run", copy, "--on", "slurm", "--time", "10"]);
    assert!(code == Some(0) && out.contains("is a copy of") && out.contains("12 runs submitted"), "{out}");
    let (out, ..) = cluster.zonas(&["study", "status", copy]);
    assert!(!out.contains("copy of"), "{out}");
}
