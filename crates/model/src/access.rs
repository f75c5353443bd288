//! Who may do what with the API.

use crate::run::{ParseWordError, words};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

words! {
    /// What a person may do.
    Role, "role (viewer, operator, admin)" {
        /// Look.
        Viewer = "viewer",
        /// Look, run, restore, verify.
        Operator = "operator",
        /// Everything.
        Admin = "admin",
    }
}

words! {
    /// What a credential allows, and what a route asks for.
    Scope, "scope (read, operate, admin, upload)" {
        /// To look.
        Read = "read",
        /// To run, restore and verify, and to look.
        Operate = "operate",
        /// Everything.
        Admin = "admin",
        /// To send archives to the receiver, and nothing else.
        Upload = "upload",
    }
}

impl Role {
    /// What the role allows.
    #[must_use]
    pub fn scope(self) -> Scope {
        match self {
            Self::Viewer => Scope::Read,
            Self::Operator => Scope::Operate,
            Self::Admin => Scope::Admin,
        }
    }
}

impl Scope {
    /// Whether who holds this may do what asks for `needed`.
    #[must_use]
    pub fn allows(self, needed: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Operate => matches!(needed, Self::Operate | Self::Read),
            Self::Read => needed == Self::Read,
            Self::Upload => needed == Self::Upload,
        }
    }
}

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Place in the log, from 1 without gaps.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Who: `user:NAME`, `token:NAME`, `uid:N` of the Unix socket or the command line.
    pub actor: String,
    /// From where: an address, `socket` or `local`.
    pub origin: String,
    /// What was asked: method and route, or a word such as `sign-in`.
    pub action: String,
    /// On what.
    pub target: String,
    /// What came of it: an HTTP status.
    pub outcome: String,
    /// What else is worth knowing; never a secret.
    pub detail: String,
    /// SHA-256 over the entry before and this one, in hexadecimal.
    pub hash: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_contain_one_another() {
        let table = [
            (Scope::Read, [true, false, false, false]),
            (Scope::Operate, [true, true, false, false]),
            (Scope::Admin, [true, true, true, true]),
            (Scope::Upload, [false, false, false, true]),
        ];
        for (held, row) in table {
            for (needed, allowed) in Scope::ALL.iter().zip(row) {
                assert_eq!(held.allows(*needed), allowed, "{held} for {needed}");
            }
        }
        assert_eq!(Role::Operator.scope(), Scope::Operate);
    }
}
