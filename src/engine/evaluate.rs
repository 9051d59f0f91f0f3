//! What the policies of one class say towards one other end: tier by tier, in whole sets.

use super::matching::{self, Matched};
use super::model::{Asked, Model, Question, View};
use super::verdict::Verdict;
use crate::net::{ConnectionSet, Family};
use crate::policy::{Action, Certainty, Closed, Combine, RuleId};
use std::ops::Range;

impl Model<'_> {
    /// What policies say of a question.
    pub(super) fn evaluate(&self, asked: &Question<'_>, may_allow: bool) -> Verdict {
        let dataplane = &self.policies.dataplane;
        let unpoliced = dataplane.unpoliced(asked.family);
        if unpoliced == Certainty::Yes || self.classes.left_alone[asked.subject as usize] {
            return Verdict::all();
        }
        let subjection = self.subjection(asked.subject, asked.direction);
        let closed = dataplane.closed != Closed::Never || dataplane.unknown_enforcer;
        let blind = subjection.blind || subjection.blind_firewall;
        if subjection.policies.is_empty() && !blind && !closed {
            return Verdict::all();
        }
        let outside = match asked.other {
            View::Class(class) => self.is_on_node(class),
            View::Other(peer) => peer.subject(self.cluster).is_none(),
            View::Nobody => false,
        };
        // Policies of a subjection are in the order of tiers, those of firewalls at the end.
        let tiers = self.policies.tiers.len();
        let (own, firewalls) = self.split(&subjection.policies, tiers);
        let mut verdict = if subjection.blind {
            Verdict { allowed: ConnectionSet::empty(), unknown: ConnectionSet::all() }
        } else {
            let mut sets = Sets::new(may_allow);
            self.walk(&mut sets, own, 0..tiers, asked);
            sets.verdict()
        };
        if outside && subjection.blind_firewall {
            verdict = verdict.or_unallowed();
        }
        if !firewalls.is_empty() && outside {
            let mut rest = firewalls;
            for at in tiers..tiers + self.policies.firewalls.len() {
                let (own, later) = self.split(rest, at + 1);
                rest = later;
                let mut sets = Sets::new(false);
                self.walk(&mut sets, own, at..at + 1, asked);
                verdict = verdict.and(&sets.verdict());
            }
        }
        self.as_enforced(verdict, asked.family)
    }

    fn walk(&self, sets: &mut Sets, policies: &[Asked], tiers: Range<usize>, asked: &Question<'_>) {
        // A firewall that says nothing allows, whatever the enforcer's default is.
        let firewall = tiers.start > 0;
        let mut rest = policies;
        for at in tiers {
            let (own, later) = self.split(rest, at + 1);
            rest = later;
            let Some(tier) = self.tier(at).filter(|_| !own.is_empty()) else { continue };
            match tier.combine {
                Combine::FirstMatch => {
                    self.first_match(sets, own, asked);
                }
                Combine::Union => self.union(sets, own, asked),
            }
            if sets.undecided.is_empty() {
                return;
            }
        }
        let closed = if firewall { Matched::No } else { self.closed(asked.subject) };
        sets.decide_rest(closed);
    }

    fn first_match(&self, sets: &mut Sets, policies: &[Asked], asked: &Question<'_>) {
        let mut passed = ConnectionSet::empty();
        let order = |(id, _): &Asked| self.policy(*id).order;
        for rivals in policies.chunk_by(|a, b| order(a) == order(b)) {
            // Of policies of equal priority that match, any one may decide.
            let mut undecided = sets.undecided.clone();
            for &(policy, about) in rivals {
                let mut own = sets.undecided.clone();
                for &id in &self.policy(policy).rules[asked.direction.index()] {
                    let Some(sure) = self.rule_matches(id, asked) else {
                        continue;
                    };
                    let here = self.ports(id, asked).intersection(&own);
                    let rule = self.declared(id);
                    match rule.action {
                        Action::Allow => sets.may_allow = sets.may_allow.union(&here),
                        Action::Deny => sets.may_deny = sets.may_deny.union(&here),
                        Action::Pass => passed = passed.union(&here),
                    }
                    if sure && about && rule.doubt.is_none() {
                        own = own.difference(&here);
                    }
                }
                undecided = undecided.intersection(&own);
            }
            sets.undecided = undecided;
        }
        sets.undecided = sets.undecided.union(&passed);
    }

    fn union(&self, sets: &mut Sets, policies: &[Asked], asked: &Question<'_>) {
        let (mut isolated, mut isolated_maybe) = (false, false);
        let (mut selected, mut selected_maybe) = (false, false);
        let (mut yes, mut maybe) = (ConnectionSet::empty(), ConnectionSet::empty());
        for &(id, about) in policies {
            let policy = self.policy(id);
            selected |= about;
            selected_maybe |= !about;
            if policy.isolates[asked.direction.index()] {
                isolated |= about;
                isolated_maybe |= !about;
            }
            if !policy.counts[asked.direction.index()] {
                continue;
            }
            for &rule in &policy.rules[asked.direction.index()] {
                let Some(sure) = self.rule_matches(rule, asked) else {
                    continue;
                };
                let ports = self.ports(rule, asked);
                let sure = sure && about && self.declared(rule).doubt.is_none();
                let set = if sure { &mut yes } else { &mut maybe };
                *set = set.union(&ports);
            }
        }
        let here = std::mem::take(&mut sets.undecided);
        sets.may_allow = sets.may_allow.union(&here.intersection(&yes.union(&maybe)));
        let rest = here.difference(&yes);
        if isolated || isolated_maybe {
            sets.may_deny = sets.may_deny.union(&rest);
        }
        if isolated {
            return;
        }
        if self.policies.dataplane.hidden_baseline && (selected || selected_maybe) {
            sets.may_allow = sets.may_allow.union(&rest);
            if selected {
                return;
            }
        }
        sets.undecided = rest;
    }

    /// Whether a rule is about both ends: for sure, maybe (`Some(false)`), or not.
    fn rule_matches(&self, rule: RuleId, asked: &Question<'_>) -> Option<bool> {
        let fast = self.rule(rule)?;
        let own =
            self.any_matches(fast.own.as_deref(), View::Class(asked.subject), asked.family)?;
        let peer = self.any_matches(fast.peers.as_deref(), asked.other, asked.family)?;
        Some(own && peer)
    }

    /// Whether one of some selectors matches an end: for sure, maybe (`Some(false)`), or not.
    fn any_matches(
        &self,
        selectors: Option<&[u32]>,
        other: View<'_>,
        family: Family,
    ) -> Option<bool> {
        let Some(selectors) = selectors else {
            return Some(true);
        };
        let mut maybe = false;
        for &selector in selectors {
            match other {
                View::Class(class) => {
                    let selected = self.matched(selector, family);
                    if selected.yes.contains(class) {
                        return Some(true);
                    }
                    maybe |= selected.maybe.contains(class);
                }
                View::Other(peer) => {
                    let selector = self.index.peers[selector as usize];
                    match matching::peer(self.cluster, selector, peer, family) {
                        Matched::Yes => return Some(true),
                        Matched::Unknown(_) => maybe = true,
                        Matched::No => {}
                    }
                }
                View::Nobody => {}
            }
        }
        maybe.then_some(false)
    }

    pub(super) fn ports(&self, rule: RuleId, asked: &Question<'_>) -> ConnectionSet {
        let Some(ports) = self.rule(rule).and_then(|rule| rule.ports.as_ref()) else {
            return ConnectionSet::all();
        };
        let mut set = ports.numbers.clone();
        if let Some(class) = asked.destination() {
            for &name in &ports.names {
                set = set.union(self.classes.named(class, name));
            }
        }
        set
    }
}

/// What may come out for each connection. `undecided` holds those that no rule has decided yet.
struct Sets {
    may_allow: ConnectionSet,
    may_deny: ConnectionSet,
    undecided: ConnectionSet,
}

impl Sets {
    fn new(may_allow: bool) -> Self {
        Self {
            may_allow: if may_allow { ConnectionSet::all() } else { ConnectionSet::empty() },
            may_deny: ConnectionSet::empty(),
            undecided: ConnectionSet::all(),
        }
    }

    /// No tier decided.
    fn decide_rest(&mut self, closed: Matched) {
        let rest = std::mem::take(&mut self.undecided);
        if closed != Matched::No {
            self.may_deny = self.may_deny.union(&rest);
        }
        if closed != Matched::Yes {
            self.may_allow = self.may_allow.union(&rest);
        }
    }

    fn verdict(self) -> Verdict {
        Verdict {
            unknown: self.may_allow.intersection(&self.may_deny),
            allowed: self.may_allow.difference(&self.may_deny),
        }
    }
}
