//! Files in forms: `multipart/form-data`.

use std::time::Duration;

use futures::TryStreamExt as _;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use souk_gateway::Options;
use tokio::join;
use tokio::time::timeout;

use super::bodies::written;
use super::{Answer, File, Service, Summary, feed, feeds, http_body};

const FILE: &str = "/v1/topics/news/file";
const ARCHIVE: &str = "/v1/topics/news/archive";
const SHORT: Duration = Duration::from_millis(200);

fn put(path: &str) -> http::request::Builder {
    Request::put(path).header("content-type", "multipart/form-data; boundary=x")
}

/// A form with these parts, each a head and a content.
fn form(parts: &[(&str, &str)]) -> String {
    let part = |(head, content): &(&str, &str)| {
        format!("--x\r\ncontent-disposition: form-data; {head}\r\n\r\n{content}\r\n")
    };
    parts.iter().map(part).collect::<String>() + "--x--\r\n"
}

const CSV: &str = "name=f; filename=a.csv\r\ncontent-type: text/csv";

#[tokio::test]
async fn a_file_goes_to_the_service_as_it_comes_and_the_fields_before_it_with_its_beginning() {
    for (service, shop) in feeds(Options::default()).await {
        let (pieces, body) = written();
        let serving = async {
            pieces
                .send("--x\r\ncontent-disposition: form-data; name=size\r\n\r\n7\r")
                .await
                .unwrap();
            let file = "\n--x\r\ncontent-disposition: form-data; name=f; filename=a\r\n\
                        content-type: text/csv\r\n\r\none,";
            pieces.send(file).await.unwrap();
            let mut call = service.call().await;
            let content = Some(http_body("text/csv", "one,"));
            let (topic, name) = ("news".to_owned(), "a".to_owned());
            let first = File { topic, size: 7, content, name };
            assert_eq!(call.hear().await.unwrap(), Some(first));
            pieces.send("two\r\n--x--\r\n").await.unwrap();
            let second = File { content: Some(http_body("", "two")), ..File::default() };
            assert_eq!(call.hear().await.unwrap(), Some(second));
            drop(pieces);
            assert_eq!(call.hear::<File>().await.unwrap(), None);
            call.say(Summary { count: 7 }).await;
        };
        let (mut answer, ()) = join!(Answer::with(&shop, put(ARCHIVE), body), serving);
        assert_eq!((answer.status.as_u16(), &answer.json().await["count"]), (200, &7.into()));
    }
}

#[tokio::test]
async fn a_file_may_be_a_part_of_one_message() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let body = form(&[("name=size", "7"), (CSV, "a,b\r\n")]);
    let serving = async {
        let mut call = service.call().await;
        let file: File = call.hear().await.unwrap().unwrap();
        call.say(Summary::default()).await;
        file
    };
    let (answer, file) = join!(Answer::to(&shop, put(FILE), &body), serving);
    let content = Some(http_body("text/csv", "a,b\r\n"));
    // the policy asks for no name
    let expected = File { topic: "news".to_owned(), size: 7, content, ..File::default() };
    assert_eq!((answer.status.as_u16(), file), (200, expected));
}

#[tokio::test]
async fn a_file_keeps_its_name_unless_a_parameter_gives_it_another() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let file = "name=f; filename=\"a b.csv\"\r\ncontent-type: text/csv";
    let with_field = form(&[("name=name", "field"), (file, "x")]);
    for (path, body, expected) in [
        (ARCHIVE.to_owned(), form(&[(file, "x")]), "a b.csv"),
        (ARCHIVE.to_owned(), form(&[("name=f; filename=é.csv", "x")]), "é.csv"),
        (format!("{ARCHIVE}?name=query"), form(&[(file, "x")]), "query"),
        (ARCHIVE.to_owned(), with_field, "field"),
    ] {
        let serving = async {
            let mut call = service.call().await;
            let file: File = call.hear().await.unwrap().unwrap();
            call.say(Summary::default()).await;
            file.name
        };
        let (answer, name) = join!(Answer::to(&shop, put(&path), &body), serving);
        assert_eq!((answer.status.as_u16(), name.as_str()), (200, expected));
    }
    // bytes as they stand have the name that a parameter gives them
    let request = Request::put(format!("{ARCHIVE}?name=a.csv"));
    let serving = async { service.call().await.hear::<File>().await.unwrap().unwrap().name };
    let sending = timeout(SHORT * 10, Answer::to(&shop, request, "x"));
    assert_eq!(join!(sending, serving).1, "a.csv");
}

