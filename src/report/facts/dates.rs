//! When answers were written down.

use schemars::JsonSchema;
use serde::Serialize;

use crate::evidence::{Dates, Span};

/// The dates of some answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DatesFacts {
    /// From the first to the last that has one, by the clock of the machine that asked.
    pub written: Option<Span>,
    /// The dates that servers put on their replies.
    pub server: Option<Span>,
    /// How many have none.
    pub undated: usize,
    /// When they were written down, in words; null if none has a date.
    pub in_words: Option<String>,
}

impl DatesFacts {
    /// Those of a recording, or of several.
    pub(super) fn new(dates: Dates) -> Self {
        Self {
            written: dates.written,
            server: dates.server,
            undated: dates.undated,
            in_words: dates.written.map(|span| span.to_string()),
        }
    }

    /// In a sentence.
    pub(super) fn sentence(&self) -> String {
        let written = match (self.written, self.undated) {
            (None, _) => {
                return "The recordings do not say when the answers were written down.".to_owned();
            }
            (Some(span), 0) => format!("The answers were written down {span}"),
            (Some(span), undated) => format!(
                "The answers were written down {span} ({} have no date)",
                super::super::text::grouped(undated as u64)
            ),
        };
        let server = self
            .server
            .map(|span| format!("; the servers date their replies {span}"));
        format!(
            "{written}, by the clock of the machine that asked{}.",
            server.unwrap_or_default()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Moment;

    fn span(from: u64, to: u64) -> Option<Span> {
        Span::of([Moment(from), Moment(to)])
    }

    #[test]
    fn the_sentence_says_what_is_known() {
        let none = Dates {
            undated: 3,
            ..Dates::default()
        };
        assert!(DatesFacts::new(none).sentence().contains("do not say when"));
        let some = Dates {
            written: span(0, 60),
            server: span(2, 2),
            undated: 0,
        };
        assert_eq!(
            DatesFacts::new(some).sentence(),
            "The answers were written down from Thu, 01 Jan 1970 00:00:00 GMT to Thu, 01 Jan 1970 00:01:00 GMT, by \
             the clock of the machine that asked; the servers date their replies on Thu, 01 Jan 1970 00:00:02 GMT."
        );
        let both = DatesFacts::new(none.join(some));
        assert_eq!((both.written, both.undated), (span(0, 60), 3));
        assert!(both.sentence().contains("(3 have no date)"));
    }
}
