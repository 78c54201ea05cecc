//! Web applications whose files are inside the binary, and the files that they share.
//!
//! The policy lets such a page load from, and connect to, its own server only. Trusted Types forbid it to make HTML out of
//! text.

use poem::Route;

use super::html::{HTML, fixed_page};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

pub(crate) const CSS: &str = "text/css; charset=utf-8";
pub(crate) const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file of an application.
pub(crate) struct Asset {
    /// Its address, below that of the application.
    pub(crate) path: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) content: &'static str,
}

/// A file of the folder `assets` beside the file that names it.
macro_rules! asset {
    ($name:literal, $content_type:expr) => {
        $crate::web::app::Asset {
            path: concat!("/", $name),
            content_type: $content_type,
            content: include_str!(concat!("assets/", $name)),
        }
    };
}
pub(crate) use asset;

/// The files that every application has.
const SHARED: [Asset; 3] = [
    asset!("app.css", CSS),
    asset!("dom.js", SCRIPT),
    asset!("http.js", SCRIPT),
];

/// The routes of an application: its page at the root, and its files.
pub(crate) fn routes(page: &'static str, assets: &[Asset]) -> Route {
    let mut routes = Route::new().at("/", fixed_page(HTML, POLICY, page));
    for asset in SHARED.iter().chain(assets) {
        let file = fixed_page(asset.content_type, POLICY, asset.content);
        routes = routes.at(asset.path, file);
    }
    routes
}
