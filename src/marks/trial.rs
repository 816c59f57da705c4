//! The test: hits of opened keys among classified answers, and what they say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answers::{Classified, Given};
use super::bets::Bets;
use super::choice::Choices;
use super::commit::{Channel, Commitment, Opened, Role};
use super::decoys;
use super::tail::{binomial_tail, share_interval};
use crate::weigh::holm;

/// A control that is hit with a probability of at most this says that something went wrong.
pub const CONTROL_LEVEL: f64 = 1e-3;
/// How many p-values written answers give.
pub const TESTS: f64 = 2.0;
/// The smallest share that a logarithm is taken of.
const LEAST_SHARE: f64 = 1e-300;

/// What the marks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// A served channel's key is hit at the committed level, and the control is not.
    Found,
    /// No key that was opened is hit. That is no evidence of innocence.
    NotFound,
    /// The key that was never served is hit: a key, a list or the recording is not what it should be.
    ControlHit,
    /// So few answers could be put to options that not even a hit with each would reach the level.
    TooFew,
}

impl Said {
    /// The same in a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::NotFound => "not found, which is no evidence of innocence",
            Self::ControlHit => "void, since the key that was never served is hit",
            Self::TooFew => "too few answers name an option",
        }
    }
}

/// How often planted options were written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Answers counted: those that name an option, and prompts that the recording lacks, which count as misses.
    pub counted: u64,
    /// Those that name the planted option.
    pub hits: u64,
    /// The probability of so many hits or more by chance: the exact binomial tail.
    pub p_exact: f64,
    /// Base-10 logarithm of the e-value at the last answer, in the committed order.
    pub log10_e: f64,
    /// The p-value of the bets, which holds wherever asking stopped.
    pub p_anytime: f64,
    /// The share of marks taken up, beyond chance: `(hits / counted - 1/k) / (1 - 1/k)`, and its 95 % interval, 0 where
    /// it would be less.
    pub uptake: [f64; 3],
}

/// How probable planted options were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probable {
    /// Prompts of which probabilities were to be had.
    pub prompts: u64,
    /// The mean share of probability of the planted option among the options; by chance it is `1/k`.
    pub mean_share: f64,
    /// Base-10 logarithm of the e-value.
    pub log10_e: f64,
    /// The p-value of the bets.
    pub p_anytime: f64,
    /// The rank of the planted options' log-probability among decoy keys, as a p-value of at least 1 in 10,000.
    pub p_rank: f64,
}

/// One opened channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// Its name.
    pub name: String,
    /// Whether it is served.
    pub role: Role,
    /// What was written; null if no answer was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,
    /// What was probable; null if there were no probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probable: Option<Probable>,
    /// The p-value that counts: the smallest of those that there are, times their number. Written answers give two (the
    /// exact one, which is 1 where asking stopped early, and that of their bets), probabilities one (that of their
    /// bets).
    pub p: f64,
    /// The same by Holm's method over all channels that were committed to; one that is not opened counts as 1.
    /// null for the control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_corrected: Option<f64>,
}

/// What became of the prompts, and of the keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// What the marks say.
    pub said: Said,
    /// The same in a sentence, with what it does not show.
    pub sentence: String,
    /// The corrected p-value up to which a hit counts.
    pub level: f64,
    /// Prompts committed to.
    pub prompts: usize,
    /// Options of each.
    pub options: usize,
    /// Served channels committed to.
    pub channels_committed: usize,
    /// Written answers that name an option.
    pub classified: usize,
    /// Written answers that name none; dropped before a key was opened.
    pub unclassified: usize,
    /// Prompts that were refused or could not be answered; dropped as well.
    pub unanswered: usize,
    /// Prompts that the recording lacks. Those at the end were not asked; others count as misses.
    pub missing: usize,
    /// Whether asking stopped before the last prompt: then the exact p-value does not count.
    pub stopped: bool,
    /// The opened channels in order, the control last.
    pub channels: Vec<Counted>,
}

