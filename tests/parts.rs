//! A suspect that is served as another model for published probes is told by its answers to private ones.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use parentage::case::Parts;
use parentage::digest;
use parentage::fingerprint::Fingerprint;
use parentage::panel::{Named, Panel};
use parentage::verdict::Finding;

const PROBES: usize = 400;
/// The first of them are published.
const PUBLISHED: usize = 240;
const OPTIONS: usize = 5;
const CONTROLS: [&str; 14] = [
    "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11", "c12", "c13", "c14",
];

fn id(probe: usize) -> String {
    format!(
        "{}-{probe}",
        if probe.is_multiple_of(2) {
            "choose"
        } else {
            "next"
        }
    )
}

/// Standard normal numbers that a name decides, one an option of every probe.
fn normal(name: &str) -> Vec<f64> {
    let seed = digest::of_value(&name);
    let mut state = u64::from_str_radix(&seed[..16], 16).unwrap();
    // Knuth's congruential generator and the transform of Box and Muller.
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut one = || {
        let (u, v) = (uniform(), uniform());
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    };
    (0..PROBES * OPTIONS).map(|_| one()).collect()
}

/// A model whose likings are what all share, what it has of its own, and parts of what others have of their own.
fn model(name: &str, parts: &[(f64, &str)]) -> Fingerprint {
    let mut likes = normal("what all models share");
    for (share, of) in std::iter::once((0.5, name)).chain(parts.iter().copied()) {
        for (like, more) in likes.iter_mut().zip(normal(of)) {
            *like += share * more;
        }
    }
    let mut print = Fingerprint::default();
    for (probe, weights) in likes.chunks(OPTIONS).enumerate() {
        let total: f64 = weights.iter().map(|w| w.exp()).sum();
        let shares = weights.iter().map(|w| w.exp() / total);
        if probe % 2 == 0 {
            print.choices.insert(id(probe), shares.collect());
        } else {
            let pool = shares
                .enumerate()
                .map(|(i, p)| (format!("text {i}"), p.ln()));
            print.pool.insert(id(probe), pool.collect());
        }
    }
    print
}

#[test]
fn another_model_for_published_probes_is_told_from_private_ones() {
    let order: Vec<String> = (0..PROBES).map(id).collect();
    let ids = |order: &[String]| order.iter().cloned().collect::<BTreeSet<String>>();
    let (published, private) = (ids(&order[..PUBLISHED]), ids(&order[PUBLISHED..]));
    let refs = |ids: &'_ BTreeSet<String>| -> Vec<String> { ids.iter().cloned().collect() };
    let of = |print: &Fingerprint, ids: &BTreeSet<String>| {
        let ids: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        print.part(&ids)
    };
    let mut prints = BTreeMap::new();
    for name in ["teacher", "sibling-1", "sibling-2"] {
        let data = [(0.5, "the data of the teacher")];
        prints.insert(name.to_owned(), model(name, &data));
    }
    for (i, name) in CONTROLS.iter().enumerate() {
        let data = ["the data of the teacher", "other data", "third data"][i % 3];
        prints.insert((*name).to_owned(), model(name, &[(0.5, data)]));
    }
    let student = model(
        "student",
        &[(0.5, "teacher"), (0.25, "the data of the teacher")],
    );
    let innocent = model("innocent", &[(0.5, "other data")]);
    let mut disguised = of(&innocent, &published);
    let own = of(&student, &private);
    disguised.choices.extend(own.choices);
    disguised.pool.extend(own.pool);
    for (name, print) in [
        ("student", student),
        ("innocent", innocent),
        ("disguised", disguised),
    ] {
        prints.insert(name.to_owned(), print);
    }
    let known: BTreeSet<&str> = published.iter().map(String::as_str).collect();
    let parts = |suspect: &str, published: &BTreeSet<&str>| {
        let named = Named {
            protected: "teacher".to_owned(),
            suspect: suspect.to_owned(),
            controls: CONTROLS.map(str::to_owned).to_vec(),
            alternatives: vec!["sibling-1".to_owned(), "sibling-2".to_owned()],
            ..Named::default()
        };
        Parts::of(&Panel::new(&named, &[]), &prints, &order, published)
    };
    let found = |suspect: &str| {
        let Parts { published, private } = parts(suspect, &known).unwrap();
        (published, private)
    };
    // This world's panel cannot acquit anybody, so that the part without descent stays open.
    assert_eq!(found("disguised"), (Finding::Undecided, Finding::Distilled));
    assert_eq!(found("student"), (Finding::Distilled, Finding::Distilled));
    assert_eq!(found("innocent"), (Finding::Undecided, Finding::Undecided));
    // Of one kind of probes there is nothing to be compared.
    let all = refs(&ids(&order));
    let all: BTreeSet<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(parts("student", &all), None);
    assert_eq!(parts("student", &BTreeSet::new()), None);
}

#[test]
fn only_a_part_that_could_have_shown_descent_contradicts_one_that_does() {
    let contradict = |published, private| Parts { published, private }.contradict();
    for speaks in [Finding::SameModel, Finding::Distilled, Finding::Family] {
        for denies in [Finding::Unrelated, Finding::Shared] {
            assert!(contradict(speaks, denies) && contradict(denies, speaks));
        }
        for open in [Finding::Undecided, Finding::Inconclusive, Finding::Related] {
            assert!(!contradict(speaks, open) && !contradict(open, speaks));
        }
        assert!(!contradict(speaks, speaks));
    }
    assert!(!contradict(Finding::Unrelated, Finding::Unrelated));
}
