//! Alerts on their way: a real mail server with STARTTLS, TLS and sign-in, one that is away for a while, webhooks in
//! every form, and what must not be told to whom.

use backup_testkit::{HookServer, MAIL_USER, MailServer, TestHome, mails, make_certificates};
use std::fs;

/// A home whose schedule `gone` fails and whose schedule `docs` works, with a folder for a mail server.
fn home() -> (TestHome, tempfile::TempDir) {
    let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
    home.write("documents/letter", "dear all");
    let mail = tempfile::tempdir().expect("a folder");
    make_certificates(mail.path());
    fs::write(mail.path().join("password"), format!("{}\n", MAIL_USER.1)).expect("a file");
    (home, mail)
}

const SCHEDULES: &str = "[[schedule]]\nname = \"gone\"\nsource = [\"gone\"]\nmanual = true\n\n\
    [[schedule]]\nname = \"docs\"\nsource = [\"documents\"]\nmanual = true\n";

fn email(mail: &std::path::Path, url: &str, more: &str) -> String {
    format!(
        "[notifiers.ops]\nemail = {{ to = [\"ops@example.org\", \"Ada <ada@example.org>\"], smtp = \"{url}\", user = \"{}\", password = {{ file = {:?} }}, ca = {:?} }}\n{more}\n",
        MAIL_USER.0,
        mail.join("password"),
        mail.join("ca.pem"),
    )
}

fn file(notifiers: &str) -> String {
    format!("version = 1\n[daemon]\nlisten = \"\"\nsender = \"backupd <backups@example.org>\"\n{notifiers}\n{SCHEDULES}")
}

/// Mails carry long lines and letters beyond ASCII as quoted-printable (RFC 2045) or base64.
fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    mail.lines().find_map(|l| l.strip_prefix(name)).unwrap_or("").trim()
}

