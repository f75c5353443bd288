//! S3 and what speaks its protocol (<https://docs.aws.amazon.com/AmazonS3/latest/API/>). Requests are signed by rusty-s3,
//! each for an hour.

use crate::body::{Pace, section};
use crate::http::{length, range, receive, success, unreachable};
use crate::open::Secrets;
use crate::{Capabilities, Meter, Object, Sink, Store, StoreError, Upload, already, check_key, is_hidden};
use async_trait::async_trait;
use backup_model::{DestinationSettings, StoreUrl};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use rusty_s3::actions::{
    AbortMultipartUpload, CompleteMultipartUpload, CompleteMultipartUploadResponse, CreateMultipartUpload, DeleteObject,
    GetObject, HeadObject, ListObjectsV2, ListParts, PutObject, UploadPart,
};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// A signature holds for so long.
const VALID: Duration = Duration::from_secs(3600);
/// Larger files go in parts of at least this size; S3 takes 10,000 parts.
const PART: u64 = 16 << 20;
const MOST_PARTS: u64 = 9000;

pub(crate) struct S3 {
    bucket: Bucket,
    prefix: String,
    credentials: Option<Credentials>,
    client: Client,
    pace: Pace,
    lock_days: Option<u32>,
}

/// What is noted of an upload in parts.
#[derive(Serialize, Deserialize)]
struct Note {
    id: String,
    part: u64,
    size: u64,
}

/// The MD5 of a part of a file, in the form of `Content-MD5` (RFC 1864): the server compares.
async fn content_md5(file: &Path, start: u64, end: u64) -> Result<String, StoreError> {
    let path = file.to_owned();
    let sum = tokio::task::spawn_blocking(move || -> std::io::Result<String> {
        use std::os::unix::fs::FileExt;
        let file = std::fs::File::open(path)?;
        let (mut md5, mut at) = (Md5::new(), start);
        let mut buffer = vec![0; 256 << 10];
        while at < end {
            let want = buffer.len().min((end - at) as usize);
            let n = file.read_at(&mut buffer[..want], at)?;
            if n == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            md5.update(&buffer[..n]);
            at += n as u64;
        }
        Ok(STANDARD.encode(md5.finalize()))
    });
    sum.await.map_err(|e| StoreError::Local(e.to_string()))?.map_err(StoreError::local("read", file))
}

impl S3 {
    pub(crate) fn new(settings: &DestinationSettings, secrets: Secrets, client: Client, pace: Pace) -> Result<Self, StoreError> {
        let StoreUrl::S3 { bucket, prefix, endpoint, region, path_style } = &settings.place else {
            return Err(StoreError::Invalid("this is no URL of S3".into()));
        };
        let wrong = |e: &dyn std::fmt::Display| StoreError::Invalid(format!("the endpoint {endpoint} cannot be used: {e}"));
        let url = Url::parse(endpoint).map_err(|e| wrong(&e))?;
        let style = if *path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let bucket = Bucket::new(url, style, bucket.clone(), region.clone()).map_err(|e| wrong(&e))?;
        let credentials = match (secrets.access_key, secrets.secret_key) {
            (Some(key), Some(secret)) => Some(Credentials::new(key, secret)),
            _ => None,
        };
        Ok(Self { bucket, prefix: prefix.clone(), credentials, client, pace, lock_days: settings.lock_days })
    }

