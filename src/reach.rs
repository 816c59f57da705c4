//! What a panel and its access can show at all, before anything is asked.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::measure::{Basis, Measure};
use crate::panel::{Matching, Panel};
use crate::question::Access;
use crate::rules::{MIN_CONTROLS, MIN_HOUSES};
use crate::verdict::Finding;

/// What is known of the two sides before they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    /// What will be compared.
    pub basis: Basis,
    /// How `choose` and `next` probes will be asked.
    pub access: Access,
    /// Weights of both are at hand.
    pub weights: bool,
    /// The suspect can read given texts.
    pub suspect_reads: bool,
    /// The protected model can.
    pub protected_reads: bool,
}

/// Whether a finding can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// The finding.
    pub finding: Finding,
    /// Whether it can be reached.
    pub possible: bool,
    /// By what, or why not.
    pub why: String,
}

/// The measures that will have values for suspect and protected model.
pub fn measures(sides: Sides) -> Vec<Measure> {
    let usable = |measure: &Measure| match measure {
        Measure::Likelihood => sides.suspect_reads,
        Measure::LikelihoodReverse => sides.protected_reads,
        Measure::Preference
        | Measure::Next
        | Measure::Style
        | Measure::Wording
        | Measure::WordingReverse
        | Measure::Habits
        | Measure::Phrases => true,
    };
    let all = sides.basis.measures().iter();
    all.filter(|m| usable(m)).copied().collect()
}

/// What can be found about this panel with this access, down the ladder.
pub fn reach(panel: &Panel, sides: Sides) -> Vec<Reach> {
    let names: Vec<&str> = measures(sides).iter().map(|m| m.name()).collect();
    let enough = panel.controls.len() >= MIN_CONTROLS;
    let few = format!(
        "{} controls; at least {MIN_CONTROLS} are needed",
        panel.controls.len()
    );
    // By open text other houses stand for a match: alternatives, and controls of a declared group.
    let controls = panel.controls.iter().filter(|c| c.group.is_some());
    let houses: BTreeSet<&str> = panel
        .alternatives
        .iter()
        .chain(controls)
        .map(|m| m.group.as_deref().unwrap_or(&m.id))
        .filter(|house| Some(*house) != panel.protected.group.as_deref())
        .collect();
    let by_houses = sides.basis == Basis::OpenText && houses.len() >= MIN_HOUSES;
    let matched = by_houses
        || !panel.alternatives.is_empty()
        || panel.controls.iter().any(|c| c.matching != Matching::None);
    let same = match sides.access {
        _ if sides.basis == Basis::OpenText => (
            false,
            "answers to open questions do not tell a model from a close student".to_owned(),
        ),
        Access::Scored | Access::Top => (true, "by what follows the same contexts".to_owned()),
        Access::Text => (
            false,
            "texts can tell models apart, but a close student passes for the model itself"
                .to_owned(),
        ),
    };
    let derivative = if sides.weights {
        (true, "by the weights of both sides".to_owned())
    } else {
        let why = "needs weights of both sides; answers alone do not tell it from distilled";
        (false, why.to_owned())
    };
    let contrast = |needs_match: bool| {
        if !enough {
            (false, few.clone())
        } else if needs_match && !matched {
            (
                false,
                "no alternative or control shares the protected model's data".to_owned(),
            )
        } else {
            (true, format!("by {}", names.join(", ")))
        }
    };
    let family = if panel.alternatives.is_empty() {
        (
            false,
            "needs an alternative that cannot be excluded".to_owned(),
        )
    } else {
        contrast(true)
    };
    let distilled = if panel.family.is_empty() {
        contrast(true)
    } else {
        let why = "the question is about the protected model's group as a whole";
        (false, why.to_owned())
    };
    [
        (Finding::SameModel, same),
        (Finding::WeightDerivative, derivative),
        (Finding::Distilled, distilled),
        (Finding::Family, family),
        (Finding::Related, contrast(false)),
        (Finding::Shared, contrast(false)),
        (Finding::Unrelated, contrast(false)),
    ]
    .into_iter()
    .map(|(finding, (possible, why))| Reach {
        finding,
        possible,
        why,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::Named;

    const WEIGHTS: Sides = Sides {
        basis: Basis::Battery,
        access: Access::Scored,
        weights: true,
        suspect_reads: true,
        protected_reads: true,
    };
    const TEXT: Sides = Sides {
        basis: Basis::Battery,
        access: Access::Text,
        weights: false,
        suspect_reads: false,
        protected_reads: false,
    };

    fn panel(controls: usize, alternatives: usize) -> Panel {
        let names = |kind: &str, count| (0..count).map(|i| format!("{kind}{i}")).collect();
        Panel::new(
            &Named {
                protected: "p".to_owned(),
                suspect: "s".to_owned(),
                base: None,
                controls: names("c", controls),
                alternatives: names("a", alternatives),
                family: false,
            },
            &[],
        )
    }

    fn possible(panel: &Panel, sides: Sides) -> Vec<Finding> {
        let found = reach(panel, sides).into_iter().filter(|r| r.possible);
        found.map(|r| r.finding).collect()
    }

    #[test]
    fn everything_can_be_found_with_weights_controls_and_an_alternative() {
        let all = [&Finding::ALL[..5], &[Finding::Shared, Finding::Unrelated]].concat();
        assert_eq!(possible(&panel(5, 1), WEIGHTS), all);
        assert_eq!(measures(WEIGHTS), Basis::Battery.measures());
    }

    #[test]
    fn each_missing_piece_takes_findings_away() {
        let gates = [Finding::SameModel, Finding::WeightDerivative];
        assert_eq!(possible(&panel(4, 1), WEIGHTS), gates);
        assert!(!possible(&panel(5, 0), WEIGHTS).contains(&Finding::Distilled));
        assert!(possible(&panel(5, 0), WEIGHTS).contains(&Finding::Related));
        let text = possible(&panel(5, 1), TEXT);
        assert_eq!(text[0], Finding::Distilled);
        assert!(possible(&panel(0, 1), TEXT).is_empty());
    }

    #[test]
    fn by_open_text_other_houses_stand_for_a_match() {
        let open = Sides {
            basis: Basis::OpenText,
            ..TEXT
        };
        let mut panel = panel(9, 0);
        assert!(!possible(&panel, open).contains(&Finding::Distilled));
        for (place, house) in [(0, "a"), (1, "a"), (2, "b")] {
            panel.controls[place].group = Some(house.to_owned());
        }
        assert!(possible(&panel, open).contains(&Finding::Distilled));
        panel.protected.group = Some("b".to_owned());
        assert!(!possible(&panel, open).contains(&Finding::Distilled));
    }

    #[test]
    fn a_question_about_a_group_is_not_answered_with_one_model() {
        let mut group = panel(5, 1);
        group.family = vec![group.alternatives[0].id.clone()];
        let found = possible(&group, WEIGHTS);
        assert!(found.contains(&Finding::Family) && !found.contains(&Finding::Distilled));
    }

    #[test]
    fn one_side_that_reads_gives_one_direction() {
        let suspect = Sides {
            suspect_reads: true,
            ..TEXT
        };
        assert!(measures(suspect).contains(&Measure::Likelihood));
        assert!(!measures(suspect).contains(&Measure::LikelihoodReverse));
    }
}
