//! A gateway before services of others, whose contracts it reads from a file.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use souk_gateway::{Access, Contracts, Gateway, Unsaid, Upstream};
use souk_kit::auth::{AUDIENCE, Verifier};

use crate::cli;
use crate::parts::{Parts, on_signal, until};
use crate::suite::{bind, remote};

/// Serves them; returns when it has been told to end, and has.
pub async fn run(options: cli::Gateway) -> anyhow::Result<()> {
    options.limits.check()?;
    let contracts = contracts(&options.descriptors, &options.foreign)?;
    let channel = remote(Some(&options.upstream), "--upstream")?;
    let upstreams = contracts.exposed()?.into_iter();
    let upstreams: Vec<Upstream> =
        upstreams.map(|name| Upstream { name, channel: channel.clone(), probe: None }).collect();
    ensure!(!upstreams.is_empty(), "no rpc of the contracts has a google.api.http rule");
    let verifier = match &options.auth_url {
        None => None,
        url => Some(Arc::new(Verifier::new(remote(url.as_ref(), "--auth-url")?, AUDIENCE))),
    };
    let tls = options.tls.load().await?;
    let settings = options.limits.of_gateway(1, tls).await?;
    let gateway = Gateway::new(&contracts, upstreams, verifier.clone(), settings);
    let gateway = gateway.map_err(explained)?;

    let mut parts = Parts::new(on_signal()?);
    let listener = bind(options.http, "--http")?;
    println!("souk gateway listens on {}", listener.local_addr()?);
    parts.spawn("gateway", |end| gateway.serve(listener, end));
    if let Some(verifier) = verifier {
        parts.spawn("keys", |end| async move { until(end, verifier.keep_fresh()).await });
    }
    parts.until_ended().await
}

/// Why contracts cannot be served, with the option that is missing.
pub fn explained(error: anyhow::Error) -> anyhow::Error {
    let context = match error.downcast_ref() {
        Some(Unsaid::Access(_)) => "--public or --require-token is missing",
        Some(Unsaid::Verifier(_)) => "--auth-url is missing",
        None => "the contracts cannot be served",
    };
    error.context(context)
}

/// Reads contracts from a file.
pub fn contracts(file: &Path, options: &cli::Foreign) -> anyhow::Result<Contracts> {
    let access = match (options.public, options.require_token) {
        (true, _) => Some(Access::Public),
        (_, true) => Some(Access::SignedIn),
        (false, false) => None,
    };
    let read = || Contracts::read(&std::fs::read(file)?, access, options.json.into());
    read().with_context(|| format!("cannot read the contracts in {}", file.display()))
}
