//! The keys that say how a schedule works: kinds, encryption, priority, limits, hooks, checks.

use crate::check::{Found, Reader};
use crate::keys;
use backup_model::{
    Detect, Encrypt, FullEvery, Hooks, IoNice, Kind, KindPolicy, Priority, RateLimit, Scrub, SecretSource, Trigger, rhythm,
};
use std::path::PathBuf;
use std::time::Duration;
use toml_edit::{Item, Value};

/// Finds a key in the layers of a schedule.
pub(crate) type Get<'a> = &'a dyn Fn(&str) -> Option<&'a Item>;

impl Reader {
    pub(crate) fn kinds(&self, get: Get<'_>) -> Found<KindPolicy> {
        let mut policy = KindPolicy::default();
        if let Some(item) = get("kind") {
            policy.kind = self.parsed(item, self.text_of(item, "kind")?.parse::<Kind>())?;
        }
        if let Some(item) = get("full_every") {
            policy.full_every = match item.as_integer() {
                Some(_) => FullEvery::Count(self.number(item, "full_every", 1, 1000)? as u32),
                None => match self.text_of(item, "full_every")? {
                    "weekly" => FullEvery::Week,
                    "monthly" => FullEvery::Month,
                    other => match backup_model::parse_duration(other) {
                        Ok(age) => FullEvery::Age(age.as_secs()),
                        Err(_) => {
                            let message = format!(
                                "{other:?} is no rhythm of full archives; write a number of archives, \"weekly\", \"monthly\" or \"30d\""
                            );
                            return self.error(item, message);
                        }
                    },
                },
            };
        }
        if let Some(item) = get("detect") {
            let none =
                Detect { size: false, mtime: false, ctime: false, inode: false, mode: false, owner: false, contents: false };
            policy.detect = self.texts(item, "detect")?.iter().try_fold(none, |mut detect, word| {
                let flag = match word.as_str() {
                    "size" => &mut detect.size,
                    "mtime" => &mut detect.mtime,
                    "ctime" => &mut detect.ctime,
                    "inode" => &mut detect.inode,
                    "mode" => &mut detect.mode,
                    "owner" => &mut detect.owner,
                    other => {
                        return self.error(
                            item,
                            format!("{other:?} is nothing to detect changes by; write size, mtime, ctime, inode, mode or owner"),
                        );
                    }
                };
                *flag = true;
                Ok(detect)
            })?;
            let Detect { size, mtime, ctime, .. } = policy.detect;
            if !(ctime || size && mtime) {
                return self.error(item, "`detect` needs ctime, or size and mtime: otherwise changes would be missed");
            }
        }
        if let Some(item) = get("checksum") {
            policy.detect.contents = self.flag(item, "checksum")?;
        }
        if let Some(item) = get("consolidate") {
            policy.consolidate = self.flag(item, "consolidate")?;
        }
        Ok(policy)
    }

    pub(crate) fn encrypt(&self, get: Get<'_>) -> Found<Option<Encrypt>> {
        let Some(item) = get("encrypt") else { return Ok(None) };
        let table = self.table(item, "encrypt", &keys::ENCRYPT)?;
        let mut out = Encrypt::default();
        for (key, item) in table.iter() {
            match key {
                "to" => out.to = self.texts(item, key)?.into_iter().map(PathBuf::from).collect(),
                "passphrase" => out.passphrase = Some(self.secret(item, key)?),
                "key" => out.key = Some(PathBuf::from(self.text_of(item, key)?)),
                "key_passphrase" => out.key_passphrase = Some(self.secret(item, key)?),
                _ => {}
            }
        }
        if out.to.is_empty() && out.passphrase.is_none() {
            return self.error(item, "`encrypt` needs to = [\"public.asc\"] or passphrase = { file = \"…\" }");
        }
        Ok(Some(out))
    }

    pub(crate) fn secret(&self, item: &Item, key: &str) -> Found<SecretSource> {
        let wrong = || {
            format!("`{key}` must be {{ env = \"NAME\" }}, {{ file = \"/path\" }} or {{ command = [\"program\", \"argument\"] }}")
        };
        if item.as_str().is_some() {
            return self.error(item, format!("{}: a secret does not stand in this file", wrong()));
        }
        let table = self.table(item, key, &keys::SECRET)?;
        let mut found = None;
        for (kind, item) in table.iter() {
            let source = match kind {
                "env" => SecretSource::Env(self.text_of(item, kind)?.to_owned()),
                "file" => SecretSource::File(PathBuf::from(self.text_of(item, kind)?)),
                _ => SecretSource::Command(self.argv(item, kind)?),
            };
            if found.replace(source).is_some() {
                return self.error(item, format!("{}, one of them", wrong()));
            }
        }
        found.map_or_else(|| self.error(item, wrong()), Ok)
    }

