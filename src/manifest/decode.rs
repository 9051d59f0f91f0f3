//! A [`Node`] tree into the API's own types, strictly, with every fault reported.
//!
//! A serde `Deserializer` with the habits of Go's JSON decoding (null leaves the zero value) and
//! the API server's strict field validation (an unknown field is a fault). It recovers from most
//! faults by giving the type a zero value, so that one run reports them all; an object with a fault
//! is never used.

use super::node::{Node, Value};
use super::place::Place;
use crate::diagnostic::{Code, Diagnostic, Span};
use serde::de::{self, DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use std::cell::RefCell;
use std::fmt;

/// Reads an object; `None`, or new errors among the diagnostics, mean that it is not to be used.
pub(crate) fn decode<T: DeserializeOwned>(
    place: Place<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<T> {
    let faults = RefCell::new(Vec::new());
    let result = T::deserialize(Decoder { place, faults: &faults });
    diagnostics.append(&mut faults.into_inner());
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let span = error.span.unwrap_or(place.span);
            diagnostics.push(Diagnostic::new(Code::InvalidType, error.message).at(span, ""));
            None
        }
    }
}

/// A fault that a type's own code reports, and that decoding cannot recover from.
#[derive(Debug)]
struct Fault {
    message: String,
    span: Option<Span>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), span: None }
    }
}

#[derive(Clone, Copy)]
struct Decoder<'a> {
    place: Place<'a>,
    faults: &'a RefCell<Vec<Diagnostic>>,
}

impl<'a> Decoder<'a> {
    fn value(&self) -> &'a Value {
        self.place.node.map_or(&Value::Null, |node| &node.value)
    }

    fn mismatch(&self, expected: &str) {
        self.faults.borrow_mut().push(mismatch(&self.place, expected));
    }

    fn located<T>(self, result: Result<T, Fault>) -> Result<T, Fault> {
        result.map_err(|mut fault| {
            if fault.span.is_none() {
                fault.span = Some(self.place.span);
                fault.message = format!("`{}`: {}", self.place, fault.message);
            }
            fault
        })
    }

    fn integer(&self) -> Option<i64> {
        self.place
            .node
            .map_or(Some(0), |node| if node.is_null() { Some(0) } else { node.as_integer() })
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let value = self.integer().and_then(|value| <$type>::try_from(value).ok());
            if value.is_none() {
                self.mismatch(concat!("a whole number (", stringify!($type), ")"));
            }
            self.located(visitor.$visit(value.unwrap_or(0)))
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Decoder<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let result = match self.value() {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::UInt(value) => visitor.visit_u64(*value),
            Value::Float(value) => match self.integer() {
                Some(whole) => visitor.visit_i64(whole),
                None => visitor.visit_f64(*value),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Sequence(_) => return self.deserialize_seq(visitor),
            Value::Mapping(_) => return self.deserialize_map(visitor),
        };
        self.located(result)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let value = match self.value() {
            Value::Bool(value) => *value,
            Value::Null => false,
            _ => {
                self.mismatch("true or false");
                false
            }
        };
        self.located(visitor.visit_bool(value))
    }

    integers! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    #[expect(clippy::cast_precision_loss, reason = "as Go reads a number into a float")]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let value = match self.value() {
            Value::Null => 0.0,
            Value::Int(value) => *value as f64,
            Value::UInt(value) => *value as f64,
            Value::Float(value) => *value,
            _ => {
                self.mismatch("a number");
                0.0
            }
        };
        self.located(visitor.visit_f64(value))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let text = match self.value() {
            Value::String(text) => text,
            Value::Null => "",
            _ => {
                self.mismatch("a string");
                ""
            }
        };
        self.located(visitor.visit_str(text))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value() {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        // `resource.Quantity` takes a string or a number.
        if name == "Quantity"
            && let Value::Int(_) | Value::UInt(_) | Value::Float(_) = self.value()
        {
            return visitor.visit_newtype_struct(de::value::StrDeserializer::new("0"));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let count = match self.value() {
            Value::Sequence(items) => items.len(),
            Value::Null => 0,
            _ => {
                self.mismatch("a list");
                0
            }
        };
        visitor.visit_seq(Items { decoder: self, next: 0, count })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.fields(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.fields(Some(fields), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let text = match self.value() {
            Value::String(text) => text,
            _ => "",
        };
        self.located(visitor.visit_enum(de::value::StrDeserializer::new(text)))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }
}

impl Decoder<'_> {
    fn fields<'de, V: Visitor<'de>>(
        self,
        known: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if !matches!(self.value(), Value::Mapping(_) | Value::Null) {
            self.mismatch("a mapping");
        }
        visitor.visit_map(Fields { decoder: self, known, next: 0 })
    }
}

struct Items<'a> {
    decoder: Decoder<'a>,
    next: usize,
    count: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        if self.next == self.count {
            return Ok(None);
        }
        let place = self.decoder.place.index(self.next);
        self.next += 1;
        let decoder = Decoder { place, faults: self.decoder.faults };
        decoder.located(seed.deserialize(decoder)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.count - self.next)
    }
}

