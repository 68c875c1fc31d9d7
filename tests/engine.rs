//! Whole runs through their folders: from embedded pictures to a genotype, on any number of threads, with interruptions,
//! with commands.

use std::path::Path;
use std::time::Duration;

use zonas::engine::{self, Confirm, EngineError, Options, Outcome};
use zonas::run::checkpoint::Checkpoint;
use zonas::run::command::{Body as Order, Edit};
use zonas::run::config::{ClassWeights, Config, Draws, Estimator};
use zonas::run::event::{Body, Event, Stage};
use zonas::run::journal::{self, Tail};
use zonas::run::{GENOTYPE_JSON, GENOTYPE_PYTHON, RunFolder};
use zonas::space::{CellKind, darts, parse_genotype};

/// As small as a run can be that still does everything.
fn config() -> Config {
    let mut c = Config { seed: 7, ..Config::default() };
    c.data.limit = 96;
    c.data.crop_padding = 2;
    c.score.draws = 2.into();
    c.score.sample = 24;
    c.score.batch = 8;
    c.score.channels = 1;
    c.score.remove_per_round = 3;
    c.cut.xi = 0.75;
    c.search.channels = 2;
    c.search.cells = 3;
    c.search.batch = 8;
    c.search.epochs = 2;
    c
}

fn folder(runs: &Path, name: &str, config: &Config) -> RunFolder {
    RunFolder::create(runs, Some(name), "test", config).unwrap()
}

fn run(folder: &RunFolder, config: &Config, confirm: Confirm) -> Result<Outcome, EngineError> {
    engine::run(folder, config, &Options { confirm, ..Options::default() })
}

fn events(folder: &RunFolder) -> Vec<Event> {
    let mut tail = Tail::events(folder);
    let mut all = Vec::new();
    loop {
        let new = tail.read();
        if new.is_empty() {
            assert_eq!(tail.skipped, 0);
            return all;
        }
        all.extend(new);
    }
}

