//! The answer of a call as it is kept: a gRPC status, metadata, and the bytes of a message.

use std::collections::BTreeMap;

use prost::Message;
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};
use tonic::{Code, Response, Status};

/// What a call was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The code of the gRPC status: 0 for a success.
    pub status: i32,
    /// What is said besides: ASCII metadata.
    pub metadata: BTreeMap<String, String>,
    /// The response message, or the `google.rpc.Status` of a failure.
    pub body: Vec<u8>,
}

impl Answer {
    /// A success.
    pub fn success(response: &impl Message) -> Self {
        let status = Code::Ok.into();
        Self { status, metadata: BTreeMap::new(), body: response.encode_to_vec() }
    }

    /// A failure, with its details.
    pub fn failure(status: &Status) -> Self {
        let body = if status.details().is_empty() {
            let (code, message) = (status.code().into(), status.message().to_owned());
            tonic_types::Status { code, message, details: Vec::new() }.encode_to_vec()
        } else {
            status.details().to_vec()
        };
        Self { status: status.code().into(), metadata: BTreeMap::new(), body }
    }

    /// Adds metadata.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.metadata.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The answer as it is given: with a mark, if an earlier call was given it first.
    ///
    /// # Errors
    ///
    /// The failure that was answered.
    pub fn reply<T: Message + Default>(self, replayed: bool) -> Result<Response<T>, Status> {
        let metadata = self.metadata(replayed);
        if self.status == Code::Ok as i32 {
            let message = T::decode(&*self.body)
                .map_err(|_| Status::internal("an answer that was kept cannot be read"))?;
            let mut response = Response::new(message);
            *response.metadata_mut() = metadata;
            return Ok(response);
        }
        let told = tonic_types::Status::decode(&*self.body).unwrap_or_default();
        let code = Code::from(self.status);
        Err(Status::with_details_and_metadata(code, told.message, self.body.into(), metadata))
    }

    fn metadata(&self, replayed: bool) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        for (name, value) in &self.metadata {
            let name = MetadataKey::<Ascii>::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, MetadataValue::try_from(value)) {
                metadata.insert(name, value);
            }
        }
        if replayed {
            metadata.insert(
                MetadataKey::<Ascii>::from_static("idempotent-replayed"),
                MetadataValue::from_static("true"),
            );
        }
        metadata
    }
}

#[cfg(test)]
mod tests {
    use souk_kit::Failure;
    use souk_proto::souk::types::v1::Reason;
    use tonic_types::StatusExt as _;

    use super::*;

    #[test]
    fn an_answer_is_given_again_as_it_was() {
        let message = souk_proto::souk::catalog::v1::Stock { available: 7, ..Default::default() };
        let kept = Answer::success(&message).with("x-http-code", "202");
        let again = kept.reply::<souk_proto::souk::catalog::v1::Stock>(true).unwrap();
        assert_eq!(again.metadata().get("x-http-code").unwrap(), "202");
        assert_eq!(again.metadata().get("idempotent-replayed").unwrap(), "true");
        assert_eq!(again.into_inner(), message);
    }

    #[test]
    fn a_failure_is_given_again_with_its_details() {
        let failure = Failure::new(Reason::OutOfStock, "too few").with("available", 2);
        let kept = Answer::failure(&Status::from(failure));
        let again = kept.reply::<()>(true).unwrap_err();
        assert_eq!((again.code(), again.message()), (Code::FailedPrecondition, "too few"));
        assert_eq!(again.get_details_error_info().unwrap().metadata["available"], "2");
        assert_eq!(again.metadata().get("idempotent-replayed").unwrap(), "true");
    }
}
