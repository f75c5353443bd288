//! A folder of an SSH server, by the `ssh` program of OpenSSH and its subsystem for files
//! (draft-ietf-secsh-filexfer-02): its settings, agent, jump hosts and known hosts are those of everything else here.

use crate::body::{Pace, next, open_at};
use crate::{Capabilities, Meter, Object, Sink, Store, StoreError, Upload, already, check_key, is_hidden, part_of};
use async_trait::async_trait;
use backup_model::{DestinationSettings, StoreUrl};
use russh_sftp::client::SftpSession;
use russh_sftp::client::error::Error;
use russh_sftp::protocol::{OpenFlags, StatusCode};
use std::ffi::OsString;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

/// So long may one answer take.
const ANSWER: u64 = 60;
/// What is read back of an upload that was cut, before it goes on.
const COMPARED: u64 = 1 << 20;

pub(crate) struct Sftp {
    argv: Vec<OsString>,
    shown: String,
    folder: String,
    pace: Pace,
    session: Mutex<Option<Arc<Session>>>,
}

/// A connection: the protocol, the program that carries it, and what that has said.
struct Session {
    sftp: SftpSession,
    _ssh: Child,
    said: Arc<std::sync::Mutex<String>>,
}

/// Whether an error is of the connection and not of what was asked.
fn broken(e: &Error) -> bool {
    match e {
        Error::Status(status) => matches!(status.status_code, StatusCode::ConnectionLost | StatusCode::NoConnection),
        Error::Timeout | Error::IO(_) | Error::UnexpectedBehavior(_) | Error::UnexpectedPacket => true,
        Error::Limited(_) => false,
    }
}

fn is_missing(e: &Error) -> bool {
    matches!(e, Error::Status(status) if status.status_code == StatusCode::NoSuchFile)
}

impl Sftp {
    pub(crate) fn new(settings: &DestinationSettings, pace: Pace) -> Result<Self, StoreError> {
        let StoreUrl::Sftp { user, host, port, folder } = &settings.place else {
            return Err(StoreError::Invalid("this is no URL of SFTP".into()));
        };
        let mut argv: Vec<OsString> = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=15"]
            .iter()
            .chain(&["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4", "-o", "ClearAllForwardings=yes"])
            .map(OsString::from)
            .collect();
        let option = |key: &str, path: &std::path::Path| {
            let mut value = OsString::from(format!("{key}="));
            value.push(path);
            [OsString::from("-o"), value]
        };
        if let Some(identity) = &settings.identity {
            argv.extend(["-i".into(), identity.into(), "-o".into(), "IdentitiesOnly=yes".into()]);
        }
        if let Some(known) = &settings.known_hosts {
            if known.to_string_lossy().contains(char::is_whitespace) {
                return Err(StoreError::Invalid("the path of `known_hosts` holds a space, which ssh would divide it at".into()));
            }
            argv.extend(option("UserKnownHostsFile", known));
            argv.extend(option("GlobalKnownHostsFile", std::path::Path::new("/dev/null")));
        }
        if let Some(port) = port {
            argv.extend(["-p".into(), port.to_string().into()]);
        }
        if let Some(user) = user {
            argv.extend(["-l".into(), user.into()]);
        }
        argv.extend(["-s".into(), "--".into(), host.into(), "sftp".into()]);
        Ok(Self { argv, shown: settings.place.to_string(), folder: folder.clone(), pace, session: Mutex::default() })
    }

    fn path(&self, key: &str) -> Result<String, StoreError> {
        check_key(key)?;
        Ok(format!("{}/{key}", self.folder))
    }

    fn part(&self, key: &str) -> String {
        format!("{}/{}", self.folder, part_of(key))
    }

