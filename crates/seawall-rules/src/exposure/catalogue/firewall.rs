//! What the kernel's packet filter does for ports of an API, and what it only seems to do.

super::checks! {
    SHADOWED {
        "FW-003", Host, High,
        "a rule that is to close an API's port is never reached",
        why: "Rules are read in order: an ACCEPT that stands before the DROP lets everybody in, \
              and the DROP only looks as if it helped.",
        remedy: "put rules where nothing comes before them, in a table of their own:\n\
                 sudo seawall firewall apply",
        cis: [], reference: "https://wiki.nftables.org/wiki-nftables/index.php/Netfilter_hooks",
    }
    PAST_INPUT {
        "FW-004", Host, High,
        "a published port is closed in INPUT, where its packets never come",
        why: "The engine translates the address of a published port before INPUT is asked: the \
              packets are forwarded, and the rule sees none of them.",
        remedy: "close the port where packets arrive, or publish it to one address:\n\
                 sudo iptables -t raw -I PREROUTING -p tcp --dport {port} ! -s 10.0.0.0/24 -j DROP\n\
                 sudo ip6tables -t raw -I PREROUTING -p tcp --dport {port} -j DROP",
        cis: ["5.14"], reference: "https://docs.docker.com/engine/network/packet-filtering-firewalls/",
    }
    TRANSLATED_PORT {
        "FW-005", Host, High,
        "a rule in DOCKER-USER names the host's port, which packets there no longer have",
        why: "When DOCKER-USER is asked, the port is the container's already: a rule for the \
              published one never matches.",
        remedy: "match what the client asked for:\n\
                 sudo iptables -I DOCKER-USER -p tcp -m conntrack --ctorigdstport {port} \
                 --ctdir ORIGINAL ! -s 10.0.0.0/24 -j DROP",
        cis: [], reference: "https://docs.docker.com/engine/network/packet-filtering-firewalls/",
    }
    NOT_KEPT {
        "FW-006", Host, Medium,
        "the rules that guard a port do not outlive the next boot or reload",
        why: "Rules typed into a shell are gone after a reboot, and `flush ruleset` in \
              nftables.conf takes everybody's with it, the engine's included.",
        remedy: "have what is loaded at boot guard the port, and nothing more be flushed:\n\
                 {option}",
        cis: [], reference: "https://wiki.nftables.org/wiki-nftables/index.php/Simple_ruleset_for_a_server",
    }
    TWO_BACKENDS {
        "FW-007", Host, Medium,
        "rules are split between iptables-legacy and nftables",
        why: "Each of the two shows its own rules alone: who reads one of them does not know what \
              the host does.",
        remedy: "pick one, move the rules, and restart the engine when it suits:\n\
                 sudo iptables-legacy-save; sudo nft list ruleset\n\
                 sudo update-alternatives --config iptables",
        cis: [], reference: "https://wiki.nftables.org/wiki-nftables/index.php/Legacy_xtables_tools",
    }
    DRIFT {
        "FW-008", Host, Medium,
        "Seawall's rules in the kernel are not those that were asked for",
        why: "Somebody flushed or changed them, or the configuration moved on: ports are open, or \
              closed, against what is written.",
        remedy: "sudo seawall firewall verify\nsudo seawall firewall apply",
        cis: [], reference: "https://wiki.nftables.org/wiki-nftables/index.php/Main_Page",
    }
    WIDE_ALLOW {
        "FW-009", Host, Low,
        "the gate's allowlist holds networks of strangers",
        why: "An allowlist helps as far as it is narrow; one that holds the bridge's network lets \
              in every container, and whomever the userland proxy speaks for.",
        remedy: "in {place}: name the networks that need the gate instead of {network}",
        cis: [], reference: "https://docs.docker.com/engine/network/",
    }
    OPEN_SESSION {
        "FW-010", Host, Medium,
        "a connection is open from where the rules let nobody in any more",
        why: "Rules are mostly asked about new connections: who was in when they were loaded \
              stays in.",
        remedy: "sudo ss -K state established 'sport = :{port}' dst {source}",
        cis: [], reference: "https://man7.org/linux/man-pages/man8/ss.8.html",
    }
    NO_SOURCE_CHECK {
        "FW-011", Host, Low,
        "a host with several interfaces does not check where sources come from",
        why: "With rp_filter at 0 a packet with an allowed source is taken on any interface, and \
              who stands on the way back answers for it.",
        remedy: "printf 'net.ipv4.conf.all.rp_filter = 1\\n' | sudo tee /etc/sysctl.d/90-rp-filter.conf\n\
                 sudo sysctl --system",
        cis: [], reference: "https://www.rfc-editor.org/rfc/rfc3704",
    }
    KEPT_OUT {
        "FW-012", Host, Low,
        "another firewall keeps out whom the gate lets in",
        why: "An accept in one table does not undo a drop in another: those who are allowed time \
              out, and somebody will open more than is needed.",
        remedy: "let them in there too, and nobody else:\n\
                 {option}",
        cis: [], reference: "https://wiki.nftables.org/wiki-nftables/index.php/Netfilter_hooks",
    }
}
