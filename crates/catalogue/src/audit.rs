//! The audit log: append-only, each entry chained to the one before by its hash.

use crate::{Catalogue, CatalogueError};
use backup_model::AuditEntry;
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::any::AnyRow;

/// What a check of the chain came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditCheck {
    /// Entries in the log.
    pub entries: u64,
    /// The hash of the last one; noted elsewhere, it proves later that none was cut off.
    pub head: String,
    /// The first entry that is not as it was written, and why.
    pub broken: Option<(u64, String)>,
}

/// The hash of an entry: SHA-256 over the hash before it and its fields, each ended by its length, so that no text can
/// move from one field to the next.
#[must_use]
pub fn audit_hash(previous: &str, entry: &AuditEntry) -> String {
    let mut sum = Sha256::new();
    let (seq, at) = (entry.seq.to_string(), entry.at.to_string());
    let fields = [previous, &seq, &at, &entry.actor, &entry.origin, &entry.action, &entry.target, &entry.outcome, &entry.detail];
    for field in fields {
        sum.update(field.as_bytes());
        sum.update((field.len() as u64).to_be_bytes());
    }
    sum.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

fn entry(row: &AnyRow) -> Result<AuditEntry, CatalogueError> {
    Ok(AuditEntry {
        seq: row.try_get::<i64, _>("seq")? as u64,
        at: row.try_get("at")?,
        actor: row.try_get("actor")?,
        origin: row.try_get("origin")?,
        action: row.try_get("action")?,
        target: row.try_get("target")?,
        outcome: row.try_get("outcome")?,
        detail: row.try_get("detail")?,
        hash: row.try_get("hash")?,
    })
}

/// Entries that a check reads at a time.
const STEP: i64 = 1000;

impl Catalogue {
    /// Appends an entry; its place and hash are set here. Answers it as it was written.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn add_audit(&self, mut new: AuditEntry) -> Result<AuditEntry, CatalogueError> {
        let mut transaction = self.begin().await?;
        let last = sqlx::query("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetch_optional(&mut *transaction).await?;
        let (seq, previous) = match last {
            Some(row) => (row.try_get::<i64, _>("seq")?, row.try_get::<String, _>("hash")?),
            None => (0, String::new()),
        };
        new.seq = seq as u64 + 1;
        new.hash = audit_hash(&previous, &new);
        sqlx::query(
            "INSERT INTO audit (seq, at, actor, origin, action, target, outcome, detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(new.seq as i64)
        .bind(new.at)
        .bind(&new.actor)
        .bind(&new.origin)
        .bind(&new.action)
        .bind(&new.target)
        .bind(&new.outcome)
        .bind(&new.detail)
        .bind(&new.hash)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(new)
    }

    /// Entries, newest first, and how many there are in all; with a text, those only whose actor, action, target or
    /// detail holds it.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn audit(&self, text: Option<&str>, limit: u64, offset: u64) -> Result<(Vec<AuditEntry>, u64), CatalogueError> {
        let pattern = crate::history::pattern(text.unwrap_or(""));
        let filter = "LOWER(actor || ' ' || action || ' ' || target || ' ' || detail) LIKE $1 ESCAPE '\\'";
        let count = format!("SELECT COUNT(*) FROM audit WHERE {filter}");
        let total: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count)).bind(&pattern).fetch_one(&self.pool).await?;
        let sql = format!("SELECT * FROM audit WHERE {filter} ORDER BY seq DESC LIMIT $2 OFFSET $3");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(&pattern)
            .bind(limit as i64)
            .bind(offset as i64)
            .fetch_all(&self.pool)
            .await?;
        Ok((rows.iter().map(entry).collect::<Result<_, _>>()?, total as u64))
    }

    /// Computes the chain anew.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn check_audit(&self) -> Result<AuditCheck, CatalogueError> {
        let mut check = AuditCheck { entries: 0, head: String::new(), broken: None };
        loop {
            let rows = sqlx::query("SELECT * FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2")
                .bind(check.entries as i64)
                .bind(STEP)
                .fetch_all(&self.pool)
                .await?;
            if rows.is_empty() {
                return Ok(check);
            }
            for row in &rows {
                let e = entry(row)?;
                let broken = if e.seq != check.entries + 1 {
                    Some(format!("entries {} to {} are missing", check.entries + 1, e.seq.saturating_sub(1)))
                } else if audit_hash(&check.head, &e) != e.hash {
                    Some("it is not as it was written".to_owned())
                } else {
                    None
                };
                if let Some(why) = broken {
                    check.broken = Some((e.seq, why));
                    return Ok(check);
                }
                check.entries = e.seq;
                check.head = e.hash;
            }
        }
    }
}
