//! "Can A reach B on port P", with the reason.

use super::answer::{Answer, CanAnswer, Group};
use super::asked::Asked;
use super::divergence::Engines;
use super::endpoint::{Endpoint, EndpointError, Member};
use super::explain::Hint;
use super::family::{
    InternetAnswers, beside_internet, choose_family, flag, has_known_address, is_other_family,
    other_family,
};
use super::list::{Length, block_names};
use super::port::PortQuery;
use super::reason::{Reason, assumes_private_address, reasons, told};
use super::translation::{self, obstacle, opening};
use super::words::Words;
use super::world::World;
use crate::cluster::{NodeId, Service};
use crate::engine::reference::Flow;
use crate::engine::{Decision, Peer, Verdict, trace};
use crate::net::{ConnectionSet, Family, IpSet, Protocol};
use crate::policy::{Certainty, Direction, PeerMatch, Peers};
use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap, HashSet};

/// More kinds of pairs than this are grouped by their verdict alone.
const MOST_EXPLAINED: usize = 400;

/// What is asked of pairs that the engine cannot tell apart.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PairKey {
    pub(super) family: Option<Family>,
    pub(super) asked: ConnectionSet,
    /// Whether the address of each end is known: what is said of assumptions depends on it.
    known: [bool; 2],
}

/// What makes ends of pairs alike: their class, the node where that can matter, and what is asked.
type BucketKey = (PeerKey, Option<NodeId>, Option<Option<ConnectionSet>>);

