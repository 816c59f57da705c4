//! By tokens: whatever is read or written together gives what it gives alone.

use std::collections::BTreeMap;

use super::oracle::{NAMES, Oracle};
use super::{TOLERANCE, whole};
use crate::model::local::write::{Writing, write};
use crate::model::local::{Drawing, Drawn, Joining, LocalModel, Passage, Writer};
use crate::response::Finish;

fn drawing(seed: u8, max_tokens: usize) -> Drawing {
    Drawing {
        seed: [seed; 32],
        temperature: 1.0,
        top_p: 1.0,
        max_tokens,
        top: Some(2),
        stop: Vec::new(),
    }
}

/// Passages that share beginnings of several lengths, one of them twice.
fn passages(long: &[u32]) -> Vec<Passage> {
    [
        (40, 1),
        (41, 30),
        (12, 1),
        (90, 1),
        (40, 40),
        (1, 1),
        (9, 0),
        (40, 1),
    ]
    .into_iter()
    .map(|(length, from)| Passage {
        tokens: long[..length].to_vec(),
        from,
        top: 3,
        drawings: vec![drawing(1, 1), drawing(2, 1)],
    })
    .chain([Passage {
        tokens: [&long[..40], &long[50..60]].concat(),
        from: 41,
        ..Passage::default()
    }])
    .collect()
}

#[test]
fn passages_are_seen_as_in_a_text_read_alone() {
    for name in NAMES {
        let oracle = Oracle::read(name);
        let model = oracle.open_directory();
        let passages = passages(&oracle.sequences[1].tokens);
        let results = model.read_passages(&passages).unwrap();
        for (passage, result) in passages.iter().zip(&results) {
            let rows = whole(model.decoder(), &passage.tokens);
            let asked: Vec<u32> = result.seen.iter().map(|seen| seen.id).collect();
            let from = passage.from.max(1);
            assert_eq!(asked, passage.tokens[from..]);
            for (row, seen) in rows[from - 1..].iter().zip(&result.seen) {
                let own = row[seen.id as usize];
                assert!((own - seen.log_probability).abs() < TOLERANCE, "{name}");
                assert_eq!(seen.top.len(), passage.top);
                for (rank, (id, x)) in seen.top.iter().enumerate() {
                    assert!((row[*id as usize] - x).abs() < TOLERANCE, "{name}");
                    assert!(
                        *id != seen.id || rank + 1 == seen.rank,
                        "{name}: ties aside"
                    );
                }
            }
            assert_eq!(result.drawn.len(), passage.drawings.len());
            for drawn in &result.drawn {
                let row = &rows[passage.tokens.len() - 1];
                let own = row[drawn.tokens[0] as usize];
                assert!(
                    (own - drawn.seen[0].log_probability).abs() < TOLERANCE,
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn nothing_asked_gives_nothing() {
    let model = Oracle::read("mistral").open_directory();
    assert!(model.read_passages(&[]).unwrap().is_empty());
    let results = model.read_passages(&[Passage::default()]).unwrap();
    assert!(results[0].seen.is_empty() && results[0].drawn.is_empty());
    assert!(model.writer().is_empty());
    assert!(model.writer().complete().is_empty());
}

/// A sample of [`write`], which keeps the end token to itself.
fn alone(model: &LocalModel, prompt: &[u32], drawing: &Drawing) -> (Vec<u32>, Finish) {
    let writing = Writing {
        prompt: prompt.to_vec(),
        seeds: vec![drawing.seed],
        temperature: 1.0,
        max_tokens: drawing.max_tokens,
    };
    let mut sample = None;
    write(
        model.decoder(),
        &[writing],
        &|id| model.ends(id),
        &mut |_, _, written| {
            sample = Some((written.tokens, written.finish));
            std::ops::ControlFlow::Continue(())
        },
    )
    .unwrap();
    sample.unwrap()
}

fn finish(writer: &mut Writer<'_>, steps: usize, done: &mut BTreeMap<u64, Drawn>) {
    for _ in 0..steps {
        done.extend(writer.complete());
        if writer.is_empty() {
            return;
        }
        writer.step().unwrap();
    }
}

#[test]
fn samples_join_and_leave_and_are_those_written_alone() {
    let oracle = Oracle::read("mistral");
    let model = oracle.open_directory();
    let long = &oracle.sequences[1].tokens;
    let mut writer = model.writer();
    let mut done = BTreeMap::new();
    let plans: [(u64, &[u32], Drawing); 4] = [
        (1, &long[..30], drawing(5, 12)),
        (2, &long[..30], drawing(6, 20)),
        (3, &long[..9], drawing(7, 7)),
        (4, &long[..31], drawing(5, 9)),
    ];
    let start = |number: usize| {
        let (mark, prompt, drawing) = &plans[number];
        Joining {
            prompt,
            samples: vec![(*mark, drawing.clone())],
        }
    };
    writer.begin(vec![start(0), start(2)]).unwrap();
    finish(&mut writer, 3, &mut done);
    writer.begin(vec![start(1)]).unwrap();
    finish(&mut writer, 2, &mut done);
    let given_up = Joining {
        prompt: &long[..8],
        samples: vec![(9, drawing(1, 50))],
    };
    writer.begin(vec![start(3), given_up]).unwrap();
    writer.keep(&|mark| mark != 9);
    finish(&mut writer, 60, &mut done);
    assert_eq!(done.len(), 4);
    for (mark, prompt, drawing) in &plans {
        let drawn = &done[mark];
        let (tokens, finish) = alone(&model, prompt, drawing);
        assert_eq!(drawn.finish, finish);
        assert_eq!(drawn.tokens[..tokens.len()], tokens);
        assert_eq!(drawn.text, model.tokenizer().decode(&tokens));
        assert_eq!(drawn.seen.len(), drawn.tokens.len());
    }
}

#[test]
fn room_is_bounded_and_never_none_for_the_first() {
    let model = Oracle::read("mistral").open_directory();
    let writer = model.writer();
    assert_eq!(writer.room(&[], usize::MAX >> 20), 1);
    assert_eq!(writer.room(&[10], usize::MAX >> 20), 0);
    assert_eq!(writer.room(&[], 10), 64);
    assert_eq!(writer.room(&[10; 60], 10), 4);
    assert_eq!(writer.room(&[10; 64], 10), 0);
}
