//! Which products a list has, and in which order.

use souk_kit::{Currency, Money, wire};
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::catalog::v2 as proto;

use super::path_id;
use super::products::currency;
use crate::Error;
use crate::listing::{CategoryName, Filter, Listing, Sort, Wanted};
use crate::product::Market;
use crate::product_type::TypeName;

pub fn wanted(message: proto::ListProductsRequest, market: Market) -> Result<Wanted, Error> {
    let all_categories = message.category_match() == proto::CategoryMatch::All;
    let words = Some(message.q).filter(|words| !words.is_empty());
    if words.as_ref().is_some_and(|words| !words.contains(char::is_alphanumeric)) {
        return Err(Error::invalid("q", "must have a letter or a digit"));
    }
    let sort = Sort::parse(&message.sort, words.is_some());
    let sort = sort.ok_or_else(|| Error::invalid("sort", "by relevance needs words in q"))?;
    let mut currency = match (market.currency(), message.currency.as_str()) {
        (Some(of_market), _) => Some(of_market),
        (None, "") => None,
        (None, code) => Some(currency(code)?),
    };
    let is_priced = message.min_price.is_some() || message.max_price.is_some();
    if is_priced {
        currency = currency.or(Some(Currency::USD));
    }
    let price = |field: &str, amount: Option<Decimal>| {
        let minor = |amount: Decimal| {
            let money = Money::parse(&amount.value, currency.unwrap_or(Currency::USD));
            money.map(Money::minor).map_err(|issue| Error::invalid(field, issue))
        };
        amount.map(minor).transpose()
    };
    let filter = Filter {
        currency,
        categories: Vec::new(),
        words,
        in_stock: message.in_stock,
        min_price: price("min_price", message.min_price)?,
        max_price: price("max_price", message.max_price)?,
        product_type: TypeName::parse(message.r#type),
        created_after: message
            .created_after
            .map(|time| {
                wire::time(&time).ok_or_else(|| Error::invalid("created_after", "is no time"))
            })
            .transpose()?,
        attributes: Vec::new(),
    };
    // in one order, whatever that of the message is: a cursor belongs to all of them
    let mut attributes: Vec<(String, String)> = message.attr.into_iter().collect();
    attributes.sort_unstable();
    let category = Some(message.category_id).filter(|id| !id.is_empty());
    Ok(Wanted {
        listing: Listing { filter, sort },
        categories: message.category.iter().map(|name| CategoryName::parse(name)).collect(),
        all_categories,
        category: category.map(|id| path_id("category", &id)).transpose()?,
        attributes,
    })
}
