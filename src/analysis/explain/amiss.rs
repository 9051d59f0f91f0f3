//! What keeps a rule from matching, in words, with the way out.

use super::super::words::{place, port_list, ports, short};
use super::hint::{Hint, HintCode};
use super::near::{Candidate, Detail, Near, PortMiss, selects_any, services_of};
use super::slip;
use super::yaml;
use crate::cluster::{AddressKnowledge, Labels, Operator, PodId, PortRef, Requirement};
use crate::diagnostic::Span;
use crate::engine::{Outcome, Peer, PeerMiss, RuleTrace};
use crate::net::{Family, IpSet, Protocol};
use crate::policy::{
    Direction, EffectId, PeerForm, PeerMatch, PeerSelector, PortMatch, PortSelector, RuleId,
};
use std::net::IpAddr;
use std::sync::Arc;

/// The hint that a near miss is.
pub(super) fn hint(near: &Near<'_>, candidate: &Candidate<'_>) -> Hint {
    let id = candidate.rule.rule;
    let hint = match (candidate.peer, &candidate.port) {
        (Some((at, misses)), Some(_)) => {
            let hint = near.peer_hint(id, at, misses);
            let opens = ports(&near.words.policies.rule(id).ports);
            Hint { text: format!("{}; and it opens {opens} alone", hint.text), ..hint }
        }
        (Some((at, misses)), None) => {
            near.with_matching_port(near.peer_hint(id, at, misses), candidate.rule)
        }
        (None, Some(miss)) => near.with_matching_peer(near.port_hint(id, miss), candidate.rule),
        (None, None) => Hint::new(HintCode::PortNotOpened, near.words.rule_name(id)),
    };
    hint.of_rule(id)
}

/// What keeps a selector from matching.
struct Miss {
    code: HintCode,
    /// A clause that goes on from the rule's name.
    clause: String,
    /// Where to point.
    span: Span,
    /// What to say there.
    label: String,
}

