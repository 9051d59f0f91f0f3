//! Which ports a question is about, destination by destination.

use super::answer::Group;
use super::endpoint::{Endpoint, EndpointError};
use super::explain::HintCode;
use super::port::PortQuery;

use super::world::World;
use crate::cluster::{PortRef, Service, ServicePort};
use crate::engine::Peer;
use crate::net::{ConnectionSet, Protocol};
use crate::policy::{PortMatch, Ports, RuleId};

/// Which ports are asked of each destination.
pub(super) struct Asked<'q> {
    world: &'q World,
    service: Option<usize>,
    ports: &'q [PortQuery],
    /// The ports as printed.
    pub(super) shown: Option<String>,
}

impl<'q> Asked<'q> {
    pub(super) fn new(
        world: &'q World,
        destination: &Endpoint,
        ports: &'q [PortQuery],
    ) -> Result<Self, EndpointError> {
        let mut found = Self { world, service: destination.service, ports, shown: None };
        if let Some(service) = found.service() {
            for port in ports {
                if !service.ports.iter().any(|own| matches_service_port(port, own)) {
                    let own: Vec<String> = service
                        .ports
                        .iter()
                        .map(|p| match &p.name {
                            Some(name) => format!("`{}/{}` ({name})", p.protocol, p.port),
                            None => format!("`{}/{}`", p.protocol, p.port),
                        })
                        .collect();
                    return Err(EndpointError {
                        message: format!("`{}` has no port `{port}`", destination.name),
                        help: Some(format!("its ports are {}", own.join(", "))),
                    });
                }
            }
        }
        let shown: Vec<String> = ports.iter().map(|port| found.printed(port)).collect();
        found.shown = (!shown.is_empty()).then(|| shown.join(" "));
        Ok(found)
    }

    fn service(&self) -> Option<&Service> {
        self.service.and_then(|at| self.world.cluster.services.get(at))
    }

    /// A port as printed: the name of a Service's port stands for its protocol too.
    fn printed(&self, port: &PortQuery) -> String {
        let mut named = self.service().into_iter().flat_map(|service| &service.ports);
        match (named.find(|own| matches_service_port(port, own)), &port.port) {
            (Some(own), PortRef::Name(name)) => format!("{}/{name}", own.protocol),
            _ => port.to_string(),
        }
    }

    /// The connections asked of one destination; `None` if it has no such port.
    pub(super) fn of(&self, destination: &Peer) -> Option<ConnectionSet> {
        let mut asked = ConnectionSet::empty();
        if let (Some(service), Peer::Pod(pod)) = (self.service(), destination) {
            // A Service's port is another one on the pod.
            for own in &service.ports {
                if self.ports.is_empty() || self.ports.iter().any(|p| matches_service_port(p, own))
                {
                    for number in self.world.cluster.target_ports(own, *pod) {
                        asked = asked.union(&ConnectionSet::port(own.protocol, number));
                    }
                }
            }
            return (!asked.is_empty()).then_some(asked);
        }
        if self.ports.is_empty() {
            return Some(ConnectionSet::all());
        }
        for port in self.ports {
            match (port.numbers(), &port.port, destination) {
                (Some(numbers), ..) => asked = asked.union(&numbers),
                (None, PortRef::Name(name), Peer::Pod(pod)) => {
                    for number in self.world.cluster.named_ports(*pod, port.protocol(), name, true)
                    {
                        asked = asked.union(&ConnectionSet::port(port.protocol(), number));
                    }
                }
                _ => {}
            }
        }
        (!asked.is_empty()).then_some(asked)
    }

