//! `explain`, for people: what decides with its lines of YAML, then the account of every policy that was
//! asked.

use super::can::{
    Line, decision_word, divergence_lines, group_head, head, lines, reason_lines, remarks,
};
use super::diagnostics::{Report, renderer};
use super::style::{Look, bold, dim, loud, verdict};
use super::table;
use crate::analysis::{
    Answer, Case, Divergence, Explanation, Group, Hint, PolicyAccount, RuleAccount, ServiceStep,
    Side, World,
};
use crate::diagnostic::Label;
use crate::engine::{Decision, Outcome};
use crate::policy::{Action, Direction, TierName};
use annotate_snippets::{Level, Renderer};

/// Of more kinds of pairs the first ones are shown.
const MOST: usize = 6;

/// The whole explanation.
pub fn explain_text(world: &World, found: &Explanation, look: Look) -> String {
    let renderer = renderer(look);
    let mut out = head(&found.answer, look);
    out.push('\n');
    out.push_str(&service_lines(world, &found.service, look));
    let page = Page { world, found, look, renderer: &renderer };
    out.push_str(&page.hints(&found.hints));
    let several = found.cases.len() > 1;
    for (group, case) in page.shown() {
        if several {
            out.push_str(&group_head(&found.answer, group, look));
            out.push('\n');
        }
        out.push_str(&page.case(group, case));
    }
    out.push_str(&page.not_shown());
    out.push_str(&remarks(world, &found.answer));
    if page.has_hints() {
        let text = "`kubereach explain-code CODE` says more about a code in brackets";
        out.push_str(&format!("  {}\n", dim(text)));
    }
    for (group, case) in page.shown() {
        let text = page.account(group, case);
        if !text.is_empty() {
            out.push('\n');
            if several {
                out.push_str(&group_head(&found.answer, group, look));
            }
            out.push_str(&text);
        }
    }
    out
}

/// The answer, its reasons and what nearly matched, without the lines of YAML.
pub fn explain_brief(world: &World, found: &Explanation, look: Look) -> String {
    let mut out = head(&found.answer, look);
    out.push('\n');
    out.push_str(&service_lines(world, &found.service, look));
    let all: Vec<Line> = found.hints.iter().flat_map(hint_lines).collect();
    if !all.is_empty() {
        out.push_str(&lines(world, &all, look, 2));
        out.push('\n');
    }
    let renderer = renderer(look);
    let page = Page { world, found, look, renderer: &renderer };
    let several = found.cases.len() > 1;
    for (group, case) in page.shown() {
        if several {
            out.push_str(&group_head(&found.answer, group, look));
        }
        let list = page.brief(group, case);
        out.push_str(&lines(world, &list, look, if several { 4 } else { 2 }));
    }
    out.push('\n');
    out.push_str(&page.not_shown());
    out.push_str(&remarks(world, &found.answer));
    out
}

/// The same for a pull request.
pub fn explain_markdown(world: &World, found: &Explanation) -> String {
    let look = Look { ascii: false, width: 110 };
    let renderer = Renderer::plain()
        .decor_style(annotate_snippets::renderer::DecorStyle::Unicode)
        .term_width(look.width);
    let page = Page { world, found, look, renderer: &renderer };
    let plain = |text: &str| anstream::adapter::strip_str(text).to_string();
    let answer = &found.answer;
    let mut out = format!(
        "### {}: `{}` → `{}`{}\n\n",
        answer.answer.word(),
        answer.source,
        answer.destination,
        answer.port.as_ref().map(|port| format!(" on {port}")).unwrap_or_default()
    );
    for step in &found.service {
        out.push_str(&format!("{}\n\n", table::escape(&service_words(step, look))));
    }
    for hint in &found.hints {
        out.push_str(&hint_markdown(world, hint));
    }
    let several = found.cases.len() > 1;
    for (group, case) in page.shown() {
        if several {
            let line = plain(&group_head(answer, group, look));
            out.push_str(&format!("**{}**\n\n", table::escape(line.trim())));
        }
        let list = page.brief(group, case);
        let rows = list
            .iter()
            .filter(|line| !matches!(line.verdict.as_str(), "hint" | "help" | "nearest"));
        out.push_str("| direction | verdict | why | where |\n|---|---|---|---|\n");
        for line in rows {
            let place = line.span.map(|span| code(&world.sources.locate(span).to_string()));
            out.push_str(&format!(
                "| {} | {} | {} | {} |\n",
                line.head,
                line.verdict,
                table::cell(&table::escape(&line.text)),
                table::cell(&place.unwrap_or_default())
            ));
        }
        out.push('\n');
        let hints = case.directions.iter().flat_map(|side| &side.hints).chain(&case.hints);
        for hint in hints {
            out.push_str(&hint_markdown(world, hint));
        }
        let lines = page.case(group, case);
        out.push_str(&format!(
            "<details><summary>The lines</summary>\n\n{}\n</details>\n\n",
            fenced(plain(&lines).trim_end())
        ));
        let account = page.account(group, case);
        if !account.is_empty() {
            out.push_str(&format!(
                "<details><summary>Every policy that was asked</summary>\n\n{}\n</details>\n\n",
                fenced(plain(&account).trim_end())
            ));
        }
    }
    out.push_str(&plain(&page.not_shown()));
    for line in plain(&remarks(world, answer)).lines() {
        out.push_str(&format!("{}  \n", table::escape(line.trim())));
    }
    out
}

