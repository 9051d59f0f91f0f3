//! Every object of the input is accounted for, and what may hide a policy reaches the pods it may
//! select.

#![expect(clippy::panic, reason = "helpers of tests, which say what they found")]

use kubereach::analysis::{Answer, Engines, Options, World, can, resolve_endpoint};
use kubereach::enforcement::Cni;
use kubereach::manifest::load_text;

fn world(text: &str, options: Options) -> World {
    World::new(load_text("x.yaml", text.as_bytes()), options)
}

fn answer(world: &World, from: &str, to: &str) -> Answer {
    let engines = Engines::new(world);
    let ends = [from, to].map(|end| resolve_endpoint(world, end).unwrap_or_else(|e| panic!("{e}")));
    let found = can(world, &engines, &ends[0], &ends[1], &[]).unwrap_or_else(|e| panic!("{e}"));
    found.answer
}

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop}
spec: {containers: [{name: c, image: i}]}
";

#[test]
fn generated_names_stay_apart() {
    let job = |app: &str| {
        format!(
            "---\napiVersion: batch/v1\nkind: Job\nmetadata: {{generateName: job-, namespace: shop}}\nspec: {{template: {{metadata: {{labels: {{app: {app}}}}}, spec: {{restartPolicy: Never, containers: [{{name: c, image: i}}]}}}}}}\n"
        )
    };
    let world = world(&format!("{}{}", job("a"), job("b")), Options::default());
    assert_eq!(world.errors(), 0, "{:?}", world.diagnostics);
    let apps: Vec<String> = world.cluster.pods.iter().map(|pod| pod.labels.to_string()).collect();
    assert_eq!(apps, ["app=a", "app=b"]);
}

#[test]
fn policies_of_other_apis_reach_the_pods_they_may_select() {
    for (head, elsewhere, why) in [
        (
            "cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: shop}",
            false,
            "in this namespace",
        ),
        (
            "cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: other}",
            true,
            "in another one",
        ),
        (
            "cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: p}",
            false,
            "in all",
        ),
        ("projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: p}", false, "in all"),
        (
            "kubeovn.io/v1, kind: SecurityGroup, metadata: {name: p}",
            false,
            "a kind without a namespace",
        ),
        (
            "example.com/v1, kind: FancyNetworkPolicy, metadata: {name: p}",
            false,
            "an API nobody knows",
        ),
        (
            "policy.networking.k8s.io/v1beta1, kind: ClusterNetworkPolicy, metadata: {name: p}",
            false,
            "a later version",
        ),
    ] {
        let text = format!("{PODS}---\n{{apiVersion: {head}}}\n");
        let found = answer(&world(&text, Options::default()), "shop/web", "shop/db");
        let wanted = if elsewhere { Answer::Allowed } else { Answer::Undetermined };
        assert_eq!(found, wanted, "{head}: {why}");
        let ignoring = Options { ignore_unsupported: true, ..Options::default() };
        assert_eq!(
            answer(&world(&text, ignoring), "shop/web", "shop/db"),
            Answer::Allowed,
            "{head}"
        );
    }
}

#[test]
fn broken_policies_make_answers_undetermined_and_never_safe() {
    let broken = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {podSelektor: {}}\n";
    let options = Options { skip_invalid: true, ..Options::default() };
    let world = world(&format!("{PODS}{broken}"), options);
    assert_eq!(world.errors(), 1);
    assert_eq!(answer(&world, "shop/web", "shop/db"), Answer::Undetermined);
    assert_eq!(world.left_out().broken, 1);
}

#[test]
fn broken_policies_of_administrators_reach_every_pod() {
    for spec in ["{priority: 1}", "{priority: 1, subject: {namespaces: {namespaceSelector: {}}}}"] {
        let broken = format!(
            "---\napiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {{name: p}}\nspec: {spec}\n"
        );
        let options = Options { skip_invalid: true, ..Options::default() };
        let world = world(&format!("{PODS}{broken}"), options);
        assert_eq!(world.errors(), 1, "{:?}", world.diagnostics);
        assert_eq!(answer(&world, "shop/web", "shop/db"), Answer::Undetermined);
    }
}

#[test]
fn a_cni_that_ignores_policies_is_the_reason() {
    let policy = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {podSelector: {}, policyTypes: [Ingress, Egress]}\n";
    let text = format!("{PODS}{policy}");
    assert_eq!(answer(&world(&text, Options::default()), "shop/web", "shop/db"), Answer::Denied);
    let flannel = Options { cni: Cni::parse("flannel").ok(), ..Options::default() };
    let world = world(&text, flannel);
    let engines = Engines::new(&world);
    let ends = ["shop/web", "shop/db"]
        .map(|end| resolve_endpoint(&world, end).unwrap_or_else(|e| panic!("{e}")));
    let found = can(&world, &engines, &ends[0], &ends[1], &[]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(found.answer, Answer::Allowed);
    let codes: Vec<&str> = found.groups[0].reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(codes, ["not-enforced", "not-enforced"]);
}

#[test]
fn a_workload_is_where_its_template_stands() {
    let text = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: web-1
  namespace: shop
  ownerReferences: [{apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: web, uid: u, controller: true}]
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}
";
    let world = world(text, Options::default());
    let workload = &world.cluster.workloads[0];
    assert_eq!(&*workload.kind, "Rollout");
    assert_eq!(world.sources.locate(workload.span).line, 9);
}

#[test]
fn workloads_of_other_groups_are_no_services() {
    let text = "
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello, namespace: shop}
spec: {template: {metadata: {labels: {app: hello}}, spec: {containers: [{image: i}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {containers: [{name: c, image: i}]}
";
    let world = world(text, Options::default());
    assert_eq!(world.errors(), 0, "{:?}", world.diagnostics);
    for name in ["shop/service.serving.knative.dev/hello", "shop/hello"] {
        assert_eq!(answer(&world, "shop/web", name), Answer::Allowed, "{name}");
    }
}
