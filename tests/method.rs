//! The parts of a method against PyTorch (`method_reference.py`, in float64), and what of them a search keeps.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use zonas::engine::{self, Confirm, Options, Outcome};
use zonas::nn::{Init, Policy, Precision, Supernet, SupernetConfig};
use zonas::oneshot::{Adam, AdamSettings, Alphas, Moment, Preset};
use zonas::run::checkpoint::Checkpoint;
use zonas::run::command::Body as Command;
use zonas::run::config::Config;
use zonas::run::event::Body;
use zonas::run::journal::{self, Tail};
use zonas::run::summary::Summary;
use zonas::run::{EVENTS, GENOTYPE_JSON, RunFolder};
use zonas::space::cut::Source;
use zonas::space::{Genotype, Mask, Operation, Place, Stem, darts, parse_genotype};

/// Results of PyTorch, and how far its own float32 is from them at most.
#[derive(Deserialize)]
struct BetaDecay {
    term: Vec<f64>,
    gradient: Vec<f64>,
    gradient_float32_error: f64,
    term_float32_error: f64,
    alphas: Vec<f64>,
    alphas_float32_error: f64,
}

#[derive(Deserialize)]
struct Reference {
    beta_decay: BetaDecay,
}

const EPOCHS: usize = 6;

fn number(place: Place) -> usize {
    darts::SPACE.places().position(|p| p == place).unwrap()
}

/// What the generator keeps: two thirds.
fn mask() -> Mask {
    let cut = |p: &Place| (p.cell.index() + p.edge.number().unwrap_or(0) + p.operation as usize).is_multiple_of(3);
    darts::SPACE.places().filter(cut).fold(darts::FULL, Mask::without)
}

/// Tables by kind, flat, by a formula.
fn tables(formula: impl Fn(i64) -> f64) -> Vec<Vec<f32>> {
    let of = |kind| darts::SPACE.places().filter(move |p| p.cell == kind);
    darts::SPACE.kinds().map(|kind| of(kind).map(|p| formula(number(p) as i64) as f32).collect()).collect()
}

