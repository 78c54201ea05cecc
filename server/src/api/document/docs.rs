//! The browsable documentation: an entry page, Swagger UI and Scalar.

use poem::endpoint::make;
use poem::error::NotFoundError;
use poem::http::{StatusCode, header};
use poem::{Endpoint, Request, Response, Route};

use crate::web::document::Document;
use crate::web::html::{HTML, PAGE_POLICY, fixed_page, page};
use crate::web::negotiation::prefers;

/// The routes below `/docs`.
pub(crate) fn routes(document: &Document) -> Route {
    Route::new()
        .at("/", fixed_page(HTML, PAGE_POLICY, index()))
        .at("/swagger", document.swagger_ui())
        .at("/scalar", document.scalar())
}

/// The root: a browser is led to the documentation; nothing else is there.
pub(crate) fn entrance() -> impl Endpoint<Output = Response> {
    poem::get(make(async |request: Request| -> poem::Result<Response> {
        if !prefers(&request, "text/html", "application/json").await {
            return Err(NotFoundError.into());
        }
        let found = Response::builder().status(StatusCode::SEE_OTHER);
        Ok(found.header(header::LOCATION, "/docs").finish())
    }))
}

fn index() -> String {
    page("API documentation", include_str!("docs_index.html"))
}