struct Fields<'a> {
    decoder: Decoder<'a>,
    known: Option<&'static [&'static str]>,
    next: usize,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some(node) = self.decoder.place.node else {
            return Ok(None);
        };
        let Some(entry) = node.entries().get(self.next) else {
            return Ok(None);
        };
        self.next += 1;
        if let Some(known) = self.known
            && !known.contains(&&*entry.key)
        {
            let fault = unknown_field(&self.decoder.place, &entry.key, entry.key_span, known);
            self.decoder.faults.borrow_mut().push(fault);
        }
        seed.deserialize(de::value::StrDeserializer::new(&entry.key)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let key = self.decoder.place.node.and_then(|node| node.entries().get(self.next - 1));
        let place = match key {
            Some(entry) => self.decoder.place.entry(entry),
            None => self.decoder.place,
        };
        let decoder = Decoder { place, faults: self.decoder.faults };
        decoder.located(seed.deserialize(decoder))
    }
}

/// A value of another type than the one that is expected.
pub(super) fn mismatch(place: &Place<'_>, expected: &str) -> Diagnostic {
    let found = place.node.map_or_else(|| "nothing".into(), Node::describe);
    let mut fault =
        Diagnostic::new(Code::InvalidType, format!("`{place}` must be {expected}, found {found}"))
            .at(place.span, format!("expected {expected}"));
    let scalar = place.node.is_some_and(|node| {
        matches!(node.value, Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_))
    });
    if expected == "a string" && scalar {
        fault = fault.help("put it in quotes: unquoted, YAML reads it as something else");
    }
    fault
}

pub(super) fn unknown_field(
    parent: &Place<'_>,
    key: &str,
    span: Span,
    known: &[&str],
) -> Diagnostic {
    let inside = parent.to_string();
    let inside = if inside.is_empty() { "the object".to_owned() } else { format!("`{inside}`") };
    let label = match nearest(key, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("{inside} has no such field"),
    };
    let mut fault = Diagnostic::new(
        Code::UnknownField,
        format!("unknown field `{key}` in {inside}"),
    )
    .at(span, label)
    .note("the API server refuses an unknown field, or drops it where validation is not strict");
    if known.len() <= 12 {
        let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        fault = fault.help(format!("the fields here are {}", names.join(", ")));
    }
    fault
}

/// The known name that a mistyped one is nearest to, if one is near.
pub fn nearest<'n>(
    wrong: &str,
    known: impl IntoIterator<Item = &'n (impl AsRef<str> + ?Sized + 'n)>,
) -> Option<&'n str> {
    let lower = wrong.to_lowercase();
    known
        .into_iter()
        .map(|name| {
            (strsim::damerau_levenshtein(&lower, &name.as_ref().to_lowercase()), name.as_ref())
        })
        .filter(|&(distance, name)| distance <= 1 + name.chars().count() / 5)
        .min()
        .map(|(_, name)| name)
}
