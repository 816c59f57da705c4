//! A screening as a page that can be sorted, as a table for spreadsheets, and as text.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::html::{STYLE, fill};
use super::render::RenderError;
use super::table::no_formula;
use crate::printable::visible_line;
use crate::screening::{Aside, Row, Screening};

/// Sorts the page's table. The page runs this and nothing else: its policy names the script's digest.
const SCRIPT: &str = include_str!("templates/sort.js");

/// The script as it stands in the page: a template loses its last line feed.
fn run() -> &'static str {
    SCRIPT.strip_suffix('\n').unwrap_or(SCRIPT)
}

/// The page and its parts.
const TEMPLATES: &[(&str, &str)] = &[
    ("screening.html", include_str!("templates/screening.html")),
    ("style.css", STYLE),
    ("sort.js", SCRIPT),
];

/// The facts as the page takes them.
#[derive(Serialize)]
struct Page<'a> {
    s: &'a Screening,
    rows: Vec<PageRow<'a>>,
    found: usize,
    /// What the page's policy allows to run.
    script: String,
}

#[derive(Serialize)]
struct PageRow<'a> {
    row: &'a Row,
    finding: &'static str,
    line: String,
}

/// Renders the page.
///
/// # Errors
///
/// When a template does not fit the facts, which tests rule out.
pub fn page(screening: &Screening) -> Result<String, RenderError> {
    let rows = screening.rows.iter().map(|row| PageRow {
        row,
        finding: row.finding.name(),
        line: row.line(),
    });
    let facts = Page {
        s: screening,
        rows: rows.collect(),
        found: screening.rows.iter().filter(|r| r.found).count(),
        script: format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(run()))),
    };
    fill(&facts, TEMPLATES)
}

/// A row of the table.
#[derive(Debug, Serialize)]
struct CsvRow<'a> {
    suspect: String,
    model: String,
    protected: String,
    finding: &'static str,
    found: bool,
    p: Option<f64>,
    q: Option<f64>,
    t: Option<f64>,
    log10_likelihood_ratio: Option<f64>,
    held_by: Option<String>,
    nearest_innocent_explanation: String,
    missing: String,
    controls: usize,
    command: String,
    left_aside: &'a str,
}

/// Comma-separated values after RFC 4180: a row a pair, and behind these a row for every model that was left aside.
///
/// # Errors
///
/// When a row cannot be written, which does not happen in memory.
pub fn csv(screening: &Screening) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in &screening.rows {
        writer.serialize(CsvRow {
            suspect: no_formula(&row.suspect),
            model: no_formula(&row.model),
            protected: no_formula(&row.protected),
            finding: row.finding.name(),
            found: row.found,
            p: row.p,
            q: row.q,
            t: row.t,
            log10_likelihood_ratio: row.log10_lr,
            held_by: row.held_by.map(|h| format!("{h:?}").to_lowercase()),
            nearest_innocent_explanation: no_formula(&row.innocent),
            missing: no_formula(&row.missing.join("; ")),
            controls: row.controls,
            command: no_formula(&row.line()),
            left_aside: "",
        })?;
    }
    for Aside { model, words, .. } in &screening.aside {
        let words = no_formula(words);
        writer.serialize(CsvRow {
            suspect: no_formula(model),
            model: no_formula(model),
            protected: String::new(),
            finding: "",
            found: false,
            p: None,
            q: None,
            t: None,
            log10_likelihood_ratio: None,
            held_by: None,
            nearest_innocent_explanation: String::new(),
            missing: String::new(),
            controls: 0,
            command: String::new(),
            left_aside: &words,
        })?;
    }
    writer.into_inner().map_err(|e| e.into_error().into())
}

