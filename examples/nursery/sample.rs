//! Text written by a model, many documents at a time.

use candle_core::{DType, Device, Result, Tensor};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tokenizers::Tokenizer;

use crate::Outcome;
use crate::attention::{HEAD, Memory, attend_next};
use crate::data::{BOS, EOS, VOCABULARY};
use crate::loss::probabilities;
use crate::model::Model;
use crate::recipe::Writing;

/// Documents written side by side.
const BATCH: usize = 128;

/// Documents of `length` tokens by `model`.
pub(crate) fn documents(
    model: &Model,
    writing: &Writing,
    length: usize,
    random: &mut ChaCha8Rng,
) -> Outcome<Vec<Vec<u32>>> {
    let model = model.frozen()?;
    let wanted = writing.tokens.div_ceil(length);
    let mut documents = Vec::with_capacity(wanted);
    while documents.len() < wanted {
        let count = BATCH.min(wanted - documents.len());
        documents.extend(batch(
            &model,
            count,
            length,
            writing.temperature,
            None,
            random,
        )?);
    }
    Ok(documents)
}

/// The documents, all of one length, rewritten by `model`: each token is drawn anew with the probability
/// `rate` from what the model expects after the rewritten text so far.
pub(crate) fn rewritten(
    model: &Model,
    documents: &[Vec<u32>],
    rate: f64,
    random: &mut ChaCha8Rng,
) -> Outcome<Vec<Vec<u32>>> {
    let model = model.frozen()?;
    let mut rewritten = Vec::with_capacity(documents.len());
    for documents in documents.chunks(BATCH) {
        let length = documents.first().map_or(0, Vec::len);
        let kept = Some((documents, rate));
        rewritten.extend(batch(&model, documents.len(), length, 1.0, kept, random)?);
    }
    Ok(rewritten)
}

/// Documents as text.
pub(crate) fn texts(tokenizer: &Tokenizer, documents: &[Vec<u32>]) -> Outcome<Vec<String>> {
    let text = |tokens: &Vec<u32>| -> Outcome<String> {
        let text = tokenizer.decode(tokens, true)?;
        // The last character may have been cut off between its bytes.
        Ok(text.trim_end_matches('\u{fffd}').to_owned())
    };
    documents.iter().map(text).collect()
}

/// Documents written side by side; with documents to keep to, a token of theirs is drawn anew only at the
/// rate beside them.
pub(crate) fn batch(
    model: &Model,
    count: usize,
    length: usize,
    temperature: f32,
    kept: Option<(&[Vec<u32>], f64)>,
    random: &mut ChaCha8Rng,
) -> Result<Vec<Vec<u32>>> {
    let heads = model.shape.heads;
    let memory = vec![Memory::new(length); heads.keys * count];
    let mut memories = vec![memory; model.shape.layers];
    let mut documents = vec![Vec::with_capacity(length); count];
    let mut tokens = vec![BOS; count];
    for position in 0..length {
        let hidden = model.forward(&tokens, |layer, rows| {
            let rows = rows.flatten_all()?.to_vec1::<f32>()?;
            let mut out = vec![0.0; count * heads.queries * HEAD];
            for ((row, out), memories) in rows
                .chunks_exact(heads.width())
                .zip(out.chunks_exact_mut(heads.queries * HEAD))
                .zip(memories[layer].chunks_exact_mut(heads.keys))
            {
                attend_next(heads, &model.rope, row, position, memories, out);
            }
            Tensor::from_vec(out, (count, heads.queries * HEAD), &Device::Cpu)
        })?;
        let mut rows = model
            .logits(&hidden)?
            .to_dtype(DType::F32)?
            .flatten_all()?
            .to_vec1()?;
        for row in rows.chunks_exact_mut(VOCABULARY) {
            // Special tokens have no text: a document ends only where its length does.
            row[BOS as usize] = f32::NEG_INFINITY;
            row[EOS as usize] = f32::NEG_INFINITY;
        }
        probabilities(&mut rows, VOCABULARY, temperature);
        for (at, ((row, token), document)) in rows
            .chunks_exact(VOCABULARY)
            .zip(&mut tokens)
            .zip(&mut documents)
            .enumerate()
        {
            *token = match kept {
                Some((kept, rate)) if random.random::<f64>() >= rate => kept[at][position],
                _ => draw(row, random.random()),
            };
            document.push(*token);
        }
    }
    Ok(documents)
}

/// The token at which the running sum of probabilities passes `point`.
fn draw(probabilities: &[f32], mut point: f32) -> u32 {
    let mut last = 0;
    for (token, probability) in (0..).zip(probabilities) {
        if *probability > 0.0 {
            last = token;
            point -= probability;
            if point < 0.0 {
                break;
            }
        }
    }
    last
}
