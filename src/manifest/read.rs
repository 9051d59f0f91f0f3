//! Objects of our kinds: decoded into the API's own types, checked, and cut down to what matters.

use super::decode::decode;
use super::item::{Collected, Envelope, Reason, invalid_reason};
use super::json::JsonReader;
use super::kinds::{Kind, Used, classify, group_of};
use super::node::{Node, Value};
use super::place::Place;
use super::resource::{
    AddressList, Digest, Labels, Meta, NodeResource, Owner, PodResource, PodShape, Resource,
    WorkloadResource,
};
use super::validate::{self, NameRule};
use super::{prune, yaml};
use crate::diagnostic::{Code, Diagnostic, Severity, SourceMap, Span};
use k8s_openapi::api::{
    apps::v1 as apps, batch::v1 as batch, core::v1 as core, networking::v1 as net,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Decodes and checks an object of a kind of ours.
pub(super) fn read(out: &mut Collected, node: &Node, envelope: Envelope<'_>, used: Used) {
    let stored = prune::is_stored(node);
    let pruned = (stored && prune::is_pruned(used)).then(|| prune::pruned(node, used));
    let place = Place::root(pruned.as_ref().unwrap_or(node));
    let before = out.diagnostics.len();
    let resource = match used {
        Used::Namespace => typed::<core::Namespace>(out, place).and_then(|object| {
            let meta = checked_meta(out, &place, &object.metadata, NameRule::Label)?;
            let wanted = meta.labels.get("kubernetes.io/metadata.name");
            if wanted.is_some_and(|value| **value != *meta.name) {
                out.diagnostics.push(overwritten_label(&place, &meta));
            }
            Some(Resource::Namespace(Box::new(meta)))
        }),
        Used::Node => typed::<core::Node>(out, place).and_then(|object| {
            let meta = checked_meta(out, &place, &object.metadata, NameRule::Subdomain)?;
            let listed = object.status.and_then(|status| status.addresses).unwrap_or_default();
            let addresses = listed
                .iter()
                .filter(|a| matches!(a.type_.as_str(), "InternalIP" | "ExternalIP"))
                .filter_map(|a| validate::address(&a.address))
                .collect();
            Some(Resource::Node(Box::new(NodeResource { meta, addresses })))
        }),
        Used::Pod => typed::<core::Pod>(out, place).and_then(|object| pod(out, &place, object)),
        Used::Service => typed::<core::Service>(out, place).and_then(|object| {
            let meta = checked_meta(out, &place, &object.metadata, NameRule::Label)?;
            let service =
                validate::service(&mut out.diagnostics, &place, object.spec, meta, stored);
            Some(Resource::Service(Box::new(service)))
        }),
        Used::NetworkPolicy => typed::<net::NetworkPolicy>(out, place).and_then(|object| {
            let meta = checked_meta(out, &place, &object.metadata, NameRule::Subdomain)?;
            let sink = &mut out.diagnostics;
            let policy = validate::network_policy(sink, &place, object.spec, meta, stored);
            Some(Resource::NetworkPolicy(Box::new(policy)))
        }),
        Used::Admin(kind) => metadata(out, &place, NameRule::Subdomain).and_then(|meta| {
            let sink = &mut out.diagnostics;
            let policy = validate::admin_policy(sink, &place, meta, kind, stored)?;
            Some(Resource::AdminPolicy(Box::new(policy)))
        }),
        Used::Firewall(kind) => metadata(out, &place, NameRule::Subdomain).and_then(|meta| {
            let firewall = validate::egress_firewall(&mut out.diagnostics, &place, meta, kind)?;
            Some(Resource::EgressFirewall(Box::new(firewall)))
        }),
        Used::Deployment => typed::<apps::Deployment>(out, place).and_then(|object| {
            let spec = object.spec;
            let parts =
                Parts::apps(object.metadata, spec.template, spec.replicas, Some(spec.selector));
            workload(out, &place, envelope, parts)
        }),
        Used::ReplicaSet => typed::<apps::ReplicaSet>(out, place).and_then(|object| {
            let spec = object.spec;
            let template = spec.template.unwrap_or_default();
            let parts = Parts::apps(object.metadata, template, spec.replicas, Some(spec.selector));
            workload(out, &place, envelope, parts)
        }),
        Used::StatefulSet => typed::<apps::StatefulSet>(out, place).and_then(|object| {
            let spec = object.spec;
            let parts =
                Parts::apps(object.metadata, spec.template, spec.replicas, Some(spec.selector));
            workload(out, &place, envelope, parts)
        }),
        Used::DaemonSet => typed::<apps::DaemonSet>(out, place).and_then(|object| {
            let spec = object.spec;
            let parts = Parts::apps(object.metadata, spec.template, None, Some(spec.selector));
            workload(out, &place, envelope, parts)
        }),
        Used::ReplicationController => {
            typed::<core::ReplicationController>(out, place).and_then(|object| {
                let spec = object.spec.unwrap_or_default();
                let template = spec.template.unwrap_or_default();
                workload(
                    out,
                    &place,
                    envelope,
                    Parts::apps(object.metadata, template, spec.replicas, None),
                )
            })
        }
        Used::Job => typed::<batch::Job>(out, place).and_then(|object| {
            let template = object.spec.unwrap_or_default().template;
            workload(out, &place, envelope, Parts::batch(object.metadata, template, &["template"]))
        }),
        Used::CronJob => typed::<batch::CronJob>(out, place).and_then(|object| {
            let job = object.spec.job_template.spec.unwrap_or_default();
            let way = &["jobTemplate", "spec", "template"];
            workload(out, &place, envelope, Parts::batch(object.metadata, job.template, way))
        }),
    };
    finish(out, before, envelope, resource);
}

/// Keeps the object if it has no error.
fn finish(out: &mut Collected, before: usize, envelope: Envelope<'_>, resource: Option<Resource>) {
    let mut new = out.diagnostics.split_off(before);
    // A value of the wrong type was read as nothing: what the checks said of that is no news.
    let mistyped = spans_of(&new, Code::InvalidType);
    // A mistyped key explains what is missing beside it.
    let unknown = spans_of(&new, Code::UnknownField);
    new.retain(|diagnostic| {
        let span = diagnostic.primary.as_ref().map(|label| label.span);
        let explained = |span: Span| {
            mistyped.contains(&span)
                || diagnostic.code == Code::RequiredValue
                    && unknown.iter().any(|key| span.start <= key.start && key.end <= span.end)
        };
        matches!(diagnostic.code, Code::InvalidType | Code::UnknownField)
            || !span.is_some_and(explained)
    });
    let faulty = new.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    let span =
        new.iter().find_map(|diagnostic| diagnostic.primary.as_ref()).map(|label| label.span);
    out.diagnostics.append(&mut new);
    match resource {
        Some(resource) if !faulty => out.used.push(resource),
        resource => {
            let span = resource.map(|r| r.meta().span).or(span).unwrap_or_default();
            out.set_aside(invalid_reason(envelope.kind), &envelope, span);
        }
    }
}

/// Where findings of a code are.
fn spans_of(found: &[Diagnostic], code: Code) -> HashSet<Span> {
    let wanted = found.iter().filter(|diagnostic| diagnostic.code == code);
    wanted.filter_map(|diagnostic| diagnostic.primary.as_ref().map(|label| label.span)).collect()
}

fn typed<T: serde::de::DeserializeOwned>(out: &mut Collected, place: Place<'_>) -> Option<T> {
    decode(place, &mut out.diagnostics)
}

/// What tells whether two objects say the same.
pub fn digest(sources: &SourceMap, meta: &Meta) -> u64 {
    let span = match meta.digest {
        Digest::Known(digest) => return digest,
        Digest::Of(span) => span,
    };
    let text = sources.text(span);
    let node = if text.starts_with('{') {
        JsonReader::new(span.source, text).next_value().and_then(Result::ok)
    } else {
        // An item of a list is indented but for its first line.
        let column = sources.locate(span).column.saturating_sub(1) as usize;
        yaml::parse(span.source, 0, &format!("{}{text}", " ".repeat(column))).node
    };
    node.map_or(0, |node| {
        let text = |key: &str| node.get(key).and_then(Node::as_str).unwrap_or_default();
        match classify(text("apiVersion"), text("kind")) {
            Kind::Used(used) => digest_of(&prune::pruned(&node, used)),
            _ => digest_of(&node),
        }
    })
}

/// A hash of what an object says that can matter here: not of what servers and tools note on it.
fn digest_of(node: &Node) -> u64 {
    let mut hasher = rustc_hash::FxHasher::default();
    node.get("metadata").and_then(|metadata| metadata.get("labels")).hash(&mut hasher);
    node.get("spec").hash(&mut hasher);
    for key in ["phase", "podIP", "podIPs", "hostIP", "hostIPs", "addresses"] {
        node.get("status").and_then(|status| status.get(key)).hash(&mut hasher);
    }
    hasher.finish()
}

fn checked_meta(
    out: &mut Collected,
    root: &Place<'_>,
    meta: &ObjectMeta,
    rule: NameRule,
) -> Option<Meta> {
    let place = root.field("metadata");
    validate::object_meta(&mut out.diagnostics, &place, meta, rule);
    let name = match meta.name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        None => format!("{}*", meta.generate_name.as_deref().filter(|name| !name.is_empty())?),
    };
    let owner = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    Some(Meta {
        namespace: meta.namespace.as_deref().filter(|text| !text.is_empty()).map(Into::into),
        name: name.into(),
        labels: Labels::new(
            meta.labels.iter().flatten().map(|(k, v)| (k.as_str().into(), v.as_str().into())),
        ),
        owner: owner.map(|owner| Owner {
            group: group_of(&owner.api_version).into(),
            kind: owner.kind.as_str().into(),
            name: owner.name.as_str().into(),
        }),
        span: place.child_span("name"),
        digest: Digest::Known(root.node.map_or(0, digest_of)),
    })
}

