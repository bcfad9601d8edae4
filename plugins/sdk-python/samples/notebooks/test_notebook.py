import json
import random
import unittest

import notebook


def cell(name, source, outputs=(), **more):
    made = {"cell_type": "code", "id": name, "metadata": {}, "outputs": list(outputs), "source": source}
    return {**made, "execution_count": len(outputs) or None, **more}


def written(*cells, **rest):
    document = {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **rest}
    return json.dumps(document, indent=1) + "\n"


def merged(base, ours, theirs, answers=()):
    """The merged notebook, what was asked, and the notes. `answers` are the sides that are chosen, one a question."""
    asked, answers = [], list(answers)

    def ask(cell, part, record):
        asked.append((cell, part))
        return getattr(record, answers.pop(0)) if answers else record.ours

    result = notebook.merge(*(notebook.parse(side) for side in (base, ours, theirs)), ask)
    return json.loads(notebook.render(result)), asked, result.notes


class Notebooks(unittest.TestCase):
    def test_a_notebook_is_written_as_it_was(self):
        for text in [written(cell("a", "x = 1", ["1"])), json.dumps(json.loads(written())), written() + "\n"]:
            self.assertEqual(notebook.render(notebook.parse(text)), text)

    def test_cells_of_both_sides_stand_where_they_were_put(self):
        a, b = cell("a", "1"), cell("b", "2")
        result, asked, _ = merged(written(a, b), written(cell("o", "ours"), a, b), written(a, cell("t", "theirs")))
        self.assertEqual([each["id"] for each in result["cells"]], ["o", "a", "t"])
        self.assertEqual(asked, [])

    def test_a_source_that_both_changed_is_asked_about_and_brings_its_outputs(self):
        sides = [written(cell("a", source, outputs)) for source, outputs in [("1", ["1"]), ("2", ["2"]), ("3", ["3"])]]
        result, asked, _ = merged(*sides, answers=["theirs"])
        self.assertEqual(asked, [("a", "source")])
        self.assertEqual((result["cells"][0]["source"], result["cells"][0]["outputs"]), ("3", ["3"]))

    def test_outputs_go_with_the_source(self):
        base = written(cell("a", "1", ["1"]))
        ours = written(cell("a", "1", ["run again"], metadata={"tags": ["x"]}))
        result, asked, notes = merged(base, ours, written(cell("a", "2", ["2"])))
        self.assertEqual((asked, notes), ([], []))
        self.assertEqual(result["cells"][0]["outputs"], ["2"])
        self.assertEqual(result["cells"][0]["metadata"], {"tags": ["x"]})

    def test_what_both_ran_is_ours_and_said(self):
        base, ours, theirs = (written(cell("a", "1", [run])) for run in ["1", "2", "3"])
        result, asked, notes = merged(base, ours, theirs)
        self.assertEqual((result["cells"][0]["outputs"], asked, len(notes)), (["2"], [], 1))

    def test_a_cell_that_was_only_run_can_be_removed(self):
        base = written(cell("a", "1"))
        self.assertEqual(merged(base, written(), written(cell("a", "1", ["1"])))[0]["cells"], [])
        result, asked, _ = merged(base, written(cell("a", "2")), written(), answers=["theirs"])
        self.assertEqual((result["cells"], asked), ([], [("a", None)]))

    def test_metadata_merges_key_by_key(self):
        kernel = lambda name, **more: {"kernelspec": {"name": name, **more}}
        base, ours = written(metadata=kernel("py310")), written(metadata=kernel("py311"))
        theirs = written(metadata=kernel("py310", display="Python"), nbformat_minor=6)
        result, asked, _ = merged(base, ours, theirs)
        self.assertEqual((result["metadata"], asked), (kernel("py311", display="Python"), []))
        _, asked, _ = merged(base, ours, written(metadata=kernel("py312")))
        self.assertEqual(asked, [(None, "metadata/kernelspec/name")])

    def test_true_is_not_one(self):
        one, true = (written(cell("a", "1", metadata={"m": value})) for value in (1, True))
        self.assertIs(merged(one, one, true)[0]["cells"][0]["metadata"]["m"], True)

    def test_the_laws_of_a_merge_hold(self):
        chance = random.Random(7)
        pick = lambda: chance.choice(["1", "2", "3"])

        def any_notebook():
            names = [name for name in "abcd" if chance.random() < 0.6]
            chance.shuffle(names)
            made = [cell(name, pick(), chance.choice([[], [pick()]]), metadata={"m": pick()}) for name in names]
            return written(*made, metadata={"kernel": {"name": pick()}})

        for _ in range(500):
            base, theirs = any_notebook(), any_notebook()
            self.assertEqual(merged(base, base, base)[0], json.loads(base))
            for sides in [(base, base, theirs), (base, theirs, base), (base, theirs, theirs)]:
                result, asked, notes = merged(*sides)
                by_id = lambda document: sorted(document["cells"], key=lambda cell: cell["id"])
                self.assertEqual((by_id(result), asked, notes), (by_id(json.loads(theirs)), [], []))
                self.assertEqual(result["metadata"], json.loads(theirs)["metadata"])

    def test_what_is_no_notebook_is_said(self):
        for text, expected in [
            ("[]", "no notebook"),
            ("{", "Expecting"),
            (written({"source": ""}), "cell 1 has no id"),
            (written(cell("a", ""), cell("a", "")), "two cells have the id a"),
        ]:
            with self.assertRaisesRegex(ValueError, expected):
                notebook.parse(text)


if __name__ == "__main__":
    unittest.main()
