//! What would be if an object were deleted or applied is what is without or with it.

#![expect(clippy::expect_used, reason = "helpers of tests, which say what they found")]

mod common;

use boon::{Compiler, Schemas};
use common::scenarios;
use kubereach::analysis::{
    BreakEnd, Filter, Options, RowTurn, Stage, World, WorldDiffRow, diff, list, relabelled, rollout,
};
use kubereach::cluster::{ObjectName, Overlay};
use kubereach::diagnostic::Severity;
use kubereach::enforcement::Cni;
use kubereach::engine::Model;
use kubereach::manifest::{InputPath, Loaded, Resource, load, load_over, load_text};
use kubereach::render::{self, SideNames};
use std::path::{Path, PathBuf};

fn loaded(folder: &Path) -> Loaded {
    load(&[InputPath::Path(folder.to_path_buf())], &mut std::io::empty())
}

/// Every connection of a world, but for what says where policies stand.
fn connections(world: &World) -> serde_json::Value {
    let model = Model::new(&world.cluster, &world.policies);
    let filter = Filter { open: true, ..Filter::default() };
    render::listing_json(world, &list(world, &model, &filter))["connections"].take()
}

#[test]
fn deleting_and_applying_are_each_others_inverse() {
    let mut policies = 0;
    for folder in scenarios() {
        let before =
            World::new(loaded(&folder), Options { as_declared: true, ..Options::default() });
        let before = connections(&before);
        let all = loaded(&folder);
        for at in 0..all.resources.len() {
            let Resource::NetworkPolicy(policy) = &all.resources[at] else { continue };
            policies += 1;
            let name = &policy.meta.name;
            let about = format!("{}: {name}", folder.display());
            let namespace = policy.meta.namespace.as_deref().unwrap_or("default");
            let text = format!("netpol/{namespace}/{name}");
            let overlay = Overlay {
                delete: vec![ObjectName::parse(&text).unwrap_or_else(|e| panic!("{about}: {e}"))],
                ..Overlay::default()
            };
            let options = Options { as_declared: true, overlay, ..Options::default() };
            let deleted = World::new(loaded(&folder), options);
            assert!(deleted.edit_errors.is_empty(), "{about}: {:?}", deleted.edit_errors);
            let mut without = loaded(&folder);
            without.resources.remove(at);
            let options = Options { as_declared: true, ..Options::default() };
            let without = World::new(without, options);
            assert_eq!(connections(&deleted), connections(&without), "{about}");
            // Its own file applied over the rest brings it back.
            let source = all.sources.source(policy.meta.span.source).expect("a source");
            let file = InputPath::Path(PathBuf::from(&*source.name));
            let options = Options { as_declared: true, ..Options::default() };
            let whole = InputPath::Path(folder.clone());
            let again = load_over(&[whole], &[file], &mut std::io::empty());
            assert!(!again.applied.is_empty(), "{about}");
            assert_eq!(connections(&World::new(again, options)), before, "{about}");
        }
    }
    assert!(policies > 150, "{policies}");
}

#[test]
fn nothing_differs_from_itself() {
    for folder in scenarios() {
        for cni in [None, Some("calico"), Some("cilium@1.18"), Some("aws-vpc-cni"), Some("unknown")]
        {
            let world = || {
                let cni = cni.map(|name| Cni::parse(name).expect("a CNI"));
                let options = Options { as_declared: cni.is_none(), cni, ..Options::default() };
                World::new(loaded(&folder), options)
            };
            let found = diff(&world(), &world());
            assert!(found.rows.is_empty(), "{} {cni:?}: {:#?}", folder.display(), found.rows);
            assert_eq!(found.looked_at, 0, "{} {cni:?}", folder.display());
        }
    }
}

