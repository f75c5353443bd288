//! Databases as users meet them, on real servers: copied, dropped, brought back, compared.

use backup_testkit::{Mariadb, POSTGRES_SCHEMA, Postgres, TestHome, percent, same_text as same};
use std::fs;
use std::process::Command;

const WEIRD: &str = "we\"ird;db";
const PASSWORD: &str = "a\"b\\c#d e";

fn home() -> TestHome {
    TestHome::new(env!("CARGO_BIN_EXE_backupctl"))
}

/// The newest archive of a schedule whose name holds a word.
fn archive(home: &TestHome, schedule: &str, word: &str) -> String {
    let names = home.names(&format!("backups/{schedule}"));
    let found = names.into_iter().rfind(|n| n.contains(word) && !n.ends_with(".json") && !n.starts_with('.'));
    home.path()
        .join("backups")
        .join(schedule)
        .join(found.unwrap_or_else(|| panic!("an archive with {word}")))
        .display()
        .to_string()
}

#[test]
fn postgres_comes_back_as_it_was() {
    let server = Postgres::debian();
    let sql = |db: &str, text: &str| server.sql(db, text);
    let _ = sql("postgres", &format!("CREATE DATABASE \"{}\"", WEIRD.replace('"', "\"\"")));
    let _ = sql(WEIRD, "CREATE EXTENSION pgcrypto");
    let _ = sql(WEIRD, POSTGRES_SCHEMA);
    let ident = format!("\"{}\"", WEIRD.replace('"', "\"\""));
    let _ = sql(
        "postgres",
        &format!(
            "ALTER DATABASE {ident} OWNER TO owner_of_all; GRANT CONNECT ON DATABASE {ident} TO \"rea;der\"; REVOKE TEMPORARY ON DATABASE {ident} FROM PUBLIC;
             ALTER DATABASE {ident} SET search_path = \"Sh;op\", public; ALTER DATABASE {ident} SET work_mem = '7MB'; ALTER DATABASE {ident} CONNECTION LIMIT 77;
             COMMENT ON DATABASE {ident} IS 'ours'; CREATE ROLE backup LOGIN SUPERUSER PASSWORD '{PASSWORD}';"
        ),
    );
    let home = home();
    home.write("password", &format!("{PASSWORD}\n"));
    home.ok(&["database", "add", "shop", "--url", &server.url("backup", &percent(WEIRD)), "--password-file", "password"]);
    let tested = home.ok(&["database", "test", "shop"]);
    for words in ["signed in", "PostgreSQL 15", "pg_dump", "can be backed up"] {
        assert!(tested.contains(words), "{words}: {tested}");
    }
    home.ok(&["create", "shop", "--database", "shop", "--every", "hourly", "--keep-last", "5"]);
    let ran = home.ok(&["run", "shop"]);
    assert!(ran.contains("rows"), "{ran}");
    let sql_archive = archive(&home, "shop", ".sql.gz");
    assert!(home.names("backups/shop").iter().any(|n| n.contains(".roles.sql.gz")), "roles are kept too");
    let listed: serde_json::Value = serde_json::from_str(&home.ok(&["backups", "shop", "--json"])).expect("JSON");
    let of_database =
        listed["items"].as_array().expect("items").iter().find(|a| a["database"]["database"] == WEIRD).expect("listed").clone();
    // 3006 + 100 + 50 + 50 rows in all, none anywhere else.
    assert_eq!(
        (of_database["database"]["tables_count"].as_u64(), of_database["database"]["records_count"].as_u64()),
        (Some(7), Some(3206))
    );
    home.ok(&["verify", "shop", "--deep"]);

    let state = |db: &str| {
        let of_database = format!(
            "SELECT pg_get_userbyid(datdba), (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(datacl) a), datconnlimit, shobj_description(oid, 'pg_database'),
                    (SELECT string_agg(setconfig::text, ';') FROM pg_db_role_setting WHERE setdatabase = oid) FROM pg_database WHERE datname = '{db}'"
        );
        let rows = "SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM \"Sh;op\".\"we\"\"ird\nt\" t; SELECT last_value, is_called FROM numbers; SELECT md5(lo_get(4242)); SELECT * FROM kept;";
        (server.dump(db, &["--schema-only"]), server.dump(db, &["--data-only"]), sql("postgres", &of_database), sql(db, rows))
    };
    let same_states = |a: &(String, String, String, String), b: &(String, String, String, String), what: &str| {
        same(&a.0, &b.0, what);
        same(&a.1, &b.1, what);
        assert_eq!((&a.2, &a.3), (&b.2, &b.3), "{what}");
    };
    let before = state(WEIRD);
    // Over what is there only when asked for.
    home.run(&["restore", "shop", "--into", WEIRD]).code(1).says("--overwrite");
    same_states(&state(WEIRD), &before, "refused");
    let _ = sql("postgres", &format!("DROP DATABASE {ident}"));
    home.ok(&["restore", "shop", "--into", WEIRD]);
    same_states(&state(WEIRD), &before, "from nothing");

    // Over a changed database, with clients in it: what was there is kept, owner, rights and settings stay.
    let _ = sql(WEIRD, "DELETE FROM child; DROP VIEW seen; CREATE TABLE extra (a int); INSERT INTO extra VALUES (1)");
    let _ = sql("postgres", &format!("ALTER DATABASE {ident} SET work_mem = '9MB'"));
    let mut inside =
        server.client("psql").args(["-d", &format!("dbname='{WEIRD}'"), "-c", "SELECT pg_sleep(60)"]).spawn().expect("a client");
    let replaced = home.ok(&["restore", "shop", "--into", WEIRD, "--overwrite"]);
    assert!(replaced.contains("what was there before is kept in") && replaced.contains("shop.safety"), "{replaced}");
    let _ = inside.kill();
    let _ = inside.wait();
    let after = state(WEIRD);
    same(&after.0, &before.0, "definitions");
    same(&after.1, &before.1, "rows");
    assert_eq!(after.3, before.3);
    assert_eq!(after.2, before.2.replace("7MB", "9MB"), "settings are those of the database that was replaced");
    // The safety dump holds what was replaced.
    let safety = archive(&home, "shop.safety", ".sql.gz");
    home.ok(&["restore", &safety, "--into", "was_before"]);
    assert_eq!(sql("was_before", "SELECT count(*) FROM extra; SELECT count(*) FROM child"), "1\n0");

    // psql alone loads it too.
    let _ = sql("postgres", "CREATE DATABASE by_hand TEMPLATE template0");
    let by_hand =
        format!("zcat '{sql_archive}' | {}/psql -X -q -v ON_ERROR_STOP=1 -d by_hand >/dev/null", server.bin().display());
    let status = Command::new("bash")
        .args(["-o", "pipefail", "-c", &by_hand])
        .env("PGHOST", server.socket())
        .env("PGUSER", "postgres")
        .status();
    assert!(status.expect("bash runs").success());
    same(&server.dump("by_hand", &["--schema-only"]), &before.0, "by hand");

    // Definitions only; without owners; a trial.
    home.ok(&["restore", "shop", "--into", "bare", "--metadata-only", "--no-owner"]);
    assert_eq!(
        sql("bare", "SELECT count(*) FROM parent; SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'parent'"),
        "0\nbackup"
    );
    let drilled = home.ok(&["drill", "shop"]);
    assert!(drilled.contains("7 tables and 3206 rows were restored and compared"), "{drilled}");
    assert!(home.ok(&["list"]).contains("20"), "proven restorable");
    assert_eq!(
        sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE '%_restore_%' OR datname LIKE '%_old_%'"),
        "0",
        "nothing is left"
    );
}

