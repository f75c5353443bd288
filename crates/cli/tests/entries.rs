//! Databases, destinations and notifiers of the file are changed: what is given, and nothing else.

use backup_testkit::TestHome;
use std::io::Write;
use std::process::Stdio;

fn home() -> TestHome {
    TestHome::new(env!("CARGO_BIN_EXE_backupctl"))
}

fn with_stdin(home: &TestHome, args: &[&str], text: &str) -> i32 {
    let mut child = home.command(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
    child.wait().expect("ends").code().expect("a code")
}

fn file(home: &TestHome) -> String {
    home.read("schedules.toml")
}

#[test]
fn a_password_is_changed_while_a_schedule_uses_the_database() {
    let home = home();
    let url = "postgres://backup@127.0.0.1:1/shop";
    assert_eq!(with_stdin(&home, &["database", "add", "shop", "--url", url, "--password-stdin"], "old\n"), 0);
    home.ok(&["create", "shop", "--database", "shop", "--manual"]);
    assert_eq!(home.read("secrets/database-shop"), "old\n");
    assert_eq!(with_stdin(&home, &["database", "edit", "shop", "--password-stdin"], "new\n"), 0);
    assert_eq!(home.read("secrets/database-shop"), "new\n");
    assert!(file(&home).contains(url), "the URL stays");

    // What is wrong changes neither the file nor the secret.
    let before = file(&home);
    assert_eq!(with_stdin(&home, &["database", "edit", "shop", "--url", "nonsense", "--password-stdin"], "x\n"), 2);
    assert_eq!((file(&home), home.read("secrets/database-shop").as_str()), (before, "new\n"));
    home.run(&["database", "edit", "shop"]).code(2).says("nothing was given to change");
    home.run(&["database", "edit", "none", "--url", url]).code(5).says("there is no database none");
    home.run(&["database", "add", "shop", "--url", url]).code(1).says("backupctl database edit shop");
    assert_eq!(home.read("secrets/database-shop"), "new\n", "adding twice leaves the secret");

    // A secret that stands elsewhere from now on is not kept here any more.
    home.write("elsewhere", "newer\n");
    let moved = "postgres://backup@127.0.0.2:1/shop";
    let said = home.ok(&["database", "edit", "shop", "--url", moved, "--password-file", "elsewhere"]);
    assert!(said.contains(moved) && said.contains("database test shop"), "{said}");
    assert!(file(&home).contains(moved) && !file(&home).contains(url));
    assert!(!home.path().join("secrets/database-shop").exists());

    // And one that is not wanted any more goes, from the file and from the disk.
    assert_eq!(with_stdin(&home, &["database", "edit", "shop", "--password-stdin"], "last\n"), 0);
    home.run(&["database", "edit", "shop", "--unset", "url"]).code(2).says("url cannot be unset; what can is password");
    home.run(&["database", "edit", "shop", "--password-file", "elsewhere", "--unset", "password"])
        .code(2)
        .says("both set and unset");
    assert_eq!(home.read("secrets/database-shop"), "last\n");
    home.ok(&["database", "edit", "shop", "--unset", "password"]);
    assert!(!file(&home).contains("password") && !home.path().join("secrets/database-shop").exists());
    assert!(home.names("secrets").is_empty(), "nothing half written is left");
    home.ok(&["list"]);
}

#[test]
fn a_destination_keeps_what_is_not_given() {
    let home = home();
    home.write("key", "SECRET\n");
    let url = "s3://bucket/backups?endpoint=http://127.0.0.1:1&region=eu";
    home.ok(&["destination", "add", "far", "--url", url, "--access-key", "AK1", "--secret-file", "key", "--limit", "5MB/s"]);
    home.ok(&["destination", "edit", "far", "--limit", "10MB/s", "--access-key", "AK2"]);
    let text = file(&home);
    assert!(text.contains(url) && text.contains("10MB/s") && !text.contains("5MB/s"), "{text}");
    assert_eq!(home.read("secrets/destination-far-access_key"), "AK2\n");
    let before = file(&home);
    home.run(&["destination", "edit", "far", "--url", "gopher://x"]).code(2).says("no kind of store");
    home.run(&["destination", "edit", "far", "--limit", "much"]).code(2);
    assert_eq!(file(&home), before);
    // A secret alone goes under the key of the kind of store that is there.
    assert_eq!(with_stdin(&home, &["destination", "edit", "far", "--secret-stdin"], "other\n"), 0);
    assert_eq!(home.read("secrets/destination-far-secret_key"), "other\n");
    home.run(&["destination", "edit", "far", "--unset", "access-key"]).code(2);
    assert_eq!(home.read("secrets/destination-far-access_key"), "AK2\n", "half a pair of keys is refused");
    home.ok(&[
        "destination",
        "edit",
        "far",
        "--unset",
        "limit",
        "--unset",
        "access-key",
        "--unset",
        "secret_key",
        "--unset",
        "ca",
    ]);
    let text = file(&home);
    assert!(!text.contains("limit") && !text.contains("_key") && text.contains(url), "{text}");
    assert!(home.names("secrets").is_empty());
    home.ok(&["list"]);
}

#[test]
fn a_notifier_keeps_its_way() {
    let home = home();
    home.write("password", "loud\n");
    let way = ["--email", "a@example.org", "--smtp", "smtps://mail.example.org", "--user", "u", "--password-file", "password"];
    home.ok(&[&["notifier", "add", "ops"][..], &way].concat());
    home.ok(&["notifier", "edit", "ops", "--email", "b@example.org", "--email", "c@example.org", "--on", "failure,stale"]);
    let said = home.ok(&["notifier", "list", "--json"]);
    for part in ["b@example.org, c@example.org by smtps://mail.example.org", "\"on\":[\"failure\",\"stale\"]", "\"user\":\"u\""] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(with_stdin(&home, &["notifier", "edit", "ops", "--password-stdin"], "hush\n"), 0);
    assert_eq!(home.read("secrets/notifier-ops"), "hush\n");
    home.ok(&["notifier", "edit", "ops", "--unset", "user", "--unset", "password", "--unset", "on"]);
    let said = home.ok(&["notifier", "list", "--json"]);
    assert!(said.contains("\"user\":null") && said.contains("\"missed\"") && !file(&home).contains("password"), "{said}");
    assert!(home.names("secrets").is_empty());
    let before = file(&home);
    home.run(&["notifier", "edit", "ops", "--unset", "smtp"]).code(2).says("smtp cannot be unset");
    home.run(&["notifier", "edit", "ops", "--webhook", "https://example.org/x"]).code(2);
    home.run(&["notifier", "edit", "ops", "--on", "sucess"]).code(2).says("condition");
    home.run(&["notifier", "edit", "ops", "--smtp", "http://x"]).code(2);
    assert_eq!(file(&home), before);
    assert!(!home.path().join("secrets/notifier-ops-url").exists());
    home.ok(&["list"]);
}
