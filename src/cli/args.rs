//! Arguments.

use crate::analysis::{HintCode, parse_resolution};
use crate::cluster::{LabelEdit, ObjectName, Overlay};
use crate::diagnostic::Code;
use crate::enforcement::{self, Cni, CniError, Distribution};
use crate::manifest::nearest;
use crate::net::{DomainName, Family};
use crate::policy::EffectId;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use std::net::IpAddr;
use std::path::PathBuf;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Kubernetes network reachability, simulated: who can connect to whom, and why.
#[derive(Debug, Parser)]
#[command(
    name = "kubereach",
    version,
    styles = STYLES,
    after_help = "Exit status: 0 allowed or done, 1 denied for some pairs or questions, or all, 2 wrong usage or input, 3 undetermined.",
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) verb: Verb,
    #[command(flatten)]
    pub(super) global: Global,
}

/// Options of every verb that are about output.
#[derive(Args, Debug)]
pub(super) struct Global {
    /// When to use colour.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Output"
    )]
    pub(super) color: ColorWhen,
    /// Only ASCII symbols.
    #[arg(long, global = true, help_heading = "Output")]
    pub(super) ascii: bool,
    /// No warnings.
    #[arg(long, short, global = true, help_heading = "Output")]
    pub(super) quiet: bool,
    /// Notes as well as warnings.
    #[arg(long, short, global = true, conflicts_with = "quiet", help_heading = "Output")]
    pub(super) verbose: bool,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorWhen {
    pub(super) fn write_global(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Can SRC reach DST, on which ports, and why.
    #[command(
        before_help = "Examples:\n  kubereach can -f scenarios/shop shop/deploy/api shop/sts/db --port 5432\n  kubereach can -f scenarios/shop --cni flannel shop/deploy/web shop/sts/db --port 5432"
    )]
    Can(CanArgs),
    /// Why SRC reaches DST or does not: the lines that decide, what nearly matched, every rule.
    #[command(
        before_help = "Examples:\n  kubereach explain -f scenarios/shop shop/deploy/web shop/sts/db --port 5432\n  kubereach explain -f scenarios/service-port-trap store/deploy/web store/svc/api --port 80 --brief"
    )]
    Explain(ExplainArgs),
    /// Every allowed connection, between workloads and with addresses outside.
    #[command(
        before_help = "Examples:\n  kubereach list -f scenarios/shop\n  kubereach list -f scenarios/shop -n payments --direction ingress -o wide"
    )]
    List(ListArgs),
    /// A truth table of pods and pods for one port: `.` allowed, `X` denied, `?` undetermined,
    /// `-` no port of that name.
    #[command(
        before_help = "Examples:\n  kubereach matrix -f scenarios/default-deny --port 80\n  kubereach matrix -f scenarios/shop --in shop --port 8080"
    )]
    Matrix(MatrixArgs),
    /// A picture of the allowed connections.
    #[command(
        before_help = "Examples:\n  kubereach graph -f scenarios/shop -o dot\n  kubereach graph -f scenarios/shop -n payments -o dot | dot -Tsvg > payments.svg"
    )]
    Graph(GraphArgs),
    /// What is reached from SRC, if it is taken over: in one hop, in two, and on.
    #[command(
        before_help = "Examples:\n  kubereach blast-radius -f scenarios/shop shop/deploy/web\n  kubereach blast-radius -f scenarios/shop shop/deploy/web --hops 2 -o svg > web.svg"
    )]
    BlastRadius(RadiusArgs),
    /// By which ways SRC reaches DST over other workloads, the shortest first.
    #[command(
        before_help = "Examples:\n  kubereach paths -f scenarios/shop shop/deploy/web shop/sts/db --port 5432\n  kubereach paths -f scenarios/shop internet shop/sts/db"
    )]
    Paths(PathsArgs),
    /// Which CNI the input shows, and what it makes of these policies.
    #[command(
        before_help = "Examples:\n  kubereach cni -f scenarios/shop\n  kubereach cni -f scenarios/shop --cni cilium@1.19"
    )]
    Cni(CniArgs),
    /// What was understood: namespaces, workloads, policies, and what was set aside.
    #[command(
        before_help = "Examples:\n  kubereach inventory -f scenarios/shop\n  kubereach inventory -f scenarios/monitoring-stack -o json"
    )]
    Inventory(InventoryArgs),
    /// What a change opens and closes: two sets of manifests, two revisions, two CNIs.
    #[command(
        before_help = "Examples:\n  kubereach diff -f scenarios/shop --delete netpol/shop/db-from-api\n  kubereach diff -f scenarios/shop --to-cni cilium@1.20"
    )]
    Diff(DiffArgs),
    /// Whether policies still do what they are meant to: runs the tests beside them.
    #[command(
        before_help = "Examples:\n  kubereach test scenarios/shop\n  kubereach test scenarios/shop --coverage"
    )]
    Test(TestArgs),
    /// The ways in which enforcers part from what policies declare, or one of them in full.
    #[command(
        before_help = "Examples:\n  kubereach effects\n  kubereach effects named-port-all-ports"
    )]
    Effects {
        /// The name of one.
        #[arg(value_name = "NAME", value_parser = effect)]
        name: Option<EffectId>,
    },
    /// What a code in brackets means: `error[unknown-field]`, `hint[label-differs]`, an effect.
    #[command(
        before_help = "Examples:\n  kubereach explain-code\n  kubereach explain-code empty-widens"
    )]
    ExplainCode {
        /// The code.
        #[arg(value_name = "CODE", value_parser = Subject::find)]
        code: Option<Subject>,
    },
    /// The JSON Schema of a document that kubereach prints or reads.
    #[command(
        before_help = "Examples:\n  kubereach schema explain\n  kubereach schema explain > explain.schema.json"
    )]
    Schema {
        /// The document.
        document: SchemaOf,
    },
    /// Completions for a shell.
    #[command(
        before_help = "Examples:\n  kubereach completions bash > ~/.local/share/bash-completion/completions/kubereach\n  kubereach completions zsh > ~/.zfunc/_kubereach"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Documents with a schema.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum SchemaOf {
    /// `explain -o json`
    Explain,
    /// `diff -o json`
    Diff,
    /// `graph -o json`
    Graph,
    /// Test files
    Test,
}

