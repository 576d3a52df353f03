//! What buyers do: send, send again, lose patience, pay, change their mind. They keep to what an honest client does:
//! what gives no answer is asked again under the same key.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::time::sleep;

use super::dice::Dice;
use super::errand::{Aftermath, Attempt, End, Errand, Send};
use super::history::{Basket, History, Ordered};
use super::people::Person;
use super::shop::{Answer, Ask, Shop};

/// How long anything is asked for: longer than all that is away at once is away.
const LIMIT: Duration = Duration::from_secs(180);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What all buyers have in common.
#[derive(Debug)]
pub struct Market {
    pub shop: Shop,
    pub seed: u64,
    /// What no other run has, for keys.
    pub run: String,
    pub people: Vec<Person>,
    pub admin: Person,
    pub products: Vec<Product>,
    pub history: History,
}

/// Something to buy.
#[derive(Debug, Clone)]
pub struct Product {
    pub id: String,
    pub cents: i64,
    pub units: i32,
}

/// One buyer.
#[derive(Debug)]
pub struct Buyer {
    market: Arc<Market>,
    number: usize,
    errand: Errand,
    /// How much has been sent: which door is next.
    asked: AtomicUsize,
}

impl Buyer {
    pub fn new(market: Arc<Market>, number: usize) -> Self {
        let errand = Errand::draw(market.seed, number);
        Self { market, number, errand, asked: AtomicUsize::new(0) }
    }

    /// Does all that is planned, as far as it is possible.
    pub async fn run(&self) {
        let Some(order) = self.order().await else { return };
        match &self.errand.end {
            End::Leave => {}
            End::Cancel => self.cancel(&order, Duration::ZERO).await,
            End::Pay { groups, cancel, after } => {
                let paying = async {
                    for (place, group) in groups.iter().enumerate() {
                        let tabs = group.iter().enumerate().map(|(tab, attempt)| {
                            self.pay(&order, attempt, format!("{place}-{tab}"))
                        });
                        join_all(tabs).await;
                    }
                };
                let cancelling = async {
                    if let Some(wait) = cancel {
                        self.cancel(&order, *wait).await;
                    }
                };
                futures::join!(paying, cancelling);
                self.look_after(&order, after).await;
            }
        }
    }

    /// Sends the order as often as planned: its id, when stock is held for it.
    async fn order(&self) -> Option<String> {
        let items = self.errand.lines.iter();
        let items =
            items.map(|(product, quantity)| (self.market.products[*product].id.clone(), *quantity));
        let ask = Ask::Order { items: items.collect() };
        let key = self.key("order");
        let sends = self.errand.sends.iter().map(|send| self.send(*send, &key, &ask));
        let mut held = None;
        for answer in join_all(sends).await.into_iter().flatten() {
            match answer {
                Answer::Done { id, .. } => {
                    self.ordered(&id, false);
                    held = Some(id);
                }
                Answer::Refused { reason, order: Some(id) } if reason == "OUT_OF_STOCK" => {
                    self.ordered(&id, true);
                }
                answer => self.surprised("the order", &key, &answer),
            }
        }
        held
    }

    fn ordered(&self, id: &str, is_rejected: bool) {
        let (account, basket) = (self.errand.account, self.basket());
        let order = Ordered { id: id.to_owned(), account, is_rejected, basket };
        self.market.history.ordered(self.number, order);
    }

    fn basket(&self) -> Basket {
        let mut basket = Basket::default();
        for (place, units) in self.errand.units() {
            let product = &self.market.products[place];
            basket.lines.insert(product.id.clone(), units);
            basket.cents += product.cents * units;
        }
        basket
    }

    async fn pay(&self, order: &str, attempt: &Attempt, name: String) {
        let history = &self.market.history;
        let key = self.key(&format!("pay-{name}"));
        let ask = Ask::Pay { order: order.to_owned(), method: attempt.method };
        let sends = attempt.sends.iter().map(|send| self.send(*send, &key, &ask));
        let mut to_confirm = None;
        for answer in join_all(sends).await.into_iter().flatten() {
            match answer {
                Answer::Done { id, status } => {
                    history.made(&key, order, &id);
                    match status.as_str() {
                        "succeeded" => history.paid(order, &id),
                        "requires_confirmation" => to_confirm = Some(id),
                        _ => {}
                    }
                }
                // expired, cancelled, or paid from another tab
                Answer::Refused { reason, .. } if reason == "ILLEGAL_TRANSITION" => {}
                answer => self.surprised("a payment", order, &answer),
            }
        }
        if let Some(payment) = to_confirm.filter(|_| attempt.confirms) {
            self.confirm(order, payment, &name).await;
        }
    }

    async fn confirm(&self, order: &str, payment: String, name: &str) {
        let key = self.key(&format!("confirm-{name}"));
        let ask = Ask::Confirm { order: order.to_owned(), payment };
        match self.insist(&self.market.people[self.errand.account], &key, &ask).await {
            Some(Answer::Done { id, status }) if status == "succeeded" => {
                self.market.history.paid(order, &id);
            }
            Some(Answer::Done { .. }) | None => {}
            Some(Answer::Refused { reason, .. }) if reason == "ILLEGAL_TRANSITION" => {}
            Some(answer) => self.surprised("a confirmation", order, &answer),
        }
    }

