//! Reachability as it was accepted: a file that people read, and a change of it in words.

use super::check::{Asker, Counterexample, Findings, Status};
use crate::analysis::list::{
    Filter, Length, Listing, Row, RowEnd, list, listed_policies, row_reasons,
};
use crate::analysis::world::World;
use crate::cluster::PodId;
use crate::diagnostic::Location;
use crate::engine::Model;
use crate::manifest::{InputPath, read_text, write_text};
use crate::policy::Direction;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

/// How many changes of a snapshot are told.
const MOST: usize = 40;

/// What is reachable: every connection that a policy has a part in, and what no policy closes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Workloads that no policy selects, or those of their pods, by [`Direction::index`]: between one that may send and one that may be
    /// reached everything is allowed, and no line says so.
    pub open: [BTreeSet<String>; 2],
    /// What policies deny may be allowed all the same: nobody knows whether anything enforces them.
    pub unenforced: bool,
    /// What is allowed, by source and destination.
    pub connections: BTreeMap<(String, String), String>,
}

/// What is otherwise than it was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotChange {
    /// `+`, `-` or `~`.
    pub sign: &'static str,
    /// What.
    pub text: String,
    /// The source and destination, if it is about one connection.
    pub key: Option<(String, String)>,
}

const HEAD: &str =
    "# What is reachable, as it was accepted. `kubereach test --update` accepts a change.\n";
const UNENFORCED: &str = "whether anything enforces policies is not known";
const OPEN: [&str; 2] = ["no policy for egress: ", "no policy for ingress: "];

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        if self.unenforced {
            writeln!(f, "{UNENFORCED}")?;
        }
        for (head, names) in OPEN.iter().zip(&self.open) {
            for name in names {
                writeln!(f, "{head}{name}")?;
            }
        }
        for ((source, destination), ports) in &self.connections {
            writeln!(f, "{source} -> {destination}  {ports}")?;
        }
        Ok(())
    }
}

/// What is reachable now, and where each line of it comes from.
struct Now {
    snapshot: Snapshot,
    listing: Listing,
    rows: BTreeMap<(String, String), usize>,
}

impl Now {
    fn new(asker: &Asker<'_, '_>, namespace: Option<&str>) -> Self {
        let world = asker.world;
        let filter = Filter { namespace: namespace.map(str::to_owned), ..Filter::default() };
        // Of an enforcer that nobody knows what policies deny is undetermined: of every pair, so it is no line.
        let policies = listed_policies(world);
        let other: Model<'_>;
        let model = match &policies {
            Cow::Borrowed(_) => asker.engines.effective(),
            Cow::Owned(policies) => {
                other = Model::new(&world.cluster, policies);
                &other
            }
        };
        let listing = list(world, model, &filter);
        let mut open = [BTreeSet::new(), BTreeSet::new()];
        for id in world.cluster.workload_ids() {
            let pods = &world.cluster.workload(id).pods;
            for direction in Direction::ALL {
                let free: Vec<PodId> = pods
                    .iter()
                    .copied()
                    .filter(|&pod| !model.is_isolated(pod, direction))
                    .collect();
                if free.is_empty() {
                    continue;
                }
                let pods = (free.len() < pods.len()).then_some(free);
                let end = RowEnd::Workload { id, pods };
                open[direction.index()].insert(end.name(world, Length::Full));
            }
        }
        let mut snapshot = Snapshot { open, unenforced: listing.unenforced, ..Snapshot::default() };
        let mut rows = BTreeMap::new();
        for (at, row) in listing.rows.iter().enumerate() {
            let (key, ports) = line(world, row);
            rows.insert(key.clone(), at);
            snapshot.connections.insert(key, ports);
        }
        Self { snapshot, listing, rows }
    }

    /// The rule that opens a line, and where it stands.
    fn rule(&self, world: &World, key: &(String, String)) -> Option<(String, Location)> {
        let row = self.listing.rows.get(*self.rows.get(key)?)?;
        let mut rules =
            row_reasons(world, row).into_iter().rev().filter(|reason| reason.rule.is_some());
        let last = rules.next()?;
        Some((last.text, world.sources.locate(last.span?)))
    }
}