/// Options of every verb that are about input.
#[derive(Args, Clone, Debug)]
pub(super) struct Input {
    /// A file, a folder (read recursively: .yaml .yml .json), or `-` for standard input.
    #[arg(long = "filename", short, value_name = "PATH", help_heading = "Input")]
    pub(super) filename: Vec<String>,
    /// A kustomization, rendered by `kubectl kustomize` or `kustomize`.
    #[arg(long, short, value_name = "DIR", help_heading = "Input")]
    pub(super) kustomize: Vec<PathBuf>,
    /// A chart, rendered by `helm template`.
    #[arg(long, value_name = "CHART", help_heading = "Input")]
    pub(super) helm: Vec<PathBuf>,
    /// A file of values for the charts. Repeatable.
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub(super) values: Vec<PathBuf>,
    /// Folders are always read recursively; taken for the habit of kubectl's users.
    #[arg(long, short = 'R', hide = true)]
    pub(super) recursive: bool,
    /// The namespace of objects and names that state none; `list`, `graph` and `matrix` show what
    /// concerns it.
    #[arg(long, short, value_name = "NAME", value_parser = namespace, help_heading = "Input")]
    pub(super) namespace: Option<String>,
    #[arg(long, value_name = "CNI", value_parser = CniArg::parse, help_heading = "Input", help = cni_help())]
    pub(super) cni: Option<CniArg>,
    /// The distribution of Kubernetes, for the CNI that it comes with: eks, gke, openshift, k3s, kind, …
    #[arg(
        long,
        value_name = "NAME",
        value_parser = Distribution::find,
        conflicts_with = "cni",
        help_heading = "Input"
    )]
    pub(super) distribution: Option<&'static Distribution>,
    /// Blocks that pods without a known address have theirs from [default: any private address].
    #[arg(long, value_name = "CIDR", value_delimiter = ',', help_heading = "Input")]
    pub(super) pod_cidr: Vec<IpNet>,
    /// The address of a domain name, as NAME=ADDRESS. Repeatable.
    #[arg(long, value_name = "NAME=ADDRESS", value_parser = parse_resolution, help_heading = "Input")]
    pub(super) resolve: Vec<(DomainName, IpAddr)>,
    /// Answer for one address family [default: the first that both ends have].
    #[arg(long, value_name = "FAMILY", help_heading = "Input")]
    pub(super) family: Option<FamilyArg>,
    /// Answer without the objects that have errors, and say so.
    #[arg(long, help_heading = "Input")]
    pub(super) skip_invalid: bool,
    /// Answer as if policies of APIs that are not evaluated were not there.
    #[arg(long, help_heading = "Input")]
    pub(super) ignore_unsupported: bool,
    /// Keep pods that have succeeded or failed, as if they ran.
    #[arg(long, help_heading = "Input")]
    pub(super) include_finished: bool,
    #[command(flatten)]
    pub(super) overlay: OverlayArgs,
}

