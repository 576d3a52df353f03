//! Forms: they are read alike in whatever pieces they come, and what a client writes reads back.

#![no_main]

use bytes::Bytes;
use futures::executor::block_on;
use futures::stream;
use libfuzzer_sys::{Corpus, fuzz_target};
use souk_gateway::multipart::{Error, FIELD, Pair, Parts};

/// What separates parts, here.
const BOUNDARY: &str = "x";
/// The largest size of all fields.
const MOST: usize = 4 * FIELD;

/// What a form holds: its fields, the type of its file, and the file.
type Form = (Vec<Pair>, String, Vec<u8>);

// the size of the pieces, and a form
fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((piece, form)) = data.split_first() else { return Corpus::Reject };
    let form = Bytes::copy_from_slice(form);
    let whole = read(&form, usize::MAX);
    let in_pieces = read(&form, usize::from(*piece).max(1));
    match (whole, in_pieces) {
        (Ok(whole), Ok(in_pieces)) => assert_eq!(whole, in_pieces),
        // of several faults, the one that comes first is told
        (Err(_), Err(_)) => {}
        (one, other) => panic!("{one:?}, and in pieces {other:?}"),
    }
    assert_reads_back(&form, usize::from(*piece).max(1));
    Corpus::Keep
});

fn read(form: &Bytes, piece: usize) -> Result<Form, Error> {
    let pieces: Vec<_> = form.chunks(piece).map(|piece| Ok(form.slice_ref(piece))).collect();
    let mut parts = Parts::new(stream::iter(pieces), BOUNDARY.to_owned(), MOST, None);
    block_on(async {
        let (fields, mut file) = parts.file().await?;
        let (media_type, mut content) = (file.media_type(), Vec::new());
        while let Some(bytes) = file.next().await? {
            content.extend_from_slice(&bytes);
        }
        drop(file);
        parts.end().await?;
        Ok((fields, media_type, content))
    })
}

/// Any bytes can be a file, unless they have the boundary in them.
fn assert_reads_back(content: &Bytes, piece: usize) {
    if content.windows(3).any(|window| window == b"--x") {
        return;
    }
    let head = "--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x\r\n\
                content-disposition: form-data; name=\"f\"; filename=\"g\"\r\n\r\n";
    let form = [head.as_bytes(), content, b"\r\n--x--\r\n"].concat().into();
    let (fields, media_type, file) = read(&form, piece).expect("a form");
    assert_eq!(fields, [("a".to_owned(), "b".to_owned())]);
    assert_eq!((media_type.as_str(), &file[..]), ("application/octet-stream", &content[..]));
}
