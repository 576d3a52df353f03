//! What the authors of a contract have written in front of its elements.

use std::cell::OnceCell;
use std::collections::HashMap;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, EnumValueDescriptor, FieldDescriptor, FileDescriptor,
    MessageDescriptor, MethodDescriptor, OneofDescriptor, ServiceDescriptor,
};

/// The comments of all files of some contracts.
pub(crate) struct Comments {
    files: HashMap<String, OnceCell<Places>>,
}

/// The comments of one file, by the place of what they stand in front of
/// (`SourceCodeInfo.Location.path`).
type Places = HashMap<Vec<i32>, String>;

/// Something that a comment can stand in front of.
pub(crate) trait Commented {
    /// Its file, and its place there.
    fn place(&self) -> (FileDescriptor, &[i32]);
}

impl Comments {
    pub(crate) fn of(pool: &DescriptorPool) -> Self {
        // most files are imported for a few of their elements, or for none
        let files = pool.files().map(|file| (file.name().to_owned(), OnceCell::new()));
        Self { files: files.collect() }
    }

    /// The comment in front of an element, line by line as it stands there; empty where there is none.
    pub(crate) fn on(&self, element: &impl Commented) -> &str {
        let (file, path) = element.place();
        let places = self.files.get(file.name()).map(|places| places.get_or_init(|| read(&file)));
        places.and_then(|places| places.get(path)).map_or("", String::as_str)
    }
}

fn read(file: &FileDescriptor) -> Places {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let locations = info.into_iter().flat_map(|info| &info.location);
    let commented = locations.filter(|location| !location.leading_comments().is_empty());
    commented
        .map(|location| (location.path.clone(), without_margin(location.leading_comments())))
        .collect()
}

/// The lines without the space that stands between `//` and the text.
fn without_margin(comment: &str) -> String {
    let lines = comment.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
    lines.collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned()
}

/// The first sentence of a comment, on one line and without its full stop.
pub(crate) fn first_sentence(comment: &str) -> String {
    let paragraph = comment.split("\n\n").next().unwrap_or_default();
    let text = on_one_line(paragraph);
    let end = text.find(". ").unwrap_or(text.len());
    text[..end].trim_end_matches(['.', ':']).to_owned()
}

/// A comment as one line.
pub(crate) fn on_one_line(comment: &str) -> String {
    comment.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Commented for ServiceDescriptor {
    fn place(&self) -> (FileDescriptor, &[i32]) {
        (self.parent_file(), self.path())
    }
}

impl Commented for MethodDescriptor {
    fn place(&self) -> (FileDescriptor, &[i32]) {
        (self.parent_service().parent_file(), self.path())
    }
}

impl Commented for MessageDescriptor {
    fn place(&self) -> (FileDescriptor, &[i32]) {
        (self.parent_file(), self.path())
    }
}

impl Commented for FieldDescriptor {
    fn place(&self) -> (FileDescriptor, &[i32]) {
        (self.parent_message().parent_file(), self.path())
    }
}

impl Commented for OneofDescriptor {
    fn place(&self) -> (FileDescriptor, &[i32]) {
        (self.parent_message().parent_file(), self.path())
    }
}

impl Commented for EnumDescriptor {
    fn place(&self) -> (FileDescriptor, &[i32]) {
        (self.parent_file(), self.path())
    }
}

impl Commented for EnumValueDescriptor {
    fn place(&self) -> (FileDescriptor, &[i32]) {
        (self.parent_enum().parent_file(), self.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_keeps_its_paragraphs_and_loses_its_margin() {
        assert_eq!(without_margin(" One\n two.\n\n   code\n"), "One\ntwo.\n\n  code");
    }

    #[test]
    fn a_sentence_ends_with_a_full_stop_and_a_space_or_with_its_paragraph() {
        assert_eq!(first_sentence("Gets v1.2\nof it. Then more."), "Gets v1.2 of it");
        assert_eq!(first_sentence("Lists things:\n\n- one"), "Lists things");
        assert_eq!(first_sentence(""), "");
    }

    #[test]
    fn comments_are_found_by_what_they_stand_in_front_of() {
        let pool = souk_proto::descriptors();
        let comments = Comments::of(pool);
        let reason = pool.get_enum_by_name("souk.types.v1.Reason").unwrap();
        assert!(comments.on(&reason).starts_with("Why a call failed."));
        assert_eq!(comments.on(&reason.get_value(0).unwrap()), "Not used.");
    }
}
