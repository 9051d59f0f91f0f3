//! `metadata`, and what is remembered from object to object.

use super::super::kinds::group_of;
use super::super::prune;
use super::super::resource::{ContainerPort, Digest, Labels, Meta, Owner};
use super::super::validate::{self, NameRule};
use super::cursor::{Cursor, Read, Unusual, Word, spaces};
use super::replica::{Part, Role};
use super::span;
use crate::diagnostic::SourceId;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Strings, each kept once.
type Words<'t> = FxHashMap<&'t str, Arc<str>>;

/// A scalar, and whether it is in quotes.
type Scalar<'t> = (&'t [u8], bool);

/// Texts that come again and again, each kept once.
#[derive(Default)]
pub(super) struct Memory<'t> {
    words: Words<'t>,
    /// Keys and values of labels that were found legal.
    label_keys: FxHashMap<Scalar<'t>, Arc<str>>,
    label_values: FxHashMap<Scalar<'t>, Arc<str>>,
    /// By their text: the pods of a workload have the same.
    labels: FxHashMap<&'t [u8], Labels>,
    ports: Option<Arc<[ContainerPort]>>,
    /// What of the object at hand may differ in its replicas.
    pub(super) parts: Vec<Part>,
}

impl<'t> Memory<'t> {
    /// A string that other objects may have, too.
    pub(super) fn word(&mut self, text: &'t str) -> Arc<str> {
        word(&mut self.words, text)
    }

    /// Notes what a value is.
    pub(super) fn note(&mut self, role: Role, start: usize, end: usize) {
        self.parts.push(Part { start, end, role });
    }

    /// Reads a scalar, and notes what it is.
    pub(super) fn scalar<C: Cursor<'t>>(&mut self, cursor: &mut C, role: Role) -> Read<Word<'t>> {
        let word = cursor.scalar()?;
        self.note(role, word.start, word.end);
        Ok(word)
    }

    /// Passes over a value of any kind.
    pub(super) fn pass_over<C: Cursor<'t>>(&mut self, cursor: &mut C) -> Read<()> {
        let start = cursor.position();
        cursor.skip()?;
        self.note(Role::PassedOver, start, cursor.end());
        Ok(())
    }

    /// The key of a label.
    fn label_key(&mut self, word: Word<'t>) -> Read<Arc<str>> {
        legal(&mut self.label_keys, &mut self.words, word, validate::is_qualified_name)
    }

    /// The value of a label.
    fn label_value(&mut self, word: Word<'t>) -> Read<Arc<str>> {
        legal(&mut self.label_values, &mut self.words, word, validate::is_label_value)
    }

    /// The ports of a pod, which the next pod often has, too.
    pub(super) fn ports(&mut self, ports: &[ContainerPort]) -> Arc<[ContainerPort]> {
        match &self.ports {
            Some(known) if **known == *ports => Arc::clone(known),
            _ => Arc::clone(self.ports.insert(ports.into())),
        }
    }
}

/// A string that was seen before, or is from now on.
fn word<'t>(words: &mut Words<'t>, text: &'t str) -> Arc<str> {
    Arc::clone(words.entry(text).or_insert_with(|| text.into()))
}

/// A string that is legal: each is looked at once.
fn legal<'t>(
    known: &mut FxHashMap<Scalar<'t>, Arc<str>>,
    words: &mut Words<'t>,
    scalar: Word<'t>,
    is_legal: fn(&str) -> bool,
) -> Read<Arc<str>> {
    let at = (scalar.text, scalar.quoted);
    if let Some(kept) = known.get(&at) {
        return Ok(Arc::clone(kept));
    }
    let text = scalar.string()?;
    if !is_legal(text) {
        return Err(Unusual);
    }
    let kept = word(words, text);
    known.insert(at, Arc::clone(&kept));
    Ok(kept)
}

/// How many levels inside its object `metadata` lies.
pub(super) const LEVEL: usize = 1;

/// Metadata, and what of it an object's own reader asks for.
pub(super) struct Metadata {
    pub(super) meta: Meta,
    pub(super) of_daemon_set: bool,
    /// A server has checked and stored the object.
    stored: bool,
    passed_over: bool,
}

impl Metadata {
    /// Whether parts of the object may be passed over, or none was: `elsewhere` says so of its other fields.
    pub(super) fn allows(&self, elsewhere: bool) -> Read<()> {
        if self.stored || !self.passed_over && !elsewhere { Ok(()) } else { Err(Unusual) }
    }
}

