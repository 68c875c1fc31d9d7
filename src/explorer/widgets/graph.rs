//! A cell as wires: every state is a vertical wire, every chosen operation a horizontal one from the state that it reads
//! to the node that it feeds. No line is ever crossed by a label.

use crate::explorer::draw::Pad;
use crate::explorer::state::Chosen;
use crate::space::INPUTS;
use crate::text;

/// Name of a state: the two inputs, then the nodes.
fn state_name(state: usize) -> String {
    match state {
        0 => "c₋₂".into(),
        1 => "c₋₁".into(),
        n => (n - INPUTS).to_string(),
    }
}

/// The first line in which a state's wire runs.
fn first_line(state: usize, rows_per_node: usize) -> usize {
    if state < INPUTS { 0 } else { (state - INPUTS) * rows_per_node + 1 }
}

/// The last chosen edge that reads a state; none ends later than the concatenation.
fn last_use(state: usize, chosen: &[Chosen], concat: &[usize]) -> Option<usize> {
    if concat.contains(&state) { Some(usize::MAX) } else { chosen.iter().rposition(|c| c.choice.source == state) }
}

/// States of a cell of these choices, two for each node.
fn states(chosen: &[Chosen]) -> usize {
    INPUTS + chosen.len().div_ceil(2)
}

/// Lines that [`wiring`] takes for a cell of so many nodes.
pub const fn wiring_height(nodes: usize) -> u16 {
    2 * nodes as u16 + 2
}

/// Small: wires four columns apart at the left, and beside each input its operation, weight and margin as a table.
pub fn wiring(pad: &mut Pad, chosen: &[Chosen], concat: &[usize]) {
    const STEP: u16 = 4;
    let (dim, strong, plain) = (pad.theme.dim(), pad.theme.strong(), pad.theme.plain());
    let states = states(chosen);
    for state in 0..INPUTS {
        pad.text(STEP * state as u16, 0, &state_name(state), strong);
    }
    let table = STEP * states as u16 + 1;
    let wide = pad.width() >= table + 38;
    // A genotype that is only trained has no weights.
    let weighed = wide && chosen.iter().any(|c| c.weight.is_some());
    if weighed {
        pad.text(table, 0, "into operation      weight  ahead of", dim);
    } else if wide {
        pad.text(table, 0, "into operation", dim);
    } else {
        pad.text(table, 0, "in operation", dim);
    }
    let runs = |state: usize, line: usize| {
        first_line(state, 2) <= line && last_use(state, chosen, concat).is_some_and(|last| line <= last)
    };
    for (i, c) in chosen.iter().enumerate() {
        let y = 1 + i as u16;
        for state in 0..states {
            if runs(state, i) {
                pad.put(STEP * state as u16 + 1, y, '│', dim);
            }
        }
        let (from, to) = (STEP * c.choice.source as u16 + 1, STEP * c.target as u16 + 1);
        let style = pad.theme.series(0);
        for x in from + 1..to {
            let crossing = (x - 1).is_multiple_of(STEP) && runs(usize::from((x - 1) / STEP), i);
            pad.put(x, y, if crossing { '┼' } else { '─' }, style);
        }
        let ends = last_use(c.choice.source, chosen, concat) == Some(i);
        pad.put(from, y, if ends { '└' } else { '├' }, style);
        let second = i % 2 == 1;
        if second {
            pad.text(to, y, &format!("●{}", c.target - INPUTS), strong);
        } else {
            pad.put(to, y, '┐', style);
        }
        let mut x = pad.text(table, y, &format!("{} ", c.target - INPUTS), dim);
        if wide {
            x += 3;
        }
        pad.text(x, y, c.choice.operation.name(), plain);
        if weighed {
            weight(pad, table + 20, y, c);
        }
    }
    let y = 1 + chosen.len() as u16;
    let last = concat.iter().max().copied().unwrap_or(0);
    for state in 0..states {
        if concat.contains(&state) {
            let x = STEP * state as u16 + 1;
            let end = state == last;
            pad.put(x, y, if end { '┴' } else { '└' }, dim);
            for x in x + 1..x + STEP {
                pad.put(x, y, if end && x + 1 == STEP * (state as u16 + 1) + 1 { '▸' } else { '─' }, dim);
            }
            if state != concat.iter().min().copied().unwrap_or(0) {
                pad.put(x, y, '┴', dim);
            }
        }
    }
    pad.text(table, y, "out: the nodes concatenated", dim);
}