/// The first rows as text, at most `width` columns wide.
pub fn text(screening: &Screening, rows: usize, width: u16) -> String {
    let found = screening.rows.iter().filter(|r| r.found).count();
    let mut out = format!(
        "{} suspects against {}, {} pairs tested: {found} found at a false discovery rate of {} \
         (Benjamini-Yekutieli), the null fitted {}\n",
        screening.suspects,
        names(screening),
        screening.tested,
        screening.level,
        match (screening.rounds, screening.settled) {
            (1, true) => "once".to_owned(),
            (rounds, true) => format!("{rounds} times, until nothing more was found"),
            (rounds, false) => format!("{rounds} times, and there may be more to find"),
        },
    );
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .set_header([
            "suspect",
            "protected",
            "finding",
            "found",
            "p",
            "q",
            "log10 LR",
        ]);
    for row in screening.rows.iter().take(rows) {
        let small =
            |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.1e}"));
        table.add_row([
            visible_line(&row.suspect),
            visible_line(&row.protected),
            row.finding.name().to_owned(),
            if row.found { "yes" } else { "no" }.to_owned(),
            small(row.p),
            small(row.q),
            row.log10_lr
                .map_or_else(|| "-".to_owned(), |v| format!("{v:.2}")),
        ]);
    }
    out.extend([&table.to_string(), "\n"]);
    let more = screening.rows.len().saturating_sub(rows);
    if more > 0 {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "and {more} more rows");
    }
    for Aside { model, words, .. } in &screening.aside {
        let (model, words) = (visible_line(model), visible_line(words));
        let _ = writeln!(out, "left aside: {model}: {words}");
    }
    out
}

/// What was asked about, in a few words.
fn names(screening: &Screening) -> String {
    match &screening.protected[..] {
        [one] => visible_line(&one.name),
        several => format!("{} protected models or houses", several.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::{Access, Posing};
    use crate::screening::tests::row;
    use crate::screening::{Asked, LEVEL, SCHEMA, Why, correct};
    use crate::verdict::Finding;

    fn screening() -> Screening {
        let mut rows = vec![
            row("<script>alert(1)</script>", Finding::Distilled, Some(1e-8)),
            row("=cmd()\u{202e}", Finding::Unrelated, Some(0.4)),
            row("nothing", Finding::Inconclusive, None),
        ];
        correct(&mut rows, LEVEL);
        Screening {
            schema: SCHEMA.to_owned(),
            tool: "0".to_owned(),
            battery: "b".to_owned(),
            probes: 7,
            posing: Posing::usual(Access::Text),
            correction: "benjamini_yekutieli".to_owned(),
            level: LEVEL,
            suspects: 3,
            tested: 2,
            rounds: 2,
            settled: true,
            protected: vec![Asked {
                name: "parent".to_owned(),
                members: vec!["m/parent".to_owned()],
                controls: "out/controls/parent.toml".to_owned(),
                listed: 20,
                found: vec!["<script>alert(1)</script>".to_owned()],
                with_them: Vec::new(),
            }],
            rows,
            aside: vec![Aside {
                model: "gone\u{1b}[2J".to_owned(),
                why: Why::Unusable,
                words: "it is not there <b>".to_owned(),
            }],
        }
    }

    #[test]
    fn names_from_outside_do_nothing_on_the_page_and_it_fetches_nothing() {
        let page = page(&screening()).unwrap();
        assert!(
            page.contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;"),
            "{page}"
        );
        assert!(!page.contains("<script>alert") && !page.contains("it is not there <b>"));
        assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}'));
        for fetched in ["http:", "https:", "src=", "url(", "@import", "<link"] {
            assert!(!page.contains(fetched), "{fetched}");
        }
        // The one script is the one that the policy names.
        assert_eq!(page.matches("<script>").count(), 1);
        let digest = BASE64_STANDARD.encode(Sha256::digest(run()));
        assert!(
            page.contains(&format!("script-src 'sha256-{digest}'")),
            "{page}"
        );
        let script = page.split("<script>").nth(1).unwrap();
        assert!(script.starts_with(run()) && script[run().len()..].starts_with("</script>"));
        assert!(page.contains("table class=\"sorted\"") && run().contains("table.sorted"));
    }

    #[test]
    fn the_table_has_a_row_a_pair_and_nothing_that_a_spreadsheet_would_run() {
        let bytes = csv(&screening()).unwrap();
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 4);
        assert_eq!(&rows[0][3], "distilled");
        assert_eq!(&rows[0][4], "true");
        assert_eq!(&rows[1][0], "'=cmd()\u{202e}");
        assert_eq!(&rows[2][5], "");
        assert!(rows[3][14].contains("not there"));
    }

    #[test]
    fn the_text_shows_the_first_rows_and_who_was_left_aside() {
        let text = text(&screening(), 2, 100);
        assert!(
            text.contains("1 found at a false discovery rate of 0.05"),
            "{text}"
        );
        assert!(text.contains("and 1 more rows") && text.contains("left aside: gone"));
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    }
}
