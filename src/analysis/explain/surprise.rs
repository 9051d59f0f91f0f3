//! What policies do that their text does not show at once: list items of which either is enough, rules
//! without peers, directions without rules.

use super::super::words::{Words, ports, short};
use super::hint::{Hint, HintCode};
use super::near::nearly_selecting;
use crate::cluster::{NetworkPolicyResource, PodId};
use crate::diagnostic::Span;
use crate::engine::{Decision, DirectionTrace, Outcome, Peer, RuleTrace, Step};
use crate::policy::{
    Direction, NamespaceMatch, PeerForm, PeerMatch, PeerSelector, Peers, PodsMatch, PolicyId,
    PolicyKind, Ports, RuleId,
};

/// What to know of a direction, whichever way it is decided.
pub(super) fn surprises(
    words: Words<'_>,
    trace: &DirectionTrace,
    pod: PodId,
    other: &Peer,
    other_name: &str,
) -> Vec<Hint> {
    let mut hints = Vec::new();
    match &trace.step {
        Step::Rule(id) => {
            let rules = trace.policies.iter().flat_map(|policy| &policy.rules);
            for rule in rules.filter(|rule| rule.rule == *id) {
                hints.extend(two_items(words, rule, other, other_name));
            }
            hints.extend(split_rule(words, *id, other_name));
        }
        Step::Default => {
            hints.extend(unlisted(words, trace.direction, pod));
            hints.extend(nearly_selecting(words, trace.direction, pod));
        }
        Step::Isolated(policies) => {
            hints.extend(unlisted(words, trace.direction, pod));
            hints.extend(without_rules(words, trace.direction, policies));
        }
        _ => {}
    }
    hints
}

/// `- namespaceSelector` and `- podSelector` as two items: either is enough.
fn two_items(words: Words<'_>, trace: &RuleTrace, other: &Peer, other_name: &str) -> Option<Hint> {
    let rule = words.policies.rule(trace.rule);
    let (Peers::Of(list), Peer::Pod(pod)) = (&rule.peers, other) else { return None };
    let own = words.policies.policy(rule.policy).namespace?;
    // One item says the namespaces, the one beside it the pods: in one item both would have to match.
    let pair = list.windows(2).zip(trace.peers.windows(2)).find_map(|(two, said)| {
        let (space, pods) = match two {
            [a, b] if is_namespaces(a) => (a, alone(b, own)?),
            [a, b] if is_namespaces(b) => (b, alone(a, own)?),
            _ => return None,
        };
        let PeerMatch::Pods(PodsMatch { namespaces, .. }) = &space.matches else { return None };
        let both = PodsMatch { namespaces: namespaces.clone(), pods: pods.pods.clone() };
        let cluster = words.cluster();
        let own = cluster.pod(*pod);
        let kept_out = both.matches(own, cluster.namespace(own.namespace)) == Some(false);
        let any = said.iter().any(|peer| peer.outcome == Outcome::Matches);
        (kept_out && any && !pods.pods.requirements().is_empty()).then_some((two, said))
    });
    let ([first, second], [a, _]) = pair? else { return None };
    let (lets, beside) =
        if a.outcome == Outcome::Matches { (first, second) } else { (second, first) };
    let name = words.rule_name(trace.rule);
    let who = short(other_name);
    let text = format!(
        "{name} has two items, and either is enough: {} lets {who} through, whatever the other says",
        words.peer(lets)
    );
    let pods = if is_namespaces(first) { "podSelector" } else { "namespaceSelector" };
    Some(
        Hint::new(HintCode::TwoItems, text)
            .at(lets.span, format!("this item alone matches {who}"))
            .at(beside.span, "another item: it narrows nothing")
            .help(format!(
                "if both are meant, take the `-` before `{pods}` away: one item with both selectors, which would not match {who}"
            ))
            .of_rule(trace.rule),
    )
}

fn is_namespaces(peer: &PeerSelector) -> bool {
    peer.form == PeerForm::Namespaces
}

