//! The API as a function, for simulations and tests in the same process.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use poem::endpoint::{DynEndpoint, ToDynEndpoint};
use poem::{Body, Endpoint};

use crate::api::front_door::FrontDoor;
use crate::api::router::Routes;

/// A front door that takes whole requests and gives whole answers.
#[derive(Clone)]
pub struct InProcess(Arc<dyn DynEndpoint<Output = poem::Response>>);

impl InProcess {
    /// The API of a service.
    pub fn new(front_door: &FrontDoor, routes: &Routes) -> Self {
        Self(Arc::new(ToDynEndpoint(front_door.endpoint(routes))))
    }

    /// Answers a request.
    pub fn call(
        &self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Response<Bytes>> + Send + 'static {
        let (parts, body) = request.into_parts();
        let mut request = poem::Request::builder()
            .method(parts.method)
            .uri(parts.uri)
            .body(Body::from_bytes(body));
        *request.headers_mut() = parts.headers;
        let endpoint = self.0.clone();
        async move {
            let (parts, body) = endpoint.get_response(request).await.into_parts();
            let mut response = Response::new(body.into_bytes().await.unwrap_or_default());
            *response.status_mut() = parts.status;
            *response.headers_mut() = parts.headers;
            response
        }
    }
}
