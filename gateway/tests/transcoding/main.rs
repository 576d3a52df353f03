//! Transcoding against an oracle: prost-reflect, which knows the same contracts but builds messages.

#![allow(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod any;
mod canonical;
mod contracts;
mod fields;
mod generate;
mod groups;
mod http_body;
mod malformed;
mod masks;
mod oracle;
mod params;
mod plain;
mod robustness;
mod select;
mod styles;
mod tree;
