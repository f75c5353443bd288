//! The web page, embedded: its files as the browser wants them.
//!
//! The build leaves a gzip and a brotli copy beside every file that shrinks (`.gz`, `.br`); browsers offer brotli over
//! HTTPS and to localhost only.

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Where the page wants the nonce of its answer: `index.html` holds it.
pub const NONCE: &str = "__NONCE__";

/// A file of the page.
pub struct File {
    /// Its bytes, encoded as `encoding` says.
    pub bytes: &'static [u8],
    /// `br` or `gzip`, unless it is as it is.
    pub encoding: Option<&'static str>,
    /// Its media type.
    pub media_type: &'static str,
    /// Whether its name changes with its contents.
    pub immutable: bool,
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" | "webmanifest" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Whether a header `Accept-Encoding` takes a coding (RFC 9110, 12.5.3).
fn takes(accepted: &str, coding: &str) -> bool {
    accepted.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let named = parts.next().is_some_and(|n| n.eq_ignore_ascii_case(coding));
        named && !parts.any(|p| p.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q == 0.0)))
    })
}

fn get(path: &str) -> Option<&'static [u8]> {
    FILES.binary_search_by_key(&path, |(name, _)| name).ok().map(|i| FILES[i].1)
}

/// A file by its path without the leading slash, in the best coding that is accepted.
#[must_use]
pub fn file(path: &str, accepted: &str) -> Option<File> {
    // The copies are no files of their own.
    if path.ends_with(".br") || path.ends_with(".gz") {
        return None;
    }
    let (media_type, immutable) = (media_type(path), path.starts_with("assets/"));
    for (coding, end) in [("br", ".br"), ("gzip", ".gz")] {
        if takes(accepted, coding)
            && let Some(bytes) = get(&format!("{path}{end}"))
        {
            return Some(File { bytes, encoding: Some(coding), media_type, immutable });
        }
    }
    Some(File { bytes: get(path)?, encoding: None, media_type, immutable })
}

/// The page itself, with the nonce of this answer.
#[must_use]
pub fn index(nonce: &str) -> String {
    String::from_utf8_lossy(get("index.html").unwrap_or_default()).replace(NONCE, nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_chosen_by_what_is_accepted() {
        assert!(takes("gzip, deflate, br;q=0.9", "br"));
        assert!(takes("GZIP", "gzip"));
        assert!(!takes("br;q=0", "br"));
        assert!(!takes("", "gzip"));
        assert!(!takes("brotli", "br"));
    }

    #[test]
    fn copies_hold_the_same_and_are_no_files_of_their_own() {
        use std::io::Read;
        assert!(index("abc").contains("<html"));
        assert!(!index("abc").contains(NONCE));
        for name in FILES.iter().map(|(name, _)| *name).filter(|n| n.ends_with(".gz")) {
            assert!(file(name, "").is_none());
            let plain = name.trim_end_matches(".gz");
            let zipped = file(plain, "gzip").expect(plain);
            assert_eq!(zipped.encoding, Some("gzip"));
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(zipped.bytes).read_to_end(&mut text).expect(plain);
            assert!(text == file(plain, "").expect(plain).bytes, "{plain}");
        }
    }
}
