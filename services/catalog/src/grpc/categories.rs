//! Categories: created, read, listed, changed and deleted.

use souk_kit::id::CategoryId;
use souk_kit::page::Page;
use souk_kit::request::{open, open_named};
use souk_kit::wire;
use souk_proto::souk::catalog::v2::{
    Category, CreateCategoryRequest, DeleteCategoryRequest, GetCategoryRequest,
    ListCategoriesRequest, ListCategoriesResponse, ReplaceCategoryRequest, UpdateCategoryRequest,
};
use tonic::{Request, Response};

use super::messages::categories::{
    category_change, category_replacement, heirs, level, new_category,
};
use super::messages::path_id;
use super::v1::Version;
use super::{Handlers, Reply};
use crate::category::Heirs;
use crate::{Error, editing};

fn category_id(id: &str) -> Result<CategoryId, Error> {
    path_id("category", id)
}

pub async fn create(
    handlers: &Handlers,
    request: Request<CreateCategoryRequest>,
) -> Reply<Category> {
    let (context, message) = open(request)?;
    let new = new_category(message)?;
    let category = editing::create_category(&handlers.until(&context), &new).await?;
    Ok(Response::new(category.into()))
}

pub async fn get(handlers: &Handlers, request: Request<GetCategoryRequest>) -> Reply<Category> {
    let (context, id, _) = open_named(request, |message| category_id(&message.id))?;
    let category = handlers.reading.category(&handlers.until(&context), id).await?;
    Ok(Response::new(category.into()))
}

pub async fn list(
    handlers: &Handlers,
    request: Request<ListCategoriesRequest>,
) -> Reply<ListCategoriesResponse> {
    let (context, ListCategoriesRequest { size, cursor, page, parent_id }) = open(request)?;
    let level = level(&parent_id)?;
    let page = Page::parse(handlers.reading.cursors(), &level.list(), size, &cursor, page)?;
    let _place = handlers.database.place_to_list().await;
    let (rows, position) =
        handlers.reading.list_categories(&handlers.until(&context), &page, level).await?;
    let data = rows.into_iter().map(Category::from).collect();
    let pagination = Some(wire::pagination(position));
    Ok(Response::new(ListCategoriesResponse { data, pagination }))
}

pub async fn update(
    handlers: &Handlers,
    request: Request<UpdateCategoryRequest>,
) -> Reply<Category> {
    let (context, id, message) = open_named(request, |message| category_id(&message.id))?;
    let change = category_change(message)?;
    let category =
        editing::change_category(&handlers.until(&context), id, &context.if_match, &change).await?;
    Ok(Response::new(category.into()))
}

pub async fn replace(
    handlers: &Handlers,
    request: Request<ReplaceCategoryRequest>,
) -> Reply<Category> {
    let (context, id, message) = open_named(request, |message| category_id(&message.id))?;
    let change = category_replacement(message)?;
    let category =
        editing::change_category(&handlers.until(&context), id, &context.if_match, &change).await?;
    Ok(Response::new(category.into()))
}

pub async fn delete(handlers: &Handlers, request: Request<DeleteCategoryRequest>) -> Reply<()> {
    let version = Version::of(&request);
    let (context, id, message) = open_named(request, |message| category_id(&message.id))?;
    let heirs = match version {
        // which cannot say where anything goes
        Version::V1 => Heirs::NONE,
        Version::V2 => heirs(&message)?,
    };
    let access = handlers.until(&context);
    editing::delete_category(&access, id, &context.if_match, heirs).await?;
    Ok(Response::new(()))
}
