//! What the supervised PostgreSQL promises, tried with the real one of this machine.
//!
//! As root these tests cover the change of user; as an ordinary user, what stays as it is then.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod account;
#[cfg(target_os = "linux")]
mod crash;
mod download;
mod first_start;
mod leftover;
mod programs;
mod running;
mod support;
mod template;
