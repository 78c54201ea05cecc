//! Rust source as `syn` reads it: the modules of a target, the names in them, and which file takes which name from
//! which other.
//!
//! It reads names and knows no types: a call of a method is no name of the file that has the method.

mod attributes;
mod graph;
mod modules;
mod names;
mod resolve;

pub(crate) use attributes::is_for_tests;
pub(crate) use graph::{Arrows, Graph};
pub(crate) use modules::parse;
pub(crate) use names::Names;
