//! Laying one config over another, as the Collector merges repeated `--config`: sections merge
//! deeply, everything else is replaced, and a later null wipes.

use std::collections::HashMap;

use super::{Node, Value};

/// What happens to lists that both sides give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Lists {
    /// The later one stands alone.
    #[default]
    Replace,
    /// Under `service`, what the earlier list lacks is appended to it
    /// (gate `confmap.enableMergeAppendOption`).
    AppendUnderService,
}

/// Lays `over` on `base`.
pub fn merge(base: Node, over: Node, lists: Lists) -> Node {
    lay(base, over, lists, false, 0)
}

fn lay(base: Node, over: Node, lists: Lists, in_service: bool, depth: usize) -> Node {
    match (base.value, over.value) {
        (Value::Map(mut entries), Value::Map(later)) => {
            // A section stands where most of it was written first.
            let location = if entries.is_empty() { over.location } else { base.location };
            let mut places: HashMap<String, usize> =
                entries.iter().enumerate().map(|(place, (key, ..))| (key.clone(), place)).collect();
            for (key, location, node) in later {
                let in_service = in_service || depth == 0 && key == "service";
                if let Some(place) = places.get(&key) {
                    let (_, at, earlier) = &mut entries[*place];
                    *at = location;
                    *earlier = lay(std::mem::take(earlier), node, lists, in_service, depth + 1);
                } else {
                    places.insert(key.clone(), entries.len());
                    entries.push((key, location, node));
                }
            }
            Node { value: Value::Map(entries), location }
        }
        (Value::List(mut items), Value::List(later)) if in_service && lists == Lists::AppendUnderService => {
            for item in later {
                if !items.iter().any(|known| is_same(&known.value, &item.value)) {
                    items.push(item);
                }
            }
            Node { value: Value::List(items), location: over.location }
        }
        (_, value) => Node { value, location: over.location },
    }
}

fn is_same(left: &Value, right: &Value) -> bool {
    matches!((left, right), (Value::Scalar(left), Value::Scalar(right)) if left.text == right.text)
}

/// Splits keys of the first level at `::` into nested sections, as the Collector's key delimiter
/// does: `processors::batch::timeout: 2s`.
pub fn nest(root: Node) -> Node {
    let Value::Map(entries) = root.value else { return root };
    if !entries.iter().any(|(key, ..)| key.contains("::")) {
        return Node { value: Value::Map(entries), ..root };
    }
    let empty = Node { value: Value::Map(Vec::new()), location: root.location };
    entries.into_iter().fold(empty, |whole, (key, location, node)| {
        let path = key.split("::").map(str::to_owned).collect();
        merge(whole, nested(path, location, node), Lists::Replace)
    })
}

/// `node` under the keys of `path`, outermost first; at most as deep as YAML may be.
pub fn nested(path: Vec<String>, location: super::Location, node: Node) -> Node {
    path.into_iter()
        .take(super::DEPTH_MAX)
        .rev()
        .fold(node, |inner, key| Node { value: Value::Map(vec![(key, location, inner)]), location })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Location, Report, parse_yaml};
    use super::*;

    fn node(text: &str) -> Node {
        parse_yaml(text, 0, &mut Report::default()).unwrap()
    }

    fn plain(node: &Node) -> String {
        match &node.value {
            Value::Map(entries) => {
                let inner: Vec<_> = entries.iter().map(|(key, _, node)| format!("{key}: {}", plain(node))).collect();
                format!("{{{}}}", inner.join(", "))
            }
            Value::List(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
            _ => node.describe(),
        }
    }

    #[test]
    fn sections_merge_lists_are_replaced_and_null_wipes() {
        let merged =
            merge(node("a: {x: 1, y: [1, 2], z: {k: v}}\nb: 1"), node("a: {y: [3], z: null}\nc: 2"), Lists::Replace);
        assert_eq!(plain(&merged), "{a: {x: 1, y: [3], z: null}, b: 1, c: 2}");
    }

    #[test]
    fn lists_under_service_append_when_asked() {
        let base = node("service: {extensions: [a, b]}\nother: [a]");
        let over = node("service: {extensions: [b, c]}\nother: [b]");
        let merged = merge(base, over, Lists::AppendUnderService);
        assert_eq!(plain(&merged), "{service: {extensions: [a, b, c]}, other: [b]}");
    }

    #[test]
    fn keys_with_double_colons_are_paths() {
        let whole = nest(node("a::b::c: 1\na::d: 2\ne: 3"));
        assert_eq!(plain(&whole), "{a: {b: {c: 1}, d: 2}, e: 3}");
    }

    fn tree() -> impl Strategy<Value = Node> {
        let leaf = prop_oneof![
            Just(Node::default()),
            "[a-c]".prop_map(|text| Node::plain(text, Location::default())),
            Just(Node { value: Value::List(vec![Node::plain("1", Location::default())]), ..Node::default() }),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(|entries| {
                let entries = entries.into_iter().map(|(key, node)| (key, Location::default(), node)).collect();
                Node { value: Value::Map(entries), ..Node::default() }
            })
        })
    }

    fn map() -> impl Strategy<Value = Node> {
        prop::collection::btree_map("[a-d]", tree(), 0..4).prop_map(|entries| {
            let entries = entries.into_iter().map(|(key, node)| (key, Location::default(), node)).collect();
            Node { value: Value::Map(entries), ..Node::default() }
        })
    }

    proptest! {
        #[test]
        fn merging_a_config_with_itself_or_with_nothing_changes_nothing(config in map()) {
            let empty = Node { value: Value::Map(Vec::new()), ..Node::default() };
            prop_assert_eq!(plain(&merge(config.clone(), config.clone(), Lists::Replace)), plain(&config));
            prop_assert_eq!(plain(&merge(empty.clone(), config.clone(), Lists::Replace)), plain(&config));
            prop_assert_eq!(plain(&merge(config.clone(), empty, Lists::Replace)), plain(&config));
        }

        #[test]
        fn what_the_last_config_says_stands(first in map(), second in map()) {
            let merged = merge(first, second.clone(), Lists::Replace);
            // Laying the last one on again changes nothing.
            prop_assert_eq!(plain(&merge(merged.clone(), second, Lists::Replace)), plain(&merged));
        }
    }
}
