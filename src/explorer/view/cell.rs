//! The cells that were found, drawn, with the weights that they were chosen by.

use super::{Scene, pairs, truth};
use crate::explorer::draw::Pad;
use crate::explorer::state::chosen;
use crate::explorer::widgets::{graph, graph_height, graph_width, margins, margins_width, wiring, wiring_height};
use crate::run::describe;
use crate::space::{CellKind, published};
use crate::text;

/// ```text
/// normal cell ...... a graph where it fits, else wires and a table
/// reduction cell
/// size
/// ```
pub fn draw(pad: &mut Pad, scene: &Scene) {
    let (w, h) = (pad.width(), pad.height());
    let state = scene.state;
    let Some(genotype) = state.genotype() else {
        let mut inner = pad.panel("cells", "", false);
        inner.prose(
            "Both cells of the genotype will be drawn here, after the first epoch of the search as they are then, and \
             when it is done as they were found.",
        );
        return;
    };
    let weights = state.search.weights();
    let of = match (&state.found, state.search.epochs.last()) {
        _ if state.trains() && state.ended.is_some() => "trained".into(),
        _ if state.trains() => "in training".into(),
        (Some(_), _) => "found".into(),
        (None, Some(e)) => format!("epoch {}", e.epoch + 1),
        (None, None) => String::new(),
    };
    let size = state
        .found
        .as_ref()
        .map(|f| format!("{} parameters · {} MACs", text::count_or_more(f.parameters), text::count_or_more(f.macs)));
    let of = match truth::cell_short(scene) {
        Some(words) if of.is_empty() => words,
        Some(words) => format!("{of} · {words}"),
        None => of,
    };
    let most = |of: &dyn Fn(CellKind) -> usize| genotype.kinds().map(of).max().unwrap_or(1);
    let (nodes, states) = (most(&|cell| genotype.nodes(cell)), most(&|cell| genotype.states(cell)));
    let (choices, stacking) = (most(&|cell| genotype.choices(cell).len()), genotype.stacking);
    let count = genotype.kinds().count() as u16;
    let large = w >= graph_width(states) && h >= count * (graph_height(nodes, choices) + 1);
    // Beside the graph, where there are weights: each and what it is ahead of.
    let beside = large && weights.is_some() && w >= graph_width(states) + margins_width();
    let near =
        published::nearest(genotype).map(|(near, n)| format!("nearest published {}, {n} of 16 differ", near.name));
    let each = if large { graph_height(nodes, choices) + 2 } else { wiring_height(choices) + 1 };
    let all = h >= count * (each - 1);
    let kinds: Vec<CellKind> = if all { genotype.kinds().collect() } else { vec![scene.ui.cell] };
    let both = all && count > 1;
    let mut y = 0;
    for kind in &kinds {
        let note = match kind {
            // Where there is no room for it below.
            CellKind::Normal if h < kinds.len() as u16 * each + 3 => match &near {
                Some(near) if !of.is_empty() => format!("{of} · {near}"),
                Some(near) => near.clone(),
                None => of.clone(),
            },
            CellKind::Normal => of.clone(),
            CellKind::Reduction if both => size.clone().unwrap_or_default(),
            CellKind::Reduction => of.clone(),
        };
        let height = each.min(h - y);
        let mut panel = pad.sub(0, y, w, height);
        let mut inner = panel.panel(&format!("{kind} cell"), &note, scene.ui.cell == *kind);
        let (iw, ih) = (inner.width(), inner.height());
        let mut inner = inner.sub(1, 0, iw.saturating_sub(1), ih);
        let list = chosen(genotype, *kind, weights.as_ref());
        let outputs = genotype.outputs(*kind);
        let outputs = &outputs[..];
        if beside {
            let (gw, gh) = (inner.width() - margins_width(), inner.height());
            graph(&mut inner.sub(0, 0, gw, gh), stacking, &list, outputs);
            margins(&mut inner.sub(gw, 0, margins_width(), gh), &list);
        } else if large {
            graph(&mut inner, stacking, &list, outputs);
        } else {
            wiring(&mut inner, stacking, &list, outputs);
        }
        y += height;
    }
    if h >= y + 3 {
        let mut panel = pad.sub(0, y, w, h - y);
        let mut inner = panel.panel("what was found", "", false);
        let mut rows = Vec::new();
        if let Some(found) = &state.found {
            let size = describe::published_size(&found.genotype, found.stem);
            rows.push(("parameters", format!("{} with {size}, as published", text::count_or_more(found.parameters))));
            rows.push(("MACs", format!("{} multiply-accumulates of one picture", text::count_or_more(found.macs))));
        }
        if let Some((near, distance)) = published::nearest(genotype) {
            let error =
                if near.error.is_empty() { String::new() } else { format!("; CIFAR-10 error {} %", near.error) };
            let words = format!("{}, {distance} of 16 inputs differ{error}", near.name);
            rows.push(("nearest published", words));
        }
        if let Some(words) = truth::cell(scene) {
            rows.push(("accuracy", words));
        }
        let training = state.trains();
        if let Some(e) = state.epochs.ended.last() {
            let (label, pictures) = if training { ("trained", "test") } else { ("supernet", "validation") };
            let (percent, epoch) = (e.held_out_accuracy * 100.0, e.epoch + 1);
            let balanced = describe::balanced(e.held_out_accuracy, e.balanced_accuracy);
            let words = format!("{percent:.1} % of the {pictures} pictures right after epoch {epoch}{balanced}");
            rows.push((label, words));
        }
        if !training {
            rows.push((
                "weights",
                "softmax over the kept operations of an edge; ahead of: the next best there, and by how much".into(),
            ));
        }
        pairs(&mut inner, &rows);
    }
}
