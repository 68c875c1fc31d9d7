//! The order of the alphas' gradient, and what finds a gradient of that order.

use serde::{Deserialize, Serialize};

use super::first_order::FirstOrder;
use super::gradient::ArchitectureGradient;
use super::second_order::SecondOrder;

/// How exactly the alphas' gradient takes the weights' answer into account (arXiv 1806.09055, section 2.3); 1 or 2 in settings
/// and journals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u8")]
pub enum Order {
    /// The weights are taken as they are.
    #[default]
    First,
    /// The weights answer by one imagined step.
    Second,
}

impl Order {
    pub const ALL: [Order; 2] = [Order::First, Order::Second];

    pub const fn number(self) -> u8 {
        match self {
            Order::First => 1,
            Order::Second => 2,
        }
    }

    /// "first" or "second".
    pub const fn word(self) -> &'static str {
        match self {
            Order::First => "first",
            Order::Second => "second",
        }
    }

    pub const fn is_second(self) -> bool {
        matches!(self, Order::Second)
    }

    /// What finds the gradient.
    pub const fn gradient(self) -> &'static dyn ArchitectureGradient {
        match self {
            Order::First => &FirstOrder,
            Order::Second => &SecondOrder,
        }
    }
}

/// Its number.
impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.number().fmt(f)
    }
}

impl TryFrom<u64> for Order {
    type Error = &'static str;

    fn try_from(number: u64) -> Result<Order, &'static str> {
        Order::ALL.into_iter().find(|o| u64::from(o.number()) == number).ok_or("must be 1 or 2")
    }
}

impl From<Order> for u8 {
    fn from(order: Order) -> u8 {
        order.number()
    }
}
