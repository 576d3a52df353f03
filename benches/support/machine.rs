//! Where the numbers come from.

use std::fs;
use std::thread::available_parallelism;

/// Names the machine: its processor, memory and kernel, as far as it tells.
pub fn describe() {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (processor, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let kibibytes =
        value(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok());
    println!(
        "machine     {}, {} cores, {:.0} GiB, {} {}",
        value(&processor, "model name").unwrap_or(std::env::consts::ARCH),
        available_parallelism().map_or(1, usize::from),
        kibibytes.unwrap_or(0.0) / 1024.0 / 1024.0,
        std::env::consts::OS,
        read("/proc/sys/kernel/osrelease").trim()
    );
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    let mut values = pairs.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    values.next()
}
