//! A cell as wires: every state is a vertical wire, every chosen operation a horizontal one from the state that it reads
//! to the node that it feeds. No line is ever crossed by a label.

use crate::explorer::draw::Pad;
use crate::explorer::state::Chosen;
use crate::space::{Operation, Stacking};
use crate::text;

/// The first line in which a state's wire runs, of lines that are a chosen edge each.
fn first_line(state: usize, chosen: &[Chosen]) -> usize {
    chosen.iter().rposition(|c| c.target == state).unwrap_or(0)
}

/// How many edges each node has, in order.
fn inputs(chosen: &[Chosen]) -> Vec<usize> {
    chosen.chunk_by(|a, b| a.target == b.target).map(<[Chosen]>::len).collect()
}

/// The last chosen edge that reads a state; none ends later than the concatenation.
fn last_use(state: usize, chosen: &[Chosen], concat: &[usize]) -> Option<usize> {
    if concat.contains(&state) { Some(usize::MAX) } else { chosen.iter().rposition(|c| c.choice.source == state) }
}

/// States of a cell of these choices.
fn states(stacking: Stacking, chosen: &[Chosen]) -> usize {
    stacking.inputs() + inputs(chosen).len()
}

/// Lines that [`wiring`] takes for a cell of so many choices.
pub const fn wiring_height(choices: usize) -> u16 {
    choices as u16 + 2
}

