//! Made-up models of known descent, for tests and demonstrations: they answer within microseconds, the same with the
//! same seed, and need no files.
//!
//! A scripted model writes words of a small vocabulary. Which word follows another in an answer depends on *tastes*:
//! preferences among words that a seed fixes, different for every question. All models share one taste, as all
//! models share a language. A family shares another, as models share training data. Every model has one of its own,
//! and a child has part of its parent's own taste as well, as if it had learned from the parent's answers.
//!
//! It is a model of the comparison's inputs and not of language models: figures measured on it say nothing of real
//! ones.

use std::collections::HashMap;
use std::ops::ControlFlow;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{Abilities, Answer, Model, ModelError, Seed};
use crate::digest;
use crate::identity::{ModelIdentity, Source};
use crate::question::{Prompt, Question, Request};
use crate::response::{Continuation, Finish, Response, Scored};

/// The words that are written.
const WORDS: [&str; 40] = [
    "the", "a", "it", "is", "was", "and", "but", "so", "of", "to", "in", "on", "with", "for",
    "from", "by", "this", "that", "there", "here", "now", "then", "small", "large", "old", "new",
    "good", "plain", "house", "river", "letter", "morning", "answer", "reason", "work", "word",
    "makes", "takes", "gives", "says",
];
/// The longest answer, in words.
const LONGEST: usize = 24;
/// The natural logarithm of the probability that stands for a word outside the vocabulary, before tastes.
const OUTSIDE: f64 = -12.0;
/// How much of its family's taste, of its parent's own and of its own a child has; other models have all of each.
const CHILD: [f64; 3] = [1.0, 0.9, 0.45];

/// What a scripted model is to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kin {
    /// The model that the child learned from.
    Parent,
    /// A model that learned from the parent's answers, and shares its data.
    Child,
    /// Another that learned from the parent's answers, as much as the child.
    Student(u32),
    /// A model of the parent's data that learned from nobody.
    Sibling(u32),
    /// A model of other data that learned from nobody.
    Stranger(u32),
}

impl Kin {
    /// The model's name: `parent`, `child`, `student-1`, `sibling-1`, `stranger-1`.
    pub fn name(self) -> String {
        match self {
            Self::Parent => "parent".to_owned(),
            Self::Child => "child".to_owned(),
            Self::Student(n) => format!("student-{n}"),
            Self::Sibling(n) => format!("sibling-{n}"),
            Self::Stranger(n) => format!("stranger-{n}"),
        }
    }

    /// Which tastes it has, by name, with the weight of each.
    fn tastes(self) -> Vec<(String, f64)> {
        let own = |kin: Self| format!("own of {}", kin.name());
        let family = "data of the family".to_owned();
        let mut tastes = match self {
            Self::Parent | Self::Sibling(_) => vec![(family, 1.0), (own(self), 1.0)],
            Self::Child | Self::Student(_) => vec![
                (family, CHILD[0]),
                (own(Self::Parent), CHILD[1]),
                (own(self), CHILD[2]),
            ],
            Self::Stranger(n) => vec![(format!("data of stranger {n}"), 1.0), (own(self), 1.0)],
        };
        tastes.push(("language".to_owned(), 1.0));
        tastes
    }
}

/// A parent, its child, and so many siblings and strangers, numbered from 1. Households of two seeds have nothing in
/// common.
pub fn household(seed: Seed, siblings: u32, strangers: u32) -> Vec<Scripted> {
    [Kin::Parent, Kin::Child]
        .into_iter()
        .chain((1..=siblings).map(Kin::Sibling))
        .chain((1..=strangers).map(Kin::Stranger))
        .map(|kin| Scripted::new(kin, seed))
        .collect()
}

/// A made-up model.
#[derive(Debug, Clone)]
pub struct Scripted {
    identity: ModelIdentity,
    abilities: Abilities,
    seed: Seed,
    tastes: Vec<(String, f64)>,
}

