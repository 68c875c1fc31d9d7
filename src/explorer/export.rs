//! The genotype as text for other programs.

use super::figure::{self, What};
use super::state::State;
use crate::run::number::Number;
use crate::run::{FolderError, RunFolder};
use crate::space::{EDGES, Genotype, OPERATIONS, dot};

/// Raw alphas of the latest epoch as safetensors: `normal` and `reduction`, `[edge, operation]` float32, NaN where cut.
pub fn alphas(state: &State) -> Option<Vec<u8>> {
    use safetensors::tensor::{Dtype, TensorView, serialize};
    let epoch = state.search.epochs.last().filter(|e| !e.alphas_normal.is_empty())?;
    let bytes =
        |rows: &[Vec<Number>]| -> Vec<u8> { rows.iter().flatten().flat_map(|v| (v.0 as f32).to_le_bytes()).collect() };
    let (normal, reduction) = (bytes(&epoch.alphas_normal), bytes(&epoch.alphas_reduction));
    let view = |data| TensorView::new(Dtype::F32, vec![EDGES, OPERATIONS], data).ok();
    let tensors = [("normal", view(&normal)?), ("reduction", view(&reduction)?)];
    serialize(tensors, None).ok()
}

/// Writes all forms into the run's folder; returns the names of the files.
///
/// # Errors
/// A folder that can't be written.
pub fn write(folder: &RunFolder, genotype: &Genotype, state: &State) -> Result<Vec<String>, FolderError> {
    let json = serde_json::to_string_pretty(genotype).unwrap_or_default();
    let files = [("genotype.json", json), ("genotype.py", format!("{genotype}\n")), ("genotype.dot", dot(genotype))];
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

    #[test]
    fn alphas_are_read_back_with_nan_where_cut() {
        let state = State::from_events(&fixture::journal(Until::Done, 1));
        let bytes = alphas(&state).unwrap();
        let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let normal = read.tensor("normal").unwrap();
        assert_eq!(normal.shape(), [EDGES, OPERATIONS]);
        let values: Vec<f32> = normal.data().chunks(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let epoch = state.search.epochs.last().unwrap();
        for (value, alpha) in values.iter().zip(epoch.alphas_normal.iter().flatten()) {
            assert!(*value == alpha.0 as f32 || (value.is_nan() && alpha.0.is_nan()));
        }
        assert!(values.iter().any(|v| v.is_nan()) && values.iter().any(|v| v.is_finite()));
    }
}
