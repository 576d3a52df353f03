//! What was asked and what was measured.

use super::load::Sample;

/// One comparison.
#[derive(Debug)]
pub struct Row {
    pub work: String,
    pub souk: String,
    pub peer: String,
    pub measured: f64,
    pub unit: Unit,
    pub asked: Asked,
}

#[derive(Debug, Clone, Copy)]
pub enum Unit {
    /// Souk's throughput, as a part of the peer's.
    Percent,
    /// Souk's cost, as a multiple of the peer's.
    Times,
    MiB,
}

/// What the measured value ought to be.
#[derive(Debug, Clone, Copy)]
pub enum Asked {
    AtLeast(f64),
    AtMost(f64),
    /// It is only there to compare with.
    Nothing,
}

impl Unit {
    fn write(self, value: f64) -> String {
        match self {
            Self::Percent => format!("{:.0}%", 100.0 * value),
            Self::Times => format!("{value:.2}×"),
            Self::MiB => format!("{value:.0} MiB"),
        }
    }
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let (asked, verdict) = match self.asked {
            Asked::AtLeast(bound) => {
                (format!("≥ {}", self.unit.write(bound)), self.measured >= bound)
            }
            Asked::AtMost(bound) => {
                (format!("≤ {}", self.unit.write(bound)), self.measured <= bound)
            }
            Asked::Nothing => (String::new(), true),
        };
        let verdict = match (self.asked, verdict) {
            (Asked::Nothing, _) => "",
            (_, true) => "holds",
            (_, false) => "misses",
        };
        [
            self.work.clone(),
            self.souk.clone(),
            self.peer.clone(),
            self.unit.write(self.measured),
            asked,
            verdict.to_owned(),
        ]
    }
}

/// Prints rows under each other.
pub fn print(rows: &[Row]) {
    let head = ["work", "souk", "peer", "ratio", "asked", ""].map(str::to_owned);
    let lines: Vec<[String; 6]> = [head].into_iter().chain(rows.iter().map(Row::cells)).collect();
    for line in &lines {
        let mut text = String::new();
        for (column, cell) in line.iter().enumerate() {
            let width = lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
            let padding = width - cell.chars().count();
            text += &format!("{cell}{:padding$}  ", "");
        }
        println!("{}", text.trim_end());
    }
}

/// The median of a value over rounds.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median over rounds of the ratio within a round, so that a machine that is busy for a while
/// favours nobody.
pub fn ratio(ours: &[Sample], theirs: &[Sample], value: impl Fn(&Sample) -> f64) -> f64 {
    median(ours.iter().zip(theirs).map(|(ours, theirs)| value(ours) / value(theirs)))
}
