//! The address book.

use souk_db::idempotency::{self, Answer, Call};
use souk_kit::id::AddressId;
use souk_kit::request::{open, open_named};
use souk_proto::souk::orders::v1::addresses_service_server::AddressesService;
use souk_proto::souk::orders::v1::{
    Address, CreateAddressRequest, DeleteAddressRequest, GetAddressRequest, ListAddressesRequest,
    ListAddressesResponse, PostalAddress, ReplaceAddressRequest,
};
use tonic::{Request, Response};

use super::{CREATE_ADDRESS, Handlers, Reply, customer};
use crate::{Error, addressing};

#[tonic::async_trait]
impl AddressesService for Handlers {
    async fn create_address(&self, request: Request<CreateAddressRequest>) -> Reply<Address> {
        let (context, message) = open(request)?;
        let customer = customer(&context)?;
        let call = Call::of(&context, CREATE_ADDRESS, &message)?;
        let postal = required(message.address)?;
        let access = self.until(&context);
        let kept = idempotency::once(&access, call, move |transaction| {
            Box::pin(async move {
                let address = addressing::add(transaction, customer, postal.into()).await?;
                Ok::<_, Error>(Answer::success(&Address::from(address)))
            })
        })
        .await?;
        kept.answer.reply(kept.replayed)
    }

    async fn get_address(&self, request: Request<GetAddressRequest>) -> Reply<Address> {
        let (context, id, _) = open_named(request, |message| parse(&message.id))?;
        let address = addressing::get(&self.until(&context), id, customer(&context)?).await?;
        Ok(Response::new(address.into()))
    }

    async fn list_addresses(
        &self,
        request: Request<ListAddressesRequest>,
    ) -> Reply<ListAddressesResponse> {
        let (context, _) = open(request)?;
        let addresses = addressing::list(&self.until(&context), customer(&context)?).await?;
        let data = addresses.into_iter().map(Address::from).collect();
        Ok(Response::new(ListAddressesResponse { data }))
    }

    async fn replace_address(&self, request: Request<ReplaceAddressRequest>) -> Reply<Address> {
        let (context, id, message) = open_named(request, |message| parse(&message.id))?;
        let (access, customer) = (self.until(&context), customer(&context)?);
        let postal = required(message.address)?.into();
        let address = addressing::replace(&access, id, customer, postal).await?;
        Ok(Response::new(address.into()))
    }

    async fn delete_address(&self, request: Request<DeleteAddressRequest>) -> Reply<()> {
        let (context, id, _) = open_named(request, |message| parse(&message.id))?;
        addressing::delete(&self.until(&context), id, customer(&context)?).await?;
        Ok(Response::new(()))
    }
}

fn parse(id: &str) -> Result<AddressId, Error> {
    id.parse().map_err(|_| Error::NoSuch("address", id.to_owned()))
}

fn required(address: Option<PostalAddress>) -> Result<PostalAddress, Error> {
    address.ok_or_else(|| Error::invalid("address", "is required"))
}
