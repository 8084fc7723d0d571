//! What a client said beside its data: request headers or gRPC metadata, when a receiver has
//! `include_metadata` on.

/// Header names in lower case with their values, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientMetadata(Vec<(String, Vec<String>)>);

impl ClientMetadata {
    /// Collects headers; names are lowered and values of one name stay in order.
    pub fn new(headers: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut entries: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            match entries.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value),
                None => entries.push((name, vec![value])),
            }
        }
        entries.sort();
        Self(entries)
    }

    /// The values of a header; empty when the client did not send it. Names match in any case.
    pub fn values(&self, name: &str) -> &[String] {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or(&[], |(_, values)| values)
    }

    /// Every header with its values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }
}
