//! Whether an expectation holds, and what shows that it does not.

use super::file::{Expectation, Expected, Quantifier, Wanted};
use super::only::only;
use super::snapshot;
use crate::analysis::answer::{Answer, CanAnswer, Group};
use crate::analysis::divergence::Engines;
use crate::analysis::endpoint::{Endpoint, EndpointError, Member, resolve_endpoint};
use crate::analysis::list::{Filter, Lister};
use crate::analysis::port::PortQuery;
use crate::analysis::query::can;
use crate::analysis::world::World;
use crate::cluster::Addresses;
use crate::diagnostic::Location;
use crate::engine::Peer;
use crate::lazy::once;
use crate::net::{Family, IpSet};
use crate::policy::Direction;
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::Path;
use std::sync::OnceLock;

/// How many counterexamples of one expectation are kept.
const MOST: usize = 3;

/// What became of an expectation under one CNI.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: Location,
    /// What it was checked under, where the file or the expectation names several: `flannel`, `declared`.
    pub under: Option<String>,
    /// Whether it holds.
    pub status: Status,
    /// How many pairs of ends were looked at.
    pub pairs: usize,
    /// What shows that it does not hold, or why that cannot be said: the first few.
    pub counterexamples: Vec<Counterexample>,
    /// How many more there are.
    pub more: usize,
    /// What its ends were taken for, where that is not plain.
    pub notes: Vec<String>,
}

/// Whether an expectation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It does.
    Passed,
    /// It was not checked, for a reason.
    Skipped,
    /// It cannot be said.
    Undetermined,
    /// It does not.
    Failed,
}

/// A connection that is not as expected, and why it is as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// `shop/deploy/report → shop/sts/db tcp/5432 is allowed, and nobody else may`
    pub text: String,
    /// What decides: what it is about (`ingress`, `nearest`, `help`), what it says, where that stands.
    pub reasons: Vec<(String, String, Option<Location>)>,
}

impl Counterexample {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), reasons: Vec::new() }
    }

    pub(super) fn of_end(error: &EndpointError) -> Self {
        let help = error.help.iter().map(|help| ("help".to_owned(), help.clone(), None));
        Self { text: error.message.clone(), reasons: help.collect() }
    }

    /// Why a group of pairs is as it is.
    pub(super) fn of_group(world: &World, text: String, group: &Group) -> Self {
        let mut reasons = Vec::new();
        let place = |span| world.sources.locate(span);
        for reason in &group.reasons {
            let what = match reason.direction {
                Some(Direction::Egress) => "egress",
                Some(Direction::Ingress) => "ingress",
                None => "both",
            };
            reasons.push((what.to_owned(), reason.text.clone(), reason.span.map(place)));
            if let Some(hint) = &reason.nearest {
                reasons.push(("nearest".into(), hint.text.clone(), hint.span.map(place)));
            }
        }
        if let Some(divergence) = &group.divergence {
            for cause in &divergence.causes {
                reasons.push(("enforcer".into(), cause.to_string(), cause.span.map(place)));
            }
        }
        Self { text, reasons }
    }
}

/// What was found out of an expectation so far.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) status: Status,
    pub(super) pairs: usize,
    pub(super) counterexamples: Vec<Counterexample>,
    more: usize,
}

impl Findings {
    pub(super) fn new() -> Self {
        Self { status: Status::Passed, pairs: 0, counterexamples: Vec::new(), more: 0 }
    }

    /// Adds something that is not as expected; a failure is told before what is undetermined.
    pub(super) fn add(&mut self, status: Status, example: impl FnOnce() -> Counterexample) {
        if status > self.status {
            self.status = status;
            self.more += self.counterexamples.len();
            self.counterexamples.clear();
        }
        if status < self.status || self.counterexamples.len() >= MOST {
            self.more += 1;
        } else {
            self.counterexamples.push(example());
        }
    }
}

