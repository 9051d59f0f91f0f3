//! NetworkPolicies that nothing is to be said about.

use super::super::resource::{
    LabelSelector, NetworkPolicyResource, Operator, PeerResource, PeerSelects, PortRef,
    PortResource, Requirement, RuleResource,
};
use super::super::validate::{self, NameRule};
use super::cursor::{Cursor, Frame, Read, Unusual, Word};
use super::meta::{self, Memory};
use super::span;
use crate::diagnostic::{SourceId, Span};
use crate::net::Protocol;
use ipnet::IpNet;

/// Reads a policy, from behind its `apiVersion` and `kind`.
pub(super) fn read<'t, C: Cursor<'t>>(
    cursor: &mut C,
    frame: &mut Frame<'t>,
    memory: &mut Memory<'t>,
    source: SourceId,
) -> Read<NetworkPolicyResource> {
    let mut reader = Reader { memory, source };
    let (mut meta, mut spec) = (None, None);
    while let Some(key) = cursor.next_field(frame)? {
        match key.text {
            b"metadata" => {
                let found = meta::read(cursor, reader.memory, source, NameRule::Subdomain)?;
                found.allows(false)?;
                meta = Some(found.meta);
            }
            b"spec" => spec = Some(reader.spec(cursor)?),
            _ => return Err(Unusual),
        }
    }
    let (meta, spec) = (meta.ok_or(Unusual)?, spec.ok_or(Unusual)?);
    let listed = spec.types.is_some();
    let policy_types = spec.types.map(|(_, span)| span);
    let [ingress, egress] = spec.types.map(|(types, _)| types).unwrap_or_default();
    let isolates_ingress = !listed || ingress;
    let isolates_egress = if listed { egress } else { !spec.egress.is_empty() };
    // Rules without effect are worth a warning.
    if !spec.ingress.is_empty() && !isolates_ingress || !spec.egress.is_empty() && !isolates_egress
    {
        return Err(Unusual);
    }
    Ok(NetworkPolicyResource {
        meta,
        pod_selector: spec.pod_selector.ok_or(Unusual)?,
        policy_types,
        isolates_ingress,
        isolates_egress,
        ingress: spec.ingress,
        egress: spec.egress,
    })
}

#[derive(Default)]
struct Spec {
    pod_selector: Option<LabelSelector>,
    /// Whether ingress and egress are listed, and where.
    types: Option<([bool; 2], Span)>,
    ingress: Vec<RuleResource>,
    egress: Vec<RuleResource>,
}

struct Reader<'m, 't> {
    memory: &'m mut Memory<'t>,
    source: SourceId,
}

