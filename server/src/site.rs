//! What `holdfast serve` serves: the API, the pages that document it and the console, put together into one endpoint.
//!
//! It is the one room that knows both the API and the console; neither knows the other's routes.

use std::sync::Arc;

use poem::endpoint::{DynEndpoint, ToDynEndpoint};
use poem::{Endpoint, Request, Response, Route};

use crate::api::{self, Routes};
use crate::console;

/// Every route of a running service.
pub fn routes() -> Routes {
    let (api, pages) = api::documented();
    let site = Site {
        api: Arc::new(ToDynEndpoint(api)),
        pages: pages.nest("/console", console::routes()),
    };
    Routes::of(site, &[&console::ROUTES])
}

/// The API beside the pages: what most requests are for is found without a detour.
struct Site {
    api: Arc<dyn DynEndpoint<Output = Response>>,
    pages: Route,
}

/// Below which addresses the pages stand.
const PAGES: [&str; 4] = ["/docs", "/console", "/problems", "/openapi."];

impl Endpoint for Site {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let path = request.uri().path();
        if path == "/" || PAGES.iter().any(|page| path.starts_with(page)) {
            // Boxed: no payment is to carry the room for it.
            Box::pin(self.pages.call(request)).await
        } else {
            self.api.call(request).await
        }
    }
}
