//! Simulated worlds around the real service, and the store that they run on.
//!
//! - [`chaos`]: a whole world around the real service, from one seed.
//! - [`SimulatedStore`]: a store on a medium that forgets what was not synced.
//!
//! The simulated bank is a crate of its own, because a serving process may use it (`--bank sim`) and must not bring the
//! test clock with it.
//!
//! Architecture invariant: nothing here knows the server. Its front door comes in as a function from HTTP requests to
//! answers. The engine does not know this crate: simulated parts come in through the same traits as the real ones.

pub mod chaos;
pub mod store;

pub use store::SimulatedStore;