/// Small: wires four columns apart at the left, and beside each input its operation, weight and margin as a table.
pub fn wiring(pad: &mut Pad, stacking: Stacking, chosen: &[Chosen], concat: &[usize]) {
    const STEP: u16 = 4;
    let (dim, strong, plain) = (pad.theme.dim(), pad.theme.strong(), pad.theme.plain());
    let states = states(stacking, chosen);
    let name = |state: usize| state.to_string();
    for state in 0..stacking.inputs() {
        pad.text(STEP * state as u16, 0, &name(state), strong);
    }
    let table = STEP * states as u16 + 1;
    let wide = pad.width() >= table + 38;
    // A genotype that is only trained has no weights.
    let weighed = wide && chosen.iter().any(|c| c.weight.is_some());
    if weighed {
        pad.text(table, 0, "edge operation      weight  ahead of", dim);
    } else {
        pad.text(table, 0, "edge operation", dim);
    }
    let runs = |state: usize, line: usize| {
        first_line(state, chosen) <= line && last_use(state, chosen, concat).is_some_and(|last| line <= last)
    };
    for (i, c) in chosen.iter().enumerate() {
        let y = 1 + i as u16;
        for state in 0..states {
            if runs(state, i) {
                pad.put(STEP * state as u16 + 1, y, '│', dim);
            }
        }
        let (from, to) = (STEP * c.choice.source as u16 + 1, STEP * c.target as u16 + 1);
        let style = if c.choice.operation == Operation::None { dim } else { pad.theme.series(0) };
        let dash = dash(c);
        for x in from + 1..to {
            let crossing = (x - 1).is_multiple_of(STEP) && runs(usize::from((x - 1) / STEP), i);
            pad.put(x, y, if crossing { '┼' } else { dash }, style);
        }
        let ends = last_use(c.choice.source, chosen, concat) == Some(i);
        pad.put(from, y, if ends { '└' } else { '├' }, style);
        let first = i == 0 || chosen[i - 1].target != c.target;
        if chosen.get(i + 1).is_none_or(|next| next.target != c.target) {
            pad.text(to, y, &format!("●{}", name(c.target)), strong);
        } else {
            pad.put(to, y, if first { '┐' } else { '┤' }, style);
        }
        pad.text(table, y, &c.edge(), dim);
        pad.text(table + 5, y, c.choice.operation.name(), plain);
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
    let out = if stacking == Stacking::Darts { "out: the nodes concatenated" } else { "out: the last node" };
    pad.text(table, y, out, dim);
}

/// What an edge is drawn with: `none` stands for no edge.
fn dash(c: &Chosen) -> char {
    if c.choice.operation == Operation::None { '┄' } else { '─' }
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
    for (c, line) in chosen.iter().zip(lines(chosen)) {
        let y = 1 + line as u16;
        pad.text(2, y, c.choice.operation.name(), plain);
        weight(pad, 17, y, c);
    }
}

/// Columns that [`graph`] needs for a cell of so many states, with short names of operations.
pub const fn graph_width(states: usize) -> u16 {
    11 * (states.saturating_sub(1)) as u16 + 11
}

/// Lines that [`graph`] takes for a cell of so many nodes and choices.
pub const fn graph_height(nodes: usize, choices: usize) -> u16 {
    (nodes + choices) as u16 + 2
}

/// The line of the picture in which each choice stands: behind those of each node is one more.
fn lines(chosen: &[Chosen]) -> Vec<usize> {
    let nodes = inputs(chosen).into_iter().enumerate();
    let each = nodes.flat_map(|(node, count)| std::iter::repeat_n(node, count));
    each.enumerate().map(|(i, node)| i + node).collect()
}

/// Large: wires far apart, each operation written on its own line just before the node that it feeds.
pub fn graph(pad: &mut Pad, stacking: Stacking, chosen: &[Chosen], concat: &[usize]) {
    let (states, inputs_of, first) = (states(stacking, chosen), inputs(chosen), stacking.inputs());
    let gap = ((pad.width().saturating_sub(11)) / (states as u16 - 1)).clamp(11, 26);
    let full = gap >= 17;
    let (dim, strong, plain) = (pad.theme.dim(), pad.theme.strong(), pad.theme.plain());
    let wire = |state: usize| 2 + gap * state as u16;
    let name = |state: usize| state.to_string();
    for state in 0..first {
        pad.text(wire(state) - 1, 0, &name(state), strong);
    }
    let line_of = lines(chosen);
    // Where the lines of each node begin.
    let begin = |node: usize| node + inputs_of[..node].iter().sum::<usize>();
    let runs = |state: usize, line: usize| {
        let begins = state.checked_sub(first).map_or(0, |node| begin(node) + inputs_of[node]);
        begins <= line
            && last_use(state, chosen, concat).is_some_and(|last| last == usize::MAX || line <= line_of[last])
    };
    for (node, inputs) in chosen.chunk_by(|a, b| a.target == b.target).enumerate() {
        let start = begin(node);
        for line in 0..=inputs.len() {
            let y = 1 + (start + line) as u16;
            for state in 0..states {
                if runs(state, start + line) {
                    pad.put(wire(state), y, '│', dim);
                }
            }
            let Some(c) = inputs.get(line) else { continue };
            let style = if c.choice.operation == Operation::None { dim } else { pad.theme.series(line) };
            let dash = dash(c);
            let (from, to) = (wire(c.choice.source), wire(c.target));
            for x in from + 1..to {
                let crossing = (0..states).any(|s| wire(s) == x && runs(s, start + line));
                pad.put(x, y, if crossing { '┼' } else { dash }, style);
            }
            let ends =
                last_use(c.choice.source, chosen, concat).is_some_and(|i| line_of.get(i) == Some(&(start + line)));
            pad.put(from, y, if ends { '└' } else { '├' }, style);
            let called = if full { c.choice.operation.name() } else { c.choice.operation.short() };
            let room = gap - 3;
            let mut label = format!(" {called} ");
            if let Some(w) = c.weight {
                let with = format!(" {called} {} ", format!("{w:.2}").trim_start_matches('0'));
                if text::width(&with) <= room {
                    label = with;
                }
            }
            pad.right(to - 1, y, &label, plain);
            match line {
                _ if line + 1 == inputs.len() => {
                    pad.text(to, y, &format!("●{}", name(c.target)), strong);
                }
                0 => pad.put(to, y, '┐', style),
                _ => pad.put(to, y, '┤', style),
            }
        }
    }
    let y = 1 + begin(inputs_of.len()) as u16;
    let (first, last) = (concat.iter().min().copied().unwrap_or(0), concat.iter().max().copied().unwrap_or(0));
    for x in wire(first)..wire(last) + 3 {
        pad.put(x, y, '─', dim);
    }
    for state in concat {
        pad.put(wire(*state), y, if *state == first { '└' } else { '┴' }, dim);
    }
    pad.text(wire(last) + 3, y, "▸ out", strong);
}
