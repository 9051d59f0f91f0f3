//! `list`, for people and spreadsheets.

use super::style::loud;
use super::table::{self, cell, count};
use crate::analysis::{Length, Lister, Listing, Row, RowEnd, World};
use crate::cluster::WorkloadId;
use crate::enforcement::Enforcement;
use crate::engine::Verdict;
use crate::net::{ConnectionSet, Family};
use crate::policy::Certainty;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListStyle {
    /// A table; rows that differ in their source only are joined where they cover a whole namespace.
    Joined,
    /// A table with a line for each row.
    Each,
    /// The same with the rules that open each.
    Wide,
    /// Comma-separated values.
    Csv,
}

/// Writes a list row by row. Returns whether anything in it is undetermined, and what is to be said
/// below it.
pub fn write_listing(
    world: &World,
    lister: &Lister<'_, '_, '_>,
    style: ListStyle,
    out: &mut dyn io::Write,
) -> io::Result<(bool, String)> {
    let names = Names::new(world, style);
    let mut written = Ok(());
    let mut undetermined = false;
    if style == ListStyle::Csv {
        out.write_all(CSV_HEADER.as_bytes())?;
        let each = |rows: Vec<Row>| {
            (rows.iter().any(|row| !row.verdict.unknown.is_empty()), csv_rows(&names, &rows))
        };
        let _ = lister.by_source(each, |parts| {
            undetermined |= parts.iter().any(|(unknown, _)| *unknown);
            written = parts.iter().try_for_each(|(_, text)| out.write_all(text.as_bytes()));
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        written?;
        return Ok((undetermined, String::new()));
    }
    let unknown = lister.may_be_undetermined();
    let mut table = Table { style, unknown, start: Vec::new(), rows: 0, layout: None, out };
    let take = |parts: Vec<Vec<Shown>>| {
        undetermined |= parts.iter().flatten().any(|row| !row.unknown.is_empty());
        written = table.add(parts);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let _ = match style {
        ListStyle::Joined => lister.by_destination(|rows| join(&names, &rows), take),
        _ => lister.by_source(|rows| each(&names, &rows), take),
    };
    written?;
    table.finish()?;
    Ok((undetermined, footer(world, &lister.summary())))
}

/// The longest start of a table by which its columns are laid out.
const START: usize = 50_000;

/// A table that is written as it comes.
struct Table<'o> {
    style: ListStyle,
    /// Rows to come may leave something undetermined.
    unknown: bool,
    /// The first rows, until there are enough of them.
    start: Vec<Vec<Shown>>,
    rows: usize,
    layout: Option<Layout>,
    out: &'o mut dyn io::Write,
}

struct Layout {
    widths: Vec<usize>,
    undetermined: bool,
}

impl Table<'_> {
    fn add(&mut self, parts: Vec<Vec<Shown>>) -> io::Result<()> {
        if self.layout.is_some() {
            return self.write(&parts);
        }
        self.rows += parts.iter().map(Vec::len).sum::<usize>();
        self.start.extend(parts);
        if self.rows >= START { self.lay_out(true) } else { Ok(()) }
    }

    /// Writes the header and the first rows. `more` says that there may be others.
    fn lay_out(&mut self, more: bool) -> io::Result<()> {
        let start = std::mem::take(&mut self.start);
        let rows = || start.iter().flatten();
        let undetermined = more && self.unknown || rows().any(|row| !row.unknown.is_empty());
        let mut header = vec!["SOURCE", "DESTINATION", "PORTS"];
        if undetermined {
            header.push("UNDETERMINED");
        }
        if self.style == ListStyle::Wide {
            header.push("FIRST RULES");
        }
        let layout = Layout { widths: Vec::new(), undetermined };
        let widths = rows().fold(table::widths(&header), |mut widths, row| {
            table::widen(&mut widths, &row.cells(self.style, &layout));
            widths
        });
        self.out.write_all(table::line(&widths, &header).as_bytes())?;
        self.layout = Some(Layout { widths, ..layout });
        self.write(&start)
    }

    fn write(&mut self, parts: &[Vec<Shown>]) -> io::Result<()> {
        let Some(layout) = &self.layout else { return Ok(()) };
        let text = |rows: &Vec<Shown>| -> String {
            let cells = rows.iter().map(|row| row.cells(self.style, layout));
            cells.map(|cells| table::line(&layout.widths, &cells)).collect()
        };
        let texts: Vec<String> = parts.par_iter().map(text).collect();
        texts.iter().try_for_each(|text| self.out.write_all(text.as_bytes()))
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.layout.is_some() {
            return Ok(());
        }
        if self.rows == 0 {
            return self.out.write_all(b"no connection to list\n");
        }
        self.lay_out(false)
    }
}

/// Which CNI is taken to enforce the policies, if one was named.
pub(super) fn enforced_by(world: &World) -> String {
    let Some(cni) = &world.cni else { return String::new() };
    if world.policies.ignored {
        let policies = match world.declared_policies() {
            1 => "1 policy has no effect".to_owned(),
            n => format!("{n} policies have no effect"),
        };
        return loud(&format!(
            "{cni} does not enforce NetworkPolicies: {policies}, everything is allowed\n"
        ));
    }
    if cni.profile.enforcement == Enforcement::Unknown {
        let text =
            "whether anything enforces policies is not known: what they deny is undetermined\n";
        return format!("{}{}", loud(text), super::can::basis(world));
    }
    format!("{}{}", super::can::basis(world), super::can::inert(world))
}

/// What the table leaves out, and how much it shows of how much.
fn footer(world: &World, listing: &Listing) -> String {
    let mut out = String::from("\n");
    out.push_str(&super::can::left_out(world));
    out.push_str(&enforced_by(world));
    if world.policies.ignored {
        return out;
    }
    if listing.unenforced {
        out.push_str("  listed is what policies allow\n");
    }
    if listing.open_pairs > 0 {
        out.push_str(&format!(
            "open by default: {} of {} pairs of workloads in the input, as no policy selects the source for egress or the destination for ingress (`--all` lists them)\n",
            listing.open_pairs, listing.pairs
        ));
        out.push_str(&format!(
            "  workloads that accept everything: {}; that may reach everything: {}\n",
            listing.open_ingress.len(),
            listing.open_egress.len()
        ));
    }
    if !listing.on_nodes.is_empty() {
        let names: Vec<String> =
            listing.on_nodes.iter().take(5).map(|&id| world.cluster.workload_name(id)).collect();
        let more = listing.on_nodes.len().saturating_sub(5);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        out.push_str(&format!(
            "not listed: a node, and so {}{more} on it, always reaches the pods that run on it\n",
            names.join(", ")
        ));
    }
    match world.policies.dataplane.reaches_own_node {
        Certainty::No => {}
        Certainty::Maybe => {
            out.push_str(
                "not listed: nobody has verified whether a pod always reaches its own node\n",
            );
        }
        Certainty::Yes => {
            out.push_str("not listed: a pod always reaches the node that it runs on\n");
        }
    }
    out
}

struct Shown {
    source: Arc<str>,
    destination: Arc<str>,
    ports: Arc<str>,
    unknown: Arc<str>,
    rules: String,
}

impl Shown {
    fn cells(&self, style: ListStyle, layout: &Layout) -> Vec<&str> {
        let mut cells: Vec<&str> = vec![&self.source, &self.destination, &self.ports];
        if layout.undetermined {
            cells.push(&self.unknown);
        }
        if style == ListStyle::Wide {
            cells.push(&self.rules);
        }
        cells
    }
}

/// Names that are printed again and again.
struct Names<'w> {
    world: &'w World,
    workloads: Vec<Arc<str>>,
    /// The same as fields of CSV, if that is what they are for.
    quoted: Vec<String>,
    /// By namespace: its workloads that have pods.
    members: Vec<Vec<WorkloadId>>,
}

