//! Plain dumps of `pg_dump` and `pg_dumpall`.

use super::{Counted, Dialect, DumpText, Judge, Out, Statement, WORD, comment, joined, table_key, words};
use std::io;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Plain,
    /// In `'…'`, with backslashes or without.
    Text {
        escapes: bool,
    },
    /// In `"…"`.
    Name,
    /// In a word or number that is too long to mean something.
    LongWord,
    LineComment,
    BlockComment {
        depth: u32,
    },
    /// In `$tag$ … $tag$`.
    Dollar,
    /// A command of psql, to the end of its line.
    Command,
    /// Rows of a `COPY`.
    Copy(Row),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    Start,
    Backslash,
    BackslashDot,
    Inside,
}

/// The comments that end dumps of `pg_dump` and `pg_dumpall`.
const TRAILERS: [&str; 2] = ["-- PostgreSQL database dump complete", "-- PostgreSQL database cluster dump complete"];

fn bad(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// Reads a plain dump of PostgreSQL that comes in pieces.
pub(crate) struct PostgresReader<'a> {
    state: State,
    statement: Statement,
    judge: Option<Box<Judge<'a>>>,
    counted: Counted,
    /// A line comment or a command of psql.
    line: Vec<u8>,
    /// Bytes that cannot be judged before the next piece comes.
    rest: Vec<u8>,
    tag: Vec<u8>,
    parens: u32,
    /// As psql counts them: words of a statement so far, and `BEGIN`s of function bodies.
    identifiers: Vec<String>,
    begins: u32,
    /// Whether backslashes mean something in every text (`standard_conforming_strings`).
    escapes: bool,
    /// Behind a text: what backslashes meant in it, and whether its line has ended. A text on a later line goes on with it.
    text: Option<(bool, bool)>,
    /// The table whose rows come, whether they are kept, and whether the line of the statement has ended.
    copy: Option<(String, bool, bool)>,
    rows: u64,
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'$' || b >= 0x80
}

impl DumpText for PostgresReader<'_> {
    fn feed(&mut self, piece: &[u8], out: &mut Out<'_>) -> io::Result<()> {
        let bytes = joined(&mut self.rest, piece);
        self.bytes(&bytes, false, out)
    }

    fn rows(&self) -> u64 {
        self.counted.rows() + self.rows
    }
}

impl<'a> PostgresReader<'a> {
    /// A reader; `judge` decides about statements that are loaded.
    pub(crate) fn new(judge: Option<Box<Judge<'a>>>) -> Self {
        Self {
            state: State::Plain,
            statement: Statement::default(),
            judge,
            counted: Counted::default(),
            line: Vec::new(),
            rest: Vec::new(),
            tag: Vec::new(),
            parens: 0,
            identifiers: Vec::new(),
            begins: 0,
            escapes: false,
            text: None,
            copy: None,
            rows: 0,
        }
    }

