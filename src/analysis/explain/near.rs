//! Near misses: for a direction that is denied, the rules that came closest to allowing the connection,
//! and the one thing in which each fails.

use super::super::words::{Words, place, port, ports, short};
use super::hint::{Hint, HintCode};
use crate::cluster::{
    AddressKnowledge, ClusterState, Labels, Operator, PodId, PortRef, Requirement, Service,
    ServicePort,
};
use crate::diagnostic::Span;
use crate::engine::reference::Flow;
use crate::engine::{
    Decision, DirectionTrace, Outcome, Peer, PeerMiss, RuleTrace, ask, pod_misses,
};
use crate::net::Protocol;
use crate::policy::{
    Action, Direction, NamespaceMatch, PeerForm, PeerMatch, Peers, PodsMatch, PolicyId, PolicyKind,
    PortMatch, Ports, RuleId,
};
use std::net::IpAddr;

/// How much is found out: the closest rule, or every one that is close, and the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::analysis) enum Detail {
    Brief,
    Full,
}

/// At most so many are told of one direction: what is further away is in the account of all rules.
const MOST: usize = 3;

/// What is no further than this from the closest one is told as well.
const ALSO: u32 = 1;

/// What is further away than this is not near.
const FAR: u32 = 8;

/// A rule that does not match, and by how much.
struct Candidate<'t> {
    rule: &'t RuleTrace,
    /// The selector that came closest, and what keeps it from matching.
    peer: Option<(usize, &'t [PeerMiss])>,
    /// It is not about the port.
    port: Option<PortMiss>,
    cost: u32,
}

/// Why a rule is not about a port.
#[derive(Clone, Debug)]
enum PortMiss {
    /// It has the number, by this protocol.
    Protocol(Protocol),
    /// It has the port of a Service that leads to the one asked for: its place, and the Service's port.
    Service(usize, u16),
    /// It names ports that the destination does not have.
    Unresolved,
    /// It has no port at all.
    Nothing,
    /// It has others.
    Others,
}

impl PortMiss {
    fn cost(&self) -> u32 {
        match self {
            Self::Service(..) => 1,
            Self::Protocol(_) | Self::Unresolved => 2,
            Self::Others => 3,
            Self::Nothing => 5,
        }
    }
}

/// The rules that came closest to allowing what a direction denies, closest first.
pub(in crate::analysis) fn near_hints(
    words: Words<'_>,
    flow: &Flow,
    trace: &DirectionTrace,
    end: &str,
    other: &str,
    detail: Detail,
) -> Vec<Hint> {
    if trace.decision != Decision::Denied {
        return Vec::new();
    }
    let near = Near { words, flow, direction: trace.direction, end, other, detail };
    let asked = trace.policies.iter().flat_map(|policy| &policy.rules).filter(|rule| rule.asked);
    let mut found: Vec<Candidate<'_>> = asked.filter_map(|rule| near.candidate(rule)).collect();
    found.sort_by_key(|candidate| candidate.cost);
    let limit = found.first().map_or(0, |first| first.cost + ALSO);
    let most = if detail == Detail::Full { MOST } else { 1 };
    let close = found.iter().take_while(|candidate| candidate.cost <= limit).take(most);
    let mut hints: Vec<(u32, Hint)> =
        close.map(|candidate| (candidate.cost, near.hint(candidate))).collect();
    if detail == Detail::Full {
        hints.extend(near.unselecting());
        hints.sort_by_key(|(cost, _)| *cost);
        hints.truncate(MOST);
    }
    hints.into_iter().map(|(_, hint)| hint).collect()
}

