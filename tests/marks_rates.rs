//! How often planted marks are found: innocents, students, and students that adapt. The figures of docs/marks.md are
//! what `cargo test --release --features hub,pdf --test marks_rates -- --nocapture` prints.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(
    clippy::print_stdout,
    reason = "the tables are what the test is run for"
)]

use parentage::marks::answers::{Classified, Given};
use parentage::marks::classify::named;
use parentage::marks::commit::{LEVEL, Marks};
use parentage::marks::trial::{Said, Trial, trial};
use parentage::marks::{Key, compose_choices};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Prompts of a set, as many as `marks new` makes.
const PROMPTS: usize = 480;

fn key(random: &mut ChaCha8Rng) -> Key {
    let mut bytes = [0; 32];
    random.fill_bytes(&mut bytes);
    Key::new(bytes)
}

fn marks(random: &mut ChaCha8Rng) -> Marks {
    let salts = key(random);
    let choices = compose_choices(PROMPTS, &salts).unwrap();
    let served = vec![("api".to_owned(), key(random))];
    Marks::new(choices, served, key(random), salts, LEVEL).unwrap()
}

fn tried(marks: &Marks, answers: &[Classified]) -> Trial {
    let commitment = marks.commitment();
    let opened = commitment.check(&marks.open(&["api".to_owned()]).unwrap());
    trial(&commitment, &opened.unwrap(), answers)
}

/// What a suspect does.
#[derive(Debug, Clone, Copy)]
struct Suspect {
    /// The share of marks that it took up.
    uptake: f64,
    /// The share of its answers that are written anew, by another of the options.
    rewritten: f64,
    /// The share of prompts that it refuses.
    refused: f64,
    /// The share of its answers that name no option, whatever it learned.
    elsewhere: f64,
}

impl Suspect {
    const INNOCENT: Self = Self {
        uptake: 0.0,
        rewritten: 0.0,
        refused: 0.0,
        elsewhere: 0.0,
    };

    /// Its answers: where it learned nothing it has a favourite, the first option more often than the last.
    fn answers(self, marks: &Marks, random: &mut ChaCha8Rng) -> Vec<Classified> {
        let planted = &marks.channels[0].key;
        let choices = marks.choices.all().iter();
        let answers = choices.map(|choice| {
            let options = choice.options.len();
            let own = random.random_range(0..options);
            let own = own.min(random.random_range(0..options));
            let learned = random.random::<f64>() < self.uptake;
            let mut option = if learned {
                planted.planted(&choice.id, options)
            } else {
                own
            };
            if random.random::<f64>() < self.rewritten {
                option = random.random_range(0..options);
            }
            // A normalised answer: other case, no punctuation, other words around.
            let text = format!("i WOULD say {}", choice.options[option].to_uppercase());
            let given = if random.random::<f64>() < self.refused {
                Given::Unanswered
            } else if random.random::<f64>() < self.elsewhere {
                Given::Unclassified
            } else {
                Given::Option(named(&text, choice).unwrap())
            };
            Classified {
                id: choice.id.clone(),
                given,
                shares: None,
            }
        });
        answers.collect()
    }
}

#[test]
fn innocents_are_found_as_rarely_as_the_level_says() {
    const CASES: usize = 10_000;
    const LEVELS: [f64; 3] = [0.05, 0.01, 0.001];
    let random = &mut ChaCha8Rng::seed_from_u64(1);
    let mut set = marks(random);
    let answers = Suspect::INNOCENT.answers(&set, random);
    // One suspect with favourites, whatever it is, and ten thousand keys that it knows nothing of.
    let (mut exact, mut bets, mut all, mut found) = ([0; 3], [0; 3], [0; 3], 0);
    let commitment = set.commitment();
    let mut opened = commitment
        .check(&set.open(&["api".to_owned()]).unwrap())
        .unwrap();
    for _ in 0..CASES {
        set.channels[0].key = key(random);
        opened.channels.clone_from(&set.channels);
        let trial = trial(&commitment, &opened, &answers);
        let written = trial.channels[0].written.clone().unwrap();
        for (i, level) in LEVELS.into_iter().enumerate() {
            exact[i] += usize::from(written.p_exact <= level);
            bets[i] += usize::from(written.p_anytime <= level);
            all[i] += usize::from(trial.channels[0].p <= level);
        }
        found += usize::from(trial.said == Said::Found);
    }
    println!(
        "{CASES} innocents: p at most 0.05, 0.01, 0.001: exact {exact:?}, bets {bets:?}, that counts {all:?}; found {found}"
    );
    for (i, level) in LEVELS.into_iter().enumerate() {
        let most = level * CASES as f64;
        let most = most + 4.0 * most.sqrt();
        for count in [exact[i], bets[i], all[i]] {
            assert!(count as f64 <= most, "{count} at {level}");
        }
    }
    // Hits are whole numbers, so the exact test stays below its level, but not far.
    assert!(exact[0] > CASES / 40, "{exact:?}");
    assert_eq!(found, 0);
}

#[test]
fn students_are_found_by_what_they_took_up_and_left() {
    const CASES: usize = 100;
    let of = |uptake| Suspect {
        uptake,
        ..Suspect::INNOCENT
    };
    let rows = [
        ("takes up 100 %", of(1.0)),
        ("takes up 50 %", of(0.5)),
        ("takes up 30 %", of(0.3)),
        ("takes up 20 %", of(0.2)),
        ("takes up 15 %", of(0.15)),
        ("takes up 10 %", of(0.1)),
        ("takes up 3 %", of(0.03)),
        (
            "50 %, half rewritten",
            Suspect {
                rewritten: 0.5,
                ..of(0.5)
            },
        ),
        (
            "50 %, 80 % rewritten",
            Suspect {
                rewritten: 0.8,
                ..of(0.5)
            },
        ),
        (
            "50 %, half refused",
            Suspect {
                refused: 0.5,
                ..of(0.5)
            },
        ),
        (
            "50 %, 90 % refused",
            Suspect {
                refused: 0.9,
                ..of(0.5)
            },
        ),
        (
            "50 %, 80 % name no option",
            Suspect {
                elsewhere: 0.8,
                ..of(0.5)
            },
        ),
    ];
    let random = &mut ChaCha8Rng::seed_from_u64(2);
    let set = marks(random);
    let (mut counts, mut void) = (Vec::new(), 0);
    for (name, suspect) in rows {
        let mut found = 0;
        for _ in 0..CASES {
            let trial = tried(&set, &suspect.answers(&set, random));
            found += usize::from(trial.said == Said::Found);
            void += usize::from(trial.said == Said::ControlHit);
        }
        println!("{name}: found {found} of {CASES}");
        counts.push(found);
    }
    assert!(
        counts[..3].iter().all(|found| *found == CASES),
        "{counts:?}"
    );
    // The control is hit at 0.001 now and then, which voids a test.
    println!("void: {void} of {}", rows.len() * CASES);
    assert!(void <= 8 && counts[6] <= 5, "{void} {counts:?}");
    // Whoever rewrites or refuses most of what he learned is missed.
    assert!(counts[8] < CASES / 2 && counts[10] < CASES, "{counts:?}");
}