/// Weight and margin of one chosen edge.
fn weight(pad: &mut Pad, x: u16, y: u16, c: &Chosen) {
    let (plain, dim) = (pad.theme.plain(), pad.theme.dim());
    let text = c.weight.map_or_else(|| "—".into(), |w| format!("{w:.3}"));
    pad.right(x + 6, y, &text, plain);
    let margin = match c.margin {
        Some((m, next)) => format!("{} by {}", next.short(), text::significant(f64::from(m), 2)),
        None => "the only one".into(),
    };
    pad.text(x + 8, y, &margin, dim);
}

/// Columns that [`margins`] takes.
pub const fn margins_width() -> u16 {
    40
}

/// Beside [`graph`], line by line: each chosen operation with its weight and what it is ahead of.
pub fn margins(pad: &mut Pad, chosen: &[Chosen]) {
    let (dim, plain) = (pad.theme.dim(), pad.theme.plain());
    pad.text(2, 0, "operation      weight  ahead of", dim);
    for (i, c) in chosen.iter().enumerate() {
        let y = 1 + (3 * (i / 2) + i % 2) as u16;
        pad.text(2, y, c.choice.operation.name(), plain);
        weight(pad, 17, y, c);
    }
}

/// Columns that [`graph`] needs for a cell of so many nodes, with short names of operations.
pub const fn graph_width(nodes: usize) -> u16 {
    11 * (INPUTS + nodes - 1) as u16 + 11
}

/// Lines that [`graph`] takes for a cell of so many nodes.
pub const fn graph_height(nodes: usize) -> u16 {
    3 * nodes as u16 + 2
}

/// Large: wires far apart, each operation written on its own line just before the node that it feeds.
pub fn graph(pad: &mut Pad, chosen: &[Chosen], concat: &[usize]) {
    let (states, nodes) = (states(chosen), chosen.len().div_ceil(2));
    let gap = ((pad.width().saturating_sub(11)) / (states as u16 - 1)).clamp(11, 26);
    let full = gap >= 17;
    let (dim, strong, plain) = (pad.theme.dim(), pad.theme.strong(), pad.theme.plain());
    let wire = |state: usize| 2 + gap * state as u16;
    for state in 0..INPUTS {
        pad.text(wire(state) - 1, 0, &state_name(state), strong);
    }
    // Lines of the picture: three for each node, the first two with its inputs.
    let line_of = |i: usize| 3 * (i / 2) + i % 2;
    let runs = |state: usize, line: usize| {
        let begins = if state < INPUTS { 0 } else { 3 * (state - INPUTS) + 2 };
        begins <= line
            && last_use(state, chosen, concat).is_some_and(|last| last == usize::MAX || line <= line_of(last))
    };
    for node in 0..nodes {
        let inputs: Vec<&Chosen> = chosen.iter().filter(|c| c.target == node + INPUTS).collect();
        for line in 0..3usize {
            let y = 1 + (3 * node + line) as u16;
            for state in 0..states {
                if runs(state, 3 * node + line) {
                    pad.put(wire(state), y, '│', dim);
                }
            }
            let Some(c) = inputs.get(line) else { continue };
            let style = pad.theme.series(line);
            let (from, to) = (wire(c.choice.source), wire(c.target));
            for x in from + 1..to {
                let crossing = (0..states).any(|s| wire(s) == x && runs(s, 3 * node + line));
                pad.put(x, y, if crossing { '┼' } else { '─' }, style);
            }
            let ends = last_use(c.choice.source, chosen, concat).is_some_and(|i| line_of(i) == 3 * node + line);
            pad.put(from, y, if ends { '└' } else { '├' }, style);
            let name = if full { c.choice.operation.name() } else { c.choice.operation.short() };
            let room = gap - 3;
            let mut label = format!(" {name} ");
            if let Some(w) = c.weight {
                let with = format!(" {name} {} ", format!("{w:.2}").trim_start_matches('0'));
                if text::width(&with) <= room {
                    label = with;
                }
            }
            pad.right(to - 1, y, &label, plain);
            if line == 0 && inputs.len() > 1 {
                pad.put(to, y, '┐', style);
            } else {
                pad.text(to - 1, y, &format!("[{node}]"), strong);
            }
        }
    }
    let y = 1 + 3 * nodes as u16;
    let (first, last) = (concat.iter().min().copied().unwrap_or(0), concat.iter().max().copied().unwrap_or(0));
    for x in wire(first)..wire(last) + 3 {
        pad.put(x, y, '─', dim);
    }
    for state in concat {
        pad.put(wire(*state), y, if *state == first { '└' } else { '┴' }, dim);
    }
    pad.text(wire(last) + 3, y, "▸ out", strong);
}
