//! Generates the peer: the catalog's messages with pbjson's serde implementations.

use std::error::Error;
use std::path::PathBuf;

use prost_types::FileDescriptorSet;
use protox::prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../proto");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let set = protox::compile(["souk/catalog/v1/product.proto"], ["../proto"])?;
    let mut set = FileDescriptorSet::decode(set.encode_to_vec().as_slice())?;
    // the others only carry options
    set.file.retain(|file| {
        let package = file.package();
        matches!(package, "souk.catalog.v1" | "souk.types.v1" | "google.type" | "google.protobuf")
    });
    let descriptors = set.encode_to_vec();
    prost_build::Config::new()
        .compile_well_known_types()
        .extern_path(".google.protobuf", "::pbjson_types")
        .compile_fds(set)?;
    pbjson_build::Builder::new()
        .register_descriptors(&descriptors)?
        .out_dir(out)
        .preserve_proto_field_names()
        .emit_fields()
        .build(&[".souk", ".google.type"])?;
    Ok(())
}
