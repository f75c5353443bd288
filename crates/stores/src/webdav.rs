//! A folder of a WebDAV server (RFC 4918).

use crate::body::{Pace, section};
use crate::http::{length, range, receive, success, unreachable};
use crate::open::Secrets;
use crate::{Capabilities, Meter, Object, Sink, Store, StoreError, Upload, already, check_key, is_hidden, part_of};
use async_trait::async_trait;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use std::collections::HashSet;
use tokio::sync::Mutex;

/// What stands as it is in a path (RFC 3986, 2.3).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// What is asked for: kinds and sizes.
const QUESTION: &str =
    r#"<?xml version="1.0"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/></prop></propfind>"#;

pub(crate) struct Webdav {
    base: Url,
    user: Option<String>,
    secrets: Secrets,
    client: Client,
    pace: Pace,
    /// Folders that are there.
    made: Mutex<HashSet<String>>,
}

/// Something in a folder: its path on the server, whether it is a folder, its size.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    path: String,
    folder: bool,
    size: u64,
}

/// Reads the answer to a PROPFIND (RFC 4918, 14.16).
fn entries(text: &str) -> Result<Vec<Entry>, String> {
    let mut reader = NsReader::from_str(text);
    let (mut out, mut entry, mut field) = (Vec::new(), Entry::default(), String::new());
    loop {
        let (space, event) = reader.read_resolved_event().map_err(|e| e.to_string())?;
        let dav = matches!(space, ResolveResult::Bound(ns) if ns.0 == "DAV:");
        match event {
            Event::Start(tag) if dav => {
                field = tag.local_name().as_ref().to_owned();
                match field.as_str() {
                    "response" => entry = Entry::default(),
                    "collection" => entry.folder = true,
                    _ => {}
                }
            }
            Event::Empty(tag) if dav && tag.local_name().as_ref() == "collection" => entry.folder = true,
            Event::Text(words) => match field.as_str() {
                "href" => entry.path.push_str(words.as_ref()),
                "getcontentlength" => entry.size = words.as_ref().trim().parse().unwrap_or_default(),
                _ => {}
            },
            Event::GeneralRef(name) if field == "href" => {
                entry.path.push(match &*name {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "quot" => '"',
                    "apos" => '\'',
                    other => return Err(format!("it holds the reference &{other};")),
                });
            }
            Event::End(tag) if dav => {
                field.clear();
                if tag.local_name().as_ref() == "response" {
                    out.push(std::mem::take(&mut entry));
                }
            }
            Event::Eof => return Ok(out),
            _ => {}
        }
    }
}

impl Webdav {
    pub(crate) fn new(
        base: &str,
        user: Option<String>,
        secrets: Secrets,
        client: Client,
        pace: Pace,
    ) -> Result<Self, StoreError> {
        let base = Url::parse(base).map_err(|e| StoreError::Invalid(format!("{base} is no address: {e}")))?;
        Ok(Self { base, user, secrets, client, pace, made: Mutex::default() })
    }

    fn url(&self, key: &str) -> Result<Url, StoreError> {
        let path = utf8_percent_encode(key, PLAIN).to_string();
        self.base.join(&format!("./{path}")).map_err(|e| StoreError::Invalid(format!("{key} makes no address: {e}")))
    }

    fn request(&self, method: &str, url: Url) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        let request = self.client.request(method, url);
        match (&self.user, &self.secrets.password, &self.secrets.token) {
            (Some(user), password, _) => request.basic_auth(user, password.as_ref()),
            (None, _, Some(token)) => request.bearer_auth(token),
            _ => request,
        }
    }

    /// Makes the folders above a key, where they are not there.
    async fn make_folders(&self, key: &str) -> Result<(), StoreError> {
        let mut made = self.made.lock().await;
        let mut at = 0;
        while let Some(slash) = key[at..].find('/') {
            let folder = &key[..at + slash];
            at += slash + 1;
            if made.contains(folder) {
                continue;
            }
            let what = format!("make the folder {folder}");
            let sent = self.request("MKCOL", self.url(&format!("{folder}/"))?).send().await;
            let response = sent.map_err(unreachable(&what))?;
            // 405: it is there (RFC 4918, 9.3.1).
            if response.status() != StatusCode::METHOD_NOT_ALLOWED {
                success(&what, Ok(response)).await?;
            }
            made.insert(folder.to_owned());
        }
        Ok(())
    }

    async fn children(&self, folder: &str) -> Result<Vec<Entry>, StoreError> {
        let what = format!("list {folder}");
        let path = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let url = self.url(&path)?;
        let own = url.path().trim_end_matches('/').to_owned();
        let request = self.request("PROPFIND", url).header("depth", "1").header("content-type", "application/xml").body(QUESTION);
        let response = match success(&what, request.send().await).await {
            Err(StoreError::NotFound(_)) if !folder.is_empty() => return Ok(Vec::new()),
            other => other?,
        };
        let text = response.text().await.map_err(unreachable(&what))?;
        let mut list = entries(&text).map_err(|e| StoreError::Unreachable(format!("{what}: the answer cannot be read: {e}")))?;
        for entry in &mut list {
            // It may be a whole address or a path (RFC 4918, 8.3).
            if let Ok(url) = self.base.join(&entry.path) {
                entry.path = url.path().to_owned();
            }
        }
        list.retain(|e| e.path.trim_end_matches('/') != own);
        Ok(list)
    }
}

