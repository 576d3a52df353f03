//! Several who have a claim on the same order, one more recent than the other, in any order and at once.

use futures::future::join_all;
use souk_kit::id::{self, OrderId, ProductId};
use souk_proto::souk::catalog::v2::Reservation;
use souk_proto::souk::catalog::v2::ReservationStatus::{
    self, Committed, Expired, Held, Rejected, Released, Returned,
};
use souk_testing::Dice;
use tonic::Status;

use crate::support::{Shop, World, reason, soon};

const UNITS: i32 = 3;

/// What can happen to the reservation of an order.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Reserve { quantity: i32 },
    Again { quantity: i32, fence: i64 },
    Pin { pinned: bool, fence: i64 },
    Release { fence: i64 },
    Commit,
    Return,
    Time,
}

impl Turn {
    fn any(dice: &mut Dice, highest: u64) -> Self {
        let fence = i64::try_from(dice.below(highest)).unwrap();
        let quantity = 1 + i32::try_from(dice.below(4)).unwrap();
        match dice.below(20) {
            0..=2 => Self::Reserve { quantity },
            3..=8 => Self::Again { quantity, fence },
            9..=11 => Self::Pin { pinned: true, fence },
            12..=13 => Self::Pin { pinned: false, fence },
            14..=16 => Self::Release { fence },
            17 => Self::Time,
            // these end it for good: now and then
            18 if dice.below(3) == 0 => Self::Commit,
            _ => Self::Return,
        }
    }

    async fn happen(
        self,
        world: &World,
        shop: &Shop,
        order: OrderId,
        product: &str,
    ) -> Option<Result<Reservation, Status>> {
        Some(match self {
            Self::Reserve { quantity } => shop.reserve(order, &[(product, quantity)]).await,
            Self::Again { quantity, fence } => {
                shop.reserve_again(order, &[(product, quantity)], fence).await
            }
            Self::Pin { pinned: true, fence } => shop.pin(order, fence).await,
            Self::Pin { pinned: false, fence } => shop.unpin(order, fence).await,
            Self::Release { fence } => shop.release_as(order, fence).await,
            Self::Commit => shop.commit(order).await,
            Self::Return => shop.take_back(order).await,
            Self::Time => {
                world.let_end(order).await;
                return None;
            }
        })
    }
}

/// What a reservation must be, said as simply as possible.
#[derive(Debug, Clone, Copy)]
struct Model {
    status: ReservationStatus,
    quantity: i32,
    pinned: bool,
    is_over: bool,
    fence: i64,
}

impl Model {
    fn decided(quantity: i32, pinned: bool, fence: i64) -> Self {
        let fits = quantity <= UNITS;
        let status = if fits { Held } else { Rejected };
        Self { status, quantity, pinned: pinned && fits, is_over: false, fence }
    }

    /// What there is afterwards, and whether the call is allowed.
    fn after(before: Option<Self>, turn: Turn) -> (Option<Self>, bool) {
        let Some(mut model) = before else {
            return match turn {
                Turn::Reserve { quantity } => (Some(Self::decided(quantity, false, 0)), true),
                Turn::Again { quantity, fence } => {
                    (Some(Self::decided(quantity, true, fence)), true)
                }
                Turn::Release { fence } => {
                    (Some(Self { status: Released, fence, ..Self::decided(1, false, 0) }), true)
                }
                Turn::Time => (None, true),
                Turn::Pin { .. } | Turn::Commit | Turn::Return => (None, false),
            };
        };
        let mut is_allowed = true;
        match (turn, model.status) {
            (Turn::Again { fence, .. }, Held) if fence >= model.fence => {
                (model.pinned, model.fence) = (true, fence);
            }
            (Turn::Again { quantity, fence }, Released | Expired | Rejected)
                if fence > model.fence =>
            {
                model = Self::decided(quantity, true, fence);
            }
            (Turn::Pin { pinned, fence }, Held) if fence >= model.fence => {
                (model.pinned, model.fence) = (pinned, fence);
            }
            (Turn::Release { fence }, status) if fence >= model.fence => {
                model.fence = fence;
                match status {
                    Held => (model.status, model.pinned) = (Released, false),
                    Committed => is_allowed = false,
                    _ => {}
                }
            }
            (Turn::Commit, Held) => (model.status, model.pinned) = (Committed, false),
            (Turn::Commit, status) => is_allowed = status == Committed,
            (Turn::Return, Committed) => model.status = Returned,
            (Turn::Return, status) => is_allowed = status != Held,
            (Turn::Time, Held) => model.is_over = true,
            _ => {}
        }
        (Some(model), is_allowed)
    }

    fn stock(self) -> (i32, i32) {
        match self.status {
            Held => (UNITS - self.quantity, self.quantity),
            Committed => (UNITS - self.quantity, 0),
            _ => (UNITS, 0),
        }
    }
}

