//! Claims about the report as a PDF. What its pages say is read with `pdftotext`, where that is at hand.

use std::io::Write as _;
use std::process::{Command, Stdio};

use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};

use super::{World, cases, refused};
use crate::report::pdf::{COVERED, TEMPLATE, document, facts, typeset};
use crate::report::{Report, html};

/// The text of the first pages; nothing without the program.
fn text(pdf: &[u8], pages: usize) -> Option<String> {
    let mut program = Command::new("pdftotext")
        .args(["-l", &pages.to_string(), "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    program.stdin.take()?.write_all(pdf).ok()?;
    let out = program.wait_with_output().ok()?;
    Some(String::from_utf8(out.stdout).unwrap())
}

/// Lines are broken where the page ends, so spaces say nothing.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

/// What page one of the HTML says, piece by piece.
fn summary(report: &Report) -> Vec<String> {
    let page = html::page(report).unwrap();
    let (_, rest) = page.split_once("<section id=\"summary\"").unwrap();
    let (section, _) = rest.split_once("</section>").unwrap();
    let pieces = section.split('<').skip(1).filter_map(|p| p.split_once('>'));
    pieces
        .map(|(_, said)| {
            let said = said.replace("&lt;", "<").replace("&gt;", ">");
            let said = said.replace("&quot;", "\"").replace("&#x27;", "'");
            squeezed(&said.replace("&#x2f;", "/").replace("&amp;", "&"))
        })
        // The one heading that is there for screen readers alone.
        .filter(|said| !said.is_empty() && said != "Summary")
        .collect()
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
        let pdf = document(&report).unwrap();
        assert!(pdf.starts_with(b"%PDF-1.7"));
        let Some(page) = text(&pdf, 1) else { return };
        let page = squeezed(&page);
        for said in summary(&report) {
            assert!(page.contains(&said), "{said}\n{page}");
        }
        let all = text(&pdf, 1_000).unwrap();
        let all: Vec<&str> = all.split_whitespace().collect();
        assert_eq!(refused(&all.join(" ")), None, "{:?}", report.finding);
    }
}

#[test]
fn the_same_case_gives_the_same_bytes_without_a_date() {
    let made = || document(&World::new("models/suspect", 6, false).report(|_| {})).unwrap();
    let pdf = made();
    assert_eq!(pdf, made());
    let has = |what: &[u8]| pdf.windows(what.len()).any(|w| w == what);
    assert!(!has(b"/CreationDate") && !has(b"/ModDate"));
    assert!(has(b"/StructTreeRoot") && has(b"/FontFile"));
    // Plots are drawn, not pictured.
    assert!(!has(b"/Subtype/Image"));
}

#[test]
fn the_tags_suffice_for_readers_of_screens() {
    let standard = PdfStandards::new(&[PdfStandard::Ua_1]).unwrap();
    let options = PdfOptions {
        standards: standard,
        ..PdfOptions::default()
    };
    for report in [
        World::new("models/suspect", 6, true).report(|_| {}),
        hostile(),
    ] {
        typeset(TEMPLATE, facts(&report).unwrap(), &options).unwrap();
    }
}

#[test]
fn hostile_names_and_answers_stay_text() {
    let pdf = document(&hostile()).unwrap();
    assert!(pdf.len() < 2_000_000, "{}", pdf.len());
    let Some(pages) = text(&pdf, 1_000) else {
        return;
    };
    let pages = squeezed(&pages);
    for said in [
        "#eval(\"1+1\")#panic()*b*_i_$x$`c`@ref<label>#{whiletrue{}}///*\\u{7}",
        "=head-item[]{}\u{2039}U+202E\u{203a}rtl",
        "\u{2039}U+0007\u{203a}\u{2039}U+001B\u{203a}[31m",
        "\u{2039}U+05E2\u{203a}\u{2039}U+6A21\u{203a}",
        "morecharactersnotshown",
    ] {
        assert!(pages.contains(said), "{said}");
    }
}

#[test]
fn the_fonts_have_what_is_set() {
    let all: String = COVERED.iter().flat_map(|(from, to)| *from..=*to).collect();
    // PDF/A forbids characters that a font lacks, and wants a date.
    let options = PdfOptions {
        standards: PdfStandards::new(&[PdfStandard::A_2b]).unwrap(),
        ..PdfOptions::default()
    };
    let template = "#set document(date: datetime(year: 2000, month: 1, day: 1))\n\
                    #set text(font: \"Libertinus Serif\")\n\
                    #for c in json(\"facts.json\").codepoints() [#c ]";
    let set = |text: &str| typeset(template, serde_json::to_vec(text).unwrap(), &options);
    set(&all).unwrap();
    assert!(set("\u{6a21}").is_err());
}
