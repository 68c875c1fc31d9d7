//! A trained network as ONNX (opset 17): pictures in, logits out, in evaluation mode, for any number of pictures at once.

mod proto;

use prost::Message;

use self::proto::{
    AttributeProto, Dimension, DimensionValue, FLOAT, GraphProto, INT64, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use super::Trained;
use crate::nn::{Layer, LayerKind, NORM_EPSILON, NnError};

/// The newest operators that are used came with this set; runtimes of 2021 and later have it.
const OPSET: i64 = 17;
/// The version of the format that came with it.
const IR: i64 = 8;
/// What the network takes and gives.
const INPUT: &str = "images";
const OUTPUT: &str = "logits";
/// Protobuf's own limit.
const MOST: usize = i32::MAX as usize;

/// Why a network has no ONNX.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    #[error("no ONNX: {0}")]
    Network(#[from] NnError),
    #[error("no ONNX: the model would have {0} bytes, and such a file may have 2 GiB")]
    Size(usize),
}

/// The file's bytes: input `images` `[N, C, H, W]`, normalised; output `logits` `[N, classes]`.
///
/// # Errors
/// A network with an operation that ONNX does not have, or that is too large for one file.
pub fn file(trained: &Trained) -> Result<Vec<u8>, OnnxError> {
    let layers = trained.network.layers(trained.height, trained.width)?;
    let config = trained.network.config();
    let mut graph = Graph { nodes: Vec::new(), tensors: Vec::new(), values: vec![INPUT.to_string()] };
    for (i, layer) in layers.iter().enumerate() {
        let output = if i + 1 == layers.len() { OUTPUT.to_string() } else { name_of(&layer.kind, i) };
        graph.layer(trained, layer, output)?;
    }
    let fixed = |n: usize| DimensionValue::Value(n as i64);
    let any = || DimensionValue::Param("N".into());
    let pictures = vec![any(), fixed(config.input_channels), fixed(trained.height), fixed(trained.width)];
    let model = ModelProto {
        ir_version: IR,
        producer_name: "zonas".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        doc_string: format!("{}, trained from scratch; in evaluation mode, without an auxiliary head", trained.name()),
        graph: Some(GraphProto {
            node: graph.nodes,
            name: trained.name().into(),
            initializer: graph.tensors,
            input: vec![value(INPUT, pictures, "normalised: (byte / 255 - mean) / deviation, by channel")],
            output: vec![value(OUTPUT, vec![any(), fixed(config.classes)], "before the softmax, by class")],
        }),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: about(trained),
    };
    let size = model.encoded_len();
    if size > MOST {
        return Err(OnnxError::Size(size));
    }
    Ok(model.encode_to_vec())
}

/// The header's words, as far as they are true of the model.
fn about(trained: &Trained) -> Vec<StringStringEntryProto> {
    let mut words = trained.about.clone();
    words.remove("format");
    words.insert("auxiliary".into(), "false".into());
    words.insert("network".into(), trained.name().into());
    words.insert("space".into(), trained.stacking().name().into());
    words.insert(
        "input".into(),
        "images [N, input_channels, height, width] float32, already normalised: (byte / 255 - mean) / deviation".into(),
    );
    words.insert("output".into(), "logits [N, classes], before the softmax".into());
    words.into_iter().map(|(key, value)| StringStringEntryProto { key, value }).collect()
}

fn value(name: &str, dims: Vec<DimensionValue>, about: &str) -> ValueInfoProto {
    let dim = dims.into_iter().map(|v| Dimension { value: Some(v) }).collect();
    let tensor_type = Some(TensorTypeProto { elem_type: FLOAT, shape: Some(TensorShapeProto { dim }) });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type }), doc_string: about.into() }
}

/// What a layer gives is called after its weights, as far as it has any.
fn name_of(kind: &LayerKind, number: usize) -> String {
    match kind {
        LayerKind::Convolution { weight, .. } => weight.strip_suffix(".weight").unwrap_or(weight).to_string(),
        LayerKind::Norm { name } | LayerKind::Linear { name } => name.clone(),
        LayerKind::Relu => format!("relu_{number}"),
        LayerKind::MaxPool { .. } => format!("max_pool_{number}"),
        LayerKind::AveragePool { .. } => format!("average_pool_{number}"),
        LayerKind::Add => format!("add_{number}"),
        LayerKind::Join => format!("join_{number}"),
        LayerKind::Shift { .. } => format!("shift_{number}"),
        LayerKind::Zeros => format!("zeros_{number}"),
        LayerKind::Average => format!("average_{number}"),
    }
}

/// A graph in the making.
struct Graph {
    nodes: Vec<NodeProto>,
    tensors: Vec<TensorProto>,
    /// Names of what layers give, by number.
    values: Vec<String>,
}

fn whole(numbers: impl IntoIterator<Item = usize>) -> Vec<i64> {
    numbers.into_iter().map(|n| n as i64).collect()
}

impl Graph {
    fn node(&mut self, op: &str, inputs: Vec<String>, output: &str, attribute: Vec<AttributeProto>) {
        let (op_type, output, name) = (op.to_string(), vec![output.to_string()], output.to_string());
        self.nodes.push(NodeProto { input: inputs, output, name, op_type, attribute });
    }

