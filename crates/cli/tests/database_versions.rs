//! Other versions of PostgreSQL than Debian's, which `tools/servers.sh` fetches; dumps that travel between versions.

use backup_testkit::{POSTGRES_SCHEMA, Postgres, TestHome, same_text};
use std::path::{Path, PathBuf};

fn bin(version: u32) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/servers/postgres{version}/bin"));
    folder.canonicalize().unwrap_or_else(|_| panic!("{} is not there; run tools/servers.sh", folder.display()))
}

#[test]
fn versions_16_and_18_come_back_and_travel() {
    let older = Postgres::debian();
    for version in [16, 18] {
        let server = Postgres::start(&bin(version));
        let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
        let _ = server.sql("postgres", "CREATE DATABASE shop");
        let _ = server.sql("shop", POSTGRES_SCHEMA);
        let programs = format!("programs = [{:?}]", bin(version).display().to_string());
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
        let plain = Postgres::start(&bin(16));
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
