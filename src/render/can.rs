//! `can`, for people.

use super::style::{Look, bold, dim, loud, pad, verdict};
use super::table::count;
use crate::analysis::{Answer, Basis, CanAnswer, Divergence, Group, LeftOut, Reason, World};
use crate::enforcement::Enforcement;
use crate::engine::Decision;
use crate::net::ConnectionSet;
use crate::policy::{EffectId, PolicyKind};
use std::collections::BTreeMap;

/// The answer first, then the reasons, then what was assumed.
pub fn can_text(world: &World, answer: &CanAnswer, look: Look) -> String {
    let mut out = head(answer, look);
    if !world.policies.ignored {
        out.push('\n');
        match answer.groups.as_slice() {
            [group] => {
                out.push_str(&explained(group, 2));
                out.push_str(&lines(world, &line_list(world, group), look, 2));
            }
            groups => {
                for group in groups {
                    out.push_str(&group_head(answer, group, look));
                    out.push_str(&explained(group, 4));
                    out.push_str(&lines(world, &line_list(world, group), look, 4));
                }
            }
        }
    }
    out.push('\n');
    for note in &answer.service_notes {
        out.push_str(&format!("  {note}\n"));
    }
    out.push_str(&remarks(world, answer));
    out
}

/// What else is to be known of an answer: notes, assumptions, what it goes without, the CNI.
pub(super) fn remarks(world: &World, answer: &CanAnswer) -> String {
    let mut out = String::new();
    for note in &answer.notes {
        out.push_str(&format!("  {note}\n"));
    }
    if answer.assumed_address {
        out.push_str("  assumed: pods without a known address have a private one (`--pod-cidr` says which)\n");
    }
    out.push_str(&left_out(world));
    out.push_str(&enforcement_line(world, answer));
    out
}

/// What the user asked to go on without, and what would be otherwise.
pub(super) fn left_out(world: &World) -> String {
    let left = world.left_out();
    let mut out = String::new();
    if !world.edits.is_empty() {
        let text = format!("as if: {}", world.edits.join(", "));
        out.push_str(&format!("  {}\n", loud(&text)));
    }
    if left.broken > 0 {
        let text = format!("left out: {} (`--skip-invalid`)", count(left.broken, "broken object"));
        out.push_str(&format!("  {}\n", loud(&text)));
    }
    if left.unsupported > 0 {
        let what = match left.unsupported {
            1 => "1 policy or kustomization that is not evaluated".to_owned(),
            n => format!("{n} policies or kustomizations that are not evaluated"),
        };
        out.push_str(&format!(
            "  {}\n",
            loud(&format!("left out: {what} (`--ignore-unsupported`)"))
        ));
    }
    out
}

/// What the answer says of the CNI.
fn enforcement_line(world: &World, answer: &CanAnswer) -> String {
    let count = world.declared_policies();
    match &world.cni {
        None if count == 0
            && world.cluster.blind_spots.is_empty()
            && world.left_out() == LeftOut::default() =>
        {
            "  the input has no NetworkPolicy: everything is allowed\n".into()
        }
        None => format!(
            "  {}\n",
            dim(
                "enforcement assumed: as the policies declare; `--cni NAME` says what is installed"
            )
        ),
        Some(cni) if world.policies.ignored => {
            let policies = match count {
                0 => "there are none here".to_owned(),
                1 => "1 policy has no effect on this cluster".to_owned(),
                _ => format!("{count} policies have no effect on this cluster"),
            };
            let text = match answer.groups.as_slice() {
                [Group { divergence: Some(d), .. }] if d.allowed.is_empty() => {
                    format!("the policies deny this, and {cni} does not enforce them: {policies}")
                }
                [Group { divergence: Some(d), .. }] => format!(
                    "the policies allow this on {} alone, and {cni} does not enforce them: {policies}",
                    d.allowed
                ),
                _ => format!("{cni} does not enforce NetworkPolicies: {policies}"),
            };
            format!("  {}\n{}", loud(&text), basis(world))
        }
        Some(cni) if cni.profile.enforcement == Enforcement::Unknown => {
            let text =
                "whether anything enforces policies is not known: what they deny is undetermined";
            format!("  {}\n{}", loud(text), basis(world))
        }
        Some(_) => format!("{}{}", basis(world), inert(world)),
    }
}

