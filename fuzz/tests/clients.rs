//! A dump can hide a command of the client program from what reads it: in what the two take for a text, a comment or a
//! name. Random pieces of SQL with a command in the middle are given to the reader in pieces, and what it lets through
//! to the real client, without the options that forbid commands there: none may be carried out.
//! 150 inputs for each client, or as many as BACKUP_TEST_INPUTS says (`make soak`: 5,000).

use backup_databases::scan_dump;
use backup_fuzz::Random;
use backup_model::DatabaseEngine;
use backup_testkit::{Mariadb, Postgres};
use std::io::Write;
use std::process::{Command, Stdio};

/// What may open something, close it, or change what that is.
const BOTH: &[&str] = &[
    "'",
    "'",
    "'",
    "\"",
    "\"",
    "''",
    "\\",
    "\\'",
    "\\\\",
    ";",
    ";",
    "\n",
    "\n",
    " ",
    "x",
    "1",
    "--",
    "-- ",
    "--x",
    "-",
    "/*",
    "*/",
    "/",
    "*",
    "(",
    ")",
    ",",
    "$",
    "\t",
    "\u{b}",
    "\u{a0}",
    "é",
    "\r",
    "SELECT ",
    "SELECT 1;\n",
    "COMMENT ",
    "CREATE FUNCTION f() ",
    "BEGIN ",
    "END",
    "CASE ",
];
const POSTGRES: &[&str] = &[
    "$$",
    "$a$",
    "$a$",
    "$1",
    "E'",
    "e'",
    "U&'",
    "B'",
    "xE'",
    "\"\"",
    "BEGIN ATOMIC ",
    "CREATE OR REPLACE PROCEDURE p() ",
    "SET standard_conforming_strings = off;\n",
    "SET standard_conforming_strings = on;\n",
    ":",
    ":'x'",
    "::",
    "/* /*",
    "--\r",
    "\\.\n",
];
const COPY: &[&str] = &[
    "COPY t FROM stdin;\n",
    "COPY t FROM stdin;\n",
    "COPY t (a) FROM stdin;\n",
    "COPY t FROM stdin",
    "COPY t ",
    "FROM stdin",
    "\\.\n",
    "\n\\.\n",
    "\n\\.\n",
    "/* /*",
    "$$",
    "E'",
    "\\N\n",
    "\\.x\n",
    "COPY (SELECT 1) TO stdout;\n",
];
const MYSQL: &[&str] = &[
    "`",
    "`",
    "#",
    "/*!",
    "/*!50003 ",
    "/*M!",
    "-- \n",
    "DELIMITER //\n",
    "DELIMITER ;\n",
    "\nDELIMITER ;;\n",
    "//",
    ";;",
    "INSERT INTO `t` VALUES ('a'",
    "INSERT INTO `t` VALUES (1),",
    "REPLACE `t` VALUES ",
    "/*!50003 SET sql_mode = 'NO_BACKSLASH_ESCAPES' */;\n",
    "SET sql_mode = 'ANSI_QUOTES';\n",
    "SET sql_mode = '';\n",
    "_binary'",
    "x'",
];

fn pick<'t>(random: &mut Random, own: &[&'t str]) -> &'t str {
    let n = random.below(BOTH.len() + own.len());
    if n < BOTH.len() { BOTH[n] } else { own[n - BOTH.len()] }
}

fn attack(engine: DatabaseEngine, own: &[&str], client: impl Fn() -> Command) {
    let wanted: usize = std::env::var("BACKUP_TEST_INPUTS").map_or(150, |n| n.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let commands = [format!("\\! touch {}", mark.display()), format!("system touch {}", mark.display())];
    let commands = if engine == DatabaseEngine::Postgresql { &commands[..1] } else { &commands[..] };
    // That the client would do it.
    give(client(), format!("SELECT 1;\n{}\n", commands[0]).as_bytes());
    assert!(mark.exists(), "the client does not know the command: this test says nothing");
    std::fs::remove_file(&mark).expect("removed");

    let mut random = Random(own.len() as u64);
    let (mut let_through, mut refused) = (0, 0u64);
    while let_through < wanted {
        let mut text = String::new();
        for _ in 0..1 + random.below(7) {
            text.push_str(pick(&mut random, own));
        }
        text.push_str(["\n", ";\n", " ", ""][random.below(4)]);
        text.push_str(&commands[random.below(commands.len())]);
        text.push('\n');
        for _ in 0..random.below(7) {
            text.push_str(pick(&mut random, own));
        }
        let trailer =
            if engine == DatabaseEngine::Postgresql { "-- PostgreSQL database dump complete" } else { "-- Dump completed" };
        text.push_str(&format!("\n{trailer}\n"));
        let piece = [1, 3, 16, 1 << 20][random.below(4)];
        let Ok(read) = scan_dump(engine, text.as_bytes(), piece) else {
            refused += 1;
            continue;
        };
        let_through += 1;
        give(client(), &read.loaded);
        assert!(!mark.exists(), "after {let_through} that were let through and {refused} that were refused: {text:?}");
    }
}

fn give(mut client: Command, text: &[u8]) {
    let mut child = client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the client starts");
    // It may end before it has read all.
    let _ = child.stdin.take().expect("a pipe").write_all(text);
    child.wait().expect("ended");
}

fn psql(server: &Postgres, stop: &str) -> Command {
    let mut client = server.client("psql");
    client.args(["-X", "-q", "-d", "postgres", "-v", &format!("ON_ERROR_STOP={stop}"), "-f", "-"]);
    client
}

#[test]
fn no_command_reaches_psql() {
    let server = Postgres::debian();
    let _ = server.sql("postgres", "CREATE TABLE t (a text)");
    attack(DatabaseEngine::Postgresql, POSTGRES, || psql(&server, "0"));
    // Where a COPY fails its rows would be read as SQL: there a restore has ended.
    attack(DatabaseEngine::Postgresql, COPY, || psql(&server, "1"));
}

#[test]
fn no_command_reaches_mariadb() {
    let server = Mariadb::debian();
    let _ = server.sql("CREATE DATABASE d; CREATE TABLE d.t (a text)");
    attack(DatabaseEngine::Mariadb, MYSQL, || {
        let mut client = server.client();
        client.args(["--batch", "--force", "--default-character-set=utf8mb4", "d"]);
        client
    });
}