/// The numbers of what is kept.
fn kept(tables: &[Vec<f32>]) -> Vec<f64> {
    let (all, mask) = (tables.concat(), mask());
    darts::SPACE.places().filter(|p| mask.contains(*p)).map(|p| f64::from(all[number(p)])).collect()
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn beta_decay_is_that_of_pytorch() {
    let theirs: Reference = serde_json::from_str(include_str!("method_reference.json")).unwrap();
    let theirs = theirs.beta_decay;
    let mut net = Supernet::new(&SupernetConfig {
        channels: 1,
        classes: 2,
        input_channels: 1,
        layout: darts::SPACE.kinds().collect(),
        stem_multiplier: 1,
        stem: Stem::Cifar,
        mask: mask(),
        policy: Policy::Keep,
        precision: Precision::Float32,
    })
    .unwrap();
    net.initialise(Init::Default, 1).unwrap();
    let of = Alphas::new(&net, 1).unwrap();
    let method = Preset::find("beta_darts").unwrap().parts().method().unwrap();
    let start = tables(|i| ((i * 37 + 11) % 64 - 32) as f64 / 16.0);

    let (term, by_edge) = method.regularisers[0].part.term(&of.by_edge(&start));
    let mut gradient = vec![vec![0.0; start[0].len()]; 2];
    of.add_by_edge(&mut gradient, &by_edge, 1.0);
    let cut: f32 = gradient
        .concat()
        .iter()
        .zip(darts::SPACE.places())
        .filter(|(_, p)| !mask().contains(*p))
        .map(|(g, _)| *g)
        .sum();
    assert_eq!(cut, 0.0);

    let mut adam = Adam::new(AdamSettings { learning_rate: 3e-2, beta1: 0.5, beta2: 0.999, weight_decay: 1e-3 });
    let mut alphas = start;
    for epoch in 0..EPOCHS {
        let mut found = tables(|i| ((i * 29 + epoch as i64 * 13 + 5) % 128 - 64) as f64 / 512.0);
        method.regularise(&of, &alphas, Moment { epoch, epochs: EPOCHS }, &mut found);
        adam.step(&mut alphas, &found, of.active());
    }
    for (what, ours, theirs, own) in [
        ("term", vec![term], theirs.term, theirs.term_float32_error),
        ("gradient", kept(&gradient), theirs.gradient, theirs.gradient_float32_error),
        ("alphas", kept(&alphas), theirs.alphas, theirs.alphas_float32_error),
    ] {
        let off = apart(&ours, &theirs);
        println!("{what}: {off:.1e} off, PyTorch's float32 {own:.1e}");
        assert!(own > 0.0 && off <= 10.0 * own, "{what}: {off:.1e} off, PyTorch's float32 {own:.1e}");
    }
}

/// As small as a search can be that cuts by lot.
fn config(parts: &[&str]) -> Config {
    let mut c = Config { seed: 7, ..Config::default() };
    c.data.limit = 96;
    c.data.crop_padding = 2;
    c.cut.source = Source::Random.into();
    (c.search.channels, c.search.cells, c.search.batch, c.search.epochs) = (2, 3, 8, 4);
    parts.iter().fold(c, |c, assignment| c.set(assignment).unwrap())
}

fn folder(runs: &Path, name: &str, config: &Config) -> RunFolder {
    RunFolder::create(runs, Some(name), "test", config).unwrap()
}

fn run(folder: &RunFolder, config: &Config) -> Outcome {
    engine::run(folder, config, &Options { confirm: Confirm::Automatic, ..Options::default() }).unwrap()
}

fn events(folder: &RunFolder) -> Vec<Body> {
    let mut tail = Tail::events(folder);
    let mut all = Vec::new();
    loop {
        let new = tail.read();
        if new.is_empty() {
            return all;
        }
        all.extend(new.into_iter().map(|e| e.body));
    }
}

fn blobs(folder: &RunFolder) -> Vec<(String, Vec<u8>)> {
    Checkpoint::load(folder).unwrap().unwrap().0.blobs
}

#[test]
fn a_part_that_changes_over_the_epochs_does_so_in_a_resumed_search_too() {
    let dir = tempfile::tempdir().unwrap();
    let c = config(&["search.method=beta_darts", "search.alpha_warmup_epochs=1"]);
    let whole = folder(dir.path(), "whole", &c);
    assert_eq!(run(&whole, &c), Outcome::Done);
    let parts = folder(dir.path(), "parts", &c);
    let mut engines = 0;
    loop {
        engines += 1;
        // It stops after the epoch that runs; a scoring or a cut there is none to stop at.
        let stop = std::thread::scope(|s| {
            let engine = s.spawn(|| run(&parts, &c));
            let began = events(&parts).iter().filter(|b| matches!(b, Body::SearchStarted(_))).count();
            while events(&parts).iter().filter(|b| matches!(b, Body::SearchStarted(_))).count() == began
                && !engine.is_finished()
            {
                std::thread::sleep(Duration::from_millis(2));
            }
            let _ = journal::send(&parts, Command::Stop);
            engine.join().unwrap()
        });
        if stop == Outcome::Done {
            break;
        }
        assert!(engines < 20);
    }
    assert!(engines > 1, "nothing was resumed");
    assert!(blobs(&whole) == blobs(&parts));
    let told = events(&whole).into_iter().find_map(|b| match b {
        Body::SearchStarted(s) => Some((s.method.clone(), s.other_parts())),
        _ => None,
    });
    let parts = vec!["beta_decay".to_string(), "1 epoch of warm-up".to_string()];
    assert_eq!(told, Some(("own".to_string(), parts)));

    let c = config(&["search.method=darts", "search.alpha_warmup_epochs=1"]);
    let other = folder(dir.path(), "darts", &c);
    assert_eq!(run(&other, &c), Outcome::Done);
    assert!(blobs(&whole) != blobs(&other), "the regulariser does nothing");
}

#[test]
fn a_search_that_stops_by_its_skips_stays_stopped() {
    let dir = tempfile::tempdir().unwrap();
    // Two operations an edge, of which one is the skip connection.
    let cut = ["cut.source=cheapest", "cut.xi=0.75", "search.alpha_warmup_epochs=1"];
    let c = config(&[&cut[..], &["search.stop=skips:1"]].concat());
    let stopped = folder(dir.path(), "stopped", &c);
    assert_eq!(run(&stopped, &c), Outcome::Done);
    let all = events(&stopped);
    let epochs: Vec<_> = all
        .iter()
        .filter_map(|b| match b {
            Body::EpochEnded(e) => Some((e.epoch, e.genotype.clone())),
            _ => None,
        })
        .collect();
    let skips = |g: &Genotype| g.normal.iter().filter(|c| c.operation == Operation::SkipConnect).count();
    let (last, genotype) = epochs.last().unwrap();
    // The first epoch moves no alphas: what it would find says nothing.
    assert!(skips(&epochs[0].1) > 0 && *last == 1, "{epochs:?}");
    let reasons: Vec<_> = all
        .iter()
        .filter_map(|b| match b {
            Body::SearchStopped { epoch, reason } => Some((*epoch, reason.clone())),
            _ => None,
        })
        .collect();
    let n = skips(genotype);
    let expected = format!("the normal cell has {n} skip connection{}", if n == 1 { "" } else { "s" });
    assert_eq!(reasons, [(1, expected.clone())]);
    assert!(all.iter().any(|b| matches!(b, Body::Found { genotype: g, .. } if g == genotype)));
    let detail = all.into_iter().find_map(|b| match b {
        Body::RunEnded { detail, .. } => Some(detail),
        _ => None,
    });
    assert!(detail.is_some_and(|d| d.contains(&expected)));
    assert_eq!(Summary::read(&stopped).summary.stopped_early.as_deref(), Some(expected.as_str()));

    // The engine dies when the checkpoint is there: the one after it takes no further step.
    let path = stopped.file(EVENTS);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.iter().rposition(|l| l.contains("\"checkpoint_saved\"")).unwrap();
    std::fs::write(&path, lines[..=end].iter().map(|l| format!("{l}\n")).collect::<String>()).unwrap();
    std::fs::remove_file(stopped.file(GENOTYPE_JSON)).unwrap();
    let before = blobs(&stopped);
    assert_eq!(run(&stopped, &c), Outcome::Done);
    assert!(blobs(&stopped) == before);
    let found = std::fs::read_to_string(stopped.file(GENOTYPE_JSON)).unwrap();
    assert_eq!(parse_genotype(&found).unwrap(), *genotype);
    assert_eq!(events(&stopped).iter().filter(|b| matches!(b, Body::EpochEnded(_))).count(), epochs.len());

    // Without the rule it goes on.
    let c = config(&cut);
    let other = folder(dir.path(), "on", &c);
    assert_eq!(run(&other, &c), Outcome::Done);
    assert_eq!(events(&other).iter().filter(|b| matches!(b, Body::EpochEnded(_))).count(), 4);
}
