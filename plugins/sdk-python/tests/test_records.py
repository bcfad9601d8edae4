import itertools
import unittest

from anabranch_plugin.records import diff_records, merge_order, merge_records, split_lines


def merged(base, ours, theirs):
    records = merge_records(base, ours, theirs)
    clashes = [record.key for record in records if record.clashes]
    return {record.key: record.merged for record in records if record.merged is not None}, clashes


class Records(unittest.TestCase):
    def test_what_one_side_changed_is_taken(self):
        base = {"a": 1, "b": 1, "c": 1}
        self.assertEqual(merged(base, {"a": 2, "b": 1, "c": 1}, {"a": 1, "b": 3}), ({"a": 2, "b": 3}, []))

    def test_a_clash_keeps_ours_as_the_proposal(self):
        self.assertEqual(merged({"a": 1}, {"a": 2}, {"a": 3}), ({"a": 2}, ["a"]))
        self.assertEqual(merged({"a": 1}, {}, {"a": 3}), ({}, ["a"]))
        self.assertEqual(merged({}, {"a": 2}, {"a": 3}), ({"a": 2}, ["a"]))

    def test_the_laws_hold_for_every_small_merge(self):
        values = [None, 0, 1, 2]
        one = lambda value: {} if value is None else {"k": value}
        for base, ours, theirs in itertools.product(values, repeat=3):
            forward, clashes = merged(one(base), one(ours), one(theirs))
            backward, _ = merged(one(base), one(theirs), one(ours))
            self.assertEqual(bool(clashes), len({base, ours, theirs}) == 3)
            if not clashes:
                self.assertEqual(forward, backward)
            if base == ours:
                self.assertEqual(forward, one(theirs))

    def test_what_theirs_added_stands_behind_its_predecessor(self):
        self.assertEqual(merge_order(list("abc"), list("xaybzc")), list("xaybzc"))
        self.assertEqual(merge_order(list("cba"), list("abxc")), list("cbxa"))
        self.assertEqual(merge_order([], list("ab")), list("ab"))

    def test_a_diff_names_each_key_once(self):
        before, after = {"a": 1, "b": 1, "c": 1}, {"a": 1, "c": 2, "d": 1}
        self.assertEqual(diff_records(before, after), [("b", 1, None), ("c", 1, 2), ("d", None, 1)])

    def test_what_is_equal_is_for_the_plugin_to_say(self):
        exact = lambda left, right: repr(left) == repr(right)
        (loose,) = merge_records({"a": 1}, {"a": 1}, {"a": True})
        (strict,) = merge_records({"a": 1}, {"a": 1}, {"a": True}, exact)
        self.assertEqual((repr(loose.merged), repr(strict.merged)), ("1", "True"))
        self.assertEqual(diff_records({"a": 1}, {"a": True}, exact), [("a", 1, True)])

    def test_lines_keep_their_ends(self):
        for text in ["", "a", "a\n", "a\r\nb\n\nc", "a\fb\u2028c\n"]:
            self.assertEqual("".join(split_lines(text)), text)
        self.assertEqual(split_lines("a\r\nb\fc"), ["a\r\n", "b\fc"])


if __name__ == "__main__":
    unittest.main()
