//! What one direction says of a class towards every other class.
//!
//! A row is a default and the classes that differ from it. Rows of both directions are kept apart:
//! what one pod may open to another is where the two meet.

use super::classes::ClassId;
use super::verdict::Verdict;
use crate::net::Family;
use rustc_hash::FxHashMap;

/// One direction of one class, or of all classes with the same policies.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Distinct verdicts; the first is that on a class that no rule is about.
    pub(super) verdicts: Vec<Verdict>,
    pub(super) cells: Cells,
}

/// Which verdict each class has.
#[derive(Clone, Debug)]
pub(super) enum Cells {
    /// (class, verdict) where it is not the first, by class.
    Sparse(Box<[(ClassId, u32)]>),
    /// The verdict of every class.
    Dense(Box<[u16]>),
    /// Too much to be kept: it is computed when asked for.
    OnDemand,
}

impl Row {
    /// A row that says the same of every class.
    pub(super) fn constant(verdict: Verdict) -> Self {
        Self { verdicts: vec![verdict], cells: Cells::Sparse(Box::default()) }
    }

    /// The verdict on a class; `None` if it is computed when asked for.
    pub(super) fn get(&self, class: ClassId) -> Option<&Verdict> {
        let verdict = match &self.cells {
            Cells::Sparse(cells) => cells
                .binary_search_by_key(&class, |&(class, _)| class)
                .map_or(0, |at| cells[at].1 as usize),
            Cells::Dense(cells) => usize::from(cells[class as usize]),
            Cells::OnDemand => return None,
        };
        Some(&self.verdicts[verdict])
    }
}

/// A row in the making.
pub(super) struct RowBuilder {
    verdicts: Vec<Verdict>,
    ids: FxHashMap<Verdict, u32>,
    cells: Vec<(ClassId, u32)>,
}

impl RowBuilder {
    pub(super) fn new(default: Verdict) -> Self {
        let ids = std::iter::once((default.clone(), 0)).collect();
        Self { verdicts: vec![default], ids, cells: Vec::new() }
    }

    pub(super) fn id(&mut self, verdict: Verdict) -> u32 {
        let next = u32::try_from(self.verdicts.len()).unwrap_or(u32::MAX);
        *self.ids.entry(verdict).or_insert_with_key(|verdict| {
            self.verdicts.push(verdict.clone());
            next
        })
    }

    /// Classes come in ascending order.
    pub(super) fn set(&mut self, class: ClassId, verdict: u32) {
        if verdict != 0 {
            self.cells.push((class, verdict));
        }
    }

    pub(super) fn finish(self, classes: usize) -> Row {
        let few = self.cells.len() < classes / 4 || classes < 64;
        let cells = match u16::try_from(self.verdicts.len()) {
            Ok(_) if !few => {
                let mut all = vec![0; classes];
                for (class, verdict) in self.cells {
                    all[class as usize] = u16::try_from(verdict).unwrap_or(u16::MAX);
                }
                Cells::Dense(all.into())
            }
            _ => Cells::Sparse(self.cells.into()),
        };
        Row { verdicts: self.verdicts, cells }
    }
}

/// The rows of a model.
pub(super) struct Rows {
    /// Distinct rows, by family.
    pub(super) rows: [Vec<Row>; 2],
    /// By class and direction: the place of its row.
    pub(super) of: Vec<[u32; 2]>,
}

impl Rows {
    pub(super) fn row(&self, family: Family, class: ClassId, direction: usize) -> &Row {
        let family = super::kinds::family_index(family);
        &self.rows[family][self.of[class as usize][direction] as usize]
    }
}
