//! History: filters, sorting, pages, exact counts.
//!
//! Counts by equality and date come from the sums by day; only the broken days at both ends of a
//! range are counted row by row. Text is looked up among the few distinct texts first.

use crate::rows::{RUN, millis, run};
use crate::{Catalogue, CatalogueError};
use backup_model::{Kind, Operation, Run, RunStatus};
use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

/// What a history is sorted by; ties by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// When it was asked for.
    #[default]
    Created,
    /// How long it took.
    Seconds,
    /// How large its archive is.
    Stored,
    /// The name.
    Name,
}

/// Which runs are meant; every field narrows.
#[derive(Clone, Debug, Default)]
pub struct HistoryFilter {
    /// Part of the name, host or error, in any case.
    pub text: Option<String>,
    /// Operation.
    pub operation: Option<Operation>,
    /// Status.
    pub status: Option<RunStatus>,
    /// Another status that counts as that one.
    pub or_status: Option<RunStatus>,
    /// Kind of archive.
    pub kind: Option<Kind>,
    /// Content.
    pub content: Option<String>,
    /// Schedule, exactly.
    pub name: Option<String>,
    /// Created at or after.
    pub from: Option<DateTime<Utc>>,
    /// Created before.
    pub to: Option<DateTime<Utc>>,
    /// Sorted by.
    pub sort: Sort,
    /// Smallest first instead of largest or newest first.
    pub ascending: bool,
    /// Rows to pass over.
    pub offset: u64,
    /// Rows to answer, at most 1000; 0 means 50.
    pub limit: u64,
}

/// A page of history.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// The runs.
    pub runs: Vec<Run>,
    /// How many match in all, exactly.
    pub total: u64,
}

const DAY: i64 = 86_400_000;

/// Conditions with their values, numbered as they are added.
#[derive(Clone, Default)]
struct Conditions {
    sql: Vec<String>,
    values: Vec<Bound>,
}

#[derive(Clone)]
enum Bound {
    Text(String),
    Number(i64),
}

impl Conditions {
    fn add(&mut self, sql: &str, value: Bound) {
        self.values.push(value);
        self.sql.push(sql.replace('?', &format!("${}", self.values.len())));
    }

    fn text(&mut self, sql: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(sql, Bound::Text(value.to_owned()));
        }
    }

    fn number(&mut self, sql: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.add(sql, Bound::Number(value));
        }
    }

    fn sql(&self) -> String {
        if self.sql.is_empty() { "1 = 1".to_owned() } else { self.sql.join(" AND ") }
    }
}

macro_rules! bind_all {
    ($query:expr, $conditions:expr) => {{
        let mut query = $query;
        for value in &$conditions.values {
            query = match value {
                Bound::Text(t) => query.bind(t.clone()),
                Bound::Number(n) => query.bind(*n),
            };
        }
        query
    }};
}

impl HistoryFilter {
    fn words(&self) -> Conditions {
        let mut c = Conditions::default();
        c.text("operation = ?", self.operation.map(Operation::as_str));
        match self.or_status {
            Some(other) => c.text(&format!("(status = ? OR status = '{other}')"), self.status.map(RunStatus::as_str)),
            None => c.text("status = ?", self.status.map(RunStatus::as_str)),
        }
        c.text("kind = ?", self.kind.map(Kind::as_str));
        c.text("content = ?", self.content.as_deref());
        c
    }
}

const IN_TEXT: &str = "text_id IN (SELECT id FROM texts WHERE LOWER(body) LIKE ? ESCAPE '\\')";

pub(crate) fn pattern(text: &str) -> String {
    let mut out = "%".to_owned();
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('%');
    out
}

