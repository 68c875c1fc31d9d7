//! NAS-Bench-201's text, `|nor_conv_3x3~0|+|none~0|none~1|+…`, and the six digits of its tables.

use super::meaning::{Context, Fault, Spots, check};
use super::value::{is_word, stop};
use crate::space::{Choice, Genotype, Operation, Stacking, nas_bench_201};

/// Longest name of an operation that is looked at, in bytes.
const NAME: usize = 64;

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
    if let Some(fault) = fault {
        return (Err(fault), here + 1);
    }
    let spots = [Spots { list: at, choices: spots, concat: at }, Spots::default()];
    (check(nas_bench_201(choices), context.space, &spots), here + 1)
}

fn nas_bench_201(normal: Vec<Choice>) -> Genotype {
    Genotype { stacking: Stacking::NasBench201, normal, ..Genotype::default() }
}

/// The six digits of a table, if the text is no more than that: `0` to `4` for each edge, columns of the built-in space whichever
/// space the text is read for.
pub(super) fn digits(context: &Context) -> Option<(usize, Result<Genotype, Fault>)> {
    let space = context.space.filter(|s| s.stacking() == Stacking::NasBench201)?;
    let published = nas_bench_201::SPACE;
    let at = context.text.len() - context.text.trim_start().len();
    let digits = context.text.trim();
    let edges = published.graphs().first()?.edges;
    if digits.len() != edges.len() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let operation = |b: u8| published.operations().get(usize::from(b - b'0')).copied();
    let choices: Option<Vec<Choice>> = edges
        .iter()
        .zip(digits.bytes())
        .map(|(edge, b)| operation(b).map(|operation| Choice { operation, source: edge.source() }))
        .collect();
    let spots = [Spots { list: at, choices: (at..at + edges.len()).collect(), concat: at }, Spots::default()];
    Some((
        at,
        match choices {
            Some(choices) => check(nas_bench_201(choices), Some(space), &spots),
            None => {
                let names: Vec<String> = published
                    .operations()
                    .iter()
                    .enumerate()
                    .map(|(i, o): (usize, &Operation)| format!("{i} {o}"))
                    .collect();
                stop(at, format!("a digit stands for an operation: {}", names.join(", "))).map_err(Fault::Stop)
            }
        },
    ))
}
