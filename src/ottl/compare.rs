//! The rules of comparison: int and double mix, everything else compares with its own type only,
//! and values of different types are unequal and neither less nor greater.

use std::cmp::Ordering;

use super::syntax::Comparison;
use super::value::{List, Map, Value};

impl Comparison {
    fn holds(self, ordering: Option<Ordering>) -> bool {
        match self {
            Self::Equal => ordering == Some(Ordering::Equal),
            Self::NotEqual => ordering != Some(Ordering::Equal),
            Self::Less => ordering == Some(Ordering::Less),
            Self::LessEqual => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
            Self::GreaterEqual => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
            Self::Greater => ordering == Some(Ordering::Greater),
        }
    }

    /// Only equality is asked of these types.
    fn holds_of_equality(self, is_equal: bool) -> bool {
        match self {
            Self::Equal => is_equal,
            Self::NotEqual => !is_equal,
            _ => false,
        }
    }
}

/// Whether the comparison holds.
#[inline]
pub(super) fn compare(left: &Value<'_>, comparison: Comparison, right: &Value<'_>) -> bool {
    let ordering = match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Int(left), Value::Double(right)) => (*left as f64).partial_cmp(right),
        (Value::Double(left), Value::Int(right)) => left.partial_cmp(&(*right as f64)),
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(right),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Bytes(left), Value::Bytes(right)) if !left.is_empty() && !right.is_empty() => Some(left.cmp(right)),
        (Value::Duration(left), Value::Duration(right)) => Some(left.cmp(right)),
        (Value::Time(left), Value::Time(right)) => Some(left.cmp(right)),
        (left, right) if is_nil(left) && is_nil(right) => Some(Ordering::Equal),
        (left, right) => return comparison.holds_of_equality(equal_as_a_whole(left, right)),
    };
    comparison.holds(ordering)
}

/// Bytes that are empty count as nil.
fn is_nil(value: &Value<'_>) -> bool {
    match value {
        Value::Nil => true,
        Value::Bytes(bytes) => bytes.is_empty(),
        _ => false,
    }
}

fn equal_as_a_whole(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::List(List::Pieces(_)), _) | (_, Value::List(List::Pieces(_))) => false,
        (Value::Map(_), Value::Map(_)) | (Value::List(_), Value::List(_)) => is_same(left, right),
        (Value::TraceId(left), Value::TraceId(right)) => left == right,
        (Value::SpanId(left), Value::SpanId(right)) => left == right,
        (Value::Status(left), Value::Status(right)) => left == right,
        (Value::Messages(left, number), Value::Messages(right, other)) => left == right && number == other,
        _ => false,
    }
}

/// Equality inside of lists and maps: types do not mix there.
fn is_same(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bytes(left), Value::Bytes(right)) => left == right,
        (Value::Int(_), Value::Double(_)) | (Value::Double(_), Value::Int(_)) => false,
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.items().zip(right.items()).all(|(left, right)| is_same(&left, &right))
        }
        (Value::Map(left), Value::Map(right)) => same_maps(left, right),
        _ => compare(left, Comparison::Equal, right),
    }
}

fn same_maps(left: &Map<'_>, right: &Map<'_>) -> bool {
    let has_same = |key: &[u8], value: &Value<'_>| {
        right.entries().find(|(other, _)| *other == key).is_some_and(|(_, other)| is_same(value, &other))
    };
    left.len() == right.len() && left.entries().all(|(key, value)| has_same(key, &value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Comparison; 6] = [
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessEqual,
        Comparison::GreaterEqual,
        Comparison::Greater,
    ];

    fn holding(left: &Value<'_>, right: &Value<'_>) -> String {
        let holding: Vec<_> = ALL.iter().filter(|op| compare(left, **op, right)).map(|op| op.symbol()).collect();
        holding.join(" ")
    }

    #[test]
    fn one_type_has_its_order_and_mixed_types_are_only_unequal() {
        let bytes = |bytes: &'static [u8]| Value::Bytes(bytes.into());
        for (left, right, expected) in [
            (Value::Int(1), Value::Int(2), "!= < <="),
            (Value::Int(2), Value::Double(2.0), "== <= >="),
            (Value::Double(2.5), Value::Int(2), "!= >= >"),
            (Value::Double(f64::NAN), Value::Double(f64::NAN), "!="),
            (Value::text("a"), Value::text("b"), "!= < <="),
            (Value::text("1"), Value::Int(1), "!="),
            (Value::Bool(false), Value::Bool(true), "!= < <="),
            (Value::Nil, Value::Nil, "== <= >="),
            (Value::Nil, Value::Int(0), "!="),
            (Value::text(""), Value::Nil, "!="),
            (bytes(b""), Value::Nil, "== <= >="),
            (bytes(b""), bytes(b""), "== <= >="),
            (bytes(b"a"), bytes(b""), "!="),
            (bytes(b"a"), bytes(b"b"), "!= < <="),
            (Value::Duration(1), Value::Int(1), "!="),
            (Value::Time(1), Value::Time(1), "== <= >="),
            (Value::List(List::Owned(vec![])), Value::List(List::Owned(vec![])), "=="),
            (Value::List(List::Pieces(vec![])), Value::List(List::Pieces(vec![])), "!="),
        ] {
            assert_eq!(holding(&left, &right), expected, "{left:?} {right:?}");
        }
    }
}
