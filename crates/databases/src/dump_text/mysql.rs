//! Dumps of `mysqldump` and `mariadb-dump`.

use super::{Counted, Dialect, DumpText, Judge, Out, Statement, WORD, joined, marker, table_key, words};
use std::io;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Plain,
    /// In `'…'` or `"…"`.
    Text(u8),
    /// In a name in backticks.
    Name,
    /// In a word or number that is too long to mean something.
    LongWord,
    LineComment,
    BlockComment,
    /// A `DELIMITER` line.
    Delimiter,
    /// Values of an `INSERT`.
    Values,
    /// A text within them.
    ValueText,
}

fn bad(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// What the client programs take for a command of their own where a statement begins ("mysql Client Commands" in
/// the manual); `USE` and databases would lead elsewhere.
const COMMANDS: &[&str] = &[
    "SYSTEM",
    "SOURCE",
    "TEE",
    "NOTEE",
    "PAGER",
    "NOPAGER",
    "EDIT",
    "PRINT",
    "PROMPT",
    "QUIT",
    "EXIT",
    "CONNECT",
    "REHASH",
    "STATUS",
    "HELP",
    "EGO",
    "GO",
    "CLEAR",
    "CHARSET",
    "WARNINGS",
    "NOWARNING",
    "COSTS",
    "SANDBOX",
    "QUERY_ATTRIBUTES",
    "RESETCONNECTION",
    "SSL_SESSION_DATA_PRINT",
    "USE",
];

/// What between values would begin something else: 1, or 2 for half of it.
const STRANGE: [u8; 256] = {
    let mut table = [0; 256];
    table[b'\\' as usize] = 1;
    table[b'`' as usize] = 1;
    table[b'"' as usize] = 1;
    table[b'#' as usize] = 1;
    table[b'/' as usize] = 1;
    table[b'-' as usize] = 2;
    table
};

/// Between the values of an `INSERT` there are numbers and commas, and nothing that hides something.
fn check_gap(gap: &[u8]) -> io::Result<()> {
    let seen = gap.iter().fold(0, |seen, b| seen | STRANGE[usize::from(*b)]);
    if seen & 1 != 0 || seen & 2 != 0 && memchr::memmem::find(gap, b"--").is_some() {
        return Err(bad("it holds something between the values of an INSERT that no dump holds"));
    }
    Ok(())
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

/// What the client takes for a space (my_isspace): the vertical tab too.
fn is_space(b: u8) -> bool {
    b.is_ascii_whitespace() || b == 0x0b
}

/// Reads a dump of MySQL or MariaDB that comes in pieces.
pub(crate) struct MysqlReader<'a> {
    state: State,
    statement: Statement,
    judge: Option<Box<Judge<'a>>>,
    counted: Counted,
    line: Vec<u8>,
    rest: Vec<u8>,
    delimiter: Vec<u8>,
    /// Whether backslashes mean something in texts (`NO_BACKSLASH_ESCAPES` of `sql_mode`).
    escapes: bool,
    /// In `/*! … */`, whose contents count.
    executable: bool,
    insert: Option<String>,
    rows: u64,
}

impl DumpText for MysqlReader<'_> {
    fn feed(&mut self, piece: &[u8], out: &mut Out<'_>) -> io::Result<()> {
        let bytes = joined(&mut self.rest, piece);
        self.bytes(&bytes, false, out)
    }

    fn rows(&self) -> u64 {
        self.counted.rows() + self.rows
    }
}

