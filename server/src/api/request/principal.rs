//! Who is asking: the merchant behind the credentials of a request.

use holdfast_core::{Merchant, OperatorName};
use poem::http::{HeaderValue, header};
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::api::front_door::FrontDoor;
use crate::api::problem::{Kind, Problem};
use crate::api_keys::Bearer;

/// The name of the security scheme in the generated document.
pub(crate) const SCHEME: &str = "apiKey";

/// The merchant whose credentials came with the request; `default` when no API keys are configured.
pub(crate) struct Principal(pub(crate) Merchant);

/// The same, for whom the credentials make an operator.
pub(crate) struct Operator {
    pub(crate) merchant: Merchant,
    pub(crate) name: OperatorName,
}

fn register_scheme(registry: &mut Registry) {
    let scheme = MetaSecurityScheme {
        ty: "http",
        description: Some(
            "An API key, `hf_...`, as a bearer token (RFC 6750). Needed only when the service \
             has API keys configured; without any, every request acts for the merchant \
             `default`.",
        ),
        name: None,
        key_in: None,
        scheme: Some("bearer"),
        bearer_format: Some("hf_..."),
        flows: None,
        openid_connect_url: None,
    };
    registry.create_security_scheme(SCHEME, scheme);
}

fn authenticate(request: &Request) -> Result<Bearer, Problem> {
    let header = request.headers().get(header::AUTHORIZATION);
    let authorization = header.map(HeaderValue::as_bytes);
    let front_door = FrontDoor::of(request);
    if let Some(bearer) = front_door.api_keys.bearer(authorization) {
        if let Some(rates) = &front_door.rates {
            rates.take(&bearer.merchant, request)?;
        }
        return Ok(bearer);
    }
    let what = if header.is_some() {
        "The credentials are not valid. They must have the form `Bearer hf_...`."
    } else {
        "Send `Authorization: Bearer hf_...` with an API key of this service."
    };
    Err(Problem::new(Kind::Unauthorized, what))
}

impl<'a> ApiExtractor<'a> for Principal {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_scheme(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self(authenticate(request)?.merchant))
    }
}

impl Operator {
    /// The operator who sent a request.
    pub(crate) fn of(request: &Request) -> Result<Self, Problem> {
        let Bearer { merchant, operator } = authenticate(request)?;
        let name = operator.ok_or_else(|| {
            Problem::new(
                Kind::Forbidden,
                "This API key has the role merchant; this request needs the role operator.",
            )
        })?;
        Ok(Self { merchant, name })
    }
}

impl<'a> ApiExtractor<'a> for Operator {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_scheme(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self::of(request)?)
    }
}
