//! The account of every policy that was asked, and what each rule and selector of it said.

use super::super::words::{Words, plain, port, ports, short};
use super::amiss::has;
use crate::diagnostic::Span;
use crate::engine::{Outcome, PeerMiss, PolicyTrace, RuleTrace};
use crate::policy::{Action, Combine, Direction, Peers, PolicyId, PolicySet, Ports, TierName};

/// What a policy says.
#[derive(Clone, Debug)]
pub struct PolicyAccount {
    /// The policy.
    pub id: PolicyId,
    /// Its tier.
    pub tier: TierName,
    /// Its name, of another API than NetworkPolicy with its kind.
    pub name: String,
    /// The pods that it selects, in words.
    pub selects: String,
    /// Whether it selects the pod: it does, or that cannot be said.
    pub outcome: Outcome,
    /// Whether it was asked: nothing before it had decided.
    pub asked: bool,
    /// Whether it denies what no rule allows.
    pub isolates: bool,
    /// Where its subject is selected.
    pub span: Span,
    /// Its rules of the direction, in order.
    pub rules: Vec<RuleAccount>,
}

/// What a rule says.
#[derive(Clone, Debug)]
pub struct RuleAccount {
    /// Its place in the list of the manifest, from 1.
    pub number: usize,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What it does with what it matches.
    pub action: Action,
    /// Whether it matches the connection.
    pub outcome: Outcome,
    /// Whether it was asked: nothing before it had decided.
    pub asked: bool,
    /// Whom it is about, in words.
    pub about: String,
    /// On which ports.
    pub on: String,
    /// Where it stands.
    pub span: Span,
    /// Its peers; none where it is about everybody.
    pub peers: Vec<PeerAccount>,
    /// Its ports; none where it is about every port.
    pub ports: Vec<PortAccount>,
}

/// What a peer selector says.
#[derive(Clone, Debug)]
pub struct PeerAccount {
    /// Whom it is about, in words.
    pub about: String,
    /// Whether it matches the other end.
    pub outcome: Outcome,
    /// What keeps it from matching, each in words: `app=web, not app=api`.
    pub misses: Vec<String>,
    /// Where it stands.
    pub span: Span,
}

/// What a port selector says.
#[derive(Clone, Debug)]
pub struct PortAccount {
    /// Its ports.
    pub about: String,
    /// Whether it has the port.
    pub matches: bool,
    /// Where it stands.
    pub span: Span,
}

/// How rules are told of: seen from the pod that they are about.
pub(super) struct Account<'a> {
    words: Words<'a>,
    direction: Direction,
    other: &'a str,
}

impl<'a> Account<'a> {
    pub(super) fn new(words: Words<'a>, direction: Direction, other: &'a str) -> Self {
        Self { words, direction, other }
    }

    pub(super) fn policy(&self, trace: &PolicyTrace) -> PolicyAccount {
        let policies = self.words.policies;
        let policy = policies.policy(trace.policy);
        let tier = tier_of(policies, trace.policy);
        let mut rules: Vec<RuleAccount> = Vec::new();
        for said in &trace.rules {
            let account = self.rule(said);
            // What an enforcer makes of one rule may be several.
            match rules.last_mut() {
                Some(last) if last.number == account.number => merge(last, account),
                _ => rules.push(account),
            }
        }
        PolicyAccount {
            id: trace.policy,
            tier: tier.map_or(TierName::NetworkPolicy, |(name, _)| name),
            name: self.words.policy_name(trace.policy),
            selects: self.words.pods(&policy.subject),
            outcome: trace.selects,
            asked: trace.asked,
            isolates: tier.is_some_and(|(_, combine)| combine == Combine::Union)
                && policy.isolates[self.direction.index()],
            span: policy.span,
            rules,
        }
    }

    fn rule(&self, said: &RuleTrace) -> RuleAccount {
        let rule = self.words.policies.rule(said.rule);
        let peers = match &rule.peers {
            Peers::Any => Vec::new(),
            Peers::Of(list) => list
                .iter()
                .zip(&said.peers)
                .map(|(peer, trace)| PeerAccount {
                    about: self.words.peer(peer),
                    outcome: trace.outcome,
                    misses: trace.misses.iter().map(|miss| self.miss(miss)).collect(),
                    span: peer.span,
                })
                .collect(),
        };
        let each_port = match &rule.ports {
            Ports::Any => Vec::new(),
            Ports::Of(list) => list
                .iter()
                .zip(&said.ports)
                .map(|(own, &matches)| PortAccount { about: port(own), matches, span: own.span })
                .collect(),
        };
        RuleAccount {
            number: rule.index + 1,
            name: rule.name.as_deref().map(plain),
            action: rule.action,
            outcome: if said.port { said.peer } else { Outcome::Fails },
            asked: said.asked,
            about: self.words.peers(&rule.peers),
            on: ports(&rule.ports),
            span: rule.span,
            peers,
            ports: each_port,
        }
    }

    /// What keeps a selector from matching, in few words.
    fn miss(&self, miss: &PeerMiss) -> String {
        let cluster = self.words.cluster();
        let other = short(self.other);
        match miss {
            PeerMiss::PodLabel { wanted, pod } => {
                format!("{other} {}", has(&cluster.pod(*pod).labels, wanted))
            }
            PeerMiss::NamespaceLabel { wanted, pod } => {
                let namespace = cluster.namespace(cluster.pod(*pod).namespace);
                format!("namespace {} {}", namespace.name, has(&namespace.labels, wanted))
            }
            PeerMiss::OtherNamespace { pod, .. } => {
                let namespace = cluster.namespace(cluster.pod(*pod).namespace);
                format!("{other} is in {}", namespace.name)
            }
            PeerMiss::HostNetwork => format!("{other} is on its node's network"),
            PeerMiss::NotAPod => format!("{other} is no pod"),
            PeerMiss::Address => format!("{other} is not in it"),
            PeerMiss::Unreached => format!("{} matches {other} by labels alone", self.words.cni()),
            PeerMiss::NotTheNode => format!("{other} is none of these nodes"),
            PeerMiss::NotTheName => format!("{other} is another host"),
        }
    }
}

/// Parts of one rule: what any of them matches the rule matches.
fn merge(rule: &mut RuleAccount, part: RuleAccount) {
    let asked = rule.asked || part.asked;
    let better = matches!(
        (rule.outcome, part.outcome),
        (Outcome::Fails, Outcome::Matches | Outcome::Unknown(_))
            | (Outcome::Unknown(_), Outcome::Matches)
    );
    if better {
        *rule = part;
    }
    rule.asked = asked;
}

fn tier_of(policies: &PolicySet, id: PolicyId) -> Option<(TierName, Combine)> {
    let mut all = policies.tiers.iter().chain(&policies.firewalls);
    all.find(|tier| tier.policies.contains(&id)).map(|tier| (tier.name, tier.combine))
}
