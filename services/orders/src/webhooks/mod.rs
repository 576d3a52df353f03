//! Webhooks: what happens to orders, told to the endpoints of accounts.
//!
//! Events become deliveries where the outbox has given them positions, in one statement with the cursor that says
//! how far that is: none is left out, and none is made twice. A delivery is claimed for a while, sent with no
//! transaction open, and what comes of it is written only if nobody else has claimed it meanwhile. Who dies between
//! has it sent again, under the same `webhook-id`.

pub mod address;
pub mod asking;
mod body;
mod delivering;
pub mod delivery;
pub mod endpoint;
pub mod keeping;
mod schedule;
pub mod sending;
pub mod signature;

use std::fmt;
use std::sync::Arc;

use souk_db::Database;
use souk_kit::sealing::Sealer;
use souk_kit::secret::MasterSecret;
use tokio::sync::{Notify, Semaphore};
use tokio_util::task::TaskTracker;

use address::Policy;
use sending::Sender;

/// How many webhooks are sent at once.
const ROOM: usize = 64;
/// How many of them go to endpoints that are not well. The others have the rest to themselves.
const ROOM_FOR_THE_REST: usize = ROOM / 2;
const USER_AGENT: &str = concat!("Souk/", env!("CARGO_PKG_VERSION"), " (webhooks)");

/// Webhooks. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    policy: Policy,
    sender: Sender,
    sealer: Sealer,
    /// Something may be due.
    wake: Notify,
    room: Arc<Semaphore>,
    room_for_the_rest: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Webhooks {
    pub fn new(
        database: Database,
        policy: Policy,
        secret: &MasterSecret,
    ) -> Result<Self, anyhow::Error> {
        let sender = match Sender::new(policy, USER_AGENT) {
            Err(sending::Error::Certificates(error)) => {
                // all else works: what is not sent now is sent once there are some
                tracing::error!(%error, "no webhooks over https: the system trusts no certificates");
                Sender::without_certificates(policy, USER_AGENT)?
            }
            sender => sender?,
        };
        let inner = Inner {
            database,
            policy,
            sender,
            sealer: Sealer::new(secret, "webhook-secret-encryption")?,
            wake: Notify::new(),
            room: Arc::new(Semaphore::new(ROOM)),
            room_for_the_rest: Arc::new(Semaphore::new(ROOM_FOR_THE_REST)),
            tasks: TaskTracker::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Looks at once for what is due.
    pub fn wake(&self) {
        self.inner.wake.notify_one();
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").field("policy", &self.inner.policy).finish_non_exhaustive()
    }
}
