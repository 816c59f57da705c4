//! Panels that lie: copies, and controls that are none, beside models that answer by a rule.

use std::collections::BTreeMap;

use super::*;
use crate::digest;
use crate::panel::Named;
use crate::verdict::Finding;

const PROBES: usize = 40;
const OPTIONS: usize = 5;
const CONTROLS: [&str; 12] = [
    "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11", "c12",
];

/// Standard normal numbers that a name decides, one an option of every probe.
fn normal(name: &str) -> Vec<f64> {
    let seed = digest::of_value(&name);
    let seed = u64::from_str_radix(&seed[..16], 16).unwrap();
    // Knuth's congruential generator and the transform of Box and Muller.
    let mut state = seed;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..PROBES * OPTIONS)
        .map(|_| {
            let (u, v) = (uniform(), uniform());
            (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
        })
        .collect()
}

/// A model whose likings are what all share, what it has of its own, and parts of what others have of their own.
fn model(name: &str, parts: &[(f64, &str)]) -> Fingerprint {
    let mut likes = normal("what all models share");
    let own = std::iter::once((0.5, name)).chain(parts.iter().copied());
    for (share, of) in own {
        for (like, more) in likes.iter_mut().zip(normal(of)) {
            *like += share * more;
        }
    }
    let distribution = |probe: usize| -> Vec<f64> {
        let weights = &likes[probe * OPTIONS..(probe + 1) * OPTIONS];
        let total: f64 = weights.iter().map(|w| w.exp()).sum();
        weights.iter().map(|w| w.exp() / total).collect()
    };
    let mut print = Fingerprint::default();
    for probe in 0..PROBES {
        let shares = distribution(probe);
        if probe % 2 == 0 {
            print.choices.insert(format!("choose-{probe}"), shares);
        } else {
            let texts = shares.iter().enumerate();
            let pool = texts.map(|(i, p)| (format!("text {i}"), p.ln())).collect();
            print.pool.insert(format!("next-{probe}"), pool);
        }
    }
    print
}

/// What every model answers: `teacher` and its siblings of the same data, a student, an innocent, controls.
fn world() -> BTreeMap<String, Fingerprint> {
    let mut prints = BTreeMap::new();
    let mut add = |name: &str, parts: &[(f64, &str)]| {
        prints.insert(name.to_owned(), model(name, parts));
    };
    for name in ["teacher", "sibling-1", "sibling-2"] {
        add(name, &[(0.5, "the data of the teacher")]);
    }
    add(
        "student",
        &[(0.5, "teacher"), (0.25, "the data of the teacher")],
    );
    add("innocent", &[(0.5, "other data")]);
    for (i, name) in CONTROLS.iter().enumerate() {
        let data = ["the data of the teacher", "other data", "third data"][i % 3];
        add(name, &[(0.5, data)]);
    }
    // As another path to the same file, and as the same weights in fewer bits, would answer.
    add("copy of c1", &[]);
    prints.insert("copy of c1".to_owned(), prints["c1"].clone());
    let barely = |of: &str, name: &str| {
        let mut print = prints[of].clone();
        for (i, pool) in print.pool.values_mut().enumerate() {
            for (k, value) in pool.values_mut().enumerate() {
                *value += 0.01 * normal(name)[i * OPTIONS + k];
            }
        }
        print
    };
    let copies = [
        ("requantised teacher", barely("teacher", "requantised")),
        ("requantised student", barely("student", "again")),
    ];
    prints.extend(copies.map(|(name, print)| (name.to_owned(), print)));
    prints
}

fn judged(prints: &BTreeMap<String, Fingerprint>, suspect: &str, controls: &[&str]) -> Case {
    let named = Named {
        protected: "teacher".to_owned(),
        suspect: suspect.to_owned(),
        controls: controls.iter().map(|c| (*c).to_owned()).collect(),
        alternatives: vec!["sibling-1".to_owned(), "sibling-2".to_owned()],
        ..Named::default()
    };
    let panel = Panel::new(&named, &[]);
    let order: Vec<String> = (0..PROBES)
        .map(|p| format!("{}-{p}", if p % 2 == 0 { "choose" } else { "next" }))
        .collect();
    weigh(&panel, prints, Gates::default(), &order)
}

