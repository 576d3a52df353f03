//! What goes wrong, as clients are told of it.

pub(crate) mod foreign;
pub(crate) mod problem;
pub(crate) mod status;
