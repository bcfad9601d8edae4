//! Users, keys, groups and policies over a ref-store in memory.

use std::sync::Arc;

use anabranch_refs::{MemoryStore, RefsBackend, ScanRange};
use anabranch_types::test_support::{ManualClock, SeededIds};

use super::*;
use crate::record::partition;
use crate::{AccountName, Grant, Keys, Pattern, Role, ServerKey};

const NOW_MS: i64 = 1_795_369_318_000;

/// An installation: one ref-store, one clock, any number of servers.
struct Installation {
    refs: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    ids: Arc<SeededIds>,
}

impl Installation {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(NOW_MS));
        let refs = Arc::new(MemoryStore::new(clock.clone()));
        Installation { refs, clock, ids: Arc::new(SeededIds::new(3)) }
    }

    async fn server(&self) -> Directory {
        self.server_with(keys("1", &[])).await.unwrap()
    }

    async fn server_with(&self, server_keys: ServerKeys) -> Result<Directory, DirectoryError> {
        Directory::open(DirectoryParts {
            refs: self.refs.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            server_keys,
            admin: KeyPair::new("AKIAADMIN", "admin-secret"),
        })
        .await
    }
}

fn keys(current: &str, old: &[&str]) -> ServerKeys {
    let key = |digit: &str| ServerKey::parse(&digit.repeat(64)).unwrap();
    ServerKeys { current: key(current), old: old.iter().map(|digit| key(digit)).collect() }
}

fn name(text: &str) -> AccountName {
    AccountName::new(text).unwrap()
}

fn page() -> Page {
    Page { prefix: String::new(), after: None, amount: 100 }
}

fn grant(role: Role, repositories: &str) -> Grant {
    Grant { role, repositories: Pattern::new(repositories).unwrap(), branches: Pattern::any() }
}

/// What the key can do: the user's name and its grants; `-` for a key that does not exist.
async fn may(server: &Directory, access_key_id: &str) -> String {
    match server.find(access_key_id).await.unwrap() {
        None => "-".to_owned(),
        Some(identity) => {
            let grants = identity.principal.grants().iter();
            let grants = grants.map(|grant| format!(" {} {}", grant.role, grant.repositories));
            format!("{}:{}", identity.principal.name(), grants.collect::<String>())
        }
    }
}

#[tokio::test]
async fn the_pair_of_the_configuration_is_an_administrator_whatever_the_records_say() {
    let installation = Installation::new();
    let server = installation.server().await;
    assert_eq!(may(&server, "AKIAADMIN").await, "admin: admin *");
    server.remove_member(&name("Admins"), &name("admin")).await.unwrap();
    server.delete_group(&name("Admins")).await.unwrap();
    server.delete_policy(&name("AuthFullAccess")).await.unwrap();
    assert_eq!(may(&server, "AKIAADMIN").await, "admin: admin *");
    let error = server.delete_user(&name("admin")).await.unwrap_err().to_string();
    assert!(error.contains("cannot be deleted"), "{error}");
}

