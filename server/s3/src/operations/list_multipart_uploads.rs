//! ListMultipartUploads: what is on its way, in order of key and then of id.

use anabranch_app::{Paging, UploadInfo};
use s3s::S3Result;
use s3s::dto::{CommonPrefix, ListMultipartUploadsInput, ListMultipartUploadsOutput, MultipartUpload};

use crate::conditions::timestamp;
use crate::gateway::Call;
use crate::listing::{Names, lines_max};

pub(crate) async fn serve(
    call: &Call<'_>,
    input: ListMultipartUploadsInput,
) -> S3Result<ListMultipartUploadsOutput> {
    let names = Names::new(input.encoding_type.as_ref())?;
    let max = lines_max(input.max_uploads)?;
    let uploads = all(call, &input.bucket).await?;
    let query = Query {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()),
        key_marker: input.key_marker.as_deref().unwrap_or_default(),
        id_marker: input.upload_id_marker.as_deref().unwrap_or_default(),
        max: usize::try_from(max).unwrap_or_default(),
    };
    let page = page(uploads, &query);
    let (next_key, next_id) = page.next.unzip();
    let upload = |(key, upload): (String, UploadInfo)| MultipartUpload {
        initiated: Some(timestamp(upload.started_ms)),
        key: Some(names.write(&key)),
        upload_id: Some(upload.upload_id),
        ..MultipartUpload::default()
    };
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket.clone()),
        common_prefixes: Some(
            page.prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(names.write(prefix)) }).collect(),
        ),
        delimiter: names.write_all(input.delimiter),
        encoding_type: input.encoding_type,
        is_truncated: Some(next_key.is_some()),
        key_marker: names.write_all(input.key_marker),
        max_uploads: Some(max),
        next_key_marker: names.write_all(next_key),
        next_upload_id_marker: next_id,
        prefix: names.write_all(input.prefix),
        request_charged: None,
        upload_id_marker: input.upload_id_marker,
        uploads: Some(page.uploads.into_iter().map(upload).collect()),
    })
}

/// All uploads of a repository. They are few, and the application keeps them in order of id.
async fn all(call: &Call<'_>, bucket: &str) -> S3Result<Vec<UploadInfo>> {
    let mut uploads = Vec::new();
    let mut after = None;
    loop {
        let paging = Paging { prefix: String::new(), after: after.take(), amount: 1000 };
        let page =
            call.app.list_uploads(&call.who, bucket, paging).await.map_err(call.about_bucket(bucket))?;
        uploads.extend(page.results);
        if !page.more {
            return Ok(uploads);
        }
        after = Some(page.next);
    }
}

struct Query<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    key_marker: &'a str,
    id_marker: &'a str,
    max: usize,
}

#[derive(Default, Debug)]
struct Page {
    uploads: Vec<(String, UploadInfo)>,
    prefixes: Vec<String>,
    /// The key and id after which the next page begins.
    next: Option<(String, String)>,
}

fn page(uploads: Vec<UploadInfo>, query: &Query<'_>) -> Page {
    let mut keyed: Vec<(String, UploadInfo)> =
        uploads.into_iter().map(|upload| (format!("{}/{}", upload.branch, upload.path), upload)).collect();
    keyed.sort_by(|(left, left_upload), (right, right_upload)| {
        (left, &left_upload.upload_id).cmp(&(right, &right_upload.upload_id))
    });
    let mut page = Page::default();
    let mut last: Option<(String, String)> = None;
    for (key, upload) in keyed {
        let Some(rest) = key.strip_prefix(query.prefix) else { continue };
        let after_marker = key.as_str() > query.key_marker
            || (key == query.key_marker
                && !query.id_marker.is_empty()
                && *upload.upload_id > *query.id_marker);
        let common = query.delimiter.and_then(|delimiter| {
            let end = query.prefix.len() + rest.find(delimiter)? + delimiter.len();
            key.get(..end).map(str::to_owned)
        });
        let shown = common
            .as_ref()
            .is_some_and(|common| page.prefixes.last() == Some(common) || common == query.key_marker);
        if !after_marker || shown {
            continue;
        }
        if page.uploads.len() + page.prefixes.len() >= query.max {
            page.next = last.filter(|_| query.max > 0);
            return page;
        }
        match common {
            Some(common) => {
                last = Some((common.clone(), String::new()));
                page.prefixes.push(common);
            }
            None => {
                last = Some((key.clone(), upload.upload_id.clone()));
                page.uploads.push((key, upload));
            }
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uploads() -> Vec<UploadInfo> {
        ["main/b:3", "main/a:2", "main/a:1", "dev/x/y:4", "dev/x/z:5"]
            .iter()
            .map(|text| {
                let (key, id) = text.split_once(':').expect("key and id");
                let (branch, path) = key.split_once('/').expect("branch and path");
                UploadInfo { upload_id: id.into(), branch: branch.into(), path: path.into(), started_ms: 0 }
            })
            .collect()
    }

    /// All pages of a listing, one line each.
    fn pages(prefix: &str, delimiter: Option<&str>, max: usize) -> String {
        let (mut key, mut id, mut shown) = (String::new(), String::new(), Vec::new());
        loop {
            let query = Query { prefix, delimiter, key_marker: &key, id_marker: &id, max };
            let page = page(uploads(), &query);
            let lines = page.uploads.iter().map(|(key, upload)| format!("{key}:{}", upload.upload_id));
            shown.push(lines.chain(page.prefixes).collect::<Vec<_>>().join(" "));
            match page.next {
                Some(next) => (key, id) = next,
                None => return shown.join(" | "),
            }
        }
    }

    #[test]
    fn uploads_come_in_order_and_in_pages() {
        assert_eq!(pages("", None, 1000), "dev/x/y:4 dev/x/z:5 main/a:1 main/a:2 main/b:3");
        assert_eq!(pages("", None, 2), "dev/x/y:4 dev/x/z:5 | main/a:1 main/a:2 | main/b:3");
        assert_eq!(pages("main/a", None, 1), "main/a:1 | main/a:2");
        assert_eq!(pages("", Some("/"), 1), "dev/ | main/");
        assert_eq!(pages("dev/", Some("/"), 1000), "dev/x/");
        assert_eq!(pages("main/", Some("/"), 2), "main/a:1 main/a:2 | main/b:3");
    }
}
