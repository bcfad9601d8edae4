//! From what was parsed to expressions that DataFusion evaluates. The types of both sides of an operator are brought
//! together here, as DataFusion's planner does it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion_common::ScalarValue;
use datafusion_expr::Operator;
use datafusion_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{
    BinaryExpr, Column, Literal, cast, is_not_null, is_null, like, negative, not, try_cast,
};
use sqlparser::ast::{BinaryOperator, CastKind, Expr, Ident, Spanned, UnaryOperator};

use super::{failed, is_column, literal, place, place_of};
use crate::error::{Error, Result};

type Built = Arc<dyn PhysicalExpr>;

/// Checks that there is nothing in an expression but what [`build`] knows, and not too deep; collects the columns.
pub(super) fn check(expression: &Expr, depth: usize, names: &mut Vec<Ident>) -> Result<()> {
    if depth == 0 {
        return Err(at(expression, "it is nested too deeply: use IN for long lists"));
    }
    let mut inner = |one: &Expr| check(one, depth - 1, names);
    match expression {
        Expr::Identifier(name) => names.push(name.clone()),
        Expr::Value(_) | Expr::TypedString(_) => {}
        Expr::Nested(one)
        | Expr::IsNull(one)
        | Expr::IsNotNull(one)
        | Expr::IsTrue(one)
        | Expr::IsNotTrue(one)
        | Expr::IsFalse(one)
        | Expr::IsNotFalse(one)
        | Expr::UnaryOp { expr: one, .. }
        | Expr::Cast { expr: one, .. } => inner(one)?,
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) if is_chain(right) => {
            // The parser takes an AND or OR that follows for a part of the value.
            return Err(at(expression, "put IS DISTINCT FROM and its two values in parentheses"));
        }
        Expr::IsDistinctFrom(left, right)
        | Expr::IsNotDistinctFrom(left, right)
        | Expr::BinaryOp { left, right, .. }
        | Expr::Like { any: false, expr: left, pattern: right, .. }
        | Expr::ILike { any: false, expr: left, pattern: right, .. } => {
            inner(left)?;
            inner(right)?;
        }
        Expr::Between { expr, low, high, .. } => {
            inner(expr)?;
            inner(low)?;
            inner(high)?;
        }
        Expr::InList { expr, list, .. } => {
            inner(expr)?;
            list.iter().try_for_each(inner)?;
        }
        other => {
            return Err(at(
                other,
                "a condition is made of columns, values, comparisons, AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL, \
                 arithmetic and CAST; nothing else is known here",
            ));
        }
    }
    Ok(())
}

fn is_chain(expression: &Expr) -> bool {
    matches!(expression, Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. })
}

