//! Files in memory that only programs started from here can read: how passwords reach client programs without
//! standing in an argument, an environment or a folder.

use crate::DatabaseError;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{Mode, fchmod};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

/// A file without a name, for its owner only (`memfd_create(2)`).
pub(crate) struct SecretFile(OwnedFd);

impl SecretFile {
    pub(crate) fn new(text: &str) -> Result<Self, DatabaseError> {
        let make = || -> std::io::Result<OwnedFd> {
            let fd = memfd_create(c"options", MFdFlags::MFD_CLOEXEC)?;
            // Client programs ignore option files that others may write, password files that others may read.
            fchmod(&fd, Mode::S_IRUSR | Mode::S_IWUSR)?;
            let mut file = File::from(fd);
            file.write_all(text.as_bytes())?;
            Ok(file.into())
        };
        make().map(Self).map_err(DatabaseError::io("make a file in memory"))
    }

    /// A handle to hand over. The program opens it by `/proc/self/fd`, and so from its begin.
    pub(crate) fn handle(&self) -> Result<OwnedFd, DatabaseError> {
        self.0.try_clone().map_err(DatabaseError::io("hand a file over"))
    }
}
