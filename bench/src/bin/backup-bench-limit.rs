//! What cannot be beaten: the codec and the hashes in memory on all cores, and reading a tree to nowhere.
//!
//!     backup-bench-limit codec FILE.tar gzip|zstd LEVEL     compress 1 MiB pieces, hash as an archive is hashed
//!     backup-bench-limit read DIR                           walk and read every file, on all cores
#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

use md5::Md5;
use sha2::{Digest, Sha256};
use std::error::Error;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

type Done<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Every worker takes the next piece: compresses it, hashes what went in (BLAKE3) and what came out (SHA-256
/// and MD5, which in an archive run over the whole; the work is the same).
fn codec(file: &Path, method: &str, level: i32) -> Done<()> {
    let data = std::fs::read(file)?;
    let pieces: Vec<&[u8]> = data.chunks(1 << 20).collect();
    let (next, out) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores())
            .map(|_| {
                scope.spawn(|| -> Done<()> {
                    let mut gzip = libdeflater::Compressor::new(
                        libdeflater::CompressionLvl::new(level.min(12)).map_err(|e| format!("{e:?}"))?,
                    );
                    let mut zstd = zstd::bulk::Compressor::new(level)?;
                    let mut room = vec![0u8; 2 << 20];
                    let (mut sha, mut md5, mut blake) = (Sha256::new(), Md5::new(), blake3::Hasher::new());
                    while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let n = match method {
                            "gzip" => gzip.gzip_compress(piece, &mut room)?,
                            _ => zstd.compress_to_buffer(piece, &mut room[..])?,
                        };
                        blake.update(piece);
                        sha.update(&room[..n]);
                        md5.update(&room[..n]);
                        out.fetch_add(n, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|w| w.join().map_err(|_| "a worker panicked")?)
    })?;
    println!("{:.3} {}", begun.elapsed().as_secs_f64(), out.load(Ordering::Relaxed));
    Ok(())
}

fn files(folder: &Path, list: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files(&entry.path(), list)?;
        } else if kind.is_file() {
            list.push(entry.path());
        }
    }
    Ok(())
}

fn read(folder: &Path) -> Done<()> {
    let begun = Instant::now();
    let mut list = Vec::new();
    files(folder, &mut list)?;
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..cores() {
            scope.spawn(|| {
                let mut room = vec![0u8; 1 << 20];
                while let Some(path) = list.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let all = std::fs::File::open(path).and_then(|mut f| {
                        while f.read(&mut room)? > 0 {}
                        Ok(())
                    });
                    if let (Err(e), Ok(mut failed)) = (all, failed.lock()) {
                        *failed = Some(e);
                    }
                }
            });
        }
    });
    if let Some(e) = failed.into_inner()? {
        return Err(e.into());
    }
    println!("{:.3} {}", begun.elapsed().as_secs_f64(), list.len());
    Ok(())
}

fn main() -> Done<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["codec", file, method, level] => codec(Path::new(file), method, level.parse()?),
        ["read", folder] => read(Path::new(folder)),
        _ => Err("usage: backup-bench-limit codec FILE.tar gzip|zstd LEVEL | read DIR".into()),
    }
}
