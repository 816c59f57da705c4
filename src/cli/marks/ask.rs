//! `parentage marks test`: what a suspect gave for planted marks, in words.

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

use super::args::Test;
use super::written;
use crate::cli::args::Common;
use crate::cli::error::CliError;
use crate::cli::progress::Progress;
use crate::marks::commit::Role;
use crate::marks::store::Outcome;
use crate::marks::trial::Counted;
use crate::model::Seed;
use crate::pipeline::{Given, MarksRequest, test_marks};

pub(super) fn run(
    args: &Test,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let tested = test_marks(&args.request(), &Progress::new(common.quiet))?;
    let (outcome, sealed) = (&tested.outcome, &tested.sealed.words);
    let text = if common.json {
        let summary = serde_json::json!({ "case": args.out, "sealed": sealed, "result": outcome });
        format!("{summary}\n")
    } else {
        let out = args.out.display();
        format!(
            "{}The commitment is {sealed}.\nWhoever gets {out} checks it with: parentage marks verify {out} --signer KEY\n",
            words(outcome)
        )
    };
    written(stdout, &text)
}

impl Test {
    fn request(&self) -> MarksRequest {
        MarksRequest {
            marks: self.marks.clone(),
            channels: self.channel.clone(),
            suspect: self.suspect.clone(),
            given: Given::default(),
            samples: self.samples,
            access: self.access.map(Into::into),
            seed: Seed(self.seed),
            raw: self.raw,
            stop: self.stop,
            engine: self.engine.settled(),
            endpoints: self.hosted.settled(),
            out: self.out.clone(),
        }
    }
}

/// What a test says, for people.
pub(super) fn words(outcome: &Outcome) -> String {
    let trial = &outcome.trial;
    let mut text = format!(
        "{}\n\n{} of {} prompts have an answer that names an option, {} an answer that names none, {} were refused, {} are not in the recording{}.\n",
        trial.sentence,
        trial.classified,
        trial.prompts,
        trial.unclassified,
        trial.unanswered,
        trial.missing,
        if trial.stopped {
            ": asking stopped before the last prompt"
        } else {
            ""
        }
    );
    for channel in &trial.channels {
        let _ = writeln!(text, "  {}", line(channel));
    }
    text
}

fn line(channel: &Counted) -> String {
    let role = match channel.role {
        Role::Served => "served",
        Role::Control => "control",
    };
    let mut parts = vec![format!("{} ({role}):", channel.name)];
    if let Some(written) = &channel.written {
        let [uptake, low, high] = written.uptake.map(|share| 100.0 * share);
        parts.push(format!(
            "{} of {} hits, p {:.1e} exact and {:.1e} by bets, uptake {uptake:.0} % ({low:.0} to {high:.0});",
            written.hits, written.counted, written.p_exact, written.p_anytime
        ));
    }
    if let Some(probable) = &channel.probable {
        parts.push(format!(
            "mean share {:.3} over {} prompts, p {:.1e} by bets, {:.1e} by rank;",
            probable.mean_share, probable.prompts, probable.p_anytime, probable.p_rank
        ));
    }
    parts.push(match channel.p_corrected {
        Some(p) => format!("corrected p {p:.1e}"),
        None => format!("p {:.1e}", channel.p),
    });
    parts.join(" ")
}