    pub(crate) fn argv(&self, item: &Item, key: &str) -> Found<Vec<String>> {
        let argv = self.texts(item, key)?;
        if argv.is_empty() || argv[0].is_empty() {
            return self.error(item, format!("`{key}` names no program"));
        }
        Ok(argv)
    }

    pub(crate) fn priority(&self, get: Get<'_>) -> Found<Priority> {
        let nice = get("nice").map(|i| self.number(i, "nice", -20, 19)).transpose()?.map(|n| n as i8);
        let ionice = get("ionice").map(|i| self.parsed(i, self.text_of(i, "ionice")?.parse::<IoNice>())).transpose()?;
        Ok(Priority { nice, ionice })
    }

    /// Bytes a second: a size with or without `/s`.
    pub(crate) fn rate(&self, item: &Item, key: &str) -> Found<u64> {
        let text = self.text_of(item, key)?;
        let size = backup_model::parse_size(text.trim_end_matches("/s")).ok().filter(|s| *s >= 1000);
        match size {
            Some(size) => Ok(size),
            None => self.error(item, format!("{text:?} is no rate; write for example \"20MB/s\", at least 1kB/s")),
        }
    }

    pub(crate) fn limits(&self, get: Get<'_>) -> Found<Vec<RateLimit>> {
        let Some(item) = get("limit") else { return Ok(Vec::new()) };
        let midnight = chrono::NaiveTime::MIN;
        if item.as_str().is_some() {
            return Ok(vec![RateLimit { rate: self.rate(item, "limit")?, from: midnight, to: midnight }]);
        }
        let wrong = "`limit` must be \"20MB/s\" or a list such as [{ rate = \"5MB/s\", from = \"08:00\", to = \"18:00\" }]";
        let Some(list) = item.as_array() else { return self.error(item, wrong) };
        let mut out = Vec::new();
        for value in list {
            if !value.is_inline_table() {
                return self.error(item, wrong);
            }
            let one = Item::Value(value.clone());
            let table = self.table(&one, "limit", &keys::LIMIT)?;
            let Some(rate) = table.get("rate") else { return self.error(item, wrong) };
            let time = |key: &str| -> Found<chrono::NaiveTime> {
                match table.get(key) {
                    Some(item) => self.parsed(item, Trigger::parse_time(self.text_of(item, key)?)),
                    None => Ok(midnight),
                }
            };
            out.push(RateLimit { rate: self.rate(rate, "rate")?, from: time("from")?, to: time("to")? });
        }
        Ok(out)
    }

    pub(crate) fn hooks(&self, get: Get<'_>) -> Found<Hooks> {
        let mut hooks = Hooks::default();
        for (key, list) in [("before", &mut hooks.before), ("after", &mut hooks.after), ("on_failure", &mut hooks.on_failure)] {
            let Some(item) = get(key) else { continue };
            let wrong = || format!("`{key}` must be a list of commands, each a list: [[\"systemctl\", \"stop\", \"app\"]]");
            let Some(commands) = item.as_array() else { return self.error(item, wrong()) };
            for command in commands {
                let argv: Option<Vec<String>> =
                    command.as_array().and_then(|a| a.iter().map(|v: &Value| v.as_str().map(str::to_owned)).collect());
                match argv.filter(|a| a.first().is_some_and(|program| !program.is_empty())) {
                    Some(argv) => list.push(argv),
                    None => return self.error(item, wrong()),
                }
            }
        }
        if let Some(item) = get("hook_timeout") {
            hooks.timeout = self.span(item, "hook_timeout")?;
        }
        Ok(hooks)
    }

    pub(crate) fn drill(&self, get: Get<'_>) -> Found<Option<Duration>> {
        let Some(item) = get("drill") else { return Ok(None) };
        let text = self.text_of(item, "drill")?;
        match rhythm(text) {
            Some(every) => Ok(Some(every)),
            None => {
                self.error(item, format!("{text:?} is no rhythm of drills; write daily, weekly, monthly, quarterly or \"45d\""))
            }
        }
    }

    pub(crate) fn scrub(&self, get: Get<'_>) -> Found<Option<Scrub>> {
        get("scrub").map(|i| self.parsed(i, self.text_of(i, "scrub")?.parse::<Scrub>())).transpose()
    }
}
