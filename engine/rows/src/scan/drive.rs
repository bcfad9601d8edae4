//! Feeds merges and diffs from streams.

use futures::{Stream, StreamExt};

use arrow::array::RecordBatch;

use crate::bag::BagSurvey;
use crate::diff::{DiffRow, DiffStep, RowDiff, Version};
use crate::error::Result;
use crate::groups::Copies;
use crate::merge::{RowMerge, RowSurvey, Step};
use crate::output::MergedBatch;
use crate::side::PerSide;

/// Merges on to the next batch of the result; none at the end.
///
/// # Errors
///
/// The merge's, and those of the streams.
pub async fn merge_next<S>(merge: &mut RowMerge, sides: &mut PerSide<S>) -> Result<Option<MergedBatch>>
where
    S: Stream<Item = Result<RecordBatch>> + Unpin,
{
    loop {
        match merge.step()? {
            Step::Wants(side) => {
                let batch = sides.get_mut(side).next().await.transpose()?;
                merge.feed(side, batch)?;
            }
            Step::Batch(batch) => return Ok(Some(batch)),
            Step::Done => return Ok(None),
        }
    }
}

/// Surveys three streams to their ends.
///
/// # Errors
///
/// The survey's, and those of the streams.
pub async fn survey<S>(mut survey: RowSurvey, sides: &mut PerSide<S>) -> Result<(BagSurvey, Copies)>
where
    S: Stream<Item = Result<RecordBatch>> + Unpin,
{
    while let Some(side) = survey.step()? {
        let batch = sides.get_mut(side).next().await.transpose()?;
        survey.feed(side, batch)?;
    }
    Ok(survey.finish())
}

/// Compares on to the next changes; none at the end.
///
/// # Errors
///
/// The diff's, and those of the streams.
pub async fn diff_next<S>(diff: &mut RowDiff, before: &mut S, after: &mut S) -> Result<Option<Vec<DiffRow>>>
where
    S: Stream<Item = Result<RecordBatch>> + Unpin,
{
    loop {
        match diff.step()? {
            DiffStep::Wants(Version::Before) => {
                diff.feed(Version::Before, before.next().await.transpose()?)?
            }
            DiffStep::Wants(Version::After) => diff.feed(Version::After, after.next().await.transpose()?)?,
            DiffStep::Rows(rows) => return Ok(Some(rows)),
            DiffStep::Done => return Ok(None),
        }
    }
}
