//! Database servers of a test's own: real ones, in temporary folders, on private sockets.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A folder that a server may write to, and the user it runs as: servers refuse to run as root.
struct Place {
    folder: tempfile::TempDir,
    user: Option<String>,
}

impl Place {
    fn new(user: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("db").tempdir_in("/tmp").expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("mode");
        let user = nix::unistd::geteuid().is_root().then(|| {
            let of = nix::unistd::User::from_name(user).expect("users can be looked up").expect("the server's user is there");
            chown(folder.path(), Some(of.uid.as_raw()), Some(of.gid.as_raw())).expect("owner");
            user.to_owned()
        });
        Self { folder, user }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = match &self.user {
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", user, "--regid", user, "--clear-groups", "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            // A server that starts clears away what looks like its own in the folder for temporary files.
            .env("TMPDIR", self.folder.path())
            .stdin(Stdio::null());
        command
    }
}

fn done(command: &mut Command) -> String {
    let out = command.output().expect("the program runs");
    assert!(
        out.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).expect("UTF-8")
}

fn answer(command: &mut Command, text: &str) -> String {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    let mut input = child.stdin.take().expect("its input");
    let text = text.to_owned();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let out = child.wait_with_output().expect("it ends");
    let _ = writer.join();
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim_end().to_owned()
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Quotes a name of a database for a URL.
#[must_use]
pub fn percent(name: &str) -> String {
    name.bytes().map(|b| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}

/// A PostgreSQL server. Everybody signs in over its socket without a password, but for the role `backup`.
pub struct Postgres {
    place: Place,
    bin: PathBuf,
    child: Child,
}

impl Postgres {
    /// Starts the server whose programs lie in `bin`.
    #[must_use]
    pub fn start(bin: &Path) -> Self {
        let place = Place::new("postgres");
        let data = place.folder.path().join("data");
        done(
            place
                .command(&bin.join("initdb"))
                .args(["-A", "trust", "-U", "postgres", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "-D"])
                .arg(&data),
        );
        fs::write(data.join("pg_hba.conf"), "local all backup scram-sha-256\nlocal all all trust\n").expect("written");
        let mut command = place.command(&bin.join("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(place.folder.path());
        for setting in
            ["listen_addresses=", "fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_locks_per_transaction=256"]
        {
            command.args(["-c", setting]);
        }
        let log = fs::File::create(place.folder.path().join("log")).expect("a file");
        let child = command.stdout(log.try_clone().expect("a handle")).stderr(log).spawn().expect("the server starts");
        let server = Self { place, bin: bin.to_owned(), child };
        wait_for("PostgreSQL", || {
            server.client("psql").args(["-d", "postgres", "-c", "SELECT 1"]).output().is_ok_and(|o| o.status.success())
        });
        server
    }

    /// The server of Debian's package.
    ///
    /// # Panics
    /// The package postgresql is not installed.
    #[must_use]
    pub fn debian() -> Self {
        let mut all: Vec<PathBuf> =
            fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|e| e.path().join("bin")).collect();
        all.retain(|bin| bin.join("postgres").exists());
        all.sort();
        Self::start(all.last().expect("the package postgresql is needed"))
    }

    /// The folder of its programs.
    #[must_use]
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The folder of its socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        self.place.folder.path()
    }

    /// A URL for databases of it (already %-encoded) and a role.
    #[must_use]
    pub fn url(&self, role: &str, databases: &str) -> String {
        format!("postgres://{role}@/{databases}?host={}", self.socket().display())
    }

    /// A client program that signs in as the superuser.
    #[must_use]
    pub fn client(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.env("PGHOST", self.socket()).env("PGUSER", "postgres").env_remove("PGPASSWORD").stdin(Stdio::null());
        command
    }

    /// Runs SQL in a database and answers what it prints.
    #[must_use]
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let quoted = database.replace('\\', "\\\\").replace('\'', "\\'");
        answer(self.client("psql").args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", &format!("dbname='{quoted}'"), "-f", "-"]), sql)
    }

    /// What its own program dumps of a database, without what differs each time.
    #[must_use]
    pub fn dump(&self, database: &str, flags: &[&str]) -> String {
        let quoted = database.replace('\\', "\\\\").replace('\'', "\\'");
        let text = done(self.client("pg_dump").args(["-d", &format!("dbname='{quoted}'")]).args(flags));
        text.lines()
            .filter(|l| !l.starts_with("\\restrict") && !l.starts_with("\\unrestrict"))
            .map(|l| format!("{l}\n"))
            .collect()
    }

    /// Kills the server as a crash would.
    pub fn kill(&mut self) {
        let _ = done(Command::new("pkill").args(["-9", "-f", &format!("{}", self.place.folder.path().join("data").display())]));
        let _ = self.child.wait();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.child.id() as i32), nix::sys::signal::Signal::SIGQUIT);
        let _ = self.child.wait();
    }
}

/// A MariaDB or MySQL server, whose account `root` signs in over its socket without a password.
pub struct Mariadb {
    place: Place,
    child: Child,
    client: PathBuf,
    dumper: PathBuf,
}

fn program(names: &[&str]) -> PathBuf {
    let folders = ["/usr/sbin", "/usr/bin", "/usr/local/bin"];
    let found = names.iter().flat_map(|n| folders.map(|f| Path::new(f).join(n))).find(|p| p.exists());
    found.unwrap_or_else(|| panic!("{} is needed; install the package mariadb-server", names[0]))
}

impl Mariadb {
    /// The server of Debian's package.
    #[must_use]
    pub fn debian() -> Self {
        let place = Place::new("mysql");
        let data = place.folder.path().join("data");
        let mut install = place.command(&program(&["mariadb-install-db", "mysql_install_db"]));
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]);
        done(install.arg(format!("--datadir={}", data.display())));
        let mut command = place.command(&program(&["mariadbd", "mysqld"]));
        command.args([
            "--no-defaults",
            "--skip-networking",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=64M",
            "--event-scheduler=OFF",
        ]);
        command.arg(format!("--datadir={}", data.display()));
        Self::run(place, command, program(&["mariadb"]), program(&["mariadb-dump"]))
    }

    /// A MySQL server whose programs lie in `bin`, and whose other files lie in `root`.
    #[must_use]
    pub fn mysql(bin: &Path, root: &Path) -> Self {
        let place = Place::new("mysql");
        let data = place.folder.path().join("data");
        let server = |more: &[&str]| {
            let mut command = place.command(&bin.join("mysqld"));
            command.args(["--no-defaults", "--secure-file-priv=", "--mysqlx=OFF"]).args(more);
            command.arg(format!("--basedir={}", root.join("usr").display()));
            command.arg(format!("--lc-messages-dir={}", root.join("usr/share/mysql").display()));
            command.arg(format!("--datadir={}", data.display()));
            command
        };
        done(&mut server(&["--initialize-insecure"]));
        let command = server(&["--skip-networking", "--event-scheduler=OFF", "--log-bin-trust-function-creators=1"]);
        Self::run(place, command, bin.join("mysql"), bin.join("mysqldump"))
    }

    fn run(place: Place, mut command: Command, client: PathBuf, dumper: PathBuf) -> Self {
        command.arg(format!("--socket={}", place.folder.path().join("sock").display()));
        let log = fs::File::create(place.folder.path().join("log")).expect("a file");
        let child = command.stdout(log.try_clone().expect("a handle")).stderr(log).spawn().expect("the server starts");
        let server = Self { place, child, client, dumper };
        wait_for("the server", || {
            server.command(&server.client).args(["-e", "SELECT 1"]).output().is_ok_and(|o| o.status.success())
        });
        server
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.place.folder.path().join("sock")
    }

    /// A URL for databases of it (already %-encoded) and an account.
    #[must_use]
    pub fn url(&self, account: &str, databases: &str) -> String {
        format!("mariadb://{account}@/{databases}?socket={}", self.socket().display())
    }

    /// The client program, which signs in as root.
    #[must_use]
    pub fn client(&self) -> Command {
        self.command(&self.client)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(["--no-defaults", "-uroot"]).arg(format!("--socket={}", self.socket().display())).stdin(Stdio::null());
        command
    }

    /// Runs SQL and answers what it prints.
    #[must_use]
    pub fn sql(&self, sql: &str) -> String {
        answer(self.command(&self.client).args(["--batch", "--skip-column-names", "--default-character-set=utf8mb4"]), sql)
    }

    /// What its own program dumps of a database, without what differs each time.
    #[must_use]
    pub fn dump(&self, database: &str, flags: &[&str]) -> String {
        let mut command = self.command(&self.dumper);
        command.args(["--hex-blob", "--skip-dump-date", "--default-character-set=utf8mb4"]).args(flags).args(["--", database]);
        done(&mut command).lines().filter(|l| !l.starts_with("-- Host: ")).map(|l| format!("{l}\n")).collect()
    }

    /// Kills the server as a crash would.
    pub fn kill(&mut self) {
        let _ =
            Command::new("pkill").args(["-9", "-f", &format!("{}", self.place.folder.path().join("data").display())]).status();
        let _ = self.child.wait();
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.child.id() as i32), nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// A database of PostgreSQL with one of everything.
pub const POSTGRES_SCHEMA: &str = r#"
CREATE ROLE owner_of_all; CREATE ROLE "rea;der";
CREATE SCHEMA "Sh;op" AUTHORIZATION owner_of_all;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE SEQUENCE numbers START 41;
SELECT nextval('numbers');
CREATE TABLE "Sh;op"."we""ird
t" (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text DEFAULT 'it''s; \', b mood, doubled integer GENERATED ALWAYS AS (n * 2) STORED, n integer, raw bytea);
INSERT INTO "Sh;op"."we""ird
t" (a, b, n, raw) SELECT E'line\nbreak\ttab\\.\\ ' || i, 'ok', i, decode(md5(i::text), 'hex') FROM generate_series(1, 3000) i;
INSERT INTO "Sh;op"."we""ird
t" (a) VALUES (E'\\.'), (NULL), (''), ('\N'), ('\! touch x'), ('été €');
CREATE TABLE parent (id integer PRIMARY KEY, at date NOT NULL DEFAULT '2026-01-01', UNIQUE (id, at));
CREATE TABLE child (id serial, parent integer REFERENCES parent, PRIMARY KEY (id));
INSERT INTO parent SELECT generate_series(1, 100); INSERT INTO child (parent) SELECT generate_series(1, 50);
CREATE TABLE parts (id integer, v text) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (100);
INSERT INTO parts SELECT i, 'x' FROM generate_series(1, 50) i;
CREATE TABLE empty_one (a integer);
CREATE TABLE no_columns ();
CREATE VIEW seen AS SELECT id, a FROM "Sh;op"."we""ird
t";
CREATE MATERIALIZED VIEW kept AS SELECT count(*) AS n FROM parent;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $_$ begin /* COPY x FROM stdin; */ new.at := '2026-02-02'; return new; end $_$;
CREATE TRIGGER touching BEFORE UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION touch();
CREATE FUNCTION two() RETURNS integer BEGIN ATOMIC SELECT CASE WHEN true THEN 2 END; END;
CREATE PROCEDURE nothing() LANGUAGE sql AS 'SELECT 1; SELECT 2';
CREATE AGGREGATE total (integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
CREATE RULE quiet AS ON DELETE TO empty_one DO INSTEAD (SELECT 1; SELECT 2);
ALTER TABLE child ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON child USING (id > 0);
SELECT lo_from_bytea(4242, decode(repeat('00ff5c27', 5000), 'hex'));
COMMENT ON TABLE parent IS 'a comment; with ''quotes'' and
-- Name: a trap; Type: TABLE; Schema: x';
GRANT SELECT ON parent TO "rea;der"; GRANT USAGE ON SCHEMA "Sh;op" TO PUBLIC;
ALTER TABLE parent OWNER TO owner_of_all;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO "rea;der";
"#;

/// Compares texts of dumps and says where they part.
///
/// # Panics
/// They differ.
#[track_caller]
pub fn same_text(found: &str, expected: &str, what: &str) {
    let first = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
    assert!(
        found == expected,
        "{what}: {:?}",
        first.map_or(("one is longer", ""), |(a, b)| (&a[..a.len().min(300)], &b[..b.len().min(300)]))
    );
}
