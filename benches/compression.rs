//! What compression costs a span, by level: the part of the compressed rows of `end_to_end` that
//! no pipeline can save. One request as `tailwater generate` and `end_to_end` send it: 1,000 spans of
//! 400 bytes with fresh random ids. Best of 200 runs.
//!
//! `cargo bench --bench compression`
#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods, reason = "a measure prints and times")]

use std::time::Instant;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use tailwater::cli::generate::{Identity, Shape, Template};

const SPANS: u32 = 1_000;

fn measure(what: &str, bytes: usize, mut work: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..200 {
        let began = Instant::now();
        work();
        best = best.min(began.elapsed().as_nanos() as f64);
    }
    let spans = f64::from(SPANS);
    println!("{what:<20} {:>6.0} ns/span {:>6.1} B/span", best / spans, bytes as f64 / spans);
}

fn gzip(level: u32, body: &[u8]) {
    let mut encoder = Compress::new_gzip(Compression::new(level), 15);
    let mut packed = Vec::with_capacity(body.len() + body.len() / 8 + 1024);
    encoder.compress_vec(body, &mut packed, FlushCompress::Finish).unwrap();
    let kept = packed.clone();
    measure(&format!("gzip {level}"), kept.len(), || {
        encoder.reset();
        packed.clear();
        encoder.compress_vec(body, &mut packed, FlushCompress::Finish).unwrap();
    });
    let mut text = Vec::with_capacity(body.len() + 1);
    measure("  and back", body.len(), || {
        text.clear();
        Decompress::new_gzip(15).decompress_vec(&kept, &mut text, FlushDecompress::Finish).unwrap();
    });
}

fn zstd_at(level: i32, body: &[u8]) {
    let mut encoder = zstd::bulk::Compressor::new(level).unwrap();
    let mut decoder = zstd::bulk::Decompressor::new().unwrap();
    let mut packed = Vec::with_capacity(zstd::zstd_safe::compress_bound(body.len()));
    encoder.compress_to_buffer(body, &mut packed).unwrap();
    let kept = packed.clone();
    measure(&format!("zstd {level}"), kept.len(), || {
        packed.clear();
        encoder.compress_to_buffer(body, &mut packed).unwrap();
    });
    let mut text = Vec::with_capacity(body.len());
    measure("  and back", body.len(), || {
        text.clear();
        decoder.decompress_to_buffer(&kept, &mut text).unwrap();
    });
}

/// The first request of a load.
fn request() -> Vec<u8> {
    let shape = Shape { spans_per_request: SPANS, ..Shape::default() };
    let template = &Template::build(&shape)[0];
    let mut body = template.body().to_vec();
    template.fill(&mut body, 0, Identity::new(7), 1_700_000_000_000_000_000);
    body
}

fn main() {
    let body = request();
    [1, 2, 6].into_iter().for_each(|level| gzip(level, &body));
    [-7, -5, -3, -1, 1, 3].into_iter().for_each(|level| zstd_at(level, &body));
}
