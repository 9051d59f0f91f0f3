//! Why, in words, with the place that says so.

use super::explain::Hint;
use super::explain::{Detail, near_hints};
use super::translation::Obstacle;
use super::words::{Words, short};
use super::world::World;
use crate::cluster::Addresses;
use crate::diagnostic::Span;
use crate::engine::{Decision, DirectionTrace, Outcome, Peer, PolicyTrace, Step, Trace, Unknown};
use crate::net::{Family, IpSet};
use crate::policy::{Direction, EffectId, PeerMatch, Peers, PolicyId, RuleId, TierName};

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
    /// What came closest to another verdict.
    pub nearest: Option<Hint>,
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

    /// Neither end is one that policies select.
    pub(super) fn of_no_pod() -> Self {
        let text = "neither end is a pod with an address of its own: no policy is asked";
        Self::of_both(Decision::Allowed, "no-pod", text.into())
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

/// The reasons of a decision: one for each direction, or one for both.
pub(super) fn reasons(words: Words<'_>, trace: &Trace, from: &str, to: &str) -> Vec<Reason> {
    let world = words.world;
    match &trace.shortcut {
        Some(Step::Loopback) => {
            vec![Reason::of_both(
                Decision::Allowed,
                "loopback",
                "a pod always reaches itself".into(),
            )]
        }
        Some(Step::Dropped) => {
            let cni = words.cni();
            let protocol = trace.flow.protocol.name();
            let text = format!("{cni} drops {protocol}, whatever policies say");
            vec![Reason::of_both(Decision::Denied, "dropped", text)]
        }
        Some(Step::Unknown(..)) => {
            let cni = words.cni();
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
                let (end, other) = ends(direction.direction, from, to);
                let hints = near_hints(words, &trace.flow, direction, end, other, Detail::Brief);
                let nearest = hints.into_iter().next();
                Reason { nearest, ..reason(words, trace.flow.family, direction, end, other) }
            })
            .collect(),
    }
}

/// The pod that a direction is about and the other end, of a source and a destination.
pub(super) fn ends<T>(direction: Direction, from: T, to: T) -> (T, T) {
    match direction {
        Direction::Egress => (from, to),
        Direction::Ingress => (to, from),
    }
}

/// The directions that there is something to tell of: those whose end is a pod.
pub(super) fn told(trace: &Trace) -> impl Iterator<Item = &DirectionTrace> {
    let asked = trace.shortcut.is_none();
    trace.directions.iter().filter(move |direction| asked && direction.step != Step::NotAPod)
}

/// The reason of one direction, in a family, without what came closest to another verdict.
pub(super) fn reason(
    words: Words<'_>,
    family: Family,
    trace: &DirectionTrace,
    end: &str,
    other: &str,
) -> Reason {
    let direction = trace.direction;
    let policies = words.policies;
    let (code, text, named, rule, span) = match &trace.step {
        Step::Rule(id) => {
            let rule = policies.rule(*id);
            let text = words.rule_name(*id);
            ("rule", text, vec![rule.policy], Some(*id), Some(rule.span))
        }
        Step::Denied(id) => {
            let rule = policies.rule(*id);
            let text = format!("{} denies it", words.rule_name(*id));
            ("denied-by-rule", text, vec![rule.policy], Some(*id), Some(rule.span))
        }
        Step::Isolated(names) => {
            let span = names.first().map(|&id| policies.policy(id).span);
            ("isolated", isolated(words, names, direction, end, other), names.clone(), None, span)
        }
        Step::Default => {
            // Policies with an order select pods and leave what no rule matches to the default.
            let text = if trace.policies.is_empty() {
                format!("no policy selects {} for {direction}", short(end))
            } else if policies.dataplane.hidden_baseline && has_baseline(words, trace) {
                "a NetworkPolicy of the other direction keeps the Baseline tier from being asked"
                    .to_owned()
            } else {
                "no rule is about it: what none denies is allowed".to_owned()
            };
            ("default", text, vec![], None, None)
        }
        Step::NotEnforced => {
            let cni = words.cni();
            ("not-enforced", format!("{cni} does not enforce policies"), vec![], None, None)
        }
        Step::Closed => {
            let text = format!("no policy allows it, and {} denies what none allows", words.cni());
            ("closed", text, vec![], None, None)
        }
        Step::LeftAlone => {
            let text = format!("{} does not police {} where it runs", words.cni(), short(end));
            ("left-alone", text, vec![], None, None)
        }
        Step::FamilyNotPoliced => {
            let text = format!("{} does not police {}", words.cni(), family);
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
            let (text, span) = unknown(words, *why, *rule, trace, other);
            let span = rule.map(|id| policies.rule(id).span).or(span);
            let (named, span) = match (rule, why) {
                (Some(id), _) => (vec![policies.rule(*id).policy], span),
                // But for the node, the family or the enforcer, they keep it out.
                (
                    None,
                    Unknown::Placement(_) | Unknown::OwnNode | Unknown::Family | Unknown::Enforcer,
                ) => {
                    let isolating = |own: &&PolicyTrace| {
                        own.selects == Outcome::Matches
                            && policies.policy(own.policy).isolates[direction.index()]
                    };
                    let all = trace.policies.iter().filter(isolating);
                    let named: Vec<PolicyId> = all.map(|own| own.policy).collect();
                    let place = named.first().map(|&id| policies.policy(id).span);
                    (named, place.or(span))
                }
                (None, _) => (Vec::new(), span),
            };
            ("unknown", text, named, *rule, span)
        }
        Step::Loopback | Step::NoCommonFamily | Step::Dropped | Step::NotAPod => {
            ("outside", format!("{} is no pod", short(end)), vec![], None, None)
        }
    };
    Reason {
        direction: Some(direction),
        decision: trace.decision,
        code,
        text,
        policies: named,
        rule,
        span,
        nearest: None,
        passed: trace
            .passed
            .iter()
            .map(|&id| (words.rule_name(id), policies.rule(id).span))
            .collect(),
        reading: trace.past_network_policies.then_some(
            "NetworkPolicies select it for the other direction only: the Baseline tier is asked per direction",
        ),
    }
}

