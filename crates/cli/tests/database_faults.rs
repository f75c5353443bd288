//! What goes wrong around databases, on real servers: programs and servers killed, disks full, dumps cut and forged,
//! definitions changed meanwhile, rights that are missing, passwords that somebody looks for.

use backup_testkit::{Mariadb, Postgres, TestHome, is_root};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PASSWORD: &str = "se\"cr\\et#w o:rd";

fn home() -> TestHome {
    TestHome::new(env!("CARGO_BIN_EXE_backupctl"))
}

/// Archives of a schedule, hidden files too, without sidecars.
fn archives(home: &TestHome, schedule: &str) -> Vec<PathBuf> {
    let names = home.names(&format!("backups/{schedule}")).into_iter().filter(|n| !n.ends_with(".json"));
    names.map(|n| home.path().join("backups").join(schedule).join(n)).collect()
}

fn begin(home: &TestHome, args: &[&str]) -> Child {
    home.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
}

/// Waits for a command that must fail; answers what it said.
#[track_caller]
fn fails(child: Child) -> String {
    let out = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&out.stdout));
    said
}

/// Kills the client program that a command has started.
#[track_caller]
fn kill_dumper(run: &Child, name: &str) {
    let killed = Command::new("pkill").args(["-9", "-P", &run.id().to_string(), name]).status().expect("pkill runs");
    assert!(killed.success(), "{name} is not at work");
}

/// Waits until a schedule's archive has begun to grow.
#[track_caller]
fn wait_for_part(home: &TestHome, schedule: &str, bytes: u64) {
    let begun = Instant::now();
    loop {
        let size = archives(home, schedule).iter().filter_map(|p| p.metadata().ok()).map(|m| m.len()).max().unwrap_or(0);
        if size > bytes {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "the dump did not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Two tables that are always written to together, and bytes that do not pack well.
const PAIR: &str = "CREATE TABLE a (id int PRIMARY KEY, t text); CREATE TABLE big (id int, t text); CREATE TABLE z (id int PRIMARY KEY, t text);
    INSERT INTO big SELECT i, string_agg(md5(i::text || j), '') FROM generate_series(1, 8000) i, generate_series(1, 50) j GROUP BY i;";

fn postgres(server: &Postgres, home: &TestHome) {
    let _ = server.sql("postgres", "CREATE DATABASE shop");
    let _ = server.sql("shop", PAIR);
    home.ok(&["database", "add", "shop", "--url", &server.url("postgres", "shop")]);
    // Slow enough to meddle with.
    home.ok(&["create", "shop", "--database", "shop", "--manual", "--limit", "3MB/s"]);
}

fn facts(home: &TestHome, schedule: &str) -> serde_json::Value {
    let name =
        home.names(&format!("backups/{schedule}")).into_iter().rfind(|n| n.contains(".shop.sql.gz.json")).expect("a sidecar");
    serde_json::from_str::<serde_json::Value>(&home.read(&format!("backups/{schedule}/{name}"))).expect("JSON")["database"]
        .clone()
}

#[test]
fn dumps_are_of_one_moment_while_others_write() {
    let server = Postgres::debian();
    let home = home();
    postgres(&server, &home);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let _ = server.sql("shop", &format!("BEGIN; INSERT INTO a VALUES ({n}); INSERT INTO z VALUES ({n}); COMMIT"));
            }
        });
        let _over = Over(&over);
        home.ok(&["run", "shop"]);
    });
    let (a, z) = (facts(&home, "shop")["tables"]["public.a"].clone(), facts(&home, "shop")["tables"]["public.z"].clone());
    let now: u64 = server.sql("shop", "SELECT count(*) FROM a").parse().expect("a number");
    assert!(a == z && a.as_u64().is_some_and(|a| a < now), "{a} {z} {now}");
    home.ok(&["restore", "shop", "--into", "copy"]);
    assert_eq!(server.sql("copy", "SELECT count(*) FROM a"), a.to_string());
    assert_eq!(server.sql("copy", "SELECT count(*) FROM a LEFT JOIN z USING (id) WHERE z.id IS NULL"), "0");
    // Definitions changed meanwhile wait or come later: the dump is of its moment.
    let run = begin(&home, &["run", "shop"]);
    wait_for_part(&home, "shop", 100_000);
    let _ = server.sql("shop", "SET lock_timeout = '20s'; CREATE TABLE later (x int); DROP TABLE later");
    assert!(run.wait_with_output().expect("it ends").status.success());
}

