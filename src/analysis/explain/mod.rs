//! "Why": a decision as a person would argue it, down to the line of YAML, and what nearly matched.

mod account;
mod amiss;
mod dns;
mod hint;
mod near;
mod slip;
mod subject;
mod surprise;
mod yaml;

pub use account::{PeerAccount, PolicyAccount, PortAccount, RuleAccount};
pub use hint::{Hint, HintCode, hint_page};
pub(super) use near::{Detail, near_hints};

use super::answer::{Answer, CanAnswer, Group};
use super::divergence::Engines;
use super::endpoint::{Endpoint, EndpointError};
use super::port::PortQuery;
use super::query::can;
use super::reason::{Reason, ends, reasons, told};
use super::words::{Words, place, short, subject_place};
use super::world::World;
use crate::cluster::{PodId, PortRef};
use crate::diagnostic::{Label, Span};
use crate::engine::reference::Flow;
use crate::engine::{DirectionTrace, Outcome, Peer, PeerTrace, RuleTrace, Step, Trace, trace};
use crate::net::{ConnectionSet, Protocol};
use crate::policy::{Direction, EffectId, Peers, Ports, Rule, RuleId, TierName};
use account::Account;
use dns::name_resolution;
use near::services_of;
use surprise::{afterthoughts, surprises};

/// An answer, and how it comes about.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The answer, as `can` gives it.
    pub answer: CanAnswer,
    /// Which ports of which pods the ports of the Service are, if the destination is one.
    pub service: Vec<ServiceStep>,
    /// How each group of the answer comes about, in their order.
    pub cases: Vec<Case>,
    /// What else to know of the connection.
    pub hints: Vec<Hint>,
}

/// From the port of a Service to ports of pods.
#[derive(Clone, Debug)]
pub struct ServiceStep {
    /// `namespace/svc/name`
    pub service: String,
    /// The protocol.
    pub protocol: Protocol,
    /// `port`
    pub port: u16,
    /// `name`
    pub name: Option<String>,
    /// `targetPort`
    pub target: PortRef,
    /// The pods that have it, by the number that it is there.
    pub pods: Vec<(u16, Vec<String>)>,
    /// Pods that the Service selects and that have no such port.
    pub without: Vec<String>,
    /// Where the port stands.
    pub span: Span,
}

/// How one group of an answer comes about.
#[derive(Clone, Debug)]
pub struct Case {
    /// The pair that it is shown for, where the group has several.
    pub example: Option<[String; 2]>,
    /// The connection that it is shown for: `tcp/80`.
    pub connection: Option<String>,
    /// What decides where no policy is asked.
    pub outright: Vec<Reason>,
    /// Each direction in which policies are asked.
    pub directions: Vec<Side>,
    /// What to know of both.
    pub hints: Vec<Hint>,
    /// Nothing enforces policies, and this is what they declare.
    pub declared_only: bool,
}

/// One direction of a connection.
#[derive(Clone, Debug)]
pub struct Side {
    /// Which.
    pub direction: Direction,
    /// The pod whose policies are asked.
    pub end: String,
    /// Why.
    pub reason: Reason,
    /// The places that decide, the most telling first, with what each says.
    pub labels: Vec<Label>,
    /// What nearly matched, and what is not plain.
    pub hints: Vec<Hint>,
    /// Every policy that selects the pod, in order of evaluation.
    pub policies: Vec<PolicyAccount>,
    /// Policies that select the pod and that the enforcer sets aside.
    pub set_aside: Vec<(String, EffectId, Span)>,
}

/// Explains the answer to a question. Errors are those of [`can`].
pub fn explain(
    world: &World,
    engines: &Engines<'_>,
    source: &Endpoint,
    destination: &Endpoint,
    ports: &[PortQuery],
) -> Result<Explanation, EndpointError> {
    let answer = can(world, engines, source, destination, ports)?;
    let cases: Vec<Case> = answer.groups.iter().map(|group| case(world, engines, group)).collect();
    let mut hints = Vec::new();
    if answer.answer == Answer::Allowed {
        hints.extend(name_resolution(world, source, destination));
    }
    let service = service_steps(world, destination, ports);
    Ok(Explanation { answer, service, cases, hints })
}

