//! llama.cpp as an engine: against transformers, against the own decoder, and against itself asked in other ways.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::oracle::{Oracle, large};
use super::{TOLERANCE, whole};
use crate::identity::Source;
use crate::model::Model as _;
use crate::model::local::documents::Document;
use crate::model::local::engine::Engine;
use crate::model::local::read::Reading;
use crate::model::local::simd;
use crate::model::local::tokenizer::{Reading as Markup, Start};
use crate::model::local::write::Writing;
use crate::model::local::{Drawing, EngineChoice, Joining, LocalModel, Options, Passage};

/// The files of `tests/data/llamacpp`, with whether the own decoder knows the architecture.
const NAMES: [(&str, bool); 6] = [
    ("llama", true),
    ("qwen3moe", true),
    ("deepseek-v3", false),
    ("glm4moe", false),
    ("gpt-oss", false),
    ("minimax-m2", false),
];

fn open(name: &str, engine: EngineChoice) -> LocalModel {
    let options = Options {
        engine,
        ..Options::default()
    };
    LocalModel::open(name, &large(&format!("{name}.gguf")), options).unwrap()
}

fn by_llamacpp(name: &str) -> LocalModel {
    open(name, EngineChoice::LlamaCpp)
}

/// Log-probabilities behind every token.
fn everywhere(model: &LocalModel, tokens: &[u32]) -> Vec<Vec<f64>> {
    let documents = [Document {
        tokens,
        wanted: 0..tokens.len(),
    }];
    let mut rows = Vec::new();
    let mut take = |_: usize, position: usize, logits: &[f32]| {
        assert_eq!(position, rows.len());
        let total = simd::log_sum_exp(logits);
        rows.push(logits.iter().map(|x| f64::from(*x) - total).collect());
    };
    model.engine.each_position(&documents, &mut take).unwrap();
    rows
}

#[test]
fn every_architecture_agrees_with_transformers() {
    for (name, _) in NAMES {
        let model = by_llamacpp(name);
        let oracle = Oracle::for_llamacpp(name);
        let worst = oracle.difference_of(&|tokens| everywhere(&model, tokens));
        eprintln!("{name}: {worst:.6} nats from transformers");
        assert!(worst < TOLERANCE, "{name}: {worst} nats from transformers");
    }
}

#[test]
fn what_the_own_decoder_does_not_know_goes_to_llamacpp() {
    for (name, known) in NAMES {
        let model = open(name, EngineChoice::Auto);
        assert_eq!(matches!(model.engine, Engine::Own(_)), known, "{name}");
        let Source::Weights { arithmetic, .. } = &model.identity().source else {
            panic!("not weights");
        };
        assert_eq!(
            arithmetic.starts_with("llama.cpp ("),
            !known,
            "{arithmetic}"
        );
        if known {
            let tokens = &Oracle::for_llamacpp(name).sequences[1].tokens;
            let ours = whole(model.decoder(), tokens);
            let theirs = everywhere(&by_llamacpp(name), tokens);
            assert!(super::largest_difference(&ours, &theirs) < TOLERANCE);
        }
    }
}