/// Answers the questions of expectations about one world; what several of them need is made once.
pub(super) struct Asker<'e, 'w> {
    pub(super) world: &'w World,
    pub(super) engines: &'e Engines<'w>,
    ends: HashMap<String, Result<Endpoint, EndpointError>>,
    lister: OnceLock<Lister<'w, 'e, 'w>>,
    owned: OnceLock<IpSet>,
}

/// Rows between ends that no policy isolates are looked at as well.
static ALL: Filter =
    Filter { namespace: None, pods: None, ports: None, direction: None, open: true, rules: false };

impl<'e, 'w> Asker<'e, 'w> {
    pub(super) fn new<'x>(
        world: &'w World,
        engines: &'e Engines<'w>,
        expectations: impl Iterator<Item = &'x Expectation>,
    ) -> Self {
        let wanted: Vec<&Wanted> = expectations.map(|own| &own.wanted).collect();
        let mut names: Vec<&str> = wanted.iter().flat_map(|own| own.ends()).collect();
        names.sort_unstable();
        names.dedup();
        let resolve = |name: &&str| ((*name).to_owned(), resolve_endpoint(world, name));
        let ends = names.par_iter().map(resolve).collect();
        let own = Self { world, engines, ends, lister: OnceLock::new(), owned: OnceLock::new() };
        // What many ask for is there before they do.
        engines.compile();
        if wanted.iter().any(|own| matches!(own, Wanted::OnlyFrom { .. } | Wanted::OnlyTo { .. })) {
            own.lister();
        }
        own
    }

    pub(super) fn end(&self, name: &str) -> Result<&Endpoint, EndpointError> {
        match self.ends.get(name) {
            Some(Ok(end)) => Ok(end),
            Some(Err(error)) => Err(error.clone()),
            None => {
                Err(EndpointError { message: format!("`{name}` was not resolved"), help: None })
            }
        }
    }

    pub(super) fn lister(&self) -> &Lister<'w, 'e, 'w> {
        once(&self.lister, || Lister::new(self.world, self.engines.effective(), &ALL))
    }

    /// The addresses of pods and nodes: what is outside is what is left.
    pub(super) fn owned(&self) -> &IpSet {
        self.owned.get_or_init(|| {
            IpSet::blocks(self.world.cluster.owned_addresses().map(ipnet::IpNet::from))
        })
    }

    pub(super) fn can(
        &self,
        from: &Endpoint,
        to: &Endpoint,
        ports: &[PortQuery],
    ) -> Result<CanAnswer, EndpointError> {
        can(self.world, self.engines, from, to, ports)
    }
}

impl Wanted {
    /// The ends that it names.
    pub(super) fn ends(&self) -> Vec<&str> {
        let lists: Vec<&Vec<String>> = match self {
            Self::Pairs { from, to, .. } => vec![from, to],
            Self::OnlyFrom { to, only, .. } => vec![to, only],
            Self::OnlyTo { from, only, .. } => vec![from, only],
            Self::Isolated { groups, .. } => groups.iter().collect(),
            Self::Table { cells, .. } => {
                return cells
                    .iter()
                    .flat_map(|(from, to, _)| [from.as_str(), to.as_str()])
                    .collect();
            }
            Self::Unchanged { .. } => Vec::new(),
        };
        lists.into_iter().flatten().map(String::as_str).collect()
    }
}

