//! Who can reach an engine's API over a network.

super::checks! {
    PLAIN_TCP {
        "NET-001", Host, Critical,
        "the engine's API is on the network in plain text, for everyone",
        why: "Whoever can send a packet to this port is root on this host: the API starts \
              containers with any of the host's files mounted. Worms look for exactly this port.",
        remedy: "put Seawall in front, and take `-H {endpoint}` and `hosts` away from the engine:\n\
                 sudo seawall up\n\
                 sudo systemctl edit docker.service   # ExecStart= without -H tcp://\n\
                 sudo systemctl restart docker",
        cis: ["2.7"], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    UNVERIFIED_TLS {
        "NET-002", Host, Critical,
        "the engine's API asks no client for a certificate",
        why: "TLS without verification of clients encrypts what an attacker says, and lets him say \
              it: whoever reaches the port is root on this host.",
        remedy: "have clients verified, with a CA that signs nothing else:\n\
                 dockerd --tlsverify --tlscacert=/etc/docker/ca.pem \
                 --tlscert=/etc/docker/server-cert.pem --tlskey=/etc/docker/server-key.pem\n\
                 or let Seawall do it: sudo seawall up",
        cis: ["2.7"], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    PLAIN_TCP_LOOPBACK {
        "NET-003", Host, High,
        "the engine's API is open to every local user on a loopback port",
        why: "Every user of the host, every container with the host's network and, by DNS \
              rebinding, every web page open in a browser on it reaches a loopback port, and with \
              it root.",
        remedy: "use the Unix socket, which asks who is there, and remove `-H {endpoint}`:\n\
                 docker context use default\n\
                 sudo systemctl edit docker.service   # ExecStart= without -H tcp://\n\
                 sudo systemctl restart docker",
        cis: ["2.7"], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    DUAL_STACK {
        "NET-004", Host, High,
        "an address written for IPv4 is bound for IPv6 too",
        why: "An engine told to listen on 0.0.0.0 binds [::], so that firewall rules for IPv4 \
              alone leave it open to IPv6, link-local addresses included.",
        remedy: "bind the one address clients use, and keep firewall rules in an inet table:\n\
                 dockerd -H tcp://ADDRESS:{port} ...\n\
                 sudo seawall firewall plan",
        cis: [], reference: "https://github.com/golang/go/issues/48723",
    }
    ENGINE_ON_NETWORK {
        "NET-005", Host, Medium,
        "the engine itself stands on the network, with nothing in front",
        why: "Every certificate its CA ever signed is root on this host until the CA is replaced: \
              dockerd has no revocation, no roles and no record of who did what.",
        remedy: "put Seawall on the port and leave the engine its Unix socket:\n\
                 sudo seawall up\n\
                 sudo systemctl edit docker.service   # ExecStart= without -H tcp://\n\
                 sudo systemctl restart docker",
        cis: [], reference: "https://github.com/moby/moby/issues/27778",
    }
    SOCKET_UNIT {
        "NET-006", Host, Critical,
        "systemd opens a TCP port for the engine",
        why: "The engine takes `fd://` sockets as they come and does not warn about an open one: \
              a `ListenStream` with a port is the API in plain text.",
        remedy: "leave the unit its Unix socket alone:\n\
                 sudo systemctl edit {unit}\n\
                 [Socket]\n\
                 ListenStream=\n\
                 ListenStream=/run/docker.sock\n\
                 sudo systemctl restart {unit}",
        cis: ["3.3", "3.4"], reference: "https://docs.docker.com/engine/daemon/remote-access/",
    }
    OTHER_API {
        "NET-007", Host, Critical,
        "something other than the engine offers a Docker API on a port",
        why: "A relay (socat, a socket proxy, an engine in a container) that answers without \
              asking who is there gives away what the engine's own settings protect.",
        remedy: "see what it is, and stop it or put Seawall in front of it:\n\
                 sudo ss -ltnp 'sport = :{port}'",
        cis: ["5.32"], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    PODMAN_TCP {
        "NET-008", Host, Critical,
        "podman's API is on a TCP port without client certificates",
        why: "Podman's service asks nobody who he is: its manual calls access to it the right to \
              run any code as the user it runs as.",
        remedy: "serve the Unix socket, and reach it over SSH:\n\
                 systemctl disable --now podman-tcp.service\n\
                 systemctl enable --now podman.socket\n\
                 podman system connection add NAME ssh://USER@HOST",
        cis: [], reference: "https://docs.podman.io/en/latest/markdown/podman-system-service.1.html",
    }
    PUBLISHED_API {
        "NET-009", Host, Critical,
        "a container publishes a Docker API's port",
        why: "An engine or socket proxy in a container that is published on the host is reached \
              past the host's own firewall rules, and is as good as root where it is privileged \
              or holds the socket.",
        remedy: "publish nothing, or put Seawall before it:\n\
                 remove `{published}` from the container `{container}` and start it again",
        cis: ["5.5", "5.14"], reference: "https://docs.docker.com/engine/network/packet-filtering-firewalls/",
    }
    EXTRA_PORTS {
        "NET-010", Host, Medium,
        "the engine's metrics or swarm ports are open to the network",
        why: "Metrics name what runs here, and swarm's ports join a cluster; neither belongs on \
              an address that strangers reach.",
        remedy: "bind it to the address that needs it, or to loopback:\n\
                 {option}",
        cis: ["7.2"], reference: "https://docs.docker.com/engine/daemon/prometheus/",
    }
    DESKTOP_TCP {
        "NET-011", Host, High,
        "Docker Desktop exposes its daemon on tcp://localhost:2375 without TLS",
        why: "Every local process and, by DNS rebinding, every web page reaches the API without \
              being asked who it is.",
        remedy: "untick Settings > General > `Expose daemon on tcp://localhost:2375 without TLS`",
        cis: ["2.7"], reference: "https://docs.docker.com/desktop/settings-and-maintenance/settings/",
    }
}
