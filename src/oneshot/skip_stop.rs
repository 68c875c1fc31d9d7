//! Early stopping by skip connections (Liang et al., "DARTS+", arXiv 1909.06035, criterion 1): a search that collapses fills its
//! normal cell with them.

use super::part::Part;
use super::stop_rule::StopRule;
use crate::space::{Genotype, Operation};

pub struct SkipStop;

impl Part for SkipStop {
    fn name(&self) -> &'static str {
        "skips"
    }

    fn meaning(&self) -> &'static str {
        "the search ends after an epoch whose normal cell has so many skip connections or more"
    }

    fn published(&self) -> f64 {
        2.0
    }

    fn check(&self, number: f64) -> Result<(), &'static str> {
        let whole = number.fract() == 0.0 && (1.0..=1000.0).contains(&number);
        if whole { Ok(()) } else { Err("the limit must be a whole number from 1 to 1000") }
    }
}

impl StopRule for SkipStop {
    fn reason(&self, limit: f64, genotype: &Genotype) -> Option<String> {
        let skips = genotype.normal.iter().filter(|c| c.operation == Operation::SkipConnect).count();
        let plural = if skips == 1 { "" } else { "s" };
        (skips as f64 >= limit).then(|| format!("the normal cell has {skips} skip connection{plural}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::published;

    #[test]
    fn it_counts_the_normal_cell_only() {
        let mut genotype = published::find("DARTS_V2").unwrap().genotype;
        genotype.normal.iter_mut().for_each(|c| c.operation = Operation::SepConv3x3);
        genotype.reduction.iter_mut().for_each(|c| c.operation = Operation::SkipConnect);
        assert_eq!(SkipStop.reason(2.0, &genotype), None);
        genotype.normal[0].operation = Operation::SkipConnect;
        assert_eq!(SkipStop.reason(2.0, &genotype), None);
        assert!(SkipStop.reason(1.0, &genotype).is_some_and(|r| r.ends_with("1 skip connection")));
        genotype.normal[5].operation = Operation::SkipConnect;
        assert!(SkipStop.reason(2.0, &genotype).is_some_and(|r| r.ends_with("2 skip connections")));
    }
}
