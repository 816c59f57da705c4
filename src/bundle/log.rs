//! The log: what happened in a case, a hash-chained line an event. No clock: the order is in the chain.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::{ChainError, PlanError, StepError};
use super::form::{LOG_FILE, Plan, is_plain_name};
use crate::digest;

/// Where a recording stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The model.
    pub model: String,
    /// The recording's directory.
    pub recording: String,
    /// Answers in it.
    pub answers: u64,
    /// SHA-256 of the last of them, or of the header; nothing before there is a header.
    pub head: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The plan was committed: nothing was asked for this case before.
    Planned {
        /// SHA-256 of `data/plan.json`.
        plan: String,
    },
    /// A model is about to be asked; what stands in its recording was answered before.
    Begun(Mark),
    /// A model was asked for now.
    Ended(Mark),
    /// A verdict was drawn from what the models' last marks say.
    Assessed {
        /// Probes asked, the first of the plan's order.
        probes: usize,
        /// SHA-256 of `data/gates.json`.
        gates: String,
        /// SHA-256 of `data/results/report.json`.
        report: String,
    },
}

impl Event {
    pub(super) fn mark(&self) -> Option<&Mark> {
        match self {
            Self::Begun(mark) | Self::Ended(mark) => Some(mark),
            Self::Planned { .. } | Self::Assessed { .. } => None,
        }
    }

    /// The event as a redacted copy may show it: without digests, and with recordings by number.
    pub(super) fn open(self, numbers: &BTreeMap<String, usize>) -> Self {
        let open = |mark: Mark| Mark {
            recording: numbers[&mark.recording].to_string(),
            head: None,
            ..mark
        };
        match self {
            Self::Planned { .. } => Self::Planned {
                plan: String::new(),
            },
            Self::Begun(mark) => Self::Begun(open(mark)),
            Self::Ended(mark) => Self::Ended(open(mark)),
            Self::Assessed { probes, .. } => Self::Assessed {
                probes,
                gates: String::new(),
                report: String::new(),
            },
        }
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    /// Its number, from 0.
    n: u64,
    /// SHA-256 of the line before it, without the line feed; for line 0 that of `data/plan.json`.
    previous: String,
    /// What happened.
    event: Event,
}

/// The events with their chain checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// In order.
    pub(super) events: Vec<Event>,
    /// SHA-256 of the last line, or of the plan.
    pub(super) head: String,
    /// Length of the whole lines.
    pub(super) bytes: usize,
}

impl Log {
    /// An empty log behind a plan.
    pub(super) fn behind(plan: &str) -> Self {
        Self {
            events: Vec::new(),
            head: plan.to_owned(),
            bytes: 0,
        }
    }

    /// Reads the whole lines and checks the chain.
    pub(super) fn parse(bytes: &[u8], plan: &str) -> Result<Self, ChainError> {
        let mut log = Self::behind(plan);
        for text in bytes.split_inclusive(|b| *b == b'\n') {
            let Some(text) = text.strip_suffix(b"\n") else {
                return Ok(log);
            };
            let number = log.events.len() as u64 + 1;
            let line: Line = serde_json::from_slice(text).map_err(|source| ChainError::Event {
                file: LOG_FILE.to_owned(),
                line: number,
                source,
            })?;
            if line.n + 1 != number || line.previous != log.head {
                return Err(ChainError::Link {
                    file: LOG_FILE.to_owned(),
                    line: number,
                });
            }
            log.head = digest::of_bytes(text);
            log.bytes += text.len() + 1;
            log.events.push(line.event);
        }
        Ok(log)
    }

    /// The line that an event would be, and the log's head behind it.
    pub(super) fn line(&self, event: &Event) -> (Vec<u8>, String) {
        let line = Line {
            n: self.events.len() as u64,
            previous: self.head.clone(),
            event: event.clone(),
        };
        let mut bytes = match serde_json::to_vec(&line) {
            Ok(bytes) => bytes,
            Err(error) => unreachable!("plain data serialises: {error}"),
        };
        let head = digest::of_bytes(&bytes);
        bytes.push(b'\n');
        (bytes, head)
    }

