//! What an object carries beside its bytes: media type, user metadata, and the headers that S3 keeps.
//!
//! An entry has a media type and user metadata. The other headers that S3 gives back with an object
//! (`Content-Encoding` and its like) and its tags are kept in the metadata under names of their own, which no
//! client of S3 can write as a metadata name, because a header's name has no colon.

use std::collections::BTreeMap;

use anabranch_app::ObjectAttributes;
use anabranch_types::{Attribute, Entry};
use s3s::dto::{Metadata, Timestamp, TimestampFormat};
use s3s::{S3Result, s3_error};

use crate::tags;

/// User metadata of one object, names and values together: the limit of S3.
const METADATA_BYTES_MAX: usize = 2048;

/// What a write request says about its object.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) content_type: Option<String>,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) cache_control: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_language: Option<String>,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) tagging: Option<String>,
}

/// Makes a [`Given`] of the input of any operation that writes an object.
macro_rules! given {
    ($input:expr) => {
        $crate::attributes::Given {
            content_type: $input.content_type.take(),
            metadata: $input.metadata.take(),
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $input.content_encoding.take(),
            content_language: $input.content_language.take(),
            expires: $input.expires.take(),
            tagging: $input.tagging.take(),
        }
    };
}
pub(crate) use given;

impl Given {
    /// What the object is stored with.
    pub(crate) fn into_attributes(self, key: &str) -> S3Result<ObjectAttributes> {
        let mut metadata: BTreeMap<String, String> = self.metadata.unwrap_or_default().into_iter().collect();
        let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > METADATA_BYTES_MAX {
            return Err(s3_error!(
                MetadataTooLarge,
                "the metadata of key {key:?} has {bytes} bytes; at most {METADATA_BYTES_MAX} are accepted"
            ));
        }
        let kept = [
            ("cache-control", self.cache_control),
            ("content-disposition", self.content_disposition),
            ("content-encoding", self.content_encoding.as_deref().and_then(without_framing)),
            ("content-language", self.content_language),
            ("expires", self.expires.as_ref().and_then(|expires| format(expires, TimestampFormat::HttpDate))),
        ];
        for (name, value) in kept {
            if let Some(value) = value {
                metadata.insert(Attribute::Header.named(name), value);
            }
        }
        if let Some(tagging) = &self.tagging {
            let tags = tags::of_header(tagging, key)?;
            metadata.extend(tags.into_iter().map(|(name, value)| (Attribute::Tag.named(&name), value)));
        }
        Ok(ObjectAttributes { content_type: self.content_type.unwrap_or_default(), metadata })
    }
}

/// `aws-chunked` is how a body travelled, not what the object is.
fn without_framing(encoding: &str) -> Option<String> {
    let rest: Vec<&str> = encoding
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty() && !part.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!rest.is_empty()).then(|| rest.join(", "))
}

fn format(time: &Timestamp, format: TimestampFormat) -> Option<String> {
    let mut text = Vec::new();
    time.format(format, &mut text).ok()?;
    String::from_utf8(text).ok()
}

/// What a read answers about its object: the opposite of [`Given`].
pub(crate) fn of_entry(entry: &Entry) -> Given {
    let kept = |name: &str| entry.metadata.get(&Attribute::Header.named(name)).cloned();
    Given {
        content_type: Some(entry.content_type.clone()),
        metadata: Some(
            entry.user_metadata().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ),
        cache_control: kept("cache-control"),
        content_disposition: kept("content-disposition"),
        content_encoding: kept("content-encoding"),
        content_language: kept("content-language"),
        expires: kept("expires").and_then(|text| Timestamp::parse(TimestampFormat::HttpDate, &text).ok()),
        tagging: None,
    }
}

/// Refuses what would be a lie to accept: encryption and locks that the server does not keep.
macro_rules! refuse_unsupported {
    ($input:expr, $($field:ident = $name:literal),* $(,)?) => {
        $(if $input.$field.is_some() {
            return Err(s3s::s3_error!(
                NotImplemented,
                "the header {} of key {:?} is not supported; leave it out",
                $name,
                $input.key
            ));
        })*
    };
}
pub(crate) use refuse_unsupported;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_framing_of_a_body_is_no_encoding_of_its_object() {
        assert_eq!(without_framing("aws-chunked"), None);
        assert_eq!(without_framing("aws-chunked,gzip"), Some("gzip".to_owned()));
        assert_eq!(without_framing("gzip, AWS-chunked"), Some("gzip".to_owned()));
        assert_eq!(without_framing(""), None);
    }

    #[test]
    fn metadata_has_a_limit() {
        let given = |bytes: usize| Given {
            metadata: Some([("a".to_owned(), "x".repeat(bytes - 1))].into_iter().collect()),
            ..Given::default()
        };
        assert!(given(2048).into_attributes("main/a").is_ok());
        let error = given(2049).into_attributes("main/a").expect_err("too large");
        assert_eq!(error.code().as_str(), "MetadataTooLarge");
    }
}
