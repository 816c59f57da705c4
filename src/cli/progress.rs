//! Progress on standard error: a bar in a terminal, lines elsewhere, and no word if quiet.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::pipeline::{Event, Stage, Watch};
use crate::printable::visible_line;

/// Raised by the first Ctrl-C once models are being asked.
static STOP: AtomicBool = AtomicBool::new(false);

/// How far a command has come.
#[derive(Debug)]
pub(super) struct Progress {
    quiet: bool,
    terminal: bool,
    shown: Mutex<Shown>,
}

/// What the current stage shows.
#[derive(Debug)]
struct Shown {
    bar: ProgressBar,
    /// The file that is being fetched; `None` if none is.
    file: Option<String>,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        Self {
            quiet,
            terminal: io::stderr().is_terminal(),
            shown: Mutex::new(Shown {
                bar: ProgressBar::hidden(),
                file: None,
            }),
        }
    }

    fn begin(&self, shown: &mut Shown, stage: Stage, steps: usize) {
        if matches!(stage, Stage::Asking | Stage::Reading) {
            keep_the_answer_in_hand();
        }
        let target = if self.quiet || !self.terminal {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        shown.bar = ProgressBar::with_draw_target(Some(steps as u64), target);
        shown.file = None;
        let (word, unit) = words(stage);
        style(
            &shown.bar,
            &match unit {
                Some(unit) => {
                    format!(
                        "{{prefix}} {{bar:30}} {{human_pos}}/{{human_len}} {unit}, {{eta}} left {{wide_msg}}"
                    )
                }
                None => "{prefix} {wide_msg}".to_owned(),
            },
        );
        shown.bar.set_prefix(word);
    }

    /// Shows how far a file has come, with rate and time left.
    fn fetched(&self, shown: &mut Shown, file: &str, done: u64, bytes: u64) {
        if shown.file.as_deref() != Some(file) {
            shown.file = Some(file.to_owned());
            self.note(
                &shown.bar,
                &format!("fetching {file}: {bytes} bytes, {done} kept from before"),
            );
            style(
                &shown.bar,
                "{prefix} {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left {wide_msg}",
            );
            shown.bar.reset();
            shown.bar.set_length(bytes);
            shown.bar.set_position(done);
            // What was there before says nothing of the rate.
            shown.bar.reset_eta();
            shown.bar.set_message(visible_line(file));
        }
        shown.bar.set_position(done);
    }

    /// Something worth a line of its own.
    fn note(&self, bar: &ProgressBar, text: &str) {
        if self.quiet {
            return;
        }
        let text = visible_line(text);
        if self.terminal {
            bar.set_message(text);
        } else {
            // Progress is no result: when standard error is closed, the work goes on.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}

impl Watch for Progress {
    fn see(&self, event: Event<'_>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Begun { stage, steps } => self.begin(&mut shown, stage, steps),
            Event::Advanced(steps) => shown.bar.inc(steps as u64),
            Event::Note(text) => self.note(&shown.bar, text),
            Event::Fetched { file, done, bytes } => self.fetched(&mut shown, file, done, bytes),
            Event::Ended => shown.bar.finish_and_clear(),
        }
    }

    fn is_stopped(&self) -> bool {
        STOP.load(Ordering::Relaxed)
    }
}

fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// What a stage is called, and what its steps are, where they are counted.
fn words(stage: Stage) -> (&'static str, Option<&'static str>) {
    match stage {
        Stage::Fetching => ("fetching", None),
        Stage::Checking => ("checking", None),
        Stage::Importing => ("importing", None),
        Stage::Asking => ("asking ", Some("answers")),
        Stage::Reading => ("reading", Some("answers")),
        Stage::Scoring => ("scoring", Some("cases")),
        Stage::Loading => ("loading", Some("recordings")),
    }
}

/// Has the first Ctrl-C raise the flag, so that the answer in hand is still kept; a second one ends at once.
fn keep_the_answer_in_hand() {
    // A handler can be set once in a process; a later stage uses the same one.
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            #[expect(clippy::exit, reason = "the user insists")]
            std::process::exit(130);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_shows_what_is_there_and_what_is_left() {
        let progress = Progress {
            terminal: true,
            ..Progress::new(false)
        };
        let fetched = |file, done| {
            progress.see(Event::Fetched {
                file,
                done,
                bytes: 100,
            });
        };
        progress.see(Event::Begun {
            stage: Stage::Fetching,
            steps: 0,
        });
        fetched("a", 40);
        fetched("a", 60);
        let bar = progress.shown.lock().unwrap().bar.clone();
        assert_eq!((bar.position(), bar.length()), (60, Some(100)));
        assert_eq!(bar.message(), "a");
        fetched("b\u{1b}", 10);
        assert_eq!(bar.position(), 10);
        assert!(!bar.message().contains('\u{1b}'));
        progress.see(Event::Ended);
        assert!(bar.is_finished());
    }
}
