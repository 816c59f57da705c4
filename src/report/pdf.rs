//! The report as a PDF, typeset from the same facts by [typst](https://typst.app) as a library.
//!
//! Only this module knows typst. The facts go in as one file of JSON beside the template, which reads them
//! and sets strings as text; nothing from outside is ever part of its source. There is no other file, no
//! package, no clock and no font but those built in, so the same facts give the same bytes.

use serde_json::{Map, Value as Json, json};
use typst_as_lib::TypstEngine;
use typst_as_lib::typst_kit_options::TypstKitFontOptions;
use typst_pdf::{PdfOptions, pdf};

use super::facts::Report;
use super::plot;
use super::render::{RenderError, RenderFault, shown};
use super::text;

pub(super) const TEMPLATE: &str = include_str!("templates/report.typ");
const MAIN: &str = "report.typ";
const FACTS: &str = "facts.json";

/// Characters that the built-in fonts (Libertinus Serif, New Computer Modern, DejaVu Sans Mono) have, as
/// ranges: Latin, Greek and Cyrillic letters, punctuation, signs. Others are written as code points.
pub(super) const COVERED: [(char, char); 21] = [
    (' ', '~'),
    ('\u{a0}', '\u{377}'),
    ('\u{384}', '\u{38a}'),
    ('\u{38e}', '\u{3a1}'),
    ('\u{3a3}', '\u{4ff}'),
    ('\u{1d00}', '\u{1f15}'),
    ('\u{2000}', '\u{200a}'),
    ('\u{2010}', '\u{2027}'),
    ('\u{202f}', '\u{2040}'),
    ('\u{2044}', '\u{2052}'),
    ('\u{2054}', '\u{205e}'),
    ('\u{20a0}', '\u{20bf}'),
    ('\u{2100}', '\u{211e}'),
    ('\u{2122}', '\u{2122}'),
    ('\u{2126}', '\u{2151}'),
    ('\u{2153}', '\u{2184}'),
    ('\u{2190}', '\u{23ff}'),
    ('\u{2460}', '\u{2606}'),
    ('\u{2609}', '\u{262f}'),
    ('\u{fb00}', '\u{fb06}'),
    ('\u{fffd}', '\u{fffd}'),
];

/// Typesets the document: A4, numbered pages, tagged, plots as vectors.
///
/// # Errors
///
/// When the template does not fit the facts, which tests rule out.
pub fn document(report: &Report) -> Result<Vec<u8>, RenderError> {
    facts(report)
        .map_err(RenderFault::Facts)
        .and_then(|facts| typeset(TEMPLATE, facts, &PdfOptions::default()))
        .map_err(|source| RenderError {
            form: "PDF",
            source,
        })
}

/// Typesets a template that reads the facts.
pub(super) fn typeset(
    template: &str,
    facts: Vec<u8>,
    options: &PdfOptions,
) -> Result<Vec<u8>, RenderFault> {
    let built_in = TypstKitFontOptions::new().include_system_fonts(false);
    let engine = TypstEngine::builder()
        .search_fonts_with(built_in)
        .with_static_source_file_resolver([(MAIN, template)])
        .with_static_file_resolver([(FACTS, facts)])
        .build();
    let document = engine.compile(MAIN).output.map_err(|e| fault(&e))?;
    pdf(&document, options).map_err(|e| fault(&e))
}

fn fault(error: &dyn std::fmt::Debug) -> RenderFault {
    RenderFault::Typeset {
        message: format!("{error:?}"),
    }
}

/// The facts and the plots as the template reads them.
pub(super) fn facts(report: &Report) -> serde_json::Result<Vec<u8>> {
    let mut facts = serde_json::to_value(report)?;
    // Only drawn, and as long as there are probes.
    if let Some(Json::Object(bets)) = facts.get_mut("e_values") {
        bets.retain(|name, _| !name.starts_with("path"));
    }
    let mut drawn = Map::new();
    for (name, svg) in plot::plots(report) {
        let alt = printable(&plot::alternative(&svg));
        drawn.insert(name, json!({ "svg": printable(&svg), "alt": alt }));
    }
    let facts = written(shown(facts));
    serde_json::to_vec(&json!({ "r": facts, "plots": drawn }))
}

/// The value with texts that the fonts have, and every number that is no count in each way that it may be
/// printed: the template prints none itself, so that no form of the report rounds unlike another.
fn written(value: Json) -> Json {
    match value {
        Json::String(text) => Json::String(printable(&text)),
        Json::Array(items) => items.into_iter().map(written).collect(),
        Json::Object(map) => map
            .into_iter()
            .map(|(key, value)| (printable(&key), written(value)))
            .collect(),
        Json::Number(number) if number.is_f64() => {
            let x = number.as_f64();
            let mut ways = Map::from_iter([
                ("value".to_owned(), Json::Number(number)),
                ("small".to_owned(), text::small(x).into()),
                ("percent".to_owned(), text::percent(x).into()),
            ]);
            for decimals in [0, 1, 2, 4] {
                ways.insert(decimals.to_string(), text::number(x, decimals).into());
                ways.insert(format!("+{decimals}"), text::signed(x, decimals).into());
            }
            Json::Object(ways)
        }
        other => other,
    }
}

/// Text of which the fonts have every character.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || COVERED.iter().any(|(from, to)| (*from..=*to).contains(&c)) {
            out.push(c);
        } else if c == '\t' {
            out.push_str("    ");
        } else {
            out.push_str(&text::code_point(c));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_fonts_lack_is_written_as_code_points() {
        assert_eq!(
            printable("e\u{301}t\u{e9} \u{6a21} \t\n"),
            "e\u{301}t\u{e9} \u{2039}U+6A21\u{203a}     \n"
        );
    }

    #[test]
    fn numbers_are_printed_as_in_the_other_forms() {
        let numbers = written(json!({ "x": -0.000_31, "n": 3, "none": null }));
        assert_eq!(numbers["x"]["4"], "-0.0003");
        assert_eq!(numbers["x"]["+2"], "-0.00");
        assert_eq!(numbers["x"]["small"], "-3.1e-4");
        assert_eq!((&numbers["n"], &numbers["none"]), (&json!(3), &Json::Null));
    }
}
