//! The console: a small web application for operators and integrators, all of it inside the binary.
//!
//! It speaks to the API as any client does, with the key of who signed in as a header. There is no cookie and so nothing
//! that another page could use. Two routes are the console's own: asking the bank about a payment, and the number of digits
//! of each currency.
//!
//! Architecture invariant: nothing here runs a simulated world; `holdfast chaos --ui` does, in a process of its own.

mod inquiry;

use std::collections::BTreeMap;

use holdfast_core::Currency;
use poem::endpoint::{make, make_sync};
use poem::http::StatusCode;
use poem::{Endpoint, Response, get, post};

use crate::api::routes::{Access, Route, undocumented};
use crate::web::app::{self, Asset, SCRIPT, asset};
use crate::web::json::json;

const ASSETS: [Asset; 14] = [
    asset!("api.js", SCRIPT),
    asset!("bank.js", SCRIPT),
    asset!("console.js", SCRIPT),
    asset!("contradictions.js", SCRIPT),
    asset!("copy.js", SCRIPT),
    asset!("live.js", SCRIPT),
    asset!("payment.js", SCRIPT),
    asset!("payments.js", SCRIPT),
    asset!("queue.js", SCRIPT),
    asset!("resolve.js", SCRIPT),
    asset!("search.js", SCRIPT),
    asset!("time.js", SCRIPT),
    asset!("timeline.js", SCRIPT),
    asset!("words.js", SCRIPT),
];

/// The routes of the console that are more than a page to read.
pub(crate) static ROUTES: [Route; 1] = [undocumented(
    "POST",
    "/console/payments/{}/inquiry",
    Access::Operator,
)];

/// The routes below `/console`.
pub(crate) fn routes() -> poem::Route {
    app::routes(include_str!("assets/index.html"), &ASSETS)
        .at(
            "/payments/:payment_id/inquiry",
            post(make(inquiry::inquire)),
        )
        .at("/currencies", currencies())
}

/// Decimal digits by currency. Browsers know only the digits that are usually shown.
fn currencies() -> impl Endpoint<Output = Response> {
    let digits = Currency::all().into_iter();
    let digits: BTreeMap<_, _> = digits
        .map(|currency| (currency.code(), currency.minor_digits()))
        .collect();
    get(make_sync(move |_| json(StatusCode::OK, &digits)))
}
