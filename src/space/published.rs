//! Published cells of the DARTS space, with the numbers that their papers or code report.

use super::{Choice, Genotype, Stacking};

const TABLE: &str = include_str!("../../assets/published_cells.tsv");

/// A published cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// "DARTS_V2 (2nd order)".
    pub name: String,
    /// The name that its code gives it.
    pub symbol: String,
    pub genotype: Genotype,
    /// Of the evaluation network with 36 channels and 20 cells, without the auxiliary head.
    pub parameters: u64,
    /// With 16 channels and 8 cells.
    pub parameters_small: u64,
    /// Of convolutions and classifier together, with 36 channels and 20 cells, for a picture of 32x32.
    pub macs: u64,
    /// Test error on CIFAR-10 in per cent, as reported; empty where it is not.
    pub error: String,
}

/// All of them, in the order of the table.
pub fn all() -> Vec<Published> {
    TABLE.lines().skip(1).filter_map(row).collect()
}

fn row(line: &str) -> Option<Published> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [name, symbol, parameters, parameters_small, macs, error, normal, reduce] = fields[..] else { return None };
    let concat = vec![2, 3, 4, 5];
    let genotype = Genotype {
        stacking: Stacking::Darts,
        normal: choices(normal)?,
        normal_concat: concat.clone(),
        reduction: choices(reduce)?,
        reduction_concat: concat,
    };
    Some(Published {
        name: name.into(),
        symbol: symbol.into(),
        genotype,
        parameters: parameters.parse().ok()?,
        parameters_small: parameters_small.parse().ok()?,
        macs: macs.parse().ok()?,
        error: error.into(),
    })
}

fn choices(text: &str) -> Option<Vec<Choice>> {
    text.split(' ')
        .map(|c| {
            let (operation, source) = c.split_once(':')?;
            Some(Choice { operation: operation.parse().ok()?, source: source.parse().ok()? })
        })
        .collect()
}

/// The published cell that the fewest replaced inputs lead to, of the 16 of both cells, and how many those are. The order
/// of a node's two inputs does not count. None where cells are of another size: there is nothing to compare.
pub fn nearest(genotype: &Genotype) -> Option<(Published, usize)> {
    let size = |g: &Genotype| (g.stacking, g.normal.len(), g.reduction.len());
    let alike = all().into_iter().filter(|p| size(&p.genotype) == size(genotype));
    alike.map(|p| (distance(genotype, &p.genotype), p)).min_by_key(|(d, _)| *d).map(|(d, p)| (p, d))
}

/// Inputs of nodes that have to be replaced to make one genotype the other.
pub fn distance(a: &Genotype, b: &Genotype) -> usize {
    let cell = |a: &[Choice], b: &[Choice]| -> usize {
        let nodes = a.chunks(2).zip(b.chunks(2));
        nodes.map(|(x, y)| x.iter().filter(|c| !y.contains(c)).count()).sum()
    };
    cell(&a.normal, &b.normal) + cell(&a.reduction, &b.reduction)
}

/// Letters and digits only, in lower case: how names are compared.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// Names less alike than this (Jaro-Winkler) are not taken for a slip of the pen.
const NEAR: f64 = 0.8;

/// The cell of this name or symbol (case and punctuation do not matter; a beginning will do if only one has it), or the
/// nearest name.
///
/// # Errors
/// The name that is nearest; empty where none is near.
pub fn find(name: &str) -> Result<Published, String> {
    let all = all();
    let wanted = plain(name);
    let exact = all.iter().find(|p| plain(&p.name) == wanted || plain(&p.symbol) == wanted);
    if let Some(p) = exact {
        return Ok(p.clone());
    }
    let mut starts = all.iter().filter(|p| !wanted.is_empty() && plain(&p.name).starts_with(&wanted));
    if let (Some(p), None) = (starts.next(), starts.next()) {
        return Ok(p.clone());
    }
    let alike = |own: &str| strsim::jaro_winkler(&plain(own), &wanted);
    // What stands in parentheses is mostly left off.
    let short = |p: &Published| alike(p.name.split(" (").next().unwrap_or(&p.name));
    let near = |p: &Published| short(p).max(alike(&p.name)).max(alike(&p.symbol));
    let nearest = all.iter().max_by(|a, b| near(a).total_cmp(&near(b))).filter(|p| near(p) > NEAR);
    Err(nearest.map(|p| p.name.clone()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_cell_is_nearest_to_itself() {
        for p in all() {
            let (near, d) = nearest(&p.genotype).unwrap();
            assert_eq!((d, distance(&near.genotype, &p.genotype)), (0, 0));
            let mut turned = p.genotype.clone();
            turned.normal.swap(0, 1);
            assert_eq!(distance(&turned, &p.genotype), 0);
            turned.reduction[3].source = 7;
            assert_eq!(distance(&turned, &p.genotype), 1);
            turned.reduction.clear();
            assert!(nearest(&turned).is_none());
        }
    }

    #[test]
    fn every_row_is_read_and_found() {
        let cells = all();
        assert_eq!(cells.len(), TABLE.lines().count() - 1);
        for p in &cells {
            p.genotype.check().unwrap();
            assert_eq!(find(&p.name).unwrap().name, p.name);
        }
        assert!(find("darts_v2").unwrap().name.starts_with("DARTS_V2"));
        assert!(find("pdarts").unwrap().name.starts_with("P-DARTS"));
        assert!(find("PC-DRTS").unwrap_err().starts_with("PC-DARTS"));
        assert!(find("DARTS_V3").unwrap_err().starts_with("DARTS_V"));
    }
}
