//! What is written with caches is drawn from the distributions that reading gives.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::oracle::{NAMES, Oracle};
use super::whole;
use crate::model::local::decoder::Decoder;
use crate::model::local::write::{Writing, Written, write};
use crate::response::Finish;

fn seed(number: u8) -> [u8; 32] {
    [number; 32]
}

fn samples(
    decoder: &Decoder,
    writings: &[Writing],
    ends: &dyn Fn(u32) -> bool,
) -> BTreeMap<(usize, usize), Written> {
    let mut all = BTreeMap::new();
    write(decoder, writings, ends, &mut |place, number, written| {
        assert!(all.insert((place, number), written).is_none());
        ControlFlow::Continue(())
    })
    .unwrap();
    all
}

/// The token at `point` of a cumulative distribution, and the distance to the nearest border.
fn drawn(distribution: &[f64], point: f64) -> (usize, f64) {
    let mut below = 0.0;
    for (id, x) in distribution.iter().enumerate() {
        let above = below + x.exp();
        if point < above {
            return (id, (point - below).min(above - point));
        }
        below = above;
    }
    (distribution.len() - 1, 0.0)
}

#[test]
fn every_written_token_is_the_one_that_reading_would_draw() {
    for name in NAMES {
        let oracle = Oracle::read(name);
        let model = oracle.open_directory();
        let decoder = model.decoder();
        let long = &oracle.sequences[1].tokens;
        // Prompts within and beyond windows and blocks, written at the same time.
        let writings: Vec<Writing> = [(3, 12), (40, 12), (125, 9)]
            .into_iter()
            .map(|(prompt, max_tokens)| Writing {
                prompt: long[..prompt].to_vec(),
                seeds: vec![seed(1), seed(2), seed(3)],
                temperature: 1.0,
                max_tokens,
            })
            .collect();
        let written = samples(decoder, &writings, &|_| false);
        assert_eq!(written.len(), 9);
        for ((place, number), sample) in &written {
            let writing = &writings[*place];
            assert_eq!(sample.tokens.len(), writing.max_tokens);
            assert_eq!(sample.finish, Finish::Length);
            let full = [writing.prompt.as_slice(), &sample.tokens].concat();
            let rows = whole(decoder, &full);
            let mut rng = ChaCha8Rng::from_seed(writing.seeds[*number]);
            for (row, token) in rows[writing.prompt.len() - 1..].iter().zip(&sample.tokens) {
                let (expected, distance) = drawn(row, rng.random());
                assert!(
                    expected == *token as usize || distance < 1e-5,
                    "{name}: wrote {token}, reading draws {expected}"
                );
            }
        }
    }
}

#[test]
fn samples_do_not_depend_on_what_else_is_written() {
    let oracle = Oracle::read("mistral");
    let model = oracle.open_directory();
    let decoder = model.decoder();
    let long = &oracle.sequences[1].tokens;
    let writing = |prompt: usize, seeds: &[u8]| Writing {
        prompt: long[..prompt].to_vec(),
        seeds: seeds.iter().map(|s| seed(*s)).collect(),
        temperature: 1.0,
        max_tokens: 20,
    };
    let ends = |id| id < 40;
    let alone = samples(decoder, &[writing(30, &[5])], &ends);
    let seeds: Vec<u8> = (0..70).collect();
    let many = samples(
        decoder,
        &[writing(9, &seeds), writing(30, &[7, 5]), writing(31, &[5])],
        &ends,
    );
    assert_eq!(many.len(), 73);
    assert_eq!(alone[&(0, 0)], many[&(1, 1)]);
    for written in many.values() {
        assert!(written.tokens.iter().all(|t| !ends(*t)));
        let full = written.tokens.len() == 20;
        assert_eq!(full, written.finish == Finish::Length, "{written:?}");
    }
    assert!(many.values().any(|w| w.finish == Finish::Stop));
}
