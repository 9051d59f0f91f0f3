//! `explain` as JSON: that of `can`, and in each group how it comes about.

use super::json::{can_json, hint, place, reason};
use crate::analysis::{Case, Explanation, PolicyAccount, RuleAccount, ServiceStep, Side, World};
use crate::engine::Outcome;
use crate::policy::{Action, TierName};
use serde_json::{Value, json};

/// The JSON Schema (draft 2020-12) of what [`explain_json`] makes.
pub const EXPLAIN_SCHEMA: &str = include_str!("explain.schema.json");

/// An explanation, as [`EXPLAIN_SCHEMA`] describes it.
pub fn explain_json(world: &World, found: &Explanation) -> Value {
    let mut out = can_json(world, &found.answer);
    out["schema"] = json!("kubereach/explain/v1");
    if let Some(groups) = out["groups"].as_array_mut() {
        for (group, case) in groups.iter_mut().zip(&found.cases) {
            add(world, group, case);
        }
    }
    let steps: Vec<Value> = found.service.iter().map(|step| service(world, step)).collect();
    out["service"] = json!(steps);
    out["hints"] = hints(world, &found.hints);
    out
}

fn add(world: &World, group: &mut Value, case: &Case) {
    group["example"] = case
        .example
        .as_ref()
        .map_or(Value::Null, |[from, to]| json!({ "source": from, "destination": to }));
    group["connection"] = json!(case.connection);
    group["declaredOnly"] = json!(case.declared_only);
    let sides: Vec<Value> = case.directions.iter().map(|own| side(world, own)).collect();
    group["directions"] = json!(sides);
    group["hints"] = hints(world, &case.hints);
}

fn hints(world: &World, list: &[crate::analysis::Hint]) -> Value {
    list.iter().map(|own| hint(world, own)).collect()
}

fn service(world: &World, step: &ServiceStep) -> Value {
    let pods: Vec<Value> =
        step.pods.iter().map(|(number, names)| json!({ "port": number, "pods": names })).collect();
    json!({
        "service": step.service,
        "protocol": step.protocol.api_name(),
        "port": step.port,
        "name": step.name,
        "targetPort": step.target.to_string(),
        "endpoints": pods,
        "withoutPort": step.without,
        "at": place(world, step.span),
    })
}

fn side(world: &World, side: &Side) -> Value {
    let mut value = reason(world, &side.reason);
    value["end"] = json!(side.end);
    value["hints"] = hints(world, &side.hints);
    let places = side.labels.iter();
    value["places"] =
        places.map(|own| json!({ "text": own.text, "at": place(world, own.span) })).collect();
    value["asked"] = side.policies.iter().map(|own| policy(world, own)).collect();
    value["setAside"] = side
        .set_aside
        .iter()
        .map(|(name, effect, span)| {
            json!({ "policy": name, "effect": effect.name(), "at": place(world, *span) })
        })
        .collect();
    value
}

fn policy(world: &World, policy: &PolicyAccount) -> Value {
    let rules: Vec<Value> = policy.rules.iter().map(|own| rule(world, own)).collect();
    json!({
        "policy": policy.name,
        "tier": tier(policy.tier),
        "selector": policy.selects,
        "selects": outcome(policy.outcome),
        "asked": policy.asked,
        "isolates": policy.isolates,
        "at": place(world, policy.span),
        "rules": rules,
    })
}

fn rule(world: &World, rule: &RuleAccount) -> Value {
    let peers: Vec<Value> = rule
        .peers
        .iter()
        .map(|peer| {
            json!({
                "about": peer.about,
                "matches": outcome(peer.outcome),
                "misses": peer.misses,
                "at": place(world, peer.span),
            })
        })
        .collect();
    let ports: Vec<Value> = rule
        .ports
        .iter()
        .map(|port| {
            json!({
                "about": port.about,
                "matches": if port.matches { "yes" } else { "no" },
                "at": place(world, port.span),
            })
        })
        .collect();
    json!({
        "rule": rule.number,
        "name": rule.name,
        "action": match rule.action {
            Action::Allow => "allow",
            Action::Deny => "deny",
            Action::Pass => "pass",
        },
        "matches": outcome(rule.outcome),
        "asked": rule.asked,
        "about": rule.about,
        "on": rule.on,
        "at": place(world, rule.span),
        "peers": peers,
        "ports": ports,
    })
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Matches => "yes",
        Outcome::Fails => "no",
        Outcome::Unknown(_) => "unknown",
    }
}

fn tier(tier: TierName) -> &'static str {
    match tier {
        TierName::Admin => "admin",
        TierName::NetworkPolicy => "networkPolicy",
        TierName::Baseline => "baseline",
        TierName::Firewall => "firewall",
    }
}
