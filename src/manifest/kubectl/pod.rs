//! Pods, as far as they matter to the network.

use super::super::resource::{AddressList, ContainerPort, PodResource, PodShape};
use super::super::validate::{self, NameRule};
use super::cursor::{Cursor, Frame, Read, Unusual};
use super::meta::{self, Memory, Metadata};
use super::replica::Role;
use crate::diagnostic::SourceId;
use crate::net::Protocol;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// More containers, or ports of one, than this are for the full reader.
const MANY: usize = 100;

/// What a `spec` says.
#[derive(Default)]
struct Spec<'t> {
    names: Vec<&'t str>,
    ports: Vec<ContainerPort>,
    host_network: bool,
    /// A container port is given to the host as another number, which only a pod on its own network
    /// may do.
    moved_port: bool,
    node: Option<Arc<str>>,
    passed_over: bool,
}

/// Reads a pod, from behind its `apiVersion` and `kind`.
pub(super) fn read<'t, C: Cursor<'t>>(
    cursor: &mut C,
    frame: &mut Frame<'t>,
    memory: &mut Memory<'t>,
    source: SourceId,
) -> Read<PodResource> {
    let (mut metadata, mut spec) = (None, None);
    let mut status = Status::default();
    while let Some(key) = cursor.next_field(frame)? {
        match key.text {
            b"metadata" => {
                metadata = Some(meta::read(cursor, memory, source, NameRule::Subdomain)?);
            }
            b"spec" => spec = Some(self::spec(cursor, memory)?),
            b"status" => status = self::status(cursor, memory)?,
            _ => return Err(Unusual),
        }
    }
    let metadata: Metadata = metadata.ok_or(Unusual)?;
    let mut spec = spec.filter(|spec| !spec.names.is_empty()).ok_or(Unusual)?;
    metadata.allows(spec.passed_over || status.passed_over)?;
    let meta = metadata.meta;
    // What runs on its node's network for the system may tell which CNI there is.
    let system = metadata.of_daemon_set || meta.namespace.as_deref() == Some("kube-system");
    if spec.host_network && (system || spec.moved_port) {
        return Err(Unusual);
    }
    spec.ports.sort();
    let shape = PodShape {
        labels: meta.labels.clone(),
        host_network: spec.host_network,
        ports: memory.ports(&spec.ports),
    };
    Ok(PodResource {
        meta,
        shape,
        node: spec.node,
        finished: status.finished,
        addresses: status.addresses,
        host_addresses: status.host_addresses,
        stand_in: false,
    })
}

fn spec<'t, C: Cursor<'t>>(cursor: &mut C, memory: &mut Memory<'t>) -> Read<Spec<'t>> {
    let mut spec = Spec::default();
    let mut frame = cursor.open_mapping()?;
    let mut contained = false;
    while let Some(key) = cursor.next_field(&mut frame)? {
        match key.text {
            b"containers" => {
                containers(cursor, memory, &mut spec, false)?;
                contained = !spec.names.is_empty();
            }
            b"hostAliases" => return Err(Unusual),
            b"hostNetwork" => spec.host_network = cursor.scalar()?.boolean()?,
            b"initContainers" => containers(cursor, memory, &mut spec, true)?,
            b"nodeName" => {
                let name = memory.scalar(cursor, Role::Node)?.filled()?;
                spec.node = Some(node(name, memory)?);
            }
            b"restartPolicy" => {
                if !matches!(cursor.scalar()?.text, b"Always" | b"OnFailure" | b"Never") {
                    return Err(Unusual);
                }
            }
            _ => {
                memory.pass_over(cursor)?;
                spec.passed_over = true;
            }
        }
    }
    if contained { Ok(spec) } else { Err(Unusual) }
}

/// The name of a node.
pub(super) fn node<'t>(name: &'t str, memory: &mut Memory<'t>) -> Read<Arc<str>> {
    if validate::is_dns_subdomain(name) { Ok(memory.word(name)) } else { Err(Unusual) }
}