/// What would be otherwise.
#[derive(Args, Clone, Debug)]
pub(super) struct OverlayArgs {
    /// Answer as if these objects were applied: added, or put in place of those of the same name.
    #[arg(long, value_name = "PATH", help_heading = "What if")]
    pub(super) apply: Vec<String>,
    /// Answer as if this object were deleted, as KIND/NAMESPACE/NAME. Repeatable.
    #[arg(long, value_name = "OBJECT", value_parser = ObjectName::parse, help_heading = "What if")]
    pub(super) delete: Vec<ObjectName>,
    /// Answer as if a pod, or all pods of a workload, had a label: `shop/deploy/web tier=front`,
    /// `shop/web tier-` takes it away. Repeatable.
    #[arg(long, num_args = 2, value_names = ["PODS", "LABEL"], help_heading = "What if")]
    pub(super) label: Vec<String>,
    /// The same of a namespace: `shop team=red`.
    #[arg(long, num_args = 2, value_names = ["NAMESPACE", "LABEL"], help_heading = "What if")]
    pub(super) namespace_label: Vec<String>,
    /// Answer as if a workload had so many pods: `shop/deploy/web=0`. Repeatable.
    #[arg(long, value_name = "WORKLOAD=PODS", value_parser = scale, help_heading = "What if")]
    pub(super) scale: Vec<(ObjectName, u32)>,
}

impl OverlayArgs {
    /// Whether anything is asked for.
    pub(super) fn is_asked(&self) -> bool {
        !(self.apply.is_empty()
            && self.delete.is_empty()
            && self.label.is_empty()
            && self.namespace_label.is_empty()
            && self.scale.is_empty())
    }

    /// The edits that it asks for.
    pub(super) fn edits(&self) -> Result<Overlay, String> {
        let mut labels = Vec::new();
        for pair in self.label.chunks_exact(2) {
            labels.push((ObjectName::parse(&pair[0])?, LabelEdit::parse(&pair[1])?));
        }
        let mut namespace_labels = Vec::new();
        for pair in self.namespace_label.chunks_exact(2) {
            namespace_labels.push((pair[0].clone(), LabelEdit::parse(&pair[1])?));
        }
        Ok(Overlay {
            delete: self.delete.clone(),
            scale: self.scale.clone(),
            labels,
            namespace_labels,
        })
    }
}

fn scale(text: &str) -> Result<(ObjectName, u32), String> {
    let fail = || format!("`{text}`: write WORKLOAD=PODS, such as `shop/deploy/web=0`");
    let (name, pods) = text.rsplit_once('=').ok_or_else(fail)?;
    Ok((ObjectName::parse(name)?, pods.parse().map_err(|_| fail())?))
}

fn most(text: &str) -> Result<usize, String> {
    let number: Option<usize> = text.parse().ok();
    number.filter(|own| (1..=10_000).contains(own)).ok_or("a number from 1 to 10000".into())
}

