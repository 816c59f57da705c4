//! Who must not know whom: the paths that `src` names, held against a table.
//!
//! One crate cannot let Cargo enforce this, so the source is read: comments and literals are taken out,
//! `use` trees are spread, and `self` and `super` are resolved by the file's place.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// Crates that only some modules may name. A trailing `*` stands for any ending.
const ONLY_UNDER: &[(&[&str], &[&str])] = &[
    (
        &["candle*", "tokenizers", "safetensors"],
        &["src/model/local"],
    ),
    (&["hf_hub", "aws_lc_rs"], &["src/model/local/hub"]),
    (&["llama_cpp_2"], &["src/model/local/llamacpp"]),
    (
        &["minijinja"],
        &[
            "src/model/local",
            "src/report/render.rs",
            "src/report/html.rs",
            "src/report/markdown.rs",
            "src/report/validation.rs",
        ],
    ),
    (&["minijinja_contrib"], &["src/model/local"]),
    (&["plotters*"], &["src/report/plot"]),
    (&["typst*"], &["src/report/pdf"]),
    (
        &["tokio", "futures"],
        &[
            "src/model/local/hub",
            "src/model/hosted",
            "src/serve",
            "src/view/mod.rs",
            "src/view/http.rs",
        ],
    ),
    (
        &["reqwest", "governor", "backon", "secrecy"],
        &["src/model/hosted"],
    ),
    (
        &["httpdate"],
        &["src/model/hosted", "src/evidence/moment.rs"],
    ),
    (
        &["axum"],
        &["src/serve", "src/view/mod.rs", "src/view/http.rs"],
    ),
    (
        &["crate::serve"],
        &[
            "src/serve",
            "src/cli",
            "src/view/mod.rs",
            "src/view/http.rs",
        ],
    ),
    (&["crate::view"], &["src/view", "src/cli"]),
    (
        &["crate::import"],
        &["src/import", "src/cli", "src/pipeline"],
    ),
    (&["crate::pipeline"], &["src/pipeline", "src/cli"]),
    (&["zip"], &["src/import"]),
    (
        &["clap", "clap_complete", "clap_mangen", "indicatif", "ctrlc"],
        &["src/cli"],
    ),
    (&["crate::cli"], &["src/cli", "src/main.rs"]),
    (
        &["toml"],
        &[
            "src/battery",
            "src/cli/config.rs",
            "src/cli/init.rs",
            "src/panel",
            "src/pipeline/error.rs",
            "src/population",
            "src/marks/error.rs",
            "src/marks/templates.rs",
            "src/model/hosted/price.rs",
            "src/model/hosted/error.rs",
        ],
    ),
    (&["comfy_table"], &["src/report", "src/tree"]),
    (&["ssh_key", "signature"], &["src/bundle"]),
    (&["hmac"], &["src/marks/key.rs"]),
];

/// What turns recordings into findings: a function of its arguments.
const PURE: &[&str] = &[
    "src/screening.rs",
    "src/marks",
    "src/measure",
    "src/weigh",
    "src/verdict.rs",
    "src/case",
    "src/adequacy.rs",
    "src/again.rs",
    "src/again",
    "src/detail",
    "src/panel",
    "src/passes.rs",
    "src/fingerprint.rs",
    "src/question.rs",
    "src/response.rs",
    "src/estimate.rs",
    "src/reach.rs",
    "src/sentinel.rs",
    "src/sequential.rs",
    "src/tree",
    "src/validation",
];

/// The outside world, which a function of its arguments does not see.
const WORLD: &[&str] = &[
    "crate::model::local",
    "crate::model::hosted",
    "crate::collect",
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::time",
    "rand",
];

