//! `[daemon]`: where it listens and to whom, how much it does at a time, what it logs.

use crate::check::{Found, Reader};
use crate::keys;
use crate::settings::{DaemonSettings, LogFormat, LogSettings, TlsFiles};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use toml_edit::Item;

impl Reader {
    pub(crate) fn daemon(&self, item: &Item) -> Found<DaemonSettings> {
        let table = self.table(item, "[daemon]", &keys::DAEMON)?;
        let mut out = DaemonSettings::default();
        for (key, item) in table.iter() {
            match key {
                "listen" => out.web.listen = self.listen(item)?,
                "tls" => out.web.tls = Some(self.tls(item)?),
                "trusted_proxies" => out.web.trusted_proxies = self.networks(item, key)?,
                "allowed_origins" => out.web.allowed_origins = self.origins(item, key)?,
                "allowed_hosts" => {
                    out.web.allowed_hosts = self.texts(item, key)?;
                    if let Some(wrong) = out.web.allowed_hosts.iter().find(|h| h.is_empty() || h.contains(['/', ':', '*'])) {
                        return self
                            .error(item, format!("{wrong:?} is no name of a host; write for example \"backup.example.org\""));
                    }
                }
                "allowed_destinations" => out.allowed_destinations = self.absolute_paths(item, key)?,
                "max_runs" => out.max_runs = self.number(item, key, 1, 64)? as usize,
                "socket" => out.socket = Some(PathBuf::from(self.text_of(item, key)?)),
                "stop_timeout" => out.stop_timeout = self.span(item, key)?,
                "restore_roots" => out.restore_roots = self.absolute_paths(item, key)?,
                "catalogue" => {
                    let url = self.text_of(item, key)?;
                    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
                    let Some(rest) = rest else {
                        return self.error(item, "`catalogue` must be a URL such as \"postgres://backup@db.example/backup\"");
                    };
                    let user = rest.split(['/', '?']).next().and_then(|a| a.rsplit_once('@')).map_or("", |(user, _)| user);
                    if user.contains(':') || rest.contains("password=") {
                        return self
                            .error(item, "a password does not stand in this file; add catalogue_password = { file = \"…\" }");
                    }
                    out.catalogue = Some(url.to_owned());
                }
                "catalogue_password" => out.catalogue_password = Some(self.secret(item, key)?),
                "sender" => out.sender = Some(self.mail_address(item, key)?),
                "log" => out.log = self.log(item)?,
                _ => {}
            }
        }
        let web = &out.web;
        if let (Some(at), Some(item)) = (web.listen.filter(|a| !a.ip().is_loopback()), table.get("listen"))
            && web.tls.is_none()
            && web.trusted_proxies.is_empty()
        {
            return self.error(
                item,
                format!(
                    "{at} can be reached from other machines, where passwords must not travel in clear: add tls = {{ cert = \"…\", key = \"…\" }}, or trusted_proxies = [\"ADDRESS\"] if a proxy speaks TLS before it, or listen on 127.0.0.1"
                ),
            );
        }
        Ok(out)
    }

    /// An address with its port, or nothing for `""`.
    pub(crate) fn listen(&self, item: &Item) -> Found<Option<SocketAddr>> {
        let text = self.text_of(item, "listen")?;
        if text.is_empty() {
            return Ok(None);
        }
        let text = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
        match text.parse() {
            Ok(address) => Ok(Some(address)),
            Err(_) => self.error(
                item,
                format!(
                    "{text:?} is no address to listen on; write for example \"127.0.0.1:8620\", \"[::1]:8620\", or \"\" for none"
                ),
            ),
        }
    }

    pub(crate) fn tls(&self, item: &Item) -> Found<TlsFiles> {
        let table = self.table(item, "tls", &keys::TLS)?;
        let path = |key: &str| -> Found<PathBuf> {
            match table.get(key) {
                Some(item) => Ok(PathBuf::from(self.text_of(item, key)?)),
                None => self.error(item, "`tls` needs cert = \"…\" and key = \"…\", two PEM files"),
            }
        };
        Ok(TlsFiles { cert: path("cert")?, key: path("key")? })
    }

    pub(crate) fn networks(&self, item: &Item, key: &str) -> Found<Vec<IpNet>> {
        let mut out = Vec::new();
        for text in self.texts(item, key)? {
            match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
                Ok(net) => out.push(net),
                Err(_) => {
                    return self
                        .error(item, format!("{text:?} is no address; write for example \"127.0.0.1\" or \"10.0.0.0/8\""));
                }
            }
        }
        Ok(out)
    }

    /// Origins (RFC 6454): scheme, host and port, nothing behind.
    fn origins(&self, item: &Item, key: &str) -> Found<Vec<String>> {
        let list = self.texts(item, key)?;
        let fits = |text: &str| {
            let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
            host.is_some_and(|h| !h.is_empty() && !h.contains(['/', '*', '?', '#', ' ']))
        };
        match list.iter().find(|o| !fits(o)) {
            Some(wrong) => self.error(item, format!("{wrong:?} is no origin; write for example \"http://localhost:3000\"")),
            None => Ok(list.iter().map(|o| o.to_ascii_lowercase()).collect()),
        }
    }

    fn absolute_paths(&self, item: &Item, key: &str) -> Found<Vec<PathBuf>> {
        let paths: Vec<PathBuf> = self.texts(item, key)?.into_iter().map(PathBuf::from).collect();
        if paths.iter().any(|p| !p.is_absolute()) {
            return self.error(item, format!("`{key}` must be absolute paths"));
        }
        Ok(paths)
    }

    fn log(&self, item: &Item) -> Found<LogSettings> {
        let table = self.table(item, "[daemon] log", &keys::LOG)?;
        let mut out = LogSettings::default();
        for (key, item) in table.iter() {
            match key {
                "level" => {
                    let level = self.text_of(item, key)?;
                    if !["error", "warn", "info", "debug", "trace"].contains(&level) {
                        return self.error(item, format!("{level:?} is no log level; write error, warn, info, debug or trace"));
                    }
                    level.clone_into(&mut out.level);
                }
                "format" => {
                    out.format = match self.text_of(item, key)? {
                        "text" => LogFormat::Text,
                        "json" => LogFormat::Json,
                        other => return self.error(item, format!("{other:?} is no log format; write text or json")),
                    }
                }
                "max_size" => {
                    out.max_size = self.size(item, key)?;
                    if out.max_size < 10_000 {
                        return self.error(item, "`max_size` must be at least 10kB");
                    }
                }
                "keep" => out.keep = self.number(item, key, 0, 1000)? as usize,
                _ => {}
            }
        }
        Ok(out)
    }
}
