//! Projections: weights as they are stored, or in f32 on a device that multiplies nothing else.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor};

use super::error::{LocalError, Step};
use super::matrix::Matrix;
use super::ops::Values;
use super::product::product;

/// Weights, [outputs, inputs].
#[derive(Debug, Clone)]
pub(super) enum Weight {
    /// Matrices as they are stored, whose outputs lie side by side: what the processor multiplies.
    Stored(Vec<Arc<Matrix>>),
    /// One matrix in f32 on a device.
    Device(Tensor),
}

impl Weight {
    /// Matrices whose outputs lie side by side, of which there is at least one.
    pub(super) fn new(
        matrices: Vec<Matrix>,
        device: &Device,
    ) -> std::result::Result<Self, LocalError> {
        if device.is_cpu() {
            return Ok(Self::Stored(matrices.into_iter().map(Arc::new).collect()));
        }
        let on_device = |matrix: &Matrix| {
            let shape = (matrix.rows(), matrix.columns());
            Tensor::from_vec(matrix.values(0..matrix.rows()), shape, device)
        };
        let parts = matrices.iter().map(on_device).collect::<Result<Vec<_>>>();
        parts
            .and_then(|parts| Tensor::cat(&parts, 0))
            .step("move weights to the device")
            .map(Self::Device)
    }

    /// `x` times the transpose of the weights, [rows, inputs] to [rows, outputs].
    pub(super) fn product(&self, x: &Tensor) -> Result<Tensor> {
        let matrices = match self {
            Self::Stored(matrices) => matrices,
            Self::Device(weight) => return x.matmul(&weight.t()?),
        };
        let (rows, inputs) = x.dims2()?;
        if matrices.iter().any(|matrix| matrix.columns() != inputs) {
            candle_core::bail!("{inputs} values are multiplied with weights of another width");
        }
        let x = x.contiguous()?;
        let values = Values::of(&x);
        let out = product(values.get()?, rows, matrices);
        let outputs = matrices.iter().map(|matrix| matrix.rows()).sum::<usize>();
        Tensor::from_vec(out, (rows, outputs), &Device::Cpu)
    }

    /// Some rows of the weights in f32: embeddings of tokens.
    pub(super) fn rows(&self, numbers: &[u32]) -> Result<Tensor> {
        match self {
            Self::Device(weight) => {
                let index = Tensor::from_slice(numbers, numbers.len(), weight.device())?;
                weight.index_select(&index, 0)
            }
            Self::Stored(matrices) => {
                let [matrix] = matrices.as_slice() else {
                    candle_core::bail!("rows are taken from one matrix, not from several");
                };
                let rows = numbers.iter().map(|n| *n as usize);
                if let Some(row) = rows.clone().find(|row| *row >= matrix.rows()) {
                    candle_core::bail!("there is no row {row}, but {} rows", matrix.rows());
                }
                let shape = (numbers.len(), matrix.columns());
                Tensor::from_vec(matrix.values(rows), shape, &Device::Cpu)
            }
        }
    }

    /// The values of some consecutive outputs, behind one another.
    pub(super) fn values(&self, outputs: std::ops::Range<usize>) -> Result<Vec<f32>> {
        match self {
            Self::Device(weight) => {
                let rows = weight.narrow(0, outputs.start, outputs.len())?;
                rows.flatten_all()?.to_vec1()
            }
            Self::Stored(matrices) => {
                let mut values = Vec::new();
                let mut first = 0;
                for matrix in matrices {
                    let from = outputs.start.clamp(first, first + matrix.rows());
                    let to = outputs.end.clamp(first, first + matrix.rows());
                    values.extend(matrix.values(from - first..to - first));
                    first += matrix.rows();
                }
                Ok(values)
            }
        }
    }
}

/// A linear projection.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) weight: Weight,
    pub(super) bias: Option<Tensor>,
}

impl Linear {
    /// `x` times the transpose of the weights, and the bias.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.weight.product(x)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, columns: usize, salt: usize) -> Matrix {
        let value = |i: usize| ((i + salt) * 7919 % 1009) as f32 / 1009.0 - 0.5;
        Matrix::of_values((0..rows * columns).map(value).collect(), [rows, columns]).unwrap()
    }

    #[test]
    fn weights_on_a_device_give_what_stored_ones_give() {
        let parts = || vec![matrix(5, 24, 1), matrix(7, 24, 2)];
        let stored = Weight::new(parts(), &Device::Cpu).unwrap();
        let all = stored.values(0..12).unwrap();
        let on_device = Weight::Device(Tensor::from_vec(all, (12, 24), &Device::Cpu).unwrap());
        let x = Tensor::from_vec(matrix(3, 24, 3).values(0..3), (3, 24), &Device::Cpu).unwrap();
        let products = [&stored, &on_device].map(|w| w.product(&x).unwrap());
        let difference = (&products[0] - &products[1]).unwrap().abs().unwrap();
        assert!(difference.max_all().unwrap().to_scalar::<f32>().unwrap() < 1e-5);
        assert_eq!(
            stored.values(3..9).unwrap(),
            on_device.values(3..9).unwrap()
        );
    }

    #[test]
    fn rows_that_are_not_there_are_an_error() {
        let stored = Weight::new(vec![matrix(5, 24, 1)], &Device::Cpu).unwrap();
        let rows = stored.rows(&[4, 0]).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(rows[1], matrix(5, 24, 1).values(0..1));
        assert!(stored.rows(&[5]).is_err());
    }
}