/// Waits until the journal holds what `found` looks for; the engine works meanwhile.
fn wait_for<T>(folder: &RunFolder, found: impl Fn(&Body) -> Option<T>) -> T {
    let mut tail = Tail::events(folder);
    for _ in 0..6000 {
        if let Some(t) = tail.read().iter().find_map(|e| found(&e.body)) {
            return t;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("what was waited for did not come");
}

/// What must not depend on threads, time or interruptions.
fn essence(folder: &RunFolder) -> Vec<String> {
    let timeless = |body: &Body| match body {
        Body::Score { .. } | Body::SampledCell { .. } | Body::Found { .. } | Body::Alphas { .. } => {
            serde_json::to_string(body).ok()
        }
        // Its prediction of memory counts the buffers of the threads.
        Body::CutConfirmed(c) => serde_json::to_string(&(c.mask, c.xi, &c.source, &c.by_hand)).ok(),
        Body::RoundEnded { removed, summaries, .. } => serde_json::to_string(&(removed, summaries)).ok(),
        Body::EpochEnded(e) => {
            let mut e = e.clone();
            (e.seconds, e.waiting_seconds) = (0.0, None);
            serde_json::to_string(&e).ok()
        }
        _ => None,
    };
    events(folder).iter().filter_map(|e| timeless(&e.body)).collect()
}

#[test]
fn from_pixels_to_the_same_genotype_on_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let mut made = Vec::new();
    for threads in [1, 2, 3] {
        let mut c = config();
        c.device.threads = threads;
        let folder = folder(dir.path(), &format!("t{threads}"), &c);
        assert_eq!(run(&folder, &c, Confirm::Automatic).unwrap(), Outcome::Done);
        let json = std::fs::read_to_string(folder.file(GENOTYPE_JSON)).unwrap();
        let python = std::fs::read_to_string(folder.file(GENOTYPE_PYTHON)).unwrap();
        made.push((essence(&folder), json, python));
        assert!(matches!(run(&folder, &c, Confirm::Automatic), Err(EngineError::Finished(_))));
    }
    assert!(made[0] == made[1] && made[0] == made[2]);
    let folder = RunFolder::open(dir.path(), "t2").unwrap();
    let all = events(&folder);
    // Nothing is missing, and stages come one after the other.
    assert!(all.iter().enumerate().all(|(i, e)| e.seq == i as u64));
    let begun: Vec<Stage> = all
        .iter()
        .filter_map(|e| match e.body {
            Body::StageStarted { stage } => Some(stage),
            _ => None,
        })
        .collect();
    assert_eq!(begun, [Stage::Score, Stage::Cut, Stage::Search, Stage::Cell]);
    assert!(matches!(all[0].body, Body::RunStarted(_)));
    assert!(matches!(all.last().unwrap().body, Body::RunEnded { outcome: Outcome::Done, .. }));
    let genotype = parse_genotype(&made[0].2).unwrap();
    assert_eq!(parse_genotype(&made[0].1).unwrap(), genotype);
    let mask = wait_for(&folder, |b| match b {
        Body::CutConfirmed(c) => Some(c.mask),
        _ => None,
    });
    assert_eq!(mask.count(), 28 * 2);
    for kind in darts::SPACE.kinds() {
        for (i, choice) in genotype.choices(kind).iter().enumerate() {
            let edge = zonas::space::Edge::between(choice.source, 2 + i / 2).unwrap();
            assert!(mask.keeps(kind, edge, choice.operation));
        }
    }
}

#[test]
fn interrupted_at_every_stage_it_ends_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut c = config();
    c.search.order = zonas::oneshot::Order::Second;
    c.search.epochs = 4;
    let whole = folder(dir.path(), "whole", &c);
    assert_eq!(run(&whole, &c, Confirm::Automatic).unwrap(), Outcome::Done);

    let parts = folder(dir.path(), "parts", &c);
    // Before the first event: the commands are there when the engine comes.
    journal::send(&parts, Order::Stop).unwrap();
    assert_eq!(run(&parts, &c, Confirm::Automatic).unwrap(), Outcome::Stopped);
    // In the middle of scoring.
    std::thread::scope(|s| {
        let engine = s.spawn(|| run(&parts, &c, Confirm::Automatic).unwrap());
        let begun = |b: &Body| matches!(b, Body::Score { draw: 1, .. } | Body::SampledCell { draw: 1, .. });
        wait_for(&parts, |b| begun(b).then_some(()));
        journal::send(&parts, Order::Abort).unwrap();
        assert_eq!(engine.join().unwrap(), Outcome::Aborted);
    });
    assert_eq!(run(&parts, &c, Confirm::Stop).unwrap(), Outcome::Stopped);
    // After an epoch, and then in the middle of one.
    std::thread::scope(|s| {
        let engine = s.spawn(|| run(&parts, &c, Confirm::Automatic).unwrap());
        wait_for(&parts, |b| matches!(b, Body::Step(_)).then_some(()));
        journal::send(&parts, Order::Stop).unwrap();
        assert_eq!(engine.join().unwrap(), Outcome::Stopped);
    });
    std::thread::scope(|s| {
        let engine = s.spawn(|| run(&parts, &c, Confirm::Automatic).unwrap());
        wait_for(&parts, |b| matches!(b, Body::Step(s) if s.epoch == 1 && s.step >= 1).then_some(()));
        journal::send(&parts, Order::Checkpoint).unwrap();
        wait_for(&parts, |b| matches!(b, Body::CheckpointSaved { step: 1.., .. }).then_some(()));
        journal::send(&parts, Order::Abort).unwrap();
        assert_eq!(engine.join().unwrap(), Outcome::Aborted);
    });
    assert_eq!(run(&parts, &c, Confirm::Automatic).unwrap(), Outcome::Done);
    assert_eq!(std::fs::read(whole.file(GENOTYPE_JSON)).unwrap(), std::fs::read(parts.file(GENOTYPE_JSON)).unwrap());
    assert!(without_repetition(&whole) == without_repetition(&parts));
}

/// Work that was done twice was done alike.
fn without_repetition(folder: &RunFolder) -> std::collections::BTreeSet<String> {
    essence(folder).into_iter().collect()
}

