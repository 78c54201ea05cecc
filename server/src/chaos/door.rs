//! The real HTTP handler, as the simulated world meets it.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_engine::clock::Clock;
use holdfast_engine::service::Service;
use holdfast_engine::source::SeededSource;
use holdfast_simulator::chaos::{Door, FrontDoor, Reply};
use http::{Request, Response};
use poem::endpoint::{DynEndpoint, ToDynEndpoint};
use poem::{Body, Endpoint};

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
    ) -> Arc<dyn Door> {
        let front_door = api::FrontDoor::new(service, clock, source);
        Arc::new(RealDoor {
            endpoint: Arc::new(ToDynEndpoint(front_door.endpoint(&self.routes))),
        })
    }
}

struct RealDoor {
    endpoint: Arc<dyn DynEndpoint<Output = poem::Response>>,
}

impl Door for RealDoor {
    fn call(&self, request: Request<Bytes>) -> Reply {
        let (parts, body) = request.into_parts();
        let mut request = poem::Request::builder()
            .method(parts.method)
            .uri(parts.uri)
            .body(Body::from_bytes(body));
        *request.headers_mut() = parts.headers;
        let endpoint = self.endpoint.clone();
        Box::pin(async move {
            let response = endpoint.get_response(request).await;
            let (parts, body) = response.into_parts();
            let body = body.into_bytes().await.unwrap_or_default();
            let mut response = Response::new(body);
            *response.status_mut() = parts.status;
            *response.headers_mut() = parts.headers;
            response
        })
    }
}
