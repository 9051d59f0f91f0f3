//! Which policy or rule makes a difference, on the side where it stands.

use super::super::reason::{ends as ends_of, reason, told};
use super::super::words::Words;
use super::compare::{End, Found};
use super::{Cause, Compared};
use crate::cluster::{AddressOwner, Addresses, ClusterState, PodId};
use crate::engine::reference::Flow;
use crate::engine::{
    Decision, DirectionTrace, Peer, Step, Unknown, Verdict, common_families, matching_rules,
    ports_to, trace, trace_direction,
};
use crate::manifest::ContainerPort;
use crate::net::{ConnectionSet, DomainName, Family, IpSet, Protocol};
use crate::policy::{Direction, PolicyId, PolicySet, PortMatch, PortSelector, Ports};
use rustc_hash::FxHashSet;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Tells what makes each difference.
pub(super) struct Teller {
    /// The policies of each side that select an end of a row, where what they say of it may differ.
    policies: [PolicySet; 2],
    /// What these are called among all policies of their side, in order.
    wanted: [Vec<PolicyId>; 2],
    /// Those of them that have no equal on the other side.
    unequal: [BTreeSet<PolicyId>; 2],
    /// Any of them is about ports by name.
    named: bool,
    /// Causes that were told already, by side and by what decided.
    by_step: RefCell<HashMap<(usize, Direction, Step), Cause>>,
    /// The same of whole rows.
    by_key: RefCell<HashMap<CauseKey, Arc<[Cause]>>>,
}

/// Rows that have this in common have the same causes.
#[derive(PartialEq, Eq, Hash)]
struct CauseKey {
    /// The direction that may differ.
    direction: Direction,
    /// Which rules of either side are about the other end.
    matched: Vec<bool>,
    sides: Vec<KeySide>,
    /// What opens, and what else is not the same.
    connections: [ConnectionSet; 2],
}

/// The same of one side: the pod that its policies select, the families, and the destination's ports where their
/// names count.
type KeySide = (PodId, Vec<Family>, Option<Arc<[ContainerPort]>>);

/// Of how many connections of a row causes are traced at most: each further one costs as much again.
const MOST_TRACED: usize = 256;

impl Teller {
    pub(super) fn new(compared: &Compared<'_, '_>, found: &[(Found, [usize; 2])]) -> Self {
        let wanted = [0, 1].map(|side: usize| -> BTreeSet<PolicyId> {
            let half = &compared.halves[side];
            let ends = found.iter().flat_map(|(own, slots)| {
                let ends = [(&own.source, slots[0]), (&own.destination, slots[1])];
                ends.into_iter().zip(directions_that_may(compared, own))
            });
            let pods: BTreeSet<PodId> = ends
                .filter(|(_, may)| *may)
                .filter_map(|((end, slot), _)| match peer(compared, side, end, slot) {
                    Some(Peer::Pod(id)) => Some(id),
                    _ => None,
                })
                .collect();
            // Those of the other direction may count as well: whether a pod is selected at all.
            let selecting = |&pod: &PodId| {
                Direction::ALL.into_iter().flat_map(move |own| half.model().selecting(pod, own))
            };
            pods.iter().flat_map(selecting).collect()
        });
        let policies = [0, 1].map(|side| compared.halves[side].policies.only(&wanted[side]));
        let unequal = [0, 1].map(|side: usize| {
            let own = wanted[side].iter().zip((0..).map(PolicyId::new));
            let own = own.filter(|(id, _)| compared.changed.is_unequal(side, **id));
            own.map(|(_, new)| new).collect()
        });
        let is_named = |port: &PortSelector| matches!(port.matches, PortMatch::Named { .. });
        let named = policies.iter().flat_map(|set| &set.rules).any(|rule| match &rule.ports {
            Ports::Of(list) => list.iter().any(is_named),
            Ports::Any => false,
        });
        let wanted = wanted.map(|own| own.into_iter().collect());
        Self {
            policies,
            wanted,
            unequal,
            named,
            by_step: RefCell::default(),
            by_key: RefCell::default(),
        }
    }

