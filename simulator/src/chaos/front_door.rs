//! The front door of the service, as a function from HTTP requests to answers. The server provides its API through it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_core::Merchant;
use holdfast_engine::clock::Clock;
use holdfast_engine::service::Service;
use holdfast_engine::source::SeededSource;
use http::{Request, Response};

/// An answer on its way out of the service.
pub type Reply = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

/// The HTTP API of a running service.
pub trait Door: Send + Sync {
    /// Answers a request.
    fn call(&self, request: Request<Bytes>) -> Reply;
}

/// Opens the HTTP API over a service.
pub trait FrontDoor: Sync {
    /// The API of this service, where everyone acts for one merchant.
    fn open(
        &self,
        service: Service,
        clock: Arc<dyn Clock>,
        source: Arc<SeededSource>,
        merchant: &Merchant,
    ) -> Arc<dyn Door>;
}
