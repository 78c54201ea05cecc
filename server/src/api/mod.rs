//! The front door: the whole HTTP API as one endpoint, without a socket.
//!
//! [`FrontDoor::endpoint`] takes a request and always gives a response; it runs as well under the
//! accept loop as in a test or a simulation. Handlers find the front door in the request's data, so that
//! [`Routes`] are built once however many services come and go.

mod account_view;
mod answers;
mod books;
mod create_body;
mod docs;
mod edge;
mod event_view;
mod examples;
mod in_process;
mod json_body;
mod key_header;
mod limits;
mod listener;
mod negotiation;
mod openapi;
mod operations;
mod operators;
mod payments;
mod preconditions;
mod prefer;
mod principal;
mod probes;
mod problem;
mod problem_pages;
mod rate;
mod resolve_body;
mod same_origin;
mod view;

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_core::{OperationId, Timestamp};
use holdfast_engine::clock::Clock;
use holdfast_engine::service::{AskError, Asked, Service};
use holdfast_engine::source::SeededSource;
use poem::endpoint::{DynEndpoint, ToDynEndpoint};
use poem::{Endpoint, EndpointExt, IntoEndpoint, Request, Response, Route};
use poem_openapi::{OpenApiService, Tags};

pub(crate) use crate::api_keys::ApiKeys;
use crate::console;
use crate::refusal::Refused;
use books::BooksApi;
pub(crate) use docs::{escape, page};
use edge::Edge;
pub(crate) use edge::WrongHost;
pub use in_process::InProcess;
pub(crate) use json_body::{is_in_utf8, is_json, read as read_json};
pub(crate) use limits::{BodyLimits, RequestLimits};
use listener::Listeners;
pub(crate) use openapi::Document;
use operators::OperatorsApi;
use payments::PaymentsApi;
pub(crate) use payments::json;
pub(crate) use principal::Operator;
use probes::ProbesApi;
pub(crate) use problem::{Kind, Problem};
pub(crate) use rate::RateOptions;
use rate::Rates;
pub(crate) use view::rfc3339;

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

/// The front door; clones share it.
#[derive(Clone)]
pub struct FrontDoor(Arc<Parts>);

/// What the front door is made of.
#[derive(Clone)]
pub struct Parts {
    service: Service,
    api_keys: ApiKeys,
    clock: Arc<dyn Clock>,
    source: Arc<SeededSource>,
    listeners: Listeners,
    requests: edge::Requests,
    rates: Option<Rates>,
    limits: RequestLimits,
}

/// The routes of the API: built once, they serve any number of front doors.
pub struct Routes(Arc<dyn DynEndpoint<Output = Response>>);

impl Routes {
    /// All that a running service serves.
    pub fn documented() -> Self {
        let api = api();
        let document = Document::of(&api);
        let pages = Route::new()
            .at("/", docs::entrance())
            .nest("/problems", problem_pages::routes())
            .at("/openapi.json", document.json_endpoint())
            .at("/openapi.yaml", document.yaml_endpoint())
            .nest("/docs", docs::routes(&document))
            .nest("/console", console::routes());
        Self::of(Site {
            api: Arc::new(ToDynEndpoint(api.into_endpoint())),
            pages,
        })
    }

    /// The API without its documentation.
    pub fn undocumented() -> Self {
        Self::of(api().into_endpoint())
    }

    fn of(routes: impl Endpoint<Output = Response> + 'static) -> Self {
        Self(Arc::new(ToDynEndpoint(routes)))
    }
}

impl FrontDoor {
    /// A front door that admits everyone as the merchant `default`.
    pub fn new(service: Service, clock: Arc<dyn Clock>, source: Arc<SeededSource>) -> Self {
        Self(Arc::new(Parts {
            service,
            api_keys: ApiKeys::default(),
            clock,
            source,
            listeners: Listeners::default(),
            requests: edge::Requests::default(),
            rates: None,
            limits: RequestLimits::default(),
        }))
    }

    /// Admits only who brings one of these keys.
    pub(crate) fn with_api_keys(mut self, api_keys: ApiKeys) -> Self {
        Arc::make_mut(&mut self.0).api_keys = api_keys;
        self
    }

    /// Takes no larger and no slower requests than these.
    pub(crate) fn with_limits(mut self, limits: RequestLimits) -> Self {
        Arc::make_mut(&mut self.0).limits = limits;
        self
    }

    /// Lets each merchant send no more than this.
    pub(crate) fn with_rate(mut self, rate: Option<RateOptions>) -> Self {
        Arc::make_mut(&mut self.0).rates = rate.map(Rates::new);
        self
    }

    /// The front door that a request came through.
    pub(crate) fn of(request: &Request) -> &Self {
        let front_door = request.data();
        front_door.expect("the front door puts itself into every request")
    }

    /// The time that is shown.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the bank says of a payment that an operator is about to decide.
    pub(crate) async fn ask_bank(
        &self,
        operator: &Operator,
        id: OperationId,
    ) -> Result<Asked, Problem> {
        match self.service.ask_bank(&operator.merchant, id).await {
            Ok(asked) => Ok(asked),
            Err(AskError::NotFound) => Err(payments::no_such_payment()),
            Err(AskError::NotInQuestion(payment)) => Err(operators::not_resolvable(&payment)),
            Err(AskError::Unavailable(reason)) => Err(Problem::from(reason)),
        }
    }

    /// The whole answer, in bytes, to what was no request that could be answered otherwise.
    pub(crate) fn refuse(&self, refused: Refused<'_>) -> Bytes {
        edge::refuse(self, refused)
    }

    /// The API as an endpoint that always answers.
    pub fn endpoint(&self, routes: &Routes) -> impl Endpoint<Output = Response> + 'static {
        Edge::new(routes.0.clone().data(self.clone()), self.clone())
    }
}

impl Deref for FrontDoor {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
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

type Api = OpenApiService<(PaymentsApi, BooksApi, OperatorsApi, ProbesApi), ()>;

fn api() -> Api {
    let apis = (PaymentsApi, BooksApi, OperatorsApi, ProbesApi);
    openapi::describe(OpenApiService::new(
        apis,
        "Holdfast",
        env!("CARGO_PKG_VERSION"),
    ))
}

/// The generated OpenAPI document, as JSON.
pub fn openapi_json() -> String {
    Document::of(&api()).json()
}
