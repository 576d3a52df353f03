//! A gateway with all that one has on the internet: access tokens, limits and headers. What is
//! written by hand does the same work, and answers the same.

use anyhow::Result;

use crate::contest::{Contender, compare, compete, same_answers, same_headers};
use crate::contracts::Contract;
use crate::peers::Peer;
use crate::reader::Requests;
use crate::support::arguments;
use crate::support::gateway::{Access, Gateway};
use crate::support::http::get_as;
use crate::support::postgres::Postgres;
use crate::support::shop::Shop;
use crate::support::table::Asked;
use crate::support::usage::Processes;

const PRODUCT: &str = "GET one product with a token, limits and headers, gateway busy";
const LIST: &str = "list of 20 with a token, limits and headers, gateway busy";

pub async fn rows(shop: &Shop, postgres: &Postgres) -> Result<()> {
    let rows =
        [(PRODUCT, products(shop), Asked::AtMost(1.2)), (LIST, lists(shop), Asked::AtMost(0.9))];
    if !rows.iter().any(|(work, ..)| arguments::select(work)) {
        return Ok(());
    }
    // its tokens count, and nothing else is asked of it
    let suite = shop.one_process(postgres).await?;
    let (_catalog, catalog) = Peer::Catalog.start("nothing")?;
    let catalog = format!("http://{catalog}");
    let contract = Contract::Members.write()?;
    let tokens = Access::Tokens(&suite.auth);
    let gateway = Gateway::of_contract(&shop.souk, &contract, &catalog, "plain", tokens)?;
    let (process, address) = Peer::Members.start(&format!("{catalog} {}", suite.auth))?;
    let contenders = [
        Contender::new("souk", &gateway.http, &[gateway.processes()]),
        Contender::new("axum + tonic", &address, &[Processes(vec![process.pid()])]),
    ];
    for (work, requests, asked) in rows {
        if arguments::select(work) {
            same_answers(&contenders, &requests[0]).await?;
            same_headers(&contenders, &requests[0]).await?;
            let samples = compete(&contenders, &requests).await?;
            compare(&contenders, &samples, 1, asked).print(work);
        }
    }
    Ok(())
}

/// Requests for each product, of all customers in turn.
fn products(shop: &Shop) -> Requests {
    let requests = shop.products.iter().zip(shop.tokens.iter().cycle());
    requests.map(|(id, token)| get_as(token, &format!("/v1/products/{id}"))).collect()
}

/// Each customer's request for a page.
fn lists(shop: &Shop) -> Requests {
    shop.tokens.iter().map(|token| get_as(token, "/v1/products?size=20")).collect()
}
