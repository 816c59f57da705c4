//! `parentage tree`: a dendrogram of recordings.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use ndarray::Array2;

use super::args::{Common, Tree};
use super::error::CliError;
use super::write_whole;
use crate::detail::Distance;
use crate::evidence::{self, Recording};
use crate::fingerprint::Fingerprint;
use crate::measure::distance::jensen_shannon;
use crate::measure::open_text::habit_distances;
use crate::pipeline::PipelineError;
use crate::response::{Continuation, Response};
use crate::tree::average_linkage;

pub(super) fn run(
    args: &Tree,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut recordings: Vec<(String, Recording)> = Vec::new();
    for directory in &args.recordings {
        let recording = evidence::read(directory).map_err(PipelineError::from)?;
        if let Some((_, first)) = recordings.first()
            && first.header.battery.digest != recording.header.battery.digest
        {
            return Err(CliError::Pipeline(PipelineError::Mixed {
                model: directory.display().to_string(),
                what: "battery",
            }));
        }
        recordings.push((label(directory), recording));
    }
    let (of, distances) = distances(&recordings).ok_or(CliError::NothingShared)?;
    let labels: Vec<String> = recordings.into_iter().map(|(label, _)| label).collect();
    let tree = average_linkage(&labels, &distances)?;
    if let Some(path) = &args.svg {
        write_whole(path, tree.render_svg().as_bytes())?;
    }
    let text = if common.json {
        let rows: Vec<Vec<f64>> = distances.rows().into_iter().map(|r| r.to_vec()).collect();
        let json = match of {
            Distance::Next => serde_json::json!({ "labels": labels, "divergence_nats": rows }),
            Distance::Habits => serde_json::json!({ "labels": labels, "distance": rows }),
        };
        format!("{json}\n")
    } else {
        let of = match of {
            Distance::Next => "Mean divergence of what follows a context, in nats",
            Distance::Habits => "One less the correlation of what answers begin with",
        };
        let tree = tree.render_text(100);
        format!("{of} (average linkage; a picture, not a finding)\n{tree}")
    };
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}

fn label(directory: &Path) -> String {
    let name = directory.file_name().unwrap_or(directory.as_os_str());
    name.to_string_lossy().into_owned()
}

/// The distances of all pairs: of what follows a context, and where some have nothing of that, of open text.
fn distances(recordings: &[(String, Recording)]) -> Option<(Distance, Array2<f64>)> {
    let size = recordings.len();
    let mut distances = Array2::zeros((size, size));
    let pairs = (0..size).flat_map(|i| (0..i).map(move |j| (i, j)));
    for (i, j) in pairs {
        let Some(d) = distance(&recordings[i].1, &recordings[j].1) else {
            return Some((Distance::Habits, of_text(recordings)?));
        };
        distances[[i, j]] = d;
        distances[[j, i]] = d;
    }
    Some((Distance::Next, distances))
}

fn of_text(recordings: &[(String, Recording)]) -> Option<Array2<f64>> {
    let print = |(_, recording): &(String, Recording)| {
        let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for entry in &recording.entries {
            if let Response::Text { text, .. } = &entry.response {
                let probe = entry.question.probe.clone();
                texts.entry(probe).or_default().push(text.clone());
            }
        }
        Fingerprint {
            texts,
            ..Fingerprint::default()
        }
    };
    let prints: Vec<Fingerprint> = recordings.iter().map(print).collect();
    habit_distances(&prints.iter().collect::<Vec<_>>())
}

/// Mean Jensen-Shannon divergence over the `next` probes that both answered, over the most probable
/// tokens of either and the rest. Tokens missing on one side count as impossible there, so this is an
/// upper bound; the comparison proper scores every string with every model instead.
fn distance(a: &Recording, b: &Recording) -> Option<f64> {
    let mut divergences = Vec::new();
    for (probe, top) in next(a) {
        if let Some((_, other)) = next(b).find(|(p, _)| *p == probe) {
            let (p, q) = together(top, other);
            divergences.extend(jensen_shannon(&p, &q));
        }
    }
    let total: f64 = divergences.iter().sum();
    (!divergences.is_empty()).then(|| total / divergences.len() as f64)
}

fn next(recording: &Recording) -> impl Iterator<Item = (&str, &[Continuation])> {
    recording.entries.iter().filter_map(|e| match &e.response {
        Response::Next { top } => Some((e.question.probe.as_str(), top.as_slice())),
        _ => None,
    })
}

fn together(a: &[Continuation], b: &[Continuation]) -> (Vec<f64>, Vec<f64>) {
    let mut strings: Vec<&str> = a.iter().chain(b).map(|c| c.text.as_str()).collect();
    strings.sort_unstable();
    strings.dedup();
    let side = |top: &[Continuation]| {
        let of = |s: &&str| {
            let same = top.iter().filter(|c| c.text == **s);
            same.map(|c| c.log_probability.exp()).sum::<f64>()
        };
        let mut p: Vec<f64> = strings.iter().map(of).collect();
        p.push((1.0 - p.iter().sum::<f64>()).max(0.0));
        let total: f64 = p.iter().sum();
        p.into_iter().map(|x| x / total).collect::<Vec<f64>>()
    };
    (side(a), side(b))
}
