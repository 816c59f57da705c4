//! Planted marks beside the natural evidence: the one rung that they reach by themselves.

use super::Case;
use crate::marks::trial::{Said, Trial};
use crate::verdict::Finding;

/// A test of planted marks as part of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Marked {
    /// What became of the prompts and of the keys.
    pub trial: Trial,
    /// Who signed and dated the commitment, in words.
    pub seal: String,
    /// Whether the commitment has a time stamp. Without one its keys may have been drawn after the suspect's answers
    /// were seen, until they fitted.
    pub dated: bool,
    /// The finding without the marks.
    pub without: Finding,
}

impl Marked {
    /// Whether the finding rests on the marks.
    pub fn decides(&self) -> bool {
        self.dated
            && self.trial.said == Said::Found
            && !matches!(
                self.without,
                Finding::SameModel | Finding::WeightDerivative | Finding::Distilled
            )
    }
}

impl Case {
    /// Takes a test of planted marks into the case. Marks that are found at the committed level, of a commitment that
    /// somebody has dated, place the finding at `distilled`, even where controls are missing, unless what was found
    /// without them is as strong. Whatever else
    /// they say moves nothing: a null is no evidence of innocence, and a control that is hit says nothing of the
    /// suspect.
    pub fn mark(&mut self, trial: Trial, seal: String, dated: bool) {
        let marked = Marked {
            trial,
            seal,
            dated,
            without: self.verdict.finding,
        };
        if marked.trial.said == Said::Found {
            let hits = marked.trial.hits();
            let weight = if marked.dated {
                format!("without them the finding is {}", marked.without.name())
            } else {
                "nobody has dated their commitment, so they move no finding".to_owned()
            };
            let reason = format!("planted marks: {} ({weight})", hits.trim_end_matches('.'));
            self.verdict.reasons.push(reason);
        }
        if marked.decides() {
            self.verdict.finding = Finding::Distilled;
            self.verdict.not_excluded.clear();
            self.verdict.settles = None;
        }
        self.marks = Some(marked);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::case::{Gates, weigh};
    use crate::marks::commit::Role;
    use crate::marks::trial::Counted;
    use crate::panel::{Named, Panel};

    fn trial(said: Said, p: f64) -> Trial {
        let channel = |name: &str, role, p_corrected| Counted {
            name: name.to_owned(),
            role,
            written: None,
            probable: None,
            p,
            p_corrected,
        };
        Trial {
            said,
            sentence: String::new(),
            level: 1e-5,
            prompts: 400,
            options: 4,
            channels_committed: 1,
            classified: 400,
            unclassified: 0,
            unanswered: 0,
            missing: 0,
            stopped: false,
            channels: vec![channel("api", Role::Served, Some(p))],
        }
    }

    /// A case without any control.
    fn case(said: Said, dated: bool, before: Option<Finding>) -> Case {
        let named = Named {
            protected: "p".to_owned(),
            suspect: "s".to_owned(),
            base: None,
            controls: Vec::new(),
            alternatives: Vec::new(),
            family: false,
        };
        let panel = Panel::new(&named, &[]);
        let mut case = weigh(&panel, &BTreeMap::new(), Gates::default(), &[]);
        assert_eq!(case.verdict.finding, Finding::Inconclusive);
        if let Some(before) = before {
            case.verdict.finding = before;
        }
        case.mark(trial(said, 1e-9), String::new(), dated);
        case
    }

    #[test]
    fn dated_marks_that_are_found_decide_without_controls() {
        let found = case(Said::Found, true, None);
        assert_eq!(found.verdict.finding, Finding::Distilled);
        assert_eq!(found.verdict.settles, None);
        let marks = found.marks.unwrap();
        assert!(marks.decides() && marks.without == Finding::Inconclusive);
        let reason = found.verdict.reasons.last().unwrap();
        assert!(
            reason.contains("without them the finding is inconclusive"),
            "{reason}"
        );
    }

    #[test]
    fn nothing_else_moves_a_finding() {
        for (said, dated) in [
            (Said::Found, false),
            (Said::NotFound, true),
            (Said::ControlHit, true),
            (Said::TooFew, true),
        ] {
            let case = case(said, dated, None);
            assert_eq!(case.verdict.finding, Finding::Inconclusive, "{said:?}");
            assert!(!case.marks.unwrap().decides());
        }
        for stronger in [
            Finding::SameModel,
            Finding::WeightDerivative,
            Finding::Distilled,
        ] {
            let case = case(Said::Found, true, Some(stronger));
            assert_eq!(case.verdict.finding, stronger);
            assert!(!case.marks.unwrap().decides());
        }
        let family = case(Said::Found, true, Some(Finding::Family));
        assert_eq!(family.verdict.finding, Finding::Distilled);
    }
}
