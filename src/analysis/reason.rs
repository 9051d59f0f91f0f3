//! Why, in words, with the place that says so.

use super::translation::Obstacle;
use super::world::World;
use crate::cluster::{Addresses, PodId};
use crate::diagnostic::Span;
use crate::engine::{
    Decision, DirectionTrace, NearMiss, Outcome, Peer, PeerMiss, Step, Trace, Unknown,
};
use crate::net::{Family, IpSet};
use crate::policy::{
    Direction, EffectId, PeerMatch, Peers, PolicyId, PolicyKind, PortMatch, PortSelector, Ports,
    RuleId, TierName,
};

/// What decided one direction, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The direction; `None` where no policy was asked.
    pub direction: Option<Direction>,
    /// Its verdict.
    pub decision: Decision,
    /// A stable word for it: `rule`, `isolated`, `default`, `host-network`, …
    pub code: &'static str,
    /// One line.
    pub text: String,
    /// The policies that it names.
    pub policies: Vec<PolicyId>,
    /// The rule that it names.
    pub rule: Option<RuleId>,
    /// The place that says so.
    pub span: Option<Span>,
    /// What came closest to another verdict, and where.
    pub nearest: Option<(String, Span)>,
    /// Rules of an earlier tier that left the decision to this one, and where they stand.
    pub passed: Vec<(String, Span)>,
    /// Which of two readings of the API was applied, where they differ.
    pub reading: Option<&'static str>,
}

impl Reason {
    /// `wanted` is the family that was asked for by flag.
    pub(super) fn no_common_family(
        world: &World,
        from: &Peer,
        to: &Peer,
        wanted: Option<Family>,
    ) -> Self {
        let families = |peer: &Peer| {
            let names: Vec<String> =
                peer.families(&world.cluster).iter().map(ToString::to_string).collect();
            names.join(" and ")
        };
        let (from, to) = (families(from), families(to));
        let text = match wanted {
            Some(wanted) => format!(
                "asked for {wanted} (`--family`): the source has {from}, the destination {to}"
            ),
            None => {
                format!("no address family in common: the source has {from}, the destination {to}")
            }
        };
        Self::of_both(Decision::Denied, "no-common-family", text)
    }

    /// The Service is not what a rule selects.
    pub(super) fn before_translation(obstacle: &Obstacle) -> Self {
        Self {
            direction: Some(Direction::Egress),
            span: obstacle.span,
            ..Self::of_both(obstacle.decision, "before-translation", obstacle.text.clone())
        }
    }

    /// A reason of neither direction alone.
    fn of_both(decision: Decision, code: &'static str, text: String) -> Self {
        Self {
            direction: None,
            decision,
            code,
            text,
            policies: Vec::new(),
            rule: None,
            span: None,
            nearest: None,
            passed: Vec::new(),
            reading: None,
        }
    }
}

fn cni_name(world: &World) -> &str {
    world.cni.as_ref().map_or("the CNI", |cni| cni.name())
}

/// The reasons of a decision: one for each direction, or one for both.
pub(super) fn reasons(world: &World, trace: &Trace, from: &str, to: &str) -> Vec<Reason> {
    match &trace.shortcut {
        Some(Step::Loopback) => {
            vec![Reason::of_both(
                Decision::Allowed,
                "loopback",
                "a pod always reaches itself".into(),
            )]
        }
        Some(Step::Dropped) => {
            let cni = cni_name(world);
            let protocol = trace.flow.protocol.name();
            let text = format!("{cni} drops {protocol}, whatever policies say");
            vec![Reason::of_both(Decision::Denied, "dropped", text)]
        }
        Some(Step::Unknown(..)) => {
            let cni = cni_name(world);
            let protocol = trace.flow.protocol.name();
            let why = world.changes.iter().find(|change| change.effect == EffectId::SctpDropped);
            let why = why.map_or_else(|| format!("{protocol} may be dropped"), |c| c.text.clone());
            let text = format!("policies allow it, but on {cni} {why}");
            vec![Reason::of_both(Decision::Unknown, "unknown", text)]
        }
        Some(_) => {
            vec![Reason::no_common_family(world, &trace.flow.source, &trace.flow.destination, None)]
        }
        None => told(trace)
            .map(|direction| {
                let (end, other) = match direction.direction {
                    Direction::Egress => (from, to),
                    Direction::Ingress => (to, from),
                };
                one(world, direction, end, other, trace.flow.family)
            })
            .collect(),
    }
}

/// The directions that there is something to tell of: those whose end is a pod.
pub(super) fn told(trace: &Trace) -> impl Iterator<Item = &DirectionTrace> {
    let asked = trace.shortcut.is_none();
    trace.directions.iter().filter(move |direction| asked && direction.step != Step::NotAPod)
}