    /// What makes a difference between these stand-ins: what opens for sure, before what closes or may do either.
    pub(super) fn causes(
        &self,
        compared: &Compared<'_, '_>,
        found: &Found,
        slots: [usize; 2],
    ) -> Arc<[Cause]> {
        let [before, after] =
            [&found.before, &found.after].map(|own| own.apart_from(compared.apart));
        let opens = after.allowed.difference(&before.allowed);
        let rest = before.differing(&after).difference(&opens);
        let connections = [opens, rest];
        let key = self.key(compared, found, slots, &connections);
        if let Some(causes) = key.as_ref().and_then(|key| self.by_key.borrow().get(key).cloned()) {
            return causes;
        }
        let marks = self.marks(compared, found, slots);
        let each = connections.iter().flat_map(|set| one_of_each(set, &marks));
        let mut out: Vec<Cause> = Vec::new();
        for connection in each.take(MOST_TRACED) {
            for family in Family::ALL {
                for cause in self.traced(compared, found, slots, (family, connection)) {
                    if !out.contains(&cause) {
                        out.push(cause);
                    }
                }
            }
        }
        let causes: Arc<[Cause]> = out.into();
        if let Some(key) = key {
            self.by_key.borrow_mut().insert(key, Arc::clone(&causes));
        }
        causes
    }

    /// What the causes of a row depend on, where it is one end that may differ and both are pods with addresses of
    /// their own.
    fn key(
        &self,
        compared: &Compared<'_, '_>,
        found: &Found,
        slots: [usize; 2],
        connections: &[ConnectionSet; 2],
    ) -> Option<CauseKey> {
        let direction = match directions_that_may(compared, found) {
            [true, false] => Direction::Egress,
            [false, true] => Direction::Ingress,
            _ => return None,
        };
        let mut matched = Vec::new();
        let mut sides = Vec::new();
        for side in [0, 1] {
            let cluster = &compared.halves[side].world.cluster;
            let (source, destination) = peers(compared, side, found, slots)?;
            let pod = |peer: &Peer| match peer {
                Peer::Pod(id) if !cluster.pod(*id).host_network => Some(*id),
                _ => None,
            };
            let (from, to) = (pod(&source)?, pod(&destination)?);
            let families = families(compared, side, found, &source, &destination);
            let (own, _) = ends_of(direction, from, to);
            let (_, other) = ends_of(direction, &source, &destination);
            let policies = &self.policies[side];
            for &family in &families {
                matched.extend(matching_rules(cluster, policies, direction, other, family)?);
            }
            let ports = self.named.then(|| Arc::clone(&cluster.pod(to).ports));
            sides.push((own, families, ports));
        }
        Some(CauseKey { direction, matched, sides, connections: connections.clone() })
    }

    /// Where the rules about the ends of a row begin or cease to be about connections, with a mark of each. In
    /// between they all say the same; what as many marks lead to is decided alike.
    fn marks(
        &self,
        compared: &Compared<'_, '_>,
        found: &Found,
        slots: [usize; 2],
    ) -> BTreeMap<(Protocol, u32), u64> {
        let mut marks: BTreeMap<(Protocol, u32), u64> = BTreeMap::new();
        for side in [0, 1] {
            let half = &compared.halves[side];
            let policies = &self.policies[side];
            // Where one is not there, nothing is traced.
            let Some((source, destination)) = peers(compared, side, found, slots) else { continue };
            for (direction, end) in Direction::ALL.into_iter().zip([&source, &destination]) {
                let Peer::Pod(id) = end else { continue };
                let selecting = half.model().selecting(*id, direction);
                let own = selecting.filter_map(|id| self.wanted[side].binary_search(&id).ok());
                let rules = own.flat_map(|at| &policies.policies[at].rules[direction.index()]);
                for &rule in rules {
                    let set = ports_to(&half.world.cluster, policies, rule, &destination);
                    // One that has no zero: marks are summed up.
                    let mut hasher = DefaultHasher::new();
                    (side, rule).hash(&mut hasher);
                    let mark = hasher.finish();
                    for (protocol, first, last) in set.ranges() {
                        for border in [u32::from(first), u32::from(last) + 1] {
                            *marks.entry((protocol, border)).or_default() ^= mark;
                        }
                    }
                }
            }
        }
        marks
    }

