//! The API's description as a page for people, made from the OpenAPI document. No script, nothing from elsewhere.

use crate::api::openapi;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use serde_json::Value;
use std::fmt::Write;

fn safe(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A schema in a word, linked where it has a name.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.rsplit('/').next()) {
        return format!("<a href=\"#{0}\">{0}</a>", safe(name));
    }
    if let Some(list) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        return list.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let words = match &schema["type"] {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        other => other.as_str().unwrap_or("any").to_owned(),
    };
    match schema.get("items") {
        Some(items) => format!("{} of {}", safe(&words), kind(items)),
        None => safe(&words),
    }
}

fn row(out: &mut String, name: &str, what: &str, text: &str) {
    let _ = write!(out, "<tr><td><code>{}</code></td><td>{what}</td><td>{}</td></tr>", safe(name), safe(text));
}

fn operation(out: &mut String, method: &str, path: &str, o: &Value) {
    let text = |key: &str| o[key].as_str().unwrap_or_default();
    let scope = o["security"].as_array().and_then(|s| s.first()).and_then(|s| s["token"][0].as_str()).unwrap_or("anybody");
    let _ = write!(
        out,
        "<section><h2><b>{}</b> <code>{}</code> <i>{}</i></h2><p>{} {}</p>",
        method.to_uppercase(),
        safe(path),
        safe(scope),
        safe(text("summary")),
        safe(text("description"))
    );
    let parameters = o["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let body = &o["requestBody"]["content"]["application/json"]["schema"];
    if !parameters.is_empty() || !body.is_null() {
        out.push_str("<table>");
        for p in parameters {
            let place = format!("{}, in the {}", kind(&p["schema"]), safe(p["in"].as_str().unwrap_or_default()));
            row(out, p["name"].as_str().unwrap_or_default(), &place, p["description"].as_str().unwrap_or_default());
        }
        if !body.is_null() {
            row(out, "body", &kind(body), "");
        }
        out.push_str("</table>");
    }
    out.push_str("<p>");
    for (status, answer) in o["responses"].as_object().into_iter().flatten() {
        let schema = answer["content"].as_object().and_then(|c| c.values().next()).map(|c| kind(&c["schema"]));
        if status.starts_with('2') {
            let _ = write!(out, "<b>{}</b> {} ", safe(status), schema.unwrap_or_default());
        } else {
            let _ = write!(out, "{} ", safe(status));
        }
    }
    out.push_str("</p></section>");
}

/// The page's text.
fn render() -> String {
    let document = serde_json::to_value(openapi()).unwrap_or_default();
    let mut out = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>backupd: HTTP API</title><style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
         color-scheme:light dark}h2{font-size:1rem;margin:2rem 0 .2rem}h2 i{float:right;font-weight:normal}table{border-collapse:collapse}\
         td{padding:.1rem .8rem .1rem 0;vertical-align:top}code{overflow-wrap:anywhere}p{margin:.3rem 0}</style>\
         <h1>backupd: HTTP API</h1><p>Made from <a href=\"/api/openapi.json\">/api/openapi.json</a>. To the right of each route stands the \
         scope that it needs. Errors are RFC 9457 problems with a stable <code>code</code>.</p>",
    );
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, o) in item.as_object().into_iter().flatten() {
            operation(&mut out, method, path, o);
        }
    }
    out.push_str("<h1>Shapes</h1>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let about = safe(schema["description"].as_str().unwrap_or_default());
        let _ = write!(out, "<section><h2 id=\"{0}\"><code>{0}</code></h2><p>{about}</p><table>", safe(name));
        for (field, of) in schema["properties"].as_object().into_iter().flatten() {
            row(&mut out, field, &kind(of), of["description"].as_str().unwrap_or_default());
        }
        out.push_str("</table></section>");
    }
    out.push_str("</html>");
    out
}

/// The page.
pub(super) async fn docs() -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(render())).into_response()
}
