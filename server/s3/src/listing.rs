//! Lists the keys of a bucket: the objects of a ref, or of all branches and tags one after the other.
//!
//! Keys come in strict byte order. The order of `REF/PATH` is not that of the refs' names: `main-2/a`
//! comes before `main/a`, so refs are ordered by their name with the slash. With the delimiter `/` the
//! refs themselves are the first level, also where they hold nothing yet.

use std::collections::BTreeSet;

use anabranch_app::{AppError, ListInput, Listed, ObjectChecksum, ObjectInfo, Paged, Paging};
use anabranch_types::Entry;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{ChecksumAlgorithm, CommonPrefix, ETag, EncodingType, Object, ObjectStorageClass, Owner};
use s3s::{S3Result, s3_error};

use crate::checksum::type_of;
use crate::conditions::timestamp;
use crate::gateway::Call;

/// The most lines of one answer: the limit of S3.
const LINES_MAX: i32 = 1000;

/// What `encoding-type=url` leaves as it is.
const URL_ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pub(crate) prefix: String,
    /// Never empty.
    pub(crate) delimiter: Option<String>,
    /// The key or common prefix after which the page begins.
    pub(crate) after: Option<String>,
    pub(crate) max: usize,
}

/// One line of the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Line {
    Object { key: String, info: Box<ObjectInfo> },
    Common(String),
}

impl Line {
    /// Its key or common prefix: what the next page comes after.
    pub(crate) fn text(&self) -> &str {
        match self {
            Line::Object { key, .. } => key,
            Line::Common(prefix) => prefix,
        }
    }
}

/// A page of the answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) lines: Vec<Line>,
    pub(crate) more: bool,
}

/// How many lines are asked for; S3 takes any number that is not negative and gives 1,000 at most.
pub(crate) fn lines_max(wanted: Option<i32>) -> S3Result<i32> {
    match wanted.unwrap_or(LINES_MAX) {
        wanted if wanted < 0 => Err(s3_error!(InvalidArgument, "max-keys {wanted} is negative")),
        wanted => Ok(wanted.min(LINES_MAX)),
    }
}

/// Lists a page.
pub(crate) async fn list(call: &Call<'_>, bucket: &str, query: &Query) -> S3Result<Page> {
    call.app.repository(&call.who, bucket).await.map_err(call.about_bucket(bucket))?;
    let mut page = Page::default();
    if query.max == 0 {
        return Ok(page);
    }
    if let Some((reference, path_prefix)) = query.prefix.split_once('/') {
        let root = format!("{reference}/");
        list_ref(call, bucket, query, &root, path_prefix, &mut page).await?;
        return Ok(page);
    }
    for root in roots(call, bucket, &query.prefix).await? {
        if page.lines.len() >= query.max {
            page.more = true;
            break;
        }
        match first_level(&root, query) {
            Some(common) => push_common(common, query.after.as_deref(), &mut page),
            None => list_ref(call, bucket, query, &root, "", &mut page).await?,
        }
        if page.more {
            break;
        }
    }
    Ok(page)
}

/// Branches and tags whose names begin with a prefix, each with its slash, in order of keys.
async fn roots(call: &Call<'_>, bucket: &str, prefix: &str) -> S3Result<BTreeSet<String>> {
    const PAGE: usize = 1000;
    let mut roots = BTreeSet::new();
    let paging = |after| Paging { prefix: prefix.to_owned(), after, amount: PAGE };
    let mut after = None;
    loop {
        let page = call.app.list_branches(&call.who, bucket, paging(after.take()), false).await;
        let page = page.map_err(call.about_bucket(bucket))?;
        roots.extend(page.results.iter().map(|branch| format!("{}/", branch.name)));
        if !page.more {
            break;
        }
        after = Some(page.next);
    }
    let mut after = None;
    loop {
        let page = call.app.list_tags(&call.who, bucket, paging(after.take())).await;
        let page = page.map_err(call.about_bucket(bucket))?;
        roots.extend(page.results.iter().map(|tag| format!("{}/", tag.name)));
        if !page.more {
            break;
        }
        after = Some(page.next);
    }
    Ok(roots)
}