fn service_steps(world: &World, destination: &Endpoint, asked: &[PortQuery]) -> Vec<ServiceStep> {
    let cluster = &world.cluster;
    let Some(service) = destination.service.and_then(|at| cluster.services.get(at)) else {
        return Vec::new();
    };
    let is_asked = |port: &&crate::cluster::ServicePort| {
        asked.is_empty()
            || asked.iter().any(|query| super::asked::matches_service_port(query, port))
    };
    service
        .ports
        .iter()
        .filter(is_asked)
        .map(|port| {
            let mut pods: Vec<(u16, Vec<String>)> = Vec::new();
            let mut without = Vec::new();
            for member in &destination.members {
                let Peer::Pod(id) = member.peer else { continue };
                let numbers = cluster.target_ports(port, id);
                if numbers.is_empty() {
                    without.push(member.name.clone());
                }
                for number in numbers {
                    match pods.iter_mut().find(|(own, _)| *own == number) {
                        Some((_, names)) => names.push(member.name.clone()),
                        None => pods.push((number, vec![member.name.clone()])),
                    }
                }
            }
            ServiceStep {
                service: destination.name.clone(),
                protocol: port.protocol,
                port: port.port,
                name: port.name.as_ref().map(ToString::to_string),
                target: port.target.clone(),
                pods,
                without,
                span: port.span,
            }
        })
        .collect()
}

fn case(world: &World, engines: &Engines<'_>, group: &Group) -> Case {
    let example = (group.pairs > 1).then(|| group.example.clone());
    let Some(found) = &group.trace else {
        return Case {
            example,
            connection: None,
            outright: group.reasons.clone(),
            directions: Vec::new(),
            hints: Vec::new(),
            declared_only: false,
        };
    };
    // Where nothing enforces policies, what they declare is what there is to explain.
    let declared =
        world.policies.ignored.then(|| trace(&world.cluster, &world.declared, &found.flow));
    let (words, found) = match &declared {
        Some(declared) => (Words::declared(world), declared),
        None => (Words::effective(world), found),
    };
    let [from, to] = &group.example;
    let all = reasons(words, found, from, to);
    let connection = format!("{}/{}", found.flow.protocol, found.flow.port);
    if found.shortcut.is_some() {
        return Case {
            example,
            connection: Some(connection),
            outright: all,
            directions: Vec::new(),
            hints: Vec::new(),
            declared_only: declared.is_some(),
        };
    }
    let mut directions: Vec<Side> = told(found)
        .zip(all)
        .map(|(direction, reason)| side(words, found, direction, reason, from, to))
        .collect();
    let mut hints: Vec<Hint> = disjoint(words, engines, group, found).into_iter().collect();
    if !hints.is_empty() {
        // Then it is no rule's fault that it opens another port than the one that is shown.
        for side in &mut directions {
            side.hints.retain(|hint| hint.code != HintCode::PortNotOpened);
        }
    }
    hints.extend(undeclared(words, found, group, to));
    let outright = if directions.is_empty() { vec![Reason::of_no_pod()] } else { Vec::new() };
    Case {
        example,
        connection: Some(connection),
        outright,
        directions,
        hints,
        declared_only: declared.is_some(),
    }
}

fn side(
    words: Words<'_>,
    whole: &Trace,
    trace: &DirectionTrace,
    reason: Reason,
    from: &str,
    to: &str,
) -> Side {
    let (end, other) = ends(trace.direction, from, to);
    let (own, _) = ends(trace.direction, &whole.flow.source, &whole.flow.destination);
    // What a whole direction lacks comes before what one rule lacks.
    let mut hints = surprises(words, &whole.flow, trace, other);
    hints.extend(near_hints(words, &whole.flow, trace, end, other, Detail::Full));
    hints.extend(afterthoughts(words, trace));
    let hinted = hints.first().and_then(|hint| hint.rule);
    let own_labels = labels(words, trace, &reason, hinted, end, other);
    let account = Account::new(words, trace.direction, other);
    let policies = trace.policies.iter().map(|policy| account.policy(policy)).collect();
    let set_aside = match own {
        Peer::Pod(pod) => set_aside(words, trace.direction, *pod),
        Peer::Node(..) | Peer::External(_) | Peer::Name(..) => Vec::new(),
    };
    Side {
        direction: trace.direction,
        end: end.to_owned(),
        reason,
        labels: own_labels,
        hints,
        policies,
        set_aside,
    }
}

