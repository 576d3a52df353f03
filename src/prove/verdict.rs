//! The verdict of a run, and its figures.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How many findings are told.
const TOLD: usize = 20;

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What must always be so.
    pub rule: &'static str,
    /// The order, or what else it is about.
    pub subject: String,
    pub what: String,
}

impl Finding {
    pub fn of(rule: &'static str, subject: &str, what: impl Into<String>) -> Self {
        Self { rule, subject: subject.to_owned(), what: what.into() }
    }
}

/// How much there was of everything.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    pub keys: usize,
    pub sends: usize,
    pub abandoned: usize,
    pub acknowledged: usize,
    pub paid: usize,
    pub rejected: usize,
    pub cancelled: usize,
    pub refunds: usize,
    pub shipped: usize,
    pub kills: usize,
    pub stops: usize,
    /// From the first buyer to the last.
    pub took: Duration,
    /// The longest from the end of a fault until what it hit served again, and what that was.
    pub recovery: Option<(Duration, &'static str)>,
    /// From the last fault, and the last buyer, until every order had come to rest.
    pub settled: Duration,
}

/// What is to be said of a run.
#[derive(Debug)]
pub struct Verdict {
    findings: Vec<Finding>,
    figures: Figures,
    /// Of 100 keys, so many must have been paid.
    floor: u32,
}

impl Verdict {
    pub fn new(mut findings: Vec<Finding>, figures: Figures, floor: u32) -> Self {
        let unanswered = figures.keys - figures.acknowledged;
        if unanswered > 0 {
            let what = format!("{unanswered} of {} have no answer", figures.keys);
            findings.push(Finding::of("every key has an answer", "keys", what));
        }
        findings.sort();
        findings.dedup();
        // some of each rule first: those that are told shall say most
        let mut of_rule = BTreeMap::new();
        findings.sort_by_cached_key(|finding| {
            let place: &mut usize = of_rule.entry(finding.rule).or_default();
            *place += 1;
            *place
        });
        Self { findings, figures, floor }
    }

    /// Whether nothing was found, and enough succeeded for that to mean something.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.has_enough()
    }

    fn has_enough(&self) -> bool {
        self.figures.paid * 100 >= self.figures.keys * self.floor as usize
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { findings, figures, floor } = self;
        let of = |count: usize, what: &str| format!("{count} {what}");
        let kept = [
            of(figures.keys, "keys"),
            of(figures.sends, "sends"),
            of(figures.abandoned, "abandoned"),
            of(figures.acknowledged, "acknowledged"),
        ];
        let ends = [
            of(figures.paid, "paid"),
            of(figures.rejected, "rejected"),
            of(figures.cancelled, "cancelled"),
            of(figures.refunds, "refunds"),
            of(figures.shipped, "shipped"),
        ];
        writeln!(f, "{}", kept.join(", "))?;
        writeln!(f, "{}", ends.join(", "))?;
        write!(f, "{} kills, {} stops", figures.kills, figures.stops)?;
        if let Some((recovery, role)) = figures.recovery {
            write!(f, ", longest recovery {:.1} s ({role})", recovery.as_secs_f64())?;
        }
        let rate = figures.acknowledged as f64 / figures.took.as_secs_f64().max(0.001);
        let (took, settled) = (figures.took.as_secs_f64(), figures.settled.as_secs_f64());
        writeln!(f, "\n{took:.0} s, {rate:.1} orders a second, at rest {settled:.1} s later\n")?;
        for Finding { rule, subject, what } in findings.iter().take(TOLD) {
            writeln!(f, "  {rule}: {subject}: {what}")?;
        }
        if findings.len() > TOLD {
            writeln!(f, "  … and {} more", findings.len() - TOLD)?;
        }
        if !self.has_enough() {
            writeln!(f, "  too little was paid: less than {floor} of 100 keys")?;
        }
        match (self.is_clean(), findings.len()) {
            (true, _) => write!(f, "clean: 0 violations"),
            (false, 0) => write!(f, "not proved"),
            (false, count) => write!(f, "{count} violations"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(paid: usize) -> Figures {
        Figures { keys: 100, acknowledged: 100, paid, ..Figures::default() }
    }

    #[test]
    fn nothing_found_and_enough_paid_is_clean() {
        let verdict = Verdict::new(Vec::new(), figures(20), 20);
        assert!(verdict.is_clean());
        assert!(verdict.to_string().ends_with("clean: 0 violations"));
    }

    #[test]
    fn a_run_in_which_everything_fails_is_not_clean() {
        let verdict = Verdict::new(Vec::new(), figures(19), 20);
        assert!(!verdict.is_clean());
        assert!(verdict.to_string().ends_with("not proved"));
    }

    #[test]
    fn a_key_without_an_answer_is_a_finding() {
        let verdict = Verdict::new(Vec::new(), Figures { acknowledged: 99, ..figures(50) }, 20);
        assert!(!verdict.is_clean());
        assert!(verdict.to_string().contains("1 of 100 have no answer"));
    }

    #[test]
    fn some_of_each_rule_are_told() {
        let of =
            |rule, count| (0..count).map(move |id| Finding::of(rule, &format!("ord_{id}"), ""));
        let all = of("at rest", 50).chain(of("one charge", 1)).collect();
        assert!(Verdict::new(all, figures(50), 20).to_string().contains("one charge: "));
    }

    #[test]
    fn twenty_findings_are_told_and_the_others_counted() {
        let all = (0..30).map(|id| Finding::of("one charge", &format!("ord_{id}"), "two"));
        let text = Verdict::new(all.collect(), figures(50), 20).to_string();
        assert_eq!(text.matches("one charge: ").count(), 20);
        assert!(text.contains("… and 10 more") && text.ends_with("30 violations"));
    }
}