/// What `--cni` names.
#[derive(Clone, Debug)]
pub(super) enum CniArg {
    /// One.
    One(Cni),
    /// Every one that is known.
    All,
}

impl From<Cni> for CniArg {
    fn from(cni: Cni) -> Self {
        Self::One(cni)
    }
}

impl CniArg {
    fn parse(text: &str) -> Result<Self, CniError> {
        if text == "all" { Ok(Self::All) } else { Cni::parse(text).map(Self::One) }
    }
}

fn cni_names() -> String {
    let names: Vec<&str> = enforcement::PROFILES.iter().map(|profile| profile.name).collect();
    names.join(", ")
}

fn cni_help() -> String {
    format!(
        "The CNI that is installed, as NAME[@VERSION][,OPTION=VALUE]…: it decides what becomes of policies; `can` also takes `all` [default: the one that the input shows] [{}]",
        cni_names()
    )
}

fn effect(name: &str) -> Result<EffectId, String> {
    let found = EffectId::ALL.iter().find(|effect| effect.name() == name);
    found.copied().ok_or_else(|| {
        let names = EffectId::ALL.iter().map(|effect| effect.name());
        match nearest(name, names) {
            Some(guess) => format!("did you mean `{guess}`? `kubereach effects` lists them"),
            None => "`kubereach effects` lists them".into(),
        }
    })
}

/// Something with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A finding about the input.
    Finding(Code),
    /// A hint of an explanation.
    Hint(HintCode),
    /// What an enforcer makes of policies.
    Effect(EffectId),
}

impl Subject {
    fn all() -> impl Iterator<Item = (&'static str, Self)> {
        let findings = Code::ALL.iter().map(|code| (code.name(), Self::Finding(*code)));
        let hints = HintCode::ALL.iter().map(|code| (code.name(), Self::Hint(*code)));
        let effects = EffectId::ALL.iter().map(|effect| (effect.name(), Self::Effect(*effect)));
        findings.chain(hints).chain(effects)
    }

    /// Takes `unknown-field` and, as it is printed, `error[unknown-field]`.
    fn find(text: &str) -> Result<Self, String> {
        let inner = text.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
        let name = inner.unwrap_or(text);
        let found = Self::all().find(|(own, _)| *own == name).map(|(_, subject)| subject);
        let names: Vec<&str> = Self::all().map(|(name, _)| name).collect();
        found.ok_or_else(|| match nearest(name, names.iter().copied()) {
            Some(guess) => format!("did you mean `{guess}`? `kubereach explain-code` lists them"),
            None => "`kubereach explain-code` lists them".into(),
        })
    }
}

fn namespace(name: &str) -> Result<String, String> {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !name.is_empty() && name.len() <= 63 && name.bytes().all(legal) {
        Ok(name.to_owned())
    } else {
        Err("a namespace has lower case letters, digits and hyphens".into())
    }
}

/// An address family.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum FamilyArg {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl From<FamilyArg> for Family {
    fn from(family: FamilyArg) -> Self {
        match family {
            FamilyArg::Ipv4 => Self::V4,
            FamilyArg::Ipv6 => Self::V6,
        }
    }
}

/// What the ends of a question may be.
const ENDS: &str = "\
Ends of a question:
  NAMESPACE/KIND/NAME   shop/deploy/web, shop/sts/db, shop/svc/api (its pods and targetPort)
  NAMESPACE/NAME        a workload or pod, if the first part is no kind
  KIND/NAME, NAME       in the namespace of -n
  LABELS                app=web, 'tier in (front,back),!canary' (in the namespace of -n, or in all)
  ns/NAME, node/NAME    every pod of a namespace; a node
  ADDRESS, CIDR         an address of a pod or node is that pod or node
  internet              every public address
  api.example.com       a host outside by name; NAME.NAMESPACE.svc is the Service
  metadata              the cloud's metadata service (also: azure-wireserver, node-local-dns)";

