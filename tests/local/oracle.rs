//! Copies of the tiny models of `tests/data/oracle`, to be opened or to be spoilt first.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use parentage::model::ModelError;
use parentage::model::local::{LocalModel, Options};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;
use tempfile::TempDir;

/// The file of the weights in a copy.
pub(crate) const WEIGHTS: &str = "model.safetensors";

/// A tensor as stored: number format, shape and bytes.
pub(crate) type Stored = (Dtype, Vec<usize>, Vec<u8>);

/// A copy of one tiny model, removed when dropped.
pub(crate) struct Copy(TempDir);

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/oracle")
}

impl Copy {
    /// A Hugging Face directory of the model.
    pub(crate) fn of(name: &str) -> Self {
        let copy = Self(tempfile::tempdir().unwrap());
        for file in ["config.json", WEIGHTS] {
            fs::copy(folder().join(name).join(file), copy.path(file)).unwrap();
        }
        fs::copy(folder().join("tokenizer.json"), copy.path("tokenizer.json")).unwrap();
        copy
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    pub(crate) fn open(&self) -> Result<LocalModel, ModelError> {
        self.open_as(Options::default())
    }

    pub(crate) fn open_as(&self, options: Options) -> Result<LocalModel, ModelError> {
        LocalModel::open("oracle", self.0.path(), options)
    }

    pub(crate) fn json(&self, file: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(file)).unwrap()).unwrap()
    }

    pub(crate) fn write_json(&self, file: &str, value: &Value) {
        fs::write(self.path(file), serde_json::to_vec(value).unwrap()).unwrap();
    }

    /// Changes the configuration.
    pub(crate) fn configure(self, change: impl FnOnce(&mut Value)) -> Self {
        let mut config = self.json("config.json");
        change(&mut config);
        self.write_json("config.json", &config);
        self
    }

    /// Changes the tensors.
    pub(crate) fn reweigh(self, change: impl FnOnce(&mut BTreeMap<String, Stored>)) -> Self {
        let mut tensors = self.tensors();
        change(&mut tensors);
        self.write_tensors(WEIGHTS, &tensors);
        self
    }

    pub(crate) fn tensors(&self) -> BTreeMap<String, Stored> {
        let bytes = fs::read(self.path(WEIGHTS)).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        file.tensors()
            .into_iter()
            .map(|(name, t)| (name, (t.dtype(), t.shape().to_vec(), t.data().to_vec())))
            .collect()
    }

    pub(crate) fn write_tensors(&self, file: &str, tensors: &BTreeMap<String, Stored>) {
        let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
            let view = TensorView::new(*dtype, shape.clone(), bytes).unwrap();
            (name, view)
        });
        let bytes = safetensors::serialize(views, None).unwrap();
        fs::write(self.path(file), bytes).unwrap();
    }

    /// Replaces the single file by two shards and an index.
    pub(crate) fn shard(&self) -> [&'static str; 2] {
        let names = [
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
        ];
        let mut parts = [BTreeMap::new(), BTreeMap::new()];
        let mut map = serde_json::Map::new();
        for (number, (name, tensor)) in self.tensors().into_iter().enumerate() {
            map.insert(name.clone(), names[number % 2].into());
            parts[number % 2].insert(name, tensor);
        }
        for (name, part) in names.iter().zip(&parts) {
            self.write_tensors(name, part);
        }
        fs::remove_file(self.path(WEIGHTS)).unwrap();
        let index = serde_json::json!({"metadata": {}, "weight_map": map});
        self.write_json("model.safetensors.index.json", &index);
        names
    }
}