fn t(case: &Case) -> f64 {
    case.evidence.pooled.as_ref().unwrap().t.unwrap().t
}

#[test]
fn the_world_has_a_student_and_an_innocent() {
    let prints = world();
    let student = judged(&prints, "student", &CONTROLS);
    assert_eq!(
        student.verdict.finding,
        Finding::Distilled,
        "{:?}",
        student.verdict.reasons
    );
    let innocent = judged(&prints, "innocent", &CONTROLS);
    assert!(
        !matches!(
            innocent.verdict.finding,
            Finding::Distilled | Finding::Family | Finding::Related
        ),
        "{:?}",
        innocent.verdict.reasons
    );
}

#[test]
fn a_copy_of_the_protected_model_or_the_suspect_among_controls_acquits_nobody() {
    let prints = world();
    let clean = judged(&prints, "student", &CONTROLS);
    for (copy, why) in [
        ("requantised teacher", NoControl::Protected),
        ("requantised student", NoControl::Suspect),
    ] {
        let controls = [&CONTROLS[..], &[copy]].concat();
        let found = judged(&prints, "student", &controls);
        assert_eq!(found.verdict.finding, Finding::Distilled, "{copy}");
        let out: Vec<(&str, NoControl)> = found
            .screened
            .iter()
            .map(|s| (s.id.as_str(), s.why))
            .collect();
        assert_eq!(out, [(copy, why)]);
        // It is out of everything, mixes included.
        assert!((t(&found) - t(&clean)).abs() < 1e-12);
    }
}

#[test]
fn seventy_copies_of_a_control_count_once() {
    let mut prints = world();
    let names: Vec<String> = (0..70).map(|i| format!("folder {i}")).collect();
    for name in &names {
        prints.insert(name.clone(), prints["c1"].clone());
    }
    let controls: Vec<&str> = CONTROLS[..5]
        .iter()
        .copied()
        .chain(names.iter().map(String::as_str))
        .collect();
    let few = judged(&prints, "innocent", &CONTROLS[..5]);
    let many = judged(&prints, "innocent", &controls);
    assert_eq!(many.evidence.controls, 5);
    assert_eq!(many.screened.len(), 70);
    assert!(many.screened.iter().all(|s| s.why == NoControl::Copy));
    assert_eq!(many.verdict, few.verdict);
}

#[test]
fn leaving_a_control_out_leaves_it_out_of_the_mixes() {
    let prints = world();
    let all = judged(&prints, "student", &CONTROLS);
    let less = judged(&prints, "student", &CONTROLS[1..]);
    let left = all.left_out.iter().find(|l| l.control == "c1").unwrap();
    let left = left.pooled.as_ref().unwrap().t.unwrap();
    assert!((left.t - t(&less)).abs() < 1e-9, "{} {}", left.t, t(&less));
}

#[test]
fn two_undeclared_students_among_many_controls_leave_the_case_open() {
    let mut prints = world();
    let hidden = ["hidden 1", "hidden 2"];
    for name in hidden {
        prints.insert(
            name.to_owned(),
            model(name, &[(0.5, "teacher"), (0.25, "other data")]),
        );
    }
    for count in 1..=2 {
        let controls = [&CONTROLS[..], &hidden[..count]].concat();
        let found = judged(&prints, "student", &controls);
        assert!(
            !matches!(found.verdict.finding, Finding::Unrelated | Finding::Shared),
            "{count}: {:?}",
            found.verdict.reasons
        );
        assert!(
            found
                .screened
                .iter()
                .all(|s| hidden.contains(&s.id.as_str()))
        );
    }
}
