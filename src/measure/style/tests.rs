use super::tally::BITS;
use super::*;

// numpy and scipy.spatial.distance.cosine on z-scores (ddof = 0), SciPy 1.17.1.
#[test]
fn cosine_delta_agrees_with_scipy() {
    let rows: [[f64; 5]; 4] = [
        [1.0, 2.0, 0.0, 5.0, 3.0],
        [2.0, 1.0, 0.0, 5.0, 1.0],
        [4.0, 4.0, 0.0, 5.0, 2.0],
        [0.0, 3.0, 0.0, 5.0, 7.0],
    ];
    let mut profiles: Vec<Option<Vec<f64>>> = rows.iter().map(|r| Some(r.to_vec())).collect();
    profiles.insert(1, None);
    let z = standardise(profiles);
    assert_eq!(z[1], None);
    let z: Vec<Vec<f64>> = z.into_iter().flatten().collect();
    for (i, j, expected) in EXPECTED {
        let found = cosine(&z[*i], &z[*j]).unwrap();
        assert!((found - expected).abs() < 1e-12, "{i} {j}: {found}");
    }
}

const EXPECTED: &[(usize, usize, f64)] = &[
    (0, 1, 0.542_864_922_986_578_1),
    (0, 2, -0.910_962_495_542_081_9),
    (0, 3, 0.154_183_291_992_901_82),
    (1, 2, -0.284_369_900_641_909_15),
    (1, 3, -0.697_869_892_053_936_8),
    (2, 3, -0.482_164_848_996_761_15),
];

#[test]
fn features_are_what_is_commonest_over_the_models_of_the_panel() {
    // xyz 2/4, yzx and zxy 1/4; xyz and yzq 1/2; eee alone.
    let (a, b, c) = (
        print(&[("p", &["xyzxyz"])]),
        print(&[("p", &["xyzq"])]),
        print(&[("p", &["eee"])]),
    );
    let side = |id, print| Side { id, print };
    let manners = Manners::new(&[side("a", &a), side("b", &b), side("c", &c)]);
    let found = |models: &[&str], limit| -> Vec<String> {
        let keys = manners.trigrams.commonest(models.iter(), limit);
        keys.into_iter().map(spelt).collect()
    };
    // Of equals the first in order, and nothing that only others wrote.
    assert_eq!(found(&["a", "b"], 3), ["xyz", "yzq", "yzx"]);
    assert_eq!(found(&["a"], 9), ["xyz", "yzx", "zxy"]);
    assert_eq!(found(&["b", "c"], 1), ["eee"]);
}

/// The characters of a run.
fn spelt(run: Run) -> String {
    let at = |place: usize| u32::try_from((run >> (BITS * place)) & ((1 << BITS) - 1)).unwrap();
    [2, 1, 0]
        .map(at)
        .into_iter()
        .filter_map(char::from_u32)
        .collect()
}

#[test]
fn runs_of_any_characters_are_told_apart() {
    for text in [
        "abc",
        "\u{10ffff}\u{10ffff}\u{10ffff}",
        "\0本\u{1f600}",
        "\0\0a",
    ] {
        let chars: Vec<char> = text.chars().collect();
        assert_eq!(spelt(tally::run([chars[0], chars[1], chars[2]])), text);
    }
}

fn print(texts: &[(&str, &[&str])]) -> Fingerprint {
    let mut print = Fingerprint::default();
    for (probe, samples) in texts {
        let samples = samples.iter().map(|s| (*s).to_owned()).collect();
        print.texts.insert((*probe).to_owned(), samples);
    }
    print
}

fn table(prints: &[(&str, &Fingerprint)]) -> Affinity {
    let sides: Vec<Side<'_>> = prints
        .iter()
        .map(|(id, print)| Side { id, print })
        .collect();
    style(&sides, &sides, &|r, c| r != c)
}

/// Answers of a model that has habits: how it begins, joins and ends.
fn written(habit: usize, seed: usize, probes: usize) -> Fingerprint {
    let begin = ["Well, ", "- ", "The "][habit];
    let join = [" and so ", "; however, ", ", which is "][habit];
    let end = ["!", ".\n\n", "..."][habit];
    let nouns = [
        "river", "house", "number", "garden", "letter", "stone", "engine",
    ];
    let mut print = Fingerprint::default();
    for p in 0..probes {
        let noun = |i: usize| nouns[(seed * 5 + p * 3 + i * 2) % nouns.len()];
        let sentence = |i: usize| format!("{begin}{}{join}{}{end}", noun(i), noun(i + 1));
        let text: String = (0..3 + (seed + p) % 3).map(sentence).collect();
        print.texts.insert(format!("p-{p:02}"), vec![text]);
    }
    print
}

