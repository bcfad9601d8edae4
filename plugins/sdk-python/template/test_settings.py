import unittest

import settings
from anabranch_plugin.records import merge_records

TEXT = """\
# who answers
host = example.org

retries: 3
names = a, \\
    b
# the end
"""


class Settings(unittest.TestCase):
    def test_a_text_is_its_records(self):
        records = settings.parse(TEXT)
        self.assertEqual(list(records), ["host", "retries", "names", settings.END])
        self.assertEqual(records["host"], "# who answers\nhost = example.org\n")
        self.assertEqual(settings.render(records), TEXT)

    def test_what_is_no_settings_file_is_said(self):
        for text, expected in [("a = 1\na = 2\n", "line 2 sets a again"), ("= 1\n", "line 1 has no key")]:
            with self.assertRaisesRegex(ValueError, expected):
                settings.parse(text)

    def test_a_file_without_a_last_newline_merges(self):
        base, ours, theirs = (settings.parse(text) for text in ["a = 1", "a = 1\nb = 2", "c = 3\na = 1"])
        merged = {record.key: record.merged for record in merge_records(base, ours, theirs)}
        self.assertEqual(settings.render(merged), "c = 3\na = 1\nb = 2\n")

    def test_a_value_of_ones_own_keeps_the_comments(self):
        self.assertEqual(settings.with_value("# why\na = 1\n", "a", "2"), "# why\na = 2\n")
        for value in ["2\nb = 3", 2, "\\"]:
            with self.assertRaisesRegex(ValueError, "one line"):
                settings.with_value("a = 1\n", "a", value)


if __name__ == "__main__":
    unittest.main()
