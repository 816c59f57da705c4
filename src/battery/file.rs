//! Batteries as TOML: `battery.toml` and one file a family (see `probes/README.md`).

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Ask, BUILT_IN, Battery, Family, Pose, Probe};

/// A family file beyond this size is refused.
pub(super) const MAX_FILE_BYTES: u64 = 64 << 20;
/// A battery of more probes is refused.
const MAX_PROBES: usize = 100_000;
/// A written answer longer than this is refused, in tokens.
const MAX_WRITTEN: usize = 4_096;

/// A battery could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BatteryError {
    /// Neither a built-in battery nor a path.
    #[error(
        "there is no battery '{name}' (built in: core-v1; else give a directory or a family file)"
    )]
    Unknown {
        /// The name as given.
        name: String,
    },
    /// A file could not be read.
    #[error("cannot read battery file '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file is not valid TOML of the right form.
    #[error("cannot parse battery file '{}'", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A file cannot be written as TOML.
    #[error("cannot write battery file '{}' as TOML", path.display())]
    Compose {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: toml::ser::Error,
    },
    /// A probe is not usable.
    #[error("probe '{id}' {what}")]
    Probe {
        /// Its id.
        id: String,
        /// What is wrong with it.
        what: String,
    },
    /// Nothing to ask.
    #[error("the battery '{name}' has no probes")]
    Empty {
        /// Its name.
        name: String,
    },
    /// An absurdly long file.
    #[error("battery file '{}' is longer than 64 MiB", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Absurdly many probes.
    #[error("the battery '{name}' has more than 100,000 probes")]
    TooLarge {
        /// Its name.
        name: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBattery {
    pub(super) name: String,
    pub(super) version: u32,
    /// A sentence for readers of the file.
    pub(super) about: String,
    pub(super) families: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFamily {
    pub(super) family: String,
    pub(super) title: String,
    pub(super) why: String,
    pub(super) source: String,
    #[serde(default, rename = "probe")]
    pub(super) probes: Vec<RawProbe>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProbe {
    pub(super) id: String,
    pub(super) ask: RawAsk,
    pub(super) prompt: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) lead: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pose: Option<Pose>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) options: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_tokens: Option<usize>,
}

#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawAsk {
    Choose,
    Next,
    Write,
}

impl Battery {
    /// A battery that ships with the tool.
    ///
    /// # Errors
    ///
    /// When there is none of that name.
    pub fn built_in(name: &str) -> Result<Self, BatteryError> {
        if !BUILT_IN.contains(&name) {
            return Err(BatteryError::Unknown {
                name: name.to_owned(),
            });
        }
        let families = CORE_V1
            .iter()
            .map(|(file, text)| parse(Path::new(file), text))
            .collect::<Result<_, _>>()?;
        let head: RawBattery = parse(Path::new("battery.toml"), CORE_V1_HEAD)?;
        assemble(head.name, head.version, families)
    }

    /// A built-in battery by name, else a battery directory or a single family file.
    ///
    /// # Errors
    ///
    /// When it cannot be read or holds an unusable probe.
    pub fn open(name: &str) -> Result<Self, BatteryError> {
        if BUILT_IN.contains(&name) {
            return Self::built_in(name);
        }
        let path = Path::new(name);
        if path.is_dir() {
            let head: RawBattery = read(&path.join("battery.toml"))?;
            let families = head
                .families
                .iter()
                .map(|family| read(&path.join(format!("{family}.toml"))))
                .collect::<Result<_, _>>()?;
            assemble(head.name, head.version, families)
        } else if path.is_file() {
            let family: RawFamily = read(path)?;
            assemble(family.family.clone(), 1, vec![family])
        } else {
            Err(BatteryError::Unknown {
                name: name.to_owned(),
            })
        }
    }

