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

/// The paths below which pages are served.
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use holdfast_bank_simulator::{SimulatedBank, SimulatedBankOptions};
    use holdfast_core::Merchant;
    use holdfast_engine::clock::{Clock, SystemClock};
    use holdfast_engine::lanes::{LaneOptions, LaneParts};
    use holdfast_engine::service::{Service, ServiceOptions, ServiceParts};
    use holdfast_engine::source::SeededSource;
    use holdfast_engine::store::Store;
    use holdfast_simulator::SimulatedStore;
    use http::{HeaderMap, StatusCode, header};

    use super::*;
    use crate::api::routes::{Access, ROUTES, Route};
    use crate::api::{ApiKeys, FrontDoor, InProcess, RateOptions};
    use crate::api_keys::{self, Role};

    struct Asked {
        door: InProcess,
        merchant: String,
        operator: String,
    }

    impl Asked {
        fn new() -> Self {
            let merchant = Merchant::new("shop").unwrap();
            let (merchant, operator) = (
                api_keys::generate(&merchant, Role::Merchant).unwrap(),
                api_keys::generate(&merchant, Role::Operator).unwrap(),
            );
            let blocks: toml::Table = (merchant.1 + &operator.1).parse().unwrap();
            let blocks: Vec<_> = blocks["api_keys"].clone().try_into().unwrap();
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let source = Arc::new(SeededSource::new([7; 32]));
            let bank = SimulatedBank::open(&SimulatedBankOptions::default()).unwrap();
            let service = Service::start(ServiceParts {
                store: Store::new(Arc::new(SimulatedStore::default())),
                banks: vec![LaneParts {
                    bank: Arc::new(bank),
                    options: LaneOptions::default(),
                }],
                clock: clock.clone(),
                source: source.clone(),
                options: ServiceOptions::default(),
            });
            let much = 1_000.try_into().unwrap();
            let front_door = FrontDoor::new(service, clock, source)
                .with_api_keys(ApiKeys::new(&blocks).unwrap())
                .with_rate(Some(RateOptions {
                    per_second: much,
                    burst: much,
                }));
            Self {
                door: InProcess::new(&front_door, &routes()),
                merchant: merchant.0,
                operator: operator.0,
            }
        }

        /// Sends what every route would look at, but no body that any takes.
        async fn ask(
            &self,
            route: &Route,
            method: &str,
            key: Option<&str>,
        ) -> (StatusCode, HeaderMap) {
            let path = route
                .path
                .replace("{}", "01890000-0000-7000-8000-000000000000");
            let mut request = http::Request::builder()
                .method(method)
                .uri(path)
                .header("idempotency-key", "a")
                .header(header::IF_MATCH, "\"1\"")
                .header(header::CONTENT_TYPE, "text/plain");
            if let Some(key) = key {
                request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
            }
            let request = request.body(Bytes::from("not JSON")).unwrap();
            let answer = self.door.call(request).await;
            (answer.status(), answer.headers().clone())
        }
    }

    /// Each row of the tables is held against what the endpoint does: who is let in, whose requests are counted, what
    /// takes a body, and which methods an address has.
    #[tokio::test]
    async fn every_route_is_served_as_its_row_says() {
        let asked = Asked::new();
        for route in ROUTES.iter().chain(&console::ROUTES) {
            let Route { method, path, .. } = route;
            let (nobody, _) = asked.ask(route, method, None).await;
            let (merchant, headers) = asked.ask(route, method, Some(&asked.merchant)).await;
            let (operator, _) = asked.ask(route, method, Some(&asked.operator)).await;
            let what = format!("{method} {path}: {nobody} {merchant} {operator}");
            let needs_key = route.access != Access::Anyone;
            assert_eq!(nobody == StatusCode::UNAUTHORIZED, needs_key, "{what}");
            assert_ne!(merchant, StatusCode::UNAUTHORIZED, "{what}");
            let operators_only = route.access == Access::Operator;
            assert_eq!(merchant == StatusCode::FORBIDDEN, operators_only, "{what}");
            assert_eq!(headers.contains_key("ratelimit"), needs_key, "{what}");
            let refused_body = operator == StatusCode::UNSUPPORTED_MEDIA_TYPE;
            assert_eq!(refused_body, route.takes_body, "{what}");
            assert_ne!(operator, StatusCode::METHOD_NOT_ALLOWED, "{what}");

            let (status, headers) = asked.ask(route, "DELETE", Some(&asked.operator)).await;
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{what}");
            let allow = headers[header::ALLOW].to_str().unwrap();
            assert!(
                allow.split(", ").any(|allowed| allowed == *method),
                "{what}: {allow}"
            );
        }
    }
}
