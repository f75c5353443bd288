//! Files as downloads, whole or a range of them (RFC 9110, 14).

use crate::problem::{ApiError, ApiResult};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use std::io::SeekFrom;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_stream::wrappers::ReceiverStream;

/// Bytes that are read at a time.
const STEP: usize = 256 << 10;

/// The range that is asked for: first byte and the one after the last. Several ranges, or what is no range, mean the
/// whole (RFC 9110, 14.2 allows that).
fn range(headers: &HeaderMap, size: u64) -> Result<Option<(u64, u64)>, ()> {
    let Some(text) = headers.get(header::RANGE).and_then(|v| v.to_str().ok()) else { return Ok(None) };
    let Some((first, last)) =
        text.strip_prefix("bytes=").and_then(|t| t.trim().split_once('-')).filter(|(_, l)| !l.contains(','))
    else {
        return Ok(None);
    };
    let (start, end) = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.trim().is_empty() => (first, size),
        (Err(_), Ok(tail)) if first.trim().is_empty() => (size.saturating_sub(tail), size),
        _ => return Ok(None),
    };
    if start >= end { Err(()) } else { Ok(Some((start, end))) }
}

/// A name for what is downloaded (RFC 6266): in ASCII for everybody, in UTF-8 for who knows that.
pub(crate) fn attachment(name: &[u8]) -> Option<HeaderValue> {
    let text = String::from_utf8_lossy(name);
    let plain: String = text.chars().map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\') { c } else { '_' }).collect();
    let mut value = format!("attachment; filename=\"{plain}\"");
    if plain != text {
        value.push_str("; filename*=UTF-8''");
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                value.push(char::from(byte));
            } else {
                value.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    HeaderValue::from_str(&value).ok()
}

/// Answers with a file.
///
/// # Errors
/// It cannot be read, or the range lies behind its end.
pub(crate) async fn download(path: &Path, headers: &HeaderMap) -> ApiResult<Response> {
    let failed = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => {
            ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("the file {} is not there any more", path.display()))
        }
        _ => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", format!("cannot read {}: {e}", path.display())),
    };
    let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
    let size = file.metadata().await.map_err(failed)?.len();
    let asked = range(headers, size)
        .map_err(|()| ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "range", format!("the file has {size} bytes")))?;
    let (start, end) = asked.unwrap_or((0, size));
    file.seek(SeekFrom::Start(start)).await.map_err(failed)?;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(4);
    tokio::spawn(async move {
        let mut left = end - start;
        while left > 0 {
            let mut chunk = vec![0; STEP.min(usize::try_from(left).unwrap_or(STEP))];
            let read = match file.read(&mut chunk).await {
                // Shorter than it was: the connection is broken off, so that nobody takes it for whole.
                Ok(0) => Err(std::io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    chunk.truncate(n);
                    left -= n as u64;
                    Ok(Bytes::from(chunk))
                }
                Err(e) => Err(e),
            };
            let ends = read.is_err();
            if sender.send(read).await.is_err() || ends {
                return;
            }
        }
    });
    let mut response = Response::new(Body::from_stream(ReceiverStream::new(receiver)));
    let set = response.headers_mut();
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    set.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    set.insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
    let name = path.file_name().map(std::os::unix::ffi::OsStrExt::as_bytes).unwrap_or_default();
    if let Some(value) = attachment(name) {
        set.insert(header::CONTENT_DISPOSITION, value);
    }
    if asked.is_some() {
        if let Ok(value) = HeaderValue::from_str(&format!("bytes {start}-{}/{size}", end - 1)) {
            set.insert(header::CONTENT_RANGE, value);
        }
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (text, found) in [
            ("bytes=0-9", Ok(Some((0, 10)))),
            ("bytes=90-", Ok(Some((90, 100)))),
            ("bytes=-10", Ok(Some((90, 100)))),
            ("bytes=-1000", Ok(Some((0, 100)))),
            ("bytes=50-1000", Ok(Some((50, 100)))),
            ("bytes=100-", Err(())),
            ("bytes=-0", Err(())),
            ("bytes=5-2", Ok(None)),
            ("bytes=0-1,5-6", Ok(None)),
            ("lines=1-2", Ok(None)),
            ("bytes=x", Ok(None)),
            ("bytes=0-18446744073709551615", Ok(Some((0, 100)))),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_str(text).expect(text));
            assert_eq!(range(&headers, 100), found, "{text}");
        }
        assert_eq!(range(&HeaderMap::new(), 100), Ok(None));
    }
}
