//! Schedules: create, list, show, edit, delete.

use super::Context;
use crate::args::SettingArgs;
use crate::failure::Failure;
use crate::output::{self, counted, line, safe, table, time};
use backup_client::{Method, encode};
use backup_config::OneLine;
use backup_model::{format_duration, format_size};
use backup_wire::{DatabaseView, NewDatabase, Page, ScheduleView};
use serde_json::{Map, Value, json};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Paths in flags are relative to the current folder and stored absolute.
fn absolute(path: &Path) -> Result<String, Failure> {
    let path = std::path::absolute(path)?;
    let text = path.to_str().ok_or_else(|| {
        Failure::new(2, format!("{} is not UTF-8, which schedules.toml cannot hold; back up the folder above it", path.display()))
    })?;
    Ok(text.to_owned())
}

fn settings(args: &SettingArgs) -> Result<Map<String, Value>, Failure> {
    let mut out = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            out.insert(key.to_owned(), value);
        }
    };
    let sources = args.source.iter().map(|p| absolute(p)).collect::<Result<Vec<_>, _>>()?;
    put("title", args.title.clone().map(Value::from));
    put("source", (!sources.is_empty()).then(|| sources.into()));
    put("database", args.database.clone().map(Value::from));
    put("content", args.content.clone().map(Value::from));
    put("exclude", (!args.exclude.is_empty()).then(|| args.exclude.clone().into()));
    put(
        "at",
        match args.at.as_slice() {
            [] => None,
            [one] => Some(one.clone().into()),
            several => Some(several.to_vec().into()),
        },
    );
    put("cron", args.cron.clone().map(Value::from));
    put("every", args.every.clone().map(Value::from));
    put("manual", args.manual.then_some(Value::Bool(true)));
    put("compression", args.compression.clone().map(Value::from));
    put("timezone", args.timezone.clone().map(Value::from));
    put("catch_up", args.catch_up.map(Value::from));
    put("jitter", args.jitter.clone().map(Value::from));
    put("timeout", args.timeout.clone().map(Value::from));
    put("sqlite", args.sqlite.then_some(Value::Bool(true)));
    put("one_file_system", args.one_file_system.then_some(Value::Bool(true)));
    put("exclude_caches", args.exclude_caches.then_some(Value::Bool(true)));
    put("max_file_size", args.max_file_size.clone().map(Value::from));
    put("kind", args.kind.clone().map(Value::from));
    // A number stands as a number in the file.
    put("full_every", args.full_every.clone().map(|f| f.parse::<u64>().map_or(Value::from(f), Value::from)));
    put("consolidate", args.consolidate.then_some(Value::Bool(true)));
    let list = |words: &[String]| (!words.is_empty()).then(|| Value::from(words.to_vec()));
    put("detect", list(&args.detect));
    put("checksum", args.checksum.then_some(Value::Bool(true)));
    put("exclude_presets", list(&args.exclude_preset));
    put("ignore_files", list(&args.ignore_file));
    put("accept_unreadable", list(&args.accept_unreadable));
    put("notify", list(&args.notify));
    put("destinations", list(&args.destination));
    put("nice", args.nice.map(Value::from));
    put("ionice", args.ionice.clone().map(Value::from));
    put("limit", args.limit.clone().map(Value::from));
    put("drill", args.drill.clone().map(Value::from));
    put("scrub", args.scrub.clone().map(Value::from));
    for (key, given) in [("before", &args.before), ("after", &args.after), ("on_failure", &args.on_failure)] {
        let commands = given.iter().map(|text| command(key, text)).collect::<Result<Vec<_>, _>>()?;
        put(key, (!commands.is_empty()).then_some(Value::Array(commands)));
    }
    let mut encrypt = Map::new();
    let keys = args.encrypt_to.iter().map(|p| absolute(p)).collect::<Result<Vec<_>, _>>()?;
    if !keys.is_empty() {
        encrypt.insert("to".to_owned(), keys.into());
    }
    if let Some(file) = &args.encrypt_passphrase_file {
        encrypt.insert("passphrase".to_owned(), json!({ "file": absolute(file)? }));
    }
    put("encrypt", (!encrypt.is_empty()).then_some(Value::Object(encrypt)));
    let mut keep = Map::new();
    for (key, value) in [
        ("last", args.keep_last),
        ("hourly", args.keep_hourly),
        ("daily", args.keep_daily),
        ("weekly", args.keep_weekly),
        ("monthly", args.keep_monthly),
        ("yearly", args.keep_yearly),
        ("days", args.keep_days),
    ] {
        if let Some(n) = value {
            keep.insert(key.to_owned(), n.into());
        }
    }
    if let Some(within) = &args.keep_within {
        keep.insert("within".to_owned(), within.clone().into());
    }
    put("keep", (!keep.is_empty()).then_some(Value::Object(keep)));
    Ok(out)
}