fn one(world: &World, trace: &DirectionTrace, end: &str, other: &str, family: Family) -> Reason {
    let direction = trace.direction;
    let (code, text, policies, rule, span) = match &trace.step {
        Step::Rule(id) => {
            let rule = world.policies.rule(*id);
            let text = rule_name(world, *id);
            ("rule", text, vec![rule.policy], Some(*id), Some(rule.span))
        }
        Step::Denied(id) => {
            let rule = world.policies.rule(*id);
            let text = format!("{} denies it", rule_name(world, *id));
            ("denied-by-rule", text, vec![rule.policy], Some(*id), Some(rule.span))
        }
        Step::Isolated(policies) => {
            let span = policies.first().map(|&id| world.policies.policy(id).span);
            (
                "isolated",
                isolated(world, policies, direction, end, other),
                policies.clone(),
                None,
                span,
            )
        }
        Step::Default => {
            // Policies with an order select pods and leave what no rule matches to the default.
            let text = if trace.policies.is_empty() {
                format!("no policy selects {} for {direction}", short(end))
            } else if world.policies.dataplane.hidden_baseline && has_baseline(world, trace) {
                "a NetworkPolicy of the other direction keeps the Baseline tier from being asked"
                    .to_owned()
            } else {
                "no rule is about it: what none denies is allowed".to_owned()
            };
            ("default", text, vec![], None, None)
        }
        Step::NotEnforced => {
            let cni = cni_name(world);
            ("not-enforced", format!("{cni} does not enforce policies"), vec![], None, None)
        }
        Step::Closed => {
            let text =
                format!("no policy allows it, and {} denies what none allows", cni_name(world));
            ("closed", text, vec![], None, None)
        }
        Step::LeftAlone => {
            let text = format!("{} does not police {} where it runs", cni_name(world), short(end));
            ("left-alone", text, vec![], None, None)
        }
        Step::FamilyNotPoliced => {
            let text = format!("{} does not police {}", cni_name(world), family);
            ("family-not-policed", text, vec![], None, None)
        }
        Step::HostNetwork => {
            let text = format!("{} is on its node's network: no policy selects it", short(end));
            ("host-network", text, vec![], None, None)
        }
        Step::OwnNode => {
            let text = format!("the node that {} runs on always reaches it", short(end));
            ("own-node", text, vec![], None, None)
        }
        Step::Unknown(why, rule) => {
            let (text, span) = unknown(world, *why, *rule, trace, other);
            let span = rule.map(|id| world.policies.rule(id).span).or(span);
            let policies = rule.map(|id| world.policies.rule(id).policy).into_iter().collect();
            ("unknown", text, policies, *rule, span)
        }
        Step::Loopback | Step::NoCommonFamily | Step::Dropped | Step::NotAPod => {
            ("outside", format!("{} is no pod", short(end)), vec![], None, None)
        }
    };
    let nearest = trace.nearest.as_ref().filter(|_| trace.decision == Decision::Denied);
    let nearest = nearest.and_then(|miss| near(world, miss, other));
    Reason {
        direction: Some(direction),
        decision: trace.decision,
        code,
        text,
        policies,
        rule,
        span,
        nearest,
        passed: trace
            .passed
            .iter()
            .map(|&id| (rule_name(world, id), world.policies.rule(id).span))
            .collect(),
        reading: trace.past_network_policies.then_some(
            "NetworkPolicies select it for the other direction only: the Baseline tier is asked per direction",
        ),
    }
}

/// `db-from-api, rule 1`; of a policy of another API with its kind, and with the rule's own name:
/// `ClusterNetworkPolicy tenants, rule 2 (others)`.
fn rule_name(world: &World, id: RuleId) -> String {
    let rule = world.policies.rule(id);
    let policy = policy_name(world, rule.policy);
    let own = rule.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    format!("{policy}, rule {}{own}", rule.index + 1)
}

fn policy_name(world: &World, id: PolicyId) -> String {
    let policy = world.policies.policy(id);
    match policy.kind {
        PolicyKind::NetworkPolicy => policy.name.to_string(),
        kind => format!("{kind} {}", policy.name),
    }
}

/// The last part of a printed name: `shop/deploy/web` → `web`. Addresses and phrases stay whole.
fn short(name: &str) -> &str {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        [_, _, last] if !name.contains(' ') => last,
        _ => name,
    }
}

