//! NAS-Bench-201's text, `|nor_conv_3x3~0|+|none~0|none~1|+…`, the six digits of its tables, and the numbers of their rows.

use super::meaning::{Context, Fault, Spots, check};
use super::value::{is_word, stop};
use crate::space::{Choice, Genotype, Stacking, nas_bench_201};

/// Longest name of an operation that is looked at, in bytes.
const NAME: usize = 64;
/// Digits of a cell in a table.
const COLUMNS: usize = 6;

/// Whether such a text begins at byte `at`: `|name~number|`.
pub(super) fn begins(text: &str, at: usize) -> bool {
    edge(text, at).is_some()
}

/// `|name~number` from a bar on: name, number, and the byte of the bar that ends it.
fn edge(text: &str, at: usize) -> Option<(&str, usize, usize)> {
    let inner = text.get(at..)?.strip_prefix('|')?;
    let (name, after) = inner.split_at(inner.find(|c| !is_word(c))?);
    let (digits, _) = after.strip_prefix('~')?.split_once('|')?;
    let number = digits.parse().ok().filter(|_| !name.is_empty() && name.len() <= NAME && digits.len() <= 2)?;
    Some((name, number, at + 1 + name.len() + 1 + digits.len()))
}

/// The genotype of such a text, and the byte where it ends.
pub(super) fn genotype(context: &Context, at: usize) -> (Result<Genotype, Fault>, usize) {
    let (text, mut here) = (context.text, at);
    let (mut choices, mut spots) = (Vec::new(), Vec::new());
    // The text is read to its end, so that what follows the fault is not taken for a genotype of its own.
    let mut fault = None;
    while let Some((name, source, end)) = edge(text, here) {
        match context.operation(here + 1, name) {
            Ok(operation) => choices.push(Choice { operation, source }),
            Err(stop) => fault = fault.or(Some(Fault::Stop(stop))),
        }
        spots.push(here + 1);
        here = end;
        // The bar that ends an edge begins the next, or the node's end: then `+` and the next node's bar.
        if let Some(rest) = text[here + 1..].strip_prefix('+').filter(|rest| rest.starts_with('|')) {
            here = text.len() - rest.len();
        }
        if choices.len() > 64 {
            return (Err(stop::<()>(here, "more edges than any cell has").unwrap_err().into()), here + 1);
        }
    }
    if fault.is_none() && text[here + 1..].starts_with('+') {
        fault = stop::<()>(here + 1, "the edges of another node are missing behind `+`").err().map(Fault::Stop);
    }
    if let Some(fault) = fault {
        return (Err(fault), here + 1);
    }
    let spots = [Spots { list: at, choices: spots, concat: at }, Spots::default()];
    (check(cell(choices), context.space, &spots), here + 1)
}

fn cell(normal: Vec<Choice>) -> Genotype {
    Genotype { stacking: Stacking::NasBench201, normal, ..Genotype::default() }
}

/// The six digits of a table (`0` to `4` for each edge), or the number of its row, if the text is no more than that: columns and
/// rows of the built-in space whichever space the text is read for.
pub(super) fn digits(context: &Context) -> Option<(usize, Result<Genotype, Fault>)> {
    let space = context.space.filter(|s| s.stacking() == Stacking::NasBench201)?;
    let at = context.text.len() - context.text.trim_start().len();
    let digits = context.text.trim();
    if digits.is_empty() || digits.len() > COLUMNS || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (cell, reason) = match <[u8; COLUMNS]>::try_from(digits.as_bytes()) {
        Ok(columns) => {
            let names: Vec<String> =
                nas_bench_201::SPACE.operations().iter().enumerate().map(|(i, o)| format!("{i} {o}")).collect();
            let reason = format!("a digit stands for an operation: {}", names.join(", "));
            (nas_bench_201::of_digits(columns.map(|b| b - b'0')), reason)
        }
        Err(_) => {
            let cell = digits.parse().ok().and_then(nas_bench_201::of_index);
            let last = nas_bench_201::CELLS - 1;
            (
                cell,
                format!(
                    "{digits} is no index of a cell: they go from 0 to {last}, and the digits of one are {COLUMNS}"
                ),
            )
        }
    };
    let Some(cell) = cell else { return Some((at, stop(at, reason).map_err(Fault::Stop))) };
    // A number is one place for all choices.
    let place = |edge| if digits.len() == COLUMNS { at + edge } else { at };
    let spots = [Spots { list: at, choices: (0..COLUMNS).map(place).collect(), concat: at }, Spots::default()];
    Some((at, check(cell, Some(space), &spots)))
}
