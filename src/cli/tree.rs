//! `parentage tree`: a dendrogram of recordings.

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
use crate::measure::equality::equality;
use crate::measure::open_text::habit_distances;
use crate::pipeline::PipelineError;
use crate::response::Response;
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
            return Err(CliError::from(PipelineError::Mixed {
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
    let fingerprints: Vec<Fingerprint> = recordings.iter().map(|(_, r)| fingerprint(r)).collect();
    let size = fingerprints.len();
    let mut distances = Array2::zeros((size, size));
    let pairs = (0..size).flat_map(|i| (0..i).map(move |j| (i, j)));
    for (i, j) in pairs {
        // What the equality gate of a comparison takes: the strings that both name, and the rest.
        let Some(alike) = equality(&fingerprints[i], &fingerprints[j]) else {
            let all: Vec<&Fingerprint> = fingerprints.iter().collect();
            return Some((Distance::Habits, habit_distances(&all)?));
        };
        distances[[i, j]] = alike.divergence;
        distances[[j, i]] = alike.divergence;
    }
    Some((Distance::Next, distances))
}

/// What a drawing needs of a recording, for which the battery itself need not be at hand.
fn fingerprint(recording: &Recording) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    for entry in &recording.entries {
        let probe = entry.question.probe.clone();
        match &entry.response {
            Response::Text { text, .. } => {
                let texts = fingerprint.texts.entry(probe).or_default();
                texts.push(text.clone());
            }
            Response::Next { top } => {
                fingerprint.next.entry(probe).or_insert_with(|| top.clone());
            }
            _ => {}
        }
    }
    fingerprint
}
