//! The form of a bundle: file names, versions, limits, and the files that are plain values.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::battery::Battery;
use crate::evidence::{BatteryMark, Header};
use crate::identity::{FileDigest, Source};
use crate::model::Seed;
use crate::panel::{Matter, Panel};
use crate::question::Posing;
use crate::rules::Rules;
use crate::{digest, measure::Measure, validation};

/// The version of the bundle's form; readers refuse others.
pub const FORMAT: u32 = 1;

/// BagIt's own declaration; nothing else is read.
pub(super) const BAGIT: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
pub(super) const BAGIT_FILE: &str = "bagit.txt";
pub(super) const INFO_FILE: &str = "bag-info.txt";
pub(super) const MANIFEST_FILE: &str = "manifest-sha256.txt";
pub(super) const TAG_MANIFEST_FILE: &str = "tagmanifest-sha256.txt";
pub(super) const SIGNATURE_FILE: &str = "tagmanifest-sha256.txt.sig";
pub(super) const STATEMENT_FILE: &str = "statement.dsse.json";
/// What the seal says of every piece.
pub(super) const COMMITMENTS_FILE: &str = "commitments.txt";
pub(super) const STAMP_REQUEST_FILE: &str = "tagmanifest-sha256.txt.tsq";
pub(super) const STAMP_REPLY_FILE: &str = "tagmanifest-sha256.txt.tsr";
pub(super) const PLAN_FILE: &str = "data/plan.json";
/// An authority's time stamp of the plan.
pub(super) const PLAN_STAMP_FILE: &str = "data/plan.json.tsr";
pub(super) const LOG_FILE: &str = "data/log.jsonl";
pub(super) const BATTERY_FILE: &str = "data/battery.json";
pub(super) const GATES_FILE: &str = "data/gates.json";
pub(super) const ENVIRONMENT_FILE: &str = "data/environment.json";
pub(super) const RECORDINGS: &str = "data/recordings";
pub(super) const WEIGHTS: &str = "data/weights";
/// A test of planted marks, as `marks test` wrote it.
pub(super) const MARKS: &str = "data/marks";
/// What the salts of the commitments are made of.
pub(super) const SECRET_FILE: &str = "data/secret.txt";
/// The seal of a bundle in a redacted copy of it.
pub(super) const SEALED: &str = "data/sealed";
/// Why something is withheld in a redacted copy, and how much.
pub(super) const REDACTION_FILE: &str = "data/redaction.json";

/// Files that a payload cannot do without.
pub(super) const NEEDED: [&str; 5] = [
    PLAN_FILE,
    LOG_FILE,
    BATTERY_FILE,
    GATES_FILE,
    ENVIRONMENT_FILE,
];
/// Files that the tag manifest lists: all that are there, but for itself and what is made of it.
pub(super) const TAGGED: [&str; 5] = [
    BAGIT_FILE,
    INFO_FILE,
    MANIFEST_FILE,
    STATEMENT_FILE,
    COMMITMENTS_FILE,
];
/// Files made of the tag manifest, which it cannot list.
pub(super) const UNTAGGED: [&str; 4] = [
    TAG_MANIFEST_FILE,
    SIGNATURE_FILE,
    STAMP_REQUEST_FILE,
    STAMP_REPLY_FILE,
];

/// Files in a bundle at most.
pub(super) const MAX_FILES: usize = 100_000;
/// Directories below one another at most.
pub(super) const MAX_DEPTH: usize = 4;
/// Any file that is read whole is at most this long.
pub(super) const MAX_WHOLE: u64 = 256 << 20;
/// A line of a file that is not read whole is at most this long: an answer, and what stands around it.
pub(super) const MAX_LINE: u64 = 65 << 20;
/// Models of a panel at most.
pub(super) const MAX_MODELS: usize = 10_000;
/// Questions of the first pass at most.
pub(super) const MAX_QUESTIONS: usize = 5_000_000;
/// What the texts of questions, and copies of what was read, may take beyond what the recordings have of bytes.
pub(super) const FREE_BYTES: u64 = 256 << 20;
/// Names that a recording may go by, on the average over all bytes of recordings.
pub(super) const NAMES_EACH: u64 = 4;

