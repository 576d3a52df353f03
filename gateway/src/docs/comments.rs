//! What the authors of a contract have written in front of its elements.

use prost_reflect::FileDescriptor;

/// The comment in front of an element, by its file and its place there; empty where there is none.
pub(super) fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let location = info
        .and_then(|info| info.location.iter().find(|location| location.path.as_slice() == path));
    location.map(|location| location.leading_comments().to_owned()).unwrap_or_default()
}

/// The first sentence of a comment, on one line and without its full stop.
pub(super) fn first_sentence(comment: &str) -> String {
    let paragraph = comment.split("\n\n").next().unwrap_or_default();
    let text = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = text.find(". ").unwrap_or(text.len());
    text[..end].trim_end_matches('.').to_owned()
}
