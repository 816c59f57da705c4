//! What a control is to the case: which innocent explanation it stands for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lineage::same_source;
use super::{Declared, Lineage, Named};

/// Two models are of one size when neither has more than so many times the other's parameters.
const SAME_SIZE: f64 = 2.0;
/// And of one era when so many months lie between them at most.
const SAME_ERA: u32 = 12;

/// A kind of control, by the innocent explanation that it shows at work.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ControlKind {
    /// It started from the suspect's base, or is that base.
    SameBase,
    /// It learned from all real text that the protected model learned from.
    SameData,
    /// It is in the protected model's group: alike in data and kind.
    Sibling,
    /// It descends from one of the protected model's group.
    SiblingStudent,
    /// It has the suspect's size, within a factor of two, and its era, within a year.
    SameEraAndSize,
}

impl ControlKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::SameBase,
        Self::SameData,
        Self::Sibling,
        Self::SiblingStudent,
        Self::SameEraAndSize,
    ];

    /// The kind in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::SameBase => "same base",
            Self::SameData => "same data",
            Self::Sibling => "sibling of the protected model",
            Self::SiblingStudent => "student of a sibling",
            Self::SameEraAndSize => "same era and size",
        }
    }
}

/// Months since year 0 of a date written YYYY-MM.
pub(super) fn months(released: &str) -> Option<u32> {
    let (year, month) = released.split_once('-')?;
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(year, 4) || !digits(month, 2) {
        return None;
    }
    let (year, month): (u32, u32) = (year.parse().ok()?, month.parse().ok()?);
    (1..=12).contains(&month).then(|| year * 12 + month - 1)
}

/// Months between the releases of two models; `None` unless both are known.
pub(super) fn months_between(a: Option<&str>, b: Option<&str>) -> Option<u32> {
    Some(months(a?)?.abs_diff(months(b?)?))
}

/// What is declared of the two sides, in whichever file.
pub(super) struct About<'a> {
    named: &'a Named,
    lineages: &'a [Lineage],
    /// The suspect's base, as the command line would name it.
    base: Option<&'a str>,
    size: Option<u64>,
    released: Option<&'a str>,
}

impl<'a> About<'a> {
    pub(super) fn new(named: &'a Named, lineages: &'a [Lineage]) -> Self {
        let entries = lineages
            .iter()
            .filter_map(|l| Some((l, l.find_model(&named.suspect)?)));
        let entries: Vec<(&Lineage, &Declared)> = entries.collect();
        let declared_base = entries.iter().find_map(|(lineage, entry)| {
            let base = lineage.get(entry.base.as_deref()?)?;
            Some(base.model.as_str())
        });
        Self {
            named,
            lineages,
            base: named.base.as_deref().or(declared_base),
            size: entries.iter().find_map(|(_, e)| e.size),
            released: entries.iter().find_map(|(_, e)| e.released.as_deref()),
        }
    }

    /// The kinds that enough is declared to tell.
    pub(super) fn decidable(&self) -> Vec<ControlKind> {
        let protected = |what: fn(&Declared) -> bool| {
            let mut entries = self
                .lineages
                .iter()
                .filter_map(|l| l.find_model(&self.named.protected));
            entries.any(what)
        };
        let grouped = protected(|p| p.group.is_some());
        let mut kinds = ControlKind::ALL.to_vec();
        kinds.retain(|kind| match kind {
            ControlKind::SameBase => self.base.is_some(),
            ControlKind::SameData => protected(|p| !p.data.is_empty()),
            ControlKind::Sibling | ControlKind::SiblingStudent => grouped,
            ControlKind::SameEraAndSize => self.size.is_some() && self.released.is_some(),
        });
        kinds
    }

    /// What an entry of a lineage file is to the case.
    pub(super) fn kinds(&self, lineage: &Lineage, entry: &Declared) -> Vec<ControlKind> {
        let protected = lineage.find_model(&self.named.protected);
        let in_group = |m: &Declared| {
            let group = protected.and_then(|p| p.group.as_ref());
            group.is_some() && m.group.as_ref() == group
        };
        let mut kinds = ControlKind::ALL.to_vec();
        kinds.retain(|kind| match kind {
            ControlKind::SameBase => self.base.is_some_and(|base| {
                same_source(&entry.model, base)
                    || lineage
                        .find_model(base)
                        .is_some_and(|b| lineage.starts_from(&entry.id, &b.id))
            }),
            ControlKind::SameData => protected.is_some_and(|p| {
                !p.data.is_empty() && p.data.iter().all(|d| entry.data.contains(d))
            }),
            ControlKind::Sibling => in_group(entry),
            ControlKind::SiblingStudent => lineage
                .models
                .iter()
                .any(|m| in_group(m) && lineage.descends(&entry.id, &m.id)),
            ControlKind::SameEraAndSize => self.is_of_size_and_era(entry),
        });
        kinds
    }