impl<'t> Reader<'_, 't> {
    fn spec<C: Cursor<'t>>(&mut self, cursor: &mut C) -> Read<Spec> {
        let mut spec = Spec::default();
        let mut frame = cursor.open_mapping()?;
        while let Some(key) = cursor.next_field(&mut frame)? {
            match key.text {
                b"egress" => spec.egress = self.rules(cursor, b"to")?,
                b"ingress" => spec.ingress = self.rules(cursor, b"from")?,
                b"podSelector" => spec.pod_selector = Some(self.selector(cursor)?),
                b"policyTypes" => {
                    let mut types = [false; 2];
                    let mut list = cursor.open_sequence()?;
                    while cursor.next_item(&mut list)? {
                        let at = match cursor.scalar()?.string()? {
                            "Ingress" => 0,
                            "Egress" => 1,
                            _ => return Err(Unusual),
                        };
                        if std::mem::replace(&mut types[at], true) {
                            return Err(Unusual);
                        }
                    }
                    // An empty list counts as none.
                    let span = span(self.source, key.start, cursor.end());
                    spec.types = (types != [false; 2]).then_some((types, span));
                }
                _ => return Err(Unusual),
            }
        }
        Ok(spec)
    }

    fn rules<C: Cursor<'t>>(&mut self, cursor: &mut C, peers: &[u8]) -> Read<Vec<RuleResource>> {
        let mut rules = Vec::new();
        let mut list = cursor.open_sequence()?;
        while cursor.next_item(&mut list)? {
            let mut frame = cursor.open_mapping()?;
            let mut rule = RuleResource {
                span: span(self.source, 0, 0),
                peers: Vec::new(),
                ports: Vec::new(),
            };
            while let Some(key) = cursor.next_field(&mut frame)? {
                if key.text == b"ports" {
                    let mut ports = cursor.open_sequence()?;
                    while cursor.next_item(&mut ports)? {
                        rule.ports.push(self.port(cursor)?);
                    }
                } else if key.text == peers {
                    let mut list = cursor.open_sequence()?;
                    while cursor.next_item(&mut list)? {
                        rule.peers.push(self.peer(cursor)?);
                    }
                } else {
                    return Err(Unusual);
                }
            }
            rule.span = span(self.source, frame.start, cursor.end());
            rules.push(rule);
        }
        Ok(rules)
    }

    fn port<C: Cursor<'t>>(&mut self, cursor: &mut C) -> Read<PortResource> {
        let mut frame = cursor.open_mapping()?;
        let (mut port, mut end_port, mut protocol) = (None, None, Protocol::Tcp);
        while let Some(key) = cursor.next_field(&mut frame)? {
            let word = cursor.scalar()?;
            match key.text {
                b"endPort" => end_port = Some(word.port()?),
                b"port" => port = Some(self.port_ref(word)?),
                b"protocol" => protocol = Protocol::from_api(word.string()?).ok_or(Unusual)?,
                _ => return Err(Unusual),
            }
        }
        if let Some(end) = end_port {
            match &port {
                Some(PortRef::Number(first)) if *first <= end => {}
                _ => return Err(Unusual),
            }
        }
        let span = span(self.source, frame.start, cursor.end());
        Ok(PortResource { span, protocol, port, end_port })
    }

    fn port_ref(&mut self, word: Word<'t>) -> Read<PortRef> {
        if let Ok(number) = word.port() {
            return Ok(PortRef::Number(number));
        }
        let name = word.filled()?;
        if validate::is_port_name(name) {
            Ok(PortRef::Name(self.memory.word(name)))
        } else {
            Err(Unusual)
        }
    }

    fn peer<C: Cursor<'t>>(&mut self, cursor: &mut C) -> Read<PeerResource> {
        let mut frame = cursor.open_mapping()?;
        let (mut block, mut namespaces, mut pods) = (None, None, None);
        while let Some(key) = cursor.next_field(&mut frame)? {
            match key.text {
                b"ipBlock" => block = Some(self::block(cursor)?),
                b"namespaceSelector" => namespaces = Some(self.selector(cursor)?),
                b"podSelector" => pods = Some(self.selector(cursor)?),
                _ => return Err(Unusual),
            }
        }
        let selects = match (block, namespaces, pods) {
            (Some((cidr, except)), None, None) => PeerSelects::Block { cidr, except },
            (None, None, None) | (Some(_), ..) => return Err(Unusual),
            (None, namespaces, pods) => PeerSelects::Pods { namespaces, pods },
        };
        let span = span(self.source, frame.start, cursor.end());
        Ok(PeerResource { span, selects })
    }

    fn selector<C: Cursor<'t>>(&mut self, cursor: &mut C) -> Read<LabelSelector> {
        let mut frame = cursor.open_mapping()?;
        let mut expressions = Vec::new();
        let mut requirements: Vec<Requirement> = Vec::new();
        while let Some(key) = cursor.next_field(&mut frame)? {
            match key.text {
                b"matchExpressions" => {
                    let mut list = cursor.open_sequence()?;
                    while cursor.next_item(&mut list)? {
                        expressions.push(self.expression(cursor)?);
                    }
                }
                b"matchLabels" => {
                    let mut labels = cursor.open_mapping()?;
                    while let Some(key) = cursor.next_key(&mut labels)? {
                        let word = cursor.scalar()?;
                        let (name, value) = (key.string()?, word.string()?);
                        if !validate::is_qualified_name(name) || !validate::is_label_value(value) {
                            return Err(Unusual);
                        }
                        requirements.push(Requirement {
                            key: self.memory.word(name),
                            operator: Operator::In,
                            values: vec![self.memory.word(value)],
                            span: span(self.source, key.start, word.end),
                        });
                    }
                }
                _ => return Err(Unusual),
            }
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        if requirements.windows(2).any(|pair| pair[0].key == pair[1].key) {
            return Err(Unusual);
        }
        requirements.append(&mut expressions);
        let span = span(self.source, frame.start, cursor.end());
        Ok(LabelSelector { span, requirements })
    }

    fn expression<C: Cursor<'t>>(&mut self, cursor: &mut C) -> Read<Requirement> {
        let mut frame = cursor.open_mapping()?;
        let (mut name, mut operator, mut values) = (None, None, Vec::new());
        while let Some(key) = cursor.next_field(&mut frame)? {
            match key.text {
                b"key" => name = Some(cursor.scalar()?.filled()?),
                b"operator" => {
                    operator = Some(match cursor.scalar()?.string()? {
                        "In" => Operator::In,
                        "NotIn" => Operator::NotIn,
                        "Exists" => Operator::Exists,
                        "DoesNotExist" => Operator::DoesNotExist,
                        _ => return Err(Unusual),
                    });
                }
                b"values" => {
                    let mut list = cursor.open_sequence()?;
                    while cursor.next_item(&mut list)? {
                        let value = cursor.scalar()?.string()?;
                        if !validate::is_label_value(value) {
                            return Err(Unusual);
                        }
                        values.push(self.memory.word(value));
                    }
                }
                _ => return Err(Unusual),
            }
        }
        let name = name.filter(|name| validate::is_qualified_name(name)).ok_or(Unusual)?;
        let operator = operator.ok_or(Unusual)?;
        if matches!(operator, Operator::In | Operator::NotIn) == values.is_empty() {
            return Err(Unusual);
        }
        values.sort();
        values.dedup();
        let span = span(self.source, frame.start, cursor.end());
        Ok(Requirement { key: self.memory.word(name), operator, values, span })
    }
}

fn block<'t, C: Cursor<'t>>(cursor: &mut C) -> Read<(IpNet, Vec<IpNet>)> {
    let mut frame = cursor.open_mapping()?;
    let (mut cidr, mut except) = (None, Vec::new());
    while let Some(key) = cursor.next_field(&mut frame)? {
        match key.text {
            b"cidr" => cidr = Some(net(cursor)?),
            b"except" => {
                let mut list = cursor.open_sequence()?;
                while cursor.next_item(&mut list)? {
                    except.push(net(cursor)?);
                }
            }
            _ => return Err(Unusual),
        }
    }
    let cidr = cidr.ok_or(Unusual)?;
    let inside = |net: &IpNet| cidr.contains(net) && net.prefix_len() > cidr.prefix_len();
    if except.iter().all(inside) { Ok((cidr, except)) } else { Err(Unusual) }
}

/// A block in the one form that there is nothing to say about.
fn net<'t, C: Cursor<'t>>(cursor: &mut C) -> Read<IpNet> {
    let text = cursor.scalar()?.filled()?;
    let net: IpNet = text.parse().map_err(|_| Unusual)?;
    let mapped = matches!(net, IpNet::V6(net) if net.addr().to_ipv4_mapped().is_some());
    if mapped || net.trunc() != net || net.to_string() != text {
        return Err(Unusual);
    }
    Ok(net)
}
