//! Which operations of a trace call a given service: for judging whether an explanation points at
//! the faulty service or at who waits for it.

use hashbrown::{HashMap, HashSet};

use super::Recording;
use crate::model::SpanView;

type Map<K, V> = HashMap<K, V, rapidhash::fast::RandomState>;
/// Operations by service and name.
pub(super) type Operations = HashSet<(String, String), rapidhash::fast::RandomState>;

/// A span, as far as calls go.
struct Node {
    id: u64,
    parent: u64,
    service: u32,
    operation: u32,
}

/// Operations, by service and name, that have a child in the culprit's service, for each trace
/// that has a culprit.
pub(super) fn callers<'a>(
    recording: &Recording,
    culprit_of: &dyn Fn(usize) -> Option<&'a str>,
) -> Map<usize, Operations> {
    let mut names = Map::<String, u32>::default();
    let mut texts = Vec::new();
    let mut place = |text: &str| {
        *names.entry_ref(text).or_insert_with(|| {
            texts.push(text.to_owned());
            texts.len() as u32 - 1
        })
    };
    let mut traces = Map::<usize, Vec<Node>>::default();
    for arrival in &recording.arrivals {
        let request = &arrival.request;
        let Some(columns) = &request.index().spans else { continue };
        for row in 0..request.index().rows() {
            let Some(trace) = recording.place(columns.trace_id(row)) else { continue };
            if culprit_of(trace).is_none() {
                continue;
            }
            let Some(span) = SpanView::new(request, row) else { continue };
            let service = span.resource().attributes().find_key("service.name").and_then(|value| value.as_text());
            traces.entry(trace).or_default().push(Node {
                id: columns.span_id[row as usize],
                parent: columns.parent_span_id[row as usize],
                service: place(&service.unwrap_or_default()),
                operation: place(&span.name()),
            });
        }
    }
    let text = |place: u32| texts.get(place as usize).cloned().unwrap_or_default();
    let calls = traces.into_iter().map(|(trace, nodes)| {
        let by_id: Map<u64, &Node> = nodes.iter().map(|node| (node.id, node)).collect();
        let culprit = culprit_of(trace);
        let children = nodes.iter().filter(|node| culprit == Some(text(node.service).as_str()));
        let parents = children.filter_map(|child| by_id.get(&child.parent));
        (trace, parents.map(|parent| (text(parent.service), text(parent.operation))).collect())
    });
    calls.collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::replay::{Loader, Options};

    #[test]
    fn callers_are_the_operations_with_a_child_in_the_culprits_service() {
        let text = "TraceID,SpanID,ParentID,ServiceName,OperationName,StartTimeUnixNano,EndTimeUnixNano\n\
                    1,1,root,front,GET /,1,9\n1,2,1,cart,add,2,8\n1,3,2,db,insert,3,4\n2,1,root,cart,add,1,2\n";
        let mut loader = Loader::new(Options::default());
        loader.add("x", Bytes::from_static(text.as_bytes())).unwrap();
        let recording = loader.finish().unwrap();
        let callers_of = |culprit: &'static str| {
            let callers = callers(&recording, &|trace| (recording.traces[trace].id.0[15] == 1).then_some(culprit));
            assert_eq!(callers.len(), 1, "a trace without a culprit is not looked at");
            let names = callers.into_values().flatten().map(|(service, name)| format!("{service} {name}"));
            names.collect::<Vec<_>>()
        };
        assert_eq!(callers_of("cart"), ["front GET /"]);
        assert_eq!(callers_of("db"), ["cart add"]);
        assert!(callers_of("front").is_empty());
    }
}