#[tokio::test]
async fn what_is_wrong_with_a_form_is_told() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let cases = [
        (form(&[("name=size", "x"), (CSV, "a")]), "size "),
        (form(&[("name=other", "1"), (CSV, "a")]), "other "),
        (form(&[("name=topic", "x"), (CSV, "a")]), "topic "),
        (form(&[("name=content.data", "x"), (CSV, "a")]), "content.data "),
        (form(&[("name=size", "7")]), "the form has no file"),
        (form(&[(CSV, "a"), ("name=size", "7")]), "the file must be the last part of the form"),
        ("--x".to_owned(), "the form cannot be read"),
    ];
    for path in [FILE, ARCHIVE] {
        for (body, expected) in &cases {
            let answer = Answer::to(&shop, put(path), body).await;
            assert_eq!(answer.status, 400, "{path} {body}");
            let error = answer.error().await;
            assert!(error["message"].as_str().unwrap().starts_with(expected), "{error}");
        }
        let without = Request::put(path).header("content-type", "multipart/form-data");
        let error = Answer::to(&shop, without, &cases[0].0).await.error().await;
        assert_eq!(error["message"], "the content type of the form names no boundary");
    }
}

#[tokio::test]
async fn a_form_that_breaks_off_is_not_taken_for_a_whole_one() {
    for (service, shop) in feeds(Options::default()).await {
        for end in ["", "\r\n--x\r\ncontent-disposition: form-data; name=late\r\n\r\n1\r\n--x--"] {
            let (pieces, body) = written();
            let serving = async {
                let begin = "--x\r\ncontent-disposition: form-data; name=f; filename=a\r\n\r\none";
                pieces.send(begin).await.unwrap();
                let mut call = service.call().await;
                assert!(call.hear::<File>().await.unwrap().is_some());
                pieces.send(end).await.unwrap();
                drop(pieces);
                assert!(call.hear::<File>().await.is_err());
            };
            let (answer, ()) = join!(Answer::with(&shop, put(ARCHIVE), body), serving);
            assert_eq!(answer.status, 400);
        }
    }
}

#[tokio::test]
async fn a_form_that_is_too_large_is_refused() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    // with all that is around the file
    let most = 300_000 - form(&[(CSV, "")]).len();
    let (large, small) = ("x".repeat(most + 1), "x".repeat(most));
    let serving = async {
        let mut call = service.call().await;
        let mut heard = 0;
        while let Ok(Some(file)) = call.hear::<File>().await {
            heard += file.content.unwrap().data.len();
        }
        call.say(Summary::default()).await;
        heard
    };
    let body = form(&[(CSV, &small)]);
    let (answer, heard) = join!(Answer::to(&shop, put(ARCHIVE), &body), serving);
    assert_eq!((answer.status.as_u16(), heard), (200, most));
    let known = Answer::to(&shop, put(ARCHIVE), &form(&[(CSV, &large)])).await;
    assert_eq!((known.status.as_u16(), known.code().await.as_str()), (413, "PAYLOAD_TOO_LARGE"));
    let refusing = async {
        let mut call = service.call().await;
        while let Ok(Some(_)) = call.hear::<File>().await {}
    };
    let body = Full::new(form(&[(CSV, &large)]).into());
    // nothing says how long it is
    let body = StreamBody::new(body.into_data_stream().map_ok(Frame::data)).boxed_unsync();
    let (answer, ()) = join!(Answer::with(&shop, put(ARCHIVE), body), refusing);
    assert_eq!((answer.status.as_u16(), answer.code().await.as_str()), (413, "PAYLOAD_TOO_LARGE"));
    let fields = form(&[("name=size", &"1".repeat(300_000)), (CSV, "")]);
    let answer = Answer::to(&shop, put(ARCHIVE), &fields).await;
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn a_file_that_the_service_does_not_take_is_not_read() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let (pieces, body) = written();
    let sending = tokio::spawn(async move { Answer::with(&shop, put(ARCHIVE), body).await });
    let begin = "--x\r\ncontent-disposition: form-data; name=f; filename=a\r\n\r\n";
    pieces.send(begin).await.unwrap();
    let piece: &'static str = Box::leak("x".repeat(10_000).into_boxed_str());
    let mut sent = 0;
    // what sockets take, and not much more
    while timeout(SHORT * 3, pieces.send(piece)).await.is_ok() {
        sent += 1;
        assert!(sent < 2_000, "{sent} × 10 kB were read");
    }
    sending.abort();
}

#[tokio::test]
async fn fields_without_end_are_refused_whatever_they_have_in_them() {
    let service = Service::new();
    let shop = feed(&service, Options::default()).await;
    let part =
        |name: &str| format!("--x\r\ncontent-disposition: form-data; name={name}\r\n\r\n\r\n");
    for field in [part("a"), part(&"a".repeat(30_000))] {
        let piece: &'static str = Box::leak(field.repeat(100_000 / field.len()).into_boxed_str());
        let (pieces, body) = written();
        let sending = async {
            let mut sent = 0;
            while pieces.send(piece).await.is_ok() {
                sent += piece.len();
                assert!(sent < 8_000_000, "{sent} bytes of fields were read");
            }
        };
        let (answer, ()) = join!(Answer::with(&shop, put(ARCHIVE), body), sending);
        assert_eq!(answer.status, 413);
        let message = answer.error().await["message"].clone();
        assert_eq!(message, "the fields of the form are larger than 262144 bytes");
    }
}
