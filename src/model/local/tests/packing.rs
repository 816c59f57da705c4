//! However a text is cut, batched or stepped through, it gives the same numbers.

use super::oracle::{NAMES, Oracle, largest_difference};
use super::{distributions, normalised, whole};
use crate::model::local::attention::{BLOCK, Cache, Pack, Past};
use crate::model::local::decoder::Decoder;
use crate::model::local::read::{Reading, ReadingResult, read};

/// What another grouping of the same float32 sums may change, in nats.
const TOLERANCE: f64 = 1e-4;

/// A text longer than a block of queries and than every window, within the decoder's context.
fn long_text(oracle: &Oracle, decoder: &Decoder) -> Vec<u32> {
    let tokens = oracle.sequences.iter().flat_map(|s| &s.tokens);
    let length = decoder.spec().context.min(2 * BLOCK - 3);
    let text: Vec<u32> = tokens.copied().cycle().take(length).collect();
    assert!(text.len() > BLOCK + 10);
    text
}

/// The distributions after every token of a text that is fed to a cache in runs of these lengths.
fn cached(decoder: &Decoder, tokens: &[u32], runs: impl Iterator<Item = usize>) -> Vec<Vec<f64>> {
    let cache = Cache::new(decoder.spec(), tokens.len(), decoder.device()).unwrap();
    let mut caches = [cache];
    let (mut rows, mut at) = (Vec::new(), 0);
    for run in runs {
        let until = (at + run).min(tokens.len());
        if until == at {
            break;
        }
        let mut pack = Pack::default();
        pack.push(&tokens[at..until], at, Past::Cache(0));
        let hidden = decoder.hidden(&pack, &mut caches).unwrap();
        rows.extend(normalised(decoder, &hidden, until - at));
        at = until;
    }
    assert_eq!(at, tokens.len());
    rows
}

#[test]
fn a_long_text_reads_as_one_token_at_a_time() {
    for name in NAMES {
        let oracle = Oracle::read(name);
        let model = oracle.open_directory();
        let decoder = model.decoder();
        let text = long_text(&oracle, decoder);
        let expected = whole(decoder, &text);
        let stepped = cached(decoder, &text, std::iter::repeat(1));
        let worst = largest_difference(&expected, &stepped);
        eprintln!("{name}: {worst:.6} nats between whole and stepped");
        assert!(worst < TOLERANCE, "{name}: {worst} nats, stepped");
        // Runs that begin and end around windows (8) and blocks (128).
        let runs = [7, 1, 8, 9, BLOCK - 26, 2, BLOCK + 1].into_iter();
        let worst = largest_difference(&expected, &cached(decoder, &text, runs));
        assert!(worst < TOLERANCE, "{name}: {worst} nats, in runs");
    }
}

#[test]
fn a_text_in_chained_segments_reads_as_in_one_piece() {
    for name in NAMES {
        let oracle = Oracle::read(name);
        let model = oracle.open_directory();
        let decoder = model.decoder();
        let text = long_text(&oracle, decoder);
        let expected = whole(decoder, &text);
        for cuts in [[1, 2], [7, 9], [8, 136], [127, 128], [129, 137]] {
            let [first, second] = cuts;
            let mut pack = Pack::default();
            // Another text in front, so that rows of the pack are not positions of the text.
            pack.push(&oracle.sequences[0].tokens, 0, Past::Empty);
            let head = pack.push(&text[..first], 0, Past::Empty);
            let middle = pack.push(&text[first..second], first, Past::Segment(head));
            // A sibling that shares the head must not be seen by the tail.
            pack.push(&text[..20], first, Past::Segment(head));
            pack.push(&text[second..], second, Past::Segment(middle));
            let rows = distributions(decoder, &pack);
            let before = oracle.sequences[0].tokens.len();
            let mut ours = rows[before..before + second].to_vec();
            ours.extend_from_slice(&rows[before + second + 20..]);
            let worst = largest_difference(&expected, &ours);
            assert!(worst < TOLERANCE, "{name}, cut at {cuts:?}: {worst} nats");
        }
    }
}

fn answers(decoder: &Decoder, readings: &[Reading]) -> Vec<ReadingResult> {
    let mut results = Vec::new();
    read(decoder, readings, &mut |index, result| {
        assert_eq!(index, results.len());
        results.push(result);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(results.len(), readings.len());
    results
}

/// Prompts that share beginnings of several lengths, each with texts of several lengths.
fn readings(oracle: &Oracle) -> Vec<Reading> {
    let [short, long] = [0, 1].map(|i| oracle.sequences[i].tokens.as_slice());
    let texts = |from: usize| {
        vec![
            long[from..from + 3].to_vec(),
            long[from..from + 4].to_vec(),
            vec![long[from]],
            Vec::new(),
            short[..12].to_vec(),
        ]
    };
    [
        (&long[..40], 2),
        (&long[..40], 30),
        (&long[..41], 5),
        (&long[..12], 7),
        (&long[..140], 9),
    ]
    .into_iter()
    .map(|(prompt, from)| Reading {
        prompt: prompt.to_vec(),
        texts: texts(from),
        top: 4,
    })
    .collect()
}

#[test]
fn readings_give_the_same_alone_together_and_token_by_token() {
    for name in NAMES {
        let oracle = Oracle::read(name);
        let model = oracle.open_directory();
        let decoder = model.decoder();
        let readings = readings(&oracle);
        let together = answers(decoder, &readings);
        for (reading, joint) in readings.iter().zip(&together) {
            let alone = &answers(decoder, std::slice::from_ref(reading))[0];
            let worst = largest_difference(&joint.texts, &alone.texts);
            assert!(worst < TOLERANCE, "{name}: {worst} nats, batched or alone");
            for ((id, x), (other, y)) in joint.top.iter().zip(&alone.top) {
                assert!(id == other && (x - y).abs() < TOLERANCE, "{name}: tops");
            }
            for (text, scores) in reading.texts.iter().zip(&joint.texts) {
                let full = [reading.prompt.as_slice(), text].concat();
                let rows = whole(decoder, &full[..full.len() - 1]);
                let steps: Vec<f64> = (0..text.len())
                    .map(|i| rows[reading.prompt.len() - 1 + i][text[i] as usize])
                    .collect();
                let worst = largest_difference(&[steps], std::slice::from_ref(scores));
                assert!(worst < TOLERANCE, "{name}: {worst} nats, token by token");
            }
        }
    }
}

#[test]
fn readings_beyond_one_pack_lose_and_mix_nothing() {
    let oracle = Oracle::read("gemma3");
    let model = oracle.open_directory();
    let decoder = model.decoder();
    let long = &oracle.sequences[1].tokens;
    let readings: Vec<Reading> = (0..40)
        .map(|i| Reading {
            prompt: long[i % 7..60 + i].to_vec(),
            texts: vec![long[i..i + 9].to_vec()],
            top: 0,
        })
        .collect();
    let together = answers(decoder, &readings);
    for (reading, joint) in readings.iter().zip(&together) {
        let alone = &answers(decoder, std::slice::from_ref(reading))[0];
        assert!(largest_difference(&joint.texts, &alone.texts) < TOLERANCE);
    }
}
