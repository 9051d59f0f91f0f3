//! Pods of one workload: the same text but for a few words.
//!
//! One of them is read, and it is noted where words stand that may differ from pod to pod without another reading:
//! its name, its node, its addresses, and all that is passed over. Those that follow are compared with it. Where
//! the texts part, both must go on with a plain word at such a place, and then with the same text again: so each
//! line begins, ends and is indented as the first pod's, and that is all that reading depends on.

use super::super::resource::{AddressList, Digest, PodResource};
use super::super::validate;
use super::cursor::{Cursor, Word, is_of_word};
use super::meta::{self, Memory};
use super::{pod, span};
use crate::diagnostic::SourceId;
use std::net::IpAddr;

/// What a place in an object's text holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// What is not looked at, or a string that says nothing here and is one whatever its words are.
    PassedOver,
    /// A value that says nothing here, but must be a string.
    Text,
    /// `metadata.labels`.
    Labels,
    /// `metadata.name`.
    Name,
    /// `spec.nodeName`.
    Node,
    /// One of `status.podIPs`, or `status.podIP`, which counts where there is no list.
    PodIp(Option<usize>),
    /// One of `status.hostIPs`, or `status.hostIP`.
    HostIp(Option<usize>),
}

/// A place in an object's text.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) role: Role,
}

/// A pod that others may be replicas of.
pub(super) struct Original<C> {
    /// Where its object starts.
    start: C,
    /// Where its object ends, and where the text starts that follows it.
    end: usize,
    until: usize,
    pod: PodResource,
    /// Where replicas may differ, in the order of the text.
    parts: Vec<Part>,
}

impl<'t, C: Cursor<'t>> Original<C> {
    /// Keeps a pod that was read between two places, with what was noted meanwhile.
    pub(super) fn new(start: C, end: &C, pod: &PodResource, memory: &mut Memory<'t>) -> Self {
        let mut parts = std::mem::take(&mut memory.parts);
        for of in [Role::PodIp, Role::HostIp] {
            let listed = parts.iter().any(|part| part.role == of(Some(0)));
            for part in parts.iter_mut().filter(|part| !listed && part.role == of(None)) {
                part.role = of(Some(0));
            }
        }
        Self { start, end: end.end(), until: end.position(), pod: pod.clone(), parts }
    }

    /// The pod whose object starts at a place, if it is a replica, and where the text starts that follows it.
    pub(super) fn replica(
        &self,
        at: usize,
        memory: &mut Memory<'t>,
        source: SourceId,
    ) -> Option<(PodResource, usize)> {
        let text = self.start.text();
        let original = text.get(..self.until)?;
        let mut pod = self.pod.clone();
        let (mut named, mut labelled) = (false, false);
        let mut parts = self.parts.iter();
        let mut part = parts.next()?;
        let (mut here, mut there) = (self.start.position(), at);
        loop {
            let alike = alike(&original[here..], &text[there..]);
            (here, there) = (here + alike, there + alike);
            if here == self.until {
                break;
            }
            // The word that both are in starts in what is alike.
            let within = original[..here].iter().rev().take_while(|b| is_of_word(**b)).count();
            let (old, new) =
                (word::<C>(original, here - within)?, word::<C>(text, there - within)?);
            // A number of JSON may be the last of its collection in one of them alone.
            if original.get(old.end) != text.get(new.end) {
                return None;
            }
            while part.end < old.end {
                part = parts.next()?;
            }
            if old.start < part.start {
                return None;
            }
            let is_value = part.start == old.start && part.end == old.end;
            let value = || if is_value { new.filled().ok() } else { None };
            match part.role {
                Role::PassedOver => {}
                Role::Text => {
                    value()?;
                }
                Role::Labels if labelled => {}
                Role::Labels => {
                    let labels = new.start - (old.start - part.start);
                    let mut cursor = self.start.behind_key(meta::LEVEL, labels);
                    pod.meta.labels = meta::labels(&mut cursor, memory).ok()?;
                    pod.shape.labels = pod.meta.labels.clone();
                    labelled = true;
                }
                Role::Name => {
                    pod.meta.name = value().filter(|name| validate::is_dns_subdomain(name))?.into();
                    pod.meta.span = span(source, new.start, new.end);
                    named = true;
                }
                Role::Node => pod.node = Some(pod::node(value()?, memory).ok()?),
                Role::PodIp(index) => {
                    set(&mut pod.addresses, index, pod::address(value()?).ok()?)?;
                }
                Role::HostIp(index) => {
                    set(&mut pod.host_addresses, index, pod::address(value()?).ok()?)?;
                }
            }
            let quote = usize::from(old.quoted);
            (here, there) = (old.end - quote, new.end - quote);
        }
        pod.meta.digest = Digest::Of(span(source, at, there - (self.until - self.end)));
        // Where the name stands is not known but by the difference.
        named.then_some((pod, there))
    }
}

/// Sets an address of a list.
fn set(list: &mut AddressList, index: Option<usize>, address: IpAddr) -> Option<()> {
    if let Some(index) = index {
        *list.get_mut(index)? = address;
    }
    Some(())
}