/// A figure to nine digits: the last bits of logarithms and exponentials differ between machines, and what is written
/// here must be the same on all.
pub(super) fn rounded(figure: f64) -> f64 {
    format!("{figure:.8e}").parse().unwrap_or(figure)
}

/// Counts the hits of opened keys. `answers` are those of all choices, in order ([`super::answers::classify`]).
pub fn trial(commitment: &Commitment, opened: &Opened, answers: &[Classified]) -> Trial {
    let count = |given: fn(&Given) -> bool| answers.iter().filter(|a| given(&a.given)).count();
    let asked = asked(answers);
    // Whoever has probabilities alone has asked for nothing else.
    let writes = answers.iter().any(|a| a.given != Given::Missing);
    let stopped = writes && asked < answers.len();
    let mut channels: Vec<Counted> = opened
        .channels
        .iter()
        .map(|channel| {
            counted(
                channel,
                &opened.choices,
                &answers[..asked],
                stopped,
                commitment,
            )
        })
        .collect();
    correct(&mut channels, opened.closed);
    let classified = count(|g| matches!(g, Given::Option(_)));
    let probable = answers.iter().filter(|a| a.shares.is_some()).count();
    let said = said(&channels, commitment, classified.max(probable));
    let mut trial = Trial {
        said,
        sentence: String::new(),
        level: commitment.level,
        prompts: commitment.choices,
        options: commitment.options,
        channels_committed: commitment.channels,
        classified,
        unclassified: count(|g| *g == Given::Unclassified),
        unanswered: count(|g| *g == Given::Unanswered),
        missing: count(|g| *g == Given::Missing),
        stopped,
        channels,
    };
    trial.sentence = super::sentence::sentence(&trial);
    trial
}

/// How many prompts there are up to the last one that the recording has.
fn asked(answers: &[Classified]) -> usize {
    let has = |a: &Classified| a.given != Given::Missing || a.shares.is_some();
    answers.iter().rposition(has).map_or(0, |last| last + 1)
}

fn counted(
    channel: &Channel,
    choices: &Choices,
    answers: &[Classified],
    stopped: bool,
    commitment: &Commitment,
) -> Counted {
    let options = commitment.options;
    let planted: Vec<usize> = choices
        .all()
        .iter()
        .map(|choice| channel.key.planted(&choice.id, options))
        .collect();
    let written = written(&planted, answers, options);
    let probable = probable(&planted, answers, channel, commitment);
    let mut all = Vec::new();
    if let Some(written) = &written {
        all.push(if stopped { 1.0 } else { written.p_exact });
        all.push(written.p_anytime);
    }
    all.extend(probable.as_ref().map(|probable| probable.p_anytime));
    let least = all.iter().copied().fold(1.0, f64::min);
    let p = (least * all.len() as f64).min(1.0);
    Counted {
        name: channel.name.clone(),
        role: channel.role,
        written,
        probable,
        p,
        p_corrected: None,
    }
}

fn written(planted: &[usize], answers: &[Classified], options: usize) -> Option<Written> {
    if answers.iter().all(|a| a.given == Given::Missing) {
        return None;
    }
    let (mut counted, mut hits, mut bets) = (0, 0, Bets::new(options));
    for (answer, planted) in answers.iter().zip(planted) {
        let hit = match answer.given {
            Given::Unanswered | Given::Unclassified => continue,
            // Whoever leaves out answers gains nothing by it.
            Given::Missing => false,
            Given::Option(option) => option == *planted,
        };
        counted += 1;
        hits += u64::from(hit);
        bets.observe(if hit { 1.0 } else { 0.0 });
    }
    let chance = 1.0 / options as f64;
    let uptake = |share: f64| ((share - chance) / (1.0 - chance)).max(0.0);
    let (low, high) = share_interval(hits, counted).unwrap_or((0.0, 1.0));
    let share = if counted > 0 {
        hits as f64 / counted as f64
    } else {
        0.0
    };
    Some(Written {
        counted,
        hits,
        p_exact: rounded(binomial_tail(hits, counted, chance)?),
        log10_e: rounded(bets.log_wealth() / std::f64::consts::LN_10),
        p_anytime: rounded(bets.p()),
        uptake: [share, low, high].map(|share| rounded(uptake(share))),
    })
}