#[test]
fn whatever_dies_leaves_nothing_that_looks_like_a_dump() {
    let mut server = Postgres::debian();
    let home = home();
    postgres(&server, &home);
    let nothing = |what: &str| assert!(archives(&home, "shop").is_empty(), "{what}: {:?}", archives(&home, "shop"));
    let run = begin(&home, &["run", "shop"]);
    wait_for_part(&home, "shop", 100_000);
    kill_dumper(&run, "pg_dump");
    let said = fails(run);
    assert!(said.contains("pg_dump") && said.contains("signal: 9"), "{said}");
    nothing("the dumper was killed");
    let run = begin(&home, &["run", "shop"]);
    wait_for_part(&home, "shop", 100_000);
    let _ = server.sql(
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_dump' OR query LIKE 'COPY%'",
    );
    let said = fails(run);
    assert!(said.contains("terminat") || said.contains("closed the connection"), "{said}");
    nothing("the connection was cut");
    // Somebody who gives up.
    let mut run = begin(&home, &["run", "shop"]);
    wait_for_part(&home, "shop", 100_000);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(run.id() as i32), nix::sys::signal::Signal::SIGINT).expect("sent");
    assert_eq!(run.wait().expect("it ends").code(), Some(130));
    nothing("interrupted");
    let run = begin(&home, &["run", "shop"]);
    wait_for_part(&home, "shop", 100_000);
    server.kill();
    fails(run);
    nothing("the server was killed");
    let said = home.run(&["run", "shop"]).code(1).err;
    assert!(said.contains("PostgreSQL (shop on"), "an unreachable server is a failed run that says where: {said}");
    assert_eq!(home.ok(&["backups"]).trim(), "there are no archives yet; `backupctl run NAME` makes one now");
    assert!(home.ok(&["history", "--status", "failed"]).lines().count() >= 4);
}

#[test]
fn a_full_disk_fails_the_dump() {
    if !is_root() {
        return;
    }
    let server = Postgres::debian();
    let home = home();
    postgres(&server, &home);
    let backups = home.path().join("backups");
    fs::create_dir_all(&backups).expect("a folder");
    assert!(
        Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(&backups)
            .status()
            .expect("mount runs")
            .success()
    );
    home.ok(&["edit", "shop", "--unset", "limit"]);
    let said = home.run(&["run", "shop"]).code(1).err;
    assert!(said.contains("no space left on the disk of") && said.contains("free some space"), "{said}");
    assert!(archives(&home, "shop").iter().all(|p| p.display().to_string().contains("roles")), "{:?}", archives(&home, "shop"));
    assert!(Command::new("umount").arg(&backups).status().expect("umount runs").success());
}

