//! The cut of whole runs: engines that are killed while it is changed, runs that wait for a person, controls, budgets.
#![cfg(unix)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use zonas::engine::plan;
use zonas::run::command::{Body as Order, Edit};
use zonas::run::config::{self, Config};
use zonas::run::event::{Body, Cut, Event};
use zonas::run::journal::{self, Tail};
use zonas::run::status::Status;
use zonas::run::summary::Summary;
use zonas::run::{GENOTYPE_JSON, RunFolder};
use zonas::space::cut::{Scope, Source};
use zonas::space::{By, CellKind, Counts, Edge, Mask, Place, darts};

/// As small as a run can be; a control, which needs no scores.
fn config() -> Config {
    let mut c = Config { seed: 7, ..Config::default() };
    c.data.limit = 96;
    c.device.threads = 1;
    c.score.draws = 1.into();
    c.score.batch = 4;
    c.score.channels = 1;
    c.score.remove_per_round = 3;
    c.cut.source = Source::Random.into();
    c.search.channels = 2;
    c.search.cells = 3;
    c.search.batch = 16;
    c.search.epochs = 1;
    c
}

/// The engine of a run, as a process that is killed when this is dropped.
struct Engine {
    child: Child,
    folder: RunFolder,
}

impl Engine {
    fn start(folder: &RunFolder, arguments: &[&str]) -> Engine {
        let child = Command::new(env!("CARGO_BIN_EXE_zonas"))
            .arg("engine")
            .arg(folder.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Engine { child, folder: folder.clone() }
    }

    /// Waits until the cut of this engine is there, which is its proposal number `nth`.
    fn proposes(folder: &RunFolder, nth: usize) -> Engine {
        let engine = Engine::start(folder, &["--confirm", "wait"]);
        until("a proposal", || cuts(folder).len() == nth);
        engine
    }

    fn asked(&self, order: Order) -> Result<(), String> {
        let id = journal::send(&self.folder, order).unwrap();
        let mut answer = None;
        until("an answer", || {
            answer = events(&self.folder).into_iter().find_map(|e| match e.body {
                Body::CommandAccepted { id: of, .. } if of == id => Some(Ok(())),
                Body::CommandRefused { id: of, reason, .. } if of == id => Some(Err(reason)),
                _ => None,
            });
            answer.is_some()
        });
        answer.unwrap()
    }

    fn cut(&self, edit: Edit) {
        self.asked(Order::Cut(edit)).unwrap();
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn ends(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn create(runs: &Path, name: &str, config: &Config) -> RunFolder {
    RunFolder::create(runs, Some(name), "x", config).unwrap()
}

fn events(folder: &RunFolder) -> Vec<Event> {
    Tail::events(folder).rest()
}

fn cuts(folder: &RunFolder) -> Vec<Cut> {
    let proposed = |e: Event| if let Body::CutProposed(cut) = e.body { Some(cut) } else { None };
    events(folder).into_iter().filter_map(proposed).collect()
}

fn last(folder: &RunFolder) -> Cut {
    cuts(folder).pop().unwrap()
}

fn confirmed(folder: &RunFolder) -> Option<Cut> {
    let confirmed = |e: Event| if let Body::CutConfirmed(cut) = e.body { Some(cut) } else { None };
    events(folder).into_iter().find_map(confirmed)
}

fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..12_000 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{what} did not come");
}

fn place(name: &str) -> Place {
    name.parse().unwrap()
}

/// What a person may do, each with an engine of its own or all with one.
type Act<'a> = &'a dyn Fn(&Engine);

fn act(folder: &RunFolder, acts: &[Act], kills: bool) -> (Mask, Vec<Place>, Vec<u8>) {
    let mut engine = Engine::proposes(folder, 1);
    for act in acts {
        act(&engine);
        if kills {
            engine.kill();
            let cuts = cuts(folder).len();
            engine = Engine::proposes(folder, cuts + 1);
        }
    }
    engine.asked(Order::Confirm { revision: None }).unwrap();
    assert_eq!(engine.ends(), 0);
    let cut = confirmed(folder).unwrap();
    (cut.mask, cut.by_hand, std::fs::read(folder.file(GENOTYPE_JSON)).unwrap())
}

#[test]
fn a_killed_engine_loses_no_decision_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let mut c = config();
    c.cut.xi = 0.25;
    // Kept at 0.25 anyway, and gone at 0.5.
    let probe = create(dir.path(), "probe", &c);
    let engine = Engine::proposes(&probe, 1);
    let quarter = last(&probe).mask;
    engine.cut(Edit::Level { xi: 0.5 });
    let half = last(&probe).mask;
    drop(engine);
    let x = quarter.places().find(|p| !half.contains(*p)).unwrap();
    let y = half.places().find(|p| p.edge != x.edge).unwrap();
    let acts: [Act; 9] = [
        &|e| e.cut(Edit::Keep { place: x }),
        &|e| e.cut(Edit::Drop { place: y }),
        &|e| e.cut(Edit::Level { xi: 0.875 }),
        &|e| e.cut(Edit::Level { xi: 0.5 }),
        &|e| e.asked(Order::Undo).unwrap(),
        &|e| e.asked(Order::Undo).unwrap(),
        &|e| e.asked(Order::Redo).unwrap(),
        &|e| e.asked(Order::Redo).unwrap(),
        &|e| assert!(e.asked(Order::Redo).is_err()),
    ];
    let whole = create(dir.path(), "whole", &c);
    let killed = create(dir.path(), "killed", &c);
    let expected = act(&whole, &acts, false);
    assert_eq!(expected.0, half.with(x).without(y));
    assert_eq!(expected.1.len(), 2);
    assert_eq!(act(&killed, &acts, true), expected);
}

#[test]
fn a_command_that_was_obeyed_is_answered_by_the_next_engine() {
    let dir = tempfile::tempdir().unwrap();
    let folder = create(dir.path(), "r", &config());
    let mut engine = Engine::proposes(&folder, 1);
    let x = darts::NO_NONE.places().find(|p| !last(&folder).mask.contains(*p)).unwrap();
    engine.cut(Edit::Keep { place: x });
    engine.kill();
    // As if it had been killed a moment earlier.
    let path = folder.file(zonas::run::EVENTS);
    let text = std::fs::read_to_string(&path).unwrap();
    let answer = text.lines().position(|l| l.contains("command_accepted")).unwrap();
    let before: Vec<&str> = text.lines().take(answer).collect();
    assert!(before.last().unwrap().contains("cut_proposed"));
    std::fs::write(&path, before.join("\n") + "\n").unwrap();
    let _engine = Engine::proposes(&folder, 3);
    let answers: Vec<Body> = events(&folder)
        .into_iter()
        .map(|e| e.body)
        .filter(|b| matches!(b, Body::CommandAccepted { .. } | Body::CommandRefused { .. }))
        .collect();
    assert!(matches!(&answers[..], [Body::CommandAccepted { command, .. }] if command == "cut"), "{answers:?}");
    assert!(last(&folder).mask.contains(x));
}

#[test]
fn journals_of_before_are_read() {
    let old = r#"{"xi":0.5,"mask":{"normal":[],"reduction":[]},"by_hand":[{"cell":"normal","edge":3,"operation":"none"}],
        "source":"scores","memory_bytes":1,"full_memory_bytes":2,"warnings":[]}"#;
    let mask = serde_json::to_string(&darts::NO_NONE).unwrap();
    let cut: Cut = serde_json::from_str(&old.replace(r#"{"normal":[],"reduction":[]}"#, &mask)).unwrap();
    assert_eq!((cut.decisions, cut.decided.len(), cut.budget_bytes, cut.unscored), (0, 0, None, false));
    assert_eq!(cut.not_by_scores(), None);
    assert!(cut.by.is_own() && cut.verdict.is_none());
    // Of a verdict with fewer numbers than today's what is there is read.
    let verdict = old.replace(r#"{"normal":[],"reduction":[]}"#, &mask).replace("[]}", r#"[],"verdict":{"draws":3}}"#);
    let cut: Cut = serde_json::from_str(&verdict).unwrap();
    assert_eq!(cut.verdict.map(|v| (v.draws, v.kept)), Some((3, 0)));
}

#[test]
fn a_control_scores_nothing_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let folder = create(dir.path(), "r", &config());
    let engine = Engine::proposes(&folder, 1);
    assert!(!events(&folder).iter().any(|e| matches!(e.body, Body::ScoringStarted(_) | Body::Score { .. })));
    let cut = last(&folder);
    assert!(cut.unscored && cut.warnings[0].contains("nothing was scored"), "{:?}", cut.warnings);
    let reason = engine.asked(Order::Cut(Edit::Source { source: "scores".into() })).unwrap_err();
    assert!(reason.contains("nothing was scored in this run"), "{reason}");
    engine.cut(Edit::Source { source: "cheapest".into() });
    assert_eq!(last(&folder).source, "cheapest");
}

#[test]
fn a_control_is_as_large_as_the_cut_beside_it_on_every_edge() {
    let dir = tempfile::tempdir().unwrap();
    let mut c = config();
    c.cut.source = Source::Scores.into();
    let folder = create(dir.path(), "r", &c);
    let mut engine = Engine::proposes(&folder, 1);
    engine.cut(Edit::Edge { cell: CellKind::Normal, edge: Edge::new(4).unwrap(), keep: true });
    let edited = last(&folder);
    assert_eq!(edited.mask.count(), 112 + 3);
    for source in ["random", "cheapest", "most_parameters"] {
        engine.cut(Edit::Source { source: source.into() });
        let control = last(&folder);
        assert_eq!(control.mask.counts(), edited.mask.counts());
        assert!(control.by_hand.is_empty() && control.mask != edited.mask, "{source}");
    }
    // Back, also after a kill.
    engine.kill();
    let n = cuts(&folder).len();
    let engine = Engine::proposes(&folder, n + 1);
    assert_eq!(last(&folder).kept_per_edge, edited.mask.counts().list());
    engine.cut(Edit::Source { source: "scores".into() });
    assert_eq!((last(&folder).mask, last(&folder).decided), (edited.mask, edited.decided.clone()));
    // Within a budget, and at a level.
    let bytes = (last(&folder).memory_bytes + last(&folder).full_memory_bytes) / 2;
    engine.cut(Edit::Budget { bytes });
    let budget = last(&folder);
    assert!(budget.memory_bytes <= bytes && budget.budget_bytes == Some(bytes));
    engine.cut(Edit::Source { source: "random".into() });
    assert_eq!(last(&folder).mask.counts(), budget.mask.counts());
    engine.cut(Edit::Level { xi: 0.75 });
    engine.cut(Edit::Source { source: "scores".into() });
    let level = last(&folder);
    assert_eq!((level.xi, level.decided, level.mask.count()), (0.75, edited.decided, 56 + 5));
    // A run of its own, as it is queued: counted from the cut that stands.
    let mut control = c.clone();
    control.cut = config::Cut::control(Source::MostParameters, &budget.mask);
    let control = Config::parse(&control.to_toml(), "t").unwrap();
    let queued = create(dir.path(), "queued", &control);
    assert!(zonas::engine::inherit(&folder, &queued, &control).unwrap());
    let _engine = Engine::proposes(&queued, 1);
    assert_eq!(last(&queued).mask.counts(), budget.mask.counts());
    assert!(!last(&queued).unscored);
}

#[test]
fn a_budget_keeps_single_operations_to_the_byte() {
    let dir = tempfile::tempdir().unwrap();
    let mut c = config();
    (c.search.channels, c.search.cells, c.search.batch) = (4, 5, 8);
    let folder = create(dir.path(), "r", &c);
    let mut engine = Engine::proposes(&folder, 1);
    let planner = plan::of_settings(&c).unwrap();
    let need = |mask: Mask| planner.plan(mask).bytes;
    let (least, most) =
        (need(Mask::uniform(darts::SPACE, &[zonas::space::Operation::SkipConnect])), need(darts::NO_NONE));
    let hand = [(place("normal:0▸2:sep5"), true), (place("reduction:1▸4:dil3"), false)];
    let begun = std::time::Instant::now();
    for (i, share) in [0.3, 0.6, 0.95].into_iter().enumerate() {
        let bytes = least + ((most - least) as f64 * share) as u64;
        if i == 1 {
            engine.cut(Edit::Keep { place: hand[0].0 });
            engine.cut(Edit::Drop { place: hand[1].0 });
        }
        engine.cut(Edit::Budget { bytes });
        let cut = last(&folder);
        assert_eq!((cut.budget_bytes, cut.memory_bytes), (Some(bytes), need(cut.mask)));
        assert!(cut.memory_bytes <= bytes);
        for p in darts::NO_NONE.places().filter(|p| !cut.mask.contains(*p) && *p != hand[1].0) {
            assert!(need(cut.mask.with(p)) > bytes, "{p} would fit");
        }
        if i > 0 {
            assert!(hand.iter().all(|(p, kept)| cut.mask.contains(*p) == *kept));
            assert!(cut.by_hand.iter().all(|p| hand.iter().any(|(h, _)| h == p)), "{:?}", cut.by_hand);
        }
    }
    println!("three budgets in {:?}", begun.elapsed());
    // It is what it was after a kill, and its decisions can be taken back.
    let before = last(&folder);
    engine.kill();
    let n = cuts(&folder).len();
    let engine = Engine::proposes(&folder, n + 1);
    let after = last(&folder);
    assert_eq!((after.mask, after.by_hand, after.budget_bytes), (before.mask, before.by_hand, before.budget_bytes));
    engine.cut(Edit::Automatic);
    let bytes = before.budget_bytes.unwrap();
    assert!(last(&folder).by_hand.is_empty() && last(&folder).memory_bytes <= bytes);
    // Kept on top of it, it may be too much, and is told so.
    let dropped = darts::NO_NONE.places().find(|p| !last(&folder).mask.contains(*p)).unwrap();
    engine.cut(Edit::Keep { place: dropped });
    assert!(
        last(&folder).warnings.iter().any(|w| w.contains("KiB more than the budget")),
        "{:?}",
        last(&folder).warnings
    );
    let reason = engine.asked(Order::Cut(Edit::Budget { bytes: 1 << 20 })).unwrap_err();
    assert!(
        reason.starts_with("no cut fits into 1 MiB: one operation on every edge and what is kept by hand needs "),
        "{reason}"
    );
    drop(engine);
    // As a setting.
    c.cut.budget = format!("{} MiB", (least >> 20) + 2);
    let set = create(dir.path(), "set", &c);
    let _engine = Engine::proposes(&set, 1);
    assert!(last(&set).memory_bytes <= ((least >> 20) + 2) << 20 && last(&set).mask.count() > 28);
    c.cut.budget = "100 KiB".into();
    let e = zonas::engine::check(&c).unwrap_err().to_string();
    assert!(e.starts_with("no cut fits into 102400 bytes: one operation on every edge needs "), "{e}");
}

#[test]
fn a_run_that_waits_for_its_cut_is_in_nobodys_way() {
    let dir = tempfile::tempdir().unwrap();
    let (asks, next, third) =
        (create(dir.path(), "asks", &config()), create(dir.path(), "next", &config()), Config { seed: 8, ..config() });
    let mut asking = Engine::start(&asks, &["--confirm", "wait", "--queue"]);
    until("a proposal", || cuts(&asks).len() == 1);
    // It waits for a person: the next has its turn and ends.
    assert_eq!(Engine::start(&next, &["--confirm", "automatic", "--queue"]).ends(), 0);
    assert!(matches!(Summary::read(&asks).status, Status::WaitingForCut));
    // Answered while another is at work, it waits for that.
    let mut long = third;
    long.search.epochs = 100_000;
    let third = create(dir.path(), "third", &long);
    let mut at_work = Engine::start(&third, &["--confirm", "automatic", "--queue"]);
    until("a step", || events(&third).iter().any(|e| matches!(e.body, Body::Step(_))));
    asking.asked(Order::Confirm { revision: None }).unwrap();
    until(
        "a place in the queue",
        || matches!(Summary::read(&asks).status, Status::Queued(behind) if behind.contains("third")),
    );
    let reason = asking.asked(Order::Undo).unwrap_err();
    assert!(reason.contains("confirmed"), "{reason}");
    assert!(!events(&asks).iter().any(|e| matches!(e.body, Body::SearchStarted(_))));
    at_work.kill();
    assert_eq!(asking.ends(), 0);
}

#[test]
fn a_cut_that_is_not_by_scores_is_not_taken_unsaid() {
    let dir = tempfile::tempdir().unwrap();
    let mut c = config();
    c.cut.source = Source::Scores.into();
    let folder = create(dir.path(), "r", &c);
    drop(Engine::proposes(&folder, 1));
    // The same scores, all undefined.
    let path = folder.file(zonas::run::EVENTS);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines = String::new();
    for line in text.lines() {
        let mut event: Event = serde_json::from_str(line).unwrap();
        match &mut event.body {
            Body::CutProposed(_) => break,
            Body::ScoringEnded(ended) => {
                for r in ended.order.iter_mut().step_by(4) {
                    (r.undefined, r.by_lot) = (true, true);
                }
            }
            _ => {}
        }
        lines += &(serde_json::to_string(&event).unwrap() + "\n");
    }
    std::fs::write(&path, lines).unwrap();
    let runs = dir.path().to_str().unwrap();
    let zonas = |args: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_zonas")).args(["--runs", runs]).args(args).output().unwrap();
        (String::from_utf8(out.stdout).unwrap() + &String::from_utf8(out.stderr).unwrap(), out.status.code())
    };
    let (out, code) = zonas(&["run", "--resume", "r", "--yes"]);
    assert_eq!(code, Some(75), "{out}");
    let first = out.lines().find(|l| l.starts_with("cut proposed")).unwrap();
    assert!(first.starts_with("cut proposed: not by scores: ") && first.contains("had no defined score"), "{first}");
    assert!(out.contains("take it as it is with `zonas run --resume"), "{out}");
    assert!(!out.contains("search of order"), "{out}");
    let (out, _) = zonas(&["show", "r"]);
    assert!(
        out.contains("not by scores: 112 of 224 kept") && out.contains("warning      the cut is not by scores"),
        "{out}"
    );
    let cut = last(&folder);
    assert!(cut.undefined * 10 >= cut.decisions && cut.decisions == 84, "{} of {}", cut.undefined, cut.decisions);
    assert!(cut.warnings[0].starts_with("not by scores: "), "{:?}", cut.warnings);
    let (out, code) = zonas(&["run", "--resume", "r", "--yes", "--force"]);
    assert_eq!(code, Some(0), "{out}");
    // A control on purpose is taken.
    let control = create(dir.path(), "control", &config());
    assert_eq!(Engine::start(&control, &["--confirm", "automatic"]).ends(), 0);
}

#[test]
fn few_draws_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut c = config();
    c.cut.source = Source::Scores.into();
    for (draws, words) in [(1, "with 1 draw no decision"), (2, "with 2 draws no decision")] {
        c.score.draws = draws.into();
        let folder = create(dir.path(), &format!("r{draws}"), &c);
        let _engine = Engine::proposes(&folder, 1);
        let warnings = last(&folder).warnings;
        let least = if draws == 1 { "the least possible p is 1/2 " } else { "the least possible p is 1/6 " };
        assert!(warnings.iter().any(|w| w.contains(words) && w.contains(least)), "{warnings:?}");
    }
}

#[test]
fn names_of_the_screens_are_names_on_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let folder = create(dir.path(), "r", &config());
    let engine = Engine::proposes(&folder, 1);
    let runs = dir.path().to_str().unwrap();
    let zonas = |args: &[&str]| {
        let out =
            Command::new(env!("CARGO_BIN_EXE_zonas")).args(["--runs", runs, "cut", "r"]).args(args).output().unwrap();
        (String::from_utf8(out.stdout).unwrap() + &String::from_utf8(out.stderr).unwrap(), out.status.code())
    };
    for (name, same) in
        [("normal:1▸3:sep3", ""), ("reduction:0>2:max3", ""), ("normal:2-5:dil5", ""), ("normal:3:skip", "1▸3")]
    {
        let kept = last(&folder).mask.contains(place(name));
        let (out, code) = zonas(&[if kept { "--drop" } else { "--keep" }, name]);
        assert_eq!(code, Some(0), "{name}: {out}");
        assert_eq!(last(&folder).mask.contains(place(name)), !kept, "{name}");
        assert_eq!(out.contains("note: edge 3 is 1▸3"), !same.is_empty(), "{out}");
    }
    for bad in ["normal:14:sep3", "normal:3>2:sep3", "normal:0-2:sep9", "odd:0-2:sep3", "normal:0-2"] {
        let (out, code) = zonas(&["--keep", bad]);
        assert!(code == Some(2) && !out.contains("accepted"), "{bad}: {out}");
    }
    // In a file of commands, too.
    let line = r#"{"id":"x","command":"cut","edit":"keep","place":{"cell":"normal","edge":"1>4","operation":"sep5"}}"#;
    let mut file = std::fs::OpenOptions::new().append(true).open(folder.file(zonas::run::COMMANDS)).unwrap();
    std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes()).unwrap();
    until("an answer", || {
        events(&folder)
            .iter()
            .any(|e| matches!(&e.body, Body::CommandAccepted { id, .. } | Body::CommandRefused { id, .. } if id == "x"))
    });
    assert!(last(&folder).mask.contains(place("normal:1▸4:sep_conv_5x5")));
    drop(engine);
}

