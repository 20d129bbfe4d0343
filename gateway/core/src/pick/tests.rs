//! Choices over whole clusters: shares, failover, keys, warm-up.

use super::*;
use crate::{
    cluster::{ClusterPolicy, Endpoint, Endpoints, Locality, Outlier, ServiceName, WarmUp},
    id::ClusterId,
};
use proptest::prelude::*;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    time::Duration,
};

/// A world whose chance is the same every time.
#[derive(Default)]
struct World {
    chance: Cell<u64>,
    turn: Cell<u64>,
    loads: Vec<u32>,
    warmth: Vec<f64>,
    /// Whose load was asked for.
    asked: RefCell<Vec<usize>>,
}

impl Situation for World {
    fn draw(&self) -> u64 {
        self.chance.set(self.chance.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        crate::action::hash::hash(&self.chance.get().to_le_bytes())
    }

    fn turn(&self) -> u64 {
        self.turn.replace(self.turn.get().wrapping_add(1))
    }

    fn load(&self, at: usize) -> u32 {
        self.asked.borrow_mut().push(at);
        self.loads.get(at).copied().unwrap_or(0)
    }

    fn warmth(&self, at: usize) -> f64 {
        self.warmth.get(at).copied().unwrap_or(1.0)
    }
}

/// An endpoint of a weight, a locality and a priority; the address follows from the position.
type Spec = (u32, &'static str, u32);

fn cluster(policy: ClusterPolicy, specs: &[Spec]) -> Arc<Cluster> {
    let list = (0_u16..).zip(specs).map(|(at, (weight, locality, priority))| Endpoint {
        address: ([10, 0, 0, 1], 1000 + at).into(),
        weight: *weight,
        locality: Locality::parse(locality),
        priority: *priority,
        ..Endpoint::default()
    });
    let name: Arc<str> = "a".into();
    Arc::new(Cluster {
        id: ClusterId::outbound(80, "", "a"),
        service: ServiceName { host: name.clone(), name: name.clone(), namespace: name },
        policy,
        names: None,
        endpoints: Arc::new(Endpoints::new(list.collect())),
    })
}

fn balanced(balance: Balance) -> ClusterPolicy {
    ClusterPolicy { balance, ..ClusterPolicy::default() }
}

fn counts(balancer: &Balancer, world: &World, times: usize, of: usize) -> Vec<usize> {
    let mut counts = vec![0; of];
    for _ in 0..times {
        if let Some(at) = balancer.pick(world, Wish::default()) {
            counts[at] += 1;
        }
    }
    counts
}

#[test]
fn weights_count_in_turn_and_by_load_but_not_by_chance() {
    let specs = [(1, "", 0), (2, "", 0), (5, "", 0)];
    let world = World::default();
    let balancer = |balance| Balancer::new(cluster(balanced(balance), &specs), |_| true);
    assert_eq!(counts(&balancer(Balance::RoundRobin), &world, 160, 3), [20, 40, 100]);
    let by_load = counts(&balancer(Balance::LeastRequest), &world, 16_000, 3);
    for (found, expected) in by_load.iter().zip([2000, 4000, 10_000]) {
        assert!(found.abs_diff(expected) < 300, "{by_load:?}");
    }
    let by_chance = counts(&balancer(Balance::Random), &world, 9000, 3);
    assert!(by_chance.iter().all(|found| found.abs_diff(3000) < 250), "{by_chance:?}");
    assert_eq!(counts(&balancer(Balance::Passthrough), &world, 10, 3), [0, 0, 0]);
}

/// Four endpoints here, one in each other place, as far as possible as measured of Istio.
const PLACES: [Spec; 8] = [
    (1, "r1/z1/s1", 0),
    (1, "r1/z1/s1", 0),
    (1, "r1/z1/s1", 0),
    (1, "r1/z1/s1", 0),
    (1, "r1/z1/s2", 1),
    (1, "r1/z2/s1", 2),
    (1, "r2/z1/s1", 3),
    (1, "r3/z1/s1", 3),
];

#[test]
fn the_next_priority_takes_what_the_first_cannot_carry() {
    let cluster = cluster(balanced(Balance::Random), &PLACES);
    let world = World::default();
    for (out, local, next) in
        [(0, 10_000, 0), (1, 10_000, 0), (2, 7000, 3000), (3, 3500, 6500), (4, 0, 10_000)]
    {
        let balancer = Balancer::new(Arc::clone(&cluster), |at| at >= out);
        let found = counts(&balancer, &world, 10_000, 8);
        let here: usize = found[..4].iter().sum();
        assert!(here.abs_diff(local) < 200 && found[4].abs_diff(next) < 200, "{out}: {found:?}");
        assert_eq!(here + found[4], 10_000);
    }
    let balancer = Balancer::new(Arc::clone(&cluster), |at| at >= 6);
    let found = counts(&balancer, &world, 1000, 8);
    assert!(found[6] + found[7] == 1000 && found[6].abs_diff(500) < 80, "{found:?}");
    assert_eq!(balancer.renewed(|_| false).pick(&world, Wish::default()), None);
    assert_eq!(counts(&balancer.renewed(|at| at == 0), &world, 10, 8)[0], 10);
}

#[test]
fn localities_have_their_shares_while_they_can_carry_them() {
    let shares = [("r1/z1/s1", 56), ("r1/z1/s2", 14), ("r1/z2/s1", 20), ("r2/z1/s1", 10)];
    let policy = ClusterPolicy {
        shares: shares.map(|(place, share)| (Locality::parse(place), share)).into(),
        ..balanced(Balance::RoundRobin)
    };
    let cluster = cluster(policy, &PLACES.map(|(weight, place, _)| (weight, place, 0)));
    let world = World::default();
    let mut balancer = Balancer::new(cluster, |_| true);
    assert_eq!(counts(&balancer, &world, 300, 8), [42, 42, 42, 42, 42, 60, 30, 0]);
    for (out, expected) in [(1, 168), (2, 141), (3, 93), (4, 0)] {
        balancer = balancer.renewed(|at| at >= out);
        let found = counts(&balancer, &world, 300, 8);
        let local: usize = found[..4].iter().sum();
        assert!(local.abs_diff(expected) <= 3, "{out}: {found:?}");
        assert_eq!(found[7], 0);
    }
    // Where nobody has a share any more, all that is left serves.
    assert_eq!(counts(&balancer.renewed(|at| at == 7), &world, 5, 8)[7], 5);
}

#[test]
fn in_panic_all_are_used() {
    let outlier = Outlier { panic_percent: 50, ..Outlier::default() };
    let policy = ClusterPolicy { outlier: Some(outlier), ..balanced(Balance::RoundRobin) };
    let cluster = cluster(policy, &[(1, "", 0); 4]);
    let world = World::default();
    for (out, used) in [(0, 4), (2, 2), (3, 4), (4, 4)] {
        let balancer = Balancer::new(Arc::clone(&cluster), |at| at >= out);
        let found = counts(&balancer, &world, 40, 4);
        assert_eq!(found.iter().filter(|count| **count == 40 / used).count(), used, "{found:?}");
    }
}

#[test]
fn tries_avoid_who_had_one() {
    let balancer =
        Balancer::new(cluster(balanced(Balance::RoundRobin), &[(1, "", 0); 3]), |_| true);
    let world = World::default();
    for _ in 0..20 {
        let wish = Wish { tried: &[0, 2], ..Wish::default() };
        assert_eq!(balancer.pick(&world, wish), Some(1));
    }
    let all = Wish { tried: &[0, 1, 2], ..Wish::default() };
    assert!(balancer.pick(&world, all).is_some());
    let chosen = |_| {
        let wish = Wish { tried: &[0, 2], repeating: true, ..Wish::default() };
        balancer.pick(&world, wish).unwrap()
    };
    let repeated: BTreeSet<_> = (0..20).map(chosen).collect();
    assert_eq!(repeated.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn every_second_try_may_go_to_another_priority() {
    let specs = [(1, "", 0), (1, "", 0), (1, "", 1), (1, "", 2)];
    let balancer = Balancer::new(cluster(balanced(Balance::Random), &specs), |_| true);
    let world = World::default();
    for (tried, expected) in [
        (&[][..], &[0, 1][..]),
        (&[0], &[1]),
        (&[0, 1], &[2]),
        (&[0, 1, 2], &[2]),
        (&[0, 1, 2, 2], &[3]),
        (&[0, 1, 2, 2, 3, 3], &[0, 1]),
    ] {
        for _ in 0..20 {
            let wish = Wish { tried, elsewhere: true, ..Wish::default() };
            let found = balancer.pick(&world, wish).unwrap();
            assert!(expected.contains(&found), "{tried:?}: {found}");
            let here = balancer.pick(&world, Wish { elsewhere: false, ..wish }).unwrap();
            assert!(here < 2, "{tried:?}: {here}");
        }
    }
}

#[test]
fn a_new_endpoint_comes_to_its_share_step_by_step() {
    let ten = Duration::from_secs(10);
    let warm_up = WarmUp { duration: ten, minimum: 0.1, aggression: 1.0 };
    for (age, expected) in [(0, 0.1), (1, 0.1), (5, 0.5), (10, 1.0), (99, 1.0)] {
        let share = warm_up.share(Duration::from_secs(age));
        assert!((share - expected).abs() < 1e-9, "{age}: {share}");
    }
    let slow = WarmUp { aggression: 0.5, ..warm_up };
    assert!((slow.share(Duration::from_secs(5)) - 0.25).abs() < 1e-9);
    let none = WarmUp { duration: Duration::ZERO, minimum: f64::NAN, aggression: 0.0 };
    assert!(none.share(Duration::ZERO) >= 1.0);
    for balance in [Balance::RoundRobin, Balance::LeastRequest] {
        let policy = ClusterPolicy { warm_up: Some(warm_up), ..balanced(balance) };
        let balancer = Balancer::new(cluster(policy, &[(1, "", 0); 3]), |_| true);
        for (warmth, expected) in [(0.1, 476), (0.5, 2000), (1.0, 3333)] {
            let world = World { warmth: vec![1.0, 1.0, warmth], ..World::default() };
            let found = counts(&balancer, &world, 10_000, 3)[2];
            assert!(found.abs_diff(expected) < 200, "{balance:?} at {warmth}: {found}");
        }
        let cold = World { warmth: vec![0.0; 3], ..World::default() };
        assert!(balancer.pick(&cold, Wish::default()).is_some());
    }
}

const TABLES: [Balance; 2] = [Balance::Ring { points: 1024 }, Balance::Maglev { places: 65_537 }];

fn keyed(balancer: &Balancer, key: u64) -> usize {
    // Keys are hashes.
    let key = Some(crate::action::hash::hash(&key.to_le_bytes()));
    balancer.pick(&World::default(), Wish { key, ..Wish::default() }).unwrap()
}

#[test]
fn keys_spread_over_all_and_stay_when_one_leaves() {
    for balance in TABLES {
        let five = Balancer::new(cluster(balanced(balance), &[(1, "", 0); 5]), |_| true);
        // Positions, and so addresses, are those of the first four.
        let four = Balancer::new(cluster(balanced(balance), &[(1, "", 0); 4]), |_| true);
        let mut spread = [0; 5];
        let mut moved = 0;
        for key in 0..6000 {
            let before = keyed(&five, key);
            spread[before] += 1;
            moved += usize::from(before < 4 && keyed(&four, key) != before);
        }
        assert!(spread.iter().all(|count| (800..1600).contains(count)), "{balance:?}: {spread:?}");
        // Maglev's table is filled anew, which moves a few.
        let most = if balance == TABLES[0] { 0 } else { 60 };
        assert!(moved <= most, "{balance:?}: {moved}");
    }
}

#[test]
fn keys_go_by_weight() {
    for balance in TABLES {
        let specs = [(1, "", 0), (3, "", 0)];
        let balancer = Balancer::new(cluster(balanced(balance), &specs), |_| true);
        let second = (0..4000).filter(|key| keyed(&balancer, *key) == 1).count();
        assert!(second.abs_diff(3000) < 200, "{balance:?}: {second}");
    }
}

#[test]
fn the_same_key_leads_to_the_same_place_for_ever() {
    // Gateways of two versions must agree: a change here breaks every client's stickiness once.
    let found = TABLES.map(|balance| {
        let balancer = Balancer::new(cluster(balanced(balance), &[(1, "", 0); 5]), |_| true);
        (0..10).map(|key| keyed(&balancer, key)).collect::<Vec<_>>()
    });
    assert_eq!(found[0], [1, 2, 4, 4, 3, 4, 3, 0, 1, 2]);
    assert_eq!(found[1], [1, 1, 2, 1, 1, 1, 2, 1, 0, 2]);
}

#[test]
fn keys_are_told_apart_by_tables_only_and_without_a_key_chance_decides() {
    let world = World::default();
    let random = Balancer::new(cluster(balanced(Balance::Random), &[(1, "", 0); 3]), |_| true);
    let same = Wish { key: Some(7), ..Wish::default() };
    let found: Vec<_> = (0..50).filter_map(|_| random.pick(&world, same)).collect();
    assert!((0..3).all(|at| found.contains(&at)));
    for balance in TABLES {
        let balancer = Balancer::new(cluster(balanced(balance), &[(1, "", 0); 3]), |_| true);
        let found = counts(&balancer, &world, 3000, 3);
        assert!(found.iter().all(|count| count.abs_diff(1000) < 150), "{found:?}");
        let at = keyed(&balancer, 7);
        let key = Some(crate::action::hash::hash(&7_u64.to_le_bytes()));
        assert_eq!(balancer.pick(&world, Wish { key, tried: &[at], ..Wish::default() }), Some(at));
    }
}

fn balance() -> impl Strategy<Value = Balance> {
    prop_oneof![
        Just(Balance::LeastRequest),
        Just(Balance::RoundRobin),
        Just(Balance::Random),
        Just(Balance::Passthrough),
        (0_u32..300).prop_map(|points| Balance::Ring { points }),
        (0_u32..300).prop_map(|places| Balance::Maglev { places }),
    ]
}

fn specs() -> impl Strategy<Value = Vec<Spec>> {
    let place = prop::sample::select(&["", "r1", "r1/z1", "r2"][..]);
    prop::collection::vec((prop_oneof![0_u32..9, any::<u32>()], place, 0_u32..4), 0..12)
}

proptest! {
    #[test]
    fn of_two_drawn_the_busier_is_never_taken(
        loads in prop::collection::vec(0_u32..5, 2..10),
        start in any::<u64>(),
    ) {
        let specs = vec![(1, "", 0); loads.len()];
        let balancer = Balancer::new(cluster(ClusterPolicy::default(), &specs), |_| true);
        let world = World { loads, chance: Cell::new(start), ..World::default() };
        let taken = balancer.pick(&world, Wish::default()).unwrap();
        let asked = world.asked.borrow();
        prop_assert!(asked.contains(&taken));
        prop_assert!(asked.iter().all(|at| world.loads[*at] >= world.loads[taken]));
    }

    #[test]
    fn keys_of_those_who_stay_do_not_move(
        count in 1_usize..40,
        out in prop::collection::vec(any::<bool>(), 40),
        table in 0_usize..2,
    ) {
        let balance = [Balance::Ring { points: 256 }, Balance::Maglev { places: 251 }][table];
        let cluster = cluster(balanced(balance), &vec![(1, "", 0); count]);
        let all = Balancer::new(cluster, |_| true);
        let some = all.renewed(|at| !out[at]);
        let again = some.renewed(|_| true);
        let any_left = out.iter().take(count).any(|out| !out);
        for key in 0..100 {
            let before = keyed(&all, key);
            prop_assert_eq!(keyed(&again, key), before);
            let hashed = Some(crate::action::hash::hash(&key.to_le_bytes()));
            let now = some.pick(&World::default(), Wish { key: hashed, ..Wish::default() });
            prop_assert_eq!(now.is_some(), any_left);
            if !out[before] {
                prop_assert_eq!(now, Some(before));
            }
            prop_assert!(now.is_none_or(|at| !out[at]));
        }
    }

    #[test]
    fn whoever_can_be_chosen_is_and_nobody_else(
        (balance, specs) in (balance(), specs()),
        share in prop::option::of(0_u32..100),
        out in any::<u16>(),
        wish in (any::<Option<u64>>(), prop::collection::vec(0_usize..20, 0..6), any::<bool>()),
        panic_percent in prop::option::of(0_u32..200),
    ) {
        let policy = ClusterPolicy {
            shares: share.map(|share| (Locality::parse("r1"), share)).into_iter().collect(),
            outlier: panic_percent.map(|panic_percent| Outlier { panic_percent, ..Outlier::default() }),
            ..balanced(balance)
        };
        let cluster = cluster(policy, &specs);
        let usable = |at: usize| out >> at & 1 == 0;
        let balancer = Balancer::new(cluster, usable);
        let (key, tried, elsewhere) = wish;
        let found = balancer.pick(&World::default(), Wish { key, tried: &tried, elsewhere, ..Wish::default() });
        let none = specs.is_empty() || balance == Balance::Passthrough;
        let can = !none && (0..specs.len()).any(usable);
        let panics = panic_percent.is_some_and(|percent| percent > 0);
        prop_assert!(found.is_some() == can || (panics && !none), "{:?}", found);
        if let Some(at) = found {
            prop_assert!(at < specs.len() && (usable(at) || panics));
        }
    }
}
