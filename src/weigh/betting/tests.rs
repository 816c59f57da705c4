use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Answer {
    name: String,
    population: Option<usize>,
    differences: Vec<f64>,
    /// Nothing stands for infinite.
    log_wealth: Vec<Option<f64>>,
}

fn start(population: Option<usize>) -> Betting {
    population.map_or_else(Betting::independent, Betting::without_replacement)
}

// confseq 0.0.11, by scripts/make-betting-answers.py.
#[test]
fn wealth_agrees_with_confseq_at_every_step() {
    let answers: Vec<Answer> =
        serde_json::from_str(include_str!("../../../tests/data/betting.json")).unwrap();
    assert_eq!(answers.len(), 6);
    for answer in answers {
        let mut betting = start(answer.population);
        for (t, (d, log)) in answer
            .differences
            .iter()
            .zip(&answer.log_wealth)
            .enumerate()
        {
            betting.observe(*d);
            let (found, expected) = (betting.log_wealth(), log.unwrap_or(f64::INFINITY));
            let agree = (found - expected).abs() < 1e-9 || found.total_cmp(&expected).is_eq();
            assert!(agree, "{} {t}: {found} {expected}", answer.name);
        }
        assert_eq!(betting.seen(), answer.log_wealth.len());
    }
}

fn observed(population: Option<usize>, differences: &[f64]) -> Betting {
    let mut betting = start(population);
    for d in differences {
        betting.observe(*d);
    }
    betting
}

#[test]
fn nothing_seen_and_nothing_different_leave_the_unit() {
    for population in [None, Some(0), Some(1), Some(9)] {
        for differences in [&[][..], &[0.0; 9], &[f64::NAN; 9]] {
            let betting = observed(population, differences);
            assert!(betting.log_wealth().abs() < 1e-15 && (betting.p() - 1.0).abs() < 1e-15);
            assert!(betting.decided(1.0) && !betting.decided(0.99));
        }
    }
}

#[test]
fn what_is_out_of_range_is_cut_and_what_exceeds_the_battery_is_not_taken() {
    let far = observed(None, &[f64::INFINITY, 3.0, f64::NEG_INFINITY]);
    assert_eq!(far, observed(None, &[1.0, 1.0, -1.0]));
    let over = observed(Some(2), &[0.5, -0.5, 1.0, 1.0]);
    assert_eq!(over, observed(Some(2), &[0.5, -0.5]));
}

// Three of five are 1: whatever the others are, the mean is above 0. After two it is not yet sure.
#[test]
fn a_battery_that_is_settled_before_its_end_is_settled() {
    let mut betting = observed(Some(5), &[1.0, 1.0]);
    assert!(betting.log_wealth().is_finite());
    betting.observe(1.0);
    assert!(betting.log_wealth().is_finite());
    betting.observe(-1.0);
    assert!(betting.log_wealth().is_infinite() && betting.p() == 0.0);
    assert!(betting.decided(1e-300));
}

#[test]
fn the_peak_decides_and_the_wealth_is_the_e_value() {
    let mut betting = observed(None, &[0.5; 40]);
    assert!(betting.decided(1e-4));
    let peak = betting.log_peak();
    (0..30).for_each(|_| betting.observe(-0.5));
    assert!(betting.log_wealth() < peak - 1.0);
    assert!(betting.decided(1e-4) && (betting.log_peak() - peak).abs() < 1e-15);
    assert!((betting.p() - (-peak).exp()).abs() < 1e-15);
    assert!((betting.log10_e() * LN_10 - betting.log_wealth()).abs() < 1e-12);
}

proptest! {
    #[test]
    fn wealth_is_never_gone_whatever_comes(
        population in prop::option::of(0usize..60),
        differences in prop::collection::vec(-1.5f64..1.5, 0..60),
    ) {
        let mut betting = start(population);
        for d in differences {
            betting.observe(d);
            prop_assert!(betting.log_wealth() > f64::NEG_INFINITY);
            prop_assert!(betting.log_peak() >= betting.log_wealth().max(0.0));
        }
    }

    #[test]
    fn a_bet_is_laid_before_the_difference_is_seen(
        population in prop::option::of(30usize..60),
        past in prop::collection::vec(-1.0f64..1.0, 0..29),
    ) {
        // Wealth is linear in the next difference: half way between two is the mean of theirs.
        let wealth = |d: f64| {
            let mut betting = observed(population, &past);
            let before = betting.log_wealth();
            betting.observe(d);
            (betting.log_wealth() - before).exp()
        };
        let middle = 0.5 * (wealth(-1.0) + wealth(1.0));
        prop_assume!(middle.is_finite());
        prop_assert!((wealth(0.0) - middle).abs() < 1e-9 * middle);
    }
}

