use super::*;
use crate::battery::Pose;
use crate::question::Prompt;
use crate::response::Finish;

fn entry(n: u64, prompt: &str, request: Request, response: Response) -> Entry {
    Entry {
        n,
        previous: String::new(),
        question: Question {
            probe: "p".to_owned(),
            variant: 0,
            prompt: Prompt {
                pose: Pose::Raw,
                text: prompt.to_owned(),
                lead: String::new(),
            },
            request,
        },
        rendered: String::new(),
        response,
        exchange: None,
        at: None,
    }
}

fn text(text: &str) -> Response {
    Response::Text {
        text: text.to_owned(),
        tokens: 3,
        finish: Finish::Length,
    }
}

fn written(n: u64, prompt: &str, said: &str) -> Entry {
    let request = Request::Write {
        sample: 5,
        max_tokens: 3,
    };
    entry(n, prompt, request, text(said))
}

fn next(n: u64, of: &[(&str, f64)]) -> Entry {
    let top = of.iter().map(|(text, p)| Continuation {
        text: (*text).to_owned(),
        log_probability: p.ln(),
    });
    let response = Response::Next { top: top.collect() };
    entry(n, "q", Request::Next { top: 3 }, response)
}

fn scored(numbers: &[f64]) -> Response {
    let scores = numbers.iter().map(|number| Scored {
        log_probability: Some(*number),
        tokens: 2,
    });
    Response::Scored {
        scores: scores.collect(),
    }
}

/// A text with fresh ones, some of which are like it.
fn heard(n: u64, held: &str, now: &[&str]) -> Heard {
    Heard {
        held: written(n, &n.to_string(), held),
        now: now.iter().map(|said| text(said)).collect(),
        read: None,
    }
}

#[test]
fn kinds_are_drawn_in_turn_and_a_prompt_once() {
    let draw = |seed| {
        let mut drawing = Drawing::new(6, Seed(seed));
        for n in 0..40 {
            drawing.offer(&written(n, &format!("{}", n % 5), "a"));
            drawing.offer(&next(100 + n, &[("a", 1.0)]));
        }
        let gone = Response::Unavailable {
            reason: "gone".to_owned(),
        };
        drawing.offer(&entry(500, "z", Request::Next { top: 3 }, gone));
        drawing.picked()
    };
    let picked = draw(1);
    let texts: Vec<&str> = picked
        .iter()
        .filter(|e| e.n < 100)
        .map(|e| e.question.prompt.text.as_str())
        .collect();
    assert_eq!((picked.len(), texts.len()), (6, 3));
    let mut once = texts.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), 3, "{texts:?}");
    let numbers = |picked: &[Entry]| picked.iter().map(|e| e.n).collect::<Vec<u64>>();
    assert_eq!(numbers(&picked), numbers(&draw(1)));
    assert_ne!(numbers(&picked), numbers(&draw(2)));
    // There are no more than there are.
    let mut few = Drawing::new(6, Seed(1));
    few.offer(&written(0, "0", "a"));
    assert_eq!(few.picked().len(), 1);
}

#[test]
fn texts_are_asked_for_anew_and_the_rest_as_it_was() {
    let asked = questions(&written(0, "0", "a"));
    assert_eq!(asked.len(), FRESH);
    let samples: Vec<&Request> = asked.iter().map(|q| &q.request).collect();
    assert!(samples.iter().enumerate().all(|(i, request)| **request
        == Request::Write {
            sample: i,
            max_tokens: 3
        }));
    let closed = next(0, &[("a", 1.0)]);
    assert_eq!(questions(&closed), std::slice::from_ref(&closed.question));
    let fresh = vec![text("b"); FRESH];
    let read = reading(&written(0, "0", "a"), &fresh).unwrap();
    let Request::Score { texts } = &read.request else {
        panic!("{read:?}");
    };
    assert_eq!((texts.len(), texts[0].as_str()), (FRESH + 1, "a"));
    // Neither is asked of an empty text, nor where one is missing.
    assert_eq!(reading(&written(0, "0", ""), &fresh), None);
    assert_eq!(reading(&written(0, "0", "a"), &fresh[1..]), None);
    assert_eq!(reading(&closed, &fresh), None);
}

