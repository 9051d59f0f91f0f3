//! Policies that have no part in a direction, and nearly have: they do not select the pod for one label, stand
//! in another namespace, or do not list the direction.

use super::super::words::{Words, short};
use super::amiss::has;
use super::hint::{Hint, HintCode};
use super::near::{MOST, Near, selects_any};
use super::slip;
use crate::cluster::{NetworkPolicyResource, PodId};
use crate::engine::reference::Flow;
use crate::engine::{Outcome, Peer, PeerMiss, Step, ask, pod_misses};
use crate::policy::{
    Direction, NamespaceMatch, PeerMatch, Policy, PolicyId, PolicyKind, RuleId, TierName,
};

/// The pod that a direction of a connection is about.
fn subject(flow: &Flow, direction: Direction) -> Option<PodId> {
    let end = match direction {
        Direction::Egress => &flow.source,
        Direction::Ingress => &flow.destination,
    };
    match end {
        Peer::Pod(id) => Some(*id),
        Peer::Node(..) | Peer::External(_) | Peer::Name(..) => None,
    }
}

/// Every NetworkPolicy.
fn network_policies(words: Words<'_>) -> impl Iterator<Item = (PolicyId, &Policy)> {
    let all = words.policies.policies.iter().enumerate();
    all.filter(|(_, policy)| policy.kind == PolicyKind::NetworkPolicy)
        .map(|(at, policy)| (PolicyId::new(at), policy))
}

/// The one label for which a NetworkPolicy of its namespace does not select a pod, if it is one.
fn one_label(words: Words<'_>, policy: &Policy, pod: PodId) -> Option<crate::cluster::Requirement> {
    if policy.namespace != Some(words.cluster().pod(pod).namespace) {
        return None;
    }
    match pod_misses(words.cluster(), &policy.subject, pod).as_slice() {
        [PeerMiss::PodLabel { wanted, .. }] => Some(wanted.clone()),
        _ => None,
    }
}

/// The rule by which a policy would allow a connection, did it select the pod.
fn allowing(
    words: Words<'_>,
    flow: &Flow,
    policy: &Policy,
    direction: Direction,
) -> Option<RuleId> {
    let rules = policy.rules[direction.index()].iter().copied();
    rules.filter(|_| policy.counts[direction.index()]).find(|&rule| matches(words, flow, rule))
}

/// Whether a rule is about a connection.
fn matches(words: Words<'_>, flow: &Flow, rule: RuleId) -> bool {
    let said = ask(words.cluster(), words.policies, flow, rule);
    said.is_some_and(|said| said.port && said.peer == Outcome::Matches)
}

/// Policies that would close what is open by default, did they select the pod.
pub(super) fn would_close(words: Words<'_>, flow: &Flow, direction: Direction) -> Vec<Hint> {
    let Some(pod) = subject(flow, direction) else { return Vec::new() };
    let cluster = words.cluster();
    let own = cluster.pod_name(pod);
    let own = short(&own);
    let mut hints = Vec::new();
    for (id, policy) in network_policies(words) {
        let isolates = policy.isolates[direction.index()];
        if !isolates || allowing(words, flow, policy, direction).is_some() {
            continue;
        }
        let name = words.policy_name(id);
        if let Some(hint) = elsewhere(words, id, policy, pod) {
            hints.push(hint);
            continue;
        }
        let Some(wanted) = one_label(words, policy, pod) else { continue };
        // Policies about other pods are everywhere: only one that looks like a slip is worth a word.
        let Some(help) = slip::help(cluster, &wanted, pod) else { continue };
        let has = has(&cluster.pod(pod).labels, &wanted);
        let (code, text) = if selects_any(cluster, &policy.subject) {
            let text = format!("{name} does not select {own}: it wants {wanted}, {own} {has}");
            (HintCode::SubjectMissesPod, text)
        } else {
            let text = format!("{name} selects no pod: it wants {wanted}, and {own} {has}");
            (HintCode::SubjectSelectsNothing, text)
        };
        hints.push(Hint::new(code, text).at(wanted.span, format!("{own} {has}")).help(help));
    }
    hints.truncate(MOST);
    hints
}

/// A policy that would select a pod, did it stand in the pod's namespace, and selects none in its own.
fn elsewhere(words: Words<'_>, id: PolicyId, policy: &Policy, pod: PodId) -> Option<Hint> {
    let cluster = words.cluster();
    let own = cluster.pod(pod);
    let there = policy.namespace.filter(|&there| there != own.namespace)?;
    let selector = &policy.subject.pods;
    if selector.requirements().is_empty()
        || !selector.matches(&own.labels)
        || own.host_network
        || selects_any(cluster, &policy.subject)
        // There it would be another one's.
        || network_policies(words)
            .any(|(_, own_policy)| own_policy.namespace == Some(own.namespace) && own_policy.name == policy.name)
    {
        return None;
    }
    let (there, here) = (&cluster.namespace(there).name, &cluster.namespace(own.namespace).name);
    let end = cluster.pod_name(pod);
    let end = short(&end);
    let name = words.policy_name(id);
    let text = format!(
        "{name} is in namespace {there}, where it selects no pod; in {here} it would select {end}"
    );
    let label = format!("selects pods of {there} alone; {end} is in {here}");
    Some(
        Hint::new(HintCode::PolicyElsewhere, text)
            .at(policy.span, label)
            .help(format!("write `namespace: {here}` into its `metadata`")),
    )
}