impl Snapshot {
    /// Reads a snapshot. The error is the number of a line that is none, from 1.
    pub fn parse(text: &str) -> Result<Self, usize> {
        let mut own = Self::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line == UNENFORCED {
                own.unenforced = true;
                continue;
            }
            let open = OPEN.iter().position(|head| line.starts_with(head));
            if let Some(direction) = open {
                own.open[direction].insert(line[OPEN[direction].len()..].to_owned());
                continue;
            }
            let parts = line.split_once(" -> ").and_then(|(source, rest)| {
                let (destination, ports) = rest.split_once("  ")?;
                Some((source.to_owned(), destination.to_owned(), ports.trim().to_owned()))
            });
            let Some((source, destination, ports)) = parts else { return Err(at + 1) };
            own.connections.insert((source, destination), ports);
        }
        Ok(own)
    }

    /// What is said of a connection: that of its line, else everything where nothing closes either end.
    fn ports(&self, key: &(String, String)) -> Option<&str> {
        if let Some(ports) = self.connections.get(key) {
            return Some(ports);
        }
        let is_open = |name: &str, direction: Direction| {
            let own = &self.open[direction.index()];
            // What is no workload is closed by the other end alone.
            own.contains(name)
                || own.contains(name.split(" (").next().unwrap_or(name))
                || !is_workload(name)
        };
        let open = is_open(&key.0, Direction::Egress) && is_open(&key.1, Direction::Ingress);
        open.then_some("every port")
    }

    /// What is otherwise in another one, in the order of its lines.
    pub fn changes(&self, after: &Self) -> Vec<SnapshotChange> {
        let mut out = Vec::new();
        if self.unenforced != after.unenforced {
            let (sign, text) = if after.unenforced {
                ("+", "whether anything enforces policies is not known")
            } else {
                ("-", "it is known whether policies are enforced")
            };
            out.push(SnapshotChange { sign, text: text.into(), key: None });
        }
        for (direction, what) in ["sends anywhere", "is open to everybody"].iter().enumerate() {
            let (old, new) = (&self.open[direction], &after.open[direction]);
            let which = Direction::ALL[direction];
            let opened = new
                .difference(old)
                .map(|name| ("+", format!("{name} {what}: no policy selects it for {which}")));
            let closed = old.difference(new).map(|name| {
                (
                    "-",
                    format!(
                        "{name} {what} no more: a policy selects it for {which}, or it is gone"
                    ),
                )
            });
            let all = opened.chain(closed);
            out.extend(all.map(|(sign, text)| SnapshotChange { sign, text, key: None }));
        }
        let keys: BTreeSet<&(String, String)> =
            self.connections.keys().chain(after.connections.keys()).collect();
        for key in keys {
            let (sign, ports) = match (self.ports(key), after.ports(key)) {
                (Some(old), Some(new)) if old == new => continue,
                (Some(old), Some(new)) => ("~", format!("{old} → {new}")),
                (None, Some(new)) => ("+", new.to_owned()),
                (Some(old), None) => ("-", old.to_owned()),
                (None, None) => continue,
            };
            let text = format!("{} → {}  {ports}", key.0, key.1);
            out.push(SnapshotChange { sign, text, key: Some(key.clone()) });
        }
        out
    }
}

/// Whether a name is NAMESPACE/KIND/NAME: blocks of addresses have slashes, too.
fn is_workload(name: &str) -> bool {
    let mut parts = name.split('/');
    let namespace = parts.next().unwrap_or_default();
    namespace.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && parts.count() >= 2
}

fn line(world: &World, row: &Row) -> ((String, String), String) {
    let source = row.source.name(world, Length::Full);
    let mut destination = row.destination.name(world, Length::Full);
    if let Some(family) = row.family {
        destination = format!("{destination} over {family}");
    }
    let ports = |set: &crate::net::ConnectionSet| {
        if set.is_all() { "every port".to_owned() } else { set.to_string() }
    };
    let said = match (row.verdict.allowed.is_empty(), row.verdict.unknown.is_empty()) {
        (false, true) => ports(&row.verdict.allowed),
        (true, _) => format!("undetermined {}", ports(&row.verdict.unknown)),
        (false, false) => {
            format!("{}; undetermined {}", ports(&row.verdict.allowed), ports(&row.verdict.unknown))
        }
    };
    ((source, destination), said)
}

