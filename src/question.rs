//! Questions as put to a model: a probe, posed, with exactly what is asked of the answer.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::battery::{Ask, Battery, Pose, Probe};
use crate::tagged::{self, Tagged};

/// The words that a model reads before it answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prompt<S = String> {
    /// `chat`: a user's turn; `raw`: plain text.
    pub pose: Pose,
    /// The user's turn, or the text to go on with.
    pub text: S,
    /// The start of the answer; for raw prompts it is already part of the text.
    pub lead: S,
}

/// What is asked of the answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Request<S = String> {
    /// How probable is each of these texts as what follows?
    Score {
        /// The texts, exactly as they would follow the prompt.
        texts: Vec<S>,
    },
    /// What follows, with which probability?
    Next {
        /// How many of the most probable tokens.
        top: usize,
    },
    /// Write on.
    Write {
        /// Which of several samples.
        sample: usize,
        /// The longest answer, in tokens.
        max_tokens: usize,
    },
}

/// The kinds of requests.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Score,
    Next,
    Write,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Score<S> {
    texts: Vec<S>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Next {
    top: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Write {
    sample: usize,
    max_tokens: usize,
}

impl<'de, S: Deserialize<'de>> Tagged<'de> for Request<S> {
    type Kind = Kind;

    fn read<D: Deserializer<'de>>(kind: Kind, rest: D) -> Result<Self, D::Error> {
        Ok(match kind {
            Kind::Score => {
                let Score { texts } = Score::deserialize(rest)?;
                Self::Score { texts }
            }
            Kind::Next => {
                let Next { top } = Next::deserialize(rest)?;
                Self::Next { top }
            }
            Kind::Write => {
                let Write { sample, max_tokens } = Write::deserialize(rest)?;
                Self::Write { sample, max_tokens }
            }
        })
    }
}

impl<'de, S: Deserialize<'de>> Deserialize<'de> for Request<S> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        tagged::deserialize(from)
    }
}

/// One question to one model. Its texts are its own, or those of the line that it was read from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Question<S = String> {
    /// The probe it comes from.
    pub probe: S,
    /// Which of several forms of the probe: the rotation of the options.
    pub variant: usize,
    /// What the model reads.
    pub prompt: Prompt<S>,
    /// What it is asked.
    pub request: Request<S>,
}

/// How far the least open model of a comparison lets its distributions be seen. All models of a
/// comparison are asked alike, so this settles how `choose` and `next` probes are put to each of them.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Only samples of text.
    Text,
    /// The most probable next tokens with their probabilities.
    Top,
    /// The probability of any given text.
    #[default]
    Scored,
}

/// Settings of a round of questions that apply to every model alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Posing {
    /// Chat probes are put as chat turns; false when any model in the comparison has no chat form.
    pub chat: bool,
    /// Plain text is put as it is; false when any model in the comparison takes chat turns only, which
    /// then ask for the text to be gone on with.
    #[serde(default = "yes")]
    pub raw: bool,
    /// How `choose` and `next` probes are asked.
    #[serde(default)]
    pub access: Access,
    /// Samples of every `write` probe.
    pub samples: usize,
    /// Short samples that stand for the distribution of a `choose` or `next` probe, where only text
    /// is to be had.
    #[serde(default)]
    pub repeats: usize,
    /// Most probable tokens kept of every `next` probe.
    pub top: usize,
}

/// Samples of every open question, unless the user says how many: what a model wrote says more of its parent than
/// its closed answers do.
pub const SAMPLES: u16 = 32;
/// The seed of everything random, unless the user names one: nobody has chosen it for what came out.
pub const SEED: u64 = 1;
/// Short samples of every closed question, unless the user says how many.
pub const REPEATS: u16 = 16;

impl Posing {
    /// Plain text, asked as often as when nobody says how often: what is validated.
    pub fn usual(access: Access) -> Self {
        Self {
            chat: false,
            raw: true,
            access,
            samples: usize::from(SAMPLES),
            repeats: match access {
                Access::Text => usize::from(REPEATS),
                Access::Top | Access::Scored => 0,
            },
            top: 32,
        }
    }
}

fn yes() -> bool {
    true
}

/// The longest short sample, in tokens: room for an option or a few words.
pub const SHORT: usize = 8;
/// What a chat turn that stands for plain text begins with.
const GO_ON: &str = "Go on with this text. Write only what follows, without repeating it.\n\n";
/// What stands for the beginning of an answer where it cannot be written for the model.
const ONLY_OPTION: &str = "\nAnswer with one of these options only.";

/// All questions of the first pass, in the order of the battery.
pub fn ask_all(battery: &Battery, posing: Posing) -> Vec<Question> {
    battery
        .probes
        .iter()
        .flat_map(|probe| ask(probe, posing))
        .collect()
}

