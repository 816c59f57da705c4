//! All forms of log-probabilities, and all that is not one.

use super::*;
use crate::model::hosted::wire::logprobs::{Shape, by_id, read, tuples};

fn entry(token: &str, bytes: &Value, logprob: &Value) -> Value {
    json!({"token": token, "bytes": bytes, "logprob": logprob})
}

fn firsts(value: &Value) -> (Shape, Vec<(String, f64)>, usize) {
    let read = read(Some(value));
    let (continuations, left_out) = read.positions[0].continuations(20);
    let pairs = continuations
        .into_iter()
        .map(|one| (one.text, one.log_probability));
    (read.shape, pairs.collect(), left_out)
}

fn pairs(pairs: &[(&str, f64)]) -> Vec<(String, f64)> {
    let pairs = pairs
        .iter()
        .map(|(text, number)| ((*text).to_owned(), *number));
    pairs.collect()
}

#[test]
fn what_is_absent_in_any_form_is_absent() {
    for value in [
        json!(null),
        json!({}),
        json!([]),
        json!({"content": null}),
        json!({"content": []}),
        json!({"content": null, "refusal": null}),
        json!({"tokens": []}),
        json!({"chosenCandidates": [], "topCandidates": []}),
        json!("yes"),
        json!(true),
        json!([1, null, "x"]),
    ] {
        let read = read(Some(&value));
        assert_eq!(
            (read.shape, read.positions.len()),
            (Shape::Absent, 0),
            "{value}"
        );
    }
    assert_eq!(read(None).shape, Shape::Absent);
    assert_eq!(tuples(None, None).shape, Shape::Absent);
    assert_eq!(by_id(None, &[1]), None);
}

#[test]
fn tokens_with_alternatives_are_sorted_and_cut_to_what_was_asked() {
    let top = json!([
        entry(" b", &json!([32, 98]), &json!(-2.0)),
        entry(" a", &json!([32, 97]), &json!(-0.5)),
        entry(" c", &json!(null), &json!(-3.0)),
    ]);
    let value =
        json!({"content": [{"token": " b", "bytes": null, "logprob": -2.0, "top_logprobs": top}]});
    let (shape, all, left_out) = firsts(&value);
    assert_eq!((shape, left_out), (Shape::Content, 0));
    assert_eq!(all, pairs(&[(" a", -0.5), (" b", -2.0), (" c", -3.0)]));
    let read = read(Some(&value));
    assert_eq!(read.positions[0].continuations(2).0.len(), 2);
    assert_eq!(read.positions[0].continuations(0).0, []);
    // Ollama and llama.cpp give the list itself.
    assert_eq!(firsts(&value["content"]).1, all);
}

#[test]
fn censored_infinite_and_impossible_numbers_are_left_out() {
    let top = json!([
        entry("a", &json!([97]), &json!(-0.1)),
        entry("b", &json!([98]), &json!(-9999.0)),
        entry("c", &json!([99]), &json!(null)),
        entry("d", &json!([100]), &json!("-Infinity")),
        entry("e", &json!([101]), &json!(3.5)),
        entry("f", &json!([102]), &json!(-1e300)),
        json!({"token": "g", "bytes": [103]}),
    ]);
    let value = json!([{"token": "a", "logprob": -0.1, "top_logprobs": top}]);
    let (_, all, left_out) = firsts(&value);
    assert_eq!((all, left_out), (pairs(&[("a", -0.1)]), 6));
    // Rounding may put a certain token a little above 0.
    let value = json!([{"token": "a", "logprob": 0, "top_logprobs": [entry("a", &json!([97]), &json!(1e-7))]}]);
    assert_eq!(firsts(&value).1, pairs(&[("a", 0.0)]));
}

#[test]
fn tokens_that_are_not_whole_characters_or_not_text_are_left_out() {
    let top = json!([
        entry("\u{fffd}", &json!([0xe2, 0x82]), &json!(-1.0)),
        entry("\u{fffd}", &json!(null), &json!(-1.0)),
        entry("", &json!([0xac]), &json!(-1.0)),
        entry("", &json!([]), &json!(-1.0)),
        entry("", &json!(null), &json!(-1.0)),
        entry("token_id:5", &json!(null), &json!(-1.0)),
        entry("<|im_end|>", &json!([]), &json!(-1.0)),
        entry("</s>", &json!(null), &json!(-1.0)),
        entry("x", &json!([300]), &json!(-1.5)),
        // The bytes count, not the text.
        entry("?", &json!([0xc3, 0xa9]), &json!(-2.0)),
    ]);
    let value = json!([{"token": "a", "logprob": -0.1, "top_logprobs": top}]);
    let (_, all, left_out) = firsts(&value);
    assert_eq!(
        (all, left_out),
        (pairs(&[("x", -1.5), ("\u{e9}", -2.0)]), 8)
    );
}

