//! Statistics.

use crate::extract::Params;
use crate::problem::{ApiError, ApiResult};
use axum::Json;
use axum::extract::State;
use backup_operations::catalogue::{GroupCount, StatsFilter};
use backup_operations::{App, OperationError};
use backup_wire::{DayStateView, DayView, GroupView, Page, Problem, StatsView, TrendView};
use chrono::{Days, NaiveDate};
use serde::Deserialize;

/// Which statistics.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StatsParams {
    /// A schedule's name; all if it is left out.
    schedule: Option<String>,
    /// Days to look back, today included; 30 by default.
    days: Option<u32>,
}

fn group(g: &GroupCount) -> GroupView {
    let decided = g.good + g.failed;
    GroupView {
        key: g.key.clone(),
        count: g.count,
        good: g.good,
        failed: g.failed,
        success_rate: (decided > 0).then(|| g.good as f64 / decided as f64),
        mean_seconds: (g.good > 0).then(|| g.good_ms as f64 / 1000.0 / g.good as f64),
        stored: g.stored,
    }
}

fn date(day: i64) -> String {
    let epoch = NaiveDate::default();
    let date = if day >= 0 {
        epoch.checked_add_days(Days::new(day.unsigned_abs()))
    } else {
        epoch.checked_sub_days(Days::new(day.unsigned_abs()))
    };
    date.unwrap_or(epoch).to_string()
}

/// Statistics over backups: success rate, space, durations, trend, by kind, day and schedule.
#[utoipa::path(get, path = "/api/v1/stats", params(StatsParams), responses((status = 200, body = StatsView), (status = 400, body = Problem)))]
pub(super) async fn stats(State(app): State<App>, Params(params): Params<StatsParams>) -> ApiResult<Json<StatsView>> {
    let days = i64::from(params.days.unwrap_or(30));
    if !(1..=36_500).contains(&days) {
        return Err(ApiError::invalid("`days` must be a number from 1 to 36500"));
    }
    let today = app.now().timestamp().div_euclid(86_400);
    let name = params.schedule.clone();
    let range = |from_day: i64, to_day: i64| StatsFilter { name: name.clone(), from_day, to_day };
    let catalogue = app.catalogue();
    let span = range(today - days + 1, today + 1);
    let stats = catalogue.statistics(&span).await.map_err(OperationError::from)?;
    let last = catalogue.statistics(&range(today - 6, today + 1)).await.map_err(OperationError::from)?.total;
    let before = catalogue.statistics(&range(today - 13, today - 6)).await.map_err(OperationError::from)?.total;
    let by_schedule = match &params.schedule {
        Some(_) => Vec::new(),
        None => catalogue.statistics_by_schedule(&span).await.map_err(OperationError::from)?,
    };
    let (archives, space) = catalogue.archive_totals(params.schedule.as_deref()).await.map_err(OperationError::from)?;
    Ok(Json(StatsView {
        from: date(today - days + 1),
        to: date(today),
        total: group(&stats.total),
        archives,
        space,
        trend: TrendView {
            change: (before.count > 0).then(|| (last.count as f64 - before.count as f64) / before.count as f64),
            last: group(&last),
            before: group(&before),
        },
        by_kind: stats.by_kind.iter().map(group).collect(),
        by_status: stats.by_status.iter().map(group).collect(),
        by_schedule: by_schedule.iter().map(group).collect(),
        by_day: stats.by_day.iter().map(|d| DayView { date: date(d.day), sums: group(&d.sums) }).collect(),
    }))
}

/// Which days.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DaysParams {
    /// Days to look back, today included, at most 366; 30 by default.
    days: Option<u32>,
}

/// How the backups of each schedule ended on each day.
#[utoipa::path(get, path = "/api/v1/days", params(DaysParams), responses((status = 200, body = Page<DayStateView>), (status = 400, body = Problem)))]
pub(super) async fn days(State(app): State<App>, Params(params): Params<DaysParams>) -> ApiResult<Json<Page<DayStateView>>> {
    let days = i64::from(params.days.unwrap_or(30));
    if !(1..=366).contains(&days) {
        return Err(ApiError::invalid("days must be from 1 to 366"));
    }
    let today = app.now().timestamp().div_euclid(86_400);
    let states = app.catalogue().day_states(today - days + 1, today + 1).await.map_err(OperationError::from)?;
    let items: Vec<DayStateView> = states
        .into_iter()
        .map(|d| DayStateView { schedule: d.name, date: date(d.day), status: d.status, count: d.count })
        .collect();
    let total = items.len() as u64;
    Ok(Json(Page::new(items, total, 0)))
}
