//! The front door: the whole HTTP API as one endpoint, without a socket.
//!
//! [`FrontDoor::endpoint`] takes a request and always gives a response; it runs as well under the
//! accept loop as in a test or a simulation. Handlers find the front door in the request's data, so that
//! [`Routes`] are built once however many services come and go. [`routes`] has every route in one table.
//!
//! Architecture invariant: the API knows neither the console nor the simulated world.

mod account_view;
mod accounts;
mod answers;
mod create_body;
mod docs;
mod edge;
mod error_answers;
mod event_view;
mod examples;
mod feed;
mod front_door;
mod headers;
mod in_process;
mod json_body;
mod key_header;
mod limits;
mod listener;
mod openapi;
mod operations;
mod operators;
mod paging;
mod payment_answers;
mod payments;
mod preconditions;
mod prefer;
mod principal;
mod probes;
mod problem;
mod problem_pages;
mod rate;
mod request_id;
mod request_metrics;
mod resolve_body;
mod router;
pub(crate) mod routes;
mod tags;
mod unread;
mod view;

pub(crate) use crate::api_keys::ApiKeys;
pub(crate) use crate::web::body::BodyLimits;
pub use front_door::FrontDoor;
pub use in_process::InProcess;
pub(crate) use limits::RequestLimits;
pub(crate) use payment_answers::{no_such_payment, not_resolvable};
pub(crate) use principal::Operator;
pub(crate) use problem::Problem;
pub(crate) use rate::RateOptions;
pub(crate) use router::documented;
pub use router::{Routes, openapi_json};
pub(crate) use view::rfc3339;