fn probable(
    planted: &[usize],
    answers: &[Classified],
    channel: &Channel,
    commitment: &Commitment,
) -> Option<Probable> {
    let (mut bets, mut sum) = (Bets::new(commitment.options), 0.0);
    let (mut logs, mut indices) = (Vec::new(), Vec::new());
    for (answer, planted) in answers.iter().zip(planted) {
        let Some(shares) = &answer.shares else {
            continue;
        };
        let share = shares.get(*planted).copied()?;
        bets.observe(share);
        sum += share;
        logs.push(shares.iter().map(|s| s.max(LEAST_SHARE).ln()).collect());
        indices.push(*planted);
    }
    // The root was fixed before the suspect was asked, so the decoys were as well.
    let seed = format!("{}\n{}", commitment.root, channel.name);
    let p_rank = decoys::rank(&logs, &indices, seed.as_bytes())?;
    Some(Probable {
        prompts: logs.len() as u64,
        mean_share: rounded(sum / logs.len() as f64),
        log10_e: rounded(bets.log_wealth() / std::f64::consts::LN_10),
        p_anytime: rounded(bets.p()),
        p_rank,
    })
}

/// Corrects the served channels' p-values for all that were committed to.
fn correct(channels: &mut [Counted], closed: usize) {
    let served = || channels.iter().filter(|c| c.role == Role::Served);
    let mut p: Vec<f64> = served().map(|c| c.p).collect();
    p.extend(std::iter::repeat_n(1.0, closed));
    let Some(corrected) = holm(&p) else {
        return;
    };
    let served = channels.iter_mut().filter(|c| c.role == Role::Served);
    for (channel, p) in served.zip(corrected) {
        channel.p_corrected = Some(rounded(p));
    }
}

fn said(channels: &[Counted], commitment: &Commitment, usable: usize) -> Said {
    let is_control = |c: &&Counted| c.role == Role::Control;
    if channels
        .iter()
        .filter(is_control)
        .any(|c| c.p <= CONTROL_LEVEL)
    {
        return Said::ControlHit;
    }
    let found = |c: &Counted| c.p_corrected.is_some_and(|p| p <= commitment.level);
    if channels.iter().any(found) {
        return Said::Found;
    }
    let chance = 1.0 / commitment.options as f64;
    let usable = usable as u64;
    let least = TESTS * binomial_tail(usable, usable, chance).unwrap_or(1.0);
    if least * commitment.channels as f64 > commitment.level {
        return Said::TooFew;
    }
    Said::NotFound
}

#[cfg(test)]
mod tests {
    use super::super::commit::tests::marks;
    use super::super::commit::{CONTROL, Marks};
    use super::*;

    /// A suspect that takes up the marks of a channel at every `nth` prompt, and else names options in turn.
    fn answers(marks: &Marks, channel: usize, nth: usize) -> Vec<Classified> {
        let choices = marks.choices.all().iter().enumerate();
        choices
            .map(|(i, choice)| Classified {
                id: choice.id.clone(),
                given: Given::Option(if nth > 0 && i % nth == 0 {
                    marks.channels[channel].key.planted(&choice.id, 4)
                } else {
                    i % 4
                }),
                shares: None,
            })
            .collect()
    }

    fn tried(marks: &Marks, open: &[&str], answers: &[Classified]) -> Trial {
        let open: Vec<String> = open.iter().map(|c| (*c).to_owned()).collect();
        let commitment = marks.commitment();
        let opened = commitment.check(&marks.open(&open).unwrap()).unwrap();
        trial(&commitment, &opened, answers)
    }

