//! What the options of a unit demand of its rows, whoever changed them: asked of the result of a merge, once all units are
//! decided. A unit that was taken whole from one side is asked too, and so is one whose rows refer to another unit.

use async_trait::async_trait;

use crate::{Resolution, UnitView, ViewError};

/// What the options of a unit demand.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Demands {
    /// Whether they demand something of the unit's own rows.
    pub of_rows: bool,
    /// The roots of the units that its rows refer to.
    pub refers_to: Vec<String>,
}

impl Demands {
    /// Whether nothing is demanded.
    pub fn is_empty(&self) -> bool {
        !self.of_rows && self.refers_to.is_empty()
    }
}

/// One unit before a merge and after it.
pub struct UnitStates<'a> {
    /// As it is on ours.
    pub before: Box<dyn UnitView + 'a>,
    /// As the merge leaves it.
    pub after: Box<dyn UnitView + 'a>,
}

/// Opens the units of a repository. A unit that does not exist is empty.
#[async_trait]
pub trait UnitOpener: Send + Sync {
    /// The unit at a root, without a `/` at the end; none where it is in conflict, so that nobody knows what it will hold.
    async fn open(&self, root: &str) -> Result<Option<UnitStates<'_>>, ViewError>;
}

/// What a merger gets to find violations.
pub struct ViolationsInput<'a> {
    /// Where the unit lies in the repository.
    pub root: &'a str,
    /// The unit before the merge and after it.
    pub states: UnitStates<'a>,
    /// The options of `merge.toml`, as a JSON object.
    pub options: &'a serde_json::Value,
    /// Whether the unit's own rows are to be looked at; if not, [`crate::Merger::merge`] has done so.
    pub own_rows: bool,
    /// The other units.
    pub units: &'a dyn UnitOpener,
    /// What people decided. Violations that they accepted are left out by whoever asks.
    pub resolutions: &'a [Resolution],
}
