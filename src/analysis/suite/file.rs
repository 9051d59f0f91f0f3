//! What a test file says.

use super::netassert;
use crate::analysis::endpoint::parse_resolution;
use crate::analysis::port::PortQuery;
use crate::analysis::world::Options;
use crate::cluster::{Assumptions, LabelEdit, ObjectName, Overlay};
use crate::diagnostic::{Code, Diagnostic, Location, Severity, SourceMap, Span};
use crate::enforcement::Cni;
use crate::manifest::{Node, Place, Value, documents, nearest};
use crate::net::DomainName;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A test file: `kind: ReachabilityTest`, or a list of `NetAssert` tests.
#[derive(Clone, Debug)]
pub struct TestFile {
    /// Where it is.
    pub path: PathBuf,
    /// `metadata.name`
    pub name: String,
    /// What it shows, in one sentence.
    pub description: String,
    /// `manifests`: files, folders and patterns, relative to the file; `None` if it names none.
    pub manifests: Option<Vec<String>>,
    /// `cni`: what it is to hold for; empty: what the input shows, else what the policies declare.
    pub under: Vec<Under>,
    /// `namespace`: that of names that state none.
    pub namespace: Option<String>,
    /// `resolve`: addresses of domain names.
    pub resolve: Vec<(DomainName, IpAddr)>,
    /// `whatIf.apply`: files that are applied over the manifests, relative to the file.
    pub apply: Vec<String>,
    /// The other edits of `whatIf`.
    pub overlay: Overlay,
    /// `expectations`
    pub expectations: Vec<Expectation>,
}

/// Whose reading of policies an expectation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Under {
    /// What the policies declare, whatever enforces them: `declared`.
    Declared,
    /// A CNI.
    Cni(Cni),
}

/// One thing that must hold.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// What it is about, as a sentence.
    pub name: String,
    /// Where it stands.
    pub place: Location,
    /// What must hold.
    pub wanted: Wanted,
    /// `cni`: what it is to hold for, in place of what the file says; empty: what the file says.
    pub under: Vec<Under>,
    /// `mayMatchNothing`: an end that stands for nothing is no failure.
    pub may_match_nothing: bool,
    /// `skip`: why it is not to be checked.
    pub skip: Option<String>,
    /// What is not decided is skipped, as the format has no other word for it.
    pub skip_undetermined: bool,
}

/// What must hold.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// `from`, `to`, `port`, `verdict`: what is said of pairs, for every one of the ports.
    Pairs {
        /// Sources.
        from: Vec<String>,
        /// Destinations.
        to: Vec<String>,
        /// Ports; without any, that something or nothing at all is allowed.
        ports: Vec<PortQuery>,
        /// What must come out.
        verdict: Expected,
        /// Of how many pairs.
        pairs: Quantifier,
    },
    /// `to`, `port`, `onlyFrom`: these may connect and nobody else.
    OnlyFrom {
        /// Destinations.
        to: Vec<String>,
        /// Ports; without any, all.
        ports: Vec<PortQuery>,
        /// Who may.
        only: Vec<String>,
    },
    /// `from`, `port`, `onlyTo`: they may connect to these and to nobody else.
    OnlyTo {
        /// Sources.
        from: Vec<String>,
        /// Ports; without any, all.
        ports: Vec<PortQuery>,
        /// Whom to.
        only: Vec<String>,
    },
    /// `isolated`: no connection between any two of these groups, in either direction.
    Isolated {
        /// The groups, each of one or more ends.
        groups: Vec<Vec<String>>,
        /// Ports; without any, all.
        ports: Vec<PortQuery>,
    },
    /// `table`, `port`: a truth table as people draw it.
    Table {
        /// Cells by row and column: source, destination, what must come out.
        cells: Vec<(String, String, Expected)>,
        /// Ports; without any, that something or nothing at all is allowed.
        ports: Vec<PortQuery>,
    },
    /// `unchanged`: the reachability is the one that was accepted.
    Unchanged {
        /// The file of the snapshot, relative to the test file.
        snapshot: String,
        /// Connections with an end in this namespace alone.
        namespace: Option<String>,
    },
}