#[test]
fn cut_damaged_and_forged_dumps_load_nothing() {
    let server = Postgres::debian();
    let mariadb = Mariadb::debian();
    let home = home();
    postgres(&server, &home);
    let _ = mariadb.sql("CREATE DATABASE shop; USE shop; CREATE TABLE t (a int); INSERT INTO t SELECT seq FROM seq_1_to_20000");
    home.ok(&["database", "add", "m", "--url", &mariadb.url("root", "shop")]);
    home.ok(&["create", "m", "--database", "m", "--manual"]);
    home.ok(&["edit", "shop", "--unset", "limit"]);
    home.ok(&["run", "shop", "m"]);
    let databases = || {
        let postgres = server.sql("postgres", "SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database");
        postgres + &mariadb.sql("SELECT GROUP_CONCAT(SCHEMA_NAME ORDER BY SCHEMA_NAME) FROM information_schema.SCHEMATA")
    };
    let before = databases();
    for (schedule, url) in [("shop", server.url("postgres", "copy")), ("m", mariadb.url("root", "copy"))] {
        let whole =
            archives(&home, schedule).into_iter().find(|p| p.display().to_string().contains(".shop.")).expect("an archive");
        let bytes = fs::read(&whole).expect("read");
        let folder = home.path().join("forged");
        fs::create_dir_all(&folder).expect("a folder");
        let copy = folder.join("full_2026-01-01_00-00-00.shop.sql.gz");
        let sidecar = folder.join("full_2026-01-01_00-00-00.shop.sql.gz.json");
        let plain = home.path().join("plain.sql");
        let status = Command::new("bash").args(["-c", &format!("zcat '{}' > '{}'", whole.display(), plain.display())]).status();
        assert!(status.expect("bash runs").success());
        let dump = fs::read(&plain).expect("read");
        let refused = |what: &str| {
            let said = home.run(&["restore", copy.to_str().expect("UTF-8"), "--into", &url]).code(1).err;
            assert!(said.contains("refused") || said.contains("damaged"), "{what}: {said}");
            assert_eq!(databases(), before, "{what}: nothing was loaded");
        };
        for part in 1..=5 {
            // The archive cut, with its sidecar and without; the dump itself cut, packed anew.
            fs::write(&copy, &bytes[..bytes.len() * part / 6]).expect("written");
            let _ = fs::remove_file(&sidecar);
            refused("the archive is cut");
            fs::copy(format!("{}.json", whole.display()), &sidecar).expect("copied");
            refused("the archive is cut, with its sidecar");
            let _ = fs::remove_file(&sidecar);
            pack(&dump[..dump.len() * part / 6], &copy);
            refused("the dump is cut");
        }
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 4;
        fs::write(&copy, &flipped).expect("written");
        refused("a bit is flipped");
        // Another dump than its sidecar says.
        fs::copy(format!("{}.json", whole.display()), &sidecar).expect("copied");
        pack(&dump, &copy);
        refused("packed by somebody else");
        fs::remove_file(&sidecar).expect("removed");
        // Commands of the client programs.
        let trap = home.path().join("trap");
        let trailer: &[u8] =
            if schedule == "m" { b"\n-- Dump completed\n" } else { b"\n--\n-- PostgreSQL database dump complete\n--\n" };
        for hostile in [
            format!("\\! touch {}\n", trap.display()),
            format!("system touch {}\n", trap.display()),
            format!("SELECT 1 \\! touch {}\n;", trap.display()),
            format!("SELECT 1;\n\\o |touch {}\nSELECT 1;\n", trap.display()),
            format!("/* */ \\! touch {}\n", trap.display()),
        ] {
            pack(&[hostile.as_bytes(), trailer].concat(), &copy);
            let _ = home.run(&["restore", copy.to_str().expect("UTF-8"), "--into", &url]).code(1);
            assert!(!trap.exists(), "{hostile}");
            assert_eq!(databases(), before, "{hostile}");
        }
        // As data they are data.
        let harmless = if schedule == "m" {
            format!(
                "CREATE TABLE `t` (`a` text);\nINSERT INTO `t` VALUES ('\n\\\\! touch {0}\nsystem touch {0}\n');\n",
                trap.display()
            )
        } else {
            format!("CREATE TABLE public.t (a text);\nCOPY public.t (a) FROM stdin;\n\\\\! touch {}\n\\.\n", trap.display())
        };
        pack(&[harmless.as_bytes(), trailer].concat(), &copy);
        home.ok(&["restore", copy.to_str().expect("UTF-8"), "--into", &url]);
        assert!(!trap.exists());
        let kept = if schedule == "m" { mariadb.sql("SELECT a FROM copy.t") } else { server.sql("copy", "SELECT a FROM t") };
        assert!(kept.contains("! touch"), "{kept}");
        let _ = server.sql("postgres", "DROP DATABASE IF EXISTS copy");
        let _ = mariadb.sql("DROP DATABASE IF EXISTS copy");
    }
}

