//! The orders of removal that a run's cut can go by: its own, and others of the draws that its journal has, made when they are
//! first asked for.

use std::collections::HashMap;

use super::quality::Quality;
use super::stored::Stored;
use crate::run::RunFolder;
use crate::run::config::Config;
use crate::run::event::Removal;
use crate::space::cut::Cutter;
use crate::space::{By, Mask, Place};

/// One order, first to go first.
pub(super) struct Order {
    pub list: Vec<Removal>,
    pub removals: HashMap<Place, Removal>,
    pub cutter: Cutter,
    /// What cuts are worth by it, where cells were sampled.
    pub quality: Option<Quality>,
}

impl Order {
    fn new(list: Vec<Removal>, space: Mask, seed: u64, quality: Option<Quality>) -> Order {
        let cutter = Cutter { space, order: list.iter().map(|r| r.place).collect(), seed };
        Order { removals: list.iter().map(|r| (r.place, r.clone())).collect(), list, cutter, quality }
    }
}

pub(super) struct Orders<'a> {
    config: &'a Config,
    space: Mask,
    pub own: Order,
    others: HashMap<By, Order>,
    /// None of a run that scored nothing.
    pub stored: Option<Stored>,
}

impl<'a> Orders<'a> {
    pub fn new(config: &'a Config, space: Mask, own: &[Removal], folder: &RunFolder) -> Orders<'a> {
        let stored = if own.is_empty() { None } else { Stored::of(folder) };
        let quality = stored.as_ref().and_then(|s| Quality::of(s, &By::default(), config));
        let own = Order::new(own.to_vec(), space, config.seed, quality);
        Orders { config, space, own, others: HashMap::new(), stored }
    }

    /// Makes an order, so that [`Orders::of`] has it; says what it is called here.
    ///
    /// # Errors
    /// Nothing was scored, or not by that function.
    pub fn prepare(&mut self, by: &By) -> Result<By, String> {
        if by.is_own() {
            return Ok(By::default());
        }
        let Some(stored) = &self.stored else {
            return Err("this run has no scores that another cut could be made of".into());
        };
        let by = stored.normal(by, self.config)?;
        if !by.is_own() && !self.others.contains_key(&by) {
            let list = stored.order(&by, self.config.score.undecided, self.config)?;
            let quality = Quality::of(stored, &by, self.config);
            self.others.insert(by.clone(), Order::new(list, self.space, self.config.seed, quality));
        }
        Ok(by)
    }

    /// An order that was prepared.
    pub fn of(&self, by: &By) -> &Order {
        self.others.get(by).unwrap_or(&self.own)
    }

    /// What is to be told of an order that is not the run's own.
    pub fn note(&self, by: &By) -> Option<String> {
        let rounds = self.stored.as_ref().filter(|s| s.rounds > 1 && !by.is_own())?.rounds;
        Some(format!("the run scored in {rounds} rounds; this order is by the first alone"))
    }
}
