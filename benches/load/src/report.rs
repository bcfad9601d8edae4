//! The table that is printed.

use std::time::Duration;

use crate::load::Outcome;

/// What a figure is compared with.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// So much or more.
    AtLeast(f64),
    /// So much or less.
    AtMost(f64),
    /// Printed beside, without a goal.
    None,
}

/// One line of the table.
pub(crate) struct Row {
    what: String,
    goal: Goal,
    figure: f64,
    unit: &'static str,
    latencies: Option<(Duration, Duration)>,
    errors: Vec<String>,
    notes: Vec<String>,
}

impl Row {
    /// A figure.
    pub(crate) fn new(what: impl Into<String>, goal: Goal, figure: f64, unit: &'static str) -> Self {
        Row { what: what.into(), goal, figure, unit, latencies: None, errors: Vec::new(), notes: Vec::new() }
    }

    /// Steps a second of a load, with its latencies and errors.
    pub(crate) fn rate(what: impl Into<String>, goal: Goal, outcome: &Outcome) -> Self {
        Row::new(what, goal, outcome.per_second(), "/s").of(outcome)
    }

    /// The latencies and errors of a load.
    pub(crate) fn of(mut self, outcome: &Outcome) -> Self {
        self.latencies = Some((outcome.quantile(0.5), outcome.quantile(0.99)));
        self.errors = outcome.errors.clone();
        self.notes.extend(outcome.server.iter().cloned());
        self
    }

    /// Something to say beside.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Several things to say beside.
    pub(crate) fn notes(mut self, notes: Vec<String>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// The latency of 99 of 100 steps has a goal as well.
    pub(crate) fn p99_goal(self, goal: Duration) -> Self {
        match self.latencies {
            Some((_, p99)) if p99 > goal => self.note(format!("p99 goal {} ms: MISSED", goal.as_millis())),
            Some(_) => self.note(format!("p99 goal {} ms: reached", goal.as_millis())),
            None => self,
        }
    }

    /// How far above the goal the figure is: 1 or more is reached.
    fn ratio(&self) -> Option<f64> {
        match self.goal {
            Goal::AtLeast(goal) => Some(self.figure / goal),
            Goal::AtMost(goal) => Some(goal / self.figure),
            Goal::None => None,
        }
    }

    fn cells(&self) -> [String; 7] {
        let goal = match self.goal {
            Goal::AtLeast(goal) => format!("≥ {}", number(goal)),
            Goal::AtMost(goal) => format!("≤ {}", number(goal)),
            Goal::None => String::new(),
        };
        let ratio = self.ratio().map_or(String::new(), |ratio| format!("{ratio:.2}"));
        let time = |pick: fn((Duration, Duration)) -> Duration| {
            self.latencies.map_or(String::new(), |both| format!("{:.1}", pick(both).as_secs_f64() * 1e3))
        };
        [
            self.what.clone(),
            goal,
            format!("{}{}", number(self.figure), self.unit),
            ratio,
            time(|both| both.0),
            time(|both| both.1),
            self.errors.len().to_string(),
        ]
    }

    /// Prints the line as soon as it is known; the table comes at the end.
    pub(crate) fn announce(&self) {
        let [what, goal, figure, ratio, p50, p99, errors] = self.cells();
        eprintln!(
            "{what}: {figure} (goal {goal}, ratio {ratio}), p50 {p50} ms, p99 {p99} ms, {errors} errors"
        );
        for note in &self.notes {
            eprintln!("    {note}");
        }
        if let Some(error) = self.errors.first() {
            eprintln!("    the first error: {error}");
        }
    }
}

fn number(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Prints all lines as one table in Markdown.
pub(crate) fn print(rows: &[Row]) {
    let heading = ["work", "goal", "figure", "ratio", "p50 ms", "p99 ms", "errors"].map(str::to_owned);
    let cells: Vec<[String; 7]> = rows.iter().map(Row::cells).collect();
    let width = |column: usize| {
        let all = std::iter::once(&heading).chain(&cells);
        all.map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |row: &[String; 7]| {
        let padded = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("| {} |", padded.collect::<Vec<_>>().join(" | "))
    };
    println!("\n{}", line(&heading));
    println!("|{}|", widths.map(|width| "-".repeat(width + 2)).join("|"));
    for row in &cells {
        println!("{}", line(row));
    }
    println!();
    for row in rows.iter().filter(|row| !row.notes.is_empty() || !row.errors.is_empty()) {
        println!("{}:", row.what);
        for note in &row.notes {
            println!("  - {note}");
        }
        if let Some(error) = row.errors.first() {
            println!("  - the first error: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_at_least_one_when_the_goal_is_reached() {
        assert_eq!(Row::new("a", Goal::AtLeast(100.0), 150.0, "/s").ratio(), Some(1.5));
        assert_eq!(Row::new("a", Goal::AtMost(100.0), 200.0, " ms").ratio(), Some(0.5));
        assert_eq!([number(0.5), number(12_345.6), number(999.0)], ["0.50", "12,346", "999"]);
    }
}