fn pack(text: &[u8], to: &Path) {
    let file = fs::File::create(to).expect("a file");
    let mut child = Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(file).spawn().expect("gzip runs");
    child.stdin.take().expect("its input").write_all(text).expect("written");
    assert!(child.wait().expect("it ends").success());
}

/// Ends what goes on beside a test, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Looks for a text in the arguments and environments of all processes.
fn seen(text: &str) -> Option<String> {
    for entry in fs::read_dir("/proc").expect("proc").flatten() {
        for file in ["cmdline", "environ"] {
            let path = entry.path().join(file);
            let bytes = fs::read(&path).unwrap_or_default();
            if bytes.windows(text.len()).any(|w| w == text.as_bytes()) {
                return Some(path.display().to_string());
            }
        }
    }
    None
}

#[test]
fn passwords_are_seen_nowhere() {
    let server = Postgres::debian();
    let mariadb = Mariadb::debian();
    let home = home();
    postgres(&server, &home);
    let _ = server.sql("postgres", &format!("CREATE ROLE backup LOGIN SUPERUSER PASSWORD '{PASSWORD}'"));
    let escaped = PASSWORD.replace('\\', "\\\\");
    let _ = mariadb.sql(&format!("CREATE DATABASE shop; USE shop; CREATE TABLE t (a text); INSERT INTO t SELECT MD5(seq) FROM seq_1_to_100000; CREATE USER backup@localhost IDENTIFIED BY '{escaped}'; GRANT ALL ON *.* TO backup@localhost WITH GRANT OPTION"));
    home.write("password", &format!("{PASSWORD}\n"));
    for (name, url) in [("p", server.url("backup", "shop")), ("m", mariadb.url("backup", "shop"))] {
        home.ok(&["database", "add", name, "--url", &url, "--password-file", "password"]);
        home.ok(&["create", name, "--database", name, "--manual", "--limit", "3MB/s"]);
    }
    home.ok(&["start"]);
    let over = AtomicBool::new(false);
    let found = std::thread::scope(|scope| {
        let looker = scope.spawn(|| {
            let mut rounds = 0;
            while !over.load(Ordering::Relaxed) {
                if let Some(place) = seen(PASSWORD) {
                    return (rounds, Some(place));
                }
                rounds += 1;
            }
            (rounds, None)
        });
        let ending = Over(&over);
        for name in ["p", "m"] {
            home.ok(&["database", "test", name]);
            home.ok(&["run", name]);
            home.ok(&["restore", name, "--into", "copy"]);
            home.ok(&["restore", name, "--into", "copy", "--overwrite"]);
            home.ok(&["drill", name]);
        }
        drop(ending);
        looker.join().expect("it looked")
    });
    assert!(found.0 > 20 && found.1.is_none(), "{found:?}");
    // A wrong one is not shown either.
    home.write("password", &format!("wrong {PASSWORD}\n"));
    let said = home.run(&["database", "test", "p"]).code(1).all() + &home.run(&["run", "m"]).code(1).all();
    assert!(said.contains("password authentication failed") && said.contains("Access denied"), "{said}");
    let shown =
        home.ok(&["database", "list", "--json"]) + &home.ok(&["show", "p", "--json"]) + &home.ok(&["history", "--json"]) + &said;
    let logs = home.read("logs/backupd.log") + &home.read("logs/backupctl.log") + &home.read("schedules.toml");
    for text in [&shown, &logs] {
        assert!(!text.contains(PASSWORD) && !text.contains(&escaped) && !text.contains("cr\\\\\\\\et"), "{text}");
    }
    for entry in fs::read_dir(home.path().join("backups/p")).expect("a folder").flatten() {
        assert!(!fs::read(entry.path()).expect("read").windows(PASSWORD.len()).any(|w| w == PASSWORD.as_bytes()));
    }
}

