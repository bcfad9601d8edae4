//! lakeFS's policy statements and our grants: what one says of the other.
//!
//! Our model is three roles over patterns of repositories and branches. A statement that says exactly one of them is
//! taken; everything else is refused, because a policy that is obeyed in part is worse than none. `docs/security.md`
//! has the table.

use anabranch_auth::{Grant, Pattern, PolicyInfo, Role};

use crate::error::ApiError;
use crate::wire::{Policy, Statement, seconds};

const REPOSITORY: &str = "arn:lakefs:fs:::repository/";
/// What a user may do with its own keys, which everybody may: these statements grant nothing beyond.
const OWN_KEYS: [&str; 4] =
    ["auth:CreateCredentials", "auth:DeleteCredentials", "auth:ListCredentials", "auth:ReadCredentials"];
const OWN_USER: &str = "arn:lakefs:auth:::user/${user}";

const SUPPORTED: &str = "supported are the effect 'allow' with the actions 'fs:Read*' and 'fs:List*' together \
    (read-only), 'fs:*' (read-write), '*' (admin), each on '*', 'arn:lakefs:fs:::repository/NAME', \
    'arn:lakefs:fs:::repository/NAME/*' or 'arn:lakefs:fs:::repository/NAME/branch/BRANCH', where names may hold \
    '*' and '?'; and 'auth:*' on '*' (admin)";

/// What statements grant; an error for the first that says anything else.
pub(crate) fn grants(statements: &[Statement]) -> Result<Vec<Grant>, ApiError> {
    if statements.is_empty() {
        return Err(ApiError::bad_request("a policy has at least one statement"));
    }
    let mut grants = Vec::with_capacity(statements.len());
    for (number, statement) in statements.iter().enumerate() {
        let granted = grant(statement).map_err(|problem| {
            ApiError::bad_request(format!(
                "statement {} is not supported: {problem}; {SUPPORTED}",
                number + 1
            ))
        })?;
        grants.extend(granted);
    }
    Ok(grants)
}

/// The grant of one statement; none for what everybody may do.
fn grant(statement: &Statement) -> Result<Option<Grant>, String> {
    if statement.effect != "allow" {
        return Err(format!("its effect is {:?}", cut(&statement.effect)));
    }
    if statement.condition.as_ref().is_some_and(|condition| !condition.is_empty()) {
        return Err("it has a condition".into());
    }
    let mut actions: Vec<&str> = statement.action.iter().map(String::as_str).collect();
    actions.sort_unstable();
    actions.dedup();
    if statement.resource == OWN_USER
        && !actions.is_empty()
        && actions.iter().all(|one| OWN_KEYS.contains(one))
    {
        return Ok(None);
    }
    let everywhere = statement.resource == "*";
    let role = match *actions {
        ["fs:List*", "fs:Read*"] => Role::ReadOnly,
        ["fs:*"] => Role::ReadWrite,
        ["*"] => Role::Admin,
        // Who manages users can give itself everything.
        ["auth:*"] | ["auth:*", "fs:*"] if everywhere => Role::Admin,
        _ => return Err(format!("its actions are {}", shown(&actions))),
    };
    if everywhere {
        return Ok(Some(Grant::everywhere(role)));
    }
    let (repositories, branches) = resource(&statement.resource)?;
    Ok(Some(Grant { role, repositories, branches }))
}

/// The patterns of a resource that names repositories, and perhaps branches of them.
fn resource(text: &str) -> Result<(Pattern, Pattern), String> {
    let wrong = || format!("its resource is {:?}", cut(text));
    let rest = text.strip_prefix(REPOSITORY).ok_or_else(wrong)?;
    let (repositories, branches) = match rest.split_once('/') {
        None | Some((_, "*")) => (rest.split('/').next().unwrap_or_default(), "*"),
        Some((repositories, below)) => (repositories, below.strip_prefix("branch/").ok_or_else(wrong)?),
    };
    let pattern = |text: &str| Pattern::new(text).map_err(|error| format!("{}: {error}", wrong()));
    Ok((pattern(repositories)?, pattern(branches)?))
}

/// A policy, in the words that [`grants`] reads.
pub(crate) fn policy(info: PolicyInfo) -> Policy {
    let mut statement: Vec<Statement> = info.grants.iter().map(statement_of).collect();
    if statement.is_empty() {
        // Clients refuse a policy without statements; this one says what everybody may do.
        statement.push(allow(&OWN_KEYS, OWN_USER.to_owned()));
    }
    Policy { id: info.name.to_string(), creation_date: Some(seconds(info.created_ms)), statement }
}