/// Reads the metadata of an object.
pub(super) fn read<'t, C: Cursor<'t>>(
    cursor: &mut C,
    memory: &mut Memory<'t>,
    source: SourceId,
    rule: NameRule,
) -> Read<Metadata> {
    let mut frame = cursor.open_mapping()?;
    let (mut name, mut namespace) = (None, None);
    let (mut stored, mut passed_over) = (false, false);
    let mut labels = Labels::default();
    let (mut owner, mut of_daemon_set) = (None, false);
    while let Some(key) = cursor.next_field(&mut frame)? {
        match key.text {
            b"annotations" => annotations(cursor, memory)?,
            b"finalizers" => {
                let mut list = cursor.open_sequence()?;
                while cursor.next_item(&mut list)? {
                    if !validate::is_qualified_name(cursor.scalar()?.string()?) {
                        return Err(Unusual);
                    }
                }
            }
            b"generateName" => {
                cursor.scalar()?.string()?;
            }
            b"labels" => {
                let start = cursor.position();
                labels = self::labels(cursor, memory)?;
                memory.note(Role::Labels, start, cursor.end());
            }
            b"name" => name = Some(memory.scalar(cursor, Role::Name)?),
            b"namespace" => {
                let text = cursor.scalar()?.filled()?;
                if !validate::is_dns_label(text) {
                    return Err(Unusual);
                }
                namespace = Some(memory.word(text));
            }
            b"ownerReferences" => {
                (owner, of_daemon_set) = owners(cursor, memory)?;
            }
            b"uid" => {
                memory.scalar(cursor, Role::Text)?.filled()?;
                stored = true;
            }
            other if prune::METADATA.contains(&other) => {
                memory.pass_over(cursor)?;
                passed_over = true;
            }
            _ => return Err(Unusual),
        }
    }
    let name = name.ok_or(Unusual)?;
    let text = name.filled()?;
    let legal = match rule {
        NameRule::Subdomain => validate::is_dns_subdomain(text),
        NameRule::Label => validate::is_dns_label(text),
        NameRule::Any => true,
    };
    // A name with `*` would be one that is yet to be made.
    if !legal {
        return Err(Unusual);
    }
    let meta = Meta {
        namespace,
        name: text.into(),
        labels,
        owner,
        span: span(source, name.start, name.end),
        digest: Digest::Known(0),
    };
    Ok(Metadata { meta, of_daemon_set, stored, passed_over })
}

/// Annotations matter by their keys alone, and their values by being strings.
fn annotations<'t, C: Cursor<'t>>(cursor: &mut C, memory: &mut Memory<'t>) -> Read<()> {
    let mut frame = cursor.open_mapping()?;
    while let Some(key) = cursor.next_field(&mut frame)? {
        let name = key.string()?;
        // Upper case is legal in an annotation's key.
        if !validate::is_qualified_name(name)
            && !validate::is_qualified_name(&name.to_ascii_lowercase())
        {
            return Err(Unusual);
        }
        let before = *cursor;
        cursor.skip_string()?;
        let start = before.position() + spaces(cursor.text(), before.position());
        let role = match cursor.text().get(start) {
            Some(first) if first.is_ascii_alphanumeric() || *first == b'/' => Role::Text,
            _ => Role::PassedOver,
        };
        memory.note(role, start, cursor.end());
    }
    Ok(())
}

/// Labels of an object.
pub(super) fn labels<'t, C: Cursor<'t>>(cursor: &mut C, memory: &mut Memory<'t>) -> Read<Labels> {
    let before = *cursor;
    cursor.skip()?;
    let text = cursor.since(&before);
    if let Some(known) = memory.labels.get(text) {
        return Ok(known.clone());
    }
    *cursor = before;
    let mut pairs = Vec::new();
    let mut frame = cursor.open_mapping()?;
    while let Some(key) = cursor.next_key(&mut frame)? {
        let value = cursor.scalar()?;
        pairs.push((memory.label_key(key)?, memory.label_value(value)?));
    }
    let count = pairs.len();
    let labels = Labels::new(pairs);
    // All of what was passed over is these labels, and each stands once.
    if labels.pairs().len() != count || cursor.since(&before) != text {
        return Err(Unusual);
    }
    memory.labels.insert(text, labels.clone());
    Ok(labels)
}

/// The owner with `controller: true`, and whether a DaemonSet is among the owners.
fn owners<'t, C: Cursor<'t>>(
    cursor: &mut C,
    memory: &mut Memory<'t>,
) -> Read<(Option<Owner>, bool)> {
    let (mut found, mut of_daemon_set) = (None, false);
    let mut list = cursor.open_sequence()?;
    while cursor.next_item(&mut list)? {
        let mut frame = cursor.open_mapping()?;
        let (mut version, mut kind, mut name, mut uid) = (None, None, None, None);
        let mut controller = false;
        while let Some(key) = cursor.next_field(&mut frame)? {
            let word = cursor.scalar()?;
            match key.text {
                b"apiVersion" => version = Some(word.filled()?),
                b"blockOwnerDeletion" => {
                    word.boolean()?;
                }
                b"controller" => controller = word.boolean()?,
                b"kind" => kind = Some(word.filled()?),
                b"name" => name = Some(word.filled()?),
                b"uid" => uid = Some(word.filled()?),
                _ => return Err(Unusual),
            }
        }
        let (Some(version), Some(kind), Some(name), Some(_)) = (version, kind, name, uid) else {
            return Err(Unusual);
        };
        of_daemon_set |= kind == "DaemonSet";
        if controller && found.is_none() {
            found = Some(Owner {
                group: memory.word(group_of(version)),
                kind: memory.word(kind),
                name: memory.word(name),
            });
        }
    }
    Ok((found, of_daemon_set))
}
