//! Objects that were read already, for a text in which most of them stand again.
//!
//! Two dumps of one cluster are nearly the same text. An object that stands in the second one byte by byte as in
//! the first says the same there: to compare the bytes takes a fraction of reading them.

use super::load::Loaded;
use super::resource::{Digest, LabelSelector, PeerSelects, Resource};
use crate::diagnostic::{Bytes, SourceId, Span};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;
use std::hash::Hasher;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Objects by their text.
#[derive(Default)]
pub struct Known {
    texts: Vec<Bytes>,
    /// Mostly in the order of texts, and of their places there: that is where they are looked for first.
    objects: Vec<Object>,
    /// Objects by how their text begins. It is made once it is not enough to look where they stood: what is found
    /// depends on that, but not what is read.
    by_head: OnceLock<FxHashMap<u64, Places>>,
}

struct Object {
    /// The text that it stands in.
    text: usize,
    span: Span,
    /// In which column it stands, from 0: of what is indented otherwise the same bytes say something else.
    column: usize,
    resource: Resource,
}

/// Objects by their places, mostly one.
type Places = SmallVec<[u32; 1]>;

/// How many bytes of a text it is looked up by.
const HEAD: usize = 256;
/// How many objects are compared with a text at most: of those that begin alike, and of those that are next.
const MOST_TRIED: usize = 8;
/// After how many texts in a row that do not stand where they stood they are looked for everywhere.
const PATIENCE: usize = 3;

/// Where a reader is among the objects, which mostly stand in the same order.
#[derive(Default)]
pub(super) struct Course {
    next: Option<usize>,
    /// How many texts in a row were not found.
    missed: usize,
}

impl Course {
    /// Of a text by itself, which may stand anywhere.
    pub(super) fn anywhere() -> Self {
        Self { next: None, missed: PATIENCE }
    }
}

impl Known {
    /// Remembers what was read, of objects that were read from their own bytes alone.
    pub fn add(&mut self, loaded: &Loaded) {
        let first = self.texts.len();
        let ids: Vec<SourceId> = loaded.sources.ids().collect();
        let sources = ids.iter().filter_map(|id| loaded.sources.source(*id));
        self.texts.extend(sources.map(|source| Arc::clone(source.shared())));
        let texts = &self.texts;
        let object = |resource: &Resource| {
            let Digest::Of(span) = resource.meta().digest else { return None };
            let text = first + ids.binary_search(&span.source).ok()?;
            if !is_movable(resource) {
                return None;
            }
            let column = column((**texts.get(text)?).as_ref(), span.start as usize);
            Some(Object { text, span, column, resource: resource.clone() })
        };
        self.objects.par_extend(loaded.resources.par_iter().filter_map(object));
        self.by_head = OnceLock::new();
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The object whose text begins at `at` of a source, as it stands there, with where it ends.
    pub(super) fn find(
        &self,
        source: SourceId,
        text: &[u8],
        at: usize,
        course: &mut Course,
    ) -> Option<(Resource, usize)> {
        if self.is_empty() {
            return None;
        }
        let rest = text.get(at..)?;
        let column = column(text, at);
        let is_it = |place: &usize| {
            let object = self.objects.get(*place).filter(|own| own.column == column);
            let own = object.and_then(|own| text_of(&self.texts, own.text, own.span));
            own.is_some_and(|own| rest.starts_with(own))
        };
        // What was not found is new, or another version of what stands there.
        let ahead = match course.next {
            Some(next) => next..next + (course.missed + 2).min(MOST_TRIED),
            None => self.around(source, at),
        };
        let mut found = ahead.into_iter().find(is_it);
        if found.is_none() && (course.missed >= PATIENCE || self.by_head.get().is_some()) {
            let alike = head(rest).and_then(|head| self.by_head().get(&head));
            let alike = alike.into_iter().flatten().rev().take(MOST_TRIED);
            found = alike.map(|place| *place as usize).find(is_it);
        }
        let Some(found) = found else {
            course.missed += 1;
            return None;
        };
        *course = Course { next: Some(found + 1), missed: 0 };
        let Object { span, resource, .. } = self.objects.get(found)?;
        let mut resource = resource.clone();
        let by = i64::try_from(at).ok()? - i64::from(span.start);
        let is_moved = every_span(&mut resource, &mut |span| {
            let place = |old: u32| u32::try_from(i64::from(old) + by).ok();
            let (start, end) = place(span.start).zip(place(span.end))?;
            *span = Span::new(source, start, end);
            Some(())
        });
        is_moved?;
        Some((resource, at + (span.end - span.start) as usize))
    }

    /// The objects around a place, if this source and what stands before the place were the same. That is a guess: what
    /// is found is compared.
    fn around(&self, source: SourceId, at: usize) -> Range<usize> {
        let before = |own: &Object| (own.text, own.span.start as usize) < (source.index(), at);
        let next = self.objects.partition_point(before);
        next.saturating_sub(MOST_TRIED / 2)..next + MOST_TRIED / 2
    }

    fn by_head(&self) -> &FxHashMap<u64, Places> {
        self.by_head.get_or_init(|| {
            // Not in parallel: who waits for it must not be given another part of it to do.
            let mut by_head: FxHashMap<u64, Places> = FxHashMap::default();
            by_head.reserve(self.objects.len());
            for (place, own) in (0..).zip(&self.objects) {
                if let Some(head) = text_of(&self.texts, own.text, own.span).and_then(head) {
                    by_head.entry(head).or_default().push(place);
                }
            }
            by_head
        })
    }
}

fn text_of(texts: &[Bytes], text: usize, span: Span) -> Option<&[u8]> {
    (**texts.get(text)?).as_ref().get(span.start as usize..span.end as usize)
}

/// How many bytes stand before a place on its line.
fn column(text: &[u8], at: usize) -> usize {
    at - memchr::memrchr(b'\n', &text[..at]).map_or(0, |end| end + 1)
}

fn head(text: &[u8]) -> Option<u64> {
    let mut hasher = FxHasher::default();
    hasher.write(text.get(..HEAD)?);
    Some(hasher.finish())
}

/// Whether an object is of a kind that dumps are full of.
fn is_movable(resource: &Resource) -> bool {
    matches!(resource, Resource::Namespace(_) | Resource::Pod(_) | Resource::NetworkPolicy(_))
}

/// Calls `each` with every span of such an object, until it says `None`.
fn every_span(
    resource: &mut Resource,
    each: &mut impl FnMut(&mut Span) -> Option<()>,
) -> Option<()> {
    let meta = resource.meta_mut();
    each(&mut meta.span)?;
    if let Digest::Of(span) = &mut meta.digest {
        each(span)?;
    }
    let Resource::NetworkPolicy(policy) = resource else { return Some(()) };
    selector(&mut policy.pod_selector, each)?;
    if let Some(types) = &mut policy.policy_types {
        each(types)?;
    }
    for rule in policy.ingress.iter_mut().chain(&mut policy.egress) {
        each(&mut rule.span)?;
        for peer in &mut rule.peers {
            each(&mut peer.span)?;
            if let PeerSelects::Pods { namespaces, pods } = &mut peer.selects {
                for own in namespaces.iter_mut().chain(pods) {
                    selector(own, each)?;
                }
            }
        }
        for port in &mut rule.ports {
            each(&mut port.span)?;
        }
    }
    Some(())
}

fn selector(own: &mut LabelSelector, each: &mut impl FnMut(&mut Span) -> Option<()>) -> Option<()> {
    each(&mut own.span)?;
    own.requirements.iter_mut().try_for_each(|requirement| each(&mut requirement.span))
}
