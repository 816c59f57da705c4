//! What a reply says, in no dialect.

use crate::response::Usage;

use super::logprobs::Logprobs;

/// What a reply says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Reading {
    /// The texts written, reasoning stripped.
    pub(super) texts: Vec<String>,
    /// Why the first one ended.
    pub(super) end: End,
    /// The model declined, in its own words.
    pub(super) refusal: Option<String>,
    /// Log-probabilities of the tokens written.
    pub(super) written: Logprobs,
    /// Log-probabilities of the prompt's own tokens, where the server gives them apart.
    pub(super) prompt: Option<serde_json::Value>,
    /// Tokens counted.
    pub(super) usage: Usage,
    /// The model that the server says answered.
    pub(super) served: Option<String>,
    /// The server's mark of its configuration.
    pub(super) fingerprint: Option<String>,
    /// The provider behind a router.
    pub(super) upstream: Option<String>,
    /// Which parsing rules fired.
    pub(super) notes: Vec<String>,
}

/// Why a text ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum End {
    /// The model ended it.
    Stop,
    /// The limit was reached.
    Length,
    /// A filter ended it, in the server's word.
    Filtered(String),
    /// The reply does not say.
    #[default]
    Unsaid,
}

/// A word for the end of a text. The set is open: an unknown word is an end, and is noted.
pub(super) fn end_of(word: Option<&str>, notes: &mut Vec<String>) -> End {
    let Some(word) = word.filter(|word| !word.is_empty()) else {
        notes.push("finish: absent".to_owned());
        return End::Unsaid;
    };
    match word.to_ascii_lowercase().as_str() {
        "stop" | "eos" | "eos_token" | "end_turn" | "stop_sequence" | "word" | "completed" => {
            End::Stop
        }
        "length" | "max_tokens" | "limit" | "max_output_tokens" | "model_length" => End::Length,
        "content_filter" | "content_filtered" | "refusal" | "safety" | "recitation"
        | "blocklist" | "prohibited_content" | "spii" | "image_safety" => {
            End::Filtered(word.to_owned())
        }
        _ => {
            notes.push(format!("finish: {word}"));
            End::Stop
        }
    }
}

impl Reading {
    /// Why there is no answer, when the model or a filter declined.
    pub(super) fn declined(&self) -> Option<String> {
        match (&self.refusal, &self.end) {
            (Some(words), _) => Some(words.clone()),
            (None, End::Filtered(word)) => Some(format!("filtered: {word}")),
            _ => None,
        }
    }

    /// Takes a text of a chat turn, its hidden reasoning apart: what stands in a field of its own, and
    /// what stands between tags at the beginning.
    pub(super) fn take_turn(&mut self, content: &str, reasoning: Option<&str>) {
        let (visible, thoughts) = without_thoughts(content);
        if let Some(field) = reasoning.filter(|text| !text.is_empty()) {
            self.hide("reasoning: in a field of its own", field);
        }
        if let Some(thoughts) = thoughts {
            self.hide("reasoning: between tags, stripped", thoughts);
        }
        self.texts.push(visible.to_owned());
    }

    /// Counts reasoning that the server has not counted.
    fn hide(&mut self, note: &str, thoughts: &str) {
        self.notes.push(note.to_owned());
        if self.usage.reasoning == 0 {
            self.usage.reasoning = estimate(thoughts).max(1);
            self.notes.push("reasoning: estimated".to_owned());
        }
    }

    /// Tokens of the first text, as the server counts them where it does.
    pub(super) fn visible_tokens(&self) -> usize {
        let counted = self.usage.completion.saturating_sub(self.usage.reasoning);
        match self.texts.as_slice() {
            [_] if self.usage.reported => usize::try_from(counted).unwrap_or(usize::MAX),
            [text, ..] if self.written.positions.is_empty() => {
                usize::try_from(estimate(text)).unwrap_or(usize::MAX)
            }
            _ => self.written.positions.len(),
        }
    }

    /// Estimates what the server did not count.
    pub(super) fn complete_usage(&mut self, prompt_bytes: usize) {
        if self.usage.prompt + self.usage.completion > 0 {
            self.usage.reported = true;
            return;
        }
        let written: u64 = self.texts.iter().map(|text| estimate(text)).sum();
        self.usage.prompt = (prompt_bytes as u64).div_ceil(BYTES_A_TOKEN);
        self.usage.completion = written + self.usage.reasoning;
        self.usage.reported = false;
    }
}

/// Bytes of a token where none are counted.
const BYTES_A_TOKEN: u64 = 4;

/// About how many tokens a text has.
fn estimate(text: &str) -> u64 {
    (text.len() as u64).div_ceil(BYTES_A_TOKEN)
}

/// Parts a text into what is visible and what was thought. Templates may write the opening tag into the
/// prompt, so a closing tag alone ends thoughts as well; without one, all that follows is thought.
fn without_thoughts(content: &str) -> (&str, Option<&str>) {
    for (open, close) in [("<think>", "</think>"), ("<thinking>", "</thinking>")] {
        let start = content.trim_start().strip_prefix(open);
        match (start, content.split_once(close)) {
            (Some(_), None) => return ("", Some(content)),
            (_, Some((thoughts, visible))) => {
                return (visible.trim_start_matches(['\r', '\n']), Some(thoughts));
            }
            (None, None) => {}
        }
    }
    (content, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_between_tags_is_parted_from_the_answer() {
        for (content, visible, thoughts) in [
            ("<think>\nhm\n</think>\n\nA", "A", Some("<think>\nhm\n")),
            ("hm\n</think>\n\nA", "A", Some("hm\n")),
            ("<think>\nhm", "", Some("<think>\nhm")),
            ("<thinking>x</thinking>A", "A", Some("<thinking>x")),
            ("A <think> b", "A <think> b", None),
            ("", "", None),
        ] {
            assert_eq!(without_thoughts(content), (visible, thoughts), "{content}");
        }
    }

    #[test]
    fn words_for_the_end_are_an_open_set() {
        let mut notes = Vec::new();
        for (word, end) in [
            (Some("stop"), End::Stop),
            (Some("STOP"), End::Stop),
            (Some("end_turn"), End::Stop),
            (Some("MAX_TOKENS"), End::Length),
            (Some("SAFETY"), End::Filtered("SAFETY".to_owned())),
        ] {
            assert_eq!(end_of(word, &mut notes), end);
        }
        assert!(notes.is_empty());
        assert_eq!(end_of(Some(""), &mut notes), End::Unsaid);
        assert_eq!(end_of(None, &mut notes), End::Unsaid);
        assert_eq!(end_of(Some("tool_calls"), &mut notes), End::Stop);
        assert_eq!(
            notes,
            ["finish: absent", "finish: absent", "finish: tool_calls"]
        );
    }

    #[test]
    fn what_is_not_counted_is_estimated_and_marked() {
        let mut reading = Reading {
            texts: vec!["eight by".to_owned()],
            ..Reading::default()
        };
        reading.complete_usage(5);
        let usage = reading.usage;
        assert_eq!(
            (usage.prompt, usage.completion, usage.reported),
            (2, 2, false)
        );
        assert_eq!(reading.visible_tokens(), 2);
        reading.usage.completion = 7;
        reading.complete_usage(5);
        assert_eq!(
            (reading.usage.reported, reading.visible_tokens()),
            (true, 7)
        );
    }
}