#[derive(Args, Debug)]
#[command(after_help = ENDS)]
pub(super) struct CanArgs {
    #[command(flatten)]
    pub(super) input: Input,
    /// Who connects.
    #[arg(value_name = "SRC", required_unless_present = "questions")]
    pub(super) source: Option<String>,
    /// To whom.
    #[arg(value_name = "DST", required_unless_present = "questions")]
    pub(super) destination: Option<String>,
    /// A port: 80, 53/udp, 8000-8100, or the name of a container or Service port. Repeatable;
    /// without it the answer is what is allowed.
    #[arg(long, short, value_name = "PORT", value_delimiter = ',')]
    pub(super) port: Vec<String>,
    /// Answer many: a file (or `-`) with one `SRC DST PORT[/PROTO]` a line.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "destination", "port"])]
    pub(super) questions: Option<String>,
    /// text, json; with --questions also csv.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(super) output: CanFormat,
}

#[derive(Args, Debug)]
#[command(after_help = ENDS)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    pub(super) input: Input,
    /// Who connects.
    #[arg(value_name = "SRC")]
    pub(super) source: String,
    /// To whom.
    #[arg(value_name = "DST")]
    pub(super) destination: String,
    /// A port: 80, 53/udp, 8000-8100, or the name of a container or Service port. Repeatable;
    /// without it the answer is about every port.
    #[arg(long, short, value_name = "PORT", value_delimiter = ',')]
    pub(super) port: Vec<String>,
    /// The reasons and hints alone, without lines of YAML and without the account of every rule.
    #[arg(long)]
    pub(super) brief: bool,
    /// How to print.
    #[arg(long, short, value_name = "FORMAT", default_value = "text", conflicts_with = "brief")]
    pub(super) output: ExplainFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ExplainFormat {
    Text,
    /// One document, as `kubereach schema explain` describes it.
    Json,
    /// Markdown, for pull requests.
    Md,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CanFormat {
    Text,
    Json,
    Csv,
}

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub(super) input: Input,
    #[command(flatten)]
    pub(super) filter: FilterArgs,
    /// How to print.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(super) output: ListFormat,
}

