//! Random small clusters with every feature of the model, each from one number.

use kubereach::cluster::{
    Assumptions, ClusterState, ContainerPort, LabelSelector, Labels, NetworkPolicyResource,
    Operator, PeerSelects, PortRef, PortResource, Requirement, RuleResource, resolve,
};
use kubereach::diagnostic::{SourceMap, Span};
use kubereach::manifest::{
    AddressList, AdminKind, AdminPeer, AdminPeerResource, AdminPolicyResource, AdminPort,
    AdminPortResource, AdminRuleResource, AdminTier, Digest, Meta, NodeResource, Owner,
    PeerResource, PodResource, PodShape, PodsSelector, Reason, Resource, RuleAction, SetAside,
    WorkloadResource,
};
use kubereach::net::{DomainName, Protocol};
use std::net::IpAddr;
use std::sync::Arc;

/// `SplitMix64`: a good small generator, so that a seed is all there is to a cluster.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def0)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).expect("a small number")
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

const NAMESPACES: [&str; 3] = ["a", "b", "c"];
const KEYS: [&str; 3] = ["app", "tier", "env"];
const VALUES: [&str; 3] = ["x", "y", ""];
const NODES: [&str; 2] = ["n1", "n2"];
pub(crate) const PORTS: [u16; 6] = [1, 53, 80, 81, 8080, 65535];
const NAMES: [&str; 2] = ["http", "dns"];
const V4: [&str; 8] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.244.0.0/16",
    "10.244.0.8/29",
    "10.244.0.9/32",
    "10.250.0.1/32",
    "203.0.113.0/24",
    "192.168.0.0/16",
];
const V6: [&str; 4] = ["::/0", "fd00::/8", "fd00:244::/64", "2001:db8::/32"];

fn meta(namespace: Option<&str>, name: &str, labels: Labels) -> Meta {
    Meta {
        namespace: namespace.map(Into::into),
        name: name.into(),
        labels,
        owner: None,
        span: Span::default(),
        digest: Digest::Known(0),
    }
}

fn labels(r: &mut Random) -> Labels {
    let mut labels = Labels::default();
    for key in KEYS {
        if !r.one_in(3) {
            labels.set(key, (*r.pick(&VALUES)).into());
        }
    }
    labels
}

fn protocol(r: &mut Random) -> Protocol {
    *r.pick(&[Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp])
}

fn shape(r: &mut Random) -> PodShape {
    let mut ports: Vec<ContainerPort> = (0..r.below(4))
        .map(|_| ContainerPort {
            name: (!r.one_in(4)).then(|| (*r.pick(&NAMES)).into()),
            protocol: protocol(r),
            number: *r.pick(&PORTS),
            sidecar: r.one_in(5),
        })
        .collect();
    ports.sort();
    PodShape { labels: labels(r), host_network: r.one_in(6), ports: ports.into() }
}

fn addresses(r: &mut Random, at: usize) -> Vec<IpAddr> {
    let v4: IpAddr = format!("10.244.0.{}", 8 + at).parse().expect("an address");
    let v6: IpAddr = format!("fd00:244::{:x}", 8 + at).parse().expect("an address");
    match r.below(5) {
        0 | 1 => vec![v4],
        2 => vec![v4, v6],
        3 => vec![v6, v4],
        _ => vec![v6],
    }
}

fn selector(r: &mut Random) -> LabelSelector {
    let requirements = (0..=r.below(2))
        .map(|_| {
            let operator = *r.pick(&[
                Operator::In,
                Operator::In,
                Operator::NotIn,
                Operator::Exists,
                Operator::DoesNotExist,
            ]);
            let mut values: Vec<Arc<str>> = match operator {
                Operator::In | Operator::NotIn => {
                    (0..=r.below(2)).map(|_| (*r.pick(&VALUES)).into()).collect()
                }
                Operator::Exists | Operator::DoesNotExist => Vec::new(),
            };
            values.sort();
            values.dedup();
            let key = if r.one_in(6) { "kubernetes.io/metadata.name" } else { r.pick(&KEYS) };
            let values = if key.contains('/') && !values.is_empty() {
                vec![(*r.pick(&NAMESPACES)).into()]
            } else {
                values
            };
            Requirement { key: key.into(), operator, values, span: Span::default() }
        })
        .collect();
    LabelSelector { span: Span::default(), requirements }
}

fn everything() -> LabelSelector {
    LabelSelector { span: Span::default(), requirements: Vec::new() }
}

fn peer(r: &mut Random) -> PeerResource {
    let selects = if r.one_in(3) {
        let pool: &[&str] = if r.one_in(3) { &V6 } else { &V4 };
        let cidr: ipnet::IpNet = r.pick(pool).parse().expect("a block");
        let inner = |text: &&&str| {
            let net: ipnet::IpNet = text.parse().expect("a block");
            cidr.contains(&net) && net != cidr
        };
        let inside: Vec<&&str> = pool.iter().filter(inner).collect();
        let except = inside.iter().filter(|_| r.one_in(2)).map(|t| t.parse().expect("a block"));
        PeerSelects::Block { cidr, except: except.collect() }
    } else {
        match r.below(3) {
            0 => PeerSelects::Pods { namespaces: None, pods: Some(selector(r)) },
            1 => PeerSelects::Pods { namespaces: Some(selector(r)), pods: None },
            _ => PeerSelects::Pods { namespaces: Some(selector(r)), pods: Some(selector(r)) },
        }
    };
    PeerResource { span: Span::default(), selects }
}