/// Policies that nearly select a pod which they would isolate: what no other policy selects is open.
pub(super) fn nearly_selecting(words: Words<'_>, direction: Direction, pod: PodId) -> Vec<Hint> {
    let mut hints: Vec<(u32, Hint)> = Vec::new();
    for (id, misses) in subject_misses(words, pod) {
        let policy = words.policies.policy(id);
        let [PeerMiss::PodLabel { wanted, .. }] = misses.as_slice() else { continue };
        if !policy.isolates[direction.index()] {
            continue;
        }
        let cluster = words.cluster();
        let nothing = !selects_any(cluster, &policy.subject);
        let cost = label_cost(cluster, wanted, pod);
        // Policies about other pods are everywhere: only one that looks like a slip is worth a word.
        if !nothing && cost > 1 {
            continue;
        }
        let own = cluster.pod_name(pod);
        let has = has(&cluster.pod(pod).labels, wanted);
        let name = words.policy_name(id);
        let (code, text) = if nothing {
            let text =
                format!("{name} selects no pod: it wants {wanted}, and {} {has}", short(&own));
            (HintCode::SubjectSelectsNothing, text)
        } else {
            let text = format!(
                "{name} does not select {}: it wants {wanted}, {} {has}",
                short(&own),
                short(&own)
            );
            (HintCode::SubjectMissesPod, text)
        };
        let mut hint = Hint::new(code, text).at(wanted.span, format!("{} {has}", short(&own)));
        hint = match label_help(cluster, wanted, pod) {
            Some(help) => hint.help(help),
            None => hint,
        };
        hints.push((cost, hint));
    }
    hints.sort_by_key(|(cost, _)| *cost);
    hints.truncate(MOST);
    hints.into_iter().map(|(_, hint)| hint).collect()
}

/// The NetworkPolicies of a pod's namespace that do not select it, with what keeps them from it.
fn subject_misses(
    words: Words<'_>,
    pod: PodId,
) -> impl Iterator<Item = (PolicyId, Vec<PeerMiss>)> + '_ {
    let namespace = words.cluster().pod(pod).namespace;
    let all = words.policies.policies.iter().enumerate();
    all.filter(move |(_, policy)| {
        policy.kind == PolicyKind::NetworkPolicy && policy.namespace == Some(namespace)
    })
    .map(move |(at, policy)| (PolicyId::new(at), pod_misses(words.cluster(), &policy.subject, pod)))
    .filter(|(_, misses)| !misses.is_empty())
}

/// Whether a selector is about any pod of the input.
pub(super) fn selects_any(cluster: &ClusterState, wanted: &PodsMatch) -> bool {
    let is = |id: PodId| {
        let pod = cluster.pod(id);
        wanted.matches(pod, cluster.namespace(pod.namespace)) != Some(false)
    };
    match wanted.namespaces {
        NamespaceMatch::Is(own) => cluster.pods_in(own).any(is),
        NamespaceMatch::Labelled(_) => cluster.pod_ids().any(is),
    }
}

struct Near<'a> {
    words: Words<'a>,
    flow: &'a Flow,
    direction: Direction,
    end: &'a str,
    other: &'a str,
    detail: Detail,
}

