//! Designs, their plans and how they stand, and what is concluded.

use std::collections::HashSet;
use std::path::Path;

use super::*;
use crate::run::RunFolder;

const DESIGN_TEXT: &str = r#"
version = 1
seeds = "1..3"
stages = ["score", "search", "train"]
preset = "demo"
[base]
search.epochs = 2
[factors]
cut.xi = [0.5, 0.75]
cut.source = ["scores", "random"]
[[settings]]
name = "whole space"
cut.xi = 0.0
[compare]
baseline = "whole space"
"#;

fn read(text: &str) -> Result<Design, String> {
    Design::read(text, "study.toml", Path::new("/there")).map_err(|e| e.to_string())
}

fn design(text: &str) -> Design {
    read(text).unwrap()
}

#[test]
fn a_design_is_every_combination_and_the_settings_beside() {
    let d = design(DESIGN_TEXT);
    let names: Vec<&str> = d.settings.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "source=scores xi=0.5",
            "source=scores xi=0.75",
            "source=random xi=0.5",
            "source=random xi=0.75",
            "whole space"
        ]
    );
    assert_eq!((d.seeds.as_slice(), d.baseline, d.settings[1].config.cut.xi), (&[1, 2, 3][..], 4, 0.75));
    assert!(d.settings.iter().all(|s| s.config.search.epochs == 2 && s.config.search.channels == 8));
    // Of a whole space nothing is cut, whatever would cut it.
    let same = design(
        &DESIGN_TEXT
            .replace("[0.5, 0.75]", "[0.0, 0.5]")
            .replace("[[settings]]\nname = \"whole space\"\ncut.xi = 0.0\n", "")
            .replace("\"whole space\"", "\"\""),
    );
    assert_eq!(same.settings.len(), 3);
    assert!(same.notes[0].contains("is the same as"), "{:?}", same.notes);
    // Lists of functions, alone or several.
    let lists =
        design("version = 1\nseeds = 1\n[factors]\nscore.functions = [\"naswot\", [\"naswot\", \"synflow\"]]\n");
    assert_eq!(lists.settings[0].config.score.functions, ["naswot"]);
    assert_eq!(lists.settings[1].config.score.functions, ["naswot", "synflow"]);
    // Paths are the study's.
    let here = design("version = 1\nseeds = 1\n[base]\ndata.source = \"pictures\"\n");
    assert_eq!(here.settings[0].config.data.source, "/there/pictures");
}

#[test]
fn what_makes_no_sense_is_named_before_anything_runs() {
    let with = |change: &str| format!("version = 1\nseeds = \"1..3\"\n{change}\n");
    for (text, part) in [
        ("seeds = 1\n".to_string(), "`version`"),
        ("version = 2\nseeds = 1\n".into(), "`version`: 2 is not known here"),
        ("version = 1\n".into(), "`seeds`"),
        ("version = 1\nseeds = \"5..1\"\n".into(), "goes from the lower to the higher"),
        (
            with("[factors]\ncut.sauce = [1]"),
            "`factors.cut.sauce`: there is no such setting; did you mean `cut.source`?",
        ),
        (with("[factors]\ncut.xi = 0.5"), "`factors.cut.xi`: give a list of values"),
        (with("[factors]\ncut.xi = []"), "an empty list leaves nothing to run"),
        (with("[factors]\nseed = [1]"), "seeds are the study's"),
        (with("[factors]\ndevice.threads = [1, 2]"), "the runner shares it out"),
        (with("[factors]\ndevice.kind = [\"cpu\"]"), "a study runs on one kind of device"),
        (with("[[settings]]\nname = \"a\\nb\"\ncut.xi = 0.5"), "a text of one line"),
        (with("[factors]\ncut.xi = [2]"), "with xi=2: setting `cut.xi`"),
        (with("[factors]\ndevice.precision = [\"bf16\"]\nsearch.order = [1, 2]"), "with precision=bf16 order=2: "),
        (with("[factors]\nscore.functions = [\"naswott\"]"), "naswot"),
        (with("stages = [\"train\"]"), "`train` trains what `search` finds"),
        (with("stages = []"), "an empty list asks for nothing"),
        (with("[compare]\nbaseline = \"bas\""), "there is no setting `bas`; did you mean `base`?"),
        (with("[compare]\nmargin = 0"), "`compare.margin`"),
        (with("[limits]\nmemory = \"much\""), "`limits.memory`"),
        (with("[base]\nseed = 3"), "`base.seed`"),
        (with("[base]\ntrain.genotype = \"DARTS_V2\""), "`base.train.genotype`"),
        (with("[[settings]]\ncut.xi = 0.5"), "each of them has a `name`"),
        (
            with("[[settings]]\nname = \"a\"\ncut.xi = 0.5\n[[settings]]\nname = \"a\"\ncut.xi = 0.6"),
            "two have the name `a`",
        ),
        (with("preset = \"dart\""), "there is no preset `dart`"),
        (with("sedes = 3"), "did you mean `seeds`?"),
        (with("[factors"), "line 3"),
        (
            with(
                "[factors]\nsearch.epochs = [1,2,3,4,5,6,7,8,9,10]\nsearch.batch = [1,2,3,4,5,6,7,8,9,10]\nsearch.channels = [1,2,3,4,5,6,7,8,9,10]\nsearch.cells = [1,2,3,4,5,6,7,8,9,10,11]",
            ),
            "more than 10000 combinations",
        ),
    ] {
        let e = read(&text).unwrap_err();
        assert!(e.starts_with("study.toml") && e.contains(part), "{text}\n{e}");
    }
}

