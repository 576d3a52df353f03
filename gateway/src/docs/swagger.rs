//! The document to try, by Swagger UI.

use crate::api::{Api, Operation};
use crate::docs::OPENAPI;
use crate::docs::assets::Assets;
use crate::docs::page::{Frame, escape};
use crate::docs::resource::Resource;

/// Swagger UI sets its styles by script, which a policy does not forbid, and has its icons in the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// `/docs`.
pub(super) fn page(api: &Api, frame: &Frame, assets: &Assets) -> Resource {
    let Assets { swagger_ui, swagger_ui_style, swagger_ui_start, .. } = assets;
    let head = format!("<link rel=\"stylesheet\" href=\"{}\">", swagger_ui_style.url());
    let body = format!(
        "{}<main id=\"main\" class=\"swagger\" data-document=\"{OPENAPI}\"></main>\
         <script src=\"{}\"></script><script src=\"{}\"></script>",
        sign_in_hint(api),
        swagger_ui.url(),
        swagger_ui_start.url(),
    );
    Resource::html(frame.around("/docs", "Try it", &head, &body), POLICY)
}

/// How to get a token, where an operation issues them.
fn sign_in_hint(api: &Api) -> String {
    let issuer = api.operations.iter().find(|operation| issues_tokens(operation));
    let rule = issuer.and_then(|operation| operation.rules.first());
    let Some(rule) = rule else {
        return String::new();
    };
    let method = rule.method.as_ref().map_or("POST", |method| method.as_str());
    format!(
        "<p class=\"hint\" id=\"sign-in\" role=\"status\">To sign in, run <code>{method} {}</code> by \
         <b>Try it out</b>: its token then goes with every call from this page, until you leave it. \
         <b>Authorize</b> takes any other token.</p>",
        escape(&rule.path)
    )
}

/// Whether it answers with an access token to anyone, as an endpoint of OAuth 2 does (RFC 6749, section
/// 5.1).
fn issues_tokens(operation: &Operation) -> bool {
    let answer = operation.method.output();
    let has = |field| answer.get_field_by_name(field).is_some();
    !operation.rpc.needs_token() && has("access_token") && has("token_type")
}
