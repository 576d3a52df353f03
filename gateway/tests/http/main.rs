//! The gateway over real HTTP on a socket, in front of a fake service that speaks real gRPC.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops where something is wrong"
)]

mod cached;
mod calls;
mod cors;
mod docs;
mod documented;
mod early;
mod errors;
mod fake;
mod forwarding;
mod http2;
mod limits;
mod protocol;
mod rates;
mod redis;
mod remote;
mod representations;
mod rpc;
mod shared_rates;
mod shares;
mod shop;
mod strangers;
mod streams;
