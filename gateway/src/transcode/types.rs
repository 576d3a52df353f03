//! Which messages google.protobuf.Any holds: `@type` may be anywhere among the members of its
//! object, and is needed before the first of them is read.

use std::borrow::Cow;

use super::error::{InputError, Refusal};
use super::json::{Scanner, Token};
use super::wire::MAX_DEPTH;

/// Lists and objects inside each other in the JSON of a message that is not nested too deeply: one
/// of each, at most, for every message, and one more at the bottom.
const MAX_OPEN: usize = 2 * MAX_DEPTH as usize + 4;

/// The types that objects say they have. Objects are looked through once, together with all that is
/// inside them: however they are nested, no part of a text is looked through again.
#[derive(Default)]
pub(super) struct Types<'j> {
    /// Where the members of an object begin, and its type; in the order of the text.
    found: Vec<(usize, Cow<'j, str>)>,
    /// How far the text has been looked through.
    end: usize,
}

impl<'j> Types<'j> {
    /// The type of the object whose members come next.
    pub(super) fn of_object(
        &mut self,
        json: &Scanner<'j>,
    ) -> Result<Option<Cow<'j, str>>, Refusal> {
        let mut ahead = json.clone();
        if let Token::String(key) = ahead.token()?
            && key == "@type"
            && let Some(name) = value_of_type(&mut ahead)?
        {
            return Ok(Some(name));
        }
        let start = json.position();
        if start >= self.end {
            self.look_through(json.clone())?;
        }
        let found = self.found.binary_search_by_key(&start, |(start, _)| *start);
        Ok(found.ok().map(|place| self.found[place].1.clone()))
    }

    fn look_through(&mut self, mut json: Scanner<'j>) -> Result<(), Refusal> {
        let before = self.found.len();
        // where the members of each open object begin; nothing for a list
        let mut open = vec![Some(json.position())];
        let mut is_key = true;
        while let Some(&innermost) = open.last() {
            let token = json.token()?;
            let is_key_next = matches!(token, Token::Mark(b'{' | b','));
            match token {
                Token::String(text) => {
                    if let Some(start) = innermost
                        && is_key
                        && text == "@type"
                        && let Some(name) = value_of_type(&mut json)?
                    {
                        self.found.push((start, name));
                    }
                }
                Token::Mark(b'{') => open.push(Some(json.position())),
                Token::Mark(b'[') => open.push(None),
                Token::Mark(b'}' | b']') => drop(open.pop()),
                Token::Mark(_) | Token::Word => (),
            }
            if open.len() > MAX_OPEN {
                return Err(InputError::value("is nested too deeply"));
            }
            is_key = is_key_next;
        }
        self.found[before..].sort_by_key(|(start, _)| *start);
        self.end = json.position();
        Ok(())
    }
}

/// The string that stands behind `"@type"`; nothing if it is something else.
fn value_of_type<'j>(json: &mut Scanner<'j>) -> Result<Option<Cow<'j, str>>, Refusal> {
    let is_string = json.take(b':') && json.peek() == Some(b'"');
    is_string.then(|| json.string()).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_an_object_is_looked_through_with_it_and_not_again() {
        let json =
            br#"{"a":[{"value":{"b":1,"@type":"x/Inner"},"@type":"x/Outer"}],"@type":"x/Top"} {"#;
        // behind the brace at this place
        let after = |place: usize| {
            let mut scanner = Scanner::new(json).unwrap();
            while scanner.position() <= place {
                scanner.token().unwrap();
            }
            scanner
        };
        let mut types = Types::default();
        assert_eq!(types.of_object(&after(0)).unwrap().as_deref(), Some("x/Top"));
        let end = types.end;
        assert_eq!(end, json.len() - 2);
        assert_eq!(types.of_object(&after(6)).unwrap().as_deref(), Some("x/Outer"));
        assert_eq!(types.of_object(&after(15)).unwrap().as_deref(), Some("x/Inner"));
        assert_eq!((types.end, types.found.len()), (end, 3));
    }
}
