//! What a ref reaches, and what differs between two.

use anabranch_app::{App, DiffKind, DiffRequest, LogRequest};
use anabranch_auth::Principal;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{PathOf, QueryOf, flag, parse_flag};
use crate::page::{amount, non_empty, page, paging};
use crate::time::parse_date_time;
use crate::wire::{Commit, CommitList, Diff, DiffList, Error};

/// The query of a log. It is read by hand, because `objects` and `prefixes` may come several times.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// The id of the commit after which the page begins.
    after: Option<String>,
    /// How many results, up to 1,000; -1: as many as a page holds.
    amount: Option<i64>,
    /// Only commits that changed one of these objects, or something below one of `prefixes`.
    objects: Vec<String>,
    /// See `objects`.
    prefixes: Vec<String>,
    /// Whether the answer ends with this page, whatever follows.
    limit: Option<bool>,
    /// Whether only first parents are followed.
    first_parent: Option<bool>,
    /// No commits older than this time.
    since: Option<String>,
    /// A ref: the log ends with its commit.
    stop_at: Option<String>,
}

impl LogQuery {
    fn read(pairs: Vec<(String, String)>) -> Result<Self, ApiError> {
        let mut query = LogQuery::default();
        for (name, value) in pairs {
            match name.as_str() {
                "objects" => query.objects.push(value),
                "prefixes" => query.prefixes.push(value),
                "after" => query.after = non_empty(Some(value)),
                "since" => query.since = non_empty(Some(value)),
                "stop_at" => query.stop_at = non_empty(Some(value)),
                "amount" => {
                    query.amount = Some(parsed(&name, &value, |text| text.parse().ok(), "a whole number")?)
                }
                "limit" => query.limit = Some(parsed(&name, &value, parse_flag, "'true' or 'false'")?),
                "first_parent" => {
                    query.first_parent = Some(parsed(&name, &value, parse_flag, "'true' or 'false'")?)
                }
                _ => {}
            }
        }
        Ok(query)
    }

    async fn request(self, app: &App, who: &Principal, repository: &str) -> Result<LogRequest, ApiError> {
        let after = match self.after {
            Some(id) => Some(id.parse().map_err(|error| ApiError::bad_request(format!("after: {error}")))?),
            None => None,
        };
        let since_ms = match self.since {
            Some(text) => Some(parse_date_time(&text).ok_or_else(|| {
                ApiError::bad_request("since is no time: write it as 2026-11-22T17:41:58Z")
            })?),
            None => None,
        };
        let stop_at = match self.stop_at {
            Some(reference) => Some(app.resolve(who, repository, &reference).await?.commit),
            None => None,
        };
        Ok(LogRequest {
            after,
            amount: amount(self.amount)?,
            objects: self.objects,
            prefixes: self.prefixes,
            first_parent: self.first_parent.unwrap_or(false),
            since_ms,
            stop_at,
            visit_max: 0,
        })
    }
}

pub(crate) fn parsed<T>(
    name: &str,
    value: &str,
    parse: impl Fn(&str) -> Option<T>,
    wanted: &str,
) -> Result<T, ApiError> {
    let shown: String = value.chars().take(80).collect();
    parse(value).ok_or_else(|| ApiError::bad_request(format!("{name} is {shown:?}: give {wanted}")))
}

/// The commits that a ref reaches, newest first.
#[utoipa::path(
    get, path = "/repositories/{repository}/refs/{ref}/commits", operation_id = "logCommits", tag = "refs",
    params(("repository" = String, Path), ("ref" = String, Path), LogQuery),
    responses((status = 200, body = CommitList), (status = "4XX", body = Error))
)]
pub(crate) async fn log(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, reference)): PathOf<(String, String)>,
    QueryOf(pairs): QueryOf<Vec<(String, String)>>,
) -> Result<Json<CommitList>, ApiError> {
    let query = LogQuery::read(pairs)?;
    let ends_here = query.limit.unwrap_or(false);
    let request = query.request(&app, &who, &repository).await?;
    let mut paged = app.log(&who, &repository, &reference, request).await?;
    paged.more &= !ends_here;
    let (pagination, results) = page(paged, Commit::from);
    Ok(Json(CommitList { pagination, results }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DiffQuery {
    /// The path after which the page begins.
    after: Option<String>,
    /// How many results, up to 1,000; -1: as many as a page holds.
    amount: Option<i64>,
    /// What the paths begin with.
    prefix: Option<String>,
    /// Where paths are cut into common prefixes.
    delimiter: Option<String>,
    /// `two_dot`: the left commit with the right. `three_dot`, also when left out: their merge base with the right,
    /// which is what the right brings.
    r#type: Option<String>,
    /// Whether the lines carry the objects of the right side.
    #[serde(default, deserialize_with = "flag")]
    include_right_stats: Option<bool>,
}

/// What differs between two refs, in order of path. Uncommitted changes do not count.
#[utoipa::path(
    get, path = "/repositories/{repository}/refs/{leftRef}/diff/{rightRef}", operation_id = "diffRefs", tag = "refs",
    params(("repository" = String, Path), ("leftRef" = String, Path), ("rightRef" = String, Path), DiffQuery),
    responses((status = 200, body = DiffList), (status = "4XX", body = Error))
)]
pub(crate) async fn diff(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, left, right)): PathOf<(String, String, String)>,
    QueryOf(query): QueryOf<DiffQuery>,
) -> Result<Json<DiffList>, ApiError> {
    let request = DiffRequest {
        kind: diff_kind(query.r#type.as_deref())?,
        paging: paging(query.prefix, query.after, query.amount)?,
        delimiter: non_empty(query.delimiter),
    };
    let with_right = query.include_right_stats.unwrap_or(false);
    let paged = app.diff(&who, &repository, &left, &right, request).await?;
    let (pagination, results) = page(paged, |item| Diff::new(item, with_right));
    Ok(Json(DiffList { pagination, results }))
}

pub(crate) fn diff_kind(name: Option<&str>) -> Result<DiffKind, ApiError> {
    match name {
        None | Some("" | "three_dot") => Ok(DiffKind::ThreeDot),
        Some("two_dot") => Ok(DiffKind::TwoDot),
        Some(_) => Err(ApiError::bad_request("type: give 'two_dot' or 'three_dot'")),
    }
}
