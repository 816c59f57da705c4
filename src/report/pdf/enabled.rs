//! The typesetting.
//!
//! The facts go in as one file of JSON beside the template, which reads them and sets strings as text;
//! nothing from outside is ever part of its source. The typesetter sees nothing else (see `desk`).

mod desk;

use serde_json::{Map, Value as Json, json};
use typst::diag::SourceDiagnostic;
use typst::foundations::Smart;
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards, pdf};

use self::desk::{Desk, Fonts, is_mark};
use crate::printable::code_point;
use crate::report::facts::Report;
use crate::report::render::{RenderError, RenderFault, shown};
use crate::report::{plot, text};

const TEMPLATE: &str = include_str!("../templates/report.typ");

/// What is claimed of the document, and held by the exporter: it can be archived (PDF/A) and read aloud
/// (PDF/UA).
const STANDARDS: [PdfStandard; 2] = [PdfStandard::A_2a, PdfStandard::Ua_1];

/// Typesets the document.
///
/// Should foreign text have something that the standards forbid, the document is written all the same, and
/// without the claim that it keeps to them.
///
/// # Errors
///
/// When the template does not fit the facts, which tests rule out.
pub fn document(report: &Report) -> Result<Vec<u8>, RenderError> {
    let document = laid_out(report)
        .and_then(|document| written(&document, &STANDARDS).or_else(|_| written(&document, &[])));
    // The typesetter remembers its work for a next time, which here is another document.
    typst::comemo::evict(0);
    document.map_err(|source| RenderError {
        form: "PDF",
        source,
    })
}

fn laid_out(report: &Report) -> Result<PagedDocument, RenderFault> {
    let fonts = Fonts::built_in();
    let facts = facts(report, &fonts)?;
    typeset(&Desk::new(TEMPLATE, facts, fonts))
}

fn typeset(desk: &Desk) -> Result<PagedDocument, RenderFault> {
    let made = typst::compile(desk);
    made.output.map_err(|errors| fault(&errors))
}

fn written(document: &PagedDocument, standards: &[PdfStandard]) -> Result<Vec<u8>, RenderFault> {
    let standards = PdfStandards::new(standards).map_err(|error| RenderFault::Typeset {
        message: error.message().to_string(),
    })?;
    let options = PdfOptions {
        creator: Smart::Custom(Some(format!("parentage {}", env!("CARGO_PKG_VERSION")))),
        standards,
        ..PdfOptions::default()
    };
    pdf(document, &options).map_err(|errors| fault(&errors))
}

fn fault(errors: &[SourceDiagnostic]) -> RenderFault {
    let messages: Vec<&str> = errors.iter().map(|e| e.message.as_str()).collect();
    RenderFault::Typeset {
        message: messages.join("; "),
    }
}

/// The facts and the plots as the template reads them.
fn facts(report: &Report, fonts: &Fonts) -> serde_json::Result<Vec<u8>> {
    let mut facts = serde_json::to_value(report)?;
    // Only drawn, and as long as there are probes.
    if let Some(Json::Object(bets)) = facts.get_mut("e_values") {
        bets.retain(|name, _| !name.starts_with("path"));
    }
    if let Some(Json::Object(curves)) = facts.pointer_mut("/ratio/curves") {
        curves.retain(|name, _| name != "tippett" && name != "ece");
    }
    let mut drawn = Map::new();
    for (name, svg) in plot::plots(report) {
        let alt = printable(&plot::alternative(&svg), fonts);
        drawn.insert(name, json!({ "svg": printable(&svg, fonts), "alt": alt }));
    }
    let facts = printed(shown(facts), fonts);
    serde_json::to_vec(&json!({ "r": facts, "plots": drawn }))
}

/// The value with texts that the fonts have, and every number that is no count in each way that it may be
/// printed: the template prints none itself, so that no form of the report rounds unlike another.
fn printed(value: Json, fonts: &Fonts) -> Json {
    match value {
        Json::String(text) => Json::String(printable(&text, fonts)),
        Json::Array(items) => items.into_iter().map(|x| printed(x, fonts)).collect(),
        Json::Object(map) => map
            .into_iter()
            .map(|(key, value)| (printable(&key, fonts), printed(value, fonts)))
            .collect(),
        Json::Number(number) if number.is_f64() => {
            let x = number.as_f64();
            let mut ways = Map::from_iter([
                ("value".to_owned(), Json::Number(number)),
                ("small".to_owned(), text::small(x).into()),
                ("percent".to_owned(), text::percent(x).into()),
            ]);
            for decimals in 0..=4 {
                ways.insert(decimals.to_string(), text::number(x, decimals).into());
                ways.insert(format!("+{decimals}"), text::signed(x, decimals).into());
            }
            Json::Object(ways)
        }
        other => other,
    }
}

