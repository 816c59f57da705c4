//! Claims about the report as a PDF.

use super::{World, cases, refused};
use crate::printable::code_point;
use crate::report::pdf::{document, pages};
use crate::report::{Report, html};

/// Lines are broken where the page ends and quotes are typeset, so neither says anything; scripts that the
/// fonts lack stand as code points.
fn squeezed(text: &str) -> String {
    let text = text.replace(['\u{2018}', '\u{2019}', '"', '\u{201c}', '\u{201d}'], "'");
    let visible = text.chars().filter(|c| !c.is_whitespace());
    visible
        .map(|c| match c {
            '\u{590}'..='\u{1cff}' | '\u{2e80}'.. => code_point(c),
            c => c.to_string(),
        })
        .collect()
}

/// What a part of the page in HTML says, piece by piece, plots aside.
fn pieces(part: &str) -> Vec<String> {
    let mut part = part.to_owned();
    while let Some((before, after)) = part.split_once("<svg ") {
        let (_, after) = after.split_once("</svg>").unwrap();
        part = before.to_owned() + after;
    }
    let said = part.split('<').filter_map(|p| p.split_once('>'));
    said.map(|(_, said)| {
        let said = said.replace("&lt;", "<").replace("&gt;", ">");
        let said = said.replace("&quot;", "\"").replace("&#x27;", "'");
        let said = said.replace("&#x2f;", "/").replace("&#8249;", "\u{2039}");
        squeezed(&said.replace("&#8250;", "\u{203a}").replace("&amp;", "&"))
    })
    .filter(|said| !said.is_empty())
    .collect()
}

/// Said by the page in HTML alone: what a heading or a table says there for those who do not see it, and
/// what leads to a part that is folded.
fn only_in_html(said: &str) -> bool {
    [
        "Summary",
        "asatable",
        "scores,thelargestfirst",
        "Controlandinvisiblecharactersarewritten",
        "Meanaffinityoverprobes,",
    ]
    .iter()
    .any(|part| said.contains(part))
}

fn hostile() -> Report {
    let attack = "#eval(\"1+1\") #panic() *b* _i_ $x$ `c` @ref <label> #{ while true {} } // /* \\u{7}\n\
                  = head\n- item [ ] { } \u{202e}rtl\u{2066}\u{200b}\u{7}\u{1b}[31m\u{feff} \u{5e2} \u{6a21} ";
    let mut world = World::new(attack, 6, true);
    world.written = Some(attack.to_owned() + &"a".repeat(1 << 14));
    world.panel.controls[0].model = "x".repeat(1 << 20);
    world.report(|_| {})
}

#[test]
fn page_one_says_what_page_one_of_the_html_says() {
    for report in cases() {
        let page = squeezed(&pages(&report)[0]);
        let html = html::page(&report).unwrap();
        let (_, rest) = html.split_once("<section id=\"summary\"").unwrap();
        let (section, _) = rest.split_once("</section>").unwrap();
        for said in pieces(section).iter().filter(|said| !only_in_html(said)) {
            assert!(page.contains(said), "{said}\n{page}");
        }
    }
}

#[test]
fn nothing_of_the_html_is_missing() {
    for report in cases() {
        let pages = pages(&report);
        assert_eq!(refused(&pages.concat()), None, "{:?}", report.finding);
        let without_footers = (1..).zip(&pages).map(|(n, page)| {
            let (tool, schema, of) = (&report.tool, report.schema, pages.len());
            let footer = format!("Made by parentage {tool} from recordings; {schema} {n} / {of}");
            let (page, footer) = (squeezed(page), squeezed(&footer));
            assert!(page.contains(&footer), "{footer}\n{page}");
            let (finding, recording) = (report.finding.name(), &report.suspect.recording);
            let header = format!(
                "Finding: {} Recording of the suspect: {}",
                finding.replace('_', " "),
                &recording[..12.min(recording.len())]
            );
            let header = squeezed(&header);
            assert!(n == 1 || page.contains(&header), "{header}\n{page}");
            page.replace(&footer, "").replace(&header, "")
        });
        let all: String = without_footers.collect();
        let html = html::page(&report).unwrap();
        let (_, sections) = html.split_once("<section id=\"identity\"").unwrap();
        let (sections, _) = sections.split_once("</main>").unwrap();
        for said in pieces(sections).iter().filter(|said| !only_in_html(said)) {
            assert!(all.contains(said), "{said}");
        }
    }
}

fn has(pdf: &[u8], what: &[u8]) -> bool {
    pdf.windows(what.len()).any(|w| w == what)
}

/// It claims to keep to the standards for archives and for screen readers, which the exporter holds.
fn conforms(pdf: &[u8]) -> bool {
    has(pdf, b"<pdfaid:part>2") && has(pdf, b"<pdfuaid:part>1")
}

#[test]
fn the_same_case_gives_the_same_bytes_with_a_fixed_date() {
    let made = || document(&World::new("models/suspect", 6, false).report(|_| {})).unwrap();
    let pdf = made();
    assert_eq!(pdf, made());
    assert!(has(&pdf, b"/CreationDate(D:20000101000000Z)") && has(&pdf, b"2000-01-01"));
    assert!(has(&pdf, b"/StructTreeRoot") && has(&pdf, b"/FontFile"));
    // Plots are drawn, not pictured.
    assert!(!has(&pdf, b"/Subtype/Image") && !has(&pdf, b"/Subtype /Image"));
}

#[test]
fn every_case_can_be_archived_and_read_aloud() {
    for report in cases() {
        assert!(
            conforms(&document(&report).unwrap()),
            "{:?}",
            report.finding
        );
    }
}

#[test]
fn hostile_names_and_answers_stay_text() {
    let pdf = document(&hostile()).unwrap();
    assert!(conforms(&pdf));
    assert!(pdf.len() < 2_000_000, "{}", pdf.len());
    let pages = squeezed(&pages(&hostile()).concat());
    for said in [
        "#eval('1+1')#panic()*b*_i_$x$`c`@ref<label>#{whiletrue{}}///*\\u{7}",
        "=head-item[]{}\u{2039}U+202E\u{203a}rtl",
        "\u{2039}U+0007\u{203a}\u{2039}U+001B\u{203a}[31m",
        "\u{2039}U+05E2\u{203a}\u{2039}U+6A21\u{203a}",
        "morecharactersnotshown",
    ] {
        assert!(pages.contains(said), "{said}");
    }
}
