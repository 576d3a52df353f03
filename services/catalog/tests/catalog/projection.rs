//! The first version of the contract is a projection of the second.

use prost::Message as _;
use prost_reflect::{FieldDescriptor, MessageDescriptor};
use souk_kit::Channel;
use souk_proto::descriptors;
use souk_proto::souk::catalog::v1::catalog_service_client::CatalogServiceClient;
use souk_proto::souk::catalog::v1::catalog_service_server::SERVICE_NAME as V1;
use souk_proto::souk::catalog::v2::catalog_service_server::SERVICE_NAME as V2;
use souk_proto::souk::catalog::{v1, v2};
use tonic::{Code, Status};

use crate::support::{Shop, World, is_replayed, new_product, price, sku};

fn same_field(one: &FieldDescriptor, other: &FieldDescriptor) -> bool {
    let kind = |field: &FieldDescriptor| {
        let kind = format!("{:?}", field.kind());
        kind.replace("souk.catalog.v1", "souk.catalog.v2")
    };
    (one.number(), one.name(), one.cardinality(), one.supports_presence())
        == (other.number(), other.name(), other.cardinality(), other.supports_presence())
        && kind(one) == kind(other)
}

fn assert_within(old: &MessageDescriptor, new: &MessageDescriptor) {
    for field in old.fields() {
        let successor = new.get_field(field.number());
        let same = successor.as_ref().is_some_and(|successor| same_field(&field, successor));
        assert!(same, "{} is not the same in {}", field.full_name(), new.full_name());
    }
}

#[test]
fn every_message_of_v1_is_on_the_wire_a_part_of_that_of_v2() {
    let messages = descriptors().all_messages();
    for old in messages.filter(|message| message.package_name() == "souk.catalog.v1") {
        let name = old.full_name().replace("v1", "v2");
        let new = descriptors().get_message_by_name(&name).unwrap_or_else(|| panic!("no {name}"));
        assert_within(&old, &new);
    }
    let enums = descriptors().all_enums();
    for old in enums.filter(|kind| kind.package_name() == "souk.catalog.v1") {
        let new = descriptors().get_enum_by_name(&old.full_name().replace("v1", "v2")).unwrap();
        for value in old.values() {
            let same = new.get_value(value.number()).is_some_and(|new| new.name() == value.name());
            assert!(same, "{}", value.full_name());
        }
    }
    let service = |name| descriptors().get_service_by_name(name).unwrap();
    let new: Vec<_> = service(V2).methods().collect();
    for old in service(V1).methods() {
        let successor = new.iter().find(|method| method.name() == old.name());
        let successor = successor.unwrap_or_else(|| panic!("v2 has no {}", old.name()));
        assert_eq!(successor.is_client_streaming(), old.is_client_streaming());
        let policy = |method| souk_proto::policy_of(method).unwrap();
        let (was, is) = (policy(&old), policy(successor));
        assert_eq!((&was.access, was.idempotency), (&is.access, is.idempotency), "{}", old.name());
        assert!(was.deprecation.is_some() && is.deprecation.is_none(), "{}", old.name());
    }
}

fn client(shop: &Shop) -> CatalogServiceClient<Channel> {
    CatalogServiceClient::new(shop.channel())
}

fn not_found<T: std::fmt::Debug>(answer: Result<T, Status>) {
    assert_eq!(answer.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn what_is_written_through_one_version_is_read_through_the_other() {
    let world = World::new().await;
    let shop = world.shop().await;
    let message = new_product(&sku(), 3).encode_to_vec();
    let message = v1::CreateProductRequest::decode(message.as_slice()).unwrap();
    let old = client(&shop).create_product(shop.admin(message)).await.unwrap().into_inner();
    let new = shop.get(&old.id).await;
    assert_eq!((new.currency.as_str(), new.price.clone()), ("USD", old.price.clone()));
    let read = v1::GetProductRequest { id: old.id.clone() };
    assert_eq!(client(&shop).get_product(read).await.unwrap().into_inner(), old);
    assert_eq!(v1::Product::decode(new.encode_to_vec().as_slice()).unwrap(), old);
}

#[tokio::test]
async fn a_product_that_is_not_priced_in_dollars_does_not_exist_in_v1() {
    let world = World::new().await;
    let shop = world.shop().await;
    let dollars = shop.product(&sku(), 1).await;
    let message = v2::CreateProductRequest { currency: "EUR".to_owned(), ..new_product(&sku(), 1) };
    let id = shop.client().create_product(shop.admin(message)).await.unwrap().into_inner().id;
    let mut old = client(&shop);

    not_found(old.get_product(v1::GetProductRequest { id: id.clone() }).await);
    let name = Some("Renamed".to_owned());
    let update = v1::UpdateProductRequest { id: id.clone(), name, ..Default::default() };
    not_found(old.update_product(shop.admin(update)).await);
    let replace = v1::ReplaceProductRequest {
        id: id.clone(),
        sku: sku(),
        name: "Renamed".to_owned(),
        price: Some(price("5.00")),
        ..Default::default()
    };
    not_found(old.replace_product(shop.admin(replace)).await);
    not_found(old.delete_product(shop.admin(v1::DeleteProductRequest { id: id.clone() })).await);
    let reason = "delivery".to_owned();
    let adjust = v1::AdjustStockRequest { id: id.clone(), delta: 5, reason };
    not_found(old.adjust_stock(shop.keyed("key", adjust)).await);
    let ids = vec![id.clone(), dollars.id.clone()];
    let both = v1::BatchGetProductsRequest { ids };
    let both = old.batch_get_products(shop.warehouse(both)).await.unwrap().into_inner().products;
    assert_eq!(both.len(), 1);
    let list = old.list_products(v1::ListProductsRequest::default()).await.unwrap().into_inner();
    assert_eq!(list.data.iter().map(|product| &product.id).collect::<Vec<_>>(), [&dollars.id]);
    assert_eq!(shop.get(&id).await.available, 1);
}

#[tokio::test]
async fn a_retry_through_the_other_version_moves_no_stock_again() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product(&sku(), 10).await;
    let (id, reason) = (product.id.clone(), "delivery".to_owned());
    let message = v1::AdjustStockRequest { id: id.clone(), delta: 5, reason };
    let first = client(&shop).adjust_stock(shop.keyed("key", message)).await.unwrap();
    assert!(!is_replayed(first.metadata()));
    let second = shop.adjust("key", &product.id, 5).await.unwrap();
    assert!(is_replayed(second.metadata()));
    assert_eq!(world.stock(&product.id).await, (15, 0));
}
