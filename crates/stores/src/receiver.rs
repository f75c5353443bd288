//! Another machine's receiver: files go by tus 1.0.0, come back in ranges, and cannot be removed from here.

use crate::body::{Pace, section};
use crate::http::{length, range, receive, success, unreachable};
use crate::open::Secrets;
use crate::{Capabilities, Meter, Object, Sink, Store, StoreError, Upload, already, check_key};
use async_trait::async_trait;
use backup_model::{Kind, ReceivedType};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde::{Deserialize, Serialize};
use std::path::Path;

const VERSION: &str = "1.0.0";
/// So much is sent in one request; the receiver has it then, whatever comes.
const STEP: u64 = 256 << 20;

pub(crate) struct Remote {
    base: String,
    secrets: Secrets,
    client: Client,
    pace: Pace,
}

/// What is noted of an upload.
#[derive(Serialize, Deserialize)]
struct Note {
    place: String,
    size: u64,
}

#[derive(Deserialize)]
struct Listed {
    objects: Vec<ListedObject>,
}

#[derive(Deserialize)]
struct ListedObject {
    profile: String,
    name: String,
    size: u64,
}

/// Profile and name of a file, and the type by which the receiver sorts it.
type Place<'a> = (&'a str, &'a str, ReceivedType);

/// The place of a key.
fn place_of(key: &str) -> Result<Place<'_>, StoreError> {
    check_key(key)?;
    let wrong = || StoreError::Invalid(format!("the receiver takes PROFILE/NAME, not {key}"));
    let (profile, name) = key.split_once('/').filter(|(_, name)| !name.contains('/')).ok_or_else(wrong)?;
    Ok((profile, name, Kind::of_file_name(name).unwrap_or(Kind::Full).into()))
}

impl Remote {
    pub(crate) fn new(base: &str, secrets: Secrets, client: Client, pace: Pace) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), secrets, client, pace }
    }

    fn request(&self, method: Method, path: &str, reads: bool) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let other = self.secrets.token.as_ref();
        match if reads { self.secrets.read_token.as_ref().or(other) } else { other.or(self.secrets.read_token.as_ref()) } {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    fn object((profile, name, kind): Place<'_>) -> String {
        let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        format!("/objects/{}/{profile}/{name}", kind.as_str())
    }

    fn offset(what: &str, response: &Response) -> Result<u64, StoreError> {
        let offset = response.headers().get("upload-offset").and_then(|v| v.to_str().ok()?.parse().ok());
        offset.ok_or_else(|| StoreError::Refused(format!("{what}: the server speaks no tus 1.0.0")))
    }

    /// An upload that was begun for this file with the bytes that are there, or a new one.
    async fn begin(&self, at: Place<'_>, upload: &Upload, size: u64) -> Result<(String, u64), StoreError> {
        let (profile, name, kind) = at;
        let what = format!("begin the upload of {profile}/{name}");
        if let Ok(text) = tokio::fs::read(&upload.note).await
            && let Ok(note) = serde_json::from_slice::<Note>(&text)
            && note.size == size
        {
            let request = self.request(Method::HEAD, &note.place, false).header("tus-resumable", VERSION);
            match success(&what, request.send().await).await {
                Ok(response) => return Ok((note.place, Self::offset(&what, &response)?)),
                Err(StoreError::NotFound(_)) => {}
                // The other side has not noticed yet that the last try is over.
                Err(StoreError::Exists(text)) => return Err(StoreError::Unreachable(text)),
                Err(e) => return Err(e),
            }
        }
        let mut metadata = format!(
            "filename {},type {},profile {}",
            STANDARD.encode(name),
            STANDARD.encode(kind.as_str()),
            STANDARD.encode(profile)
        );
        if let Some(sha256) = &upload.sha256 {
            metadata.push_str(&format!(",sha256 {}", STANDARD.encode(sha256)));
        }
        let request = self
            .request(Method::POST, "/uploads", false)
            .header("tus-resumable", VERSION)
            .header("upload-length", size)
            .header("upload-metadata", metadata);
        let response = success(&what, request.send().await).await?;
        let place = response.headers().get("location").and_then(|v| v.to_str().ok()).unwrap_or_default();
        if !place.starts_with("/uploads/") {
            return Err(StoreError::Refused(format!("{what}: the server speaks no tus 1.0.0")));
        }
        let note = Note { place: place.to_owned(), size };
        upload.keep_note(&note).await?;
        Ok((note.place, 0))
    }

    /// Sends a file, from where it was cut if it was.
    async fn send(&self, at: Place<'_>, upload: &Upload, meter: &Meter) -> Result<(), StoreError> {
        let size = tokio::fs::metadata(&upload.file).await.map_err(StoreError::local("read", &upload.file))?.len();
        if already(at.1, self.size_of(at).await?, size)? {
            return Ok(());
        }
        let what = format!("send {}/{}", at.0, at.1);
        let (place, mut offset) = self.begin(at, upload, size).await?;
        loop {
            let end = (offset + STEP).min(size);
            let request = self
                .request(Method::PATCH, &place, false)
                .header("tus-resumable", VERSION)
                .header("content-type", "application/offset+octet-stream")
                .header("upload-offset", offset)
                .header("content-length", end - offset)
                .body(section(&upload.file, offset, end, &self.pace, meter).await?);
            let response = match success(&what, request.send().await).await {
                // Somebody else of this machine may be at it, or the last try not be over yet.
                Err(StoreError::Exists(text)) if self.size_of(at).await?.is_none() => return Err(StoreError::Unreachable(text)),
                Err(e) => {
                    if !e.is_passing() && !matches!(e, StoreError::Cancelled) {
                        let _ = tokio::fs::remove_file(&upload.note).await;
                    }
                    return Err(e);
                }
                Ok(response) => response,
            };
            offset = Self::offset(&what, &response)?;
            if offset >= size {
                let _ = tokio::fs::remove_file(&upload.note).await;
                return Ok(());
            }
        }
    }

    /// The size of a file that is there.
    async fn size_of(&self, at: Place<'_>) -> Result<Option<u64>, StoreError> {
        let what = format!("look for {}/{}", at.0, at.1);
        length(&what, self.request(Method::HEAD, &Self::object(at), false).send().await).await
    }
}

