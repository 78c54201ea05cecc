//! The stored forms of entries, states and causes, separate from the types that the code works with.
//!
//! A stored entry must stay readable and must always give the same digest in the chain. So the forms of earlier
//! versions never change, and new data gets a new form at the end of the list. A value is written in the oldest form
//! that can hold it. In storage a form is identified by its place in the list.

mod cause;
mod entry;
mod state;
