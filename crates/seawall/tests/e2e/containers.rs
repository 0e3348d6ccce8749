//! Running containers and changing them.

use crate::support::client::{Side, fresh};
use crate::support::on_every_side;
use crate::support::through_sshd;

on_every_side!(
    run_in_the_foreground_shows_output_and_exit_code,
    run_detached_starts_and_stop_stops,
    run_takes_its_settings,
    create_start_restart_pause_kill_and_remove,
    exec_runs_a_command_with_its_exit_code,
    exec_detached_runs_in_the_background,
    a_container_is_renamed_and_updated,
    files_are_copied_both_ways,
    a_large_file_is_copied_both_ways_byte_for_byte,
    containers_of_a_label_are_pruned,
);

through_sshd!(
    run_in_the_foreground_shows_output_and_exit_code,
    files_are_copied_both_ways,
    a_large_file_is_copied_both_ways_byte_for_byte,
);

fn run_in_the_foreground_shows_output_and_exit_code(side: Side) {
    for docker in side.dockers() {
        let done =
            docker.run(["run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 3"]);
        assert_eq!(done.status.code(), Some(3), "{done}");
        assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("out\n", "err\n"));
        let (code, said) = docker.run(["run", "--rm", "busybox", "no-such-command"]).fails();
        assert_eq!(code, Some(127));
        assert!(said.contains("executable file not found"), "{said}");
    }
}

fn run_detached_starts_and_stop_stops(side: Side) {
    for docker in side.dockers() {
        let container = docker.idle_container("detached");
        assert_eq!(container.id.len(), 64);
        let state = ["inspect", &container.name, "--format", "{{.State.Status}}"];
        assert_eq!(docker.run(state).ok(), "running");
        docker.run(["stop", "-t", "0", &container.name]).ok();
        assert_eq!(docker.run(state).ok(), "exited");
    }
}

fn run_takes_its_settings(side: Side) {
    for docker in side.dockers() {
        let done = docker.run([
            "run",
            "--rm",
            "-e",
            "COLOR=blue sky",
            "-w",
            "/tmp",
            "-u",
            "12:34",
            "--hostname",
            "harbor",
            "--tmpfs",
            "/scratch",
            "--memory",
            "64m",
            "--cap-drop",
            "ALL",
            "--read-only",
            "--init",
            "--label",
            "a=b",
            "--add-host",
            "there:192.0.2.1",
            "--ulimit",
            "nofile=99:99",
            "busybox",
            "sh",
            "-c",
            "echo $COLOR; pwd; id -u; hostname; ulimit -n; grep there /etc/hosts",
        ]);
        assert_eq!(done.ok(), "blue sky\n/tmp\n12\nharbor\n99\n192.0.2.1\tthere");
    }
}

fn create_start_restart_pause_kill_and_remove(side: Side) {
    let docker = side.docker();
    let name = fresh("life");
    let state = || docker.run(["inspect", &name, "--format", "{{.State.Status}}"]).ok();
    docker.run(["create", "--name", &name, "busybox", "sleep", "1000"]).ok();
    assert_eq!(state(), "created");
    assert_eq!(docker.run(["start", &name]).ok(), name);
    assert_eq!(state(), "running");
    docker.run(["pause", &name]).ok();
    assert_eq!(state(), "paused");
    docker.run(["unpause", &name]).ok();
    docker.run(["restart", "-t", "0", &name]).ok();
    assert_eq!(state(), "running");
    docker.run(["kill", "--signal", "KILL", &name]).ok();
    docker.run(["wait", &name]).ok();
    assert_eq!(state(), "exited");
    docker.run(["rm", &name]).ok();
    docker.run(["inspect", &name]).fails();
}

fn exec_runs_a_command_with_its_exit_code(side: Side) {
    for docker in side.dockers() {
        let container = docker.idle_container("exec");
        let script = "echo out $A; echo err >&2; exit 5";
        let done = docker.run(["exec", "-e", "A=b", &container.name, "sh", "-c", script]);
        assert_eq!(done.status.code(), Some(5), "{done}");
        assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("out b\n", "err\n"));
    }
}

fn exec_detached_runs_in_the_background(side: Side) {
    for docker in side.dockers() {
        let container = docker.idle_container("background");
        docker.run(["exec", "-d", &container.name, "touch", "/done"]).ok();
        let seen = "until [ -e /done ]; do sleep 0.05; done; echo seen";
        assert_eq!(docker.run(["exec", &container.name, "sh", "-c", seen]).ok(), "seen");
    }
}

fn a_container_is_renamed_and_updated(side: Side) {
    let docker = side.docker();
    let container = docker.idle_container("old-name");
    let name = fresh("new-name");
    docker.run(["rename", &container.name, &name]).ok();
    docker.run(["update", "--cpu-shares", "512", "--restart", "on-failure:2", &name]).ok();
    let format = "{{.HostConfig.CpuShares}} {{.HostConfig.RestartPolicy.Name}}";
    assert_eq!(docker.run(["inspect", &name, "--format", format]).ok(), "512 on-failure");
    docker.run(["rename", &name, &container.name]).ok();
}

fn files_are_copied_both_ways(side: Side) {
    for docker in side.dockers() {
        let container = docker.idle_container("cp");
        let dir = tempfile::tempdir().unwrap();
        let (there, back) = (dir.path().join("there"), dir.path().join("back"));
        std::fs::create_dir_all(there.join("deep")).unwrap();
        std::fs::write(there.join("deep/file"), "some text").unwrap();
        let inside = format!("{}:/root/copied", container.name);
        docker.run(["cp", there.to_str().unwrap(), &inside]).ok();
        let read = docker.run(["exec", &container.name, "cat", "/root/copied/deep/file"]).ok();
        assert_eq!(read, "some text");
        docker.run(["cp", &inside, back.to_str().unwrap()]).ok();
        assert_eq!(std::fs::read_to_string(back.join("deep/file")).unwrap(), "some text");
        // As a tar stream on standard input and output.
        let file = format!("{}:/root/copied/deep", container.name);
        let tar = docker.run(["cp", &file, "-"]).ok();
        assert!(tar.contains("some text"));
        let (_, said) = docker.run(["cp", &format!("{}:/none", container.name), "-"]).fails();
        assert!(said.contains("/none"), "{said}");
    }
}

fn a_large_file_is_copied_both_ways_byte_for_byte(side: Side) {
    let docker = side.docker();
    let container = docker.idle_container("cp-large");
    let dir = tempfile::tempdir().unwrap();
    let (there, back) = (dir.path().join("there"), dir.path().join("back"));
    // No two blocks alike, so that a lost, doubled or swapped one is seen.
    let data: Vec<u8> = (0..16_u32 << 20).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&there, &data).unwrap();
    let inside = format!("{}:/tmp/large", container.name);
    docker.run(["cp", there.to_str().unwrap(), &inside]).ok();
    docker.run(["cp", &inside, back.to_str().unwrap()]).ok();
    assert!(std::fs::read(&back).unwrap() == data);
}

fn containers_of_a_label_are_pruned(side: Side) {
    let docker = side.docker();
    let label = fresh("pruned");
    let with = format!("label={label}");
    let id = docker.run(["create", "--label", &label, "busybox"]).ok();
    let said = docker.run(["container", "prune", "-f", "--filter", &with]).ok();
    assert!(said.contains(&id), "{said}");
    docker.run(["inspect", &id]).fails();
    docker.run(["system", "prune", "-f", "--filter", &with]).ok();
}
