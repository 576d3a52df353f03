//! What gRPC statuses mean of any service (`google/rpc/code.proto`): of those that are not of this build, no
//! more is known.

use tonic::Code;

use super::{Api, Operation};
use crate::errors::problem::Problem;
use crate::errors::{foreign, status};

/// A status that such a service tells its callers.
pub(crate) struct Told {
    code: Code,
    pub meaning: &'static str,
    pub remedy: &'static str,
}

/// What such a service may tell, where there is one.
pub(crate) fn served(api: &Api) -> impl Iterator<Item = &'static Told> {
    let has_others = !api.operations.iter().all(Operation::is_ours);
    TOLD.iter().filter(move |_| has_others)
}

impl Told {
    pub(crate) fn name(&self) -> &'static str {
        status::name(self.code)
    }

    /// A failure with this status, of which no more is known.
    pub(crate) fn problem(&self) -> Problem {
        let message = self.meaning.split('.').next().unwrap_or_default();
        foreign::with_status(self.code, message.to_lowercase())
    }
}

/// Those that are not told (`UNKNOWN`, `INTERNAL`, `DATA_LOSS`) become a fault of the server.
pub(crate) const TOLD: [Told; 13] = [
    Told {
        code: Code::Cancelled,
        meaning: "The call was given up before it had its answer.",
        remedy: "Repeat it, if it was not you who gave it up.",
    },
    Told {
        code: Code::InvalidArgument,
        meaning: "Something in the request is not what the service takes.",
        remedy: "Correct the request before sending it again: it will fail the same way every time.",
    },
    Told {
        code: Code::DeadlineExceeded,
        meaning: "The service was not ready in time. It may or may not have done what was asked for.",
        remedy: "Look at what has become of it before you repeat it.",
    },
    Told {
        code: Code::NotFound,
        meaning: "What the request names is not there, or not for this caller.",
        remedy: "Check the names and ids in the request.",
    },
    Told {
        code: Code::AlreadyExists,
        meaning: "What the request would make is there already.",
        remedy: "Use what is there, or choose another name.",
    },
    Told {
        code: Code::PermissionDenied,
        meaning: "The service knows who calls, and does not allow it.",
        remedy: "Ask whoever runs the service to allow it.",
    },
    Told {
        code: Code::ResourceExhausted,
        meaning: "Something of which there is only so much is used up: a quota, or space.",
        remedy: "Wait as long as `Retry-After` says, or longer, and ask for less.",
    },
    Told {
        code: Code::FailedPrecondition,
        meaning: "What the request is about is not in the state that it would have to be in.",
        remedy: "Bring it into that state first. To send the same again does not help.",
    },
    Told {
        code: Code::Aborted,
        meaning: "The request has met another one that changes the same, and was given up.",
        remedy: "Read what is there by now, and begin again from that.",
    },
    Told {
        code: Code::OutOfRange,
        meaning: "The request reaches beyond the end of something.",
        remedy: "Ask for what is within its range.",
    },
    Told {
        code: Code::Unimplemented,
        meaning: "The service does not have this call.",
        remedy: "Use another one. Trying again does not help.",
    },
    Told {
        code: Code::Unavailable,
        meaning: "The service takes no calls at the moment.",
        remedy: "Try again after `Retry-After`, and wait longer each time.",
    },
    Told {
        code: Code::Unauthenticated,
        meaning: "The service does not know who calls.",
        remedy: "Send the credentials that the service asks for.",
    },
];