fn isolated(
    world: &World,
    policies: &[PolicyId],
    direction: Direction,
    end: &str,
    other: &str,
) -> String {
    let names: Vec<&str> = policies.iter().map(|&id| &*world.policies.policy(id).name).collect();
    let rules: usize =
        policies.iter().map(|&id| world.policies.policy(id).rules[direction.index()].len()).sum();
    let shown = match names.as_slice() {
        [a, b, c, rest @ ..] if !rest.is_empty() => {
            format!("{a}, {b}, {c} and {} more", rest.len())
        }
        names => names.join(", "),
    };
    let select = if names.len() == 1 { "selects" } else { "select" };
    let end = short(end);
    if rules == 0 {
        let it = match direction {
            Direction::Egress => "lets it reach nothing",
            Direction::Ingress => "lets nothing in",
        };
        let it = if names.len() == 1 { it.to_owned() } else { it.replacen("lets", "let", 1) };
        return format!("{shown} {select} {end} and {it}");
    }
    match direction {
        Direction::Egress => {
            format!("{shown} {select} {end}; no rule lets it reach {}", short(other))
        }
        Direction::Ingress => format!("{shown} {select} {end}; no rule lets {} in", short(other)),
    }
}

fn unknown(
    world: &World,
    why: Unknown,
    rule: Option<RuleId>,
    trace: &DirectionTrace,
    other: &str,
) -> (String, Option<Span>) {
    let cluster = &world.cluster;
    let rule = rule.map(|id| rule_name(world, id)).unwrap_or_default();
    let policy = trace.policies.first().map(|p| world.policies.policy(p.policy).span);
    match why {
        Unknown::PodAddress(pod) => {
            let host = cluster.pod(pod).host_network;
            let what = if host { "its node's address" } else { "its address, a private one," };
            let name = cluster.pod_name(pod);
            (format!("{rule} is about addresses; {}: {what} is not known", short(&name)), None)
        }
        Unknown::NodeAddress(node) => {
            let name = &cluster.node(node).name;
            (format!("{rule} is about addresses, and those of node {name} are not known"), None)
        }
        Unknown::NamespaceLabels(namespace) => {
            let name = &cluster.namespace(namespace).name;
            let text = format!(
                "{rule} selects namespaces by label, and the input has no usable Namespace object of `{name}`"
            );
            (text, None)
        }
        Unknown::Dropped => (format!("{} may drop the protocol", cni_name(world)), None),
        Unknown::Family => {
            (format!("whether {} polices the address family is not known", cni_name(world)), None)
        }
        Unknown::Enforcer => {
            ("policies deny it; whether anything enforces them is not known".into(), policy)
        }
        Unknown::NodeLabels(node) => {
            let name = &cluster.node(node).name;
            let text = format!(
                "{rule} selects nodes by label, and the input has no Node object of {name}"
            );
            (text, None)
        }
        Unknown::PodNode(pod) => {
            let name = cluster.pod_name(pod);
            let text = format!(
                "{rule} selects nodes by label; on which one {} runs is not known",
                short(&name)
            );
            (text, None)
        }
        Unknown::NoNodes => (
            format!(
                "{rule} is about nodes, and the input has no Node objects to tell their addresses"
            ),
            None,
        ),
        Unknown::NameAddress => {
            let text = format!(
                "{rule} is about addresses, and that of {} is not known (`--resolve NAME=ADDRESS`)",
                short(other)
            );
            (text, None)
        }
        Unknown::Names => (
            format!(
                "{rule} is about domain names, whose addresses are not known (`--resolve NAME=ADDRESS`)"
            ),
            None,
        ),
        Unknown::PolicyDoubt(id) => {
            let policy = world.policies.policy(id);
            let why = policy.doubt.as_deref().unwrap_or_default();
            (format!("{}: {why}", policy_name(world, id)), Some(policy.span))
        }
        Unknown::RuleDoubt(id) => {
            let why = world.policies.rule(id).doubt.as_deref().unwrap_or_default();
            (format!("{}: {why}", rule_name(world, id)), None)
        }
        Unknown::Tie(a, b) => {
            let text = format!(
                "{} and {} say different things and have the same priority: the API leaves open which counts",
                policy_name(world, a),
                policy_name(world, b)
            );
            (text, Some(world.policies.policy(b).span))
        }
        Unknown::Placement(pod) => {
            let name = cluster.pod_name(pod);
            let text =
                format!("it depends on the node that {} runs on, which is not known", short(&name));
            (text, policy)
        }
        Unknown::OwnNode => {
            let cni = cni_name(world);
            (
                format!(
                    "policies deny it, and it is not verified whether {cni} lets a pod reach its own node all the same"
                ),
                policy,
            )
        }
        Unknown::BlindSpot(spot) => match cluster.blind_spots.get(spot) {
            Some(spot) => {
                (format!("{} may select it and is not in the model", spot.what), Some(spot.span))
            }
            None => ("something in the input may be a policy".into(), None),
        },
    }
}

/// Whether a policy of the Baseline tier selects the pod.
fn has_baseline(world: &World, trace: &DirectionTrace) -> bool {
    let tiers = world.policies.tiers.iter().filter(|tier| tier.name == TierName::Baseline);
    let baseline: Vec<&PolicyId> = tiers.flat_map(|tier| &tier.policies).collect();
    trace.policies.iter().any(|policy| baseline.contains(&&policy.policy))
}