    fn key(&self, key: &str) -> Result<String, StoreError> {
        check_key(key)?;
        Ok(if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) })
    }

    fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    fn what(&self, action: &str, key: &str) -> String {
        format!("{action} {key} in the bucket {}", self.bucket.name())
    }

    /// Signs an action and makes the request of it, with the headers that were signed.
    fn request<'a, A: S3Action<'a>>(&self, method: Method, action: &mut A) -> RequestBuilder {
        let headers: Vec<(String, String)> =
            action.headers_mut().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut request = self.client.request(method, action.sign(VALID));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request
    }

    /// The headers that lock an object (S3 Object Lock, compliance mode: nobody can shorten it).
    #[expect(clippy::disallowed_methods, reason = "the server judges the lock by its own clock, which is the real one")]
    fn lock<'a, A: S3Action<'a>>(&self, action: &mut A) {
        if let Some(days) = self.lock_days {
            let until = chrono::Utc::now() + chrono::Duration::days(i64::from(days));
            let headers = action.headers_mut();
            headers.insert("x-amz-object-lock-mode", "COMPLIANCE");
            headers.insert("x-amz-object-lock-retain-until-date", until.format("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
    }

    async fn text(what: &str, response: Response) -> Result<String, StoreError> {
        response.text().await.map_err(unreachable(what))
    }

    async fn put_whole(&self, key: &str, upload: &Upload, size: u64, meter: &Meter) -> Result<(), StoreError> {
        let what = self.what("store", key);
        let full = self.key(key)?;
        let mut action = PutObject::new(&self.bucket, self.credentials(), &full);
        self.lock(&mut action);
        let request = self
            .request(Method::PUT, &mut action)
            .header("content-length", size)
            .header("content-md5", content_md5(&upload.file, 0, size).await?)
            // Servers that know it never replace anything (RFC 9110, 13.1.2).
            .header("if-none-match", "*")
            .body(section(&upload.file, 0, size, &self.pace, meter).await?);
        success(&what, request.send().await).await.map(|_| ())
    }

    /// The parts that are there already: entity tags from the first on, all of them of whole parts.
    async fn parts(&self, full: &str, note: &Note) -> Result<Vec<String>, StoreError> {
        let what = format!("look at the parts of {full}");
        let mut found = Vec::new();
        let mut marker = None;
        loop {
            let mut action = ListParts::new(&self.bucket, self.credentials(), full, &note.id);
            if let Some(marker) = marker {
                action.set_part_number_marker(marker);
            }
            let response = success(&what, self.request(Method::GET, &mut action).send().await).await?;
            let text = Self::text(&what, response).await?;
            let list = ListParts::parse_response(&text).map_err(|e| StoreError::Unreachable(format!("{what}: {e}")))?;
            for part in list.parts {
                let number = found.len() as u64 + 1;
                let length = note.part.min(note.size.saturating_sub((number - 1) * note.part));
                // One that is missing or cut is sent anew, and all behind it.
                if u64::from(part.number) != number || part.size != length {
                    return Ok(found);
                }
                found.push(part.etag);
            }
            marker = list.next_part_number_marker;
            if marker.is_none() {
                return Ok(found);
            }
        }
    }

    /// An upload that was begun for this file, or a new one.
    async fn begin(&self, full: &str, upload: &Upload, size: u64) -> Result<(Note, Vec<String>), StoreError> {
        if let Ok(text) = tokio::fs::read(&upload.note).await
            && let Ok(note) = serde_json::from_slice::<Note>(&text)
            && note.size == size
        {
            match self.parts(full, &note).await {
                Ok(parts) => return Ok((note, parts)),
                // The server has thrown it away.
                Err(StoreError::NotFound(_)) => {}
                Err(e) => return Err(e),
            }
        }
        let what = format!("begin the upload of {full}");
        let mut action = CreateMultipartUpload::new(&self.bucket, self.credentials(), full);
        self.lock(&mut action);
        let response = success(&what, self.request(Method::POST, &mut action).send().await).await?;
        let text = Self::text(&what, response).await?;
        let made = CreateMultipartUpload::parse_response(&text).map_err(|e| StoreError::Unreachable(format!("{what}: {e}")))?;
        let part = PART.max(size.div_ceil(MOST_PARTS).next_multiple_of(1 << 20));
        let note = Note { id: made.upload_id().to_owned(), part, size };
        upload.keep_note(&note).await?;
        Ok((note, Vec::new()))
    }

    async fn put_in_parts(&self, key: &str, upload: &Upload, size: u64, meter: &Meter) -> Result<(), StoreError> {
        let full = self.key(key)?;
        let (note, mut tags) = self.begin(&full, upload, size).await?;
        let what = self.what("store", key);
        while (tags.len() as u64) * note.part < size {
            let start = tags.len() as u64 * note.part;
            let end = (start + note.part).min(size);
            let number = tags.len() as u16 + 1;
            let mut action = UploadPart::new(&self.bucket, self.credentials(), &full, number, &note.id);
            let request = self
                .request(Method::PUT, &mut action)
                .header("content-length", end - start)
                .header("content-md5", content_md5(&upload.file, start, end).await?)
                .body(section(&upload.file, start, end, &self.pace, meter).await?);
            let response = success(&what, request.send().await).await?;
            let tag = response.headers().get("etag").and_then(|v| v.to_str().ok());
            let tag = tag.ok_or_else(|| StoreError::Refused(format!("{what}: the server gave no ETag of a part")))?;
            tags.push(tag.to_owned());
        }
        let mut action =
            CompleteMultipartUpload::new(&self.bucket, self.credentials(), &full, &note.id, tags.iter().map(String::as_str));
        let request = self.request(Method::POST, &mut action).header("if-none-match", "*").body(action.body());
        let done = match success(&what, request.send().await).await {
            Ok(response) => {
                let text = Self::text(&what, response).await?;
                // An error may come with the status 200.
                CompleteMultipartUploadResponse::parse(&text)
                    .map(|_| ())
                    .map_err(|_| StoreError::Unreachable(format!("{what}: it could not be completed: {}", text.trim())))
            }
            Err(e @ StoreError::Exists(_)) => {
                let mut abort = AbortMultipartUpload::new(&self.bucket, self.credentials(), &full, &note.id);
                let _ = self.request(Method::DELETE, &mut abort).send().await;
                let _ = tokio::fs::remove_file(&upload.note).await;
                Err(e)
            }
            Err(e) => Err(e),
        };
        done?;
        let _ = tokio::fs::remove_file(&upload.note).await;
        Ok(())
    }
}

#[async_trait]
impl Store for S3 {
    fn capabilities(&self) -> Capabilities {
        Capabilities { delete: true, resume: true }
    }

    async fn put(&self, key: &str, upload: &Upload, meter: &Meter) -> Result<(), StoreError> {
        let size = tokio::fs::metadata(&upload.file).await.map_err(StoreError::local("read", &upload.file))?.len();
        // Not every server knows conditions.
        if already(key, self.size(key).await?, size)? {
            return Ok(());
        }
        if size <= PART {
            self.put_whole(key, upload, size, meter).await?;
        } else {
            self.put_in_parts(key, upload, size, meter).await?;
        }
        match self.size(key).await? {
            Some(found) if found == size => Ok(()),
            found => Err(StoreError::Damaged(format!("{key} was sent with {size} bytes and is there with {found:?}"))),
        }
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, StoreError> {
        let what = self.what("look for", key);
        let full = self.key(key)?;
        let mut action = HeadObject::new(&self.bucket, self.credentials(), &full);
        length(&what, self.request(Method::HEAD, &mut action).send().await).await
    }

    async fn get(&self, key: &str, start: u64, end: u64, sink: Sink<'_>, meter: &Meter) -> Result<(), StoreError> {
        if start == end {
            return Ok(());
        }
        let what = self.what("read", key);
        let full = self.key(key)?;
        let mut action = GetObject::new(&self.bucket, self.credentials(), &full);
        let request = self.request(Method::GET, &mut action).header("range", range(start, end));
        let response = success(&what, request.send().await).await?;
        receive(&what, response, end - start, sink, meter).await
    }

    async fn list(&self, folder: &str) -> Result<Vec<Object>, StoreError> {
        let what = self.what("list", folder);
        let start = match (self.prefix.is_empty(), folder.is_empty()) {
            (true, true) => String::new(),
            (false, true) => format!("{}/", self.prefix),
            _ => format!("{}/", self.key(folder)?),
        };
        let own = if self.prefix.is_empty() { String::new() } else { format!("{}/", self.prefix) };
        let (mut out, mut token) = (Vec::new(), None::<String>);
        loop {
            let mut action = ListObjectsV2::new(&self.bucket, self.credentials());
            action.with_prefix(start.clone());
            if let Some(token) = &token {
                action.with_continuation_token(token.clone());
            }
            let response = success(&what, self.request(Method::GET, &mut action).send().await).await?;
            let text = Self::text(&what, response).await?;
            let list = ListObjectsV2::parse_response(&text).map_err(|e| StoreError::Unreachable(format!("{what}: {e}")))?;
            for object in list.contents {
                if let Some(key) = object.key.strip_prefix(&own)
                    && !is_hidden(key)
                    && !key.ends_with('/')
                {
                    out.push(Object { key: key.to_owned(), size: object.size.unwrap_or_default() });
                }
            }
            token = list.next_continuation_token;
            if token.is_none() {
                out.sort();
                return Ok(out);
            }
        }
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let what = self.what("remove", key);
        let full = self.key(key)?;
        let mut action = DeleteObject::new(&self.bucket, self.credentials(), &full);
        match success(&what, self.request(Method::DELETE, &mut action).send().await).await {
            Err(e) if !matches!(e, StoreError::NotFound(_)) => Err(e),
            _ => Ok(()),
        }
    }
}