/// Checks one expectation. `folder` is that of its file, `label` what it is checked under, where that is one of
/// several; `update` says that snapshots are to be written anew.
pub(super) fn check(
    asker: &Asker<'_, '_>,
    own: &Expectation,
    folder: &Path,
    label: Option<&str>,
    update: bool,
) -> Outcome {
    let outcome = |found: Findings| Outcome {
        name: own.name.clone(),
        place: own.place.clone(),
        under: None,
        status: found.status,
        pairs: found.pairs,
        counterexamples: found.counterexamples,
        more: found.more,
        notes: notes(asker, own),
    };
    let mut found = Findings::new();
    if let Some(reason) = &own.skip {
        found.add(Status::Skipped, || Counterexample::plain(reason.clone()));
        return outcome(found);
    }
    match &own.wanted {
        Wanted::Pairs { from, to, ports, verdict, pairs: Quantifier::Every } => {
            for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (from, to))) {
                pair(asker, own, (from, to), ports, *verdict, &mut found);
            }
        }
        Wanted::Pairs { from, to, ports, verdict, pairs: Quantifier::Some } => {
            some(asker, own, [from, to], ports, *verdict, &mut found);
        }
        Wanted::OnlyFrom { to, ports, only: listed } => {
            only(asker, own, Direction::Ingress, to, listed, ports, &mut found);
        }
        Wanted::OnlyTo { from, ports, only: listed } => {
            only(asker, own, Direction::Egress, from, listed, ports, &mut found);
        }
        Wanted::Isolated { groups, ports } => {
            for (at, one) in groups.iter().enumerate() {
                for other in &groups[at + 1..] {
                    for (a, b) in one.iter().flat_map(|a| other.iter().map(move |b| (a, b))) {
                        pair(asker, own, (a, b), ports, Expected::Denied, &mut found);
                        pair(asker, own, (b, a), ports, Expected::Denied, &mut found);
                    }
                }
            }
        }
        Wanted::Table { cells, ports } => {
            for (from, to, verdict) in cells {
                pair(asker, own, (from, to), ports, *verdict, &mut found);
            }
        }
        Wanted::Unchanged { snapshot, namespace } => {
            // Each reading of the policies has a snapshot of its own.
            let path = folder.join(snapshot);
            let path = match label {
                Some(label) => {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    let stem = name.strip_suffix(".snap").unwrap_or(&name);
                    path.with_file_name(format!("{stem}.{label}.snap"))
                }
                None => path,
            };
            snapshot::check(asker, &path, namespace.as_deref(), update, &mut found);
        }
    }
    if found.pairs == 0 && found.status == Status::Passed && !own.may_match_nothing {
        found.add(Status::Failed, || {
            let mut example = Counterexample::plain("it is about nothing: no pair was looked at");
            let help = "`mayMatchNothing: true` lets it hold all the same";
            example.reasons.push(("help".into(), help.into(), None));
            example
        });
    }
    if own.skip_undetermined && found.status == Status::Undetermined {
        found.status = Status::Skipped;
    }
    outcome(found)
}

/// Names that were taken for hosts outside, as nothing in the input is called so: they may be mistyped.
fn notes(asker: &Asker<'_, '_>, own: &Expectation) -> Vec<String> {
    let ends = own.wanted.ends().into_iter().filter_map(|name| asker.end(name).ok());
    let guessed = ends
        .filter(|end| end.members.iter().any(|member| matches!(member.peer, Peer::Name(_, None))));
    let mut notes: Vec<String> = guessed.filter_map(|end| end.note.clone()).collect();
    notes.sort();
    notes.dedup();
    notes
}

/// Checks one expectation about a world, whatever it says of CNIs; snapshots are relative to the folder at hand.
pub fn check_one(world: &World, own: &Expectation) -> Outcome {
    let engines = Engines::new(world);
    let asker = Asker::new(world, &engines, std::iter::once(own));
    check(&asker, own, Path::new(""), None, false)
}

/// Resolves an end; what cannot be resolved is a failure, unless the expectation may be about nothing.
pub(super) fn end_of<'a>(
    asker: &'a Asker<'_, '_>,
    own: &Expectation,
    name: &str,
    found: &mut Findings,
) -> Option<&'a Endpoint> {
    match asker.end(name) {
        Ok(end) => Some(end),
        Err(error) => {
            if !own.may_match_nothing {
                found.add(Status::Failed, || Counterexample::of_end(&error));
            }
            None
        }
    }
}

