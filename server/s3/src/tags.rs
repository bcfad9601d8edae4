//! Tags of objects: the rules of S3, and their two forms in requests.

use std::collections::BTreeMap;

use percent_encoding::percent_decode;
use s3s::dto::{Tag, TagSet};
use s3s::{S3Result, s3_error};

/// The limits of S3 for one object.
const TAGS_MAX: usize = 10;
const KEY_CHARACTERS_MAX: usize = 128;
const VALUE_CHARACTERS_MAX: usize = 256;

/// The tags of a header `x-amz-tagging`, which is written like the query of a URL.
pub(crate) fn of_header(text: &str, key: &str) -> S3Result<BTreeMap<String, String>> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (decoded(name), decoded(value)) {
            (Some(name), Some(value)) => Ok((name, value)),
            _ => Err(s3_error!(InvalidArgument, "the header x-amz-tagging of key {key:?} is not UTF-8")),
        }
    });
    checked(pairs.collect::<S3Result<Vec<_>>>()?, key)
}

fn decoded(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    percent_decode(text.as_bytes()).decode_utf8().ok().map(|text| text.into_owned())
}

/// The tags of a message in XML.
pub(crate) fn of_message(tags: TagSet, key: &str) -> S3Result<BTreeMap<String, String>> {
    let pairs = tags.into_iter().map(|tag| match (tag.key, tag.value) {
        (Some(name), Some(value)) => Ok((name, value)),
        _ => Err(s3_error!(MalformedXML, "a tag for key {key:?} has no Key or no Value")),
    });
    checked(pairs.collect::<S3Result<Vec<_>>>()?, key)
}

/// The tags as a message shows them.
pub(crate) fn to_message<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> TagSet {
    tags.map(|(name, value)| Tag { key: Some(name.to_owned()), value: Some(value.to_owned()) }).collect()
}

fn checked(pairs: Vec<(String, String)>, key: &str) -> S3Result<BTreeMap<String, String>> {
    if pairs.len() > TAGS_MAX {
        return Err(s3_error!(
            InvalidTag,
            "{} tags for key {key:?}; an object has at most {TAGS_MAX}",
            pairs.len()
        ));
    }
    let mut tags = BTreeMap::new();
    for (name, value) in pairs {
        if let Some(rule) = broken_rule(&name, &value) {
            return Err(s3_error!(InvalidTag, "the tag {name:?} for key {key:?} is refused: {rule}"));
        }
        if tags.insert(name.clone(), value).is_some() {
            return Err(s3_error!(InvalidTag, "the tag {name:?} for key {key:?} is there twice"));
        }
    }
    Ok(tags)
}

fn broken_rule(name: &str, value: &str) -> Option<&'static str> {
    if name.is_empty() || name.chars().count() > KEY_CHARACTERS_MAX {
        return Some("a key has between 1 and 128 characters");
    }
    if value.chars().count() > VALUE_CHARACTERS_MAX {
        return Some("a value has at most 256 characters");
    }
    if name.to_ascii_lowercase().starts_with("aws:") {
        return Some("keys that begin with aws: are reserved");
    }
    let permitted = |letter: char| letter.is_alphanumeric() || letter == ' ' || "+-=._:/@".contains(letter);
    if !name.chars().chain(value.chars()).all(permitted) {
        return Some("only letters, digits, spaces and + - = . _ : / @ are permitted");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(header: &str) -> String {
        match of_header(header, "main/a") {
            Ok(tags) => {
                tags.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(";")
            }
            Err(error) => error.code().as_str().to_owned(),
        }
    }

    #[test]
    fn headers_are_read_like_queries() {
        assert_eq!(shown("team=blue&cost+center=4%2F2&flag"), "cost center=4/2;flag=;team=blue");
        assert_eq!(shown(""), "");
        assert_eq!(shown("a=%C3%A9"), "a=é");
        assert_eq!(shown("a=%FF"), "InvalidArgument");
    }

    #[test]
    fn the_rules_of_s3_hold() {
        assert_eq!(shown(&(0..11).map(|n| format!("k{n}=v&")).collect::<String>()), "InvalidTag");
        assert_eq!(shown("a=1&a=2"), "InvalidTag");
        assert_eq!(shown("=1"), "InvalidTag");
        assert_eq!(shown("AWS:x=1"), "InvalidTag");
        assert_eq!(shown("a=%3Cb%3E"), "InvalidTag");
        assert_eq!(shown(&format!("{}=1", "k".repeat(129))), "InvalidTag");
        assert_eq!(shown(&format!("k={}", "v".repeat(257))), "InvalidTag");
        let longest = format!("{}={}", "k".repeat(128), "v".repeat(256));
        assert_eq!(shown(&longest), longest);
    }
}