/// `allowed`, `denied` or `undetermined`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// They may connect.
    Allowed,
    /// They may not.
    Denied,
    /// It cannot be said: of no pair is it known to be denied, and not all are known to be allowed.
    Undetermined,
}

/// Of how many pairs something must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    /// `every`
    Every,
    /// `some`: at least one.
    Some,
}

impl Expected {
    /// The word of the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Undetermined => "undetermined",
        }
    }
}

impl fmt::Display for Under {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declared => f.write_str("what the policies declare"),
            Self::Cni(cni) => f.write_str(&cni.brief()),
        }
    }
}

impl Under {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "declared" => Ok(Self::Declared),
            _ => Cni::parse(text).map(Self::Cni).map_err(|error| error.to_string()),
        }
    }
}

const FIELDS: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "description",
    "manifests",
    "cni",
    "namespace",
    "resolve",
    "whatIf",
    "expectations",
];
const EXPECTATION: &[&str] = &[
    "name",
    "from",
    "to",
    "port",
    "verdict",
    "pairs",
    "onlyFrom",
    "onlyTo",
    "isolated",
    "table",
    "unchanged",
    "namespace",
    "cni",
    "mayMatchNothing",
    "skip",
];
const WHAT_IF: &[&str] = &["apply", "delete", "label", "namespaceLabel", "scale"];

impl TestFile {
    /// What it says of the whole run, under a CNI, or of what the policies declare.
    pub fn options(&self, cni: Option<Cni>) -> Options {
        let assumptions = Assumptions { resolved: self.resolve.clone(), ..Assumptions::default() };
        let as_declared = cni.is_none();
        Options { assumptions, cni, as_declared, ..Options::default() }
    }

    /// Reads a test file. What is wrong with it is told with its place; it then holds no test.
    pub fn read(path: &Path, sources: &mut SourceMap) -> Result<Self, Vec<Diagnostic>> {
        let (nodes, mut faults) = documents(path, sources);
        let mut reader = Reader { sources, faults: Vec::new() };
        let found = match nodes.as_slice() {
            [one] => reader.file(path, one),
            [] => {
                if faults.is_empty() {
                    let message = format!("`{}` holds no test", path.display());
                    faults.push(Diagnostic::new(Code::RequiredValue, message));
                }
                None
            }
            [_, second, ..] => {
                let message = "a test file is one document".to_owned();
                let fault = Diagnostic::new(Code::ForbiddenValue, message);
                reader.faults.push(fault.at(second.span, "this is a second one"));
                None
            }
        };
        faults.append(&mut reader.faults);
        // What kubectl lets pass in a manifest is no more than a slip: here a test would be lost by it.
        for fault in faults.iter_mut().filter(|fault| fault.code == Code::DuplicateKey) {
            fault.severity = Severity::Error;
        }
        faults.retain(|fault| fault.severity == Severity::Error);
        match found {
            Some(file) if faults.is_empty() => Ok(file),
            _ => Err(faults),
        }
    }
}

/// Reads nodes, and collects what is wrong with them.
pub(super) struct Reader<'s> {
    pub(super) sources: &'s SourceMap,
    pub(super) faults: Vec<Diagnostic>,
}

