//! Which address family a question is about, and what the other one answers.

use super::answer::Answer;
use super::endpoint::Endpoint;
use super::query::{PairKey, answer_for, combine};
use super::world::World;
use crate::cluster::Addresses;
use crate::engine::{Model, Peer, Verdict, common_families};
use crate::net::{ConnectionSet, Family};
use crate::policy::Certainty;
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

/// What is asked, what of it is allowed, and what of it is unknown.
type PartAnswer = (ConnectionSet, ConnectionSet, ConnectionSet);

/// The answers of pods and the parts of `internet`, pod by pod: those of the family that the question
/// is about, and those of the other one.
#[derive(Default)]
pub(super) struct InternetAnswers {
    by_pod: BTreeMap<Peer, [HashSet<PartAnswer>; 2]>,
}

impl InternetAnswers {
    /// Notes the answer of a pod and one part.
    pub(super) fn add(
        &mut self,
        pod: &Peer,
        asked_about: bool,
        asked: &ConnectionSet,
        verdict: &Verdict,
    ) {
        let of = |set: &ConnectionSet| set.intersection(asked);
        let answer = (asked.clone(), of(&verdict.allowed), of(&verdict.unknown));
        let answers = self.by_pod.entry(pod.clone()).or_default();
        answers[usize::from(!asked_about)].insert(answer);
    }

    /// The answer in the other family, if it differs for some pod. Where a pod only may have addresses
    /// of that family it is told if it opens more: that is what a policy with blocks of it is for.
    pub(super) fn other_family(&self, world: &World) -> Option<(Family, String)> {
        self.by_pod.iter().find_map(|(pod, [ours, theirs])| {
            if theirs.is_empty() {
                return None;
            }
            let open = ours
                .iter()
                .flat_map(|(_, a, u)| [a, u])
                .fold(ConnectionSet::empty(), |all, set| all.union(set));
            let opens_more =
                theirs.iter().any(|(_, a, u)| !a.union(u).difference(&open).is_empty());
            if !(opens_more || has_known_address(world, pod) && theirs != ours) {
                return None;
            }
            let family = pod.families(&world.cluster).first()?.other();
            let text = if self.by_pod.len() > 1 {
                "for some of the pods".to_owned()
            } else {
                parts_in_words(theirs)
            };
            Some((family, text))
        })
    }
}

fn parts_in_words(answers: &HashSet<PartAnswer>) -> String {
    let allowed = answers.iter().fold(ConnectionSet::empty(), |all, (_, a, _)| all.union(a));
    let whole = answers.iter().any(|(asked, ..)| asked.is_all());
    match (whole && !allowed.is_empty(), answers.len()) {
        (true, 1) => in_words(&allowed),
        (true, _) => format!("{} for some addresses", in_words(&allowed)),
        (false, _) => {
            combine(answers.iter().map(|(asked, a, u)| answer_for(asked, a, u))).word().to_owned()
        }
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
    let pod = |peer: &Peer| matches!(peer, Peer::Pod(_));
    let name = |peer: &Peer| matches!(peer, Peer::Name(_, None));
    // Nobody knows which families a name has addresses in.
    let named = name(from) || name(to);
    let pods = (pod(from) || name(from)) && (pod(to) || name(to));
    if !pods || !common_families(&world.cluster, from, to).contains(&other) {
        return None;
    }
    // An enforcer that leaves a family alone does so in every cluster: that is worth a word where one
    // has it.
    let unpoliced = world.policies.dataplane.unpoliced(other) != Certainty::No;
    if unpoliced && !has_family(world, other) {
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
    let known = named && (has_known_address(world, from) || has_known_address(world, to));
    if !(opens_more || differs && (known || knows_families(world, from, to))) {
        return None;
    }
    let answer = answer_for(&key.asked, &their_allowed, &their_unknown);
    let text = match answer {
        Answer::Partly if !their_allowed.is_empty() => in_words(&their_allowed),
        Answer::Undetermined if key.asked.is_all() && !their_allowed.is_empty() => {
            in_words(&their_allowed)
        }
        Answer::Partly => format!("undetermined on {their_unknown}"),
        answer => answer.word().to_owned(),
    };
    Some((other, text))
}

/// Whether any pod of the input is known to have an address of a family.
fn has_family(world: &World, family: Family) -> bool {
    let cluster = &world.cluster;
    cluster.pod_ids().any(|id| {
        let known = cluster.pod(id).addresses != Addresses::Unknown;
        known && cluster.families(id).contains(&family)
    })
}

/// Whether an end's addresses are in the input, not assumed.
pub(super) fn has_known_address(world: &World, peer: &Peer) -> bool {
    match peer {
        Peer::Pod(id) => world.cluster.pod(*id).addresses != Addresses::Unknown,
        Peer::Node(..) | Peer::External(_) => true,
        Peer::Name(_, address) => address.is_some(),
    }
}

/// What `--family` calls it.
pub(super) fn flag(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}
