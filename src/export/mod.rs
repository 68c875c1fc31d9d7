//! What leaves a run for programs that are not ours, one file a form: networks as ONNX and as Python, a supernet's weights,
//! TensorBoard's records, tables.

pub mod csv;
pub mod onnx;
pub mod script;
pub mod supernet;
pub mod tensorboard;
mod trained;

pub use trained::{Trained, TrainedError};
