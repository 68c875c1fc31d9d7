//! One-shot search on a (masked) supernet: the bi-level steps of DARTS (arXiv 1806.09055) by the parts of a method, the genotype
//! that the alphas stand for, and the training of such a genotype from scratch.
//!
//! A part is one file that implements a small trait, and one line where its kind is listed: [`REGULARISERS`], [`STOP_RULES`],
//! [`Order`]. A named method is one row of [`PRESETS`].

mod alphas;
mod argmax;
mod beta_decay;
mod first_order;
mod gradient;
mod known;
mod loss;
mod method;
mod mixing;
mod optimiser;
mod order;
mod part;
mod regulariser;
mod relaxed;
mod searcher;
mod second_order;
mod selection;
mod skip_stop;
mod softmax;
mod step_times;
mod stop_rule;
mod trainer;
mod warm_up;

pub use alphas::{Alphas, EdgeAlphas};
pub use argmax::Argmax;
pub use gradient::ArchitectureGradient;
pub use known::{REGULARISERS, STOP_RULES};
pub use loss::{Loss, balanced};
pub use method::{Method, OWN, PRESETS, Parts, Preset};
pub use mixing::MixingRule;
pub use optimiser::{Adam, AdamSettings, Sgd, SgdSettings, cosine};
pub use order::Order;
pub use part::{Chosen, Moment, Part};
pub use regulariser::Regulariser;
pub use relaxed::{Batch, Relaxed, accuracy, right};
pub use searcher::{Searcher, SearcherState, Settings, StepReport};
pub use selection::SelectionRule;
pub use softmax::Softmax;
pub use step_times::StepTimes;
pub use stop_rule::StopRule;
pub use trainer::{Trainer, TrainerReport, TrainerSettings, TrainerState};
pub use warm_up::WarmUp;