impl<'a> Near<'a> {
    fn cluster(&self) -> &'a ClusterState {
        self.words.cluster()
    }

    fn other(&self) -> &'a Peer {
        match self.direction {
            Direction::Egress => &self.flow.destination,
            Direction::Ingress => &self.flow.source,
        }
    }

    /// How close a rule is; `None` where it matches, or where nothing can be said.
    fn candidate<'t>(&self, trace: &'t RuleTrace) -> Option<Candidate<'t>> {
        let rule = self.words.policies.rule(trace.rule);
        if rule.action != Action::Allow {
            return None;
        }
        let port = (!trace.port).then(|| self.port_miss(trace.rule));
        let peer = match trace.peer {
            Outcome::Matches => None,
            Outcome::Unknown(_) => return None,
            Outcome::Fails => {
                let each = trace.peers.iter().enumerate();
                let failing = each.filter(|(_, peer)| peer.outcome == Outcome::Fails);
                let costs = failing.map(|(at, peer)| {
                    (self.peer_cost(trace.rule, at, &peer.misses), at, peer.misses.as_slice())
                });
                Some(costs.min_by_key(|(cost, ..)| *cost)?)
            }
        };
        let cost = match (&peer, &port) {
            (None, None) => return None,
            (None, Some(port)) => port.cost(),
            (Some((cost, ..)), None) => *cost,
            // Two things are further away than one.
            (Some((cost, ..)), Some(port)) => cost + port.cost() + 3,
        };
        // Of a rule about other pods on other ports nothing is near.
        let apart = peer.is_some() && port.is_some();
        if cost > FAR || self.detail == Detail::Brief && apart {
            return None;
        }
        Some(Candidate { rule: trace, peer: peer.map(|(_, at, misses)| (at, misses)), port, cost })
    }

    fn peer_cost(&self, rule: RuleId, selector: usize, misses: &[PeerMiss]) -> u32 {
        let of_release = |miss: &&PeerMiss| matches!(miss, PeerMiss::PodLabel { wanted, .. } if is_of_release(&wanted.key));
        // However many labels a release changes, it is one thing.
        let releases = misses.iter().filter(of_release).count();
        let others = misses.iter().filter(|miss| !of_release(miss));
        let others: u32 = others.map(|miss| self.miss_cost(rule, selector, miss)).sum();
        others + u32::from(releases > 0)
    }

    fn miss_cost(&self, rule: RuleId, selector: usize, miss: &PeerMiss) -> u32 {
        match miss {
            PeerMiss::PodLabel { wanted, pod } => label_cost(self.cluster(), wanted, *pod),
            PeerMiss::NamespaceLabel { wanted, pod } => {
                let namespace = self.cluster().namespace(self.cluster().pod(*pod).namespace);
                let by_name = wanted.values.contains(&namespace.name);
                if by_name { 1 } else { 3 }
            }
            PeerMiss::OtherNamespace { .. } => {
                // Labels that are the pod's name the pod; without any the rule is about the namespace.
                if self.pods_of(rule, selector).is_some_and(|p| p.pods.requirements().is_empty()) {
                    4
                } else {
                    2
                }
            }
            PeerMiss::HostNetwork | PeerMiss::Unreached => 3,
            PeerMiss::Address => 4,
            PeerMiss::NotAPod | PeerMiss::NotTheNode | PeerMiss::NotTheName => 6,
        }
    }

    fn pods_of(&self, rule: RuleId, selector: usize) -> Option<&'a PodsMatch> {
        match &self.words.policies.rule(rule).peers {
            Peers::Of(list) => match &list.get(selector)?.matches {
                PeerMatch::Pods(pods) => Some(pods),
                _ => None,
            },
            Peers::Any => None,
        }
    }

    fn port_miss(&self, id: RuleId) -> PortMiss {
        let rule = self.words.policies.rule(id);
        let Ports::Of(list) = &rule.ports else { return PortMiss::Others };
        let numbers = || {
            list.iter().filter_map(|port| match &port.matches {
                PortMatch::Numbers(set) => Some(set),
                PortMatch::Named { .. } => None,
            })
        };
        let has = |protocol, port| numbers().any(|set| set.contains(protocol, port));
        let services = self.services();
        if let Some(&(at, port)) = services.iter().find(|&&(_, port)| has(self.flow.protocol, port))
        {
            return PortMiss::Service(at, port);
        }
        let other = Protocol::ALL.into_iter().filter(|&p| p != self.flow.protocol);
        if let Some(protocol) = other.into_iter().find(|&protocol| has(protocol, self.flow.port)) {
            return PortMiss::Protocol(protocol);
        }
        if list
            .iter()
            .all(|port| matches!(&port.matches, PortMatch::Numbers(set) if set.is_empty()))
        {
            return PortMiss::Nothing;
        }
        if numbers().next().is_none() && !self.resolves(id) {
            return PortMiss::Unresolved;
        }
        PortMiss::Others
    }

    /// Whether any name of a rule is a port of the destination.
    fn resolves(&self, id: RuleId) -> bool {
        let (Peer::Pod(pod), Ports::Of(list)) =
            (&self.flow.destination, &self.words.policies.rule(id).ports)
        else {
            return false;
        };
        let sidecars = self.words.policies.dataplane.sidecar_port_names;
        list.iter().any(|port| match &port.matches {
            PortMatch::Named { protocol, name } => {
                !self.cluster().named_ports(*pod, *protocol, name, sidecars).is_empty()
            }
            PortMatch::Numbers(_) => true,
        })
    }

    /// Services whose port leads to the one asked for, and is another number: place and number.
    fn services(&self) -> Vec<(usize, u16)> {
        let Peer::Pod(pod) = &self.flow.destination else { return Vec::new() };
        services_of(self.cluster(), *pod)
            .flat_map(|(at, service)| service.ports.iter().map(move |port| (at, port)))
            .filter(|(_, port)| {
                port.protocol == self.flow.protocol
                    && port.port != self.flow.port
                    && self.cluster().target_ports(port, *pod).contains(&self.flow.port)
            })
            .map(|(at, port)| (at, port.port))
            .collect()
    }

    fn hint(&self, candidate: &Candidate<'_>) -> Hint {
        let id = candidate.rule.rule;
        let hint = match (candidate.peer, &candidate.port) {
            (Some((at, misses)), port) => {
                let hint = self.peer_hint(id, at, misses);
                match port {
                    Some(_) => {
                        let opens = ports(&self.words.policies.rule(id).ports);
                        Hint { text: format!("{}; and it opens {opens} alone", hint.text), ..hint }
                    }
                    None => self.with_matching_port(hint, candidate.rule),
                }
            }
            (None, Some(miss)) => self.with_matching_peer(self.port_hint(id, miss), candidate.rule),
            (None, None) => Hint::new(HintCode::PortNotOpened, self.words.rule_name(id)),
        };
        hint.of_rule(id)
    }

    /// What the rule says of the port, where that is not what is amiss.
    fn with_matching_port(&self, hint: Hint, trace: &RuleTrace) -> Hint {
        let Ports::Of(list) = &self.words.policies.rule(trace.rule).ports else { return hint };
        let at = trace.ports.iter().position(|&has| has);
        match at.and_then(|at| list.get(at)) {
            Some(port) => hint.at(port.span, "matches"),
            None => hint,
        }
    }

    /// What the rule says of the other end, where that is not what is amiss.
    fn with_matching_peer(&self, hint: Hint, trace: &RuleTrace) -> Hint {
        let Peers::Of(list) = &self.words.policies.rule(trace.rule).peers else { return hint };
        let at = trace.peers.iter().position(|peer| peer.outcome == Outcome::Matches);
        match at.and_then(|at| list.get(at)) {
            Some(peer) => hint.at(place(peer), format!("matches {}", short(self.other))),
            None => hint,
        }
    }

    fn peer_hint(&self, id: RuleId, at: usize, misses: &[PeerMiss]) -> Hint {
        let name = self.words.rule_name(id);
        let rule = self.words.policies.rule(id);
        let selector = match &rule.peers {
            Peers::Of(list) => list.get(at),
            Peers::Any => None,
        };
        let span = selector.map_or(rule.span, |selector| selector.span);
        let (Some(first), Some(selector)) = (misses.first(), selector) else {
            return Hint::new(HintCode::LabelMissing, name).at(rule.span, "");
        };
        let other = short(self.other);
        let (code, what, span, label) = self.miss_words(first, selector, span);
        let more = match misses.len() - 1 {
            0 => String::new(),
            1 => format!("; and {}", self.miss_words(&misses[1], selector, span).1),
            more => format!("; and {more} more things"),
        };
        let mut hint = Hint::new(code, format!("{name} {what}{more}")).at(span, label);
        if let [_, rest @ ..] = misses {
            for miss in rest {
                let (_, _, place, label) = self.miss_words(miss, selector, span);
                if place != span {
                    hint = hint.at(place, label);
                }
            }
        }
        let help = if self.detail == Detail::Full {
            self.peer_help(first, id, at, misses.len() == 1, other)
        } else {
            None
        };
        match help {
            Some(help) => hint.help(help),
            None => hint,
        }
    }

    /// What keeps a selector from matching: its code, a clause that goes on from the rule's name, the
    /// place, and the words to show there.
    fn miss_words(
        &self,
        miss: &PeerMiss,
        selector: &crate::policy::PeerSelector,
        span: Span,
    ) -> (HintCode, String, Span, String) {
        let cluster = self.cluster();
        let other = short(self.other);
        match miss {
            PeerMiss::PodLabel { wanted, pod } => {
                let found = has(&cluster.pod(*pod).labels, wanted);
                let code = label_code(&cluster.pod(*pod).labels, wanted);
                (
                    code,
                    format!("wants {wanted}, {other} {found}"),
                    wanted.span,
                    format!("{other} {found}"),
                )
            }
            PeerMiss::NamespaceLabel { wanted, pod } => {
                let namespace = cluster.namespace(cluster.pod(*pod).namespace);
                let found = has(&namespace.labels, wanted);
                let name = &namespace.name;
                (
                    HintCode::NamespaceLabel,
                    format!("wants namespaces with {wanted}, {name} {found}"),
                    wanted.span,
                    format!("namespace {name} {found}"),
                )
            }
            PeerMiss::OtherNamespace { wanted, pod } => {
                let theirs = &cluster.namespace(cluster.pod(*pod).namespace).name;
                let own = &cluster.namespace(*wanted).name;
                (
                    HintCode::OtherNamespace,
                    format!("is about pods of its own namespace, {other} is in {theirs}"),
                    span,
                    format!("pods of {own} alone; {other} is in {theirs}"),
                )
            }
            PeerMiss::HostNetwork => (
                HintCode::HostNetworkPeer,
                format!("selects by labels, which {other} on its node's network has none of"),
                span,
                format!("no selector sees {other}: it is on its node's network"),
            ),
            PeerMiss::NotAPod => {
                let node = matches!(self.other(), Peer::Node(..));
                let code = if node { HintCode::HostNetworkPeer } else { HintCode::OutsidePeer };
                let what = if node { "a node" } else { "no pod" };
                (
                    code,
                    format!("selects pods, and {other} is {what}"),
                    span,
                    format!("selects pods; {other} is {what}"),
                )
            }
            PeerMiss::Address => self.address_words(selector, span),
            PeerMiss::Unreached => {
                let cni = self.words.cni();
                (
                    HintCode::BlockUnreached,
                    format!("is about addresses, and {cni} does not match {other} by these"),
                    span,
                    format!("{cni} matches {other} by labels, not by addresses"),
                )
            }
            PeerMiss::NotTheNode => (
                HintCode::OutsidePeer,
                format!("is about {}, and {other} is none of these", self.words.peer(selector)),
                span,
                format!("{other} is none of these"),
            ),
            PeerMiss::NotTheName => (
                HintCode::OutsidePeer,
                format!("is about {}, and {other} is another host", self.words.peer(selector)),
                span,
                format!("{other} is another host"),
            ),
        }
    }

    fn address_words(
        &self,
        selector: &crate::policy::PeerSelector,
        span: Span,
    ) -> (HintCode, String, Span, String) {
        let other = short(self.other);
        let address = address(self.cluster(), self.flow, self.other());
        let who = match address {
            Some(address) if self.other != address.to_string() => format!("{other} ({address})"),
            _ => other.to_owned(),
        };
        if let (PeerForm::Block { except, .. }, Some(address)) = (&selector.form, address)
            && let Some(hole) = except.iter().find(|hole| hole.contains(&address))
        {
            return (
                HintCode::AddressExcepted,
                format!("leaves out {hole}, where {who} is"),
                span,
                format!("{who} is in `except` {hole}"),
            );
        }
        let block = self.words.peer(selector);
        if let PeerMatch::Addresses(set, _) = &selector.matches
            && set.only(self.flow.family).is_empty()
        {
            let family = self.flow.family;
            return (
                HintCode::AddressOutside,
                format!("is about {block}, and the connection is over {family}"),
                span,
                format!("the connection is over {family}"),
            );
        }
        let is = if address.is_some() { "is outside" } else { "is not in it" };
        (
            HintCode::AddressOutside,
            format!("is about {block}, {who} {is}"),
            span,
            format!("{who} {is}"),
        )
    }

    fn peer_help(
        &self,
        miss: &PeerMiss,
        id: RuleId,
        at: usize,
        only: bool,
        other: &str,
    ) -> Option<String> {
        let cluster = self.cluster();
        let list = match self.direction {
            Direction::Egress => "to",
            Direction::Ingress => "from",
        };
        match miss {
            PeerMiss::PodLabel { wanted, pod } => {
                if let Some(help) = label_help(cluster, wanted, *pod) {
                    return Some(help);
                }
                if let Some(pods) = self.pods_of(id, at)
                    && !selects_any(cluster, pods)
                {
                    return Some(format!(
                        "no pod in the input is {}: the selector matches nothing",
                        self.words.pods(pods)
                    ));
                }
                let value = cluster.pod(*pod).labels.get(&wanted.key)?;
                let key = &wanted.key;
                only.then(|| format!(
                    "if {other} is meant as well: add `- podSelector: {{matchLabels: {{{key}: {value}}}}}` to `{list}`"
                ))
            }
            PeerMiss::NamespaceLabel { wanted, pod } => {
                let namespace = cluster.namespace(cluster.pod(*pod).namespace);
                let name = &namespace.name;
                Some(format!(
                    "write `kubernetes.io/metadata.name: {name}`, which every namespace has of itself, or label the namespace: `kubectl label namespace {name} {}`",
                    label_argument(wanted)
                ))
            }
            PeerMiss::OtherNamespace { pod, .. } => {
                let name = &cluster.namespace(cluster.pod(*pod).namespace).name;
                Some(format!(
                    "a `podSelector` alone is about the policy's own namespace: add to the same item `namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}`"
                ))
            }
            PeerMiss::HostNetwork | PeerMiss::NotAPod
                if !matches!(self.other(), Peer::Name(..)) =>
            {
                let address = address(cluster, self.flow, self.other());
                let bits = |a: IpAddr| if a.is_ipv4() { 32 } else { 128 };
                let shown = address.map(|a| format!("`{a}/{}`", bits(a)));
                Some(match (self.other(), shown) {
                    (Peer::External(_), Some(block)) => {
                        format!(
                            "addresses outside are let through by an `ipBlock`, such as {block}"
                        )
                    }
                    (Peer::External(_), None) => {
                        "addresses outside are let through by an `ipBlock`, such as `0.0.0.0/0`"
                            .into()
                    }
                    (_, Some(block)) => format!(
                        "{other} has the address of its node: let that through by an `ipBlock`, such as {block}, or the nodes' block (on some CNIs blocks do not match nodes: `kubereach explain-code block-not-cluster`)"
                    ),
                    (_, None) => format!(
                        "{other} has the address of its node: let the nodes' addresses through by an `ipBlock`"
                    ),
                })
            }
            PeerMiss::Address => {
                let address = address(cluster, self.flow, self.other())?;
                let bits = if address.is_ipv4() { 32 } else { 128 };
                Some(format!("a block that holds it lets it through, such as `{address}/{bits}`"))
            }
            PeerMiss::Unreached => Some(format!(
                "select {other} by `podSelector` and `namespaceSelector` (`kubereach explain-code block-not-cluster`)"
            )),
            _ => None,
        }
    }

    fn port_hint(&self, id: RuleId, miss: &PortMiss) -> Hint {
        let name = self.words.rule_name(id);
        let rule = self.words.policies.rule(id);
        let asked = format!("{}/{}", self.flow.protocol, self.flow.port);
        let opens = ports(&rule.ports);
        let verb = match self.direction {
            Direction::Ingress => format!("lets {} through", short(self.other)),
            Direction::Egress => format!("lets it reach {}", short(self.other)),
        };
        let list: &[_] = match &rule.ports {
            Ports::Of(list) => list,
            Ports::Any => &[],
        };
        let place = |wanted: &dyn Fn(&PortMatch) -> bool| {
            let at = list.iter().find(|port| wanted(&port.matches)).or(list.first());
            at.map_or(rule.span, |port| port.span)
        };
        let has = |set: &PortMatch, protocol, number| matches!(set, PortMatch::Numbers(set) if set.contains(protocol, number));
        match miss {
            PortMiss::Service(at, number) => {
                let service = &self.cluster().services[*at];
                let protocol = self.flow.protocol;
                let span = place(&|port| has(port, protocol, *number));
                let hint = Hint::new(
                    HintCode::ServicePort,
                    format!(
                        "{name} opens {protocol}/{number}, the port of Service {}; its pods listen on {asked}",
                        service.name
                    ),
                )
                .at(span, format!("the port of Service {}; policies see the pods' port, {asked}", service.name));
                let own =
                    service.ports.iter().find(|p| p.port == *number && p.protocol == protocol);
                let hint = match own {
                    Some(own) => hint.at(
                        own.span,
                        format!(
                            "Service {}: port {number}, targetPort {}",
                            service.name, own.target
                        ),
                    ),
                    None => hint,
                };
                hint.help(format!("open `port: {}`: the address of a Service is translated before policies are asked", target(own, self.flow.port)))
            }
            PortMiss::Protocol(protocol) => {
                let span = place(&|port| has(port, *protocol, self.flow.port));
                Hint::new(
                    HintCode::ProtocolDiffers,
                    format!("{name} {verb} on {protocol}/{}, not on {asked}", self.flow.port),
                )
                .at(span, format!("{protocol}; asked about {}", self.flow.protocol))
                .help(format!(
                    "add an item with `protocol: {}`: without `protocol` a port is one of TCP",
                    self.flow.protocol.api_name()
                ))
            }
            PortMiss::Unresolved => {
                let Ports::Of(list) = &rule.ports else {
                    return Hint::new(HintCode::PortNameUnresolved, name);
                };
                let names: Vec<String> = list.iter().map(port).collect();
                let hint = Hint::new(
                    HintCode::PortNameUnresolved,
                    format!("{name} names ports that do not resolve there: {}", names.join(", ")),
                );
                let to = self.destination();
                let hint = hint.at(place(&|_| true), format!("{to} has no port of this name"));
                match self.declared_ports() {
                    Some(declared) => hint.help(format!("{to} declares {declared}")),
                    None => hint.help(format!("{to} declares no named ports: name the number")),
                }
            }
            PortMiss::Nothing => Hint::new(
                HintCode::PortNotOpened,
                format!("{name} opens no port on {}", self.words.cni()),
            )
            .at(place(&|_| true), "opens nothing"),
            PortMiss::Others => {
                let text = format!("{name} {verb} on {opens}");
                let hint = Hint::new(HintCode::PortNotOpened, text)
                    .at(place(&|_| true), format!("{opens}; asked about {asked}"));
                match self.flow.protocol {
                    Protocol::Tcp => {
                        hint.help(format!("to allow it add `- port: {}`", self.flow.port))
                    }
                    other => hint.help(format!(
                        "to allow it add `- port: {}` with `protocol: {}`",
                        self.flow.port,
                        other.api_name()
                    )),
                }
            }
        }
    }

    fn destination(&self) -> &'a str {
        match self.direction {
            Direction::Egress => short(self.other),
            Direction::Ingress => short(self.end),
        }
    }

    /// The ports that the destination declares, by name.
    fn declared_ports(&self) -> Option<String> {
        let Peer::Pod(pod) = &self.flow.destination else { return None };
        let ports = self.cluster().pod(*pod).ports.iter();
        let named: Vec<String> = ports
            .filter_map(|p| Some(format!("`{}` ({}/{})", p.name.as_ref()?, p.protocol, p.number)))
            .collect();
        (!named.is_empty()).then(|| named.join(", "))
    }

    /// Policies with a rule that would allow the connection, and that nearly select the pod.
    fn unselecting(&self) -> Vec<(u32, Hint)> {
        let end = match self.direction {
            Direction::Egress => &self.flow.source,
            Direction::Ingress => &self.flow.destination,
        };
        let Peer::Pod(pod) = end else { return Vec::new() };
        let (words, cluster) = (self.words, self.cluster());
        let mut out = Vec::new();
        for (id, misses) in subject_misses(words, *pod) {
            let [PeerMiss::PodLabel { wanted, .. }] = misses.as_slice() else { continue };
            let policy = words.policies.policy(id);
            let cost = label_cost(cluster, wanted, *pod);
            let nothing = !selects_any(cluster, &policy.subject);
            if cost > 1 && !nothing {
                continue;
            }
            let rules = policy.rules[self.direction.index()].iter();
            let allows = |rule: &&RuleId| {
                ask(cluster, words.policies, self.flow, **rule)
                    .is_some_and(|said| said.port && said.peer == Outcome::Matches)
            };
            let counts = policy.counts[self.direction.index()];
            let Some(&rule) = rules.filter(|_| counts).find(allows) else { continue };
            let found = has(&cluster.pod(*pod).labels, wanted);
            let name = words.rule_name(rule);
            let end = short(self.end);
            let text = format!(
                "{name} would allow it, and the policy does not select {end}: it wants {wanted}, {end} {found}"
            );
            let hint = Hint::new(HintCode::SubjectMissesPod, text)
                .at(wanted.span, format!("{end} {found}"))
                .of_rule(rule);
            out.push((
                cost + 1,
                match label_help(cluster, wanted, *pod) {
                    Some(help) => hint.help(help),
                    None => hint,
                },
            ));
        }
        out
    }
}

