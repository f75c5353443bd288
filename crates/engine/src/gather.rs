//! Puts the entries of a version together from the archives that hold them: into a new full archive, into a
//! plain tar stream, or one file's contents.

use crate::archive::{
    ArchiveWriter, Chain, Entry, EntryKind, IndexReader, IndexWriter, Lineage, Segment, encode_entry, padding, read_contents,
};
use crate::backup::{IndexFiles, Seal, describe, sidecar_of, suffix};
use crate::error::EngineError;
use crate::observer::{Observer, note};
use crate::rebuild;
use crate::restore::Selection;
use crate::seal::Access;
use crate::store::{Parts, file_name, index_path, read_manifest, sidecar_path, write_manifest};
use backup_model::{ArchiveFile, ArchiveId, Compression, Kind, Manifest, NoteLevel, RunId, display_bytes, is_beneath};
use chrono::{DateTime, FixedOffset};
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A version's index, and the archives that it names.
pub(crate) struct Version {
    pub(crate) index: IndexReader,
    pub(crate) chain: Chain,
}

impl Version {
    /// Opens a version; a lost index is made again from the archives, in a scratch file of `scratch`.
    pub(crate) fn open(archive: &Path, scratch: &Path, access: &Access, observer: &dyn Observer) -> Result<Self, EngineError> {
        crate::stream::only_files(archive)?;
        let index = match access.index(archive, read_manifest(archive).ok().flatten().as_ref()) {
            Ok(Some(index)) => index,
            Err(e @ EngineError::NoKey { .. }) => return Err(e),
            other => {
                if let Err(e) = other {
                    observer.note(note(NoteLevel::Info, b".", e));
                }
                rebuild::scratch_index(archive, scratch, access, observer)?
            }
        };
        let chain = Chain::new(archive, &index, access);
        Ok(Self { index, chain })
    }
}

/// Gives the blocks of an entry, header and data, to `out`. `rename` may change its path and its link, `line`
/// says where it lies and what its contents must come to.
fn copy(
    chain: &mut Chain,
    line: &Entry,
    rename: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>),
    observer: &dyn Observer,
    out: &mut dyn FnMut(&[u8]) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let Some(offset) = line.offset else { return Ok(()) };
    let (mut tar, mut entry, archive) = chain.entry_at(line.archive, offset)?;
    if entry.header.path != line.path {
        return Err(EngineError::damaged(&archive, "its index points to another entry"));
    }
    rename(&mut entry.header.path, &mut entry.header.link);
    out(&encode_entry(&entry.header))?;
    if entry.header.kind != Some(EntryKind::File) {
        return Ok(());
    }
    let found = read_contents(&mut tar, &entry, &archive, observer, out)?;
    out(&[0; 512][..padding(entry.stored)])?;
    if line.hash.is_some_and(|expected| expected != found) {
        let path = display_bytes(&line.path);
        return Err(EngineError::damaged(&archive, format!("the contents of {path} are not what the index says")));
    }
    Ok(())
}

/// A full archive to make out of a chain.
#[derive(Clone, Debug)]
pub struct ConsolidatePlan {
    /// The last archive of the chain.
    pub archive: PathBuf,
    /// Id of the archive to make.
    pub id: ArchiveId,
    /// The run it belongs to.
    pub run: RunId,
    /// How to compress.
    pub compression: Compression,
    /// How to encrypt.
    pub seal: Option<Seal>,
    /// What opens the archives of the chain.
    pub access: Access,
    /// Program and version.
    pub tool: String,
}

