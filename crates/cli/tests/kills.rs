//! Kills backups, retentions and restores at random moments. After each kill the next command finds the home
//! in order: every archive is listed and whole, nothing half-written stays, a restore that is run again comes
//! to its end. 18 kills, or as many as BACKUP_TEST_KILLS says (`make soak`: 300).

use backup_testkit::{TestHome, describe};
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A source of random data and many small files, so that kills hit all kinds of work.
fn fill(home: &TestHome, random: &mut dyn FnMut() -> u64) {
    let folder = home.path().join("source/small");
    fs::create_dir_all(&folder).expect("folders");
    for n in 0..30 {
        let bytes: Vec<u8> = (0..250_000).flat_map(|_| random().to_le_bytes()).collect();
        fs::write(home.path().join(format!("source/{n}")), bytes).expect("a file");
    }
    for n in 0..2000 {
        fs::write(folder.join(n.to_string()), n.to_string()).expect("a file");
    }
}

#[track_caller]
fn agree(home: &TestHome) {
    home.ok(&["run", "soak"]);
    let names = home.names("backups/soak");
    assert!(names.iter().all(|n| !n.starts_with('.')), "{names:?}");
    let there: Vec<&String> = names.iter().filter(|n| n.ends_with(".gz")).collect();
    let listed = home.ok(&["backups", "soak"]);
    let mut listed: Vec<&str> = listed.lines().filter_map(|l| l.split_whitespace().next()).collect();
    listed.sort_unstable();
    assert_eq!(there, listed);
    for name in there {
        let mut tar = Command::new("tar");
        tar.arg("-tzf").arg(home.path().join("backups/soak").join(name)).stdout(Stdio::null());
        assert!(tar.status().expect("tar runs").success(), "{name}");
    }
}

#[test]
fn killed_at_any_moment() {
    let kills: u32 = std::env::var("BACKUP_TEST_KILLS").map_or(18, |n| n.parse().expect("a number"));
    let mut state = std::process::id().into();
    let mut random = move || {
        // splitmix64, Steele et al. 2014.
        state = u64::wrapping_add(state, 0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
    fill(&home, &mut random);
    // Chains, so that restores read several archives and retention has to leave what is built on.
    let schedule = ["create", "soak", "--source", "source", "--manual", "--keep-last", "3"];
    home.ok(&[&schedule[..], &["--kind", "incremental", "--full-every", "3"]].concat());
    home.ok(&["run", "soak"]);
    let keep = |last: u32| {
        let text = home.read("schedules.toml");
        let lines =
            text.lines().map(|l| if l.starts_with("keep = ") { format!("keep = {{ last = {last} }}") } else { l.to_owned() });
        home.write("schedules.toml", &(lines.collect::<Vec<_>>().join("\n") + "\n"));
    };
    let mut killed = [0u32; 3];
    // Within so many microseconds; less after work that was over sooner, so that fast machines are hit as often as slow ones.
    let mut within = [600_000u64, 40_000, 600_000];
    let mut strike = |what: usize, args: &[&str]| {
        let mut child = home.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs");
        std::thread::sleep(Duration::from_micros(random() % within[what]));
        if child.try_wait().expect("looked").is_none() {
            killed[what] += 1;
            within[what] += within[what] / 2;
            child.kill().expect("killed");
        } else {
            within[what] = (within[what] / 2).max(2000);
        }
        child.wait().expect("ended");
    };
    for n in 0..kills {
        match n % 3 {
            0 => {
                home.write(&format!("source/small/{}", n % 2000), &format!("changed in round {n}"));
                home.write(&format!("source/{}", n % 30), &format!("round {n} ").repeat(200_000));
                let _ = fs::remove_file(home.path().join(format!("source/small/{}", (n + 1000) % 2000)));
                strike(0, &["run", "soak"]);
            }
            1 => {
                keep(50);
                home.ok(&["run", "soak"]);
                home.ok(&["run", "soak"]);
                keep(3);
                strike(1, &["prune", "soak"]);
            }
            _ => {
                let target = home.path().join("out");
                let _ = fs::remove_dir_all(&target);
                let restore = ["restore", "soak", "--to", target.to_str().expect("text")];
                strike(2, &restore);
                home.ok(&restore);
                let source = describe(&home.path().join("source"));
                let restored = target.join(home.path().join("source").strip_prefix("/").expect("absolute"));
                assert_eq!(describe(&restored), source, "round {n}");
            }
        }
        if n % 10 == 9 {
            agree(&home);
        }
    }
    agree(&home);
    home.ok(&["verify", "--all", "--deep"]);
    let [backups, retentions, restores] = killed;
    let said = format!("kills that hit at work: backup {backups}, retention {retentions}, restore {restores}; parts left 0\n");
    if let Ok(path) = std::env::var("BACKUP_TEST_REPORT") {
        fs::write(path, said).expect("written");
    }
    assert!(backups + retentions + restores >= kills / 3, "hardly anything was hit: {killed:?}");
}