    async fn connect(&self) -> Result<Arc<Session>, StoreError> {
        let mut kept = self.session.lock().await;
        if let Some(session) = &*kept {
            return Ok(Arc::clone(session));
        }
        let mut ssh = Command::new("ssh")
            .args(&self.argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| StoreError::Invalid(format!("the program ssh cannot be started ({e}); install openssh-client")))?;
        let (Some(input), Some(output), Some(mut errors)) = (ssh.stdin.take(), ssh.stdout.take(), ssh.stderr.take()) else {
            return Err(StoreError::Local("ssh has no pipes".into()));
        };
        let said = Arc::new(std::sync::Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        let listener = tokio::spawn(async move {
            let mut buffer = vec![0; 4096];
            while let Ok(n) = errors.read(&mut buffer).await {
                let mut text = heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if n == 0 || text.len() > 4000 {
                    return;
                }
                text.push_str(&String::from_utf8_lossy(&buffer[..n]));
            }
        });
        let stream = tokio::io::join(output, input);
        let begun = tokio::time::timeout(Duration::from_secs(40), SftpSession::new(stream)).await;
        let Ok(Ok(sftp)) = begun else {
            // ssh says why, and ends.
            let _ = tokio::time::timeout(Duration::from_secs(2), listener).await;
            let _ = ssh.start_kill();
            return Err(self.refused(&said));
        };
        sftp.set_timeout(ANSWER);
        let session = Arc::new(Session { sftp, _ssh: ssh, said });
        *kept = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Why there is no connection, by what ssh has said.
    fn refused(&self, said: &std::sync::Mutex<String>) -> StoreError {
        let said = said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let words: String = said.lines().filter(|l| !l.trim().is_empty()).collect::<Vec<_>>().join("; ");
        let words: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect();
        let text = format!("{}: {words}", self.shown);
        if words.contains("Permission denied") {
            StoreError::Denied(format!("{text}; give the key as `identity`, and add its public half to authorized_keys there"))
        } else if words.contains("Host key verification failed") || words.contains("host key is known") {
            StoreError::Denied(format!(
                "{text}; compare the server's key, then add it to known_hosts (ssh-keyscan shows it) or give such a file as `known_hosts`"
            ))
        } else if words.is_empty() {
            StoreError::Unreachable(format!("{}: no answer", self.shown))
        } else {
            StoreError::Unreachable(text)
        }
    }

    /// What an error means; a connection that is broken is not used again.
    async fn meant(&self, session: &Session, what: &str, e: Error) -> StoreError {
        if broken(&e) {
            *self.session.lock().await = None;
            let said = session.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner).trim().to_owned();
            return StoreError::Unreachable(format!("{what} at {}: {e} {said}", self.shown));
        }
        let text = format!("{what} at {}: {e}", self.shown);
        match &e {
            Error::Status(s) if s.status_code == StatusCode::NoSuchFile => StoreError::NotFound(text),
            Error::Status(s) if s.status_code == StatusCode::PermissionDenied => StoreError::Denied(text),
            Error::Status(s) if s.error_message.contains("space") || s.error_message.contains("quota") => StoreError::Full(text),
            _ => StoreError::Refused(format!("{text}; the server's log may say more (its disk may be full)")),
        }
    }

    /// The same for an error of a file that is open.
    async fn meant_io(&self, session: &Session, what: &str, e: std::io::Error) -> StoreError {
        match e.downcast::<Error>() {
            Ok(e) => self.meant(session, what, e).await,
            Err(e) => match e.kind() {
                std::io::ErrorKind::StorageFull => StoreError::Full(format!("{what} at {}: {e}", self.shown)),
                std::io::ErrorKind::PermissionDenied => StoreError::Denied(format!("{what} at {}: {e}", self.shown)),
                // The protocol knows no word for a full disk: it says "failure".
                _ if e.to_string().contains("Failure") => {
                    StoreError::Full(format!("{what} at {}: {e}; most likely there is no room", self.shown))
                }
                _ => self.meant(session, what, Error::IO(e.to_string())).await,
            },
        }
    }

    async fn size_of(&self, session: &Session, path: &str) -> Result<Option<u64>, StoreError> {
        match session.sftp.metadata(path).await {
            Ok(meta) => Ok(Some(meta.size.unwrap_or_default())),
            Err(e) if is_missing(&e) => Ok(None),
            Err(e) => Err(self.meant(session, &format!("look for {path}"), e).await),
        }
    }

    async fn make_folders(&self, session: &Session, key: &str) -> Result<(), StoreError> {
        let mut at = 0;
        // The folder of the destination itself is made too, the one above it must be there.
        let mut folders = vec![self.folder.clone()];
        while let Some(slash) = key[at..].find('/') {
            folders.push(format!("{}/{}", self.folder, &key[..at + slash]));
            at += slash + 1;
        }
        for folder in folders {
            if self.size_of(session, &folder).await?.is_none()
                && let Err(e) = session.sftp.create_dir(&folder).await
                && self.size_of(session, &folder).await?.is_none()
            {
                return Err(self.meant(session, &format!("make the folder {folder}"), e).await);
            }
        }
        Ok(())
    }

    /// How much of an upload that was cut can stay: its last bytes are compared.
    async fn kept(&self, session: &Session, part: &str, upload: &Upload, size: u64) -> Result<u64, StoreError> {
        let Some(there) = self.size_of(session, part).await?.filter(|there| *there <= size) else { return Ok(0) };
        let start = there.saturating_sub(COMPARED);
        let what = format!("read {part}");
        let mut remote = match session.sftp.open(part).await {
            Ok(file) => file,
            Err(e) => return Err(self.meant(session, &what, e).await),
        };
        let mut theirs = vec![0; (there - start) as usize];
        let read = async {
            remote.seek(std::io::SeekFrom::Start(start)).await?;
            remote.read_exact(&mut theirs).await.map(|_| ())
        };
        if let Err(e) = read.await {
            return Err(self.meant_io(session, &what, e).await);
        }
        let mut ours = vec![0; theirs.len()];
        let mut local = open_at(&upload.file, start).await?;
        local.read_exact(&mut ours).await.map_err(StoreError::local("read", &upload.file))?;
        Ok(if ours == theirs { there } else { 0 })
    }
}

#[async_trait]
impl Store for Sftp {
    fn capabilities(&self) -> Capabilities {
        Capabilities { delete: true, resume: true }
    }

