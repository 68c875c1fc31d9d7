//! The cells in print.

use super::{LARGE, MARGIN, SMALL};
use crate::explorer::figure::cell::{color, legend};
use crate::explorer::figure::paper::{Anchor, INK, LINE, Paper, QUIET};
use crate::explorer::state::{State, chosen};
use crate::space::{CellKind, Genotype, Operation};

/// Between the lanes of two operations.
const LANE: f64 = 11.0;
/// Boxes of states.
const BOX: (f64, f64) = (26.0, 10.0);
/// Right of the last node, where the output is named.
const OUT: f64 = 30.0;

/// As on a page of its own; operations have their four letters where names do not fit.
pub fn draw(genotype: &Genotype, state: &State, width: f64) -> Option<String> {
    let own = |cell: CellKind| genotype.choices(cell).len() as f64 * LANE + 52.0;
    let inputs = genotype.stacking.inputs();
    let nodes = genotype.kinds().map(|cell| genotype.nodes(cell)).max().unwrap_or(0).max(1);
    let weights = state.search.weights();
    let first = MARGIN + BOX.0 / 2.0;
    let base = first + (BOX.0 + 3.0) * (inputs - 1) as f64;
    let step = (width - base - OUT - MARGIN) / nodes as f64;
    let weighed = weights.is_some();
    let operations: Vec<Operation> = {
        let all = genotype.kinds().flat_map(|cell| genotype.choices(cell)).map(|c| c.operation);
        let mut all: Vec<Operation> = all.collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let extra = if weighed { " .00" } else { "" };
    let fits = |name: &str| Paper::wide(&format!("{name}{extra}"), SMALL) + 10.0 <= step;
    let full = operations.iter().all(|o| fits(o.name()));
    let room = width - 2.0 * MARGIN;
    let mut words = legend(state);
    if !full {
        let names: Vec<String> = operations.iter().map(|o| format!("{}: {}", o.short(), o.name())).collect();
        words = [names.join(", "), words].into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" · ");
    }
    let lines = if words.is_empty() { 0 } else { Paper::count(&words, room, SMALL) };
    let height = genotype.kinds().map(own).sum::<f64>() + 1.4 * SMALL * lines as f64 + 6.0;
    let mut p = Paper::printed(width, height);
    let mut top = 0.0;
    for cell in genotype.kinds() {
        p.text(MARGIN, top + 10.0, LARGE, INK, Anchor::Start, &format!("{cell} cell"));
        let list = chosen(genotype, cell, weights.as_ref());
        let x = |s: usize| {
            if s < inputs { first + (BOX.0 + 3.0) * s as f64 } else { base + step * (s + 1 - inputs) as f64 }
        };
        let lane = |i: usize| top + 37.0 + LANE * i as f64;
        let (states, outputs) = (genotype.states(cell), genotype.outputs(cell));
        let bottom = lane(list.len() - 1) + 12.0;
        // Lines first, so that boxes and labels lie on them.
        for s in 0..states {
            let begin =
                if s < inputs { top + 24.0 } else { lane(list.iter().position(|c| c.target == s).unwrap_or(0)) };
            let last = list.iter().rposition(|c| c.choice.source == s).map_or(begin, lane);
            let end = if outputs.contains(&s) { bottom } else { last };
            p.line((x(s), begin), (x(s), end), QUIET, "none");
        }
        for (i, c) in list.iter().enumerate() {
            let (from, to, y) = (x(c.choice.source), x(c.target), lane(i));
            let color = color(c.choice.operation);
            p.line((from, y), (to - 3.0, y), &color, "none");
            p.circle(from, y, 1.4, &color);
            p.path(&format!("M{:.1} {y:.1}l-4 -2v4z", to - 0.5), &color, "none", 0.0);
            let name = if full { c.choice.operation.name() } else { c.choice.operation.short() };
            let weight = c.weight.map_or_else(String::new, |w| format!(" {w:.2}").replace(" 0.", " ."));
            let label = format!("{name}{weight}");
            let wide = Paper::wide(&label, SMALL);
            p.rect(to - 6.0 - wide, y - 4.0, wide, 8.0, "#ffffff", "none");
            p.text(to - 6.5, y + 2.4, SMALL, &color, Anchor::End, &label);
        }
        for s in 0..states {
            let name = s.to_string();
            let begin =
                if s < inputs { top + 24.0 } else { lane(list.iter().position(|c| c.target == s).unwrap_or(0)) };
            let at = if s < inputs { top + 20.0 } else { begin - 9.0 };
            let wide = if s < inputs { BOX.0 } else { 12.0 };
            p.rect(
                x(s) - wide / 2.0,
                at - BOX.1 / 2.0,
                wide,
                BOX.1,
                if s < inputs { "#eaeef2" } else { "#ffffff" },
                INK,
            );
            p.text(x(s), at + 2.5, SMALL, INK, Anchor::Middle, &name);
        }
        let last = x(states - 1);
        p.line((x(outputs.iter().copied().min().unwrap_or(inputs)), bottom), (last + 10.0, bottom), INK, "none");
        p.text(last + 12.0, bottom + 2.4, SMALL, INK, Anchor::Start, "out");
        top += own(cell);
        p.line((MARGIN, top - 4.0), (width - MARGIN, top - 4.0), LINE, "none");
    }
    if !words.is_empty() {
        p.lines((MARGIN, top + 7.0), room, SMALL, INK, &words);
    }
    Some(p.done())
}