impl<'a> MysqlReader<'a> {
    pub(crate) fn new(judge: Option<Box<Judge<'a>>>) -> Self {
        Self {
            state: State::Plain,
            statement: Statement::default(),
            judge,
            counted: Counted::default(),
            line: Vec::new(),
            rest: Vec::new(),
            delimiter: b";".to_vec(),
            escapes: true,
            executable: false,
            insert: None,
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
        if self.state == State::LineComment {
            self.end_comment();
        }
        if self.state != State::Plain || self.pending() {
            return Err(bad("the dump ends in the middle of a statement: it is cut"));
        }
        if !self.counted.complete {
            return Err(bad("the dump does not say that it is complete: it is cut"));
        }
        Ok(self.counted)
    }

    fn dialect(&self) -> Dialect {
        Dialect::Mysql { escapes: self.escapes }
    }

    fn pending(&self) -> bool {
        self.statement.text.iter().any(|b| !is_space(*b)) || self.statement.decided.is_some()
    }

    fn push(&mut self, bytes: &[u8], out: &mut Out<'_>) -> io::Result<()> {
        if self.statement.push(bytes, &mut self.judge, out)? {
            // What it sets may stand behind what is held.
            let first = words(&self.statement.text, 1, self.dialect());
            if first.first().is_none_or(|w| w == "SET") {
                return Err(bad("it holds a statement that is longer than a dump's"));
            }
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8], last: bool, out: &mut Out<'_>) -> io::Result<()> {
        let mut i = 0;
        while i < bytes.len() {
            let rest = &bytes[i..];
            let used = match self.state {
                State::Values | State::ValueText => self.values(rest, last, out)?,
                State::Text(quote) => self.text(quote, rest, last, out)?,
                State::Name => {
                    let end = memchr::memchr(b'`', rest).map_or(rest.len(), |n| n + 1);
                    if rest[end - 1] == b'`' {
                        self.state = State::Plain;
                    }
                    self.push(&rest[..end], out)?;
                    end
                }
                State::LongWord => {
                    let end = rest.iter().position(|b| !is_word(*b));
                    if end.is_some() {
                        self.state = State::Plain;
                    }
                    let end = end.unwrap_or(rest.len());
                    self.push(&rest[..end], out)?;
                    end
                }
                State::LineComment | State::Delimiter => {
                    let end = memchr::memchr(b'\n', rest);
                    let part = &rest[..end.unwrap_or(rest.len())];
                    if self.line.len() < 4096 {
                        self.line.extend_from_slice(part);
                    }
                    if self.state == State::LineComment && self.pending() {
                        self.push(part, out)?;
                    }
                    if end.is_some() {
                        if self.state == State::LineComment { self.end_comment() } else { self.end_delimiter(out)? }
                    }
                    // Nothing may be left of an empty one: the end of the line is read anew.
                    i += part.len();
                    continue;
                }
                State::BlockComment => match memchr::memmem::find(rest, b"*/") {
                    Some(n) => {
                        self.push(&rest[..n + 2], out)?;
                        self.state = State::Plain;
                        n + 2
                    }
                    None if last || rest.len() > 1 => {
                        self.push(&rest[..rest.len() - 1], out)?;
                        if last {
                            return Err(bad("the dump ends in the middle of a comment: it is cut"));
                        }
                        rest.len() - 1
                    }
                    None => 0,
                },
                State::Plain => self.plain(rest, last, out)?,
            };
            if used == 0 {
                self.rest = bytes[i..].to_vec();
                return Ok(());
            }
            i += used;
        }
        Ok(())
    }

    /// A text, up to its end or that of the piece.
    fn text(&mut self, quote: u8, rest: &[u8], last: bool, out: &mut Out<'_>) -> io::Result<usize> {
        let found = if self.escapes { memchr::memchr2(quote, b'\\', rest) } else { memchr::memchr(quote, rest) };
        let Some(n) = found else {
            self.push(rest, out)?;
            return Ok(rest.len());
        };
        if n + 1 == rest.len() && !last {
            self.push(&rest[..n], out)?;
            return Ok(n);
        }
        let used = if rest[n] == b'\\' || rest.get(n + 1) == Some(&quote) {
            n + 2
        } else {
            self.state = State::Plain;
            n + 1
        };
        self.push(&rest[..used.min(rest.len())], out)?;
        Ok(used)
    }

    /// Values of an `INSERT`: each opening bracket outside of texts is a row.
    fn values(&mut self, rest: &[u8], last: bool, out: &mut Out<'_>) -> io::Result<usize> {
        let mut i = 0;
        let done = loop {
            let from = &rest[i..];
            if self.state == State::ValueText {
                let Some(n) = memchr::memchr2(b'\'', b'\\', from) else { break rest.len() };
                if i + n + 1 == rest.len() && !last {
                    break i + n;
                }
                if from[n] == b'\\' || from.get(n + 1) == Some(&b'\'') {
                    i = (i + n + 2).min(rest.len());
                } else {
                    self.state = State::Values;
                    i += n + 1;
                }
            } else {
                let found = memchr::memchr3(b'(', b'\'', b';', from);
                check_gap(&from[..found.unwrap_or(from.len())])?;
                let Some(n) = found else {
                    // It may be the half of something strange.
                    break rest.len() - usize::from(!last && from.ends_with(b"-"));
                };
                i += n + 1;
                match from[n] {
                    b'(' => self.rows += 1,
                    b'\'' => self.state = State::ValueText,
                    _ => {
                        self.push(&rest[..i], out)?;
                        self.end_statement(out)?;
                        self.state = State::Plain;
                        return Ok(i);
                    }
                }
            }
        };
        self.push(&rest[..done], out)?;
        Ok(done)
    }

    fn plain(&mut self, rest: &[u8], last: bool, out: &mut Out<'_>) -> io::Result<usize> {
        let more = rest.len() < 64 && !last;
        let first = rest[0];
        if more && matches!(first, b'-' | b'/' | b'*') && rest.len() < 24 {
            return Ok(0);
        }
        if !self.pending() {
            if is_space(first) {
                out(&rest[..1])?;
                return Ok(1);
            }
            // `/*M!999999\-`: what shuts commands off where it is known, and is none where it is not.
            if rest.starts_with(b"/*M!999999\\-") || rest.starts_with(b"/*!999999\\-") {
                self.line.clear();
                self.state = State::LineComment;
                return Ok(1);
            }
        }
        match first {
            b'#' => {
                self.state = State::LineComment;
                return self.begin_line(rest, out);
            }
            b'-' if rest.starts_with(b"--") && (!self.pending() || rest.get(2).is_none_or(|b| is_space(*b) || *b == 0)) => {
                self.state = State::LineComment;
                return self.begin_line(rest, out);
            }
            b'/' if rest.starts_with(b"/*!") || rest.starts_with(b"/*M!") => {
                let n = marker(rest);
                self.executable = true;
                self.push(&rest[..n], out)?;
                return Ok(n);
            }
            b'/' if rest.starts_with(b"/*") => {
                self.push(&rest[..2], out)?;
                self.state = State::BlockComment;
                return Ok(2);
            }
            b'*' if self.executable && rest.starts_with(b"*/") => {
                self.executable = false;
                self.push(&rest[..2], out)?;
                return Ok(2);
            }
            b'\'' | b'"' => {
                self.push(&rest[..1], out)?;
                self.state = State::Text(first);
                return Ok(1);
            }
            b'`' => {
                self.push(&rest[..1], out)?;
                self.state = State::Name;
                return Ok(1);
            }
            b'\\' => {
                return Err(bad("it holds a backslash outside of texts, which the client would take for a command of its own"));
            }
            b if b == self.delimiter[0] => {
                if rest.len() < self.delimiter.len() && !last {
                    return Ok(0);
                }
                if rest.starts_with(&self.delimiter) {
                    let n = self.delimiter.len();
                    self.push(&rest[..n], out)?;
                    self.end_statement(out)?;
                    return Ok(n);
                }
            }
            b if is_word(b) => return self.word(rest, last, out),
            _ => {}
        }
        self.push(&rest[..1], out)?;
        Ok(1)
    }

    fn begin_line(&mut self, rest: &[u8], out: &mut Out<'_>) -> io::Result<usize> {
        self.line = rest[..1].to_vec();
        if self.pending() {
            self.push(&rest[..1], out)?;
        }
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
        let word = String::from_utf8_lossy(&rest[..end.min(32)]).to_uppercase();
        // The client leaves comments out, and may find a command of its own behind them.
        if !self.pending() || self.statement.decided.is_none() && words(&self.statement.text, 1, self.dialect()).is_empty() {
            if word == "DELIMITER" && !self.pending() {
                self.line.clear();
                self.state = State::Delimiter;
                return Ok(end);
            }
            if word == "DELIMITER" || COMMANDS.contains(&word.as_str()) {
                return Err(bad(format!("it holds {word}, a command of the client program, which no dump of ours holds")));
            }
        }
        // In this mode texts are read otherwise, which rows of dumps never are.
        if word == "VALUES" && self.escapes && self.statement.decided.is_none() && !self.executable && self.delimiter == b";" {
            let words = words(&self.statement.text, 8, self.dialect());
            if matches!(words.first().map(String::as_str), Some("INSERT" | "REPLACE"))
                && let Some(table) = words.iter().find_map(|w| w.strip_prefix('`'))
            {
                self.insert = Some(table_key(&[table.to_owned()]));
                self.rows = 0;
                self.state = State::Values;
            }
        }
        self.push(&rest[..end], out)?;
        Ok(end)
    }

    fn end_statement(&mut self, out: &mut Out<'_>) -> io::Result<()> {
        let (text, _) = self.statement.end(&mut self.judge, out)?;
        self.executable = false;
        if let Some(table) = self.insert.take() {
            *self.counted.tables.entry(table).or_default() += std::mem::take(&mut self.rows);
            return Ok(());
        }
        let words = words(&text, 60, self.dialect());
        let first: Vec<&str> = words.iter().take(2).map(String::as_str).collect();
        if first.first() == Some(&"SET")
            && let Some(set) = words.windows(3).find(|w| w[0] == "SQL_MODE" && w[1] == "=")
        {
            self.escapes = !set[2].contains("NO_BACKSLASH_ESCAPES");
        }
        if matches!(first.as_slice(), ["CREATE" | "DROP" | "ALTER", "DATABASE" | "SCHEMA"]) {
            return Err(bad("it makes or changes a whole database, which no dump of ours does"));
        }
        if first.first() != Some(&"CREATE") {
            return Ok(());
        }
        let kind = words.iter().find(|w| {
            matches!(w.as_str(), "TABLE" | "VIEW" | "TRIGGER" | "PROCEDURE" | "FUNCTION" | "EVENT" | "SEQUENCE" | "PACKAGE")
        });
        match kind.map(String::as_str) {
            // A view is made twice: first in place of it something with its columns.
            Some("VIEW") if !words.iter().any(|w| w == "ALGORITHM") => {}
            Some("TABLE") => {
                self.counted.add_object("table");
                if let Some(table) = words.iter().find_map(|w| w.strip_prefix('`')) {
                    self.counted.tables.entry(table_key(&[table.to_owned()])).or_default();
                }
            }
            Some("PROCEDURE" | "FUNCTION" | "PACKAGE") => self.counted.add_object("routine"),
            Some(kind) => self.counted.add_object(&kind.to_lowercase()),
            None => {}
        }
        Ok(())
    }

    fn end_comment(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.starts_with(b"-- Dump completed") {
            self.counted.complete = true;
        }
        self.state = State::Plain;
    }

    fn end_delimiter(&mut self, out: &mut Out<'_>) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let delimiter = line.trim_ascii();
        if delimiter.is_empty() || delimiter.len() > 15 || delimiter.contains(&b'\\') {
            return Err(bad("it holds a DELIMITER that no dump holds"));
        }
        self.delimiter = delimiter.to_vec();
        out(b"DELIMITER ")?;
        out(delimiter)?;
        self.state = State::Plain;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &[u8] = include_bytes!("../../../../fuzz/corpus/dump_mysql/whole.sql");

    fn read(dump: &[u8], step: usize) -> io::Result<(Counted, Vec<u8>)> {
        let mut reader = MysqlReader::new(None);
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
        for step in [1, 2, 3, 7, 64, 100_000] {
            let (counted, out) = read(DUMP, step).expect("a dump");
            assert_eq!(counted.tables.get("\"we`ird;t\""), Some(&5), "{step}: {:?}", counted.tables);
            assert_eq!(counted.tables.get("empty"), Some(&0), "{step}");
            let of = |kind: &str| counted.objects.get(kind).copied().unwrap_or(0);
            assert_eq!((of("table"), of("view"), of("trigger"), of("routine")), (2, 1, 1, 1), "{step}");
            let text = String::from_utf8(out).expect("text");
            assert!(
                !text.contains("sandbox") && text.contains("(4,'\\n\\\\! touch x')") && text.contains("end ;;\nDELIMITER ;\n"),
                "{text}"
            );
        }
    }

    #[test]
    fn backslashes_mean_what_the_mode_says() {
        let dump = br"/*!50003 SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES' */ ;
DELIMITER ;;
CREATE PROCEDURE `q`() begin select '\';
#
#
select 'a;;'; end ;;
DELIMITER ;
/*!50003 SET @saved = @@sql_mode, sql_mode = @saved_sql_mode */ ;
INSERT INTO `t` VALUES ('it\'s;'),('b');
-- Dump completed
";
        for step in [1, 3, 1000] {
            let (counted, _) = read(dump, step).expect("a dump");
            assert_eq!((counted.objects["routine"], counted.tables["t"]), (1, 2), "{step}");
        }
    }

    #[test]
    fn what_is_cut_or_hostile_is_refused() {
        for end in 0..DUMP.len() - 17 {
            assert!(read(&DUMP[..end], 50).is_err(), "cut at {end}");
        }
        for hostile in [
            "system touch x\n",
            "\\! touch x\n",
            "SELECT 1 \\! touch x\n;",
            "INSERT INTO `t` VALUES (1) \\! touch x\n;",
            "SELECT 1;\nsource /etc/passwd\n",
            "tee /tmp/x\n",
            "DELIMITER \\!\n",
            "USE mysql;",
            "DROP DATABASE other;",
            "/*!50000 \\! touch x */;",
            "/* x */system touch x;",
            "/*!50000 */ system touch x;",
            "/* x */ DELIMITER //\n",
            // The client takes -- for a comment where a statement begins, whatever stands behind it.
            "--x'\n\\! touch x\n--x'\n",
            "SELECT 1;--x'\n\\! touch x\n--x'\n",
            "SELECT 1 --\0'\n;\n\\! touch x\n--x'\n",
            "SELECT 1 --\x0b'\n;\n\\! touch x\n--x'\n",
            "INSERT INTO `t` VALUES (1)-- '\n;\n\\! touch x\n-- '\n",
            &format!("SET /*{}*/ sql_mode = 'NO_BACKSLASH_ESCAPES';\nSELECT '\\';\n\\! touch x\n--';", " ".repeat(1 << 19)),
            "SET @x = 'a\\', sql_mode = \\'', @y = 'x,NO_BACKSLASH_ESCAPES';\nSELECT '\\'';\n\\! touch x\n--';",
            "/*!50003 SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES' */ ;\nSELECT '\\';\n\\! touch x\n--';",
        ] {
            let dump = [hostile.as_bytes(), b"\n-- Dump completed on x\n"].concat();
            for step in [1, 5, 27, 1000] {
                assert!(read(&dump, step).is_err(), "{hostile}");
            }
        }
    }
}