#[test]
fn settings_of_the_cut_make_sense() {
    let list = |n: usize| format!("cut.kept_per_edge={:?}", vec![n; 28]);
    let c = Config::default().set(&list(3)).unwrap();
    assert_eq!(
        (c.cut.counts(darts::SPACE), Config::parse(&c.to_toml(), "t")),
        (Some(Counts::uniform(darts::SPACE, 3)), Ok(c.clone()))
    );
    assert_eq!(c.cut.clone().at_level(0.25).counts(darts::SPACE), None);
    for (bad, words) in [
        ("cut.kept_per_edge=[1, 2]", "there are 2"),
        (list(0).as_str(), "1 to 8"),
        (list(8).as_str(), "can't keep 8"),
        ("cut.budget=much", "neither `off` nor an amount"),
    ] {
        let e = Config::default().set(bad).unwrap_err().to_string();
        assert!(e.contains(words), "{bad}: {e}");
    }
    let global = Config::default().set("cut.scope=global").unwrap();
    assert_eq!(Config::parse(&global.to_toml(), "t"), Ok(global.clone()));
    for (bad, words) in [
        ("cut.budget=1GiB", "cut.budget says how much is kept already"),
        (list(3).as_str(), "cut.kept_per_edge says how much each edge keeps already"),
        ("cut.source=random", "the control `random` says nothing"),
        ("score.estimator=leave_one_out", "score.estimator is `leave_one_out`"),
        ("score.estimator=discretise", "only sampled cells say"),
        ("score.none=compete", "where `none` competes"),
        ("cut.scope=layer", "`layer` is none of edge, global"),
    ] {
        let e = global.clone().set(bad).unwrap_err().to_string();
        assert!(e.contains("`cut.scope`") && e.contains(words), "{bad}: {e}");
    }
    for good in ["score.estimator=short_training", "cut.source=naswot", "cut.xi=0"] {
        assert!(global.clone().set(good).is_ok(), "{good}");
    }
    assert!(c.set("cut.budget=1GiB").unwrap_err().to_string().contains("set one of them"));
}

