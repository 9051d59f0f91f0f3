//! What the API server refuses, refused here with the same reasons.
//!
//! Source of the rules: `k8s.io/apimachinery/pkg/util/validation`, `…/api/validation`, and
//! `pkg/apis/{core,apps,batch,networking}/validation` of kubernetes/kubernetes, version 1.36.
//! Checks that cannot change who reaches whom (volumes, probes, resources, …) are left out.

mod admin;
mod cidr;
mod firewall;
mod meta;
mod pod;
mod policy;
mod service;
mod text;

pub(super) use admin::admin_policy;
pub(super) use cidr::address;
pub(super) use firewall::egress_firewall;
pub(super) use meta::{NameRule, object_meta};
pub(super) use pod::{pod_restart, pod_spec, pod_template, template_meta, workload_selector};
pub(super) use policy::network_policy;
pub(super) use service::service;

use super::place::Place;
use crate::diagnostic::{Code, Diagnostic};

/// Whether there is nothing to say against a name, a label's key or value, or a port's name.
macro_rules! legal {
    ($($name:ident $check:ident),* $(,)?) => {$(
        pub(super) fn $name(text: &str) -> bool {
            text::$check(text).is_empty()
        }
    )*};
}

legal! {
    is_dns_label dns_label,
    is_dns_subdomain dns_subdomain,
    is_qualified_name qualified_name,
    is_label_value label_value,
    is_port_name port_name,
}

/// Where checks report to.
pub(super) type Sink = Vec<Diagnostic>;

/// Reports a value that the API server refuses.
pub(super) fn invalid(sink: &mut Sink, place: &Place<'_>, value: &str, reason: &str) {
    let value = super::node::shorten(value);
    sink.push(
        Diagnostic::new(
            Code::InvalidValue,
            format!("`{place}`: invalid value `{value}`: {reason}"),
        )
        .at(place.span, reason.to_owned()),
    );
}

/// Reports a value that is missing.
pub(super) fn required(sink: &mut Sink, place: &Place<'_>, reason: &str) {
    let text = if reason.is_empty() {
        "required value".into()
    } else {
        format!("required value: {reason}")
    };
    sink.push(
        Diagnostic::new(Code::RequiredValue, format!("`{place}`: {text}")).at(place.span, text),
    );
}

/// Reports a value that may not stand where it stands.
fn forbidden(sink: &mut Sink, place: &Place<'_>, reason: &str) {
    sink.push(
        Diagnostic::new(Code::ForbiddenValue, format!("`{place}`: {reason}"))
            .at(place.span, reason.to_owned()),
    );
}

/// Reports a value that is none of those an enumeration has.
pub(super) fn unsupported(sink: &mut Sink, place: &Place<'_>, value: &str, known: &[&str]) {
    let list: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let list = list.join(", ");
    let mut fault = Diagnostic::new(
        Code::InvalidValue,
        format!(
            "`{place}`: unsupported value `{}`: supported are {list}",
            super::node::shorten(value)
        ),
    )
    .at(place.span, format!("supported values: {list}"));
    if let Some(name) = known.iter().find(|name| name.eq_ignore_ascii_case(value)) {
        fault = fault.help(format!("write `{name}`: upper and lower case count"));
    }
    sink.push(fault);
}

/// A port number.
fn port_number(sink: &mut Sink, place: &Place<'_>, number: i32) -> Option<u16> {
    match u16::try_from(number) {
        Ok(port) if port > 0 => Some(port),
        _ => {
            invalid(sink, place, &number.to_string(), "must be between 1 and 65535, inclusive");
            None
        }
    }
}
