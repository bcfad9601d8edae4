//! Whether a condition may be true of rows of which only bounds are known.

use super::Predicate;
use super::syntax::{Comparison, Node};

impl Predicate {
    /// Whether the condition may be true of some row, by the least and the greatest value that `bounds` gives for columns of
    /// whole numbers, as far as it knows them. Without knowledge it may.
    pub fn may_hold(&self, bounds: &dyn Fn(&str) -> Option<(i64, i64)>) -> bool {
        may_hold(&self.node, bounds)
    }
}

fn may_hold(node: &Node, bounds: &dyn Fn(&str) -> Option<(i64, i64)>) -> bool {
    match node {
        Node::All(parts) => parts.iter().all(|part| may_hold(part, bounds)),
        Node::Any(parts) => parts.iter().any(|part| may_hold(part, bounds)),
        Node::Compare(comparison, left, right) => match (column(left), column(right)) {
            (Some(column), None) => may_compare(*comparison, bounds(column), whole(right)),
            (None, Some(column)) => may_compare(turned(*comparison), bounds(column), whole(left)),
            _ => true,
        },
        _ => true,
    }
}

fn may_compare(comparison: Comparison, bounds: Option<(i64, i64)>, with: Option<i64>) -> bool {
    let (Some((least, greatest)), Some(with)) = (bounds, with) else { return true };
    match comparison {
        Comparison::Equal | Comparison::Same => least <= with && with <= greatest,
        Comparison::NotEqual => least != with || greatest != with,
        Comparison::Less => least < with,
        Comparison::LessOrEqual => least <= with,
        Comparison::Greater => greatest > with,
        Comparison::GreaterOrEqual => greatest >= with,
    }
}

/// The comparison with its sides changed over.
fn turned(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        same @ (Comparison::Equal | Comparison::NotEqual | Comparison::Same) => same,
    }
}

fn column(node: &Node) -> Option<&str> {
    match node {
        Node::Column(path) => path.first().filter(|_| path.len() == 1).map(String::as_str),
        _ => None,
    }
}

fn whole(node: &Node) -> Option<i64> {
    match node {
        Node::Number(text) => text.parse().ok(),
        Node::Negate(of) => whole(of)?.checked_neg(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_tell_where_a_condition_cannot_be_true() {
        let may = |condition: &str| {
            let bounds = |column: &str| (column == "id").then_some((10, 20));
            Predicate::parse(condition).unwrap().may_hold(&bounds)
        };
        for condition in [
            "id = 10",
            "id >= 20",
            "10 >= id",
            "id <> 10",
            "id IN (1, 15)",
            "id BETWEEN 20 AND 30",
            "n = 3",
            "id < 5 OR n = 3",
            "NOT id = 15",
            "id IS NULL",
            "id + 1 = 3",
            "id <=> 15",
            "id > 1.5",
            "id.x = 3",
            "id > -5",
        ] {
            assert!(may(condition), "{condition}");
        }
        for condition in [
            "id = 9",
            "id > 20",
            "10 > id",
            "id IN (1, 2)",
            "id BETWEEN 21 AND 30",
            "id < 5 AND n = 3",
            "id <=> 21",
            "id < -5",
            "id < 5 OR id > 30",
        ] {
            assert!(!may(condition), "{condition}");
        }
    }
}