fn target(own: Option<&ServicePort>, number: u16) -> String {
    match own.map(|own| &own.target) {
        Some(PortRef::Name(name)) => format!("{number}` or `port: {name}"),
        _ => number.to_string(),
    }
}

/// The Services that lead to a pod, with their places in the cluster's list.
pub(super) fn services_of(
    cluster: &ClusterState,
    pod: PodId,
) -> impl Iterator<Item = (usize, &Service)> {
    let own = cluster.pod(pod);
    cluster.services.iter().enumerate().filter(move |(_, service)| {
        service.namespace == own.namespace
            && service.selector.as_ref().is_some_and(|selector| {
                selector
                    .iter()
                    .all(|(key, value)| own.labels.get(key).is_some_and(|v| **v == *value))
            })
    })
}

/// The one address that an end is known to have.
fn address(cluster: &ClusterState, flow: &Flow, peer: &Peer) -> Option<IpAddr> {
    match peer.address(cluster, flow.family) {
        AddressKnowledge::Exactly(address) => Some(address),
        AddressKnowledge::None | AddressKnowledge::OneOf(_) => None,
    }
}

/// `has app=web`, `has no label app`
fn has(labels: &Labels, wanted: &Requirement) -> String {
    match labels.get(&wanted.key) {
        Some(value) => format!("has {}={value}", wanted.key),
        None => format!("has no label {}", wanted.key),
    }
}