/// Which connections.
#[derive(Args, Debug)]
pub(super) struct FilterArgs {
    /// Only connections of this workload (an end as `can` takes it).
    #[arg(long, short, value_name = "END", help_heading = "Filter")]
    pub(super) workload: Option<String>,
    /// Only these ports: 80, 53/udp, 8000-8100.
    #[arg(long, short, value_name = "PORT", value_delimiter = ',', help_heading = "Filter")]
    pub(super) port: Vec<String>,
    /// Only connections into (ingress) or out of (egress) the namespace or workload.
    #[arg(long, value_name = "DIRECTION", help_heading = "Filter")]
    pub(super) direction: Option<DirectionArg>,
    /// Pairs that no policy isolates as well.
    #[arg(long, help_heading = "Filter")]
    pub(super) all: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum DirectionArg {
    Ingress,
    Egress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ListFormat {
    Text,
    /// With the rules that open each connection, and no rows joined.
    Wide,
    Json,
    Yaml,
    Csv,
    /// Markdown.
    Md,
}

#[derive(Args, Debug)]
pub(super) struct MatrixArgs {
    #[command(flatten)]
    pub(super) input: Input,
    /// The port: 80, 53/udp, 8000-8100, or the name of a container port.
    #[arg(long, short, value_name = "PORT")]
    pub(super) port: String,
    /// Only pods of this namespace.
    #[arg(long = "in", value_name = "NAMESPACE")]
    pub(super) within: Option<String>,
    /// How to print.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(super) output: MatrixFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum MatrixFormat {
    Text,
    Json,
    /// One pair a line.
    Csv,
}

#[derive(Args, Debug)]
pub(super) struct GraphArgs {
    #[command(flatten)]
    pub(super) input: Input,
    #[command(flatten)]
    pub(super) filter: FilterArgs,
    /// The form of the picture [default: boxes for a few workloads, else a matrix].
    #[arg(long, value_name = "VIEW")]
    pub(super) view: Option<ViewArg>,
    /// Draw this end (as `can` takes it), who reaches it and whom it reaches.
    #[arg(long, value_name = "END", conflicts_with_all = ["workload", "view"])]
    pub(super) focus: Option<String>,
    /// With --focus: how many steps away.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "focus", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub(super) depth: u8,
    /// The language of the picture [default: by the ending of --out, else dot].
    #[arg(long, short, value_name = "FORMAT")]
    pub(super) output: Option<GraphFormat>,
    /// A file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// The forms of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ViewArg {
    /// Sources down, destinations across: the form for more than twenty ends.
    Matrix,
    /// Namespaces, and how many of their pairs connect.
    Overview,
    /// Workloads in the boxes of their namespaces.
    Workloads,
    /// What the edits (--apply, --delete, --label, …) open and close.
    Diff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum GraphFormat {
    /// Graphviz.
    Dot,
    /// For Markdown: within GitHub's limits.
    Mermaid,
    /// A picture of its own, light and dark; no other program is needed to see it.
    Svg,
    /// One file with all views, search, filters, and the rules behind each connection.
    Html,
    /// Nodes and links, as `NetworkX` and D3 read them (`kubereach schema graph`).
    Json,
    /// A picture in dots.
    #[cfg(feature = "png")]
    Png,
}

#[derive(Args, Debug)]
pub(super) struct RadiusArgs {
    #[command(flatten)]
    pub(super) input: Input,
    /// Who is taken over (an end as `can` takes it).
    #[arg(value_name = "SRC")]
    pub(super) source: String,
    /// How many hops [default: until nothing more is reached].
    #[arg(long, value_name = "N")]
    pub(super) hops: Option<usize>,
    /// How to print.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(super) output: HopFormat,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 there is a way, 1 there is none, 2 wrong usage or input, 3 there may be one."
)]
pub(super) struct PathsArgs {
    #[command(flatten)]
    pub(super) input: Input,
    /// Who connects first (an end as `can` takes it).
    #[arg(value_name = "SRC")]
    pub(super) source: String,
    /// To whom in the end.
    #[arg(value_name = "DST")]
    pub(super) destination: String,
    /// The port of the last hop.
    #[arg(long, short, value_name = "PORT", value_delimiter = ',')]
    pub(super) port: Vec<String>,
    /// At most so many hops.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(super) hops: u8,
    /// At most so many ways.
    #[arg(long, value_name = "N", default_value = "5", value_parser = most)]
    pub(super) most: usize,
    /// text or json.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(super) output: HopFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum HopFormat {
    Text,
    Json,
    /// A picture in columns, one for each hop.
    Svg,
    Mermaid,
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Sides:
  diff BASE HEAD               files or folders; `-` for standard input
  diff --git main...HEAD       HEAD against where it left main, from git's object store
  diff --git A..B              B against A
  diff --git HEAD              the working tree against HEAD
  diff … -- deploy/            only these paths of either revision
  diff … --render -- overlays/prod
                               the same, rendered by kustomize or helm
  diff -f DUMP --apply FILE    the cluster with the change against the one without it
  diff -f PATH --to-cni CNI    one set of manifests on two CNIs
With -f beside other sides, each side is applied over what -f names, such as a dump of the cluster.

Exit status: 0 the same, 1 different, 2 wrong usage or input, 3 undetermined.")]
pub(super) struct DiffArgs {
    #[command(flatten)]
    pub(super) input: Input,
    /// The first side: what is.
    #[arg(value_name = "BASE", requires = "head", conflicts_with = "git")]
    pub(super) base: Option<String>,
    /// The second side: what would be.
    #[arg(value_name = "HEAD")]
    pub(super) head: Option<String>,
    /// Compare git revisions: A...B, A..B, or A and the working tree.
    #[arg(long, value_name = "RANGE")]
    pub(super) git: Option<String>,
    /// Of git revisions, only these paths.
    #[arg(last = true, value_name = "PATH", requires = "git")]
    pub(super) paths: Vec<String>,
    /// The CNI of the second side, as `--cni` takes it; that of the first is that of `--cni`, or the one that
    /// the input shows.
    #[arg(long, value_name = "CNI", value_parser = Cni::parse)]
    pub(super) to_cni: Option<Cni>,
    /// Render BASE and HEAD, or with --git the paths of either revision, if they are kustomizations or charts. A
    /// revision is written to a temporary folder for that, and relative `--values` are those of the same revision.
    #[arg(long)]
    pub(super) render: bool,
    /// Which changes make the exit status 1.
    #[arg(long, value_name = "CHANGE", value_delimiter = ',', default_value = "any")]
    pub(super) fail_on: Vec<FailOn>,
    /// How to print.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(super) output: DiffFormat,
}

/// What a gate is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// Every difference.
    Any,
    /// None: the status is 0 whatever changes.
    None,
    /// A connection that was not there.
    Added,
    /// One that is gone.
    Removed,
    /// One of which some ports open or close.
    Changed,
    /// Anything that opens, new connection or not.
    Opens,
    /// Anything that closes.
    Closes,
    /// A workload that the internet reaches on ports on which it did not.
    Internet,
    /// A connection that is there before and after, and not while pods are replaced.
    Breaks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DiffFormat {
    Text,
    Json,
    /// Markdown, for pull requests: within what a comment of GitHub holds.
    Md,
    /// Annotations of a GitHub workflow.
    Github,
}

#[derive(Args, Debug)]
#[command(after_help = "\
A test file names manifests and what must hold for them (`kubereach schema test`):
  apiVersion: kubereach/v1
  kind: ReachabilityTest
  manifests: [deploy/]
  cni: calico
  expectations:
    - {name: web reaches the API, from: shop/deploy/web, to: shop/deploy/api, port: 8080, verdict: allowed}
    - {name: the API alone reaches the database, to: shop/sts/db, onlyFrom: shop/deploy/api}
    - {name: tenants are isolated, isolated: [ns/red, ns/blue]}
    - {name: nothing else changes, unchanged: shop.snap}
Tests of NetAssert run as they are: `kubereach test -f MANIFESTS tests.netassert.yaml`.

Exit status: 0 all hold, 1 some do not, 2 wrong usage or input, 3 of some it cannot be said.")]
pub(super) struct TestArgs {
    #[command(flatten)]
    pub(super) input: Input,
    /// Test files, or folders with files called `*.reach.yaml`, `*.netassert.yaml` or `scenario.yaml`
    /// [default: the folder at hand].
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Only expectations whose name, or whose file's path, holds this text. Repeatable.
    #[arg(long, value_name = "TEXT")]
    pub(super) filter: Vec<String>,
    /// Print a first test file: what holds today of the manifests of -f (of the namespace of -n).
    #[arg(long, conflicts_with_all = ["paths", "filter", "list", "fail_fast", "update", "coverage"])]
    pub(super) init: bool,
    /// Print the names of expectations and run none.
    #[arg(long)]
    pub(super) list: bool,
    /// Stop at the first that does not hold.
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// Write the snapshots of `unchanged` anew: accept what is reachable now.
    #[arg(long)]
    pub(super) update: bool,
    /// Which policies and rules nobody would miss: takes each away and sees whether an expectation
    /// notices.
    #[arg(long)]
    pub(super) coverage: bool,
    /// With --coverage: the status is 1 below so many percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, requires = "coverage")]
    pub(super) coverage_at_least: usize,
    /// How to print.
    #[arg(long, short, visible_alias = "format", value_name = "FORMAT", default_value = "text")]
    pub(super) output: TestFormat,
}

/// How `test` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TestFormat {
    /// What does not hold, and why; with --verbose what holds as well.
    Text,
    Json,
    Junit,
    /// The Test Anything Protocol, version 14.
    Tap,
    /// Annotations of a GitHub workflow.
    Github,
}

#[derive(Args, Debug)]
pub(super) struct CniArgs {
    #[command(flatten)]
    pub(super) input: Input,
    /// How to print.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(super) output: InventoryFormat,
}

#[derive(Args, Debug)]
pub(super) struct InventoryArgs {
    #[command(flatten)]
    pub(super) input: Input,
    /// How to print.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(super) output: InventoryFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum InventoryFormat {
    Text,
    Json,
}
