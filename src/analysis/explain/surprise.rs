//! What a policy does that its text does not show at once: list items of which either is enough, rules without
//! peers.

use super::super::words::{Words, ports, short};
use super::hint::{Hint, HintCode};
use super::near::selects_any;
use super::subject::{host_network, unlisted, without_rules, would_close};
use super::yaml;
use crate::cluster::NamespaceId;
use crate::engine::reference::Flow;
use crate::engine::{Decision, DirectionTrace, Outcome, Peer, RuleTrace, Step};
use crate::policy::{
    Direction, NamespaceMatch, PeerForm, PeerMatch, PeerSelector, Peers, PodsMatch, PolicyId,
    PolicyKind, PortMatch, Ports, RuleId,
};

/// What to know of a direction, whichever way it is decided.
pub(super) fn surprises(
    words: Words<'_>,
    flow: &Flow,
    trace: &DirectionTrace,
    other_name: &str,
) -> Vec<Hint> {
    let direction = trace.direction;
    let mut hints = Vec::new();
    if let Step::Rule(id) = trace.step {
        let rules = trace.policies.iter().flat_map(|policy| &policy.rules);
        let other = match direction {
            Direction::Egress => &flow.destination,
            Direction::Ingress => &flow.source,
        };
        for rule in rules.filter(|rule| rule.rule == id) {
            hints.extend(two_items(words, rule, other, other_name));
        }
        hints.extend(split_rule(words, id, other_name));
    }
    match (&trace.step, flow_end(flow, direction)) {
        (Step::Isolated(policies), _) => {
            hints.extend(unlisted(words, flow, direction, true));
            if !has_rules(words, direction, policies) {
                hints.extend(without_rules(words, direction, policies));
            }
        }
        (Step::HostNetwork, Peer::Pod(pod)) => hints.extend(host_network(words, direction, *pod)),
        // What no NetworkPolicy isolates may be what one was to isolate.
        (Step::Default | Step::Rule(_), _)
            if trace.decision == Decision::Allowed && !is_isolated(words, trace) =>
        {
            hints.extend(unlisted(words, flow, direction, false));
            hints.extend(would_close(words, flow, direction));
        }
        _ => {}
    }
    hints
}

/// What is less telling than a rule that is near: a policy without rules beside others that have some.
pub(super) fn afterthoughts(words: Words<'_>, trace: &DirectionTrace) -> Vec<Hint> {
    match &trace.step {
        Step::Isolated(policies) if has_rules(words, trace.direction, policies) => {
            without_rules(words, trace.direction, policies)
        }
        _ => Vec::new(),
    }
}

fn has_rules(words: Words<'_>, direction: Direction, policies: &[PolicyId]) -> bool {
    policies.iter().any(|id| !words.policies.policy(*id).rules[direction.index()].is_empty())
}

fn flow_end(flow: &Flow, direction: Direction) -> &Peer {
    match direction {
        Direction::Egress => &flow.source,
        Direction::Ingress => &flow.destination,
    }
}

/// Whether a NetworkPolicy isolates the pod in the direction.
fn is_isolated(words: Words<'_>, trace: &DirectionTrace) -> bool {
    trace
        .policies
        .iter()
        .any(|policy| words.policies.policy(policy.policy).isolates[trace.direction.index()])
}

