//! The documents that are looked at, and that they are what they should be.

use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;
use souk_gateway::{Access, Contracts, Documents, Style};

/// A document.
pub struct Document {
    pub name: &'static str,
    pub documents: Documents,
    pub openapi: Value,
}

/// That of our own contracts.
pub static SOUK: LazyLock<Document> =
    LazyLock::new(|| describe("souk", &Contracts::of_this_build()));

/// Those of a contract of others, in both styles.
pub static MUSEUM: LazyLock<Document> =
    LazyLock::new(|| describe("museum", &museum(Style::Canonical)));
pub static PLAIN_MUSEUM: LazyLock<Document> =
    LazyLock::new(|| describe("plain museum", &museum(Style::Plain)));

pub fn all() -> [&'static Document; 3] {
    [&SOUK, &MUSEUM, &PLAIN_MUSEUM]
}

fn describe(name: &'static str, contracts: &Contracts) -> Document {
    let documents = Documents::of(contracts).unwrap();
    let openapi = serde_json::from_slice(&documents.openapi_json).unwrap();
    Document { name, documents, openapi }
}

fn museum(style: Style) -> Contracts {
    Contracts::read(&museum_descriptors(), Some(Access::Public), style).unwrap()
}

pub fn museum_descriptors() -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let includes = [root.join("tests/openapi"), root.join("../proto")];
    let mut compiler = protox::Compiler::new(includes).unwrap();
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file("museum.proto").unwrap().encode_file_descriptor_set()
}

impl Document {
    /// Every operation, with its path and method.
    pub fn operations(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        self.openapi["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
            let operations = item.as_object().unwrap().iter();
            operations.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
    }

    /// The operation with this id.
    pub fn operation(&self, id: &str) -> &Value {
        let mut operations = self.operations().map(|(_, _, operation)| operation);
        operations
            .find(|operation| operation["operationId"] == id)
            .unwrap_or_else(|| panic!("{id}"))
    }

    pub fn schema(&self, name: &str) -> &Value {
        let schema = &self.openapi["components"]["schemas"][name];
        assert!(schema.is_object(), "{} has no schema {name}", self.name);
        schema
    }

    /// What a reference refers to, or the value itself.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(target) => self.openapi.pointer(target.trim_start_matches('#')).unwrap(),
            None => value,
        }
    }
}

#[test]
fn a_reader_of_others_reads_every_document() {
    for document in all() {
        let text = std::str::from_utf8(&document.documents.openapi_json).unwrap();
        let read =
            oas3::from_json(text).unwrap_or_else(|error| panic!("{}: {error}", document.name));
        let known =
            |method: &str| ["get", "put", "post", "delete", "patch", "head"].contains(&method);
        let ours = document.operations().filter(|(_, method, _)| known(method)).count();
        assert_eq!(read.operations().count(), ours, "{}", document.name);
    }
}

#[test]
fn yaml_and_json_say_the_same() {
    for document in all() {
        let yaml = std::str::from_utf8(&document.documents.openapi_yaml).unwrap();
        let yaml: Value = serde_saphyr::from_str(yaml).unwrap();
        assert_eq!(yaml, document.openapi, "{}", document.name);
    }
}

/// `.ci/run` has `souk openapi` describe them, and two linters look at what it prints.
#[test]
fn the_contract_of_others_is_there_for_the_linters() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("museum.binpb");
    std::fs::write(file, museum_descriptors()).unwrap();
}
