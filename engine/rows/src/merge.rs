//! The three-way merge of sorted streams of rows. It waits for nothing itself: it says which side it wants a batch
//! of, and is fed; so it runs under any reader, and holds one batch of each side beside the rows of one key.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::bag::BagSurvey;
use crate::conflict::Resolver;
use crate::error::{Error, Result};
use crate::groups::{Copies, Groups, Next};
use crate::output::MergedBatch;
use crate::plan::{Identity, MergeOptions, Mode, Plan};
use crate::settle::Settler;
use crate::side::{PerSide, Side};
use crate::totals::MergeReport;

/// What a merge does next.
#[derive(Debug)]
pub enum Step {
    /// It cannot go on before this side gets its next batch: [`RowMerge::feed`].
    Wants(Side),
    /// A batch of the result.
    Batch(MergedBatch),
    /// Everything is merged: [`RowMerge::finish`].
    Done,
}

/// A three-way merge of rows.
///
/// Each side comes as batches in the merged schema, sorted by the bytes of its key columns (see
/// [`crate::sort`]); for [`crate::Identity::Bag`] by all compared columns. The result comes out in the same order.
pub struct RowMerge {
    plan: Plan,
    groups: Groups,
    settler: Settler,
    /// How many copies of the row under work are still taken from each side, where they come part by part.
    copying: Option<PerSide<u64>>,
}

impl RowMerge {
    /// A merge of rows of one schema.
    ///
    /// For [`crate::Identity::Bag`], `survey` has been made over the same rows, of all ranges, with
    /// [`RowSurvey`]; other identities need none.
    ///
    /// # Errors
    ///
    /// The options name a column that does not exist, a policy does not fit its column's type, a column has no
    /// equality, or a survey is missing.
    pub fn new(schema: SchemaRef, options: &MergeOptions, survey: Option<BagSurvey>) -> Result<RowMerge> {
        let plan = Plan::new(schema, options)?;
        if plan.mode == Mode::Bag && survey.is_none() {
            return Err(Error::Misuse("rows without identity are surveyed before they are merged"));
        }
        let settler = Settler::new(survey.unwrap_or_default());
        Ok(RowMerge { plan, groups: Groups::new(), settler, copying: None })
    }

    /// Takes rows without identity of which there are very many copies part by part: those that a survey of the same rows, of
    /// this range alone, found.
    #[must_use]
    pub fn with_copies(mut self, copies: Copies) -> RowMerge {
        if self.plan.mode == Mode::Bag {
            self.groups = self.groups.with_copies(copies);
        }
        self
    }

    /// Asks this resolver about each conflict before it counts as one.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Resolver) -> RowMerge {
        self.settler.resolve_with(resolver);
        self
    }

    /// Gives a side its next batch; none: it has no more.
    ///
    /// # Errors
    ///
    /// The side did not want one, or the batch has another schema.
    pub fn feed(&mut self, side: Side, batch: Option<RecordBatch>) -> Result<()> {
        self.groups.feed(&self.plan, side, batch)
    }

    /// Merges on until a batch is wanted or made.
    ///
    /// # Errors
    ///
    /// A side is not sorted; a choice does not fit its conflict. The merge is then of no further use.
    pub fn step(&mut self) -> Result<Step> {
        loop {
            if self.settler.output.is_full(&self.plan) {
                return Ok(Step::Batch(self.settler.output.flush(&self.plan)?));
            }
            match self.groups.next(&self.plan)? {
                Next::Wants(side) => return Ok(Step::Wants(side)),
                Next::Part => self.settle_part()?,
                Next::Group if self.groups.in_parts().is_some() => {
                    self.settle_part()?;
                    self.copying = None;
                }
                Next::Group => self.settler.settle(&self.plan, self.groups.group())?,
                Next::End if self.settler.output.is_empty() => return Ok(Step::Done),
                Next::End => return Ok(Step::Batch(self.settler.output.flush(&self.plan)?)),
            }
        }
    }

    /// Settles those copies of a row that are at hand. What becomes of all was decided with the first of them.
    fn settle_part(&mut self) -> Result<()> {
        let Some(counts) = self.groups.in_parts() else { return Ok(()) };
        let group = self.groups.group();
        let left = match &mut self.copying {
            Some(left) => left,
            None => self.copying.insert(self.settler.share_out(&self.plan, group, counts)?),
        };
        self.settler.copy(group, left);
        Ok(())
    }

    /// How many conflicts nobody has decided were found so far.
    pub fn conflict_count(&self) -> u64 {
        self.settler.report.conflict_count
    }

    /// The numbers and the conflicts, after [`Step::Done`].
    pub fn finish(self) -> MergeReport {
        self.settler.report
    }
}

