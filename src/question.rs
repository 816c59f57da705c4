//! Questions as put to a model: a probe, posed, with exactly what is asked of the answer.

use serde::{Deserialize, Serialize};

use crate::battery::{Ask, Battery, Pose, Probe};

/// The words that a model reads before it answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Prompt {
    /// `chat`: a user's turn; `raw`: plain text.
    pub pose: Pose,
    /// The user's turn, or the text to go on with.
    pub text: String,
    /// The start of the answer; for raw prompts it is already part of the text.
    pub lead: String,
}

/// What is asked of the answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// How probable is each of these texts as what follows?
    Score {
        /// The texts, exactly as they would follow the prompt.
        texts: Vec<String>,
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

/// One question to one model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Question {
    /// The probe it comes from.
    pub probe: String,
    /// Which of several forms of the probe: the rotation of the options.
    pub variant: usize,
    /// What the model reads.
    pub prompt: Prompt,
    /// What it is asked.
    pub request: Request,
}

/// Settings of a round of questions that apply to every model alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posing {
    /// Chat probes are put as chat turns; false when any model in the comparison has no chat form.
    pub chat: bool,
    /// Samples of every `write` probe.
    pub samples: usize,
    /// Most probable tokens kept of every `next` probe.
    pub top: usize,
}

/// All questions of the first pass, in the order of the battery.
pub fn ask_all(battery: &Battery, posing: Posing) -> Vec<Question> {
    battery
        .probes
        .iter()
        .flat_map(|probe| ask(probe, posing))
        .collect()
}

/// The prompt of a probe without listed options, as the first variant poses it.
pub fn pose(probe: &Probe, chat: bool) -> Prompt {
    pose_with(probe, chat, probe.prompt.clone())
}

fn pose_with(probe: &Probe, chat: bool, text: String) -> Prompt {
    if chat && probe.pose == Pose::Chat {
        return Prompt {
            pose: Pose::Chat,
            text,
            lead: probe.lead.clone(),
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

fn ask(probe: &Probe, posing: Posing) -> Vec<Question> {
    let question = |variant, prompt, request| Question {
        probe: probe.id.clone(),
        variant,
        prompt,
        request,
    };
    match &probe.ask {
        Ask::Choose { options } => {
            let listed = probe.prompt.contains("{options}");
            let variants = if listed { options.len() } else { 1 };
            (0..variants)
                .map(|variant| {
                    let list = or_list(options, variant);
                    let text = probe.prompt.replace("{options}", &list);
                    let prompt = pose_with(probe, posing.chat, text);
                    let gap = if ends_open(&prompt) { " " } else { "" };
                    let texts = options.iter().map(|o| format!("{gap}{o}")).collect();
                    question(variant, prompt, Request::Score { texts })
                })
                .collect()
        }
        Ask::Next => vec![question(
            0,
            pose(probe, posing.chat),
            Request::Next { top: posing.top },
        )],
        Ask::Write { max_tokens } => (0..posing.samples)
            .map(|sample| {
                question(
                    0,
                    pose(probe, posing.chat),
                    Request::Write {
                        sample,
                        max_tokens: *max_tokens,
                    },
                )
            })
            .collect(),
    }
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
fn or_list(options: &[String], rotation: usize) -> String {
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
        samples: 3,
        top: 8,
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
            false,
        );
        assert_eq!((raw.pose, raw.text.as_str()), (Pose::Raw, "Say it.\nIt is"));
        let next = pose(&probe(Ask::Next, "Once upon", ""), true);
        assert_eq!((next.pose, next.text.as_str()), (Pose::Raw, "Once upon"));
    }

    #[test]
    fn samples_are_questions_of_their_own() {
        let questions = ask(&probe(Ask::Write { max_tokens: 9 }, "Say it.", ""), POSING);
        assert_eq!(questions.len(), 3);
        assert_ne!(questions[0], questions[1]);
    }
}
