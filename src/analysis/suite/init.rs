//! A first test file out of what is reachable today: what is closed stays as closed as it is.

use super::check::{Asker, Status, check};
use super::file::{Expectation, Wanted};
use crate::analysis::divergence::Engines;
use crate::analysis::list::{Filter, Lister, Row, RowEnd};
use crate::analysis::port::PortQuery;
use crate::analysis::world::World;
use crate::cluster::{ClusterState, PodId, PortRef, WorkloadId, public_addresses};
use crate::diagnostic::Location;
use crate::net::{ConnectionSet, Family, IpSet, Protocol};
use crate::policy::Direction;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a first test file holds.
#[derive(Clone, Debug, Default)]
pub struct FirstTest {
    /// What holds today of each workload that a policy closes.
    pub expectations: Vec<Expectation>,
    /// What is left to the reader, in words.
    pub notes: Vec<String>,
}

/// More ports than these are not told one by one.
const FEW_PORTS: usize = 8;

/// Makes a first test: of each workload (of a namespace, if one is named) who alone reaches it, and what alone it
/// reaches, on the ports that it declares or that rules name. Each expectation holds.
pub fn first_test(world: &World, namespace: Option<&str>) -> FirstTest {
    let cluster = &world.cluster;
    let engines = Engines::new(world);
    let filter = Filter { open: true, ..Filter::default() };
    let lister = Lister::new(world, engines.effective(), &filter);
    let summary = lister.summary();
    let open = [
        summary.open_egress.iter().collect::<BTreeSet<_>>(),
        summary.open_ingress.iter().collect::<BTreeSet<_>>(),
    ];
    let mut out = FirstTest::default();
    let mut made: Vec<Expectation> = Vec::new();
    let mut unclosed: [Vec<String>; 2] = [Vec::new(), Vec::new()];
    for id in cluster.workload_ids() {
        let workload = cluster.workload(id);
        let own = &cluster.namespace(workload.namespace).name;
        let on_node = workload.pods.iter().all(|&pod| cluster.pod(pod).host_network);
        if workload.pods.is_empty() || on_node || namespace.is_some_and(|name| *name != **own) {
            continue;
        }
        for direction in [Direction::Ingress, Direction::Egress] {
            if open[direction.index()].contains(&id) {
                unclosed[direction.index()].push(cluster.workload_name(id));
                continue;
            }
            let rows = lister.rows_of(id, direction);
            match expectations(cluster, id, direction, &rows) {
                Ok(own) => made.extend(own),
                Err(reason) => {
                    let name = cluster.workload_name(id);
                    out.notes.push(format!("not written: {direction} of {name}: {reason}"));
                }
            }
        }
    }
    let asker = Asker::new(world, &engines, made.iter());
    for own in made {
        // Where an end cannot be named exactly the expectation would be another one.
        if check(&asker, &own, Path::new(""), None, false).status == Status::Passed {
            out.expectations.push(own);
        } else {
            out.notes
                .push(format!("not written, as its ends cannot be named exactly: {}", own.name));
        }
    }
    for (direction, names) in Direction::ALL.into_iter().zip(unclosed) {
        if !names.is_empty() {
            let names = names.join(", ");
            out.notes.push(format!("no policy closes {direction} of {names}"));
        }
    }
    out
}

/// The ends of rows, by name.
fn names(cluster: &ClusterState, end: &RowEnd) -> Result<Vec<String>, String> {
    Ok(match end {
        RowEnd::Workload { id, pods: None } => vec![cluster.workload_name(*id)],
        RowEnd::Workload { pods: Some(pods), .. } => {
            pods.iter().map(|&pod: &PodId| cluster.pod_name(pod)).collect()
        }
        RowEnd::Nodes(ids) => {
            ids.iter().map(|&id| format!("node/{}", cluster.node(id).name)).collect()
        }
        RowEnd::External(set) => outside(set),
        RowEnd::Names(patterns) => {
            let texts: Vec<String> = patterns.iter().map(ToString::to_string).collect();
            if let Some(pattern) = texts.iter().find(|text| text.contains('*')) {
                return Err(format!("`{pattern}` stands for many names"));
            }
            texts
        }
    })
}

