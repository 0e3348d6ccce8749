//! `/proc/PID/net/tcp` and `tcp6`: the sockets that listen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A listening socket of the kernel's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listening {
    /// Where it is bound. `[::]` takes IPv4 connections too, unless it was told otherwise.
    pub address: SocketAddr,
    /// The socket's inode, by which its process is found.
    pub inode: u64,
}

/// The listening sockets of a table; lines that are none are passed over.
pub fn listening(table: &str) -> Vec<Listening> {
    table.lines().filter_map(row).collect()
}

/// The connections of a table that are open: this host's end, and the other.
pub fn established(table: &str) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
    table.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, remote) = (end(fields.next()?)?, end(fields.next()?)?);
        (fields.next() == Some(ESTABLISHED)).then_some((local, remote))
    })
}

/// The inode in a descriptor's link, `socket:[123]`.
pub fn inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn row(line: &str) -> Option<Listening> {
    let fields: Vec<_> = line.split_ascii_whitespace().collect();
    let [_, local, _, LISTEN, _, _, _, _, _, inode, ..] = fields[..] else { return None };
    Some(Listening { address: end(local)?, inode: inode.parse().ok()? })
}

fn end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    Some(SocketAddr::new(ip(address)?, u16::from_str_radix(port, 16).ok()?))
}

/// The kernel writes addresses as words in the host's byte order.
fn ip(hex: &str) -> Option<IpAddr> {
    let word =
        |at: usize| Some(u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

const ESTABLISHED: &str = "01";
const LISTEN: &str = "0A";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_table_is_read() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0947 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1
   1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 778 1
   2: 00000000000000000000000000000000:0947 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 9 1
   3: B80D0120000000000000000001000000:0948 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 10 1
   4: 0100007F:0947 garbage
";
        let shown: Vec<_> =
            listening(table).iter().map(|row| format!("{} {}", row.address, row.inode)).collect();
        assert_eq!(shown, ["127.0.0.1:2375 777", "[::]:2375 9", "[2001:db8::1]:2376 10"]);
        let open: Vec<_> =
            established(table).map(|(here, there)| format!("{here} {there}")).collect();
        assert_eq!(open, ["127.0.0.1:8080 127.0.0.1:40000"]);
    }

    #[test]
    fn links_of_descriptors_name_inodes() {
        assert_eq!(inode("socket:[123]"), Some(123));
        assert_eq!(inode("pipe:[123]"), None);
        assert_eq!(inode("/dev/null"), None);
    }
}