/// Text that can be set as it is: any other character stands as its code point.
fn printable(text: &str, fonts: &Fonts) -> String {
    let mut out = String::with_capacity(text.len());
    let mut base = ' ';
    for c in text.chars() {
        let can_be_set = if is_mark(c) {
            fonts.join(base, c)
        } else {
            base = c;
            c == '\n' || fonts.have(c)
        };
        match c {
            '\t' => out.push_str("    "),
            c if can_be_set => out.push(c),
            c => out.push_str(&code_point(c)),
        }
    }
    out
}

/// What stands on each page, plots aside.
#[cfg(test)]
pub(in crate::report) fn pages(report: &Report) -> Vec<String> {
    let document = laid_out(report).unwrap();
    let pages = document.pages().iter();
    pages.map(|page| tests::words(&page.frame)).collect()
}

#[cfg(test)]
mod tests {
    use typst::layout::{Frame, FrameItem};

    use super::*;

    pub(super) fn words(frame: &Frame) -> String {
        let items = frame.items();
        let said = items.map(|(_, item)| match item {
            FrameItem::Group(group) => words(&group.frame),
            FrameItem::Text(text) => text.text.to_string() + " ",
            _ => String::new(),
        });
        said.collect()
    }

    /// A string set by a template of its own.
    fn set(text: &str) -> PagedDocument {
        let template = "#set document(title: \"t\", date: datetime(year: 2000, month: 1, day: 1))\n\
                        #set text(font: \"Libertinus Serif\")\n\
                        #for style in (emph, strong, text) { style(json(\"facts.json\")) }";
        let facts = serde_json::to_vec(text).unwrap();
        typeset(&Desk::new(template, facts, Fonts::built_in())).unwrap()
    }

    #[test]
    fn what_cannot_be_set_is_written_as_code_points() {
        let fonts = Fonts::built_in();
        assert_eq!(
            printable("e\u{301}t\u{e9} \u{6a21}\u{301}\u{5e2}\t\n", &fonts),
            "e\u{301}t\u{e9} \u{2039}U+6A21\u{203a}\u{2039}U+0301\u{203a}\u{2039}U+05E2\u{203a}    \n"
        );
        assert_eq!(
            printable("\u{436}\u{20d7}", &fonts),
            "\u{436}\u{2039}U+20D7\u{203a}"
        );
    }

    #[test]
    fn the_fonts_have_what_is_printable() {
        let fonts = Fonts::built_in();
        let same = |text: &String| printable(text, &fonts) == *text;
        let mut all: Vec<String> = (' '..=char::MAX).map(String::from).filter(same).collect();
        assert!(all.len() > 3_000, "{}", all.len());
        for base in all.clone().into_iter().step_by(5) {
            let marked = ('\u{300}'..='\u{489}').step_by(7);
            let marked = marked.map(|mark| format!("{base}{mark}"));
            let marked = marked.filter(|m| m.chars().nth(1).is_some_and(is_mark) && same(m));
            all.extend(marked);
        }
        written(&set(&all.join(" ")), &STANDARDS).unwrap();
    }

    #[test]
    fn a_document_that_cannot_conform_is_written_without_the_claim() {
        let document = set("\u{436}\u{20d7}");
        assert!(written(&document, &STANDARDS).is_err());
        assert!(written(&document, &[]).unwrap().starts_with(b"%PDF-1.7"));
    }

    #[test]
    fn nothing_else_can_be_read() {
        for attempt in [
            "#read(\"/etc/passwd\")",
            "#read(\"../facts.json\")",
            "#include \"other.typ\"",
            "#import \"@preview/cetz:0.3.4\": canvas",
            "#datetime.today()",
        ] {
            let desk = Desk::new(attempt, b"{}".to_vec(), Fonts::built_in());
            assert!(typeset(&desk).is_err(), "{attempt}");
        }
        let desk = Desk::new("#read(\"facts.json\")", b"{}".to_vec(), Fonts::built_in());
        typeset(&desk).unwrap();
    }

    #[test]
    fn numbers_are_printed_as_in_the_other_forms() {
        let value = json!({ "x": -0.000_31, "n": 3, "none": null });
        let numbers = printed(value, &Fonts::built_in());
        assert_eq!(numbers["x"]["4"], "-0.0003");
        assert_eq!(numbers["x"]["+2"], "-0.00");
        assert_eq!(numbers["x"]["small"], "-3.1e-4");
        assert_eq!((&numbers["n"], &numbers["none"]), (&json!(3), &Json::Null));
    }
}
