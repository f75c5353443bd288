//! Reads SQL dumps as they stream by: counts what is in them, knows where they end, and refuses what a client
//! program would take for a command of its own.
//!
//! The readers split a dump into statements by the same rules as psql (`psqlscan.l` and `copy.c` of PostgreSQL) and the
//! mariadb and mysql programs (`client/mysql.cc`), so that none can be hidden from them.

mod mysql;
mod postgres;

pub(crate) use mysql::MysqlReader;
pub(crate) use postgres::PostgresReader;

use backup_model::DatabaseEngine;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Bytes of one statement that are held to decide about it; a longer one is decided by its begin.
const HELD: usize = 256 << 10;

/// Bytes of a word that are awaited to tell what it is; no word that means something is as long.
const WORD: usize = 1024;

/// What becomes of a statement.
pub(crate) enum Verdict {
    Keep,
    Drop,
    Replace(Vec<u8>),
}

/// Decides about statements, where a dump is loaded.
pub(crate) type Judge<'a> = dyn FnMut(&[u8]) -> Verdict + Send + 'a;

/// Takes what is to be loaded.
pub(crate) type Out<'a> = dyn FnMut(&[u8]) -> std::io::Result<()> + 'a;

/// Reads a dump that comes in pieces.
pub(crate) trait DumpText {
    /// Takes the next piece; what is to be loaded goes to `out`.
    ///
    /// # Errors
    /// `InvalidData` if it holds what no dump holds, or whatever `out` says.
    fn feed(&mut self, piece: &[u8], out: &mut Out<'_>) -> std::io::Result<()>;
    /// Rows so far.
    fn rows(&self) -> u64;
}

/// What could not be judged of the piece before, and this one.
fn joined<'p>(rest: &mut Vec<u8>, piece: &'p [u8]) -> Cow<'p, [u8]> {
    if rest.is_empty() {
        return Cow::Borrowed(piece);
    }
    let mut all = std::mem::take(rest);
    all.extend_from_slice(piece);
    Cow::Owned(all)
}

/// What a dump holds.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Rows of each table.
    pub(crate) tables: BTreeMap<String, u64>,
    /// Objects of each kind that it makes.
    pub(crate) objects: BTreeMap<String, u64>,
    /// Whether it says that it is complete.
    pub(crate) complete: bool,
}

impl Counted {
    pub(crate) fn rows(&self) -> u64 {
        self.tables.values().sum()
    }

    pub(crate) fn add_object(&mut self, kind: &str) {
        *self.objects.entry(kind.to_owned()).or_default() += 1;
    }

    /// What the server says there is and the dump does not make.
    pub(crate) fn missing(&self, expected: &BTreeMap<String, u64>) -> Vec<String> {
        let of = |kind: &String| self.objects.get(kind).copied().unwrap_or(0);
        expected.iter().filter(|(kind, n)| of(kind) < **n).map(|(kind, n)| format!("{} of {n} {kind}", of(kind))).collect()
    }
}

/// Reads a plain dump in pieces of so many bytes, as backups and restores do: answers what is loaded of it, the begin of
/// each statement, and the rows of each table, or that it is refused.
///
/// # Errors
/// It is cut, or holds what no dump holds.
pub fn scan_dump(engine: DatabaseEngine, dump: &[u8], piece: usize) -> std::io::Result<Scanned> {
    let mut begins = Vec::new();
    let mut loaded = Vec::new();
    let mut out = |bytes: &[u8]| {
        loaded.extend_from_slice(bytes);
        Ok(())
    };
    let judge = |text: &[u8]| {
        begins.push(text[..text.len().min(HELD)].to_vec());
        Verdict::Keep
    };
    let counted = if engine == DatabaseEngine::Postgresql {
        let mut reader = PostgresReader::new(Some(Box::new(judge)));
        dump.chunks(piece).try_for_each(|piece| reader.feed(piece, &mut out))?;
        reader.finish(&mut out)?
    } else {
        let mut reader = MysqlReader::new(Some(Box::new(judge)));
        dump.chunks(piece).try_for_each(|piece| reader.feed(piece, &mut out))?;
        reader.finish(&mut out)?
    };
    Ok(Scanned { loaded, begins, tables: counted.tables })
}

/// What was read of a dump.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// What goes to the client program.
    pub loaded: Vec<u8>,
    /// The begin of each statement.
    pub begins: Vec<Vec<u8>>,
    /// Rows of each table.
    pub tables: BTreeMap<String, u64>,
}

/// The name of a table for people and for comparison: parts that are no plain words are quoted.
pub(crate) fn table_key(parts: &[String]) -> String {
    let plain = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let quoted = |p: &String| if plain(p) { p.clone() } else { format!("\"{}\"", p.replace('"', "\"\"")) };
    parts.iter().map(quoted).collect::<Vec<_>>().join(".")
}