#[test]
fn contents_and_formats_of_postgres() {
    let server = Postgres::debian();
    for name in ["-x", "host=evil"] {
        let _ = server.sql("postgres", &format!("CREATE DATABASE \"{name}\""));
        let _ = server
            .sql(name, "CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 20); CREATE TABLE u AS SELECT 1 AS a");
    }
    let home = home();
    home.ok(&["database", "add", "all", "--url", &server.url("postgres", "*")]);
    home.ok(&["create", "all", "--database", "all", "--manual", "--keep-last", "1"]);
    home.ok(&["run", "all"]);
    home.ok(&["run", "all"]);
    let names: Vec<String> = home.names("backups/all").into_iter().filter(|n| !n.ends_with(".json")).collect();
    assert_eq!(names.len(), 4, "each database has a newest version: {names:?}");
    home.run(&["restore", "all", "--into", "x"]).code(2).says("--database: -x, host=evil, postgres");
    home.ok(&["restore", "all", "--database", "host=evil", "--into", "evil copy"]);
    assert_eq!(server.sql("evil copy", "SELECT count(*) FROM t"), "20");
    home.run(&["run", "all", "--kind", "incremental"]).code(2).says("always full");
    home.run(&["browse", "all"]).code(1).says("holds a database, not files");
    home.run(&["restore", "all", "--to", "x"]).code(1).says("--into DATABASE");
    home.ok(&["rebuild"]);
    // Rows into tables that are there; definitions alone.
    for content in ["data", "metadata"] {
        home.ok(&["create", content, "--database", &server.url("postgres", "-x"), "--content", content, "--manual"]);
        home.ok(&["run", content]);
    }
    home.ok(&["restore", "metadata", "--into", "bare"]);
    assert_eq!(server.sql("bare", "SELECT count(*) FROM t"), "0");
    home.run(&["restore", "data", "--database", "-x", "--into=-x"]).code(1).says("holds 20 rows");
    home.ok(&["restore", "data", "--into", "bare"]);
    assert_eq!(server.sql("bare", "SELECT count(*) FROM t; SELECT count(*) FROM u"), "20\n1");
    // The custom format, one table of it, encrypted.
    home.write("pass", "a passphrase\n");
    let file = home.read("schedules.toml");
    home.write(
        "schedules.toml",
        &format!("{file}\n[databases.custom]\nurl = \"{}\"\nformat = \"custom\"\nroles = false\n", server.url("postgres", "-x")),
    );
    home.ok(&[
        "create",
        "custom",
        "--database",
        "custom",
        "--manual",
        "--compression",
        "zstd",
        "--encrypt-passphrase-file",
        "pass",
    ]);
    home.ok(&["run", "custom"]);
    assert!(archive(&home, "custom", ".dump.zst.gpg").contains("full_"));
    let sidecar = home.read(&format!(
        "backups/custom/{}",
        home.names("backups/custom").iter().find(|n| n.ends_with(".json")).expect("a sidecar")
    ));
    assert!(!sidecar.contains("public.t") && sidecar.contains("\"rows_count\": 21"), "{sidecar}");
    home.ok(&["restore", "custom", "--into", "whole"]);
    assert_eq!(server.sql("whole", "SELECT count(*) FROM t; SELECT count(*) FROM u"), "20\n1");
    home.ok(&["restore", "custom", "--into", "one", "--table", "u"]);
    assert_eq!(server.sql("one", "SELECT count(*) FROM u; SELECT to_regclass('t') IS NULL"), "1\nt");
    home.ok(&["drill", "custom"]);
}

