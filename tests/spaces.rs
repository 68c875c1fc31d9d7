//! Search spaces other than DARTS: from a file to a trained genotype, and everything that names one.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use zonas::engine::{self, Confirm, EngineError, Options, Outcome};
use zonas::nn::{Init, Mixing, Pass, Policy, Precision, Supernet, SupernetConfig};
use zonas::run::command::{Body as Order, Edit};
use zonas::run::config::{self, Config};
use zonas::run::event::Body;
use zonas::run::journal::{self, Tail};
use zonas::run::{GENOTYPE_JSON, RunFolder};
use zonas::space::{CellKind, Genotype, Genotypes, Space, Stem, built_in, darts};

const SMALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/small_space.toml");

/// The shortest run that does everything, in this space.
fn settings(space: &str) -> Config {
    let mut c = Config { seed: 7, ..Config::default() };
    c.data.limit = 64;
    c.score.draws = 2.into();
    c.score.batch = 8;
    c.score.channels = 2;
    c.cut.xi = 0.5;
    c.search.channels = 2;
    c.search.cells = 3;
    c.search.batch = 8;
    c.search.epochs = 2;
    c.space = config::Space { name: space.into(), ..config::Space::default() }.embedded().unwrap();
    c
}

fn run(folder: &RunFolder, c: &Config) -> Result<Outcome, EngineError> {
    engine::run(folder, c, &Options { confirm: Confirm::Automatic, ..Options::default() })
}

fn bodies(folder: &RunFolder) -> Vec<Body> {
    let mut tail = Tail::events(folder);
    let all = tail.read();
    assert_eq!(tail.skipped, 0);
    all.into_iter().map(|e| e.body).collect()
}

fn genotype(folder: &RunFolder) -> Genotype {
    serde_json::from_slice(&std::fs::read(folder.file(GENOTYPE_JSON)).unwrap()).unwrap()
}

/// Scores, alphas and genotypes: what must not depend on threads or interruptions.
fn essence(folder: &RunFolder) -> Vec<String> {
    let all = bodies(folder).into_iter().filter_map(|body| match body {
        Body::Score { .. } | Body::Alphas { .. } | Body::Found { .. } => serde_json::to_string(&body).ok(),
        _ => None,
    });
    all.collect()
}

#[test]
fn a_file_goes_from_pixels_to_a_trained_genotype() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    std::fs::copy(SMALL, &file).unwrap();
    let mut c = settings(file.to_str().unwrap());
    // The run has the text: the file may go.
    std::fs::remove_file(&file).unwrap();
    let space = c.full().space();
    assert_eq!((space.name(), space.rows(), space.columns(), c.space().count()), ("small", 9, 3, 17));
    let mut made = Vec::new();
    for threads in [1, 3] {
        c.device.threads = threads;
        let folder = RunFolder::create(dir.path(), Some(&format!("t{threads}")), "test", &c).unwrap();
        assert_eq!(run(&folder, &c).unwrap(), Outcome::Done);
        made.push((essence(&folder), genotype(&folder)));
    }
    assert!(made[0] == made[1]);
    let folder = RunFolder::open(dir.path(), "t1").unwrap();
    for body in bodies(&folder) {
        match body {
            Body::RunStarted(run) => {
                assert_eq!((run.space.space(), run.full().count()), (space, space.full().count()));
            }
            // Of 3 columns 1.5, rounded up, go.
            Body::CutConfirmed(cut) => assert_eq!((cut.mask.count(), cut.of()), (9, 26)),
            Body::EpochEnded(e) => assert_eq!((e.alphas_normal.len(), e.alphas_normal[0].len()), (5, 3)),
            _ => {}
        }
    }
    let found = genotype(&folder);
    found.check_in(space).unwrap();
    assert_eq!((found.normal.len(), &found.reduction_concat[..]), (4, &[2, 3][..]));
    // The text is read back, as of this space and as of any.
    let text = found.to_string();
    assert_eq!(Genotypes::of_space(&text, space).unwrap().take(None).unwrap().genotype, found);
    assert_eq!(Genotypes::of(&text).unwrap().take(None).unwrap().genotype, found);
    assert!(Genotypes::of_space(&text, darts::SPACE).unwrap().take(None).is_err());
    // It trains.
    let mut train = c.clone();
    train.train.genotype = text;
    (train.train.epochs, train.train.channels, train.train.cells, train.train.batch) = (1, 2, 3, 16);
    let folder = RunFolder::create(dir.path(), Some("train"), "test", &train).unwrap();
    assert_eq!(run(&folder, &train).unwrap(), Outcome::Done);
}

