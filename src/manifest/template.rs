//! Helm templates that nobody rendered.

use super::item::{Reason, SetAside};
use crate::diagnostic::{Code, Diagnostic, Span};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file that is a template.
pub(super) struct TemplateFile<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    /// Its first `{{`.
    pub(super) span: Span,
}

/// Where a text that is not YAML is a Go template: an action that stands where YAML has a key or a
/// value. One inside of quotes or of a longer value is YAML, and no reason why it cannot be read.
pub(super) fn first_action(path: &Path, text: &str) -> Option<usize> {
    let first = text.find("{{")?;
    if !text[first..].contains("}}") {
        return None;
    }
    let in_templates = path.components().any(|part| part.as_os_str() == "templates");
    if in_templates && chart_of(path).is_some() {
        return Some(first);
    }
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_start();
        let found = if bare.starts_with("{{") {
            line.find("{{")
        } else {
            let forms = [": {{", "- {{", "{{-"];
            forms.iter().find_map(|form| Some(line.find(form)? + form.find('{')?))
        };
        if let Some(at) = found.filter(|_| !bare.starts_with('#')) {
            return Some(start + at);
        }
        start += line.len();
    }
    None
}

/// One message for each chart, however many templates it has, and an entry for each file.
pub(super) fn report(
    files: &[TemplateFile<'_>],
    set_aside: &mut Vec<SetAside>,
    out: &mut Vec<Diagnostic>,
) {
    let mut charts: BTreeMap<Option<PathBuf>, Vec<&TemplateFile<'_>>> = BTreeMap::new();
    for file in files {
        charts.entry(chart_of(file.path)).or_default().push(file);
        // A template without a policy in it cannot hide one.
        let reason =
            if may_hold_policy(file.text) { Reason::Unreadable } else { Reason::InvalidObject };
        set_aside.push(SetAside {
            reason,
            what: "an unrendered Helm template".into(),
            group: None,
            kind: None,
            namespace: None,
            span: file.span,
        });
    }
    for (chart, files) in charts {
        let Some(first) = files.first() else { continue };
        let with_policies: Vec<String> = files
            .iter()
            .filter(|file| may_hold_policy(file.text))
            .map(|file| format!("`{}`", file.path.display()))
            .collect();
        let count = files.len();
        let message = match (&chart, count) {
            (Some(chart), 1) => {
                format!("a template of the Helm chart `{}` is not rendered", chart.display())
            }
            (Some(chart), _) => {
                format!(
                    "{count} templates of the Helm chart `{}` are not rendered",
                    chart.display()
                )
            }
            (None, 1) => "a Helm template that is not rendered".to_owned(),
            (None, _) => format!("{count} Helm templates that are not rendered"),
        };
        let label = if count == 1 { "here" } else { "the first is here" };
        let mut fault = Diagnostic::new(Code::UnrenderedTemplate, message).at(first.span, label);
        if !with_policies.is_empty() {
            let shown = with_policies.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            let more = with_policies.len().saturating_sub(5);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            fault = fault.note(format!("policies stand in {shown}{more}"));
        }
        let what = chart.map_or_else(|| "CHART".into(), |chart| chart.display().to_string());
        out.push(fault.help(format!(
            "render it: `--helm {what}`, in `diff` `--render`; or elsewhere: `helm template {what} | kubereach … -f -`"
        )));
    }
}

/// The folder that holds the chart's `Chart.yaml`.
fn chart_of(path: &Path) -> Option<PathBuf> {
    path.ancestors()
        .skip(1)
        .find(|folder| folder.join("Chart.yaml").is_file())
        .map(Path::to_path_buf)
}

/// Whether a text that cannot be read may hold a policy: unless every kind that it states is known
/// to be something else.
pub(super) fn may_hold_policy(text: &str) -> bool {
    let mut kinds = 0;
    let mut rest = text;
    while let Some(at) = rest.find("kind") {
        rest = &rest[at + 4..];
        let after = rest.trim_start_matches(['"', '\'']).trim_start();
        let Some(value) = after.strip_prefix(':') else { continue };
        let value = value.trim_start_matches([' ', '\t', '"', '\'']);
        let end = value.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(value.len());
        let word = &value[..end];
        if word.is_empty() || word.ends_with("List") || word.to_ascii_lowercase().contains("polic")
        {
            return true;
        }
        kinds += 1;
    }
    let lower = text.to_ascii_lowercase();
    kinds == 0 || lower.contains("networkpolic") || lower.contains("egressfirewall")
}
