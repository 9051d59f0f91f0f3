//! "These and nobody else": what a workload is reached by, or reaches, beyond a list.

use super::check::{Asker, Counterexample, Findings, Status, each_port, end_of};
use super::file::{Expectation, Expected};
use crate::analysis::asked::Asked;
use crate::analysis::endpoint::{Endpoint, EndpointError, Member};
use crate::analysis::list::{Length, Row, RowEnd};
use crate::analysis::port::PortQuery;
use crate::cluster::{NodeId, PodId, WorkloadId, routable_addresses};
use crate::engine::Peer;
use crate::net::{ConnectionSet, Family, IpSet};
use crate::policy::Direction;
use std::collections::{BTreeMap, BTreeSet};

/// What is listed, by what it is.
#[derive(Default)]
struct Listed {
    pods: BTreeSet<PodId>,
    nodes: BTreeSet<NodeId>,
    addresses: Option<IpSet>,
    names: BTreeSet<String>,
}

impl Listed {
    fn new<'e>(ends: impl Iterator<Item = &'e Endpoint>) -> Self {
        let mut own = Self::default();
        for member in ends.flat_map(|end| &end.members) {
            match &member.peer {
                Peer::Pod(id) => {
                    own.pods.insert(*id);
                }
                Peer::Node(id, _) => {
                    own.nodes.insert(*id);
                }
                Peer::External(set) => {
                    let all = own.addresses.get_or_insert_with(IpSet::empty);
                    *all = all.union(set);
                }
                Peer::Name(name, _) => {
                    own.names.insert(name.to_string());
                }
            }
        }
        own
    }

    fn beyond(&self, set: &IpSet) -> IpSet {
        self.addresses.as_ref().map_or_else(|| set.clone(), |own| set.difference(own))
    }
}

/// In `direction` as the subjects see it: `Ingress` is who reaches them.
pub(super) fn only(
    asker: &Asker<'_, '_>,
    own: &Expectation,
    direction: Direction,
    subjects: &[String],
    listed: &[String],
    ports: &[PortQuery],
    found: &mut Findings,
) {
    let mut ends = Vec::new();
    for name in listed {
        ends.extend(end_of(asker, own, name, found).map(|end| (name, end)));
    }
    let others = Listed::new(ends.iter().map(|(_, end)| *end));
    let service = ends.iter().find(|(_, end)| end.service.is_some());
    if let (Direction::Egress, Some((name, _)), false) = (direction, service, ports.is_empty()) {
        found.add(Status::Failed, || {
            Counterexample::plain(format!(
                "`{name}` is a Service, whose port is another one on its pods: of `onlyTo` with `port` name the workload"
            ))
        });
        return;
    }
    for subject in subjects {
        let Some(end) = end_of(asker, own, subject, found) else { continue };
        if let Some(error) = unfit(asker, direction, end, ports) {
            if !own.may_match_nothing {
                found.add(Status::Failed, || Counterexample::of_end(&error));
            }
            continue;
        }
        // Those that are listed may connect, each of them.
        for (name, _) in &ends {
            let (from, to) =
                crate::analysis::reason::ends(direction, subject.as_str(), name.as_str());
            super::check::pair(asker, own, (from, to), ports, Expected::Allowed, found);
        }
        beyond(asker, direction, end, &others, ports, found);
    }
}

/// What keeps a subject from being told of: it is a node, which no policy closes, or has no port of that name.
fn unfit(
    asker: &Asker<'_, '_>,
    direction: Direction,
    subject: &Endpoint,
    ports: &[PortQuery],
) -> Option<EndpointError> {
    let is_node = |member: &&Member| matches!(member.peer, Peer::Node(..));
    if subject.members.iter().all(|member| is_node(&member)) {
        let message =
            format!("`{}` is a node: policies close pods, and addresses to pods", subject.name);
        return Some(EndpointError { message, help: None });
    }
    if direction == Direction::Egress {
        return None;
    }
    ports.chunks(1).find_map(|port| match Asked::new(asker.world, subject, port) {
        Err(error) => Some(error),
        Ok(asked) => {
            let has = subject.members.iter().any(|member| asked.of(&member.peer).is_some());
            (!has).then(|| asked.nothing_to_ask(subject))
        }
    })
}

/// What connects beyond the list.
fn beyond(
    asker: &Asker<'_, '_>,
    direction: Direction,
    subject: &Endpoint,
    listed: &Listed,
    ports: &[PortQuery],
    found: &mut Findings,
) {
    let cluster = &asker.world.cluster;
    let mut workloads: BTreeMap<WorkloadId, BTreeSet<PodId>> = BTreeMap::new();
    let mut rest: Vec<Member> = Vec::new();
    for member in &subject.members {
        match member.peer {
            Peer::Pod(id) => {
                workloads.entry(cluster.pod(id).workload).or_default().insert(id);
            }
            Peer::External(_) | Peer::Name(..) => rest.push(member.clone()),
            Peer::Node(..) => {}
        }
    }
    let asked = match direction {
        Direction::Ingress => Asked::new(asker.world, subject, ports),
        Direction::Egress => {
            let anything = Endpoint { service: None, ..subject.clone() };
            Asked::new(asker.world, &anything, ports)
        }
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(error) => {
            found.add(Status::Failed, || Counterexample::of_end(&error));
            return;
        }
    };
    for (workload, pods) in &workloads {
        for row in asker.lister().rows_of(*workload, direction) {
            found.pairs += 1;
            row_beyond(asker, direction, &row, pods, listed, &asked, ports, found);
        }
        found.pairs += 1;
    }
    if rest.is_empty() {
        return;
    }
    // Of addresses the pods tell, all but the listed ones; nodes themselves are closed to nothing.
    let others = cluster.pod_ids().filter(|id| !listed.pods.contains(id));
    let members: Vec<Member> =
        others.map(|id| Member { peer: Peer::Pod(id), name: cluster.pod_name(id) }).collect();
    if members.is_empty() {
        found.pairs += 1;
        return;
    }
    let everybody = endpoint("any other pod", members);
    let outside = Endpoint { members: rest, ..subject.clone() };
    let (from, to) = crate::analysis::reason::ends(direction, &outside, &everybody);
    for ports in each_port(ports) {
        // A port that nobody has is one that nobody reaches.
        let Ok(answer) = asker.can(from, to, ports) else { continue };
        found.pairs += answer.pairs;
        for group in &answer.groups {
            let status = match (group.allowed.is_empty(), group.unknown.is_empty()) {
                (false, _) => Status::Failed,
                (true, false) => Status::Undetermined,
                (true, true) => continue,
            };
            let shown = if status == Status::Failed { &group.allowed } else { &group.unknown };
            found.add(status, || {
                let text = sentence(status, [&group.example[0], &group.example[1]], shown);
                Counterexample::of_group(asker.world, text, group)
            });
        }
    }
}

