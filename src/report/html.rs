//! The report as one HTML page: no script, nothing fetched, light and dark, printable.

use std::collections::BTreeMap;

use minijinja::{AutoEscape, Value};

use super::facts::Report;
use super::plot;
use super::render::{Form, RenderError, render};

/// The page and its parts.
const TEMPLATES: &[(&str, &str)] = &[
    ("report.html", include_str!("templates/report.html")),
    ("style.css", include_str!("templates/style.css")),
    ("macros.html", include_str!("templates/macros.html")),
    ("summary.html", include_str!("templates/summary.html")),
    ("items.html", include_str!("templates/items.html")),
    ("findings.html", include_str!("templates/findings.html")),
    ("evaluation.html", include_str!("templates/evaluation.html")),
    ("annexes.html", include_str!("templates/annexes.html")),
];

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
    // Everything is escaped but the plots, which have escaped their texts themselves.
    let form = Form {
        name: "HTML",
        escape: AutoEscape::Html,
        write: minijinja::escape_formatter,
    };
    render(report, TEMPLATES, &form, minijinja::context! { plots })
}