const MARIADB_SCHEMA: &str = r#"
CREATE TABLE `we``ird;t` (id int AUTO_INCREMENT PRIMARY KEY, a text, b enum('x','y') DEFAULT 'x', doubled int AS (n * 2) STORED, n int, raw varbinary(100), KEY (n)) COMMENT 'it''s; a (comment) \\';
INSERT INTO `we``ird;t` (a, n, raw) SELECT CONCAT('line\nbreak; it''s (', seq, ') \\ "q" '), seq, UNHEX(MD5(seq)) FROM seq_1_to_3000;
INSERT INTO `we``ird;t` (a) VALUES (NULL), (''), ('\\! touch x'), ('été € 😀'), ('),(1,2');
CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES parent (id));
INSERT INTO parent SELECT seq FROM seq_1_to_100; INSERT INTO child SELECT seq, seq FROM seq_1_to_50;
CREATE TABLE empty_one (a int);
CREATE SEQUENCE numbers START WITH 41; SELECT NEXTVAL(numbers);
CREATE VIEW seen AS SELECT id, a FROM `we``ird;t` WHERE n > 5;
CREATE TRIGGER touching BEFORE INSERT ON parent FOR EACH ROW SET NEW.id = NEW.id + 0;
DELIMITER //
CREATE PROCEDURE looped() BEGIN DECLARE i INT DEFAULT 0; WHILE i < 3 DO SET i = i + 1; INSERT INTO empty_one VALUES (i), (i); END WHILE; END//
CREATE FUNCTION two() RETURNS int DETERMINISTIC BEGIN RETURN 2; END//
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM empty_one; END//
DELIMITER ;
"#;