/// A block of text that nothing in it ends.
fn fenced(text: &str) -> String {
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}text\n{text}\n{fence}\n")
}

/// Code in a line, whatever it holds.
fn code(text: &str) -> String {
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

fn hint_markdown(world: &World, hint: &Hint) -> String {
    let place =
        hint.span.map(|span| format!(" ({})", code(&world.sources.locate(span).to_string())));
    let help = hint.help.as_ref().map(|help| format!("\n  Help: {}", table::escape(help)));
    format!(
        "- `hint[{}]` {}{}{}\n\n",
        hint.code,
        table::escape(&hint.text),
        place.unwrap_or_default(),
        help.unwrap_or_default()
    )
}

struct Page<'p> {
    world: &'p World,
    found: &'p Explanation,
    look: Look,
    renderer: &'p Renderer,
}

impl<'p> Page<'p> {
    /// What is shown, in order: what stands in the way first.
    fn shown(&self) -> impl Iterator<Item = (&'p Group, &'p Case)> + use<'p> {
        let mut all: Vec<_> = self.found.answer.groups.iter().zip(&self.found.cases).collect();
        all.sort_by_key(|(group, _)| match group.answer {
            Answer::Denied => 0,
            Answer::Partly => 1,
            Answer::Undetermined => 2,
            Answer::Allowed => 3,
        });
        all.into_iter().take(MOST)
    }

    fn has_hints(&self) -> bool {
        let of_case = |(_, case): (_, &Case)| {
            !case.hints.is_empty() || case.directions.iter().any(|side| !side.hints.is_empty())
        };
        !self.found.hints.is_empty() || self.shown().any(of_case)
    }

    fn not_shown(&self) -> String {
        match self.found.cases.len().saturating_sub(MOST) {
            0 => String::new(),
            more => format!(
                "  not shown: {}; ask about one of them, or `-o json`\n",
                if more == 1 {
                    "1 more kind of pairs".to_owned()
                } else {
                    format!("{more} more kinds of pairs")
                }
            ),
        }
    }

    fn case(&self, group: &Group, case: &Case) -> String {
        let mut out = self.hints(&case.hints);
        if let Some([from, to]) = &case.example {
            let line = format!("shown for {from} {} {to}", self.look.arrow());
            out.push_str(&format!("{}\n", dim(&line)));
        }
        let single = |group: &Group| {
            let mut ranges = group.asked.ranges();
            matches!((ranges.next(), ranges.next()), (Some((_, first, last)), None) if first == last)
        };
        let of_many = !single(group);
        if let Some(connection) = case.connection.as_ref().filter(|_| of_many) {
            out.push_str(&format!("{}\n", dim(&format!("shown on {connection}"))));
        }
        match &group.divergence {
            Some(divergence) if case.declared_only => out.push_str(&self.ignored(divergence)),
            Some(divergence) => out.push_str(&self.divergence(group, divergence)),
            None => {}
        }
        for reason in &case.outright {
            let title = match reason.direction {
                Some(direction) => format!("{direction}: {}", reason.text),
                None => reason.text.clone(),
            };
            let label = reason.span.map(|span| Label { span, text: String::new() });
            let level = level(reason.decision, decision_word(reason.decision));
            let labels = label.iter().collect();
            out.push_str(&self.report(level, None, &title, labels, Vec::new(), None));
        }
        // What stands in the way comes first, then what is not plain.
        let mut sides: Vec<&Side> = case.directions.iter().collect();
        sides.sort_by_key(|side| (rank(side.reason.decision), side.hints.is_empty()));
        let whole = self.found.answer.answer == Answer::Allowed;
        for side in sides {
            let full = whole || side.reason.decision != Decision::Allowed || !side.hints.is_empty();
            out.push_str(&self.side(case, side, full));
        }
        out
    }

    fn side(&self, case: &Case, side: &Side, full: bool) -> String {
        let reason = &side.reason;
        let declared = if case.declared_only { "declared " } else { "" };
        let name = format!("{declared}{} {}", side.direction, decision_word(reason.decision));
        let level = level(reason.decision, &name);
        if !full {
            // What does not stand in the way is told in a line.
            let place = reason.span.map(|span| format!("  {}", self.world.sources.locate(span)));
            let place = dim(&place.unwrap_or_default());
            let word = decision_word(reason.decision);
            return format!(
                "{} {}: {}{place}\n\n",
                bold(&format!("{declared}{}", side.direction)),
                verdict(word),
                reason.text
            );
        }
        let first = side.hints.first();
        let mut labels: Vec<&Label> = Vec::new();
        // A rule that denies is what decides; of isolation nothing is, and what is near tells more.
        if reason.code == "denied-by-rule" {
            labels.extend(&side.labels);
        }
        if let Some(hint) = first {
            labels.extend(&hint.labels);
        }
        // One place is not marked twice.
        for label in &side.labels {
            let (start, end) = (label.span.start, label.span.end);
            let inside = |own: &&Label| {
                let span = own.span;
                span.source == label.span.source && span.start <= start && end <= span.end
            };
            if !labels.iter().any(inside) {
                labels.push(label);
            }
        }
        let mut notes: Vec<(Level<'_>, &str)> = Vec::new();
        let passed: Vec<String> =
            reason.passed.iter().map(|(text, _)| format!("{text} passes it on")).collect();
        notes.extend(passed.iter().map(|text| (Level::NOTE, text.as_str())));
        notes.extend(reason.reading.map(|text| (Level::NOTE, text)));
        let hint_name = first.map(|hint| format!("hint[{}]", hint.code));
        if let (Some(hint), Some(name)) = (first, &hint_name) {
            notes.push((Level::NOTE.with_name(name.as_str()), hint.text.as_str()));
        }
        let help = first.and_then(|hint| hint.help.as_deref());
        let mut out = self.report(level, None, &reason.text, labels, notes, help);
        if let [_, rest @ ..] = side.hints.as_slice() {
            out.push_str(&self.hints(rest));
        }
        out
    }

    fn hints(&self, hints: &[Hint]) -> String {
        let mut out = String::new();
        for hint in hints {
            let level = Level::NOTE.with_name("hint");
            let labels = hint.labels.iter().collect();
            let code = Some(hint.code.name());
            out.push_str(&self.report(
                level,
                code,
                &hint.text,
                labels,
                Vec::new(),
                hint.help.as_deref(),
            ));
        }
        out
    }

    /// What the policies declare, where nothing enforces them.
    fn ignored(&self, divergence: &Divergence) -> String {
        let cni = self.world.cni.as_ref().map_or("the CNI", |cni| cni.name());
        let name = format!("declared {}", decision_word(divergence.declared));
        let title = format!("{cni} does not enforce policies; this is what they declare");
        let help = "`kubereach explain-code policies-ignored` says who does this, and what to do";
        let level = Level::WARNING.with_name(name.as_str());
        self.report(level, None, &title, Vec::new(), Vec::new(), Some(help))
    }

    /// What the policies declare, where the enforcer makes another answer of it.
    fn divergence(&self, group: &Group, divergence: &Divergence) -> String {
        let mut out = String::new();
        let told = divergence_lines(self.world, group, divergence);
        let verdict = told.first().map(|line| line.verdict.clone()).unwrap_or_default();
        for (line, cause) in told.iter().zip(&divergence.causes) {
            let name = format!("declared {verdict}");
            let label = line.span.map(|span| Label { span, text: String::new() });
            let level = Level::WARNING.with_name(name.as_str());
            let note = format!(
                "`kubereach explain-code {}` says who does this, and what to do",
                cause.effect
            );
            let labels = label.iter().collect();
            out.push_str(&self.report(level, None, &line.text, labels, Vec::new(), Some(&note)));
        }
        out
    }

    fn report(
        &self,
        level: Level<'_>,
        code: Option<&str>,
        title: &str,
        labels: Vec<&Label>,
        notes: Vec<(Level<'_>, &str)>,
        help: Option<&str>,
    ) -> String {
        let report = Report { level, code, title, labels, notes, help };
        format!("{}\n\n", report.render(&self.world.sources, self.renderer))
    }

    fn brief(&self, group: &Group, case: &Case) -> Vec<Line> {
        let mut out: Vec<Line> = case.outright.iter().flat_map(reason_lines).collect();
        if case.declared_only {
            out.push(Line {
                head: "declared".into(),
                verdict: String::new(),
                text: "nothing enforces policies; this is what they say".into(),
                span: None,
            });
        }
        for side in &case.directions {
            let lines = reason_lines(&side.reason).into_iter();
            out.extend(lines.filter(|line| line.verdict != "nearest"));
            out.extend(side.hints.iter().flat_map(hint_lines));
        }
        out.extend(case.hints.iter().flat_map(hint_lines));
        if let Some(divergence) = group.divergence.as_ref().filter(|_| !case.declared_only) {
            out.extend(divergence_lines(self.world, group, divergence));
        }
        out
    }

    /// Every policy that was asked, and every rule of it.
    fn account(&self, group: &Group, case: &Case) -> String {
        let mut out = String::new();
        for side in &case.directions {
            let word = decision_word(side.reason.decision);
            let declared = if case.declared_only { ", as declared" } else { "" };
            out.push_str(&format!(
                "{} of {}{declared}: {}\n",
                bold(&side.direction.to_string()),
                side.end,
                verdict(word)
            ));
            let mut tier = None;
            for policy in &side.policies {
                if side.has_tiers() && tier != Some(policy.tier) {
                    out.push_str(&format!("  {}\n", dim(tier_words(policy.tier))));
                    tier = Some(policy.tier);
                }
                out.push_str(&self.policy(side.direction, policy, group));
            }
            for (name, effect, span) in &side.set_aside {
                let text = format!("{name} is set aside ({effect})");
                out.push_str(&format!(
                    "  {}  {}\n",
                    loud(&text),
                    dim(&self.world.sources.locate(*span).to_string())
                ));
            }
            if let Some(text) = default_words(side) {
                out.push_str(&format!("  {}\n", dim(&text)));
            }
        }
        out
    }

    fn policy(&self, direction: Direction, policy: &PolicyAccount, group: &Group) -> String {
        let place = |span| dim(&self.world.sources.locate(span).to_string());
        let selects = match policy.outcome {
            Outcome::Matches | Outcome::Fails => "selects",
            Outcome::Unknown(_) => "may select",
        };
        let mut out = format!(
            "  {} {selects} {}  {}\n",
            bold(&policy.name),
            policy.selects,
            place(policy.span)
        );
        if policy.rules.is_empty() {
            out.push_str(&format!("    no {direction} rules\n"));
        }
        let heads: Vec<[String; 2]> = policy
            .rules
            .iter()
            .map(|rule| {
                let name = rule.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
                [format!("rule {}{name}", rule.number), rule_word(rule).to_owned()]
            })
            .collect();
        let mut widths = [0; 2];
        for row in &heads {
            table::widen(&mut widths, row);
        }
        let verb = match direction {
            Direction::Ingress => "from",
            Direction::Egress => "to",
        };
        for ([number, word], rule) in heads.iter().zip(&policy.rules) {
            out.push_str(&format!(
                "    {}  {}  {verb} {} on {}  {}\n",
                table::pad(number, widths[0]),
                table::pad(word, widths[1]),
                rule.about,
                rule.on,
                place(rule.span)
            ));
            let why = rule_why(rule, group);
            if !why.is_empty() {
                let indent = " ".repeat(4 + widths[0] + 2 + widths[1] + 2);
                out.push_str(&format!("{indent}{}\n", dim(&why)));
            }
        }
        out
    }
}

/// What keeps a rule from matching: `web has app=web; not tcp/5432`
fn rule_why(rule: &RuleAccount, group: &Group) -> String {
    if rule.outcome != Outcome::Fails || !rule.asked {
        return String::new();
    }
    let mut why: Vec<String> = Vec::new();
    if rule.peers.iter().all(|peer| peer.outcome == Outcome::Fails) {
        for peer in &rule.peers {
            let text = peer.misses.join(", ");
            if !text.is_empty() && !why.contains(&text) {
                why.push(text);
            }
        }
    }
    if !rule.ports.is_empty() && rule.ports.iter().all(|port| !port.matches) {
        let asked = group.trace.as_ref().map(|t| format!("{}/{}", t.flow.protocol, t.flow.port));
        why.push(format!("not {}", asked.unwrap_or_default()));
    }
    why.join("; ")
}

fn rule_word(rule: &RuleAccount) -> &'static str {
    match (rule.asked, rule.outcome, rule.action) {
        (false, ..) => "not asked",
        (true, Outcome::Fails, _) => "no",
        (true, Outcome::Unknown(_), _) => "perhaps",
        (true, Outcome::Matches, Action::Allow) => "allows",
        (true, Outcome::Matches, Action::Deny) => "denies",
        (true, Outcome::Matches, Action::Pass) => "passes",
    }
}