#[test]
fn who_has_the_same_habits_is_closer_whatever_is_said() {
    let models: Vec<(String, Fingerprint)> = (0..3)
        .flat_map(|habit| (0..3).map(move |seed| (habit, seed)))
        .map(|(habit, seed)| (format!("{habit}{seed}"), written(habit, seed, 30)))
        .collect();
    let prints: Vec<_> = models
        .iter()
        .map(|(id, print)| (id.as_str(), print))
        .collect();
    let table = table(&prints);
    assert_eq!(table.cells.dim(), (9, 9, BLOCKS));
    assert_eq!(table.probes[0], "block-01");
    for ((i, k, b), cell) in table.cells.indexed_iter() {
        match (i == k, i / 3 == k / 3) {
            (true, _) => assert!(cell.is_nan()),
            (_, true) => assert!(*cell > 0.3, "{i} {k} {b}: {cell}"),
            (_, false) => assert!(*cell < 0.0, "{i} {k} {b}: {cell}"),
        }
    }
}

#[test]
fn roles_and_order_make_no_difference() {
    let (a, b, c) = (written(0, 1, 20), written(1, 2, 20), written(2, 3, 20));
    let side = |id, print| Side { id, print };
    let all = [side("a", &a), side("b", &b), side("c", &c)];
    let one = style(&all, &all[..2], &|_, _| true);
    let other = style(&[all[1], all[0]], &[all[2], all[1], all[0]], &|_, _| true);
    for t in 0..one.probes.len() {
        for (here, there) in [([0, 1], [1, 1]), ([1, 0], [0, 2])] {
            let (x, y) = (
                one.cells[[here[0], here[1], t]],
                other.cells[[there[0], there[1], t]],
            );
            assert_eq!(x.to_bits(), y.to_bits());
        }
    }
}

#[test]
fn models_without_text_have_no_cells_and_take_none_from_others() {
    let (a, b, c, none) = (
        written(0, 1, 5),
        written(1, 2, 5),
        written(2, 3, 5),
        print(&[]),
    );
    let with = table(&[("a", &a), ("b", &b), ("c", &c), ("x", &none)]);
    let without = table(&[("a", &a), ("b", &b), ("c", &c)]);
    assert!(with.cells[[0, 3, 0]].is_nan() && with.cells[[3, 0, 0]].is_nan());
    assert_eq!(
        with.cells[[0, 1, 4]].to_bits(),
        without.cells[[0, 1, 4]].to_bits()
    );
    assert_eq!(with.probes.len(), 5);
    assert!(table(&[("x", &none), ("y", &none)]).probes.is_empty());
    assert!(table(&[]).probes.is_empty());
}

#[test]
fn one_block_is_enough_for_a_value() {
    let texts = [["a b c, d"], ["The sun! Is up"], ["- one\n- two"]];
    let prints = texts.each_ref().map(|t| print(&[("p-1", t)]));
    let table = table(&[("a", &prints[0]), ("b", &prints[1]), ("c", &prints[2])]);
    assert_eq!(table.cells.dim(), (3, 3, 1));
    assert!(table.cells[[0, 1, 0]].is_finite());
}

#[test]
fn models_that_write_the_same_have_nothing_to_be_told_by() {
    let same = written(0, 1, 5);
    let table = table(&[("a", &same), ("b", &same), ("c", &same)]);
    assert!(table.cells.iter().all(|c| c.is_nan()));
}

#[test]
fn any_text_is_taken() {
    let long = "a".repeat(1 << 20);
    let spaced = "\u{202e}\u{0} \u{feff}".repeat(1000);
    let texts: [&[&str]; 6] = [
        &[&long],
        &[&spaced],
        &["本日は晴天なり。", "これはペンです"],
        &["", " ", "\n"],
        &["Это другой язык, и слова здесь другие."],
        &["🙂🙂🙂", "'’'"],
    ];
    let prints = texts.map(|t| print(&[("p-1", t), ("p-2", t)]));
    let named: Vec<_> = ["a", "b", "c", "d", "e", "f"]
        .into_iter()
        .zip(&prints)
        .collect();
    let table = table(&named);
    for ((i, k, _), cell) in table.cells.indexed_iter() {
        assert!(i == k || (-1.0..=1.0).contains(cell), "{i} {k}: {cell}");
    }
}