    /// The battery with another's probes behind its own: private probes beside a published battery.
    ///
    /// # Errors
    ///
    /// When both have a probe of the same id.
    pub fn join(mut self, other: Self) -> Result<Self, BatteryError> {
        self.name = format!("{}+{}", self.name, other.name);
        self.families.extend(other.families);
        self.probes.extend(other.probes);
        check_ids(&self.probes)?;
        Ok(self)
    }
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, BatteryError> {
    let mut text = String::new();
    let read = fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text))
        .map_err(|source| BatteryError::Read {
            path: path.to_owned(),
            source,
        })?;
    if read as u64 > MAX_FILE_BYTES {
        return Err(BatteryError::TooLong {
            path: path.to_owned(),
        });
    }
    parse(path, &text)
}

pub(super) fn parse<T: for<'de> Deserialize<'de>>(
    path: &Path,
    text: &str,
) -> Result<T, BatteryError> {
    toml::from_str(text).map_err(|source| BatteryError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

/// Checks the probes and puts them in turns over the families.
pub(super) fn assemble(
    name: String,
    version: u32,
    raw: Vec<RawFamily>,
) -> Result<Battery, BatteryError> {
    let mut families = Vec::new();
    let mut queues = Vec::new();
    for family in raw {
        let probes = family
            .probes
            .into_iter()
            .map(|probe| check(probe, &family.family))
            .collect::<Result<Vec<_>, _>>()?;
        queues.push(probes.into_iter());
        families.push(Family {
            name: family.family,
            title: family.title,
            why: family.why,
            source: family.source,
        });
    }
    let mut probes = Vec::new();
    loop {
        let round: Vec<Probe> = queues.iter_mut().filter_map(Iterator::next).collect();
        if round.is_empty() {
            break;
        }
        probes.extend(round);
        if probes.len() > MAX_PROBES {
            return Err(BatteryError::TooLarge { name });
        }
    }
    if probes.is_empty() {
        return Err(BatteryError::Empty { name });
    }
    check_ids(&probes)?;
    Ok(Battery {
        name,
        version,
        families,
        probes,
    })
}

fn check_ids(probes: &[Probe]) -> Result<(), BatteryError> {
    let mut seen = BTreeSet::new();
    match probes.iter().find(|p| !seen.insert(p.id.as_str())) {
        None => Ok(()),
        Some(probe) => Err(BatteryError::Probe {
            id: probe.id.clone(),
            what: "stands twice; ids must be unique".to_owned(),
        }),
    }
}

fn check(raw: RawProbe, family: &str) -> Result<Probe, BatteryError> {
    let wrong = |what: &str| BatteryError::Probe {
        id: raw.id.clone(),
        what: what.to_owned(),
    };
    if raw.prompt.trim().is_empty() {
        return Err(wrong("has an empty prompt"));
    }
    if (raw.ask == RawAsk::Choose) == raw.options.is_empty() {
        return Err(wrong(
            "needs options if it asks 'choose' and must have none otherwise",
        ));
    }
    if (raw.ask == RawAsk::Write) != raw.max_tokens.is_some() {
        return Err(wrong(
            "needs 'max_tokens' if it asks 'write' and must have none otherwise",
        ));
    }
    let distinct: BTreeSet<_> = raw.options.iter().collect();
    if raw.ask == RawAsk::Choose
        && (raw.options.len() < 2
            || distinct.len() < raw.options.len()
            || raw.options.iter().any(|o| o.trim() != o || o.is_empty()))
    {
        return Err(wrong(
            "needs at least two different options without space around them",
        ));
    }
    if raw.prompt.contains("{options}") && raw.ask != RawAsk::Choose {
        return Err(wrong("names {options} but does not ask 'choose'"));
    }
    let max_tokens = raw.max_tokens.unwrap_or(1);
    if max_tokens == 0 || max_tokens > MAX_WRITTEN {
        return Err(wrong("has 'max_tokens' outside 1 to 4096"));
    }
    let (ask, pose) = match raw.ask {
        RawAsk::Choose => (
            Ask::Choose {
                options: raw.options,
            },
            Pose::Chat,
        ),
        RawAsk::Next => (Ask::Next, Pose::Raw),
        RawAsk::Write => (Ask::Write { max_tokens }, Pose::Chat),
    };
    Ok(Probe {
        id: raw.id,
        family: family.to_owned(),
        ask,
        pose: raw.pose.unwrap_or(pose),
        prompt: raw.prompt,
        lead: raw.lead,
    })
}

const CORE_V1_HEAD: &str = include_str!("../../probes/core-v1/battery.toml");

/// The families of core-v1 in the order of its battery.toml.
const CORE_V1: [(&str, &str); 15] = [
    (
        "preferences",
        include_str!("../../probes/core-v1/preferences.toml"),
    ),
    (
        "invented-words",
        include_str!("../../probes/core-v1/invented-words.toml"),
    ),
    (
        "near-ties",
        include_str!("../../probes/core-v1/near-ties.toml"),
    ),
    ("numbers", include_str!("../../probes/core-v1/numbers.toml")),
    (
        "edge-knowledge",
        include_str!("../../probes/core-v1/edge-knowledge.toml"),
    ),
    (
        "plausible-wrong",
        include_str!("../../probes/core-v1/plausible-wrong.toml"),
    ),
    ("fiction", include_str!("../../probes/core-v1/fiction.toml")),
    (
        "summaries",
        include_str!("../../probes/core-v1/summaries.toml"),
    ),
    (
        "explanations",
        include_str!("../../probes/core-v1/explanations.toml"),
    ),
    (
        "reasoning",
        include_str!("../../probes/core-v1/reasoning.toml"),
    ),
    ("code", include_str!("../../probes/core-v1/code.toml")),
    (
        "languages",
        include_str!("../../probes/core-v1/languages.toml"),
    ),
    (
        "borderline",
        include_str!("../../probes/core-v1/borderline.toml"),
    ),
    ("layout", include_str!("../../probes/core-v1/layout.toml")),
    (
        "continuations",
        include_str!("../../probes/core-v1/continuations.toml"),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn family(probes: &str) -> Result<Battery, BatteryError> {
        let text = format!("family='f'\ntitle='t'\nwhy='w'\nsource='s'\n{probes}");
        let raw: RawFamily = parse(Path::new("f.toml"), &text)?;
        assemble("f".to_owned(), 1, vec![raw])
    }

    #[test]
    fn built_in_battery_equals_the_directory_it_was_built_from() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/probes/core-v1");
        assert_eq!(
            Battery::built_in("core-v1").unwrap(),
            Battery::open(directory).unwrap()
        );
    }

    #[test]
    fn an_empty_battery_is_refused() {
        assert!(matches!(family(""), Err(BatteryError::Empty { .. })));
    }

    #[test]
    fn unusable_probes_are_refused_by_id() {
        for probe in [
            "[[probe]]\nid='x'\nask='choose'\nprompt='p'",
            "[[probe]]\nid='x'\nask='choose'\nprompt='p'\noptions=['a']",
            "[[probe]]\nid='x'\nask='choose'\nprompt='p'\noptions=['a','a']",
            "[[probe]]\nid='x'\nask='choose'\nprompt='p'\noptions=['a',' b']",
            "[[probe]]\nid='x'\nask='next'\nprompt='  '",
            "[[probe]]\nid='x'\nask='next'\nprompt='{options}'",
            "[[probe]]\nid='x'\nask='write'\nprompt='p'",
            "[[probe]]\nid='x'\nask='write'\nprompt='p'\nmax_tokens=0",
            "[[probe]]\nid='x'\nask='next'\nprompt='p'\n[[probe]]\nid='x'\nask='next'\nprompt='q'",
        ] {
            match family(probe) {
                Err(BatteryError::Probe { id, .. }) => assert_eq!(id, "x"),
                other => panic!("{probe}: {other:?}"),
            }
        }
    }

    #[test]
    fn unknown_fields_are_refused() {
        let result = family("[[probe]]\nid='x'\nask='next'\nprompt='p'\nanswer='q'");
        assert!(matches!(result, Err(BatteryError::Parse { .. })));
    }

    #[test]
    fn joining_refuses_a_probe_of_the_same_id() {
        let one = family("[[probe]]\nid='x'\nask='next'\nprompt='p'").unwrap();
        assert!(one.clone().join(one).is_err());
    }
}