fn isolated(
    words: Words<'_>,
    policies: &[PolicyId],
    direction: Direction,
    end: &str,
    other: &str,
) -> String {
    let names: Vec<&str> = policies.iter().map(|&id| &*words.policies.policy(id).name).collect();
    let rules: usize =
        policies.iter().map(|&id| words.policies.policy(id).rules[direction.index()].len()).sum();
    let shown = match names.as_slice() {
        [a, b, c, rest @ ..] if !rest.is_empty() => {
            format!("{a}, {b}, {c} and {} more", rest.len())
        }
        names => names.join(", "),
    };
    let select = if names.len() == 1 { "selects" } else { "select" };
    let end = short(end);
    // Policies are often named after the pods that they are about.
    let shown = if names.iter().any(|name| [end, short(other)].contains(name)) {
        format!("{} {shown}", if names.len() == 1 { "policy" } else { "policies" })
    } else {
        shown
    };
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
    words: Words<'_>,
    why: Unknown,
    rule: Option<RuleId>,
    trace: &DirectionTrace,
    other: &str,
) -> (String, Option<Span>) {
    let cluster = &words.world.cluster;
    let rule = rule.map(|id| words.rule_name(id)).unwrap_or_default();
    let policy = trace.policies.first().map(|p| words.policies.policy(p.policy).span);
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
        Unknown::Dropped => (format!("{} may drop the protocol", words.cni()), None),
        Unknown::Family => {
            (format!("whether {} polices the address family is not known", words.cni()), None)
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
            let policy = words.policies.policy(id);
            let why = policy.doubt.as_deref().unwrap_or_default();
            (format!("{}: {why}", words.policy_name(id)), Some(policy.span))
        }
        Unknown::RuleDoubt(id) => {
            let why = words.policies.rule(id).doubt.as_deref().unwrap_or_default();
            (format!("{}: {why}", words.rule_name(id)), None)
        }
        Unknown::Tie(a, b) => {
            let text = format!(
                "{} and {} say different things and have the same priority: the API leaves open which counts",
                words.policy_name(a),
                words.policy_name(b)
            );
            (text, Some(words.policies.policy(b).span))
        }
        Unknown::Placement(pod) => {
            let name = cluster.pod_name(pod);
            let text =
                format!("it depends on the node that {} runs on, which is not known", short(&name));
            (text, policy)
        }
        Unknown::OwnNode => {
            let cni = words.cni();
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
fn has_baseline(words: Words<'_>, trace: &DirectionTrace) -> bool {
    let tiers = words.policies.tiers.iter().filter(|tier| tier.name == TierName::Baseline);
    let baseline: Vec<&PolicyId> = tiers.flat_map(|tier| &tier.policies).collect();
    trace.policies.iter().any(|policy| baseline.contains(&&policy.policy))
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
