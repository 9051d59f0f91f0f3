//! Names of kinds as kubectl takes and prints them.

/// A kind with its short name and plural, as `kubectl api-resources` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindName {
    /// The API group.
    pub group: &'static str,
    /// The kind, as in a manifest.
    pub kind: &'static str,
    /// What users type and what is printed: `deploy`.
    pub short: &'static str,
    plural: &'static str,
    /// Other names that kubectl takes.
    aliases: &'static [&'static str],
}

const fn name(
    group: &'static str,
    kind: &'static str,
    short: &'static str,
    plural: &'static str,
    aliases: &'static [&'static str],
) -> KindName {
    KindName { group, kind, short, plural, aliases }
}

impl KindName {
    /// A kind that is no end of a question.
    pub(super) fn other(group: &'static str, kind: &'static str, short: &'static str) -> Self {
        name(group, kind, short, "", &[])
    }
}

/// Kinds that can be an end of a question.
const KINDS: &[KindName] = &[
    name("", "Pod", "po", "pods", &["pod"]),
    name("", "Service", "svc", "services", &["service"]),
    name("", "Node", "node", "nodes", &["no"]),
    name("", "ReplicationController", "rc", "replicationcontrollers", &["replicationcontroller"]),
    name("apps", "Deployment", "deploy", "deployments", &["deployment"]),
    name("apps", "ReplicaSet", "rs", "replicasets", &["replicaset"]),
    name("apps", "StatefulSet", "sts", "statefulsets", &["statefulset"]),
    name("apps", "DaemonSet", "ds", "daemonsets", &["daemonset"]),
    name("batch", "Job", "job", "jobs", &[]),
    name("batch", "CronJob", "cronjob", "cronjobs", &["cj"]),
];

/// The kind that a user's word means: kind, plural or short name in any case, with or without the
/// group (`deployment.apps`, `deployments.v1.apps`).
pub fn kind_from_user(text: &str) -> Option<KindName> {
    let lower = text.to_ascii_lowercase();
    let (word, group) = lower.split_once('.').unwrap_or((&lower, ""));
    let found = KINDS.iter().find(|k| {
        word == k.short
            || word == k.plural
            || k.aliases.contains(&word)
            || word == k.kind.to_ascii_lowercase()
    })?;
    let group = group.strip_prefix("v1.").unwrap_or(group);
    (group.is_empty() || group == found.group).then_some(*found)
}

/// How a kind is printed: its short name, or the kind in lower case; with its group where another
/// group has a kind of that name that users know (Knative's `service.serving.knative.dev`).
///
/// Without a group the built-in kind is meant.
pub fn short_kind(group: Option<&str>, kind: &str) -> String {
    let lower = kind.to_ascii_lowercase();
    match KINDS.iter().find(|k| k.kind == kind) {
        None => lower,
        Some(known) => match group {
            Some(group) if known.group != group => format!("{lower}.{group}"),
            _ => known.short.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_other_groups_are_told_apart() {
        assert_eq!(short_kind(Some("apps"), "Deployment"), "deploy");
        assert_eq!(short_kind(Some("argoproj.io"), "Rollout"), "rollout");
        assert_eq!(
            short_kind(Some("serving.knative.dev"), "Service"),
            "service.serving.knative.dev"
        );
    }

    #[test]
    fn kinds_are_read_as_kubectl_reads_them() {
        for (text, want) in [
            ("deploy", Some("Deployment")),
            ("deployments", Some("Deployment")),
            ("Deployment", Some("Deployment")),
            ("deployment.apps", Some("Deployment")),
            ("deployments.v1.apps", Some("Deployment")),
            ("deployment.example.com", None),
            ("po", Some("Pod")),
            ("cj", Some("CronJob")),
            ("no", Some("Node")),
            ("shop", None),
        ] {
            assert_eq!(kind_from_user(text).map(|k| k.kind), want, "{text}");
        }
    }
}
