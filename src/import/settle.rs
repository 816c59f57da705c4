//! From answers to recordings: which prompts make the battery, what models are called, how all were asked.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{ImportError, Place};
use super::gather::{Asked, Gathered, Held, LeftOut, Named};
use crate::battery::{Ask, Battery, BatteryFile, Family, Pose, Probe, compose};
use crate::digest;
use crate::identity::{AnswerFormat, ModelIdentity, Source, plain_name};
use crate::question::{Access, Posing};
use crate::response::Response;

/// The longest answer that a model is asked for where one is asked beside imported answers, in tokens: about what
/// the measures read of a text.
const MAX_TOKENS: usize = 1_024;
/// Families at most; of more datasets none is told apart.
const MAX_FAMILIES: usize = 200;
/// Questions to one model at most; what checks a bundle allows no more.
const MAX_QUESTIONS: usize = 5_000_000;
/// The family of prompts of which nobody says where they come from.
const NO_FAMILY: &str = "imported";
/// Where the battery lies, beside the recordings.
pub(super) const BATTERY: &str = "battery";

/// The answers of one model.
#[derive(Debug)]
pub(super) struct Model {
    /// The directory of its recording.
    pub(super) directory: String,
    pub(super) identity: ModelIdentity,
    /// By id of the probe, in order.
    pub(super) answers: BTreeMap<String, Vec<Response>>,
}

/// Answers that make recordings.
#[derive(Debug)]
pub struct Imported {
    pub(super) format: AnswerFormat,
    pub(super) battery: Battery,
    pub(super) files: Vec<BatteryFile>,
    pub(super) posing: Posing,
    /// In the order of their names.
    pub(super) models: Vec<Model>,
    pub(super) left_out: BTreeMap<LeftOut, u64>,
}

/// Settles all that.
pub(super) fn settle(
    mut gathered: Gathered,
    format: AnswerFormat,
) -> Result<Imported, ImportError> {
    let shared = shared(&mut gathered);
    if shared.is_empty() {
        return Err(ImportError::NothingShared);
    }
    let probes = probes(&gathered.asked, &shared);
    let (files, battery) = battery(format, &probes)?;
    let ids: BTreeMap<usize, String> = probes
        .into_iter()
        .map(|(place, probe)| (place, probe.id))
        .collect();
    let posing = posing(&gathered, &shared);
    if battery.probes.len().saturating_mul(posing.samples) > MAX_QUESTIONS {
        let file = gathered.files.first().map_or("", |f| f.name.as_str());
        return Err(ImportError::TooMuch {
            place: Place::of(file.as_ref()),
            what: "and the other files come to more prompts times samples of one model",
            limit: MAX_QUESTIONS as u64,
        });
    }
    let names = names(&gathered.models.keys().collect::<Vec<_>>());
    let directories = directories(&names);
    let mut models = Vec::new();
    let held = std::mem::take(&mut gathered.models).into_values();
    for ((name, directory), held) in names.into_iter().zip(directories).zip(held) {
        models.push(model(name, directory, held, &gathered, &ids, format));
    }
    models.sort_by(|a, b| a.directory.cmp(&b.directory));
    Ok(Imported {
        format,
        battery,
        files,
        posing,
        models,
        left_out: gathered.left_out,
    })
}

fn is_answer(response: &Response) -> bool {
    matches!(response, Response::Text { .. } | Response::Scored { .. })
}

/// The prompts that two models answered, or the only one where there is one; what is lost is counted.
fn shared(gathered: &mut Gathered) -> BTreeSet<usize> {
    let needed = gathered.models.len().min(2);
    let mut counts = vec![0; gathered.asked.len()];
    for held in gathered.models.values() {
        for (place, samples) in &held.answers {
            let answered = samples.iter().any(|(_, response)| is_answer(response));
            counts[*place] += usize::from(answered);
        }
    }
    let (mut shared, mut lost) = (BTreeSet::new(), 0);
    for (place, count) in counts.into_iter().enumerate() {
        if count >= needed.max(1) {
            shared.insert(place);
        } else {
            let models = gathered.models.values();
            let answers = models.filter_map(|held| held.answers.get(&place));
            lost += answers.map(|samples| samples.len() as u64).sum::<u64>();
        }
    }
    if lost > 0 {
        gathered.left_out.insert(LeftOut::OneModelAlone, lost);
    }
    shared
}

/// The probe of each prompt, by family and then by id.
fn probes(asked: &[(Asked, Option<String>)], shared: &BTreeSet<usize>) -> Vec<(usize, Probe)> {
    let family = |place: &usize| {
        let name = asked[*place].1.as_deref().unwrap_or_default();
        let name = plain_name(name).to_lowercase();
        match name.as_str() {
            "" => NO_FAMILY.to_owned(),
            // Its file would be that of the battery itself.
            BATTERY => format!("{BATTERY}-"),
            _ => name,
        }
    };
    let families: BTreeSet<String> = shared.iter().map(family).collect();
    let told_apart = families.len() <= MAX_FAMILIES;
    let probe = |place: &usize| {
        let (asked, _) = &asked[*place];
        let family = if told_apart {
            family(place)
        } else {
            NO_FAMILY.to_owned()
        };
        let probe = Probe {
            id: format!("{family}-{}", &digest::of_value(asked)[..16]),
            family,
            ask: if asked.options.is_empty() {
                Ask::Write {
                    max_tokens: MAX_TOKENS,
                }
            } else {
                Ask::Choose {
                    options: asked.options.clone(),
                }
            },
            pose: asked.pose,
            prompt: asked.text.clone(),
            lead: String::new(),
        };
        (*place, probe)
    };
    let mut probes: Vec<(usize, Probe)> = shared.iter().map(probe).collect();
    probes.sort_by(|(_, a), (_, b)| (&a.family, &a.id).cmp(&(&b.family, &b.id)));
    probes
}

