//! Losses: logits become their own gradient in place, so that no copy of them is ever made.

use std::cell::Cell;

use candle_core::{CpuStorage, InplaceOp1, InplaceOp2, Layout, Result, bail};

use crate::vector::{softmax, values, wide, wide_dot};

/// Turns logits in place into the gradient of the mean cross-entropy, and keeps that mean.
#[derive(Debug)]
pub(crate) struct CrossEntropy<'a> {
    pub(crate) targets: &'a [u32],
    pub(crate) loss: Cell<f64>,
}

impl InplaceOp1 for CrossEntropy<'_> {
    fn name(&self) -> &'static str {
        "nursery-cross-entropy"
    }

    fn cpu_fwd(&self, logits: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (count, width) = layout.shape().dims2()?;
        let logits = whole(logits, layout)?;
        let scale = 1.0 / count as f32;
        let mut loss = 0.0;
        wide(
            #[inline(always)]
            || {
                for (row, target) in logits.chunks_exact_mut(width).zip(self.targets) {
                    let target = *target as usize;
                    let score = row[target];
                    loss += f64::from(softmax(row) - score);
                    row[target] -= 1.0;
                    for value in row {
                        *value *= scale;
                    }
                }
            },
        );
        self.loss.set(loss / count as f64);
        Ok(())
    }
}

/// Turns logits in place into the gradient of their mean divergence from the teacher's.
#[derive(Debug, Default)]
pub(crate) struct Divergence {
    pub(crate) loss: Cell<f64>,
}

impl InplaceOp2 for Divergence {
    fn name(&self) -> &'static str {
        "nursery-divergence"
    }

    fn cpu_fwd(
        &self,
        logits: &mut CpuStorage,
        layout: &Layout,
        teacher: &CpuStorage,
        teacher_layout: &Layout,
    ) -> Result<()> {
        let (count, width) = layout.shape().dims2()?;
        let logits = whole(logits, layout)?;
        let teacher = values(teacher, teacher_layout)?;
        let scale = 1.0 / count as f32;
        let mut wanted = vec![0.0; width];
        let mut loss = 0.0;
        wide(
            #[inline(always)]
            || {
                for (row, teacher) in logits
                    .chunks_exact_mut(width)
                    .zip(teacher.chunks_exact(width))
                {
                    wanted.copy_from_slice(teacher);
                    let of_teacher = softmax(&mut wanted);
                    // The two expectations differ by the divergence, up to both normalisers.
                    let expected = wide_dot(&wanted, teacher) - wide_dot(&wanted, row);
                    loss += f64::from(expected - of_teacher + softmax(row));
                    for (value, wanted) in row.iter_mut().zip(&wanted) {
                        *value = (*value - wanted) * scale;
                    }
                }
            },
        );
        self.loss.set(loss / count as f64);
        Ok(())
    }
}

fn whole<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&mut values[start..end]),
        _ => bail!("the nursery's losses need contiguous F32 logits"),
    }
}

/// Probabilities of each row of logits, in place, for drawing from.
pub(crate) fn probabilities(logits: &mut [f32], width: usize, temperature: f32) {
    let scale = 1.0 / temperature;
    wide(
        #[inline(always)]
        || {
            for row in logits.chunks_exact_mut(width) {
                for value in row.iter_mut() {
                    *value *= scale;
                }
                softmax(row);
            }
        },
    );
}
