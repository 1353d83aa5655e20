//! The fuzz targets without a fuzzer: every kept input, and a bounded number of mutations of them.
//!
//! `make fuzz` looks further, guided by coverage; what it finds is kept in `fuzz/corpus` and tried
//! here ever after.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of a test may panic like the test"
)]

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use vbranch_domain::{Clock, SystemClock};
use vbranch_sfu::fuzzing::{TARGETS, Target};

/// Mutations of one target: some hundred of each seed.
const MUTATIONS: usize = 20_000;
/// One target's share of time, for slow machines: fewer mutations are tried, none is skipped
/// silently.
const SHARE: Duration = Duration::from_millis(1500);
/// Longest input made: what a datagram holds, and a bit.
const MAX_INPUT: usize = 4096;

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut seeds: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

/// Runs one input; a panic names it, so that it can be kept.
fn survive((name, target): Target, input: &[u8], what: &str) {
    let survived = catch_unwind(AssertUnwindSafe(|| target(input)));
    let hex = || input.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(survived.is_ok(), "target {name}, {what}: {}", hex());
}

#[test]
fn every_kept_input_is_survived() {
    for target in TARGETS {
        let seeds = corpus(target.0);
        assert!(!seeds.is_empty(), "{} has no seeds", target.0);
        survive(target, &[], "nothing at all");
        for (path, input) in seeds {
            survive(target, &input, &path.display().to_string());
        }
    }
}

#[test]
fn mutations_of_the_kept_inputs_are_survived() {
    let clock = SystemClock::start();
    for target in TARGETS {
        let seeds: Vec<Vec<u8>> = corpus(target.0).into_iter().map(|(_, input)| input).collect();
        let mut random = StdRng::seed_from_u64(0x5eed);
        let (began, mut tried) = (clock.mono(), 0);
        while tried < MUTATIONS && clock.mono().since(began) < SHARE {
            for _ in 0..50 {
                let input = mutate(&seeds, &mut random);
                survive(target, &input, "a mutation");
                tried += 1;
            }
        }
        println!("{}: {tried} mutations of {} seeds", target.0, seeds.len());
    }
}

/// A seed with one to eight changes.
fn mutate(seeds: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
    let mut input = seeds.choose(random).cloned().unwrap_or_default();
    for _ in 0..random.random_range(1..=8) {
        change(&mut input, seeds, random);
    }
    input.truncate(MAX_INPUT);
    input
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut StdRng) {
    const INTERESTING: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, 0x20, 0x0f, 0xf0];
    if input.is_empty() {
        input.push(random.random());
    }
    let len = input.len();
    let (a, b) = (random.random_range(0..len), random.random_range(0..len));
    let part = a.min(b)..a.max(b).min(a.min(b) + 64);
    match random.random_range(0..8) {
        0 => input[a] ^= 1 << random.random_range(0..8),
        1 => input[a] = random.random(),
        2 => input[a] = INTERESTING[random.random_range(0..INTERESTING.len())],
        3 => input.truncate(a),
        4 => drop(input.drain(part)),
        5 => {
            let copy: Vec<u8> = input[part].to_vec();
            drop(input.splice(b..b, copy));
        }
        6 => input.insert(a, random.random()),
        _ => {
            let other = seeds.choose(random).cloned().unwrap_or_default();
            let from = random.random_range(0..=other.len());
            input.truncate(a);
            input.extend_from_slice(&other[from..]);
        }
    }
}