fn battery(
    format: AnswerFormat,
    probes: &[(usize, Probe)],
) -> Result<(Vec<BatteryFile>, Battery), ImportError> {
    let families = probes.chunk_by(|(_, a), (_, b)| a.family == b.family);
    let families = families.map(|group| {
        let name = group[0].1.family.clone();
        let family = Family {
            title: format!("prompts of {name}"),
            name,
            why: "answers to them were at hand; nobody chose them to tell models apart".to_owned(),
            source: format!("answers imported from {} files", format.name()),
        };
        let probes = group.iter().map(|(_, probe)| probe.clone()).collect();
        (family, probes)
    });
    let about = "The prompts of imported answers, written by `parentage import`. \
                 The recordings beside this directory are of all of them.";
    let name = format!("{NO_FAMILY}-{}", format.name());
    Ok(compose(&name, 1, about, families.collect())?)
}

/// How all were asked, as far as it can be told.
fn posing(gathered: &Gathered, shared: &BTreeSet<usize>) -> Posing {
    let asked = || shared.iter().map(|place| &gathered.asked[*place].0);
    let access = if asked().any(|asked| !asked.options.is_empty()) {
        Access::Scored
    } else {
        Access::Text
    };
    let chat = asked().any(|asked| asked.pose == Pose::Chat);
    let samples = gathered.models.values().flat_map(|held| &held.answers);
    let samples = samples.filter(|(place, _)| shared.contains(place));
    Posing {
        chat,
        raw: !chat,
        samples: samples.map(|(_, s)| s.len()).max().unwrap_or(1).max(1),
        repeats: 0,
        ..Posing::usual(access)
    }
}

/// What models are called: as in the files, but by their directories where those have the same name.
fn names(models: &[&Named]) -> Vec<String> {
    let clashing = |name: &str| models.iter().filter(|(other, _)| other == name).count() > 1;
    let name = |(name, home): &&Named| match home {
        Some(home) if clashing(name) => home.clone(),
        _ => name.clone(),
    };
    let first: Vec<String> = models.iter().map(name).collect();
    // Two directories may have one name as well, or one that is a model's.
    let of_two = |name: &String| first.iter().filter(|other| *other == name).count() > 1;
    let told_apart = first.iter().zip(models).map(|(name, (own, _))| {
        if of_two(name) && name != own {
            format!("{own} ({name})")
        } else {
            name.clone()
        }
    });
    told_apart.collect()
}

/// A directory for each name: plain, and another one for each, on any system.
fn directories(names: &[String]) -> Vec<String> {
    let plain: Vec<String> = names.iter().map(|name| plain_name(name)).collect();
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for name in &plain {
        *count.entry(name.to_lowercase()).or_default() += 1;
    }
    let directory = |(name, plain): (&String, &String)| {
        let lower = plain.to_lowercase();
        if plain.is_empty() || lower == BATTERY || count[&lower] > 1 {
            format!("{plain}-{}", &digest::of_value(name)[..8])
        } else {
            plain.clone()
        }
    };
    names.iter().zip(&plain).map(directory).collect()
}

fn model(
    name: String,
    directory: String,
    held: Held,
    gathered: &Gathered,
    ids: &BTreeMap<usize, String>,
    format: AnswerFormat,
) -> Model {
    let mut files: Vec<_> = held
        .files
        .iter()
        .map(|i| gathered.files[*i].clone())
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let answers = held.answers.into_iter().filter_map(|(place, mut samples)| {
        samples.sort_by_key(|(number, _)| *number);
        let responses = samples.into_iter().map(|(_, response)| response);
        Some((ids.get(&place)?.clone(), responses.collect()))
    });
    Model {
        directory,
        answers: answers.collect(),
        identity: ModelIdentity {
            source: Source::Imported {
                format,
                model: name.clone(),
                files,
                settings: held.settings,
                served: held.served,
            },
            name,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_directories_of_their_own() {
        let names = [
            "org/a", "other/a", "B", "b", "battery", "...", "c d", "../../e",
        ];
        let names = names.map(str::to_owned);
        let made = directories(&names);
        let distinct: BTreeSet<String> = made.iter().map(|d| d.to_lowercase()).collect();
        assert_eq!(distinct.len(), names.len());
        assert!(made[0].starts_with("a-") && made[4].starts_with("battery-"));
        assert_eq!(made[6..], ["c-d", "e"]);
        for name in &made {
            assert!(!name.is_empty() && !name.starts_with('.') && !name.contains('/'));
        }
    }

    #[test]
    fn models_of_one_name_go_by_their_directories() {
        let of = |name: &str, home: &str| (name.to_owned(), Some(home.to_owned()));
        let models = [
            of("gpt", "one"),
            of("gpt", "two"),
            of("two", "x"),
            of("other", "y"),
        ];
        let names = names(&models.each_ref());
        assert_eq!(names, ["one", "gpt (two)", "two", "other"]);
    }
}