/// A policy that goes is told by what it opened and closed: what is listed without it, and not with it.
#[test]
fn a_diff_is_the_difference_of_two_lists() {
    let mut compiler = Compiler::new();
    let schema = serde_json::from_str(render::DIFF_SCHEMA).expect("a schema");
    compiler.add_resource("diff.json", schema).expect("a schema");
    let mut schemas = Schemas::new();
    let schema = compiler.compile("diff.json", &mut schemas).expect("a schema");
    let names = SideNames { before: "a".into(), after: "b".into(), revisions: true };
    let mut changes = 0;
    for folder in scenarios() {
        let all = loaded(&folder);
        let options = || Options { as_declared: true, ..Options::default() };
        let before = World::new(loaded(&folder), options());
        for at in 0..all.resources.len() {
            if !matches!(all.resources[at], Resource::NetworkPolicy(_)) {
                continue;
            }
            let mut without = loaded(&folder);
            without.resources.remove(at);
            let after = World::new(without, options());
            let found = diff(&before, &after);
            let lists = [&before, &after].map(connections);
            let about = format!("{}: {}", folder.display(), all.resources[at].meta().name);
            // The lists differ where the diff says so, and only then.
            assert_eq!(found.rows.is_empty(), lists[0] == lists[1], "{about}");
            changes += usize::from(!found.rows.is_empty());
            let sure = found.rows.iter().filter(|row| row.turn() != RowTurn::Undetermined);
            for row in sure {
                assert!(!row.causes.is_empty(), "{about}: nothing causes {row:?}");
            }
            let document = render::diff_json(&found, &names);
            schemas.validate(&document, schema).unwrap_or_else(|e| panic!("{about}: {e:#}"));
            for text in [
                render::diff_text(&found, &names, false),
                render::diff_markdown(&found, &names),
                render::diff_github(&found),
            ] {
                assert!(
                    found.rows.is_empty()
                        || text.contains("moved")
                        || text.contains("added")
                        || text.contains("changed")
                        || text.contains("undetermined"),
                    "{about}: {text}"
                );
            }
        }
    }
    assert!(changes > 100, "{changes}");
}

/// Two sides, each one file.
fn sides(before: &str, after: &str) -> [Loaded; 2] {
    [before, after].map(|text| load(&[InputPath::Stdin], &mut text.as_bytes()))
}

fn declared(loaded: Loaded) -> World {
    World::new(loaded, Options { as_declared: true, ..Options::default() })
}

const SET: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: web-NAME
  namespace: shop
  labels: {app: LABEL}
  ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: web, controller: true, uid: u}]
spec: {containers: [{name: c, image: i}]}
---";
const DATABASE: &str = "
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]
";

#[test]
fn a_pod_that_its_workload_did_not_have_is_held_against_one_that_it_had() {
    let pod = |name: &str, label: &str| SET.replace("NAME", name).replace("LABEL", label);
    let before = format!("{}{DATABASE}", pod("0", "web"));
    for (label, rows) in [("web", &[][..]), ("canary", &["shop/sts/web (web-1) shop/po/db"])] {
        let after = format!("{}{}{DATABASE}", pod("0", "web"), pod("1", label));
        let [before, after] = sides(&before, &after).map(declared);
        for (found, turn) in
            [(diff(&before, &after), RowTurn::Removed), (diff(&after, &before), RowTurn::Added)]
        {
            let ends = found.rows.iter();
            let ends: Vec<String> = ends
                .map(|row| format!("{} {}", row.source.name(), row.destination.name()))
                .collect();
            assert_eq!(ends, rows, "{label}");
            assert!(found.rows.iter().all(|row| row.turn() == turn), "{label}");
        }
    }
}

const VERSIONED: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: APP, namespace: shop}
spec:
  selector: {matchLabels: {app: APP}}
  template:
    metadata: {labels: {app: APP, version: VERSION}}
    spec: {containers: [{name: c, image: i}]}
---";
const OF_ONE_VERSION: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db-VERSION, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db, version: VERSION}}
  ingress: [{from: [{podSelector: {matchLabels: {app: web, version: VERSION}}}]}]
---";

#[test]
fn old_and_new_pods_of_two_workloads_meet_while_both_are_replaced() {
    let policies = ["one", "two"].map(|version| OF_ONE_VERSION.replace("VERSION", version));
    let text = |web: &str, db: &str| {
        let pods = [("web", web), ("db", db)]
            .map(|(app, version)| VERSIONED.replace("APP", app).replace("VERSION", version));
        format!("{}{}", pods.concat(), policies.concat())
    };
    let loaded = || sides(&text("one", "one"), &text("two", "two"));
    let [before, after] = loaded().map(declared);
    let [old, new] = loaded();
    assert!(diff(&before, &after).rows.is_empty());
    let changed = relabelled(&before, &after);
    let stages = [Stage { world: &before, loaded: &old }, Stage { world: &after, loaded: &new }];
    let breaks = rollout(stages[0], stages[1], &changed);
    let told: Vec<String> = breaks
        .iter()
        .map(|own| {
            let sources: Vec<String> = own.sources.iter().map(BreakEnd::name).collect();
            format!("{} > {}", sources.join(", "), own.destination.name())
        })
        .collect();
    assert_eq!(
        told,
        [
            "new pods of shop/deploy/web > old pods of shop/deploy/db",
            "old pods of shop/deploy/web > new pods of shop/deploy/db",
        ]
    );
    // They break whichever policies are in force, as these are the same.
    assert!(breaks.iter().all(|own| own.policies.is_none()));
}