/// A run whose space is scored by two functions, and whose cut goes by them.
fn scored() -> Config {
    let mut c = config();
    c.cut.source = Source::Scores.into();
    c.score.draws = 3.into();
    c.score.sample = 20;
    // What noise hides would go by parameters, by any of them.
    c.score.undecided = Source::Scores;
    c.score.functions = ["naswot", "mean_jacobian"].map(String::from).to_vec();
    c
}

fn by(names: &[&str], aggregate: Option<&str>) -> Edit {
    let functions = names.iter().map(ToString::to_string).collect();
    Edit::By(By { functions, aggregate: aggregate.map(String::from) })
}

/// Over all edges together from the start and by a command, undone and done again, at other levels, by other functions, beside a
/// control, after a kill, to the end: always the same operations as `engine::unequal` says.
#[test]
fn a_level_is_a_share_of_all_edges_together() {
    let dir = tempfile::tempdir().unwrap();
    let mut c = scored();
    c.cut.scope = Scope::Global;
    let folder = create(dir.path(), "r", &c);
    let mut engine = Engine::proposes(&folder, 1);
    let global = last(&folder);
    let counts = |cut: &Cut| cut.mask.counts().list();
    assert_eq!((global.scope, global.xi, global.mask.count()), (Scope::Global, 0.5, 112));
    assert!(counts(&global).iter().all(|n| *n > 0) && counts(&global).iter().any(|n| *n != 4), "{:?}", counts(&global));
    let verdict = global.verdict.as_ref().unwrap();
    assert!(verdict.buys && verdict.estimate.is_some() && verdict.within_noise.is_empty());
    // As many on every edge, which is not the same, and back.
    engine.cut(Edit::Scope { scope: Scope::Edge });
    let even = last(&folder);
    assert!(
        even.scope == Scope::Edge && counts(&even).iter().all(|n| *n == 4) && even.verdict.unwrap().stays.is_some()
    );
    engine.cut(Edit::Scope { scope: Scope::Global });
    assert_eq!((last(&folder).mask, last(&folder).warnings), (global.mask, global.warnings.clone()));
    assert_eq!(engine.asked(Order::Cut(Edit::Scope { scope: Scope::Global })).unwrap_err(), "that changes nothing");
    // By hand, deeper, and by another function: fewer of the same, and what was decided stays.
    let hand = global.mask.places().find(|p| global.mask.count_on(p.cell, p.edge) > 1).unwrap();
    engine.cut(Edit::Drop { place: hand });
    assert_eq!((last(&folder).mask.count(), last(&folder).by_hand.clone()), (111, vec![hand]));
    engine.cut(Edit::Level { xi: 0.75 });
    let deep = last(&folder);
    assert!(deep.scope == Scope::Global && (55..=57).contains(&deep.mask.count()) && !deep.mask.contains(hand));
    assert!(deep.mask.places().all(|p| global.mask.contains(p) || deep.mask.count_on(p.cell, p.edge) == 1));
    engine.kill();
    let n = cuts(&folder).len();
    let engine = Engine::proposes(&folder, n + 1);
    assert_eq!(
        (last(&folder).mask, last(&folder).scope, last(&folder).decided),
        (deep.mask, Scope::Global, deep.decided)
    );
    engine.asked(Order::Undo).unwrap();
    engine.asked(Order::Undo).unwrap();
    assert_eq!((last(&folder).mask, last(&folder).scope), (global.mask, Scope::Global));
    engine.cut(by(&["naswot"], None));
    let naswot = last(&folder);
    assert!(naswot.scope == Scope::Global && naswot.mask != global.mask && naswot.mask.count() == 112);
    // A control keeps as many on every edge; nothing says what its edges are worth.
    engine.cut(Edit::Source { source: "cheapest".into() });
    assert_eq!((last(&folder).mask.counts(), last(&folder).scope), (naswot.mask.counts(), Scope::Edge));
    let reason = engine.asked(Order::Cut(Edit::Scope { scope: Scope::Global })).unwrap_err();
    assert!(reason.contains("ask for a level first"), "{reason}");
    engine.cut(Edit::Level { xi: 0.75 });
    let reason = engine.asked(Order::Cut(Edit::Scope { scope: Scope::Global })).unwrap_err();
    assert!(reason.contains("go back to the scores first"), "{reason}");
    engine.cut(by(&["naswot"], None));
    assert_eq!((last(&folder).scope, last(&folder).xi, last(&folder).mask.count()), (Scope::Global, 0.75, 56));
    engine.cut(by(&[], None));
    engine.cut(Edit::Level { xi: 0.5 });
    assert_eq!(last(&folder).mask, global.mask);
    engine.asked(Order::Confirm { revision: None }).unwrap();
    until("the confirmation", || confirmed(&folder).is_some());
    assert_eq!(confirmed(&folder).map(|cut| (cut.mask, cut.scope)), Some((global.mask, Scope::Global)));
    assert!(zonas::run::describe::cut_size(&global).contains("ξ 0.5 global"));
}

