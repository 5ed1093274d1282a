//! What the root's answers mean.

use trustnet_api::network::{ErrorCode, QUEUE_LIFE, SIGNATURE_LIFE};
use trustnet_core::network::Sent;

use crate::client::{Answer, CallError};
use crate::queue::Queued;

/// What came of a write that somebody waits for: if the root has spoken, what it said is passed on.
pub(super) fn live(answered: &Result<Answer, CallError>) -> Sent {
    match answered {
        Ok(answer) => match answer.status {
            // Queued: that is no root's answer.
            202 => Sent::Lost,
            200..300 => Sent::Done,
            // Not in the words of a registry: something else answers there.
            400..500 if answer.code().is_none() => Sent::Lost,
            400..500 => Sent::Refused,
            500.. => Sent::Busy,
            _ => Sent::Lost,
        },
        Err(_) => Sent::Lost,
    }
}

/// What came of a write that had waited. `now`: the wall clock's milliseconds.
pub(super) fn queued(answered: &Result<Answer, CallError>, queued: &Queued, now: i64) -> Sent {
    let sent = live(answered);
    let code = answered.as_ref().ok().and_then(Answer::code);
    match (sent, code) {
        // It was done before, or a later one of the same key was.
        (Sent::Refused, Some(ErrorCode::Replayed)) => Sent::Done,
        // It is gone: perhaps by this very write, and whoever brought it was killed before it heard so.
        (Sent::Refused, Some(ErrorCode::NotFound)) if is_removal(queued) => Sent::Done,
        (Sent::Refused, Some(ErrorCode::RateLimited | ErrorCode::Timeout)) => Sent::Busy,
        // It was taken in time, and is no older than it may be: one of the two clocks is wrong, and will be mended. What was
        // taken by a clock that was ahead is not waited for: all others would wait as well.
        (Sent::Refused, Some(ErrorCode::Expired)) if is_good(queued, now) => Sent::Busy,
        _ => sent,
    }
}

/// Whether it takes a node out; and not a ban of one.
fn is_removal(queued: &Queued) -> bool {
    let node = queued.request.path.strip_prefix("/api/nodes/");
    queued.request.method == "DELETE" && node.is_some_and(|node| !node.contains('/'))
}

fn is_good(queued: &Queued, now: i64) -> bool {
    let taken = u64::try_from(queued.received / 1000).unwrap_or(0);
    let now = u64::try_from(now / 1000).unwrap_or(0);
    taken.abs_diff(queued.request.created) <= SIGNATURE_LIFE
        && taken <= now.saturating_add(SIGNATURE_LIFE)
        && now.saturating_sub(taken) < QUEUE_LIFE
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use trustnet_api::network::{ErrorBody, ErrorCode, QUEUE_LIFE};
    use trustnet_core::network::signature::SignatureHeaders;
    use trustnet_core::network::{NodeId, Sent};

    use super::{live, queued};
    use crate::client::{Answer, CallError};
    use crate::forward::SignedRequest;
    use crate::queue::Queued;

    fn answer(status: u16, code: Option<ErrorCode>) -> Result<Answer, CallError> {
        let body = code.map_or_else(
            || Bytes::from_static(b"<html>"),
            |code| {
                let body = ErrorBody {
                    status: "error".to_owned(),
                    code,
                    message: "…".to_owned(),
                    field: None,
                };
                serde_json::to_vec(&body).expect("JSON").into()
            },
        );
        Ok(Answer {
            status,
            retry_after: None,
            body,
        })
    }

    fn write(created: u64, received: i64) -> Queued {
        Queued {
            number: 1,
            received,
            request: SignedRequest {
                node: NodeId::new([1; 8]),
                signer: NodeId::new([1; 8]),
                method: "POST".to_owned(),
                path: "/api/register".to_owned(),
                signature: SignatureHeaders {
                    content_digest: String::new(),
                    signature_input: String::new(),
                    signature: String::new(),
                },
                created,
                authorization: None,
                body: Bytes::new(),
            },
        }
    }

    #[test]
    fn an_answer_means_what_a_root_says_with_it() {
        use ErrorCode::{
            Banned, Expired, JoinToken, NameTaken, NotFound, RateLimited, Replayed, Timeout,
            Unavailable,
        };
        let table = [
            (201, None, Sent::Done, Sent::Done),
            (200, None, Sent::Done, Sent::Done),
            (202, None, Sent::Lost, Sent::Lost),
            (302, None, Sent::Lost, Sent::Lost),
            (404, None, Sent::Lost, Sent::Lost),
            (404, Some(NotFound), Sent::Refused, Sent::Refused),
            (409, Some(NameTaken), Sent::Refused, Sent::Refused),
            (409, Some(Replayed), Sent::Refused, Sent::Done),
            (401, Some(JoinToken), Sent::Refused, Sent::Refused),
            (403, Some(Banned), Sent::Refused, Sent::Refused),
            (401, Some(Expired), Sent::Refused, Sent::Busy),
            (408, Some(Timeout), Sent::Refused, Sent::Busy),
            (429, Some(RateLimited), Sent::Refused, Sent::Busy),
            (503, Some(Unavailable), Sent::Busy, Sent::Busy),
            (500, None, Sent::Busy, Sent::Busy),
        ];
        let waiting = write(1_000, 1_000_000);
        for (status, code, now, later) in table {
            let answered = answer(status, code);
            assert_eq!(live(&answered), now, "{status} {code:?}");
            assert_eq!(
                queued(&answered, &waiting, 1_000_000),
                later,
                "{status} {code:?}"
            );
        }
        assert_eq!(live(&Err(CallError::Timeout)), Sent::Lost);
    }

    #[test]
    fn a_removal_of_a_node_that_is_gone_is_done() {
        let unknown = answer(404, Some(ErrorCode::NotFound));
        for (method, path, wanted) in [
            ("DELETE", "/api/nodes/0x0011223344556677", Sent::Done),
            ("DELETE", "/api/nodes/0x0011223344556677/ban", Sent::Refused),
            ("PUT", "/api/nodes/0x0011223344556677/ban", Sent::Refused),
        ] {
            let mut write = write(1_000, 1_000_000);
            write.request.method = method.to_owned();
            write.request.path = path.to_owned();
            let sent = queued(&unknown, &write, 1_000_000);
            assert_eq!(sent, wanted, "{method} {path}");
        }
        // No registry says so.
        assert_eq!(live(&answer(404, None)), Sent::Lost);
    }

    #[test]
    fn an_expired_write_is_given_up_only_when_it_can_be_good_nowhere() {
        let expired = answer(401, Some(ErrorCode::Expired));
        let day = i64::try_from(QUEUE_LIFE).expect("small") * 1000;
        for (created, received, now, wanted) in [
            (1_000, 1_000_000, 1_000_000 + day - 1_000, Sent::Busy),
            (1_000, 1_000_000, 1_000_000 + day, Sent::Refused),
            (1_000, 2_000_000, 2_000_000, Sent::Refused),
            (1_000, 1_000_000, 700_000, Sent::Busy),
            (1_000, 1_000_000, 699_000, Sent::Refused),
        ] {
            let sent = queued(&expired, &write(created, received), now);
            assert_eq!(sent, wanted, "{created} {received} {now}");
        }
    }
}
