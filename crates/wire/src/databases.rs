//! Databases.

use backup_model::DatabaseSettings;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One of the file's databases. Its password is never shown.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DatabaseView {
    /// Its name.
    pub name: String,
    /// `postgresql`, `mysql`, `mariadb` or `sqlite`.
    pub engine: String,
    /// Where it is.
    pub url: String,
    /// Whether a password is set.
    pub password: bool,
    /// `sql`, `custom` or `sqlite`.
    pub format: String,
    /// Whether roles and users are copied too.
    pub roles: bool,
    /// Schedules that copy it.
    pub schedules: Vec<String>,
}

impl DatabaseView {
    /// The view of a database that these schedules copy.
    #[must_use]
    pub fn new(settings: &DatabaseSettings, schedules: Vec<String>) -> Self {
        Self {
            name: settings.name.to_string(),
            engine: settings.url.engine.as_str().to_owned(),
            url: settings.url.to_string(),
            password: settings.password.is_some(),
            format: settings.form.as_str().to_owned(),
            roles: settings.roles,
            schedules,
        }
    }
}

/// A database to add, or what is to change of one. At most one of the ways to a password is given.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewDatabase {
    /// Its name; in a change the path says it.
    pub name: String,
    /// Where it is; without a password. One that is added needs it.
    pub url: Option<String>,
    /// The password itself: it is kept in a file of the home that only its owner can read.
    pub password: Option<String>,
    /// A file whose first line is the password.
    pub password_file: Option<String>,
    /// A variable of the daemon's environment that holds it.
    pub password_env: Option<String>,
    /// In a change: keys to take away, as the file calls them: `password`.
    pub unset: Vec<String>,
}

/// One step of a test.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TestStep {
    /// `resolve`, `connect`, `version`, `client`, `databases` or `rights`.
    pub step: String,
    /// Whether all is well.
    pub ok: bool,
    /// What was seen, or what is wrong and what to do.
    pub text: String,
    /// How long it took.
    pub seconds: f64,
}

/// A restore into a database.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseRestoreRequest {
    /// The archive: a file's path, an id, or `NAME`, `NAME@latest` or `NAME@TIME`.
    pub archive: String,
    /// Which database, where the archive's name means several.
    pub database: Option<String>,
    /// The database to restore into, or a whole URL.
    pub into: String,
    /// Another of the file's servers.
    pub server: Option<String>,
    /// A file with the password for a URL.
    pub password_file: Option<String>,
    /// Replace a database that holds something.
    #[serde(default)]
    pub overwrite: bool,
    /// Make no copy of what is replaced.
    #[serde(default)]
    pub no_safety_dump: bool,
    /// Definitions only.
    #[serde(default)]
    pub metadata_only: bool,
    /// One table only (PostgreSQL's custom format).
    pub table: Option<String>,
    /// Leave out owners and rights.
    #[serde(default)]
    pub no_owner: bool,
    /// Keep the replaced database under another name.
    #[serde(default)]
    pub keep_old: bool,
}
