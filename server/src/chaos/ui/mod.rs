//! `holdfast chaos --ui`: a web page that runs one world at a time and draws what happened.
//!
//! It is a separate process, never part of a running service, and listens on loopback addresses only. The page looks like
//! the console and has the same content security policy.

mod refusal;
mod worlds;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use poem::endpoint::{make, make_sync};
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, RequestBody, Response};
use tokio::sync::{Semaphore, oneshot};

use super::error::ChaosError;
use crate::accept::{self, ConnectionLimits};
use crate::output;
use crate::process::{Signals, listen};
use crate::web::app::{self, Asset, SCRIPT, asset};
use crate::web::body::{self, BodyLimits};
use crate::web::json::json;
use crate::web::marks::WrongHost;
use crate::web::same_origin;
use refusal::Refusal;
use worlds::{WorldWanted, catalogue, show_world};

const ASSETS: [Asset; 1] = [asset!("chaos.js", SCRIPT)];

pub(super) fn default_listen() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 8070).into()
}

/// A loopback address and port. Anyone who can reach the page can make this machine run worlds, so no other machine may.
pub(super) fn on_this_machine(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|error| format!("{error}"))?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err("must be a loopback address, such as 127.0.0.1:8070".to_owned())
}

/// Serves the page until a signal.
pub(super) fn run(address: SocketAddr) -> Result<(), ChaosError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ChaosError::Signals)?;
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(ChaosError::Signals)?;
        let (listener, address) = listen(address).await?;
        announce(address)?;
        let stop = async {
            signals.next().await;
        };
        let limits = ConnectionLimits::default();
        // Connections under way are cut: a world is run again with its seed.
        drop(accept::serve(listener, Arc::new(endpoint()), limits, None, None, stop).await);
        Ok(())
    })
}

/// Says where the page is. Without that nobody could open it.
fn announce(address: SocketAddr) -> Result<(), ChaosError> {
    output::print_with(|out| {
        writeln!(out, "Holdfast chaos {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "  listening on  http://{address}")?;
        writeln!(
            out,
            "  Open this address in a browser. Press Ctrl-C to stop."
        )
    })?;
    Ok(())
}

/// The page as an endpoint that always answers.
fn endpoint() -> impl Endpoint<Output = Response> {
    // One world at a time: each takes a core for as long as it runs.
    let turn = Arc::new(Semaphore::new(1));
    let list = make_sync(|_| json(StatusCode::OK, &catalogue()));
    let run = make(move |request: Request| {
        let turn = turn.clone();
        async move { run_world(request, turn).await }
    });
    let routes = app::routes(include_str!("assets/index.html"), &ASSETS)
        .at("/worlds", poem::get(list).post(run));
    Outermost(routes)
}

async fn run_world(mut request: Request, turn: Arc<Semaphore>) -> poem::Result<Response> {
    let mut body = RequestBody::new(request.take_body());
    let bytes = body::read(&request, &mut body, BodyLimits::default()).await;
    let bytes = bytes.map_err(Refusal::from)?;
    let wanted: WorldWanted = serde_json::from_slice(&bytes)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, format!("The body {error}.")))?;
    let setup = wanted
        .setup()
        .map_err(|(field, message)| Refusal::field(field, message))?;
    let turn = turn.try_acquire_owned().map_err(|_| {
        let detail = "Another world is still running. Try again when it has finished.";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    })?;
    let (tell, told) = oneshot::channel();
    let failed = |detail: &str| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, detail);
    // A thread of its own, which the end of the process does not wait for.
    std::thread::Builder::new()
        .name("world".to_owned())
        .spawn(move || {
            let _turn = turn;
            // Whoever asked may be gone.
            let _ = tell.send(show_world(&setup));
        })
        .map_err(|error| failed(&format!("The world could not be started: {error}.")))?;
    let shown = told.await;
    let shown = shown.map_err(|_| failed("The world ended without a result."))?;
    Ok(json(StatusCode::OK, &shown))
}

/// The outermost layer: it answers every request, and refuses requests that come from another site's page.
struct Outermost<E>(E);

impl<E: Endpoint> Outermost<E> {
    async fn answer(&self, request: Request) -> Response {
        if let Some(WrongHost(wrong)) = request.extensions().get() {
            return Refusal::new(StatusCode::BAD_REQUEST, *wrong).into_response();
        }
        if same_origin::is_foreign(&request) {
            return Refusal::new(StatusCode::FORBIDDEN, same_origin::REFUSED).into_response();
        }
        match self.0.call(request).await {
            Ok(response) => response.into_response(),
            Err(error) if error.is_from_response() => error.into_response(),
            Err(error) => Refusal::new(error.status(), format!("There is no answer: {error}."))
                .into_response(),
        }
    }
}

impl<E: Endpoint> Endpoint for Outermost<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let mut response = self.answer(request).await;
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let nosniff = HeaderValue::from_static("nosniff");
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        Ok(response)
    }
}
