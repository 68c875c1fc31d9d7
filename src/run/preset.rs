//! Named configurations.

use super::config::Config;

/// Names and what they are for.
pub const PRESETS: [(&str, &str); 2] = [
    ("darts", "the published search: 16 channels, 8 cells, batch 64, 50 epochs (the defaults)"),
    ("demo", "from embedded pictures to a genotype in under three minutes on two cores"),
];

/// The preset of this name.
pub fn preset(name: &str) -> Option<Config> {
    match name {
        "darts" => Some(Config::default()),
        "demo" => Some(demo()),
        _ => None,
    }
}

fn demo() -> Config {
    let mut c = Config::default();
    c.score.draws = 5;
    c.score.batch = 32;
    c.score.channels = 2;
    c.search.channels = 8;
    c.search.cells = 4;
    c.search.batch = 64;
    c.search.epochs = 6;
    c.search.learning_rate = 0.1;
    c.search.learning_rate_min = 0.005;
    c.search.alpha_learning_rate = 3e-3;
    c.data.crop_padding = 2;
    c.train.channels = 8;
    c.train.cells = 5;
    c.train.batch = 64;
    c.train.epochs = 8;
    c.train.learning_rate = 0.1;
    c.train.drop_path = 0.0;
    c.train.cutout = 0;
    c
}
