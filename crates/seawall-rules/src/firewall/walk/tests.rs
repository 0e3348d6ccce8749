use super::*;

fn fates(rules: &Ruleset) -> String {
    let packet = |from, v6| Packet { from, v6, port: 2376 };
    let ip = |address: &str| From::Address(address.parse().unwrap());
    [
        ("stranger4", packet(From::Stranger, false)),
        ("stranger6", packet(From::Stranger, true)),
        ("10.0.0.5", packet(ip("10.0.0.5"), false)),
        ("fd00::5", packet(ip("fd00::5"), true)),
    ]
    .map(|(who, packet)| {
        format!(
            "{who} {}",
            match rules.fate(packet) {
                Fate::Open => "open".to_owned(),
                Fate::Closed(by) => format!("closed by {by}"),
                Fate::Unknown(why) => format!("? {why}"),
            }
        )
    })
    .join("\n")
}

fn v4(rules: &str) -> String {
    let mut set = Ruleset::default();
    set.add_iptables(rules, false);
    fates(&set)
        .lines()
        .filter(|line| line.starts_with("stranger4") || line.starts_with("10."))
        .collect::<Vec<_>>()
        .join("; ")
}

fn filter(policy: &str, rules: &str) -> String {
    format!("*filter\n:INPUT {policy} [0:0]\n:ours - [0:0]\n{rules}COMMIT\n")
}

#[test]
fn iptables_are_read() {
    let by = "chain INPUT of table ip filter";
    let usual = "-A INPUT -i lo -j ACCEPT\n\
        -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";
    let cases = [
        (filter("ACCEPT", ""), "stranger4 open; 10.0.0.5 open".to_owned()),
        (
            filter("DROP", usual),
            format!("stranger4 closed by the policy of {by}; 10.0.0.5 closed by the policy of {by}"),
        ),
        (
            filter("DROP", &format!("{usual}-A INPUT -s 10.0.0.0/24 -p tcp -m tcp --dport 2376 -j ACCEPT\n")),
            format!("stranger4 closed by the policy of {by}; 10.0.0.5 open"),
        ),
        (
            filter("DROP", "-A INPUT -p tcp -m multiport --dports 22,2300:2400 -j ACCEPT\n"),
            "stranger4 open; 10.0.0.5 open".to_owned(),
        ),
        (
            filter("ACCEPT", "-A INPUT ! -s 10.0.0.0/24 -p tcp -m tcp --dport 2376 -j REJECT --reject-with tcp-reset\n"),
            format!("stranger4 closed by {by}; 10.0.0.5 open"),
        ),
        (
            filter("ACCEPT", "-A INPUT -p tcp -j ours\n-A ours -s 10.0.0.0/24 -j RETURN\n-A ours -m comment --comment \"all -j else\" -j DROP\n"),
            "stranger4 closed by chain ours of table ip filter; 10.0.0.5 open".to_owned(),
        ),
        (
            filter("DROP", "-A INPUT -i eth0 -p tcp --dport 2376 -j ACCEPT\n"),
            format!("stranger4 ? the policy of {by} drops some; 10.0.0.5 ? the policy of {by} drops some"),
        ),
        (
            "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n-A DOCKER ! -i docker0 -p tcp -m tcp --dport 2376 -j DNAT --to-destination 172.17.0.2:8443\nCOMMIT\n".to_owned(),
            "stranger4 ? chain DOCKER of table ip nat sends it elsewhere; 10.0.0.5 ? chain DOCKER of table ip nat sends it elsewhere".to_owned(),
        ),
    ];
    // What is sent elsewhere never comes to INPUT.
    let published = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 2376 -j DNAT \
        --to-destination 172.17.0.2:8443\nCOMMIT\n*filter\n:INPUT DROP [0:0]\nCOMMIT\n";
    assert!(v4(published).starts_with("stranger4 ? chain PREROUTING of table ip nat"));
    for (rules, expected) in cases {
        assert_eq!(v4(&rules), expected, "{rules}");
    }
}

#[test]
fn rules_that_are_to_close_a_port_are_found_wherever_they_stand() {
    let denies = |rules: &str| {
        let mut set = Ruleset::default();
        set.add_iptables(rules, false);
        let denies = set.denies(false, 2376).into_iter();
        denies.map(|deny| format!("{:?} {}", deny.hook, deny.chain)).collect::<Vec<_>>().join("; ")
    };
    let user = "*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n";
    for (rules, expected) in [
        (filter("DROP", ""), ""),
        (filter("ACCEPT", "-A INPUT -j DROP\n"), ""),
        (
            filter(
                "ACCEPT",
                "-A INPUT -j ACCEPT\n-A INPUT -j ours\n-A ours -p tcp --dport 2376 -j DROP\n",
            ),
            "Input chain ours of table ip filter",
        ),
        (filter("ACCEPT", "-A INPUT -s 10.0.0.9/32 -p tcp --dport 2376 -j DROP\n"), ""),
        (filter("ACCEPT", "-A INPUT -p tcp ! --dport 22 -j DROP\n"), ""),
        (
            "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 2376 -j DROP\n"
                .to_owned(),
            "Arrival chain PREROUTING of table ip raw",
        ),
        (
            format!("{user}-A DOCKER-USER -i eth0 -p tcp --dport 2376 ! -s 10.0.0.0/24 -j DROP\n"),
            "Forward chain DOCKER-USER of table ip filter",
        ),
        (format!("{user}-A DOCKER-USER -p tcp -m conntrack --ctorigdstport 2376 -j DROP\n"), ""),
    ] {
        assert_eq!(denies(&rules), expected, "{rules}");
    }
}

/// `nft -j list ruleset` of version 1.0.6, shortened: ours, and a table as firewalld makes one.
const NFT: &str = include_str!("tests/ruleset.json");

#[test]
fn nftables_are_read() {
    let mut rules = Ruleset::default();
    rules.add_nft(NFT).unwrap();
    insta::assert_snapshot!(fates(&rules), @r"
    stranger4 closed by chain denied of table inet seawall
    stranger6 closed by chain denied of table inet seawall
    10.0.0.5 closed by chain filter_INPUT of table inet firewalld
    fd00::5 closed by chain denied of table inet seawall
    ");
    insta::assert_snapshot!(fates(&rules.without("seawall")), @r"
    stranger4 closed by chain filter_INPUT of table inet firewalld
    stranger6 closed by chain filter_INPUT of table inet firewalld
    10.0.0.5 closed by chain filter_INPUT of table inet firewalld
    fd00::5 closed by chain filter_INPUT of table inet firewalld
    ");
    assert!(Ruleset::default().add_nft("no JSON").is_err());
}
