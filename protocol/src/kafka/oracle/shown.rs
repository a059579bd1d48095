//! What `{:?}` shows of a value, as a tree: the one form that two codecs have in common.
use std::collections::BTreeMap;

/// A value. Newtypes are left out, and so are the names of structs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    Struct(BTreeMap<String, Shown>),
    List(Vec<Shown>),
    /// What could have been null.
    Some(Box<Shown>),
    Leaf(String),
}

impl Shown {
    pub(super) fn of(value: &impl std::fmt::Debug) -> Self {
        let text = format!("{value:?}");
        let mut rest = text.as_str();
        let shown = value_of(&mut rest);
        assert_eq!(rest, "", "in {text}");
        shown
    }

    fn is_empty(&self) -> bool {
        *self == Self::List(Vec::new()) || *self == Self::Leaf(String::new())
    }

    /// Where the fields of `self` are not those of `other`, which may have more.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        match (self, other) {
            (Self::Struct(ours), Self::Struct(theirs)) => ours.iter().find_map(|(name, ours)| {
                let Some(theirs) = theirs.get(name) else { return Some(format!(".{name}: none")) };
                ours.difference(theirs).map(|difference| format!(".{name}{difference}"))
            }),
            (Self::List(ours), Self::List(theirs)) if ours.len() == theirs.len() => {
                ours.iter().zip(theirs).enumerate().find_map(|(at, (ours, theirs))| {
                    ours.difference(theirs).map(|difference| format!("[{at}]{difference}"))
                })
            }
            (Self::Some(ours), Self::Some(theirs)) => ours.difference(theirs),
            // What a version does not have is none here, and empty there. Whether null and empty
            // are told apart where both can be, the bytes show.
            (Self::Leaf(none), Self::Some(theirs)) if none == "None" && theirs.is_empty() => None,
            (ours, theirs) => (ours != theirs).then(|| format!(": {ours:?} != {theirs:?}")),
        }
    }
}

fn value_of(rest: &mut &str) -> Shown {
    match rest.chars().next().unwrap() {
        '[' => Shown::List(items(rest, '[', ']', value_of)),
        '{' => Shown::List(items(rest, '{', '}', value_of)),
        '"' => Shown::Leaf(quoted(rest)),
        'b' if rest.starts_with("b\"") => {
            skip(rest, "b");
            Shown::Leaf(quoted(rest))
        }
        _ => named(rest),
    }
}

fn named(rest: &mut &str) -> Shown {
    let end = rest.find([' ', '(', ',', ')', ']', '}']).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    *rest = after;
    if rest.starts_with('(') {
        let mut values = items(rest, '(', ')', value_of);
        return wrapped(name, values.remove(0));
    }
    if rest.starts_with(" {") {
        skip(rest, " ");
        return Shown::Struct(items(rest, '{', '}', field).into_iter().collect());
    }
    // Their form of an id.
    let is_id = name.len() == 36 && name.matches('-').count() == 4;
    Shown::Leaf(if is_id { name.replace('-', "") } else { name.to_owned() })
}

fn wrapped(name: &str, inner: Shown) -> Shown {
    let leaves = |inner: Shown| -> Vec<String> {
        let Shown::List(items) = inner else { panic!("{name} holds a list") };
        let leaf = |item| if let Shown::Leaf(text) = item { text } else { panic!("a leaf") };
        items.into_iter().map(leaf).collect()
    };
    match name {
        "Some" => Shown::Some(Box::new(inner)),
        // Never null here: that is read as empty.
        "Records" => Shown::Some(Box::new(Shown::Leaf(leaves(inner).concat()))),
        "Uuid" => {
            let hex = |byte: &String| format!("{:02x}", byte.parse::<u8>().unwrap());
            Shown::Leaf(leaves(inner).iter().map(hex).collect())
        }
        _ => inner,
    }
}

fn field(rest: &mut &str) -> (String, Shown) {
    let (name, after) = rest.split_once(": ").unwrap();
    *rest = after;
    (name.to_owned(), value_of(rest))
}

fn items<T>(rest: &mut &str, open: char, close: char, item: fn(&mut &str) -> T) -> Vec<T> {
    let mut items = Vec::new();
    *rest = rest.strip_prefix(open).unwrap().trim_start();
    while !rest.starts_with(close) {
        items.push(item(rest));
        *rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    *rest = rest.strip_prefix(close).unwrap();
    items
}

/// The text between quotes, escapes as they are.
fn quoted(rest: &mut &str) -> String {
    skip(rest, "\"");
    let mut escaped = false;
    let end = rest.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    let (text, after) = rest.split_at(end.unwrap());
    *rest = after;
    skip(rest, "\"");
    text.to_owned()
}

fn skip(rest: &mut &str, prefix: &str) {
    *rest = rest.strip_prefix(prefix).unwrap();
}

#[test]
fn a_value_is_compared_by_the_names_of_its_fields() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "shown, not read")]
    struct Ours {
        text: Option<String>,
        list: Vec<i8>,
    }
    #[derive(Debug)]
    #[expect(dead_code, reason = "shown, not read")]
    struct Theirs {
        list: Vec<i8>,
        more: i32,
        text: Option<&'static str>,
    }
    let ours = Shown::of(&Ours { text: Some("a\"b, c".to_owned()), list: vec![1, 2] });
    let difference = |text, list| ours.difference(&Shown::of(&Theirs { list, more: 7, text }));
    assert_eq!(difference(Some("a\"b, c"), vec![1, 2]), None);
    assert!(difference(Some("a"), vec![1, 2]).unwrap().starts_with(".text:"));
    assert!(difference(None, vec![1, 2]).unwrap().starts_with(".text:"));
    assert!(difference(Some("a\"b, c"), vec![1]).unwrap().starts_with(".list:"));
}
