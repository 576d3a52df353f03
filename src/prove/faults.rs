//! What goes wrong: drawn before anything happens, and done while buyers come.

use std::fmt;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use indicatif::ProgressBar;
use tokio::sync::watch;

use super::dice::Dice;
use super::history::History;
use super::town::{Target, Town};

/// What is hit, as often as it matters: orders and their database more than who is asked for keys once.
const TARGETS: [Target; 10] = [
    Target::FirstOrders,
    Target::SecondOrders,
    Target::Postgres,
    Target::Catalog,
    Target::FirstOrders,
    Target::SecondOrders,
    Target::Postgres,
    Target::Catalog,
    Target::Auth,
    Target::Gateway,
];
/// Longer than the lease of a claim on an order, which is 10 seconds: who wakes up has lost what it had.
const SHORTEST_STOP: Duration = Duration::from_secs(11);

/// What is done to something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Kill,
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    pub target: Target,
    /// After its round has begun.
    pub after: Duration,
    /// Until it is started again, or goes on.
    pub lasts: Duration,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = match self.kind {
            Kind::Kill => "killed",
            Kind::Stop => "stopped",
        };
        write!(f, "{} {done}", self.target.name())
    }
}

/// Faults, of which those of one round come together and hit different things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan(pub Vec<Vec<Fault>>);

impl Plan {
    /// So many of each kind.
    pub fn draw(seed: u64, kills: usize, stops: usize) -> Self {
        let mut dice = Dice::of(seed, u64::MAX);
        let targets = |count: usize, dice: &mut Dice| -> Vec<Target> {
            let mut deck = TARGETS;
            let deal = |place: usize| {
                if place.is_multiple_of(deck.len()) {
                    dice.shuffle(&mut deck);
                }
                deck[place % deck.len()]
            };
            (0..count).map(deal).collect()
        };
        let mut faults: Vec<(Kind, Target)> = Vec::with_capacity(kills + stops);
        faults.extend(targets(kills, &mut dice).into_iter().map(|it| (Kind::Kill, it)));
        faults.extend(targets(stops, &mut dice).into_iter().map(|it| (Kind::Stop, it)));
        dice.shuffle(&mut faults);
        let mut rounds: Vec<Vec<Fault>> = Vec::new();
        for (kind, target) in faults {
            let lasts = match kind {
                Kind::Kill => dice.millis(1_500),
                Kind::Stop => SHORTEST_STOP + dice.millis(3_000),
            };
            let fault = Fault { kind, target, after: dice.millis(500), lasts };
            let together = dice.percent(40);
            match rounds.last_mut() {
                Some(round) if together && round.iter().all(|other| other.target != target) => {
                    round.push(fault);
                }
                _ => rounds.push(vec![fault]),
            }
        }
        Self(rounds)
    }

    pub fn count(&self, kind: Kind) -> usize {
        self.0.iter().flatten().filter(|fault| fault.kind == kind).count()
    }
}

/// Lets buyers and faults come in turn, so that neither are done before the others: in each round some buyers come,
/// and the next when it is over.
#[derive(Debug)]
pub struct Gate {
    buyers: usize,
    rounds: usize,
    come: watch::Sender<usize>,
    allowed: watch::Sender<usize>,
}

impl Gate {
    pub fn new(buyers: usize, rounds: usize) -> Self {
        let gate =
            Self { buyers, rounds, come: watch::Sender::new(0), allowed: watch::Sender::new(0) };
        gate.allowed.send_replace(gate.share(1));
        gate
    }

    /// Waits until a buyer may come.
    pub async fn enter(&self, buyer: usize) {
        // it fails only without a sender, which is here
        let _ = self.allowed.subscribe().wait_for(|allowed| buyer < *allowed).await;
        self.come.send_modify(|come| *come += 1);
    }

    /// Waits until a round may begin, and lets buyers come meanwhile.
    async fn begin(&self, round: usize) {
        let _ = self.come.subscribe().wait_for(|come| *come >= self.share(round)).await;
        self.allowed.send_replace(self.share(round + 1));
    }

    /// How many buyers come before the round with this number.
    fn share(&self, round: usize) -> usize {
        self.buyers * round.min(self.rounds + 1) / (self.rounds + 1)
    }
}

/// What has come of the faults.
#[derive(Debug, Default)]
pub struct Suffered {
    /// The longest time until something served again.
    pub recovery: Option<(Duration, &'static str)>,
}

/// Does what is planned.
pub async fn run(
    plan: &Plan,
    town: &Town,
    gate: &Gate,
    history: &History,
    bar: &ProgressBar,
) -> anyhow::Result<Suffered> {
    let mut suffered = Suffered::default();
    for (round, faults) in plan.0.iter().enumerate() {
        gate.begin(round + 1).await;
        let names: Vec<String> = faults.iter().map(Fault::to_string).collect();
        bar.set_message(names.join(", "));
        let recoveries =
            try_join_all(faults.iter().map(|fault| strike(*fault, town, history))).await?;
        suffered.recovery = recoveries.into_iter().chain(suffered.recovery).max();
    }
    bar.set_message("");
    Ok(suffered)
}

/// Does one thing, and says how long it took until all was well.
async fn strike(
    fault: Fault,
    town: &Town,
    history: &History,
) -> anyhow::Result<(Duration, &'static str)> {
    let Fault { kind, target, after, lasts } = fault;
    tokio::time::sleep(after).await;
    tracing::info!(?kind, target = target.name(), "a fault");
    match kind {
        Kind::Kill => {
            if !town.kill(target).await {
                history.wrong("nothing ends by itself", target.name(), "it was not there");
            }
        }
        Kind::Stop => town.freeze(target).await,
    }
    tokio::time::sleep(lasts).await;
    let over = Instant::now();
    match kind {
        Kind::Kill => town.restart(target).await?,
        Kind::Stop => town.thaw(target).await?,
    }
    Ok((over.elapsed(), target.name()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_has_the_same_faults_and_as_many_as_were_asked_for() {
        let plan = Plan::draw(7, 50, 20);
        assert_eq!(plan, Plan::draw(7, 50, 20));
        assert_ne!(plan, Plan::draw(8, 50, 20));
        assert_eq!((plan.count(Kind::Kill), plan.count(Kind::Stop)), (50, 20));
        assert!(Plan::draw(7, 0, 0).0.is_empty());
    }

    #[test]
    fn ten_faults_of_a_kind_hit_everything_and_none_twice_at_once() {
        let plan = Plan::draw(7, 10, 0);
        let hit: BTreeSet<Target> = plan.0.iter().flatten().map(|fault| fault.target).collect();
        assert_eq!(hit.len(), 6);
        for round in Plan::draw(7, 500, 200).0 {
            let targets: BTreeSet<Target> = round.iter().map(|fault| fault.target).collect();
            assert_eq!(targets.len(), round.len());
        }
    }

    #[test]
    fn a_stop_outlasts_the_lease() {
        for fault in Plan::draw(7, 0, 50).0.iter().flatten() {
            assert!(fault.lasts > Duration::from_secs(10));
        }
    }

    #[test]
    fn all_buyers_come_and_some_during_each_round() {
        let gate = Gate::new(1_000, 13);
        assert_eq!((gate.share(1), gate.share(13), gate.share(14)), (71, 928, 1_000));
        assert_eq!(Gate::new(10, 0).share(1), 10);
    }
}
