//! What is not from the contracts: documentation and health.

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use axum::routing::MethodRouter;
use http::header::ALLOW;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use souk_proto::souk::types::v1::Reason;
use tower::ServiceExt as _;

use crate::errors::problem::Problem;
use crate::response::answer::Answer;
use crate::response::caller::Caller;
use crate::template::{Paths, Template, split};

/// A page: its path, as axum has it, and what answers there.
pub(crate) type Page = (String, MethodRouter);

/// All of them.
pub(crate) struct Pages {
    router: Router,
    paths: Paths<()>,
}

impl Pages {
    /// # Errors
    ///
    /// A path is none.
    pub(crate) fn new(pages: impl IntoIterator<Item = Page>) -> anyhow::Result<Self> {
        let (mut router, mut paths) = (Router::new().fallback(no_route), Paths::default());
        for (path, page) in pages {
            let () = paths.at(&Template::parse(&path)?);
            router = router.route(&path, page);
        }
        // axum adds `Allow` to what this answers, at the paths that it knows by now
        let router = router.method_not_allowed_fallback(no_method);
        Ok(Self { router, paths })
    }

    /// Whether there is one at a path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.paths.find(&mut split(path), |()| Some(())).is_some()
    }

    /// Answers a request. No page takes a body.
    pub(crate) async fn answer(&self, parts: &Parts, request_id: &str) -> Response<Answer> {
        let mut request = Request::from_parts(parts.clone(), Body::empty());
        if parts.method == Method::HEAD {
            *request.method_mut() = Method::GET;
        }
        let mut response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let Some(problem) = response.extensions_mut().remove::<Problem>() else {
            return whole(response).await;
        };
        let allow = response.headers_mut().remove(ALLOW);
        let mut response = Caller { headers: &parts.headers, request_id }.answer(&problem);
        if let Some(allow) = allow {
            response.headers_mut().insert(ALLOW, allow);
        }
        response
    }
}

/// A page, which is in memory anyway.
async fn whole(response: Response<Body>) -> Response<Answer> {
    let (parts, body) = response.into_parts();
    let content = body.collect().await.map(|content| content.to_bytes()).unwrap_or_default();
    Response::from_parts(parts, content.into())
}

async fn no_route() -> Problem {
    Problem::new(Reason::RouteNotFound, "there is no such route")
}

async fn no_method(method: Method) -> axum::response::Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    no_such_method(&method).into_response()
}

/// The path is known, the method is not.
pub(crate) fn no_such_method(method: &Method) -> Problem {
    Problem::new(Reason::MethodNotAllowed, format!("the route does not answer {method}"))
}
