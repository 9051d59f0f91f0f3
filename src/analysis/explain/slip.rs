//! Labels that differ by a slip: misspelt, under another key, or of the last release.

use super::yaml;
use crate::cluster::{ClusterState, Labels, Operator, PodId, Requirement};

/// What is amiss in a label looks like a slip.
pub(super) const SLIP: u32 = 1;

/// Whether a requirement is about a release: one by number, or one that no pod of the input is of. What some pods
/// are called by (`canary`, `green`) tells them from others on purpose.
pub(super) fn is_last_release(cluster: &ClusterState, wanted: &Requirement) -> bool {
    let by_number =
        |value: &str| value.contains('.') && value.contains(|c: char| c.is_ascii_digit());
    is_of_release(&wanted.key)
        && wanted.operator == Operator::In
        && wanted
            .values
            .iter()
            .all(|value| by_number(value) || !is_carried(cluster, &wanted.key, value))
}

/// Labels that change with each release: who selects by them selects pods of one release.
fn is_of_release(key: &str) -> bool {
    const NAMES: [&str; 9] = [
        "version",
        "chart",
        "revision",
        "commit",
        "release-version",
        "app.kubernetes.io/version",
        "helm.sh/chart",
        "pod-template-hash",
        "controller-revision-hash",
    ];
    NAMES.contains(&key)
}

/// How far a pod's label is from what is wanted.
pub(super) fn cost(cluster: &ClusterState, wanted: &Requirement, pod: PodId) -> u32 {
    if help(cluster, wanted, pod).is_some() { SLIP } else { 3 }
}

/// What looks like the slip in a label, if anything does.
pub(super) fn help(cluster: &ClusterState, wanted: &Requirement, pod: PodId) -> Option<String> {
    if is_last_release(cluster, wanted) {
        return Some(format!(
            "`{}` changes with each release: leave it out of selectors",
            wanted.key
        ));
    }
    if wanted.operator != Operator::In {
        return None;
    }
    let labels = &cluster.pod(pod).labels;
    if let Some(value) = labels.get(&wanted.key) {
        let slip = wanted.values.iter().find(|own| is_slip(own, value))?;
        // A value that other pods have is another value.
        if is_carried(cluster, &wanted.key, slip) {
            return None;
        }
        let right = yaml::pair(&wanted.key, value);
        return Some(format!("did you mean `{right}`? the policy has `{slip}`"));
    }
    let (key, value) = twin(labels, wanted)?;
    // By the key that the policy has other pods are selected: then both are meant.
    if is_carried(cluster, &wanted.key, value) {
        return None;
    }
    Some(format!("did you mean `{}`? that is the pod's label", yaml::pair(key, value)))
}

/// Whether a pod of the input has a label.
fn is_carried(cluster: &ClusterState, key: &str, value: &str) -> bool {
    cluster.pods.iter().any(|pod| pod.labels.get(key).is_some_and(|own| **own == *value))
}

/// Whether two values are the same but for a slip of the fingers. What tells by its last letter or its
/// digits (`team-a`, `eu-west-1`) is another value.
fn is_slip(a: &str, b: &str) -> bool {
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_lowercase()
    };
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let short_end = |text: &str| {
        text.rsplit(['-', '_', '.'])
            .next()
            .is_some_and(|end| end.len() < 2 && end.len() < text.len())
    };
    if digits(a) != digits(b) || short_end(a) || short_end(b) {
        return false;
    }
    let (a, b) = (letters(a), letters(b));
    let shorter = a.len().min(b.len());
    let allowed = 1 + a.len().max(b.len()) / 8;
    a == b || shorter >= 4 && strsim::damerau_levenshtein(&a, &b) <= allowed
}

/// A label under another key that says the same: keys that name what a pod is.
fn twin<'l>(labels: &'l Labels, wanted: &Requirement) -> Option<(&'l str, &'l str)> {
    const NAMES: [&str; 5] = ["app", "name", "k8s-app", "app.kubernetes.io/name", "component"];
    let last = |key: &str| key.rsplit('/').next().unwrap_or_default().to_owned();
    let own = last(&wanted.key);
    labels.iter().find(|(key, value)| {
        let named = NAMES.contains(key) && NAMES.contains(&&*wanted.key);
        let same = wanted.values.iter().any(|own| **own == **value);
        let says = value.len() > 2 && !matches!(*value, "true" | "false" | "yes" | "enabled");
        same && says && (named || last(key) == own)
    })
}

#[cfg(test)]
mod tests {
    use super::is_slip;

    #[test]
    fn slips_are_told_from_other_values() {
        for (a, b) in [
            ("frontend", "front-end"),
            ("postgres", "postgress"),
            ("Frontend", "frontend"),
            ("reading", "readings"),
            ("monitoring", "monitorng"),
            ("api_gateway", "api-gateway"),
        ] {
            assert!(is_slip(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("team-a", "team-b"),
            ("eu-west-1", "eu-west-2"),
            ("web", "api"),
            ("prod", "test"),
            ("cart", "chart2"),
            ("blue", "green"),
            ("shard1", "shard11"),
        ] {
            assert!(!is_slip(a, b), "{a} {b}");
        }
    }
}
