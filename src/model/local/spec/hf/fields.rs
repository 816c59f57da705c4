//! One object of a configuration, with typed access.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::Value;

use super::super::config;
use crate::model::local::error::LocalError;

/// An object, and which of its keys were looked at.
pub(super) struct Fields<'a> {
    object: &'a Value,
    read: RefCell<BTreeSet<String>>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(object: &'a Value) -> Self {
        Self {
            object,
            read: RefCell::default(),
        }
    }

    /// The keys that were looked at so far.
    #[cfg(test)]
    pub(super) fn read(&self) -> BTreeSet<String> {
        self.read.borrow().clone()
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.read.borrow_mut().insert(name.to_owned());
        self.object.get(name).filter(|v| !v.is_null())
    }

    pub(super) fn count(&self, name: &str) -> Result<Option<usize>, LocalError> {
        self.get(name)
            .map(|v| {
                v.as_u64()
                    .and_then(|n| usize::try_from(n).ok())
                    .ok_or_else(|| config(format!("'{name}' is {v}, expected a count")))
            })
            .transpose()
    }

    pub(super) fn needed(&self, name: &str) -> Result<usize, LocalError> {
        self.count(name)?
            .ok_or_else(|| config(format!("'{name}' is missing from config.json")))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, LocalError> {
        self.get(name)
            .map(|v| {
                v.as_f64()
                    .ok_or_else(|| config(format!("'{name}' is {v}, expected a number")))
            })
            .transpose()
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, LocalError> {
        self.get(name)
            .map(|v| {
                v.as_bool()
                    .ok_or_else(|| config(format!("'{name}' is {v}, expected true or false")))
            })
            .transpose()
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(Value::as_str)
    }

    /// A list of numbers; `None` if it is absent.
    pub(super) fn numbers(&self, name: &str) -> Result<Option<Vec<f64>>, LocalError> {
        self.get(name)
            .map(|v| {
                let list = v.as_array();
                list.and_then(|list| list.iter().map(Value::as_f64).collect())
                    .ok_or_else(|| config(format!("'{name}' is not a list of numbers")))
            })
            .transpose()
    }
}
