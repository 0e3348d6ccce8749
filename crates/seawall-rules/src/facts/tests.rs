use super::*;
use crate::json;
use crate::operation::Operation;

fn read(operation: Operation, body: &str) -> Result<Facts, Refusal> {
    let mut facts = Facts::default();
    let schema = operation.route().schema.expect("it has a schema");
    facts.add_body(schema, &json::parse(body.as_bytes()).expect(body))?;
    Ok(facts)
}

/// What a body asks for beyond having no limits: the rule, and the field with its value.
fn asks(operation: Operation, body: &str) -> Vec<(String, String)> {
    let facts = read(operation, body).unwrap_or_else(|refusal| panic!("{body}: {refusal}"));
    let unlimited =
        |ask: &Ask| matches!(ask, Ask::Cpus(None) | Ask::Memory(None) | Ask::Pids(None));
    let told = |fact: &Fact| (fact.ask.rule().to_owned(), format!("{} {}", fact.field, fact.ask));
    facts.asks.iter().filter(|fact| !unlimited(&fact.ask)).map(told).collect()
}

#[track_caller]
fn check(operation: Operation, body: &str, expected: &[(&str, &str)]) {
    let found = asks(operation, body);
    let found: Vec<_> = found.iter().map(|(rule, told)| (rule.as_str(), told.as_str())).collect();
    assert_eq!(found, expected, "{body}");
}