#[test]
fn a_scoring_of_any_kind_that_is_interrupted_ends_the_same() {
    let all = Estimator::ALL.into_iter().map(|e| (e, Draws::Fixed(2))).chain([(Estimator::Cells, Draws::Auto)]);
    for (estimator, draws) in all {
        let dir = tempfile::tempdir().unwrap();
        let mut c = config();
        (c.score.estimator, c.score.draws, c.score.max_evaluations) = (estimator, draws, 100);
        c.score.training_steps = 3;
        let whole = folder(dir.path(), "whole", &c);
        assert_eq!(run(&whole, &c, Confirm::Stop).unwrap(), Outcome::Stopped);
        let parts = folder(dir.path(), "parts", &c);
        std::thread::scope(|s| {
            let engine = s.spawn(|| run(&parts, &c, Confirm::Stop).unwrap());
            let begun = |b: &Body| matches!(b, Body::Score { draw: 1, .. } | Body::SampledCell { draw: 1, .. });
            wait_for(&parts, |b| begun(b).then_some(()));
            journal::send(&parts, Order::Abort).unwrap();
            assert_eq!(engine.join().unwrap(), Outcome::Aborted);
        });
        assert_eq!(run(&parts, &c, Confirm::Stop).unwrap(), Outcome::Stopped);
        let proposed = events(&parts).iter().any(|e| matches!(e.body, Body::CutProposed(_)));
        assert!(proposed && without_repetition(&whole) == without_repetition(&parts), "{estimator}, {draws:?}");
    }
}

#[test]
fn commands_are_answered_and_the_cut_is_changed_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let c = config();
    let folder = folder(dir.path(), "hand", &c);
    // These are there before the engine, so that it pauses before the first score, however fast it is.
    let early = [Order::Resume, Order::Pause].map(|order| journal::send(&folder, order).unwrap());
    std::thread::scope(|s| {
        let engine = s.spawn(|| run(&folder, &c, Confirm::Wait).unwrap());
        let answer = |id: String| {
            wait_for(&folder, |b| match b {
                Body::CommandAccepted { id: i, .. } if *i == id => Some(None),
                Body::CommandRefused { id: i, reason, .. } if *i == id => Some(Some(reason.clone())),
                _ => None,
            })
        };
        let send = |order| answer(journal::send(&folder, order).unwrap());
        let refused = |order, words: &str| {
            let reason = send(order).unwrap_or_else(|| panic!("`{words}` was expected, but it was accepted"));
            assert!(reason.contains(words), "{reason}");
        };
        let [resume, pause] = early;
        assert!(answer(resume).is_some_and(|reason| reason.contains("not paused")));
        assert_eq!(answer(pause), None);
        refused(Order::Pause, "paused already");
        assert!(!events(&folder).iter().any(|e| matches!(e.body, Body::Score { .. })));
        refused(Order::Confirm { revision: None }, "no cut yet");
        assert_eq!(send(Order::Checkpoint), None);
        assert_eq!(send(Order::Resume), None);
        let mask = wait_for(&folder, |b| match b {
            Body::CutProposed(c) => Some(c.mask),
            _ => None,
        });
        let dropped = darts::NO_NONE.places().find(|p| !mask.contains(*p)).unwrap();
        let kept = mask.places().next().unwrap();
        assert_eq!(send(Order::Cut(Edit::Keep { place: dropped })), None);
        assert_eq!(send(Order::Cut(Edit::Drop { place: kept })), None);
        assert_eq!(send(Order::Undo), None);
        refused(Order::Pause, "waits for the cut");
        refused(Order::Cut(Edit::Level { xi: 1.0 }), "above 0 and below 1");
        refused(Order::Cut(Edit::Source { source: "luck".into() }), "`luck` is no source");
        refused(Order::Confirm { revision: Some(1) }, "at revision 3");
        assert_eq!(send(Order::Confirm { revision: Some(3) }), None);
        let confirmed = wait_for(&folder, |b| match b {
            Body::CutConfirmed(c) => Some(c.clone()),
            _ => None,
        });
        assert_eq!(confirmed.mask, mask.with(dropped));
        assert_eq!(confirmed.by_hand, [dropped]);
        assert!(confirmed.memory_bytes < confirmed.full_memory_bytes);
        assert_eq!(engine.join().unwrap(), Outcome::Done);
    });
    // Each command was answered exactly once.
    let answers = events(&folder)
        .iter()
        .filter(|e| matches!(e.body, Body::CommandAccepted { .. } | Body::CommandRefused { .. }))
        .count();
    assert_eq!(answers, 14);
}

