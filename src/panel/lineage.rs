//! The lineage file: what is declared of models' descent, read and checked.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::kinds;

/// The form of lineage files that this version reads.
pub(super) const SCHEMA: u32 = 1;
/// A lineage file beyond this size is refused.
const MAX_BYTES: u64 = 16 << 20;

/// A lineage file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum LineageError {
    /// It could not be read.
    #[error("cannot read lineage file '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It is not TOML of the right form.
    #[error("cannot parse lineage file '{}'", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// Its form is newer or older.
    #[error("lineage file '{}' has schema {found}; this version reads schema {SCHEMA}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// The schema found.
        found: u32,
    },
    /// An entry contradicts the others.
    #[error("lineage file '{}': model '{id}' {what}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The model.
        id: String,
        /// What is wrong.
        what: String,
    },
}

#[derive(Deserialize)]
struct RawLineage {
    schema: u32,
    name: String,
    #[serde(rename = "model")]
    models: Vec<RawEntry>,
}

/// Unknown fields are left to others: the recipe of a trained family, notes.
#[derive(Deserialize)]
struct RawEntry {
    id: String,
    /// A path, relative to the file.
    path: Option<String>,
    /// Or a name as the command line takes it: an endpoint, a model of the hub.
    model: Option<String>,
    kind: String,
    base: Option<String>,
    #[serde(default)]
    parents: Vec<String>,
    #[serde(default)]
    data: Vec<String>,
    group: Option<String>,
    source: Option<String>,
    dose: Option<f64>,
    size: Option<u64>,
    released: Option<String>,
    family: Option<String>,
    #[serde(default = "yes")]
    pick: bool,
}

fn yes() -> bool {
    true
}

/// What is declared of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// Its id in the file.
    pub id: String,
    /// The model as the command line would name it.
    pub model: String,
    /// What it is, in words.
    pub kind: String,
    /// The id of the model whose weights it started from.
    pub base: Option<String>,
    /// The ids of models on whose outputs it was trained.
    pub parents: Vec<String>,
    /// The real text that it was trained on.
    pub data: Vec<String>,
    /// Models of one group are alike in data and kind.
    pub group: Option<String>,
    /// The source of a population that it belongs to.
    pub source: Option<String>,
    /// The share of what it was trained on that its parents wrote, from 0 to 1.
    pub dose: Option<f64>,
    /// Its parameters.
    pub size: Option<u64>,
    /// When it was released, as YYYY-MM.
    pub released: Option<String>,
    /// The family that it was published in.
    pub family: Option<String>,
    /// A panel may be picked with it; the others stand in the file for their descent alone.
    pub pick: bool,
}

/// A lineage file, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Lineage {
    /// Its name.
    pub name: String,
    /// Its models.
    pub models: Vec<Declared>,
    /// The ids of those that may stand in a panel; all of them when there is no choice.
    pub picked: Option<BTreeSet<String>>,
}

impl Lineage {
    /// Reads and checks a lineage file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or an entry names a model that the file does not have.
    pub fn read(path: &Path) -> Result<Self, LineageError> {
        let mut text = String::new();
        File::open(path)
            .and_then(|f| f.take(MAX_BYTES).read_to_string(&mut text))
            .map_err(|source| LineageError::Read {
                path: path.to_owned(),
                source,
            })?;
        Self::parse(&text, path)
    }

    /// The same from its text; `path` is what its paths are relative to.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, LineageError> {
        let raw: RawLineage = toml::from_str(text).map_err(|source| LineageError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        if raw.schema != SCHEMA {
            return Err(LineageError::Schema {
                path: path.to_owned(),
                found: raw.schema,
            });
        }
        check(path, &raw)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let models = raw
            .models
            .into_iter()
            .map(|entry| Declared {
                model: match (entry.model, entry.path) {
                    (Some(model), _) => model,
                    (None, path) => locate(directory, &path.unwrap_or_default()),
                },
                id: entry.id,
                kind: entry.kind,
                base: entry.base,
                parents: entry.parents,
                data: entry.data,
                group: entry.group,
                source: entry.source,
                dose: entry.dose,
                size: entry.size,
                released: entry.released,
                family: entry.family,
                pick: entry.pick,
            })
            .collect();
        Ok(Self {
            name: raw.name,
            models,
            picked: None,
        })
    }