    /// The last mark of each model.
    pub(super) fn last(&self) -> BTreeMap<&str, &Mark> {
        let marks = self.events.iter().filter_map(Event::mark);
        marks.map(|mark| (mark.model.as_str(), mark)).collect()
    }

    /// Probes that the last verdict was drawn from.
    pub(super) fn probes(&self) -> Option<usize> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Assessed { probes, .. } => Some(*probes),
            _ => None,
        })
    }

    /// Answers that a model had given before the plan was committed.
    pub(super) fn before(&self, model: &str) -> u64 {
        let mut marks = self.events.iter().filter_map(Event::mark);
        let first = marks.find(|mark| mark.model == model);
        first.map_or(0, |mark| mark.answers)
    }

    /// Holds the log against the plan: it begins with the commitment, commits to nothing else, and asks
    /// only members.
    pub(super) fn follows(&self, plan: &Plan, digest: &str) -> Result<(), StepError> {
        let file = || LOG_FILE.to_owned();
        if !matches!(self.events.first(), Some(Event::Planned { .. })) {
            return Err(PlanError::NotFirst { file: file() }.into());
        }
        let members = plan.panel.members();
        let mut answers: BTreeMap<&str, u64> = BTreeMap::new();
        for (i, event) in self.events.iter().enumerate() {
            let line = i as u64 + 1;
            match event {
                Event::Planned { plan } if i > 0 || plan != digest => {
                    return Err(PlanError::Other { file: file(), line }.into());
                }
                Event::Planned { .. } | Event::Assessed { .. } => {}
                Event::Begun(mark) | Event::Ended(mark) => {
                    let known = members.iter().any(|m| m.model == mark.model);
                    if !known || !is_plain_name(&mark.recording) {
                        let model = mark.model.chars().take(200).collect();
                        return Err(PlanError::Stranger {
                            file: file(),
                            line,
                            model,
                        }
                        .into());
                    }
                    let before = answers.entry(&mark.recording).or_default();
                    if mark.answers < *before {
                        return Err(ChainError::Shrinks {
                            file: file(),
                            line,
                            recording: mark.recording.clone(),
                        }
                        .into());
                    }
                    *before = mark.answers;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(answers: u64) -> Mark {
        Mark {
            model: "m".to_owned(),
            recording: "r".to_owned(),
            answers,
            head: None,
        }
    }

    fn written(events: &[Event]) -> (Vec<u8>, Log) {
        let (mut log, mut bytes) = (Log::behind("p"), Vec::new());
        for event in events {
            let (line, head) = log.line(event);
            log.bytes += line.len();
            bytes.extend(line);
            log.events.push(event.clone());
            log.head = head;
        }
        (bytes, log)
    }

    #[test]
    fn what_is_written_is_read_back_and_a_torn_line_is_left_out() {
        let (bytes, log) = written(&[Event::Begun(mark(0)), Event::Ended(mark(3))]);
        assert_eq!(Log::parse(&bytes, "p").unwrap(), log);
        assert_eq!(Log::parse(b"", "p").unwrap(), Log::behind("p"));
        let torn = Log::parse(&bytes[..bytes.len() - 1], "p").unwrap();
        assert_eq!(torn.events, [Event::Begun(mark(0))]);
    }

    #[test]
    fn another_plan_or_order_breaks_the_chain() {
        let (bytes, _) = written(&[Event::Begun(mark(0)), Event::Ended(mark(3))]);
        assert!(matches!(
            Log::parse(&bytes, "q"),
            Err(ChainError::Link { line: 1, .. })
        ));
        let first = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
        let swapped = [&bytes[first..], &bytes[..first]].concat();
        assert!(matches!(
            Log::parse(&swapped, "p"),
            Err(ChainError::Link { line: 1, .. })
        ));
    }

    #[test]
    fn the_first_mark_says_what_was_answered_before_the_plan() {
        let (_, log) = written(&[Event::Begun(mark(2)), Event::Ended(mark(3))]);
        assert_eq!((log.before("m"), log.before("x")), (2, 0));
        assert_eq!(log.last()["m"].answers, 3);
    }
}
