//! The figure of the cells.

use super::paper::{Anchor, INK, LINE, Paper, QUIET, css, series};
use crate::explorer::color::{SERIES, darker};
use crate::explorer::state::{State, chosen};
use crate::run::describe::published_size;
use crate::space::{CellKind, Compute, Genotype, Operation};
use crate::text;

const WIDTH: f64 = 900.0;
/// Between the columns of two states, and between the lanes of two operations.
const STEP: f64 = 165.0;
const LANE: f64 = 24.0;

/// Both cells: states from left to right, each operation on a lane of its own from the state that it reads to its node.
pub fn draw(genotype: &Genotype, state: &State) -> Option<String> {
    let own = |cell: CellKind| genotype.choices(cell).len() as f64 * LANE + 90.0;
    let height = genotype.kinds().map(own).sum::<f64>() + 60.0;
    let nodes = genotype.kinds().map(|cell| genotype.nodes(cell)).max().unwrap_or(0);
    let width = WIDTH + (STEP - 6.0) * nodes.saturating_sub(4) as f64;
    let mut p = Paper::new(width, height);
    let mut top = 20.0;
    let weights = state.search.weights();
    for cell in genotype.kinds() {
        p.text(20.0, top + 8.0, 13.0, INK, Anchor::Start, &format!("{cell} cell"));
        let list = chosen(genotype, cell, weights.as_ref());
        let inputs = genotype.stacking.inputs();
        let shift = 56.0 * (inputs - 1) as f64;
        let x =
            |s: usize| 48.0 + if s < inputs { 56.0 * s as f64 } else { shift + (STEP - 6.0) * (s + 1 - inputs) as f64 };
        let lane = |i: usize| top + 52.0 + LANE * i as f64;
        let (states, outputs) = (genotype.states(cell), genotype.outputs(cell));
        let bottom = lane(list.len() - 1) + 30.0;
        for s in 0..states {
            let first = list.iter().position(|c| c.target == s).unwrap_or(0);
            let begin = if s < inputs { top + 34.0 } else { lane(first) };
            let concat = outputs.contains(&s);
            let last = list.iter().rposition(|c| c.choice.source == s).map_or(begin, lane);
            p.line((x(s), begin), (x(s), if concat { bottom } else { last }), QUIET, "none");
            let at = if s < inputs { top + 26.0 } else { begin - 18.0 };
            p.rect(x(s) - 22.0, at - 9.0, 44.0, 18.0, if s < inputs { "#eaeef2" } else { "#ffffff" }, INK);
            p.text(x(s), at + 4.0, 10.0, INK, Anchor::Middle, &s.to_string());
        }
        for (i, c) in list.iter().enumerate() {
            let (from, to, y) = (x(c.choice.source), x(c.target), lane(i));
            let color = color(c.choice.operation);
            p.line((from, y), (to - 6.0, y), &color, "none");
            p.circle(from, y, 2.5, &color);
            p.path(&format!("M{:.1} {y:.1}l-7 -3.5v7z", to - 1.0), &color, "none", 0.0);
            let weight = c.weight.map_or_else(String::new, |w| format!(" {w:.2}"));
            let label = format!("{}{weight}", c.choice.operation);
            // On a white ground, just before the node that it feeds.
            let width = 5.6 * f64::from(text::width(&label)) + 8.0;
            p.rect(to - 14.0 - width, y - 8.0, width, 16.0, "#ffffff", "none");
            p.text(to - 18.0, y + 3.5, 10.0, &color, Anchor::End, &label);
        }
        let last = x(states - 1);
        p.line((x(outputs.iter().copied().min().unwrap_or(inputs)), bottom), (last + 46.0, bottom), INK, "none");
        p.text(last + 50.0, bottom + 4.0, 10.0, INK, Anchor::Start, "out");
        p.line((20.0, bottom + 20.0), (width - 20.0, bottom + 20.0), LINE, "none");
        top += own(cell);
    }
    p.text(20.0, height - 16.0, 10.0, INK, Anchor::Start, &legend(state));
    Some(p.done())
}

/// What stands below the cells.
pub(super) fn legend(state: &State) -> String {
    let weighed = state.search.weights().is_some();
    let mut words: Vec<String> =
        weighed.then(|| "label: operation and its mixing weight (softmax over the edge)".into()).into_iter().collect();
    if let Some(f) = &state.found {
        words.push(format!(
            "{} parameters, {} multiply-accumulates at {}",
            text::count_or_more(f.parameters),
            text::count_or_more(f.macs),
            published_size(&f.genotype, f.stem)
        ));
    }
    words.join(" · ")
}

/// Separable or dense, dilated, pooling, identity.
pub(super) fn color(operation: Operation) -> String {
    match operation.compute() {
        Compute::Separable { dilation: 1, .. } | Compute::Dense { .. } | Compute::Factorised { .. } => series(0),
        Compute::Separable { .. } => series(2),
        Compute::MaxPool { .. } | Compute::AveragePool { .. } => series(1),
        Compute::Identity | Compute::Noise | Compute::Zero => css(darker(SERIES[3])),
    }
}
