//! A validation as text and as one HTML page.

use std::collections::BTreeMap;

use comfy_table::{ContentArrangement, Table, presets};
use minijinja::Value;

use super::html::{FORM, STYLE};
use super::plot;
use super::render::{RenderError, render};
use super::text::number;
use crate::validation::{Row, Statistic, Validation};
use crate::weigh::{Estimated, Rate};

/// The page and its style.
const TEMPLATES: &[(&str, &str)] = &[
    ("validation.html", include_str!("templates/validation.html")),
    ("style.css", STYLE),
];

/// Renders the page.
///
/// # Errors
///
/// When a template does not fit the facts, which tests rule out.
pub fn page(validation: &Validation) -> Result<String, RenderError> {
    let mut plots: BTreeMap<String, Value> = BTreeMap::new();
    for (i, validated) in validation.by_access.iter().enumerate() {
        let condition = "the test part, the least favourable proposition leading";
        let tippett = validated.tippett.as_ref();
        let tippett =
            tippett.and_then(|t| plot::tippett(&format!("plot-tippett-{i}"), condition, t, None));
        let ece = validated.ece.as_ref();
        let ece = ece.and_then(|e| plot::ece(&format!("plot-ece-{i}"), condition, e, None));
        for (name, drawn) in [("tippett", tippett), ("ece", ece)] {
            if let Some(drawn) = drawn {
                let drawn = Value::from_safe_string(plot::themed(&drawn));
                plots.insert(format!("{name}-{i}"), drawn);
            }
        }
    }
    render(validation, TEMPLATES, &FORM, minijinja::context! { plots })
}

/// Renders the tables as text, at most `width` columns wide.
pub fn text(validation: &Validation, width: u16) -> String {
    let mut out = format!(
        "Fitted on {} ({} cases), tried on {} ({} cases).\n",
        validation.fit.join(", "),
        validation.fit_cases,
        validation.test.join(", "),
        validation.test_cases,
    );
    for validated in &validation.by_access {
        let mut table = table(
            width,
            &[
                "test part",
                "students found",
                "or family",
                "innocents accused",
                "at 1 % false",
                "AUROC",
                "Cllr (min)",
                "innocents LR > 10",
            ],
        );
        for row in &validated.rows {
            table.add_row(cells(row));
        }
        let access = format!("{:?}", validated.access).to_lowercase();
        out.extend(["\nAccess: ", &access, "\n", &table.to_string(), "\n"]);
        let mut table = self::table(
            width,
            &[
                "parent named",
                "first",
                "in the set",
                "of two at most",
                "none named",
            ],
        );
        for a in &validated.attribution {
            let shares = [a.first, a.covered, a.covered_by_two, a.none].map(counted);
            let which = format!("students {}, among {}", a.students, a.candidates);
            table.add_row(std::iter::once(which).chain(shares));
        }
        out.extend([&table.to_string(), "\n"]);
        let header = [
            "true share",
            "interval holds it",
            "leaves out 0 %",
            "mean estimate",
        ];
        let mut table = self::table(width, &header);
        for d in &validated.doses {
            let percent = |share: f64| format!("{:.0} %", share * 100.0);
            let [held, told] = [d.held, d.told_from_none].map(counted);
            table.add_row([percent(d.dose), held, told, percent(d.estimate)]);
        }
        if !validated.doses.is_empty() {
            out.extend([&table.to_string(), "\n"]);
        }
        let header = ["figure, on the fitting part", "AUROC", "at 1 % false"];
        let mut table = self::table(width, &header);
        for c in &validated.contenders {
            let name = match c.statistic {
                Statistic::Gap => "gap to the synthetic control",
                Statistic::Contrast => "contrast in a two-way fit",
            };
            table.add_row([
                name.to_owned(),
                number(c.auroc, 3),
                counted(c.found_at_1_percent),
            ]);
        }
        out.extend([&table.to_string(), "\n"]);
    }
    out
}

fn table(width: u16, header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .set_header(header);
    table
}

fn cells(row: &Row) -> [String; 8] {
    [
        row.condition.clone(),
        counted(row.distilled),
        counted(row.family),
        counted(row.accused),
        counted(row.found_at_1_percent),
        estimated(row.auroc),
        format!("{} ({})", estimated(row.cllr), estimated(row.cllr_min)),
        counted(row.misleading.get(1).copied()),
    ]
}

fn counted(share: Option<Rate>) -> String {
    share.map_or_else(|| "-".to_owned(), |s| format!("{} of {}", s.count, s.of))
}

fn estimated(estimate: Option<Estimated>) -> String {
    number(estimate.map(|e| e.value), 3)
}
