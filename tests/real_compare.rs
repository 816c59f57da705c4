//! The whole job on two real models. Runs only when `PARENTAGE_REAL_MODELS` names the directory that
//! `scripts/fetch-real-models.sh` filled; otherwise it says that it was skipped.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of a test may fail; what was measured is worth showing"
)]

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use candle_core::Device;
use candle_core::quantized::{GgmlDType, QTensor, gguf_file};

fn models() -> Option<PathBuf> {
    let directory = std::env::var_os("PARENTAGE_REAL_MODELS").map(PathBuf::from);
    if directory.is_none() {
        println!("skipped: PARENTAGE_REAL_MODELS is not set");
    }
    directory
}

/// Writes a copy with every tensor in f32.
fn dequantise(from: &Path, to: &Path) {
    let mut reader = BufReader::new(File::open(from).unwrap());
    let content = gguf_file::Content::read(&mut reader).unwrap();
    let names: Vec<&String> = content.tensor_infos.keys().collect();
    let tensors: HashMap<&str, QTensor> = names
        .into_iter()
        .map(|name| {
            let quantised = content.tensor(&mut reader, name, &Device::Cpu).unwrap();
            let plain = quantised.dequantize(&Device::Cpu).unwrap();
            (
                name.as_str(),
                QTensor::quantize(&plain, GgmlDType::F32).unwrap(),
            )
        })
        .collect();
    let metadata: Vec<(&str, &gguf_file::Value)> = content
        .metadata
        .iter()
        .map(|(k, v)| (k.as_str(), v))
        .collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(k, v)| (*k, v)).collect();
    gguf_file::write(&mut File::create(to).unwrap(), &metadata, &tensors).unwrap();
}

fn finding(protected: &Path, suspect: &Path, out: &Path) -> serde_json::Value {
    let output = Command::cargo_bin("parentage")
        .unwrap()
        .args([
            "compare",
            "--json",
            "--quiet",
            "--tier",
            "quick",
            "--samples",
            "1",
        ])
        .arg("--protected")
        .arg(protected)
        .arg("--suspect")
        .arg(suspect)
        .arg("--out")
        .arg(out)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_dequantised_copy_is_the_same_model_and_another_family_is_not() {
    let Some(directory) = models() else { return };
    let out = tempfile::tempdir().unwrap();
    let smollm = directory.join("smollm2-135m-q4_1.gguf");
    let copy = out.path().join("smollm2-135m-f32.gguf");
    dequantise(&smollm, &copy);
    let same = finding(&smollm, &copy, out.path());
    println!(
        "SmolLM2 Q4_1 against its f32 copy: {}, {}",
        same["finding"], same["equality"]
    );
    assert_eq!(same["finding"], "same_model");
    let other = finding(
        &smollm,
        &directory.join("gemma-3-270m-q4_k_m.gguf"),
        out.path(),
    );
    println!(
        "SmolLM2 against Gemma 3: {}, {}",
        other["finding"], other["equality"]
    );
    for accusing in [
        "same_model",
        "weight_derivative",
        "distilled",
        "family",
        "related",
    ] {
        assert_ne!(other["finding"], accusing);
    }
}
