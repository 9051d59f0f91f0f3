//! Which policy or rule makes a difference, on the side where it stands.

use super::super::reason::{Reason, reasons};
use super::super::words::Words;
use super::compare::{End, Found};
use super::{Cause, Compared};
use crate::cluster::AddressOwner;
use crate::engine::reference::Flow;
use crate::engine::{Decision, Peer, common_families, trace};
use crate::net::{DomainName, IpSet, Protocol};
use crate::policy::Direction;

/// What makes a difference, for one connection of it: what opens for sure, before what may.
pub(super) fn causes(compared: &Compared<'_, '_>, found: &Found) -> Vec<Cause> {
    let opens = found.after.allowed.difference(&found.before.allowed);
    let parts = found.before.differing(&found.after);
    let telling = if opens.is_empty() { &parts } else { &opens };
    let Some((protocol, port, _)) = telling.ranges().next() else { return Vec::new() };
    let [before, after] = [0, 1].map(|side| told(compared, side, found, protocol, port));
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
                && (own.decision == Decision::Allowed || !new.as_ref().is_some_and(names_policy))
        });
        if let Some(reason) = gone {
            out.push(cause(compared, 0, reason));
        }
    }
    out
}

fn names_policy(reason: &Reason) -> bool {
    !reason.policies.is_empty() || reason.rule.is_some()
}

fn cause(compared: &Compared<'_, '_>, side: usize, reason: &Reason) -> Cause {
    let half = &compared.halves[side];
    let sources = half.sources;
    // Of isolation the policies are told, and not whom they keep out: then it is one cause for all of them.
    let text = if reason.code == "isolated" {
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
    side: usize,
    found: &Found,
    protocol: Protocol,
    port: u16,
) -> Vec<Reason> {
    let half = &compared.halves[side];
    let cluster = &half.world.cluster;
    let (Some(source), Some(destination)) =
        (peer(compared, side, &found.source), peer(compared, side, &found.destination))
    else {
        return Vec::new();
    };
    let wanted = found.family.or(half.world.options.family);
    let mut families = common_families(cluster, &source, &destination).into_iter();
    let Some(family) = families.find(|&own| wanted.is_none_or(|wanted| wanted == own)) else {
        return Vec::new();
    };
    let flow = Flow { source, destination, family, protocol, port };
    let words = Words { world: half.world, policies: half.policies };
    let names = [&found.source, &found.destination].map(|end| compared.end(end).name());
    reasons(words, &trace(cluster, half.policies, &flow), &names[0], &names[1])
}

/// A peer that stands for an end on a side.
fn peer(compared: &Compared<'_, '_>, side: usize, end: &End) -> Option<Peer> {
    let cluster = &compared.halves[side].world.cluster;
    match end {
        End::Workload(at, slots) => {
            let pods = &cluster.workload(compared.matched[*at].ids[side]?).pods;
            let own = &compared.matched[*at];
            let slot = slots.as_ref().and_then(|slots| slots.first()).copied().unwrap_or(0);
            pods.get(own.slots.get(slot)?[side]).map(|&pod| Peer::Pod(pod))
        }
        End::Node(name) => cluster.find_node(name).map(|id| Peer::Node(id, None)),
        End::External(set) => {
            let first = set.first()?;
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