/// `internet` where it is in a set, and the blocks of the rest.
fn outside(set: &IpSet) -> Vec<String> {
    let mut out = BTreeSet::new();
    for family in Family::ALL {
        let (own, public) = (set.only(family), public_addresses(family));
        let rest = if !own.is_empty() && public.is_subset(&own) {
            out.insert("internet".to_owned());
            own.difference(&public)
        } else {
            own
        };
        out.extend(rest.to_blocks().iter().map(ToString::to_string));
    }
    out.into_iter().collect()
}

fn expectations(
    cluster: &ClusterState,
    id: WorkloadId,
    direction: Direction,
    rows: &[Row],
) -> Result<Vec<Expectation>, String> {
    if rows.iter().any(|row| !row.verdict.unknown.is_empty()) {
        return Err("some of it is undetermined".into());
    }
    let name = cluster.workload_name(id);
    let mut all: BTreeSet<String> = BTreeSet::new();
    let mut allowed: Vec<(Vec<String>, &ConnectionSet)> = Vec::new();
    let pods = &cluster.workload(id).pods;
    for row in rows {
        let (own, other) = match direction {
            Direction::Ingress => (&row.destination, &row.source),
            Direction::Egress => (&row.source, &row.destination),
        };
        if matches!(own, RowEnd::Workload { pods: Some(some), .. } if some.len() < pods.len()) {
            return Err("its pods differ".into());
        }
        let names = names(cluster, other)?;
        all.extend(names.iter().cloned());
        allowed.push((names, &row.verdict.allowed));
    }
    let wanted = |ports: Vec<PortQuery>, only: BTreeSet<String>| {
        let only: Vec<String> = only.into_iter().collect();
        match direction {
            Direction::Ingress => Wanted::OnlyFrom { to: vec![name.clone()], ports, only },
            Direction::Egress => Wanted::OnlyTo { from: vec![name.clone()], ports, only },
        }
    };
    let sentence = |on: &str, only: &BTreeSet<String>| {
        let whom = match only.len() {
            0 => "nobody".to_owned(),
            1..=3 => {
                let names: Vec<&str> = only.iter().map(String::as_str).collect();
                format!("only {}", names.join(", "))
            }
            more => format!("only these {more}"),
        };
        match direction {
            Direction::Ingress => format!("{name} is reached by {whom}{on}"),
            Direction::Egress => format!("{name} reaches {whom}{on}"),
        }
    };
    let expectation = |name: String, wanted: Wanted| Expectation {
        name,
        place: Location { path: "".into(), line: 0, column: 0, template: None },
        wanted,
        under: Vec::new(),
        may_match_nothing: false,
        skip: None,
        skip_undetermined: false,
    };
    let mut out = vec![expectation(sentence("", &all), wanted(Vec::new(), all))];
    for ((protocol, port), only) in by_port(cluster, id, direction, &allowed) {
        let on = format!(" on {protocol}/{port}");
        let port = PortQuery { protocol: Some(protocol), port: PortRef::Number(port), last: None };
        out.push(expectation(sentence(&on, &only), wanted(vec![port], only)));
    }
    Ok(out)
}

/// Who or whom, by each port that the workload declares, or that rules name where these are few.
fn by_port(
    cluster: &ClusterState,
    id: WorkloadId,
    direction: Direction,
    allowed: &[(Vec<String>, &ConnectionSet)],
) -> BTreeMap<(Protocol, u16), BTreeSet<String>> {
    let mut ports: BTreeSet<(Protocol, u16)> = BTreeSet::new();
    if direction == Direction::Ingress {
        let pods = cluster.workload(id).pods.iter();
        let declared = pods.flat_map(|&pod| cluster.pod(pod).ports.iter());
        ports.extend(declared.map(|port| (port.protocol, port.number)));
    }
    for (_, set) in allowed {
        let single = set.ranges().filter(|(_, first, last)| first == last);
        ports.extend(single.map(|(protocol, port, _)| (protocol, port)).take(FEW_PORTS));
    }
    let of = |(protocol, port): (Protocol, u16)| {
        let own = allowed.iter().filter(|(_, set)| set.contains(protocol, port));
        own.flat_map(|(names, _)| names.iter().cloned()).collect()
    };
    ports.into_iter().map(|port| (port, of(port))).collect()
}
