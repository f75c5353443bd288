//! S0: one call makes a tar.gz of a folder, two tell what was done.

use super::{Tongue, tongue};
use crate::auth::AuditNote;
use crate::extract::Body;
use crate::problem::{ApiError, ApiResult};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use backup_model::{Run, RunStatus, StatusGroup};
use backup_operations::catalogue::{HistoryFilter, StatsFilter};
use backup_operations::{App, OperationError, copy_name, frequency_of};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What S0's page sends.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub(super) struct CopyRequest {
    /// An existing folder.
    source: String,
    /// A folder beneath `[daemon] allowed_destinations`; it is made if it is not there.
    destination: String,
    /// `manual`, `hourly`, `daily`, `weekly` or `monthly`.
    frequency: String,
}

/// Waits for a run's end.
async fn end_of(app: &App, run: &Run) -> ApiResult<Run> {
    let changed = app.runs_changed();
    loop {
        let told = changed.notified();
        tokio::pin!(told);
        told.as_mut().enable();
        let now = app.find_run(&run.id.to_string()).await?;
        if now.status.group() != StatusGroup::Open && app.snapshot(run.id).is_none() {
            return Ok(now);
        }
        let _ = tokio::time::timeout(std::time::Duration::from_millis(500), told).await;
    }
}

/// S0: makes a tar.gz of a folder in another, and goes on doing so if a frequency is given.
#[utoipa::path(post, path = "/api/backup", request_body = CopyRequest, responses((status = 200, body = Object), (status = 400, body = Object)))]
pub(super) async fn backup(State(app): State<App>, headers: HeaderMap, Body(wish): Body<CopyRequest>) -> ApiResult<Response> {
    let tongue = tongue(&headers);
    for (name, value) in [("source", &wish.source), ("destination", &wish.destination), ("frequency", &wish.frequency)] {
        if value.trim().is_empty() {
            return Err(ApiError::invalid(match tongue {
                Tongue::French => format!("Le champ « {name} » est obligatoire"),
                Tongue::English => format!("the field {name} is required"),
            }));
        }
    }
    let (run, known) = app.copy_folder(&wish.source, &wish.destination, &wish.frequency).await?;
    let done = end_of(&app, &run).await?;
    let named = done.archive_path.as_deref().and_then(|p| copy_name(std::path::Path::new(p)));
    let there = named.as_ref().is_some_and(|n| std::path::Path::new(&known.folder).join(n).exists());
    let note = Extension(AuditNote(format!("{} to {}, {}", known.source, known.folder, wish.frequency)));
    match (done.status, named) {
        (RunStatus::Completed | RunStatus::Warning, Some(file)) if there => {
            let message = tongue.say("Sauvegarde réussie", "Backup successful");
            Ok((note, Json(json!({ "success": true, "message": message, "file": file }))).into_response())
        }
        _ => {
            let error = done.error.unwrap_or_else(|| tongue.say("La sauvegarde a échoué", "the backup failed").to_owned());
            Ok((StatusCode::BAD_REQUEST, note, Json(json!({ "success": false, "error": error }))).into_response())
        }
    }
}

/// S0: the latest of each source, destination and frequency.
#[utoipa::path(get, path = "/api/history", responses((status = 200, body = Vec<Object>)))]
pub(super) async fn history(State(app): State<App>, headers: HeaderMap) -> ApiResult<Json<Vec<Value>>> {
    let tongue = tongue(&headers);
    let file = app.file();
    let mut rows = Vec::new();
    for known in app.catalogue().predecessors("s0").await.map_err(OperationError::from)? {
        let filter = HistoryFilter {
            name: Some(known.name.clone()),
            operation: Some(backup_model::Operation::Backup),
            limit: 1,
            ..HistoryFilter::default()
        };
        let page = app.catalogue().history(&filter).await.map_err(OperationError::from)?;
        let Some(run) = page.runs.first() else { continue };
        let good = run.status.group() == StatusGroup::Good;
        let named = run.archive_path.as_deref().and_then(|p| copy_name(std::path::Path::new(p)));
        rows.push(json!({
            "file": named,
            "source": known.source,
            "destination": known.folder,
            "frequency": file.schedule(&known.name).map_or_else(|| "manual".to_owned(), frequency_of),
            "status": if good { tongue.say("Succès", "Success") } else { tongue.say("Échec", "Failure") },
            "date": run.ended.unwrap_or(run.created).with_timezone(&app.zone()).to_rfc3339(),
            "error": run.error,
        }));
    }
    Ok(Json(rows))
}

/// S0: figures for charts, over all backups.
#[utoipa::path(get, path = "/api/stats", responses((status = 200, body = Object)))]
pub(super) async fn stats(State(app): State<App>) -> ApiResult<Json<Value>> {
    let today = app.now().timestamp().div_euclid(86_400);
    let filter = StatsFilter { name: None, from_day: today - 36_500, to_day: today + 1 };
    let stats = app.catalogue().statistics(&filter).await.map_err(OperationError::from)?;
    let by_schedule = app.catalogue().statistics_by_schedule(&filter).await.map_err(OperationError::from)?;
    let file = app.file();
    let mut by_frequency: BTreeMap<String, u64> = BTreeMap::new();
    for row in by_schedule {
        let frequency = file.schedule(&row.key).map_or_else(|| "manual".to_owned(), frequency_of);
        *by_frequency.entry(frequency).or_default() += row.count;
    }
    let day = |n: i64| chrono::DateTime::from_timestamp(n * 86_400, 0).map(|d| d.format("%Y-%m-%d").to_string());
    let per_day: Vec<Value> = stats
        .by_day
        .iter()
        .map(|d| json!({ "date": day(d.day), "count": d.sums.count, "success": d.sums.good, "failed": d.sums.failed }))
        .collect();
    Ok(Json(json!({
        "total": stats.total.count,
        "success": stats.total.good,
        "failed": stats.total.failed,
        "per_day": per_day,
        "by_frequency": by_frequency,
    })))
}
