//! What is read from outside, given any bytes: it may refuse them, but never panic, hang or take the memory,
//! and what it accepts means the same when it is written and read again.
//!
//! `cargo test -p backup-fuzz` replays the corpora and a bounded number of new inputs; `tools/fuzz.sh` runs
//! one target after the other for long.

mod random;

pub use random::Random;

use backup_databases::scan_dump;
use backup_engine::archive::{IndexReader, decode_block, encode_block, scan_tar};
use backup_model::{DatabaseEngine, Manifest};
use std::io::{BufReader, Write};
use std::path::Path;

/// The tar reader, over buffers of odd sizes.
pub fn tar_reader(data: &[u8]) {
    let mut whole = Vec::new();
    let first = scan_tar(data, &mut |path, kind, size| whole.push((path.to_vec(), kind, size)));
    let mut pieces = Vec::new();
    let second = scan_tar(BufReader::with_capacity(7, data), &mut |path, kind, size| pieces.push((path.to_vec(), kind, size)));
    assert_eq!(whole, pieces, "the size of the pieces makes a difference");
    assert_eq!(first.is_ok(), second.is_ok());
}

/// The index: a whole file, or (as checksums keep random bytes out) the inside of a block.
pub fn index(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    if kind % 2 == 0 {
        let Some(entries) = decode_block(data, u32::from(*kind)) else { return };
        assert_eq!(decode_block(&encode_block(&entries), u32::from(*kind)).as_ref(), Some(&entries));
        return;
    }
    let Ok(mut file) = tempfile::tempfile() else { return };
    if file.write_all(data).is_ok()
        && let Ok(reader) = IndexReader::from_file(file, Path::new("fuzzed"))
    {
        // What it holds may be refused block by block.
        let _ = reader.all().take(100_000).filter(Result::is_ok).count();
        let _ = reader.get(b"etc/passwd");
    }
}

/// The sidecar.
pub fn sidecar(data: &[u8]) {
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(data) {
        let again = serde_json::to_vec(&manifest).map(|text| serde_json::from_slice::<Manifest>(&text));
        assert!(matches!(again, Ok(Ok(again)) if again == manifest), "it changes when it is written");
    }
}

/// The schedules file.
pub fn schedules(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(file) = backup_config::parse(text, chrono_tz::UTC) {
        let daemon = backup_config::parse_daemon(text);
        assert_eq!(daemon.as_ref(), Ok(&file.daemon), "the daemon's part alone reads otherwise");
    }
}

/// The one-line form.
pub fn one_line(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(line) = text.parse::<backup_config::OneLine>() {
        let again = format!("{};{};{}", line.path, line.time.format("%H:%M"), line.name);
        assert_eq!(again.parse().as_ref(), Ok(&line));
    }
}

/// A dump: however the pieces fall, the same statements are seen, the same is loaded, and the same is refused. What was
/// seen otherwise than by the client program could hide a command from the one that refuses it.
fn dump(engine: DatabaseEngine, data: &[u8]) {
    // Dumps that do not say that they are complete are refused, which would leave nothing to compare.
    let trailer: &[u8] = match engine {
        DatabaseEngine::Postgresql => b"\n-- PostgreSQL database dump complete\n",
        _ => b"\n-- Dump completed\n",
    };
    let data = [data, trailer].concat();
    let whole = scan_dump(engine, &data, data.len());
    for piece in [1, 7, 64] {
        let pieces = scan_dump(engine, &data, piece);
        match (&whole, &pieces) {
            (Ok(whole), Ok(pieces)) => {
                let text = |list: &[Vec<u8>]| list.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect::<Vec<_>>();
                assert_eq!(text(&whole.begins), text(&pieces.begins), "pieces of {piece} make a difference");
                assert_eq!(whole.tables, pieces.tables, "pieces of {piece} make a difference");
                assert!(whole == pieces, "pieces of {piece} are loaded otherwise");
            }
            (Err(_), Err(_)) => {}
            (Ok(_), Err(e)) => panic!("only pieces of {piece} are refused: {e}"),
            (Err(e), Ok(_)) => panic!("pieces of {piece} are not refused: {e}"),
        }
    }
}

/// Dumps of PostgreSQL.
pub fn dump_postgres(data: &[u8]) {
    dump(DatabaseEngine::Postgresql, data);
}

/// Dumps of MySQL and MariaDB.
pub fn dump_mysql(data: &[u8]) {
    dump(DatabaseEngine::Mariadb, data);
}
