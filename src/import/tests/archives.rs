//! Logs of Inspect.

use std::io::{Cursor, Read as _, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::*;

const HEADER: &str = r#"{"version":2,"status":"success","eval":{"task":"my_task","model":"openai/gpt","model_generate_config":{"temperature":0.5,"seed":null}},"results":{"scores":[NaN]}}"#;

fn zipped(members: &[(&str, &str)], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, text) in members {
        writer.start_file(*name, options).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A sample with one turn, its answer, and what is not usual.
fn sample(epoch: u64, prompt: &str, answer: &str, rest: &str) -> String {
    format!(
        r#"{{"id":1,"epoch":{epoch},"input":"{prompt}","messages":[{{"role":"user","content":"{prompt}","source":"input"}},{{"role":"assistant","content":"{answer}","source":"generate"}}],"output":{{"model":"gpt-2026","choices":[{{"message":{{"role":"assistant","content":[{{"type":"reasoning","reasoning":"hm","summary":null}},{{"type":"text","text":"{answer}"}}]}},"stop_reason":"stop"}}],"usage":{{"output_tokens":7}}}},"scores":{{"a":Infinity}}{rest}}}"#
    )
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while at + from.len() <= bytes.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
        at += 1;
    }
    bytes
}

fn imported(log: &[u8]) -> (Written, BTreeMap<String, Recording>) {
    let files = Files::new(&[]);
    files.put("log.eval", log);
    files.import(AnswerFormat::Inspect)
}

#[test]
fn epochs_are_samples_in_both_compressions_and_without_a_header() {
    let samples = [2, 10, 1].map(|epoch| sample(epoch, "p", &format!("a{epoch}"), ""));
    for method in [CompressionMethod::Deflated, CompressionMethod::Zstd] {
        for header in ["header.json", "_journal/start.json"] {
            let log = zipped(
                &[
                    (header, HEADER),
                    ("samples/1_epoch_2.json", &samples[0]),
                    ("samples/1_epoch_10.json", &samples[1]),
                    ("samples/1_epoch_1.json", &samples[2]),
                    ("summaries.json", "[]"),
                ],
                method,
            );
            let (written, recordings) = imported(&log);
            assert_eq!(to(&recordings["gpt"], "p"), ["a1", "a2", "a10"]);
            assert_eq!(written.samples, 3);
            let crate::identity::Source::Imported {
                settings, served, ..
            } = &recordings["gpt"].header.identity.source
            else {
                panic!("not imported");
            };
            assert_eq!(settings.len(), 1);
            assert!(settings["temperature"].contains("0.5"));
            assert!(served.contains("gpt-2026"));
            let entry = &recordings["gpt"].entries[0];
            assert!(entry.question.probe.starts_with("my_task-"));
            assert!(matches!(entry.response, Response::Text { tokens: 7, .. }));
        }
    }
}

#[test]
fn the_last_member_of_a_name_is_the_one_that_counts() {
    let (old, new) = (sample(1, "p", "old", ""), sample(1, "p", "new", ""));
    let log = zipped(
        &[
            ("header.json", HEADER),
            ("samples/1_epoch_1.json", &old),
            ("samples/2_epoch_1.json", &new),
        ],
        CompressionMethod::Zstd,
    );
    let log = replaced(&log, b"samples/2_epoch_1.json", b"samples/1_epoch_1.json");
    let (_, recordings) = imported(&log);
    assert_eq!(to(&recordings["gpt"], "p"), ["new"]);
}

#[test]
fn a_member_may_be_of_several_frames() {
    let whole = sample(1, "p", "in two frames", "");
    let (first, second) = whole.split_at(whole.len() / 2);
    let halves = zipped(&[("a", first), ("b", second)], CompressionMethod::Zstd);
    let mut halves = ZipArchive::new(Cursor::new(halves)).unwrap();
    let mut frames = Vec::new();
    for i in 0..2 {
        let mut raw = halves.by_index_raw(i).unwrap();
        raw.read_to_end(&mut frames).unwrap();
    }
    let plain = zipped(&[("a", &whole)], CompressionMethod::Stored);
    let crc = ZipArchive::new(Cursor::new(plain)).unwrap();
    let crc = { crc }.by_index_raw(0).unwrap().crc32();
    // Stored as it is, and then declared to be what it is.
    let name = "samples/1_epoch_1.json";
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    writer.start_file("header.json", stored).unwrap();
    writer.write_all(HEADER.as_bytes()).unwrap();
    writer.start_file(name, stored).unwrap();
    writer.write_all(&frames).unwrap();
    let mut log = writer.finish().unwrap().into_inner();
    let length = u32::try_from(whole.len()).unwrap().to_le_bytes();
    // Method, checksum and length stand before the name, in the member and in the directory.
    for (mark, fields, header) in [(b"PK\x03\x04", 8, 30), (b"PK\x01\x02", 10, 46)] {
        let starts = 0..log.len() - header - name.len();
        let at = starts
            .into_iter()
            .find(|i| log[*i..].starts_with(mark) && log[i + header..].starts_with(name.as_bytes()))
            .unwrap();
        log[at + fields..at + fields + 2].copy_from_slice(&93_u16.to_le_bytes());
        log[at + fields + 6..at + fields + 10].copy_from_slice(&crc.to_le_bytes());
        log[at + fields + 14..at + fields + 18].copy_from_slice(&length);
    }
    let (_, recordings) = imported(&log);
    assert_eq!(to(&recordings["gpt"], "p"), ["in two frames"]);
}

#[test]
fn what_is_no_answer_of_the_model_says_why() {
    let stop = |reason: &str| {
        sample(1, "p", "said", "").replace(
            r#""stop_reason":"stop""#,
            &format!(r#""stop_reason":"{reason}""#),
        )
    };
    let output = |more: &str| {
        sample(1, "p", "said", "").replace(r#""output":{"#, &format!(r#""output":{{{more},"#))
    };
    let two_turns = sample(1, "p", "said", "").replace(
        r#""messages":["#,
        r#""messages":[{"role":"user","content":"p","source":"input"},{"role":"assistant","content":"one","source":"generate"},"#,
    );
    for (sample, given) in [
        (stop("max_tokens"), "said (cut)"),
        (stop("content_filter"), "refused: content filter: said"),
        (stop("tool_calls"), "none: the model called a tool"),
        (
            output(r#""fallback":{"model":"a","fallback_model":"b"}"#),
            "none: another model answered instead: b",
        ),
        (output(r#""error":"overloaded""#), "none: error: overloaded"),
        (
            sample(
                1,
                "p",
                "said",
                r#","error":{"message":"broke","traceback":"x"}"#,
            ),
            "none: error: broke",
        ),
        (
            sample(1, "p", "said", r#","limit":{"type":"token","limit":5}"#),
            "none: stopped at a limit: token",
        ),
        (two_turns, "none: answered over several turns"),
    ] {
        let log = HEADER.replace(
            r#""results""#,
            &format!(r#""samples":[{sample}],"results""#),
        );
        let other = log.replace("openai/gpt", "org/other");
        let fine = HEADER.replace("openai/gpt", "org/fine").replace(
            r#""results""#,
            &format!(
                r#""samples":[{}],"results""#,
                self::sample(1, "p", "yes", "")
            ),
        );
        let fine_too = fine.replace("org/fine", "org/fine-too");
        let files = Files::new(&[
            ("a.json", &log),
            ("b.json", &other),
            ("c.json", &fine),
            ("d.json", &fine_too),
        ]);
        let (_, recordings) = files.import(AnswerFormat::Inspect);
        assert_eq!(to(&recordings["gpt"], "p"), [given]);
    }
}

#[test]
fn what_the_model_read_is_the_prompt_and_older_logs_have_the_completion() {
    let templated = r#"{"id":1,"epoch":1,"input":"bare","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Q: bare"},{"role":"assistant","content":"x"}],"output":{"completion":"x"}}"#;
    let bare = r#"{"id":2,"epoch":1,"input":[{"role":"user","content":"only input"}],"output":{"completion":"y"}}"#;
    let log = HEADER.replace(
        r#""results""#,
        &format!(r#""samples":[{templated},{bare}],"results""#),
    );
    let files = Files::new(&[("a.json", &log)]);
    let (_, recordings) = files.import(AnswerFormat::Inspect);
    let gpt = &recordings["gpt"];
    assert_eq!(to(gpt, "[system]\nBe brief.\n\n[user]\nQ: bare"), ["x"]);
    assert_eq!(to(gpt, "only input"), ["y"]);
}

#[test]
fn damaged_and_newer_archives_are_refused_by_member() {
    let fine = sample(1, "p", "a", "");
    let of = |header: &str, name: &str, text: &str| {
        zipped(
            &[("header.json", header), (name, text)],
            CompressionMethod::Zstd,
        )
    };
    let newer = HEADER.replace(r#""version":2"#, r#""version":3"#);
    let chunked = "samples/1_epoch_1/sample.json";
    let member = "samples/1_epoch_1.json";
    let headless = zipped(&[(member, &fine)], CompressionMethod::Zstd);
    let mut torn = of(HEADER, member, &fine);
    torn.truncate(torn.len() / 2);
    // Zeros shrink a thousandfold and more.
    let bomb = " ".repeat(200 << 20);
    for (log, word) in [
        (of(&newer, member, &fine), "version"),
        (of(HEADER, chunked, &fine), "chunks"),
        (of(HEADER, member, "{"), "samples/1_epoch_1.json"),
        (of(HEADER, member, &bomb), "at most 134217728"),
        (headless, "header.json"),
        (torn, "cannot read"),
        (b"no archive".to_vec(), "cannot read"),
    ] {
        let files = Files::new(&[]);
        files.put("log.eval", &log);
        let error = files.error(AnswerFormat::Inspect);
        assert!(
            error.contains(word) && error.contains("log.eval"),
            "{error}"
        );
    }
}
