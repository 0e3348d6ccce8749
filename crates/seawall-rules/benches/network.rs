//! What it costs to look an address up among many networks: `make bench`, or
//! `cargo bench -p seawall-rules --bench network`. docs/benchmarks.md says how to read it.

#![allow(missing_docs, reason = "a program, not an interface")]

use std::hint::black_box;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use seawall_rules::network::Networks;

const PREFIXES: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
/// Rounds of which the quickest counts.
const ROUNDS: u32 = 5;
const LOOKUPS: usize = 200_000;

fn main() {
    println!("nanoseconds to look one address up\n");
    println!(
        "{:>9}{:>12}{:>12}{:>16}{:>14}",
        "prefixes", "IPv4", "IPv6", "naive, IPv4", "ms to build"
    );
    for prefixes in PREFIXES {
        let [v4, v6] = [false, true].map(|v6| Lists::random(prefixes, v6));
        let (networks4, build) = timed(|| Networks::new(v4.allow.clone(), v4.deny.clone()));
        let networks6 = Networks::new(v6.allow.clone(), v6.deny.clone());
        // The naive search takes long enough for fewer to tell.
        let few = (LOOKUPS / prefixes).max(100);
        println!(
            "{prefixes:>9}{:>12.0}{:>12.0}{:>16.0}{:>14.2}",
            lookup(LOOKUPS, &v4.addresses, |ip| networks4.admits(ip)),
            lookup(LOOKUPS, &v6.addresses, |ip| networks6.admits(ip)),
            lookup(few, &v4.addresses, |ip| v4.naive(ip)),
            build.as_secs_f64() * 1000.0,
        );
    }
}

/// Nanoseconds of one lookup.
fn lookup(count: usize, addresses: &[IpAddr], admits: impl Fn(IpAddr) -> bool) -> f64 {
    let round = || {
        let all = addresses.iter().cycle().take(count);
        timed(|| all.filter(|ip| admits(black_box(**ip))).count()).1
    };
    let quickest = (0..ROUNDS).map(|_| round()).min().unwrap_or_default();
    quickest.as_secs_f64() * 1e9 / count as f64
}

fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = black_box(run());
    (value, start.elapsed())
}

/// Networks of one family, of all lengths that people write, and addresses in and out of them.
struct Lists {
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
    addresses: Vec<IpAddr>,
}

impl Lists {
    fn random(count: usize, v6: bool) -> Self {
        let mut random = Random(1);
        let address = |random: &mut Random| match v6 {
            true => IpAddr::from(random.next().to_be_bytes()),
            false => IpAddr::from((random.next() as u32).to_be_bytes()),
        };
        let net = |random: &mut Random| {
            let shortest = if v6 { 24 } else { 8 };
            let length = shortest + (random.next() % if v6 { 105 } else { 25 }) as u8;
            IpNet::new(address(random), length).expect("a length of its family").trunc()
        };
        let nets: Vec<_> = (0..count).map(|_| net(&mut random)).collect();
        let (deny, allow) = nets.split_at(count / 4);
        // Every second one is in some network.
        let addresses = (0..65_536)
            .map(|n| match n % 2 {
                0 => nets[random.next() as usize % count].network(),
                _ => address(&mut random),
            })
            .collect();
        Self { allow: allow.to_vec(), deny: deny.to_vec(), addresses }
    }

    fn naive(&self, address: IpAddr) -> bool {
        let longest = |nets: &[IpNet]| {
            nets.iter().filter(|net| net.contains(&address)).map(IpNet::prefix_len).max()
        };
        longest(&self.allow) > longest(&self.deny)
    }
}

/// SplitMix64, twice: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u128 {
        let mut half = || {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            u128::from(z ^ (z >> 31))
        };
        half() << 64 | half()
    }
}
