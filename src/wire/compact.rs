//! Copying selected rows into a request of their own, with an index that follows from the old one:
//! nothing is scanned again, but for requests that have given up their columns.

use std::sync::Arc;

use super::frame::{Layout, encode};
use super::index_copy::IndexCopy;
use super::{Limits, scan};
use crate::model::{Batch, Request};

/// Copies the selected rows out into a request of their own, so that the large ones can go. The
/// result has one part, its span columns and the same metadata; a batch that is one whole request
/// with its columns already, or that has no part or 4 GiB and more, comes back as it is.
pub fn compact(batch: Batch) -> Batch {
    let account = match batch.parts() {
        [] => return batch,
        [only] if only.is_whole() && only.request.index().has_columns() => return batch,
        [only] if only.is_whole() => return scanned(&batch, only.request.body().clone()).unwrap_or(batch),
        [first, ..] => first.request.account().clone(),
    };
    if !batch.parts().iter().all(|part| part.request.index().has_columns()) {
        return scanned(&batch, encode(&batch).into_bytes()).unwrap_or(batch);
    }
    let layouts: Vec<Layout> = batch.parts().iter().map(Layout::of).collect();
    let length: u64 = layouts.iter().map(|layout| layout.length).sum();
    if length > u64::from(u32::MAX) {
        return batch;
    }
    let rows = batch.parts().iter().map(|part| part.row_count() as usize).sum();
    let mut body = Vec::with_capacity(length as usize);
    let mut copy = IndexCopy::with_capacity(rows);
    for (part, layout) in batch.parts().iter().zip(&layouts) {
        layout.write(part, &mut body, &mut copy);
    }
    let index = copy.finish(&batch);
    let request = Arc::new(Request::new(body.into(), index, &account));
    Batch::from_request(request).with_metadata(batch.metadata().cloned())
}

/// The batch as one request whose index is built anew. `None` only for a body of 4 GiB and more:
/// what was scanned once scans again.
pub(super) fn scanned(batch: &Batch, body: bytes::Bytes) -> Option<Batch> {
    let account = batch.parts().first()?.request.account();
    let request = scan(batch.signal(), body, &Limits::none(), account).ok()?;
    Some(Batch::from_request(request).with_metadata(batch.metadata().cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Part, Rows, Signal};
    use crate::testing::request_of;

    fn batch(request: Arc<Request>, rows: Rows) -> Batch {
        let mut batch = Batch::new(Signal::Traces);
        batch.push(Part { request, rows });
        batch
    }

    #[test]
    fn rows_that_waited_without_columns_get_the_same_ones_back() {
        let full = request_of(&[1, 2, 3, 4, 5]);
        let slim = Arc::new(full.without_columns());
        assert!(!slim.index().has_columns() && slim.held_bytes() < full.held_bytes());
        for rows in [Rows::All, Rows::Range { start: 1, end: 4 }, Rows::List([0, 2, 4].into())] {
            let [left, right] = [full.clone(), slim.clone()].map(|request| compact(batch(request, rows.clone())));
            let [left, right] = [&left, &right].map(|batch| batch.parts()[0].request.clone());
            assert_eq!(left.body(), right.body());
            let columns = |request: &Request| request.index().spans.as_ref().unwrap().record_batch().unwrap();
            assert_eq!(columns(&left), columns(&right));
        }
    }

    #[test]
    fn a_body_that_is_shared_is_charged_once() {
        let full = request_of(&[1, 2, 3]);
        let account = full.account().clone();
        let alone = account.held_bytes();
        let slim = [full.without_columns(), full.without_columns()];
        assert!(account.held_bytes() < alone + full.body().len() as u64);
        drop(full);
        assert!(account.held_bytes() >= slim[0].held_bytes());
        drop(slim);
        assert_eq!(account.held_bytes(), 0);
    }
}