#[test]
fn entries_without_alternatives_name_none() {
    let read = read(Some(&json!({"content": [{"token": "A", "logprob": -0.2}]})));
    assert_eq!(read.shape, Shape::Content);
    assert_eq!(read.positions[0].chosen.log_probability, Some(-0.2));
    assert!(read.positions[0].top.is_empty());
}

#[test]
fn parallel_lists_are_read_however_much_of_them_there_is() {
    let value = json!({
        "tokens": ["a", "b"],
        "token_logprobs": [null, -1.0],
        "top_logprobs": [null, {"b": -1.0, "c": -2.0, "bytes:\\xe2\\x82": -3.0, "bytes: \\xc3\\xa9": -4.0}],
        "text_offset": [0, 1],
    });
    let read = read(Some(&value));
    assert_eq!(
        (read.shape, read.offsets.as_slice()),
        (Shape::Legacy, &[0, 1][..])
    );
    let chosen: Vec<Option<f64>> = read
        .positions
        .iter()
        .map(|p| p.chosen.log_probability)
        .collect();
    assert_eq!(chosen, [None, Some(-1.0)]);
    let (all, left_out) = read.positions[1].continuations(5);
    let texts: Vec<&str> = all.iter().map(|one| one.text.as_str()).collect();
    assert_eq!((texts, left_out), (vec!["b", "c", " \u{e9}"], 1));
    // Together gives the first two lists only; lists may be short.
    let short = crate::model::hosted::wire::logprobs::read(Some(
        &json!({"tokens": ["a", "b"], "token_logprobs": [-1.0]}),
    ));
    assert_eq!(short.positions.len(), 2);
    assert_eq!(short.positions[1].chosen.log_probability, None);
    assert!(short.offsets.is_empty());
}

#[test]
fn maps_by_id_belong_to_the_ids_that_were_sent() {
    let value = json!([
        null,
        {"5": {"logprob": -1.5, "rank": 2, "decoded_token": " b"}, "9": {"logprob": -0.5, "rank": 1, "decoded_token": " a"}},
        {"9": {"logprob": -0.5, "rank": 1, "decoded_token": " a"}},
    ]);
    let read = by_id(Some(&value), &[1, 5, 7]).unwrap();
    let chosen: Vec<Option<f64>> = read
        .positions
        .iter()
        .map(|p| p.chosen.log_probability)
        .collect();
    assert_eq!(chosen, [None, Some(-1.5), None]);
    assert_eq!(read.positions[1].chosen.bytes.as_deref(), Some(&b" b"[..]));
    assert_eq!(
        by_id(Some(&value), &[1, 5]),
        None,
        "another number of tokens"
    );
    assert_eq!(by_id(Some(&json!({})), &[]), None);
}

#[test]
fn triples_keep_what_they_have() {
    let chosen = json!([[null, 1, null], [-0.5, 2, " a"], [-0.7, 3]]);
    let top = json!([null, [[-0.5, 2, " a"], [-9999.0, 4, " z"]]]);
    let read = tuples(Some(&chosen), Some(&top));
    assert_eq!((read.shape, read.positions.len()), (Shape::Tuples, 3));
    assert_eq!(read.positions[1].continuations(5).0.len(), 1);
    assert_eq!(read.positions[2].chosen.bytes, None);
    assert_eq!(read.positions[2].chosen.log_probability, Some(-0.7));
}

#[test]
fn candidates_may_lack_the_chosen_one() {
    let value = json!({
        "chosenCandidates": [{"token": "C", "tokenId": 3, "logProbability": -4.0}],
        "topCandidates": [{"candidates": [
            {"token": "A", "tokenId": 1, "logProbability": -0.1},
            {"token": "B", "tokenId": 2, "logProbability": -3.0},
        ]}],
    });
    let (shape, all, _) = firsts(&value);
    assert_eq!(
        (shape, all),
        (Shape::Candidates, pairs(&[("A", -0.1), ("B", -3.0)]))
    );
    let without = json!({"topCandidates": [{"candidates": []}]});
    assert_eq!(read(Some(&without)).positions.len(), 1);
}

#[test]
fn probabilities_become_logarithms() {
    let value = json!([{"token": "a", "prob": 0.5, "top_probs": [
        {"id": 1, "token": "a", "bytes": [97], "prob": 0.5},
        {"id": 2, "token": "b", "bytes": [98], "prob": 0.0},
    ]}]);
    let (_, all, left_out) = firsts(&value);
    assert_eq!((all, left_out), (pairs(&[("a", 0.5_f64.ln())]), 1));
}
