//! The keys of `schedules.toml`: known, later, unknown.

/// A table of the file: its known keys and those that later versions bring.
pub(crate) struct Keys {
    pub(crate) known: &'static [&'static str],
    /// Further known keys, which it shares with another table.
    pub(crate) also: &'static [&'static str],
    pub(crate) later: &'static [&'static str],
}

pub(crate) const TOP: Keys = Keys {
    known: &["version", "daemon", "receiver", "defaults", "destinations", "databases", "notifiers", "predecessors", "schedule"],
    also: &[],
    later: &[],
};

pub(crate) const DAEMON: Keys = Keys {
    known: &[
        "listen",
        "tls",
        "trusted_proxies",
        "allowed_origins",
        "allowed_hosts",
        "allowed_destinations",
        "max_runs",
        "log",
        "restore_roots",
        "socket",
        "stop_timeout",
        "sender",
        "catalogue",
        "catalogue_password",
    ],
    also: &[],
    later: &[],
};

pub(crate) const PREDECESSORS: Keys = Keys { known: &["database", "source"], also: &[], later: &[] };

pub(crate) const NOTIFIER: Keys =
    Keys { known: &["email", "webhook", "on", "language", "quiet", "group"], also: &[], later: &[] };

pub(crate) const EMAIL: Keys = Keys { known: &["to", "from", "smtp", "user", "password", "ca"], also: &[], later: &[] };

pub(crate) const WEBHOOK: Keys = Keys { known: &["url", "form", "token", "allow_private", "ca"], also: &[], later: &[] };

pub(crate) const QUIET: Keys = Keys { known: &["from", "to"], also: &[], later: &[] };

pub(crate) const TLS: Keys = Keys { known: &["cert", "key"], also: &[], later: &[] };

pub(crate) const LOG: Keys = Keys { known: &["level", "format", "max_size", "keep"], also: &[], later: &[] };

pub(crate) const KEEP: Keys =
    Keys { known: &["last", "hourly", "daily", "weekly", "monthly", "yearly", "days", "within"], also: &[], later: &[] };

pub(crate) const ENCRYPT: Keys = Keys { known: &["to", "passphrase", "key", "key_passphrase"], also: &[], later: &[] };

pub(crate) const SECRET: Keys = Keys { known: &["env", "file", "command"], also: &[], later: &[] };

pub(crate) const LIMIT: Keys = Keys { known: &["rate", "from", "to"], also: &[], later: &[] };

pub(crate) const DATABASE: Keys = Keys {
    known: &["url", "password", "client", "programs", "format", "roles", "lock_timeout", "scratch", "strip_definer"],
    also: &[],
    later: &[],
};

pub(crate) const RECEIVER: Keys = Keys {
    known: &["listen", "dir", "tls", "trusted_proxies", "max_upload", "quota", "keep", "profiles", "open", "open_to"],
    also: &[],
    later: &[],
};

pub(crate) const PROFILE: Keys = Keys { known: &["keep"], also: &[], later: &[] };

pub(crate) const DESTINATION: Keys = Keys {
    known: &[
        "url",
        "access_key",
        "secret_key",
        "password",
        "token",
        "read_token",
        "identity",
        "known_hosts",
        "ca",
        "keep",
        "limit",
        "lock_days",
    ],
    also: &[],
    later: &[],
};

pub(crate) const DEFAULTS: Keys = Keys {
    known: &[
        "enabled",
        "timezone",
        "catch_up",
        "jitter",
        "timeout",
        "kind",
        "content",
        "form",
        "compression",
        "keep",
        "exclude",
        "one_file_system",
        "sqlite",
        "max_file_size",
        "exclude_caches",
        "exclude_presets",
        "ignore_files",
        "accept_unreadable",
        "full_every",
        "consolidate",
        "detect",
        "checksum",
        "encrypt",
        "local_index",
        "nice",
        "ionice",
        "limit",
        "before",
        "after",
        "on_failure",
        "hook_timeout",
        "drill",
        "scrub",
        "notify",
        "destinations",
    ],
    also: &[],
    later: &[],
};

pub(crate) const SCHEDULE: Keys =
    Keys { known: &["name", "title", "source", "database", "at", "cron", "every", "manual"], also: DEFAULTS.known, later: &[] };

impl Keys {
    fn all(&self) -> impl Iterator<Item = &'static str> {
        self.known.iter().chain(self.also).copied()
    }

    /// Why a key cannot stand here, or nothing.
    pub(crate) fn refuse(&self, table: &str, key: &str) -> Option<String> {
        if self.all().any(|known| known == key) {
            return None;
        }
        if self.later.contains(&key) {
            return Some(format!("`{key}` is not in this version; remove it"));
        }
        let nearest = self
            .all()
            .map(|k| (strsim::damerau_levenshtein(k, key), k))
            .min()
            .filter(|(distance, known)| *distance <= 3.min(known.len().max(3) - 1));
        Some(match nearest {
            Some((_, known)) => format!("unknown key `{key}` in {table}; did you mean `{known}`?"),
            None => format!("unknown key `{key}` in {table}; known are {}", self.all().collect::<Vec<_>>().join(", ")),
        })
    }
}
