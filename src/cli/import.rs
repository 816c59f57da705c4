//! `parentage import`: answers that somebody else collected, as recordings.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::args::{Common, Import};
use super::error::CliError;
use super::progress::Progress;
use crate::import::{Written, WrittenModel};
use crate::pipeline::{self, Imported};

/// Models that are listed one by one; of more there is a sum.
const LISTED: usize = 12;

pub(super) fn run(
    args: &Import,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let request = args.request();
    let Imported { format, written } = pipeline::import(&request, &Progress::new(common.quiet))?;
    let text = if common.json {
        let mut summary = serde_json::json!(written);
        summary["out"] = serde_json::json!(args.out);
        summary["format"] = serde_json::json!(format);
        format!("{summary}\n")
    } else {
        words(&written, &args.out)
    };
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}

fn words(written: &Written, out: &Path) -> String {
    let (models, out) = (&written.models, out.display());
    let mut text = format!(
        "{} models, {} prompts, at most {} samples of each, in {out}\n",
        models.len(),
        written.prompts,
        written.samples
    );
    let without = |refused: usize, unavailable: usize| match (refused, unavailable) {
        (0, 0) => String::new(),
        (refused, unavailable) => {
            format!(", {refused} refused, {unavailable} not there")
        }
    };
    if models.len() <= LISTED {
        for m in models {
            let without = without(m.refused, m.unavailable);
            let _ = writeln!(text, "  {}: {} answers{without}", m.directory, m.answered);
        }
    } else {
        let sum = |of: fn(&WrittenModel) -> usize| models.iter().map(of).sum::<usize>();
        let without = without(sum(|m| m.refused), sum(|m| m.unavailable));
        let _ = writeln!(text, "  {} answers{without}", sum(|m| m.answered));
    }
    for (why, count) in &written.left_out {
        let _ = writeln!(text, "  left out: {count} {}", why.words());
    }
    let _ = writeln!(
        text,
        "The battery is {out}/battery. This tool did not ask these models: docs/import.md says what that means.\n\
         Compare them with: parentage compare --protected {out}/NAME --suspect {out}/NAME --control {out}/NAME ..."
    );
    text
}
