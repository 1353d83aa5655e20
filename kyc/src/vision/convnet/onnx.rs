//! What of an ONNX file a small convolutional network is made of.

use std::{collections::HashMap, io::Cursor};

use tract_onnx::{
    pb::{AttributeProto, GraphProto, NodeProto, TensorProto},
    prelude::Framework as _,
};

/// A constant of the file.
pub(super) struct Constant {
    pub(super) dims: Vec<usize>,
    pub(super) floats: Vec<f32>,
    pub(super) integers: Vec<i64>,
}

/// The graph and its constants by name.
pub(super) struct Graph {
    pub(super) graph: GraphProto,
    pub(super) constants: HashMap<String, Constant>,
}

const FLOAT: i32 = 1;
const INT64: i32 = 7;

impl Graph {
    /// Reads a file; `None` when it is not ONNX.
    pub(super) fn read(onnx: &[u8]) -> Option<Self> {
        let model = tract_onnx::onnx().proto_model_for_read(&mut Cursor::new(onnx)).ok()?;
        let mut graph = model.graph?;
        let named = graph.initializer.iter().map(|t| (t.name.clone(), constant(t)));
        let mut constants: HashMap<String, Constant> = named.collect();
        graph.initializer.clear();
        for node in graph.node.iter().filter(|n| n.op_type == "Constant") {
            let tensor = node.attribute.iter().find_map(|a| a.t.as_ref());
            if let (Some(name), Some(tensor)) = (node.output.first(), tensor) {
                constants.insert(name.clone(), constant(tensor));
            }
        }
        Some(Self { graph, constants })
    }
}

fn constant(tensor: &TensorProto) -> Constant {
    let raw = &tensor.raw_data;
    let (mut floats, mut integers) = (tensor.float_data.clone(), tensor.int64_data.clone());
    match tensor.data_type {
        FLOAT if floats.is_empty() => {
            floats = raw.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        }
        INT64 if integers.is_empty() => {
            integers = raw.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect();
        }
        _ => {}
    }
    let dims = tensor.dims.iter().map(|&d| usize::try_from(d).unwrap_or(0)).collect();
    Constant { dims, floats, integers }
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|a| a.name == name)
}

/// A list of small numbers, or what the standard says where it is left out.
pub(super) fn numbers<const N: usize>(
    node: &NodeProto,
    name: &str,
    default: [usize; N],
) -> Option<[usize; N]> {
    let Some(attribute) = attribute(node, name) else { return Some(default) };
    let list: Option<Vec<usize>> =
        attribute.ints.iter().map(|&i| usize::try_from(i).ok()).collect();
    list?.try_into().ok()
}

/// A text, empty where it is left out.
pub(super) fn text<'a>(node: &'a NodeProto, name: &str) -> &'a [u8] {
    attribute(node, name).map_or(&[], |a| a.s.as_slice())
}

/// A number, or what the standard says where it is left out.
pub(super) fn integer(node: &NodeProto, name: &str, default: i64) -> i64 {
    attribute(node, name).map_or(default, |a| a.i)
}
