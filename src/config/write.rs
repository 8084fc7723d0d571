//! A config written back as YAML or JSON, with secrets masked.

use std::fmt::Write;

use super::{Node, Report, Scalar, Value};

/// What stands in place of a secret.
pub const MASK: &str = "[REDACTED]";

/// Keys that are masked wherever they stand, beside those that components read as secrets: a
/// config whose component failed to decode must not leak either.
const SECRET_KEYS: [&str; 16] = [
    "access_key",
    "api_key",
    "apikey",
    "auth_token",
    "authorization",
    "bearer_token",
    "client_secret",
    "headers",
    "inline",
    "key_pem",
    "owner_auth",
    "passphrase",
    "password",
    "secret",
    "secret_key",
    "token",
];

/// The same tree with the source text of expansions where a component has read text.
pub fn as_read(root: &Node, report: &Report) -> Node {
    let value = match (&root.value, report.text_as_read(root.location)) {
        (_, Some(text)) => Value::Scalar(Scalar { text: text.to_owned(), is_plain: false }),
        (Value::List(items), None) => Value::List(items.iter().map(|item| as_read(item, report)).collect()),
        (Value::Map(entries), None) => {
            let read = |(key, at, item): &(String, _, _)| (key.clone(), *at, as_read(item, report));
            Value::Map(entries.iter().map(read).collect())
        }
        (value, None) => value.clone(),
    };
    Node { value, location: root.location }
}

/// The same tree with every secret value replaced by [`MASK`]: what the report marks, keys that
/// are secrets by their name, and passwords in URLs.
pub fn mask(root: &Node, report: &Report) -> Node {
    mask_node(root, "", false, report)
}

fn mask_node(node: &Node, path: &str, is_secret: bool, report: &Report) -> Node {
    let is_secret = is_secret || report.is_secret(path);
    let value = match &node.value {
        Value::Null => Value::Null,
        // Of a secret that looks like a section, the keys are secret too.
        _ if is_secret && report.keeps_text(node.location) => {
            Value::Scalar(Scalar { text: MASK.to_owned(), is_plain: false })
        }
        Value::Scalar(_) if is_secret => Value::Scalar(Scalar { text: MASK.to_owned(), is_plain: false }),
        Value::Scalar(scalar) => Value::Scalar(mask_url(scalar)),
        Value::List(items) => Value::List(
            items
                .iter()
                .enumerate()
                .map(|(place, item)| mask_node(item, &format!("{path}[{place}]"), is_secret, report))
                .collect(),
        ),
        Value::Map(entries) => Value::Map(
            entries
                .iter()
                .map(|(key, at, item)| {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}::{key}") };
                    // Names in a list of headers are no secret, their values are.
                    let is_name = is_secret && key == "name";
                    let is_secret = !is_name && (is_secret || SECRET_KEYS.contains(&key.to_lowercase().as_str()));
                    (key.clone(), *at, mask_node(item, &path, is_secret, report))
                })
                .collect(),
        ),
    };
    Node { value, location: node.location }
}

/// `scheme://user:password@host` without the password.
fn mask_url(scalar: &Scalar) -> Scalar {
    let masked = || {
        let (scheme, rest) = scalar.text.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let (user, host) = authority.rsplit_once('@')?;
        let (name, _) = user.split_once(':')?;
        Some(format!("{scheme}://{name}:{MASK}@{host}{}", &rest[authority.len()..]))
    };
    masked().map_or_else(|| scalar.clone(), |text| Scalar { text, is_plain: false })
}

/// YAML in block style that reads back as the same tree.
pub fn to_yaml(root: &Node) -> String {
    let mut text = String::new();
    match &root.value {
        Value::Map(entries) if !entries.is_empty() => write_map(&mut text, root, 0),
        Value::List(items) if !items.is_empty() => write_list(&mut text, root, 0),
        _ => {
            let _ = writeln!(text, "{}", inline(root));
        }
    }
    text
}

fn write_map(text: &mut String, node: &Node, indent: usize) {
    let Value::Map(entries) = &node.value else { return };
    for (key, _, item) in entries {
        let _ = write!(text, "{:indent$}{}:", "", plain_or_quoted(key, true));
        write_value(text, item, indent);
    }
}

fn write_list(text: &mut String, node: &Node, indent: usize) {
    let Value::List(items) = &node.value else { return };
    for item in items {
        let _ = write!(text, "{:indent$}-", "");
        match &item.value {
            Value::Map(entries) if !entries.is_empty() => {
                // The first key stands beside the dash.
                let mut inner = String::new();
                write_map(&mut inner, item, indent + 2);
                let _ = write!(text, " {}", &inner[indent + 2..]);
            }
            _ => write_value(text, item, indent),
        }
    }
}

