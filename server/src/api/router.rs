//! The routes of the API as an endpoint, and the document that is generated from the same handlers.

use std::sync::Arc;

use poem::endpoint::{DynEndpoint, ToDynEndpoint};
use poem::{Endpoint, IntoEndpoint, Response, Route as Pages};
use poem_openapi::{OpenApi, OpenApiService};

use crate::api::document::docs;
use crate::api::document::openapi;
use crate::api::document::problem_pages;
use crate::api::handlers::accounts::AccountsApi;
use crate::api::handlers::feed::FeedApi;
use crate::api::handlers::operators::OperatorsApi;
use crate::api::handlers::payments::PaymentsApi;
use crate::api::handlers::probes::ProbesApi;
use crate::api::routes::{Access, KnownRoutes, ROUTES, Route};

/// Every handler. Where several have a path the document lists them in this order.
type Handlers = (PaymentsApi, AccountsApi, FeedApi, OperatorsApi, ProbesApi);

/// The routes of the API: built once, they serve any number of front doors.
pub struct Routes {
    pub(super) endpoint: Arc<dyn DynEndpoint<Output = Response>>,
    pub(super) known: KnownRoutes,
}

impl Routes {
    /// The API without its documentation.
    pub fn undocumented() -> Self {
        Self::of(service().into_endpoint(), &[])
    }

    /// An endpoint that has the API's routes and `more`.
    pub(crate) fn of(
        endpoint: impl Endpoint<Output = Response> + 'static,
        more: &[&'static [Route]],
    ) -> Self {
        Self {
            endpoint: Arc::new(ToDynEndpoint(endpoint)),
            known: KnownRoutes::with(more),
        }
    }
}

/// The API as an endpoint without its outermost layer, and the pages that document it.
pub(crate) fn documented() -> (impl Endpoint<Output = Response> + 'static, Pages) {
    let api = service();
    let document = openapi::document(&api);
    let pages = Pages::new()
        .at("/", docs::entrance())
        .nest("/problems", problem_pages::routes())
        .at("/openapi.json", document.json_endpoint())
        .at("/openapi.yaml", document.yaml_endpoint())
        .nest("/docs", docs::routes(&document));
    (api.into_endpoint(), pages)
}

/// The generated OpenAPI document, as JSON.
pub fn openapi_json() -> String {
    openapi::document(&service()).json()
}

fn service() -> OpenApiService<Handlers, ()> {
    let (declared, table) = (declared(), table());
    assert_eq!(
        declared, table,
        "the handlers' attributes and the table of routes agree"
    );
    let handlers = (PaymentsApi, AccountsApi, FeedApi, OperatorsApi, ProbesApi);
    openapi::describe(OpenApiService::new(
        handlers,
        "Holdfast",
        env!("CARGO_PKG_VERSION"),
    ))
}

/// A route as both sides have it: operation, method, path, and whether it needs credentials and takes a body.
type Declared = (String, String, String, bool, bool);

/// The routes that the table has, sorted.
fn table() -> Vec<Declared> {
    let documented = ROUTES.iter().filter_map(|route| {
        Some((
            route.operation_id?.to_owned(),
            route.method.to_string(),
            route.path.to_owned(),
            route.access != Access::Anyone,
            route.takes_body,
        ))
    });
    let mut routes: Vec<_> = documented.collect();
    routes.sort();
    routes
}

/// The routes that the handlers have, sorted: what both the router and the document are made of.
fn declared() -> Vec<Declared> {
    let paths = Handlers::meta().into_iter().flat_map(|api| api.paths);
    let mut routes: Vec<_> = paths
        .flat_map(|path| {
            let segments = path.path.split('/');
            let segments = segments.map(|one| if one.starts_with('{') { "{}" } else { one });
            let place = segments.collect::<Vec<_>>().join("/");
            path.operations.into_iter().map(move |operation| {
                (
                    operation.operation_id.unwrap_or_default().to_owned(),
                    operation.method.to_string(),
                    place.clone(),
                    !operation.security.is_empty(),
                    operation.request.is_some(),
                )
            })
        })
        .collect();
    routes.sort();
    routes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What only one of the two has is named.
    #[test]
    fn the_table_and_the_handlers_have_the_same_routes() {
        assert_eq!(declared(), table());
        assert_eq!(
            table().len(),
            13,
            "only /openapi.json is not in the document"
        );
    }
}
