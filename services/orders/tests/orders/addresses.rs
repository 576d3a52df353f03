//! The address book, and where orders go.

use souk_proto::souk::orders::v1::{
    CreateAddressRequest, CreateOrderRequest, DeleteAddressRequest, GetAddressRequest,
    ListAddressesRequest, PostalAddress, ReplaceAddressRequest,
};
use tonic::Code;

use crate::support::{World, is_replayed, reason};

fn postal(name: &str) -> PostalAddress {
    PostalAddress {
        name: name.to_owned(),
        line1: "12 St James's Square".to_owned(),
        city: "London".to_owned(),
        postal_code: "SW1Y 4JH".to_owned(),
        country: "GB".to_owned(),
        ..PostalAddress::default()
    }
}

#[tokio::test]
async fn an_order_keeps_the_address_that_it_was_placed_with() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let (buyer, stranger) = (world.buyer(), world.buyer());
    let create = || buyer.keyed("home", CreateAddressRequest { address: Some(postal("Ada")) });
    let home = shop.addresses().create_address(create()).await.unwrap().into_inner();
    let again = shop.addresses().create_address(create()).await.unwrap();
    assert!(is_replayed(again.metadata()));
    assert_eq!(again.into_inner(), home);

    let one_line = |key: &str, address: &str| {
        let message = CreateOrderRequest {
            product_id: Some(product.clone()),
            quantity: Some(3),
            address_id: Some(address.to_owned()),
            ..CreateOrderRequest::default()
        };
        buyer.keyed(key, message)
    };
    let order = shop.create(one_line("key", &home.id)).await.unwrap().into_inner();
    assert_eq!(order.items.len(), 1);
    assert_eq!(order.items[0].quantity, 3);
    assert!(order.number.starts_with("S-"));
    assert_eq!(order.shipping_address, Some(postal("Ada")));

    let (id, address) = (home.id.clone(), Some(postal("Grace")));
    let replace = buyer.sign(ReplaceAddressRequest { id, address });
    let replaced = shop.addresses().replace_address(replace).await.unwrap().into_inner();
    assert_eq!(replaced.name, "Grace");
    let read = shop.get(&buyer, &order.id).await.unwrap();
    assert_eq!(read.shipping_address, Some(postal("Ada")));

    // nobody sends to the address of another, or reads it, or takes it away
    let get = stranger.sign(GetAddressRequest { id: home.id.clone() });
    assert_eq!(shop.addresses().get_address(get).await.unwrap_err().code(), Code::NotFound);
    let delete = stranger.sign(DeleteAddressRequest { id: home.id.clone() });
    assert_eq!(shop.addresses().delete_address(delete).await.unwrap_err().code(), Code::NotFound);
    let theirs = CreateOrderRequest {
        product_id: Some(product.clone()),
        address_id: Some(home.id.clone()),
        ..CreateOrderRequest::default()
    };
    let refused = shop.create(stranger.keyed("key", theirs)).await.unwrap_err();
    assert_eq!(reason(&refused), "VALIDATION_FAILED");

    let delete = buyer.sign(DeleteAddressRequest { id: home.id.clone() });
    shop.addresses().delete_address(delete).await.unwrap();
    let request = buyer.sign(ListAddressesRequest {});
    let listed = shop.addresses().list_addresses(request).await.unwrap().into_inner();
    assert!(listed.data.is_empty());
    // a retry still gets the order
    let again = shop.create(one_line("key", &home.id)).await.unwrap();
    assert_eq!(again.into_inner(), order);
}

#[tokio::test]
async fn an_order_says_in_one_way_what_it_wants_and_where_it_goes() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let buyer = world.buyer();
    let both = buyer.order("both", &[(&product, 1)]).into_inner();
    let odd = [
        CreateOrderRequest::default(),
        CreateOrderRequest { quantity: Some(1), ..CreateOrderRequest::default() },
        CreateOrderRequest { product_id: Some(product.clone()), ..both.clone() },
        CreateOrderRequest { quantity: Some(2), ..both.clone() },
        CreateOrderRequest {
            address_id: Some("adr_01h455vb4pex5vsknk084sn02q".to_owned()),
            shipping_address: Some(postal("Ada")),
            ..both.clone()
        },
    ];
    for request in odd {
        let refused = shop.create(buyer.keyed("odd", request)).await.unwrap_err();
        assert_eq!(reason(&refused), "VALIDATION_FAILED");
    }
    let inline = CreateOrderRequest { shipping_address: Some(postal("Ada")), ..both };
    let order = shop.create(buyer.keyed("inline", inline)).await.unwrap().into_inner();
    assert_eq!(order.shipping_address, Some(postal("Ada")));
    world.audit().await;
}

#[tokio::test]
async fn an_address_book_becomes_full_and_not_fuller() {
    let world = World::new().await;
    let shop = world.shop().await;
    let buyer = world.buyer();
    let fill = format!(
        "insert into addresses (id, customer_id, postal)
         select gen_random_uuid(), '{}', '{{\"name\": \"Ada\", \"line1\": \"1\", \"line2\": \"\", \"city\": \"London\",
             \"region\": \"\", \"postal_code\": \"\", \"country\": \"GB\", \"phone\": \"\"}}'
         from generate_series(1, 98)",
        buyer.id.uuid()
    );
    world.test.sql(&fill).await;
    let create = |key: String| {
        let request = CreateAddressRequest { address: Some(postal("Ada")) };
        let (mut client, request) = (shop.addresses(), buyer.keyed(&key, request));
        async move { client.create_address(request).await }
    };
    let answers = futures::future::join_all((0..6).map(|key| create(format!("key-{key}")))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 2);
    for refused in answers.into_iter().filter_map(Result::err) {
        assert_eq!(reason(&refused), "LIMIT_REACHED");
    }
}
