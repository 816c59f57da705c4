//! What each format holds.

use super::*;

#[test]
fn repeats_are_samples_and_what_lacks_says_why() {
    let files = Files::new(&[(
        "a.jsonl",
        concat!(
            "\u{feff}{\"model\":\"m\",\"prompt\":\"p\",\"answer\":\"second\",\"sample\":5}\n",
            "{\"model\":\"m\",\"prompt\":\"p\",\"answer\":\"first\",\"sample\":2}\n",
            "{\"model\":\"m\",\"prompt\":\"p\",\"answer\":\"first\",\"sample\":2}\n",
            "\n",
            "{\"model\":\"m\",\"prompt\":[{\"role\":\"user\",\"content\":\"q\"}],\"answer\":null}\n",
            "{\"model\":\"n\",\"prompt\":\"p\",\"answer\":[\"one\",\"two\",\"three\"],\"more\":NaN}\n",
            "{\"model\":\"n\",\"prompt\":\"q\",\"answer\":\"\"}\n",
            "{\"model\":\"o\",\"prompt\":\"q\",\"answer\":\"z\"}\n",
            "{\"model\":\"o\",\"prompt\":\"alone\",\"answer\":\"z\"}\n",
            "{\"model\":\"o\",\"prompt\":\" \",\"answer\":\"z\"}\n",
            "{\"model\":\"o\",\"prompt\":\"x {options}\",\"answer\":\"z\"}",
        ),
    )]);
    let (written, recordings) = files.import(AnswerFormat::Jsonl);
    assert_eq!(to(&recordings["m"], "p"), ["first", "second"]);
    assert_eq!(
        to(&recordings["m"], "q"),
        ["none: no answer stands there (null)"]
    );
    assert_eq!(to(&recordings["n"], "p"), ["one", "two", "three"]);
    assert_eq!(to(&recordings["n"], "q"), [""]);
    assert_eq!(
        to(&recordings["o"], "p"),
        ["none: not in the imported answers"]
    );
    assert_eq!((written.prompts, written.samples), (2, 3));
    let left_out: Vec<(LeftOut, u64)> = written.left_out.into_iter().collect();
    assert_eq!(
        left_out,
        [
            (LeftOut::Again, 1),
            (LeftOut::EmptyPrompt, 1),
            (LeftOut::NamesOptions, 1),
            (LeftOut::OneModelAlone, 1),
        ]
    );
}

#[test]
fn fields_may_have_other_names_and_one_model_none() {
    let files = Files::new(&[(
        "a.jsonl",
        "{\"q\":\"p\",\"text\":\"a\",\"run\":0}\n{\"q\":\"p\",\"text\":\"b\",\"run\":1}\n",
    )]);
    let named = Settings {
        format: AnswerFormat::Jsonl,
        fields: Fields {
            model: "who".to_owned(),
            prompt: "q".to_owned(),
            answer: "text".to_owned(),
            sample: "run".to_owned(),
        },
        model: Some("org/One Model".to_owned()),
    };
    let (_, recordings) = files.import_with(&named);
    // The prompts of a single model are all of its battery.
    assert_eq!(to(&recordings["One-Model"], "p"), ["a", "b"]);
}

#[test]
fn generators_are_models_and_directories_where_generators_clash() {
    let item = |generator: &str, output: &str| {
        format!(
            r#"[{{"instruction":"p","output":{output},"generator":"{generator}","dataset":"koala"}}]"#
        )
    };
    let files = Files::new(&[
        ("a/model_outputs.json", &item("same", "\"1\"")),
        ("b/model_outputs.json", &item("same", "\"2\"")),
        ("c/model_outputs.json", &item("own", "null")),
        ("d/model_outputs.json", &item("copy", "\"1\"")),
        ("d/reference_outputs.json", "not read"),
    ]);
    files.put("e/model_outputs.json", item("same", "\"1\"").as_bytes());
    let (written, recordings) = files.import(AnswerFormat::AlpacaEval);
    let names: Vec<&String> = recordings.keys().collect();
    assert_eq!(names, ["a", "b", "copy", "own"]);
    assert_eq!(to(&recordings["b"], "p"), ["2"]);
    assert_eq!(written.left_out[&LeftOut::CopiedFile], 1);
    let probe = &recordings["a"].entries[0].question.probe;
    assert!(probe.starts_with("koala-"), "{probe}");
}