/// After all rules that are near.
const LAST: u32 = 9;

/// Whether a policy of another namespace would allow a connection in the pod's.
fn would_allow_here(near: &Near<'_>, policy: &Policy, pod: PodId) -> bool {
    let cluster = near.cluster();
    let here = cluster.pod(pod).namespace;
    let other = near.other();
    policy.rules[near.direction.index()].iter().any(|&id| {
        let Some(said) = ask(cluster, near.words.policies, near.flow, id) else { return false };
        // What is about pods of the policy's own namespace is then about those of this one.
        let moved = near.peers(id).iter().any(|peer| match (&peer.matches, other) {
            (PeerMatch::Pods(pods), Peer::Pod(id))
                if pods.namespaces == NamespaceMatch::Is(policy.namespace.unwrap_or(here)) =>
            {
                let end = cluster.pod(*id);
                end.namespace == here && !end.host_network && pods.pods.matches(&end.labels)
            }
            _ => false,
        });
        said.port && (said.peer == Outcome::Matches || moved)
    })
}

/// Policies with a rule that would allow what is denied, did they select the pod.
pub(super) fn unselecting(near: &Near<'_>, step: &Step) -> Vec<(u32, Hint)> {
    let Some(pod) = subject(near.flow, near.direction) else { return Vec::new() };
    let (words, cluster) = (near.words, near.cluster());
    // Above a NetworkPolicy's word is what an administrator says, and beside it a firewall's.
    let has_a_say = match step {
        Step::Isolated(_) | Step::Closed => true,
        Step::Denied(id) => {
            let policy = words.policies.rule(*id).policy;
            let mut tiers = words.policies.tiers.iter();
            tiers.any(|tier| tier.name == TierName::Baseline && tier.policies.contains(&policy))
        }
        _ => false,
    };
    if !has_a_say {
        return Vec::new();
    }
    let end = short(near.end);
    let mut out = Vec::new();
    for (id, policy) in network_policies(words) {
        if would_allow_here(near, policy, pod)
            && let Some(hint) = elsewhere(words, id, policy, pod)
        {
            // Policies of other stages have the names of this one's pods: it comes last.
            out.push((LAST, hint));
            continue;
        }
        let Some(rule) = allowing(words, near.flow, policy, near.direction) else { continue };
        let Some(wanted) = one_label(words, policy, pod) else { continue };
        let Some(help) = slip::help(cluster, &wanted, pod) else { continue };
        let found = has(&cluster.pod(pod).labels, &wanted);
        let name = words.rule_name(rule);
        let text = format!(
            "{name} would allow it, and the policy does not select {end}: it wants {wanted}, {end} {found}"
        );
        let hint = Hint::new(HintCode::SubjectMissesPod, text)
            .at(wanted.span, format!("{end} {found}"))
            .help(help)
            .of_rule(rule);
        out.push((slip::SLIP + 1, hint));
    }
    out
}

/// Policies whose labels fit a pod on its node's network, which none selects.
pub(super) fn host_network(words: Words<'_>, direction: Direction, pod: PodId) -> Vec<Hint> {
    let cluster = words.cluster();
    let own = cluster.pod(pod);
    let namespace = cluster.namespace(own.namespace);
    let end = cluster.pod_name(pod);
    let end = short(&end);
    let fits = |policy: &Policy| {
        let subject = &policy.subject;
        matches!(&subject.namespaces, NamespaceMatch::Is(there) if *there == own.namespace)
            && !subject.pods.requirements().is_empty()
            && subject.matches_labels(own.namespace, namespace, &own.labels) == Some(true)
            && policy.has_part(direction)
    };
    let fitting = network_policies(words).filter(|(_, policy)| fits(policy)).take(MOST);
    fitting
        .map(|(id, policy)| {
            let text = format!(
                "policy {} fits the labels of {end}, and selects no pod on its node's network",
                words.policy_name(id)
            );
            Hint::new(HintCode::HostNetworkSubject, text)
                .at(policy.span, format!("does not select {end}: `hostNetwork: true`"))
        })
        .collect()
}

