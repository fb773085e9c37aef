//! The share that one client may use up of what all clients have: partitions, bytes of committed offsets, space on the disk.
//!
//! 1. A client is a network address: all of IPv4, the first half of IPv6, which one host can choose freely.
//! 2. What a client used is counted from the start of the broker, and not on the disk.
//! 3. At most [`MAX_CLIENTS`] clients are counted apart; all others count as one.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

const MAX_CLIENTS: usize = 65_536;

/// All connections from one network address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    V4(u32),
    V6(u64),
    Others,
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

/// What each client may use of one thing, and what it has used.
#[derive(Debug)]
pub(crate) struct Share {
    limit: u64,
    used: Mutex<HashMap<Client, u64>>,
}

impl Share {
    /// A share of so many hundredths.
    pub(crate) fn of(all: u64, percent: u64) -> Self {
        let limit = u128::from(all) * u128::from(percent) / 100;
        Self { limit: u64::try_from(limit).unwrap_or(u64::MAX), used: Mutex::default() }
    }

    /// Counts `amount` for a client, unless that exceeds its share.
    pub(crate) fn take(&self, client: Client, amount: u64) -> Result<(), ShareUsedUp> {
        self.replace(client, 0, amount)
    }

    /// Undoes a [`take`](Self::take).
    pub(crate) fn give_back(&self, client: Client, amount: u64) {
        let given = self.replace(client, amount, 0);
        debug_assert!(given.is_ok(), "less than before always fits");
    }

    /// Counts `new` for a client in place of `old`, unless that is more and exceeds its share.
    pub(crate) fn replace(&self, client: Client, old: u64, new: u64) -> Result<(), ShareUsedUp> {
        let mut used = self.used.lock().expect("nothing panics while it has the counts");
        let client = known(&used, client);
        let count = used.get(&client).copied().unwrap_or(0);
        let sum = count.saturating_sub(old).saturating_add(new);
        if new > old && sum > self.limit {
            return Err(ShareUsedUp { asked: new - old, used: count, limit: self.limit });
        }
        match sum {
            0 => drop(used.remove(&client)),
            _ => drop(used.insert(client, sum)),
        }
        Ok(())
    }
}

/// The name under which a client is counted.
fn known(used: &HashMap<Client, u64>, client: Client) -> Client {
    match used.len() < MAX_CLIENTS || used.contains_key(&client) {
        true => client,
        false => Client::Others,
    }
}

/// The share of one client.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) share: Arc<Share>,
    pub(crate) client: Client,
}

impl Account {
    pub(crate) fn take(&self, amount: u64) -> Result<(), ShareUsedUp> {
        self.share.take(self.client, amount)
    }

    pub(crate) fn give_back(&self, amount: u64) {
        self.share.give_back(self.client, amount);
    }
}

/// A client has used its share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShareUsedUp {
    asked: u64,
    used: u64,
    limit: u64,
}

impl fmt::Display for ShareUsedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, used, limit } = self;
        write!(f, "a client that has used {used} asks for {asked}; its share is {limit}")
    }
}

impl Error for ShareUsedUp {}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> Client {
        Client::from(address.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn a_client_gets_its_share_and_leaves_that_of_others() {
        let share = Share::of(1000, 50);
        let [one, two] = [client("10.0.0.1"), client("10.0.0.2")];
        assert!(share.take(one, 400).is_ok());
        assert!(share.take(one, 101).is_err());
        assert!(share.take(one, u64::MAX).is_err());
        assert!(share.take(one, 100).is_ok());
        assert!(share.take(one, 1).is_err());
        assert!(share.take(two, 500).is_ok());
        share.give_back(one, 200);
        assert!(share.take(one, 200).is_ok());
        assert!(share.take(one, 1).is_err());
    }

    #[test]
    fn addresses_that_one_host_can_choose_are_one_client() {
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:10.0.0.1"), client("10.0.0.1"));
    }

    #[test]
    fn clients_beyond_those_that_are_counted_share_one_count() {
        let share = Share::of(100, 10);
        for address in 0..MAX_CLIENTS as u32 {
            share.take(Client::V4(address), 1).unwrap();
        }
        assert!(share.take(Client::V4(7), 9).is_ok(), "it was there before");
        assert!(share.take(client("2001:db8::1"), 9).is_ok());
        assert!(share.take(client("2001:db8:1::1"), 2).is_err());
    }
}
