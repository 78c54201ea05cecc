//! The console: a small web application for operators and integrators, all of it inside the binary.
//!
//! It speaks to the API as any client does, with the key of who signed in as a header. There is no cookie and so nothing
//! that another page could use; the policy lets it load and reach nothing but this server, and (Trusted Types) never make
//! a page out of text. What is not of the API is the simulated world that an operator may run here.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_engine::payment::Currency;
use poem::http::{StatusCode, header};
use poem::{Endpoint, Request, Response, Route, endpoint::make, endpoint::make_sync, get};
use tokio::sync::Semaphore;

use crate::api::{Kind, Operator, Problem, json, read_json};
use crate::chaos::{WorldWanted, catalogue, show_world};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The files of the application, by name.
macro_rules! assets {
    ($($name:literal $content_type:ident),*) => {
        [$(($name, $content_type, include_str!(concat!("console/assets/", $name)))),*]
    };
}

const ASSETS: [(&str, &str, &str); 9] = assets![
    "console.css" CSS,
    "console.js" SCRIPT,
    "api.js" SCRIPT,
    "chaos.js" SCRIPT,
    "dom.js" SCRIPT,
    "live.js" SCRIPT,
    "payments.js" SCRIPT,
    "queue.js" SCRIPT,
    "timeline.js" SCRIPT
];

/// The routes below `/console`.
pub(crate) fn routes() -> Route {
    let page = fixed(HTML, include_str!("console/assets/index.html"));
    let mut routes = Route::new()
        .at("/", page)
        .at("/chaos", worlds())
        .at("/currencies", currencies());
    for (name, content_type, content) in ASSETS {
        routes = routes.at(format!("/{name}"), fixed(content_type, content));
    }
    routes
}

fn fixed(
    content_type: &'static str,
    content: &'static str,
) -> impl Endpoint<Output = Response> + 'static {
    get(make_sync(move |_| {
        Response::builder()
            .header(header::CONTENT_TYPE, content_type)
            .header(header::CONTENT_SECURITY_POLICY, POLICY)
            .body(content)
    }))
}

/// How many digits stand behind the point, by currency: browsers know them only as it is usual to write them.
fn currencies() -> impl Endpoint<Output = Response> {
    let digits = Currency::all().into_iter();
    let digits: BTreeMap<_, _> = digits
        .map(|currency| (currency.code(), currency.minor_digits()))
        .collect();
    get(make_sync(move |_| json(StatusCode::OK, &digits)))
}

/// What worlds there are, and running one: at most one at a time, on a thread of its own, so that payments hardly
/// notice.
fn worlds() -> impl Endpoint<Output = Response> {
    let turn = Arc::new(Semaphore::new(1));
    let list = make(async |request: Request| {
        Operator::of(&request)?;
        poem::Result::<Response>::Ok(json(StatusCode::OK, &catalogue()))
    });
    let run = make(move |request: Request| {
        let turn = turn.clone();
        async move { run_world(request, turn).await }
    });
    get(list).post(run)
}

async fn run_world(mut request: Request, turn: Arc<Semaphore>) -> poem::Result<Response> {
    Operator::of(&request)?;
    let mut body = poem::RequestBody::new(request.take_body());
    let bytes = read_json(&request, &mut body).await?;
    let wanted: WorldWanted =
        serde_json::from_slice(&bytes).map_err(|error| Problem::field("", error.to_string()))?;
    let setup = wanted
        .setup()
        .map_err(|(field, message)| Problem::field(field, message))?;
    let Ok(turn) = turn.try_acquire_owned() else {
        let detail = "A world is being run already; wait for it.";
        return Err(Problem::new(Kind::Unavailable, detail).into());
    };
    let shown = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        show_world(&setup)
    });
    let shown = shown
        .await
        .map_err(|_| Problem::new(Kind::InternalError, "The world ended without a result."))?;
    Ok(json(StatusCode::OK, &shown))
}
