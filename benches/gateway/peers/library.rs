//! A library that answers at once, for gateways to stand before.

use prost_types::Timestamp;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::contracts::library::library_server::{Library, LibraryServer};
use crate::contracts::library::{
    Author, Book, CreateBookRequest, Format, GetBookRequest, ListBooksRequest, ListBooksResponse,
};

pub fn routes() -> Routes {
    Routes::new(LibraryServer::new(Shelves))
}

struct Shelves;

#[tonic::async_trait]
impl Library for Shelves {
    async fn get_book(&self, request: Request<GetBookRequest>) -> Result<Response<Book>, Status> {
        Ok(Response::new(book(request.into_inner().name)))
    }

    async fn list_books(
        &self,
        request: Request<ListBooksRequest>,
    ) -> Result<Response<ListBooksResponse>, Status> {
        let parent = request.into_inner().parent;
        let books = (0..20).map(|number| book(format!("{parent}/books/{number}"))).collect();
        Ok(Response::new(ListBooksResponse { books, next_page_token: "MjA".to_owned() }))
    }

    async fn create_book(
        &self,
        request: Request<CreateBookRequest>,
    ) -> Result<Response<Book>, Status> {
        let CreateBookRequest { parent, book } = request.into_inner();
        let book = book.ok_or_else(|| Status::invalid_argument("there is no book"))?;
        Ok(Response::new(Book { name: format!("{parent}/books/1"), ..book }))
    }
}

fn book(name: String) -> Book {
    let author =
        Author { given_name: "Suzanne".to_owned(), family_name: "Collins".to_owned(), born: 1962 };
    let labels = [("language", "en"), ("series", "The Hunger Games")];
    Book {
        name,
        title: "The Hunger Games".to_owned(),
        authors: vec![author],
        format: Format::Hardcover.into(),
        page_count: 374,
        copies_sold: 29_000_000,
        rating: 4.34,
        in_print: true,
        subjects: ["dystopia", "survival", "young adult"].map(str::to_owned).into(),
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        published_at: Some(Timestamp { seconds: 1_221_350_400, nanos: 0 }),
        updated_at: Some(Timestamp { seconds: 1_795_568_724, nanos: 360_123_000 }),
    }
}