impl Scripted {
    /// The model of a household. It can be asked everything.
    pub fn new(kin: Kin, seed: Seed) -> Self {
        let name = kin.name();
        Self {
            identity: ModelIdentity {
                source: Source::Scripted {
                    script: format!("{name} of household {}", seed.0),
                },
                name,
            },
            abilities: Abilities {
                chat: true,
                raw: true,
                score: true,
                score_chat: true,
                top: WORDS.len(),
            },
            seed,
            tastes: kin.tastes(),
        }
    }

    /// The same model where less can be asked of it.
    #[must_use]
    pub fn with(mut self, abilities: Abilities) -> Self {
        self.abilities = abilities;
        self
    }

    /// How much the model likes each of `count` things in a place: standard normal numbers by each taste, added up by
    /// weight.
    fn likes(&self, place: &(&str, &str), count: usize) -> Vec<f64> {
        let mut likes = vec![0.0; count];
        for (taste, weight) in &self.tastes {
            let mut random = ChaCha8Rng::from_seed(digest::seed(&(self.seed, taste, place)));
            for like in &mut likes {
                *like += weight * normal(&mut random);
            }
        }
        likes
    }

    /// The natural logarithms of the probabilities of all words of the vocabulary behind another word.
    fn following(&self, prompt: &str, previous: &str) -> Vec<f64> {
        let here = self.likes(&(prompt, previous), WORDS.len());
        // A habit is a taste that does not depend on the question.
        let habit = self.likes(&("", previous), WORDS.len());
        let likes: Vec<f64> = here
            .iter()
            .zip(habit)
            .map(|(a, b)| 0.8 * a + 0.6 * b)
            .collect();
        let total = likes.iter().map(|l| l.exp()).sum::<f64>().ln();
        likes.into_iter().map(|l| l - total).collect()
    }
}

/// What a model says behind one prompt, with what was computed of it so far.
struct Speaker<'a> {
    model: &'a Scripted,
    prompt: String,
    following: HashMap<&'static str, Vec<f64>>,
}

impl Speaker<'_> {
    fn following(&mut self, previous: &'static str) -> &[f64] {
        let (model, prompt) = (self.model, &self.prompt);
        self.following
            .entry(previous)
            .or_insert_with(|| model.following(prompt, previous))
    }

    /// The most probable words; the first of equals is the first of the vocabulary.
    fn next(&mut self, top: usize) -> Response {
        let mut words: Vec<(f64, &str)> = self.following("").iter().copied().zip(WORDS).collect();
        words.sort_by(|a, b| b.0.total_cmp(&a.0));
        let top = words.into_iter().take(top);
        let top = top.map(|(log_probability, word)| Continuation {
            text: format!(" {word}"),
            log_probability,
        });
        Response::Next { top: top.collect() }
    }

    fn write(&mut self, max_tokens: usize, random: &mut ChaCha8Rng) -> Response {
        let count = max_tokens.min(LONGEST);
        let (mut text, mut previous) = (String::new(), "");
        for _ in 0..count {
            let mut left: f64 = random.random();
            let logs = self.following(previous).iter();
            let drawn = logs.zip(WORDS).find(|(log, _)| {
                left -= log.exp();
                left < 0.0
            });
            // Rounding may leave a rest behind the last word.
            previous = drawn.map_or(WORDS[WORDS.len() - 1], |(_, word)| word);
            text.push(' ');
            text.push_str(previous);
        }
        Response::Text {
            text,
            tokens: count,
            finish: Finish::Length,
        }
    }

    /// How probable a text is, word by word. A word outside the vocabulary has a probability of its own, small enough
    /// that no sum over all words is kept.
    fn score(&mut self, text: &str) -> Scored {
        let (mut log_probability, mut previous, mut tokens) = (0.0, "", 0);
        for word in text.split_whitespace() {
            tokens += 1;
            let known = WORDS.iter().position(|w| *w == word);
            log_probability += match known {
                Some(place) => self.following(previous)[place],
                None => (OUTSIDE + self.model.likes(&(&self.prompt, word), 1)[0]).min(0.0),
            };
            previous = known.map_or("", |place| WORDS[place]);
        }
        Scored {
            log_probability: Some(log_probability),
            tokens,
        }
    }
}