    fn traced(
        &self,
        compared: &Compared<'_, '_>,
        found: &Found,
        slots: [usize; 2],
        connection: (Family, (Protocol, u16)),
    ) -> Vec<Cause> {
        let mut out = Vec::new();
        let directions = Direction::ALL.into_iter().zip(directions_that_may(compared, found));
        for (direction, _) in directions.filter(|(_, may)| *may) {
            let [before, after] = [0, 1].map(|side| {
                let flow = flow(compared, side, found, slots, connection)?;
                self.trace(compared, side, &flow, direction)
            });
            let decision = |told: &Option<DirectionTrace>| told.as_ref().map(|own| own.decision);
            if decision(&before) == decision(&after) {
                continue;
            }
            let cause = |side: usize, told: &Option<DirectionTrace>| {
                self.cause(compared, side, found, (connection.0, told.as_ref()?))
            };
            let because = cause(1, &after);
            // A rule that is gone, the policy for want of which the direction is open, or what has made room for a
            // policy that is as it was.
            let made_room = || {
                let told = after.as_ref().map(|own| self.policies_of(1, &own.step));
                told.is_some_and(|own| own.is_disjoint(&self.unequal[1]))
            };
            let was_open = decision(&before) == Some(Decision::Allowed);
            let gone =
                (was_open || because.is_none() || made_room()).then(|| cause(0, &before)).flatten();
            if because.is_none() && gone.is_none() {
                let is_closed = |told: &&Option<DirectionTrace>| {
                    told.as_ref().is_some_and(|own| own.step == Step::Closed)
                };
                // It is on the other side that one selects it.
                let side = [&after, &before].iter().position(is_closed);
                out.extend(
                    side.and_then(|side| self.selection(compared, found, slots, (direction, side))),
                );
            }
            out.extend(because);
            out.extend(gone);
        }
        out
    }

    /// The policies that a step names.
    fn policies_of(&self, side: usize, step: &Step) -> BTreeSet<PolicyId> {
        match step {
            Step::Rule(id) | Step::Denied(id) | Step::Unknown(_, Some(id)) => {
                BTreeSet::from([self.policies[side].rule(*id).policy])
            }
            Step::Unknown(Unknown::PolicyDoubt(id), None) => BTreeSet::from([*id]),
            Step::Isolated(ids) => ids.iter().copied().collect(),
            _ => BTreeSet::new(),
        }
    }

    /// The policies of a side that select an end: the enforcer closes what none selects.
    fn selection(
        &self,
        compared: &Compared<'_, '_>,
        found: &Found,
        [from, to]: [usize; 2],
        (direction, side): (Direction, usize),
    ) -> Option<Cause> {
        let half = &compared.halves[side];
        let ((end, slot), _) = ends_of(direction, (&found.source, from), (&found.destination, to));
        let Some(Peer::Pod(id)) = peer(compared, side, end, slot) else { return None };
        let pod = half.world.cluster.pod(id);
        let namespace = half.world.cluster.namespace(pod.namespace);
        let policies = &self.policies[side];
        let all = policies.tiers.iter().flat_map(|tier| &tier.policies).copied();
        let selecting: Vec<PolicyId> = all
            .filter(|id| policies.policy(*id).isolates != [false; 2])
            .filter(|id| policies.policy(*id).subject.matches(pod, namespace) != Some(false))
            .collect();
        let first = policies.policy(*selecting.first()?);
        let words = Words { world: half.world, policies };
        let names: Vec<String> = selecting.iter().map(|&id| words.policy_name(id)).collect();
        Some(Cause {
            after: side == 1,
            text: format!("selection by {}", names.join(", ")),
            place: Some(half.sources.locate(first.span)),
        })
    }

