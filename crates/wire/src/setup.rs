//! Configurations on their way, templates, sample data.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A file to take in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportRequest {
    /// The text of a `schedules.toml`.
    pub text: String,
    /// Only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// How a template is applied.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ApplyRequest {
    /// Only say what would be done.
    pub dry_run: bool,
}

/// An entry of the file.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportedView {
    /// `schedule`, `database`, `notifier` or `configuration`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whether it is new; otherwise it was there already, the same.
    pub added: bool,
}

/// A template.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TemplateView {
    /// Its name.
    pub name: String,
    /// What it makes.
    pub text: String,
}

/// How much sample data to make.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SampleRequest {
    /// How many runs, 1 to 10000.
    pub count: usize,
}

impl Default for SampleRequest {
    fn default() -> Self {
        Self { count: 30 }
    }
}