    /// The same for a control that the user named.
    pub(super) fn kinds_of_named(&self, model: &str) -> Vec<ControlKind> {
        let found = self
            .lineages
            .iter()
            .find_map(|l| Some((l, l.find_model(model)?)));
        found.map_or_else(Vec::new, |(lineage, entry)| self.kinds(lineage, entry))
    }

    fn is_of_size_and_era(&self, entry: &Declared) -> bool {
        let (Some(a), Some(b)) = (self.size, entry.size) else {
            return false;
        };
        let (small, large) = (a.min(b) as f64, a.max(b) as f64);
        let between = months_between(self.released, entry.released.as_deref());
        large <= SAME_SIZE * small && between.is_some_and(|months| months <= SAME_ERA)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::Panel;

    const FILE: &str = r#"
schema = 1
name = "kinds"
[[model]]
id = "p"
path = "p"
kind = "protected"
data = ["d"]
group = "g"
[[model]]
id = "twin"
path = "twin"
kind = "sibling"
data = ["d", "e"]
group = "g"
[[model]]
id = "b"
path = "b"
kind = "base"
size = 100
released = "2024-12"
[[model]]
id = "s"
path = "s"
kind = "suspect"
base = "b"
size = 100
released = "2024-06"
[[model]]
id = "from-b"
path = "from-b"
kind = "same base"
base = "b"
size = 201
released = "2024-06"
[[model]]
id = "twins-child"
path = "twins-child"
kind = "student"
parents = ["twin"]
size = 200
released = "2025-07"
"#;

    fn panel(suspect: &str, protected: &str, base: Option<&str>) -> Panel {
        let lineage = Lineage::parse(FILE, std::path::Path::new("kinds.toml")).unwrap();
        let named = Named {
            protected: protected.to_owned(),
            suspect: suspect.to_owned(),
            base: base.map(str::to_owned),
            ..Named::default()
        };
        Panel::new(&named, &[lineage])
    }

    fn kinds<'a>(panel: &'a Panel, id: &str) -> &'a [ControlKind] {
        &panel.controls.iter().find(|c| c.id == id).unwrap().kinds
    }

    #[test]
    fn kinds_come_from_what_is_declared() {
        use ControlKind::{SameBase, SameData, SameEraAndSize, Sibling, SiblingStudent};
        let panel = panel("s", "p", None);
        assert_eq!(panel.decidable, ControlKind::ALL);
        assert_eq!(kinds(&panel, "twin"), [SameData, Sibling]);
        // The base itself is of the suspect's base; half a year and the same size.
        assert_eq!(kinds(&panel, "b"), [SameBase, SameEraAndSize]);
        // A little more than twice the size.
        assert_eq!(kinds(&panel, "from-b"), [SameBase]);
        // Thirteen months later.
        assert_eq!(kinds(&panel, "twins-child"), [SiblingStudent]);
        assert!(panel.alternatives.iter().all(|a| a.kinds.is_empty()));
    }

    #[test]
    fn what_is_not_declared_cannot_be_told() {
        let strangers = panel("elsewhere", "nowhere", None);
        assert!(strangers.decidable.is_empty());
        assert!(strangers.controls.iter().all(|c| c.kinds.is_empty()));
        let based = panel("elsewhere", "nowhere", Some("b"));
        assert_eq!(based.decidable, [ControlKind::SameBase]);
        assert_eq!(kinds(&based, "from-b"), [ControlKind::SameBase]);
    }

    #[test]
    fn dates_are_years_and_months() {
        assert_eq!(months("2024-01"), Some(24_288));
        assert_eq!(months_between(Some("2023-11"), Some("2024-02")), Some(3));
        for wrong in [
            "2024",
            "2024-13",
            "2024-00",
            "24-01",
            "2024-1",
            "+024-01",
            "2024-01-05",
            "",
        ] {
            assert_eq!(months(wrong), None, "{wrong}");
        }
        let text = FILE.replace("2025-07", "July 2025");
        let error = Lineage::parse(&text, std::path::Path::new("x.toml")).unwrap_err();
        assert!(error.to_string().contains("July 2025"), "{error}");
    }
}