/// The prompt of a probe without listed options, as the first variant poses it.
pub fn pose(probe: &Probe, posing: Posing) -> Prompt {
    pose_with(probe, posing, probe.prompt.clone())
}

fn pose_with(probe: &Probe, posing: Posing, text: String) -> Prompt {
    if posing.chat && probe.pose == Pose::Chat {
        // Only weights let the beginning of an answer be written for them.
        let (text, lead) = match (posing.access, &probe.ask) {
            (Access::Scored, _) => (text, probe.lead.clone()),
            (_, Ask::Choose { .. }) => (text + ONLY_OPTION, String::new()),
            _ => (text, String::new()),
        };
        return Prompt {
            pose: Pose::Chat,
            text,
            lead,
        };
    }
    if !posing.raw {
        return Prompt {
            pose: Pose::Chat,
            text: format!("{GO_ON}{text}"),
            lead: String::new(),
        };
    }
    let text = match (probe.lead.is_empty(), probe.pose) {
        (false, _) => format!("{text}\n{}", probe.lead),
        (true, Pose::Chat) => format!("{text}\n"),
        (true, Pose::Raw) => text,
    };
    Prompt {
        pose: Pose::Raw,
        text,
        lead: String::new(),
    }
}

/// The questions of the first pass about one probe.
pub fn ask(probe: &Probe, posing: Posing) -> Vec<Question> {
    let question = |variant, prompt, request| Question {
        probe: probe.id.clone(),
        variant,
        prompt,
        request,
    };
    // Short samples take the variants in turn, so that each is asked as often as the others.
    let short = |variant: usize, variants: usize| {
        let count = (posing.repeats + variants - 1 - variant) / variants;
        (0..count).map(|sample| Request::Write {
            sample,
            max_tokens: SHORT,
        })
    };
    match &probe.ask {
        Ask::Choose { options } => {
            let listed = probe.prompt.contains("{options}");
            let variants = if listed { options.len() } else { 1 };
            let ask = |variant| {
                let list = or_list(options, variant);
                let text = probe.prompt.replace("{options}", &list);
                let prompt = pose_with(probe, posing, text);
                let gap = if ends_open(&prompt) { " " } else { "" };
                let requests = match posing.access {
                    Access::Scored => vec![Request::Score {
                        texts: options.iter().map(|o| format!("{gap}{o}")).collect(),
                    }],
                    Access::Top => vec![Request::Next { top: posing.top }],
                    Access::Text => short(variant, variants).collect(),
                };
                let asked = move |request| question(variant, prompt.clone(), request);
                requests.into_iter().map(asked).collect::<Vec<_>>()
            };
            (0..variants).flat_map(ask).collect()
        }
        Ask::Next => {
            let prompt = pose(probe, posing);
            let requests = match posing.access {
                Access::Scored | Access::Top => vec![Request::Next { top: posing.top }],
                Access::Text => short(0, 1).collect(),
            };
            let asked = |request| question(0, prompt.clone(), request);
            requests.into_iter().map(asked).collect()
        }
        Ask::Write { max_tokens } => (0..posing.samples)
            .map(|sample| {
                question(
                    0,
                    pose(probe, posing),
                    Request::Write {
                        sample,
                        max_tokens: *max_tokens,
                    },
                )
            })
            .collect(),
    }
}

/// The most bytes that the texts of a probe's questions in the first pass may have, without making them. It is never less
/// than they have, and not much more.
pub(crate) fn longest(probe: &Probe, posing: Posing) -> u64 {
    let bytes = |length: usize| length as u64;
    // What is put around a text, names and numbers.
    let frame = bytes(GO_ON.len() + ONLY_OPTION.len() + probe.id.len() + probe.lead.len() + 64);
    let prompt = bytes(probe.prompt.len());
    let (text, questions) = match &probe.ask {
        Ask::Choose { options } => {
            let list = options.iter().map(|o| bytes(o.len()) + 4).sum::<u64>();
            let places = probe.prompt.matches("{options}").count();
            let text = prompt
                .saturating_add(list.saturating_mul(bytes(places)))
                .saturating_add(list);
            let variants = if places > 0 { options.len() } else { 1 };
            (text, variants.max(posing.repeats))
        }
        Ask::Next => (prompt, posing.repeats.max(1)),
        Ask::Write { .. } => (prompt, posing.samples),
    };
    text.saturating_add(frame).saturating_mul(bytes(questions))
}

/// Whether an option needs a space before it.
fn ends_open(prompt: &Prompt) -> bool {
    let before = match prompt.pose {
        Pose::Chat => &prompt.lead,
        Pose::Raw => &prompt.text,
    };
    before
        .chars()
        .next_back()
        .is_some_and(|c| !c.is_whitespace())
}

