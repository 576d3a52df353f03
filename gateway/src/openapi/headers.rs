//! The headers of requests and responses.

use serde_json::{Value, json};

/// A header, as a document describes it.
pub(super) struct Header {
    pub name: &'static str,
    description: &'static str,
    value: Kind,
    pub example: &'static str,
}

enum Kind {
    Text,
    Number,
    /// 1–255 visible ASCII characters.
    Key,
    /// `*`, or entity tags (RFC 9110, section 13.1.1).
    Tags,
}

impl Header {
    /// What it is in a response.
    pub(super) fn in_response(&self) -> Value {
        json!({
            "description": self.description,
            "schema": self.schema(),
            "example": self.example(),
        })
    }

    /// What it is in a request.
    pub(super) fn in_request(&self, is_required: bool) -> Value {
        let mut parameter = json!({
            "name": self.name,
            "in": "header",
            "description": self.description,
            "required": is_required,
            "schema": self.schema(),
        });
        // what need not be sent would be, with an example of it
        if is_required {
            parameter["example"] = self.example();
        }
        parameter
    }

    fn schema(&self) -> Value {
        match self.value {
            Kind::Text => json!({ "type": "string" }),
            Kind::Number => json!({ "type": "integer", "minimum": 0 }),
            Kind::Tags => json!({
                "type": "string",
                "pattern": r#"^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$"#,
            }),
            Kind::Key => json!({
                "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"
            }),
        }
    }

    fn example(&self) -> Value {
        match self.value {
            Kind::Number => self.example.parse::<u32>().unwrap_or_default().into(),
            Kind::Text | Kind::Key | Kind::Tags => self.example.into(),
        }
    }
}

/// A header that only the service of an operation knows, which says in its description what it is.
pub(super) fn forwarded(name: &str) -> Value {
    json!({
        "name": name,
        "in": "header",
        "description": "Passed on to the service.",
        "required": false,
        "schema": { "type": "string" },
    })
}

pub(super) const IDEMPOTENCY_KEY: Header = Header {
    name: "Idempotency-Key",
    description: "Makes the request safe to repeat: a retry with the same key and the same body is \
                  answered as the first one was, and does nothing again.",
    value: Kind::Key,
    example: "01890a5d-ac96-774b-bcce-b302099a8057",
};
pub(super) const IF_MATCH: Header = Header {
    name: "If-Match",
    description: "Changes the resource only if this is still its `ETag`.",
    value: Kind::Tags,
    example: "\"5f0c\"",
};
pub(super) const IF_NONE_MATCH: Header = Header {
    name: "If-None-Match",
    description: "The `ETag` of what the client has: if nothing has changed since, the answer is 304.",
    value: Kind::Text,
    example: "\"5f0c\"",
};
pub(super) const PREFER: Header = Header {
    name: "Prefer",
    description: "`return=minimal` leaves the content of the answer out (RFC 7240).",
    value: Kind::Text,
    example: "return=minimal",
};
pub(super) const LAST_EVENT_ID: Header = Header {
    name: "Last-Event-ID",
    description: "The id of the last event that the client has got of an earlier stream: this one goes \
                  on from there.",
    value: Kind::Text,
    example: "1",
};

pub(super) const RANGE: Header = Header {
    name: "Range",
    description: "Asks for a part of the bytes (RFC 9110): one range. Several are answered with all of \
                  them.",
    value: Kind::Text,
    example: "bytes=0-1023",
};

