//! OTLP/JSON as a real Collector takes and refuses it.

use proptest::prelude::*;

use super::*;

fn account() -> MemoryAccount {
    MemoryAccount::default()
}

fn read_traces(text: &str) -> Result<Arc<Request>, JsonError> {
    read(Signal::Traces, text.as_bytes(), &Limits::default(), &account())
}

fn rewritten(text: &str) -> String {
    let request = read_traces(text).unwrap();
    String::from_utf8(write(&Batch::from_request(request))).unwrap()
}

/// A request with one span that has these members beside its ids.
fn request(members: &str) -> String {
    request_with_ids("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", members)
}

fn request_with_ids(trace: &str, span: &str, members: &str) -> String {
    format!(
        r#"{{"resourceSpans": [{{"resource": {{"attributes": [{{"key": "service.name", "value": {{"stringValue": "j"}}}}]}}, "scopeSpans": [{{"scope": {{"name": "s"}}, "spans": [{{"traceId": "{trace}", "spanId": "{span}", {members}}}]}}]}}]}}"#
    )
}

/// The same, as we write it.
fn written(members: &str) -> String {
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"j"}}}}]}},"scopeSpans":[{{"scope":{{"name":"s"}},"spans":[{{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331",{members}}}]}}]}}]}}"#
    )
}

const TIMES: &str = r#""startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000000000001""#;
const TIMES_WRITTEN: &str = r#""startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000000000001""#;

#[test]
fn what_the_collector_accepts_is_accepted_and_written_as_it_does() {
    let upper =
        request_with_ids("0AF7651916CD43DD8448EB211C80319C", "B7AD6B7169203331", &format!(r#""name": "n", {TIMES}"#));
    assert_eq!(rewritten(&upper), written(&format!(r#""name":"n",{TIMES_WRITTEN}"#)));
    let cases = [
        (
            r#""kind": "SPAN_KIND_CLIENT", "status": {"code": "STATUS_CODE_ERROR", "message": "m"}"#,
            r#""kind":3,"status":{"code":2,"message":"m"}"#,
        ),
        (
            r#""startTimeUnixNano": 1700000000000000000, "endTimeUnixNano": 1700000000000000005"#,
            r#""startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000000000005""#,
        ),
        (r#""name": "n", "nothing": {"a": [1, {}]}, "zzz": null"#, r#""name":"n""#),
        (
            r#""trace_state": "a=b", "parent_span_id": "b7ad6b7169203332", "start_time_unix_nano": "5""#,
            r#""traceState":"a=b","parentSpanId":"b7ad6b7169203332","startTimeUnixNano":"5""#,
        ),
        (r#""name": "n", "attributes": null, "events": null, "status": null"#, r#""name":"n""#),
        (r#""name": "n", "parentSpanId": """#, r#""name":"n""#),
        (r#""flags": 257, "droppedAttributesCount": 3"#, r#""flags":257,"droppedAttributesCount":3"#),
        (r#""kind": 99"#, r#""kind":99"#),
        (
            r#""attributes": [{"key": "b", "value": {"doubleValue": "NaN"}}]"#,
            r#""attributes":[{"key":"b","value":{"doubleValue":"NaN"}}]"#,
        ),
    ];
    for (members, ours) in cases {
        assert_eq!(rewritten(&request(members)), written(ours));
    }
}

#[test]
fn a_time_that_stands_twice_is_the_last_one() {
    let members = format!(r#"{TIMES}, "start_time_unix_nano": "5""#);
    let request = read_traces(&request(&members)).unwrap();
    assert_eq!(request.index().spans.as_ref().unwrap().start[0], 5);
    let text = String::from_utf8(write(&Batch::from_request(request))).unwrap();
    assert_eq!(text, written(r#""startTimeUnixNano":"5","endTimeUnixNano":"1700000000000000001""#));
}

#[test]
fn every_kind_of_attribute_value_is_read_and_written() {
    let members = r#""attributes": [{"key": "i", "value": {"intValue": "9007199254740993"}}, {"key": "j", "value": {"intValue": 5}}, {"key": "d", "value": {"doubleValue": 1}}, {"key": "b", "value": {"bytesValue": "AP8="}}, {"key": "s", "value": {"stringValue": "\u00e9\ud83d\ude00"}}, {"key": "e", "value": {}}, {"key": "l", "value": {"arrayValue": {"values": [{"boolValue": true}]}}}, {"key": "m", "value": {"kvlistValue": {"values": [{"key": "x", "value": {"intValue": 1}}]}}}]"#;
    let ours = r#""attributes":[{"key":"i","value":{"intValue":"9007199254740993"}},{"key":"j","value":{"intValue":"5"}},{"key":"d","value":{"doubleValue":1}},{"key":"b","value":{"bytesValue":"AP8="}},{"key":"s","value":{"stringValue":"é😀"}},{"key":"e","value":{}},{"key":"l","value":{"arrayValue":{"values":[{"boolValue":true}]}}},{"key":"m","value":{"kvlistValue":{"values":[{"key":"x","value":{"intValue":"1"}}]}}}]"#;
    assert_eq!(rewritten(&request(members)), written(ours));
}

#[test]
fn events_and_links_are_read_and_written() {
    let members = r#""events": [{"name": "e", "timeUnixNano": "7", "attributes": [{"key": "i", "value": {"intValue": "9007199254740993"}}]}], "links": [{"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "traceState": "x=y"}]"#;
    assert_eq!(rewritten(&request(members)), written(&members.replace(": ", ":").replace(", ", ",")));
}

#[test]
fn what_the_collector_refuses_is_refused() {
    let members = [
        r#""kind": "SPAN_KIND_BOGUS""#,
        r#""kind": 2.5"#,
        r#""startTimeUnixNano": "-1""#,
        r#""startTimeUnixNano": "99999999999999999999""#,
        r#""attributes": "x""#,
        r#""name": 5"#,
        r#""attributes": [{"key": "b", "value": {"bytesValue": "%%%"}}]"#,
        r#""attributes": [{"key": "b", "value": {"intValue": "abc"}}]"#,
        r#""attributes": [{"key": "b", "value": {"doubleValue": 1e400}}]"#,
    ];
    let ids = [
        ("0af765", "b7ad6b7169203331"),
        ("zaf7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"),
        ("0af7651916cd43dd8448eb211c80319c", "b7ad6b716920333100"),
    ];
    let texts = ["[]", r#"{"resourceSpans":["#, "hello", "", "{}x", r#"{"resourceSpans":[{},]}"#, r#"{"a"}"#];
    let all = members
        .iter()
        .map(|members| request(members))
        .chain(ids.map(|(trace, span)| request_with_ids(trace, span, TIMES)))
        .chain(texts.map(str::to_owned));
    for text in all {
        let error = read_traces(&text).expect_err(&text);
        assert!(!error.is_too_large(), "{text}");
    }
}

#[test]
fn empty_messages_are_accepted_in_every_form() {
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(2000), "]".repeat(2000));
    for text in ["null", "{}", r#"{"resourceSpans":[],"resourceSpans":[]}"#, " {\n} ", &deep] {
        assert_eq!(read_traces(text).unwrap().index().rows(), 0, "{text}");
    }
    assert!(read_traces(&request_with_ids("", "b7ad6b7169203331", TIMES)).is_ok());
}

#[test]
fn values_nested_beyond_the_limit_are_refused_without_recursion() {
    let nested = |levels: usize| {
        let value = r#"{"arrayValue":{"values":["#.repeat(levels) + &"]}}".repeat(levels);
        request(&format!(r#""attributes":[{{"key":"a","value":{value}}}]"#))
    };
    assert!(read_traces(&nested(18)).is_ok());
    assert!(read_traces(&nested(10_000)).is_err());
}

#[test]
fn too_many_spans_are_too_large() {
    let limits = Limits { items_max: 1, ..Limits::default() };
    let text = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{},{}]}]}]}"#;
    assert!(read(Signal::Traces, text, &limits, &account()).unwrap_err().is_too_large());
}

#[test]
fn metrics_and_logs_come_back_as_they_were_read() {
    let metrics = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","sum":{"dataPoints":[{"attributes":[{"key":"k","value":{"boolValue":false}}],"timeUnixNano":"9","asInt":"-3","exemplars":[{"asDouble":0.5,"spanId":"b7ad6b7169203331"}]},{"asDouble":0}],"aggregationTemporality":2,"isMonotonic":true}},{"exponentialHistogram":{"dataPoints":[{"count":"3","sum":0,"scale":-2,"positive":{"offset":-7,"bucketCounts":["0","300"]},"zeroThreshold":1e-300}]}},{"histogram":{"dataPoints":[{"bucketCounts":["1","2"],"explicitBounds":[1,1e100],"min":-1.5}]}},{"summary":{"dataPoints":[{"quantileValues":[{"quantile":0.5,"value":1},{}]}]}}]}]}]}"#;
    let logs = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1","severityNumber":9,"body":{"kvlistValue":{"values":[{"key":"a\u0001\n\"","value":{"stringValue":""}}]}},"flags":1,"traceId":"0af7651916cd43dd8448eb211c80319c","eventName":"e"}],"schemaUrl":"u"}]}]}"#;
    for (signal, text, items) in [(Signal::Metrics, metrics, 5), (Signal::Logs, logs, 1)] {
        let request = read(signal, text.as_bytes(), &Limits::default(), &account()).unwrap();
        assert_eq!(request.index().item_count, items);
        assert_eq!(String::from_utf8(write(&Batch::from_request(request))).unwrap(), text);
    }
}

#[test]
fn numbers_are_whole_at_the_ends_of_their_range() {
    let point = r#"{"asInt":"-9223372036854775808","startTimeUnixNano":"18446744073709551615","flags":4294967295}"#;
    let text = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"gauge":{{"dataPoints":[{point}]}}}}]}}]}}]}}"#
    );
    let request = read(Signal::Metrics, text.as_bytes(), &Limits::default(), &account()).unwrap();
    let written = String::from_utf8(write(&Batch::from_request(request))).unwrap();
    assert_eq!(written.len(), text.len());
    for number in ["-9223372036854775808", "18446744073709551615", "4294967295"] {
        assert!(written.contains(number), "{written}");
    }
}

proptest! {
    #[test]
    fn plain_text_ends_where_the_first_special_byte_is(text in "[ -~\u{0}-\u{1f}é]{0,40}") {
        let naive = text.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20);
        prop_assert_eq!(plain_length(text.as_bytes()), naive.unwrap_or(text.len()));
    }
}