/// The common prefix of all keys of a ref, if the delimiter comes in the ref's own part of them.
fn first_level(root: &str, query: &Query) -> Option<String> {
    let delimiter = query.delimiter.as_deref()?;
    common_prefix(root, &query.prefix, delimiter)
}

/// A key up to and with the first delimiter after the prefix.
fn common_prefix(key: &str, prefix: &str, delimiter: &str) -> Option<String> {
    let rest = key.get(prefix.len()..)?;
    let end = prefix.len() + rest.find(delimiter)? + delimiter.len();
    key.get(..end).map(str::to_owned)
}

/// Adds a common prefix of the first level, unless it is there or was on an earlier page.
fn push_common(common: String, after: Option<&str>, page: &mut Page) {
    let passed = after.is_some_and(|after| *after >= *common && !is_below(after, &common));
    let there = page.lines.last().is_some_and(|line| line.text() == common);
    if !passed && !there {
        page.lines.push(Line::Common(common));
    }
}

/// Whether a start lies below a common prefix, so that a part of what is below may follow it.
fn is_below(after: &str, common: &str) -> bool {
    after.len() > common.len() && after.starts_with(common)
}

/// Where in a ref a page begins.
#[derive(PartialEq, Eq, Debug)]
enum Start {
    Beginning,
    After(String),
    Nowhere,
}

fn start(root: &str, after: Option<&str>) -> Start {
    match after {
        None => Start::Beginning,
        Some(after) => match after.strip_prefix(root) {
            Some("") => Start::Beginning,
            Some(path) => Start::After(path.to_owned()),
            None if after < root => Start::Beginning,
            None => Start::Nowhere,
        },
    }
}

/// Whether a delimiter can begin in the ref and end in the path.
fn straddles(delimiter: &str) -> bool {
    delimiter.find('/').is_some_and(|slash| slash + 1 < delimiter.len())
}

/// Adds the lines of one ref until the page is full.
async fn list_ref(
    call: &Call<'_>,
    bucket: &str,
    query: &Query,
    root: &str,
    path_prefix: &str,
    page: &mut Page,
) -> S3Result<()> {
    let mut after = match start(root, query.after.as_deref()) {
        Start::Beginning => None,
        Start::After(path) => Some(path),
        Start::Nowhere => return Ok(()),
    };
    let grouped_here = query.prefix.len() < root.len() && query.delimiter.as_deref().is_some_and(straddles);
    let delimiter = query.delimiter.clone().filter(|_| !grouped_here);
    loop {
        let amount = query.max.saturating_sub(page.lines.len());
        if amount == 0 {
            page.more = true;
            return Ok(());
        }
        let input = ListInput { prefix: path_prefix.to_owned(), delimiter: delimiter.clone(), after, amount };
        let reference = root.trim_end_matches('/');
        let found = match call.app.list_objects(&call.who, bucket, reference, input).await {
            Ok(found) => found,
            // A prefix that is no ref is a prefix of no key.
            Err(AppError::NotFound { .. } | AppError::Invalid { .. }) => return Ok(()),
            Err(error) => return Err(call.about(bucket, root)(error)),
        };
        let Paged { results, more, next } = found;
        for listed in results {
            push(listed, root, query, grouped_here, page);
        }
        if !more {
            return Ok(());
        }
        after = Some(next);
    }
}

fn push(listed: Listed, root: &str, query: &Query, grouped_here: bool, page: &mut Page) {
    match listed {
        Listed::CommonPrefix(prefix) => page.lines.push(Line::Common(format!("{root}{prefix}"))),
        Listed::Object(info) => {
            let key = format!("{root}{}", info.path);
            let common = query.delimiter.as_deref().filter(|_| grouped_here);
            match common.and_then(|delimiter| common_prefix(&key, &query.prefix, delimiter)) {
                Some(common) => push_common(common, query.after.as_deref(), page),
                None => page.lines.push(Line::Object { key, info: Box::new(info) }),
            }
        }
    }
}

