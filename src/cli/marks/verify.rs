//! `parentage marks verify`: a test of marks, from its files alone.

use std::io::Write;
use std::process::ExitCode;

use super::args::Verify;
use super::{ask, written};
use crate::bundle::{Demand, Signer, check_file_seal, seal_files};
use crate::cli::args::Common;
use crate::cli::error::CliError;
use crate::marks::store::{COMMITMENT_FILE, RESULT_FILE, check_case};

pub(super) fn run(
    args: &Verify,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let demand = Demand {
        signer: args.signer.as_deref().map(Signer::read).transpose()?,
        namespace: args.namespace.clone(),
        ..Demand::default()
    };
    let seals = [seal_files(COMMITMENT_FILE), seal_files(RESULT_FILE)].concat();
    let (commitment, outcome) = check_case(&args.directory, &seals).map_err(CliError::MarksCase)?;
    let sealed = check_file_seal(&args.directory, COMMITMENT_FILE, &demand)?;
    let concluded = check_file_seal(&args.directory, RESULT_FILE, &demand)?;
    let text = if common.json {
        let summary = serde_json::json!({
            "case": args.directory, "commitment": commitment, "commitment_seal": sealed.words,
            "result_seal": concluded.words, "result": outcome,
        });
        format!("{summary}\n")
    } else {
        format!(
            "{}\nEverything follows from the commitment, the opened keys and the answers.\nThe commitment is {}.\nThe result is {}.\n",
            ask::words(&outcome),
            sealed.words,
            concluded.words
        )
    };
    written(stdout, &text)
}
