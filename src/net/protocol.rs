//! Transport protocols a NetworkPolicy can speak of.

use std::fmt;

/// A transport protocol of `NetworkPolicyPort.protocol`.
///
/// Only these three are defined by the Kubernetes API; what policies mean for ICMP and others is
/// left to the implementation and not modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP, the default where the API lets the protocol out.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// Every protocol, in the order in which they are printed.
    pub const ALL: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

    /// Reads the API's spelling (`TCP`, `UDP`, `SCTP`), which is case-sensitive.
    pub fn from_api(text: &str) -> Option<Self> {
        match text {
            "TCP" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            "SCTP" => Some(Self::Sctp),
            _ => None,
        }
    }

    /// Reads a spelling that a person types: any case.
    pub fn from_user(text: &str) -> Option<Self> {
        Self::from_api(&text.to_ascii_uppercase())
    }

    /// The lower-case name, as in `tcp/80`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    /// The API's spelling, as in `protocol: TCP`.
    pub fn api_name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }

    /// The place of the protocol on the line of [`ConnectionSet`](super::ConnectionSet).
    pub(super) fn index(self) -> u32 {
        match self {
            Self::Tcp => 0,
            Self::Udp => 1,
            Self::Sctp => 2,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