#[test]
fn readings_together_are_what_positions_say() {
    for (name, _) in NAMES {
        let model = by_llamacpp(name);
        let long = Oracle::for_llamacpp(name).sequences[1].tokens.clone();
        // A shared beginning, prompts of several lengths, texts of none, one and several tokens, more of them than a
        // context has room for at once.
        let texts: Vec<Vec<u32>> = (0..80).map(|n| long[n..n + n % 5].to_vec()).collect();
        let readings: Vec<Reading> = [30, 12, 45]
            .into_iter()
            .map(|length| Reading {
                prompt: long[..length].to_vec(),
                texts: texts.clone(),
                top: 4,
            })
            .collect();
        let mut found = Vec::new();
        let mut keep = |index: usize, result| {
            assert_eq!(index, found.len());
            found.push(result);
            ControlFlow::Continue(())
        };
        model.engine.read(&readings, &mut keep).unwrap();
        for (reading, result) in readings.iter().zip(&found) {
            for (text, scores) in reading.texts.iter().zip(&result.texts).skip(60) {
                let all = [&reading.prompt[..], text].concat();
                let rows = everywhere(&model, &all);
                assert_eq!(scores.len(), text.len());
                for (place, (token, score)) in text.iter().zip(scores).enumerate() {
                    let alone = rows[reading.prompt.len() + place - 1][*token as usize];
                    assert!((score - alone).abs() < TOLERANCE, "{name}: {score} {alone}");
                }
            }
            let rows = everywhere(&model, &reading.prompt);
            let last = rows.last().unwrap();
            let (id, most) = result.top[0];
            assert!((last[id as usize] - most).abs() < TOLERANCE);
            assert!(last.iter().all(|x| *x < most + TOLERANCE));
        }
    }
}

#[test]
fn passages_that_branch_are_what_they_are_alone() {
    let model = by_llamacpp("deepseek-v3");
    let long = Oracle::for_llamacpp("deepseek-v3").sequences[1]
        .tokens
        .clone();
    // Each goes on a little longer than the one before and then elsewhere: deeper than a context has texts.
    let passages: Vec<Passage> = (1..12)
        .map(|n| [&long[..9 * n], &long[n..n + 4]].concat())
        .chain((0..90).map(|n| [&long[..n], &[7, 8, 9]].concat()))
        .map(|tokens| Passage {
            tokens,
            from: 1,
            top: 2,
            drawings: Vec::new(),
        })
        .collect();
    let together = model.read_passages(&passages).unwrap();
    for (passage, read) in passages.iter().zip(&together) {
        let alone = model.read_passages(std::slice::from_ref(passage)).unwrap();
        assert_eq!(read.seen.len(), passage.tokens.len() - 1);
        for (seen, alone) in read.seen.iter().zip(&alone[0].seen) {
            assert_eq!(seen.id, alone.id);
            let difference = (seen.log_probability - alone.log_probability).abs();
            assert!(difference < TOLERANCE, "{difference}");
        }
    }
}

/// All samples, by writing and number.
fn written(model: &LocalModel, prompts: &[&[u32]]) -> BTreeMap<(usize, usize), Vec<u32>> {
    let writings: Vec<Writing> = prompts
        .iter()
        .map(|prompt| Writing {
            prompt: prompt.to_vec(),
            seeds: (0..70).map(|seed| [seed; 32]).collect(),
            temperature: 1.0,
            max_tokens: 12,
        })
        .collect();
    let mut all = BTreeMap::new();
    let mut done = |writing, sample, written: crate::model::local::write::Written| {
        all.insert((writing, sample), written.tokens);
        ControlFlow::Continue(())
    };
    let ends = |id: u32| id < 3;
    model.engine.write(&writings, &ends, &mut done).unwrap();
    all
}

#[test]
fn the_same_seeds_write_the_same_texts_again() {
    for (name, known) in NAMES {
        let long = Oracle::for_llamacpp(name).sequences[1].tokens.clone();
        let prompts: [&[u32]; 2] = [&long[..20], &long[..33]];
        let model = by_llamacpp(name);
        let texts = written(&model, &prompts);
        assert_eq!(texts.len(), 140);
        // Again, and by the file loaded anew.
        assert_eq!(written(&model, &prompts), texts, "{name}");
        assert_eq!(written(&by_llamacpp(name), &prompts), texts, "{name}");
        let seeds: std::collections::BTreeSet<_> = texts.values().collect();
        assert!(seeds.len() > 100, "{name}: samples are alike");
        if known {
            let own = written(&open(name, EngineChoice::Own), &prompts);
            let same = own.iter().filter(|(key, text)| texts[*key] == **text);
            // A draw at the edge between two tokens may fall on the other side.
            assert!(
                same.count() > 135,
                "{name}: other texts than the own decoder's"
            );
        }
    }
}

