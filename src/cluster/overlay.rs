//! What if: objects added, replaced, deleted, relabelled or scaled, before anything is resolved.
//!
//! Edits are made of resources, in the order apply, delete, scale, label: what is asked afterwards is asked of
//! the cluster as it would be.

use super::kind::{KindName, kind_from_user};
use super::owners::{WorkloadKey, Workloads, climb};
use super::state::Assumptions;
use crate::diagnostic::SourceId;
use crate::manifest::{Meta, Resource, WorkloadResource};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

/// Edits of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    /// Objects to delete.
    pub delete: Vec<ObjectName>,
    /// Workloads to scale, and to how many pods.
    pub scale: Vec<(ObjectName, u32)>,
    /// Labels of pods, or of all pods of a workload.
    pub labels: Vec<(ObjectName, LabelEdit)>,
    /// Labels of namespaces, by name.
    pub namespace_labels: Vec<(String, LabelEdit)>,
}

impl Overlay {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.delete.is_empty()
            && self.scale.is_empty()
            && self.labels.is_empty()
            && self.namespace_labels.is_empty()
    }
}

/// The name of an object: `KIND/NAMESPACE/NAME`, `NAMESPACE/KIND/NAME`, `KIND/NAME` or `NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    kind: Option<KindName>,
    namespace: Option<String>,
    name: String,
}

/// Kinds that can be deleted and that are no end of a question: (what users write, group, kind).
const OTHERS: [(&[&str], &str, &str); 7] = [
    (&["netpol", "networkpolicy", "networkpolicies"], "networking.k8s.io", "NetworkPolicy"),
    (&["anp", "adminnetworkpolicy", "adminnetworkpolicies"], ADMIN, "AdminNetworkPolicy"),
    (
        &["banp", "baselineadminnetworkpolicy", "baselineadminnetworkpolicies"],
        ADMIN,
        "BaselineAdminNetworkPolicy",
    ),
    (&["cnp", "clusternetworkpolicy", "clusternetworkpolicies"], ADMIN, "ClusterNetworkPolicy"),
    (&["egressfirewall", "egressfirewalls"], "k8s.ovn.org", "EgressFirewall"),
    (
        &["egressnetworkpolicy", "egressnetworkpolicies"],
        "network.openshift.io",
        "EgressNetworkPolicy",
    ),
    (&["ns", "namespace", "namespaces"], "", "Namespace"),
];

const ADMIN: &str = "policy.networking.k8s.io";

fn kind_of(text: &str) -> Option<KindName> {
    kind_from_user(text).or_else(|| {
        let lower = text.to_ascii_lowercase();
        let word = lower.split('.').next().unwrap_or(&lower);
        OTHERS
            .iter()
            .find(|(words, ..)| words.contains(&word))
            .map(|(words, group, kind)| KindName::other(group, kind, words[0]))
    })
}

impl ObjectName {
    /// Reads a name as users write it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let some = |part: &str| Some(part.to_owned());
        let fail = || {
            format!("`{text}` is no object: write KIND/NAMESPACE/NAME, KIND/NAME or NAMESPACE/NAME")
        };
        if parts.iter().any(|part| part.is_empty()) {
            return Err(fail());
        }
        match parts.as_slice() {
            [name] => Ok(Self { kind: None, namespace: None, name: (*name).into() }),
            [first, name] => Ok(match kind_of(first) {
                Some(kind) => Self { kind: Some(kind), namespace: None, name: (*name).into() },
                None => Self { kind: None, namespace: some(first), name: (*name).into() },
            }),
            [a, b, name] => match (kind_of(a), kind_of(b)) {
                (Some(kind), _) => {
                    Ok(Self { kind: Some(kind), namespace: some(b), name: (*name).into() })
                }
                (None, Some(kind)) => {
                    Ok(Self { kind: Some(kind), namespace: some(a), name: (*name).into() })
                }
                (None, None) => Err(fail()),
            },
            _ => Err(fail()),
        }
    }

    fn is_of(&self, resource: &Resource, assumptions: &Assumptions) -> bool {
        let (group, kind) = resource.group_kind();
        self.is_kind(group, kind)
            && *resource.meta().name == *self.name
            && (resource.is_cluster_wide()
                || self.namespace(assumptions) == namespace(resource, assumptions))
    }

    fn is_kind(&self, group: &str, kind: &str) -> bool {
        self.kind.is_none_or(|own| own.group == group && own.kind == kind)
    }

    fn namespace<'a>(&'a self, assumptions: &'a Assumptions) -> &'a str {
        self.namespace.as_deref().unwrap_or(&assumptions.default_namespace)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(kind) = self.kind {
            write!(f, "{}/", kind.short)?;
        }
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// A label to set, or to take away: `key=value`, `key-`, as `kubectl label` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelEdit {
    key: String,
    value: Option<String>,
}