fn opens_nothing(port: &PortSelector) -> bool {
    matches!(&port.matches, PortMatch::Numbers(set) if set.is_empty())
}

fn near(world: &World, miss: &NearMiss, other: &str) -> Option<(String, Span)> {
    let rule = world.policies.rule(miss.rule);
    let number = rule.index + 1;
    let cluster = &world.cluster;
    let labels = |pod: PodId| &cluster.pod(pod).labels;
    let several = {
        let policy = world.policies.policy(rule.policy);
        let name = &policy.name;
        move |text: String| format!("{name}, rule {number} {text}")
    };
    let selector_span = match &rule.peers {
        Peers::Of(list) => list.first().map(|selector| selector.span),
        Peers::Any => None,
    };
    let (text, span) = match &miss.peer {
        None => {
            let span = match &rule.ports {
                Ports::Of(list) => list.first().map(|port| port.span),
                Ports::Any => None,
            };
            let ports = rule_ports(&rule.ports);
            let text = if miss.resolves {
                format!("lets {} through on {ports}", short(other))
            } else if matches!(&rule.ports, Ports::Of(list) if list.iter().all(opens_nothing)) {
                format!("opens no port on {}", cni_name(world))
            } else {
                format!("names ports that do not resolve there: {ports}")
            };
            (text, span)
        }
        Some(PeerMiss::PodLabel { wanted, pod }) => {
            let found = match labels(*pod).get(&wanted.key) {
                Some(value) => format!("has {}={value}", wanted.key),
                None => format!("has no label {}", wanted.key),
            };
            (format!("wants {wanted}, {} {found}", short(other)), Some(wanted.span))
        }
        Some(PeerMiss::NamespaceLabel { wanted, pod }) => {
            let namespace = cluster.namespace(cluster.pod(*pod).namespace);
            let found = match namespace.labels.get(&wanted.key) {
                Some(value) => format!("has {}={value}", wanted.key),
                None => format!("has no label {}", wanted.key),
            };
            (
                format!("wants namespaces with {wanted}, {} {found}", namespace.name),
                Some(wanted.span),
            )
        }
        Some(PeerMiss::OtherNamespace { pod }) => {
            let namespace = &cluster.namespace(cluster.pod(*pod).namespace).name;
            let text =
                format!("is about pods of its own namespace, {} is in {namespace}", short(other));
            (text, selector_span)
        }
        Some(PeerMiss::HostNetwork) => (
            format!("selects by labels, which {} on its node's network has none of", short(other)),
            selector_span,
        ),
        Some(PeerMiss::NotAPod | PeerMiss::Address) => return None,
    };
    Some((several(text), span.unwrap_or(rule.span)))
}

/// The ports of a rule in words.
pub(crate) fn rule_ports(ports: &Ports) -> String {
    match ports {
        Ports::Any => "every port".into(),
        Ports::Of(list) => {
            let each: Vec<String> = list
                .iter()
                .map(|port| match &port.matches {
                    PortMatch::Numbers(set) => set.to_string(),
                    PortMatch::Named { protocol, name } => format!("{protocol}/{name}"),
                })
                .collect();
            each.join(", ")
        }
    }
}

/// Whether the verdict rests on the assumption that pods have private addresses: a block was
/// matched, or not, against an address that is not known.
pub(super) fn assumes_private_address(world: &World, trace: &Trace) -> bool {
    trace.directions.iter().any(|direction| {
        let other = match direction.direction {
            Direction::Egress => &trace.flow.destination,
            Direction::Ingress => &trace.flow.source,
        };
        let Peer::Pod(id) = other else { return false };
        let pod = world.cluster.pod(*id);
        if pod.host_network || pod.addresses != Addresses::Unknown {
            return false;
        }
        direction.policies.iter().flat_map(|p| &p.rules).any(|rule| {
            let Peers::Of(list) = &world.policies.rule(rule.rule).peers else {
                return false;
            };
            rule.port
                && !matches!(rule.peer, Outcome::Unknown(_))
                && list.iter().any(|selector| match &selector.matches {
                    PeerMatch::Addresses(set, _) => is_partial(set, trace.flow.family),
                    PeerMatch::Pods(_)
                    | PeerMatch::Placed(_)
                    | PeerMatch::Nodes(_)
                    | PeerMatch::Domains(_) => false,
                })
        })
    })
}

/// Whether a block holds some addresses of a family and not all: only then an address matters.
fn is_partial(set: &IpSet, family: Family) -> bool {
    let own = set.only(family);
    !own.is_empty() && own != IpSet::all(family)
}
