//! `cni`, and one question under every CNI.

use super::can::basis;
use super::style::{bold, dim, verdict};
use super::table;
use crate::analysis::{Answer, CanAnswer, World};
use crate::enforcement::{Change, Cni, OpenConnections, page};
use crate::policy::EffectId;

/// Which CNI there is, and what it makes of the policies.
pub fn cni_text(world: &World) -> String {
    let Some(cni) = &world.cni else {
        return "the input does not show which CNI there is: policies are taken to mean what they declare (`--cni NAME`)\n".into();
    };
    let mut out = format!("{}  {}\n{}", bold(&cni.to_string()), cni.profile.about, basis(world));
    let mut open: Vec<String> = Vec::new();
    if cni.version.is_none() && cni.depends_on_version() {
        open.push(format!("the version  --cni {}@VERSION", cni.name()));
    }
    let options = cni
        .profile
        .options
        .iter()
        .filter(|option| cni.option(option.name).is_none())
        .map(|option| format!("{}={}  {}", option.name, option.values.join("|"), option.about));
    open.extend(options);
    if !open.is_empty() {
        out.push_str("\nNot known, and it matters\n");
        for option in open {
            out.push_str(&format!("  {option}\n"));
        }
    }
    let count = world.declared_policies();
    out.push_str(&format!(
        "\nWhat it makes of {}\n",
        if count == 1 { "this policy".to_owned() } else { format!("these {count} policies") }
    ));
    if world.policies.dataplane.unknown_enforcer && world.changes.is_empty() {
        out.push_str("  nobody knows: what they deny may be allowed\n");
    } else if world.changes.is_empty() {
        out.push_str("  they mean what they declare\n");
    } else {
        let rows: Vec<Vec<String>> = world.changes.iter().map(|c| row(world, c)).collect();
        out.push_str(&table::indented(&["EFFECT", "WHERE", "POLICY", "WHAT"], &rows));
    }
    let connections = match cni.profile.open_connections {
        OpenConnections::GoOn => "open connections go on when a policy changes",
        OpenConnections::JudgedAnew => "open connections are judged anew when a policy changes",
        OpenConnections::Unknown => {
            "what becomes of open connections when a policy changes is not known"
        }
    };
    out.push_str(&format!("\n{connections}\n"));
    if !cni.profile.source.is_empty() {
        out.push_str(&dim(&format!(
            "read in {}; `kubereach effects` describes the effects\n",
            cni.profile.source
        )));
    }
    out
}

/// What a CNI makes of a policy, in the columns EFFECT, WHERE, POLICY, WHAT.
pub(super) fn row(world: &World, change: &Change) -> Vec<String> {
    let place = change.span.map(|span| world.sources.locate(span).to_string());
    let policy = change.policy.map(|id| {
        let policy = world.declared.policy(id);
        let namespace = policy.namespace.map(|id| &*world.cluster.namespace(id).name);
        let name = match namespace {
            Some(namespace) => format!("{namespace}/{}", policy.name),
            None => policy.name.to_string(),
        };
        match change.rule.map(|id| world.declared.rule(id)) {
            Some(rule) => format!("{name}, {} rule {}", rule.direction, rule.index + 1),
            None => name,
        }
    });
    let sure = if change.sure { "" } else { "? " };
    vec![
        format!("{sure}{}", change.effect),
        place.unwrap_or_else(|| "-".into()),
        policy.unwrap_or_else(|| "all".into()),
        change.text.clone(),
    ]
}

/// Every divergence, a line each.
pub fn effects_text() -> String {
    let rows: Vec<Vec<String>> = EffectId::ALL
        .iter()
        .map(|effect| vec![effect.name().to_owned(), effect.words().to_owned()])
        .collect();
    let mut out = table::plain(&["EFFECT", "WHAT THE ENFORCER DOES"], &rows);
    out.push_str("\n`kubereach effects NAME` says who, with an example, and what to do\n");
    out
}

/// The page of a divergence.
pub fn effect_text(effect: EffectId) -> String {
    format!("{}\n\n{}\n", bold(effect.name()), page(effect))
}

/// The answers to one question, one a CNI.
pub fn can_all_text(answers: &[(Cni, CanAnswer)]) -> String {
    let Some((_, first)) = answers.first() else { return String::new() };
    let port = first.port.as_deref().unwrap_or("any port");
    let mut out = format!("{} → {}  {port}\n\n", bold(&first.source), bold(&first.destination));
    let rows: Vec<Vec<String>> = answers
        .iter()
        .map(|(cni, answer)| {
            vec![cni.to_string(), answer.answer.word().to_owned(), ports(answer), why(answer)]
        })
        .collect();
    let plain = table::plain(&["CNI", "ANSWER", "PORTS", "WHY"], &rows);
    for (line, answer) in plain.lines().zip([None].into_iter().chain(answers.iter().map(Some))) {
        let word = answer.map_or("", |(_, answer)| answer.answer.word());
        // Colour after the columns are laid out.
        let line = if word.is_empty() {
            line.to_owned()
        } else {
            line.replacen(&format!(" {word} "), &format!(" {} ", verdict(word)), 1)
        };
        out.push_str(&format!("{line}\n"));
    }
    out
}

fn ports(answer: &CanAnswer) -> String {
    match answer.groups.as_slice() {
        _ if answer.answer == Answer::Denied => "-".into(),
        [group] if group.unknown.is_empty() => group.allowed.to_string(),
        [group] if group.allowed.is_empty() => format!("? {}", group.unknown),
        [group] => format!("{} ? {}", group.allowed, group.unknown),
        _ => "differ".into(),
    }
}

/// The habit that makes the difference, else the reason.
fn why(answer: &CanAnswer) -> String {
    let causes: Vec<String> = answer
        .groups
        .iter()
        .filter_map(|group| group.divergence.as_ref())
        .flat_map(|divergence| &divergence.causes)
        .map(ToString::to_string)
        .collect();
    if let Some(first) = causes.first() {
        return first.clone();
    }
    let reasons = answer.groups.iter().flat_map(|group| &group.reasons);
    let mut texts: Vec<&str> = reasons
        .filter(|reason| {
            answer.answer == Answer::Allowed || reason.decision != crate::engine::Decision::Allowed
        })
        .map(|reason| reason.text.as_str())
        .collect();
    texts.dedup();
    texts.join("; ")
}
