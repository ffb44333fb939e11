//! CPU and memory of a process and its descendants, from /proc.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// What a process tree has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// user and system time of all threads, those that ended included
    pub cpu: Duration,
    pub resident_kib: u64,
}

/// The sum over `root` and its living descendants. None if `root` does not exist.
///
/// CPU is `utime + stime` of /proc/PID/stat: the kernel scales them to the exact run time, in ticks of 10 ms, so a window
/// of a second is good to about 1 %.
pub fn used_by_tree(root: u32) -> Option<Used> {
    let stats: HashMap<u32, Stat> = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, Stat::read(pid)?)))
        .collect();
    stats.get(&root)?;
    let tick = Duration::from_secs(1) / u32::try_from(rustix::param::clock_ticks_per_second()).ok()?;
    let page_kib = rustix::param::page_size() as u64 / 1024;
    let within = |pid: u32| {
        let parents = std::iter::successors(Some(pid), |pid| stats.get(pid).map(|stat| stat.parent));
        // A tree is not deeper than this; a changing /proc must not make an endless loop.
        parents.take(64).any(|ancestor| ancestor == root)
    };
    let members = stats
        .iter()
        .filter(|(pid, _)| within(**pid))
        .map(|(_, stat)| stat);
    Some(members.fold(Used::default(), |sum, stat| Used {
        cpu: sum.cpu + tick * u32::try_from(stat.ticks).unwrap_or(u32::MAX),
        resident_kib: sum.resident_kib + stat.resident_pages * page_kib,
    }))
}

struct Stat {
    parent: u32,
    ticks: u64,
    resident_pages: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Stat> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything, also spaces and parentheses.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Stat {
            parent: u32::try_from(number(1)?).ok()?,
            ticks: number(11)? + number(12)?,
            resident_pages: number(21)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::used_by_tree;

    #[test]
    fn this_process_has_memory_and_a_pid_that_is_free_has_none() {
        assert!(used_by_tree(std::process::id()).is_some_and(|used| used.resident_kib > 100));
        assert!(used_by_tree(u32::MAX).is_none());
    }
}
