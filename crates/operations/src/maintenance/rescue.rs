//! `rebuild --scan` and `--fix-missing`: archives that lie elsewhere are taken in, those that are gone are forgotten.

use crate::{App, OperationError};
use backup_engine::store;
use std::path::{Path, PathBuf};

/// What to bring into line with what is on the disk.
#[derive(Clone, Debug, Default)]
pub struct RebuildWish {
    /// Archives in this folder and those below it are taken in.
    pub scan: Option<PathBuf>,
    /// Archives that are gone are forgotten.
    pub fix_missing: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What was brought into line, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rescued {
    /// `taken_in`, `forgotten`, `no_sidecar` or `unreadable`.
    pub what: &'static str,
    /// The archive's path.
    pub path: String,
    /// What is to be said of it.
    pub text: String,
}

/// Folders below one, itself included; links are not followed.
fn folders(at: &Path, out: &mut Vec<PathBuf>, depth: usize) -> std::io::Result<()> {
    out.push(at.to_owned());
    if depth == 0 {
        return Ok(());
    }
    let mut below: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(at)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            below.push(entry.path());
        }
    }
    below.sort();
    below.iter().try_for_each(|b| folders(b, out, depth - 1))
}

impl App {
    /// Brings the catalogue into line with what is on the disk.
    ///
    /// # Errors
    /// The folder cannot be read, or the catalogue cannot be used.
    pub async fn rescue(&self, wish: &RebuildWish) -> Result<Vec<Rescued>, OperationError> {
        let home = self.need_home()?;
        let mut out = Vec::new();
        let mut add = |what, path: &Path, text: String| out.push(Rescued { what, path: path.display().to_string(), text });
        if let Some(scan) = &wish.scan {
            let top = std::fs::canonicalize(home.root().join(scan)).map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => OperationError::NotFound(format!("there is no folder {}", scan.display())),
                _ => OperationError::Failed(format!("cannot read {}: {e}", scan.display())),
            })?;
            let mut list = Vec::new();
            folders(&top, &mut list, 6)
                .map_err(|e| OperationError::Failed(format!("cannot read below {}: {e}", top.display())))?;
            for folder in list {
                for path in store::archive_files(&folder)? {
                    match store::read_manifest(&path) {
                        Ok(Some(manifest)) => {
                            let known = self.catalogue().archive_by_prefix(&manifest.id.to_string()).await?;
                            if known.as_ref().is_some_and(|k| Path::new(&k.path) == path || Path::new(&k.path).exists()) {
                                continue;
                            }
                            if !wish.dry_run {
                                self.catalogue().adopt(&manifest, &path.display().to_string(), self.now()).await?;
                            }
                            let was = known.map(|k| format!(", which was {}", k.path)).unwrap_or_default();
                            add("taken_in", &path, format!("an archive of {}{was}", manifest.schedule));
                        }
                        Ok(None) => add(
                            "no_sidecar",
                            &path,
                            "it has no sidecar; put it into backups/NAME and run `backupctl rebuild NAME`".into(),
                        ),
                        Err(e) => add("unreadable", &path, e.to_string()),
                    }
                }
            }
        }
        if wish.fix_missing {
            for record in self.catalogue().archives(None, None, 0).await?.into_iter().filter(|r| !r.away) {
                let path = Path::new(&record.path);
                match std::fs::symlink_metadata(path) {
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                        if !wish.dry_run {
                            self.catalogue().files_gone(record.manifest.id).await?;
                        }
                        add("forgotten", path, format!("an archive of {} that is not there any more", record.manifest.schedule));
                    }
                    _ => {}
                }
            }
        }
        Ok(out)
    }
}