impl LabelEdit {
    /// Reads an edit as `kubectl label` takes it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let fail = || format!("`{text}` is no label: write KEY=VALUE, or KEY- to take it away");
        let (key, value) = match (text.split_once('='), text.strip_suffix('-')) {
            (Some((key, value)), _) => (key, Some(value)),
            (None, Some(key)) => (key, None),
            (None, None) => return Err(fail()),
        };
        let value_legal = value.is_none_or(|value| value.len() <= 63 && value.bytes().all(legal));
        if key.is_empty() || !key.bytes().all(|b| legal(b) || b == b'/') || !value_legal {
            return Err(fail());
        }
        Ok(Self { key: key.into(), value: value.map(str::to_owned) })
    }

    fn apply(&self, labels: &mut crate::manifest::Labels) {
        match &self.value {
            Some(value) => labels.set(&self.key, value.as_str().into()),
            None => *labels = labels.filtered(|key| key != self.key),
        }
    }
}

/// An edit that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditError {
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

fn namespace<'a>(resource: &'a Resource, assumptions: &'a Assumptions) -> &'a str {
    resource.meta().namespace.as_deref().unwrap_or(&assumptions.default_namespace)
}

impl Overlay {
    /// The edits in words, in the order in which they are made.
    pub fn words(&self) -> Vec<String> {
        let deleted = self.delete.iter().map(|name| format!("deleted {name}"));
        let scaled = self.scale.iter().map(|(name, pods)| format!("scaled {name} to {pods}"));
        let labelled = self.labels.iter().map(|(name, label)| format!("labelled {name} {label}"));
        let namespaces = self
            .namespace_labels
            .iter()
            .map(|(name, label)| format!("labelled namespace {name} {label}"));
        deleted.chain(scaled).chain(labelled).chain(namespaces).collect()
    }
}

impl fmt::Display for LabelEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.key),
            None => write!(f, "{}-", self.key),
        }
    }
}

/// Makes the edits. Objects of the sources `applied` replace those of the same name; a workload whose pods would
/// be others is left to its template.
pub fn edit(
    resources: Vec<Resource>,
    applied: &BTreeSet<SourceId>,
    overlay: &Overlay,
    assumptions: &Assumptions,
) -> (Vec<Resource>, Vec<EditError>) {
    let mut editor = Editor { resources, assumptions, errors: Vec::new() };
    editor.apply(applied);
    for name in &overlay.delete {
        editor.delete(name);
    }
    for (name, pods) in &overlay.scale {
        editor.scale(name, *pods);
    }
    for (name, label) in &overlay.labels {
        editor.label(name, label);
    }
    for (name, label) in &overlay.namespace_labels {
        editor.label_namespace(name, label);
    }
    (editor.resources, editor.errors)
}

struct Editor<'a> {
    resources: Vec<Resource>,
    assumptions: &'a Assumptions,
    errors: Vec<EditError>,
}

/// What identifies an object.
type Identity = (String, String, Option<String>, Arc<str>);