fn metadata(out: &mut Collected, root: &Place<'_>, rule: NameRule) -> Option<Meta> {
    let meta: ObjectMeta = decode(root.field("metadata"), &mut out.diagnostics)?;
    checked_meta(out, root, &meta, rule)
}

fn overwritten_label(root: &Place<'_>, meta: &Meta) -> Diagnostic {
    let metadata = root.field("metadata");
    let labels = metadata.field("labels");
    Diagnostic::new(
        Code::OverwrittenLabel,
        format!(
            "the API server sets `kubernetes.io/metadata.name` to `{}`, whatever stands here",
            meta.name
        ),
    )
    .at(labels.child_span("kubernetes.io/metadata.name"), "has no effect")
}

fn pod(out: &mut Collected, root: &Place<'_>, object: core::Pod) -> Option<Resource> {
    let meta = checked_meta(out, root, &object.metadata, NameRule::Subdomain)?;
    let spec_place = root.field("spec");
    let spec = object.spec.unwrap_or_default();
    let node = spec.node_name.as_deref().filter(|name| !name.is_empty()).map(Arc::from);
    validate::pod_restart(&mut out.diagnostics, &spec_place, &spec);
    let mut shape = validate::pod_spec(&mut out.diagnostics, &spec_place, spec);
    shape.labels = meta.labels.clone();
    let status = object.status.unwrap_or_default();
    let finished = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    let status_place = root.field("status");
    let mut read = |several: Vec<String>, one: Option<String>, key: &str| {
        let texts = if several.is_empty() { one.into_iter().collect() } else { several };
        let mut found = AddressList::new();
        for text in texts.into_iter().filter(|text| !text.is_empty()) {
            match validate::address(&text) {
                Some(ip) => found.push(ip),
                None => out.diagnostics.push(
                    Diagnostic::new(
                        Code::InvalidAddress,
                        format!("`status.{key}`: `{text}` is no IP address"),
                    )
                    .at(status_place.child_span(key), "the pod is taken to have no known address"),
                ),
            }
        }
        found
    };
    let ips = status.pod_ips.unwrap_or_default().into_iter().map(|ip| ip.ip).collect();
    let addresses = read(ips, status.pod_ip, "podIP");
    let ips = status.host_ips.unwrap_or_default().into_iter().map(|ip| ip.ip).collect();
    let host_addresses = read(ips, status.host_ip, "hostIP");
    Some(Resource::Pod(Box::new(PodResource {
        meta,
        shape,
        node,
        finished,
        addresses,
        host_addresses,
        stand_in: false,
    })))
}

