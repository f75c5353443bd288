//! Who may use the API: users with passwords, sessions, tokens of programs, and the first admin.
//!
//! Secrets are 256 random bits; the catalogue knows their SHA-256 only, so whoever reads it cannot sign in.
//! Passwords are hashed with argon2id, 19 MiB, two passes (OWASP password storage cheat sheet).

use crate::{App, OperationError};
use argon2::password_hash::SaltString;
use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use backup_catalogue::{Credential, CredentialKind, User};
use backup_model::{AuditEntry, Name, NameError, Role, Scope};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Duration, Utc};
use rand::RngCore;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// A password has at least so many characters (NIST SP 800-63B asks for 8, and 15 where it stands alone).
pub const MIN_PASSWORD: usize = 12;
/// Longer ones are refused, so that nobody makes the machine hash megabytes.
const MAX_PASSWORD: usize = 1024;
/// A session that is not used for so long has ended.
const IDLE: Duration = Duration::minutes(30);
/// A session ends after so long at the latest.
const SESSION: Duration = Duration::hours(12);
/// The token of the set-up can be used for so long.
const SETUP: Duration = Duration::minutes(30);
/// Every token begins like this, so that a leaked one is recognised.
const PREFIX: &str = "bkp_";
/// Passwords are hashed two at a time: each takes 19 MiB.
static HASHING: Semaphore = Semaphore::const_new(2);

/// Who asks for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// `user:NAME`, `token:NAME` or `uid:N`.
    pub actor: String,
    /// An address, `socket` or `local`.
    pub origin: String,
    /// What they may do.
    pub scope: Scope,
    /// The id of the session, of people who have signed in.
    pub session: Option<String>,
    /// The machine of a token for the receiver; such a token opens nothing else.
    pub machine: Option<String>,
}

impl Caller {
    /// The user's name, of people who have signed in.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.actor.strip_prefix("user:")
    }
}

/// A secret that was just made: this once it is shown.
pub struct NewSecret {
    /// What to send.
    pub secret: String,
    /// Until when.
    pub expires: Option<DateTime<Utc>>,
}

/// Why a credential opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is not known, or was revoked.
    Unknown,
    /// Its time is over.
    Expired,
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rngs::OsRng.fill_bytes(&mut bytes);
    bytes
}

