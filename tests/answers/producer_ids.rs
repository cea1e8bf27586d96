//! InitProducerId: with and without what a producer had before.

use broker::protocol::Str;
use broker::protocol::messages::init_producer_id::InitProducerIdRequest;

use super::pair::Pair;

pub fn compare(pair: &mut Pair) {
    for (producer_id, producer_epoch) in
        [(-1, -1), (5, 0), (5, -1), (-1, 3), (-2, -2), (0, i16::MAX)]
    {
        for timeout in [0, 60_000, -1, i32::MAX] {
            let case = format!("producer {producer_id} epoch {producer_epoch} timeout {timeout}");
            pair.compare_all(&case, |_| InitProducerIdRequest {
                transaction_timeout_ms: timeout,
                producer_id,
                producer_epoch,
                ..InitProducerIdRequest::default()
            });
        }
    }
    for (id, producer_epoch) in [("", -1), ("", 2), ("mine", 2)] {
        pair.compare_all(
            &format!("the transactional id {id:?}, epoch {producer_epoch}"),
            |_| InitProducerIdRequest {
                transactional_id: Some(Str::from_static(id)),
                transaction_timeout_ms: 60_000,
                producer_epoch,
                ..InitProducerIdRequest::default()
            },
        );
    }
}
