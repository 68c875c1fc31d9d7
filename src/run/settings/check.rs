//! Values that make sense.

use super::{ConfigError, value_error};
use crate::device::Choice;
use crate::nn::Precision;
use crate::oneshot::{OWN, PRESETS, Preset};
use crate::run::config::Config;
use crate::space::Counts;

impl Config {
    /// # Errors
    /// The first value that makes no sense, with what would.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.space.find()?;
        let positive = [
            ("score.draws", self.score.draws),
            ("score.batch", self.score.batch),
            ("score.channels", self.score.channels),
            ("score.remove_per_round", self.score.remove_per_round),
            ("search.channels", self.search.channels),
            ("search.cells", self.search.cells),
            ("search.batch", self.search.batch),
            ("search.epochs", self.search.epochs),
            ("train.channels", self.train.channels),
            ("train.cells", self.train.cells),
            ("train.batch", self.train.batch),
            ("train.epochs", self.train.epochs),
            ("run.checkpoint_seconds", self.run.checkpoint_seconds as usize),
            ("run.grace_seconds", self.run.grace_seconds as usize),
        ];
        // TOML's whole numbers end there; what can't be written can't be kept with the run.
        for (key, value) in [
            ("seed", self.seed),
            ("data.limit", self.data.limit as u64),
            ("score.remove_per_round", self.score.remove_per_round as u64),
            ("search.journal_every", self.search.journal_every as u64),
        ] {
            if i64::try_from(value).is_err() {
                return Err(value_error(key, format!("{value} is more than this program takes, {}", i64::MAX)));
            }
        }
        for (key, value) in positive {
            if value == 0 {
                return Err(value_error(key, "must be at least 1"));
            }
        }
        let bounded = [
            ("score.channels", self.score.channels, 1024),
            ("search.channels", self.search.channels, 1024),
            ("search.cells", self.search.cells, 64),
            ("score.batch", self.score.batch, 1024),
            ("search.batch", self.search.batch, 65_536),
            ("score.draws", self.score.draws, 1000),
            ("data.prefetch", self.data.prefetch, 1024),
            ("device.threads", self.device.threads, 1024),
            ("score.cells", self.score.cells.len(), 64),
            ("search.epochs", self.search.epochs, 1_000_000),
            ("train.channels", self.train.channels, 1024),
            ("train.cells", self.train.cells, 64),
            ("train.batch", self.train.batch, 65_536),
            ("train.epochs", self.train.epochs, 1_000_000),
            ("train.cutout", self.train.cutout, 4096),
            ("search.alpha_warmup_epochs", self.search.alpha_warmup_epochs, 1_000_000),
            ("data.crop_padding", self.data.crop_padding, 4096),
            ("data.cutout", self.data.cutout, 4096),
            ("data.size", self.data.size as usize, 4096),
            ("run.checkpoint_steps", self.run.checkpoint_steps, 1_000_000_000),
            ("run.checkpoint_seconds", self.run.checkpoint_seconds as usize, 1_000_000),
            ("run.grace_seconds", self.run.grace_seconds as usize, 1_000_000),
        ];
        for (key, value, most) in bounded {
            if value > most {
                return Err(value_error(key, format!("{value} is more than this program takes, {most}")));
            }
        }
        let one_of = [
            ("device.memory", &self.device.memory, &["auto", "keep", "recompute"][..]),
            ("device.precision", &self.device.precision, &["float32", "bf16"]),
            ("score.none", &self.score.none, &["off", "compete"]),
            ("score.aggregate", &self.score.aggregate, &["noise", "relative", "ranks"]),
            ("cut.source", &self.cut.source, &["scores", "random", "cheapest", "most_parameters"]),
        ];
        for (key, value, known) in one_of {
            if !known.contains(&value.as_str()) {
                let shown: String = value.chars().filter(|c| !c.is_control()).take(40).collect();
                return Err(value_error(key, format!("`{shown}` is none of {}", known.join(", "))));
            }
        }
        if let Err(reason) = self.device.kind.parse::<Choice>() {
            return Err(value_error("device.kind", reason));
        }
        if self.score.functions.is_empty() {
            return Err(value_error("score.functions", "name at least one ranking function"));
        }
        for (i, name) in self.score.functions.iter().enumerate() {
            if self.score.functions[..i].contains(name) {
                let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
                return Err(value_error("score.functions", format!("`{shown}` stands there twice")));
            }
        }
        if self.score.cells.is_empty() {
            return Err(value_error("score.cells", "name at least one cell, `normal` or `reduction`"));
        }
        if self.score.batch < 2 {
            return Err(value_error("score.batch", "ranking functions compare pictures: at least 2"));
        }
        if Preset::find(&self.search.method).is_none() && self.search.method != OWN {
            let shown: String = self.search.method.chars().filter(|c| !c.is_control()).take(40).collect();
            let known: Vec<&str> = PRESETS.iter().map(|p| p.name).collect();
            let reason = format!("`{shown}` is none of {}, {OWN}", known.join(", "));
            return Err(value_error("search.method", reason));
        }
        if let Err((key, reason)) = self.search.parts().method() {
            return Err(value_error(&format!("search.{key}"), reason));
        }
        if self.search.order.is_second() && self.precision() != Precision::Float32 {
            let reason = "search.order = 2 takes small differences of gradients, which the rounding of `bf16` drowns; set \
                          it to `float32`, or search.order = 1";
            return Err(value_error("device.precision", reason));
        }
        if self.device.memory_budget != "auto" && self.memory_budget().is_none() {
            return Err(value_error(
                "device.memory_budget",
                format!("`{}` is neither `auto` nor an amount such as 2GiB", self.device.memory_budget),
            ));
        }
        let xi = self.cut.xi;
        if !(xi > 0.0 && xi < 1.0) {
            return Err(value_error("cut.xi", format!("a pruning level lies above 0 and below 1, not at {xi}")));
        }
        self.check_cut()?;
        if self.trained()?.is_some() && self.precision() != Precision::Float32 {
            let reason =
                "`bf16` is how a search keeps its maps; a training from scratch keeps float32: set it to `float32`";
            return Err(value_error("device.precision", reason));
        }
        let (s, t) = (&self.search, &self.train);
        if !(s.train_share > 0.0 && s.train_share < 1.0) {
            return Err(value_error(
                "search.train_share",
                format!("must lie above 0 and below 1, not at {}", s.train_share),
            ));
        }
        let non_negative = [
            ("search.learning_rate", s.learning_rate, f64::INFINITY),
            ("search.learning_rate_min", s.learning_rate_min, f64::INFINITY),
            ("search.momentum", s.momentum, 1.0),
            ("search.weight_decay", s.weight_decay, f64::INFINITY),
            ("search.clip", s.clip, f64::INFINITY),
            ("search.alpha_learning_rate", s.alpha_learning_rate, f64::INFINITY),
            ("search.alpha_beta1", s.alpha_beta1, 1.0),
            ("search.alpha_beta2", s.alpha_beta2, 1.0),
            ("search.alpha_weight_decay", s.alpha_weight_decay, f64::INFINITY),
            ("train.learning_rate", t.learning_rate, f64::INFINITY),
            ("train.learning_rate_min", t.learning_rate_min, f64::INFINITY),
            ("train.momentum", t.momentum, 1.0),
            ("train.weight_decay", t.weight_decay, f64::INFINITY),
            ("train.clip", t.clip, f64::INFINITY),
            ("train.drop_path", t.drop_path, 1.0),
            ("train.auxiliary", t.auxiliary, f64::INFINITY),
        ];
        for (key, value, below) in non_negative {
            if !(value >= 0.0 && value < below) {
                let most = if below.is_finite() { format!(" and below {below}") } else { String::new() };
                return Err(value_error(key, format!("must be a number from 0{most}, not {value}")));
            }
        }
        Ok(())
    }

    fn check_cut(&self) -> Result<(), ConfigError> {
        let cut = &self.cut;
        if cut.budget != "off" && cut.budget().is_none() {
            let shown: String = cut.budget.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(value_error("cut.budget", format!("`{shown}` is neither `off` nor an amount such as 150MiB")));
        }
        if cut.kept_per_edge.is_empty() {
            return Ok(());
        }
        let counts = Counts::of_list(self.full().space(), &cut.kept_per_edge)
            .map_err(|reason| value_error("cut.kept_per_edge", reason))?;
        let space = self.space();
        for (cell, edge) in space.space().all_edges() {
            let (asked, there) = (counts.on(cell, edge), space.count_on(cell, edge));
            if asked > there {
                let reason = format!(
                    "edge {edge} of the {cell} cell can't keep {asked}: there are {there} (space.name = \"{}\", score.none = \"{}\")",
                    self.space.name, self.score.none
                );
                return Err(value_error("cut.kept_per_edge", reason));
            }
        }
        if cut.budget().is_some() {
            return Err(value_error("cut.kept_per_edge", "cut.budget says how much is kept already; set one of them"));
        }
        Ok(())
    }
}