/// Uniform on 0 to 1.
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * 2f64.powi(-53)
}

fn shuffle(values: &mut [f64], rng: &mut ChaCha8Rng) {
    for i in (1..values.len()).rev() {
        let j = rng.next_u64() % (i as u64 + 1);
        values.swap(i, usize::try_from(j).unwrap());
    }
}

/// How often, and after how many probes on average (all of them where never), a run is decided.
fn watch(
    runs: u32,
    population: Option<usize>,
    alpha: f64,
    mut draw: impl FnMut(&mut ChaCha8Rng) -> Vec<f64>,
) -> (f64, f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    let (mut decided, mut asked) = (0u32, 0usize);
    for _ in 0..runs {
        let mut betting = start(population);
        for d in draw(&mut rng) {
            betting.observe(d);
            if betting.decided(alpha) {
                decided += 1;
                break;
            }
        }
        asked += betting.seen();
    }
    let share = |n: f64| n / f64::from(runs);
    (share(f64::from(decided)), share(asked as f64))
}

/// A name, and a difference from a number between 0 and 1.
type Shape = (&'static str, fn(f64) -> f64);

const RUNS: u32 = 2000;
const ALPHA: f64 = 0.05;

fn same(n: usize, mut one: impl FnMut() -> f64) -> Vec<f64> {
    (0..n).map(|_| one()).collect()
}

/// A battery of differences by `one` whose mean is exactly `mean`, in random order.
fn battery(n: usize, mean: f64, rng: &mut ChaCha8Rng, one: fn(f64) -> f64) -> Vec<f64> {
    let half: Vec<f64> = same(n / 2, || one(uniform(rng)));
    let mut all: Vec<f64> = half.iter().flat_map(|d| [mean + d, mean - d]).collect();
    shuffle(&mut all, rng);
    all
}

// Looked at after every probe, 2000 runs each: at most alpha, and three binomial standard deviations.
#[test]
fn false_alarms_stay_below_alpha_under_continuous_looking() {
    let bound = ALPHA + 3.0 * (ALPHA * (1.0 - ALPHA) / f64::from(RUNS)).sqrt();
    let n = 200;
    let independent: [Shape; 4] = [
        ("signs", |u| if u < 0.5 { 1.0 } else { -1.0 }),
        ("uniform", |u| 2.0 * u - 1.0),
        ("small", |u| 0.1 * (2.0 * u - 1.0)),
        ("rare large losses", |u| if u < 0.1 { -0.9 } else { 0.1 }),
    ];
    let whole: [Shape; 4] = [
        ("signs", |_| 1.0),
        ("uniform", |u| u),
        ("small", |u| 0.1 * u),
        ("mostly nothing", |u| if u < 0.05 { 1.0 } else { 0.0 }),
    ];
    let mut rates = Vec::new();
    for (name, one) in independent {
        let (rate, _) = watch(RUNS, None, ALPHA, |rng| same(n, || one(uniform(rng))));
        rates.push((format!("independent, {name}"), rate));
    }
    for (name, one) in whole {
        let (rate, _) = watch(RUNS, Some(n), ALPHA, |rng| battery(n, 0.0, rng, one));
        rates.push((format!("whole battery, {name}"), rate));
    }
    for (name, rate) in &rates {
        assert!(*rate <= bound, "{name}: {rate}");
    }
    // The bound is not met by never betting.
    assert!(
        rates.iter().any(|(_, rate)| *rate > ALPHA / 10.0),
        "{rates:?}"
    );
}

// A fixed plan asks all 200.
#[test]
fn a_run_ends_early_when_there_is_something_to_find() {
    let mut figures = Vec::new();
    for (mean, alpha) in [(0.1, 0.05), (0.1, 0.01), (0.2, 0.05), (0.2, 0.01)] {
        let noise = |u: f64| 0.5 * u;
        let draw = |rng: &mut ChaCha8Rng| battery(200, mean, rng, noise);
        let (found, asked) = watch(RUNS, Some(200), alpha, draw);
        figures.push((mean, alpha, found, asked));
    }
    for (_, _, found, _) in &figures {
        assert!((found - 1.0).abs() < 1e-12, "{figures:?}");
    }
    assert!(figures[0].3 < 70.0 && figures[3].3 < 50.0, "{figures:?}");
}
