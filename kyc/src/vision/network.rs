//! One neural network, ready to run: the only file that talks to tract.

use std::{fmt, io::Cursor, sync::Arc};

use tract_onnx::prelude::*;

/// A network whose input has one fixed shape.
pub struct Network {
    input: Vec<usize>,
    outputs: Outputs,
    plan: Arc<TypedRunnableModel>,
}

/// Names and sizes of a model's outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outputs {
    model: String,
    list: Vec<(String, usize)>,
}

/// A network that cannot be loaded, or that did not answer as it must.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// Not an ONNX file that tract understands.
    #[error("model {model} cannot be loaded: {cause}")]
    Load {
        /// The model's name.
        model: String,
        /// What tract said.
        cause: String,
    },
    /// It loads, but is not the network its name promises.
    #[error("model {model} has the wrong shape: {what}")]
    Shape {
        /// The model's name.
        model: String,
        /// What was expected and what was found.
        what: String,
    },
    /// It failed on an input.
    #[error("model {model} failed: {cause}")]
    Run {
        /// The model's name.
        model: String,
        /// What tract said.
        cause: String,
    },
}

impl Network {
    /// Reads an ONNX file and fixes its single input to `input`.
    ///
    /// Shapes declared inside the file are ignored, since exporters write wrong or symbolic ones;
    /// all are derived from the input.
    ///
    /// # Errors
    /// When tract refuses it or its outputs are not of one concrete size.
    pub fn load(name: &str, onnx: &[u8], input: &[usize]) -> Result<Self, InferenceError> {
        let load_error = |cause: TractError| InferenceError::Load {
            model: name.to_owned(),
            cause: format!("{cause:#}"),
        };
        let shape_error = |what: String| InferenceError::Shape { model: name.to_owned(), what };

        let inferred = tract_onnx::onnx()
            .with_ignore_value_info(true)
            .with_ignore_output_shapes(true)
            .model_for_read(&mut Cursor::new(onnx))
            .map_err(load_error)?;
        let inputs = inferred.input_outlets().map_err(load_error)?.len();
        if inputs != 1 {
            return Err(shape_error(format!("expected one input, found {inputs}")));
        }
        let names: Vec<String> = inferred
            .output_outlets()
            .map_err(load_error)?
            .iter()
            .map(|o| {
                inferred
                    .outlet_label(*o)
                    .map_or_else(|| inferred.node(o.node).name.clone(), str::to_owned)
            })
            .collect();
        let typed = inferred
            .with_input_fact(0, InferenceFact::dt_shape(f32::datum_type(), input))
            .and_then(|m| m.into_optimized())
            .map_err(load_error)?;
        let mut outputs = Outputs::of(name);
        for (i, output) in names.into_iter().enumerate() {
            let fact = typed.output_fact(i).map_err(load_error)?;
            let len = fact
                .shape
                .as_concrete()
                .map(|dims| dims.iter().product())
                .ok_or_else(|| shape_error(format!("output {output} has no fixed size")))?;
            outputs.push(output, len);
        }
        let plan = typed.into_runnable().map_err(load_error)?;
        Ok(Self { input: input.to_vec(), outputs, plan })
    }

    /// The model's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.outputs.model()
    }

    /// Its outputs, in the order that [`Self::run`] gives them in.
    pub(super) const fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// Runs it on one input of the shape given at loading. Returns every output, flat.
    ///
    /// # Errors
    /// When the input is of another size or tract fails.
    pub fn run(&self, input: &[f32]) -> Result<Vec<Vec<f32>>, InferenceError> {
        let run_error = |cause: TractError| InferenceError::Run {
            model: self.name().to_owned(),
            cause: format!("{cause:#}"),
        };
        if input.len() != self.input.iter().product::<usize>() {
            return Err(InferenceError::Run {
                model: self.name().to_owned(),
                cause: format!("input of {} numbers for {:?}", input.len(), self.input),
            });
        }
        let tensor = Tensor::from_shape(&self.input, input).map_err(run_error)?;
        let outputs = self.plan.run(tvec!(tensor.into_tvalue())).map_err(run_error)?;
        outputs
            .iter()
            .map(|t| {
                Ok(t.to_plain_array_view::<f32>().map_err(run_error)?.iter().copied().collect())
            })
            .collect()
    }
}

impl Outputs {
    pub(super) fn of(model: &str) -> Self {
        Self { model: model.to_owned(), list: Vec::new() }
    }

    pub(super) fn push(&mut self, name: String, len: usize) {
        self.list.push((name, len));
    }

    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// The position of the output of this name, checked to hold `len` numbers.
    ///
    /// # Errors
    /// When there is none, or of another size.
    pub(super) fn named(&self, name: &str, len: usize) -> Result<usize, InferenceError> {
        let wrong = |what: String| InferenceError::Shape { model: self.model.clone(), what };
        let found = self.list.iter().enumerate().find(|(_, (n, _))| n == name);
        match found {
            Some((at, (_, l))) if *l == len => Ok(at),
            Some((_, (_, l))) => {
                Err(wrong(format!("output {name} should hold {len} numbers, holds {l}")))
            }
            None => Err(wrong(format!("no output {name} among {:?}", self.list))),
        }
    }

    /// The position of the first output that holds `len` numbers (for files whose converter named
    /// the outputs after layers).
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn of_len(&self, len: usize) -> Result<usize, InferenceError> {
        let found = self.list.iter().position(|(_, l)| *l == len);
        found.ok_or_else(|| InferenceError::Shape {
            model: self.model.clone(),
            what: format!("no output of {len} numbers among {:?}", self.list),
        })
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("input", &self.input)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}
