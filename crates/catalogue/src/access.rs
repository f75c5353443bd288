//! Users, and the secrets that open the API.

use crate::rows::{millis, time, word};
use crate::{Catalogue, CatalogueError};
use backup_model::{Role, Scope};
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::any::AnyRow;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The password as a PHC string.
    pub password: String,
    /// When they were added.
    pub created: DateTime<Utc>,
    /// When they last signed in.
    pub last_seen: Option<DateTime<Utc>>,
    /// The secret of the second factor, if they have one.
    pub totp: Option<String>,
}

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A user who has signed in.
    Session,
    /// A program.
    Token,
    /// Whoever sets the first admin up.
    Setup,
}

impl CredentialKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Token => "token",
            Self::Setup => "setup",
        }
    }

    fn of(text: &str) -> Result<Self, CatalogueError> {
        [Self::Session, Self::Token, Self::Setup]
            .into_iter()
            .find(|k| k.as_str() == text)
            .ok_or_else(|| CatalogueError::Content(format!("a credential of the kind {text:?}")))
    }
}

/// A secret that opens the API; only its hash is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its public part.
    pub id: String,
    /// What it is for.
    pub kind: CredentialKind,
    /// SHA-256 of the secret, in hexadecimal.
    pub hash: String,
    /// The user of a session, the name of a token.
    pub owner: String,
    /// What a token allows; a session allows what its user's role does.
    pub scope: Scope,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used: DateTime<Utc>,
    /// When it ends.
    pub expires: Option<DateTime<Utc>>,
    /// The machine whose archives a token sends to the receiver or reads there; such a token opens nothing else.
    pub machine: Option<String>,
}

fn user(row: &AnyRow) -> Result<User, CatalogueError> {
    Ok(User {
        name: row.try_get("name")?,
        role: word(&row.try_get::<String, _>("role")?)?,
        password: row.try_get("password")?,
        created: time(row.try_get("created")?),
        last_seen: row.try_get::<Option<i64>, _>("last_seen")?.map(time),
        totp: Some(row.try_get::<String, _>("totp")?).filter(|t| !t.is_empty()),
    })
}

fn credential(row: &AnyRow) -> Result<Credential, CatalogueError> {
    Ok(Credential {
        id: row.try_get("id")?,
        kind: CredentialKind::of(&row.try_get::<String, _>("kind")?)?,
        hash: row.try_get("hash")?,
        owner: row.try_get("owner")?,
        scope: word(&row.try_get::<String, _>("scope")?)?,
        created: time(row.try_get("created")?),
        last_used: time(row.try_get("last_used")?),
        expires: row.try_get::<Option<i64>, _>("expires")?.map(time),
        machine: Some(row.try_get::<String, _>("machine")?).filter(|m| !m.is_empty()),
    })
}