/// Which CNI is taken to be there, and what that rests on.
pub(super) fn basis(world: &World) -> String {
    let Some(cni) = &world.cni else { return String::new() };
    let shown = cni.brief();
    let unknown = cni.profile.enforcement == Enforcement::Unknown;
    let by = match world.basis {
        Basis::Asserted | Basis::Assumed if world.policies.ignored => return String::new(),
        Basis::Asserted | Basis::Assumed if unknown => {
            "which enforcer there is, if any, is not known (`--cni unknown`)".to_owned()
        }
        Basis::Asserted | Basis::Assumed => format!("enforced by {shown} (`--cni`)"),
        Basis::Distribution(named) => {
            let note =
                if named.note.is_empty() { String::new() } else { format!(": {}", named.note) };
            let shown = if unknown { "no enforcer that is always the same" } else { &shown };
            format!("{} comes with {shown} (`--distribution`){note}", named.name)
        }
        Basis::Detected if unknown && !world.evidence.is_empty() => {
            let found: Vec<&str> = world.evidence.iter().map(|found| &*found.text).collect();
            let found = found.join(", ");
            format!(
                "this is a cluster with {found}: which enforcer is at work is not known (`--cni NAME`)"
            )
        }
        Basis::Detected if unknown => {
            "this is a cluster, and nothing in it shows which enforcer it has (`--cni NAME`)"
                .to_owned()
        }
        Basis::Detected => {
            let from: Vec<String> = world
                .evidence
                .iter()
                .map(|found| format!("{}  {}", found.text, world.sources.locate(found.span)))
                .collect();
            let verb = if world.policies.ignored { "found" } else { "enforced by" };
            format!("{verb} {shown}, detected from {}", from.join(", "))
        }
    };
    format!("  {}\n", dim(&by))
}

/// Policies that have no effect on the CNI, by reason and kind.
pub(super) fn inert(world: &World) -> String {
    let cni = world.cni.as_ref().map_or("the CNI", |cni| cni.name());
    let mut kinds: BTreeMap<(EffectId, PolicyKind), usize> = BTreeMap::new();
    for &(id, effect) in &world.policies.inert {
        *kinds.entry((effect, world.policies.policy(id).kind)).or_default() += 1;
    }
    let mut out = String::new();
    for ((effect, kind), number) in kinds {
        let have = if number == 1 { "has" } else { "have" };
        let what = match effect {
            EffectId::ApiIgnored => format!("{cni} does not enforce {kind}"),
            effect => format!("{cni} {} ({effect})", effect.words()),
        };
        let text = format!("{what}: {number} of them {have} no effect");
        out.push_str(&format!("  {}\n", loud(&text)));
    }
    out
}

/// The answer's first line.
pub(super) fn head(answer: &CanAnswer, look: Look) -> String {
    let word = answer.answer.word();
    let mut out = format!(
        "{}  {} {} {}",
        pad(&verdict(word), word, 8),
        bold(&answer.source),
        look.arrow(),
        bold(&answer.destination)
    );
    match (&answer.port, answer.groups.as_slice()) {
        (Some(port), groups) => {
            out.push_str(&format!("  {port}"));
            if let [group] = groups
                && answer.answer == Answer::Partly
            {
                let denied = group.asked.difference(&group.allowed).difference(&group.unknown);
                if group.allowed.is_empty() {
                    out.push_str(&format!(
                        ": undetermined on {}, denied on {denied}",
                        shown(&group.unknown)
                    ));
                } else {
                    out.push_str(&format!(": allowed {}", on_ports(group).trim_start()));
                }
            }
        }
        (None, [group]) => out.push_str(&on_ports(group)),
        (None, _) => {}
    }
    if answer.pairs > 1 && answer.groups.len() > 1 {
        out.push_str(&format!("      {}", answer.counts()));
    }
    out.push('\n');
    out
}

/// What is allowed where no port was asked for.
fn on_ports(group: &Group) -> String {
    let everything = group.asked.is_all();
    let mut out = match group.answer {
        Answer::Allowed if group.allowed.is_all() => "  on every port".to_owned(),
        Answer::Allowed if everything && group.unknown.is_empty() => {
            format!("  on {} (nothing else)", group.allowed)
        }
        Answer::Denied if everything => "  on any port".to_owned(),
        Answer::Denied => format!("  on {}", group.asked),
        _ => format!("  on {}", shown(&group.allowed)),
    };
    if !group.unknown.is_empty() {
        out.push_str(&format!("; undetermined on {}", shown(&group.unknown)));
    }
    out
}

fn shown(set: &ConnectionSet) -> String {
    if set.is_all() { "every port".into() } else { set.to_string() }
}

/// The first line of a group of an answer that has several.
pub(super) fn group_head(answer: &CanAnswer, group: &Group, look: Look) -> String {
    let word = group.answer.word();
    let one = |names: &[String], whole: &str| match names {
        [] => whole.to_owned(),
        [one] => one.clone(),
        [a, b] => format!("{a}, {b}"),
        [a, b, rest @ ..] => format!("{a}, {b} and {} more", rest.len()),
    };
    let mut out = format!(
        "  {}  {} {} {}",
        pad(&verdict(word), word, 8),
        one(&group.sources, &answer.source),
        look.arrow(),
        one(&group.destinations, &answer.destination),
    );
    if answer.port.is_none() || group.answer == Answer::Partly {
        out.push_str(&on_ports(group));
    }
    if group.pairs > 1 {
        out.push_str(&format!("  ({} pairs)", group.pairs));
    }
    out.push('\n');
    out
}

