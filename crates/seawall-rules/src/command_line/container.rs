//! `docker run`, `create`, `update` and `exec`: the commands whose flags make a body.

use serde_json::{Value, json};

use super::flags::{Body, Does, Flag, Words, flag};
use super::{Described, Row, post, query, segment, with_body};
use crate::facts::{range, split_tag};

pub(super) const ROWS: &[Row] = &[
    Row {
        names: &["run", "container run"],
        usage: "[FLAGS] IMAGE [COMMAND]",
        flags: &[CREATE, RUN],
        args: (1, usize::MAX),
        requests: |words| {
            let mut requests = create(words);
            let id = segment(words.value("--name").unwrap_or("new"));
            if !words.has("--detach") {
                let stdin = if words.has("--interactive") { "&stdin=1" } else { "" };
                let streams = format!("attach?stream=1{stdin}&stdout=1&stderr=1");
                requests.push(post(format!("/containers/{id}/{streams}")));
                let until = if words.has("--rm") { "removed" } else { "next-exit" };
                requests.push(post(format!("/containers/{id}/wait?condition={until}")));
            }
            requests.push(post(format!("/containers/{id}/start")));
            requests
        },
    },
    Row {
        names: &["create", "container create"],
        usage: "[FLAGS] IMAGE [COMMAND]",
        flags: &[CREATE],
        args: (1, usize::MAX),
        requests: create,
    },
    Row {
        names: &["update", "container update"],
        usage: "[FLAGS] CONTAINER",
        flags: &[RESOURCES_AT_TOP],
        args: (1, usize::MAX),
        requests: |words| {
            let body = words.body.clone().into_value();
            let update = |name: &String| {
                with_body(post(format!("/containers/{}/update", segment(name))), body.clone())
            };
            words.args.iter().map(update).collect()
        },
    },
    Row {
        names: &["exec", "container exec"],
        usage: "[FLAGS] CONTAINER COMMAND",
        flags: &[EXEC],
        args: (2, usize::MAX),
        requests: |words| {
            let mut body = words.body.clone().into_value();
            body["Cmd"] = json!(words.args[1..]);
            let start = json!({ "Detach": words.has("--detach"), "Tty": words.has("--tty") });
            vec![
                with_body(post(format!("/containers/{}/exec", segment(&words.args[0]))), body),
                with_body(post("/exec/new/start"), start),
            ]
        },
    },
];

fn create(words: &Words) -> Vec<Described> {
    let mut body = words.body.clone().into_value();
    let image = &words.args[0];
    body["Image"] = json!(image);
    if words.args.len() > 1 {
        body["Cmd"] = json!(words.args[1..]);
    }
    if body.get("HostConfig").is_none() {
        body["HostConfig"] = json!({});
    }
    let name = query(&words.query.iter().map(|(k, v)| (*k, v.as_str())).collect::<Vec<_>>());
    let create = with_body(post(format!("/containers/create{name}")), body);
    let mut requests = vec![create];
    let only = match words.value("--pull") {
        None | Some("missing") => Some(Some("if the image is not there")),
        Some("always") => Some(None),
        Some(_) => None,
    };
    requests.extend(only.map(|only| Described { only, ..pull(image) }));
    requests
}

/// `POST /images/create`, the name and its tag apart as docker sends them.
pub(super) fn pull(image: &str) -> Described {
    let (name, tag) = match image.split_once('@') {
        Some((name, digest)) => (split_tag(name).0, digest),
        None => {
            let (name, tag) = split_tag(image);
            (name, tag.unwrap_or("latest"))
        }
    };
    post(format!("/images/create{}", query(&[("fromImage", name), ("tag", tag)])))
}

const RUN: &[Flag] = &[
    flag(&["-d", "--detach"], Does::Bare),
    flag(&["--sig-proxy"], Does::Bare),
    flag(&["--detach-keys"], Does::Nothing),
];

