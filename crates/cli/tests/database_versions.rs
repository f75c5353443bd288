//! Other versions of PostgreSQL than Debian's, which `tools/servers.sh` fetches; dumps that travel between versions.

use backup_testkit::{Mariadb, POSTGRES_SCHEMA, Postgres, TestHome, same_text};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs of a version, or nothing (said on stderr) where they could not be fetched. They are copied to where the
/// server's own user may read them, which a clone in somebody's home need not be.
#[expect(clippy::print_stderr, reason = "a test says why it checks nothing")]
fn bin(version: u32) -> Option<(tempfile::TempDir, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/servers/postgres{version}"));
    if !folder.join("bin/postgres").exists() {
        eprintln!("left out: {} is not there; tools/servers.sh fetches it", folder.display());
        return None;
    }
    let copy = tempfile::Builder::new().prefix("programs").tempdir_in("/tmp").expect("a folder");
    fs::set_permissions(copy.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    assert!(Command::new("cp").arg("-R").arg(&folder).arg(copy.path()).status().expect("cp runs").success());
    let bin = copy.path().join(format!("postgres{version}/bin")).canonicalize().expect("the programs");
    Some((copy, bin))
}

#[test]
fn versions_16_and_18_come_back_and_travel() {
    let older = Postgres::debian();
    for version in [16, 18] {
        let Some((_copy, programs_of)) = bin(version) else { continue };
        let server = Postgres::start(&programs_of);
        let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
        let _ = server.sql("postgres", "CREATE DATABASE shop");
        let _ = server.sql("shop", POSTGRES_SCHEMA);
        let programs = format!("programs = [{:?}]", programs_of.display().to_string());
        home.write(
            "schedules.toml",
            &format!(
                "version = 1\n[databases.shop]\nurl = \"{}\"\n{programs}\n[databases.custom]\nurl = \"{}\"\n{programs}\nformat = \"custom\"\n\
                 [[schedule]]\nname = \"shop\"\ndatabase = \"shop\"\nmanual = true\n[[schedule]]\nname = \"custom\"\ndatabase = \"custom\"\nmanual = true\n",
                server.url("postgres", "shop"),
                server.url("postgres", "shop")
            ),
        );
        let tested = home.ok(&["database", "test", "shop"]);
        assert!(tested.contains(&format!("pg_dump (PostgreSQL) {version}.")), "{tested}");
        home.ok(&["run", "shop", "custom"]);
        let state = |db: &str| {
            let rows = "SELECT last_value, is_called FROM numbers; SELECT md5(lo_get(4242)); SELECT * FROM kept";
            (server.dump(db, &["--schema-only"]), server.dump(db, &["--data-only"]), server.sql(db, rows))
        };
        let before = state("shop");
        let _ = server.sql("postgres", "DROP DATABASE shop");
        for schedule in ["shop", "custom"] {
            home.ok(&["restore", schedule, "--into", "shop", "--overwrite"]);
            let after = state("shop");
            same_text(&after.0, &before.0, &format!("{version} {schedule}: definitions"));
            same_text(&after.1, &before.1, &format!("{version} {schedule}: rows"));
            assert_eq!(after.2, before.2);
        }
        home.ok(&["drill", "shop"]);
        // Into an older server, whose psql knows neither the settings nor the commands of the newer program.
        let Some((_other, sixteen)) = bin(16) else { continue };
        let plain = Postgres::start(&sixteen);
        for (target, name) in [(&older, "old"), (&plain, "plain")] {
            let _ = server.sql("postgres", "DROP DATABASE IF EXISTS simple");
            let _ = server.sql("postgres", "CREATE DATABASE simple");
            let _ = server.sql("simple", "CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 500)");
            home.ok(&["create", name, "--database", &server.url("postgres", "simple"), "--manual"]);
            let file = home.read("schedules.toml");
            let entry = format!("[databases.{name}]\n");
            assert!(file.contains(&entry));
            home.write("schedules.toml", &file.replace(&entry, &format!("{entry}{programs}\n")));
            home.ok(&["run", name]);
            let into = format!("from_{version}_{name}");
            home.ok(&["restore", name, "--into", &target.url("postgres", &into)]);
            assert_eq!(target.sql(&into, "SELECT count(*) FROM t"), "500");
        }
    }
}

const MYSQL_SCHEMA: &str = r#"
CREATE TABLE `we``ird;t` (id int AUTO_INCREMENT PRIMARY KEY, a text, b enum('x','y') DEFAULT 'x', doubled int AS (n * 2) STORED, n int, raw varbinary(100), j json, KEY (n)) COMMENT 'it''s; a (comment) \\';
SET SESSION cte_max_recursion_depth = 10000;
INSERT INTO `we``ird;t` (a, n, raw, j) WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 3000) SELECT CONCAT('line\nbreak; it''s (', i, ') \\ "q" '), i, UNHEX(SHA2(i, 256)), JSON_OBJECT('a', i) FROM s;
INSERT INTO `we``ird;t` (a) VALUES (NULL), (''), ('\\! touch x'), ('été € 😀'), ('),(1,2');
CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES parent (id));
INSERT INTO parent VALUES (1), (2), (3); INSERT INTO child VALUES (1, 1), (2, 2);
CREATE TABLE empty_one (a int);
CREATE VIEW seen AS SELECT id, a FROM `we``ird;t` WHERE n > 5;
CREATE TRIGGER touching BEFORE INSERT ON parent FOR EACH ROW SET NEW.id = NEW.id + 0;
DELIMITER //
CREATE PROCEDURE looped() BEGIN DECLARE i INT DEFAULT 0; WHILE i < 3 DO SET i = i + 1; INSERT INTO empty_one VALUES (i), (i); END WHILE; END//
CREATE FUNCTION two() RETURNS int DETERMINISTIC BEGIN RETURN 2; END//
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM empty_one; END//
DELIMITER ;
"#;

