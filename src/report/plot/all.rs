//! Every plot of a report, by the name that the pages know it by.

use std::collections::BTreeMap;

use super::{bets, families, heat, standing};
use crate::report::facts::Report;

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
    if let Some(tree) = &report.tree {
        add("tree", &|_| Some(tree.dendrogram.render_svg()));
    }
    plots
}