impl Model for Scripted {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn abilities(&self) -> Abilities {
        self.abilities
    }

    fn answer(
        &self,
        questions: &[Question],
        seed: Seed,
        sink: &mut dyn FnMut(usize, Answer) -> ControlFlow<()>,
    ) -> Result<(), ModelError> {
        let mut speakers: HashMap<&Prompt, Speaker<'_>> = HashMap::new();
        for (index, question) in questions.iter().enumerate() {
            let prompt = &question.prompt;
            let rendered = format!("{}{}", prompt.text, prompt.lead);
            let speaker = speakers.entry(prompt).or_insert_with(|| Speaker {
                model: self,
                prompt: rendered.clone(),
                following: HashMap::new(),
            });
            let response = match &question.request {
                Request::Score { texts } => Response::Scored {
                    scores: texts.iter().map(|text| speaker.score(text)).collect(),
                },
                Request::Next { top } => speaker.next(*top),
                Request::Write { max_tokens, .. } => {
                    let own = digest::seed(&(seed, question));
                    speaker.write(*max_tokens, &mut ChaCha8Rng::from_seed(own))
                }
            };
            let answer = Answer {
                rendered,
                response,
                exchange: None,
            };
            if sink(index, answer).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// A number that is nearly standard normal: the sum of twelve uniform ones, less six.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battery::Pose;

    fn question(request: Request) -> Question {
        Question {
            probe: "p".to_owned(),
            variant: 0,
            prompt: Prompt {
                pose: Pose::Raw,
                text: "What follows?".to_owned(),
                lead: String::new(),
            },
            request,
        }
    }

    fn ask(kin: Kin, seed: u64, request: Request) -> Response {
        let mut answers = Vec::new();
        let model = Scripted::new(kin, Seed(seed));
        let asked = model.answer(&[question(request)], Seed(1), &mut |_, answer| {
            answers.push(answer.response);
            ControlFlow::Continue(())
        });
        asked.unwrap();
        answers.remove(0)
    }

    fn next(kin: Kin, seed: u64) -> Vec<Continuation> {
        match ask(kin, seed, Request::Next { top: usize::MAX }) {
            Response::Next { top } => top,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_text_is_as_probable_as_its_words() {
        let top = next(Kin::Parent, 7);
        let sum: f64 = top.iter().map(|c| c.log_probability.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        assert!(top.is_sorted_by(|a, b| a.log_probability >= b.log_probability));
        let texts = vec![top[0].text.clone(), format!("{} xyz", top[0].text)];
        let Response::Scored { scores } = ask(Kin::Parent, 7, Request::Score { texts }) else {
            panic!("no scores")
        };
        assert_eq!(scores[0].log_probability, Some(top[0].log_probability));
        assert_eq!((scores[0].tokens, scores[1].tokens), (1, 2));
        assert!(scores[1].log_probability < scores[0].log_probability);
    }

    #[test]
    fn what_is_written_depends_on_the_seed_and_the_sample_alone() {
        let write = |seed, sample| {
            ask(
                Kin::Child,
                seed,
                Request::Write {
                    sample,
                    max_tokens: 9,
                },
            )
        };
        assert_eq!(write(7, 0), write(7, 0));
        assert_ne!(write(7, 0), write(7, 1));
        assert_ne!(write(7, 0), write(8, 0));
    }

    #[test]
    fn a_child_is_nearer_to_its_parent_than_a_sibling_and_that_than_a_stranger() {
        let likeness = |kin| {
            let parent = next(Kin::Parent, 7);
            let other = next(kin, 7);
            let log = |text: &str| {
                let found = other.iter().find(|c| c.text == text);
                found.unwrap().log_probability
            };
            // The mean log-probability of what the parent says.
            let each = parent
                .iter()
                .map(|c| c.log_probability.exp() * log(&c.text));
            each.sum::<f64>()
        };
        let [child, sibling, stranger] =
            [Kin::Child, Kin::Sibling(1), Kin::Stranger(1)].map(likeness);
        assert!(
            child > sibling && sibling > stranger,
            "{child} {sibling} {stranger}"
        );
    }
}