impl Near<'_> {
    /// What the rule says of the port, where that is not what is amiss.
    fn with_matching_port(&self, hint: Hint, trace: &RuleTrace) -> Hint {
        let at = trace.ports.iter().position(|&has| has);
        match at.and_then(|at| self.ports(trace.rule).get(at)) {
            Some(port) => hint.at(port.span, "matches"),
            None => hint,
        }
    }

    /// What the rule says of the other end, where that is not what is amiss.
    fn with_matching_peer(&self, hint: Hint, trace: &RuleTrace) -> Hint {
        let at = trace.peers.iter().position(|peer| peer.outcome == Outcome::Matches);
        match at.and_then(|at| self.peers(trace.rule).get(at)) {
            Some(peer) => hint.at(place(peer), format!("matches {}", short(self.other))),
            None => hint,
        }
    }

    fn peer_hint(&self, id: RuleId, at: usize, misses: &[PeerMiss]) -> Hint {
        let name = self.words.rule_name(id);
        let list = self.peers(id);
        let (Some(selector), [first, rest @ ..]) = (list.get(at), misses) else {
            return Hint::new(HintCode::LabelMissing, name);
        };
        let Miss { code, clause, span, label } = self.miss(first, selector);
        let more = match rest {
            [] => String::new(),
            [one] => format!("; and {}", self.miss(one, selector).clause),
            more => format!("; and {} more things", more.len()),
        };
        let mut hint = Hint::new(code, format!("{name} {clause}{more}")).at(span, label);
        for miss in rest {
            let Miss { span: place, label, .. } = self.miss(miss, selector);
            if place != span {
                hint = hint.at(place, label);
            }
        }
        let help = match self.detail {
            Detail::Full => self.peer_help(misses, id, at),
            Detail::Brief => None,
        };
        match help {
            Some(help) => hint.help(help),
            None => hint,
        }
    }

    fn miss(&self, miss: &PeerMiss, selector: &PeerSelector) -> Miss {
        let cluster = self.cluster();
        let other = short(self.other);
        let told =
            |code, clause: String, label: String| Miss { code, clause, span: selector.span, label };
        match miss {
            PeerMiss::PodLabel { wanted, pod } => {
                let labels = &cluster.pod(*pod).labels;
                let found = has(labels, wanted);
                Miss {
                    code: label_code(labels, wanted),
                    clause: format!("wants {wanted}, {other} {found}"),
                    span: wanted.span,
                    label: format!("{other} {found}"),
                }
            }
            PeerMiss::NamespaceLabel { wanted, pod } => {
                let namespace = cluster.namespace(cluster.pod(*pod).namespace);
                let found = has(&namespace.labels, wanted);
                let name = &namespace.name;
                Miss {
                    code: HintCode::NamespaceLabel,
                    clause: format!("wants namespaces with {wanted}, {name} {found}"),
                    span: wanted.span,
                    label: format!("namespace {name} {found}"),
                }
            }
            PeerMiss::OtherNamespace { wanted, pod } => {
                let theirs = &cluster.namespace(cluster.pod(*pod).namespace).name;
                let own = &cluster.namespace(*wanted).name;
                told(
                    HintCode::OtherNamespace,
                    format!("is about pods of its own namespace, {other} is in {theirs}"),
                    format!("pods of {own} alone; {other} is in {theirs}"),
                )
            }
            PeerMiss::HostNetwork => told(
                HintCode::HostNetworkPeer,
                format!(
                    "selects pods by labels, and {other} is on its node's network, where no selector sees it"
                ),
                format!("no selector sees {other}: it is on its node's network"),
            ),
            PeerMiss::NotAPod if matches!(self.other(), Peer::Node(..)) => told(
                HintCode::HostNetworkPeer,
                format!("selects pods, and {other} is a node"),
                format!("selects pods; {other} is a node"),
            ),
            PeerMiss::NotAPod => told(
                HintCode::OutsidePeer,
                format!("selects pods, and {other} is no pod"),
                format!("selects pods; {other} is no pod"),
            ),
            PeerMiss::Address => self.address_miss(selector),
            PeerMiss::Unreached => {
                let cni = self.words.cni();
                let (clause, label) = if self.is_node() {
                    (
                        format!("is about addresses, and {cni} matches no nodes by these"),
                        format!("{cni} matches no nodes by addresses"),
                    )
                } else {
                    (
                        format!("is about addresses, and {cni} matches pods by labels alone"),
                        format!("{cni} matches {other} by labels, not by addresses"),
                    )
                };
                told(HintCode::BlockUnreached, clause, label)
            }
            PeerMiss::NotTheNode => told(
                HintCode::OutsidePeer,
                format!("is about {}, and {other} is none of these", self.words.peer(selector)),
                format!("{other} is none of these"),
            ),
            PeerMiss::NotTheName => told(
                HintCode::OutsidePeer,
                format!("is about {}, and {other} is another host", self.words.peer(selector)),
                format!("{other} is another host"),
            ),
        }
    }

    /// The label that a pod on its node's network lacks, where selectors see such pods, and those that it has.
    fn unmet_on_node<'s>(
        &'s self,
        selector: &'s PeerSelector,
    ) -> Option<(&'s Requirement, &'s Labels)> {
        let (PeerMatch::Pods(pods), Peer::Pod(id)) = (&selector.matches, self.other()) else {
            return None;
        };
        if !self.has_habit(&[EffectId::HostNetworkSelected]) {
            return None;
        }
        let labels = &self.cluster().pod(*id).labels;
        let mut wanted = pods.pods.requirements().iter();
        wanted.find(|own| !own.holds(labels)).map(|wanted| (wanted, labels))
    }

    /// Whether the other end has the address of a node.
    fn is_node(&self) -> bool {
        match self.other() {
            Peer::Node(..) => true,
            Peer::Pod(id) => self.cluster().pod(*id).host_network,
            Peer::External(_) | Peer::Name(..) => false,
        }
    }

    /// The one address that the other end is known to have.
    fn address(&self) -> Option<IpAddr> {
        match self.other().address(self.cluster(), self.flow.family) {
            AddressKnowledge::Exactly(address) => Some(address),
            AddressKnowledge::None | AddressKnowledge::OneOf(_) => None,
        }
    }

    fn address_miss(&self, selector: &PeerSelector) -> Miss {
        let other = short(self.other);
        let address = self.address();
        let who = match address {
            Some(address) if !self.other.contains(&address.to_string()) => {
                format!("{other} ({address})")
            }
            _ => other.to_owned(),
        };
        let told = |code, clause, label| Miss { code, clause, span: selector.span, label };
        if let (PeerForm::Block { except, .. }, Some(address)) = (&selector.form, address)
            && let Some(hole) = except.iter().find(|hole| hole.contains(&address))
        {
            return told(
                HintCode::AddressExcepted,
                format!("leaves out {hole}, where {who} is"),
                format!("{who} is in `except` {hole}"),
            );
        }
        // Of many addresses all may be in one hole.
        if let (PeerForm::Block { except, .. }, Peer::External(set)) =
            (&selector.form, self.other())
            && let Some(hole) = except.iter().find(|hole| set.is_subset(&IpSet::block(**hole)))
        {
            return told(
                HintCode::AddressExcepted,
                format!("leaves out {hole}, where {who} is"),
                format!("{who} is in `except` {hole}"),
            );
        }
        let block = self.words.peer(selector);
        if let Some((service, ip)) = self.service_address(selector) {
            return told(
                HintCode::ServiceAddress,
                format!(
                    "is about {block}, where {ip} is, the address of Service {service}; policies see the pods behind it"
                ),
                format!("holds {ip}, the address of Service {service}; policies see its pods"),
            );
        }
        if let PeerMatch::Addresses(set, _) = &selector.matches
            && set.only(self.flow.family).is_empty()
        {
            let family = self.flow.family;
            return told(
                HintCode::AddressOutside,
                format!("is about {block}, and the connection is over {family}"),
                format!("the connection is over {family}"),
            );
        }
        let is = if address.is_some() { "is outside" } else { "is not in it" };
        told(
            HintCode::AddressOutside,
            format!("is about {block}, {who} {is}"),
            format!("{who} {is}"),
        )
    }

    /// A Service that leads to the other end and has an address of its own in a block.
    fn service_address(&self, selector: &PeerSelector) -> Option<(String, IpAddr)> {
        let (PeerMatch::Addresses(set, _), Peer::Pod(pod)) = (&selector.matches, self.other())
        else {
            return None;
        };
        let before = self.words.policies.dataplane.before_translation;
        if before || self.direction != Direction::Egress {
            return None;
        }
        services_of(self.cluster(), *pod).find_map(|(_, service)| {
            let ip = service.cluster_ips.iter().copied().find(|&ip| set.contains(ip))?;
            Some((service.name.to_string(), ip))
        })
    }

    /// The way out, in the words of NetworkPolicy; other APIs have others.
    fn peer_help(&self, misses: &[PeerMiss], id: RuleId, at: usize) -> Option<String> {
        let help = self.first_help(misses, id, at)?;
        let releases = |miss: &PeerMiss| match miss {
            PeerMiss::PodLabel { wanted, .. } if slip::is_last_release(self.cluster(), wanted) => {
                Some(format!("`{}`", wanted.key))
            }
            _ => None,
        };
        if misses.len() == 1 {
            return Some(help);
        }
        // However many labels a release changes, it is one thing.
        let keys: Vec<String> = misses.iter().filter_map(releases).collect();
        if keys.len() == misses.len() {
            return Some(format!(
                "{} change with each release: leave them out of selectors",
                keys.join(" and ")
            ));
        }
        Some(format!("one of {} things: {help}", misses.len()))
    }

    fn first_help(&self, misses: &[PeerMiss], id: RuleId, at: usize) -> Option<String> {
        let cluster = self.cluster();
        let other = short(self.other);
        let network_policy = self.is_network_policy(id);
        let list = self.list();
        match misses.first()? {
            PeerMiss::PodLabel { wanted, pod } => {
                if let Some(help) = slip::help(cluster, wanted, *pod) {
                    return Some(help);
                }
                if matches!(wanted.operator, Operator::NotIn | Operator::DoesNotExist) {
                    return None;
                }
                let pods = self.pods_of(id, at)?;
                if !selects_any(cluster, pods) {
                    return Some(format!(
                        "the selector matches no pod of the input: there is none that is {}",
                        self.words.pods(pods)
                    ));
                }
                let labels_alone =
                    misses.iter().all(|miss| matches!(miss, PeerMiss::PodLabel { .. }));
                let peer = yaml::peer_for(cluster, pods, *pod)
                    .filter(|_| labels_alone && network_policy)?;
                Some(format!("if pods like {other} are meant as well: add `{peer}` to `{list}`"))
            }
            PeerMiss::NamespaceLabel { wanted, pod } => {
                self.namespace_help(wanted, *pod, id, at).filter(|_| network_policy)
            }
            PeerMiss::OtherNamespace { pod, .. } if network_policy => {
                let name = &cluster.namespace(cluster.pod(*pod).namespace).name;
                let peer = self.in_namespace(name, id, at)?;
                Some(format!(
                    "a `podSelector` alone is about the policy's own namespace; if pods of {name} are meant as well, add to `{list}` an item with both: `{peer}`"
                ))
            }
            // Labels are what is amiss: see there.
            PeerMiss::HostNetwork
                if self.peers(id).get(at).is_some_and(|own| self.unmet_on_node(own).is_some()) =>
            {
                None
            }
            PeerMiss::HostNetwork | PeerMiss::NotAPod if network_policy => self.block_help(other),
            PeerMiss::Address if network_policy => self.address_help(id, at, other),
            PeerMiss::Unreached if self.is_node() => Some(
                "no NetworkPolicy matches nodes there: `kubereach explain-code block-not-cluster`"
                    .into(),
            ),
            PeerMiss::Unreached => match self.other() {
                Peer::Pod(pod) => Some(format!(
                    "select {other} by labels: add `{}` to `{list}` (`kubereach explain-code block-not-cluster`)",
                    yaml::peer_of(cluster, *pod)
                )),
                Peer::Node(..) | Peer::External(_) | Peer::Name(..) => None,
            },
            _ => None,
        }
    }

    /// The pods that a peer is about, in another namespace.
    fn in_namespace(&self, name: &str, id: RuleId, at: usize) -> Option<String> {
        let pods = self.pods_of(id, at)?;
        let space = yaml::namespace(name);
        if pods.pods.requirements().is_empty() {
            return Some(format!("- namespaceSelector: {space}"));
        }
        let pods = yaml::selector(&pods.pods);
        Some(format!("- {{namespaceSelector: {space}, podSelector: {pods}}}"))
    }

    /// The key that the rule's peers stand under.
    fn list(&self) -> &'static str {
        match self.direction {
            Direction::Egress => "to",
            Direction::Ingress => "from",
        }
    }

    fn namespace_help(
        &self,
        wanted: &Requirement,
        pod: PodId,
        id: RuleId,
        at: usize,
    ) -> Option<String> {
        let namespace = self.cluster().namespace(self.cluster().pod(pod).namespace);
        let name = &namespace.name;
        let by_name = yaml::pair(yaml::NAMESPACE_NAME, name);
        let itself = "which every namespace has of itself";
        match (wanted.operator, wanted.values.as_slice()) {
            // Of what is left out on purpose there is nothing to mend.
            (Operator::NotIn | Operator::DoesNotExist, _) | (Operator::In, []) => None,
            // The server sets this label: a value that no namespace has is a slip.
            (Operator::In, values) if &*wanted.key == yaml::NAMESPACE_NAME => {
                let missing = |own: &&Arc<str>| self.cluster().find_namespace(own).is_none();
                match values.iter().find(missing) {
                    Some(missing) => Some(format!(
                        "the input has no namespace `{missing}`; this one is `{by_name}`"
                    )),
                    None => self.as_well(name, id, at),
                }
            }
            (Operator::In, [value, ..]) if namespace.labels.get(&wanted.key).is_none() => {
                Some(format!(
                    "select the namespace by `{by_name}`, {itself}, or label it: `kubectl label namespace {name} {}={value}`",
                    wanted.key
                ))
            }
            // Another value is there on purpose: tenants, stages.
            (Operator::In, _) => self.as_well(name, id, at),
            (Operator::Exists, _) => Some(format!(
                "select the namespace by `{by_name}`, {itself}, or label it: `kubectl label namespace {name} {}=VALUE`",
                wanted.key
            )),
        }
    }

    /// A further item for the same pods of another namespace.
    fn as_well(&self, name: &str, id: RuleId, at: usize) -> Option<String> {
        let peer = self.in_namespace(name, id, at)?;
        Some(format!("if pods of {name} are meant as well: add `{peer}` to `{}`", self.list()))
    }

    /// How to let an end through that is no pod to selectors.
    fn block_help(&self, other: &str) -> Option<String> {
        let block = self.address().map(|address| format!("`{}`", host_block(address)));
        match (self.other(), block) {
            (Peer::Name(..), _) => None,
            (Peer::External(_), Some(block)) => {
                Some(format!("addresses outside are let through by an `ipBlock`, such as {block}"))
            }
            (Peer::External(set), None) => {
                let any = match self.flow.family {
                    Family::V4 => "0.0.0.0/0".to_owned(),
                    Family::V6 => "::/0".to_owned(),
                };
                let block = match set.to_blocks().as_slice() {
                    [one] => one.to_string(),
                    _ => any,
                };
                Some(format!(
                    "addresses outside are let through by an `ipBlock`, such as `{block}`"
                ))
            }
            (Peer::Pod(_) | Peer::Node(..), block) => {
                if self.has_habit(&[EffectId::BlockNotCluster]) {
                    return Some(format!(
                        "{} does not match nodes by an `ipBlock` either, or not always: `kubereach explain-code block-not-cluster`",
                        self.words.cni()
                    ));
                }
                let such = block.map(|block| format!(", such as {block}")).unwrap_or_default();
                Some(format!(
                    "{other} has the address of a node: let that through by an `ipBlock`{such}, one for each node that it may run on"
                ))
            }
        }
    }

    fn address_help(&self, id: RuleId, at: usize, other: &str) -> Option<String> {
        let selector = self.peers(id).get(at)?;
        if let Some((service, _)) = self.service_address(selector) {
            return Some(format!(
                "select the pods of Service {service} by labels: the address of a Service is translated before policies are asked"
            ));
        }
        let excepted = matches!(
            (&selector.form, self.address()),
            (PeerForm::Block { cidr, .. }, Some(address)) if cidr.contains(&address)
        );
        match self.other() {
            // What is left out on purpose is not to be let in by a help.
            _ if excepted => None,
            Peer::Pod(id) if !self.cluster().pod(*id).host_network => Some(format!(
                "select {other} by labels: add `{}` to `{}`",
                yaml::peer_of(self.cluster(), *id),
                self.list()
            )),
            _ => {
                let block = host_block(self.address()?);
                Some(match (self.other(), self.direction) {
                    (Peer::External(_), Direction::Ingress) => format!(
                        "if everybody is meant leave `from` out of the rule; if this address is, add `- ipBlock: {{cidr: {block}}}` to it"
                    ),
                    _ => format!("a block that holds it lets it through, such as `{block}`"),
                })
            }
        }
    }

    fn port_hint(&self, id: RuleId, miss: &PortMiss) -> Hint {
        let name = self.words.rule_name(id);
        let rule = self.words.policies.rule(id);
        let (protocol, number) = (self.flow.protocol, self.flow.port);
        let asked = format!("{protocol}/{number}");
        let verb = match self.direction {
            Direction::Ingress => format!("lets {} through", short(self.other)),
            Direction::Egress => format!("lets it reach {}", short(self.other)),
        };
        let list = self.ports(id);
        let to = self.destination();
        let place = |wanted: &dyn Fn(&PortSelector) -> bool| {
            let found = list.iter().find(|port| wanted(port)).or(list.first());
            found.map_or(rule.span, |port| port.span)
        };
        let network_policy = self.is_network_policy(id);
        match miss {
            PortMiss::Service(at, outer) => self.service_port(id, *at, *outer),
            PortMiss::Protocol(other) => {
                let is = |port: &PortSelector| match &port.matches {
                    PortMatch::Numbers(set) => set.contains(*other, number),
                    PortMatch::Named { protocol, .. } => protocol == other,
                };
                let hint = Hint::new(
                    HintCode::ProtocolDiffers,
                    format!("{name} {verb} on {other}/{number}, not on {asked}"),
                )
                .at(place(&is), format!("{other}; asked about {protocol}"));
                let rejected = protocol == Protocol::Sctp
                    && self.has_habit(&[EffectId::PolicyRejected, EffectId::SctpDropped]);
                if network_policy && !rejected {
                    hint.help(format!(
                        "add `- {}` to `ports`: without `protocol` a port is one of TCP",
                        yaml::port(protocol, number)
                    ))
                } else {
                    hint
                }
            }
            PortMiss::Sidecar(at) => {
                let span = list.get(*at).map_or(rule.span, |port| port.span);
                Hint::new(
                    HintCode::PortNameUnresolved,
                    format!("{name} names a port that an init container of {to} declares: such names do not count"),
                )
                .at(span, "declared by an init container")
                .help(format!(
                    "name the number, `{}`: `kubereach explain-code sidecar-port-names`",
                    yaml::port(protocol, number)
                ))
            }
            PortMiss::Unresolved(places) => {
                let unresolved = || places.iter().filter_map(|&at| list.get(at));
                let pod = matches!(self.flow.destination, Peer::Pod(_));
                let names = port_list(unresolved());
                let clause = format!("{name} names ports that {to} does not have: {names}");
                let mut hint = Hint::new(HintCode::PortNameUnresolved, clause);
                for port in unresolved() {
                    if hint.labels.iter().all(|label| label.span != port.span) {
                        hint = hint.at(port.span, format!("{to} has no port of this name"));
                    }
                }
                if !network_policy {
                    return hint;
                }
                let numbered = yaml::port(protocol, number);
                match self.name_of_port().filter(|_| self.has_plain_names()) {
                    Some(own) => hint.help(format!(
                        "{to} calls it `{own}`: add `- port: {own}` (the number, `- {numbered}`, is opened on every pod that the rule is about)"
                    )),
                    None if pod => {
                        let declared = self.declared_ports();
                        let declared = declared.unwrap_or_else(|| "no named ports".to_owned());
                        hint.help(format!(
                            "{to} declares {declared}: name the number, `- {numbered}`"
                        ))
                    }
                    None => hint.help(format!(
                        "an address has no names for ports: name the number, `- {numbered}`"
                    )),
                }
            }
            PortMiss::Nothing => Hint::new(
                HintCode::PortNotOpened,
                format!("{name} opens no port on {}", self.words.cni()),
            )
            .at(place(&|_| true), "opens nothing"),
            PortMiss::Others => {
                let opens = ports(&rule.ports);
                let hint = Hint::new(HintCode::PortNotOpened, format!("{name} {verb} on {opens}"))
                    .at(place(&|_| true), format!("{opens}; asked about {asked}"));
                let rejected = protocol == Protocol::Sctp
                    && self.has_habit(&[EffectId::PolicyRejected, EffectId::SctpDropped]);
                if network_policy && !rejected {
                    hint.help(format!("to allow it add `- {}`", yaml::port(protocol, number)))
                } else {
                    hint
                }
            }
        }
    }

    /// The rule names the port of a Service where it should name that of its pods.
    fn service_port(&self, id: RuleId, at: usize, outer: u16) -> Hint {
        let service = &self.cluster().services[at];
        let (protocol, number) = (self.flow.protocol, self.flow.port);
        let has = |port: &&PortSelector| matches!(&port.matches, PortMatch::Numbers(set) if set.contains(protocol, outer));
        let list = self.ports(id);
        let place = list.iter().find(has).or(list.first()).map(|port| port.span);
        let span = place.unwrap_or(self.words.policies.rule(id).span);
        let name = &service.name;
        let mut hint = Hint::new(
            HintCode::ServicePort,
            format!(
                "{} opens {protocol}/{outer}, the port of Service {name}; its pods listen on {protocol}/{number}",
                self.words.rule_name(id)
            ),
        )
        .at(span, format!("the port of Service {name}; policies see the pods' port, {protocol}/{number}"));
        let own = service.ports.iter().find(|p| p.port == outer && p.protocol == protocol);
        let mut open = format!("`- {}`", yaml::port(protocol, number));
        if let Some(own) = own {
            let text = format!("Service {name}: port {outer}, targetPort {}", own.target);
            hint = hint.at(own.span, text);
            if let PortRef::Name(name) = &own.target
                && protocol == Protocol::Tcp
                && self.has_plain_names()
            {
                open.push_str(&format!(" or `- port: {name}`"));
            }
        }
        if !self.is_network_policy(id) {
            return hint;
        }
        hint.help(format!(
            "in place of {outer} open {open}: the address of a Service is translated before policies are asked"
        ))
    }

    fn destination(&self) -> &str {
        match self.direction {
            Direction::Egress => short(self.other),
            Direction::Ingress => short(self.end),
        }
    }

    /// What the destination calls the port.
    fn name_of_port(&self) -> Option<String> {
        let Peer::Pod(pod) = &self.flow.destination else { return None };
        let mut ports = self.cluster().pod(*pod).ports.iter();
        let own = ports.find(|own| {
            own.number == self.flow.port && own.protocol == self.flow.protocol && !own.sidecar
        })?;
        // A name is one of TCP where no protocol stands beside it.
        own.name.as_ref().filter(|_| own.protocol == Protocol::Tcp).map(ToString::to_string)
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
}

/// The block of one address.
fn host_block(address: IpAddr) -> String {
    let bits = if address.is_ipv4() { 32 } else { 128 };
    format!("{address}/{bits}")
}

/// `has app=web`, `has no label app`
pub(super) fn has(labels: &Labels, wanted: &Requirement) -> String {
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
