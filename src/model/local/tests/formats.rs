//! The same weights stored in other ways.

use std::fs::File;

use candle_core::quantized::{GgmlDType, QTensor, gguf_file};
use candle_core::{Device, Tensor};

use super::oracle::{Oracle, largest_difference};
use super::whole;
use crate::model::local::decoder::Decoder;
use crate::model::local::{LocalModel, Options};

/// The tensors of an oracle's GGUF form, written again as `change` says: other names, other values.
fn rewritten(
    oracle: &Oracle,
    change: impl Fn(&str, QTensor) -> Vec<(String, QTensor)>,
) -> LocalModel {
    let mut file = File::open(oracle.gguf()).unwrap();
    let content = gguf_file::Content::read(&mut file).unwrap();
    let mut names: Vec<&String> = content.tensor_infos.keys().collect();
    names.sort();
    let mut tensors = Vec::new();
    for name in names {
        let tensor = content.tensor(&mut file, name, &Device::Cpu).unwrap();
        tensors.extend(change(name, tensor));
    }
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("model.gguf");
    let metadata: Vec<(&str, &gguf_file::Value)> = content
        .metadata
        .iter()
        .map(|(k, v)| (k.as_str(), v))
        .collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(k, t)| (k.as_str(), t)).collect();
    let mut target = File::create(&path).unwrap();
    gguf_file::write(&mut target, &metadata, &tensors).unwrap();
    drop(target);
    LocalModel::open("rewritten", &path, Options::default()).unwrap()
}

fn difference(oracle: &Oracle, a: &Decoder, b: &Decoder) -> f64 {
    let sequences = oracle.sequences.iter();
    sequences
        .map(|s| largest_difference(&whole(a, &s.tokens), &whole(b, &s.tokens)))
        .fold(0.0, f64::max)
}

#[test]
fn experts_by_themselves_give_what_stacked_ones_give() {
    let oracle = Oracle::read("mixtral");
    let single = rewritten(&oracle, |name, tensor| {
        let Some(stem) = name.strip_suffix("_exps.weight") else {
            return vec![(name.to_owned(), tensor)];
        };
        let all = tensor.dequantize(&Device::Cpu).unwrap();
        (0..all.dim(0).unwrap())
            .map(|expert| {
                // The library quantises all that a view's tensor holds.
                let one = all.get(expert).unwrap();
                let values = one.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let one = Tensor::from_vec(values, one.shape(), &Device::Cpu).unwrap();
                let stored = QTensor::quantize(&one, tensor.dtype()).unwrap();
                (format!("{stem}.{expert}.weight"), stored)
            })
            .collect()
    });
    let stacked = oracle.open_gguf().unwrap();
    let found = difference(&oracle, single.decoder(), stacked.decoder());
    assert!(found == 0.0, "{found} nats");
}

#[test]
fn halves_give_what_the_same_values_in_f32_give_to_the_last_bit() {
    for name in ["llama", "qwen3", "mixtral", "neox", "gemma3"] {
        let oracle = Oracle::read(name);
        for format in [GgmlDType::F16, GgmlDType::BF16] {
            let stored_as = |format, tensor: &Tensor| QTensor::quantize(tensor, format).unwrap();
            // Norms and biases stay as they are.
            let matrices = |change: &dyn Fn(&Tensor) -> QTensor| {
                rewritten(&oracle, |name, tensor| {
                    let values = tensor.dequantize(&Device::Cpu).unwrap();
                    let matrix = values.rank() > 1;
                    let tensor = if matrix { change(&values) } else { tensor };
                    vec![(name.to_owned(), tensor)]
                })
            };
            let packed = matrices(&|values| stored_as(format, values));
            let widened = matrices(&|values| {
                let widened = stored_as(format, values).dequantize(&Device::Cpu);
                stored_as(GgmlDType::F32, &widened.unwrap())
            });
            let found = difference(&oracle, packed.decoder(), widened.decoder());
            assert!(found == 0.0, "{name} {format:?}: {found} nats");
        }
    }
}