impl Editor<'_> {
    fn fail(&mut self, message: String, help: Option<&str>) {
        self.errors.push(EditError { message, help: help.map(str::to_owned) });
    }

    fn identity(&self, resource: &Resource) -> Identity {
        let (group, kind) = resource.group_kind();
        let own = namespace(resource, self.assumptions).to_owned();
        let own = (!resource.is_cluster_wide()).then_some(own);
        (group.to_owned(), kind.to_owned(), own, Arc::clone(&resource.meta().name))
    }

    fn apply(&mut self, applied: &BTreeSet<SourceId>) {
        if applied.is_empty() {
            return;
        }
        let is_new = |resource: &Resource| applied.contains(&resource.meta().span.source);
        let new: HashSet<Identity> =
            self.resources.iter().filter(|r| is_new(r)).map(|r| self.identity(r)).collect();
        // A workload whose template changes makes other pods.
        let mut templates: BTreeMap<Identity, Vec<&WorkloadResource>> = BTreeMap::new();
        for resource in &self.resources {
            if let Resource::Workload(workload) = resource
                && new.contains(&self.identity(resource))
            {
                templates.entry(self.identity(resource)).or_default().push(workload);
            }
        }
        let others: Vec<WorkloadKey> = templates
            .into_values()
            .filter(|all| all.windows(2).any(|two| two[0].template != two[1].template))
            .filter_map(|all| all.first().map(|own| self.key(own)))
            .collect();
        self.drop_pods(&others);
        let kept: Vec<bool> = self
            .resources
            .iter()
            .map(|own| is_new(own) || !new.contains(&self.identity(own)))
            .collect();
        let mut kept = kept.into_iter();
        self.resources.retain(|_| kept.next().unwrap_or(true));
    }

    fn key(&self, workload: &WorkloadResource) -> WorkloadKey {
        let own = self.namespace_of(&workload.meta);
        let meta = &workload.meta;
        (own, Arc::clone(&workload.group), Arc::clone(&workload.kind), Arc::clone(&meta.name))
    }

    fn namespace_of(&self, meta: &Meta) -> Arc<str> {
        meta.namespace.clone().unwrap_or_else(|| Arc::clone(&self.assumptions.default_namespace))
    }

    /// The workload that each object's pods belong to, by the object's place; of objects that have one.
    fn tops(&self) -> BTreeMap<usize, WorkloadKey> {
        let workloads: Workloads<'_> = self
            .resources
            .iter()
            .filter_map(|resource| match resource {
                Resource::Workload(workload) => Some((self.key(workload), &**workload)),
                _ => None,
            })
            .collect();
        let mut out = BTreeMap::new();
        for (at, resource) in self.resources.iter().enumerate() {
            let (meta, labels) = match resource {
                Resource::Pod(pod) => (&pod.meta, &pod.shape.labels),
                Resource::Workload(own) => (&own.meta, &own.template.labels),
                _ => continue,
            };
            let own = self.namespace_of(meta);
            if let Some(chain) = climb(&own, meta.owner.as_ref(), labels, &workloads) {
                out.insert(at, chain.top);
            }
        }
        out
    }

    /// Takes away what workloads have made: pods, and controllers in between.
    fn drop_pods(&mut self, keys: &[WorkloadKey]) {
        if keys.is_empty() {
            return;
        }
        let tops = self.tops();
        let mut at = 0;
        self.resources.retain(|_| {
            let keep = tops.get(&at).is_none_or(|top| !keys.contains(top));
            at += 1;
            keep
        });
    }

    fn delete(&mut self, name: &ObjectName) {
        let Some(kind) = name.kind else {
            let help = "write `--delete KIND/NAMESPACE/NAME`, such as `netpol/shop/default-deny`";
            self.fail(format!("`{name}`: which kind is to be deleted?"), Some(help));
            return;
        };
        let gone: Vec<Resource> = {
            let assumptions = self.assumptions;
            let (gone, kept) = std::mem::take(&mut self.resources)
                .into_iter()
                .partition(|resource| name.is_of(resource, assumptions));
            self.resources = kept;
            gone
        };
        if gone.is_empty() {
            let help = "`kubereach inventory` shows what there is; objects that are not evaluated cannot be deleted";
            self.fail(
                format!("nothing to delete: no {} `{name}` in the input", kind.kind),
                Some(help),
            );
            return;
        }
        let mut keys = Vec::new();
        for resource in &gone {
            match resource {
                Resource::Workload(own) => keys.push(self.key(own)),
                // With a namespace goes what stands in it.
                Resource::Namespace(meta) => {
                    let assumptions = self.assumptions;
                    self.resources.retain(|own| {
                        own.is_cluster_wide() || namespace(own, assumptions) != &*meta.name
                    });
                }
                _ => {}
            }
        }
        self.drop_pods(&keys);
    }

    /// Workloads of a name; one is what most names mean.
    fn workloads(&self, name: &ObjectName) -> Vec<WorkloadKey> {
        let own = self.resources.iter().filter_map(|resource| match resource {
            Resource::Workload(workload) if name.is_of(resource, self.assumptions) => {
                Some(self.key(workload))
            }
            _ => None,
        });
        let mut keys: Vec<WorkloadKey> = own.collect();
        // Its object need not be in the input: its pods tell of it.
        let namespace = name.namespace(self.assumptions);
        keys.extend(self.tops().into_values().filter(|(space, group, kind, own)| {
            **space == *namespace && **own == *name.name && name.is_kind(group, kind)
        }));
        keys.sort();
        keys.dedup();
        keys
    }

    fn scale(&mut self, name: &ObjectName, pods: u32) {
        let keys = self.workloads(name);
        if keys.is_empty() {
            self.fail(format!("nothing to scale: no workload `{name}` in the input"), None);
            return;
        }
        if pods == 0 {
            self.drop_pods(&keys);
            let assumptions = self.assumptions;
            // Without pods there is nothing left to ask of it.
            self.resources.retain(|own| {
                !(matches!(own, Resource::Workload(_)) && name.is_of(own, assumptions))
            });
        }
    }

    fn label(&mut self, name: &ObjectName, label: &LabelEdit) {
        let keys = self.workloads(name);
        let tops = self.tops();
        let mut found = false;
        for at in 0..self.resources.len() {
            let own = self.resources.get(at).is_some_and(|own| name.is_of(own, self.assumptions))
                || tops.get(&at).is_some_and(|top| keys.contains(top));
            match self.resources.get_mut(at) {
                Some(Resource::Pod(pod)) if own => label.apply(&mut pod.shape.labels),
                Some(Resource::Workload(workload)) if own => {
                    label.apply(&mut workload.template.labels);
                }
                _ => continue,
            }
            found = true;
        }
        if !found {
            self.fail(format!("nothing to label: no pod or workload `{name}` in the input"), None);
        }
    }

    fn label_namespace(&mut self, name: &str, label: &LabelEdit) {
        let object = self.resources.iter_mut().find_map(|resource| match resource {
            Resource::Namespace(meta) if *meta.name == *name => Some(meta),
            _ => None,
        });
        match object {
            Some(meta) => label.apply(&mut meta.labels),
            None => self.fail(
                format!("no Namespace object `{name}` in the input: its labels are not known"),
                Some("`--apply FILE` adds one"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LabelEdit, ObjectName};

    #[test]
    fn names_and_labels_read_as_kubectl_has_them() {
        for (text, want) in [
            ("netpol/shop/default-deny", "netpol/shop/default-deny"),
            ("shop/deploy/web", "deploy/shop/web"),
            ("deploy/web", "deploy/web"),
            ("shop/web", "shop/web"),
            ("web", "web"),
            ("NetworkPolicy/shop/x", "netpol/shop/x"),
            ("deployments.apps/shop/web", "deploy/shop/web"),
            ("ns/shop", "ns/shop"),
        ] {
            assert_eq!(ObjectName::parse(text).map(|name| name.to_string()).as_deref(), Ok(want));
        }
        for text in ["", "a/b/c", "a//b", "netpol/a/b/c"] {
            assert!(ObjectName::parse(text).is_err(), "{text}");
        }
        for text in ["app=web", "app.kubernetes.io/name=web", "app-", "app="] {
            assert!(LabelEdit::parse(text).is_ok(), "{text}");
        }
        for text in ["", "app", "=web", "app=a b", "a b=c"] {
            assert!(LabelEdit::parse(text).is_err(), "{text}");
        }
    }
}
