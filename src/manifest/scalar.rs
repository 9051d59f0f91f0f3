//! Plain scalars as the API server's YAML library reads them.
//!
//! kubectl and the API server use sigs.k8s.io/yaml, which is go-yaml v2 followed by a conversion
//! to JSON. The rules are those of go-yaml's `resolve.go`; they differ from YAML 1.2 (and from
//! every Rust crate) in `yes`, `on`, `0644`, `8_0`, `<<` and dates.

use super::node::Value;
use std::sync::Arc;

/// The meaning of a plain scalar without a tag.
pub(crate) fn resolve(text: &str) -> Value {
    let Some(&first) = text.as_bytes().first() else {
        return Value::Null;
    };
    match first {
        b'0'..=b'9' | b'+' | b'-' | b'.' => number(text).or_else(|| special(text)),
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => special(text),
        _ => None,
    }
    .unwrap_or_else(|| Value::String(text.into()))
}

/// Whether a plain scalar without a tag is a string.
pub(crate) fn is_string(text: &str) -> bool {
    let Some(&first) = text.as_bytes().first() else {
        return false;
    };
    if first.is_ascii_alphabetic() {
        // `false` is the longest word that means something else.
        return text.len() > 5 || special(text).is_none();
    }
    if !first.is_ascii_digit() {
        return matches!(resolve(text), Value::String(_));
    }
    // What no number has decides most: it need not be read as one.
    let (mut before, mut point) = (first, false);
    for byte in text.bytes().skip(1) {
        let in_number = match byte {
            // Of an exponent; `_` counts for nothing.
            b'+' | b'-' => matches!(before, b'e' | b'E' | b'_'),
            b'.' => !std::mem::replace(&mut point, true),
            b'0'..=b'9' | b'e' | b'E' | b'_' => true,
            // Of another base than ten.
            b'x' | b'X' | b'o' | b'O' => first == b'0',
            _ => first == b'0' && byte.is_ascii_hexdigit(),
        };
        if !in_number {
            return true;
        }
        before = byte;
    }
    matches!(resolve(text), Value::String(_))
}

fn special(text: &str) -> Option<Value> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Value::Null,
        ".nan" | ".NaN" | ".NAN" => Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Value::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

/// go-yaml's order: strip `_`, try an integer in Go's base 0, then a float of YAML's form.
fn number(text: &str) -> Option<Value> {
    let plain: String = text.chars().filter(|&c| c != '_').collect();
    if let Some(value) = go_integer(&plain) {
        return Some(value);
    }
    if is_yaml_float(&plain)
        && let Ok(value) = plain.parse::<f64>()
        && value.is_finite()
    {
        return Some(Value::Float(value));
    }
    None
}

/// Go's `strconv.ParseInt(s, 0, 64)`, then `ParseUint`: `0x`, `0o`, `0b` and a leading zero (octal).
fn go_integer(text: &str) -> Option<Value> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, &*lower)
    };
    if digits.is_empty() || !digits.bytes().all(|b| char::from(b).is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        0i64.checked_sub_unsigned(magnitude).map(Value::Int)
    } else {
        Some(i64::try_from(magnitude).map_or(Value::UInt(magnitude), Value::Int))
    }
}

/// go-yaml's `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`.
fn is_yaml_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_ok = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['-', '+']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    mantissa_ok && exponent_ok
}

/// A mapping's key as sigs.k8s.io/yaml turns it into a JSON string; `None` where it refuses.
pub(crate) fn key_text(value: &Value) -> Option<Arc<str>> {
    Some(match value {
        Value::String(text) => Arc::clone(text),
        Value::Bool(value) => if *value { "true" } else { "false" }.into(),
        Value::Int(value) => value.to_string().into(),
        // The conversion formats with 32 bits of precision.
        #[expect(clippy::cast_possible_truncation, reason = "what the conversion does, too")]
        Value::Float(value) => go_format_float32(*value as f32).into(),
        Value::Null | Value::UInt(_) | Value::Sequence(_) | Value::Mapping(_) => return None,
    })
}

/// Go's `strconv.FormatFloat(v, 'g', -1, 32)`: an exponent below 1e-4 and from 1e21 on.
fn go_format_float32(value: f32) -> String {
    if value.is_nan() {
        return ".nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.into();
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e21).contains(&magnitude) {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    format!("{value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_go_yaml_means() {
        for (text, want) in [
            ("", "Null"),
            ("~", "Null"),
            ("yes", "Bool(true)"),
            ("off", "Bool(false)"),
            ("yEs", "String(\"yEs\")"),
            ("80", "Int(80)"),
            ("+80", "Int(80)"),
            ("0120", "Int(80)"),
            ("080", "Float(80.0)"),
            ("0o17", "Int(15)"),
            ("0x50", "Int(80)"),
            ("8_0", "Int(80)"),
            ("1e3", "Float(1000.0)"),
            (".5", "Float(0.5)"),
            ("1.", "Float(1.0)"),
            (".", "String(\".\")"),
            ("-", "String(\"-\")"),
            ("24e196277", "String(\"24e196277\")"),
            ("18446744073709551615", "UInt(18446744073709551615)"),
            ("2001-01-01", "String(\"2001-01-01\")"),
            ("12:30:45", "String(\"12:30:45\")"),
            ("=", "String(\"=\")"),
            ("10.0.0.1", "String(\"10.0.0.1\")"),
            ("Infinity", "String(\"Infinity\")"),
        ] {
            assert_eq!(format!("{:?}", resolve(text)), want, "{text:?}");
        }
    }

    /// What is told at a glance is what reading it tells.
    #[test]
    fn strings_are_told_from_all_else() {
        let letters: Vec<char> = "0179afexoXOE_.+-:yn~g".chars().collect();
        for length in 1..=4_u32 {
            for mut number in 0..letters.len().pow(length) {
                let mut text = String::new();
                for _ in 0..length {
                    text.push(letters[number % letters.len()]);
                    number /= letters.len();
                }
                let read = matches!(resolve(&text), Value::String(_));
                assert_eq!(is_string(&text), read, "{text:?}");
            }
        }
    }

    #[test]
    fn keys_become_the_strings_that_the_conversion_to_json_makes() {
        for (text, want) in
            [("yes", "true"), ("1.10", "1.1"), ("010", "8"), ("1e3", "1000"), ("1e21", "1e+21")]
        {
            assert_eq!(key_text(&resolve(text)).as_deref(), Some(want), "{text:?}");
        }
        assert_eq!(key_text(&resolve("~")), None);
    }
}