async fn live(world: &World, shop: &Shop, seed: u64) {
    let mut dice = Dice::new(seed);
    let (product, order) = (shop.product(&format!("P{seed}"), UNITS).await.id, id::new());
    let mut model = None;
    for number in 0..60 {
        // higher and higher, so that there is always somebody who may
        let turn = Turn::any(&mut dice, 3 + number / 3);
        let (expected, is_allowed) = Model::after(model, turn);
        match turn.happen(world, shop, order, &product).await {
            Some(Ok(answer)) => {
                let expected = expected.map(|model| (model.status, model.pinned));
                let told = Some((answer.status(), answer.pinned));
                assert_eq!(told, expected, "{seed}: {turn:?} after {model:?}");
                assert!(is_allowed, "{seed}: {turn:?} after {model:?}");
            }
            Some(Err(refused)) => {
                assert_eq!(reason(&refused), "ILLEGAL_TRANSITION");
                assert!(!is_allowed, "{seed}: {turn:?} after {model:?}: {refused:?}");
            }
            None => {}
        }
        model = expected;
        if let Some(model) = &mut model {
            if model.status == Held && model.is_over && !model.pinned {
                world.wait_for_expiry(order).await;
                model.status = Expired;
            }
            assert_eq!(world.stock(&product).await, model.stock(), "{seed}: {turn:?}, {model:?}");
        }
    }
}

#[tokio::test]
async fn an_order_that_is_held_anew_while_its_commit_waits_leaves_with_what_it_holds_then() {
    let world = World::new().await;
    let shop = world.shop().await;
    let products = [shop.product("ONE", 9).await.id, shop.product("TWO", 9).await.id];
    let order: OrderId = id::new();
    shop.reserve(order, &[(&products[0], 2)]).await.unwrap();
    let ids = products.each_ref().map(|product| product.parse::<ProductId>().unwrap().uuid());
    let mut meanwhile = world.test.pool.begin().await.unwrap();
    // what a release and another reservation of other lines leave behind
    for change in [
        "update stock set available = available + 2, reserved = 0 where product_id = $2",
        "update stock set available = available - 3, reserved = 3 where product_id = $3",
        "insert into stock_moves (order_id, product_id, kind, available, reserved, actor)
         values ($1, $2, 'release', 2, -2, 'test'), ($1, $3, 'reserve', -3, 3, 'test')",
        "update reservations set product_ids = array[$3], quantities = '{3}', fence = 1
         where order_id = $1",
    ] {
        // each knows all three
        let change = format!("with all_of_them as (select $1::uuid, $2::uuid, $3::uuid) {change}");
        let change = sqlx::query(sqlx::AssertSqlSafe(change));
        let change = change.bind(order.uuid()).bind(ids[0]).bind(ids[1]);
        change.execute(&mut *meanwhile).await.unwrap();
    }
    let waiting =
        "pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    let (committed, ()) = tokio::join!(shop.commit(order), async {
        soon("it waits", || async { world.test.count(waiting).await == 1 }).await;
        meanwhile.commit().await.unwrap();
    });
    assert_eq!(committed.unwrap().status(), Committed);
    assert_eq!(world.stock(&products[0]).await, (9, 0));
    assert_eq!(world.stock(&products[1]).await, (6, 0));
    world.audit().await;
}

#[tokio::test]
async fn whatever_happens_to_a_reservation_in_whatever_order_it_is_as_the_model_says() {
    let world = World::new().await;
    let shop = world.shop().await;
    shop.work();
    join_all((0..24).map(|seed| live(&world, &shop, seed))).await;
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_that_meet_leave_every_unit_in_one_place() {
    let world = World::new().await;
    let shops = [world.shop().await, world.shop().await];
    let products = [shops[0].product("ONE", 9).await.id, shops[0].product("TWO", 9).await.id];
    let orders: Vec<OrderId> = (0..6).map(|_| id::new()).collect();
    shops[0].work();
    let claims = (0..16).map(|seed| {
        let (world, shops, products, orders) = (&world, &shops, &products, &orders);
        async move {
            let mut dice = Dice::new(1_000 + seed);
            for number in 0..40 {
                let mut pick = |of: usize| usize::try_from(dice.below(of as u64)).unwrap();
                let (shop, order) = (&shops[pick(2)], orders[pick(orders.len())]);
                let product = &products[pick(2)];
                let turn = match Turn::any(&mut dice, 3 + number) {
                    // not for good before the others have had their turns
                    Turn::Commit if number < 30 => Turn::Time,
                    turn => turn,
                };
                if let Some(Err(refused)) = turn.happen(world, shop, order, product).await {
                    assert_eq!(reason(&refused), "ILLEGAL_TRANSITION", "{refused:?}");
                }
            }
        }
    });
    let auditing = async {
        loop {
            world.audit().await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        _ = join_all(claims) => {}
        () = auditing => {}
    }
    world.audit().await;
    let again = "(select from stock_moves where kind = 'reserve'
        group by order_id having count(*) > 1) as again";
    assert!(world.test.count(again).await > 0, "nobody was held twice");
}
