//! A report as a page that needs nothing beside itself.

use super::document::{Document, Line, Piece, Section};
use super::markdown::plain;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}\
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}\
table{border-collapse:collapse;width:100%}th,td{border:1px solid #8884;padding:.3rem .5rem;text-align:left;\
vertical-align:top}th{background:#8882}:root{color-scheme:light dark}";

/// Writes the report, all of it.
pub(super) fn render(document: &Document) -> String {
    let title: String = document
        .title
        .iter()
        .map(|piece| match piece {
            Piece::Text(words) | Piece::Code(words) => escaped(words),
        })
        .collect();
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         <h1>{}</h1>\n",
        line(&document.title)
    );
    for one in &document.lines {
        out.push_str(&format!("<p>{}</p>\n", line(one)));
    }
    for section in &document.sections {
        push_section(&mut out, section);
    }
    out.push_str("</html>\n");
    out
}

fn push_section(out: &mut String, section: &Section) {
    out.push_str(&format!("<h2>{}</h2>\n", escaped(section.heading)));
    let (open, close, cell) = match section.columns {
        Some(columns) => {
            let head: String = columns.iter().map(|name| format!("<th>{}</th>", escaped(name))).collect();
            out.push_str(&format!("<table>\n<tr>{head}</tr>\n"));
            ("<tr>", "</tr>\n", "td")
        }
        None => {
            out.push_str("<ul>\n");
            ("", "\n", "li")
        }
    };
    for row in &section.rows {
        out.push_str(open);
        for one in row {
            out.push_str(&format!("<{cell}>{}</{cell}>", line(one)));
        }
        out.push_str(close);
    }
    out.push_str(if section.columns.is_some() { "</table>\n" } else { "</ul>\n" });
}

fn line(pieces: &Line) -> String {
    let pieces = pieces.iter().map(|piece| match piece {
        Piece::Text(words) => escaped(words),
        Piece::Code(name) => format!("<code>{}</code>", escaped(name)),
    });
    pieces.collect()
}

fn escaped(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for c in plain(words) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
