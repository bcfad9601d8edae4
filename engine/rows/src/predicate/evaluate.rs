//! Evaluates a condition over a batch, with three truth values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Datum, RecordBatch, Scalar};
use arrow::compute::kernels::{cmp, comparison, numeric};
use arrow::compute::{and_kleene, cast, is_null, not, or_kleene};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::operand::{Operand, calculable, comparable, shown};
use super::syntax::{Arithmetic, Comparison, Node};

/// Whether the condition is true of each row; NULL where that is unknown.
pub(super) fn truth(node: &Node, rows: &RecordBatch) -> Result<BooleanArray, String> {
    let combined =
        |parts: &[Node],
         start: bool,
         join: fn(&BooleanArray, &BooleanArray) -> Result<BooleanArray, ArrowError>| {
            let mut all = constant(start, rows.num_rows());
            for part in parts {
                all = join(&all, &truth(part, rows)?).map_err(shown)?;
            }
            Ok(all)
        };
    match node {
        Node::All(parts) => combined(parts, true, and_kleene),
        Node::Any(parts) => combined(parts, false, or_kleene),
        Node::Not(of) => not(&truth(of, rows)?).map_err(shown),
        Node::IsNull(of) => {
            let operand = operand(of, rows)?;
            spread(&is_null(&operand.array).map_err(shown)?, operand.constant, rows)
        }
        Node::Is(of, wanted) => {
            Ok(truth(of, rows)?.iter().map(|value| Some(value == Some(*wanted))).collect())
        }
        Node::Compare(comparison, left, right) => {
            compare(*comparison, operand(left, rows)?, operand(right, rows)?, rows)
        }
        Node::Like(of, pattern) => {
            let of = operand(of, rows)?;
            let pattern = Operand::literal(&Node::Text(pattern.clone()))?.ok_or("a pattern is a text")?;
            let (of, pattern) = comparable(of, pattern)?;
            if of.array.data_type() != &DataType::Utf8 {
                return Err("LIKE is asked of texts".into());
            }
            let like = comparison::like(&*datum(&of), &*datum(&pattern)).map_err(shown)?;
            spread(&like, of.constant, rows)
        }
        other => {
            let operand = operand(other, rows)?;
            match operand.array.data_type() {
                DataType::Boolean => spread(operand.array.as_boolean(), operand.constant, rows),
                DataType::Null => Ok(BooleanArray::new_null(rows.num_rows())),
                other => Err(format!("a value of type {other} is no condition")),
            }
        }
    }
}

fn constant(truth: bool, rows: usize) -> BooleanArray {
    BooleanArray::from(vec![truth; rows])
}

/// A constant for each row.
fn spread(array: &BooleanArray, is_constant: bool, rows: &RecordBatch) -> Result<BooleanArray, String> {
    if !is_constant {
        return Ok(array.clone());
    }
    let value = array.iter().next().flatten();
    Ok(value
        .map_or_else(|| BooleanArray::new_null(rows.num_rows()), |truth| constant(truth, rows.num_rows())))
}

fn datum(operand: &Operand) -> Box<dyn Datum> {
    match operand.constant {
        true => Box::new(Scalar::new(operand.array.clone())),
        false => Box::new(operand.array.clone()),
    }
}

fn compare(
    comparison: Comparison,
    left: Operand,
    right: Operand,
    rows: &RecordBatch,
) -> Result<BooleanArray, String> {
    let (left, right) = comparable(left, right)?;
    let kernel = match comparison {
        Comparison::Equal => cmp::eq,
        Comparison::NotEqual => cmp::neq,
        Comparison::Less => cmp::lt,
        Comparison::LessOrEqual => cmp::lt_eq,
        Comparison::Greater => cmp::gt,
        Comparison::GreaterOrEqual => cmp::gt_eq,
        Comparison::Same => cmp::not_distinct,
    };
    let result = kernel(&*datum(&left), &*datum(&right)).map_err(shown)?;
    spread(&result, left.constant && right.constant, rows)
}

/// The values of a part that is no condition of its own.
fn operand(node: &Node, rows: &RecordBatch) -> Result<Operand, String> {
    if let Some(literal) = Operand::literal(node)? {
        return Ok(literal);
    }
    match node {
        Node::Column(path) => Ok(Operand::column(column(path, rows)?)),
        Node::Calculate(arithmetic, left, right) => {
            let (left, right) = calculable(operand(left, rows)?, operand(right, rows)?)?;
            let constant = left.constant && right.constant;
            let kernel = match arithmetic {
                Arithmetic::Add => numeric::add,
                Arithmetic::Subtract => numeric::sub,
                Arithmetic::Multiply => numeric::mul,
                Arithmetic::Remainder => numeric::rem,
            };
            let array = kernel(&*datum(&left), &*datum(&right)).map_err(shown)?;
            Ok(Operand { constant, ..Operand::column(array) })
        }
        Node::Negate(of) => {
            let of = operand(of, rows)?;
            if !(of.array.data_type().is_signed_integer() || of.array.data_type() == &DataType::Float64) {
                return Err(format!("a value of type {} is not negated here", of.array.data_type()));
            }
            let array = numeric::neg(&of.array).map_err(shown)?;
            Ok(Operand { number: None, array, ..of })
        }
        Node::Length(of) => {
            let of = operand(of, rows)?;
            if !matches!(of.array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
                return Err("length is asked of texts".into());
            }
            let text = cast(&of.array, &DataType::Utf8).map_err(shown)?;
            let counted = text.as_string::<i32>().iter();
            let counted: arrow::array::Int32Array =
                counted.map(|text| text.and_then(|text| i32::try_from(text.chars().count()).ok())).collect();
            Ok(Operand { text: false, array: Arc::new(counted), ..of })
        }
        condition => Ok(Operand::column(Arc::new(truth(condition, rows)?))),
    }
}

/// A column, or a field within it: NULL where what it lies in is NULL.
fn column(path: &[String], rows: &RecordBatch) -> Result<ArrayRef, String> {
    let missing = || format!("there is no column {}", path.join("."));
    let (first, rest) = path.split_first().ok_or_else(missing)?;
    let mut array = rows.column_by_name(first).cloned().ok_or_else(missing)?;
    for name in rest {
        let outer = array.as_struct_opt().ok_or_else(missing)?;
        let inner = outer.column_by_name(name).cloned().ok_or_else(missing)?;
        array = match outer.nulls() {
            None => inner,
            Some(_) => {
                let gone = is_null(outer).map_err(shown)?;
                arrow::compute::nullif(&inner, &gone).map_err(shown)?
            }
        };
    }
    Ok(array)
}
