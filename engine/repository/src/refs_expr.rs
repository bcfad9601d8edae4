//! Ref expressions as text: `main`, `main~2`, `v1.0^2~3`, `ab12cd@`. Pure.

/// No expression has more steps.
const STEPS_MAX: usize = 100;

/// One step from a commit to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// The N-th first ancestor; 0 is the commit itself.
    Ancestor(u64),
    /// The N-th parent, from 1; 0 is the commit itself.
    Parent(u64),
    /// The commit itself, without uncommitted changes.
    Committed,
}

/// A ref expression.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RefExpression<'a> {
    /// A branch, a tag, a commit id or a prefix of one.
    pub(crate) name: &'a str,
    /// From there on.
    pub(crate) steps: Vec<Step>,
}

/// Reads an expression. The error says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<RefExpression<'_>, String> {
    let shown: String = text.chars().take(200).collect();
    let refused = |why: &str| format!("{shown:?} is no ref expression: {why}");
    let (name, mut rest) = text.split_at(text.find(['~', '^', '@']).unwrap_or(text.len()));
    if name.is_empty() {
        return Err(refused("it begins with no branch, tag or commit id"));
    }
    let mut steps = Vec::new();
    while let Some(symbol) = rest.chars().next() {
        let after = rest.get(symbol.len_utf8()..).unwrap_or_default();
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (number, next) = after.split_at(digits);
        let number = match (number, symbol) {
            ("", _) => 1,
            (_, '@') => return Err(refused("no number follows '@'")),
            (number, _) => number.parse().map_err(|_| refused("the number is too large"))?,
        };
        steps.push(match symbol {
            '~' => Step::Ancestor(number),
            '^' => Step::Parent(number),
            '@' => Step::Committed,
            _ => return Err(refused("after the name come '~', '^' or '@', and numbers")),
        });
        if steps.len() > STEPS_MAX {
            return Err(refused("it has more than 100 steps"));
        }
        rest = next;
    }
    Ok(RefExpression { name, steps })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Expect) {
        let answer = match parse(text) {
            Ok(expression) => format!("{} {:?}", expression.name, expression.steps),
            Err(error) => error,
        };
        expected.assert_eq(&answer);
    }

    #[test]
    fn expressions_are_read() {
        check("main", expect!["main []"]);
        check("main~", expect!["main [Ancestor(1)]"]);
        check("v1.0~2^2@", expect!["v1.0 [Ancestor(2), Parent(2), Committed]"]);
        check("main^0^^", expect!["main [Parent(0), Parent(1), Parent(1)]"]);
    }

    #[test]
    fn what_is_no_expression_is_refused_and_shown() {
        check("", expect![[r#""" is no ref expression: it begins with no branch, tag or commit id"#]]);
        check("~1", expect![[r#""~1" is no ref expression: it begins with no branch, tag or commit id"#]]);
        check(
            "main~1x",
            expect![[r#""main~1x" is no ref expression: after the name come '~', '^' or '@', and numbers"#]],
        );
        check("main@1", expect![[r#""main@1" is no ref expression: no number follows '@'"#]]);
        check(
            "main~99999999999999999999",
            expect![[r#""main~99999999999999999999" is no ref expression: the number is too large"#]],
        );
    }

    proptest! {
        #[test]
        fn any_text_is_an_expression_or_an_error(text in "\\PC{0,30}|[a~^@0-9é]{0,250}") {
            let _ = parse(&text);
        }
    }
}