#[test]
fn spaces_of_one_kind_of_cell_and_of_many_nodes_run_too() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        (
            "flat",
            "name = \"flat\"\noperations = [\"skip_connect\", \"max_pool_3x3\", \"dil_conv_3x3\"]\n[normal]\nnodes = 2\n",
        ),
        ("down", "name = \"down\"\noperations = [\"avg_pool_3x3\", \"sep_conv_5x5\"]\n[reduction]\nnodes = 1\n"),
        (
            "holes",
            "name = \"holes\"\nstacking = \"nas_bench_201\"\noperations = [\"none\", \"nor_conv_1x1\", \"skip_connect\"]\n[normal]\n\
             nodes = 2\n[normal.candidates]\n\"0>2\" = [\"none\"]\n",
        ),
        (
            "more",
            "name = \"more\"\noperations = [\"sep_conv_7x7\", \"sep_conv_5x5\", \"max_pool_5x5\", \"conv_1x1\"]\n[normal]\nnodes = 2\n",
        ),
        (
            "long",
            "name = \"long\"\noperations = [\"none\", \"conv_7x1_1x7\", \"skip_connect\"]\n[normal]\nnodes = 1\n[reduction]\n\
             nodes = 2\n",
        ),
        (
            "wide",
            "name = \"wide\"\noperations = [\"skip_connect\", \"sep_conv_3x3\"]\n[normal]\nnodes = 8\n[reduction]\nnodes = 1\n",
        ),
    ] {
        let file = dir.path().join(format!("{name}.toml"));
        std::fs::write(&file, text).unwrap();
        let c = settings(file.to_str().unwrap());
        let folder = RunFolder::create(dir.path(), Some(name), "test", &c).unwrap();
        assert_eq!(run(&folder, &c).unwrap(), Outcome::Done, "{name}");
        genotype(&folder).check_in(c.full().space()).unwrap();
    }
}

/// Cells of other spaces than DARTS', with more nodes, a state that a node takes twice, and nodes that are not concatenated.
#[test]
fn cells_of_nasnet_and_amoebanet_train() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("nasnet", crate::cli_count::NASNET), ("amoebanet", crate::cli_count::AMOEBANET)] {
        let mut c = settings("darts");
        c.train.genotype = text.into();
        (c.train.epochs, c.train.channels, c.train.cells, c.train.batch) = (1, 4, 3, 16);
        let folder = RunFolder::create(dir.path(), Some(name), "test", &c).unwrap();
        assert_eq!(run(&folder, &c).unwrap(), Outcome::Done, "{name}");
        let kept = std::fs::read_to_string(folder.path().join("genotype.py")).unwrap();
        let read = |text: &str| zonas::space::parse_genotype(text).unwrap();
        assert_eq!(read(&kept), read(text), "{name}");
    }
}

#[test]
fn every_built_in_space_runs() {
    let dir = tempfile::tempdir().unwrap();
    for space in built_in().filter(|s| *s != darts::SPACE) {
        let c = settings(space.name());
        let folder = RunFolder::create(dir.path(), Some(space.name()), "test", &c).unwrap();
        assert_eq!(run(&folder, &c).unwrap(), Outcome::Done, "{}", space.name());
        genotype(&folder).check_in(space).unwrap();
    }
}

#[test]
fn a_run_stopped_in_its_own_space_goes_on_to_the_same_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut c = settings(SMALL);
    c.run.checkpoint_steps = 1;
    let whole = RunFolder::create(dir.path(), Some("whole"), "test", &c).unwrap();
    assert_eq!(run(&whole, &c).unwrap(), Outcome::Done);
    let parts = RunFolder::create(dir.path(), Some("parts"), "test", &c).unwrap();
    // Each engine stops at the next boundary: of a round, of an epoch.
    let mut engines = 1;
    journal::send(&parts, Order::Stop).unwrap();
    while run(&parts, &c).unwrap() != Outcome::Done {
        engines += 1;
        assert!(engines < 20);
        if engines < 5 {
            journal::send(&parts, Order::Stop).unwrap();
        }
    }
    assert!(engines > 1);
    assert_eq!(genotype(&parts), genotype(&whole));
}

