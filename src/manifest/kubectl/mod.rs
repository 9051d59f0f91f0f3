//! What kubectl prints of a cluster, read fast.
//!
//! A dump is large, and nearly all of it is of no use here: environments, volumes, conditions. This
//! reader takes the forms that `kubectl get -o yaml` and `-o json` print, for the kinds that dumps
//! are full of, and passes over the rest of them line by line. Whatever else it meets it hands to
//! the full reader, so that it can be wrong about nothing that it does not read:
//!
//! - only ASCII;
//! - of objects that no server has stored (they have no `uid`), nothing is passed over;
//! - of what is read every key, type and value must be one that the full reader takes without a
//!   word: a finding of any kind is the full reader's to make;
//! - what is passed over is checked for anything that could make its end another one than its
//!   indentation shows: quotes and brackets that stay open, tabs, control characters.
//!
//! A property test holds both readers together (`tests/properties/readers.rs`). They differ in this
//! alone: faults in parts that are passed over (a key that stands twice in a container's `env`, text
//! that is not YAML deep in a `status`) are reported by the full reader only. They change nothing
//! that is asked here, and a server has stored the object without them.
//!
//! ```text
//!   bytes ─▶ chunks ─▶ replica of the last pod? ─▶ Cursor (YAML | JSON) ─▶ pod · policy · namespace ─▶ Resource
//!                                                      └── Unusual ──▶ the full reader: this item, or the whole file
//! ```

mod cursor;
mod json;
mod list;
mod meta;
mod pod;
mod policy;
mod replica;
mod yaml;

pub(super) use list::{Printed, document, list};

use super::resource::{Digest, Resource};
use super::validate::NameRule;
use crate::diagnostic::{SourceId, Span};
use cursor::{Cursor, Read, Unusual};
use meta::Memory;

/// Reads one object of a kind that dumps are full of.
fn object<'t, C: Cursor<'t>>(
    cursor: &mut C,
    memory: &mut Memory<'t>,
    source: SourceId,
) -> Read<Resource> {
    memory.parts.clear();
    let mut frame = cursor.open_mapping()?;
    let start = frame.start;
    let mut head = |key: &[u8]| match cursor.next_field(&mut frame)? {
        Some(found) if found.text == key => cursor.scalar()?.string(),
        _ => Err(Unusual),
    };
    let (version, kind) = (head(b"apiVersion")?, head(b"kind")?);
    let mut resource = match (version, kind) {
        ("v1", "Pod") => Resource::Pod(Box::new(pod::read(cursor, &mut frame, memory, source)?)),
        ("v1", "Namespace") => {
            let (mut found, mut passed_over) = (None, false);
            while let Some(key) = cursor.next_field(&mut frame)? {
                match key.text {
                    b"metadata" => {
                        found = Some(meta::read(cursor, memory, source, NameRule::Label)?);
                    }
                    b"spec" | b"status" => {
                        cursor.skip()?;
                        passed_over = true;
                    }
                    _ => return Err(Unusual),
                }
            }
            let found = found.ok_or(Unusual)?;
            found.allows(passed_over)?;
            let meta = found.meta;
            let own = meta.labels.get("kubernetes.io/metadata.name");
            if own.is_some_and(|value| **value != *meta.name) {
                return Err(Unusual);
            }
            Resource::Namespace(Box::new(meta))
        }
        ("networking.k8s.io/v1", "NetworkPolicy") => {
            Resource::NetworkPolicy(Box::new(policy::read(cursor, &mut frame, memory, source)?))
        }
        _ => return Err(Unusual),
    };
    resource.meta_mut().digest = Digest::Of(span(source, start, cursor.end()));
    Ok(resource)
}

fn span(source: SourceId, start: usize, end: usize) -> Span {
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span::new(source, offset(start), offset(end))
}