/// The policies that would select a pod, were they not set aside by the enforcer.
fn set_aside(words: Words<'_>, direction: Direction, pod: PodId) -> Vec<(String, EffectId, Span)> {
    let cluster = words.cluster();
    let own = cluster.pod(pod);
    let namespace = cluster.namespace(own.namespace);
    let inert = words.policies.inert.iter();
    inert
        .filter(|(id, _)| {
            let policy = words.policies.policy(*id);
            policy.has_part(direction) && policy.subject.matches(own, namespace) != Some(false)
        })
        .map(|&(id, effect)| (words.policy_name(id), effect, words.policies.policy(id).span))
        .collect()
}

/// The places that decide a direction, with what each says.
fn labels(
    words: Words<'_>,
    trace: &DirectionTrace,
    reason: &Reason,
    hinted: Option<RuleId>,
    end: &str,
    other: &str,
) -> Vec<Label> {
    let label = |span, text: String| Label { span, text };
    let policies = words.policies;
    let mut out = Vec::new();
    match &trace.step {
        Step::Rule(id) | Step::Denied(id) => {
            let rule = policies.rule(*id);
            let (any, verb) = match trace.direction {
                Direction::Ingress => ("everybody", "from"),
                Direction::Egress => ("everywhere", "to"),
            };
            if let Some(said) = said_by(trace, *id) {
                match &rule.peers {
                    Peers::Any => out.push(label(rule.span, format!("no `{verb}`: {any}"))),
                    Peers::Of(list) => {
                        let at = said.peers.iter().position(|p| p.outcome == Outcome::Matches);
                        if let Some(peer) = at.and_then(|at| list.get(at)) {
                            out.push(label(place(peer), format!("matches {}", short(other))));
                        }
                    }
                }
                out.extend(port_place(rule, said).map(|span| label(span, "matches".into())));
            }
            let subject = subject_place(policies.policy(rule.policy));
            out.push(label(subject, format!("selects {}", short(end))));
        }
        Step::Isolated(isolating) => {
            // Of the policy that the hint is about, else of the first.
            let hinted = hinted.map(|id| policies.rule(id).policy);
            let shown = isolating.iter().find(|id| hinted.is_none_or(|own| own == **id));
            if let Some(&id) = shown.or(isolating.first()) {
                let text = format!("selects {}: what no rule allows is denied", short(end));
                out.push(label(subject_place(policies.policy(id)), text));
            }
        }
        Step::Unknown(_, id) => {
            let peer = id.and_then(|id| said_by(trace, id)).and_then(|said| {
                let Peers::Of(list) = &policies.rule(said.rule).peers else { return None };
                let doubtful = |peer: &PeerTrace| matches!(peer.outcome, Outcome::Unknown(_));
                list.get(said.peers.iter().position(doubtful)?)
            });
            match (peer.map(place), reason.span) {
                (Some(span), _) => {
                    out.push(label(span, "whether this matches is not known".into()));
                }
                (None, Some(span)) => out.push(label(span, String::new())),
                (None, None) => {}
            }
        }
        _ => {}
    }
    out
}

