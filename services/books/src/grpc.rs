//! The gRPC interface: each call becomes calls of the catalog.

use prost_types::FieldMask;
use souk_kit::admission;
use souk_kit::id::ProductId;
use souk_kit::mask::Mask;
use souk_kit::request::{Context, open, open_named};
use souk_proto::souk::books::v1::book_service_server::BookService;
use souk_proto::souk::books::v1::{
    Book, BookPagination, CreateBookRequest, DeleteBookRequest, GetBookRequest, ListBooksRequest,
    ListBooksResponse, UpdateBookRequest,
};
use souk_proto::souk::catalog::v2::{
    DeleteProductRequest, GetProductRequest, ListProductsRequest, Product, SetStockRequest,
    UpdateProductRequest,
};
use tonic::{Code, Request, Response, Status};

use crate::Error;
use crate::book::{TYPE, book, new_product, price, set};
use crate::catalog::{Caller, Catalog};

/// How often a change is tried while others change the same book.
const ATTEMPTS: usize = 5;
const SET_STOCK: &str = "/souk.catalog.v2.CatalogService/SetStock";

type Reply<T> = Result<Response<T>, Status>;

/// The calls of the contract.
#[derive(Debug, Clone)]
pub struct Handlers {
    pub catalog: Catalog,
}

/// The id of a book. Text that can be none names nothing.
fn book_id(id: &str) -> Result<String, Error> {
    let is_id = id.parse::<ProductId>().is_ok();
    is_id.then(|| id.to_owned()).ok_or_else(|| Error::NotFound(id.to_owned()))
}

impl Handlers {
    /// The product that a book is.
    async fn product(&self, context: &Context, id: &str) -> Result<Product, Error> {
        let request = context.outgoing(GetProductRequest { id: id.to_owned() });
        let product = self.catalog.client().get_product(request).await;
        let product = product.map_err(Error::of_book(id))?.into_inner();
        let is_book = book(product.clone()).is_some();
        is_book.then_some(product).ok_or_else(|| Error::NotFound(id.to_owned()))
    }

