//! The front door: the whole HTTP API as one endpoint, without a socket.
//!
//! [`FrontDoor::endpoint`] takes a request and always gives a response; it runs as well under the
//! accept loop as in a test or a simulation.

mod account_view;
mod answers;
mod books;
mod create_body;
mod docs;
mod edge;
mod event_view;
mod examples;
mod json_body;
mod key_header;
mod listener;
mod openapi;
mod operations;
mod operators;
mod payments;
mod prefer;
mod principal;
mod probes;
mod problem;
mod problem_pages;
mod resolve_body;
mod view;

use std::sync::Arc;

use holdfast_engine::clock::Clock;
use holdfast_engine::service::Service;
use holdfast_engine::source::SeededSource;
use poem::{Endpoint, EndpointExt, IntoEndpoint, Response, Route};
use poem_openapi::{OpenApiService, Tags};
use prometheus_client::registry::Registry;

pub(crate) use crate::api_keys::ApiKeys;
use books::BooksApi;
pub(crate) use docs::{escape, page};
use edge::Edge;
pub(crate) use json_body::is_json;
use listener::Listeners;
pub(crate) use openapi::Document;
use operators::OperatorsApi;
use payments::PaymentsApi;
use probes::ProbesApi;

const PAYMENTS_PATH: &str = "/v1/payments";

/// The sections of the documentation.
#[derive(Tags)]
enum Tag {
    /// Create, replay, look at and cancel payments.
    Payments,
    /// Balances, and the journal as a change feed.
    Books,
    /// Decide what no machine can, and see what the bank contradicted. Needs the role operator.
    Operators,
    /// For load balancers, orchestrators and Prometheus.
    Probes,
}

/// What the front door is made of.
#[derive(Clone)]
pub struct FrontDoor {
    service: Service,
    api_keys: ApiKeys,
    clock: Arc<dyn Clock>,
    source: Arc<SeededSource>,
}

impl FrontDoor {
    /// A front door that admits everyone as the merchant `default`.
    pub fn new(service: Service, clock: Arc<dyn Clock>, source: Arc<SeededSource>) -> Self {
        Self {
            service,
            api_keys: ApiKeys::default(),
            clock,
            source,
        }
    }

    /// Admits only who brings one of these keys.
    pub(crate) fn with_api_keys(mut self, api_keys: ApiKeys) -> Self {
        self.api_keys = api_keys;
        self
    }

    /// The API as an endpoint that always answers, without its documentation: what a simulation opens
    /// many times a second.
    pub fn undocumented(&self) -> impl Endpoint<Output = Response> + 'static {
        let (api, requests) = self.api();
        let routes = Route::new().nest("/", api.into_endpoint());
        Edge::new(routes.data(self.clone()), self.clone(), requests)
    }

    /// The API as an endpoint that always answers.
    pub fn endpoint(&self) -> impl Endpoint<Output = Response> + 'static {
        let (api, requests) = self.api();
        let document = openapi::Document::of(&api);
        let routes = Route::new()
            .nest("/", api.into_endpoint())
            .nest("/problems", problem_pages::routes())
            .at("/openapi.json", document.json_endpoint())
            .at("/openapi.yaml", document.yaml_endpoint())
            .nest("/docs", docs::routes(&document));
        Edge::new(routes.data(self.clone()), self.clone(), requests)
    }

    fn api(&self) -> (Api, edge::Requests) {
        let mut registry = Registry::with_prefix("holdfast");
        self.service.metrics().register(&mut registry);
        let requests = edge::Requests::default();
        requests.register(&mut registry);
        let api = openapi_service(self.service.clone(), Arc::new(registry));
        (api, requests)
    }
}

type Api = OpenApiService<(PaymentsApi, BooksApi, OperatorsApi, ProbesApi), ()>;

fn openapi_service(service: Service, registry: Arc<Registry>) -> Api {
    let apis = (
        PaymentsApi {
            service: service.clone(),
        },
        BooksApi {
            service: service.clone(),
            listeners: Listeners::default(),
        },
        OperatorsApi {
            service: service.clone(),
        },
        ProbesApi { service, registry },
    );
    openapi::describe(OpenApiService::new(
        apis,
        "Holdfast",
        env!("CARGO_PKG_VERSION"),
    ))
}

/// The generated OpenAPI document, as JSON.
///
/// Needs a tokio runtime around it: describing the API builds it, over a service that is never used.
pub fn openapi_json(service: Service) -> String {
    let api = openapi_service(service, Arc::new(Registry::default()));
    openapi::Document::of(&api).json()
}
