//! Conditions on rows, as SQL text: CHECK constraints and invariants. Pure.
//!
//! The text is Spark's SQL, and other engines read it in other ways. So only that is evaluated in which they agree; all
//! else is refused with a reason, never guessed: division, casts and conversions between kinds of values, functions but
//! `length`, text in double quotes, instants written as text.

mod bounds;
mod evaluate;
mod operand;
mod syntax;

use std::collections::BTreeSet;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::datatypes::Schema;

use syntax::Node;

/// The longest text that is read, in bytes.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// How deep a condition may be nested.
const DEPTH_MAX: usize = 64;

/// A condition that is understood, as far as it can be without the types of its columns.
#[derive(Clone, PartialEq, Debug)]
pub struct Predicate {
    node: Node,
}

impl Predicate {
    /// Reads a condition.
    ///
    /// # Errors
    /// What is not understood in it.
    pub fn parse(text: &str) -> Result<Predicate, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("it has {} bytes; at most {TEXT_BYTES_MAX} are read", text.len()));
        }
        Ok(Predicate { node: syntax::parse(text)? })
    }

    /// Finds its columns in a schema, and checks that values of their types can be evaluated.
    ///
    /// # Errors
    /// Which column does not exist, or what cannot be evaluated exactly.
    pub fn bind(&self, schema: &Schema) -> Result<BoundPredicate, String> {
        let mut columns = BTreeSet::new();
        let node = self.node.resolve(schema, &mut columns)?;
        let bound = BoundPredicate { node, columns: columns.into_iter().collect() };
        bound.holds(&RecordBatch::new_empty(schema.clone().into()))?;
        Ok(bound)
    }
}

/// A condition on rows of one schema.
#[derive(Clone, PartialEq, Debug)]
pub struct BoundPredicate {
    node: Node,
    columns: Vec<String>,
}

impl BoundPredicate {
    /// The columns that it reads, at the top level of the schema.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// For each row, whether the condition is true of it: where it is NULL it is not.
    ///
    /// # Errors
    /// A value for which engines do not agree, such as a sum that overflows.
    pub fn holds(&self, rows: &RecordBatch) -> Result<BooleanArray, String> {
        let truth = evaluate::truth(&self.node, rows)?;
        Ok(truth.iter().map(|value| Some(value == Some(true))).collect())
    }
}

#[cfg(test)]
mod tests;
