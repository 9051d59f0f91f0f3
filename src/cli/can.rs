//! `kubereach can`

use super::Status;
use super::args::{CanArgs, CanFormat, CniArg, Global};
use super::console;
use crate::analysis::{
    Answer, EndpointError, Engines, PortQuery, World, answer_questions, can, parse_questions,
    resolve_endpoint,
};
use crate::enforcement::{Cni, Enforcement, PROFILES};
use crate::engine::Decision;
use crate::manifest::read_text;
use crate::render;

pub(super) fn run(args: &CanArgs, global: &Global) -> Status {
    if args.questions.as_deref() == Some("-") && args.input.filename.iter().any(|f| f == "-") {
        return console::usage_error(
            "standard input cannot be manifests and questions at once",
            None,
        );
    }
    if args.questions.is_none() && args.output == CanFormat::Csv {
        return console::usage_error("`-o csv` goes with `--questions`", None);
    }
    // What is wrong with the arguments is said before a long load.
    let ports = match console::ports(&args.port) {
        Ok(ports) => ports,
        Err(status) => return status,
    };
    let world = match console::open_any(&args.input, global) {
        Ok(world) => world,
        Err(status) => return status,
    };
    if matches!(args.input.cni, Some(CniArg::All)) {
        return under_all(world, args, &ports);
    }
    if let Some(file) = &args.questions {
        return many(world, &Engines::new(world), file, args.output);
    }
    let (Some(source), Some(destination)) = (&args.source, &args.destination) else {
        return console::usage_error("SRC and DST are missing", None);
    };
    let answer = resolve_endpoint(world, source).and_then(|source| {
        let destination = resolve_endpoint(world, destination)?;
        let engines = Engines::between(world, &[&source, &destination]);
        can(world, &engines, &source, &destination, &ports)
    });
    match answer {
        Err(EndpointError { message, help }) => console::usage_error(&message, help.as_deref()),
        Ok(answer) => {
            if args.output == CanFormat::Json {
                console::print_json(&render::can_json(world, &answer));
            } else {
                console::print(&render::can_text(world, &answer, console::look(global)));
            }
            status(answer.answer)
        }
    }
}

/// Answers one question under every CNI that is known.
fn under_all(world: &mut World, args: &CanArgs, ports: &[PortQuery]) -> Status {
    let (Some(source), Some(destination)) = (&args.source, &args.destination) else {
        return console::usage_error("`--cni all` goes with one question", None);
    };
    let mut answers = Vec::new();
    let mut documents = Vec::new();
    for profile in PROFILES.iter().filter(|p| p.enforcement != Enforcement::Unknown) {
        let cni = Cni::from(*profile);
        world.switch(cni.clone());
        let answer = resolve_endpoint(world, source).and_then(|source| {
            let destination = resolve_endpoint(world, destination)?;
            let engines = Engines::between(world, &[&source, &destination]);
            can(world, &engines, &source, &destination, ports)
        });
        match answer {
            Err(EndpointError { message, help }) => {
                return console::usage_error(&message, help.as_deref());
            }
            Ok(answer) => {
                if args.output == CanFormat::Json {
                    documents.push(render::can_json(world, &answer));
                }
                answers.push((cni, answer));
            }
        }
    }
    if args.output == CanFormat::Json {
        let document =
            serde_json::json!({ "schema": "kubereach/can-all/v1", "answers": documents });
        console::print_json(&document);
    } else {
        console::print(&render::can_all_text(&answers));
    }
    let any = |wanted| answers.iter().any(|(_, answer)| status(answer.answer) == wanted);
    if any(Status::Denied) {
        Status::Denied
    } else if any(Status::Undetermined) {
        Status::Undetermined
    } else {
        Status::Success
    }
}

/// The exit status of an answer.
pub(super) fn status(answer: Answer) -> Status {
    match answer {
        Answer::Allowed => Status::Success,
        Answer::Denied | Answer::Partly => Status::Denied,
        Answer::Undetermined => Status::Undetermined,
    }
}

/// Answers a file of questions. The status is that of one question about them all: an error, then
/// denied for some, then undetermined.
fn many(world: &World, engines: &Engines<'_>, file: &str, format: CanFormat) -> Status {
    let text = read_text(&file.into());
    let text = match text {
        Ok(text) => text,
        Err(error) => return console::usage_error(&format!("cannot read `{file}`: {error}"), None),
    };
    let answers = answer_questions(world, engines, parse_questions(&text));
    match format {
        CanFormat::Text => console::print(&render::questions_text(&answers)),
        CanFormat::Json => console::print_json(&render::questions_json(world, &answers)),
        CanFormat::Csv => console::print(&render::questions_csv(&answers)),
    }
    let any =
        |wanted| answers.iter().any(|a| a.answer.as_ref().is_ok_and(|a| a.decision() == wanted));
    if answers.iter().any(|answer| answer.answer.is_err()) {
        Status::Error
    } else if any(Decision::Denied) {
        Status::Denied
    } else if any(Decision::Unknown) {
        Status::Undetermined
    } else {
        Status::Success
    }
}