    /// What policies of a side say of a connection in a direction, if they are asked.
    fn trace(
        &self,
        compared: &Compared<'_, '_>,
        side: usize,
        flow: &Flow,
        direction: Direction,
    ) -> Option<DirectionTrace> {
        let cluster = &compared.halves[side].world.cluster;
        let policies = &self.policies[side];
        if policies.dataplane.may_drop() {
            let whole = trace(cluster, policies, flow);
            return told(&whole).find(|own| own.direction == direction).cloned();
        }
        Some(trace_direction(cluster, policies, flow, direction))
    }

    /// The policy or rule that decided a direction, if it was one.
    fn cause(
        &self,
        compared: &Compared<'_, '_>,
        side: usize,
        found: &Found,
        (family, decided): (Family, &DirectionTrace),
    ) -> Option<Cause> {
        let direction = decided.direction;
        // What is not known may be told of by the end that it is about.
        let known = !matches!(decided.step, Step::Unknown(..));
        let key = (side, direction, decided.step.clone());
        if let Some(cause) = self.by_step.borrow().get(&key).filter(|_| known) {
            return Some(cause.clone());
        }
        let half = &compared.halves[side];
        let words = Words { world: half.world, policies: &self.policies[side] };
        let names = [&found.source, &found.destination].map(|end| compared.end(end).name());
        let (end, other) = ends_of(direction, &*names[0], &*names[1]);
        let reason = reason(words, family, decided, end, other);
        if reason.policies.is_empty() && reason.rule.is_none() {
            return None;
        }
        // Whom it keeps out, or whose address it is, is not told: then it is one cause for all of them.
        let text = match (&decided.step, reason.rule) {
            (_, None) => {
                let names = reason.policies.iter().map(|&id| words.policy_name(id));
                format!("isolation by {}", names.collect::<Vec<_>>().join(", "))
            }
            (Step::Unknown(Unknown::PodAddress(_) | Unknown::NodeAddress(_), _), Some(rule)) => {
                format!("{} is about addresses, and not all are known", words.rule_name(rule))
            }
            _ => reason.text,
        };
        let place = reason.span.map(|span| half.sources.locate(span));
        let cause = Cause { after: side == 1, text, place };
        if known {
            self.by_step.borrow_mut().insert(key, cause.clone());
        }
        Some(cause)
    }
}

/// A connection between stand-ins on a side; `None` where an end, or the family, is not there.
fn flow(
    compared: &Compared<'_, '_>,
    side: usize,
    found: &Found,
    slots: [usize; 2],
    (family, (protocol, port)): (Family, (Protocol, u16)),
) -> Option<Flow> {
    let (source, destination) = peers(compared, side, found, slots)?;
    let has = families(compared, side, found, &source, &destination).contains(&family);
    has.then_some(Flow { source, destination, family, protocol, port })
}

/// The first connection of a set that is decided as it is, for each way in which they are.
fn one_of_each(
    set: &ConnectionSet,
    marks: &BTreeMap<(Protocol, u32), u64>,
) -> Vec<(Protocol, u16)> {
    // What stands before each border, all protocols in a row.
    let mut way = 0;
    let ways: Vec<((Protocol, u32), u64)> = marks
        .iter()
        .map(|(&border, mark)| {
            way ^= mark;
            (border, way)
        })
        .collect();
    let mut seen = FxHashSet::default();
    let mut out = Vec::new();
    for (protocol, first, last) in set.ranges() {
        let from = ways.partition_point(|(border, _)| *border <= (protocol, u32::from(first)));
        let way = from.checked_sub(1).map_or(0, |at| ways[at].1);
        let mut add = |port: u16, way: u64| {
            if seen.insert(way) {
                out.push((protocol, port));
            }
        };
        add(first, way);
        for &((_, port), way) in
            ways[from..].iter().take_while(|(border, _)| *border <= (protocol, u32::from(last)))
        {
            if let Ok(port) = u16::try_from(port) {
                add(port, way);
            }
        }
    }
    out
}

