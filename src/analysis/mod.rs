//! Questions to answers, as data.
//!
//! Input: a [`Model`](crate::engine::Model) and a question. Output: an answer that a renderer can
//! show in any format. Nothing here prints.
//!
//! ```text
//!   text ─ endpoint ─▶ peers ─ query ─▶ CanAnswer      (can, questions)
//!                              explain ─▶ Explanation
//!                              list  ─▶ Listing        (list) ─ picture ─▶ Picture (graph)
//!                                               Picture ─ paths ─▶ Radius, Ways (blast-radius, paths)
//!                              truth_table ─▶ TruthTable
//!                              inventory ─▶ Inventory
//!                              suite ─▶ Outcome       (test)
//! ```

mod answer;
mod asked;
mod cni_diff;
mod diff;
mod divergence;
mod endpoint;
mod explain;
mod family;
mod inventory;
mod list;
mod paths;
mod picture;
mod port;
mod query;
mod questions;
mod reason;
mod suite;
mod translation;
mod truth_table;
mod words;
mod world;

pub use answer::{Answer, CanAnswer, Group};
pub use cni_diff::{CniDiff, DiffChange, DiffRow, RuleDiff, Turn, cni_diff};
pub use diff::{
    Break, BreakEnd, Cause as DiffCause, Diff, DiffEnd, DiffRow as WorldDiffRow, Ends, Generation,
    Joined, RowTurn, Stage, diff, relabelled, rollout,
};
pub use divergence::{Cause, Divergence, Engines};
pub use endpoint::{Endpoint, EndpointError, Member, Scope, parse_resolution, resolve_endpoint};
pub use explain::{
    Case, Explanation, Hint, HintCode, PeerAccount, PolicyAccount, PortAccount, RuleAccount,
    ServiceStep, Side, explain, hint_page,
};
pub use inventory::{Inventory, NamespaceRow, PolicyRow, WorkloadRow, inventory};
pub use list::{Filter, Length, Lister, Listing, Row, RowEnd, list, listed_policies, row_reasons};
pub use paths::{Hop, Radius, Reached, Way, Ways, blast_radius, ways};
pub use picture::{EndKind, Level, Link, Picture, PictureEnd, Share, Shown, View, ports_label};
pub use port::{PortError, PortQuery};
pub use query::can;
pub use questions::{Question, QuestionAnswer, answer_questions, parse_questions};
pub use reason::Reason;
pub use suite::{
    Counterexample, Coverage, Expectation, Expected, FileRun, FirstTest, Given, Outcome,
    Quantifier, RunOptions, Snapshot, SnapshotChange, Status, SuiteRun, TestFile, Under, Unnoticed,
    Wanted, check_one, find_tests, first_test, read_tests, run_tests,
};
pub use truth_table::{TruthTable, truth_table};
pub use world::{Basis, LeftOut, Options, World};
