//! Which rows somebody wants to see: a condition as `WHERE` has it, read by DataFusion's parser and evaluated by its
//! expressions. What is wrong with it is said with its place in the text.

mod build;
mod literal;

use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::prep_null_mask_filter;
use arrow::datatypes::{DataType, Schema};
use datafusion_physical_expr::PhysicalExpr;
use sqlparser::ast::{Expr, Ident};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token};

use crate::error::{Error, Result};

/// The longest condition, in bytes.
pub const CONDITION_BYTES_MAX: usize = 4_096;

/// How deep a condition may be nested: it is walked by recursion.
const DEPTH_MAX: usize = 100;

/// A condition that was read, but does not know yet which columns there are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Condition {
    text: String,
    expression: Expr,
    names: Vec<Ident>,
}

/// A condition on the rows of one schema.
#[derive(Clone, Debug)]
pub struct RowFilter {
    text: String,
    expression: Arc<dyn PhysicalExpr>,
}

impl PartialEq for RowFilter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.expression.eq(&other.expression)
    }
}

impl Eq for RowFilter {}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    ///
    /// [`Error::Condition`], with the place: it is no condition, or longer than [`CONDITION_BYTES_MAX`].
    pub fn parse(text: &str) -> Result<Condition> {
        if text.len() > CONDITION_BYTES_MAX {
            return Err(failed("as a whole", format!("it is longer than {CONDITION_BYTES_MAX} bytes")));
        }
        let mut parser = Parser::new(&GenericDialect {}).try_with_sql(text).map_err(parse_error)?;
        let expression = parser.parse_expr().map_err(parse_error)?;
        let next = parser.peek_token();
        if next.token != Token::EOF {
            return Err(failed(place(next.span.start), format!("{} is one too many", next.token)));
        }
        let mut names = Vec::new();
        build::check(&expression, DEPTH_MAX, &mut names)?;
        Ok(Condition { text: text.to_owned(), expression, names })
    }

    /// Whether it names a column.
    pub fn names(&self, column: &str) -> bool {
        self.names.iter().any(|name| is_column(name, column))
    }

    /// The condition on the rows of a schema.
    ///
    /// # Errors
    ///
    /// [`Error::Condition`], with the place: a column that the schema does not have, types that do not go together, or
    /// something that is no truth value.
    pub fn on(&self, schema: &Schema) -> Result<RowFilter> {
        let expression = build::build(&self.expression, schema)?;
        match expression.data_type(schema) {
            Ok(DataType::Boolean | DataType::Null) => Ok(RowFilter { text: self.text.clone(), expression }),
            Ok(other) => Err(failed("as a whole", format!("it is a {other}, and has to be true or false"))),
            Err(error) => Err(failed("as a whole", error.to_string())),
        }
    }
}

impl RowFilter {
    /// Which rows of a batch fulfil the condition; not those for which it is NULL.
    ///
    /// # Errors
    ///
    /// [`Error::Condition`]: it fails on a value, such as a division by zero.
    pub fn mask(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let value = self.expression.evaluate(batch).and_then(|value| value.into_array(batch.num_rows()));
        let value = value.map_err(|error| {
            failed("as a whole", format!("it cannot be evaluated: {}", error.strip_backtrace()))
        })?;
        Ok(match value.as_boolean_opt() {
            Some(mask) if mask.is_valid_everywhere() => mask.clone(),
            Some(mask) => prep_null_mask_filter(mask),
            None => BooleanArray::from(vec![false; batch.num_rows()]),
        })
    }
}

/// Whether an array has no NULL.
trait Valid {
    fn is_valid_everywhere(&self) -> bool;
}

impl Valid for BooleanArray {
    fn is_valid_everywhere(&self) -> bool {
        arrow::array::Array::null_count(self) == 0
    }
}

/// Whether a name stands for a column: as it is spelled, and without quotes also in other cases.
fn is_column(name: &Ident, column: &str) -> bool {
    name.value == column || (name.quote_style.is_none() && name.value.eq_ignore_ascii_case(column))
}

fn failed(place: impl Into<String>, why: impl Into<String>) -> Error {
    Error::Condition { place: place.into(), why: why.into() }
}

/// A place for people.
fn place(at: Location) -> String {
    match (at.line, at.column) {
        (0, _) => "at the end".to_owned(),
        (1, column) => format!("at character {column}"),
        (line, column) => format!("at line {line}, character {column}"),
    }
}

fn place_of(span: Span) -> String {
    if span.start.line == 0 { "as a whole".to_owned() } else { place(span.start) }
}

/// The parser writes the place at the end of its message.
fn parse_error(error: ParserError) -> Error {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => return failed("as a whole", "it is nested too deeply"),
    };
    let Some((why, at)) = message.rsplit_once(" at Line: ") else {
        return failed("at the end", message);
    };
    let numbers = at.split_once(", Column: ").and_then(|(line, column)| {
        Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
    });
    failed(numbers.map_or_else(|| "as a whole".to_owned(), place), why)
}

#[cfg(test)]
mod tests;
