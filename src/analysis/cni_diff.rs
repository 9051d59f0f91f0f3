//! What changes if a cluster moves from one CNI to another, policies and pods being the same.

use super::divergence::{Cause, Engines};
use super::list::{RowEnd, join_ends};
use super::world::{World, effective};
use crate::enforcement::{Change, Cni, Effective};
use crate::engine::{Difference, differences, undecided};
use crate::net::{ConnectionSet, Family};

/// Every connection on which two CNIs differ.
#[derive(Clone, Debug)]
pub struct CniDiff {
    /// The first, as printed.
    pub before: String,
    /// The second.
    pub after: String,
    /// The differences, by source and destination.
    pub rows: Vec<DiffRow>,
    /// What one of them makes of a policy or a rule and the other does not, or elsewise.
    pub rules: Vec<RuleDiff>,
    /// Those of the two of which nobody knows whether they enforce anything.
    pub unsure: Vec<String>,
    /// Connections that are not compared: of one of the two nobody can say what becomes of them.
    pub apart: ConnectionSet,
}

/// What one of two CNIs makes of a policy or a rule, and the other does not.
#[derive(Clone, Debug)]
pub struct RuleDiff {
    /// Whether it is the second that does.
    pub after: bool,
    /// What.
    pub change: Change,
}

/// Two ends between which two CNIs differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DiffRow {
    /// Who connects.
    pub source: RowEnd,
    /// To whom.
    pub destination: RowEnd,
    /// What is said of the two.
    pub change: DiffChange,
}

/// What two CNIs say of two ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DiffChange {
    /// What the first allows.
    pub before: ConnectionSet,
    /// What the second does.
    pub after: ConnectionSet,
    /// Of what nobody can say whether the first allows it.
    pub unknown_before: ConnectionSet,
    /// The same of the second.
    pub unknown_after: ConnectionSet,
    /// The family that it is about, where the families of the ends differ.
    pub family: Option<Family>,
    /// Whether it is about a pod and the node that it runs on, and not about other nodes.
    pub own_node: bool,
    /// Why: which CNI, and what it makes of which policy.
    pub causes: Vec<(String, Cause)>,
}

/// What becomes of two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// Something opens, and nothing may have been open.
    Opened,
    /// Something closes, and nothing stays open.
    Closed,
    /// Some of it opens or closes.
    Changed,
    /// It cannot be said whether anything opens or closes.
    Undetermined,
}

impl DiffChange {
    /// What becomes of the two ends, for sure.
    pub fn turn(&self) -> Turn {
        let maybe_before = self.before.union(&self.unknown_before);
        let maybe_after = self.after.union(&self.unknown_after);
        let opens = !self.after.difference(&maybe_before).is_empty();
        let closes = !self.before.difference(&maybe_after).is_empty();
        match (opens, closes) {
            (false, false) => Turn::Undetermined,
            (true, false) if maybe_before.is_empty() => Turn::Opened,
            (false, true) if maybe_after.is_empty() => Turn::Closed,
            _ => Turn::Changed,
        }
    }
}

/// Compares two CNIs; `None` is what the policies declare.
pub fn cni_diff(world: &World, before: Option<&Cni>, after: Option<&Cni>) -> CniDiff {
    let [old, new] = [before, after].map(|cni| effective(&world.declared, &world.cluster, cni));
    let engines = [Engines::under(world, before, &old), Engines::under(world, after, &new)];
    let apart = undecided(engines[0].effective()).union(undecided(engines[1].effective()));
    let found = differences(engines[0].effective(), engines[1].effective(), world.options.family);
    let names = [before, after].map(|cni| cni.map_or("as declared".to_owned(), Cni::brief));
    let rows = found.iter().map(|difference| {
        let change = change(&engines, &names, difference);
        (RowEnd::from(&difference.source), RowEnd::from(&difference.destination), change)
    });
    let rows = join_ends(world, rows.collect(), true);
    let rows = join_ends(world, rows, false);
    let mut rows: Vec<DiffRow> = rows
        .into_iter()
        .map(|(source, destination, change)| DiffRow { source, destination, change })
        .collect();
    rows.sort();
    let only = |these: &Effective, those: &Effective, after: bool| -> Vec<RuleDiff> {
        let own = these.changes.iter().filter(|change| !those.changes.contains(change));
        own.map(|change| RuleDiff { after, change: change.clone() }).collect()
    };
    let mut rules = only(&old, &new, false);
    rules.extend(only(&new, &old, true));
    rules.sort_by_key(|rule| (rule.change.span, rule.after, rule.change.effect));
    let unsure = [&old, &new].into_iter().zip(&names);
    let unsure = unsure
        .filter(|(effective, _)| effective.policies.dataplane.unknown_enforcer)
        .map(|(_, name)| name.clone())
        .collect();
    let [before, after] = names;
    CniDiff { before, after, rows, rules, unsure, apart }
}

fn change(engines: &[Engines<'_>; 2], names: &[String; 2], found: &Difference) -> DiffChange {
    let parts = found.before.differing(&found.after);
    let mut causes = Vec::new();
    let (source, destination, family) = &found.sample;
    for ((engines, name), verdict) in engines.iter().zip(names).zip([&found.before, &found.after]) {
        let own = engines.causes(source, destination, *family, &parts, verdict);
        causes.extend(own.into_iter().map(|cause| (name.clone(), cause)));
    }
    DiffChange {
        before: found.before.allowed.clone(),
        after: found.after.allowed.clone(),
        unknown_before: found.before.unknown.clone(),
        unknown_after: found.after.unknown.clone(),
        family: found.family,
        own_node: found.own_node,
        causes,
    }
}
