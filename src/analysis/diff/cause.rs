//! Which policy or rule makes a difference, on the side where it stands.

use super::super::reason::{Reason, reasons};
use super::super::words::Words;
use super::compare::{End, Found};
use super::{Cause, Compared};
use crate::cluster::{AddressOwner, PodId};
use crate::engine::reference::Flow;
use crate::engine::{Decision, Peer, Verdict, common_families, trace};
use crate::net::{DomainName, Family, IpSet, Protocol};
use crate::policy::{Direction, PolicyId, PolicySet};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// Tells what makes each difference. Rows that nothing tells apart have one cause: it is traced once.
pub(super) struct Teller<'c> {
    /// The policies of each side that select an end of a row.
    policies: [Cow<'c, PolicySet>; 2],
    known: &'c Known,
}

/// Causes that were told already.
pub(super) type Known = Mutex<HashMap<Key, Vec<Cause>>>;

/// What a cause depends on: the ends of each side, by their classes where they have any, and the connection.
pub(super) type Key = ([Option<[KeyEnd; 2]>; 2], Option<Family>, Protocol, u16);

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum KeyEnd {
    Class(u32),
    Itself(Peer),
}

/// With fewer policies than these all are asked.
const FEW_POLICIES: usize = 200;

impl<'c> Teller<'c> {
    pub(super) fn new(
        compared: &Compared<'c, '_>,
        found: &[(Found, [usize; 2])],
        known: &'c Known,
    ) -> Self {
        let policies = [0, 1].map(|side| {
            let half = &compared.halves[side];
            if half.policies.policies.len() <= FEW_POLICIES {
                return Cow::Borrowed(half.policies);
            }
            let ends = found.iter().flat_map(|(own, [from, to])| {
                let source = peer(compared, side, &own.source, *from);
                [source, peer(compared, side, &own.destination, *to)]
            });
            let pods: BTreeSet<PodId> = ends
                .filter_map(|peer| match peer {
                    Some(Peer::Pod(id)) => Some(id),
                    _ => None,
                })
                .collect();
            let selecting = |&pod: &PodId| {
                Direction::ALL.into_iter().flat_map(move |own| half.model().selecting(pod, own))
            };
            let selecting: HashSet<PolicyId> = pods.iter().flat_map(selecting).collect();
            Cow::Owned(half.policies.among(&selecting))
        });
        Self { policies, known }
    }

    /// What makes a difference, for one connection of it between these stand-ins: what opens for sure, before what
    /// may.
    pub(super) fn causes(
        &self,
        compared: &Compared<'_, '_>,
        found: &Found,
        slots: [usize; 2],
    ) -> Vec<Cause> {
        let opens = found.after.allowed.difference(&found.before.allowed);
        let parts = found.before.differing(&found.after);
        let telling = if opens.is_empty() { &parts } else { &opens };
        let Some((protocol, port, _)) = telling.ranges().next() else { return Vec::new() };
        let ends = [0, 1].map(|side| {
            let half = &compared.halves[side];
            let source = peer(compared, side, &found.source, slots[0])?;
            let destination = peer(compared, side, &found.destination, slots[1])?;
            // Where one is a node, or on its network, it counts on which node the other runs.
            let on_node = |peer: &Peer| match peer {
                Peer::Pod(id) => half.world.cluster.pod(*id).host_network,
                Peer::Node(..) => true,
                Peer::External(_) | Peer::Name(..) => false,
            };
            let alone = on_node(&source) || on_node(&destination);
            let key = |peer: Peer| match peer {
                Peer::Pod(id) if !alone => KeyEnd::Class(half.model().class_of(id)),
                other => KeyEnd::Itself(other),
            };
            Some([key(source), key(destination)])
        });
        let key = (ends, found.family, protocol, port);
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(causes) = known().get(&key) {
            return causes.clone();
        }
        let causes = self.traced(compared, found, slots, (protocol, port));
        known().insert(key, causes.clone());
        causes
    }

