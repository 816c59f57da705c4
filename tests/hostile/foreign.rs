//! Files that are often taken for a model, and models in more than one file.

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use candle_core::Device;
use candle_core::quantized::gguf_file::{self, Value};
use parentage::model::local::{Foreign, LocalError, LocalModel, Options};

use super::oracle::{self, Copy, WEIGHTS};
use super::{cause, open, refused};

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";

#[test]
fn pointers_and_pages_are_called_so_in_every_file() {
    for file in [WEIGHTS, "tokenizer.json", "config.json"] {
        for (text, what) in [
            (POINTER, Foreign::LfsPointer),
            ("<!DOCTYPE html>\n<html>", Foreign::Html),
        ] {
            let copy = Copy::of("llama");
            fs::write(copy.path(file), text).unwrap();
            let error = refused(copy.open(), &[file]);
            let LocalError::Foreign { what: found, .. } = cause(&error) else {
                panic!("{file}: {error:?}")
            };
            assert_eq!(*found, what, "{file}");
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let gguf = directory.path().join("model.gguf");
    fs::write(&gguf, POINTER).unwrap();
    refused(open(&gguf), &["model.gguf", "Git LFS pointer"]);
}

#[test]
fn pickles_adapters_and_single_files_are_called_what_they_are() {
    let copy = Copy::of("llama");
    fs::remove_file(copy.path(WEIGHTS)).unwrap();
    fs::write(copy.path("pytorch_model.bin"), b"PK\x03\x04").unwrap();
    refused(copy.open(), &["pytorch_model.bin", "pickle"]);
    refused(open(&copy.path("pytorch_model.bin")), &["pickle"]);

    let adapter = tempfile::tempdir().unwrap();
    let config = r#"{"base_model_name_or_path": "org/base"}"#;
    fs::write(adapter.path().join("adapter_config.json"), config).unwrap();
    fs::write(
        adapter.path().join("adapter_model.safetensors"),
        b"\x02\0\0\0\0\0\0\0{}",
    )
    .unwrap();
    refused(open(adapter.path()), &["an adapter of 'org/base'"]);

    let file = oracle::folder().join("llama").join(WEIGHTS);
    refused(open(&file), &["safetensors file without its directory"]);

    let files = tempfile::tempdir().unwrap();
    for name in ["b.gguf", "a.gguf"] {
        fs::write(files.path().join(name), b"GGUF").unwrap();
    }
    refused(
        open(files.path()),
        &["a directory of GGUF files: a.gguf, b.gguf"],
    );

    for prefix in ["_orig_mod.", "base_model.model."] {
        let copy = Copy::of("llama").reweigh(|tensors| {
            let renamed = std::mem::take(tensors)
                .into_iter()
                .map(|(name, tensor)| (format!("{prefix}{name}"), tensor));
            tensors.extend(renamed);
        });
        refused(copy.open(), &["names begin with", prefix]);
    }
}

#[test]
fn a_gguf_file_needs_no_ending() {
    let directory = tempfile::tempdir().unwrap();
    let blob = directory.path().join("sha256-0123");
    fs::copy(oracle::folder().join("llama/model.gguf"), &blob).unwrap();
    open(&blob).unwrap();
}

/// Cuts the llama oracle into three files, the metadata in the first.
fn split(directory: &Path) -> [std::path::PathBuf; 3] {
    let path = oracle::folder().join("llama/model.gguf");
    let mut file = Cursor::new(fs::read(path).unwrap());
    let content = gguf_file::Content::read(&mut file).unwrap();
    let names: BTreeSet<&String> = content.tensor_infos.keys().collect();
    [0usize, 1, 2].map(|part| {
        let mut values = content.metadata.clone();
        if part > 0 {
            values.clear();
        }
        values.insert("split.count".to_owned(), Value::U16(3));
        let tensors: Vec<_> = names
            .iter()
            .enumerate()
            .filter(|(i, _)| i % 3 == part)
            .map(|(_, name)| {
                (
                    *name,
                    content.tensor(&mut file, name, &Device::Cpu).unwrap(),
                )
            })
            .collect();
        let values: Vec<_> = values.iter().map(|(k, v)| (k.as_str(), v)).collect();
        let tensors: Vec<_> = tensors.iter().map(|(k, t)| (k.as_str(), t)).collect();
        let mut bytes = Cursor::new(Vec::new());
        gguf_file::write(&mut bytes, &values, &tensors).unwrap();
        let path = directory.join(format!("m-{:05}-of-00003.gguf", part + 1));
        fs::write(&path, bytes.get_ref()).unwrap();
        path
    })
}

#[test]
fn a_model_in_several_gguf_files_is_read_whole_or_its_gap_named() {
    let directory = tempfile::tempdir().unwrap();
    let parts = split(directory.path());
    for part in &parts {
        open(part).unwrap();
    }
    let renamed = directory.path().join("first.gguf");
    fs::copy(&parts[0], &renamed).unwrap();
    refused(open(&renamed), &["one of 3 parts"]);
    fs::remove_file(&parts[1]).unwrap();
    let error = refused(
        open(&parts[0]),
        &["m-00002-of-00003.gguf", "one of the 3 files"],
    );
    assert!(matches!(cause(&error), LocalError::MissingPart { .. }));
}

#[test]
fn a_number_format_that_is_not_read_is_named() {
    let mut file = fs::read(oracle::folder().join("llama/model.gguf")).unwrap();
    let name = "blk.0.attn_q.weight";
    let at = file
        .windows(name.len())
        .position(|w| w == name.as_bytes())
        .unwrap();
    // Behind the name: dimensions (u32), two sizes (u64 each), then the type.
    let at = at + name.len() + 20;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.gguf");
    for (number, format) in [
        (20u32, "IQ4_NL"),
        (34, "TQ1_0"),
        (39, "MXFP4"),
        (77, "number 77"),
    ] {
        file[at..at + 4].copy_from_slice(&number.to_le_bytes());
        fs::write(&path, &file).unwrap();
        let error = refused(open(&path), &[format, "is not supported"]);
        assert!(matches!(cause(&error), LocalError::Format { .. }));
    }
}

#[test]
fn a_template_that_does_not_parse_is_an_error_with_its_place() {
    let copy = Copy::of("llama");
    fs::write(copy.path("chat_template.jinja"), "a\n{% if messages").unwrap();
    let error = refused(copy.open(), &["chat template", "(in chat:2)"]);
    assert!(matches!(cause(&error), LocalError::Template(_)));
    let path = copy.path("config.json");
    let abilities = LocalModel::abilities_of("m", path.parent().unwrap(), Options::default());
    abilities.unwrap_err();
}
