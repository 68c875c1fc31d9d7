//! The genotype as text for other programs.

use super::figure::{self, What};
use super::state::State;
use crate::run::event::EpochEnded;
use crate::run::number::Number;
use crate::run::{FolderError, RunFolder, take_home};
use crate::space::{CellKind, Edge, Genotype, Space, dot};

/// Raw alphas of the latest epoch as safetensors: `normal` and `reduction`, `[edge, operation]` float32, NaN where cut. The
/// header says what edges and operations are in which order, what was kept, and of which search they are.
pub fn alphas(state: &State) -> Option<Vec<u8>> {
    use safetensors::tensor::{Dtype, TensorView};
    // A space may have reduction cells only.
    let epoch =
        state.search.epochs.last().filter(|e| !(e.alphas_normal.is_empty() && e.alphas_reduction.is_empty()))?;
    let bytes =
        |rows: &[Vec<Number>]| -> Vec<u8> { rows.iter().flatten().flat_map(|v| (v.0 as f32).to_le_bytes()).collect() };
    let (normal, reduction) = (bytes(&epoch.alphas_normal), bytes(&epoch.alphas_reduction));
    let space = state.space();
    let view = |cell, data| TensorView::new(Dtype::F32, vec![space.edges(cell).len(), space.columns()], data).ok();
    let tensors = space.kinds().map(|cell| {
        let data = if cell == CellKind::Normal { &normal } else { &reduction };
        Some((cell.to_string(), view(cell, data)?))
    });
    take_home::file(tensors.collect::<Option<_>>()?, &about(state, epoch)).ok()
}

/// What the alphas of an epoch are.
fn about(state: &State, epoch: &EpochEnded) -> take_home::About {
    let space = state.space();
    let mut about = take_home::about(state.run.as_ref().map_or("", |r| &r.run), space.name());
    let mut say = |key: &str, value: String| about.insert(key.into(), value);
    let list = |words: Vec<String>| serde_json::json!(words).to_string();
    say("values", "raw alphas before the softmax, [edge, operation]; NaN where the operation was cut".into());
    for (key, value) in space_words(space) {
        say(key, value);
    }
    let kept = |rows: &[Vec<Number>]| -> Vec<Vec<String>> {
        let of = |row: &Vec<Number>| {
            let there = space.operations().iter().zip(row).filter(|(_, v)| !v.0.is_nan());
            there.map(|(o, _)| o.to_string()).collect()
        };
        rows.iter().map(of).collect()
    };
    let [normal, reduction] = [&epoch.alphas_normal, &epoch.alphas_reduction].map(|rows| kept(rows));
    say("kept", serde_json::json!({"normal": normal, "reduction": reduction}).to_string());
    say("genotype", epoch.genotype.to_string());
    say("epoch", (epoch.epoch + 1).to_string());
    if let Some(setup) = &state.search.setup {
        say("epochs", setup.epochs.to_string());
        say("order", setup.order.to_string());
    }
    if let Some(run) = &state.run {
        say("program", run.program.clone());
        say("seed", run.seed.to_string());
        say("channels", run.channels.to_string());
        say("cells", run.cells.len().to_string());
        say("data", run.data.name.clone());
        say("class_names", list(run.data.class_names.clone()));
    }
    about
}