#[test]
fn a_cut_goes_by_any_function_that_was_scored() {
    let dir = tempfile::tempdir().unwrap();
    let folder = create(dir.path(), "r", &scored());
    let mut engine = Engine::proposes(&folder, 1);
    let own = last(&folder);
    assert!(own.by.is_own() && own.verdict.as_ref().is_some_and(|v| v.stays.is_some() && v.functions.len() == 2));
    engine.cut(by(&["naswot"], None));
    let naswot = last(&folder);
    assert_eq!((&naswot.by.functions[..], naswot.mask.count()), (&["naswot".to_string()][..], 112));
    assert!(naswot.mask != own.mask && naswot.by_hand.is_empty() && naswot.source == "scores");
    let beside = naswot.verdict.as_ref().unwrap().scores.unwrap();
    assert_eq!(beside.same, naswot.mask.and(&own.mask).count());
    // By both, however they are named, it is the run's own cut again.
    engine.cut(by(&["mean_jacobian", "naswot", "naswot"], None));
    assert_eq!((last(&folder).mask, last(&folder).by), (own.mask, By::default()));
    let reason = engine.asked(Order::Cut(by(&["zico"], None))).unwrap_err();
    assert_eq!(reason, "`zico` was not scored; there are naswot, mean_jacobian");
    assert!(engine.asked(Order::Cut(by(&[], Some("luck")))).unwrap_err().contains("`luck` is none of"));
    assert_eq!(engine.asked(Order::Cut(by(&[], None))).unwrap_err(), "that changes nothing");
    // Level and budget go on by it; a control and back; undone one by one, also after a kill.
    engine.cut(by(&["naswot"], Some("ranks")));
    engine.cut(Edit::Level { xi: 0.75 });
    let deep = last(&folder);
    assert_eq!((deep.by.aggregate.as_deref(), deep.mask.count()), (Some("ranks"), 56));
    engine.cut(Edit::Source { source: "random".into() });
    assert!(last(&folder).by.is_own());
    engine.kill();
    let n = cuts(&folder).len();
    let engine = Engine::proposes(&folder, n + 1);
    engine.asked(Order::Undo).unwrap();
    assert_eq!((last(&folder).mask, last(&folder).by), (deep.mask, deep.by.clone()));
    engine.cut(Edit::Source { source: "scores".into() });
    assert!(last(&folder).by.is_own() && last(&folder).mask.count() == 56);
    engine.asked(Order::Undo).unwrap();
    // What is confirmed is what was seen, and the journal says by what.
    let seen = last(&folder);
    let revision = Some(cuts(&folder).len() - 1);
    engine.asked(Order::Confirm { revision }).unwrap();
    until("the confirmation", || confirmed(&folder).is_some());
    let confirmed = confirmed(&folder).unwrap();
    assert_eq!((confirmed.mask, &confirmed.by), (seen.mask, &deep.by));
}

