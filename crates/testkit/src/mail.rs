//! A mail server of a test's own: aiosmtpd, with STARTTLS or TLS and sign-in, and certificates of an own authority.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Who may sign in, with a password that quoting gets wrong.
pub const MAIL_USER: (&str, &str) = ("backup", "a\"b\\c#d e");

/// Takes mail as files; signs in `MAIL_USER` only, over TLS only. It prints its port when it is ready.
const PROGRAM: &str = r#"
import asyncio, os, ssl, sys
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
folder, mode, port, user, password = sys.argv[1:6]
class Handler:
    count = 0
    async def handle_DATA(self, server, session, envelope):
        Handler.count += 1
        name = os.path.join(folder, "%05d" % Handler.count)
        with open(name + ".part", "wb") as f:
            f.write(("X-Tls: %s\nX-To: %s\n" % (session.ssl is not None or mode == "tls", ",".join(envelope.rcpt_tos))).encode() + envelope.content)
        os.rename(name + ".part", name + ".eml")
        return "250 taken"
def sign_in(server, session, envelope, mechanism, data):
    ok = data.login == user.encode() and data.password == password.encode()
    return AuthResult(success=ok, handled=False)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
secure = mode != "plain"
class Mine(Controller):
    def factory(self):
        return SMTP(self.handler, hostname="localhost", tls_context=context if mode == "starttls" else None, require_starttls=mode == "starttls",
            auth_required=secure, authenticator=sign_in, auth_require_tls=mode == "starttls")
c = Mine(Handler(), hostname="127.0.0.1", port=int(port), ssl_context=context if mode == "tls" else None)
async def serve():
    server = await asyncio.get_running_loop().create_server(c.factory, "127.0.0.1", int(port), ssl=c.ssl_context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(serve())
"#;

/// A mail server; it ends with the value.
pub struct MailServer {
    child: Child,
    folder: PathBuf,
    /// Its port on 127.0.0.1.
    pub port: u16,
}

/// Writes an authority and a certificate of it for localhost into a folder: `ca.pem`, `cert.pem`, `key.pem`.
pub fn make_certificates(folder: &Path) {
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    let ca = rcgen::CertifiedIssuer::self_signed(params, key).expect("an authority");
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("parameters");
    let key = rcgen::KeyPair::generate().expect("a key");
    let leaf = params.signed_by(&key, &ca).expect("a certificate");
    fs::write(folder.join("ca.pem"), ca.pem()).expect("a file");
    fs::write(folder.join("cert.pem"), leaf.pem()).expect("a file");
    fs::write(folder.join("key.pem"), key.serialize_pem()).expect("a file");
}

impl MailServer {
    /// Starts one in a folder that [`make_certificates`] has filled; `mode` is `plain`, `starttls` or `tls`, port 0 any.
    #[must_use]
    pub fn start(folder: &Path, mode: &str, port: u16) -> Self {
        let mut child = Command::new("/usr/bin/python3")
            .args(["-c", PROGRAM])
            .arg(folder)
            .args([mode, &port.to_string(), MAIL_USER.0, MAIL_USER.1])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 with the package python3-aiosmtpd");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let port = line.trim().parse().expect("a port");
        Self { child, folder: folder.to_owned(), port }
    }

    /// The mails that were taken, oldest first, as they came.
    #[must_use]
    pub fn mails(&self) -> Vec<String> {
        mails(&self.folder)
    }
}

/// The mails in a server's folder.
#[must_use]
pub fn mails(folder: &Path) -> Vec<String> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).expect("the folder").map(|e| e.expect("an entry").path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "eml"));
    paths.sort();
    paths.iter().map(|p| String::from_utf8_lossy(&fs::read(p).expect("a mail")).into_owned()).collect()
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
