//! The document as a whole.

use prost_reflect::ServiceDescriptor;
use serde_json::{Map, Value, json};

use super::describing::Describing;
use super::errors::Errors;
use super::example::{Examples, fill};
use super::methods::methods;
use super::names::{Named, shorten};
use super::operation::BEARER;
use super::path::Path;
use super::place::Place;
use super::schema::Schemas;
use super::shared::Shared;
use super::{Style, info};
use crate::api::comments::Comments;
use crate::api::{Api, Operation};

/// Describes what is exposed as OpenAPI 3.1.
pub(crate) fn document(api: &Api, style: Style) -> Value {
    let comments = Comments::of(&api.pool);
    let requests = api.operations.iter().map(|operation| operation.method.input());
    let responses = api.operations.iter().map(|operation| operation.method.output());
    let mut schemas = Schemas::new(style, &comments, requests, responses);
    let errors = Errors::new(api, &mut schemas);
    let shared = Shared::default();
    let mut describing = Describing { comments: &comments, schemas, shared, errors };
    let tags = Tags::of(api);
    let mut paths = Paths::default();
    let operations = api.operations.iter().zip(ids(api));
    // of WebSockets, OpenAPI knows nothing
    for (operation, id) in operations.filter(|(operation, _)| operation.has_http()) {
        paths.add(operation, &id, tags.of_operation(operation), &mut describing);
    }
    let Describing { schemas, shared, .. } = describing;
    let schemas = schemas.into_components();
    let paths = paths.with_examples(&schemas);
    json!({
        "openapi": "3.1.0",
        "info": info::info(api),
        "servers": [{ "url": "/", "description": "The gateway that this document is from." }],
        "tags": tags.objects(&comments),
        "paths": paths,
        "components": components(api, schemas, shared),
    })
}

fn components(api: &Api, schemas: Map<String, Value>, shared: Shared) -> Map<String, Value> {
    let Shared { parameters, headers, responses } = shared;
    let mut schemes = Map::new();
    if api.operations.iter().any(|operation| operation.rpc.needs_token()) {
        schemes.insert(BEARER.to_owned(), info::bearer(api));
    }
    let all = [
        ("schemas", schemas),
        ("parameters", parameters),
        ("headers", headers),
        ("responses", responses),
        ("securitySchemes", schemes),
    ];
    let all = all.into_iter().filter(|(_, components)| !components.is_empty());
    all.map(|(name, components)| (name.to_owned(), components.into())).collect()
}

/// The ids of the operations, in their order: `getThing`.
fn ids(api: &Api) -> Vec<String> {
    let named: Vec<Named> = api
        .operations
        .iter()
        .map(|operation| Named {
            package: operation.method.parent_service().package_name().to_owned(),
            parent: named(operation.method.parent_service()).name,
            name: operation.method.name().to_owned(),
        })
        .collect();
    let names = shorten(named.iter().cloned());
    named.iter().map(|named| lowercase_first(&names[named])).collect()
}

fn lowercase_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().into_iter().flat_map(char::to_lowercase).chain(chars).collect()
}

/// The services, under which the operations stand.
struct Tags {
    services: Vec<(ServiceDescriptor, String)>,
}

impl Tags {
    fn of(api: &Api) -> Self {
        let mut services: Vec<ServiceDescriptor> = Vec::new();
        for operation in &api.operations {
            let service = operation.method.parent_service();
            if !services.contains(service) {
                services.push(service.clone());
            }
        }
        let names = shorten(services.iter().map(named));
        let services =
            services.into_iter().map(|service| (service.clone(), names[&named(&service)].clone()));
        Self { services: services.collect() }
    }

    fn of_operation(&self, operation: &Operation) -> &str {
        let service = operation.method.parent_service();
        let found = self.services.iter().find(|(known, _)| known == service);
        found.map_or("", |(_, name)| name)
    }

    fn objects(&self, comments: &Comments) -> Vec<Value> {
        let object = |(service, name): &(ServiceDescriptor, String)| {
            let comment = comments.on(service);
            let description = if comment.is_empty() {
                format!("`{}`", service.full_name())
            } else {
                comment.to_owned()
            };
            json!({ "name": name, "description": description })
        };
        self.services.iter().map(object).collect()
    }
}

/// `CatalogService` is called `Catalog`.
fn named(service: &ServiceDescriptor) -> Named {
    let name = service.name();
    let short = name.strip_suffix("Service").filter(|short| !short.is_empty());
    Named {
        package: service.package_name().to_owned(),
        parent: String::new(),
        name: short.unwrap_or(name).to_owned(),
    }
}

/// The paths, in the order of the contracts.
#[derive(Default)]
struct Paths {
    items: Vec<Item>,
}

struct Item {
    path: Path,
    operations: Map<String, Value>,
}

impl Paths {
    /// Adds an operation at all the places that it has.
    fn add(&mut self, operation: &Operation, id: &str, tag: &str, describing: &mut Describing<'_>) {
        for (index, rule) in operation.rules.iter().enumerate() {
            let id = if index == 0 { id.to_owned() } else { format!("{id}_{}", index + 1) };
            let path = Path::of(&rule.template);
            let item = self.item(&path);
            for (method, key) in methods(rule) {
                let id = if rule.method.is_some() { id.clone() } else { format!("{id}_{key}") };
                // the names that the path has got from the first operation there
                let names = item.path.parameters.iter().map(|it| it.name.as_str()).collect();
                let place = Place { operation, id, tag, rule, method, path: &path, names };
                let described = describing.operation(&place);
                item.operations.entry(key).or_insert(described);
            }
        }
    }

    fn item(&mut self, path: &Path) -> &mut Item {
        let shape = path.shape();
        let index = self.items.iter().position(|item| item.path.shape() == shape);
        let index = index.unwrap_or_else(|| {
            self.items.push(Item { path: path.clone(), operations: Map::new() });
            self.items.len() - 1
        });
        &mut self.items[index]
    }

    fn with_examples(self, schemas: &Map<String, Value>) -> Map<String, Value> {
        let mut examples = Examples::new(schemas);
        let items = self.items.into_iter().filter(|item| !item.operations.is_empty());
        let items = items.map(|Item { path, mut operations }| {
            operations.values_mut().for_each(|operation| fill(operation, &mut examples));
            (path.text, operations.into())
        });
        items.collect()
    }
}
