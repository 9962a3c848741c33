//! The table of what was measured, and the page that keeps it.

use std::{fmt::Write as _, fs, path::Path, thread};

use postern::clock::Clock;

/// What a figure must be.
#[derive(Clone, Copy, Debug)]
pub enum Bar {
    AtLeast(f64, &'static str),
    AtMost(f64, &'static str),
    Below(f64, &'static str),
    /// Stated only.
    None(&'static str),
}

/// One figure.
pub struct Row {
    pub what: String,
    /// What the program stood on.
    pub on: &'static str,
    pub bar: Bar,
    pub figure: f64,
    pub remark: String,
}

impl Row {
    const fn holds(&self) -> bool {
        match self.bar {
            Bar::AtLeast(bar, _) => self.figure >= bar,
            Bar::AtMost(bar, _) => self.figure <= bar,
            Bar::Below(bar, _) => self.figure < bar,
            Bar::None(_) => true,
        }
    }

    fn cells(&self) -> [String; 6] {
        let (bar, unit) = match self.bar {
            Bar::AtLeast(bar, unit) => (format!("≥ {bar} {unit}"), unit),
            Bar::AtMost(bar, unit) => (format!("≤ {bar} {unit}"), unit),
            Bar::Below(bar, unit) => (format!("< {bar} {unit}"), unit),
            Bar::None(unit) => ("–".to_owned(), unit),
        };
        let verdict = match self.bar {
            Bar::None(_) => "–",
            _ if self.holds() => "held",
            _ => "MISSED",
        };
        [self.what.clone(), self.on.to_owned(), bar, format!("{:.1} {unit}", self.figure), verdict.to_owned(), self.remark.clone()]
    }
}

/// All figures.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds a figure, and shows it at once: a whole run takes minutes.
    pub fn add(&mut self, row: Row) {
        println!("{}", row.cells().join(" | "));
        self.rows.push(row);
    }

    /// Whether every bar holds.
    pub fn holds(&self) -> bool {
        self.rows.iter().all(Row::holds)
    }

    /// Whether PostgreSQL and Redis were there too.
    pub fn is_complete(&self) -> bool {
        self.rows.iter().any(|row| row.on != "embedded")
    }

    /// As a table in Markdown.
    pub fn table(&self) -> String {
        let head = ["what", "on", "bar", "measured", "", "remark"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(head).chain(self.rows.iter().map(Row::cells)).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..6).map(width).collect();
        let mut table = String::new();
        for (number, row) in rows.iter().enumerate() {
            for (cell, width) in row.iter().zip(&widths) {
                let _ = write!(table, "| {cell:width$} ");
            }
            table.push_str("|\n");
            if number == 0 {
                for width in &widths {
                    let _ = write!(table, "|{}", "-".repeat(width + 2));
                }
                table.push_str("|\n");
            }
        }
        table
    }

    /// Keeps the figures in a page.
    pub fn write(&self, path: &Path) {
        let page = format!(
            "# Benchmarks\n\n\
             `scripts/bench` wrote this page. It builds the program as it is released, starts it on throwaway data, embedded\n\
             and on throwaway PostgreSQL and Redis, and measures it over its public API. Client, servers and program share the machine's cores,\n\
             so ratios and bars matter more than the other figures. `scripts/bench start|reads|sign-ins|passkeys|revocation|subscribers|timing|avatars|large`\n\
             runs one part alone and writes nothing; the exit status says whether every bar held. The throwaway PostgreSQL does not wait for its disk\n\
             (`fsync=off`), as in the tests.\n\n\
             {}\n\
             That `me` on a warm session asks neither the database nor Redis is an ordinary test (`tests/it/hot_path.rs`).\n\n\
             ## Machine\n\n{}",
            self.table(),
            machine()
        );
        fs::write(path, page).unwrap();
    }
}

fn machine() -> String {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let after = |text: String, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
        line.split_once([':', '=']).map(|(_, value)| value.trim().trim_matches('"').to_owned()).unwrap_or_default()
    };
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let memory: f64 = after(file("/proc/meminfo"), "MemTotal").trim_end_matches("kB").trim().parse().unwrap_or_default();
    let date = Clock::system().now().to_string();
    format!(
        "- {cores} cores, {}, {:.0} GiB of memory\n- {}, Linux {}\n- {}\n",
        after(file("/proc/cpuinfo"), "model name"),
        memory / 1024.0 / 1024.0,
        after(file("/etc/os-release"), "PRETTY_NAME"),
        file("/proc/sys/kernel/osrelease").split('-').next().unwrap_or_default().trim(),
        date.split('T').next().unwrap_or_default(),
    )
}
