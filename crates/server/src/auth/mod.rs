//! Who may call which route: every route has a rule, every caller a scope.
//!
//! The Unix socket and calls in process bring their caller with them. Over TCP a caller shows a session's cookie or a
//! token (`Authorization: Bearer …`); who shows neither is nobody, and nobody may only sign in.

mod browser;
mod limits;
mod visitor;

pub(crate) use browser::browsers;
pub(crate) use limits::Limits;
pub(crate) use visitor::{COOKIES, Visitor, arrive, cookie, seen};

use crate::problem::{ApiError, ApiResult};
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use backup_model::Scope;
use backup_operations::{App, Caller, Refused};
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Required, ResponseBuilder, Type};
use utoipa_axum::router::OpenApiRouter;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Anybody, also before there is an admin.
    Public,
    /// Whoever holds this scope.
    Needs(Scope),
}

/// What a handler adds to the entry of the audit log.
#[derive(Clone, Debug)]
pub(crate) struct AuditNote(pub(crate) String);

/// Who is no admin may name archives and databases that are known here, but no file of the machine and no other server.
pub(crate) fn by_name(caller: &Caller, word: &str) -> ApiResult<()> {
    if caller.scope == Scope::Admin || !word.contains('/') {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "forbidden",
        format!("{} may use names and ids here; files and other servers are for admins", caller.actor),
    ))
}

/// What `routes!` makes.
type Named = (Vec<(String, RefOr<utoipa::openapi::Schema>)>, Paths, MethodRouter<App>);

/// Routes with their rules: there is no other way to add a route, so none is without one.
pub(crate) struct Routes(OpenApiRouter<App>);

impl Routes {
    pub(crate) fn new(document: utoipa::openapi::OpenApi) -> Self {
        Self(OpenApiRouter::with_openapi(document))
    }

    /// Adds what `routes!` names, for those that the rule allows.
    pub(crate) fn rule(self, rule: Rule, (schemas, mut paths, methods): Named) -> Self {
        document(&mut paths, rule);
        let methods = methods.route_layer(from_fn(move |request: Request, next: Next| gate(rule, request, next)));
        Self(self.0.routes((schemas, paths, methods)))
    }

    pub(crate) fn into_inner(self) -> OpenApiRouter<App> {
        self.0
    }
}

/// Says in the document what a rule asks for and how it refuses, and what the words in braces are.
fn document(paths: &mut Paths, rule: Rule) {
    for (path, item) in &mut paths.paths {
        // The predecessors' routes refuse in shapes of their own.
        let ours = path.starts_with("/api/v1/") || !path.starts_with("/api/");
        let names: Vec<String> = path.split('{').skip(1).filter_map(|p| p.split_once('}')).map(|(n, _)| n.to_owned()).collect();
        let operations: [(&str, &mut Option<Operation>); 5] = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("delete", &mut item.delete),
            ("patch", &mut item.patch),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            // Names of handlers repeat, ids must not (OpenAPI 3.1, 4.8.10).
            let words: Vec<&str> = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
            operation.operation_id = Some(format!("{method}_{}", words.join("_")));
            operation.security = Some(match rule {
                Rule::Public => Vec::new(),
                Rule::Needs(scope) => ["token", "session"].map(|way| SecurityRequirement::new(way, [scope.as_str()])).to_vec(),
            });
            let parameters = operation.parameters.get_or_insert_default();
            for name in &names {
                let text = if name == "id" && path.contains("configurations") { Type::Integer } else { Type::String };
                let schema = ObjectBuilder::new().schema_type(text).build();
                let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).schema(Some(schema));
                parameters.push(RefOr::T(parameter.required(Required::True).build()));
            }
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response
                    && ours
                    && status.starts_with(['4', '5'])
                    && let Some(content) = response.content.shift_remove("application/json")
                {
                    response.content.insert("application/problem+json".to_owned(), content);
                }
            }
            let body = operation.request_body.is_some();
            for (status, _) in REFUSALS {
                let fits = match *status {
                    "401" => rule != Rule::Public,
                    "408" | "413" | "415" => body,
                    _ => true,
                };
                if fits {
                    let name = if ours { "Problem" } else { "Refusal" };
                    let shared = RefOr::Ref(Ref::from_response_name(format!("{name}{status}")));
                    operation.responses.responses.entry((*status).to_owned()).or_insert(shared);
                }
            }
        }
    }
}

