//! A method as a set of parts, and the named sets of the literature.

use super::alphas::Alphas;
use super::argmax::Argmax;
use super::known::{REGULARISERS, STOP_RULES};
use super::mixing::MixingRule;
use super::order::Order;
use super::part::{Chosen, Moment};
use super::regulariser::Regulariser;
use super::selection::SelectionRule;
use super::softmax::Softmax;
use super::stop_rule::StopRule;
use super::warm_up::WarmUp;
use crate::space::Genotype;

/// A choice for each part of a search.
#[derive(Clone)]
pub struct Method {
    pub mixing: &'static dyn MixingRule,
    pub order: Order,
    pub regularisers: Vec<Chosen<dyn Regulariser>>,
    pub warm_up: WarmUp,
    pub stop: Vec<Chosen<dyn StopRule>>,
    pub selection: &'static dyn SelectionRule,
}

impl Method {
    /// DARTS (arXiv 1806.09055).
    pub fn darts(order: Order) -> Method {
        Method {
            mixing: &Softmax,
            order,
            regularisers: Vec::new(),
            warm_up: WarmUp::default(),
            stop: Vec::new(),
            selection: &Argmax,
        }
    }

    /// Adds the regularisers' gradients at `alphas` (by kind, flat) to those of the loss.
    pub fn regularise(&self, of: &Alphas, alphas: &[Vec<f32>], moment: Moment, gradients: &mut [Vec<f32>]) {
        let edges = if self.regularisers.is_empty() { Vec::new() } else { of.by_edge(alphas) };
        for Chosen { part, number } in &self.regularisers {
            of.add_by_edge(gradients, &part.term(&edges).1, part.weight(*number, moment));
        }
    }

    /// Why a search that has come to this genotype ends now, if it does.
    pub fn stop_reason(&self, genotype: &Genotype) -> Option<String> {
        self.stop.iter().find_map(|Chosen { part, number }| part.reason(*number, genotype))
    }
}

impl std::fmt::Debug for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Method { order, regularisers, warm_up, stop, .. } = self;
        f.debug_struct("Method")
            .field("order", order)
            .field("regularisers", regularisers)
            .field("warm_up", warm_up)
            .field("stop", stop)
            .finish_non_exhaustive()
    }
}

/// Regularisers as settings list them.
///
/// # Errors
/// What is wrong with one.
pub fn regularisers<T: AsRef<str>>(texts: &[T]) -> Result<Vec<Chosen<dyn Regulariser>>, String> {
    Chosen::list(texts, &REGULARISERS)
}

/// Rules for the end of a search as settings list them.
///
/// # Errors
/// What is wrong with one.
pub fn stop_rules<T: AsRef<str>>(texts: &[T]) -> Result<Vec<Chosen<dyn StopRule>>, String> {
    Chosen::list(texts, &STOP_RULES)
}

/// The parts of a method as settings say them.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    pub order: Order,
    pub regularisers: Vec<String>,
    pub warm_up_epochs: usize,
    pub stop: Vec<String>,
}

/// A published method.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    pub name: &'static str,
    pub order: Order,
    pub regularisers: &'static [&'static str],
    pub warm_up_epochs: usize,
    pub stop: &'static [&'static str],
    /// What it is, and where it was published.
    pub meaning: &'static str,
}

/// DARTS; every other method is told by what differs.
const DARTS: Preset = Preset {
    name: "darts",
    order: Order::First,
    regularisers: &[],
    warm_up_epochs: 0,
    stop: &[],
    meaning: "DARTS, first order (arXiv 1806.09055)",
};

/// The named methods.
pub const PRESETS: [Preset; 4] = [
    DARTS,
    Preset { name: "darts_2nd", order: Order::Second, meaning: "DARTS, second order (arXiv 1806.09055)", ..DARTS },
    Preset { name: "beta_darts", regularisers: &["beta_decay"], meaning: "β-DARTS (arXiv 2203.01665)", ..DARTS },
    Preset { name: "darts_plus", stop: &["skips"], meaning: "DARTS+ (arXiv 1909.06035)", ..DARTS },
];

/// What a set of parts is called that no [`PRESETS`] name.
pub const OWN: &str = "own";

impl Preset {
    pub fn find(name: &str) -> Option<&'static Preset> {
        PRESETS.iter().find(|p| p.name == name)
    }

    pub fn parts(&self) -> Parts {
        let own = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        Parts {
            order: self.order,
            regularisers: own(self.regularisers),
            warm_up_epochs: self.warm_up_epochs,
            stop: own(self.stop),
        }
    }
}

impl Parts {
    /// The name of the method that these are, or [`OWN`].
    pub fn name(&self) -> &'static str {
        PRESETS.iter().find(|p| p.parts() == *self).map_or(OWN, |p| p.name)
    }

    /// # Errors
    /// The key of what is wrong, within its section of the settings, and what that is.
    pub fn method(&self) -> Result<Method, (&'static str, String)> {
        Ok(Method {
            regularisers: regularisers(&self.regularisers).map_err(|e| ("regularisers", e))?,
            warm_up: WarmUp { epochs: self.warm_up_epochs },
            stop: stop_rules(&self.stop).map_err(|e| ("stop", e))?,
            ..Method::darts(self.order)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_method_is_made_and_keeps_its_name() {
        for preset in &PRESETS {
            let parts = preset.parts();
            assert_eq!(parts.name(), preset.name);
            let method = parts.method().unwrap();
            let texts: Vec<String> = method.regularisers.iter().map(ToString::to_string).collect();
            assert_eq!(texts, parts.regularisers);
            assert_eq!(method.order, preset.order);
        }
        let own = Parts { regularisers: vec!["beta_decay:10".into()], ..DARTS.parts() };
        assert_eq!(own.name(), OWN);
        assert_eq!(own.method().unwrap().regularisers[0].to_string(), "beta_decay:10");
    }

    #[test]
    fn parts_that_there_are_not_are_refused_with_the_reason() {
        let refused = |text: &str| regularisers(&[text]).unwrap_err();
        assert_eq!(refused("beta"), "there is no `beta`; known: beta_decay");
        assert_eq!(refused("beta_decay:much"), "`much` is no number for `beta_decay`");
        assert!(refused("beta_decay:-1").starts_with("`beta_decay`: λ must be above 0"));
        assert!(refused("beta_decay:nan").contains("not NaN"));
        assert!(regularisers(&["beta_decay", "beta_decay:3"]).unwrap_err().ends_with("stands there twice"));
        assert!(stop_rules(&["skips:1.5"]).unwrap_err().contains("whole number"));
    }
}