/// Paths that some modules must not name.
const NEVER_UNDER: &[(&[&str], &[&str])] = &[
    (PURE, WORLD),
    (
        &["src/report"],
        &[
            "crate::bundle",
            "crate::collect",
            "crate::model::local",
            "crate::model::hosted",
            "std::fs",
            "std::time",
        ],
    ),
    (
        &["src/evidence", "src/collect.rs"],
        &[
            "crate::bundle",
            "crate::measure",
            "crate::weigh",
            "crate::case",
            "crate::verdict",
            "crate::report",
            "crate::model::local",
            "crate::model::hosted",
        ],
    ),
    (
        &["src/battery", "src/response.rs", "src/identity.rs"],
        &["crate::model", "crate::evidence", "crate::measure"],
    ),
    // It makes recordings of files and asks nothing.
    (
        &["src/import"],
        &[
            "crate::bundle",
            "crate::collect",
            "crate::measure",
            "crate::weigh",
            "crate::case",
            "crate::verdict",
            "crate::report",
            "crate::panel",
            "crate::model::local",
            "crate::model::hosted",
            "std::env",
            "std::net",
            "std::process",
            "std::time",
            "rand",
        ],
    ),
    (
        &["src/model"],
        &[
            "crate::collect",
            "crate::evidence",
            "crate::measure",
            "crate::weigh",
            "crate::case",
            "crate::verdict",
            "crate::report",
            "crate::panel",
        ],
    ),
    (
        &["src/serve"],
        &[
            "crate::collect",
            "crate::evidence",
            "crate::measure",
            "crate::weigh",
            "crate::case",
            "crate::verdict",
            "crate::report",
            "crate::panel",
            "crate::model::hosted",
        ],
    ),
    // Whole jobs, for whoever calls them: no command line, no terminal, no exit.
    (
        &["src/pipeline"],
        &[
            "crate::serve",
            "crate::view",
            "crate::report::terminal",
            "std::process",
            "std::io::stdin",
            "std::io::stdout",
            "std::io::stderr",
            "std::io::IsTerminal",
            "std::time::Instant",
            "std::time::SystemTime",
        ],
    ),
    // It shows what others have concluded and collected.
    (
        &["src/view"],
        &[
            "crate::collect",
            "crate::measure",
            "crate::weigh",
            "crate::case",
            "crate::verdict",
            "crate::model",
            "rand",
        ],
    ),
    (
        &["src/verdict.rs"],
        &["crate::evidence", "crate::report", "crate::panel"],
    ),
    // A bundle is files: it is checked without models, network or clock.
    (
        &["src/bundle"],
        &[
            "crate::collect",
            "crate::model::local",
            "crate::model::hosted",
            "std::net",
            "std::process",
            "std::time",
            "rand",
        ],
    ),
];

/// Files that may do one of these things all the same: reading itself from disk.
const EXCEPT: &[(&str, &str)] = &[
    ("src/panel/lineage.rs", "std::fs"),
    ("src/marks/store.rs", "std::fs"),
];

#[test]
fn every_module_keeps_to_its_side() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    gather(&root.join("src"), &mut files);
    assert!(files.len() > 50, "{} files found", files.len());
    let mut broken = Vec::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap().to_str().unwrap();
        let name = name.replace('\\', "/");
        broken.extend(check(&name, &fs::read_to_string(&file).unwrap()));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_table_names_what_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = ONLY_UNDER.iter().map(|(_, places)| places);
    let places = places.chain(NEVER_UNDER.iter().map(|(places, _)| places));
    for place in places.copied().flatten() {
        let exists = root.join(place).exists() || root.join(format!("{place}.rs")).exists();
        assert!(exists, "{place}");
    }
}

#[test]
fn forbidden_lines_are_found() {
    for (file, text) in [
        ("src/case.rs", "use candle_core::Tensor;"),
        (
            "src/report/facts.rs",
            "fn f() { tokenizers::Tokenizer::x() }",
        ),
        (
            "src/model/local/open.rs",
            "use {std::io, tokio::{net, time}};",
        ),
        ("src/collect.rs", "use clap;"),
        ("src/serve/http.rs", "use crate::evidence::Store;"),
        ("src/model/local/open.rs", "use crate::serve::serve;"),
        ("src/cli/serve.rs", "use axum::Router;"),
        ("src/view/search.rs", "use axum::Router;"),
        ("src/view/pages.rs", "use crate::case::weigh;"),
        (
            "src/evidence/store.rs",
            "use crate::{digest, measure::{Side, affinity}};",
        ),
        (
            "src/measure/mod.rs",
            "use std::{collections::BTreeMap, time::Instant};",
        ),
        ("src/weigh/standing.rs", "use crate::measure::Measure;"),
        (
            "src/weigh/standing.rs",
            "use super::super::measure::Measure;",
        ),
        ("src/weigh/mod.rs", "use super::measure::Measure;"),
        (
            "src/weigh/ranks.rs",
            "fn f() { let x = 'a'; rand::random() }",
        ),
        (
            "src/verdict.rs",
            "fn f() -> &'static str { std::fs::read(\"a // b\") }",
        ),
        ("src/verdict.rs", "use crate::model::local as x;"),
        (
            "src/report/facts.rs",
            "use crate::measure::{Measure, contrast};",
        ),
        ("src/report/facts.rs", "use crate::weigh::*;"),
        ("src/report/html.rs", "use crate::detail::describe;"),
        ("src/report/html.rs", "use plotters::prelude::SVGBackend;"),
        ("src/report/html.rs", "use typst_pdf::pdf;"),
        ("src/report/facts.rs", "fn f() { minijinja::render!() }"),
        (
            "src/report/mod.rs",
            "/* a /* b */ c */ use crate::collect::header;",
        ),
        (
            "src/bundle/check.rs",
            "use crate::model::local::LocalModel;",
        ),
        ("src/evidence/mod.rs", "use crate::bundle::Plan;"),
        ("src/import/write.rs", "use crate::collect::collect;"),
        ("src/case.rs", "use zip::ZipArchive;"),
        ("src/tree.rs", "pub use crate::cli::main;"),
        ("src/pipeline/compare.rs", "use clap::Parser;"),
        ("src/pipeline/compare.rs", "use super::super::cli::main;"),
        (
            "src/pipeline/compare.rs",
            "fn f() { std::process::exit(1) }",
        ),
        (
            "src/pipeline/watch.rs",
            "use std::io::{self, IsTerminal as _};",
        ),
        ("src/case.rs", "use crate::pipeline::compare;"),
        (
            "src/tree/svg.rs",
            "mod tests { use super::super::super::cli::main; }",
        ),
    ] {
        assert!(!check(file, text).is_empty(), "{file}: {text}");
    }
}