/// The noise of a step is that of its number, whatever cells keep: so a run is the same with every memory policy, and two
/// steps are not.
#[test]
fn noise_is_drawn_anew_for_every_step_and_the_same_for_its_way_back() {
    let mask = Space::find("darts_s4").unwrap().full();
    let run = |policy: Policy| {
        let config = SupernetConfig {
            channels: 2,
            classes: 3,
            input_channels: 1,
            layout: vec![CellKind::Normal, CellKind::Reduction],
            stem_multiplier: 3,
            stem: Stem::Cifar,
            mask,
            policy,
            precision: Precision::Float32,
        };
        let mut net = Supernet::new(&config).unwrap();
        net.initialise(Init::Default, 5).unwrap();
        let mixing = Mixing::uniform(&mask).unwrap();
        let images = Tensor::ones((4, 8, 8, 1), DType::F32, &Device::Cpu).unwrap();
        let steps = (0..3).map(|_| {
            let logits = net.forward(&images, &mixing, &Pass::weight_step()).unwrap();
            let found = logits.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            (logits.flatten_all().unwrap().to_vec1::<f32>().unwrap(), net.parameters().gradients(&found).unwrap())
        });
        steps.collect::<Vec<_>>()
    };
    let kept = run(Policy::Keep);
    assert!(kept == run(Policy::Recompute) && kept == run(Policy::RecomputeFirst(1)));
    // The weights have not moved, nor have the pictures.
    assert!(kept[0] != kept[1] && kept[1] != kept[2]);
}

#[test]
fn what_names_another_space_is_refused() {
    let small = settings(SMALL);
    let refused = |c: &Config, assignment: &str| c.set(assignment).unwrap_err().to_string();
    assert!(refused(&small, "train.genotype=DARTS_V2").contains("8 choices"));
    assert!(
        refused(&settings("darts_s2"), "train.genotype=DARTS_V2").contains("no candidate there in the space darts_s2")
    );
    assert!(refused(&small, "cut.kept_per_edge=[1, 2]").contains("the normal cell's 5, then the reduction cell's 4"));
    assert!(refused(&small, "space.name=drats").contains("did you mean `darts`"));
    assert!(refused(&small, "space.name=/nowhere/x.toml").contains("can't be read"));
    // Another name is another space, and leaves the file's text behind.
    let other = small.set("space.name=darts_s2").unwrap();
    assert_eq!((other.full().space().name(), other.space.definition.as_str()), ("darts_s2", ""));
    // A place that only another space has.
    let dir = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(dir.path(), Some("r"), "test", &small).unwrap();
    let place = "normal:0-5:sep3".parse().unwrap();
    let wait = Options { confirm: Confirm::Wait, ..Options::default() };
    let answer = std::thread::scope(|s| {
        let engine = s.spawn(|| engine::run(&folder, &small, &wait).unwrap());
        let until = |found: &dyn Fn(Body) -> Option<String>| loop {
            if let Some(found) = bodies(&folder).into_iter().find_map(found) {
                return found;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        };
        until(&|b| matches!(b, Body::CutProposed(_)).then(String::new));
        let id = journal::send(&folder, Order::Cut(Edit::Drop { place })).unwrap();
        let answer = until(&|b| match b {
            Body::CommandRefused { id: of, reason, .. } if of == id => Some(reason),
            _ => None,
        });
        journal::send(&folder, Order::Abort).unwrap();
        engine.join().unwrap();
        answer
    });
    assert_eq!(answer, "there is no normal:0▸5:sep_conv_3x3 in the search space small");
}

/// As it is where a version before kept the columns of S1 to S3 as those of DARTS, or where somebody edits a run's settings.
#[test]
fn a_run_of_one_space_does_not_go_on_in_another() {
    let dir = tempfile::tempdir().unwrap();
    let c = settings("darts_s2");
    let folder = RunFolder::create(dir.path(), Some("r"), "test", &c).unwrap();
    engine::run(&folder, &c, &Options { confirm: Confirm::Stop, ..Options::default() }).unwrap();
    let before = std::fs::read(folder.file(zonas::run::EVENTS)).unwrap();
    let other = settings("darts_s3");
    for force in [false, true] {
        let options = Options { confirm: Confirm::Automatic, force, ..Options::default() };
        let refused = engine::run(&folder, &other, &options).unwrap_err().to_string();
        assert!(refused.contains("`darts_s2`") && refused.contains("`darts_s3`"), "{refused}");
    }
    assert_eq!(std::fs::read(folder.file(zonas::run::EVENTS)).unwrap(), before);
}

#[test]
fn masks_and_graphs_say_which_space_they_are_of() {
    let space = Space::open(Path::new(SMALL)).unwrap();
    let text = serde_json::to_string(&space.full()).unwrap();
    assert!(text.starts_with("{\"space\":\"small#"), "{text}");
    assert_eq!(serde_json::from_str::<zonas::space::Mask>(&text).unwrap().space(), space);
    let graph = space.graph(CellKind::Reduction).unwrap();
    assert_eq!((graph.nodes, graph.edges.len()), (2, 4));
}