/// Both directions let something through, and not the same.
fn disjoint(words: Words<'_>, engines: &Engines<'_>, group: &Group, found: &Trace) -> Option<Hint> {
    if !group.allowed.is_empty() || !group.unknown.is_empty() {
        return None;
    }
    let flow = &found.flow;
    let [egress, ingress] =
        engines.effective().directions(&flow.source, &flow.destination, flow.family);
    let part = |set: &ConnectionSet| set.intersection(&group.asked);
    let (out, into) = (part(&egress.allowed), part(&ingress.allowed));
    if out.is_empty() || into.is_empty() {
        return None;
    }
    let [from, to] = &group.example;
    let text = format!(
        "egress of {} allows {out}, ingress of {} allows {into}: no port is allowed by both",
        short(from),
        short(to)
    );
    let declared = match &flow.destination {
        Peer::Pod(pod) => declared_ports(words, *pod),
        Peer::Node(..) | Peer::External(_) | Peer::Name(..) => None,
    };
    let declared = declared.map(|own| format!(" ({} declares {own})", short(to)));
    let mut hint = Hint::new(HintCode::DisjointPorts, text).help(format!(
        "a connection needs both directions: open {into} in the egress of {} as well, or {out} in the ingress of {}{}",
        short(from),
        short(to),
        declared.unwrap_or_default()
    ));
    for (at, set) in [(0, &out), (1, &into)] {
        let span = set.ranges().next().and_then(|(protocol, port, _)| {
            let flow = Flow { protocol, port, ..flow.clone() };
            let found = trace(words.cluster(), words.policies, &flow);
            opening(words, found.directions.get(at)?)
        });
        if let Some(span) = span {
            hint = hint.at(span, format!("{} on {set}", Direction::ALL[at]));
        }
    }
    Some(hint)
}

/// Where the rule that allows a direction names the port.
fn opening(words: Words<'_>, trace: &DirectionTrace) -> Option<Span> {
    let Step::Rule(id) = trace.step else { return None };
    let rule = words.policies.rule(id);
    let said = said_by(trace, id)?;
    if matches!(rule.ports, Ports::Any) { Some(rule.span) } else { port_place(rule, said) }
}

/// What a rule said in a direction.
fn said_by(trace: &DirectionTrace, id: RuleId) -> Option<&RuleTrace> {
    trace.policies.iter().flat_map(|policy| &policy.rules).find(|said| said.rule == id)
}

/// The first of a rule's port selectors that matches.
fn port_place(rule: &Rule, said: &RuleTrace) -> Option<Span> {
    let Ports::Of(list) = &rule.ports else { return None };
    let at = said.ports.iter().position(|&has| has)?;
    list.get(at).map(|port| port.span)
}

/// The ports that the containers of a pod declare.
fn declared_ports(words: Words<'_>, pod: PodId) -> Option<String> {
    let ports = words.cluster().pod(pod).ports.iter();
    let each: Vec<String> = ports
        .map(|p| match &p.name {
            Some(name) => format!("{}/{} ({name})", p.protocol, p.number),
            None => format!("{}/{}", p.protocol, p.number),
        })
        .collect();
    (!each.is_empty()).then(|| each.join(", "))
}

/// No container declares the port, and others are declared: allowed, for all the good it does.
fn undeclared(words: Words<'_>, found: &Trace, group: &Group, to: &str) -> Option<Hint> {
    let Peer::Pod(pod) = &found.flow.destination else { return None };
    let (cluster, flow) = (words.cluster(), &found.flow);
    let own = cluster.pod(*pod);
    let single = ConnectionSet::port(flow.protocol, flow.port) == group.asked;
    let has =
        |protocol, number| own.ports.iter().any(|p| p.protocol == protocol && p.number == number);
    if !single || own.ports.is_empty() || has(flow.protocol, flow.port) {
        return None;
    }
    let declared = declared_ports(words, *pod).unwrap_or_default();
    let to = short(to);
    let text = format!(
        "no container of {to} declares {}/{}; they declare {declared}",
        flow.protocol, flow.port
    );
    let hint = Hint::new(HintCode::UndeclaredPort, text);
    // The port of a Service is asked of the Service.
    let service = services_of(cluster, *pod).find(|(_, service)| {
        service.ports.iter().any(|p| p.protocol == flow.protocol && p.port == flow.port)
    });
    Some(match service {
        Some((_, service)) => hint.help(format!(
            "{}/{} is the port of Service {}: ask about `svc/{}`",
            flow.protocol, flow.port, service.name, service.name
        )),
        None => hint,
    })
}

impl Side {
    /// Whether policies of an order are among those that were asked.
    pub fn has_tiers(&self) -> bool {
        self.policies.iter().any(|policy| policy.tier != TierName::NetworkPolicy)
    }
}

impl Explanation {
    /// Whether any part of it rests on what policies declare, as nothing enforces them.
    pub fn is_declared_only(&self) -> bool {
        self.cases.iter().any(|case| case.declared_only)
    }
}
