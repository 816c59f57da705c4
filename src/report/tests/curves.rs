//! Claims about the case on the validation's curves.

use super::{World, forms};
use crate::report::plot::ruler::{blur, diamonds, values};
use crate::report::{Report, html};
use crate::validation::CaseRatio;
use crate::validation::tests::{BEYOND_ALL, made_up};

const NAMES: [&str; 3] = ["tippett", "ece", "lr_curve"];

pub(super) fn report(ratio: CaseRatio) -> Report {
    let world = World {
        ratio: Ok(ratio),
        ..World::new("models/suspect", 6, false)
    };
    world.report(|_| {})
}

/// The plot of a name in a page, and what stands below it.
fn plot(page: &str, name: &str) -> (String, String) {
    let (before, after) = page
        .split_once(&format!("id=\"plot-{name}-title\""))
        .unwrap();
    let (svg, after) = after.split_once("</svg>").unwrap();
    let (_, opening) = before.rsplit_once("<svg").unwrap();
    let below = after.split_once("</figure>").unwrap().0;
    (format!("<svg{opening}{svg}</svg>"), below.to_owned())
}

fn assert_near(svg: &str, diamond: (f64, f64), across: f64) {
    let (found, blur) = (values(svg, diamond).0, blur(svg).0);
    assert!((found - across).abs() < blur, "{found}: {across}");
}

#[test]
fn this_case_is_marked_on_every_curve_where_its_numbers_are() {
    for (score, outside) in [(4.0, false), (12.0, true), (BEYOND_ALL, false)] {
        let ratio = made_up(score, outside, Some(0.01));
        let page = html::page(&report(ratio.clone())).unwrap();
        for (name, mark, across) in [
            ("tippett", 0, ratio.log10_lr),
            ("ece", 0, -2.0),
            // The other diamond is the legend's.
            ("lr_curve", 0, ratio.deviate),
        ] {
            let (svg, below) = plot(&page, name);
            assert_near(&svg, diamonds(&svg)[mark], across);
            assert!(!svg.contains("\"#"), "{name} follows light and dark");
            assert!(below.contains("of the sources"), "{name} names its models");
        }
        let (svg, _) = plot(&page, "lr_curve");
        let found = values(&svg, diamonds(&svg)[0]).1;
        assert!((found - ratio.log10_lr).abs() < blur(&svg).1, "{found}");
    }
}

#[test]
fn every_form_tells_where_the_case_stands() {
    // Innocents of the test part at -2 to 2, students from 6 and one at 0.5.
    let report = report(made_up(4.0, false, None));
    let said = "Of the students 88.9 % have that or more, of the cases of innocent models 0.0 %.";
    for (form, text) in &forms(&report)[..2] {
        assert!(text.contains(said), "{form}");
        assert!(
            text.contains("No prior odds were stated for this report"),
            "{form}"
        );
    }
    let names: Vec<&str> = report.curves.iter().map(|c| c.name.name()).collect();
    assert_eq!(names, NAMES);
    let json = serde_json::to_value(&report).unwrap();
    for (curve, name) in report.curves.iter().zip(NAMES) {
        assert_eq!(serde_json::to_value(curve.name).unwrap(), name);
        assert!(
            json["ratio"]["curves"][if name == "lr_curve" { "fitted" } else { name }].is_object()
                || name == "ece"
        );
    }
}

#[test]
fn without_a_ratio_there_is_no_curve_and_the_reason_stands_there() {
    let report = World::new("models/suspect", 6, false).report(|_| {});
    assert!(report.curves.is_empty());
    let page = html::page(&report).unwrap();
    for name in NAMES {
        assert!(!page.contains(&format!("plot-{name}")), "{name}");
    }
    let reason =
        "nothing was calibrated. So this case has no place on the curves of the validation";
    for (form, text) in &forms(&report)[..2] {
        assert!(text.contains(reason), "{form}");
    }
}

#[test]
fn what_is_unusual_about_the_case_is_said_below_its_curve() {
    let case_of = |ratio| report(ratio).curves[2].case.clone();
    let plain = case_of(made_up(4.0, false, None));
    assert!(
        !plain.contains("holds the ratio") && !plain.contains("extrapolated"),
        "{plain}"
    );
    let infinite = case_of(made_up(BEYOND_ALL, false, None));
    assert!(infinite.contains("a bound holds the ratio"), "{infinite}");
    assert!(infinite.contains("deviate of 37.00") && infinite.contains("further out than 37"));
    let outside = case_of(made_up(4.0, true, None));
    assert!(
        outside.contains("extrapolated, and capped at 100 either way (log10 2.00)"),
        "{outside}"
    );
    let mut capped = made_up(12.0, true, None);
    capped.curves.held_by = crate::validation::HeldBy::Cap;
    assert!(case_of(capped).contains("the cap holds the ratio"));
}

#[test]
fn a_prior_beyond_the_plot_is_said_to_lie_there() {
    let case_of = |odds| {
        report(made_up(4.0, false, Some(odds))).curves[1]
            .case
            .clone()
    };
    let (inside, beyond) = (case_of(0.01), case_of(1e-9));
    assert!(
        inside.contains("prior odds of 0.010") && inside.contains("(log10 -2.00)"),
        "{inside}"
    );
    assert!(
        inside.contains("nearest that were tried (log10 -2.0)"),
        "{inside}"
    );
    assert!(!inside.contains("beyond the plot"), "{inside}");
    assert!(
        beyond.contains("beyond the plot") && beyond.contains("(log10 -3.0)"),
        "{beyond}"
    );
}