/// Holds what is reachable against the file of a snapshot, or writes it.
pub(super) fn check(
    asker: &Asker<'_, '_>,
    path: &Path,
    namespace: Option<&str>,
    update: bool,
    found: &mut Findings,
) {
    let help = |text: String, help: &str| Counterexample {
        text,
        reasons: vec![("help".into(), help.to_owned(), None)],
    };
    let cluster = &asker.world.cluster;
    if let Some(name) = namespace {
        let has = |id| cluster.workloads_in(id).next().is_some();
        if !cluster.find_namespace(name).is_some_and(has) {
            found.add(Status::Failed, || {
                Counterexample::plain(format!("namespace `{name}` has no workload in the input"))
            });
            return;
        }
    }
    let now = Now::new(asker, namespace);
    found.pairs += now.snapshot.connections.len();
    found.pairs += now.snapshot.open.iter().map(BTreeSet::len).sum::<usize>();
    let shown = path.display();
    let text = read_text(&InputPath::Path(path.to_path_buf()));
    if update {
        let new = now.snapshot.to_string();
        match &text {
            Ok(old) if *old == new => return,
            Ok(old) if !old.trim().is_empty() && !old.starts_with(HEAD) => {
                found.add(Status::Failed, || {
                    let text = format!("`{shown}` is no snapshot, and is not overwritten");
                    help(text, "`unchanged` names a file of its own, such as `shop.snap`")
                });
                return;
            }
            _ => {}
        }
        if let Err(error) = write_text(path, &new) {
            found.add(Status::Failed, || {
                Counterexample::plain(format!("cannot write `{shown}`: {error}"))
            });
        }
        return;
    }
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            found.add(Status::Failed, || {
                let text = format!("there is no snapshot `{shown}`: {error}");
                help(text, "`kubereach test --update` writes it; read it before you keep it")
            });
            return;
        }
    };
    let stored = match Snapshot::parse(&text) {
        Ok(stored) => stored,
        Err(line) => {
            found.add(Status::Failed, || {
                let text = format!("`{shown}` is no snapshot: line {line} cannot be read");
                help(text, "`kubereach test --update` writes it anew")
            });
            return;
        }
    };
    let changes = stored.changes(&now.snapshot);
    if changes.is_empty() {
        return;
    }
    found.add(Status::Failed, || {
        let count = |sign: &str| changes.iter().filter(|own| own.sign == sign).count();
        let mut reasons = Vec::new();
        for change in changes.iter().take(MOST) {
            let rule = change.key.as_ref().and_then(|key| now.rule(asker.world, key));
            let (text, place) = match rule {
                Some((rule, place)) => (format!("{}   {rule}", change.text), Some(place)),
                None => (change.text.clone(), None),
            };
            reasons.push((change.sign.to_owned(), text, place));
        }
        if changes.len() > MOST {
            reasons.push(("…".into(), format!("and {} more", changes.len() - MOST), None));
        }
        reasons.push(("help".into(), "`kubereach test --update` accepts it".into(), None));
        let text = format!(
            "what is reachable is not what `{shown}` has: {} added, {} removed, {} changed",
            count("+"),
            count("-"),
            count("~")
        );
        Counterexample { text, reasons }
    });
}

#[cfg(test)]
mod tests {
    use super::Snapshot;

    #[test]
    fn a_snapshot_reads_as_it_is_written() {
        let text = "no policy for egress: a/deploy/web\nno policy for ingress: a/deploy/web\n\
                    a/deploy/web -> a/sts/db (db-0, db-1)  tcp/80,443 udp/53; undetermined tcp/9\n";
        let own = Snapshot::parse(text).expect("a snapshot");
        assert_eq!(Snapshot::parse(&own.to_string()).as_ref(), Ok(&own));
        assert_eq!(Snapshot::parse("a/b -> c/d\n"), Err(1));
    }

    #[test]
    fn a_workload_that_no_policy_closes_any_more_is_told_once() {
        let closed = "no policy for egress: a/deploy/web\na/deploy/web -> a/sts/db  tcp/80\n\
                      a/deploy/api -> a/sts/db  tcp/80\n";
        let open = "no policy for egress: a/deploy/web\nno policy for ingress: a/sts/db\n\
                    a/deploy/api -> a/sts/db  tcp/80\n";
        let [closed, open] = [closed, open].map(|text| Snapshot::parse(text).expect("a snapshot"));
        let told: Vec<String> =
            closed.changes(&open).iter().map(|own| format!("{} {}", own.sign, own.text)).collect();
        assert_eq!(
            told,
            [
                "+ a/sts/db is open to everybody: no policy selects it for ingress",
                "~ a/deploy/web → a/sts/db  tcp/80 → every port",
            ]
        );
        assert!(closed.changes(&closed).is_empty());
    }
}