impl<'w> Names<'w> {
    fn new(world: &'w World, style: ListStyle) -> Self {
        let cluster = &world.cluster;
        let ids: Vec<WorkloadId> = cluster.workload_ids().collect();
        let workloads: Vec<Arc<str>> =
            ids.par_iter().map(|&id| cluster.workload_name(id).into()).collect();
        let quoted = match style {
            ListStyle::Csv => workloads.par_iter().map(|name| csv_field(name)).collect(),
            ListStyle::Joined | ListStyle::Each | ListStyle::Wide => Vec::new(),
        };
        let mut members = vec![Vec::new(); cluster.namespaces.len()];
        for id in ids {
            let workload = cluster.workload(id);
            if !workload.pods.is_empty() {
                members[workload.namespace.index()].push(id);
            }
        }
        Self { world, workloads, quoted, members }
    }

    fn of(&self, end: &RowEnd, length: Length) -> Arc<str> {
        match end {
            RowEnd::Workload { id, pods: None } => Arc::clone(&self.workloads[id.index()]),
            end => end.name(self.world, length).into(),
        }
    }
}

/// Ports, and the family if they are about one.
fn ports(row: &Row) -> Arc<str> {
    let allowed = &row.verdict.allowed;
    let set = if allowed.is_empty() { "-".into() } else { allowed.to_string() };
    match row.family {
        Some(family) => format!("{set} ({family} only)").into(),
        None => set.into(),
    }
}

fn or_empty(set: &ConnectionSet) -> String {
    if set.is_empty() { String::new() } else { set.to_string() }
}

/// A verdict by its place in memory, and the family that it is about.
type VerdictKey = (*const Verdict, Option<Family>);

/// What verdicts are called: many rows have the same one.
#[derive(Default)]
struct Said {
    /// By the place of the verdict in memory, which the rows at hand keep.
    known: FxHashMap<VerdictKey, (Arc<str>, Arc<str>)>,
}

impl Said {
    /// Allowed ports, and undetermined ones.
    fn of(&mut self, row: &Row) -> (Arc<str>, Arc<str>) {
        let key = (Arc::as_ptr(&row.verdict), row.family);
        let words = || (ports(row), or_empty(&row.verdict.unknown).into());
        self.known.entry(key).or_insert_with(words).clone()
    }
}

