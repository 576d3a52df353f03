//! What a client sends, and the message that it becomes.

pub(crate) mod allowance;
pub(crate) mod input;
pub(crate) mod media;
pub mod multipart;
pub(crate) mod pieces;
