//! Rewriting against the same change made on what prost decodes.

use std::sync::Arc;

use proptest::prelude::*;
use prost::Message as _;

use super::entropy::Entropy;
use super::{meaning, scan_any};
use crate::model::{Batch, ClientMetadata, Part, Request, Rows, Signal, ValueView};
use crate::wire::twin::{self, KeyValue, Value};
use crate::wire::{AttributePatch, ItemPatch, compact, encode, rewrite, rewrite_with_scopes, schema};

/// What is done to one item.
#[derive(Clone, Debug, Default)]
struct Edit {
    trace_state: Option<Vec<u8>>,
    attributes: Vec<(String, u8)>,
}

fn view(number: u8) -> ValueView<'static> {
    match number % 6 {
        0 => ValueView::Int(i64::from(number) - 100),
        1 => ValueView::String(b"text"),
        2 => ValueView::Double(f64::from(number) / 3.0),
        3 => ValueView::Bool(number > 100),
        4 => ValueView::Bytes(&[1, 2, 3]),
        _ => ValueView::Empty,
    }
}

fn value(number: u8) -> Option<twin::AnyValue> {
    let value = match number % 6 {
        0 => Some(Value::Int(i64::from(number) - 100)),
        1 => Some(Value::String(b"text".to_vec())),
        2 => Some(Value::Double(f64::from(number) / 3.0)),
        3 => Some(Value::Bool(number > 100)),
        4 => Some(Value::Bytes(vec![1, 2, 3])),
        _ => None,
    };
    Some(twin::AnyValue { value })
}

/// Sets attributes as the patch is to set them.
fn set(attributes: &mut Vec<KeyValue>, edits: &[(String, u8)]) {
    for (key, number) in edits {
        attributes.retain(|attribute| attribute.key != key.as_bytes());
        attributes.push(KeyValue { key: key.clone().into_bytes(), value: value(*number), key_strindex: 0 });
    }
}

/// An edit that a byte stands for; keys are at times those of the item.
fn edit(pick: u8, keys: &[KeyValue]) -> Edit {
    let mut edit = Edit::default();
    if pick & 1 != 0 {
        edit.trace_state = Some(b"ot=th:8"[..usize::from(pick >> 5)].to_vec());
    }
    if pick & 2 != 0 {
        edit.attributes.push(("new".to_owned(), pick));
    }
    let known = keys.get(usize::from(pick >> 6)).and_then(|known| String::from_utf8(known.key.clone()).ok());
    if let Some(known) = known.filter(|_| pick & 4 != 0) {
        edit.attributes.push((known, pick >> 2));
        edit.attributes.push(("new".to_owned(), pick >> 3));
    }
    edit
}

/// One item with what is above it.
type Flat = (Vec<u8>, Vec<u8>, Vec<u8>);

/// The items of a body, each encoded after its edit; and the edits.
fn edited(signal: Signal, body: &[u8], picks: &[u8], of_scope: &[(String, u8)]) -> (Vec<Flat>, Vec<Edit>) {
    let (mut items, mut edits) = (Vec::new(), Vec::new());
    let pick = |row: usize| picks.get(row % picks.len().max(1)).copied().unwrap_or(0);
    macro_rules! walk {
        ($type:ident, $change:expr) => {
            for mut resource in twin::$type::decode(body).unwrap().resources {
                for mut scope in std::mem::take(&mut resource.scopes) {
                    if !of_scope.is_empty() {
                        set(&mut scope.scope.get_or_insert_default().attributes, of_scope);
                    }
                    for mut item in std::mem::take(&mut scope.items) {
                        let edit = edit(pick(items.len()), &item.attributes);
                        set(&mut item.attributes, &edit.attributes);
                        $change(&mut item, &edit);
                        edits.push(edit);
                        items.push((resource.encode_to_vec(), scope.encode_to_vec(), item.encode_to_vec()));
                    }
                }
            }
        };
    }
    match signal {
        Signal::Traces => walk!(Traces, |span: &mut twin::Span, edit: &Edit| {
            span.trace_state = edit.trace_state.clone().unwrap_or(std::mem::take(&mut span.trace_state));
        }),
        _ => walk!(Logs, |_: &mut twin::LogRecord, _: &Edit| {}),
    }
    (items, edits)
}

