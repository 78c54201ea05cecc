//! The OpenAPI document of an API, and the pages in which people browse it. All out of the binary.
//!
//! Nothing is fetched from elsewhere: the content security policy forbids it, so a page that tried would show it at once.

use poem::endpoint::make_sync;
use poem::http::header;
use poem::{Endpoint, Response, Route};
use poem_openapi::{OpenApi, OpenApiService};
use serde_json::Value;

use super::html::{HTML, fixed_page};

/// Policy of the API browsers. Their scripts stand in the page itself, and they talk to this server
/// only.
const BROWSER_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; \
     style-src 'unsafe-inline'; img-src 'self' data: blob:; font-src data:; connect-src 'self'; \
     worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A document, and the browsers that have it inside.
pub(crate) struct Document {
    value: Value,
    swagger_ui: String,
    scalar: String,
}

impl Document {
    /// A document as it is generated.
    pub(crate) fn plain<T: OpenApi>(api: &OpenApiService<T, ()>, title: &str) -> Self {
        Self::completed(api, title, |document| document)
    }

    /// A document that is generated and then completed.
    pub(crate) fn completed<T: OpenApi>(
        api: &OpenApiService<T, ()>,
        title: &str,
        complete: impl FnOnce(Value) -> Value,
    ) -> Self {
        let generated = api.spec();
        let value = serde_json::from_str(&generated).expect("the generator emits JSON");
        let value = complete(value);
        // The front ends have the document inside; give them the completed one. In a page, no text
        // of it may end the script it stands in.
        let completed = value.to_string().replace("</", "<\\/");
        let with_completed = |html: String| {
            let replaced = html.replace(&generated, &completed);
            assert!(
                html.contains(&generated),
                "the page holds the generated document"
            );
            replaced
        };
        let swagger_ui = with_completed(api.swagger_ui_html()).replace(
            "<title>Swagger UI</title>",
            &format!("<title>{title} · Swagger UI</title>"),
        );
        let scalar = with_completed(api.scalar_html())
            .replace(
                "<title>Scalar</title>",
                &format!("<title>{title} · Scalar</title>"),
            )
            // Its web fonts come from elsewhere; without them it uses those of the system.
            .replace("https://fonts.scalar.com", "data:,");
        Self {
            value,
            swagger_ui,
            scalar,
        }
    }

    pub(crate) fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(&self.value).expect("a document is plain data");
        text.push('\n');
        text
    }

    pub(crate) fn json_endpoint(&self) -> impl Endpoint<Output = Response> + use<> {
        fixed("application/json", self.json())
    }

    pub(crate) fn yaml_endpoint(&self) -> impl Endpoint<Output = Response> + use<> {
        let yaml = serde_yaml::to_string(&self.value).expect("a document is plain data");
        fixed("application/yaml", yaml)
    }

    pub(crate) fn swagger_ui(&self) -> impl Endpoint<Output = Response> + use<> {
        fixed_page(HTML, BROWSER_POLICY, self.swagger_ui.clone())
    }

    pub(crate) fn scalar(&self) -> impl Endpoint<Output = Response> + use<> {
        fixed_page(HTML, BROWSER_POLICY, self.scalar.clone())
    }

    /// The API browsers, without a page that leads to them: the first of them at the root.
    pub(crate) fn browsers(&self) -> Route {
        Route::new()
            .at("/", self.swagger_ui())
            .at("/scalar", self.scalar())
    }
}

fn fixed(content_type: &'static str, body: String) -> impl Endpoint<Output = Response> + use<> {
    let body = bytes::Bytes::from(body);
    poem::get(make_sync(move |_| {
        Response::builder()
            .header(header::CONTENT_TYPE, content_type)
            .body(body.clone())
    }))
}
