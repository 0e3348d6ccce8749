//! Who may connect, as a program for the packet filter of a listening socket: classic BPF, as
//! `SO_ATTACH_FILTER` takes it (socket(7), Linux' Documentation/networking/filter.rst).
//!
//! The kernel runs it on the segments that reach the socket, their data beginning at the TCP
//! header. It looks at those that ask for a connection alone, and at nothing but their source.

use ipnet::Ipv6Net;

use crate::firewall::ranges::Ranges;

/// One instruction: what it does, how many to skip when its condition holds or not, its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions skipped when its condition holds.
    pub jt: u8,
    /// Instructions skipped when it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Instructions the kernel takes (BPF_MAXINSNS).
pub const MOST: usize = 4096;

// linux/bpf_common.h
const LOAD_WORD: u16 = 0x20;
const LOAD_BYTE: u16 = 0x30;
const AND: u16 = 0x54;
const SHIFT_RIGHT: u16 = 0x74;
const IF_EQUAL: u16 = 0x15;
const IF_GREATER: u16 = 0x25;
const IF_NOT_LESS: u16 = 0x35;
const JUMP: u16 = 0x05;
const RETURN: u16 = 0x06;

/// Offsets from here on are into the IP header (SKF_NET_OFF).
const IP_HEADER: u32 = 0xfff0_0000;
const TCP_FLAGS: u32 = 13;
const SYN: u32 = 0x02;
const ACK: u32 = 0x10;

const PASS: Instruction = instruction(RETURN, 0, 0, u32::MAX);
const DROP: Instruction = instruction(RETURN, 0, 0, 0);

/// A program that drops requests for a connection from everybody but these; `None` when it would
/// be longer than the kernel takes.
pub fn program(admitted: &Ranges) -> Option<Vec<Instruction>> {
    let v4 = v4(admitted);
    let mut program = vec![
        instruction(LOAD_BYTE, 0, 0, TCP_FLAGS),
        instruction(AND, 0, 0, SYN | ACK),
        instruction(IF_EQUAL, 1, 0, SYN),
        PASS,
        // The version of IP.
        instruction(LOAD_BYTE, 0, 0, IP_HEADER),
        instruction(SHIFT_RIGHT, 0, 0, 4),
    ];
    // The part of the other version is longer than a condition can skip.
    let skip = instruction(JUMP, 0, 0, u32::try_from(v4.len()).ok()?);
    program.extend([instruction(IF_EQUAL, 1, 0, 4), skip]);
    program.extend(v4);
    program.extend(admitted.v6_networks().flat_map(v6));
    program.push(DROP);
    (program.len() <= MOST).then_some(program)
}

/// Ends in a verdict for every IPv4 source. The ranges ascend, so a source below one is in none.
fn v4(admitted: &Ranges) -> Vec<Instruction> {
    let ranges = admitted.v4.iter().flat_map(|(first, last)| {
        [
            instruction(IF_NOT_LESS, 1, 0, u32::from(*first)),
            DROP,
            instruction(IF_GREATER, 1, 0, u32::from(*last)),
            PASS,
        ]
    });
    let source = instruction(LOAD_WORD, 0, 0, IP_HEADER + 12);
    std::iter::once(source).chain(ranges).chain([DROP]).collect()
}

/// Passes the sources of one network and goes on with the next instruction for others.
fn v6(net: Ipv6Net) -> Vec<Instruction> {
    let (address, mask) = (u128::from(net.network()), u128::from(net.netmask()));
    let word = |bits: u128, number: u32| (bits >> (96 - 32 * number)) as u32;
    let mut checks: Vec<Instruction> = Vec::new();
    for number in (0..4).filter(|&number| word(mask, number) != 0) {
        checks.push(instruction(LOAD_WORD, 0, 0, IP_HEADER + 8 + 4 * number));
        if word(mask, number) != u32::MAX {
            checks.push(instruction(AND, 0, 0, word(mask, number)));
        }
        checks.push(instruction(IF_EQUAL, 0, 0, word(address, number)));
    }
    checks.push(PASS);
    let length = checks.len();
    for (at, check) in checks.iter_mut().enumerate().filter(|(_, check)| check.code == IF_EQUAL) {
        // At most 13 instructions.
        check.jf = u8::try_from(length - at - 1).unwrap_or(u8::MAX);
    }
    checks
}

const fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use ipnet::IpNet;
    use proptest::prelude::*;

    use super::*;
    use crate::network::Networks;

    /// What the kernel does, by the manual: the bytes it keeps of a segment from `source`.
    fn run(program: &[Instruction], flags: u8, source: IpAddr) -> u32 {
        let header = match source {
            IpAddr::V4(v4) => [&[0x45][..], &[0; 11], &v4.octets(), &[0; 4]].concat(),
            IpAddr::V6(v6) => [&[0x60][..], &[0; 7], &v6.octets(), &[0; 16]].concat(),
        };
        let tcp = [&[0; 13][..], &[flags], &[0; 6]].concat();
        let bytes = |k: u32, count: usize| {
            let (from, at) = match k.checked_sub(IP_HEADER) {
                Some(at) => (&header, at as usize),
                None => (&tcp, k as usize),
            };
            from[at..at + count].iter().fold(0, |word, byte| word << 8 | u32::from(*byte))
        };
        let (mut at, mut a) = (0, 0_u32);
        loop {
            let Instruction { code, jt, jf, k } = program[at];
            at += 1;
            let mut branch = |holds: bool| at += usize::from(if holds { jt } else { jf });
            match code {
                LOAD_WORD => a = bytes(k, 4),
                LOAD_BYTE => a = bytes(k, 1),
                AND => a &= k,
                SHIFT_RIGHT => a >>= k,
                IF_EQUAL => branch(a == k),
                IF_GREATER => branch(a > k),
                IF_NOT_LESS => branch(a >= k),
                JUMP => at += k as usize,
                RETURN => return k,
                code => panic!("unknown instruction {code:#x}"),
            }
        }
    }

    fn filter(networks: &Networks) -> Vec<Instruction> {
        program(&Ranges::admitted(networks)).unwrap()
    }

    #[test]
    fn only_requests_for_a_connection_are_dropped() {
        let nobody = filter(&Networks::only(Vec::new()));
        for source in ["192.0.2.1", "2001:db8::1"].map(|ip| ip.parse().unwrap()) {
            assert_eq!(run(&nobody, 0x02, source), 0, "SYN");
            assert_eq!(run(&nobody, 0xc2, source), 0, "SYN with ECN");
            for flags in [0x12, 0x10, 0x18, 0x11, 0x04] {
                assert_eq!(run(&nobody, flags, source), u32::MAX, "{flags:#x}");
            }
        }
    }

    #[test]
    fn too_many_networks_make_no_program() {
        let nets = |count: u32| {
            (0..count).map(|n| IpNet::new((n << 9).to_be_bytes().into(), 24).unwrap()).collect()
        };
        assert!(program(&Ranges::admitted(&Networks::new(nets(1000), Vec::new()))).is_some());
        assert!(program(&Ranges::admitted(&Networks::new(nets(2000), Vec::new()))).is_none());
    }

    proptest! {
        #[test]
        fn the_program_admits_whom_the_networks_admit(
            allow in prop::collection::vec((any::<bool>(), any::<u128>(), 0..=128_u8), 0..6),
            deny in prop::collection::vec((any::<bool>(), any::<u128>(), 0..=128_u8), 0..6),
            random in any::<u128>(),
        ) {
            let nets = |list: Vec<(bool, u128, u8)>| -> Vec<IpNet> {
                let net = |(v6, bits, length): (bool, u128, u8)| match v6 {
                    true => IpNet::new(bits.to_be_bytes().into(), length).unwrap().trunc(),
                    false => IpNet::new((bits as u32).to_be_bytes().into(), length / 4).unwrap().trunc(),
                };
                list.into_iter().map(net).collect()
            };
            let (allow, deny) = (nets(allow), nets(deny));
            let networks = Networks::new(allow.clone(), deny.clone());
            let program = filter(&networks);
            let ends = allow.iter().chain(&deny).flat_map(|net| [net.network(), net.broadcast()]);
            let anywhere = [IpAddr::from(random.to_be_bytes()), IpAddr::from((random as u32).to_be_bytes())];
            for source in ends.chain(anywhere).filter(|ip| ip.to_canonical() == *ip) {
                let kept = run(&program, 0x02, source);
                prop_assert_eq!(kept != 0, networks.admits(source), "{} of {:?}", source, networks);
            }
        }
    }
}