#[test]
fn mariadb_comes_back_as_it_was() {
    let server = Mariadb::debian();
    let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
    for name in [WEIRD, "-x"] {
        let _ = server.sql(&format!(
            "CREATE DATABASE {0} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci; USE {0};\n{MARIADB_SCHEMA}",
            quoted(name)
        ));
    }
    let _ = server.sql(&format!(
        "CREATE USER backup@localhost IDENTIFIED BY '{}'; GRANT ALL ON *.* TO backup@localhost WITH GRANT OPTION; GRANT SELECT ON {}.* TO reader@localhost IDENTIFIED BY 'x'",
        PASSWORD.replace('\\', "\\\\"),
        quoted(WEIRD)
    ));
    let home = home();
    let mut add = home.command(&[
        "database",
        "add",
        "shop",
        "--url",
        &server.url("backup", &format!("{},-x", percent(WEIRD))),
        "--password-stdin",
    ]);
    let mut child = add.stdin(std::process::Stdio::piped()).spawn().expect("it runs");
    std::io::Write::write_all(&mut child.stdin.take().expect("its input"), format!("{PASSWORD}\n").as_bytes()).expect("written");
    assert!(child.wait().expect("it ends").success());
    assert!(!home.read("schedules.toml").contains("b\\\\c"), "the password does not stand in the file");
    let tested = home.ok(&["database", "test", "shop"]);
    assert!(tested.contains("MariaDB 10.11") && tested.contains("all can be read"), "{tested}");
    home.ok(&["create", "shop", "--database", "shop", "--every", "hourly"]);
    home.ok(&["run", "shop"]);
    let listed: serde_json::Value = serde_json::from_str(&home.ok(&["backups", "shop", "--json"])).expect("JSON");
    let of = |name: &str| {
        listed["items"].as_array().expect("items").iter().find(|a| a["database"]["database"] == name).expect("listed").clone()
    };
    assert_eq!(
        (of(WEIRD)["database"]["tables_count"].as_u64(), of("-x")["database"]["records_count"].as_u64()),
        (Some(4), Some(3155))
    );
    home.ok(&["verify", "shop", "--deep"]);
    // The program itself does not find the events of such a name.
    let flags = ["--routines", "--triggers"];
    let state = |db: &str| {
        (
            server.dump(db, &flags),
            server
                .sql(&format!(
                    "USE {}; CHECKSUM TABLE `we``ird;t`, parent, child; SHOW CREATE EVENT nightly; SELECT LASTVAL(numbers) IS NULL; SELECT two()",
                    quoted(db)
                ))
                .replace(db, "DB"),
        )
    };
    let same_states = |a: &(String, String), b: &(String, String), what: &str| {
        same(&a.0, &b.0, what);
        assert_eq!(a.1, b.1, "{what}");
    };
    let before = state(WEIRD);
    home.run(&["restore", "shop", "--database", WEIRD, "--into", WEIRD]).code(1).says("--overwrite");
    let _ = server.sql(&format!("DROP DATABASE {}", quoted(WEIRD)));
    home.ok(&["restore", "shop", "--database", WEIRD, "--into", WEIRD]);
    same_states(&state(WEIRD), &before, "from nothing");
    let _ = server
        .sql(&format!("USE {}; DELETE FROM child; CREATE TABLE extra (a int); INSERT INTO extra VALUES (1)", quoted(WEIRD)));
    let replaced = home.ok(&["restore", "shop", "--database", WEIRD, "--into", WEIRD, "--overwrite"]);
    assert!(replaced.contains("what was there before is kept in"), "{replaced}");
    same_states(&state(WEIRD), &before, "over another");
    home.ok(&["restore", &archive(&home, "shop.safety", ".sql.gz"), "--into", "was_before"]);
    assert_eq!(server.sql("SELECT COUNT(*) FROM was_before.extra"), "1");
    // mariadb alone loads it too.
    let _ = server.sql("CREATE DATABASE by_hand");
    let by_hand = format!(
        "zcat '{}' | mariadb --no-defaults -uroot --socket={} by_hand",
        archive(&home, "shop", ".-x.sql"),
        server.socket().display()
    );
    let status = Command::new("bash").args(["-o", "pipefail", "-c", &by_hand]).status();
    assert!(status.expect("bash runs").success());
    assert_eq!(server.sql("SELECT COUNT(*) FROM by_hand.`we``ird;t`"), "3005");
    home.ok(&["restore", "shop", "--database", "-x", "--into", "bare", "--metadata-only"]);
    assert_eq!(server.sql("SELECT COUNT(*) FROM bare.parent"), "0");
    let drilled = home.ok(&["drill", "shop"]);
    assert!(drilled.contains("2 databases"), "{drilled}");
    assert_eq!(server.sql("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE '%_restore_%'"), "0");
    let users = Command::new("zcat").arg(archive(&home, "shop", ".roles.sql.gz")).output().expect("zcat runs").stdout;
    assert!(String::from_utf8_lossy(&users).contains("reader"), "users and rights are kept");
    assert!(!String::from_utf8_lossy(&fs::read(home.path().join("logs/backupctl.log")).unwrap_or_default()).contains(PASSWORD));
}

