//! A battery as the TOML files that it is read from.

use std::path::Path;

use super::file::{
    BatteryError, MAX_FILE_BYTES, RawAsk, RawBattery, RawFamily, RawProbe, assemble, parse,
};
use super::{Ask, Battery, Family, Probe};

/// A file of a battery: its name in the battery's directory, and its text.
pub type BatteryFile = (String, String);

/// The files of a battery made of these families and their probes, with a sentence for their readers, and the battery
/// that is read back from them: its probes stand in turns over the families. `battery.toml` is the last file.
///
/// # Errors
///
/// When a probe is not usable, or there are too many or too long ones.
pub fn compose(
    name: &str,
    version: u32,
    about: &str,
    families: Vec<(Family, Vec<Probe>)>,
) -> Result<(Vec<BatteryFile>, Battery), BatteryError> {
    let names = families.iter().map(|(family, _)| family.name.clone());
    let head = RawBattery {
        name: name.to_owned(),
        version,
        about: about.to_owned(),
        families: names.collect(),
    };
    let (mut files, mut read) = (Vec::new(), Vec::new());
    for (family, probes) in families {
        let path = format!("{}.toml", family.name);
        let text = text(&path, &raw(family, probes))?;
        read.push(parse(Path::new(&path), &text)?);
        files.push((path, text));
    }
    files.push(("battery.toml".to_owned(), text("battery.toml", &head)?));
    let battery = assemble(head.name, head.version, read)?;
    Ok((files, battery))
}

fn text(path: &str, value: &impl serde::Serialize) -> Result<String, BatteryError> {
    let text = toml::to_string(value).map_err(|source| BatteryError::Compose {
        path: path.into(),
        source,
    })?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(BatteryError::TooLong { path: path.into() });
    }
    Ok(text)
}

fn raw(family: Family, probes: Vec<Probe>) -> RawFamily {
    RawFamily {
        family: family.name,
        title: family.title,
        why: family.why,
        source: family.source,
        probes: probes.into_iter().map(raw_probe).collect(),
    }
}

fn raw_probe(probe: Probe) -> RawProbe {
    let (ask, options, max_tokens) = match probe.ask {
        Ask::Choose { options } => (RawAsk::Choose, options, None),
        Ask::Next => (RawAsk::Next, Vec::new(), None),
        Ask::Write { max_tokens } => (RawAsk::Write, Vec::new(), Some(max_tokens)),
    };
    RawProbe {
        id: probe.id,
        ask,
        prompt: probe.prompt,
        lead: probe.lead,
        pose: Some(probe.pose),
        options,
        max_tokens,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battery::Pose;

    fn probe(id: &str, family: &str, ask: Ask, prompt: &str) -> Probe {
        Probe {
            id: id.to_owned(),
            family: family.to_owned(),
            ask,
            pose: Pose::Raw,
            prompt: prompt.to_owned(),
            lead: String::new(),
        }
    }

    fn family(name: &str) -> Family {
        Family {
            name: name.to_owned(),
            title: "t".to_owned(),
            why: "w".to_owned(),
            source: "s".to_owned(),
        }
    }

    #[test]
    fn every_text_is_read_back_as_it_was() {
        let odd = "\u{feff}a\r\nb\r\t\"\"\"'''\\ \\n \u{1}\u{7f}\u{85}\u{2028}\u{10ffff}\n\n ";
        let options = vec![odd.trim().to_owned(), "x".to_owned()];
        let probes = vec![
            probe("f-1", "f", Ask::Write { max_tokens: 7 }, odd),
            probe("f-2", "f", Ask::Choose { options }, "p"),
        ];
        let others = vec![probe("g-1", "g", Ask::Next, "q")];
        let families = vec![(family("f"), probes.clone()), (family("g"), others.clone())];
        let (files, battery) = compose("n", 3, "about", families).unwrap();
        assert_eq!((battery.name.as_str(), battery.version), ("n", 3));
        let order = [&probes[0], &others[0], &probes[1]].map(Clone::clone);
        assert_eq!(battery.probes, order);
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let path = directory.path().to_str().unwrap();
        assert_eq!(Battery::open(path).unwrap(), battery);
    }

    #[test]
    fn unusable_probes_are_refused() {
        let twice = vec![
            probe("a", "f", Ask::Next, "p"),
            probe("a", "f", Ask::Next, "q"),
        ];
        let empty = vec![probe("a", "f", Ask::Next, " ")];
        for probes in [twice, empty, Vec::new()] {
            assert!(compose("n", 1, "", vec![(family("f"), probes)]).is_err());
        }
    }
}
