//! What is done to finished weights: pruning and merging.

use candle_core::{Result, Tensor};

use crate::Outcome;
use crate::model::Model;

/// The model with that share of every matrix's weights set to zero, the smallest first.
pub(crate) fn pruned(model: &Model, share: f64) -> Outcome<Model> {
    if !(0.0..1.0).contains(&share) {
        return Err(format!("a share of {share} cannot be pruned").into());
    }
    Ok(model.map(&mut |tensor| {
        if tensor.rank() < 2 {
            return Ok(tensor.clone());
        }
        let mut sizes = tensor.abs()?.flatten_all()?.to_vec1::<f32>()?;
        sizes.sort_by(f32::total_cmp);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length"
        )]
        let least = sizes[(sizes.len() as f64 * share) as usize];
        let keep = tensor.abs()?.ge(least)?.to_dtype(tensor.dtype())?;
        tensor * keep
    })?)
}

/// The mean of two models of one shape, weight by weight.
pub(crate) fn mean(left: &Model, right: &Model) -> Outcome<Model> {
    let mut others: Vec<Tensor> = Vec::new();
    right.map(&mut |tensor| {
        others.push(tensor.clone());
        Ok(tensor.clone())
    })?;
    let mut others = others.into_iter();
    Ok(left.map(&mut |tensor| -> Result<Tensor> {
        let Some(other) = others.next() else {
            candle_core::bail!("the models to merge differ in depth");
        };
        (tensor + other)? / 2.0
    })?)
}