#[test]
fn a_row_a_filter_is_one_answer_and_likelihoods_are_a_closed_question() {
    let choice = |doc: u64, filter: &str, first: &str, second: &str| {
        format!(
            r#"{{"doc_id":{doc},"filter":"{filter}","arguments":{{"gen_args_1":{{"arg_0":"2+2=","arg_1":" five"}},"gen_args_0":{{"arg_0":"2+2=","arg_1":" four"}}}},"resps":[[["{first}","True"]],[["{second}","False"]]],"target":"0","acc":NaN}}"#
        )
    };
    let text = |doc: u64, answers: &str| {
        format!(
            r#"{{"doc_id":{doc},"filter":"none","arguments":{{"gen_args_0":{{"arg_0":"Say","arg_1":{{"until":["\n"],"temperature":0.7}}}}}},"resps":[{answers}]}}"#
        )
    };
    let rolling = r#"{"doc_id":9,"filter":"none","arguments":[["all of it"]],"resps":[["-3.5"]]}"#;
    let apart = r#"{"doc_id":8,"filter":"none","arguments":[["one","x"],["two","x"]],"resps":[[[-1.0,false]],[[-2.0,false]]]}"#;
    let a = [
        choice(0, "strict", "-0.5", "-1.5"),
        choice(0, "flexible", "-9.0", "-9.0"),
        rolling.to_owned(),
        apart.to_owned(),
    ];
    let b = [choice(3, "none", "-inf", "nan")];
    let date = "2026-01-02T03-04-05.678";
    let files = Files::new(&[
        (
            &format!("run/samples_sums_easy_{date}.jsonl"),
            &a.join("\n"),
        ),
        (
            &format!("run/samples_open_{date}.jsonl"),
            &text(0, r#"["yes","no"]"#),
        ),
        (
            &format!("run/results_{date}.json"),
            r#"{"model_name":"org/model","lm_eval_version":"0.4","config":{"model":"hf","model_args":"pretrained=org/model","gen_kwargs":null},"results":{"x":NaN}}"#,
        ),
        (
            &format!("org__other/samples_sums_easy_{date}.jsonl"),
            &b.join("\n"),
        ),
        (
            &format!("org__other/samples_open_{date}.jsonl"),
            &text(4, r#"["maybe"]"#),
        ),
    ]);
    let (written, recordings) = files.import(AnswerFormat::LmEval);
    let names: Vec<&String> = recordings.keys().collect();
    assert_eq!(names, ["model", "org__other"]);
    assert_eq!(to(&recordings["model"], "Say"), ["yes", "no"]);
    assert_eq!(
        to(&recordings["model"], "2+2="),
        ["[Some(-0.5), Some(-1.5)]"]
    );
    assert_eq!(to(&recordings["org__other"], "2+2="), ["[None, None]"]);
    let entry = |e: &&crate::evidence::Entry| e.question.prompt.text == "2+2=";
    let entry = recordings["model"].entries.iter().find(entry).unwrap();
    let Request::Score { texts } = &entry.question.request else {
        panic!("{entry:?}");
    };
    assert_eq!(texts[..], [" four", " five"]);
    assert!(entry.question.probe.starts_with("sums_easy-"));
    assert_eq!(written.left_out[&LeftOut::OtherFilter], 1);
    assert_eq!(written.left_out[&LeftOut::NoDistribution], 2);
    let crate::identity::Source::Imported { settings, .. } =
        &recordings["model"].header.identity.source
    else {
        panic!("not imported");
    };
    assert!(settings["model_args"].contains("pretrained=org/model"));
}

#[test]
fn unconditional_likelihoods_are_no_part_of_a_distribution() {
    let row = r#"{"doc_id":0,"arguments":[["c"," a"],["c"," b"],[""," a"],[""," b"]],"resps":[[[-1.0,false]],[[-2.0,true]],[[-5.0,false]],[[-6.0,false]]]}"#;
    let files = Files::new(&[("m/samples_t_d.jsonl", row)]);
    let (_, recordings) = files.import(AnswerFormat::LmEval);
    assert_eq!(to(&recordings["m"], "c"), ["[Some(-1.0), Some(-2.0)]"]);
}

/// One result of promptfoo with what is not usual.
fn result(prompt: &str, rest: &str) -> String {
    format!(
        r#"{{"provider":{{"id":"openai:gpt","label":"warm"}},"prompt":{{"raw":{prompt},"label":"l"}},{rest}}}"#
    )
}

#[test]
fn copies_out_of_a_cache_are_no_samples() {
    let results = [
        result(r#""p""#, r#""response":{"output":"a","cached":false}"#),
        result(r#""p""#, r#""response":{"output":"a","cached":true}"#),
        result(
            r#""p""#,
            r#""response":{"output":"b"},"failureReason":1,"error":"assert failed""#,
        ),
        result(r#""q""#, r#""response":{"output":"no","isRefusal":true}"#),
        result(
            r#""r""#,
            r#""response":{"output":"begun","finishReason":"length"}"#,
        ),
        result(
            r#""s""#,
            r#""response":{"error":"rate limit"},"failureReason":2"#,
        ),
        result(
            r#""t""#,
            r#""response":{"output":{"k":1},"raw":"{\"k\": 1}"}"#,
        ),
        result(
            r#""u""#,
            r#""response":{"output":{"k":1},"raw":{"choices":[]}}"#,
        ),
        result(
            r#""[{\"role\":\"user\",\"content\":\"v\"}]""#,
            r#""response":{"output":"w"}"#,
        ),
        result(
            r#""x""#,
            r#""response":null,"error":{"message":"gone"},"failureReason":2"#,
        ),
    ];
    let text = |results: &[String]| {
        format!(
            r#"{{"evalId":"e","results":{{"version":3,"results":[{}],"stats":{{}}}},"config":{{}}}}"#,
            results.join(",")
        )
    };
    let plain: Vec<String> = ["p", "q", "r", "s", "t", "u", "v", "x"]
        .map(|p| {
            let one = result(&format!("\"{p}\""), r#""response":{"output":"plain"}"#);
            one.replace(r#"{"id":"openai:gpt","label":"warm"}"#, "\"other:model\"")
        })
        .to_vec();
    let files = Files::new(&[("a.json", &text(&results)), ("b.json", &text(&plain))]);
    // Every prompt was answered by the other model; a second one keeps all of them.
    let third = text(&plain).replace("other:model", "third:one");
    files.put("c.json", third.as_bytes());
    let (written, recordings) = files.import(AnswerFormat::Promptfoo);
    let warm = &recordings["warm"];
    for (prompt, given) in [
        ("p", &["a", "b"][..]),
        ("q", &["refused: no"]),
        ("r", &["begun (cut)"]),
        ("s", &["none: error: rate limit"]),
        ("t", &["{\"k\": 1}"]),
        (
            "u",
            &["none: the output is no text, and the raw reply was not kept"],
        ),
        ("v", &["w"]),
        ("x", &["none: error: gone"]),
    ] {
        assert_eq!(to(warm, prompt), given, "{prompt}");
    }
    assert_eq!(written.left_out[&LeftOut::CachedCopy], 1);
    assert_eq!(to(&recordings["one"], "p"), ["plain"]);
}
