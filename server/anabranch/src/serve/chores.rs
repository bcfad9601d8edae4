//! What the server does by itself, from time to time.

use std::time::Duration;

use anabranch_app::{App, TRANSACTION_LIFETIME_MS};
use tokio::time::{MissedTickBehavior, interval};

/// How often imports that nobody works on any more are looked for. They wait for their lease first.
const RESUME_EVERY: Duration = Duration::from_secs(15);
/// How often branches that clients left behind are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(3600);

/// Never ends; a chore that fails is logged and tried again the next time.
pub(super) async fn run(app: App) {
    let (mut resume, mut expire) = (interval(RESUME_EVERY), interval(EXPIRE_EVERY));
    resume.set_missed_tick_behavior(MissedTickBehavior::Delay);
    expire.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = resume.tick() => {
                if let Err(error) = app.resume_imports().await {
                    tracing::error!(%error, source = ?std::error::Error::source(&error), "imports were not looked for");
                }
            }
            _ = expire.tick() => {
                if let Err(error) = app.expire_transactions(TRANSACTION_LIFETIME_MS).await {
                    tracing::error!(%error, source = ?std::error::Error::source(&error), "old branches were not looked for");
                }
            }
        }
    }
}