    fn traced(
        &self,
        compared: &Compared<'_, '_>,
        found: &Found,
        slots: [usize; 2],
        connection: (Protocol, u16),
    ) -> Vec<Cause> {
        let [before, after] =
            [0, 1].map(|side| told(compared, &self.policies[side], side, found, slots, connection));
        let mut out = Vec::new();
        for direction in Direction::ALL {
            let of = |told: &[Reason]| -> Option<Reason> {
                told.iter().find(|reason| reason.direction == Some(direction)).cloned()
            };
            let (old, new) = (of(&before), of(&after));
            let decision = |reason: &Option<Reason>| reason.as_ref().map(|own| own.decision);
            if decision(&old) == decision(&new) {
                continue;
            }
            if let Some(reason) = new.as_ref().filter(|reason| names_policy(reason)) {
                out.push(cause(compared, 1, reason));
            }
            // A rule that is gone, or the policy for want of which the direction is open.
            let gone = old.as_ref().filter(|own| {
                names_policy(own)
                    && (own.decision == Decision::Allowed
                        || !new.as_ref().is_some_and(names_policy))
            });
            if let Some(reason) = gone {
                out.push(cause(compared, 0, reason));
            }
        }
        out
    }
}

fn names_policy(reason: &Reason) -> bool {
    !reason.policies.is_empty() || reason.rule.is_some()
}

fn cause(compared: &Compared<'_, '_>, side: usize, reason: &Reason) -> Cause {
    let half = &compared.halves[side];
    let sources = half.sources;
    // Of isolation the policies are told, and not whom they keep out: then it is one cause for all of them.
    let text = if reason.rule.is_none() {
        let words = Words { world: half.world, policies: half.policies };
        let names: Vec<String> = reason.policies.iter().map(|&id| words.policy_name(id)).collect();
        format!("isolation by {}", names.join(", "))
    } else {
        reason.text.clone()
    };
    Cause { after: side == 1, text, place: reason.span.map(|span| sources.locate(span)) }
}

/// The reasons that a side gives for one connection; none where an end is not there.
fn told(
    compared: &Compared<'_, '_>,
    policies: &PolicySet,
    side: usize,
    found: &Found,
    [from, to]: [usize; 2],
    (protocol, port): (Protocol, u16),
) -> Vec<Reason> {
    let half = &compared.halves[side];
    let cluster = &half.world.cluster;
    let ends =
        peer(compared, side, &found.source, from).zip(peer(compared, side, &found.destination, to));
    let Some((source, destination)) = ends else { return Vec::new() };
    let Some(family) = family(compared, side, found, &source, &destination) else {
        return Vec::new();
    };
    let flow = Flow { source, destination, family, protocol, port };
    let words = Words { world: half.world, policies };
    let names = [&found.source, &found.destination].map(|end| compared.end(end).name());
    reasons(words, &trace(cluster, policies, &flow), &names[0], &names[1])
}

