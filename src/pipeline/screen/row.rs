//! What one weighed case becomes in a screening.

use crate::case::Case;
use crate::fingerprint::AnswerCounts;
use crate::screening::Row;
use crate::validation::CaseRatio;

/// Models of a mix that are named.
const NAMED: usize = 3;

/// The row of a case, before it is corrected for how many there are.
pub(super) fn row(
    (suspect, model, protected): (&str, &str, &str),
    case: &Case,
    ratio: &Result<CaseRatio, String>,
    counts: AnswerCounts,
) -> Row {
    let t = case.evidence.pooled.as_ref().and_then(|s| s.t);
    let ratio_of = ratio.as_ref().ok();
    Row {
        suspect: suspect.to_owned(),
        model: model.to_owned(),
        protected: protected.to_owned(),
        finding: case.verdict.finding,
        found: false,
        p: t.map(|t| t.p),
        q: None,
        t: t.map(|t| t.t),
        log10_lr: ratio_of.map(|r| r.log10_lr),
        held_by: ratio_of.map(|r| r.curves.held_by),
        innocent: innocent(case, ratio_of),
        missing: missing(case, ratio, counts),
        controls: case.evidence.controls,
        command: Vec::new(),
    }
}

/// The innocent explanation that lies nearest: as what mix of other models the suspect can be written by the measure that
/// counts most, and what the ratio is least favourable against.
fn innocent(case: &Case, ratio: Option<&CaseRatio>) -> String {
    let mixes = case.measures.iter().filter_map(|m| {
        let synthetic = m.figures.synthetic.as_ref().ok()?;
        (!synthetic.mix.is_empty()).then_some((m, synthetic))
    });
    let heaviest = mixes.max_by(|a, b| a.0.weight.total_cmp(&b.0.weight));
    let mix = heaviest.map(|(measure, synthetic)| {
        let mut parts: Vec<String> = synthetic
            .mix
            .iter()
            .take(NAMED)
            .map(|(id, weight)| format!("{weight:.2} {id}"))
            .collect();
        let more = synthetic.mix.len().saturating_sub(NAMED);
        if more > 0 {
            parts.push(format!("{more} more"));
        }
        format!("a mix of {} ({})", parts.join(", "), measure.measure.name())
    });
    let against = ratio.map(|r| {
        let words = r.ratios.iter().find(|one| one.against == r.against);
        format!("the suspect {}", words.map_or("", |one| one.words))
    });
    let parts: Vec<String> = against.into_iter().chain(mix).collect();
    if parts.is_empty() {
        "none could be weighed".to_owned()
    } else {
        parts.join("; ")
    }
}

/// What a firmer answer lacks.
fn missing(case: &Case, ratio: &Result<CaseRatio, String>, counts: AnswerCounts) -> Vec<String> {
    let mut missing: Vec<String> = case.verdict.settles.iter().cloned().collect();
    if counts.answered < counts.asked {
        missing.push(format!(
            "answers to {} of {} questions ({} refused)",
            counts.asked - counts.answered,
            counts.asked,
            counts.refused
        ));
    }
    if case.evidence.pooled.as_ref().and_then(|s| s.t).is_none() {
        missing.push("a score that can be tested".to_owned());
    }
    match ratio {
        Err(why) => missing.push(format!("a likelihood ratio: {why}")),
        Ok(ratio) => missing.extend(
            ratio
                .outside
                .iter()
                .map(|what| format!("validation of such a case: {what}")),
        ),
    }
    missing
}
