//! The descriptions of our own contracts, and of one that has every shape there is.

#![allow(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod documents;
mod examples;
mod operations;
mod postman;
mod schemas;
mod strangers;
