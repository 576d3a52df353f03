//! Every `docs_url` resolves.

use souk_proto::souk::types::v1::Reason;

use crate::fake::Fake;
use crate::shop::Shop;

#[tokio::test]
async fn every_reason_has_a_page_and_a_place_in_the_index() {
    let shop = Shop::of(&Fake::answering(())).await;
    let index = shop.get("/docs/errors").await;
    assert_eq!((index.status, index.header("content-type")), (200, "text/html; charset=utf-8"));
    let reasons: Vec<_> = (1..).map_while(|number| Reason::try_from(number).ok()).collect();
    assert!(reasons.len() >= 20, "{reasons:?}");
    for reason in reasons {
        let url = format!("/docs/errors/{}", reason.code());
        assert!(index.body.contains(&url), "{url}");
        let page = shop.get(&url).await;
        assert_eq!(page.status, 200, "{url}");
        assert!(page.body.contains(&reason.http_status().to_string()), "{}", page.body);
    }
}

#[tokio::test]
async fn a_page_explains_its_reason_in_the_words_of_the_contract() {
    let shop = Shop::of(&Fake::answering(())).await;
    let page = shop.get("/docs/errors/OUT_OF_STOCK").await;
    assert!(page.body.contains("Fewer units are available than the order asks for."));
    assert!(page.body.contains("<code>FailedPrecondition</code>"), "{}", page.body);
}

#[tokio::test]
async fn a_page_that_does_not_exist_is_not_found() {
    let shop = Shop::of(&Fake::answering(())).await;
    for code in ["NOPE", "UNSPECIFIED", "%FF", "%3Cscript%3E"] {
        let reply = shop.get(&format!("/docs/errors/{code}")).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"), "{code}");
    }
}

#[tokio::test]
async fn pages_are_compressed_for_those_who_take_it() {
    let shop = Shop::of(&Fake::answering(())).await;
    let page = shop.send("GET", "/docs/errors", &["accept-encoding: gzip"], "").await;
    assert_eq!((page.status, page.header("content-encoding")), (200, "gzip"));
    assert_eq!(page.header("content-length"), page.content.len().to_string());
}
