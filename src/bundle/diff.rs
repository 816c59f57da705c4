//! What differs between two bundles: value by value, of plan and report.

use serde::Serialize;
use serde_json::{Map, Value};

use super::CheckedBundle;
use crate::report::Report;

/// What kind of thing differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// The finding, its reasons, and what it leaves open.
    Finding,
    /// Which models are compared, and what was seen of them.
    Items,
    /// What was asked, how, and by which rules it is judged.
    Settings,
    /// Measured and weighed figures.
    Figures,
    /// What limits the finding.
    Caveats,
}

impl Difference {
    /// All kinds, in the order in which they are told.
    pub const ALL: [Self; 5] = [
        Self::Finding,
        Self::Items,
        Self::Settings,
        Self::Figures,
        Self::Caveats,
    ];

    /// A heading.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finding => "finding",
            Self::Items => "items",
            Self::Settings => "settings",
            Self::Figures => "figures",
            Self::Caveats => "caveats",
        }
    }
}

/// One value that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Its kind.
    pub kind: Difference,
    /// Where it stands: names joined by dots; members of lists by their id.
    pub at: String,
    /// In the first bundle; null where it has none.
    pub from: Value,
    /// In the second.
    pub to: Value,
}

/// All values that differ, by kind and place.
pub fn difference(a: (&CheckedBundle, &Report), b: (&CheckedBundle, &Report)) -> Vec<Change> {
    let mut changes = Vec::new();
    walk("", &facts(a), &facts(b), &mut changes);
    changes.sort_by(|x, y| (x.kind, &x.at).cmp(&(y.kind, &y.at)));
    changes
}

/// The report, and of the plan what the report does not have.
fn facts((bundle, report): (&CheckedBundle, &Report)) -> Value {
    let value = |v: serde_json::Result<Value>| v.unwrap_or_default();
    let mut facts = match value(serde_json::to_value(report)) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    if let Value::Object(mut plan) = value(serde_json::to_value(&bundle.plan)) {
        plan.remove("panel");
        for (name, value) in plan {
            // The plan's measures are names; the report's are figures.
            if name == "measures" || facts.contains_key(&name) {
                continue;
            }
            facts.insert(name, value);
        }
    }
    Value::Object(facts)
}

fn kind(at: &str) -> Difference {
    let top = at.split('.').next().unwrap_or_default();
    match top {
        "finding" | "sentence" | "reasons" | "settles" | "not_excluded" => Difference::Finding,
        _ if at.ends_with(".divergence") => Difference::Figures,
        "protected" | "suspect" | "base" | "controls" | "alternatives" | "left_out" => {
            Difference::Items
        }
        "schema" | "tool" | "battery" | "posing" | "seed" | "format" | "published"
        | "posed_raw" | "replayed" | "statistic" | "rules" => Difference::Settings,
        "caveats" => Difference::Caveats,
        _ => Difference::Figures,
    }
}

fn walk(at: &str, a: &Value, b: &Value, changes: &mut Vec<Change>) {
    if a == b {
        return;
    }
    match (children(a), children(b)) {
        (Some(x), Some(y)) => {
            let below = |name: &str| {
                if at.is_empty() {
                    name.to_owned()
                } else {
                    format!("{at}.{name}")
                }
            };
            for (name, value) in &x {
                walk(
                    &below(name),
                    value,
                    y.get(name).unwrap_or(&Value::Null),
                    changes,
                );
            }
            for (name, value) in y.iter().filter(|(name, _)| !x.contains_key(*name)) {
                walk(&below(name), &Value::Null, value, changes);
            }
        }
        _ => changes.push(Change {
            kind: kind(at),
            at: at.to_owned(),
            from: a.clone(),
            to: b.clone(),
        }),
    }
}

/// The parts of an object; those of a list by id, name or code, or else by number.
fn children(value: &Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(fields) => Some(fields.clone()),
        Value::Array(items) => {
            let name = |(i, item): (usize, &Value)| {
                let named = ["id", "name", "code", "alternative"]
                    .into_iter()
                    .find_map(|field| item.get(field)?.as_str());
                (
                    named.map_or_else(|| i.to_string(), str::to_owned),
                    item.clone(),
                )
            };
            Some(items.iter().enumerate().map(name).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn changes(a: &Value, b: &Value) -> Vec<(Difference, String)> {
        let mut changes = Vec::new();
        walk("", a, b, &mut changes);
        changes.into_iter().map(|c| (c.kind, c.at)).collect()
    }

    #[test]
    fn what_is_equal_does_not_differ() {
        let a = json!({ "finding": "shared", "controls": [{ "id": "a", "divergence": 0.5 }] });
        assert_eq!(changes(&a, &a), []);
    }

    #[test]
    fn members_are_told_apart_by_id_and_not_by_place() {
        let a =
            json!({ "controls": [{ "id": "a", "divergence": 0.5 }, { "id": "b", "kind": "k" }] });
        let b =
            json!({ "controls": [{ "id": "b", "kind": "k" }, { "id": "a", "divergence": 0.6 }] });
        assert_eq!(
            changes(&a, &b),
            [(Difference::Figures, "controls.a.divergence".to_owned())]
        );
    }

    #[test]
    fn what_only_one_has_is_told_whole() {
        let a = json!({ "finding": "shared" });
        let b = json!({ "finding": "shared", "seed": 2 });
        assert_eq!(changes(&a, &b), [(Difference::Settings, "seed".to_owned())]);
        assert_eq!(changes(&b, &a), [(Difference::Settings, "seed".to_owned())]);
    }
}
