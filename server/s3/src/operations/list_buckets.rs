//! ListBuckets: the repositories.

use anabranch_app::Paging;
use s3s::S3Result;
use s3s::dto::{Bucket, ListBucketsInput, ListBucketsOutput, Owner};

use crate::conditions::timestamp;
use crate::gateway::Call;

/// Repositories asked for at once.
const PAGE: usize = 1000;

pub(crate) async fn serve(call: &Call<'_>, input: ListBucketsInput) -> S3Result<ListBucketsOutput> {
    let wanted = input.max_buckets.map(|max| usize::try_from(max).unwrap_or_default().clamp(1, 10_000));
    let mut after = input.continuation_token;
    let mut buckets = Vec::new();
    let mut next = None;
    loop {
        let left = wanted.map_or(PAGE, |wanted| wanted.saturating_sub(buckets.len()).min(PAGE));
        let paging =
            Paging { prefix: input.prefix.clone().unwrap_or_default(), after: after.take(), amount: left };
        let page = call.app.list_repositories(&call.who, paging).await.map_err(call.about_bucket("*"))?;
        let bucket = |repository: anabranch_app::RepositoryInfo| Bucket {
            bucket_region: call.region.map(str::to_owned),
            creation_date: Some(timestamp(repository.created_ms)),
            name: Some(repository.name.to_string()),
        };
        buckets.extend(page.results.into_iter().map(bucket));
        if !page.more {
            break;
        }
        if wanted.is_some_and(|wanted| buckets.len() >= wanted) {
            next = Some(page.next);
            break;
        }
        after = Some(page.next);
    }
    Ok(ListBucketsOutput {
        buckets: Some(buckets),
        continuation_token: next,
        owner: Some(owner(call)),
        prefix: input.prefix,
    })
}

/// S3 shows an owner of buckets and objects. Here that is whoever asks: there is no other.
pub(crate) fn owner(call: &Call<'_>) -> Owner {
    let name = call.who.name().to_owned();
    Owner { display_name: Some(name.clone()), id: Some(name) }
}
