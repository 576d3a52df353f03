//! Reads JSON text token by token.

use std::borrow::Cow;

use super::error::{InputError, Refusal};
use super::escape::plain_prefix;
use super::number::number_length;
use super::wire::MAX_DEPTH;

/// A position in a JSON text.
#[derive(Clone)]
pub(super) struct Scanner<'j> {
    text: &'j str,
    at: usize,
}

/// What a text is made of.
pub(super) enum Token<'j> {
    String(Cow<'j, str>),
    /// One of the punctuation marks of JSON.
    Mark(u8),
    /// A number, `true`, `false`, `null`, or something that is not JSON.
    Word,
}

impl<'j> Scanner<'j> {
    /// Refuses text that is not UTF-8.
    pub(super) fn new(json: &'j [u8]) -> Result<Self, Refusal> {
        match std::str::from_utf8(json) {
            Ok(text) => Ok(Self { text, at: 0 }),
            Err(error) => Err(InputError::syntax("is not UTF-8", error.valid_up_to())),
        }
    }

    /// In bytes from the start of the text.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The next byte that is not white space.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Passes `byte` if it comes next.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Passes one of the punctuation marks of JSON.
    #[inline]
    pub(super) fn expect(&mut self, mark: u8, issue: &'static str) -> Result<(), Refusal> {
        if self.take(mark) { Ok(()) } else { Err(InputError::syntax(issue, self.at)) }
    }

    /// Passes `true`, `false` or `null`.
    pub(super) fn literal(&mut self, word: &'static str) -> Result<(), Refusal> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(InputError::syntax("has a word that is not JSON", self.at))
        }
    }

    /// The digits of a number, exactly as they stand.
    pub(super) fn number(&mut self) -> Result<&'j str, Refusal> {
        let rest = &self.text[self.at..];
        let Some(length) = number_length(rest.as_bytes()) else {
            return Err(InputError::syntax("has a number that is not JSON", self.at));
        };
        self.at += length;
        Ok(&rest[..length])
    }

    /// A string without its quotation marks and escapes. The opening mark must come next.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Cow<'j, str>, Refusal> {
        if let Some(text) = self.plain_string() {
            return Ok(Cow::Borrowed(text));
        }
        let mut out = String::new();
        self.unescape(|piece| out.push_str(piece))?;
        Ok(Cow::Owned(out))
    }

    /// A string that has no escapes; if it has, it still comes next.
    #[inline]
    pub(super) fn plain_string(&mut self) -> Option<&'j str> {
        let rest = &self.text[self.at + 1..];
        let plain = plain_prefix(rest.as_bytes());
        if rest.as_bytes().get(plain) != Some(&b'"') {
            return None;
        }
        self.at += plain + 2;
        Some(&rest[..plain])
    }

    /// A string, piece by piece.
    pub(super) fn unescape(&mut self, mut piece: impl FnMut(&str)) -> Result<(), Refusal> {
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let plain = plain_prefix(rest.as_bytes());
            piece(&rest[..plain]);
            self.at += plain;
            match rest.as_bytes().get(plain) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => piece(self.escape()?.encode_utf8(&mut [0; 4])),
                Some(_) => {
                    let issue = "has a control character in a string";
                    return Err(InputError::syntax(issue, self.at));
                }
                None => return Err(InputError::syntax("has a string without an end", self.at)),
            }
        }
    }

    /// The character that a backslash and what follows stand for.
    fn escape(&mut self) -> Result<char, Refusal> {
        let start = self.at;
        let bad = || InputError::syntax("has a bad escape in a string", start);
        let kind = *self.text.as_bytes().get(start + 1).ok_or_else(bad)?;
        self.at += 2;
        Ok(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => match self.hex_digits().ok_or_else(bad)? {
                high @ 0xd800..=0xdbff => {
                    let low = self.low_surrogate().ok_or_else(bad)?;
                    let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                    char::from_u32(code).ok_or_else(bad)?
                }
                // a low surrogate alone is no character
                code => char::from_u32(code).ok_or_else(bad)?,
            },
            _ => return Err(bad()),
        })
    }

    fn low_surrogate(&mut self) -> Option<u32> {
        if !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            return None;
        }
        self.at += 2;
        self.hex_digits().filter(|code| (0xdc00..0xe000).contains(code))
    }

    fn hex_digits(&mut self) -> Option<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |code, digit| Some(code << 4 | char::from(*digit).to_digit(16)?))
    }

    /// The name of a member, with the colon after it.
    #[inline]
    pub(super) fn key(&mut self) -> Result<Cow<'j, str>, Refusal> {
        if self.peek() != Some(b'"') {
            self.expect(b'"', "has no name where one must be")?;
        }
        let key = self.string()?;
        self.expect(b':', "has no colon after a name")?;
        Ok(key)
    }

    /// Whether an object comes next that has a member.
    pub(super) fn has_members(&self) -> bool {
        let mut ahead = self.clone();
        ahead.take(b'{') && !ahead.take(b'}')
    }

    /// The next token, for a look at what will be read, or has been: only strings are checked.
    pub(super) fn token(&mut self) -> Result<Token<'j>, Refusal> {
        let is_mark = |byte: u8| matches!(byte, b'{' | b'}' | b'[' | b']' | b':' | b',');
        let is_end =
            |byte: u8| is_mark(byte) || matches!(byte, b'"' | b' ' | b'\n' | b'\r' | b'\t');
        match self.peek() {
            None => Err(InputError::syntax("ends too early", self.at)),
            Some(b'"') => self.string().map(Token::String),
            Some(byte) if is_mark(byte) => {
                self.at += 1;
                Ok(Token::Mark(byte))
            }
            Some(_) => {
                let rest = &self.text.as_bytes()[self.at..];
                self.at += rest.iter().take_while(|byte| !is_end(**byte)).count();
                Ok(Token::Word)
            }
        }
    }

    /// Passes a value, whatever is in it.
    pub(super) fn skip_value(&mut self) -> Result<(), Refusal> {
        let mut open = 0usize;
        loop {
            match self.token()? {
                Token::Mark(b'{' | b'[') => open += 1,
                Token::Mark(b'}' | b']') => open = open.saturating_sub(1),
                Token::Mark(_) | Token::String(_) | Token::Word => (),
            }
            if open == 0 {
                return Ok(());
            }
        }
    }

    /// Refuses anything but white space after the value.
    pub(super) fn end(&mut self) -> Result<(), Refusal> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(InputError::syntax("goes on after its end", self.at)),
        }
    }

    /// The error for a value of the wrong type, or for something that is no value at all.
    pub(super) fn mismatch(&mut self, issue: &'static str) -> Refusal {
        match self.peek() {
            Some(b'"' | b'{' | b'[' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9') => {
                InputError::value(issue)
            }
            Some(_) => InputError::syntax("has something that is not JSON", self.at),
            None => InputError::syntax("ends too early", self.at),
        }
    }
}

/// The depth of a message inside one at `depth`.
pub(super) fn deeper(depth: u32) -> Result<u32, Refusal> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(InputError::value("is nested too deeply")) }
}