/// In which directions of a row policies may say something else: egress of the source, ingress of the destination.
fn directions_that_may(compared: &Compared<'_, '_>, found: &Found) -> [bool; 2] {
    let changed = compared.changed;
    let may = |own: &End, other: &End, direction: Direction| {
        let End::Workload(own, _) = own else { return false };
        let by_other = matches!(other, End::Workload(at, _) if changed.pods_may(*at));
        by_other || changed.may(*own, direction)
    };
    [
        may(&found.source, &found.destination, Direction::Egress),
        may(&found.destination, &found.source, Direction::Ingress),
    ]
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
                if before.apart_from(compared.apart) != after.apart_from(compared.apart) {
                    return Some(pair);
                }
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
    slots: [usize; 2],
) -> Option<Verdict> {
    let (source, destination) = peers(compared, side, found, slots)?;
    let family = *families(compared, side, found, &source, &destination).first()?;
    Some(compared.halves[side].model().verdict(&source, &destination, family))
}

/// The families in which two ends connect on a side, of those that a row is about.
fn families(
    compared: &Compared<'_, '_>,
    side: usize,
    found: &Found,
    source: &Peer,
    destination: &Peer,
) -> Vec<Family> {
    let world = compared.halves[side].world;
    let wanted = found.family.or(world.options.family);
    let mut families = common_families(&world.cluster, source, destination);
    families.retain(|&own| wanted.is_none_or(|wanted| wanted == own));
    let unknown = |peer: &Peer| match peer {
        Peer::Pod(id) => world.cluster.pod(*id).addresses == Addresses::Unknown,
        Peer::Node(..) | Peer::External(_) | Peer::Name(..) => false,
    };
    if unknown(source) || unknown(destination) {
        // Rows are about the first that it may have.
        families.truncate(1);
    }
    families
}

/// The peers that stand for both ends on a side; `None` where one is not there.
fn peers(
    compared: &Compared<'_, '_>,
    side: usize,
    found: &Found,
    [from, to]: [usize; 2],
) -> Option<(Peer, Peer)> {
    let source = peer(compared, side, &found.source, from)?;
    Some((source, peer(compared, side, &found.destination, to)?))
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
            let address = stand_in_address(cluster, set, *Family::ALL.get(slot)?)?;
            Some(match cluster.owner_of(address) {
                Some(AddressOwner::Pod(id)) => Peer::Pod(id),
                Some(AddressOwner::Node(id)) => Peer::Node(id, Some(address)),
                None => Peer::External(IpSet::address(address)),
            })
        }
        End::Name(pattern) => {
            DomainName::new(&pattern.replace('*', "any")).map(|name| Peer::Name(name, None))
        }
    }
}

/// An address that stands for a set in a family: one of nobody, where there is one.
fn stand_in_address(cluster: &ClusterState, set: &IpSet, family: Family) -> Option<IpAddr> {
    let ranges = set.ranges(family);
    let of_nobody = |address: &IpAddr| cluster.owner_of(*address).is_none();
    let ends = ranges.iter().flat_map(|&(first, last)| [first, last]);
    let next = |address: &IpAddr| match address {
        IpAddr::V4(own) => u32::from(*own).checked_add(1).map(|own| Ipv4Addr::from(own).into()),
        IpAddr::V6(own) => u128::from(*own).checked_add(1).map(|own| Ipv6Addr::from(own).into()),
    };
    // Both ends of a block may be those of pods, and all of it: no more than there are.
    let within = ranges.iter().flat_map(|&(first, last)| {
        std::iter::successors(Some(first), next).take_while(move |address| *address <= last)
    });
    ends.chain(within).find(of_nobody).or_else(|| ranges.first().map(|&(first, _)| first))
}
