//! CIDR blocks and addresses as Go reads them, and as 1.36's `StrictIPCIDRValidation` wants them.

use super::{Sink, invalid, required};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::manifest::place::Place;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads a CIDR block. Blocks that only older servers accepted are an error in a manifest and a
/// warning in an object that a server has stored (`stored`): there they are in force.
pub(super) fn block(sink: &mut Sink, place: &Place<'_>, text: &str, stored: bool) -> Option<IpNet> {
    if text.is_empty() {
        required(sink, place, "");
        return None;
    }
    let Some((address, length)) = text.split_once('/') else {
        invalid(sink, place, text, "must be a CIDR block, such as 10.9.8.0/24 or 2001:db8::/64");
        return None;
    };
    let parsed = lenient_address(address);
    let prefix = lenient_length(length);
    let net = match (parsed, prefix) {
        (Some((ip, _)), Some((len, _))) => IpNet::new(ip, len).ok(),
        _ => None,
    };
    let (Some(net), Some((ip, zeros)), Some((_, length_zeros))) = (net, parsed, prefix) else {
        invalid(sink, place, text, "must be a CIDR block, such as 10.9.8.0/24 or 2001:db8::/64");
        return None;
    };
    let mut legacy = Vec::new();
    if zeros || length_zeros {
        legacy.push("must not have leading zeros in address or prefix length".to_owned());
    }
    let mapped = matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
    if mapped {
        legacy.push("must not be an IPv4-mapped IPv6 block".to_owned());
    } else if net.trunc() != net {
        legacy.push(format!(
            "must not have bits set beyond the prefix length; as a block it is `{}`",
            net.trunc()
        ));
    }
    // Go takes an IPv4-mapped block for its IPv4 part.
    let net = match ip {
        IpAddr::V6(v6) if mapped => match (v6.to_ipv4_mapped(), net.prefix_len().checked_sub(96)) {
            (Some(v4), Some(len)) => IpNet::new(v4.into(), len).ok()?,
            _ => net,
        },
        _ => net,
    };
    for reason in &legacy {
        let mut fault = Diagnostic::new(
            Code::LegacyCidr,
            format!("`{place}`: invalid value `{text}`: {reason}"),
        )
        .at(place.span, reason.clone());
        if stored {
            fault.severity = Severity::Warning;
            fault =
                fault.note("the object was stored by an older server, so the block is in force");
        } else {
            fault = fault.note("servers before 1.36 accept it");
        }
        sink.push(fault);
    }
    if !legacy.is_empty() && !stored {
        return None;
    }
    let canonical = net.to_string();
    if legacy.is_empty() && matches!(net, IpNet::V6(_)) && canonical != text {
        sink.push(
            Diagnostic::new(
                Code::NonCanonicalCidr,
                format!("`{place}`: `{text}` should be in canonical form: `{canonical}`"),
            )
            .at(place.span, format!("canonical: `{canonical}`")),
        );
    }
    Some(net.trunc())
}

/// Reads an address as Go's lenient parser does, or `None`.
pub(in crate::manifest) fn address(text: &str) -> Option<IpAddr> {
    let (ip, _) = lenient_address(text)?;
    Some(match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    })
}

/// An address, and whether it has leading zeros, which Kubernetes' own parser skips
/// (`k8s.io/utils/net`, a copy of Go's parser before 1.17: zeros do not mean octal).
pub(super) fn lenient_address(text: &str) -> Option<(IpAddr, bool)> {
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        return Some((ip.into(), false));
    }
    let mut octets = [0u8; 4];
    let mut zeros = false;
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        zeros |= part.len() > 1 && part.starts_with('0');
        *octet = part.parse().ok()?;
    }
    parts.next().is_none().then(|| (Ipv4Addr::from(octets).into(), zeros))
}

fn lenient_length(text: &str) -> Option<(u8, bool)> {
    if text.is_empty() || text.len() > 4 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((text.parse().ok()?, text.len() > 1 && text.starts_with('0')))
}