/// A comment of GitHub holds 65,536 characters, whatever a change is made of.
#[test]
fn markdown_stays_in_what_a_comment_holds() {
    let ports = |step: usize| -> String {
        (1..120).map(|at| format!("{{port: {}}}", at * step)).collect::<Vec<_>>().join(", ")
    };
    let text = |step: usize| {
        let mut text = String::new();
        for at in 0..34 {
            let name = format!("application-with-a-long-name-{at}");
            text.push_str(&VERSIONED.replace("APP", &name).replace("VERSION", &format!("v{step}")));
            text.push_str(&format!(
                "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: policy-{at}, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: {name}, version: v{step}}}}}
  ingress: [{{from: [{{podSelector: {{matchLabels: {{version: v{step}}}}}}}], ports: [{}]}}]
---",
                if at % 3 == 0 { ports(step) } else { format!("{{port: {}}}", 80 + step + at) }
            ));
        }
        text
    };
    let [before, after] = sides(&text(2), &text(3)).map(declared);
    let mut found = diff(&before, &after);
    let [old, new] = sides(&text(2), &text(3));
    let changed = relabelled(&before, &after);
    found.breaks = rollout(
        Stage { world: &before, loaded: &old },
        Stage { world: &after, loaded: &new },
        &changed,
    );
    assert!(found.rows.len() > 500, "{}", found.rows.len());
    let names = SideNames { before: "a`b".into(), after: "head\nx".into(), revisions: false };
    let text = render::diff_markdown(&found, &names);
    let count = text.chars().count();
    assert!(count <= 65_536 && count > 10_000, "{count}");
    assert!(text.starts_with("### Reachability: `a b` → `head x`\n"), "{}", &text[..80]);
}

/// Two ends, and whether they differ on sides that differ in one text, under a CNI: as `source → destination  cause`.
fn told(text: &str, [before, after]: [&str; 2], cni: Option<&str>) -> Vec<String> {
    let world = |with: &str| {
        let loaded = load_text("cluster.yaml", text.replace("CHANGE", with).as_bytes());
        assert_eq!(loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).count(), 0);
        let cni = cni.map(|name| Cni::parse(name).expect("a CNI"));
        World::new(loaded, Options { as_declared: cni.is_none(), cni, ..Options::default() })
    };
    let found = diff(&world(before), &world(after));
    let row = |row: &WorldDiffRow| {
        let causes = row
            .causes
            .iter()
            .map(|cause| format!("{}{}", if cause.after { "" } else { "removed: " }, cause.text));
        let ends = format!("{} → {}", row.source.name(), row.destination.name());
        format!("{ends}  {}", causes.collect::<Vec<_>>().join("; "))
    };
    found.rows.iter().map(row).collect()
}

const ON_A_NODE: &str = "
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 10.0.0.11}]}
---
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: d, labels: {app: p}}
spec: {nodeName: n1, containers: [{name: c, image: x}]}
status: {phase: Running, podIP: 10.244.1.5, podIPs: [{ip: 10.244.1.5}]}
---
";

/// A node with a pod, and a policy that isolates pods of a label in one direction.
fn on_a_node(app: &str, direction: &str) -> String {
    format!(
        "{ON_A_NODE}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: np, namespace: d}}
spec:
  podSelector: {{matchLabels: {{app: {app}}}}}
  policyTypes: [{direction}]
"
    )
}

#[test]
fn an_address_that_one_side_names_is_whose_it_is_on_both() {
    let text = ON_A_NODE.to_owned()
        + "
apiVersion: v1
kind: Pod
metadata: {name: w, namespace: d, labels: {app: w}}
spec: {containers: [{name: c, image: x}]}
status: {phase: Running, podIP: 10.244.2.5, podIPs: [{ip: 10.244.2.5}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: np, namespace: d}
spec:
  podSelector: {matchLabels: {app: w}}
  policyTypes: [Egress]
  egress:
  - {to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 53}]}
  CHANGE
";
    for (address, end) in [("10.0.0.11", "node/n1"), ("10.244.1.5", "d/po/p")] {
        let rule = format!("- {{to: [{{ipBlock: {{cidr: {address}/32}}}}]}}");
        let found = told(&text, [&rule, ""], None);
        let wanted = format!("d/po/w → {end}  isolation by np; removed: np, rule 2");
        assert_eq!(found, [wanted]);
    }
}

