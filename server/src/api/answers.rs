//! The answers of each operation, as the generated document describes them.
//!
//! A handler returns [`Answer`], already rendered; the type parameter says which answers the
//! operation can give. Keeping both apart lets finished payments be answered without a detour
//! through schema types, and lets one table per operation be read beside the contract.

use std::marker::PhantomData;

use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{
    MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::types::Type;

use super::problem::ProblemView;
use super::view::{EventPageView, PaymentPageView, PaymentView};

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

#[derive(Clone, Copy)]
enum HeaderSchema {
    Text,
    Seconds,
    Boolean,
}

const fn header(name: &'static str, schema: HeaderSchema, description: &'static str) -> Header {
    Header {
        name,
        description,
        schema,
        required: true,
    }
}

const LOCATION: Header = header("Location", HeaderSchema::Text, "Where the payment stands.");
const RETRY_AFTER: Header = header(
    "Retry-After",
    HeaderSchema::Seconds,
    "How long to wait before asking again, in seconds.",
);
const KEY_ECHO: Header = Header {
    required: false,
    ..header(
        "Idempotency-Key",
        HeaderSchema::Text,
        "The key of the request, as it was sent. Left out only when none was sent.",
    )
};
const REPLAYED: Header = header(
    "Idempotent-Replayed",
    HeaderSchema::Boolean,
    "`false` for the request that opened the payment, and when no payment is involved; `true` for \
     one that joined it or came later.",
);
const SHOULD_RETRY: Header = header(
    "Holdfast-Should-Retry",
    HeaderSchema::Boolean,
    "Whether repeating the request with the same key may usefully give another answer.",
);
const CACHE_CONTROL: Header = header("Cache-Control", HeaderSchema::Text, "Always `no-store`.");
const PREFERENCE_APPLIED: Header = Header {
    required: false,
    ..header(
        "Preference-Applied",
        HeaderSchema::Text,
        "The preferences that were honoured (RFC 7240).",
    )
};
const WWW_AUTHENTICATE: Header = header(
    "WWW-Authenticate",
    HeaderSchema::Text,
    "How to authenticate: `Bearer`.",
);

/// What every answer to a create carries.
macro_rules! create_headers {
    ($($more:expr),*) => {
        &[$($more,)* KEY_ECHO, REPLAYED, SHOULD_RETRY, CACHE_CONTROL, PREFERENCE_APPLIED]
    };
}

const fn case(
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

const fn problem(status: u16, description: &'static str) -> Case {
    case(status, Content::Problem, &[CACHE_CONTROL], description)
}

const UNAUTHORIZED: Case = case(
    401,
    Content::Problem,
    &[WWW_AUTHENTICATE, CACHE_CONTROL],
    "`unauthorized`: API keys are configured, and none or a wrong one was sent.",
);
const INTERNAL: Case = problem(
    500,
    "`internal-error`: a bug in Holdfast. What was made durable stays durable.",
);
const UNAVAILABLE: Case = case(
    503,
    Content::Problem,
    &[RETRY_AFTER, CACHE_CONTROL],
    "`unavailable`: the service is shutting down or its store has stopped.",
);
const FORBIDDEN: Case = problem(403, "`forbidden`: the API key has not the role operator.");
const ETAG: Header = header(
    "ETag",
    HeaderSchema::Text,
    "The payment's version in quotes, for If-Match.",
);
const NO_SUCH_PAYMENT: Case = problem(404, "`not-found`: the merchant has no such payment.");

/// `POST /v1/payments`.
pub(crate) struct Create;

impl Operation for Create {
    const CASES: &'static [Case] = &[
        case(
            201,
            Content::Payment,
            create_headers![LOCATION],
            "Settled: the debit happened. Frozen: every repeat gets the same bytes.",
        ),
        case(
            202,
            Content::Payment,
            create_headers![LOCATION, RETRY_AFTER],
            "Not finished within the wait: the payment as it durably stands. Repeat the request \
             with the same key, or follow Location.",
        ),
        case(
            400,
            Content::Problem,
            create_headers![],
            "`idempotency-key-missing`, `idempotency-key-invalid` or `validation-failed`. The key \
             stays unused.",
        ),
        case(
            401,
            Content::Problem,
            create_headers![WWW_AUTHENTICATE],
            "`unauthorized`: API keys are configured, and none or a wrong one was sent.",
        ),
        case(
            402,
            Content::Problem,
            create_headers![LOCATION],
            "`payment-failed`: declined or otherwise failed; no debit happened and none can. Frozen: \
             every repeat gets the same bytes.",
        ),
        case(
            409,
            Content::Problem,
            create_headers![RETRY_AFTER],
            "`idempotency-request-in-progress`: the key's payment is in flight and the request \
             asked with `Prefer: handling=strict` not to join it.",
        ),
        case(
            413,
            Content::Problem,
            create_headers![],
            "`content-too-large`: the body has more than 16 KiB. The key stays unused.",
        ),
        case(
            415,
            Content::Problem,
            create_headers![],
            "`unsupported-media-type`: the body is not declared as JSON in UTF-8. The key stays \
             unused.",
        ),
        case(
            422,
            Content::Problem,
            create_headers![],
            "`idempotency-key-reused`: the key stands for another request; `mismatched_fields` \
             names where they differ. Nothing changed.",
        ),
        case(
            500,
            Content::Problem,
            create_headers![RETRY_AFTER],
            "`internal-error`: a bug in Holdfast. Retry with the same key to learn how the payment \
             stands.",
        ),
        case(
            503,
            Content::Problem,
            create_headers![RETRY_AFTER],
            "`unavailable`: at capacity, shutting down, or the store has stopped. This request sent \
             nothing to the bank; keep the key.",
        ),
    ];
}

/// `GET /v1/payments`.
pub(crate) struct List;

impl Operation for List {
    const CASES: &'static [Case] = &[
        case(
            200,
            Content::PaymentPage,
            &[CACHE_CONTROL],
            "A page of payments, newest first.",
        ),
        problem(
            400,
            "`validation-failed`: a parameter breaks a rule; `errors` names it.",
        ),
        UNAUTHORIZED,
        INTERNAL,
        UNAVAILABLE,
    ];
}