#[test]
fn the_same_questions_have_the_same_figures_to_the_last_bit() {
    for (name, _) in NAMES {
        let tokens = Oracle::for_llamacpp(name).sequences[1].tokens.clone();
        let first = everywhere(&by_llamacpp(name), &tokens);
        let again = everywhere(&by_llamacpp(name), &tokens);
        assert!(first == again, "{name}");
    }
}

#[test]
fn samples_join_and_leave_those_that_are_being_written() {
    let model = by_llamacpp("gpt-oss");
    let long = Oracle::for_llamacpp("gpt-oss").sequences[1].tokens.clone();
    let drawing = |seed: u8| Drawing {
        seed: [seed; 32],
        temperature: 1.0,
        top_p: 1.0,
        max_tokens: 10,
        top: Some(1),
        stop: Vec::new(),
    };
    let joining = |from: usize, marks: &[u8]| Joining {
        prompt: &long[from..from + 25],
        samples: marks.iter().map(|m| (u64::from(*m), drawing(*m))).collect(),
    };
    let finish = |writer: &mut crate::model::local::Writer<'_>| {
        let mut all = BTreeMap::new();
        while !writer.is_empty() {
            all.extend(writer.complete());
            writer.step().unwrap();
        }
        all
    };
    let mut writer = model.writer();
    writer.begin(vec![joining(0, &[1, 2, 3])]).unwrap();
    writer.step().unwrap();
    writer.keep(&|mark| mark != 2);
    writer
        .begin(vec![joining(5, &[4]), joining(0, &[5])])
        .unwrap();
    let together = finish(&mut writer);
    assert_eq!(together.keys().copied().collect::<Vec<_>>(), [1, 3, 4, 5]);
    for (mark, from) in [(1, 0), (3, 0), (4, 5), (5, 0)] {
        let mut writer = model.writer();
        writer.begin(vec![joining(from, &[mark])]).unwrap();
        let alone = finish(&mut writer);
        let mark = u64::from(mark);
        assert_eq!(together[&mark].tokens, alone[&mark].tokens, "{mark}");
    }
}

#[test]
fn a_tokenizer_that_is_not_known_here_is_read_by_llamacpp() {
    // The same length, so that nothing moves: a rule of cutting that llama.cpp knows and the own tokenizers do not.
    let mut file = std::fs::read(large("llama.gguf")).unwrap();
    let key = b"tokenizer.ggml.pre";
    let at = file.windows(key.len()).position(|w| w == key).unwrap() + key.len() + 12;
    assert_eq!(&file[at..at + 5], b"gpt-2");
    file[at..at + 5].copy_from_slice(b"bloom");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    std::fs::write(&path, file).unwrap();
    let model = LocalModel::open("m", &path, Options::default()).unwrap();
    assert!(matches!(model.engine, Engine::LlamaCpp(_)));
    let Source::Weights { tokenizer, .. } = &model.identity().source else {
        panic!("not weights");
    };
    assert_eq!(tokenizer, "llama-cpp");
    let known = by_llamacpp("llama");
    let (ours, theirs) = (known.tokenizer(), model.tokenizer());
    assert_eq!(ours.digest(), theirs.digest());
    assert_eq!(ours.end_ids(), theirs.end_ids());
    for text in ["The baker opens her shop.", "naïve <|im_end|> gulls"] {
        let plain = theirs.encode(text, Start::Document, Markup::Plain).unwrap();
        assert_eq!(theirs.decode(&plain), text.as_bytes());
    }
    let marked = theirs.encode_rendered("a<|im_end|>").unwrap();
    assert_eq!(marked, ours.encode_rendered("a<|im_end|>").unwrap());
    assert_eq!(marked.last(), Some(&2));
}