    /// The end: what the dump holds. What is left to be loaded goes to `out`.
    ///
    /// # Errors
    /// It does not end where a dump ends.
    pub(crate) fn finish(mut self, out: &mut Out<'_>) -> io::Result<Counted> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            self.bytes(&rest, true, out)?;
        }
        let pending = self.statement.text.iter().any(|b| !b.is_ascii_whitespace()) || self.statement.decided.is_some();
        if self.state != State::Plain && self.state != State::LineComment || pending {
            return Err(bad("the dump ends in the middle of a statement: it is cut"));
        }
        if !self.counted.complete {
            return Err(bad("the dump does not say that it is complete: it is cut"));
        }
        Ok(self.counted)
    }

    fn push(&mut self, bytes: &[u8], out: &mut Out<'_>) -> io::Result<()> {
        if self.statement.push(bytes, &mut self.judge, out)? {
            // What these mean may stand behind what is held.
            let first = words(&self.statement.text, 1, Dialect::Postgres);
            if first.first().is_none_or(|w| matches!(w.as_str(), "COPY" | "SET" | "SELECT")) {
                return Err(bad("it holds a statement that is longer than a dump's"));
            }
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8], last: bool, out: &mut Out<'_>) -> io::Result<()> {
        let mut i = 0;
        while i < bytes.len() {
            let rest = &bytes[i..];
            match self.state {
                State::Copy(row) => i += self.copy_rows(row, rest, out)?,
                State::Text { escapes } => {
                    let found = if escapes { memchr::memchr2(b'\'', b'\\', rest) } else { memchr::memchr(b'\'', rest) };
                    let Some(n) = found else {
                        self.push(rest, out)?;
                        return Ok(());
                    };
                    if rest[n] == b'\\' && n + 1 == rest.len() && !last {
                        self.push(&rest[..n], out)?;
                        self.rest = rest[n..].to_vec();
                        return Ok(());
                    }
                    let used = if rest[n] == b'\\' { (n + 2).min(rest.len()) } else { n + 1 };
                    if rest[n] == b'\'' {
                        // A doubled quote ends and begins again, with the same meaning of backslashes.
                        if rest.get(n + 1) == Some(&b'\'') {
                            self.push(&rest[..n + 2], out)?;
                            i += n + 2;
                            continue;
                        }
                        if n + 1 == rest.len() && !last {
                            self.push(&rest[..n], out)?;
                            self.rest = rest[n..].to_vec();
                            return Ok(());
                        }
                        self.state = State::Plain;
                        self.text = Some((escapes, false));
                    }
                    self.push(&rest[..used], out)?;
                    i += used;
                }
                State::Name => {
                    let end = memchr::memchr(b'"', rest).map_or(rest.len(), |n| n + 1);
                    if rest[end - 1] == b'"' {
                        self.state = State::Plain;
                    }
                    self.push(&rest[..end], out)?;
                    i += end;
                }
                State::LongWord => {
                    let end = rest.iter().position(|b| !is_word(*b));
                    if end.is_some() {
                        self.state = State::Plain;
                    }
                    let end = end.unwrap_or(rest.len());
                    self.push(&rest[..end], out)?;
                    i += end;
                }
                State::LineComment | State::Command => {
                    // For psql a carriage return ends a comment too (psqlscan.l).
                    let end = memchr::memchr2(b'\n', b'\r', rest);
                    let part = &rest[..end.unwrap_or(rest.len())];
                    if self.line.len() < 4096 {
                        self.line.extend_from_slice(part);
                    }
                    if self.state == State::LineComment && !self.statement.is_empty() {
                        self.push(part, out)?;
                    }
                    i += part.len();
                    if end.is_some() || last {
                        self.end_line()?;
                    }
                }
                State::BlockComment { depth } => {
                    let Some(n) = memchr::memchr2(b'*', b'/', rest) else {
                        self.push(rest, out)?;
                        return Ok(());
                    };
                    if n + 1 == rest.len() && !last {
                        self.push(&rest[..n], out)?;
                        self.rest = rest[n..].to_vec();
                        return Ok(());
                    }
                    let used = match &rest[n..(n + 2).min(rest.len())] {
                        b"*/" => {
                            self.state = if depth == 1 { State::Plain } else { State::BlockComment { depth: depth - 1 } };
                            n + 2
                        }
                        b"/*" => {
                            self.state = State::BlockComment { depth: depth + 1 };
                            n + 2
                        }
                        _ => n + 1,
                    };
                    self.push(&rest[..used], out)?;
                    i += used;
                }
                State::Dollar => {
                    let Some(n) = memchr::memmem::find(rest, &self.tag) else {
                        if last {
                            return Err(bad("the dump ends in the middle of a text: it is cut"));
                        }
                        let keep = rest.len().saturating_sub(self.tag.len() - 1);
                        self.push(&rest[..keep], out)?;
                        self.rest = rest[keep..].to_vec();
                        return Ok(());
                    };
                    let used = n + self.tag.len();
                    self.push(&rest[..used], out)?;
                    self.state = State::Plain;
                    i += used;
                }
                State::Plain => match self.plain(rest, last, out)? {
                    0 => {
                        self.rest = rest.to_vec();
                        return Ok(());
                    }
                    used => i += used,
                },
            }
        }
        Ok(())
    }

    /// One token of SQL; 0 if more bytes are needed to tell what it is.
    fn plain(&mut self, rest: &[u8], last: bool, out: &mut Out<'_>) -> io::Result<usize> {
        let two = rest.get(1).copied();
        let need_two = two.is_none() && !last;
        let text = self.text.take();
        match rest[0] {
            b'-' | b'/' | b':' if need_two => {
                self.text = text;
                return Ok(0);
            }
            b'-' if two == Some(b'-') => {
                if !self.statement.is_empty() {
                    self.push(&rest[..1], out)?;
                }
                self.line = vec![b'-'];
                self.state = State::LineComment;
                self.text = text;
                return Ok(1);
            }
            b'/' if two == Some(b'*') => {
                self.push(&rest[..2], out)?;
                self.state = State::BlockComment { depth: 1 };
                return Ok(2);
            }
            b'\'' => {
                self.push(&rest[..1], out)?;
                let escapes = match text {
                    Some((escapes, true)) => escapes,
                    _ => self.escapes,
                };
                self.state = State::Text { escapes };
                return Ok(1);
            }
            b'"' => {
                self.push(&rest[..1], out)?;
                self.state = State::Name;
                return Ok(1);
            }
            b'\\' => {
                let pending = self.statement.text.iter().any(|b| !b.is_ascii_whitespace()) || self.statement.decided.is_some();
                if pending {
                    return Err(bad("it holds a backslash outside of texts, which psql would take for a command of its own"));
                }
                self.line = vec![b'\\'];
                self.state = State::Command;
                return Ok(1);
            }
            b'$' => {
                let end = rest[1..].iter().position(|b| !is_word(*b) || *b == b'$').map(|n| n + 1);
                let number = two.is_some_and(|b| b.is_ascii_digit());
                match end {
                    _ if number => {}
                    None if !last && rest.len() <= WORD => return Ok(0),
                    // psql would take one of any length.
                    None if !last => return Err(bad("it holds a word that begins with $ and does not end")),
                    Some(end) if end > WORD => return Err(bad("it holds a word that begins with $ and does not end")),
                    Some(end) if rest[end] == b'$' => {
                        self.tag = rest[..=end].to_vec();
                        self.push(&rest[..=end], out)?;
                        self.state = State::Dollar;
                        return Ok(end + 1);
                    }
                    _ => {}
                }
            }
            // A space for some versions, and none for others.
            0x0b => return Err(bad("it holds a control character outside of texts, which no dump holds")),
            b'(' => self.parens += 1,
            b')' => self.parens = self.parens.saturating_sub(1),
            b';' if self.parens == 0 && self.begins == 0 => {
                self.push(&rest[..1], out)?;
                self.end_statement(out)?;
                return Ok(1);
            }
            b if is_word(b) => return self.word(rest, last, out),
            b if b.is_ascii_whitespace() => {
                self.text = text.map(|(escapes, ended)| (escapes, ended || matches!(b, b'\n' | b'\r')));
                if self.statement.is_empty() {
                    out(&rest[..1])?;
                    return Ok(1);
                }
            }
            b':' if two == Some(b':') => {
                self.push(&rest[..2], out)?;
                return Ok(2);
            }
            // Names in dumps are quoted where they have capitals; psql would put a variable of its own there.
            b':' if two.is_some_and(|b| b.is_ascii_uppercase()) => {
                return Err(bad("it holds a variable of psql, which no dump holds"));
            }
            _ => {}
        }
        self.push(&rest[..1], out)?;
        Ok(1)
    }

    fn word(&mut self, rest: &[u8], last: bool, out: &mut Out<'_>) -> io::Result<usize> {
        let end = rest.iter().position(|b| !is_word(*b));
        if end.is_none() && !last && rest.len() <= WORD {
            return Ok(0);
        }
        let end = end.unwrap_or(rest.len());
        if end > WORD {
            // However the pieces fall: its end is no word of its own.
            self.state = State::LongWord;
            self.push(&rest[..end], out)?;
            return Ok(end);
        }
        let word = &rest[..end];
        // E'…' has escapes whatever is set, and B'…', X'…' and U&'…' have none.
        let kind = match word {
            b"e" | b"E" => Some((true, 1)),
            b"b" | b"B" | b"x" | b"X" => Some((false, 1)),
            b"u" | b"U" if rest.get(end).is_none_or(|b| *b == b'&') => {
                if rest.len() < end + 2 && !last {
                    return Ok(0);
                }
                Some((false, 2))
            }
            _ => None,
        };
        if let Some((escapes, quote)) = kind
            && rest.get(end + quote - 1) == Some(&b'\'')
        {
            self.push(&rest[..end + quote], out)?;
            self.state = State::Text { escapes };
            return Ok(end + quote);
        }
        self.push(word, out)?;
        if self.parens == 0 && word.len() <= 32 {
            let upper = String::from_utf8_lossy(word).to_uppercase();
            if self.identifiers.len() < 4 {
                self.identifiers.push(upper.clone());
            }
            // The same rule as psql's for bodies of SQL functions, which hold semicolons.
            let first: Vec<&str> = self.identifiers.iter().map(String::as_str).collect();
            let body = matches!(
                first.as_slice(),
                ["CREATE", "FUNCTION" | "PROCEDURE", ..] | ["CREATE", "OR", "REPLACE", "FUNCTION" | "PROCEDURE", ..]
            );
            if body {
                match upper.as_str() {
                    "BEGIN" => self.begins += 1,
                    "CASE" if self.begins > 0 => self.begins += 1,
                    "END" => self.begins = self.begins.saturating_sub(1),
                    _ => {}
                }
            }
        }
        Ok(end)
    }

    fn end_statement(&mut self, out: &mut Out<'_>) -> io::Result<()> {
        let (text, kept) = self.statement.end(&mut self.judge, out)?;
        self.identifiers.clear();
        self.settings(&text)?;
        if let Some(table) = copy_from_stdin(&text) {
            self.copy = Some((table, kept, false));
            self.rows = 0;
            self.state = State::Copy(Row::Inside);
        }
        Ok(())
    }

    /// What a statement changes of how texts are read, by psql too.
    fn settings(&mut self, text: &[u8]) -> io::Result<()> {
        let words = words(text, 8, Dialect::Postgres);
        let words: Vec<&str> = words.iter().map(|w| w.trim_start_matches('"')).collect();
        let is = |word: &str, name: &str| word.eq_ignore_ascii_case(name);
        match words.as_slice() {
            ["SET", name, "=", value @ ("ON" | "OFF"), ";"] if is(name, "standard_conforming_strings") => {
                self.escapes = *value == "OFF";
            }
            ["SET", rest @ ..] if rest.iter().any(|w| is(w, "standard_conforming_strings")) => {
                return Err(bad("it sets standard_conforming_strings as no dump does"));
            }
            ["SELECT", _, "(", name, ..] | ["SELECT", _, ".", _, "(", name, ..]
                if words.iter().any(|w| is(w, "set_config")) && *name != "'search_path" =>
            {
                let name = name.trim_start_matches('\'');
                return Err(bad(format!("it sets {name} by set_config, which no dump does")));
            }
            _ => {}
        }
        Ok(())
    }

    /// Rows up to the line `\.`. The first line is the end of the statement's own.
    fn copy_rows(&mut self, mut row: Row, bytes: &[u8], out: &mut Out<'_>) -> io::Result<usize> {
        let Some((table, kept, mut begun)) = self.copy.take() else { return Err(bad("rows of no table")) };
        let mut i = 0;
        while i < bytes.len() {
            match row {
                Row::Start => {
                    row = if bytes[i] == b'\\' { Row::Backslash } else { Row::Inside };
                    i += usize::from(row == Row::Backslash);
                }
                Row::Backslash => {
                    row = if bytes[i] == b'.' { Row::BackslashDot } else { Row::Inside };
                    i += usize::from(row == Row::BackslashDot);
                }
                Row::BackslashDot if bytes[i] == b'\n' => {
                    if kept {
                        out(&bytes[..=i])?;
                    }
                    *self.counted.tables.entry(table).or_default() += std::mem::take(&mut self.rows);
                    self.state = State::Plain;
                    return Ok(i + 1);
                }
                Row::BackslashDot => return Err(bad("a row of a table begins with \\. and goes on")),
                Row::Inside if begun => {
                    // Rows are counted in one sweep up to the next that begins with a backslash.
                    let rest = &bytes[i..];
                    let rows = &rest[..memchr::memmem::find(rest, b"\n\\").map_or(rest.len(), |n| n + 1)];
                    self.rows += memchr::memchr_iter(b'\n', rows).count() as u64;
                    if rows.ends_with(b"\n") {
                        row = Row::Start;
                    }
                    i += rows.len();
                }
                Row::Inside => {
                    let end = memchr::memchr(b'\n', &bytes[i..]).map(|n| i + n);
                    let line = &bytes[i..end.unwrap_or(bytes.len())];
                    if !line.iter().all(u8::is_ascii_whitespace) {
                        // psql would come back to it after the rows.
                        return Err(bad(
                            "something stands behind a COPY on its line, which psql may take for a command of its own",
                        ));
                    }
                    i = end.map_or(bytes.len(), |n| n + 1);
                    if end.is_some() {
                        row = Row::Start;
                        begun = true;
                    }
                }
            }
        }
        if kept {
            out(bytes)?;
        }
        self.copy = Some((table, kept, begun));
        self.state = State::Copy(row);
        Ok(bytes.len())
    }

    fn end_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let text = line.trim_ascii_end();
        if self.state == State::Command {
            self.state = State::Plain;
            // Programs since 2025 stand between these two; here they are put anew where a dump is loaded.
            if text.starts_with(b"\\restrict ") || text.starts_with(b"\\unrestrict ") {
                return Ok(());
            }
            return Err(bad(format!(
                "it holds a command of psql ({:?}), which no dump holds",
                String::from_utf8_lossy(&text[..text.len().min(60)])
            )));
        }
        self.state = State::Plain;
        let text = String::from_utf8_lossy(text);
        if TRAILERS.contains(&&*text) {
            self.counted.complete = true;
        }
        if let Some(entry) = text.strip_prefix("-- Name: ")
            && let Some((_, kind)) = entry.rsplit_once("; Type: ")
            && let Some((kind, _)) = kind.split_once(';')
        {
            self.counted.add_object(&kind.to_lowercase());
        }
        Ok(())
    }
}