/// What the kinds with a pod template have in common.
struct Parts {
    metadata: ObjectMeta,
    template: core::PodTemplateSpec,
    replicas: Option<i32>,
    /// `None` where the kind needs no selector.
    selector: Option<LabelSelector>,
    /// The way from `spec` to the template.
    way: &'static [&'static str],
    restarts: &'static [&'static str],
}

impl Parts {
    fn apps(
        metadata: ObjectMeta,
        template: core::PodTemplateSpec,
        replicas: Option<i32>,
        selector: Option<LabelSelector>,
    ) -> Self {
        Self { metadata, template, replicas, selector, way: &["template"], restarts: &["Always"] }
    }

    fn batch(
        metadata: ObjectMeta,
        template: core::PodTemplateSpec,
        way: &'static [&'static str],
    ) -> Self {
        Self {
            metadata,
            template,
            replicas: None,
            selector: None,
            way,
            restarts: &["OnFailure", "Never"],
        }
    }
}

fn workload(
    out: &mut Collected,
    root: &Place<'_>,
    envelope: Envelope<'_>,
    parts: Parts,
) -> Option<Resource> {
    // Pods of a StatefulSet are named after it, and so are the Jobs of a CronJob.
    let rule = if envelope.kind == "StatefulSet" { NameRule::Label } else { NameRule::Subdomain };
    let meta = checked_meta(out, root, &parts.metadata, rule)?;
    let metadata = root.field("metadata");
    if envelope.kind == "CronJob" && meta.name.len() > 52 {
        out.diagnostics.push(
            Diagnostic::new(
                Code::InvalidValue,
                "`metadata.name` of a CronJob has at most 52 characters",
            )
            .at(metadata.child_span("name"), "its Jobs are named after it"),
        );
    }
    let spec = root.field("spec");
    let template = follow(&spec, parts.way, |place| {
        validate::pod_template(&mut out.diagnostics, place, parts.template, parts.restarts)
    });
    if envelope.kind == "ReplicationController" && template.labels.is_empty() {
        out.diagnostics.push(
            Diagnostic::new(Code::RequiredValue, "`spec.selector`: required value")
                .at(spec.span, "neither a selector nor labels of the template to take it from"),
        );
    }
    if let Some(selector) = &parts.selector {
        validate::workload_selector(&mut out.diagnostics, &spec, selector, &template.labels);
    }
    if let Some(replicas) = parts.replicas.filter(|&count| count < 0) {
        out.diagnostics.push(
            Diagnostic::new(
                Code::InvalidValue,
                format!("`spec.replicas`: invalid value `{replicas}`"),
            )
            .at(spec.child_span("replicas"), "must be 0 or more"),
        );
    }
    Some(Resource::Workload(Box::new(WorkloadResource {
        meta,
        group: group_of(envelope.api_version).into(),
        kind: envelope.kind.into(),
        replicas: parts.replicas.and_then(|count| u32::try_from(count).ok()),
        template,
    })))
}

