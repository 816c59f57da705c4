//! The report as text for a terminal or a file.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};

use super::facts::{MeasureFacts, ModelFacts, Report};
use super::text::{number, signed, small};
use crate::printable::visible;
use crate::validation::CaseRatio;

/// Renders the report, at most `width` columns wide.
pub fn render(report: &Report, width: usize) -> String {
    let mut out = String::new();
    headline(&mut out, report, width);
    figures(&mut out, report, width);
    innocent(&mut out, report, width);
    likeness(&mut out, report, width);
    marks(&mut out, report, width);
    adequacy(&mut out, report, width);
    limits(&mut out, report, width);
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn headline(out: &mut String, report: &Report, width: usize) {
    line(out, &format!("Protected  {}", shown(&report.protected)));
    line(out, &format!("Suspect    {}", shown(&report.suspect)));
    if let Some(base) = &report.base {
        line(out, &format!("Base       {}", shown(base)));
    }
    let names = |models: &[ModelFacts]| {
        let ids: Vec<&str> = models.iter().map(|m| m.id.as_str()).collect();
        if ids.is_empty() {
            "none".to_owned()
        } else {
            ids.join(", ")
        }
    };
    wrap(
        out,
        &format!("Controls   {}: ", report.controls.len()),
        &names(&report.controls),
        width,
    );
    wrap(out, "Against    ", &names(&report.alternatives), width);
    line(out, &asked(report));
    out.push('\n');
    line(out, &format!("FINDING    {}", report.finding.name()));
    wrap(out, "           ", &report.sentence, width);
    for sentence in &report.strength {
        wrap(out, "           ", sentence, width);
    }
    out.push('\n');
    line(out, "Why");
    for reason in &report.reasons {
        wrap(out, "  - ", reason, width);
    }
    if let Some(settles) = &report.settles {
        wrap(out, "  What would settle it: ", settles, width);
    }
    out.push('\n');
}

/// What was asked, or what somebody else's answers are to.
fn asked(report: &Report) -> String {
    let (probes, battery) = (report.battery.probes, visible(&report.battery.name));
    let samples = report.posing.samples;
    let plural = if samples == 1 { "" } else { "s" };
    if report.protected.source.is_imported() {
        return format!(
            "Answers    to {probes} prompts of {battery}, at most {samples} sample{plural} of each, collected by somebody \
             else"
        );
    }
    let form = if report.posing.chat {
        "as chat turns"
    } else {
        "as plain text"
    };
    format!(
        "Asked      {probes} probes of {battery} ({form}), {samples} sample{plural} of every open question, seed {}",
        report.seed.0
    )
}

fn figures(out: &mut String, report: &Report, width: usize) {
    let Some(pooled) = &report.pooled else {
        return;
    };
    line(
        out,
        "How much closer the suspect is to the protected model than comparable models are, beyond the controls",
    );
    let mut table = table(width);
    table.set_header(["measure", "score", "t", "p (t)", "conformal p", "probes"]);
    for measure in &report.measures {
        table.add_row(match &measure.left_out {
            Some(reason) => vec![measure.name.to_owned(), format!("left out: {reason}")],
            None => row(measure),
        });
    }
    table.add_row(vec![
        "pooled".to_owned(),
        format!("{} sd", number(pooled.score, 2)),
        number(pooled.t, 2),
        small(pooled.t_p),
        small(pooled.conformal_p),
        pooled.probes.to_string(),
    ]);
    let _ = writeln!(out, "{table}");
    match (&report.ratio, &report.no_ratio) {
        (Some(ratio), _) => likelihood_ratio(out, ratio, width),
        (None, why) => {
            let why = why.as_deref().unwrap_or("not calibrated");
            wrap(out, "Likelihood ratio: none; ", why, width);
        }
    }
    out.push('\n');
}

fn row(measure: &MeasureFacts) -> Vec<String> {
    let figures = &measure.standing;
    vec![
        measure.name.to_owned(),
        signed(figures.score, 4),
        number(figures.t, 2),
        small(figures.t_p),
        small(figures.conformal_p),
        figures.probes.to_string(),
    ]
}

fn likelihood_ratio(out: &mut String, ratio: &CaseRatio, width: usize) {
    let limits = if ratio.outside.is_empty() {
        String::new()
    } else {
        " (extrapolated, capped at 100)".to_owned()
    };
    let ends = match (ratio.low, ratio.high) {
        (Some(low), Some(high)) => {
            format!(", {} to {}", number(Some(low), 1), number(Some(high), 1))
        }
        _ => String::new(),
    };
    let text = format!(
        "log10 LR {}{ends}{limits}: {}",
        signed(Some(ratio.log10_lr), 1),
        ratio.sentence
    );
    wrap(out, "Likelihood ratio: ", &text, width);
    if let Some(updated) = ratio.updated {
        let text = format!(
            "prior odds {} as stated, posterior odds {}",
            number(Some(updated.prior_odds), 3),
            number(Some(updated.odds), 3)
        );
        line(out, &text);
    }
}

/// The nearest innocent explanation, a line a measure.
fn innocent(out: &mut String, report: &Report, width: usize) {
    let mixes = report.measures.iter().map(|m| (m.name, &m.synthetic));
    let mut mixes = mixes.filter(|(_, s)| s.left_out.is_none()).peekable();
    if mixes.peek().is_none() {
        return;
    }
    line(
        out,
        "Nearest innocent explanation: the suspect as a mix of controls, and what that leaves",
    );
    for (name, found) in mixes {
        let mut parts: Vec<String> = found
            .mix
            .iter()
            .take(3)
            .map(|w| format!("{} {}", number(Some(w.weight), 2), w.id))
            .collect();
        if found.mix.len() > 3 || found.rest > 0.0 {
            parts.push("others".to_owned());
        }
        let judged = if found.too_bad == Some(true) {
            "fitted too badly to be judged".to_owned()
        } else {
            format!("gap over error {}", signed(found.ratio, 2))
        };
        let text = format!(
            "{}; leaves a gap of {}, error of fit {}, {judged}",
            parts.join(" + "),
            signed(found.gap, 4),
            number(found.error, 4),
        );
        wrap(out, &format!("  {name}: "), &text, width);
    }
    out.push('\n');
}

fn likeness(out: &mut String, report: &Report, width: usize) {
    let mut models: Vec<&ModelFacts> = std::iter::once(&report.suspect)
        .chain(&report.base)
        .chain(&report.alternatives)
        .chain(&report.controls)
        .filter(|m| m.divergence.is_some())
        .collect();
    if models.is_empty() {
        return;
    }
    models.sort_by(|a, b| {
        let key = |m: &ModelFacts| m.divergence.unwrap_or(f64::INFINITY);
        key(a).total_cmp(&key(b)).then_with(|| a.id.cmp(&b.id))
    });
    models.dedup_by(|a, b| a.id == b.id);
    line(
        out,
        "Likeness to the protected model by itself (mean divergence in nats; a description, not evidence)",
    );
    let list: Vec<String> = models
        .iter()
        .map(|m| format!("{} {:.4}", visible(&m.id), m.divergence.unwrap_or(0.0)))
        .collect();
    wrap(out, "  ", &list.join(", "), width);
    out.push('\n');
}

fn marks(out: &mut String, report: &Report, width: usize) {
    let Some(marks) = &report.marks else {
        return;
    };
    line(out, "Planted marks");
    for text in [
        &marks.sentence,
        &marks.effect,
        &marks.commitment,
        marks.given,
    ] {
        wrap(out, "  - ", text, width);
    }
    for row in &marks.rows {
        let figures = format!(
            "{} hits, uptake {}, mean share {}, p {}",
            row.hits, row.uptake, row.share, row.p
        );
        wrap(
            out,
            &format!("  - {}: ", visible(&row.channel)),
            &figures,
            width,
        );
    }
    out.push('\n');
}

fn adequacy(out: &mut String, report: &Report, width: usize) {
    line(out, "What the controls allow");
    for sentence in &report.adequacy.in_words {
        wrap(out, "  - ", sentence, width);
    }
    out.push('\n');
}

fn limits(out: &mut String, report: &Report, width: usize) {
    line(out, "What limits this");
    for caveat in &report.caveats {
        wrap(
            out,
            "  - ",
            &format!("{} [{}]: {}", caveat.text, caveat.code, caveat.advice),
            width,
        );
    }
}

fn table(width: usize) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width).unwrap_or(u16::MAX));
    table
}

fn shown(model: &ModelFacts) -> String {
    let digest = model.source.digest().map_or_else(String::new, |d| {
        format!(" (sha256 {})", &d[..d.len().min(12)])
    });
    format!("{}{digest}", visible(&model.name))
}

/// Writes words behind a prefix, continued lines indented to the prefix's width.
fn wrap(out: &mut String, prefix: &str, text: &str, width: usize) {
    let indent = prefix.chars().count().min(11);
    let mut used = prefix.chars().count();
    out.push_str(prefix);
    let mut first = true;
    for word in visible(text).split_whitespace() {
        let length = word.chars().count();
        if !first && used + 1 + length > width {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            used = indent;
            first = true;
        }
        if !first {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
        first = false;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_wraps_at_the_width() {
        let mut out = String::new();
        wrap(&mut out, "  - ", "aaa bbb ccc ddd", 11);
        assert_eq!(out, "  - aaa bbb\n    ccc ddd\n");
    }
}
