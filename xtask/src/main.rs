//! The project's own checks: `cargo run -p xtask -- check`.
//!
//! Which room may know which, how long a file may be, and that every path named in the docs exists.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for developers that speaks on the terminal")]

mod sentences;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Longest source file, in lines; a longer one is split by meaning.
const MAX_LINES: usize = 800;

/// What each room may use of the others. Engine and catalogue never meet; only operations knows
/// both; nothing below the server knows HTTP; nothing above operations touches engine or catalogue.
const DIRECTIONS: &[(&str, &[&str])] = &[
    ("backup-model", &[]),
    ("backup-wire", &["backup-model"]),
    ("backup-config", &["backup-model"]),
    ("backup-engine", &["backup-model"]),
    ("backup-databases", &["backup-model"]),
    ("backup-tls", &[]),
    ("backup-notify", &["backup-model", "backup-tls"]),
    ("backup-stores", &["backup-model", "backup-tls"]),
    ("backup-catalogue", &["backup-model"]),
    (
        "backup-operations",
        &[
            "backup-model",
            "backup-config",
            "backup-engine",
            "backup-databases",
            "backup-notify",
            "backup-stores",
            "backup-catalogue",
        ],
    ),
    ("backup-page", &[]),
    ("backup-server", &["backup-model", "backup-wire", "backup-operations", "backup-page"]),
    ("backup-client", &["backup-wire"]),
    ("backupd", &["backup-model", "backup-config", "backup-operations", "backup-server"]),
    ("backupctl", &["backup-model", "backup-wire", "backup-config", "backup-operations", "backup-client", "backup-server"]),
    ("backup-testkit", &[]),
    ("backup-libfuzzer", &["backup-fuzz"]),
    ("backup-fuzz", &["backup-model", "backup-config", "backup-engine"]),
    ("backup-bench", &["backup-model", "backup-catalogue"]),
    ("xtask", &[]),
];

/// Only these may know HTTP.
const HTTP: &[&str] = &["axum", "axum-server", "hyper", "hyper-util", "tower", "http-body-util", "utoipa", "utoipa-axum"];
const MAY_HTTP: &[&str] = &["backup-wire", "backup-server", "backup-client", "backupd", "backupctl"];

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() != Some("check") {
        eprintln!("usage: cargo run -p xtask -- check");
        return ExitCode::from(2);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned();
    let mut wrong = Vec::new();
    directions(&root, &mut wrong);
    lengths(&root, &mut wrong);
    paths(&root, &mut wrong);
    image(&root, &mut wrong);
    sentences::check(&root, &mut wrong);
    for problem in &wrong {
        eprintln!("xtask: {problem}");
    }
    println!("xtask check: {} problems", wrong.len());
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn manifests(root: &Path) -> Vec<PathBuf> {
    let mut list: Vec<PathBuf> =
        fs::read_dir(root.join("crates")).into_iter().flatten().flatten().map(|e| e.path().join("Cargo.toml")).collect();
    list.push(root.join("xtask/Cargo.toml"));
    list.push(root.join("bench/Cargo.toml"));
    list.retain(|p| p.exists());
    list.sort();
    list
}

fn directions(root: &Path, wrong: &mut Vec<String>) {
    let allowed: BTreeMap<&str, &[&str]> = DIRECTIONS.iter().copied().collect();
    for path in manifests(root) {
        let Ok(manifest) = read(&path).parse::<toml::Table>() else {
            wrong.push(format!("{} cannot be read", path.display()));
            continue;
        };
        let name = manifest.get("package").and_then(|p| p.get("name")).and_then(|n| n.as_str()).unwrap_or("?").to_owned();
        let Some(may) = allowed.get(name.as_str()) else {
            wrong.push(format!("the crate {name} has no line in DIRECTIONS"));
            continue;
        };
        for dependency in manifest.get("dependencies").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys) {
            let ours = allowed.contains_key(dependency.as_str());
            if ours && !may.contains(&dependency.as_str()) {
                wrong.push(format!("{name} must not depend on {dependency}: see DIRECTIONS in xtask/src/main.rs"));
            }
            if HTTP.contains(&dependency.as_str()) && !MAY_HTTP.contains(&name.as_str()) {
                wrong.push(format!("{name} must not know HTTP, but depends on {dependency}"));
            }
        }
        for dependency in manifest.get("dev-dependencies").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys)
        {
            if allowed.contains_key(dependency.as_str()) && dependency != "backup-testkit" {
                wrong.push(format!("tests of {name} must not depend on {dependency}, only on backup-testkit"));
            }
        }
    }
}

/// Files that git tracks or would track.
/// The image's build needs the manifest of every member of the workspace.
fn image(root: &Path, wrong: &mut Vec<String>) {
    let copied = read(&root.join("Dockerfile"));
    let workspace: toml::Table = read(&root.join("Cargo.toml")).parse().unwrap_or_default();
    let members = workspace.get("workspace").and_then(|w| w.get("members")?.as_array()).into_iter().flatten();
    for folder in members.filter_map(|m| m.as_str()?.split('/').next()) {
        if !copied.lines().any(|line| line == format!("COPY {folder} {folder}")) {
            wrong.push(format!("Dockerfile: it does not copy {folder}, which the workspace needs"));
        }
    }
}

fn files(root: &Path) -> Vec<PathBuf> {
    let listed = Command::new("git").args(["ls-files", "-co", "--exclude-standard"]).current_dir(root).output();
    let text = listed.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    text.lines().map(PathBuf::from).filter(|p| root.join(p).is_file()).collect()
}

fn lengths(root: &Path, wrong: &mut Vec<String>) {
    for path in files(root) {
        let source = path.extension().is_some_and(|e| ["rs", "ts", "tsx", "sh", "sql"].iter().any(|s| e == *s));
        let lines = if source { read(&root.join(&path)).lines().count() } else { 0 };
        if lines > MAX_LINES {
            wrong.push(format!("{} has {lines} lines, {MAX_LINES} are allowed; split it by meaning", path.display()));
        }
    }
}

/// The folders whose paths docs and configs name from the root.
const ROOMS: &[&str] = &["crates/", "doc/", "packaging/", "bench/", "tools/", "xtask/", ".ci/"];

fn paths(root: &Path, wrong: &mut Vec<String>) {
    for path in files(root) {
        let name = path.to_string_lossy().into_owned();
        let looked_at = path.extension().is_some_and(|e| ["md", "toml", "yml", "yaml", "service"].iter().any(|s| e == *s))
            || ["Makefile", "Dockerfile"].iter().any(|n| name.ends_with(n));
        if !looked_at {
            continue;
        }
        let text = read(&root.join(&path));
        for word in text.split(|c: char| c.is_whitespace() || "`\"'()[]<>,;|=".contains(c)) {
            let word = word.trim_start_matches("./").trim_end_matches(['.', ':', '/']);
            let word = word.split('#').next().unwrap_or(word);
            let named = ROOMS.iter().any(|r| word.starts_with(r)) && !word.contains(['*', '$', '{', '<']);
            if named && !root.join(word).exists() {
                wrong.push(format!("{name} names {word}, which does not exist"));
            }
        }
        // Links between pages are relative to the page.
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or("");
            let elsewhere = target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            if name.ends_with(".md") && !elsewhere && !root.join(path.parent().unwrap_or(Path::new(""))).join(target).exists() {
                wrong.push(format!("{name} links to {target}, which does not exist"));
            }
        }
    }
}