#[test]
fn hand_changes_outlive_the_engine() {
    let dir = tempfile::tempdir().unwrap();
    let c = config();
    let folder = folder(dir.path(), "again", &c);
    let cut = |n: usize| {
        let all = events(&folder);
        let mut cuts = all.into_iter().filter_map(|e| match e.body {
            Body::CutProposed(c) => Some(c),
            _ => None,
        });
        cuts.nth(n)
    };
    std::thread::scope(|s| {
        let engine = s.spawn(|| run(&folder, &c, Confirm::Wait).unwrap());
        wait_for(&folder, |b| matches!(b, Body::CutProposed(_)).then_some(()));
        let edit = Edit::Edge { cell: CellKind::Reduction, edge: zonas::space::Edge::new(3).unwrap(), keep: true };
        journal::send(&folder, Order::Cut(edit)).unwrap();
        journal::send(&folder, Order::Stop).unwrap();
        assert_eq!(engine.join().unwrap(), Outcome::Stopped);
    });
    // Nobody was there to see this one.
    let late = journal::send(&folder, Order::Cut(Edit::Automatic)).unwrap();
    assert_eq!(run(&folder, &c, Confirm::Automatic).unwrap(), Outcome::Done);
    wait_for(&folder, |b| matches!(b, Body::CommandRefused { id, .. } if *id == late).then_some(()));
    let (edited, restored) = (cut(1).unwrap(), cut(2).unwrap());
    assert_eq!(edited.by_hand.len(), 5);
    assert_eq!((restored.mask, restored.by_hand, restored.xi), (edited.mask, edited.by_hand, edited.xi));
    // Scoring was not done again.
    assert_eq!(events(&folder).iter().filter(|e| matches!(e.body, Body::ScoringStarted(_))).count(), 1);
}

#[test]
fn a_loss_that_is_not_finite_stops_at_the_last_good_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let mut c = config();
    c.search.epochs = 40;
    c.search.learning_rate = 1e30;
    c.search.clip = 0.0;
    let folder = folder(dir.path(), "nan", &c);
    let e = run(&folder, &c, Confirm::Automatic).unwrap_err();
    assert!(matches!(e, EngineError::NotFinite { .. }), "{e}");
    assert!(e.to_string().contains("is not finite in epoch") && !e.is_bad_input(), "{e}");
    let (checkpoint, passed) = Checkpoint::load(&folder).unwrap().unwrap();
    assert!(passed.is_empty());
    let finite = |b: &[u8]| b.as_chunks::<4>().0.iter().all(|v| f32::from_le_bytes(*v).is_finite());
    assert!(checkpoint.blobs.iter().all(|(_, b)| finite(b)));
    let last = events(&folder).pop().unwrap().body;
    assert!(matches!(last, Body::RunEnded { outcome: Outcome::Failed, detail, .. } if detail == e.to_string()));
}

#[test]
fn what_makes_no_sense_is_said_before_any_work() {
    let dir = tempfile::tempdir().unwrap();
    type Spoil = fn(&mut Config);
    let cases: [(&str, Spoil, &str); 7] = [
        ("function", |c| c.score.functions = vec!["naswott".into()], "did you mean `naswot`"),
        ("data", |c| c.data.source = "no/such/place".into(), "does not exist"),
        ("score", |c| c.score.batch = 200, "96 pictures are fewer than a batch of 200"),
        ("half", |c| c.search.batch = 49, "48 pictures are fewer than a batch of 49"),
        ("padding", |c| c.data.crop_padding = 28, "crop_padding"),
        ("xi", |c| c.cut.xi = f64::NAN, "cut.xi"),
        ("cells", |c| c.search.cells = 0, "search.cells"),
    ];
    for (name, spoil, words) in cases {
        let folder = folder(dir.path(), name, &config());
        let mut c = config();
        spoil(&mut c);
        let e = run(&folder, &c, Confirm::Automatic).expect_err(name);
        assert!(e.to_string().contains(words) && e.is_bad_input(), "{name}: {e}");
        let all = events(&folder);
        // A watcher learns of it too.
        assert!(matches!(&all.last().unwrap().body, Body::RunEnded { outcome: Outcome::Failed, .. }));
        assert!(!all.iter().any(|e| matches!(e.body, Body::StageStarted { .. })));
    }
    // One engine at a time.
    let c = config();
    let folder = folder(dir.path(), "busy", &c);
    let _lock = zonas::run::lock::RunLock::take(&folder).unwrap();
    let e = run(&folder, &c, Confirm::Automatic).unwrap_err();
    assert!(e.to_string().contains("another engine") && e.is_bad_input(), "{e}");
}