/// The ports of an expectation, each asked alone; without any, all at once.
pub(super) fn each_port(ports: &[PortQuery]) -> Vec<&[PortQuery]> {
    if ports.is_empty() { vec![&[]] } else { ports.chunks(1).collect() }
}

/// The answers to a question. That something is denied is asked of each family that both ends have: a connection
/// may take either.
fn answers(
    asker: &Asker<'_, '_>,
    source: &Endpoint,
    destination: &Endpoint,
    ports: &[PortQuery],
    verdict: Expected,
) -> Result<Vec<CanAnswer>, EndpointError> {
    let first = asker.can(source, destination, ports)?;
    if verdict != Expected::Denied {
        return Ok(vec![first]);
    }
    let named = asker.world.options.family.or(source.family).or(destination.family);
    // Of two pods without a known address it is not known that they have both; where one end is outside, rules
    // about either family may let through.
    let cluster = &asker.world.cluster;
    let is_outside =
        |end: &Endpoint| end.members.iter().any(|own| matches!(own.peer, Peer::External(_)));
    let outside = is_outside(source) || is_outside(destination);
    let is_assumed = |own: &Member| matches!(own.peer, Peer::Pod(id) if cluster.pod(id).addresses == Addresses::Unknown);
    let assumed = [source, destination].iter().any(|end| end.members.iter().any(is_assumed));
    let known = |peer: &Peer| match peer {
        Peer::Pod(id) => outside || matches!(cluster.pod(*id).addresses, Addresses::Known(_)),
        Peer::Name(_, address) => address.is_some(),
        Peer::Node(..) | Peer::External(_) => true,
    };
    let dual = |end: &Endpoint| {
        Family::ALL.iter().all(|family| {
            let mut members = end.members.iter().filter(|own| known(&own.peer));
            members.any(|own| own.peer.families(cluster).contains(family))
        })
    };
    if named.is_some() || !dual(source) || !dual(destination) {
        return Ok(vec![first]);
    }
    let mut out = Vec::new();
    for family in Family::ALL {
        let [source, destination] =
            [source, destination].map(|end| Endpoint { family: Some(family), ..end.clone() });
        let mut answer = asker.can(&source, &destination, ports)?;
        // Of a pair that has not this family there is nothing to say.
        answer.groups.retain(|group| group.family.is_some());
        // Whether a pod without a known address has the other family is not known: what is open to it counts, and
        // what is undetermined as well does not.
        if assumed && !first.groups.iter().any(|group| group.family == Some(family)) {
            answer.groups.retain(|group| !group.allowed.is_empty());
        }
        if !answer.groups.is_empty() {
            answer.port = Some(match answer.port {
                Some(port) => format!("{port} over {family}"),
                None => format!("over {family}"),
            });
            out.push(answer);
        }
    }
    Ok(if out.is_empty() { vec![first] } else { out })
}

/// What is said of two ends; an error is a failure, but where the expectation may match nothing.
fn said(
    asker: &Asker<'_, '_>,
    own: &Expectation,
    [source, destination]: [&Endpoint; 2],
    ports: &[PortQuery],
    verdict: Expected,
    found: &mut Findings,
) -> Vec<CanAnswer> {
    match answers(asker, source, destination, ports, verdict) {
        Ok(answers) => answers,
        Err(error) => {
            if !own.may_match_nothing {
                found.add(Status::Failed, || Counterexample::of_end(&error));
            }
            Vec::new()
        }
    }
}

