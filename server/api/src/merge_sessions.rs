//! Merges whose conflicts people decide one by one.

use anabranch_app::{App, ChoiceAnswer, ChosenObject, ConflictFilter, MergeAnswer};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, JsonBodyOrDefault, PathOf, QueryOf, flag};
use crate::merges::{Sides, published};
use crate::page::{PageQuery, amount, non_empty, page};
use crate::report::Wanted;
use crate::time::utc;
use crate::upload;
use crate::wire::{
    AlreadyDecided, Conflict, ConflictChoiceCreation, ConflictChoicesCreation, ConflictChoicesMade, Decided,
    Error, MergeConflict, MergeReport, MergeResult, MergeSession, MergeSessionBegun, MergeSessionCompletion,
    MergeSessionCreation, MergeSessionList, SessionConflict, SessionConflictList, count_conflicts, seconds,
};

/// Begins to decide the conflicts of a merge. Of our own.
#[utoipa::path(
    post, path = "/repositories/{repository}/refs/{sourceRef}/merge/{destinationBranch}/session",
    operation_id = "beginMergeSession", tag = "merge sessions",
    params(("repository" = String, Path), ("sourceRef" = String, Path), ("destinationBranch" = String, Path)),
    request_body(content = Option<MergeSessionCreation>),
    responses(
        (status = 201, body = MergeSessionBegun),
        (status = 200, description = "Nothing is to be decided, and nothing was kept.", body = MergeSessionBegun),
        (status = "4XX", body = Error)
    )
)]
pub(crate) async fn begin(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, source, destination)): PathOf<(String, String, String)>,
    JsonBodyOrDefault(creation): JsonBodyOrDefault<MergeSessionCreation>,
) -> Result<(StatusCode, Json<MergeSessionBegun>), ApiError> {
    let squash = creation.squash_merge.unwrap_or(false);
    let begun = app.begin_session(&who, &repository, &source, &destination, squash).await?;
    let begun = MergeSessionBegun::from(begun);
    let status = if begun.session.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(begun)))
}

/// Lists the merge sessions of a repository, as they were when somebody last looked at each. Of our own.
#[utoipa::path(
    get, path = "/repositories/{repository}/merge_sessions", operation_id = "listMergeSessions",
    tag = "merge sessions", params(("repository" = String, Path), PageQuery),
    responses((status = 200, body = MergeSessionList), (status = "4XX", body = Error))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(repository): PathOf<String>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<MergeSessionList>, ApiError> {
    let paged = app.sessions(&who, &repository, query.paging()?).await?;
    let (pagination, results) = page(paged, MergeSession::from);
    Ok(Json(MergeSessionList { pagination, results }))
}

/// A merge session as it is now: when the destination has moved, its conflicts are found anew. Of our own.
#[utoipa::path(
    get, path = "/repositories/{repository}/branches/{branch}/merge_sessions/{session}",
    operation_id = "getMergeSession", tag = "merge sessions",
    params(("repository" = String, Path), ("branch" = String, Path), ("session" = String, Path)),
    responses((status = 200, body = MergeSession), (status = "4XX", body = Error))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch, session)): PathOf<(String, String, String)>,
) -> Result<Json<MergeSession>, ApiError> {
    Ok(Json(app.session(&who, &repository, &branch, &session).await?.into()))
}

/// Ends a merge session without a merge. What was chosen is forgotten. Of our own.
#[utoipa::path(
    delete, path = "/repositories/{repository}/branches/{branch}/merge_sessions/{session}",
    operation_id = "abandonMergeSession", tag = "merge sessions",
    params(("repository" = String, Path), ("branch" = String, Path), ("session" = String, Path)),
    responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn abandon(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch, session)): PathOf<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    app.abandon_session(&who, &repository, &branch, &session).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConflictsQuery {
    /// The id of the conflict after which the page begins.
    after: Option<String>,
    /// How many results, up to 1,000; -1: as many as a page holds.
    amount: Option<i64>,
    /// Only conflicts of the table or unit at this root.
    table: Option<String>,
    /// Only conflicts of this kind, in kebab-case.
    kind: Option<String>,
    /// Only conflicts that nobody has decided.
    #[serde(default, deserialize_with = "flag")]
    undecided: Option<bool>,
}

