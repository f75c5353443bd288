//! Errors as RFC 9457 gives them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error (RFC 9457, `application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A stable name of the kind of error: `urn:backupd:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable code: `not_found`, `invalid`, `conflict`, `forbidden`, `damaged`, `no_space`, …
    pub code: String,
    /// What failed, on what, and what to do.
    pub detail: String,
    /// The number of the request, which the daemon's log names too where it is at fault; also in the header
    /// `X-Request-Id` of every answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}