#[tokio::test]
async fn an_installation_begins_with_groups_that_clients_know_and_keeps_them_deleted() {
    let installation = Installation::new();
    let server = installation.server().await;
    let groups = async |server: &Directory| {
        let groups = server.list_groups(&page()).await.unwrap().results;
        groups.iter().map(|group| group.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(groups(&server).await, ["Admins", "Developers", "SuperUsers", "Viewers"]);
    server.delete_group(&name("Viewers")).await.unwrap();
    let again = installation.server().await;
    assert_eq!(groups(&again).await, ["Admins", "Developers", "SuperUsers"]);
    let policies = again.list_policies(&page()).await.unwrap().results;
    assert_eq!(policies.len(), 5);
    assert_eq!(again.members(&name("Admins"), &page()).await.unwrap().results[0].name, name("admin"));
}

#[tokio::test]
async fn a_key_grants_what_its_user_and_the_groups_of_its_user_have() {
    let server = Installation::new().server().await;
    let anna = name("anna");
    server.create_user(&anna).await.unwrap();
    let key = server.create_key(&anna).await.unwrap().pair.access_key_id;
    assert_eq!(may(&server, &key).await, "anna:");
    server.create_policy(&name("eu"), vec![grant(Role::ReadWrite, "eu-*")]).await.unwrap();
    server.attach(&Holder::User(anna.clone()), &name("eu")).await.unwrap();
    assert_eq!(may(&server, &key).await, "anna: read-write eu-*");
    server.add_member(&name("Viewers"), &anna).await.unwrap();
    assert_eq!(may(&server, &key).await, "anna: read-only * read-write eu-*");
    server.update_policy(&name("eu"), vec![grant(Role::Admin, "eu-x")]).await.unwrap();
    assert_eq!(may(&server, &key).await, "anna: read-only * admin eu-x");
    server.detach(&Holder::Group(name("Viewers")), &name("FSReadAll")).await.unwrap();
    assert_eq!(may(&server, &key).await, "anna: admin eu-x");
    server.delete_policy(&name("eu")).await.unwrap();
    assert_eq!(may(&server, &key).await, "anna:");
}

#[tokio::test]
async fn a_name_that_is_used_again_inherits_nothing() {
    let server = Installation::new().server().await;
    let anna = name("anna");
    let old = server.create_user(&anna).await.and(server.create_key(&anna).await).unwrap();
    server.create_group(&name("team"), String::new()).await.unwrap();
    server.create_policy(&name("all"), vec![grant(Role::Admin, "*")]).await.unwrap();
    server.attach(&Holder::Group(name("team")), &name("all")).await.unwrap();
    server.add_member(&name("team"), &anna).await.unwrap();
    // The group is made anew: nobody is in it.
    server.delete_group(&name("team")).await.unwrap();
    server.create_group(&name("team"), String::new()).await.unwrap();
    server.attach(&Holder::Group(name("team")), &name("all")).await.unwrap();
    assert_eq!(may(&server, &old.pair.access_key_id).await, "anna:");
    assert!(server.members(&name("team"), &page()).await.unwrap().results.is_empty());
    // The policy is made anew: it is attached to nobody.
    server.attach(&Holder::User(anna.clone()), &name("all")).await.unwrap();
    server.delete_policy(&name("all")).await.unwrap();
    server.create_policy(&name("all"), vec![grant(Role::Admin, "*")]).await.unwrap();
    assert_eq!(may(&server, &old.pair.access_key_id).await, "anna:");
    // The user is made anew: the old key is not its own.
    server.delete_user(&anna).await.unwrap();
    server.create_user(&anna).await.unwrap();
    assert_eq!(may(&server, &old.pair.access_key_id).await, "-");
    assert!(server.key(&anna, &old.pair.access_key_id).await.is_err());
}

#[tokio::test]
async fn a_revoked_key_stops_here_at_once_and_elsewhere_within_the_lifetime_of_the_cache() {
    let installation = Installation::new();
    let (here, elsewhere) = (installation.server().await, installation.server().await);
    let anna = name("anna");
    here.create_user(&anna).await.unwrap();
    let first = here.create_key(&anna).await.unwrap().pair;
    let second = here.create_key(&anna).await.unwrap().pair;
    for server in [&here, &elsewhere] {
        assert_eq!(may(server, &first.access_key_id).await, "anna:");
    }
    here.delete_key(&anna, &first.access_key_id).await.unwrap();
    assert_eq!(may(&here, &first.access_key_id).await, "-");
    assert_eq!(may(&elsewhere, &first.access_key_id).await, "anna:", "still believed");
    installation.clock.advance(1_000);
    assert_eq!(may(&elsewhere, &first.access_key_id).await, "-");
    assert_eq!(may(&elsewhere, &second.access_key_id).await, "anna:", "the other key goes on");
    here.delete_user(&anna).await.unwrap();
    assert_eq!(may(&here, &second.access_key_id).await, "-");
    installation.clock.advance(1_000);
    assert_eq!(may(&elsewhere, &second.access_key_id).await, "-");
}

#[tokio::test]
async fn a_key_that_was_asked_for_before_it_was_made_works_at_once() {
    let installation = Installation::new();
    let server = installation.server().await;
    let anna = name("anna");
    server.create_user(&anna).await.unwrap();
    // The absence of every key is remembered until something changes.
    assert_eq!(may(&server, "AKIANOBODY").await, "-");
    let key = server.create_key(&anna).await.unwrap().pair;
    assert_eq!(may(&server, &key.access_key_id).await, "anna:");
    let found = server.find(&key.access_key_id).await.unwrap().unwrap();
    assert!(found.key.secret.equals(key.secret.expose()));
}

#[tokio::test]
async fn no_secret_lies_in_the_ref_store() {
    let installation = Installation::new();
    let server = installation.server().await;
    server.create_user(&name("anna")).await.unwrap();
    let key = server.create_key(&name("anna")).await.unwrap().pair;
    let rows = installation.refs.scan(&partition(), &ScanRange::default(), 1_000).await.unwrap().rows;
    assert!(rows.iter().any(|(at, _)| at.ends_with(&key.access_key_id)));
    for (at, row) in rows {
        for secret in [key.secret.expose(), "admin-secret", &"1".repeat(64), "\u{11}\u{11}\u{11}\u{11}"] {
            let found = row.value.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{at} holds a secret");
        }
    }
}

#[tokio::test]
async fn a_server_with_another_key_is_refused() {
    let installation = Installation::new();
    installation.server().await;
    let error = installation.server_with(keys("2", &[])).await.unwrap_err();
    assert!(matches!(error, DirectoryError::OtherServerKey), "{error}");
    assert!(error.to_string().contains("share one server key"));
    let error = installation.server_with(keys("2", &["3"])).await.unwrap_err();
    assert!(matches!(error, DirectoryError::OtherServerKey), "an old key that is not it either");
}

#[tokio::test]
async fn a_server_key_is_replaced_in_one_start() {
    let installation = Installation::new();
    let before = installation.server().await;
    before.create_user(&name("anna")).await.unwrap();
    let key = before.create_key(&name("anna")).await.unwrap().pair;
    let after = installation.server_with(keys("2", &["1"])).await.unwrap();
    assert!(after.find(&key.access_key_id).await.unwrap().unwrap().key.secret.equals(key.secret.expose()));
    // From now on the old key is needed no more, and is refused.
    let later = installation.server_with(keys("2", &[])).await.unwrap();
    assert!(later.find(&key.access_key_id).await.unwrap().unwrap().key.secret.equals(key.secret.expose()));
    assert!(installation.server_with(keys("1", &[])).await.is_err());
    // A server that still runs with the old one says what to do, and does not say that the key is unknown.
    installation.clock.advance(1_000);
    let error = before.find(&key.access_key_id).await.unwrap_err().to_string();
    assert!(error.contains("was replaced"), "{error}");
}

#[tokio::test]
async fn a_replacement_that_broke_off_goes_on() {
    let installation = Installation::new();
    let before = installation.server().await;
    before.create_user(&name("anna")).await.unwrap();
    let mut pairs = Vec::new();
    for _ in 0..3 {
        pairs.push(before.create_key(&name("anna")).await.unwrap().pair);
    }
    // One secret is encrypted anew, and then the server dies: the installation's mark is still the old one.
    let ids = installation.ids.as_ref();
    let key = pairs[0].access_key_id.clone();
    let both = keys("2", &["1"]);
    before
        .store
        .update::<crate::record::KeyRecord>(&key, |mut record| {
            record.sealed = lookup::seal(&both, ids, &key, &pairs[0].secret)?;
            Ok(store::Change::Set(record))
        })
        .await
        .unwrap();
    let after = installation.server_with(both).await.unwrap();
    for pair in &pairs {
        let found = after.find(&pair.access_key_id).await.unwrap().unwrap();
        assert!(found.key.secret.equals(pair.secret.expose()));
    }
}

#[tokio::test]
async fn listings_have_pages() {
    let server = Installation::new().server().await;
    for number in 0..5 {
        let user = name(&format!("u{number}"));
        server.create_user(&user).await.unwrap();
        if number % 2 == 0 {
            server.add_member(&name("Viewers"), &user).await.unwrap();
        }
    }
    let mut seen = Vec::new();
    let mut at = Page { prefix: "u".into(), after: None, amount: 2 };
    loop {
        let listing = server.list_users(&at).await.unwrap();
        seen.push(listing.results.iter().map(|user| user.name.to_string()).collect::<Vec<_>>());
        if !listing.more {
            break;
        }
        at.after = Some(listing.next);
    }
    assert_eq!(seen, [vec!["u0", "u1"], vec!["u2", "u3"], vec!["u4"]]);
    let one = Page { amount: 1, after: Some("u0".into()), ..page() };
    let members = server.members(&name("Viewers"), &one).await.unwrap();
    assert_eq!((members.results[0].name.as_str(), members.more), ("u2", true));
    let rest = Page { after: Some(members.next), ..page() };
    let members = server.members(&name("Viewers"), &rest).await.unwrap();
    assert_eq!((members.results[0].name.as_str(), members.results.len(), members.more), ("u4", 1, false));
}

#[tokio::test]
async fn what_is_not_there_or_is_there_already_is_named() {
    let server = Installation::new().server().await;
    let error = async |result: Result<(), DirectoryError>| result.unwrap_err().to_string();
    let nobody = name("nobody");
    assert_eq!(error(server.delete_user(&nobody).await).await, "user nobody does not exist");
    assert_eq!(error(server.add_member(&name("Viewers"), &nobody).await).await, "user nobody does not exist");
    assert_eq!(error(server.add_member(&nobody, &name("admin")).await).await, "group nobody does not exist");
    let admin = Holder::User(name("admin"));
    assert_eq!(error(server.attach(&admin, &nobody).await).await, "policy nobody does not exist");
    let detached = error(server.detach(&admin, &name("FSReadAll")).await).await;
    assert_eq!(detached, "attachment of policy FSReadAll does not exist");
    let left = error(server.remove_member(&name("Viewers"), &name("admin")).await).await;
    assert_eq!(left, "membership of admin in Viewers does not exist");
    let taken = server.create_user(&name("admin")).await.unwrap_err().to_string();
    assert_eq!(taken, "user admin exists already");
    let key = error(server.delete_key(&name("admin"), "AKIAADMIN").await).await;
    assert_eq!(key, "access key AKIAADMIN does not exist", "the pair of the configuration is no record");
}

#[tokio::test]
async fn a_user_has_a_bounded_number_of_keys() {
    let server = Installation::new().server().await;
    let anna = name("anna");
    server.create_user(&anna).await.unwrap();
    for _ in 0..20 {
        server.create_key(&anna).await.unwrap();
    }
    let error = server.create_key(&anna).await.unwrap_err().to_string();
    assert!(error.contains("delete one first"), "{error}");
    assert_eq!(server.list_keys(&anna, &page()).await.unwrap().results.len(), 20);
    server.delete_user(&anna).await.unwrap();
    let keys = ScanRange { prefix: "key/".into(), after: None };
    let rows = server.store.refs.scan(&partition(), &keys, 100).await.unwrap().rows;
    assert!(rows.is_empty(), "its keys went with it");
}

#[tokio::test]
async fn changes_at_the_same_time_all_count() {
    let server = Arc::new(Installation::new().server().await);
    let anna = name("anna");
    server.create_user(&anna).await.unwrap();
    let make = |_| {
        let (server, anna) = (server.clone(), anna.clone());
        tokio::spawn(async move { server.create_key(&anna).await.map(|key| key.pair.access_key_id) })
    };
    let made: Vec<_> = (0..8).map(make).collect();
    for task in made {
        assert_eq!(may(&server, &task.await.unwrap().unwrap()).await, "anna:");
    }
    assert_eq!(server.list_keys(&anna, &page()).await.unwrap().results.len(), 8);
}

#[tokio::test]
async fn debug_output_of_everything_holds_no_secret() {
    let server = Installation::new().server().await;
    server.create_user(&name("anna")).await.unwrap();
    let key = server.create_key(&name("anna")).await.unwrap();
    let found = server.find(&key.pair.access_key_id).await.unwrap();
    let shown = format!("{server:?} {key:?} {found:?} {:?}", server.server_keys);
    assert!(!shown.contains(key.pair.secret.expose()) && !shown.contains("admin-secret"), "{shown}");
    assert!(!shown.contains(&"1".repeat(64)));
}
