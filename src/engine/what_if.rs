//! What a change of one policy would do, without compiling everything anew.
//!
//! Only rows of the pods that the policy selects, or would select, can change. What they say is
//! compared where a rule of them is about the other end, and by default.

use super::classes::{ClassId, FastPorts, FastRule, Subjection};
use super::kinds::Selection;
use super::model::{Model, Question, View};
use super::verdict::Verdict;
use crate::net::Family;
use crate::policy::{Combine, Direction, Peers, Policy, PolicyId, PolicyKind, Ports, Rule, RuleId};
use rustc_hash::FxHashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A change of one NetworkPolicy.
#[derive(Clone, Debug)]
pub enum Change {
    /// It goes.
    Remove(PolicyId),
    /// It becomes this one.
    Replace(PolicyId, NewPolicy),
    /// This one comes.
    Add(NewPolicy),
}

/// A NetworkPolicy that is not there yet.
#[derive(Clone, Debug)]
pub struct NewPolicy {
    /// The policy; the ids of its rules do not count.
    pub policy: Policy,
    /// Its rules, by [`Direction::index`], in order.
    pub rules: [Vec<Rule>; 2],
}

/// What a change does, in full.
#[derive(Clone, Debug, Default)]
pub struct Delta {
    /// Rows that are not what they were, each with the pods that have it, by class.
    pub rows: Vec<RowDelta>,
}

/// What a direction of some pods says otherwise than before.
#[derive(Clone, Debug)]
pub struct RowDelta {
    /// Whose it is: classes of the model that was asked ([`Model::class_of`]), ascending.
    pub subjects: Vec<u32>,
    /// The direction.
    pub direction: Direction,
    /// The family.
    pub family: Family,
    /// What it says by default, before and after. If that changes, it does so of all classes that are not
    /// listed; if not, nothing changes of these.
    pub default: [Verdict; 2],
    /// What it says of these classes, before and after.
    pub classes: Vec<(u32, [Verdict; 2])>,
}

/// Why a change cannot be looked at by itself: the model has to be compiled with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncompiled {
    /// The model was not made by [`Model::editable`].
    NotEditable,
    /// The change is not of a NetworkPolicy.
    OtherKind,
    /// A block, a port name or the like tells pods apart that nothing told apart before.
    NewDistinction,
}

impl fmt::Display for Uncompiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotEditable => "the model was not made for changes",
            Self::OtherKind => "the change is not of a NetworkPolicy",
            Self::NewDistinction => "the change tells pods apart that nothing told apart before",
        })
    }
}

impl std::error::Error for Uncompiled {}

/// One policy as it would be, over a model.
pub(super) struct Edited {
    pub(super) id: PolicyId,
    pub(super) policy: Policy,
    /// Its rules, numbered from the end of those that are there.
    pub(super) rules: Vec<Rule>,
    pub(super) fast: Vec<FastRule>,
    /// Its peer selectors, numbered from the end of those that are there.
    pub(super) selected: Vec<Selection>,
    /// The policies about each class that it is about, or was.
    pub(super) subjections: FxHashMap<ClassId, [Subjection; 2]>,
}