    /// Changes what of a book is in its product. Attributes change as a whole, so a change of one is for the
    /// version that was read: when somebody else has been faster, it is read and changed again.
    async fn change(
        &self,
        context: &Context,
        caller: &Caller,
        message: &UpdateBookRequest,
    ) -> Result<(), Error> {
        for attempt in 1.. {
            let product = self.product(context, &message.id).await?;
            let is_meant = context.if_match.admits(&product.etag);
            let etag = product.etag.clone();
            let change = product_change(message, product)?;
            // what is not meant is for the catalog to refuse
            let is_of_this = is_meant && change.attributes.is_some();
            let caller = if is_of_this { caller.meaning(&etag) } else { caller.clone() };
            let changes_nothing = change.update_mask.iter().all(|mask| mask.paths.is_empty());
            if changes_nothing && is_meant {
                break;
            }
            let changed = self.catalog.client().update_product(caller.call(context, change)).await;
            match changed.map_err(Error::of_book(&message.id)) {
                Ok(_) => break,
                Err(error) if error.is_mismatch() && is_of_this => {
                    if attempt == ATTEMPTS {
                        return Err(Error::Contended(message.id.clone()));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes all copies of a book away, or makes sure that there is one.
    async fn set_stock(
        &self,
        context: &Context,
        caller: &Caller,
        id: &str,
        in_stock: bool,
    ) -> Result<(), Error> {
        let message = SetStockRequest {
            id: id.to_owned(),
            available: Some(i32::from(in_stock)),
            expected: in_stock.then_some(0),
            reason: "books: in_stock".to_owned(),
        };
        let set = self.catalog.client().set_stock(caller.keyed_call(context, message)).await;
        match set {
            // there are some already
            Err(status) if in_stock && status.code() == Code::FailedPrecondition => Ok(()),
            set => set.map(drop).map_err(Error::of_book(id)),
        }
    }
}

/// The change of a product that a change of a book is; its mask is empty when there is none.
fn product_change(
    message: &UpdateBookRequest,
    product: Product,
) -> Result<UpdateProductRequest, Error> {
    let mask = Mask::of(message.update_mask.clone());
    let mut change = UpdateProductRequest { id: product.id, ..UpdateProductRequest::default() };
    change.name = mask.required("title", message.title.clone())?;
    change.price = mask.required("price", message.price.clone())?;
    change.price = change.price.map(|amount| price(Some(amount))).transpose()?;
    let texts = [
        ("author", mask.required("author", message.author.clone())?),
        ("isbn", mask.required("isbn", message.isbn.clone())?),
        ("genre", mask.clearable("genre", message.genre.clone())),
    ];
    let mut attributes = product.attributes.unwrap_or_default();
    for (name, value) in texts {
        let Some(value) = value else { continue };
        set(&mut attributes, name, &value);
        change.attributes = Some(attributes.clone());
    }
    let changed = [
        ("name", change.name.is_some()),
        ("price", change.price.is_some()),
        ("attributes", change.attributes.is_some()),
    ];
    let paths = changed.into_iter().filter(|(_, is)| *is).map(|(path, _)| path.to_owned());
    change.update_mask = Some(FieldMask { paths: paths.collect() });
    Ok(change)
}

#[tonic::async_trait]
impl BookService for Handlers {
    async fn create_book(&self, request: Request<CreateBookRequest>) -> Reply<Book> {
        let caller = Caller::of(request.metadata());
        let (context, message) = open(request)?;
        let request = caller.call(&context, new_product(message)?);
        let made = self.catalog.client().create_product(request).await.map_err(Error::from)?;
        book_of(made.into_inner())
    }

    async fn get_book(&self, request: Request<GetBookRequest>) -> Reply<Book> {
        let (context, id, _) = open_named(request, |message| book_id(&message.id))?;
        book_of(self.product(&context, &id).await?)
    }

    async fn list_books(&self, request: Request<ListBooksRequest>) -> Reply<ListBooksResponse> {
        let (context, message) = open(request)?;
        let genre = Some(message.genre).filter(|genre| !genre.is_empty());
        let request = context.outgoing(ListProductsRequest {
            r#type: TYPE.to_owned(),
            currency: souk_kit::Currency::USD.code().to_owned(),
            attr: genre.into_iter().map(|genre| ("genre".to_owned(), genre)).collect(),
            in_stock: message.in_stock,
            page: Some(message.page.unwrap_or(1)),
            size: message.size,
            ..ListProductsRequest::default()
        });
        let list = self.catalog.client().list_products(request).await.map_err(Error::from)?;
        let list = list.into_inner();
        let at = list.pagination.unwrap_or_default();
        let pagination = BookPagination {
            page: at.page.unwrap_or_default(),
            size: at.size,
            total: at.total,
            pages: at.pages.unwrap_or_default(),
        };
        let data = list.data.into_iter().filter_map(book).collect();
        Ok(Response::new(ListBooksResponse { data, pagination: Some(pagination) }))
    }

    async fn update_book(&self, request: Request<UpdateBookRequest>) -> Reply<Book> {
        let caller = Caller::of(request.metadata());
        let (context, id, message) = open_named(request, |message| book_id(&message.id))?;
        let mask = Mask::of(message.update_mask.clone());
        let in_stock = mask.required("in_stock", message.in_stock).map_err(Error::from)?;
        if in_stock.is_some() {
            may_stock(&context)?;
        }
        self.change(&context, &caller, &message).await?;
        if let Some(in_stock) = in_stock {
            self.set_stock(&context, &caller, &id, in_stock).await?;
        }
        book_of(self.product(&context, &id).await?)
    }

    async fn delete_book(&self, request: Request<DeleteBookRequest>) -> Reply<()> {
        let caller = Caller::of(request.metadata());
        let (context, id, _) = open_named(request, |message| book_id(&message.id))?;
        self.product(&context, &id).await?;
        let request = caller.call(&context, DeleteProductRequest { id: id.clone() });
        self.catalog.client().delete_product(request).await.map_err(Error::of_book(&id))?;
        Ok(Response::new(()))
    }
}

/// Refuses who may not change the stock, before anything is changed: the catalog would do so too late.
fn may_stock(context: &Context) -> Result<(), Error> {
    Ok(admission::allow(SET_STOCK, context.principal.as_deref())?)
}

fn book_of(product: Product) -> Reply<Book> {
    let id = product.id.clone();
    let found = book(product).ok_or(Error::NotFound(id))?;
    Ok(Response::new(found))
}
