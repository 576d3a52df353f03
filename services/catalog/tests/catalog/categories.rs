//! Categories make a tree, know how many products they have, and go only when it is known where these go.

use souk_proto::souk::catalog::v1;
use souk_proto::souk::catalog::v1::catalog_service_client::CatalogServiceClient as FirstClient;
use souk_proto::souk::catalog::v2::{
    Category, CreateCategoryRequest, DeleteCategoryRequest, DeleteProductRequest,
    GetCategoryRequest, ListCategoriesRequest, UpdateCategoryRequest, UpdateProductRequest,
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::{Shop, World, new_category, reason, sku};

async fn below(shop: &Shop, parent: &Category, slug: &str) -> Category {
    let parent_id = Some(parent.id.clone());
    let message = CreateCategoryRequest { parent_id, ..new_category(slug) };
    shop.client().create_category(shop.admin(message)).await.unwrap().into_inner()
}

async fn get(shop: &Shop, category: &Category) -> Result<Category, Status> {
    let request = GetCategoryRequest { id: category.id.clone() };
    Ok(shop.client().get_category(request).await?.into_inner())
}

async fn put_below(shop: &Shop, child: &Category, parent: &Category) -> Result<Category, Status> {
    let message = UpdateCategoryRequest {
        id: child.id.clone(),
        parent_id: Some(parent.id.clone()),
        ..UpdateCategoryRequest::default()
    };
    Ok(shop.client().update_category(shop.admin(message)).await?.into_inner())
}

async fn delete(shop: &Shop, category: &Category, to: (&str, &str)) -> Result<(), Status> {
    let (products_to, children_to) = (to.0.to_owned(), to.1.to_owned());
    let message = DeleteCategoryRequest { id: category.id.clone(), products_to, children_to };
    shop.client().delete_category(shop.admin(message)).await.map(drop)
}

fn field(refused: &Status) -> String {
    refused.get_details_bad_request().unwrap().field_violations[0].field.clone()
}

#[tokio::test]
async fn no_category_comes_to_be_below_itself() {
    let world = World::new().await;
    let shop = world.shop().await;
    let top = shop.category("top").await;
    let middle = below(&shop, &top, "middle").await;
    let bottom = below(&shop, &middle, "bottom").await;
    assert_eq!(middle.parent_id.as_ref(), Some(&top.id));
    for parent in [&top, &middle, &bottom] {
        let refused = put_below(&shop, &top, parent).await.unwrap_err();
        assert_eq!(field(&refused), "parent_id");
    }
    put_below(&shop, &bottom, &top).await.unwrap();
    let missing = Category { id: "cat_01h455vb4pex5vsknk084sn02q".to_owned(), ..top.clone() };
    assert_eq!(field(&put_below(&shop, &bottom, &missing).await.unwrap_err()), "parent_id");
    world.audit().await;
}

#[tokio::test]
async fn of_two_moves_that_are_a_cycle_together_one_is_refused() {
    let world = World::new().await;
    let shop = world.shop().await;
    for round in 0..10 {
        let (one, other) =
            (shop.category(&format!("a{round}")).await, shop.category(&format!("b{round}")).await);
        let moves = tokio::join!(put_below(&shop, &one, &other), put_below(&shop, &other, &one));
        assert!(moves.0.is_ok() != moves.1.is_ok(), "round {round}: {moves:?}");
        world.audit().await;
    }
}

#[tokio::test]
async fn a_category_knows_how_many_products_it_has() {
    let world = World::new().await;
    let shop = world.shop().await;
    let (books, cups) = (shop.category("books").await, shop.category("cups").await);
    let count = async |category| get(&shop, category).await.unwrap().product_count;
    let first = shop.product_in(&sku(), 1, &[&books, &cups]).await;
    shop.product_in(&sku(), 1, &[&books]).await;
    assert_eq!((count(&books).await, count(&cups).await), (2, 1));

    let category_ids = vec![cups.id.clone()];
    let moved = UpdateProductRequest { id: first.id.clone(), category_ids, ..Default::default() };
    shop.client().update_product(shop.admin(moved)).await.unwrap();
    assert_eq!((count(&books).await, count(&cups).await), (1, 1));

    shop.client().delete_product(shop.admin(DeleteProductRequest { id: first.id })).await.unwrap();
    assert_eq!((count(&books).await, count(&cups).await), (1, 0));
    world.audit().await;
}

#[tokio::test]
async fn products_that_come_and_go_at_once_are_all_counted_and_wait_for_nobody() {
    let world = World::new().await;
    let shop = world.shop().await;
    let (one, other) = (shop.category("one").await, shop.category("other").await);
    let ids: Vec<String> = {
        let mut ids = Vec::new();
        for _ in 0..8 {
            ids.push(shop.product_in(&sku(), 1, &[&one]).await.id);
        }
        ids
    };
    let moves = ids.iter().enumerate().map(|(place, id)| {
        let (shop, one, other) = (&shop, &one, &other);
        async move {
            for round in 0..10 {
                let to = if (place + round) % 2 == 0 { one } else { other };
                let category_ids = vec![to.id.clone()];
                let moved =
                    UpdateProductRequest { id: id.clone(), category_ids, ..Default::default() };
                shop.client().update_product(shop.admin(moved)).await.unwrap();
            }
        }
    });
    futures::future::join_all(moves).await;
    world.audit().await;
}

#[tokio::test]
async fn a_category_with_products_or_children_goes_only_when_it_is_said_where_these_go() {
    let world = World::new().await;
    let shop = world.shop().await;
    let (old, new) = (shop.category("old").await, shop.category("new").await);
    let child = below(&shop, &old, "old/child").await;
    let in_both = shop.product_in(&sku(), 1, &[&old, &new]).await;
    let in_old = shop.product_in(&sku(), 1, &[&old]).await;

    for to in [("", ""), ("none", ""), ("", "none"), (new.id.as_str(), "")] {
        let refused = delete(&shop, &old, to).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::FailedPrecondition, "IN_USE")
        );
        let metadata = refused.get_details_error_info().unwrap().metadata;
        assert_eq!((metadata["products"].as_str(), metadata["children"].as_str()), ("2", "1"));
    }
    let missing = "cat_01h455vb4pex5vsknk084sn02q";
    let refused = delete(&shop, &old, (missing, "none")).await.unwrap_err();
    assert_eq!(field(&refused), "products_to");
    let refused = delete(&shop, &old, ("none", &child.id)).await.unwrap_err();
    assert_eq!(field(&refused), "children_to", "below itself");

    delete(&shop, &old, (&new.id, &new.id)).await.unwrap();
    assert_eq!(get(&shop, &old).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(get(&shop, &child).await.unwrap().parent_id.as_ref(), Some(&new.id));
    assert_eq!(get(&shop, &new).await.unwrap().product_count, 2);
    for product in [in_both, in_old] {
        let now = shop.get(&product.id).await;
        assert_eq!(now.category_ids, std::slice::from_ref(&new.id));
        assert_ne!(now.etag, product.etag);
    }
    world.audit().await;
}

