//! The bodies of requests.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use trustnet_api::network::{ErrorCode, MAX_BODY};
use trustnet_core::network::body::parse;

use super::Failure;

/// Reads a body whole.
///
/// # Errors
/// It is too large, does not come in time, or breaks off.
pub async fn body(headers: &HeaderMap, body: Body, time: Duration) -> Result<Bytes, Failure> {
    let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    if length.is_some_and(|text| text.parse::<usize>().map_or(true, |n| n > MAX_BODY)) {
        return Err(too_large());
    }
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let whole = Limited::new(body, MAX_BODY).collect();
    match tokio::time::timeout(time, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => {
            let message = "the body breaks off, or is not sent as HTTP wants it";
            Err(Failure::new(ErrorCode::BadRequest, message))
        }
        Err(_) => {
            let message = format!("the body did not come within {} s", time.as_secs_f32());
            Err(Failure::new(ErrorCode::Timeout, message))
        }
    }
}

fn too_large() -> Failure {
    let message = format!("a body has {} KiB at most", MAX_BODY / 1024);
    Failure::new(ErrorCode::TooLarge, message)
}

/// Reads JSON, strictly: an object, no unknown field, none twice.
///
/// # Errors
/// It is not said to be JSON, is none, or a field is not what it must be: the first that is wrong is named.
pub fn json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Failure> {
    if !is_json(headers) {
        let message = "the body is to be `Content-Type: application/json`";
        return Err(Failure::new(ErrorCode::MediaType, message));
    }
    Ok(parse(body)?)
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else {
        return false;
    };
    let text = only.to_str().unwrap_or_default();
    let (kind, parameters) = text.split_once(';').unwrap_or((text, "charset=utf-8"));
    let charset = parameters.trim().to_ascii_lowercase();
    kind.trim().eq_ignore_ascii_case("application/json")
        && matches!(charset.as_str(), "charset=utf-8" | "charset=\"utf-8\"" | "")
}
