//! Health of a search: rules that turn what is known of a run into a value, with the threshold above which it is a
//! warning. One file each, so that a rule is read, doubted and changed by itself.

mod all_alike;
mod collapse;
mod memory;
mod not_finite;
mod overfit;
mod second_order;
mod skips;

use super::state::State;
use super::text;
use crate::oneshot::Order;

/// One rule.
pub trait Rule: Sync {
    /// In a few words, what it warns of.
    fn title(&self) -> &'static str;
    /// What is measured and when it warns, in a sentence.
    fn help(&self) -> &'static str;
    /// Whether it holds of a genotype that is trained too; else of a search only.
    fn of_training(&self) -> bool {
        false
    }
    /// Whether it holds of first-order searches too.
    fn of_first_order(&self) -> bool {
        true
    }
    /// Where the rule is from.
    fn source(&self) -> &'static str;
    /// The value that there is now; none while nothing can be said.
    fn read(&self, state: &State) -> Option<Reading>;
}

/// A value beside its threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub value: f64,
    pub threshold: f64,
    /// Value and threshold in words, with their unit.
    pub words: String,
}

impl Reading {
    pub fn warns(&self) -> bool {
        self.value >= self.threshold
    }
}

/// All rules, in the order of the list.
pub const RULES: [&dyn Rule; 7] = [
    &skips::Skips,
    &collapse::Collapse,
    &overfit::Overfit,
    &not_finite::NotFinite,
    &all_alike::AllAlike,
    &memory::Memory,
    &second_order::SecondOrder,
];

/// The rules that hold of this run.
pub fn rules(state: &State) -> impl Iterator<Item = &'static dyn Rule> {
    let training = state.trains();
    let first_order = state.search.setup.as_ref().is_none_or(|s| s.order == Order::First);
    RULES.into_iter().filter(move |r| (!training || r.of_training()) && (!first_order || r.of_first_order()))
}

/// Titles and words of the rules that warn.
pub fn warnings(state: &State) -> Vec<(&'static str, String)> {
    rules(state).filter_map(|rule| rule.read(state).filter(Reading::warns).map(|r| (rule.title(), r.words))).collect()
}

/// `5 of 8 (warns from 2)`.
fn counted(value: usize, of: usize, threshold: usize) -> Reading {
    Reading {
        value: value as f64,
        threshold: threshold as f64,
        words: format!("{value} of {of} (warns from {threshold})"),
    }
}

fn share(value: f64, threshold: f64) -> String {
    format!("{} % (warns from {} %)", text::significant(value * 100.0, 3), text::significant(threshold * 100.0, 3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explorer::fixture::{self, Until};
    use crate::run::event::Body;
    use crate::run::number::Number;
    use crate::space::Operation;

    /// A search with nothing wrong but what `change` does.
    fn changed(change: impl Fn(&mut Body)) -> Vec<&'static str> {
        let mut events = fixture::journal(Until::Done, 1);
        for e in &mut events {
            if let Body::EpochEnded(e) = &mut e.body {
                e.genotype.normal[7].operation = Operation::MaxPool3x3;
                e.genotype.reduction[7].operation = Operation::AvgPool3x3;
            }
            change(&mut e.body);
        }
        warnings(&State::from_events(&events)).into_iter().map(|w| w.0).collect()
    }

    #[test]
    fn a_healthy_search_has_no_warning_and_none_can_be_had_before_it() {
        assert_eq!(changed(|_| {}), Vec::<&str>::new());
        let early = State::from_events(&fixture::journal(Until::Scoring, 1));
        assert!(RULES.iter().all(|r| r.read(&early).is_none()));
        let done = State::from_events(&fixture::journal(Until::Done, 1));
        assert!(rules(&done).all(|r| r.read(&done).is_some()));
        assert_eq!(rules(&done).count(), RULES.len() - 1);
    }

    #[test]
    fn a_second_order_search_says_how_far_its_gradients_are_rounding() {
        let read = |spread: f64| {
            let mut events = fixture::journal(Until::Done, 1);
            for e in &mut events {
                match &mut e.body {
                    Body::SearchStarted(s) => s.order = Order::Second,
                    Body::CheckpointSaved { epoch, step, .. } => {
                        e.body = Body::SecondOrder { epoch: *epoch, step: *step, spread: Number(spread) };
                    }
                    _ => {}
                }
            }
            let state = State::from_events(&events);
            let rule = rules(&state).last().unwrap();
            (rule.title(), rule.read(&state).unwrap())
        };
        let (title, reading) = read(0.25);
        assert_eq!(title, "second-order gradient is rounding");
        assert!(reading.warns() && reading.words == "25.0 % (warns from 10.0 %)", "{}", reading.words);
        assert!(!read(2e-6).1.warns());
        assert!(read(f64::NAN).1.warns());
    }

    #[test]
    fn each_rule_warns_of_its_own_fault() {
        let skips = changed(|b| {
            if let Body::EpochEnded(e) = b {
                for c in e.genotype.normal.iter_mut().take(3) {
                    c.operation = Operation::SkipConnect;
                }
            }
        });
        assert_eq!(skips, ["skip connections take over"]);
        let alike = changed(|b| {
            if let Body::EpochEnded(e) = b {
                for c in &mut e.genotype.normal {
                    c.operation = Operation::SepConv3x3;
                }
            }
        });
        assert_eq!(alike, ["one operation on every edge"]);
        let nan = changed(|b| {
            if let Body::Step(s) = b
                && s.step == 3
            {
                s.train_loss = Number(f64::NAN);
            }
        });
        assert_eq!(nan, ["loss or gradient not finite"]);
        let memory = changed(|b| {
            if let Body::Memory { peak_bytes, .. } = b {
                *peak_bytes = 900 << 20;
            }
        });
        assert_eq!(memory, ["memory beyond prediction"]);
        let rising = changed(|b| {
            if let Body::EpochEnded(e) = b {
                e.valid_loss = Number(0.6 + 0.2 * e.epoch as f64);
                e.train_loss = Number(0.6 - 0.1 * e.epoch as f64);
            }
        });
        assert_eq!(rising, ["validation loss rises"]);
        let collapse = changed(|b| {
            if let Body::Alphas { normal, reduction, .. } = b {
                for row in normal.iter_mut().chain(reduction) {
                    let top = row.iter().copied().fold(0.0, f32::max);
                    for v in row.iter_mut() {
                        *v = if *v == top { 0.999 } else { *v * 0.001 };
                    }
                }
            } else if let Body::EpochEnded(e) = b {
                for row in e.alphas_normal.iter_mut().chain(&mut e.alphas_reduction) {
                    let top = row.iter().map(|v| v.0).filter(|v| v.is_finite()).fold(f64::NEG_INFINITY, f64::max);
                    for v in row.iter_mut().filter(|v| v.0.is_finite() && v.0 < top) {
                        v.0 -= 20.0;
                    }
                }
            }
        });
        assert_eq!(collapse, ["alphas collapse early"]);
    }
}
