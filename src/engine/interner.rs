//! Values that are told apart by a number.

use rustc_hash::FxHashMap;
use std::hash::Hash;

/// Values in the order of first mention.
pub(super) struct Interner<T> {
    pub(super) values: Vec<T>,
    ids: FxHashMap<T, u32>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self { values: Vec::new(), ids: FxHashMap::default() }
    }
}

impl<T: Clone + Eq + Hash> Interner<T> {
    pub(super) fn id(&mut self, value: T) -> u32 {
        if let Some(&id) = self.ids.get(&value) {
            return id;
        }
        let id = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.values.push(value.clone());
        self.ids.insert(value, id);
        id
    }

    pub(super) fn get(&self, value: &T) -> Option<u32> {
        self.ids.get(value).copied()
    }
}
