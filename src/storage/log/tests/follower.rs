//! What a follower appends, as its leader had it.

use super::*;

#[test]
fn a_follower_keeps_offsets_and_epochs_and_splits_at_segments() {
    let (_disk, mut leader) = new_log(Arc::default());
    fill(&mut leader, 20);
    let next = LeaderAppend::client(LeaderEpoch(3));
    leader
        .append_as_leader(&batch(2, 40, NOW.0), &next, NOW)
        .unwrap();
    let sent = content(&leader);
    let (disk, mut follower) = new_log(small_segments());

    let cut_off = sent.len() - 1;
    let appended = follower.append_as_follower(&sent[..cut_off], NOW).unwrap();
    assert_eq!(appended, Some((Offset(0), Offset(39))));
    let rest = leader.locate(Offset(40), Offset(42)).unwrap();
    let rest = bytes(&rest.read(10_000, true).unwrap().payload);
    follower.append_as_follower(&rest, NOW).unwrap();

    assert_eq!(content(&follower), sent);
    assert!(follower.segment_count() > 2);
    assert_eq!(follower.epochs().entries(), leader.epochs().entries());
    assert_eq!(content(&reopen(&disk, &follower, false)), sent);
}

#[test]
fn a_follower_refuses_what_does_not_follow_its_end() {
    let (_disk, mut leader) = new_log(Arc::default());
    fill(&mut leader, 3);
    let sent = content(&leader);
    let (_disk, mut follower) = new_log(Arc::default());
    follower.append_as_follower(&sent, NOW).unwrap();

    assert!(matches!(
        follower.append_as_follower(&sent, NOW),
        Err(AppendError::Batch(_))
    ));
    let mut damaged = content(&leader);
    damaged[100] ^= 1;
    let (_disk, mut other) = new_log(Arc::default());
    assert!(other.append_as_follower(&damaged, NOW).is_err());
    assert_eq!(other.end_offset(), Offset(0));
}

fn of_epoch(base_offset: i64, epoch: i32) -> Bytes {
    let mut builder = BatchBuilder::new(Offset(base_offset)).leader_epoch(LeaderEpoch(epoch));
    builder.append(NewRecord::default());
    builder.build()
}

#[test]
fn an_epoch_that_wrote_nothing_keeps_no_older_batch_out() {
    let (_disk, mut follower) = new_log(Arc::default());
    follower.append_as_follower(&of_epoch(0, 1), NOW).unwrap();
    // It led in epoch 3 when its machine lost power, and what it had of epochs 2 and 3 is gone.
    follower.begin_epoch(LeaderEpoch(3));

    follower.append_as_follower(&of_epoch(1, 2), NOW).unwrap();
    follower.append_as_follower(&of_epoch(2, 3), NOW).unwrap();

    let epochs = follower.epochs().entries().iter();
    let epochs: Vec<_> = epochs.map(|it| (it.epoch.0, it.start_offset.0)).collect();
    assert_eq!(epochs, [(1, 0), (2, 1), (3, 2)]);
}

#[test]
fn a_follower_refuses_an_epoch_that_goes_back() {
    let (_disk, mut follower) = new_log(Arc::default());
    follower.append_as_follower(&of_epoch(0, 5), NOW).unwrap();

    let refused = follower.append_as_follower(&of_epoch(1, 4), NOW);

    assert!(matches!(refused, Err(AppendError::EpochWentBack { .. })));
    assert_eq!(follower.end_offset(), Offset(1));
}
