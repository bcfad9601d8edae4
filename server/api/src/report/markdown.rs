//! A report as Markdown that fits a pull-request comment.

use super::document::{Document, Line, Piece, Section};

/// The longest report, in characters: GitHub takes comments of up to 65,536.
const CHARACTERS_MAX: usize = 65_000;
/// Longer than every sentence that says what is left out.
const LEFT_OUT_MAX: usize = 160;

/// Writes the report. What does not fit is left out row by row, from the end of each section, and counted.
pub(super) fn render(document: &Document) -> String {
    render_within(document, CHARACTERS_MAX)
}

/// A section, written.
struct Written {
    head: String,
    rows: Vec<String>,
}

impl Written {
    fn new(section: &Section) -> Self {
        let mut head = format!("\n## {}\n\n", section.heading);
        if let Some(columns) = section.columns {
            let rule: Vec<&str> = columns.iter().map(|_| "---").collect();
            head.push_str(&format!("| {} |\n| {} |\n", columns.join(" | "), rule.join(" | ")));
        }
        let row = |cells: &Vec<Line>| {
            let cells: Vec<String> = cells.iter().map(line).collect();
            match section.columns {
                Some(_) => format!("| {} |\n", cells.join(" | ")),
                None => format!("- {}\n", cells.join(" ")),
            }
        };
        Written { head, rows: section.rows.iter().map(row).collect() }
    }

    /// How many characters its rows take.
    fn wanted(&self) -> usize {
        self.rows.iter().map(|row| characters(row)).sum()
    }
}

fn render_within(document: &Document, limit: usize) -> String {
    let mut out = format!("# {}\n", line(&document.title));
    for one in &document.lines {
        out.push_str(&format!("\n{}\n", line(one)));
    }
    let sections: Vec<Written> = document.sections.iter().map(Written::new).collect();
    let fixed: usize =
        sections.iter().map(|section| characters(&section.head).saturating_add(LEFT_OUT_MAX)).sum();
    let mut room = limit.saturating_sub(characters(&out)).saturating_sub(fixed);
    // Each section is sure of an equal share; those before it may take what it does not want.
    let share = room.checked_div(sections.len()).unwrap_or(0);
    let mut kept_for_later: usize = sections.iter().map(|section| section.wanted().min(share)).sum();
    for section in &sections {
        kept_for_later = kept_for_later.saturating_sub(section.wanted().min(share));
        let mut own = room.saturating_sub(kept_for_later);
        room = room.saturating_sub(own);
        out.push_str(&section.head);
        let mut shown = 0_usize;
        for row in &section.rows {
            let Some(left) = own.checked_sub(characters(row)) else { break };
            own = left;
            out.push_str(row);
            shown = shown.saturating_add(1);
        }
        room = room.saturating_add(own);
        match section.rows.len().saturating_sub(shown) {
            0 => {}
            1 => out.push_str("\n1 more is left out here; the report as JSON has it.\n"),
            hidden => {
                out.push_str(&format!("\n{hidden} more are left out here; the report as JSON has them.\n"))
            }
        }
    }
    out
}

fn characters(text: &str) -> usize {
    text.chars().count()
}

fn line(pieces: &Line) -> String {
    let pieces = pieces.iter().map(|piece| match piece {
        Piece::Text(words) => escaped(words),
        Piece::Code(name) => code(name),
    });
    pieces.collect()
}

/// Text without what would break a line, move a terminal's cursor, or turn its direction.
pub(super) fn plain(text: &str) -> impl Iterator<Item = char> + '_ {
    let is_hidden =
        |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(move |c| if is_hidden(c) { '\u{fffd}' } else { c })
}

/// Words that stay words: nothing in them becomes markup, a cell's end, or a mention of somebody.
fn escaped(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for c in plain(words) {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '#' | '$' | '!' => {
                out.extend(['\\', c]);
            }
            // A backslash does not keep forges from telling the person of that name.
            '@' => out.push_str("@<!-- -->"),
            c => out.push(c),
        }
    }
    out
}

/// A name as it is. Where a span of code could not hold it within a table, each character that means something is
/// written by its number.
fn code(name: &str) -> String {
    let name: String = plain(name).collect();
    let fits = !name.contains(['`', '|', '\\']) && name.trim() == name && !name.is_empty();
    if fits {
        return format!("`{name}`");
    }
    let mut out = String::from("<code>");
    for c in name.chars() {
        match c {
            c if c.is_ascii_punctuation() => out.push_str(&format!("&#{};", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push_str("</code>");
    out
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn document(sections: &[usize]) -> Document {
        let section = |rows: &usize| Section {
            heading: "Conflicts",
            columns: Some(&["Where", "What"]),
            rows: (0..*rows)
                .map(|row| {
                    vec![vec![Piece::Code(format!("path/{row:06}"))], vec![Piece::Text("x".repeat(50))]]
                })
                .collect(),
        };
        Document {
            title: vec![Piece::Text("Merge of ".into()), Piece::Code("dev".into())],
            lines: vec![],
            sections: sections.iter().map(section).collect(),
        }
    }

    #[test]
    fn names_and_words_stay_what_they_are() {
        let shown = |name: &str| format!("{} {}", code(name), escaped(name));
        let hostile = [
            "a/b_c.csv",
            "a|b",
            "`rm`",
            "<b>",
            "\u{1b}[31m\n# x",
            "@octocat #1",
            " x",
            "a\\|b",
            "a\u{202e}b",
        ];
        let lines: Vec<_> = hostile.into_iter().map(shown).collect();
        expect![[r#"
            `a/b_c.csv` a/b\_c.csv
            <code>a&#124;b</code> a\|b
            <code>&#96;rm&#96;</code> \`rm\`
            `<b>` \<b\>
            `�[31m�# x` �\[31m�\# x
            `@octocat #1` @<!-- -->octocat \#1
            <code> x</code>  x
            <code>a&#92;&#124;b</code> a\\\|b
            `a�b` a�b"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn what_does_not_fit_is_counted_and_each_section_has_its_share() {
        let whole = render(&document(&[100, 50]));
        assert!(!whole.contains("left out"), "{whole}");
        for sections in [&[100_000_usize][..], &[100_000, 3], &[3, 100_000], &[5_000, 5_000, 5_000, 5_000]] {
            let shown = render(&document(sections));
            let length = shown.chars().count();
            assert!(length <= CHARACTERS_MAX && length > CHARACTERS_MAX - 1_000, "{sections:?}: {length}");
            assert_eq!(shown, render(&document(sections)), "the same every time");
            for (part, rows) in shown.split("## Conflicts").skip(1).zip(sections) {
                let listed = part.lines().filter(|line| line.contains("path/")).count();
                let hidden: usize = part
                    .lines()
                    .find_map(|line| line.split_once(" more are left out"))
                    .map_or(0, |(count, _)| count.parse().unwrap());
                assert_eq!(listed + hidden, *rows, "{sections:?}");
                assert!(listed >= 3, "{sections:?}");
            }
        }
    }

    #[test]
    fn a_limit_smaller_than_its_heading_still_says_what_is_left_out() {
        expect![[r#"
            # Merge of `dev`

            ## Conflicts

            | Where | What |
            | --- | --- |

            7 more are left out here; the report as JSON has them.
        "#]]
        .assert_eq(&render_within(&document(&[7]), 10));
    }
}