    #[test]
    fn a_student_of_a_channel_hits_its_key_and_no_other() {
        let marks = marks(400, &["api", "app", "partner"]);
        let trial = tried(&marks, &["api", "app"], &answers(&marks, 1, 3));
        assert_eq!(trial.said, Said::Found);
        let [api, app, control] = &trial.channels[..] else {
            panic!("{trial:?}");
        };
        assert!(app.p < 1e-9 && api.p > 1e-3, "{trial:?}");
        assert_eq!(
            (control.name.as_str(), control.p_corrected),
            (CONTROL, None)
        );
        // Three channels were committed to, though two are opened.
        assert!((app.p_corrected.unwrap() / app.p - 3.0).abs() < 1e-9);
        let [uptake, low, high] = app.written.as_ref().unwrap().uptake;
        assert!(low < 0.33 && 0.33 < high && low < uptake && uptake < high);
        assert!(trial.sentence.contains("app") && !trial.sentence.contains("partner"));
    }

    #[test]
    fn innocents_and_the_other_keys_are_not_found() {
        let marks = marks(400, &["api", "app"]);
        let trial = tried(&marks, &["api", "app"], &answers(&marks, 0, 0));
        assert_eq!(trial.said, Said::NotFound);
        assert!(trial.sentence.contains("no evidence of innocence"));
    }

    #[test]
    fn a_control_that_is_hit_voids_the_test() {
        let marks = marks(400, &["api"]);
        let trial = tried(&marks, &["api"], &answers(&marks, 1, 1));
        assert_eq!(trial.said, Said::ControlHit);
    }

    #[test]
    fn few_answers_are_too_few_and_say_so() {
        let marks = marks(400, &["api", "app"]);
        let mut few = answers(&marks, 0, 1);
        for answer in &mut few[8..] {
            answer.given = Given::Unclassified;
        }
        // Eight hits of eight are 1.5e-5, nine 3.8e-6, ten 9.5e-7; twice that counts, for each of two channels.
        assert_eq!(tried(&marks, &["api"], &few).said, Said::TooFew);
        few[8].given = Given::Option(marks.channels[0].key.planted(&few[8].id, 4));
        assert_eq!(tried(&marks, &["api"], &few).said, Said::TooFew);
        few[9].given = Given::Option(marks.channels[0].key.planted(&few[9].id, 4));
        assert_eq!(tried(&marks, &["api"], &few).said, Said::Found);
    }

    #[test]
    fn answers_left_out_count_as_misses_and_those_at_the_end_as_a_stop() {
        let marks = marks(100, &["api"]);
        let whole = answers(&marks, 0, 1);
        let mut cut = whole.clone();
        cut[3].given = Given::Missing;
        let trial = tried(&marks, &["api"], &cut);
        let written = trial.channels[0].written.clone().unwrap();
        assert_eq!(
            (written.counted, written.hits, trial.stopped),
            (100, 99, false)
        );
        let mut stopped = whole.clone();
        for answer in &mut stopped[40..] {
            answer.given = Given::Missing;
        }
        let trial = tried(&marks, &["api"], &stopped);
        let written = trial.channels[0].written.clone().unwrap();
        assert_eq!((written.counted, trial.stopped), (40, true));
        let p = trial.channels[0].p;
        assert!((p / written.p_anytime - 2.0).abs() < 1e-12, "{p}");
        assert!(written.p_exact < written.p_anytime);
    }

    #[test]
    fn probabilities_alone_can_show_it() {
        let marks = marks(400, &["api"]);
        let mut answers = answers(&marks, 0, 0);
        for answer in &mut answers {
            let planted = marks.channels[0].key.planted(&answer.id, 4);
            answer.given = Given::Missing;
            answer.shares = Some(
                (0..4)
                    .map(|o| if o == planted { 0.4 } else { 0.2 })
                    .collect(),
            );
        }
        let trial = tried(&marks, &["api"], &answers);
        let api = &trial.channels[0];
        assert_eq!((trial.said, api.written.is_none()), (Said::Found, true));
        let probable = api.probable.clone().unwrap();
        assert!((probable.mean_share - 0.4).abs() < 1e-12 && probable.p_rank <= 1e-4);
        assert!((api.p / probable.p_anytime - 1.0).abs() < 1e-12);
    }
}
