//! Ranking functions: numbers that say something of a network before any training. One file each, one trait, one line in
//! [`TABLE`].

pub mod aggregate;
mod agreement;
mod az_nas;
pub mod blocks;
mod context;
mod epe_nas;
mod epsinas;
mod fisher;
mod grad_norm;
mod gradsign;
mod grasp;
mod jacob_cov;
mod l2_norm;
mod lga;
mod macs;
mod mean_jacobian;
mod meco;
mod naswot;
mod nngp_condition;
mod nngp_eigenvalue;
mod nngp_frobenius;
mod nngp_mean;
mod ntk_condition;
mod ntk_size;
mod params;
mod pictures;
mod plain;
mod relu_regions;
mod snip;
mod swap;
mod synflow;
mod synflow_bn;
mod trainable_layers;
mod vkdnw;
mod zen;
mod zico;

pub use context::{CROP, CROPS, Common, Context, Draw};

use crate::nn::NnError;

/// Which end of a ranking function is the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    HigherIsBetter,
    LowerIsBetter,
}

/// What a ranking function looks at beside the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub data: bool,
    pub labels: bool,
    /// Of the weights, or of the cells' outputs, of the whole batch.
    pub gradients: bool,
    /// A gradient of the weights for each picture by itself: as many backward passes, and as many numbers for each weight.
    pub each_picture: bool,
    /// What each picture's maps, multiplied by their gradients, give: as many backward passes, on the CPU.
    pub activations: bool,
    /// Each picture's gradient of its logits by its pixels: as many backward passes, on the CPU.
    pub pixels: bool,
    /// How the gradient changes as all weights grow: a pass and its way back with a derivative beside every number, in float64, on
    /// the CPU.
    pub curvature: bool,
    /// Passes in float64, on the CPU.
    pub float64: bool,
}

impl Needs {
    /// The network alone.
    pub const NONE: Needs = Needs {
        data: false,
        labels: false,
        gradients: false,
        each_picture: false,
        activations: false,
        pixels: false,
        curvature: false,
        float64: false,
    };
}

/// One ranking function.
pub trait RankingFunction: Sync {
    fn name(&self) -> &'static str;
    fn direction(&self) -> Direction {
        Direction::HigherIsBetter
    }
    fn needs(&self) -> Needs;
    /// Where the formula is from.
    fn paper(&self) -> &'static str;
    /// One line on what it measures.
    fn meaning(&self) -> &'static str;
    /// Whether it is the same in every draw of weights and pictures.
    fn exact(&self) -> bool {
        false
    }
    /// The value, NaN or infinite where it is undefined.
    ///
    /// # Errors
    /// What the network's own passes can fail with.
    fn evaluate(&self, context: &Context) -> Result<f64, NnError>;
    /// The relative difference `(r(N) − r(N \ e)) / |r(N)|` of two values, turned so that a higher one means a more important
    /// operation; NaN where r(N) is 0.
    fn difference(&self, base: f64, without: f64) -> f64 {
        let turned = match self.direction() {
            Direction::HigherIsBetter => base - without,
            Direction::LowerIsBetter => without - base,
        };
        if base == 0.0 { f64::NAN } else { turned / base.abs() }
    }
    /// Why it may be the same whichever operation is left out, in a network of so many classes.
    fn constant_since(&self, _classes: usize) -> Option<&'static str> {
        None
    }
}

/// All of them.
pub static TABLE: [&dyn RankingFunction; 35] = [
    &naswot::Naswot,
    &swap::Swap,
    &nngp_frobenius::NngpFrobenius,
    &nngp_mean::NngpMean,
    &nngp_condition::NngpCondition,
    &nngp_eigenvalue::NngpEigenvalue,
    &relu_regions::ReluRegions,
    &meco::MeCo,
    &zen::Zen,
    &synflow::SynFlow,
    &synflow::LogSynFlow,
    &synflow_bn::SynFlowBn,
    &epsinas::EpsiNas,
    &snip::Snip,
    &plain::Plain,
    &fisher::Fisher,
    &grad_norm::GradNorm,
    &grasp::Grasp,
    &gradsign::GradSign,
    &vkdnw::Vkdnw,
    &ntk_condition::NtkCondition,
    &ntk_size::Trace,
    &ntk_size::Frobenius,
    &lga::Lga,
    &jacob_cov::JacobCov,
    &epe_nas::EpeNas,
    &zico::Zico,
    &mean_jacobian::MeanJacobian,
    &az_nas::Expressivity,
    &az_nas::Progressivity,
    &az_nas::Trainability,
    &l2_norm::L2Norm,
    &trainable_layers::TrainableLayers,
    &params::Params,
    &macs::Macs,
];

/// No ranking function has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no ranking function `{name}`{}; there are {}", nearest(.name), names().join(", "))]
pub struct UnknownFunction {
    pub name: String,
}

fn nearest(name: &str) -> String {
    names()
        .into_iter()
        .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)))
        .filter(|n| strsim::jaro_winkler(n, name) > 0.75)
        .map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"))
}

/// The names, in the order of the table.
pub fn names() -> Vec<&'static str> {
    TABLE.iter().map(|f| f.name()).collect()
}

/// # Errors
/// An unknown name, with the nearest known one.
pub fn by_name(name: &str) -> Result<&'static dyn RankingFunction, UnknownFunction> {
    TABLE
        .iter()
        .find(|f| f.name() == name)
        .copied()
        .ok_or_else(|| UnknownFunction { name: name.chars().take(40).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_near_misses_named() {
        for name in names() {
            assert_eq!(by_name(name).unwrap().name(), name);
        }
        assert!(by_name("naswort").err().unwrap().to_string().contains("did you mean `naswot`"));
        assert!(!by_name("accuracy").err().unwrap().to_string().contains("did you mean"));
    }
}
