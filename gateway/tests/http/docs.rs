//! The pages for people: they show where everything is, every `docs_url` resolves, and nothing on them
//! comes from elsewhere.

use serde_json::{Value, json};
use souk_proto::souk::types::v1::Reason;

use crate::fake::Fake;
use crate::shop::{Reply, Shop};

const PAGES: [&str; 5] = ["/", "/docs", "/redoc", "/docs/errors", "/docs/errors/OUT_OF_STOCK"];

async fn shop() -> Shop {
    Shop::of(&Fake::answering(())).await
}

/// As a browser asks for it.
async fn browse(shop: &Shop, target: &str) -> Reply {
    let accept = ["accept: text/html,application/xhtml+xml,*/*;q=0.8"];
    shop.send("GET", target, &accept, "").await
}

/// The values of an attribute.
fn values<'p>(page: &'p str, attribute: &str) -> Vec<&'p str> {
    let start = format!(" {attribute}=\"");
    let parts = page.split(&start).skip(1);
    parts.filter_map(|part| Some(part.split_once('"')?.0)).collect()
}

#[tokio::test]
async fn every_reason_has_a_page_and_a_place_in_the_index() {
    let shop = shop().await;
    let index = shop.get("/docs/errors").await;
    assert_eq!((index.status, index.header("content-type")), (200, "text/html; charset=utf-8"));
    let reasons: Vec<_> = (1..).map_while(|number| Reason::try_from(number).ok()).collect();
    assert!(reasons.len() >= 20, "{reasons:?}");
    for reason in reasons {
        let url = format!("/docs/errors/{}", reason.code());
        assert!(values(&index.body, "href").contains(&&*url), "{url}");
        let page = shop.get(&url).await;
        assert_eq!(page.status, 200, "{url}");
        assert!(page.body.contains(&reason.http_status().to_string()), "{}", page.body);
    }
}

#[tokio::test]
async fn a_page_explains_its_reason_in_the_words_of_the_contract() {
    let page = shop().await.get("/docs/errors/OUT_OF_STOCK").await;
    for words in [
        "<p class=\"lead\">Fewer units are available than the order asks for.</p>",
        "<h2>Cause</h2><p>Others have bought or reserved them.",
        "<h2>Remedy</h2><p>Order no more than is available",
        "<code>FailedPrecondition</code>",
        "POST /v1/orders\n",
        "HTTP/1.1 409 Conflict\n",
        "&quot;docs_url&quot;: &quot;/docs/errors/OUT_OF_STOCK&quot;",
    ] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
}

#[tokio::test]
async fn a_page_that_does_not_exist_is_not_found() {
    let shop = shop().await;
    for code in ["NOPE", "UNSPECIFIED", "%FF", "%3Cscript%3E"] {
        let reply = shop.get(&format!("/docs/errors/{code}")).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"), "{code}");
    }
}

#[tokio::test]
async fn the_overview_is_html_for_browsers_and_json_for_programs() {
    let shop = shop().await;
    let page = browse(&shop, "/").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert_eq!(page.header("vary"), "accept, accept-encoding");
    for words in [
        "<h1>Souk</h1>",
        "<h2>souk.catalog.v1.CatalogService</h2>",
        "<code><a href=\"/v1/products\">/v1/products</a></code>",
        "<code>/v1/products/{id}</code>",
        "<td>Lists all products",
        "<td>anyone</td>",
        "<td><code>catalog:write</code></td>",
        "signed in, with an <code>Idempotency-Key</code>",
    ] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    for accept in ["accept: application/json", "accept: */*", "x-no-accept: at all"] {
        let index = shop.send("GET", "/", &[accept], "").await;
        assert_eq!((index.status, index.header("content-type")), (200, "application/json"));
        assert_eq!(index.json()["links"]["openapi"], "/openapi.json");
    }
}

#[tokio::test]
async fn programs_learn_where_each_call_is_and_who_may_make_it() {
    let index = shop().await.get("/").await.json();
    let find = |method, path| {
        let routes = index["routes"].as_array().unwrap();
        let mut found = routes.iter().filter(|r| r["method"] == method && r["path"] == path);
        found.next().unwrap_or_else(|| panic!("no {method} {path}")).clone()
    };
    let place: Value = find("POST", "/v1/orders");
    assert_eq!(place["rpc"], "souk.orders.v1.OrdersService.CreateOrder");
    assert_eq!(
        (&place["access"], &place["needs_idempotency_key"]),
        (&json!("signed_in"), &json!(true))
    );
    assert_eq!(find("GET", "/v1/products")["access"], "public");
    assert_eq!(find("DELETE", "/v1/products/{id}")["access"], "catalog:write");
}

#[tokio::test]
async fn a_page_has_nothing_from_elsewhere_and_nothing_inline() {
    let shop = shop().await;
    for target in PAGES {
        let page = browse(&shop, target).await;
        assert_eq!(page.status, 200, "{target}");
        for loaded in [values(&page.body, "src"), values(&page.body, "href")].concat() {
            if loaded == "#main" {
                continue;
            }
            let is_ours = loaded.starts_with('/') && !loaded.starts_with("//");
            assert!(is_ours, "{target} has {loaded}");
            assert_ne!(shop.get(loaded).await.status, 404, "{target} has {loaded}");
        }
        for inline in ["<style", "<script>", " style=", " onload=", " onclick="] {
            assert!(!page.body.contains(inline), "{target} has {inline}");
        }
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; "), "{target}: {policy}");
        for hole in ["unsafe", "http", "*"] {
            assert!(!policy.contains(hole), "{target}: {policy}");
        }
    }
}