fn patched(edit: &Edit, patch: &mut ItemPatch) {
    assert!(patch.is_empty());
    edit.trace_state.iter().for_each(|text| patch.set_trace_state(text));
    edit.attributes.iter().for_each(|(key, number)| patch.push_attribute(key, view(*number)));
}

fn check(signal: Signal, body: &[u8], picks: &[u8], of_scope: &[(String, u8)], slim: bool) {
    let Ok(request) = scan_any(signal, body) else { return };
    let (items, edits) = edited(signal, body, picks, of_scope);
    let request = if slim { Arc::new(request.without_columns()) } else { request };
    let select = |row: &u32| picks.is_empty() || !picks[*row as usize % picks.len()].is_multiple_of(7);
    let rows: Vec<u32> = (0..request.index().rows()).filter(select).collect();
    let wanted: Vec<Flat> = rows.iter().map(|row| items[*row as usize].clone()).collect();
    let metadata = Arc::new(ClientMetadata::new([("a".to_owned(), "b".to_owned())]));
    let mut batch = Batch::new(signal).with_metadata(Some(metadata.clone()));
    // The rows twice, as two parts.
    for _ in 0..2 {
        batch.push(Part { request: request.clone(), rows: Rows::from_sorted(&rows) });
    }
    let scope = |number: usize, patch: &mut AttributePatch| {
        assert!(number < 2);
        of_scope.iter().for_each(|(key, number)| patch.push(key, view(*number)));
    };
    let result = rewrite_with_scopes(&batch, scope, |_, row, patch| patched(&edits[row as usize], patch));
    assert_eq!(result.metadata(), Some(&metadata));
    let encoded = encode(&result).into_bytes();
    let (again, _) = edited(signal, &encoded, &[], &[]);
    assert_eq!(again, [&wanted[..], &wanted].concat());
    let is_edited =
        |row: &u32| edits[*row as usize].trace_state.is_some() || !edits[*row as usize].attributes.is_empty();
    if of_scope.is_empty() && !rows.iter().any(is_edited) {
        assert_eq!(encoded, encode(&batch).into_bytes());
        return;
    }
    if let [only] = result.parts() {
        let fresh = scan_any(signal, &encoded).expect("what we write is accepted");
        assert_eq!(meaning(only.request.index()), meaning(fresh.index()));
    }
    assert!(result.parts().len() == 1 || rows.is_empty());
}

proptest! {
    #![proptest_config(super::config())]

    #[test]
    fn a_copy_with_changes_is_the_message_with_the_same_changes(
        is_logs: bool,
        seed in proptest::collection::vec(any::<u8>(), 0..600),
        picks in proptest::collection::vec(any::<u8>(), 0..12),
        scopes in proptest::collection::vec(("[a-c]{0,1}", any::<u8>()), 0..3),
        slim: bool,
    ) {
        let signal = if is_logs { Signal::Logs } else { Signal::Traces };
        let body = Entropy::new(&seed).body(schema::request(signal));
        check(signal, &body, &picks, &scopes, slim);
    }
}

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, content.len() as u8], content].concat()
}

/// A request of spans with these messages under one scope with these other fields.
fn request(spans: &[&[u8]], scope: &[u8]) -> Arc<Request> {
    let spans = spans.iter().flat_map(|span| field(2, span)).collect::<Vec<u8>>();
    scan_any(Signal::Traces, &field(1, &field(2, &[scope, &spans].concat()))).unwrap()
}

fn body_of(batch: &Batch) -> Vec<u8> {
    encode(batch).into_bytes().to_vec()
}

#[test]
fn unknown_fields_survive_and_the_new_text_stands_in_the_place_of_the_old_one() {
    let unknown = [0xf8, 0x01, 7];
    let (old, new) = (field(3, b"a=b"), field(3, b"ot=th:8"));
    let (name, kind) = (field(5, b"n"), [0x30, 2]);
    let span = [&unknown[..], &old, &name, &old, &kind, &unknown].concat();
    let batch = Batch::from_request(request(&[&span, &span], &unknown));
    let result = rewrite(&batch, |_, row, patch| {
        if row == 1 {
            patch.set_trace_state(b"ot=th:8");
        }
    });
    let changed = [&new[..], &unknown, &name, &kind, &unknown].concat();
    let expected = request(&[&span, &changed], &unknown);
    assert_eq!(body_of(&result), body_of(&Batch::from_request(expected)));
}

