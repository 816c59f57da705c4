//! `parentage marks plan`: how many prompts an uptake needs.

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

use super::args::Plan;
use super::written;
use crate::cli::args::Common;
use crate::cli::error::CliError;
use crate::marks::MarksError;
use crate::marks::commit::HIGHEST_LEVEL;
use crate::marks::need::prompts_needed;
use crate::marks::trial::TESTS;

/// Shares of marks taken up, of 1.
const UPTAKES: [f64; 7] = [0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0];

pub(super) fn run(
    args: &Plan,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let level = args.level;
    if !(level > 0.0 && level <= HIGHEST_LEVEL) {
        return Err(MarksError::Level { level }.into());
    }
    let options = usize::from(args.options);
    let chance = 1.0 / f64::from(args.options);
    // A channel is found if its smaller p-value, times two, times the channels, reaches the level.
    let single = level / TESTS / f64::from(args.channels);
    let rows: Vec<(f64, f64, Option<u64>)> = UPTAKES
        .into_iter()
        .map(|uptake| {
            let raised = uptake * (1.0 - chance);
            (
                uptake,
                chance + raised,
                prompts_needed(options, raised, single),
            )
        })
        .collect();
    let text = if common.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(uptake, hits, needed)| {
                serde_json::json!({ "uptake": uptake, "hits": hits, "answers": needed })
            })
            .collect();
        let summary = serde_json::json!({
            "options": options, "channels": args.channels, "level": level, "rows": rows,
        });
        format!("{summary}\n")
    } else {
        let mut text = format!(
            "Answers that name an option, for {options} options, so that nine of ten suspects of an uptake are found at level {level:e}\n\
             corrected for {} channels (the exact test; chance alone hits {:.1} %):\n  uptake  hits    answers\n",
            args.channels,
            100.0 * chance
        );
        for (uptake, hits, needed) in &rows {
            let needed = needed.map_or_else(|| "more than 100,000".to_owned(), |n| n.to_string());
            let _ = writeln!(
                text,
                "  {:>4.0} %  {:>4.1} %  {needed:>7}",
                100.0 * uptake,
                100.0 * hits
            );
        }
        text
    };
    written(stdout, &text)
}
