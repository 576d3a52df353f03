//! Reads descriptors of strangers. prost-reflect takes some things for granted, and panics where they are
//! not so: those are looked at before.

use anyhow::{Context as _, bail, ensure};
use prost::Message as _;
use prost_reflect::DescriptorPool;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

/// Reads an encoded `google.protobuf.FileDescriptorSet`.
///
/// # Errors
///
/// The bytes are none, files that they import are not among them, or one of the files, which is named, is
/// not as compilers write it or in a syntax that is not supported.
pub(super) fn read(bytes: &[u8]) -> anyhow::Result<DescriptorPool> {
    let what = "no set of descriptors with all that it imports, as `buf build -o FILE` and \
                `protoc --include_imports --include_source_info -o FILE` write it";
    let set = FileDescriptorSet::decode(bytes).context(what)?;
    for file in &set.file {
        check(file).with_context(|| file.name().to_owned())?;
    }
    // not of what has been decoded: that is without the options that contracts define
    DescriptorPool::decode(bytes).context(what)
}

fn check(file: &FileDescriptorProto) -> anyhow::Result<()> {
    match file.syntax.as_deref() {
        None | Some("proto2" | "proto3") => {}
        Some("editions") => bail!("editions are not supported, only proto2 and proto3 are"),
        Some(other) => bail!("`{other}` is not supported, only proto2 and proto3 are"),
    }
    file.message_type.iter().try_for_each(check_message)
}

/// Goes no deeper than what could be decoded.
fn check_message(message: &DescriptorProto) -> anyhow::Result<()> {
    let is_map_entry = message.options.as_ref().is_some_and(|options| options.map_entry());
    ensure!(
        !is_map_entry || is_key_and_value(message),
        "{} is no entry of a map: it does not have a key and a value",
        message.name()
    );
    message.nested_type.iter().try_for_each(check_message)
}

fn is_key_and_value(entry: &DescriptorProto) -> bool {
    let [key, value] = &*entry.field else { return false };
    let is_key = !matches!(
        key.r#type(),
        Type::Double | Type::Float | Type::Bytes | Type::Enum | Type::Message | Type::Group
    );
    let is_single = [key, value].iter().all(|field| field.label() == Label::Optional);
    is_key && is_single && (key.number(), value.number()) == (1, 2)
}