#[test]
fn scores_are_shared_by_all_that_they_suit() {
    let d = design(DESIGN_TEXT);
    let plan = Plan::of(&d);
    let count = |p: &Plan, stage| p.tasks.iter().filter(|t| t.stage == stage).count();
    assert_eq!([Stage::Score, Stage::Search, Stage::Train].map(|s| count(&plan, s)), [3, 15, 15]);
    for (i, task) in plan.tasks.iter().enumerate() {
        assert!(task.needs.is_none_or(|n| n < i && plan.tasks[n].seed == task.seed), "{}", task.name);
        let scored = task.config.scores() && task.stage == Stage::Search;
        assert_eq!(task.needs.is_some(), scored || task.stage == Stage::Train, "{}", task.name);
        assert!(task.name.len() <= 64 && RunFolder::list(Path::new("/nowhere")).is_ok());
    }
    let names: HashSet<&str> = plan.tasks.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names.len(), plan.tasks.len());
    assert!(
        names.contains("scores-xi0.5-s1") && names.contains("scoring-s1") && names.contains("whole-space-s3-train")
    );
    // A method of search has no part in scores; a ranking function has.
    let more = |factor: &str| Plan::of(&design(&DESIGN_TEXT.replace("[factors]", &format!("[factors]\n{factor}"))));
    assert_eq!(count(&more("search.method = [\"darts\", \"darts_2nd\"]"), Stage::Score), 3);
    assert_eq!(count(&more("score.functions = [\"naswot\", \"synflow\"]"), Stage::Score), 6);
    // Which pictures the weights have is what scores are of.
    assert_eq!(count(&more("search.train_share = [0.4, 0.5]"), Stage::Score), 6);
    // Where draws end by the cut, each cut has its own.
    let auto = DESIGN_TEXT.replace("search.epochs = 2", "search.epochs = 2\nscore.draws = \"auto\"");
    assert_eq!(count(&Plan::of(&design(&auto)), Stage::Score), 6);
}

#[test]
fn runs_are_known_by_their_settings() {
    let dir = tempfile::tempdir().unwrap();
    let study = Study::create(&dir.path().join("s"), DESIGN_TEXT).unwrap();
    assert!(matches!(Study::create(study.path(), DESIGN_TEXT), Err(StudyError::Exists(_))));
    let d = study.design().unwrap();
    let plan = Plan::of(&d);
    let make = |name: &str, task: &Task| RunFolder::create(&study.runs(), Some(name), "", &task.config).unwrap();
    let task = plan.tasks.iter().position(|t| t.name == "random-xi0.5-s2").unwrap();
    // Whatever it is called, on whatever device, and wherever the study is moved.
    let mut config = plan.tasks[task].config.clone();
    config.device.threads = 3;
    RunFolder::create(&study.runs(), Some("mine"), "", &config).unwrap();
    let standing = Standing::of(&study, &d, &plan).unwrap();
    let found = |s: &Standing, i: usize| s.tasks[i].folder.as_ref().map(RunFolder::name);
    assert_eq!((found(&standing, task), standing.others), (Some("mine".into()), 0));
    assert_eq!(standing.tasks[task].state, State::Ready);
    let train = plan.tasks.iter().position(|t| t.name == "random-xi0.5-s2-train").unwrap();
    assert_eq!(standing.tasks[train].state, State::Waits("random-xi0.5-s2".into()));
    // More settings and seeds: what is there stays what it is.
    let wider = DESIGN_TEXT.replace("[0.5, 0.75]", "[0.25, 0.5, 0.75]").replace("1..3", "2..9");
    let wide = design(&wider);
    let of_wide = Plan::of(&wide);
    let there = Standing::of(&study, &wide, &of_wide).unwrap();
    let again = of_wide.tasks.iter().position(|t| t.name == "random-xi0.5-s2").unwrap();
    assert_eq!((found(&there, again), there.others), (Some("mine".into()), 0));
    // Other settings: it belongs to nothing, and its name is not taken from it.
    let edited = design(&DESIGN_TEXT.replace("search.epochs = 2", "search.epochs = 3"));
    let of_edited = Plan::of(&edited);
    let gone = Standing::of(&study, &edited, &of_edited).unwrap();
    assert!(gone.tasks.iter().all(|t| t.folder.is_none()) && gone.others == 1);
    let mut known = Found::default();
    known.look(&study, &edited).unwrap();
    assert_eq!(known.free("mine"), "mine-2");
    // A scoring and the first search that takes its scores have the same settings.
    let scoring = plan.tasks.iter().find(|t| t.name == "scoring-s1").unwrap();
    make("scoring-s1", scoring);
    let s = Standing::of(&study, &d, &plan).unwrap();
    let named = |name: &str| plan.tasks.iter().position(|t| t.name == name).unwrap();
    assert_eq!(found(&s, named("scoring-s1")), Some("scoring-s1".into()));
    assert_eq!(found(&s, named("scores-xi0.5-s1")), None);
}

