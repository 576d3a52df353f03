//! Generates what the benches serve and compare with: the contracts of `gateway/contracts`, and the
//! catalog's messages with pbjson's serde implementations.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use prost_types::FileDescriptorSet;
use protox::prost::Message as _;

const PROTO: &str = "../proto";
const CONTRACTS: &str = "gateway/contracts";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={PROTO}");
    println!("cargo:rerun-if-changed={CONTRACTS}");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    for name in ["library", "members"] {
        contract(name, &out)?;
    }
    pbjson(&out)
}

/// A contract as descriptors, which a gateway reads, and as Rust.
fn contract(name: &str, out: &Path) -> Result<(), Box<dyn Error>> {
    let mut compiler = protox::Compiler::new([CONTRACTS, PROTO])?;
    compiler.include_imports(true).open_file(format!("{name}.proto"))?;
    let descriptors = compiler.encode_file_descriptor_set();
    fs::write(out.join(format!("{name}.bin")), &descriptors)?;

    let mut set = FileDescriptorSet::decode(descriptors.as_slice())?;
    set.file.retain(|file| file.package() == format!("{name}.v1"));
    tonic_prost_build::configure().extern_path(".souk", "::souk_proto::souk").compile_fds(set)?;
    Ok(())
}

fn pbjson(out: &Path) -> Result<(), Box<dyn Error>> {
    let set = protox::compile(["souk/catalog/v1/product.proto"], [PROTO])?;
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