const CREATE: &[Flag] = &[
    flag(&["--add-host"], Does::Push("HostConfig.ExtraHosts")),
    flag(&["--annotation"], Does::Entry("HostConfig.Annotations")),
    flag(&["-a", "--attach"], Does::Nothing),
    flag(&["--cap-add"], Does::Push("HostConfig.CapAdd")),
    flag(&["--cap-drop"], Does::Push("HostConfig.CapDrop")),
    flag(&["--cgroup-parent"], Does::Text("HostConfig.CgroupParent")),
    flag(&["--cgroupns"], Does::Text("HostConfig.CgroupnsMode")),
    flag(&["--cpu-period"], Does::Integer("HostConfig.CpuPeriod")),
    flag(&["--cpu-quota"], Does::Integer("HostConfig.CpuQuota")),
    flag(&["-c", "--cpu-shares"], Does::Integer("HostConfig.CpuShares")),
    flag(&["--cpus"], Does::Cpus("HostConfig.NanoCpus")),
    flag(&["--cpuset-cpus"], Does::Text("HostConfig.CpusetCpus")),
    flag(&["--device"], Does::By(device)),
    flag(&["--device-cgroup-rule"], Does::Push("HostConfig.DeviceCgroupRules")),
    flag(&["--dns"], Does::Push("HostConfig.Dns")),
    flag(&["--dns-option", "--dns-opt"], Does::Push("HostConfig.DnsOptions")),
    flag(&["--dns-search"], Does::Push("HostConfig.DnsSearch")),
    flag(&["--entrypoint"], Does::Push("Entrypoint")),
    flag(&["-e", "--env"], Does::Push("Env")),
    flag(&["--expose"], Does::Nothing),
    flag(
        &["--gpus"],
        Does::By(|_, body| {
            body.push(
                "HostConfig.DeviceRequests",
                json!({ "Count": -1, "Capabilities": [["gpu"]] }),
            )
        }),
    ),
    flag(&["--group-add"], Does::Push("HostConfig.GroupAdd")),
    flag(&["--health-cmd"], Does::Nothing),
    flag(&["--health-interval"], Does::Nothing),
    flag(&["-h", "--hostname"], Does::Text("Hostname")),
    flag(&["--init"], Does::Truth("HostConfig.Init")),
    flag(&["-i", "--interactive"], Does::Truth("OpenStdin")),
    flag(&["--ip"], Does::Nothing),
    flag(&["--ipc"], Does::Text("HostConfig.IpcMode")),
    flag(&["-l", "--label"], Does::Entry("Labels")),
    flag(&["--link"], Does::Push("HostConfig.Links")),
    flag(&["--log-driver"], Does::Text("HostConfig.LogConfig.Type")),
    flag(&["--log-opt"], Does::Entry("HostConfig.LogConfig.Config")),
    flag(&["--mac-address"], Does::Text("MacAddress")),
    flag(&["-m", "--memory"], Does::Size("HostConfig.Memory")),
    flag(&["--memory-reservation"], Does::Size("HostConfig.MemoryReservation")),
    flag(&["--memory-swap"], Does::Size("HostConfig.MemorySwap")),
    flag(&["--mount"], Does::By(mount)),
    flag(&["--name"], Does::Text("?name")),
    flag(&["--net", "--network"], Does::Text("HostConfig.NetworkMode")),
    flag(&["--network-alias"], Does::Nothing),
    flag(&["--no-healthcheck"], Does::Bare),
    flag(&["--oom-kill-disable"], Does::Truth("HostConfig.OomKillDisable")),
    flag(&["--oom-score-adj"], Does::Integer("HostConfig.OomScoreAdj")),
    flag(&["--pid"], Does::Text("HostConfig.PidMode")),
    flag(&["--pids-limit"], Does::Integer("HostConfig.PidsLimit")),
    flag(&["--platform"], Does::Text("?platform")),
    flag(&["--privileged"], Does::Truth("HostConfig.Privileged")),
    flag(&["-p", "--publish"], Does::By(publish)),
    flag(&["-P", "--publish-all"], Does::Truth("HostConfig.PublishAllPorts")),
    flag(&["--pull"], Does::Nothing),
    flag(&["-q", "--quiet"], Does::Bare),
    flag(&["--read-only"], Does::Truth("HostConfig.ReadonlyRootfs")),
    flag(&["--restart"], Does::By(|value, body| restart(value, "HostConfig.", body))),
    flag(&["--rm"], Does::Truth("HostConfig.AutoRemove")),
    flag(&["--runtime"], Does::Text("HostConfig.Runtime")),
    flag(&["--security-opt"], Does::By(security)),
    flag(&["--shm-size"], Does::Size("HostConfig.ShmSize")),
    flag(&["--stop-signal"], Does::Text("StopSignal")),
    flag(&["--stop-timeout"], Does::Integer("StopTimeout")),
    flag(&["--storage-opt"], Does::Entry("HostConfig.StorageOpt")),
    flag(&["--sysctl"], Does::Entry("HostConfig.Sysctls")),
    flag(
        &["--tmpfs"],
        Does::By(|value, body| {
            let (target, options) = value.split_once(':').unwrap_or((value, ""));
            body.entry("HostConfig.Tmpfs", target, json!(options))
        }),
    ),
    flag(&["-t", "--tty"], Does::Truth("Tty")),
    flag(&["--ulimit"], Does::By(ulimit)),
    flag(&["-u", "--user"], Does::Text("User")),
    flag(&["--userns"], Does::Text("HostConfig.UsernsMode")),
    flag(&["--uts"], Does::Text("HostConfig.UTSMode")),
    // `-v TARGET` is a volume without a name.
    flag(
        &["-v", "--volume"],
        Does::By(|value, body| match value.contains(':') {
            true => body.push("HostConfig.Binds", json!(value)),
            false => body.entry("Volumes", value, json!({})),
        }),
    ),
    flag(&["--volume-driver"], Does::Text("HostConfig.VolumeDriver")),
    flag(&["--volumes-from"], Does::Push("HostConfig.VolumesFrom")),
    flag(&["-w", "--workdir"], Does::Text("WorkingDir")),
];