#[test]
fn permitted_lines_are_not() {
    for (file, text) in [
        ("src/case.rs", "// use candle_core::Tensor;"),
        (
            "src/case.rs",
            "/// Like [`std::fs::read`].\nuse crate::measure::contrast;",
        ),
        (
            "src/verdict.rs",
            "const A: &str = \"use clap::Parser;\"; const B: &str = r#\"\" rand::x\"#;",
        ),
        (
            "src/weigh/standing.rs",
            "use super::{Ranks, ranks::rank}; use crate::weigh::x;",
        ),
        ("src/weigh/mod.rs", "mod tests { use super::*; }"),
        ("src/panel/lineage.rs", "use std::fs::File;"),
        ("src/measure/lineage.rs", "use rand_chacha::ChaCha8Rng;"),
        ("src/model/local/ops.rs", "use candle_nn::ops;"),
        (
            "src/report/facts.rs",
            "use crate::measure::equality::Equality;",
        ),
        ("src/cli/args.rs", "use clap::Parser; use std::fs;"),
        (
            "src/pipeline/public.rs",
            "use std::fs; use crate::import::read;",
        ),
        (
            "src/weigh/ranks.rs",
            "fn f() -> impl Fn() + use<> { let x; x }",
        ),
        ("src/serve/mod.rs", "use axum::Router; use tokio::net;"),
    ] {
        assert_eq!(check(file, text), Vec::<String>::new(), "{file}: {text}");
    }
}

fn gather(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// What a file breaks, a line each.
fn check(file: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    for path in paths(file, text) {
        let forbidden = ONLY_UNDER.iter().any(|(names, places)| {
            names.iter().any(|n| names_it(&path, n)) && !places.iter().any(|p| lies_under(file, p))
        }) || NEVER_UNDER.iter().any(|(places, names)| {
            names.iter().any(|n| names_it(&path, n)) && places.iter().any(|p| lies_under(file, p))
        }) || only_itself(file, &path)
            || computes_in_report(file, &path);
        let excepted = EXCEPT
            .iter()
            .any(|(place, name)| *place == file && names_it(&path, name));
        if forbidden && !excepted {
            broken.push(format!("{file} must not name {path}"));
        }
    }
    broken
}

/// The statistics know nothing of what they are computed for.
fn only_itself(file: &str, path: &str) -> bool {
    lies_under(file, "src/weigh") && path.starts_with("crate") && !names_it(path, "crate::weigh")
}

/// A report takes types from the measures, but calls none of them.
fn computes_in_report(file: &str, path: &str) -> bool {
    let last = path.rsplit("::").next().unwrap_or(path);
    // Its tests make cases to report on.
    lies_under(file, "src/report")
        && file != "src/report/tests.rs"
        && [
            "crate::measure",
            "crate::weigh",
            "crate::detail",
            "crate::case",
        ]
        .iter()
        .any(|module| names_it(path, module))
        && !path.split("::").any(|s| s.starts_with(char::is_uppercase))
        && !last.starts_with(char::is_uppercase)
}

fn lies_under(file: &str, place: &str) -> bool {
    file == place
        || file
            .strip_prefix(place)
            .is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
}

fn names_it(path: &str, name: &str) -> bool {
    match name.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => path
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::")),
    }
}

