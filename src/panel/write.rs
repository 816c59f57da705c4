//! Writing a lineage file: what is declared of some models, in the form that is read.

use std::path::Path;

use serde::Serialize;

use super::lineage::{Declared, Lineage, LineageError, SCHEMA};

/// The file as it is written.
#[derive(Serialize)]
struct File<'a> {
    schema: u32,
    name: &'a str,
    model: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    model: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    parents: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    data: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dose: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    released: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<&'a str>,
    #[serde(skip_serializing_if = "is_pick")]
    pick: bool,
}

impl<'a> Entry<'a> {
    fn of(of: &'a Declared) -> Self {
        Self {
            id: &of.id,
            model: &of.model,
            kind: &of.kind,
            base: of.base.as_deref(),
            parents: &of.parents,
            data: &of.data,
            group: of.group.as_deref(),
            source: of.source.as_deref(),
            dose: of.dose,
            size: of.size,
            released: of.released.as_deref(),
            family: of.family.as_deref(),
            pick: of.pick,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]
fn is_pick(pick: &bool) -> bool {
    *pick
}

impl Lineage {
    /// The text of a lineage file that says the same. Models are named as the command line names them, so paths are
    /// relative to wherever the command is run, and not to the file.
    ///
    /// # Errors
    ///
    /// When a value has no form in TOML, as a size beyond its numbers.
    pub fn text(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(&File {
            schema: SCHEMA,
            name: &self.name,
            model: self.models.iter().map(Entry::of).collect(),
        })
    }

    /// What is read of such a text.
    ///
    /// # Errors
    ///
    /// As [`Lineage::read`].
    pub fn of_text(text: &str, path: &Path) -> Result<Self, LineageError> {
        Self::parse(text, path)
    }

    /// What is declared of a model of which nothing is known but its name.
    pub fn undeclared(id: &str, model: &str) -> Declared {
        Declared {
            id: id.to_owned(),
            model: model.to_owned(),
            kind: String::new(),
            base: None,
            parents: Vec::new(),
            data: Vec::new(),
            group: None,
            source: None,
            dose: None,
            size: None,
            released: None,
            family: None,
            pick: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        let full = Declared {
            kind: "a \"kind\"\n\u{202e}".to_owned(),
            base: Some("b".to_owned()),
            parents: vec!["b".to_owned()],
            data: vec!["d".to_owned()],
            group: Some("g".to_owned()),
            source: Some("s".to_owned()),
            dose: Some(0.25),
            size: Some(7),
            released: Some("2024-01".to_owned()),
            family: Some("f".to_owned()),
            pick: false,
            ..Lineage::undeclared("a", "some/where")
        };
        let lineage = Lineage {
            name: "n".to_owned(),
            models: vec![full, Lineage::undeclared("b", "hf:x/y@z")],
            picked: None,
        };
        let text = lineage.text().unwrap();
        let read = Lineage::of_text(&text, Path::new("out/controls.toml")).unwrap();
        assert_eq!(read, lineage);
    }
}
