//! What users see: diagnostics of input that loads and is surely not meant, and of input that does
//! not load. `INSTA_UPDATE=always cargo test --test snapshots` writes them anew.

use kubereach::diagnostic::Diagnostic;
use kubereach::manifest::load_text;
use kubereach::render::{Look, diagnostics};

fn shown(name: &str, text: &str) -> String {
    let loaded = load_text(name, text.as_bytes());
    let found: Vec<&Diagnostic> = loaded.diagnostics.iter().collect();
    let styled = diagnostics(&loaded.sources, &found, Look::default());
    // Colour is tested by the eye; here the words count.
    anstream::adapter::strip_str(&styled).to_string()
}

fn policy(spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: np\n  namespace: shop\nspec:\n{spec}"
    )
}

#[test]
fn accepted_and_surely_not_meant() {
    for (name, text) in [
        ("nothing_after_from", policy("  podSelector: {}\n  ingress:\n    - from:\n      ports: [{port: 80}]\n")),
        ("nothing_after_ports", policy("  podSelector: {}\n  ingress:\n    - from: [{podSelector: {}}]\n      ports:\n")),
        ("a_rule_of_nothing", policy("  podSelector: {}\n  ingress:\n    -\n")),
        ("nothing_after_pod_selector", policy("  podSelector:\n  policyTypes: [Ingress]\n")),
        ("nothing_after_match_labels", policy("  podSelector:\n    matchLabels:\n")),
        ("a_label_of_nothing", policy("  podSelector:\n    matchLabels:\n      app:\n")),
        ("rules_of_an_unlisted_direction", policy("  podSelector: {}\n  policyTypes: [Egress]\n  ingress:\n    - {}\n")),
        ("a_duplicate_key", policy("  podSelector:\n    matchLabels:\n      app: web\n      app: api\n")),
        (
            "a_merge_that_replaces",
            policy("  podSelector:\n    matchLabels: &l\n      app: web\n  ingress:\n    - from:\n        - podSelector:\n            matchLabels:\n              app: api\n              <<: *l\n"),
        ),
        ("no_spec", "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: np\n".into()),
        (
            "a_missing_separator",
            format!("{}{}", policy("  podSelector: {}\n"), policy("  podSelector: {}\n").replace("np", "np2")),
        ),
        ("an_uncanonical_block", policy("  podSelector: {}\n  egress:\n    - to: [{ipBlock: {cidr: '2001:DB8::/32'}}]\n")),
        (
            "a_stored_block_with_host_bits",
            policy("  podSelector: {}\n  egress:\n    - to: [{ipBlock: {cidr: 10.0.0.5/24}}]\n").replace("  name: np\n", "  name: np\n  uid: u-1234\n"),
        ),
        ("an_overwritten_label", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels:\n    kubernetes.io/metadata.name: other\n".into()),
        ("text_after_the_end", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n...\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: lost\n".into()),
        ("a_mesh_policy", "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n  name: deny\n  namespace: shop\n".into()),
    ] {
        insta::assert_snapshot!(name, shown("policies.yaml", &text));
    }
}

#[test]
fn refused() {
    for (name, text) in [
        ("an_indented_field", policy("  podSelector: {}\n  ingress:\n    - from:\n        - podSelector: {}\n      namespaceSelector: {}\n")),
        ("a_field_of_the_wrong_level", "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: np\nspec:\npodSelector: {}\n".into()),
        ("yes_is_a_boolean", policy("  podSelector:\n    matchLabels: {app: yes, version: 1.10, canary: on}\n")),
        ("a_retired_api", "apiVersion: extensions/v1beta1\nkind: NetworkPolicy\nmetadata:\n  name: np\nspec:\n  podSelector: {}\n".into()),
        ("a_kind_that_does_not_exist", "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicies\nmetadata:\n  name: np\nspec:\n  podSelector: {}\n".into()),
        ("no_kind", "apiVersion: networking.k8s.io/v1\nmetadata:\n  name: np\nspec:\n  podSelector: {}\n".into()),
        ("a_tab", policy("\tpodSelector: {}\n")),
        ("an_alias_bomb", policy("  podSelector:\n    matchLabels:\n      a: &a [x,x,x,x,x,x,x,x,x,x]\n      b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n      c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n      d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n      e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n")),
        ("a_separator_with_text", "a: 1\n-----\nb: 2\n".into()),
        ("non_ascii_columns", policy("  podSelector:\n    matchLabels: {größe: é, app: [ü]}\n")),
        ("a_bare_template", policy("  podSelector: {{ .Values.selector }}\n")),
        ("a_workload_that_selects_others", "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  selector:\n    matchLabels: {app: web}\n  template:\n    metadata:\n      labels: {app: wbe}\n    spec:\n      containers:\n        - name: web\n          image: registry.example/web:1\n".into()),
    ] {
        insta::assert_snapshot!(name, shown("policies.yaml", &text));
    }
}

#[test]
fn helm_names_the_template() {
    let text = format!(
        "---\n# Source: shop/templates/policy.yaml\n{}",
        policy("  podSelector: {}\n  ingres: []\n")
    );
    insta::assert_snapshot!("helm_source", shown("<stdin>", &text));
}
