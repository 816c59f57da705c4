//! Models that the caller hands over.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::model::Model;

/// Models that are at hand, by the names in their identities. A name that is one of these means no file and no
/// endpoint.
#[derive(Clone, Default)]
pub struct Given(BTreeMap<String, Arc<dyn Model>>);

impl Given {
    /// Adds a model; one of the same name that was there before goes.
    pub fn add(&mut self, model: Arc<dyn Model>) {
        let name = model.identity().name.clone();
        self.0.insert(name, model);
    }

    /// The model of a name; `None` if no model here has it.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Model>> {
        self.0.get(name)
    }
}

impl<M: Model + 'static> FromIterator<M> for Given {
    fn from_iter<I: IntoIterator<Item = M>>(models: I) -> Self {
        let mut given = Self::default();
        for model in models {
            given.add(Arc::new(model));
        }
        given
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