/// The slots of two ends that stand for them (see [`peer`]); `None` if there is no difference after all: a node
/// always reaches its own pods, and an address that is outside on one side may be that of a node on the other.
pub(super) fn stand_ins(compared: &Compared<'_, '_>, found: &Found) -> Option<[usize; 2]> {
    let slots = |end: &End| -> Vec<usize> {
        match end {
            End::Workload(_, Some(slots)) => slots.clone(),
            End::Workload(at, None) => (0..compared.slots(*at)).collect(),
            // One address of each family.
            End::External(set) => {
                let is_in = |at: &usize| !set.only(Family::ALL[*at]).is_empty();
                (0..Family::ALL.len()).filter(is_in).collect()
            }
            End::Node(_) | End::Name(_) => vec![0],
        }
    };
    let (from, to) = (slots(&found.source), slots(&found.destination));
    let pairs = from.iter().flat_map(|&from| to.iter().map(move |&to| [from, to]));
    let pairs: Vec<[usize; 2]> = pairs.filter(|&pair| !is_one_pod(compared, found, pair)).collect();
    let first = *pairs.first()?;
    // Only of nodes, and of single addresses, is a pair what all are.
    let mut all_alike = true;
    for pair in pairs {
        let said = [0, 1].map(|side| verdict(compared, side, found, pair));
        match said {
            [Some(before), Some(after)] => {
                let known = before.unknown.is_empty() && after.unknown.is_empty();
                if before.apart_from(compared.apart) != after.apart_from(compared.apart) {
                    return Some(pair);
                }
                all_alike &= known;
            }
            _ => all_alike = false,
        }
    }
    let may_be_node = |end: &End| match end {
        End::Node(_) => true,
        End::External(set) => set.single().is_some(),
        End::Workload(at, _) => [0, 1].into_iter().any(|side| {
            let cluster = &compared.halves[side].world.cluster;
            let pods = compared.matched[*at].ids[side].map(|id| &cluster.workload(id).pods);
            pods.into_iter().flatten().any(|&pod| cluster.pod(pod).host_network)
        }),
        End::Name(_) => false,
    };
    let nothing = all_alike && (may_be_node(&found.source) || may_be_node(&found.destination));
    (!nothing).then_some(first)
}

/// Whether one pod stands for both ends on a side: then there is no connection there to compare with.
fn is_one_pod(compared: &Compared<'_, '_>, found: &Found, [from, to]: [usize; 2]) -> bool {
    [0, 1].into_iter().any(|side| {
        let source = peer(compared, side, &found.source, from);
        let cluster = &compared.halves[side].world.cluster;
        matches!(source, Some(Peer::Pod(id)) if !cluster.pod(id).stand_in)
            && source == peer(compared, side, &found.destination, to)
    })
}

/// What is said of two ends on a side, with what their own node may always do; `None` where they have no family
/// in common or one is not there.
fn verdict(
    compared: &Compared<'_, '_>,
    side: usize,
    found: &Found,
    [from, to]: [usize; 2],
) -> Option<Verdict> {
    let source = peer(compared, side, &found.source, from)?;
    let destination = peer(compared, side, &found.destination, to)?;
    let family = family(compared, side, found, &source, &destination)?;
    Some(compared.halves[side].model().verdict(&source, &destination, family))
}

/// A family in which two ends connect on a side.
fn family(
    compared: &Compared<'_, '_>,
    side: usize,
    found: &Found,
    source: &Peer,
    destination: &Peer,
) -> Option<Family> {
    let world = compared.halves[side].world;
    let wanted = found.family.or(world.options.family);
    let mut families = common_families(&world.cluster, source, destination).into_iter();
    families.find(|&own| wanted.is_none_or(|wanted| wanted == own))
}

/// A peer that stands for an end on a side: that slot of a workload, or an address of that family.
fn peer(compared: &Compared<'_, '_>, side: usize, end: &End, slot: usize) -> Option<Peer> {
    let cluster = &compared.halves[side].world.cluster;
    match end {
        End::Workload(at, _) => {
            let own = &compared.matched[*at];
            let pods = &cluster.workload(own.ids[side]?).pods;
            pods.get(own.slots.get(slot)?.places[side]).map(|&pod| Peer::Pod(pod))
        }
        End::Node(name) => cluster.find_node(name).map(|id| Peer::Node(id, None)),
        End::External(set) => {
            let first = set.only(*Family::ALL.get(slot)?).first()?;
            Some(match cluster.owner_of(first) {
                Some(AddressOwner::Pod(id)) => Peer::Pod(id),
                Some(AddressOwner::Node(id)) => Peer::Node(id, Some(first)),
                None => Peer::External(IpSet::address(first)),
            })
        }
        End::Name(pattern) => {
            DomainName::new(&pattern.replace('*', "any")).map(|name| Peer::Name(name, None))
        }
    }
}
