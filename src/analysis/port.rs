//! Ports as users write them.

use crate::cluster::PortRef;
use crate::net::{ConnectionSet, Protocol};
use std::fmt;
use std::str::FromStr;

/// A port, a range of ports, or the name of a container or Service port: `80`, `53/udp`, `udp/53`,
/// `8000-8100`, `http`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortQuery {
    /// The protocol that was named; TCP is meant without one.
    pub protocol: Option<Protocol>,
    /// Number or name; the first one of a range.
    pub port: PortRef,
    /// The last one of a range.
    pub last: Option<u16>,
}

impl PortQuery {
    /// The protocol that is meant.
    pub fn protocol(&self) -> Protocol {
        self.protocol.unwrap_or(Protocol::Tcp)
    }

    /// The ports meant, if they are numbers.
    pub fn numbers(&self) -> Option<ConnectionSet> {
        match &self.port {
            PortRef::Number(first) => {
                Some(ConnectionSet::range(self.protocol(), *first, self.last.unwrap_or(*first)))
            }
            PortRef::Name(_) => None,
        }
    }
}

impl fmt::Display for PortQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.protocol(), self.port)?;
        if let Some(last) = self.last {
            write!(f, "-{last}")?;
        }
        Ok(())
    }
}

/// A port that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortError {
    text: String,
    reason: &'static str,
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read `{}` as a port: {}", self.text, self.reason)
    }
}

impl std::error::Error for PortError {}

impl FromStr for PortQuery {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let fail = |reason| PortError { text: text.to_owned(), reason };
        let (port, protocol) = match text.split_once('/') {
            None => (text, None),
            Some((left, right)) => match (Protocol::from_user(right), Protocol::from_user(left)) {
                (Some(protocol), _) => (left, Some(protocol)),
                (None, Some(protocol)) => (right, Some(protocol)),
                _ => {
                    return Err(fail("the protocol is `tcp`, `udp` or `sctp`, as in `53/udp`"));
                }
            },
        };
        let number = |digits: &str| {
            let value: u32 = digits.parse().map_err(|_| fail("ports run from 1 to 65535"))?;
            u16::try_from(value).ok().filter(|&n| n > 0).ok_or(fail("ports run from 1 to 65535"))
        };
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if digits(port) {
            return Ok(Self { protocol, port: PortRef::Number(number(port)?), last: None });
        }
        if let Some((first, last)) = port.split_once('-')
            && digits(first)
            && digits(last)
        {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(fail("the range ends before it starts"));
            }
            return Ok(Self { protocol, port: PortRef::Number(first), last: Some(last) });
        }
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let named = port.len() <= 63
            && port.bytes().all(legal)
            && port.bytes().any(|b| b.is_ascii_lowercase());
        if !named {
            return Err(fail("a port is a number, a range such as `8000-8100`, or a port's name"));
        }
        Ok(Self { protocol, port: PortRef::Name(port.into()), last: None })
    }
}

#[cfg(test)]
mod tests {
    use super::PortQuery;

    #[test]
    fn ports_are_read_in_every_usual_form() {
        for (text, want) in [
            ("80", "tcp/80"),
            ("53/udp", "udp/53"),
            ("53/UDP", "udp/53"),
            ("udp/53", "udp/53"),
            ("8000-8100", "tcp/8000-8100"),
            ("http", "tcp/http"),
            ("dns-tcp/udp", "udp/dns-tcp"),
        ] {
            let port: Result<PortQuery, _> = text.parse();
            assert_eq!(port.map(|p| p.to_string()).as_deref(), Ok(want), "{text}");
        }
        for text in
            ["", "0", "65536", "80-70", "80/icmp", "HTTP", "-", "80-", "99999999999999", "a b"]
        {
            assert!(text.parse::<PortQuery>().is_err(), "{text}");
        }
    }
}
