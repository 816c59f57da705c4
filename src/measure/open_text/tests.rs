use super::*;
use crate::measure::Scores;

const WORDS: [&str; 12] = [
    "stone", "river", "and", "the", "which", "garden", "of", "a", "under", "light", "slow", "bird",
];

/// What a model of a number answers, as in `scripts/make-open-text-answers.py`.
fn text(model: u64, prompt: u64) -> String {
    let mut state = model * 31 + prompt * 17 + 7;
    let mut words = Vec::new();
    for _ in 0..20 {
        state = (state * 1_103_515_245 + 12_345) % (1 << 31);
        words.push(WORDS[usize::try_from((state >> 16) % 12).unwrap()]);
    }
    words.join(" ")
}

fn prints(models: u64) -> BTreeMap<String, Fingerprint> {
    let print = |model: u64| {
        let mut print = Fingerprint::default();
        for prompt in 0..6 {
            print
                .texts
                .insert(format!("p{prompt}"), vec![text(model, prompt)]);
        }
        (format!("m{model}"), print)
    };
    (0..models).map(print).collect()
}

fn sides(prints: &BTreeMap<String, Fingerprint>) -> Vec<Side<'_>> {
    prints
        .iter()
        .map(|(id, print)| Side { id, print })
        .collect()
}

fn compared(prints: &BTreeMap<String, Fingerprint>, measure: Measure) -> Affinity {
    let sides = sides(prints);
    let ids: BTreeMap<&str, &str> = prints.keys().map(|id| (id.as_str(), id.as_str())).collect();
    let written = Written::new(&sides);
    written
        .compare(measure, &sides[1..], &sides[..2], &|id| ids[id])
        .unwrap()
}

fn check(gram: &Gram, expected: [f64; 5]) {
    let places = [(0, 0), (0, 1), (0, 3), (2, 7), (5, 6)];
    for ((i, j), expected) in places.into_iter().zip(expected) {
        let found = gram.values[[i, j]];
        assert!(
            (found - expected).abs() < 1e-10,
            "{i} {j}: {found} {expected}"
        );
    }
}

// scripts/make-open-text-answers.py, numpy 2.4.
#[test]
fn phrases_agree_with_numpy() {
    let found = compared(&prints(8), Measure::Phrases);
    let gram = found.gram.as_ref().unwrap();
    check(
        gram,
        [
            0.746_943_085_502,
            -0.080_953_954_465,
            -0.095_948_747_387,
            -0.031_251_996_004,
            -0.065_819_030_674,
        ],
    );
    // Cells are by prompt and not centred: model 1 is the first row.
    assert_eq!(found.cells.dim(), (7, 2, 6));
    let mean = found.cells.index_axis(ndarray::Axis(0), 0).row(0).sum() / 6.0;
    assert!((mean - 0.153_054_445_084).abs() < 1e-10, "{mean}");
}

#[test]
fn habits_agree_with_numpy() {
    let found = compared(&prints(8), Measure::Habits);
    let gram = found.gram.as_ref().unwrap();
    check(
        gram,
        [
            0.230_145_691_673,
            -0.020_101_438_634,
            -0.056_853_040_812,
            -0.038_427_722_181,
            -0.041_247_257_151,
        ],
    );
    let cosine = gram.values[[1, 0]] / (gram.values[[1, 1]] * gram.values[[0, 0]]).sqrt();
    assert!((found.cells[[0, 0, 0]] - cosine).abs() < 1e-12);
}

#[test]
fn more_samples_of_a_prompt_share_its_weight() {
    let mut prints = prints(8);
    let once = compared(&prints, Measure::Phrases).gram.unwrap();
    // The same answer twice is the mean of the same cosines.
    for samples in prints.get_mut("m3").unwrap().texts.values_mut() {
        samples.push(samples[0].clone());
        samples.push("  ".to_owned());
    }
    let twice = compared(&prints, Measure::Phrases).gram.unwrap();
    for (a, b) in once.values.iter().zip(&twice.values) {
        assert!((a - b).abs() < 1e-12);
    }
}

#[test]
fn who_answered_other_prompts_takes_no_part_and_what_somebody_lacks_is_left_out() {
    let mut prints = prints(9);
    // Five of six prompts are enough.
    prints.get_mut("m2").unwrap().texts.remove("p4");
    let found = compared(&prints, Measure::Habits);
    assert_eq!(found.gram.as_ref().unwrap().ids.len(), 9);
    let less = compared(&prints, Measure::Phrases);
    assert_eq!(less.probes, ["p0", "p1", "p2", "p3", "p5"]);
    // Two of six are not.
    for prompt in ["p0", "p1", "p2"] {
        prints.get_mut("m2").unwrap().texts.remove(prompt);
    }
    let found = compared(&prints, Measure::Habits);
    let gram = found.gram.unwrap();
    assert!(gram.place("m2").is_none() && gram.ids.len() == 8);
    assert!(found.cells[[1, 0, 0]].is_nan() && found.cells[[2, 0, 0]].is_finite());
    let more = compared(&prints, Measure::Phrases);
    assert_eq!(more.probes.len(), 6);
    assert!(more.cells[[1, 0, 0]].is_nan());
}

