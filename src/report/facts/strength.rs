//! How strong the evidence is, in the sentences that stand under the finding.

use crate::adequacy::Adequacy;
use crate::case::Case;
use crate::measure::Basis;
use crate::validation::CaseRatio;
use crate::verdict::Finding;

/// The likelihood ratio in words; how often the tool errs in cases like this one; and where nothing was found, what
/// could have been.
pub(super) fn strength(
    case: &Case,
    ratio: Result<&CaseRatio, &String>,
    adequacy: &Adequacy,
) -> Vec<String> {
    let mut sentences = Vec::new();
    match ratio {
        Err(why) => sentences.push(format!("No likelihood ratio is given: {why}.")),
        Ok(ratio) => {
            sentences.push(format!(
                "{}{}.",
                capitalised(&ratio.sentence),
                qualified(ratio)
            ));
            // What was tried says nothing of a case that is unlike all of it.
            if ratio.outside.is_empty() {
                sentences.extend(tried(case, ratio));
            }
        }
    }
    if !says_descent(case.verdict.finding) {
        let power = adequacy.power.map(|power| power.sentence());
        sentences.extend(power.map(|p| format!("What this panel could have found: {p}.")));
    }
    sentences
}

/// What is to be known of the figure: a bound, an extrapolation.
fn qualified(ratio: &CaseRatio) -> String {
    let leading = ratio.ratios.iter().find(|r| r.against == ratio.against);
    let bounded = leading.is_some_and(|r| r.unbounded.abs() > r.log10_lr.abs());
    if !ratio.outside.is_empty() {
        let outside = ratio.outside.join("; ");
        format!(
            ". This figure is extrapolated, because nothing like this case was validated ({outside}), and it is \
             capped at 100 for that"
        )
    } else if bounded {
        ". This figure is a bound: the models that the tool was tried on are too few to state a more extreme one"
            .to_owned()
    } else {
        String::new()
    }
}

/// How often the tool errs, and on what kind of models that was measured.
fn tried(case: &Case, ratio: &CaseRatio) -> Option<String> {
    let row = ratio.row.as_ref()?;
    let (found, accused) = (row.distilled?, row.accused?);
    let models = match case.basis {
        Basis::Battery => "models of 0.2 million parameters",
        Basis::OpenText => "published models",
    };
    Some(format!(
        "Where the tool was tried in this way, on {models}, it accused {} of {} innocent models and found {} of {} \
         students.",
        accused.count, accused.of, found.count, found.of
    ))
}

/// Whether the finding is one of descent.
fn says_descent(finding: Finding) -> bool {
    matches!(
        finding,
        Finding::SameModel | Finding::WeightDerivative | Finding::Distilled | Finding::Family
    )
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}