    /// The entry of an id.
    pub fn get(&self, id: &str) -> Option<&Declared> {
        self.models.iter().find(|m| m.id == id)
    }

    /// Whether `id` started from, or learned from the outputs of, `ancestor`, directly or not.
    pub fn descends(&self, id: &str, ancestor: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let Some(model) = self.get(id) else { continue };
            for parent in model.base.iter().chain(&model.parents) {
                if parent == ancestor {
                    return true;
                }
                if seen.insert(parent.as_str()) {
                    open.push(parent);
                }
            }
        }
        false
    }

    /// The entry whose model is the one at a path or of a name, if any.
    pub fn find_model(&self, model: &str) -> Option<&Declared> {
        self.models.iter().find(|m| same_source(&m.model, model))
    }

    /// Whether `id` started from the weights of `ancestor`, directly or not.
    pub(super) fn starts_from(&self, id: &str, ancestor: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut base = self.get(id).and_then(|m| m.base.as_deref());
        while let Some(id) = base.filter(|id| seen.insert(*id)) {
            if id == ancestor {
                return true;
            }
            base = self.get(id).and_then(|m| m.base.as_deref());
        }
        false
    }
}

/// Whether two names stand for one model: equal, or paths to one place.
pub(super) fn same_model(a: &str, b: &str) -> bool {
    a == b
        || matches!(
            (Path::new(a).canonicalize(), Path::new(b).canonicalize()),
            (Ok(x), Ok(y)) if x == y
        )
}

/// Whether two names stand for one model or for two revisions of one repository of the hub: another
/// checkpoint of a model is no stranger to it.
pub(crate) fn same_source(a: &str, b: &str) -> bool {
    let repository = |name: &'_ str| {
        let name = name.strip_prefix("hf:")?;
        let end = name.find('@').unwrap_or(name.len());
        // A file in the repository may follow without a revision: hf:org/name/file.gguf.
        let parts: Vec<&str> = name[..end].splitn(3, '/').take(2).collect();
        Some(parts.join("/"))
    };
    same_model(a, b) || repository(a).is_some_and(|a| repository(b).is_some_and(|b| a == b))
}

/// Paths are relative to the file; `hf:` and the like are left as they are.
fn locate(directory: &Path, path: &str) -> String {
    if path.contains(':') || Path::new(path).is_absolute() {
        return path.to_owned();
    }
    directory.join(path).to_string_lossy().into_owned()
}

fn check(path: &Path, raw: &RawLineage) -> Result<(), LineageError> {
    let wrong = |id: &str, what: String| LineageError::Entry {
        path: path.to_owned(),
        id: id.to_owned(),
        what,
    };
    let mut ids = BTreeSet::new();
    for entry in &raw.models {
        if !ids.insert(entry.id.as_str()) {
            return Err(wrong(&entry.id, "stands twice".to_owned()));
        }
        if entry.path.is_some() == entry.model.is_some() {
            let what = "needs either a 'path' or a 'model'";
            return Err(wrong(&entry.id, what.to_owned()));
        }
        if let Some(released) = &entry.released
            && kinds::months(released).is_none()
        {
            let what = format!("has released = '{released}', which is not YYYY-MM");
            return Err(wrong(&entry.id, what));
        }
        if let Some(dose) = entry.dose
            && !(0.0..=1.0).contains(&dose)
        {
            let what = format!("has dose = {dose}, which is not a share from 0 to 1");
            return Err(wrong(&entry.id, what));
        }
    }
    for entry in &raw.models {
        for ancestor in entry.base.iter().chain(&entry.parents) {
            if !ids.contains(ancestor.as_str()) {
                return Err(wrong(
                    &entry.id,
                    format!("names '{ancestor}', which the file does not have"),
                ));
            }
            if *ancestor == entry.id {
                return Err(wrong(&entry.id, "descends from itself".to_owned()));
            }
        }
    }
    Ok(())
}