#[async_trait]
impl Store for Remote {
    fn capabilities(&self) -> Capabilities {
        Capabilities { delete: false, resume: true }
    }

    async fn put(&self, key: &str, upload: &Upload, meter: &Meter) -> Result<(), StoreError> {
        self.send(place_of(key)?, upload, meter).await
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, StoreError> {
        self.size_of(place_of(key)?).await
    }

    async fn get(&self, key: &str, start: u64, end: u64, sink: Sink<'_>, meter: &Meter) -> Result<(), StoreError> {
        if start == end {
            return Ok(());
        }
        let what = format!("read {key}");
        let request = self.request(Method::GET, &Self::object(place_of(key)?), true).header("range", range(start, end));
        let response = success(&what, request.send().await).await?;
        receive(&what, response, end - start, sink, meter).await
    }

    async fn list(&self, folder: &str) -> Result<Vec<Object>, StoreError> {
        let what = "list the objects of this machine";
        let response = success(what, self.request(Method::GET, "/objects", false).send().await).await?;
        let text = response.text().await.map_err(unreachable(what))?;
        let list: Listed =
            serde_json::from_str(&text).map_err(|e| StoreError::Refused(format!("{what}: this is no receiver: {e}")))?;
        let objects = list.objects.into_iter().map(|o| Object { key: format!("{}/{}", o.profile, o.name), size: o.size });
        let mut out: Vec<Object> =
            objects.filter(|o| folder.is_empty() || o.key.strip_prefix(folder).is_some_and(|r| r.starts_with('/'))).collect();
        out.sort();
        Ok(out)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        Err(StoreError::Refused(format!("{key} stays: the receiver alone decides what goes")))
    }
}

/// Speaks to a receiver as S1's scripts do, with resumable uploads.
pub struct ReceiverClient(Remote);

impl ReceiverClient {
    /// A client; nothing is connected yet.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(base: &str, token: Option<String>, ca: Option<&Path>) -> Result<Self, StoreError> {
        let secrets = Secrets { token, ..Secrets::default() };
        Ok(Self(Remote::new(base, secrets, crate::http::client(ca)?, Pace::default())))
    }

    /// Sends a file; one that is there with the same size is left as it is. Answers whether it was sent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn push(
        &self,
        kind: ReceivedType,
        profile: &str,
        name: &str,
        upload: &Upload,
        meter: &Meter,
    ) -> Result<bool, StoreError> {
        let there = self.0.size_of((profile, name, kind)).await?.is_some();
        for pause in [1, 4, 0] {
            match self.0.send((profile, name, kind), upload, meter).await {
                Err(e) if e.is_passing() && pause > 0 => tokio::time::sleep(std::time::Duration::from_secs(pause)).await,
                done => return done.map(|()| !there),
            }
        }
        Ok(!there)
    }

    async fn ask(&self, method: Method, path: &str, body: Option<String>) -> Result<serde_json::Value, StoreError> {
        let mut request = self.0.request(method, path, false);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let what = format!("ask for {path}");
        let text = success(&what, request.send().await).await?.text().await.map_err(unreachable(&what))?;
        serde_json::from_str(&text).map_err(|e| StoreError::Refused(format!("{what}: this is no receiver: {e}")))
    }

    /// Has files compared with what is there: `POST /verify`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn verify(&self, local: &serde_json::Value) -> Result<serde_json::Value, StoreError> {
        self.ask(Method::POST, "/verify", Some(serde_json::json!({ "local_backups": local }).to_string())).await
    }

    /// Counts and sizes: `GET /stats`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stats(&self) -> Result<serde_json::Value, StoreError> {
        self.ask(Method::GET, "/stats", None).await
    }
}
