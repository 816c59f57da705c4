//! Files that nobody should be able to do harm with.

use super::*;

#[test]
fn what_is_wrong_is_named_by_file_line_and_field() {
    let fine = r#"{"model":"m","prompt":"p","answer":"a"}"#;
    for (line, words) in [
        (
            r#"{"prompt":"p","answer":"a"}"#,
            "'model' is missing; name the field with --model-field, or the model with --model",
        ),
        (
            r#"{"model":3,"prompt":"p","answer":"a"}"#,
            "'model' is no text",
        ),
        (
            r#"{"model":"","prompt":"p","answer":"a"}"#,
            "'model' is empty",
        ),
        (
            r#"{"model":"m","answer":"a"}"#,
            "'prompt' is missing; name the field with --prompt-field",
        ),
        (
            r#"{"model":"m","prompt":{},"answer":"a"}"#,
            "'prompt' is no prompt",
        ),
        (
            r#"{"model":"m","prompt":"p"}"#,
            "'answer' is missing; name the field with --answer-field",
        ),
        (
            r#"{"model":"m","prompt":"p","answer":7}"#,
            "'answer' is no answer",
        ),
        (
            r#"{"model":"m","prompt":"p","answer":"a","sample":-1}"#,
            "'sample' is no number of a sample",
        ),
        ("{", "is not of the form that --format jsonl reads"),
        ("[]", "is not of the form"),
        ("\u{0}", "is not of the form"),
    ] {
        let files = Files::new(&[("bad.jsonl", &format!("{fine}\n\n{line}\n"))]);
        let error = files.error(AnswerFormat::Jsonl);
        assert!(
            error.contains("line 3 of '") && error.contains("bad.jsonl"),
            "{error}"
        );
        assert!(error.contains(words), "{error}");
    }
    let numbered =
        |answer: &str| format!(r#"{{"model":"m","prompt":"p","answer":"{answer}","sample":0}}"#);
    let files = Files::new(&[("a.jsonl", &[numbered("a"), numbered("b")].join("\n"))]);
    let error = files.error(AnswerFormat::Jsonl);
    assert!(
        error.contains("line 2 of '") && error.contains("another text"),
        "{error}"
    );
}

#[test]
fn no_file_of_any_format_brings_it_down() {
    let deep = "[".repeat(100_000);
    let deep_object = format!("{{\"a\":{}", "{\"a\":".repeat(100_000));
    let odd = [
        "",
        "null",
        "0",
        "[]",
        "{}",
        "[[]]",
        "[null]",
        "\"\"",
        "{\"results\":{}}",
        "{\"results\":[]}",
        "{\"version\":2,\"eval\":{\"model\":\"m\"},\"samples\":[{}]}",
        "{\"version\":2,\"eval\":{\"model\":\"m\"},\"samples\":[{\"input\":[]}]}",
        "{\"doc_id\":0,\"arguments\":{},\"resps\":[]}",
        "{\"doc_id\":0,\"arguments\":{\"gen_args_99999999999999999999\":{}},\"resps\":[[]]}",
        "{\"doc_id\":0,\"arguments\":[[]],\"resps\":[[\"a\"]]}",
        "[{\"instruction\":\"p\",\"output\":[]}]",
        "{\"model\":\"../../../etc\",\"prompt\":\"p\",\"answer\":\"a\"}",
        &deep,
        &deep_object,
    ];
    for format in AnswerFormat::ALL {
        for (i, text) in odd.iter().enumerate() {
            let name = match format {
                AnswerFormat::Jsonl => "x.jsonl",
                AnswerFormat::LmEval => "m/samples_t_d.jsonl",
                AnswerFormat::AlpacaEval => "m/model_outputs.json",
                AnswerFormat::Inspect | AnswerFormat::Promptfoo => "x.json",
            };
            let files = Files::new(&[(name, text)]);
            if let Ok(imported) = files.read(&settings(format)) {
                let written = imported.write(&files.out()).unwrap();
                for model in written.models {
                    assert!(!model.directory.contains('/'), "{i}: {model:?}");
                    assert!(files.out().join(&model.directory).is_dir());
                }
            }
        }
    }
}

#[test]
fn a_line_without_an_end_and_an_endless_answer_are_bounded() {
    let files = Files::new(&[]);
    files.put("a.jsonl", &vec![b' '; (64 << 20) + 1]);
    let error = files.error(AnswerFormat::Jsonl);
    assert!(
        error.contains("line 1 of") && error.contains("at most 67108864"),
        "{error}"
    );
    let long = "x".repeat((8 << 20) + 1);
    let line = |model: &str, answer: &str| {
        format!(r#"{{"model":"{model}","prompt":"p","answer":"{answer}"}}"#)
    };
    let lines = [line("m", &long), line("n", "a"), line("o", "b")];
    let files = Files::new(&[("a.jsonl", &lines.join("\n"))]);
    let (_, recordings) = files.import(AnswerFormat::Jsonl);
    assert_eq!(
        to(&recordings["m"], "p"),
        ["none: the answer is longer than 8 MiB"]
    );
    let prompt = "p".repeat((1 << 20) + 1);
    let lines =
        ["m", "n"].map(|m| format!(r#"{{"model":"{m}","prompt":"{prompt}","answer":"a"}}"#));
    let files = Files::new(&[("a.jsonl", &lines.join("\n"))]);
    assert!(
        files
            .error(AnswerFormat::Jsonl)
            .contains("no prompt was answered by two")
    );
}

#[test]
fn more_models_and_samples_than_are_taken_are_refused() {
    let line = |i: usize| format!(r#"{{"model":"m{i}","prompt":"p","answer":"a"}}"#);
    let models: Vec<String> = (0..10_001).map(line).collect();
    let files = Files::new(&[("a.jsonl", &models.join("\n"))]);
    let error = files.error(AnswerFormat::Jsonl);
    assert!(
        error.contains("line 10001 of") && error.contains("at most 10000"),
        "{error}"
    );
    let samples = "{\"model\":\"m\",\"prompt\":\"p\",\"answer\":\"a\"}\n".repeat(1_001);
    let files = Files::new(&[("a.jsonl", &samples)]);
    let error = files.error(AnswerFormat::Jsonl);
    assert!(
        error.contains("line 1001 of") && error.contains("at most 1000"),
        "{error}"
    );
}

#[test]
fn models_that_share_no_prompt_make_no_battery() {
    let files = Files::new(&[(
        "a.jsonl",
        "{\"model\":\"m\",\"prompt\":\"p\",\"answer\":\"a\"}\n{\"model\":\"n\",\"prompt\":\"q\",\"answer\":\"a\"}",
    )]);
    assert!(files.error(AnswerFormat::Jsonl).contains("in one go"));
}
