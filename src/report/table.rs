//! The figures of a report as a table, for spreadsheets and data frames: comma-separated values after RFC 4180.

use serde::Serialize;

use super::Report;
use super::facts::StandingFacts;

/// A row: one model by one measure.
#[derive(Debug, Serialize)]
struct Row<'a> {
    measure: &'a str,
    unit: &'a str,
    role: &'static str,
    model: String,
    score: f64,
    t: Option<f64>,
    t_df: Option<f64>,
    t_p: Option<f64>,
    conformal_p: Option<f64>,
    probes: usize,
}

/// A row a measure and model, the suspect and every control, and `pooled` for all measures together in standard
/// deviations of the controls. Only the suspect's rows have a test.
///
/// # Errors
///
/// When a row cannot be written, which does not happen in memory.
pub fn csv(report: &Report) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let measures = report
        .measures
        .iter()
        .map(|m| (m.name, m.unit, &m.standing));
    let pooled = report
        .pooled
        .iter()
        .map(|p| ("pooled", "standard deviations", p));
    for (measure, unit, standing) in measures.chain(pooled) {
        for row in rows(measure, unit, &report.suspect.name, standing) {
            writer.serialize(row)?;
        }
    }
    writer.into_inner().map_err(|e| e.into_error().into())
}

fn rows<'a>(
    measure: &'a str,
    unit: &'a str,
    suspect: &str,
    standing: &StandingFacts,
) -> Vec<Row<'a>> {
    let Some(score) = standing.score else {
        return Vec::new();
    };
    let row = |role, model: &str, score| Row {
        measure,
        unit,
        role,
        model: no_formula(model),
        score,
        t: None,
        t_df: None,
        t_p: None,
        conformal_p: None,
        probes: standing.probes,
    };
    let own = Row {
        t: standing.t,
        t_df: standing.t_df,
        t_p: standing.t_p,
        conformal_p: standing.conformal_p,
        ..row("suspect", suspect, score)
    };
    let controls = standing.controls.iter();
    std::iter::once(own)
        .chain(controls.map(|(model, score)| row("control", model, *score)))
        .collect()
}

/// A name that no spreadsheet takes for a formula: names come from outside.
pub(super) fn no_formula(name: &str) -> String {
    if name.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{name}")
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn only_the_suspect_has_a_test_and_what_was_left_out_has_no_rows() {
        let standing = StandingFacts {
            score: Some(2.5),
            conformal_p: Some(0.5),
            t: Some(3.0),
            t_df: Some(4.0),
            t_p: Some(0.02),
            probes: 9,
            controls: BTreeMap::from([("a, b".to_owned(), -0.5)]),
        };
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in rows("next", "nats", "=s", &standing) {
            writer.serialize(row).unwrap();
        }
        let table = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        assert_eq!(
            table,
            "measure,unit,role,model,score,t,t_df,t_p,conformal_p,probes\n\
             next,nats,suspect,'=s,2.5,3.0,4.0,0.02,0.5,9\n\
             next,nats,control,\"a, b\",-0.5,,,,,9\n"
        );
        assert!(rows("next", "nats", "s", &StandingFacts::default()).is_empty());
    }
}
