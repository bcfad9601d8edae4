//! From SQL text to a tree of what can be evaluated.

use std::collections::BTreeSet;

use arrow::datatypes::{DataType, Field, Fields, Schema};
use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, UnaryOperator, Value,
};
use sqlparser::dialect::DatabricksDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::DEPTH_MAX;

/// A comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `<=>`: NULL equals NULL.
    Same,
}

/// Arithmetic in which engines agree unless it overflows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Remainder,
}

/// A part of a condition.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Node {
    /// A column, and the fields within it.
    Column(Vec<String>),
    Null,
    Truth(bool),
    /// A number as it is written.
    Number(String),
    Text(String),
    /// A day as it is written.
    Day(String),
    Not(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    IsNull(Box<Node>),
    /// Whether it is this truth value; NULL is not.
    Is(Box<Node>, bool),
    Like(Box<Node>, String),
    Calculate(Arithmetic, Box<Node>, Box<Node>),
    Negate(Box<Node>),
    /// How many characters a text has.
    Length(Box<Node>),
}

/// Reads a condition.
pub(super) fn parse(text: &str) -> Result<Node, String> {
    let dialect = DatabricksDialect {};
    let parser = Parser::new(&dialect).with_recursion_limit(DEPTH_MAX).try_with_sql(text);
    let mut parser = parser.map_err(|error| error.to_string())?;
    let expression = parser.parse_expr().map_err(|error| error.to_string())?;
    let rest = parser.peek_token();
    match rest.token {
        Token::EOF => node(&expression, 0),
        other => Err(format!("{other} stands behind the condition")),
    }
}

fn node(expression: &Expr, depth: usize) -> Result<Node, String> {
    if depth > DEPTH_MAX * 4 {
        return Err("it is nested too deep".into());
    }
    let inner = |expression: &Expr| node(expression, depth + 1);
    let boxed = |expression: &Expr| inner(expression).map(Box::new);
    let negated = |node: Node, negated: bool| if negated { Node::Not(Box::new(node)) } else { node };
    Ok(match expression {
        Expr::Nested(nested) => inner(nested)?,
        Expr::Identifier(name) => Node::Column(vec![name.value.clone()]),
        Expr::CompoundIdentifier(names) => {
            Node::Column(names.iter().map(|n: &Ident| n.value.clone()).collect())
        }
        Expr::Value(value) => literal(&value.value)?,
        Expr::TypedString(typed) if typed.data_type == sqlparser::ast::DataType::Date => {
            match literal(&typed.value.value)? {
                Node::Text(day) => Node::Day(day),
                _ => return Err(unsupported(expression)),
            }
        }
        Expr::IsNull(of) => Node::IsNull(boxed(of)?),
        Expr::IsNotNull(of) => negated(Node::IsNull(boxed(of)?), true),
        Expr::IsTrue(of) => Node::Is(boxed(of)?, true),
        Expr::IsNotTrue(of) => negated(Node::Is(boxed(of)?, true), true),
        Expr::IsFalse(of) => Node::Is(boxed(of)?, false),
        Expr::IsNotFalse(of) => negated(Node::Is(boxed(of)?, false), true),
        Expr::InList { expr, list, negated: not } => {
            let one = |item: &Expr| Ok(Node::Compare(Comparison::Equal, boxed(expr)?, boxed(item)?));
            negated(Node::Any(list.iter().map(one).collect::<Result<_, String>>()?), *not)
        }
        Expr::Between { expr, negated: not, low, high } => {
            let low = Node::Compare(Comparison::GreaterOrEqual, boxed(expr)?, boxed(low)?);
            let high = Node::Compare(Comparison::LessOrEqual, boxed(expr)?, boxed(high)?);
            negated(Node::All(vec![low, high]), *not)
        }
        Expr::Like { negated: not, any: false, expr, pattern, escape_char: None } => match inner(pattern)? {
            Node::Text(pattern) => negated(Node::Like(boxed(expr)?, pattern), *not),
            _ => return Err(unsupported(expression)),
        },
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => negated(inner(expr)?, true),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match inner(expr)? {
            Node::Number(number) if !number.starts_with('-') => Node::Number(format!("-{number}")),
            other => Node::Negate(Box::new(other)),
        },
        Expr::BinaryOp { left, op, right } => {
            binary(op, inner(left)?, inner(right)?).ok_or_else(|| unsupported(expression))?
        }
        Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            let known = matches!(name.as_str(), "length" | "char_length" | "character_length");
            match (&function.args, known && function.filter.is_none() && function.over.is_none()) {
                (FunctionArguments::List(list), true) if list.clauses.is_empty() => {
                    match list.args.as_slice() {
                        [FunctionArg::Unnamed(FunctionArgExpr::Expr(of))] => Node::Length(boxed(of)?),
                        _ => return Err(unsupported(expression)),
                    }
                }
                _ => return Err(unsupported(expression)),
            }
        }
        _ => return Err(unsupported(expression)),
    })
}