#[tokio::test]
async fn the_first_version_deletes_a_category_as_it_always_has() {
    let world = World::new().await;
    let shop = world.shop().await;
    let old = shop.category("old").await;
    let child = below(&shop, &old, "old/child").await;
    let product = shop.product_in(&sku(), 1, &[&old]).await;
    let request = shop.admin(v1::DeleteCategoryRequest { id: old.id.clone() });
    FirstClient::new(shop.channel()).delete_category(request).await.unwrap();
    assert!(shop.get(&product.id).await.category_ids.is_empty());
    assert_eq!(get(&shop, &child).await.unwrap().parent_id, None);
    world.audit().await;
}

#[tokio::test]
async fn a_list_has_the_categories_of_one_level() {
    let world = World::new().await;
    let shop = world.shop().await;
    let top = shop.category("top").await;
    let one = below(&shop, &top, "one").await;
    let two = below(&shop, &top, "two").await;
    below(&shop, &two, "three").await;
    let list = async |parent_id: &str, size, cursor: &str| {
        let (parent_id, cursor) = (parent_id.to_owned(), cursor.to_owned());
        let request = ListCategoriesRequest { size, cursor, page: None, parent_id };
        shop.client().list_categories(request).await.map(tonic::Response::into_inner)
    };
    let ids = |list: &[Category]| list.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
    let roots = list("none", None, "").await.unwrap();
    assert_eq!((ids(&roots.data), roots.pagination.unwrap().total), (vec![top.id.clone()], 1));
    let first = list(&top.id, Some(1), "").await.unwrap();
    assert_eq!(ids(&first.data), [one.id]);
    let pagination = first.pagination.unwrap();
    assert_eq!(pagination.total, 2);
    let next = pagination.next_cursor.unwrap();
    assert_eq!(ids(&list(&top.id, Some(1), &next).await.unwrap().data), [two.id]);
    assert_eq!(reason(&list("none", Some(1), &next).await.unwrap_err()), "CURSOR_INVALID");
    assert_eq!(list("", None, "").await.unwrap().data.len(), 4);
}