#[test]
fn mariadb_is_asked_again_when_definitions_change() {
    let server = Mariadb::debian();
    let home = home();
    let _ = server.sql("CREATE DATABASE shop; USE shop; CREATE TABLE a (t text); CREATE TABLE z (id int, t text); INSERT INTO a SELECT SHA2(seq, 512) FROM seq_1_to_100000; INSERT INTO z VALUES (1, 'x')");
    home.ok(&["database", "add", "shop", "--url", &server.url("root", "shop")]);
    home.ok(&["create", "shop", "--database", "shop", "--manual", "--limit", "3MB/s"]);
    let run = begin(&home, &["run", "shop"]);
    wait_for_part(&home, "shop", 500_000);
    let _ = server.sql("ALTER TABLE shop.z ADD COLUMN more int");
    let out = run.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.contains("copied anew"), "{said}");
    home.ok(&["restore", "shop", "--into", "copy"]);
    assert_eq!(server.sql("SELECT more IS NULL FROM copy.z"), "1");
    // The dumper killed.
    let run = begin(&home, &["run", "shop"]);
    let before = archives(&home, "shop").len();
    std::thread::sleep(Duration::from_millis(1500));
    kill_dumper(&run, "mariadb-dump");
    fails(run);
    assert!(archives(&home, "shop").len() <= before + 1, "at most the users are new: {:?}", archives(&home, "shop"));
    assert_eq!(archives(&home, "shop").iter().filter(|p| p.display().to_string().contains(".shop.sql.gz")).count(), 1);
}

#[test]
fn missing_rights_fail_and_name_the_remedy() {
    let server = Mariadb::debian();
    let postgres = Postgres::debian();
    let home = home();
    let _ = server.sql("CREATE DATABASE shop; USE shop; CREATE TABLE t (a int); CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1; CREATE USER poor@localhost; GRANT SELECT ON shop.* TO poor@localhost");
    let _ = postgres.sql("postgres", "CREATE DATABASE shop; CREATE ROLE poor LOGIN");
    let _ = postgres.sql("shop", "CREATE TABLE t (a int)");
    for (name, url) in [("m", server.url("poor", "shop")), ("p", postgres.url("poor", "shop"))] {
        home.ok(&["database", "add", name, "--url", &url]);
        home.ok(&["create", name, "--database", name, "--manual"]);
    }
    let m = home.run(&["database", "test", "m"]).code(1).out;
    assert!(m.contains("FAIL rights") && m.contains("GRANT SHOW VIEW, TRIGGER, EVENT ON `shop`.* TO 'poor'@'localhost';"), "{m}");
    home.run(&["run", "m"]).code(1).says("left out without a word");
    let p = home.run(&["database", "test", "p"]).code(1).out;
    assert!(p.contains("GRANT pg_read_all_data TO \"poor\";"), "{p}");
    home.run(&["run", "p"]).code(1).says("public.t (SELECT)");
    let _ = server.sql(
        "GRANT SHOW VIEW, TRIGGER, EVENT ON `shop`.* TO 'poor'@'localhost'; GRANT SELECT ON mysql.proc TO 'poor'@'localhost'",
    );
    let _ = postgres.sql("postgres", "GRANT pg_read_all_data TO poor");
    home.ok(&["database", "test", "m"]);
    home.ok(&["database", "test", "p"]);
    home.ok(&["run", "p"]);
    // Row security would hide rows.
    let _ = postgres.sql("shop", "ALTER TABLE t ENABLE ROW LEVEL SECURITY");
    home.run(&["run", "p"]).code(1).says("ALTER ROLE \"poor\" BYPASSRLS;");
    // An extension that is not on the server that a trial is made on: nothing is known then.
    let _ = postgres.sql("postgres", "ALTER ROLE poor SUPERUSER");
    let _ = postgres.sql("shop", "CREATE EXTENSION hstore; CREATE TABLE h (a hstore)");
    home.ok(&["run", "p"]);
    let share = PathBuf::from("/usr/share/postgresql");
    let control = fs::read_dir(&share)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path().join("extension/hstore.control"))
        .find(|p| p.exists());
    if let Some(control) = control.filter(|_| is_root()) {
        let away = control.with_extension("away");
        fs::rename(&control, &away).expect("renamed");
        let said = home.run(&["drill", "p"]);
        fs::rename(&away, &control).expect("renamed back");
        let said = said.code(1).err;
        assert!(said.contains("inconclusive") && said.contains("hstore"), "{said}");
        assert!(home.ok(&["list"]).contains("inconclusive"));
    }
    home.ok(&["drill", "p"]);
}

