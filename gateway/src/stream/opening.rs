//! Asking a service for a stream.

use std::sync::Arc;

use bytes::Bytes;
use souk_kit::request::Context;

use super::resume;
use super::source::{Answers, Source};
use crate::admission::Client;
use crate::admission::places::Quota;
use crate::errors::problem::Problem;
use crate::routing::Route;
use crate::transcode::{Plans, Selection};

/// What it takes to ask a service for a stream.
pub(super) struct Opening<'a> {
    pub plans: &'a Arc<Plans>,
    pub route: &'a Arc<Route>,
    pub client: Client<'a>,
    /// That of the stream, which may last longer than a request.
    pub context: Context,
    pub quota: Quota,
}

impl Opening<'_> {
    /// Asks for it, and waits until the service has taken the call.
    pub(super) async fn open(
        &self,
        wire: Bytes,
        selection: Option<Selection>,
    ) -> Result<Source, Problem> {
        let Self { plans, route, client, context, quota } = self;
        let mut outgoing = Client { context, ..*client }.outgoing(&route.target, wire);
        resume(route, *client, outgoing.metadata_mut());
        let answer = route.target.call_for_stream(outgoing).await;
        client.forwarding.take(&answer);
        let answer = answer.map_err(|status| route.target.problem(&status, client.context))?;
        let answers = Answers::Begun(Box::new(answer.into_inner()));
        let (plans, route) = (Arc::clone(plans), Arc::clone(route));
        Ok(Source::new(answers, plans, route, selection, context.clone(), quota.clone()))
    }
}
