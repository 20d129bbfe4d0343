//! Ports for the programs under test: given out once in a process, and none of those that the kernel hands out by
//! itself, since any connection of a client may have such a one by the time that a program listens.

use std::{
    collections::{BTreeSet, hash_map::RandomState},
    hash::BuildHasher,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    sync::{Mutex, PoisonError},
};

/// Single ports: below the node ports of Kubernetes and what the kernel hands out (from 32,768 on).
const SINGLE: Range<u16> = 20_000..30_000;

/// Offsets: the largest of their ports is below the same bound.
const OFFSETS: Range<u16> = 2_000..11_900;

/// What an offset shifts: 80, 443 and 8080, and the same once more by what `up` adds for the gateway.
const SHIFTED: [u16; 6] = [80, 443, 8_080, 10_080, 10_443, 18_080];

/// What this process has given out. A program listens only a while after it was told its port, so that a look at
/// who listens does not keep two tests apart.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that nobody listens on and nobody else in this process is given.
pub fn free_port() -> u16 {
    take(SINGLE, &[0])
}

/// A port offset such that 80, 443 and 8080, shifted by it and by what `up` adds for the gateway, are free and
/// given to nobody else in this process.
pub fn free_offset() -> u16 {
    take(OFFSETS, &SHIFTED)
}

/// The first of `range`, from a place drawn at random, with all its ports free; they are given out from now on.
fn take(range: Range<u16>, shifts: &[u16]) -> u16 {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let length = u64::from(range.end - range.start);
    let from = range.start + u16::try_from(drawn() % length).expect("less than a u16");
    let free = |port: u16| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
    let fits = |base: &u16| {
        shifts.iter().all(|shift| !given.contains(&(base + shift)) && free(base + shift))
    };
    let base = (from..range.end).chain(range.start..from).find(fits).expect("some ports are free");
    given.extend(shifts.iter().map(|shift| base + shift));
    base
}

/// Anything: two processes are to begin at different places.
fn drawn() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeMap, thread};

    #[test]
    fn no_port_is_given_twice_though_nobody_listens_yet() {
        let draw = || {
            let offsets = (0..60).map(|_| free_offset()).flat_map(|it| SHIFTED.map(|by| by + it));
            offsets.chain((0..200).map(|_| free_port())).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(draw)).collect();
        let mut times = BTreeMap::new();
        for port in threads.into_iter().flat_map(|it| it.join().unwrap()) {
            *times.entry(port).or_insert(0) += 1;
        }
        assert!(times.values().all(|times| *times == 1), "{times:?}");
        assert!(times.keys().all(|port| *port < SINGLE.end));
    }
}