/// The manifest of a NetworkPolicy.
fn manifest<'w>(words: Words<'w>, policy: &Policy) -> Option<&'w NetworkPolicyResource> {
    let namespace = policy.namespace.filter(|_| policy.kind == PolicyKind::NetworkPolicy)?;
    let list = &words.cluster().policies;
    let found = list.binary_search_by(|object| {
        (object.namespace, &*object.resource.meta.name).cmp(&(namespace, &*policy.name))
    });
    list.get(found.ok()?).map(|object| &*object.resource)
}

/// The name of a direction in `policyTypes`, and that of its list of rules.
fn keys(direction: Direction) -> (&'static str, &'static str) {
    match direction {
        Direction::Ingress => ("Ingress", "ingress"),
        Direction::Egress => ("Egress", "egress"),
    }
}

/// A policy that isolates a direction without a rule for it, where the other direction has rules: more often
/// a slip than a wish.
pub(super) fn without_rules(
    words: Words<'_>,
    direction: Direction,
    policies: &[PolicyId],
) -> Vec<Hint> {
    let (listed, key) = keys(direction);
    let (other_type, _) = keys(direction.opposite());
    let what = match direction {
        Direction::Ingress => "nothing is let in",
        Direction::Egress => "nothing is let out",
    };
    let one_sided = |id: &&PolicyId| {
        let rules = &words.policies.policy(**id).rules;
        rules[direction.index()].is_empty() && !rules[direction.opposite().index()].is_empty()
    };
    let mut hints = Vec::new();
    for &id in policies.iter().filter(one_sided) {
        let policy = words.policies.policy(id);
        let Some(manifest) = manifest(words, policy) else { continue };
        let name = words.policy_name(id);
        let others: Vec<String> =
            policies.iter().filter(|own| **own != id).map(|&own| words.policy_name(own)).collect();
        // Whether the direction would be open without it.
        let alone = others.is_empty();
        let others_open = policies
            .iter()
            .any(|own| !words.policies.policy(*own).rules[direction.index()].is_empty());
        let by = if others_open { " by it" } else { "" };
        let also = if alone {
            String::new()
        } else {
            format!("; {} isolates it as well", others.join(", "))
        };
        let hint = match manifest.policy_types {
            Some(span) => Hint::new(
                HintCode::DirectionWithoutRules,
                format!("{name} lists `{listed}` in `policyTypes` and has no `{key}` rules: {what}{by}"),
            )
            .at(span, format!("`{listed}` without `{key}` rules: {what}{by}")),
            None => Hint::new(
                HintCode::DirectionWithoutRules,
                format!(
                    "{name} has no `policyTypes`, so it isolates ingress as well, and has no `{key}` rules: {what}"
                ),
            )
            .at(policy.span, "isolated for ingress: `policyTypes` is missing"),
        };
        let only = !policy.isolates[direction.opposite().index()];
        hints.push(match (manifest.policy_types, alone) {
            // Without any, `policyTypes` would be worked out anew.
            (Some(_), true) if only => hint.help(format!(
                "write `{other_type}` in place of `{listed}`, if the rules are meant to count; they do not now"
            )),
            (Some(_), true) => hint.help(format!(
                "add `{key}` rules for what it needs, or take `{listed}` out of `policyTypes`, which leaves its {key} open"
            )),
            (None, true) => hint.help(format!("add `policyTypes: [{other_type}]`")),
            (_, false) => hint.help(format!("add `{key}` rules for what it needs{also}")),
        });
    }
    hints
}

/// Rules for a direction that `policyTypes` does not list, and that would make it another answer.
pub(super) fn unlisted(
    words: Words<'_>,
    flow: &Flow,
    direction: Direction,
    denied: bool,
) -> Vec<Hint> {
    let Some(pod) = subject(flow, direction) else { return Vec::new() };
    let cluster = words.cluster();
    let own = cluster.pod(pod);
    let namespace = cluster.namespace(own.namespace);
    let (listed, key) = keys(direction);
    let at = direction.index();
    let inert = network_policies(words).filter(|(_, policy)| {
        policy.namespace == Some(own.namespace)
            && !policy.has_part(direction)
            && !policy.rules[at].is_empty()
            && policy.subject.matches(own, namespace) == Some(true)
    });
    let mut hints = Vec::new();
    for (_, policy) in inert {
        let allows = policy.rules[at].iter().any(|&rule| matches(words, flow, rule));
        // Listed, it would allow what is denied, or deny what is allowed.
        let span = manifest(words, policy).and_then(|own| own.policy_types);
        let (true, Some(span), Some(&first)) = (allows == denied, span, policy.rules[at].first())
        else {
            continue;
        };
        let text = format!(
            "{} has {key} rules, and its `policyTypes` does not list `{listed}`: they have no effect",
            policy.name
        );
        hints.push(
            Hint::new(HintCode::UnlistedDirection, text)
                .at(span, format!("`{listed}` is not here"))
                .at(words.policies.rule(first).span, "has no effect")
                .help(format!("add `{listed}` to `policyTypes`")),
        );
    }
    hints.truncate(MOST);
    hints
}
