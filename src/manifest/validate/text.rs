//! Forms of names and labels (`k8s.io/apimachinery/pkg/util/validation`).

const LABEL_FORM: &str = "must consist of lower case alphanumeric characters or `-`, and start and end with an alphanumeric character";
const SUBDOMAIN_FORM: &str = "must consist of lower case alphanumeric characters, `-` or `.`, and start and end with an alphanumeric character";
const QUALIFIED_FORM: &str = "must consist of alphanumeric characters, `-`, `_` or `.`, and start and end with an alphanumeric character";

fn ends_alphanumeric(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}

/// `IsDNS1123Label`: what is wrong, if anything.
pub(super) fn dns_label(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > 63 {
        faults.push("must be no more than 63 characters".into());
    }
    let form = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !form || !ends_alphanumeric(text) {
        faults.push(LABEL_FORM.into());
    }
    faults
}

/// `IsDNS1123Subdomain`
pub(super) fn dns_subdomain(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > 253 {
        faults.push("must be no more than 253 characters".into());
    }
    let label = |part: &str| {
        part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && ends_alphanumeric(part)
    };
    if !text.split('.').all(label) {
        faults.push(SUBDOMAIN_FORM.into());
    }
    faults
}

/// `IsQualifiedName`: a label's key.
pub(super) fn qualified_name(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut parts = text.split('/');
    let name = match (parts.next().unwrap_or_default(), parts.next(), parts.next()) {
        (name, None, _) => name,
        (prefix, Some(name), None) => {
            if prefix.is_empty() {
                faults.push("the part before `/` must not be empty".into());
            } else {
                let prefix = dns_subdomain(prefix).into_iter();
                faults.extend(prefix.map(|fault| format!("the part before `/` {fault}")));
            }
            name
        }
        _ => {
            return vec![format!(
                "a label key {QUALIFIED_FORM}, with an optional prefix and one `/`"
            )];
        }
    };
    if name.is_empty() {
        faults.push("the name part must not be empty".into());
    } else if name.len() > 63 {
        faults.push("the name part must be no more than 63 bytes".into());
    }
    if !is_label_text(name) {
        faults.push(format!("the name part {QUALIFIED_FORM}"));
    }
    faults
}

/// `IsValidLabelValue`
pub(super) fn label_value(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > 63 {
        faults.push("must be no more than 63 bytes".into());
    }
    if !text.is_empty() && !is_label_text(text) {
        faults.push(format!("a label value must be empty or {}", &QUALIFIED_FORM["must ".len()..]));
    }
    faults
}

fn is_label_text(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && ends_alphanumeric(text)
}

/// `IsValidPortName`
pub(super) fn port_name(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > 15 {
        faults.push("must be no more than 15 characters".into());
    }
    if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        || text.is_empty()
    {
        faults.push("must contain only lower case letters, digits and hyphens".into());
    }
    if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        faults.push("must contain at least one letter (a-z)".into());
    }
    if text.contains("--") {
        faults.push("must not contain consecutive hyphens".into());
    }
    if text.starts_with('-') || text.ends_with('-') {
        faults.push("must not begin or end with a hyphen".into());
    }
    faults
}