/// A command of a hook: a JSON list of words, so that no shell has to guess where they end.
fn command(key: &str, text: &str) -> Result<Value, Failure> {
    match serde_json::from_str::<Vec<String>>(text) {
        Ok(argv) if argv.first().is_some_and(|program| !program.is_empty()) => Ok(argv.into()),
        _ => Err(Failure::new(
            2,
            format!("--{} takes a JSON list such as '[\"systemctl\",\"stop\",\"app\"]', not {text:?}", key.replace('_', "-")),
        )),
    }
}

fn one_line(spec: &str) -> Result<(String, Map<String, Value>), Failure> {
    let one: OneLine = spec.parse().map_err(|e: backup_config::OneLineError| Failure::new(2, e.to_string()))?;
    let mut settings = Map::new();
    settings.insert("source".into(), json!([one.path]));
    settings.insert("at".into(), one.time.format("%H:%M").to_string().into());
    Ok((one.name.to_string(), settings))
}

fn say(c: &Context, view: &ScheduleView, what: &str) -> Result<(), Failure> {
    if c.json {
        return output::json(view);
    }
    let next = match (view.enabled, view.next) {
        (false, _) => "disabled".to_owned(),
        (true, Some(_)) => format!("next run {} {}", time(view.next), view.timezone),
        (true, None) => "runs only when asked".to_owned(),
    };
    line(format!("{what} {}: {} ({next})", view.name, view.trigger))
}

pub(super) async fn create(
    c: &Context,
    spec: &str,
    args: &SettingArgs,
    disabled: bool,
    allow_missing: bool,
) -> Result<u8, Failure> {
    let mut set = settings(args)?;
    let timed = ["at", "cron", "every", "manual"].iter().any(|k| set.contains_key(*k));
    // A full form has a source or a database; anything else must be the one-line form.
    let copies = set.contains_key("source") || set.contains_key("database");
    let name = if spec.contains(';') || (!copies && !timed) {
        let (name, own) = one_line(spec)?;
        for (key, value) in own {
            if set.contains_key(&key) {
                return Err(Failure::new(2, format!("\"{spec}\" says its {key} already; leave out --{key}")));
            }
            set.insert(key, value);
        }
        name
    } else {
        if !copies {
            let text = format!("{spec} has no source; add --source PATH or --database NAME, or write \"path;hh:mm;name\"");
            return Err(Failure::new(2, text));
        }
        spec.to_owned()
    };
    if disabled {
        set.insert("enabled".into(), false.into());
    }
    let connection = c.connect().await?;
    // A URL becomes an entry of its own, under the schedule's name.
    let url = args.database.as_ref().filter(|d| d.contains("://"));
    if let Some(url) = url {
        let new = NewDatabase { name: name.clone(), url: Some(url.clone()), ..NewDatabase::default() };
        let _: DatabaseView = connection.client.post("/api/v1/databases", &new).await?;
        set.insert("database".into(), name.clone().into());
    }
    let wish = json!({ "name": name, "settings": set, "allow_missing": allow_missing });
    let view: Result<ScheduleView, _> = connection.client.post("/api/v1/schedules", &wish).await;
    if view.is_err() && url.is_some() {
        // The entry was made for this schedule only.
        let path = format!("/api/v1/databases/{}", encode(&name));
        let _: Result<(), _> = connection.client.send_json(Method::DELETE, &path, &json!({})).await;
    }
    let view = view?;
    say(c, &view, "created")?;
    if !c.json && !connection.daemon {
        line("the daemon is not running; `backupctl start` lets it run on time")?;
    }
    Ok(0)
}

pub(super) async fn import(c: &Context, file: &Path, dry_run: bool, allow_missing: bool) -> Result<u8, Failure> {
    let text = std::fs::read_to_string(file).map_err(|e| Failure::new(5, format!("cannot read {}: {e}", file.display())))?;
    if text.lines().any(|l| l.trim_start().starts_with("version") && l.contains('=')) {
        return super::transfer::import(c, text, dry_run).await;
    }
    let mut wishes = Vec::new();
    for (n, spec) in text.lines().enumerate() {
        let spec = spec.trim();
        if spec.is_empty() || spec.starts_with('#') {
            continue;
        }
        let (name, set) = one_line(spec).map_err(|e| {
            Failure::new(e.code, format!("{}, line {}: {}; nothing was imported", file.display(), n + 1, e.message))
        })?;
        wishes.push((n + 1, name, set));
    }
    let connection = c.connect().await?;
    let mut made = 0_u64;
    for (n, name, set) in wishes {
        if dry_run {
            line(format!("would create {name}"))?;
            continue;
        }
        let wish = json!({ "name": name, "settings": set, "allow_missing": allow_missing });
        let result: Result<ScheduleView, _> = connection.client.post("/api/v1/schedules", &wish).await;
        let view = result.map_err(|e| {
            let e = Failure::from(e);
            let before = counted(made, "schedule", "schedules");
            Failure::new(e.code, format!("{}, line {n}: {}; {before} imported before it", file.display(), e.message))
        })?;
        made += 1;
        say(c, &view, "created")?;
    }
    Ok(0)
}

