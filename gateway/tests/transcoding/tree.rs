//! JSON as a tree that keeps the text of numbers and the order of members.

#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// Panics on anything that serde_json does not accept.
    pub fn parse(json: &[u8]) -> Self {
        let text = std::str::from_utf8(json).unwrap();
        serde_json::from_str::<serde_json::Value>(text)
            .map(drop)
            .or_else(|error| {
                // the only thing that we write and it does not read: a Decimal beyond f64
                if error.to_string().contains("number out of range") { Ok(()) } else { Err(error) }
            })
            .unwrap_or_else(|error| panic!("{error} in {text}"));
        let mut rest = text;
        let tree = value(&mut rest);
        assert_eq!(rest.trim(), "");
        tree
    }
}

/// Panics with the place where two trees differ.
pub fn assert_same_json(actual: &Tree, expected: &Tree, path: &str) {
    match (actual, expected) {
        (Tree::Object(actual), Tree::Object(expected)) => {
            let keys = |members: &[(String, Tree)]| {
                members.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>()
            };
            assert_eq!(keys(actual), keys(expected), "in {path}");
            for ((key, actual), (_, expected)) in actual.iter().zip(expected) {
                assert_same_json(actual, expected, &format!("{path}.{key}"));
            }
        }
        (Tree::List(actual), Tree::List(expected)) => {
            assert_eq!(actual.len(), expected.len(), "in {path}");
            for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
                assert_same_json(actual, expected, &format!("{path}[{index}]"));
            }
        }
        _ => assert_eq!(actual, expected, "in {path}"),
    }
}

fn value(rest: &mut &str) -> Tree {
    skip(rest);
    match rest.as_bytes()[0] {
        b'n' => word(rest, "null", Tree::Null),
        b't' => word(rest, "true", Tree::Bool(true)),
        b'f' => word(rest, "false", Tree::Bool(false)),
        b'"' => Tree::Text(text(rest)),
        b'[' => {
            let mut items = Vec::new();
            sequence(rest, ']', |rest| items.push(value(rest)));
            Tree::List(items)
        }
        b'{' => {
            let mut members = Vec::new();
            sequence(rest, '}', |rest| {
                skip(rest);
                let key = text(rest);
                skip(rest);
                *rest = rest.strip_prefix(':').unwrap();
                members.push((key, value(rest)));
            });
            Tree::Object(members)
        }
        _ => {
            let end = rest.find(|c: char| !"+-.eE0123456789".contains(c)).unwrap_or(rest.len());
            let (number, after) = rest.split_at(end);
            *rest = after;
            Tree::Number(number.to_owned())
        }
    }
}

fn sequence(rest: &mut &str, end: char, mut item: impl FnMut(&mut &str)) {
    *rest = &rest[1..];
    loop {
        skip(rest);
        if let Some(after) = rest.strip_prefix(end) {
            *rest = after;
            return;
        }
        *rest = rest.strip_prefix(',').unwrap_or(rest);
        item(rest);
    }
}

fn text(rest: &mut &str) -> String {
    let mut end = 1;
    while rest.as_bytes()[end] != b'"' {
        end += if rest.as_bytes()[end] == b'\\' { 2 } else { 1 };
    }
    let (quoted, after) = rest.split_at(end + 1);
    *rest = after;
    serde_json::from_str(quoted).unwrap()
}

fn word(rest: &mut &str, word: &str, tree: Tree) -> Tree {
    *rest = rest.strip_prefix(word).unwrap();
    tree
}

fn skip(rest: &mut &str) {
    *rest = rest.trim_start();
}
