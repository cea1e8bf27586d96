//! Parts of files reach the peer byte for byte, from the page cache or from the disk.

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use broker::network::ConnectionOptions;
use broker::protocol::payload::SharedFile;
use tokio::io::AsyncReadExt;

use crate::peer::{Peer, request};
use crate::toy::{Mode, Setup, World, within};

const SIZE: usize = 6 << 20;

fn content() -> Vec<u8> {
    (0..SIZE as u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

async fn world(content: &[u8], send_buffer_bytes: Option<usize>) -> World {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    let options = ConnectionOptions {
        send_buffer_bytes,
        ..ConnectionOptions::default()
    };
    Setup {
        file: Some(Arc::new(OwnedFd::from(file))),
        options,
        ..Setup::default()
    }
    .start()
    .await
}

fn region(id: i32, position: usize, length: usize) -> Vec<u8> {
    let mut body = (position as u64).to_be_bytes().to_vec();
    body.extend((length as u32).to_be_bytes());
    request(Mode::File, id, &body)
}

#[tokio::test]
async fn regions_arrive_byte_for_byte_between_other_answers() {
    let content = content();
    let world = world(&content, None).await;
    let mut peer = Peer::connect(&world).await;
    let regions = [
        (0, 1),
        (17, 4_096),
        (1 << 20, 3 << 20),
        (SIZE - 5, 5),
        (123_457, 999_999),
    ];
    let mut sent = Vec::new();
    for (id, (position, length)) in (0..).zip(regions) {
        sent.extend(region(id, position, length));
        sent.extend(request(Mode::Echo, 100 + id, b"between"));
    }

    peer.send(&sent).await;

    for (id, (position, length)) in (0..).zip(regions) {
        let (answered, body) = peer.receive().await.unwrap();
        assert_eq!(answered, id);
        assert!(body == content[position..position + length], "region {id}");
        assert_eq!(peer.receive().await, Some((100 + id, b"between".to_vec())));
    }
}

#[tokio::test]
async fn regions_arrive_byte_for_byte_at_a_slow_reader() {
    let content = content();
    let world = world(&content, Some(8 << 10)).await;
    let mut peer = Peer::connect(&world).await;

    peer.send(&region(1, 1_000, 2 << 20)).await;

    let mut body = vec![0; 8 + (2 << 20)];
    for piece in body.chunks_mut(10_007) {
        within(peer.stream.read_exact(piece)).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(body[8..] == content[1_000..1_000 + (2 << 20)]);
}

#[tokio::test]
async fn regions_that_are_not_in_memory_arrive_byte_for_byte() {
    let content = content();
    // Not every file system drops pages on request; then this is the test above once more.
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content).unwrap();
    file.sync_all().unwrap();
    let advice = rustix::fs::Advice::DontNeed;
    rustix::fs::fadvise(&file, 0, None, advice).unwrap();
    let world = Setup {
        file: Some(Arc::new(OwnedFd::from(file))),
        ..Setup::default()
    }
    .start()
    .await;
    let mut peer = Peer::connect(&world).await;

    peer.send(&region(1, 4_000, 5 << 20)).await;

    let (_, body) = peer.receive().await.unwrap();
    assert!(body == content[4_000..4_000 + (5 << 20)]);
}

#[tokio::test]
async fn a_file_that_became_shorter_closes_the_connection() {
    let world = world(&[1; 10_000], None).await;
    let mut peer = Peer::connect(&world).await;

    peer.send(&region(1, 5_000, 50_000)).await;

    let mut received = Vec::new();
    // An end or a reset: what matters is that no other bytes fill the gap.
    let _ = within(peer.stream.read_to_end(&mut received)).await;
    assert!(received.len() <= 8 + 5_000);
}

/// A file whose descriptor others may want.
struct Scarce {
    file: OwnedFd,
    lent: AtomicUsize,
    is_wanted: AtomicBool,
}

impl AsFd for Scarce {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl SharedFile for Scarce {
    fn lend(&self) {
        self.lent.fetch_add(1, Ordering::SeqCst);
    }

    fn take_back(&self) {
        self.lent.fetch_sub(1, Ordering::SeqCst);
    }

    fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn who_does_not_read_loses_a_file_that_others_want() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content()).unwrap();
    let file = Arc::new(Scarce {
        file: file.into(),
        lent: AtomicUsize::new(0),
        is_wanted: AtomicBool::new(false),
    });
    let options = ConnectionOptions {
        request_stall: Duration::from_secs(1),
        send_buffer_bytes: Some(8 << 10),
        ..ConnectionOptions::default()
    };
    let world = Setup {
        file: Some(Arc::clone(&file) as _),
        options,
        ..Setup::default()
    }
    .start()
    .await;
    let mut deaf = Peer::connect(&world).await;
    deaf.send(&region(1, 0, SIZE)).await;
    let lent = async {
        while file.lent.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    };
    within(lent).await;
    // A peer that holds no memory has as long as an idle one.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(file.lent.load(Ordering::SeqCst), 1);

    file.is_wanted.store(true, Ordering::SeqCst);

    let closed = async {
        while world.network.connections().count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    within(closed).await;
    assert_eq!(file.lent.load(Ordering::SeqCst), 0);
}