#[test]
fn probabilities_are_near_or_far() {
    let distance = |a: &[(&str, f64)], b: &[(&str, f64)]| {
        let now = vec![next(0, b).response];
        let heard = Heard {
            held: next(0, a),
            now,
            read: None,
        };
        match heard.found() {
            Some(Found::Apart(apart)) => apart,
            other => panic!("{other:?}"),
        }
    };
    let half = [("a", 0.5), ("b", 0.5)];
    assert!(distance(&half, &half).abs() < 1e-12);
    assert!((distance(&half, &[("a", 0.9), ("b", 0.1)]) - 0.4).abs() < 1e-12);
    assert!((distance(&[("a", 1.0)], &[("b", 1.0)]) - 1.0).abs() < 1e-12);
    // What a shorter list does not name may have been as probable as its last one.
    let long = [("a", 0.5), ("b", 0.3), ("c", 0.1), ("d", 0.1)];
    assert!(distance(&long, &long[..2]).abs() < 1e-12);
    assert!(distance(&long[..2], &long).abs() < 1e-12);
    assert!((distance(&long, &[("a", 0.5), ("c", 0.2)]) - 0.1).abs() < 1e-12);
    let score = |held: &[f64], now: Response| {
        let request = Request::Score {
            texts: vec![String::new(); held.len()],
        };
        let heard = Heard {
            held: entry(0, "q", request, scored(held)),
            now: vec![now],
            read: None,
        };
        heard.found()
    };
    assert_eq!(
        score(&[-1.0, -2.0], scored(&[-1.5, -2.0])),
        Some(Found::Apart(0.125))
    );
    assert_eq!(score(&[-1.0], scored(&[-1.0, -2.0])), None);
    let gone = Response::Unavailable {
        reason: "gone".to_owned(),
    };
    assert_eq!(score(&[-1.0], gone), None);
}

#[test]
fn a_text_is_lowest_by_probability_or_by_likeness() {
    let alike = ["one two three"; FRESH];
    let lowest = |held: &str| match heard(0, held, &alike).found() {
        Some(Found::Lowest(lowest, false)) => lowest,
        other => panic!("{other:?}"),
    };
    assert!(lowest("something else"));
    // One of many that are the same is not lower than they.
    assert!(!lowest("one two three"));
    // Even the shortest have something to be compared by.
    let short = |held: &str| heard(0, held, &["a"; FRESH]).found();
    assert_eq!(short(""), Some(Found::Lowest(true, false)));
    assert_eq!(short("a"), Some(Found::Lowest(false, false)));
    let with = |first: f64| {
        let mut heard = heard(0, "one two three", &alike);
        let mut numbers = vec![-2.0; FRESH + 1];
        numbers[0] = first;
        heard.read = Some(scored(&numbers));
        heard.found()
    };
    assert_eq!(with(-3.0), Some(Found::Lowest(true, true)));
    assert_eq!(with(-2.0), Some(Found::Lowest(false, true)));
    assert_eq!(heard(0, "a", &alike[1..]).found(), None);
}

#[test]
fn shares_have_the_intervals_of_clopper_and_pearson() {
    // scipy.stats.binomtest(k, n).proportion_ci(0.95, "exact").
    for (could, of, low, high) in [
        (8, 10, 0.443_904_537_692_332_5, 0.974_789_263_232_088_8),
        (0, 5, 0.0, 0.521_823_750_104_981_7),
        (5, 5, 0.478_176_249_895_018_3, 1.0),
    ] {
        let share = Share::new(could, of);
        assert!(
            (share.low - low).abs() < 1e-6 && (share.high - high).abs() < 1e-6,
            "{share:?}"
        );
    }
}

#[test]
fn what_could_not_have_come_from_a_model_disagrees() {
    let alike = ["one two three"; FRESH];
    let all = |n: u64, held: &str| (0..n).map(|n| heard(n, held, &alike)).collect::<Vec<_>>();
    let own = compare(&all(12, "one two three"));
    assert_eq!((own.agreement, own.without), (Agreement::Agrees, 0));
    let other = compare(&all(12, "something else"));
    assert_eq!(other.agreement, Agreement::Disagrees);
    let texts = other.texts.unwrap();
    assert_eq!((texts.share.could, texts.share.of), (0, 12));
    // All of twelve, with one chance in ten for each.
    assert!((texts.p / 1e-12 - 1.0).abs() < 1e-6, "{}", texts.p);
    // A few say nothing, unless they could not have come from it.
    assert_eq!(
        compare(&all(3, "one two three")).agreement,
        Agreement::Unknown
    );
    assert_eq!(compare(&[]).agreement, Agreement::Unknown);

    let near = |n: u64, p: f64| Heard {
        held: next(n, &[("a", 0.5), ("b", 0.5)]),
        now: vec![next(n, &[("a", p), ("b", 1.0 - p)]).response],
        read: None,
    };
    let same: Vec<Heard> = (0..12).map(|n| near(n, 0.52)).collect();
    let same = compare(&same);
    assert_eq!(same.agreement, Agreement::Agrees);
    assert!((same.probabilities.unwrap().median - 0.02).abs() < 1e-9);
    let far: Vec<Heard> = (0..12).map(|n| near(n, 0.7)).collect();
    assert_eq!(compare(&far).agreement, Agreement::Disagrees);
    // One of many is no contradiction.
    let mut mixed: Vec<Heard> = (0..11).map(|n| near(n, 0.5)).collect();
    mixed.push(near(11, 0.7));
    assert_eq!(compare(&mixed).agreement, Agreement::Agrees);
}
