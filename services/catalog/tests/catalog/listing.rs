//! Lists have the products that keep all filters, in the order that was asked for, page by page: as somebody
//! finds them who looks at each.

mod library;

use std::cmp::Ordering;

use prost_types::Timestamp;
use prost_types::value::Kind;
use serde_json::json;
use souk_proto::souk::catalog::v2::{
    CategoryMatch, CreateProductRequest, CreateProductTypeRequest, ListProductsRequest, Product,
};
use tonic::Code;
use tonic_types::StatusExt as _;

use self::library::{Library, attribute, by_name, by_price, cents, has_words};
use crate::support::{World, new_product, object, price, reason};

#[tokio::test]
async fn every_filter_in_every_order_has_what_somebody_finds_who_looks_at_each() {
    let world = World::new().await;
    let library = Library::new(&world).await;
    type Keeps = Box<dyn Fn(&Product) -> bool>;
    let [all, third, rare, _] = [0, 1, 2, 3].map(|place| library.categories[place].id.clone());
    let created = library.products[100].created_at.unwrap();
    let request = ListProductsRequest::default;
    let in_category = |id: &str| {
        let id = id.to_owned();
        move |product: &Product| product.category_ids.contains(&id)
    };
    let (in_third, in_rare, in_rare_too) =
        (in_category(&third), in_category(&rare), in_category(&rare));
    let filters: Vec<(&str, ListProductsRequest, Keeps)> = vec![
        ("all", request(), Box::new(|_| true)),
        (
            "a category by its slug",
            ListProductsRequest { category: vec!["third".to_owned()], ..request() },
            Box::new(in_category(&third)),
        ),
        (
            "any of two",
            ListProductsRequest { category: vec![third.clone(), "rare".to_owned()], ..request() },
            Box::new(move |product| in_third(product) || in_rare(product)),
        ),
        (
            "all of two",
            ListProductsRequest {
                category: vec![all.clone(), rare.clone()],
                category_match: CategoryMatch::All.into(),
                ..request()
            },
            Box::new(in_rare_too),
        ),
        (
            "all of two of which one is none",
            ListProductsRequest {
                category: vec![all.clone(), "never".to_owned()],
                category_match: CategoryMatch::All.into(),
                ..request()
            },
            Box::new(|_| false),
        ),
        (
            "the category of a path",
            ListProductsRequest { category_id: rare.clone(), ..request() },
            Box::new(in_category(&rare)),
        ),
        (
            "in stock",
            ListProductsRequest { in_stock: Some(true), ..request() },
            Box::new(|product| product.in_stock),
        ),
        (
            "not in stock, in a category",
            ListProductsRequest {
                in_stock: Some(false),
                category: vec![third.clone()],
                ..request()
            },
            Box::new({
                let in_third = in_category(&third);
                move |product| !product.in_stock && in_third(product)
            }),
        ),
        (
            "a range of prices, in dollars unless said otherwise",
            ListProductsRequest {
                min_price: Some(price("10")),
                max_price: Some(price("20.00")),
                ..request()
            },
            Box::new(|product| {
                product.currency == "USD" && (1000..=2000).contains(&cents(product))
            }),
        ),
        (
            "another currency",
            ListProductsRequest { currency: "EUR".to_owned(), ..request() },
            Box::new(|product| product.currency == "EUR"),
        ),
        (
            "a price in it",
            ListProductsRequest {
                currency: "EUR".to_owned(),
                max_price: Some(price("30")),
                ..request()
            },
            Box::new(|product| product.currency == "EUR" && cents(product) <= 3000),
        ),
        (
            "a type",
            ListProductsRequest { r#type: "book".to_owned(), ..request() },
            Box::new(|product| product.r#type == "book"),
        ),
        (
            "attributes",
            ListProductsRequest {
                r#type: "book".to_owned(),
                attr: [("author".into(), "Émile Zola".into()), ("year".into(), "1990".into())]
                    .into(),
                ..request()
            },
            Box::new(|product| {
                attribute(product, "author") == Some(&Kind::StringValue("Émile Zola".to_owned()))
                    && attribute(product, "year") == Some(&Kind::NumberValue(1990.0))
            }),
        ),
        (
            "created after another",
            ListProductsRequest { created_after: Some(created), ..request() },
            Box::new(move |product| {
                let at = |time: &Timestamp| (time.seconds, time.nanos);
                at(product.created_at.as_ref().unwrap()) > at(&created)
            }),
        ),
        (
            "words, the last one begun",
            ListProductsRequest { q: "ZOLA ham".to_owned(), ..request() },
            Box::new(|product| has_words(product, &["zola", "ham"])),
        ),
        (
            "words with accents, in stock",
            ListProductsRequest { q: "école".to_owned(), in_stock: Some(true), ..request() },
            Box::new(|product| product.in_stock && has_words(product, &["ecole"])),
        ),
        (
            "a word of the description, and a price",
            ListProductsRequest {
                q: "handle".to_owned(),
                min_price: Some(price("5")),
                ..request()
            },
            Box::new(|product| {
                product.currency == "USD"
                    && cents(product) >= 500
                    && has_words(product, &["handle"])
            }),
        ),
        (
            "a SKU",
            ListProductsRequest { q: "sku-23".to_owned(), ..request() },
            Box::new(|product| has_words(product, &["sku", "23"])),
        ),
        (
            "a word of an attribute that is not searchable",
            ListProductsRequest { q: "secretword".to_owned(), ..request() },
            Box::new(|_| false),
        ),
    ];
    type Order = fn(&Product, &Product) -> Ordering;
    let orders: [(&str, Order); 6] = [
        ("created_at", |_, _| Ordering::Equal),
        ("-created_at", |a, b| b.id.cmp(&a.id)),
        ("price", by_price),
        ("-price", |a, b| by_price(b, a).then_with(|| b.id.cmp(&a.id))),
        ("name", by_name),
        ("-name", |a, b| by_name(b, a).then_with(|| b.id.cmp(&a.id))),
    ];
    for (what, request, keeps) in &filters {
        for (sort, compare) in orders {
            let request = ListProductsRequest { sort: sort.to_owned(), ..request.clone() };
            let expected = library.expected(keeps, compare);
            assert_eq!(library.all(&request).await, expected, "{what}, by {sort}");
        }
        if request.q.is_empty() {
            continue;
        }
        let mut found = library.all(request).await;
        let mut expected = library.expected(keeps, |_, _| Ordering::Equal);
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{what}, by relevance");
    }
}

#[tokio::test]
async fn what_fits_better_comes_first() {
    let world = World::new().await;
    let library =
        Library { shop: world.shop().await, products: Vec::new(), categories: Vec::new() };
    let named = async |sku: &str, name: &str, description: &str| {
        let (name, description) = (name.to_owned(), description.to_owned());
        library.create(CreateProductRequest { name, description, ..new_product(sku, 1) }).await
    };
    named("described", "Cup", "As good as a kettle").await;
    named("long", "A kettle and many other things that nobody looks for here", "").await;
    named("named", "Kettle", "").await;
    let found =
        library.list(ListProductsRequest { q: "kettle".into(), ..Default::default() }).await;
    let found: Vec<String> = found.unwrap().data.into_iter().map(|product| product.sku).collect();
    assert_eq!(found, ["named", "long", "described"]);
}

#[tokio::test]
async fn what_cannot_be_listed_is_refused_with_what_can() {
    let world = World::new().await;
    let library =
        Library { shop: world.shop().await, products: Vec::new(), categories: Vec::new() };
    let book = CreateProductTypeRequest {
        name: "book".to_owned(),
        schema: Some(object(
            json!({"type": "object", "properties": {"year": {"type": "integer"}}}),
        )),
        searchable: Vec::new(),
        filterable: vec!["year".to_owned()],
    };
    library.shop.client().create_product_type(library.shop.admin(book)).await.unwrap();
    let request = ListProductsRequest::default;
    let attr = |name: &str, value: &str| {
        let attr = [(name.to_owned(), value.to_owned())].into();
        ListProductsRequest { r#type: "book".to_owned(), attr, ..request() }
    };
    let wrong = [
        (ListProductsRequest { sort: "stock".into(), ..request() }, "sort", "relevance"),
        (ListProductsRequest { sort: "relevance".into(), ..request() }, "sort", "needs words"),
        (ListProductsRequest { q: "!?".into(), ..request() }, "q", "letter"),
        (attr("genre", "x"), "attr.genre", "year"),
        (attr("year", "x"), "attr.year", "whole number"),
        (ListProductsRequest { r#type: String::new(), ..attr("year", "1") }, "attr", "type"),
        (ListProductsRequest { r#type: "film".into(), ..attr("year", "1") }, "type", "exists"),
        (ListProductsRequest { currency: "ABC".into(), ..request() }, "currency", "ISO 4217"),
        (
            ListProductsRequest { min_price: Some(price("-1")), ..request() },
            "min_price",
            "negative",
        ),
        (ListProductsRequest { page: Some(1_000), size: Some(100), ..request() }, "page", "101"),
    ];
    for (request, field, issue) in wrong {
        let refused = library.list(request).await.unwrap_err();
        let broken = refused.get_details_bad_request().unwrap().field_violations[0].clone();
        assert_eq!(broken.field, field, "{refused:?}");
        assert!(broken.description.contains(issue), "{broken:?}");
    }
    let missing = "cat_01h455vb4pex5vsknk084sn02q".to_owned();
    for category_id in [missing, "nothing".to_owned()] {
        let refused = library.list(ListProductsRequest { category_id, ..request() }).await;
        assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    }
}

#[tokio::test]
async fn a_cursor_is_good_for_the_filters_and_the_order_that_made_it() {
    let world = World::new().await;
    let library = Library::new(&world).await;
    let first = ListProductsRequest {
        sort: "price".to_owned(),
        in_stock: Some(true),
        size: Some(5),
        ..ListProductsRequest::default()
    };
    let cursor =
        library.list(first.clone()).await.unwrap().pagination.unwrap().next_cursor.unwrap();
    let next = ListProductsRequest { cursor, ..first };
    library.list(next.clone()).await.unwrap();
    // the size may be another
    library.list(ListProductsRequest { size: Some(9), ..next.clone() }).await.unwrap();
    let others = [
        ListProductsRequest { sort: "-price".to_owned(), ..next.clone() },
        ListProductsRequest { sort: String::new(), ..next.clone() },
        ListProductsRequest { in_stock: None, ..next.clone() },
        ListProductsRequest { q: "hammer".to_owned(), ..next.clone() },
        ListProductsRequest { currency: "USD".to_owned(), ..next },
    ];
    for other in others {
        let refused = library.list(other.clone()).await.unwrap_err();
        assert_eq!(reason(&refused), "CURSOR_INVALID", "{other:?}");
    }
}

#[tokio::test]
async fn a_list_that_has_grown_since_its_cursor_was_made_goes_on_as_it_is_now() {
    let world = World::new().await;
    let shop = world.shop().await;
    let library = Library { shop, products: Vec::new(), categories: Vec::new() };
    for place in 0..30 {
        library.create(new_product(&format!("OLD-{place:02}"), 1)).await;
    }
    let cheap = |cursor: String| ListProductsRequest {
        max_price: Some(price("9.00")),
        sort: "name".to_owned(),
        size: Some(20),
        cursor,
        ..ListProductsRequest::default()
    };
    let first = library.list(cheap(String::new())).await.unwrap().pagination.unwrap();
    // more than are gathered, before and behind the cursor
    let grow = "with added as (
            insert into products (id, sku, name, price_minor)
            select gen_random_uuid(), 'NEW-' || n,
                case when n % 2 = 0 then 'Aaa ' else 'The OLD-25 ' end || n, 100
            from generate_series(1, 3000) as n returning id)
        insert into stock (product_id, available) select id, 1 from added";
    world.test.sql(grow).await;
    let mut found = Vec::new();
    let mut cursor = first.next_cursor;
    while let Some(next) = cursor.take() {
        let page = library.list(cheap(next)).await.unwrap();
        found.extend(page.data.into_iter().map(|product| product.name));
        cursor = page.pagination.unwrap().next_cursor;
    }
    // the rest of the old ones, and what has come behind the first twenty
    assert_eq!(found.len(), 10 + 1_500);
    assert!(found.is_sorted());
}
