//! ListObjectsV2: pages go on with a token.

use s3s::dto::{ListObjectsV2Input, ListObjectsV2Output};
use s3s::{S3Result, s3_error};

use super::list_buckets::owner;
use crate::gateway::Call;
use crate::listing::{self, Names, Query};

pub(crate) async fn serve(call: &Call<'_>, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
    let names = Names::new(input.encoding_type.as_ref())?;
    let max = listing::lines_max(input.max_keys)?;
    let after = match &input.continuation_token {
        Some(token) => Some(read_token(token)?),
        None => input.start_after.clone().filter(|start| !start.is_empty()),
    };
    let query = Query {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
        after,
        max: usize::try_from(max).unwrap_or_default(),
    };
    let page = listing::list(call, &input.bucket, &query).await?;
    let owner = input.fetch_owner.unwrap_or(false).then(|| owner(call));
    let (contents, common_prefixes) = listing::lists(&page, names, owner.as_ref());
    let next = page.lines.last().filter(|_| page.more).map(|line| hex::encode(line.text()));
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(names.write(&query.prefix)),
        max_keys: Some(max),
        key_count: i32::try_from(page.lines.len()).ok(),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.more),
        next_continuation_token: next,
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        delimiter: names.write_all(query.delimiter),
        encoding_type: input.encoding_type,
        start_after: names.write_all(input.start_after),
        request_charged: None,
    })
}

/// A token is the last key or common prefix of the page before, in hexadecimal.
fn read_token(token: &str) -> S3Result<String> {
    let text = hex::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| s3_error!(InvalidArgument, "the continuation token is none of this server's"))
}