/// What is settled before anything is asked. Its digest names the case and begins the log's chain.
#[expect(
    clippy::struct_excessive_bools,
    reason = "a form of a file: every one stands for a flag that a user set"
)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of the tool that committed it.
    pub tool: String,
    /// What is asked.
    pub battery: BatteryMark,
    /// How it is posed.
    pub posing: Posing,
    /// The seed of everything random.
    pub seed: Seed,
    /// Only batteries that ship with the tool are asked.
    pub published: bool,
    /// A model with a chat form is asked without it.
    pub posed_raw: bool,
    /// Models that a recording stands for: their answers are older than the plan.
    pub replayed: Vec<String>,
    /// Models that can read given texts, and so are asked to.
    pub readers: Vec<String>,
    /// The probes in a random order, in which they are bet on.
    pub order: Vec<String>,
    /// The run could stop as soon as its bets were decided: read of older plans, whose copies withhold nothing about
    /// probes for it.
    #[serde(default)]
    pub stop_when_decided: bool,
    /// The figure that decides.
    pub statistic: String,
    /// The measures that it pools.
    pub measures: Vec<Measure>,
    /// Every constant that can move the finding, by name.
    pub rules: BTreeMap<String, f64>,
    /// SHA-256 over these; nothing in plans from before there was one.
    #[serde(default)]
    pub rules_digest: String,
    /// SHA-256 of the validation that likelihood ratios are read from.
    pub validation: String,
    /// Outside what was validated, no likelihood ratio is given.
    #[serde(default)]
    pub strict: bool,
    /// Prior odds that the user stated.
    #[serde(default)]
    pub prior_odds: Option<f64>,
    /// SHA-256 of the result of a test of planted marks that is part of the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marks: Option<String>,
    /// On whose behalf the comparison is made.
    #[serde(default, skip_serializing_if = "Matter::is_empty")]
    pub matter: Matter,
    /// Who stands in which role, and what is declared of their descent.
    pub panel: Panel,
}

/// The figure that decides, in words.
const STATISTIC: &str = "gap between the suspect and a mix of innocent models at the protected model (without alternatives \
                         its interaction with it), pooled over the measures, as Crawford and Howell's t among the controls, its variance moderated by how they scatter at other candidate parents; of open text alone, residual correlation with the protected model less that with other houses, as t among the shortest half of the controls";

impl Plan {
    /// Settles a case under the rules of this version.
    pub fn new(panel: Panel, battery: &Battery, posing: Posing, seed: Seed) -> Self {
        Self {
            format: FORMAT,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            battery: BatteryMark::of(battery),
            posing,
            seed,
            published: false,
            posed_raw: false,
            replayed: Vec::new(),
            readers: Vec::new(),
            order: battery.order(seed.0),
            stop_when_decided: false,
            statistic: STATISTIC.to_owned(),
            measures: Measure::ALL.to_vec(),
            rules: Rules::HERE.named(),
            rules_digest: Rules::HERE.digest(),
            validation: validation::built_in_digest(),
            strict: false,
            prior_odds: None,
            matter: Matter::default(),
            marks: None,
            panel,
        }
    }

    /// A name for the case's directory: the suspect's, with what tells it from every other case.
    pub fn case(&self) -> String {
        let model = self.panel.suspect.model.trim_end_matches('/');
        let last = model.rsplit(['/', ':']).next().unwrap_or(model);
        let safe: String = last
            .chars()
            .map(|c| if is_plain(c) { c } else { '-' })
            .take(60)
            .collect();
        let digest = digest::of_bytes(&json(self));
        format!("{}-{}", safe.trim_start_matches(['.', '-']), &digest[..8])
    }

    /// Whether this version judges by the rules that the plan committed to.
    pub(super) fn is_judged_here(&self) -> bool {
        self.differing().is_empty()
    }

    /// In what the rules that the plan committed to are not this version's: constants by name with both values, and
    /// what else decides.
    pub(super) fn differing(&self) -> Vec<String> {
        let here = Rules::HERE.named();
        let names: BTreeSet<&String> = here.keys().chain(self.rules.keys()).collect();
        let value = |value: Option<&f64>| value.map_or("none".to_owned(), f64::to_string);
        let differs = names.into_iter().filter_map(|name| {
            let (theirs, ours) = (self.rules.get(name), here.get(name));
            let other = theirs.copied().map(f64::to_bits) != ours.copied().map(f64::to_bits);
            other.then(|| format!("{name} is {} there and {} here", value(theirs), value(ours)))
        });
        let else_ = [
            (
                self.rules_digest != Rules::HERE.digest(),
                "the digest of the rules",
            ),
            (
                self.validation != validation::built_in_digest(),
                "the validation",
            ),
            (self.measures != Measure::ALL, "the measures"),
            (self.statistic != STATISTIC, "the statistic"),
        ];
        let else_ = else_.into_iter().filter(|(differs, _)| *differs);
        differs
            .chain(else_.map(|(_, what)| what.to_owned()))
            .collect()
    }
}

