//! What is exposed, described for people and programs: OpenAPI 3.1, and a Postman collection. Both are
//! made once, of the same model as the routes; what contracts say in comments, rules and policies
//! becomes descriptions, schemas and responses.

mod binary;
mod bodies;
mod constraints;
mod describing;
mod document;
mod errors;
mod example;
mod headers;
mod info;
mod methods;
mod names;
mod operation;
mod own;
mod parameters;
mod parts;
mod path;
mod pattern;
mod place;
mod postman;
mod presence;
mod scalar;
mod schema;
mod shared;

use anyhow::Context as _;
use bytes::Bytes;

pub(crate) use info::title;

use crate::api::{Api, Contracts};
use crate::transcode::Style;

/// The descriptions of what is exposed.
#[derive(Debug, Clone)]
pub struct Documents {
    /// OpenAPI 3.1 as JSON.
    pub openapi_json: Bytes,
    /// The same as YAML.
    pub openapi_yaml: Bytes,
    /// A Postman collection, format 2.1.
    pub postman_json: Bytes,
}

impl Documents {
    /// Describes all that contracts expose.
    ///
    /// # Errors
    ///
    /// The contracts cannot be served as REST.
    pub fn of(contracts: &Contracts) -> anyhow::Result<Self> {
        let services = contracts.exposed()?;
        let api = Api::of(contracts, services.iter().map(String::as_str))?;
        Self::of_api(&api, contracts.style())
    }

    pub(crate) fn of_api(api: &Api, style: Style) -> anyhow::Result<Self> {
        let document = document::document(api, style);
        let yaml = serde_saphyr::to_string(&document).context("the document is no YAML")?;
        let postman = serde_json::to_vec(&postman::collection(&document))?;
        Ok(Self {
            openapi_json: serde_json::to_vec(&document)?.into(),
            openapi_yaml: yaml.into(),
            postman_json: postman.into(),
        })
    }
}
