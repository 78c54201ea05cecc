//! How the answers of an operation are described in the generated document.
//!
//! A handler returns [`Answer`], already rendered; the type parameter says which answers the
//! operation can give (`operations`). Keeping both apart lets finished payments be answered
//! without a detour through schema types.

use std::marker::PhantomData;

use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{
    MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::types::Type;

use crate::api::problem::ProblemView;
use crate::api::views::account::AccountView;
use crate::api::views::event::{EventPageView, JournalPageView};
use crate::api::views::payment::{PaymentPageView, PaymentView};

/// A rendered answer of the operation `O`.
pub(crate) struct Answer<O> {
    response: Response,
    operation: PhantomData<O>,
}

impl<O> From<Response> for Answer<O> {
    fn from(response: Response) -> Self {
        Self {
            response,
            operation: PhantomData,
        }
    }
}

impl<O: Send> IntoResponse for Answer<O> {
    fn into_response(self) -> Response {
        self.response
    }
}

/// What an operation can answer.
pub(crate) trait Operation {
    /// Its answers, by status.
    const CASES: &'static [Case];
}

/// One answer.
pub(crate) struct Case {
    status: u16,
    description: &'static str,
    content: Content,
    headers: &'static [Header],
}

#[derive(Clone, Copy)]
pub(crate) enum Content {
    Payment,
    PaymentPage,
    EventPage,
    /// A page of events, or a stream of them.
    Feed,
    Account,
    JournalPage,
    Problem,
    Text,
    Empty,
}

/// A header of an answer.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    name: &'static str,
    description: &'static str,
    schema: HeaderSchema,
    required: bool,
}

impl Header {
    /// The same header, which may be left out.
    pub(crate) const fn optional(mut self) -> Self {
        self.required = false;
        self
    }
}

#[derive(Clone, Copy)]
pub(crate) enum HeaderSchema {
    Text,
    Seconds,
    Boolean,
}

pub(crate) const fn header(
    name: &'static str,
    schema: HeaderSchema,
    description: &'static str,
) -> Header {
    Header {
        name,
        description,
        schema,
        required: true,
    }
}

pub(crate) const CACHE_CONTROL: Header =
    header("Cache-Control", HeaderSchema::Text, "Always `no-store`.");

pub(crate) const fn case(
    status: u16,
    content: Content,
    headers: &'static [Header],
    description: &'static str,
) -> Case {
    Case {
        status,
        description,
        content,
        headers,
    }
}

pub(crate) const fn problem(status: u16, description: &'static str) -> Case {
    case(status, Content::Problem, &[CACHE_CONTROL], description)
}

impl Content {
    fn media_types(self) -> Vec<MetaMediaType> {
        let mut media_types: Vec<_> = self.media_type().into_iter().collect();
        if let Self::Feed = self {
            media_types.push(MetaMediaType {
                content_type: "text/event-stream",
                schema: inline(MetaSchema::new("string")),
            });
        }
        media_types
    }

    fn media_type(self) -> Option<MetaMediaType> {
        let (content_type, schema) = match self {
            Self::Payment => ("application/json", reference::<PaymentView>()),
            Self::PaymentPage => ("application/json", reference::<PaymentPageView>()),
            Self::EventPage | Self::Feed => ("application/json", reference::<EventPageView>()),
            Self::Account => ("application/json", reference::<AccountView>()),
            Self::JournalPage => ("application/json", reference::<JournalPageView>()),
            Self::Problem => ("application/problem+json", reference::<ProblemView>()),
            Self::Text => ("text/plain", inline(MetaSchema::new("string"))),
            Self::Empty => return None,
        };
        Some(MetaMediaType {
            content_type,
            schema,
        })
    }

    fn register(self, registry: &mut Registry) {
        match self {
            Self::Payment => PaymentView::register(registry),
            Self::PaymentPage => PaymentPageView::register(registry),
            Self::EventPage | Self::Feed => EventPageView::register(registry),
            Self::Account => AccountView::register(registry),
            Self::JournalPage => JournalPageView::register(registry),
            Self::Problem => ProblemView::register(registry),
            Self::Text | Self::Empty => {}
        }
    }
}

fn reference<T: Type>() -> MetaSchemaRef {
    MetaSchemaRef::Reference(T::name().into_owned())
}

fn inline(schema: MetaSchema) -> MetaSchemaRef {
    MetaSchemaRef::Inline(Box::new(schema))
}

impl Header {
    fn meta(self) -> MetaHeader {
        let schema = match self.schema {
            HeaderSchema::Text => MetaSchema::new("string"),
            HeaderSchema::Seconds => MetaSchema {
                minimum: Some(1.0),
                ..MetaSchema::new("integer")
            },
            HeaderSchema::Boolean => MetaSchema {
                enum_items: vec!["true".into(), "false".into()],
                ..MetaSchema::new("string")
            },
        };
        MetaHeader {
            name: self.name.to_owned(),
            description: Some(self.description.to_owned()),
            required: self.required,
            deprecated: false,
            schema: inline(schema),
        }
    }
}

impl<O: Operation> ApiResponse for Answer<O> {
    fn meta() -> MetaResponses {
        let responses = O::CASES.iter().map(|case| MetaResponse {
            description: case.description,
            status: Some(case.status),
            status_range: None,
            content: case.content.media_types(),
            headers: case.headers.iter().map(|header| header.meta()).collect(),
        });
        MetaResponses {
            responses: responses.collect(),
        }
    }

    fn register(registry: &mut Registry) {
        for case in O::CASES {
            case.content.register(registry);
        }
    }
}