impl Model<'_> {
    /// What a change of one policy would do to what each direction of each pod says. Pods are those of
    /// the cluster as it is, and their own node and they themselves stay as free as they were.
    pub fn what_if(&self, change: &Change) -> Result<Delta, Uncompiled> {
        let after = self.with(change)?;
        let edited = after.edited.as_ref().ok_or(Uncompiled::NotEditable)?;
        let mut subjects: Vec<ClassId> = edited.subjections.keys().copied().collect();
        subjects.sort_unstable();
        let mut delta = Delta::default();
        for direction in Direction::ALL {
            // Classes with the same policies before and after have the same rows, unless these see
            // more of them than that they select them.
            let mut groups: Vec<(ClassId, Vec<ClassId>)> = Vec::new();
            let mut known: FxHashMap<_, usize> = FxHashMap::default();
            for &class in &subjects {
                let key = |model: &Self| {
                    let own = model.row_sees_more(class, direction).then_some(class);
                    (model.subjection(class, direction).clone(), own)
                };
                let families = Family::ALL.map(|family| self.classes.has(class, family));
                let key = (key(self), key(&after), families);
                let at = *known.entry(key).or_insert_with(|| {
                    groups.push((class, Vec::new()));
                    groups.len() - 1
                });
                groups[at].1.push(class);
            }
            for (subject, subjects) in groups {
                for family in Family::ALL {
                    if self.classes.has(subject, family) {
                        delta
                            .rows
                            .extend(self.compare(&after, subject, &subjects, direction, family));
                    }
                }
            }
        }
        Ok(delta)
    }

    fn compare(
        &self,
        after: &Self,
        subject: ClassId,
        subjects: &[ClassId],
        direction: Direction,
        family: Family,
    ) -> Option<RowDelta> {
        let say = |model: &Self, other| {
            model.evaluate(&Question { subject, direction, other, family }, false)
        };
        let default = [say(self, View::Nobody), say(after, View::Nobody)];
        // Where the pods are isolated for sure before and after, later tiers are not asked either way:
        // only where a rule of the policy itself is about the other end can anything change.
        let edited = after.edited.as_ref()?.id;
        let isolated = |model: &Self| {
            let there = model.edited.is_some() || edited.index() < model.policies.policies.len();
            let rules =
                if there { &model.policy(edited).rules[direction.index()][..] } else { &[] };
            // A rule for everybody is about every class.
            let everybody = |&id: &RuleId| model.rule(id).is_none_or(|rule| rule.peers.is_none());
            model.isolates_for_sure(subject, direction) && !rules.iter().any(everybody)
        };
        let own = (isolated(self) && isolated(after)).then_some(edited);
        let mut named: Vec<ClassId> = Vec::new();
        for model in [self, after] {
            named.extend(model.named(subject, direction, family, own));
        }
        named.sort_unstable();
        named.dedup();
        let classes: Vec<_> = named
            .into_iter()
            .filter(|&class| self.classes.has(class, family))
            .map(|class| (class, [self, after].map(|model| say(model, View::Class(class)))))
            .filter(|(_, said)| said[0] != said[1] || default[0] != default[1] && *said != default)
            .collect();
        let changed = default[0] != default[1] || !classes.is_empty();
        changed.then(|| RowDelta {
            subjects: subjects.to_vec(),
            direction,
            family,
            default,
            classes,
        })
    }

    /// Whether a NetworkPolicy isolates a class in a direction, without doubt.
    fn isolates_for_sure(&self, class: ClassId, direction: Direction) -> bool {
        let policies = &self.subjection(class, direction).policies;
        policies.iter().any(|&(id, sure)| {
            sure && self.combine(id) == Some(Combine::Union)
                && self.policy(id).isolates[direction.index()]
        })
    }

    /// The model with one policy as it would be.
    fn with(&self, change: &Change) -> Result<Self, Uncompiled> {
        let kinds = self.kinds.as_ref().ok_or(Uncompiled::NotEditable)?;
        let (id, new) = match change {
            Change::Remove(id) => (*id, None),
            Change::Replace(id, new) => (*id, Some(new)),
            Change::Add(new) => (PolicyId::new(self.policies.policies.len()), Some(new)),
        };
        let old = self.policies.policies.get(id.index());
        let kind = |policy: &Policy| policy.kind == PolicyKind::NetworkPolicy;
        if !old.is_none_or(kind) || !new.is_none_or(|new| kind(&new.policy)) {
            return Err(Uncompiled::OtherKind);
        }
        let mut edited = match (new, old) {
            (Some(new), _) => self.number(id, new)?,
            (None, Some(old)) => Edited::nothing(id, old),
            (None, None) => return Err(Uncompiled::OtherKind),
        };
        let [yes, maybe] = match new {
            Some(new) => kinds.pods(&new.policy.subject),
            None => Default::default(),
        };
        let before: Vec<ClassId> = match old {
            Some(old) => kinds.pods(&old.subject).concat(),
            None => Vec::new(),
        };
        let sure = edited.policy.doubt.is_none();
        let selected = yes.into_iter().map(|class| (class, Some(sure)));
        let selected = selected.chain(maybe.into_iter().map(|class| (class, Some(false))));
        // One that it was about and is no more comes first, and is overwritten if it is about it still.
        let all = before.into_iter().map(|class| (class, None)).chain(selected);
        for (class, about) in all {
            let own = Direction::ALL.map(|direction| {
                let mut own = self.subjection(class, direction).clone();
                own.policies.retain(|(other, _)| *other != id);
                if let Some(sure) = about
                    && (edited.policy.has_part(direction)
                        || self.policies.dataplane.hidden_baseline)
                {
                    // Among those of its own tier, whose order is nobody's business.
                    let tier = self.tier_at(id);
                    let at = own.policies.partition_point(|(p, _)| self.tier_at(*p) <= tier);
                    own.policies.insert(at, (id, sure));
                }
                own
            });
            edited.subjections.insert(class, own);
        }
        Ok(Self {
            cluster: self.cluster,
            policies: self.policies,
            index: Arc::clone(&self.index),
            classes: Arc::clone(&self.classes),
            kinds: None,
            edited: Some(edited),
            rows: OnceLock::new(),
            tier_of: Arc::clone(&self.tier_of),
            cuts: OnceLock::new(),
            row_budget: self.row_budget,
        })
    }

    /// Numbers the rules and selectors of a policy that is not there yet.
    fn number(&self, id: PolicyId, new: &NewPolicy) -> Result<Edited, Uncompiled> {
        let kinds = self.kinds.as_ref().ok_or(Uncompiled::NotEditable)?;
        let mut edited = Edited::nothing(id, &new.policy);
        edited.policy.isolates = new.policy.isolates;
        edited.policy.counts = new.policy.counts;
        for direction in Direction::ALL {
            for rule in &new.rules[direction.index()] {
                let next = self.policies.rules.len() + edited.rules.len();
                edited.policy.rules[direction.index()].push(RuleId::new(next));
                let peers = match &rule.peers {
                    Peers::Any => None,
                    Peers::Of(list) => {
                        let mut ids = Vec::with_capacity(list.len());
                        for peer in list {
                            if !kinds.is_whole(&peer.matches) {
                                return Err(Uncompiled::NewDistinction);
                            }
                            let at = self.index.selected.len() + edited.selected.len();
                            ids.push(u32::try_from(at).unwrap_or(u32::MAX));
                            edited.selected.push(kinds.select(&peer.matches));
                        }
                        Some(ids)
                    }
                };
                if rule.own.is_some() {
                    return Err(Uncompiled::NewDistinction);
                }
                edited.fast.push(FastRule { peers, own: None, ports: self.ports_of(rule)? });
                edited.rules.push(rule.clone());
            }
        }
        Ok(edited)
    }

    fn ports_of(&self, rule: &Rule) -> Result<Option<FastPorts>, Uncompiled> {
        let Ports::Of(list) = &rule.ports else { return Ok(None) };
        let id = |name| {
            let at = self.index.names.iter().position(|known| *known == name);
            at.and_then(|at| u32::try_from(at).ok()).ok_or(Uncompiled::NewDistinction)
        };
        FastPorts::new(list, id).map(Some)
    }
}