fn unsupported(expression: &Expr) -> String {
    let shown: String = expression.to_string().chars().take(100).collect();
    format!("{shown} is not evaluated here")
}

fn binary(op: &BinaryOperator, left: Node, right: Node) -> Option<Node> {
    use Comparison::*;
    let compare = |comparison, left, right| Node::Compare(comparison, Box::new(left), Box::new(right));
    let calculate = |arithmetic, left, right| Node::Calculate(arithmetic, Box::new(left), Box::new(right));
    Some(match op {
        BinaryOperator::And => Node::All(vec![left, right]),
        BinaryOperator::Or => Node::Any(vec![left, right]),
        BinaryOperator::Eq => compare(Equal, left, right),
        BinaryOperator::NotEq => compare(NotEqual, left, right),
        BinaryOperator::Lt => compare(Less, left, right),
        BinaryOperator::LtEq => compare(LessOrEqual, left, right),
        BinaryOperator::Gt => compare(Greater, left, right),
        BinaryOperator::GtEq => compare(GreaterOrEqual, left, right),
        BinaryOperator::Spaceship => compare(Same, left, right),
        BinaryOperator::Plus => calculate(Arithmetic::Add, left, right),
        BinaryOperator::Minus => calculate(Arithmetic::Subtract, left, right),
        BinaryOperator::Multiply => calculate(Arithmetic::Multiply, left, right),
        BinaryOperator::Modulo => calculate(Arithmetic::Remainder, left, right),
        _ => return None,
    })
}

fn literal(value: &Value) -> Result<Node, String> {
    Ok(match value {
        Value::Null => Node::Null,
        Value::Boolean(truth) => Node::Truth(*truth),
        Value::Number(number, false) => Node::Number(number.clone()),
        // Engines differ in what a backslash means.
        Value::SingleQuotedString(text) if !text.contains('\\') => Node::Text(text.clone()),
        other => return Err(format!("{other} is read differently by different engines")),
    })
}

impl Node {
    /// The same with the columns as the schema spells them; notes which ones it reads.
    pub(super) fn resolve(&self, schema: &Schema, columns: &mut BTreeSet<String>) -> Result<Node, String> {
        let mut boxed = |node: &Node| node.resolve(schema, columns).map(Box::new);
        Ok(match self {
            Node::Column(path) => {
                let path = spelled(path, schema.fields())?;
                columns.extend(path.first().cloned());
                Node::Column(path)
            }
            Node::Not(of) => Node::Not(boxed(of)?),
            Node::IsNull(of) => Node::IsNull(boxed(of)?),
            Node::Is(of, truth) => Node::Is(boxed(of)?, *truth),
            Node::Like(of, pattern) => Node::Like(boxed(of)?, pattern.clone()),
            Node::Negate(of) => Node::Negate(boxed(of)?),
            Node::Length(of) => Node::Length(boxed(of)?),
            Node::Compare(comparison, left, right) => Node::Compare(*comparison, boxed(left)?, boxed(right)?),
            Node::Calculate(arithmetic, left, right) => {
                Node::Calculate(*arithmetic, boxed(left)?, boxed(right)?)
            }
            Node::All(parts) => Node::All(resolve_all(parts, schema, columns)?),
            Node::Any(parts) => Node::Any(resolve_all(parts, schema, columns)?),
            Node::Null | Node::Truth(_) | Node::Number(_) | Node::Text(_) | Node::Day(_) => self.clone(),
        })
    }
}

fn resolve_all(parts: &[Node], schema: &Schema, columns: &mut BTreeSet<String>) -> Result<Vec<Node>, String> {
    parts.iter().map(|part| part.resolve(schema, columns)).collect()
}

/// A path of names as the schema spells them. Case does not count, as for all engines that write such conditions.
fn spelled(path: &[String], fields: &Fields) -> Result<Vec<String>, String> {
    let mut level = Some(fields);
    let mut found = Vec::with_capacity(path.len());
    for name in path {
        let missing = || format!("there is no column {}", path.join("."));
        let fields = level.ok_or_else(missing)?;
        let same = |field: &&std::sync::Arc<Field>| field.name().to_lowercase() == name.to_lowercase();
        let field = fields.find(name).map(|(_, field)| field).or_else(|| fields.iter().find(same));
        let field = field.ok_or_else(missing)?;
        // CHAR and VARCHAR are compared with padding by some engines and without by others.
        if field.metadata().contains_key("__CHAR_VARCHAR_TYPE_STRING") {
            return Err(format!("column {} is of a CHAR or VARCHAR type", path.join(".")));
        }
        level = match field.data_type() {
            DataType::Struct(fields) => Some(fields),
            _ => None,
        };
        found.push(field.name().clone());
    }
    Ok(found)
}
