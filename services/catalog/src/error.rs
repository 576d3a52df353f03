use std::fmt::Display;

use souk_db::idempotency::Refusal;
use souk_kit::Failure;
use souk_kit::id::{CategoryId, ImageId, ImportId, OrderId, ProductId};
use souk_proto::Violation;
use souk_proto::souk::types::v1::Reason;
use tonic::Status;

use crate::import::State;
use crate::product_type::TypeName;
use crate::reservation::{self, Illegal};

/// Why a call to the catalog fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such product.
    #[error("product {0} does not exist")]
    ProductNotFound(ProductId),
    /// There is no such category.
    #[error("category {0} does not exist")]
    CategoryNotFound(CategoryId),
    /// The product is of another version than those that a change is for.
    #[error("product {0} has changed")]
    ProductChanged(ProductId),
    /// The category is of another version than those that a change is for.
    #[error("category {0} has changed")]
    CategoryChanged(CategoryId),
    /// There is no such product type.
    #[error("product type {0} does not exist")]
    TypeNotFound(TypeName),
    /// The product type is of another version than those that a change is for.
    #[error("product type {0} has changed")]
    TypeChanged(TypeName),
    /// Products have the type that should go away.
    #[error("product type {name} is that of {products} products")]
    TypeInUse {
        /// The type.
        name: TypeName,
        /// How many products have it.
        products: i64,
    },
    /// Products of the type would break its new schema.
    #[error("{products} products break the schema")]
    SchemaBroken {
        /// How many.
        products: i64,
        /// The first of them.
        first: ProductId,
    },
    /// A category that should go away has products or categories, and nobody has said where they go.
    #[error("category {id} has {products} products and {children} categories")]
    CategoryInUse {
        /// The category.
        id: CategoryId,
        /// How many products are in it.
        products: u64,
        /// How many categories are right below it.
        children: i64,
    },
    /// The available stock is another than is expected.
    #[error("product {product} has {available} available")]
    StockMismatch {
        /// The product.
        product: ProductId,
        /// How many units it has.
        available: i32,
    },
    /// There is no such import.
    #[error("import {0} does not exist")]
    ImportNotFound(ImportId),
    /// The import stores no more rows.
    #[error("import {id} is {state:?}")]
    ImportEnded {
        /// The import.
        id: ImportId,
        /// Where it stands.
        state: State,
    },
    /// Another stream goes on with the import, or it was cancelled meanwhile.
    #[error("import {0} is no longer this stream's")]
    ImportTakenOver(ImportId),
    /// There is no such image.
    #[error("image {0} does not exist")]
    ImageNotFound(ImageId),
    /// The image is of another version than those that a change is for.
    #[error("image {0} has changed")]
    ImageChanged(ImageId),
    /// As many images are being uploaded as can be.
    #[error("too many images are being uploaded at once")]
    NoRoom,
    /// An image is larger than images may be.
    #[error("an image of more than {most} bytes")]
    ImageTooLarge {
        /// How many bytes an image may have.
        most: u64,
    },
    /// What was uploaded is no image, or of no format that images may have.
    #[error("no image of a known format")]
    NotAnImage,
    /// A path names something by what can be no id.
    #[error("{kind} {id} does not exist")]
    NoSuch {
        /// What it is.
        kind: &'static str,
        /// What should be its id.
        id: String,
    },
    /// A field breaks a rule that depends on more than its contract.
    #[error("{field} {issue}")]
    Invalid {
        /// The path of the field.
        field: String,
        /// The rule, as a phrase.
        issue: String,
    },
    /// Several fields break such rules.
    #[error("{} rules are broken", .0.len())]
    Violations(Vec<Violation>),
    /// Another live product has the SKU.
    #[error("the sku is taken")]
    SkuTaken,
    /// Another category has the slug.
    #[error("the slug is taken")]
    SlugTaken,
    /// Another product type has the name.
    #[error("the name is taken")]
    TypeNameTaken,
    /// A change would leave less than nothing, or more than can be counted.
    #[error("product {product} has {available} available")]
    InsufficientStock {
        /// The product.
        product: ProductId,
        /// How many units it has.
        available: i32,
    },
    /// The units of the order are more than the stock of a product has room for.
    #[error("the stock has no room for the units of order {0}")]
    StockFull(OrderId),
    /// Nothing was ever reserved for the order.
    #[error("order {0} has no reservation")]
    NeverReserved(OrderId),
    /// The reservation of the order is in a state that does not allow the call.
    #[error("order {order}: {illegal}")]
    Reservation {
        /// The order.
        order: OrderId,
        /// The step that is not allowed.
        illegal: Illegal,
    },
    /// The request cannot be served as it is, for a reason that is the same in every service.
    #[error("the request is refused")]
    Refused(Failure),
    /// A call with the same idempotency key stands in the way.
    #[error(transparent)]
    Idempotency(#[from] Refusal),
    /// A call that changes something came without anybody who asks for it, which is a fault of ours.
    #[error("a call that changes something has no principal")]
    NoActor,
    /// The answers of a batch do not cover what was asked, which is a fault of ours.
    #[error("a batch has left something undecided")]
    Undecided,
    /// An upload ended without an answer, which is a fault of ours.
    #[error("upload")]
    Task(#[source] tokio::task::JoinError),
    /// The files of images cannot be read or written.
    #[error("image store")]
    Files(#[from] object_store::Error),
    /// The database failed.
    #[error("database")]
    Database(#[from] sqlx::Error),
}

impl Error {
    pub(crate) fn invalid(field: impl Into<String>, issue: impl ToString) -> Self {
        Self::Invalid { field: field.into(), issue: issue.to_string() }
    }

    /// Whether the same write may succeed when it is tried again: somebody else was faster.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::SkuTaken => true,
            Self::Invalid { field, .. } => field == "category_ids",
            // units were held meanwhile
            Self::Database(error) => is_full(error) || souk_db::is_transient(error),
            _ => false,
        }
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        Self::Invalid { field: violation.field, issue: violation.issue }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::ProductNotFound(id) => Self::not_found("product", id),
            Error::CategoryNotFound(id) => Self::not_found("category", id),
            Error::ProductChanged(id) => changed("product", id),
            Error::CategoryChanged(id) => changed("category", id),
            Error::TypeNotFound(name) => Self::not_found("product type", name),
            Error::TypeChanged(name) => changed("product type", name),
            Error::TypeInUse { name, products } => {
                Self::new(Reason::InUse, format!("{products} products have the type {name}"))
                    .precondition("IN_USE", name, "no product has the type")
                    .with("products", products)
            }
            Error::SchemaBroken { products, first } => {
                let issue =
                    format!("is broken by {products} products, of which {first} is the first");
                Self::invalid("schema", issue).with("products", products)
            }
            Error::CategoryInUse { id, products, children } => {
                let message = format!(
                    "the category has {products} products and {children} categories: products_to \
                     and children_to say where they go"
                );
                Self::new(Reason::InUse, message)
                    .precondition("IN_USE", id, "it is known where all that it has goes")
                    .with("products", products)
                    .with("children", children)
            }
            Error::StockMismatch { product, available } => {
                Self::new(Reason::StockMismatch, "the stock is another than expected")
                    .precondition("STOCK", product, "as many are available as expected")
                    .with("product_id", product)
                    .with("available", available)
            }
            Error::ImportNotFound(id) => Self::not_found("import", id),
            Error::ImportEnded { id, state } => {
                let message = format!("the import is {}: it takes no more rows", state.as_str());
                Self::new(Reason::IllegalTransition, message)
                    .precondition("IMPORT", id, "the import must be open")
                    .with("import_id", id)
                    .with("state", state.as_str())
            }
            Error::ImportTakenOver(id) => {
                let message = "another stream goes on with the import, or it was cancelled";
                Self::new(Reason::IllegalTransition, message)
                    .precondition("IMPORT", id, "the import must be this stream's")
                    .with("import_id", id)
            }
            Error::ImageNotFound(id) => Self::not_found("image", id),
            Error::ImageChanged(id) => changed("image", id),
            Error::NoRoom => Self::overloaded("too many images are being uploaded at once"),
            Error::ImageTooLarge { most } => {
                Self::new(Reason::PayloadTooLarge, format!("an image has at most {most} bytes"))
                    .with("max_bytes", most)
            }
            Error::NotAnImage => {
                let message = "the file is no image: JPEG, PNG, WebP and GIF are taken";
                Self::new(Reason::UnsupportedMediaType, message)
                    .violation("file", "must be a JPEG, PNG, WebP or GIF")
            }
            Error::NoSuch { kind, id } => Self::not_found(kind, id),
            Error::Invalid { field, issue } => Self::invalid(field, issue),
            Error::Violations(violations) => souk_kit::failure::violations(violations),
            Error::SkuTaken => Self::new(Reason::AlreadyExists, "another product has this sku")
                .violation("sku", "is taken by another product"),
            Error::SlugTaken => Self::new(Reason::AlreadyExists, "another category has this slug")
                .violation("slug", "is taken by another category"),
            Error::TypeNameTaken => {
                Self::new(Reason::AlreadyExists, "another product type has this name")
                    .violation("name", "is taken by another product type")
            }
            Error::InsufficientStock { product, available } => {
                Self::new(Reason::InsufficientStock, "the stock cannot change by that much")
                    .precondition("STOCK", product, "available stock stays within its bounds")
                    .with("product_id", product)
                    .with("available", available)
            }
            Error::StockFull(order) => {
                Self::new(Reason::InsufficientStock, "the stock has no room for that many units")
                    .precondition("STOCK", order, "available stock stays within its bounds")
                    .with("order_id", order)
            }
            Error::NeverReserved(order) => {
                Self::new(Reason::IllegalTransition, "nothing was ever reserved for the order")
                    .precondition("RESERVATION", order, "the reservation must be there")
                    .with("order_id", order)
                    // nothing is held, which to the caller is the same
                    .with("status", reservation::Status::Released)
            }
            Error::Reservation { order, illegal } => {
                Self::new(Reason::IllegalTransition, illegal.to_string())
                    .precondition(
                        "RESERVATION",
                        order,
                        &format!("the reservation must be {}", illegal.step.start()),
                    )
                    .with("order_id", order)
                    .with("status", illegal.from)
            }
            Error::Refused(failure) => failure,
            Error::Idempotency(refusal) => refusal.into(),
            Error::Files(error) => {
                tracing::error!(error = souk_kit::failure::chain(&error), "image store");
                Self::unavailable("the image store cannot be used")
            }
            Error::Database(error) => souk_db::failure(&error),
            Error::NoActor | Error::Undecided | Error::Task(_) => Self::internal(&error),
        }
    }
}

/// Whether the stock of a product has no room for that many units.
pub(crate) fn is_full(error: &sqlx::Error) -> bool {
    souk_db::constraint(error) == Some("stock_on_hand_is_counted")
}

/// What it has become is not told: who tried again with that alone would undo what others have done.
fn changed(kind: &str, id: impl Display) -> Failure {
    let message = format!("{kind} {id} has none of the versions that if-match names");
    Failure::new(Reason::EtagMismatch, message).precondition(
        "ETAG",
        id,
        "the version must be one of those that if-match names",
    )
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}