fn each(names: &Names<'_>, rows: &[Row]) -> Vec<Shown> {
    let mut said = Said::default();
    rows.iter()
        .map(|row| {
            let (ports, unknown) = said.of(row);
            Shown {
                source: names.of(&row.source, Length::Short),
                destination: names.of(&row.destination, Length::Short),
                ports,
                unknown,
                rules: rules(names.world, row),
            }
        })
        .collect()
}

/// The rules that open the row: the first of each end.
fn rules(world: &World, row: &Row) -> String {
    row.rules
        .iter()
        .map(|(text, span)| format!("{text} {}", world.sources.locate(*span)))
        .collect::<Vec<_>>()
        .join("; ")
}

/// What rows must share to be joined.
type Key<'r> = (&'r RowEnd, &'r Verdict, Option<Family>);

/// Joins rows with equal destination and ports: all workloads of a namespace become `shop/*`.
fn join(names: &Names<'_>, rows: &[Row]) -> Vec<Shown> {
    let cluster = &names.world.cluster;
    let namespace_of = |id: WorkloadId| cluster.workload(id).namespace;
    let mut by_destination: BTreeMap<Key<'_>, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let key = (&row.destination, &*row.verdict, row.family);
        by_destination.entry(key).or_default().push(row);
    }
    let mut said = Said::default();
    let mut out = Vec::new();
    for ((destination, ..), mut rows) in by_destination {
        rows.sort_by(|a, b| a.source.cmp(&b.source));
        let target = match destination {
            RowEnd::Workload { id, .. } => Some(*id),
            RowEnd::Nodes(_) | RowEnd::External(_) | RowEnd::Names(_) => None,
        };
        // Ascending, and so by namespace.
        let whole: Vec<WorkloadId> = rows
            .iter()
            .filter_map(|row| match row.source {
                RowEnd::Workload { id, pods: None } => Some(id),
                _ => None,
            })
            .collect();
        let mut sources: Vec<Arc<str>> = Vec::new();
        let mut covered = Vec::new();
        for own in whole.chunk_by(|a, b| namespace_of(*a) == namespace_of(*b)) {
            let Some(&first) = own.first() else { continue };
            let namespace = namespace_of(first);
            let members = &names.members[namespace.index()];
            let others = members.iter().filter(|id| Some(**id) != target);
            let count_of_others = others.clone().count();
            if count_of_others > 1
                && count_of_others <= own.len()
                && others.clone().all(|id| own.binary_search(id).is_ok())
            {
                // A workload's own pods are part of its namespace, too.
                let name = &cluster.namespace(namespace).name;
                sources.push(format!("{name}/* ({})", count(own.len(), "workload")).into());
                covered.extend(own);
            }
        }
        for row in &rows {
            let inside = matches!(row.source, RowEnd::Workload { id, pods: None } if covered.binary_search(&id).is_ok());
            if !inside {
                sources.push(names.of(&row.source, Length::Short));
            }
        }
        let Some(first) = rows.first() else { continue };
        let to = names.of(destination, Length::Short);
        let (open, unknown) = said.of(first);
        for source in sources {
            out.push(Shown {
                source,
                destination: Arc::clone(&to),
                ports: Arc::clone(&open),
                unknown: Arc::clone(&unknown),
                rules: String::new(),
            });
        }
    }
    out
}

const CSV_HEADER: &str = "source,destination,allowed,undetermined,family\n";

/// Rows as CSV.
fn csv_rows(names: &Names<'_>, rows: &[Row]) -> String {
    let mut said: FxHashMap<VerdictKey, String> = FxHashMap::default();
    let mut out = String::new();
    for row in rows {
        for end in [&row.source, &row.destination] {
            match end {
                RowEnd::Workload { id, pods: None } => out.push_str(&names.quoted[id.index()]),
                end => out.push_str(&csv_field(&end.name(names.world, Length::Full))),
            }
            out.push(',');
        }
        let rest = said.entry((Arc::as_ptr(&row.verdict), row.family)).or_insert_with(|| {
            let Verdict { allowed, unknown } = &*row.verdict;
            let family = row.family.map(|family| family.to_string()).unwrap_or_default();
            csv_line(&[&or_empty(allowed), &or_empty(unknown), &family])
        });
        out.push_str(rest);
    }
    out
}

/// A field, in quotes if it needs them.
fn csv_field(text: &str) -> String {
    let mut line = csv_line(&[text]);
    line.truncate(line.len() - 1);
    line
}

fn csv_line(fields: &[&str]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let _ = writer.write_record(fields);
    super::questions::finish_csv(writer)
}

/// The rows as a Markdown table.
pub fn listing_markdown(world: &World, listing: &Listing) -> String {
    let mut out =
        String::from("| Source | Destination | Ports | Undetermined |\n|---|---|---|---|\n");
    for row in join(&Names::new(world, ListStyle::Joined), &listing.rows) {
        out.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            cell(&row.source),
            cell(&row.destination),
            cell(&row.ports),
            cell(&row.unknown)
        ));
    }
    out.push_str(&footer(world, listing));
    out
}
