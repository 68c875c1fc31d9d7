//! How a row of a table says which cell it is of.

use crate::space::Operation::{AvgPool3x3, DilConv3x3, DilConv5x5, MaxPool3x3, SepConv3x3, SepConv5x5, SkipConnect};
use crate::space::{CellKind, Choice, Genotype, Genotypes, INPUTS, Operation, Space, Stacking, nas_bench_201};

/// Where the cell is: numbers of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// A text that [`Genotypes`] reads, or NAS-Bench-201's six digits.
    Text(usize),
    /// The number that NAS-Bench-201's tables give a cell.
    Index(usize),
    /// Two inputs a node, node by node, separated by spaces: `0:4`, source and number of the operation (NAS-Bench-301's), or
    /// `0:sep_conv_3x3`, or `sep_conv_3x3:0`. Columns of the normal and the reduction cell.
    Pairs([Option<usize>; 2]),
}

/// Digits of a cell of NAS-Bench-201.
const DIGITS: usize = 6;

/// NAS-Bench-301's numbers of operations.
const NUMBERS: [Operation; 7] = [MaxPool3x3, AvgPool3x3, SkipConnect, SepConv3x3, SepConv5x5, DilConv3x3, DilConv5x5];

impl Dialect {
    /// The columns that say it.
    pub fn columns(self) -> Vec<usize> {
        match self {
            Dialect::Text(column) | Dialect::Index(column) => vec![column],
            Dialect::Pairs(columns) => columns.into_iter().flatten().collect(),
        }
    }

    /// By the names of the columns.
    ///
    /// # Errors
    /// None of them says which cell a row is of, or a kind of table that is not read.
    pub fn of(columns: &[String], space: Space) -> Result<Dialect, String> {
        let find = |names: &[&str]| columns.iter().position(|c| names.iter().any(|n| c.eq_ignore_ascii_case(n)));
        if let Some(text) = find(&["genotype"]) {
            return Ok(Dialect::Text(text));
        }
        let (normal, reduction) = (find(&["normal"]), find(&["reduce", "reduction"]));
        if space.stacking() == Stacking::Darts && (normal.is_some() || reduction.is_some()) {
            let there = [normal, reduction];
            let missing = space.kinds().find(|k| there[k.index()].is_none());
            return match missing {
                None => Ok(Dialect::Pairs(there)),
                Some(kind) => Err(format!("there is no column for the {kind} cell; name it `{}`", column(kind))),
            };
        }
        if let Some(digits) = find(&["ops"]) {
            return match space.stacking() {
                Stacking::NasBench201 => Ok(Dialect::Text(digits)),
                Stacking::Darts => Err(format!(
                    "it is a table of NAS-Bench-201 (column `ops`), and the cut is of the space {}; give a table of that",
                    space.name()
                )),
            };
        }
        if normal.is_some() && reduction.is_some() {
            return Err(format!(
                "it is a table of DARTS cells (columns `normal` and `reduce`), and the cut is of the space {}; give a table of that",
                space.name()
            ));
        }
        if space.stacking() == Stacking::NasBench201 {
            return find(&["nb201_index"]).map(Dialect::Index).ok_or_else(|| {
                "no column says which cell a row is of; name one `genotype` (`|nor_conv_3x3~0|+…`), `ops` (six digits) \
                 or `nb201_index` (0 to 15624)"
                    .into()
            });
        }
        Err("no column says which cell a row is of; name one `genotype` (Python text or JSON), or two `normal` \
             and `reduce` (pairs like 0:sep_conv_3x3)"
            .into())
    }

    /// The cell of a row.
    ///
    /// # Errors
    /// Why it is none of the space.
    pub fn read(self, fields: &[&str], space: Space) -> Result<Genotype, String> {
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        match self {
            Dialect::Text(at) => {
                let text = unquoted(field(at));
                // Spreadsheets drop the zeros that digits begin with, and what is left would be the index of another cell.
                if text.len() < DIGITS && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(format!(
                        "`{text}` has {} of {DIGITS} digits; an index belongs in a column `nb201_index`",
                        text.len()
                    ));
                }
                let found = Genotypes::of_space(&text, space).and_then(|found| found.take(None));
                found.map(|taken| taken.genotype).map_err(|e| e.to_string())
            }
            Dialect::Index(at) => {
                let text = unquoted(field(at));
                let index = text.parse::<usize>().ok().and_then(nas_bench_201::of_index);
                let cell = index.ok_or_else(|| {
                    let shown: String = text.chars().filter(|c| !c.is_control()).take(20).collect();
                    format!("`{shown}` is no index of a cell: they go from 0 to {}", nas_bench_201::CELLS - 1)
                })?;
                cell.check_in(space).map_err(|e| e.to_string())?;
                Ok(cell)
            }
            Dialect::Pairs([normal, reduction]) => {
                let cell = |at: Option<usize>| -> Result<(Vec<Choice>, Vec<usize>), String> {
                    let Some(at) = at else { return Ok((Vec::new(), Vec::new())) };
                    let choices = field(at).split_whitespace().map(pair).collect::<Result<Vec<_>, _>>()?;
                    let concat = (INPUTS..INPUTS + choices.len() / 2).collect();
                    Ok((choices, concat))
                };
                let ((normal, normal_concat), (reduction, reduction_concat)) = (cell(normal)?, cell(reduction)?);
                Ok(Genotype { stacking: Stacking::Darts, normal, normal_concat, reduction, reduction_concat })
            }
        }
    }
}