#[tokio::test]
async fn what_pages_load_is_kept_for_ever_under_an_address_of_its_own() {
    let shop = shop().await;
    for page in ["/docs", "/redoc"] {
        let page = shop.get(page).await;
        assert_eq!(page.header("cache-control"), "public, max-age=300");
        let scripts = values(&page.body, "src");
        assert!(!scripts.is_empty());
        for script in scripts {
            let asset = shop.get(script).await;
            assert_eq!(asset.header("content-type"), "text/javascript; charset=utf-8");
            assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
            let hash = script.split_once('?').unwrap().1;
            assert_eq!(asset.header("etag"), format!("\"{hash}\""));
        }
    }
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let shop = shop().await;
    let documents = ["/openapi.json", "/openapi.yaml", "/postman.json"];
    let pages = ["/", "/docs", "/docs/errors/INTERNAL", "/docs/assets/style.css"];
    for target in pages.into_iter().chain(documents) {
        let tag = shop.get(target).await.header("etag").to_owned();
        for known in [tag.clone(), format!("\"another\", W/{tag}"), "*".to_owned()] {
            let header = format!("if-none-match: {known}");
            let again = shop.send("GET", target, &[&header], "").await;
            assert_eq!((again.status, again.body.as_str()), (304, ""), "{target} {known}");
            assert_eq!(again.header("etag"), tag);
        }
        let other = shop.send("GET", target, &["if-none-match: \"another\""], "").await;
        assert_eq!(other.status, 200, "{target}");
    }
}

#[tokio::test]
async fn a_client_may_get_a_part_and_what_is_not_there_is_refused_as_the_example_says() {
    let shop = shop().await;
    let whole = shop.get("/openapi.json").await;
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let part = shop.send("GET", "/openapi.json", &["range: bytes=10-19"], "").await;
    assert_eq!((part.status, part.header("content-length")), (206, "10"));
    assert_eq!(part.content, whole.content[10..20]);
    assert_eq!(part.header("etag"), whole.header("etag"));
    let beyond = ["range: bytes=10000000-", "x-request-id: req_01h455vb4pex5vsknk084sn02q"];
    let refused = shop.send("GET", "/openapi.json", &beyond, "").await;
    let length = format!("bytes */{}", whole.content.len());
    assert_eq!((refused.status, refused.header("content-range")), (416, &*length));
    let page = shop.get("/docs/errors/RANGE_NOT_SATISFIABLE").await.body;
    let example = serde_json::to_string_pretty(&refused.json()).unwrap();
    assert!(page.contains(&example.replace('"', "&quot;")), "{page}");
}

#[tokio::test]
async fn large_scripts_are_compressed_for_those_who_take_it() {
    let shop = shop().await;
    for (asset, start) in [
        ("swagger-ui.js", "/*! For license information"),
        ("redoc.js", "/*! For license information"),
        ("swagger-ui.css", ".swagger-ui{"),
    ] {
        let target = format!("/docs/assets/{asset}");
        let plain = shop.get(&target).await;
        assert!(plain.body.starts_with(start), "{}", &plain.body[..80]);
        let gzip = shop.send("GET", &target, &["accept-encoding: zstd, gzip"], "").await;
        assert!(gzip.content.starts_with(&[0x1f, 0x8b]));
        assert!(gzip.content.len() * 3 < plain.content.len());
        for (asset, coding) in [(&plain, ""), (&gzip, "gzip")] {
            assert_eq!(asset.header("content-encoding"), coding);
            assert_eq!(asset.header("vary"), "accept-encoding");
        }
        assert_ne!(gzip.header("etag"), plain.header("etag"));
        let known = format!("if-none-match: {}", gzip.header("etag"));
        let again = shop.send("GET", &target, &["accept-encoding: gzip", &known], "").await;
        assert_eq!((again.status, again.content.len()), (304, 0));
    }
}

#[tokio::test]
async fn pages_are_compressed_for_those_who_take_it() {
    let shop = shop().await;
    for target in ["/", "/docs", "/docs/errors"] {
        let page = shop.send("GET", target, &["accept-encoding: gzip"], "").await;
        assert_eq!((page.status, page.header("content-encoding")), (200, "gzip"), "{target}");
        assert_eq!(page.header("content-length"), page.content.len().to_string(), "{target}");
    }
}

#[tokio::test]
async fn the_page_to_try_calls_says_which_call_signs_in() {
    let page = shop().await.get("/docs").await;
    assert!(page.body.contains("run <code>POST /v1/auth/token</code>"), "{}", page.body);
}

#[tokio::test]
async fn a_download_that_was_cut_goes_on_where_it_was_if_nothing_has_changed() {
    let shop = Shop::of(&Fake::answering(())).await;
    let whole = shop.get("/openapi.json").await;
    let tag = whole.header("etag").to_owned();
    for (tag, status) in [(&*tag, 206), ("\"other\"", 200), (&*format!("W/{tag}"), 200)] {
        let headers = ["range: bytes=100-", &format!("if-range: {tag}")];
        let reply = shop.send("GET", "/openapi.json", &headers, "").await;
        assert_eq!(reply.status, status, "{tag}");
        assert!(whole.content.ends_with(&reply.content));
    }
}
