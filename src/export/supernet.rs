//! The supernet of a search as its latest checkpoint has it: weights and running statistics under the names of the published
//! search code, alphas, and what the cut kept. docs/files.md lists the names.

use std::borrow::Cow;
use std::collections::BTreeMap;

use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, View};

use crate::engine::Searched;
use crate::explorer::state::State;
use crate::nn::{NnError, Policy, Precision, Supernet, SupernetConfig};
use crate::run::take_home;
use crate::space::{CellKind, Space, Stacking, Stem};

/// Why there is no such file.
#[derive(Debug, thiserror::Error)]
pub enum SupernetError {
    #[error("the journal does not say what the network is; it has no line of the run's start")]
    Journal,
    #[error("the checkpoint is of another network than the journal tells of: {0}")]
    Network(#[from] NnError),
    #[error("can't make the file: {0}")]
    File(#[from] SafeTensorError),
}

/// A tensor of its own.
struct Own {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Own {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.bytes.as_slice().into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Own {
    fn floats(shape: Vec<usize>, values: impl IntoIterator<Item = f32>) -> Own {
        Own { dtype: Dtype::F32, shape, bytes: values.into_iter().flat_map(f32::to_le_bytes).collect() }
    }
}

/// The end of the names of a kind's tables, as published code has them.
const fn short(kind: CellKind) -> &'static str {
    match kind {
        CellKind::Normal => "normal",
        CellKind::Reduction => "reduce",
    }
}

/// The file's bytes.
///
/// # Errors
/// A checkpoint that is not of the run that `state` is of.
pub fn file(state: &State, found: &Searched) -> Result<Vec<u8>, SupernetError> {
    let run = state.run.as_ref().ok_or(SupernetError::Journal)?;
    let space = found.mask.space();
    let net = Supernet::new(&SupernetConfig {
        channels: run.channels,
        classes: run.classes,
        input_channels: run.data.channels,
        layout: run.cells.clone(),
        stem_multiplier: space.stacking().stem(),
        stem: run.stem,
        mask: found.mask,
        policy: Policy::Recompute,
        precision: Precision::Float32,
    })?;
    let own = net.parameters();
    let other = || NnError::Weights("it has other blocks".into());
    let weights = own.reblocked(found.state.weights.clone());
    if !own.fit(&weights) {
        return Err(other().into());
    }
    own.set_values(weights)?;
    own.restore_running(own.reblocked_running(found.state.running.clone()), found.state.batches)?;
    let mut tensors = BTreeMap::new();
    for (name, tensor) in own.tensors()? {
        let own = Own {
            dtype: tensor.dtype().into(),
            shape: tensor.dims().to_vec(),
            bytes: View::data(&tensor).into_owned(),
        };
        tensors.insert(name, own);
    }
    for kind in space.kinds() {
        let alphas = found.state.alphas.get(kind.index()).filter(|t| t.len() == space.table(kind)).ok_or_else(other)?;
        let edges = space.edges(kind);
        let shape = vec![edges.len(), space.columns()];
        let kept: Vec<bool> = edges
            .iter()
            .flat_map(|edge| space.operations().iter().map(|o| found.mask.keeps(kind, *edge, *o)))
            .collect();
        let shown = alphas.iter().zip(&kept).map(|(alpha, kept)| if *kept { *alpha } else { f32::NEG_INFINITY });
        tensors.insert(format!("alphas_{}", short(kind)), Own::floats(shape.clone(), shown));
        let bytes = kept.iter().map(|kept| u8::from(*kept)).collect();
        tensors.insert(format!("mask_{}", short(kind)), Own { dtype: Dtype::BOOL, shape, bytes });
    }
    Ok(take_home::file(tensors, &about(state, found, space))?)
}

/// What the network is, and of which search.
fn about(state: &State, found: &Searched, space: Space) -> take_home::About {
    let mut about = take_home::about(state.run.as_ref().map_or("", |r| &r.run), space.name());
    let mut say = |key: &str, value: String| about.insert(key.into(), value);
    let network = match space.stacking() {
        Stacking::Darts => "Network",
        Stacking::NasBench201 => "TinyNetwork",
    };
    say("network", network.into());
    say(
        "values",
        "alphas are raw, [edge, operation], -inf where cut, so that softmax(-1) gives the mixing weights; what was cut has no weights".into(),
    );
    let structure = crate::explorer::space_words(space);
    for (key, value) in structure {
        say(key, value);
    }
    let kept: BTreeMap<&str, Vec<Vec<&str>>> = space
        .kinds()
        .map(|kind| {
            let of = |edge: &crate::space::Edge| {
                let kept = space.operations().iter().filter(|o| found.mask.keeps(kind, *edge, **o));
                kept.map(|o| o.name()).collect()
            };
            (kind.name(), space.edges(kind).iter().map(of).collect())
        })
        .collect();
    say("kept", serde_json::json!(kept).to_string());
    let stem = state.run.as_ref().map_or(Stem::Cifar, |run| run.stem);
    say("stem_multiplier", space.stacking().stem().to_string());
    say("stem", stem.to_string());
    if let Some(epoch) = state.search.epochs.iter().find(|e| e.epoch + 1 == found.epoch) {
        say("genotype", epoch.genotype.to_string());
    }
    say("epoch", found.epoch.to_string());
    say("step", found.step.to_string());
    if let Some(setup) = &state.search.setup {
        say("epochs", setup.epochs.to_string());
        say("order", setup.order.to_string());
        say("method", setup.method.clone());
    }
    if let Some(run) = &state.run {
        say("program", run.program.clone());
        say("seed", run.seed.to_string());
        say("channels", run.channels.to_string());
        say("cells", run.cells.len().to_string());
        say("layout", serde_json::json!(run.cells).to_string());
        say("classes", run.classes.to_string());
        say("class_names", serde_json::json!(run.data.class_names).to_string());
        say("input_channels", run.data.channels.to_string());
        say("height", run.data.height.to_string());
        say("width", run.data.width.to_string());
        say("input", "[pictures, input_channels, height, width]: (byte / 255 - mean) / deviation".into());
        if !run.data.mean.is_empty() {
            say("mean", serde_json::json!(run.data.mean).to_string());
            say("deviation", serde_json::json!(run.data.deviation).to_string());
        }
        say("data", run.data.name.clone());
    }
    say("data_fingerprint", found.data.clone());
    about
}