pub(super) async fn list(c: &Context) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    let page: Page<ScheduleView> = connection.client.get("/api/v1/schedules").await?;
    if c.json {
        output::json(&page)?;
        return Ok(0);
    }
    if page.items.is_empty() {
        line("there are no schedules yet; backupctl create \"documents;09:00;docs_morning\" makes one")?;
        return Ok(0);
    }
    let mut rows = table(&["SCHEDULE", "NEXT RUN", "LAST OUTCOME", "PROVEN RESTORABLE"]);
    for s in &page.items {
        let what = s.one_line.clone().unwrap_or_else(|| format!("{}  {}  [{}]", s.name, copied(s), s.trigger));
        let next = if s.enabled { time(s.next) } else { "disabled".to_owned() };
        let mut last = s.last.as_ref().map_or_else(|| "never ran".to_owned(), |l| format!("{} {}", l.status, time(l.ended)));
        if s.frozen.is_some() {
            last.push_str(" (retention frozen: backupctl confirm)");
        }
        let proven = match (&s.proven, &s.last_drill) {
            (Some(proven), _) => time(Some(proven.at)),
            (None, Some(drill)) if drill.text.starts_with("inconclusive") => "inconclusive".to_owned(),
            (None, Some(_)) => "FAILED (backupctl alerts)".to_owned(),
            (None, None) => "never".to_owned(),
        };
        rows.add_row([format!("{}: {}", s.index, safe(&what)), next, last, proven]);
    }
    // S2's programs read lines that begin with the index, so the header goes to people only.
    output::list(&rows)?;
    Ok(0)
}

/// What a schedule copies, in a few words.
fn copied(s: &ScheduleView) -> String {
    match &s.database {
        Some(database) if s.content == "full" => format!("database {database}"),
        Some(database) => format!("database {database} ({})", s.content),
        None => s.source.join(" "),
    }
}

async fn get(c: &Context, name: &str) -> Result<(crate::connect::Connection, ScheduleView), Failure> {
    let connection = c.connect().await?;
    let view = connection.client.get(&format!("/api/v1/schedules/{}", encode(name))).await?;
    Ok((connection, view))
}

pub(super) async fn show(c: &Context, name: &str) -> Result<u8, Failure> {
    let (_connection, s) = get(c, name).await?;
    if c.json {
        output::json(&s)?;
        return Ok(0);
    }
    let mut rows = vec![("name", s.name.clone())];
    rows.extend(s.title.clone().map(|t| ("title", t)));
    match &s.database {
        Some(database) => {
            rows.push(("database", database.clone()));
            rows.push(("content", s.content.clone()));
        }
        None => rows.push(("source", s.source.join("\n"))),
    }
    if !s.exclude.is_empty() {
        rows.push(("exclude", s.exclude.join("\n")));
    }
    rows.push(("runs", format!("{} ({})", s.trigger, s.timezone)));
    rows.push(("next run", if s.enabled { time(s.next) } else { "disabled".to_owned() }));
    let kind = match &s.full_every {
        Some(full) => {
            let rhythm = if full.parse::<u32>().is_ok() { format!("every {full} archives") } else { full.clone() };
            let how = if s.consolidate { "full, made of the chain," } else { "full" };
            format!("{}, {how} {rhythm}", s.kind)
        }
        None => s.kind.clone(),
    };
    rows.push(("kind", kind));
    rows.push(("compression", s.compression.clone()));
    if s.encrypted {
        rows.push(("encrypted", "yes".to_owned()));
    }
    rows.extend(s.drill_seconds.map(|d| ("drill", format!("every {}", format_duration(d as f64)))));
    rows.extend(s.scrub.map(|(p, every)| ("scrub", format!("{p} % every {}", format_duration(every as f64)))));
    rows.push(("proven", s.proven.as_ref().map_or_else(|| "never, or not any more".to_owned(), |p| time(Some(p.at)))));
    rows.extend(s.last_drill.as_ref().map(|d| ("last drill", format!("{}: {}", time(Some(d.at)), d.text))));
    let k = &s.keep;
    let rules = [
        ("last", k.last),
        ("hourly", k.hourly),
        ("daily", k.daily),
        ("weekly", k.weekly),
        ("monthly", k.monthly),
        ("yearly", k.yearly),
        ("days", k.days),
    ];
    let mut keep: Vec<String> = rules.iter().filter_map(|(w, n)| n.map(|n| format!("{w} {n}"))).collect();
    keep.extend(k.within_seconds.map(|w| format!("within {}", format_duration(w as f64))));
    rows.push(("keep", if keep.is_empty() { "everything".to_owned() } else { keep.join(", ") }));
    rows.push(("catch up", if s.catch_up { "yes" } else { "no" }.to_owned()));
    if s.jitter_seconds > 0 {
        rows.push(("jitter", format_duration(s.jitter_seconds as f64)));
    }
    rows.extend(s.timeout_seconds.map(|t| ("timeout", format_duration(t as f64))));
    if s.one_file_system {
        rows.push(("one file system", "yes".to_owned()));
    }
    if s.exclude_caches {
        rows.push(("exclude caches", "yes".to_owned()));
    }
    rows.extend(s.max_file_size.map(|m| ("max file size", format_size(m))));
    if let Some(last) = &s.last {
        let error = last.error.as_ref().map(|e| format!(": {e}")).unwrap_or_default();
        rows.push(("last run", format!("{} {}{error}", last.status, time(last.ended))));
    }
    rows.extend(s.last_good.map(|t| ("last good", time(Some(t)))));
    rows.extend(s.frozen.clone().map(|f| ("frozen", format!("{f}; backupctl confirm {}", s.name))));
    for (key, value) in rows {
        for (n, part) in value.lines().enumerate() {
            line(format!("{:<16} {}", if n == 0 { key } else { "" }, safe(part)))?;
        }
    }
    Ok(0)
}

