//! What enforcers make of whole policies.

use super::super::profile::{Feature, Habit, When};
use super::super::profiles::PROFILES;
use super::{Change, Rewrite};
use crate::cluster::Operator;
use crate::net::{ConnectionSet, Family, Protocol};
use crate::policy::{
    Certainty, Direction, EffectId, NamespaceMatch, PeerMatch, Peers, PolicyId, PolicyKind,
    PortMatch, Ports,
};

impl Rewrite<'_> {
    pub(super) fn ignore(&mut self) {
        let all = self.all_policies();
        self.take_out(EffectId::PoliciesIgnored, &all);
        self.set.blind.clear();
        self.set.ignored = true;
        for id in all {
            self.note_policy(EffectId::PoliciesIgnored, id, "the policy has no effect".into());
        }
    }

    pub(super) fn network_policies(&self) -> Vec<PolicyId> {
        let mut all = self.all_policies();
        all.retain(|id| self.set.policy(*id).kind == PolicyKind::NetworkPolicy);
        all
    }

    /// NetworkPolicies alone have no effect.
    pub(super) fn ignore_network_policies(&mut self) {
        let all = self.network_policies();
        self.take_out(EffectId::PoliciesIgnored, &all);
        let spots = &self.cluster.blind_spots;
        let other = |spot: usize| {
            let kind = spots.get(spot).and_then(|spot| spot.kind.as_deref());
            kind.is_some_and(|kind| kind != PolicyKind::NetworkPolicy.name())
        };
        self.set.blind.retain(|blind| other(blind.spot));
        for id in all {
            self.note_policy(EffectId::PoliciesIgnored, id, "the policy has no effect".into());
        }
    }

    /// Whatever enforces policies may not know those of other APIs.
    pub(super) fn know_nothing(&mut self) {
        self.set.dataplane.unknown_enforcer = true;
        for id in self.all_policies() {
            let policy = self.set.policies.get_mut(id.index());
            if let Some(policy) = policy.filter(|own| own.kind != PolicyKind::NetworkPolicy) {
                policy.doubt = Some("not every enforcer knows policies of this kind".into());
            }
        }
    }

    /// Notes that a policy may count or not.
    pub(super) fn doubt_policy(&mut self, effect: EffectId, id: PolicyId, text: String) {
        if let Some(policy) = self.set.policies.get_mut(id.index()) {
            policy.doubt = Some(text.as_str().into());
        }
        let span = Some(self.set.policy(id).span);
        self.changes.push(Change { effect, sure: false, policy: Some(id), rule: None, text, span });
    }

    /// Policies of another CNI's own API: this one has never heard of them.
    pub(super) fn foreign_policies(&mut self) {
        let own = self.cni.profile.native_groups;
        let foreign = |group: &str| {
            !own.contains(&group)
                && PROFILES.iter().any(|profile| profile.native_groups.contains(&group))
        };
        let spots = &self.cluster.blind_spots;
        // Broken policies of an API that the enforcer does not know have no effect, either.
        let unknown = |kind: &str| {
            let kind = PolicyKind::ALL.iter().find(|own| own.name() == kind);
            kind.is_some_and(|kind| {
                let known = self.cni.profile.apis.iter().find(|(own, ..)| own == kind);
                let certainty = known.map_or(Certainty::No, |(_, when, _)| self.cni.holds(when));
                *kind != PolicyKind::NetworkPolicy && certainty == Certainty::No
            })
        };
        let (gone, kept): (Vec<_>, Vec<_>) = self.set.blind.iter().copied().partition(|blind| {
            let Some(spot) = spots.get(blind.spot) else { return false };
            let ours = spot.group.as_deref().is_some_and(is_ours);
            spot.group.as_deref().is_some_and(foreign)
                || ours && spot.kind.as_deref().is_some_and(unknown)
        });
        self.set.blind = kept;
        for spot in gone.into_iter().filter_map(|blind| spots.get(blind.spot)) {
            let text = format!("{} has no effect", spot.what);
            self.note(EffectId::ForeignPolicyIgnored, true, &text, Some(spot.span));
        }
    }

    /// Which of the other APIs the enforcer knows.
    pub(super) fn apis(&mut self) {
        let mut gone = Vec::new();
        for id in self.all_policies() {
            let kind = self.set.policy(id).kind;
            if kind == PolicyKind::NetworkPolicy {
                continue;
            }
            let known = self.cni.profile.apis.iter().find(|(own, ..)| *own == kind);
            let certainty = known.map_or(Certainty::No, |(_, when, _)| self.cni.holds(when));
            let about = known.map(|(.., about)| *about).unwrap_or_default();
            match certainty {
                Certainty::Yes => {}
                Certainty::Maybe => {
                    let why = format!("{kind} is enforced {about}");
                    self.doubt_policy(EffectId::ApiIgnored, id, why);
                }
                Certainty::No => {
                    gone.push(id);
                    let text = if about.is_empty() {
                        format!("{kind} is not enforced")
                    } else {
                        format!("{kind} is enforced {about}")
                    };
                    self.note_policy(EffectId::ApiIgnored, id, text);
                }
            }
        }
        self.take_out(EffectId::ApiIgnored, &gone);
    }

    pub(super) fn unlisted_direction(&mut self, isolates: bool, sure: bool, when: &When) {
        let effect = Habit::UnlistedDirection { isolates }.effect();
        for id in self.all_policies() {
            for direction in Direction::ALL {
                let at = direction.index();
                let Some(policy) = self.set.policies.get_mut(id.index()) else { continue };
                let listed = policy.isolates[at] || policy.kind != PolicyKind::NetworkPolicy;
                let Some(&first) = policy.rules[at].first().filter(|_| !listed) else { continue };
                policy.counts[at] = true;
                policy.isolates[at] = isolates && sure;
                let rules = policy.rules[at].clone();
                if !sure {
                    let why = format!(
                        "they may count though `policyTypes` does not list them: {}",
                        self.open_setting(when)
                    );
                    for id in rules {
                        if let Some(rule) = self.set.rules.get_mut(id.index()) {
                            rule.doubt = Some(why.as_str().into());
                        }
                    }
                }
                let text = if isolates {
                    format!(
                        "its {direction} rules isolate and allow, though `policyTypes` does not list them"
                    )
                } else {
                    format!("its {direction} rules allow, though `policyTypes` does not list them")
                };
                let span = self.set.rule(first).span;
                self.note_rule(effect, sure, first, text, span);
            }
        }
    }

    pub(super) fn reject(
        &mut self,
        features: &'static [Feature],
        listed: bool,
        sure: bool,
        when: &When,
    ) {
        let effect = EffectId::PolicyRejected;
        let mut gone = Vec::new();
        for id in self.all_policies() {
            let found = features.iter().find(|feature| self.has_feature(id, **feature, listed));
            let Some(feature) = found else { continue };
            let what = match feature {
                Feature::NamedPort => "a port by name",
                Feature::WildcardName => "a domain name with a `*`",
                Feature::Ipv6Block => "an `ipBlock` of IPv6",
                Feature::Except => "an `except`",
                Feature::NegativeSelector => "`NotIn` or `DoesNotExist`",
                Feature::Sctp => "SCTP",
                Feature::EndPort => "an `endPort`",
                Feature::NodePeer => "a peer by node",
            };
            let text = format!("the policy is set aside whole for {what}, as if it were not there");
            if sure {
                gone.push(id);
                self.note_policy(effect, id, text);
            } else {
                let why = format!(
                    "the policy may be set aside whole for {what}: {}",
                    self.open_setting(when)
                );
                self.doubt_policy(effect, id, why);
            }
        }
        self.take_out(effect, &gone);
    }

    fn has_feature(&self, id: PolicyId, feature: Feature, listed: bool) -> bool {
        let policy = self.set.policy(id);
        let about = match feature {
            Feature::WildcardName => PolicyKind::EgressFirewall,
            Feature::NodePeer => PolicyKind::ClusterNetworkPolicy,
            _ => PolicyKind::NetworkPolicy,
        };
        if policy.kind != about {
            return false;
        }
        let listed = listed && policy.kind == PolicyKind::NetworkPolicy;
        let directions = policy.rules.iter().zip(policy.isolates);
        let rules = directions
            .filter(|(_, isolates)| !listed || *isolates)
            .flat_map(|(rules, _)| rules)
            .map(|&id| self.set.rule(id));
        let negative = |selector: &crate::cluster::Selector| {
            let negative = |operator| matches!(operator, Operator::NotIn | Operator::DoesNotExist);
            selector.requirements().iter().any(|r| negative(r.operator))
        };
        let pods = |pods: &crate::policy::PodsMatch| {
            let namespaces = match &pods.namespaces {
                NamespaceMatch::Is(_) => false,
                NamespaceMatch::Labelled(selector) => negative(selector),
            };
            namespaces || negative(&pods.pods)
        };
        if feature == Feature::NegativeSelector && pods(&policy.subject) {
            return true;
        }
        rules.into_iter().any(|rule| {
            let peers = match &rule.peers {
                Peers::Of(list) => list.as_slice(),
                Peers::Any => &[],
            };
            let ports = match &rule.ports {
                Ports::Of(list) => list.as_slice(),
                Ports::Any => &[],
            };
            match feature {
                Feature::NamedPort => {
                    ports.iter().any(|port| matches!(port.matches, PortMatch::Named { .. }))
                }
                Feature::WildcardName => peers.iter().any(|peer| match &peer.matches {
                    PeerMatch::Domains(names) => names.iter().any(|name| name.exact().is_none()),
                    _ => false,
                }),
                Feature::EndPort => ports.iter().any(|port| port.first.is_some()),
                Feature::NodePeer => {
                    peers.iter().any(|peer| matches!(peer.matches, PeerMatch::Nodes(_)))
                }
                Feature::Sctp => ports.iter().any(|port| match &port.matches {
                    PortMatch::Numbers(set) => {
                        !set.intersection(&ConnectionSet::protocol(Protocol::Sctp)).is_empty()
                    }
                    PortMatch::Named { protocol, .. } => *protocol == Protocol::Sctp,
                }),
                Feature::Ipv6Block => peers.iter().any(|peer| match &peer.matches {
                    PeerMatch::Addresses(set, _) => !set.only(Family::V6).is_empty(),
                    _ => false,
                }),
                Feature::Except => peers.iter().any(|peer| match &peer.form {
                    crate::policy::PeerForm::Block { except, .. } => !except.is_empty(),
                    _ => false,
                }),
                Feature::NegativeSelector => peers.iter().any(|peer| match &peer.matches {
                    PeerMatch::Pods(selector) => pods(selector),
                    _ => false,
                }),
            }
        })
    }

    pub(super) fn limit_priority(&mut self, limit: u16) {
        let beyond = |id: &PolicyId| {
            let policy = self.set.policy(*id);
            policy.kind == PolicyKind::AdminNetworkPolicy && policy.order > limit
        };
        let gone: Vec<PolicyId> = self.all_policies().into_iter().filter(beyond).collect();
        for &id in &gone {
            let text = format!("the policy has no effect: priorities above {limit} are refused");
            let sure = self.set.policy(id).doubt.is_none();
            self.note_policy(EffectId::PriorityRejected, id, text);
            if let Some(change) = self.changes.last_mut() {
                change.sure = sure;
            }
        }
        self.take_out(EffectId::PriorityRejected, &gone);
    }
}

/// The groups of the policies of other APIs that are evaluated.
fn is_ours(group: &str) -> bool {
    ["policy.networking.k8s.io", "k8s.ovn.org", "network.openshift.io"].contains(&group)
}
