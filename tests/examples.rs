//! The examples work together: the application's spans pass through the embedded pipeline.

#[expect(dead_code, reason = "its main is for cargo run")]
#[path = "../examples/app.rs"]
mod app;
#[expect(dead_code, reason = "its main and configuration are for cargo run")]
#[path = "../examples/embed.rs"]
mod embed;

use std::collections::BTreeMap;

use tailwater::pipeline::DropReason;

#[tokio::test(flavor = "multi_thread")]
async fn an_applications_spans_pass_through_an_embedded_pipeline() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let config = format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: \"{address}\"}}}}}}}}\n\
         processors: {{tail_sampling: {{decision_wait: 60s, policies: [\
         {{name: errors, type: status_code, status_code: {{status_codes: [ERROR]}}}}]}}}}\n\
         exporters: {{nop: }}\n\
         service: {{telemetry: {{metrics: {{level: none}}}}, pipelines: {{traces: \
         {{receivers: [otlp], processors: [tail_sampling], exporters: [nop]}}}}}}\n"
    );
    let requests = async {
        let served = app::serve_requests(&format!("http://{address}"), 20).await;
        assert!(served.is_ok(), "{served:?}");
    };
    let reading = embed::run_until(&config, requests).await?;
    // Two of twenty requests fail, with two spans each.
    assert_eq!((reading.received, reading.sent), (40, 4));
    assert_eq!(reading.dropped, BTreeMap::from([(DropReason::NotSampled, 36)]));
    assert_eq!(reading.residual(), 0);
    Ok(())
}