/// A plain word that starts at a place, and is all that stands between quotes or up to the end of its line.
fn word<'t, C: Cursor<'t>>(text: &'t [u8], start: usize) -> Option<Word<'t>> {
    let length = text[start..].iter().position(|b| !is_of_word(*b))?;
    let end = start + length;
    let word = &text[start..end];
    match (text[start.checked_sub(1)?], text[end]) {
        (b'"', b'"') => Some(Word { text: word, quoted: true, start: start - 1, end: end + 1 }),
        (b' ', after) if C::is_bare_word(word, after) => {
            Some(Word { text: word, quoted: false, start, end })
        }
        _ => None,
    }
}

/// How many bytes two texts have in common.
fn alike(one: &[u8], other: &[u8]) -> usize {
    const BLOCK: usize = 32;
    let (ones, others) = (one.as_chunks::<BLOCK>().0, other.as_chunks::<BLOCK>().0);
    let blocks = ones.iter().zip(others).take_while(|(one, other)| one == other).count();
    let at = blocks * BLOCK;
    at + std::iter::zip(&one[at..], &other[at..]).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::super::json::Json;
    use super::super::yaml::Yaml;
    use super::*;
    use crate::diagnostic::SourceMap;
    use crate::manifest::resource::Resource;
    use std::sync::Arc;

    const YAML: &str = "\
- apiVersion: v1
  kind: Pod
  metadata:
    annotations:
      plain: some
      quoted: \"1\"
    creationTimestamp: \"2026-10-05T07:12:44Z\"
    labels:
      app: web
      pod-index: \"0\"
    name: web-0
    namespace: shop
    uid: c377b8ca-0f32-4a77-a24e-9f9b88a63c72
  spec:
    containers:
    - image: web
      name: main
      ports:
      - containerPort: 80
    nodeName: node-1
    priority: 0
  status:
    hostIP: 172.20.0.14
    phase: Running
    podIP: 10.128.4.55
    podIPs:
    - ip: 10.128.4.55
    - ip: fd00::1
";

    const JSON: &str = r#"        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "web-0",
                "uid": "c377b8ca"
            },
            "spec": {
                "containers": [
                    {
                        "image": "web",
                        "name": "main"
                    }
                ],
                "priority": 10
            },
            "status": {
                "phase": "Running"
            }
        },
"#;

    /// What is read of a pod that follows another one: by what they have in common, and by itself.
    fn read<'t, C: Cursor<'t>>(first: C, second: C) -> [Option<String>; 2] {
        let mut sources = SourceMap::default();
        let source = sources.add("x".into(), Arc::new(""));
        let mut memory = Memory::default();
        let mut end = first;
        let Ok(Resource::Pod(pod)) = super::super::object(&mut end, &mut memory, source) else {
            return [None, None];
        };
        let original = Original::new(first, &end, &pod, &mut memory);
        let replica = original.replica(second.position(), &mut memory, source);
        let mut end = second;
        let alone = super::super::object(&mut end, &mut memory, source).ok();
        let alone = alone.map(|own| (own, end.position()));
        let said =
            |(pod, end): (PodResource, usize)| format!("{:?}", (Resource::Pod(Box::new(pod)), end));
        [replica.map(said), alone.map(|own| format!("{own:?}"))]
    }

    fn in_yaml(change: [&str; 2]) -> [Option<String>; 2] {
        let second = YAML.replace("name: web-0", "name: web-1").replace(change[0], change[1]);
        let text = YAML.to_owned() + &second;
        let at = |start: usize| Yaml::new(text.as_bytes(), start + 2, 2);
        read(at(0), at(YAML.len()))
    }

    fn in_json(change: [&str; 2]) -> [Option<String>; 2] {
        let second = JSON.replace("web-0", "web-1").replace(change[0], change[1]);
        let text = JSON.to_owned() + &second;
        let at = |start: usize| Json::new(text.as_bytes(), start + 8, 8);
        read(at(0), at(JSON.len()))
    }

    #[test]
    fn replicas_are_told_by_what_may_differ() {
        for change in [
            ["", ""],
            ["some", "other"],
            ["\"1\"", "\"two\""],
            ["2026", "2027"],
            ["app: web", "app: db"],
            ["\"0\"", "\"1\""],
            ["c377b8ca", "d"],
            ["node-1", "node-22"],
            ["priority: 0", "priority: high"],
            ["172.20.0.14", "172.20.0.2"],
            ["10.128.4.55", "10.128.4.6"],
            ["podIP: 10.128.4.55", "podIP: 10.128.4.6"],
            ["fd00::1", "fd00::2:1"],
        ] {
            let [replica, alone] = in_yaml(change);
            assert!(replica.is_some(), "{change:?}");
            assert_eq!(replica, alone, "{change:?}");
        }
        for change in [["", ""], ["c377b8ca", "d"], ["10\n", "5\n"]] {
            let [replica, alone] = in_json(change);
            assert!(replica.is_some(), "{change:?}");
            assert_eq!(replica, alone, "{change:?}");
        }
    }

    #[test]
    fn what_else_differs_is_read_by_itself() {
        for change in [
            ["name: web-1", "name: web-0"],
            ["name: web-1", "name: Web"],
            ["namespace: shop", "namespace: bank"],
            ["kind: Pod", "kind: Job"],
            ["some", "1"],
            ["app: web", "app: -web"],
            ["image: web", "image: db"],
            ["name: main", "name: side"],
            ["containerPort: 80", "containerPort: 81"],
            ["node-1", "true"],
            ["Running", "Failed"],
            ["172.20.0.14", "172.20.0.256"],
            ["fd00::1", "fd00::1%1"],
            ["    priority: 0\n", ""],
            ["priority: 0", "priority: 0 "],
            ["priority: 0", "priority:"],
        ] {
            assert_eq!(in_yaml(change)[0], None, "{change:?}");
        }
        for change in
            [["10\n", "10,\n"], ["10\n", "010\n"], ["10\n", "\"10\"\n"], ["Running", "Failed"]]
        {
            assert_eq!(in_json(change)[0], None, "{change:?}");
        }
    }
}