fn hash_of(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

async fn hashing<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, OperationError> {
    let failed = |e: &dyn std::fmt::Display| OperationError::Failed(format!("the password cannot be hashed: {e}"));
    let _permit = HASHING.acquire().await.map_err(|e| failed(&e))?;
    tokio::task::spawn_blocking(work).await.map_err(|e| failed(&e))
}

async fn hashed(password: &str) -> Result<String, OperationError> {
    let length = password.chars().count();
    if length < MIN_PASSWORD {
        return Err(OperationError::Invalid(format!("the password has {length} characters; it needs at least {MIN_PASSWORD}")));
    }
    if password.len() > MAX_PASSWORD {
        return Err(OperationError::Invalid(format!("the password is longer than {MAX_PASSWORD} bytes")));
    }
    let password = password.to_owned();
    let done = hashing(move || {
        let salt = SaltString::encode_b64(&random::<16>()).map_err(|e| e.to_string())?;
        argon2().hash_password(password.as_bytes(), &salt).map(|h| h.to_string()).map_err(|e| e.to_string())
    });
    done.await?.map_err(|e| OperationError::Failed(format!("the password cannot be hashed: {e}")))
}

/// Whether a password is the one; where there is none to compare with, as much work is done and the answer is no.
async fn matches(password: &str, stored: Option<String>) -> Result<bool, OperationError> {
    if password.len() > MAX_PASSWORD {
        return Ok(false);
    }
    let password = password.to_owned();
    hashing(move || match stored.as_deref().map(PasswordHash::new) {
        Some(Ok(hash)) => argon2().verify_password(password.as_bytes(), &hash).is_ok(),
        _ => {
            let mut out = [0; 32];
            let _ = argon2().hash_password_into(password.as_bytes(), b"nobody has this", &mut out);
            false
        }
    })
    .await
}

impl App {
    /// Adds a user.
    ///
    /// # Errors
    /// The name is wrong or taken, or the password too short.
    pub async fn add_user(&self, name: &str, role: Role, password: &str) -> Result<User, OperationError> {
        let user = self.new_user(name, role, password).await?;
        if !self.catalogue().add_user(&user).await? {
            return Err(OperationError::Conflict(format!(
                "there is already a user {name}; `backupctl user passwd {name}` gives another password"
            )));
        }
        Ok(user)
    }

    async fn new_user(&self, name: &str, role: Role, password: &str) -> Result<User, OperationError> {
        let name = Name::new(name).map_err(|e| OperationError::Invalid(e.to_string()))?;
        let password = hashed(password).await?;
        Ok(User { name: name.to_string(), role, password, created: self.now(), last_seen: None, totp: None })
    }

    /// Gives a user another password; their sessions end.
    ///
    /// # Errors
    /// There is no such user, or the password is too short.
    pub async fn set_password(&self, name: &str, password: &str) -> Result<(), OperationError> {
        let hash = hashed(password).await?;
        if !self.catalogue().set_password(name, &hash).await? {
            return Err(no_user(name));
        }
        Ok(())
    }

    /// [`App::set_password`], by the user, who gives the present one.
    ///
    /// # Errors
    /// The present password is another, or the new one too short.
    pub async fn change_password(&self, name: &str, present: &str, new: &str) -> Result<(), OperationError> {
        let stored = self.catalogue().user(name).await?.map(|u| u.password);
        if !matches(present, stored).await? {
            return Err(OperationError::Forbidden("the present password is another".into()));
        }
        self.set_password(name, new).await
    }

    /// Removes a user; their sessions end.
    ///
    /// # Errors
    /// There is no such user, or nobody would be left who may do everything.
    pub async fn delete_user(&self, name: &str) -> Result<(), OperationError> {
        let users = self.catalogue().users().await?;
        let user = users.iter().find(|u| u.name == name).ok_or_else(|| no_user(name))?;
        if user.role == Role::Admin && users.iter().filter(|u| u.role == Role::Admin).count() == 1 && users.len() > 1 {
            return Err(OperationError::Conflict(format!("{name} is the only admin; add another one first")));
        }
        self.catalogue().delete_user(name).await?;
        Ok(())
    }

    /// A user with this password, if there is one. It takes as long where there is none.
    ///
    /// # Errors
    /// The catalogue cannot be used.
    pub async fn check_password(&self, name: &str, password: &str) -> Result<Option<User>, OperationError> {
        let user = self.catalogue().user(name).await?;
        let ok = matches(password, user.as_ref().map(|u| u.password.clone())).await?;
        Ok(user.filter(|_| ok))
    }

    /// A new secret for a second factor, and the address that authenticators read it from; it counts only once
    /// [`App::set_second_factor`] has seen a code of it.
    #[must_use]
    pub fn new_second_factor(&self, name: &str) -> (String, String) {
        let secret = crate::totp::encode(&random::<20>());
        let host = if self.host().is_empty() { "backupd" } else { self.host() };
        let url = format!("otpauth://totp/backupd%20{host}:{name}?secret={secret}&issuer=backupd%20{host}");
        (secret, url)
    }

    /// Gives a user a second factor, once a code shows that their authenticator has it.
    ///
    /// # Errors
    /// The code is not of this secret.
    pub async fn set_second_factor(&self, name: &str, secret: &str, code: &str) -> Result<(), OperationError> {
        if secret.len() < 32 || crate::totp::step_of(secret, code, self.now().timestamp()).is_none() {
            return Err(OperationError::Invalid("the code is not of this secret; look at the clocks of both devices".into()));
        }
        if !self.catalogue().set_totp(name, Some(secret)).await? {
            return Err(no_user(name));
        }
        Ok(())
    }

    /// Takes a user's second factor away.
    ///
    /// # Errors
    /// There is no such user.
    pub async fn drop_second_factor(&self, name: &str) -> Result<(), OperationError> {
        if !self.catalogue().set_totp(name, None).await? {
            return Err(no_user(name));
        }
        Ok(())
    }

    /// Whether a code is of the user's second factor, and was not used before. Who has none needs no code.
    ///
    /// # Errors
    /// The catalogue cannot be used.
    pub async fn check_second_factor(&self, user: &User, code: Option<&str>) -> Result<bool, OperationError> {
        let Some(secret) = &user.totp else { return Ok(true) };
        match crate::totp::step_of(secret, code.unwrap_or_default(), self.now().timestamp()) {
            Some(step) => Ok(self.catalogue().use_totp(&user.name, step).await?),
            None => Ok(false),
        }
    }

    async fn new_secret(
        &self,
        kind: CredentialKind,
        owner: &str,
        scope: Scope,
        lasts: Option<Duration>,
        machine: Option<&str>,
    ) -> Result<Option<NewSecret>, OperationError> {
        let id = URL_SAFE_NO_PAD.encode(random::<9>()).replace('_', "-");
        let secret = format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(random::<32>()));
        let now = self.now();
        let expires = lasts.map(|l| now + l);
        let credential = Credential {
            id,
            kind,
            hash: hash_of(&secret),
            owner: owner.to_owned(),
            scope,
            created: now,
            last_used: now,
            expires,
            machine: machine.map(str::to_owned),
        };
        Ok(self.catalogue().add_credential(&credential).await?.then_some(NewSecret { secret, expires }))
    }

    /// Begins a session of a user who has shown who they are.
    ///
    /// # Errors
    /// The catalogue cannot be used.
    pub async fn begin_session(&self, user: &User) -> Result<NewSecret, OperationError> {
        let made = self.new_secret(CredentialKind::Session, &user.name, user.role.scope(), Some(SESSION), None).await?;
        self.catalogue().set_seen(&user.name, self.now()).await?;
        made.ok_or_else(|| OperationError::Failed("the session cannot be begun; try again".into()))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The catalogue cannot be used.
    pub async fn end_session(&self, id: &str) -> Result<(), OperationError> {
        self.catalogue().delete_credential(id).await?;
        Ok(())
    }

    /// Makes a token for a program. With a machine it is for the receiver alone; one that may only send archives is
    /// of the machine of its own name if none is given.
    ///
    /// # Errors
    /// A name is wrong or taken, or the scope makes no sense with a machine.
    pub async fn create_token(
        &self,
        name: &str,
        scope: Scope,
        lasts: Option<Duration>,
        machine: Option<&str>,
    ) -> Result<NewSecret, OperationError> {
        let invalid = |e: NameError| OperationError::Invalid(e.to_string());
        let name = Name::new(name).map_err(invalid)?;
        let machine = machine.map(Name::new).transpose().map_err(invalid)?;
        if machine.is_some() && !matches!(scope, Scope::Read | Scope::Upload) {
            return Err(OperationError::Invalid(
                "a token of a machine is for the receiver, where there is --scope upload (to send) and --scope read (to read back)".into(),
            ));
        }
        let machine = machine.or_else(|| (scope == Scope::Upload).then(|| name.clone()));
        let machine = machine.as_ref().map(Name::as_str);
        self.new_secret(CredentialKind::Token, name.as_str(), scope, lasts, machine).await?.ok_or_else(|| {
            OperationError::Conflict(format!("there is already a token {name}; revoke it first, or choose another name"))
        })
    }

    /// Makes a token worthless, at once; by its name.
    ///
    /// # Errors
    /// There is no such token.
    pub async fn revoke_token(&self, name: &str) -> Result<(), OperationError> {
        let tokens = self.catalogue().tokens().await?;
        let token = tokens.iter().find(|t| t.owner == name || t.id == name);
        let token = token
            .ok_or_else(|| OperationError::NotFound(format!("there is no token {name}; `backupctl token list` shows all")))?;
        self.catalogue().delete_credential(&token.id).await?;
        Ok(())
    }

    /// Makes the secret by which somebody sets the first admin up, once.
    ///
    /// # Errors
    /// There is an admin already.
    pub async fn setup_token(&self) -> Result<NewSecret, OperationError> {
        if self.catalogue().has_admin().await? {
            return Err(OperationError::Conflict(
                "there is an admin already; `backupctl user add NAME --role admin` adds another".into(),
            ));
        }
        let made = self.new_secret(CredentialKind::Setup, "", Scope::Admin, Some(SETUP), None).await?;
        made.ok_or_else(|| OperationError::Failed("the token cannot be made; try again".into()))
    }

    /// Adds the first admin for whoever shows the token of the set-up; it is worthless afterwards.
    ///
    /// # Errors
    /// The token is unknown, used or over; the name or the password is wrong.
    pub async fn set_up(&self, token: &str, name: &str, password: &str) -> Result<User, OperationError> {
        let refused = || {
            OperationError::Forbidden(
                "this set-up token is unknown, used or over; `backupctl user setup-token` makes another one".into(),
            )
        };
        let found = match self.credential_of(token).await? {
            Ok(c) if c.kind == CredentialKind::Setup => c,
            _ => return Err(refused()),
        };
        let user = self.new_user(name, Role::Admin, password).await?;
        if !self.catalogue().set_up(&user, &found.id).await? {
            return Err(refused());
        }
        Ok(user)
    }

    async fn credential_of(&self, secret: &str) -> Result<Result<Credential, Refused>, OperationError> {
        let id = secret.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).map(|(id, _)| id);
        let found = match id {
            Some(id) => self.catalogue().credential(id).await?,
            None => None,
        };
        let Some(found) = found.filter(|c| bool::from(c.hash.as_bytes().ct_eq(hash_of(secret).as_bytes()))) else {
            return Ok(Err(Refused::Unknown));
        };
        let now = self.now();
        let idle = found.kind == CredentialKind::Session && found.last_used + IDLE < now;
        if idle || found.expires.is_some_and(|e| e <= now) {
            return Ok(Err(Refused::Expired));
        }
        Ok(Ok(found))
    }

    /// Who shows this secret: a session's or a token's.
    ///
    /// # Errors
    /// The catalogue cannot be used.
    pub async fn identify(&self, secret: &str, origin: &str) -> Result<Result<Caller, Refused>, OperationError> {
        let found = match self.credential_of(secret).await? {
            Ok(found) => found,
            Err(refused) => return Ok(Err(refused)),
        };
        let sends = found.kind == CredentialKind::Token && found.scope == Scope::Upload;
        let machine = found.machine.clone().or_else(|| sends.then(|| found.owner.clone()));
        let caller = |actor: String, scope, session| Caller { actor, origin: origin.to_owned(), scope, session, machine };
        let caller = match found.kind {
            CredentialKind::Setup => return Ok(Err(Refused::Unknown)),
            CredentialKind::Token => caller(format!("token:{}", found.owner), found.scope, None),
            CredentialKind::Session => match self.catalogue().user(&found.owner).await? {
                // What the role allows now, not when the session was begun.
                Some(user) => caller(format!("user:{}", user.name), user.role.scope(), Some(found.id.clone())),
                None => return Ok(Err(Refused::Unknown)),
            },
        };
        let now = self.now();
        if now - found.last_used > Duration::minutes(1) {
            self.catalogue().touch_credential(&found.id, now).await?;
        }
        Ok(Ok(caller))
    }

    /// Writes into the audit log, and beside it into `logs/security.log`.
    pub async fn audit(&self, caller: &Caller, action: &str, target: &str, outcome: &str, detail: &str) {
        if !self.catalogue().is_recorded() {
            return;
        }
        let new = AuditEntry {
            seq: 0,
            at: self.now().timestamp_millis(),
            actor: caller.actor.clone(),
            origin: caller.origin.clone(),
            action: action.to_owned(),
            target: target.to_owned(),
            outcome: outcome.to_owned(),
            detail: detail.to_owned(),
            hash: String::new(),
        };
        match self.catalogue().add_audit(new).await {
            Ok(e) => {
                tracing::info!(target: "security", "{} {} from {}: {} {} {} {} {}", e.seq, e.actor, e.origin, e.action, e.target, e.outcome, e.detail, e.hash);
            }
            // What was done is done; that it is not in the log must not stay unknown.
            Err(error) => tracing::error!("the audit log could not be written ({error}): {} {action} {target}", caller.actor),
        }
    }
}

fn no_user(name: &str) -> OperationError {
    OperationError::NotFound(format!("there is no user {name}; `backupctl user list` shows all"))
}