pub(super) const REQUEST_ID: Header = Header {
    name: "X-Request-Id",
    description: "The id of the request: the client's, where it sent one, or a new one. It is what a \
                  report of a fault should name.",
    value: Kind::Text,
    example: "req_01h455vb4pex5vsknk084sn02q",
};
pub(super) const CACHE_CONTROL: Header = Header {
    name: "Cache-Control",
    description: "How long the answer may be kept, and by whom (RFC 9111).",
    value: Kind::Text,
    example: "no-store",
};
pub(super) const AGE: Header = Header {
    name: "Age",
    description: "How many seconds ago the answer was made, where it is one that was kept.",
    value: Kind::Number,
    example: "12",
};
pub(super) const ETAG: Header = Header {
    name: "ETag",
    description: "The version of the resource in this representation (RFC 9110).",
    value: Kind::Text,
    example: "\"5f0c\"",
};
pub(super) const ACCEPT_RANGES: Header = Header {
    name: "Accept-Ranges",
    description: "That parts can be asked for with `Range`.",
    value: Kind::Text,
    example: "bytes",
};
pub(super) const CONTENT_RANGE: Header = Header {
    name: "Content-Range",
    description: "Which part it is, and of how many bytes; `*` is none.",
    value: Kind::Text,
    example: "bytes 0-1023/5000",
};
pub(super) const CONTENT_DISPOSITION: Header = Header {
    name: "Content-Disposition",
    description: "What the file is called, and whether it is to be saved (RFC 6266).",
    value: Kind::Text,
    example: "inline; filename=\"blue.png\"",
};
pub(super) const LOCATION: Header = Header {
    name: "Location",
    description: "Where the resource is.",
    value: Kind::Text,
    example: "/v1/things/1",
};
pub(super) const IDEMPOTENT_REPLAYED: Header = Header {
    name: "Idempotent-Replayed",
    description: "`true` when an earlier request with the same key was answered like this.",
    value: Kind::Text,
    example: "true",
};
pub(super) const PREFERENCE_APPLIED: Header = Header {
    name: "Preference-Applied",
    description: "The preference of the client that was followed.",
    value: Kind::Text,
    example: "return=minimal",
};
pub(super) const DEPRECATION: Header = Header {
    name: "Deprecation",
    description: "Since when the operation should no longer be used (RFC 9745).",
    value: Kind::Text,
    example: "@1764460800",
};
pub(super) const SUNSET: Header = Header {
    name: "Sunset",
    description: "When the operation goes away (RFC 8594).",
    value: Kind::Text,
    example: "Tue, 30 Nov 2027 00:00:00 GMT",
};
pub(super) const LINK: Header = Header {
    name: "Link",
    description: "Related resources (RFC 8288): the pages of a list, or what takes the place of a \
                  deprecated operation.",
    value: Kind::Text,
    example: "</v2/things>; rel=\"successor-version\"",
};

pub(super) const RATE_LIMITS: [Header; 5] = [
    Header {
        name: "X-RateLimit-Limit",
        description: "How many requests the limit that is nearest allows in a minute.",
        value: Kind::Number,
        example: "100",
    },
    Header {
        name: "X-RateLimit-Remaining",
        description: "How many are left of them now.",
        value: Kind::Number,
        example: "42",
    },
    Header {
        name: "X-RateLimit-Reset",
        description: "In how many seconds all of them are there again.",
        value: Kind::Number,
        example: "35",
    },
    Header {
        name: "RateLimit",
        description: "What is left of each limit (draft-ietf-httpapi-ratelimit-headers).",
        value: Kind::Text,
        example: "\"address\";r=42;t=1",
    },
    Header {
        name: "RateLimit-Policy",
        description: "Each limit: `q` requests in `w` seconds.",
        value: Kind::Text,
        example: "\"address\";q=100;w=60",
    },
];
pub(super) const RETRY_AFTER: Header = Header {
    name: "Retry-After",
    description: "In how many seconds another try makes sense.",
    value: Kind::Number,
    example: "1",
};
pub(super) const WWW_AUTHENTICATE: Header = Header {
    name: "WWW-Authenticate",
    description: "That a bearer token is asked for, and what is wrong with the one that was sent \
                  (RFC 6750).",
    value: Kind::Text,
    example: "Bearer error=\"invalid_token\"",
};
