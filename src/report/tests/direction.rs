//! What a third model says, in every form of the report.

use super::{World, forms};
use crate::direction::Among;
use crate::panel::{Named, Panel};
use crate::report::Report;
use crate::report::facts::PropositionStanding;
use crate::verdict::Finding;
use crate::weigh::{Answer, Because, Direction, Open, Standing};

const BECAUSE: Because = Because {
    least: 1.25,
    next: 6.5,
};

/// Each answer, in the order of their names.
const ANSWERS: [Direction; 7] = [
    Direction::SuspectFromProtected(BECAUSE),
    Direction::ProtectedFromSuspect(BECAUSE),
    Direction::BothFromThird(BECAUSE),
    Direction::CannotSay(Open::NoStanding),
    Direction::CannotSay(Open::FewAlike),
    Direction::CannotSay(Open::ThirdNotClose),
    Direction::CannotSay(Open::NoneLeast),
];

fn report(finding: Finding, answer: Direction) -> Report {
    let mut world = World::new("models/suspect", 6, false);
    let named = Named {
        protected: world.panel.protected.model.clone(),
        suspect: world.panel.suspect.model.clone(),
        third: Some("models/third".to_owned()),
        ..Named::default()
    };
    world.panel.third = Panel::new(&named, &[]).third;
    let standing = |score| Some(Standing::new(score, vec![-1.0, 0.0, 1.0, 0.5]));
    world.direction = Some(Among {
        answer,
        suspect_protected: standing(2.0),
        protected_suspect: standing(1.0),
        suspect_third: standing(8.0),
        protected_third: None,
    });
    world.report(|case| case.verdict.finding = finding)
}

/// A report for each answer.
pub(super) fn reports(finding: Finding) -> Vec<Report> {
    ANSWERS.map(|answer| report(finding, answer)).into()
}

fn standing(report: &Report, code: &str) -> PropositionStanding {
    let mut propositions = report.propositions.iter();
    propositions.find(|p| p.code == code).unwrap().standing
}

#[test]
fn every_form_has_the_answer_and_its_reason() {
    for report in reports(Finding::Unrelated) {
        let direction = report.direction.as_ref().unwrap();
        for (form, text) in forms(&report) {
            // Lines are broken in the terminal, and letters are marked up in Markdown.
            let squeezed = |text: &str| {
                let text = text.replace("&lt;", "<").replace("&#x27;", "'");
                text.replace("&#x2f;", "/").replace(['\\', '\n', ' '], "")
            };
            for said in [&direction.sentence, &direction.why, &direction.validated] {
                assert!(squeezed(&text).contains(&squeezed(said)), "{form}: {said}");
            }
            assert!(squeezed(&text).contains("models/third"), "{form}");
        }
        assert_eq!(direction.closeness.len(), 4);
        assert_eq!(direction.closeness[3].t, None);
    }
}

#[test]
fn an_answer_against_a_finding_leads_what_limits_it_and_moves_nothing() {
    let first = |report: &Report| report.caveats[0].code;
    for finding in [Finding::Distilled, Finding::Related, Finding::SameModel] {
        let codes: Vec<&str> = reports(finding).iter().map(first).collect();
        assert_eq!(codes[1..3], ["reversed_direction", "common_teacher"]);
        assert!(
            !codes[3..]
                .iter()
                .chain(&codes[..1])
                .any(|c| codes[1..3].contains(c))
        );
    }
    for report in reports(Finding::Shared) {
        assert!(!["reversed_direction", "common_teacher"].contains(&first(&report)));
    }
    let plain = World::new("models/suspect", 6, false).report(|_| {});
    for report in reports(plain.finding) {
        assert_eq!(report.pooled, plain.pooled);
        assert_eq!(report.reasons, plain.reasons);
    }
}

#[test]
fn the_propositions_say_which_way_it_speaks() {
    use PropositionStanding::{Open, Partly, Weighed};
    for (report, reversed, teacher) in reports(Finding::Distilled)
        .iter()
        .zip([Weighed, Weighed, Weighed, Open, Open, Open, Open])
        .zip([Partly, Partly, Weighed, Partly, Partly, Partly, Partly])
        .map(|((report, reversed), teacher)| (report, reversed, teacher))
    {
        let answer = report.direction.as_ref().unwrap().answer;
        assert_eq!(standing(report, "reversed"), reversed, "{answer:?}");
        assert_eq!(standing(report, "common_teacher"), teacher, "{answer:?}");
        let told = &report.direction.as_ref().unwrap().sentence;
        let led = report.least_favourable.text.contains(told);
        assert_eq!(led, answer != Answer::CannotSay);
    }
}
