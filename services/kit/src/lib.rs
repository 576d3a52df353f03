//! What every process of Souk needs and none of the domain: options, telemetry, ids, money,
//! cursors, errors, authentication and authorization, server assembly, and clients that are remote
//! or in process. It knows no database.

pub mod admission;
mod answer;
pub mod auth;
pub mod body;
pub mod channel;
pub mod clock;
pub mod condition;
pub mod cursor;
pub mod download;
pub mod failure;
pub mod frame;
pub mod id;
pub mod idempotency;
pub mod listener;
pub mod mask;
pub mod money;
pub mod options;
pub mod page;
pub mod permit;
pub mod policy;
pub mod request;
pub mod sealing;
pub mod secret;
pub mod server;
pub mod stack;
pub mod telemetry;
pub mod wire;

pub use channel::Channel;
pub use failure::{Failure, validate};
pub use id::Id;
pub use money::{Currency, Money};