/// Where and by what a case was worked on. Nothing depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The version of the tool.
    pub tool: String,
    /// Its optional parts that were built in.
    pub features: Vec<String>,
    /// The operating system.
    pub os: String,
    /// The processor's family.
    pub arch: String,
    /// Abilities of the processor that the arithmetic may use.
    pub cpu: Vec<String>,
    /// The arithmetic of each model of weights, in words, by recording.
    pub arithmetic: BTreeMap<String, String>,
}

impl Environment {
    /// What this program knows of itself and the machine.
    pub fn here(headers: &BTreeMap<String, &Header>) -> Self {
        let features = [
            ("hub", cfg!(feature = "hub")),
            ("cuda", cfg!(feature = "cuda")),
            ("metal", cfg!(feature = "metal")),
            ("pdf", cfg!(feature = "pdf")),
        ];
        let arithmetic =
            headers
                .iter()
                .filter_map(|(name, header)| match &header.identity.source {
                    Source::Weights { arithmetic, .. } => Some((name.clone(), arithmetic.clone())),
                    Source::Endpoint { .. } | Source::Scripted { .. } | Source::Imported { .. } => {
                        None
                    }
                });
        Self {
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            features: named(&features),
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            cpu: cpu(),
            arithmetic: arithmetic.collect(),
        }
    }
}

fn named(having: &[(&str, bool)]) -> Vec<String> {
    let having = having.iter().filter(|(_, has)| *has);
    having.map(|(name, _)| (*name).to_owned()).collect()
}

#[cfg(target_arch = "x86_64")]
fn cpu() -> Vec<String> {
    named(&[
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("sha", is_x86_feature_detected!("sha")),
    ])
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu() -> Vec<String> {
    Vec::new()
}

/// The weight files of a recorded model as the in-toto statement that OpenSSF model signing 1.0 signs:
/// its `resources`, with the length of each file beside its digest. Nothing for what is no model of
/// weights.
pub(super) fn weight_manifest(header: &Header) -> Option<Vec<u8>> {
    let Source::Weights { files, .. } = &header.identity.source else {
        return None;
    };
    // The subject's digest is that of the files' digests one behind the other, as bytes.
    let all: Vec<u8> = files.iter().flat_map(|f| unhex(&f.sha256)).collect();
    let resource = |f: &FileDigest| {
        serde_json::json!({
            "name": f.name, "algorithm": "sha256", "digest": f.sha256, "bytes": f.bytes,
        })
    };
    Some(json(&serde_json::json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{
            "name": header.identity.name,
            "digest": { "sha256": digest::of_bytes(&all) },
        }],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": { "method": "files", "hash_type": "sha256", "allow_symlinks": true },
            "resources": files.iter().map(resource).collect::<Vec<_>>(),
        },
    })))
}

pub(super) fn unhex(text: &str) -> Vec<u8> {
    let nibble = |b: u8| char::from(b).to_digit(16).unwrap_or(0);
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| u8::try_from(nibble(pair[0]) * 16 + nibble(pair[1])).unwrap_or(0))
        .collect()
}

/// A value as it stands in a file: indented, with a line feed at the end.
///
/// # Panics
///
/// Never for the plain data types of this crate, whose JSON cannot fail.
pub(super) fn json<T: Serialize>(value: &T) -> Vec<u8> {
    match serde_json::to_vec_pretty(value) {
        Ok(mut bytes) => {
            bytes.push(b'\n');
            bytes
        }
        Err(error) => unreachable!("plain data serialises: {error}"),
    }
}

/// Whether a name may stand for a file or directory of a bundle, on any system.
pub(super) fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 128 && !name.starts_with('.') && name.chars().all(is_plain)
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_bundle_are_not_plain() {
        for name in ["a", "a.json", "kjv-1-0a1b", "A_b"] {
            assert!(is_plain_name(name), "{name}");
        }
        for name in [
            "", ".", "..", ".hidden", "a/b", "a\\b", "a b", "ä", "a\n", "C:",
        ] {
            assert!(!is_plain_name(name), "{name:?}");
        }
        assert!(!is_plain_name(&"a".repeat(129)));
    }

    #[test]
    fn hex_is_read_back() {
        assert_eq!(unhex("00ff1a"), [0, 255, 26]);
    }
}
