//! Which address family a question is about, and what the other one answers.

use super::answer::Answer;
use super::endpoint::Endpoint;
use super::query::{PairKey, answer_for, combine};
use super::world::World;
use crate::cluster::Addresses;
use crate::engine::{Model, Peer, Verdict, common_families};
use crate::net::{ConnectionSet, Family};
use std::collections::{BTreeMap, HashSet};

/// The family that a pair is asked about: the one that is named, or the first one that the source lists
/// and both have.
pub(super) fn choose_family(
    world: &World,
    source: &Endpoint,
    destination: &Endpoint,
    from: &Peer,
    to: &Peer,
) -> Option<Family> {
    let common = common_families(&world.cluster, from, to);
    let wanted = world.options.family.or(source.family).or(destination.family);
    match wanted {
        Some(wanted) => common.contains(&wanted).then_some(wanted),
        None => common.first().copied(),
    }
}

/// Whether a part of `internet` is of another family than the one that the question is about: that
/// of the other end's address, or the one that the other end prefers.
pub(super) fn is_other_family(
    world: &World,
    end: &Endpoint,
    peer: &Peer,
    other: (&Endpoint, &Peer),
) -> bool {
    let Peer::External(set) = peer else { return false };
    if end.family.is_some() {
        return false;
    }
    let (other_end, other_peer) = other;
    let preferred = || other_peer.families(&world.cluster).first().copied();
    let wanted = world.options.family.or(other_end.family).or_else(preferred);
    wanted.is_some_and(|family| set.only(family).is_empty())
}

/// What one pod and a part of `internet` may do.
pub(super) struct InternetPart {
    /// The pod.
    pub(super) pod: Peer,
    /// The family of the part.
    pub(super) family: Family,
    /// Whether the question is about this family.
    pub(super) asked_about: bool,
    /// Whether the pod is known to have an address in it.
    pub(super) known: bool,
    /// What is asked.
    pub(super) asked: ConnectionSet,
    /// What is allowed of everything.
    pub(super) verdict: Verdict,
}

impl InternetPart {
    /// What is asked, what of it is allowed, and what of it is unknown.
    fn answer(&self) -> (&ConnectionSet, ConnectionSet, ConnectionSet) {
        let of = |set: &ConnectionSet| set.intersection(&self.asked);
        (&self.asked, of(&self.verdict.allowed), of(&self.verdict.unknown))
    }
}

/// The pod of a pair whose other end is outside.
pub(super) fn beside_internet<'p>(from: &'p Peer, to: &'p Peer) -> Option<&'p Peer> {
    match (from, to) {
        (pod @ Peer::Pod(_), Peer::External(_)) | (Peer::External(_), pod @ Peer::Pod(_)) => {
            Some(pod)
        }
        _ => None,
    }
}

/// Whether the families of both ends are known, not assumed.
fn knows_families(world: &World, from: &Peer, to: &Peer) -> bool {
    has_known_address(world, from) && has_known_address(world, to)
}

/// The answer for the parts of `internet` in the other family, if for some pod it differs from that
/// of the parts that were asked about.
pub(super) fn other_parts(parts: &[InternetPart]) -> Option<(Family, String)> {
    let mut by_pod: BTreeMap<&Peer, Vec<&InternetPart>> = BTreeMap::new();
    for part in parts {
        by_pod.entry(&part.pod).or_default().push(part);
    }
    let (family, text) = by_pod.values().find_map(|parts| other_parts_of_pod(parts))?;
    Some((family, if by_pod.len() == 1 { text } else { "for some of the pods".into() }))
}

/// Where the pod only may have addresses of the other family it is told if that opens more: that is
/// what a policy with blocks of that family is for.
fn other_parts_of_pod(parts: &[&InternetPart]) -> Option<(Family, String)> {
    let (ours, theirs): (Vec<&InternetPart>, Vec<&InternetPart>) =
        parts.iter().copied().partition(|part| part.asked_about);
    let one = theirs.first()?;
    let ours: HashSet<_> = ours.iter().map(|part| part.answer()).collect();
    let theirs: HashSet<_> = theirs.iter().map(|part| part.answer()).collect();
    let open = ours
        .iter()
        .flat_map(|(_, a, u)| [a, u])
        .fold(ConnectionSet::empty(), |all, set| all.union(set));
    let opens_more = theirs.iter().any(|(_, a, u)| !a.union(u).difference(&open).is_empty());
    if !(opens_more || one.known && theirs != ours) {
        return None;
    }
    let allowed = theirs.iter().fold(ConnectionSet::empty(), |all, (_, a, _)| all.union(a));
    if one.asked.is_all() && !allowed.is_empty() {
        return Some((one.family, in_words(&allowed)));
    }
    let answers = theirs.iter().map(|(asked, a, u)| answer_for(asked, a, u));
    Some((one.family, combine(answers).word().to_owned()))
}

fn in_words(allowed: &ConnectionSet) -> String {
    if allowed.is_all() { "allowed on every port".into() } else { format!("allowed on {allowed}") }
}

/// The other family's answer, if both ends have addresses in it and it differs. Where an end only may
/// have one it is told if it opens more.
pub(super) fn other_family(
    world: &World,
    model: &Model<'_>,
    key: &PairKey,
    from: &Peer,
    to: &Peer,
) -> Option<(Family, String)> {
    let own = key.family?;
    let other = own.other();
    let pods = matches!(from, Peer::Pod(_)) && matches!(to, Peer::Pod(_));
    if !pods || !common_families(&world.cluster, from, to).contains(&other) {
        return None;
    }
    let cut = |family| {
        let verdict = model.verdict(from, to, family);
        (verdict.allowed.intersection(&key.asked), verdict.unknown.intersection(&key.asked))
    };
    let ((allowed, unknown), (their_allowed, their_unknown)) = (cut(own), cut(other));
    let open = allowed.union(&unknown);
    let opens_more = !their_allowed.union(&their_unknown).difference(&open).is_empty();
    let differs = allowed != their_allowed || unknown != their_unknown;
    if !(opens_more || differs && knows_families(world, from, to)) {
        return None;
    }
    let answer = answer_for(&key.asked, &their_allowed, &their_unknown);
    let text = match answer {
        Answer::Partly if !their_allowed.is_empty() => in_words(&their_allowed),
        Answer::Partly => format!("undetermined on {their_unknown}"),
        answer => answer.word().to_owned(),
    };
    Some((other, text))
}

/// Whether an end's addresses are in the input, not assumed.
pub(super) fn has_known_address(world: &World, peer: &Peer) -> bool {
    match peer {
        Peer::Pod(id) => world.cluster.pod(*id).addresses != Addresses::Unknown,
        Peer::Node(..) | Peer::External(_) => true,
    }
}

/// What `--family` calls it.
pub(super) fn flag(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}