fn label_code(labels: &Labels, wanted: &Requirement) -> HintCode {
    match (wanted.operator, labels.get(&wanted.key)) {
        (Operator::NotIn | Operator::DoesNotExist, _) => HintCode::LabelExcluded,
        (_, Some(_)) => HintCode::LabelDiffers,
        (_, None) => HintCode::LabelMissing,
    }
}

/// A label as `kubectl label` takes it.
fn label_argument(wanted: &Requirement) -> String {
    match wanted.values.first() {
        Some(value) if wanted.operator == Operator::In => format!("{}={value}", wanted.key),
        _ => wanted.to_string(),
    }
}

/// Labels that change with each release: who selects by them selects pods of one release.
fn is_of_release(key: &str) -> bool {
    const NAMES: [&str; 9] = [
        "version",
        "chart",
        "release-version",
        "app.kubernetes.io/version",
        "helm.sh/chart",
        "pod-template-hash",
        "controller-revision-hash",
        "revision",
        "commit",
    ];
    NAMES.contains(&key)
}

/// Whether two values are the same but for a slip.
fn is_slip(a: &str, b: &str) -> bool {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
    };
    let (a, b) = (plain(a), plain(b));
    let long = a.len().min(b.len()) >= 4;
    a == b
        || long && strsim::damerau_levenshtein(&a, &b) <= 1 + a.len().max(b.len()) / 8
        || long && (a == format!("{b}s") || b == format!("{a}s"))
}