/// Which port the reasons are about, where that is not plain.
fn explained(group: &Group, indent: usize) -> String {
    match &group.explained {
        Some(port) => format!("{}{}\n", " ".repeat(indent), dim(&format!("on {port}:"))),
        None => String::new(),
    }
}

/// A line of an answer, in columns.
pub(super) struct Line {
    pub(super) head: String,
    pub(super) verdict: String,
    pub(super) text: String,
    pub(super) span: Option<crate::diagnostic::Span>,
}

fn line_list(world: &World, group: &Group) -> Vec<Line> {
    let mut out = Vec::new();
    for reason in &group.reasons {
        out.extend(reason_lines(reason));
    }
    if let Some(divergence) = &group.divergence {
        out.extend(divergence_lines(world, group, divergence));
    }
    out
}

/// What the policies declare, and what the CNI makes another answer of it.
pub(super) fn divergence_lines(world: &World, group: &Group, divergence: &Divergence) -> Vec<Line> {
    let cni = world.cni.as_ref().map_or("the CNI", |cni| cni.name());
    let mut head = "declared".to_owned();
    let single = group.asked.ranges().next().is_some_and(|(_, a, b)| a == b)
        && group.asked.ranges().count() == 1;
    // Of many ports it is what the policies let through that tells the difference.
    let (mut verdict, mut on) = if single {
        (decision_word(divergence.declared).to_owned(), String::new())
    } else if divergence.allowed.is_empty() && !divergence.unknown.is_empty() {
        let on = format!("on {}; ", shown(&divergence.unknown));
        (decision_word(Decision::Unknown).to_owned(), on)
    } else if divergence.allowed.is_empty() {
        (decision_word(Decision::Denied).to_owned(), String::new())
    } else {
        let on = format!("on {}; ", shown(&divergence.allowed));
        (decision_word(Decision::Allowed).to_owned(), on)
    };
    divergence
        .causes
        .iter()
        .map(|cause| Line {
            head: std::mem::take(&mut head),
            verdict: std::mem::take(&mut verdict),
            text: format!("{}{cni}: {cause}", std::mem::take(&mut on)),
            span: cause.span,
        })
        .collect()
}

pub(super) fn decision_word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allowed => "allowed",
        Decision::Denied => "denied",
        Decision::Unknown => "undetermined",
    }
}

pub(super) fn reason_lines(reason: &Reason) -> Vec<Line> {
    let word = decision_word(reason.decision);
    let head = reason.direction.map(|d| d.to_string()).unwrap_or_default();
    let mut out =
        vec![Line { head, verdict: word.into(), text: reason.text.clone(), span: reason.span }];
    let aside = |verdict: &str, text: &str, span| Line {
        head: String::new(),
        verdict: verdict.into(),
        text: text.to_owned(),
        span,
    };
    out.extend(reason.passed.iter().map(|(text, span)| aside("passed", text, Some(*span))));
    out.extend(reason.nearest.iter().map(|hint| aside("nearest", &hint.text, hint.span)));
    out.extend(reason.reading.map(|text| aside("read as", text, None)));
    out
}

pub(super) fn lines(world: &World, list: &[Line], look: Look, indent: usize) -> String {
    let text_width = list.iter().map(|line| line.text.chars().count()).max().unwrap_or(0);
    let verdict_width = list.iter().map(|line| line.verdict.chars().count()).max().unwrap_or(0);
    let head_width = if list.iter().any(|line| line.head.len() > 7) { 8 } else { 7 };
    // Places line up where there is room for them.
    let room = look.width.saturating_sub(indent + 9 + 9 + 30);
    let text_width = text_width.min(room.max(40));
    let mut out = String::new();
    for line in list {
        let word = match line.verdict.as_str() {
            aside @ ("nearest" | "passed" | "read as" | "hint" | "help") => dim(aside),
            word => verdict(word),
        };
        out.push_str(&" ".repeat(indent));
        out.push_str(&pad(&line.head, &line.head, head_width));
        out.push_str("  ");
        out.push_str(&pad(&word, &line.verdict, verdict_width));
        out.push_str("  ");
        match line.span {
            Some(span) => {
                out.push_str(&pad(&line.text, &line.text, text_width));
                out.push_str("  ");
                out.push_str(&dim(&world.sources.locate(span).to_string()));
            }
            None => out.push_str(&line.text),
        }
        out.push('\n');
    }
    out
}
