//! The handle of one repository; what it can do is in the modules beside this one.

use std::fmt;
use std::sync::Arc;

use anabranch_storage::ObjectStorage;
use anabranch_types::RepositoryName;

use crate::RepositoryInfo;

/// One repository. Cheap to clone; clones share caches and commit queues. Every call reads the mutable records anew.
#[derive(Clone)]
pub struct Repository {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) info: RepositoryInfo,
    pub(crate) storage: Arc<dyn ObjectStorage>,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Repository").field(&self.inner.info.name).finish()
    }
}

impl Repository {
    /// Its name.
    pub fn name(&self) -> &RepositoryName {
        &self.inner.info.name
    }

    /// What people see of it.
    pub fn info(&self) -> &RepositoryInfo {
        &self.inner.info
    }

    /// Where its objects are.
    pub fn storage(&self) -> &Arc<dyn ObjectStorage> {
        &self.inner.storage
    }
}
