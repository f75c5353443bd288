//! Users, tokens, sessions, the audit log.

use backup_model::{AuditEntry, Role, Scope};
use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who is signed in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// Whether there is no admin yet: then only the set-up is open.
    pub setup_needed: bool,
    /// Who asks: `user:NAME`, `token:NAME`, `uid:N`; null where nobody is signed in.
    pub actor: Option<String>,
    /// What they may do: `read`, `operate`, `admin` or `upload`.
    pub scope: Option<String>,
    /// When the session ends at the latest.
    pub expires: Option<DateTime<FixedOffset>>,
}

/// Name and password.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct SignIn {
    /// The user's name.
    pub name: String,
    /// Their password.
    pub password: String,
    /// The code of their authenticator, if they have a second factor.
    #[serde(default)]
    pub code: Option<String>,
}

/// A second factor that does not count yet.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct SecondFactorView {
    /// The secret, in base32.
    pub secret: String,
    /// The same as authenticators read it, for example from a picture.
    pub url: String,
}

/// Makes a second factor count.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct SecondFactor {
    /// The secret that was shown.
    pub secret: String,
    /// A code of it.
    pub code: String,
}

/// The first admin.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct SetUp {
    /// The token that `backupctl user setup-token` shows.
    pub token: String,
    /// The admin's name.
    pub name: String,
    /// Their password: at least 12 characters.
    pub password: String,
}

/// A new password for oneself.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct ChangePassword {
    /// The present one.
    pub present: String,
    /// The new one: at least 12 characters.
    pub new: String,
}

/// A new password for somebody.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct NewUserPassword {
    /// At least 12 characters.
    pub password: String,
}

/// A user to add.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct NewUser {
    /// The name.
    pub name: String,
    /// `viewer`, `operator` or `admin`.
    #[schema(value_type = String, example = "viewer")]
    pub role: Role,
    /// At least 12 characters.
    pub password: String,
}

/// A user.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UserView {
    /// The name.
    pub name: String,
    /// `viewer`, `operator` or `admin`.
    pub role: String,
    /// When they were added.
    pub created: DateTime<FixedOffset>,
    /// When they last signed in.
    pub last_seen: Option<DateTime<FixedOffset>>,
    /// Whether they have a second factor.
    #[serde(default)]
    pub second_factor: bool,
}

/// A token to make.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// Its name.
    pub name: String,
    /// `read`, `operate`, `admin` or `upload`.
    #[schema(value_type = String, example = "read")]
    pub scope: Scope,
    /// How long it can be used, in seconds; for ever if it is left out.
    #[serde(default)]
    pub seconds: Option<u32>,
    /// The machine whose archives it sends to the receiver (`upload`) or reads there (`read`); it opens nothing else.
    #[serde(default)]
    pub machine: Option<String>,
}

/// A token.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// Its name.
    pub name: String,
    /// `read`, `operate`, `admin` or `upload`.
    pub scope: String,
    /// The part that is no secret, as it stands behind `bkp_`.
    pub id: String,
    /// When it was made.
    pub created: DateTime<FixedOffset>,
    /// When it was last used, to the minute; null if never.
    pub last_used: Option<DateTime<FixedOffset>>,
    /// When it ends.
    pub expires: Option<DateTime<FixedOffset>>,
    /// Whether it has ended.
    pub expired: bool,
    /// The machine, of a token for the receiver.
    pub machine: Option<String>,
}

/// A secret, shown this once.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct SecretView {
    /// What to send as `Authorization: Bearer …`, or to give at the set-up.
    pub token: String,
    /// Until when.
    pub expires: Option<DateTime<FixedOffset>>,
}

/// An entry of the audit log.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditView {
    /// Place in the log, from 1 without gaps.
    pub seq: u64,
    /// When.
    pub at: DateTime<FixedOffset>,
    /// Who: `user:NAME`, `token:NAME` or `uid:N`.
    pub actor: String,
    /// From where: an address, `socket` or `local`.
    pub origin: String,
    /// What was asked.
    pub action: String,
    /// On what.
    pub target: String,
    /// The HTTP status that was answered.
    pub outcome: String,
    /// What else is worth knowing.
    pub detail: String,
    /// SHA-256 over the entry before and this one.
    pub hash: String,
}

impl AuditView {
    /// The view of an entry, in a zone.
    #[must_use]
    pub fn new(e: AuditEntry, zone: &chrono_tz::Tz) -> Self {
        let at = DateTime::from_timestamp_millis(e.at).unwrap_or_default().with_timezone(zone).fixed_offset();
        Self {
            seq: e.seq,
            at,
            actor: e.actor,
            origin: e.origin,
            action: e.action,
            target: e.target,
            outcome: e.outcome,
            detail: e.detail,
            hash: e.hash,
        }
    }
}

/// What a check of the audit log came to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditCheckView {
    /// Whether every entry is as it was written.
    pub intact: bool,
    /// Entries that were checked.
    pub entries: u64,
    /// The hash of the last one: noted elsewhere, it proves later that none was cut off.
    pub head: String,
    /// The first entry that is not as it was written.
    pub broken: Option<u64>,
    /// What is wrong with it.
    pub reason: Option<String>,
}