    async fn put(&self, key: &str, upload: &Upload, meter: &Meter) -> Result<(), StoreError> {
        let path = self.path(key)?;
        let size = tokio::fs::metadata(&upload.file).await.map_err(StoreError::local("read", &upload.file))?.len();
        let session = self.connect().await?;
        if already(key, self.size_of(&session, &path).await?, size)? {
            return Ok(());
        }
        self.make_folders(&session, key).await?;
        let (part, what) = (self.part(key), format!("write {key}"));
        let kept = self.kept(&session, &part, upload, size).await?;
        let flags = OpenFlags::CREATE | OpenFlags::WRITE;
        let flags = if kept == 0 { flags | OpenFlags::TRUNCATE } else { flags };
        let mut file = match session.sftp.open_with_flags(&part, flags).await {
            Ok(file) => file,
            Err(e) => return Err(self.meant(&session, &what, e).await),
        };
        let mut source = open_at(&upload.file, kept).await?;
        let mut left = size - kept;
        if let Err(e) = file.seek(std::io::SeekFrom::Start(kept)).await {
            return Err(self.meant_io(&session, &what, e).await);
        }
        loop {
            let bytes = next(&mut source, &upload.file, &mut left, &self.pace, meter).await?;
            if bytes.is_empty() {
                break;
            }
            if let Err(e) = file.write_all(&bytes).await {
                return Err(self.meant_io(&session, &what, e).await);
            }
        }
        if let Err(e) = file.flush().await {
            return Err(self.meant_io(&session, &what, e).await);
        }
        // Servers without the extension are trusted to write what they have confirmed.
        if let Err(e) = file.sync_all().await
            && broken(&e)
        {
            return Err(self.meant(&session, &what, e).await);
        }
        if let Err(e) = file.close().await {
            return Err(self.meant_io(&session, &what, e).await);
        }
        match self.size_of(&session, &part).await? {
            Some(found) if found == size => {}
            found => {
                return Err(StoreError::Damaged(format!("{key} was sent with {size} bytes and is there with {found:?}")));
            }
        }
        // A rename of this protocol never replaces anything (draft-ietf-secsh-filexfer-02, 6.5).
        match session.sftp.rename(&part, &path).await {
            Ok(()) => Ok(()),
            Err(e) => Err(self.meant(&session, &format!("name {key}"), e).await),
        }
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, StoreError> {
        let path = self.path(key)?;
        let session = self.connect().await?;
        self.size_of(&session, &path).await
    }

    async fn get(&self, key: &str, start: u64, end: u64, sink: Sink<'_>, meter: &Meter) -> Result<(), StoreError> {
        let path = self.path(key)?;
        let what = format!("read {key}");
        let session = self.connect().await?;
        let mut file = match session.sftp.open(&path).await {
            Ok(file) => file,
            Err(e) => return Err(self.meant(&session, &what, e).await),
        };
        if let Err(e) = file.seek(std::io::SeekFrom::Start(start)).await {
            return Err(self.meant_io(&session, &what, e).await);
        }
        let mut left = end - start;
        let mut buffer = vec![0; 256 << 10];
        while left > 0 {
            if meter.is_cancelled() {
                return Err(StoreError::Cancelled);
            }
            let want = buffer.len().min(usize::try_from(left).unwrap_or(buffer.len()));
            match file.read(&mut buffer[..want]).await {
                Ok(0) => return Err(StoreError::Damaged(format!("{path} is shorter than it should be"))),
                Ok(n) => {
                    meter.add_received(n);
                    left -= n as u64;
                    sink(&buffer[..n]).map_err(StoreError::local("write what comes from", path.as_ref()))?;
                }
                Err(e) => return Err(self.meant_io(&session, &what, e).await),
            }
        }
        Ok(())
    }

    async fn list(&self, folder: &str) -> Result<Vec<Object>, StoreError> {
        let session = self.connect().await?;
        let (mut out, mut folders) = (Vec::new(), vec![folder.to_owned()]);
        while let Some(at) = folders.pop() {
            let path = if at.is_empty() { self.folder.clone() } else { self.path(&at)? };
            let entries = match session.sftp.read_dir(&path).await {
                Ok(entries) => entries,
                // Nothing was stored yet.
                Err(e) if is_missing(&e) => continue,
                Err(e) => return Err(self.meant(&session, &format!("list {path}"), e).await),
            };
            for entry in entries {
                let name = entry.file_name();
                if name.starts_with('.') {
                    continue;
                }
                let key = if at.is_empty() { name } else { format!("{at}/{name}") };
                let meta = entry.metadata();
                if meta.is_dir() {
                    folders.push(key);
                } else if meta.is_regular() && !is_hidden(&key) {
                    out.push(Object { key, size: meta.size.unwrap_or_default() });
                }
            }
        }
        out.sort();
        Ok(out)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let path = self.path(key)?;
        let session = self.connect().await?;
        match session.sftp.remove_file(&path).await {
            Err(e) if !is_missing(&e) => Err(self.meant(&session, &format!("remove {key}"), e).await),
            _ => Ok(()),
        }
    }
}
