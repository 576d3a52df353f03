//! Paired measurements.

use std::time::{Duration, Instant};

const ROUNDS: usize = 1001;
/// How long one contender runs in one round: too short to be interrupted in most rounds.
const SLICE: Duration = Duration::from_micros(500);

/// Something to be measured.
pub struct Contender<'a> {
    name: &'static str,
    run: Box<dyn Fn() + 'a>,
}

impl<'a> Contender<'a> {
    pub fn new(name: &'static str, run: impl Fn() + 'a) -> Self {
        Self { name, run: Box::new(run) }
    }

    /// The time of one run, over so many.
    fn time(&self, runs: u32) -> f64 {
        let start = Instant::now();
        for _ in 0..runs {
            (self.run)();
        }
        start.elapsed().as_nanos() as f64 / f64::from(runs)
    }

    /// How many runs fill a slice of time.
    fn runs_in_a_slice(&self) -> u32 {
        let warm = self.time(100);
        (SLICE.as_nanos() as f64 / warm).clamp(1.0, 1e6) as u32
    }
}

/// Prints how much slower the others are than the first.
pub fn compare(title: &str, contenders: &[Contender<'_>]) {
    let runs: Vec<u32> = contenders.iter().map(Contender::runs_in_a_slice).collect();
    let mut times = vec![Vec::new(); contenders.len()];
    let mut ratios = vec![Vec::new(); contenders.len()];
    for _ in 0..ROUNDS {
        let round: Vec<f64> =
            contenders.iter().zip(&runs).map(|(contender, runs)| contender.time(*runs)).collect();
        for (index, time) in round.iter().enumerate() {
            times[index].push(*time);
            ratios[index].push(time / round[0]);
        }
    }
    let first = median(&mut times[0]);
    let mut line = format!("{title}: {} {:.2} µs", contenders[0].name, first / 1000.0);
    for (index, contender) in contenders.iter().enumerate().skip(1) {
        line += &format!(", {} {:.1}x slower", contender.name, median(&mut ratios[index]));
    }
    println!("{line}");
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
