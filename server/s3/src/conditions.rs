//! Conditions of reads and writes, as S3's headers put them.

use std::time::{Duration, UNIX_EPOCH};

use anabranch_app::WriteCondition;
use anabranch_types::Entry;
use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::{S3ErrorCode, S3Result, s3_error};

/// What a write requires of its key. `If-None-Match` takes only `*`, as on S3.
pub(crate) fn of_write(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
    key: &str,
) -> S3Result<WriteCondition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(WriteCondition::None),
        (None, Some(ETagCondition::Any)) => Ok(WriteCondition::Absent),
        (Some(ETagCondition::Any), None) => Ok(WriteCondition::Present),
        (Some(ETagCondition::ETag(etag)), None) => Ok(WriteCondition::Matches(etag.value().to_owned())),
        (None, Some(ETagCondition::ETag(_))) => {
            Err(s3_error!(NotImplemented, "a write of key {key:?} takes If-None-Match only with *"))
        }
        (Some(_), Some(_)) => Err(s3_error!(
            InvalidRequest,
            "a write of key {key:?} has both If-Match and If-None-Match; choose one"
        )),
    }
}

/// The conditions of a read.
#[derive(Clone, Default, Debug)]
pub(crate) struct ReadConditions {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
    pub(crate) if_modified_since: Option<Timestamp>,
    pub(crate) if_unmodified_since: Option<Timestamp>,
}

impl ReadConditions {
    /// Whether there is any.
    pub(crate) fn any(&self) -> bool {
        self.if_match.is_some()
            || self.if_none_match.is_some()
            || self.if_modified_since.is_some()
            || self.if_unmodified_since.is_some()
    }

    /// The code with which the read of an entry ends, if it does not go through. An entity tag
    /// outweighs a date of the same direction, as RFC 9110 says.
    pub(crate) fn refuse(&self, entry: &Entry) -> Option<S3ErrorCode> {
        let matches = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(wanted) => wanted.value() == entry.etag(),
        };
        let modified = to_the_second(entry.modified_ms);
        let failed = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => !matches(condition),
            (None, Some(date)) => modified > *date,
            (None, None) => false,
        };
        if failed {
            return Some(S3ErrorCode::PreconditionFailed);
        }
        let unchanged = match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => matches(condition),
            (None, Some(date)) => modified <= *date,
            (None, None) => false,
        };
        unchanged.then_some(S3ErrorCode::NotModified)
    }
}

/// The time of an entry, as XML shows it.
pub(crate) fn timestamp(ms: i64) -> Timestamp {
    let ms = Duration::from_millis(u64::try_from(ms).unwrap_or_default());
    Timestamp::from(UNIX_EPOCH.checked_add(ms).unwrap_or(UNIX_EPOCH))
}

/// HTTP dates know no fractions; compared with one, neither does an entry's time.
fn to_the_second(ms: i64) -> Timestamp {
    timestamp(ms - ms.rem_euclid(1000))
}

/// The entity tag of an entry.
pub(crate) fn etag(entry: &Entry) -> ETag {
    ETag::Strong(entry.etag())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use anabranch_types::{Address, Checksum, ObjectKey};

    use super::*;

    fn entry() -> Entry {
        Entry {
            address: Address { object: ObjectKey::new("data/x"), offset: 0, length: 1 },
            size: 1,
            checksum: Checksum::from_md5([0xab; 16]),
            parts: 0,
            modified_ms: 10_500,
            content_type: String::new(),
            metadata: BTreeMap::new(),
        }
    }

    fn tag(text: &str) -> Option<ETagCondition> {
        Some(ETagCondition::ETag(ETag::Strong(text.to_owned())))
    }

    fn answer(conditions: ReadConditions) -> u16 {
        conditions.refuse(&entry()).and_then(|code| code.status_code()).map_or(200, |status| status.as_u16())
    }

    #[test]
    fn reads_follow_rfc_9110() {
        let same = "ab".repeat(16);
        let at = |ms| Some(timestamp(ms));
        let base = ReadConditions::default;
        assert_eq!(answer(base()), 200);
        assert_eq!(answer(ReadConditions { if_match: tag(&same), ..base() }), 200);
        assert_eq!(answer(ReadConditions { if_match: tag("other"), ..base() }), 412);
        assert_eq!(answer(ReadConditions { if_match: Some(ETagCondition::Any), ..base() }), 200);
        assert_eq!(answer(ReadConditions { if_none_match: tag(&same), ..base() }), 304);
        assert_eq!(answer(ReadConditions { if_none_match: tag("other"), ..base() }), 200);
        assert_eq!(answer(ReadConditions { if_modified_since: at(10_000), ..base() }), 304);
        assert_eq!(answer(ReadConditions { if_modified_since: at(9_000), ..base() }), 200);
        assert_eq!(answer(ReadConditions { if_unmodified_since: at(10_000), ..base() }), 200);
        assert_eq!(answer(ReadConditions { if_unmodified_since: at(9_000), ..base() }), 412);
        let tag_wins = ReadConditions { if_match: tag(&same), if_unmodified_since: at(0), ..base() };
        assert_eq!(answer(tag_wins), 200);
        let tag_wins =
            ReadConditions { if_none_match: tag("other"), if_modified_since: at(99_000), ..base() };
        assert_eq!(answer(tag_wins), 200);
    }

    #[test]
    fn writes_take_one_condition() {
        let any = Some(ETagCondition::Any);
        let check = |if_match: &Option<_>, if_none_match: &Option<_>| {
            of_write(if_match.as_ref(), if_none_match.as_ref(), "main/a")
        };
        assert_eq!(check(&None, &None).ok(), Some(WriteCondition::None));
        assert_eq!(check(&None, &any).ok(), Some(WriteCondition::Absent));
        assert_eq!(check(&any, &None).ok(), Some(WriteCondition::Present));
        assert_eq!(check(&tag("x"), &None).ok(), Some(WriteCondition::Matches("x".into())));
        assert!(check(&None, &tag("x")).is_err());
        assert!(check(&tag("x"), &any).is_err());
    }
}