/// How any route may refuse.
const REFUSALS: &[(&str, &str)] = &[
    ("400", "the request is not what is needed"),
    ("401", "nobody is signed in, or the session has ended"),
    ("403", "the scope does not suffice, or a page of another origin asked"),
    ("408", "the body did not come in time"),
    ("413", "the body is too large"),
    ("415", "the body is no JSON"),
    ("421", "the Host is not known"),
    ("429", "too many failures; Retry-After says for how long"),
    ("500", "the server failed"),
    ("503", "too many requests at a time, or the daemon is not running"),
];

/// The shared parts of the document: refusals, and the ways to show who one is.
pub(crate) fn components(components: &mut utoipa::openapi::Components) {
    for (status, text) in REFUSALS {
        let content = ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name("Problem")))).build();
        let response = ResponseBuilder::new().description(*text).content("application/problem+json", content).build();
        components.responses.insert(format!("Problem{status}"), RefOr::T(response));
        let content = ContentBuilder::new().schema(Some(RefOr::T(ObjectBuilder::new().build().into()))).build();
        let response = ResponseBuilder::new().description(*text).content("application/json", content).build();
        components.responses.insert(format!("Refusal{status}"), RefOr::T(response));
    }
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("a token: `backupctl token create`")).build();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    let cookie = ApiKeyValue::with_description(COOKIES[0], "set by POST /api/v1/session; `backupd` where there is no TLS");
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
}

fn unauthorized(code: &str, detail: &str) -> Response {
    let problem = ApiError::new(StatusCode::UNAUTHORIZED, code, detail);
    ([(header::WWW_AUTHENTICATE, "Bearer")], problem).into_response()
}

/// Lets a request to its handler, or refuses it; writes what was changed into the audit log.
async fn gate(rule: Rule, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().cloned();
    let app = request.extensions().get::<App>().cloned();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route = request.extensions().get::<axum::extract::MatchedPath>().map_or_else(|| path.clone(), |m| m.as_str().to_owned());
    let changes = !matches!(method, Method::GET | Method::HEAD);
    let response = match (rule, &caller) {
        (Rule::Public, _) => next.run(request).await,
        (Rule::Needs(_), None) => match request.extensions().get::<Refused>() {
            Some(Refused::Expired) => unauthorized("session_expired", "the session or token has ended; sign in again"),
            Some(Refused::Unknown) => unauthorized("unauthorized", "this session or token is not known; sign in again"),
            None => match &app {
                Some(app) if !app.catalogue().has_admin().await.unwrap_or(true) => unauthorized(
                    "setup_needed",
                    "nobody can sign in yet; `backupctl user add NAME --role admin` adds the first admin",
                ),
                _ => unauthorized("unauthorized", "sign in first, or send a token: Authorization: Bearer bkp_…"),
            },
        },
        (Rule::Needs(needed), Some(who)) if who.scope.allows(needed) => next.run(request).await,
        (Rule::Needs(needed), Some(who)) => ApiError::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            format!("{} has the scope {}, and this needs {needed}; ask an admin", who.actor, who.scope),
        )
        .into_response(),
    };
    let note = response.extensions().get::<AuditNote>().map(|n| n.0.clone());
    let refused = response.status() == StatusCode::FORBIDDEN;
    if let (Some(app), Some(caller)) = (app, caller)
        && (changes || note.is_some() || refused)
    {
        let action = format!("{method} {route}");
        app.audit(&caller, &action, &path, response.status().as_str(), note.as_deref().unwrap_or("")).await;
    }
    response
}
