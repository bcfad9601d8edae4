//! The rule of a three-way merge of one value: pure, for entries and for anything else that can be equal.

/// What one side did to a value since the base.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It was absent and is there now.
    Added,
    /// It was there and is absent now.
    Removed,
    /// It was there and is another now.
    Modified,
}

impl Change {
    /// The change from `before` to `after`; `None` when they are equal by `same`.
    pub fn between<T>(
        before: Option<&T>,
        after: Option<&T>,
        same: impl Fn(&T, &T) -> bool,
    ) -> Option<Change> {
        match (before, after) {
            (None, None) => None,
            (None, Some(_)) => Some(Change::Added),
            (Some(_), None) => Some(Change::Removed),
            (Some(before), Some(after)) => (!same(before, after)).then_some(Change::Modified),
        }
    }
}

/// One value on the three sides of a merge; absent where it is `None`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThreeWay<T> {
    /// In the merge base.
    pub base: Option<T>,
    /// On the destination branch.
    pub ours: Option<T>,
    /// On the source branch.
    pub theirs: Option<T>,
}

/// What the rule says of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Ours stands: only ours changed, nobody did, or both came to the same.
    Ours,
    /// Theirs is taken: only theirs changed.
    Theirs,
    /// Both changed it, differently.
    Conflict,
}

impl<T> ThreeWay<T> {
    /// Decides by the rule: an unchanged side takes the other; the same change on both sides is no conflict.
    pub fn decide(&self, same: impl Fn(&T, &T) -> bool) -> Decision {
        let equal = |left: &Option<T>, right: &Option<T>| match (left, right) {
            (None, None) => true,
            (Some(left), Some(right)) => same(left, right),
            _ => false,
        };
        if equal(&self.base, &self.theirs) || equal(&self.ours, &self.theirs) {
            Decision::Ours
        } else if equal(&self.base, &self.ours) {
            Decision::Theirs
        } else {
            Decision::Conflict
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every merge of three values out of absent, 1, 2, 3: the laws, exhaustively.
    #[test]
    fn the_rule_keeps_its_laws_on_every_small_merge() {
        let values = [None, Some(1), Some(2), Some(3)];
        let same = |a: &i32, b: &i32| a == b;
        for base in values {
            for ours in values {
                for theirs in values {
                    let decision = ThreeWay { base, ours, theirs }.decide(same);
                    let swapped = ThreeWay { base, ours: theirs, theirs: ours }.decide(same);
                    if ours == theirs || base == theirs {
                        assert_eq!(decision, Decision::Ours, "{base:?} {ours:?} {theirs:?}");
                    } else if base == ours {
                        assert_eq!(decision, Decision::Theirs, "{base:?} {ours:?} {theirs:?}");
                    } else {
                        assert_eq!(decision, Decision::Conflict, "{base:?} {ours:?} {theirs:?}");
                    }
                    let result = |d: Decision, o: Option<i32>, t: Option<i32>| match d {
                        Decision::Ours => Some(o),
                        Decision::Theirs => Some(t),
                        Decision::Conflict => None,
                    };
                    assert_eq!(
                        result(decision, ours, theirs),
                        result(swapped, theirs, ours),
                        "swapping sides"
                    );
                }
            }
        }
    }
}
