//! How much memory there is, for `limit_percentage`: the machine's, or less where a cgroup says
//! so. Read once, when the component is built.

/// Total memory in bytes; `None` where the system does not say.
pub(super) fn read() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(parse_meminfo);
    let group = std::fs::read_to_string("/proc/self/cgroup")
        .ok()
        .as_deref()
        .and_then(parse_cgroup_path)
        .map(|path| std::path::Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/')).join("memory.max"));
    // Inside a container the own group is mounted as the root.
    let limits = [group, Some("/sys/fs/cgroup/memory.max".into())];
    let cgroup = limits
        .into_iter()
        .flatten()
        .filter_map(|path| std::fs::read_to_string(path).ok().as_deref().and_then(parse_cgroup_max))
        .min();
    [machine, cgroup].into_iter().flatten().min()
}

/// `MemTotal` of `/proc/meminfo`.
fn parse_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The path of the cgroup v2 that `/proc/self/cgroup` names.
fn parse_cgroup_path(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

/// `memory.max` of a cgroup v2; `max` means no limit.
fn parse_cgroup_max(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_memory_is_read_in_kib() {
        assert_eq!(parse_meminfo("MemTotal:       16303428 kB\nMemFree: 1 kB\n"), Some(16_303_428 * 1024));
        assert_eq!(parse_meminfo("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn a_cgroup_without_a_limit_says_max() {
        assert_eq!(parse_cgroup_max("max\n"), None);
        assert_eq!(parse_cgroup_max("536870912\n"), Some(536_870_912));
        assert_eq!(parse_cgroup_path("1:cpu:/old\n0::/user.slice\n"), Some("/user.slice"));
    }
}
