//! One-shot search on a (masked) supernet: the bi-level steps of DARTS (arXiv 1806.09055), first and second order, and the
//! genotype that the alphas stand for; and the training of such a genotype from scratch.

mod derive;
mod optimiser;
mod searcher;
mod timing;
mod trainer;

pub use derive::{alphas_by_row, derive};
pub use optimiser::{Adam, AdamSettings, Sgd, SgdSettings, cosine};
pub use searcher::{Batch, Searcher, SearcherState, Settings, StepReport, accuracy};
pub use timing::StepTimes;
pub use trainer::{Trainer, TrainerSettings};