impl Catalogue {
    async fn scalar(&self, sql: String, conditions: &Conditions) -> Result<i64, CatalogueError> {
        let query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql));
        Ok(bind_all!(query, conditions).fetch_one(&self.pool).await?)
    }

    /// How many runs match, exactly.
    async fn count(&self, filter: &HistoryFilter) -> Result<u64, CatalogueError> {
        let (from, to) = (filter.from.map(millis), filter.to.map(millis));
        if let Some(text) = &filter.text {
            let mut c = filter.words();
            c.text("name = ?", filter.name.as_deref());
            c.number("created >= ?", from);
            c.number("created < ?", to);
            c.add(IN_TEXT, Bound::Text(pattern(text)));
            return self.scalar(format!("SELECT COUNT(*) FROM runs WHERE {}", c.sql()), &c).await.map(|n| n as u64);
        }
        // Whole days from their sums, the broken ones row by row.
        let first = from.map(|f| f.div_euclid(DAY) + i64::from(f.rem_euclid(DAY) > 0));
        let last = to.map(|t| t.div_euclid(DAY));
        let mut total = 0;
        if first.zip(last).is_none_or(|(a, b)| a < b) {
            let mut c = filter.words();
            c.text("name = ?", Some(filter.name.as_deref().unwrap_or("")));
            c.number("day >= ?", first);
            c.number("day < ?", last);
            total += self.scalar(format!("SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM days WHERE {}", c.sql()), &c).await?;
        }
        let mut edges = Vec::new();
        match (from.zip(first), to.zip(last)) {
            (Some((f, a)), Some((t, b))) if a >= b => edges.push((f, t)),
            (start, end) => {
                edges.extend(start.map(|(f, a)| (f, a * DAY)));
                edges.extend(end.map(|(t, b)| (b * DAY, t)));
            }
        }
        for (start, end) in edges.into_iter().filter(|(s, e)| s < e) {
            let mut c = filter.words();
            c.text("name = ?", filter.name.as_deref());
            c.number("created >= ?", Some(start));
            c.number("created < ?", Some(end));
            total += self.scalar(format!("SELECT COUNT(*) FROM runs WHERE {}", c.sql()), &c).await?;
        }
        Ok(total as u64)
    }

    /// A page of history with the exact number of all that match.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn history(&self, filter: &HistoryFilter) -> Result<HistoryPage, CatalogueError> {
        let total = self.count(filter).await?;
        let limit = if filter.limit == 0 { 50 } else { filter.limit.min(1000) };
        if filter.offset >= total {
            return Ok(HistoryPage { runs: Vec::new(), total });
        }
        let mut c = filter.words();
        c.text("name = ?", filter.name.as_deref());
        c.number("created >= ?", filter.from.map(millis));
        c.number("created < ?", filter.to.map(millis));
        if let Some(text) = &filter.text {
            // Where much matches, walking by date finds a page soonest; where little does, the texts'
            // own index does. The unary plus keeps SQLite from using the other index.
            let all: i64 = sqlx::query_scalar("SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM days WHERE name = ''")
                .fetch_one(&self.pool)
                .await?;
            let common = total as i64 > all / 100;
            c.add(
                &if common { IN_TEXT.replacen("text_id", "+text_id", 1) } else { IN_TEXT.to_owned() },
                Bound::Text(pattern(text)),
            );
        }
        let column = match filter.sort {
            Sort::Created => "created",
            Sort::Seconds => "ms",
            Sort::Stored => "stored",
            Sort::Name => "name",
        };
        // A page in the far half is read from the other end.
        let rows_left = (total - filter.offset).min(limit);
        let far = filter.offset > total / 2;
        let offset = if far { total - filter.offset - rows_left } else { filter.offset };
        let order = if filter.ascending != far { "ASC" } else { "DESC" };
        let sql = format!(
            "SELECT {RUN} FROM runs WHERE id IN (SELECT id FROM runs WHERE {} ORDER BY {column} {order}, id {order} LIMIT {rows_left} OFFSET {offset}) \
             ORDER BY {column} {order}, id {order}",
            c.sql()
        );
        let query = sqlx::query(AssertSqlSafe(sql));
        let rows = bind_all!(query, c).fetch_all(&self.pool).await?;
        let mut runs = rows.iter().map(run).collect::<Result<Vec<_>, _>>()?;
        if far {
            runs.reverse();
        }
        Ok(HistoryPage { runs, total })
    }
}
