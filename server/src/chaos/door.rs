//! The real HTTP handler, as the simulated world meets it.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_core::Merchant;
use holdfast_engine::clock::Clock;
use holdfast_engine::service::Service;
use holdfast_engine::source::SeededSource;
use holdfast_simulator::chaos::{Door, FrontDoor, Reply};
use http::Request;

use crate::api;

/// Opens the API of a life of the service.
pub(super) struct RealFrontDoor {
    routes: api::Routes,
}

impl RealFrontDoor {
    pub(super) fn new() -> Self {
        Self {
            routes: api::Routes::undocumented(),
        }
    }
}

impl FrontDoor for RealFrontDoor {
    fn open(
        &self,
        service: Service,
        clock: Arc<dyn Clock>,
        source: Arc<SeededSource>,
        merchant: &Merchant,
    ) -> Arc<dyn Door> {
        let everyone = api::ApiKeys::none_for(merchant.clone());
        let front_door = api::FrontDoor::new(service, clock, source).with_api_keys(everyone);
        Arc::new(RealDoor(api::InProcess::new(&front_door, &self.routes)))
    }
}

struct RealDoor(api::InProcess);

impl Door for RealDoor {
    fn call(&self, request: Request<Bytes>) -> Reply {
        Box::pin(self.0.call(request))
    }
}