#[async_trait]
impl Store for Webdav {
    fn capabilities(&self) -> Capabilities {
        Capabilities { delete: true, resume: false }
    }

    async fn put(&self, key: &str, upload: &Upload, meter: &Meter) -> Result<(), StoreError> {
        check_key(key)?;
        let size = tokio::fs::metadata(&upload.file).await.map_err(StoreError::local("read", &upload.file))?.len();
        if already(key, self.size(key).await?, size)? {
            return Ok(());
        }
        self.make_folders(key).await?;
        let what = format!("store {key}");
        let part = self.url(&part_of(key))?;
        let request = self
            .request("PUT", part.clone())
            .header("content-length", size)
            .body(section(&upload.file, 0, size, &self.pace, meter).await?);
        success(&what, request.send().await).await?;
        let request = self.request("MOVE", part).header("destination", self.url(key)?.as_str()).header("overwrite", "F");
        success(&what, request.send().await).await?;
        match self.size(key).await? {
            Some(found) if found == size => Ok(()),
            found => Err(StoreError::Damaged(format!("{key} was sent with {size} bytes and is there with {found:?}"))),
        }
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, StoreError> {
        check_key(key)?;
        let what = format!("look for {key}");
        length(&what, self.request("HEAD", self.url(key)?).send().await).await
    }

    async fn get(&self, key: &str, start: u64, end: u64, sink: Sink<'_>, meter: &Meter) -> Result<(), StoreError> {
        check_key(key)?;
        if start == end {
            return Ok(());
        }
        let what = format!("read {key}");
        let request = self.request("GET", self.url(key)?).header("range", range(start, end));
        let response = success(&what, request.send().await).await?;
        receive(&what, response, end - start, sink, meter).await
    }

    async fn list(&self, folder: &str) -> Result<Vec<Object>, StoreError> {
        let root = self.base.path().trim_end_matches('/').to_owned();
        let (mut out, mut folders) = (Vec::new(), vec![folder.to_owned()]);
        while let Some(at) = folders.pop() {
            for entry in self.children(&at).await? {
                let path = entry.path.trim_end_matches('/');
                let Some(key) = path.strip_prefix(&root).map(|p| p.trim_start_matches('/')) else { continue };
                let Ok(key) = percent_decode_str(key).decode_utf8() else { continue };
                if is_hidden(&key) || key.is_empty() {
                    continue;
                }
                if entry.folder {
                    folders.push(key.into_owned());
                } else {
                    out.push(Object { key: key.into_owned(), size: entry.size });
                }
            }
        }
        out.sort();
        Ok(out)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        check_key(key)?;
        match success(&format!("remove {key}"), self.request("DELETE", self.url(key)?).send().await).await {
            Err(e) if !matches!(e, StoreError::NotFound(_)) => Err(e),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_servers() {
        let text = r#"<?xml version="1.0"?><D:multistatus xmlns:D="DAV:" xmlns:x="other">
            <D:response><D:href>/dav/a%20b/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop></D:propstat></D:response>
            <D:response><D:href>/dav/x&amp;y</D:href><D:propstat><D:prop><D:resourcetype/><D:getcontentlength>12</D:getcontentlength><x:getcontentlength>99</x:getcontentlength></D:prop></D:propstat></D:response>
            </D:multistatus>"#;
        let found = entries(text).expect("read");
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].path.as_str(), found[0].folder), ("/dav/a%20b/", true));
        assert_eq!((found[1].path.as_str(), found[1].folder, found[1].size), ("/dav/x&y", false, 12));
        assert!(entries("<a><b></a>").is_err());
    }
}
