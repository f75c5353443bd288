//! `[databases.NAME]`, and schedules that copy them.

use crate::check::{Found, Reader};
use crate::keys;
use backup_model::{Content, DatabaseEngine, DatabaseSettings, DatabaseUrl, Form, KindPolicy, Name, Schedule};
use std::path::PathBuf;
use toml_edit::{Item, TableLike};

impl Reader {
    pub(crate) fn databases(&self, item: &Item) -> Found<Vec<DatabaseSettings>> {
        let Some(table) = item.as_table_like() else {
            return self.error(item, "databases are written as [databases.NAME], each with its url");
        };
        let mut out: Vec<DatabaseSettings> = Vec::new();
        for (name, item) in table.iter() {
            let name = self.parsed(item, Name::new(name))?;
            out.push(self.database(name, item)?);
        }
        for database in &out {
            if let Some(scratch) = &database.scratch
                && !out.iter().any(|d| d.name == *scratch && d.url.engine == database.url.engine)
            {
                let message = format!(
                    "`scratch` of {} names {scratch}, which is no database of the same engine in this file",
                    database.name
                );
                return self.error(item, message);
            }
        }
        Ok(out)
    }

    fn database(&self, name: Name, item: &Item) -> Found<DatabaseSettings> {
        let what = format!("[databases.{name}]");
        let table = self.table(item, &what, &keys::DATABASE)?;
        let Some(url) = table.get("url") else {
            return self.error(item, format!("{what} has no url; {}", backup_model::DATABASE_URL_HELP));
        };
        let url: DatabaseUrl = self.parsed(url, self.text_of(url, "url")?.parse())?;
        let mut out = DatabaseSettings::new(name, url);
        for (key, item) in table.iter() {
            match key {
                "password" => out.password = Some(self.secret(item, key)?),
                "client" => out.client = self.argv(item, key)?,
                "programs" => out.programs = self.texts(item, key)?.into_iter().map(PathBuf::from).collect(),
                "format" => {
                    let custom = match self.text_of(item, key)? {
                        "sql" => false,
                        "custom" => true,
                        other => {
                            return self.error(item, format!("{other:?} is no format of dumps; write \"sql\" or \"custom\""));
                        }
                    };
                    if out.url.engine == DatabaseEngine::Sqlite || custom && out.url.engine != DatabaseEngine::Postgresql {
                        return self.error(item, "`format` is for PostgreSQL; the others have one each");
                    }
                    out.form = if custom { Form::Custom } else { Form::Sql };
                }
                "roles" => out.roles = self.flag(item, key)?,
                "lock_timeout" => out.lock_timeout = self.span(item, key)?,
                "scratch" => out.scratch = Some(self.parsed(item, Name::new(self.text_of(item, key)?))?),
                "strip_definer" => out.strip_definer = self.flag(item, key)?,
                _ => {}
            }
        }
        Ok(out)
    }

    /// What a schedule says of a database.
    pub(crate) fn database_of(&self, table: &dyn TableLike, schedule: &mut Schedule) -> Found<()> {
        let Some(item) = table.get("database") else {
            if let Some(item) = table.get("content").filter(|_| schedule.content != Content::Full) {
                return self
                    .error(item, "`content` is for databases; of files everything is copied: write \"full\" or leave it out");
            }
            schedule.content = Content::Full;
            return Ok(());
        };
        if table.contains_key("source") {
            return self.error(item, "a schedule copies either a `source` or a `database`; make two of it");
        }
        for key in ["kind", "full_every", "consolidate", "detect", "checksum"] {
            if let Some(item) = table.get(key).filter(|i| i.as_str() != Some("full")) {
                return self.error(
                    item,
                    format!("a dump of a database is always full: leave `{key}` out, let it run more often and keep fewer (keep = {{ … }}), or back up the server's files with its own tools"),
                );
            }
        }
        for key in [
            "exclude",
            "exclude_presets",
            "exclude_caches",
            "ignore_files",
            "one_file_system",
            "sqlite",
            "max_file_size",
            "accept_unreadable",
        ] {
            if let Some(item) = table.get(key) {
                return self.error(item, format!("`{key}` is for files and says nothing of a database; remove it"));
            }
        }
        schedule.kinds = KindPolicy::default();
        schedule.database = Some(self.parsed(item, Name::new(self.text_of(item, "database")?))?);
        Ok(())
    }

    pub(crate) fn known_database(&self, table: &dyn TableLike, schedule: &Schedule, databases: &[DatabaseSettings]) -> Found<()> {
        let (Some(name), Some(item)) = (&schedule.database, table.get("database")) else { return Ok(()) };
        let Some(database) = databases.iter().find(|d| d.name == *name) else {
            return self
                .error(item, format!("there is no [databases.{name}]; add it, or `backupctl database add {name} --url URL`"));
        };
        if database.url.engine == DatabaseEngine::Sqlite && schedule.content != Content::Full {
            return self.error(
                table.get("content").unwrap_or(item),
                "a database file of SQLite is always copied whole; leave `content` out",
            );
        }
        Ok(())
    }
}
