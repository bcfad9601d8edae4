//! ListObjects, version 1: pages go on after a marker.

use s3s::S3Result;
use s3s::dto::{ListObjectsInput, ListObjectsOutput};

use super::list_buckets::owner;
use crate::gateway::Call;
use crate::listing::{self, Names, Query};

pub(crate) async fn serve(call: &Call<'_>, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
    let names = Names::new(input.encoding_type.as_ref())?;
    let max = listing::lines_max(input.max_keys)?;
    let query = Query {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
        after: input.marker.clone().filter(|marker| !marker.is_empty()),
        max: usize::try_from(max).unwrap_or_default(),
    };
    let page = listing::list(call, &input.bucket, &query).await?;
    let (contents, common_prefixes) = listing::lists(&page, names, Some(&owner(call)));
    let next = page.lines.last().filter(|_| page.more).map(|line| names.write(line.text()));
    Ok(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(names.write(&query.prefix)),
        marker: Some(names.write(input.marker.as_deref().unwrap_or_default())),
        max_keys: Some(max),
        is_truncated: Some(page.more),
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        delimiter: names.write_all(query.delimiter),
        next_marker: next,
        encoding_type: input.encoding_type,
        request_charged: None,
    })
}