/// How far a pod's label is from what is wanted: 1 for what looks like a slip.
fn label_cost(cluster: &ClusterState, wanted: &Requirement, pod: PodId) -> u32 {
    let labels = &cluster.pod(pod).labels;
    if is_of_release(&wanted.key) {
        return 1;
    }
    match (wanted.operator, labels.get(&wanted.key)) {
        (Operator::In, Some(value)) if wanted.values.iter().any(|w| is_slip(w, value)) => 1,
        (Operator::In, None) if same_under_other_key(labels, wanted).is_some() => 1,
        _ => 3,
    }
}

/// A label of another key that has the value which is wanted.
fn same_under_other_key<'l>(
    labels: &'l Labels,
    wanted: &Requirement,
) -> Option<(&'l str, &'l str)> {
    labels.iter().find(|(_, value)| wanted.values.iter().any(|w| **w == **value))
}

/// What looks like the slip in a label.
fn label_help(cluster: &ClusterState, wanted: &Requirement, pod: PodId) -> Option<String> {
    let labels = &cluster.pod(pod).labels;
    if is_of_release(&wanted.key) {
        return Some(format!(
            "`{}` changes with each release: leave it out of selectors",
            wanted.key
        ));
    }
    if wanted.operator != Operator::In {
        return None;
    }
    if let Some(value) = labels.get(&wanted.key) {
        let slip = wanted.values.iter().find(|w| is_slip(w, value))?;
        return Some(format!("did you mean `{}: {value}`? the policy has `{slip}`", wanted.key));
    }
    let (key, value) = same_under_other_key(labels, wanted)?;
    Some(format!("did you mean `{key}: {value}`? that is the pods' label"))
}
