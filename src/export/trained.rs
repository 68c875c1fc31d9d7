//! A network that a run has trained, by the file of its weights alone: the header says what it is, the names say where its
//! numbers go.

use std::collections::{BTreeMap, HashMap};

use candle_core::{Device, Tensor};
use safetensors::SafeTensors;

use crate::nn::{Evaluation, EvaluationConfig, NnError};
use crate::space::{Stacking, Stem, parse_genotype};

/// A trained network, and what its file says of it.
pub struct Trained {
    /// The header's words: genotype, classes, mean, deviation, run, program and more.
    pub about: BTreeMap<String, String>,
    /// Without the auxiliary head, which only helps a training.
    pub network: Evaluation,
    /// Weights and running statistics by their published names, those of the auxiliary head among them.
    pub tensors: HashMap<String, Tensor>,
    /// Of the pictures.
    pub height: usize,
    pub width: usize,
}

/// A file of weights that is none of a trained network.
#[derive(Debug, thiserror::Error)]
pub enum TrainedError {
    #[error("the file of weights is no safetensors file: {0}")]
    File(String),
    #[error(
        "the header of the file of weights has no `{0}` that can be read; train the genotype again with this version"
    )]
    Header(&'static str),
    #[error("the weights are not those of the genotype in the file's header: {0}")]
    Weights(NnError),
}

impl Trained {
    /// # Errors
    /// Bytes that are no such file, or whose weights are not of the network that the header names.
    pub fn read(bytes: &[u8]) -> Result<Trained, TrainedError> {
        let file = |e: &dyn std::fmt::Display| TrainedError::File(e.to_string());
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| file(&e))?;
        let about: BTreeMap<String, String> = header.metadata().iter().flatten().map(pair).collect();
        let number = |key: &'static str| {
            about.get(key).and_then(|v| v.parse().ok()).filter(|v| *v > 0).ok_or(TrainedError::Header(key))
        };
        // Files of before have none and are of small pictures.
        let stem = about.get("stem").map_or(Ok(Stem::Cifar), |text| text.parse());
        let stem = stem.map_err(|_| TrainedError::Header("stem"))?;
        let genotype = about.get("genotype").and_then(|text| parse_genotype(text).ok());
        let config = EvaluationConfig {
            genotype: genotype.ok_or(TrainedError::Header("genotype"))?,
            channels: number("channels")?,
            cells: number("cells")?,
            input_channels: number("input_channels")?,
            classes: number("classes")?,
            auxiliary: false,
            stem,
        };
        let (height, width) = (number("height")?, number("width")?);
        // A header may ask for any size; the file has as many numbers as it has.
        let size = config.count(height, width).map_err(|e| TrainedError::Weights(NnError::Config(e.to_string())))?;
        if size.parameters > bytes.len() as u64 / 4 {
            return Err(TrainedError::Weights(NnError::Weights("there are fewer numbers".into())));
        }
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu).map_err(|e| file(&e))?;
        let network = Evaluation::new(&config).map_err(TrainedError::Weights)?;
        network.parameters().set_tensors(&tensors).map_err(TrainedError::Weights)?;
        Ok(Trained { about, network, tensors, height, width })
    }

    pub fn stacking(&self) -> Stacking {
        self.network.config().genotype.stacking
    }

    /// What published code calls the network.
    pub fn name(&self) -> &'static str {
        self.network.config().stem.network(self.stacking())
    }
}

fn pair((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}