/// "b, c or a" for options a, b, c rotated by one.
pub(crate) fn or_list(options: &[String], rotation: usize) -> String {
    let rotated: Vec<&str> = (0..options.len())
        .map(|i| options[(i + rotation) % options.len()].as_str())
        .collect();
    match rotated.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => rotated.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSING: Posing = Posing {
        chat: true,
        raw: true,
        access: Access::Scored,
        samples: 3,
        repeats: 5,
        top: 8,
    };
    const PLAIN: Posing = Posing {
        chat: false,
        ..POSING
    };

    fn probe(ask: Ask, prompt: &str, lead: &str) -> Probe {
        let pose = if ask == Ask::Next {
            Pose::Raw
        } else {
            Pose::Chat
        };
        Probe {
            id: "p-1".to_owned(),
            family: "p".to_owned(),
            ask,
            pose,
            prompt: prompt.to_owned(),
            lead: lead.to_owned(),
        }
    }

    #[test]
    fn listed_options_take_every_place_once() {
        let options: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        let questions = ask(
            &probe(Ask::Choose { options }, "One of {options}?", "I take"),
            POSING,
        );
        let texts: Vec<&str> = questions.iter().map(|q| q.prompt.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "One of a, b or c?",
                "One of b, c or a?",
                "One of c, a or b?"
            ]
        );
        for question in &questions {
            let Request::Score { texts } = &question.request else {
                panic!("{question:?}");
            };
            assert_eq!(texts[..], [" a", " b", " c"]);
        }
    }

    #[test]
    fn chat_probes_become_plain_text_where_a_model_has_no_chat_form() {
        let raw = pose(
            &probe(Ask::Write { max_tokens: 9 }, "Say it.", "It is"),
            PLAIN,
        );
        assert_eq!((raw.pose, raw.text.as_str()), (Pose::Raw, "Say it.\nIt is"));
        let next = pose(&probe(Ask::Next, "Once upon", ""), POSING);
        assert_eq!((next.pose, next.text.as_str()), (Pose::Raw, "Once upon"));
    }

    #[test]
    fn samples_are_questions_of_their_own() {
        let questions = ask(&probe(Ask::Write { max_tokens: 9 }, "Say it.", ""), POSING);
        assert_eq!(questions.len(), 3);
        assert_ne!(questions[0], questions[1]);
    }

    #[test]
    fn less_access_asks_for_tokens_or_for_short_samples() {
        let options: Vec<String> = ["a", "b"].map(str::to_owned).to_vec();
        let choose = probe(Ask::Choose { options }, "One of {options}?", "I take");
        let posing = |access| Posing { access, ..POSING };
        let top = ask(&choose, posing(Access::Top));
        assert_eq!(top.len(), 2);
        assert_eq!(top[0].request, Request::Next { top: 8 });
        assert_eq!(
            (top[0].prompt.text.as_str(), top[0].prompt.lead.as_str()),
            ("One of a or b?\nAnswer with one of these options only.", "")
        );
        // Five repeats over two orders: three and two, no question twice.
        let text = ask(&choose, posing(Access::Text));
        let of = |variant| text.iter().filter(|q| q.variant == variant).count();
        assert_eq!((of(0), of(1)), (3, 2));
        let next = ask(&probe(Ask::Next, "Once upon", ""), posing(Access::Text));
        assert_eq!(next.len(), 5);
        assert_ne!(next[0], next[1]);
    }

    #[test]
    fn how_long_questions_are_is_known_before_they_are_made() {
        let options: Vec<String> = ["a", "bcd", "ef"].map(str::to_owned).to_vec();
        let choose = |prompt| {
            let options = options.clone();
            probe(Ask::Choose { options }, prompt, "I take")
        };
        let probes = [
            choose("One of {options}, I say {options}?"),
            choose("Which?"),
            probe(Ask::Next, "Once upon", ""),
            probe(Ask::Write { max_tokens: 9 }, "Say it.", "It is"),
        ];
        for (chat, raw) in [(true, true), (false, true), (true, false)] {
            for access in [Access::Scored, Access::Top, Access::Text] {
                let posing = Posing {
                    chat,
                    raw,
                    access,
                    ..POSING
                };
                for probe in &probes {
                    let questions = ask(probe, posing).into_iter();
                    let texts = |q: Question| {
                        let of_request = match q.request {
                            Request::Score { texts } => texts.concat().len(),
                            _ => 0,
                        };
                        q.probe.len() + q.prompt.text.len() + q.prompt.lead.len() + of_request
                    };
                    let found: usize = questions.map(texts).sum();
                    let most = longest(probe, posing);
                    assert!(found as u64 <= most, "{probe:?}: {found} > {most}");
                }
            }
        }
    }

    #[test]
    fn plain_text_becomes_a_turn_where_a_model_takes_turns_only() {
        let posing = Posing {
            raw: false,
            ..POSING
        };
        let next = pose(&probe(Ask::Next, "Once upon", ""), posing);
        assert_eq!(next.pose, Pose::Chat);
        assert!(next.text.ends_with("Once upon"));
    }
}
