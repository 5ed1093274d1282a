//! Answers: JSON, whatever happens.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use trustnet_api::network::{ErrorBody, ErrorCode};
use trustnet_core::network::Refusal;
use trustnet_core::network::signature::SignatureError;

use crate::registrar::WriteError;

/// A request that is not answered with what was asked for.
#[derive(Debug, Clone)]
pub struct Failure {
    body: ErrorBody,
    /// When to try again, in seconds.
    retry_after: Option<u64>,
}

impl Failure {
    /// A failure with its reason.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let body = ErrorBody {
            status: "error".to_owned(),
            code,
            message: message.into(),
            field: None,
        };
        Self {
            body,
            retry_after: None,
        }
    }

    /// A field that is not what it must be.
    #[must_use]
    pub fn field(field: &str, reason: impl std::fmt::Display) -> Self {
        Refusal::invalid(field, reason).into()
    }

    /// The same, with the seconds after which another attempt may help.
    #[must_use]
    pub fn retry(self, seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }

    /// Why, for programs.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.body.code
    }
}

/// The HTTP status of a reason.
#[must_use]
pub fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::BadRequest => StatusCode::BAD_REQUEST,
        ErrorCode::BadSignature | ErrorCode::Expired | ErrorCode::JoinToken => {
            StatusCode::UNAUTHORIZED
        }
        ErrorCode::Forbidden | ErrorCode::Banned => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::Timeout => StatusCode::REQUEST_TIMEOUT,
        ErrorCode::Replayed | ErrorCode::StaleSequence | ErrorCode::NameTaken => {
            StatusCode::CONFLICT
        }
        ErrorCode::Gone => StatusCode::GONE,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::InvalidField => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = json(status(self.body.code), &self.body);
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self {
            body: refusal.body(),
            retry_after: None,
        }
    }
}

impl From<SignatureError> for Failure {
    fn from(error: SignatureError) -> Self {
        Self {
            body: error.body(),
            retry_after: None,
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Refused(refusal) => refusal.into(),
            WriteError::Gap(gap) => Self::new(ErrorCode::Internal, gap.to_string()),
            // What the disk said is for the log of this machine, and its paths too.
            WriteError::Store(error) => {
                tracing::error!(%error, "the directory cannot be written");
                let message = "the registry cannot store this now; nothing was changed";
                Self::new(ErrorCode::Unavailable, message).retry(5)
            }
        }
    }
}

/// An answer in JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => raw(status, Body::from(bytes)),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            let text = r#"{"status":"error","code":"internal","message":"the registry failed at its answer"}"#;
            raw(StatusCode::INTERNAL_SERVER_ERROR, Body::from(text))
        }
    }
}

/// An answer whose body is JSON already.
pub fn raw(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