async fn insert(connection: &mut sqlx::AnyConnection, user: &User) -> Result<bool, CatalogueError> {
    let done = sqlx::query("INSERT INTO users (name, role, password, created) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
        .bind(&user.name)
        .bind(user.role.as_str())
        .bind(&user.password)
        .bind(millis(user.created))
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

const USER: &str = "name, role, password, created, last_seen, totp";

impl Catalogue {
    /// All users, by name.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn users(&self) -> Result<Vec<User>, CatalogueError> {
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {USER} FROM users ORDER BY name"))).fetch_all(&self.pool).await?;
        rows.iter().map(user).collect()
    }

    /// A user.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn user(&self, name: &str) -> Result<Option<User>, CatalogueError> {
        let sql = format!("SELECT {USER} FROM users WHERE name = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(name).fetch_optional(&self.pool).await?;
        row.as_ref().map(user).transpose()
    }

    /// Whether somebody can sign in who may do everything.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn has_admin(&self) -> Result<bool, CatalogueError> {
        let n: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM users WHERE role = 'admin'").fetch_one(&self.pool).await?;
        Ok(n > 0)
    }

    /// Adds a user. `false`: the name is taken.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn add_user(&self, user: &User) -> Result<bool, CatalogueError> {
        insert(&mut *self.pool.acquire().await?, user).await
    }

    /// Adds the first admin and uses the token of the set-up up, in one transaction. `false`: the token was used
    /// meanwhile, or there is an admin.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn set_up(&self, user: &User, token: &str) -> Result<bool, CatalogueError> {
        let mut transaction = self.begin().await?;
        let used = sqlx::query("DELETE FROM credentials WHERE id = $1 AND kind = 'setup'")
            .bind(token)
            .execute(&mut *transaction)
            .await?;
        let admins: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM users WHERE role = 'admin'").fetch_one(&mut *transaction).await?;
        if used.rows_affected() != 1 || admins > 0 {
            return Ok(false);
        }
        if !insert(&mut transaction, user).await? {
            return Ok(false);
        }
        sqlx::query("DELETE FROM credentials WHERE kind = 'setup'").execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Gives a user another password and ends their sessions, in one transaction. `false`: there is no such user.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn set_password(&self, name: &str, password: &str) -> Result<bool, CatalogueError> {
        let mut transaction = self.begin().await?;
        let done = sqlx::query("UPDATE users SET password = $1 WHERE name = $2")
            .bind(password)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM credentials WHERE kind = 'session' AND owner = $1")
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives a user a second factor, or takes it away. `false`: there is no such user.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn set_totp(&self, name: &str, secret: Option<&str>) -> Result<bool, CatalogueError> {
        let done = sqlx::query("UPDATE users SET totp = $1, totp_step = 0 WHERE name = $2")
            .bind(secret.unwrap_or(""))
            .bind(name)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Uses a step of a user's second factor up. `false`: it, or a later one, was used already.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn use_totp(&self, name: &str, step: i64) -> Result<bool, CatalogueError> {
        let done = sqlx::query("UPDATE users SET totp_step = $1 WHERE name = $2 AND totp_step < $1")
            .bind(step)
            .bind(name)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Remembers that a user has signed in.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn set_seen(&self, name: &str, at: DateTime<Utc>) -> Result<(), CatalogueError> {
        sqlx::query("UPDATE users SET last_seen = $1 WHERE name = $2").bind(millis(at)).bind(name).execute(&self.pool).await?;
        Ok(())
    }

    /// Removes a user with their sessions, in one transaction. `false`: there is no such user.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn delete_user(&self, name: &str) -> Result<bool, CatalogueError> {
        let mut transaction = self.begin().await?;
        let done = sqlx::query("DELETE FROM users WHERE name = $1").bind(name).execute(&mut *transaction).await?;
        sqlx::query("DELETE FROM credentials WHERE kind = 'session' AND owner = $1")
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Adds a secret's hash, and forgets those that have ended. `false`: a token of this name exists.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn add_credential(&self, c: &Credential) -> Result<bool, CatalogueError> {
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM credentials WHERE kind <> 'token' AND expires < $1")
            .bind(millis(c.created))
            .execute(&mut *transaction)
            .await?;
        let done = sqlx::query(
            "INSERT INTO credentials (id, kind, hash, owner, scope, created, last_used, expires, machine) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        )
        .bind(&c.id)
        .bind(c.kind.as_str())
        .bind(&c.hash)
        .bind(&c.owner)
        .bind(c.scope.as_str())
        .bind(millis(c.created))
        .bind(millis(c.last_used))
        .bind(c.expires.map(millis))
        .bind(c.machine.as_deref().unwrap_or(""))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// A secret by its public part.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn credential(&self, id: &str) -> Result<Option<Credential>, CatalogueError> {
        let row = sqlx::query(
            "SELECT id, kind, hash, owner, scope, created, last_used, expires, machine FROM credentials WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(credential).transpose()
    }

    /// All tokens of programs, by name.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn tokens(&self) -> Result<Vec<Credential>, CatalogueError> {
        let rows = sqlx::query(
            "SELECT id, kind, hash, owner, scope, created, last_used, expires, machine FROM credentials WHERE kind = 'token' ORDER BY owner",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(credential).collect()
    }

    /// Remembers that a secret was used.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn touch_credential(&self, id: &str, at: DateTime<Utc>) -> Result<(), CatalogueError> {
        sqlx::query("UPDATE credentials SET last_used = $1 WHERE id = $2").bind(millis(at)).bind(id).execute(&self.pool).await?;
        Ok(())
    }

    /// Makes a secret worthless. `false`: there is none of this id.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn delete_credential(&self, id: &str) -> Result<bool, CatalogueError> {
        let done = sqlx::query("DELETE FROM credentials WHERE id = $1").bind(id).execute(&self.pool).await?;
        Ok(done.rows_affected() == 1)
    }
}
