//! Replays the seeds of each target, and a bounded number of inputs made from them: always the same ones.

use backup_fuzz::Random;
use std::fs;
use std::path::Path;

/// Inputs made from the seeds of one target.
const INPUTS: usize = 20_000;

/// Changes an input as fuzzers do: flips, numbers at the edge, cuts, repeats, pieces of another.
fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(input.len());
        let to = (at + random.below(64)).min(input.len());
        match random.below(7) {
            0 if !input.is_empty() => input[at] ^= 1 << random.below(8),
            1 if !input.is_empty() => input[at] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'/', b'9'][random.below(8)],
            2 => input.truncate(at),
            3 => {
                let piece = input[at..to].to_vec();
                input.splice(at..at, piece);
            }
            4 => drop(input.drain(at..to)),
            5 => {
                let from = random.below(other.len());
                let until = (from + random.below(600)).min(other.len());
                input.splice(at..to, other[from..until].iter().copied());
            }
            _ => input.insert(at, random.number() as u8),
        }
    }
}

fn replay(target: fn(&[u8]), name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut seeds: Vec<_> = fs::read_dir(&folder).expect("the corpus").map(|e| e.expect("an entry").path()).collect();
    seeds.sort();
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|p| fs::read(p).expect("a seed")).collect();
    assert!(seeds.len() >= 4, "the corpus of {name} is thin");
    seeds.iter().for_each(|seed| target(seed));
    let mut random = Random(name.len() as u64);
    for n in 0..INPUTS {
        let mut input = seeds[random.below(seeds.len())].clone();
        let other = &seeds[random.below(seeds.len())];
        mutate(&mut input, other, &mut random);
        let run = std::panic::catch_unwind(|| target(&input));
        assert!(run.is_ok(), "input {n} of {name} fails: {}", input.escape_ascii());
    }
}

#[test]
fn tar_reader() {
    replay(backup_fuzz::tar_reader, "tar_reader");
}

#[test]
fn index() {
    replay(backup_fuzz::index, "index");
}

#[test]
fn sidecar() {
    replay(backup_fuzz::sidecar, "sidecar");
}

#[test]
fn schedules() {
    replay(backup_fuzz::schedules, "schedules");
}

#[test]
fn one_line() {
    replay(backup_fuzz::one_line, "one_line");
}

#[test]
fn dump_postgres() {
    replay(backup_fuzz::dump_postgres, "dump_postgres");
}

#[test]
fn dump_mysql() {
    replay(backup_fuzz::dump_mysql, "dump_mysql");
}
