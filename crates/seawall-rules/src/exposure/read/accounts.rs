//! `/etc/passwd`, `/etc/group`, and whether they say all.

/// A user of `/etc/passwd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The primary group's id.
    pub gid: u32,
    /// The home directory.
    pub home: String,
}

/// A group of `/etc/group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name.
    pub name: String,
    /// The group's id.
    pub gid: u32,
    /// Members beside those whose primary group it is.
    pub members: Vec<String>,
}

/// The users of a `passwd` file.
pub fn users(text: &str) -> Vec<User> {
    let user = |line: &str| {
        let fields: Vec<_> = line.split(':').collect();
        let [name, _, uid, gid, _, home, ..] = fields[..] else { return None };
        let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
        Some(User { name: name.to_owned(), uid, gid, home: home.to_owned() })
    };
    text.lines().filter_map(user).collect()
}

/// The groups of a `group` file.
pub fn groups(text: &str) -> Vec<Group> {
    let group = |line: &str| {
        let fields: Vec<_> = line.split(':').collect();
        let [name, _, gid, members, ..] = fields[..] else { return None };
        let members = members.split(',').filter(|name| !name.is_empty()).map(str::to_owned);
        Some(Group { name: name.to_owned(), gid: gid.parse().ok()?, members: members.collect() })
    };
    text.lines().filter_map(group).collect()
}

/// Sources of groups in `nsswitch.conf` that these files do not show, such as `sss` or `ldap`.
pub fn other_sources(nsswitch: &str) -> Vec<String> {
    let group = nsswitch.lines().find_map(|line| line.trim().strip_prefix("group:"));
    group
        .unwrap_or_default()
        .split_ascii_whitespace()
        .filter(|word| !word.starts_with('[') && !LOCAL.contains(word))
        .map(str::to_owned)
        .collect()
}

const LOCAL: &[&str] = &["files", "compat", "systemd", "mymachines", "myhostname", "altfiles"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_and_what_they_leave_out_is_known() {
        let users =
            users("root:x:0:0:root:/root:/bin/sh\nbroken\n+::::::\nal:x:1000:998::/home/al:\n");
        let names: Vec<_> = users.iter().map(|user| (user.name.as_str(), user.gid)).collect();
        assert_eq!(names, [("root", 0), ("al", 998)]);
        let groups = groups("root:x:0:\ndocker:x:998:al,bo\n");
        assert_eq!(groups[1].members, ["al", "bo"]);
        assert_eq!(other_sources("passwd: files\ngroup:  files systemd\n"), [""; 0]);
        assert_eq!(other_sources("group: files [SUCCESS=merge] sss ldap\n"), ["sss", "ldap"]);
    }
}