impl Reader<'_> {
    pub(super) fn fault(&mut self, code: Code, message: impl Into<String>, at: Span) {
        self.faults.push(Diagnostic::new(code, message).at(at, ""));
    }

    fn mismatch(&mut self, place: &Place<'_>, expected: &str) {
        let found = place.node.map_or_else(|| "nothing".into(), Node::describe);
        let path = place.to_string();
        let path = if path.is_empty() { "a test".to_owned() } else { format!("`{path}`") };
        let message = format!("{path} must be {expected}, found {found}");
        self.faults.push(
            Diagnostic::new(Code::InvalidType, message)
                .at(place.span, format!("expected {expected}")),
        );
    }

    fn required(&mut self, place: &Place<'_>, field: &str, what: &str) {
        let inside = place.to_string();
        let inside = if inside.is_empty() { "the test".to_owned() } else { format!("`{inside}`") };
        let message = format!("{inside} has no `{field}`");
        self.faults.push(Diagnostic::new(Code::RequiredValue, message).at(place.span, what));
    }

    /// Whether it is a mapping; fields that are not known are faults.
    pub(super) fn mapping(&mut self, place: &Place<'_>, known: &[&str]) -> bool {
        let Some(node) = place.node.filter(|node| matches!(node.value, Value::Mapping(_))) else {
            self.mismatch(place, "a mapping");
            return false;
        };
        for entry in node.entries() {
            if known.contains(&&*entry.key) {
                continue;
            }
            let label = match nearest(&entry.key, known) {
                Some(name) => format!("did you mean `{name}`?"),
                None => "there is no such field here".into(),
            };
            let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            self.faults.push(
                Diagnostic::new(Code::UnknownField, format!("unknown field `{}`", entry.key))
                    .at(entry.key_span, label)
                    .help(format!("the fields here are {}", names.join(", "))),
            );
        }
        true
    }

    /// A string, or a number as one.
    pub(super) fn text(&mut self, place: &Place<'_>) -> Option<String> {
        match &place.node?.value {
            Value::String(text) => Some(text.to_string()),
            Value::Int(number) => Some(number.to_string()),
            Value::UInt(number) => Some(number.to_string()),
            _ => {
                self.mismatch(place, "a string");
                None
            }
        }
    }

    /// A string, or a list of them.
    fn texts(&mut self, place: &Place<'_>) -> Vec<(String, Span)> {
        let Some(node) = place.node else { return Vec::new() };
        if let Value::Sequence(items) = &node.value {
            let each = (0..items.len()).filter_map(|at| {
                let item = place.index(at);
                Some((self.text(&item)?, item.span))
            });
            return each.collect();
        }
        self.text(place).map(|text| (text, place.span)).into_iter().collect()
    }

    fn ends(&mut self, place: &Place<'_>) -> Vec<String> {
        self.texts(place).into_iter().map(|(text, _)| text).collect()
    }

    /// Texts, each read by a function.
    fn parsed<T>(
        &mut self,
        place: &Place<'_>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let mut out = Vec::new();
        for (text, span) in self.texts(place) {
            match parse(&text) {
                Ok(value) => out.push(value),
                Err(message) => self.fault(Code::InvalidValue, message, span),
            }
        }
        out
    }

    fn ports(&mut self, place: &Place<'_>) -> Vec<PortQuery> {
        if place
            .node
            .is_some_and(|node| matches!(&node.value, Value::Sequence(list) if list.is_empty()))
        {
            self.fault(
                Code::InvalidValue,
                "`port` names nothing: leave it out for every port",
                place.span,
            );
        }
        self.parsed(place, |text| {
            text.parse().map_err(|error: crate::analysis::port::PortError| error.to_string())
        })
    }

    fn flag(&mut self, place: &Place<'_>) -> bool {
        match place.node.map(|node| &node.value) {
            None => false,
            Some(Value::Bool(value)) => *value,
            Some(_) => {
                self.mismatch(place, "true or false");
                false
            }
        }
    }

    fn file(&mut self, path: &Path, node: &Node) -> Option<TestFile> {
        let root = Place::root(node);
        if matches!(node.value, Value::Sequence(_)) {
            return Some(netassert::file(self, path, &root));
        }
        if !self.mapping(&root, FIELDS) {
            return None;
        }
        for (field, wanted) in [("apiVersion", "kubereach/v1"), ("kind", "ReachabilityTest")] {
            let place = root.field(field);
            match self.text(&place) {
                Some(text) if text == wanted => {}
                Some(text) => {
                    let message =
                        format!("`{field}` is `{text}`, and that of a test is `{wanted}`");
                    self.fault(Code::InvalidValue, message, place.span);
                }
                None => self.required(&root, field, &format!("a test has `{field}: {wanted}`")),
            }
        }
        let metadata = root.field("metadata");
        let stem = || {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.split('.').next().unwrap_or_default().to_owned()
        };
        let name = match metadata.node {
            Some(_) if self.mapping(&metadata, &["name"]) => self.text(&metadata.field("name")),
            _ => None,
        };
        let description = self.text(&root.field("description")).unwrap_or_default();
        let manifests = root.field("manifests");
        let manifests = manifests.node.map(|_| self.ends(&manifests));
        let (mut apply, mut overlay) = (Vec::new(), Overlay::default());
        let what_if = root.field("whatIf");
        if what_if.node.is_some() && self.mapping(&what_if, WHAT_IF) {
            apply = self.ends(&what_if.field("apply"));
            overlay = self.overlay(&what_if);
        }
        let expectations = root.field("expectations");
        let list = match expectations.node.map(|node| &node.value) {
            Some(Value::Sequence(list)) => list.len(),
            None | Some(Value::Null) => {
                self.required(&root, "expectations", "a test is a list of what must hold");
                0
            }
            Some(_) => {
                self.mismatch(&expectations, "a list");
                0
            }
        };
        if list == 0 && self.faults.is_empty() {
            self.fault(
                Code::InvalidValue,
                "a test without expectations tests nothing",
                expectations.span,
            );
        }
        let each = (0..list).filter_map(|at| self.expectation(&expectations.index(at)));
        let expectations = each.collect();
        Some(TestFile {
            path: path.to_path_buf(),
            name: name.unwrap_or_else(stem),
            description,
            manifests,
            under: self.parsed(&root.field("cni"), Under::parse),
            namespace: self.text(&root.field("namespace")),
            resolve: self.parsed(&root.field("resolve"), parse_resolution),
            apply,
            overlay,
            expectations,
        })
    }

    fn overlay(&mut self, place: &Place<'_>) -> Overlay {
        let delete = self.parsed(&place.field("delete"), ObjectName::parse);
        let mut labels = Vec::new();
        for (name, text, span) in self.pairs(&place.field("label")) {
            match (ObjectName::parse(&name), LabelEdit::parse(&text)) {
                (Ok(name), Ok(label)) => labels.push((name, label)),
                (Err(message), _) | (_, Err(message)) => {
                    self.fault(Code::InvalidValue, message, span);
                }
            }
        }
        let mut namespace_labels = Vec::new();
        for (name, text, span) in self.pairs(&place.field("namespaceLabel")) {
            match LabelEdit::parse(&text) {
                Ok(label) => namespace_labels.push((name, label)),
                Err(message) => self.fault(Code::InvalidValue, message, span),
            }
        }
        let mut scale = Vec::new();
        for (name, text, span) in self.pairs(&place.field("scale")) {
            match (ObjectName::parse(&name), text.parse()) {
                (Ok(name), Ok(pods)) => scale.push((name, pods)),
                (Err(message), _) => self.fault(Code::InvalidValue, message, span),
                (_, Err(_)) => {
                    self.fault(Code::InvalidValue, format!("`{text}` is no number of pods"), span);
                }
            }
        }
        Overlay { delete, scale, labels, namespace_labels }
    }

    /// A mapping of names to a text, or several: each pair, and its place.
    fn pairs(&mut self, place: &Place<'_>) -> Vec<(String, String, Span)> {
        let Some(node) = place.node else { return Vec::new() };
        if !matches!(node.value, Value::Mapping(_)) {
            self.mismatch(place, "a mapping");
        }
        let mut out = Vec::new();
        for entry in node.entries() {
            let texts = self.texts(&place.entry(entry));
            out.extend(texts.into_iter().map(|(text, span)| (entry.key.to_string(), text, span)));
        }
        out
    }

    fn expectation(&mut self, place: &Place<'_>) -> Option<Expectation> {
        if !self.mapping(place, EXPECTATION) {
            return None;
        }
        let name = self.text(&place.field("name"));
        if name.is_none() && place.field("name").node.is_none() {
            self.required(place, "name", "each expectation has one, as a sentence");
        }
        let wanted = self.wanted(place);
        Some(Expectation {
            name: name?,
            place: self.sources.locate(place.node.map_or(place.span, |node| node.span)),
            wanted: wanted?,
            under: self.parsed(&place.field("cni"), Under::parse),
            may_match_nothing: self.flag(&place.field("mayMatchNothing")),
            skip: self.skip(&place.field("skip")),
            skip_undetermined: false,
        })
    }

    fn skip(&mut self, place: &Place<'_>) -> Option<String> {
        let reason = self.text(place)?;
        if reason.trim().is_empty() {
            self.fault(Code::InvalidValue, "`skip` says why it is not checked", place.span);
        }
        Some(reason)
    }

    fn wanted(&mut self, place: &Place<'_>) -> Option<Wanted> {
        const FORMS: [(&str, &[&str]); 6] = [
            ("verdict", &["from", "to", "port", "pairs"]),
            ("onlyFrom", &["to", "port"]),
            ("onlyTo", &["from", "port"]),
            ("isolated", &["port"]),
            ("table", &["port"]),
            ("unchanged", &["namespace"]),
        ];
        let has = |field: &str| place.field(field).node.is_some();
        let forms: Vec<_> = FORMS.iter().filter(|(field, _)| has(field)).collect();
        let (form, fields) = match forms.as_slice() {
            [one] => **one,
            [] => {
                let names: Vec<String> =
                    FORMS.iter().map(|(name, _)| format!("`{name}`")).collect();
                let help = format!("one of {}", names.join(", "));
                self.required(place, "verdict", &help);
                return None;
            }
            [(a, _), (b, _), ..] => {
                let message = format!("`{a}` and `{b}` are two expectations");
                self.fault(Code::ForbiddenValue, message, place.key_span(b));
                return None;
            }
        };
        let common = ["name", "cni", "mayMatchNothing", "skip", form];
        let node = place.node?;
        for entry in node.entries() {
            let key = &*entry.key;
            if EXPECTATION.contains(&key) && !fields.contains(&key) && !common.contains(&key) {
                let message = format!("`{key}` does not go with `{form}`");
                self.fault(Code::ForbiddenValue, message, entry.key_span);
            }
        }
        let ports = self.ports(&place.field("port"));
        let ends = |reader: &mut Self, field: &'static str| {
            let own = place.field(field);
            let found = reader.ends(&own);
            if own.node.is_none() {
                reader.required(place, field, "an end, or a list of them");
            } else if found.is_empty() {
                reader.fault(Code::InvalidValue, format!("`{field}` names nothing"), own.span);
            }
            found
        };
        Some(match form {
            "verdict" => Wanted::Pairs {
                from: ends(self, "from"),
                to: ends(self, "to"),
                ports,
                verdict: self.verdict(&place.field("verdict"))?,
                pairs: self.quantifier(&place.field("pairs"))?,
            },
            "onlyFrom" => {
                let only = self.ends(&place.field("onlyFrom"));
                Wanted::OnlyFrom { to: ends(self, "to"), ports, only }
            }
            "onlyTo" => {
                let only = self.ends(&place.field("onlyTo"));
                Wanted::OnlyTo { from: ends(self, "from"), ports, only }
            }
            "isolated" => {
                let own = place.field("isolated");
                let list = own.node.map_or(0, |node| node.items().len());
                if list < 2 {
                    let message = "`isolated` takes a list of two groups or more";
                    self.fault(Code::InvalidValue, message, own.span);
                }
                let groups: Vec<Vec<String>> =
                    (0..list).map(|at| self.ends(&own.index(at))).collect();
                if groups.iter().any(Vec::is_empty) {
                    self.fault(Code::InvalidValue, "a group of `isolated` names nothing", own.span);
                }
                Wanted::Isolated { groups, ports }
            }
            "table" => Wanted::Table { cells: self.table(&place.field("table"))?, ports },
            _ => Wanted::Unchanged {
                snapshot: self.text(&place.field("unchanged"))?,
                namespace: self.text(&place.field("namespace")),
            },
        })
    }

    fn verdict(&mut self, place: &Place<'_>) -> Option<Expected> {
        match self.text(place)?.as_str() {
            "allowed" => Some(Expected::Allowed),
            "denied" => Some(Expected::Denied),
            "undetermined" => Some(Expected::Undetermined),
            other => {
                let message =
                    format!("`{other}` is no verdict: write `allowed`, `denied` or `undetermined`");
                self.fault(Code::InvalidValue, message, place.span);
                None
            }
        }
    }

    fn quantifier(&mut self, place: &Place<'_>) -> Option<Quantifier> {
        if place.node.is_none() {
            return Some(Quantifier::Every);
        }
        match self.text(place)?.as_str() {
            "every" => Some(Quantifier::Every),
            "some" => Some(Quantifier::Some),
            other => {
                let message = format!("`pairs` is `every` or `some`, found `{other}`");
                self.fault(Code::InvalidValue, message, place.span);
                None
            }
        }
    }

    /// A drawn table: a first line of destinations, then a line for each source and its marks, as `kubereach
    /// matrix` prints it. `FROM / TO` in the corner and lines of dashes are ornaments; where `|` stands between
    /// cells, these may not be empty.
    fn table(&mut self, place: &Place<'_>) -> Option<Vec<(String, String, Expected)>> {
        let text = self.text(place)?;
        let mut fault = |message: String| {
            let message = format!("the table cannot be read: {message}");
            self.fault(Code::InvalidValue, message, place.span);
            None
        };
        let is_ornament =
            |line: &str| line.chars().all(|c| matches!(c, '-' | '+' | '=' | '|' | ':' | ' '));
        let mut lines = text.lines().map(str::trim).filter(|line| !is_ornament(line));
        let Some(first) = lines.next() else {
            return fault("it is empty".into());
        };
        let ruled = first.contains('|');
        let cells = |line: &str| -> Vec<String> {
            let words: Vec<&str> = if ruled {
                let line = line.strip_prefix('|').unwrap_or(line);
                line.strip_suffix('|').unwrap_or(line).split('|').map(str::trim).collect()
            } else {
                line.split_whitespace().collect()
            };
            words.into_iter().map(str::to_owned).collect()
        };
        let heads = if ruled {
            // The cell in the corner is there, whatever stands in it.
            cells(first).split_off(1)
        } else {
            cells(first.strip_prefix("FROM / TO").unwrap_or(first))
        };
        if heads.iter().any(String::is_empty) {
            return fault("a column has no destination".into());
        }
        let mut out = Vec::new();
        let mut rows = 0;
        for line in lines {
            rows += 1;
            let cells = cells(line);
            let Some((source, marks)) = cells.split_first() else { continue };
            if marks.len() != heads.len() {
                return fault(format!(
                    "the row of `{source}` has {} marks, and there are {} columns (`-` stands for one that is not looked at)",
                    marks.len(),
                    heads.len()
                ));
            }
            for (mark, destination) in marks.iter().zip(&heads) {
                let verdict = match mark.as_str() {
                    "." => Expected::Allowed,
                    "X" | "x" => Expected::Denied,
                    "?" => Expected::Undetermined,
                    "-" => continue,
                    "" => {
                        return fault(format!(
                            "the row of `{source}` has no mark for `{destination}` (`-` stands for one that is not looked at)"
                        ));
                    }
                    other => {
                        return fault(format!(
                            "`{other}` is no mark: `.` allowed, `X` denied, `?` undetermined, `-` not looked at"
                        ));
                    }
                };
                out.push((source.clone(), destination.clone(), verdict));
            }
        }
        if rows == 0 {
            return fault("it has no row below its line of destinations".into());
        }
        Some(out)
    }
}