const RESOURCES_AT_TOP: &[Flag] = &[
    flag(&["--cpu-period"], Does::Integer("CpuPeriod")),
    flag(&["--cpu-quota"], Does::Integer("CpuQuota")),
    flag(&["-c", "--cpu-shares"], Does::Integer("CpuShares")),
    flag(&["--cpus"], Does::Cpus("NanoCpus")),
    flag(&["--cpuset-cpus"], Does::Text("CpusetCpus")),
    flag(&["-m", "--memory"], Does::Size("Memory")),
    flag(&["--memory-reservation"], Does::Size("MemoryReservation")),
    flag(&["--memory-swap"], Does::Size("MemorySwap")),
    flag(&["--pids-limit"], Does::Integer("PidsLimit")),
    flag(&["--restart"], Does::By(|value, body| restart(value, "", body))),
];

const EXEC: &[Flag] = &[
    flag(&["-d", "--detach"], Does::Bare),
    flag(&["-e", "--env"], Does::Push("Env")),
    flag(&["-i", "--interactive"], Does::Truth("AttachStdin")),
    flag(&["--privileged"], Does::Truth("Privileged")),
    flag(&["-t", "--tty"], Does::Truth("Tty")),
    flag(&["-u", "--user"], Does::Text("User")),
    flag(&["-w", "--workdir"], Does::Text("WorkingDir")),
];

/// `HOST[:CONTAINER[:PERMISSIONS]]`.
fn device(value: &str, body: &mut Body) -> Option<()> {
    let host = value.split(':').next()?;
    host.starts_with('/').then_some(())?;
    let device = json!({ "PathOnHost": host, "PathInContainer": host, "CgroupPermissions": "rwm" });
    body.push("HostConfig.Devices", device)
}

/// `[ADDRESS:][HOST:]CONTAINER[/PROTOCOL]`, where HOST and CONTAINER may be ranges.
fn publish(value: &str, body: &mut Body) -> Option<()> {
    let (ports, protocol) = value.rsplit_once('/').unwrap_or((value, "tcp"));
    let (before, inside) = ports.rsplit_once(':').unwrap_or(("", ports));
    let (address, outside) = before.rsplit_once(':').unwrap_or(("", before));
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let inside = range(inside)?;
    let many = inside.len();
    let outside = match outside {
        "" => None,
        ports => Some(range(ports)?),
    };
    // As many outside as inside, or a choice of them for one.
    let fits = outside.as_ref().is_none_or(|ports| ports.len() == many || many == 1);
    fits.then_some(())?;
    for (at, port) in inside.enumerate() {
        let host = match &outside {
            None => String::new(),
            Some(ports) if ports.len() == many => (usize::from(*ports.start()) + at).to_string(),
            Some(ports) => format!("{}-{}", ports.start(), ports.end()),
        };
        let binding = json!([{ "HostIp": bare.unwrap_or(address), "HostPort": host }]);
        body.entry("HostConfig.PortBindings", &format!("{port}/{protocol}"), binding)?;
    }
    Some(())
}

fn restart(value: &str, at: &str, body: &mut Body) -> Option<()> {
    let (name, count) = value.split_once(':').unwrap_or((value, "0"));
    let count: i64 = count.parse().ok()?;
    let policy = json!({ "Name": name, "MaximumRetryCount": count });
    body.set(&format!("{at}RestartPolicy"), policy)
}

/// docker itself takes `systempaths` out, and reads a seccomp profile from its file.
fn security(value: &str, body: &mut Body) -> Option<()> {
    if value == "systempaths=unconfined" {
        body.set("HostConfig.MaskedPaths", json!([]))?;
        return body.set("HostConfig.ReadonlyPaths", json!([]));
    }
    body.push("HostConfig.SecurityOpt", json!(value))
}

fn ulimit(value: &str, body: &mut Body) -> Option<()> {
    let (name, limits) = value.split_once('=')?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let (soft, hard): (i64, i64) = (soft.parse().ok()?, hard.parse().ok()?);
    body.push("HostConfig.Ulimits", json!({ "Name": name, "Soft": soft, "Hard": hard }))
}

/// `type=bind,source=/a,target=/b,readonly`.
fn mount(value: &str, body: &mut Body) -> Option<()> {
    let mut mount = Body::default();
    mount.set("Type", json!("volume"))?;
    for option in value.split(',') {
        let (name, value) = option.split_once('=').unwrap_or((option, "true"));
        let truth = || value.parse::<bool>().ok().map(Value::from);
        match name {
            "type" => mount.set("Type", json!(value)),
            "source" | "src" => mount.set("Source", json!(value)),
            "target" | "dst" | "destination" => mount.set("Target", json!(value)),
            "readonly" | "ro" => mount.set("ReadOnly", truth()?),
            "bind-propagation" => mount.set("BindOptions.Propagation", json!(value)),
            "volume-driver" => mount.set("VolumeOptions.DriverConfig.Name", json!(value)),
            "volume-nocopy" => mount.set("VolumeOptions.NoCopy", truth()?),
            "volume-opt" => {
                let (name, value) = value.split_once('=').unwrap_or((value, ""));
                mount.entry("VolumeOptions.DriverConfig.Options", name, json!(value))
            }
            "tmpfs-mode" | "tmpfs-size" => Some(()),
            _ => None,
        }?;
    }
    body.push("HostConfig.Mounts", mount.into_value())
}