/// The kinds of cell, edges and operations of a space, for a file's header.
pub fn space_words(space: Space) -> [(&'static str, String); 3] {
    let list = |words: Vec<String>| serde_json::json!(words).to_string();
    // One list where all kinds of cell have the same edges.
    let ends = |edges: &[Edge]| edges.iter().map(|e| [e.source(), e.target()]).collect::<Vec<_>>();
    let graphs = space.graphs();
    let edges = match graphs.iter().all(|g| g.edges == graphs[0].edges) {
        true => serde_json::json!(ends(graphs[0].edges)),
        false => graphs.iter().map(|g| (g.kind.to_string(), serde_json::json!(ends(g.edges)))).collect(),
    };
    [
        ("kinds", list(space.kinds().map(|k| k.to_string()).collect())),
        ("edges", edges.to_string()),
        ("operations", list(space.operations().iter().map(|o| o.name().to_string()).collect())),
    ]
}

/// Writes all forms into the run's folder; returns the names of the files.
///
/// # Errors
/// A folder that can't be written.
pub fn write(folder: &RunFolder, genotype: &Genotype, state: &State) -> Result<Vec<String>, FolderError> {
    let json = serde_json::to_string_pretty(genotype).unwrap_or_default();
    let files =
        [("genotype.json", json), ("genotype.py", format!("{}\n", genotype.python())), ("genotype.dot", dot(genotype))];
    for (name, text) in &files {
        folder.write_atomic(name, text.as_bytes())?;
    }
    let mut names: Vec<String> = files.iter().map(|f| f.0.to_string()).collect();
    for what in What::ALL {
        if let Some(svg) = figure::svg(state, what) {
            let name = format!("{}.svg", what.name());
            folder.write_atomic(&name, svg.as_bytes())?;
            names.push(name);
            // Without a font there is no PNG; the SVG is there all the same.
            if let Ok(png) = figure::png(&svg) {
                let name = format!("{}.png", what.name());
                folder.write_atomic(&name, &png)?;
                names.push(name);
            }
        }
    }
    if let Some(bytes) = alphas(state) {
        folder.write_atomic("alphas.safetensors", &bytes)?;
        names.push("alphas.safetensors".into());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explorer::fixture::{self, Until};
    use crate::run::event::{Body, Event};
    use crate::space::darts;

    #[test]
    fn alphas_of_one_kind_of_cell_are_exported_whichever_it_is() {
        let done = fixture::journal(Until::Done, 1);
        let epoch = done.iter().rev().find_map(|e| match &e.body {
            Body::EpochEnded(epoch) => Some((e, epoch)),
            _ => None,
        });
        let (event, epoch) = epoch.unwrap();
        let kinds = [CellKind::Normal, CellKind::Reduction];
        for kind in kinds {
            let text = format!(
                "name = \"one_{kind}\"\noperations = [\"skip_connect\", \"sep_conv_3x3\"]\n[{kind}]\nnodes = 1\n"
            );
            let table = vec![vec![Number(0.25), Number(f64::NAN)]; 2];
            let [normal, reduction] = kinds.map(|k| if k == kind { table.clone() } else { Vec::new() });
            let last = EpochEnded { alphas_normal: normal, alphas_reduction: reduction, ..epoch.clone() };
            let mut events = fixture::journal_in(Space::read(&text).unwrap());
            events.push(Event { body: Body::EpochEnded(last), ..event.clone() });
            let bytes = alphas(&State::from_events(&events)).unwrap_or_else(|| panic!("no alphas of {kind} cells"));
            let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            assert_eq!(read.names(), [kind.name()]);
            assert_eq!(read.tensor(kind.name()).unwrap().shape(), [2, 2]);
        }
    }

    #[test]
    fn alphas_are_read_back_with_nan_where_cut() {
        let state = State::from_events(&fixture::journal(Until::Done, 1));
        let bytes = alphas(&state).unwrap();
        let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let normal = read.tensor("normal").unwrap();
        assert_eq!(normal.shape(), [14, 8]);
        let values: Vec<f32> = normal.data().chunks(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let epoch = state.search.epochs.last().unwrap();
        for (value, alpha) in values.iter().zip(epoch.alphas_normal.iter().flatten()) {
            assert!(*value == alpha.0 as f32 || (value.is_nan() && alpha.0.is_nan()));
        }
        assert!(values.iter().any(|v| v.is_nan()) && values.iter().any(|v| v.is_finite()));
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let said = header.metadata().clone().unwrap();
        let json = |key: &str| serde_json::from_str::<serde_json::Value>(&said[key]).unwrap();
        assert_eq!(json("edges").as_array().unwrap()[..3], [[0, 2], [1, 2], [0, 3]].map(|e| serde_json::json!(e)));
        assert_eq!(
            json("operations"),
            serde_json::json!(darts::SPACE.operations().iter().map(|o| o.name()).collect::<Vec<_>>())
        );
        assert_eq!(crate::space::parse_genotype(&said["genotype"]).unwrap(), epoch.genotype);
        let kept = &json("kept")["normal"];
        for (edge, row) in epoch.alphas_normal.iter().enumerate() {
            assert_eq!(kept[edge].as_array().unwrap().len(), row.iter().filter(|v| !v.0.is_nan()).count());
        }
        assert!(said["program"].starts_with("zonas ") && said.contains_key("seed") && said["space"] == "darts");
    }
}
