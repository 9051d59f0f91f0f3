//! Made-up cluster dumps, as `kubectl get ns,pods,netpol -A -o yaml` prints them: the same bytes for the
//! same shape, of any size, and the worst that we can think of.

#![expect(dead_code, reason = "each program that shares this module uses a part of it")]

use std::fmt::Write as _;
use std::io::{self, Write};

/// What a dump is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The name that it goes by.
    pub(crate) name: &'static str,
    pub(crate) namespaces: usize,
    /// Workloads in a namespace.
    pub(crate) workloads: usize,
    /// Pods of a workload.
    pub(crate) replicas: usize,
    /// Policies in a namespace.
    pub(crate) policies: usize,
    pub(crate) kind: Kind,
}

/// What the policies are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As in published clusters: most select one workload and few peers; some are about blocks.
    Usual,
    /// Every pod has a label of its own, and policies use all of them.
    OwnClasses,
    /// Each policy allows a quarter of all pods.
    Dense,
    /// Each policy names blocks that no other has.
    Blocks,
    /// One policy names every port by itself.
    Ports,
}

/// Every shape that there is.
pub(crate) const SHAPES: [Shape; 8] = [
    usual("tiny", 4, 5, 2, 6),
    usual("1k", 40, 8, 3, 8),
    usual("10k", 250, 10, 4, 16),
    usual("100k", 1000, 20, 5, 10),
    worst("own-classes", 100, 1000, 1, 100, Kind::OwnClasses),
    worst("dense", 100, 25, 4, 20, Kind::Dense),
    worst("blocks", 50, 10, 4, 200, Kind::Blocks),
    worst("ports", 10, 10, 4, 1, Kind::Ports),
];

const fn usual(
    name: &'static str,
    namespaces: usize,
    workloads: usize,
    replicas: usize,
    policies: usize,
) -> Shape {
    worst(name, namespaces, workloads, replicas, policies, Kind::Usual)
}

const fn worst(
    name: &'static str,
    namespaces: usize,
    workloads: usize,
    replicas: usize,
    policies: usize,
    kind: Kind,
) -> Shape {
    Shape { name, namespaces, workloads, replicas, policies, kind }
}

/// A shape by its name.
pub(crate) fn shape(name: &str) -> Option<Shape> {
    SHAPES.into_iter().find(|shape| shape.name == name)
}

/// `SplitMix64`: a seed is all there is to a dump.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).unwrap_or(0)
    }
}

const APPS: [&str; 10] =
    ["web", "api", "worker", "db", "cache", "auth", "search", "mail", "report", "gateway"];

fn app(workload: usize) -> String {
    let name = APPS[workload % APPS.len()];
    match workload / APPS.len() {
        0 => name.to_owned(),
        n => format!("{name}-{n}"),
    }
}

fn namespace(at: usize) -> String {
    format!("team-{at}")
}

impl Shape {
    /// How many pods it has.
    pub(crate) fn pods(&self) -> usize {
        self.namespaces * self.workloads * self.replicas
    }

    /// Two workloads that a question may be about.
    pub(crate) fn ends(&self) -> [String; 2] {
        [
            format!("{}/deploy/{}", namespace(0), app(0)),
            format!("{}/deploy/{}", namespace(self.namespaces / 2), app(1)),
        ]
    }