fn port(r: &mut Random) -> PortResource {
    let (port, end_port) = match r.below(5) {
        0 => (None, None),
        1 => (Some(PortRef::Name((*r.pick(&NAMES)).into())), None),
        2 => {
            let (a, b) = (*r.pick(&PORTS), *r.pick(&PORTS));
            (Some(PortRef::Number(a.min(b))), Some(a.max(b)))
        }
        _ => (Some(PortRef::Number(*r.pick(&PORTS))), None),
    };
    PortResource { span: Span::default(), protocol: protocol(r), port, end_port }
}

fn rules(r: &mut Random) -> Vec<RuleResource> {
    (0..r.below(3))
        .map(|_| RuleResource {
            span: Span::default(),
            peers: (0..r.below(3)).map(|_| peer(r)).collect(),
            ports: (0..r.below(3)).map(|_| port(r)).collect(),
        })
        .collect()
}

pub(crate) fn name(text: &str) -> DomainName {
    DomainName::new(text).expect("a name")
}

/// The cluster of a seed.
pub(crate) fn cluster(r: &mut Random) -> ClusterState {
    let Parts { resources, set_aside, assumptions } = parts(r);
    resolve(resources, &set_aside, &SourceMap::default(), &assumptions).0
}

/// What a cluster is made of.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) resources: Vec<Resource>,
    pub(crate) set_aside: Vec<SetAside>,
    pub(crate) assumptions: Assumptions,
}

/// A policy of a name.
pub(crate) fn policy(r: &mut Random, at: usize) -> Resource {
    let (ingress, egress) = (rules(r), rules(r));
    let (isolates_ingress, isolates_egress) = match r.below(4) {
        0 => (true, !egress.is_empty()),
        1 => (true, false),
        2 => (false, true),
        _ => (true, true),
    };
    Resource::NetworkPolicy(Box::new(NetworkPolicyResource {
        meta: meta(Some(*r.pick(&NAMESPACES)), &format!("np{at}"), Labels::default()),
        // Half of the policies select every pod of their namespace, so that much is isolated.
        pod_selector: if r.one_in(2) { everything() } else { selector(r) },
        policy_types: None,
        isolates_ingress,
        isolates_egress,
        ingress,
        egress,
    }))
}

fn admin_rules(r: &mut Random, egress: bool) -> Vec<AdminRuleResource> {
    let pods = |r: &mut Random| {
        AdminPeer::Pods(PodsSelector {
            namespaces: if r.one_in(2) { everything() } else { selector(r) },
            pods: if r.one_in(2) { everything() } else { selector(r) },
            span: Span::default(),
        })
    };
    let peer = |r: &mut Random| {
        let selects = match r.below(if egress { 5 } else { 2 }) {
            2 => {
                let text = if r.one_in(3) { r.pick(&V6) } else { r.pick(&V4) };
                AdminPeer::Networks(vec![text.parse().expect("a block")])
            }
            3 => AdminPeer::Nodes(if r.one_in(2) { everything() } else { selector(r) }),
            _ => pods(r),
        };
        AdminPeerResource { span: Span::default(), selects }
    };
    let port = |r: &mut Random| {
        let selects = if r.one_in(3) {
            AdminPort::Named((*r.pick(&NAMES)).into())
        } else {
            let (a, b) = (*r.pick(&PORTS), *r.pick(&PORTS));
            AdminPort::Range(protocol(r), a.min(b), a.max(b))
        };
        AdminPortResource { span: Span::default(), selects }
    };
    (0..r.below(3))
        .map(|_| AdminRuleResource {
            span: Span::default(),
            name: None,
            action: *r.pick(&[RuleAction::Allow, RuleAction::Deny, RuleAction::Pass]),
            peers: (0..=r.below(2)).map(|_| peer(r)).collect(),
            ports: (0..r.below(3)).map(|_| port(r)).collect(),
        })
        .collect()
}

/// A policy of an administrator, of a name.
pub(crate) fn admin_policy(r: &mut Random, at: usize) -> Resource {
    let tier = *r.pick(&[AdminTier::Admin, AdminTier::Baseline]);
    Resource::AdminPolicy(Box::new(AdminPolicyResource {
        meta: meta(None, &format!("cnp{at}"), Labels::default()),
        kind: AdminKind::ClusterNetworkPolicy,
        tier,
        // Some are asked together.
        priority: *r.pick(&[1, 2, 2, 3]),
        priority_span: Span::default(),
        subject: PodsSelector {
            namespaces: if r.one_in(2) { everything() } else { selector(r) },
            pods: if r.one_in(2) { everything() } else { selector(r) },
            span: Span::default(),
        },
        ingress: admin_rules(r, false),
        egress: admin_rules(r, true),
    }))
}