/// Builds an expression over rows of a schema.
pub(super) fn build(expression: &Expr, schema: &Schema) -> Result<Built> {
    let inner = |one: &Expr| build(one, schema);
    let truth = |one: &Expr, operator: Operator, value: bool| {
        let literal = constant(ScalarValue::Boolean(Some(value)));
        binary(one, (one, inner(one)?), operator, (one, literal), schema)
    };
    match expression {
        Expr::Identifier(name) => column(name, schema),
        Expr::Value(value) => {
            let read = literal::value(&value.value);
            read.map(constant).map_err(|why| failed(place(value.span.start), why))
        }
        Expr::TypedString(typed) => {
            let text = literal::value(&typed.value.value).map_err(|why| at(expression, why))?;
            let to = literal::data_type(&typed.data_type).map_err(|why| at(expression, why))?;
            converted(expression, constant(text), &to, schema)
        }
        Expr::Nested(one) => inner(one),
        Expr::IsNull(one) => is_null(inner(one)?).map_err(of(expression)),
        Expr::IsNotNull(one) => is_not_null(inner(one)?).map_err(of(expression)),
        Expr::IsTrue(one) => truth(one, Operator::IsNotDistinctFrom, true),
        Expr::IsNotTrue(one) => truth(one, Operator::IsDistinctFrom, true),
        Expr::IsFalse(one) => truth(one, Operator::IsNotDistinctFrom, false),
        Expr::IsNotFalse(one) => truth(one, Operator::IsDistinctFrom, false),
        Expr::IsDistinctFrom(left, right) => {
            binary(expression, (left, inner(left)?), Operator::IsDistinctFrom, (right, inner(right)?), schema)
        }
        Expr::IsNotDistinctFrom(left, right) => binary(
            expression,
            (left, inner(left)?),
            Operator::IsNotDistinctFrom,
            (right, inner(right)?),
            schema,
        ),
        Expr::BinaryOp { left, op, right } => {
            let operator = operator(expression, op)?;
            binary(expression, (left, inner(left)?), operator, (right, inner(right)?), schema)
        }
        Expr::UnaryOp { op, expr } => unary(expression, op, inner(expr)?, schema),
        Expr::Between { expr, negated, low, high } => {
            let value = inner(expr)?;
            let from = binary(low, (expr, value.clone()), Operator::GtEq, (low, inner(low)?), schema)?;
            let to = binary(high, (expr, value), Operator::LtEq, (high, inner(high)?), schema)?;
            let both = binary(expression, (low, from), Operator::And, (high, to), schema)?;
            negated_if(expression, *negated, both)
        }
        Expr::InList { expr, list, negated } => {
            let value = inner(expr)?;
            let equal =
                |one: &Expr| binary(one, (expr, value.clone()), Operator::Eq, (one, inner(one)?), schema);
            let equal = list.iter().map(equal).collect::<Result<Vec<_>>>()?;
            negated_if(expression, *negated, any_of(equal))
        }
        Expr::Like { negated, expr, pattern, escape_char: None, .. } => {
            matching(expression, *negated, false, inner(expr)?, inner(pattern)?, schema)
        }
        Expr::ILike { negated, expr, pattern, escape_char: None, .. } => {
            matching(expression, *negated, true, inner(expr)?, inner(pattern)?, schema)
        }
        Expr::Cast { kind, expr, data_type, .. } => {
            let to = literal::data_type(data_type).map_err(|why| at(expression, why))?;
            match kind {
                CastKind::TryCast | CastKind::SafeCast => {
                    try_cast(inner(expr)?, schema, to).map_err(of(expression))
                }
                CastKind::Cast | CastKind::DoubleColon => converted(expr, inner(expr)?, &to, schema),
            }
        }
        other => Err(at(other, "this is not known here")),
    }
}

fn column(name: &Ident, schema: &Schema) -> Result<Built> {
    let exact = schema.fields().iter().position(|field| *field.name() == name.value);
    let found = exact.or_else(|| schema.fields().iter().position(|field| is_column(name, field.name())));
    match found.and_then(|index| Some((index, schema.fields().get(index)?))) {
        Some((index, field)) => Ok(Arc::new(Column::new(field.name(), index))),
        None => Err(failed(
            place(name.span.start),
            format!("the table has no column {:?}; text stands in single quotes", name.value),
        )),
    }
}

fn constant(value: ScalarValue) -> Built {
    Arc::new(Literal::new(value))
}

fn value_of(built: &Built) -> Option<&ScalarValue> {
    built.as_any().downcast_ref::<Literal>().map(Literal::value)
}

fn type_of(expression: &Expr, built: &Built, schema: &Schema) -> Result<DataType> {
    built.data_type(schema).map_err(of(expression))
}

fn operator(expression: &Expr, named: &BinaryOperator) -> Result<Operator> {
    Ok(match named {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        BinaryOperator::And => Operator::And,
        BinaryOperator::Or => Operator::Or,
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Modulo => Operator::Modulo,
        other => return Err(at(expression, format!("the operator {other} is not known here"))),
    })
}

/// What stands on one side of an operator.
type Operand<'a> = (&'a Expr, Built);