#[track_caller]
fn host(fields: &str, expected: &[(&str, &str)]) {
    check(Operation::ContainerCreate, &format!(r#"{{"HostConfig":{{{fields}}}}}"#), expected);
}

#[test]
fn every_zero_value_asks_for_nothing() {
    for fields in [
        "",
        r#""Privileged":false,"Binds":null,"CapAdd":[],"PidMode":"","OomKillDisable":null"#,
        r#""NetworkMode":"default","IpcMode":"private","CgroupnsMode":"private""#,
        r#""MaskedPaths":null,"ReadonlyPaths":null,"Devices":[],"DeviceRequests":null"#,
        r#""LogConfig":{"Type":"","Config":{}},"RestartPolicy":{"Name":"no"},"Mounts":[]"#,
        r#""MemorySwappiness":-1,"ConsoleSize":[0,0],"Init":true,"PublishAllPorts":false"#,
        r#""SecurityOpt":["no-new-privileges","no-new-privileges:true"],"OomScoreAdj":500"#,
        r#""CapAdd":["CHOWN","cap_net_raw"],"CapDrop":["ALL"],"Tmpfs":{"/t":"size=1m,exec"}"#,
        r#""Sysctls":{"net.core.somaxconn":"99"},"StorageOpt":{"size":"1G"}"#,
        r#""LogConfig":{"Type":"json-file","Config":{"max-size":"1m"}}"#,
        r#""Ulimits":[{"Name":"nofile","Soft":1,"Hard":2}],"VolumeDriver":"local""#,
        r#""Binds":["/anonymous"],"Mounts":[{"Type":"tmpfs","Target":"/t"},{"Type":"volume"}]"#,
    ] {
        host(fields, &[]);
    }
}

#[test]
fn a_privileged_container_is_seen_however_it_is_asked_for() {
    host(r#""Privileged":true"#, &[("escape.privileged", "HostConfig.Privileged true")]);
    for (fields, rule, told) in [
        (r#""PidMode":"host""#, "escape.host-pid", "HostConfig.PidMode `host`"),
        (
            r#""PidMode":"container:db""#,
            "escape.joined-namespace",
            "HostConfig.PidMode `container:db`",
        ),
        (
            r#""PidMode":"ns:/proc/1/ns/pid""#,
            "escape.host-pid",
            "HostConfig.PidMode `ns:/proc/1/ns/pid`",
        ),
        (r#""IpcMode":"host""#, "escape.host-ipc", "HostConfig.IpcMode `host`"),
        (
            r#""IpcMode":"container:db""#,
            "escape.joined-namespace",
            "HostConfig.IpcMode `container:db`",
        ),
        (r#""UTSMode":"host""#, "escape.host-uts", "HostConfig.UTSMode `host`"),
        (r#""UsernsMode":"host""#, "escape.host-user", "HostConfig.UsernsMode `host`"),
        (r#""CgroupnsMode":"host""#, "escape.host-cgroup", "HostConfig.CgroupnsMode `host`"),
        (r#""NetworkMode":"host""#, "escape.host-network", "HostConfig.NetworkMode `host`"),
        (
            r#""NetworkMode":"container:db""#,
            "escape.joined-namespace",
            "HostConfig.NetworkMode `container:db`",
        ),
        (
            r#""NetworkMode":"ns:/proc/1/ns/net""#,
            "escape.network-mode",
            "HostConfig.NetworkMode `ns:/proc/1/ns/net`",
        ),
        (
            r#""Cgroup":"container:db""#,
            "escape.joined-namespace",
            "HostConfig.Cgroup `container:db`",
        ),
        (
            r#""CgroupParent":"/../../x""#,
            "escape.cgroup-parent",
            "HostConfig.CgroupParent `/../../x`",
        ),
        (r#""CapAdd":["cap_sys_admin"]"#, "escape.capability", "HostConfig.CapAdd[0] `SYS_ADMIN`"),
        (r#""CapAdd":"all""#, "escape.capability", "HostConfig.CapAdd[0] `ALL`"),
        (
            r#""SecurityOpt":["seccomp:unconfined"]"#,
            "escape.security-opt",
            "HostConfig.SecurityOpt[0] `seccomp:unconfined`",
        ),
        (
            r#""SecurityOpt":["no-new-privileges=false"]"#,
            "escape.security-opt",
            "HostConfig.SecurityOpt[0] `no-new-privileges=false`",
        ),
        (r#""MaskedPaths":[]"#, "escape.unmasked-paths", "HostConfig.MaskedPaths empty"),
        (r#""ReadonlyPaths":[]"#, "escape.unmasked-paths", "HostConfig.ReadonlyPaths empty"),
        (
            r#""Sysctls":{"kernel.core_pattern":"|x"}"#,
            "escape.sysctl",
            "HostConfig.Sysctls.kernel.core_pattern set",
        ),
        (r#""Runtime":"runc""#, "escape.runtime", "HostConfig.Runtime `runc`"),
        (r#""Annotations":{"a":"b"}"#, "escape.annotation", "HostConfig.Annotations `a`"),
        (r#""VolumesFrom":["db"]"#, "escape.volumes-from", "HostConfig.VolumesFrom `db`"),
        (r#""VolumeDriver":"rexray""#, "escape.volume-driver", "HostConfig.VolumeDriver `rexray`"),
        (
            r#""Devices":[{"PathOnHost":"/dev/sda"}]"#,
            "escape.device",
            "HostConfig.Devices[0].PathOnHost `/dev/sda`",
        ),
        (
            r#""DeviceCgroupRules":["a *:* rwm"]"#,
            "escape.device-rule",
            "HostConfig.DeviceCgroupRules `a *:* rwm`",
        ),
        (
            r#""DeviceRequests":[{"Count":-1}]"#,
            "escape.device-request",
            "HostConfig.DeviceRequests `Count`",
        ),
        (
            r#""BlkioDeviceReadBps":[{"Path":"/dev/sda","Rate":1}]"#,
            "escape.block-io",
            "HostConfig.BlkioDeviceReadBps `Path`, `Rate`",
        ),
        (r#""StorageOpt":{"dm.x":"y"}"#, "escape.storage-opt", "HostConfig.StorageOpt.dm.x set"),
        (
            r#""LogConfig":{"Type":"syslog"}"#,
            "escape.log-driver",
            "HostConfig.LogConfig.Type `syslog`",
        ),
        (
            r#""LogConfig":{"Config":{"syslog-address":"x"}}"#,
            "escape.log-driver",
            "HostConfig.LogConfig.Config.syslog-address set",
        ),
        (
            r#""Ulimits":[{"Name":"rtprio","Soft":9,"Hard":9}]"#,
            "escape.ulimit",
            "HostConfig.Ulimits[0].Name `rtprio`",
        ),
        (r#""CpuRealtimeRuntime":9"#, "escape.realtime", "HostConfig.CpuRealtimeRuntime 9"),
        (r#""OomKillDisable":true"#, "escape.oom", "HostConfig.OomKillDisable true"),
        (r#""OomScoreAdj":-1"#, "escape.oom", "HostConfig.OomScoreAdj -1"),
        (r#""Links":["db:db"]"#, "escape.link", "HostConfig.Links `db:db`"),
        (r#""Tmpfs":{"/t":"suid"}"#, "escape.tmpfs-option", "HostConfig.Tmpfs./t `suid`"),
        (r#""GroupAdd":["docker"]"#, "role.users", "HostConfig.GroupAdd[0] `:docker`"),
        (r#""NetworkMode":"shop""#, "role.networks", "HostConfig.NetworkMode `shop`"),
        (r#""PublishAllPorts":true"#, "role.ports", "HostConfig.PublishAllPorts `*:32768-60999`"),
    ] {
        host(fields, &[(rule, told)]);
    }
}

#[test]
fn a_bind_is_told_by_its_source_and_whether_it_writes() {
    for (bind, rule, told) in [
        ("/srv:/x", "escape.bind", "`/srv:rw`"),
        ("/srv:/x:ro", "escape.bind", "`/srv:ro`"),
        ("/srv:/x:ro,rprivate", "escape.bind", "`/srv:ro`"),
        ("/:/host", "escape.bind", "`/:rw`"),
        ("/var/run/docker.sock:/s", "escape.bind", "`/var/run/docker.sock:rw`"),
        ("/srv/../etc:/x", "escape.bind-path", "`/srv/../etc`"),
        ("//etc:/x", "escape.bind-path", "`//etc`"),
        ("/srv/:/x", "escape.bind-path", "`/srv/`"),
        ("/srv/./x:/x", "escape.bind-path", "`/srv/./x`"),
        ("data:/x", "role.volumes", "`data`"),
        ("../etc:/x", "escape.bind-path", "`../etc`"),
        (".:/x", "escape.bind-path", "`.`"),
        (":/x", "escape.bind-path", "``"),
    ] {
        let body = format!(r#""Binds":[{bind:?}]"#);
        host(&body, &[(rule, &format!("HostConfig.Binds[0] {told}"))]);
    }
    host(
        r#""Binds":["/srv:/x:rshared"]"#,
        &[
            ("escape.bind-propagation", "HostConfig.Binds[0] `/srv:/x:rshared`"),
            ("escape.bind", "HostConfig.Binds[0] `/srv:rw`"),
        ],
    );
    host(r#""Binds":["a:b:c:d"]"#, &[("escape.bind-path", "HostConfig.Binds[0] `a:b:c:d`")]);
}

#[test]
fn a_mount_is_told_by_its_type() {
    for (mount, rule, told) in [
        (r#""Type":"bind","Source":"/srv""#, "escape.bind", "Source `/srv:rw`"),
        (r#""Type":"bind","Source":"/srv","ReadOnly":true"#, "escape.bind", "Source `/srv:ro`"),
        (
            r#""Type":"bind","Source":"/srv","ReadOnly":true,"BindOptions":{"ReadOnlyNonRecursive":true}"#,
            "escape.bind",
            "Source `/srv:rw`",
        ),
        (r#""Type":"bind","Source":"/a/../b""#, "escape.bind-path", "Source `/a/../b`"),
        (r#""Type":"bind""#, "escape.bind-path", "Source ``"),
        (r#""Type":"volume","Source":"v""#, "role.volumes", "Source `v`"),
        (
            r#""Type":"volume","VolumeOptions":{"DriverConfig":{"Options":{"device":"/"}}}"#,
            "escape.volume-driver",
            "VolumeOptions.DriverConfig.Options `device`",
        ),
        (
            r#""Type":"volume","VolumeOptions":{"Labels":{"io.seawall.owner":"x"}}"#,
            "escape.reserved-label",
            "VolumeOptions.Labels.io.seawall.owner `x`",
        ),
        (r#""Type":"image","Source":"alpine""#, "role.images", "Source `alpine`"),
        (r#""Type":"npipe","Source":"x""#, "escape.mount-type", "Type `npipe`"),
        (r#""Type":"cluster","Source":"x""#, "escape.mount-type", "Type `cluster`"),
        ("", "escape.mount-type", "Type null"),
        (
            r#""Type":"tmpfs","TmpfsOptions":{"Options":[["suid"]]}"#,
            "escape.tmpfs-option",
            "TmpfsOptions.Options[0] `suid`",
        ),
    ] {
        host(
            &format!(r#""Mounts":[{{{mount}}}]"#),
            &[(rule, &format!("HostConfig.Mounts[0].{told}"))],
        );
    }
}

/// moby `postContainersUpdate`: only `null` keeps the limit, and anything below 1 lifts it.
#[test]
fn a_limit_that_is_lifted_is_asked_for() {
    for (limit, asked) in [("0", true), ("-1", true), ("null", false)] {
        let body = format!(r#"{{"PidsLimit":{limit}}}"#);
        let asks = read(Operation::ContainerUpdate, &body).unwrap().asks;
        let pids = Fact { field: "PidsLimit".to_owned(), ask: Ask::Pids(None) };
        assert_eq!(asks, asked.then_some(pids).into_iter().collect::<Vec<_>>(), "{limit}");
    }
}

/// A container with a period of 1 ms would take a hundred times what the quota says.
#[test]
fn a_quota_is_a_limit_only_with_the_period_it_meets() {
    for (body, cpus) in [
        (r#"{"CpuQuota":150000}"#, None),
        (r#"{"CpuPeriod":1000}"#, None),
        (r#"{"CpuQuota":150000,"CpuPeriod":100000}"#, Some(1_500_000_000)),
    ] {
        let asks = read(Operation::ContainerUpdate, body).unwrap().asks;
        assert_eq!(asks.iter().map(|fact| &fact.ask).collect::<Vec<_>>(), [&Ask::Cpus(cpus)]);
    }
}

/// Docker's own spelling, and that of its older documents, which Go takes for the same.
#[test]
fn a_limit_of_cpus_is_seen_in_either_spelling() {
    for name in ["NanoCpus", "NanoCPUs"] {
        let body = format!(r#"{{"HostConfig":{{"{name}":1500000000}}}}"#);
        let asks = read(Operation::ContainerCreate, &body).unwrap().asks;
        assert!(asks.iter().any(|fact| fact.ask == Ask::Cpus(Some(1_500_000_000))), "{asks:?}");
    }
}

#[test]
fn a_port_is_told_with_its_address_and_every_port_it_may_come_to_be() {
    for (binding, told) in [
        (r#""HostPort":"8080""#, "`*:8080`"),
        (r#""HostIp":"0.0.0.0","HostPort":"80""#, "`*:80`"),
        (r#""HostIp":"::","HostPort":"80""#, "`*:80`"),
        (r#""HostIp":"127.0.0.1","HostPort":"8000-8010""#, "`127.0.0.1:8000-8010`"),
        (r#""HostIp":"::1","HostPort":"80""#, "`[::1]:80`"),
        (r#""HostPort":"""#, "`*:32768-60999`"),
        (r#""HostPort":"0""#, "`*:32768-60999`"),
        (r#""HostPort":"1-65535""#, "`*:1-65535`"),
        (r#""HostPort":"http""#, "`*:0-65535`"),
    ] {
        host(
            &format!(r#""PortBindings":{{"80/tcp":[{{{binding}}}]}}"#),
            &[("role.ports", &format!("HostConfig.PortBindings.80/tcp[0].HostPort {told}"))],
        );
    }
}

#[test]
fn the_other_bodies_are_read_as_closely() {
    use Operation::*;
    for (operation, body, expected) in [
        (
            ContainerExec,
            r#"{"Cmd":["true"],"Privileged":true}"#,
            &[("escape.exec-privileged", "Privileged true")][..],
        ),
        (
            ContainerExec,
            r#"{"WorkingDir":"/proc/self/fd/8"}"#,
            &[("escape.working-dir", "WorkingDir `/proc/self/fd/8`")],
        ),
        (ContainerExec, r#"{"User":"0"}"#, &[("role.users", "User `0`")]),
        (
            ContainerCreate,
            r#"{"WorkingDir":"//proc/self/fd/8"}"#,
            &[("escape.working-dir", "WorkingDir `//proc/self/fd/8`")],
        ),
        (
            ContainerCreate,
            r#"{"Labels":{"io.seawall.owner":"root"}}"#,
            &[("escape.reserved-label", "Labels.io.seawall.owner `root`")],
        ),
        (
            ContainerCreate,
            r#"{"NetworkingConfig":{"EndpointsConfig":{"shop":{"DriverOpts":{"a":"b"}}}}}"#,
            &[
                ("escape.endpoint", "NetworkingConfig.EndpointsConfig.shop.DriverOpts `a`"),
                ("role.networks", "NetworkingConfig.EndpointsConfig.shop `shop`"),
            ],
        ),
        (
            ContainerCreate,
            r#"{"NetworkingConfig":{"EndpointsConfig":{"host":null}}}"#,
            &[("escape.host-network", "NetworkingConfig.EndpointsConfig.host `host`")],
        ),
        (
            ContainerUpdate,
            r#"{"DeviceCgroupRules":["a"]}"#,
            &[("escape.device-rule", "DeviceCgroupRules `a`")],
        ),
        (ContainerUpdate, r#"{"Memory":0,"CpuShares":5,"PidsLimit":null}"#, &[]),
        (ContainerUpdate, r#"{"Memory":1024}"#, &[("role.memory", "Memory 1024 bytes")]),
        (ContainerUpdate, r#"{"NanoCPUs":5000000000}"#, &[("role.cpus", "NanoCpus 5.00 CPUs")]),
        (
            VolumeCreate,
            r#"{"Driver":"local","DriverOpts":{"device":"/","o":"bind"}}"#,
            &[("escape.volume-driver", "DriverOpts `device`, `o`")],
        ),
        (
            VolumeCreate,
            r#"{"Driver":"nfs","Name":"v"}"#,
            &[("escape.volume-driver", "Driver `nfs`"), ("role.volumes", "Name `v`")],
        ),
        (
            NetworkCreate,
            r#"{"Name":"n","Driver":"macvlan"}"#,
            &[("role.networks", "Name `n`"), ("escape.network-driver", "Driver `macvlan`")],
        ),
        (
            NetworkCreate,
            r#"{"Options":{"com.docker.network.bridge.name":"docker0"},"IPAM":{"Config":[{"Subnet":"10.0.0.0/8"}]}}"#,
            &[
                ("escape.network-driver", "Options `com.docker.network.bridge.name`"),
                ("escape.subnet", "IPAM.Config `Subnet`"),
            ],
        ),
        (NetworkConnect, r#"{"Container":"web"}"#, &[("escape.connect", "Container `web`")]),
    ] {
        check(operation, body, expected);
    }
}

#[test]
fn a_field_is_taken_as_it_is_spelled_and_typed_or_not_at_all() {
    for (body, rule) in [
        (r#"{"hostconfig":{}}"#, "body.case"),
        (r#"{"HostConfig":{"privileged":true}}"#, "body.case"),
        (r#"{"HostConfig":{"NanoCPUS":1}}"#, "body.case"),
        (r#"{"HostConfig":{"Privileged":"true"}}"#, "body.type"),
        (r#"{"HostConfig":{"Memory":1.5}}"#, "body.type"),
        (r#"{"HostConfig":{"Memory":18446744073709551615}}"#, "body.type"),
        (r#"{"HostConfig":{"Binds":"/:/x"}}"#, "body.type"),
        (r#"{"HostConfig":{"Binds":[null]}}"#, "body.type"),
        (r#"{"HostConfig":{"Mounts":[[]]}}"#, "body.type"),
        (r#"{"HostConfig":[]}"#, "body.type"),
        (r#"{"Labels":{"a":1}}"#, "body.type"),
        (r#"{"ExposedPorts":{"80/tcp":{"a":1}}}"#, "body.type"),
    ] {
        let found = read(Operation::ContainerCreate, body).unwrap_err();
        assert_eq!((found.status, found.rule), (400, rule), "{body}");
    }
}

#[test]
fn an_unknown_field_is_told_by_its_path() {
    let body = r#"{"Novel":1,"HostConfig":{"Privileged_":true,"Mounts":[{"Type":"tmpfs","X":1}]}}"#;
    let facts = read(Operation::ContainerCreate, body).unwrap();
    assert_eq!(facts.unknown, ["Novel", "HostConfig.Privileged_", "HostConfig.Mounts[0].X"]);
    let many: Vec<_> = (0..17).map(|n| format!(r#""X{n}":1"#)).collect();
    let found = read(Operation::ContainerCreate, &format!("{{{}}}", many.join(","))).unwrap_err();
    assert_eq!(found.rule, "body.too-many-unknown");
}

#[test]
fn an_image_has_one_canonical_name_and_an_id_has_none() {
    for (written, canonical) in [
        ("busybox", Some("docker.io/library/busybox:latest")),
        ("library/busybox", Some("docker.io/library/busybox:latest")),
        ("docker.io/busybox:1", Some("docker.io/library/busybox:1")),
        ("index.docker.io/library/busybox", Some("docker.io/library/busybox:latest")),
        ("shop/web:2", Some("docker.io/shop/web:2")),
        ("localhost/web", Some("localhost/web:latest")),
        ("localhost:5000/a/b:c", Some("localhost:5000/a/b:c")),
        ("r.example.com/web@sha256:ab", Some("r.example.com/web@sha256:ab")),
        ("r.example.com/web:1@sha256:ab", Some("r.example.com/web@sha256:ab")),
        ("c2e", None),
        ("c2e:latest", Some("docker.io/library/c2e:latest")),
        ("sha256:c2e4", None),
        ("", None),
        ("bad name", None),
    ] {
        assert_eq!(ImageName::new(written).canonical(), canonical, "{written}");
    }
}

#[test]
fn a_path_is_plain_only_in_its_lexical_normal_form() {
    for good in ["/", "/srv", "/srv/a b/.c/..d"] {
        assert!(is_plain_path(good), "{good}");
    }
    for bad in ["", "srv", "//", "/srv/", "/srv//a", "/./srv", "/srv/..", "/srv/../etc", "/a\nb"] {
        assert!(!is_plain_path(bad), "{bad}");
    }
}

#[test]
fn every_entry_of_the_catalogue_has_a_rule_of_its_own() {
    let mut rules: Vec<_> = CATALOGUE.iter().map(|escape| escape.rule).collect();
    assert!(rules.iter().all(|rule| rule.starts_with("escape.")));
    rules.sort_unstable();
    rules.dedup();
    assert_eq!(rules.len(), CATALOGUE.len());
}