#[test]
fn mail_with_starttls_and_sign_in() {
    let (home, mail) = home();
    let server = MailServer::start(mail.path(), "starttls", 0);
    home.write("schedules.toml", &file(&email(mail.path(), &format!("smtp://localhost:{}", server.port), "group = \"1s\"")));
    home.ok(&["start"]);
    home.run(&["run", "gone"]).code(1);
    home.wait_for("the mail", || !server.mails().is_empty());
    let mail_text = server.mails().remove(0);
    assert_eq!(header(&mail_text, "X-Tls:"), "True");
    assert_eq!(header(&mail_text, "X-To:"), "ops@example.org,ada@example.org");
    assert!(header(&mail_text, "Subject:").contains("ALERT"), "{mail_text}");
    assert!(header(&mail_text, "From:").contains("backups@example.org"));
    assert!(mail_text.contains("text/plain") && mail_text.contains("text/html"));
    assert!(mail_text.contains("gone") && mail_text.contains("nothing was"), "{mail_text}");
    // The source comes back: the next run says so, the one after that says nothing.
    home.write("gone/file", "here again");
    home.ok(&["run", "gone"]);
    home.wait_for("the recovery", || server.mails().len() == 2);
    assert!(server.mails()[1].contains("works again"), "{}", server.mails()[1]);
    home.ok(&["run", "gone"]);
    home.ok(&["run", "docs"]);
    let list = home.ok(&["alerts"]);
    assert!(list.contains("failure") && list.contains("recovery"), "{list}");
    assert!(home.ok(&["notifier", "list"]).contains("ops"));
    home.ok(&["stop"]);
    assert_eq!(server.mails().len(), 2);
    let all = format!("{}{}", home.read("logs/backupd.log"), home.ok(&["notifier", "list", "--json"]));
    assert!(!all.contains(MAIL_USER.1) && !all.contains(r#"a\"b\\c#d e"#), "no password");
}

#[test]
fn mail_without_a_daemon_and_over_tls() {
    let (home, mail) = home();
    let server = MailServer::start(mail.path(), "tls", 0);
    home.write("schedules.toml", &file(&email(mail.path(), &format!("smtps://127.0.0.1:{}", server.port), "language = \"fr\"")));
    home.run(&["run", "gone"]).code(1);
    assert_eq!(server.mails().len(), 1, "{}", home.read("logs/backupctl.log"));
    assert!(server.mails()[0].contains("ALERTE"), "{}", server.mails()[0]);
}

#[test]
fn a_server_that_is_away_gets_the_mail_later_and_a_hundred_failures_are_one() {
    let (home, mail) = home();
    // A port where nobody listens now.
    let port = MailServer::start(mail.path(), "starttls", 0).port;
    let mut text = file(&email(mail.path(), &format!("smtp://localhost:{port}"), ""));
    for n in 0..20 {
        text.push_str(&format!("\n[[schedule]]\nname = \"gone{n}\"\nsource = [\"gone\"]\nmanual = true\n"));
    }
    home.write("schedules.toml", &text);
    home.ok(&["start"]);
    for n in 0..20 {
        home.ok(&["run", &format!("gone{n}"), "--no-wait"]);
    }
    home.wait_for("the failed try", || home.ok(&["notifier", "list"]).contains("cannot be used"));
    // It is not lost with the daemon.
    home.ok(&["stop"]);
    let server = MailServer::start(mail.path(), "starttls", port);
    home.ok(&["start"]);
    home.wait_for("the mail", || !server.mails().is_empty());
    let mails = server.mails();
    assert!(mails.len() <= 2, "{} mails", mails.len());
    let told = (0..20).filter(|n| mails.iter().any(|m| m.contains(&format!("gone{n}:")))).count();
    assert_eq!(told, 20, "{mails:?}");
    assert!(home.ok(&["notifier", "list", "--json"]).contains("\"waiting\":0"));
}

#[test]
fn a_test_says_each_step() {
    let (home, mail) = home();
    let server = MailServer::start(mail.path(), "starttls", 0);
    let url = format!("smtp://localhost:{}", server.port);
    home.write("schedules.toml", &file(&email(mail.path(), &url, "")));
    let out = home.ok(&["notifier", "test", "ops"]);
    assert!(out.contains("ok   resolve") && out.contains("STARTTLS, signed in as backup") && out.contains("ok   send"), "{out}");
    assert_eq!(mails(mail.path()).len(), 1);
    fs::write(mail.path().join("password"), "wrong\n").expect("a file");
    let out = home.run(&["notifier", "test", "ops"]).code(1).out;
    assert!(out.contains("FAIL sign in") && out.contains("check user and password"), "{out}");
    // An authority that is not known, and a server that speaks otherwise.
    fs::write(mail.path().join("password"), MAIL_USER.1).expect("a file");
    let ca = format!(", ca = {:?}", mail.path().join("ca.pem"));
    home.write("schedules.toml", &file(&email(mail.path(), &url, "").replace(&ca, "")));
    let out = home.run(&["notifier", "test", "ops"]).code(1).out;
    assert!(out.contains("FAIL connect"), "{out}");
    home.write("schedules.toml", &file(&email(mail.path(), &url.replace("smtp:", "smtps:"), "")));
    assert!(home.run(&["notifier", "test", "ops"]).code(1).out.contains("FAIL connect"));
    home.write("schedules.toml", &file(&email(mail.path(), "smtp://nowhere.invalid", "")));
    let out = home.run(&["notifier", "test", "ops"]).code(1).out;
    assert!(out.contains("FAIL resolve") && out.contains("check its name"), "{out}");
    home.run(&["notifier", "test", "nobody"]).code(5).says("no notifier nobody");
    // A password in clear is refused when the file is read.
    home.write("schedules.toml", &file(&email(mail.path(), "smtp+plain://mail.example.org", "")));
    home.run(&["list"]).code(2).says("a password does not travel in clear");
}

#[test]
fn webhooks_in_every_form() {
    let (home, _mail) = home();
    let server = HookServer::start();
    let secret = format!("http://127.0.0.1:{}/hooks/T0PS3CRET", server.port);
    home.write("url", &secret);
    home.write("token", "t0k3n");
    home.write("schedules.toml", &file(""));
    for form in ["json", "slack", "discord", "teams", "ntfy", "gotify", "healthchecks"] {
        home.ok(&[
            "notifier",
            "add",
            form,
            "--form",
            form,
            "--webhook-file",
            "url",
            "--token-file",
            "token",
            "--allow-private",
            "--on",
            "failure,success",
        ]);
        let before = server.asked().len();
        assert!(home.ok(&["notifier", "test", form]).contains("answered 200"));
        home.run(&["run", "gone"]).code(1);
        home.ok(&["run", "docs"]);
        let asked = &server.asked()[before..];
        assert_eq!(asked.len(), 3, "{form}: {asked:?}");
        let (failed, worked) = (&asked[1], &asked[2]);
        assert!(failed.body.contains("gone") && failed.body.contains("nothing was backed up"), "{form}: {}", failed.body);
        assert!(worked.body.contains("docs"), "{form}: {}", worked.body);
        let has = |name: &str, value: &str| failed.headers.iter().any(|h| *h == format!("{name}: {value}"));
        match form {
            "gotify" => assert!(has("x-gotify-key", "t0k3n")),
            _ => assert!(has("authorization", "Bearer t0k3n"), "{:?}", failed.headers),
        }
        match form {
            "ntfy" => assert!(has("priority", "high") && failed.headers.iter().any(|h| h.starts_with("title: [backupd"))),
            "healthchecks" => assert!(failed.line.contains("/hooks/T0PS3CRET/fail") && worked.line.contains("/T0PS3CRET ")),
            _ => {
                let body: serde_json::Value = serde_json::from_str(&failed.body).expect("JSON");
                let key = match form {
                    "json" => "alerts",
                    "slack" => "text",
                    "discord" => "content",
                    "teams" => "attachments",
                    _ => "title",
                };
                assert!(!body[key].is_null(), "{form}: {body}");
            }
        }
        home.ok(&["notifier", "delete", form]);
    }
    assert_eq!(home.names("secrets"), Vec::<String>::new(), "secrets go with their notifiers");
    let shown = format!("{}{}", home.read("logs/backupctl.log"), home.ok(&["audit", "list", "--json"]));
    assert!(!shown.contains("T0PS3CRET") && !shown.contains("t0k3n"), "{shown}");
}

#[test]
fn webhooks_that_must_not_be_called() {
    let (home, _mail) = home();
    let server = HookServer::start();
    home.write("schedules.toml", &file(""));
    for (name, host) in [("a", "127.0.0.1"), ("b", "localhost"), ("c", "[::1]"), ("d", "2130706433"), ("e", "0x7f.1")] {
        home.ok(&["notifier", "add", name, "--webhook", &format!("http://{host}:{}/", server.port)]);
        let out = home.run(&["notifier", "test", name]).code(1).out;
        assert!(out.contains("FAIL resolve") && out.contains("allow_private"), "{host}: {out}");
    }
    assert!(server.asked().is_empty(), "nothing was called");
    home.ok(&["notifier", "add", "f", "--webhook", &format!("http://127.0.0.1:{}/s3cr3t", server.port), "--allow-private"]);
    server.answer("302 Found\r\nLocation: http://169.254.169.254/latest");
    let out = home.run(&["notifier", "test", "f"]).code(1).out;
    assert!(out.contains("redirects are not followed") && server.asked().len() == 1, "{out}");
    server.answer("500 Oops");
    let out = home.run(&["notifier", "test", "f"]).code(1).out;
    assert!(out.contains("answered 500") && !out.contains("s3cr3t"), "{out}");
    home.run(&["notifier", "add", "g", "--webhook", "ftp://example.org/"]).code(0);
    assert!(home.run(&["notifier", "test", "g"]).code(1).out.contains("https:// or http://"));
    home.run(&["notifier", "add", "f", "--webhook", "https://example.org/"]).code(1).says("already a notifier f");
    home.run(&["notifier", "add", "h", "--email", "nobody", "--smtp", "smtps://x"]).code(2).says("no mail address");
    home.run(&["notifier", "add", "h", "--webhook", "https://example.org/", "--on", "sucess"]).code(2).says("condition");
}
