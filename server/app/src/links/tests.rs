use std::collections::BTreeMap;

use anabranch_types::test_support::{ManualClock, SeededIds};
use anabranch_types::{BranchName, RepositoryName};

use super::*;

const NOW_MS: i64 = 1_795_369_318_000;

fn repository(created_ms: i64) -> RepositoryInfo {
    RepositoryInfo {
        name: RepositoryName::new("sales").unwrap(),
        storage_namespace: "local://sales".into(),
        default_branch: BranchName::new("main").unwrap(),
        created_ms,
        metadata: BTreeMap::new(),
    }
}

fn entry() -> Entry {
    Entry {
        address: Address { object: ObjectKey::new("data/x"), offset: 10, length: 5 },
        size: 5,
        checksum: Checksum::from_md5([3; 16]),
        parts: 2,
        modified_ms: 1_000,
        content_type: "text/plain".into(),
        metadata: BTreeMap::new(),
    }
}

fn refusal(answer: Result<(), AppError>) -> String {
    answer.map_or_else(|error| error.to_string(), |()| "good".into())
}

#[test]
fn a_link_is_good_as_it_was_signed_until_it_ends() {
    let key = LinkKey::derived_from(b"secret");
    let link = Link::to_read(&key, &repository(1), &entry(), NOW_MS + 1).unwrap();
    let check = |link: &Link, key: &LinkKey, made, now| {
        refusal(link.check(key, &repository(made), LinkPurpose::Read, now))
    };
    assert_eq!(check(&link, &key, 1, NOW_MS), "good");
    assert_eq!(
        check(&link, &key, 1, NOW_MS + 1),
        "the signed address is refused: it has ended. Ask for a new one"
    );
    let unfit = "the signed address is refused: its signature does not fit. Ask for a new one";
    assert_eq!(check(&link, &LinkKey::derived_from(b"other"), 1, NOW_MS), unfit);
    assert_eq!(check(&link, &key, 2, NOW_MS), unfit, "another repository of the name");
    let changes: [fn(&mut Link); 8] = [
        |link| link.address.object = ObjectKey::new("data/y"),
        |link| link.address.offset = 0,
        |link| link.address.length = 500,
        |link| link.etag = "0".repeat(32),
        |link| link.content_type = "text/html".into(),
        |link| link.expires_ms += 1,
        |link| link.modified_ms += 1,
        |link| link.signature.clear(),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut changed = link.clone();
        change(&mut changed);
        assert_eq!(check(&changed, &key, 1, NOW_MS), unfit, "change {number}");
    }
    assert_eq!(refusal(link.check(&key, &repository(1), LinkPurpose::Write, NOW_MS)), unfit);
    assert_eq!(link.entry().unwrap(), entry());
    assert_eq!(format!("{key:?}"), "LinkKey(…)");
}

#[test]
fn a_place_can_be_linked_only_where_it_was_given_for() {
    let key = LinkKey::derived_from(b"secret");
    let (clock, ids) = (ManualClock::at(NOW_MS), SeededIds::new(1));
    let made = repository(1);
    let owner = |branch, path| PlaceOwner { repository: &made, branch, path };
    let object = owner("main", "a").place(&key, &clock, &ids).unwrap();
    let text = object.to_string();
    let parts: Vec<_> = text.split('/').collect();
    assert_eq!((parts[0], parts[1].len(), parts[2].len()), ("data", 20, 20));
    assert_ne!(object, owner("main", "a").place(&key, &clock, &ids).unwrap());
    assert!(owner("main", "a").check(&key, &object, NOW_MS + 1_000).is_ok());
    for (branch, path) in [("main", "b"), ("dev", "a")] {
        assert!(
            refusal(owner(branch, path).check(&key, &object, NOW_MS))
                .contains("is no address that was given for")
        );
    }
    assert!(owner("main", "a").check(&LinkKey::derived_from(b"other"), &object, NOW_MS).is_err());
    let later = NOW_MS + 24 * 3_600_000 + 1;
    assert!(refusal(owner("main", "a").check(&key, &object, later)).contains("too long ago"));
    let own = anabranch_storage::new_object_key(&clock, &ids);
    assert!(owner("main", "a").check(&key, &own, NOW_MS).is_err(), "what the server wrote for itself");
}

#[test]
fn entity_tags_of_the_form_of_s3_are_read() {
    let md5 = "0123456789abcdef0123456789abcdef";
    assert_eq!(parse_etag(md5).unwrap().1, 0);
    assert_eq!(parse_etag(&format!("\"{md5}-12\"")).unwrap().1, 12);
    for other in ["", "abc", "0x8DC", "1-2-3", &format!("{md5}-0"), &format!("{md5}-x"), &md5[1..]] {
        assert_eq!(parse_etag(other), None, "{other}");
    }
}

#[test]
fn addresses_tell_whether_an_object_is_shared() {
    let mut entry = entry();
    assert_eq!(physical_address("local://sales/", &entry), "local://sales/data/x#10+5");
    entry.size = 300_000;
    assert_eq!(physical_address("local://sales", &entry), "local://sales/data/x");
    entry.size = 5;
    entry.address.object = ObjectKey::new("s3://raw/a/b");
    assert_eq!(physical_address("local://sales", &entry), "s3://raw/a/b");
}
