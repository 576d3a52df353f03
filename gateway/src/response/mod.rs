//! How an answer is represented: in which form, coding and part, with which headers.

pub(crate) mod accept;
pub(crate) mod answer;
pub(crate) mod caller;
pub(crate) mod coding;
pub(crate) mod content;
pub(crate) mod deprecation;
pub(crate) mod download;
pub(crate) mod entity_tag;
pub(crate) mod links;
pub(crate) mod location;
pub(crate) mod prefer;
pub(crate) mod range;
