//! The report as one HTML page: no script, nothing fetched, light and dark, printable.

use std::collections::BTreeMap;

use minijinja::{AutoEscape, Value};
use serde::Serialize;

use super::facts::Report;
use super::plot;
use super::render::{Form, RenderError, render};

/// The page and its parts.
const TEMPLATES: &[(&str, &str)] = &[
    ("report.html", include_str!("templates/report.html")),
    ("style.css", STYLE),
    ("macros.html", include_str!("templates/macros.html")),
    ("summary.html", include_str!("templates/summary.html")),
    ("items.html", include_str!("templates/items.html")),
    ("findings.html", include_str!("templates/findings.html")),
    ("evaluation.html", include_str!("templates/evaluation.html")),
    ("annexes.html", include_str!("templates/annexes.html")),
];

/// The look of the report's page, and of those around it.
pub(crate) const STYLE: &str = include_str!("templates/style.css");

/// Everything is escaped but what is marked safe: plots, which have escaped their texts themselves.
const FORM: Form = Form {
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

/// Renders the page.
///
/// # Errors
///
/// When a template does not fit the facts, which tests rule out.
pub fn page(report: &Report) -> Result<String, RenderError> {
    let plots = plots(report);
    render(report, TEMPLATES, &FORM, minijinja::context! { plots })
}

/// Plots by name: SVG for inside a page.
fn plots(report: &Report) -> BTreeMap<String, Value> {
    let mut plots = BTreeMap::new();
    let mut add = |name: String, plot: Option<String>| {
        if let Some(plot) = plot {
            plots.insert(name, Value::from_safe_string(plot::themed(&plot)));
        }
    };
    if let Some(pooled) = &report.pooled {
        let unit = "standard deviations of the controls";
        let plot = plot::standing("plot-pooled", "pooled", unit, pooled);
        add("pooled".to_owned(), plot);
    }
    for measure in &report.measures {
        let (name, id) = (measure.name, format!("plot-{}", measure.name));
        let plot = plot::standing(&id, name, measure.unit, &measure.standing);
        add(name.to_owned(), plot);
    }
    for table in &report.affinities {
        let name = format!("heat-{}", table.measure.name());
        let plot = plot::heat(&format!("plot-{name}"), table);
        add(name, plot);
    }
    add(
        "families".to_owned(),
        plot::families("plot-families", &report.families),
    );
    if let Some(tree) = &report.tree {
        let drawn = Value::from_safe_string(tree.dendrogram.render_svg());
        plots.insert("tree".to_owned(), drawn);
    }
    plots
}