fn statement_of(grant: &Grant) -> Statement {
    let (repositories, branches) = (&grant.repositories, &grant.branches);
    let resource = match (repositories.is_any(), branches.is_any()) {
        (true, true) => "*".to_owned(),
        (false, true) => format!("{REPOSITORY}{repositories}/*"),
        (_, false) => format!("{REPOSITORY}{repositories}/branch/{branches}"),
    };
    match grant.role {
        Role::ReadOnly => allow(&["fs:Read*", "fs:List*"], resource),
        Role::ReadWrite => allow(&["fs:*"], resource),
        Role::Admin => allow(&["*"], resource),
    }
}

fn allow(actions: &[&str], resource: String) -> Statement {
    Statement {
        effect: "allow".into(),
        resource,
        action: actions.iter().map(|action| (*action).to_owned()).collect(),
        condition: None,
    }
}

fn shown(actions: &[&str]) -> String {
    let few: Vec<String> = actions.iter().take(10).map(|action| format!("'{}'", cut(action))).collect();
    if few.is_empty() { "none".into() } else { few.join(", ") }
}

fn cut(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(actions: &[&str], resource: &str) -> String {
        match grant(&allow(actions, resource.to_owned())) {
            Ok(None) => "nothing beyond".into(),
            Ok(Some(grant)) => format!("{} {} {}", grant.role, grant.repositories, grant.branches),
            Err(problem) => problem,
        }
    }

    #[test]
    fn the_table_of_the_documentation_holds() {
        let sales = "arn:lakefs:fs:::repository/sales-*";
        for (actions, resource, granted) in [
            (&["fs:Read*", "fs:List*"][..], "*", "read-only * *"),
            (&["fs:List*", "fs:Read*"], sales, "read-only sales-* *"),
            (&["fs:*"], "*", "read-write * *"),
            (&["fs:*"], &format!("{sales}/*"), "read-write sales-* *"),
            (&["fs:*"], &format!("{sales}/branch/dev-*"), "read-write sales-* dev-*"),
            (&["fs:*"], "arn:lakefs:fs:::repository/*", "read-write * *"),
            (&["*"], "*", "admin * *"),
            (&["*"], sales, "admin sales-* *"),
            (&["auth:*"], "*", "admin * *"),
            (&["auth:*", "fs:*"], "*", "admin * *"),
            (&OWN_KEYS, OWN_USER, "nothing beyond"),
            (&["auth:CreateCredentials"], OWN_USER, "nothing beyond"),
        ] {
            assert_eq!(read(actions, resource), granted, "{actions:?} on {resource}");
        }
    }

    #[test]
    fn whatever_says_more_or_less_is_refused() {
        for (actions, resource, problem) in [
            (&["fs:ReadObject"][..], "*", "its actions are 'fs:ReadObject'"),
            (&["fs:Read*"], "*", "its actions are 'fs:Read*'"),
            (&["fs:*", "fs:Read*"], "*", "its actions are 'fs:*', 'fs:Read*'"),
            (&[], "*", "its actions are none"),
            (&["ci:*"], "*", "its actions are 'ci:*'"),
            (&["auth:*"], "arn:lakefs:fs:::repository/sales", "its actions are 'auth:*'"),
            (&["auth:CreateUser"], OWN_USER, "its actions are 'auth:CreateUser'"),
            (&["fs:*"], "arn:lakefs:fs:::repository/sales/object/a/*", "its resource is"),
            (&["fs:*"], "arn:lakefs:fs:::repository/sales/branch/", "is no pattern"),
            (&["fs:*"], "arn:lakefs:fs:::repository/", "is no pattern"),
            (&["fs:*"], "arn:lakefs:fs:::repository/sales/branch/a/b", "is no pattern"),
            (&["fs:*"], "arn:lakefs:auth:::user/anna", "its resource is"),
            (&["fs:*"], "sales", "its resource is"),
        ] {
            let answer = read(actions, resource);
            assert!(answer.contains(problem), "{actions:?} on {resource}: {answer}");
        }
        let denied = Statement { effect: "deny".into(), ..allow(&["fs:*"], "*".into()) };
        assert_eq!(grant(&denied).unwrap_err(), "its effect is \"deny\"");
        let condition = Some([("IpAddress".to_owned(), Default::default())].into());
        let conditional = Statement { condition, ..allow(&["fs:*"], "*".into()) };
        assert_eq!(grant(&conditional).unwrap_err(), "it has a condition");
    }

    #[test]
    fn what_is_written_of_a_grant_is_read_as_that_grant() {
        for role in [Role::ReadOnly, Role::ReadWrite, Role::Admin] {
            for (repositories, branches) in [("*", "*"), ("sales", "*"), ("a-?", "dev-*"), ("*", "main")] {
                let pattern = |text: &str| Pattern::new(text).unwrap();
                let wanted = Grant { role, repositories: pattern(repositories), branches: pattern(branches) };
                assert_eq!(grant(&statement_of(&wanted)), Ok(Some(wanted)));
            }
        }
    }
}
