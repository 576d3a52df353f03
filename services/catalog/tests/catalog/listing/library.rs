//! A shop with some products of every kind, and somebody who finds them by looking at each.

use std::cmp::Ordering;

use prost_types::value::Kind;
use serde_json::json;
use souk_proto::souk::catalog::v2::{
    Category, CreateProductRequest, CreateProductTypeRequest, ListProductsRequest,
    ListProductsResponse, Product,
};
use tonic::Status;

use crate::support::{Shop, World, new_product, object, price};

const AUTHORS: [&str; 4] = ["Émile Zola", "J.K. Rowling", "Harper Lee", "Zadie Smith"];
const NOUNS: [&str; 5] = ["Hammer", "École", "Kettle", "hammock", "Éclair"];

/// A shop with some hundred products of every kind, and what is in it.
pub struct Library {
    pub shop: Shop,
    pub products: Vec<Product>,
    pub categories: Vec<Category>,
}

impl Library {
    pub async fn new(world: &World) -> Self {
        let shop = world.shop().await;
        let schema = object(json!({
            "type": "object",
            "properties": {
                "author": {"type": "string"},
                "year": {"type": "integer"},
                "note": {"type": "string"},
            },
        }));
        let book = CreateProductTypeRequest {
            name: "book".to_owned(),
            schema: Some(schema),
            searchable: vec!["author".to_owned()],
            filterable: vec!["author".to_owned(), "year".to_owned()],
        };
        shop.client().create_product_type(shop.admin(book)).await.unwrap();
        let mut categories = Vec::new();
        for slug in ["all", "third", "rare", "empty"] {
            categories.push(shop.category(slug).await);
        }
        let mut library = Self { shop, products: Vec::new(), categories };
        for place in 0..240 {
            library.add(place).await;
        }
        library
    }

    async fn add(&mut self, place: usize) {
        let mut message = new_product(&format!("SKU-{place}"), i32::from(!place.is_multiple_of(5)));
        message.name = format!("{} {} of {}", NOUNS[place % 5], place % 7, place % 11);
        message.price = Some(price(&format!("{}.00", 1 + place * 7 % 50)));
        message.currency = if place.is_multiple_of(6) { "EUR" } else { "USD" }.to_owned();
        message.description =
            if place.is_multiple_of(8) { "With a handle".to_owned() } else { String::new() };
        if place.is_multiple_of(2) {
            message.r#type = "book".to_owned();
            message.attributes = Some(object(json!({
                "author": AUTHORS[place % 4],
                "year": 1990 + place % 10,
                "note": "secretword",
            })));
        }
        let is_in = [true, place.is_multiple_of(3), place.is_multiple_of(60), false];
        let ids = self.categories.iter().zip(is_in).filter(|(_, is_in)| *is_in);
        message.category_ids = ids.map(|(category, _)| category.id.clone()).collect();
        self.products.push(self.create(message).await);
    }

    pub async fn create(&self, message: CreateProductRequest) -> Product {
        let request = self.shop.admin(message);
        self.shop.client().create_product(request).await.unwrap().into_inner()
    }

    pub async fn list(&self, request: ListProductsRequest) -> Result<ListProductsResponse, Status> {
        Ok(self.shop.client().list_products(request).await?.into_inner())
    }

    /// All products of a list, by cursors; and that pages by number have the same.
    pub async fn all(&self, request: &ListProductsRequest) -> Vec<String> {
        let mut request = ListProductsRequest { size: Some(7), ..request.clone() };
        let mut found = Vec::new();
        loop {
            let page = self.list(request.clone()).await.unwrap();
            found.extend(page.data.into_iter().map(|product| product.sku));
            let pagination = page.pagination.unwrap();
            assert_eq!(pagination.has_more, pagination.next_cursor.is_some());
            match pagination.next_cursor {
                Some(cursor) => request.cursor = cursor,
                None => {
                    assert_eq!(usize::try_from(pagination.total).unwrap(), found.len());
                    assert!(!pagination.total_is_lower_bound);
                    break;
                }
            }
        }
        let numbered = ListProductsRequest { cursor: String::new(), page: Some(2), ..request };
        let second = self.list(numbered).await.unwrap();
        let skus = second.data.into_iter().map(|product| product.sku);
        let expected = found.iter().skip(7).take(7).cloned();
        assert_eq!(skus.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        let pages = second.pagination.unwrap().pages.unwrap();
        assert_eq!(usize::try_from(pages).unwrap(), found.len().div_ceil(7));
        found
    }

    /// The products that somebody finds who looks at each.
    pub fn expected(
        &self,
        keeps: impl Fn(&Product) -> bool,
        compare: impl Fn(&Product, &Product) -> Ordering,
    ) -> Vec<String> {
        let mut found: Vec<&Product> = self.products.iter().filter(|one| keeps(one)).collect();
        found.sort_by(|a, b| compare(a, b).then_with(|| a.id.cmp(&b.id)));
        found.into_iter().map(|product| product.sku.clone()).collect()
    }
}

fn folded(text: &str) -> String {
    text.to_lowercase().replace(['é', 'É'], "e")
}

pub fn cents(product: &Product) -> i64 {
    product.price.as_ref().unwrap().value.replace('.', "").parse().unwrap()
}

pub fn by_price(a: &Product, b: &Product) -> Ordering {
    (&a.currency, cents(a)).cmp(&(&b.currency, cents(b)))
}

pub fn by_name(a: &Product, b: &Product) -> Ordering {
    folded(&a.name).cmp(&folded(&b.name))
}

pub fn attribute<'p>(product: &'p Product, name: &str) -> Option<&'p Kind> {
    product.attributes.as_ref()?.fields.get(name)?.kind.as_ref()
}

/// Whether each word is the beginning or the whole of one in a text that a search looks at.
pub fn has_words(product: &Product, words: &[&str]) -> bool {
    let author = match attribute(product, "author") {
        Some(Kind::StringValue(author)) => author.as_str(),
        _ => "",
    };
    let text = [&product.name, &product.sku, &product.description, author].map(folded).join(" ");
    let there: Vec<&str> = text.split(|letter: char| !letter.is_alphanumeric()).collect();
    let (last, whole) = words.split_last().unwrap();
    whole.iter().all(|word| there.contains(word)) && there.iter().any(|one| one.starts_with(last))
}
