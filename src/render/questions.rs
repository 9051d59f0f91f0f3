//! Answers to many questions, one a line.

use crate::analysis::{Answer, CanAnswer, QuestionAnswer, World};
use crate::engine::Decision;
use serde_json::{Value, json};

/// `allowed`, `denied`, `undetermined` or `error`.
fn verdict(answer: &QuestionAnswer) -> &'static str {
    match &answer.answer {
        Err(_) => "error",
        Ok(answer) => match answer.decision() {
            Decision::Allowed => "allowed",
            Decision::Denied => "denied",
            Decision::Unknown => "undetermined",
        },
    }
}

fn reason(answer: &QuestionAnswer) -> String {
    match &answer.answer {
        Err(error) => {
            let help = error.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{}{help}", error.message)
        }
        // The reason of the verdict: of a denied answer, what denies.
        Ok(answer) => {
            let reasons = answer.groups.iter().flat_map(|group| &group.reasons);
            let wanted = answer.decision();
            let texts: Vec<&str> =
                reasons.filter(|r| r.decision == wanted).map(|r| r.text.as_str()).collect();
            let notes = answer.notes.iter().map(String::as_str);
            let part = in_part(answer);
            let mut all: Vec<&str> = part.as_deref().into_iter().collect();
            for text in texts.into_iter().chain(notes) {
                if !all.contains(&text) {
                    all.push(text);
                }
            }
            if all.is_empty() { "no policy applies".into() } else { all.join("; ") }
        }
    }
}

/// What is allowed of an answer that is denied in part.
fn in_part(answer: &CanAnswer) -> Option<String> {
    match answer.groups.as_slice() {
        _ if answer.answer != Answer::Partly => None,
        [group] if group.allowed.is_empty() => {
            Some(format!("in part: undetermined on {}", group.unknown))
        }
        [group] => Some(format!("in part: allowed on {}", group.allowed)),
        _ => Some(format!("in part: {}", answer.counts())),
    }
}

/// Verdict first, then the question as it was asked, then the reason.
pub fn questions_text(answers: &[QuestionAnswer]) -> String {
    let mut out = String::new();
    for answer in answers {
        let q = &answer.question;
        let word = verdict(answer);
        let styled = super::style::verdict(word);
        let port = if q.port.is_empty() { "*" } else { &q.port };
        out.push_str(&super::style::pad(&styled, word, 12));
        out.push_str(&format!("  {} {} {port}", q.source, q.destination));
        let reason = reason(answer);
        if !reason.is_empty() {
            out.push_str(&format!("  {}", super::style::dim(&reason)));
        }
        out.push('\n');
    }
    out
}

/// Columns `src,dst,port,verdict,reason,line`.
pub fn questions_csv(answers: &[QuestionAnswer]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let _ = writer.write_record(["src", "dst", "port", "verdict", "reason", "line"]);
    for answer in answers {
        let q = &answer.question;
        let _ = writer.write_record([
            q.source.as_str(),
            q.destination.as_str(),
            q.port.as_str(),
            verdict(answer),
            &reason(answer),
            &q.line.to_string(),
        ]);
    }
    finish_csv(writer)
}

/// The text that was written: writing to memory does not fail.
pub(super) fn finish_csv(writer: csv::Writer<Vec<u8>>) -> String {
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

/// One document with every answer.
pub fn questions_json(world: &World, answers: &[QuestionAnswer]) -> Value {
    let answers: Vec<Value> = answers
        .iter()
        .map(|answer| {
            let q = &answer.question;
            json!({
                "line": q.line,
                "src": q.source,
                "dst": q.destination,
                "port": q.port,
                "verdict": verdict(answer),
                "reason": reason(answer),
            })
        })
        .collect();
    json!({ "schema": "kubereach/questions/v1", "enforcement": super::json::enforcement(world), "leftOut": super::json::left_out(world), "answers": answers })
}
