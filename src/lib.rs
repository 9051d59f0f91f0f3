//! Kubernetes network reachability, simulated: can A reach B on port P, and why.
//!
//! Data flows one way, and each module is a stage:
//!
//! ```text
//!   files ─ manifest ─▶ resources ─ cluster ─▶ ClusterState ─ policy ─▶ declared PolicySet
//!         ─ enforcement ─▶ effective PolicySet ─ engine ─▶ verdicts ─ analysis ─▶ answers
//!         ─ render ─▶ text
//! ```
//!
//! [`net`] and [`diagnostic`] serve all of them; [`cli`] puts them in a row. A stage never imports
//! a later one: `tests/architecture.rs` holds them to it.
//!
//! ```
//! use kubereach::analysis::{Answer, Engines, Options, World, can, resolve_endpoint};
//! use kubereach::manifest::{InputPath, load};
//!
//! let loaded = load(&[InputPath::from("scenarios/shop")], &mut std::io::empty());
//! let world = World::new(loaded, Options::default());
//! let engines = Engines::new(&world);
//! let web = resolve_endpoint(&world, "shop/deploy/web")?;
//! let db = resolve_endpoint(&world, "shop/sts/db")?;
//! let answer = can(&world, &engines, &web, &db, &["5432".parse()?])?;
//! assert_eq!(answer.answer, Answer::Denied);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[macro_use]
mod ids;
mod lazy;

pub mod analysis;
pub mod cli;
pub mod cluster;
pub mod diagnostic;
pub mod enforcement;
pub mod engine;
pub mod manifest;
pub mod net;
pub mod policy;
pub mod render;
