//! What can be wrong with what a client sends, with what a service answers, and with a contract.

use std::borrow::Cow;
use std::fmt;

/// What is wrong with a value, as a phrase that follows the name of its field.
pub(super) type Issue = Cow<'static, str>;

/// How long the text of an unknown field may be, with the names of others, in bytes.
const MAX_UNKNOWN: usize = 300;

/// A client's error on its way out. Boxed, so that the results of the hot path stay small.
pub(super) type Refusal = Box<InputError>;

/// A service's error on its way out.
pub(super) type Fault = Box<WireError>;

/// What is wrong with something that a client has sent: the client's fault, HTTP 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// The path of the field, for example `items[1].quantity`. Empty for the whole.
    pub field: String,
    /// What is wrong with it, as a phrase that follows the name: `must be an integer`.
    pub issue: Cow<'static, str>,
    /// Where the text stops being JSON, in bytes from its start. Absent when it is JSON and only a
    /// value in it is wrong.
    pub offset: Option<usize>,
}

impl InputError {
    /// A value that does not fit its field.
    #[cold]
    pub(super) fn value(issue: impl Into<Issue>) -> Refusal {
        Box::new(Self { field: String::new(), issue: issue.into(), offset: None })
    }

    /// A field that is none of those that there are. The first of them are named.
    #[cold]
    pub(super) fn unknown<'n>(names: impl IntoIterator<Item = &'n str>) -> Refusal {
        let (mut issue, mut separator) = ("is not a known field".to_owned(), ": known are ");
        for name in names {
            issue.push_str(separator);
            if issue.len() + name.len() > MAX_UNKNOWN {
                issue.push('…');
                break;
            }
            issue.push_str(name);
            separator = ", ";
        }
        Self::value(issue)
    }

    /// A text that is not JSON from `offset` on.
    #[cold]
    pub(super) fn syntax(issue: &'static str, offset: usize) -> Refusal {
        Box::new(Self { field: String::new(), issue: issue.into(), offset: Some(offset) })
    }

    /// The same, seen from the message that has the field `name`.
    #[cold]
    pub(super) fn in_field(mut self: Box<Self>, name: &str) -> Refusal {
        self.field = join(name, &self.field);
        self
    }

    /// The same, seen from the list that has the item `index`.
    #[cold]
    pub(super) fn in_item(mut self: Box<Self>, index: usize) -> Refusal {
        self.field = join(&format!("[{index}]"), &self.field);
        self
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = if self.field.is_empty() { "the body" } else { &self.field };
        write!(f, "{subject} {}", self.issue)?;
        match self.offset {
            Some(offset) => write!(f, " at byte {offset}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for InputError {}

/// What is wrong with the wire bytes of a service's answer: our fault, HTTP 500.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireError {
    /// The path of the field, for example `data.price`. Empty for the whole.
    pub field: String,
    /// What is wrong with it, as a phrase that follows the name.
    pub issue: Cow<'static, str>,
}

impl WireError {
    #[cold]
    pub(super) fn new(issue: impl Into<Issue>) -> Fault {
        Box::new(Self { field: String::new(), issue: issue.into() })
    }

    /// The same, seen from the message that has the field `name`.
    #[cold]
    pub(super) fn in_field(mut self: Box<Self>, name: &str) -> Fault {
        self.field = join(name, &self.field);
        self
    }
}

impl From<&'static str> for Fault {
    fn from(issue: &'static str) -> Self {
        WireError::new(issue)
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = if self.field.is_empty() { "the message" } else { &self.field };
        write!(f, "{subject} {}", self.issue)
    }
}

impl std::error::Error for WireError {}

/// What a contract has that cannot be written as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// The full name of the field or message.
    pub name: String,
    /// Why not, as a phrase that follows the name.
    pub issue: &'static str,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.issue)
    }
}

impl std::error::Error for PlanError {}

fn join(outer: &str, inner: &str) -> String {
    let dot = if inner.is_empty() || inner.starts_with('[') { "" } else { "." };
    format!("{outer}{dot}{inner}")
}
