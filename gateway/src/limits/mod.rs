//! How many requests a client may make: a bucket for each address, for each principal, and for each
//! address at those RPCs whose contract says so.

mod bucket;
mod memory;
mod refusals;
mod shared;
mod standing;
mod subject;

use std::net::IpAddr;
use std::num::NonZeroU32;

use souk_kit::auth::Principal;

use crate::errors::problem::Problem;
use crate::options::Options;
use crate::valkey::Valkey;

pub(crate) use bucket::Bucket;
pub(crate) use standing::Standings;

use refusals::Refusals;
use standing::Policy;
use subject::Subject;

/// The limits of a gateway.
#[derive(Debug)]
pub(crate) struct Limits {
    address: Option<Bucket>,
    principal: Option<Bucket>,
    /// Where buckets are that several gateways share.
    store: Option<Valkey>,
    refusals: Refusals,
}

impl Limits {
    pub(crate) fn new(options: &Options) -> Self {
        let store = options.limit_store.clone();
        let bucket = |name, per_minute, of: &str| {
            let policy = Policy::new(name, NonZeroU32::new(per_minute)?, of);
            Some(Bucket::new(policy, name, store.clone()))
        };
        Self {
            address: bucket("address", options.address_limit, "requests from one address"),
            principal: bucket("principal", options.principal_limit, "requests of one caller"),
            refusals: Refusals::default(),
            store,
        }
    }

    /// The bucket of an RPC that takes no more than so many calls a minute from one address; `None` when
    /// it takes as many as any, or addresses are not limited here. `rpc` is its full name.
    pub(crate) fn of_rpc(&self, rpc: &str, per_minute: i32) -> Option<Bucket> {
        self.address.as_ref()?;
        let limit = NonZeroU32::new(u32::try_from(per_minute).ok()?)?;
        let name = rpc.rsplit('.').next().unwrap_or(rpc);
        let of = format!("calls of {name} from one address");
        Some(Bucket::new(Policy::new(name, limit, &of), rpc, self.store.clone()))
    }

    /// Counts a request for the address that it comes from.
    ///
    /// # Errors
    ///
    /// It is one too many.
    pub(crate) async fn admit_address(
        &self,
        client: Option<IpAddr>,
        standings: &Standings,
    ) -> Result<(), Problem> {
        self.admit_call(self.address.as_ref(), client, standings).await
    }

    /// Counts a call for the address that it comes from, where its RPC has a bucket.
    ///
    /// # Errors
    ///
    /// It is one too many.
    pub(crate) async fn admit_call(
        &self,
        bucket: Option<&Bucket>,
        client: Option<IpAddr>,
        standings: &Standings,
    ) -> Result<(), Problem> {
        let (Some(bucket), Some(address)) = (bucket, client) else { return Ok(()) };
        self.admit(bucket, Subject::address(address), client, standings).await
    }

    /// Counts a call with a token for whom that names; where it names nobody, or they have no limit, for
    /// the address that it comes from.
    ///
    /// # Errors
    ///
    /// It is one too many.
    pub(crate) async fn admit_caller(
        &self,
        principal: Option<&Principal>,
        client: Option<IpAddr>,
        standings: &Standings,
    ) -> Result<(), Problem> {
        let (Some(bucket), Some(principal)) = (&self.principal, principal) else {
            return self.admit_address(client, standings).await;
        };
        self.admit(bucket, Subject::principal(principal), client, standings).await
    }

    async fn admit(
        &self,
        bucket: &Bucket,
        subject: Subject,
        client: Option<IpAddr>,
        standings: &Standings,
    ) -> Result<(), Problem> {
        let standing = bucket.take(subject).await;
        let problem = standing.problem();
        if problem.is_some() {
            self.refusals.tell(standing.policy(), client);
        }
        standings.add(standing);
        problem.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;
    use souk_proto::souk::types::v1::Reason;

    use super::*;

    const CLIENT: &str = "192.0.2.1";

    fn limits(address_limit: u32, principal_limit: u32) -> Limits {
        Limits::new(&Options { address_limit, principal_limit, ..Options::default() })
    }

    fn client(address: &str) -> Option<IpAddr> {
        Some(address.parse().unwrap())
    }

    /// How many of so many requests from an address are refused.
    async fn refused(limits: &Limits, address: &str, requests: usize) -> usize {
        let mut refused = 0;
        for _ in 0..requests {
            let standings = Standings::default();
            let answer = limits.admit_address(client(address), &standings).await;
            refused += usize::from(answer.is_err());
        }
        refused
    }

    #[tokio::test]
    async fn an_address_has_so_many_requests_and_others_have_theirs() {
        let limits = limits(10, 0);
        assert_eq!(refused(&limits, CLIENT, 12).await, 2);
        assert_eq!(refused(&limits, "192.0.2.2", 10).await, 0);
    }

    #[tokio::test]
    async fn all_of_a_64_bit_network_of_ipv6_is_one_client() {
        let limits = limits(10, 0);
        assert_eq!(refused(&limits, "2001:db8::1", 10).await, 0);
        assert_eq!(refused(&limits, "2001:db8::ffff:1", 2).await, 2);
        assert_eq!(refused(&limits, "2001:db8:0:1::1", 10).await, 0);
    }

    #[tokio::test]
    async fn a_request_that_is_one_too_many_learns_when_to_come_again() {
        let limits = limits(1, 0);
        assert_eq!(refused(&limits, CLIENT, 1).await, 0);
        let standings = Standings::default();
        let answer = limits.admit_address(client(CLIENT), &standings).await;
        let problem = answer.unwrap_err();
        assert_eq!(problem.reason, Reason::RateLimited);
        let wait = problem.retry_after.unwrap();
        assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(60), "{wait:?}");
    }

    #[tokio::test]
    async fn an_rpc_may_take_fewer_calls_than_others() {
        let limits = limits(100, 0);
        let register = limits.of_rpc("shop.v1.Accounts.Register", 2);
        let mut answers = Vec::new();
        for _ in 0..3 {
            let standings = Standings::default();
            let own = register.as_ref();
            limits.admit_address(client(CLIENT), &standings).await.unwrap();
            answers.push(limits.admit_call(own, client(CLIENT), &standings).await);
        }
        let problem = answers.pop().unwrap().unwrap_err();
        assert_eq!(problem.metadata["policy"], "Register");
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(refused(&limits, CLIENT, 97).await, 0, "others take their calls as before");
    }

    #[tokio::test]
    async fn zero_switches_a_limit_off_and_with_it_that_of_each_rpc() {
        let limits = limits(0, 0);
        assert_eq!(refused(&limits, CLIENT, 10_000).await, 0);
        assert!(limits.of_rpc("shop.v1.Accounts.Register", 2).is_none());
        let standings = Standings::default();
        limits.admit_address(client(CLIENT), &standings).await.unwrap();
        let mut headers = HeaderMap::new();
        standings.write(&mut headers);
        assert!(headers.is_empty(), "{headers:?}");
    }
}
