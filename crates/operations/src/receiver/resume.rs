//! Uploads that go on where they were cut (tus 1.0.0, <https://tus.io/protocols/resumable-upload>).

use super::{Part, Place, ReceiveError, Receiver, failed, incoming};
use backup_model::{Name, format_size};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Duration;

/// An upload that nobody sends to for so long is removed.
pub(super) const LASTS: Duration = Duration::from_secs(7 * 86_400);

/// What was announced at its begin.
#[derive(Serialize, Deserialize)]
struct Announced {
    place: Place,
    length: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

pub(super) fn note_name(id: &str) -> String {
    format!("{id}.json")
}

/// An upload that nobody else sends to.
pub struct Resumable {
    receiver: Receiver,
    id: String,
    announced: Announced,
    part: PathBuf,
    note: PathBuf,
    offset: u64,
}

impl Receiver {
    /// Begins a resumable upload; answers its id.
    ///
    /// # Errors
    /// The name is taken, the quota would not hold it, or the disk's word.
    pub fn announce(&self, place: &Place, length: u64, sha256: Option<String>) -> Result<String, ReceiveError> {
        self.check_free(place)?;
        self.reserved(&place.machine).take(length)?;
        let id = uuid::Uuid::now_v7().simple().to_string();
        let folder = self.part_folder(&place.machine)?;
        let (part, note) = (folder.join(format!("{id}.part")), folder.join(note_name(&id)));
        let announced = Announced { place: place.clone(), length, sha256 };
        let text = serde_json::to_vec(&announced).map_err(|e| ReceiveError::Failed(e.to_string()))?;
        fs::write(&note, text).map_err(failed("write", &note))?;
        File::create_new(&part).map_err(failed("create", &part))?;
        Ok(id)
    }

    /// Takes a resumable upload for oneself.
    ///
    /// # Errors
    /// There is none of this machine, or somebody else has it.
    pub fn resume(&self, machine: &Name, id: &str) -> Result<Resumable, ReceiveError> {
        let none = || ReceiveError::NotFound("there is no such upload; it is complete, or was never begun".into());
        if id.len() != 32 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(none());
        }
        let folder = self.part_folder(machine)?;
        let (part, note) = (folder.join(format!("{id}.part")), folder.join(note_name(id)));
        if !self.memory().busy.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned()) {
            return Err(ReceiveError::Exists("somebody is sending to this upload".into()));
        }
        let free = || self.memory().busy.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        let read = || -> Option<(Announced, u64)> {
            let announced = serde_json::from_slice(&fs::read(&note).ok()?).ok()?;
            Some((announced, fs::metadata(&part).ok()?.len()))
        };
        let Some((announced, offset)) = read() else {
            free();
            return Err(none());
        };
        Ok(Resumable { receiver: self.clone(), id: id.to_owned(), announced, part, note, offset })
    }
}

impl Resumable {
    /// Bytes that are here.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes that were announced.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.announced.length
    }

    /// Opens the file to go on at its end.
    ///
    /// # Errors
    /// The disk's word.
    pub fn open(&self) -> Result<File, ReceiveError> {
        OpenOptions::new().append(true).open(&self.part).map_err(failed("open", &self.part))
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// More came than was announced, the quota is full, or the disk's word.
    pub fn append(&mut self, file: &mut File, bytes: &[u8]) -> Result<(), ReceiveError> {
        let after = self.offset + bytes.len() as u64;
        if after > self.announced.length {
            return Err(ReceiveError::Invalid(format!(
                "more came than the {} that were announced",
                format_size(self.announced.length)
            )));
        }
        let mut reserved = self.receiver.reserved(&self.announced.place.machine);
        reserved.take(bytes.len() as u64)?;
        // What fails here leaves a part of the bytes; where to go on is what lies on the disk.
        file.write_all(bytes).map_err(failed("write", &self.part))?;
        reserved.keep();
        self.offset = after;
        Ok(())
    }

    /// Publishes the file if all of it is here; answers whether it was.
    ///
    /// # Errors
    /// It is not what was announced or what its name says; nothing is left then.
    pub fn settle(&self) -> Result<bool, ReceiveError> {
        if self.offset < self.announced.length {
            return Ok(false);
        }
        let file = File::open(&self.part).map_err(failed("read", &self.part))?;
        file.sync_all().map_err(failed("write", &self.part))?;
        let sums = incoming::sums(&file).map_err(failed("read", &self.part))?;
        // Its bytes are counted already, and stay so if it stays.
        let part = Part::of(self.part.clone(), self.receiver.reserved(&self.announced.place.machine), sums);
        fs::remove_file(&self.note).map_err(failed("remove", &self.note))?;
        if let Some(announced) = self.announced.sha256.as_ref().filter(|s| !s.eq_ignore_ascii_case(&part.sha256)) {
            self.receiver.recount(&self.announced.place.machine);
            return Err(ReceiveError::Invalid(format!(
                "its SHA-256 is {} and {announced} was announced; send it again",
                part.sha256
            )));
        }
        let machine = &self.announced.place.machine;
        self.receiver.publish(part, &self.announced.place).inspect_err(|_| self.receiver.recount(machine))?;
        Ok(true)
    }

    /// Ends it without a result.
    pub fn abort(self) {
        for path in [&self.note, &self.part] {
            let _ = fs::remove_file(path);
        }
        self.receiver.recount(&self.announced.place.machine);
    }
}

impl Drop for Resumable {
    fn drop(&mut self) {
        self.receiver.memory().busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