#[test]
fn a_panel_without_text_has_no_inner_products() {
    let nothing = Fingerprint::default();
    let prints = BTreeMap::from([
        ("m0".to_owned(), nothing.clone()),
        ("m1".to_owned(), nothing),
    ]);
    let found = compared(&prints, Measure::Phrases);
    assert!(found.gram.unwrap().ids.is_empty() && found.probes.is_empty());
    let found = compared(&prints, Measure::Habits);
    assert!(found.cells.iter().all(|c| c.is_nan()));
}

/// Ten models that answer at random, of which m1 says what m0 says on so many of six prompts.
fn learned(prompts: usize) -> BTreeMap<String, Fingerprint> {
    let mut prints = prints(10);
    let parent = prints["m0"].texts.clone();
    let child = &mut prints.get_mut("m1").unwrap().texts;
    for (prompt, samples) in parent.into_iter().take(prompts) {
        child.insert(prompt, samples);
    }
    prints
}

fn near(
    prints: &BTreeMap<String, Fingerprint>,
    measure: Measure,
    others: Vec<Vec<&str>>,
) -> Scores {
    let gram = compared(prints, measure).gram.unwrap();
    let houses = Houses {
        asked: vec!["m0"],
        own: vec!["m0"],
        others,
    };
    let controls = ["m3", "m4", "m5", "m6", "m7", "m8", "m9"];
    nearness(&gram, "m1", &houses, &controls, &|row, column| {
        row != column
    })
    .unwrap()
}

#[test]
fn who_repeats_the_parent_is_nearer_than_every_control() {
    for measure in [Measure::Habits, Measure::Phrases] {
        for others in [Vec::new(), vec![vec!["m2"]], vec![vec!["m2"], vec!["m9"]]] {
            let scores = near(&learned(4), measure, others.clone());
            let expected = if others.len() == 2 { 6 } else { 7 };
            assert_eq!(
                scores.controls.len(),
                expected,
                "a candidate parent is no control"
            );
            let standing = scores.standing();
            let t = standing.t.unwrap().t;
            assert!(t > 4.0, "{measure:?} {others:?}: {t}");
            assert!(standing.controls.iter().all(|c| *c < standing.score));
            let innocent = near(&prints(10), measure, others).standing().t.unwrap().t;
            assert!(innocent < 0.5 * t, "{measure:?}: {innocent} {t}");
        }
    }
}

#[test]
fn who_descends_from_the_house_is_no_control_and_is_not_given() {
    let prints = learned(4);
    let gram = compared(&prints, Measure::Phrases).gram.unwrap();
    let houses = Houses {
        asked: vec!["m0"],
        own: vec!["m0"],
        others: Vec::new(),
    };
    let controls = ["m3", "m4", "m5", "m6"];
    let all = nearness(&gram, "m1", &houses, &controls, &|_, _| true).unwrap();
    let less = nearness(&gram, "m1", &houses, &controls, &|row, _| row != "m4").unwrap();
    assert_eq!(all.controls.len(), 4);
    assert!(less.control("m4").is_none() && less.controls.len() == 3);
    assert!(
        (all.suspect - less.suspect).abs() > 1e-9,
        "m4 was given before"
    );
}

#[test]
fn who_takes_no_part_is_named() {
    let prints = prints(8);
    let gram = compared(&prints, Measure::Phrases).gram.unwrap();
    let asked = |asked| Houses {
        asked: vec![asked],
        own: vec![asked],
        others: Vec::new(),
    };
    let find = |suspect, of| nearness(&gram, suspect, &asked(of), &["m3"], &|_, _| true);
    assert_eq!(find("nobody", "m0"), Err(NoNearness::NoSuspect));
    assert_eq!(find("m1", "nobody"), Err(NoNearness::NoProtected));
    let alone = compared(
        &prints.clone().into_iter().take(2).collect(),
        Measure::Habits,
    );
    let gram = alone.gram.unwrap();
    let found = nearness(&gram, "m1", &asked("m0"), &[], &|_, _| true);
    assert_eq!(found, Err(NoNearness::NoneGiven));
}
