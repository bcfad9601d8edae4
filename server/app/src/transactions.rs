//! Branches that clients open for a write of their own and may leave behind.

use anabranch_repository::Paging;

use crate::{App, AppError};

/// What the names of such branches begin with.
const PREFIX: &str = "delta-tx-";
/// How long such a branch may stay: far longer than any write takes.
pub const TRANSACTION_LIFETIME_MS: i64 = 24 * 3_600_000;
/// How many repositories are looked at at once.
const PAGE: usize = 1_000;

impl App {
    /// Deletes the transactions' branches of all repositories that are older than `lifetime_ms`, and answers how many. A
    /// repository that cannot be opened is left out.
    pub async fn expire_transactions(&self, lifetime_ms: i64) -> Result<usize, AppError> {
        let before_ms = self.now_ms().saturating_sub(lifetime_ms);
        let mut paging = Paging { prefix: String::new(), after: None, amount: PAGE };
        let mut expired = 0;
        loop {
            let page = self.catalog().list_repositories(&paging).await?;
            for info in &page.results {
                let names = match self.catalog().repository(&info.name).await {
                    Ok(repository) => repository.expire_branches(PREFIX, before_ms).await,
                    Err(error) => Err(error),
                };
                match names {
                    Ok(names) => {
                        for name in &names {
                            tracing::info!(repository = %info.name, branch = %name, "a branch left behind expired");
                        }
                        expired += names.len();
                    }
                    Err(error) => {
                        tracing::warn!(repository = %info.name, %error, "old branches were not looked for");
                    }
                }
            }
            if !page.more {
                return Ok(expired);
            }
            paging.after = Some(page.next);
        }
    }
}
