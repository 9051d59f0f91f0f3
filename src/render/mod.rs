//! Answers to text: for people, for scripts, for pictures.
//!
//! Input: answers as data. Output: strings; colour is written as escape codes and taken out again
//! where it is not wanted. Renderers never decide anything.
//!
//! ```text
//!   Diagnostic ─▶ diagnostics      CanAnswer ─▶ can (text) · json
//!   SuiteRun ─▶ suite (text, JUnit, TAP, JSON, GitHub)
//!   Explanation ─▶ explain · json · md         Listing ─▶ list · json · csv · md · dot
//! ```

mod can;
mod cni;
mod cni_diff;
mod codes;
mod diagnostics;
mod diff;
mod dot;
mod explain;
mod explain_json;
mod github;
mod inventory;
mod json;
mod list;
mod paths;
mod picture;
#[cfg(feature = "png")]
mod png;
mod questions;
mod style;
mod suite;
mod svg;
mod table;
mod truth_table;

pub use can::can_text;
pub use cni::{can_all_text, cni_text, effect_text, effects_text};
pub use cni_diff::{cni_diff_json, cni_diff_markdown, cni_diff_text};
pub use codes::{code_text, codes_text, hint_text};
pub use diagnostics::{diagnostics, summary};
pub use diff::{DIFF_SCHEMA, SideNames, diff_github, diff_json, diff_markdown, diff_text};
pub use dot::dot;
pub use explain::{explain_brief, explain_markdown, explain_text};
pub use explain_json::{EXPLAIN_SCHEMA, explain_json};
pub use inventory::inventory_text;
pub use json::{can_json, cni_json, inventory_json, listing_json, truth_table_json};
pub use list::{ListStyle, listing_markdown, write_listing};
pub use paths::{Ground, radius_json, radius_text, ways_json, ways_text};
pub use picture::{
    Drawing, GRAPH_SCHEMA, Why, enforced, mermaid, on_nodes, page, picture_dot, picture_json,
    picture_svg,
};
#[cfg(feature = "png")]
pub use png::png;
pub use questions::{questions_csv, questions_json, questions_text};
pub use style::Look;
pub use suite::{
    TEST_SCHEMA, first_test_yaml, suite_github, suite_json, suite_junit, suite_list, suite_tap,
    suite_text,
};
pub use svg::{Frame, Place};
pub use truth_table::{truth_table_csv, truth_table_text};
