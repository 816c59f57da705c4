//! The one thing that every server does, in no dialect.

/// Read a prompt, say how probable it was, write some tokens, name the alternatives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Generate<'a> {
    /// What is read.
    pub(super) input: Input<'a>,
    /// The longest visible text, in tokens; 0 to write nothing.
    pub(super) max_tokens: usize,
    /// How many alternatives of each written token; 0 for none.
    pub(super) top: usize,
    /// Whether the log-probabilities of the prompt itself are asked for.
    pub(super) echo: bool,
    /// A seed that fits into 31 bits, for servers that take one.
    pub(super) seed: u64,
    /// How tokens are drawn.
    pub(super) sampling: Sampling<'a>,
    /// What is done about hidden reasoning.
    pub(super) thought: Thought,
}

/// What a model reads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Input<'a> {
    /// A user's turn, and the beginning of the answer to it.
    Turn {
        /// The turn.
        text: &'a str,
        /// The beginning of the answer.
        lead: &'a str,
    },
    /// Plain text.
    Text(&'a str),
    /// Tokens of the server's own tokenizer.
    Ids(&'a [u32]),
}

/// How tokens are drawn. Whatever is not named here is neutral: nothing is truncated or penalised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::model::hosted) struct Sampling<'a> {
    /// The temperature; 1 in a run.
    pub(in crate::model::hosted) temperature: f64,
    /// Texts a request; 1 in a run.
    pub(in crate::model::hosted) n: usize,
    /// A system turn; none in a run.
    pub(in crate::model::hosted) system: Option<&'a str>,
}

impl Default for Sampling<'_> {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            n: 1,
            system: None,
        }
    }
}

/// What is done about hidden reasoning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thought {
    /// None was seen.
    #[default]
    Unseen,
    /// It was seen, and the server is asked to leave it out.
    SwitchedOff,
    /// It cannot be left out, and has room of its own beside the answer.
    GivenRoom,
}

/// Room for hidden reasoning where it cannot be left out, in tokens.
const ROOM: usize = 4096;

impl<'a> Generate<'a> {
    /// Writes nothing, asks for nothing.
    pub(super) fn new(input: Input<'a>, sampling: Sampling<'a>) -> Self {
        Self {
            input,
            max_tokens: 0,
            top: 0,
            echo: false,
            seed: 0,
            sampling,
            thought: Thought::Unseen,
        }
    }

    /// The limit to send: the visible text and what is hidden.
    pub(super) fn limit(&self) -> usize {
        match self.thought {
            Thought::GivenRoom => self.max_tokens + ROOM,
            Thought::Unseen | Thought::SwitchedOff => self.max_tokens,
        }
    }

    /// Whether reasoning is to be left out.
    pub(super) fn no_thinking(&self) -> bool {
        self.thought != Thought::Unseen
    }

    /// What is read, as plain text where it is a turn or a text.
    pub(super) fn text(&self) -> &'a str {
        match self.input {
            Input::Turn { text, .. } | Input::Text(text) => text,
            Input::Ids(_) => "",
        }
    }

    /// About how many bytes are read.
    pub(super) fn bytes(&self) -> usize {
        match self.input {
            Input::Ids(ids) => 4 * ids.len(),
            Input::Turn { text, lead } => text.len() + lead.len(),
            Input::Text(text) => text.len(),
        }
    }

    /// What is read, for servers that take plain text or tokens.
    pub(super) fn prompt(&self) -> serde_json::Value {
        match self.input {
            Input::Ids(ids) => ids.into(),
            Input::Turn { text, .. } | Input::Text(text) => text.into(),
        }
    }
}
