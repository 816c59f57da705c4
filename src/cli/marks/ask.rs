//! `parentage marks test`: the suspect is asked, its answers are put to options, and keys are opened.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::args::Test;
use super::written;
use crate::bundle::{Demand, MARKS_NAMESPACE, check_file_seal, seal_files};
use crate::cli::args::{Asking, Common, TierArg};
use crate::cli::endpoints::Endpoints;
use crate::cli::error::CliError;
use crate::cli::open::Target;
use crate::cli::progress::Progress;
use crate::cli::run::Round;
use crate::evidence;
use crate::marks::MarksError;
use crate::marks::answers::{probe, scoring};
use crate::marks::choice::Choice;
use crate::marks::commit::{Commitment, Marks, Role};
use crate::marks::store::{
    BATTERY, COMMITMENT_FILE, Outcome, RECORDING, RESULT_FILE, begin_case, classify_case,
    conclude_case, look, read_marks,
};
use crate::marks::trial::{Counted, Said};
use crate::question::{Question, REPEATS, ask};

/// Prompts asked between two looks at the bets.
const BETWEEN_LOOKS: usize = 50;

pub(super) fn run(
    args: &Test,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let (commitment, marks) = read_marks(&args.marks)?;
    // A name that is wrong is told before anything is asked.
    marks.open(&args.channel)?;
    let demand = Demand {
        signer: None,
        namespace: MARKS_NAMESPACE.to_owned(),
    };
    let sealed = check_file_seal(&args.marks, COMMITMENT_FILE, &demand)?;
    if args.out.join(RESULT_FILE).exists() {
        let path = args.out.join(RESULT_FILE);
        return Err(MarksError::Exists { path }.into());
    }
    begin_case(&args.marks, &args.out, &seal_files(COMMITMENT_FILE))?;
    answers(args, common, &commitment, &marks)?;
    // Written down before a key is opened.
    classify_case(&args.out, &marks.choices)?;
    let outcome = conclude_case(&args.out, &commitment, &marks, &args.channel)?;
    let text = if common.json {
        let summary =
            serde_json::json!({ "case": args.out, "sealed": sealed.words, "result": outcome });
        format!("{summary}\n")
    } else {
        let out = args.out.display();
        format!(
            "{}The commitment is {}.\nWhoever gets {out} checks it with: parentage marks verify {out} --signer KEY\n",
            words(&outcome),
            sealed.words
        )
    };
    written(stdout, &text)
}

/// Sees to it that the case has a recording of the suspect's answers.
fn answers(
    args: &Test,
    common: &Common,
    commitment: &Commitment,
    marks: &Marks,
) -> Result<(), CliError> {
    let place = args.out.join(RECORDING);
    let notes = Progress::new("fetching", 0, common.quiet);
    let endpoints = Endpoints::new(&args.hosted, Some(args.marks.join("access")))?;
    let target = Target::resolve(&args.suspect, &args.engine, &endpoints, &mut |text| {
        notes.note(text);
    })?;
    notes.finish();
    if let Target::Recording { directory, .. } = &target {
        return copy(directory, &place);
    }
    let asking = Asking {
        battery: vec![args.marks.join(BATTERY).to_string_lossy().into_owned()],
        tier: Some(TierArg::Full),
        samples: args.samples,
        access: args.access,
        repeats: REPEATS,
        seed: args.seed,
        raw: args.raw,
    };
    let targets = std::slice::from_ref(&target);
    let (round, _) = Round::new(&asking, &args.engine, common.quiet, targets)?;
    let between = if args.stop {
        BETWEEN_LOOKS
    } else {
        commitment.choices
    };
    let mut asked: Vec<Question> = Vec::new();
    for part in marks.choices.all().chunks(between) {
        asked.extend(
            part.iter()
                .flat_map(|choice| questions(choice, &round, &target)),
        );
        round.ask("asking ", &[(&target, asked.clone())], &|_| place.clone())?;
        if args.stop && look(&args.out, commitment, marks, &args.channel)?.said == Said::Found {
            break;
        }
    }
    Ok(())
}

fn questions(choice: &Choice, round: &Round<'_>, target: &Target) -> Vec<Question> {
    let mut questions = ask(&probe(choice), round.posing);
    if round.reads(target.name()) {
        questions.push(scoring(choice, round.posing));
    }
    questions
}

/// Copies a recording, which is checked when it is read.
fn copy(from: &Path, to: &Path) -> Result<(), CliError> {
    evidence::header(from)?;
    let failed = |source| CliError::Write {
        path: to.to_owned(),
        source,
    };
    fs::create_dir_all(to).map_err(failed)?;
    for file in [evidence::HEADER_FILE, evidence::ANSWERS_FILE] {
        fs::copy(from.join(file), to.join(file)).map_err(failed)?;
    }
    Ok(())
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
