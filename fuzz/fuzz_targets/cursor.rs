//! Cursors: what opens has been sealed, for that list and no other.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use souk_kit::cursor::{Cursor, Cursors, Total};
use souk_kit::secret::MasterSecret;
use uuid::Uuid;

static CURSORS: LazyLock<Cursors> = LazyLock::new(|| {
    let secret = "a secret that everybody may know".into();
    Cursors::new(&MasterSecret::new(secret).expect("long enough"))
});

// the name of a list, a line break, and a text
fuzz_target!(|input: &str| -> Corpus {
    let Some((list, text)) = input.split_once('\n') else { return Corpus::Reject };
    if let Some(cursor) = CURSORS.open(list, text) {
        assert_eq!(CURSORS.seal(list, &cursor), text);
    }
    if let Some((after, total)) = text.as_bytes().split_first_chunk()
        && let Some((total, change)) = total.split_first_chunk()
    {
        let total = match i32::from_be_bytes(*total) {
            rows if rows < 0 => Total::MoreThan(!rows),
            rows => Total::Exactly(rows),
        };
        let (after, sort_key) = (Uuid::from_bytes(*after), change.to_vec());
        assert_sealed(list, &Cursor { after, sort_key, total }, change);
    }
    Corpus::Keep
});

/// A cursor opens for its list, and when no letter of it has changed.
fn assert_sealed(list: &str, cursor: &Cursor, change: &[u8]) {
    let sealed = CURSORS.seal(list, cursor);
    assert_eq!(CURSORS.open(list, &sealed).as_ref(), Some(cursor));
    assert_eq!(CURSORS.open(&format!("{list}."), &sealed), None);
    if let [place, letter, ..] = *change {
        let mut changed = sealed.clone().into_bytes();
        let place = usize::from(place) % changed.len();
        changed[place] = letter;
        let changed = String::from_utf8_lossy(&changed);
        let expected = (changed == sealed).then_some(cursor);
        assert_eq!(CURSORS.open(list, &changed).as_ref(), expected, "{changed}");
    }
}
