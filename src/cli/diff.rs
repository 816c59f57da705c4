//! `parentage diff`: what differs between two bundles, and whether it moved the finding.

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

use serde_json::Value;

use super::args::{Common, Diff};
use super::error::CliError;
use super::verify::checked;
use crate::bundle::{Change, Demand, Difference, difference};
use crate::printable::visible_line;
use crate::verdict::Finding;

/// A value longer than this is cut when it is shown.
const SHOWN: usize = 100;

pub(super) fn run(
    args: &Diff,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let demand = Demand {
        namespace: args.namespace.clone(),
        ..Demand::default()
    };
    let (a, from) = checked(&args.a, &demand, &mut |_, _| ())?;
    let (b, to) = checked(&args.b, &demand, &mut |_, _| ())?;
    let changes = difference((&a, &from), (&b, &to));
    let text = if common.json {
        let summary = serde_json::json!({
            "from": { "bundle": args.a, "finding": from.finding },
            "to": { "bundle": args.b, "finding": to.finding },
            "moved": from.finding != to.finding,
            "changes": changes,
        });
        format!("{summary}\n")
    } else {
        shown(from.finding, to.finding, &changes)
    };
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}

fn shown(from: Finding, to: Finding, changes: &[Change]) -> String {
    let mut out = if from == to {
        format!("FINDING    {}, in both\n", from.name())
    } else {
        format!("FINDING    {} -> {}\n", from.name(), to.name())
    };
    for kind in Difference::ALL {
        let mut changes = changes.iter().filter(|c| c.kind == kind).peekable();
        if changes.peek().is_some() {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "\n{}", kind.name());
        }
        for change in changes {
            let (from, to) = (value(&change.from), value(&change.to));
            let _ = writeln!(out, "  {}: {from} -> {to}", clean(&change.at));
        }
    }
    if changes.is_empty() {
        out.push_str("Nothing differs.\n");
    }
    out
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => clean(text),
        other => clean(&other.to_string()),
    }
}

/// A value of any length, fit to be shown.
fn clean(text: &str) -> String {
    let mut shown: String = visible_line(text).chars().take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moved_is_told_first_and_hostile_names_are_cleaned() {
        let change = |kind, at: &str, from: Value, to: Value| Change {
            kind,
            at: at.to_owned(),
            from,
            to,
        };
        let changes = [
            change(Difference::Items, "controls.\u{1b}x", Value::Null, 1.into()),
            change(Difference::Figures, "pooled.t", 1.5.into(), 2.5.into()),
        ];
        assert_eq!(
            shown(Finding::Distilled, Finding::Related, &changes),
            "FINDING    distilled -> related\n\nitems\n  controls.\u{2039}U+001B\u{203a}x: - -> 1\n\nfigures\n  pooled.t: 1.5 -> 2.5\n"
        );
        assert_eq!(
            shown(Finding::Shared, Finding::Shared, &[]),
            "FINDING    shared, in both\nNothing differs.\n"
        );
    }
}
