//! Every plot of a report, by the name that the pages know it by.

use std::collections::BTreeMap;

use super::{bets, ece, families, heat, lr_curve, standing, tippett};
use crate::report::facts::{CurveName, Report};
use crate::validation::CaseRatio;

/// The plots that a case has something for: SVG elements in light colours. Their ids begin with `plot-`.
pub fn plots(report: &Report) -> BTreeMap<String, String> {
    let mut plots = BTreeMap::new();
    let mut add = |name: &str, draw: &dyn Fn(&str) -> Option<String>| {
        if let Some(plot) = draw(&format!("plot-{name}")) {
            plots.insert(name.to_owned(), plot);
        }
    };
    if let Some(pooled) = &report.pooled {
        let unit = "standard deviations of the controls";
        add("pooled", &|id| standing(id, "pooled", unit, pooled));
    }
    for measure in &report.measures {
        let (name, unit) = (measure.name, measure.unit);
        add(name, &|id| standing(id, name, unit, &measure.standing));
    }
    for table in &report.affinities {
        let name = format!("heat-{}", table.measure.name());
        add(&name, &|id| heat(id, table));
    }
    add("families", &|id| families(id, &report.families));
    if let Some(wealth) = &report.e_values {
        add("bets", &|id| bets(id, wealth));
    }
    if let Some(ratio) = &report.ratio {
        for curve in &report.curves {
            add(curve.name.name(), &|id| on_curve(id, curve.name, ratio));
        }
    }
    if let Some(tree) = &report.tree {
        add("tree", &|_| Some(tree.dendrogram.render_svg()));
    }
    plots
}

/// The case on a curve of the validation.
fn on_curve(id: &str, curve: CurveName, ratio: &CaseRatio) -> Option<String> {
    let validation = "The validation's test part";
    match curve {
        CurveName::Tippett => {
            let curves = ratio.curves.tippett.as_ref()?;
            tippett(id, validation, curves, Some(ratio.log10_lr))
        }
        CurveName::Ece => {
            let prior = ratio.updated.map(|u| u.prior_odds.log10());
            ece(id, validation, ratio.curves.ece.as_ref()?, prior)
        }
        CurveName::LrCurve => lr_curve(id, ratio),
    }
}
