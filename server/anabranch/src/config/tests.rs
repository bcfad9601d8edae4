//! Precedence, refusals and what is shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};

use super::command::shown;
use super::sources::{Origin, Sources, parse};
use super::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// The problems of a file, one a line.
fn check_file(text: &str, expected: Expect) {
    let path = Path::new("a.toml");
    let checked = parse(path, text).and_then(|values| {
        let sources = Sources { file: Some((path.to_owned(), values)), ..Sources::default() };
        let values = sources.resolve(false)?;
        Settings::from_values(&values)
    });
    let verdict = match checked {
        Ok(_) => "ok".to_owned(),
        Err(wrong) => wrong.join("\n"),
    };
    expected.assert_eq(&verdict);
}

#[test]
fn every_setting_can_be_given_in_every_place_and_the_nearer_wins() {
    for key in KEYS {
        // Two texts of the kind that can be told apart.
        let (one, two, three) = match key.kind {
            keys::Kind::Count | keys::Kind::Bytes => ("70001", "70002", "70003"),
            keys::Kind::Fraction => ("0.1", "0.2", "0.3"),
            keys::Kind::Duration => ("1s", "2s", "3s"),
            keys::Kind::Address => ("1.1.1.1:1", "1.1.1.1:2", "1.1.1.1:3"),
            keys::Kind::Choice(words) => (words[0], words[1], words[0]),
            _ => ("a", "b", "c"),
        };
        let path = PathBuf::from("f");
        let mut sources =
            Sources { file: Some((path.clone(), map(&[(key.name, one)]))), ..Sources::default() };
        let found = |sources: &Sources| sources.resolve(false).unwrap()[key.name].clone();
        assert_eq!((found(&sources).text.as_str(), found(&sources).origin), (one, Origin::File(path)));
        sources.environment = map(&[(&key.variable(), two)]);
        assert_eq!(
            (found(&sources).text.as_str(), found(&sources).origin),
            (two, Origin::Variable(key.variable()))
        );
        sources.flags = map(&[(key.name, three)]);
        assert_eq!(
            (found(&sources).text.as_str(), found(&sources).origin),
            (three, Origin::Flag(key.flag()))
        );
    }
}

#[test]
fn every_flag_of_the_table_is_a_flag_of_the_command() {
    let command = SettingFlags::augment_args(Command::new("serve"));
    for key in KEYS {
        let text = format!("--{}=x", key.flag());
        let matches = command.clone().try_get_matches_from(["serve", &text]).unwrap();
        let flags = SettingFlags::from_arg_matches(&matches).unwrap();
        assert_eq!(flags.given, map(&[(key.name, "x")]));
    }
    let matches = command.try_get_matches_from(["serve", "--postgres", "x"]).unwrap();
    assert_eq!(SettingFlags::from_arg_matches(&matches).unwrap().given, map(&[("refs.url", "x")]));
}

#[test]
fn the_defaults_are_settings() {
    let settings = SettingFlags::of(&[]).settings_alone().unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8000");
    assert!(settings.refs.postgres.is_none() && settings.objects.s3.is_none() && settings.tls.is_none());
    assert_eq!(settings.objects.default_namespace, "local://");
    assert_eq!((settings.limits.body_bytes, settings.limits.header_bytes), (5 << 30, 64 << 10));
}

#[test]
fn an_empty_variable_is_unset() {
    let environment = map(&[("ANABRANCH_LISTEN", "")]);
    let values = Sources { environment, ..Sources::default() }.resolve(true).unwrap();
    assert_eq!(values["listen"].origin, Origin::Default);
}

