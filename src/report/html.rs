//! The report as one HTML page: no script, nothing fetched, light and dark, printable.

use std::collections::BTreeMap;

use minijinja::{AutoEscape, Value};
use serde::Serialize;

use super::facts::Report;
use super::plot;
use super::render::{Form, RenderError, render};

const MACROS: &str = include_str!("templates/macros.html");
const SUMMARY: &str = include_str!("templates/summary.html");

/// The page and its parts.
const TEMPLATES: &[(&str, &str)] = &[
    ("report.html", include_str!("templates/report.html")),
    ("style.css", STYLE),
    ("macros.html", MACROS),
    ("summary.html", SUMMARY),
    ("items.html", include_str!("templates/items.html")),
    ("findings.html", include_str!("templates/findings.html")),
    ("evaluation.html", include_str!("templates/evaluation.html")),
    ("annexes.html", include_str!("templates/annexes.html")),
];

/// The brief and its parts.
const BRIEF: &[(&str, &str)] = &[
    ("brief.html", include_str!("templates/brief.html")),
    ("style.css", STYLE),
    ("macros.html", MACROS),
    ("summary.html", SUMMARY),
];

/// The look of the report's page, and of those around it.
pub(crate) const STYLE: &str = include_str!("templates/style.css");

/// Everything is escaped but what is marked safe: plots, which have escaped their texts themselves.
pub(super) const FORM: Form = Form {
    name: "HTML",
    escape: AutoEscape::Html,
    write: minijinja::escape_formatter,
};

/// A page of other facts, by templates of which the first is the page. Their strings are made visible and
/// escaped like those of a report.
pub(crate) fn fill(
    facts: &impl Serialize,
    templates: &[(&'static str, &'static str)],
) -> Result<String, RenderError> {
    render(facts, templates, &FORM, Value::UNDEFINED)
}

/// Renders the first page with the reasons, what is known of the method, and how to check it: two or three pages in print.
///
/// # Errors
///
/// As [`page`].
pub fn brief(report: &Report) -> Result<String, RenderError> {
    render(report, BRIEF, &FORM, Value::UNDEFINED)
}

/// Renders the page.
///
/// # Errors
///
/// When a template does not fit the facts, which tests rule out.
pub fn page(report: &Report) -> Result<String, RenderError> {
    let drawn = plot::plots(report).into_iter();
    let plots: BTreeMap<String, Value> = drawn
        .map(|(name, svg)| (name, Value::from_safe_string(plot::themed(&svg))))
        .collect();
    render(report, TEMPLATES, &FORM, minijinja::context! { plots })
}
