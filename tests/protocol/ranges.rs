//! What is advertised is what can be read.

use broker::protocol::ApiKey;

use crate::cases;

#[test]
fn the_range_in_the_table_is_the_one_that_messages_decode() {
    for api in cases::apis() {
        let name = api.key.name();
        let table = api.key.valid_versions();
        assert_eq!(api.request.versions, table, "requests of {name}");
        assert_eq!(api.response.versions, table, "responses of {name}");

        let first_flexible = api.key.first_flexible().unwrap_or(i16::MAX);
        assert_eq!(
            api.request.first_flexible, first_flexible,
            "requests of {name}"
        );
        assert_eq!(
            api.response.first_flexible, first_flexible,
            "responses of {name}"
        );
    }
}

#[test]
fn only_share_and_streams_groups_have_no_messages_yet() {
    let defined: Vec<ApiKey> = cases::apis().iter().map(|api| api.key).collect();

    let missing: Vec<i16> = ApiKey::ALL
        .iter()
        .filter(|key| !defined.contains(key))
        .map(|key| *key as i16)
        .collect();

    let share_and_streams: Vec<i16> = (76..=79).chain(83..=92).collect();
    assert_eq!(missing, share_and_streams);
}

#[test]
fn a_version_outside_the_range_is_refused() {
    for case in cases::all() {
        for version in [
            -1,
            case.versions.start() - 1,
            case.versions.end() + 1,
            i16::MAX,
        ] {
            let error = (case.decode)(bytes::Bytes::new(), version).unwrap_err();
            let name = case.name;
            assert_eq!(
                error.to_string(),
                format!("version {version} of {name} is not supported")
            );
        }
    }
}