/// Lists the conflicts of a merge session, with what was chosen for each. Of our own.
#[utoipa::path(
    get, path = "/repositories/{repository}/branches/{branch}/merge_sessions/{session}/conflicts",
    operation_id = "listMergeSessionConflicts", tag = "merge sessions",
    params(("repository" = String, Path), ("branch" = String, Path), ("session" = String, Path), ConflictsQuery),
    responses((status = 200, body = SessionConflictList), (status = "4XX", body = Error))
)]
pub(crate) async fn conflicts(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch, session)): PathOf<(String, String, String)>,
    QueryOf(query): QueryOf<ConflictsQuery>,
) -> Result<Json<SessionConflictList>, ApiError> {
    let filter = ConflictFilter {
        table: non_empty(query.table),
        kind: non_empty(query.kind),
        undecided: query.undecided.unwrap_or(false),
    };
    let (after, amount) = (non_empty(query.after), amount(query.amount)?);
    let place = (repository.as_str(), branch.as_str(), session.as_str());
    let paged = app.session_conflicts(&who, place, &filter, after.as_deref(), amount).await?;
    let (pagination, results) = page(paged, SessionConflict::from);
    Ok(Json(SessionConflictList { pagination, results }))
}

/// The path of one conflict: repository, branch, session, conflict.
type OneConflict = PathOf<(String, String, String, String)>;

/// Chooses for one conflict. One's own choice may be changed; somebody else's stands unless it is to be replaced. Of our
/// own.
#[utoipa::path(
    put, path = "/repositories/{repository}/branches/{branch}/merge_sessions/{session}/conflicts/{conflict}",
    operation_id = "chooseForConflict", tag = "merge sessions",
    params(
        ("repository" = String, Path), ("branch" = String, Path), ("session" = String, Path),
        ("conflict" = String, Path)
    ),
    request_body = ConflictChoiceCreation,
    responses(
        (status = 200, body = Decided), (status = 409, body = AlreadyDecided), (status = "4XX", body = Error)
    )
)]
pub(crate) async fn choose(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch, session, conflict)): OneConflict,
    JsonBody(creation): JsonBody<ConflictChoiceCreation>,
) -> Result<Json<Decided>, ApiError> {
    let place = (repository.as_str(), branch.as_str(), session.as_str());
    kept(app.choose(&who, place, &conflict, creation.into()).await?)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReplaceQuery {
    /// Whether somebody else's choice is replaced.
    #[serde(default, deserialize_with = "flag")]
    replace: Option<bool>,
}

/// Chooses an uploaded object for one conflict: the field `content` of a form, or the body as it is. Of our own.
#[utoipa::path(
    put,
    path = "/repositories/{repository}/branches/{branch}/merge_sessions/{session}/conflicts/{conflict}/object",
    operation_id = "uploadForConflict", tag = "merge sessions",
    params(
        ("repository" = String, Path), ("branch" = String, Path), ("session" = String, Path),
        ("conflict" = String, Path), ReplaceQuery
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, body = Decided), (status = 409, body = AlreadyDecided), (status = "4XX", body = Error)
    )
)]
pub(crate) async fn choose_object(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch, session, conflict)): OneConflict,
    QueryOf(query): QueryOf<ReplaceQuery>,
    request: Request,
) -> Result<Json<Decided>, ApiError> {
    let (head, body) = request.into_parts();
    let upload = upload::begin(&head.headers, body).await?;
    let object = ChosenObject {
        body: upload.body,
        size: upload.size,
        attributes: upload.attributes,
        replace: query.replace.unwrap_or(false),
    };
    let place = (repository.as_str(), branch.as_str(), session.as_str());
    kept(app.choose_object(&who, place, &conflict, object).await?)
}

fn kept(answer: ChoiceAnswer) -> Result<Json<Decided>, ApiError> {
    match answer {
        ChoiceAnswer::Kept(decided) => Ok(Json(decided.into())),
        ChoiceAnswer::AlreadyDecided(standing) => Err(ApiError::Decided(Box::new(AlreadyDecided {
            message: format!(
                "{} chose {:?} for {} on {}, and that stands: agree with it, or give 'replace'",
                standing.by,
                standing.choice,
                standing.path,
                utc(seconds(standing.at_ms))
            ),
            kind: "already-decided".into(),
            decided: standing.into(),
        }))),
    }
}

