//! How often a screening is right where it is known who is a student: made-up models, whole screenings.

use super::*;
use crate::battery::Tier;
use crate::model::Seed;
use crate::model::scripted::{Kin, Scripted};
use crate::pipeline::Unwatched;
use crate::question::Access;

/// What came out of one screening.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    students: usize,
    found: usize,
    false_ones: usize,
}

impl Outcome {
    /// The share of false ones among what was found; none of nothing.
    fn false_share(self) -> f64 {
        self.false_ones as f64 / self.found.max(1) as f64
    }

    fn power(self) -> Option<f64> {
        let right = (self.found - self.false_ones) as f64;
        (self.students > 0).then(|| right / self.students as f64)
    }
}

/// A household in which so many of the suspects learned from the parent.
fn outcome(seed: u64, suspects: u32, students: u32, controls: usize) -> Outcome {
    let out = tempfile::tempdir().unwrap();
    let kin = (1..=students).map(Kin::Student);
    let kin = kin.chain((students + 1..=suspects).map(Kin::Stranger));
    let kin: Vec<Kin> = kin.collect();
    let names = kin.iter().map(|kin| kin.name()).collect();
    let protected = vec![
        Protected::Model("parent".to_owned()),
        Protected::Model("sibling-1".to_owned()),
        Protected::Model("sibling-2".to_owned()),
    ];
    let mut request = ScreenRequest::new(protected, Suspects::Named(names), out.path());
    let parents = [Kin::Parent, Kin::Sibling(1), Kin::Sibling(2)];
    let given = kin.into_iter().chain(parents);
    request.given = given.map(|kin| Scripted::new(kin, Seed(seed))).collect();
    request.asking.tier = Some(Tier::Quick);
    request.asking.samples = 2;
    request.asking.access = Some(Access::Top);
    request.most_controls = controls;
    let screening = screen(&request, &Unwatched).unwrap();
    let found: Vec<&Row> = screening.rows.iter().filter(|r| r.found).collect();
    let right = |row: &&&Row| row.protected == "parent" && row.suspect.starts_with("student");
    Outcome {
        students: students as usize,
        found: found.len(),
        false_ones: found.len() - found.iter().filter(right).count(),
    }
}

#[test]
fn few_of_what_is_found_among_sixty_is_false() {
    let none = outcome(11, 60, 0, 24);
    assert_eq!(none.found, 0, "{none:?}");
    // Students of one model hide one another among the controls of a few samples: how many are found is measured, not asked
    // for.
    let some = outcome(12, 60, 6, 24);
    assert!(some.false_share() <= 0.2, "{some:?}");
}

/// The table of docs/screening.md: `cargo test --release --features hub,pdf --lib rates -- --ignored --nocapture`.
#[test]
#[ignore = "a thousand suspects, many times: hours"]
fn the_table_of_a_thousand_suspects() {
    let runs = std::env::var("PARENTAGE_RUNS").map_or(5, |n| n.parse().unwrap());
    for students in [0, 10, 50, 200] {
        let outcomes: Vec<Outcome> = (0..runs)
            .map(|i| outcome(100 + i, 1000, students, 48))
            .collect();
        let mean =
            |of: &dyn Fn(&Outcome) -> f64| outcomes.iter().map(of).sum::<f64>() / runs as f64;
        let rate = mean(&|o| o.false_share());
        let power = mean(&|o| o.power().unwrap_or(f64::NAN));
        #[expect(clippy::print_stdout, reason = "the table is what it is for")]
        {
            println!(
                "{students} students of 1000: false discovery rate {rate:.4}, power {power:.3}, {outcomes:?}"
            );
        }
        assert!(rate <= screening::LEVEL, "{students}: {rate}");
    }
}