impl Edited {
    /// A policy without rules, which isolates nobody.
    fn nothing(id: PolicyId, like: &Policy) -> Self {
        let mut policy = like.clone();
        policy.rules = Default::default();
        policy.isolates = [false, false];
        policy.counts = [false, false];
        Self {
            id,
            policy,
            rules: Vec::new(),
            fast: Vec::new(),
            selected: Vec::new(),
            subjections: FxHashMap::default(),
        }
    }
}

impl RowDelta {
    /// What it says of a class, before and after; `None` if that is the same.
    pub fn of(&self, class: u32) -> Option<&[Verdict; 2]> {
        let found = self.classes.binary_search_by_key(&class, |(class, _)| *class);
        let said = found.map_or(&self.default, |at| &self.classes[at].1);
        (said[0] != said[1]).then_some(said)
    }
}

impl Delta {
    /// What a direction of a class says of another, before and after; `None` if the change is nothing
    /// to it.
    pub fn of(
        &self,
        subject: u32,
        direction: Direction,
        other: u32,
        family: Family,
    ) -> Option<&[Verdict; 2]> {
        let rows =
            self.rows.iter().filter(|row| row.family == family && row.direction == direction);
        let mut own = rows.filter(|row| row.subjects.binary_search(&subject).is_ok());
        own.next().and_then(|row| row.of(other))
    }
}