/// Counts what [`RowMerge`] must know of rows without identity before it merges them. Fed like a merge.
pub struct RowSurvey {
    plan: Plan,
    groups: Groups,
    survey: BagSurvey,
}

impl RowSurvey {
    /// A survey of rows of one schema.
    ///
    /// # Errors
    ///
    /// As [`RowMerge::new`].
    pub fn new(schema: SchemaRef, options: &MergeOptions) -> Result<RowSurvey> {
        Ok(RowSurvey {
            plan: Plan::new(schema, options)?,
            groups: Groups::counting(),
            survey: BagSurvey::default(),
        })
    }

    /// Gives a side its next batch; none: it has no more.
    ///
    /// # Errors
    ///
    /// As [`RowMerge::feed`].
    pub fn feed(&mut self, side: Side, batch: Option<RecordBatch>) -> Result<()> {
        self.groups.feed(&self.plan, side, batch)
    }

    /// Counts on; the side that wants a batch, or none at the end.
    ///
    /// # Errors
    ///
    /// A side is not sorted.
    pub fn step(&mut self) -> Result<Option<Side>> {
        loop {
            match self.groups.next(&self.plan)? {
                Next::Wants(side) => return Ok(Some(side)),
                Next::Part => {}
                Next::Group => self.survey.add(self.groups.group().counts()),
                Next::End => return Ok(None),
            }
        }
    }

    /// What was counted, and of which rows there are very many copies.
    pub fn finish(self) -> (BagSurvey, Copies) {
        (self.survey, self.groups.into_copies())
    }
}

/// Surveys three sides that are at hand as batches.
///
/// # Errors
///
/// As [`RowSurvey`].
pub fn survey_batches(
    schema: SchemaRef,
    options: &MergeOptions,
    sides: &PerSide<Vec<RecordBatch>>,
) -> Result<(BagSurvey, Copies)> {
    let mut survey = RowSurvey::new(schema, options)?;
    let mut batches = PerSide::from_fn(|side| sides.get(side).iter());
    while let Some(side) = survey.step()? {
        survey.feed(side, batches.get_mut(side).next().cloned())?;
    }
    Ok(survey.finish())
}

/// Merges three sides that are at hand as batches, surveyed first where the identity needs it.
///
/// # Errors
///
/// As [`RowMerge`].
pub fn merge_batches(
    schema: SchemaRef,
    options: &MergeOptions,
    sides: &PerSide<Vec<RecordBatch>>,
    resolver: Option<Resolver>,
) -> Result<(Vec<MergedBatch>, MergeReport)> {
    let survey = match options.identity {
        Identity::Bag => Some(survey_batches(schema.clone(), options, sides)?),
        Identity::Key(_) | Identity::RowId(_) => None,
    };
    let (survey, copies) = survey.unzip();
    let mut merge = RowMerge::new(schema, options, survey)?.with_copies(copies.unwrap_or_default());
    if let Some(resolver) = resolver {
        merge = merge.with_resolver(resolver);
    }
    let mut batches = PerSide::from_fn(|side| sides.get(side).iter());
    let mut merged = Vec::new();
    loop {
        match merge.step()? {
            Step::Wants(side) => merge.feed(side, batches.get_mut(side).next().cloned())?,
            Step::Batch(batch) => merged.push(batch),
            Step::Done => return Ok((merged, merge.finish())),
        }
    }
}