/// Where the first word of a statement stands: behind spaces and comments.
fn first_word(text: &[u8]) -> Option<usize> {
    let mut i = 0;
    loop {
        match text.get(i)? {
            b if b.is_ascii_whitespace() => i += 1,
            _ => match comment(&text[i..], Dialect::Postgres) {
                0 => return Some(i),
                bytes => i += bytes,
            },
        }
    }
}

/// The table of a `COPY … FROM stdin;`.
fn copy_from_stdin(text: &[u8]) -> Option<String> {
    let start = first_word(text)?;
    if !text[start..].get(..4)?.eq_ignore_ascii_case(b"copy") || text.get(start + 4).is_none_or(|b| is_word(*b)) {
        return None;
    }
    let words = words(&text[start..], 65_536, Dialect::Postgres);
    let mut depth = 0i32;
    let from_stdin = words.windows(2).any(|pair| {
        depth += i32::from(pair[0] == "(") - i32::from(pair[0] == ")");
        depth == 0 && pair[0] == "FROM" && pair[1] == "STDIN"
    });
    if !from_stdin {
        return None;
    }
    // Names in words are in capitals: those of the dump itself are wanted.
    let mut parts = Vec::new();
    let mut rest = text[start + 4..].trim_ascii_start();
    loop {
        if rest.first() == Some(&b'"') {
            let mut name = Vec::new();
            let mut i = 1;
            while i < rest.len() {
                if rest[i] == b'"' {
                    if rest.get(i + 1) != Some(&b'"') {
                        break;
                    }
                    i += 1;
                }
                name.push(rest[i]);
                i += 1;
            }
            parts.push(String::from_utf8_lossy(&name).into_owned());
            rest = rest.get(i + 1..)?;
        } else {
            let end = rest.iter().position(|b| !is_word(*b))?;
            parts.push(String::from_utf8_lossy(&rest[..end]).into_owned());
            rest = &rest[end..];
        }
        if rest.first() != Some(&b'.') {
            break;
        }
        rest = &rest[1..];
    }
    Some(table_key(&parts))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    const DUMP: &[u8] = include_bytes!("../../../../fuzz/corpus/dump_postgres/whole.sql");

    fn read(dump: &[u8], step: usize) -> io::Result<(Counted, Vec<u8>)> {
        let mut reader = PostgresReader::new(None);
        let mut out = Vec::new();
        let mut keep = |b: &[u8]| {
            out.extend_from_slice(b);
            Ok(())
        };
        dump.chunks(step).try_for_each(|piece| reader.feed(piece, &mut keep))?;
        Ok((reader.finish(&mut keep)?, out))
    }

    #[test]
    fn rows_and_objects_are_counted_however_the_pieces_fall() {
        let texts = "SELECT U&'\\', b'\\', U & '\\', x::\"T\", a[i:j], E'a' '\\', E'a'\n  -- it's\n'\\';';";
        for step in [1, 2, 3, 7, 64, 100_000] {
            let (_, out) = read(format!("{texts}\n{}\n", TRAILERS[0]).as_bytes(), step).expect("texts");
            assert_eq!(String::from_utf8_lossy(&out).trim_end(), texts, "{step}");
            let (counted, out) = read(DUMP, step).expect("a dump");
            assert!(counted.complete);
            assert_eq!(counted.tables.get("public.\"we\"\"ird;t\""), Some(&3), "{step}: {:?}", counted.tables);
            assert_eq!(counted.tables.get("public.empty"), Some(&0), "{step}");
            assert_eq!((counted.objects["table"], counted.objects["function"]), (1, 1), "{step}");
            let text = String::from_utf8(out).expect("text");
            assert!(!text.contains("\\restrict") && text.contains("1\ttwo\\nlines\n2\t\\\\.\n"), "{step}: {text}");
            assert!(text.contains("perform '\\! touch x'") && text.contains("COPY public.empty (a) FROM stdin;\n\\.\n"));
        }
    }

    #[test]
    fn rows_that_begin_with_a_backslash_count_too() {
        let dump = "COPY t (a, b) FROM stdin;\n\\N\t1\n\\\\.\tb\n\n2\t\\N\n\\N\t\\N\n\\.\n-- PostgreSQL database dump complete\n";
        for step in 1..dump.len() {
            let (counted, _) = read(dump.as_bytes(), step).expect("a dump");
            assert_eq!(counted.tables.get("t"), Some(&5), "{step}: {:?}", counted.tables);
        }
    }

    #[test]
    fn what_is_cut_or_hostile_is_refused() {
        for end in 0..DUMP.len() - 60 {
            assert!(read(&DUMP[..end], 50).is_err(), "cut at {end}");
        }
        for hostile in [
            "\\! touch x\n",
            "SELECT 1 \\g |touch x\n;",
            "SELECT 1; \\! touch x\n",
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC COPY t FROM stdin;\n\\! touch x\n\\.\n END;",
            "CREATE RULE r AS ON INSERT TO x DO (COPY t FROM stdin;\n\\! touch x\n\\.\n);",
            "SELECT 'a\\'; \\! touch x\n",
            "COPY t FROM stdin;\n1\n\\.\n\\! touch x\n",
            "\\restrictx\n",
            "COPY (SELECT 1 FROM stdin) TO STDOUT;\n\\! touch x\n\\.\n",
            "/* /* */ COPY t FROM stdin; */ SELECT 1;\n\\! touch x\n\\.\n",
            "COPY t FROM stdin; \\! touch x\n1\n\\.\n",
            // Where backslashes mean something, the text ends later, or sooner.
            "SET standard_conforming_strings = off;\nSELECT '\\'';\n\\! touch x\n--';",
            "SET LOCAL standard_conforming_strings TO off;\nSELECT '\\'';\n\\! touch x\n--';",
            "SELECT pg_catalog.set_config('standard_conforming_strings', 'off', false);\nSELECT '\\'';\n\\! touch x\n--';",
            // What is a text, and what goes on with it on a later line.
            "SET standard_conforming_strings = off;\nSELECT U&'\\';\n\\! touch x\n--';",
            "SET standard_conforming_strings = off;\nSELECT b'\\';\n\\! touch x\n--';",
            "SELECT E'a'\n'\\' ';\n\\! touch x\n--';",
            "SELECT E'a' -- x\r'\\' ';\n\\! touch x\n--';",
            "SELECT :LAST_ERROR_MESSAGE;\n\\! touch x\n--';",
            // What begins it stands behind what is held of a statement.
            &format!("COPY t /*{}*/ FROM stdin;\n'\n\\.\n\\! touch x\n--'", " ".repeat(1 << 19)),
            &format!("/*{}*/ COPY t FROM stdin;\n'\n\\.\n\\! touch x\n--'", " ".repeat(1 << 19)),
            // None of it is one for the other kind of server.
            "/*! x */ SET standard_conforming_strings = off;\nSELECT '\\'';\n\\! touch x\n--';",
            "SET --\r standard_conforming_strings = off;\nSELECT '\\'';\n\\! touch x\n--';",
            // A carriage return ends a comment for psql.
            "-- x\r\\! touch x\n",
            "SELECT 1 --'\r;\n\\! touch x\n--'",
            "\x0bCOPY t FROM stdin;\n'\n\\.\n\\! touch x\n--'",
            // The end of a long word is no word of its own, and a long tag is one.
            &format!("SELECT {}E'\\';\n\\! touch x\n--';", "x".repeat(1023)),
            &format!("SELECT {}E'\\';\n\\! touch x\n--';", "x".repeat(1024)),
            &format!("SELECT ${0}$ ' ${0}$;\n\\! touch x\n--';", "x".repeat(127)),
            &format!("SELECT ${0}$ ' ${0}$;\n\\! touch x\n--';", "x".repeat(3000)),
        ] {
            let dump = [hostile.as_bytes(), b"\n-- PostgreSQL database dump complete\n"].concat();
            for step in [1, 5, 130, 1000, 1025, 1031, 1032, 1033] {
                let error = read(&dump, step).expect_err(hostile).to_string();
                assert!(
                    ["psql", "cut", "dump does", "dump holds", "dump's", "word"].iter().any(|why| error.contains(why)),
                    "{hostile}: {error}"
                );
            }
        }
    }

    #[test]
    fn statements_can_be_left_out_or_changed() {
        let judge = |text: &[u8]| {
            if words(text, 1, Dialect::Postgres) == ["COPY"] {
                Verdict::Drop
            } else if text.starts_with(b"SET ") {
                Verdict::Replace(b"SET x = y;".to_vec())
            } else {
                Verdict::Keep
            }
        };
        for step in [1, 9, 4000] {
            let mut reader = PostgresReader::new(Some(Box::new(judge)));
            let mut out = Vec::new();
            for piece in DUMP.chunks(step) {
                reader
                    .feed(piece, &mut |b| {
                        out.extend_from_slice(b);
                        Ok(())
                    })
                    .expect("read");
            }
            let counted = reader.finish(&mut |_| Ok(())).expect("complete");
            assert_eq!(counted.rows(), 3, "what is left out is counted all the same");
            let text = String::from_utf8(out).expect("text");
            assert!(!text.contains("two\\nlines") && !text.contains("\\.\n") && text.contains("SET x = y;"), "{text}");
        }
    }
}