    /// The dump as a string.
    pub(crate) fn text(&self) -> String {
        let mut bytes = Vec::new();
        let _ = self.write(&mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// Writes the dump.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut r = Random(self.pods() as u64);
        out.write_all(b"apiVersion: v1\nitems:\n")?;
        for at in 0..self.namespaces {
            let name = namespace(at);
            let env = ["prod", "staging", "dev"][at % 3];
            write!(
                out,
                "- apiVersion: v1\n  kind: Namespace\n  metadata:\n    creationTimestamp: \"2026-01-02T03:04:05Z\"\n    labels:\n      env: {env}\n      kubernetes.io/metadata.name: {name}\n    name: {name}\n    resourceVersion: \"1\"\n    uid: 00000000-0000-0000-0000-{at:012}\n  spec:\n    finalizers:\n    - kubernetes\n  status:\n    phase: Active\n"
            )?;
        }
        let mut number = 0;
        for at in 0..self.namespaces {
            for workload in 0..self.workloads {
                for replica in 0..self.replicas {
                    out.write_all(self.pod(at, workload, replica, number).as_bytes())?;
                    number += 1;
                }
            }
        }
        for at in 0..self.namespaces {
            for policy in 0..self.policies {
                out.write_all(self.policy(at, policy, &mut r).as_bytes())?;
            }
        }
        out.write_all(b"kind: List\nmetadata:\n  resourceVersion: \"\"\n")
    }

    fn pod(&self, at: usize, workload: usize, replica: usize, number: usize) -> String {
        let (ns, app) = (namespace(at), app(workload));
        let own = match self.kind {
            Kind::OwnClasses => format!("      number: n{number}\n"),
            _ => String::new(),
        };
        let (node, a, b) = (number % (self.pods() / 80 + 1), number / 250 % 250, number % 250);
        let block = 128 + number / 62_500;
        let quarter = number % 4;
        let address = format!("10.{block}.{a}.{b}");
        let port = 8000 + workload % 50;
        format!(
            "- apiVersion: v1
  kind: Pod
  metadata:
    annotations:
      cni.projectcalico.org/podIP: {address}/32
      prometheus.io/scrape: \"true\"
    creationTimestamp: \"2026-10-05T07:12:44Z\"
    generateName: {app}-7vrzwj2qh6-
    labels:
      app: {app}
{own}      pod-template-hash: 7vrzwj2qh6
      quarter: q{quarter}
      tier: t{}
    name: {app}-7vrzwj2qh6-{replica:05}
    namespace: {ns}
    ownerReferences:
    - apiVersion: apps/v1
      blockOwnerDeletion: true
      controller: true
      kind: ReplicaSet
      name: {app}-7vrzwj2qh6
      uid: 4a40b54d-579c-46d6-abd3-{workload:012}
    resourceVersion: \"103493\"
    uid: c377b8ca-0f32-4a77-a24e-{number:012}
{}    nodeName: node-{node:05}.example.internal
{}    hostIP: 172.{}.{}.{}
    hostIPs:
    - ip: 172.{}.{}.{}
    phase: Running
    podIP: {address}
    podIPs:
    - ip: {address}
    qosClass: Burstable
    startTime: \"2026-10-05T07:12:44Z\"
",
            workload % 3,
            SPEC_START.replace("@PORT@", &port.to_string()),
            SPEC_END,
            16 + node / 65_536,
            node / 256 % 256,
            node % 256,
            16 + node / 65_536,
            node / 256 % 256,
            node % 256,
        )
    }

    fn policy(&self, at: usize, policy: usize, r: &mut Random) -> String {
        let ns = namespace(at);
        let own = app(r.below(self.workloads));
        let mut text = format!(
            "- apiVersion: networking.k8s.io/v1\n  kind: NetworkPolicy\n  metadata:\n    creationTimestamp: \"2026-09-01T12:00:00Z\"\n    generation: 1\n    name: policy-{policy}\n    namespace: {ns}\n    resourceVersion: \"1\"\n    uid: 5c05aa63-dc00-46ec-{at:04}-{policy:012}\n  spec:\n"
        );
        let mut selected = format!("      matchLabels:\n        app: {own}\n");
        match self.kind {
            Kind::Usual => self.usual_policy(policy, r, &mut text),
            Kind::OwnClasses => {
                let number =
                    (at * self.policies + policy) * self.pods() / (self.namespaces * self.policies);
                let _ = write!(
                    text,
                    "    ingress:\n    - from:\n      - namespaceSelector: {{}}\n        podSelector:\n          matchLabels:\n            number: n{}\n",
                    r.below(self.pods())
                );
                selected = format!("      matchLabels:\n        number: n{number}\n");
            }
            Kind::Dense => {
                let _ = write!(
                    text,
                    "    ingress:\n    - from:\n      - namespaceSelector: {{}}\n        podSelector:\n          matchLabels:\n            quarter: q{}\n      ports:\n      - port: {}\n        protocol: TCP\n",
                    r.below(4),
                    1 + r.below(60_000)
                );
            }
            Kind::Blocks => {
                let number = at * self.policies + policy;
                let _ = write!(
                    text,
                    "    ingress:\n    - from:\n      - ipBlock:\n          cidr: {}.{}.{}.0/24\n      - ipBlock:\n          cidr: 10.{}.0.0/16\n",
                    11 + number / 65_536,
                    number / 256 % 256,
                    number % 256,
                    128 + number % 4
                );
            }
            Kind::Ports => {
                let ports = (1..=65_535).step_by(self.namespaces).map(|port| port + at);
                text.push_str("    ingress:\n    - from:\n      - podSelector: {}\n      ports:\n");
                for port in ports.filter(|port| *port <= 65_535) {
                    let _ = write!(text, "      - port: {port}\n        protocol: TCP\n");
                }
            }
        }
        let kind = if text.contains("    egress:\n") { "Egress" } else { "Ingress" };
        let _ = write!(text, "    podSelector:\n{selected}    policyTypes:\n    - {kind}\n");
        text
    }

    /// A default, a workload's peers, another namespace's, a block, or egress.
    fn usual_policy(&self, policy: usize, r: &mut Random, text: &mut String) {
        let peer = app(r.below(self.workloads));
        let port = 8000 + r.below(50);
        let port = format!("      ports:\n      - port: {port}\n        protocol: TCP\n");
        let _ = match policy % 8 {
            0 => Ok(()),
            1..=3 => write!(
                text,
                "    ingress:\n    - from:\n      - podSelector:\n          matchLabels:\n            app: {peer}\n{port}"
            ),
            4 => write!(
                text,
                "    ingress:\n    - from:\n      - namespaceSelector:\n          matchLabels:\n            kubernetes.io/metadata.name: {}\n        podSelector:\n          matchLabels:\n            app: {peer}\n{port}",
                namespace(r.below(self.namespaces))
            ),
            5 => write!(
                text,
                "    ingress:\n    - from:\n      - ipBlock:\n          cidr: 10.{}.{}.0/24\n",
                128 + r.below(2),
                r.below(250)
            ),
            6 => write!(
                text,
                "    egress:\n    - ports:\n      - port: 53\n        protocol: UDP\n      to:\n      - namespaceSelector: {{}}\n"
            ),
            _ => write!(
                text,
                "    ingress:\n    - from:\n      - namespaceSelector:\n          matchLabels:\n            env: {}\n        podSelector:\n          matchLabels:\n            tier: t{}\n{port}",
                ["prod", "staging", "dev"][r.below(3)],
                r.below(3)
            ),
        };
    }
}

/// What a pod's `spec` starts with: most of it does not matter to the network.
const SPEC_START: &str = include_str!("spec_start.txt");
/// What it ends with, and what a `status` starts with.
const SPEC_END: &str = include_str!("spec_end.txt");