/// Walks down fields and calls `then` at the end.
fn follow<R>(place: &Place<'_>, way: &[&str], then: impl FnOnce(&Place<'_>) -> R) -> R {
    match way {
        [] => then(place),
        [first, rest @ ..] => follow(&place.field(first), rest, then),
    }
}

/// An object that is none of ours; it is a workload if it carries a pod template.
pub(super) fn third_party(out: &mut Collected, node: &Node, envelope: Envelope<'_>, span: Span) {
    let place = Place::root(node);
    let spec = place.field("spec");
    let template = spec.field("template");
    let pod_spec = template.node.and_then(|template| template.get("spec"));
    let labels = template.node.and_then(|t| t.get("metadata")).and_then(|m| m.get("labels"));
    let runs_pods = pod_spec.is_some_and(|pod| {
        // KubeVirt's templates say `domain` where others say `containers`.
        pod.get("containers").is_some_and(|c| !c.items().is_empty()) || pod.get("domain").is_some()
    });
    // Knative, Argo and the like run pods from templates without labels, too.
    let built_in = matches!(group_of(envelope.api_version), "" | "apps" | "batch");
    if built_in
        || !runs_pods
        || (labels.is_none() && envelope.namespace.is_none() && envelope.name.is_empty())
    {
        out.set_aside(Reason::Irrelevant, &envelope, span);
        return;
    }
    let before = out.diagnostics.len();
    let meta = metadata(out, &place, NameRule::Any);
    // Fields beside the pod template's own are the other API's business: only what the network
    // sees is read, and only faults in that are reported.
    let mut faults = Vec::new();
    let template_value = decode::<core::PodTemplateSpec>(template, &mut faults);
    let template_metadata = template.field("metadata");
    let template_labels = template_metadata.field("labels").span;
    out.diagnostics.extend(faults.into_iter().filter(|fault| {
        fault.code != Code::UnknownField
            && fault.primary.as_ref().is_some_and(|label| {
                label.span.start >= template_labels.start && label.span.end <= template_labels.end
            })
    }));
    let mut ignored = Vec::new();
    let shape = template_value.map_or_else(PodShape::default, |value| {
        let labels = value.metadata.as_ref().and_then(|meta| meta.labels.clone());
        validate::template_meta(&mut out.diagnostics, &template, labels.as_ref());
        validate::pod_template(&mut ignored, &template, value, &["Always", "OnFailure", "Never"])
    });
    let replicas = spec.field("replicas").node.and_then(|n| match n.value {
        Value::Int(value) => u32::try_from(value).ok(),
        _ => None,
    });
    finish(
        out,
        before,
        envelope,
        meta.map(|meta| {
            Resource::Workload(Box::new(WorkloadResource {
                meta,
                group: group_of(envelope.api_version).into(),
                kind: envelope.kind.into(),
                replicas,
                template: shape,
            }))
        }),
    );
}