fn sqlite(file: &std::path::Path, sql: &str) -> String {
    let out = Command::new("sqlite3")
        .args(["-cmd", ".timeout 20000"])
        .arg(file)
        .arg(sql)
        .output()
        .expect("the package sqlite3 is needed");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

#[test]
fn sqlite_is_copied_while_others_write() {
    let home = home();
    let file = home.path().join("app/we ird.db");
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    home.write("app/note.txt", "beside it");
    let _ = sqlite(
        &file,
        "PRAGMA journal_mode = WAL; CREATE TABLE a (id INTEGER PRIMARY KEY, t TEXT); CREATE TABLE z (id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT * FROM a; \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO a SELECT -i, hex(randomblob(50)) FROM n; INSERT INTO z SELECT id FROM a;",
    );
    // Somebody holds it open and writes on: what is new stands in its journal only.
    let mut writer = Command::new("sqlite3")
        .arg(&file)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("sqlite3");
    let mut input = writer.stdin.take().expect("its input");
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ends = std::sync::Arc::clone(&over);
    let writing = std::thread::spawn(move || {
        use std::io::Write;
        let _ = writeln!(input, ".timeout 20000\nPRAGMA wal_autocheckpoint = 0;");
        for n in 0.. {
            if ends.load(std::sync::atomic::Ordering::Relaxed) {
                break;
            }
            let _ = writeln!(input, "BEGIN; INSERT INTO a VALUES ({n}, 'x'); INSERT INTO z VALUES ({n}); COMMIT;");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    });
    home.ok(&["database", "add", "app", "--url", &format!("sqlite://{}", file.display().to_string().replace(' ', "%20"))]);
    assert!(home.ok(&["database", "test", "app"]).contains("2 tables"));
    home.ok(&["create", "app", "--database", "app", "--every", "hourly"]);
    home.ok(&["create", "folder", "--source", "app", "--manual", "--sqlite", "--kind", "incremental"]);
    for _ in 0..3 {
        home.ok(&["run", "app", "folder"]);
    }
    let equal = "PRAGMA integrity_check; SELECT (SELECT count(*) FROM a) = (SELECT count(*) FROM z) AND (SELECT count(*) FROM a) >= 20000";
    let copy = home.path().join("copy.db");
    home.ok(&["restore", "app", "--into", copy.to_str().expect("UTF-8")]);
    assert_eq!(sqlite(&copy, equal), "ok\n1");
    home.run(&["restore", "app", "--into", copy.to_str().expect("UTF-8")]).code(1).says("is there already");
    assert!(home.ok(&["drill", "app"]).contains("restored and compared"));
    // Inside a folder: whole, with nothing of the journal beside it.
    let to = home.path().join("to");
    home.ok(&["restore", "folder", "--to", to.to_str().expect("UTF-8")]);
    let inside = to.join(file.parent().expect("a folder").strip_prefix("/").expect("absolute"));
    let names: Vec<String> = fs::read_dir(&inside)
        .expect("a folder")
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(sqlite(&inside.join("we ird.db"), equal), "ok\n1");
    home.ok(&["verify", "folder", "--deep"]);
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    writing.join().expect("it ends");
    assert!(writer.wait().expect("it ends").success(), "the writer was not disturbed");
    assert!(home.names("state").iter().all(|n| n != "copies") || home.names("state/copies").is_empty());
    // Replaced: what was there is kept.
    let _ = sqlite(&copy, "DROP TABLE z");
    let replaced = home.ok(&["restore", "app", "--into", copy.to_str().expect("UTF-8"), "--overwrite"]);
    assert_eq!(sqlite(&copy, equal), "ok\n1");
    assert!(replaced.contains("what was there before is kept in"), "{replaced}");
    let before = home.path().join("before.db");
    home.ok(&["restore", &archive(&home, "app.safety", ".sqlite.gz"), "--into", before.to_str().expect("UTF-8")]);
    assert_eq!(sqlite(&before, "SELECT group_concat(name) FROM sqlite_schema WHERE type = 'table'"), "a");
    // A damaged file is no backup.
    let damaged = home.path().join("damaged.db");
    let mut bytes = fs::read(&copy).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 20_000].fill(0xff);
    fs::write(&damaged, bytes).expect("written");
    home.ok(&["create", "damaged", "--database", &format!("sqlite://{}", damaged.display()), "--manual"]);
    home.run(&["run", "damaged"]).code(1).says("integrity check");
}