fn endpoint(name: &str, members: Vec<Member>) -> Endpoint {
    Endpoint { name: name.into(), members, service: None, family: None, note: None }
}

fn sentence(status: Status, [from, to]: [&str; 2], ports: &ConnectionSet) -> String {
    let is = if status == Status::Failed { "is allowed" } else { "may be allowed" };
    let ports = if ports.is_all() { "every port".to_owned() } else { ports.to_string() };
    format!("{from} → {to} {ports} {is}, and is not in the list")
}

/// What a row opens beyond the list.
#[expect(clippy::too_many_arguments, reason = "one row, and what it is held against")]
fn row_beyond(
    asker: &Asker<'_, '_>,
    direction: Direction,
    row: &Row,
    subjects: &BTreeSet<PodId>,
    listed: &Listed,
    asked: &Asked<'_>,
    ports: &[PortQuery],
    found: &mut Findings,
) {
    let world = asker.world;
    let cluster = &world.cluster;
    let (other, own) = match direction {
        Direction::Ingress => (&row.source, &row.destination),
        Direction::Egress => (&row.destination, &row.source),
    };
    let RowEnd::Workload { id, pods } = own else { return };
    let own: Vec<PodId> = pods.as_ref().unwrap_or(&cluster.workload(*id).pods).clone();
    let own: Vec<PodId> = own.into_iter().filter(|pod| subjects.contains(pod)).collect();
    let mut strangers: Vec<(Peer, String)> = Vec::new();
    match other {
        RowEnd::Workload { id, pods } => {
            let all = pods.as_ref().unwrap_or(&cluster.workload(*id).pods);
            let beyond = all.iter().filter(|pod| !listed.pods.contains(pod));
            strangers.extend(beyond.map(|&pod| (Peer::Pod(pod), cluster.pod_name(pod))));
        }
        RowEnd::Nodes(ids) => {
            let beyond = ids.iter().filter(|id| !listed.nodes.contains(id));
            let name = |id: NodeId| format!("node/{}", cluster.node(id).name);
            strangers.extend(beyond.map(|&id| (Peer::Node(id, None), name(id))));
        }
        RowEnd::External(set) => {
            let beyond = listed.beyond(set).difference(asker.owned());
            for family in Family::ALL {
                let part = beyond.only(family).intersection(&routable_addresses(family));
                if !part.is_empty() {
                    let name = RowEnd::External(part.clone()).name(world, Length::Short);
                    strangers.push((Peer::External(part), name));
                }
            }
        }
        RowEnd::Names(patterns) => {
            let beyond = patterns.iter().filter(|own| !listed.names.contains(&own.to_string()));
            let peer = |own: &crate::net::DomainPattern| Peer::Name(own.stand_in(), None);
            strangers.extend(beyond.map(|own| (peer(own), own.to_string())));
        }
    }
    // A pod and itself are no pair, unless it stands for several; its own node always reaches it.
    let is_pair = |peer: &Peer, pod: PodId| match peer {
        Peer::Pod(other) => *other != pod || cluster.pod(pod).stand_in,
        Peer::Node(id, _) => cluster.pod(pod).node != Some(*id),
        Peer::External(_) | Peer::Name(..) => true,
    };
    for (peer, name) in strangers {
        let hit = own.iter().copied().filter(|&pod| is_pair(&peer, pod)).find_map(|pod| {
            let destination = match direction {
                Direction::Ingress => &Peer::Pod(pod),
                Direction::Egress => &peer,
            };
            let asked = asked.of(destination)?;
            let allowed = row.verdict.allowed.intersection(&asked);
            let unknown = row.verdict.unknown.intersection(&asked);
            match (allowed.is_empty(), unknown.is_empty()) {
                (false, _) => Some((pod, Status::Failed, allowed)),
                (true, false) => Some((pod, Status::Undetermined, unknown)),
                (true, true) => None,
            }
        });
        let Some((pod, status, shown)) = hit else { continue };
        found.add(status, || {
            let own = Member { peer: Peer::Pod(pod), name: cluster.pod_name(pod) };
            let own = endpoint(&own.name.clone(), vec![own]);
            let other = endpoint(&name, vec![Member { peer, name: name.clone() }]);
            let (from, to) = crate::analysis::reason::ends(direction, &own, &other);
            let text = sentence(status, [&from.name, &to.name], &shown);
            match asker.can(from, to, ports) {
                Ok(answer) => match answer.groups.first() {
                    Some(group) => Counterexample::of_group(world, text, group),
                    None => Counterexample::plain(text),
                },
                Err(_) => Counterexample::plain(text),
            }
        });
        // One of a row stands for the others.
        break;
    }
}
