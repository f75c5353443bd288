//! Databases: the file's entries, their tests, restores into them.

use crate::auth::{AuditNote, by_name};
use crate::extract::{Body, Paging, Params, Path};
use crate::problem::{ApiError, ApiResult};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use backup_model::Step;
use backup_operations::{App, Caller, DatabaseEntry, DatabaseWish, GivenSecret};
use backup_wire::{DatabaseRestoreRequest, DatabaseView, NewDatabase, Page, Problem, RunView, TestStep};
use std::path::PathBuf;

/// The steps of a test.
pub(super) fn page_of_steps(steps: Vec<Step>) -> Page<TestStep> {
    let items: Vec<TestStep> =
        steps.into_iter().map(|s| TestStep { step: s.name, ok: s.ok, text: s.text, seconds: s.took.as_secs_f64() }).collect();
    let total = items.len() as u64;
    Page::new(items, total, 0)
}

/// A secret that is given in at most one way.
pub(super) fn secret_of(
    what: &str,
    text: Option<String>,
    file: Option<String>,
    variable: Option<String>,
) -> ApiResult<Option<GivenSecret>> {
    match (text, file, variable) {
        (None, None, None) => Ok(None),
        (Some(text), None, None) => Ok(Some(GivenSecret::Text(text))),
        (None, Some(path), None) => Ok(Some(GivenSecret::File(path))),
        (None, None, Some(name)) => Ok(Some(GivenSecret::Env(name))),
        _ => Err(ApiError::invalid(format!("give at most one of {what}, {what}_file and {what}_env"))),
    }
}

fn wish(new: NewDatabase) -> ApiResult<DatabaseEntry> {
    let password = secret_of("password", new.password, new.password_file, new.password_env)?;
    Ok(DatabaseEntry { name: new.name, url: new.url, password, unset: new.unset })
}

fn view(app: &App, name: &str) -> ApiResult<DatabaseView> {
    let file = app.file();
    let found = file.database(name).ok_or_else(|| {
        let text = format!("there is no database {name}; `backupctl database list` shows all");
        ApiError::new(StatusCode::NOT_FOUND, "not_found", text)
    })?;
    let copies = file.schedules.iter().filter(|s| s.database.as_ref() == Some(&found.name));
    Ok(DatabaseView::new(found, copies.map(|s| s.name.to_string()).collect()))
}

/// All databases of the file.
#[utoipa::path(get, path = "/api/v1/databases", params(Paging), responses((status = 200, body = Page<DatabaseView>)))]
pub(super) async fn list(State(app): State<App>, Params(paging): Params<Paging>) -> ApiResult<Json<Page<DatabaseView>>> {
    let names: Vec<String> = app.file().databases.iter().map(|d| d.name.to_string()).collect();
    let items = names.iter().map(|name| view(&app, name)).collect::<ApiResult<Vec<_>>>()?;
    Ok(Json(paging.page_of(items)?))
}

/// Adds a database to the file.
#[utoipa::path(post, path = "/api/v1/databases", request_body = NewDatabase, responses((status = 201, body = DatabaseView), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn add(State(app): State<App>, Body(new): Body<NewDatabase>) -> ApiResult<(StatusCode, Json<DatabaseView>)> {
    let name = new.name.clone();
    app.add_database(wish(new)?)?;
    Ok((StatusCode::CREATED, Json(view(&app, &name)?)))
}

/// Changes what is given of a database of the file; the rest stays.
#[utoipa::path(patch, path = "/api/v1/databases/{name}", request_body = NewDatabase, responses((status = 200, body = DatabaseView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn change(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(change): Body<NewDatabase>,
) -> ApiResult<Json<DatabaseView>> {
    app.change_database(wish(NewDatabase { name: name.clone(), ..change })?)?;
    Ok(Json(view(&app, &name)?))
}

/// Removes a database from the file; its archives stay.
#[utoipa::path(delete, path = "/api/v1/databases/{name}", responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn delete(State(app): State<App>, Path(name): Path<String>) -> ApiResult<StatusCode> {
    app.delete_database(&name)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Looks at everything that backups of a database need, step by step.
#[utoipa::path(post, path = "/api/v1/databases/{name}/test", responses((status = 200, body = Page<TestStep>), (status = 404, body = Problem)))]
pub(super) async fn test(State(app): State<App>, Path(name): Path<String>) -> ApiResult<Json<Page<TestStep>>> {
    let steps = app.test_database(&name).await?;
    Ok(Json(page_of_steps(steps)))
}

/// Restores an archive of a database into a database: a new one, compared with the archive, takes the place of the old.
#[utoipa::path(post, path = "/api/v1/database-restores", request_body = DatabaseRestoreRequest, responses((status = 202, body = RunView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn restore(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(wish): Body<DatabaseRestoreRequest>,
) -> ApiResult<(StatusCode, Extension<AuditNote>, Json<RunView>)> {
    for word in [&wish.archive, &wish.into, wish.password_file.as_ref().unwrap_or(&String::new())] {
        by_name(&caller, word)?;
    }
    let note = AuditNote(format!("{} into {}", wish.archive, wish.into));
    let request = DatabaseWish {
        archive: PathBuf::new(),
        into: wish.into,
        server: wish.server,
        password_file: wish.password_file.map(PathBuf::from),
        overwrite: wish.overwrite,
        no_safety_dump: wish.no_safety_dump,
        metadata_only: wish.metadata_only,
        table: wish.table,
        no_owner: wish.no_owner,
        keep_old: wish.keep_old,
    };
    let run = app.request_database_restore(&wish.archive, wish.database.as_deref(), request).await?;
    Ok((StatusCode::ACCEPTED, Extension(note), Json(RunView::new(&run, &app.zone()))))
}