/// Makes a full archive of the same moment out of a chain, without reading the source. Every file's contents
/// are compared with the index on the way.
///
/// # Errors
/// An archive of the chain is damaged or missing, or the new one cannot be written. Nothing is left then.
pub fn consolidate(
    plan: &ConsolidatePlan,
    now: &dyn Fn() -> DateTime<FixedOffset>,
    observer: &dyn Observer,
) -> Result<crate::Receipt, EngineError> {
    let old = read_manifest(&plan.archive)?.ok_or_else(|| EngineError::NotFound {
        path: plan.archive.display().to_string(),
        what: "a sidecar (`backupctl rebuild` makes it again)".into(),
    })?;
    let folder = plan.archive.parent().unwrap_or(Path::new("/")).to_owned();
    let mut version = Version::open(&plan.archive, &folder, &plan.access, observer)?;
    observer.expect(old.files, old.bytes);
    let seal = plan.seal.as_ref();
    let (mut parts, file) = Parts::begin(&folder, Kind::Full, old.started, &suffix(plan.compression, seal), &[])?;
    let archive = parts.archive().to_owned();
    let index = index_path(&archive);
    let index_file = IndexFiles::begin(&mut parts, &index, seal)?;
    let mut manifest = Manifest {
        id: plan.id,
        run: plan.run,
        kind: Kind::Full,
        parent: None,
        full_because: Some(format!("it was put together from {} and the archives beneath it", old.archive.name)),
        tool: plan.tool.clone(),
        changed: None,
        encryption: seal.map(Seal::described),
        archive: ArchiveFile::default(),
        index: None,
        ..old
    };
    let lineage = Lineage { archives: Vec::new(), fingerprint: version.index.lineage.fingerprint };
    let mut writer = ArchiveWriter::new(file, &archive, plan.compression, seal.map(|s| &s.recipients))?;
    describe(&mut writer, &manifest, &lineage.fingerprint)?;
    let mut index_writer = IndexWriter::new(index_file.writer()?, &index)?;
    let (mut files, mut bytes) = (0, 0);
    for line in version.index.all() {
        let mut line = line?;
        if observer.cancelled() {
            return Err(EngineError::Cancelled);
        }
        let offset = writer.position();
        copy(&mut version.chain, &line, |_, _| {}, observer, &mut |block| writer.write(block))?;
        if matches!(line.kind, EntryKind::File | EntryKind::HardLink) {
            files += 1;
            bytes += if line.kind == EntryKind::File { line.size } else { 0 };
        }
        line.archive = 0;
        line.offset = line.offset.map(|_| offset);
        index_writer.add(&line)?;
        observer.progress(files, bytes, writer.stored(), &line.path);
    }
    manifest.ended = now();
    describe(&mut writer, &manifest, &lineage.fingerprint)?;
    let written = writer.finish()?;
    let indexed = index_file.finish(index_writer.finish(plan.compression, &written.members, &lineage)?, plan.id)?;
    manifest.archive = ArchiveFile {
        name: file_name(&archive),
        compression: plan.compression.method().to_owned(),
        size: written.sums.size,
        tar_size: written.tar_size,
        md5: written.sums.md5.unwrap_or_default(),
        sha256: written.sums.sha256,
    };
    manifest.index = Some(indexed.described);
    let sidecar = sidecar_path(&archive);
    let mut sidecar_file = parts.create(&sidecar)?;
    write_manifest(&mut sidecar_file, &sidecar_of(&manifest), &sidecar)?;
    let path = parts.publish(&[&written.file, &indexed.file, &sidecar_file])?;
    Ok(crate::Receipt { path, manifest })
}

fn out_error(e: io::Error) -> EngineError {
    EngineError::Io { doing: "write to", path: "the output".into(), source: e }
}

