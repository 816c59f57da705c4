//! Chains and archives mended behind a change, so that what is read behind them is reached.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

use parentage::digest;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::corpus::Files;

/// Numbers the lines of a recording or log and chains them behind a digest. Gives the digest behind each number of
/// lines, that of none first. Lines that are no objects stay as they are.
fn chain(bytes: &mut Vec<u8>, start: &str) -> Vec<String> {
    let mut heads = vec![start.to_owned()];
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        let mut text = line.to_vec();
        if let Ok(Value::Object(mut fields)) = serde_json::from_slice(line) {
            fields.insert("n".to_owned(), (heads.len() - 1).into());
            let head = heads.last().map_or("", String::as_str);
            fields.insert("previous".to_owned(), head.into());
            text = serde_json::to_vec(&fields).unwrap_or_default();
        }
        heads.push(digest::of_bytes(&text));
        out.extend(text);
        out.push(b'\n');
    }
    *bytes = out;
    heads
}

/// Mends a recording below a prefix (empty, or ending in a slash); gives the digest behind each number of answers.
pub(crate) fn recording(files: &mut Files, prefix: &str) -> Vec<String> {
    let header = files.get(&format!("{prefix}recording.json"));
    let start = digest::of_bytes(header.map_or(&[][..], Vec::as_slice));
    match files.get_mut(&format!("{prefix}answers.jsonl")) {
        Some(answers) => chain(answers, &start),
        None => vec![start],
    }
}

/// Mends the recordings and the log of a bundle, not its manifests.
pub(crate) fn bundle(files: &mut Files) {
    let names: Vec<String> = files
        .keys()
        .filter_map(|name| {
            let name = name.strip_prefix("data/recordings/")?;
            Some(name.strip_suffix("/recording.json")?.to_owned())
        })
        .collect();
    let heads: BTreeMap<String, Vec<String>> = names
        .into_iter()
        .map(|name| {
            let heads = recording(files, &format!("data/recordings/{name}/"));
            (name, heads)
        })
        .collect();
    let of = |files: &Files, file: &str| files.get(file).map(|bytes| digest::of_bytes(bytes));
    let plan = of(files, "data/plan.json").unwrap_or_default();
    let made = [
        of(files, "data/gates.json"),
        of(files, "data/results/report.json"),
    ];
    let Some(log) = files.get_mut("data/log.jsonl") else {
        return;
    };
    let lines = log.split(|b| *b == b'\n').map(|line| {
        let Ok(mut event) = serde_json::from_slice::<Value>(line) else {
            return line.to_vec();
        };
        if let Some(event) = event.get_mut("event") {
            marks(event, &heads, &plan, &made);
        }
        serde_json::to_vec(&event).unwrap_or_default()
    });
    *log = lines.collect::<Vec<_>>().join(&b'\n');
    chain(log, &plan);
}

/// Lets an event of a log agree with the files as they are now.
fn marks(
    event: &mut Value,
    heads: &BTreeMap<String, Vec<String>>,
    plan: &str,
    made: &[Option<String>; 2],
) {
    for kind in ["begun", "ended"] {
        let Some(mark) = event.get_mut(kind).filter(|mark| mark.is_object()) else {
            continue;
        };
        let heads = mark["recording"].as_str().and_then(|name| heads.get(name));
        let answers = mark["answers"].as_u64().unwrap_or(0);
        if let Some(heads) = heads
            && answers > 0
        {
            let last = heads.len() - 1;
            let answers = usize::try_from(answers).unwrap_or(last).min(last);
            mark["answers"] = answers.into();
            mark["head"] = heads[answers].as_str().into();
        }
    }
    if let Some(planned) = event.get_mut("planned").filter(|event| event.is_object()) {
        planned["plan"] = plan.into();
    }
    if let Some(assessed) = event.get_mut("assessed").filter(|event| event.is_object()) {
        for (name, digest) in ["gates", "report"].into_iter().zip(made) {
            if let Some(digest) = digest {
                assessed[name] = digest.as_str().into();
            }
        }
    }
}

/// Makes an archive of Inspect of its members, which are the files below `members/`.
pub(crate) fn archive(files: &mut Files, rng: &mut ChaCha8Rng) {
    let method = match rng.random_range(0..3) {
        0 => CompressionMethod::Stored,
        1 => CompressionMethod::Deflated,
        _ => CompressionMethod::Zstd,
    };
    let options = SimpleFileOptions::default().compression_method(method);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in &*files {
        if let Some(member) = name.strip_prefix("members/")
            && writer.start_file(member, options).is_ok()
        {
            // An archive in memory can be written to.
            let _ = writer.write_all(bytes);
        }
    }
    if let Ok(archive) = writer.finish() {
        let mut bytes = archive.into_inner();
        if rng.random_bool(0.3) {
            crate::mutate::file("log.eval", &mut bytes, &[], rng);
        }
        files.insert("in/log.eval".to_owned(), bytes);
    }
}

/// Mends the manifests of a bundle.
pub(crate) fn manifests(files: &mut Files) {
    let payload: Vec<(&String, &Vec<u8>)> = files
        .iter()
        .filter(|(name, _)| name.starts_with("data/"))
        .collect();
    let bytes: usize = payload.iter().map(|(_, bytes)| bytes.len()).sum();
    let size = format!("Payload-Oxum: {bytes}.{}\n", payload.len());
    let listed: Vec<String> = payload
        .iter()
        .map(|(name, bytes)| format!("{}  {name}\n", digest::of_bytes(bytes)))
        .collect();
    let listed = listed.concat();
    if let Some(info) = files.get_mut("bag-info.txt") {
        let text = String::from_utf8_lossy(info).into_owned();
        let lines = text.split_inclusive('\n').map(|line| {
            if line.starts_with("Payload-Oxum: ") {
                size.clone()
            } else {
                line.to_owned()
            }
        });
        *info = lines.collect::<String>().into_bytes();
    }
    files.insert("manifest-sha256.txt".to_owned(), listed.into_bytes());
    let old = files.get("tagmanifest-sha256.txt").cloned();
    let old = String::from_utf8_lossy(old.as_deref().unwrap_or_default()).into_owned();
    let tags = old.lines().filter_map(|line| {
        let name = line.split_once("  ")?.1;
        let bytes = files.get(name)?;
        Some(format!("{}  {name}\n", digest::of_bytes(bytes)))
    });
    let tags = tags.collect::<String>().into_bytes();
    files.insert("tagmanifest-sha256.txt".to_owned(), tags);
}
