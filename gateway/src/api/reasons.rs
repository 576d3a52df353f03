//! The reasons why calls fail, as the contract documents them.

use souk_proto::souk::types::v1::Reason;
use souk_proto::{REASON_EXAMPLES, descriptors};

use super::comments::{Comments, on_one_line};

/// A reason, and what is to be told of it.
pub(crate) struct Documented {
    pub reason: Reason,
    pub meaning: String,
    pub cause: String,
    pub remedy: String,
    /// A request that failed for it, and its answer, as a test has got it: both as they go over
    /// HTTP/1.1.
    pub example: Option<(&'static str, &'static str)>,
}

/// All of them, in the order of the contract.
pub(crate) fn documented() -> Vec<Documented> {
    let reasons = descriptors().get_enum_by_name("souk.types.v1.Reason");
    let values = reasons.iter().flat_map(|reasons| reasons.values());
    let comments = Comments::of(descriptors());
    values
        .filter_map(|value| {
            let reason = Reason::try_from(value.number()).ok()?;
            let is_used = reason != Reason::Unspecified;
            is_used.then(|| Documented::read(reason, comments.on(&value)))
        })
        .collect()
}

impl Documented {
    /// Takes a comment apart: what follows `Cause:` and `Remedy:`, and before these the meaning.
    fn read(reason: Reason, comment: &str) -> Self {
        let [mut meaning, mut cause, mut remedy] = <[String; 3]>::default();
        for paragraph in comment.split("\n\n") {
            let text = on_one_line(paragraph);
            if let Some(text) = text.strip_prefix("Cause: ") {
                cause = text.to_owned();
            } else if let Some(text) = text.strip_prefix("Remedy: ") {
                remedy = text.to_owned();
            } else if !text.is_empty() {
                meaning = text;
            }
        }
        Self { reason, meaning, cause, remedy, example: example(reason) }
    }
}

fn example(reason: Reason) -> Option<(&'static str, &'static str)> {
    let mut sections = REASON_EXAMPLES.split("### ").filter_map(|it| it.split_once('\n'));
    let (_, example) = sections.find(|(code, _)| *code == reason.code())?;
    let end = example.find("\n\nHTTP/")?;
    Some((example[..end].trim(), example[end..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_says_what_it_means_its_cause_and_its_remedy() {
        for Documented { reason, meaning, cause, remedy, .. } in documented() {
            for text in [meaning, cause, remedy] {
                assert!(text.len() > 20 && text.ends_with('.'), "{}: {text:?}", reason.code());
            }
        }
    }

    #[test]
    fn every_reason_has_an_example_of_itself() {
        for Documented { reason, example, .. } in documented() {
            let (_, answer) = example.unwrap_or_default();
            let status = format!("HTTP/1.1 {}", reason.http_status());
            let code = format!("\"code\": \"{}\"", reason.code());
            assert!(answer.starts_with(&status) && answer.contains(&code), "{}", reason.code());
        }
    }
}
