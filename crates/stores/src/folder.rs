//! A folder of this machine: another disk, a share that is mounted here.

use crate::body::{Pace, next, open_at};
use crate::{Capabilities, Meter, Object, Sink, Store, StoreError, Upload, already, check_key, is_hidden, part_of};
use async_trait::async_trait;
use std::io;
use std::path::{Path, PathBuf};
use tokio::fs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) struct Folder {
    root: PathBuf,
    pace: Pace,
}

impl Folder {
    pub(crate) fn new(root: PathBuf, pace: Pace) -> Self {
        Self { root, pace }
    }

    /// The folder is never made: where a disk is not mounted, its mount point must not be filled instead.
    async fn check(&self) -> Result<(), StoreError> {
        match fs::metadata(&self.root).await {
            Ok(meta) if meta.is_dir() => Ok(()),
            Ok(_) => Err(StoreError::Invalid(format!("{} is no folder", self.root.display()))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::Unreachable(format!("the folder {} is not there; mount it, or make it", self.root.display())))
            }
            Err(e) => Err(StoreError::local("look at", &self.root)(e)),
        }
    }

    fn path(&self, key: &str) -> Result<PathBuf, StoreError> {
        check_key(key)?;
        Ok(self.root.join(key))
    }
}

/// Removes a part that was not completed.
struct Unfinished(Option<PathBuf>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

async fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    let file = fs::File::open(folder).await.map_err(StoreError::local("open", folder))?;
    file.sync_all().await.map_err(StoreError::local("sync", folder))
}

#[async_trait]
impl Store for Folder {
    fn capabilities(&self) -> Capabilities {
        Capabilities { delete: true, resume: false }
    }

    async fn put(&self, key: &str, upload: &Upload, meter: &Meter) -> Result<(), StoreError> {
        self.check().await?;
        let path = self.path(key)?;
        let size = fs::metadata(&upload.file).await.map_err(StoreError::local("read", &upload.file))?.len();
        if already(key, self.size(key).await?, size)? {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(&self.root).to_owned();
        fs::create_dir_all(&folder).await.map_err(StoreError::local("make", &folder))?;
        let part = self.root.join(part_of(key));
        let failed = StoreError::local("write", &part);
        let mut unfinished = Unfinished(Some(part.clone()));
        let mut file =
            fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o640).open(&part).await.map_err(&failed)?;
        let mut source = open_at(&upload.file, 0).await?;
        let mut left = size;
        loop {
            let bytes = next(&mut source, &upload.file, &mut left, &self.pace, meter).await?;
            if bytes.is_empty() {
                break;
            }
            file.write_all(&bytes).await.map_err(&failed)?;
        }
        file.flush().await.map_err(&failed)?;
        file.sync_all().await.map_err(&failed)?;
        // A link never replaces anything; file systems without links are trusted to be ours alone.
        match fs::hard_link(&part, &path).await {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(StoreError::Exists(format!("{} is there already; nothing is overwritten", path.display())));
            }
            Ok(()) => {}
            Err(_) => {
                fs::rename(&part, &path).await.map_err(&failed)?;
                unfinished.0 = None;
            }
        }
        drop(unfinished);
        sync_folder(&folder).await
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, StoreError> {
        self.check().await?;
        let path = self.path(key)?;
        match fs::metadata(&path).await {
            Ok(meta) if meta.is_file() => Ok(Some(meta.len())),
            Ok(_) => Err(StoreError::Invalid(format!("{} is no file", path.display()))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(StoreError::local("look at", &path)(e)),
        }
    }

    async fn get(&self, key: &str, start: u64, end: u64, sink: Sink<'_>, meter: &Meter) -> Result<(), StoreError> {
        self.check().await?;
        let path = self.path(key)?;
        if self.size(key).await?.is_none() {
            return Err(StoreError::NotFound(format!("{} is not there", path.display())));
        }
        let mut file = open_at(&path, start).await?;
        let mut left = end - start;
        let mut buffer = vec![0; 256 << 10];
        while left > 0 {
            if meter.is_cancelled() {
                return Err(StoreError::Cancelled);
            }
            let want = buffer.len().min(usize::try_from(left).unwrap_or(buffer.len()));
            let n = file.read(&mut buffer[..want]).await.map_err(StoreError::local("read", &path))?;
            if n == 0 {
                return Err(StoreError::Damaged(format!("{} is shorter than it should be", path.display())));
            }
            meter.add_received(n);
            left -= n as u64;
            sink(&buffer[..n]).map_err(StoreError::local("write what comes from", &path))?;
        }
        Ok(())
    }

    async fn list(&self, folder: &str) -> Result<Vec<Object>, StoreError> {
        self.check().await?;
        let start = if folder.is_empty() { self.root.clone() } else { self.path(folder)? };
        let mut out = Vec::new();
        let mut folders = vec![start];
        while let Some(at) = folders.pop() {
            let mut entries = match fs::read_dir(&at).await {
                Ok(entries) => entries,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(StoreError::local("read", &at)(e)),
            };
            while let Some(entry) = entries.next_entry().await.map_err(StoreError::local("read", &at))? {
                let path = entry.path();
                let Some(key) = path.strip_prefix(&self.root).ok().and_then(Path::to_str) else { continue };
                let Ok(meta) = entry.metadata().await else { continue };
                if is_hidden(key) {
                    continue;
                }
                if meta.is_dir() {
                    folders.push(path);
                } else if meta.is_file() {
                    out.push(Object { key: key.to_owned(), size: meta.len() });
                }
            }
        }
        out.sort();
        Ok(out)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.check().await?;
        let path = self.path(key)?;
        match fs::remove_file(&path).await {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::local("remove", &path)(e)),
            _ => Ok(()),
        }
    }
}
