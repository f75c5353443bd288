//! Keys of encrypted archives.

use clap::Args as ClapArgs;
use std::path::PathBuf;

/// What opens encrypted archives, beside what the schedule itself says.
#[derive(ClapArgs, Default)]
pub(crate) struct KeyArgs {
    /// File with a private key that opens the archive (may be given several times)
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<PathBuf>,
    /// File whose first line is the passphrase of that key
    #[arg(long, value_name = "FILE")]
    pub(crate) key_passphrase_file: Option<PathBuf>,
    /// File whose first line is the passphrase of the archive (may be given several times)
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Vec<PathBuf>,
}

impl KeyArgs {
    pub(crate) fn is_empty(&self) -> bool {
        self.key.is_empty() && self.key_passphrase_file.is_none() && self.passphrase_file.is_empty()
    }
}
