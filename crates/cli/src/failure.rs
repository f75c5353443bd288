//! The one place where errors become words and exit codes.

use backup_client::ClientError;
use std::process::ExitCode;

/// Why a command failed, with its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Says on stderr what failed.
    #[expect(clippy::print_stderr, reason = "errors of the command line go to stderr")]
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        if json {
            eprintln!("{}", serde_json::json!({ "type": "error", "exit_code": self.code, "message": self.message }));
        } else if !self.message.is_empty() {
            eprintln!("backupctl: {}", self.message);
        }
        ExitCode::from(self.code)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let code = match &error {
            ClientError::NotRunning(_) => 4,
            ClientError::Problem(p) => match p.code.as_str() {
                "not_found" => 5,
                "invalid" => 2,
                "conflict" if p.detail.contains("already a schedule") => 2,
                "needs_daemon" => 4,
                _ => 1,
            },
            ClientError::Denied(_) | ClientError::Transport(_) => 1,
        };
        Self::new(code, error.to_string())
    }
}

impl From<backup_operations::OperationError> for Failure {
    fn from(error: backup_operations::OperationError) -> Self {
        let code = match error.code() {
            "not_found" => 5,
            "invalid" => 2,
            "needs_daemon" => 4,
            _ => 1,
        };
        Self::new(code, error.to_string())
    }
}

impl From<backup_config::HomeError> for Failure {
    fn from(error: backup_config::HomeError) -> Self {
        let code = if matches!(error, backup_config::HomeError::Missing { .. } | backup_config::HomeError::NoFile { .. }) {
            5
        } else {
            1
        };
        Self::new(code, error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(1, error.to_string())
    }
}
