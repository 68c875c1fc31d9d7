//! Words that settings choose from, and no other part of the program has of its own.

use crate::space::{Stacking, Stem};
use crate::words::words;

/// What cells keep for the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The fastest that fits.
    Auto,
    /// All their maps.
    Keep,
    /// The least: maps are made again.
    Recompute,
}

impl Keep {
    pub const ALL: [Keep; 3] = [Keep::Auto, Keep::Keep, Keep::Recompute];

    pub const fn name(self) -> &'static str {
        match self {
            Keep::Auto => "auto",
            Keep::Keep => "keep",
            Keep::Recompute => "recompute",
        }
    }
}

words!(Keep);

/// How operations get their scores from ranking functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimator {
    /// Random whole cells, and a regression on which operation sits where.
    Cells,
    /// What the supernet loses without each operation (arXiv 2505.13586, Algorithm 1).
    LeaveOneOut,
    /// The same, where the others of an edge do not take its weight.
    Zero,
    /// What the supernet is where one of its edges is that operation alone.
    Discretise,
    /// Random whole cells, by their loss with weights that were trained for a few steps.
    ShortTraining,
}

impl Estimator {
    pub const ALL: [Estimator; 5] =
        [Estimator::Cells, Estimator::LeaveOneOut, Estimator::Zero, Estimator::Discretise, Estimator::ShortTraining];

    /// Whether whole cells are sampled.
    pub const fn samples(self) -> bool {
        matches!(self, Estimator::Cells | Estimator::ShortTraining)
    }

    /// Whether the lowest go and a next round scores what is left; otherwise one round decides the whole order.
    pub const fn in_rounds(self) -> bool {
        matches!(self, Estimator::LeaveOneOut | Estimator::Zero)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Estimator::Cells => "cells",
            Estimator::LeaveOneOut => "leave_one_out",
            Estimator::Zero => "zero",
            Estimator::Discretise => "discretise",
            Estimator::ShortTraining => "short_training",
        }
    }
}

words!(Estimator);

/// How a cut spends a budget of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutBy {
    /// On the best cells, and what can stay beside them.
    Scores,
    /// On the most operations: what is worth the least for its bytes goes until the rest fits.
    ScoresPerByte,
    /// On the same number of operations on every edge.
    Level,
}

impl CutBy {
    pub const ALL: [CutBy; 3] = [CutBy::Scores, CutBy::ScoresPerByte, CutBy::Level];

    pub const fn name(self) -> &'static str {
        match self {
            CutBy::Scores => "scores",
            CutBy::ScoresPerByte => "scores_per_byte",
            CutBy::Level => "level",
        }
    }
}

words!(CutBy);

/// What becomes of the operation `none` in scoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoneOperation {
    /// It goes before.
    Off,
    /// It is scored like the others.
    Compete,
}

impl NoneOperation {
    pub const ALL: [NoneOperation; 2] = [NoneOperation::Off, NoneOperation::Compete];

    pub const fn name(self) -> &'static str {
        match self {
            NoneOperation::Off => "off",
            NoneOperation::Compete => "compete",
        }
    }
}

words!(NoneOperation);

/// How much pictures of each class count in a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassWeights {
    /// Each picture as much as any other.
    None,
    /// Each class as much as any other.
    Balanced,
}

impl ClassWeights {
    pub const ALL: [ClassWeights; 2] = [ClassWeights::None, ClassWeights::Balanced];

    pub const fn name(self) -> &'static str {
        match self {
            ClassWeights::None => "none",
            ClassWeights::Balanced => "balanced",
        }
    }
}

words!(ClassWeights);

/// Which stem a network gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StemChoice {
    /// By the size of the pictures.
    Auto,
    /// This one.
    Of(Stem),
}

impl StemChoice {
    pub const ALL: [StemChoice; 3] = [StemChoice::Auto, StemChoice::Of(Stem::Cifar), StemChoice::Of(Stem::ImageNet)];

    pub const fn name(self) -> &'static str {
        match self {
            StemChoice::Auto => "auto",
            StemChoice::Of(stem) => stem.name(),
        }
    }

    /// The stem of a network for pictures of this height and width.
    pub const fn stem(self, stacking: Stacking, height: usize, width: usize) -> Stem {
        match self {
            StemChoice::Auto => Stem::automatic(stacking, height, width),
            StemChoice::Of(stem) => stem,
        }
    }

    /// Why networks of this kind can't have it.
    ///
    /// # Errors
    /// They can't.
    pub fn check(self, stacking: Stacking) -> Result<(), String> {
        match self {
            StemChoice::Of(stem) if !stem.suits(stacking) => Err(format!(
                "networks of {stacking} have the stem `{}` alone; set it to that, or to `auto`",
                Stem::Cifar
            )),
            _ => Ok(()),
        }
    }
}

words!(StemChoice);
