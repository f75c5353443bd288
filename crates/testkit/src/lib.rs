//! What tests share. Only for `tests/` folders and test modules.

mod broken;
mod history;
mod home;
mod hooks;
mod mail;
mod remote;
mod servers;
mod tree;

pub use broken::{Breaks, mount_broken};
pub use history::RandomTree;
pub use home::{Ran, TestHome};
pub use hooks::{Asked, HookServer};
pub use mail::{MAIL_USER, MailServer, mails, make_certificates};
pub use remote::{DAV_USER, Dav, S3_KEY, Seaweed, Sshd};
pub use servers::{Mariadb, POSTGRES_SCHEMA, Postgres, percent, same_text};
pub use tree::{describe, make_extremes, make_many, make_tree, make_tree_as_root};

/// Whether this is root; says on stderr what is left out if not. CI runs as root, so nothing is
/// left out there.
#[must_use]
#[expect(clippy::print_stderr, reason = "a test says why it checks nothing")]
pub fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("left out: this test needs root, to mount, to become others or to give files away");
    }
    root
}