#[test]
fn a_training_that_can_not_be_is_refused_before_it_begins() {
    let mut c = config();
    c.train.genotype = "DARTS_V2".into();
    (c.train.channels, c.train.cells, c.train.batch, c.train.epochs) = (2, 3, 16, 1);
    engine::check(&c).unwrap();
    let refused = |change: &dyn Fn(&mut Config)| {
        let mut c = c.clone();
        change(&mut c);
        engine::check(&c).unwrap_err().to_string()
    };
    let words = refused(&|c| c.train.genotype = "DARTS_V9".into());
    assert!(words.contains("train.genotype"), "{words}");
    let words = refused(&|c| (c.train.channels, c.device.memory_budget) = (16, "16MiB".into()));
    assert!(words.contains("train.batch = ") && words.contains("train.channels = "), "{words}");
    let words = refused(&|c| c.train.drop_path = 1.0);
    assert!(words.contains("train.drop_path"), "{words}");
}

/// A folder of small pictures of three classes, one of them rare.
fn pictures(folder: &Path) {
    for (class, count) in [("cat", 60u32), ("dog", 48), ("owl", 20)] {
        for part in ["train", "test"] {
            let place = folder.join(part).join(class);
            std::fs::create_dir_all(&place).unwrap();
            for index in 0..if part == "train" { count } else { 6 } {
                let pixel = |x: u32, y: u32| {
                    let value = (x * x * (index + 3) + y * count + x * y * 7) % 256;
                    image::Rgb([value as u8, (255 - value) as u8, (index * 4 + y * 9) as u8])
                };
                image::RgbImage::from_fn(20, 16, pixel).save(place.join(format!("{index}.jpg"))).unwrap();
            }
        }
    }
}

/// A run of such a folder, on whatever it needs of it.
fn of_pictures(folder: &Path) -> Config {
    let mut c = config();
    c.data.source = folder.to_str().unwrap().into();
    (c.data.limit, c.data.size) = (0, 12);
    c
}

#[test]
fn a_folder_that_stays_in_its_files_gives_the_run_of_one_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    pictures(&set);
    let made = |name: &str, memory: &str, threads: usize| {
        let mut c = of_pictures(&set);
        (c.data.memory, c.device.threads) = (memory.into(), threads);
        c.search.class_weights = ClassWeights::Balanced;
        let folder = folder(dir.path(), name, &c);
        assert_eq!(run(&folder, &c, Confirm::Automatic).unwrap(), Outcome::Done);
        let told = events(&folder).into_iter().find_map(|e| match e.body {
            Body::Log { text, .. } if text.contains("test pictures of 12x12") => Some(text),
            _ => None,
        });
        let told = told.unwrap();
        assert_eq!(told.contains("they stay in their files"), memory == "1KiB", "{told}");
        assert!(told.contains("unbalanced, from 20 training pictures (`owl`) to 60 (`cat`)"), "{told}");
        essence(&folder)
    };
    let memory = made("memory", "1GiB", 2);
    assert!(memory.iter().any(|line| line.contains("valid_balanced_accuracy")));
    assert_eq!(made("files", "1KiB", 2), memory);
    assert_eq!(made("one", "1KiB", 1), memory);

    // Resumed where there is less room, a run goes on the way that it was begun.
    let mut c = of_pictures(&set);
    c.data.memory = "96KiB".into();
    let waits = folder(dir.path(), "waits", &c);
    assert_eq!(run(&waits, &c, Confirm::Stop).unwrap(), Outcome::Stopped);
    c.data.memory = "32KiB".into();
    assert_eq!(run(&waits, &c, Confirm::Automatic).unwrap(), Outcome::Done);
}

#[test]
fn classes_weigh_and_shares_leave_pictures_out() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    pictures(&set);
    let made = |name: &str, change: &dyn Fn(&mut Config)| {
        let mut c = of_pictures(&set);
        c.cut.source = "random".parse().unwrap();
        change(&mut c);
        let folder = folder(dir.path(), name, &c);
        assert_eq!(run(&folder, &c, Confirm::Automatic).unwrap(), Outcome::Done);
        let all = events(&folder);
        let started = all.iter().find_map(|e| match &e.body {
            Body::SearchStarted(s) => Some((s.train, s.valid, s.steps_per_epoch)),
            _ => None,
        });
        (started.unwrap(), essence(&folder))
    };
    let (sizes, plain) = made("plain", &|_| {});
    assert_eq!(sizes, (64, 64, 8));
    let (sizes, weighted) = made("weighted", &|c| c.search.class_weights = ClassWeights::Balanced);
    assert_eq!(sizes, (64, 64, 8));
    assert_ne!(plain, weighted);
    let (sizes, _) = made("shares", &|c| (c.search.train_share, c.search.alphas_share) = (0.25, 0.125));
    assert_eq!(sizes, (32, 16, 4));
}