/// Takes back what was chosen for a conflict. Of our own.
#[utoipa::path(
    delete, path = "/repositories/{repository}/branches/{branch}/merge_sessions/{session}/conflicts/{conflict}",
    operation_id = "forgetChoice", tag = "merge sessions",
    params(
        ("repository" = String, Path), ("branch" = String, Path), ("session" = String, Path),
        ("conflict" = String, Path)
    ),
    responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn forget(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch, session, conflict)): OneConflict,
) -> Result<StatusCode, ApiError> {
    app.unchoose(&who, (&repository, &branch, &session), &conflict).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes one choice for many conflicts: those that nobody has decided, or with `replace` all. Of our own.
#[utoipa::path(
    post, path = "/repositories/{repository}/branches/{branch}/merge_sessions/{session}/choices",
    operation_id = "chooseForConflicts", tag = "merge sessions",
    params(("repository" = String, Path), ("branch" = String, Path), ("session" = String, Path)),
    request_body = ConflictChoicesCreation,
    responses((status = 200, body = ConflictChoicesMade), (status = "4XX", body = Error))
)]
pub(crate) async fn choose_all(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch, session)): PathOf<(String, String, String)>,
    JsonBody(creation): JsonBody<ConflictChoicesCreation>,
) -> Result<Json<ConflictChoicesMade>, ApiError> {
    let (filter, choice) = creation.into_input();
    let made = app.choose_all(&who, (&repository, &branch, &session), &filter, choice).await?;
    Ok(Json(ConflictChoicesMade { made }))
}

/// What the merge of a session would do with what is chosen so far, and the conflicts that are left. Of our own.
#[utoipa::path(
    get, path = "/repositories/{repository}/branches/{branch}/merge_sessions/{session}/outcome",
    operation_id = "getMergeSessionOutcome", tag = "merge sessions",
    params(
        ("repository" = String, Path), ("branch" = String, Path), ("session" = String, Path),
        ("Accept" = Option<String>, Header, description = "`application/json`, `text/markdown` or `text/html`.")
    ),
    responses(
        (status = 200, content(
            (MergeReport = "application/json"), (String = "text/markdown"), (String = "text/html")
        )),
        (status = 406, body = Error), (status = "4XX", body = Error)
    )
)]
pub(crate) async fn outcome(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch, session)): PathOf<(String, String, String)>,
    wanted: Wanted,
) -> Result<Response, ApiError> {
    let details = app.session_outcome(&who, &repository, &branch, &session).await?;
    Ok(wanted.answer(MergeReport::new(details, None)))
}

/// Merges what a session decided, in one commit that says who chose what, and ends the session. Of our own.
#[utoipa::path(
    post, path = "/repositories/{repository}/branches/{branch}/merge_sessions/{session}/complete",
    operation_id = "completeMergeSession", tag = "merge sessions",
    params(("repository" = String, Path), ("branch" = String, Path), ("session" = String, Path)),
    request_body(content = Option<MergeSessionCompletion>),
    responses(
        (status = 200, body = MergeResult),
        (status = 409, description = "Conflicts are left.", body = MergeConflict),
        (status = "4XX", body = Error)
    )
)]
pub(crate) async fn complete(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch, session)): PathOf<(String, String, String)>,
    JsonBodyOrDefault(completion): JsonBodyOrDefault<MergeSessionCompletion>,
) -> Result<Json<MergeResult>, ApiError> {
    let place = (repository.as_str(), branch.as_str(), session.as_str());
    match app.complete_session(&who, place, completion.into()).await? {
        MergeAnswer::Conflicts { conflicts, summary } => {
            let conflicts: Vec<Conflict> = conflicts.into_iter().map(Conflict::from).collect();
            let count = count_conflicts(&conflicts);
            Err(ApiError::Conflicts(Box::new(MergeConflict {
                reference: String::new(),
                message: format!(
                    "{count} of merge session {session} left to decide: nothing was published; 'conflicts' lists them"
                ),
                conflicts,
                summary: summary.into(),
            })))
        }
        answer => {
            let source = format!("merge session {session}");
            let sides = Sides { verb: "merge", source, destination: branch };
            let (commit, summary) = published(answer, &sides)?;
            Ok(Json(MergeResult { reference: commit.id.to_hex(), summary }))
        }
    }
}