fn tier_words(tier: TierName) -> &'static str {
    match tier {
        TierName::Admin => "Admin tier: the first rule that matches decides",
        TierName::NetworkPolicy => "NetworkPolicies: any rule that matches allows",
        TierName::Baseline => "Baseline tier: the first rule that matches decides",
        TierName::Firewall => "firewalls of what leaves the pods' network",
    }
}

/// What holds where no rule decides; nothing where an earlier tier has decided.
fn default_words(side: &Side) -> Option<String> {
    if side.policies.is_empty() {
        return Some(side.reason.text.clone());
    }
    // What stands above all policies: the pod's own node, what an enforcer leaves alone.
    let by_policies = ["rule", "denied-by-rule", "isolated", "default", "unknown", "closed"];
    if !by_policies.contains(&side.reason.code) {
        return Some(side.reason.text.clone());
    }
    if side.policies.iter().any(|policy| !policy.asked) {
        return None;
    }
    Some(match side.policies.iter().filter(|policy| policy.isolates).count() {
        0 => "what no rule is about is allowed".to_owned(),
        1 => "what no rule allows is denied: a policy isolates it".to_owned(),
        n => format!("what no rule allows is denied: {n} policies isolate it"),
    })
}

fn rank(decision: Decision) -> u8 {
    match decision {
        Decision::Denied => 0,
        Decision::Unknown => 1,
        Decision::Allowed => 2,
    }
}

