//! Input that should break a reader does not: no panic, bounded time and memory, and never an answer
//! that looks safe.

use kubereach::diagnostic::{Code, Severity};
use kubereach::manifest::{InputPath, load, load_text};
use proptest::prelude::*;

const POLICY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: np, namespace: shop, labels: {größe: é}}
spec:
  podSelector: &sel
    matchLabels: {app: web}
  ingress:
  - from:
    - podSelector: *sel
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}
    ports:
    - {port: 80, endPort: 90}
    - port: http
---
{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"a\\u00e9\"}, \"spec\": {\"containers\": []}}
";

fn codes(text: &str) -> Vec<Code> {
    load_text("x.yaml", text.as_bytes()).diagnostics.iter().map(|d| d.code).collect()
}

#[test]
fn deep_nesting_is_refused() {
    for (text, why) in [
        ("{a: ".repeat(10_000), "flow mappings"),
        ("[".repeat(10_000), "flow sequences"),
        (format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000)), "JSON"),
        ((0..10_000).map(|depth| " ".repeat(depth) + "a:\n").collect(), "block mappings"),
        ("- ".repeat(10_000), "block sequences in one line"),
    ] {
        let found = codes(&text);
        let refused = found.iter().any(|code| matches!(code, Code::ExcessiveInput | Code::Syntax));
        assert!(refused, "{why}: {found:?}");
    }
}

#[test]
fn aliases_and_anchors_are_bounded() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(codes(&bomb).contains(&Code::ExcessiveInput));

    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(20_000));
    // Written out this is 2 GB; aliases share the text.
    codes(&long);

    // Aliases that are few and deepen the tree: what reads it later must not overflow its stack.
    let mut chain = String::from("k0: &a0 x\n");
    for level in 1..70 {
        let (open, close) = ("[".repeat(150), "]".repeat(150));
        chain.push_str(&format!("k{level}: &a{level} {open}*a{} {close}\n", level - 1));
    }
    assert!(codes(&format!("{chain}---\n{chain}")).contains(&Code::ExcessiveInput));

    let mut nested = String::new();
    for level in 0..300 {
        nested.push_str(&format!("{}k: &n{level}\n", " ".repeat(level)));
    }
    nested.push_str(&format!("{}[{}]\n", " ".repeat(300), "x, ".repeat(50_000)));
    assert!(codes(&nested).contains(&Code::ExcessiveInput));
}

#[test]
fn wide_documents_are_read_in_linear_time() {
    // Each of these once cost quadratic time somewhere: minutes, where it is now a moment.
    let labels: Vec<String> = (0..60_000).map(|at| format!("    k{at}: v\n")).collect();
    codes(&format!(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels:\n{}",
        labels.concat()
    ));
    let policies: Vec<String> = (0..20_000)
        .map(|at| format!("- {{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p{at}}}, spec: {{podSelector: , ingress: [{{from: }}]}}}}\n"))
        .collect();
    codes(&format!("apiVersion: v1\nkind: List\nitems:\n{}", policies.concat()));
    let blanks: Vec<String> = (0..20_000).map(|at| format!("k{at}: |\n  a\n  \t\n")).collect();
    codes(&blanks.concat());
    let keys: Vec<String> = (0..100_000).map(|at| format!("k{at}: v\n")).collect();
    codes(&keys.concat());
    let pods: Vec<String> = (0..20_000)
        .map(|at| format!("{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"p{at}\"}},\"spec\":{{\"containers\":[{{\"name\":\"c\",\"image\":\"i\"}}]}}}}"))
        .collect();
    let one_line =
        format!("{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{}]}}", pods.join(","));
    let loaded = load_text("x.json", one_line.as_bytes());
    assert_eq!(loaded.resources.len(), 20_000);
    let last = loaded.resources.last().expect("pods").meta().span;
    assert_eq!(loaded.sources.locate(last).line, 1);
    let documents = "---\n# nothing\n".repeat(50_000);
    codes(&documents);
}