async fn patch(c: &Context, name: &str, changes: &Map<String, Value>, what: &str) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    let path = format!("/api/v1/schedules/{}", encode(name));
    let view: ScheduleView = connection.client.send_json(method("PATCH")?, &path, changes).await?;
    say(c, &view, what)?;
    Ok(0)
}

fn method(word: &str) -> Result<backup_client::Method, Failure> {
    backup_client::Method::from_bytes(word.as_bytes()).map_err(|e| Failure::new(1, e.to_string()))
}

pub(super) async fn edit(c: &Context, name: &str, args: &SettingArgs, unset: &[String]) -> Result<u8, Failure> {
    let mut changes = settings(args)?;
    for key in unset {
        changes.insert(key.clone(), Value::Null);
    }
    if changes.is_empty() {
        return Err(Failure::new(
            2,
            format!(
                "nothing to change; give for example --at 08:30, see `backupctl edit --help`, or edit schedules.toml and its schedule {name} by hand"
            ),
        ));
    }
    patch(c, name, &changes, "edited").await
}

pub(super) async fn enable(c: &Context, name: &str, on: bool) -> Result<u8, Failure> {
    let mut changes = Map::new();
    changes.insert("enabled".into(), on.into());
    patch(c, name, &changes, if on { "enabled" } else { "disabled" }).await
}

pub(super) async fn duplicate(c: &Context, name: &str, new_name: &str) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    let path = format!("/api/v1/schedules/{}/duplicate", encode(name));
    let view: ScheduleView = connection.client.post(&path, &json!({ "name": new_name })).await?;
    say(c, &view, "created")?;
    Ok(0)
}

pub(super) async fn delete(c: &Context, name: &str, with_backups: bool, yes: bool) -> Result<u8, Failure> {
    let (connection, view) = get(c, name).await?;
    if !yes && std::io::stdin().is_terminal() {
        let what = if with_backups { "with ALL its archives" } else { "(its archives stay)" };
        let mut err = std::io::stderr();
        write!(err, "delete the schedule {} {what}? [y/N] ", view.name)?;
        err.flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes" | "o" | "oui") {
            return Err(Failure::new(1, "nothing was deleted"));
        }
    }
    let path = format!("/api/v1/schedules/{}?with_backups={with_backups}", encode(&view.name));
    let done: Value = connection.client.send_json(method("DELETE")?, &path, &json!({})).await?;
    if c.json {
        output::json(&done)?;
    } else {
        let removed = done.get("archives_removed").and_then(Value::as_u64).unwrap_or(0);
        let kept = if with_backups {
            format!("{removed} archives were removed")
        } else {
            format!("its archives stay in {}", PathBuf::from("backups").join(&view.name).display())
        };
        line(format!("deleted {}; {kept}", view.name))?;
    }
    Ok(0)
}

pub(super) async fn confirm(c: &Context, name: &str) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    let view: ScheduleView = connection.client.post(&format!("/api/v1/schedules/{}/confirm", encode(name)), &json!({})).await?;
    if c.json {
        output::json(&view)?;
    } else {
        line(format!("confirmed: retention of {} goes on", view.name))?;
    }
    Ok(0)
}
