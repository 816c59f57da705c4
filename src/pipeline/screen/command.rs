//! The command that makes the full case of a pair. Nothing here runs it.

use std::path::Path;

use crate::battery::Tier;
use crate::model::local::DeviceChoice;
use crate::panel::Named;
use crate::pipeline::request::{Asking, Engine};
use crate::question::{Access, REPEATS, SAMPLES, SEED};

/// The command line, word by word.
pub(super) fn command(
    named: &Named,
    controls: &Path,
    asking: &Asking,
    engine: &Engine,
    out: &Path,
) -> Vec<String> {
    let mut words = vec!["parentage".to_owned(), "compare".to_owned()];
    let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
    flag("--protected", named.protected.clone());
    flag("--suspect", named.suspect.clone());
    for alternative in &named.alternatives {
        flag("--alternative", alternative.clone());
    }
    flag("--controls", controls.display().to_string());
    for battery in &asking.batteries {
        flag("--battery", battery.clone());
    }
    if let Some(tier) = asking.tier {
        let tier = match tier {
            Tier::Quick => "quick",
            Tier::Standard => "standard",
            Tier::Full => "full",
        };
        flag("--tier", tier.to_owned());
    }
    if asking.samples != SAMPLES {
        flag("--samples", asking.samples.to_string());
    }
    if let Some(access) = asking.access {
        let access = match access {
            Access::Text => "text",
            Access::Top => "top",
            Access::Scored => "scored",
        };
        flag("--access", access.to_owned());
    }
    if asking.repeats != REPEATS {
        flag("--repeats", asking.repeats.to_string());
    }
    if asking.seed.0 != SEED {
        flag("--seed", asking.seed.0.to_string());
    }
    match engine.options.device {
        DeviceChoice::Cpu => {}
        DeviceChoice::Cuda => flag("--device", "cuda".to_owned()),
        DeviceChoice::Metal => flag("--device", "metal".to_owned()),
    }
    flag("--out", out.display().to_string());
    let switches = [
        (named.family, "--family"),
        (asking.raw, "--raw"),
        (engine.offline, "--offline"),
    ];
    let set = switches.into_iter().filter(|(set, _)| *set);
    words.extend(set.map(|(_, name)| name.to_owned()));
    words
}