/// The pods of an item that is about pods of the policy's own namespace.
fn alone(peer: &PeerSelector, own: crate::cluster::NamespaceId) -> Option<&PodsMatch> {
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
    let any = |id: RuleId| {
        let rule = words.policies.rule(id);
        (matches!(rule.peers, Peers::Any), matches!(rule.ports, Ports::Any))
    };
    // The rule that lets it through has one half, and one beside it the other.
    let half = any(id);
    if half.0 == half.1 {
        return None;
    }
    let beside = |&&other: &&RuleId| {
        let own = words.policies.rule(other);
        let next = own.index.abs_diff(rule.index) == 1;
        next && any(other) == (half.1, half.0)
    };
    let list = &policy.rules[rule.direction.index()];
    let other = list.iter().find(beside).copied()?;
    let (of_ports, of_peers) = if half.0 { (id, other) } else { (other, id) };
    let (peers_key, list_key, anybody) = match rule.direction {
        Direction::Ingress => ("from", "ingress", "lets anybody in"),
        Direction::Egress => ("to", "egress", "lets it reach anybody"),
    };
    let open = ports(&words.policies.rule(of_ports).ports);
    let number = |id: RuleId| words.policies.rule(id).index + 1;
    let name = words.policy_name(rule.policy);
    let text = format!(
        "{name} has `{peers_key}` and `ports` in two rules: rule {} {anybody} on {open}, rule {} has no ports and opens every one",
        number(of_ports),
        number(of_peers)
    );
    let who = short(other_name);
    let label = |own: RuleId, text: &str| {
        if own == id { format!("{text}: lets {who} through") } else { text.to_owned() }
    };
    let (first, second) = if half.0 { (of_ports, of_peers) } else { (of_peers, of_ports) };
    let words_of = |own: RuleId| {
        if own == of_ports {
            label(own, &format!("no `{peers_key}`: everybody"))
        } else {
            label(own, "no `ports`: every port")
        }
    };
    Some(
        Hint::new(HintCode::SplitRule, text)
            .at(words.policies.rule(first).span, words_of(first))
            .at(words.policies.rule(second).span, words_of(second))
            .help(format!(
                "if both are meant, take the `-` before the second away: one item of `{list_key}` with `{peers_key}` and `ports`"
            ))
            .of_rule(id),
    )
}

/// The manifest of a NetworkPolicy.
fn manifest(words: Words<'_>, id: PolicyId) -> Option<&NetworkPolicyResource> {
    let policy = words.policies.policy(id);
    let namespace = policy.namespace.filter(|_| policy.kind == PolicyKind::NetworkPolicy)?;
    let list = &words.cluster().policies;
    let found = list.binary_search_by(|object| {
        (object.namespace, &*object.resource.meta.name).cmp(&(namespace, &*policy.name))
    });
    let at = found.ok()?;
    list.get(at).map(|object| &object.resource)
}

/// A policy that isolates a direction without a rule for it, where another direction has rules: more often
/// a slip than a wish.
fn without_rules(words: Words<'_>, direction: Direction, policies: &[PolicyId]) -> Vec<Hint> {
    let rules = |id: &PolicyId, at: usize| words.policies.policy(*id).rules[at].len();
    if policies.iter().any(|id| rules(id, direction.index()) > 0) {
        return Vec::new();
    }
    let (listed, key, what) = match direction {
        Direction::Ingress => ("Ingress", "ingress", "nothing is let in"),
        Direction::Egress => ("Egress", "egress", "nothing is let out"),
    };
    let half = policies.iter().filter(|id| rules(id, direction.opposite().index()) > 0);
    half.filter_map(|&id| {
        let span: Span = manifest(words, id)?.policy_types?;
        let name = words.policy_name(id);
        let text = format!(
            "{name} lists `{listed}` in `policyTypes` and has no `{key}` rules: {what}"
        );
        Some(
            Hint::new(HintCode::DirectionWithoutRules, text)
                .at(span, format!("`{listed}` without `{key}` rules: {what}"))
                .help(format!(
                    "take `{listed}` out of `policyTypes`, or add `{key}` rules (`{key}: [{{}}]` allows everything)"
                )),
        )
    })
    .collect()
}

/// Rules for a direction that `policyTypes` does not list.
fn unlisted(words: Words<'_>, direction: Direction, pod: PodId) -> Vec<Hint> {
    let cluster = words.cluster();
    let own = cluster.pod(pod);
    let namespace = cluster.namespace(own.namespace);
    let (listed, key) = match direction {
        Direction::Ingress => ("Ingress", "ingress"),
        Direction::Egress => ("Egress", "egress"),
    };
    let at = direction.index();
    let policies = words.policies.policies.iter().enumerate();
    let inert = policies.filter(|(_, policy)| {
        policy.kind == PolicyKind::NetworkPolicy
            && policy.namespace == Some(own.namespace)
            && !policy.has_part(direction)
            && !policy.rules[at].is_empty()
            && policy.subject.matches(own, namespace) == Some(true)
    });
    inert
        .filter_map(|(id, policy)| {
            let span = manifest(words, PolicyId::new(id))?.policy_types?;
            let first = words.policies.rule(*policy.rules[at].first()?);
            let text = format!(
                "{} has {key} rules, and its `policyTypes` does not list `{listed}`: they have no effect",
                policy.name
            );
            Some(
                Hint::new(HintCode::UnlistedDirection, text)
                    .at(span, format!("`{listed}` is not here"))
                    .at(first.span, "has no effect")
                    .help(format!("add `{listed}` to `policyTypes`")),
            )
        })
        .collect()
}

/// Whether a direction is decided as policies of the pod decide it.
pub(super) fn is_isolated(trace: &DirectionTrace) -> bool {
    let by_rule = matches!(trace.step, Step::Rule(_)) && trace.decision == Decision::Allowed;
    by_rule || matches!(trace.step, Step::Isolated(_))
}
