//! The state that handlers need: the service, the API keys, the limits, the metrics.
//!
//! It knows no route and no handler.

use std::ops::Deref;
use std::sync::Arc;

use holdfast_core::Timestamp;
use holdfast_engine::clock::Clock;
use holdfast_engine::service::Service;
use holdfast_engine::source::SeededSource;
use poem::Request;

use crate::api::feed_listeners::Listeners;
use crate::api::limits::RequestLimits;
use crate::api::rate::{RateOptions, Rates};
use crate::api::request_metrics::RequestMetrics;
use crate::api_keys::ApiKeys;

/// The front door; clones share it.
#[derive(Clone)]
pub struct FrontDoor(Arc<Shared>);

/// What the clones of a front door share.
#[derive(Clone)]
pub struct Shared {
    pub(super) service: Service,
    pub(super) api_keys: ApiKeys,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) source: Arc<SeededSource>,
    pub(super) listeners: Listeners,
    pub(super) requests: RequestMetrics,
    pub(super) rates: Option<Rates>,
    pub(super) limits: RequestLimits,
}

impl FrontDoor {
    /// A front door that admits everyone as the merchant `default`.
    pub fn new(service: Service, clock: Arc<dyn Clock>, source: Arc<SeededSource>) -> Self {
        Self(Arc::new(Shared {
            service,
            api_keys: ApiKeys::default(),
            clock,
            source,
            listeners: Listeners::default(),
            requests: RequestMetrics::default(),
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

    /// The service behind it.
    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    /// The time that is shown.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Deref for FrontDoor {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
