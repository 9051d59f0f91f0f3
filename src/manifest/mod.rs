//! Files to typed resources. The only module that reads the file system.
//!
//! Input: paths, folders, standard input. Output: [`Loaded`]: [`Resource`]s that have passed the
//! API server's checks, [`SetAside`] for everything else, and diagnostics with file, line and
//! column. Nothing is dropped: every object is in one of the two lists.
//!
//! ```text
//!   discover ─▶ text ─▶ pieces ─▶ yaml | json ─▶ Node ─▶ object ─▶ decode ─▶ validate ─▶ Resource
//!   (paths)    (UTF-8)  (at ---)   (go-yaml's meaning)  (envelope) (strict)  (server's rules)
//! ```
//!
//! Pieces are read in parallel; the order of files and arguments changes nothing. What kubectl prints
//! of a cluster takes a shorter way, through `kubectl`, to the same resources.

mod clue;
mod decode;
mod discover;
mod documents;
mod fault;
mod file;
mod git;
mod item;
mod json;
mod kinds;
mod known;
mod kubectl;
mod kustomize;
mod load;
mod map;
mod mapping;
mod node;
mod object;
mod ordered;
mod place;
mod positions;
mod prune;
mod read;
mod rendered;
mod resource;
mod scalar;
mod schema;
mod template;
mod text;
mod validate;
mod yaml;

pub use clue::{Clue, ContainerClue};
pub use decode::nearest;
pub use discover::{InputPath, is_test_file};
pub(crate) use documents::documents;
pub use documents::{files_below, files_matching, write_text};
pub use file::Readers;
pub use git::{GitError, GitFile, git_files, git_has, git_range, git_working_files};
pub use item::{Reason, SetAside};
pub use known::Known;
pub use load::{Loaded, load, load_over, load_text, load_text_by, load_texts, read_text};
pub(crate) use node::{Node, Value};
pub use ordered::{
    AdminKind, AdminPeer, AdminPeerResource, AdminPolicyResource, AdminPort, AdminPortResource,
    AdminRuleResource, AdminTier, EgressFirewallResource, FirewallKind, FirewallPeer,
    FirewallRuleResource, PodsSelector, RuleAction,
};
pub(crate) use place::Place;
pub use read::digest;
pub use rendered::{
    RenderError, RenderedRevisions, render_chart, render_folder, render_kustomization,
    render_revisions,
};
pub use resource::{
    AddressList, ContainerPort, Digest, LabelSelector, Labels, Meta, NetworkPolicyResource,
    NodeResource, Operator, Owner, PeerResource, PeerSelects, PodResource, PodShape, PortRef,
    PortResource, Requirement, Resource, RuleResource, ServicePort, ServiceResource,
    WorkloadResource,
};
pub(crate) use scalar::is_string;
