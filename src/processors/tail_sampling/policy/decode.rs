//! From the keys of `policies` to checked policies: the types by name, and what may stand where.

use super::{
    PolicyConfig, PolicyKind, adaptive, boolean_attribute, bytes_limiting, composite, latency, numeric_attribute,
    ottl_condition, probabilistic, rate_limiting, span_count, status_code, string_attribute, trace_state,
};
use crate::config::Section;

/// Every type that is built.
const KNOWN: [&str; 18] = [
    "adaptive",
    "always_sample",
    "and",
    "boolean_attribute",
    "bytes_limiting",
    "composite",
    "drop",
    "latency",
    "not",
    "numeric_attribute",
    "ottl_condition",
    "probabilistic",
    "rate_limiting",
    "span_count",
    "status_code",
    "string_attribute",
    "trace_flags",
    "trace_state",
];

/// Where a policy stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    /// In `and` or `drop`.
    And,
    Not,
    Composite,
}

impl Place {
    /// Whether a type may stand here; the Collector's rules.
    fn takes(self, word: &str) -> bool {
        match word {
            "and" => matches!(self, Self::Top | Self::Composite),
            "not" => self != Self::Not,
            "drop" | "composite" => self == Self::Top,
            _ => true,
        }
    }
}

/// Reads `policies`.
pub(in super::super) fn decode(section: &mut Section<'_>) -> Vec<PolicyConfig> {
    decode_list(section, "policies", Place::Top)
}

fn decode_list(section: &mut Section<'_>, key: &'static str, place: Place) -> Vec<PolicyConfig> {
    let mut names: Vec<String> = Vec::new();
    let policies = section.list(key, |policy| {
        let read = decode_one(policy, place);
        let name = policy.string("name", "");
        if place == Place::Top && names.contains(&name) {
            policy.error("name", format!("duplicate policy name {name:?}; each policy needs a name of its own"));
        }
        if !name.is_empty() {
            names.push(name);
        }
        read
    });
    policies.into_iter().flatten().collect()
}

fn decode_one(policy: &mut Section<'_>, place: Place) -> Option<PolicyConfig> {
    let name = policy.string("name", "");
    if name.is_empty() && place == Place::Top {
        policy.error("name", "policy name cannot be empty; write name: beside the type");
    }
    let word = policy.string("type", "");
    for key in KNOWN {
        if policy.is_given(key) && key != word {
            policy.warn(key, format!("accepted and ignored: policy {name:?} has the type {word:?}"));
        }
    }
    if !place.takes(&word) {
        policy.error("type", format!("policy {name:?}: the type {word:?} cannot stand inside another policy"));
        return None;
    }
    let kind = decode_kind(policy, &name, &word)?;
    Some(PolicyConfig { name, kind })
}

fn decode_kind(policy: &mut Section<'_>, name: &str, word: &str) -> Option<PolicyKind> {
    Some(match word {
        "adaptive" => PolicyKind::Adaptive(policy.section_or_default("adaptive", |keys| adaptive::decode(keys, name))),
        "always_sample" => PolicyKind::AlwaysSample,
        "trace_flags" => PolicyKind::TraceFlags,
        "status_code" => {
            PolicyKind::StatusCode(policy.section_or_default("status_code", |keys| status_code::decode(keys, name)))
        }
        "latency" => PolicyKind::Latency(policy.section_or_default("latency", latency::decode)),
        "numeric_attribute" => PolicyKind::NumericAttribute(
            policy.section_or_default("numeric_attribute", |keys| numeric_attribute::decode(keys, name)),
        ),
        "boolean_attribute" => {
            PolicyKind::BooleanAttribute(policy.section_or_default("boolean_attribute", boolean_attribute::decode))
        }
        "string_attribute" => PolicyKind::StringAttribute(
            policy.section_or_default("string_attribute", |keys| string_attribute::decode(keys, name)),
        ),
        "probabilistic" => PolicyKind::Probabilistic(
            policy.section_or_default("probabilistic", |keys| probabilistic::decode(keys, name)),
        ),
        "span_count" => PolicyKind::SpanCount(policy.section_or_default("span_count", span_count::decode)),
        "ottl_condition" => PolicyKind::OttlCondition(
            policy.section_or_default("ottl_condition", |keys| ottl_condition::decode(keys, name)),
        ),
        "rate_limiting" => PolicyKind::RateLimiting(policy.section_or_default("rate_limiting", rate_limiting::decode)),
        "bytes_limiting" => {
            PolicyKind::BytesLimiting(policy.section_or_default("bytes_limiting", bytes_limiting::decode))
        }
        "trace_state" => {
            PolicyKind::TraceState(policy.section_or_default("trace_state", |keys| trace_state::decode(keys, name)))
        }
        _ => return decode_compound(policy, name, word),
    })
}

/// The types that hold other policies.
fn decode_compound(policy: &mut Section<'_>, name: &str, word: &str) -> Option<PolicyKind> {
    Some(match word {
        "and" => {
            PolicyKind::And(policy.section_or_default("and", |keys| decode_list(keys, "and_sub_policy", Place::And)))
        }
        "drop" => {
            PolicyKind::Drop(policy.section_or_default("drop", |keys| decode_list(keys, "drop_sub_policy", Place::And)))
        }
        "not" => {
            let inner = policy.section_or_default("not", |keys| {
                keys.section_or_default("not_sub_policy", |inner| decode_one(inner, Place::Not))
            });
            PolicyKind::Not(Box::new(inner?))
        }
        "composite" => PolicyKind::Composite(policy.section_or_default("composite", |keys| {
            let policies = |keys: &mut Section<'_>| decode_list(keys, "composite_sub_policy", Place::Composite);
            composite::decode(keys, name, policies)
        })),
        _ => {
            report_type(policy, name, word);
            return None;
        }
    })
}

fn report_type(policy: &mut Section<'_>, name: &str, word: &str) {
    let known = KNOWN.join(", ");
    let message = match word {
        "" => format!("policy {name:?} has no type; known: {known}"),
        _ => format!("policy {name:?}: unknown sampling policy type {word:?}; known: {known}"),
    };
    policy.error("type", message);
}