#[test]
fn other_pictures_are_another_run_and_moved_ones_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let text =
        |data: &str| DESIGN_TEXT.replace("search.epochs = 2", &format!("search.epochs = 2\ndata.source = \"{data}\""));
    let study = Study::create(&dir.path().join("s"), &text("pics")).unwrap();
    let d = study.design().unwrap();
    let plan = Plan::of(&d);
    for task in plan.tasks.iter().filter(|t| ["scoring-s1", "random-xi0.5-s1"].contains(&t.name.as_str())) {
        RunFolder::create(&study.runs(), Some(&task.name), "", &task.config).unwrap();
    }
    let there = |study: &Study, d: &Design| {
        let standing = Standing::of(study, d, &Plan::of(d)).unwrap();
        standing.tasks.iter().filter(|t| t.folder.is_some()).count()
    };
    assert_eq!(there(&study, &d), 2);
    let other = Design::read(&text("others"), "study.toml", study.path()).unwrap();
    assert_eq!(there(&study, &other), 0);
    // Moved as a whole.
    let moved = dir.path().join("moved");
    std::fs::rename(study.path(), &moved).unwrap();
    let moved = Study::open(&moved).unwrap();
    assert_eq!(there(&moved, &moved.design().unwrap()), 2);
    // Two sets of pictures have scores of their own.
    let both = text("pics").replace("[factors]", "[factors]\ndata.source = [\"embedded\", \"pics\"]");
    let plan = Plan::of(&design(&both));
    assert_eq!(plan.tasks.iter().filter(|t| t.stage == Stage::Score).count(), 6);
    // A control has no scores to differ in.
    let functions = DESIGN_TEXT.replace("[factors]", "[factors]\nscore.functions = [\"naswot\", \"synflow\"]");
    assert_eq!(design(&functions).settings.len(), 2 * 2 + 2 + 1);
}