#[test]
fn a_file_is_refused_with_the_place_and_the_way_out() {
    check_file(
        "listen = \"0.0.0.0:80\"\n[limits]\nrequests = 7\nbody_bytes = \"1 MiB\"\n[gateway]\ndomains = [\"a\"]",
        expect!["ok"],
    );
    check_file(
        "lisen = \"x\"\n[limit]\nrequests = 7\n[s3]\nsecret = \"x\"\n[nothing]\nlike_this = 1",
        expect![[r#"
            a.toml: unknown key limit.requests: did you mean limits.requests?
            a.toml: unknown key lisen: did you mean listen?
            a.toml: unknown key nothing.like_this: docs/configuration.md lists all keys
            a.toml: unknown key s3.secret: did you mean s3.secret_access_key?"#]],
    );
    check_file("listen = 8000", expect!["a.toml: listen: give a text in quotes"]);
    check_file(
        "listen = \"8000\"",
        expect![[r#"listen is "8000" (file a.toml): give an address and a port, like 127.0.0.1:8000"#]],
    );
    check_file(
        "[limits]\nbody_idle = 30",
        expect![[r#"a.toml: limits.body_idle: give a time in quotes, with its unit, like "30s""#]],
    );
    check_file("[limits]\nrequests = 0", expect!["limits.requests is 0: give at least 1"]);
    check_file(
        "[s3]\naccess_key_id = \"x\"",
        expect!["s3.access_key_id is given without s3.secret_access_key: give both, or none"],
    );
    check_file("[s3]\naccess_key_id = \"x\"\nsecret_access_key_file = \"/nowhere\"", expect!["ok"]);
    check_file("[tls]\ncert = \"x\"", expect!["tls.cert and tls.key are given together or not at all"]);
    check_file(
        "[refs]\nurl = \"mysql://me:password@host\"",
        expect!["refs.url: give sqlite: or postgres://USER:PASSWORD@HOST:PORT/DATABASE"],
    );
    check_file(
        "server_key = \"short\"",
        expect!["server_key: give 64 hexadecimal digits, as `openssl rand -hex 32` makes them"],
    );
    check_file(
        "server_key = \"a\"\nserver_key_file = \"b\"",
        expect!["server_key and server_key_file are both given (file a.toml): leave one out"],
    );
    check_file(
        "[log]\nformat = \"xml\"",
        expect![[r#"log.format is "xml" (file a.toml): give one of text, json"#]],
    );
}

#[test]
fn the_example_can_be_used() {
    check_file(include_str!("../../../../docs/examples/anabranch.toml"), expect!["ok"]);
}

#[test]
fn a_secret_comes_from_its_file_without_the_line_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "hush\n").unwrap();
    let flags = [("access_key_id", "AKID"), ("secret_access_key_file", path.to_str().unwrap())];
    let settings = SettingFlags::of(&flags).settings_alone().unwrap();
    assert!(settings.admin.unwrap().secret.equals("hush"));
    let missing = [("server_key_file", "/nowhere/at/all")];
    let error = SettingFlags::of(&missing).settings_alone().unwrap_err().to_string();
    assert!(
        error.contains("server_key_file (flag --server-key-file): /nowhere/at/all cannot be read"),
        "{error}"
    );
}

#[test]
fn what_is_shown_has_origins_and_no_secrets() {
    let file =
        Some((PathBuf::from("a.toml"), map(&[("s3.secret_access_key", "hush"), ("s3.access_key_id", "id")])));
    let flags = map(&[("listen", "1.1.1.1:1"), ("refs.url", "postgres://me:hush@host/db")]);
    let environment = map(&[("ANABRANCH_SERVER_KEY_FILE", "/run/key")]);
    let text = shown(&Sources { flags, environment, file }.resolve(false).unwrap());
    assert!(!text.contains("hush"), "{text}");
    let lines: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "listen 1.1.1.1:1 [flag --listen]",
        "data anabranch-data [default]",
        "server_key (in /run/key) [environment ANABRANCH_SERVER_KEY_FILE]",
        "s3.secret_access_key (secret) [file a.toml]",
        "refs.url (secret) [flag --refs-url]",
        "tls.cert (none) [default]",
    ] {
        assert!(lines.iter().any(|shown| shown == line), "{line} is not in\n{text}");
    }
}
