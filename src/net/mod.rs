//! Pure algebra of networks: no Kubernetes words here.
//!
//! Input: numbers and addresses. Output: sets of them with exact union, intersection and
//! difference.
//!
//! ```text
//!   Intervals<T> ─┬─ ConnectionSet   (protocol, port)  on one line: protocol·65536 + port
//!                 └─ IpSet           IPv4 and IPv6 addresses, kept apart
//!   DomainName ∈ DomainPattern        names of hosts outside
//! ```

mod connection_set;
mod domain;
mod intervals;
mod ip_set;
mod protocol;

pub use connection_set::ConnectionSet;
pub use domain::{DomainName, DomainPattern, Wildcard};
pub(crate) use intervals::number_of;
pub use intervals::{Intervals, Point};
pub use ip_set::{Family, IpSet};
pub use protocol::Protocol;
