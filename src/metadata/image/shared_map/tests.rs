//! The map beside a BTreeMap, what a change leaves alone, and how full its chunks are.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn check(map: &SharedMap<u16, u32>, model: &BTreeMap<u16, u32>) {
    assert_eq!(map.len(), model.len());
    assert!(map.iter().eq(model.iter()), "{map:?} is not {model:?}");
}

proptest! {
    #[test]
    fn it_behaves_as_a_btree_map(
        steps in prop::collection::vec((0_u16..600, any::<bool>(), any::<u32>()), 0..2_000),
    ) {
        let mut map = SharedMap::default();
        let mut model = BTreeMap::new();
        for (key, put, value) in steps {
            if put {
                prop_assert_eq!(map.insert(key, value), model.insert(key, value));
            } else {
                prop_assert_eq!(map.remove(&key), model.remove(&key));
            }
        }
        check(&map, &model);
        for key in 0..600 {
            prop_assert_eq!(map.get(&key), model.get(&key));
            prop_assert!(map.iter_from(&key).eq(model.range(key..)));
        }
    }
}

#[test]
fn it_behaves_as_a_btree_map_when_it_is_deep() {
    let mut map = SharedMap::default();
    let mut model = BTreeMap::new();
    let mut random = 1_u64;
    for step in 0..200_000_u32 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let key = (random >> 49) as u16;
        // Grows to tens of thousands of entries, then shrinks to nearly none, twice.
        let grows = (step / 50_000) % 2 == 0;
        if (random >> 40) & 7 == 0 || grows {
            assert_eq!(map.insert(key, step), model.insert(key, step));
        } else {
            let next = model
                .range(key..)
                .next()
                .map(|(key, _)| *key)
                .unwrap_or(key);
            assert_eq!(map.remove(&next), model.remove(&next));
        }
        if step % 10_000 == 0 {
            check(&map, &model);
            assert!(map.iter_from(&key).eq(model.range(key..)));
        }
    }
    check(&map, &model);
}

#[test]
fn a_change_leaves_the_older_version_as_it_was() {
    let before: SharedMap<u16, u32> = (0..10_000).map(|key| (key, u32::from(key))).collect();
    let mut after = before.clone();

    after.insert(5_000, 7);
    *after.get_mut(&9_999).unwrap() = 8;
    after.remove(&0);

    check(
        &before,
        &(0..10_000).map(|key| (key, u32::from(key))).collect(),
    );
    assert_eq!(after.get(&5_000), Some(&7));
    assert_eq!(after.get(&9_999), Some(&8));
    assert_eq!(after.get(&0), None);
    assert_ne!(before, after);
}

#[test]
fn entries_in_order_fill_their_chunks() {
    let map: SharedMap<u16, u32> = (0..1_024).map(|key| (key, 0)).collect();

    let Node::Inner(children) = &*map.root else {
        panic!("a thousand entries need more than one chunk")
    };
    assert_eq!(children.len(), 32);
}

#[test]
fn removing_everything_leaves_one_empty_chunk() {
    let mut map: SharedMap<u16, u32> = (0..5_000).map(|key| (key, 0)).collect();

    for key in 0..5_000 {
        map.remove(&key);
    }

    assert!(map.is_empty());
    assert_eq!(map.root.len(), 0);
    assert_eq!(map.insert(1, 1), None);
    assert_eq!(map.get(&1), Some(&1));
}
