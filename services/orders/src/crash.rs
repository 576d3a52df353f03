//! Places at which a test has the process die. In release builds there are none.

use std::sync::LazyLock;

/// Where this process dies, as a test has said: `charge.called`, for example.
static POINT: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("SOUK_CRASH_POINT").ok());

/// What a step is about to do, or has just done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It calls somebody.
    Calls,
    /// They have answered.
    Called,
    /// It writes what has come of it.
    Writes,
    /// That is written.
    Written,
}

impl Moment {
    fn word(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Called => "called",
            Self::Writes => "writes",
            Self::Written => "written",
        }
    }
}

/// Dies here, if that is where it shall.
pub fn point(step: &str, moment: Moment) {
    if cfg!(debug_assertions)
        && let Some(point) = POINT.as_deref()
        && point.split_once('.') == Some((step, moment.word()))
    {
        std::process::abort();
    }
}
