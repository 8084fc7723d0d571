//! What kept spans say of their sampling: the threshold in `tracestate`, what the detector saw on
//! the root, and the policy on the scope. Written while the spans are copied out.

use super::config::Config;
use super::output::Note;
use super::policy::{PolicyConfig, PolicyKind};
use crate::model::{Batch, Chance, Cursor, Field, Finding, Request, ValueView};
use crate::pipeline::operation;
use crate::sampling::{Threshold, TraceState};
use crate::wire::{AttributePatch, ItemPatch, rewrite_with_scopes};

/// Number of the field of a `Span` that is read.
const TRACE_STATE: u32 = 3;

/// The notes of a batch.
pub(super) struct Notes<'a> {
    pub(super) notes: &'a [Note],
    /// Place among the notes of every row, in the order of the batch; `NONE` for a row without.
    pub(super) rows: &'a [u32],
    /// The row of each note that its finding is written on, in the same order.
    pub(super) leads: &'a [u32],
    /// The same for every part, whose rows agree in what their scopes are to say.
    pub(super) parts: &'a [u32],
    /// Names of the policies, where scopes are to say them.
    pub(super) policies: Option<&'a PolicyNames>,
}

/// Names of the policies in the order of their evaluation, each with those inside it.
pub(super) struct PolicyNames(Vec<(String, Vec<String>)>);

impl PolicyNames {
    pub(super) fn of(config: &Config) -> Self {
        let is_drop = |policy: &&PolicyConfig| matches!(policy.kind, PolicyKind::Drop(_));
        let (drops, others): (Vec<_>, Vec<_>) = config.policies.iter().partition(is_drop);
        let named = |policy: &PolicyConfig| {
            (policy.name.clone(), policy.kind.inner().iter().map(|inner| inner.name.clone()).collect())
        };
        Self(drops.into_iter().chain(others).map(named).collect())
    }
}

impl Notes<'_> {
    /// The batch with everything written; as it is when there is nothing to write.
    pub(super) fn write(&self, batch: &Batch) -> Batch {
        let mut place = 0;
        let scope = |part: usize, patch: &mut AttributePatch| self.put_policy(part, patch);
        let item = |request: &Request, row: u32, patch: &mut ItemPatch| {
            let note = self.rows[place] as usize;
            let is_lead = self.leads.get(note).is_some_and(|lead| *lead as usize == place);
            place += 1;
            let Some(note) = self.notes.get(note) else { return };
            if let Some(chance) = note.chance {
                let text = if note.lacks_trace_state { b"" } else { last_field(request, row, TRACE_STATE) };
                put_chance(chance, text, patch);
                if note.lacks_trace_state {
                    patch.expect_no_trace_state();
                }
            }
            if let Some(finding) = note.finding.as_deref().filter(|_| is_lead) {
                put_finding(finding, note.chance, patch);
            }
        };
        rewrite_with_scopes(batch, scope, item)
    }

    /// The Collector's attributes of the gate `recordpolicy`.
    fn put_policy(&self, part: usize, patch: &mut AttributePatch) {
        let (Some(policies), Some(note)) = (self.policies, self.notes.get(self.parts[part] as usize)) else { return };
        if let Some((name, subs)) = note.policy.and_then(|(policy, _)| policies.0.get(usize::from(policy))) {
            patch.push("tailsampling.policy", ValueView::String(name.as_bytes()));
            let sub = note.policy.and_then(|(_, sub)| subs.get(usize::from(sub?)));
            if let Some(sub) = sub {
                patch.push("tailsampling.composite_policy", ValueView::String(sub.as_bytes()));
            }
        }
        if note.is_cached {
            patch.push("tailsampling.cached_decision", ValueView::Bool(true));
        }
    }
}

/// Raises the threshold, or erases it where nobody can say how likely the span was to come
/// through. What is malformed, or would be too long, stays as it is.
fn put_chance(chance: Chance, text: &[u8], patch: &mut ItemPatch) {
    let Ok(mut state) = TraceState::parse(text) else { return };
    let arrived = state.threshold();
    match chance {
        Chance::Unknown => state.clear_threshold(),
        Chance::Certain => drop(state.raise_threshold(Threshold::ALWAYS)),
        Chance::Threshold(rejected) => drop(state.raise_threshold(Threshold::from_rejected(rejected))),
    }
    if state.threshold() != arrived && state.write(patch.trace_state_mut()).is_err() {
        patch.keep_trace_state();
    }
}