    async fn cancel(&self, order: &str, after: Duration) {
        sleep(after).await;
        let ask = Ask::Cancel { order: order.to_owned() };
        let key = self.key("cancel");
        match self.insist(&self.market.people[self.errand.account], &key, &ask).await {
            Some(Answer::Done { .. }) => self.market.history.cancelled(order),
            Some(Answer::Refused { reason, .. }) if reason == "ILLEGAL_TRANSITION" => {}
            Some(answer) => self.surprised("a cancellation", order, &answer),
            None => {}
        }
    }

    /// What the shop does with a paid order: it sends it, and gives money back, both at the same time.
    async fn look_after(&self, order: &str, after: &Aftermath) {
        let refunds = after.refunds.iter().enumerate();
        let refunds = refunds.map(|(place, percent)| self.refund(order, place, *percent));
        let shipping = async {
            if after.ships {
                self.ship(order, after.delivers).await;
            }
        };
        futures::join!(join_all(refunds), shipping);
    }

    async fn refund(&self, order: &str, place: usize, percent: i64) {
        let cents = self.basket().cents * percent / 100;
        let amount = (percent > 0).then(|| format!("{}.{:02}", cents / 100, cents % 100));
        let key = self.key(&format!("refund-{place}"));
        let ask = Ask::Refund { order: order.to_owned(), amount };
        match self.insist(&self.market.admin, &key, &ask).await {
            Some(Answer::Done { id, .. }) => {
                self.market.history.made(&key, order, &id);
                self.market.history.refunded(order, &id);
            }
            Some(Answer::Refused { reason, .. })
                if matches!(reason.as_str(), "ILLEGAL_TRANSITION" | "REFUND_TOO_LARGE") => {}
            Some(answer) => self.surprised("a refund", order, &answer),
            None => {}
        }
    }

    async fn ship(&self, order: &str, delivers: bool) {
        let (history, admin) = (&self.market.history, &self.market.admin);
        let key = self.key("ship");
        let ask = Ask::Ship { order: order.to_owned() };
        let shipment = match self.insist(admin, &key, &ask).await {
            Some(Answer::Done { id, .. }) => id,
            Some(Answer::Refused { reason, .. }) if reason == "ILLEGAL_TRANSITION" => return,
            Some(answer) => return self.surprised("a shipment", order, &answer),
            None => return,
        };
        history.made(&key, order, &shipment);
        history.shipped(order);
        if delivers {
            let ask = Ask::Deliver { order: order.to_owned(), shipment };
            match self.insist(admin, &self.key("deliver"), &ask).await {
                Some(Answer::Refused { reason, .. }) if reason == "ILLEGAL_TRANSITION" => {}
                Some(Answer::Refused { reason, order: other }) => {
                    self.surprised("a delivery", order, &Answer::Refused { reason, order: other });
                }
                _ => {}
            }
        }
    }

    /// Sends something at its time; until there is an answer, or until patience is lost.
    async fn send(&self, send: Send, key: &str, ask: &Ask) -> Option<Answer> {
        sleep(send.after).await;
        let person = &self.market.people[self.errand.account];
        let Some(patience) = send.abandoned else { return self.insist(person, key, ask).await };
        let once = tokio::time::timeout(patience, self.once(person, key, ask)).await;
        if once.is_err() {
            self.market.history.abandoned();
        }
        once.ok().filter(is_final)
    }

    /// Asks until there is an answer that stays.
    async fn insist(&self, person: &Person, key: &str, ask: &Ask) -> Option<Answer> {
        let begin = Instant::now();
        let mut pause = Duration::from_millis(50);
        while begin.elapsed() < LIMIT {
            let answer = self.once(person, key, ask).await;
            if is_final(&answer) {
                return Some(answer);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        let rule = "everything has an answer";
        self.market.history.wrong(rule, key, format!("none after {} s", LIMIT.as_secs()));
        None
    }

    async fn once(&self, person: &Person, key: &str, ask: &Ask) -> Answer {
        let sent = self.asked.fetch_add(1, Ordering::Relaxed) as u64;
        let token = person.token().await;
        self.market.history.sent();
        let door =
            Dice::of(self.market.seed ^ sent, self.number as u64).below(self.market.shop.doors());
        let answer = self.market.shop.ask(door, &token, key, ask).await;
        if let (Ask::Order { .. }, Answer::Done { id, .. }) = (ask, &answer) {
            // also of an answer that says no more than that the order is accepted
            self.market.history.made(key, id, id);
        }
        answer
    }

    fn key(&self, what: &str) -> String {
        format!("{}-{}-{what}", self.market.run, self.number)
    }

    /// An answer that no honest client should get.
    fn surprised(&self, of: &str, subject: &str, answer: &Answer) {
        let said = match answer {
            Answer::Refused { reason, .. } => reason,
            Answer::Done { status, .. } => status,
            Answer::Nothing => "nothing",
        };
        let what = format!("{of} is answered {said}");
        self.market.history.wrong("nobody is told what cannot be", subject, what);
    }
}

/// Whether an answer stays: what is under way is asked for again.
fn is_final(answer: &Answer) -> bool {
    match answer {
        Answer::Done { status, id } => status != "pending" || id.starts_with("ref_"),
        Answer::Refused { .. } => true,
        Answer::Nothing => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_is_asked_for_again() {
        let done =
            |id: &str, status: &str| Answer::Done { id: id.to_owned(), status: status.to_owned() };
        assert!(!is_final(&done("ord_1", "pending")) && !is_final(&Answer::Nothing));
        assert!(is_final(&done("ord_1", "reserved")) && is_final(&done("pay_1", "failed")));
        // a refund goes on by itself, and its answer stays
        assert!(is_final(&done("ref_1", "pending")));
    }
}