#[test]
fn a_replacement_that_fails_brings_the_old_database_back() {
    let server = Mariadb::debian();
    let home = home();
    let _ = server.sql("CREATE DATABASE shop; USE shop; CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2), (3)");
    home.ok(&["database", "add", "shop", "--url", &server.url("root", "shop")]);
    // It loads anywhere but into the database that it is to replace.
    let dump = "CREATE TABLE `u` (`a` int);\nDELIMITER ;;\nCREATE PROCEDURE `p`() BEGIN IF DATABASE() = 'shop' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not here'; END IF; END ;;\nDELIMITER ;\nCALL p();\n-- Dump completed\n";
    let forged = home.path().join("full_2026-01-01_00-00-00.shop.sql.gz");
    pack(dump.as_bytes(), &forged);
    let forged = forged.to_str().expect("UTF-8");
    home.ok(&["restore", forged, "--into", "elsewhere", "--server", "shop"]);
    let said = home.run(&["restore", forged, "--into", "shop", "--server", "shop", "--overwrite"]).code(1).err;
    assert!(said.contains("not here") && said.contains("is back again, loaded from the safety dump"), "{said}");
    assert_eq!(server.sql("SELECT COUNT(*) FROM shop.t"), "3");
    // Rows that do not all go in go out again.
    home.ok(&["create", "rows", "--database", "shop", "--content", "data", "--manual"]);
    home.ok(&["run", "rows"]);
    let _ = server.sql("CREATE DATABASE tight; CREATE TABLE tight.t (a int CHECK (a < 3))");
    let _ = home.run(&["restore", "rows", "--into", "tight"]).code(1);
    assert_eq!(server.sql("SELECT COUNT(*) FROM tight.t"), "0");
    assert_eq!(server.sql("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE '%_restore_%'"), "0");
}

#[test]
fn client_programs_are_reached_through_others() {
    let server = Postgres::debian();
    let mariadb = Mariadb::debian();
    let home = home();
    let name = "we\"ird;db";
    let _ = server.sql("postgres", "CREATE DATABASE \"we\"\"ird;db\"");
    let _ = server.sql(name, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let _ = mariadb.sql("CREATE DATABASE shop; USE shop; CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let socket = server.socket().display().to_string();
    home.ok(&["database", "add", "p", "--engine", "postgres", "--socket", &socket, "--user", "postgres", "--database", name]);
    let socket = mariadb.socket().display().to_string();
    home.ok(&["database", "add", "m", "--engine", "mariadb", "--socket", &socket, "--user", "root", "--database", "shop"]);
    let file = home.read("schedules.toml").replace("[databases.p]\n", "[databases.p]\nclient = [\"nice\", \"-n\", \"1\"]\n");
    home.write("schedules.toml", &file.replace("[databases.m]\n", "[databases.m]\nclient = [\"nice\", \"-n\", \"1\"]\n"));
    for (schedule, database) in [("p", name), ("m", "shop")] {
        home.ok(&["database", "test", schedule]);
        home.ok(&["create", schedule, "--database", schedule, "--manual"]);
        home.ok(&["run", schedule]);
        home.ok(&["restore", schedule, "--into", "copy"]);
        home.ok(&["restore", schedule, "--database", database, "--into", database, "--overwrite"]);
    }
    assert_eq!(server.sql("copy", "SELECT * FROM t"), "1");
    assert_eq!(mariadb.sql("SELECT * FROM copy.t"), "1");
    // A password cannot go that way.
    home.write(
        "schedules.toml",
        &home.read("schedules.toml").replace("[databases.m]\n", "[databases.m]\npassword = { env = \"HOME\" }\n"),
    );
    home.run(&["run", "m"]).code(1).says("cannot be handed through `client`");
}