#[test]
fn what_is_concluded_is_shown_and_nothing_else() {
    use results::{Conclusion, Measure, One, Results};
    let text = DESIGN_TEXT
        .replace("1..3", "1..10")
        .replace("baseline = \"whole space\"", "baseline = \"whole space\"\nmargin = 1.0");
    let d = design(&text);
    // Setting 0 differs by a hundredth, 1 is better by three points, 2 worse by chance alone, 3 has two seeds.
    let noise = [0.3, -0.2, 0.1, 0.4, -0.3, 0.2, -0.1, 0.0, 0.25, -0.15];
    let mut each = Vec::new();
    for (setting, of) in d.settings.iter().enumerate() {
        for (i, seed) in d.seeds.iter().enumerate() {
            if setting == 3 && i > 1 {
                continue;
            }
            let base = 70.0 + 2.0 * noise[(3 * i) % 10];
            let accuracy = match setting {
                0 => base + 0.01 + noise[i] / 5.0,
                1 => base + 3.0 + noise[i],
                2 => base + 40.0 * noise[i],
                _ => base,
            };
            each.push(One {
                setting,
                name: of.name.clone(),
                seed: *seed,
                done: true,
                trained: Some(accuracy),
                ..One::default()
            });
        }
    }
    let r = Results::of(&d, each, None, Vec::new());
    assert_eq!(r.measure, Measure::Trained);
    let concluded: Vec<Conclusion> = r.beside.iter().map(|b| b.conclusion).collect();
    assert_eq!(concluded, [Conclusion::Same, Conclusion::Better, Conclusion::Undecided, Conclusion::TooFew]);
    assert_eq!((r.beside[3].pairs, r.beside[3].unpaired), (2, 8));
    assert!(r.notes.iter().any(|n| n.contains("no partner")), "{:?}", r.notes);
    let (csv, lines) = (results::words::csv(&r), results::words::beside(&r).lines());
    assert_eq!(csv.lines().count(), 1 + 42);
    assert!(csv.lines().all(|l| l.split(',').count() == csv.lines().next().unwrap().split(',').count()));
    assert!(lines[2].contains("better") && lines[1].contains("the same within ±1"), "{lines:#?}");
    // Five seeds can show no difference among so many.
    let few = Results { each: r.each.iter().filter(|o| o.seed <= 5).cloned().collect(), ..r };
    let few = Results::of(&d, few.each, None, Vec::new());
    assert_eq!(few.beside[1].conclusion, Conclusion::TooFew);
    assert!(results::words::concluded(&few).iter().any(|l| l.contains("More seeds would tell")), "{:?}", few.beside[1]);
    assert!(few.notes[0].starts_with("5 seeds can show no difference at 0.05 among 4 comparisons"), "{:?}", few.notes);
}

#[test]
fn a_script_says_what_is_asked_and_quotes_paths() {
    use slurm::{Ask, tests::Estimate, tests::Predicted, tests::script_of};
    let ask = Ask { partition: Some("gpu".into()), gpus: 1, time: None, options: vec!["--account=vision".into()] };
    let cpu = Predicted { bytes: Some(1 << 30), seconds: Some(3600.0), ..Predicted::default() };
    let text = script_of(Path::new("/a b/it's"), &ask, 12, cpu.clone());
    for line in [
        "#SBATCH --array=0-11%3",
        "#SBATCH --signal=B:USR1@90",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        // A fifth and 512 MiB more.
        "#SBATCH --mem=1741M",
        // Half as much again, ten minutes more.
        "#SBATCH --time=100",
        "#SBATCH --partition=gpu",
        "#SBATCH --gpus=1",
        "#SBATCH --account=vision",
        "exec /bin/zonas study task \"$study\" \"$run\"",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    assert!(text.starts_with("#!/bin/bash\n#SBATCH "), "{text}");
    assert!(text.contains("\nstudy='/a b/it'\\''s'\n"), "{text}");
    assert!(text.contains("#SBATCH --output=\"/a b/it's/slurm/search-1-%a.log\"\n"), "{text}");
    let own = Ask { time: Some("8:00:00".into()), ..Ask::default() };
    let gpu = Predicted { gpu: true, ..Predicted::default() };
    let asked = script_of(Path::new("/s"), &own, 1, gpu.clone());
    assert!(asked.contains("--time=8:00:00\n") && !asked.contains("--mem") && !asked.contains("--gpus"), "{asked}");
    // What is predicted, what is a bound, and what is not known are told apart, as a person reads it.
    let told = |ask: &Ask, predicted: &Predicted| {
        let text = script_of(Path::new("/s"), ask, 1, predicted.clone());
        let about: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("# ")).collect();
        assert!(text.lines().all(|l| l.chars().count() <= 122), "{text}");
        about.join(" ")
    };
    let bound = Predicted { estimate: Some(Estimate::HeaviestCell), ..cpu.clone() };
    let words = told(&Ask::default(), &bound);
    for said in ["Memory is what is predicted", "Time is predicted", "the heaviest cell", "an estimate from above"] {
        assert!(words.contains(said), "{said}: {words}");
    }
    assert!(!told(&Ask::default(), &cpu).contains("estimate") && !told(&own, &cpu).contains("Time is predicted"));
    let words = told(&Ask::default(), &gpu);
    assert!(words.contains("No time is predicted of a run on a GPU") && !words.contains("Memory is what"), "{words}");
    assert!(!told(&own, &gpu).contains("No time"));
    let unknown = Predicted { unknown: Some("there is no /data".into()), ..Predicted::default() };
    assert!(told(&own, &unknown).contains("can't be predicted here: there is no /data"));
    assert_eq!(cpu.and(bound).estimate, Some(Estimate::HeaviestCell));
}
