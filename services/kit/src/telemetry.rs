//! Logs: one line an event, on standard error, each with the request id of its span.

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use clap::ValueEnum;
use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For machines: one JSON object a line.
    Json,
}

/// Starts logging. `filter` is a level (`info`) or a list of `target=level`.
///
/// # Errors
///
/// The filter cannot be read.
pub fn init(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let started = dispatch(format, EnvFilter::try_new(filter)?, std::io::stderr).try_init();
    started.map_err(|error| anyhow::anyhow!("logging has been started before: {error}"))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn dispatch<W>(format: LogFormat, filter: EnvFilter, writer: W) -> Dispatch
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(writer);
    match format {
        LogFormat::Pretty => subscriber.with_target(false).finish().into(),
        LogFormat::Json => subscriber.json().flatten_event(true).finish().into(),
    }
}

/// A panic is a line like any other, under the request id of the span it happens in.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    tracing::error!(place, error = panic.payload_as_str(), "a panic");
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io;
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::Full;
    use serde_json::Value;
    use tonic::body::Body;
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::Channel;
    use crate::auth::{AUDIENCE, Verifier};
    use crate::stack::{Limits, Stack};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that are logged by this thread while something runs, each a JSON object.
    async fn logged(work: impl Future<Output = ()>) -> Vec<Value> {
        let log = Log::default();
        let writer = log.clone();
        let filter = EnvFilter::new("info");
        let dispatch = dispatch(LogFormat::Json, filter, move || writer.clone());
        let logging = tracing::dispatcher::set_default(&dispatch);
        work.await;
        drop(logging);
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn broken(_: Request<Body>) -> Result<Response<Body>, Infallible> {
        panic!("what nobody has thought of")
    }

    #[tokio::test]
    async fn a_panic_is_one_json_line_under_the_request_that_met_it() {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            log_panic(panic);
            before(panic);
        }));
        let verifier = Verifier::new(Channel::in_process(service_fn(broken)), AUDIENCE);
        let stack = Stack::new(service_fn(broken), verifier.into(), Limits::default());
        let request = Request::post("/souk.catalog.v1.CatalogService/GetProduct")
            .header("content-type", "application/grpc")
            .header("x-request-id", "the-request")
            .body(Body::new(Full::new(Bytes::from_static(&[0; 5]))))
            .unwrap();
        let lines = logged(async {
            let answer = stack.oneshot(request).await.unwrap();
            // internal
            assert_eq!(answer.headers()["grpc-status"], "13");
        });
        let lines = lines.await;
        let [line] = lines.as_slice() else { panic!("one line, not {lines:?}") };
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["message"], "a panic");
        assert_eq!(line["error"], "what nobody has thought of");
        assert!(line["place"].as_str().unwrap().contains("telemetry.rs"));
        assert_eq!(line["span"]["request_id"], "the-request");
    }
}