/// Why the trace was worth keeping; times are in milliseconds.
fn put_finding(finding: &Finding, chance: Option<Chance>, patch: &mut ItemPatch) {
    let millis = |nanos: u64| ValueView::Double(nanos as f64 / 1e6);
    if let Some(class) = finding.class {
        patch.push_attribute("tailwater.class", ValueView::String(class.as_str().as_bytes()));
    }
    if let Some(named) = finding.operation.as_deref() {
        patch.push_attribute("tailwater.operation", ValueView::String(operation(named).as_bytes()));
    }
    if finding.samples > 0 {
        patch.push_attribute("tailwater.observed", millis(finding.observed_nanos));
        patch.push_attribute("tailwater.expected", millis(finding.expected_nanos));
        patch.push_attribute("tailwater.n", ValueView::Int(i64::try_from(finding.samples).unwrap_or(i64::MAX)));
        patch.push_attribute("tailwater.share", ValueView::Double(finding.share.into()));
    }
    if let Some(probability) = chance.and_then(Chance::probability) {
        patch.push_attribute("tailwater.probability", ValueView::Double(probability));
    }
}

/// The bytes of a field of a span; of one that stands twice, the last.
fn last_field(request: &Request, row: u32, wanted: u32) -> &[u8] {
    let mut cursor = Cursor::new(request.index().item(row).of(request.body()));
    let mut last: &[u8] = b"";
    while let Some((number, field)) = cursor.next_field() {
        if let (true, Field::Length(bytes)) = (number == wanted, field) {
            last = bytes;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message as _;

    use super::super::trace::NONE;
    use super::*;
    use crate::model::Class;
    use crate::testing::batch_of;
    use crate::wire::encode;

    fn written(chance: Chance, text: &str) -> Option<String> {
        let mut patch = ItemPatch::default();
        put_chance(chance, text.as_bytes(), &mut patch);
        patch.trace_state().map(|text| String::from_utf8(text.to_vec()).unwrap())
    }

    #[test]
    fn a_threshold_rises_and_is_erased_where_nothing_is_known() {
        let half = Chance::Threshold(1 << 55);
        assert_eq!(written(half, "a=b").as_deref(), Some("ot=th:8,a=b"));
        assert_eq!(written(half, "ot=th:4;x:y").as_deref(), Some("ot=th:8;x:y"));
        assert_eq!(written(half, "ot=th:c"), None, "the higher one stays");
        assert_eq!(written(half, "no tracestate"), None);
        assert_eq!(written(Chance::Certain, "").as_deref(), Some("ot=th:0"));
        assert_eq!(written(Chance::Certain, "ot=th:8"), None);
        assert_eq!(written(Chance::Unknown, "ot=th:8,a=b").as_deref(), Some("a=b"));
        assert_eq!(written(Chance::Unknown, "ot=th:8").as_deref(), Some(""));
        assert_eq!(written(Chance::Unknown, "a=b"), None);
    }

    #[test]
    fn the_root_says_what_was_seen_and_the_scope_who_kept_it() {
        let batch = batch_of(&[1, 2, 1]);
        let finding = Finding {
            class: Some(Class::Error),
            excess_nanos: 0,
            tau_nanos: None,
            operation: None,
            caller: None,
            observed_nanos: 0,
            expected_nanos: 0,
            samples: 0,
            reference_age: std::time::Duration::ZERO,
            share: 0.0,
            root: None,
            shape: 0,
            probabilities: [0.0; 3],
        };
        let note = |policy, finding| Note { policy: Some((policy, Some(0))), finding, ..Note::default() };
        let notes = [Note { chance: Some(Chance::Threshold(1 << 55)), ..note(1, Some(Box::new(finding))) }];
        let policies =
            PolicyNames(vec![("first".to_owned(), Vec::new()), ("second".to_owned(), vec!["inner".to_owned()])]);
        let notes = Notes { notes: &notes, rows: &[0, NONE, 0], parts: &[0], leads: &[0], policies: Some(&policies) };
        let request = ExportTraceServiceRequest::decode(encode(&notes.write(&batch)).into_bytes()).unwrap();
        let scope = &request.resource_spans[0].scope_spans[0];
        let attributes = &scope.scope.as_ref().unwrap().attributes;
        for (attribute, (key, value)) in attributes
            .iter()
            .zip([("tailsampling.policy", "\"second\""), ("tailsampling.composite_policy", "\"inner\"")])
        {
            assert_eq!(attribute.key, key);
            assert!(format!("{:?}", attribute.value).contains(value));
        }
        assert_eq!(attributes.len(), 2);
        let said = |span: &Span| (span.trace_state.clone(), span.attributes.len());
        let said: Vec<_> = scope.spans.iter().map(said).collect();
        // Class and probability, once in the trace.
        assert_eq!(said, [("ot=th:8".to_owned(), 2), (String::new(), 0), ("ot=th:8".to_owned(), 0)]);
    }
}
