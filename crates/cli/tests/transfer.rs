//! Configurations from one home to another, templates, sample data.

use backup_testkit::TestHome;
use serde_json::Value;
use std::collections::BTreeSet;

fn home(text: &str) -> TestHome {
    let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
    home.write("documents/letter", "dear all");
    home.write("schedules.toml", &format!("version = 1\n[daemon]\nlisten = \"\"\n{text}"));
    home
}

const FULL: &str = r#"
[defaults]
keep = { days = 14 }

# Everything of the shop.
[databases.shop]
url = "postgres://backup@db.example/shop"
password = { file = "/etc/backupd/shop.password" }

[notifiers.chat]
webhook = { url = "https://hooks.example/T0PS3CRET", form = "slack" }

[notifiers.ops]
email = { to = ["ops@example.org"], smtp = "smtps://mail.example.org", user = "backup", password = { env = "SMTP" } }

[[schedule]]
name = "docs"
source = ["documents"]
at = "09:00"
notify = ["chat"]

[[schedule]]
name = "shop"
database = "shop"
every = "hourly"
keep = { last = 48 }
"#;

#[test]
fn exported_here_imported_there() {
    let from = home(FULL);
    from.ok(&["export", "exported.toml"]);
    from.run(&["export", "exported.toml"]).code(1).says("nothing was overwritten");
    let text = from.read("exported.toml");
    assert!(
        !text.contains("T0PS3CRET") && text.contains("CHAT_WEBHOOK_URL") && text.contains("# Everything of the shop."),
        "{text}"
    );
    assert_eq!(from.ok(&["export"]).trim_end(), text.trim_end());
    let to = home("[[schedule]]\nname = \"own\"\nsource = [\"documents\"]\nmanual = true\n");
    to.write("exported.toml", &text);
    let before = to.read("schedules.toml");
    let would = to.ok(&["import", "exported.toml", "--dry-run"]);
    assert!(would.contains("would add schedule docs") && would.contains("would add database shop"), "{would}");
    assert_eq!(to.read("schedules.toml"), before);
    to.ok(&["import", "exported.toml"]);
    let shown: Value = serde_json::from_str(&to.ok(&["show", "docs", "--json"])).expect("JSON");
    assert_eq!(shown["keep"]["days"], 14, "defaults came with it");
    let shown: Value = serde_json::from_str(&to.ok(&["show", "shop", "--json"])).expect("JSON");
    assert_eq!((shown["keep"]["last"].as_u64(), shown["keep"]["days"].is_null()), (Some(48), true));
    assert!(to.ok(&["list"]).contains("own"));
    // Again: all is there. Something else under a name: refused, nothing changed.
    let again = to.ok(&["import", "exported.toml"]);
    assert_eq!(again.matches("there already").count(), 5, "{again}");
    let after = to.read("schedules.toml");
    to.write("exported.toml", &text.replace("09:00", "10:00").replace("name = \"shop\"", "name = \"other\""));
    to.run(&["import", "exported.toml"]).code(2).says("already a schedule docs");
    to.write("exported.toml", "version = 1\n[[schedule]]\nname = \"x\"\n");
    to.run(&["import", "exported.toml"]).code(2).says("the imported file");
    assert_eq!(to.read("schedules.toml"), after);
}

#[test]
fn templates() {
    let home = home("[databases.app]\nurl = \"postgres://backup@db.example/app\"\n");
    assert!(home.ok(&["template", "list"]).contains("machine"));
    home.run(&["template", "apply", "default"]).code(2).says("[predecessors] database");
    home.run(&["template", "apply", "nothing"]).code(5).says("no template nothing");
    let text = home.read("schedules.toml");
    home.write("schedules.toml", &format!("{text}\n[predecessors]\ndatabase = \"app\"\nsource = \"documents\"\n"));
    assert_eq!(home.ok(&["template", "apply", "default", "--dry-run"]).matches("would add").count(), 4);
    home.ok(&["template", "apply", "default"]);
    let list: Value = serde_json::from_str(&home.ok(&["list", "--json"])).expect("JSON");
    let rows: Vec<(&str, &str, bool, &str)> = list["items"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|s| !s["database"].is_null())
        .map(|s| {
            let text = |key: &str| s[key].as_str().expect("a text");
            (text("title"), text("content"), s["enabled"].as_bool().expect("a flag"), text("trigger"))
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("Sauvegarde quotidienne complète", "full", true, "daily at 00:00"),
            ("Métadonnées hebdomadaires", "metadata", true, "weekly at 00:00"),
            ("Développement", "full", false, "manual"),
            ("Archive mensuelle", "full", true, "monthly at 00:00"),
        ]
    );
    assert_eq!(home.ok(&["template", "apply", "default"]).matches("there already").count(), 4);
    home.ok(&["template", "apply", "machine"]);
    assert!(home.ok(&["show", "machine"]).contains("incremental"));
}

#[test]
fn sample_data_has_all_kinds_and_mixes_with_nothing_real() {
    let real = home("[[schedule]]\nname = \"docs\"\nsource = [\"documents\"]\nmanual = true\n");
    real.ok(&["run", "docs"]);
    real.run(&["sample-data"]).code(1).says("never mixed");
    let home = home("[[schedule]]\nname = \"docs\"\nsource = [\"documents\"]\nmanual = true\n");
    home.run(&["sample-data", "--count", "0"]).code(2).says("from 1 to 10000");
    assert!(home.ok(&["sample-data", "--count", "60"]).contains("made 60 runs"));
    let page: Value = serde_json::from_str(&home.ok(&["history", "--rows", "1000", "--json"])).expect("JSON");
    let rows = page["items"].as_array().expect("a list");
    assert_eq!(rows.len(), 60);
    let all = |key: &str| rows.iter().filter_map(|r| r[key].as_str()).collect::<BTreeSet<_>>();
    assert_eq!(all("status"), ["cancelled", "completed", "failed", "warning"].into());
    assert_eq!(all("content"), ["data", "full", "metadata"].into());
    assert!(all("kind").is_superset(&["differential", "full", "incremental"].into()), "{:?}", all("kind"));
    assert!(all("operation").len() >= 4);
    assert!(rows.iter().any(|r| r["error"].is_string()));
    let stats = home.ok(&["stats", "--days", "90"]);
    assert!(stats.contains('%'), "{stats}");
    home.run(&["run", "docs"]).code(1).says("this home holds sample data");
    home.ok(&["sample-data", "--count", "5"]);
}
