//! Weights in and out under the names of published checkpoints, as safetensors with convolutions in OIHW order.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};

use super::{NnError, Parameters};

impl Parameters {
    /// All weights, running statistics and batch counters by name.
    ///
    /// # Errors
    /// A tensor operation that fails.
    pub fn tensors(&self) -> Result<HashMap<String, Tensor>, NnError> {
        let mut out = HashMap::new();
        let (running, batches) = self.running();
        for ((layout, values), running) in self.layouts().iter().zip(self.values()?).zip(&running) {
            for slot in &layout.slots {
                let file = slot.to_file(&values[slot.offset..][..slot.len()]);
                out.insert(slot.name.clone(), Tensor::from_vec(file, slot.shape(), &Device::Cpu)?);
            }
            for n in &layout.norms {
                let (at, c) = (n.slot.offset, n.slot.channels);
                let vector = |v: &[f32]| Tensor::from_vec(v.to_vec(), c, &Device::Cpu);
                out.insert(format!("{}.running_mean", n.name), vector(&running[at..at + c])?);
                out.insert(format!("{}.running_var", n.name), vector(&running[at + c..at + 2 * c])?);
                let counter = Tensor::from_vec(vec![batches as i64], (), &Device::Cpu)?;
                out.insert(format!("{}.num_batches_tracked", n.name), counter);
            }
        }
        Ok(out)
    }

    /// Takes the weights that this network has from `tensors`; names that it lacks are left alone. Running statistics that
    /// are missing stay as they are.
    ///
    /// # Errors
    /// A weight that is missing or has another shape; nothing is changed then.
    pub fn set_tensors(&self, tensors: &HashMap<String, Tensor>) -> Result<(), NnError> {
        let read = |name: &str, shape: &[usize]| -> Result<Option<Vec<f32>>, NnError> {
            let Some(t) = tensors.get(name) else { return Ok(None) };
            if t.dims() != shape {
                return Err(NnError::Weights(format!("`{name}` is {:?}, but this network needs {shape:?}", t.dims())));
            }
            Ok(Some(t.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?))
        };
        let (mut running, mut batches) = self.running();
        let mut blocks = Vec::with_capacity(self.layouts().len());
        for (layout, running) in self.layouts().iter().zip(&mut running) {
            let mut values = vec![0.0; layout.len];
            for slot in &layout.slots {
                let file = read(&slot.name, &slot.shape())?
                    .ok_or_else(|| NnError::Weights(format!("`{}` is missing", slot.name)))?;
                slot.to_memory(&file, &mut values[slot.offset..][..slot.len()]);
            }
            for n in &layout.norms {
                let (at, c) = (n.slot.offset, n.slot.channels);
                if let Some(mean) = read(&format!("{}.running_mean", n.name), &[c])? {
                    running[at..at + c].copy_from_slice(&mean);
                }
                if let Some(variance) = read(&format!("{}.running_var", n.name), &[c])? {
                    running[at + c..at + 2 * c].copy_from_slice(&variance);
                }
                if let Some(t) = tensors.get(&format!("{}.num_batches_tracked", n.name)) {
                    batches = t
                        .to_dtype(DType::I64)?
                        .flatten_all()?
                        .to_vec1::<i64>()?
                        .first()
                        .map_or(0, |v| (*v).max(0) as u64);
                }
            }
            blocks.push(values);
        }
        self.set_values(blocks)?;
        self.restore_running(running, batches)
    }

    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), NnError> {
        Ok(candle_core::safetensors::save(&self.tensors()?, path)?)
    }

    /// # Errors
    /// A file that cannot be read or is no safetensors file; a weight that is missing or has another shape.
    pub fn load(&self, path: &Path) -> Result<(), NnError> {
        let bytes = std::fs::read(path).map_err(|source| NnError::File { path: path.into(), source })?;
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
            .map_err(|e| NnError::Weights(format!("{} is not a readable safetensors file: {e}", path.display())))?;
        self.set_tensors(&tensors)
    }
}