/// Writes the contents of one file of a version to `out`, after they were compared with the index.
///
/// # Errors
/// The version holds no such file, an archive is damaged, or `out` fails.
pub fn cat(
    archive: &Path,
    path: &[u8],
    access: &Access,
    out: &mut dyn Write,
    observer: &dyn Observer,
) -> Result<u64, EngineError> {
    let mut version = Version::open(archive, &std::env::temp_dir(), access, observer)?;
    let missing = |what: &str| EngineError::NotFound {
        path: archive.display().to_string(),
        what: format!("{}{what}", display_bytes(path)),
    };
    let mut line = version.index.get(path)?.ok_or_else(|| missing(""))?;
    if line.kind == EntryKind::HardLink {
        line = version.index.get(&line.link)?.ok_or_else(|| missing(" (the file that it is a further name of)"))?;
    }
    if line.kind != EntryKind::File {
        return Err(missing(" as a file"));
    }
    // Read twice: nothing wrong is ever given out.
    copy(&mut version.chain, &line, |_, _| {}, observer, &mut |_| Ok(()))?;
    let Some(offset) = line.offset else { return Err(missing("")) };
    let (mut tar, entry, source) = version.chain.entry_at(line.archive, offset)?;
    let failed = crate::archive::read_error(&source);
    let whole = [Segment { offset: 0, length: entry.stored }];
    let mut at = 0;
    let zeros = [0; 8192];
    let fill = |from: u64, to: u64, out: &mut dyn Write| {
        (from..to).step_by(zeros.len()).try_for_each(|at| out.write_all(&zeros[..((to - at) as usize).min(zeros.len())]))
    };
    for segment in entry.header.sparse.as_deref().unwrap_or(&whole) {
        fill(at, segment.offset, out).map_err(out_error)?;
        at = segment.offset + segment.length;
        let mut left = segment.length;
        while left > 0 {
            let data = tar.data().map_err(&failed)?;
            let n = (data.len() as u64).min(left) as usize;
            if n == 0 {
                return Err(EngineError::damaged(&source, "a file ends early"));
            }
            out.write_all(&data[..n]).map_err(out_error)?;
            tar.consume(n);
            left -= n as u64;
        }
    }
    fill(at, line.size, out).map_err(out_error)?;
    out.flush().map_err(out_error)?;
    Ok(line.size)
}

/// Writes a version, or a part of it, as one plain tar stream to `out`: what `tar -x` takes, from however
/// many archives it comes. Leading components of names can be dropped.
///
/// # Errors
/// The version does not hold what was asked for, an archive is damaged (then the stream has no end mark), or
/// `out` fails.
pub fn as_tar(
    archive: &Path,
    wanted: &Selection,
    strip: usize,
    access: &Access,
    out: &mut dyn Write,
    observer: &dyn Observer,
) -> Result<u64, EngineError> {
    let mut version = Version::open(archive, &std::env::temp_dir(), access, observer)?;
    // Files that were not asked for themselves, and the further name under which their contents stand.
    let mut instead: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    let mut count = 0;
    let mut found = vec![false; wanted.paths.len()];
    for line in version.index.all() {
        let mut line = line?;
        for (i, path) in wanted.paths.iter().enumerate() {
            found[i] |= is_beneath(&line.path, path);
        }
        if !wanted.takes(&line.path) || line.offset.is_none() {
            continue;
        }
        let Some(name) = stripped(&line.path, strip) else { continue };
        let mut link = None;
        if line.kind == EntryKind::HardLink {
            let own = wanted.takes(&line.link).then(|| stripped(&line.link, strip)).flatten();
            link = own.or_else(|| instead.get(&line.link).cloned());
            if link.is_none() {
                let first = version.index.get(&line.link)?;
                let first = first.ok_or_else(|| EngineError::damaged(archive, "a hard link names a file that is not there"))?;
                instead.insert(std::mem::replace(&mut line, first).link, name.clone());
            }
        }
        let rename = |path: &mut Vec<u8>, target: &mut Vec<u8>| {
            *path = name;
            if let Some(link) = link {
                *target = link;
            }
        };
        copy(&mut version.chain, &line, rename, observer, &mut |block| out.write_all(block).map_err(out_error))?;
        count += 1;
    }
    if let Some(missing) = found.iter().position(|f| !f) {
        return Err(EngineError::NotFound {
            path: archive.display().to_string(),
            what: display_bytes(&wanted.paths[missing]).to_string(),
        });
    }
    out.write_all(&[0; 1024]).and_then(|()| out.flush()).map_err(out_error)?;
    Ok(count)
}

/// A path without its first components; `None` if nothing is left.
pub(crate) fn stripped(path: &[u8], strip: usize) -> Option<Vec<u8>> {
    let parts: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
    parts.get(strip..).filter(|rest| !rest.is_empty()).map(|rest| rest.join(&b'/'))
}
