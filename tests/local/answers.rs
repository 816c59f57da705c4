//! What is asked together, apart, in steps or by sampling gives one and the same distribution.

use std::collections::BTreeMap;

use parentage::identity::Served;
use parentage::model::Model as _;
use parentage::model::local::{LocalModel, Options};
use parentage::question::Request;
use parentage::response::{Finish, Response};

use super::oracle::Copy;
use super::{TEXT, TOLERANCE, ask, assert_same, many, next, of_token, question, score, scores};

#[test]
fn questions_get_the_same_answers_together_and_alone() {
    for name in ["llama", "mistral", "gemma3", "gpt2"] {
        let model = Copy::of(name).open().unwrap();
        // GPT-2 has learned 160 positions, the others take longer texts.
        let mut questions = many();
        questions.retain(|q| name != "gpt2" || q.prompt.text.len() < 100);
        let together = ask(&model, &questions);
        for (question, joint) in questions.iter().zip(&together) {
            let alone = ask(&model, std::slice::from_ref(question));
            assert_same(joint, &alone[0], TOLERANCE);
        }
    }
}

#[test]
fn a_score_is_the_sum_of_its_steps() {
    for name in ["llama", "gemma2", "smollm3", "neox"] {
        let model = Copy::of(name).open().unwrap();
        // No two letters of this text merge into one token.
        let text = "quoll bumps";
        let steps: Vec<_> = (0..text.len())
            .map(|i| next(&format!("{TEXT}{}", &text[..i])))
            .collect();
        let sum: f64 = ask(&model, &steps)
            .iter()
            .zip(text.split("").skip(1))
            .map(|(response, letter)| of_token(response, letter))
            .sum();
        let scored = scores(&ask(&model, &[score(TEXT, &[text])])[0])[0];
        assert_eq!(scored.tokens, text.len());
        let difference = (scored.log_probability.unwrap() - sum).abs();
        assert!(difference < TOLERANCE, "{name}: {difference} nats");
    }
}

#[test]
fn samples_are_as_frequent_as_their_probability() {
    let model = Copy::of("qwen3").open().unwrap();
    let count = 4000;
    let questions: Vec<_> = (0..count)
        .map(|sample| {
            let request = Request::Write {
                sample,
                max_tokens: 1,
            };
            question(TEXT, request)
        })
        .collect();
    let mut frequencies: BTreeMap<String, f64> = BTreeMap::new();
    for response in ask(&model, &questions) {
        let Response::Text { text, finish, .. } = response else {
            panic!("{response:?}");
        };
        assert!(finish == Finish::Length || text.is_empty());
        *frequencies.entry(text).or_default() += 1.0;
    }
    let Response::Next { top } = &ask(&model, &[next(TEXT)])[0] else {
        panic!("no distribution");
    };
    let mut common = 0;
    for token in top {
        let expected = token.log_probability.exp() * f64::from(u32::try_from(count).unwrap());
        let found = frequencies.get(&token.text).copied().unwrap_or(0.0);
        // Five standard deviations; with 130 tokens one test in ten thousand would fail by chance,
        // but the seed is fixed.
        let allowed = 5.0 * expected.sqrt() + 1.0;
        assert!(
            (found - expected).abs() < allowed,
            "{token:?}: {found} of {count}"
        );
        common += usize::from(expected > 100.0);
    }
    assert!(common > 2, "the distribution is too flat for this test");
}

#[test]
fn other_seeds_give_other_samples_and_the_same_seed_the_same() {
    let model = Copy::of("qwen2").open().unwrap();
    let write = |sample| {
        let max_tokens = 30;
        question(TEXT, Request::Write { sample, max_tokens })
    };
    let first = ask(&model, &[write(0), write(1)]);
    assert_ne!(first[0], first[1]);
    assert_eq!(
        ask(&model, &[write(1), write(0)]),
        [first[1].clone(), first[0].clone()]
    );
}

#[test]
fn what_does_not_fit_the_context_is_unavailable_and_the_rest_is_answered() {
    let model = Copy::of("gpt2").open().unwrap();
    let long = "x".repeat(155);
    let answers = ask(
        &model,
        &[
            score(&long, &["abcdef"]),
            score(&long, &["abcde"]),
            question(
                &long,
                Request::Write {
                    sample: 0,
                    max_tokens: 6,
                },
            ),
            question("", Request::Next { top: 3 }),
            score("short", &["abc"]),
        ],
    );
    for index in [0, 2, 3] {
        let Response::Unavailable { reason } = &answers[index] else {
            panic!("{:?}", answers[index]);
        };
        let expected = ["161 tokens", "", "161 tokens", "no tokens"][index];
        assert!(reason.contains(expected), "{reason}");
    }
    assert_eq!(scores(&answers[1])[0].tokens, 5);
    assert_eq!(scores(&answers[4])[0].tokens, 3);
}

#[test]
fn what_a_server_sets_is_in_the_answers_and_in_the_identity() {
    let copy = Copy::of("qwen3");
    let served = |served| {
        let options = Options {
            served,
            ..Options::default()
        };
        copy.open_as(options).unwrap()
    };
    let [plain, cooler, instructed] = Served::ALL.map(served);
    // A system prompt is read before the question: as if it had been asked with it.
    let system = Served::Instructed.system().unwrap();
    let asked = ask(&plain, &[next(&format!("{system}\n\n{TEXT}"))]);
    assert_eq!(ask(&instructed, &[next(TEXT)]), asked);
    assert_ne!(ask(&plain, &[next(TEXT)]), asked);
    // Temperature acts on what is drawn, not on the probabilities that are told.
    assert_eq!(ask(&cooler, &[next(TEXT)]), ask(&plain, &[next(TEXT)]));
    let draws: Vec<_> = (0..2000)
        .map(|sample| {
            let request = Request::Write {
                sample,
                max_tokens: 1,
            };
            question(TEXT, request)
        })
        .collect();
    let Response::Next { top } = &ask(&plain, &[next(TEXT)])[0] else {
        panic!("no distribution");
    };
    let (best, p) = (&top[0].text, top[0].log_probability.exp());
    let cooled: f64 = top.iter().map(|c| (c.log_probability / 0.7).exp()).sum();
    let expected = p.powf(1.0 / 0.7) / cooled;
    // Tokens that are no text of their own are drawn as well, but not named.
    let named = |text: &String| top.iter().any(|c| c.text == *text);
    let drawn: Vec<String> = ask(&cooler, &draws)
        .into_iter()
        .filter_map(|response| match response {
            Response::Text { text, .. } => Some(text).filter(named),
            _ => None,
        })
        .collect();
    let hits = drawn.iter().filter(|text| *text == best).count();
    let share = hits as f64 / drawn.len() as f64;
    let error = (expected * (1.0 - expected) / drawn.len() as f64).sqrt();
    assert!((share - expected).abs() < 4.0 * error, "{share} {expected}");
    let all: f64 = top.iter().map(|c| c.log_probability.exp()).sum();
    assert!((share - p / all).abs() > 4.0 * error, "{share} {}", p / all);
    let recorded = |model: &LocalModel| serde_json::to_value(model.identity()).unwrap();
    assert_eq!(recorded(&cooler)["source"]["served"], "cooler");
    assert!(recorded(&plain)["source"].get("served").is_none());
}
