//! The OpenAPI document of the API: generated, completed, with an example of every answer; and the pages around it.

pub(super) mod answers;
pub(super) mod docs;
mod examples;
pub(super) mod openapi;
pub(super) mod operations;
pub(super) mod problem_pages;