    /// Whole numbers as a constant of the graph; returns its name.
    fn constant(&mut self, name: String, numbers: &[i64]) -> String {
        let raw_data = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        self.tensors.push(TensorProto {
            dims: vec![numbers.len() as i64],
            data_type: INT64,
            name: name.clone(),
            raw_data,
        });
        name
    }

    /// A tensor of the file; returns its name.
    fn weight(&mut self, trained: &Trained, name: &str) -> Result<String, NnError> {
        let there = trained.tensors.get(name).ok_or_else(|| NnError::Weights(format!("`{name}` is missing")))?;
        let numbers = there.flatten_all()?.to_dtype(candle_core::DType::F32)?.to_vec1::<f32>()?;
        self.tensors.push(TensorProto {
            dims: whole(there.dims().iter().copied()),
            data_type: FLOAT,
            name: name.into(),
            raw_data: numbers.iter().flat_map(|v| v.to_le_bytes()).collect(),
        });
        Ok(name.into())
    }

    fn layer(&mut self, trained: &Trained, layer: &Layer, output: String) -> Result<(), NnError> {
        let mut inputs: Vec<String> = layer.inputs.iter().map(|i| self.values[*i].clone()).collect();
        let window = |window: [usize; 2], stride: [usize; 2], pads: [usize; 4]| {
            vec![
                AttributeProto::ints("kernel_shape", whole(window)),
                AttributeProto::ints("strides", whole(stride)),
                AttributeProto::ints("pads", whole(pads)),
            ]
        };
        match &layer.kind {
            LayerKind::Relu => self.node("Relu", inputs, &output, Vec::new()),
            LayerKind::Convolution { weight, kernel, stride, dilation, groups, pads } => {
                inputs.push(self.weight(trained, weight)?);
                let mut attributes = window(*kernel, *stride, *pads);
                attributes.push(AttributeProto::ints("dilations", whole([*dilation; 2])));
                attributes.push(AttributeProto::int("group", *groups as i64));
                self.node("Conv", inputs, &output, attributes);
            }
            LayerKind::Norm { name } => {
                for part in ["weight", "bias", "running_mean", "running_var"] {
                    inputs.push(self.weight(trained, &format!("{name}.{part}"))?);
                }
                let epsilon = vec![AttributeProto::float("epsilon", NORM_EPSILON as f32)];
                self.node("BatchNormalization", inputs, &output, epsilon);
            }
            LayerKind::MaxPool { window: side, stride, pads } => {
                self.node("MaxPool", inputs, &output, window([*side; 2], [*stride; 2], *pads));
            }
            LayerKind::AveragePool { window: side, stride, pads } => {
                let mut attributes = window([*side; 2], [*stride; 2], *pads);
                attributes.push(AttributeProto::int("count_include_pad", 0));
                self.node("AveragePool", inputs, &output, attributes);
            }
            LayerKind::Add => self.node("Sum", inputs, &output, Vec::new()),
            LayerKind::Join => self.node("Concat", inputs, &output, vec![AttributeProto::int("axis", 1)]),
            LayerKind::Shift { below, right } => {
                if below + right > 0 {
                    let pads = self.constant(format!("{output}.pads"), &whole([0, 0, 0, 0, 0, 0, *below, *right]));
                    let padded = format!("{output}.padded");
                    inputs.push(pads);
                    self.node("Pad", inputs, &padded, Vec::new());
                    inputs = vec![padded];
                }
                let starts = self.constant(format!("{output}.starts"), &[1, 1]);
                let ends = self.constant(format!("{output}.ends"), &[i64::MAX; 2]);
                let axes = self.constant(format!("{output}.axes"), &[2, 3]);
                inputs.extend([starts, ends, axes]);
                self.node("Slice", inputs, &output, Vec::new());
            }
            LayerKind::Zeros => {
                let count = format!("{output}.count");
                let first = vec![AttributeProto::int("start", 0), AttributeProto::int("end", 1)];
                self.node("Shape", vec![INPUT.into()], &count, first);
                let map = self.constant(format!("{output}.map"), &whole(layer.shape));
                let shape = format!("{output}.shape");
                self.node("Concat", vec![count, map], &shape, vec![AttributeProto::int("axis", 0)]);
                // Its value is 0 where none is named.
                self.node("ConstantOfShape", vec![shape], &output, Vec::new());
            }
            LayerKind::Average => {
                let pooled = format!("{output}.pooled");
                self.node("GlobalAveragePool", inputs, &pooled, Vec::new());
                self.node("Flatten", vec![pooled], &output, vec![AttributeProto::int("axis", 1)]);
            }
            LayerKind::Linear { name } => {
                for part in ["weight", "bias"] {
                    inputs.push(self.weight(trained, &format!("{name}.{part}"))?);
                }
                self.node("Gemm", inputs, &output, vec![AttributeProto::int("transB", 1)]);
            }
        }
        self.values.push(output);
        Ok(())
    }
}