/// `GET /v1/payments/{payment_id}`.
pub(crate) struct Get;

impl Operation for Get {
    const CASES: &'static [Case] = &[
        case(
            200,
            Content::Payment,
            &[ETAG, CACHE_CONTROL],
            "The payment as it durably stands.",
        ),
        UNAUTHORIZED,
        NO_SUCH_PAYMENT,
        INTERNAL,
        UNAVAILABLE,
    ];
}

/// `GET /v1/payments/{payment_id}/events`.
pub(crate) struct Events;

impl Operation for Events {
    const CASES: &'static [Case] = &[
        case(
            200,
            Content::EventPage,
            &[CACHE_CONTROL],
            "The payment's events, oldest first.",
        ),
        problem(
            400,
            "`validation-failed`: a parameter breaks a rule; `errors` names it.",
        ),
        UNAUTHORIZED,
        NO_SUCH_PAYMENT,
        INTERNAL,
        UNAVAILABLE,
    ];
}

/// `POST /v1/payments/{payment_id}/cancel`.
pub(crate) struct Cancel;

impl Operation for Cancel {
    const CASES: &'static [Case] = &[
        case(
            200,
            Content::Payment,
            &[CACHE_CONTROL],
            "Cancelled, now or before: `failed` with the code `cancelled`.",
        ),
        UNAUTHORIZED,
        NO_SUCH_PAYMENT,
        problem(
            409,
            "`payment-not-cancellable`: it is finished, or the bank may have it; `payment` shows \
             where it stands.",
        ),
        INTERNAL,
        UNAVAILABLE,
    ];
}

/// `POST /v1/payments/{payment_id}/resolve`.
pub(crate) struct Resolve;

impl Operation for Resolve {
    const CASES: &'static [Case] = &[
        case(
            200,
            Content::Payment,
            &[ETAG, CACHE_CONTROL],
            "Resolved, now or before by the same decision.",
        ),
        problem(
            400,
            "`validation-failed`: a field or If-Match breaks a rule; `errors` names it.",
        ),
        UNAUTHORIZED,
        FORBIDDEN,
        NO_SUCH_PAYMENT,
        problem(
            409,
            "`payment-not-resolvable`: its outcome is not in question; `payment` shows where it \
             stands.",
        ),
        problem(
            412,
            "`version-stale`: it has changed since; `payment` shows how it stands now.",
        ),
        problem(413, "`content-too-large`: the body has more than 16 KiB."),
        problem(
            415,
            "`unsupported-media-type`: the body is not declared as JSON in UTF-8.",
        ),
        problem(428, "`version-required`: If-Match is missing."),
        INTERNAL,
        UNAVAILABLE,
    ];
}

/// `GET /v1/contradictions`.
pub(crate) struct Contradictions;

impl Operation for Contradictions {
    const CASES: &'static [Case] = &[
        case(
            200,
            Content::EventPage,
            &[CACHE_CONTROL],
            "A page of contradictions, oldest first.",
        ),
        problem(
            400,
            "`validation-failed`: a parameter breaks a rule; `errors` names it.",
        ),
        UNAUTHORIZED,
        FORBIDDEN,
        INTERNAL,
        UNAVAILABLE,
    ];
}

/// The one client error of a route that takes no input; it comes before any route is looked at.
const HEAD_TOO_LARGE: Case = case(
    431,
    Content::Empty,
    &[],
    "The request line and headers are larger than 32 KiB.",
);

/// Readiness.
pub(crate) struct Probe;

impl Operation for Probe {
    const CASES: &'static [Case] = &[
        case(200, Content::Text, &[CACHE_CONTROL], "As asked for."),
        HEAD_TOO_LARGE,
        UNAVAILABLE,
    ];
}

/// Probes that always answer while the process runs.
pub(crate) struct AlwaysText;

impl Operation for AlwaysText {
    const CASES: &'static [Case] = &[
        case(200, Content::Text, &[CACHE_CONTROL], "As asked for."),
        HEAD_TOO_LARGE,
    ];
}

impl Content {
    fn media_type(self) -> Option<MetaMediaType> {
        let (content_type, schema) = match self {
            Self::Payment => ("application/json", reference::<PaymentView>()),
            Self::PaymentPage => ("application/json", reference::<PaymentPageView>()),
            Self::EventPage => ("application/json", reference::<EventPageView>()),
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
            Self::EventPage => EventPageView::register(registry),
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
            content: case.content.media_type().into_iter().collect(),
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