/// `- namespaceSelector` and `- podSelector` as two items: either is enough.
fn two_items(words: Words<'_>, trace: &RuleTrace, other: &Peer, other_name: &str) -> Option<Hint> {
    let rule = words.policies.rule(trace.rule);
    let (Peers::Of(list), Peer::Pod(pod)) = (&rule.peers, other) else { return None };
    let own = words.policies.policy(rule.policy).namespace?;
    let cluster = words.cluster();
    let (end, said) = (cluster.pod(*pod), &trace.peers);
    let said = |at: usize| said.get(at).map(|peer| peer.outcome);
    // One item says the namespaces, another the pods: in one item both would have to match.
    let found = list.iter().enumerate().find_map(|(at, space)| {
        let PeerMatch::Pods(PodsMatch { namespaces, .. }) = &space.matches else { return None };
        if space.form != PeerForm::Namespaces {
            return None;
        }
        let beside = list.iter().enumerate().find(|(beside, peer)| {
            let Some(pods) = alone(peer, own) else { return false };
            let both = PodsMatch { namespaces: namespaces.clone(), pods: pods.pods.clone() };
            // Joined they are not about this end, which one of them lets through. Two groups, each of
            // its own pods, are two items on purpose.
            !pods.pods.requirements().is_empty()
                && [said(at), said(*beside)].contains(&Some(Outcome::Matches))
                && both.matches(end, cluster.namespace(end.namespace)) == Some(false)
                && (selects_any(cluster, &both) || !selects_any(cluster, pods))
        });
        beside.map(|beside| ((at, space), beside))
    });
    let (a, b) = found?;
    let (lets, other_item) =
        if said(a.0) == Some(Outcome::Matches) { (a.1, b.1) } else { (b.1, a.1) };
    let later = if a.0 < b.0 { "podSelector" } else { "namespaceSelector" };
    let name = words.rule_name(trace.rule);
    let who = short(other_name);
    let text = format!(
        "{name} has these two as items of their own, and either is enough: {} lets {who} through, whatever the other says",
        words.peer(lets)
    );
    let help = if a.0.abs_diff(b.0) == 1 {
        format!(
            "if both are meant, take the `-` before `{later}` away: one item with both selectors, which does not match {who}"
        )
    } else {
        let (PeerMatch::Pods(spaces), PeerMatch::Pods(pods)) = (&a.1.matches, &b.1.matches) else {
            return None;
        };
        let NamespaceMatch::Labelled(spaces) = &spaces.namespaces else { return None };
        format!(
            "if both are meant, write one item in place of the two, which does not match {who}: `- {{namespaceSelector: {}, podSelector: {}}}`",
            yaml::selector(spaces),
            yaml::selector(&pods.pods)
        )
    };
    Some(
        Hint::new(HintCode::TwoItems, text)
            .at(lets.span, format!("this item alone matches {who}"))
            .at(other_item.span, "another item: it narrows nothing")
            .help(help)
            .of_rule(trace.rule),
    )
}

/// The pods of an item that is about pods of the policy's own namespace.
fn alone(peer: &PeerSelector, own: NamespaceId) -> Option<&PodsMatch> {
    match &peer.matches {
        PeerMatch::Pods(pods) if pods.namespaces == NamespaceMatch::Is(own) => Some(pods),
        _ => None,
    }
}

/// `from` in one item of the list and `ports` in another: two rules.
fn split_rule(words: Words<'_>, id: RuleId, other_name: &str) -> Option<Hint> {
    let rule = words.policies.rule(id);
    let policy = words.policies.policy(rule.policy);
    if policy.kind != PolicyKind::NetworkPolicy {
        return None;
    }
    let open = |id: RuleId| {
        let rule = words.policies.rule(id);
        (matches!(rule.peers, Peers::Any), matches!(rule.ports, Ports::Any))
    };
    // The rule that lets it through has one half, and one beside it the other.
    let half = open(id);
    if half.0 == half.1 {
        return None;
    }
    let beside = |other: &&RuleId| {
        let own = words.policies.rule(**other);
        own.index.abs_diff(rule.index) == 1 && open(**other) == (half.1, half.0)
    };
    let list = &policy.rules[rule.direction.index()];
    let other = list.iter().find(beside).copied()?;
    let (of_ports, of_peers) = if half.0 { (id, other) } else { (other, id) };
    // Names are looked up anywhere: a rule for DNS has no peers on purpose.
    if is_dns(&words.policies.rule(of_ports).ports) {
        return None;
    }
    let (peers_key, list_key, anybody) = match rule.direction {
        Direction::Ingress => ("from", "ingress", "lets anybody in"),
        Direction::Egress => ("to", "egress", "lets it reach anybody"),
    };
    let number = |id: RuleId| words.policies.rule(id).index + 1;
    let name = words.policy_name(rule.policy);
    let text = format!(
        "{name} has `{peers_key}` and `ports` in two rules: rule {} {anybody} on {}, rule {} has no ports and opens every one",
        number(of_ports),
        ports(&words.policies.rule(of_ports).ports),
        number(of_peers)
    );
    let who = short(other_name);
    let label = |own: RuleId| {
        let what = if own == of_ports {
            format!("no `{peers_key}`: everybody")
        } else {
            "no `ports`: every port".to_owned()
        };
        if own == id { format!("{what}; lets {who} through") } else { what }
    };
    let later = if number(of_ports) > number(of_peers) { "ports" } else { peers_key };
    Some(
        Hint::new(HintCode::SplitRule, text)
            .at(rule.span, label(id))
            .at(words.policies.rule(other).span, label(other))
            .help(format!(
                "if both are meant, take the `-` before `{later}` away: one item of `{list_key}` with `{peers_key}` and `ports`"
            ))
            .of_rule(id),
    )
}

/// Whether these are the ports of DNS, and no others.
fn is_dns(list: &Ports) -> bool {
    let Ports::Of(list) = list else { return false };
    list.iter().all(|port| match &port.matches {
        PortMatch::Numbers(set) => {
            set.ranges().all(|(_, first, last)| first == last && matches!(first, 53 | 5353))
        }
        PortMatch::Named { name, .. } => name.starts_with("dns"),
    })
}