    /// Which ports of the pods a Service's ports are, where they differ; and that a policy names the
    /// Service's port where it should name the pods'.
    pub(super) fn service_notes(&self, destination: &Endpoint, groups: &[Group]) -> Vec<String> {
        let Some(service) = self.service() else { return Vec::new() };
        let mut notes = Vec::new();
        for own in &service.ports {
            if !self.ports.is_empty() && !self.ports.iter().any(|p| matches_service_port(p, own)) {
                continue;
            }
            let mut numbers: Vec<u16> = destination
                .members
                .iter()
                .filter_map(|member| match &member.peer {
                    Peer::Pod(id) => Some(self.world.cluster.target_ports(own, *id)),
                    _ => None,
                })
                .flatten()
                .collect();
            numbers.sort_unstable();
            numbers.dedup();
            if numbers == [own.port] {
                continue;
            }
            let shown: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            let protocol = own.protocol;
            if shown.is_empty() {
                notes.push(format!(
                    "Service port {protocol}/{} leads to no port of the pods (targetPort {})",
                    own.port, own.target
                ));
                continue;
            }
            notes.push(format!(
                "Service port {protocol}/{} is {protocol}/{} on the pods",
                own.port,
                shown.join(",")
            ));
            let nearest = groups.iter().flat_map(|g| &g.reasons).filter_map(|r| r.nearest.as_ref());
            let names_service_port = nearest
                .filter(|hint| hint.code == HintCode::ServicePort)
                .filter_map(|hint| hint.rule)
                .any(|rule| rule_has_port(self.world, rule, protocol, own.port));
            if names_service_port && self.world.policies.dataplane.before_translation {
                let cni = self.world.cni.as_ref().map_or("this CNI", |cni| cni.name());
                notes.push(format!("a policy names the Service's port: on {cni} it may count where the pods' port is another one"));
            } else if names_service_port {
                notes.push("a policy names the Service's port; policies see the pods' port".into());
            }
        }
        notes
    }

    /// No destination has the port: say what there is.
    pub(super) fn nothing_to_ask(&self, destination: &Endpoint) -> EndpointError {
        if let Some(service) = self.service() {
            let targets: Vec<String> =
                service.ports.iter().map(|port| format!("`{}`", port.target)).collect();
            return EndpointError {
                message: format!(
                    "no pod of `{}` has the target port of the Service",
                    destination.name
                ),
                help: Some(format!(
                    "it sends to {}, which no container declares",
                    targets.join(", ")
                )),
            };
        }
        let asked: Vec<String> = self.ports.iter().map(|p| format!("`{p}`")).collect();
        let mut names: Vec<String> = destination
            .members
            .iter()
            .filter_map(|member| match &member.peer {
                Peer::Pod(id) => Some(*id),
                _ => None,
            })
            .flat_map(|id| self.world.cluster.pod(id).ports.iter())
            .filter_map(|port| port.name.as_ref().map(|name| format!("`{name}/{}`", port.protocol)))
            .collect();
        names.sort();
        names.dedup();
        let help = if names.is_empty() {
            "it declares no named ports: ask for a number".to_owned()
        } else {
            format!("its named ports are {}", names.join(", "))
        };
        EndpointError {
            message: format!("`{}` has no port {}", destination.name, asked.join(", ")),
            help: Some(help),
        }
    }
}

/// Whether a rule lists a port by number.
fn rule_has_port(world: &World, rule: RuleId, protocol: Protocol, port: u16) -> bool {
    match &world.policies.rule(rule).ports {
        Ports::Any => false,
        Ports::Of(list) => list.iter().any(|selector| match &selector.matches {
            PortMatch::Numbers(set) => set.contains(protocol, port),
            PortMatch::Named { .. } => false,
        }),
    }
}

pub(super) fn matches_service_port(asked: &PortQuery, own: &ServicePort) -> bool {
    let protocol = asked.protocol.is_none_or(|wanted| wanted == own.protocol);
    protocol
        && match &asked.port {
            PortRef::Number(first) => {
                let meant = asked.protocol.is_some() || own.protocol == Protocol::Tcp;
                meant && (*first..=asked.last.unwrap_or(*first)).contains(&own.port)
            }
            PortRef::Name(name) => own.name.as_ref() == Some(name),
        }
}