/// Whether all of two ends is as expected, port by port.
pub(super) fn pair(
    asker: &Asker<'_, '_>,
    own: &Expectation,
    (from, to): (&str, &str),
    ports: &[PortQuery],
    verdict: Expected,
    found: &mut Findings,
) {
    let ends = (end_of(asker, own, from, found), end_of(asker, own, to, found));
    let (Some(source), Some(destination)) = ends else { return };
    for ports in each_port(ports) {
        for answer in said(asker, own, [source, destination], ports, verdict, found) {
            found.pairs += answer.pairs;
            let worst = answer.groups.iter().map(|group| status_of(verdict, group)).max();
            let status = match verdict {
                // Of all pairs together, as `can` says it.
                Expected::Undetermined if answer.answer != Answer::Undetermined => Status::Failed,
                Expected::Undetermined => Status::Passed,
                _ => worst.unwrap_or(Status::Passed),
            };
            if status != Status::Passed {
                found.add(status, || told(asker.world, &answer, verdict));
            }
        }
    }
}

/// Whether pairs that are alike are as expected: what is known to be otherwise is a failure, whatever else of it
/// is not known.
fn status_of(verdict: Expected, group: &Group) -> Status {
    let is_open = !group.allowed.is_empty();
    match (verdict, group.answer) {
        (Expected::Allowed, Answer::Allowed)
        | (Expected::Denied, Answer::Denied)
        | (Expected::Undetermined, Answer::Undetermined) => Status::Passed,
        (Expected::Denied, Answer::Undetermined | Answer::Partly) if !is_open => {
            Status::Undetermined
        }
        (Expected::Allowed, Answer::Undetermined) => Status::Undetermined,
        _ => Status::Failed,
    }
}

/// A group that is not as expected, in words.
fn told(world: &World, answer: &CanAnswer, verdict: Expected) -> Counterexample {
    let Some(group) = answer.groups.iter().rev().max_by_key(|group| status_of(verdict, group))
    else {
        return Counterexample::plain("nothing is said of it");
    };
    let [from, to] = &group.example;
    let port = answer.port.as_ref().map_or("on any port".to_owned(), Clone::clone);
    let pairs = if answer.pairs > 1 { format!(" ({})", answer.counts()) } else { String::new() };
    let is = match group.answer {
        Answer::Partly => "allowed in part",
        Answer::Undetermined if !group.allowed.is_empty() => "allowed in part",
        other => other.word(),
    };
    let text = format!("{from} → {to} {port} is {is}, expected {}{pairs}", verdict.word());
    Counterexample::of_group(world, text, group)
}

/// At least one pair, on one of the ports.
fn some(
    asker: &Asker<'_, '_>,
    own: &Expectation,
    [from, to]: [&[String]; 2],
    ports: &[PortQuery],
    verdict: Expected,
    found: &mut Findings,
) {
    let mut missed = Findings::new();
    // Where of one pair it cannot be said, it cannot be said of all that none is so.
    let mut maybe: Option<Counterexample> = None;
    for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (from, to))) {
        let ends = (end_of(asker, own, from, found), end_of(asker, own, to, found));
        let (Some(source), Some(destination)) = ends else { continue };
        for ports in each_port(ports) {
            let answers = said(asker, own, [source, destination], ports, verdict, found);
            // Of a pair with both families each has to be so.
            let fits = |group: &Group| status_of(verdict, group) == Status::Passed;
            let all_fit = answers.iter().all(|answer| answer.groups.iter().any(fits));
            for answer in answers {
                found.pairs += answer.pairs;
                for group in &answer.groups {
                    if fits(group) {
                        if all_fit && found.status == Status::Passed {
                            return;
                        }
                        continue;
                    }
                    let open = verdict != Expected::Undetermined && !group.unknown.is_empty();
                    if open && maybe.is_none() {
                        maybe = Some(told(asker.world, &answer, verdict));
                    }
                    missed.add(Status::Failed, || told(asker.world, &answer, verdict));
                }
            }
        }
    }
    if found.status == Status::Failed {
        return;
    }
    let pairs = found.pairs;
    *found = missed;
    found.pairs = pairs;
    if let (Some(example), Status::Failed) = (maybe, found.status) {
        *found = Findings::new();
        found.pairs = pairs;
        found.add(Status::Undetermined, || example);
    }
}