const fn column(kind: CellKind) -> &'static str {
    match kind {
        CellKind::Normal => "normal",
        CellKind::Reduction => "reduce",
    }
}

/// A source and an operation, in either order.
fn pair(text: &str) -> Result<Choice, String> {
    let shown = || text.chars().filter(|c| !c.is_control()).take(40).collect::<String>();
    let wrong = || format!("`{}` is no input: write 0:sep_conv_3x3", shown());
    let (a, b) = text.split_once(':').ok_or_else(wrong)?;
    let (source, operation) = match a.parse::<usize>() {
        Ok(source) => (source, b),
        Err(_) => (b.parse().map_err(|_| wrong())?, a),
    };
    let operation = match operation.parse::<usize>() {
        Ok(number) => {
            *NUMBERS.get(number).ok_or_else(|| format!("`{}`: operations have the numbers 0 to 6", shown()))?
        }
        Err(_) => operation.parse().map_err(|e: crate::space::UnknownOperation| e.to_string())?,
    };
    Ok(Choice { operation, source })
}

/// Without the quotes that spreadsheets put around a field that has quotes.
fn unquoted(field: &str) -> String {
    let inner = field.trim().strip_prefix('"').and_then(|f| f.strip_suffix('"'));
    inner.map_or_else(|| field.trim().into(), |inner| inner.replace("\"\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{darts, published};

    fn columns(names: &str) -> Vec<String> {
        names.split(' ').map(str::to_string).collect()
    }

    #[test]
    fn all_ways_of_writing_a_cell_mean_the_same() {
        let cell = published::find("DARTS_V2").unwrap().genotype;
        let pairs = |write: &dyn Fn(&Choice) -> String| {
            let of = |choices: &[Choice]| choices.iter().map(write).collect::<Vec<_>>().join(" ");
            [of(&cell.normal), of(&cell.reduction)]
        };
        let number = |o: Operation| NUMBERS.iter().position(|n| *n == o).unwrap();
        let dialect = Dialect::of(&columns("normal reduce acc"), darts::SPACE).unwrap();
        for fields in [
            pairs(&|c| format!("{}:{}", c.source, number(c.operation))),
            pairs(&|c| format!("{}:{}", c.source, c.operation)),
            pairs(&|c| format!("{}:{}", c.operation, c.source)),
            pairs(&|c| format!("{}:{}", c.operation.short(), c.source)),
        ] {
            assert_eq!(dialect.read(&[&fields[0], &fields[1]], darts::SPACE).as_ref(), Ok(&cell));
        }
        let dialect = Dialect::of(&columns("acc Genotype"), darts::SPACE).unwrap();
        let json = serde_json::to_string(&cell).unwrap();
        for text in [cell.to_string(), json.clone(), format!("\"{}\"", json.replace('"', "\"\""))] {
            assert_eq!(dialect.read(&["1", &text], darts::SPACE).as_ref(), Ok(&cell), "{text}");
        }
    }

    #[test]
    fn digits_and_indices_of_one_cell_are_kept_apart() {
        let space = nas_bench_201::SPACE;
        let (text, index) = (columns("genotype acc"), columns("nb201_index acc"));
        let [text, index] = [text, index].map(|names| Dialect::of(&names, space).unwrap());
        let cell = nas_bench_201::of_index(6111).unwrap();
        assert_eq!(text.read(&["333132", "1"], space).as_ref(), Ok(&cell));
        assert_eq!(index.read(&["\"6111\"", "1"], space).as_ref(), Ok(&cell));
        assert!(text.read(&["33132", "1"], space).unwrap_err().contains("5 of 6 digits"));
        assert!(index.read(&["333132", "1"], space).unwrap_err().contains("from 0 to 15624"));
        // Where there are both, digits say it.
        assert_eq!(Dialect::of(&columns("nb201_index ops acc"), space), Ok(Dialect::Text(1)));
    }

    #[test]
    fn what_is_no_cell_says_why() {
        let refused = |names: &str| Dialect::of(&columns(names), darts::SPACE).unwrap_err();
        assert!(refused("normal acc").contains("`reduce`"));
        assert!(refused("nb201_index ops acc").contains("NAS-Bench-201"));
        assert!(refused("cell acc").contains("`genotype`"));
        for (text, why) in
            [("0-1", "is no input"), ("x:1:2", "is no input"), ("0:7", "0 to 6"), ("0:sep9", "no operation")]
        {
            assert!(pair(text).unwrap_err().contains(why), "{text}: {:?}", pair(text));
        }
    }
}