/// The statement that is being read, as far as it is held.
#[derive(Default)]
struct Statement {
    text: Vec<u8>,
    /// It was longer than what is held, and its begin was decided about.
    decided: Option<bool>,
}

impl Statement {
    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.decided.is_none()
    }

    /// Takes more of it; answers whether it has become too long to be held.
    fn push(&mut self, bytes: &[u8], judge: &mut Option<Box<Judge<'_>>>, out: &mut Out<'_>) -> std::io::Result<bool> {
        if let Some(keep) = self.decided {
            return if keep { out(bytes).map(|()| false) } else { Ok(false) };
        }
        self.text.extend_from_slice(bytes);
        if self.text.len() > HELD {
            let keep = emit(&self.text, judge, out)?;
            self.decided = Some(keep);
        }
        Ok(self.decided.is_some())
    }

    /// Ends it: what it was, as far as it was held, and whether it is kept.
    fn end(&mut self, judge: &mut Option<Box<Judge<'_>>>, out: &mut Out<'_>) -> std::io::Result<(Vec<u8>, bool)> {
        let keep = match self.decided.take() {
            Some(keep) => keep,
            None => emit(&self.text, judge, out)?,
        };
        Ok((std::mem::take(&mut self.text), keep))
    }
}

fn emit(text: &[u8], judge: &mut Option<Box<Judge<'_>>>, out: &mut Out<'_>) -> std::io::Result<bool> {
    match judge.as_mut().map_or(Verdict::Keep, |judge| judge(text)) {
        Verdict::Keep => out(text).map(|()| true),
        Verdict::Replace(other) => out(&other).map(|()| true),
        Verdict::Drop => Ok(false),
    }
}

/// Whose SQL it is: what begins a comment, and what ends one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Comments are nested, and a carriage return ends those of a line (`psqlscan.l`, `scan.l`).
    Postgres,
    /// What stands in `/*! … */` counts; backslashes may mean something in texts.
    Mysql { escapes: bool },
}

/// Bytes of the comment that a text begins with, up to its end; 0 if it begins with none.
fn comment(text: &[u8], dialect: Dialect) -> usize {
    if text.starts_with(b"--") {
        let end = match dialect {
            Dialect::Postgres => memchr::memchr2(b'\n', b'\r', text),
            Dialect::Mysql { .. } => memchr::memchr(b'\n', text),
        };
        return end.unwrap_or(text.len());
    }
    if !text.starts_with(b"/*") {
        return 0;
    }
    if dialect != Dialect::Postgres {
        return memchr::memmem::find(text, b"*/").map_or(text.len(), |n| n + 2);
    }
    let (mut i, mut depth) = (2, 1);
    while i < text.len() && depth > 0 {
        match &text[i..(i + 2).min(text.len())] {
            b"/*" => (i, depth) = (i + 2, depth + 1),
            b"*/" => (i, depth) = (i + 2, depth - 1),
            _ => i += 1,
        }
    }
    i
}

/// Bytes of `/*!` or `/*M!` with its version, which has at most six digits.
fn marker(text: &[u8]) -> usize {
    let begin = 3 + usize::from(text.get(2) == Some(&b'M'));
    begin + text.iter().skip(begin).take(6).take_while(|b| b.is_ascii_digit()).count()
}

/// The words of a statement's begin: plain words in capitals, quoted names as they are with their quote in front.
/// Comments are passed over.
pub(crate) fn words(text: &[u8], limit: usize, dialect: Dialect) -> Vec<String> {
    let mut out = Vec::new();
    let mut i = 0;
    while i < text.len() && out.len() < limit {
        match text[i] {
            b'/' if dialect != Dialect::Postgres && (text[i..].starts_with(b"/*!") || text[i..].starts_with(b"/*M!")) => {
                i += marker(&text[i..]);
            }
            b'-' | b'/' if comment(&text[i..], dialect) > 0 => i += comment(&text[i..], dialect),
            quote @ (b'"' | b'`' | b'\'') if quote != b'`' || dialect != Dialect::Postgres => {
                let mut name = vec![quote];
                i += 1;
                while i < text.len() {
                    if text[i] == b'\\' && quote != b'`' && dialect == (Dialect::Mysql { escapes: true }) {
                        i += 1;
                        name.extend(text.get(i));
                        i += 1;
                        continue;
                    }
                    if text[i] == quote {
                        if text.get(i + 1) != Some(&quote) {
                            break;
                        }
                        i += 1;
                    }
                    name.push(text[i]);
                    i += 1;
                }
                i += 1;
                out.push(String::from_utf8_lossy(&name).into_owned());
            }
            b if b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80 => {
                let start = i;
                while text.get(i).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$') || *b >= 0x80) {
                    i += 1;
                }
                out.push(String::from_utf8_lossy(&text[start..i]).to_uppercase());
            }
            b if b.is_ascii_whitespace() || matches!(b, b'*' | b'/' | 0x0b) => i += 1,
            b => {
                out.push((b as char).to_string());
                i += 1;
            }
        }
    }
    out
}
