//! What was asked and what was measured.

use super::load::Sample;

/// One comparison.
#[derive(Debug)]
pub struct Row {
    pub measured: f64,
    pub unit: Unit,
    pub asked: Asked,
    /// What the measured value comes from: who, and what was seen of it.
    pub details: Vec<(&'static str, String)>,
}

#[derive(Debug, Clone, Copy)]
pub enum Unit {
    /// Souk's throughput, as a part of the peer's.
    Percent,
    /// Souk's cost, as a multiple of the peer's.
    Times,
    MiB,
    Seconds,
    Milliseconds,
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
            Self::Seconds => format!("{value:.0} s"),
            Self::Milliseconds => format!("{value:.1} ms"),
        }
    }
}

impl Row {
    /// Prints the comparison, and what was compared below it.
    pub fn print(&self, work: &str) {
        let (bound, holds) = match self.asked {
            Asked::AtLeast(bound) => {
                (format!("≥ {}", self.unit.write(bound)), self.measured >= bound)
            }
            Asked::AtMost(bound) => {
                (format!("≤ {}", self.unit.write(bound)), self.measured <= bound)
            }
            Asked::Nothing => (String::new(), true),
        };
        let asked = match (self.asked, holds) {
            (Asked::Nothing, _) => String::new(),
            (_, true) => format!("asked {bound:8} holds"),
            (_, false) => format!("asked {bound:8} misses"),
        };
        println!(
            "{}",
            format!("{work:66}{:>8}   {asked}", self.unit.write(self.measured)).trim_end()
        );
        for (who, seen) in &self.details {
            println!("    {who:20}{seen}");
        }
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