/// Every path of a file that has a `::`, and everything that is used.
fn paths(file: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut module: Vec<String> = file
        .trim_end_matches(".rs")
        .split('/')
        .map(|part| if part == "src" { "crate" } else { part })
        .filter(|part| !["mod", "lib", "main"].contains(part))
        .map(str::to_owned)
        .collect();
    let mut paths = Vec::new();
    let (mut at, mut resolved) = (0, 0);
    while at < tokens.len() {
        if tokens[at..].starts_with(&["mod".into(), "tests".into(), "{".into()]) {
            // The tests of a file stand last in it.
            module.push("tests".to_owned());
        }
        // `use<'a>` in a type is no import.
        if tokens[at] == "use" && tokens.get(at + 1).is_some_and(|t| t != "<") {
            at = spread(&tokens, at + 1, "", &mut paths);
        } else if is_word(&tokens[at]) {
            let mut path = tokens[at].clone();
            while tokens.get(at + 1).is_some_and(|t| t == "::")
                && tokens.get(at + 2).is_some_and(|t| is_word(t))
            {
                path = format!("{path}::{}", tokens[at + 2]);
                at += 2;
            }
            if path.contains("::") {
                paths.push(path);
            }
        }
        at += 1;
        for path in &mut paths[resolved..] {
            *path = resolve(path, &module);
        }
        resolved = paths.len();
    }
    paths
}

/// Spreads one tree of a `use`; gives the place of the token behind it.
fn spread(tokens: &[String], mut at: usize, before: &str, paths: &mut Vec<String>) -> usize {
    let mut path = before.to_owned();
    while at < tokens.len() {
        match tokens[at].as_str() {
            "{" => {
                at += 1;
                while at < tokens.len() && tokens[at] != "}" {
                    at = spread(tokens, at, &path, paths);
                    at += usize::from(tokens.get(at).is_some_and(|t| t == ","));
                }
                return at + 1;
            }
            "as" => at += 1,
            "," | "}" | ";" => break,
            "::" => {}
            part if path.is_empty() => part.clone_into(&mut path),
            part => path = format!("{path}::{part}"),
        }
        at += 1;
    }
    paths.push(path);
    at
}

fn resolve(path: &str, module: &[String]) -> String {
    let mut parts: Vec<&str> = path.split("::").collect();
    if !["self", "super"].contains(&parts[0]) {
        return path.to_owned();
    }
    let mut module: Vec<&str> = module.iter().map(String::as_str).collect();
    while let Some(first) = parts.first().copied() {
        match first {
            "super" => drop(module.pop()),
            "self" => {}
            _ => break,
        }
        parts.remove(0);
    }
    module.extend(parts);
    module.join("::")
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::` and single signs, without comments, strings and characters.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens: Vec<String> = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        at += match rest {
            ['/', '/', ..] => until(rest, 2, &['\n']),
            ['/', '*', ..] => comment(rest),
            ['"', ..] => string(rest),
            ['\'', '\\', _, more @ ..] => 3 + until(more, 0, &['\'']),
            ['\'', _, '\'', ..] => 3,
            ['r', '"' | '#', ..] if raw(rest).is_some() => raw(rest).unwrap(),
            [':', ':', ..] => {
                tokens.push("::".to_owned());
                2
            }
            [c, ..] if c.is_alphanumeric() || *c == '_' => {
                let word = rest
                    .iter()
                    .take_while(|c| c.is_alphanumeric() || **c == '_');
                let word: String = word.collect();
                let length = word.chars().count();
                tokens.push(word);
                length
            }
            [c, ..] => {
                if !c.is_whitespace() {
                    tokens.push(c.to_string());
                }
                1
            }
            [] => break,
        };
    }
    tokens
}

fn until(chars: &[char], from: usize, end: &[char]) -> usize {
    let found = (from..chars.len()).find(|i| chars[*i..].starts_with(end));
    found.map_or(chars.len(), |i| i + end.len())
}

fn comment(chars: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < chars.len() {
        match &chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] if depth == 1 => return at + 2,
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

fn string(chars: &[char]) -> usize {
    let mut at = 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of a raw string, if this is one.
fn raw(chars: &[char]) -> Option<usize> {
    let hashes = chars[1..].iter().take_while(|c| **c == '#').count();
    if chars.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let mut end = vec!['"'];
    end.resize(1 + hashes, '#');
    Some(until(chars, 2 + hashes, &end))
}
