//! Keys for encrypted archives.

use super::Context;
use super::restore::given;
use crate::args::{KeyArgs, KeyCommand};
use crate::failure::Failure;
use crate::output::{self, line, safe};
use backup_operations::{Access, KeyFiles, Keys, describe_key, new_key, open_archive, secret_file};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) fn key(c: &Context, command: KeyCommand) -> Result<u8, Failure> {
    match command {
        KeyCommand::New { out, name, passphrase_file } => make(c, &out, &name, passphrase_file.as_deref()),
        KeyCommand::Show { file } => show(c, &file),
        KeyCommand::Check { archive, keys } => check(c, &archive, &keys),
    }
}

fn beside(out: &Path, suffix: &str) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|e| Failure::new(1, format!("cannot write {}: {e}; nothing was overwritten", path.display())))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(())
}

/// What somebody needs on paper, on the worst day.
fn sheet(name: &str, key: &KeyFiles, with_passphrase: bool) -> String {
    let passphrase = if with_passphrase {
        "It has a passphrase of its own. Write it down elsewhere: without it this key opens nothing."
    } else {
        "It has no passphrase: whoever holds this sheet can read the backups."
    };
    format!(
        "KEY SHEET: {name}\n\nFingerprint: {}\n\n\
         This private key opens every backup that was encrypted to it. Without it they are lost: print this sheet\n\
         twice, put both copies away in different places, and keep none on the machine that makes the backups.\n{passphrase}\n\n\
         To restore with backupctl: type the block below into a file restore.key.asc, then\n\n\
         \x20   backupctl restore ARCHIVE.tar.gz.gpg --to /restored --key restore.key.asc\n\n\
         To restore without backupctl, with GnuPG and tar:\n\n\
         \x20   gpg --import restore.key.asc\n\
         \x20   gpg -d ARCHIVE.tar.gz.gpg > archive.tar.gz && tar -xzpf archive.tar.gz -C /restored\n\n\
         To try it now: backupctl key check ARCHIVE.tar.gz.gpg --key restore.key.asc\n\n{}\n",
        key.fingerprint, key.private
    )
}

fn make(c: &Context, out: &Path, name: &str, passphrase_file: Option<&Path>) -> Result<u8, Failure> {
    let passphrase = passphrase_file.map(secret_file).transpose()?;
    let key = new_key(name, passphrase.as_deref()).map_err(backup_operations::OperationError::from)?;
    let files = [beside(out, ".pub.asc"), beside(out, ".key.asc"), beside(out, ".sheet.txt")];
    if let Some(there) = files.iter().find(|f| f.symlink_metadata().is_ok()) {
        return Err(Failure::new(1, format!("{} is there already; nothing was overwritten", there.display())));
    }
    write(&files[0], &key.public, 0o644)?;
    write(&files[1], &key.private, 0o600)?;
    write(&files[2], &sheet(name, &key, passphrase.is_some()), 0o600)?;
    if c.json {
        output::json(&json!({ "fingerprint": key.fingerprint, "public": files[0], "private": files[1], "sheet": files[2] }))?;
        return Ok(0);
    }
    line(format!("fingerprint {}", key.fingerprint))?;
    line(format!("{}  for backups: `--encrypt-to {}`", files[0].display(), files[0].display()))?;
    line(format!("{}  opens them: take it off this machine", files[1].display()))?;
    line(format!("{}  to print, twice; then remove it here", files[2].display()))?;
    Ok(0)
}

fn show(c: &Context, file: &Path) -> Result<u8, Failure> {
    let (user, fingerprint, private) = describe_key(file).map_err(backup_operations::OperationError::from)?;
    if c.json {
        output::json(&json!({ "user": user, "fingerprint": fingerprint, "private": private }))?;
        return Ok(0);
    }
    let kind = if private { "private key: it opens archives" } else { "public key: archives can be encrypted to it" };
    line(format!("{kind}\n  of {}\n  fingerprint {fingerprint}", safe(&user)))?;
    Ok(0)
}

fn check(c: &Context, archive: &Path, args: &KeyArgs) -> Result<u8, Failure> {
    let given = given(args)?;
    let mut keys = Keys::default();
    given.passphrases.iter().for_each(|p| keys.add_passphrase(p));
    for file in &given.keys {
        keys.add_key(file, given.key_passphrase.as_deref()).map_err(backup_operations::OperationError::from)?;
    }
    let access = Access { keys: Arc::new(keys), local: None };
    open_archive(archive, &access).map_err(backup_operations::OperationError::from)?;
    if c.json {
        output::json(&json!({ "archive": archive, "opens": true }))?;
    } else {
        line(format!("opened {} to its end", archive.display()))?;
    }
    Ok(0)
}
