//! What a buyer is going to do, drawn before anything happens.

use std::time::Duration;

use super::dice::Dice;

/// How many products there are.
pub const PRODUCTS: usize = 12;
/// How many accounts the buyers share.
pub const ACCOUNTS: usize = 8;

/// One buyer, with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    pub account: usize,
    /// Products, each once, and how many units of each.
    pub lines: Vec<(usize, i32)>,
    /// How often the order is sent under the key, all of them at the same time.
    pub sends: Vec<Send>,
    pub end: End,
}

/// One time that something is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Send {
    pub after: Duration,
    /// After how long the connection is dropped, whatever comes; otherwise it is sent until there is an answer.
    pub abandoned: Option<Duration>,
}

/// What comes after the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Nothing: it expires.
    Leave,
    Cancel,
    Pay {
        /// One after the other; those of one group at the same time, as from several tabs.
        groups: Vec<Vec<Attempt>>,
        /// After how long it is cancelled meanwhile.
        cancel: Option<Duration>,
        after: Aftermath,
    },
}

/// An attempt to pay, under a key of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub method: &'static str,
    pub sends: Vec<Send>,
    /// Whether a payment that has to be confirmed is.
    pub confirms: bool,
}

/// What the shop does with an order that was paid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aftermath {
    /// Refunds at the same time, of so many percent each; of all that is left where it is 0.
    pub refunds: Vec<i64>,
    pub ships: bool,
    pub delivers: bool,
}

impl Errand {
    /// What the buyer with this number does.
    pub fn draw(seed: u64, buyer: usize) -> Self {
        let mut dice = Dice::of(seed, buyer as u64);
        let mut products: Vec<usize> = (0..PRODUCTS).collect();
        dice.shuffle(&mut products);
        products.truncate(dice.pick(&[1, 1, 1, 2, 3]));
        let lines = products.into_iter().map(|product| (product, dice.pick(&[1, 1, 2, 3])));
        let lines = lines.collect();
        let count = dice.pick(&[1, 1, 2, 2, 3, 4, 5]);
        let sends = sends(&mut dice, count);
        let end = match dice.below(100) {
            0..7 => End::Leave,
            7..13 => End::Cancel,
            _ => End::Pay {
                groups: groups(&mut dice),
                cancel: dice.percent(8).then(|| dice.millis(60)),
                after: aftermath(&mut dice),
            },
        };
        Self { account: buyer % ACCOUNTS, lines, sends, end }
    }

    /// How many units of all products the buyer wants.
    pub fn units(&self) -> impl Iterator<Item = (usize, i64)> {
        self.lines.iter().map(|(product, quantity)| (*product, i64::from(*quantity)))
    }
}

/// The last one is never given up: somebody wants to know.
fn sends(dice: &mut Dice, count: usize) -> Vec<Send> {
    let all = (1..=count).map(|number| Send {
        after: if dice.percent(50) { Duration::ZERO } else { dice.millis(1500) },
        abandoned: (number < count && dice.percent(35)).then(|| dice.millis(80)),
    });
    all.collect()
}

fn groups(dice: &mut Dice) -> Vec<Vec<Attempt>> {
    let mut attempt = |method| {
        let count = dice.pick(&[1, 1, 1, 2, 3]);
        Attempt { method, sends: sends(dice, count), confirms: dice.percent(90) }
    };
    let methods: [Attempt; 6] =
        ["ok", "declined", "timeout", "twice", "late", "confirm"].map(&mut attempt);
    let second = attempt("ok");
    let [ok, declined, timeout, twice, late, confirm] = methods;
    match dice.below(100) {
        0..50 => vec![vec![ok]],
        50..60 => vec![vec![ok, second]],
        60..68 => vec![vec![declined], vec![ok]],
        68..76 => vec![vec![timeout]],
        76..84 => vec![vec![twice]],
        84..88 => vec![vec![late]],
        // the money of both comes
        88..92 => vec![vec![late], vec![ok]],
        _ => vec![vec![confirm]],
    }
}

fn aftermath(dice: &mut Dice) -> Aftermath {
    let refunds = match dice.below(100) {
        0..5 => vec![0],
        5..9 => vec![30],
        // one of them is one too many
        9..14 => vec![60, 60],
        _ => Vec::new(),
    };
    let ships = dice.percent(15);
    Aftermath { refunds, ships, delivers: ships && dice.percent(50) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Errand> {
        (0..2_000).map(|buyer| Errand::draw(42, buyer)).collect()
    }

    #[test]
    fn a_seed_sends_the_same_buyers() {
        assert_eq!(all(), all());
        assert_ne!(Errand::draw(42, 1).lines, Errand::draw(43, 1).lines);
    }

    #[test]
    fn every_key_is_sent_one_to_five_times_and_somebody_waits_for_the_answer() {
        for errand in all() {
            assert!((1..=5).contains(&errand.sends.len()));
            assert_eq!(errand.sends.last().unwrap().abandoned, None);
        }
    }

    #[test]
    fn there_is_some_of_everything() {
        let errands = all();
        let ends = |is_so: fn(&End) -> bool| errands.iter().any(|errand| is_so(&errand.end));
        assert!(ends(|end| matches!(end, End::Leave)) && ends(|end| matches!(end, End::Cancel)));
        assert!(ends(|end| matches!(end, End::Pay { cancel: Some(_), .. })));
        assert!(ends(|end| matches!(end, End::Pay { after, .. } if after.refunds == [60, 60])));
        assert!(ends(|end| matches!(end, End::Pay { after, .. } if after.delivers)));
        for method in ["ok", "declined", "timeout", "twice", "late", "confirm"] {
            let pays = |errand: &&Errand| match &errand.end {
                End::Pay { groups, .. } => groups.iter().flatten().any(|it| it.method == method),
                _ => false,
            };
            assert!(errands.iter().filter(pays).count() > 50, "{method}");
        }
    }
}
