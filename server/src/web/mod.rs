//! HTTP basics that the API, the console, the simulated bank and the page of chaos share: media types, JSON, pages, OpenAPI
//! documents.
//!
//! Architecture invariant: nothing here knows what a payment is, nor any room that uses it.

pub(crate) mod app;
pub(crate) mod body;
pub(crate) mod document;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod marks;
pub(crate) mod media_type;
pub(crate) mod negotiation;
pub(crate) mod same_origin;
