//! Tables: for a terminal, or for a document.

use crate::metrics::{AUC, Measured, NAMES, RATE, RECALL, Row, WEIGHTED_KS};

/// Part of a bar by which the mean of five seeds moves from draw to draw.
const NOISE: f64 = 0.1;

/// How tables are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Text,
    Markdown,
}

impl Style {
    pub(crate) fn title(self, text: &str) {
        match self {
            Self::Text => println!("\n\n{text}"),
            Self::Markdown => println!("\n## {text}"),
        }
    }

    pub(crate) fn heading(self, text: &str) {
        match self {
            Self::Text => println!("\n{text}"),
            Self::Markdown => println!("\n### {text}\n"),
        }
    }

    pub(crate) fn note(self, text: &str) {
        match self {
            Self::Text => println!("  {text}"),
            Self::Markdown => println!("- {text}"),
        }
    }

    /// A line of names above rows.
    pub(crate) fn names(self, first: &str, names: &[&str]) {
        match self {
            Self::Text => {
                let names: Vec<String> = names.iter().map(|name| format!("{name:>8}")).collect();
                println!("  {first:<24}{}", names.join(" "));
            }
            Self::Markdown => {
                println!("| {first} | {} |", names.join(" | "));
                println!("|---|{}", "---:|".repeat(names.len()));
            }
        }
    }

    pub(crate) fn row(self, name: &str, cells: &[String]) {
        match self {
            Self::Text => {
                let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>8}")).collect();
                println!("  {name:<24}{}", cells.join(" "));
            }
            Self::Markdown => {
                let cells: Vec<&str> = cells.iter().map(|cell| cell.trim()).collect();
                println!("| {name} | {} |", cells.join(" | "));
            }
        }
    }

    /// The table of one stream at one budget.
    pub(crate) fn table(self, heading: &str, rows: &[(&str, &Measured)]) {
        self.heading(heading);
        let rows: Vec<(&str, &Row)> = rows.iter().map(|(name, run)| (*name, &run.row)).collect();
        // A measure that nobody has is no column.
        let shown: Vec<usize> =
            (0..NAMES.len()).filter(|column| rows.iter().any(|(_, row)| !row[*column].is_nan())).collect();
        self.names("sampler", &shown.iter().map(|column| NAMES[*column]).collect::<Vec<_>>());
        for (name, row) in &rows {
            let cells: Vec<String> = shown.iter().map(|column| cell(*column, row[*column])).collect();
            self.row(name, &cells);
        }
    }

    /// Recall by kind of fault: a kind a line, a sampler a column.
    pub(crate) fn kinds(self, heading: &str, kinds: &[String], rows: &[(&str, &Measured)]) {
        self.heading(heading);
        let names: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
        self.names("kind of fault", &names);
        for (place, kind) in kinds.iter().enumerate() {
            let width = |name: &str| name.len().max(8);
            let cells = rows.iter().map(|(name, run)| format!("{:>width$.3}", run.by_kind[place], width = width(name)));
            self.row(kind, &cells.collect::<Vec<_>>());
        }
    }

    /// A bar beside what was measured; returns whether it holds but for the noise of five seeds.
    pub(crate) fn bar(self, what: &str, measured: f64, bar: f64, is_least: bool) -> bool {
        let holds = if is_least { measured >= bar } else { measured <= bar };
        let (sign, word) = (if is_least { ">=" } else { "<=" }, if holds { "holds" } else { "MISSED" });
        self.row(what, &[format!("{measured:.3}"), format!("{sign} {bar}"), word.to_owned()]);
        holds || (measured - bar).abs() <= NOISE * bar
    }
}

fn cell(column: usize, value: f64) -> String {
    match column {
        _ if value.is_nan() => "-".to_owned(),
        RATE => format!("{value:+.3}"),
        column if column + 1 == NAMES.len() => format!("{value:.0}"),
        _ => format!("{value:.3}"),
    }
}

/// The means of the runs, measure by measure; of those that are defined.
pub(crate) fn mean(runs: &[Measured]) -> Measured {
    let of = |value: &dyn Fn(&Measured) -> f64| {
        let known: Vec<f64> = runs.iter().map(value).filter(|value| !value.is_nan()).collect();
        known.iter().sum::<f64>() / known.len() as f64
    };
    let kinds = runs.first().map_or(0, |run| run.by_kind.len());
    Measured {
        row: std::array::from_fn(|column| of(&|run| run.row[column])),
        by_kind: (0..kinds).map(|kind| of(&|run| run.by_kind[kind])).collect(),
    }
}

/// What the evaluation protocol asks of the adaptive sampler at one budget on TrainTicket; returns
/// how many bars are missed.
pub(crate) fn bars(style: Style, budget: f64, alone: Option<&Row>, mix: Option<&Row>) -> usize {
    let five = (budget - 0.05).abs() < 1e-9;
    if !five && (budget - 0.1).abs() > 1e-9 {
        return 0;
    }
    let mut held = Vec::new();
    style.heading(&format!("Bars on S3 at {:.0} %", budget * 100.0));
    style.names("", &["measured", "bar", ""]);
    if let Some(alone) = alone {
        held.push(style.bar("score alone, AUC", alone[AUC], 0.98, true));
        held.push(style.bar("score alone, recall", alone[RECALL], if five { 0.25 } else { 0.5 }, true));
        held.push(style.bar("score alone, |kept/target - 1|", alone[RATE].abs(), 0.05, false));
    }
    if let Some(mix) = mix {
        held.push(style.bar("mix, recall", mix[RECALL], if five { 0.17 } else { 0.33 }, true));
        held.push(style.bar("mix, |kept/target - 1|", mix[RATE].abs(), 0.05, false));
        if !five {
            held.push(style.bar("mix, weighted KS", mix[WEIGHTED_KS], 0.05, false));
        }
    }
    held.iter().filter(|held| !**held).count()
}
