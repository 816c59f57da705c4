//! `parentage marks`: proof that was planted.

pub(super) mod args;
mod ask;
mod plan;
mod verify;

use std::io::{self, Write};
use std::process::ExitCode;

use rand::TryRng as _;
use rand::rngs::SysRng;

use self::args::{Action, Marks, New, Seal};
use super::args::Common;
use super::error::CliError;
use super::seal::passphrase;
use crate::battery::Battery;
use crate::bundle::{SealError, request_file_stamp, seal_file, seal_files, store_file_stamp};
use crate::marks::choice::Choices;
use crate::marks::store::{COMMITMENT_FILE, RESULT_FILE, write_marks};
use crate::marks::{self, BUILT_IN, Key, compose_choices};
use crate::pipeline::PipelineError;

pub(super) fn run(
    args: &Marks,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    match &args.action {
        Action::New(new) => make(new, common, stdout),
        Action::Seal(seal) => put_seal(seal, common, stdout),
        Action::Test(test) => ask::run(test, common, stdout),
        Action::Verify(verify) => verify::run(verify, common, stdout),
        Action::Plan(plan) => plan::run(plan, common, stdout),
    }
}

fn make(args: &New, common: &Common, stdout: &mut dyn Write) -> Result<ExitCode, CliError> {
    let salts = draw()?;
    let choices = if args.battery == BUILT_IN {
        compose_choices(args.prompts, &salts)?
    } else {
        Choices::of(&Battery::open(&args.battery).map_err(PipelineError::from)?)?
    };
    let served: Result<Vec<(String, Key)>, CliError> = args
        .channel
        .iter()
        .map(|name| Ok((name.clone(), draw()?)))
        .collect();
    let made = marks::commit::Marks::new(choices, served?, draw()?, salts, args.level)?;
    let commitment = write_marks(&args.out, &made)?;
    let out = args.out.display();
    let text = if common.json {
        let summary = serde_json::json!({ "marks": args.out, "commitment": commitment });
        format!("{summary}\n")
    } else {
        format!(
            "{} prompts of {} options for {} channels in {out} (root {})\n\
             Keep {out} secret. Sign and date the commitment before anything is served:\n  \
             parentage marks seal {out} --key KEY --tsa-request\n\
             Then serve {out}/serve/CHANNEL.jsonl, each on its own channel.\n",
            commitment.choices, commitment.options, commitment.channels, commitment.root
        )
    };
    written(stdout, &text)
}

/// A key from the operating system.
fn draw() -> Result<Key, SealError> {
    let mut bytes = [0; 32];
    let drawn = SysRng.try_fill_bytes(&mut bytes);
    drawn.map_err(|e| SealError::Random(io::Error::other(e)))?;
    Ok(Key::new(bytes))
}

fn put_seal(args: &Seal, common: &Common, stdout: &mut dyn Write) -> Result<ExitCode, CliError> {
    let directory = &args.directory;
    let file = if directory.join(RESULT_FILE).is_file() {
        RESULT_FILE
    } else {
        COMMITMENT_FILE
    };
    let mut lines = Vec::new();
    let mut public = None;
    if let Some(key) = &args.key {
        let key = seal_file(directory, file, key, &args.namespace, passphrase)?;
        let path = directory.join(file);
        let [signed, ..] = seal_files(file);
        lines.push(format!("Signed {} with {key}", path.display()));
        lines.push(format!(
            "  ssh-keygen -Y verify -f allowed_signers -I SIGNER -n {} -s {} < {}",
            args.namespace,
            directory.join(signed).display(),
            path.display()
        ));
        public = Some(key);
    }
    if args.tsa_request {
        let request = request_file_stamp(directory, file)?;
        lines.push(format!(
            "Send {} to a time stamp authority (Content-Type: application/timestamp-query), then give its answer with --tsa-reply",
            request.display()
        ));
    }
    if let Some(reply) = &args.tsa_reply {
        let stored = store_file_stamp(directory, file, reply)?;
        lines.push(format!(
            "Stored {stored}; check it with: openssl ts -verify -in {stored} -data {} -CAfile AUTHORITY.pem",
            directory.join(file).display(),
            stored = stored.display()
        ));
    }
    let text = if common.json {
        let summary = serde_json::json!({
            "file": directory.join(file), "key": public, "namespace": args.namespace,
        });
        format!("{summary}\n")
    } else {
        lines.join("\n") + "\n"
    };
    written(stdout, &text)
}

/// Writes what a command has to say, and ends it well.
fn written(stdout: &mut dyn Write, text: &str) -> Result<ExitCode, CliError> {
    let written = stdout.write_all(text.as_bytes());
    written.map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}
