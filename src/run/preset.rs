//! Named configurations.

use super::config::{Config, Estimator};
use crate::nearest::nearest;
use crate::proxies::aggregate::Aggregate;
use crate::space::CellKind;
use crate::space::cut::Source;

/// Names and what they are for.
pub const PRESETS: [(&str, &str); 5] = [
    ("darts", "the published search: 16 channels, 8 cells, batch 64, 50 epochs (the defaults)"),
    ("paper", "the same, scored as in the paper: leave-one-out, naswot and nngp_frobenius, plain sum"),
    ("demo", "from embedded pictures to a genotype in under three minutes on two cores"),
    ("nas_bench_201", "the published search of NAS-Bench-201: 16 channels, 15 cells, batch 64, 50 epochs"),
    ("nas_bench_201_demo", "a cell of NAS-Bench-201 from embedded pictures in under three minutes on two cores"),
];

/// The preset of this name.
pub fn preset(name: &str) -> Option<Config> {
    match name {
        "darts" => Some(Config::default()),
        "paper" => Some(paper()),
        "demo" => Some(demo()),
        "nas_bench_201" => Some(nas_bench_201()),
        "nas_bench_201_demo" => Some(nas_bench_201_demo()),
        _ => None,
    }
}

/// The same, or a sentence with the nearest name.
///
/// # Errors
/// No such preset.
pub fn named(name: &str) -> Result<Config, String> {
    preset(name).ok_or_else(|| {
        let names: Vec<&str> = PRESETS.iter().map(|p| p.0).collect();
        let hint = nearest(name, names.iter().copied()).map_or(String::new(), |n| format!("; did you mean `{n}`?"));
        format!("there is no preset `{name}`, only {}{hint}", names.join(", "))
    })
}

/// Scores as arXiv 2505.13586 has them, Algorithm 1, with the ranking functions that it likely had (docs/scores.md).
fn paper() -> Config {
    let mut c = Config::default();
    c.score.functions = ["naswot", "nngp_frobenius"].map(String::from).to_vec();
    c.score.estimator = Estimator::LeaveOneOut;
    c.score.aggregate = Aggregate::Relative;
    c.score.undecided = Source::Scores;
    c.score.draws = 3.into();
    c.score.batch = 32;
    c.score.cells = vec![CellKind::Normal, CellKind::Reduction];
    c
}

/// A whole run on the embedded pictures in minutes.
fn quick(mut c: Config) -> Config {
    c.search.channels = 8;
    c.search.batch = 64;
    c.search.epochs = 6;
    c.search.learning_rate = 0.1;
    c.search.learning_rate_min = 0.005;
    c.search.alpha_learning_rate = 3e-3;
    c.data.crop_padding = 2;
    c.train.channels = 8;
    c.train.batch = 64;
    c.train.epochs = 8;
    c.train.learning_rate = 0.1;
    c.train.drop_path = 0.0;
    c.train.cutout = 0;
    c
}

fn demo() -> Config {
    let mut c = quick(Config::default());
    c.search.cells = 4;
    c.train.cells = 5;
    c
}

/// Search and evaluation as published (Dong & Yang 2020, sections 4 and A): cells are evaluated for 200 epochs at batch 256.
fn nas_bench_201() -> Config {
    let mut c = Config::default();
    c.space.name = "nas_bench_201".into();
    c.score.cells = vec![CellKind::Normal; 3];
    c.search.cells = 15;
    c.search.nesterov = true;
    c.search.weight_decay = 5e-4;
    c.train.channels = 16;
    c.train.cells = 15;
    c.train.batch = 256;
    c.train.epochs = 200;
    c.train.learning_rate = 0.1;
    c.train.weight_decay = 5e-4;
    c.train.nesterov = true;
    c.train.clip = 0.0;
    c.train.auxiliary = 0.0;
    c.train.drop_path = 0.0;
    c.train.cutout = 0;
    c
}

fn nas_bench_201_demo() -> Config {
    let mut c = quick(nas_bench_201());
    c.search.cells = 3;
    c.train.cells = 3;
    c
}