/// An operator between two values of types that go together, or can be brought together.
fn binary(
    expression: &Expr,
    (left_text, left): Operand<'_>,
    operator: Operator,
    (right_text, right): Operand<'_>,
    schema: &Schema,
) -> Result<Built> {
    let (mut left, mut right) = (left, right);
    let from = type_of(left_text, &left, schema)?;
    let to = type_of(right_text, &right, schema)?;
    // Written text means the type that it meets: a date, a time, a number.
    let is_text = |built: &Built| matches!(value_of(built), Some(ScalarValue::Utf8(_)));
    if compares(operator) && is_text(&right) && !is_text(&left) {
        right = converted(right_text, right, &from, schema)?;
    } else if compares(operator) && is_text(&left) && !is_text(&right) {
        left = converted(left_text, left, &to, schema)?;
    } else if from.is_floating() && to.is_decimal() {
        // A decimal holds neither NaN nor every float.
        right = converted(right_text, right, &DataType::Float64, schema)?;
    } else if from.is_decimal() && to.is_floating() {
        left = converted(left_text, left, &DataType::Float64, schema)?;
    }
    let (from, to) = (type_of(left_text, &left, schema)?, type_of(right_text, &right, schema)?);
    let types = BinaryTypeCoercer::new(&from, &operator, &to).get_input_types();
    let (wanted_left, wanted_right) = types.map_err(|_| {
        at(expression, format!("{operator} does not go between values of type {from} and {to}"))
    })?;
    let left = converted(left_text, left, &wanted_left, schema)?;
    let right = converted(right_text, right, &wanted_right, schema)?;
    let built: Built = Arc::new(BinaryExpr::new(left, operator, right));
    type_of(expression, &built, schema)?;
    Ok(built)
}

fn compares(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn unary(expression: &Expr, operator: &UnaryOperator, value: Built, schema: &Schema) -> Result<Built> {
    match (operator, value_of(&value)) {
        (UnaryOperator::Plus, _) => Ok(value),
        (UnaryOperator::Minus, Some(written)) => {
            written.arithmetic_negate().map(constant).map_err(of(expression))
        }
        (UnaryOperator::Minus, None) => negative(value, schema).map_err(of(expression)),
        (UnaryOperator::Not, _) => {
            let boolean = converted_truth(expression, value, schema)?;
            not(boolean).map_err(of(expression))
        }
        (other, _) => Err(at(expression, format!("the operator {other} is not known here"))),
    }
}

fn converted_truth(expression: &Expr, value: Built, schema: &Schema) -> Result<Built> {
    match type_of(expression, &value, schema)? {
        DataType::Boolean | DataType::Null => converted(expression, value, &DataType::Boolean, schema),
        other => Err(at(expression, format!("NOT wants what is true or false, not a {other}"))),
    }
}

fn negated_if(expression: &Expr, negated: bool, built: Built) -> Result<Built> {
    if negated { not(built).map_err(of(expression)) } else { Ok(built) }
}

/// A balanced tree, so that evaluating a long list does not recurse deeply.
fn any_of(mut parts: Vec<Built>) -> Built {
    while parts.len() > 1 {
        let pairs = parts.chunks(2).map(|pair| match pair {
            [left, right] => Arc::new(BinaryExpr::new(left.clone(), Operator::Or, right.clone())) as Built,
            rest => rest.first().cloned().unwrap_or_else(|| constant(ScalarValue::Boolean(Some(false)))),
        });
        parts = pairs.collect();
    }
    parts.pop().unwrap_or_else(|| constant(ScalarValue::Boolean(Some(false))))
}

fn matching(
    expression: &Expr,
    negated: bool,
    any_case: bool,
    value: Built,
    pattern: Built,
    schema: &Schema,
) -> Result<Built> {
    let text = type_of(expression, &value, schema)?;
    if !matches!(text, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null) {
        return Err(at(expression, format!("LIKE wants text, not a {text}")));
    }
    let pattern = converted(expression, pattern, &text, schema)?;
    like(negated, any_case, value, pattern, schema).map_err(of(expression))
}

/// A value in another type. What is written is converted at once, so that a mistake has its place.
fn converted(expression: &Expr, built: Built, to: &DataType, schema: &Schema) -> Result<Built> {
    if type_of(expression, &built, schema)? == *to {
        return Ok(built);
    }
    if let Some(value) = value_of(&built) {
        let cast = value.cast_to(to);
        return cast.map(constant).map_err(|_| at(expression, format!("{value} is no {to}")));
    }
    cast(built, schema, to.clone()).map_err(of(expression))
}

fn at(expression: &Expr, why: impl Into<String>) -> Error {
    failed(place_of(expression.span()), why)
}

/// What DataFusion says of an expression.
fn of(expression: &Expr) -> impl Fn(datafusion_common::DataFusionError) -> Error + use<> {
    let place = place_of(expression.span());
    move |error| failed(place.clone(), error.strip_backtrace())
}
