//! A contract that Souk was not built with, against grpc-gateway, whose code is generated from it:
//! the same contract, the same service behind both, the same JSON.

use std::path::Path;

use anyhow::Result;

use crate::contest::{Contender, compare, compete, same_answers};
use crate::contracts::Contract;
use crate::grpc_gateway;
use crate::peers::Peer;
use crate::support::arguments;
use crate::support::gateway::{Access, Gateway};
use crate::support::http::{get, post};
use crate::support::table::Asked;
use crate::support::usage::Processes;

const BOOK: &str = r#"{
  "title": "The Hunger Games",
  "authors": [{"givenName": "Suzanne", "familyName": "Collins", "born": 1962}],
  "format": "FORMAT_HARDCOVER",
  "pageCount": 374,
  "copiesSold": "29000000",
  "rating": 4.34,
  "inPrint": true,
  "subjects": ["dystopia", "survival", "young adult"],
  "labels": {"language": "en", "series": "The Hunger Games"},
  "publishedAt": "2008-09-14T00:00:00Z"
}"#;

pub async fn rows(souk: &Path) -> Result<()> {
    let rows = [
        ("GET one book, gateway busy, against grpc-gateway", get("/v1/shelves/7/books/1")),
        ("list of 20 books, gateway busy, against grpc-gateway", get("/v1/shelves/7/books")),
        ("POST one book, gateway busy, against grpc-gateway", post("/v1/shelves/7/books", BOOK)),
    ];
    if !rows.iter().any(|(work, _)| arguments::select(work)) {
        return Ok(());
    }
    let peer = match grpc_gateway::build() {
        Ok(peer) => peer,
        Err(error) => {
            println!("the rows against grpc-gateway are skipped: {error:#}");
            return Ok(());
        }
    };
    println!("{}; Envoy, which Debian does not have, is not among the peers", peer.version);
    let (_library, address) = Peer::Library.start("nothing")?;
    let upstream = format!("http://{address}");
    let contract = Contract::Library.write()?;
    let gateway = Gateway::of_contract(souk, &contract, &upstream, "canonical", Access::Public)?;
    let (process, http) = peer.start(&address)?;
    let contenders = [
        Contender::new("souk", &gateway.http, &[gateway.processes()]),
        Contender::new("grpc-gateway", &http, &[Processes(vec![process.pid()])]),
    ];
    for (work, request) in rows {
        if arguments::select(work) {
            same_answers(&contenders, &request).await?;
            let samples = compete(&contenders, &[request].into()).await?;
            compare(&contenders, &samples, 1, Asked::AtMost(0.5)).print(work);
        }
    }
    Ok(())
}