fn level(decision: Decision, name: &str) -> Level<'static> {
    let level = match decision {
        Decision::Denied => Level::ERROR,
        Decision::Unknown => Level::WARNING,
        Decision::Allowed => Level::HELP,
    };
    level.with_name(name.to_owned())
}

fn hint_lines(hint: &Hint) -> Vec<Line> {
    let line = |verdict: &str, text: &str, span| Line {
        head: String::new(),
        verdict: verdict.into(),
        text: text.to_owned(),
        span,
    };
    let text = format!("{} ({})", hint.text, hint.code);
    let mut out = vec![line("hint", &text, hint.span)];
    out.extend(hint.help.iter().map(|help| line("help", help, None)));
    out
}

fn service_lines(world: &World, steps: &[ServiceStep], look: Look) -> String {
    let mut out = String::new();
    for step in steps {
        let place = world.sources.locate(step.span).to_string();
        out.push_str(&format!("  {}  {}\n", service_words(step, look), dim(&place)));
    }
    if !steps.is_empty() {
        out.push('\n');
    }
    out
}

/// `shop/svc/api tcp/80 (http) → targetPort 8080 → tcp/8080 on 2 pods`
fn service_words(step: &ServiceStep, look: Look) -> String {
    let arrow = look.arrow();
    let name = step.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let protocol = step.protocol;
    let mut ends: Vec<String> = step
        .pods
        .iter()
        .map(|(number, pods)| {
            let who = match pods.as_slice() {
                [one] => one.clone(),
                many => format!("{} pods", many.len()),
            };
            format!("{protocol}/{number} on {who}")
        })
        .collect();
    if !step.without.is_empty() {
        let who = match step.without.as_slice() {
            [one] => one.clone(),
            many => format!("{} pods", many.len()),
        };
        ends.push(format!("no such port on {who}"));
    }
    if ends.is_empty() {
        ends.push("no pods".into());
    }
    format!(
        "{} {protocol}/{}{name} {arrow} targetPort {} {arrow} {}",
        step.service,
        step.port,
        step.target,
        ends.join(", ")
    )
}
