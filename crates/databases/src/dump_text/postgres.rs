//! Plain dumps of `pg_dump` and `pg_dumpall`.

use super::{Counted, DumpText, Judge, Out, Statement, joined, table_key, words};
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
            copy: None,
            rows: 0,
        }
    }

    /// The end: what the dump holds.
    ///
    /// # Errors
    /// It does not end where a dump ends.
    pub(crate) fn finish(mut self) -> io::Result<Counted> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            self.bytes(&rest, true, &mut |_| Ok(()))?;
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
        self.statement.push(bytes, &mut self.judge, out)
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
                State::LineComment | State::Command => {
                    let end = memchr::memchr(b'\n', rest);
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
        match rest[0] {
            b'-' | b'/' if need_two => return Ok(0),
            b'-' if two == Some(b'-') => {
                if !self.statement.is_empty() {
                    self.push(&rest[..1], out)?;
                }
                self.line = vec![b'-'];
                self.state = State::LineComment;
                return Ok(1);
            }
            b'/' if two == Some(b'*') => {
                self.push(&rest[..2], out)?;
                self.state = State::BlockComment { depth: 1 };
                return Ok(2);
            }
            b'\'' => {
                self.push(&rest[..1], out)?;
                self.state = State::Text { escapes: false };
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
                match end {
                    None if !last && rest.len() < 128 => return Ok(0),
                    Some(end) if rest[end] == b'$' && !rest[1..end].first().is_some_and(u8::is_ascii_digit) => {
                        self.tag = rest[..=end].to_vec();
                        self.push(&rest[..=end], out)?;
                        self.state = State::Dollar;
                        return Ok(end + 1);
                    }
                    _ => {}
                }
            }
            b'(' => self.parens += 1,
            b')' => self.parens = self.parens.saturating_sub(1),
            b';' if self.parens == 0 && self.begins == 0 => {
                self.push(&rest[..1], out)?;
                self.end_statement(out)?;
                return Ok(1);
            }
            b if is_word(b) => return self.word(rest, last, out),
            b if b.is_ascii_whitespace() && self.statement.is_empty() => {
                out(&rest[..1])?;
                return Ok(1);
            }
            _ => {}
        }
        self.push(&rest[..1], out)?;
        Ok(1)
    }

    fn word(&mut self, rest: &[u8], last: bool, out: &mut Out<'_>) -> io::Result<usize> {
        let end = rest.iter().position(|b| !is_word(*b));
        if end.is_none() && !last && rest.len() < 1024 {
            return Ok(0);
        }
        let end = end.unwrap_or(rest.len());
        let word = &rest[..end];
        if matches!(word, b"e" | b"E") && rest.get(end) == Some(&b'\'') {
            self.push(&rest[..=end], out)?;
            self.state = State::Text { escapes: true };
            return Ok(end + 1);
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
        if let Some(table) = copy_from_stdin(&text) {
            self.copy = Some((table, kept, false));
            self.rows = 0;
            self.state = State::Copy(Row::Inside);
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
    let (mut i, mut depth) = (0, 0u32);
    while i < text.len() {
        let rest = &text[i..];
        if rest.starts_with(b"/*") {
            depth += 1;
            i += 2;
        } else if depth > 0 {
            let ends = rest.starts_with(b"*/");
            depth -= u32::from(ends);
            i += 1 + usize::from(ends);
        } else if rest.starts_with(b"--") {
            i += memchr::memchr(b'\n', rest)?;
        } else if rest[0].is_ascii_whitespace() {
            i += 1;
        } else {
            return Some(i);
        }
    }
    None
}

/// The table of a `COPY … FROM stdin;`.
fn copy_from_stdin(text: &[u8]) -> Option<String> {
    let start = first_word(text)?;
    if !text[start..].get(..4)?.eq_ignore_ascii_case(b"copy") || text.get(start + 4).is_none_or(|b| is_word(*b)) {
        return None;
    }
    let words = words(&text[start..], 65_536);
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

    const DUMP: &[u8] = br#"--
-- PostgreSQL database dump
--

\restrict abcDEF123

SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);

--
-- Name: we"ird;db; Type: TABLE; Schema: public; Owner: a
--

CREATE TABLE public."we""ird;t" (a integer DEFAULT 3, b text DEFAULT 'it''s; \');

--
-- Name: f(); Type: FUNCTION; Schema: public; Owner: a
--

CREATE FUNCTION public.f() RETURNS void LANGUAGE plpgsql AS $_$
begin
  -- Name: no; Type: TABLE; Schema: x
  execute 'COPY x FROM stdin;'; perform '\! touch x';
end $_$;

CREATE FUNCTION public.g() RETURNS integer BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;
CREATE RULE r AS ON INSERT TO public.x DO ALSO (SELECT 1; SELECT 2);
/* a comment; */
COPY public."we""ird;t" (a, "FROM stdin", b) FROM stdin;
1	two\nlines
2	\\.
\N	\\! touch x
\.

COPY public.empty (a) FROM stdin;
\.

SELECT pg_catalog.lo_open('1', 131072);
/* a /* nested; */ comment; */
SELECT E'a\'; COPY b FROM stdin;';

--
-- PostgreSQL database dump complete
--

\unrestrict abcDEF123

"#;

    fn read(dump: &[u8], step: usize) -> io::Result<(Counted, Vec<u8>)> {
        let mut reader = PostgresReader::new(None);
        let mut out = Vec::new();
        for piece in dump.chunks(step) {
            reader.feed(piece, &mut |b| {
                out.extend_from_slice(b);
                Ok(())
            })?;
        }
        Ok((reader.finish()?, out))
    }

    #[test]
    fn rows_and_objects_are_counted_however_the_pieces_fall() {
        for step in [1, 2, 3, 7, 64, 100_000] {
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
        ] {
            let dump = [hostile.as_bytes(), b"\n-- PostgreSQL database dump complete\n"].concat();
            for step in [1, 5, 1000] {
                let error = read(&dump, step).expect_err(hostile).to_string();
                assert!(error.contains("psql") || error.contains("cut"), "{hostile}: {error}");
            }
        }
    }

    #[test]
    fn statements_can_be_left_out_or_changed() {
        let judge = |text: &[u8]| {
            if words(text, 1) == ["COPY"] {
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
            let counted = reader.finish().expect("complete");
            assert_eq!(counted.rows(), 3, "what is left out is counted all the same");
            let text = String::from_utf8(out).expect("text");
            assert!(!text.contains("two\\nlines") && !text.contains("\\.\n") && text.contains("SET x = y;"), "{text}");
        }
    }
}
