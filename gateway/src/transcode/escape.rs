//! Strings as JSON writes them: what needs an escape is found eight bytes at a time.

const ONES: u64 = u64::MAX / 0xff;
const HIGHS: u64 = ONES << 7;

/// How many bytes at the start of `bytes` stand in a JSON string as they are: up to the first
/// quotation mark, backslash or control character.
#[inline]
pub(super) fn plain_prefix(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = special(u64::from_le_bytes(*word));
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    match bytes.last_chunk::<8>() {
        // the tail is the end of a word that begins in what is known to be plain
        Some(word) if !tail.is_empty() => {
            let found = special(u64::from_le_bytes(*word));
            bytes.len() - 8 + found.trailing_zeros() as usize / 8
        }
        Some(_) => bytes.len(),
        None => tail.iter().take_while(|byte| !is_special(**byte)).count(),
    }
}

/// The high bit of every byte that needs an escape, at least up to the first such byte.
#[inline]
fn special(word: u64) -> u64 {
    // `x - 1` borrows into the high bit only where x is zero (or where a lower byte already did)
    let zero = |x: u64| x.wrapping_sub(ONES) & !x;
    let quote = zero(word ^ (ONES * b'"' as u64));
    let backslash = zero(word ^ (ONES * b'\\' as u64));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & HIGHS
}

#[inline]
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Appends `text` with its quotation marks.
#[inline]
pub(super) fn put_string(out: &mut Vec<u8>, text: &str) {
    put_utf8(out, text.as_bytes());
}

/// Appends text that is known to be UTF-8.
#[inline]
pub(super) fn put_utf8(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut rest = text;
    loop {
        let (plain, after) = rest.split_at(plain_prefix(rest));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = after.split_first() else {
            break;
        };
        put_escape(out, byte);
        rest = after;
    }
    out.push(b'"');
}

fn put_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            const HEX: [u8; 16] = *b"0123456789abcdef";
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_is_found_if_and_only_if_it_needs_an_escape() {
        for byte in 0..=255u8 {
            for place in 0..20 {
                for filler in [b'x', 0x7f, 0x80, 0xff, 0x21, 0x23, 0x5b, 0x5d] {
                    let mut bytes = [filler; 20];
                    bytes[place] = byte;
                    let expected = if is_special(byte) { place } else { 20 };
                    assert_eq!(plain_prefix(&bytes), expected, "{byte:#x} at {place}");
                }
            }
        }
    }

    #[test]
    fn strings_are_escaped_as_serde_json_escapes_them() {
        let all: String = (0..0x300).filter_map(char::from_u32).collect();
        for text in ["", "plain", "\"", "a \"quoted\" word\n", "ends with \\", &all] {
            let mut out = Vec::new();
            put_string(&mut out, text);
            assert_eq!(out, serde_json::to_vec(text).unwrap());
        }
    }
}
