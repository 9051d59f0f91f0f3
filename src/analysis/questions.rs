//! Many questions at once: one `SRC DST PORT[/PROTO]` a line.

use super::answer::CanAnswer;
use super::divergence::Engines;
use super::endpoint::{Endpoint, EndpointError, resolve_endpoint};
use super::port::PortQuery;
use super::query::can;
use super::world::World;
use rayon::prelude::*;
use std::collections::HashMap;

/// One line of a questions file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The line, from 1.
    pub line: usize,
    /// The first word.
    pub source: String,
    /// The second word.
    pub destination: String,
    /// The third word; empty if there is none.
    pub port: String,
    /// What is wrong with the form of the line.
    pub error: Option<String>,
}

/// The answer to one question.
#[derive(Debug)]
pub struct QuestionAnswer {
    /// The question.
    pub question: Question,
    /// The answer, or why there is none.
    pub answer: Result<CanAnswer, EndpointError>,
}

/// Reads questions. Blank lines and lines that start with `#` are skipped; words are separated by
/// white space.
pub fn parse_questions(text: &str) -> Vec<Question> {
    let mut out = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split(|c: char| c.is_whitespace()).filter(|word| !word.is_empty());
        let mut next = || words.next().unwrap_or_default().to_owned();
        let (source, destination, port) = (next(), next(), next());
        let extra = words.next().is_some();
        let error = if destination.is_empty() || extra {
            Some("a question is `SRC DST PORT[/PROTO]`, separated by spaces".to_owned())
        } else {
            None
        };
        out.push(Question { line: at + 1, source, destination, port, error });
    }
    out
}

/// Answers questions in parallel, in their order.
pub fn answer_questions(
    world: &World,
    engines: &Engines<'_>,
    questions: Vec<Question>,
) -> Vec<QuestionAnswer> {
    // Ends recur: each is resolved once.
    let mut ends: HashMap<&str, Result<Endpoint, EndpointError>> = HashMap::new();
    for question in &questions {
        for text in [&question.source, &question.destination] {
            ends.entry(text).or_insert_with(|| resolve_endpoint(world, text));
        }
    }
    // What all of them ask for is there before they do.
    engines.compile();
    let answers: Vec<Result<CanAnswer, EndpointError>> =
        questions.par_iter().map(|question| answer(world, engines, question, &ends)).collect();
    questions
        .into_iter()
        .zip(answers)
        .map(|(question, answer)| QuestionAnswer { question, answer })
        .collect()
}

fn answer(
    world: &World,
    engines: &Engines<'_>,
    question: &Question,
    ends: &HashMap<&str, Result<Endpoint, EndpointError>>,
) -> Result<CanAnswer, EndpointError> {
    let fail = |message: String| EndpointError { message, help: None };
    if let Some(error) = &question.error {
        return Err(fail(error.clone()));
    }
    let end =
        |text: &str| ends.get(text).cloned().unwrap_or_else(|| Err(fail("not resolved".into())));
    let source = end(&question.source)?;
    let destination = end(&question.destination)?;
    let ports: Vec<PortQuery> = if question.port.is_empty() {
        Vec::new()
    } else {
        vec![
            question
                .port
                .parse()
                .map_err(|error: super::port::PortError| fail(error.to_string()))?,
        ]
    };
    can(world, engines, &source, &destination, &ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_lines_of_two_or_three_words() {
        let found = parse_questions("# note\n\na/b c/d 80/tcp\n  a/b\tc/d\nlonely\na b c d\n");
        let lines: Vec<_> =
            found.iter().map(|q| (q.line, q.port.as_str(), q.error.is_some())).collect();
        assert_eq!(lines, [(3, "80/tcp", false), (4, "", false), (5, "", true), (6, "c", true)]);
    }
}