#[test]
fn rows_that_do_not_change_are_the_same_bytes_as_in_a_compact_copy() {
    let request = request(&[&[0x30, 1], &[0x30, 2], &[0x30, 3]], &[]);
    let mut batch = Batch::new(Signal::Traces);
    batch.push(Part { request: request.clone(), rows: Rows::List([0, 2].into()) });
    let untouched = rewrite(&batch, |_, _, _| {});
    assert!(Arc::ptr_eq(&untouched.parts()[0].request, &request), "nothing is copied for nothing");
    let reverted = rewrite(&batch, |_, _, patch| {
        patch.set_trace_state(b"a=b");
        patch.keep_trace_state();
    });
    assert!(Arc::ptr_eq(&reverted.parts()[0].request, &request));
    let same = rewrite(&batch, |_, row, patch| {
        if row == 0 {
            patch.set_trace_state(b"");
        }
    });
    assert_eq!(body_of(&same), body_of(&compact(batch)));
}

#[test]
fn a_scope_without_a_message_gets_one_and_a_double_one_gets_it_once() {
    let attribute = |key: &[u8]| field(3, &[field(1, key), field(2, &[])].concat());
    let set = |patch: &mut AttributePatch| patch.push("k", ValueView::Bool(true));
    let new = field(3, &[&field(1, b"k")[..], &field(2, &[0x10, 1])].concat());
    for (scope, expected) in [
        (Vec::new(), field(1, &new)),
        (field(3, b"url"), [field(1, &new), field(3, b"url")].concat()),
        (field(1, b""), field(1, &new)),
        (
            [field(1, &attribute(b"k")), field(1, &[attribute(b"k"), attribute(b"l"), attribute(b"k")].concat())]
                .concat(),
            [field(1, b""), field(1, &[attribute(b"l"), new.clone()].concat())].concat(),
        ),
    ] {
        let batch = Batch::from_request(request(&[&[]], &scope));
        let result = rewrite_with_scopes(&batch, |_, patch| set(patch), |_, _, _| {});
        assert_eq!(body_of(&result), body_of(&Batch::from_request(request(&[&[]], &expected))));
    }
}

#[test]
fn parts_have_scopes_of_their_own() {
    let request = request(&[&[0x30, 1], &[0x30, 2]], &[]);
    let mut batch = Batch::new(Signal::Traces);
    for rows in [[0], [1]] {
        batch.push(Part { request: request.clone(), rows: Rows::from_sorted(&rows) });
    }
    let names = ["first", "second"];
    let scope =
        |number: usize, patch: &mut AttributePatch| patch.push("p", ValueView::String(names[number].as_bytes()));
    let result = rewrite_with_scopes(&batch, scope, |_, _, _| {});
    let traces = twin::Traces::decode(&body_of(&result)[..]).unwrap();
    let scopes: Vec<_> = traces.resources.iter().flat_map(|resource| &resource.scopes).collect();
    assert_eq!(scopes.len(), 2);
    for (scope, name) in scopes.iter().zip(names) {
        let value = Some(twin::AnyValue { value: Some(Value::String(name.as_bytes().to_vec())) });
        assert_eq!(scope.scope.clone().unwrap().attributes[0].value, value);
        assert_eq!(scope.items.len(), 1);
    }
}

#[test]
fn a_batch_without_parts_and_metrics_come_back_as_they_are() {
    let empty = rewrite(&Batch::new(Signal::Traces), |_, _, _| {});
    assert!(empty.parts().is_empty());
    let metric = scan_any(Signal::Metrics, &field(1, &field(2, &field(2, &field(1, b"m"))))).unwrap();
    let batch = Batch::from_request(metric.clone());
    let result = rewrite(&batch, |_, _, patch| patch.push_attribute("k", ValueView::Empty));
    assert!(Arc::ptr_eq(&result.parts()[0].request, &metric));
}
