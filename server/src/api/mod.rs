//! The front door: the whole HTTP API as one endpoint, without a socket.
//!
//! [`FrontDoor::endpoint`] takes a request and always gives a response; it runs as well under the
//! accept loop as in a test or a simulation. Handlers find the front door in the request's data, so that
//! [`Routes`] are built once however many services come and go. [`routes`] has every route in one table.
//!
//! Architecture invariant: the API knows neither the console nor the simulated world.

mod document;
mod edge;
mod feed_listeners;
mod front_door;
mod handlers;
mod headers;
mod in_process;
mod limits;
mod problem;
mod rate;
mod request;
mod request_metrics;
mod router;
pub(crate) mod routes;
mod tags;
mod views;

pub(crate) use crate::api_keys::ApiKeys;
pub(crate) use crate::web::body::BodyLimits;
pub use front_door::FrontDoor;
pub(crate) use handlers::payment_answers::{no_such_payment, not_resolvable};
pub use in_process::InProcess;
pub(crate) use limits::RequestLimits;
pub(crate) use problem::Problem;
pub(crate) use rate::RateOptions;
pub(crate) use request::principal::Operator;
pub(crate) use router::documented;
pub use router::{Routes, openapi_json};
pub(crate) use views::payment::rfc3339;