#[test]
fn what_is_not_compared_makes_no_row_and_no_cause() {
    let text = on_a_node("p", "Ingress") + "  CHANGE\n";
    // Of SCTP nobody can say what becomes of it; the pod's own node always reaches it.
    let rule = "ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/24}}]}]";
    for cni in ["kube-router", "cilium", "calico"] {
        let found = told(&text, ["", rule], Some(cni));
        assert_eq!(found, ["10.0.0.0/24 → d/po/p  np, rule 1"], "{cni}");
    }
}

#[test]
fn what_has_made_room_for_an_old_policy_is_named() {
    let text = "
apiVersion: v1
kind: Namespace
metadata: {name: d}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: w, namespace: d}
spec: {selector: {matchLabels: {app: w}}, template: {metadata: {labels: {app: w}}, spec: {containers: [{name: c, image: x}]}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: untouched, namespace: d}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {}}]}]
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: adm}
spec:
  priority: 5
  subject: {namespaces: {}}
  ingress:
  - {action: CHANGE, from: [{namespaces: {}}]}
";
    assert_eq!(
        told(text, ["Deny", "Pass"], None),
        [
            "d/deploy/w → d/deploy/w  untouched, rule 1; removed: AdminNetworkPolicy adm, rule 1 denies it"
        ]
    );
    // A rule of a policy that changes says so by itself.
    assert_eq!(
        told(text, ["Deny", "Allow"], None),
        ["d/deploy/w → d/deploy/w  AdminNetworkPolicy adm, rule 1"]
    );
}

#[test]
fn what_is_denied_but_for_a_doubt_names_the_policy_that_isolates() {
    let text = on_a_node("CHANGE", "Egress");
    // Whether a pod reaches its own node under weave, policies or not, is not verified.
    let found = told(&text, ["p", "nobody"], Some("weave"));
    let wanted = "d/po/p → node/n1  removed: isolation by np".to_owned();
    assert!(found.contains(&wanted), "{found:#?}");
}

#[test]
fn what_no_policy_selects_opens_by_one_of_the_other_direction() {
    let text = on_a_node("CHANGE", "Ingress");
    let found = told(&text, ["nobody", "p"], Some("aws-vpc-cni,policy=strict"));
    assert!(
        found.iter().any(|row| row.starts_with("d/po/p → ") && row.contains("selection by np")),
        "{found:#?}"
    );
}

/// Of a pod that is gone the first rule of all parts the ports as any other does: to port 8000 alone something else
/// holds than from 8001 on.
#[test]
fn the_first_rule_parts_ports_where_the_other_end_is_gone() {
    let pod = |name: &str, address: &str| {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: d, labels: {{app: {name}}}}}
spec: {{containers: [{{name: c, image: x}}]}}
status: {{podIP: {address}}}
---
"
        )
    };
    let text = pod("to", "10.0.0.1")
        + "CHANGE
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: d}
spec:
  podSelector: {matchLabels: {app: to}}
  ingress: [{from: [{podSelector: {}}], ports: [{port: 8000, endPort: 9200}]}]
";
    let from = pod("from", "10.0.0.2");
    let found = told(&text, [&from, ""], Some("cilium"));
    let doubt = "that depends on its version (`--cni cilium@VERSION`)";
    let wanted = format!("d/po/from → d/po/to  removed: p, rule 1; removed: p, rule 1: {doubt}");
    assert!(found.contains(&wanted), "{found:#?}");
}

/// Kinds of two groups may be printed alike.
#[test]
fn workloads_are_told_by_their_group_as_well() {
    let rollout = |group: &str, version: &str| {
        format!(
            "apiVersion: {group}/v1
kind: Rollout
metadata: {{name: web, namespace: d}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web, version: {version}}}}}
    spec: {{containers: [{{name: c, image: x}}]}}
---
"
        )
    };
    let pod = "apiVersion: v1
kind: Pod
metadata: {name: a, namespace: d}
spec: {containers: [{name: c, image: x}]}
---
";
    let (v1, v2) = (rollout("argoproj.io", "v1"), rollout("zed.io", "v2"));
    // What stands before them in one cluster alone changes nothing of it.
    for (before, after) in [("", ""), (pod, ""), ("", pod)] {
        let [before, after] = [before.to_owned() + &v1 + &v2, after.to_owned() + &v1 + &v2]
            .map(|text| declared(load_text("cluster.yaml", text.as_bytes())));
        let names = before.cluster.workload_ids().map(|id| before.cluster.workload_name(id));
        assert_eq!(names.filter(|name| name == "d/rollout/web").count(), 2);
        assert!(relabelled(&before, &after).is_empty());
    }
}
