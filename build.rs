//! Compiles the contracts under `proto/` to Rust: messages, clients, servers and validation.
//!
//! It is the build script of the `souk-proto` crate, and it refuses an RPC without a policy.

#[path = "proto/validation_build/mod.rs"]
mod validation;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use prost_build::{Service, ServiceGenerator};
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use tonic_prost_build::Config;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // tonic-build emits none, and cargo would otherwise watch only the crate's own files
    println!("cargo:rerun-if-changed=../build.rs");
    println!("cargo:rerun-if-changed={}", root.join("validation_build").display());
    println!("cargo:rerun-if-changed={}", root.join("souk").display());
    println!("cargo:rerun-if-changed={}", root.join("google").display());
    println!("cargo:rerun-if-changed={}", root.join("buf").display());

    let mut files = Vec::new();
    find_protos(&root.join("souk"), &mut files)?;
    // imported by no contract, but needed by whoever reads the details of an error by reflection
    find_protos(&root.join("google/rpc"), &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    let bytes = compiler.encode_file_descriptor_set();
    let pool = DescriptorPool::decode(bytes.as_slice())?;
    refuse_rpcs_without_policy(&pool)?;
    fs::write(out.join("descriptors.bin"), &bytes)?;

    let mut set = prost_types::FileDescriptorSet::decode(bytes.as_slice())?;
    // the others carry options, and details of errors, whose types are those of tonic-types
    set.file.retain(|file| {
        let package = file.package();
        package.starts_with("souk.")
            || matches!(package, "google.protobuf" | "google.type")
            || file.name() == "google/api/httpbody.proto"
    });
    let mut config = Config::new();
    // as they came in, without a copy
    config.bytes(["google.api.HttpBody.data"]);
    config.service_generator(Box::new(Services::new())).include_file("contracts.rs");
    config.compile_fds(set)?;

    fs::write(out.join("validation.rs"), validation::generate(&pool)?)?;
    fs::write(out.join("validation_by_name.rs"), validation::by_name(&pool))?;
    Ok(())
}

/// Clients and servers. They differ in the codec, because they differ in whose fault it is when a
/// message cannot be read.
struct Services {
    clients: Box<dyn ServiceGenerator>,
    servers: Box<dyn ServiceGenerator>,
}

impl Services {
    fn new() -> Self {
        let clients = tonic_prost_build::configure().build_server(false);
        let servers = tonic_prost_build::configure()
            .build_client(false)
            .codec_path("crate::codec::ServerCodec");
        Self { clients: clients.service_generator(), servers: servers.service_generator() }
    }
}

impl ServiceGenerator for Services {
    fn generate(&mut self, service: Service, code: &mut String) {
        self.clients.generate(service.clone(), code);
        self.servers.generate(service, code);
    }
}

fn find_protos(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find_protos(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}

/// Deny by default starts here: whoever adds an RPC says who may call it.
fn refuse_rpcs_without_policy(pool: &DescriptorPool) -> Result<(), String> {
    let missing: Vec<String> = pool
        .services()
        .filter(|service| service.full_name().starts_with("souk."))
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .filter(|method| !has_access(pool, method))
        .map(|method| method.full_name().to_owned())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "no policy says who may call {}: add `option (souk.policy.v1.policy) = {{…}}` with one of \
         `public`, `signed_in` and `scope`",
        missing.join(", ")
    ))
}

fn has_access(pool: &DescriptorPool, method: &MethodDescriptor) -> bool {
    let Some(extension) = pool.get_extension_by_name("souk.policy.v1.policy") else {
        return false;
    };
    let options = method.options();
    let policy = options.get_extension(&extension);
    let Some(policy) = policy.as_message() else {
        return false;
    };
    let is_true =
        |name| policy.get_field_by_name(name).and_then(|value| value.as_bool()) == Some(true);
    let scope = policy.get_field_by_name("scope");
    is_true("public")
        || is_true("signed_in")
        || scope.and_then(|value| value.as_str().map(|scope| !scope.is_empty())) == Some(true)
}