/// How names are written in the answer: as they are, or percent-encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    encoded: bool,
}

impl Names {
    pub(crate) fn new(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Names { encoded: false }),
            Some("url") => Ok(Names { encoded: true }),
            Some(other) => Err(s3_error!(InvalidArgument, "encoding-type {other:?} is not url")),
        }
    }

    pub(crate) fn write(self, name: &str) -> String {
        if self.encoded { utf8_percent_encode(name, URL_ENCODED).to_string() } else { name.to_owned() }
    }

    pub(crate) fn write_all(self, name: Option<String>) -> Option<String> {
        name.map(|name| self.write(&name))
    }
}

/// The lines in S3's two lists.
pub(crate) fn lists(page: &Page, names: Names, owner: Option<&Owner>) -> (Vec<Object>, Vec<CommonPrefix>) {
    let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
    for line in &page.lines {
        match line {
            Line::Common(prefix) => prefixes.push(CommonPrefix { prefix: Some(names.write(prefix)) }),
            Line::Object { key, info } => objects.push(Object {
                key: Some(names.write(key)),
                e_tag: Some(ETag::Strong(info.entry.etag())),
                size: i64::try_from(info.entry.size).ok(),
                last_modified: Some(timestamp(info.entry.modified_ms)),
                storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
                owner: owner.cloned(),
                ..with_checksum(&info.entry)
            }),
        }
    }
    (objects, prefixes)
}

fn with_checksum(entry: &Entry) -> Object {
    let checksum = ObjectChecksum::of_entry(entry);
    Object {
        checksum_type: checksum.as_ref().map(type_of),
        checksum_algorithm: checksum
            .map(|checksum| vec![ChecksumAlgorithm::from_static(checksum.algorithm.name())]),
        ..Object::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_prefixes_end_with_the_first_delimiter_after_the_prefix() {
        let common = |key, prefix, delimiter| common_prefix(key, prefix, delimiter);
        assert_eq!(common("main/a/b", "", "/"), Some("main/".into()));
        assert_eq!(common("main/a/b", "main/", "/"), Some("main/a/".into()));
        assert_eq!(common("main/a/b", "ma", "n/a"), Some("main/a".into()));
        assert_eq!(common("main/", "", "-"), None);
        assert_eq!(common("é/x", "e", "/"), None, "a prefix that ends inside a character");
    }

    #[test]
    fn a_page_begins_after_its_start() {
        assert_eq!(start("main/", None), Start::Beginning);
        assert_eq!(start("main/", Some("dev/z")), Start::Beginning);
        assert_eq!(start("main/", Some("main-2/a")), Start::Beginning);
        assert_eq!(start("main/", Some("main/")), Start::Beginning);
        assert_eq!(start("main/", Some("main/a")), Start::After("a".into()));
        assert_eq!(start("main/", Some("mainz")), Start::Nowhere);
        assert_eq!(start("main/", Some("n")), Start::Nowhere);
    }

    #[test]
    fn a_common_prefix_comes_once() {
        let shown = |after: Option<&str>| {
            let mut page = Page::default();
            for common in ["dev/", "dev/", "main/"] {
                push_common(common.to_owned(), after, &mut page);
            }
            page.lines.iter().map(|line| line.text().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(None), "dev/ main/");
        assert_eq!(shown(Some("dev/")), "main/", "the page before ended with it");
        assert_eq!(shown(Some("dev/x")), "dev/ main/", "keys below it may follow");
        assert_eq!(shown(Some("main/")), "");
    }

    #[test]
    fn names_are_encoded_as_clients_decode_them() {
        let names = Names { encoded: true };
        assert_eq!(names.write("main/a b+c/é"), "main/a%20b%2Bc/%C3%A9");
        assert_eq!(Names { encoded: false }.write("main/a b"), "main/a b");
    }

    #[test]
    fn only_a_delimiter_with_an_inner_slash_crosses_from_ref_to_path() {
        assert!(straddles("/a") && straddles("n/a"));
        assert!(!straddles("/") && !straddles("n/") && !straddles("-"));
    }
}
