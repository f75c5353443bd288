//! Every sentence of the daemon that a page may show has its French (`web/src/sentences/sentences.fr.json`).
//!
//! The sentences are the texts in the source of the rooms below the command line; values stand in
//! them as `{}`. The page finds the template of a sentence and fills in the French (see doc/page.md).

use proc_macro2::{Delimiter, Literal, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The table of French sentences; `null` where a text is never shown on the page.
const TABLE: &str = "web/src/sentences/sentences.fr.json";

/// The rooms whose sentences reach the page.
const ROOMS: &[&str] =
    &["model", "config", "engine", "catalogue", "databases", "stores", "tls", "notify", "operations", "server"];

/// Files whose texts never reach the page: names and help of metrics, messages that are written in both
/// languages, the page of the API's document, what only other programs are told.
const APART: &[&str] = &[
    "operations/src/metrics.rs",
    "operations/src/samples.rs",
    "notify/src/message.rs",
    "server/src/api/docs.rs",
    "server/src/predecessors/",
    "server/src/receiver/",
];

/// Calls whose texts are for the log, for developers or for other programs.
const SILENT: &[&str] = &["trace", "debug", "info", "warn", "error", "expect", "unreachable", "assert", "panic", "sql", "query"];

/// What only stands in statements for a database, headers of HTTP, XML, and forms of values for developers.
const OTHER: &[&str] = &[
    "SELECT ",
    "INSERT ",
    "DELETE ",
    "UPDATE ",
    "PRAGMA ",
    "ALTER DATABASE",
    "CREATE TABLE",
    "_schema'",
    " FROM ",
    "$1",
    " ?",
    ", name, ",
    ", id, ",
    "name, trigger_text",
    "<?xml",
    "attachment; ",
    "default-src",
    "etag, ",
    "Keys(",
    "Recipients(",
    "\\restrict",
    "psql: error",
    "profile: ",
];

/// Says which sentences have no French, and which French has no sentence.
pub(crate) fn check(root: &Path, wrong: &mut Vec<String>) {
    let table: BTreeMap<String, Option<String>> = match serde_json::from_str(&crate::read(&root.join(TABLE))) {
        Ok(table) => table,
        Err(e) => return wrong.push(format!("{TABLE}: {e}")),
    };
    let found = sentences(root, wrong);
    for (text, place) in &found {
        if !table.contains_key(text) {
            wrong.push(format!("{}: no French in {TABLE} for {text:?}", place.display()));
        }
    }
    for (text, french) in &table {
        if !found.contains_key(text) {
            wrong.push(format!("{TABLE}: nothing says {text:?} any more"));
        }
        if let Some(french) = french
            && holes(text) != holes(french)
        {
            wrong.push(format!("{TABLE}: other values in the French of {text:?}"));
        }
    }
}

/// The numbers of the values in a text: `{}` counts up, `{2}` names the second.
fn holes(text: &str) -> BTreeSet<usize> {
    let mut next = 1;
    let mut seen = BTreeSet::new();
    for part in text.split('{').skip(1) {
        let Some((inner, _)) = part.split_once('}') else { continue };
        seen.insert(inner.parse().unwrap_or(next));
        next += 1;
    }
    seen
}

/// All sentences of the rooms, and a file that says each.
fn sentences(root: &Path, wrong: &mut Vec<String>) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for path in crate::files(root) {
        let inside = path.strip_prefix(root).unwrap_or(&path).to_owned();
        let mut parts = inside.iter().filter_map(|p| p.to_str());
        let room = (parts.next(), parts.next(), parts.next());
        if !matches!(room, (Some("crates"), Some(room), Some("src")) if ROOMS.contains(&room))
            || path.extension().is_none_or(|e| e != "rs")
            || APART.iter().any(|apart| path.to_string_lossy().contains(apart))
        {
            continue;
        }
        match crate::read(&path).parse::<TokenStream>() {
            Ok(tokens) => walk(tokens, &mut |text| {
                found.entry(text).or_insert_with(|| inside.clone());
            }),
            Err(e) => wrong.push(format!("{}: {e}", inside.display())),
        }
    }
    found
}

/// Gives every sentence of the tokens, but for tests, attributes (`#[error]` excepted) and logs.
fn walk(tokens: TokenStream, out: &mut dyn FnMut(String)) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut test = false;
    let mut silent = false;
    for (i, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket && hash_before(&tokens, i) => {
                let text = group.stream().to_string();
                if text.starts_with("error") {
                    // The name of the attribute is left out: it is also that of a log's call.
                    walk(group.stream().into_iter().skip(1).collect(), out);
                }
                test = test || text.replace(' ', "").starts_with("cfg(test)");
            }
            TokenTree::Group(group) => {
                if test && group.delimiter() == Delimiter::Brace {
                    test = false;
                } else if !silent {
                    walk(group.stream(), out);
                }
                silent = false;
            }
            TokenTree::Ident(name) => silent = SILENT.contains(&name.to_string().as_str()),
            TokenTree::Punct(p) if p.as_char() == '!' => {}
            TokenTree::Punct(p) => {
                silent = false;
                test = test && p.as_char() != ';';
            }
            TokenTree::Literal(literal) => {
                if let Some(text) = sentence(literal) {
                    out(text);
                }
            }
        }
    }
}

/// Whether a `#` stands before the token: then it is an attribute.
fn hash_before(tokens: &[TokenTree], i: usize) -> bool {
    let hash = |back: usize| matches!(i.checked_sub(back).map(|j| &tokens[j]), Some(TokenTree::Punct(p)) if p.as_char() == '#');
    hash(1) || (matches!(i.checked_sub(1).map(|j| &tokens[j]), Some(TokenTree::Punct(p)) if p.as_char() == '!') && hash(2))
}

/// The template in a literal, if it is a sentence: several words, at least one of plain letters, no SQL.
fn sentence(literal: &Literal) -> Option<String> {
    let text = syn::parse_str::<syn::LitStr>(&literal.to_string()).ok()?.value();
    if OTHER.iter().any(|word| text.contains(word)) {
        return None;
    }
    let template = template(&text);
    let words = template.split(' ').filter(|w| !w.is_empty()).count();
    let word = |w: &&str| {
        let w = w.trim_matches(|c: char| c.is_ascii_punctuation());
        w.len() > 1 && w.chars().all(|c| c.is_ascii_lowercase())
    };
    let plain = template.split(' ').filter(word).count();
    (words > 1 && plain > 0).then_some(template)
}

/// The text with its values as `{}` and double braces as single ones.
fn template(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => {
                out.push(c);
                chars.next();
            }
            '{' => {
                out.push_str("{}");
                chars.by_ref().find(|c| *c == '}');
            }
            c => out.push(c),
        }
    }
    out
}
