//! Every route of the API, once: who may call it, and whether it takes a body.
//!
//! From this table come the names of routes in metrics and traces, the `Allow` header, and what the OpenAPI document says
//! of authentication. The attributes of the handlers must agree with it: [`super::Routes`] cannot be built otherwise.

use Access::{Anyone, Merchant, Operator};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone, without credentials and without a limit on the rate.
    Anyone,
    /// A merchant, by an API key where any are configured. Requests count towards the merchant's rate.
    Merchant,
    /// The same, with a key of the role operator.
    Operator,
}

/// A route.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: &'static str,
    /// The address; `{}` stands for one segment of it.
    pub(crate) path: &'static str,
    /// Its name in the OpenAPI document, if it is in there.
    pub(crate) operation_id: Option<&'static str>,
    pub(crate) access: Access,
    /// Whether it takes a body, which is bounded in size and time.
    pub(crate) takes_body: bool,
}

/// The collection of payments; each payment is below it.
pub(super) const PAYMENTS_PATH: &str = "/v1/payments";

/// Every route of the API.
pub(crate) static ROUTES: [Route; 14] = [
    post(PAYMENTS_PATH, "createPayment", Merchant).with_body(),
    get(PAYMENTS_PATH, "listPayments", Merchant),
    get("/v1/payments/{}", "getPayment", Merchant),
    get("/v1/payments/{}/events", "listPaymentEvents", Merchant),
    post("/v1/payments/{}/cancel", "cancelPayment", Merchant),
    post("/v1/payments/{}/resolve", "resolvePayment", Operator).with_body(),
    get("/v1/accounts/{}", "getAccount", Merchant),
    get("/v1/events", "followEvents", Merchant),
    get("/v1/contradictions", "listContradictions", Operator),
    get("/v1/journal", "readJournal", Operator),
    get("/livez", "livez", Anyone),
    get("/readyz", "readyz", Anyone),
    get("/metrics", "metrics", Anyone),
    undocumented("GET", "/openapi.json", Anyone),
];

const fn get(path: &'static str, operation_id: &'static str, access: Access) -> Route {
    documented("GET", path, operation_id, access)
}

const fn post(path: &'static str, operation_id: &'static str, access: Access) -> Route {
    documented("POST", path, operation_id, access)
}

/// A route that is in the OpenAPI document.
const fn documented(
    method: &'static str,
    path: &'static str,
    operation_id: &'static str,
    access: Access,
) -> Route {
    Route {
        method,
        path,
        operation_id: Some(operation_id),
        access,
        takes_body: false,
    }
}

/// A route that is not.
pub(crate) const fn undocumented(
    method: &'static str,
    path: &'static str,
    access: Access,
) -> Route {
    Route {
        method,
        path,
        operation_id: None,
        access,
        takes_body: false,
    }
}

impl Route {
    const fn with_body(self) -> Self {
        Self {
            takes_body: true,
            ..self
        }
    }

    /// Whether a path is one of this route's.
    fn has(&self, path: &str) -> bool {
        let mut segments = path.split('/');
        self.path.split('/').all(|expected| match segments.next() {
            Some(segment) => expected == "{}" || expected == segment,
            None => false,
        }) && segments.next().is_none()
    }
}

/// The route of an operation of the OpenAPI document.
pub(super) fn of_operation(operation_id: &str) -> Option<&'static Route> {
    let mut routes = ROUTES.iter();
    routes.find(|route| route.operation_id == Some(operation_id))
}

/// The routes that an endpoint has, a table for each room that brought some.
#[derive(Debug, Clone)]
pub(crate) struct KnownRoutes(Vec<&'static [Route]>);

impl KnownRoutes {
    /// Those of the API and these.
    pub(super) fn with(more: &[&'static [Route]]) -> Self {
        let mut tables: Vec<&'static [Route]> = vec![&ROUTES];
        tables.extend(more);
        Self(tables)
    }

    fn at(&self, path: &str) -> impl Iterator<Item = &'static Route> {
        let routes = self.0.iter().flat_map(|table| table.iter());
        routes.filter(|route| route.has(path))
    }

    /// The name of the route that a path belongs to, for metrics: one of a bounded set.
    pub(super) fn name_of(&self, path: &str) -> &'static str {
        self.at(path).next().map_or("other", |route| route.path)
    }

    /// The methods that an address takes, as the `Allow` header names them. Pages are not in the tables; they are read.
    pub(super) fn allowed_at(&self, path: &str) -> String {
        let mut methods: Vec<&str> = self.at(path).map(|route| route.method).collect();
        if methods.is_empty() {
            methods.push("GET");
        }
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.sort_unstable();
        methods.join(", ")
    }
}
