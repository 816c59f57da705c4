//! Progress on standard error: a bar in a terminal, a line a model elsewhere, nothing when quiet.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::printable::visible_line;

/// How far a long stage has come. Shared between threads.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    lines: bool,
}

impl Progress {
    /// A stage of so many answers.
    pub(super) fn new(stage: &'static str, answers: usize, quiet: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        let target = if quiet || !terminal {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(answers as u64), target);
        if let Ok(style) = ProgressStyle::with_template(
            "{prefix} {bar:30} {human_pos}/{human_len} answers, {eta} left {wide_msg}",
        ) {
            bar.set_style(style);
        }
        bar.set_prefix(stage);
        Self {
            bar,
            lines: !quiet && !terminal,
        }
    }

    pub(super) fn answered(&self) {
        self.bar.inc(1);
    }

    /// Counts answers that were there already.
    pub(super) fn kept(&self, answers: usize) {
        self.bar.inc(answers as u64);
    }

    /// Something worth a line of its own.
    pub(super) fn note(&self, text: &str) {
        let text = visible_line(text);
        if self.lines {
            // Progress is no result: when standard error is closed, the work goes on.
            let _ = writeln!(io::stderr(), "{text}");
        } else {
            self.bar.set_message(text);
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