fn write_value(text: &mut String, node: &Node, indent: usize) {
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            text.push('\n');
            write_map(text, node, indent + 2);
        }
        Value::List(items) if !items.is_empty() => {
            text.push('\n');
            write_list(text, node, indent + 2);
        }
        Value::Null => text.push('\n'),
        _ => {
            let _ = writeln!(text, " {}", inline(node));
        }
    }
}

fn inline(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Scalar(scalar) => plain_or_quoted(&scalar.text, scalar.is_plain),
        Value::List(_) => "[]".to_owned(),
        Value::Map(_) => "{}".to_owned(),
    }
}

/// Plain only when it cannot be read as anything else.
fn plain_or_quoted(text: &str, is_plain: bool) -> String {
    let safe = |letter: char| letter.is_ascii_alphanumeric() || "_./+-:".contains(letter);
    let is_simple = text.starts_with(|letter: char| letter.is_ascii_alphanumeric() || "_./+".contains(letter))
        && text.chars().all(safe)
        && !text.ends_with(':')
        && !matches!(text, "null" | "Null" | "NULL");
    let scalar = Scalar { text: text.to_owned(), is_plain: true };
    let is_typed = scalar.as_float().is_some() || scalar.as_bool().is_some();
    // A minus starts a number here, never a list: the next letter is no blank.
    let is_number = is_plain && is_typed;
    if is_number || is_simple && !is_typed { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            letter if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// JSON with numbers and bools as YAML takes them; numbers that JSON cannot hold stay text.
pub fn to_json(node: &Node) -> serde_json::Value {
    use serde_json::Value as Json;
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar(scalar) => {
            let int = scalar.as_int().and_then(|value| i64::try_from(value).ok()).map(Json::from);
            let number = int.or_else(|| scalar.as_float().and_then(serde_json::Number::from_f64).map(Json::Number));
            number.or_else(|| scalar.as_bool().map(Json::Bool)).unwrap_or_else(|| Json::String(scalar.text.clone()))
        }
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(entries) => {
            Json::Object(entries.iter().map(|(key, _, node)| (key.clone(), to_json(node))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Location, parse_yaml};
    use super::*;

    fn node(text: &str) -> Node {
        parse_yaml(text, 0, &mut Report::default()).unwrap()
    }

    #[test]
    fn secrets_are_masked_by_mark_by_name_and_in_urls() {
        let root = node(
            "e: {headers: {auth: x}, own: y, list: {headers: [{name: a, value: b}]}, \
             url: 'http://u:p@h/x', password: 5, plain: 1}",
        );
        let mut report = Report::default();
        report.mark_secret("e::own");
        let text = to_yaml(&mask(&root, &report));
        let expected = "\
e:
  headers:
    auth: \"[REDACTED]\"
  own: \"[REDACTED]\"
  list:
    headers:
      - name: a
        value: \"[REDACTED]\"
  url: \"http://u:[REDACTED]@h/x\"
  password: \"[REDACTED]\"
  plain: 1
";
        assert_eq!(text, expected);
    }

    #[test]
    fn json_types_numbers_and_bools() {
        let json = to_json(&node("{a: 0x10, b: 1.5, c: true, d: \"7\", e: ~, f: [x], g: .nan}"));
        assert_eq!(json.to_string(), r#"{"a":16,"b":1.5,"c":true,"d":"7","e":null,"f":["x"],"g":".nan"}"#);
    }

    fn tree() -> impl Strategy<Value = Node> {
        let scalar = ("\\PC{0,12}|[0-9.x-]{1,4}|true|null|~", any::<bool>()).prop_map(|(text, quoted)| {
            let scalar = Scalar { text, is_plain: true };
            let is_plain = !quoted && (scalar.as_float().is_some() || scalar.as_bool().is_some());
            Node { value: Value::Scalar(Scalar { is_plain, ..scalar }), location: Location::default() }
        });
        let leaf = prop_oneof![scalar, Just(Node::default())];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let entries = prop::collection::btree_map("\\PC{0,6}|[a-z:-]{1,6}", inner.clone(), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4)
                    .prop_map(|items| Node { value: Value::List(items), ..Node::default() }),
                entries.prop_map(|entries| {
                    let entries = entries.into_iter().map(|(key, node)| (key, Location::default(), node)).collect();
                    Node { value: Value::Map(entries), ..Node::default() }
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn written_yaml_reads_back_as_the_same_config(root in tree()) {
            let text = to_yaml(&root);
            let mut report = Report::default();
            let read = parse_yaml(&text, 0, &mut report);
            prop_assert!(!report.has_errors(), "{:?}\n{}", report.problems(), text);
            prop_assert_eq!(to_json(&read.unwrap()), to_json(&root), "{}", text);
        }
    }
}
