//! `[receiver]` and `[destinations.NAME]`.

use crate::check::{Found, Reader};
use crate::keys;
use crate::settings::{File, ReceiverSettings};
use backup_model::{DestinationSettings, LOCAL, Name, StoreUrl};
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml_edit::{Item, TableLike};

impl Reader {
    pub(crate) fn receiver(&self, item: &Item) -> Found<ReceiverSettings> {
        let table = self.table(item, "[receiver]", &keys::RECEIVER)?;
        let mut out = ReceiverSettings::default();
        for (key, item) in table.iter() {
            match key {
                "listen" => out.listen = self.listen(item)?,
                "dir" => out.dir = PathBuf::from(self.text_of(item, key)?),
                "tls" => out.tls = Some(self.tls(item)?),
                "trusted_proxies" => out.trusted_proxies = self.networks(item, key)?,
                "max_upload" => out.max_upload = self.size(item, key)?,
                "quota" => out.quota = Some(self.size(item, key)?),
                "keep" => out.keep = self.keep(item)?,
                "profiles" => out.profiles = self.profiles(item)?,
                "open" => out.open = self.flag(item, key)?,
                "open_to" => out.open_to = self.networks(item, key)?,
                _ => {}
            }
        }
        if !out.open && !out.open_to.is_empty() {
            return self.error(item, "`open_to` says who may send without a token; write open = true with it");
        }
        let (Some(at), listen) = (out.listen.filter(|a| !a.ip().is_loopback()), table.get("listen").unwrap_or(item)) else {
            return Ok(out);
        };
        if out.open && out.open_to.is_empty() {
            return self.error(
                listen,
                format!("{at} can be reached from other machines, and with open = true anybody could send: add open_to = [\"NETWORK\"], or leave `open` out and give each machine a token"),
            );
        }
        if out.tls.is_none() && out.trusted_proxies.is_empty() && !out.open {
            return self.error(
                listen,
                format!("{at} can be reached from other machines, and tokens must not travel in clear: add tls = {{ cert = \"…\", key = \"…\" }}, or trusted_proxies = [\"ADDRESS\"] if a proxy speaks TLS before it"),
            );
        }
        Ok(out)
    }

    /// Rules of retention for single profiles.
    fn profiles(&self, item: &Item) -> Found<BTreeMap<String, backup_model::Keep>> {
        let Some(table) = item.as_table_like() else {
            return self.error(item, "profiles are written as [receiver.profiles.NAME] with keep = { … }");
        };
        let mut out = BTreeMap::new();
        for (name, item) in table.iter() {
            let name = self.parsed(item, Name::new(name))?;
            let profile = self.table(item, "a profile of the receiver", &keys::PROFILE)?;
            let keep = profile.get("keep").map(|k| self.keep(k)).transpose()?.unwrap_or_default();
            out.insert(name.to_string(), keep);
        }
        Ok(out)
    }

    pub(crate) fn destinations(&self, item: &Item) -> Found<Vec<DestinationSettings>> {
        let Some(table) = item.as_table_like() else {
            return self.error(item, "destinations are written as [destinations.NAME], each with a url");
        };
        table.iter().map(|(name, item)| self.destination(self.parsed(item, Name::new(name))?, item)).collect()
    }

    fn destination(&self, name: Name, item: &Item) -> Found<DestinationSettings> {
        if name.as_str() == LOCAL {
            return self.error(item, "\"local\" is the home itself; choose another name");
        }
        let what = format!("[destinations.{name}]");
        let table = self.table(item, &what, &keys::DESTINATION)?;
        let Some(url) = table.get("url") else {
            return self.error(
                item,
                format!("{what} needs a url, for example \"s3://bucket/backups?endpoint=https://s3.example.org&region=eu\""),
            );
        };
        let text = self.text_of(url, "url")?;
        let place: StoreUrl = self.parsed(url, text.parse())?;
        if place.in_clear() {
            return self.error(url, "secrets and archives do not travel in clear to another machine: use https");
        }
        let mut out = DestinationSettings::new(name, text.to_owned(), place);
        for (key, item) in table.iter() {
            let kinds: &[&str] = match key {
                "access_key" | "secret_key" | "lock_days" => &["s3"],
                "password" => &["webdav"],
                "token" => &["receiver", "webdav"],
                "read_token" => &["receiver"],
                "identity" | "known_hosts" => &["sftp"],
                "ca" => &["s3", "webdav", "receiver"],
                _ => &["folder", "s3", "sftp", "webdav", "receiver"],
            };
            if !kinds.contains(&out.place.kind()) {
                return self.error(item, format!("`{key}` is not for a destination of this kind ({})", out.place.kind()));
            }
            match key {
                "access_key" => out.access_key = Some(self.secret(item, key)?),
                "secret_key" => out.secret_key = Some(self.secret(item, key)?),
                "password" => out.password = Some(self.secret(item, key)?),
                "token" => out.token = Some(self.secret(item, key)?),
                "read_token" => out.read_token = Some(self.secret(item, key)?),
                "identity" => out.identity = Some(PathBuf::from(self.text_of(item, key)?)),
                "known_hosts" => out.known_hosts = Some(PathBuf::from(self.text_of(item, key)?)),
                "ca" => out.ca = Some(PathBuf::from(self.text_of(item, key)?)),
                "keep" => out.keep = Some(self.keep(item)?),
                "limit" => out.limit = Some(self.rate(item, key)?),
                "lock_days" => out.lock_days = Some(self.number(item, key, 1, 36_500)? as u32),
                _ => {}
            }
        }
        if out.access_key.is_some() != out.secret_key.is_some() {
            return self.error(item, "`access_key` and `secret_key` go together");
        }
        if matches!(out.place, StoreUrl::Receiver { .. }) && out.keep.is_some() {
            return self.error(item, "the receiver keeps what its own rules say, so `keep` has no place here");
        }
        Ok(out)
    }

    /// The destinations that a schedule names.
    pub(crate) fn destinations_of(&self, get: crate::policy::Get<'_>) -> Found<Option<Vec<String>>> {
        let Some(item) = get("destinations") else { return Ok(None) };
        let names = self.texts(item, "destinations")?;
        if names.is_empty() {
            return self.error(item, "`destinations` is empty, so archives would lie nowhere; write [\"local\"] or leave it out");
        }
        if let Some(twice) = names.iter().enumerate().find(|(i, n)| names[..*i].contains(n)) {
            return self.error(item, format!("{:?} stands twice in `destinations`", twice.1));
        }
        Ok(Some(names))
    }

    /// The destinations that a schedule names are there.
    pub(crate) fn known_destinations(&self, file: &File, layers: &[&dyn TableLike]) -> Found<()> {
        for item in layers.iter().filter_map(|l| l.get("destinations")) {
            for name in self.texts(item, "destinations")? {
                if name != LOCAL && !file.destinations.iter().any(|d| d.name.as_str() == name) {
                    return self
                        .error(item, format!("there is no [destinations.{name}] in this file; add it, or remove the name"));
                }
            }
        }
        Ok(())
    }
}