#[test]
#[ignore = "needs MySQL (tools/mysql.sh fetches 650 MB): make soak"]
fn mysql_comes_back_as_it_was() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/servers/mysql").canonicalize().expect("run tools/mysql.sh");
    let server = Mariadb::mysql(&folder.join("bin"), &folder.join("root"));
    let names = ["we\"ird;db", "-x"];
    for name in names {
        let _ = server.sql(&format!("CREATE DATABASE `{name}`; USE `{name}`;\n{MYSQL_SCHEMA}"));
    }
    let _ = server.sql("CREATE USER backup@localhost IDENTIFIED BY 'a\"b\\\\c#d e'; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, SHOW_ROUTINE, PROCESS ON *.* TO backup@localhost; CREATE USER reader@localhost IDENTIFIED BY 'x'; GRANT SELECT ON `-x`.* TO reader@localhost");
    let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
    home.write("password", "a\"b\\c#d e\n");
    let entry = |name: &str, account: &str, more: &str| {
        let databases = names.map(backup_testkit::percent).join(",");
        let url = server.url(account, &databases).replace("mariadb://", "mysql://");
        format!("[databases.{name}]\nurl = \"{url}\"\nprograms = [{:?}]\n{more}\n", folder.join("bin").display().to_string())
    };
    home.write(
        "schedules.toml",
        &format!(
            "version = 1\n{}{}[[schedule]]\nname = \"shop\"\ndatabase = \"shop\"\nmanual = true\n",
            entry("shop", "backup", "password = { file = \"password\" }\nscratch = \"admin\""),
            entry("admin", "root", "")
        ),
    );
    let tested = home.ok(&["database", "test", "shop"]);
    assert!(tested.contains("MySQL 9") && tested.contains("all can be read"), "{tested}");
    home.ok(&["run", "shop"]);
    let state = |db: &str| {
        let rows = format!("USE `{db}`; CHECKSUM TABLE `we``ird;t`, parent, child; SHOW CREATE EVENT nightly; SELECT two()");
        (
            server.dump(db, &["--routines", "--triggers", "--set-gtid-purged=OFF", "--no-tablespaces"]),
            server.sql(&rows).replace(db, "DB"),
        )
    };
    for name in names {
        let before = state(name);
        let _ = server.sql(&format!("DROP DATABASE `{name}`"));
        for _ in 0..2 {
            home.ok(&["restore", "shop", "--database", name, "--server", "admin", "--into", name, "--overwrite"]);
            let after = state(name);
            same_text(&after.0, &before.0, name);
            assert_eq!(after.1, before.1);
        }
    }
    assert!(home.ok(&["drill", "shop"]).contains("2 databases"));
    // The program of another vendor is refused: it leaves things out.
    home.ok(&["database", "add", "other", "--url", &server.url("root", "-x").replace("mariadb://", "mysql://")]);
    assert!(home.run(&["database", "test", "other"]).code(1).out.contains("mysqldump of MySQL is not there"));
}