/// Changes something: a policy, the labels of a pod or a namespace, or what there is.
pub(crate) fn change(r: &mut Random, resources: &mut Vec<Resource>) {
    let at = r.below(resources.len());
    let has_admin = resources.iter().any(|own| matches!(own, Resource::AdminPolicy(_)));
    if r.one_in(3) {
        resources.push(if has_admin && r.one_in(2) { admin_policy(r, 90) } else { policy(r, 90) });
    } else if r.one_in(4) {
        resources.remove(at);
    } else if let Resource::NetworkPolicy(own) = &mut resources[at] {
        match r.below(5) {
            0 => own.isolates_egress = !own.isolates_egress,
            1 => own.isolates_ingress = !own.isolates_ingress,
            2 => own.ingress = rules(r),
            3 => own.egress = rules(r),
            _ => own.pod_selector = selector(r),
        }
    } else if let Resource::AdminPolicy(own) = &mut resources[at] {
        match r.below(4) {
            0 => own.priority = own.priority % 3 + 1,
            1 => own.ingress = admin_rules(r, false),
            2 => own.egress = admin_rules(r, true),
            _ => own.subject.pods = selector(r),
        }
    } else if let Resource::Pod(pod) = &mut resources[at] {
        if r.one_in(3) {
            pod.shape = shape(r);
        } else {
            pod.shape.labels = labels(r);
        }
    } else if let Resource::Namespace(meta) = &mut resources[at] {
        meta.labels = labels(r);
    }
}

pub(crate) fn parts(r: &mut Random) -> Parts {
    let mut resources = Vec::new();
    for name in NAMESPACES {
        // Namespaces without an object have unknown labels.
        if !r.one_in(5) {
            resources.push(Resource::Namespace(Box::new(meta(None, name, labels(r)))));
        }
    }
    let without_nodes = r.one_in(5);
    for (at, name) in NODES.iter().enumerate() {
        if !without_nodes && !r.one_in(4) {
            let addresses = if r.one_in(4) {
                Vec::new()
            } else {
                vec![
                    format!("10.250.0.{}", at + 1).parse().expect("an address"),
                    format!("fd00:250::{}", at + 1).parse().expect("an address"),
                ]
            };
            resources.push(Resource::Node(Box::new(NodeResource {
                meta: meta(None, name, labels(r)),
                addresses,
            })));
        }
    }
    for at in 0..3 + r.below(5) {
        let namespace = *r.pick(&NAMESPACES);
        let name = format!("p{at}");
        if r.one_in(4) {
            resources.push(Resource::Workload(Box::new(WorkloadResource {
                meta: meta(Some(namespace), &name, Labels::default()),
                group: "apps".into(),
                kind: "Deployment".into(),
                replicas: None,
                template: shape(r),
            })));
            continue;
        }
        let shape = shape(r);
        let addresses =
            if shape.host_network || r.one_in(8) { Vec::new() } else { addresses(r, at) };
        let mut meta = meta(Some(namespace), &name, shape.labels.clone());
        if r.one_in(3) {
            meta.owner = Some(Owner {
                group: "apps".into(),
                kind: "StatefulSet".into(),
                name: "set".into(),
            });
        }
        resources.push(Resource::Pod(Box::new(PodResource {
            meta,
            shape,
            node: (!without_nodes && !r.one_in(5)).then(|| (*r.pick(&NODES)).into()),
            finished: r.one_in(12),
            addresses: addresses.into(),
            host_addresses: AddressList::new(),
            stand_in: false,
        })));
    }
    for at in 0..=r.below(6) {
        resources.push(policy(r, at));
    }
    let set_aside: Vec<SetAside> = if r.one_in(15) {
        vec![SetAside {
            reason: Reason::UnsupportedPolicy,
            what: "a policy of another API".into(),
            group: None,
            kind: Some(
                (if r.one_in(2) { "CiliumNetworkPolicy" } else { "GlobalNetworkPolicy" }).into(),
            ),
            namespace: Some("a".into()),
            span: Span::default(),
        }]
    } else {
        Vec::new()
    };
    let assumptions = Assumptions {
        pod_cidrs: if r.one_in(4) {
            vec!["10.244.0.0/16".parse().expect("a block")]
        } else {
            Vec::new()
        },
        resolved: if r.one_in(2) {
            // One of the names leads to a node: then that is its address, too.
            vec![
                (name("api.example.com"), "203.0.113.7".parse().expect("an address")),
                (name("api.example.com"), "2001:db8::7".parse().expect("an address")),
                (name("node.example.com"), "10.250.0.1".parse().expect("an address")),
            ]
        } else {
            Vec::new()
        },
        ..Assumptions::default()
    };
    Parts { resources, set_aside, assumptions }
}