/// Groups members by key, in the order of first mention.
fn buckets(
    members: &[Member],
    key: impl Fn(&Member) -> BucketKey,
) -> Vec<(BucketKey, Vec<&Member>)> {
    let mut out: Vec<(BucketKey, Vec<&Member>)> = Vec::new();
    let mut places: HashMap<BucketKey, usize> = HashMap::new();
    for member in members {
        let key = key(member);
        if let Some((_, bucket)) = places.get(&key).and_then(|&at| out.get_mut(at)) {
            bucket.push(member);
        } else {
            places.insert(key.clone(), out.len());
            out.push((key, vec![member]));
        }
    }
    out
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum PeerKey {
    /// A class of pods, and whether their addresses are known.
    Class((u32, u32), bool),
    Itself(Peer),
}

/// Answers a question. Errors are about the port: one that no destination has.
pub fn can(
    world: &World,
    engines: &Engines<'_>,
    source: &Endpoint,
    destination: &Endpoint,
    ports: &[PortQuery],
) -> Result<CanAnswer, EndpointError> {
    let model = engines.effective();
    let asked_of = Asked::new(world, destination, ports)?;
    let sources = cut(engines, &source.members);
    let destinations = cut(engines, &destination.members);
    let several = sources.len() * destinations.len() > 1;
    // Ends that nothing tells apart are asked about once, however many there are.
    let on_nodes =
        sources.iter().any(|m| node_of(world, &m.peer).is_some() || is_node(world, &m.peer));
    // Of some enforcers a pod always reaches its own node as well.
    let to_nodes = world.policies.dataplane.reaches_own_node != Certainty::No
        && destinations.iter().any(|m| is_node(world, &m.peer));
    let from_buckets = buckets(&sources, |member| {
        let node = match &member.peer {
            Peer::Pod(id) if to_nodes => world.cluster.pod(*id).node,
            peer => node_of(world, peer),
        };
        (peer_key(world, engines, &member.peer), node, None)
    });
    let to_buckets = buckets(&destinations, |member| {
        let node = match &member.peer {
            Peer::Pod(id) if on_nodes || to_nodes => world.cluster.pod(*id).node,
            _ => None,
        };
        (peer_key(world, engines, &member.peer), node, Some(asked_of.of(&member.peer)))
    });
    // Of very many kinds of pairs each verdict is explained once, not each pair of kinds.
    let coarse = from_buckets.len() * to_buckets.len() > MOST_EXPLAINED;
    let mut by_verdict: HashMap<(PairKey, Verdict), usize> = HashMap::new();
    let mut found: Vec<(PairKey, Pairs)> = Vec::new();
    let mut skipped = 0;
    // What is said of another family is said where nothing names one.
    let no_family = world.options.family.or(source.family).or(destination.family).is_none();
    let mut internet = InternetAnswers::default();
    let (mut kinds, mut otherwise) = (0, None);
    for (_, to) in &to_buckets {
        let asked_of_bucket = to.first().and_then(|member| asked_of.of(&member.peer));
        for (_, from) in &from_buckets {
            let Some(pairs) = Pairs::new(world, from, to, several) else { continue };
            let (a, b) = (&pairs.first.0.peer, &pairs.first.1.peer);
            let other_part = is_other_family(world, source, a, (destination, b))
                || is_other_family(world, destination, b, (source, a));
            let Some(asked) = asked_of_bucket.clone() else {
                skipped += if other_part { 0 } else { pairs.count };
                continue;
            };
            let family = choose_family(world, source, destination, a, b);
            let verdict = LazyCell::new(|| {
                family.map_or_else(Verdict::none, |family| model.verdict(a, b, family))
            });
            if let (true, Some(_), Some(pod)) = (no_family, family, beside_internet(a, b)) {
                internet.add(pod, !other_part, &asked, &verdict);
            }
            if other_part {
                continue;
            }
            let known = [has_known_address(world, a), has_known_address(world, b)];
            let key = PairKey { family, asked, known };
            kinds += 1;
            if no_family && otherwise.is_none() {
                otherwise = other_family(world, model, &key, a, b);
            }
            if coarse {
                let place = by_verdict.entry((key.clone(), verdict.clone())).or_insert(found.len());
                if let Some((_, alike)) = found.get_mut(*place) {
                    alike.absorb(pairs);
                    continue;
                }
            }
            found.push((key, pairs));
        }
    }
    if found.is_empty() {
        return Err(asked_of.nothing_to_ask(destination));
    }
    let mut notes: Vec<String> = source.note.iter().cloned().collect();
    notes.extend(
        destination.note.iter().filter(|note| Some(*note) != source.note.as_ref()).cloned(),
    );
    if is_name(destination) {
        notes.extend(names_share_addresses(world));
    }
    let stands_for_several = |member: &Member| {
        matches!(member.peer, Peer::Pod(id) if world.cluster.pod(id).stand_in)
            && destinations.iter().any(|other| other.peer == member.peer)
    };
    if sources.iter().any(stands_for_several) {
        notes.push("a template stands for several pods: asked about two of them (a pod always reaches itself)".into());
    }
    if skipped > 0 {
        notes.push(format!(
            "left out, as the destination has no such port: {}",
            if skipped == 1 { "1 pair".to_owned() } else { format!("{skipped} pairs") }
        ));
    }
    if coarse {
        notes.push("the reasons shown are those of one pair of each verdict".into());
    }
    let mut groups: Vec<Group> = Vec::new();
    let mut assumed_address = false;
    for (key, pairs) in found {
        let (from, to) = pairs.first.clone();
        let group = evaluate(world, engines, &key, &from, &to, pairs);
        let service = destination.service.and_then(|at| world.cluster.services.get(at));
        let group = match service {
            Some(service) => before_translation(world, group, &from, service),
            None => group,
        };
        assumed_address |= group.trace.as_ref().is_some_and(|t| assumes_private_address(world, t));
        let alike = groups.iter_mut().find(|g| {
            g.answer == group.answer
                && g.allowed == group.allowed
                && g.unknown == group.unknown
                && g.asked == group.asked
                && g.divergence == group.divergence
                && same_reasons(&g.reasons, &group.reasons)
        });
        match alike {
            Some(existing) => existing.absorb(group),
            None => groups.push(group),
        }
    }
    let service_notes = asked_of.service_notes(destination, &groups);
    let pods = otherwise.map(|(family, word)| {
        (family, if kinds == 1 { word } else { "for some of the pairs".to_owned() })
    });
    let differs = pods.or_else(|| internet.other_family(world));
    if let Some((family, word)) = differs {
        notes.push(format!(
            "over {family} the answer is another: {word} (`--family {}`)",
            flag(family)
        ));
    }
    let all = |pick: fn(&Group) -> &Vec<String>| {
        groups.iter().flat_map(pick).collect::<HashSet<_>>().len()
    };
    let words = Words::effective(world);
    let (all_sources, all_destinations) = (all(|g| &g.sources), all(|g| &g.destinations));
    for group in &mut groups {
        if let Some(trace) = &group.trace {
            let from = spoken(&group.sources, all_sources, &source.name);
            let to = spoken(&group.destinations, all_destinations, &destination.name);
            let before = std::mem::replace(&mut group.reasons, reasons(words, trace, &from, &to));
            let merged = group.reasons.iter_mut().zip(before);
            for ((reason, before), direction) in merged.zip(told(trace)) {
                let others = match direction.direction {
                    Direction::Egress => &group.destinations,
                    Direction::Ingress => &group.sources,
                };
                // What one of several lacks need not be what the others lack.
                let about_one = reason.nearest.as_ref().is_some_and(Hint::is_about_peer);
                if before.nearest.is_none() || about_one && others.len() > 1 {
                    reason.nearest = None;
                }
            }
        }
    }
    groups.sort_by(|a, b| {
        (a.answer, &a.sources, &a.destinations).cmp(&(b.answer, &b.sources, &b.destinations))
    });
    let pairs = groups.iter().map(|g| g.pairs).sum();
    let allowed_pairs =
        groups.iter().filter(|g| g.answer == Answer::Allowed).map(|g| g.pairs).sum();
    let answer = combine(groups.iter().map(|g| g.answer));
    Ok(CanAnswer {
        source: source.name.clone(),
        destination: destination.name.clone(),
        port: asked_of.shown,
        answer,
        groups,
        pairs,
        allowed_pairs,
        notes,
        service_notes,
        assumed_address,
    })
}

fn is_name(end: &Endpoint) -> bool {
    end.members.iter().any(|member| matches!(member.peer, Peer::Name(..)))
}

/// What is to be known of rules about names, if there are any.
fn names_share_addresses(world: &World) -> Option<String> {
    let set = &world.policies;
    let tiers = set.tiers.iter().chain(&set.firewalls);
    let any = tiers.flat_map(|tier| &tier.policies).any(|&id| {
        set.policy(id).rules.iter().flatten().any(|&rule| match &set.rule(rule).peers {
            Peers::Of(list) => {
                list.iter().any(|peer| matches!(peer.matches, PeerMatch::Domains(_)))
            }
            Peers::Any => false,
        })
    });
    any.then(|| {
        "rules about domain names are about the addresses that these have, and so about whoever else is there".into()
    })
}

/// How a group's ends are called in its reasons: by the whole end where they are all of it.
fn spoken(names: &[String], all: usize, whole: &str) -> String {
    match names {
        names if names.len() == all => whole.to_owned(),
        [one] => one.clone(),
        _ => format!("some of {whole}"),
    }
}

pub(super) fn combine(answers: impl Iterator<Item = Answer>) -> Answer {
    let mut all: Vec<Answer> = answers.collect();
    all.sort();
    all.dedup();
    match all.as_slice() {
        [one] => *one,
        many if many.iter().any(|a| matches!(a, Answer::Denied | Answer::Partly)) => Answer::Partly,
        _ => Answer::Undetermined,
    }
}

fn same_reasons(a: &[Reason], b: &[Reason]) -> bool {
    let key = |reasons: &[Reason]| -> Vec<_> {
        // Of a missing family the text is all there is.
        let text = |r: &Reason| (r.code == "no-common-family").then(|| r.text.clone());
        reasons.iter().map(|r| (r.direction, r.code, r.policies.clone(), r.rule, text(r))).collect()
    };
    key(a) == key(b)
}

fn is_one_pod(world: &World, peer: &Peer) -> bool {
    matches!(peer, Peer::Pod(id) if !world.cluster.pod(*id).stand_in)
}

fn peer_key(world: &World, engines: &Engines<'_>, peer: &Peer) -> PeerKey {
    match peer {
        Peer::Pod(id) => PeerKey::Class(engines.class_of(*id), has_known_address(world, peer)),
        other => PeerKey::Itself(other.clone()),
    }
}

/// The node whose address a source has.
fn node_of(world: &World, source: &Peer) -> Option<NodeId> {
    match source {
        Peer::Node(id, _) => Some(*id),
        Peer::Pod(id) if world.cluster.pod(*id).host_network => world.cluster.pod(*id).node,
        _ => None,
    }
}

fn is_node(world: &World, source: &Peer) -> bool {
    match source {
        Peer::Node(..) => true,
        Peer::Pod(id) => world.cluster.pod(*id).host_network,
        Peer::External(_) | Peer::Name(..) => false,
    }
}

/// Cuts address sets where rules cut them.
fn cut(engines: &Engines<'_>, members: &[Member]) -> Vec<Member> {
    members
        .iter()
        .flat_map(|member| match &member.peer {
            Peer::External(set) if set.single().is_none() => {
                let atoms = engines.atoms(set);
                let whole = atoms.len() == 1;
                atoms
                    .into_iter()
                    .map(|atom| Member {
                        name: if whole {
                            member.name.clone()
                        } else {
                            atom_name(&member.name, set, &atom)
                        },
                        peer: Peer::External(atom),
                    })
                    .collect()
            }
            _ => vec![member.clone()],
        })
        .collect()
}

/// A part of an address set: by what it lacks of the whole, or by its blocks, whichever is shorter.
fn atom_name(name: &str, whole: &IpSet, atom: &IpSet) -> String {
    let missing = whole.difference(atom);
    if missing.to_blocks().len() < atom.to_blocks().len() {
        format!("{name} except {}", block_names(&missing, Length::Short))
    } else {
        block_names(atom, Length::Short)
    }
}

/// The answer for a set of connections that were asked for.
pub(super) fn answer_for(
    asked: &ConnectionSet,
    allowed: &ConnectionSet,
    unknown: &ConnectionSet,
) -> Answer {
    let open = asked.intersection(allowed);
    let maybe = asked.intersection(unknown);
    let closed = asked.difference(allowed).difference(unknown);
    match (open.is_empty(), maybe.is_empty(), closed.is_empty()) {
        (_, true, true) => Answer::Allowed,
        (true, true, false) => Answer::Denied,
        (_, _, false) => Answer::Partly,
        (_, false, true) => Answer::Undetermined,
    }
}

struct Pairs {
    /// A pair that stands for all.
    first: (Member, Member),
    sources: BTreeSet<String>,
    destinations: BTreeSet<String>,
    count: usize,
}

impl Pairs {
    fn absorb(&mut self, other: Self) {
        self.count += other.count;
        self.sources.extend(other.sources);
        self.destinations.extend(other.destinations);
    }

    /// The pairs of two buckets; `None` if there is none. Of `several` pairs, those of a pod and
    /// itself do not count: a pod that is part of both ends does not ask about itself.
    fn new(world: &World, from: &[&Member], to: &[&Member], several: bool) -> Option<Self> {
        let itself =
            |a: &Member, b: &Member| several && a.peer == b.peer && is_one_pod(world, &a.peer);
        let first = from
            .iter()
            .flat_map(|a| to.iter().map(move |b| (*a, *b)))
            .find(|(a, b)| !itself(a, b))?;
        let both: HashSet<&Peer> = from
            .iter()
            .map(|m| &m.peer)
            .filter(|peer| several && is_one_pod(world, peer))
            .collect();
        let own = to.iter().filter(|m| both.contains(&m.peer)).count();
        let names = |members: &[&Member]| members.iter().map(|m| m.name.clone()).collect();
        Some(Self {
            first: (first.0.clone(), first.1.clone()),
            sources: names(from),
            destinations: names(to),
            count: from.len() * to.len() - own,
        })
    }
}

impl Group {
    fn absorb(&mut self, other: Self) {
        self.pairs += other.pairs;
        if self.family != other.family {
            self.family = None;
        }
        // Only what came closest for all of them is told.
        let rule =
            |reason: &Reason| reason.nearest.as_ref().map(|hint| (hint.rule, hint.is_about_peer()));
        for (own, theirs) in self.reasons.iter_mut().zip(&other.reasons) {
            if rule(own) != rule(theirs) {
                own.nearest = None;
            }
        }
        for (list, names) in
            [(&mut self.sources, other.sources), (&mut self.destinations, other.destinations)]
        {
            let all: BTreeSet<String> = std::mem::take(list).into_iter().chain(names).collect();
            *list = all.into_iter().collect();
        }
    }
}

/// On some enforcers a Service can be closed that has open pods.
fn before_translation(world: &World, group: Group, from: &Member, service: &Service) -> Group {
    if group.answer == Answer::Denied {
        let egress_alone = group.trace.as_ref().is_some_and(|trace| {
            trace.directions.iter().all(|own| {
                (own.step.decision() == Decision::Denied) == (own.direction == Direction::Egress)
            })
        });
        let opening = opening(world, &from.peer, service, &group.asked);
        let Some(obstacle) = opening.filter(|_| egress_alone) else { return group };
        return Group {
            answer: Answer::Undetermined,
            unknown: group.asked.clone(),
            reasons: vec![Reason::before_translation(&obstacle)],
            explained: None,
            trace: None,
            divergence: Some(translation::divergence(Decision::Denied, &group.asked, &obstacle)),
            ..group
        };
    }
    if group.allowed.is_empty() {
        return group;
    }
    let Some(obstacle) = obstacle(world, &from.peer, service, group.family, &group.asked) else {
        return group;
    };
    let (answer, unknown) = match obstacle.decision {
        Decision::Denied => (Answer::Denied, ConnectionSet::empty()),
        _ => (Answer::Undetermined, group.allowed.union(&group.unknown)),
    };
    Group {
        answer,
        allowed: ConnectionSet::empty(),
        unknown,
        reasons: vec![Reason::before_translation(&obstacle)],
        explained: None,
        trace: None,
        divergence: Some(translation::divergence(Decision::Allowed, &group.allowed, &obstacle)),
        ..group
    }
}

/// Of many ports one that a reader knows: one that the destination declares, else one of the web.
fn telling(world: &World, destination: &Peer, ports: &ConnectionSet) -> (Protocol, u16) {
    let has = |&(protocol, port): &(Protocol, u16)| ports.contains(protocol, port);
    let declared = match destination {
        Peer::Pod(id) => {
            let own = world.cluster.pod(*id).ports.iter();
            own.map(|port| (port.protocol, port.number)).find(has)
        }
        Peer::Node(..) | Peer::External(_) | Peer::Name(..) => None,
    };
    let web = [443, 80].map(|port| (Protocol::Tcp, port)).into_iter().find(has);
    let first = || ports.ranges().next().map(|(protocol, first, _)| (protocol, first));
    declared.or(web).or_else(first).unwrap_or((Protocol::Tcp, 80))
}

fn evaluate(
    world: &World,
    engines: &Engines<'_>,
    key: &PairKey,
    from: &Member,
    to: &Member,
    pairs: Pairs,
) -> Group {
    let whole = key.asked.is_all();
    let wanted = world.options.family;
    let Some(family) = key.family else {
        return Group {
            answer: Answer::Denied,
            sources: pairs.sources.into_iter().collect(),
            destinations: pairs.destinations.into_iter().collect(),
            pairs: pairs.count,
            example: [from.name.clone(), to.name.clone()],
            asked: key.asked.clone(),
            allowed: ConnectionSet::empty(),
            unknown: ConnectionSet::empty(),
            family: None,
            reasons: vec![Reason::no_common_family(world, &from.peer, &to.peer, wanted)],
            explained: None,
            trace: None,
            divergence: None,
        };
    };
    let model = engines.effective();
    let verdict = model.verdict(&from.peer, &to.peer, family);
    let divergence = engines.divergence(&from.peer, &to.peer, family, &key.asked, &verdict);
    let allowed = verdict.allowed.intersection(&key.asked);
    let unknown = verdict.unknown.intersection(&key.asked);
    let denied = key.asked.difference(&allowed).difference(&unknown);
    let answer = match answer_for(&key.asked, &allowed, &unknown) {
        // Without a port the question is what is allowed: something, or nothing.
        Answer::Partly | Answer::Undetermined if whole && !allowed.is_empty() => Answer::Allowed,
        Answer::Partly if whole => Answer::Undetermined,
        answer => answer,
    };
    // One connection of the kind that the answer is about explains it. Of denied ones, one that a
    // direction allows: then the other direction is what stands in the way.
    let shown = match answer {
        Answer::Allowed => allowed.clone(),
        Answer::Undetermined => unknown.clone(),
        Answer::Denied | Answer::Partly => {
            let directions = model.directions(&from.peer, &to.peer, family);
            let half = directions.iter().map(|d| d.allowed.intersection(&denied));
            half.into_iter()
                .find(|set| !set.is_empty() && *set != denied)
                .unwrap_or_else(|| denied.clone())
        }
    };
    let (protocol, port) = telling(world, &to.peer, &shown);
    // Which one is said where others have other reasons.
    let single = ConnectionSet::port(protocol, port) == key.asked;
    let said =
        !single && answer != Answer::Allowed && (shown != denied || answer == Answer::Partly);
    let flow =
        Flow { source: from.peer.clone(), destination: to.peer.clone(), family, protocol, port };
    let trace = trace(&world.cluster, &world.policies, &flow);
    Group {
        answer,
        sources: pairs.sources.into_iter().collect(),
        destinations: pairs.destinations.into_iter().collect(),
        pairs: pairs.count,
        example: [from.name.clone(), to.name.clone()],
        asked: key.asked.clone(),
        allowed,
        unknown,
        family: Some(family),
        reasons: reasons(Words::effective(world), &trace, &from.name, &to.name),
        explained: said.then(|| format!("{protocol}/{port}")),
        trace: Some(trace),
        divergence,
    }
}
