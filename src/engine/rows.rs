//! What one direction says of a class towards every other class.
//!
//! A row is a default and the classes that differ from it. Rows of both directions are kept apart:
//! what one pod may open to another is where the two meet.

use super::classes::{ClassId, Index};
use super::interner::Interner;
use super::verdict::Verdict;
use crate::net::Family;

/// A verdict, by its place among the distinct ones of a model.
pub(super) type VerdictId = u32;

/// One direction of one class, or of all classes with the same policies.
#[derive(Clone, Debug)]
pub(super) enum Row {
    /// The verdict on a class that no rule is about, and (class, verdict) where it is another one, by
    /// class.
    Cells(VerdictId, Box<[(ClassId, VerdictId)]>),
    /// Rules that match many classes: the verdict by which of these terms match.
    Terms(Box<Terms>),
    /// Too much to be kept: it is computed when asked for.
    OnDemand,
}

/// A union of a few terms, each of which is some peer selectors.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// The peer selectors of each term.
    pub(super) selectors: Vec<Vec<u32>>,
    /// The verdict where these terms match, a bit each.
    pub(super) verdicts: Vec<VerdictId>,
}

/// How many terms there may be: the verdicts are two to their number.
pub(super) const MOST_TERMS: usize = 6;

impl Row {
    /// The verdict on a class; `None` if it is computed when asked for.
    pub(super) fn get(
        &self,
        class: ClassId,
        index: &Index<'_>,
        family: Family,
    ) -> Option<VerdictId> {
        match self {
            Self::Cells(default, cells) => {
                let found = cells.binary_search_by_key(&class, |&(class, _)| class);
                Some(found.map_or(*default, |at| cells[at].1))
            }
            Self::Terms(terms) => {
                let matches = |selectors: &Vec<u32>| {
                    let has = |&s: &u32| index.selected[s as usize].of(family).yes.contains(class);
                    usize::from(selectors.iter().any(has))
                };
                let terms_here = terms.selectors.iter().rev().map(matches);
                let bits = terms_here.fold(0, |bits, bit| bits << 1 | bit);
                Some(terms.verdicts[bits])
            }
            Self::OnDemand => None,
        }
    }

    /// The classes that it says something else of than `is_none`, with what it says; `None` if that is
    /// so by default, or computed when asked for.
    pub(super) fn exceptions(
        &self,
        index: &Index<'_>,
        family: Family,
        is_none: impl Fn(VerdictId) -> bool,
    ) -> Option<Vec<(ClassId, VerdictId)>> {
        match self {
            Self::Cells(default, cells) if is_none(*default) => {
                Some(cells.iter().copied().filter(|(_, verdict)| !is_none(*verdict)).collect())
            }
            Self::Terms(terms) if terms.verdicts.first().is_some_and(|&id| is_none(id)) => {
                let mut matched: Vec<(ClassId, usize)> = Vec::new();
                for (term, selectors) in terms.selectors.iter().enumerate() {
                    for &selector in selectors {
                        let yes = &index.selected[selector as usize].of(family).yes;
                        matched.extend(yes.iter().map(|class| (class, 1 << term)));
                    }
                }
                if terms.selectors.iter().map(Vec::len).sum::<usize>() > 1 {
                    matched.sort_unstable();
                }
                let classes = matched.chunk_by(|a, b| a.0 == b.0);
                let verdicts = classes.map(|own| {
                    let bits = own.iter().fold(0, |bits, (_, bit)| bits | bit);
                    (own[0].0, terms.verdicts[bits])
                });
                Some(verdicts.filter(|(_, verdict)| !is_none(*verdict)).collect())
            }
            Self::Cells(..) | Self::Terms(_) | Self::OnDemand => None,
        }
    }

    /// Gives every verdict another number.
    fn renumber(&mut self, number: impl Fn(VerdictId) -> VerdictId) {
        match self {
            Self::Cells(default, cells) => {
                *default = number(*default);
                cells.iter_mut().for_each(|(_, verdict)| *verdict = number(*verdict));
            }
            Self::Terms(terms) => {
                terms.verdicts.iter_mut().for_each(|verdict| *verdict = number(*verdict));
            }
            Self::OnDemand => {}
        }
    }
}

/// A row with verdicts of its own, as it is compiled beside others.
pub(super) struct LocalRow {
    verdicts: Vec<Verdict>,
    row: Row,
}

impl LocalRow {
    /// A row that says the same of every class.
    pub(super) fn constant(verdict: Verdict) -> Self {
        Self { verdicts: vec![verdict], row: Row::Cells(0, Box::default()) }
    }

    pub(super) fn on_demand() -> Self {
        Self { verdicts: Vec::new(), row: Row::OnDemand }
    }
}

/// A row in the making.
pub(super) struct RowBuilder {
    verdicts: Interner<Verdict>,
    cells: Vec<(ClassId, VerdictId)>,
}

impl RowBuilder {
    pub(super) fn new(default: Verdict) -> Self {
        let mut verdicts = Interner::default();
        verdicts.id(default);
        Self { verdicts, cells: Vec::new() }
    }

    pub(super) fn id(&mut self, verdict: Verdict) -> VerdictId {
        self.verdicts.id(verdict)
    }

    /// Classes come in ascending order.
    pub(super) fn set(&mut self, class: ClassId, verdict: VerdictId) {
        if verdict != 0 {
            self.cells.push((class, verdict));
        }
    }

    pub(super) fn cells(self) -> LocalRow {
        LocalRow { verdicts: self.verdicts.values, row: Row::Cells(0, self.cells.into()) }
    }

    pub(super) fn terms(self, terms: Terms) -> LocalRow {
        LocalRow { verdicts: self.verdicts.values, row: Row::Terms(Box::new(terms)) }
    }
}

/// The rows of a model.
pub(super) struct Rows {
    /// Distinct verdicts.
    verdicts: Interner<Verdict>,
    /// Distinct rows, by family.
    distinct: [Vec<Row>; 2],
    /// By class and direction: the place of its row.
    of: Vec<[u32; 2]>,
}

impl Rows {
    pub(super) fn new(of: Vec<[u32; 2]>) -> Self {
        Self { verdicts: Interner::default(), distinct: Default::default(), of }
    }

    /// Adds the rows of a family, in order.
    pub(super) fn add(&mut self, family: Family, rows: Vec<LocalRow>) {
        let rows = rows.into_iter().map(|LocalRow { verdicts, mut row }| {
            let ids: Vec<VerdictId> = verdicts.into_iter().map(|v| self.verdicts.id(v)).collect();
            row.renumber(|own| ids[own as usize]);
            row
        });
        self.distinct[family.index()] = rows.collect();
    }

    /// Distinct verdicts of all rows.
    pub(super) fn verdicts(&self) -> &[Verdict] {
        &self.verdicts.values
    }

    pub(super) fn row(&self, family: Family, class: ClassId, direction: usize) -> &Row {
        &self.distinct[family.index()][self.of[class as usize][direction] as usize]
    }
}
