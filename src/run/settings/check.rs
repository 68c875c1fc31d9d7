//! Values that make sense: each by itself, and together.

use super::checks::shown;
use super::error::{ConfigError, value_error};
use super::table::{Config, KEYS};
use super::words::{Estimator, NoneOperation};
use crate::nn::Precision;
use crate::oneshot::{OWN, PRESETS, Preset};
use crate::space::Counts;
use crate::space::cut::{Scope, Source};

impl Config {
    /// # Errors
    /// The first value that makes no sense, with what would.
    pub fn check(&self) -> Result<(), ConfigError> {
        for key in KEYS {
            (key.check)(self).map_err(|reason| value_error(&key.path(), reason))?;
        }
        self.space.find()?;
        if Preset::find(&self.search.method).is_none() && self.search.method != OWN {
            let known: Vec<&str> = PRESETS.iter().map(|p| p.name).collect();
            let reason = format!("`{}` is none of {}, {OWN}", shown(&self.search.method), known.join(", "));
            return Err(value_error("search.method", reason));
        }
        if let Err((key, reason)) = self.search.parts().method() {
            return Err(value_error(&format!("search.{key}"), reason));
        }
        if self.search.order.is_second() && self.device.precision != Precision::Float32 {
            let reason = "search.order = 2 takes small differences of gradients, which the rounding of `bf16` drowns; set \
                          it to `float32`, or search.order = 1";
            return Err(value_error("device.precision", reason));
        }
        self.check_data()?;
        self.check_cut()?;
        let stacking = self.full().space().stacking();
        self.search.stem.check(stacking).map_err(|reason| value_error("search.stem", reason))?;
        let trained = self.trained()?;
        let stacking = trained.as_ref().map_or(stacking, |genotype| genotype.stacking);
        self.train.stem.check(stacking).map_err(|reason| value_error("train.stem", reason))?;
        if trained.is_some() && self.device.precision != Precision::Float32 {
            let reason =
                "`bf16` is how a search keeps its maps; a training from scratch keeps float32: set it to `float32`";
            return Err(value_error("device.precision", reason));
        }
        Ok(())
    }

    fn check_data(&self) -> Result<(), ConfigError> {
        let (data, search) = (&self.data, &self.search);
        let (means, deviations) = (data.mean.len(), data.deviation.len());
        if means > 0 && deviations > 0 && means != deviations {
            let reason = format!("there are {deviations}, and {means} of data.mean: give each one number a channel");
            return Err(value_error("data.deviation", reason));
        }
        if search.train_share + search.alphas_share > 1.0 + 1e-9 {
            let reason = format!(
                "{} and search.train_share = {} are more than all pictures together",
                search.alphas_share, search.train_share
            );
            return Err(value_error("search.alphas_share", reason));
        }
        Ok(())
    }

    /// A cut over all edges together is by what cells are worth.
    fn check_scope(&self) -> Result<(), ConfigError> {
        let (cut, score) = (&self.cut, &self.score);
        if cut.scope == Scope::Edge || cut.is_none() {
            return Ok(());
        }
        let source = cut.source.automatic();
        let reason = if cut.budget().is_some() {
            "cut.budget says how much is kept already, and is spent unequally as cut.by says; set one of them"
                .to_string()
        } else if !cut.kept_per_edge.is_empty() {
            "cut.kept_per_edge says how much each edge keeps already; set one of them".into()
        } else if source != Source::Scores {
            format!("the control `{source}` says nothing of what one edge is worth beside another; set it to `edge`")
        } else if !score.estimator.samples() {
            format!(
                "only sampled cells say what one edge is worth beside another, and score.estimator is `{}`; set it to `edge`",
                score.estimator
            )
        } else if score.none == NoneOperation::Compete && !self.full().space().stacking().every_edge() {
            "what cells are worth is not known where `none` competes (score.none); set it to `edge`".into()
        } else {
            return Ok(());
        };
        Err(value_error("cut.scope", reason))
    }

    fn check_cut(&self) -> Result<(), ConfigError> {
        let cut = &self.cut;
        if let Some(name) = cut.source.functions().iter().find(|name| !self.score.functions.contains(name)) {
            let reason = format!("`{name}` is not scored: score.functions has {}", self.score.functions.join(", "));
            return Err(value_error("cut.source", reason));
        }
        if self.score.estimator == Estimator::ShortTraining && !cut.source.functions().is_empty() {
            let reason = "a short training scores by its loss, and by no ranking function: name `scores`, or another score.estimator";
            return Err(value_error("cut.source", reason));
        }
        self.check_scope()?;
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