#[test]
fn a_run_begins_with_a_cut_by_some_of_its_functions() {
    let dir = tempfile::tempdir().unwrap();
    let all = create(dir.path(), "all", &scored());
    let engine = Engine::proposes(&all, 1);
    engine.cut(by(&["mean_jacobian"], None));
    let mut c = scored();
    c.cut.source = "mean_jacobian".parse().unwrap();
    let one = create(dir.path(), "one", &c);
    let _engine = Engine::proposes(&one, 1);
    let (a, b) = (last(&all), last(&one));
    assert_eq!((a.mask, a.by), (b.mask, b.by));
    assert!(!b.unscored);
}

#[test]
fn a_mask_is_one_change() {
    let dir = tempfile::tempdir().unwrap();
    let folder = create(dir.path(), "r", &config());
    let engine = Engine::proposes(&folder, 1);
    let before = last(&folder);
    let mut mask = before.mask;
    for place in before.mask.places().take(3).collect::<Vec<_>>() {
        mask.set(place, false);
    }
    let more: Vec<Place> = darts::NO_NONE.places().filter(|p| !before.mask.contains(*p)).take(5).collect();
    more.iter().for_each(|p| mask.set(*p, true));
    engine.cut(Edit::Keep { place: more[4] });
    engine.cut(Edit::Mask { mask });
    let taken = last(&folder);
    let other = darts::SPACE.places().filter(|p| mask.contains(*p) != before.mask.contains(*p)).count();
    assert_eq!((taken.mask, taken.by_hand.len(), taken.decided.len()), (mask, other, other));
    engine.asked(Order::Undo).unwrap();
    assert_eq!(last(&folder).by_hand, [more[4]]);
    let none = darts::FULL;
    assert!(engine.asked(Order::Cut(Edit::Mask { mask: none })).unwrap_err().contains("not in the space that is cut"));
}
