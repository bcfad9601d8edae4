//! Tags: names of commits that do not move.

use anabranch_refs::{Expect, ScanRange};
use anabranch_types::{CommitId, TagName};

use crate::ledger::Swap;
use crate::paging::{page_amount, paged};
use crate::record::TagRecord;
use crate::repository::Inner;
use crate::staging_view::TRIES_MAX;
use crate::{Paged, Paging, Repository, RepositoryError, TagInfo};

impl Repository {
    /// Makes a tag of the commit that `source`, a ref expression, stands for.
    ///
    /// Atomic: of several racing calls for one name exactly one succeeds.
    ///
    /// # Errors
    /// [`RepositoryError::AlreadyExists`]; [`RepositoryError::NotFound`] for the source.
    pub async fn create_tag(&self, name: &TagName, source: &str) -> Result<CommitId, RepositoryError> {
        self.set_tag(name, source, Expect::Absent).await
    }

    /// As [`Repository::create_tag`], and a tag of that name that exists already names another commit from now on.
    ///
    /// Atomic: a reader sees the old tag or the new one, and so does whoever comes after a crash.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] for the source; the old tag then stands.
    pub async fn replace_tag(&self, name: &TagName, source: &str) -> Result<CommitId, RepositoryError> {
        self.set_tag(name, source, Expect::Any).await
    }

    async fn set_tag(
        &self,
        name: &TagName,
        source: &str,
        expect: Expect,
    ) -> Result<CommitId, RepositoryError> {
        let commit = self.resolve(source).await?.commit;
        let partition = self.inner.partitions.tags();
        let value = (TagRecord { commit }.encode(), None);
        let ids = self.inner.ids.as_ref();
        match self.inner.ledger.put("making a tag", &partition, name.as_str(), expect, value, ids).await? {
            Swap::Done(_) => Ok(commit),
            Swap::Lost(_) => Err(RepositoryError::AlreadyExists { kind: "tag", name: name.to_string() }),
        }
    }

    /// A tag and its commit.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`].
    pub async fn tag(&self, name: &TagName) -> Result<TagInfo, RepositoryError> {
        let tag = self.inner.find_tag(name).await?;
        let commit = tag.ok_or_else(|| RepositoryError::not_found("tag", name))?;
        Ok(TagInfo { name: name.clone(), commit })
    }

    /// A page of tags, in order of name.
    pub async fn list_tags(&self, paging: &Paging) -> Result<Paged<TagInfo>, RepositoryError> {
        let after = paging.after.clone().filter(|after| !after.is_empty());
        let range = ScanRange { prefix: paging.prefix.clone(), after };
        let partition = self.inner.partitions.tags();
        let amount = page_amount(paging.amount);
        let page = self.inner.ledger.scan("listing tags", &partition, &range, amount).await?;
        let last = page.rows.last().map(|(name, _)| name.clone()).unwrap_or_default();
        let tag = |(name, row): (String, anabranch_refs::Versioned)| {
            let commit = decode(&name, &row.value)?;
            let name = TagName::new(name).map_err(|why| RepositoryError::damaged("a tag", why))?;
            Ok(TagInfo { name, commit })
        };
        let results: Result<Vec<_>, RepositoryError> = page.rows.into_iter().map(tag).collect();
        Ok(paged(results?, page.more, last))
    }

    /// Deletes a tag. Its commit stays.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`].
    pub async fn delete_tag(&self, name: &TagName) -> Result<(), RepositoryError> {
        let (partition, ids) = (self.inner.partitions.tags(), self.inner.ids.as_ref());
        let mut row = self.inner.ledger.get("reading a tag", &partition, name.as_str()).await?;
        for _ in 0..TRIES_MAX {
            let version = row.ok_or_else(|| RepositoryError::not_found("tag", name))?.version;
            let expect = Expect::Is(version);
            match self.inner.ledger.delete("deleting a tag", &partition, name.as_str(), expect, ids).await? {
                Swap::Done(_) => return Ok(()),
                // Deleted or replaced meanwhile.
                Swap::Lost(actual) => row = actual,
            }
        }
        Err(RepositoryError::busy("tag", name, TRIES_MAX))
    }
}

impl Inner {
    pub(crate) async fn find_tag(&self, name: &TagName) -> Result<Option<CommitId>, RepositoryError> {
        let row = self.ledger.get("reading a tag", &self.partitions.tags(), name.as_str()).await?;
        row.map(|row| decode(name.as_str(), &row.value)).transpose()
    }
}

fn decode(name: &str, value: &[u8]) -> Result<CommitId, RepositoryError> {
    let record =
        TagRecord::decode(value).map_err(|why| RepositoryError::damaged(format!("tag {name}"), why))?;
    Ok(record.commit)
}