fn containers<'t, C: Cursor<'t>>(
    cursor: &mut C,
    memory: &mut Memory<'t>,
    spec: &mut Spec<'t>,
    sidecar: bool,
) -> Read<()> {
    let mut list = cursor.open_sequence()?;
    while cursor.next_item(&mut list)? {
        let mut frame = cursor.open_mapping()?;
        let (mut name, mut image, mut always) = (None, false, false);
        let before = spec.ports.len();
        while let Some(key) = cursor.next_field(&mut frame)? {
            match key.text {
                b"image" => {
                    let text = cursor.scalar()?.filled()?;
                    image = text.trim() == text;
                }
                b"name" => name = Some(cursor.scalar()?.filled()?),
                b"ports" => ports(cursor, memory, spec, sidecar)?,
                b"restartPolicy" => always = cursor.scalar()?.string()? == "Always",
                _ => {
                    memory.pass_over(cursor)?;
                    spec.passed_over = true;
                }
            }
        }
        let name = name.filter(|name| image && validate::is_dns_label(name)).ok_or(Unusual)?;
        // Nobody has as many as make a list of names slow.
        if spec.names.len() >= MANY || spec.names.contains(&name) {
            return Err(Unusual);
        }
        spec.names.push(name);
        // An init container that ends serves nobody.
        if sidecar && !always {
            spec.ports.truncate(before);
        }
    }
    Ok(())
}

fn ports<'t, C: Cursor<'t>>(
    cursor: &mut C,
    memory: &mut Memory<'t>,
    spec: &mut Spec<'t>,
    sidecar: bool,
) -> Read<()> {
    let before = spec.ports.len();
    let mut list = cursor.open_sequence()?;
    while cursor.next_item(&mut list)? {
        let mut frame = cursor.open_mapping()?;
        let (mut name, mut number, mut host) = (None, None, None);
        let mut protocol = Protocol::Tcp;
        while let Some(key) = cursor.next_field(&mut frame)? {
            let word = cursor.scalar()?;
            match key.text {
                b"containerPort" => number = Some(word.port()?),
                b"hostPort" => host = Some(word.port()?),
                b"name" => name = Some(word.filled()?),
                b"protocol" => {
                    protocol = Protocol::from_api(word.string()?).ok_or(Unusual)?;
                }
                _ => return Err(Unusual),
            }
        }
        let number = number.ok_or(Unusual)?;
        spec.moved_port |= host.is_some_and(|host| host != number);
        if let Some(name) = name {
            let own = &spec.ports[before..];
            let twice = own.iter().any(|port| port.name.as_deref() == Some(name));
            if twice || own.len() >= MANY || !validate::is_port_name(name) {
                return Err(Unusual);
            }
        }
        let name = name.map(|name| memory.word(name));
        spec.ports.push(ContainerPort { name, protocol, number, sidecar });
    }
    Ok(())
}

#[derive(Default)]
struct Status {
    finished: bool,
    addresses: AddressList,
    host_addresses: AddressList,
    passed_over: bool,
}

fn status<'t, C: Cursor<'t>>(cursor: &mut C, memory: &mut Memory<'t>) -> Read<Status> {
    let mut status = Status::default();
    let (mut pod, mut host) = (None, None);
    let mut frame = cursor.open_mapping()?;
    while let Some(key) = cursor.next_field(&mut frame)? {
        match key.text {
            b"hostIP" => {
                host = Some(address(memory.scalar(cursor, Role::HostIp(None))?.filled()?)?);
            }
            b"hostIPs" => status.host_addresses = addresses(cursor, memory, Role::HostIp)?,
            b"phase" => {
                status.finished = matches!(cursor.scalar()?.string()?, "Succeeded" | "Failed");
            }
            b"podIP" => {
                pod = Some(address(memory.scalar(cursor, Role::PodIp(None))?.filled()?)?);
            }
            b"podIPs" => status.addresses = addresses(cursor, memory, Role::PodIp)?,
            _ => {
                memory.pass_over(cursor)?;
                status.passed_over = true;
            }
        }
    }
    if status.addresses.is_empty() {
        status.addresses.extend(pod);
    }
    if status.host_addresses.is_empty() {
        status.host_addresses.extend(host);
    }
    Ok(status)
}

fn addresses<'t, C: Cursor<'t>>(
    cursor: &mut C,
    memory: &mut Memory<'t>,
    role: impl Fn(Option<usize>) -> Role,
) -> Read<AddressList> {
    let mut found = AddressList::new();
    let mut list = cursor.open_sequence()?;
    while cursor.next_item(&mut list)? {
        let mut frame = cursor.open_mapping()?;
        match cursor.next_field(&mut frame)? {
            Some(key) if key.text == b"ip" => {
                let word = memory.scalar(cursor, role(Some(found.len())))?;
                found.push(address(word.filled()?)?);
            }
            _ => return Err(Unusual),
        }
        if cursor.next_field(&mut frame)?.is_some() {
            return Err(Unusual);
        }
    }
    Ok(found)
}

/// An address as the API server takes it.
pub(super) fn address(text: &str) -> Read<IpAddr> {
    match text.parse::<Ipv4Addr>() {
        Ok(address) => Ok(address.into()),
        Err(_) => validate::address(text).ok_or(Unusual),
    }
}