#[test]
fn columns_count_characters() {
    let text =
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {k: \"ééé\", z: [1]}}\n";
    let loaded = load_text("x.yaml", text.as_bytes());
    let fault =
        loaded.diagnostics.iter().find(|d| d.message.contains("labels.z")).expect("a fault");
    let place = loaded.sources.locate(fault.primary.as_ref().expect("a place").span);
    assert_eq!((place.line, place.column), (3, 46));
}

#[test]
fn a_broken_document_hides_no_other() {
    let text = POLICY.replace(
        "---\n",
        "---\nkind: [\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n",
    );
    let loaded = load_text("x.yaml", text.as_bytes());
    assert!(loaded.errors() > 0);
    let kinds: Vec<_> = loaded.resources.iter().map(|r| r.group_kind().1).collect();
    assert!(kinds.contains(&"Namespace"), "{kinds:?}");
}

/// Whatever hides a policy is an error or may be a policy; nothing of this is a note.
#[test]
fn no_policy_vanishes() {
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: shop}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n";
    let flow = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: shop}, spec: {podSelector: {}}}";
    let json = "{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"NetworkPolicy\",\"metadata\":{\"name\":\"deny\"},\"spec\":{\"podSelector\":{}}}";
    for (text, why) in [
        (format!("- {}", policy.replace('\n', "\n  ")), "an item of a list that is the document"),
        (format!("[{json}]"), "an item of a JSON array"),
        (format!("kind: List\nitems: [{flow}]"), "a list without a version"),
        (format!("apiVersion: example.com/v1\nkind: Foo\nitems: [{flow}]"), "a list of another kind"),
        (format!("apiVersion: networking.k8s.io/v1beta1\nkind: NetworkPolicyList\nitems: [{flow}]"), "a list of a past version"),
        (format!("apiVersion: v1\nitems: [{flow}]"), "a list without a kind"),
        (format!("apiVersion: v1\nkind: List\nitem: [{flow}]"), "a mistyped list"),
        ("apiVersion: v1\nkind: List\nitems: [foo]".into(), "a list of words"),
        ("metadata: {name: deny}\nspec: {podSelector: {}}".into(), "a policy without a head"),
        (policy.replace("networking.k8s.io/v1", "extensions/v1beta1"), "a past version"),
        (policy.replace("networking.k8s.io/v1", "extensions/v1beta1").replace("NetworkPolicy", "Networkpolicy"), "a past version, mistyped"),
        (policy.replace("networking.k8s.io/v1", "networking.k8s.oi/v1"), "a mistyped group"),
        (policy.replace("networking.k8s.io/v1", "80"), "a version that is a number"),
        (policy.replace("kind: NetworkPolicy", "kind: NetPolicy"), "a kind that does not exist"),
        (policy.replace("kind: NetworkPolicy", "kind: CiliumNetworkPolicy").replace("apiVersion: networking.k8s.io/v1\n", ""), "another API's policy without a version"),
        ("apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicies\nmetadata: {name: a}".into(), "another API's policy, mistyped"),
        (format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\n\n{policy}  foo: [\n"), "after an object without a separator, and broken"),
        (policy.replace("name: deny", "name: {{ .Release.Name }}"), "in a template"),
        (format!("{{{{- if .Values.on }}}}\n- {}{{{{- end }}}}", policy.replace('\n', "\n  ")), "in a template's list"),
        ("{{- include \"common.networkpolicy\" . }}\n".into(), "in another template"),
        (policy.replace("name: deny", "name: deny\0"), "with a zero byte"),
    ] {
        let loaded = load_text("x.yaml", text.as_bytes());
        let read = loaded.resources.iter().any(|r| r.group_kind().1 == "NetworkPolicy");
        let errors = loaded.diagnostics.iter().any(|d| d.severity == Severity::Error);
        let hidden = loaded.set_aside.iter().any(|item| item.reason.may_hide_a_policy());
        assert!(read || hidden, "{why}: nothing may hide a policy: {:?}\n{text}", loaded.set_aside);
        assert!(read || errors || loaded.diagnostics.iter().any(|d| d.code == Code::UnsupportedPolicy), "{why}: no error");
    }
}

#[test]
fn a_file_that_is_not_there_may_hold_a_policy() {
    let loaded = load(&[InputPath::from("no/such/file.yaml")], &mut std::io::empty());
    assert_eq!(loaded.errors(), 1);
    assert!(loaded.set_aside.iter().any(|item| item.reason.may_hide_a_policy()));
}

/// 2,000 cases, or as many as `PROPTEST_CASES` says.
fn cases() -> ProptestConfig {
    let default = ProptestConfig::default();
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => default,
        None => ProptestConfig { cases: 2_000, ..default },
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let loaded = load_text("x.yaml", &bytes);
        for diagnostic in &loaded.diagnostics {
            if let Some(label) = &diagnostic.primary {
                prop_assert!(loaded.sources.locate(label.span).line >= 1);
            }
        }
    }

    #[test]
    fn damaged_manifests_do_no_harm(
        cuts in prop::collection::vec((0_usize..600, 0_usize..6, any::<char>()), 1..6),
        length in 0_usize..700,
    ) {
        let mut text: Vec<char> = POLICY.chars().take(length).collect();
        for (at, remove, insert) in cuts {
            if text.is_empty() {
                break;
            }
            let at = at % text.len();
            let end = (at + remove).min(text.len());
            text.splice(at..end, [insert]);
        }
        let text: String = text.into_iter().collect();
        let loaded = load_text("x.yaml", text.as_bytes());
        // Rendering must stand the same places.
        let found: Vec<_> = loaded.diagnostics.iter().collect();
        let shown = kubereach::render::diagnostics(&loaded.sources, &found, kubereach::render::Look::default());
        prop_assert!(found.is_empty() || !shown.is_empty());
    }
}
